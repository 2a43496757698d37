"""Environments as baselines see them, against the environment itself with the actions worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from representatives import representatives

from jaxvec.core import rng
from jaxvec.core.rollout import rollout
from jaxvec.core.spaces import Box, Discrete
from jaxvec.core.wrappers import one_agent
from jaxvec.envs.v2x_offload import V2xOffload
from jaxvec.papers.v2x_offload.wrappers import RandomTarget, ServersOnly
from jaxvec.policies.random import random

WORLDS = 64
KEY = jax.random.key(3)
ENV = V2xOffload(n_vehicles=4, horizon=3)
PARAMS = ENV.default_params()


KEYS = rng.fold_in(KEY, jnp.arange(WORLDS))


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), a, b)


def test_one_agent_decides_for_all():
    inner = toy.Walkers(n_walkers=3)
    env, params = one_agent(inner), inner.default_params()
    assert env.n_agents == {"all": 1}
    assert env.action_space == {"all": {"walker/move": Box(-1.0, 1.0, (3,)), "walker/pick": Discrete(3, (3,))}}
    assert not env.takes_turns

    @jax.jit
    def both(keys):
        state, ts = env.reset(keys, params)
        theirs, seen = inner.reset(keys, params)
        action, _ = env.act(lambda key, obs: (random(env)(key, obs), ()), rng.fold_in(keys, 1), state, ts, params)
        each = {"walker": {name: action["all"][f"walker/{name}"][0] for name in ("move", "pick")}}
        step = rng.fold_in(keys, 2)
        return ts, seen, action, each, env.step(step, state, action, params), inner.step(step, theirs, each, params)

    ts, seen, action, each, (state, after), (theirs, expected) = both(KEYS)
    assert ts.obs.agents["all"].shape == (1, inner.world_size, WORLDS)
    close(ts.obs.agents["all"][0], seen.obs.world)
    close(ts.obs.mask["all"]["walker/pick"][0], seen.obs.mask["walker"]["pick"])
    assert action["all"]["walker/pick"].shape == (1, 3, WORLDS)
    close(state, theirs)
    close(after.reward["all"][0], expected.reward["walker"].mean(0))
    close(after.obs.world, expected.obs.world)
    allowed = jnp.take_along_axis(seen.obs.mask["walker"]["pick"], each["walker"]["pick"][:, None], 1)
    assert allowed.all(), "the mask is heeded"


def test_one_agent_sees_no_turns():
    env, asked = one_agent(ENV), []

    def once(keys):
        state, ts = env.reset(keys, PARAMS)
        return env.act(lambda key, obs: (asked.append(obs.agents["all"].shape), ()), keys, state, ts, PARAMS)[1].obs

    assert jax.eval_shape(once, KEYS).world.shape == (ENV.world_size, WORLDS)
    assert asked == [(1, ENV.world_size, WORLDS)]


@pytest.mark.parametrize("wrap", representatives([ServersOnly, RandomTarget], [RandomTarget]))
def test_what_was_decided_in_turn_is_what_happens(wrap):
    """The environment itself, told the whole actions, sees the same turns and comes to the same slot."""
    env = wrap(ENV)
    policy = random(env)

    @jax.jit
    def ours(keys):
        state, ts = env.reset(keys, PARAMS)
        action, turn = env.act(lambda key, obs: (policy(key, obs), obs.agents), rng.fold_in(keys, 1), state, ts, PARAMS)
        return state, ts, action, turn, env.step(rng.fold_in(keys, 2), state, action, PARAMS)[1]

    @jax.jit
    def theirs(keys, state, ts, whole):
        def rows(key, obs):
            return jax.tree.map(lambda x: x[obs.ids["vehicle"]], whole)

        _, turn = ENV.act(lambda key, obs: (rows(key, obs), obs.agents), rng.fold_in(keys, 1), state, ts, PARAMS)
        return turn, ENV.step(rng.fold_in(keys, 2), state, whole, PARAMS)[1]

    state, ts, action, turn, after = ours(KEYS)
    given = action["vehicle"]
    assert {name: x.shape for name, x in given.items()} == dict.fromkeys(env.action_space["vehicle"], (4, WORLDS))
    if wrap is ServersOnly:
        assert set(np.unique(given["target"])) == {0, 1, 2}
        inner, target = state, given["target"] + 1
    else:
        assert set(given) == {"power", "cpu", "bandwidth"}
        inner, target = state.env, state.target
    expected = theirs(KEYS, inner, ts, {"vehicle": given | {"target": target}})
    close((turn, after), expected)


@pytest.mark.parametrize(("wrap", "local"), [(ServersOnly, 0.0), (RandomTarget, 0.5)])
def test_where_tasks_go(wrap, local):
    env = wrap(ENV)

    def play():
        return rollout(env, random(env), KEY, PARAMS, 400, select=lambda slot: slot.ts.info["turn_split"])

    split = np.asarray(jax.jit(play)())
    # 4800 tasks: a deviation of 0.007
    np.testing.assert_allclose(split.mean((0, 1, 3)), [local, *[(1 - local) / 3] * 3], atol=0.03)
    assert local or split[:, :, 0].max() == 0
    again = (split[0] * split[1]).sum(1).mean()  # the same target in two slots running
    assert again == pytest.approx(local**2 + 3 * ((1 - local) / 3) ** 2, abs=0.05)


def test_targets_are_the_worlds_own():
    reset = jax.jit(lambda keys: RandomTarget(ENV).reset(keys, PARAMS)[0].target)
    np.testing.assert_array_equal(reset(KEYS[:10]), reset(KEYS)[:, :10])
