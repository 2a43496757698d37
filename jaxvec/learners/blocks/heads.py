"""From a network's outputs to a group's actions: one distribution per component of the action space.

The only place that meets distrax, and does without where it is not installed. Arrays are batch-first, `(*batch, n, ...)` with n
agents. A continuous component is a normal distribution in units where [-1, 1] is the space's box; the raw sample is kept for its
probability, and `to_space` clips it.

Throughout:
    spaces: of ONE agent of the group, by component.
    dists: per component, as `distributions` gives them.
    raw: actions as sampled, per component `(*batch, n, *shape)`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtri

from jaxvec.core import rng
from jaxvec.core.layout import batch_first
from jaxvec.core.spaces import Box, Discrete, Space
from jaxvec.learners.blocks.networks import Builder, Network

try:
    import distrax
except (ImportError, AttributeError):  # not installed, or it does not go with this release of JAX
    from jaxvec.learners.blocks import families as distrax

LOG_STD_RANGE = (-2.0, 0.5)
Spaces = Mapping[str, Space]
"""The action space of a group's agents, by component."""
Raw = dict[str, Array]
"""Actions as sampled, by component: choices, and numbers in units where [-1, 1] is the box, unclipped."""


def size(spaces: Spaces) -> int:
    """Outputs that a group's network needs per agent: mean and log standard deviation of each number, logits of each choice."""
    return sum(space.size * (space.n if isinstance(space, Discrete) else 2) for space in spaces.values())


def free_std(build: Builder, spaces: Spaces, log_std: float = -0.5) -> Network:
    """A network whose log standard deviations are parameters of their own, the same whatever it sees.

    Args:
        build: builder of the network of means and logits.
        spaces: of the group's action.
        log_std: to start from, in units where [-1, 1] is the box.
    """
    boxes = sum(space.size for space in spaces.values() if isinstance(space, Box))
    means = size(spaces) - boxes
    inner, start, free = build(means), 0, means
    order: list[int] = []  # of outputs, among means, logits and then the free log standard deviations
    for space in spaces.values():
        width = space.size * (space.n if isinstance(space, Discrete) else 1)
        order += range(start, start + width)
        start += width
        if isinstance(space, Box):
            order += range(free, free + width)
            free += width

    def init(key: Array, x: Any) -> dict[str, Any]:
        return {"network": inner.init(key, x), "log_std": jnp.full(boxes, log_std)}

    def apply(params: dict[str, Any], memory: Any, x: Any) -> tuple[Array, Any]:
        y, memory = inner.apply(params["network"], memory, x)
        log_stds = jnp.broadcast_to(params["log_std"], (*y.shape[:-1], boxes))
        return jnp.concatenate([y, log_stds], -1)[..., np.array(order)], memory

    return Network(init, apply, inner.memory)


def initial_bias(spaces: Spaces, log_std: float = -0.5) -> tuple[float, ...]:
    """Of a network's outputs, `size(spaces)` numbers: where boxes say that means start, `log_std` for log standard deviations,
    and 0 for logits.

    Args:
        spaces: of the group's action.
        log_std: in units where [-1, 1] is the box.
    """
    bias: list[float] = []
    for space in spaces.values():
        if isinstance(space, Discrete):
            bias += [0.0] * space.size * space.n
        else:
            bias += [space.centred_start] * space.size + [log_std] * space.size
    return tuple(bias)


