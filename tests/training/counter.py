"""A learner that only counts, so that tests of the driver compile next to nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from toy import Walkers

from jaxvec.learners.base import Learner


@dataclass(frozen=True)
class Settings:
    n_worlds: int = 1


class Hyper(struct.PyTreeNode):
    gain: float = 0.5
    every: int = 2


class State(struct.PyTreeNode):
    key: jax.Array
    hyper: Hyper
    done: jax.Array
    total: jax.Array
    nothing: jax.Array


def counting(before: Callable[[State], Any] = lambda state: None) -> Learner:
    """Adds a random number per update; `before(state)` is traced ahead of each."""

    def init(key, params, hyper=Hyper()):  # noqa: B008
        return State(key, hyper, jnp.int32(0), jnp.float32(0), jnp.zeros((0, 3)))

    def update(state):
        before(state)
        key, now = jax.random.split(state.key)
        total = state.total + state.hyper.gain * jax.random.uniform(now, dtype=jnp.float32)
        return state.replace(key=key, done=state.done + 1, total=total), {"reward": total}

    return Learner("counting", Walkers(), Settings(), Hyper(), init, update, lambda state, greedy=True: None, 7)
