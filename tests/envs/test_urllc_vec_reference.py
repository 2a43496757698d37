"""`urllc_vec` against its float64 reference in NumPy, number by number: states, rewards, observations, masks, and every metric.

Each world has random numbers of its own for every parameter, random actions and the same draws on both sides. In float64
whole trajectories agree to 1e-9.
"""

from collections import Counter

import jax
import numpy as np
import pytest
from envs.side_by_side import assert_agree
from envs.urllc_vec_pair import PAIR
from representatives import representatives

from jaxvec.envs.urllc_vec import UrllcVec
from jaxvec.envs.urllc_vec.info import INFO

SMALL = {"n_vehicles": 3, "n_uavs": 3, "n_bs": 2, "n_subtasks": 3}
OTHERWISE = {
    **SMALL,
    "pathloss_v2b": "okumura_hata_ghz",
    "pathloss_air": "free_space",
    "v2b_rayleigh": True,
    "cpu_share": "equal",
    "enforce_coverage": False,
    "twin_mode": "lstm",
}
LITERAL = {
    **SMALL,
    "los_air": "paper",
    "cpu_share": "none",
    "carry_backlog": False,
    "twin_mode": "none",
    "max_forwards": 4,
}


@pytest.mark.parametrize(
    "settings",
    representatives([SMALL, OTHERWISE, LITERAL], [SMALL]),
    ids=("default", "otherwise", "literal"),
)
def test_trajectories_agree_in_float64(settings):
    env, seen = UrllcVec(**settings), Counter()
    with jax.enable_x64(True):
        for configs, state, ts, theirs in PAIR.play(env, seed=7, slots=12):
            pairs = PAIR.differences(env, configs, state, ts, theirs)
            scale = {name: 1e-9 * np.abs(b).max(initial=0) for name, (_, b) in pairs.items() if b.dtype.kind == "f"}
            assert_agree(pairs, 1e-9, lambda name, scale=scale: scale.get(name, 0.0) + 1e-14)
            assert state.pos_u.dtype == np.float64
            if ts.info:
                assert {n.removeprefix("info.") for n in pairs if n.startswith("info.")} == set(INFO)
                seen += happened(state, theirs)
    assert min(seen.values()) > 10, seen  # the trajectories went through every branch of the model


def happened(state, theirs):
    """How often the branches of the model were taken in a slot."""
    counts = Counter()
    for w, (_, _, info) in enumerate(theirs):
        counts += Counter(
            {
                "dropped on the way up": int(info["lost_up"].sum()),
                "forwarded": int((info["n_fwd"] > 0).sum()),
                "forwarded twice": int((info["n_fwd"] > 1).sum()),
                "kept": int((info["n_fwd"] == 0).sum()),
                "in time": int((info["latency"] <= 0.01).sum()),
                "late": int((info["latency"] > 0.01).sum()),
                "out of reach": int((~np.asarray(state.links.reach)[..., w]).sum()),
            }
        )
    return counts
