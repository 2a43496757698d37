"""SIGINT and SIGTERM while a training runs: the first waits for the running chunk, which is then kept; a second does not wait."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
LOOK_S = 0.2  # between looks at whether a signal has come, while a chunk runs


class Stopped(KeyboardInterrupt):
    """A training that a signal has ended; the message says what is kept, and how to go on.

    Args:
        message: in words.
        signum: the signal.
    """

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.signum = signum


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
        """
        if not self._before:
            return run()
        outcome: Future[T] = Future()

        def work() -> None:
            try:
                outcome.set_result(run())
            except BaseException as error:
                outcome.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        told = False
        while True:
            try:
                return outcome.result(LOOK_S)
            except TimeoutError:
                if outcome.done():  # since, or with a TimeoutError of its own
                    return outcome.result()
            if self.received is not None and not told:
                say(f"{signal.Signals(self.received).name}: waits for the running chunk; once more ends it at once")
                told = True
