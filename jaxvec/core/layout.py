"""Where the batch axes stand: last in environments and rollouts, first in networks."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def batch_first(tree: Any, rank: int) -> Any:
    """Batch axes to the front, as networks want them.

    Args:
        tree: of arrays `(..., *batch)`.
        rank: batch axes.
    Returns:
        The tree, of arrays `(*batch, ...)`.
    """
    return jax.tree.map(lambda x: jnp.moveaxis(x, tuple(range(-rank, 0)), tuple(range(rank))), tree) if rank else tree


def batch_last(tree: Any, rank: int) -> Any:
    """Batch axes to the end, as environments want them.

    Args:
        tree: of arrays `(*batch, ...)`.
        rank: batch axes.
    Returns:
        The tree, of arrays `(..., *batch)`.
    """
    return jax.tree.map(lambda x: jnp.moveaxis(x, tuple(range(rank)), tuple(range(-rank, 0))), tree) if rank else tree


def lift(x: Any, rank: int) -> Array:
    """An array of one world's shape, made fit to broadcast against a batch.

    Args:
        x: what all worlds share, of any shape.
        rank: batch axes.
    Returns:
        x with `rank` axes of length 1 appended.
    """
    x = jnp.asarray(x)
    return x.reshape(x.shape + (1,) * rank)


def worlds_after_time(tree: Any) -> Any:
    """The worlds' axis moved from the end to behind that of time.

    Args:
        tree: of arrays `(time, ..., worlds)`, which become `(time, worlds, ...)`.
    """
    return jax.tree.map(lambda x: jnp.moveaxis(x, -1, 1), tree)
