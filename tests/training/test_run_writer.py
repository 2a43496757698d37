"""A run folder while it is written: by one training at a time, with nothing of another run in it, and not at all for nothing."""

import io
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training.counter import counting

from jaxvec.training import ConfigError, TrainingError, train
from jaxvec.training.config import config_of
from jaxvec.training.metrics import read_metrics
from jaxvec.training.run_follower import RunFollower
from jaxvec.training.run_writer import LOCK, RunWriter
from jaxvec.training.signals import Stopped

KEY = jax.random.key(0)
PARAMS = counting().env.default_params()


def run(out, updates=4, learner=None, key=KEY, progress=False, **options):
    return train(learner or counting(), PARAMS, key, updates, out=out, chunk=1, progress=progress, **options)


@pytest.mark.parametrize("kept", ["config.json", "params.npz", "metrics.jsonl", "checkpoints"])
def test_a_folder_with_anything_of_a_run_is_refused_by_a_new_one(tmp_path, kept):
    run(tmp_path)
    for name in {"config.json", "params.npz", "metrics.jsonl", "checkpoints"} - {kept}:
        path = tmp_path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ConfigError, match=rf"holds a run already, or what is left of one \({re.escape(kept)}\)"):
        run(tmp_path, key=jax.random.key(1))
    if kept in ("metrics.jsonl", "checkpoints"):
        with pytest.raises(ConfigError, match=rf"has {re.escape(kept)} of a run, but no config.json: it cannot go on"):
            run(tmp_path, resume=True)
    assert kept in os.listdir(tmp_path)


def test_a_run_killed_before_its_configuration_was_whole_begins_again(tmp_path):
    run(tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    shutil.copy(tmp_path / "whole" / "params.npz", tmp_path / "killed")
    (tmp_path / "killed" / ".config.x1.json").write_text("{")
    run(tmp_path / "killed", resume=True)
    assert sorted(os.listdir(tmp_path / "killed")) == sorted(os.listdir(tmp_path / "whole"))
    assert {"config.json", "params.npz", "metrics.jsonl", "checkpoints", LOCK} <= set(os.listdir(tmp_path / "whole"))


HOLDS = """
import fcntl, os, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print(os.getpid(), file=file, flush=True)
print("has it", flush=True)
time.sleep(99)
"""


def test_a_second_training_is_refused_until_the_first_ends_or_is_killed(tmp_path):
    run(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / LOCK)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "has it\n"
        with pytest.raises(
            ConfigError, match=rf"another training writes there \(process {first.pid}\): wait until it ends$"
        ):
            run(tmp_path, updates=5, resume=True)
        first.kill()
    assert run(tmp_path, updates=5, resume=True).metrics["reward"].shape == (1,)
    run(tmp_path, updates=5, resume=True)  # nothing to do, and the lock was given back


def test_two_trainings_of_one_process_do_not_meet_either(tmp_path):
    learner = counting()
    config = config_of(learner, PARAMS, learner.hyper, KEY, num_updates=4, num_seeds=1, chunk=1)
    with (
        RunWriter(tmp_path / "r", config, PARAMS, False),
        pytest.raises(ConfigError, match="another training writes there"),
    ):
        RunWriter(tmp_path / "r", config, PARAMS, True)
    assert list(tmp_path.iterdir()) == [], "and neither came to an update"


def test_fewer_updates_than_there_are_is_refused(tmp_path):
    run(tmp_path, updates=5)
    with pytest.raises(ValueError, match="has 5 updates already, more than 4: say how many it shall have in all"):
        run(tmp_path, updates=4, resume=True)


def fails(state):
    raise TypeError("shapes")


@pytest.mark.parametrize("parents", [[], ["runs", "new"]])
def test_a_run_that_fails_before_its_first_update_leaves_no_folder(tmp_path, parents):
    out = tmp_path.joinpath(*parents) if parents else tmp_path
    with pytest.raises(TypeError, match="shapes"):
        run(out, learner=counting(fails))
    with pytest.raises(TrainingError, match=r"update 1: reward is nan$"):
        run(out, learner=counting()._replace(update=lambda s: (s, {"reward": s.total * jnp.nan})))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TypeError, match="shapes"):
        run(out, learner=counting(fails))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_that_fails_later_or_goes_on_keeps_its_folder(tmp_path):
    run(tmp_path)
    with pytest.raises(TypeError, match="shapes"):
        run(tmp_path, updates=6, learner=counting(fails), resume=True)
    assert run(tmp_path, updates=6, resume=True).metrics["reward"].shape == (2,)


class Says(io.StringIO):
    """A stream that raises signals once a word was written."""

    def __init__(self, word, *signals):
        super().__init__()
        self.word, self.signals = word, signals

    def write(self, text):
        if self.word in text:
            self.word = "\0"
            for signum in self.signals:
                signal.raise_signal(signum)
        return super().write(text)

    def isatty(self):
        return True  # so that every chunk is told of


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_running_chunk_and_says_how_to_go_on(tmp_path, signum):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    words = (
        rf"stopped by {signum.name}; update 3 of 6 is kept in .*: `jaxvec train --resume .*`, or train\(.*\), goes on"
    )
    with pytest.raises(Stopped, match=words) as stopped:
        run(tmp_path, updates=6, progress=Says("update 3/", signum))
    assert stopped.value.signum == signum
    assert isinstance(stopped.value, KeyboardInterrupt)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
    resumed = run(tmp_path, updates=6, resume=True)
    np.testing.assert_array_equal(read_metrics(tmp_path)["reward"], run(None, updates=6).metrics["reward"])
    assert resumed.metrics["reward"].shape == (3,)


