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


def test_ar1_by_hand():
    # 0.6 * 2 + sqrt(1 - 0.36) * 0.5 = 1.2 + 0.4; correlation 1 stays, 0 is the new number
    np.testing.assert_allclose(tasks.ar1(jnp.array([2.0]), 0.6, jnp.array([0.5])), [1.6], rtol=1e-6)
    np.testing.assert_array_equal(tasks.ar1(jnp.array([2.0]), jnp.array([1.0, 0.0]), jnp.array([0.5])), [2.0, 0.5])
    assert np.isfinite(jax.grad(tasks.ar1, argnums=1)(2.0, 1.0, 0.5))


def test_ar1_stays_standard_normal():
    x, normal = jax.random.normal(jax.random.key(3), (2, 20_000))
    following = np.asarray(tasks.ar1(x, 0.8, normal), np.float64)
    assert scipy.stats.kstest(following, scipy.stats.norm.cdf).pvalue > 1e-3
    np.testing.assert_allclose(np.corrcoef(x, following)[0, 1], 0.8, atol=0.02)


def test_priority_by_hand():
    # shares of complexity 1/4 and 3/4, of size 0.8 and 0.2; (0.5 * 0.25 + 0.25 * 0.8 + 0.25 * 0.4) * 0.5 * 1 = 0.2125 and
    # (0.5 * 0.75 + 0.25 * 0.2 + 0.25 * 0.9) * 1 * 0.8 = 0.52
    priority = tasks.subtask_priority(
        jnp.array([[100.0, 300.0]]),
        jnp.array([[8e4, 2e4]]),
        jnp.array([[0.4, 0.9]]),
        jnp.array([[0.5, 1.0]]),
        jnp.array([[1.0, 0.8]]),
        jnp.array([[0.5, 0.25, 0.25]]),
    )
    np.testing.assert_allclose(priority, [[0.2125, 0.52]], rtol=1e-6)


def test_priority_without_any_task_is_that_of_its_urgency():
    zero, one = jnp.zeros((1, 2)), jnp.ones((1, 2))
    third = jnp.full((1, 3), 1 / 3)
    np.testing.assert_allclose(tasks.subtask_priority(zero, zero, one, one, one, third), [[1 / 3, 1 / 3]], rtol=1e-6)
    jacobian = jax.jacobian(tasks.subtask_priority, argnums=(0, 1))(zero, zero, one, one, one, third)
    assert all(np.isfinite(x).all() for x in jacobian)


def test_quality_by_hand():
    # 0.7 / 0.01 - 0.3 * 33.2 = 60.04, which is how Q_min = 60 came about; without energy 70; at once: inf
    quality = tasks.qos(jnp.array([0.01, 0.01, 0.0]), jnp.array([33.2, 0.0, 5.0]), 0.7, 0.3)
    np.testing.assert_allclose(quality, [60.04, 70.0, np.inf], rtol=1e-6)
    assert np.isfinite(jax.grad(tasks.qos, argnums=(0, 1, 2, 3))(0.0, 5.0, 0.7, 0.3)).all()


def test_quality_in_percent_by_hand():
    # q_min stays, q_max is 100, halfway is 80; kept between 0 and 100
    percent = tasks.qos_percent(jnp.array([60.0, 200.0, 130.0, 1e6, jnp.inf, -1e6]), 60.0, 200.0)
    np.testing.assert_allclose(percent, [60.0, 100.0, 80.0, 100.0, 100.0, 0.0], rtol=1e-6)
