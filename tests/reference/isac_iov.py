"""Reference simulator of digital-twin-assisted offloading in an ISAC-enabled Internet of vehicles.

Plain float64 NumPy, one world, no batching and no compilation: slow and easy to read. It is written from the
specification alone, that is the paper (Zhan et al.) with the errata as documented in jaxvec.envs.isac_iov, and shares
no code with that module, so the two can be compared number by number on the same draws. Numbers in parentheses are
equations of the paper, C3..C8 its constraints.

Shapes: I vehicles, K roadside units (RSUs), m slots of queue history. Units are SI (bit, Hz, W, s, J, m) plus CPU
cycles.

Absent vehicles (recorded traffic) have no task: no RSU covers them, use no node, add nothing to any sum and are counted
in no mean, while their own queue goes on draining. n = max(number present, 1) takes the place of I wherever the model
divides by or multiplies with the number of vehicles.

Run as a script it prints the sanity table of the fixed policies next to the documented numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray
Draws = dict[str, Array]
Action = dict[str, Array]


@dataclass(frozen=True)
class Config:
    # shapes and switches
    n_vehicles: int = 5
    n_rsus: int = 3
    horizon: int = 30
    queue_window: int = 5
    bandwidth_mode: str = "system"  # or "per_vehicle" (literal C4)
    rsu_cpu_mode: str = "shared"  # or "common" (literal (10), (13), (17))
    drift_form: str = "bound"  # or "exact"
    dt_enabled: bool = True
    # time, road, mobility
    slot_s: float = 1.0
    road_length_m: float = 700.0
    lane_width_m: float = 3.75
    rsu_spacing_m: float = 150.0
    rsu_lateral_m: float = 9.375
    rsu_height_m: float = 10.0
    rsu_range_m: float = 200.0
    speed_min_mps: float = 12.0
    speed_max_mps: float = 16.0
    # radio
    bandwidth_hz: float = 20e6
    noise_w: float = 1e-13
    tx_power_w: float = 1.0
    sensing_gain: float = 1.5
    gain_at_1m_db: float = -38.4
    gain_slope_db: float = 21.0
    # tasks
    task_bits_min: float = 1e6
    task_bits_max: float = 3e6
    instr_bits_min: float = 1e4
    instr_bits_max: float = 3e4
    work_cpb_min: float = 1500.0
    work_cpb_max: float = 2000.0
    align_cpb_min: float = 100.0
    align_cpb_max: float = 500.0
    t_max_s: float = 1.0
    # processors and their energy
    veh_cpu_min_hz: float = 2e9
    veh_cpu_max_hz: float = 3e9
    rsu_cpu_hz: float | Array = 20e9  # scalar or [K]
    twin_cpu_hz: float | Array = 2e9  # scalar or [K]
    kappa_veh: float = 1e-26
    kappa_rsu: float = 1e-28
    # objective
    lyapunov_v: float = 5.0
    cost_weight: float = 0.6
    energy_budget_j: float = 40.0
    energy_ref_j: float = 1000.0
    q_loc_ref_cycles: float = 2.5e9
    q_rsu_ref_cycles: float = 18e9
    q_loc_init_max_cycles: float = 2.5e9
    q_rsu_init_max_cycles: float = 18e9
    # action decoding
    split_logit_scale: float = 3.0
    split_cut: float = 0.05
    share_floor: float = 0.05
    # extensions, off by default
    rsu_bg_prob: float = 0.0
    rsu_bg_max_cycles: float = 36e9
    twin_queue_err: float = 0.0
    violation_penalty: float = 0.0


@dataclass(frozen=True)
class State:
    t: int
    x_m: Array  # [I]
    y_m: Array  # [I]
    velocity_mps: Array  # [I], signed
    veh_cpu_hz: Array  # [I]
    work_cpb: Array  # [I]
    align_cpb: Array  # [I]
    task_bits: Array  # [I], the task about to be decided
    instr_bits: Array  # [I]
    q_loc_cycles: Array  # [I]
    q_rsu_cycles: Array  # [K]
    v_energy_j: float
    hist_loc: Array  # [m-1, 3, I], oldest first; (backlog at slot start, arrivals, departures)
    hist_rsu: Array  # [m-1, 3, K]
    twin_err: Array  # [K]
    present: Array  # bool [I]


# ---------------------------------------------------------------------------------------------------------------- draws


def reset_draws(rng: np.random.Generator, cfg: Config) -> Draws:
    """Everything random about the start of an episode, as final values."""
    i, k = cfg.n_vehicles, cfg.n_rsus
    return {
        "x_m": rng.uniform(0.0, cfg.road_length_m, i),
        "lane": rng.integers(0, 4, i),
        "speed_mps": rng.uniform(cfg.speed_min_mps, cfg.speed_max_mps, i),
        "veh_cpu_hz": rng.uniform(cfg.veh_cpu_min_hz, cfg.veh_cpu_max_hz, i),
        "work_cpb": rng.uniform(cfg.work_cpb_min, cfg.work_cpb_max, i),
        "align_cpb": rng.uniform(cfg.align_cpb_min, cfg.align_cpb_max, i),
        "task_bits": rng.uniform(cfg.task_bits_min, cfg.task_bits_max, i),
        "instr_bits": rng.uniform(cfg.instr_bits_min, cfg.instr_bits_max, i),
        "q_loc_cycles": rng.random(i) * cfg.q_loc_init_max_cycles,
        "q_rsu_cycles": rng.random(k) * cfg.q_rsu_init_max_cycles,
        "twin_err": rng.uniform(-1.0, 1.0, k),
    }


def step_draws(rng: np.random.Generator, cfg: Config) -> Draws:
    """Everything random about one slot. `h_power` = |h|^2 of a Rayleigh channel with unit mean power."""
    i, k = cfg.n_vehicles, cfg.n_rsus
    return {
        "h_power": rng.exponential(1.0, (i, k)),
        "bg_u": rng.random(k),
        "bg_size": rng.random(k),
        "next_task_bits": rng.uniform(cfg.task_bits_min, cfg.task_bits_max, i),
        "next_instr_bits": rng.uniform(cfg.instr_bits_min, cfg.instr_bits_max, i),
        "next_twin_err": rng.uniform(-1.0, 1.0, k),
    }


def reset_from(draws: Draws, cfg: Config) -> State:
    """First state of an episode. Recorded traffic may hand in `y_m`, `velocity_mps` and `present` as well."""
    lane = np.asarray(draws["lane"])
    direction = np.where(lane <= 1, 1.0, -1.0)  # lanes 0, 1 eastbound; 2, 3 westbound
    n_old = cfg.queue_window - 1
    return State(
        t=0,
        x_m=_f64(draws["x_m"]),
        y_m=_f64(draws.get("y_m", (lane - 1.5) * cfg.lane_width_m)),
        velocity_mps=_f64(draws.get("velocity_mps", direction * draws["speed_mps"])),
        veh_cpu_hz=_f64(draws["veh_cpu_hz"]),
        work_cpb=_f64(draws["work_cpb"]),
        align_cpb=_f64(draws["align_cpb"]),
        task_bits=_f64(draws["task_bits"]),
        instr_bits=_f64(draws["instr_bits"]),
        q_loc_cycles=_f64(draws["q_loc_cycles"]),
        q_rsu_cycles=_f64(draws["q_rsu_cycles"]),
        v_energy_j=0.0,
        hist_loc=np.zeros((n_old, 3, cfg.n_vehicles)),
        hist_rsu=np.zeros((n_old, 3, cfg.n_rsus)),
        twin_err=_f64(draws["twin_err"]),
        present=np.asarray(draws.get("present", np.ones(cfg.n_vehicles)), dtype=bool),
    )


# ------------------------------------------------------------------------------------------------------ parts of a slot


def _f64(value) -> Array:
    return np.asarray(value, dtype=np.float64)


def rsu_positions(cfg: Config) -> Array:
    """[K] positions along the road, centred on it."""
    k = np.arange(cfg.n_rsus)
    return cfg.road_length_m / 2 + (k - (cfg.n_rsus - 1) / 2) * cfg.rsu_spacing_m


def rsu_avail(cfg: Config) -> Array:
    """[K] processor speed of each RSU that the twin leaves to the vehicles (C6)."""
    return np.ones(cfg.n_rsus) * cfg.rsu_cpu_hz - np.ones(cfg.n_rsus) * cfg.twin_cpu_hz


def count_present(state: State) -> int:
    return max(int(state.present.sum()), 1)


def geometry(state: State, cfg: Config) -> tuple[Array, Array, Array]:
    """Offset along the road, distance to the antenna and coverage, each [I,K] (2), (3). Absent: not covered."""
    dx = rsu_positions(cfg)[None, :] - state.x_m[:, None]
    dy = (state.y_m - cfg.rsu_lateral_m)[:, None]
    ground = np.sqrt(dx**2 + dy**2)
    dist = np.sqrt(dx**2 + dy**2 + cfg.rsu_height_m**2)
    covered = (ground <= cfg.rsu_range_m) & state.present[:, None]
    return dx, dist, covered


def decode_split(split: Array, covered: Array, present: Array, cfg: Config) -> tuple[Array, Array]:
    """Split ratios (C5), ell_loc[I] and ell_rsu[I,K]: softmax over own CPU and covered RSUs, small parts dropped."""
    ell = np.zeros((cfg.n_vehicles, 1 + cfg.n_rsus))
    for i in range(cfg.n_vehicles):
        if not present[i]:
            continue
        usable = np.concatenate([[True], covered[i]])
        score = np.where(usable, cfg.split_logit_scale * split[i], -np.inf)
        p = np.exp(score - score.max())
        p = p / p.sum()
        p = np.where(p >= cfg.split_cut, p, 0.0)
        ell[i] = p / p.sum()
    return ell[:, 0], ell[:, 1:]


def decode_bandwidth(request: Array, active: Array, cfg: Config) -> Array:
    """Share of the band of each link, [I,K] (C4)."""
    w = np.where(active, cfg.share_floor + (1 - cfg.share_floor) * (request + 1) / 2, 0.0)
    share = w / np.maximum(1.0, w.sum(axis=1, keepdims=True))
    if cfg.bandwidth_mode == "system":
        share = share / max(1.0, share.sum())
    elif cfg.bandwidth_mode != "per_vehicle":
        raise ValueError(f"unknown bandwidth_mode {cfg.bandwidth_mode!r}")
    return share


def decode_rsu_cpu(request: Array, active: Array, cfg: Config) -> tuple[Array, Array]:
    """Cycles per second of each link, [I,K], and of each RSU, [K] (C6)."""
    avail = rsu_avail(cfg)
    u = np.where(active, cfg.share_floor + (1 - cfg.share_floor) * (request + 1) / 2, 0.0)
    freq = np.zeros_like(u)
    f_rsu = np.zeros(cfg.n_rsus)
    for k in range(cfg.n_rsus):
        users = int(active[:, k].sum())
        if users == 0:
            f_rsu[k] = avail[k]  # nobody to serve: work off the backlog at full speed
        elif cfg.rsu_cpu_mode == "shared":
            freq[:, k] = avail[k] * u[:, k] / max(1.0, u[:, k].sum())
            f_rsu[k] = freq[:, k].sum()
        elif cfg.rsu_cpu_mode == "common":
            f_rsu[k] = avail[k] * u[:, k].sum() / users
            freq[:, k] = np.where(active[:, k], f_rsu[k], 0.0)
        else:
            raise ValueError(f"unknown rsu_cpu_mode {cfg.rsu_cpu_mode!r}")
    return freq, f_rsu


def channel_gain(dist: Array, cfg: Config) -> Array:
    """Large-scale power gain (1), converted from dB."""
    return 10.0 ** ((cfg.gain_at_1m_db - cfg.gain_slope_db * np.log10(dist)) / 10.0)


def link_rate(share: Array, gain: Array, h_power: Array, cfg: Config) -> Array:
    """Upload rate in bit/s (1)."""
    snr = cfg.tx_power_w * h_power * gain / cfg.noise_w
    return cfg.sensing_gain * share * cfg.bandwidth_hz * np.log2(1.0 + snr)


def _ratio(mask: Array, a: Array, b: Array) -> Array:
    return np.where(mask, a, 0.0) / np.where(mask, b, 1.0)


def waiting_time(history: Array, backlog: Array, arrivals: Array, departures: Array, cfg: Config) -> Array:
    """Little's law over the window (18): backlog over throughput, in seconds, one value per node."""
    q = history[:, 0].sum(axis=0) + backlog
    lam = history[:, 1].sum(axis=0) + arrivals
    dep = history[:, 2].sum(axis=0) + departures
    return np.where(q > 0, cfg.slot_s * q / np.maximum(np.maximum(lam, dep), 1.0), 0.0)


