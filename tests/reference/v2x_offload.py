"""Reference simulator of cloud-edge-vehicle task offloading with a twin that is refreshed after every vehicle's turn.

Plain float64 NumPy, one world, no batching and no compilation: slow and easy to read. It is written from the
specification alone, that is the DT-MADDPG paper with the errata as documented in jaxvec.envs.v2x_offload, and shares no
code with that module, so the two can be compared number by number on the same draws. Numbers in parentheses are equations
of the paper.

Shapes: M vehicles (CVs), N edge servers (ESs), O = 2 + 4N entries of an observation. Index i = vehicle, j = ES by target,
a = ES by radio access, k = turn inside a slot. Units are SI (bit, Hz, W, s, J, m) plus CPU cycles.

Run as a script it prints the rewards of the fixed policies next to the documented numbers.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray
Draws = dict[str, Array]
Action = dict[str, Array | float]  # of all CVs, id order; or of one CV, then every entry is a scalar (`split`: [N+1])
Policy = Callable[[Array, int, int], Action]  # (observation [O], id i, turn k) -> action of that CV


@dataclass(frozen=True)
class Sizes:
    n_vehicles: int = 10
    n_servers: int = 3
    horizon: int = 100
    partition: bool = False
    boundary: str = "reflect"  # or "open"
    shuffle_order: bool = False
    obs_later: bool = False


@dataclass(frozen=True)
class Params:
    # time, geometry, mobility
    slot_s: float = 1.0
    area_m: float = 1000.0
    es_pos_m: Array | None = None  # [N,2]; None: regular polygon round the centre
    radius_m: float = 500.0
    hard_radius: bool = True
    dist_min_m: float = 10.0
    speed_mps: float = 15.0
    heading_sigma_rad: float = 0.5
    # tasks and processors
    task_bits: float = 100e3
    task_spread: float = 0.5
    cycles_per_bit: float = 500.0
    cv_cpu_hz: float | Array = 2e9  # scalar or [M]
    es_cpu_hz: float | Array = 25e9  # scalar or [N]
    es_bandwidth_hz: float | Array = 20e6  # scalar or [N]
    cv_kappa: float = 1e-27
    es_kappa: float | Array = 1e-29  # scalar or [N]
    # radio and wire
    tx_power_max_w: float = 0.2
    noise_w: float = 10**-11.3 * 1e-3
    noise_psd_w_hz: float = 0.0
    pathloss_ref: float = 10**-0.81
    pathloss_exp: float = 3.76
    wired_factor_bit_m_s: float = 5e10
    # limits
    share_min: float = 0.01
    deadline_s: float = 0.1
    rate_floor_bps: float = 1.0
    cpu_floor_hz: float = 1.0
    # objective
    weight_latency: float = 0.5
    latency_ref_s: float = 0.078
    energy_ref_j: float = 0.624
    reward_offset: float = 1.0
    team_weight: float = 1.0
    # extensions
    local_dvfs: bool = False
    bg_load_mean: float = 0.0
    bg_load_std: float = 0.0
    bg_load_max: float = 0.9
    twin_sync_every: int = 1
    twin_cpu_err: float = 0.0
    twin_bw_err: float = 0.0
    split_temp: float = 5.0
    split_min: float = 0.05
    # scales of the observation
    obs_task_bits: float = 200e3
    obs_dist_m: float = 1000.0
    obs_cpu_hz: float = 25e9
    obs_bandwidth_hz: float = 20e6


@dataclass(frozen=True)
class State:
    t: int
    pos_m: Array  # [M,2]
    heading_rad: Array  # [M], in [0, 2 pi)
    # of the slot about to be played
    task_bits: Array  # [M]
    fade: Array  # [M,N], power gain of each link
    bg_load: Array  # [N]
    twin_bias: Array  # [2,N], CPU and bandwidth
    order: Array  # [M], order[k] = id acting in turn k


@dataclass(frozen=True)
class Pools:
    """What is free at each ES in this moment, and what the twin says is free. All [N]."""

    cpu: Array
    bw: Array
    twin_cpu: Array
    twin_bw: Array


@dataclass(frozen=True)
class Vehicle:
    """What one CV brings into its turn."""

    task_bits: float
    dist: Array  # [N]
    fade: Array  # [N]
    cpu_hz: float


@dataclass(frozen=True)
class Decision:
    """One CV's decoded action."""

    split: Array  # [N+1], parts of the task: local, ES 1..N
    power_w: float
    share_cpu: float
    share_bw: float


