"""Reference simulator of multi-queue task offloading and CPU sharing in a digital-twin edge network.

Plain float64 NumPy, one world, no batching and no compilation: slow and easy to read. It is written from the
specification alone, that is the paper on LLM-based task offloading for digital-twin edge networks with the errata as
documented in jaxvec.envs.dt_edge, and shares no code with that module, so the two can be compared number by number on the
same draws. Numbers in parentheses are equations of the paper.

Shapes: N vehicles, K types of tasks; a stream is one type of one vehicle. Units are SI (bit, Hz, W, s, J, m) plus CPU
cycles. Actions are decoded requests: `omega` [N,K], offloaded part of each task, and `alpha` [N,K], share of the server.

Run as a script it prints the metrics of the fixed policies next to the documented numbers.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import j0

Array = np.ndarray
Draws = dict[str, Array]
Action = dict[str, Array]


@dataclass(frozen=True)
class Sizes:
    n_vehicles: int = 10
    n_types: int = 3
    n_lanes: int = 3
    horizon: int = 100
    bandwidth_shared: bool = True
    latency_combine: str = "sum"  # or "max"
    queue_wait: bool = False
    reward_mode: str = "p2"  # or "eq27"
    drift_mode: str = "exact"  # or "bound"
    shared_reward: bool = True  # else each vehicle's own


@dataclass(frozen=True)
class Params:
    slot_s: float = 0.1
    # radio
    bandwidth_hz: float = 20e6
    tx_power_w: float = 0.2
    noise_w: float = 1e-14
    carrier_hz: float = 2e9
    light_speed_mps: float = 3e8
    pathloss_const_db: float = 128.1
    pathloss_slope_db: float = 37.6
    shadow_std_db: float = 8.0
    shadow_decorr_m: float = 50.0
    rate_min_bps: float = 1e3
    # road
    road_half_length_m: float = 500.0
    lane_offset_m: float = 8.0
    lane_width_m: float = 3.75
    bs_height_m: float = 10.0
    vehicle_height_m: float = 1.5
    speed_min_mps: float = 10.0
    speed_max_mps: float = 15.0
    # tasks
    task_bits_min: float = 0.8e6
    task_bits_max: float = 1.2e6
    cycles_per_bit: float | Array = 312.5  # scalar or [K]
    t_max_s: float | Array = 0.1  # scalar or [K]
    latency_cap_s: float = 0.5
    # processors
    vehicle_cpu_hz: float = 5e9
    server_cpu_hz: float = 400e9
    server_cores: float = 10.0
    kappa_vehicle: float = 1e-28
    kappa_server: float = 1.5625e-32
    cpu_bias_mean_hz: float = 0.5e9
    cpu_bias_halfwidth_hz: float = 0.0
    cpu_eff_min_hz: float = 1e8
    # shares and objective
    alpha_min: float = 0.005
    alpha_max: float = 0.25
    energy_weight: float = 0.25
    beta: float = 1.0
    eta_capacity: float = 1.0


@dataclass(frozen=True)
class State:
    t: int
    x_m: Array  # [N], in [-L, L)
    lane: Array  # [N]
    speed_mps: Array  # [N], constant
    shadow_db: Array  # [N]
    fading_re: Array  # [N]
    fading_im: Array  # [N]
    fading_corr: Array  # [N], constant
    shadow_corr: Array  # [N], constant
    task_bits: Array  # [N,K] of the slot about to be played
    queue_bits: Array  # [K]
    cpu_bias_hz: Array  # [N,K], constant


PRESETS: dict[str, tuple[dict, dict]] = {  # what differs from the defaults: of Params, of Sizes
    "balanced": ({}, {}),
    "table1": (
        {"task_bits_min": 8e3, "task_bits_max": 12e3, "cycles_per_bit": 31250.0, "kappa_server": 1.5625e-35},
        {"bandwidth_shared": False},
    ),
    "dense": ({"server_cpu_hz": 100e9, "kappa_server": 1e-30}, {"bandwidth_shared": False, "queue_wait": True}),
    "eq27": ({}, {"reward_mode": "eq27"}),
}


def preset(name: str, **sizes) -> tuple[Params, Sizes]:
    numbers, static = PRESETS[name]
    return Params(**numbers), Sizes(**(static | sizes))


# ---------------------------------------------------------------------------------------------------------------- draws


def sample_reset_draws(rng: np.random.Generator, sizes: Sizes) -> Draws:
    n, k = sizes.n_vehicles, sizes.n_types
    return {
        "u_x": rng.random(n),
        "u_speed": rng.random(n),
        "z_shadow": rng.standard_normal(n),
        "z_fading": rng.standard_normal((n, 2)),
        "u_task": rng.random((n, k)),
        "u_bias": rng.uniform(-1.0, 1.0, (n, k)),
    }


def sample_step_draws(rng: np.random.Generator, sizes: Sizes) -> Draws:
    n, k = sizes.n_vehicles, sizes.n_types
    return {
        "z_shadow": rng.standard_normal(n),
        "z_fading": rng.standard_normal((n, 2)),
        "u_task": rng.random((n, k)),
    }


def reset_with_draws(draws: Draws, params: Params, sizes: Sizes) -> State:
    p, d = params, {name: _f64(x) for name, x in draws.items()}
    speed = p.speed_min_mps + (p.speed_max_mps - p.speed_min_mps) * d["u_speed"]
    return State(
        t=0,
        x_m=p.road_half_length_m * (2 * d["u_x"] - 1),
        lane=np.arange(sizes.n_vehicles) % sizes.n_lanes,
        speed_mps=speed,
        shadow_db=p.shadow_std_db * d["z_shadow"],
        fading_re=d["z_fading"][:, 0] / math.sqrt(2),
        fading_im=d["z_fading"][:, 1] / math.sqrt(2),
        fading_corr=j0(2 * np.pi * speed * p.carrier_hz / p.light_speed_mps * p.slot_s),
        shadow_corr=np.exp(-speed * p.slot_s / p.shadow_decorr_m),
        task_bits=task_sizes(d["u_task"], p),
        queue_bits=np.zeros(sizes.n_types),
        cpu_bias_hz=p.cpu_bias_mean_hz + p.cpu_bias_halfwidth_hz * d["u_bias"],
    )


def task_sizes(u_task: Array, params: Params) -> Array:
    return params.task_bits_min + (params.task_bits_max - params.task_bits_min) * u_task


def _f64(value) -> Array:
    return np.asarray(value, dtype=np.float64)


# ------------------------------------------------------------------------------------------------------ derived numbers


def per_type(value: float | Array, sizes: Sizes) -> Array:
    return np.broadcast_to(_f64(value), (sizes.n_types,))


def streams(sizes: Sizes) -> int:
    return sizes.n_vehicles * sizes.n_types


def share_floor(params: Params, sizes: Sizes) -> float:
    return min(params.alpha_min, 0.15 / streams(sizes))


def mean_task_bits(params: Params) -> float:
    return (params.task_bits_min + params.task_bits_max) / 2


def reference_cycles(params: Params, sizes: Sizes) -> float:
    """Cycles of the mean task."""
    return mean_task_bits(params) * float(per_type(params.cycles_per_bit, sizes).mean())


def reference_energy(params: Params, sizes: Sizes) -> float:
    """All tasks computed on board [J]."""
    return streams(sizes) * params.kappa_vehicle * params.vehicle_cpu_hz**2 * reference_cycles(params, sizes)


def reference_queue(params: Params, sizes: Sizes) -> float:
    """One slot's tasks of one type [bit]."""
    return sizes.n_vehicles * mean_task_bits(params)


