"""Analytic policy gradients: the gradient is the true one, by finite differences of another simulation and by enumeration."""

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from learners.probes import Params, Probe
from representatives import representatives

import jaxvec
from jaxvec import learners
from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.rollout import rollout, world_keys
from jaxvec.core.spaces import Box, Discrete
from jaxvec.core.turns import ask_in_turns
from jaxvec.core.types import ActTrace, Observation, Timestep
from jaxvec.core.wrappers import one_agent
from jaxvec.learners.apg import Apg
from jaxvec.learners.apg_replays import Replays
from jaxvec.learners.apg_types import Settings, settings_of
from jaxvec.training import train

KEY = jax.random.key(11)
TINY = {"n_worlds": 4, "hidden": (4,)}


class Place(struct.PyTreeNode):
    """Slot and place `(n,)`."""

    t: jax.Array
    x: jax.Array


@dataclass(frozen=True)
class Carts(Environment):
    """Linear and quadratic: carts at x are pushed by `push`, x' = 0.9 x + push + noise, and earn -(x^2 + 0.1 push^2)."""

    id: ClassVar[str] = "carts"
    params_cls: ClassVar[type] = Params
    horizon: int = 4
    n: int = 2

    n_agents = property(lambda self: {"a": self.n})
    action_space = property(lambda self: {"a": {"push": Box(-2.0, 2.0)}})
    observation_space = property(lambda self: {"a": Box(-np.inf, np.inf, (1,))})
    world_size = property(lambda self: self.n)

    def draw_reset(self, key, params):
        return {"x": 2 * rng.uniforms(key, {"x": (self.n,)})["x"] - 1}

    def draw_step(self, key, params):
        return {"noise": rng.uniforms(key, {"noise": (self.n,)})["noise"] - 0.5}

    def reset_from(self, draws, params):
        state = Place(jnp.zeros(draws["x"].shape[1:], jnp.int32), draws["x"])
        return state, first_timestep(self, self.observe(state), state.t.shape)

    def step_from(self, state, action, draws, params):
        push = action["a"]["push"]
        after = Place(state.t + 1, 0.9 * state.x + push + draws["noise"])
        reward = {"a": -(state.x**2 + 0.1 * push**2)}
        never = jnp.zeros(state.t.shape, bool)
        return after, Timestep(self.observe(after), reward, never, after.t >= self.horizon)

    def observe(self, state):
        return Observation({"a": state.x[:, None]}, state.x)


@dataclass(frozen=True)
class Meeting(Carts):
    """A bandit: all earn 1 if they pick the same of two, and 0.5 more if that is the second."""

    horizon: int = 1

    action_space = property(lambda self: {"a": {"pick": Discrete(2)}})

    def step_from(self, state, action, draws, params):
        pick = action["a"]["pick"]
        worth = jnp.all(pick == pick[:1], 0) * (1 + 0.5 * pick[0])
        after = Place(state.t + 1, draws["noise"])
        never = jnp.zeros(state.t.shape, bool)
        reward = {"a": jnp.broadcast_to(worth, pick.shape)}
        return after, Timestep(self.observe(after), reward, never, after.t >= self.horizon)


def gradient(core, state):
    """Of the ascended mean reward, in the reward's own units."""
    start = (state.carry[0], state.carry[1].replace(info={}))
    hyper = state.hyper.replace(entropy_weight=0.0)
    grad = jax.jit(jax.grad(core.objective, has_aux=True))(state.params["actor"], state, start, hyper)[0]
    return jax.tree.map(lambda x: -np.asarray(x, float), grad)