# ---------------------------------------------------------------------------------------------------------------- draws


def sample_reset_draws(rng: np.random.Generator, sizes: Sizes) -> Draws:
    draws = sample_step_draws(rng, sizes)
    del draws["n_heading"]
    return draws | {"u_pos": rng.random((sizes.n_vehicles, 2)), "u_heading": rng.random(sizes.n_vehicles)}


def sample_step_draws(rng: np.random.Generator, sizes: Sizes) -> Draws:
    m, n = sizes.n_vehicles, sizes.n_servers
    return {
        "n_heading": rng.standard_normal(m),
        "u_task": rng.random(m),
        "e_fade": rng.standard_exponential((m, n)),
        "n_bg": rng.standard_normal(n),
        "u_twin": rng.uniform(-1.0, 1.0, (2, n)),
        "u_order": rng.random(m),
    }


def slot_variables(draws: Draws, params: Params, sizes: Sizes) -> dict[str, Array]:
    """The part of the state that belongs to one slot and is redrawn for the next."""
    load = params.bg_load_mean + params.bg_load_std * _f64(draws["n_bg"])
    error = np.array([[params.twin_cpu_err], [params.twin_bw_err]])
    order = np.argsort(draws["u_order"], kind="stable") if sizes.shuffle_order else np.arange(sizes.n_vehicles)
    return {
        "task_bits": params.task_bits * (1 + params.task_spread * (2 * _f64(draws["u_task"]) - 1)),
        "fade": _f64(draws["e_fade"]),
        "bg_load": np.clip(load, 0.0, params.bg_load_max),
        "twin_bias": error * _f64(draws["u_twin"]),
        "order": order,
    }


def reset_with_draws(draws: Draws, params: Params, sizes: Sizes) -> State:
    return State(
        t=0,
        pos_m=params.area_m * _f64(draws["u_pos"]),
        heading_rad=2 * np.pi * _f64(draws["u_heading"]),
        **slot_variables(draws, params, sizes),
    )


# ------------------------------------------------------------------------------------------------------------- geometry


def _f64(value) -> Array:
    return np.asarray(value, dtype=np.float64)


def per_server(value: float | Array, sizes: Sizes) -> Array:
    return np.broadcast_to(_f64(value), (sizes.n_servers,))


def es_positions(params: Params, sizes: Sizes) -> Array:
    """[N,2]"""
    if params.es_pos_m is not None:
        return _f64(params.es_pos_m)
    centre = np.array([params.area_m / 2, params.area_m / 2])
    if sizes.n_servers == 1:
        return centre[None]
    angle = np.pi / 2 + 2 * np.pi * np.arange(sizes.n_servers) / sizes.n_servers
    return centre + 0.3 * params.area_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def distances(state: State, params: Params, sizes: Sizes) -> Array:
    """[M,N], not below dist_min_m (6)."""
    offset = state.pos_m[:, None, :] - es_positions(params, sizes)[None, :, :]
    return np.maximum(np.sqrt((offset**2).sum(axis=2)), params.dist_min_m)


def reach(dist: Array, params: Params) -> tuple[list[int], bool]:
    """Of one CV: the ES its upload goes to, for each target; and whether it has a radio link at all."""
    near = int(np.argmin(dist))
    access = [j if dist[j] <= params.radius_m else near for j in range(len(dist))]
    return access, not params.hard_radius or bool(dist[near] <= params.radius_m)


def move(state: State, n_heading: Array, params: Params, sizes: Sizes) -> tuple[Array, Array]:
    """Positions and headings one slot later."""
    heading = state.heading_rad + params.heading_sigma_rad * _f64(n_heading)
    direction = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    pos = state.pos_m + params.speed_mps * params.slot_s * direction
    if sizes.boundary == "reflect":
        below, above = pos < 0, pos > params.area_m
        pos = np.where(below, -pos, np.where(above, 2 * params.area_m - pos, pos))
        direction = np.where(below | above, -direction, direction)
        bounced = (below | above).any(axis=1)
        heading = np.where(bounced, np.arctan2(direction[:, 1], direction[:, 0]), heading)
    elif sizes.boundary != "open":
        raise ValueError(f"unknown boundary {sizes.boundary!r}")
    return pos, np.mod(heading, 2 * np.pi)


