"""Networks as pairs of functions, so that a recurrent net or a quantum circuit stands where an MLP stood.

A network maps `(..., d)` to `(..., out)`, batch axes first. One with memory carries it between slots.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core.initialisers import orthogonal

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": nn.tanh, "relu": nn.relu, "silu": nn.silu}


class Network(NamedTuple):
    """`init(key, x) -> params`, `apply(params, memory, x) -> y, memory`, and `memory(batch)` at the start of an episode.

    x may be a tuple of parts, arrays or `Others`, whose batch axes broadcast: the first layer is then the sum of a layer for
    each, so that what many inputs have in common is multiplied once. A network that knows arrays only takes `Others.array()`.
    `rows(params, who)` are the parameters for some of the agents, which are all there are where agents share them. If `pools`, x
    is what an agent shows, and a `Crowd`.
    """

    init: Callable[[Array, Any], Any]
    apply: Callable[[Any, Any, Any], tuple[Array, Any]]
    memory: Callable[[tuple[int, ...]], Any] = lambda batch: ()
    rows: Callable[[Any, Array], Any] = lambda params, who: params
    pools: bool = False


class Others(struct.PyTreeNode):
    """An input that all agents have in common, but that each sees without the entries that are its own.

    Attributes:
        context: `(*batch, c)`, for all agents.
        who: which of them see it, 0 to n - 1: `(n,)` all, or `()` a single one.
        start: where entries that belong to agents begin in `context`.
        width: how many each of them has.
    """

    context: Array
    who: Array
    start: int = struct.field(pytree_node=False)
    width: int = struct.field(pytree_node=False)

    def mine(self) -> Array:
        """Which entries are an agent's own, bool `(*who, c)`."""
        entry = jnp.arange(self.context.shape[-1]) - self.start
        return entry // self.width == self.who[..., None]

    def array(self) -> Array:
        """With zeros for the own entries, `(*batch, *who, c)`: for networks that know arrays only."""
        context = self.context[..., None, :] if self.who.ndim else self.context
        return jnp.where(self.mine(), 0, context)

    def times(self, kernel: Array) -> Array:
        """`array() @ kernel`, `(*batch, *who, h)`, without a product for each agent where all have the kernel in common."""
        if not self.who.ndim:
            return self.context @ jnp.where(self.mine()[:, None], 0, kernel)
        n, end = len(self.who), self.start + len(self.who) * self.width
        own = self.context[..., self.start : end].reshape(*self.context.shape[:-1], n, self.width)
        rows = kernel[self.start : end].reshape(n, self.width, -1)
        return (self.context @ kernel)[..., None, :] - jnp.einsum("...nw,nwh->...nh", own, rows)


class Crowd(struct.PyTreeNode):
    """What all agents show, of which each sees the mean over the others.

    Attributes:
        rows: per group `(*batch, n, d)`.
        own: the group of those who look.
    """

    rows: dict[str, Array]
    own: str = struct.field(pytree_node=False)


class _Kernel(nn.Module):
    """A dense layer without bias, of an array or of `Others`."""

    features: int

    @nn.compact
    def __call__(self, x: Any) -> Array:
        width = (x.context if isinstance(x, Others) else x).shape[-1]
        kernel = self.param("kernel", orthogonal(math.sqrt(2)), (width, self.features))
        return x.times(kernel) if isinstance(x, Others) else x @ kernel


class _Layers(nn.Module):
    """Dense layers with orthogonal weights, an activation between them, and optionally a GRU before the last."""

    hidden: Sequence[int]
    out: int
    activation: str
    out_gain: float
    bias: Sequence[float]
    gru: int = 0

    @nn.compact
    def __call__(self, memory: Any, x: Any) -> tuple[Array, Any]:
        dense = partial(nn.Dense, kernel_init=orthogonal(math.sqrt(2)))
        for width in self.hidden:
            first, *others = x if isinstance(x, tuple) else (x,)
            x = sum((_Kernel(width)(part) for part in others), dense(width)(first))
            x = ACTIVATIONS[self.activation](x)
        if self.gru:
            memory, x = nn.GRUCell(self.gru, recurrent_kernel_init=orthogonal(1.0))(memory, x)
        bias = jnp.asarray(self.bias) if self.bias else jnp.zeros(self.out)
        return nn.Dense(
            self.out,
            kernel_init=orthogonal(self.out_gain),
            bias_init=lambda key, shape, dtype=float: bias.astype(dtype),
        )(x), memory


