"""Heuristics of the reference simulator `urllc_vec`, and the sanity table they give.

`admit`, `frequency`, `power` (of vehicles) and `node_power` are the numbers in [0,1] that all agents of a kind choose;
sizes and priority coefficients are equal. Numbers in parentheses are equations of the paper.

Run as a module it prints means over episodes next to the documented ones.
"""

from __future__ import annotations

import argparse

import numpy as np
from reference.urllc_vec import (
    Action,
    Config,
    State,
    observe,
    reset_draws,
    reset_from,
    step_draws,
    step_from,
)
from reference.urllc_vec_channel import rate_bps
from reference.urllc_vec_slot import decode

Array = np.ndarray


def random(rng: np.random.Generator, state: State, cfg: Config) -> Action:
    """Uniform over the masks and over [0,1]."""
    obs, v, n, j = observe(state, cfg), cfg.n_vehicles, cfg.n_nodes, cfg.n_subtasks
    return {
        "v_target": np.array([rng.choice(np.flatnonzero(row), j) for row in obs["mask_target"]]),
        "v_power": rng.random((v, j)),
        "v_split": rng.random((v, j)),
        "v_prio": rng.random((v, 3)),
        "z_fwd": np.array([rng.choice(np.flatnonzero(row)) for row in obs["mask_fwd"]]),
        "z_power": rng.random(n),
        "z_freq": rng.random(n),
        "z_admit": rng.random(n),
    }


def greedy(state: State, cfg: Config, **knobs: float) -> Action:
    """Every subtask to the best estimated link."""
    return planned(greedy_targets(state, cfg), state, cfg, **knobs)


def greedy_targets(state: State, cfg: Config) -> Array:
    return np.repeat(state.ch.g_vn_est.argmax(axis=1)[:, None], cfg.n_subtasks, axis=1)


def spread(state: State, cfg: Config, **knobs: float) -> Action:
    """The j-th subtask to the j-th best usable link, from the best again after the last."""
    target = np.zeros((cfg.n_vehicles, cfg.n_subtasks), int)
    for v in range(cfg.n_vehicles):
        best_first = [z for z in np.argsort(-state.ch.g_vn_est[v], kind="stable") if state.ch.conn_vn[v, z]]
        for j in range(cfg.n_subtasks):
            target[v, j] = best_first[j % len(best_first)]
    return planned(target, state, cfg, **knobs)


def nash(state: State, cfg: Config, **knobs: float) -> Action:
    """Best responses in turn (Algorithm 3): each subtask goes where it would be done first, given all the others."""
    chosen = decode(planned(greedy_targets(state, cfg), state, cfg, **knobs), state, cfg)
    cyc, f, rate = equal_cycles(state, cfg), chosen.f, rate_bps(state.ch.g_vn_est, chosen.p_v[:, :1], cfg)
    target = greedy_targets(state, cfg)
    load = expected_load(target, cyc, cfg)
    for _ in range(3):
        for v in range(cfg.n_vehicles):
            bits = state.task.d_task[v] / cfg.n_subtasks * cfg.bits_per_data_unit
            for j in range(cfg.n_subtasks):
                load[target[v, j]] -= cyc[v, j]
                done = {}
                for z in np.flatnonzero(state.ch.conn_vn[v]):
                    done[z] = bits / max(rate[v, z], 1.0) + (state.backlog[z] + load[z] + cyc[v, j]) / f[z]
                target[v, j] = min(done, key=done.get)
                load[target[v, j]] += cyc[v, j]
    return planned(target, state, cfg, **knobs)


def equal_cycles(state: State, cfg: Config) -> Array:
    """[V,J] of tasks cut into equal parts."""
    return state.task.d_task[:, None] / cfg.n_subtasks * state.task.c


def expected_load(target: Array, cyc: Array, cfg: Config) -> Array:
    """[N] cycles sent to each node."""
    load = np.zeros(cfg.n_nodes)
    for v in range(cfg.n_vehicles):
        for j in range(cfg.n_subtasks):
            load[target[v, j]] += cyc[v, j]
    return load


def planned(
    target: Array,
    state: State,
    cfg: Config,
    admit: float = 1.0,
    frequency: float = 1.0,
    power: float = 1.0,
    node_power: float = 1.0,
) -> Action:
    """The action of given targets: from the busiest node on, each forwards to whom it expects to be least busy."""
    v, n, j = cfg.n_vehicles, cfg.n_nodes, cfg.n_subtasks
    load, fwd = expected_load(target, equal_cycles(state, cfg), cfg), np.arange(n)
    overflow = np.maximum(load - admit * cfg.f_max_hz * cfg.latency_target_s, 0.0)  # of what arrives from vehicles
    for z in np.argsort(-load, kind="stable"):
        reachable = np.flatnonzero(state.ch.conn_nn[z])
        if reachable.size:
            fwd[z] = reachable[load[reachable].argmin()]
            load[fwd[z]] += overflow[z]
    return {
        "v_target": target,
        "v_power": np.full((v, j), power),
        "v_split": np.full((v, j), 0.5),
        "v_prio": np.full((v, 3), 0.5),
        "z_fwd": fwd,
        "z_power": np.full(n, node_power),
        "z_freq": np.full(n, frequency),
        "z_admit": np.full(n, admit),
    }