@pytest.mark.parametrize("bootstrap", representatives((False, True), (False,)))
def test_the_path_derivative_is_that_of_an_independent_simulation(bootstrap):
    """Linear-quadratic over a piece, against central differences in NumPy and float64 with the same draws."""
    env, w, slots = Carts(horizon=5), 8, 4
    core = Apg(env, Settings(n_worlds=w, rollout_length=slots, bootstrap=bootstrap, hidden=(3,), value_minibatches=1))
    state = core.init(KEY, Params(), core.hyper.replace(gamma=0.9))
    if bootstrap:  # nothing follows
        zero = jax.tree.map(jnp.zeros_like, state.params["target"])
        state = state.replace(params=state.params | {"target": zero})
    actor = jax.tree.map(lambda x: x + 0.3 * jnp.cos(jnp.arange(x.size).reshape(x.shape)), state.params["actor"])
    state = state.replace(params=state.params | {"actor": actor})
    keys = world_keys(state.key, w, 0)
    noise = [np.asarray(env.draw_step(rng.fold_in(keys, t + 1), None)["noise"], float) for t in range(slots)]
    leaves, structure = jax.tree.flatten(actor)
    ends = np.cumsum([leaf.size for leaf in leaves])

    def layers(theta):
        parts = [part.reshape(leaf.shape) for part, leaf in zip(np.split(theta, ends[:-1]), leaves, strict=True)]
        p = jax.tree.unflatten(structure, parts)["a"]["params"]
        return [(p[name]["kernel"], p[name]["bias"]) for name in sorted(p)]

    def mean_return(theta):
        x, total = np.asarray(state.carry[0].x, float), 0.0
        (first, b), (last, c) = layers(theta)
        for t in range(slots):
            y = x[..., None] @ first + b
            y = y / (1 + np.exp(-y))  # silu
            push = 2 * np.clip((y @ last + c)[..., 0], -1, 1)
            total += 0.9**t * np.mean(-(x**2 + 0.1 * push**2))
            x = 0.9 * x + push + noise[t]
        return total / slots

    found = np.concatenate([x.ravel() for x in jax.tree.leaves(gradient(core, state))])
    theta = np.concatenate([np.asarray(x, float).ravel() for x in leaves])
    eps = 1e-5
    true = np.array(
        [(mean_return(theta + eps * e) - mean_return(theta - eps * e)) / (2 * eps) for e in np.eye(len(theta))]
    )
    assert np.abs(true).max() > 0.01
    np.testing.assert_allclose(found, true, rtol=2e-3, atol=2e-5)


def picking(w, choices):
    """A learner on `Meeting` whose agents prefer the first by different amounts."""
    core = Apg(Meeting(n=2), Settings(n_worlds=w, rollout_length=1, hidden=(3,), sampled_choices=choices))
    state = core.init(KEY, Params(), core.hyper.replace(gamma=0.0))
    actor = jax.tree.map(lambda x: x + 0.5 * jnp.sin(1 + jnp.arange(x.size).reshape(x.shape)), state.params["actor"])
    return core, state.replace(params=state.params | {"actor": actor})


@pytest.mark.parametrize("choices", representatives((0, 1), (0,)), ids=["all", "one of them"])
def test_replays_of_choices_have_the_gradient_of_the_expected_reward(choices):
    """Against the expectation over all joint actions, differentiated; means over worlds within five standard errors."""
    w = 4096
    core, state = picking(w, choices)
    obs = state.carry[1].obs

    def expected(actor):
        outputs = core.actors.outputs(actor, {"a": ()}, core.inputs(state, obs).agents, {}, 1)[0]["a"]
        pi = jax.nn.softmax(outputs)  # (W, n, 2)
        worth = {(0, 0): 1.0, (1, 1): 1.5}
        return sum(jnp.mean(worth.get(a, 0.0) * pi[:, 0, a[0]] * pi[:, 1, a[1]]) for a in product((0, 1), repeat=2))

    true = jax.tree.map(np.asarray, jax.grad(expected)(state.params["actor"]))
    found = gradient(core, state)
    size = max(np.abs(x).max() for x in jax.tree.leaves(true))
    assert size > 0.05
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(true), strict=True):
        np.testing.assert_allclose(a, b, atol=0.06 * size)


@pytest.mark.slow
def test_replays_vary_less_than_the_score_function():
    """On the same states: where two must meet, the other's choice is the only chance that is left to replays."""
    core, state = picking(64, 0)
    several = [gradient(core, state.replace(update=jnp.int32(i))) for i in range(40)]
    obs = state.carry[1].obs

    def score(key):
        def surrogate(actor):
            outputs = core.actors.outputs(actor, {"a": ()}, core.inputs(state, obs).agents, {}, 1)[0]["a"]
            pick = jax.random.categorical(key, jax.lax.stop_gradient(outputs))
            worth = jnp.all(pick == pick[:, :1], 1) * (1 + 0.5 * pick[:, 0])
            log_pi = jnp.take_along_axis(jax.nn.log_softmax(outputs), pick[..., None], -1).sum((1, 2))
            return jnp.mean(log_pi * (worth - jnp.mean(worth)))

        return jax.grad(surrogate)(state.params["actor"])

    scores = jax.vmap(score)(jax.random.split(KEY, 40))
    replay_var = sum(np.var(np.stack(x), 0).sum() for x in zip(*(jax.tree.leaves(g) for g in several), strict=True))
    score_var = sum(np.var(np.asarray(x), 0).sum() for x in jax.tree.leaves(scores))
    assert replay_var < 0.8 * score_var


