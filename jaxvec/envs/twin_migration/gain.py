"""Mean gains of links in `twin_migration`. Shapes are one world's, as in `jaxvec.envs.twin_migration.slot`.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot.
    params: the numbers.
    flies: bool `(V,)`, the server is a UAV.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxvec.envs.twin_migration.params import Params, Sizes, State
from jaxvec.envs.twin_migration.scene import real, vehicle_places
from jaxvec.physics import pathloss, table, units

Place = tuple[Array, Array, Array]


def gain_of(
    sizes: Sizes,
    ground_m: Array,
    dist_m: Array,
    height_m: Any,
    flies: Array,
    params: Params,
    place: Place | None = None,
) -> Array:
    """`(V,)`: mean gain (3) of a link to an antenna on an RSU, or on a UAV where it flies [-].

    A table of the channel knows RSUs and the places of vehicles; other links, to UAVs and between servers, get what it is on
    average at their distance.

    Args:
        ground_m: `(V,)`, length on the ground [m].
        dist_m: `(V,)`, in space; less than `min_distance_m` counts as that [m].
        height_m: of the antenna at which it begins, `()` or `(V,)` [m].
        place: see `place_of`; None of links that do not begin at a vehicle, or where its place is not known.
    """
    to_height_m = jnp.where(flies, params.uav_altitude_m, params.rsu_height_m)
    link = pathloss.Link(ground_m, jnp.maximum(dist_m, params.min_distance_m), height_m, to_height_m)
    model = pathloss.MODELS[sizes.pathloss]
    loss_db = model(link, params)
    if place is not None:
        at_place = model(link._replace(site=place[0], x_m=place[1], y_m=place[2]), params)
        loss_db = jnp.where(flies, loss_db, at_place) if sizes.pathloss in table.MODELS else at_place
    return params.gain_coeff * units.db_to_linear(-loss_db)


def place_of(sizes: Sizes, server: Array, state: State, params: Params) -> Place:
    """Which RSU each vehicle's link leads to, and where the vehicle is, east and north of the region's anchor.

    Args:
        server: int32 `(V,)`; beyond the RSUs the last of them stands for it.
    Returns:
        `(V,)` each: int32, [m], [m].
    """
    x_m, y_m = east_north_m(vehicle_places(state, params), params)
    return jnp.minimum(server, sizes.n_rsu - 1), x_m, y_m


def east_north_m(deg: Array, params: Params) -> tuple[Array, Array]:
    """Places on the plane about the region's anchor.

    Args:
        deg: `(n, 2)`, latitude and longitude from the anchor [degree].
    Returns:
        `(n,)` each: x to the east, y to the north [m].
    """
    scale = jnp.cos(jnp.radians(real(params.region.lat0_deg)))
    rad = jnp.radians(deg)
    return params.earth_radius_m * scale * rad[:, 1], params.earth_radius_m * rad[:, 0]
