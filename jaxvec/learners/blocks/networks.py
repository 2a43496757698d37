"""Networks as pairs of functions, so that a recurrent net or a quantum circuit stands where an MLP stood.

A network maps `(..., d)` to `(..., out)`, batch axes first. One with memory carries it between slots. Learners take networks of
one's own as builders, `build(outputs, bias=()) -> Network`, or as bare Flax modules, see `as_builder`.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.initialisers import orthogonal
from jaxvec.learners.blocks.inputs import AgentSet, OtherAgents, as_array

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": nn.tanh, "relu": nn.relu, "silu": nn.silu}


def _no_memory(batch: tuple[int, ...]) -> Any:
    return ()


def _all_rows(params: Any, who: Array) -> Any:
    return params


class Network(NamedTuple):
    """A pair of functions, `init` and `apply`, and what a policy with memory or agents with parameters of their own need besides.

    Attributes:
        init: `init(key, x) -> params`.
        apply: `apply(params, memory, x) -> y, memory`. x is `(*batch, d)` and y `(*batch, outputs)`. x may be a tuple of parts,
            arrays or `OtherAgents`, whose batch axes broadcast: the first layer is then the sum of a layer for each, so that what
            many inputs have in common is multiplied once. A network that knows arrays only takes `as_array(x)`.
        memory: `memory(batch)`, at the start of an episode: a pytree of `(*batch, ...)`, empty for a network without.
        rows: `rows(params, who)`, the parameters of some of the agents, which are all there are where agents share them.
        pools: x is what an agent shows, and an `AgentSet`.
    """

    init: Callable[[Array, Any], Any]
    apply: Callable[[Any, Any, Any], tuple[Array, Any]]
    memory: Callable[[tuple[int, ...]], Any] = _no_memory
    rows: Callable[[Any, Array], Any] = _all_rows
    pools: bool = False


Builder = Callable[..., Network]
"""`build(outputs: int, bias: Sequence[float] = ()) -> Network`: so many outputs, which start near that bias, 0 by default."""
NetworkLike = Builder | nn.Module
"""A network of one's own, as learners take it; see `as_builder`."""


class _Kernel(nn.Module):
    """A dense layer without bias, of an array or of `OtherAgents`."""

    features: int

    @nn.compact
    def __call__(self, x: Any) -> Array:
        width = (x.context if isinstance(x, OtherAgents) else x).shape[-1]
        kernel = self.param("kernel", orthogonal(math.sqrt(2)), (width, self.features))
        return x.matmul(kernel) if isinstance(x, OtherAgents) else x @ kernel


