"""PettingZoo's own tests on all systems, and what they do not look at: that an episode is the one that JAX has."""

from functools import partial

import jax
import numpy as np
import pytest
import toy
from adapters.cases import COME_AND_GO, SYSTEMS, TURNS, small
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test
from representatives import representatives

from jaxvec.adapters.pettingzoo import Parallel, TurnBased
from jaxvec.core import rng
from jaxvec.core.environment import first_timestep
from jaxvec.core.rollout import rollout
from jaxvec.policies.random import random

# the tests warn of observations without bounds, and of agents that differ
pytestmark = pytest.mark.filterwarnings("ignore")
VIEWS = ("flat", "discrete", "dict")


@pytest.mark.parametrize(("env_id", "settings"), representatives(SYSTEMS + COME_AND_GO, [("dt_edge", {})]))
def test_pettingzoos_parallel_tests(env_id, settings):
    env, params = small(env_id, **settings)
    for view in VIEWS:
        parallel_api_test(Parallel(env, params, actions=view), num_cycles=20)
        parallel_seed_test(partial(Parallel, env, params, actions=view))


@pytest.mark.parametrize(("env_id", "settings"), representatives(TURNS, [("v2x_offload", {})]))
def test_pettingzoos_tests_of_turns(env_id, settings):
    env, params = small(env_id, **settings)
    for view in VIEWS:
        api_test(TurnBased(env, params, actions=view), num_cycles=20)
        seed_test(partial(TurnBased, env, params, actions=view), num_cycles=20)


@pytest.mark.parametrize(("env_id", "settings"), representatives(COME_AND_GO, COME_AND_GO[:1]))
def test_agents_stay_alive_while_their_vehicles_come_and_go(env_id, settings):
    zoo = Parallel(*small(env_id, **settings), actions="discrete")
    _, infos = zoo.reset(seed=2)
    here = []
    while zoo.agents:
        assert zoo.agents == zoo.possible_agents
        for info in infos.values():
            here.append(info["active"])
            if env_id == "twin_migration":
                assert (info["action_mask"].sum() == 1) == (not info["active"])
        actions = {agent: zoo.action_space(agent).sample(infos[agent].get("action_mask")) for agent in zoo.agents}
        infos = zoo.step(actions)[4]
    assert set(here) == {True, False}


def test_an_episode_in_turns_is_that_of_act_to_the_bit():
    """Who is asked, and what each sees, of every slot as `Environment.act` has it with the same state; rewards by agent."""
    env, params = small("v2x_offload")
    policy, zoo = random(env), TurnBased(env, params, actions="dict")
    act = jax.jit(partial(env.act, lambda key, obs: (policy(key, obs), {"who": obs.ids["vehicle"].reshape(1, -1)})))
    step = jax.jit(env.step)
    zoo.reset(seed=5)
    for _ in range(env.horizon):
        carry = zoo.worlds.carry
        ts = first_timestep(env, carry.obs, (1,))
        action, trace = jax.tree.map(np.asarray, act(carry.world, carry.state, ts, params))
        _, after = step(rng.fold_in(carry.world, carry.t + 1), carry.state, action, params)
        asked = []
        for agent in zoo.agent_iter(env.n_vehicles):
            i = zoo.places[agent][1]
            asked.append(i)
            np.testing.assert_array_equal(zoo.last()[0], trace.obs.agents["vehicle"][i, :, 0])
            zoo.step({name: x[i, ..., 0] for name, x in action["vehicle"].items()})
        assert asked == list(np.asarray(carry.state.order)[:, 0])
        got = [zoo.rewards[agent] for agent in zoo.possible_agents]
        np.testing.assert_allclose(got, after.reward["vehicle"][:, 0], 1e-6)
    assert all(zoo.truncations.values())
    assert not any(zoo.terminations.values())


def follows_rollout(env, params, rtol):
    """Rows, rewards, flags, infos and the critic's view of two episodes of a seed."""
    policy, name = random(env), next(iter(env.info_fields))
    play = jax.jit(lambda key, episode: rollout(env, policy, key, params, 1, episode=episode))
    zoo = Parallel(env, params, actions="dict", info=name)

    def close(a, b):
        np.testing.assert_allclose(a, b, rtol, rtol)

    for episode in (0, 1):
        slots = jax.tree.map(np.asarray, play(jax.random.key(7), episode))
        rows, _ = zoo.reset(seed=7) if episode == 0 else zoo.reset()
        t = 0
        while zoo.agents:
            close(zoo.state(), slots.obs.world[t, :, 0])
            actions = {}
            for agent, (group, i) in zoo.places.items():
                close(rows[agent], slots.obs.agents[group][t, i, :, 0])
                actions[agent] = {part: x[t, i, ..., 0] for part, x in slots.action[group].items()}
            rows, rewards, terminated, truncated, infos = zoo.step(actions)
            for agent, (group, i) in zoo.places.items():
                close(rewards[agent], slots.ts.reward[group][t, i, 0])
                close(infos[agent][name], slots.ts.info[name][t, 0])
            assert set(terminated.values()) == {bool(slots.ts.terminated[t, 0])}
            assert set(truncated.values()) == {bool(slots.ts.truncated[t, 0])}
            t += 1
        assert slots.ts.done[t - 1, 0]


def test_an_episode_of_all_at_once_is_that_of_rollout():
    follows_rollout(toy.Walkers(), toy.Params(), 0)


@pytest.mark.slow
def test_an_episode_of_several_groups_is_that_of_rollout():
    follows_rollout(*small("urllc_vec"), 1e-5)


def test_arrays_are_the_callers_own():
    zoo = Parallel(*small("isac_iov"))
    rows, _ = zoo.reset(seed=0)
    first = {agent: row.copy() for agent, row in rows.items()}
    for row in rows.values():
        row[:] = np.nan
    again, _ = zoo.reset(seed=0)
    for agent, row in again.items():
        np.testing.assert_array_equal(row, first[agent])


def test_what_cannot_be_is_said():
    env, params = toy.Walkers(), toy.Params()
    with pytest.raises(ValueError, match=r"decide at the same time.*Parallel"):
        TurnBased(env, params)
    with pytest.raises(ValueError, match="flat, discrete, single, dict"):
        Parallel(env, params, actions="box")
    with pytest.raises(ValueError, match="Did you mean 'noise'"):
        Parallel(env, params, info=("nois",))
    zoo = Parallel(env, params)
    with pytest.raises(ValueError, match="reset"):
        zoo.step({})
    with pytest.raises(ValueError, match="reset"):
        zoo.state()
    zoo.reset(seed=0)
    good = zoo.action_space("walker_0").sample()
    with pytest.raises(ValueError, match="missing of walker_1"):
        zoo.step({"walker_0": good})
    with pytest.raises(ValueError, match=r"walker_1.*\(4,\), not \(5,\)"):
        zoo.step({"walker_0": good, "walker_1": np.zeros(5)})
    with pytest.raises(ValueError, match="finite"):
        zoo.step({"walker_0": good, "walker_1": good * np.nan})