# -------------------------------------------------------------------------------------------------------------- actions


def unit(raw: Array) -> Array:
    """[-1,1] to [0,1], clipped."""
    return (np.clip(_f64(raw), -1.0, 1.0) + 1.0) / 2.0


def raw_to_action(raw: Array, sizes: Sizes) -> Action:
    """Flat actions [...,A] in [-1,1] as named ones [...]."""
    raw, n = _f64(raw), sizes.n_servers
    if sizes.partition:
        first, rest = {"split": raw[..., : n + 1]}, raw[..., n + 1 :]
    else:
        target = np.minimum(np.floor(unit(raw[..., 0]) * (n + 1)), n).astype(int)
        first, rest = {"target": target}, raw[..., 1:]
    return first | {"power": rest[..., 0], "cpu": rest[..., 1], "bandwidth": rest[..., 2]}


def decode(action: Action, params: Params, sizes: Sizes) -> Decision:
    """Named action of one CV."""
    if sizes.partition:
        logit = params.split_temp * np.clip(_f64(action["split"]), -1.0, 1.0)
        q = np.exp(logit - logit.max())
        q = q / q.sum()
        q = np.where(q < params.split_min, 0.0, q)
        q = q / q.sum()
    else:
        q = np.zeros(sizes.n_servers + 1)
        q[int(action["target"])] = 1.0
    share = {name: max(float(unit(action[name])), params.share_min) for name in ("power", "cpu", "bandwidth")}
    return Decision(q, params.tx_power_max_w * share["power"], share["cpu"], share["bandwidth"])


def decode_raw(raw: Array, params: Params, sizes: Sizes) -> Decision:
    """Flat action [A] of one CV."""
    return decode(raw_to_action(raw, sizes), params, sizes)


# ------------------------------------------------------------------------------------------------------------- one turn


def open_pools(state: State, params: Params, sizes: Sizes) -> Pools:
    cpu = per_server(params.es_cpu_hz, sizes) * (1 - state.bg_load)
    bw = per_server(params.es_bandwidth_hz, sizes)
    return sync(Pools(cpu, bw, cpu, bw), state)


def sync(pools: Pools, state: State) -> Pools:
    """The twin looks at the servers."""
    bias = state.twin_bias
    return replace(pools, twin_cpu=pools.cpu * (1 + bias[0]), twin_bw=pools.bw * (1 + bias[1]))


