import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import fading

DRAWS = 50_000


@pytest.fixture(scope="module")
def u():
    return jax.random.uniform(jax.random.key(7), (DRAWS,), minval=1e-7)


def test_rayleigh_power_by_hand():
    # -ln(1/e) = 1; the median of the exponential is ln 2, -10 dB of power is exceeded with probability exp(-0.1)
    np.testing.assert_allclose(
        fading.rayleigh_power(jnp.array([np.exp(-1.0), 0.5, np.exp(-0.1)])), [1.0, np.log(2.0), 0.1], rtol=1e-6
    )


def test_rayleigh_power_is_exponential_with_mean_one(u):
    # the standard error of the mean is 1/sqrt(n) = 0.0045, of the variance sqrt(8/n) = 0.0126: four of each
    power = np.asarray(fading.rayleigh_power(u), np.float64)
    assert abs(power.mean() - 1.0) < 4 / np.sqrt(DRAWS)
    assert abs(power.var() - 1.0) < 4 * np.sqrt(8 / DRAWS)
    assert scipy.stats.kstest(power, scipy.stats.expon.cdf).pvalue > 1e-3


def test_rayleigh_power_is_that_of_a_complex_normal(u):
    # |h|^2 with h = (x + iy)/sqrt(2): the same distribution, by a two-sample test
    x, y = np.random.default_rng(3).normal(size=(2, DRAWS))
    assert scipy.stats.ks_2samp(fading.rayleigh_power(u), (x**2 + y**2) / 2).pvalue > 1e-3


def test_standard_normal_by_hand():
    # the table everyone knows: 0.975 -> 1.959964, 0.5 -> 0, Phi(-1) = 0.158655
    np.testing.assert_allclose(
        fading.standard_normal(jnp.array([0.975, 0.5, 0.15865525])), [1.959964, 0.0, -1.0], atol=2e-6
    )


def test_standard_normal_against_scipy():
    u32 = np.concatenate([np.linspace(1e-4, 1 - 1e-4, 999), np.geomspace(1e-30, 1e-4, 99)]).astype(np.float32)
    expected = scipy.stats.norm.ppf(u32.astype(np.float64))
    np.testing.assert_allclose(fading.standard_normal(jnp.asarray(u32)), expected, rtol=2e-6, atol=2e-6)
    with jax.enable_x64(True):
        u64 = np.concatenate([np.linspace(1e-4, 1 - 1e-4, 999), np.geomspace(1e-300, 1e-4, 99)])
        z = fading.standard_normal(jnp.asarray(u64))
        assert z.dtype == jnp.float64
        np.testing.assert_allclose(z, scipy.stats.norm.ppf(u64), rtol=1e-12, atol=1e-12)


def test_standard_normal_is_normal(u):
    z = np.asarray(fading.standard_normal(u), np.float64)
    assert abs(z.mean()) < 4 / np.sqrt(DRAWS)
    assert abs(z.var() - 1.0) < 4 * np.sqrt(2 / DRAWS)
    assert scipy.stats.kstest(z, scipy.stats.norm.cdf).pvalue > 1e-3


@pytest.mark.parametrize("function", [fading.rayleigh_power, fading.standard_normal])
def test_ends_of_the_open_interval_are_finite(function):
    ends = jnp.array([np.finfo(np.float32).tiny, 2.0**-24, 1 - 2.0**-24], jnp.float32)
    assert np.isfinite(function(ends)).all()
    assert np.isfinite(jax.vmap(jax.grad(function))(ends)).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-6, 1 - 1e-6), st.floats(1e-6, 1 - 1e-6))
def test_monotone_symmetric_and_non_negative(a, b):
    low, high = jnp.float32(min(a, b)), jnp.float32(max(a, b))
    assert 0.0 <= fading.rayleigh_power(high) <= fading.rayleigh_power(low)
    assert fading.standard_normal(low) <= fading.standard_normal(high)
    np.testing.assert_allclose(fading.standard_normal(low), -fading.standard_normal(1 - low), rtol=0.03, atol=1e-6)
