"""A forecaster that learns beside the policy, in a world whose last measurement is always wrong."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from forecast.flips import Flips
from learners.probes import Params

from jaxvec import learners
from jaxvec.core.rollout import rollout
from jaxvec.core.wrappers import GROUP_ALL, one_agent
from jaxvec.forecast import FORECASTERS, ForecastWrapper, peephole_lstm

ENV = Flips()
ON_POLICY = {"n_worlds": 16, "minibatches": 2, "hidden": (16,), "forecaster_steps": 4, "forecaster_batch": 64}
SMALL = {"forecaster": "small"}
OFF_POLICY = {"n_worlds": 16, "slots_per_update": 8, "batch_size": 64, "capacity": 4096, "hidden": (16,)}
OFF_POLICY |= {"forecaster_steps": 4, "forecaster_batch": 32}
CASES = {
    "mappo, continuing": (ENV, "mappo", ON_POLICY | {"rollout_length": 4}),
    "one agent": (one_agent(ENV), "ippo", ON_POLICY),
    "maddpg": (ENV, "maddpg", OFF_POLICY),
}


def reward(slot):
    """Of all groups."""
    return sum(r.mean(0) for r in slot.ts.reward.values())


@pytest.fixture
def small(monkeypatch):
    """The paper's network, narrow and of one layer, which learns as much here in less time."""
    monkeypatch.setattr(FORECASTERS, "_others", {"small": peephole_lstm(width=16, layers=1)})


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_forecasts_are_learned_and_shown(name, small):
    env, learner, settings = CASES[name]
    learner = learners.make(learner, env, **settings | SMALL)
    updates = 40 if "ppo" in learner.name else 120
    hyper = learner.hyper.replace(gamma=0.0, anneal_updates=float(updates), forecaster_learning_rate=1e-2)

    @jax.jit
    def train(key):
        state, metrics = jax.lax.scan(
            lambda s, _: learner.update(s), learner.init(key, env.default_params(), hyper), None, length=updates
        )
        return state, metrics, rollout(env, learner.policy(state), key, env.default_params(), 8, select=reward)

    state, metrics, earned = train(jax.random.key(0))
    np.testing.assert_allclose(metrics["forecaster/hold_sign"], 2.0, rtol=1e-6)  # the last value is always the opposite
    assert metrics["forecaster/rmse_sign"][0] == pytest.approx(2.0, rel=1e-6)  # what an untrained forecaster says
    assert metrics["forecaster/rmse_sign"][-1] < 0.3
    groups = len(env.n_agents)
    assert earned.mean() > 0.9 * groups
    # the policy follows its forecaster: with one that says the opposite, it does the opposite
    params = state.forecaster.params
    untrained = params | {"head": jax.tree.map(jnp.zeros_like, params["head"])}
    misled = state.replace(forecaster=state.forecaster.replace(params=untrained))
    fooled = rollout(env, learner.policy(misled), jax.random.key(0), env.default_params(), 8, select=reward)
    assert fooled.mean() < 0.3 * groups


def test_a_forecast_takes_the_place_of_the_last_value():
    def forecast(history):
        return 10.0 + history[-1]

    keys = jax.random.split(jax.random.key(0), 5)
    plain, mine = (env.reset(keys, Params())[1].obs for env in (ENV, ForecastWrapper(ENV, forecast)))
    np.testing.assert_array_equal(mine.aux["forecast"], 10.0 + plain.aux["history"][-1])
    for group, n in ENV.n_agents.items():
        np.testing.assert_array_equal(mine.agents[group][:, 0], plain.agents[group][:, 0])
        np.testing.assert_array_equal(mine.agents[group][:, 1], np.tile(mine.aux["forecast"], (n, 1)))
    single = ForecastWrapper(one_agent(ENV), forecast).reset(keys, Params())[1].obs
    np.testing.assert_array_equal(single.agents[GROUP_ALL][0, :3], np.zeros((3, 5)))
    np.testing.assert_array_equal(single.agents[GROUP_ALL][0, 3], mine.aux["forecast"][0])


def test_an_environment_without_forecasts_needs_no_forecaster():
    @dataclass(frozen=True)
    class Plain(Flips):
        forecasts: ClassVar[bool] = False

    learner = learners.make("mappo", Plain(), **ON_POLICY)
    state = jax.eval_shape(lambda key: learner.init(key, Params()), jax.random.key(0))
    assert state.forecaster is None
    assert not any(name.startswith("forecaster/") for name in jax.eval_shape(learner.update, state)[1])


def test_an_unknown_forecaster_is_refused_at_once():
    for name in ("mappo", "maddpg"):
        with pytest.raises(ValueError, match=r"unknown forecaster 'peephole'\. Did you mean 'peephole_lstm'\?"):
            learners.make(name, ENV, forecaster="peephole")


def test_learners_have_the_papers_forecaster_unless_told_otherwise():
    for name, settings in (("mappo", ON_POLICY), ("maddpg", OFF_POLICY)):
        learner = learners.make(name, ENV, **settings)
        state = jax.eval_shape(lambda key, learner=learner: learner.init(key, Params()), jax.random.key(0))
        params = jax.eval_shape(peephole_lstm().init, jax.random.key(0), jnp.zeros((1, 2, 1)))
        assert state.forecaster.params == params
