"""The table of `jaxvec evaluate`: who leads, which rules an agent could follow alone, and what agents learned from."""

import jax
import numpy as np
import pytest

import jaxvec
from jaxvec import scoreboard
from jaxvec.core.evaluation import evaluate
from jaxvec.core.rule import Rule
from jaxvec.core.wrappers import auto_reset, one_agent
from jaxvec.policies import fixed

SMALL = {"n_vehicles": 3, "n_uavs": 2, "n_bs": 1, "n_subtasks": 2, "n_antennas": 1, "n_nlos_paths": 1, "horizon": 4}
EPISODES = 4
POLICIES = {"mine": len, "near": Rule(len, local=True), "all": Rule(len), "plain": len}


def made_up(**team):
    """Rewards of four policies in two episodes, and perhaps of the team."""
    rewards = {"mine": 2.0, "near": 3.0, "all": 1.0, "plain": 0.0}
    return {
        name: {"reward": np.array([x, x + 1]), "late": np.array([0.25, 0.75])}
        | ({"team_reward": np.full(2, team[name])} if team else {})
        for name, x in rewards.items()
    }


def test_rows_by_hand():
    rows = scoreboard.rows_of(made_up(), POLICIES, ["mine"])
    assert list(rows) == ["near", "mine", "all", "plain"]  # the best first
    assert [row["reward"].mean for row in rows.values()] == [3.5, 2.5, 1.5, 0.5]
    assert [row["ahead"] and row["ahead"].mean for row in rows.values()] == [-1, None, 1, 2]
    assert [row["local"] for row in rows.values()] == [True, None, False, False]
    assert rows["near"]["late"] == 0.5


def test_of_one_episode_no_interval_is_told():
    alone = {name: {metric: x[:1] for metric, x in of.items()} for name, of in made_up().items()}
    lines = scoreboard.text(scoreboard.rows_of(alone, POLICIES, ["mine"]), "mine", 1, "team").splitlines()
    assert lines[0] == "1 episode in the same world; reward per slot"
    assert [line.split()[2:] for line in lines[2:]] == [["3", "-1"], ["2"], ["1", "1"], ["0", "2"]]


def test_text_says_who_sees_what_and_when_agents_learned_from_something_else():
    rows = scoreboard.rows_of(made_up(), POLICIES, ["mine"])
    lines = scoreboard.text(rows, "mine", 2, "team").splitlines()
    assert lines[0] == "2 episodes in the same worlds; reward per slot, mean and 95 % interval"
    assert lines[1].split() == ["policy", "kind", "reward", "mine", "is", "ahead", "by"]
    kinds = [["near", "local"], ["mine", "learned"], ["all", "central"], ["plain", "central"]]
    assert [line.split()[:2] for line in lines[2:]] == kinds

    own = scoreboard.text(rows, "mine", 2, "own").splitlines()
    assert own[1] == "Each agent of mine learned from its own reward; what is printed is the mean over agents"
    assert own[2:] == lines[1:]

    apart = scoreboard.rows_of(made_up(mine=-1.0, near=0.5, all=0.25, plain=0.0), POLICIES, ["mine"])
    lines = scoreboard.text(apart, "mine", 2, "own").splitlines()
    assert "team_reward is what policies are compared by" in lines[2]
    assert lines[3].split()[-1] == "team_reward"
    assert [float(line.split()[-1]) for line in lines[4:]] == [0.5, -1, 0.25, 0]


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "learned_from"), [({}, "team"), ({"preset": "own_rewards"}, "own")])
def test_the_team_of_urllc_vec_is_shown_where_agents_learn_something_else(settings, learned_from):
    env, params = jaxvec.make("urllc_vec", **settings, **SMALL)
    policies = {name: fixed(env, params)[name] for name in ("random", "local_spread")}
    results = evaluate(env, policies, jax.random.key(0), params, EPISODES)
    rows = scoreboard.rows_of(results, policies, ["random"])
    assert scoreboard.objective(env, params) == learned_from
    text = scoreboard.text(rows, "random", EPISODES, learned_from)
    assert ("team_reward" in text) == (learned_from == "own")
    assert ("own reward" in text) == (learned_from == "own")


def test_who_shares_a_reward():
    """By a switch, or by a number where it is so in all worlds; `team_reward`, which learners are built for, knows no numbers."""
    env, params = jaxvec.make("urllc_vec")
    assert (env.team_reward, env.shares_reward(params)) == (False, True)
    assert not env.shares_reward(params.replace(reward_mix=0.5))
    assert not env.shares_reward(params.replace(reward_mix=np.array([1.0, 0.0])))
    assert env.shares_reward(params.replace(reward_mix=np.ones(2)))
    own = params.replace(reward_mix=0.0)
    assert not auto_reset(env).shares_reward(own)
    assert one_agent(env).shares_reward(own)  # there is one

    env, params = jaxvec.make("v2x_offload", shared_reward=False)
    assert (env.team_reward, env.shares_reward(params)) == (False, True)  # `team_weight` is 1
    assert not env.shares_reward(params.replace(team_weight=0.5))
    shares = {name: (lambda made: made[0].shares_reward(made[1]))(jaxvec.make(name)) for name in jaxvec.env_ids()}
    assert shares == {name: name != "twin_migration" for name in jaxvec.env_ids()}
