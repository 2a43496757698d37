import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import geometry

metres = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)


def test_offsets_by_hand():
    # vehicles at 10 and 300 m see RSUs at 200, 350, 500 m
    np.testing.assert_array_equal(
        geometry.offsets(jnp.array([10.0, 300.0]), jnp.array([200.0, 350.0, 500.0])),
        [[190, 340, 490], [-100, 50, 200]],
    )


def test_offsets_align_worlds_with_worlds():
    # three RSUs and three worlds: a careless broadcast would pair them
    a = jnp.arange(6.0).reshape(2, 3)
    b = jnp.array([10.0, 20.0, 30.0])
    expected = np.stack([np.asarray(b)[None, :] - np.asarray(a)[:, w, None] for w in range(3)], -1)
    np.testing.assert_array_equal(geometry.offsets(a, b), expected)
    np.testing.assert_array_equal(geometry.offsets(b, a), -np.swapaxes(expected, 0, 1))


def test_offsets_of_worlds_broadcast_over_earlier_batch_axes():
    a, b = jnp.ones((2, 4, 5)), jnp.arange(15.0).reshape(3, 5)
    result = geometry.offsets(a, b)
    assert result.shape == (2, 3, 4, 5)
    np.testing.assert_array_equal(result[1, 2, 3], b[2] - 1)


def test_norm_by_hand():
    # 3-4-12-13; and the RSU's mast: 100 m along, 11.25 m across, 10 m up -> sqrt(10000 + 126.5625 + 100) = 101.12652
    assert geometry.norm_m(3.0, 4.0, 12.0) == 13.0
    np.testing.assert_allclose(geometry.norm_m(jnp.array([100.0]), 11.25, 10.0), [101.12652], rtol=1e-6)


@pytest.mark.parametrize("tiny", [0.0, -0.0, 1e-30, 1e-23, 1e-20, 3e-19, 1e-10])
def test_norm_has_a_bounded_gradient_down_to_the_zero_vector(tiny):
    # a unit vector is the gradient everywhere else; where the square is 0 in float32 it is 0
    gradient = np.array(jax.grad(geometry.norm_m, argnums=(0, 1))(tiny, tiny))
    assert np.isfinite(gradient).all()
    assert np.linalg.norm(gradient) <= 1.0 + 1e-2
    assert np.isfinite(jax.jit(jax.grad(geometry.norm_m))(tiny, tiny))


def test_norm_keeps_a_nan():
    assert jnp.isnan(geometry.norm_m(jnp.nan, 1.0))


def test_within_includes_the_range_itself():
    np.testing.assert_array_equal(geometry.within(jnp.array([0.0, 200.0, 200.001]), 200.0), [True, True, False])


@settings(max_examples=50, deadline=None)
@given(metres, metres, metres)
def test_norm_is_a_norm(x, y, scale):
    length = float(geometry.norm_m(x, y))
    np.testing.assert_allclose(length, np.hypot(np.float64(x), np.float64(y)), rtol=1e-6, atol=1e-18)
    assert length <= (abs(x) + abs(y)) * (1 + 1e-6)
    if abs(scale) > 1e-3 and length > 1e-3:
        np.testing.assert_allclose(geometry.norm_m(scale * x, scale * y), abs(scale) * length, rtol=1e-5)


EARTH_M = 6_371_393.0


def apart_m(dlat_deg, dlon_deg, lat_deg=39.9, formula=geometry.haversine):
    """From (lat, 0) to (lat + dlat, dlon)."""
    lat_a, dlat, dlon = (np.radians(x) for x in (lat_deg, dlat_deg, dlon_deg))
    return geometry.arc_m(formula(dlat, dlon, np.cos(lat_a), np.cos(lat_a + dlat)), EARTH_M)


def test_arcs_by_hand():
    # a hundredth of a degree: R * 0.01 pi / 180 = 1112.02 m north; east times cos(39.9 degrees) = 0.767165: 853.1 m
    np.testing.assert_allclose(apart_m(0.01, 0.0), 1112.02, rtol=1e-5)
    np.testing.assert_allclose(apart_m(0.0, 0.01), 853.1, rtol=1e-4)
    np.testing.assert_allclose(apart_m(90.0, 0.0, 0.0), EARTH_M * np.pi / 2, rtol=1e-6)  # from the equator to the pole
    np.testing.assert_allclose(apart_m(0.0, 180.0, 0.0), EARTH_M * np.pi, rtol=1e-6)  # half round


