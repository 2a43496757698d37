"""The slot of `twin_migration`, phase by phase, each a pure function: decision, loads, links, score, caches, and the next.

Shapes are one world's, with V vehicles, N RSUs, U UAVs and M = N + U + 1 servers, RSUs first, then UAVs, at last the satellite;
batch axes come last. Equation numbers are those of the twin-migration paper; what was decided where it is silent stands in
`jaxvec.envs.twin_migration.env`.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot.
    draws: as `draw_reset` or `draw_step` of `TwinMigration` gives them.
    params: the numbers.
    d: where each twin is.
    loads: what the servers are asked to do.
    links: of the vehicles.
    server: int32 `(V,)`, which.
    flies: bool `(V,)`, the server is a UAV.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxvec.envs.twin_migration.gain import gain_of, place_of
from jaxvec.envs.twin_migration.params import MB, Params, Sizes, State
from jaxvec.envs.twin_migration.scene import (
    HAVERSINE,
    arrivals,
    at,
    background,
    cache_at,
    cos_lat,
    counts,
    current_bin,
    edge,
    look,
    of_kind,
    real,
    servers_there,
)
from jaxvec.physics import computing, geometry, queues, rate


class Decision(NamedTuple):
    """Where each twin is in this slot; `(V,)` each.

    Attributes:
        server: int32, which.
        served: bool, the vehicle is on its way and the server exists.
        migrate: bool, the twin comes from another server (10).
    """

    server: Array
    served: Array
    migrate: Array


class Loads(NamedTuple):
    """(8): what servers are asked to do; `(M,)` each.

    Attributes:
        bg: work of ordinary traffic [bit].
        vt_in: what twins bring along [bit].
        load: both and what the caches hold; 0 of an absent server [bit].
    """

    bg: Array
    vt_in: Array
    load: Array


class Links(NamedTuple):
    """(4), (5), (11): each vehicle's links, and what they take; `(V,)` each, 0 where there is none.

    Attributes:
        rate_up, rate_down, rate_mig: of upload, download and migration [bit/s].
        t_up, t_down, t_mig: how long these take, at most the cap [s].
    """

    rate_up: Array
    rate_down: Array
    rate_mig: Array
    t_up: Array
    t_down: Array
    t_mig: Array


class Outcome(NamedTuple):
    """(9), (13), (14), (22): what became of each vehicle's slot; `(V,)` each.

    Attributes:
        out_of_range: bool, the server chosen does not reach it.
        overload: bool, the server has more to do than its cache holds.
        xi: 1 of a slot that failed for one of these reasons, else 0 (14) [-].
        t_cul: computing (9) [s].
        t_sum: whole latency (13), at most the cap [s].
        own_load: load of the own server; a full cache where none serves it [bit].
        z_lat, z_load: latency and load in deviations from a mean, (21) and (22) [-].
        reward: (22) [-].
    """

    out_of_range: Array
    overload: Array
    xi: Array
    t_cul: Array
    t_sum: Array
    own_load: Array
    z_lat: Array
    z_load: Array
    reward: Array


class Caches(NamedTuple):
    """What became of the loads, load = processed + dropped + lost + queue; `(M,)` each.

    Attributes:
        processed: worked off [bit].
        dropped: more than the cache holds [bit].
        lost: gone with servers that leave [bit].
        queue: kept [bit].
    """

    processed: Array
    dropped: Array
    lost: Array
    queue: Array


def decode(sizes: Sizes, action: Array, state: State) -> Decision:
    """(10): whatever was chosen is done; what does not exist serves nobody.

    Args:
        action: int `(V,)`, servers.
    """
    server = jnp.clip(action, 0, sizes.n_servers - 1)
    served = state.scene.veh_active & at(state.scene.server_active, server)
    return Decision(server, served, served & (state.prev >= 0) & (server != state.prev))


def brought(sizes: Sizes, d: Decision, params: Params) -> Array:
    """(8): the data of twins that arrive or stay at each server `(M,)` [bit]."""
    stay_bits, move_bits = arrivals(sizes, params)
    of_twin = jnp.where(d.served, jnp.where(d.migrate, move_bits, stay_bits), 0.0)
    return computing.sum_at_node(of_twin, d.server, sizes.n_servers)


def fill(sizes: Sizes, d: Decision, state: State, bg_normal: Array, params: Params) -> Loads:
    """(8): what the caches hold, and what comes.

    Args:
        bg_normal: `(N,)`, standard normal: how far traffic is from its count [-].
    """
    scene = state.scene
    count = counts(sizes, params.region.flow, current_bin(sizes, state))
    count = count * jnp.maximum(0, 1 + params.bg_jitter_std * bg_normal)
    bg = background(count, scene.near, scene.server_active, params)
    vt_in = brought(sizes, d, params)
    return Loads(bg, vt_in, (state.queue + bg + vt_in) * scene.server_active)


def transmit(sizes: Sizes, d: Decision, state: State, draws: dict[str, Array], params: Params) -> Links:
    """(3) to (7), (11), (12): uploads, downloads and migrations."""
    sat, p = sizes.n_servers - 1, params
    fade_vm: Array | float = 1.0
    fade_mig: Array | float = 1.0
    if sizes.fading == "rayleigh":
        fade_vm, fade_mig = of_server(draws["fade_vm"], d.server), draws["fade_mig"]
    power_w = jnp.broadcast_to(of_kind(sizes, p.rsu_power_w, p.uav_power_w, state.t.ndim), (sat, *state.t.shape))

    dist_m, flies, on_sat = of_server(state.scene.dist, d.server), d.server >= sizes.n_rsu, d.server == sat
    place, ground_m = place_of(sizes, d.server, state, params), below_m(dist_m, flies, params)
    gain = gain_of(sizes, ground_m, dist_m, p.vehicle_height_m, flies, params, place)
    up = rate_bps(p.bandwidth_up_hz, p.vehicle_power_w, gain, fade_vm, params)
    up = jnp.where(d.served, jnp.where(on_sat, p.sat_rate_bps, up), 0)
    down = rate_bps(p.bandwidth_down_hz, at(power_w, d.server), gain, fade_vm, params)
    down = jnp.where(d.served, jnp.where(on_sat, p.sat_rate_bps, down), 0)

    origin = jnp.maximum(state.prev, 0)
    gain = gain_of(sizes, *between(sizes, origin, d.server, state, params), flies, params)
    mig = rate_bps(p.bandwidth_mig_hz, at(power_w, origin), gain, fade_mig, params)
    mig = jnp.where(d.migrate, jnp.where(on_sat | (origin == sat), p.sat_rate_bps, mig), 0)
    t_up, t_down = (jnp.where(d.served, transfer_s(p.vt_bits, rate, params), 0) for rate in (up, down))
    return Links(up, down, mig, t_up, t_down, jnp.where(d.migrate, transfer_s(p.mig_bits, mig, params), 0))


def rate_bps(bandwidth_hz: Any, power_w: Any, gain: Array, fade: Any, params: Params) -> Array:
    """Rate of links, (4), (5), (11).

    Args:
        bandwidth_hz: one for all links [Hz].
        power_w: of the sender, `()` or `(V,)` [W].
        gain: `(V,)`, mean gain of the link [-].
        fade: power of fading, 1 or `(V,)` [-].
    Returns:
        `(V,)` [bit/s].
    """
    return rate.shannon_bps(bandwidth_hz, rate.snr(power_w, fade, gain, params.noise_w))


def transfer_s(bits: Any, rate_bps: Any, params: Params) -> Array:
    """`(V,)`: how long a transfer takes, (6), (7), (12), at most the cap [s].

    Args:
        bits: `()`, of each transfer [bit].
        rate_bps: `(V,)`; less than 1 counts as 1 [bit/s].
    """
    return capped_s(bits / jnp.maximum(rate_bps, 1.0), params)


def below_m(dist_m: Array, flies: Array, params: Params) -> Array:
    """`(V,)`: distance on the ground, at least 1 m, of what is so far away in space, at the height of a UAV where it flies [m].

    Args:
        dist_m: `(V,)`, in space [m].
    """
    climb_m = jnp.where(flies, params.uav_altitude_m, 0.0)
    return jnp.sqrt(jnp.maximum(dist_m**2 - climb_m**2, 1.0))


def of_server(x: Array, server: Array) -> Array:
    """`(V,)`: what is at each vehicle's server; of the satellite, which may have no column, something finite.

    Args:
        x: `(V, m)`, in any unit.
    """
    return jnp.take_along_axis(x, server[:, None], 1, mode="clip")[:, 0]


def between(sizes: Sizes, origin: Array, server: Array, state: State, params: Params) -> tuple[Array, Array, Array]:
    """(2): how far it is from one server to another; something finite for the satellite.

    Args:
        origin: int32 `(V,)`, the one; `server` is the other.
    Returns:
        `(V,)` each: on the ground, in space, and the height of the antenna at which it begins [m].
    """
    uav_deg = state.scene.uav_deg

    def place_deg(of: Array) -> Array:
        rsu = [jnp.take(real(x), of, 0, mode="clip") for x in (params.region.rsu_dlat_deg, params.region.rsu_dlon_deg)]
        uav = [at(uav_deg[:, c], of - sizes.n_rsu) for c in (0, 1)]
        return jnp.where((of < sizes.n_rsu)[:, None], jnp.stack(rsu, 1), jnp.stack(uav, 1))

    a, b = place_deg(origin), place_deg(server)
    dlat, dlon = jnp.radians(b[:, 0] - a[:, 0]), jnp.radians(b[:, 1] - a[:, 1])
    hav = HAVERSINE[sizes.haversine](dlat, dlon, cos_lat(a, params), cos_lat(b, params))
    ground_m = geometry.arc_m(hav, params.earth_radius_m)
    return in_space_m(ground_m, origin >= sizes.n_rsu, server >= sizes.n_rsu, params)


def in_space_m(ground_m: Array, from_air: Array, to_air: Array, params: Params) -> tuple[Array, Array, Array]:
    """(2): distances between servers.

    Args:
        ground_m: `(V,)`, how far apart they are on the ground [m].
        from_air, to_air: bool `(V,)`, whether the one and the other is a UAV.
    Returns:
        `(V,)` each: on the ground, in space, and the height of the antenna at which it begins [m].
    """
    climb_m = jnp.where(from_air != to_air, params.uav_altitude_m, 0.0)
    return ground_m, geometry.norm_m(ground_m, climb_m), jnp.where(from_air, params.uav_altitude_m, params.rsu_height_m)


def capped_s(time_s: Array, params: Params) -> Array:
    """Every latency counts up to `latency_cap_s` [s].

    Args:
        time_s: of any shape [s].
    """
    return jnp.minimum(time_s, params.latency_cap_s)


def settle(sizes: Sizes, d: Decision, loads: Loads, links: Links, state: State, params: Params) -> Outcome:
    """(9), (13), (14), (21), (22): failures, latencies and rewards."""
    p, active, sat = params, state.scene.veh_active, sizes.n_servers - 1
    load, to_edge, cache_bits = at(loads.load, d.server), d.server != sat, cache_at(d.server, params)
    out_of_range = active & ~of_server(state.scene.in_range, d.server)
    overload = d.served & to_edge & (load > cache_bits)
    xi = (out_of_range | overload).astype(load.dtype)
    t_cul = jnp.where(d.served, capped_s(computing_s(sizes, load, cache_bits, to_edge, params), params), 0)
    t_sum = capped_s(links.t_up + links.t_down + t_cul + links.t_mig + p.failure_delay_s * xi, params)
    t_sum = jnp.where(d.served, t_sum, jnp.where(active, p.latency_cap_s, 0))
    own_load = jnp.where(d.served, load, jnp.where(active, cache_bits, 0))
    z_lat = (t_sum - p.lat_mean_s) / p.lat_std_s
    z_load = (own_load - p.load_mean_bits) / p.load_std_bits
    if sizes.reward_load_term == "variance":
        variance = load_variance_mb2(loads.load, state.scene.server_active)
        z_load = jnp.broadcast_to((variance - p.var_mean_mb2) / p.var_std_mb2, z_lat.shape)
    z_lat, z_load = active * z_lat, active * z_load
    reward = -(p.w_latency * z_lat + p.w_load * z_load + p.w_loss * xi)
    return Outcome(out_of_range, overload, xi, t_cul, t_sum, own_load, z_lat, z_load, reward)


def computing_s(sizes: Sizes, load: Array, cache_bits: Any, to_edge: Array, params: Params) -> Array:
    """`(V,)`: working through a whole load (9), at an RSU or UAV or at the satellite [s].

    Args:
        load: `(V,)` [bit].
        cache_bits: one number, or `(V,)`: what the server can hold [bit].
        to_edge: bool `(V,)`, at an RSU or UAV.
    """
    p = params
    edge_s, sat_s = (p.cycles_per_bit * load / cpu_hz for cpu_hz in (p.cpu_edge_hz, p.cpu_sat_hz))
    beyond_s = sat_s  # as printed, the satellite takes over for nothing
    if sizes.overload_rule == "monotone":
        full_s = p.cycles_per_bit * cache_bits / p.cpu_edge_hz
        forwarded_s = jnp.maximum(full_s, sat_s) + p.vt_bits / p.sat_rate_bps
        beyond_s = jnp.where(jnp.asarray(p.use_satellite) > 0.5, forwarded_s, edge_s)
    return jnp.where(to_edge, jnp.where(load <= cache_bits, edge_s, beyond_s), sat_s)


def load_variance_mb2(load: Array, server_active: Array) -> Array:
    """`()`: variance of the loads of the servers that are there (16b) [MB^2].

    Args:
        load: `(M,)` [bit].
        server_active: bool `(M,)`, which are there.
    """
    load_mb, n = load / MB, jnp.maximum(jnp.sum(server_active, 0), 1)
    mean_mb = jnp.sum(load_mb * server_active, 0) / n
    return jnp.sum(server_active * (load_mb - mean_mb) ** 2, 0) / n


def warmed_up(sizes: Sizes, state: State, params: Params) -> Array:
    """(M,): what slots of background, all like the first, leave in the caches [bit]."""
    scene = look(sizes, state, params)
    count = counts(sizes, params.region.flow, current_bin(sizes, state))
    more = background(count, scene.near, scene.server_active, params) - params.drain_edge_bits
    most = jnp.maximum(params.cache_bits - params.drain_edge_bits, 0)
    return jnp.where(edge(sizes, state.t.ndim), jnp.clip(params.warmup_slots * more, 0, most), 0)


def drain(sizes: Sizes, loads: Loads, state: State, params: Params) -> Caches:
    """What is worked off, dropped, lost with servers that are not there in the next slot, and kept."""
    on_edge, stays = edge(sizes, state.t.ndim), servers_there(sizes, state.replace(t=state.t + 1), params)
    capacity = jnp.where(on_edge, params.cache_bits, jnp.inf)
    service = jnp.where(on_edge, params.drain_edge_bits, params.drain_sat_bits)
    rest, processed, dropped = queues.serve_bounded(loads.load, capacity, service)
    return Caches(processed, dropped, jnp.where(stays, 0, rest), jnp.where(stays, rest, 0))


def start(sizes: Sizes, draws: dict[str, Array], params: Params) -> State:
    """The first slot: no twin has a place yet; caches hold what so many slots of background leave behind."""
    batch, dtype = draws["start_bin"].shape, draws["uav_phase_m"].dtype

    def of_vehicles(x: int) -> Array:
        return jnp.full((sizes.n_vehicles, *batch), x, jnp.int32)

    def of_uavs(x: int) -> Array:
        return jnp.full((sizes.n_uav, *batch), x, jnp.int32)

    state = State(
        t=jnp.zeros(batch, jnp.int32),
        start_bin=draws["start_bin"],
        veh_traj=draws["veh_traj"],
        veh_start=draws.get("veh_start", of_vehicles(0)),
        prev=of_vehicles(-1),
        queue=jnp.zeros((sizes.n_servers, *batch), dtype),
        uav_phase_m=draws["uav_phase_m"],
        uav_on=draws.get("uav_on", of_uavs(0)),
        uav_off=draws.get("uav_off", of_uavs(sizes.horizon + 1)),
        fails=of_vehicles(0),
        active_slots=of_vehicles(0),
        migrations=of_vehicles(0),
    )
    return begin(sizes, state.replace(queue=warmed_up(sizes, state, params)), params)


def advance(sizes: Sizes, d: Decision, o: Outcome, caches: Caches, state: State, params: Params) -> State:
    """The next slot: counts of this one, and what the caches hold.

    Args:
        o: what became of each vehicle's slot.
        caches: what became of the loads.
    """
    after = state.replace(
        t=state.t + 1,
        prev=jnp.where(d.served, d.server, state.prev),
        fails=state.fails + (o.out_of_range | o.overload),
        active_slots=state.active_slots + state.scene.veh_active,
        migrations=state.migrations + d.migrate,
        queue=caches.queue,
    )
    return begin(sizes, after, params)


def begin(sizes: Sizes, state: State, params: Params) -> State:
    """The slot `state.t` begins: everybody sees where everybody is, in the state's `scene`."""
    return state.replace(scene=look(sizes, state, params))
