"""The slot of `twin_migration`, phase by phase, each a pure function: scene, decision, loads, links, score, caches.

Shapes are one world's, with V vehicles, N RSUs, U UAVs and M = N + U + 1 servers, RSUs first, then UAVs, at last the satellite;
batch axes come last. Equation numbers are those of the twin-migration paper; what was decided where it is silent stands in
`jaxvec.envs.twin_migration`. `env` has the sizes and switches.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.envs.twin_migration.params import MB, Params, Scene, State
from jaxvec.physics import computing, geometry, mobility, pathloss, queues, rate, units

HAVERSINE = {"correct": geometry.haversine, "paper": geometry.haversine_as_printed}


class Decision(NamedTuple):
    """Where each twin is in this slot; all (V,)."""

    server: Array  # int32
    served: Array  # bool, the server exists
    migrate: Array  # bool (10)


class Loads(NamedTuple):
    """(8): what servers are asked to do; all (M,) [bit]."""

    bg: Array
    vt_in: Array
    load: Array


class Links(NamedTuple):
    """(4), (5), (11): rates of each vehicle's links [bit/s], and what they take [s]; 0 where there is none. All (V,)."""

    rate_up: Array
    rate_down: Array
    rate_mig: Array
    t_up: Array
    t_down: Array
    t_mig: Array


class Outcome(NamedTuple):
    """(9), (13), (14), (22): what became of each vehicle's slot; all (V,)."""

    out_of_range: Array  # bool
    overload: Array  # bool
    xi: Array
    t_cul: Array  # [s]
    t_sum: Array  # [s]
    own_load: Array  # [bit]
    z_lat: Array
    z_load: Array
    reward: Array


class Caches(NamedTuple):
    """What became of the loads; all (M,) [bit]. load = processed + dropped + lost + queue."""

    processed: Array
    dropped: Array
    lost: Array  # with servers that leave
    queue: Array


def at(x: Array, index: Array) -> Array:
    """x[index] along the first axis, in each world: `(n, *batch)` and `(k, *batch)` to `(k, *batch)`."""
    return jnp.take_along_axis(x, index, 0, mode="clip")


def of_kind(env: Any, rsu: Any, uav: Any, rank: int) -> Array:
    """One number for RSUs and one for UAVs, as `(M - 1, *batch)`."""
    return jnp.where(lift(jnp.arange(env.n_servers - 1) < env.n_rsu, rank), rsu, uav)


def edge(env: Any, rank: int) -> Array:
    """`(M, *ones)` bool: RSUs and UAVs, not the satellite."""
    return lift(jnp.arange(env.n_servers) < env.n_servers - 1, rank)


def real(x: Any) -> Array:
    """A recorded array in the float type of the moment."""
    return jnp.asarray(x, jnp.result_type(float))


# ---------------------------------------------------------------------------------------------------------- before acting


def begin(env: Any, state: State, params: Params) -> State:
    """The slot `state.t` begins: everybody sees where everybody is."""
    return state.replace(scene=look(env, state, params))


def look(env: Any, state: State, params: Params) -> Scene:
    """(1), (2), (23) and the known loads: everything that can be seen at the start of a slot."""
    rank = state.t.ndim
    there, veh_deg, uav_deg = (
        servers_there(env, state, params),
        vehicle_places(state, params),
        uav_places(state, params),
    )
    rsu_deg = rsu_places(rank, params)
    away = jnp.concatenate([haversines(env, veh_deg, place_deg, params) for place_deg in (rsu_deg, uav_deg)], 1)
    ground_m = geometry.arc_m(away, params.earth_radius_m)
    dist = geometry.norm_m(ground_m, of_kind(env, 0.0, params.uav_altitude_m, rank))
    reached = geometry.within(dist, of_kind(env, params.rsu_range_m, params.uav_range_m, rank))
    in_range = jnp.concatenate([reached, jnp.ones_like(reached[:, :1])], 1) & there  # the satellite always is

    present = lift(params.region.rsu_present, rank)
    away = jnp.where(present, haversines(env, uav_deg, rsu_deg, params), jnp.inf)
    near = jnp.argmin(away, 1).astype(jnp.int32)
    known = known_load(env, state, near, there, params)
    stays, moves = (known + more <= params.cache_bits for more in arrivals(env, params))
    elsewhere = lift(jnp.arange(env.n_servers), rank) != state.prev[:, None]
    fits = jnp.where((state.prev >= 0)[:, None] & elsewhere, moves, stays) | ~edge(env, rank)
    age = state.t - state.veh_start
    on_way = (age >= 0) & (age < trip_slots(state, params))
    return Scene(on_way, there, uav_deg, near, dist, in_range, in_range & fits)


