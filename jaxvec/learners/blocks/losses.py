"""Losses, as means over those agents that took part."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvec.core.weights import counted, weighted_mean

LOG_RATIO_MAX = 10.0  # beyond it exp(log-ratio) is of no use to a clipped objective, and near overflow


def standardise(x: Float[Array, "*n"], weight: Float[Array, "*#n"]) -> Float[Array, "*n"]:
    """Numbers less their mean, over their standard deviation, both over the entries with weight.

    Args:
        x: of any shape.
        weight: 1 for an entry that counts and 0 for one that does not, of a shape that broadcasts.
    Returns:
        Of x's shape [-], 0 for entries without weight.
    """
    centred = counted(x - weighted_mean(x, weight), weight)
    # again, as the first mean is rounded: of numbers that are alike, 0 is left
    centred -= weighted_mean(centred, weight)
    return counted(centred, weight) / jnp.sqrt(weighted_mean(centred**2, weight) + 1e-8)


def clipped_surrogate(
    log_ratio: Float[Array, "*n"], advantage: Float[Array, "*n"], clip: Float[Array | float, ""]
) -> Float[Array, "*n"]:
    """PPO's loss per sample (Schulman et al. 2017, (7), negated): -min(r A, clip(r, 1 - eps, 1 + eps) A).

    Args:
        log_ratio: log of new over old probability; bounded to +-10.
        advantage: A.
        clip: eps.
    Returns:
        The loss of each sample.
    """
    ratio = jnp.exp(jnp.clip(log_ratio, -LOG_RATIO_MAX, LOG_RATIO_MAX))
    return -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - clip, 1 + clip) * advantage)


def approximate_kl(log_ratio: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Estimate of KL(old || new) per sample that is never negative: r - 1 - log r [nat] (Schulman 2020).

    Args:
        log_ratio: log of new over old probability; bounded to +-10.
    Returns:
        The estimate of each sample [nat].
    """
    log_ratio = jnp.clip(log_ratio, -LOG_RATIO_MAX, LOG_RATIO_MAX)
    return jnp.exp(log_ratio) - 1 - log_ratio
