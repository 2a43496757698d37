"""The script that simulates the shipped town."""

import importlib.util
import sys
from pathlib import Path

import pytest

from jaxvec.traces import load_world, world_provenance
from jaxvec.traces.build_world import summary

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("make_town", SCRIPTS / "make_town.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_few_minutes_of_the_town_can_be_simulated_again(script, tmp_path, capsys):
    pytest.importorskip("sumo")
    for name in ("a.npz", "b.npz"):
        assert script.main(["--out", str(tmp_path / name), "--seconds", "120", "--seed", "5", "--places", "3"]) == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert "present on average" in capsys.readouterr().out
    held = summary(load_world(tmp_path / "a.npz"))
    assert (held["seconds"], held["places"]) == (120, 3)
    assert held["present_least"] > 20
    assert world_provenance(tmp_path / "a.npz")["seed"] == 5


def test_without_sumo_the_error_says_what_to_install(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sumo", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert script.main(["--out", str(tmp_path / "a.npz"), "--seconds", "10"]) == 1
    assert (
        capsys.readouterr().err
        == "error: SUMO's program 'netgenerate' is not installed; try: pip install 'jaxvec[sumo]'\n"
    )
    assert script.main(["--dt", "0.5"]) == 1
    assert "not a multiple of the simulation's step" in capsys.readouterr().err
