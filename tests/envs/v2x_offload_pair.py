"""`v2x_offload` and its float64 reference in NumPy, to be compared side by side."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from envs.side_by_side import WORLDS, Pair, together
from reference import v2x_offload as reference

from jaxvec.envs.v2x_offload.observation import GROUP
from jaxvec.envs.v2x_offload.params import Params, State

ALIKE = tuple(name for name in reference.State.__dataclass_fields__ if name != "heading_rad")
"""Fields of the reference's state that the environment's has, too; headings are in the memory of the mobility model."""


class Config(NamedTuple):
    """What the reference needs to know of a world."""

    params: reference.Params
    sizes: reference.Sizes


def sizes_of(env):
    """The reference's sizes of an environment."""
    return reference.Sizes(**{name: getattr(env, name) for name in reference.Sizes.__dataclass_fields__})


def numbers(rng, env):
    """One scenario: every number of the model away from its default, every extension in some of the worlds."""
    m, n, default = env.n_vehicles, env.n_servers, reference.Params()

    def near(name):
        return getattr(default, name) * rng.uniform(0.7, 1.4)

    area_m = near("area_m")
    names = ("slot_s", "dist_min_m", "heading_sigma_rad", "task_bits", "cycles_per_bit", "cv_kappa", "tx_power_max_w")
    names += ("noise_w", "pathloss_ref", "wired_factor_bit_m_s", "latency_ref_s", "energy_ref_j", "reward_offset")
    names += ("obs_task_bits", "obs_cpu_hz", "obs_bandwidth_hz")
    return {name: near(name) for name in names} | {
        "area_m": area_m,
        "es_pos_m": rng.uniform(0.1, 0.9, (n, 2)) * area_m if env.boundary == "open" else None,
        "radius_m": area_m * rng.uniform(0.25, 0.6),
        "hard_radius": rng.random() < 0.7,
        "speed_mps": rng.uniform(5, 200),  # into the walls
        "task_spread": rng.uniform(0, 1),
        "cv_cpu_hz": rng.uniform(1e9, 4e9, m),
        "es_cpu_hz": rng.uniform(3e9, 30e9, n),
        "es_bandwidth_hz": rng.uniform(2e6, 30e6, n),
        "es_kappa": 10 ** rng.uniform(-30, -28, n),
        "noise_psd_w_hz": rng.choice([0.0, 10**-20.4, 1e-17]),
        "pathloss_exp": rng.uniform(3, 4),
        "share_min": rng.uniform(0.001, 0.1),
        "deadline_s": rng.choice([0.01, 0.03, 0.1, 1e9]),
        "rate_floor_bps": 10 ** rng.uniform(0, 5),
        "cpu_floor_hz": 10 ** rng.uniform(0, 8),
        "weight_latency": rng.uniform(0, 1),
        "team_weight": 1.0 if env.shared_reward else rng.uniform(0, 1),
        "local_dvfs": rng.random() < 0.5,
        "bg_load_mean": rng.uniform(0, 0.5),
        "bg_load_std": rng.uniform(0, 0.5),
        "bg_load_max": rng.uniform(0.5, 0.95),
        "twin_sync_every": rng.choice([1, 2, 5, 10]),
        "twin_cpu_err": rng.choice([0.0, 0.3, 0.9]),
        "twin_bw_err": rng.choice([0.0, 0.3, 0.9]),
        "split_temp": rng.uniform(1, 8),
        "split_min": rng.uniform(0, 0.9) / (1 + n),  # the largest part is never dropped
        "obs_dist_m": 10 ** rng.uniform(2, 3),  # distances beyond 3 of it are cut
    }


class V2xOffloadPair(Pair):
    """A config is the reference's parameters and sizes. Where vehicles are reflected, servers stand at their default places."""

    Params, State, ReferenceState = Params, State, reference.State

    def configs(self, env, rng):
        sizes = sizes_of(env)
        first = reference.Params(
            es_pos_m=None if env.boundary == "reflect" else reference.es_positions(reference.Params(), sizes)
        )
        others = [reference.Params(**numbers(rng, env)) for _ in range(WORLDS - 1)]
        return [Config(p, sizes) for p in (first, *others)]

    def numbers(self, config):
        return config.params

    def reset_draws(self, rng, config):
        return reference.sample_reset_draws(rng, config.sizes)

    def step_draws(self, rng, config):
        return reference.sample_step_draws(rng, config.sizes)

    def reset_from(self, draws, config):
        return reference.reset_with_draws(draws, *config)

    def step_from(self, state, action, draws, config):
        after, reward, info, _ = reference.step_with_draws(state, action, draws, *config)
        return after, reward, info

    def states(self, state, states):
        """Fields of the state; headings as directions, because 0 is 2 pi."""
        pairs = {name: (np.asarray(getattr(state, name)), together(getattr(s, name) for s in states)) for name in ALIKE}
        headings = (np.asarray(state.track), together(s.heading_rad for s in states))
        return pairs | {"heading": tuple(np.stack([np.cos(a), np.sin(a)]) for a in headings)}

    def observed(self, env, ts, states, configs):
        each = list(zip(states, configs, strict=True))
        return {
            "obs": (np.asarray(ts.obs.agents[GROUP]), together(reference.observe_opening(s, *c) for s, c in each)),
            "obs.world": (np.asarray(ts.obs.world), together(reference.base_state(s, *c) for s, c in each)),
        }

    def batch(self, states):
        """States of the reference as one of the environment's, worlds last, in the float type of the moment."""
        leaves = {name: together(getattr(s, name) for s in states) for name in ALIKE}
        leaves |= {"track": together(s.heading_rad for s in states)}
        whole = ("t", "order")
        leaves = {n: jnp.asarray(x, jnp.int32 if n in whole else jnp.result_type(float)) for n, x in leaves.items()}
        return self.State(**leaves, velocity_mps=None)

    def unbatch(self, state, w):
        """World `w` of the environment's states as one of the reference's."""
        fields = {name: np.asarray(getattr(state, name))[..., w] for name in ALIKE}
        return reference.State(**fields | {"t": int(state.t[w])}, heading_rad=np.asarray(state.track)[..., w])


PAIR = V2xOffloadPair()