@dataclass(frozen=True)
class Following(Meeting):
    """A bandit in turns, worth `WORTH` of both picks: whoever picks later sees what was picked before."""

    takes_turns = True

    def act(self, act_fn, key, state, ts, params):
        def show(before, k, mine):
            who, row = mine
            seen = jnp.where(k > 0, 2.0 * before - 1, row)
            return before, ts.obs.replace(agents={"a": seen[None, None]}, ids={"a": who[None]})

        def then(before, mine, action):
            return action["a"]["pick"][0]

        turns = (jnp.arange(self.n), state.x)
        action, seen, extras = ask_in_turns(act_fn, key, jnp.zeros_like(state.t), turns, show, then)
        return action, ActTrace(ts.obs.replace(**seen), extras)

    def step_from(self, state, action, draws, params):
        after, ts = super().step_from(state, action, draws, params)
        pick = action["a"]["pick"]
        worth = jnp.asarray(WORTH)[pick[0], pick[1]]
        return after, ts.replace(reward={"a": jnp.broadcast_to(worth, pick.shape)})


WORTH = [[1.0, 0.1], [0.8, 1.5]]


@pytest.mark.parametrize("again", [True, False])
def test_replays_in_turns_ask_those_who_come_later_again(again):
    """Against the expectation over both picks, where the second depends on the first; without it the gradient is another."""
    settings = Settings(n_worlds=4096, rollout_length=1, hidden=(3,), sampled_choices=0, ask_again=again)
    core = Apg(Following(n=2), settings)
    state = core.init(KEY, Params(), core.hyper.replace(gamma=0.0))
    hidden = {"kernel": jnp.array([[2.0, -2.0, 1.0]]), "bias": jnp.zeros(3)}
    last = {"kernel": jnp.array([[-0.5, 0.5], [0.5, -0.5], [0.0, 0.3]]), "bias": jnp.array([0.2, 0.0])}
    actor = {"a": {"params": {"Dense_0": hidden, "Dense_1": last}}}  # who sees the second picked mostly picks it, too
    state = state.replace(params=state.params | {"actor": actor})
    first = state.carry[1].obs.agents["a"][0, 0]  # (W,)

    def expected(actor):
        def pi(rows):
            return jax.nn.softmax(core.actors.networks["a"].apply(actor["a"], (), rows[..., None])[0])

        then = pi(jnp.array([-1.0, 1.0]))  # (2, 2)
        return jnp.mean(jnp.sum(pi(first) * jnp.sum(then * jnp.asarray(WORTH), 1), 1))

    true, found = jax.grad(expected)(actor), gradient(core, state)
    size = max(np.abs(x).max() for x in jax.tree.leaves(true))
    assert size > 0.05
    off = max(np.abs(a - b).max() for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(true), strict=True))
    assert (off < 0.06 * size) == again


@dataclass(frozen=True)
class Aim(Carts):
    """A bandit of one: the first pick earns most at push 1, the second, which is worth more, at -0.5."""

    horizon: int = 1

    action_space = property(lambda self: {"a": {"pick": Discrete(2), "push": Box(-2.0, 2.0)}})

    def step_from(self, state, action, draws, params):
        after, ts = super().step_from(state, action, draws, params)
        pick, push = action["a"]["pick"], action["a"]["push"]
        return after, ts.replace(reward={"a": jnp.where(pick == 1, 1.2 - (push + 0.5) ** 2, 1 - (push - 1) ** 2)})


