"""Work that several processes share, on one machine or on many that see one folder: a unit is made by one of them at a time.

A unit is claimed by a lock on a file, which the system gives free when the process that holds it ends, however it ends: what a
killed worker leaves is taken up by another, or by a later call. Over NFS this needs locks that reach the server (NFS 4, or a
lock daemon; a mount with `local_lock` or `nolock` keeps them to one machine), and clients notice a machine that has gone after
the server's lease, a minute or so.
"""

import contextlib
import hashlib
import os
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from jaxvec.core.locks import locked, there_are_locks

T = TypeVar("T")
LOOK_S = 0.5  # between looks at whether what others hold is free


class Part(NamedTuple):
    """Which of the workers that share some work one is.

    Attributes:
        number: its own, from 1 on.
        workers: how many there are.
    """

    number: int
    workers: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """A part as it is written, `2/8`.

        Args:
            text: of the form K/N.
        Raises:
            ValueError: it is not of that form, or K is not from 1 to N.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        part = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= part.number <= part.workers:
            raise ValueError(f"--part takes K/N, K from 1 to N, as 2/8, not {text!r}")
        return part

    def order(self, things: Sequence[T]) -> list[T]:
        """What is tried first: every N-th from the K-th on, which are the worker's own, then those of the next worker, and so on.

        Args:
            things: of all workers, the same in each.
        """
        first = self.number - 1
        return [things[i] for i in sorted(range(len(things)), key=lambda i: ((i - first) % self.workers, i))]


ALONE = Part(1, 1)


class Unit(NamedTuple):
    """A piece of work that is made as a whole.

    Attributes:
        name: in words.
        claim: a context that says whether the unit is now this process's, and gives it free at its end.
        done: whether it is finished, by whomever.
        make: makes it, and keeps it.
    """

    name: str
    claim: Callable[[], AbstractContextManager[bool]]
    done: Callable[[], bool]
    make: Callable[[], Any]


class Claims:
    """The locks of the work in a folder; their own folder is there while something is claimed.

    Args:
        folder: for the files of the locks.
        required: whether a file system without locks is refused; else it is warned of, once.
    """

    def __init__(self, folder: Path, required: bool = False):
        self._folder, self._required, self._warned = folder, required, False

    @contextmanager
    def of(self, name: str, wait: bool = False) -> Iterator[bool]:
        """A context in which a unit is this process's, if nobody else has it.

        Args:
            name: of the unit, the same for all who share it.
            wait: until it is free.
        Yields:
            Whether it is.
        Raises:
            ValueError: locks are required, and cannot be had here.
        """
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]
        path = self._folder / f"{re.sub('[^a-z0-9]+', '-', name.lower())[:40].strip('-')}-{digest}.lock"
        file = self._taken(path)
        while file is None and wait:
            time.sleep(LOOK_S)
            file = self._taken(path)
        try:
            yield file is not None
        finally:
            if file is not None:
                self._release(file, path)

    def _taken(self, path: Path) -> int | None:
        """The file, open and locked (where there are locks); None: another process has it."""
        while True:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                file, reason = locked(path)
                break
            except BlockingIOError:
                return None
            except FileNotFoundError:  # whoever had the last lock has just removed the folder
                continue
        if reason and self._required:
            self._release(file, path)
            raise ValueError(f"{self._folder}: cannot be locked ({reason}), as parts of shared work need")
        if reason and there_are_locks() and not self._warned:
            warnings.warn(f"{self._folder}: cannot be locked ({reason}): let no other work there", stacklevel=4)
            self._warned = True
        os.truncate(file, 0)
        os.write(file, f"{socket.gethostname()}, process {os.getpid()}\n".encode())
        return file

    def _release(self, file: int, path: Path) -> None:
        """Remove a lock and give it free; with the last one goes the folder."""
        if not there_are_locks():  # there, no file is removed while it is open
            os.close(file)
        with contextlib.suppress(OSError):
            path.unlink()
        if there_are_locks():
            os.close(file)
        with contextlib.suppress(OSError):  # there are others in it
            self._folder.rmdir()


def work(units: Sequence[Unit], part: Part | None = None, say: Callable[[str], Any] = lambda text: None) -> list[str]:
    """Make what is not finished and nobody else is making; after each unit all are looked at again.

    A unit that fails does not keep this worker from the others.

    Args:
        units: the same for all workers.
        part: which worker this is, who ends when all that is left is being made by others; None: one who waits for it, and takes
            up what others leave unfinished.
        say: writes a line, of what is waited for.
    Returns:
        Names of the units that others are making.
    Raises:
        RuntimeError: a unit has failed, and everything else is finished or left to others.
    """
    left, failed, waits = (part or ALONE).order(units), dict[int, RuntimeError](), False
    while left := [unit for unit in left if id(unit) not in failed and not unit.done()]:
        if any(_made(unit, say, failed) for unit in left):
            waits = False
            continue
        left = [unit for unit in left if not unit.done()]
        if part is not None or not left:
            break
        if not waits:
            say(f"waits for another process, which is at {'; '.join(unit.name for unit in left)}")
        waits = True
        time.sleep(LOOK_S)
    _raise_first(failed)
    return [unit.name for unit in left]


def _made(unit: Unit, say: Callable[[str], Any], failed: dict[int, RuntimeError]) -> bool:
    """Whether a unit was this process's to make; if it failed, that is said and noted."""
    with unit.claim() as mine:
        if not mine or unit.done():
            return False
        try:
            unit.make()
        except RuntimeError as error:
            say(f"{unit.name} has failed, and is left out: {error}")
            failed[id(unit)] = error
    return True


def _raise_first(failed: dict[int, RuntimeError]) -> None:
    for error in failed.values():
        raise error
