"""One of several processes that train together, as `jaxvec train` does; see `test_hosts`. Registers what they train.

`shared` is a learner that compiles at once and yet has what real ones have: numbers of each world, drawn where the world is, and
one that all worlds share, from their mean; keys; and metrics. SLOW_S delays how the last process compiles it [s].
"""

import os
import sys
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct
from toy import Walkers

import jaxvec
from jaxvec import cli
from jaxvec.core.devices import spread
from jaxvec.core.rollout import world_keys
from jaxvec.learners.base import Learner


@dataclass(frozen=True)
class Settings:
    n_worlds: int = 16


class Hyper(struct.PyTreeNode):
    rate: float = 0.1


class State(struct.PyTreeNode):
    key: jax.Array
    hyper: Hyper
    keys: jax.Array  # (W,)
    worlds: jax.Array  # (3, W)
    params: jax.Array  # ()


def shared(env, **settings):
    s = Settings(**settings)

    def init(key, params, hyper=Hyper()):  # noqa: B008
        keys = spread(world_keys(key, s.n_worlds))
        return State(key, hyper, keys, jnp.zeros((3, s.n_worlds)), jnp.float32(0))

    def update(state):
        if jax.process_index() == jax.process_count() - 1:
            time.sleep(float(os.environ.get("SLOW_S", 0)))
        keys = jax.vmap(lambda key: jax.random.split(key)[0])(state.keys)
        noise = jax.vmap(lambda key: jax.random.normal(key, (3,)), out_axes=-1)(keys)
        worlds = 0.9 * state.worlds + noise + state.params
        params = state.params - state.hyper.rate * jnp.mean(worlds)
        return state.replace(keys=keys, worlds=worlds, params=params), {"reward": params, "spread": jnp.std(worlds)}

    return Learner("shared", env, s, Hyper(), init, update, lambda state, greedy=True: None, s.n_worlds)


if __name__ == "__main__":
    jaxvec.register("walkers", Walkers)
    jaxvec.register("shared", shared, kind="learner")
    cli.main(sys.argv[1:])
