"""A replay buffer on the device: a ring of slots, each with one entry per world, sampled uniformly.

An entry is a pytree; it is kept as one row of numbers, so that writing a slot is one contiguous copy and a sample is one gather.
The axis of worlds may be sharded: a slot is written, and an entry is read, where its world lives. Give the buffer's old
state away (`donate_argnums`, or the carry of a loop), and it is updated in place.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core.devices import spread
from jaxvec.core.shards import drawn, shards_of


class Packing(NamedTuple):
    """How an entry becomes a row.

    Attributes:
        structure: of the pytree.
        shapes, dtypes: of each leaf, without batch axes.
    """

    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[Any, ...]

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return sum(math.prod(shape) for shape in self.shapes)

    def pack(self, entries: Any) -> Array:
        """Entries to rows.

        Everything becomes the default float type: whole numbers must be below 2^24 in float32.

        Args:
            entries: a tree of leaves `(*batch, *shape)`.
        Returns:
            `(*batch, width)`.
        """
        leaves = jax.tree.leaves(entries)
        batch = leaves[0].shape[: leaves[0].ndim - len(self.shapes[0])]
        return jnp.concatenate([x.reshape(*batch, -1).astype(jnp.result_type(float)) for x in leaves], -1)

    def unpack(self, rows: Array) -> Any:
        """Rows to entries, the inverse of `pack`.

        Args:
            rows: `(*batch, width)`.
        Returns:
            A tree of leaves `(*batch, *shape)`, of their own types again.
        """
        leaves, start = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            end = start + math.prod(shape)
            leaves.append(rows[..., start:end].reshape(*rows.shape[:-1], *shape).astype(dtype))
            start = end
        return jax.tree.unflatten(self.structure, leaves)


def packing(entry: Any) -> Packing:
    """The packing of entries like one.

    Args:
        entry: a tree of arrays, or of their shapes, without batch axes.
    """
    leaves, structure = jax.tree.flatten(entry)
    return Packing(structure, tuple(x.shape for x in leaves), tuple(x.dtype for x in leaves))


class Replay(struct.PyTreeNode):
    """The buffer.

    Attributes:
        rows: `(slots, worlds, width)`.
        cursor: int32 `()`, the slot to be written next.
        filled: int32 `()`, how many were written, at most all.
    """

    rows: Array
    cursor: Array
    filled: Array


def start(slots: int, worlds: int, width: int) -> Replay:
    """An empty buffer.

    Args:
        slots: that it keeps.
        worlds: entries of a slot.
        width: numbers of an entry.
    """
    return Replay(spread(jnp.zeros((slots, worlds, width)), 1), jnp.int32(0), jnp.int32(0))


def add(replay: Replay, rows: Array) -> Replay:
    """The buffer with one more slot, written over the oldest once it is full.

    Args:
        replay: the buffer before.
        rows: `(worlds, width)`.
    """
    slots = len(replay.rows)
    written = jax.lax.dynamic_update_index_in_dim(replay.rows, rows, replay.cursor, 0)
    return Replay(written, (replay.cursor + 1) % slots, jnp.minimum(replay.filled + 1, slots))


def sample(replay: Replay, key: Array, n: int) -> tuple[Array, Array]:
    """n entries, uniform over those written, with replacement: as many of each shard of worlds.

    Args:
        replay: the buffer; an empty one gives zeros.
        key: one typed key.
        n: static.
    Returns:
        Rows `(n, width)`, and the world of each, int32 `(n,)`.
    """
    slots, worlds, width = replay.rows.shape
    shards = shards_of(worlds, n)
    of_shard = worlds // shards
    chosen = drawn(key, shards, jnp.maximum(replay.filled, 1) * of_shard, n)
    rows = replay.rows.reshape(slots, shards, of_shard, width)
    found = jax.vmap(lambda rows, i: rows[i // of_shard, i % of_shard], (1, 0))(rows, chosen)
    world = chosen % of_shard + jnp.arange(shards)[:, None] * of_shard
    return found.reshape(n, width), world.reshape(n)
