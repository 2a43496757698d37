"""Reference simulator of vehicle twins that migrate between roadside units, UAVs and a satellite.

Plain float64 NumPy, one world, no batching and no compilation: slow and easy to read. It is written from the specification
alone, that is the DM-MAPPO paper with the errata as documented in jaxvec.envs.twin_migration, and shares no code with that
module, so the two can be compared number by number on the same draws. Numbers in parentheses are equations of the paper.

Shapes: V vehicles, N RSUs, U UAVs, M = N + U + 1 servers in this order, the satellite last. Index v = vehicle, m = server,
n = RSU, u = UAV. Units are SI (bit, Hz, W, s, J, m); coordinates are degrees, whole ones, not offsets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray
Draws = dict[str, Array]
MB = 8e6


@dataclass(frozen=True)
class Switches:
    n_vehicles: int = 5
    n_rsu: int = 84
    n_uav: int = 10
    horizon: int = 60
    slots_per_bin: int = 10
    haversine: str = "correct"  # or "paper"
    overload_rule: str = "monotone"  # or "paper"
    migration_adds_load: bool = True
    reward_load_term: str = "load"  # or "variance"
    workload_info: str = "predicted"  # or "last", "none", "actual"
    obs_prev_server: bool = True
    obs_vehicle_id: bool = False
    obs_twins: bool = False
    use_mask: bool = True
    fading: str = "none"  # or "rayleigh"
    vehicle_schedule: str = "static"  # or "dynamic"
    uav_schedule: str = "static"  # or "dynamic"

    @property
    def n_servers(self) -> int:
        return self.n_rsu + self.n_uav + 1


@dataclass(frozen=True)
class Params:
    use_uav: float = 1.0
    use_satellite: float = 1.0
    slot_s: float = 30.0
    earth_radius_m: float = 6_371_393.0
    light_speed_mps: float = 3e8
    gain_coeff: float = 4.11
    carrier_hz: float = 28e9
    min_distance_m: float = 10.0
    bandwidth_up_hz: float = 300e6
    bandwidth_down_hz: float = 300e6
    bandwidth_mig_hz: float = 300e6
    vehicle_power_w: float = 1.0
    rsu_power_w: float = 10.0
    uav_power_w: float = 2.0
    noise_w: float = 1e-11
    rsu_range_m: float = 1200.0
    uav_range_m: float = 1500.0
    uav_altitude_m: float = 50.0
    uav_speed_mps: float = 3.7
    sat_rate_bps: float = 25e6
    vt_rate_bps: float = 16e6
    mig_bits: float = 4.8e8
    bg_bits_per_vehicle: float = 1.2e7
    bg_jitter_std: float = 0.1
    uav_bg_fraction: float = 0.5
    cycles_per_bit: float = 1000.0
    cpu_edge_hz: float = 32e9
    cpu_sat_hz: float = 80e9
    cache_bits: float = 2.4e9
    warmup_slots: float = 10.0
    latency_cap_s: float = 300.0
    failure_delay_s: float = 30.0
    w_latency: float = 2.0
    w_load: float = 1.0
    w_loss: float = 1.0
    lat_mean_s: float = 58.0
    lat_std_s: float = 17.0
    load_mean_bits: float = 1.44e9
    load_std_bits: float = 4.8e8
    var_mean_mb2: float = 3250.0
    var_std_mb2: float = 1250.0
    obs_distance_m: float = 5000.0


@dataclass(frozen=True)
class World:
    """All that one world needs beside its state; `region` has the recorded arrays."""

    params: Params
    switches: Switches
    region: Any


@dataclass(frozen=True)
class State:
    t: int
    start_bin: int
    veh_traj: Array  # [V]
    veh_start: Array  # [V]
    prev: Array  # [V]
    queue: Array  # [M]
    uav_phase_m: Array  # [U]
    uav_on: Array  # [U]
    uav_off: Array  # [U]
    fails: Array  # [V]
    active_slots: Array  # [V]
    migrations: Array  # [V]


@dataclass(frozen=True)
class Sight:
    """The scene at the start of a slot."""

    veh_active: Array  # [V]
    server_active: Array  # [M]
    place: Array  # [M-1,2] latitude and longitude
    ground: Array  # [V,M-1]
    dist: Array  # [V,M-1]
    near: Array  # [U]
    known_load: Array  # [M]
    in_range: Array  # [V,M]
    feasible: Array  # [V,M]
    mask: Array  # [V,M]


# ------------------------------------------------------------------------------------------------------------------ chance


def sample_reset_draws(rng: np.random.Generator, world: World) -> Draws:
    sw, region = world.switches, world.region
    v, u, horizon = sw.n_vehicles, sw.n_uav, sw.horizon
    start, on, off = np.zeros(v, int), np.zeros(u, int), np.full(u, horizon + 1)
    early, half, late = min(5, horizon // 2), horizon // 2, max(horizon - 5, horizon // 2)
    if sw.vehicle_schedule == "dynamic":
        start[-2:] = rng.integers(early, half, len(start[-2:]), endpoint=True)
    if sw.uav_schedule == "dynamic":
        on[-5:] = rng.integers(early, half, 5, endpoint=True)
        off[:6] = rng.integers(half, late, 6, endpoint=True)
    length_m = np.array([np.linalg.norm(np.roll(loop, -1, 0) - loop, axis=1).sum() for loop in region.uav_wp_xy_m])
    return {
        "start_bin": rng.choice(region.start_bins),
        "veh_traj": rng.permutation(len(region.traj_len))[:v],
        "veh_start": start,
        "uav_phase_m": rng.uniform(0, 1, u) * length_m,
        "uav_on": on,
        "uav_off": off,
    }


def sample_step_draws(rng: np.random.Generator, world: World) -> Draws:
    sw = world.switches
    draws = {"bg_normal": rng.normal(size=sw.n_rsu)}
    if sw.fading == "rayleigh":
        draws["fade_vm"] = rng.exponential(size=(sw.n_vehicles, sw.n_servers - 1))
        draws["fade_mig"] = rng.exponential(size=sw.n_vehicles)
    return draws


# ------------------------------------------------------------------------------------------------------------------- scene


def ground_m(a: Array, b: Array, world: World) -> float:
    """(1): from one (latitude, longitude) to another."""
    dphi, dlam = math.radians(b[0] - a[0]), math.radians(b[1] - a[1])
    cosines = math.cos(math.radians(a[0])) * math.cos(math.radians(b[0]))
    if world.switches.haversine == "correct":
        h = math.sin(dphi / 2) ** 2 + cosines * math.sin(dlam / 2) ** 2
    else:
        h = math.sin(dlam) ** 2 + cosines * math.sin(dphi) ** 2
    return world.params.earth_radius_m * 2 * math.asin(math.sqrt(min(max(h, 0), 1)))


def on_loop(corners: Array, along_m: float) -> Array:
    """The point at that arc length on a closed polyline, in metres."""
    ends = np.roll(corners, -1, 0)
    lengths = [math.dist(a, b) for a, b in zip(corners, ends, strict=True)]
    if sum(lengths) == 0:
        return corners[0]
    left = along_m % sum(lengths)
    for a, b, length in zip(corners, ends, lengths, strict=True):
        if left <= length and length > 0:
            return a + (b - a) * left / length
        left -= length
    return corners[0]


def trip_len(state: State, world: World) -> Array:
    return np.asarray(world.region.traj_len)[state.veh_traj]


def servers_active(state: State, world: World) -> Array:
    p = world.params
    uav = (state.uav_on <= state.t) & (state.t < state.uav_off) & (p.use_uav > 0.5)
    return np.concatenate([world.region.rsu_present, uav, [p.use_satellite > 0.5]])


def vehicle_place(state: State, world: World, v: int) -> Array:
    r = world.region
    i = min(max(state.t - state.veh_start[v], 0), trip_len(state, world)[v] - 1)
    trip = state.veh_traj[v]
    return np.array(
        [
            float(r.lat0_deg) + np.float64(r.traj_dlat_deg[trip, i]),
            float(r.lon0_deg) + np.float64(r.traj_dlon_deg[trip, i]),
        ]
    )


def uav_place(state: State, world: World, u: int) -> Array:
    p, r = world.params, world.region
    flown = min(max(state.t, state.uav_on[u]), state.uav_off[u])
    x, y = on_loop(np.float64(r.uav_wp_xy_m[u]), state.uav_phase_m[u] + p.uav_speed_mps * p.slot_s * flown)
    lat0 = math.radians(float(r.lat0_deg))
    lat = float(r.lat0_deg) + math.degrees(y / p.earth_radius_m)
    return np.array([lat, float(r.lon0_deg) + math.degrees(x / (p.earth_radius_m * math.cos(lat0)))])


def background(count: Array, near: Array, active: Array, world: World) -> Array:
    """[M] bits of ordinary traffic, of `count` [N] vehicles in a slot."""
    p, n = world.params, world.switches.n_rsu
    rsu = p.bg_bits_per_vehicle * count * world.region.rsu_present
    uav = p.uav_bg_fraction * rsu[near] * active[n:-1]
    return np.concatenate([rsu, uav, [0.0]])


def true_count(state: State, world: World, bins_ago: int = 0) -> Array:
    k = state.start_bin + state.t // world.switches.slots_per_bin - bins_ago
    return np.float64(world.region.flow[:, k]) / world.switches.slots_per_bin


def known_count(state: State, world: World) -> Array:
    sw = world.switches
    k = state.start_bin + state.t // sw.slots_per_bin
    return {
        "predicted": lambda: np.float64(world.region.flow_pred[:, k]) / sw.slots_per_bin,
        "last": lambda: true_count(state, world, 1),
        "actual": lambda: true_count(state, world),
        "none": lambda: np.zeros(sw.n_rsu),
    }[sw.workload_info]()


def heights(world: World) -> Array:
    sw = world.switches
    return np.array([0.0] * sw.n_rsu + [world.params.uav_altitude_m] * sw.n_uav)


def see(state: State, world: World, placed: Array | float = 0.0) -> Sight:
    """At the start of a slot, or after twins have been `placed` in it, [M] bit."""
    sw, p, r = world.switches, world.params, world.region
    v_count, m_count, n_count = sw.n_vehicles, sw.n_servers, sw.n_rsu
    length = trip_len(state, world)
    veh_active = (state.veh_start <= state.t) & (state.t < state.veh_start + length)
    active = servers_active(state, world)
    rsu = np.stack([float(r.lat0_deg) + np.float64(r.rsu_dlat_deg), float(r.lon0_deg) + np.float64(r.rsu_dlon_deg)], 1)
    place = np.concatenate([rsu, [uav_place(state, world, u) for u in range(sw.n_uav)]])
    ranges = [p.rsu_range_m] * n_count + [p.uav_range_m] * sw.n_uav

    ground = np.array([[ground_m(vehicle_place(state, world, v), s, world) for s in place] for v in range(v_count)])
    dist = np.hypot(ground, heights(world))  # (2)
    near = np.array(
        [
            min(
                (n for n in range(n_count) if r.rsu_present[n]),
                key=lambda n, u=u: ground_m(place[n_count + u], rsu[n], world),
            )
            for u in range(sw.n_uav)
        ]
    )
    known_load = state.queue + background(known_count(state, world), near, active, world) + placed

    in_range, feasible = np.zeros((v_count, m_count), bool), np.zeros((v_count, m_count), bool)
    for v in range(v_count):
        for m in range(m_count):
            satellite = m == m_count - 1
            in_range[v, m] = active[m] and (satellite or dist[v, m] <= ranges[m])
            would_migrate = state.prev[v] >= 0 and state.prev[v] != m
            adds = p.vt_rate_bps * p.slot_s + (p.mig_bits if sw.migration_adds_load and would_migrate else 0)
            feasible[v, m] = in_range[v, m] and (satellite or known_load[m] + adds <= p.cache_bits)
    mask = np.ones((v_count, m_count), bool)
    for v in np.flatnonzero(veh_active):
        choices = [feasible[v], in_range[v], active] if sw.use_mask else [active]
        mask[v] = next((c for c in choices if c.any()), active)
    return Sight(veh_active, active, place, ground, dist, near, known_load, in_range, feasible, mask)


def staying(state: State, sight: Sight, v: int, world: World, in_turns: bool) -> Array:
    """[M], in caches: what the twins of others bring where these are; in turns, of those who come after vehicle v."""
    p, bits = world.params, np.zeros(world.switches.n_servers)
    for u in range(v + 1 if in_turns else 0, world.switches.n_vehicles):
        if u != v and sight.veh_active[u] and state.prev[u] >= 0 and sight.server_active[state.prev[u]]:
            bits[state.prev[u]] += p.vt_rate_bps * p.slot_s
    return np.clip(bits / p.cache_bits, 0, 2)


def observe(
    state: State, world: World, placed: Array | float = 0.0, in_turns: bool = False
) -> tuple[Array, Array, Array, Array]:
    """(19), (23): rows [V,3M-1], the world's view, the mask [V,M], and who is on the way [V]; `placed` as in `see`."""
    sw, p, sight = world.switches, world.params, see(state, world, placed)
    m_count = sw.n_servers
    load = np.where(sight.server_active, np.clip(sight.known_load / p.cache_bits, 0, 2), 2)
    if sw.workload_info == "none":
        load = np.clip(np.zeros(m_count) + placed / p.cache_bits, 0, 2)
    rows, distances, twins = [], [], []
    for v in range(sw.n_vehicles):
        d = np.where(sight.server_active[:-1], np.clip(sight.dist[v] / p.obs_distance_m, 0, 2), 2)
        twin = np.array([float(state.prev[v] == m) for m in range(m_count)])
        row = [
            d,
            load,
            *([staying(state, sight, v, world, in_turns)] if sw.obs_twins else []),
            *([twin] if sw.obs_prev_server else []),
            *([np.arange(sw.n_vehicles) == v] if sw.obs_vehicle_id else []),
        ]
        rows.append(np.concatenate(row) * sight.veh_active[v])
        distances.append(d)
        twins.append(twin)
    cache = np.clip(state.queue / p.cache_bits, 0, 2)
    now = [sight.veh_active, [state.t / sw.horizon]]
    view = np.concatenate([load, cache, sight.server_active, *distances, *twins, *now]).astype(float)
    return np.array(rows), view, sight.mask, sight.veh_active