def take_turn(cv: Vehicle, decision: Decision, pools: Pools, params: Params, sizes: Sizes) -> tuple[Pools, dict]:
    """One CV acts: what is left for the others, and what its task is granted, takes and costs."""
    servers, q, zeta = range(sizes.n_servers), decision.split.tolist(), params.cycles_per_bit
    es, kappa = es_positions(params, sizes), per_server(params.es_kappa, sizes)
    access, in_range = reach(cv.dist, params)

    # requests are made on the twin, grants come from what is left (25), (26)
    used = [q[j + 1] > 0 for j in servers]
    part = [q[j + 1] * cv.task_bits for j in servers]
    link_bits = [sum(part[j] for j in servers if access[j] == a) for a in servers]
    cpu_hz, bw_hz, short = np.zeros(sizes.n_servers), np.zeros(sizes.n_servers), False
    for j in servers:
        if used[j] and in_range:
            request = decision.share_cpu * pools.twin_cpu[j]
            cpu_hz[j] = min(request, pools.cpu[j])
            short |= bool(cpu_hz[j] < request)
        if link_bits[j] > 0 and in_range:
            request = decision.share_bw * pools.twin_bw[j]
            bw_hz[j] = min(request, pools.bw[j])
            short |= bool(bw_hz[j] < request)
    left = replace(pools, cpu=np.maximum(pools.cpu - cpu_hz, 0.0), bw=np.maximum(pools.bw - bw_hz, 0.0))

    # upload to each access ES in use (5), (7), (14)
    rate_bps, up_s, radio_j = np.zeros(sizes.n_servers), [0.0] * sizes.n_servers, 0.0
    for a in servers:
        if link_bits[a] > 0:
            power = decision.power_w * link_bits[a] / sum(link_bits)
            noise = params.noise_w + params.noise_psd_w_hz * max(bw_hz[a], 1.0)
            snr = power * params.pathloss_ref * cv.fade[a] * cv.dist[a] ** -params.pathloss_exp / noise
            rate_bps[a] = bw_hz[a] * math.log2(1 + snr)
            up_s[a] = link_bits[a] / max(rate_bps[a], params.rate_floor_bps)
            radio_j += power * min(up_s[a], params.deadline_s)

    # wire and processor of each target in use (4), (8)-(11), (13)
    path_s, wire_s, compute_s, es_j = [], [0.0], [], 0.0
    for j in servers:
        if used[j]:
            wire_s.append(part[j] * math.dist(es[access[j]], es[j]) / params.wired_factor_bit_m_s)
            compute_s.append(zeta * part[j] / max(cpu_hz[j], params.cpu_floor_hz))
            path_s.append(up_s[access[j]] + wire_s[-1] + compute_s[-1])
            es_j += kappa[j] * zeta * part[j] * cpu_hz[j] ** 2

    # own processor (3), (12)
    own_hz = cv.cpu_hz * (decision.share_cpu if params.local_dvfs else 1.0)
    if q[0] > 0:
        compute_s.append(zeta * q[0] * cv.task_bits / own_hz)
        path_s.append(compute_s[-1])
    local_j = params.cv_kappa * zeta * q[0] * cv.task_bits * own_hz**2

    # cost (15)-(17), (23)
    latency, energy = min(max(path_s), params.deadline_s), radio_j + es_j + local_j
    weight = params.weight_latency
    return left, {
        "split": decision.split,
        "cpu_hz": cpu_hz,  # at the target
        "bw_hz": bw_hz,  # at the access ES
        "rate_bps": rate_bps,  # 0 where there is no link
        "latency_s": latency,
        "energy_j": energy,
        "cost": weight * latency / params.latency_ref_s + (1 - weight) * energy / params.energy_ref_j,
        "timeout": max(path_s) > params.deadline_s,
        # for the means over CVs
        "up_s": min(max(up_s), params.deadline_s),
        "wire_s": max(wire_s),
        "compute_s": min(max(compute_s), params.deadline_s),
        "radio_j": radio_j,
        "es_j": es_j,
        "local_j": local_j,
        "near": sum(q[j + 1] for j in servers if access[j] == j),
        "beyond": any(link_bits[a] > 0 and cv.dist[a] > params.radius_m for a in servers),
        "short": short,
    }


def play_turns(state: State, policy: Policy, params: Params, sizes: Sizes) -> tuple[list, list, list]:
    """All turns of a slot, one CV after the other. Actions, observations and outcomes, each in order of ids."""
    m = sizes.n_vehicles
    actions, rows, outcomes = [None] * m, [None] * m, [None] * m
    dist, cpu_hz = distances(state, params, sizes), np.broadcast_to(params.cv_cpu_hz, (m,))
    pools = open_pools(state, params, sizes)
    for k in range(m):
        i = int(state.order[k])
        if k % int(params.twin_sync_every) == 0:
            pools = sync(pools, state)
        rows[i] = observation(i, k, pools, state, params, sizes)
        actions[i] = policy(rows[i], i, k)
        cv = Vehicle(float(state.task_bits[i]), dist[i], state.fade[i], float(cpu_hz[i]))
        pools, outcomes[i] = take_turn(cv, decode(actions[i], params, sizes), pools, params, sizes)
    return actions, rows, outcomes


# --------------------------------------------------------------------------------------------------------- observations


def _log_fade(fade: Array) -> Array:
    return np.clip(np.log10(np.maximum(fade, 1e-12)), -3.0, 1.0)


def observation(i: int, k: int, pools: Pools, state: State, params: Params, sizes: Sizes) -> Array:
    """[O] what CV i sees in turn k (20)."""
    return np.concatenate(
        [
            [state.task_bits[i] / params.obs_task_bits],
            np.minimum(distances(state, params, sizes)[i] / params.obs_dist_m, 3.0),
            _log_fade(state.fade[i]),
            pools.twin_cpu / params.obs_cpu_hz,
            pools.twin_bw / params.obs_bandwidth_hz,
            [k / max(sizes.n_vehicles - 1, 1)],
            *(later(k, state, params, sizes) if sizes.obs_later else []),
        ]
    )