def full_power(params: Params) -> float:
    """Of the whole server [W]."""
    return params.server_cores * params.kappa_server * (params.server_cpu_hz / params.server_cores) ** 3


def share_budget(state: State, params: Params, sizes: Sizes) -> float:
    """What the shares may add up to, the bias taken off (17d)."""
    least = streams(sizes) * share_floor(params, sizes)
    return max(1 - float(state.cpu_bias_hz.sum()) / params.server_cpu_hz, least)


# -------------------------------------------------------------------------------------------------------------- actions


def unit_to_action(u: Array, params: Params, sizes: Sizes) -> Action:
    """Outputs `u` [N,2K] in [0,1] as requests: shares are log-spaced."""
    u, k, low = _f64(u), sizes.n_types, share_floor(params, sizes)
    return {"omega": u[:, :k], "alpha": low * (params.alpha_max / low) ** u[:, k:]}


def softmax_to_action(z: Array, params: Params, sizes: Sizes) -> Action:
    """Logits `z` [N,2K] as requests, one softmax over a vehicle's row: the printed actor."""
    y = np.exp(_f64(z) - np.max(z, axis=1, keepdims=True))
    y, k = y / y.sum(axis=1, keepdims=True), sizes.n_types
    alpha = np.clip(0.5 * y[:, k:], share_floor(params, sizes), params.alpha_max)
    return {"omega": np.clip(y[:, :k], 0.01, 0.99), "alpha": alpha}


