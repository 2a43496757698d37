"""Running mean and variance, for observations and value targets."""

import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core.weights import weighted_sum


class Moments(struct.PyTreeNode):
    """Mean and variance of what was seen so far.

    Attributes:
        mean, var: `(*shape)`.
        count: how much was seen, `()`.
    """

    mean: Array
    var: Array
    count: Array


def start(shape: tuple[int, ...]) -> Moments:
    """Moments of nothing yet: mean 0, variance 1, which soon give way: they count as 1e-4 of an entry.

    Args:
        shape: of one entry.
    """
    return Moments(jnp.zeros(shape), jnp.ones(shape), jnp.asarray(1e-4))


def update(moments: Moments, x: Array, weight: Array | None = None) -> Moments:
    """Moments after a batch (Chan et al. 1979).

    Args:
        moments: of shape `(*shape)`.
        x: `(*batch, *shape)`.
        weight: of each entry, `(*batch)`; None for 1.
    """
    axes = tuple(range(x.ndim - moments.mean.ndim))
    weight = jnp.ones(x.shape[: len(axes)], x.dtype) if weight is None else weight
    count = jnp.sum(weight)
    spread = weight.reshape(weight.shape + (1,) * moments.mean.ndim)
    mean = weighted_sum(x, spread, axes) / jnp.maximum(count, 1e-8)
    var = weighted_sum((x - mean) ** 2, spread, axes) / jnp.maximum(count, 1e-8)
    total = moments.count + count
    delta = mean - moments.mean
    squares = moments.var * moments.count + var * count + delta**2 * moments.count * count / total
    return Moments(moments.mean + delta * count / total, squares / total, total)


def ema_update(moments: Moments, x: Array, weight: Array, rate: Array | float) -> Moments:
    """Moments moved towards those of a batch by a part `rate` (an exponential moving average): for what changes while it is
    learned.

    At first by a larger part, which makes a plain mean of the first `1 / rate` batches: where it started is soon forgotten.

    Args:
        moments: of a single quantity, shape `()`.
        x: `(*batch)`.
        weight: of each entry, `(*batch)`.
        rate: 0 to 1 [-].
    """
    total = jnp.maximum(jnp.sum(weight), 1e-8)
    rate = jnp.maximum(rate, total / (moments.count + total))
    mean = weighted_sum(x, weight) / total
    var = weighted_sum((x - mean) ** 2, weight) / total

    def moved(old: Array, new: Array) -> Array:
        return old + rate * (new - old)

    return Moments(moved(moments.mean, mean), moved(moments.var, var), moments.count + total)


def of_targets(rewards: Moments, ends: Array, gamma: Array | float) -> Moments:
    """Mean and variance of a critic's targets, r + gamma (1 - end) V, were rewards independent and an end as likely in each slot.

    The units of a critic. Statistics of the targets themselves would feed back: they scale what they follow, and values swing.

    Args:
        rewards: moments of a slot's reward, shape `()`.
        ends: the probability that an episode ends with a slot, `()`.
        gamma: discount per slot.
    """
    mean = rewards.mean / (1 - gamma * (1 - ends) + 1e-6)
    return Moments(mean, rewards.var + gamma**2 * ends * (1 - ends) * mean**2, rewards.count)


def apply(moments: Moments, x: Array, limit: float = 10.0) -> Array:
    """The input of a network: standard deviations from the mean, clipped.

    Args:
        moments: of shape `(*shape)`.
        x: `(*batch, *shape)`.
        limit: the most that is left [-].
    Returns:
        `(*batch, *shape)` [-].
    """
    return jnp.clip((x - moments.mean) / jnp.sqrt(moments.var + 1e-8), -limit, limit)


def undo(moments: Moments, x: Array) -> Array:
    """The inverse of `to`, and of `apply` inside its limit.

    Args:
        moments: of shape `(*shape)`.
        x: `(*batch, *shape)` [-].
    Returns:
        `(*batch, *shape)`, in the unit of the moments.
    """
    return x * jnp.sqrt(moments.var + 1e-8) + moments.mean


def to(moments: Moments, x: Array) -> Array:
    """The target of a critic: standard deviations from the mean, unclipped.

    Args:
        moments: of shape `(*shape)`.
        x: `(*batch, *shape)`.
    Returns:
        `(*batch, *shape)` [-].
    """
    return (x - moments.mean) / jnp.sqrt(moments.var + 1e-8)