def vehicle_places(state: State, params: Params) -> Array:
    """(V, 2): offsets from the anchor [degree]; before a trip its first point, and after it its last."""
    sample = jnp.clip(state.t - state.veh_start, 0, trip_slots(state, params) - 1)
    trips = params.region.traj_dlat_deg, params.region.traj_dlon_deg
    return jnp.stack([real(x)[state.veh_traj, sample] for x in trips], 1)


def trip_slots(state: State, params: Params) -> Array:
    """(V,): how long each vehicle's trip takes."""
    return jnp.asarray(params.region.traj_len)[state.veh_traj]


def servers_there(env: Any, state: State, params: Params) -> Array:
    """(M,) bool: which servers exist in this slot."""
    shape, on = state.t.shape, lambda switch: jnp.asarray(switch) > 0.5
    rsu = jnp.broadcast_to(lift(params.region.rsu_present, len(shape)), (env.n_rsu, *shape))
    uav = (state.uav_on <= state.t) & (state.t < state.uav_off) & on(params.use_uav)
    return jnp.concatenate([rsu, uav, jnp.broadcast_to(on(params.use_satellite), (1, *shape))])


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


def haversines(env: Any, a_deg: Array, b_deg: Array, params: Params) -> Array:
    """(1): haversine of every b `(m, 2)` seen from every a `(n, 2)`, both from the anchor [degree]."""
    if env.haversine == "correct":
        lat_rad = jnp.radians(real(params.region.lat0_deg))
        place = lambda deg: geometry.on_sphere(jnp.radians(deg[:, 0]), jnp.radians(deg[:, 1]), lat_rad)  # noqa: E731
        a, b = place(a_deg), place(b_deg)
        return sum(geometry.offsets(p, q) ** 2 for p, q in zip(a, b, strict=True)) / 4  # type: ignore[return-value]
    dlat, dlon = (geometry.offsets(jnp.radians(a_deg[:, c]), jnp.radians(b_deg[:, c])) for c in (0, 1))
    return HAVERSINE[env.haversine](dlat, dlon, _cos_lat(a_deg, params)[:, None], _cos_lat(b_deg, params)[None])


def _cos_lat(deg: Array, params: Params) -> Array:
    return jnp.cos(jnp.radians(real(params.region.lat0_deg) + deg[:, 0]))


def known_load(env: Any, state: State, near: Array, there: Array, params: Params) -> Array:
    """(M,): what servers will have to do before any twin arrives, as far as agents are told [bit]."""
    return state.queue + background(known_count(env, state, params), near, there, params)


def known_count(env: Any, state: State, params: Params) -> Array:
    """(N,): vehicles per slot at the RSUs, as agents are told."""
    k = current_bin(env, state)
    if env.workload_info == "none":
        return jnp.zeros((env.n_rsu, *state.t.shape))
    if env.workload_info == "predicted":
        return counts(env, params.region.flow_pred, k)
    return counts(env, params.region.flow, k - 1 if env.workload_info == "last" else k)


def current_bin(env: Any, state: State) -> Array:
    """Bin of the counts."""
    return state.start_bin + state.t // env.slots_per_bin


