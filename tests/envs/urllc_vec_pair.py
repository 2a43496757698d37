"""`urllc_vec` and its float64 reference in NumPy, to be compared side by side."""

from dataclasses import fields, replace

import numpy as np
from envs.side_by_side import WORLDS, Pair, together
from reference import urllc_vec as reference

from jaxvec.envs.urllc_vec.params import Params, State

NODE_ACTIONS = {"forward": "fwd", "power": "power", "frequency": "freq", "admit": "admit"}
GROUPS = ("vehicle", "uav", "bs")
SAME = ("t", "pos_bs", "pos_u", "wp_u", "pos_v", "spd_u", "alpha_vu", "alpha_ub", "los_vb", "los_vu", "los_ub")
SAME += ("cpu_z", "task_z", "backlog", "prev_share")
RENAMED_STATE = {"track_v": "wp_v", "measured": "meas_hist"}  # fields of the state under other names
DRAWS = {"n_vb": "z_vb", "n_cpu": "z_cpu", "n_task": "z_task"}  # draws of the reference, and what they are here
LINKS = {"gain": "g_vn_est", "relay": "g_nn", "reach": "conn_vn", "uncovered": "uncovered", "relays": "conn_nn"}
TASKS = {"size_bits": "d_task", "cycles": "c", "urgency": "chi", "cycles_weight": "w_c", "size_weight": "w_d"}
RENAMED = {
    "features": "feat_true",
    "task_latency_s": "latency",
    "task_energy_j": "e_task",
    "task_node": "node",
    "task_placed": "placed",
    "node_load_cycles": "load",
    "node_energy_j": "e_node",
    "vehicle_energy_j": "e_vehicle",
}
NOT_MOVED = {
    "d_max_units",
    "bs_z_max_m",
    "uav_z_max_m",
    "veh_z_max_m",
    "f_max_hz",
    "task_max_bits",
    "chi_max",
    "weight_max",
}


def sizes_of(env):
    """The reference's sizes and switches of an environment; its Okumura-Hata loss has a switch for the unit of the carrier."""
    sizes = {f.name: getattr(env, f.name) for f in fields(reference.Config) if hasattr(env, f.name)}
    if sizes["pathloss_v2b"] == "okumura_hata_ghz":
        sizes |= {"pathloss_v2b": "okumura_hata", "okumura_fc_unit": "ghz"}
    return sizes


def numbers(rng, env):
    """Every number of the model away from its default, lower and upper bounds in order."""
    default = reference.Config()
    moved = {}
    for field in fields(Params):
        if {"data", "count_of"} & field.metadata.keys():  # recordings, tables and counts, which the reference has not
            continue
        value = getattr(default, field.name)
        moved[field.name] = value * rng.uniform(0.75, 1.25) if field.name not in NOT_MOVED else value * 1.3
    return moved | {
        "los_resample_prob": rng.uniform(0, 0.5),
        "csi_error_var": rng.choice([0.0, 0.1]),
        "codec_s_per_symbol": rng.choice([0.0, 3e-6]),
        "cpu_dev_corr": rng.uniform(0, 1),
        "antenna_gain_vehicle_db": rng.uniform(-3, 3),
        "bits_per_data_unit": rng.choice([1.0, 2.0]),
        "cpu_energy_exponent": rng.choice([0.0, 2.0, 3.0]),
        "capacity_cycles": rng.choice([2e7, 1e8]),
        "latency_cap_s": rng.choice([0.015, 0.05]),
        "uav_speed_max_mps": rng.choice([60.0, 5e3]),  # as far as the waypoint, and past it
        "veh_speed_mps": rng.choice([20.0, 2e4]),
        "veh_z_min_m": rng.uniform(0, 10),
        "reward_mix": rng.uniform(0, 1),
        "d_max_units": rng.choice([8e4, 1e6]),
    }