def test_the_printed_formula_swaps_the_axes_and_doubles_the_angles():
    printed = geometry.haversine_as_printed
    np.testing.assert_allclose(apart_m(0.01, 0.0, formula=printed), 1706.1, rtol=1e-4)
    np.testing.assert_allclose(apart_m(0.0, 0.01, formula=printed), 2224.0, rtol=1e-4)


@given(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
def test_float32_differences_keep_millimetres(dlat_deg, dlon_deg):
    """Against the plane, on which a region is flat to a part in 1e5 or so, and against float64."""
    with jax.enable_x64(True):
        exact = float(apart_m(dlat_deg, dlon_deg))
    found = float(apart_m(np.float32(dlat_deg), np.float32(dlon_deg)))
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-3)
    middle = np.cos(np.radians(39.9 + dlat_deg / 2))
    plane_m = EARTH_M * np.hypot(np.radians(dlat_deg), middle * np.radians(dlon_deg))
    np.testing.assert_allclose(exact, plane_m, rtol=1e-5, atol=1e-3)


def test_arcs_have_finite_gradients_on_the_spot_and_at_the_antipode():
    for hav in (0.0, 1e-30, 0.5, 1.0):
        assert np.isfinite(jax.grad(geometry.arc_m)(hav, EARTH_M))


def test_arcs_are_exact_near_and_far():

    def exact(hav):
        return 2 * np.arctan2(np.sqrt(hav), np.sqrt(1 - hav))

    hav = np.concatenate([np.geomspace(1e-14, 1, 400), 1 - np.geomspace(1e-14, 0.9, 400), [0.0, 0.25, 1.0]])
    with jax.enable_x64(True):
        np.testing.assert_allclose(geometry.arc_m(hav, 1.0), exact(hav), rtol=1e-14)
    single = np.float32(hav)
    np.testing.assert_allclose(geometry.arc_m(single, 1.0), exact(np.float64(single)), rtol=4e-7)


@given(*[st.floats(-0.1, 0.1)] * 4)
def test_places_on_the_sphere_are_as_far_apart_as_the_haversine_says(lat_a, lon_a, lat_b, lon_b):
    def apart(lat_a, lon_a, lat_b, lon_b):
        anchor = np.radians(39.9)
        a, b = ((np.radians(lat), np.radians(lon)) for lat, lon in ((lat_a, lon_a), (lat_b, lon_b)))
        places = (geometry.on_sphere(*point, anchor) for point in (a, b))
        chord = sum((x - y) ** 2 for x, y in zip(*places, strict=True))
        cosines = (np.cos(anchor + point[0]) for point in (a, b))
        return geometry.arc_m(chord / 4, EARTH_M), geometry.arc_m(
            geometry.haversine(b[0] - a[0], b[1] - a[1], *cosines), EARTH_M
        )

    with jax.enable_x64(True):
        chord_m, arc_m = apart(lat_a, lon_a, lat_b, lon_b)
        np.testing.assert_allclose(chord_m, arc_m, rtol=1e-9, atol=1e-6)
    single, _ = apart(*np.float32([lat_a, lon_a, lat_b, lon_b]))
    np.testing.assert_allclose(single, arc_m, rtol=1e-6, atol=3e-3)  # 3 mm in a region of 20 km


def test_a_place_on_the_sphere_by_hand():
    # from the equator: a quarter round to the east, the pole, the antipode
    for point, place in ((((0, 90)), (1, 0, -1)), ((90, 0), (0, 1, -1)), ((0, 180), (0, 0, -2))):
        np.testing.assert_allclose(geometry.on_sphere(*np.radians(point), 0.0), place, atol=1e-6)
    # from 60 degrees north, a degree north: sin and cos of it
    north = geometry.on_sphere(np.radians(1.0), 0.0, np.radians(60.0))
    np.testing.assert_allclose(north, [0, np.sin(np.radians(1)), np.cos(np.radians(1)) - 1], rtol=1e-5, atol=1e-9)
