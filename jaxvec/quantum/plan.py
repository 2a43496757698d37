"""What of a circuit is settled before any number is known: blocks, their constants, where parameters enter, the order of passes.

The blocks of equal structure, such as those of equal layers, form a family: their matrices are built together, so that the
compiled program does not grow with the number of layers. Equal segments in a row form a run, which is scanned.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from jaxvec.quantum.circuit import Circuit
from jaxvec.quantum.gates import PAULIS, Angle
from jaxvec.quantum.segments import Fixed, Op, Rotation, Segment, cut, fuse

DENSE_QUBITS = 6  # up to so many, a segment is one matrix
BLOCK_QUBITS = 4  # above, one for each block of so many qubits


class Slots(NamedTuple):
    """Angles without input as arrays: `factor * theta[theta] * scale[scale]`, an absent index pointing behind the last."""

    factor: np.ndarray
    theta: np.ndarray
    scale: np.ndarray


class Stage(NamedTuple):
    """Kronecker product of one matrix a qubit, then a constant matrix.

    Attributes:
        rotations: `(parts, number)` or None. A qubit's matrix is a product over p, later ones to the left, of
            `parts[0] + cos(t/2) parts[1] + sin(t/2) parts[2]`; parts are complex `(3, p, qubits, 2, 2)`, and t is the block's
            angle `number[p, qubit]`.
        fixed: complex `(2^k, 2^k)` or None.
    """

    rotations: tuple[np.ndarray, np.ndarray] | None
    fixed: np.ndarray | None


class Family(NamedTuple):
    """Blocks of equal structure: their stages, and their angles `(members, angles)`."""

    n_qubits: int
    stages: tuple[Stage, ...]
    slots: Slots


class Encoding(NamedTuple):
    """Rotations by inputs as phases: what equal layers share.

    `cos(half @ angles + shift)` with angles `(n,)` of the qubits holds, for each half of the qubits, the cosines and sines that
    `phases` or `product`, constant matrices, take to that half's phases (re, then im) or real product state.

    Attributes:
        first: first input that enters.
        last: last input that enters, plus one.
        half: `(rows, n)`.
        shift: `(rows,)`.
        phases: `(2 * rows, rows)`.
        product: `(rows, rows)`.
        places: `(terms, n * (last - first))`, one 1 a row: which qubit rotates by which input.
        slots: factors of the terms, `(members, terms)`.
    """

    first: int
    last: int
    half: np.ndarray
    shift: np.ndarray
    phases: np.ndarray
    product: np.ndarray
    places: np.ndarray
    slots: Slots


class Move(NamedTuple):
    """A transposition of the qubits: reshape the basis states to `shape` and permute."""

    shape: tuple[int, ...]
    permutation: tuple[int, ...]


class Run(NamedTuple):
    """Equal segments in a row.

    Attributes:
        length: number of segments.
        encoding: `(family, first member, step)`: the segments' encodings, a step of 0 meaning that they share one; or None.
        blocks: `(family, first member, move before it)`.
    """

    length: int
    encoding: tuple[int, int, int] | None
    blocks: tuple[tuple[int, int, Move | None], ...]


class Plan(NamedTuple):
    """All of it; `start` as in `segments.Cut`, and `restore` the move that puts the qubits back in order."""

    n_qubits: int
    start: str
    runs: tuple[Run, ...]
    families: tuple[Family, ...]
    encodings: tuple[Encoding, ...]
    restore: Move | None


@lru_cache(maxsize=64)
def plan(circuit: Circuit) -> Plan:
    """The plan of a circuit."""
    n = circuit.n_qubits
    pieces = cut(circuit)
    order = tuple(range(n))
    blocks, encodings = _Table(), _Table()
    runs: list[Run] = []
    for i, segment in enumerate(pieces.segments):
        encoding = None
        if segment.inputs:
            terms, angles = _terms(segment, order)
            encoding = (*encodings.add(terms, angles, terms, shared=True), 0)
        passes = []
        for position, (qubits, ops) in enumerate(_blocks(segment, n, i == 0)):
            move, order = _to_front(order, qubits)
            passes.append((*blocks.add(*_block_key(position, qubits, ops), (qubits, ops), shared=False), move))
        run = Run(1, encoding, tuple(passes))
        longer = _joined(runs[-1], run) if i > 1 else None
        runs[-1:] = [longer] if longer else [*runs[-1:], run]
    families = [
        Family(len(qubits), _stages(qubits, ops), _slots(circuit, members))
        for (qubits, ops), members in zip(blocks.firsts, blocks.members.values(), strict=True)
    ]
    encoded = [
        _encoding(n, terms, _slots(circuit, members))
        for terms, members in zip(encodings.firsts, encodings.members.values(), strict=True)
    ]
    restore, _ = _to_front(order, tuple(range(n)))
    return Plan(n, pieces.start, tuple(runs), tuple(families), tuple(encoded), restore)


def _blocks(segment: Segment, n: int, start: bool) -> list[tuple[tuple[int, ...], list[Op]]]:
    """A segment's blocks; the first segment has at least one, which makes its real start complex."""
    ops = segment.ops or ([Fixed((0,), PAULIS["I"])] if start else [])
    if n > DENSE_QUBITS:
        return fuse(ops, BLOCK_QUBITS)
    return [(tuple(range(n)), ops)] if ops else []


