"""How large and how urgent tasks are, how that changes, and how well they were served."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvec.physics._safe import root


def uniform(
    u: Float[Array, "*#task"], low: Float[Array | float, "*#task"], high: Float[Array | float, "*#task"]
) -> Float[Array, "*task"]:
    """Number between two bounds: low + u (high - low).

    Args:
        u: uniform on [0, 1) [-].
        low: value at 0 [unit].
        high: value at 1 [unit].
    Returns:
        Value [unit].
    """
    return low + u * (high - low)


def ar1(
    x: Float[Array, "*#task"], rho: Float[Array | float, "*#task"], normal: Float[Array, "*#task"]
) -> Float[Array, "*task"]:
    """Next value of a process that forgets slowly and stays standard normal: rho x + sqrt(1 - rho^2) normal.

    Args:
        x: value now [-].
        rho: correlation of neighbouring values [-], from -1 to 1; at either end the value stays as large as it is.
        normal: standard normal number [-].
    Returns:
        Next value [-].
    """
    return rho * x + root((1.0 - jnp.asarray(rho)) * (1.0 + rho)) * normal


def subtask_priority(
    cycles_per_bit: Float[Array, "vehicle subtask *batch"],
    size_bits: Float[Array, "vehicle subtask *batch"],
    urgency: Float[Array, "vehicle subtask *batch"],
    cycles_weight: Float[Array, "vehicle subtask *batch"],
    size_weight: Float[Array, "vehicle subtask *batch"],
    coefficients: Float[Array, "#vehicle 3 *#batch"],
) -> Float[Array, "vehicle subtask *batch"]:
    """How important a subtask is among those of its vehicle, by complexity, size and urgency.

    (alpha C / sum C + beta D / sum D + gamma chi) varpi varkappa. Source: (1), (2) of the URLLC-VEC paper.

    Args:
        cycles_per_bit: complexity C [cycle/bit].
        size_bits: size D [bit].
        urgency: chi [-].
        cycles_weight: varpi [-].
        size_weight: varkappa [-].
        coefficients: alpha, beta and gamma [-], summing to 1.
    Returns:
        Priority [-].
    """
    alpha, beta, gamma = (coefficients[:, i : i + 1] for i in range(3))
    importance = alpha * _part(cycles_per_bit) + beta * _part(size_bits) + gamma * urgency
    return importance * cycles_weight * size_weight


def qos(
    latency_s: Float[Array, "*#task"],
    energy_j: Float[Array | float, "*#task"],
    w_l: Float[Array | float, "*#task"],
    w_e: Float[Array | float, "*#task"],
) -> Float[Array, "*task"]:
    """Quality of service of a task: w_l / latency - w_e energy. Source: (48) of the URLLC-VEC paper, erratum 5.

    Args:
        latency_s: until it was done [s], at least 0.
        energy_j: spent on it [J].
        w_l: weight of the latency [s].
        w_e: weight of the energy [1/J].
    Returns:
        Quality [-]; inf with gradient 0 where it took no time.
    """
    at_once = jnp.asarray(latency_s) == 0.0
    return jnp.where(at_once, jnp.inf, w_l / jnp.where(at_once, 1.0, latency_s)) - w_e * energy_j


def qos_percent(
    quality: Float[Array, "*#task"], q_min: Float[Array | float, "*#task"], q_max: Float[Array | float, "*#task"]
) -> Float[Array, "*task"]:
    """Quality on a scale to 100 at q_max, on which q_min is itself, kept between 0 and 100.

    (100 - q_min) (quality - q_min) / (q_max - q_min) + q_min. Source: (93) of the URLLC-VEC paper; erratum 5 puts
    100 - q_min for 100.

    Args:
        quality: from `qos` [-].
        q_min: least that is wanted [-], below 100.
        q_max: quality that deserves 100 [-], above `q_min`.
    Returns:
        Quality [%].
    """
    return jnp.clip((100.0 - q_min) * ((quality - q_min) / (q_max - q_min)) + q_min, 0.0, 100.0)


def _part(x: Float[Array, "vehicle subtask *batch"]) -> Float[Array, "vehicle subtask *batch"]:
    """What a subtask has of its vehicle's total, 0 where there is none."""
    total = jnp.sum(x, 1, keepdims=True)
    return x / jnp.where(total == 0.0, 1.0, total)
