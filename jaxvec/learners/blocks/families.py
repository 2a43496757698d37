"""The three families of distributions that heads are made of, for where distrax is not installed.

distrax needs a nightly build of another package, which not every machine can have. What is here has the names and the formulas of
distrax's, of which only what heads ask for.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class Categorical(NamedTuple):
    """One choice among k.

    Attributes:
        logits: `(*batch, k)`, up to a constant.
    """

    logits: Array

    def mode(self) -> Array:
        """The most probable choice `(*batch)`."""
        return jnp.argmax(self.logits, -1)

    def log_prob(self, value: Array) -> Array:
        """Log-probabilities of choices `(*batch)` [nat].

        Args:
            value: choices, int `(*batch)`.
        """
        log_p = jax.nn.log_softmax(self.logits)
        return jnp.take_along_axis(log_p, value[..., None].astype(jnp.int32), -1)[..., 0]

    def entropy(self) -> Array:
        """`(*batch)` [nat]."""
        log_p = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.where(jnp.isneginf(log_p), 0, jnp.exp(log_p) * log_p), -1)


class Normal(NamedTuple):
    """Independent numbers.

    Attributes:
        loc: mean of each.
        scale: standard deviation of each.
    """

    loc: Array
    scale: Array

    def log_prob(self, value: Array) -> Array:
        """Log-density of each number [nat].

        Args:
            value: numbers, of the shape of `loc`.
        """
        return -0.5 * ((value - self.loc) / self.scale) ** 2 - 0.5 * math.log(2 * math.pi) - jnp.log(self.scale)

    def entropy(self) -> Array:
        """Of each number [nat]."""
        return 0.5 * math.log(2 * math.pi * math.e) + jnp.log(self.scale)


class Independent(NamedTuple):
    """Numbers whose last axes are one event.

    Attributes:
        distribution: of each number.
        reinterpreted_batch_ndims: how many axes an event has.
    """

    distribution: Normal
    reinterpreted_batch_ndims: int

    def log_prob(self, value: Array) -> Array:
        """Log-density of each event [nat].

        Args:
            value: numbers, of the shape of `loc`.
        """
        return self._over_event(self.distribution.log_prob(value))

    def entropy(self) -> Array:
        """Of each event [nat]."""
        return self._over_event(self.distribution.entropy())

    def _over_event(self, x: Array) -> Array:
        return jnp.sum(x, tuple(range(-self.reinterpreted_batch_ndims, 0)))
