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


def test_phasors_by_hand():
    # the quarters, 30 degrees, and whole turns more or less
    re, im = fading.phasor(jnp.array([0.0, 0.25, 0.5, 0.75, 1.0, 1 / 12, -0.25, 7.5]))
    np.testing.assert_allclose(re, [1, 0, -1, 0, 1, np.sqrt(0.75), 0, -1], atol=2e-7)
    np.testing.assert_allclose(im, [0, 1, 0, -1, 0, 0.5, -1, 0], atol=2e-7)


@pytest.mark.parametrize(("x64", "atol"), [(False, 2.5e-7), (True, 2e-15)])
def test_phasors_against_numpy(x64, atol):
    with jax.enable_x64(x64):
        turn = jnp.asarray(np.random.default_rng(4).uniform(-1, 2, 20_000), float)
        expected = np.exp(2j * np.pi * np.asarray(turn, np.float64))
        np.testing.assert_allclose(fading.phasor(turn), [expected.real, expected.imag], rtol=0, atol=atol)


def test_phasors_turn_with_their_phase():
    # d/dt e^(j 2 pi t) = 2 pi j e^(j 2 pi t)
    turn = jnp.linspace(0.0, 1.0, 41)
    re, im = fading.phasor(turn)
    by_re, by_im = (jax.vmap(jax.grad(lambda t, i=i: fading.phasor(t)[i]))(turn) for i in range(2))
    np.testing.assert_allclose(by_re, -2 * np.pi * im, atol=2e-6)
    np.testing.assert_allclose(by_im, 2 * np.pi * re, atol=2e-6)


def test_rician_by_hand():
    # K = 3: sqrt(3/4) in sight at phase 1/4 turn, j; four scattered paths at 0, 0, 0 and 1/2 turn: sqrt(1/4) * 2 / 2
    coefficient = fading.rician_coeff(jnp.array([0.25]), jnp.array([[0.0, 0.0, 0.0, 0.5]]), 3.0, 1)
    np.testing.assert_allclose(coefficient, [[0.5], [np.sqrt(0.75)]], atol=1e-6)


def test_rician_without_sight_and_with_little_else():
    u_los, u_nlos = jnp.array([0.125]), jnp.array([[0.25, 0.25]])
    np.testing.assert_allclose(fading.rician_coeff(u_los, u_nlos, 0.0, 1), [[0.0], [np.sqrt(2)]], atol=1e-6)
    np.testing.assert_allclose(fading.rician_coeff(u_los, u_nlos, 1e12, 1), [[np.sqrt(0.5)], [np.sqrt(0.5)]], atol=3e-6)


def test_rician_power_has_mean_one_and_the_variance_of_its_factor():
    # P unit phasors: E|h|^2 = 1, var |h|^2 = (2K + 1 - 1/P) / (K + 1)^2 = 12.875/49 for K = 6, P = 8
    u = jax.random.uniform(jax.random.key(5), (9, DRAWS), minval=1e-7)
    re, im = fading.rician_coeff(u[0], u[1:], 6.0, 0)
    power = np.asarray(re**2 + im**2, np.float64)
    assert abs(power.mean() - 1.0) < 4 * np.sqrt(12.875 / 49 / DRAWS)
    np.testing.assert_allclose(power.var(), 12.875 / 49, rtol=0.03)


@pytest.mark.parametrize("k", [0.0, 6.0])
def test_rician_gradient_without_sight_is_finite(k):
    def power(k):
        re, im = fading.rician_coeff(jnp.array([0.1]), jnp.array([[0.3, 0.4]]), k, 1)
        return jnp.sum(re**2 + im**2)

    assert np.isfinite(jax.grad(power)(k))


def test_antennas_and_paths_are_counted_from_the_front():
    u = jnp.full((2, 3), 0.5)
    with pytest.raises(ValueError, match="from the front"):
        fading.rician_coeff(u[:, 0], u, 6.0, -1)
    with pytest.raises(ValueError, match="from the front"):
        fading.combined_power((u, u), (u, u), -1)


def test_steering_by_hand():
    # half a wavelength apart, from 30 degrees: a quarter of a turn per antenna; from straight ahead all alike
    antenna = jnp.arange(4)
    steering = fading.steering_vector(antenna, jnp.pi / 6, 0.05, 0.1)
    np.testing.assert_allclose(steering, [[1, 0, -1, 0], [0, 1, 0, -1]], atol=1e-6)
    np.testing.assert_allclose(fading.steering_vector(antenna, 0.0, 0.005, 0.009), [[1.0] * 4, [0.0] * 4], atol=1e-6)


