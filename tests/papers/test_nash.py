"""How far decisions of `urllc_vec` are from an equilibrium: as tried one by one."""

import jax
import numpy as np
import pytest

import jaxvec
from jaxvec.core import rng
from jaxvec.core.rollout import world_keys
from jaxvec.papers.urllc_vec.nash import nash_gap
from jaxvec.policies import fixed


@pytest.mark.slow
def test_the_gap_is_the_best_of_all_single_changes():
    env, params = jaxvec.make("urllc_vec", n_vehicles=2, n_uavs=2, n_bs=2, n_subtasks=2)
    keys = world_keys(jax.random.key(0), 4)
    state, ts = jax.jit(env.reset)(rng.fold_in(keys, 0), params)
    action = fixed(env, params)["random"](keys, ts.obs)
    draws = env.draw_step(rng.fold_in(keys, 1), params)
    gap = np.asarray(jax.jit(nash_gap, static_argnums=0)(env, state, action, draws, params))
    alone = params.replace(reward_mix=0.0)

    @jax.jit
    def own(target):
        changed = {**action, "vehicle": {**action["vehicle"], "target": target}}
        return env.step_from(state, changed, draws, alone)[1].reward["vehicle"]

    chosen = action["vehicle"]["target"]
    now, best = np.asarray(own(chosen)), np.zeros(4)
    may = np.asarray(ts.obs.mask["vehicle"]["target"])
    for vehicle in range(2):
        for subtask in range(2):
            for node in range(env.n_nodes):
                gains = np.asarray(own(chosen.at[vehicle, subtask].set(node))) - now
                allowed = may[vehicle, subtask, node] if may.ndim == 4 else may[vehicle, node]
                best = np.maximum(best, np.where(allowed, gains[vehicle], 0.0))
    np.testing.assert_allclose(gap, best, rtol=1e-4, atol=1e-6)
    assert (gap > 0).any()
