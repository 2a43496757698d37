import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import geometry, pathloss


def radio(carrier_hz=2e9):
    return SimpleNamespace(carrier_hz=carrier_hz, gain_at_1m_db=-38.4, gain_slope_db=21.0)


def street(distance_2d_m, tx_height_m=1.5, rx_height_m=10.0):
    distance_2d_m = jnp.asarray(distance_2d_m, float)
    return pathloss.Link(
        distance_2d_m, geometry.norm_m(distance_2d_m, tx_height_m - rx_height_m), tx_height_m, rx_height_m
    )


def antennas_apart(distance_3d_m):
    distance_3d_m = jnp.asarray(distance_3d_m, float)
    return pathloss.Link(distance_3d_m, distance_3d_m, 1.5, 10.0)


def tr38901_umi_db(distance_2d_m, h_bs_m, h_ut_m, carrier_hz, los):
    """TR 38.901 Table 7.4.1-1 once more, as power ratios: beyond the breakpoint the loss there times (d/d_bp)^4."""
    f_ghz = carrier_hz / 1e9
    length = math.hypot(distance_2d_m, h_bs_m - h_ut_m)
    d_bp = 4 * (h_bs_m - 1) * (h_ut_m - 1) * carrier_hz / 3e8
    length_bp = math.hypot(d_bp, h_bs_m - h_ut_m)
    ratio = 10**3.24 * min(length, length_bp) ** 2.1 * f_ghz**2
    if distance_2d_m > d_bp:
        ratio *= (length / length_bp) ** 4
    if not los:
        ratio = max(ratio, 10 ** (2.24 - 0.03 * (h_ut_m - 1.5)) * length**3.53 * f_ghz**2.13)
    return 10 * math.log10(ratio)


def test_log_distance_by_hand():
    # -(-38.4 - 21 log10 d): 38.4 at 1 m, 59.4 at 10 m, 80.4 at 100 m; at 0.1 m not clamped: 17.4
    loss_db = pathloss.log_distance(antennas_apart([1.0, 10.0, 100.0, 0.1]), radio())
    np.testing.assert_allclose(loss_db, [38.4, 59.4, 80.4, 17.4], rtol=1e-6)


def test_free_space_by_hand():
    # textbook: 32.45 dB + 20 log10(km) + 20 log10(MHz); 100 m at 2.4 GHz = 32.45 - 20 + 67.60 = 80.05 dB
    np.testing.assert_allclose(pathloss.free_space(antennas_apart(1000.0), radio(1e6)), 32.45, atol=0.005)
    np.testing.assert_allclose(pathloss.free_space(antennas_apart(100.0), radio(2.4e9)), 80.05, atol=0.005)
    # one wavelength away: 20 log10(4 pi) = 21.984 dB
    np.testing.assert_allclose(pathloss.free_space(antennas_apart(299_792_458.0 / 2e9), radio()), 21.984, atol=0.001)


def test_umi_los_by_hand():
    # 32.4 + 21 * 2 + 20 * log10(2) = 32.4 + 42 + 6.0206 = 80.42 dB at 100 m and 2 GHz (breakpoint 4*9*0.5*2e9/3e8 = 120 m)
    link = pathloss.Link(jnp.array(99.0), jnp.array(100.0), 1.5, 10.0)
    np.testing.assert_allclose(pathloss.umi_los(link, radio()), 80.4206, atol=1e-4)


def test_the_ground_distance_decides_on_which_side_of_the_breakpoint_a_link_is():
    # breakpoint 120 m, antennas 200 m apart: 32.4 + 21 * 2.30103 + 6.0206 = 86.742 dB at 119 m on the ground; at 121 m
    # 32.4 + 40 * 2.30103 + 6.0206 - 9.5 * log10(120^2 + 8.5^2) = 130.4618 - 9.5 * 4.160536 = 90.937 dB
    loss_db = pathloss.umi_los(pathloss.Link(jnp.array([119.0, 121.0]), jnp.array([200.0, 200.0]), 1.5, 10.0), radio())
    np.testing.assert_allclose(loss_db, [86.742, 90.937], atol=1e-3)


def test_umi_nlos_by_hand():
    # 35.3 * 2 + 22.4 + 21.3 * 0.30103 - 0.3 * (1.5 - 1.5) = 70.6 + 22.4 + 6.4119 = 99.41 dB
    link = pathloss.Link(jnp.array(99.0), jnp.array(100.0), 1.5, 10.0)
    np.testing.assert_allclose(pathloss.umi_nlos(link, radio()), 99.4119, atol=1e-4)
    # a terminal at 4.5 m loses 0.3 * 3 = 0.9 dB less
    np.testing.assert_allclose(pathloss.umi_nlos(link._replace(tx_height_m=4.5), radio()), 98.5119, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "expected_db"),
    [
        (pathloss.umi_los, [69.8591, 88.4122, 119.3114, 147.2696]),
        (pathloss.umi_nlos, [76.7563, 107.9432, 143.1886, 167.8617]),
    ],
)
def test_umi_against_the_values_in_ns3(model, expected_db):
    # 5 GHz, 10 m over 1.5 m, at 10, 100, 1000 and 5000 m on the ground; stated to 5e-2 dB in
    # src/propagation/test/three-gpp-propagation-loss-model-test-suite.cc of ns-3 (breakpoint at 300 m)
    np.testing.assert_allclose(model(street([10.0, 100.0, 1000.0, 5000.0]), radio(5e9)), expected_db, atol=5e-2)


