"""What an agent may choose: bounded boxes and finite sets, frozen and hashable."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array


@dataclass(frozen=True)
class Box:
    """Real numbers between two bounds.

    Attributes:
        low, high: the bounds, which belong to it.
        shape: of what one agent chooses.
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
        """Uniform on the box.

        Args:
            u: of any shape, uniform on (0, 1).
        Returns:
            Of the same shape.
        """
        return self.low + u * (self.high - self.low)

    def contains(self, x: Array) -> Array:
        """Whether all numbers are in the box.

        Args:
            x: of any shape.
        Returns:
            bool `()`.
        """
        return jnp.all((x >= self.low) & (x <= self.high))


@dataclass(frozen=True)
class Discrete:
    """Whole numbers from 0 on.

    Attributes:
        n: how many: 0 to n - 1.
        shape: of what one agent chooses.
    """

    n: int
    shape: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Uniform numbers that one sample takes."""
        return math.prod(self.shape)

    def from_uniform(self, u: Array, mask: Array | None = None) -> Array:
        """Choices, all that are allowed equally likely.

        Args:
            u: `(agents, *shape, *batch)`, uniform on (0, 1).
            mask: bool `(agents, *shape, n, *batch)`, which choices are allowed; None if all are.
        Returns:
            int32, of the shape of u.
        """
        if mask is None:
            return jnp.minimum((u * self.n).astype(jnp.int32), self.n - 1)
        axis = 1 + len(self.shape)
        rank = jnp.cumsum(mask, axis) - 1
        count = jnp.sum(mask, axis)
        wanted = jnp.minimum(jnp.floor(u * count).astype(rank.dtype), count - 1)  # u may be 1
        return jnp.argmax(mask & (rank == jnp.expand_dims(wanted, axis)), axis).astype(jnp.int32)

    def contains(self, x: Array) -> Array:
        """Whether all numbers are choices.

        Args:
            x: whole numbers of any shape.
        Returns:
            bool `()`.
        """
        return jnp.all((x >= 0) & (x < self.n))


Space = Box | Discrete
ActionSpace = Mapping[str, Mapping[str, Space]]
