"""The script that simulates the shipped road."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxvec.traces import load, provenance

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_sumo_trace.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_sumo_trace", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_minute_of_traffic_can_be_simulated_again(script, tmp_path):
    pytest.importorskip("sumo")
    trace = script.make(tmp_path / "a.npz", seconds=60.0, seed=5)
    script.make(tmp_path / "b.npz", seconds=60.0, seed=5)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    np.testing.assert_array_equal(load(tmp_path / "a.npz").x_m, trace.x_m)
    assert provenance(tmp_path / "a.npz")["seed"] == 5
    assert trace.x_m.shape[0] >= 10
    assert trace.x_m.min() >= 0
    assert trace.x_m.max() <= 700
    assert np.all((trace.vx_mps > 0) == (trace.y_m < 0))
    assert trace.enter_s.min() == 0
    assert (trace.enter_s + (trace.n_samples - 1) * trace.dt_s).max() == 60


def test_without_sumo_the_error_says_what_to_install(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sumo", None)  # import sumo fails
    monkeypatch.setenv("PATH", str(tmp_path))
    assert script.main(["--out", str(tmp_path / "a.npz"), "--seconds", "10"]) == 1
    printed = capsys.readouterr().err
    assert printed == "error: SUMO's program 'netconvert' is not installed; try: pip install 'jaxvec[sumo]'\n"
    assert not (tmp_path / "a.npz").exists()


def test_a_program_that_fails_shows_what_it_said(script):
    with pytest.raises(script.SumoError, match=r"failed \(3\):\nno road"):
        script.call(sys.executable, "-c", "import sys; print('no road', file=sys.stderr); sys.exit(3)")


@pytest.mark.parametrize(
    "options", [["--seconds", "0"], ["--seconds", "inf"], ["--dt", "0.7"], ["--vehicles-per-hour", "-1"]]
)
def test_settings_out_of_range(script, options, tmp_path, capsys):
    assert script.main(["--out", str(tmp_path / "a.npz"), *options]) == 1
    assert capsys.readouterr().err.startswith("error: ")