@settings(max_examples=60, deadline=None)
@given(st.floats(10, 5000), st.floats(5, 15), st.floats(1.5, 4.5), st.floats(0.5e9, 100e9), st.booleans())
def test_umi_against_a_second_calculation(distance_2d_m, h_bs_m, h_ut_m, carrier_hz, los):
    link = street(distance_2d_m, h_ut_m, h_bs_m)
    loss_db = (pathloss.umi_los if los else pathloss.umi_nlos)(link, radio(carrier_hz))
    np.testing.assert_allclose(loss_db, tr38901_umi_db(distance_2d_m, h_bs_m, h_ut_m, carrier_hz, los), atol=1e-3)


def test_umi_float64_agrees_to_twelve_digits():
    with jax.enable_x64(True):
        distance_m = np.geomspace(10.0, 5000.0, 25)
        for model, los in [(pathloss.umi_los, True), (pathloss.umi_nlos, False)]:
            loss_db = model(street(distance_m), radio(3.5e9))
            assert loss_db.dtype == jnp.float64
            expected_db = [tr38901_umi_db(d, 10.0, 1.5, 3.5e9, los) for d in distance_m]
            np.testing.assert_allclose(loss_db, expected_db, rtol=1e-12)


def test_umi_los_is_continuous_and_steeper_beyond_the_breakpoint():
    # 2 GHz, 10 m over 1.5 m: 120 m. 1 % beyond and before differ by their slopes alone: 21 and 40 dB per decade
    loss_db = np.array(pathloss.umi_los(street([118.8, 119.9999, 120.0, 120.0001, 121.2]), radio()))
    np.testing.assert_allclose(np.diff(loss_db[1:4]), 0.0, atol=1e-4)
    near, far = loss_db[2] - loss_db[0], loss_db[4] - loss_db[2]
    np.testing.assert_allclose(near, 21 * math.log10(math.hypot(120, 8.5) / math.hypot(118.8, 8.5)), atol=1e-4)
    np.testing.assert_allclose(far, 40 * math.log10(math.hypot(121.2, 8.5) / math.hypot(120, 8.5)), atol=1e-4)


def test_the_papers_constants_are_umi_los_at_2_ghz():
    # 32.4 + 20 log10(2) = 38.42 against 38.4, slope 21 against 21, below the breakpoint
    link = street(np.geomspace(10.0, 119.0, 9))
    np.testing.assert_allclose(pathloss.log_distance(link, radio()), pathloss.umi_los(link, radio()), atol=0.03)


@pytest.mark.parametrize("name", pathloss.MODELS)
def test_loss_grows_with_distance(name):
    loss_db = pathloss.MODELS[name](street(np.geomspace(10.0, 5000.0, 50)), radio())
    assert (np.diff(loss_db) > 0).all()


@pytest.mark.parametrize("name", pathloss.MODELS)
def test_either_end_may_transmit(name):
    np.testing.assert_array_equal(
        pathloss.MODELS[name](street([20.0, 500.0], 1.5, 10.0), radio()),
        pathloss.MODELS[name](street([20.0, 500.0], 10.0, 1.5), radio()),
    )


def test_blocked_sight_never_helps():
    link = street(np.geomspace(1.0, 5000.0, 40))
    assert (pathloss.umi_nlos(link, radio(28e9)) >= pathloss.umi_los(link, radio(28e9))).all()


@pytest.mark.parametrize("name", pathloss.MODELS)
def test_a_node_linked_to_itself_has_finite_loss_and_gradients(name):
    # two vehicles at (0, 50): the diagonal of a vehicle-to-vehicle table is masked, but must not spoil gradients
    def masked_loss_db(position_m, carrier_hz, slope_db):
        distance_m = geometry.norm_m(geometry.offsets(position_m, position_m))
        numbers = SimpleNamespace(carrier_hz=carrier_hz, gain_at_1m_db=-38.4, gain_slope_db=slope_db)
        loss_db = pathloss.MODELS[name](pathloss.Link(distance_m, distance_m, 1.5, 1.5), numbers)
        return jnp.sum(jnp.where(jnp.eye(2, dtype=bool), 0.0, loss_db)), loss_db

    gradients, loss_db = jax.grad(masked_loss_db, argnums=(0, 1, 2), has_aux=True)(jnp.array([0.0, 50.0]), 2e9, 21.0)
    assert np.isfinite(loss_db).all()
    assert all(np.isfinite(g).all() for g in gradients)
    assert gradients[0][1] > 0  # further away, more loss


def test_a_nan_distance_is_not_hidden():
    assert all(jnp.isnan(model(antennas_apart(jnp.nan), radio())) for model in pathloss.MODELS.values())


def test_models_by_name():
    assert all(pathloss.get(name) is model for name, model in pathloss.MODELS.items())


def test_an_unknown_name_lists_the_known_and_the_closest():
    with pytest.raises(ValueError, match=r"'umi_lso'.*log_distance, free_space, umi_los, umi_nlos.*mean 'umi_los'"):
        pathloss.get("umi_lso")
    with pytest.raises(ValueError, match=r"umi_nlos$"):
        pathloss.get("xyzzy")