def counts(env: Any, flow: Any, k: Array) -> Array:
    """(N,): vehicles per slot, from those per bin (N, K)."""
    return jnp.take(real(flow), k, 1, mode="clip") / env.slots_per_bin


def background(count: Array, near: Array, server_active: Array, params: Params) -> Array:
    """(M,): work of ordinary traffic [bit] where so many vehicles (N,) are counted in a slot."""
    n = len(count)
    rsu = params.bg_bits_per_vehicle * count * server_active[:n]
    uav = params.uav_bg_fraction * at(rsu, near) * server_active[n:-1]
    return jnp.concatenate([rsu, uav, jnp.zeros_like(rsu[:1])])


def arrivals(env: Any, params: Params) -> tuple[Any, Any]:
    """What a twin that stays, and one that arrives, brings along [bit]."""
    return params.vt_bits, params.vt_bits + params.mig_bits * env.migration_adds_load


# ---------------------------------------------------------------------------------------------------------------- the slot


def decode(env: Any, action: Array, state: State) -> Decision:
    """(10): whatever was chosen is done; what does not exist serves nobody."""
    server = jnp.clip(action, 0, env.n_servers - 1)
    served = state.scene.veh_active & at(state.scene.server_active, server)
    return Decision(server, served, served & (state.prev >= 0) & (server != state.prev))


def fill(env: Any, d: Decision, state: State, bg_normal: Array, params: Params) -> Loads:
    """(8): what the caches hold, and what comes."""
    scene = state.scene
    count = counts(env, params.region.flow, current_bin(env, state))
    count = count * jnp.maximum(0, 1 + params.bg_jitter_std * bg_normal)
    bg = background(count, scene.near, scene.server_active, params)
    stay_bits, move_bits = arrivals(env, params)
    brought = jnp.where(d.served, jnp.where(d.migrate, move_bits, stay_bits), 0.0)
    vt_in = computing.sum_at_node(brought, d.server, env.n_servers)
    return Loads(bg, vt_in, (state.queue + bg + vt_in) * scene.server_active)


def transmit(env: Any, d: Decision, state: State, draws: dict[str, Array], params: Params) -> Links:
    """(3) to (7), (11), (12): uploads, downloads and migrations."""
    sat, p = env.n_servers - 1, params
    fade_vm: Array | float = 1.0
    fade_mig: Array | float = 1.0
    if env.fading == "rayleigh":
        fade_vm, fade_mig = own(draws["fade_vm"], d.server), draws["fade_mig"]
    power_w = jnp.broadcast_to(of_kind(env, p.rsu_power_w, p.uav_power_w, state.t.ndim), (sat, *state.t.shape))
    by_sat = lambda satellite, over_air: jnp.where(satellite, p.sat_rate_bps, over_air)  # noqa: E731

    dist_m, flies, on_sat = own(state.scene.dist, d.server), d.server >= env.n_rsu, d.server == sat
    gain = gain_of(env, below_m(dist_m, flies, params), dist_m, p.vehicle_height_m, flies, params)
    up = by_sat(on_sat, rate_bps(p.bandwidth_up_hz, p.vehicle_power_w, gain, fade_vm, params))
    down = by_sat(on_sat, rate_bps(p.bandwidth_down_hz, at(power_w, d.server), gain, fade_vm, params))

    origin = jnp.maximum(state.prev, 0)
    gain = gain_of(env, *between(env, origin, d.server, state, params), flies, params)
    mig = rate_bps(p.bandwidth_mig_hz, at(power_w, origin), gain, fade_mig, params)
    mig = by_sat(on_sat | (origin == sat), mig)
    up, down, mig = (jnp.where(where, x, 0) for where, x in ((d.served, up), (d.served, down), (d.migrate, mig)))
    take_s = lambda where, bits, x: jnp.where(where, transfer_s(bits, x, params), 0)  # noqa: E731
    t_up, t_down = (take_s(d.served, p.vt_bits, x) for x in (up, down))
    return Links(up, down, mig, t_up, t_down, take_s(d.migrate, p.mig_bits, mig))