class _Table:
    """Families by key, in the order of their first member, with the angles of all members."""

    def __init__(self) -> None:
        self.members: dict[tuple, list[tuple[Angle, ...]]] = {}
        self.firsts: list[Any] = []

    def add(self, key: tuple, angles: tuple[Angle, ...], first: Any, shared: bool) -> tuple[int, int]:
        """Number of the family and of the member; with `shared`, a member of equal angles serves again."""
        if key not in self.members:
            self.members[key] = []
            self.firsts.append(first)
        members = self.members[key]
        if not (shared and angles in members):
            members.append(angles)
        number = members.index(angles) if shared else len(members) - 1
        return list(self.members).index(key), number


def _slots(circuit: Circuit, members: Sequence[tuple[Angle, ...]]) -> Slots:
    def row(angle: Angle) -> tuple[float, int, int]:
        theta = circuit.n_theta if angle.theta is None else angle.theta
        return angle.factor, theta, circuit.n_scale if angle.scale is None else angle.scale

    array = np.array([[row(angle) for angle in angles] for angles in members], float).reshape(len(members), -1, 3)
    return Slots(array[..., 0], array[..., 1].astype(int), array[..., 2].astype(int))


# Runs


def _joined(run: Run, segment: Run) -> Run | None:
    """A run with one more segment, itself a run of length 1, if that is equal to the others."""
    if run.encoding is None or segment.encoding is None or len(run.blocks) != len(segment.blocks):
        return None
    family, first, step = run.encoding
    further = segment.encoding[1] - first - step * (run.length - 1)
    even = segment.encoding[0] == family and further in ((0, 1) if run.length == 1 else (step,))
    equal = all(
        (a[0], a[1] + run.length, a[2]) == (b[0], b[1], b[2]) for a, b in zip(run.blocks, segment.blocks, strict=True)
    )
    return Run(run.length + 1, (family, first, further), run.blocks) if even and equal else None


def _to_front(order: tuple[int, ...], qubits: tuple[int, ...]) -> tuple[Move | None, tuple[int, ...]]:
    """The move that brings qubits to the front, and the order after it; neighbours that stay together are one axis."""
    after = (*qubits, *(q for q in order if q not in qubits))
    if after == order:
        return None, order
    sources = [order.index(q) for q in after]
    pieces: list[list[int]] = []
    for source in sources:
        if pieces and source == pieces[-1][-1] + 1:
            pieces[-1].append(source)
        else:
            pieces.append([source])
    inputs = sorted(pieces)
    return Move(tuple(2 ** len(piece) for piece in inputs), tuple(inputs.index(piece) for piece in pieces)), after


# Blocks


def _block_key(position: int, qubits: tuple[int, ...], ops: Sequence[Op]) -> tuple[tuple, tuple[Angle, ...]]:
    """What equal blocks have in common, and the angles by which they differ."""
    local = {q: i for i, q in enumerate(qubits)}
    shape = tuple(
        (tuple(local[q] for q in op.qubits), op.axis if isinstance(op, Rotation) else op.matrix.tobytes()) for op in ops
    )
    return (position, len(qubits), shape), tuple(op.angle for op in ops if isinstance(op, Rotation))


def _stages(qubits: tuple[int, ...], ops: Sequence[Op]) -> tuple[Stage, ...]:
    """As few stages as the order of the operations allows."""
    local = {q: i for i, q in enumerate(qubits)}
    k = len(qubits)
    stages: list[tuple[list[list[tuple[Op, int]]], list[Fixed]]] = [([[] for _ in qubits], [])]
    number = 0  # of the next rotation's angle
    for op in ops:
        single, after = stages[-1]  # what acts on each qubit alone, and what follows
        free = len(op.qubits) == 1 and not any(op.qubits[0] in fixed.qubits for fixed in after)
        if isinstance(op, Fixed) and not free:
            after.append(op)
            continue
        if not free:
            single = [[] for _ in qubits]
            stages.append((single, []))
        single[local[op.qubits[0]]].append((op, number))
        number += isinstance(op, Rotation)
    return tuple(
        _stage(single, [(tuple(local[q] for q in op.qubits), op.matrix) for op in after], k) for single, after in stages
    )


