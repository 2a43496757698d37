"""Circuits as networks, that is pairs `(init, apply)`, and the quantum policy network of the URLLC paper as one of them."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.errors import suggest
from jaxvec.core.initialisers import orthogonal
from jaxvec.quantum.circuit import Circuit, layered
from jaxvec.quantum.measure import paulis, probabilities, strings
from jaxvec.quantum.simulate import evaluate

SPREAD_RAD = 0.1  # deviation of the first angles: a circuit close to its entanglers starts off no barren plateau
QPN_ENCODINGS = ("reupload", "amplitude")  # of `jaxvec.quantum.circuit.ENCODINGS`
READOUTS = ("expval", "probs")


class Network(NamedTuple):
    """`init(key, x) -> params` and `apply(params, x) -> y`; x is `(..., inputs)` and y `(..., outputs)`."""

    init: Callable[[Array, Array], Any]
    apply: Callable[[Any, Array], Array]


def network(circuit: Circuit, observables: Sequence[str] | None = None) -> Network:
    """A circuit as a network, from inputs `(..., n_inputs)` to what is read of its state.

    Its parameters are `theta`, which starts from N(0, 0.1^2) [rad], and `scale`, which starts at 1.

    Args:
        circuit: the circuit.
        observables: Pauli strings, one output each; without them, the probabilities of the basis states.
    Raises:
        ValueError: for strings that are none, see `paulis`.
    """
    readout = probabilities if observables is None else paulis(observables)

    def init(key: Array, x: Array) -> dict[str, Array]:
        theta = SPREAD_RAD * jax.random.normal(key, (circuit.n_theta,), x.dtype)
        return {"theta": theta, "scale": jnp.ones(circuit.n_scale, x.dtype)}

    return Network(init, jax.jit(lambda params, x: evaluate(circuit, params, x, readout)))


def qpn(
    outputs: int,
    *,
    n_qubits: int = 6,
    n_layers: int = 4,
    encoding: str = "reupload",
    readout: str = "expval",
    hidden: int = 32,
    classical: bool = False,
    bias: Sequence[float] = (),
) -> Network:
    """The quantum policy network: a dense net before the circuit, the circuit, and one linear map after it.

    The paper leaves the circuit open. Here each of its layers is RX, RY, RZ on every qubit and a ring of CNOTs. Angles enter by
    RY in every layer, times a scale each, from a start in H on every qubit.

    Args:
        outputs: of the linear map.
        n_qubits: n.
        n_layers: L.
        encoding: how they enter, by two names of `jaxvec.quantum.circuit.ENCODINGS`: "reupload", the angles
            `pi tanh(W2 tanh(W1 x + b1) + b2)` of widths hidden and n; or "amplitude", affine basis functions `W x + b` of width
            2^n.
        readout: "expval", the <Z_q>, <Z_q Z_q+1> around the ring and <X_q>; or "probs", (85) times 2^n.
        hidden: width of the net before angles.
        classical: a dense layer and tanh in place of the circuit, with about as many parameters, which isolates what it does.
        bias: initial bias of the outputs, 0 by default.
    Raises:
        ValueError: for an encoding or a readout that is not known.
    """
    if encoding not in QPN_ENCODINGS:
        raise ValueError(suggest("encoding", encoding, QPN_ENCODINGS))
    if readout not in READOUTS:
        raise ValueError(suggest("readout", readout, READOUTS))
    angles, n_inputs = encoding == "reupload", n_qubits if encoding == "reupload" else 2**n_qubits
    inner, n_values, gain = _inner(n_qubits, n_layers, encoding, readout, classical)

    def init(key: Array, x: Array) -> dict[str, Any]:
        keys = jax.random.split(key, 4)
        if angles:
            before = [
                _dense(keys[0], x.shape[-1], hidden, math.sqrt(2), x.dtype),
                _dense(keys[1], hidden, n_inputs, 1.0, x.dtype),
            ]
        else:
            before = [_dense(keys[0], x.shape[-1], n_inputs, math.sqrt(2), x.dtype, bias=1.0)]
        after = _dense(keys[2], n_values, outputs, 0.01, x.dtype)
        after["bias"] = jnp.asarray(bias, x.dtype) if bias else after["bias"]
        return {"before": before, "circuit": inner.init(keys[3], jnp.zeros(n_inputs, x.dtype)), "after": after}

    def apply(params: dict[str, Any], x: Array) -> Array:
        for layer in params["before"]:
            x = _affine(layer, x)
            x = jnp.tanh(x) if angles else x
        return _affine(params["after"], gain * inner.apply(params["circuit"], math.pi * x if angles else x))

    return Network(init, apply)


def _inner(n_qubits: int, n_layers: int, encoding: str, readout: str, classical: bool) -> tuple[Network, int, float]:
    """The circuit of the policy network, or a dense layer and tanh; its outputs, and what they are multiplied with."""
    angles = encoding == "reupload"
    circuit = layered(n_qubits, n_layers, encoding=encoding, scaled=angles, plus=angles)
    observables = [string for word in ("Z", "ZZ", "X") for string in strings(n_qubits, word)]
    expectations = readout == "expval"
    outputs = len(observables) if expectations else 2**n_qubits
    if classical:
        return _tanh_layer(outputs), outputs, 1.0
    return network(circuit, observables if expectations else None), outputs, 1.0 if expectations else 2.0**n_qubits


def _tanh_layer(outputs: int) -> Network:
    def init(key: Array, x: Array) -> dict[str, Array]:
        return _dense(key, x.shape[-1], outputs, 1.0, x.dtype)

    return Network(init, lambda params, x: jnp.tanh(_affine(params, x)))


def _dense(key: Array, inputs: int, outputs: int, gain: float, dtype: Any, bias: float = 0.0) -> dict[str, Array]:
    weight = orthogonal(gain)(key, (inputs, outputs), dtype)
    return {"weight": weight, "bias": jnp.full(outputs, bias, dtype)}


def _affine(layer: dict[str, Array], x: Array) -> Array:
    return x @ layer["weight"] + layer["bias"]
