"""Worlds of a library of pure functions: what the tests of their adapters share."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.core import rng
from jaxvec.core.layout import batch_first
from jaxvec.core.rollout import world_keys
from jaxvec.core.wrappers import auto_reset
from jaxvec.policies.random import random

WORLDS, SLOTS = 3, 12
KEYS = rng.fold_in(world_keys(jax.random.key(4), WORLDS)[None], jnp.arange(SLOTS + 1)[:, None])


def episodes(env, params, resets):
    """Slots of random actions in the native form, worlds first: the first timestep, and of each slot action and timestep."""
    env, policy = auto_reset(env) if resets else env, random(env)

    @jax.jit
    def run():
        def slot(carry, key):
            state, ts = carry
            action = policy(rng.stream(key, "policy"), ts.obs)
            state, after = env.step(key, state, action, params)
            return (state, after.replace(info={})), (action, after)

        state, ts = env.reset(KEYS[0], params)
        return ts, jax.lax.scan(slot, (state, ts), KEYS[1:])[1]

    start, (actions, after) = run()
    first = lambda tree: jax.tree.map(np.asarray, batch_first(tree, 1))  # noqa: E731
    at = lambda t: jax.tree.map(lambda x: x[t], (actions, after))  # noqa: E731
    return first(start), [first(at(t)) for t in range(SLOTS)]


def same(a, b):
    np.testing.assert_array_equal(a, b)


def worlds_last_operations(function, *arguments):
    """How often the native form stands in what `jax.vmap` of a function traces, and conditions outside of it."""
    counts = {"worlds_last": 0, "cond": 0}

    def look(jaxpr):
        for equation in jaxpr.eqns:
            name = equation.primitive.name
            counts[name] = counts.get(name, 0) + 1
            if name in ("jit", "pjit"):
                look(equation.params["jaxpr"].jaxpr)

    look(jax.make_jaxpr(jax.vmap(function))(*arguments).jaxpr)
    return counts
