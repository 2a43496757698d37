"""The clairvoyant planner: known optima are found, what it starts from is never lost, and worlds are those of `evaluate`."""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from flax import struct
from learners.probes import Probe
from representatives import representatives

import jaxvec
from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.evaluation import evaluate
from jaxvec.core.params import number, world_params
from jaxvec.core.rollout import rollout, world_keys
from jaxvec.core.spaces import Box, Discrete
from jaxvec.core.types import Observation, Timestep
from jaxvec.envs.v2x_offload.observation import GROUP
from jaxvec.policies import fixed
from jaxvec.policies.clairvoyant import EFFORT, Effort, clairvoyant, episode_bound
from jaxvec.policies.clairvoyant.alone import Alone

KEY, WORLDS = jax.random.key(3), 4


class MoverParams(struct.PyTreeNode):
    fare: float = number(0.6, "-", "what a move costs")


class MoverState(struct.PyTreeNode):
    t: jax.Array
    at: jax.Array  # (2,)


@dataclass(frozen=True)
class Movers(Environment):
    """Two agents at one of three places. A place pays what is drawn for it in the slot, shared by those who are there; moving
    costs a fare. The best plan is not the best slot after slot."""

    id: ClassVar[str] = "movers"
    params_cls: ClassVar[type] = MoverParams
    horizon: int = 3
    replay_slots = 3
    n_agents: ClassVar = {"m": 2}
    world_size = 1
    action_space: ClassVar = {"m": {"place": Discrete(3)}}
    observation_space: ClassVar = {"m": Box(0.0, 2.0, (1,))}

    def draw_reset(self, key, params):
        return {"t": jnp.zeros(key.shape, jnp.int32)}

    def draw_step(self, key, params):
        return rng.uniforms(key, {"pay": (3,)})

    def observe(self, state):
        return Observation({"m": state.at[:, None].astype(float)}, state.t[None].astype(float))

    def reset_from(self, draws, params):
        state = MoverState(draws["t"], jnp.zeros((2, *draws["t"].shape), jnp.int32))
        return state, first_timestep(self, self.observe(state), draws["t"].shape)

    def step_from(self, state, action, draws, params):
        place = action["m"]["place"]
        together = 1 + (place[0] == place[1])
        pay = jnp.take_along_axis(draws["pay"], place, 0) / together
        after = MoverState(state.t + 1, place)
        reward = {"m": pay - params.fare * (place != state.at)}
        over = after.t >= self.horizon
        return after, Timestep(self.observe(after), reward, jnp.zeros_like(over), over, {})


def stay(key, obs):
    """A policy that leaves everybody at place 0."""
    return {"m": {"place": jnp.zeros_like(obs.agents["m"][:, 0], jnp.int32)}}


def bound_of(env, params, starts, effort, worlds=WORLDS):
    return episode_bound(env, params, KEY, worlds, starts=starts, effort=effort)


def test_the_best_plan_of_several_slots_is_found():
    env, params = Movers(), MoverParams()
    keys = world_keys(KEY, 16)
    start = env.reset(rng.fold_in(keys, 0), params)
    every = jnp.asarray(list(itertools.product(range(3), repeat=6)), jnp.int32).reshape(-1, 3, 2)

    def worth(plan):
        state, total = start[0], 0.0
        for t in range(3):
            action = {"m": {"place": jnp.broadcast_to(plan[t][:, None], (2, 16))}}
            state, ts = env.step(rng.fold_in(keys, t + 1), state, action, params)
            total += ts.reward["m"].mean(0)
        return total / 3

    best = jnp.max(jax.jit(jax.vmap(worth))(every), 0)
    effort = Effort(passes=4, holds=(1, 2, 3), options=3, pairs=True)
    got = bound_of(env, params, {"stay": stay}, effort, 16)
    assert np.all(got.reward <= best + 1e-5)
    assert np.mean(got.reward > best - 1e-5) > 0.9  # a local search may miss one
    greedy = bound_of(env, params, {"stay": stay}, Effort(passes=4, look_ahead=1, options=3), 16)
    assert greedy.reward.mean() < got.reward.mean() - 0.01  # slot by slot is not enough


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_choices_and_numbers_of_a_probe(masked):
    """Numbers that act by a jump are searched, and those that act smoothly follow the gradient."""
    random = fixed(Probe(), Probe().default_params())["random"]
    env = Probe("chosen", horizon=2, groups=2, masked=masked)
    effort = Effort(searched=("a/x", "b/x"), options=3, steps=0)
    start = {"random": fixed(env, env.default_params())["random"]}
    np.testing.assert_allclose(bound_of(env, env.default_params(), start, effort).reward, 1.0)
    smooth = Probe("target", horizon=2)
    got = bound_of(smooth, smooth.default_params(), {"random": random}, Effort(passes=0, steps=300, rate=0.1))
    np.testing.assert_allclose(got.reward, 0.0, atol=1e-3)
    assert got.starts["random"].max() < -0.05


