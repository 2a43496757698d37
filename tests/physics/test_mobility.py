import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import mobility

TABLE = jnp.array([[0.0, 10.0, 30.0, 60.0], [5.0, 4.0, 3.0, 2.0]])


def test_drive_by_hand():
    # on 700 m: 690 + 14 * 1 = 704 -> 4; 5 - 14 = -9 -> 691; 100 + 7 = 107
    position_m = mobility.drive_m(jnp.array([690.0, 5.0, 100.0]), jnp.array([14.0, -14.0, 7.0]), 1.0, 700.0)
    np.testing.assert_allclose(position_m, [4.0, 691.0, 107.0], rtol=1e-6)


@pytest.mark.parametrize("position_m", [-1e-9, -1e-5, -1e-30, 700.0, 0.0, 699.99994])
def test_drive_never_returns_the_length_itself(position_m):
    # in float32 -1e-9 + 700 rounds to 700, which is position 0
    result = mobility.drive_m(jnp.float32(position_m), 0.0, 1.0, 700.0)
    assert 0.0 <= result < 700.0


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0, 1, exclude_max=True, width=32, allow_subnormal=False),
    st.floats(-1e3, 1e3, width=32, allow_subnormal=False),
    st.floats(0, 10, width=32, allow_subnormal=False),
    st.floats(1, 1e4, width=32, allow_subnormal=False),
)
def test_drive_stays_on_the_road_and_moves_by_v_tau(part, velocity_mps, slot_s, length_m):
    start_m = jnp.float32(part) * jnp.float32(length_m)
    end_m = mobility.drive_m(start_m, velocity_mps, slot_s, length_m)
    assert 0.0 <= end_m < length_m
    laps = (np.float64(end_m) - np.float64(start_m) - np.float64(velocity_mps) * np.float64(slot_s)) / length_m
    assert abs(laps - round(laps)) < 1e-5 + 1e-6 * abs(velocity_mps * slot_s) / length_m


def test_drive_gradient_passes_through_the_wrap():
    # at -1e-9 m without speed it is the rounded-up 700 m that wraps, at 690 m and 14 m/s the end of the road
    gradient = jax.vmap(jax.grad(mobility.drive_m), in_axes=(0, 0, None, None))(
        jnp.array([-1e-9, 3.0, 690.0]), jnp.array([0.0, 14.0, 14.0]), 1.0, 700.0
    )
    np.testing.assert_array_equal(gradient, [1.0, 1.0, 1.0])


def test_interpolation_by_hand():
    # row 0 halfway from 10 to 30 = 20, at sample 3 = 60; row 1 a quarter from 5 to 4 = 4.75
    value = mobility.interpolate_rows(TABLE, jnp.array([0, 0, 1]), jnp.array([1.5, 3.0, 0.25]))
    np.testing.assert_allclose(value, [20.0, 60.0, 4.75], rtol=1e-6)


def test_interpolation_is_clamped_to_the_table():
    value = mobility.interpolate_rows(TABLE, jnp.array([0, 0, 1, 1]), jnp.array([-0.5, -9.0, 3.5, 1e9]))
    np.testing.assert_array_equal(value, [0.0, 0.0, 2.0, 2.0])


def test_interpolation_of_a_single_sample():
    assert mobility.interpolate_rows(jnp.array([[7.0]]), jnp.array([0]), jnp.array([0.5])) == 7.0


def test_interpolation_slopes():
    # inside a piece the slope is the difference of its ends: 10, 20, 30; outside the table 0; finite on the samples
    slope = jax.vmap(jax.grad(mobility.interpolate_rows, argnums=2), in_axes=(None, None, 0))
    np.testing.assert_allclose(slope(TABLE, 0, jnp.array([0.5, 1.5, 2.5, -1.0, 4.0])), [10, 20, 30, 0, 0], rtol=1e-6)
    assert np.isfinite(slope(TABLE, 0, jnp.array([0.0, 1.0, 2.0, 3.0]))).all()


def test_interpolation_agrees_with_numpy():
    rng = np.random.default_rng(1)
    table = rng.normal(size=(5, 40)).astype(np.float32)
    row, position = rng.integers(0, 5, (3, 4)), rng.uniform(-3, 43, (3, 4)).astype(np.float32)
    expected = [
        [np.interp(p, np.arange(40), table[r]) for r, p in zip(*pair, strict=True)]
        for pair in zip(row, position, strict=True)
    ]
    np.testing.assert_allclose(
        mobility.interpolate_rows(jnp.asarray(table), jnp.asarray(row), position), expected, atol=3e-6
    )


