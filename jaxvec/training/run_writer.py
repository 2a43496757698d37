"""A run folder while a training writes it: whose it is, what stands in it, and what is left of it."""

import contextlib
import json
import os
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import jax
import numpy as np

from jaxvec.core import processes
from jaxvec.core.locks import locked, there_are_locks
from jaxvec.training import metrics
from jaxvec.training.checkpoints import Checkpoints
from jaxvec.training.config import ConfigError, differences, digest, read_config, write_config
from jaxvec.training.custom import differences_of_networks
from jaxvec.training.signals import NOTHING_KEPT, Stopped

LOCK = "lock"
TRAINED = (metrics.NAME, "checkpoints")  # what only a training that had begun leaves
FLUSH_S = 1  # after so long TensorBoard's events are on the disk
FILES = ("config.json", "params.npz", metrics.NAME)


class RunWriter:
    """The folder of a run, which nobody else writes meanwhile; a context that closes it.

    A new run that fails before its first update leaves nothing behind.

    Args:
        path: of the folder; made if need be.
        config: the run's, as `config_of` makes it.
        params: the environment's.
        resume: go on with the run in the folder, if there is one.
    Raises:
        ConfigError: another training writes there; it holds a run, or what is left of one, and `resume` is False; the run there
            has another configuration, or none.
    """

    def __init__(self, path: Path, config: dict[str, Any], params: Any, resume: bool):
        self.path, self.start, self._planned = path, 0, config["train"]["num_updates"]
        _check_remnants(path, resume)
        self._made = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(path)
        self._log: TextIO | None = None
        self._board: Any = None
        self._fresh = False  # whether all that stands there is of this training, which has not come to its first update
        try:
            _check_remnants(path, resume)
            for name in FILES:
                for half in path.glob(f".{Path(name).stem}.*{Path(name).suffix}"):  # written when a kill came
                    half.unlink()
            if (path / "config.json").exists():
                _check_config(path, config)
            else:
                self._fresh = True
                write_config(path, config, params)
            self.checkpoints = Checkpoints(path, config["train"]["impl"], digest(config))
            self.checkpoints.clean()
            self.saved = max(self.checkpoints.updates(), default=0)
        except BaseException:
            self._release()
            raise

    def begin(self, fresh: Callable[[], Any], say: Callable[[str], None]) -> Any:
        """The state of the last checkpoint that can be read, or None if there is none yet; makes the log fit to it.

        Args:
            fresh: makes a fresh state, whose structure, shapes and types it has.
            say: writes a line, here of damaged checkpoints.
        Raises:
            ConfigError: the checkpoints there cannot be used; the message says why.
            ValueError: the run has more updates already.
        """
        state = None
        if self.checkpoints.updates():
            self.start, state, damaged = self.checkpoints.restore(jax.eval_shape(fresh))
            if damaged:
                say(damaged)
            if self.start > self._planned:
                raise ValueError(
                    f"{self.path} has {self.start} updates already, more than {self._planned}: say how many it shall have in all"
                )
        processes.share(json.dumps({"path": str(self.path), "start": None if state is None else self.start}))
        self.saved, self._saved_at = self.start, time.perf_counter()
        self._seconds = metrics.keep_until(self.path, self.start)
        self._log = (self.path / metrics.NAME).open("a")
        return state

    def log(self, rows: dict[str, np.ndarray], done: int, steps: int, elapsed: float) -> None:
        """Append a line per update.

        Args:
            rows: of each metric `(updates,)` or `(updates, seeds)`.
            done: updates before these.
            steps: world-slots of an update.
            elapsed: seconds since this training began [s].
        """
        assert self._log is not None
        self._log.write(metrics.lines_of(rows, done, steps, self._seconds + elapsed))
        self._log.flush()
        self._fresh = False
        self._board = self._board or _board(self.path, self.start)
        for name, x in rows.items() if self._board else ():
            for i, value in enumerate(x):
                self._board.add_scalar(name, float(np.mean(value)), done + i + 1)

    def is_due(self, every_s: float) -> bool:
        """Whether it is time for a checkpoint.

        Args:
            every_s: seconds between two checkpoints [s].
        """
        return time.perf_counter() - self._saved_at >= every_s

    def save(self, done: int, state: Any) -> None:
        """A checkpoint, if there is none of so many updates.

        Args:
            done: updates that the state has seen.
            state: of the learner.
        """
        if done > self.saved:
            self.checkpoints.save(done, state)
            self.saved, self._saved_at = done, time.perf_counter()

    def _kept(self) -> str:
        """In words, what of the run is kept, and how it goes on."""
        if self._fresh:
            return NOTHING_KEPT
        there = f"update {self.saved} of {self._planned} is" if self.saved else "no update is yet"
        on = f"`jaxvec train --resume {self.path}`, or train(..., out={str(self.path)!r}, resume=True), goes on"
        return f"{there} kept in {self.path}: {on}"

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if self._log:
            self._log.close()
        if self._board:
            self._board.close()
        words = self._kept()
        self._release()
        if isinstance(error, Stopped):
            said = f"stopped by {signal.Signals(error.signum).name}; {words}"
            raise Stopped(said, error.signum, error.everywhere) from None
        if isinstance(error, processes.HostLostError):
            raise processes.HostLostError(f"{error}; {words}") from None

    def _release(self) -> None:
        """Give the folder free; of a new run that did not come to its first update, take away what it has written."""
        if self._fresh:
            for name in (*FILES, LOCK):
                (self.path / name).unlink(missing_ok=True)
            for folder in self._made:
                with contextlib.suppress(OSError):  # there is something of somebody else's in it
                    folder.rmdir()
        os.close(self._lock)


