"""benchmarks/quantum.py: from end to end without peers, in no time, so the numbers mean nothing."""

import importlib.util
import json
from pathlib import Path

import jax
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """The script, which finds `peers` beside itself."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("quantum_script", FOLDER / "quantum.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LAYERS", 1)
    return module


def test_writes_rows_and_a_table(script, tmp_path):
    table = script.main(["--quick", "--no-peers", "--batches", "--qubits", "2", "--encodings", "--out", str(tmp_path)])
    rows = [json.loads(line) for line in table.with_suffix(".jsonl").read_text().splitlines()]
    assert [row["timed"] for row in rows] == ["forward", "value and gradient"]
    assert all({"jax", "device", "compile_s", "load", "by_round"} <= row.keys() for row in rows)
    assert "| 2 | reupload | 256 | forward | jaxvec |" in table.read_text()


@pytest.mark.parametrize(("gradient", "spoil"), [(False, lambda x: x + 1e-3), (True, lambda x: x * 1.001)])
def test_programs_that_differ_are_refused(script, gradient, spoil):
    one, other = (script.case("jaxvec", n, "reupload", 3, gradient) for n in (2, 2))
    inputs = script.arguments(2, "reupload", 3)
    assert script.difference(one, other, inputs) == 0
    wrong = script.Case(other.row, 3, other.call, lambda *inputs: jax.tree.map(spoil, other.program(*inputs)))
    with pytest.raises(AssertionError, match=r"differs by 1\.0e-03"):
        script.difference(one, wrong, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["reupload", "angle", "amplitude"])
@pytest.mark.parametrize(("name", "package"), [("TensorCircuit-ng", "tensorcircuit"), ("PennyLane", "pennylane")])
def test_peers_compute_the_same(script, name, package, encoding):
    pytest.importorskip(package)
    for gradient in (False, True):
        cases = [script.case(which, 3, encoding, 4, gradient) for which in ("jaxvec", name)]
        assert script.difference(*cases, script.arguments(3, encoding, 4)) > 0
