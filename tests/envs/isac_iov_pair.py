"""`isac_iov` and its float64 reference in NumPy, to be compared side by side."""

from dataclasses import fields

import jax
import numpy as np
from envs.side_by_side import WORLDS, Pair, together
from reference import isac_iov as reference

from jaxvec.envs.isac_iov.observation import GROUP
from jaxvec.envs.isac_iov.params import Params, State

SWITCHES = (
    "n_vehicles",
    "n_rsus",
    "horizon",
    "queue_window",
    "bandwidth_mode",
    "rsu_cpu_mode",
    "drift_form",
    "dt_enabled",
)
ARRAYS_OF_ONE_SIDE = {"present", "active"}  # in the environment's info; the reference has them in its state and parts


def numbers(rng, n_rsus):
    """One scenario: every number of the model away from its default."""
    default = reference.Config()
    names = [f.name for f in fields(reference.Config) if isinstance(getattr(default, f.name), float)]
    chosen = {name: getattr(default, name) * rng.uniform(0.8, 1.25) for name in names}
    for name in [n for n in names if n.endswith("_max") or "_max_" in n]:
        low = name.replace("_max", "_min")
        if low in chosen:
            chosen[low], chosen[name] = sorted((chosen[low], chosen[name]))
    return chosen | {
        "bandwidth_hz": 10 ** rng.uniform(6, 7.5),  # from where the instruction wins to where the data does
        "rsu_cpu_hz": rng.uniform(8e9, 25e9, n_rsus),
        "twin_cpu_hz": rng.uniform(1e9, 4e9, n_rsus),
        "split_cut": rng.uniform(0, 0.12),
        "share_floor": rng.uniform(0.01, 0.3),
        "rsu_bg_prob": rng.uniform(0, 0.6),
        "twin_queue_err": rng.uniform(0, 1),
        "violation_penalty": rng.uniform(0, 3),
        "energy_budget_j": rng.uniform(20, 250),
    }


class IsacIovPair(Pair):
    """A config is the reference's. Where recorded vehicles are, the reference is told."""

    Params, State, ReferenceState = Params, State, reference.State

    def configs(self, env, rng):
        switches = {name: getattr(env, name) for name in SWITCHES}
        others = [reference.Config(**switches, **numbers(rng, env.n_rsus)) for _ in range(WORLDS - 1)]
        return [reference.Config(**switches), *others]

    reset_draws = staticmethod(reference.reset_draws)
    step_draws = staticmethod(reference.step_draws)
    reset_from = staticmethod(reference.reset_from)
    step_from = staticmethod(reference.step_from)

    def own_draws(self, env, seed, params):
        if env.mobility != "trace":
            return {}
        keys = jax.random.split(jax.random.key(seed), WORLDS)
        return {name: x for name, x in env.draw_reset(keys, params).items() if name in ("start_s", "row")}

    def replayed(self, env, state, w, prefix=""):
        names = ("x_m", "y_m", "velocity_mps", "present") if env.mobility == "trace" else ()
        return {prefix + name: np.asarray(getattr(state, name))[..., w] for name in names}

    def states(self, state, states):
        pairs, present = super().states(state, states), together(s.present for s in states)
        for name in ("task_bits", "instr_bits"):  # nobody's task: the environment says 0
            pairs[name] = pairs[name][0], np.where(present, pairs[name][1], 0)
        return pairs

    def observed(self, env, ts, states, configs):
        seen = together(reference.observe(s, config) for s, config in zip(states, configs, strict=True))
        return {
            "obs": (np.asarray(ts.obs.agents[GROUP]), seen),
            "obs.world": (np.asarray(ts.obs.world), seen.reshape(env.world_size, -1)),
        }

    def compared(self, env, info, infos):
        names = set(env.info_fields) - ARRAYS_OF_ONE_SIDE
        pairs = {name: (np.asarray(info[name]), together(i[name] for i in infos)) for name in names}
        return pairs | {"active": (np.asarray(info["active"]), together(i["ell_rsu"] > 0 for i in infos))}

    def batch(self, states):
        return super().batch(states, track=None)


PAIR = IsacIovPair()
