"""How the weights of networks start."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def orthogonal(gain: float) -> Callable[..., Array]:
    """Initialiser of random orthogonal matrices times a gain (Saxe et al. 2014), without LAPACK.

    The polar factor of a normal matrix by Newton-Schulz iteration, which is as uniform as the usual one. The usual one takes
    a QR decomposition, and several batched ones (seeds, agents) at once can wait for each other for ever on a CPU of two cores.

    Args:
        gain: singular values of all matrices [-].
    Returns:
        `init(key, shape, dtype=float) -> matrix`, as Flax wants it, of a shape `(rows, columns)`.
    """

    def init(key: Array, shape: tuple[int, int], dtype: Any = float) -> Array:
        x = jax.random.normal(key, (max(shape), min(shape)), dtype)
        x = x / jnp.linalg.norm(x)
        # a singular value grows by 1.5 while it is small, and ends at 1
        x = jax.lax.fori_loop(0, 50, lambda _, x: 1.5 * x - 0.5 * x @ (x.T @ x), x)
        return gain * (x if shape[0] >= shape[1] else x.T)

    return init
