"""Samples in shards of worlds: each shard is mixed by itself, so that it can stay on the device where its worlds live.

How many shards there are depends on sizes alone and not on devices: 1, 2, 4 or 8 devices, and of thousands of worlds more, hold
whole shards, and what is learned is the same on all of them but for the order in which sums are rounded.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng

MOST = 8  # shards, and so devices that share a training, but for many worlds
WORLDS_OF_SHARD = 256  # at least, where there are more shards


def most_of(n_worlds: int) -> int:
    """The most shards, and so the most devices that share a training: 8, or one for every 256 worlds, a power of two.

    Args:
        n_worlds: W.
    """
    most = MOST
    while n_worlds >= 2 * most * WORLDS_OF_SHARD:
        most *= 2
    return most


def shards_of(n_worlds: int, samples: int, parts: int = 1) -> int:
    """How many shards: a power of two up to `most_of`, the most that divide the worlds, and whose samples can be cut into parts.

    Args:
        n_worlds: W.
        samples: of all worlds together, a multiple of W or of the shards.
        parts: into which the samples of each shard are to be cut equally.
    Returns:
        1 at least.
    """
    shards = 1
    most = most_of(n_worlds)
    while 2 * shards <= most and n_worlds % (2 * shards) == 0 and samples % (2 * shards * parts) == 0:
        shards *= 2
    return shards


def by_shard(x: Array, shards: int) -> Array:
    """Samples of slots and worlds by the shard of their world.

    Args:
        x: `(T, W, ...)`.
        shards: S.
    Returns:
        `(S, T W / S, ...)`.
    """
    time, worlds, *rest = x.shape
    parted = jnp.moveaxis(x.reshape(time, shards, worlds // shards, *rest), 1, 0)
    return parted.reshape(shards, time * worlds // shards, *rest)


def shuffled(key: Array, shards: int, samples: int, parts: int) -> Array:
    """Which samples of each shard meet in which part, int `(parts, S, samples / parts)`.

    Args:
        key: one typed key.
        shards: S.
        samples: of a shard.
        parts: of a pass over them.
    """
    keys = rng.fold_in(key, jnp.arange(shards))
    order = jax.vmap(lambda key: jax.random.permutation(key, samples))(keys)
    return jnp.moveaxis(order.reshape(shards, parts, -1), 1, 0)


def drawn(key: Array, shards: int, samples: Array | int, size: int) -> Array:
    """Samples of each shard, uniform with replacement, int `(S, size / S)`.

    Args:
        key: one typed key.
        shards: S.
        samples: of a shard.
        size: of all shards together.
    """
    keys = rng.fold_in(key, jnp.arange(shards))
    return jax.vmap(lambda key: jax.random.randint(key, (size // shards,), 0, samples))(keys)


def take(tree: Any, chosen: Array) -> Any:
    """Chosen samples, one shard's after the other's.

    Args:
        tree: of `(S, samples, ...)`.
        chosen: int `(S, m)`.
    Returns:
        The tree, of `(S m, ...)`.
    """

    def of_shards(x: Array) -> Array:
        return jax.vmap(lambda x, chosen: x[chosen])(x, chosen).reshape(-1, *x.shape[2:])

    return jax.tree.map(of_shards, tree)
