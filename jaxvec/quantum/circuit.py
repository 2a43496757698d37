"""Circuits as data: frozen, hashable, drawn in ASCII; and the layered circuit that most policies use."""

from collections.abc import Iterable
from dataclasses import dataclass

from jaxvec.core.errors import suggest
from jaxvec.quantum.gates import CONTROLLED, Angle, Gate

MOST_QUBITS = 14
ENTANGLERS = ("ring", "chain", "none")
ENCODINGS = {
    "reupload": "as angles in every layer (data re-uploading, Perez-Salinas et al. 2020)",
    "angle": "as angles in the first layer alone",
    "amplitude": "as amplitudes of the first state, (75)-(76) of the URLLC paper",
    "none": "not at all",
}
"""How inputs enter a layered circuit: the words of `layered` and `qpn`, and of a learner's setting `encoding`."""


@dataclass(frozen=True)
class Circuit:
    """Gates in the order in which they act on |0..0>, or on amplitudes that each sample brings along.

    Equal circuits hash equal, so a circuit can be a static argument of `jax.jit`.

    Attributes:
        n_qubits: 1 to 14.
        gates: the gates.
        amplitude: start from `f / sqrt(sum f^2 + 1e-12)`, f being the first 2**n_qubits inputs of a sample, as in (75)-(76) of
            the URLLC paper. Input i of an angle is then entry 2**n_qubits + i.
    """

    n_qubits: int
    gates: tuple[Gate, ...]
    amplitude: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for a number of qubits out of range, or a gate on a qubit that is not there."""
        if not 1 <= self.n_qubits <= MOST_QUBITS:
            raise ValueError(f"n_qubits={self.n_qubits}: accepted are 1 to {MOST_QUBITS}")
        object.__setattr__(self, "gates", tuple(self.gates))
        for i, gate in enumerate(self.gates):
            if not all(0 <= q < self.n_qubits for q in gate.qubits):
                raise ValueError(
                    f"gate {i}, {gate.name} on {gate.qubits}: accepted are qubits 0 to {self.n_qubits - 1}"
                )

    def _count(self, name: str) -> int:
        indices = (getattr(gate.angle, name, None) for gate in self.gates)
        return max((i + 1 for i in indices if i is not None), default=0)

    @property
    def n_theta(self) -> int:
        """Trainable angles."""
        return self._count("theta")

    @property
    def n_scale(self) -> int:
        """Trainable scales."""
        return self._count("scale")

    @property
    def n_inputs(self) -> int:
        """Entries of a sample: the amplitudes if it brings them, then the inputs of angles."""
        return (2**self.n_qubits if self.amplitude else 0) + self._count("input")

    def draw(self) -> str:
        """An ASCII drawing, one line a qubit; `@` is a control, `t`, `s`, `x` stand for theta, scale and input."""
        return "\n".join("".join(line).rstrip() for line in zip(*_columns(self), strict=True))


def _columns(circuit: Circuit) -> Iterable[list[str]]:
    """Text of equal width for each line, qubits and the gaps between them; gates that do not meet share a column."""
    moments: list[list[Gate]] = []
    free = [0] * circuit.n_qubits
    for gate in circuit.gates:
        rows = range(min(gate.qubits), max(gate.qubits) + 1)
        moment = max(free[q] for q in rows)
        if moment == len(moments):
            moments.append([])
        moments[moment].append(gate)
        for q in rows:
            free[q] = moment + 1
    width = len(f"q{circuit.n_qubits - 1}")
    start = "psi" if circuit.amplitude else "|0>"
    lines = 2 * circuit.n_qubits - 1
    yield [f"q{i // 2}".rjust(width) + f": {start} " if i % 2 == 0 else " " * (width + 6) for i in range(lines)]
    for gates in moments:
        yield _column(gates, lines)


def _column(gates: Iterable[Gate], lines: int) -> list[str]:
    text: dict[int, str] = {}
    for gate in gates:
        labels = _labels(gate)
        for line in range(2 * min(gate.qubits), 2 * max(gate.qubits) + 1):
            text[line] = "|"
        text |= {2 * q: label for q, label in zip(gate.qubits, labels, strict=True)}
    width = max(map(len, text.values()))
    return [
        "-" + text.get(i, "").center(width, "-") + "-" if i % 2 == 0 else " " + text.get(i, "").center(width) + " "
        for i in range(lines)
    ]


def _labels(gate: Gate) -> list[str]:
    if gate.name == "SWAP":
        return ["x", "x"]
    target = gate.name if gate.angle is None else f"{gate.name}({gate.angle})"
    if len(gate.qubits) == 1:
        return [target]
    return ["@", target[1:] if gate.name in CONTROLLED else {"CNOT": "X", "CZ": "Z"}[gate.name]]


def layered(
    n_qubits: int,
    n_layers: int,
    *,
    encoding: str = "reupload",
    axis: str = "Y",
    scaled: bool = False,
    plus: bool = False,
    rotations: str = "XYZ",
    entangler: str = "ring",
) -> Circuit:
    """A circuit of layers, each of: inputs as angles on all qubits; trainable rotations of every qubit; CNOTs.

    Args:
        n_qubits: n; with angles, a sample has n inputs, one for each qubit.
        n_layers: L.
        encoding: how inputs enter, a name of `ENCODINGS`.
        axis: the rotation that takes the inputs, X, Y or Z.
        scaled: multiply each input, wherever it enters, by a trainable scale of its own.
        plus: start from H on every qubit.
        rotations: axes of the trainable rotations, in order. Their angles are numbered by (layer, qubit, rotation) in C order.
        entangler: CNOT from each qubit to the next ("chain"); with one from the last to the first as well if n > 2 ("ring");
            or "none".
    Raises:
        ValueError: for a name or a number that is not accepted.
    """
    for name, value, known in (("encoding", encoding, ENCODINGS), ("entangler", entangler, ENTANGLERS)):
        if value not in known:
            raise ValueError(suggest(name, value, known))
    if axis not in ("X", "Y", "Z") or not set(rotations) <= set("XYZ"):
        raise ValueError(f"axis={axis!r}, rotations={rotations!r}: the axes are X, Y and Z")
    if n_layers < 1:
        raise ValueError(f"n_layers={n_layers}: accepted are 1, 2, 3, ...")
    gates = [Gate("H", (q,)) for q in range(n_qubits)] if plus else []
    pairs = [(q, q + 1) for q in range(n_qubits - 1)] if entangler != "none" else []
    if entangler == "ring" and n_qubits > 2:
        pairs.append((n_qubits - 1, 0))
    for layer in range(n_layers):
        if encoding == "reupload" or (encoding == "angle" and layer == 0):
            scale = layer * n_qubits
            gates += [
                Gate(f"R{axis}", (q,), Angle(input=q, scale=scale + q if scaled else None)) for q in range(n_qubits)
            ]
        for q in range(n_qubits):
            first = (layer * n_qubits + q) * len(rotations)
            gates += [Gate(f"R{a}", (q,), Angle(theta=first + i)) for i, a in enumerate(rotations)]
        gates += [Gate("CNOT", pair) for pair in pairs]
    return Circuit(n_qubits, tuple(gates), amplitude=encoding == "amplitude")
