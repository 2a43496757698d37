"""What there is at the start of a slot of `twin_migration`, before anybody acts: who is there, where, and what is known of loads.

Shapes are one world's, as in `jaxvec.envs.twin_migration.slot`; batch axes come last.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot; its `scene` may be missing.
    params: the numbers.
    rank: batch axes.
"""

from functools import reduce
from operator import add
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.envs.twin_migration.params import Params, Scene, Sizes, State
from jaxvec.physics import geometry, mobility

HAVERSINE = {"correct": geometry.haversine, "paper": geometry.haversine_as_printed}


def at(x: Array, index: Array) -> Array:
    """x[index] along the first axis, in each world.

    Args:
        x: `(n, *batch)`, in any unit.
        index: int `(k, *batch)`; beyond the ends counts as the end.
    Returns:
        `(k, *batch)`.
    """
    return jnp.take_along_axis(x, index, 0, mode="clip")


def cache_at(server: Array, params: Params) -> Any:
    """What the cache of each vehicle's server holds.

    Args:
        server: int32 `(V,)`, which.
    Returns:
        One number, or `(V,)` where servers differ [bit].
    """
    cache_bits = jnp.asarray(params.cache_bits)
    if cache_bits.ndim < server.ndim:
        return params.cache_bits
    return at(jnp.broadcast_to(cache_bits, (len(cache_bits), *server.shape[1:])), server)


def of_kind(sizes: Sizes, rsu: Any, uav: Any, rank: int, sat: Any = None) -> Array:
    """One number for RSUs, one for UAVs and perhaps one for the satellite, as one per server.

    Args:
        rsu, uav, sat: the numbers, in any unit; without `sat` the satellite is left out.
    Returns:
        `(M, *batch)`, or `(M - 1, *batch)`.
    """
    index = lift(jnp.arange(sizes.n_servers - (sat is None)), rank)
    others = jnp.where(index < sizes.n_rsu, rsu, uav)
    return others if sat is None else jnp.where(index < sizes.n_servers - 1, others, sat)


def edge(sizes: Sizes, rank: int) -> Array:
    """`(M, *ones)` bool: RSUs and UAVs, not the satellite."""
    return lift(jnp.arange(sizes.n_servers) < sizes.n_servers - 1, rank)


def real(x: Any) -> Array:
    """A recorded array in the float type of the moment.

    Args:
        x: of any shape.
    Returns:
        Of the same shape.
    """
    return jnp.asarray(x, jnp.result_type(float))


def look(sizes: Sizes, state: State, params: Params) -> Scene:
    """(1), (2), (23) and the known loads: everything that can be seen at the start of a slot."""
    rank = state.t.ndim
    there, veh_deg, uav_deg = (
        servers_there(sizes, state, params),
        vehicle_places(state, params),
        uav_places(state, params),
    )
    rsu_deg = rsu_places(rank, params)
    away = jnp.concatenate([haversines(sizes, veh_deg, place_deg, params) for place_deg in (rsu_deg, uav_deg)], 1)
    ground_m = geometry.arc_m(away, params.earth_radius_m)
    dist = geometry.norm_m(ground_m, of_kind(sizes, 0.0, params.uav_altitude_m, rank))
    reached = geometry.within(dist, of_kind(sizes, params.rsu_range_m, params.uav_range_m, rank))
    in_range = jnp.concatenate([reached, jnp.ones_like(reached[:, :1])], 1) & there  # the satellite always is

    present = lift(params.region.rsu_present, rank)
    away = jnp.where(present, haversines(sizes, uav_deg, rsu_deg, params), jnp.inf)
    near = jnp.argmin(away, 1).astype(jnp.int32)
    known = known_load(sizes, state, near, there, params)
    age = state.t - state.veh_start
    on_way = (age >= 0) & (age < trip_slots(state, params))
    return Scene(on_way, there, uav_deg, near, dist, in_range, in_range & fits(sizes, known, state.prev, params))


