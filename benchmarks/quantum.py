"""Measures quantum circuits in jaxvec, TensorCircuit-ng and PennyLane in one run: `python benchmarks/quantum.py`.

One circuit everywhere: layers of RY by inputs (in every layer, or in the first alone; or the inputs as amplitudes), trainable RX,
RY and RZ, and a ring of CNOTs; all <Z_q>; float32. Timed are the forward pass of a batch, and value and gradient, with respect
to parameters and inputs, of the mean square of its outputs. Each program is compiled before, what the programs give is checked
to be equal, and they run in turns. Each peer is written in the way that was found to be its fastest for what is timed.
Most of the minutes it takes are the peers' compilation. The peers come with `pip install 'jaxvec[bench]'`; without them they
are skipped.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import peers
from jax import Array

from jaxvec import bench, quantum
from jaxvec.bench import Case, Row
from jaxvec.core.files import write_text

LAYERS = 4
BATCHES = (1, 16, 256, 4096, 65536)  # on 6 qubits, inputs in every layer
QUBITS = (4, 8, 10, 12)  # with batches of 256
ENCODINGS = (
    "angle",
    "amplitude",
)  # of jaxvec.quantum.circuit.ENCODINGS, beside "reupload"; on 6 qubits, with batches of 4096
ROUNDS, SECONDS = 5, 0.3
QUICK_ROUNDS, QUICK_SECONDS = 2, 1e-3
TOLERANCE = 1e-5

Setting = tuple[int, str, int]  # qubits, encoding, batch
Forward = Callable[[Array, Array], Array]  # theta (layers, qubits, 3), x (batch, inputs) -> (batch, qubits)


def signs(n: int) -> np.ndarray:
    """The eigenvalues of all Z_q, `(2^n, n)`."""
    return (1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)[::-1]) & 1)).astype(np.float32)


# The circuit, three times


def ours(n: int, encoding: str, gradient: bool) -> Forward:
    """As a network of jaxvec."""
    _, apply = quantum.network(quantum.layered(n, LAYERS, encoding=encoding), quantum.strings(n, "Z"))
    return lambda theta, x: apply({"theta": theta.ravel(), "scale": jnp.zeros(0)}, x)


def tensorcircuit(n: int, encoding: str, gradient: bool) -> Forward:
    """Forward from the state vector; with a gradient, from its expectations of strings, which is then faster."""
    import tensorcircuit as tc

    tc.set_backend("jax")

    def forward(theta: Array, x: Array) -> Array:
        circuit = tc.Circuit(n, inputs=x / jnp.linalg.norm(x)) if encoding == "amplitude" else tc.Circuit(n)
        for layer in range(LAYERS):
            if encoding == "reupload" or (encoding == "angle" and layer == 0):
                for q in range(n):
                    circuit.ry(q, theta=x[q])
            for q in range(n):
                circuit.rx(q, theta=theta[layer, q, 0])
                circuit.ry(q, theta=theta[layer, q, 1])
                circuit.rz(q, theta=theta[layer, q, 2])
            for q in range(n):
                circuit.cnot(q, (q + 1) % n)
        if gradient:
            return jnp.stack([jnp.real(circuit.expectation_ps(z=[q])) for q in range(n)])
        return jnp.abs(circuit.state()) ** 2 @ signs(n)

    return jax.vmap(forward, (None, 0))


def pennylane(n: int, encoding: str, gradient: bool) -> Forward:
    """`default.qubit` with backpropagation: forward broadcasts the batch, with a gradient it is `vmap`, which is then faster."""
    import pennylane as qml

    @qml.qnode(qml.device("default.qubit", wires=n), interface="jax", diff_method="backprop")
    def node(theta: Array, x: Array) -> list[Any]:
        if encoding == "amplitude":
            qml.AmplitudeEmbedding(x, wires=range(n), normalize=True)
        for layer in range(LAYERS):
            if encoding == "reupload" or (encoding == "angle" and layer == 0):
                for q in range(n):
                    qml.RY(x[..., q], wires=q)
            for q in range(n):
                qml.RX(theta[layer, q, 0], wires=q)
                qml.RY(theta[layer, q, 1], wires=q)
                qml.RZ(theta[layer, q, 2], wires=q)
            for q in range(n):
                qml.CNOT(wires=[q, (q + 1) % n])
        return [qml.expval(qml.PauliZ(q)) for q in range(n)]

    def forward(theta: Array, x: Array) -> Array:
        return jnp.stack(node(theta, x), -1)

    return jax.vmap(forward, (None, 0)) if gradient else forward


PROGRAMS = {"jaxvec": ours, "TensorCircuit-ng": tensorcircuit, "PennyLane": pennylane}
PACKAGES = {"TensorCircuit-ng": "tensorcircuit", "PennyLane": "pennylane"}  # as they are imported


# Measuring


def arguments(n: int, encoding: str, batch: int) -> tuple[Array, Array]:
    """Angles and inputs."""
    keys = jax.random.split(jax.random.key(0))
    inputs = 2**n if encoding == "amplitude" else n
    return jax.random.normal(keys[0], (LAYERS, n, 3)), jax.random.normal(keys[1], (batch, inputs))


def case(name: str, n: int, encoding: str, batch: int, gradient: bool) -> Case:
    """One program, compiled; how long that took is in its row."""
    forward = PROGRAMS[name](n, encoding, gradient)

    def loss(theta: Array, x: Array) -> Array:
        return jnp.mean(forward(theta, x) ** 2)

    theta, x = arguments(n, encoding, batch)
    start = time.perf_counter()
    program = jax.jit(jax.value_and_grad(loss, (0, 1)) if gradient else forward).lower(theta, x).compile()
    seconds = time.perf_counter() - start

    def call(i: int, units: int) -> None:
        for _ in range(units):
            jax.block_until_ready(program(theta, x))

    memory = program.memory_analysis()
    row = {
        "what": "quantum",
        "series": name,
        "worlds": batch,  # samples
        "agents": 1,
        "qubits": n,
        "layers": LAYERS,
        "encoding": encoding,
        "timed": "value and gradient" if gradient else "forward",
        "compile_s": seconds,
        "temporary_bytes": memory.temp_size_in_bytes if memory else None,
    }
    return Case(row, batch, call, program)


def difference(mine: Case, theirs: Case, inputs: tuple[Array, Array]) -> float:
    """The largest difference between what two programs give: of expectations as it is, of a value and its gradients as a
    fraction of the largest entry of each array.

    Raises:
        AssertionError: if it is above 1e-5.
    """
    largest = 0.0
    for a, b in zip(*(jax.tree.leaves(case.program(*inputs)) for case in (mine, theirs)), strict=True):
        unit = 1.0 if mine.row["timed"] == "forward" else jnp.abs(a).max()
        largest = max(largest, float(jnp.abs(a - b).max() / unit))
    assert largest <= TOLERANCE, f"{theirs.row} differs by {largest:.1e}"
    return largest


def measure(rounds: int, seconds: float, setting: Setting, names: Sequence[str]) -> list[Row]:
    """Rows of speeds and of ratios, forward and with gradient, printed as they come.

    Args:
        rounds, seconds: see `jaxvec.bench.take_turns`.
        setting: (qubits, encoding, batch).
        names: of the peers.
    """
    machine = bench.machine() | {name: version(name.lower()) for name in names}
    n, encoding, batch = setting
    rows: list[Row] = []
    for gradient in (False, True):
        cases = [case(name, n, encoding, batch, gradient) for name in ("jaxvec", *names)]
        differences = [difference(cases[0], other, arguments(n, encoding, batch)) for other in cases]
        speeds = [machine | row | {"load": _load()} for row in bench.take_turns(cases, rounds, seconds)]
        rows += speeds
        for theirs, differs in zip(speeds[1:], differences[1:], strict=True):
            about = {key: theirs[key] for key in ("qubits", "encoding", "timed")} | {"difference": differs}
            rows.append(machine | about | bench.ratio(speeds[0], theirs, per="world-step"))
        print(*(_line(row) for row in speeds), sep="\n", flush=True)
    return rows


def _setting(row: Row) -> Setting:
    return row["qubits"], row["encoding"], row.get("their_worlds", row.get("worlds"))


def _load() -> float:
    """Jobs that wanted a core in the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


