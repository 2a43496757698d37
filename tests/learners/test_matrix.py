"""Every learner on every environment, at the smallest size: an update is finite, changes the networks, and serves a policy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvec
from jaxvec import learners
from jaxvec.core.rollout import world_keys

SIZES = {
    "isac_iov": {"n_vehicles": 2, "n_rsus": 2, "horizon": 4},
    "v2x_offload": {"n_vehicles": 2, "n_servers": 2, "horizon": 4},
    "dt_edge": {"n_vehicles": 2, "n_types": 2, "horizon": 4},
    "twin_migration": {"n_vehicles": 2, "n_rsu": 60, "n_uav": 1, "horizon": 4},  # fewer leave no choice
    "urllc_vec": {
        **{"n_vehicles": 2, "n_uavs": 2, "n_bs": 1, "n_subtasks": 2, "n_antennas": 1, "n_nlos_paths": 1, "horizon": 4},
        **{"max_forwards": 1, "twin_history_len": 2, "twin_delay_slots": 1, "twin_mode": "lstm"},
    },
}
ON_POLICY = {"n_worlds": 4, "epochs": 1, "minibatches": 2, "hidden": (8,), "n_qubits": 2, "n_circuit_layers": 1}
OFF_POLICY = {"n_worlds": 4, "slots_per_update": 4, "batch_size": 8, "capacity": 32, "hidden": (8,)}
OFF = ("ddpg", "maddpg", "maddpg_pooled", "td3", "matd3", "sac", "masac")


def test_every_environment_has_a_size():
    assert set(SIZES) == set(jaxvec.env_ids())


PAIRS = [(name, env_id) for env_id in ("isac_iov", "v2x_offload") for name in learners.LEARNERS]
PAIRS += [
    ("qmarl", "urllc_vec"),
    ("mappo", "dt_edge"),
    ("maddpg", "dt_edge"),
    ("mappo", "twin_migration"),
    ("masac", "twin_migration"),
]
PAIRS += [pytest.param(name, "urllc_vec", marks=pytest.mark.slow) for name in ("mappo_matched", "maddpg", "masac")]


@pytest.mark.parametrize(("name", "env_id"), PAIRS)
def test_an_update_learns_something_finite(name, env_id):
    env, params = jaxvec.make(env_id, **SIZES[env_id])
    learner = learners.make(name, env, **(OFF_POLICY if name in OFF else ON_POLICY))
    assert learner.name == name
    hyper = learner.hyper.replace(warmup=0.0) if hasattr(learner.hyper, "warmup") else learner.hyper

    @jax.jit
    def run(key):
        start = learner.init(key, params, hyper)
        after, metrics = learner.update(start)
        keys = world_keys(key, 3)
        action = learner.policy(after)(keys, env.reset(keys, params)[1].obs)
        moved = [jnp.any(a != b) for a, b in zip(*map(jax.tree.leaves, (start.params, after.params)), strict=True)]
        return after, metrics, action, jnp.mean(jnp.stack(moved))

    after, metrics, action, moved = run(jax.random.key(0))
    for path, x in jax.tree.leaves_with_path((after.params, metrics, action)):
        assert np.isfinite(x).all(), jax.tree_util.keystr(path)
    assert moved > 0.8  # of all weights and biases
    assert "reward" in metrics
    assert any(f"env/{metric}" in metrics for metric in env.info_fields)
    assert ("forecaster/rmse_cpu" in metrics) == env.forecasts
    for group, parts in env.action_space.items():
        for component, space in parts.items():
            assert bool(space.contains(action[group][component]))