def test_numbers_by_choice_have_the_gradient_of_the_expected_reward():
    """Against the expectation over the picks, each with the number that is said for it."""
    env = Aim(n=1)
    core = Apg(env, Settings(n_worlds=4096, rollout_length=1, hidden=(3,), numbers_by_choice=True))
    state = core.init(KEY, Params(), core.hyper.replace(gamma=0.0))
    actor = jax.tree.map(lambda x: x + 0.3 * jnp.sin(1 + jnp.arange(x.size).reshape(x.shape)), state.params["actor"])
    state = state.replace(params=state.params | {"actor": actor})
    obs = state.carry[1].obs

    def said(actor):
        y = core.actors.outputs(actor, {"a": ()}, core.inputs(state, obs).agents, {}, 1)[0]["a"][:, 0]
        return jax.nn.softmax(y[:, :2]), 2 * jnp.clip(y[:, 2:], -1, 1)

    def expected(actor):
        pi, push = said(actor)
        return jnp.mean(pi[:, 0] * (1 - (push[:, 0] - 1) ** 2) + pi[:, 1] * (1.2 - (push[:, 1] + 0.5) ** 2))

    true, found = jax.grad(expected)(actor), gradient(core, state)
    size = max(np.abs(x).max() for x in jax.tree.leaves(true))
    assert size > 0.05
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(true), strict=True):
        np.testing.assert_allclose(a, b, atol=0.06 * size)
    action = core.policy(state)(jax.random.split(KEY, 4096), obs)["a"]
    pi, push = said(actor)
    np.testing.assert_array_equal(action["pick"][0], pi.argmax(1))
    np.testing.assert_allclose(action["push"][0], np.take_along_axis(push, pi.argmax(1)[:, None], 1)[:, 0], rtol=1e-5)


@dataclass(frozen=True)
class Gate(Carts):
    """One earns 1 where `push` is above 0.5: a jump, whose derivative is zero."""

    jumps = frozenset({"a/push"})

    def step_from(self, state, action, draws, params):
        after, ts = super().step_from(state, action, draws, params)
        return after, ts.replace(reward={"a": (action["a"]["push"] > 0.5).astype(float)})


@pytest.mark.slow
def test_numbers_that_act_through_jumps_are_learned():
    env = Gate(horizon=1)
    learner = learners.make("apg", env, n_worlds=32, rollout_length=1, hidden=(4,))
    result = train(learner, Params(), KEY, 60, hyper={"learning_rate": 2e-2, "jump": 0.5, "gamma": 0.0}, progress=False)
    assert result.metrics["reward"][-5:].mean() > 0.95
    assert result.metrics["reward"][0] < 0.6


def test_jumps_are_jumps_for_one_who_decides_for_all():
    env = one_agent(jaxvec.make("urllc_vec")[0])
    assert {name for _, name, _ in Replays(env, 1, 2).jumps} == {"uav/admit", "bs/admit"}
    assert settings_of(env).actor == "mlp"  # what one agent sees has the options at other places


@pytest.mark.parametrize(
    ("system", "rate"), [("urllc_vec", 1e-2), ("v2x_offload", 1e-2), ("isac_iov", 3e-3), ("dt_edge", 3e-3)]
)
def test_steps_are_longer_where_slots_are_replayed(system, rate):
    assert learners.make("apg", jaxvec.make(system)[0]).hyper.learning_rate == rate


@pytest.mark.parametrize("kind", representatives(("chosen", "target"), ("target",)))
def test_probes_are_learned(kind):
    env = Probe(kind=kind, masked=kind == "chosen")
    learner = learners.make("apg", env, n_worlds=32, rollout_length=1, hidden=(8,))
    result = train(learner, Params(), KEY, 80, hyper={"learning_rate": 2e-2}, progress=False)
    run = jax.jit(lambda key: rollout(env, result.policy(), key, Params(), 128, select=lambda s: s.ts.reward["a"]))
    reward = float(run(KEY).mean())
    assert reward > (0.95 if kind == "chosen" else -0.01), reward


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gru": 4}, "memory"),
        ({"free_std": True}, "free_std"),
        ({"bootstrap": True, "value_minibatches": 3}, "cannot be cut into 3"),
        ({"sampled_choices": -1}, "sampled_choices must be a whole number of at least 0, not -1"),
        ({"replay_slots": 0}, "replay_slots must be a whole number of at least 1, not 0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        learners.make("apg", Carts(), **{**TINY, **settings})
