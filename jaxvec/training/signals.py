"""SIGINT and SIGTERM while a training runs: the first waits for the running chunk, which is then kept; a second does not wait."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from jaxvec.core import processes

T = TypeVar("T")
NOTHING_KEPT = "before the first update: nothing is kept"


class Stopped(KeyboardInterrupt):
    """A training that a signal has ended; the message says what is kept, and how to go on.

    Args:
        message: in words.
        signum: the signal.
        everywhere: whether all processes have agreed to end, see `jaxvec.core.processes.together`.
    """

    def __init__(self, message: str, signum: int, everywhere: bool = False):
        super().__init__(message)
        self.signum, self.everywhere = signum, everywhere


class Signals:
    """Catches SIGINT and SIGTERM within a `with` block of the main thread; elsewhere, and if not `wanted`, it does nothing.

    Args:
        wanted: whether there is something that could be kept.
    """

    def __init__(self, wanted: bool):
        self._wanted = wanted and threading.current_thread() is threading.main_thread()
        self._before: dict[int, Any] = {}
        self.patient = False  # whether the first signal waits for the end of a chunk
        self.received: int | None = None  # the signal that waits
        self._told = False  # whether that was said

    def __enter__(self) -> "Signals":
        if self._wanted:
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._before[signum] = signal.signal(signum, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        if self.received is not None or not self.patient:
            raise Stopped("", signum)
        self.received = signum

    def heard(self, run: Callable[[], T], say: Callable[[str], None]) -> T:
        """What `run` returns, called in such a way that a signal is heard meanwhile, as it is not inside of JAX.

        Args:
            run: runs a program to its end.
            say: writes a line.
        Raises:
            Stopped: a second signal has come.
            HostLostError: of several processes one is lost.
        """
        if not self._before and processes.count() == 1:
            return run()

        def look() -> None:
            if self.received is not None and not self._told:
                say(f"{signal.Signals(self.received).name}: waits for the running chunk; once more ends it at once")
                self._told = True

        return processes.watched(run, look)