def project(alpha_req: Array, budget: float, params: Params, sizes: Sizes) -> tuple[Array, float]:
    """Feasible shares [N,K], and the sum of the bounded requests."""
    low = share_floor(params, sizes)
    a = np.clip(_f64(alpha_req), low, params.alpha_max)
    asked, least = float(a.sum()), streams(sizes) * low
    if asked > budget:
        return low + (a - low) * (budget - least) / (asked - least), asked
    return a, asked


# ------------------------------------------------------------------------------------------------------------- one slot


def gains(state: State, params: Params) -> Array:
    """Power gain of each vehicle's link [N] (3)."""
    p = params
    across = p.lane_offset_m + p.lane_width_m * state.lane
    distance = np.sqrt(state.x_m**2 + across**2 + (p.bs_height_m - p.vehicle_height_m) ** 2)
    loss_db = p.pathloss_const_db + p.pathloss_slope_db * np.log10(distance / 1000) + state.shadow_db
    return (state.fading_re**2 + state.fading_im**2) * 10 ** (-loss_db / 10)


def rates(state: State, params: Params, sizes: Sizes) -> Array:
    """[N] bit/s (2)."""
    band = params.bandwidth_hz / sizes.n_vehicles if sizes.bandwidth_shared else params.bandwidth_hz
    rate = band * np.log1p(params.tx_power_w * gains(state, params) / params.noise_w) / math.log(2)
    return np.maximum(rate, params.rate_min_bps)


