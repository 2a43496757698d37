"""Circuits and numbers that several tests of jaxvec.quantum share."""

import jax
import numpy as np
from hypothesis import strategies as st

from jaxvec.quantum import Angle, Circuit, Gate
from jaxvec.quantum.gates import CONSTANTS, CONTROLLED, ROTATIONS

N_THETA, N_SCALE, N_INPUTS = 5, 3, 4
TWO = ("CNOT", "CZ", "SWAP", *CONTROLLED)
ONE = (*(name for name in CONSTANTS if name not in TWO), "U", *ROTATIONS)


def unitary(numbers):
    """A one-qubit unitary from three angles, its global phase included."""
    a, b, c = numbers
    return np.exp(1j * c) * np.array(
        [[np.cos(a), -np.exp(-1j * b) * np.sin(a)], [np.exp(1j * b) * np.sin(a), np.cos(a)]]
    )


@st.composite
def angles(draw):
    """Anything an angle can be."""

    def index(n):
        return draw(st.none() | st.integers(0, n - 1))

    factor = draw(st.sampled_from([1.0, -0.5, 0.3]))
    return Angle(factor, index(N_THETA), index(N_SCALE), index(N_INPUTS))


@st.composite
def gates(draw, n):
    """Any gate on n qubits."""
    name = draw(st.sampled_from(ONE + TWO if n > 1 else ONE))
    qubits = tuple(draw(st.permutations(range(n)))[: 2 if name in TWO else 1])
    angle = draw(angles()) if name in ROTATIONS or name in CONTROLLED else None
    matrix = unitary(draw(st.tuples(*[st.floats(-3, 3)] * 3))) if name == "U" else None
    return Gate(name, qubits, angle, matrix)


@st.composite
def circuits(draw, least=1, most=5, fewest=0):
    """Random circuits, from |0..0> or from amplitudes."""
    n = draw(st.integers(least, most))
    return Circuit(n, tuple(draw(st.lists(gates(n), min_size=fewest, max_size=24))), draw(st.booleans()))


def numbers(circuit, seed, batch=(), dtype=np.float32):
    """Parameters and inputs of a circuit, `params, x`."""
    rng = np.random.default_rng(seed)
    params = {
        "theta": rng.normal(size=circuit.n_theta).astype(dtype),
        "scale": rng.uniform(0.5, 1.5, circuit.n_scale).astype(dtype),
    }
    x = rng.normal(size=(*batch, circuit.n_inputs)).astype(dtype)
    return jax.tree.map(jax.numpy.asarray, params), jax.numpy.asarray(x)
