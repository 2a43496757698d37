"""Parts of a slot in the reference simulator `urllc_vec`: decisions, priorities, uplink, routing, processing, rewards.

Plain float64 NumPy, one world; sizes as in `urllc_vec`. Numbers in parentheses are equations of the paper, C1..C20 its
constraints. What belongs to subtasks is [K], k = v J + j, to nodes [N].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from reference.urllc_vec_channel import Channels, csi_error, rate_bps, steering

if TYPE_CHECKING:
    from reference.urllc_vec import Action, Config, Draws, State, Task

Array = np.ndarray


@dataclass(frozen=True)
class Decision:
    tgt: Array  # int [V,J]
    size: Array  # [V,J], data units
    coef: Array  # [V,3]
    p_v: Array  # [V,J], W
    p_z: Array  # [N], W
    f: Array  # [N], Hz
    admit: Array  # [N], cycles
    fwd: Array  # int [N]
    fwd_ok: Array  # bool [N]


def available_hz(state: State, cfg: Config) -> Array:
    """[N] (4)"""
    return np.clip(cfg.f_max_hz * (1 - math.sqrt(cfg.cpu_dev_var / 2) * state.cpu_z), cfg.f_min_hz, cfg.f_max_hz)


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return e / e.sum()


def decode(action: Action, state: State, cfg: Config) -> Decision:
    """What the agents' numbers mean (2), C2, C7, C16, C17, C20."""
    ch, f_avail, sharp = state.ch, available_hz(state, cfg), cfg.simplex_sharpness
    tgt = np.array(action["v_target"], dtype=int)
    size, coef = np.zeros((cfg.n_vehicles, cfg.n_subtasks)), np.zeros((cfg.n_vehicles, 3))
    for v in range(cfg.n_vehicles):
        part = softmax(sharp * (np.asarray(action["v_split"][v], dtype=np.float64) - 0.5))
        size[v] = state.task.d_task[v] * (cfg.split_floor / cfg.n_subtasks + (1 - cfg.split_floor) * part)
        coef[v] = softmax(sharp * (np.asarray(action["v_prio"][v], dtype=np.float64) - 0.5))
        for j in range(cfg.n_subtasks):
            if cfg.enforce_coverage and not ch.conn_vn[v, tgt[v, j]]:
                tgt[v, j] = np.argmax(ch.g_vn_est[v])
    p_v, p_z, freq, admit = (
        np.asarray(action[name], dtype=np.float64) for name in ("v_power", "z_power", "z_freq", "z_admit")
    )
    fwd = np.array(action["z_fwd"], dtype=int)
    floor = cfg.p_floor_frac
    return Decision(
        tgt=tgt,
        size=size,
        coef=coef,
        p_v=cfg.p_max_vehicle_w * (floor + (1 - floor) * p_v),
        p_z=cfg.p_max_nodes_w * (floor + (1 - floor) * p_z),
        f=cfg.f_min_hz + (f_avail - cfg.f_min_hz) * freq,
        admit=admit * cfg.f_max_hz * cfg.latency_target_s,
        fwd=fwd,
        fwd_ok=np.array([ch.conn_nn[z, fwd[z]] for z in range(cfg.n_nodes)]),
    )


def priorities(size: Array, coef: Array, task: Task) -> tuple[Array, Array]:
    """Priorities of the subtasks [V,J] (1), and their weights in the reward [V,J], which sum to 1 over a vehicle."""
    priority, weight = np.zeros_like(size), np.zeros_like(size)
    for v in range(len(size)):
        terms = np.array([task.c[v] / task.c[v].sum(), size[v] / size[v].sum(), task.chi[v]])
        both = task.w_c[v] * task.w_d[v]
        priority[v] = (coef[v][:, None] * terms).sum(axis=0) * both
        reference = terms.mean(axis=0) * both
        weight[v] = reference / reference.sum()
    return priority, weight


def realised_gain(ch: Channels, draws: Draws, cfg: Config) -> Array:
    """[V,N] uplink gains with the CSI error, combined with the estimate (11)-(14), (30)."""
    gain = np.zeros((cfg.n_vehicles, cfg.n_nodes))
    for v in range(cfg.n_vehicles):
        for b in range(cfg.n_bs):
            a = steering(float(ch.aoa_vb[v, b]), cfg)
            errors = [csi_error(*e, cfg) for e in zip(draws["eps_vb_r"][v, b], draws["eps_vb_ph"][v, b], strict=True)]
            inner = sum(x.conjugate() * (x + e) for x, e in zip(a, errors, strict=True))
            gain[v, b] = ch.beta_vb[v, b] * abs(inner) ** 2 / sum(abs(x) ** 2 for x in a)
        for u in range(cfg.n_uavs):
            h = ch.h_vu[v, u] + csi_error(draws["eps_vu_r"][v, u], draws["eps_vu_ph"][v, u], cfg)
            gain[v, cfg.n_bs + u] = ch.beta_vu[v, u] * abs(h) ** 2
    return gain


