"""Commands whose work is kept piece by piece: shared by several workers, stopped by SIGINT or SIGTERM, called again."""

import argparse
import atexit
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from jaxvec.core.claims import Part
from jaxvec.training.signals import Signals, Stopped

T = TypeVar("T")


def stoppable(run: Callable[[], T], kept: str) -> T:
    """What `run` returns; a signal ends it at once, even while JAX compiles.

    Args:
        run: keeps what it finishes, whole.
        kept: says what is kept, and how to go on.
    Raises:
        Stopped: a signal has come; the process then ends with its status, whatever `run` is at.
    """
    with Signals(True) as signals:
        try:
            return signals.heard(run, lambda text: None)
        except Stopped as stopped:
            if sys.stderr.isatty():
                sys.stderr.write("\n")  # below the line of progress
            atexit.register(os._exit, 128 + stopped.signum)  # before threads are torn down in which programs still run
            raise Stopped(f"stopped by {signal.Signals(stopped.signum).name}; {kept}", stopped.signum) from None


def goes_on(folder: Path) -> str:
    """In words, what is kept of a command that has been stopped.

    Args:
        folder: of its work.
    """
    return f"what is finished is kept in {folder}: the same command goes on"


def part_of(text: str | None) -> Part | None:
    """The option `--part`.

    Args:
        text: as given, K/N; None: it is not.
    Raises:
        ValueError: it is not of that form.
    """
    return None if text is None else Part.parse(text)


def part_argument(text: str) -> Part:
    """The same for the parser of a script.

    Args:
        text: as given.
    Raises:
        ArgumentTypeError: it is not of that form.
    """
    try:
        return Part.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def left_to_others(names: Sequence[str]) -> str:
    """In words, what other workers are at.

    Args:
        names: of the units, at least one.
    """
    return (
        f"{len(names)} left to other workers, who are at it: {'; '.join(names)}. The last of them, or the same command without "
        "--part, puts the results together"
    )