def mlp(
    hidden: Sequence[int],
    out: int,
    *,
    activation: str = "tanh",
    out_gain: float = 1.0,
    bias: Sequence[float] = (),
    gru: int = 0,
) -> Network:
    """A multi-layer perceptron; with `gru` > 0, a GRU of that width before its last layer.

    Args:
        hidden: widths.
        out: outputs.
        activation: "tanh", "relu" or "silu".
        out_gain: gain of the last layer's orthogonal weights (small: starts near its bias).
        bias: initial bias of the outputs, 0 by default.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}. Known: {', '.join(ACTIVATIONS)}")
    layers = _Layers(tuple(hidden), out, activation, out_gain, tuple(bias), gru)
    memory = (lambda batch: jnp.zeros((*batch, gru))) if gru else (lambda batch: ())
    batch = lambda x: jax.tree.leaves(x)[0].shape[:-1]  # noqa: E731
    return Network(lambda key, x: layers.init(key, memory(batch(x)), x), layers.apply, memory)


class _Pooled(nn.Module):
    """Layers for an agent's own row and for each group's rows, means over the others, and layers of all that."""

    hidden: Sequence[int]
    out: int
    activation: str

    @nn.compact
    def __call__(self, memory: Any, x: tuple[Array, Crowd]) -> tuple[Array, Any]:
        own, crowd = x

        def made_of(rows: Array) -> Array:
            for width in self.hidden:
                rows = ACTIVATIONS[self.activation](nn.Dense(width, kernel_init=orthogonal(math.sqrt(2)))(rows))
            return rows

        parts = [made_of(own)]
        for group, rows in crowd.rows.items():
            each, n = made_of(rows), rows.shape[-2]
            total = jnp.sum(each, -2, keepdims=True)
            if group == crowd.own:
                total, n = total - each, n - 1
            parts.append(jnp.broadcast_to(total / max(n, 1), parts[0].shape))
        layers = _Layers(self.hidden, self.out, self.activation, 1.0, ())
        return layers(memory, jnp.concatenate(parts, -1))


def pooled(hidden: Sequence[int], out: int, *, activation: str = "relu") -> Network:
    """A critic of agents who are alike: layers make something of each row, and what an agent is worth is made of its own and of
    the mean over the others, so that their order does not matter (Zaheer et al. 2017, Liu et al. 2019).

    Args:
        hidden: widths, before the mean and again after it.
        out: outputs.
        activation: "tanh", "relu" or "silu".
    """
    net = _Pooled(tuple(hidden), out, activation)
    return Network(lambda key, x: net.init(key, (), x), net.apply, pools=True)


def per_agent(network: Network, n: int) -> Network:
    """n copies with parameters of their own, one for each entry of the axis before the last.

    Their axis is moved to the front once for the whole network: a batch of matrix products is faster where the batch comes first.

    Raises:
        ValueError: the network pools what agents show, and so belongs to all of them.
    """
    if network.pools:
        raise ValueError("a pooled critic needs shared parameters: share_parameters=True")
    common = lambda x: isinstance(x, Others)  # noqa: E731
    to_front = lambda x: jax.tree.map(lambda a: a if common(a) else jnp.moveaxis(a, -2, 0), x, is_leaf=common)  # noqa: E731
    axes = lambda x: jax.tree.map(lambda a: a.replace(context=None, who=0) if common(a) else 0, x, is_leaf=common)  # noqa: E731
    back = partial(jax.tree.map, lambda x: jnp.moveaxis(x, 0, -2))

    def init(key: Array, x: Any) -> Any:
        return jax.vmap(network.init, (0, axes(x)))(jax.random.split(key, n), to_front(x))

    def apply(params: Any, memory: Any, x: Any) -> tuple[Array, Any]:
        return back(jax.vmap(network.apply, (0, 0, axes(x)))(params, to_front(memory), to_front(x)))

    return Network(
        init=init,
        apply=apply,
        memory=network.memory,
        rows=_rows,
    )


def _rows(params: Any, who: Array) -> Any:
    if who.ndim > 1:
        raise ValueError("agents with parameters of their own must take their turns in the same order in all worlds")
    return jax.tree.map(lambda x: x[who], params)


def apply_sequence(network: Network, params: Any, memory: Any, x: Array, first: Array) -> Array:
    """Outputs along time.

    Args:
        memory: at the start.
        x: `(time, batch, ..., d)`.
        first: bool `(time, batch)`: a new episode begins here, and memory with it.
    Returns:
        `(time, batch, ..., out)`; without memory all at once.
    """
    if not jax.tree.leaves(memory):
        return network.apply(params, memory, x)[0]
    fresh = network.memory(x.shape[1:-1])

    def slot(memory, seen):
        x, first = seen
        memory = jax.tree.map(
            lambda new, old: jnp.where(first.reshape(first.shape + (1,) * (old.ndim - first.ndim)), new, old),
            fresh,
            memory,
        )
        y, memory = network.apply(params, memory, x)
        return memory, y

    return jax.lax.scan(slot, memory, (x, first))[1]
