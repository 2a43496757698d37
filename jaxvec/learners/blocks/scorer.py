"""An actor that scores each option of a choice by what is seen of it, with one small network for all of them.

It works for any number of options, and another order of them is the same order of scores. An environment says where in an
observation its options stand: `Environment.options`.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.environment import Environment, Options
from jaxvec.core.spaces import Discrete
from jaxvec.learners.blocks.networks import Network, mlp


def scorer(options: Options, hidden: tuple[int, ...] = (32, 32), activation: str = "tanh") -> Network:
    """From an observation to a logit for each option, by an MLP of its properties, of totals, and of its kind."""
    layers = mlp(hidden, 1, activation=activation, out_gain=0.01)
    read = lambda x: properties(options, x)  # noqa: E731

    def apply(params: dict, memory: tuple, x: Array) -> tuple[Array, tuple]:
        return layers.apply(params, (), read(x))[0][..., 0], memory

    return Network(lambda key, x: layers.init(key, read(x)), apply)


def properties(options: Options, x: Array) -> Array:
    """What the network sees of each option, of observations `(..., d)`: `(..., k, c + totals + kinds)`."""
    padded = jnp.concatenate([x, jnp.zeros((*x.shape[:-1], 1), x.dtype)], -1)
    own = padded[..., options.columns] * jnp.asarray(options.scale, x.dtype)
    totals = jnp.sum(own[..., list(options.totals)], -2, keepdims=True)
    kinds = np.eye(int(options.kinds.max()) + 1)[options.kinds].astype(x.dtype)
    shape = own.shape[:-1]
    parts = [own, *(jnp.broadcast_to(part, (*shape, part.shape[-1])) for part in (totals, kinds))]
    return jnp.concatenate(parts, -1)


def scorers(env: Environment, settings: Any, name: str) -> Callable[[str], Network]:
    """A scorer for each group of an environment; `settings` and `name` are the learner's.

    Raises:
        ValueError: some group has more to decide than one choice, or the environment does not say what its options are; or
            observations are normalised entry by entry, so that options would not be seen alike.
    """
    if settings.normalise_observations:
        raise ValueError(
            f"{name}: actor 'server_scorer' takes observations as they are, not normalise_observations=True"
        )
    for group, spaces in env.action_space.items():
        (space, *more) = spaces.values()
        if more or not isinstance(space, Discrete) or space.size > 1 or group not in env.options:
            raise ValueError(
                f"{name}: actor 'server_scorer' is for agents who choose one of several servers and see something of each; "
                f"{env.id} does not say so of {group!r}. Take actor='mlp'"
            )
    return lambda group: scorer(env.options[group], settings.scorer_hidden)