def play_slot(state: State, action: Action, params: Params, sizes: Sizes) -> dict:
    """What the requests lead to: all metrics, rewards, and the queues after the slot (`next_queue_bits`)."""
    p, ref = params, reference_queue(params, sizes)
    bits, cycles, t_max = state.task_bits, per_type(p.cycles_per_bit, sizes), per_type(p.t_max_s, sizes)

    # feasible action (17d)
    omega, budget = np.clip(_f64(action["omega"]), 0.0, 1.0), share_budget(state, p, sizes)
    alpha, asked = project(action["alpha"], budget, p, sizes)

    # latency (7)-(10)
    rate = rates(state, p, sizes)
    t_local = (1 - omega) * bits * cycles / p.vehicle_cpu_hz
    t_tx = omega * bits / rate[:, None]
    t_comp = omega * bits * cycles / np.maximum(alpha * p.server_cpu_hz + state.cpu_bias_hz, p.cpu_eff_min_hz)
    service = p.slot_s * p.server_cpu_hz * alpha.sum(axis=0) / cycles
    wait = state.queue_bits * p.slot_s / service if sizes.queue_wait else np.zeros(sizes.n_types)
    t_edge = t_tx + t_comp + omega * wait
    t_raw = {"sum": t_local + t_edge, "max": np.maximum(t_local, t_edge)}[sizes.latency_combine]
    t = np.minimum(t_raw, p.latency_cap_s)

    # quality of service (11)-(13), energy (14)-(16)
    qos_n = (1 - t / t_max).mean(axis=1)
    e_local_n = p.kappa_vehicle * p.vehicle_cpu_hz**3 * t_local.sum(axis=1)
    e_edge = p.slot_s * full_power(p) * alpha.sum() ** 3

    # queues (5) and their drift, realised and as bounded in (24a)
    q, arrived = state.queue_bits, (omega * bits).sum(axis=0)
    q_next = q + arrived - np.minimum(q + arrived, service)
    drift_exact = 0.5 * ((q_next / ref) ** 2 - (q / ref) ** 2).mean()
    drift_bound = (q / ref * (arrived - service) / ref).mean()

    # reward (24), or (27)
    used = (alpha * p.server_cpu_hz + state.cpu_bias_hz).sum() / p.server_cpu_hz
    drift = {"exact": drift_exact, "bound": drift_bound}[sizes.drift_mode]
    energy = (sizes.n_vehicles * e_local_n + e_edge) / reference_energy(p, sizes)
    reward_n = {
        "p2": qos_n - p.energy_weight * energy - p.beta * drift,
        "eq27": qos_n - p.eta_capacity * (1 - used),
    }[sizes.reward_mode]

    e_sys = e_local_n.sum() + e_edge
    scalars = {
        "team_reward": reward_n.mean(),
        "qos_mean": qos_n.mean(),
        "latency_mean_s": t.mean(),
        "latency_max_s": t.max(),
        "tx_latency_mean_s": t_tx.mean(),
        "deadline_violation_rate": (t_raw > t_max).mean(),
        "timeout_rate": (t_raw > p.latency_cap_s).mean(),
        "energy_local_j": e_local_n.sum(),
        "energy_edge_j": e_edge,
        "energy_sys_j": e_sys,
        "resource_ratio": alpha.sum(),
        "capacity_used_frac": used,
        "request_ratio": asked,
        "offload_ratio": omega.mean(),
        "queue_total_bits": q_next.sum(),
        "queue_load": (arrived / service).mean(),
        "drift_exact": drift_exact,
        "drift_bound": drift_bound,
        "p1_cost": e_sys - qos_n.mean(),
        "rate_mean_bps": rate.mean(),
    }
    return {name: float(x) for name, x in scalars.items()} | {
        "oversubscribed": asked > budget,
        "reward_n": reward_n,
        "qos_n": qos_n,
        "energy_local_n_j": e_local_n,
        "rate_bps": rate,
        "omega": omega,
        "alpha": alpha,
        "t_local_s": t_local,
        "t_tx_s": t_tx,
        "t_comp_s": t_comp,
        "t_s": t,
        "wait_s": wait,
        "arrivals_bits": arrived,
        "service_bits": service,
        "served_bits": q + arrived - q_next,
        "next_queue_bits": q_next,
    }


def step_with_draws(
    state: State, action: Action, draws: Draws, params: Params, sizes: Sizes
) -> tuple[State, Array, dict]:
    """One slot on given requests and draws: next state, rewards [N], all metrics."""
    p, info, d = params, play_slot(state, action, params, sizes), {name: _f64(x) for name, x in draws.items()}
    half, rho = p.road_half_length_m, state.fading_corr
    fresh = np.sqrt((1 - rho**2) / 2)
    after = replace(
        state,
        t=state.t + 1,
        x_m=np.mod(state.x_m + state.speed_mps * p.slot_s + half, 2 * half) - half,
        shadow_db=state.shadow_corr * state.shadow_db
        + np.sqrt(1 - state.shadow_corr**2) * p.shadow_std_db * d["z_shadow"],
        fading_re=rho * state.fading_re + fresh * d["z_fading"][:, 0],
        fading_im=rho * state.fading_im + fresh * d["z_fading"][:, 1],
        task_bits=task_sizes(d["u_task"], p),
        queue_bits=info.pop("next_queue_bits"),
    )
    reward = np.full(sizes.n_vehicles, info["team_reward"]) if sizes.shared_reward else info["reward_n"]
    return after, reward, info