class UrllcVecPair(Pair):
    """A config is the reference's, with sizes and switches."""

    Params, State, ReferenceState = Params, State, reference.State

    def configs(self, env, rng):
        first = reference.Config(**sizes_of(env))
        return [first, *(replace(first, **numbers(rng, env)) for _ in range(WORLDS - 1))]

    def reset_draws(self, rng, config):
        return reference.reset_draws(rng, config)

    def step_draws(self, rng, config):
        return reference.step_draws(rng, config)

    def reset_from(self, draws, config):
        return reference.reset_from(draws, config)

    def actions(self, rng, env, worlds=WORLDS):
        """Of all groups; the reference knows nodes only, BSs first."""
        return {group: self.of_group(rng, env, group, worlds) for group in GROUPS}

    def of_group(self, rng, env, group, worlds):
        result = {}
        for name, space in env.action_space[group].items():
            shape = (env.n_agents[group], *space.shape, worlds)
            result[name] = rng.integers(0, space.n, shape) if hasattr(space, "n") else rng.uniform(0, 1, shape)
        return result

    def step_from(self, state, action, draws, config):
        own, nodes = action["vehicle"], {n: np.concatenate([action["bs"][n], x]) for n, x in action["uav"].items()}
        told = {f"v_{n}": own[n] for n in ("target", "power", "split")} | {"v_prio": own["priority"]}
        told |= {f"z_{short}": nodes[n] for n, short in NODE_ACTIONS.items()}
        return reference.step_from(state, told, draws, config)

    def whole(self, action):
        return action

    def rewarded(self, ts, rewards):
        return {f"reward.{g}": (np.asarray(ts.reward[g]), together(r[g] for r in rewards)) for g in GROUPS}

    def to_env(self, draws):
        """The reference's draws as the environment's: normal ones under other names, links between UAVs pair by pair."""
        upper = np.triu_indices(draws["uu_los"].shape[0], 1)
        of_pairs = {n: draws[n][upper] for n in ("uu_los", "uu_nlos", "alpha_uu") if n in draws}
        return {DRAWS.get(name, name): x for name, x in (draws | of_pairs).items()}

    def states(self, state, states):
        pairs = {n: (np.asarray(getattr(state, n)), together(getattr(s, n) for s in states)) for n in SAME}
        for name, of in RENAMED_STATE.items():
            pairs[name] = np.asarray(getattr(state, name)), together(getattr(s, of) for s in states)
        for name, of in LINKS.items():
            pairs[name] = np.asarray(getattr(state.links, name)), together(getattr(s.ch, of) for s in states)
        for name, of in TASKS.items():
            pairs[name] = np.asarray(getattr(state.tasks, name)), together(getattr(s.task, of) for s in states)
        upper = np.triu_indices(len(states[0].alpha_uu), 1)
        pairs["alpha_uu"] = np.asarray(state.alpha_uu), together(s.alpha_uu[upper] for s in states)
        return pairs

    def observed(self, env, ts, states, configs):
        mode = "hold" if env.twin_mode == "lstm" else env.twin_mode  # a forecast begins as the last value
        seen = [reference.observe(s, replace(c, twin_mode=mode)) for s, c in zip(states, configs, strict=True)]
        pairs = {f"obs.{g}": (np.asarray(ts.obs.agents[g]), together(s[g] for s in seen)) for g in GROUPS}
        width = env.observation_space["bs"].shape[0]
        pairs["obs.world"] = np.asarray(ts.obs.world), together(s["critic_bs"][0, width:] for s in seen)
        mask = ts.obs.mask
        pairs["mask.target"] = np.asarray(mask["vehicle"]["target"][:, 0]), together(s["mask_target"] for s in seen)
        forward = np.concatenate([mask["bs"]["forward"], mask["uav"]["forward"]])
        pairs["mask.forward"] = forward, together(s["mask_fwd"] for s in seen)
        if env.twin_mode == "lstm":
            pairs["twin"] = np.asarray(ts.obs.aux["history"]), together(s["twin_hist"] for s in seen)
        return pairs

    def compared(self, env, info, infos):
        named = {name: RENAMED.get(name, name) for name in env.info_fields}
        return {name: (np.asarray(info[name]), together(i[of] for i in infos)) for name, of in named.items()}


PAIR = UrllcVecPair()
