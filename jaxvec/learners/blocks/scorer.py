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
    """A network from an observation `(..., d)` to a logit for each of k options `(..., k)`, by one MLP of what is seen of each.

    Args:
        options: where they stand in the observation.
        hidden: widths of the MLP.
        activation: "tanh", "relu" or "silu".
    """
    layers = mlp(hidden, 1, activation=activation, out_gain=0.01)

    def init(key: Array, x: Array) -> Any:
        return layers.init(key, properties(options, x))

    def apply(params: Any, memory: Any, x: Array) -> tuple[Array, Any]:
        return layers.apply(params, (), properties(options, x))[0][..., 0], memory

    return Network(init, apply)


def properties(options: Options, x: Array) -> Array:
    """What the network sees of each option: its scaled properties, their totals over all options, and its kind, one-hot.

    Args:
        options: where they stand in the observation.
        x: observations `(..., d)`.
    Returns:
        `(..., k, c + totals + kinds)`.
    """
    padded = jnp.concatenate([x, jnp.zeros((*x.shape[:-1], 1), x.dtype)], -1)
    scaled = padded[..., options.columns] * jnp.asarray(options.scale, x.dtype)
    totals = jnp.sum(scaled[..., list(options.totals)], -2, keepdims=True)
    kinds = np.eye(int(options.kinds.max()) + 1)[options.kinds].astype(x.dtype)
    shape = scaled.shape[:-1]
    parts = [scaled, *(jnp.broadcast_to(part, (*shape, part.shape[-1])) for part in (totals, kinds))]
    return jnp.concatenate(parts, -1)


def scorers(env: Environment, settings: Any, name: str) -> Callable[[str], Network]:
    """A scorer for each group of an environment, by the group's name.

    Args:
        env: whose `options` they score.
        settings: the learner's, with `scorer_hidden` and `normalise_observations`.
        name: the learner's, for messages.
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