def transfer(bits: float, rate: float, cfg: Config) -> tuple[float, float]:
    """Time on the air, and with coding and decoding."""
    air = min(bits / max(rate, 1.0), cfg.latency_cap_s)
    return air, min(air + cfg.codec_s_per_symbol * cfg.blocklength_symbols, cfg.latency_cap_s)


def uplink(decision: Decision, bits: Array, gain: Array, cfg: Config) -> dict[str, Array]:
    """First hop of every subtask, each [K] (5)."""
    rate, t_up, energy = np.zeros(bits.size), np.zeros(bits.size), np.zeros(bits.size)
    for k in range(bits.size):
        v, j = divmod(k, cfg.n_subtasks)
        power = decision.p_v[v, j]
        rate[k] = rate_bps(gain[v, decision.tgt[v, j]], power, cfg)
        air, t_up[k] = transfer(bits[k], rate[k], cfg)
        energy[k] = power * air
    return {"rate_up": rate, "t_up": t_up, "e_tx": energy, "lost_up": t_up >= cfg.latency_cap_s}


def route(decision: Decision, priority: Array, cyc: Array, bits: Array, up: dict, ch: Channels, cfg: Config) -> dict:
    """Who processes what (5)-(7): every node takes its queue, the highest priority first, as far as its budget goes.

    `node` is where a subtask ended, `placed` or `dropped`; `visited` [N,K] are the nodes that had it on their desk.
    """
    k_all = range(cyc.size)
    node, prev, n_fwd = decision.tgt.ravel().copy(), np.full(cyc.size, -1), np.zeros(cyc.size, int)
    placed, dropped = np.zeros(cyc.size, bool), up["lost_up"].copy()
    t_fwd, e_fwd, rate_min = np.zeros(cyc.size), np.zeros(cyc.size), up["rate_up"].copy()
    used, e_fwd_node = np.zeros(cfg.n_nodes), np.zeros(cfg.n_nodes)
    visited = np.zeros((cfg.n_nodes, cyc.size), bool)
    for hop in range(cfg.max_forwards + 1):
        live = [k for k in k_all if not placed[k] and not dropped[k]]
        queues = [
            sorted((k for k in live if node[k] == z), key=lambda k: (-priority[k], k)) for z in range(cfg.n_nodes)
        ]
        for z, queue in enumerate(queues):
            asked, taken, onward = 0.0, 0.0, int(decision.fwd[z])
            for k in queue:
                visited[z, k] = True
                asked += cyc[k]
                fits = used[z] + asked <= decision.admit[z]
                may_go = decision.fwd_ok[z] and onward != prev[k]
                if fits or not may_go or hop == cfg.max_forwards:
                    placed[k] = True
                    taken += cyc[k]
                    continue
                rate = float(rate_bps(ch.g_nn[z, onward], decision.p_z[z], cfg))
                air, delay = transfer(bits[k], rate, cfg)
                t_fwd[k] += delay
                e_fwd[k] += decision.p_z[z] * air
                e_fwd_node[z] += decision.p_z[z] * air
                rate_min[k] = min(rate_min[k], rate)
                prev[k], node[k] = z, onward
                n_fwd[k] += 1
                dropped[k] = up["t_up"][k] + t_fwd[k] >= cfg.latency_cap_s
            used[z] += taken
    assert (placed ^ dropped).all()
    return {
        "node": node,
        "placed": placed,
        "dropped": dropped,
        "visited": visited,
        "t_fwd": t_fwd,
        "e_fwd": e_fwd,
        "e_fwd_node": e_fwd_node,
        "n_fwd": n_fwd,
        "rate_min": rate_min,
    }


def compute(decision: Decision, priority: Array, cyc: Array, way: dict, backlog: Array, cfg: Config) -> dict:
    """Processing at the nodes: load [N], energy [K] (54), (55), and time [K], 0 for what was dropped (5)."""
    load, t_proc, energy = np.zeros(cfg.n_nodes), np.zeros(cyc.size), np.zeros(cyc.size)
    for z in range(cfg.n_nodes):
        mine = [k for k in range(cyc.size) if way["placed"][k] and way["node"][k] == z]
        f = decision.f[z]
        per_cycle = cfg.energy_per_cycle_j * (f / cfg.f_ref_hz) ** cfg.cpu_energy_exponent
        for k in mine:
            load[z] += cyc[k]
            if cfg.cpu_share == "priority":
                share = priority[k] / sum(priority[m] for m in mine)
            elif cfg.cpu_share == "equal":
                share = 1 / len(mine)
            elif cfg.cpu_share == "none":
                share = 1.0
            else:
                raise ValueError(f"unknown cpu_share {cfg.cpu_share!r}")
            t_proc[k] = backlog[z] / f + cyc[k] / (f * share)
            energy[k] = per_cycle * cyc[k]
    return {"load": load, "t_proc": t_proc, "e_proc": energy}