def rate_bps(bandwidth_hz: Any, power_w: Any, gain: Array, fade: Any, params: Params) -> Array:
    """(4), (5), (11)"""
    return rate.shannon_bps(bandwidth_hz, rate.snr(power_w, fade, gain, params.noise_w))


def transfer_s(bits: Any, rate_bps: Any, params: Params) -> Array:
    """(6), (7), (12)"""
    return capped_s(bits / jnp.maximum(rate_bps, 1.0), params)


def below_m(dist_m: Array, flies: Array, params: Params) -> Array:
    """Distance on the ground, at least 1 m, of what is so far away, at the height of a UAV where it `flies`."""
    climb_m = jnp.where(flies, params.uav_altitude_m, 0.0)
    return jnp.sqrt(jnp.maximum(dist_m**2 - climb_m**2, 1.0))


def own(x: Array, server: Array) -> Array:
    """(V,): x `(V, m)` at each vehicle's server; of the satellite, which has no column, something finite."""
    return jnp.take_along_axis(x, server[:, None], 1, mode="clip")[:, 0]


def gain_of(env: Any, ground_m: Array, dist_m: Array, height_m: Any, flies: Array, params: Params) -> Array:
    """(3): mean gain of a link from an antenna at `height_m` to one on an RSU, or on a UAV where it `flies`."""
    to_height_m = jnp.where(flies, params.uav_altitude_m, params.rsu_height_m)
    link = pathloss.Link(ground_m, jnp.maximum(dist_m, params.min_distance_m), height_m, to_height_m)
    return params.gain_coeff * units.db_to_linear(-pathloss.MODELS[env.pathloss](link, params))


def between(env: Any, origin: Array, server: Array, state: State, params: Params) -> tuple[Array, Array, Array]:
    """(2): distances (V,) from one server to another, on the ground and in space, and antennas of the former [m].

    Something finite for the satellite.
    """
    uav_deg = state.scene.uav_deg

    def place_deg(of: Array) -> Array:
        rsu = [jnp.take(real(x), of, 0, mode="clip") for x in (params.region.rsu_dlat_deg, params.region.rsu_dlon_deg)]
        uav = [at(uav_deg[:, c], of - env.n_rsu) for c in (0, 1)]
        return jnp.where((of < env.n_rsu)[:, None], jnp.stack(rsu, 1), jnp.stack(uav, 1))

    a, b = place_deg(origin), place_deg(server)
    dlat, dlon = jnp.radians(b[:, 0] - a[:, 0]), jnp.radians(b[:, 1] - a[:, 1])
    hav = HAVERSINE[env.haversine](dlat, dlon, _cos_lat(a, params), _cos_lat(b, params))
    return in_space_m(hav, origin >= env.n_rsu, server >= env.n_rsu, params)


def in_space_m(hav: Array, from_air: Array, to_air: Array, params: Params) -> tuple[Array, Array, Array]:
    """(2): on the ground, and in space; and the antenna at which it begins [m]."""
    ground_m = geometry.arc_m(hav, params.earth_radius_m)
    climb_m = jnp.where(from_air != to_air, params.uav_altitude_m, 0.0)
    return ground_m, geometry.norm_m(ground_m, climb_m), jnp.where(from_air, params.uav_altitude_m, params.rsu_height_m)


def capped_s(time_s: Array, params: Params) -> Array:
    """Every latency counts up to the cap."""
    return jnp.minimum(time_s, params.latency_cap_s)


