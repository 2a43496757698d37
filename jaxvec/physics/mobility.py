"""How vehicles move: at constant velocity on a road that closes on itself, or along recorded rows of samples."""

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
