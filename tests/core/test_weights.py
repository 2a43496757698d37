"""What has no weight never reaches a sum, and numbers that are alike are centred to 0."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxvec.core.evaluation import mean_reward
from jaxvec.core.types import Observation
from jaxvec.core.weights import weighted_mean, weighted_sum
from jaxvec.learners.blocks import losses, normalise

GARBAGE = [np.nan, np.inf, -np.inf, 1e38, 0.0]
ENTRIES = st.lists(
    st.tuples(st.floats(-100, 100, width=32), st.booleans(), st.sampled_from(GARBAGE)), min_size=6, max_size=6
)


def all_that_sums(x, weight):
    """Everything that takes a mean by weights."""
    start = normalise.start(())
    obs = Observation({"a": jnp.zeros((6, 1, 1))}, jnp.zeros((1, 1)), active={"a": (weight > 0)[:, None]})
    return {
        "sum": weighted_sum(x, weight),
        "mean": weighted_mean(x, weight),
        "standardised": losses.standardise(x, weight),
        "moments": normalise.update(start, x, weight),
        "moving": normalise.ema_update(start, x, weight, 0.5),
        "reward": mean_reward({"a": x[:, None]}, obs),
    }


@jax.jit
def sums_and_slope(x, weight):
    return all_that_sums(x, weight), jax.grad(lambda x: jnp.sum(losses.standardise(x, weight) ** 3))(x)


@given(ENTRIES)
def test_what_has_no_weight_changes_nothing(entries):
    x, here, garbage = (np.array(column) for column in zip(*entries, strict=True))
    x, weight = x.astype(np.float32), here.astype(np.float32)
    clean = sums_and_slope(jnp.where(here, x, 0), weight)
    jax.tree.map(np.testing.assert_array_equal, clean, sums_and_slope(jnp.where(here, x, garbage), weight))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(clean))
    mean = x[here].astype(float).mean() if here.any() else 0
    np.testing.assert_allclose(clean[0]["mean"], mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(clean[0]["reward"][0], mean, rtol=1e-5, atol=1e-5)


def test_numbers_that_are_alike_are_centred_to_zero():
    alike = losses.standardise(jnp.full(999, 1234.567), jnp.ones(999))
    np.testing.assert_allclose(alike, 0, atol=1e-3)
    np.testing.assert_allclose(losses.standardise(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([1, 1, 0])), [-1, 1, 0])
