"""Quantum circuits as batched, differentiable networks in plain JAX.

A circuit is data (`circuit`, `gates`), brought into a form that computes fast (`segments`, `plan`), run on a batch of samples
(`simulate`), read (`measure`), and used as a network (`network`):

    circuit = layered(6, 4)                                        # inputs as angles in each of four layers
    init, apply = network(circuit, strings(6, "Z"))                # six inputs, six expectations
    params = init(key, x)
    y = apply(params, x)                                           # (..., 6) to (..., 6)

Where parameters stay the same for many calls, as in a rollout, `prepare` them once and `run`.
"""

from jaxvec.quantum.circuit import Circuit, layered
from jaxvec.quantum.gates import Angle, Gate
from jaxvec.quantum.measure import amplitudes, expectation, paulis, probabilities, sample, state, strings
from jaxvec.quantum.network import Network, network, qpn
from jaxvec.quantum.simulate import Prepared, evaluate, prepare, run

__all__ = [
    "Angle",
    "Circuit",
    "Gate",
    "Network",
    "Prepared",
    "amplitudes",
    "evaluate",
    "expectation",
    "layered",
    "network",
    "paulis",
    "prepare",
    "probabilities",
    "qpn",
    "run",
    "sample",
    "state",
    "strings",
]