def outcomes(slot: dict, cfg: Config) -> dict[str, Array]:
    """Latency, energy, quality (48), (93) of subtasks; energy of vehicles and nodes; where subtasks were sent first."""
    latency, e_node = np.zeros(slot["cyc"].size), slot["e_fwd_node"].copy()
    for k in range(latency.size):
        latency[k] = cfg.latency_cap_s
        if slot["placed"][k]:
            latency[k] = min(slot["t_up"][k] + slot["t_fwd"][k] + slot["t_proc"][k], cfg.latency_cap_s)
            e_node[slot["node"][k]] += slot["e_proc"][k]
    e_task = slot["e_tx"] + slot["e_fwd"] + slot["e_proc"]
    quality = cfg.w_l / latency - cfg.w_e * e_task
    above = (100 - cfg.q_min) * (quality - cfg.q_min) / (cfg.q_max - cfg.q_min)
    sent = np.zeros((cfg.n_vehicles, cfg.n_nodes))
    for v in range(cfg.n_vehicles):
        for z in range(cfg.n_nodes):
            sent[v, z] = (slot["tgt"][v] == z).sum() / cfg.n_subtasks
    return {
        "latency": latency,
        "e_task": e_task,
        "quality": quality,
        "quality_norm": np.clip(above + cfg.q_min, 0.0, 100.0),
        "e_node": e_node,
        "e_vehicle": slot["e_tx"].reshape(cfg.n_vehicles, cfg.n_subtasks).sum(axis=1),
        "latency_v": (slot["weight"] * latency.reshape(cfg.n_vehicles, cfg.n_subtasks)).sum(axis=1),
        "share_sent": sent,
    }


def incentive_and_penalty(latency: float, energy: float, budget: float, qos: float, cfg: Config) -> tuple[float, float]:
    """(90)-(92)"""
    late, over = latency / cfg.latency_target_s, energy / budget
    good = min(max((qos - cfg.q_min) / (cfg.q_max - cfg.q_min), 0.0), 1.0)
    bad = min(max(1 - qos / cfg.q_min, 0.0), 2.0)
    incentive = cfg.om_lat * max(0.0, 1 - late) + cfg.om_ene * max(0.0, 1 - over) + cfg.om_qos * good
    penalty = cfg.la_lat * max(0.0, late - 1) + cfg.la_ene * max(0.0, over - 1) + cfg.la_qos * bad
    return incentive, penalty


def vehicle_rewards(slot: dict, cfg: Config) -> tuple[Array, Array, Array]:
    """Reward (64), incentive and penalty of every vehicle, each [V]."""
    out = np.zeros((3, cfg.n_vehicles))
    for v in range(cfg.n_vehicles):
        mine = slice(v * cfg.n_subtasks, (v + 1) * cfg.n_subtasks)
        latency, energy, budget = slot["latency_v"][v], slot["e_vehicle"][v], cfg.e_max_vehicle_slot_j
        reward = -cfg.om_l * latency / cfg.latency_target_s - cfg.om_e * energy / budget
        reward += cfg.om_q * slot["quality_norm"][mine].mean() / 100
        out[:, v] = reward, *incentive_and_penalty(latency, energy, budget, slot["quality"][mine].mean(), cfg)
    return out[0], out[1], out[2]


def node_rewards(slot: dict, backlog: Array, cfg: Config) -> tuple[Array, Array, Array]:
    """Reward (65)-(68), incentive and penalty of every node, each [N]; 0 for a node that saw no subtask."""
    out, load, mean = np.zeros((3, cfg.n_nodes)), slot["load"], slot["load"].mean()
    for z in range(cfg.n_nodes):
        seen = slot["visited"][z]
        if not seen.any():
            continue
        latency, qos, energy = slot["latency"][seen].mean(), slot["quality"][seen].mean(), slot["e_node"][z]
        in_time = (slot["latency"][seen] <= cfg.latency_target_s).mean()
        td = 1 - min(1.0, abs(load[z] - mean) / max(mean, 1.0))
        ru = min(1.0, (backlog[z] + load[z]) / (slot["f"][z] * cfg.slot_s))
        ql = min(1.0, backlog[z] / (cfg.f_max_hz * cfg.slot_s))
        balance = cfg.be_td * td + cfg.be_ru * ru - cfg.be_ql * ql
        work = cfg.al_eta * in_time - cfg.al_l * latency / cfg.latency_target_s + cfg.al_lb * balance
        reward = cfg.zeta_tf * work - cfg.zeta_e * energy / cfg.e_max_node_j
        out[:, z] = reward, *incentive_and_penalty(latency, energy, cfg.e_max_node_j, qos, cfg)
    return out[0], out[1], out[2]