def truncated(state: State, sizes: Sizes) -> bool:
    return state.t >= sizes.horizon


# --------------------------------------------------------------------------------------------------------- observations


def row_features(state: State, params: Params, sizes: Sizes) -> Array:
    """[N,K+3] (25): tasks, position, speed, gain."""
    p = params
    half_bits = (p.task_bits_max - p.task_bits_min) / 2
    mid_speed, half_speed = (p.speed_max_mps + p.speed_min_mps) / 2, (p.speed_max_mps - p.speed_min_mps) / 2
    return np.column_stack(
        [
            (state.task_bits - mean_task_bits(p)) / half_bits,
            state.x_m / p.road_half_length_m,
            (state.speed_mps - mid_speed) / half_speed,
            np.clip((10 * np.log10(gains(state, p)) + 105) / 20, -3.0, 3.0),
        ]
    )


def queue_features(state: State, params: Params, sizes: Sizes) -> Array:
    """[K]"""
    return np.log1p(state.queue_bits / reference_queue(params, sizes))


def observe(state: State, params: Params, sizes: Sizes) -> Array:
    """[N,2K+3] what each vehicle sees."""
    queues = np.tile(queue_features(state, params, sizes), (sizes.n_vehicles, 1))
    return np.concatenate([row_features(state, params, sizes), queues], axis=1)


def central(state: State, params: Params, sizes: Sizes) -> Array:
    """[N(K+3)+K] all rows, and the queues once."""
    return np.concatenate([row_features(state, params, sizes).ravel(), queue_features(state, params, sizes)])


# ------------------------------------------------------------------------------------------------------- fixed policies


Policy = Callable[[State, Params, Sizes, np.random.Generator], Action]


def uniform(omega: float, alpha: float, sizes: Sizes) -> Action:
    shape = (sizes.n_vehicles, sizes.n_types)
    return {"omega": np.full(shape, omega), "alpha": np.full(shape, alpha)}


def equal_share(state: State, params: Params, sizes: Sizes) -> float:
    return share_budget(state, params, sizes) / streams(sizes)


def random(state: State, params: Params, sizes: Sizes, rng: np.random.Generator) -> Action:
    return unit_to_action(rng.random((sizes.n_vehicles, 2 * sizes.n_types)), params, sizes)


def softmax_random(state: State, params: Params, sizes: Sizes, rng: np.random.Generator) -> Action:
    return softmax_to_action(rng.standard_normal((sizes.n_vehicles, 2 * sizes.n_types)), params, sizes)


def local(state: State, params: Params, sizes: Sizes, rng: np.random.Generator) -> Action:
    return uniform(0.0, share_floor(params, sizes), sizes)


def starve(state: State, params: Params, sizes: Sizes, rng: np.random.Generator) -> Action:
    """Offloads everything and asks the server for nothing: queues grow."""
    return uniform(1.0, share_floor(params, sizes), sizes)


def offload_equal(state: State, params: Params, sizes: Sizes, rng: np.random.Generator) -> Action:
    return uniform(1.0, equal_share(state, params, sizes), sizes)


def half_equal(state: State, params: Params, sizes: Sizes, rng: np.random.Generator) -> Action:
    return uniform(0.5, equal_share(state, params, sizes), sizes)


def workload(state: State, params: Params, sizes: Sizes) -> Array:
    """Cycles of each task [N,K]."""
    return state.task_bits * per_type(params.cycles_per_bit, sizes)


