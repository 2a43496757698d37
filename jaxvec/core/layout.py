"""Where the batch axes stand: last in environments and rollouts, first in networks."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def batch_first(tree: Any, rank: int) -> Any:
    """Every leaf of a `tree`, `(..., *batch)` with `rank` batch axes, as `(*batch, ...)`."""
    return jax.tree.map(lambda x: jnp.moveaxis(x, tuple(range(-rank, 0)), tuple(range(rank))), tree) if rank else tree


def batch_last(tree: Any, rank: int) -> Any:
    """Every leaf of a `tree`, `(*batch, ...)` with `rank` batch axes, as `(..., *batch)`."""
    return jax.tree.map(lambda x: jnp.moveaxis(x, tuple(range(rank)), tuple(range(-rank, 0))), tree) if rank else tree


def lift(x: Any, rank: int) -> Array:
    """An array `x` of one world's shape with `rank` batch axes of length 1 appended, to broadcast against a batch."""
    x = jnp.asarray(x)
    return x.reshape(x.shape + (1,) * rank)