# --------------------------------------------------------------------------------------------------------------- the slot


def reset_with_draws(draws: Draws, world: World) -> State:
    sw, p = world.switches, world.params
    zeros = np.zeros(sw.n_vehicles, int)
    state = State(
        t=0,
        start_bin=int(draws["start_bin"]),
        **{n: np.asarray(draws[n]) for n in ("veh_traj", "veh_start", "uav_phase_m", "uav_on", "uav_off")},
        prev=np.full(sw.n_vehicles, -1),
        queue=np.zeros(sw.n_servers),
        fails=zeros,
        active_slots=zeros,
        migrations=zeros,
    )
    sight, drained = see(state, world), p.cpu_edge_hz * p.slot_s / p.cycles_per_bit
    bg = background(true_count(state, world), sight.near, sight.server_active, world)
    queue = np.minimum(np.maximum(p.warmup_slots * (bg - drained), 0), max(p.cache_bits - drained, 0))
    queue[-1] = 0
    return replace(state, queue=queue)


def gain(dist_m: float, world: World) -> float:
    """(3)"""
    p = world.params
    return p.gain_coeff * (p.light_speed_mps / (4 * math.pi * p.carrier_hz * max(dist_m, p.min_distance_m))) ** 2


def rate_bps(bandwidth_hz: float, power_w: float, g: float, fade: float, world: World) -> float:
    """(4), (5), (11)"""
    return bandwidth_hz * math.log2(1 + power_w * g * fade / world.params.noise_w)