def _check_remnants(path: Path, resume: bool) -> None:
    """Refuse a folder that holds what is left of a run, but for a run that can go on."""
    found = [name for name in (*FILES, "checkpoints") if (path / name).exists()]
    if not resume and found:
        raise ConfigError(
            f"{path} holds a run already, or what is left of one ({', '.join(found)}): resume it, or choose another folder"
        )
    left = [name for name in TRAINED if name in found]
    if "config.json" not in found and left:
        raise ConfigError(f"{path} has {' and '.join(left)} of a run, but no config.json: it cannot go on")


def _check_config(path: Path, config: dict[str, Any]) -> None:
    """Refuse to go on with a run of another configuration."""
    before = read_config(path)
    lines = differences(config, before)
    lines += differences_of_networks(config["learner"]["custom"], before["learner"]["custom"])
    if lines:
        raise ConfigError(f"{path} was made by another configuration: " + "; ".join(lines))


def _locked(path: Path) -> int:
    """The lock of a folder, as an open file; the system gives it free when the process ends, however it ends.

    Raises:
        ConfigError: another training has it.
    """
    try:
        file, reason = locked(path / LOCK)
    except BlockingIOError:
        holder = _holder(path / LOCK)
        raise ConfigError(f"{path}: another training writes there (process {holder}): wait until it ends") from None
    if reason and there_are_locks():
        warnings.warn(f"{path}: cannot be locked ({reason}): let no other training write there", stacklevel=3)
    os.truncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    return file


def _holder(lock: Path) -> str:
    """Who has written itself into a lock."""
    with contextlib.suppress(OSError):
        return lock.read_text(errors="replace")[:20].strip() or "unknown"
    return "unknown"


def _board(path: Path, start: int) -> Any:
    """A TensorBoard writer where tensorboardX is installed, whose events can be read while the run goes on.

    Args:
        path: of the run's folder.
        start: updates before this training; what an interrupted one told of later ones TensorBoard shows no more.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        return None
    folder = str(path / "tensorboard")
    return SummaryWriter(folder, purge_step=start + 1, flush_secs=FLUSH_S, filename_suffix=f".{start}")
