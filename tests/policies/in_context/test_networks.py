"""The transformer and the control: what they must not see, and that they learn what can be learned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from policies.in_context.made_up import METRIC, NUMBERS, ROWS, arrays, cases, retrieved

from jaxvec.policies.in_context import clone, transformer
from jaxvec.policies.in_context.cases import CaseSet, Nearest, Situation
from jaxvec.policies.in_context.fitting import Training
from jaxvec.policies.in_context.transformer import Lessons, Solved, Transformer, lessons

K = 3
MODEL = Transformer(k=K, width=16, blocks=2, heads=2, inner=32)


def situation(seed):
    x = arrays(seed, 0)
    return Situation(x["rows"][0], x["shared"][0])


@pytest.fixture(scope="module")
def params():
    params = jax.jit(MODEL.init)(jax.random.key(0), situation(0), retrieved(0, K, k=K))
    rng = np.random.default_rng(0)  # biases start at zero, where some mistakes do not show
    return jax.tree.map(lambda x: x + 0.3 * rng.standard_normal(x.shape).astype(np.float32), params)


@pytest.fixture(scope="module")
def decide(params):
    return jax.jit(lambda s, near, wish, present: MODEL.apply(params, s, near, wish, present))


def everyone(n=ROWS):
    return np.ones(n, bool)


def test_rows_may_be_permuted_but_cases_are_told_apart(decide):
    s, near = situation(1), retrieved(2, K, k=K)
    plain = decide(s, near, 0.1, everyone())
    assert plain.shape == (ROWS, NUMBERS)
    assert np.all((plain > 0) & (plain < 1))
    order, theirs = [2, 0, 1], [1, 2, 0]
    by_row = {name: getattr(near, name)[:, theirs] for name in ("rows", "action", "advantage")}
    mixed = decide(Situation(s.rows[order], s.shared), near._replace(**by_row), 0.1, everyone())
    np.testing.assert_allclose(mixed, plain[jnp.array(order)], atol=1e-5)
    swapped = jax.tree.map(lambda x: x[jnp.array([1, 0, 2])], near)
    assert np.abs(decide(s, swapped, 0.1, everyone()) - plain).max() > 1e-4


def test_everything_in_a_token_matters(decide):
    s, near = situation(1), retrieved(2, K, k=K)
    plain = decide(s, near, 0.1, everyone())
    changed = [(s._replace(**{name: getattr(s, name) + 0.5}), near, 0.1) for name in s._fields]
    fields = ("rows", "shared", "action", "advantage")
    changed += [(s, near._replace(**{name: getattr(near, name) + 0.5}), 0.1) for name in fields]
    changed.append((s, near, 0.6))
    for other in changed:
        assert np.abs(decide(*other, everyone()) - plain).max() > 1e-4
    np.testing.assert_array_equal(decide(s, near._replace(distance=near.distance + 1), 0.1, everyone()), plain)


def test_what_is_not_there_does_not_matter(decide):
    s, near = situation(1), retrieved(2, 2, k=K)
    present = np.array([True, True, False])
    plain = decide(s, near, 0.1, present)
    rubbish = near._replace(**{name: getattr(near, name).copy() for name in ("rows", "action", "advantage")})
    for x in (rubbish.rows, rubbish.action, rubbish.advantage):
        x[2] = 99.0  # no case
        x[:, 2] = 77.0  # no row
    rows = s.rows.copy()
    rows[2] = 55.0
    np.testing.assert_allclose(decide(s._replace(rows=rows), rubbish, 0.1, present)[:2], plain[:2], atol=1e-5)


def sets():
    """Two sets, of 3 and of 2 rows, the second filled up later."""
    few, many = cases(5, 6, n_rows=2), cases(6, 5)
    return [Solved(many, many.action, many.advantage), Solved(few, 1 - few.action, few.advantage + 1)]


def test_lessons_are_of_their_own_set_and_never_of_themselves():
    taught = lessons(sets(), K, METRIC)
    assert len(taught.rows) == 5 + 6
    assert taught.present.tolist() == [[True] * 3] * 5 + [[True, True, False]] * 6
    for start, (several, target, worth) in zip((0, 5), sets(), strict=True):
        n, rows = int(several.valid.sum()), several.rows.shape[1]
        for i in range(n):
            mine = METRIC.features(Situation(several.rows[i], several.shared[i]))
            apart = np.array([float(((METRIC.features(several.situation)[j] - mine) ** 2).sum()) for j in range(n)])
            apart[i] = np.inf
            assert taught.near[start + i].tolist() == [start + j for j in np.argsort(apart)[:K]]
        assert taught.valid[start : start + n].all()
        np.testing.assert_array_equal(taught.target[start : start + n, :rows], target[:n])
        np.testing.assert_array_equal(taught.worth[start : start + n, :rows], worth[:n])
        wish = np.quantile(several.advantage[:n], 0.9)
        np.testing.assert_allclose(taught.wish[start : start + n], wish, rtol=1e-5)
    assert not taught.rows[5:, 2].any()


def test_too_few_cases_leave_places_empty():
    alone = cases(7, 2)
    taught = lessons([Solved(alone, alone.action, alone.advantage)], K, METRIC)
    assert taught.valid.tolist() == [[True, False, False]] * 2
    assert taught.near[:, 0].tolist() == [1, 0]


def one_habit_each(seed, groups):
    """Groups of K + 1 cases with one action in common: what to do can only be read from the others."""
    n, rng = groups * (K + 1), np.random.default_rng(seed)
    x = arrays(seed, n, capacity=n)
    group = np.repeat(np.arange(groups), K + 1)
    action = np.broadcast_to(rng.uniform(0, 1, (groups, 1, NUMBERS))[group], x["action"].shape).astype(np.float32)
    near = np.stack([np.flatnonzero((group == group[i]) & (np.arange(n) != i)) for i in range(n)])
    seen = (x["rows"], x["shared"], action, x["advantage"], action, x["advantage"])
    there = np.ones(near.shape, bool), np.ones((n, ROWS), bool), np.full(n, 0.5, np.float32)
    return Lessons(*(jnp.asarray(v) for v in (*seen, near, *there)))


@pytest.mark.slow
def test_a_transformer_learns_to_read_its_cases():
    taught, x = one_habit_each(0, 64), one_habit_each(1, 16)
    fitted = transformer.fit(MODEL, jax.random.key(1), taught, Training(300, batch_size=32, learning_rate=3e-3))
    assert np.isfinite(fitted.loss).all()
    near = Nearest(x.rows[x.near], x.shared[x.near], x.action[x.near], x.advantage[x.near], 0.0 * x.near, x.valid)
    decided = MODEL.apply(fitted.params, Situation(x.rows, x.shared), near, x.wish, x.present)
    error, ignorant = (float(jnp.mean((y - x.target) ** 2)) for y in (decided, jnp.mean(taught.target, (0, 1))))
    assert error < 0.05 * ignorant


def test_a_clone_learns_what_is_seen_in_a_row_and_only_from_cases():
    x = arrays(0, 6)
    wanted = np.stack([x["rows"][..., 0], 0.5 * x["rows"][..., 2] + 0.2 * x["shared"]], -1)
    x["action"] = wanted.astype(np.float32)
    for name, array in x.items():  # what is no case would say the contrary
        if name not in ("valid", "stamp"):
            array[6:] = 1 - array[0] if name == "action" else array[0]
    fitted = clone.fit(jax.random.key(0), CaseSet(**x), Training(300, batch_size=32, learning_rate=3e-3))
    decided = clone.decide(fitted.params, NUMBERS)(Situation(x["rows"][0], x["shared"][0]))
    np.testing.assert_allclose(decided, x["action"][0], atol=0.05)


def test_training_that_is_none_is_refused():
    with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
        Training(0)
