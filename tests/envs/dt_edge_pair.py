"""`dt_edge` and its float64 reference in NumPy, to be compared side by side."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from envs.side_by_side import WORLDS, Pair, together
from reference import dt_edge as reference

from jaxvec.envs.dt_edge.observation import GROUP
from jaxvec.envs.dt_edge.params import Params, State

DRAWN = ("x_m", "speed_mps", "shadow_db", "fading_re", "fading_im", "task_bits")
"""Of the first state, what the environment draws."""
MOVING = ("lane", "speed_mps")
"""Fields of the reference's state that the environment's has in another form."""
ALIKE = tuple(name for name in reference.State.__dataclass_fields__ if name not in MOVING)


class Config(NamedTuple):
    """What the reference needs to know of a world."""

    params: reference.Params
    sizes: reference.Sizes


def sizes_of(env):
    """The reference's sizes of an environment."""
    return reference.Sizes(**{name: getattr(env, name) for name in reference.Sizes.__dataclass_fields__})


def numbers(rng, env):
    """One scenario: every number of the model away from its default, servers from idle to hopeless, guards in use."""
    k, default = env.n_types, reference.Params()
    names = ("slot_s", "bandwidth_hz", "tx_power_w", "noise_w", "carrier_hz", "pathloss_const_db", "pathloss_slope_db")
    names += ("shadow_std_db", "shadow_decorr_m", "lane_offset_m", "lane_width_m", "bs_height_m", "vehicle_height_m")
    names += ("speed_min_mps", "task_bits_min", "vehicle_cpu_hz", "kappa_vehicle", "server_cores", "alpha_min")
    names += ("alpha_max", "energy_weight", "beta", "eta_capacity")
    scaled = {name: getattr(default, name) * rng.uniform(0.8, 1.3) for name in names}
    server = 10 ** rng.uniform(10.3, 11.8)
    return scaled | {
        "light_speed_mps": 299792458.0,
        "rate_min_bps": 10 ** rng.uniform(4, 9),
        "road_half_length_m": 10 ** rng.uniform(0.9, 2.9),  # short ones: round it and under the mast
        "speed_max_mps": scaled["speed_min_mps"] * rng.uniform(1.1, 1.6),
        "task_bits_max": scaled["task_bits_min"] * rng.uniform(1.1, 3),
        "cycles_per_bit": rng.uniform(100, 800, k),
        "t_max_s": rng.uniform(0.05, 0.3, k),
        "latency_cap_s": rng.choice([0.1, 0.5, 1e9]),
        "server_cpu_hz": server,
        "kappa_server": 0.1 * rng.uniform(0.5, 2) / (server / 10) ** 3,
        "cpu_bias_mean_hz": server * rng.choice([-0.5, 0.1, 1, 20]) / (env.n_vehicles * k),
        "cpu_bias_halfwidth_hz": server * rng.choice([0.0, 0.1, 2]) / (env.n_vehicles * k),
        "cpu_eff_min_hz": 10 ** rng.uniform(7, 9),
    }


def motion(states, configs):
    """Lanes and speeds of the reference's states as the environment has them: place across the road, and velocity."""
    y_m = [c.params.lane_offset_m + c.params.lane_width_m * s.lane for s, c in zip(states, configs, strict=True)]
    return {"y_m": together(y_m), "velocity_mps": together(s.speed_mps for s in states)}


class DtEdgePair(Pair):
    """A config is the reference's parameters and sizes."""

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

    def states(self, state, states):
        """Fields that both states have; `differences` adds those of `motion`."""
        return {name: (np.asarray(getattr(state, name)), together(getattr(s, name) for s in states)) for name in ALIKE}

    def differences(self, env, configs, state, ts, theirs):
        moving = motion([reference_state for reference_state, _, _ in theirs], configs)
        pairs = {f"state.{name}": (np.asarray(getattr(state, name)), value) for name, value in moving.items()}
        return super().differences(env, configs, state, ts, theirs) | pairs

    def batch(self, states, configs):
        """States of the reference as one of the environment's, worlds last, in the float type of the moment."""
        leaves = {name: together(getattr(s, name) for s in states) for name in ALIKE} | motion(states, configs)
        leaves = {
            n: jnp.asarray(x, jnp.result_type(float) if x.dtype.kind == "f" else jnp.int32) for n, x in leaves.items()
        }
        return self.State(**leaves, track=None)

    def unbatch(self, state, w, config):
        """World `w` of the environment's states as one of the reference's."""
        y_m, velocity_mps = (np.asarray(x)[..., w] for x in (state.y_m, state.velocity_mps))
        lane = np.rint((y_m - config.params.lane_offset_m) / config.params.lane_width_m).astype(int)
        others = {name: np.asarray(getattr(state, name))[..., w] for name in ALIKE}
        return reference.State(**others, lane=lane, speed_mps=velocity_mps)

    def observed(self, env, ts, states, configs):
        each = list(zip(states, configs, strict=True))
        return {
            "obs": (np.asarray(ts.obs.agents[GROUP]), together(reference.observe(s, *c) for s, c in each)),
            "obs.world": (np.asarray(ts.obs.world), together(reference.central(s, *c) for s, c in each)),
        }


PAIR = DtEdgePair()
