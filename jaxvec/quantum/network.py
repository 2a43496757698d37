"""Circuits as networks, that is pairs `(init, apply)`, and the quantum policy network of the URLLC paper as one of them."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.initialisers import orthogonal
from jaxvec.quantum.circuit import Circuit, layered
from jaxvec.quantum.measure import paulis, probabilities, strings
from jaxvec.quantum.simulate import evaluate

SPREAD = (
    0.1  # standard deviation [rad] of the first angles: a circuit close to its entanglers starts off no barren plateau
)


class Network(NamedTuple):
    """`init(key, x) -> params` and `apply(params, x) -> y`; x is `(..., inputs)` and y `(..., outputs)`."""

    init: Callable[[Array, Array], Any]
    apply: Callable[[Any, Array], Array]


def network(circuit: Circuit, observables: Sequence[str] | None = None) -> Network:
    """A circuit as a network.

    Its parameters are `theta`, from N(0, 0.1^2), and `scale`, from 1 on.

    Args:
        observables: Pauli strings, one output each; without them, the probabilities of the basis states.
    """
    readout = probabilities if observables is None else paulis(observables)

    def init(key: Array, x: Array) -> dict[str, Array]:
        theta = SPREAD * jax.random.normal(key, (circuit.n_theta,), x.dtype)
        return {"theta": theta, "scale": jnp.ones(circuit.n_scale, x.dtype)}

    return Network(init, jax.jit(lambda params, x: evaluate(circuit, params, x, readout)))


def qpn(
    outputs: int,
    *,
    n_qubits: int = 6,
    n_layers: int = 4,
    encoding: str = "angle",
    readout: str = "expval",
    hidden: int = 32,
    classical: bool = False,
    bias: Sequence[float] = (),
) -> Network:
    """The quantum policy network: a dense net before the circuit, the circuit, and one linear map after it.

    The paper leaves the circuit open. Here each of its layers is RX, RY, RZ on every qubit and a ring of CNOTs. As angles, inputs
    enter by RY in every layer, times a scale each, from a start in H on every qubit.

    Args:
        outputs: of the linear map.
        n_qubits: n.
        n_layers: L.
        encoding: "angle", `pi tanh(W2 tanh(W1 x + b1) + b2)` of widths hidden and n; or "amplitude", (75)-(76) with affine
            basis functions, `W x + b` of width 2^n.
        readout: "expval", the <Z_q>, <Z_q Z_q+1> around the ring and <X_q>; or "probs", (85) times 2^n.
        hidden: width of the net before angles.
        classical: a dense layer and tanh in place of the circuit, with about as many parameters, which isolates what it does.
        bias: initial bias of the outputs, 0 by default.
    Raises:
        ValueError: for an encoding or a readout that is not known.
    """
    if encoding not in ("angle", "amplitude"):
        raise ValueError(f"unknown encoding {encoding!r}. Known: angle, amplitude")
    if readout not in ("expval", "probs"):
        raise ValueError(f"unknown readout {readout!r}. Known: expval, probs")
    angles = encoding == "angle"
    circuit = layered(n_qubits, n_layers, encoding="reupload" if angles else "amplitude", scaled=angles, plus=angles)
    observables = [word for short in ("Z", "ZZ", "X") for word in strings(n_qubits, short)]
    entering = n_qubits if angles else 2**n_qubits
    values, gain = (len(observables), 1.0) if readout == "expval" else (2**n_qubits, 2.0**n_qubits)
    inner = network(circuit, observables if readout == "expval" else None)
    if classical:
        inner, gain = _tanh_layer(values), 1.0

    def init(key: Array, x: Array) -> dict[str, Any]:
        keys = jax.random.split(key, 4)
        if angles:
            before = [
                _dense(keys[0], x.shape[-1], hidden, math.sqrt(2), x.dtype),
                _dense(keys[1], hidden, n_qubits, 1.0, x.dtype),
            ]
        else:
            before = [_dense(keys[0], x.shape[-1], 2**n_qubits, math.sqrt(2), x.dtype, bias=1.0)]
        after = _dense(keys[2], values, outputs, 0.01, x.dtype)
        after["bias"] = jnp.asarray(bias, x.dtype) if bias else after["bias"]
        return {"before": before, "circuit": inner.init(keys[3], jnp.zeros(entering, x.dtype)), "after": after}

    def apply(params: dict[str, Any], x: Array) -> Array:
        for layer in params["before"]:
            x = _affine(layer, x)
            x = jnp.tanh(x) if angles else x
        return _affine(params["after"], gain * inner.apply(params["circuit"], math.pi * x if angles else x))

    return Network(init, apply)


def _tanh_layer(outputs: int) -> Network:
    init = lambda key, x: _dense(key, x.shape[-1], outputs, 1.0, x.dtype)  # noqa: E731
    return Network(init, lambda params, x: jnp.tanh(_affine(params, x)))


def _dense(key: Array, inputs: int, outputs: int, gain: float, dtype: Any, bias: float = 0.0) -> dict[str, Array]:
    weight = orthogonal(gain)(key, (inputs, outputs), dtype)
    return {"weight": weight, "bias": jnp.full(outputs, bias, dtype)}


def _affine(layer: dict[str, Array], x: Array) -> Array:
    return x @ layer["weight"] + layer["bias"]
