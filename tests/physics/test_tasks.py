import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import tasks


def test_uniform_by_hand():
    # 1e6 + 0.25 * (3e6 - 1e6) = 1.5e6
    np.testing.assert_allclose(tasks.uniform(jnp.array([0.0, 0.25, 1.0]), 1e6, 3e6), [1e6, 1.5e6, 3e6])


def test_uniform_of_an_empty_range():
    np.testing.assert_array_equal(tasks.uniform(jnp.array([0.0, 0.7]), 5.0, 5.0), [5.0, 5.0])


def test_uniform_is_uniform():
    u = jax.random.uniform(jax.random.key(1), (20_000,))
    bits = np.asarray(tasks.uniform(u, 1e6, 3e6), np.float64)
    assert scipy.stats.kstest(bits, scipy.stats.uniform(1e6, 2e6).cdf).pvalue > 1e-3


def test_gradients_by_hand():
    # d/du = high - low, d/dlow = 1 - u, d/dhigh = u
    np.testing.assert_allclose(jax.grad(tasks.uniform, argnums=(0, 1, 2))(0.25, 1.0, 3.0), [2.0, 0.75, 0.25])


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0, 1, exclude_max=True, width=32, allow_subnormal=False),
    st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    st.floats(0, 1e6, width=32, allow_subnormal=False),
)
def test_uniform_stays_between_its_bounds(u, low, width):
    low, high = np.float32(low), np.float32(low) + np.float32(width)
    value = float(tasks.uniform(jnp.float32(u), low, high))
    rounding = 1e-6 * max(abs(float(low)), abs(float(high)))
    assert low - rounding <= value <= high + rounding
