"""Decisions from retrieved cases without a parameter: copy the nearest, or look at the cases row by row.

A rule is `rule(situation, near) -> matrix`: rows in canonical order, numbers in the units of the cases' actions. No case at
all is the caller's business.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.policies.in_context.cases import Metric, Nearest, Situation

Rule = Callable[[Situation, Nearest], Array]


def copy(situation: Situation, near: Nearest) -> Array:
    """What was done in the nearest case."""
    return near.action[0]


def kernel(metric: Metric, *, hard: bool = True, width: float = 0.2, temperature: float = 0.3) -> Rule:
    """Each row does what the most similar and successful row of any retrieved case did.

    The weight of a row j for a row i is exp(-|f_i - f_j|^2 / (2 width^2) + advantage_j / temperature): the advantages of
    single rows are what lets it exceed the policy that it learns from.

    Args:
        hard: take the row of the largest weight. Otherwise the weighted mean of rows, which blurs decisions between two extremes.
        width: of the kernel, in the metric's units.
        temperature: advantage that is worth a factor e.
    """

    def rule(situation: Situation, near: Nearest) -> Array:
        mine, theirs = metric.features(situation), metric.features(near.situation)
        apart = mine[:, None, None] - theirs  # (row, k, row, feature)
        logit = near.advantage / temperature - jnp.sum(apart * apart, -1) / (2 * width * width)
        logit = jnp.where(near.valid[:, None], logit, -jnp.inf).reshape(len(mine), -1)
        rows = near.action.reshape(logit.shape[1], -1)
        return rows[jnp.argmax(logit, 1)] if hard else jax.nn.softmax(logit, 1) @ rows

    return rule