def computing_s(load: float, m: int, world: World) -> float:
    """(9)"""
    p, sw = world.params, world.switches
    cycles = p.cycles_per_bit * load
    if m == sw.n_servers - 1:
        return cycles / p.cpu_sat_hz
    if load <= p.cache_bits:
        return cycles / p.cpu_edge_hz
    if sw.overload_rule == "paper":
        return cycles / p.cpu_sat_hz
    if p.use_satellite > 0.5:
        full = p.cycles_per_bit * p.cache_bits / p.cpu_edge_hz
        return max(full, cycles / p.cpu_sat_hz) + p.vt_rate_bps * p.slot_s / p.sat_rate_bps
    return cycles / p.cpu_edge_hz


def variance_mb2(load: Array, active: Array) -> float:
    """(16b)"""
    return float(np.var(load[active] / MB)) if active.any() else 0.0


def step_with_draws(state: State, action: Array, draws: Draws, world: World) -> tuple[State, Array, dict[str, Any]]:
    """State, rewards [V] and info after a slot."""
    sw, p, sight = world.switches, world.params, see(state, world)
    v_count, m_count, sat = sw.n_vehicles, sw.n_servers, sw.n_servers - 1
    vt_bits, power_w = p.vt_rate_bps * p.slot_s, [p.rsu_power_w] * sw.n_rsu + [p.uav_power_w] * sw.n_uav
    served = sight.veh_active & sight.server_active[action]
    migrate = served & (state.prev >= 0) & (action != state.prev)  # (10)

    count = true_count(state, world) * np.maximum(0, 1 + p.bg_jitter_std * draws["bg_normal"])
    bg, vt_in = background(count, sight.near, sight.server_active, world), np.zeros(m_count)
    for v in np.flatnonzero(served):
        vt_in[action[v]] += vt_bits + (p.mig_bits if sw.migration_adds_load and migrate[v] else 0)
    load = (state.queue + bg + vt_in) * sight.server_active  # (8)

    zeros = lambda kind=float: np.zeros(v_count, kind)  # noqa: E731
    found = {
        name: zeros() for name in ("rate_up", "rate_down", "rate_mig", "t_up", "t_down", "t_cul", "t_mig", "t_sum")
    }
    found |= {"own_load": zeros(), "z_lat": zeros(), "z_load": zeros(), "xi": zeros()}
    found |= {"out_of_range": zeros(bool), "overload": zeros(bool)}
    reward, variance = zeros(), variance_mb2(load, sight.server_active)
    for v in np.flatnonzero(sight.veh_active):
        m, o = action[v], state.prev[v]
        own_load, t_sum = p.cache_bits, p.latency_cap_s
        out, over = not sight.in_range[v, m], bool(served[v] and m != sat and load[m] > p.cache_bits)
        xi = float(out or over)  # (14)
        if served[v]:
            own_load = load[m]
            if m == sat:
                up = down = p.sat_rate_bps
            else:
                g = gain(sight.dist[v, m], world)
                fade = draws["fade_vm"][v, m] if sw.fading == "rayleigh" else 1.0
                up = rate_bps(p.bandwidth_up_hz, p.vehicle_power_w, g, fade, world)
                down = rate_bps(p.bandwidth_down_hz, power_w[m], g, fade, world)
            t_up, t_down = (min(p.latency_cap_s, vt_bits / max(x, 1)) for x in (up, down))  # (6), (7)
            t_cul, t_mig, mig = min(p.latency_cap_s, computing_s(load[m], m, world)), 0.0, 0.0
            if migrate[v]:
                mig = p.sat_rate_bps
                if sat not in (m, o):
                    high = heights(world)
                    apart = math.hypot(ground_m(sight.place[o], sight.place[m], world), high[o] - high[m])
                    fade = draws["fade_mig"][v] if sw.fading == "rayleigh" else 1.0
                    mig = rate_bps(p.bandwidth_mig_hz, power_w[o], gain(apart, world), fade, world)
                t_mig = min(p.latency_cap_s, p.mig_bits / max(mig, 1))  # (12)
            t_sum = min(p.latency_cap_s, t_up + t_down + t_cul + t_mig + p.failure_delay_s * xi)  # (13)
            parts = {"rate_up": up, "rate_down": down, "rate_mig": mig, "t_up": t_up, "t_down": t_down}
            for name, x in (parts | {"t_cul": t_cul, "t_mig": t_mig}).items():
                found[name][v] = x
        z_lat, z_load = (t_sum - p.lat_mean_s) / p.lat_std_s, (own_load - p.load_mean_bits) / p.load_std_bits
        if sw.reward_load_term == "variance":
            z_load = (variance - p.var_mean_mb2) / p.var_std_mb2
        reward[v] = -(p.w_latency * z_lat + p.w_load * z_load + p.w_loss * xi)  # (21), (22)
        kept = {"t_sum": t_sum, "own_load": own_load, "z_lat": z_lat, "z_load": z_load}
        for name, x in (kept | {"xi": xi, "out_of_range": out, "overload": over}).items():
            found[name][v] = x

    moved = replace(state, t=state.t + 1)
    stays = servers_active(moved, world)
    caches = {name: np.zeros(m_count) for name in ("processed", "dropped", "lost", "queue")}
    for m in range(m_count):
        drain = (p.cpu_sat_hz if m == sat else p.cpu_edge_hz) * p.slot_s / p.cycles_per_bit
        kept = load[m] if m == sat else min(load[m], p.cache_bits)
        caches["dropped"][m], caches["processed"][m] = load[m] - kept, min(kept, drain)
        caches["queue" if stays[m] else "lost"][m] = kept - min(kept, drain)
    after = replace(
        moved,
        queue=caches["queue"],
        prev=np.where(served, action, state.prev),
        fails=state.fails + found["xi"].astype(int),
        active_slots=state.active_slots + sight.veh_active,
        migrations=state.migrations + migrate,
    )

    on, sent = sight.veh_active, served & (action >= sw.n_rsu)
    mean = lambda x: float(np.mean(np.asarray(x, float)[on])) if on.any() else 0.0  # noqa: E731
    there = sight.server_active
    info = found | {
        "latency_s": mean(found["t_sum"]),
        "latency_up_s": mean(found["t_up"]),
        "latency_down_s": mean(found["t_down"]),
        "latency_compute_s": mean(found["t_cul"]),
        "latency_mig_s": mean(found["t_mig"]),
        "tx_per_packet_s": mean(found["t_up"] + found["t_down"]) / p.slot_s,
        "packet_loss": mean(found["xi"]),
        "loss_range": mean(found["out_of_range"]),
        "loss_overload": mean(found["overload"]),
        "migration_rate": mean(migrate),
        "sat_share": mean(served & (action == sat)),
        "uav_share": mean(sent & (action != sat)),
        "own_load_mb": mean(found["own_load"]) / MB,
        "feasible_mean": mean(sight.feasible.sum(1)),
        "n_active": float(on.sum()),
        "load_var_mb2": variance,
        "load_mean_mb": float(load[there].mean() / MB) if there.any() else 0.0,
        "queue_mean_mb": float(caches["queue"][stays].mean() / MB) if stays.any() else 0.0,
        "dropped_mb": caches["dropped"].sum() / MB,
        "overloaded_servers": float(np.sum(load[:sat] > p.cache_bits)),
        "vehicle_active": on,
        "agent_done": after.t >= state.veh_start + trip_len(state, world),
        "served": served,
        "migrate": migrate,
        "episode_loss": after.fails / np.maximum(after.active_slots, 1),  # (15)
        "episode_migrations": after.migrations,
        "bg": bg,
        "vt_in": vt_in,
        "load": load,
        **{name: caches[name] for name in ("processed", "dropped", "lost")},
        "server_active": there,
        "dist": sight.dist,
    }
    return after, reward, info


