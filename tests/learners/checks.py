"""What every learner owes on every environment, as functions of their names: a new one is checked by being registered."""

import dataclasses
import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvec
from jaxvec import learners
from jaxvec.core.make import ENVIRONMENTS
from jaxvec.core.rollout import as_stateful, world_keys
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import Observation

KEY = jax.random.key(0)
SIZES = {  # of environments whose default sizes take long to compile; others take `DEFAULT_SIZES`
    "isac_iov": {"n_vehicles": 2, "n_rsus": 2, "horizon": 4},
    "v2x_offload": {"n_vehicles": 2, "n_servers": 2, "horizon": 4},
    "dt_edge": {"n_vehicles": 2, "n_types": 2, "horizon": 4},
    "twin_migration": {"n_vehicles": 2, "n_rsu": 60, "n_uav": 1, "horizon": 4},  # fewer leave no choice
    "urllc_vec": {
        **{"n_vehicles": 2, "n_uavs": 2, "n_bs": 1, "n_subtasks": 2, "n_antennas": 1, "n_nlos_paths": 1, "horizon": 4},
        **{"max_forwards": 1, "twin_history_len": 2, "twin_delay_slots": 1, "twin_mode": "lstm"},
    },
}
DEFAULT_SIZES = {"horizon": 4}
SETTINGS = {  # of learners, where they have such a setting
    **{"n_worlds": 4, "epochs": 1, "minibatches": 2, "hidden": (8,), "n_qubits": 2, "n_circuit_layers": 1},
    **{"slots_per_update": 4, "batch_size": 8, "capacity": 32},
}


def small_env(env_id, preset=None):
    """An environment of a small size, perhaps with a preset, whose own sizes stay, and its parameters."""
    chosen = ENVIRONMENTS[env_id].presets[preset].settings if preset else {}
    small = {name: size for name, size in SIZES.get(env_id, DEFAULT_SIZES).items() if name not in chosen}
    return jaxvec.make(env_id, preset=preset, **small)


def small_learner(name, env, **settings):
    """A learner of a small size."""
    known = {field.name for field in dataclasses.fields(learners.make(name, env).settings)}
    small = {field: value for field, value in SETTINGS.items() if field in known}
    return learners.make(name, env, **{**small, **settings})


def scalars_of(env, params):
    """Names of what an environment's info has of a world as a single number."""
    state, _ = jax.eval_shape(env.reset, KEY, params)
    action = {
        group: {
            name: jnp.zeros((env.n_agents[group], *space.shape), int if isinstance(space, Discrete) else float)
            for name, space in spaces.items()
        }
        for group, spaces in env.action_space.items()
    }
    _, ts = jax.eval_shape(env.step, KEY, state, action, params)
    return {name for name, x in ts.info.items() if x.ndim == 0}


def check_update(name, env_id):
    """An update is finite, changes the networks, reports what happened, and serves a policy."""
    env, params = small_env(env_id)
    learner = small_learner(name, env)
    assert learner.name == name
    hyper = learner.hyper.replace(warmup=0.0) if hasattr(learner.hyper, "warmup") else learner.hyper

    @jax.jit
    def run(key):
        start = learner.init(key, params, hyper)
        after, metrics = learner.update(start)
        keys = world_keys(key, 3)
        actor = as_stateful(learner.policy(after), keys.shape)
        action = actor.act(actor.memory, keys, env.reset(keys, params)[1].obs)[0]
        moved = [jnp.any(a != b) for a, b in zip(*map(jax.tree.leaves, (start.params, after.params)), strict=True)]
        return after, metrics, action, jnp.mean(jnp.stack(moved))

    after, metrics, action, moved = run(KEY)
    for path, x in jax.tree.leaves_with_path((after.params, metrics, action)):
        assert np.isfinite(x).all(), jax.tree_util.keystr(path)
    assert moved > 0.8  # of all weights and biases
    assert "reward" in metrics
    assert {metric for metric in metrics if metric.startswith("env/")} == {f"env/{x}" for x in scalars_of(env, params)}
    assert any(metric.startswith("forecaster/rmse_") for metric in metrics) == env.forecasts
    for group, parts in env.action_space.items():
        for component, space in parts.items():
            assert bool(space.contains(action[group][component]))


def check_switches(name, env_id, preset=None):
    """With parameters of each agent's own, an update gives what it took; traced only. Who pools cannot have them, and says so."""
    env, params = small_env(env_id, preset)
    if "pooled" in name:
        with pytest.raises(ValueError, match="share_parameters=True"):
            small_learner(name, env, share_parameters=False)
    learner = small_learner(name, env, **({} if "pooled" in name else {"share_parameters": False}))
    state = jax.eval_shape(learner.init, KEY, params)
    after, metrics = jax.eval_shape(learner.update, state)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
    assert metrics["reward"].shape == ()


def check_settings(name, env_id):
    """A learner can be made again from what a run folder holds of it, and says what it does not know."""
    env, params = small_env(env_id)
    learner = small_learner(name, env)
    again = learners.make(name, env, **dataclasses.asdict(learner.settings))
    assert (again.name, again.settings) == (learner.name, learner.settings)
    jax.tree.map(np.testing.assert_array_equal, again.hyper, learner.hyper)
    assert float(learner.hyper.gamma) == env.discount
    assert learner.steps_per_update > 0
    state, init = (jax.eval_shape(x.init, KEY, params) for x in (again, learner))
    assert jax.tree.map(jnp.shape, state) == jax.tree.map(jnp.shape, init)
    with pytest.raises(TypeError, match="none_such"):
        learners.make(name, env, none_such=1)


class Torso(nn.Module):
    """A Flax module of one's own: features of an array."""

    @nn.compact
    def __call__(self, x):
        return nn.tanh(nn.Dense(7, name="mine")(x))


def check_networks(name, env_id):
    """Networks of one's own stand where the learner's stood, and it says which; traced only."""
    env, params = small_env(env_id)
    plain = small_learner(name, env)
    assert plain.custom == ()
    parts = [part for part in ("network", "critic") if part in inspect.signature(learners.LEARNERS[name]).parameters]
    asked = {"bootstrap": True} if "critic" in parts and hasattr(plain.settings, "bootstrap") else {}
    for part in parts:
        learner = small_learner(name, env, **{part: Torso()}, **asked)
        assert learner.custom == (part,)
        state = jax.eval_shape(learner.init, KEY, params)
        after, metrics = jax.eval_shape(learner.update, state)
        assert jax.tree.structure(after) == jax.tree.structure(state)
        assert "reward" in metrics
        keys = world_keys(KEY, learner.settings.n_worlds)
        obs: Observation = jax.eval_shape(env.reset, keys, params)[1].obs
        parameters, outputs = jax.eval_shape(learner.networks, state, obs)
        mine = [path for path, _ in jax.tree.leaves_with_path(parameters[part]) if "mine" in jax.tree_util.keystr(path)]
        assert mine, "the module's own parameters are among the network's"
        assert jax.tree.leaves(outputs[part])
        for wrong in (Torso, "mlp", lambda: None):
            with pytest.raises(TypeError, match="a network must be"):
                small_learner(name, env, **{part: wrong}, **asked)


CHECKS = {"update": check_update, "settings": check_settings, "networks": check_networks}
