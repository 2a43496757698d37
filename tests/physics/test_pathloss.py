import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import geometry, pathloss, table

FORMULAS = [name for name in pathloss.MODELS if name not in table.MODELS]  # tables have tests of their own


def radio(carrier_hz=2e9, **numbers):
    defaults = {
        "gain_at_1m_db": -38.4,
        "gain_slope_db": 21.0,
        "pathloss_const_db": 128.1,
        "pathloss_slope_db": 37.6,
        "wavelength_m": 299_792_458.0 / carrier_hz,
        "pathloss_exponent": 2.5,
        "breakpoint_m": 100.0,
    }
    return SimpleNamespace(**{**defaults, "carrier_hz": carrier_hz, **numbers})


def street(distance_2d_m, tx_height_m=1.5, rx_height_m=10.0):
    distance_2d_m = jnp.asarray(distance_2d_m, float)
    return pathloss.Link(
        distance_2d_m, geometry.norm_m(distance_2d_m, tx_height_m - rx_height_m), tx_height_m, rx_height_m
    )


def antennas_apart(distance_3d_m):
    distance_3d_m = jnp.asarray(distance_3d_m, float)
    return pathloss.Link(distance_3d_m, distance_3d_m, 1.5, 10.0)


# at 1 m and 1 GHz in sight, slope; blocked at 1 m and 1 GHz, slope, of the carrier, per metre of the terminal (all dB)
TR38901 = {"umi": (32.4, 21, 22.4, 35.3, 21.3, 0.3), "uma": (28.0, 22, 13.54, 39.08, 20, 0.6)}


def tr38901_db(name, distance_2d_m, h_bs_m, h_ut_m, carrier_hz, los):
    """TR 38.901 Table 7.4.1-1 once more, as power ratios: beyond the breakpoint the loss there times (d/d_bp)^4."""
    at_1m, slope, blocked_at_1m, blocked_slope, blocked_carrier, per_metre = (x / 10 for x in TR38901[name])
    f_ghz = carrier_hz / 1e9
    length = math.hypot(distance_2d_m, h_bs_m - h_ut_m)
    d_bp = 4 * (h_bs_m - 1) * (h_ut_m - 1) * carrier_hz / 3e8
    length_bp = math.hypot(d_bp, h_bs_m - h_ut_m)
    ratio = 10**at_1m * min(length, length_bp) ** slope * f_ghz**2
    if distance_2d_m > d_bp:
        ratio *= (length / length_bp) ** 4
    if not los:
        at_1m = blocked_at_1m - per_metre * (h_ut_m - 1.5)
        ratio = max(ratio, 10**at_1m * length**blocked_slope * f_ghz**blocked_carrier)
    return 10 * math.log10(ratio)


def test_log_distance_by_hand():
    # -(-38.4 - 21 log10 d): 38.4 at 1 m, 59.4 at 10 m, 80.4 at 100 m; at 0.1 m not clamped: 17.4
    loss_db = pathloss.log_distance(antennas_apart([1.0, 10.0, 100.0, 0.1]), radio())
    np.testing.assert_allclose(loss_db, [38.4, 59.4, 80.4, 17.4], rtol=1e-6)


def test_macro_by_hand():
    # 128.1 dB at 1 km, 37.6 less at 100 m; 250 m: 128.1 - 37.6 * 0.60206 = 105.4625
    loss_db = pathloss.macro(antennas_apart([1000.0, 100.0, 250.0]), radio())
    np.testing.assert_allclose(loss_db, [128.1, 90.5, 105.4625], rtol=1e-6)


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


models_of_tr38901 = pytest.mark.parametrize("name", list(TR38901))


def sight_model(name, los):
    return pathloss.MODELS[f"{name}_{'los' if los else 'nlos'}"]


