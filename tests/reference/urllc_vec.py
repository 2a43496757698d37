"""Reference simulator of task offloading in a vehicular edge network with BSs and UAVs at finite blocklength.

Plain float64 NumPy, one world, no batching and no compilation: slow and easy to read. It is written from the
specification alone and shares no code with jaxvec, so the two can be compared number by number on the same draws.
Numbers in parentheses are equations of the paper, C1..C20 its constraints.

Shapes: V vehicles, B base stations (BSs), U UAVs, N = B + U nodes (BSs first), J subtasks of a vehicle, K = V J
subtasks k = v J + j, M antennas, P scattered paths, H rows of the twin's memory, d slots of its delay, F = 3N + V
features. Units are SI (bit, Hz, W, s, J, m) plus CPU cycles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from reference.urllc_vec_channel import Channels, channels
from reference.urllc_vec_slot import (
    available_hz,
    compute,
    decode,
    metrics,
    node_rewards,
    outcomes,
    priorities,
    realised_gain,
    route,
    uplink,
    vehicle_rewards,
    violations,
)
from scipy.special import ndtr

Array = np.ndarray
Draws = dict[str, Array]
# v_target int, v_power, v_split [V,J], v_prio [V,3]; z_fwd int, z_power, z_freq, z_admit [N]; in [0,1] unless int
Action = dict[str, Array]


@dataclass(frozen=True)
class Config:
    # shapes and switches
    n_vehicles: int = 8
    n_uavs: int = 10
    n_bs: int = 4
    n_subtasks: int = 4
    n_antennas: int = 4
    n_nlos_paths: int = 8
    max_forwards: int = 2
    horizon: int = 50
    twin_history_len: int = 8
    twin_delay_slots: int = 3
    pathloss_v2b: str = "uma"  # or "okumura_hata"
    pathloss_air: str = "uma_av"  # or "free_space"
    los_air: str = "tr36777"  # or "paper"
    okumura_fc_unit: str = "mhz"  # or "ghz"
    v2b_rayleigh: bool = False
    cpu_share: str = "priority"  # or "equal", "none"
    enforce_coverage: bool = True
    carry_backlog: bool = True
    twin_mode: str = "hold"  # or "none", or "lstm": the twin's block is handed in
    # radio
    slot_s: float = 0.02
    wavelength_m: float = 0.009
    light_speed_mps: float = 3e8
    antenna_spacing_m: float = 0.005
    bandwidth_hz: float = 1e7
    noise_w: float = 1e-12
    p_max_vehicle_w: float = 1.0
    p_max_bs_w: float = 10.0
    p_max_uav_w: float = 1.0
    p_floor_frac: float = 0.01
    antenna_gain_bs_db: float = 25.0
    antenna_gain_uav_db: float = 14.0
    antenna_gain_vehicle_db: float = 0.0
    bs_antenna_height_m: float = 25.0
    ut_antenna_height_m: float = 1.5
    breakpoint_m: float = 100.0
    min_distance_m: float = 10.0
    los_v2b_d1_m: float = 18.0
    los_v2b_p1_m: float = 63.0
    los_air_d1_m: float = 100.0
    los_air_p1_m: float = 63.0
    los_resample_prob: float = 0.02
    pathloss_exponent_min: float = 2.25
    pathloss_exponent_max: float = 2.75
    rician_k: float = 6.0
    csi_error_var: float = 0.05
    blocklength_symbols: float = 100.0
    decode_error_prob: float = 1e-6
    rate_min_bps: float = 1e7
    codec_s_per_symbol: float = 0.0
    # processors and their energy
    f_max_hz: float = 1e10
    f_min_hz: float = 1e9
    f_ref_hz: float = 1e10
    cpu_dev_var: float = 0.1
    cpu_dev_corr: float = 0.9
    twin_cpu_error_hz: float = 1.5e8
    capacity_cycles: float = 2.7e8
    energy_per_cycle_j: float = 1e-6
    cpu_energy_exponent: float = 2.0
    e_max_node_j: float = 33.2
    e_max_vehicle_slot_j: float = 0.01
    # tasks
    task_min_bits: float = 1e5
    task_max_bits: float = 3e5
    task_corr: float = 0.8
    bits_per_data_unit: float = 1.0
    cycles_per_unit: float = 330.0
    cycles_spread: float = 0.2
    chi_min: float = 0.05
    chi_max: float = 0.95
    weight_min: float = 0.5
    weight_max: float = 1.0
    split_floor: float = 0.5
    simplex_sharpness: float = 4.0
    d_max_units: float = 1e6
    latency_target_s: float = 0.01
    latency_cap_s: float = 0.05
    # geometry, mobility; x and y in [-xy, xy]
    bs_xy_m: float = 1000.0
    bs_z_min_m: float = 40.0
    bs_z_max_m: float = 60.0
    uav_xy_m: float = 1500.0
    uav_z_min_m: float = 30.0
    uav_z_max_m: float = 75.0
    uav_speed_min_mps: float = 10.0
    uav_speed_max_mps: float = 50.0
    veh_xy_m: float = 1250.0
    veh_z_min_m: float = 0.0
    veh_z_max_m: float = 20.0
    veh_speed_mps: float = 20.0
    phi_max_rad: float = math.pi / 18
    # objective
    w_l: float = 0.7
    w_e: float = 0.3
    q_min: float = 60.0
    q_max: float = 200.0
    lambda_e: float = 0.5
    lambda_q: float = 0.5
    om_l: float = 0.5
    om_e: float = 0.2
    om_q: float = 0.3
    om_lat: float = 0.5
    om_ene: float = 0.3
    om_qos: float = 0.15
    la_lat: float = 0.5
    la_ene: float = 0.3
    la_qos: float = 0.15
    zeta_tf: float = 0.7
    zeta_e: float = 0.3
    al_eta: float = 0.5
    al_l: float = 0.3
    al_lb: float = 0.2
    be_td: float = 0.4
    be_ru: float = 0.3
    be_ql: float = 0.3
    reward_mix: float = 1.0
    delta_s_max: float = 0.5
    variability_slope: float = 10.0

    @property
    def n_nodes(self) -> int:
        return self.n_bs + self.n_uavs

    @property
    def n_features(self) -> int:
        return 3 * self.n_nodes + self.n_vehicles

    @property
    def fc_hz(self) -> float:
        return self.light_speed_mps / self.wavelength_m

    @property
    def p_max_nodes_w(self) -> Array:
        """[N]"""
        return np.array([self.p_max_bs_w] * self.n_bs + [self.p_max_uav_w] * self.n_uavs)


PAPER_1MB = Config(n_subtasks=10, task_min_bits=1e6, task_max_bits=1e6)


@dataclass(frozen=True)
class Task:
    d_task: Array  # [V], data units
    c: Array  # [V,J], cycles per data unit
    chi: Array  # [V,J]
    w_c: Array  # [V,J]
    w_d: Array  # [V,J]


@dataclass(frozen=True)
class State:
    t: int
    pos_bs: Array  # [B,3]
    pos_u: Array  # [U,3]
    wp_u: Array  # [U,3], waypoint
    pos_v: Array  # [V,3]
    wp_v: Array  # [V,3]
    spd_u: Array  # [U]
    spd_v: Array  # [V]
    alpha_vu: Array  # [V,U], path-loss exponents
    alpha_ub: Array  # [U,B]
    alpha_uu: Array  # [U,U], symmetric, 0 on the diagonal
    los_vb: Array  # [V,B], in line of sight iff below its probability
    los_vu: Array  # [V,U]
    los_ub: Array  # [U,B]
    cpu_z: Array  # [N], standard normal
    task_z: Array  # [V], standard normal
    backlog: Array  # [N], cycles
    prev_share: Array  # [V,N], part of a vehicle's subtasks sent to each node in the last slot
    energy_v_cum: Array  # [V]
    meas_hist: Array  # [H+d-1, F], newest row last
    ch: Channels
    task: Task


# ---------------------------------------------------------------------------------------------------------------- draws


def reset_draws(rng: np.random.Generator, cfg: Config) -> Draws:
    v, u, b = cfg.n_vehicles, cfg.n_uavs, cfg.n_bs
    return exo_draws(rng, cfg) | {
        "bs_z": rng.random(b),
        "uav_pos": rng.random((u, 3)),
        "uav_wp": rng.random((u, 3)),
        "uav_speed": rng.random(u),
        "veh_pos": rng.random((v, 3)),
        "veh_wp": rng.random((v, 3)),
        "alpha_vu": rng.random((v, u)),
        "alpha_uu": rng.random((u, u)),
        "alpha_ub": rng.random((u, b)),
    }


def step_draws(rng: np.random.Generator, cfg: Config) -> Draws:
    v, u, b, m = cfg.n_vehicles, cfg.n_uavs, cfg.n_bs, cfg.n_antennas
    return exo_draws(rng, cfg) | {
        "eps_vb_r": rng.random((v, b, m)),
        "eps_vb_ph": rng.random((v, b, m)),
        "eps_vu_r": rng.random((v, u)),
        "eps_vu_ph": rng.random((v, u)),
        "twin_cpu": rng.random(cfg.n_nodes),
        "uav_wp": rng.random((u, 3)),
        "uav_speed": rng.random(u),
        "veh_wp": rng.random((v, 3)),
    }


def exo_draws(rng: np.random.Generator, cfg: Config) -> Draws:
    """Of the slot that begins; `n_*` are standard normal, the others uniform in (0,1)."""
    v, u, b, j = cfg.n_vehicles, cfg.n_uavs, cfg.n_bs, cfg.n_subtasks
    m, p = cfg.n_antennas, cfg.n_nlos_paths
    pairs = {"vb": (v, b), "vu": (v, u), "ub": (u, b)}
    return {
        "vu_los": rng.random((v, u)),
        "vu_nlos": rng.random((v, u, p)),
        "uu_los": rng.random((u, u)),
        "uu_nlos": rng.random((u, u, p)),
        "ub_los": rng.random((u, b)),
        "ub_nlos": rng.random((u, b, m, p)),
        "n_vb": rng.standard_normal((v, b, 2)),
        **{f"los_flip_{name}": rng.random(shape) for name, shape in pairs.items()},
        **{f"los_new_{name}": rng.random(shape) for name, shape in pairs.items()},
        "n_cpu": rng.standard_normal(cfg.n_nodes),
        "n_task": rng.standard_normal(v),
        **{name: rng.random((v, j)) for name in ("c", "chi", "w_c", "w_d")},
    }


def reset_from(draws: Draws, cfg: Config) -> State:
    """First state of an episode."""
    draws, n, v, u = _f64(draws), cfg.n_nodes, cfg.n_vehicles, cfg.n_uavs
    low, high = cfg.pathloss_exponent_min, cfg.pathloss_exponent_max
    alpha_uu = np.zeros((u, u))
    for i in range(u):
        for k in range(i + 1, u):
            alpha_uu[i, k] = alpha_uu[k, i] = low + (high - low) * draws["alpha_uu"][i, k]
    state = State(
        t=0,
        pos_bs=bs_positions(draws["bs_z"], cfg),
        pos_u=in_box(draws["uav_pos"], *uav_box(cfg)),
        wp_u=in_box(draws["uav_wp"], *uav_box(cfg)),
        pos_v=in_box(draws["veh_pos"], *vehicle_box(cfg)),
        wp_v=in_box(draws["veh_wp"], *vehicle_box(cfg)),
        spd_u=uav_speed(draws["uav_speed"], cfg),
        spd_v=np.full(v, cfg.veh_speed_mps),
        alpha_vu=low + (high - low) * draws["alpha_vu"],
        alpha_ub=low + (high - low) * draws["alpha_ub"],
        alpha_uu=alpha_uu,
        los_vb=draws["los_new_vb"],
        los_vu=draws["los_new_vu"],
        los_ub=draws["los_new_ub"],
        cpu_z=draws["n_cpu"],
        task_z=draws["n_task"],
        backlog=np.zeros(n),
        prev_share=np.zeros((v, n)),
        energy_v_cum=np.zeros(v),
        meas_hist=np.zeros((cfg.twin_history_len + cfg.twin_delay_slots - 1, cfg.n_features)),
        ch=None,
        task=None,
    )
    return with_slot(state, draws, cfg)


def with_slot(state: State, draws: Draws, cfg: Config) -> State:
    """The state with channels and tasks of the slot that begins, from its positions and latents."""
    alpha = {"vu": state.alpha_vu, "ub": state.alpha_ub, "uu": state.alpha_uu}
    latent = {"vb": state.los_vb, "vu": state.los_vu, "ub": state.los_ub}
    weight = cfg.weight_max - cfg.weight_min
    task = Task(
        d_task=cfg.task_min_bits + (cfg.task_max_bits - cfg.task_min_bits) * ndtr(state.task_z),
        c=cfg.cycles_per_unit * (1 + cfg.cycles_spread * (2 * draws["c"] - 1)),
        chi=cfg.chi_min + (cfg.chi_max - cfg.chi_min) * draws["chi"],
        w_c=cfg.weight_min + weight * draws["w_c"],
        w_d=cfg.weight_min + weight * draws["w_d"],
    )
    ch = channels(state.pos_v, state.pos_bs, state.pos_u, alpha, latent, draws, cfg)
    return replace(state, ch=ch, task=task)


# ------------------------------------------------------------------------------------------------------------- geometry


def _f64(draws: Draws) -> Draws:
    return {name: np.asarray(x, dtype=np.float64) for name, x in draws.items()}


def bs_positions(u_z: Array, cfg: Config) -> Array:
    """[B,3]: centres of the cells of a grid, x fastest."""
    nx = math.ceil(math.sqrt(cfg.n_bs))
    ny = math.ceil(cfg.n_bs / nx)
    pos = np.zeros((cfg.n_bs, 3))
    for b in range(cfg.n_bs):
        row, column = divmod(b, nx)
        pos[b, 0] = cfg.bs_xy_m * ((2 * column + 1) / nx - 1)
        pos[b, 1] = cfg.bs_xy_m * ((2 * row + 1) / ny - 1)
        pos[b, 2] = cfg.bs_z_min_m + (cfg.bs_z_max_m - cfg.bs_z_min_m) * u_z[b]
    return pos


def uav_box(cfg: Config) -> tuple[Array, Array]:
    """Lowest and highest corner."""
    xy = cfg.uav_xy_m
    return np.array([-xy, -xy, cfg.uav_z_min_m]), np.array([xy, xy, cfg.uav_z_max_m])


def vehicle_box(cfg: Config) -> tuple[Array, Array]:
    xy = cfg.veh_xy_m
    return np.array([-xy, -xy, cfg.veh_z_min_m]), np.array([xy, xy, cfg.veh_z_max_m])


def in_box(u: Array, low: Array, high: Array) -> Array:
    return low + (high - low) * u


def uav_speed(u: Array, cfg: Config) -> Array:
    return cfg.uav_speed_min_mps + (cfg.uav_speed_max_mps - cfg.uav_speed_min_mps) * u


def heading(pos: Array, waypoint: Array, cfg: Config) -> tuple[float, float, float]:
    """Of one mover: theta and phi toward its waypoint, and the way left on the map."""
    dx, dy, dz = (float(x) for x in waypoint - pos)
    phi = math.atan2(dz, math.hypot(dx, dy))
    return math.atan2(dy, dx), min(max(phi, -cfg.phi_max_rad), cfg.phi_max_rad), math.hypot(dx, dy)


def move(pos: Array, waypoint: Array, speed: Array, box: tuple[Array, Array], cfg: Config) -> tuple[Array, Array]:
    """Positions one slot later [.,3], and who has reached its waypoint [.] (8)-(10)."""
    after, arrived = np.zeros_like(pos), np.zeros(len(pos), bool)
    for i in range(len(pos)):
        theta, phi, way = heading(pos[i], waypoint[i], cfg)
        along = np.array([math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)])
        after[i] = np.clip(pos[i] + cfg.slot_s * speed[i] * along, *box)
        arrived[i] = way <= speed[i] * cfg.slot_s
    return after, arrived


def ar1(z: Array, noise: Array, corr: float) -> Array:
    return corr * z + math.sqrt(1 - corr**2) * noise


# --------------------------------------------------------------------------------------------------------- observations


def snr_scaled(gain: Array, power_w: Array | float, cfg: Config) -> Array:
    with np.errstate(divide="ignore"):
        return np.clip(10 * np.log10(power_w * gain / cfg.noise_w) / 30, -1.0, 2.0)


def twin_block(state: State, cfg: Config, twin: Array | None = None) -> Array:
    """[F] what the twin tells the agents."""
    if cfg.twin_mode == "none":
        return np.zeros(cfg.n_features)
    if cfg.twin_mode == "hold":
        return state.meas_hist[cfg.twin_history_len - 1]
    if cfg.twin_mode != "lstm" or twin is None:
        raise ValueError(f"twin_mode {cfg.twin_mode!r} with twin {twin!r}")
    return np.asarray(twin, dtype=np.float64)


def observe(state: State, cfg: Config, twin: Array | None = None) -> dict[str, Array | float]:
    """All agents' observations, masks, the twin's memory and the inputs of centralised critics."""
    ch, task, f_avail, block = state.ch, state.task, available_hz(state, cfg), twin_block(state, cfg, twin)
    snr_vn = snr_scaled(ch.g_vn_est, cfg.p_max_vehicle_w, cfg)
    scale = np.array([1500.0, 1500.0, 75.0])

    def motion(pos, waypoint, speed):
        theta, phi, _ = heading(pos, waypoint, cfg)
        return [speed / 50, math.cos(theta), math.sin(theta), phi / cfg.phi_max_rad]

    vehicle = []
    for v in range(cfg.n_vehicles):
        parts = [
            state.pos_v[v] / scale,
            motion(state.pos_v[v], state.wp_v[v], state.spd_v[v]),
            snr_vn[v],
            np.concatenate([ch.pl_vb[v], ch.pl_vu[v]]) / 100 - 1,
            task.c[v] / (330 * 1.2),
            task.chi[v],
            task.w_c[v] * task.w_d[v],
            [task.d_task[v] / cfg.task_max_bits],
            block,
        ]
        vehicle.append(np.concatenate(parts))

    node, mask_fwd = [], ch.conn_nn.copy()
    for z in range(cfg.n_nodes):
        u = z - cfg.n_bs
        flying = u >= 0
        scalars = [
            f_avail[z] / cfg.f_max_hz,
            state.backlog[z] / (cfg.f_max_hz * cfg.slot_s),
            task.d_task.sum() / (cfg.n_vehicles * cfg.task_max_bits),
        ]
        parts = [
            (state.pos_u[u] if flying else state.pos_bs[z]) / scale,
            motion(state.pos_u[u], state.wp_u[u], state.spd_u[u]) if flying else np.zeros(4),
            snr_vn[:, z],
            snr_scaled(ch.g_nn[z], cfg.p_max_nodes_w[z], cfg),
            scalars,
            block,
        ]
        node.append(np.concatenate(parts))
        if not mask_fwd[z].any():
            mask_fwd[z, z] = True

    shared = np.concatenate([state.meas_hist[-1], snr_vn.ravel()])
    rows = {"vehicle": np.array(vehicle), "uav": np.array(node[cfg.n_bs :]), "bs": np.array(node[: cfg.n_bs])}
    return rows | {
        **{f"critic_{name}": np.array([np.concatenate([row, shared]) for row in rows[name]]) for name in rows},
        "mask_target": ch.conn_vn,
        "mask_fwd": mask_fwd,
        "twin_hist": state.meas_hist[: cfg.twin_history_len],
        "time": state.t / cfg.horizon,
    }


# ------------------------------------------------------------------------------------------------------------- one slot


def step_from(state: State, action: Action, draws: Draws, cfg: Config) -> tuple[State, dict[str, Array], dict]:
    """One slot: next state, rewards of vehicles [V], UAVs [U] and BSs [B], metrics with intermediate values."""
    draws, ch, task = _f64(draws), state.ch, state.task

    # decisions, sizes, priorities
    decision = decode(action, state, cfg)
    bits = (decision.size * cfg.bits_per_data_unit).ravel()
    cyc = (decision.size * task.c).ravel()
    priority, weight = priorities(decision.size, decision.coef, task)

    # uplink, routing, processing
    gain = realised_gain(ch, draws, cfg)
    up = uplink(decision, bits, gain, cfg)
    way = route(decision, priority.ravel(), cyc, bits, up, ch, cfg)
    work = compute(decision, priority.ravel(), cyc, way, state.backlog, cfg)

    # latency, energy, quality
    slot = vars(decision) | {"bits": bits, "cyc": cyc, "priority": priority, "weight": weight, "gain_up": gain}
    slot |= up | way | work
    slot |= outcomes(slot, cfg)

    # rewards
    reward_v, incentive_v, penalty_v = vehicle_rewards(slot, cfg)
    reward_z, incentive_z, penalty_z = node_rewards(slot, state.backlog, cfg)
    own_v, own_z = reward_v + incentive_v - penalty_v, reward_z + incentive_z - penalty_z
    own = {"vehicle": own_v, "uav": own_z[cfg.n_bs :], "bs": own_z[: cfg.n_bs]}
    team = sum(x.mean() for x in own.values())  # (63)
    reward = {name: (1 - cfg.reward_mix) * x + cfg.reward_mix * team for name, x in own.items()}
    scalars = metrics(slot, state, cfg) | violations(slot, state, cfg)
    scalars |= {f"reward_{name}": x.mean() for name, x in own.items()} | {"team_reward": team}
    scalars |= {"incentive_vehicle": incentive_v.mean(), "penalty_vehicle": penalty_v.mean()}

    # queues, and what the twin measures
    backlog = np.maximum(0.0, state.backlog + slot["load"] - decision.f * cfg.slot_s)
    if not cfg.carry_backlog:
        backlog = np.zeros(cfg.n_nodes)
    f_avail, per_slot = available_hz(state, cfg), cfg.f_max_hz * cfg.slot_s
    measured_hz = f_avail + cfg.twin_cpu_error_hz * (2 * draws["twin_cpu"] - 1)
    others = [backlog / per_slot, slot["load"] / per_slot, task.d_task / cfg.task_max_bits]
    measured = np.concatenate([measured_hz / cfg.f_max_hz, *others])
    slot |= {"reward_terms_v": reward_v, "reward_terms_z": reward_z, "incentive_v": incentive_v, "penalty_v": penalty_v}
    slot |= {"incentive_z": incentive_z, "penalty_z": penalty_z, "backlog_next": backlog}
    slot |= {"feat_true": np.concatenate([f_avail / cfg.f_max_hz, *others])}
    info = {name: float(x) for name, x in scalars.items()} | slot | {"done": state.t + 1 >= cfg.horizon}

    # movement, latents, and the next slot
    pos_u, arrived_u = move(state.pos_u, state.wp_u, state.spd_u, uav_box(cfg), cfg)
    pos_v, arrived_v = move(state.pos_v, state.wp_v, state.spd_v, vehicle_box(cfg), cfg)
    new_wp_u, new_wp_v = in_box(draws["uav_wp"], *uav_box(cfg)), in_box(draws["veh_wp"], *vehicle_box(cfg))
    los = {}
    for name in ("vb", "vu", "ub"):
        flip = draws[f"los_flip_{name}"] < cfg.los_resample_prob
        los[f"los_{name}"] = np.where(flip, draws[f"los_new_{name}"], getattr(state, f"los_{name}"))
    after = replace(
        state,
        t=state.t + 1,
        pos_u=pos_u,
        wp_u=np.where(arrived_u[:, None], new_wp_u, state.wp_u),
        spd_u=np.where(arrived_u, uav_speed(draws["uav_speed"], cfg), state.spd_u),
        pos_v=pos_v,
        wp_v=np.where(arrived_v[:, None], new_wp_v, state.wp_v),
        **los,
        cpu_z=ar1(state.cpu_z, draws["n_cpu"], cfg.cpu_dev_corr),
        task_z=ar1(state.task_z, draws["n_task"], cfg.task_corr),
        backlog=backlog,
        prev_share=slot["share_sent"],
        energy_v_cum=state.energy_v_cum + slot["e_vehicle"],
        meas_hist=np.concatenate([state.meas_hist[1:], measured[None]]),
    )
    return with_slot(after, draws, cfg), reward, info
