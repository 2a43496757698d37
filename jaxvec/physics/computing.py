"""What a processor takes to do its work, in time and energy, and how requests share it."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def time_s(
    cycles: Float[Array | float, "*#link"], frequency_hz: Float[Array | float, "*#link"]
) -> Float[Array, "*link"]:
    """Time that work takes: cycles / f. Source: (5), (13) of the ISAC-IoV paper.

    Args:
        cycles: work [cycle], at least 0.
        frequency_hz: speed f given to it [Hz], at least 0.
    Returns:
        Time [s]. Where f is 0: 0 without work and inf with it, both with gradient 0.
    """
    stands = jnp.asarray(frequency_hz) == 0.0
    waits_s = jnp.where(jnp.asarray(cycles) <= 0.0, 0.0, jnp.inf)
    return jnp.where(stands, waits_s, cycles / jnp.where(stands, 1.0, frequency_hz))


def energy_j(
    kappa: Float[Array | float, "*#link"],
    frequency_hz: Float[Array | float, "*#link"],
    cycles: Float[Array | float, "*#link"],
) -> Float[Array, "*link"]:
    """Energy that work takes on a CMOS processor: kappa f^2 cycles. Source: (6), (11), (14) of the ISAC-IoV paper.

    Args:
        kappa: effective switched capacitance [W s^3], 1e-28 to 1e-26.
        frequency_hz: speed f [Hz].
        cycles: work [cycle].
    Returns:
        Energy [J].
    """
    return jnp.asarray(
        kappa * frequency_hz * frequency_hz * cycles
    )  # in this order float32 neither over- nor underflows


def fit_to_budget(request: Float[Array, "*link"], axis: int | tuple[int, ...]) -> Float[Array, "*link"]:
    """Shares of one resource: requests as they are while they sum to 1 or less, scaled down in proportion above it.

    Args:
        request: part of the resource asked for [-], at least 0.
        axis: entity axes that compete, counted from the front: batch axes follow, so a negative axis is a ValueError.
    Returns:
        Part granted [-], summing to 1 at most over `axis`.
    """
    if any(a < 0 for a in ((axis,) if isinstance(axis, int) else axis)):
        raise ValueError(f"axis counts from the front, because worlds come last; got {axis}")
    return request / jnp.maximum(1.0, jnp.sum(request, axis=axis, keepdims=True))
