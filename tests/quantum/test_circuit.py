"""Circuits as data: what is accepted, what equals what, how it is drawn, where the parameters of layers sit."""

import numpy as np
import pytest

from jaxvec.quantum import Angle, Circuit, Gate, layered
from jaxvec.quantum.plan import plan

BELL = Circuit(2, (Gate("H", 0), Gate("CNOT", (0, 1))))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Gate("RW", (0,), 1.0), "unknown gate 'RW'. Known: I, X"),
        (lambda: Gate("CNOT", (0,)), r"CNOT acts on 2 distinct qubit\(s\), got \(0,\)"),
        (lambda: Gate("SWAP", (1, 1)), r"2 distinct qubit\(s\), got \(1, 1\)"),
        (lambda: Gate("RX", (0,)), "RX takes an angle, got None"),
        (lambda: Gate("H", (0,), 0.1), "H takes no angle, got 0.1"),
        (lambda: Gate("U", (0,)), "'U' takes a matrix"),
        (lambda: Gate("X", (0,), matrix=np.eye(2)), "no other gate does"),
        (lambda: Gate("U", (0,), matrix=[[1, 1], [0, 1]]), "2 x 2 and unitary"),
        (lambda: Gate("U", (0,), matrix=np.eye(4)), "2 x 2 and unitary"),
        (lambda: Angle(theta=-1), "theta index -1"),
        (lambda: Circuit(0, ()), "n_qubits=0: accepted are 1 to 14"),
        (lambda: Circuit(15, ()), "n_qubits=15"),
        (lambda: Circuit(2, (Gate("H", 0), Gate("CZ", (1, 2)))), r"gate 1, CZ on \(1, 2\): accepted are qubits 0 to 1"),
        (lambda: Circuit(2, (Gate("H", -1),)), "qubits 0 to 1"),
        (lambda: layered(3, 0), "n_layers=0"),
        (lambda: layered(3, 1, encoding="dense"), "unknown encoding 'dense'. Known: amplitude, angle, none, reupload"),
        (lambda: layered(3, 1, entangler="star"), "unknown entangler 'star'. Known: chain, none, ring"),
        (lambda: layered(3, 1, rotations="XW"), "the axes are X, Y and Z"),
    ],
)
def test_what_does_not_fit_is_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()


def test_equal_circuits_are_one():
    again = Circuit(2, [Gate("H", 0), Gate("CNOT", [0, 1])])
    assert again == BELL
    assert hash(again) == hash(BELL)
    assert plan(again) is plan(BELL)
    assert Gate("U", 0, matrix=np.eye(2)) == Gate("U", (0,), matrix=[[1, 0], [0, 1]])
    assert Circuit(2, BELL.gates, amplitude=True) != BELL


def test_counts():
    # vehicle policy of the paper: 6 qubits, 4 layers: 4*6*3 angles, 4*6 scales
    circuit = layered(6, 4, scaled=True)
    assert (circuit.n_theta, circuit.n_scale, circuit.n_inputs) == (72, 24, 6)
    assert layered(6, 4, encoding="amplitude").n_inputs == 64
    some = Circuit(1, (Gate("RX", 0, Angle(input=2)),), amplitude=True)
    assert (some.n_theta, some.n_scale, some.n_inputs) == (0, 0, 2 + 3)


@pytest.mark.parametrize(
    ("n", "entangler", "pairs"),
    [
        (3, "ring", [(0, 1), (1, 2), (2, 0)]),
        (3, "chain", [(0, 1), (1, 2)]),
        (2, "ring", [(0, 1)]),  # a ring of two closes by no second CNOT
        (1, "ring", []),
        (3, "none", []),
    ],
)
def test_entanglers(n, entangler, pairs):
    gates = layered(n, 1, entangler=entangler).gates
    assert [gate.qubits for gate in gates if gate.name == "CNOT"] == pairs


def test_drawing():
    gates = (
        Gate("H", 0),
        Gate("RX", 1, Angle(scale=0, input=1)),
        Gate("CNOT", (2, 0)),
        Gate("U", 1, matrix=np.eye(2)),
        Gate("CRZ", (0, 1), Angle(0.5, theta=3)),
        Gate("SWAP", (1, 2)),
        Gate("RZ", 2, 0.25),
    )
    assert Circuit(3, gates).draw().splitlines() == [
        "q0: |0> -----H------X---------@-------------------",
        "                    |         |",
        "q1: |0> -RX(s0*x1)--|--U--RZ(0.5*t3)--x-----------",
        "                    |                 |",
        "q2: |0> ------------@-----------------x--RZ(0.25)-",
    ]
