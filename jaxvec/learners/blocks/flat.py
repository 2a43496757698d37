"""A group's actions as flat vectors: what a critic sees of them, and what gradients flow through.

Per agent, each box contributes its entries scaled to [-1, 1], each discrete choice a one-hot vector (`choices="one_hot"`) or one
number in [-1, 1] that is cut into equal bins (`choices="bins"`, as published for deterministic actors). Networks and
distributions see `flat_spaces`, where binned choices are boxes; all functions but `to_space` know these alone. Arrays are
batch-first, `(*batch, n, width)`, for n agents.

Throughout:
    spaces: of ONE agent of the group, by component, as `flat_spaces` gives them, but where a function says otherwise.
    flat_action: `(*batch, n, width)`.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.spaces import Box, Discrete, Space
from jaxvec.learners.blocks import heads

CHOICES = ("one_hot", "bins")
FORBIDDEN = -1e9  # the logit of a choice that is not allowed
Spaces = Mapping[str, Space]


def flat_spaces(spaces: Spaces, choices: str) -> dict[str, Space]:
    """The spaces that networks act in.

    Args:
        spaces: of the environment, by component, of ONE agent.
        choices: "one_hot", or "bins": discrete components as boxes of the same shape.
    Raises:
        ValueError: another word.
    """
    if choices not in CHOICES:
        raise ValueError(f"choices must be one of {', '.join(CHOICES)}, not {choices!r}")
    return {
        name: Box(-1.0, 1.0, space.shape) if isinstance(space, Discrete) and choices == "bins" else space
        for name, space in spaces.items()
    }


def width(spaces: Spaces) -> int:
    """Entries of an agent's flat action."""
    return sum(_width(space) for space in spaces.values())


def _width(space: Space) -> int:
    return space.size * (space.n if isinstance(space, Discrete) else 1)


def initial_bias(spaces: Spaces) -> tuple[float, ...]:
    """Where an actor's outputs start, one for each entry of a flat action.

    Returns:
        `width` numbers: of boxes where they say that numbers start, in units where they are [-1, 1], and 0 for logits.
    """
    bias: list[float] = []
    for space in spaces.values():
        bias += [space.centred_start if isinstance(space, Box) else 0.0] * _width(space)
    return tuple(bias)


def without_starts(spaces: Spaces) -> dict[str, Space]:
    """The same spaces, in which learners begin in the middle: what is added to a prior begins at nothing."""
    return {name: replace(x, start=None) if isinstance(x, Box) else x for name, x in spaces.items()}


def before_tanh(spaces: Spaces) -> dict[str, Space]:
    """Spaces in which learners begin where tanh of their outputs is where these say; no further out than 0.9."""

    def moved(box: Box) -> Box:
        start = math.atanh(max(-0.9, min(0.9, box.centred_start)))
        return replace(box, start=box.low + (start + 1) * (box.high - box.low) / 2)

    return {name: moved(x) if isinstance(x, Box) and x.start is not None else x for name, x in spaces.items()}


def split(spaces: Spaces, flat_action: Array) -> dict[str, Array]:
    """A flat action by component.

    Returns:
        `(*batch, n, *shape)`, and another axis of choices where discrete.
    """
    result, start = {}, 0
    for name, space in spaces.items():
        shape = (*space.shape, *((space.n,) if isinstance(space, Discrete) else ()))
        end = start + _width(space)
        result[name] = flat_action[..., start:end].reshape(*flat_action.shape[:-1], *shape)
        start = end
    return result


def join(spaces: Spaces, components: Mapping[str, Array]) -> Array:
    """The inverse of `split`.

    Args:
        components: `(*batch, n, *shape)`, and another axis of choices where discrete.
    Returns:
        `(*batch, n, width)`.
    """
    vectors = []
    for name, space in spaces.items():
        x, axes = components[name], len(space.shape) + isinstance(space, Discrete)
        vectors.append(x.reshape(*x.shape[: x.ndim - axes], -1))
    return jnp.concatenate(vectors, -1)


def uniforms(key: Array, spaces: Spaces, n: int, names: tuple[str, ...] = ("u",)) -> dict[str, Array]:
    """Uniform numbers on (0, 1), one for each entry of the agents' flat actions.

    Args:
        key: typed keys `(*batch)`; a world's numbers depend on its own key alone.
        spaces: of `flat_spaces`.
        n: agents.
        names: of independent sets of such numbers.
    Returns:
        Per name, `(*batch, n, width)`.
    """
    shape = (n, width(spaces))
    return batch_first(rng.uniforms(key, dict.fromkeys(names, shape)), key.ndim)