def test_a_step_by_hand():
    # 5 m at the angle of the 3-4-5 triangle, and 5 m straight down
    position_m = jnp.array([[1.0, 2.0], [0.0, 0.0]])
    heading_rad = jnp.array([np.arctan2(3, 4), -np.pi / 2])
    np.testing.assert_allclose(mobility.step_m(position_m, heading_rad, 5.0), [[5, 5], [0, -5]], atol=1e-5)


def test_reflection_by_hand():
    # out to the left going up-left: back to the right, now up-right; out at the top right corner: both turn; inside: nothing
    position_m = jnp.array([[-3.0, 50.0], [104.0, 101.0], [20.0, 30.0]])
    heading_rad = jnp.array([3 * np.pi / 4, np.pi / 4, 1.0])
    position_m, heading_rad = mobility.reflect(position_m, heading_rad, 100.0)
    np.testing.assert_allclose(position_m, [[3, 50], [96, 99], [20, 30]])
    np.testing.assert_allclose(heading_rad, [np.pi / 4, 5 * np.pi / 4, 1.0], rtol=1e-6)


@given(st.lists(st.floats(-0.99, 1.99), min_size=2, max_size=2), st.floats(-7, 7))
def test_reflection_keeps_to_the_square_and_keeps_the_direction_along_the_wall(place, heading):
    position_m, heading_rad = mobility.reflect(jnp.array([place]) * 100, jnp.array([heading]), 100.0)
    assert (position_m >= 0).all()
    assert (position_m <= 100).all()
    before, after = np.array([np.cos(heading), np.sin(heading)]), np.array([np.cos(heading_rad), np.sin(heading_rad)])
    np.testing.assert_allclose(np.abs(before), np.abs(after[:, 0]), atol=2e-6)