@models_of_tr38901
@settings(max_examples=60, deadline=None)
@given(st.floats(10, 5000), st.floats(5, 30), st.floats(1.5, 4.5), st.floats(0.5e9, 100e9), st.booleans())
def test_tr38901_against_a_second_calculation(name, distance_2d_m, h_bs_m, h_ut_m, carrier_hz, los):
    loss_db = sight_model(name, los)(street(distance_2d_m, h_ut_m, h_bs_m), radio(carrier_hz))
    np.testing.assert_allclose(loss_db, tr38901_db(name, distance_2d_m, h_bs_m, h_ut_m, carrier_hz, los), atol=1e-3)


@models_of_tr38901
@pytest.mark.parametrize("los", [True, False])
def test_tr38901_in_float64_agrees_to_twelve_digits(name, los):
    with jax.enable_x64(True):
        distance_m = np.geomspace(10.0, 5000.0, 25)
        loss_db = sight_model(name, los)(street(distance_m), radio(3.5e9))
        assert loss_db.dtype == jnp.float64
        expected_db = [tr38901_db(name, d, 10.0, 1.5, 3.5e9, los) for d in distance_m]
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


def mast(distance_m, h_bs_m=25.0, h_ut_m=1.5):
    """Antennas as far apart as given, ends at the heights of an urban macro cell."""
    distance_m = jnp.asarray(distance_m, float)
    return pathloss.Link(jnp.sqrt(distance_m**2 - (h_bs_m - h_ut_m) ** 2), distance_m, h_ut_m, h_bs_m)


def test_uma_los_by_hand():
    # 2 GHz, 25 m over 1.5 m: breakpoint 4 * 24 * 0.5 * 2e9 / 3e8 = 320 m. 100 m: 28 + 22 * 2 + 6.0206 = 78.0206 dB;
    # 1 km: 28 + 40 * 3 + 6.0206 - 9 * log10(320^2 + 23.5^2) = 154.0206 - 9 * 5.012636 = 108.9069 dB
    np.testing.assert_allclose(pathloss.uma_los(mast([100.0, 1000.0]), radio()), [78.0206, 108.9069], atol=1e-4)


def test_uma_nlos_by_hand():
    # 13.54 + 39.08 * 2 + 6.0206 = 97.7206 dB at 100 m; a terminal at 6.5 m loses 0.6 * 5 = 3 dB less
    np.testing.assert_allclose(pathloss.uma_nlos(mast(100.0), radio()), 97.7206, atol=1e-4)
    np.testing.assert_allclose(pathloss.uma_nlos(mast(100.0, h_ut_m=6.5), radio()), 94.7206, atol=1e-4)


def test_uma_with_a_given_breakpoint_by_hand():
    # 1 GHz, breakpoint 100 m: 28 + 22 * 2 = 72 dB there; at 1 km 28 + 120 - 9 * log10(1e4 + 552.25) = 111.7899 dB.
    # Blocked: 13.54 + 78.16 = 91.70 and 13.54 + 117.24 = 130.78 dB
    link, numbers = mast([100.0, 1000.0]), radio(1e9)
    np.testing.assert_allclose(pathloss.uma_los_fixed(link, numbers), [72.0, 111.7899], atol=1e-4)
    np.testing.assert_allclose(pathloss.uma_nlos_fixed(link, numbers), [91.70, 130.78], atol=1e-4)


def test_the_standards_breakpoint_may_be_given():
    link = mast(np.geomspace(30.0, 5000.0, 30))
    numbers = radio(2e9, breakpoint_m=320.0)
    np.testing.assert_allclose(pathloss.uma_los_fixed(link, numbers), pathloss.uma_los(link, numbers), atol=0.03)
    np.testing.assert_allclose(pathloss.uma_nlos_fixed(link, numbers), pathloss.uma_nlos(link, numbers), atol=0.03)