def _append(history: Array, *row: Array) -> Array:
    return np.concatenate([history, np.stack(row)[None]])[1:]


# ------------------------------------------------------------------------------------------------------------- one slot


def step_from(state: State, action: Action, draws: Draws, cfg: Config) -> tuple[State, float, dict]:
    """One slot on given draws. Returns the next state, the shared reward and all metrics and intermediate arrays.

    Recorded traffic: `next_x_m`, `next_y_m`, `next_velocity_mps`, `next_present` in `draws`, each optional, replace the
    movement at constant speed.
    """
    present, n = state.present, count_present(state)
    avail = rsu_avail(cfg)
    act = {name: np.clip(_f64(a), -1.0, 1.0) for name, a in action.items()}

    # geometry, frozen during the slot, and decisions
    _, dist, covered = geometry(state, cfg)
    ell_loc, ell_rsu = decode_split(act["split"], covered, present, cfg)
    active = ell_rsu > 0
    share = decode_bandwidth(act["bandwidth"], active, cfg)
    freq, f_rsu = decode_rsu_cpu(act["rsu_cpu"], active, cfg)

    # channel (1)
    gain = channel_gain(dist, cfg)
    rate = link_rate(share, gain, _f64(draws["h_power"]), cfg)

    # links; every entry is 0 where the link is not used
    work, align = state.work_cpb[:, None], state.align_cpb[:, None]
    bits = ell_rsu * state.task_bits[:, None]
    d_data = _ratio(active, bits, rate)  # (7)
    d_instr_tx = _ratio(active, ell_rsu * state.instr_bits[:, None], rate)  # (9)
    d_align = _ratio(active, bits * align, freq)  # (10)
    eta = active & (d_instr_tx + d_align < d_data)  # (12), True = InstrT
    d_up = np.where(eta, d_instr_tx + d_align, d_data)
    d_comp = _ratio(active, bits * work, freq)  # (13)
    e_tx = cfg.tx_power_w * np.where(eta, d_instr_tx, d_data)  # (8)
    e_align = eta * cfg.kappa_rsu * freq**2 * bits * align  # (11)
    e_comp = cfg.kappa_rsu * freq**2 * bits * work  # (14)
    load = bits * (eta * align + work)

    # own processor (5), (6)
    lam_loc = ell_loc * state.task_bits * state.work_cpb
    d_loc = lam_loc / state.veh_cpu_hz
    e_loc = cfg.kappa_veh * state.veh_cpu_hz**2 * lam_loc

    # queues (16), (17) and waiting (18)
    q_loc, q_rsu = state.q_loc_cycles, state.q_rsu_cycles
    background = np.where(draws["bg_u"] < cfg.rsu_bg_prob, draws["bg_size"] * cfg.rsu_bg_max_cycles, 0.0)
    lam_rsu = load.sum(axis=0) + background
    serve_loc, serve_rsu = state.veh_cpu_hz * cfg.slot_s, f_rsu * cfg.slot_s
    dep_loc = np.minimum(q_loc + lam_loc, serve_loc)
    dep_rsu = np.minimum(q_rsu + lam_rsu, serve_rsu)
    q_loc_next = np.maximum(q_loc - serve_loc + lam_loc, 0.0)
    q_rsu_next = np.maximum(q_rsu - serve_rsu + lam_rsu, 0.0)
    wait_loc = waiting_time(state.hist_loc, q_loc, lam_loc, dep_loc, cfg)
    wait_rsu = waiting_time(state.hist_rsu, q_rsu, lam_rsu, dep_rsu, cfg)

    # latency and energy of each task
    t_loc = np.where(ell_loc > 0, d_loc + wait_loc, 0.0)
    t_rsu = np.where(active, d_up + d_comp + wait_rsu[None, :], 0.0)  # (15)
    latency = np.maximum(t_loc, t_rsu.max(axis=1))  # (19), (21)
    energy = e_loc + (e_tx + e_align + e_comp).sum(axis=1)  # (20), (23)

    # virtual energy queue (27)
    excess = energy.sum() - cfg.energy_budget_j * n
    v_energy_next = max(state.v_energy_j + excess, 0.0)

    # cost (24) and drift plus penalty (36), (44); energies in kJ, queues in units of their references
    cost = cfg.cost_weight * latency + (1 - cfg.cost_weight) * energy / cfg.energy_ref_j
    qa, qb, ev = q_loc / cfg.q_loc_ref_cycles, q_rsu / cfg.q_rsu_ref_cycles, state.v_energy_j / cfg.energy_ref_j
    if cfg.drift_form == "bound":
        each_loc = qa * (lam_loc - serve_loc) / cfg.q_loc_ref_cycles
        each_rsu = qb * (lam_rsu - serve_rsu) / cfg.q_rsu_ref_cycles
        drift_energy = n * ev * excess / cfg.energy_ref_j
    elif cfg.drift_form == "exact":
        each_loc = 0.5 * ((q_loc_next / cfg.q_loc_ref_cycles) ** 2 - qa**2)
        each_rsu = 0.5 * ((q_rsu_next / cfg.q_rsu_ref_cycles) ** 2 - qb**2)
        drift_energy = n * 0.5 * ((v_energy_next / cfg.energy_ref_j) ** 2 - ev**2)
    else:
        raise ValueError(f"unknown drift_form {cfg.drift_form!r}")
    drift_loc, drift_rsu = each_loc[present].sum(), each_rsu.sum()
    total_cost = cost[present].sum()
    violation_rate = (latency[present] > cfg.t_max_s).sum() / n  # C8
    reward = -(cfg.lyapunov_v * total_cost + drift_loc + drift_rsu + drift_energy) / n
    reward = float(reward - cfg.violation_penalty * violation_rate)

    links = max(int(active.sum()), 1)
    scalars = {
        "reward": reward,
        "r_cost": -cfg.lyapunov_v * total_cost / n,
        "r_drift_loc": -drift_loc / n,
        "r_drift_rsu": -drift_rsu / n,
        "r_drift_energy": -drift_energy / n,
        "cost_mean": total_cost / n,
        "latency_mean_s": latency.sum() / n,
        "latency_max_s": latency.max(),
        "energy_mean_j": energy.sum() / n,
        "energy_total_j": energy.sum(),
        "energy_local_j": e_loc.sum() / n,
        "energy_rsu_j": (e_comp + e_align).sum() / n,
        "energy_tx_j": e_tx.sum() / n,
        "q_loc_mean_cycles": q_loc_next[present].sum() / n,
        "q_rsu_mean_cycles": q_rsu_next.mean(),
        "v_energy_j": v_energy_next,
        "violation_rate": violation_rate,
        "instr_fraction": eta.sum() / links,
        "local_share_mean": ell_loc.sum() / n,
        "active_links_mean": active.sum() / n,
        "rsu_cpu_use": (f_rsu / avail).mean(),
        "upload_mean_s": d_up.sum() / links,
        "rsu_compute_mean_s": d_comp.sum() / links,
        "wait_loc_mean_s": wait_loc[ell_loc > 0].sum() / n,
        "wait_rsu_mean_s": np.where(active.any(axis=0), wait_rsu, 0.0).mean(),
    }
    arrays = {
        "ell_loc": ell_loc,
        "ell_rsu": ell_rsu,
        "share": share,
        "freq_hz": freq,
        "f_rsu_hz": f_rsu,
        "rate_bps": rate,
        "eta": eta,
        "latency_s": latency,
        "energy_j": energy,
        "d_data_s": d_data,
        "d_up_s": d_up,
        "d_comp_s": d_comp,
        "wait_loc_s": wait_loc,  # of the node, whether used or not
        "wait_rsu_s": wait_rsu,
        "gain": gain,  # of every pair, whether linked or not
    }
    info = {name: float(value) for name, value in scalars.items()} | arrays

    moved = np.mod(state.x_m + state.velocity_mps * cfg.slot_s, cfg.road_length_m)
    next_state = replace(
        state,
        t=state.t + 1,
        x_m=_f64(draws.get("next_x_m", moved)),
        y_m=_f64(draws.get("next_y_m", state.y_m)),
        velocity_mps=_f64(draws.get("next_velocity_mps", state.velocity_mps)),
        present=np.asarray(draws.get("next_present", present), dtype=bool),
        task_bits=_f64(draws["next_task_bits"]),
        instr_bits=_f64(draws["next_instr_bits"]),
        q_loc_cycles=q_loc_next,
        q_rsu_cycles=q_rsu_next,
        v_energy_j=float(v_energy_next),
        hist_loc=_append(state.hist_loc, q_loc, lam_loc, dep_loc),
        hist_rsu=_append(state.hist_rsu, q_rsu, lam_rsu, dep_rsu),
        twin_err=_f64(draws["next_twin_err"]),
    )
    return next_state, reward, info


