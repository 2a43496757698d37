"""What the latency table of the URLLC-VEC paper says about its physics, in float64 (claims 1 to 4 of its specification)."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec.physics import pathloss, rate, units

BANDWIDTH_HZ, BLOCKLENGTH, ERROR_PROB = 1e7, 1000.0, 1e-6  # table II and the block length named beside the table
POWER_OVER_NOISE = 1e12  # 30 dBm over -90 dBm
RADIO = SimpleNamespace(
    wavelength_m=0.009, carrier_hz=3e8 / 0.009, pathloss_exponent=2.0, breakpoint_m=100.0
)  # table II, exponent of free space


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def loss_db(name, distance_m, tx_height_m=1.5, rx_height_m=25.0):
    distance_m = jnp.asarray(distance_m)
    return pathloss.MODELS[name](pathloss.Link(distance_m, distance_m, tx_height_m, rx_height_m), RADIO)


def latency_s(data_bits, snr):
    return data_bits / rate.finite_blocklength_bps(BANDWIDTH_HZ, snr, BLOCKLENGTH, ERROR_PROB)


@pytest.mark.parametrize("name", ["okumura_hata_ghz", "uma_los_fixed", "power_law", "uma_av_los"])
def test_latency_is_linear_in_the_size_of_the_task(name):
    snr = POWER_OVER_NOISE * units.db_to_linear(-loss_db(name, 100.0))
    rows_s = latency_s(np.array([1e5, 1e6, 1e7]), snr)
    assert rows_s[0] > 0
    np.testing.assert_allclose(rows_s[1:] / rows_s[:-1], 10.0, rtol=1e-14)


def test_the_printed_latencies_need_data_in_bits():
    # Okumura, UMa, free space, UMa for aerial vehicles: spectral efficiency and latency of the row of 1 MB, as 1e6 bit
    snr = units.db_to_linear(jnp.array([30.426, 1.707, 16.917, 17.249]))
    np.testing.assert_allclose(latency_s(1e6, snr), [0.0101093, 0.0898631, 0.01841, 0.01805], rtol=1e-3)
    np.testing.assert_allclose(1e6 / latency_s(1e6, snr) / BANDWIDTH_HZ, [9.892, 1.113, 5.432, 5.540], rtol=1e-3)


def test_free_space_and_3gpp_hardly_differ_for_aerial_links_in_sight():
    distance_m = np.linspace(60.0, 250.0, 50)
    free_s, aerial_s = (
        latency_s(1e6, POWER_OVER_NOISE * units.db_to_linear(-loss_db(name, distance_m)))
        for name in ("power_law", "uma_av_los")
    )
    assert np.abs(aerial_s / free_s - 1).max() < 0.05


@pytest.mark.parametrize("other", ["uma_los_fixed", "uma_nlos_fixed"])
def test_okumura_loses_less_than_3gpp_only_with_gigahertz_in_the_place_of_megahertz(other):
    distance_m = np.geomspace(10.0, 5000.0, 200)
    assert (loss_db("okumura_hata_ghz", distance_m) < loss_db(other, distance_m)).all()
    assert (loss_db("okumura_hata", distance_m) > loss_db(other, distance_m)).all()


def test_losses_at_one_kilometre():
    names = ["okumura_hata_ghz", "uma_los_fixed", "uma_nlos_fixed", "okumura_hata"]
    np.testing.assert_allclose([loss_db(n, 1000.0) for n in names], [90.2, 142.2, 161.2, 168.4], atol=0.06)
