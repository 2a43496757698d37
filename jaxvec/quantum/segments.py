"""A circuit cut where samples differ: rotations by inputs, and between them segments that all samples share.

Everything is brought down to two kinds of operation: a constant matrix on one or two qubits, and a rotation of one qubit by an
angle that is not constant. A rotation by an input is `V diag V^-1` with a constant V, which goes into the segments around it:
what is left for each sample is a phase. The rotations by inputs that act first, on a constant product state, need not even
that: their state is a constant matrix times the real product state of `(cos x/2, sin x/2)`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from jaxvec.quantum.circuit import Circuit
from jaxvec.quantum.gates import CONSTANTS, CONTROLLED, PAULIS, ROTATIONS, Angle, Gate, rotation

# constant V with axis = V Z V^-1
_EIGENBASIS = {"X": CONSTANTS["H"], "Y": CONSTANTS["S"] @ CONSTANTS["H"]}


@dataclass(frozen=True, eq=False)
class Fixed:
    """A constant matrix, `2^k x 2^k`, on k qubits."""

    qubits: tuple[int, ...]
    matrix: np.ndarray


@dataclass(frozen=True)
class Rotation:
    """`R_axis(angle)` of one qubit."""

    axis: str
    qubits: tuple[int]
    angle: Angle


Op = Fixed | Rotation


@dataclass
class Segment:
    """Rotations by inputs, one axis a qubit, and the operations after them that all samples share.

    Attributes:
        inputs: by qubit the axis, and the angles of the rotations, in order.
        ops: the operations after them.
    """

    inputs: dict[int, tuple[str, tuple[Angle, ...]]] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)

    def follows(self, qubit: int) -> bool:
        """Whether an operation of the segment acts on the qubit."""
        return any(qubit in op.qubits for op in self.ops)


@dataclass(frozen=True)
class Cut:
    """A circuit's segments.

    Attributes:
        start: what the first segment acts on: "amplitude" (a sample's own amplitudes), "product" (the product state of its first
            inputs, the segment's `inputs`) or "zero" (|0..0>).
    """

    start: str
    segments: tuple[Segment, ...]


def lower(gate: Gate) -> list[Op]:
    """A gate as operations in the order in which they act."""
    if gate.matrix is not None:
        return [Fixed(gate.qubits, np.array(gate.matrix))]
    if gate.angle is None:
        return [Fixed(gate.qubits, CONSTANTS[gate.name])]
    axis = ROTATIONS.get(gate.name) or CONTROLLED[gate.name]
    if gate.name in ROTATIONS:
        if gate.angle.constant:
            return [Fixed(gate.qubits, rotation(axis, gate.angle.factor))]
        return [Rotation(axis, (gate.qubits[0],), gate.angle)]
    # controlled: half the rotation, and half of it back unless the control flips the direction
    flip = Gate("CZ" if axis == "X" else "CNOT", gate.qubits)
    half = [replace(gate.angle, factor=sign * gate.angle.factor / 2) for sign in (1, -1)]
    target = gate.qubits[1:]
    gates = (Gate(f"R{axis}", target, half[0]), flip, Gate(f"R{axis}", target, half[1]), flip)
    return [op for part in gates for op in lower(part)]


def cut(circuit: Circuit) -> Cut:
    """The segments of a circuit, its start and the bases of its inputs taken into them."""
    segments = [Segment()]
    for op in (op for gate in circuit.gates for op in lower(gate)):
        if isinstance(op, Rotation) and op.angle.input is not None:
            (qubit,) = op.qubits
            axis, angles = segments[-1].inputs.get(qubit, (op.axis, ()))
            if len(segments) == 1 or segments[-1].follows(qubit) or axis != op.axis:
                segments.append(Segment())
                angles = ()
            segments[-1].inputs[qubit] = op.axis, (*angles, op.angle)
        else:
            segments[-1].ops.append(op)
    start = "amplitude" if circuit.amplitude else "zero"
    head = segments[0].ops
    if start == "zero" and len(segments) > 1 and all(isinstance(op, Fixed) and len(op.qubits) == 1 for op in head):
        start = "product"
        segments = segments[1:]
        segments[0].ops[:0] = _product_start(circuit.n_qubits, head, segments[0])
    for before, after in pairwise(segments):
        for qubit, (axis, _) in after.inputs.items():
            if axis in _EIGENBASIS:
                basis = _EIGENBASIS[axis]
                before.ops.append(Fixed((qubit,), basis.conj().T))
                after.ops.insert(0, Fixed((qubit,), basis))
    return Cut(start, tuple(segments))


def _product_start(n_qubits: int, head: Iterable[Op], first: Segment) -> list[Op]:
    """The matrices, one a qubit and not unitary, that take the product of (cos x/2, sin x/2) to the state after the inputs."""
    states = [np.array([1, 0], complex) for _ in range(n_qubits)]
    for op in head:
        assert isinstance(op, Fixed)
        states[op.qubits[0]] = op.matrix @ states[op.qubits[0]]
    axes = [first.inputs.get(q, ("I",))[0] for q in range(n_qubits)]
    return [
        Fixed((q,), np.stack([psi, -1j * PAULIS[axis] @ psi], 1))
        for q, (psi, axis) in enumerate(zip(states, axes, strict=True))
    ]


def fuse(ops: Sequence[Op], most: int) -> list[tuple[tuple[int, ...], list[Op]]]:
    """Operations gathered into blocks: (qubits in ascending order, operations).

    An operation on one qubit waits for one on two that needs its qubit.

    Args:
        ops: in the order in which they act.
        most: qubits of a block, 2 or more.
    """
    blocks: list[tuple[set[int], list[Op]]] = []
    waiting: dict[int, list[Op]] = {}

    def place(qubits: tuple[int, ...], group: list[Op]) -> None:
        last = max((i for i, (block, _) in enumerate(blocks) if block & set(qubits)), default=0)
        for block, members in blocks[last:]:
            if len(block | set(qubits)) <= most:
                block |= set(qubits)
                members += group
                return
        blocks.append((set(qubits), list(group)))

    for op in ops:
        if len(op.qubits) == 1:
            waiting.setdefault(op.qubits[0], []).append(op)
        else:
            place(op.qubits, [early for q in op.qubits for early in waiting.pop(q, [])] + [op])
    for qubit, group in waiting.items():
        place((qubit,), group)
    return [(tuple(sorted(qubits)), group) for qubits, group in blocks]