def single_choice(spaces: Spaces) -> str:
    """The name of the discrete component of a group whose agents have exactly one such choice; "" elsewhere."""
    names = [name for name, space in spaces.items() if isinstance(space, Discrete)]
    return names[0] if len(names) == 1 and spaces[names[0]].size == 1 else ""


def whole_choice(spaces: Spaces) -> int:
    """How many choices a group's agents have whose whole action is a single one; 0 elsewhere."""
    space = spaces.get(single_choice(spaces))
    return space.n if isinstance(space, Discrete) and len(spaces) == 1 else 0


def with_choice(spaces: Spaces, flat_action: Array, choice: Array) -> Array:
    """Flat actions with another single choice.

    Args:
        choice: one-hot `(k,)`, the same for all agents.
    Returns:
        `(*batch, n, width)`.
    """
    components, name = split(spaces, flat_action), single_choice(spaces)
    shape = components[name].shape
    return join(spaces, components | {name: jnp.broadcast_to(choice, (*shape[:-1], *choice.shape)).reshape(shape)})


def hard(logits: Array) -> Array:
    """The best choice as a one-hot vector, with the gradient of the softmax (straight through; Bengio et al. 2013).

    Args:
        logits: `(..., k)`.
    Returns:
        `(..., k)`.
    """
    soft = jax.nn.softmax(logits)
    best = jax.nn.one_hot(jnp.argmax(logits, -1), logits.shape[-1], dtype=logits.dtype)
    return best + soft - jax.lax.stop_gradient(soft)


@jax.custom_vjp
def clipped(x: Array) -> Array:
    """Numbers cut at -1 and 1, with a gradient that pulls back inside what lies beyond, and pushes nothing further out.

    A plain cut has no gradient beyond its ends, so that what is there would stay; tanh never gets to its ends. The gradient is
    taken to be that of a loss, which is descended.

    Args:
        x: of any shape.
    """
    return jnp.clip(x, -1, 1)


def _clipped_forward(x: Array) -> tuple[Array, Array]:
    return clipped(x), x


def _clipped_backward(x: Array, grad: Array) -> tuple[Array]:
    outwards = ((x >= 1) & (grad < 0)) | ((x <= -1) & (grad > 0))
    return (jnp.where(outwards, 0, grad),)


clipped.defvjp(_clipped_forward, _clipped_backward)


def masked(logits: Array, mask: Array | None) -> Array:
    """Logits, out of the question where a choice is not allowed.

    Args:
        logits: `(..., k)`.
        mask: bool `(..., k)`, what is allowed; None allows everything.
    Returns:
        `(..., k)`.
    """
    return logits if mask is None else jnp.where(mask, logits, FORBIDDEN)


def uniform(spaces: Spaces, u: Array, mask: Mapping[str, Array]) -> Array:
    """Uniform flat actions, over what is allowed.

    Args:
        spaces: of `flat_spaces`.
        u: uniform numbers `(*batch, n, width)`, see `uniforms`.
        mask: per discrete component, bool `(*batch, n, *shape, k)`; missing where everything is allowed.
    Returns:
        `(*batch, n, width)`.
    """
    components = {
        name: hard(masked(x, mask.get(name))) if isinstance(spaces[name], Discrete) else 2 * x - 1
        for name, x in split(spaces, u).items()
    }
    return join(spaces, components)


def to_space(spaces: Spaces, choices: str, flat_action: Array, mask: Mapping[str, Array], rank: int) -> dict[str, Any]:
    """Flat actions to the environment's: out of the order of networks, into that of environments.

    Args:
        spaces: of the environment.
        choices: "one_hot" or "bins".
        flat_action: `(*batch, n, width)`.
        mask: of the environment's observation, batch-last `(n, *shape, k, *batch)`; bins are cut among what is allowed.
        rank: batch axes.
    Returns:
        By component, batch-last: `(n, *shape, *batch)`, in the bounds of the spaces.
    """
    raw = {}
    for name, x in split(flat_spaces(spaces, choices), flat_action).items():
        space, x = spaces[name], batch_last(x, rank)
        if isinstance(space, Box):
            raw[name] = x
        elif choices == "bins":
            raw[name] = space.from_uniform((jnp.clip(x, -1, 1) + 1) / 2, mask.get(name))
        else:
            raw[name] = jnp.argmax(x, 1 + len(space.shape)).astype(jnp.int32)
    return heads.to_space(spaces, raw)
