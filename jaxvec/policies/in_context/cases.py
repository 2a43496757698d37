"""Solved cases: a set that jit can carry, the cases most like a new situation, and a set that grows.

A situation is rows of one kind (a vehicle each) and what they share (the queues); it was solved by a matrix with a row of numbers
for each of them. Rows are in canonical order, by falling `Metric.sort_by`: who is called what does not matter, and situations
that differ in nothing else are then the same. Shapes are one situation's; map over batches.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int

TEACHER, GROWN = 0, 1  # tags: from the policy that the set was collected from, or appended since


class Situation(NamedTuple):
    """What is to be decided about."""

    rows: Float[Array, "row feature"]
    shared: Float[Array, "shared"]


@dataclass(frozen=True)
class Metric:
    """What makes situations alike: the sum over rows and features of squared, weighted differences.

    Attributes:
        rows: weight of each feature of a row; 0 leaves it out.
        shared: weight of each shared feature, which counts with every row.
        sort_by: the feature whose fall is the canonical order of rows.
    """

    rows: tuple[float, ...]
    shared: tuple[float, ...]
    sort_by: int

    def order(self, rows: Float[Array, "row feature"]) -> Int[Array, "row"]:
        """The canonical order; equals keep theirs."""
        return jnp.argsort(rows[:, self.sort_by], descending=True, stable=True)

    def features(self, situation: Situation) -> Float[Array, "*batch row weighted"]:
        """Weighted features of each row, shared ones included, with weight only; any batch axes first."""
        rows, shared = (
            x[..., np.flatnonzero(w)] * jnp.asarray([v for v in w if v], x.dtype)
            for x, w in zip(situation, (self.rows, self.shared), strict=True)
        )
        shared = jnp.broadcast_to(shared[..., None, :], (*rows.shape[:-1], shared.shape[-1]))
        return jnp.concatenate([rows, shared], -1)


class CaseSet(struct.PyTreeNode):
    """A ring of at most P cases.

    Attributes:
        rows, shared: the situations, rows in canonical order.
        action: the matrix that was executed.
        reward: what each row earned in that slot.
        advantage: by how much that is more than what a rule would have earned there.
        tag: `TEACHER` or `GROWN`.
        stamp: how many cases had been written before.
        valid: whether there is a case; the rest are zeros.
    """

    rows: Float[Array, "case row feature"]
    shared: Float[Array, "case shared"]
    action: Float[Array, "case row number"]
    reward: Float[Array, "case row"]
    advantage: Float[Array, "case row"]
    tag: Int[Array, "case"]
    stamp: Int[Array, "case"]
    valid: Bool[Array, "case"]

    @property
    def capacity(self) -> int:
        """P."""
        return len(self.valid)

    @property
    def situation(self) -> Situation:
        """Of all cases."""
        return Situation(self.rows, self.shared)


class Nearest(NamedTuple):
    """The k cases most like a situation, the nearest first; what is not `valid` is no case."""

    rows: Float[Array, "k row feature"]
    shared: Float[Array, "k shared"]
    action: Float[Array, "k row number"]
    advantage: Float[Array, "k row"]
    distance: Float[Array, "k"]
    valid: Bool[Array, "k"]

    @property
    def situation(self) -> Situation:
        """Of the k cases."""
        return Situation(self.rows, self.shared)


def empty(n_rows: int, n_features: int, n_shared: int, n_numbers: int, capacity: int) -> CaseSet:
    """A set without a case."""
    p, floats = capacity, lambda *shape: jnp.zeros(shape, jnp.result_type(float))
    count = jnp.zeros(p, jnp.int32)
    return CaseSet(
        rows=floats(p, n_rows, n_features),
        shared=floats(p, n_shared),
        action=floats(p, n_rows, n_numbers),
        reward=floats(p, n_rows),
        advantage=floats(p, n_rows),
        tag=count,
        stamp=count,
        valid=jnp.zeros(p, bool),
    )


def empty_like(cases: CaseSet, capacity: int) -> CaseSet:
    """A set without a case, of another capacity, for cases of the same sizes."""
    return jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape[1:]), x.dtype), cases)


def select(
    situations: Situation,
    action: Float[Array, "case row number"],
    reward: Float[Array, "case row"],
    advantage: Float[Array, "case row"],
    metric: Metric,
    *,
    drop: float = 0.2,
    capacity: int = 2048,
) -> CaseSet:
    """A set of solved situations without the worst of them, in their order, rows brought into the canonical one.

    Args:
        situations: (case, ...) each, as are `action`, `reward` and `advantage`, see `CaseSet`.
        drop: part of the cases that is left out, those of the lowest mean advantage.
        capacity: of the set.
    Raises:
        ValueError: more cases are kept than fit, or `drop` is no part.
    """
    rows, shared = situations
    n = len(rows)
    n_selected = n - int(drop * n)
    if not 0 <= drop < 1:
        raise ValueError(f"drop must be at least 0 and less than 1, not {drop}")
    if not 1 <= n_selected <= capacity:
        raise ValueError(
            f"{n_selected} cases do not go into a set of {capacity}: it needs at least 1, and room for all"
        )
    best = jnp.sort(jnp.argsort(advantage.mean(1), descending=True, stable=True)[:n_selected])
    order = jax.vmap(metric.order)(rows)[best]

    def by_row(x: Array) -> Array:
        return jnp.take_along_axis(x[best], order.reshape(order.shape + (1,) * (x.ndim - 2)), 1)

    def fill(x: Array) -> Array:
        return jnp.concatenate([x, jnp.zeros((capacity - n_selected, *x.shape[1:]), x.dtype)])

    return CaseSet(
        rows=fill(by_row(rows)),
        shared=fill(shared[best]),
        action=fill(by_row(action)),
        reward=fill(by_row(reward)),
        advantage=fill(by_row(advantage)),
        tag=jnp.full(capacity, TEACHER, jnp.int32),
        stamp=fill(jnp.arange(n_selected, dtype=jnp.int32)),
        valid=jnp.arange(capacity) < n_selected,
    )


def find(cases: CaseSet, situation: Situation, k: int, metric: Metric) -> tuple[Array, Array]:
    """Squared distances and places of the k cases most like a situation in canonical order, the earlier of equals first.

    A distance is infinite where there is no case.

    Raises:
        ValueError: k is not between 1 and the capacity.
    """
    if not 1 <= k <= cases.capacity:
        raise ValueError(f"k must be between 1 and the capacity {cases.capacity}, not {k}")
    apart = metric.features(cases.situation) - metric.features(situation)
    distance = jnp.where(cases.valid, jnp.sum(apart * apart, (1, 2)), jnp.inf)
    closeness, places = jax.lax.top_k(-distance, k)
    return -closeness, places


def nearest(cases: CaseSet, situation: Situation, k: int, metric: Metric) -> Nearest:
    """What `find` finds."""
    distance, places = find(cases, situation, k, metric)
    rows, shared, action, advantage, valid = (
        getattr(cases, name)[places] for name in ("rows", "shared", "action", "advantage", "valid")
    )
    return Nearest(rows, shared, action, advantage, distance, valid)


def nearer(a: Nearest, b: Nearest) -> Nearest:
    """The nearest of two searches, as many as the first has brought."""
    both = jax.tree.map(lambda x, y: jnp.concatenate([x, y]), a, b)
    _, places = jax.lax.top_k(-both.distance, len(a.valid))
    return jax.tree.map(lambda x: x[places], both)


def grow(
    cases: CaseSet, situation: Situation, action: Array, reward: Array, advantage: Array, near: Nearest
) -> CaseSet:
    """Append a decision if it is better than what it was made from: its mean advantage beats the median of the cases retrieved.

    It takes an empty place; in a full set, that of the oldest appended case, or of the oldest case if none was.

    Args:
        situation: in canonical order, as are `action`, `reward` and `advantage`.
        near: what was retrieved; nothing valid: it is appended.
    """
    of_near = jnp.where(near.valid, near.advantage.mean(1), jnp.nan)
    worth = ~(advantage.mean() <= jnp.nanmedian(of_near))  # the median of nothing is NaN
    last = jnp.iinfo(jnp.int32).max // 2
    turn = jnp.where(cases.valid, cases.stamp + jnp.where(cases.tag == GROWN, 0, last), -1)
    written = (jnp.arange(cases.capacity) == jnp.argmin(turn)) & worth
    stamp = jnp.max(jnp.where(cases.valid, cases.stamp, -1)) + 1
    new = CaseSet(*situation, action, reward, advantage, jnp.int32(GROWN), stamp, jnp.bool_(True))

    def put(old: Array, fresh: Array) -> Array:
        return jnp.where(written.reshape((-1,) + (1,) * (old.ndim - 1)), jnp.asarray(fresh, old.dtype), old)

    return jax.tree.map(put, cases, new)


def percentile(cases: CaseSet, part: float) -> Array:
    """A quantile of the rows' advantages: of a set without a case, NaN."""
    return jnp.nanquantile(jnp.where(cases.valid[:, None], cases.advantage, jnp.nan), part)
