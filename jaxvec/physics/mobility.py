"""How vehicles move: at constant velocity on a road that closes on itself, at random on a square, from waypoint to waypoint in
space, or along recorded samples."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxvec.core.layout import lift
from jaxvec.physics.geometry import norm_m


def drive_m(
    position_m: Float[Array, "*#vehicle"],
    velocity_mps: Float[Array | float, "*#vehicle"],
    slot_s: Float[Array | float, "*#vehicle"],
    road_length_m: Float[Array | float, "*#vehicle"],
) -> Float[Array, "*vehicle"]:
    """Position one slot later on a ring road: mod(x + v tau, L). Who leaves at one end re-enters at the other.

    Source: (2) of the ISAC-IoV paper with errata E8 (wrapping).

    Args:
        position_m: along the road [m].
        velocity_mps: negative against the axis [m/s].
        slot_s: duration tau [s].
        road_length_m: L [m], above 0.
    Returns:
        Position in [0, L) [m].
    """
    wrapped_m = jnp.mod(position_m + velocity_mps * slot_s, road_length_m)
    # in float32 mod(-1e-9, 700) is 700, which is outside [0, 700)
    return jnp.where(wrapped_m >= road_length_m, wrapped_m - road_length_m, wrapped_m)


def step_m(
    position_m: Float[Array, "vehicle 2 *batch"],
    heading_rad: Float[Array, "vehicle *batch"],
    distance_m: Float[Array | float, "*#batch"],
) -> Float[Array, "vehicle 2 *batch"]:
    """Position on the ground after a straight stretch: p + d (cos a, sin a).

    Args:
        position_m: x and y [m].
        heading_rad: direction a, 0 along x [rad].
        distance_m: length d [m].
    Returns:
        Position [m].
    """
    return position_m + distance_m * jnp.stack([jnp.cos(heading_rad), jnp.sin(heading_rad)], 1)


def reflect(
    position_m: Float[Array, "vehicle 2 *batch"],
    heading_rad: Float[Array, "vehicle *batch"],
    side_m: Float[Array | float, "*#batch"],
) -> tuple[Float[Array, "vehicle 2 *batch"], Float[Array, "vehicle *batch"]]:
    """Vehicles that left the square [0, side]^2 by less than its side are mirrored back into it, as a ball on a wall.

    Args:
        position_m: x and y [m].
        heading_rad: direction [rad].
        side_m: side of the square [m].
    Returns:
        Position [m], and heading from 0 to 2 pi [rad].
    """
    below, above = position_m < 0, position_m > side_m
    position_m = jnp.where(below, -position_m, jnp.where(above, 2 * side_m - position_m, position_m))
    reflected = below | above
    heading_rad = jnp.where(reflected[:, 0], math.pi - heading_rad, heading_rad)
    heading_rad = jnp.where(reflected[:, 1], -heading_rad, heading_rad)
    return position_m, jnp.mod(heading_rad, 2 * math.pi)


def bearing(
    position_m: Float[Array, "vehicle 3 *batch"],
    target_m: Float[Array, "vehicle 3 *batch"],
    climb_max_rad: Float[Array | float, "*#batch"],
) -> tuple[Float[Array, "vehicle *batch"], Float[Array, "vehicle *batch"], Float[Array, "vehicle *batch"]]:
    """Direction from one point in space to another: on the ground, and up or down as steeply as one can.

    Source: theta and phi of (8) to (10) of the URLLC-VEC paper.

    Args:
        position_m: x, y and z of the one [m].
        target_m: of the other [m].
        climb_max_rad: steepest climb and descent [rad].
    Returns:
        cos theta and sin theta of the heading theta, 0 along x [-], and the climb phi within its bounds [rad]. On the
        spot, and straight up or down, the heading is 0; gradients are 0 there.
    """
    x_m, y_m, z_m = (target_m[:, i] - position_m[:, i] for i in range(3))
    ground_m = norm_m(x_m, y_m)
    upright, on_the_spot = ground_m == 0.0, (ground_m == 0.0) & (z_m == 0.0)
    length_m = jnp.where(upright, 1.0, ground_m)
    climb_rad = jnp.arctan2(jnp.where(on_the_spot, 0.0, z_m), jnp.where(on_the_spot, 1.0, ground_m))
    bounded_rad = jnp.clip(climb_rad, -climb_max_rad, climb_max_rad)
    return jnp.where(upright, 1.0, x_m / length_m), jnp.where(upright, 0.0, y_m / length_m), bounded_rad


def waypoint_step(
    position_m: Float[Array, "vehicle 3 *batch"],
    waypoint_m: Float[Array, "vehicle 3 *batch"],
    speed_mps: Float[Array, "vehicle *batch"],
    slot_s: Float[Array | float, "*#batch"],
    climb_max_rad: Float[Array | float, "*#batch"],
) -> tuple[Float[Array, "vehicle 3 *batch"], Bool[Array, "vehicle *batch"]]:
    """Position one slot later on the way to a waypoint: p + v tau (cos phi cos theta, cos phi sin theta, sin phi).

    Source: (8) to (10) of the URLLC-VEC paper, where v is the whole speed (erratum 15). A waypoint that is reached
    within the slot is passed; whether it is, the ground decides, because a climb may end above or below the waypoint.

    Args:
        position_m: x, y and z [m].
        waypoint_m: where to [m].
        speed_mps: v [m/s].
        slot_s: duration tau [s].
        climb_max_rad: steepest climb and descent [rad].
    Returns:
        Position [m], not kept to any box; and whether the waypoint was no further away on the ground than v tau.
    """
    cos_heading, sin_heading, climb_rad = bearing(position_m, waypoint_m, climb_max_rad)
    level, reach_m = jnp.cos(climb_rad), speed_mps * slot_s
    direction = jnp.stack([level * cos_heading, level * sin_heading, jnp.sin(climb_rad)], 1)
    away_m = norm_m(waypoint_m[:, 0] - position_m[:, 0], waypoint_m[:, 1] - position_m[:, 1])
    return position_m + reach_m[:, None] * direction, away_m <= reach_m


def box_m(
    half_width_m: Float[Array | float, "*#batch"],
    low_m: Float[Array | float, "*#batch"],
    high_m: Float[Array | float, "*#batch"],
    rank: int,
) -> tuple[Float[Array, "1 3 *batch"], Float[Array, "1 3 *batch"]]:
    """Corners of a box whose ground is a square round the origin, to broadcast against places in it.

    Args:
        half_width_m: half the side of the square [m].
        low_m: lowest z [m].
        high_m: highest z [m].
        rank: batch axes of the places.
    Returns:
        The lowest corner and the highest [m].
    """
    xy_m, low_m, high_m = jnp.broadcast_arrays(*(jnp.asarray(x, float) for x in (half_width_m, low_m, high_m)))
    ones = (1,) * (rank - xy_m.ndim)
    low, high = jnp.stack([-xy_m, -xy_m, low_m])[None], jnp.stack([xy_m, xy_m, high_m])[None]
    return low.reshape(low.shape + ones), high.reshape(high.shape + ones)


def in_box_m(
    corners_m: tuple[Float[Array, "1 3 *#batch"], Float[Array, "1 3 *#batch"]], u: Float[Array, "vehicle 3 *batch"]
) -> Float[Array, "vehicle 3 *batch"]:
    """Places spread evenly over a box.

    Args:
        corners_m: the lowest and the highest, as of `box_m` [m].
        u: uniform on (0, 1) [-].
    Returns:
        x, y and z [m].
    """
    return corners_m[0] + (corners_m[1] - corners_m[0]) * u


def along_loop(
    corner_m: Float[Array, "vehicle corner 2"], along_m: Float[Array, "vehicle *batch"]
) -> Float[Array, "vehicle 2 *batch"]:
    """Place on a closed loop of straight legs, so far along it from its first corner, round and round.

    Args:
        corner_m: x and y of each vehicle's corners, in the order of the round [m].
        along_m: way from the first corner, of any number of rounds [m].
    Returns:
        x and y [m]. On a loop of length 0, its corner.
    """
    legs_m = jnp.roll(corner_m, -1, 1) - corner_m
    length_m = norm_m(legs_m[..., 0], legs_m[..., 1])  # (vehicle, corner)
    batch_axes = jnp.ndim(along_m) - 1
    total_m = lift(jnp.sum(length_m, 1), batch_axes)
    left_m = drive_m(along_m, 0.0, 0.0, jnp.where(total_m > 0.0, total_m, 1.0))  # on the round
    direction = legs_m / jnp.where(length_m > 0.0, length_m, 1.0)[..., None]
    place_m = lift(corner_m[:, 0], batch_axes)
    for k in range(corner_m.shape[1]):
        leg_m = jnp.clip(left_m, 0.0, lift(length_m[:, k], batch_axes))
        place_m, left_m = place_m + leg_m[:, None] * lift(direction[:, k], batch_axes), left_m - leg_m
    return place_m


def grid_xy(n: int, half_width_m: Float[Array | float, "*batch"]) -> Float[Array, "site 2 *batch"]:
    """Places on the ground spread over the square [-half width, half width]^2: centres of the cells of a grid.

    Args:
        n: how many places; the grid has ceil(sqrt(n)) columns and as few rows as hold them all.
        half_width_m: half the side of the square [m].
    Returns:
        x and y [m], row by row from the lowest, x growing fastest.
    """
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    index = np.arange(n)
    parts = np.stack([(2 * (index % columns) + 1) / columns - 1, (2 * (index // columns) + 1) / rows - 1], 1)
    return lift(jnp.asarray(parts, float), jnp.ndim(half_width_m)) * half_width_m


def interpolate_rows(
    table: Float[Array, "rows samples"],
    row: Int[Array, "*#vehicle"],
    position: Float[Array, "*#vehicle"],
) -> Float[Array, "*vehicle"]:
    """Value of one row of a table between two of its samples, by linear interpolation.

    Args:
        table: equally spaced samples, one row per recording, in any unit; no batch axis, finite throughout.
        row: which recording, in [0, rows).
        position: where in it, in samples; clamped to the table. At 1e5 samples float32 resolves 1/128 of one.
    Returns:
        Interpolated value in the unit of the table.
    """
    last = table.shape[1] - 1
    position = jnp.clip(position, 0, last)
    left = jnp.floor(position).astype(jnp.int32)
    right = jnp.minimum(left + 1, last)
    before = table[row, left]
    return before + (position - left) * (table[row, right] - before)