def _line(row: Row) -> str:
    where = f"{row['qubits']} qubits, {row['encoding']}, batch {row['worlds']}, {row['timed']}"
    return f"{where}: {row['series']} {_milliseconds(row):.3g} ms, compiled in {row['compile_s']:.1f} s"


def _milliseconds(row: Row) -> float:
    return 1e3 * row["worlds"] / row["steps_per_s"]


def page(rows: Sequence[Row]) -> str:
    """Times and ratios as Markdown."""
    names = ("qubits", "inputs", "batch", "timed", "program", "ms", "compile s", "temporary MB", "times ours", "range")
    lines = [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]

    def what(row: Row) -> tuple:
        return tuple(row[key] for key in ("qubits", "encoding", "timed"))

    ratios = {(*what(row), row["their_worlds"], row["theirs"]): row for row in rows if row["what"] == "ratio"}
    for row in (row for row in rows if row["what"] == "quantum"):
        ratio = ratios.get((*what(row), row["worlds"], row["series"]))
        times = (
            [f"{ratio['times']:.3g}", f"{ratio['times_low']:.3g} to {ratio['times_high']:.3g}"] if ratio else ["", ""]
        )
        megabytes = "" if row["temporary_bytes"] is None else f"{row['temporary_bytes'] / 1e6:.1f}"
        speed = (row["series"], f"{_milliseconds(row):.3g}", f"{row['compile_s']:.1f}", megabytes)
        cells = (row["qubits"], row["encoding"], row["worlds"], row["timed"], *speed, *times)
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    m = rows[0]
    versions = ", ".join(f"{name} {m[name]}" for name in ("jaxvec", "jax", *PACKAGES) if name in m)
    largest = max((row["difference"] for row in ratios.values()), default=0.0)
    head = [
        f"# Quantum circuits, {m['date']}, {m['device']}",
        f"{m['cores']} cores, {m['platform']}; {versions}. {LAYERS} layers, float32. Median of {len(m['by_round'])} rounds in "
        f"turns. What programs give differs by at most {largest:.1e}, gradients as a part of their largest entry.",
    ]
    return "\n\n".join([*head, "\n".join(lines)]) + "\n"


