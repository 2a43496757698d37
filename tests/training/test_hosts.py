"""Several processes that train together: the result is that of one, in one set of files; where one is lost the others end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxvec.core import hosts
from jaxvec.core.devices import usable_by_all
from jaxvec.training import metrics

TESTS = Path(__file__).parents[1]
SHARED = ("walkers", "--learner", "shared")


def start(folder, n_processes, *words, devices=2, of_last=()):
    """`jaxvec train`, in so many processes; the last with some words more."""
    flags = os.environ.get("XLA_FLAGS", "") + f" --xla_force_host_platform_device_count={devices}"
    environ = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": f"{TESTS}:{TESTS.parent}", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(TESTS / "training" / "on_hosts.py"), "train", *words]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    begun = []
    for rank in range(n_processes):
        joined = ["--distributed", "--coordinator", address, "--processes", str(n_processes), "--rank", str(rank)]
        alone = n_processes == 1
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        more = [*joined * (not alone), *(of_last if rank == n_processes - 1 else ())]
        begun.append(subprocess.Popen(command + more, cwd=folder, env=environ, **pipes))
    return begun


def ended(begun, timeout_s=120.0):
    """Status, stdout and the lines of stderr that are ours, of each process."""
    outcomes = []
    try:
        for process in begun:
            out, err = process.communicate(timeout=timeout_s)
            lines = [line for line in err.splitlines() if "[Gloo]" not in line]
            outcomes.append((process.returncode, out, lines))
    finally:
        for process in begun:
            process.kill()
    return outcomes


def run(folder, n_processes, *words, devices=2):
    """Likewise, to the end, which is to be a good one."""
    outcomes = ended(start(folder, n_processes, *words, devices=devices))
    assert [status for status, _, _ in outcomes] == [0] * n_processes, outcomes
    return outcomes


def checkpoints(folder):
    """After how many updates there is one."""
    return sorted(int(p.name) for p in folder.glob("checkpoints/*") if p.name.isdecimal())


def until(folder, n_updates, and_checkpoint=True, timeout_s=120.0):
    """Wait until a run has so many updates."""
    begun, file = time.monotonic(), folder / "metrics.jsonl"
    while time.monotonic() - begun < timeout_s:
        done = len(file.read_bytes().splitlines()) if file.exists() else 0
        if done >= n_updates and (checkpoints(folder) or not and_checkpoint):
            return
        time.sleep(0.1)
    raise AssertionError(f"{folder} does not come to update {n_updates}")


def numbers(folder):
    """Metrics of a run but for times, and its last checkpoint."""
    rows = metrics.read_metrics(folder)
    assert len(rows["update"]) == len(set(rows["update"]))
    record = json.loads((folder / "checkpoints" / str(checkpoints(folder)[-1]) / "record" / "metadata").read_text())
    return {name: x for name, x in rows.items() if name != "seconds"}, record["state"]


def check_close(one, other, relative=1e-5):
    for name, x in one.items():
        np.testing.assert_allclose(other[name], x, rtol=relative, atol=relative * max(np.max(np.abs(x)), 1e-6))


@pytest.mark.parametrize(
    ("worlds", "of_each", "wanted", "used"),
    [(64, (4, 4), None, 8), (64, (4, 4), 4, 4), (6, (4, 4), None, 2), (64, (3, 8), None, 4), (64, (8, 8), None, 8)],
)
def test_of_each_process_as_many_devices(monkeypatch, worlds, of_each, wanted, used):
    there = [SimpleNamespace(process_index=i) for i, n in enumerate(of_each) for _ in range(n)]
    monkeypatch.setattr(jax, "process_count", lambda: len(of_each))
    monkeypatch.setattr(jax, "devices", lambda: there)
    chosen = [device.process_index for device in usable_by_all(worlds, wanted, at_most=8)]
    assert chosen == [i for i in range(len(of_each)) for _ in range(used // len(of_each))]


@pytest.mark.parametrize(("worlds", "processes", "wanted"), [(64, 3, None), (5, 2, None), (64, 4, 2), (64, 16, None)])
def test_worlds_that_processes_cannot_share_are_refused(monkeypatch, worlds, processes, wanted):
    there = [SimpleNamespace(process_index=i) for i in range(processes)]
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    monkeypatch.setattr(jax, "devices", lambda: there)
    with pytest.raises(ValueError, match=f"cannot be shared equally by {processes} processes"):
        usable_by_all(worlds, wanted, at_most=8)


@pytest.mark.parametrize(("nodes", "visible"), [("2", None), ("1", "1")])
def test_a_step_of_slurm_says_who_is_where(monkeypatch, nodes, visible):
    step = {"JOB_ID": "4711", "STEP_NODELIST": "node[07-08]", "NTASKS": "2", "PROCID": "1", "LOCALID": "1"}
    for name, value in {**step, "STEP_NUM_NODES": nodes}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    changed = {}
    monkeypatch.setattr(jax.config, "update", changed.__setitem__)
    hosts.check_address(None, None, None, os.environ)
    address, processes, rank = hosts._of_slurm()
    assert address.startswith("node07:")
    assert (processes, rank) == (2, 1)
    assert changed == ({} if visible is None else {"jax_cuda_visible_devices": visible})


def test_two_processes_are_one_of_as_many_devices(tmp_path):
    words = (*SHARED, "--updates", "200", "--json", "--out")
    (_, said, lines), (_, silent, other) = run(tmp_path, 2, *words, "two")
    assert json.loads(said)["updates"] == 200
    assert silent == ""
    assert other == []
    assert "4 x cpu in 2 processes, 4 worlds on each" in lines[0]
    run(tmp_path, 1, *words, "one", devices=4)
    two, one = (sorted(str(p.relative_to(tmp_path / n)) for p in (tmp_path / n).iterdir()) for n in ("two", "one"))
    assert two == one
    assert [p.name for p in tmp_path.iterdir() if p.name not in ("one", "two")] == []
    check_close(numbers(tmp_path / "one")[0], numbers(tmp_path / "two")[0])


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_where_one_is_killed_the_other_ends_and_the_run_goes_on(tmp_path, victim):
    begun = start(tmp_path, 2, *SHARED, "--updates", "50000", "--out", "run")  # more than a quick machine does in time
    until(tmp_path / "run", 50)
    begun[victim].kill()
    at_s = time.monotonic()
    outcomes = ended(begun)
    assert time.monotonic() - at_s < 60
    status, _, lines = outcomes[1 - victim]
    assert status == 1
    assert lines[-1].startswith(f"jaxvec: error: process {victim} of 2 is gone: no sign of life for 20 s; ")
    assert "`jaxvec train --resume run`" in lines[-1]
    assert not any("Traceback" in line for line in lines)
    last = checkpoints(tmp_path / "run")[-1]
    run(tmp_path, 2, "--resume", "run", "--updates", str(last + 50))
    run(tmp_path, 1, "--resume", "run", "--updates", str(last + 100), devices=1)
    run(tmp_path, 2, *SHARED, "--updates", str(last + 100), "--out", "whole")
    check_close(numbers(tmp_path / "whole")[0], numbers(tmp_path / "run")[0])


@pytest.mark.slow
def test_a_signal_to_one_ends_all_and_the_run_goes_on_to_the_bit(tmp_path):
    begun = start(tmp_path, 2, *SHARED, "--updates", "3000", "--out", "run")
    until(tmp_path / "run", 30, and_checkpoint=False)
    begun[1].send_signal(signal.SIGTERM)
    outcomes = ended(begun)
    assert [status for status, _, _ in outcomes] == [143, 143]
    assert "stopped by SIGTERM; update " in outcomes[0][2][-1]
    assert "stopped by SIGTERM; `jaxvec train --resume run` goes on" in outcomes[1][2][-1]
    wanted = str(checkpoints(tmp_path / "run")[-1] + 50)
    run(tmp_path, 2, "--resume", "run", "--updates", wanted)
    run(tmp_path, 2, *SHARED, "--updates", wanted, "--out", "whole")
    assert numbers(tmp_path / "run")[1] == numbers(tmp_path / "whole")[1]


@pytest.mark.slow
def test_what_one_refuses_ends_all_with_its_reason(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text("")
    outcomes = ended(start(tmp_path, 2, *SHARED, "--out", "run"))
    assert [status for status, _, _ in outcomes] == [2, 1]
    assert "run holds a run already" in outcomes[0][2][-1]
    assert "process 0 has ended: run holds a run already" in outcomes[1][2][-1]


@pytest.mark.slow
def test_processes_that_were_started_otherwise_are_refused(tmp_path):
    outcomes = ended(start(tmp_path, 2, *SHARED, "--set", "rate=0.2", "--out", "run", of_last=("--seed", "1")))
    assert [status for status, _, _ in outcomes] == [1, 2]
    assert "process 1 has ended: one of the processes was started with another train.key" in outcomes[0][2][-1]
    assert "one of the processes was started with another train.key than the first" in outcomes[1][2][-1]
    assert list(tmp_path.iterdir()) == [], "a run that fails before its first update leaves nothing behind"


@pytest.mark.slow
def test_one_that_compiles_for_longer_than_collectives_wait_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("SLOW_S", "40")  # gloo waits for 30 s
    run(tmp_path, 2, *SHARED, "--updates", "2", "--out", "two")


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["ippo", "masac", "apg"])
def test_learners_in_two_processes(tmp_path, learner):
    words = ["isac_iov", "--learner", learner, "--worlds", "16", "--updates", "5"]
    sizes = ["--set", "n_vehicles=2", "n_rsus=2", "horizon=4", "hidden=8"]
    run(tmp_path, 2, *words, *sizes, "--out", "two")
    run(tmp_path, 1, *words, *sizes, "--out", "one", devices=4)
    check_close(numbers(tmp_path / "one")[0], numbers(tmp_path / "two")[0], 1e-5 if learner == "ippo" else 1e-4)
