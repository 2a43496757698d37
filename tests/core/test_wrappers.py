"""Wrappers, against episodes that are reset by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from jaxvec.core import rng
from jaxvec.core.wrappers import auto_reset, episode_statistics
from jaxvec.policies.random import random

ENV, PARAMS = toy.Walkers(), toy.Params()
WORLDS, SLOTS = 12, 25
KEY = jax.random.key(5)


def keys_of(slot, key=None):
    key = KEY if key is None else key
    return rng.fold_in(rng.fold_in(key, jnp.arange(WORLDS)), slot)


@jax.jit
def action_of(keys, obs):
    return random(ENV)(rng.stream(keys, "policy"), obs)


def worlds_first(tree):
    return jax.tree.map(lambda x: np.moveaxis(x, -1, 0), tree)


@pytest.fixture(scope="module")
def wrapped():
    """Every slot of the wrapped environment: timesteps and states, slot first."""
    env = auto_reset(episode_statistics(ENV))

    @jax.jit
    def run(key):
        def slot(carry, t):
            state, ts = carry
            keys = keys_of(t, key)
            state, after = env.step(keys, state, action_of(keys, ts.obs), PARAMS)
            return (state, after.replace(info={})), (state, after)

        state, ts = env.reset(keys_of(0, key), PARAMS)
        return (state, ts), jax.lax.scan(slot, (state, ts), jnp.arange(1, SLOTS + 1))[1]

    return jax.tree.map(np.asarray, run(KEY))


@pytest.fixture(scope="module")
def by_hand():
    """The same slots, world by world, with a plain `if done: reset`."""
    step = jax.jit(lambda key, *rest: ENV.step(key, *rest, PARAMS))
    reset = jax.jit(lambda key: ENV.reset(key, PARAMS))
    renew = jax.jit(lambda key: ENV.reset(rng.stream(key, "reset"), PARAMS))
    worlds = [reset(key) for key in keys_of(0)]
    rows, ret, length = [], np.zeros((2, WORLDS)), np.zeros(WORLDS, int)
    for t in range(1, SLOTS + 1):
        obs = jax.tree.map(lambda *x: np.stack(x, -1), *(ts.obs for _, ts in worlds))
        keys = keys_of(t)
        actions = jax.tree.map(np.asarray, action_of(keys, obs))
        row = {name: [] for name in ("final", "obs", "state", "reward", "terminated", "truncated", "ret", "length")}
        for w, (state, _) in enumerate(worlds):
            state, ts = step(keys[w], state, jax.tree.map(lambda x, w=w: x[..., w], actions))
            ret[:, w] += ts.reward["walker"]
            length[w] += 1
            row["final"].append(ts.obs.agents["walker"])
            row["reward"].append(ts.reward["walker"])
            row["terminated"].append(ts.terminated)
            row["truncated"].append(ts.truncated)
            row["ret"].append(ret[:, w].mean())
            row["length"].append(length[w])
            if ts.terminated or ts.truncated:
                state, ts = renew(keys[w])
                ret[:, w], length[w] = 0, 0
            worlds[w] = state, ts
            row["obs"].append(ts.obs.agents["walker"])
            row["state"].append(state.total)
        rows.append({name: np.stack(x, -1) for name, x in row.items()})
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def test_auto_reset_equals_resetting_by_hand(wrapped, by_hand):
    _, (state, ts) = wrapped
    np.testing.assert_array_equal(ts.terminated, by_hand["terminated"])
    np.testing.assert_array_equal(ts.truncated, by_hand["truncated"])
    np.testing.assert_allclose(ts.reward["walker"], by_hand["reward"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ts.obs.agents["walker"], by_hand["obs"], rtol=1e-6)
    np.testing.assert_allclose(state.env.total, by_hand["state"], rtol=1e-6)
    assert by_hand["terminated"].any()
    assert (by_hand["truncated"] & ~by_hand["terminated"]).any()


def test_the_true_last_observation_is_kept(wrapped, by_hand):
    (_, first), (_, ts) = wrapped
    final = ts.final_obs.agents["walker"]
    np.testing.assert_allclose(final, by_hand["final"], rtol=1e-6)
    assert ts.next_obs is ts.final_obs
    done = ts.terminated | ts.truncated
    differs = (final != ts.obs.agents["walker"]).any((1, 2))
    np.testing.assert_array_equal(differs, done)  # a new episode begins somewhere else, and only then
    np.testing.assert_array_equal(first.final_obs.agents["walker"], first.obs.agents["walker"])


def test_resets_differ_from_world_to_world_and_from_time_to_time(wrapped):
    _, (state, ts) = wrapped
    starts = state.env.total[:, 0][ts.terminated | ts.truncated]
    assert len(starts) > WORLDS
    assert len(np.unique(starts)) == len(starts)


def test_statistics_are_those_of_the_episode(wrapped, by_hand):
    _, (state, ts) = wrapped
    np.testing.assert_allclose(ts.info["episode_return"], by_hand["ret"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(ts.info["episode_length"], by_hand["length"])
    done = ts.terminated | ts.truncated
    assert ts.info["episode_length"].max() == ENV.horizon
    np.testing.assert_array_equal(state.length[done], 0)  # the sums begin anew with the episode
    np.testing.assert_array_equal(state.ret["walker"].swapaxes(1, 2)[done], 0)
    assert set(ts.info) == {*ENV.info_fields, "episode_return", "episode_length"}


def test_a_single_world_and_a_vmap_over_worlds_behave_alike():
    env = auto_reset(ENV)

    keys = keys_of(1)
    state, ts = jax.jit(env.reset)(keys, PARAMS)
    state = state.replace(t=jnp.where(jnp.arange(WORLDS) % 2 == 0, ENV.horizon - 1, 0))  # half the worlds will end
    state = state.replace(limit=jnp.full(WORLDS, 9))
    action = action_of(keys, ts.obs)
    together = worlds_first(jax.jit(env.step)(keys, state, action, PARAMS))
    step = jax.jit(jax.vmap(env.step, (0, 0, 0, None)))
    apart = step(keys, worlds_first(state), worlds_first(action), PARAMS)
    one = jax.jit(env.step)(keys[2], *jax.tree.map(lambda x: x[..., 2], (state, action)), PARAMS)
    assert together[1].truncated.tolist() == [True, False] * (WORLDS // 2)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), together, apart)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[2], b, rtol=1e-6), together, one)


def test_a_wrapper_passes_on_what_it_does_not_change():
    env = auto_reset(episode_statistics(toy.Walkers(n_walkers=3)))
    assert (env.id, env.horizon, env.n_agents, env.world_size) == ("walkers", 6, {"walker": 3}, 6)
    assert env.action_space == toy.Walkers().action_space
    assert env.observation_space == toy.Walkers().observation_space
    assert env.default_params(gain=2.0) == toy.Params(gain=2.0)
    assert env == auto_reset(episode_statistics(toy.Walkers(n_walkers=3)))
    assert hash(env) != hash(auto_reset(toy.Walkers(n_walkers=3)))
    with pytest.raises(AttributeError):
        env.no_such_attribute  # noqa: B018


def test_a_wrapper_documents_its_metrics():
    env = auto_reset(episode_statistics(ENV))
    assert set(env.info_fields) == {*ENV.info_fields, "episode_return", "episode_length"}
    assert env.presets == ENV.presets