# ------------------------------------------------------------------------------------------------------------------- rules


PATIENT = 0.6


def nearest(sight: Sight, v: int, allowed: Array) -> int:
    """The nearest RSU or UAV that is allowed, else the satellite."""
    d = np.where(allowed[:-1], sight.dist[v], np.inf)
    return int(np.argmin(d)) if allowed[:-1].any() else len(allowed) - 1


def least_load(sight: Sight, v: int, allowed: Array) -> int:
    """The RSU or UAV of least known load that is allowed, else the satellite."""
    x = np.where(allowed[:-1], sight.known_load[:-1], np.inf)
    return int(np.argmin(x)) if allowed[:-1].any() else len(allowed) - 1


def sticky(state: State, sight: Sight, v: int, allowed: Array) -> int:
    """Stay while that is allowed."""
    here = state.prev[v]
    return int(here) if here >= 0 and allowed[here] else least_load(sight, v, allowed)


def one_slot_cost(
    v: int, m: int, load: float, counted: float, part: float, state: State, sight: Sight, world: World
) -> float:
    """(22) of a vehicle, as far as it is known before the slot, at a server whose load with its twin would be `load`, of which so
    much is `counted`, as is the `part` of a migration's time."""
    sw, p, sat = world.switches, world.params, world.switches.n_servers - 1
    power_w, vt_bits = [p.rsu_power_w] * sw.n_rsu + [p.uav_power_w] * sw.n_uav, p.vt_rate_bps * p.slot_s
    up = down = p.sat_rate_bps
    if m != sat:
        g = gain(sight.dist[v, m], world)
        up = rate_bps(p.bandwidth_up_hz, p.vehicle_power_w, g, 1.0, world)
        down = rate_bps(p.bandwidth_down_hz, power_w[m], g, 1.0, world)
    t = sum(min(p.latency_cap_s, vt_bits / max(x, 1)) for x in (up, down))
    t += min(p.latency_cap_s, computing_s(counted, m, world))
    o = state.prev[v]
    if o >= 0 and o != m:
        mig, high = p.sat_rate_bps, heights(world)
        if sat not in (m, o):
            apart = math.hypot(ground_m(sight.place[o], sight.place[m], world), high[o] - high[m])
            mig = rate_bps(p.bandwidth_mig_hz, power_w[o], gain(apart, world), 1.0, world)
        t += part * min(p.latency_cap_s, p.mig_bits / max(mig, 1))
    xi = float(not sight.in_range[v, m] or (m != sat and load > p.cache_bits))
    t = min(p.latency_cap_s, t + p.failure_delay_s * xi)
    z_lat, z_load = (t - p.lat_mean_s) / p.lat_std_s, (counted - p.load_mean_bits) / p.load_std_bits
    return p.w_latency * z_lat + p.w_load * z_load + p.w_loss * xi


