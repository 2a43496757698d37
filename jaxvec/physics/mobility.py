"""How vehicles move: at constant velocity on a road that closes on itself, at random on a square, or along recorded samples."""

import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int


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
        Position [m], and heading in [0, 2 pi] [rad].
    """
    below, above = position_m < 0, position_m > side_m
    position_m = jnp.where(below, -position_m, jnp.where(above, 2 * side_m - position_m, position_m))
    turned = below | above
    heading_rad = jnp.where(turned[:, 0], math.pi - heading_rad, heading_rad)
    heading_rad = jnp.where(turned[:, 1], -heading_rad, heading_rad)
    return position_m, jnp.mod(heading_rad, 2 * math.pi)


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
