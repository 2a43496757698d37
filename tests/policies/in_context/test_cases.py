"""Sets of cases: order, selection, retrieval and growth against loops and by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies.in_context import brute
from policies.in_context.made_up import CAPACITY, FEATURES, METRIC, NUMBERS, ROWS, SHARED, arrays, cases, retrieved

from jaxvec.policies.in_context.cases import (
    GROWN,
    CaseSet,
    Situation,
    empty,
    empty_like,
    find,
    grow,
    nearer,
    nearest,
    percentile,
    select,
)

K = 5
seeds = st.integers(0, 2**32 - 1)
look = jax.jit(partial(nearest, k=K, metric=METRIC))
place = jax.jit(partial(find, k=K, metric=METRIC))
growing = jax.jit(grow)


def situation(seed):
    x = arrays(seed, 0)
    return Situation(x["rows"][0], x["shared"][0])


def test_rows_fall_by_the_feature_to_sort_by_and_equals_keep_their_order():
    rows = np.zeros((4, FEATURES), np.float32)
    rows[:, 2] = [1.0, 3.0, 1.0, 2.0]
    assert METRIC.order(rows).tolist() == [1, 3, 0, 2]


def test_features_by_hand():
    features = METRIC.features(Situation(np.float32([[1, 9, 3], [2, 9, -1]]), np.float32([4])))
    assert features.tolist() == [[0.5, 6.0, 6.0], [1.0, -2.0, 6.0]]  # 0.5 and 2 times its own, 1.5 times the shared one
    assert METRIC.features(cases(0, 3).situation).shape == (CAPACITY, ROWS, 3)


@given(seeds, st.integers(0, CAPACITY))
def test_the_nearest_are_found(seed, n_valid):
    x, s = arrays(seed, n_valid), situation(seed + 1)
    expected = brute.distances(x, *s, METRIC)[:K]
    distance, where = place(CaseSet(**x), s)
    near = look(CaseSet(**x), s)
    assert near.valid.sum() == np.isfinite(distance).sum() == len(expected) == min(K, n_valid)
    np.testing.assert_array_equal(near.distance, distance)
    for j, (apart, i) in enumerate(expected):
        assert where[j] == i
        np.testing.assert_allclose(distance[j], apart, rtol=1e-5, atol=1e-6)
        for name in ("rows", "shared", "action", "advantage"):
            np.testing.assert_array_equal(getattr(near, name)[j], x[name][i])


def test_of_equal_distances_the_earlier_is_first():
    x = arrays(0, 4)
    for name in ("rows", "shared"):
        x[name][:] = x[name][0]
    assert place(CaseSet(**x), situation(1))[1][:4].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("k", [0, CAPACITY + 1])
def test_more_than_there_is_room_for_cannot_be_retrieved(k):
    with pytest.raises(ValueError, match=f"between 1 and the capacity {CAPACITY}, not {k}"):
        nearest(cases(0, 3), situation(1), k, METRIC)


def test_retrieval_is_the_same_for_many_at_once():
    several = [situation(seed) for seed in range(3)]
    together = jax.vmap(look, (None, 0))(cases(0, 6), Situation(*(jnp.stack(x) for x in zip(*several, strict=True))))
    for i, s in enumerate(several):
        jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda x, i=i: x[i], together), look(cases(0, 6), s))


def test_two_searches_are_one():
    x, s = arrays(3, CAPACITY), situation(4)
    halves = [CaseSet(**x).replace(valid=x["valid"] & (np.arange(CAPACITY) % 2 == i)) for i in (0, 1)]
    together = nearer(*(look(half, s) for half in halves))
    jax.tree.map(np.testing.assert_array_equal, together, look(CaseSet(**x), s))


# Selection


def solved(seed, n):
    x = arrays(seed, n, capacity=n)
    return Situation(x["rows"], x["shared"]), x["action"], x["reward"], x["advantage"]


@given(seeds)
def test_the_worst_are_dropped_and_rows_are_sorted_together(seed):
    situations, action, reward, advantage = solved(seed, 10)
    selected = select(situations, action, reward, advantage, METRIC, capacity=12)
    best = sorted(np.argsort(-advantage.astype(float).mean(1))[:8])  # a fifth of 10 is dropped, the rest in its order
    assert selected.valid.tolist() == [True] * 8 + [False] * 4
    assert selected.stamp[:8].tolist() == list(range(8))
    assert not selected.tag.any()
    for j, i in enumerate(best):
        order = np.argsort(-situations.rows[i, :, METRIC.sort_by], kind="stable")
        whole = (
            (selected.rows, situations.rows),
            (selected.action, action),
            (selected.reward, reward),
            (selected.advantage, advantage),
        )
        for ours, theirs in whole:
            np.testing.assert_array_equal(ours[j], theirs[i][order])
        np.testing.assert_array_equal(selected.shared[j], situations.shared[i])
    assert not selected.rows[8:].any()


def test_selections_that_make_no_sense_are_refused():
    for wrong, message in (({"drop": 1.0}, "less than 1"), ({"capacity": 7}, "8 cases do not go into a set of 7")):
        with pytest.raises(ValueError, match=message):
            select(*solved(0, 10), METRIC, **wrong)


# Growth


def decision(value, worth):
    x = arrays(0, 0)
    rows = np.full((ROWS, FEATURES), value, np.float32)
    return Situation(rows, x["shared"][0]), x["action"][0], x["reward"][0], np.full(ROWS, worth, np.float32)


@given(seeds, st.integers(0, CAPACITY), st.lists(st.floats(0, 1, width=32), max_size=14))
def test_a_set_grows_like_a_list(seed, n_valid, worths):
    x = arrays(seed, n_valid)
    ours = CaseSet(**x)
    theirs = brute.Ring([float(v) for v in x["rows"][:n_valid, 0, 0]], CAPACITY)
    for i, worth in enumerate(worths):
        near = retrieved(seed + i, i % 4, k=4)
        ours = growing(ours, *decision(10.0 + i, worth), near)
        of_near = near.advantage[: i % 4].astype(float).mean(1)
        theirs.append(10.0 + i, float(np.float32(worth)), of_near.tolist())
    assert ours.valid.tolist() == [s is not None for s in theirs.slots]
    for j, slot in enumerate(theirs.slots):
        if slot is not None:
            assert (int(ours.stamp[j]), int(ours.tag[j]), float(ours.rows[j, 0, 0])) == slot


def test_what_is_just_as_good_is_not_appended():
    near = retrieved(0, 3, k=4)._replace(advantage=np.full((4, ROWS), 0.5, np.float32))
    full = cases(0, CAPACITY)
    jax.tree.map(np.testing.assert_array_equal, growing(full, *decision(9, 0.5), near), full)
    grown = growing(full, *decision(9, 0.5001), near)
    assert (int(grown.tag[0]), int(grown.stamp[0])) == (GROWN, CAPACITY)  # in the place of the oldest
    again = growing(grown, *decision(8, 0.6), near)
    assert (int(again.stamp[0]), float(again.rows[0, 0, 0])) == (CAPACITY + 1, 8.0)  # in that of the one just appended
    np.testing.assert_array_equal(again.stamp[1:], full.stamp[1:])


def test_empty_sets():
    none = empty(ROWS, FEATURES, SHARED, NUMBERS, CAPACITY)
    jax.tree.map(np.testing.assert_array_equal, none, empty_like(cases(0, 5), CAPACITY))
    assert not look(none, situation(0)).valid.any()
    assert np.isnan(percentile(none, 0.9))


def test_percentile_is_of_the_cases_alone():
    np.testing.assert_allclose(percentile(cases(2, 5), 0.9), np.quantile(arrays(2, 5)["advantage"][:5], 0.9), rtol=1e-6)