def would_move(sizes: Sizes, prev: Array) -> Array:
    """bool `(V, M)`: at which servers each twin would arrive by a migration.

    Args:
        prev: int32 `(V,)`, where each twin is, -1: nowhere yet.
    """
    return (prev >= 0)[:, None] & (lift(jnp.arange(sizes.n_servers), prev.ndim - 1) != prev[:, None])


def brings(sizes: Sizes, prev: Array, params: Params) -> Array:
    """`(V, M)`: what each twin would bring along to each server [bit].

    Args:
        prev: int32 `(V,)`, where each twin is, -1: nowhere yet.
    """
    stay_bits, move_bits = arrivals(sizes, params)
    return jnp.where(would_move(sizes, prev), move_bits, stay_bits)


def fits(sizes: Sizes, load: Array, prev: Array, params: Params) -> Array:
    """bool `(V, M)`: which servers would each twin alone not overflow.

    Args:
        load: `(M,)`, what there is to do without it [bit].
        prev: int32 `(V,)`, where each twin is, -1: nowhere yet.
    """
    stays, moves = (load + more <= params.cache_bits for more in arrivals(sizes, params))
    return jnp.where(would_move(sizes, prev), moves, stays) | ~edge(sizes, prev.ndim - 1)


def vehicle_places(state: State, params: Params) -> Array:
    """(V, 2): offsets from the anchor [degree]; before a trip its first point, and after it its last."""
    sample = jnp.clip(state.t - state.veh_start, 0, trip_slots(state, params) - 1)
    trips = params.region.traj_dlat_deg, params.region.traj_dlon_deg
    return jnp.stack([real(x)[state.veh_traj, sample] for x in trips], 1)


def trip_slots(state: State, params: Params) -> Array:
    """(V,): how long each vehicle's trip takes."""
    return jnp.asarray(params.region.traj_len)[state.veh_traj]


def arrived(state: State, params: Params) -> Array:
    """(V,) bool: whose trip is over at the start of this slot."""
    return state.t >= state.veh_start + trip_slots(state, params)


def servers_there(sizes: Sizes, state: State, params: Params) -> Array:
    """(M,) bool: which servers exist in this slot."""
    batch = state.t.shape
    uavs_serve, satellite_serves = (jnp.asarray(use) > 0.5 for use in (params.use_uav, params.use_satellite))
    rsu = jnp.broadcast_to(lift(params.region.rsu_present, len(batch)), (sizes.n_rsu, *batch))
    uav = (state.uav_on <= state.t) & (state.t < state.uav_off) & uavs_serve
    return jnp.concatenate([rsu, uav, jnp.broadcast_to(satellite_serves, (1, *batch))])


def loop_m(params: Params) -> Array:
    """(U,): length of each UAV's round [m]."""
    legs_m = jnp.diff(real(params.region.uav_wp_xy_m), axis=1, append=real(params.region.uav_wp_xy_m)[:, :1])
    return jnp.sum(geometry.norm_m(legs_m[..., 0], legs_m[..., 1]), 1)


def uav_places(state: State, params: Params) -> Array:
    """(U, 2): offsets from the anchor [degree]. Who is absent waits where it will enter, or where it left."""
    flown_slots = jnp.clip(state.t, state.uav_on, state.uav_off)
    along_m = state.uav_phase_m + params.uav_speed_mps * params.slot_s * flown_slots
    xy_m = mobility.along_loop(real(params.region.uav_wp_xy_m), along_m)
    scale = jnp.cos(jnp.radians(real(params.region.lat0_deg)))
    return jnp.degrees(jnp.stack([xy_m[:, 1], xy_m[:, 0] / scale], 1) / params.earth_radius_m)


def rsu_places(rank: int, params: Params) -> Array:
    """(N, 2, *ones): offsets from the anchor [degree]."""
    return lift(jnp.stack([real(params.region.rsu_dlat_deg), real(params.region.rsu_dlon_deg)], 1), rank)