def test_agents_that_leave_count_as_in_evaluation():
    env = Probe("target", horizon=3, n=3, leaving=True)
    params = env.default_params()
    policies = fixed(env, params)
    got = bound_of(env, params, policies, Effort(passes=0, steps=2))
    means = evaluate(env, policies, KEY, params, WORLDS)
    np.testing.assert_allclose(got.starts["random"], means["random"]["reward"], rtol=1e-5)


@pytest.mark.parametrize("rate", representatives((0.03, 30.0), (30.0,)))
def test_never_below_the_best_of_its_starts(rate):
    env, params = toy.Walkers(), toy.Params()
    policies = fixed(env, params)
    got = bound_of(env, params, policies, Effort(steps=3, rate=rate, passes=1))
    means = evaluate(env, policies, KEY, params, WORLDS)
    best = np.max([means[name]["reward"] for name in policies], 0)
    assert set(got.starts) == set(policies)
    assert np.all(got.reward >= best - 1e-6)
    for name in policies:
        np.testing.assert_allclose(got.starts[name], means[name]["reward"], rtol=1e-5)


@pytest.mark.slow
def test_a_slot_of_v2x_offload_against_every_choice_of_targets():
    """With numbers held, all 4^3 targets of three vehicles."""
    env, params = jaxvec.make("v2x_offload", n_vehicles=3, horizon=1)
    keys, known, worlds = world_keys(KEY, 8), world_params(params), 8
    policy = fixed(env, params)["amcs"]
    state, ts = env.reset(rng.fold_in(keys, 0), known)
    actions = rollout(env, policy, KEY, params, worlds, select=lambda slot: slot.action)
    draws = env.draw_step(rng.fold_in(keys, 1), known)
    every = jnp.asarray(list(itertools.product(range(4), repeat=3)), jnp.int32)

    def worth(target):
        mine = jax.tree.map(lambda x: x[0], actions)[GROUP]
        mine = mine | {"target": jnp.broadcast_to(target[:, None], mine["target"].shape)}
        return env.step_from(state, {GROUP: mine}, draws, known)[1].reward[GROUP].mean(0)

    best = jnp.max(jax.jit(jax.vmap(worth))(every), 0)
    start = jax.tree.map(lambda x: x[None], actions)
    planned = jax.jit(partial(clairvoyant, env, effort=Effort(passes=3, steps=0, pairs=True)))(
        params, (state, ts), keys, start
    )
    np.testing.assert_allclose(planned.worth, best, rtol=1e-5)
    assert planned.worth.mean() > planned.start_worth[0].mean() + 1e-3
    done = env.step_from(state, jax.tree.map(lambda x: x[0], planned.action), draws, known)[1]
    np.testing.assert_allclose(done.reward[GROUP].mean(0), planned.worth, rtol=1e-5)


@pytest.mark.slow
def test_agents_alone_are_a_bound_from_above():
    """Of every choice of targets, with numbers held; an agent's reward is what it has when the others compute for themselves."""
    base, params = jaxvec.make("v2x_offload", n_vehicles=3, horizon=2, shared_reward=False, team_weight=0.0)
    env = Alone(base, (("target", 0), ("power", 1.0), ("cpu", 1.0), ("bandwidth", 1.0)))
    starts = {"greedy": fixed(base, params)["greedy"]}
    effort = Effort(passes=2, steps=0, searched=("vehicle/power", "vehicle/cpu", "vehicle/bandwidth"))
    above = bound_of(env, params, starts, effort)
    found = bound_of(base, params, starts, effort)
    assert np.all(above.reward >= found.reward - 1e-6)
    assert above.reward.mean() > found.reward.mean() + 1e-3  # three vehicles do get into each other's way
    lone = jaxvec.make("v2x_offload", n_vehicles=1, horizon=2, shared_reward=False, team_weight=0.0)[0]
    one = Alone(lone, env.idle)
    got = [bound_of(x, params, {"greedy": fixed(lone, params)["greedy"]}, effort).reward for x in (lone, one)]
    np.testing.assert_allclose(*got, rtol=1e-6)  # alone anyway
    with pytest.raises(ValueError, match="one group"):
        Alone(jaxvec.make("urllc_vec")[0], ())


@pytest.mark.slow
def test_the_same_worlds_give_the_same_plan_at_any_number_of_worlds():
    env, params = Movers(), MoverParams()
    effort = Effort(passes=2, options=2)
    one, again, more = (bound_of(env, params, {"stay": stay}, effort, n) for n in (4, 4, 7))
    np.testing.assert_array_equal(one.reward, again.reward)
    np.testing.assert_allclose(one.reward, more.reward[:4], rtol=1e-6)


def test_every_system_of_the_package_has_its_effort():
    for env_id, effort in EFFORT.items():
        env, params = jaxvec.make(env_id)
        names = {f"{group}/{name}" for group, parts in env.action_space.items() for name in parts}
        assert set(effort.starts) <= set(fixed(env, params))
        assert set(effort.searched) <= names
