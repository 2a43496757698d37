"""A group's actions as flat vectors: what a critic sees of them, and what gradients flow through.

Per agent, each box contributes its entries scaled to [-1, 1], each discrete choice a one-hot vector (`choices="one_hot"`) or one
number in [-1, 1] that is cut into equal bins (`choices="bins"`, as published for deterministic actors). Networks and
distributions see `inner_spaces`, where binned choices are boxes. Arrays are batch-first, `(*batch, n, width)`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import batch_last
from jaxvec.core.spaces import Box, Discrete, Space
from jaxvec.learners.blocks import heads

CHOICES = ("one_hot", "bins")
Spaces = Mapping[str, Space]


def inner_spaces(spaces: Spaces, choices: str) -> dict[str, Space]:
    """The spaces that networks act in."""
    binned = lambda space: isinstance(space, Discrete) and choices == "bins"  # noqa: E731
    return {name: Box(-1.0, 1.0, space.shape) if binned(space) else space for name, space in spaces.items()}


def width(inner: Spaces) -> int:
    """Entries of an agent's flat action."""
    return sum(space.size * (space.n if isinstance(space, Discrete) else 1) for space in inner.values())


def split(inner: Spaces, x: Array) -> dict[str, Array]:
    """A vector `(*batch, n, width)` by component: `(*batch, n, *shape)`, and another axis of choices where discrete."""
    result, start = {}, 0
    for name, space in inner.items():
        shape = (*space.shape, *((space.n,) if isinstance(space, Discrete) else ()))
        end = start + space.size * (space.n if isinstance(space, Discrete) else 1)
        result[name] = x[..., start:end].reshape(*x.shape[:-1], *shape)
        start = end
    return result


def join(inner: Spaces, parts: Mapping[str, Array]) -> Array:
    """The inverse of `split`."""
    flat = []
    for name, space in inner.items():
        own = len(space.shape) + isinstance(space, Discrete)
        x = parts[name]
        flat.append(x.reshape(*x.shape[: x.ndim - own], -1))
    return jnp.concatenate(flat, -1)


def single_choice(inner: Spaces) -> str:
    """The name of the discrete component of a group whose agents have exactly one such choice; "" elsewhere."""
    names = [name for name, space in inner.items() if isinstance(space, Discrete)]
    return names[0] if len(names) == 1 and inner[names[0]].size == 1 else ""


def whole_choice(inner: Spaces) -> int:
    """How many choices a group's agents have whose whole action is a single one; 0 elsewhere."""
    name = single_choice(inner)
    return inner[name].n if name and len(inner) == 1 else 0  # type: ignore[union-attr]


def with_choice(inner: Spaces, x: Array, choice: Array) -> Array:
    """Flat actions with another single choice, one-hot `(k,)`."""
    parts, name = split(inner, x), single_choice(inner)
    shape = parts[name].shape
    return join(inner, parts | {name: jnp.broadcast_to(choice, (*shape[:-1], *choice.shape)).reshape(shape)})


def hard(logits: Array) -> Array:
    """The best choice as a one-hot vector, with the gradient of the softmax (straight through; Bengio et al. 2013)."""
    soft = jax.nn.softmax(logits)
    best = jax.nn.one_hot(jnp.argmax(logits, -1), logits.shape[-1], dtype=logits.dtype)
    return best + soft - jax.lax.stop_gradient(soft)


def masked(logits: Array, mask: Array | None) -> Array:
    """Logits with what is not allowed out of the question."""
    return logits if mask is None else jnp.where(mask, logits, -1e9)


def uniform(inner: Spaces, u: Array, mask: Mapping[str, Array]) -> Array:
    """Uniform flat actions, over what is allowed, from uniform numbers `(*batch, n, width)`; `mask` is batch-first."""
    parts = {
        name: hard(masked(x, mask.get(name))) if isinstance(inner[name], Discrete) else 2 * x - 1
        for name, x in split(inner, u).items()
    }
    return join(inner, parts)


def to_space(spaces: Spaces, inner: Spaces, flat: Array, mask: Mapping[str, Array], rank: int) -> dict[str, Any]:
    """Flat actions to the environment's, batch-last: `(n, *shape, *batch)`.

    Args:
        flat: `(*batch, n, width)`.
        mask: of the observation, batch-last; bins are cut among what is allowed.
        rank: batch axes.
    """
    raw = {}
    for name, x in split(inner, flat).items():
        space, x = spaces[name], batch_last(x, rank)
        if isinstance(space, Box):
            raw[name] = x
        elif isinstance(inner[name], Box):
            raw[name] = space.from_uniform((jnp.clip(x, -1, 1) + 1) / 2, mask.get(name))
        else:
            raw[name] = jnp.argmax(x, 1 + len(space.shape)).astype(jnp.int32)
    return heads.to_space(spaces, raw)
