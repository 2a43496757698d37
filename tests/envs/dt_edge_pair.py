"""`dt_edge` and its NumPy twin, to be compared side by side."""

from typing import NamedTuple

import numpy as np
from envs.side_by_side import WORLDS, Pair, together
from reference import dt_edge as reference

from jaxvec.envs.dt_edge.observation import GROUP
from jaxvec.envs.dt_edge.params import Params, State

DRAWN = (
    "x_m",
    "speed_mps",
    "shadow_db",
    "fading_re",
    "fading_im",
    "task_bits",
)  # of the first state, by the environment


class Config(NamedTuple):
    """What the twin needs to know of a world."""

    params: reference.Params
    sizes: reference.Sizes


def sizes_of(env):
    """The twin's sizes of an environment."""
    return reference.Sizes(**{name: getattr(env, name) for name in reference.Sizes.__dataclass_fields__})


def numbers(rng, env):
    """One scenario: every number of the model away from its default, servers from idle to hopeless, guards in use."""
    k, default = env.n_types, reference.Params()
    near = lambda name: getattr(default, name) * rng.uniform(0.8, 1.3)  # noqa: E731
    names = ("slot_s", "bandwidth_hz", "tx_power_w", "noise_w", "carrier_hz", "pathloss_const_db", "pathloss_slope_db")
    names += ("shadow_std_db", "shadow_decorr_m", "lane_offset_m", "lane_width_m", "bs_height_m", "vehicle_height_m")
    names += ("speed_min_mps", "task_bits_min", "vehicle_cpu_hz", "kappa_vehicle", "server_cores", "alpha_min")
    names += ("alpha_max", "energy_weight", "beta", "eta_capacity")
    found = {name: near(name) for name in names}
    server = 10 ** rng.uniform(10.3, 11.8)
    return found | {
        "light_speed_mps": 299792458.0,
        "rate_min_bps": 10 ** rng.uniform(4, 9),
        "road_half_length_m": 10 ** rng.uniform(0.9, 2.9),  # short ones: round it and under the mast
        "speed_max_mps": found["speed_min_mps"] * rng.uniform(1.1, 1.6),
        "task_bits_max": found["task_bits_min"] * rng.uniform(1.1, 3),
        "cycles_per_bit": rng.uniform(100, 800, k),
        "t_max_s": rng.uniform(0.05, 0.3, k),
        "latency_cap_s": rng.choice([0.1, 0.5, 1e9]),
        "server_cpu_hz": server,
        "kappa_server": 0.1 * rng.uniform(0.5, 2) / (server / 10) ** 3,
        "cpu_bias_mean_hz": server * rng.choice([-0.5, 0.1, 1, 20]) / (env.n_vehicles * k),
        "cpu_bias_halfwidth_hz": server * rng.choice([0.0, 0.1, 2]) / (env.n_vehicles * k),
        "cpu_eff_min_hz": 10 ** rng.uniform(7, 9),
    }


class DtEdgePair(Pair):
    """A config is the twin's parameters and sizes."""

    Params, State, ReferenceState = Params, State, reference.State

    def configs(self, env, rng):
        sizes = sizes_of(env)
        return [
            Config(p, sizes)
            for p in (reference.Params(), *(reference.Params(**numbers(rng, env)) for _ in range(WORLDS - 1)))
        ]

    def numbers(self, config):
        return config.params

    def reset_draws(self, rng, config):
        draws = reference.sample_reset_draws(rng, config.sizes)
        first = reference.reset_with_draws(draws, *config)
        return draws | {name: getattr(first, name) for name in DRAWN}

    def to_env(self, draws):
        return {name: draws[name] for name in (*DRAWN, "u_bias")} if "x_m" in draws else draws

    def step_draws(self, rng, config):
        return reference.sample_step_draws(rng, config.sizes)

    def reset_from(self, draws, config):
        return reference.reset_with_draws({name: x for name, x in draws.items() if name not in DRAWN}, *config)

    def step_from(self, state, action, draws, config):
        u = np.concatenate([action["offload"], action["share"]], 1)
        return reference.step_with_draws(state, reference.unit_to_action(np.clip(u, 0, 1), *config), draws, *config)

    def actions(self, rng, env, worlds=WORLDS):
        """Random actions of all worlds: some modest, some beyond the box, some with nothing between its edges."""
        shape = (env.n_vehicles, env.n_types, worlds)
        width = rng.choice([0.4, 1.0, 1.5, 1000.0], worlds)
        names = env.action_space[GROUP]
        return {name: rng.uniform(0, 1, worlds) + width * rng.uniform(-0.5, 0.5, shape) for name in names}

    def rewarded(self, ts, rewards):
        return {"reward": (np.asarray(ts.reward[GROUP]), together(rewards))}

    def unbatch(self, state, w):
        """World `w` of the environment's states as one of the twin's."""
        names = reference.State.__dataclass_fields__
        return reference.State(**{name: np.asarray(getattr(state, name))[..., w] for name in names})

    def observed(self, env, ts, states, configs):
        each = list(zip(states, configs, strict=True))
        return {
            "obs": (np.asarray(ts.obs.agents[GROUP]), together(reference.observe(s, *c) for s, c in each)),
            "obs.world": (np.asarray(ts.obs.world), together(reference.central(s, *c) for s, c in each)),
        }


PAIR = DtEdgePair()