def worth_s(work: Array, params: Params, sizes: Sizes) -> Array:
    """The energy of doing a task on board, as latency [N,K]."""
    mean_t_max = per_type(params.t_max_s, sizes).mean()
    return params.energy_weight * mean_t_max * work / reference_cycles(params, sizes)


def greedy_latency(state: State, params: Params, sizes: Sizes, rng: np.random.Generator) -> Action:
    """Equal shares; a task is offloaded where that is faster."""
    p, work, alpha = params, workload(state, params, sizes), equal_share(state, params, sizes)
    clock = np.maximum(alpha * p.server_cpu_hz + state.cpu_bias_hz, p.cpu_eff_min_hz)
    edge_s = state.task_bits / rates(state, p, sizes)[:, None] + work / clock
    return uniform(0.0, alpha, sizes) | {"omega": (edge_s < work / p.vehicle_cpu_hz).astype(float)}


def local_threshold(state: State, params: Params, sizes: Sizes, rng: np.random.Generator) -> Action:
    """Each vehicle from its own row: offloads where latency and energy together are better on a fair share."""
    p, work = params, workload(state, params, sizes)
    edge_s = state.task_bits / rates(state, p, sizes)[:, None] + work / (p.server_cpu_hz / streams(sizes))
    chosen = edge_s < work / p.vehicle_cpu_hz + worth_s(work, p, sizes)
    ask = 0.5 * p.alpha_max * np.sqrt(work / reference_cycles(p, sizes))
    return {"omega": chosen.astype(float), "alpha": np.where(chosen, ask, share_floor(p, sizes))}


def slot_optimum(state: State, params: Params, sizes: Sizes, rng: np.random.Generator) -> Action:
    """The best of many on/off plans for this one slot: upper reference of the others where latencies add up."""
    p, work, low = params, workload(state, params, sizes), share_floor(params, sizes)
    loss_s = state.task_bits / rates(state, p, sizes)[:, None] - work / p.vehicle_cpu_hz - worth_s(work, p, sizes)
    order, root = np.argsort(loss_s.ravel(), kind="stable"), np.sqrt(work).ravel()
    least = streams(sizes) * low
    best, best_reward = None, -math.inf
    for m in range(streams(sizes) + 1):
        chosen = np.zeros(streams(sizes), bool)
        chosen[order[:m]] = True
        weight = np.where(chosen, root, 0.0) / max(root[chosen].sum(), 1e-300)
        for total in np.linspace(least, share_budget(state, p, sizes), 7):
            alpha = np.minimum(low + (total - least) * weight, p.alpha_max)
            plan = {"omega": chosen.astype(float), "alpha": alpha}
            plan = {name: x.reshape(work.shape) for name, x in plan.items()}
            reward = play_slot(state, plan, p, sizes)["team_reward"]
            if reward > best_reward:
                best, best_reward = plan, reward
    return best


POLICIES: dict[str, Policy] = {
    "random": random,
    "softmax_random": softmax_random,
    "local": local,
    "offload_equal": offload_equal,
    "half_equal": half_equal,
    "greedy_latency": greedy_latency,
    "local_threshold": local_threshold,
    "starve": starve,
    "slot_optimum": slot_optimum,
}
QUICK = tuple(name for name in POLICIES if name != "slot_optimum")


# --------------------------------------------------------------------------------------------------------- sanity table


def run_episodes(
    policy: Policy, params: Params, sizes: Sizes, episodes: int, slots: int, seed: int = 0
) -> dict[str, Array]:
    """Every scalar metric of every slot, each [episodes, slots]. A seed gives every policy the same worlds."""
    world, chance, rows = np.random.default_rng(seed), np.random.default_rng(seed + 1), []
    for _ in range(episodes):
        state = reset_with_draws(sample_reset_draws(world, sizes), params, sizes)
        rows.append([])
        for _ in range(slots):
            action = policy(state, params, sizes, chance)
            state, _, info = step_with_draws(state, action, sample_step_draws(world, sizes), params, sizes)
            rows[-1].append(info)
    names = [name for name, value in rows[0][0].items() if isinstance(value, float)]
    return {name: np.array([[slot[name] for slot in episode] for episode in rows]) for name in names}