def metrics(slot: dict, state: State, cfg: Config) -> dict[str, float]:
    latency, placed, load, n_v = slot["latency"], slot["placed"], slot["load"], cfg.n_vehicles
    cost = slot["latency_v"].sum() / cfg.latency_target_s + cfg.lambda_e * slot["e_task"].sum() / cfg.e_max_node_j
    return {
        "latency_mean_s": latency.mean(),
        "latency_weighted_s": slot["latency_v"].mean(),
        "latency_total_v_s": latency.sum() / n_v,
        "latency_p95_s": np.percentile(latency, 95),
        "latency_up_s": slot["t_up"].mean(),
        "latency_fwd_s": slot["t_fwd"].mean(),
        "latency_proc_s": slot["t_proc"][placed].mean() if placed.any() else 0.0,
        "violation_rate": (latency > cfg.latency_target_s).mean(),
        "drop_rate": slot["dropped"].mean(),
        "energy_vehicle_j": slot["e_vehicle"].mean(),
        "energy_node_j": slot["e_node"].mean(),
        "energy_total_j": slot["e_task"].sum(),
        "qos": slot["quality"].mean(),
        "qos_norm": slot["quality_norm"].mean(),
        "backlog_cycles": state.backlog.mean(),
        "load_cycles": load.mean(),
        "load_imbalance": load.std() / max(load.mean(), 1.0),
        "forwards_per_subtask": slot["n_fwd"].mean(),
        "share_bs": (slot["node"][placed] < cfg.n_bs).mean() if placed.any() else 0.0,
        "rate_up_mean_bps": slot["rate_up"].mean(),
        "objective": (cost - cfg.lambda_q * slot["quality_norm"].sum() / 100) / n_v,  # (38)
    }


def violations(slot: dict, state: State, cfg: Config) -> dict[str, float]:
    """Fraction of cases in which each constraint is broken; 0 where there is no case."""
    target, latency, tgt = cfg.latency_target_s, slot["latency"], slot["tgt"].ravel()
    bs, uav = range(cfg.n_bs), range(cfg.n_bs, cfg.n_nodes)
    change = np.abs(slot["share_sent"] - state.prev_share)
    swing = 1 / (1 + np.exp(-cfg.variability_slope * (change - cfg.delta_s_max))) > cfg.delta_s_max  # (49), (50)
    swing = swing & (state.t > 0)

    def first_hop(z):
        return sum(slot["cyc"][k] for k in range(len(tgt)) if tgt[k] == z) > cfg.capacity_cycles

    def longest(z):
        mine = slot["placed"] & (slot["node"] == z)
        return latency[mine].max(initial=0.0) > target  # (51), (52)

    def fraction(cases):
        cases = list(cases)
        return float(np.mean(cases)) if cases else 0.0

    return {
        "viol_c1": fraction(state.ch.uncovered),
        "viol_c2": 0.0,
        "viol_c3": fraction(first_hop(z) for z in bs),
        "viol_c4": fraction(first_hop(z) for z in uav),
        "viol_c5": fraction(latency[tgt < cfg.n_bs] > target),
        "viol_c6": fraction(latency[tgt >= cfg.n_bs] > target),
        "viol_c7": 0.0,
        "viol_c8": fraction(slot["rate_min"] < cfg.rate_min_bps),
        "viol_c9": fraction(slot["e_vehicle"] > cfg.e_max_vehicle_slot_j),
        "viol_c10": fraction(slot["quality"] < cfg.q_min),
        "viol_c13": fraction(swing[:, : cfg.n_bs].ravel()),
        "viol_c14a": fraction(swing[:, cfg.n_bs :].ravel()),
        "viol_c14b": fraction(longest(z) for z in bs),
        "viol_c15": fraction(longest(z) for z in uav),
        "viol_c16": 0.0,
        "viol_c17": 0.0,
        "viol_c18": fraction(slot["e_node"][z] > cfg.e_max_node_j for z in bs),
        "viol_c19": fraction(slot["e_node"][z] > cfg.e_max_node_j for z in uav),
        "viol_c20": fraction(slot["size"].ravel() > cfg.d_max_units),
    }