# --------------------------------------------------------------------------------------------------------- sanity table


def run_episodes(policy, cfg: Config, episodes: int, slots: int, seed: int = 0) -> dict[str, Array]:
    """Every scalar metric of every slot, each [episodes, slots]. The same seed gives every policy the same world."""
    world, rows = np.random.default_rng(seed), []
    for _ in range(episodes):
        state = reset_from(reset_draws(world, cfg), cfg)
        rows.append([])
        for _ in range(slots):
            state, _, info = step_from(state, policy(state, cfg), step_draws(world, cfg), cfg)
            rows[-1].append({name: x for name, x in info.items() if isinstance(x, float)})
    return {name: np.array([[slot[name] for slot in episode] for episode in rows]) for name in rows[0][0]}


COLUMNS = {  # name -> unit in the table
    "team_reward": 1.0,
    "reward_vehicle": 1.0,
    "reward_uav": 1.0,
    "reward_bs": 1.0,
    "latency_mean_s": 1e-3,
    "latency_p95_s": 1e-3,
    "latency_up_s": 1e-3,
    "latency_fwd_s": 1e-3,
    "latency_proc_s": 1e-3,
    "violation_rate": 1.0,
    "drop_rate": 1.0,
    "energy_vehicle_j": 1e-3,
    "energy_node_j": 1.0,
    "qos_norm": 1.0,
    "backlog_cycles": 1e6,
    "load_imbalance": 1.0,
    "forwards_per_subtask": 1.0,
}
HEADS = "team vehicle UAV BS L p95 up fwd proc late dropped E_v E_z Qnorm backlog imbal fwds"
DOCUMENTED = {
    "random": "-3.49 -2.11 -0.94 -0.43 26.3 49.7 8.7 1.0 24.5 0.79 0.088 9.1 10.6 56.2 7.84 1.06 0.61",
    "greedy": "-0.87 -0.19 -0.39 -0.28 10.4 18.8 1.1 0.1 9.2 0.45 0.000 4.4 32.1 65.4 0.22 1.01 0.22",
    "greedy admit=0.5": "-0.47 -0.05 -0.22 -0.20 10.0 22.8 1.1 0.5 8.6 0.24 0.000 4.5 32.4 72.0 1.75 0.83 0.74",
    "spread": "-0.03 -0.20 -0.19 0.37 9.3 18.9 1.9 0.0 7.5 0.35 0.000 7.4 32.0 70.4 0.15 0.76 0.03",
    "spread admit=0.5": "0.26 0.03 0.06 0.18 7.3 14.0 1.9 0.3 5.1 0.16 0.000 7.4 32.3 75.1 0.03 0.33 0.37",
    "nash": "0.15 0.05 -0.02 0.12 7.3 12.3 1.7 0.0 5.6 0.15 0.000 6.8 33.3 73.5 0.00 0.50 0.00",
    "nash admit=0.5": "0.39 0.12 0.10 0.18 6.8 11.9 1.7 0.1 4.9 0.10 0.000 6.8 32.3 75.9 0.04 0.26 0.16",
    "nash admit=0.5 frequency=0.9": "0.40 0.05 0.15 0.20 7.3 12.9 1.7 0.1 5.4 0.14 0.000 6.9 27.0 73.9 0.04 0.26 0.15",
    "nash admit=0.5 frequency=0.6": "0.09 -0.24 0.13 0.20 9.6 17.4 1.8 0.1 7.7 0.34 0.000 7.3 13.4 66.8 0.14 0.26 0.14",
    "nash admit=0.5 power=0.3": "0.14 0.13 -0.02 0.03 8.0 15.2 2.9 0.2 4.9 0.19 0.002 3.5 32.4 71.9 0.01 0.28 0.24",
}


def named(text: str, seed: int):
    """The policy of a line of the table."""
    name, *knobs = text.split()
    if name == "random":
        rng = np.random.default_rng(seed)
        return lambda state, cfg: random(rng, state, cfg)
    chosen = {key: float(x) for key, x in (knob.split("=") for knob in knobs)}
    return lambda state, cfg: {"greedy": greedy, "spread": spread, "nash": nash}[name](state, cfg, **chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description="Sanity table of the heuristics (default parameters).")
    parser.add_argument("--episodes", type=int, default=48)
    parser.add_argument("--slots", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policies", nargs="*", default=list(DOCUMENTED))
    args = parser.parse_args()
    print(f"{args.episodes} episodes; lines of each policy: mean, standard error, documented\n")
    print(f"{'':<30}" + "".join(f"{head:>9}" for head in HEADS.split()))
    for text in args.policies:
        result = run_episodes(named(text, args.seed + 1), Config(), args.episodes, args.slots, args.seed)
        per_episode = [result[name].mean(axis=1) / unit for name, unit in COLUMNS.items()]
        print(f"{text:<30}" + "".join(f"{x.mean():>9.3f}" for x in per_episode))
        print(f"{'':<30}" + "".join(f"{x.std() / len(x) ** 0.5:>9.3f}" for x in per_episode))
        print(f"{'':<30}" + "".join(f"{x:>9}" for x in DOCUMENTED[text].split()), flush=True)


if __name__ == "__main__":
    main()