COLUMNS = ("qos_mean", "latency_mean_s", "deadline_violation_rate", "energy_local_j", "energy_edge_j", "offload_ratio")

# rewards, their standard deviation over 200 episodes of 100 slots, quality of service, latency
DOCUMENTED: dict[int, dict[str, tuple[float, ...]]] = {
    4: {
        "random": (0.191, 0.082, 0.329, 0.0671),
        "softmax_random": (0.145, 0.035, 0.374, 0.0626),
        "local": (0.125, 0.003, 0.375, 0.0625),
        "offload_equal": (0.527, 0.145, 0.552, 0.0448),
        "half_equal": (0.302, 0.087, 0.452, 0.0548),
        "greedy_latency": (0.595, 0.074, 0.649, 0.0351),
        "local_threshold": (0.607, 0.067, 0.648, 0.0352),
        "starve": (-7.072, 0.185, -0.594, 0.1594),
    },
    7: {
        "random": (0.041, 0.089, 0.180, 0.0820),
        "softmax_random": (0.092, 0.039, 0.314, 0.0686),
        "local": (0.125, 0.002, 0.375, 0.0625),
        "offload_equal": (0.233, 0.154, 0.247, 0.0753),
        "half_equal": (0.152, 0.094, 0.291, 0.0709),
        "greedy_latency": (0.364, 0.066, 0.476, 0.0524),
        "local_threshold": (0.414, 0.053, 0.474, 0.0526),
        "starve": (-7.296, 0.167, -0.822, 0.1822),
    },
    10: {  # also late tasks, local energy, energy of the server, offloaded
        "random": (-0.109, 0.100, 0.025, 0.0975, 0.294, 11.72, 0.891, 0.50),
        "softmax_random": (0.037, 0.046, 0.255, 0.0745, 0.070, 19.54, 0.892, 0.17),
        "local": (0.125, 0.002, 0.375, 0.0625, 0.000, 23.44, 0.003, 0.00),
        "offload_equal": (-0.049, 0.168, -0.039, 0.1039, 0.306, 0.00, 0.892, 1.00),
        "half_equal": (0.002, 0.108, 0.136, 0.0864, 0.160, 11.72, 0.892, 0.50),
        "greedy_latency": (0.205, 0.042, 0.399, 0.0601, 0.000, 17.30, 0.892, 0.26),
        "local_threshold": (0.295, 0.036, 0.406, 0.0594, 0.000, 9.47, 0.889, 0.60),
        "starve": (-7.516, 0.175, -1.030, 0.2030, 1.000, 0.00, 0.003, 1.00),
    },
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="balanced", choices=PRESETS)
    parser.add_argument("--vehicles", type=int, default=10)
    parser.add_argument("--bias", type=float, default=0.5e9)
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--policies", nargs="+", default=QUICK, choices=POLICIES)
    args = parser.parse_args()
    params, sizes = preset(args.preset, n_vehicles=args.vehicles)
    params = replace(params, cpu_bias_mean_hz=args.bias)
    print(" " * 15, "reward (sd of episodes)", *COLUMNS)
    for name in args.policies:
        seen = run_episodes(POLICIES[name], params, sizes, args.episodes, args.slots)
        reward = seen["team_reward"]
        line = [reward.mean(), reward.mean(axis=1).std(), *(seen[column].mean() for column in COLUMNS)]
        print(f"{name:>15} " + " ".join(f"{x:9.4f}" for x in line))
        if (args.preset, args.bias) == ("balanced", 0.5e9) and name in DOCUMENTED.get(args.vehicles, ()):
            print(f"{'documented':>15} " + " ".join(f"{x:9.4f}" for x in DOCUMENTED[args.vehicles][name]))


if __name__ == "__main__":
    main()