def observe(state: State, cfg: Config) -> Array:
    """[I, 14+4K] observations (40); the twin's entries are 0 without the twin, rows of absent vehicles are 0."""
    dx, _, covered = geometry(state, cfg)
    n = count_present(state)
    queues = state.q_rsu_cycles * (1.0 + cfg.twin_queue_err * state.twin_err) / cfg.q_rsu_ref_cycles
    twin = np.concatenate([queues, [queues.sum() / cfg.n_rsus, queues.mean(), queues.max()]])
    if not cfg.dt_enabled:
        twin = np.zeros_like(twin)
    rows = np.zeros((cfg.n_vehicles, 14 + 4 * cfg.n_rsus))
    for i in range(cfg.n_vehicles):
        if not state.present[i]:
            continue
        own = [
            state.task_bits[i] / 3e6,
            state.instr_bits[i] / 3e4,
            state.work_cpb[i] / 2000.0,
            state.align_cpb[i] / 500.0,
            state.veh_cpu_hz[i] / 3e9,
            state.x_m[i] / cfg.road_length_m,
            state.y_m[i] / (2 * cfg.lane_width_m),
            state.velocity_mps[i] / 16.0,
            cfg.t_max_s / 1.0,
            state.q_loc_cycles[i] / cfg.q_loc_ref_cycles,
            state.v_energy_j / (cfg.energy_ref_j * n),
        ]
        rows[i] = np.concatenate([own, dx[i] / cfg.road_length_m, covered[i], rsu_avail(cfg) / 20e9, twin])
    return rows