def distributions(
    spaces: Spaces,
    outputs: Array,
    mask: Mapping[str, Array],
    log_std_range: tuple[float, float] = LOG_STD_RANGE,
    epsilon: Array | float | None = None,
) -> dict[str, Any]:
    """Distributions per component.

    Args:
        spaces: of the group's action.
        outputs: `(*batch, n, size(spaces))`.
        mask: per discrete component, bool `(*batch, n, *shape, k)`; missing where everything is allowed.
        log_std_range: log standard deviations are clipped to it.
        epsilon: the probability of a uniform choice among what is allowed, mixed into each discrete component; None for 0.
    Returns:
        By component a distrax distribution of batch shape `(*batch, n)`, or `(*batch, n, *shape)` of choices.
    """
    result, start = {}, 0
    for name, space in spaces.items():
        width = space.size * (space.n if isinstance(space, Discrete) else 2)
        part = outputs[..., start : start + width]
        start += width
        if isinstance(space, Discrete):
            logits = part.reshape(*part.shape[:-1], *space.shape, space.n)
            logits, uniform = (jnp.where(mask.get(name, True), x, -1e9) for x in (logits, jnp.zeros_like(logits)))
            if epsilon is not None:
                chosen = jnp.log1p(-epsilon) + jax.nn.log_softmax(logits)
                logits = jnp.logaddexp(chosen, jnp.log(epsilon) + jax.nn.log_softmax(uniform))
            result[name] = distrax.Categorical(logits=logits)
        else:
            mean, log_std = (x.reshape(*x.shape[:-1], *space.shape) for x in jnp.split(part, 2, -1))
            std = jnp.exp(jnp.clip(log_std, *log_std_range))
            result[name] = distrax.Independent(distrax.Normal(mean, std), len(space.shape))
    return result


def sample(key: Array, spaces: Spaces, dists: Mapping[str, Any], n: int) -> Raw:
    """A raw action of each agent.

    Args:
        key: of the batch's shape; each world's action depends on its own key alone.
        spaces: of the group's action.
        dists: per component.
        n: agents.
    Returns:
        Per component `(*batch, n, *shape)`.
    """
    shapes = {
        name: (n, *space.shape, *((space.n,) if isinstance(space, Discrete) else ())) for name, space in spaces.items()
    }
    raw = {}
    for name, u in rng.uniforms(key, shapes).items():
        u = batch_first(u, key.ndim)
        if isinstance(spaces[name], Discrete):
            gumbel = -jnp.log(-jnp.log(u))
            raw[name] = jnp.argmax(dists[name].logits + gumbel, -1).astype(jnp.int32)
        else:
            normal = dists[name].distribution
            raw[name] = normal.loc + normal.scale * ndtri(u)
    return raw


def mode(spaces: Spaces, dists: Mapping[str, Any]) -> Raw:
    """The most probable raw action.

    Returns:
        Per component `(*batch, n, *shape)`.
    """
    return {
        name: dists[name].mode().astype(jnp.int32) if isinstance(space, Discrete) else dists[name].distribution.loc
        for name, space in spaces.items()
    }


def log_prob(spaces: Spaces, dists: Mapping[str, Any], raw: Raw) -> Array:
    """Log-probabilities of raw actions, summed over components and their entries.

    Returns:
        `(*batch, n)` [nat]; of numbers, densities in units where [-1, 1] is the box.
    """
    return _sum_components(spaces, {name: dists[name].log_prob(raw[name]) for name in spaces})


def entropy(spaces: Spaces, dists: Mapping[str, Any]) -> Array:
    """Entropies, summed over components and their entries.

    Returns:
        `(*batch, n)` [nat]; of numbers, in units where [-1, 1] is the box.
    """
    return _sum_components(spaces, {name: dists[name].entropy() for name in spaces})


def to_space(spaces: Spaces, raw: Raw) -> Raw:
    """Raw actions to the environment's bounds, per component and of the same shapes; numbers beyond [-1, 1] are clipped."""
    action = {}
    for name, space in spaces.items():
        if isinstance(space, Box):
            action[name] = space.low + (jnp.clip(raw[name], -1, 1) + 1) * ((space.high - space.low) / 2)
        else:
            action[name] = raw[name]
    return action


def _sum_components(spaces: Spaces, parts: Mapping[str, Array]) -> Array:
    """`(*batch, n)`; distributions of numbers have summed over their entries already."""

    def of_agent(name: str, space: Space) -> Array:
        several = isinstance(space, Discrete) and space.shape
        return jnp.sum(parts[name], tuple(range(-len(space.shape), 0))) if several else parts[name]

    return sum((of_agent(name, space) for name, space in spaces.items()), start=jnp.zeros(()))
