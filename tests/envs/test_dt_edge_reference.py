"""`dt_edge` against its float64 reference in NumPy, number by number: states, rewards, observations, and every metric.

Each world has random numbers of its own for every parameter, random actions (also beyond the box) and the same draws on both
sides. In float64 whole trajectories agree to 1e-9. In float32 trajectories of the presets do, within documented tolerances.
"""

from collections import Counter

import jax
import numpy as np
import pytest
from envs.dt_edge_pair import DRAWN, PAIR, Config, sizes_of
from envs.side_by_side import WORLDS, assert_agree, named, rounded, rounded_fields
from reference import dt_edge as reference
from representatives import representatives

import jaxvec
from jaxvec.envs.dt_edge import DtEdge
from jaxvec.envs.dt_edge.info import INFO

SLOTS = 12
PRINTED = {"n_vehicles": 4}
QUEUES = {"bandwidth_shared": False, "queue_wait": True, "drift_mode": "bound", "latency_combine": "max"}
OWN = {"reward_mode": "eq27", "shared_reward": False}
MANY = {"n_vehicles": 9, "n_types": 4, "n_lanes": 5, "queue_wait": True, "shared_reward": False}
ONE = {"n_vehicles": 1, "n_types": 1, "n_lanes": 1, "latency_combine": "max"}
BRANCHES = {
    *("oversubscribed", "not oversubscribed", "nothing above the floor", "given up", "late", "in time", "backlog"),
    *("queue emptied", "least speed", "least rate", "round the road", "gain cut", "all offloaded", "nothing offloaded"),
}


@pytest.mark.parametrize("settings", representatives([PRINTED, QUEUES, OWN, MANY, ONE], [PRINTED, QUEUES]), ids=named)
def test_trajectories_agree_in_float64(settings):
    env, seen, before = DtEdge(**settings), Counter(), None
    with jax.enable_x64(True):
        for configs, state, ts, theirs in PAIR.play(env, seed=7, slots=SLOTS):
            assert_agree(PAIR.differences(env, configs, state, ts, theirs), 1e-9, float64_atol)
            assert state.x_m.dtype == np.float64
            if ts.info:
                seen += happened(configs, before, jax.tree.map(np.asarray, ts.info), state)
            before = jax.tree.map(np.asarray, state)
    if env.n_vehicles > 1:  # the trajectories went through every branch of the model
        assert set(seen) == BRANCHES
        assert min(seen.values()) > 5, seen


def float64_atol(name):
    """What sums that cancel leave."""
    return {"state.x_m": 1e-10, "info.served_bits": 1e-8}.get(name, 1e-13)


def happened(configs, before, info, after):
    """How often the branches of the model were taken in a slot."""

    def number(name):
        return np.array([getattr(c.params, name) for c in configs])

    least = np.array([reference.streams(c.sizes) * reference.share_floor(*c) for c in configs])
    true_hz = info["alpha"] * number("server_cpu_hz") + before.cpu_bias_hz
    gain = [reference.row_features(PAIR.unbatch(before, w, c), *c)[:, -1] for w, c in enumerate(configs)]
    counts = {
        "oversubscribed": info["oversubscribed"].sum(),
        "not oversubscribed": (~info["oversubscribed"]).sum(),
        "nothing above the floor": (info["oversubscribed"] & np.isclose(info["resource_ratio"], least)).sum(),
        "given up": (info["timeout_rate"] > 0).sum(),
        "late": (info["deadline_violation_rate"] > 0).sum(),
        "in time": (info["deadline_violation_rate"] < 1).sum(),
        "backlog": (after.queue_bits > 0).sum(),
        "queue emptied": (after.queue_bits == 0).sum(),
        "least speed": (true_hz < number("cpu_eff_min_hz")).sum(),
        "least rate": (info["rate_bps"] == number("rate_min_bps")).sum(),
        "round the road": (after.x_m < before.x_m).sum(),
        "gain cut": (np.abs(gain) == 3).sum(),
        "all offloaded": (info["omega"] == 1).sum(),
        "nothing offloaded": (info["omega"] == 0).sum(),
    }
    return Counter({name: int(x) for name, x in counts.items()})


def test_everything_is_compared():
    env = DtEdge(**PRINTED)
    with jax.enable_x64(True):
        for configs, state, ts, theirs in PAIR.play(env, seed=1, slots=1):
            names = set(PAIR.differences(env, configs, state, ts, theirs))
    assert state.track is None  # on this road nothing else moves
    fields = {f"state.{name}" for name in PAIR.State.__dataclass_fields__ if name not in ("track", "present")}
    assert names == fields | {f"info.{name}" for name in INFO} | {"obs", "obs.world", "reward"}


# ----------------------------------------------------------------------------------------------------------------- float32

FLOAT32_RTOL = 1e-4
CLOSE = {  # absolute, where quantities cancel
    **dict.fromkeys(("reward", "info.team_reward", "info.reward_n", "info.qos_mean", "info.qos_n"), 1e-4),
    **dict.fromkeys(("info.drift_exact", "info.drift_bound"), 1e-4),
    **dict.fromkeys(("state.fading_re", "state.fading_im", "state.fading_corr"), 1e-5),
    "state.x_m": 1e-3,  # of a road of 1000 m
    **dict.fromkeys(
        ("obs", "obs.world"), 1e-4
    ),  # the gain at the mast, where a millimetre counts, and of near-zero fading
}
COUNTS = ("info.deadline_violation_rate", "info.timeout_rate", "info.oversubscribed")  # a tie may turn by rounding


@pytest.mark.parametrize("preset", representatives(reference.PRESETS, ("balanced",)))
def test_trajectories_agree_in_float32_within_documented_tolerances(preset):
    """150 slots of each preset; what has no tolerance of its own may be off by 1e-6 of the largest value of its field."""
    env, numbers = jaxvec.make("dt_edge", preset=preset)
    turned, compared = 0, 0
    pair = Preset(reference.Params(**reference.PRESETS[preset][0]))
    for name, value in vars(pair.params).items():
        assert getattr(numbers, name) == value, name
    for configs, state, ts, theirs in pair.play(env, seed=3, slots=150):
        pairs = pair.differences(env, configs, state, ts, theirs)
        for name in set(COUNTS) & set(pairs):
            ours, expected = pairs.pop(name)
            turned += np.sum(~np.isclose(np.float64(ours), expected, atol=1e-6))
            compared += WORLDS
        assert all(ours.dtype != np.float64 for ours, _ in pairs.values())
        assert_agree(pairs, FLOAT32_RTOL, lambda name, p=pairs: CLOSE.get(name, 1e-6 * np.abs(p[name][1]).max()))
    assert turned < 0.002 * compared


class Preset(type(PAIR)):
    """One scenario in all worlds, rounded to float32 on both sides, as are draws and actions; some worlds are calm."""

    def __init__(self, params):
        self.params = params

    def configs(self, env, rng):
        return [Config(rounded_fields(self.params), sizes_of(env))] * WORLDS

    def reset_draws(self, rng, config):
        draws = rounded({n: x for n, x in super().reset_draws(rng, config).items() if n not in DRAWN})
        first = reference.reset_with_draws(draws, *config)
        return draws | {name: np.float32(getattr(first, name)) for name in DRAWN}

    def step_draws(self, rng, config):
        return rounded(super().step_draws(rng, config))

    def actions(self, rng, env, worlds=WORLDS):
        return rounded(super().actions(rng, env, worlds))