def _stage(
    single: Sequence[Sequence[tuple[Op, int]]], after: Sequence[tuple[tuple[int, ...], np.ndarray]], k: int
) -> Stage:
    """Of what acts on each qubit alone, and the matrices after that; without a rotation all are constants."""
    rotates = any(isinstance(op, Rotation) for ops in single for op, _ in ops)
    early = [((q,), op.matrix) for q, ops in enumerate(single) for op, _ in ops if isinstance(op, Fixed)]
    constants = [*after] if rotates else [*early, *after]
    fixed = np.eye(2**k, dtype=complex)
    for qubits, matrix in constants:
        fixed = _act(fixed, qubits, matrix)
    return Stage(_products(single) if rotates else None, fixed if constants else None)


def _act(columns: np.ndarray, qubits: tuple[int, ...], matrix: np.ndarray) -> np.ndarray:
    """A matrix on some qubits of each column."""
    k, m = len(columns).bit_length() - 1, len(qubits)
    tensor = np.moveaxis(columns.reshape((2,) * k + (-1,)), qubits, range(m))
    moved = (matrix @ tensor.reshape(2**m, -1)).reshape(tensor.shape)
    return np.moveaxis(moved, range(m), qubits).reshape(columns.shape)


def _products(single: Sequence[Sequence[tuple[Op, int]]]) -> tuple[np.ndarray, np.ndarray]:
    """`Stage.rotations`, products of one length for all qubits.

    Constants are multiplied into the rotation before them (or the first one), short products padded with the identity.
    """
    products: list[list[tuple[np.ndarray, int]]] = []
    for ops in single:
        factors: list[tuple[np.ndarray, int]] = []
        before = PAULIS["I"]
        for op, number in ops:
            if isinstance(op, Rotation):
                factors.append((np.stack([0 * before, before, -1j * PAULIS[op.axis] @ before]), number))
                before = PAULIS["I"]
            elif factors:
                factors[-1] = (op.matrix @ factors[-1][0], factors[-1][1])
            else:
                before = op.matrix @ before
        products.append(factors or [(np.stack([before, 0 * before, 0 * before]), 0)])
    pad = (np.stack([PAULIS["I"], 0 * PAULIS["I"], 0 * PAULIS["I"]]), 0)
    length = max(map(len, products))
    padded = [factors + [pad] * (length - len(factors)) for factors in products]
    parts = np.array([[part for part, _ in factors] for factors in padded])  # (qubits, p, 3, 2, 2)
    return parts.transpose(2, 1, 0, 3, 4), np.array([[number for _, number in factors] for factors in padded]).T


# Encodings


def _terms(segment: Segment, order: tuple[int, ...]) -> tuple[tuple[tuple[int, int], ...], tuple[Angle, ...]]:
    """Which qubit, by its place in the order, rotates by which input; and the angles."""
    placed = [(order.index(q), angle) for q, (_, angles) in sorted(segment.inputs.items()) for angle in angles]
    return tuple((place, angle.input or 0) for place, angle in placed), tuple(angle for _, angle in placed)


def _encoding(n: int, terms: Sequence[tuple[int, int]], slots: Slots) -> Encoding:
    first, last = min(i for _, i in terms), max(i for _, i in terms) + 1
    places = np.zeros((len(terms), n, last - first))
    for t, (place, i) in enumerate(terms):
        places[t, place, i - first] = 1
    high = (n + 1) // 2
    halves = [_half(high), _half(n - high)]
    half, phases, product = (_diagonal([h[i] for h in halves]) for i in (0, 2, 3))
    shift = np.concatenate([h[1] for h in halves])
    return Encoding(first, last, half, shift, phases, product, places.reshape(len(terms), -1), slots)


def _half(m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`half`, `shift`, `phases` and `product` of m qubits.

    With f_e = sum_j e_j t_j / 2 over signs e, the phase of basis state b is exp(-i f_e) for e_j = 1 - 2 b_j, and as
    f_-e = -f_e the cosines and sines of half of the e are enough. The products of (cos t/2, sin t/2) are sums of exp(i f_e).
    """
    bits = (np.arange(2**m)[:, None] >> np.arange(m)[::-1]) & 1  # (2^m, m)
    signs = 1 - 2 * bits
    if m == 0:
        return np.zeros((1, 0)), np.zeros(1), np.array([[1.0], [0.0]]), np.ones((1, 1))
    positive = signs[: 2 ** (m - 1)]  # in their first entry
    half, shift = np.concatenate([positive, positive]) / 2, np.repeat([0, -np.pi / 2], len(positive))
    same, opposite = np.eye(len(positive)), np.eye(len(positive))[::-1]  # the opposite of row i is row -1-i
    none = np.zeros_like(same)
    phases = np.block([[same, none], [opposite, none], [none, -same], [none, opposite]])
    weight = np.prod(np.where(bits[:, None, :] == 1, -1j * positive[None], 1), -1) * 2.0 ** (1 - m)  # (2^m, signs)
    return half, shift, phases, np.concatenate([weight.real, -weight.imag], 1)


def _diagonal(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """The block-diagonal matrix."""
    rows, columns = (sum(block.shape[i] for block in blocks) for i in (0, 1))
    whole = np.zeros((rows, columns))
    row = column = 0
    for block in blocks:
        whole[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return whole