# ------------------------------------------------------------------------------------------------------- fixed policies


def _full_requests(split: Array, cfg: Config) -> Action:
    ones = np.ones((cfg.n_vehicles, cfg.n_rsus))
    return {"split": split, "bandwidth": ones, "rsu_cpu": ones.copy()}


def _split_from_log(log_weight: Array, cfg: Config) -> Array:
    """Logits that give parts in proportion to exp(log_weight), the largest at 1, as far as the box allows."""
    logit = log_weight / cfg.split_logit_scale
    return np.clip(logit - logit.max(axis=1, keepdims=True) + 1.0, -1.0, 1.0)


def random(rng: np.random.Generator, state: State, cfg: Config) -> Action:
    i, k = cfg.n_vehicles, cfg.n_rsus
    return {
        "split": rng.uniform(-1.0, 1.0, (i, 1 + k)),
        "bandwidth": rng.uniform(-1.0, 1.0, (i, k)),
        "rsu_cpu": rng.uniform(-1.0, 1.0, (i, k)),
    }


def all_local(state: State, cfg: Config) -> Action:
    split = -np.ones((cfg.n_vehicles, 1 + cfg.n_rsus))
    split[:, 0] = 1.0
    return _full_requests(split, cfg)


def offload_equal(state: State, cfg: Config) -> Action:
    split = np.ones((cfg.n_vehicles, 1 + cfg.n_rsus))
    split[:, 0] = -1.0
    return _full_requests(split, cfg)


