"""An actor that scores each option of a choice by what is seen of it, with one small network for all of them.

It works for any number of options, and another order of them is the same order of scores. An environment says where in an
observation its options stand: `Environment.options`. Numbers that are said for every option come from such networks, too, see
`jaxvec.learners.blocks.by_choice`. What else a group's agents decide is left to an MLP of their rows.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, Options
from jaxvec.core.spaces import Space
from jaxvec.learners.blocks.networks import Network, mlp

LEADERS = 3  # places in a ranking that are told apart
OutputsOf = Callable[[dict[str, Space]], tuple[int, tuple[float, ...]]]
"""How many outputs an actor has for some components, and their bias at the start (empty: 0)."""


def scorer(
    options: Options,
    hidden: tuple[int, ...] = (32, 32),
    activation: str = "tanh",
    out_gain: float = 0.01,
    bias: float = 0.0,
) -> Network:
    """A network from an observation `(..., d)` to a logit, or a number, for each of k options `(..., k)`, by one MLP of what is
    seen of each; of a component of several choices `(..., j k)`.

    Args:
        options: where they stand in the observation.
        hidden: widths of the MLP.
        activation: "tanh", "relu" or "silu".
        out_gain: of its last layer.
        bias: where it starts.
    """
    layers = mlp(hidden, 1, activation=activation, out_gain=out_gain, bias=(bias,))

    def init(key: Array, x: Array) -> Any:
        return layers.init(key, parts(options, x))

    def apply(params: Any, memory: Any, x: Array) -> tuple[Array, Any]:
        return layers.apply(params, (), parts(options, x))[0].reshape(*x.shape[:-1], -1), memory

    return Network(init, apply)


def parts(options: Options, x: Array) -> tuple[Array, ...]:
    """What the network sees, in parts that broadcast to `(..., j, k)`: of each option, of what each choice is for, of all.

    Args:
        options: where they stand in the observation.
        x: observations `(..., d)`.
    """
    result = [properties(options, x)[..., None, :, :]]
    if options.items is not None:
        result.append(jnp.concatenate([x[..., options.items], _which(options.items, x)], -1)[..., :, None, :])
    if options.context:
        result.append(x[..., list(options.context)][..., None, None, :])
    return tuple(result)


def _which(items: np.ndarray, x: Array) -> Array:
    """Of each choice which it is, one-hot, `(..., j, j)`."""
    return jnp.broadcast_to(jnp.eye(len(items), dtype=x.dtype), (*x.shape[:-1], len(items), len(items)))


def properties(options: Options, x: Array) -> Array:
    """What the network sees of each option: its scaled properties, their totals over all options, its places in rankings and how
    far it is behind the first, and its kind, one-hot.

    Args:
        options: where they stand in the observation.
        x: observations `(..., d)`.
    Returns:
        `(..., k, c + totals + (2 + LEADERS) ranks + kinds)`.
    """
    padded = jnp.concatenate([x, jnp.zeros((*x.shape[:-1], 1), x.dtype)], -1)
    scaled = padded[..., options.columns] * jnp.asarray(options.scale, x.dtype)
    totals = jnp.sum(scaled[..., list(options.totals)], -2, keepdims=True)
    kinds = np.eye(int(options.kinds.max()) + 1)[options.kinds].astype(x.dtype)
    shape = scaled.shape[:-1]
    ranked = [_places(scaled[..., i]) for i in options.ranks]
    seen = [scaled, *ranked, *(jnp.broadcast_to(part, (*shape, part.shape[-1])) for part in (totals, kinds))]
    return jnp.concatenate(seen, -1)


def _places(x: Array) -> Array:
    """The place of each option in a ranking `(..., k)`, the largest first, as numbers `(..., k, 2 + LEADERS)`."""
    before = x[..., None, :] > x[..., :, None]
    place = jnp.sum(before, -1)
    leads = [place == i for i in range(LEADERS)]
    return jnp.stack([place / x.shape[-1] * 4, x - jnp.max(x, -1, keepdims=True), *leads], -1).astype(x.dtype)


def scorers(
    env: Environment, settings: Any, name: str, outputs: OutputsOf, out_gain: float = 0.01
) -> Callable[[str], Network]:
    """An actor for each group of an environment, by the group's name, that scores the options of its choices.

    Args:
        env: whose `options` they score.
        settings: the learner's, with `scorer_hidden`, `hidden`, `activation` and `normalise_observations`.
        name: the learner's, for messages.
        outputs: of an actor for some of a group's components.
        out_gain: of last layers.
    Raises:
        ValueError: the environment does not say what the options of some group's choices are; or observations are normalised
            entry by entry, so that options would not be seen alike.
    """
    if settings.normalise_observations:
        raise ValueError(f"{name}: actor 'scorer' takes observations as they are, not normalise_observations=True")
    for group in env.action_space:
        if not env.options.get(group):
            raise ValueError(
                f"{name}: actor 'scorer' is for agents who choose one of several servers and see something of each; "
                f"{env.id} does not say so of {group!r}. Take actor='mlp'"
            )

    def of_group(group: str) -> Network:
        return _mixed(env.action_space[group], env.options[group], settings, outputs, out_gain)

    return of_group


def _mixed(spaces: Any, options: dict[str, Options], settings: Any, outputs: OutputsOf, out_gain: float) -> Network:
    """Scores for the components that have options, an MLP of the row for the others, in the order of components."""
    starts = {name: next(iter(outputs({name: spaces[name]})[1]), 0.0) for name in options}
    scored = {
        name: scorer(x, settings.scorer_hidden, out_gain=out_gain, bias=starts[name]) for name, x in options.items()
    }
    widths = {name: outputs({name: space})[0] for name, space in spaces.items()}
    rest = {name: space for name, space in spaces.items() if name not in scored}
    networks = dict(scored)
    if rest:
        n_rest, bias = outputs(rest)
        networks[""] = mlp(settings.hidden, n_rest, activation=settings.activation, out_gain=out_gain, bias=bias)

    def init(key: Array, x: Array) -> dict[str, Any]:
        return {name: net.init(rng.stream(key, name), x) for name, net in networks.items()}

    def apply(params: Any, memory: Any, x: Array) -> tuple[Array, Any]:
        said = {name: net.apply(params[name], (), x)[0] for name, net in networks.items()}
        joined, start = [], 0
        for name, width in widths.items():
            if name in scored:
                joined.append(said[name])
            else:
                joined.append(said[""][..., start : start + width])
                start += width
        return jnp.concatenate(joined, -1), memory

    return Network(init, apply)
