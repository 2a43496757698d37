"""Drift-plus-penalty: long-term constraints as queues whose growth is traded against a cost.

Source: Neely, Stochastic Network Optimization (2010), ch. 4; (27) to (44) of the ISAC-IoV paper. Divide queues by their
references first: squares of raw cycle counts would leave float32 no digits.
"""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def virtual_queue(
    queue: Float[Array | float, "*#node"], excess: Float[Array | float, "*#node"]
) -> Float[Array, "*node"]:
    """Sum of what went over a budget, less what stayed under it, never below 0: max(Z + excess, 0). Source: (27).

    Args:
        queue: Z before the slot [unit].
        excess: use of the slot minus its budget [unit].
    Returns:
        Z after the slot [unit].
    """
    return jnp.maximum(queue + excess, 0.0)


def drift_bound(
    backlog: Float[Array, "*#node"],
    arrivals: Float[Array | float, "*#node"],
    service: Float[Array | float, "*#node"],
) -> Float[Array, "*node"]:
    """Part of Lemma 1's bound on the drift that depends on the backlog: q (lam - s). Source: (44).

    The drift is at most this plus (lam - s)^2 / 2, which is left out although it depends on decisions (errata E3).

    Args:
        backlog: q at the start of the slot [reference].
        arrivals: lam [reference].
        service: s, the most that the slot can serve [reference].
    Returns:
        Drift [reference^2].
    """
    return backlog * (arrivals - service)


def drift_exact(before: Float[Array, "*#node"], after: Float[Array, "*#node"]) -> Float[Array, "*node"]:
    """Change of the quadratic Lyapunov function, (q'^2 - q^2) / 2. Source: (36). Summed over slots it telescopes.

    Args:
        before: q at the start of the slot [reference].
        after: q' at its end [reference].
    Returns:
        Drift [reference^2].
    """
    return 0.5 * (after - before) * (after + before)  # a difference of squares, without their cancellation


def drift_plus_penalty(
    v: Float[Array | float, "*#node"], penalty: Float[Array, "*#node"], drift: Float[Array, "*#node"]
) -> Float[Array, "*node"]:
    """What a slot should keep small: V penalty + drift. Source: (37), (44).

    Args:
        v: weight of the penalty [reference^2 / unit of the penalty].
        penalty: cost of the slot [its unit].
        drift: bound or exact [reference^2].
    Returns:
        Objective [reference^2].
    """
    return v * penalty + drift