def split_equal(state: State, cfg: Config) -> Action:
    return _full_requests(np.zeros((cfg.n_vehicles, 1 + cfg.n_rsus)), cfg)


def nearest(state: State, cfg: Config) -> Action:
    _, dist, _ = geometry(state, cfg)
    split = -np.ones((cfg.n_vehicles, 1 + cfg.n_rsus))
    split[np.arange(cfg.n_vehicles), 1 + dist.argmin(axis=1)] = 1.0
    return _full_requests(split, cfg)


def capacity(state: State, cfg: Config) -> Action:
    """Parts in proportion to speed; an RSU counts with its speed over the number of (present) vehicles it covers."""
    _, _, covered = geometry(state, cfg)
    per_user = rsu_avail(cfg) / np.maximum(covered.sum(axis=0), 1)
    speed_rsu = np.where(covered, per_user[None, :], 1e-9)
    speed = np.concatenate([state.veh_cpu_hz[:, None], speed_rsu], axis=1)
    return _full_requests(_split_from_log(np.log(speed), cfg), cfg)


def _waterfill(state: State, cfg: Config, twin: bool) -> Action:
    """Parts that let all nodes finish together, from what one vehicle knows (with the twin: the RSU backlogs too)."""
    _, _, covered = geometry(state, cfg)
    avail = rsu_avail(cfg)
    users = max(1.0, cfg.n_vehicles * 2 * cfg.rsu_range_m / cfg.road_length_m)  # expected per RSU
    delay_rsu = state.q_rsu_cycles / avail if twin else np.zeros(cfg.n_rsus)
    log_part = np.zeros((cfg.n_vehicles, 1 + cfg.n_rsus))
    for i in range(cfg.n_vehicles):
        speed = np.concatenate([[state.veh_cpu_hz[i] / 2], np.where(covered[i], avail / users, 0.0)])
        delay = np.concatenate([[state.q_loc_cycles[i] / state.veh_cpu_hz[i]], delay_rsu])
        work = state.task_bits[i] * state.work_cpb[i]
        low, high = 0.0, delay[0] + work / speed[0]  # at `high` the own CPU alone is done
        for _ in range(60):
            middle = (low + high) / 2
            if (np.maximum(middle - delay, 0.0) * speed).sum() < work:
                low = middle
            else:
                high = middle
        part = np.maximum(high - delay, 0.0) * speed
        log_part[i] = np.log(np.maximum(part / part.sum(), 1e-9))
    return _full_requests(_split_from_log(log_part, cfg), cfg)


