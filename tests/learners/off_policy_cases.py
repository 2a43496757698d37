"""What the tests of off-policy learners share: small settings, a learner's inside, observations and a made-up batch."""

import jax
import jax.numpy as jnp

from jaxvec.core.rollout import world_keys
from jaxvec.learners.blocks import flat
from jaxvec.learners.blocks.actors import obs_batch_first
from jaxvec.learners.off_policy_types import Entry

SMALL = {"hidden": (32,), "n_worlds": 16, "slots_per_update": 8, "batch_size": 64, "capacity": 4096}


def core_of(learner):
    """The object that a learner's functions share."""
    return learner.update.__self__


def look(env, n=64, seed=7):
    """Observations of n fresh worlds, as the environment has them."""
    keys = world_keys(jax.random.key(seed), n)
    return jax.jit(lambda keys: env.reset(keys, env.default_params())[1].obs)(keys)


def one_entry(env, core, batch=6):
    """A made-up batch, and a state to judge it with."""
    state = jax.jit(lambda key: core.init(key, env.default_params()))(jax.random.key(0))
    keys = jax.random.split(jax.random.key(5), 2)
    width = {group: flat.width(spaces) for group, spaces in core.acting.head.flat_spaces.items()}
    actions = {g: jax.random.uniform(keys[0], (batch, n, width[g]), minval=-1) for g, n in env.n_agents.items()}
    rewards = {g: jax.random.normal(keys[1], (batch, n)) for g, n in env.n_agents.items()}
    obs, next_obs = (obs_batch_first(look(env, batch, seed)) for seed in (7, 8))
    return state, Entry(obs, actions, rewards, jnp.arange(batch) % 2 == 0, next_obs, ())
