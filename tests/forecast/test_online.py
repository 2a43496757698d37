"""A forecaster that learns beside the policy: in a world whose last measurement is always wrong, and its opposite right."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners.probes import Params, State

from jaxvec import learners
from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.rollout import rollout
from jaxvec.core.spaces import Box, Discrete
from jaxvec.core.types import Observation, Timestep
from jaxvec.core.wrappers import GROUP_ALL, one_agent
from jaxvec.forecast import ForecastWrapper

PAST = 2


@dataclass(frozen=True)
class Flips(Environment):
    """A sign changes in every slot; two agents see the last one, and earn 1 for naming the present one. Two groups of them."""

    id: ClassVar[str] = "flips"
    params_cls: ClassVar[type] = Params
    forecasts: ClassVar[bool] = True
    whole_world: ClassVar[bool] = False
    info_fields: ClassVar = {"features": ("-", "(1,) the present sign")}
    horizon: int = 8

    n_agents = property(lambda self: {"a": 2, "b": 1})
    action_space = property(lambda self: {group: {"pick": Discrete(2)} for group in self.n_agents})
    observation_space = property(lambda self: dict.fromkeys(self.n_agents, Box(-np.inf, np.inf, (2,))))
    world_size = property(lambda self: 1)
    joint_size = property(lambda self: 4)
    feature_blocks = property(lambda self: {"sign": slice(0, 1)})

    def joint(self, obs):
        return jnp.concatenate([obs.agents["a"][:, 0], obs.agents["b"][0]])

    def draw_reset(self, key, params):
        return {"u": rng.uniforms(key, {"u": ()})["u"]}

    def draw_step(self, key, params):
        return {}

    def _observe(self, state):
        clock, last = state.t / self.horizon, -state.sign
        row = jnp.stack([clock, last])
        agents = {group: jnp.broadcast_to(row, (n, *row.shape)) for group, n in self.n_agents.items()}
        history = jnp.stack([last * (-1) ** k for k in reversed(range(PAST))])[:, None]
        return Observation(agents, clock[None], aux={"history": history})

    def reset_from(self, draws, params):
        state = State(jnp.zeros(draws["u"].shape, jnp.int32), jnp.where(draws["u"] < 0.5, -1.0, 1.0))
        return state, first_timestep(self, self._observe(state), draws["u"].shape)

    def step_from(self, state, action, draws, params):
        right = {group: params.scale * (action[group]["pick"] == (state.sign > 0)) for group in self.n_agents}
        after = State(state.t + 1, -state.sign)
        never = jnp.zeros(after.t.shape, bool)
        return after, Timestep(
            self._observe(after), right, never, after.t >= self.horizon, {"features": state.sign[None]}
        )


ENV = Flips()
ON_POLICY = {"n_worlds": 16, "minibatches": 2, "hidden": (16,), "forecaster_steps": 4, "forecaster_batch": 64}
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


@pytest.mark.parametrize("name", CASES)
def test_forecasts_are_learned_and_shown(name):
    env, learner, settings = CASES[name]
    learner = learners.make(learner, env, **settings)
    updates = 40 if "ppo" in learner.name else 120
    hyper = learner.hyper.replace(gamma=0.0, anneal_updates=float(updates))

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
