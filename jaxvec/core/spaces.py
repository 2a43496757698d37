"""What an agent may choose: bounded boxes and finite sets, frozen and hashable."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array


@dataclass(frozen=True)
class Box:
    """Real numbers in [low, high] of a shape (per agent).

    Attributes:
        low, high: ends.
        shape: of one agent's numbers.
        start: where learners begin, as far as the environment knows better than the middle; None for that.
    """

    low: float
    high: float
    shape: tuple[int, ...] = ()
    start: float | None = None

    @property
    def size(self) -> int:
        """Uniform numbers that one sample takes."""
        return math.prod(self.shape)

    @property
    def centred_start(self) -> float:
        """Where learners begin, in units where the box is [-1, 1]."""
        return 0.0 if self.start is None else 2 * (self.start - self.low) / (self.high - self.low) - 1

    def from_uniform(self, u: Array) -> Array:
        """Uniform on the box from numbers `u` of any shape, uniform on (0, 1)."""
        return self.low + u * (self.high - self.low)

    def contains(self, x: Array) -> Array:
        """Whether all of `x` is in the box, bool `()`."""
        return jnp.all((x >= self.low) & (x <= self.high))


@dataclass(frozen=True)
class Discrete:
    """The integers 0..n-1, one for each entry of a shape (per agent)."""

    n: int
    shape: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Uniform numbers that one sample takes."""
        return math.prod(self.shape)

    def from_uniform(self, u: Array, mask: Array | None = None) -> Array:
        """int32 choices, uniform over those that `mask` (u's shape with an axis of n after the agent's) allows."""
        if mask is None:
            return jnp.minimum((u * self.n).astype(jnp.int32), self.n - 1)
        axis = 1 + len(self.shape)
        rank = jnp.cumsum(mask, axis) - 1
        count = jnp.sum(mask, axis)
        wanted = jnp.minimum(jnp.floor(u * count).astype(rank.dtype), count - 1)  # u may be 1
        return jnp.argmax(mask & (rank == jnp.expand_dims(wanted, axis)), axis).astype(jnp.int32)

    def contains(self, x: Array) -> Array:
        """Whether all of `x` is a choice, bool `()`."""
        return jnp.all((x >= 0) & (x < self.n))


Space = Box | Discrete
ActionSpace = Mapping[str, Mapping[str, Space]]
