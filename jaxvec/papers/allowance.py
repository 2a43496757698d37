"""What may be trained, and for how long: the rest is not begun, and is said to be missing."""

import math
import time
from collections.abc import Collection, Iterable, Mapping

from jaxvec.papers.runs import Run
from jaxvec.papers.series import Cell


class Allowance:
    """Minutes for training, what is trained in them, and how long learners have taken so far.

    Args:
        minutes: from now on; None: as long as it takes.
        series: names of those that are trained; None: all.
    """

    def __init__(self, minutes: float | None = None, series: Collection[str] | None = None):
        self.minutes, self.series = minutes, series
        self.until = math.inf if minutes is None else time.monotonic() + 60 * minutes
        self._pace: dict[str, tuple[float, int]] = {}  # by learner, seconds and runs

    def __repr__(self) -> str:
        return f"Allowance({self.minutes}, {self.series})"

    def covers(self, series: str) -> bool:
        """Whether a series is among those that are trained."""
        return self.series is None or series in self.series

    def note(self, learner: str, runs: Iterable[Run]) -> None:
        """Count what runs have taken.

        Args:
            learner: its name.
            runs: made, or read.
        """
        seconds, count = self._pace.get(learner, (0.0, 0))
        each = [sum(run.seconds.values()) for run in runs]
        self._pace[learner] = seconds + sum(each), count + len(each)

    def lasts(self, learner: str, runs: int) -> bool:
        """Whether a program would end in time: at the pace of what has been, or, of a learner's first, if any is left.

        Args:
            learner: its name.
            runs: how many the program makes.
        """
        seconds, count = self._pace.get(learner, (0.0, 0))
        return time.monotonic() + runs * seconds / max(count, 1) < self.until


class MissingRunsError(LookupError):
    """Data are asked for runs that were not made.

    Args:
        cell: of the first that are missed.
    """

    def __init__(self, cell: Cell):
        super().__init__(f"{cell[0]} at {cell[1]:g} was not made, for want of time")


def in_words(missing: Mapping[Cell, int], seconds: float) -> str:
    """What is missing for want of time; empty if nothing is.

    Args:
        missing: runs by cell.
        seconds: that a run takes; NaN if none was made.
    """
    if not missing:
        return ""
    names = list(dict.fromkeys(name for name, _ in missing))
    count = sum(missing.values())
    hours = "" if math.isnan(seconds) else f", about {count * seconds / 3600:.2g} h on this device"
    return f"for want of time {count} runs are missing{hours}: of {', '.join(names)}"