def waterfill(state: State, cfg: Config) -> Action:
    return _waterfill(state, cfg, twin=False)


def waterfill_twin(state: State, cfg: Config) -> Action:
    return _waterfill(state, cfg, twin=True)


POLICIES: dict[str, Callable[[State, Config], Action]] = {
    "all_local": all_local,
    "offload_equal": offload_equal,
    "split_equal": split_equal,
    "nearest": nearest,
    "capacity": capacity,
    "waterfill": waterfill,
    "waterfill_twin": waterfill_twin,
}  # all but `random`, which needs a generator


# --------------------------------------------------------------------------------------------------------- sanity table


def run_episodes(policy: str, cfg: Config, episodes: int, seed: int = 0) -> dict[str, Array]:
    """Every scalar metric of every slot, each [episodes, horizon]. The same seed gives every policy the same world."""
    world, chance = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    rows: list[list[dict]] = []
    for _ in range(episodes):
        state = reset_from(reset_draws(world, cfg), cfg)
        rows.append([])
        for _ in range(cfg.horizon):
            action = random(chance, state, cfg) if policy == "random" else POLICIES[policy](state, cfg)
            state, _, info = step_from(state, action, step_draws(world, cfg), cfg)
            rows[-1].append(info)
    names = [name for name, value in rows[0][0].items() if isinstance(value, float)]
    return {name: np.array([[slot[name] for slot in episode] for episode in rows]) for name in names}


