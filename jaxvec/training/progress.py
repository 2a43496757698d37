"""A line that says how far a long computation is."""

import sys
from typing import TextIO


class Progress:
    """A line that renews itself on a terminal; elsewhere a line now and then.

    Args:
        stream: where it is written; True: stderr, False: nowhere.
        every_s: seconds between two reports of `update` where they are lines of their own.
    """

    def __init__(self, stream: bool | TextIO, every_s: float = 5.0):
        self._stream: TextIO | None
        if isinstance(stream, bool):
            self._stream = sys.stderr if stream else None
        else:
            self._stream = stream
        self._renews = bool(self._stream and self._stream.isatty())
        self._every_s, self._shown_at_s = every_s, -every_s
        self._label, self._unfinished = "", False

    def start(self, label: str) -> None:
        """What is being computed from now on; it is written before each report of `update`."""
        self._label, self._shown_at_s = label, -self._every_s
        self.write(f"{label}: compiling ...")

    def write(self, text: str) -> None:
        """Write a line; on a terminal it takes the place of the one before."""
        if self._stream:
            self._stream.write(f"\r\x1b[K{text}" if self._renews else f"{text}\n")
            self._stream.flush()
            self._unfinished = self._renews

    def update(
        self, done: int, total: int, reward: float, elapsed_s: float, *, start: int = 0, steps: int | None = None
    ) -> None:
        """Report how far training is.

        Args:
            done: updates that are done, those before a resumption included.
            total: updates that there will be.
            reward: the mean of the last episode.
            elapsed_s: seconds since the first update of this call [s].
            start: updates that were done before.
            steps: world-steps of an update, for the speed; None: the speed is left out.
        """
        if not self._renews and done < total and elapsed_s - self._shown_at_s < self._every_s:
            return
        self._shown_at_s = elapsed_s
        filled, here = round(24 * done / total), max(done - start, 1)
        speed = "" if steps is None else f"{here * steps / elapsed_s / 1e3:.1f} k steps/s  "
        self.write(
            f"{self._label}: [{'=' * filled}{' ' * (24 - filled)}] update {done}/{total}  reward {reward:.3f}  {speed}"
            f"{elapsed_s:.0f} s, {(total - done) * elapsed_s / here:.0f} s left"
        )

    def close(self) -> None:
        """End the line, if it is one that renews itself."""
        if self._unfinished and self._stream:
            self._stream.write("\n")
            self._unfinished = False
