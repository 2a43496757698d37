import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
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


def test_qfunc_inv_by_hand():
    # Q(0) = 1/2, Q(1.959964) = 0.025, Q(4.753424) = 1e-6
    np.testing.assert_allclose(
        rate.qfunc_inv(jnp.array([0.5, 0.025, 1e-6])), [0.0, 1.959964, 4.753424], rtol=2e-6, atol=1e-6
    )


def test_qfunc_inv_against_scipy():
    with jax.enable_x64(True):
        p = np.geomspace(1e-12, 0.9, 50)
        np.testing.assert_allclose(rate.qfunc_inv(jnp.asarray(p)), scipy.stats.norm.isf(p), rtol=1e-10)


def test_dispersion_by_hand():
    # 1 - 1/4 = 3/4 at snr 1, 1 - 1/16 at 3; 2 snr far below 1 (where 1 - 1 cancels in float32), 1 far above
    dispersion = rate.channel_dispersion(jnp.array([0.0, 1.0, 3.0, 1e-10, 1e30]))
    np.testing.assert_allclose(dispersion, [0.0, 0.75, 0.9375, 2e-10, 1.0], rtol=1e-6)


def test_finite_blocklength_by_hand():
    # snr 3, 100 symbols, 1e-6: log2(4) - sqrt(0.9375/100) * 4.753424 / ln 2 = 2 - 0.0968246 * 6.857742 = 1.336002
    np.testing.assert_allclose(rate.finite_blocklength_bps(1e7, 3.0, 100.0, 1e-6), 1.336002e7, rtol=1e-6)


def test_finite_blocklength_has_shannons_rate_for_long_blocks_and_for_a_coins_error():
    snr = jnp.array([0.1, 1.0, 100.0])
    np.testing.assert_allclose(rate.finite_blocklength_bps(1e7, snr, 1e16, 1e-6), rate.shannon_bps(1e7, snr), rtol=1e-5)
    np.testing.assert_allclose(rate.finite_blocklength_bps(1e7, snr, 10.0, 0.5), rate.shannon_bps(1e7, snr), rtol=1e-6)


def test_finite_blocklength_is_zero_where_the_noise_leaves_nothing():
    # 0.01: 0.00995 nat against sqrt(0.0197/100) * 4.75 = 0.0667 nat
    np.testing.assert_array_equal(rate.finite_blocklength_bps(1e7, jnp.array([0.0, 0.01]), 100.0, 1e-6), [0.0, 0.0])


@pytest.mark.parametrize("snr", [0.0, 1e-38, 1e-30, 1e-9, 0.3, 1.0, 10.0, 1e9, 1e30])
def test_finite_blocklength_gradients(snr):
    gradient = jax.grad(rate.finite_blocklength_bps, argnums=(0, 1, 2, 3))(1e7, snr, 100.0, 1e-6)
    assert np.isfinite(gradient).all()
    # d/dsnr = B / ln 2 (1 / (1 + snr) - Q^-1 (1 + snr)^-3 / sqrt(l V)) above the snr at which the rate begins
    if 1.0 <= snr <= 1e9:
        dispersion = 1 - (1 + snr) ** -2.0
        by_snr = 1 / (1 + snr) - 4.753424 * (1 + snr) ** -3.0 / np.sqrt(100 * dispersion)
        np.testing.assert_allclose(gradient[1], 1e7 / np.log(2) * by_snr, rtol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-3, 1e6), st.floats(10, 1e4), st.floats(1e-9, 0.4))
def test_finite_blocklength_against_float64_numpy(snr, blocklength, error_prob):
    dispersion = 1 - (1 + snr) ** -2
    nat = np.log1p(snr) - np.sqrt(dispersion / blocklength) * scipy.stats.norm.isf(error_prob)
    result = rate.finite_blocklength_bps(1.0, snr, blocklength, error_prob)
    np.testing.assert_allclose(result, max(nat, 0) / np.log(2), rtol=1e-5, atol=1e-5)
    assert result <= rate.shannon_bps(1.0, snr) * (1 + 1e-6)
