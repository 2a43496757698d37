"""What processes that train together do together: agree, notice that one is gone, and end.

JAX connects them (`jaxvec.core.hosts`) and computes over all their devices. What is added here is what it leaves to programs:
each process gives a sign of life every second and looks for those of the others, in the store of keys and values that they
share; one that fails leaves its reason there; and whoever waits for a computation of all looks meanwhile whether all are
still there. Without other processes nothing here does anything.
"""

import atexit
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")
BEAT_S = 1.0  # between two signs of life
LOOK_S = 0.2  # between two looks at whether all are still there
LOST_AFTER_S = 20.0  # without a sign of life
GRACE_S = 5.0  # for whoever is told that one is lost, before the process is ended
NOW, SAID, HEARD, HERE = (
    "jaxvec/now/",
    "jaxvec/said/",
    "jaxvec/heard/",
    "jaxvec/here/",
)  # of keys: signs of life and failures, what was shared, who knows, who has come to where all meet


class HostLostError(RuntimeError):
    """Another process has ended or does not answer; the message says which, and why if that is known."""


class _Group:
    """This process among the others.

    Args:
        client: of the store that they share.
        rank: of this process.
        count: of all.
        lost_after_s: seconds without a sign of life after which a process is lost [s].
    """

    def __init__(self, client: Any, rank: int, count: int, lost_after_s: float):
        self.client, self.rank, self.count, self.lost_after_s = client, rank, count, lost_after_s
        self.lost = ""  # which process, and why
        self.told = threading.Event()  # whether whoever waits here knows of it
        self.failed = False  # whether this process has told the others that it fails
        self.status: int | None = None  # with which it ends
        self.inside = 0  # of how many `together` it is
        self.said = 0  # how often something was shared
        self.met = 0  # how often all have met
        self.ending = threading.Event()
        self.closing = False  # whether it waits for the others to end, too
        self.service: subprocess.Popen[bytes] | None = None
        self.looked_s = time.monotonic()

    def watch(self) -> None:
        """Give signs of life and look for those of the others, until one is lost."""
        seen: dict[int, tuple[str, float]] = {}
        beat = 0
        while not self.ending.wait(BEAT_S) and not self.lost:
            try:
                beat += 1
                self.client.key_value_set(f"{NOW}{self.rank}", str(beat), allow_overwrite=True)
                found = dict(self.client.key_value_dir_get(NOW))
            except Exception as error:
                if not self.closing:
                    self.lose(f"the coordination service does not answer ({type(error).__name__})")
                return
            self.looked_s = now = time.monotonic()
            if why := found.get(f"{NOW}failed"):
                rank, _, words = why.partition(" ")
                if int(rank) != self.rank:
                    self.lose(f"process {rank} has ended: {words}")
            for rank in {*range(self.count)} - {self.rank}:
                sign = found.get(f"{NOW}{rank}", "")
                if rank not in seen or seen[rank][0] != sign:
                    seen[rank] = sign, now
                elif now - seen[rank][1] > self.lost_after_s:
                    self.lose(f"process {rank} of {self.count} is gone: no sign of life for {self.lost_after_s:.0f} s")

    def lose(self, why: str) -> None:
        """Note that a process is lost, and see to it that this one ends, if it is in the middle of something."""
        if self.lost or self.failed:
            return
        self.lost = why
        with contextlib.suppress(Exception):
            self.client.key_value_set(f"{HEARD}{self.rank}", why, allow_overwrite=True)
        if self.closing or (self.inside and not self.told.wait(GRACE_S)):  # it waits inside JAX
            print(f"jaxvec: error: {why}", file=sys.stderr)
            self.end()

    def check(self) -> None:
        """Raise HostLostError if a process is lost."""
        if not self.lost and time.monotonic() - self.looked_s > self.lost_after_s + BEAT_S and not self.ending.is_set():
            self.lost = f"the coordination service has not answered for {self.lost_after_s:.0f} s"
        if self.lost:
            self.told.set()
            raise HostLostError(self.lost)

    def explain(self, error: BaseException) -> None:
        """Raise HostLostError if an error of JAX comes of a lost process, which takes some seconds to know."""
        until = time.monotonic() + self.lost_after_s + 3 * BEAT_S
        while isinstance(error, jax.errors.JaxRuntimeError) and time.monotonic() < until:
            self.check()
            time.sleep(LOOK_S)

    def announce(self, error: BaseException) -> None:
        """Leave for the others why this process ends."""
        if not (self.failed or self.lost):
            self.failed = True
            words = " ".join(str(error).split()) or type(error).__name__
            with contextlib.suppress(Exception):
                self.client.key_value_set(f"{NOW}failed", f"{self.rank} {words}")

    def linger(self) -> None:
        """Stay until the others have read why this process ends, for some seconds at most."""
        until = time.monotonic() + 3 * BEAT_S
        while self.rank == 0 and not self.lost and time.monotonic() < until:
            try:
                if len(self.client.key_value_dir_get(HEARD)) >= self.count - 1:
                    return
            except Exception:
                return
            time.sleep(LOOK_S)

    def end(self) -> None:
        """End at once, with the status that was to be."""
        leave_at_once(self.status or 1)

    def leave(self) -> None:
        """End with the others, once all are here; or at once where one is lost or fails: JAX would wait for it."""
        error = getattr(sys, "last_value", None)  # which has ended the program
        if error is not None and not isinstance(error, HostLostError):
            self.announce(error)
        self.closing = True
        if self.lost or self.failed:
            self.linger()
            self.end()
        with contextlib.suppress(Exception):
            jax.distributed.shutdown()
        self.ending.set()
        if self.service is not None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self.service.communicate(b"bye", timeout=GRACE_S)