def test_a_signal_while_it_compiles_leaves_nothing(tmp_path):
    with pytest.raises(Stopped, match="stopped by SIGINT; before the first update: nothing is kept"):
        run(tmp_path / "r", progress=Says("compiling", signal.SIGINT))
    assert list(tmp_path.iterdir()) == []
    run(tmp_path, updates=4)
    with pytest.raises(Stopped, match="update 4 of 6 is kept"):
        run(tmp_path, updates=6, resume=True, progress=Says("compiling", signal.SIGINT))


@pytest.mark.parametrize(
    ("updates", "words"), [(0, "before the first update: nothing is kept"), (1, "goes on from what is kept")]
)
def test_a_process_that_writes_nothing_says_likewise_what_is_kept(tmp_path, updates, words):
    follower = RunFollower(tmp_path, {})
    for done in range(updates):
        follower.log({}, done, 1, 0.5)
    with pytest.raises(Stopped, match=f"stopped by SIGTERM; .*{words}"), follower:
        raise Stopped("", signal.SIGTERM)


def test_without_a_folder_signals_are_left_alone():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who was started in the background ignores it
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(None, progress=Says("update 3/", signal.SIGINT))
    signal.signal(signal.SIGINT, before)
    assert not isinstance(stopped.value, Stopped)


ENDLESS = """
import sys, jax, jax.numpy as jnp
from training.counter import counting
from jaxvec import shell
from jaxvec.training import train
from jaxvec.training.signals import Signals

def update(state):  # never comes to its end
    return state, {"reward": jax.lax.while_loop(lambda x: x >= 0, lambda x: x + 1, state.total)}

def told(self, run, say):
    print("begun", flush=True)
    return heard(self, run, say)

heard, Signals.heard = Signals.heard, told
learner = counting()._replace(update=update)
go = lambda: train(learner, learner.env.default_params(), jax.random.key(0), 1, out=sys.argv[1])
shell.run({"go": go, "other": go}, "", ["go"])
"""


@pytest.mark.slow
def test_a_second_signal_does_not_wait_for_the_chunk(tmp_path):
    root = Path(__file__).parents[2]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join((str(root), str(root / "tests")))}
    command = [sys.executable, "-c", ENDLESS, str(tmp_path / "r")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        ends_it = threading.Timer(120, process.kill)
        ends_it.start()
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        lines = iter(process.stderr.readline, "")
        assert "SIGINT: waits for the running chunk; once more ends it at once\n" in lines
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        ends_it.cancel()
        assert list(lines) == ["jaxvec: error: stopped by SIGINT; before the first update: nothing is kept\n"]
    assert list(tmp_path.iterdir()) == []


def test_chunks_keep_no_arrays_of_the_device_alive(tmp_path):
    alive = []

    class Counts(io.StringIO):
        def write(self, text):
            alive.append(len(jax.live_arrays()))
            return len(text)

        def isatty(self):
            return True

    run(tmp_path, updates=12, progress=Counts())
    assert len(alive) > 12
    assert len(set(alive[3:-1])) == 1, alive


def events(folder):
    """Events of TensorBoard in the order of their files, each `(update, value of "reward")`, or `(update, "start")`."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    told = []
    for file in sorted((folder / "tensorboard").iterdir()):
        data, at = file.read_bytes(), 0
        while at + 12 <= len(data):  # a record: its length, a sum, itself, a sum
            (length,) = struct.unpack_from("<Q", data, at)
            if at + 16 + length > len(data):  # it is being written
                break
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
            told += [(event.step, value.simple_value) for value in event.summary.value if value.tag == "reward"]
            told += [(event.step, "start")] if event.HasField("session_log") else []
            at += 16 + length
    return told


def test_tensorboard_can_be_read_while_a_run_goes_on(tmp_path):
    learner = counting()
    config = config_of(learner, PARAMS, learner.hyper, KEY, num_updates=4, num_seeds=1, chunk=1)
    with RunWriter(tmp_path, config, PARAMS, resume=False) as writer:
        writer.begin(lambda: {}, print)
        for update in range(2):
            writer.log({"reward": np.array([update + 0.5])}, update, 10, 0.1)
            deadline = time.monotonic() + 60
            while (update + 1, update + 0.5) not in events(tmp_path) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert events(tmp_path)[-1] == (update + 1, update + 0.5)


def test_tensorboard_forgets_what_an_interrupted_run_told_of_later_updates(tmp_path):
    pytest.importorskip("tensorboardX")
    run(tmp_path)
    before = events(tmp_path)
    assert [update for update, _ in before] == [1, 1, 2, 3, 4]
    run(tmp_path, updates=6, resume=True)
    after = events(tmp_path)
    assert after[:5] == before
    assert [update for update, _ in after[5:]] == [5, 5, 6]
    assert [told for told in after if told[1] == "start"] == [(1, "start"), (5, "start")]