def later(k: int, state: State, params: Params, sizes: Sizes) -> tuple[Array, Array]:
    """[N], [N] of the CVs after turn k: how many hear each ES best, and their bits, by what is to be expected of M-1 CVs."""
    users, bits = np.zeros(sizes.n_servers), np.zeros(sizes.n_servers)
    dist = distances(state, params, sizes)
    for i in state.order[k + 1 :]:
        best = np.argmax(params.pathloss_ref * state.fade[i] * dist[i] ** -params.pathloss_exp)
        users[best] += 1
        bits[best] += state.task_bits[i]
    each = max(sizes.n_vehicles - 1, 1) / sizes.n_servers
    return users / each, bits / (each * params.obs_task_bits)


def observe_opening(state: State, params: Params, sizes: Sizes) -> Array:
    """[M,O] what each CV sees between slots: the opening twin and its own turn."""
    pools, turn = open_pools(state, params, sizes), np.argsort(state.order)
    return np.stack([observation(i, turn[i], pools, state, params, sizes) for i in range(sizes.n_vehicles)])


def base_state(state: State, params: Params, sizes: Sizes) -> Array:
    """[G] the state g of critics, without residues."""
    pools = open_pools(state, params, sizes)
    parts = [
        state.task_bits / params.obs_task_bits,
        np.minimum(distances(state, params, sizes) / params.obs_dist_m, 3.0).ravel(),
        _log_fade(state.fade).ravel(),
        pools.twin_cpu / params.obs_cpu_hz,
        pools.twin_bw / params.obs_bandwidth_hz,
    ]
    if sizes.shuffle_order:
        parts.append(np.argsort(state.order) / max(sizes.n_vehicles - 1, 1))
    return np.concatenate(parts)


# ------------------------------------------------------------------------------------------------------------- one slot


def play_slot(state: State, policy: Policy, params: Params, sizes: Sizes) -> tuple[Action, Array]:
    """Asks the policy in every turn. Returns all actions and what each CV saw, [M,O]."""
    actions, rows, _ = play_turns(state, policy, params, sizes)
    return {name: np.stack([a[name] for a in actions]) for name in actions[0]}, np.stack(rows)


def step_with_draws(
    state: State, action: Action, draws: Draws, params: Params, sizes: Sizes
) -> tuple[State, Array, dict, Array]:
    """One slot on given actions and draws: next state, rewards [M], all metrics, turn observations [M,O]."""

    def replay(_row: Array, i: int, _k: int) -> Action:
        return {name: value[i] for name, value in action.items()}

    _, rows, outcomes = play_turns(state, replay, params, sizes)
    per_cv = {name: np.array([o[name] for o in outcomes]) for name in outcomes[0]}
    own = params.reward_offset - per_cv["cost"]
    reward = params.team_weight * own.mean() + (1 - params.team_weight) * own
    pos, heading = move(state, draws["n_heading"], params, sizes)
    after = State(t=state.t + 1, pos_m=pos, heading_rad=heading, **slot_variables(draws, params, sizes))
    return after, reward, metrics(per_cv, own, state, params, sizes), np.stack(rows)


def truncated(state: State, sizes: Sizes) -> bool:
    return state.t >= sizes.horizon