# reward, its standard deviation over episodes, cost, latency, energy, Q_loc, Q_rsu, V in J, violations, InstrT, l_loc
DOCUMENTED: dict[str, tuple[float, ...]] = {
    "random": (-4.78, 0.72, 0.706, 1.11, 99.6, 5.4e8, 7.9e7, 4600.0, 0.465, 0.131, 0.395),
    "all_local": (-31.4, 3.5, 3.29, 5.33, 222.0, 1.66e10, 0.0, 14100.0, 0.995, 0.0, 1.0),
    "offload_equal": (-1.70, 0.17, 0.344, 0.563, 17.0, 1.3e6, 4.6e7, 2.0, 0.102, 0.106, 0.001),
    "split_equal": (-3.35, 0.57, 0.426, 0.645, 97.5, 5.4e7, 1.4e7, 4400.0, 0.127, 0.106, 0.393),
    "nearest": (-1.72, 0.23, 0.349, 0.557, 36.4, 1.3e6, 7.5e7, 230.0, 0.085, 0.037, 0.001),
    "capacity": (-1.68, 0.26, 0.283, 0.427, 66.6, 7.4e6, 2.1e7, 2000.0, 0.045, 0.106, 0.226),
    "waterfill": (-1.58, 0.13, 0.319, 0.504, 40.9, 2.7e6, 3.3e7, 300.0, 0.062, 0.112, 0.116),
    "waterfill_twin": (-1.56, 0.12, 0.316, 0.498, 41.8, 2.9e6, 1.3e7, 350.0, 0.056, 0.112, 0.119),
}
COLUMNS = (
    "cost_mean",
    "latency_mean_s",
    "energy_mean_j",
    "q_loc_mean_cycles",
    "q_rsu_mean_cycles",
    "v_energy_j",
    "violation_rate",
    "instr_fraction",
    "local_share_mean",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Sanity table of the fixed policies (default parameters).")
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    heads = ("reward", "std", "cost", "latency", "energy", "Q_loc", "Q_rsu", "V [J]", "violation", "InstrT", "l_loc")
    print(f"{args.episodes} episodes; second line of each policy: documented\n")
    print(f"{'policy':<16}" + "".join(f"{head:>11}" for head in heads))
    for name, documented in DOCUMENTED.items():
        result = run_episodes(name, Config(), args.episodes, args.seed)
        per_episode = result["reward"].mean(axis=1)
        measured = (per_episode.mean(), per_episode.std(), *(result[column].mean() for column in COLUMNS))
        print(f"{name:<16}" + "".join(f"{value:>11.3g}" for value in measured))
        print(f"{'':<16}" + "".join(f"{value:>11.3g}" for value in documented))


if __name__ == "__main__":
    main()
