"""Quantum circuits as actors, and their classical match."""

from collections.abc import Sequence
from typing import Any

import jax
from jax import Array

from jaxvec.learners.blocks.networks import Builder, Network
from jaxvec.quantum import qpn


def circuit_builder(*, n_qubits: int, n_layers: int, encoding: str, readout: str, classical: bool = False) -> Builder:
    """A builder of quantum policy networks, see `jaxvec.quantum.qpn`.

    Args:
        n_qubits, n_layers: of the circuit.
        encoding: how inputs enter.
        readout: what is measured.
        classical: a dense layer of about as many parameters in the circuit's place.
    """

    def build(outputs: int, bias: Sequence[float] = ()) -> Network:
        net = qpn(
            outputs,
            n_qubits=n_qubits,
            n_layers=n_layers,
            encoding=encoding,
            readout=readout,
            classical=classical,
            bias=bias,
        )

        def apply(params: Any, memory: Any, x: Array) -> tuple[Array, Any]:
            return net.apply(params, x), memory

        return Network(net.init, apply)

    return build


def scale_circuit_updates(updates: Any, rate: Array | float) -> Any:
    """Updates of parameters, those of circuits times a rate: angles need larger steps than weights.

    Args:
        updates: a tree like the parameters; what is under a key "circuit" belongs to one.
        rate: relative to all else [-].
    """

    def scaled(path: tuple[Any, ...], x: Array) -> Array:
        return rate * x if any(getattr(key, "key", "") == "circuit" for key in path) else x

    return jax.tree.map_with_path(scaled, updates)