def haversines(sizes: Sizes, a_deg: Array, b_deg: Array, params: Params) -> Array:
    """(1): haversine of every place seen from every other.

    Args:
        a_deg: `(n, 2)`, latitude and longitude from the anchor [degree].
        b_deg: `(m, 2)`, likewise.
    Returns:
        `(n, m)` [-].
    """
    if sizes.haversine == "correct":
        lat_rad = jnp.radians(real(params.region.lat0_deg))
        a, b = (geometry.on_sphere(jnp.radians(deg[:, 0]), jnp.radians(deg[:, 1]), lat_rad) for deg in (a_deg, b_deg))
        return reduce(add, (geometry.offsets(p, q) ** 2 for p, q in zip(a, b, strict=True))) / 4
    dlat, dlon = (geometry.offsets(jnp.radians(a_deg[:, c]), jnp.radians(b_deg[:, c])) for c in (0, 1))
    return HAVERSINE[sizes.haversine](dlat, dlon, cos_lat(a_deg, params)[:, None], cos_lat(b_deg, params)[None])


def cos_lat(deg: Array, params: Params) -> Array:
    """Cosine of the latitude.

    Args:
        deg: `(n, 2)`, latitude and longitude from the anchor [degree].
    Returns:
        `(n,)` [-].
    """
    return jnp.cos(jnp.radians(real(params.region.lat0_deg) + deg[:, 0]))


def known_load(sizes: Sizes, state: State, near: Array, there: Array, params: Params) -> Array:
    """What servers will have to do before any twin arrives, as far as agents are told.

    Args:
        near: int32 `(U,)`, the RSU nearest to each UAV.
        there: bool `(M,)`, servers in this slot.
    Returns:
        `(M,)` [bit].
    """
    return state.queue + background(known_count(sizes, state, params), near, there, params)


def known_count(sizes: Sizes, state: State, params: Params) -> Array:
    """(N,): vehicles per slot at the RSUs, as agents are told."""
    k = current_bin(sizes, state)
    if sizes.workload_info == "none":
        return jnp.zeros((sizes.n_rsu, *state.t.shape))
    if sizes.workload_info == "predicted":
        return counts(sizes, params.region.flow_pred, k)
    return counts(sizes, params.region.flow, k - 1 if sizes.workload_info == "last" else k)


def current_bin(sizes: Sizes, state: State) -> Array:
    """Bin of the counts in which the slot is.

    Returns:
        int32 `()`.
    """
    return state.start_bin + state.t // sizes.slots_per_bin


def counts(sizes: Sizes, flow: Any, k: Array) -> Array:
    """Vehicles per slot, from those per bin.

    Args:
        flow: `(N, K)`, vehicles per bin.
        k: int `()`, which bin; beyond the ends counts as the end.
    Returns:
        `(N,)` [1/slot].
    """
    return jnp.take(real(flow), k, 1, mode="clip") / sizes.slots_per_bin


def background(count: Array, near: Array, server_active: Array, params: Params) -> Array:
    """Work of ordinary traffic.

    Args:
        count: `(N,)`, vehicles counted in a slot at each RSU.
        near: int32 `(U,)`, the RSU nearest to each UAV.
        server_active: bool `(M,)`, which are there.
    Returns:
        `(M,)` [bit].
    """
    n = len(count)
    rsu = params.bg_bits_per_vehicle * count * server_active[:n]
    # a sum over a comparison: a look-up would have compilers for CPUs draw each number of `count` one by one, and twice
    is_near = lift(jnp.arange(n), near.ndim - 1) == near[:, None]
    uav = params.uav_bg_fraction * jnp.sum(jnp.where(is_near, rsu, 0), 1) * server_active[n:-1]
    return jnp.concatenate([rsu, uav, jnp.zeros_like(rsu[:1])])


def arrivals(sizes: Sizes, params: Params) -> tuple[Any, Any]:
    """What a twin that stays, and one that arrives, brings along [bit]."""
    return params.vt_bits, params.vt_bits + params.mig_bits * sizes.migration_adds_load
