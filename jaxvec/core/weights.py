"""Sums and means over those that count: what has no weight never reaches a sum, whatever it is, not even NaN."""

import jax.numpy as jnp
from jax import Array

Axes = int | tuple[int, ...] | None


def counted(x: Array, weight: Array) -> Array:
    """x, with 0 in place of entries without weight: neither they nor gradients through them reach what is made of it.

    Args:
        x: of any shape and unit.
        weight: 0 or False for an entry that does not count, of a shape that broadcasts.
    """
    return jnp.where(weight != 0, x, jnp.zeros_like(x))


def weighted_sum(x: Array, weight: Array, axes: Axes = None) -> Array:
    """Sum of the entries with weight, times it.

    Args:
        x: of any shape and unit.
        weight: of a shape that broadcasts, bool or number.
        axes: over which to sum; None: all.
    """
    return jnp.sum(weight * counted(x, weight), axes)


def weighted_mean(x: Array, weight: Array, axes: Axes = None, least: float = 1.0) -> Array:
    """Mean of x over the entries with weight; 0 where there is none.

    Args:
        x: of any shape and unit.
        weight: of a shape that broadcasts, bool or number.
        axes: over which to take the mean; None: all.
        least: the sum of weights is taken as this at least: 1 where they are 0 and 1, so that a sum of nothing is 0.
    """
    total = jnp.sum(jnp.broadcast_to(weight, x.shape), axes, dtype=jnp.result_type(float))
    return weighted_sum(x, weight, axes) / jnp.maximum(total, least)