_group: _Group | None = None


def leave_at_once(status: int) -> None:
    """End this process without waiting for computations or for other processes.

    Args:
        status: of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def begin(client: Any, rank: int, count: int, lost_after_s: float, service: Any = None) -> None:
    """Give signs of life from here on, and end with the others.

    Args:
        client: of the store that they share.
        rank: of this process.
        count: of all.
        lost_after_s: seconds without a sign of life after which a process is lost [s].
        service: the process of the coordination service, if it is this one's.
    """
    global _group
    _group = _Group(client, rank, count, lost_after_s)
    _group.service = service
    threading.Thread(target=_group.watch, daemon=True, name="jaxvec-hosts").start()
    atexit.register(_group.leave)  # before JAX's own, as it is registered later


def join() -> None:
    """Join processes that somebody else has connected by `jax.distributed.initialize`, Ray say; else nothing."""
    from jax._src import distributed

    state = distributed.global_state
    if _group is None and state.client is not None and state.num_processes > 1:
        begin(state.client, state.process_id, state.num_processes, LOST_AFTER_S)


def count() -> int:
    """How many processes there are."""
    return _group.count if _group else 1


def is_first() -> bool:
    """Whether this is process 0, or the only one: who writes and speaks."""
    return _group is None or _group.rank == 0


def check() -> None:
    """Look whether all processes are still there.

    Raises:
        HostLostError: one is not.
    """
    if _group:
        _group.check()


def note_status(status: int) -> None:
    """Note with which status this process is about to end: where others are lost, none is asked of it again.

    Args:
        status: of the process.
    """
    if _group:
        _group.status = status


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Inside, what one process raises ends the others too, in seconds, and they say why.

    Errors whose attribute `everywhere` is true come in all processes alike, and are nobody's failure.
    """
    if _group is None:
        yield
        return
    _group.inside += 1
    try:
        yield
    except BaseException as error:
        if not isinstance(error, HostLostError) and not getattr(error, "everywhere", False):
            _group.announce(error)
        raise
    finally:
        _group.inside -= 1


def watched(run: Callable[[], T], look: Callable[[], None] = lambda: None) -> T:
    """What `run` returns, called in a thread of its own, so that signals and lost processes are noticed meanwhile.

    Args:
        run: waits for a computation.
        look: called every now and then meanwhile.
    Raises:
        HostLostError: a process is lost; the thread may hang then.
    """
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(run())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    while True:
        with contextlib.suppress(TimeoutError):
            outcome.exception(LOOK_S)
        if outcome.done():
            break
        check()
        look()
    error = outcome.exception()
    if error is not None and _group:
        _group.explain(error)
    return outcome.result()


def share(text: str) -> str:
    """What process 0 says, in all processes; each calls this equally often.

    Args:
        text: of process 0; of the others it is not looked at.
    Raises:
        HostLostError: a process is lost.
    """
    if _group is None:
        return text
    _group.said += 1
    key = f"{SAID}{_group.said}"
    if _group.rank == 0:
        _group.client.key_value_set(key, text)
        return text
    while True:
        _group.check()
        try:
            return str(_group.client.blocking_key_value_get(key, 500))
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                _group.explain(error)
                raise


def meet() -> None:
    """Wait until all processes are here, however long they compile: what they then compute together waits for seconds alone.

    Raises:
        HostLostError: a process is lost.
    """
    if _group is None:
        return
    _group.met += 1
    here = f"{HERE}{_group.met}/"
    _group.client.key_value_set(f"{here}{_group.rank}", "")
    while True:
        _group.check()
        try:
            if len(_group.client.key_value_dir_get(here)) == _group.count:
                return
        except jax.errors.JaxRuntimeError as error:
            _group.explain(error)
            raise
        time.sleep(LOOK_S)


def gathered(*numbers: int) -> np.ndarray:
    """Whole numbers of all processes, int `(processes, n)`.

    Args:
        numbers: of this one, n of them.
    """
    if _group is None:
        return np.asarray([numbers])
    from jax.experimental.multihost_utils import process_allgather

    return np.asarray(process_allgather(np.asarray(numbers, np.int32))).reshape(_group.count, -1)
