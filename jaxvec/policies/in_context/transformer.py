"""A transformer that reads solved cases and decides likewise: trained once, offline; it learns nothing more while it decides.

A token per row: of each retrieved case, and of the situation. It has the row's features, the shared ones, the row's decision in
unit numbers (of the situation: zeros), whether it is of the situation, and its advantage; for the situation, the wished-for one.
Which case a row belongs to is a learned vector; where it stands in it is not told, so rows may be permuted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxvec.core.weights import weighted_sum
from jaxvec.policies.in_context.cases import CaseSet, Metric, Nearest, Situation, find, percentile
from jaxvec.policies.in_context.fitting import Fitted, Training, descend
from jaxvec.policies.in_context.rules import Rule

WISH = 0.9  # quantile of a set's advantages that is wished for: to decide like the best
TRAINING = Training(20_000)


@dataclass(frozen=True)
class Transformer:
    """Sizes.

    Attributes:
        k: cases that it reads.
        width, blocks, heads, inner: of the network; `inner` is the width between the two layers of each block.
    """

    k: int = 5
    width: int = 128
    blocks: int = 4
    heads: int = 4
    inner: int = 512

    def init(self, key: Array, situation: Situation, near: Nearest) -> Any:
        """Parameters for cases of these sizes."""
        return self._net(near).init(key, *_tokens(situation, near, jnp.float32(0.0), None))

    def apply(
        self,
        params: Any,
        situation: Situation,
        near: Nearest,
        wish: Array,
        present: Bool[Array, "*batch row"] | None = None,
    ) -> Float[Array, "*batch row number"]:
        """The decision in unit numbers; any batch axes first.

        Args:
            situation: in canonical order or any other.
            near: in unit numbers.
            wish: advantage that is wished for.
            present: which rows there are, where others only fill up the shape; by default all.
        """
        return jnp.asarray(self._net(near).apply(params, *_tokens(situation, near, wish, present)))

    def _net(self, near: Nearest) -> "_Net":
        return _Net(self.width, self.blocks, self.heads, self.inner, near.action.shape[-1])


class _Net(nn.Module):
    width: int
    blocks: int
    heads: int
    inner: int
    out: int

    @nn.compact
    def __call__(self, solved: Array, query: Array, attend: Array) -> Array:
        """Tokens of cases `(*batch, k, row, d)` and of the situation `(*batch, row, d)`; which of all may be attended to."""
        k, n = solved.shape[-3:-1]
        embed, slot = nn.Dense(self.width), nn.Embed(k + 1, self.width)(jnp.arange(k + 1))
        flat = (embed(solved) + slot[1:, None]).reshape(*solved.shape[:-3], k * n, self.width)
        x = jnp.concatenate([flat, embed(query) + slot[0]], -2)
        mask = jnp.broadcast_to(attend[..., None, None, :], (*attend.shape[:-1], 1, x.shape[-2], x.shape[-2]))
        for _ in range(self.blocks):
            x = x + nn.MultiHeadDotProductAttention(self.heads)(nn.LayerNorm()(x), mask=mask)
            x = x + nn.Dense(self.width)(nn.gelu(nn.Dense(self.inner)(nn.LayerNorm()(x))))
        return nn.sigmoid(nn.Dense(self.out)(nn.LayerNorm()(x[..., k * n :, :])))


def _tokens(situation: Situation, near: Nearest, wish: Array, present: Array | None) -> tuple[Array, Array, Array]:
    """Tokens of cases, tokens of the situation, and which of all are to be attended to `(*batch, (k + 1) row)`."""

    def token(rows: Array, shared: Array, action: Array, is_query: float, advantage: Array) -> Array:
        everyone = jnp.broadcast_to(shared[..., None, :], (*rows.shape[:-1], shared.shape[-1]))
        flag = jnp.full((*rows.shape[:-1], 1), is_query, rows.dtype)
        return jnp.concatenate([rows, everyone, action, flag, advantage[..., None]], -1)

    rows, valid = situation.rows, near.valid
    present = jnp.ones(rows.shape[:-1], bool) if present is None else present
    solved = token(near.rows, near.shared, near.action, 0.0, near.advantage)
    wishes = jnp.broadcast_to(jnp.asarray(wish, rows.dtype)[..., None], rows.shape[:-1])
    query = token(rows, situation.shared, jnp.zeros((*rows.shape[:-1], near.action.shape[-1])), 1.0, wishes)
    of_cases = valid[..., :, None] & present[..., None, :]
    attend = jnp.concatenate([of_cases.reshape(*valid.shape[:-1], -1), present], -1)
    return solved, query, attend


def rule(model: Transformer, params: Any, cases: CaseSet) -> Rule:
    """To decide as a trained transformer does that is told to be like the best of `cases`."""
    wish = percentile(cases, WISH)
    return lambda situation, near: model.apply(params, situation, near, wish)


# Training


class Lessons(NamedTuple):
    """Situations, and what is to be learned about each: M of them, from any number of sets.

    Attributes:
        rows, shared, action, advantage: the cases as they were solved, in unit numbers.
        target, worth: as they should be solved, and the advantage of that.
        near, valid: which of the M are retrieved for each, and whether they are cases.
        present: which rows there are; sets of few rows are filled up with zeros.
        wish: of each one's set.
    """

    rows: Float[Array, "case row feature"]
    shared: Float[Array, "case shared"]
    action: Float[Array, "case row number"]
    advantage: Float[Array, "case row"]
    target: Float[Array, "case row number"]
    worth: Float[Array, "case row"]
    near: Int[Array, "case k"]
    valid: Bool[Array, "case k"]
    present: Bool[Array, "case row"]
    wish: Float[Array, "case"]


class Solved(NamedTuple):
    """A set in unit numbers, and how each of its cases should have been decided: by a better teacher, or as it was."""

    cases: CaseSet
    target: Float[Array, "case row number"]
    worth: Float[Array, "case row"]


def lessons(sets: Sequence[Solved], k: int, metric: Metric) -> Lessons:
    """Every case of every set is a lesson, for which the other cases of its set are retrieved.

    Args:
        sets: of any numbers of rows; all else must be alike.
        k: cases retrieved.
        metric: by which.
    """
    most, start, parts = max(solved.cases.rows.shape[1] for solved in sets), 0, []
    for solved in sets:
        parts.append(_lessons(solved, k, metric, most, start))
        start += len(parts[-1].wish)
    return jax.tree.map(lambda *x: jnp.concatenate(x), *parts)


def _lessons(solved: Solved, k: int, metric: Metric, most: int, start: int) -> Lessons:
    """Of one set, filled up to `most` rows, the first of them number `start`."""
    cases, places = solved.cases, jnp.flatnonzero(solved.cases.valid)
    n, missing = cases.rows.shape[1], most - cases.rows.shape[1]
    distance, near = (x[places] for x in _others(cases, k, metric))
    lesson = jnp.zeros(cases.capacity, jnp.int32).at[places].set(start + jnp.arange(len(places)))

    def whole(x: Array) -> Array:
        return jnp.pad(x[places], [(0, 0), (0, missing)] + [(0, 0)] * (x.ndim - 2))

    return Lessons(
        rows=whole(cases.rows),
        shared=cases.shared[places],
        action=whole(cases.action),
        advantage=whole(cases.advantage),
        target=whole(solved.target),
        worth=whole(solved.worth),
        near=lesson[near],
        valid=jnp.isfinite(distance),
        present=jnp.broadcast_to(jnp.arange(most) < n, (len(places), most)),
        wish=jnp.full(len(places), percentile(cases, WISH)),
    )


@partial(jax.jit, static_argnames=("k", "metric"))
def _others(cases: CaseSet, k: int, metric: Metric) -> tuple[Array, Array]:
    """For each case, distances and places of the k most like it."""

    def others_of(i: Array) -> tuple[Array, Array]:
        others = cases.replace(valid=cases.valid & (jnp.arange(cases.capacity) != i))
        return find(others, Situation(cases.rows[i], cases.shared[i]), k, metric)

    return jax.lax.map(others_of, jnp.arange(cases.capacity))


@partial(jax.jit, static_argnames=("model", "how"))
def fit(model: Transformer, key: Array, lessons: Lessons, how: Training = TRAINING) -> Fitted:
    """Train on random lessons: squared error in unit numbers, weighted by exp(worth / 0.3) within [0.1, 10]."""
    key_init, key_fit = jax.random.split(key)

    def example(which: Array) -> tuple[Situation, Nearest]:
        near, x = lessons.near[which], lessons
        retrieved = (x.rows[near], x.shared[near], x.action[near], x.advantage[near])
        apart = jnp.zeros(near.shape, x.rows.dtype)  # distances are not told
        return Situation(x.rows[which], x.shared[which]), Nearest(*retrieved, apart, x.valid[which])

    def loss(params: Any, key: Array) -> Array:
        which = jax.random.randint(key, (how.batch_size,), 0, len(lessons.rows))
        present, target = lessons.present[which], lessons.target[which]
        decided = model.apply(params, *example(which), lessons.wish[which], present)
        weight = present * jnp.clip(jnp.exp(lessons.worth[which] / 0.3), 0.1, 10.0)
        return weighted_sum(jnp.mean((decided - target) ** 2, -1), weight) / jnp.sum(present)

    return descend(loss, model.init(key_init, *example(jnp.zeros(1, jnp.int32))), key_fit, how)