def test_aerial_links_by_hand():
    # 2 GHz: 28 + 22 * 2 + 6.0206 = 78.0206 dB; blocked, UAV at 100 m: slope 46 - 14 = 32, and 20 log10(80 pi / 3) =
    # 38.4624, so -17.5 + 64 + 38.4624 = 84.9624 dB
    link = pathloss.Link(jnp.array(99.0), jnp.array(100.0), 1.5, 100.0)
    np.testing.assert_allclose(pathloss.uma_av_los(link, radio()), 78.0206, atol=1e-4)
    np.testing.assert_allclose(pathloss.uma_av_nlos(link, radio()), 84.9624, atol=1e-4)


def test_okumura_hata_by_hand():
    # the usual textbook case: 900 MHz, 30 m over 1.5 m, 1 km. a = (3.24967 - 0.7) * 1.5 - (4.60862 - 0.8) = 0.01588 dB;
    # 69.55 + 26.16 * 2.954243 - 13.82 * 1.477121 - 0.01588 = 126.4033 dB; slope 44.9 - 6.55 * 1.477121 = 35.2249 dB
    loss_db = pathloss.okumura_hata(mast([1000.0, 10_000.0], 30.0), radio(900e6))
    np.testing.assert_allclose(loss_db, [126.4033, 126.4033 + 35.2249], atol=2e-4)


def test_okumura_hata_in_ghz_takes_the_number_and_not_the_carrier():
    # 900 GHz read as 900 of the formula's MHz
    link = mast(1000.0, 30.0)
    np.testing.assert_allclose(
        pathloss.okumura_hata_ghz(link, radio(900e9)), pathloss.okumura_hata(link, radio(900e6)), rtol=1e-6
    )


def test_power_law_by_hand():
    # wavelength 4 pi m: no loss over the first metre; 10 * 2.5 * 2 = 50 dB at 100 m, and per link 40 and 60 dB
    numbers = radio(wavelength_m=4 * np.pi)
    np.testing.assert_allclose(pathloss.power_law(antennas_apart([1.0, 100.0]), numbers), [0.0, 50.0], atol=1e-5)
    numbers.pathloss_exponent = jnp.array([2.0, 3.0])
    np.testing.assert_allclose(pathloss.power_law(antennas_apart([100.0, 100.0]), numbers), [40.0, 60.0], rtol=1e-6)


def test_power_law_of_exponent_two_is_free_space():
    link, numbers = antennas_apart(np.geomspace(1.0, 5000.0, 9)), radio(3e9, pathloss_exponent=2.0)
    np.testing.assert_allclose(pathloss.power_law(link, numbers), pathloss.free_space(link, numbers), rtol=1e-6)


def test_los_probability_by_hand():
    # UMa: 1 up to 18 m; at 63 m 18/63 + (45/63) / e = 0.285714 + 0.714286 * 0.367879 = 0.548485; far away 18/d
    probability = pathloss.los_probability(jnp.array([0.0, 18.0, 63.0, 1e5]), 18.0, 63.0)
    np.testing.assert_allclose(probability, [1.0, 1.0, 0.548485, 1.8e-4], rtol=2e-6)


def test_los_probability_has_finite_gradients():
    gradient = jax.vmap(jax.grad(pathloss.los_probability, argnums=(0, 1, 2)), in_axes=(0, None, None))
    assert np.isfinite(gradient(jnp.array([0.0, 18.0, 100.0, 1e6]), 18.0, 63.0)).all()


def test_los_ranges_of_aerial_vehicles_by_hand():
    # 100 m: 460 * 2 - 700 = 220 and 4300 * 2 - 3800 = 4800; 50 m: 460 * 1.69897 - 700 = 81.526 and 3505.571;
    # 22.5 m: 460 * 1.352183 - 700 < 18, and 4300 * 1.352183 - 3800 = 2014.385; outside as at the ends
    d1_m, p1_m = pathloss.uma_av_los_d1_p1(jnp.array([100.0, 50.0, 22.5, 300.0, 0.0]))
    np.testing.assert_allclose(d1_m, [220.0, 81.526, 18.0, 220.0, 18.0], rtol=1e-5)
    np.testing.assert_allclose(p1_m, [4800.0, 3505.571, 2014.385, 4800.0, 2014.385], rtol=1e-5)