def test_bearing_by_hand():
    # 3-4-5 on the ground and as far up, bounded by 10 degrees; straight up; down by 3 on 100; already there
    position_m = jnp.array([[0.0, 0.0, 0.0], [5.0, 5.0, 0.0], [0.0, 0.0, 10.0], [1.0, 2.0, 3.0]])
    target_m = jnp.array([[30.0, 40.0, 50.0], [5.0, 5.0, 9.0], [-100.0, 0.0, 7.0], [1.0, 2.0, 3.0]])
    cos_heading, sin_heading, climb_rad = mobility.bearing(position_m, target_m, np.radians(10.0))
    np.testing.assert_allclose(cos_heading, [0.6, 1.0, -1.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(sin_heading, [0.8, 0.0, 0.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(climb_rad, [np.radians(10.0), np.radians(10.0), np.arctan2(-3, 100), 0.0], rtol=1e-6)
    unbounded_rad = mobility.bearing(position_m, target_m, np.pi)[2]
    np.testing.assert_allclose(unbounded_rad[:2], [np.pi / 4, np.pi / 2], rtol=1e-6)


def test_bearing_has_finite_gradients_where_there_is_no_way_to_go():
    points = jnp.array([[1.0, 2.0, 3.0], [1.0, 2.0, 5.0], [4.0, 2.0, 3.0]])
    for argument in (0, 1):
        jacobian = jax.jacobian(mobility.bearing, argument)(points[:1].repeat(3, 0), points, 0.2)
        assert all(np.isfinite(x).all() for x in jacobian)


def test_a_step_to_a_waypoint_by_hand():
    # 10 m along the 3-4-5 triangle on the level; up at most at 30 degrees: 10 cos(30), 10 sin(30); a waypoint straight
    # above is reached on the ground, and one 4 m away is passed
    position_m = jnp.array([[0.0, 0.0, 5.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    waypoint_m = jnp.array([[30.0, 40.0, 5.0], [0.0, 100.0, 900.0], [1.0, 1.0, 50.0], [4.0, 0.0, 0.0]])
    moved_m, arrived = mobility.waypoint_step(position_m, waypoint_m, jnp.full(4, 20.0), 0.5, np.pi / 6)
    up_m, level_m = 5.0, 10 * np.cos(np.pi / 6)
    np.testing.assert_allclose(
        moved_m, [[6.0, 8.0, 5.0], [0.0, level_m, up_m], [1.0 + level_m, 1.0, up_m], [10.0, 0.0, 0.0]], atol=1e-5
    )
    np.testing.assert_array_equal(arrived, [False, False, True, True])


def test_nobody_moves_without_speed():
    position_m, waypoint_m = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[9.0, 9.0, 9.0]])
    moved_m, arrived = mobility.waypoint_step(position_m, waypoint_m, jnp.zeros(1), 0.02, 0.2)
    np.testing.assert_array_equal(moved_m, position_m)
    assert not arrived.any()


@given(st.tuples(*[st.integers(-1000, 1000)] * 3), st.floats(0, 50), st.floats(0.01, 1.5))
def test_a_step_to_a_waypoint_is_that_of_the_angles(way_m, speed_mps, climb_max_rad):
    x_m, y_m, z_m = (float(x) for x in way_m)
    theta, phi = np.arctan2(y_m, x_m), np.clip(np.arctan2(z_m, np.hypot(x_m, y_m)), -climb_max_rad, climb_max_rad)
    step_m = speed_mps * np.array([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])
    start_m, towards_m = jnp.zeros((1, 3)), jnp.array([[x_m, y_m, z_m]])
    moved_m, arrived = mobility.waypoint_step(start_m, towards_m, jnp.array([speed_mps]), 1.0, climb_max_rad)
    np.testing.assert_allclose(moved_m[0], step_m, atol=1e-4)
    if abs(np.hypot(x_m, y_m) - speed_mps) > 1e-3:
        assert arrived[0] == (np.hypot(x_m, y_m) < speed_mps)


def test_a_grid_by_hand():
    # four: the centres of the quarters; five: 3 columns, 2 rows; one: the middle
    np.testing.assert_allclose(
        mobility.grid_xy(4, 1000.0), [[-500, -500], [500, -500], [-500, 500], [500, 500]], rtol=1e-6
    )
    np.testing.assert_allclose(
        mobility.grid_xy(5, 300.0), [[-200, -150], [0, -150], [200, -150], [-200, 150], [0, 150]], atol=1e-4
    )
    np.testing.assert_array_equal(mobility.grid_xy(1, 1000.0), [[0.0, 0.0]])
    assert mobility.grid_xy(4, jnp.ones(7)).shape == (4, 2, 7)


def test_places_in_a_box_by_hand():
    # 2000 m wide, from 10 to 30 m high: the middle; a quarter from the lowest corner; in the second of two worlds twice as wide
    box_m = mobility.box_m(1000.0, 10.0, 30.0, 0)
    np.testing.assert_array_equal(np.concatenate(box_m), [[-1000, -1000, 10], [1000, 1000, 30]])
    np.testing.assert_allclose(mobility.in_box_m(box_m, jnp.full((1, 3), 0.5)), [[0, 0, 20]])
    np.testing.assert_allclose(mobility.in_box_m(box_m, jnp.full((1, 3), 0.25)), [[-500, -500, 15]])
    sweep_m = mobility.box_m(jnp.array([1000.0, 2000.0]), 10.0, 30.0, 1)
    places_m = mobility.in_box_m(sweep_m, jnp.full((2, 3, 2), 0.25))
    np.testing.assert_allclose(places_m[0], [[-500, -1000], [-500, -1000], [15, 15]])
    assert mobility.box_m(1000.0, 10.0, 30.0, 2)[0].shape == (1, 3, 1, 1)


def test_a_loop_by_hand():
    # a square of 100 m: 40 m, 130 m, 250 m, 399 m along it, and 440 m, a round later; a loop of one point; a triangle
    square = [[0, 0], [100, 0], [100, 100], [0, 100]]
    point = [[7, 8]] * 4
    triangle = [[0, 0], [30, 0], [30, 40], [30, 40]]  # 30, 40, 0 and 50 m back
    corner_m = jnp.array([square, point, triangle], float)
    along_m = jnp.array([[40.0, 130.0, 250.0, 399.0, 440.0], [5.0] * 5, [10.0, 50.0, 70.0, 95.0, 360.0]])
    expected = [
        [[40, 100, 50, 0, 40], [0, 30, 100, 1, 0]],
        [[7] * 5, [8] * 5],
        [[10, 30, 30, 15, 0], [0, 20, 40, 20, 0]],
    ]
    np.testing.assert_allclose(mobility.along_loop(corner_m, along_m), expected, atol=1e-4)
    np.testing.assert_allclose(mobility.along_loop(corner_m, along_m[:, 1]), np.array(expected)[:, :, 1], atol=1e-4)
