"""A slot taken turn by turn from outside is the slot that `Environment.act` scans, to the bit."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from representatives import representatives

import jaxvec
from jaxvec.core import rng
from jaxvec.core.rollout import world_keys
from jaxvec.core.turns import first_turn, next_turn
from jaxvec.core.wrappers import episode_statistics
from jaxvec.learners.blocks.prior import PriorWrapper
from jaxvec.policies.random import random

CASES = {
    "v2x_offload": ("v2x_offload", {"n_vehicles": 4, "n_servers": 2}),
    "shuffled": ("v2x_offload", {"n_vehicles": 4, "n_servers": 2, "shuffle_order": True, "twin_sync_every": 2}),
    "twin_migration": ("twin_migration", {"preset": "turns", "n_vehicles": 3, "horizon": 20}),
}
GROUP = "vehicle"


def start(env, params, batch):
    keys = world_keys(jax.random.key(0), 3)
    keys = keys if batch else keys[0]
    return keys, *jax.jit(env.reset)(keys, params)


def by_hand(env, policy, keys, state, ts, params):
    """The slot, turn by turn; rows and masks of each agent in the order of agents, and the actions."""
    first, following = jax.jit(first_turn, static_argnums=0), jax.jit(next_turn, static_argnums=0)
    turn, n = first(env, keys, state, ts, params), env.n_agents[GROUP]
    rows, masks = np.zeros(ts.obs.agents[GROUP].shape, np.float32), jax.tree.map(lambda x: np.array(x), ts.obs.mask)
    known = following._cache_size()
    for k in range(n):
        assert int(turn.k) == k
        who = np.broadcast_to(np.asarray(turn.obs.ids[GROUP])[0], ts.terminated.shape)
        for full, row in zip(
            jax.tree.leaves((rows, masks)), jax.tree.leaves((turn.obs.agents, turn.obs.mask)), strict=True
        ):
            for world in np.ndindex(who.shape):
                full[(who[world], ..., *world)] = np.asarray(row)[(0, ..., *world)]
        action = policy(rng.fold_in(keys, k), turn.obs)
        turn = following(env, keys, turn, action, state, ts, params)
    assert int(turn.k) == n
    assert following._cache_size() == known + 1  # all turns share a compilation
    return rows, masks, turn.action


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


WAYS = [("shuffled", True), ("v2x_offload", False), ("twin_migration", True)]


@pytest.mark.parametrize(("case", "batch"), representatives(WAYS, [("shuffled", True)]))
def test_turns_from_outside_are_those_of_act_to_the_bit(case, batch):
    env_id, settings = CASES[case]
    env, params = jaxvec.make(env_id, **settings)
    keys, state, ts = start(env, params, batch)
    policy = jax.jit(random(env))
    act = jax.jit(partial(env.act, lambda key, obs: (random(env)(key, obs), ())))
    action, trace = act(keys, state, ts, params)
    rows, masks, taken = by_hand(env, policy, keys, state, ts, params)
    same(taken, action)
    np.testing.assert_array_equal(rows, trace.obs.agents[GROUP])
    same(masks, trace.obs.mask)
    assert not np.array_equal(rows, ts.obs.agents[GROUP])  # later agents do see what earlier ones left


@pytest.mark.slow
def test_what_a_wrapper_shows_is_seen_turn_by_turn():
    """A rule's action behind every row, asked again in every turn."""
    env_id, settings = CASES["v2x_offload"]
    inner, params = jaxvec.make(env_id, **settings)
    env = PriorWrapper(inner, "greedy")
    keys, state, ts = start(env, params, False)
    policy = jax.jit(random(env))
    act = jax.jit(partial(env.act, lambda key, obs: (random(env)(key, obs), ())))
    action, trace = act(keys, state, ts, params)
    rows, _, taken = by_hand(env, policy, keys, state, ts, params)
    same(taken, action)
    np.testing.assert_array_equal(rows, trace.obs.agents[GROUP])
    assert rows.shape[1] > inner.observation_space[GROUP].shape[0]


def test_a_turn_does_not_scan_the_others():
    env_id, settings = CASES["v2x_offload"]
    env, params = jaxvec.make(env_id, **settings)
    env = episode_statistics(env)
    keys, state, ts = start(env, params, True)
    turn = jax.eval_shape(partial(first_turn, env), keys, state, ts, params)
    action = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype)[:1], turn.action)
    program = str(jax.make_jaxpr(partial(next_turn, env))(keys, turn, action, state, ts, params))
    whole = str(jax.make_jaxpr(partial(env.act, lambda key, obs: (random(env)(key, obs), ())))(keys, state, ts, params))
    assert "scan[" in whole
    assert "scan[" not in program


class Own(toy.Walkers):
    """Turns of a making of its own."""

    takes_turns = True


def test_where_there_are_no_turns_it_is_said():
    for env, words in ((toy.Walkers(), "decide at the same time"), (Own(), "ask_in_turns")):
        keys, state, ts = start(env, toy.Params(), False)
        with pytest.raises(ValueError, match=words):
            first_turn(env, keys, state, ts, toy.Params())