def test_the_higher_an_aerial_vehicle_the_more_it_is_seen():
    ranges = pathloss.uma_av_los_d1_p1(jnp.linspace(22.5, 100.0, 20)[:, None])
    probability = pathloss.los_probability(jnp.geomspace(10.0, 4000.0, 30), *ranges)
    assert (np.diff(probability, axis=0) >= -1e-6).all()
    assert (np.diff(probability, axis=1) <= 1e-6).all()


@pytest.mark.parametrize("name", FORMULAS)
def test_loss_grows_with_distance(name):
    loss_db = pathloss.MODELS[name](street(np.geomspace(10.0, 5000.0, 50)), radio())
    assert (np.diff(loss_db) > 0).all()


@pytest.mark.parametrize("name", FORMULAS)
def test_either_end_may_transmit(name):
    np.testing.assert_array_equal(
        pathloss.MODELS[name](street([20.0, 500.0], 1.5, 10.0), radio()),
        pathloss.MODELS[name](street([20.0, 500.0], 10.0, 1.5), radio()),
    )


@models_of_tr38901
def test_blocked_sight_never_helps(name):
    link = street(np.geomspace(1.0, 5000.0, 40))
    assert (sight_model(name, False)(link, radio(28e9)) >= sight_model(name, True)(link, radio(28e9))).all()


@pytest.mark.parametrize("name", FORMULAS)
def test_a_node_linked_to_itself_has_finite_loss_and_gradients(name):
    # two vehicles at (0, 50): the diagonal of a vehicle-to-vehicle table is masked, but must not spoil gradients
    def masked_loss_db(position_m, carrier_hz, slope_db):
        distance_m = geometry.norm_m(geometry.offsets(position_m, position_m))
        numbers = radio(carrier_hz, gain_slope_db=slope_db)
        loss_db = pathloss.MODELS[name](pathloss.Link(distance_m, distance_m, 1.5, 1.5), numbers)
        return jnp.sum(jnp.where(jnp.eye(2, dtype=bool), 0.0, loss_db)), loss_db

    gradients, loss_db = jax.grad(masked_loss_db, argnums=(0, 1, 2), has_aux=True)(jnp.array([0.0, 50.0]), 2e9, 21.0)
    assert np.isfinite(loss_db).all()
    assert all(np.isfinite(g).all() for g in gradients)
    assert gradients[0][1] > 0  # further away, more loss


def test_a_nan_distance_is_not_hidden():
    assert all(jnp.isnan(pathloss.MODELS[name](antennas_apart(jnp.nan), radio())) for name in FORMULAS)


def test_models_by_name():
    assert all(pathloss.MODELS[name] is model for name, model in pathloss.MODELS.items())


def test_an_unknown_name_lists_the_known_and_the_closest():
    known = ", ".join(sorted(pathloss.MODELS))
    with pytest.raises(
        ValueError, match=rf"unknown path-loss model 'umi_lso'\. Did you mean 'umi_los'\? Known: {known}$"
    ):
        pathloss.MODELS["umi_lso"]
    with pytest.raises(ValueError, match=rf"unknown path-loss model 'xyzzy'\. Known: {known}$"):
        pathloss.MODELS["xyzzy"]


def test_pairs_are_in_line_of_sight_and_blocked():
    assert pathloss.los_pairs(pathloss.MODELS) == ("umi", "uma", "uma_av")
    assert pathloss.los_pairs(["a_los", "b_los", "b_nlos", "c_nlos", "los"]) == ("b",)


def test_usable_are_the_models_whose_numbers_there_are():
    class Radio:
        carrier_hz = 2e9
        wavelength_m = 0.15

    assert set(pathloss.MODELS) - set(pathloss.usable(Radio)) == {
        "log_distance",
        "macro",
        "power_law",
        "uma_los_fixed",
        "uma_nlos_fixed",
        *table.MODELS,
    }