def settle(env: Any, d: Decision, loads: Loads, links: Links, state: State, params: Params) -> Outcome:
    """(9), (13), (14), (21), (22): failures, latencies and rewards."""
    p, active, sat = params, state.scene.veh_active, env.n_servers - 1
    load, to_edge = at(loads.load, d.server), d.server != sat
    out_of_range = active & ~own(state.scene.in_range, d.server)
    overload = d.served & to_edge & (load > p.cache_bits)
    xi = (out_of_range | overload).astype(load.dtype)
    t_cul = jnp.where(d.served, capped_s(computing_s(env, load, to_edge, params), params), 0)
    t_sum = capped_s(links.t_up + links.t_down + t_cul + links.t_mig + p.failure_delay_s * xi, params)
    t_sum = jnp.where(d.served, t_sum, jnp.where(active, p.latency_cap_s, 0))
    own_load = jnp.where(d.served, load, jnp.where(active, p.cache_bits, 0))
    z_lat = (t_sum - p.lat_mean_s) / p.lat_std_s
    z_load = (own_load - p.load_mean_bits) / p.load_std_bits
    if env.reward_load_term == "variance":
        variance = load_variance_mb2(loads.load, state.scene.server_active)
        z_load = jnp.broadcast_to((variance - p.var_mean_mb2) / p.var_std_mb2, z_lat.shape)
    z_lat, z_load = active * z_lat, active * z_load
    reward = -(p.w_latency * z_lat + p.w_load * z_load + p.w_loss * xi)
    return Outcome(out_of_range, overload, xi, t_cul, t_sum, own_load, z_lat, z_load, reward)


def computing_s(env: Any, load: Array, to_edge: Array, params: Params) -> Array:
    """(9): working through a whole load [bit], at an RSU or UAV (`to_edge`) or at the satellite."""
    p = params
    edge_s, sat_s = (p.cycles_per_bit * load / cpu_hz for cpu_hz in (p.cpu_edge_hz, p.cpu_sat_hz))
    beyond_s = sat_s  # as printed, the satellite takes over for nothing
    if env.overload_rule == "monotone":
        full_s = p.cycles_per_bit * p.cache_bits / p.cpu_edge_hz
        forwarded_s = jnp.maximum(full_s, sat_s) + p.vt_bits / p.sat_rate_bps
        beyond_s = jnp.where(jnp.asarray(p.use_satellite) > 0.5, forwarded_s, edge_s)
    return jnp.where(to_edge, jnp.where(load <= p.cache_bits, edge_s, beyond_s), sat_s)


def load_variance_mb2(load: Array, server_active: Array) -> Array:
    """(16b): variance of the loads of the servers that are there [MB^2]."""
    load_mb, n = load / MB, jnp.maximum(jnp.sum(server_active, 0), 1)
    mean_mb = jnp.sum(load_mb * server_active, 0) / n
    return jnp.sum(server_active * (load_mb - mean_mb) ** 2, 0) / n


def warmed_up(env: Any, state: State, params: Params) -> Array:
    """(M,): what slots of background, all like the first, leave in the caches [bit]."""
    scene = look(env, state, params)
    count = counts(env, params.region.flow, current_bin(env, state))
    more = background(count, scene.near, scene.server_active, params) - params.drain_edge_bits
    most = jnp.maximum(params.cache_bits - params.drain_edge_bits, 0)
    return jnp.where(edge(env, state.t.ndim), jnp.clip(params.warmup_slots * more, 0, most), 0)


def drain(env: Any, loads: Loads, stays: Array, params: Params) -> Caches:
    """What is worked off, dropped, lost with servers that do not stay (M,), and kept."""
    on_edge = edge(env, stays.ndim - 1)
    capacity = jnp.where(on_edge, params.cache_bits, jnp.inf)
    service = jnp.where(on_edge, params.drain_edge_bits, params.drain_sat_bits)
    rest, processed, dropped = queues.serve_bounded(loads.load, capacity, service)
    return Caches(processed, dropped, jnp.where(stays, 0, rest), jnp.where(stays, rest, 0))