def metrics(per_cv: dict[str, Array], own: Array, state: State, params: Params, sizes: Sizes) -> dict:
    latency, split = per_cv["latency_s"], per_cv["split"]
    offloaders = max(int((split[:, 0] < 1).sum()), 1)
    opened = open_pools(state, params, sizes)
    scalars = {
        "reward_mean": own.mean(),
        "reward_min": own.min(),
        "cost_mean": per_cv["cost"].mean(),
        "latency_mean_s": latency.mean(),
        "latency_max_s": latency.max(),
        "latency_up_mean_s": per_cv["up_s"].mean(),
        "latency_wire_mean_s": per_cv["wire_s"].mean(),
        "latency_cpu_mean_s": per_cv["compute_s"].mean(),
        "energy_mean_j": per_cv["energy_j"].mean(),
        "energy_radio_mean_j": per_cv["radio_j"].mean(),
        "energy_cpu_local_mean_j": per_cv["local_j"].mean(),
        "energy_cpu_es_mean_j": per_cv["es_j"].mean(),
        "timeout_rate": per_cv["timeout"].mean(),
        "frac_local": split[:, 0].mean(),
        "frac_near": per_cv["near"].mean(),
        "frac_remote": 1 - split[:, 0].mean() - per_cv["near"].mean(),
        "beyond_radius_rate": per_cv["beyond"].sum() / offloaders,
        "short_grant_rate": per_cv["short"].sum() / offloaders,
        "cpu_util": (per_cv["cpu_hz"].sum(axis=0) / opened.cpu).mean(),
        "bw_util": (per_cv["bw_hz"].sum(axis=0) / opened.bw).mean(),
        "jain_latency": latency.sum() ** 2 / (sizes.n_vehicles * (latency**2).sum()),
    }
    arrays = ("latency_s", "energy_j", "cost", "cpu_hz", "bw_hz", "rate_bps", "split", "timeout")
    return {name: float(x) for name, x in scalars.items()} | {f"turn_{name}": per_cv[name] for name in arrays}


# ------------------------------------------------------------------------------------------------------- fixed policies


def fair_share(x: float, k: int, sizes: Sizes) -> float:
    """Part of the residue that leaves as much for each later user expected at the same server."""
    return 1 / (1 + x * (sizes.n_vehicles - 1 - k) / sizes.n_servers)


def simple_action(target: int, share: float, sizes: Sizes) -> Action:
    """Everything to one target at full power, the same share of CPU and bandwidth."""
    rest = {"power": 1.0, "cpu": 2 * share - 1, "bandwidth": 2 * share - 1}
    if sizes.partition:
        return {"split": np.where(np.arange(sizes.n_servers + 1) == target, 1.0, -1.0)} | rest
    return {"target": target} | rest


def read(obs: Array, params: Params, sizes: Sizes) -> tuple[Vehicle, Pools]:
    """An observation back in SI units: the CV, with the mean clock, and the pools as the twin shows them."""
    dist, log_fade, cpu, bw = obs[1:-1].reshape(4, sizes.n_servers)
    cv = Vehicle(obs[0] * params.obs_task_bits, dist * params.obs_dist_m, 10**log_fade, np.mean(params.cv_cpu_hz))
    cpu, bw = cpu * params.obs_cpu_hz, bw * params.obs_bandwidth_hz
    return cv, Pools(cpu, bw, cpu, bw)


def random(params: Params, sizes: Sizes, rng: np.random.Generator) -> Policy:
    width = 3 + (sizes.n_servers + 1 if sizes.partition else 1)
    return lambda obs, i, k: raw_to_action(rng.uniform(-1.0, 1.0, width), sizes)


def alcs(params: Params, sizes: Sizes, rng: np.random.Generator) -> Policy:
    return lambda obs, i, k: simple_action(0, 1.0, sizes)


def amcs(params: Params, sizes: Sizes, rng: np.random.Generator) -> Policy:
    def policy(obs: Array, i: int, k: int) -> Action:
        cv, pools = read(obs, params, sizes)
        free = pools.twin_cpu >= pools.twin_cpu.max() * (1 - 1e-9)
        return simple_action(1 + int(np.argmin(np.where(free, cv.dist, np.inf))), fair_share(1, k, sizes), sizes)

    return policy


def amcs_nearest(params: Params, sizes: Sizes, rng: np.random.Generator) -> Policy:
    def policy(obs: Array, i: int, k: int) -> Action:
        cv, _ = read(obs, params, sizes)
        return simple_action(1 + int(np.argmin(cv.dist)), fair_share(1, k, sizes), sizes)

    return policy


def rocs(params: Params, sizes: Sizes, rng: np.random.Generator) -> Policy:
    def policy(obs: Array, i: int, k: int) -> Action:
        target = 0 if rng.random() < 0.5 else int(rng.integers(1, sizes.n_servers + 1))
        return simple_action(target, fair_share(0.5, k, sizes), sizes)

    return policy