def _last_layer(outputs: int, gain: float, bias: Sequence[float]) -> nn.Dense:
    """A dense layer with orthogonal weights times a gain, and a given bias to start from; 0 if it is empty."""
    start = jnp.asarray(bias) if bias else jnp.zeros(outputs)

    def bias_init(key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
        return start.astype(dtype)

    return nn.Dense(outputs, kernel_init=orthogonal(gain), bias_init=bias_init)


class _Layers(nn.Module):
    """Dense layers with orthogonal weights, an activation between them, and optionally a GRU before the last."""

    hidden: Sequence[int]
    outputs: int
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
        x = as_array(x) if isinstance(x, tuple) else x  # where there is no layer before the last
        if self.gru:
            memory, x = nn.GRUCell(self.gru, recurrent_kernel_init=orthogonal(1.0))(memory, x)
        return _last_layer(self.outputs, self.out_gain, self.bias)(x), memory


def mlp(
    hidden: Sequence[int],
    outputs: int,
    *,
    activation: str = "tanh",
    out_gain: float = 1.0,
    bias: Sequence[float] = (),
    gru: int = 0,
) -> Network:
    """A multi-layer perceptron; with `gru` > 0, a GRU of that width before its last layer.

    Args:
        hidden: widths of the layers before the last, which may be none.
        outputs: of the last layer, which has no activation.
        activation: "tanh", "relu" or "silu".
        out_gain: gain of the last layer's orthogonal weights (small: starts near its bias).
        bias: initial bias of the outputs, 0 by default.
        gru: width of the memory, 0 for none.
    Raises:
        ValueError: an unknown activation, or a width that is no whole number of at least 1.
    """
    check_layers(hidden, activation)
    layers = _Layers(tuple(hidden), outputs, activation, out_gain, tuple(bias), gru)

    def memory(batch: tuple[int, ...]) -> Any:
        return jnp.zeros((*batch, gru)) if gru else ()

    def init(key: Array, x: Any) -> Any:
        return layers.init(key, memory(jax.tree.leaves(x)[0].shape[:-1]), x)

    return Network(init, layers.apply, memory)


def check_layers(hidden: Any, activation: str) -> None:
    """Refuse layers that cannot be made.

    Args:
        hidden: widths.
        activation: a name.
    Raises:
        ValueError: an unknown activation, or a width that is no whole number of at least 1.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}. Known: {', '.join(ACTIVATIONS)}")
    widths = hidden if isinstance(hidden, tuple | list) else (None,)
    if not all(isinstance(width, int) and not isinstance(width, bool) and width >= 1 for width in widths):
        raise ValueError(f"widths of layers are whole numbers of at least 1, as (128, 128), not {hidden!r}")


class _Pooled(nn.Module):
    """Layers for an agent's own row and for each group's rows, means over the others, and layers of all that."""

    hidden: Sequence[int]
    outputs: int
    activation: str
    out_gain: float
    bias: Sequence[float]

    @nn.compact
    def __call__(self, memory: Any, x: tuple[Array, AgentSet]) -> tuple[Array, Any]:
        own_row, agents = x

        def encode(rows: Array) -> Array:
            for width in self.hidden:
                rows = ACTIVATIONS[self.activation](nn.Dense(width, kernel_init=orthogonal(math.sqrt(2)))(rows))
            return rows

        encoded = as_array((encode(own_row), *agents.means(encode)))
        return _Layers(self.hidden, self.outputs, self.activation, self.out_gain, self.bias)(memory, encoded)


def pooled(
    hidden: Sequence[int],
    outputs: int,
    *,
    activation: str = "relu",
    out_gain: float = 1.0,
    bias: Sequence[float] = (),
) -> Network:
    """A critic or an actor of agents who are alike: layers encode each row, and what is said of an agent follows from its own
    code and the mean of the others', so that their order does not matter (Zaheer et al. 2017; in a critic, Liu et al. 2019).

    Args:
        hidden: widths, before the mean and again after it.
        outputs: of the last layer.
        activation: "tanh", "relu" or "silu".
        out_gain: gain of the last layer's orthogonal weights.
        bias: initial bias of the outputs, 0 by default.
    Returns:
        A network of `(row, AgentSet)`.
    Raises:
        ValueError: an unknown activation, or a width that is no whole number of at least 1.
    """
    check_layers(hidden, activation)
    net = _Pooled(tuple(hidden), outputs, activation, out_gain, tuple(bias))
    return Network(lambda key, x: net.init(key, (), x), net.apply, pools=True)


class _WithLastLayer(nn.Module):
    """A module of one's own, from an array to features, and a last dense layer."""

    features: nn.Module
    outputs: int
    out_gain: float
    bias: Sequence[float]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = self.features(x)
        if not isinstance(y, Array) or y.shape[:-1] != x.shape[:-1]:
            shapes = jax.tree.map(jnp.shape, y)
            raise ValueError(
                f"a Flax module as a network maps (..., d) to features (..., h) with the same axes before the last; "
                f"{type(self.features).__name__} maps {x.shape} to {shapes}"
            )
        return _last_layer(self.outputs, self.out_gain, self.bias)(y)


def _of_module(module: nn.Module, out_gain: float, outputs: int, bias: Sequence[float] = ()) -> Network:
    """A network of a bare Flax module."""
    net = _WithLastLayer(module, outputs, out_gain, tuple(bias))

    def init(key: Array, x: Any) -> Any:
        variables = net.init(key, as_array(x))
        if more := sorted(set(variables) - {"params"}):
            raise ValueError(
                f"{type(module).__name__} keeps {', '.join(more)} beside its parameters, for which a learner has no place"
            )
        return variables

    def apply(params: Any, memory: Any, x: Any) -> tuple[Array, Any]:
        y: Any = net.apply(params, as_array(x))
        return y, memory

    return Network(init, apply)


def as_builder(network: Any, *, out_gain: float = 1.0) -> Builder:
    """A network of one's own in the form that learners take: `network=` and `critic=` of every learner.

    Args:
        network: a builder, `build(outputs, bias=()) -> Network`, as `functools.partial(mlp, (64, 64))` is one; or an instance of
            a Flax module from an input `(..., d)` to features `(..., h)`, behind which a last dense layer is put, and in front
            of which a critic's input of several parts becomes one array (`as_array`).
        out_gain: gain of that last layer's orthogonal weights.
    Returns:
        A builder whose networks were checked to be `Network`s.
    Raises:
        TypeError: it is neither; or, once it is called, it builds something else.
    """
    if isinstance(network, nn.Module):
        return partial(_of_module, network, out_gain)
    if isinstance(network, type) and issubclass(network, nn.Module):
        raise TypeError(f"a network must be an instance of a Flax module: {network.__name__}(...), not the class")
    form = "a builder `build(outputs, bias=()) -> Network` or an instance of a Flax module (flax.linen)"
    if not callable(network):
        raise TypeError(f"a network must be {form}, not {network!r}")
    try:
        inspect.signature(network).bind(1, bias=())
    except TypeError as error:
        raise TypeError(f"a network must be {form}; {network!r} cannot be called so: {error}") from None

    build_fn: Builder = network

    def build(outputs: int, bias: Sequence[float] = ()) -> Network:
        built = build_fn(outputs, bias=tuple(bias))
        if not isinstance(built, Network):
            raise TypeError(f"{network!r} must build a jaxvec.learners.blocks.networks.Network, not {built!r}")
        return built

    return build


def per_agent(network: Network, n: int) -> Network:
    """n copies with parameters of their own, one for each entry of the axis before the last.

    Their axis is moved to the front once for the whole network: a batch of matrix products is faster where the batch comes first.

    Args:
        network: of one agent.
        n: agents.
    Returns:
        A network whose parameters have a first axis of n, of inputs `(*batch, n, d)`; a part of the input that all agents have in
        common is `(*batch, 1, d)`, or `OtherAgents`.
    Raises:
        ValueError: the network pools what agents show, and so belongs to all of them.
    """
    if network.pools:
        raise ValueError("a pooled critic needs shared parameters: share_parameters=True")

    def agents_first(x: Any) -> tuple[Any, Any]:
        """Parts with the axis of agents at the front, and where `jax.vmap` finds it; the first part is the agents' own."""
        parts: tuple[Any, ...] = x if isinstance(x, tuple) else (x,)
        moved: list[Any] = []
        axes: list[Any] = []
        for part in parts:
            if isinstance(part, OtherAgents):
                moved.append(part)
                axes.append(part.replace(context=None, who=0))
            elif part.shape[-2] == 1 != parts[0].shape[-2]:
                moved.append(jnp.squeeze(part, -2))
                axes.append(None)
            else:
                moved.append(jnp.moveaxis(part, -2, 0))
                axes.append(0)
        return (tuple(moved), tuple(axes)) if isinstance(x, tuple) else (moved[0], axes[0])

    def init(key: Array, x: Any) -> Any:
        x, axes = agents_first(x)
        return jax.vmap(network.init, (0, axes))(jax.random.split(key, n), x)

    def apply(params: Any, memory: Any, x: Any) -> tuple[Array, Any]:
        x, axes = agents_first(x)
        memory = jax.tree.map(lambda h: jnp.moveaxis(h, -2, 0), memory)
        after = jax.vmap(network.apply, (0, 0, axes))(params, memory, x)
        return jax.tree.map(lambda y: jnp.moveaxis(y, 0, -2), after)

    return Network(init, apply, network.memory, _rows)


def _rows(params: Any, who: Array) -> Any:
    """The parameters of agents `(m,)`."""
    if who.ndim > 1:
        raise ValueError("agents with parameters of their own must take their turns in the same order in all worlds")
    return jax.tree.map(lambda x: x[who], params)


def apply_sequence(network: Network, params: Any, memory: Any, x: Array, first: Array) -> Array:
    """Outputs along time.

    Args:
        network: with or without memory.
        params: its parameters.
        memory: at the start, `(batch, ..., h)`.
        x: `(time, batch, ..., d)`.
        first: bool `(time, batch)`: a new episode begins here, and memory with it.
    Returns:
        `(time, batch, ..., outputs)`; without memory all at once.
    """
    if not jax.tree.leaves(memory):
        return network.apply(params, memory, x)[0]
    initial = network.memory(x.shape[1:-1])

    def slot(memory: Any, inputs: tuple[Array, Array]) -> tuple[Any, Array]:
        x, first = inputs

        def forget(initial: Array, now: Array) -> Array:
            return jnp.where(first.reshape(first.shape + (1,) * (now.ndim - first.ndim)), initial, now)

        y, memory = network.apply(params, jax.tree.map(forget, initial, memory), x)
        return memory, y

    return jax.lax.scan(slot, memory, (x, first))[1]
