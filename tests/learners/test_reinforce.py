"""A learner from outside: in how few lines the base of on-policy learners carries one, and that it learns."""

import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners import reinforce as module
from learners.probes import Picks, Probe
from learners.reinforce import reinforce
from representatives import representatives

from jaxvec.core.rollout import rollout

SMALL = {"hidden": (32,), "activation": "tanh", "n_worlds": 64}


class Torso(nn.Module):
    """Features of an observation."""

    @nn.compact
    def __call__(self, x):
        return nn.tanh(nn.Dense(32)(x))


def test_it_takes_sixty_lines_at_most():
    assert len(inspect.getsource(module).splitlines()) <= 60


def earned(env, updates=60, **settings):
    """The mean reward that each group's agents earn after training with samples of their policy, of those who took part."""
    learner = reinforce(env, **{**SMALL, **settings})
    hyper = learner.hyper.replace(learning_rate=2e-2, learning_rate_end=2e-3, anneal_updates=60.0)

    @jax.jit
    def run(key):
        state = learner.init(key, env.default_params(), hyper)
        state, _ = jax.lax.scan(lambda s, _: learner.update(s), state, None, length=updates)
        policy = learner.policy(state, greedy=False)
        return rollout(
            env, policy, key, env.default_params(), 256, select=lambda slot: (slot.ts.reward, slot.obs.active)
        )

    reward, active = run(jax.random.key(0))
    return {group: np.average(x, weights=active.get(group, jnp.ones_like(x))) for group, x in reward.items()}


CASES = {
    "two groups": (Probe("chosen", horizon=2, groups=2, masked=True), {}),
    "separate parameters": (Probe("chosen", horizon=2), {"share_parameters": False}),
    "memory": (Probe("chosen", horizon=2), {"gru": 16}),
    "continuing, with memory": (Probe("chosen", horizon=2), {"rollout_length": 3, "gru": 8}),
    "normalised observations": (Probe("chosen", horizon=2), {"normalise_observations": True}),
    "agents that leave": (Probe("chosen", horizon=3, leaving=True), {}),
    "a Flax module": (Probe("chosen", horizon=2), {"network": Torso()}),
    "scores of options": (Picks("chosen", horizon=2), {"actor": "scorer"}),
}


@pytest.mark.parametrize("case", representatives(CASES, ("agents that leave",)))
def test_it_learns_what_the_observation_asks_for(case):
    env, settings = CASES[case]
    for group, reward in earned(env, **settings).items():
        assert reward > 0.95, group


@pytest.mark.slow
def test_it_finds_the_target():
    # minus the squared distance: -0.07 is the spread of the narrowest normal distribution, 2 exp(-2)
    assert earned(Probe("target", terminates=True))["a"] > -0.1


@pytest.mark.slow
def test_a_single_update_is_not_enough():
    # the tests above can fail: chance earns a half, and is 1.3 away from the target in the mean square
    assert earned(Probe("chosen", horizon=2), updates=1)["a"] < 0.7
    assert earned(Probe("target", terminates=True), updates=1)["a"] < -1