def main(arguments: Sequence[str] | None = None) -> Path:
    """Measure and write; gives the path of the table."""
    parser = argparse.ArgumentParser(description="Measure quantum circuits in jaxvec and its peers in one run.")
    parser.add_argument("--batches", type=int, nargs="*", default=BATCHES, help="samples, on 6 qubits")
    parser.add_argument("--qubits", type=int, nargs="*", default=QUBITS, help="qubits, with 256 samples")
    parser.add_argument(
        "--encodings", nargs="*", choices=ENCODINGS, default=ENCODINGS, help="other encodings, 4096 samples"
    )
    parser.add_argument("--quick", action="store_true", help="two short rounds: to see that it works, not to measure")
    parser.add_argument("--resume", action="store_true", help="keep what today's file has, and measure the rest")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    args = parser.parse_args(arguments)

    settings = [(n, "reupload", 256) for n in args.qubits] + [(6, "reupload", batch) for batch in args.batches]
    settings += [(6, encoding, 4096) for encoding in args.encodings]
    names = [] if args.no_peers else [name for name, package in PACKAGES.items() if not peers.missing(package)]
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if args.quick else (ROUNDS, SECONDS)
    m = bench.machine()
    slug = re.sub(r"[^a-z0-9]+", "-", f"{m['device']}-{m['cores']}-cores".lower())
    path = args.out / f"{m['date']}-quantum-{slug}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if args.resume and path.exists() else []
    done = {_setting(row) for row in rows}
    for setting in sorted(set(settings) - done, key=lambda setting: (setting[1], setting[0], setting[2])):
        rows += measure(rounds, seconds, setting, names)
        bench.write(rows, path)
        write_text(path.with_suffix(".md"), page(sorted(rows, key=lambda row: (row["encoding"], *_setting(row)))))
    print(path.with_suffix(".md").read_text())
    return path.with_suffix(".md")


if __name__ == "__main__":
    main(sys.argv[1:])
