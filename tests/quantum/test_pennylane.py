"""The same circuits in PennyLane, where it is installed."""

import jax
import numpy as np
import pytest
from quantum.circuits import numbers
from reference import quantum as reference

from jaxvec.quantum import Angle, Circuit, Gate, expectation, layered, strings

GATES = (
    *(Gate("H", q) for q in range(4)),
    Gate("RX", 0, Angle(input=0)),
    Gate("CRY", (0, 2), Angle(theta=0)),
    Gate("SWAP", (1, 3)),
    Gate("T", 1),
    Gate("CRZ", (3, 0), Angle(2.0, theta=1, input=1)),
    Gate("CZ", (2, 3)),
    Gate("CRX", (1, 2), 0.4),
    Gate("S", 2),
    Gate("Y", 3),
    Gate("RZ", 3, Angle(scale=0, input=2)),
    Gate("U", 2, matrix=np.array([[0.6, 0.8j], [0.8j, 0.6]])),
    Gate("CNOT", (3, 1)),
)


@pytest.mark.parametrize("circuit", [Circuit(4, GATES), layered(4, 3, scaled=True, plus=True)], ids=["gates", "layers"])
def test_expectations_and_gradients(circuit):
    qml = pytest.importorskip("pennylane")
    words = (*strings(4, "Z"), "XXII", "IYZX")
    params, x = numbers(circuit, 0)
    names = {"H": "Hadamard", "X": "PauliX", "Y": "PauliY", "Z": "PauliZ", "U": "QubitUnitary"}

    def theirs(params, x):
        @qml.qnode(qml.device("default.qubit", wires=4), interface="jax")
        def node():
            for name, wires, value in reference.plain(circuit, params["theta"], params["scale"], x)[1]:
                gate = getattr(qml, names.get(name, name))
                if value is None:
                    gate(wires=wires)
                else:
                    gate(np.array(value) if name == "U" else value, wires=wires)
            return [qml.expval(qml.pauli.string_to_pauli_word(word)) for word in words]

        return jax.numpy.stack(node())

    def ours(params, x):
        return expectation(circuit, params, x, words)

    np.testing.assert_allclose(ours(params, x), theirs(params, x), atol=2e-6)
    gradient, expected = (jax.jit(jax.grad(lambda p, f=f: f(p, x) @ np.arange(6.0)))(params) for f in (ours, theirs))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), gradient, expected)
