import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import rate


def test_snr_by_hand():
    # 1 W * 0.5 * 1e-8 / 1e-13 W = 5e4
    np.testing.assert_allclose(rate.snr(1.0, 0.5, 1e-8, 1e-13), 5e4, rtol=1e-6)


def test_snr_survives_float32_where_its_factors_are_tiny():
    # 1e-6 W * 1e-6 * 1e-30 / 4e-21 W = 2.5e-22: the received power, 1e-42 W, is below what float32 can hold
    np.testing.assert_allclose(
        rate.snr(jnp.float32(1e-6), jnp.float32(1e-6), jnp.float32(1e-30), jnp.float32(4e-21)), 2.5e-22, rtol=1e-6
    )


def test_shannon_by_hand():
    # 20 MHz: log2(1 + 1) = 1, log2(1 + 3) = 2, log2(1 + 1023) = 10, log2(1 + 0) = 0
    np.testing.assert_allclose(
        rate.shannon_bps(20e6, jnp.array([1.0, 3.0, 1023.0, 0.0])), [20e6, 40e6, 200e6, 0], rtol=1e-6
    )


def test_shannon_below_float32s_resolution():
    # 1 + 1e-10 is 1 in float32, yet the rate is B * snr / ln 2 = 1e6 * 1e-10 / 0.693147
    np.testing.assert_allclose(rate.shannon_bps(1e6, jnp.float32(1e-10)), 1e-4 / np.log(2), rtol=1e-6)


@pytest.mark.parametrize(("bandwidth_hz", "snr"), [(0.0, 0.0), (0.0, 10.0), (1e6, 0.0)])
def test_gradients_without_signal_or_band(bandwidth_hz, snr):
    # d/dB = log2(1 + snr), d/dsnr = B / ((1 + snr) ln 2)
    gradient = jax.grad(rate.shannon_bps, argnums=(0, 1))(bandwidth_hz, snr)
    np.testing.assert_allclose(gradient, [np.log2(1 + snr), bandwidth_hz / (1 + snr) / np.log(2)], rtol=1e-6)


def test_snr_gradients_at_zero_power():
    assert np.isfinite(jax.grad(rate.snr, argnums=(0, 1, 2, 3))(0.0, 0.0, 0.0, 1e-13)).all()


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0, 1e8, width=32, allow_subnormal=False),
    st.floats(0, 1e6, width=32, allow_subnormal=False),
    st.floats(0, 1e6, width=32, allow_subnormal=False),
)
def test_rate_is_monotone_concave_and_not_negative(bandwidth_hz, a, b):
    low, high = sorted((a, b))
    at_low, at_high = rate.shannon_bps(bandwidth_hz, low), rate.shannon_bps(bandwidth_hz, high)
    middle = rate.shannon_bps(bandwidth_hz, (low + high) / 2)
    assert 0.0 <= at_low <= at_high
    assert middle >= (at_low + at_high) / 2 * (1 - 1e-6)
    np.testing.assert_allclose(at_high, bandwidth_hz * np.log1p(high) / np.log(2), rtol=1e-6, atol=1e-30)
