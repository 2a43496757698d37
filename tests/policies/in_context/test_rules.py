"""Copying and kernels, against loops."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies.in_context import brute
from policies.in_context.made_up import METRIC, arrays, retrieved

from jaxvec.policies.in_context.cases import Situation
from jaxvec.policies.in_context.rules import copy, kernel

HARD, SOFT = (jax.jit(kernel(METRIC, hard=hard)) for hard in (True, False))
seeds, some = st.integers(0, 2**32 - 1), st.integers(1, 8)


def situation(seed):
    x = arrays(seed, 0)
    return Situation(x["rows"][0], x["shared"][0])


def test_copying():
    near = retrieved(0, 4)
    np.testing.assert_array_equal(copy(situation(1), near), near.action[0])


@pytest.mark.parametrize(("rule", "hard"), [(HARD, True), (SOFT, False)], ids=["hard", "soft"])
@given(seed=seeds, n_valid=some)
def test_kernels_agree_with_loops(rule, hard, seed, n_valid):
    near, s = retrieved(seed, n_valid), situation(seed + 1)
    expected = brute.kernel(near._asdict(), range(n_valid), *s, METRIC, hard)
    np.testing.assert_allclose(rule(s, near), expected, atol=1e-5)


@pytest.mark.parametrize("rule", [HARD, SOFT], ids=["hard", "soft"])
@given(seed=seeds, n_valid=some)
def test_the_order_of_rows_and_of_cases_does_not_matter(rule, seed, n_valid):
    near, s = retrieved(seed, n_valid), situation(seed + 1)
    rng = np.random.default_rng(seed)
    mine, theirs, slots = rng.permutation(3), rng.permutation(3), rng.permutation(8)
    by_row = {name: getattr(near, name)[slots][:, theirs] for name in ("rows", "action", "advantage")}
    mixed = near._replace(**by_row, shared=near.shared[slots], valid=near.valid[slots])
    np.testing.assert_allclose(rule(Situation(s.rows[mine], s.shared), mixed), rule(s, near)[mine], atol=1e-6)


def test_success_counts_against_likeness():
    # rows 0.2 apart in a feature of weight 2 are exp(-0.16 / 0.08) = exp(-2) alike; 0.6 of advantage is worth exp(2)
    near = retrieved(0, 2, k=2)._replace(rows=np.zeros((2, 3, 3), np.float32), shared=np.zeros((2, 1), np.float32))
    near.rows[1, :, 2] = 0.2
    s = Situation(np.zeros((3, 3), np.float32), np.zeros(1, np.float32))
    for gain, follows in ((0.59, 0), (0.61, 1)):
        advantage = np.float32([[0.0] * 3, [gain] + [0.0] * 2])
        np.testing.assert_array_equal(HARD(s, near._replace(advantage=advantage))[0], near.action[follows, 0])
    even = partial(kernel, METRIC, hard=False, temperature=0.3)()(
        s, near._replace(advantage=np.float32([[0.0] * 3, [0.6] * 3]))
    )
    np.testing.assert_allclose(even[0], near.action.reshape(6, 2).mean(0), atol=1e-6)