def greedy(params: Params, sizes: Sizes, rng: np.random.Generator) -> Policy:
    """The target that is cheapest for itself, if what it observes were exact and its clock the mean one."""

    def policy(obs: Array, i: int, k: int) -> Action:
        cv, pools = read(obs, params, sizes)
        choices = [simple_action(target, fair_share(1, k, sizes), sizes) for target in range(sizes.n_servers + 1)]
        outcomes = [take_turn(cv, decode(choice, params, sizes), pools, params, sizes)[1] for choice in choices]
        return choices[int(np.argmin([out["cost"] for out in outcomes]))]

    return policy


POLICIES: dict[str, Callable[[Params, Sizes, np.random.Generator], Policy]] = {
    "random": random,
    "alcs": alcs,
    "rocs": rocs,
    "amcs_nearest": amcs_nearest,
    "amcs": amcs,
    "greedy": greedy,
}


# --------------------------------------------------------------------------------------------------------- sanity table


PRESETS: dict[str, tuple[Params, Sizes]] = {
    "base": (Params(), Sizes()),
    "contended": (Params(es_cpu_hz=15e9), Sizes(n_vehicles=40)),
    "fig7": (Params(), Sizes(boundary="open")),
}


def run_episodes(
    make: Callable, params: Params, sizes: Sizes, episodes: int, slots: int, seed: int = 0
) -> dict[str, Array]:
    """Every scalar metric of every slot, each [episodes, slots]. The same seed gives every policy the same world."""
    world, chance = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    policy, rows = make(params, sizes, chance), []
    for _ in range(episodes):
        state = reset_with_draws(sample_reset_draws(world, sizes), params, sizes)
        rows.append([])
        for _ in range(slots):
            action, _ = play_slot(state, policy, params, sizes)
            state, _, info, _ = step_with_draws(state, action, sample_step_draws(world, sizes), params, sizes)
            rows[-1].append(info)
    names = [name for name, value in rows[0][0].items() if isinstance(value, float)]
    return {name: np.array([[slot[name] for slot in episode] for episode in rows]) for name in names}


# reward, its standard deviation over episodes, latency, upload, energy, energy of the servers, time-outs, local, near,
# remote, CPU used, Jain
DOCUMENTED: dict[str, tuple[float, ...]] = {
    "random": (0.698, 0.032, 0.0358, 0.0115, 0.0904, 0.0396, 0.169, 0.25, 0.43, 0.32, 0.73, 0.58),
    "alcs": (0.681, 0.014, 0.0249, 0.0, 0.1994, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.93),
    "rocs": (0.780, 0.022, 0.0177, 0.0012, 0.1332, 0.0308, 0.005, 0.51, 0.29, 0.20, 0.66, 0.71),
    "amcs_nearest": (0.897, 0.022, 0.0130, 0.0028, 0.0243, 0.0237, 0.008, 0.0, 1.0, 0.0, 0.83, 0.72),
    "amcs": (0.914, 0.012, 0.0105, 0.0029, 0.0238, 0.0233, 0.006, 0.0, 0.65, 0.35, 0.91, 0.86),
    "greedy": (0.918, 0.006, 0.0097, 0.0019, 0.0247, 0.0233, 0.0, 0.01, 0.83, 0.16, 0.90, 0.90),
}
COLUMNS = (
    "latency_mean_s",
    "latency_up_mean_s",
    "energy_mean_j",
    "energy_cpu_es_mean_j",
    "timeout_rate",
    "frac_local",
    "frac_near",
    "frac_remote",
    "cpu_util",
    "jain_latency",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="base", choices=PRESETS)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--slots", type=int, default=4)
    args = parser.parse_args()
    for name, make in POLICIES.items():
        seen = run_episodes(make, *PRESETS[args.preset], args.episodes, args.slots)
        reward = seen["reward_mean"]
        line = [reward.mean(), reward.mean(axis=1).std(), *(seen[column].mean() for column in COLUMNS)]
        print(f"{name:>12} " + " ".join(f"{x:8.4f}" for x in line))
        if args.preset == "base":
            print(f"{'documented':>12} " + " ".join(f"{x:8.4f}" for x in DOCUMENTED[name]))


if __name__ == "__main__":
    main()
