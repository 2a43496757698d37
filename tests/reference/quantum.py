"""Reference simulator of quantum circuits: dense Kronecker-product matrices in complex128 NumPy, one sample at a time.

Slow and easy to read, and written apart from jaxvec.quantum: it takes a circuit as plain tuples and shares no matrix, no ordering
and no cut with it. Qubit 0 is the leftmost factor of every Kronecker product.

A gate is `(name, qubits, value)`: value is the angle of a rotation, the matrix of a "U", else None.
"""

from functools import reduce

import numpy as np

I2 = np.array([[1, 0], [0, 1]], complex)
X = np.array([[0, 1], [1, 0]], complex)
Y = np.array([[0, -1j], [1j, 0]], complex)
Z = np.array([[1, 0], [0, -1]], complex)
PAULI = {"I": I2, "X": X, "Y": Y, "Z": Z}
ONE = {
    **PAULI,
    "H": (X + Z) / np.sqrt(2),
    "S": np.array([[1, 0], [0, 1j]], complex),
    "T": np.array([[1, 0], [0, np.exp(1j * np.pi / 4)]], complex),
}
ZERO = np.array([[1, 0], [0, 0]], complex)  # |0><0|
ONES = np.array([[0, 0], [0, 1]], complex)  # |1><1|


def kron(factors):
    """Of a matrix for each qubit."""
    return reduce(np.kron, factors)


def on(n, matrices):
    """The product of one-qubit matrices `{qubit: matrix}` as a `2^n x 2^n` matrix."""
    return kron([matrices.get(q, I2) for q in range(n)])


def one_qubit(name, value):
    """The 2 x 2 matrix of a gate, rotations by the series of exp(-i t/2 P), as P^2 = 1."""
    if name == "U":
        return np.asarray(value, complex)
    if name in ("RX", "RY", "RZ"):
        return np.cos(value / 2) * I2 - 1j * np.sin(value / 2) * PAULI[name[1]]
    return ONE[name]


def matrix(n, name, qubits, value):
    """A gate as a `2^n x 2^n` matrix."""
    if name == "SWAP":
        return sum(on(n, {qubits[0]: P, qubits[1]: P}) for P in PAULI.values()) / 2
    controlled = {
        "CNOT": ("X", None),
        "CZ": ("Z", None),
        "CRX": ("RX", value),
        "CRY": ("RY", value),
        "CRZ": ("RZ", value),
    }
    if name in controlled:
        control, target = qubits
        return on(n, {control: ZERO}) + on(n, {control: ONES, target: one_qubit(*controlled[name])})
    return on(n, {qubits[0]: one_qubit(name, value)})


def unitary(n, gates):
    """The matrix of a whole circuit."""
    whole = np.eye(2**n, dtype=complex)
    for gate in gates:
        whole = matrix(n, *gate) @ whole
    return whole


def evolve(n, gates, start=None):
    """The state after the gates, from |0..0> or from `start`."""
    psi = np.eye(2**n, dtype=complex)[0] if start is None else np.asarray(start, complex)
    for gate in gates:
        psi = matrix(n, *gate) @ psi
    return psi


def expectation(psi, word):
    """<psi| P |psi> of a Pauli string."""
    return (psi.conj() @ kron([PAULI[letter] for letter in word]) @ psi).real


def plain(circuit, theta=(), scale=(), x=()):
    """A `jaxvec.quantum` circuit at these numbers: number of qubits, gates, start."""
    x, start = np.asarray(x, float), None
    if circuit.amplitude:
        start, x = x[: 2**circuit.n_qubits], x[2**circuit.n_qubits :]
        start = start / np.sqrt(np.sum(start**2) + 1e-12)

    def value(gate):
        if gate.angle is None:
            return gate.matrix
        a = gate.angle
        of = lambda values, index: 1.0 if index is None else values[index]  # noqa: E731
        return a.factor * of(theta, a.theta) * of(scale, a.scale) * of(x, a.input)

    return circuit.n_qubits, [(gate.name, gate.qubits, value(gate)) for gate in circuit.gates], start