def test_a_csi_error_by_hand():
    # variance 0.5: radius sqrt(2 * 0.5 * 0.25) = 0.5, at a quarter of a turn; a perfect estimate has none
    error = fading.bounded_csi_error(jnp.array([0.25, 1.0]), jnp.array([0.25, 0.5]), 0.5)
    np.testing.assert_allclose(error, [[0.0, -1.0], [0.5, 0.0]], atol=1e-6)
    np.testing.assert_array_equal(fading.bounded_csi_error(jnp.array([0.3]), jnp.array([0.7]), 0.0), [[0.0], [0.0]])
    gradient = jax.grad(lambda variance: fading.bounded_csi_error(0.3, 0.7, variance)[0])(0.0)
    assert np.isfinite(gradient)


def test_csi_errors_fill_the_disc_evenly():
    # |eps|^2 is uniform on [0, 2 variance]: mean 0.05, and both parts have half of it
    u = jax.random.uniform(jax.random.key(9), (2, DRAWS), minval=1e-7)
    re, im = (np.asarray(x, np.float64) for x in fading.bounded_csi_error(*u, 0.05))
    assert scipy.stats.kstest(re**2 + im**2, scipy.stats.uniform(0, 0.1).cdf).pvalue > 1e-3
    np.testing.assert_allclose([np.var(re), np.var(im)], 0.025, rtol=0.03)


def test_combining_by_hand():
    # h = (1, j), eps = (0.1, 0): h^H (h + eps) = 2 + 0.1, so 2.1^2 / 2; without error |h|^2 = 2; nothing from nothing
    h, none = (jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])), (jnp.zeros(2), jnp.zeros(2))
    np.testing.assert_allclose(fading.combined_power(h, (jnp.array([0.1, 0.0]), jnp.zeros(2)), 0), 2.205, rtol=1e-6)
    np.testing.assert_allclose(fading.combined_power(h, none, 0), 2.0, rtol=1e-6)
    assert fading.combined_power(none, h, 0) == 0.0
    gradient = jax.grad(lambda h: fading.combined_power(h, none, 0))(none)
    assert np.isfinite(jnp.stack(gradient)).all()


def test_combining_is_the_complex_formula():
    rng = np.random.default_rng(2)
    h, eps = rng.normal(size=(2, 3, 4)) + 1j * rng.normal(size=(2, 3, 4))
    expected = np.abs(np.sum(h.conj() * (h + eps), 1)) ** 2 / np.sum(np.abs(h) ** 2, 1)
    pairs = [(jnp.asarray(z.real), jnp.asarray(z.imag)) for z in (h, eps)]
    np.testing.assert_allclose(fading.combined_power(*pairs, 1), expected, rtol=1e-5)
    one = [(re[:, :1], im[:, :1]) for re, im in pairs]
    np.testing.assert_allclose(fading.combined_power(*one, 1), np.abs(h + eps)[:, 0] ** 2, rtol=1e-5)


def test_doppler_by_hand():
    # 36 m/s at 9 mm: 4 kHz straight on, half of it at 60 degrees, nothing in passing, less than nothing behind
    shift_hz = fading.doppler_shift_hz(36.0, jnp.array([0.0, np.pi / 3, np.pi / 2, np.pi]), 0.009)
    np.testing.assert_allclose(shift_hz, [4000.0, 2000.0, 0.0, -4000.0], atol=1e-3)


def test_jakes_correlation_is_the_bessel_function():
    # nobody moves: 1; first zero of J0 at 2.404826: v = 2.404826 / (2 pi 0.1 / 0.15)
    standing, zero = fading.jakes_correlation(jnp.array([0.0, 2.404826 / (2 * np.pi * 0.1 / 0.15)]), 0.1, 0.15)
    np.testing.assert_allclose([standing, zero], [1.0, 0.0], atol=1e-6)
    with jax.enable_x64(True):
        x = np.linspace(0, 199, 400)
        found = fading.jakes_correlation(jnp.asarray(x / (2 * np.pi)), 1.0, 1.0)
        np.testing.assert_allclose(found, scipy.special.j0(x), atol=1e-12)
