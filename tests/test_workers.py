"""Commands that several processes share: the result is that of one, though one of them is killed; and how a signal ends them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from representatives import representatives

from jaxvec.papers.runs import read_run

SCRIPT = """
import dataclasses, sys
from papers.test_report import FIGURE, LEARNED, PAPER, SIZES
from jaxvec import bench, cli
from jaxvec.papers import report
from jaxvec.papers.series import Series

other = Series("other", "mappo", sizes=SIZES, settings={"hidden": (4,), "minibatches": 1})
shares = dataclasses.replace(FIGURE, number="5", series=(LEARNED, other), quick=(0, 1), panels=FIGURE.panels[:1], claims=())
report.PAPERS = {"v2x_offload": dataclasses.replace(PAPER, figures=(FIGURE, shares))}
bench.all_cores = lambda: None
cli.main(sys.argv[1:])
"""
REPRODUCE = ["reproduce", "v2x_offload", "--quick"]
LEAGUE = [
    *("league", "isac_iov", "--updates", "3", "--seeds", "2", "--worlds", "6", "--judged", "4", "--bounded", "0"),
    *("--learners", "ippo", "mappo", "apg"),
    *("--set", "n_vehicles=2", "horizon=3", "hidden=(4,)", "n_worlds=4", "minibatches=1"),
]


@contextmanager
def started(command, out, *words):
    """A process that runs a command, ended at last."""
    environ = os.environ | {"PYTHONPATH": f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}"}
    line = [sys.executable, "-c", SCRIPT, *command, "--out", str(out), *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            yield process
        finally:
            process.kill()


def claimed_by(out, process):
    """Names of the locks that a process has."""
    claimed = []
    for lock in (out / "claims").glob("*.lock"):
        try:
            if f", process {process.pid}\n" in lock.read_text():
                claimed.append(lock.name)
        except FileNotFoundError:  # given free meanwhile
            pass
    return claimed


def until_it_trains(out, process):
    end = time.monotonic() + 240
    while not any(re.match(r"ippo|mappo|apg", name) for name in claimed_by(out, process)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def alone_and_shared(command, tmp_path):
    """The folders of one worker, and of two of which the first is killed while it trains; and what the other has printed."""
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    with started(command, alone) as process:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
    with (
        started(command, shared, "--part", "1/2") as victim,
        started(command, shared, "--part", "2/2", "--json") as other,
    ):
        until_it_trains(shared, victim)
        until_it_trains(shared, other)
        victim.send_signal(signal.SIGKILL)
        out, err = other.communicate(timeout=600)
        assert victim.wait() == -signal.SIGKILL
        assert other.returncode == 0, err
    assert not (shared / "claims").exists()
    return alone, shared, json.loads(out)


def but_for_seconds(text):
    """Text without what was measured, and without the command."""
    text = re.sub(r'"(seconds|compile_s|train_s|side_by_side_s)": ?[-+.0-9e]+', r'"\1": 0', text)
    text = re.sub(r"(?m)^(\| \d+ \|.*\|) [\d.]+ \|$", r"\1", text)  # the last column of a page's figures
    return re.sub(r"`jaxvec.*?`", "", text)


@pytest.mark.slow
def test_a_league_of_two_of_whom_one_is_killed_is_that_of_one(tmp_path):
    alone, shared, said = alone_and_shared(LEAGUE, tmp_path)
    assert said["left"] == []
    for name in ("plan.json", "records.jsonl", "league.json"):
        assert but_for_seconds((shared / name).read_text()) == but_for_seconds((alone / name).read_text()), name
    assert {path.name for path in shared.iterdir()} == {path.name for path in alone.iterdir()}


@pytest.mark.slow
def test_a_reproduction_of_two_of_whom_one_is_killed_is_that_of_one(tmp_path):
    alone, shared, said = alone_and_shared(REPRODUCE, tmp_path)
    assert list(said["figures"]) == ["4", "5"]
    assert said["left"] == []
    names = {path.relative_to(alone) for path in alone.rglob("*")}
    assert {path.relative_to(shared) for path in shared.rglob("*")} == names
    for name in names:
        if name.suffix == ".npz":
            one, other = read_run(alone / name), read_run(shared / name)
            assert one.config == other.config
            for of_one, of_other in ((one.metrics, other.metrics), (one.curves, other.curves)):
                assert of_one.keys() == of_other.keys()
                assert all(np.array_equal(of_one[metric], of_other[metric]) for metric in of_one)
        elif name.suffix in {".json", ".jsonl", ".md"}:
            assert but_for_seconds((shared / name).read_text()) == but_for_seconds((alone / name).read_text()), name
        elif name.suffix:
            assert (shared / name).read_bytes() == (alone / name).read_bytes(), name


STOPPED = [(LEAGUE, signal.SIGTERM), (REPRODUCE, signal.SIGINT)]


@pytest.mark.parametrize(("command", "signum"), representatives(STOPPED, STOPPED[:1]))
def test_a_signal_ends_it_while_it_compiles_and_says_how_to_go_on(tmp_path, command, signum):
    out = tmp_path / "out"
    with started(command, out) as process:
        assert "compiling" in process.stderr.readline()
        time.sleep(0.5)
        process.send_signal(signum)
        sent = time.monotonic()
        err = process.stderr.read()
        assert process.wait(60) == 128 + signum
        assert time.monotonic() - sent < 30, "it does not wait for the compiler"
    name = signal.Signals(signum).name
    words = f"stopped by {name}; what is finished is kept in {out}: the same command goes on"
    assert err.splitlines()[-1] == f"jaxvec: error: {words}"
    assert "Traceback" not in err


ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("first", "number", "part"), [(1, 3, "3/8"), (0, 0, "1/8"), (0, 7, "8/8")])
def test_a_task_of_an_array_is_a_part(first, number, part):
    about = {"ID": number, "MIN": first, "COUNT": 8}
    environ = os.environ | {f"SLURM_ARRAY_TASK_{name}": str(x) for name, x in about.items()} | {"JAXVEC": "echo"}
    line = ["sh", str(ROOT / "scripts" / "slurm-array.sbatch"), "league", "dt_edge", "--set", "n_vehicles=4"]
    said = subprocess.run(line, env=environ, capture_output=True, text=True, check=True).stdout
    assert said == f"league dt_edge --set n_vehicles=4 --part {part}\n"


def test_the_page_starts_every_part_by_ray(monkeypatch):
    """With a Ray that runs its tasks at once: the page's own words."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "workers.md").read_text(), re.DOTALL)
    ran = []
    ray = types.ModuleType("ray")
    ray.remote = lambda **resources: lambda task: types.SimpleNamespace(remote=task)
    ray.get = list
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(subprocess, "run", lambda words, check: ran.append(words))
    exec(code, {})
    command = ["jaxvec", "reproduce", "v2x_offload", "--out", "/shared/v2x"]
    assert ran == [*([*command, "--part", f"{number}/8"] for number in range(1, 9)), command]