def myopic(state: State, world: World, part: float = 1.0) -> Array:
    """Each vehicle in turn the cheapest of what it may choose, given the twins placed before it; `part` of a migration counts."""
    sw, p, sight = world.switches, world.params, see(state, world)
    load, chosen = sight.known_load.copy(), np.zeros(sw.n_vehicles, int)
    for v in range(sw.n_vehicles):
        if not sight.veh_active[v]:
            continue
        best = math.inf
        for m in np.flatnonzero(sight.mask[v] & sight.server_active):
            moves = sw.migration_adds_load and state.prev[v] >= 0 and state.prev[v] != m
            own, more = p.vt_rate_bps * p.slot_s, p.mig_bits if moves else 0
            adds, counted = own + more, own + part * more
            cost = one_slot_cost(v, m, load[m] + adds, load[m] + counted, part, state, sight, world)
            if cost < best:
                best, chosen[v], brought = cost, m, adds
        load[chosen[v]] += brought
    return chosen


def decide(name: str, state: State, world: World) -> Array:
    """The choices of a rule without chance, [V]."""
    sight = see(state, world)
    if name in ("myopic", "patient"):
        return myopic(state, world, {"myopic": 1.0, "patient": PATIENT}[name])
    rule = {
        "greedy": lambda v, allowed: nearest(sight, v, allowed),
        "least_load": lambda v, allowed: least_load(sight, v, allowed),
        "sticky": lambda v, allowed: sticky(state, sight, v, allowed),
        "satellite": lambda v, allowed: len(allowed) - 1,
    }[name]
    return np.array([rule(v, sight.mask[v]) for v in range(world.switches.n_vehicles)])
