"""Gates as data: a name, the qubits it acts on, and an angle that may be a number, a parameter or an input.

Qubit 0 is the most significant bit of a basis state's index. Rotations are `R_a(t) = exp(-i t a / 2)` for a = X, Y, Z.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_R = 2**-0.5
PAULIS = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]).astype(complex),
}
CONSTANTS = PAULIS | {
    "H": np.array([[_R, _R], [_R, -_R]], complex),
    "S": np.diag([1, 1j]),
    "T": np.diag([1, np.exp(0.25j * np.pi)]),
    "CNOT": np.eye(4, dtype=complex)[[0, 1, 3, 2]],
    "CZ": np.diag([1, 1, 1, -1]).astype(complex),
    "SWAP": np.eye(4, dtype=complex)[[0, 2, 1, 3]],
}
ROTATIONS = {"RX": "X", "RY": "Y", "RZ": "Z"}
CONTROLLED = {"CRX": "X", "CRY": "Y", "CRZ": "Z"}
NAMES = (*CONSTANTS, "U", *ROTATIONS, *CONTROLLED)
_ON_TWO = {"CNOT", "CZ", "SWAP", *CONTROLLED}


@dataclass(frozen=True)
class Angle:
    """`factor * theta[theta] * scale[scale] * x[input]` in radians; an index that is None counts as 1.

    Attributes:
        factor: a number.
        theta: index of a trainable angle.
        scale: index of a trainable scale (of an input, as a rule).
        input: index of a sample's input.
    """

    factor: float = 1.0
    theta: int | None = None
    scale: int | None = None
    input: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a negative index."""
        for name in ("theta", "scale", "input"):
            index = getattr(self, name)
            if index is not None and index < 0:
                raise ValueError(f"{name} index {index} of an angle: accepted are 0, 1, 2, ...")

    @property
    def constant(self) -> bool:
        """Whether it is just a number."""
        return self.theta is None and self.scale is None and self.input is None

    def __str__(self) -> str:
        """As in a drawing: `t3`, `s0*x1`, `0.5*x2`, `0.3`."""
        names = (("t", self.theta), ("s", self.scale), ("x", self.input))
        parts = [f"{letter}{index}" for letter, index in names if index is not None]
        return "*".join(([f"{self.factor:.3g}"] if self.factor != 1 or not parts else []) + parts)


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        name: one of `NAMES`; "U" is any one-qubit unitary, "CRX" a rotation of the second qubit controlled by the first.
        qubits: the qubits, control first; a single number for one qubit is accepted.
        angle: of a rotation; a plain number is accepted.
        matrix: of "U", 2 x 2 and complex; an array is accepted and kept as tuples.
    """

    name: str
    qubits: tuple[int, ...]
    angle: Angle | None = None
    matrix: tuple[tuple[complex, ...], ...] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError that names what does not fit: name, number of qubits, angle or matrix."""
        if self.name not in NAMES:
            raise ValueError(f"unknown gate {self.name!r}. Known: {', '.join(NAMES)}")
        qubits = (self.qubits,) if isinstance(self.qubits, int) else tuple(self.qubits)
        object.__setattr__(self, "qubits", qubits)
        if isinstance(self.angle, int | float):
            object.__setattr__(self, "angle", Angle(float(self.angle)))
        if self.matrix is not None:
            object.__setattr__(self, "matrix", _rows(self.matrix))
        n_qubits = 2 if self.name in _ON_TWO else 1
        if len(qubits) != n_qubits or len(set(qubits)) != n_qubits:
            raise ValueError(f"{self.name} acts on {n_qubits} distinct qubit(s), got {qubits}")
        rotates = self.name in ROTATIONS or self.name in CONTROLLED
        if rotates != (self.angle is not None):
            raise ValueError(f"{self.name} takes {'an angle' if rotates else 'no angle'}, got {self.angle}")
        if (self.name == "U") != (self.matrix is not None):
            raise ValueError(f"{self.name}: 'U' takes a matrix and no other gate does, got {self.matrix}")


def _rows(matrix: Sequence[Sequence[complex]] | np.ndarray) -> tuple[tuple[complex, ...], ...]:
    array = np.asarray(matrix, complex)
    if array.shape != (2, 2) or not np.allclose(array @ array.conj().T, np.eye(2), atol=1e-6):
        raise ValueError(f"the matrix of a U is 2 x 2 and unitary, got {array.tolist()}")
    return tuple(tuple(complex(x) for x in row) for row in array)


def rotation(axis: str, angle: float) -> np.ndarray:
    """`R_axis(angle)`, complex 2 x 2.

    Args:
        axis: X, Y or Z.
        angle: [rad].
    """
    return np.cos(angle / 2) * PAULIS["I"] - 1j * np.sin(angle / 2) * PAULIS[axis]
