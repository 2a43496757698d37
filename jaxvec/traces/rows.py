"""Text files of one row a line, read as a stream: every row is kept, or counted by the reason why it is not."""

import gzip
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from jaxvec.core.npz import RecordError

MAX_LINE_BYTES = 4096  # a longer line is no row of any format here
SHOWN_DAYS = 10  # of those that are absent
GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """The bytes of a file, unzipped if it is gzip, which its first two bytes show."""
    with Path(path).open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if zipped:
            with gzip.open(file) as text:
                yield text
        else:
            yield file


def damage(error: Exception) -> str:
    """What one of `GZIP_ERRORS` means, for a message."""
    if isinstance(error, EOFError):
        return "the gzip data end too early; is the file truncated?"
    return f"the gzip data are damaged: {error}"


@dataclass
class Report:
    """What was read, and what was left out and why.

    Attributes:
        files: read.
        rows: lines met in them.
        kept: rows that count.
        reasons: rows by reason: left out, or kept as missing values.
        refused: files of which no row could be used, and the reason of most of their rows.
        left_out: other things left out, such as trips or stations, by reason.
        cuts: places where a track was cut in two, by reason.
        absent: days of which nobody has a row, as YYYY-MM-DD; they are filled in.
        origin_m: point of the file, or of the plane to which its degrees were projected, that became x = y = 0 [m].
        anchor_deg: latitude and longitude of x = y = 0, where it is known [degree].
        projection: between degrees and metres, where one was used, in words.
    """

    files: int = 0
    rows: int = 0
    kept: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    origin_m: list[float] = field(default_factory=lambda: [0.0, 0.0])
    anchor_deg: list[float] | None = None
    projection: str = ""

    def count(self, reason: str, n: int = 1) -> None:
        """Adds rows to a reason."""
        if n:
            self.reasons[reason] = self.reasons.get(reason, 0) + n

    def cut(self, reason: str, n: int = 1) -> None:
        """Adds cuts to a reason."""
        if n:
            self.cuts[reason] = self.cuts.get(reason, 0) + n

    def add(self, other: "Report") -> None:
        """Adds all that another has counted."""
        self.files, self.rows, self.kept = self.files + other.files, self.rows + other.rows, self.kept + other.kept
        for mine, theirs in ((self.reasons, other.reasons), (self.left_out, other.left_out), (self.cuts, other.cuts)):
            for name, n in theirs.items():
                mine[name] = mine.get(name, 0) + n
        self.refused |= other.refused
        self.absent += other.absent
        self.origin_m, self.anchor_deg, self.projection = other.origin_m, other.anchor_deg, other.projection

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it; `Report(**...)` reads it back."""
        return asdict(self)

    def __str__(self) -> str:
        parts = [f"{self.kept} of {self.rows} rows kept ({self.files} file{'s' * (self.files != 1)})"]
        parts += [f"{reason}: {n}" for reason, n in sorted(self.reasons.items())]
        parts += [f"{what}: {n}" for what, n in sorted(self.left_out.items())]
        parts += [f"cut at a {what}: {n}" for what, n in sorted(self.cuts.items())]
        parts += [f"{len(self.refused)} files refused"] if self.refused else []
        if self.absent:
            more = ", ..." if len(self.absent) > SHOWN_DAYS else ""
            parts.append(f"{len(self.absent)} days without a row: {', '.join(self.absent[:SHOWN_DAYS])}{more}")
        return ", ".join(parts)


def files_of(path: str | Path | Iterable[str | Path]) -> list[Path]:
    """The files meant: of a folder all below it that are not hidden, in order of their names; else those given.

    Args:
        path: a folder, a file, or several.
    Raises:
        FileNotFoundError: there is no such file or folder; the message names it.
        RecordError: there is no file.
    """
    if not isinstance(path, str | Path):
        files = [file for member in path for file in files_of(member)]
    elif Path(path).is_dir():
        below = sorted(Path(path).rglob("*"))
        files = [x for x in below if x.is_file() and not any(p.startswith(".") for p in x.relative_to(path).parts)]
    elif Path(path).exists():
        files = [Path(path)]
    else:
        raise FileNotFoundError(f"there is no file or folder {path}")
    if not files:
        raise RecordError(f"{path}: there is no file to read")
    return files


def lines(path: Path, most_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes | None]:
    """The lines of a file without their ends and the mark of UTF-8; None for one that is too long.

    Args:
        path: the file, plain or gzipped.
        most_bytes: of a line.
    Raises:
        RecordError: the gzip data are damaged; the message names file and line.
        OSError: the file cannot be read.
    """
    number = 0
    with opened(path) as text:
        try:
            while line := text.readline(most_bytes):
                number += 1
                whole = line.endswith(b"\n") or len(line) < most_bytes
                rest = line
                while not rest.endswith(b"\n") and len(rest) == most_bytes:
                    rest = text.readline(most_bytes)
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                yield line.rstrip(b"\r\n") if whole else None
        except GZIP_ERRORS as error:
            raise RecordError(f"{path}:{number + 1}: {damage(error)}") from error


def number_in(kind: Callable[[bytes], Any], field: bytes) -> Any:
    """An int or a float, by itself.

    Args:
        kind: `int` or `float`.
        field: the text.
    Raises:
        ValueError: the field holds none, one that is not finite, or 1_000, which Python takes.
    """
    value = kind(field)
    if b"_" in field or not -math.inf < value < math.inf:
        raise ValueError
    return value


def read_rows(
    files: Iterable[Path],
    take: Callable[[bytes, int, int], str | None],
    report: Report,
    *,
    skipped: tuple[str, ...] = ("blank",),
    strict: tuple[str, ...] = (),
    most_bytes: int = MAX_LINE_BYTES,
) -> None:
    """Hands every row to `take`, and counts the reasons that it returns.

    Args:
        files: to read, one after the other.
        take: of a line that is not blank, the number of its file and its own: the reason why it cannot be used, or None.
        report: to which files, rows and reasons are added; `kept` too.
        skipped: reasons that do not speak against a file.
        strict: reasons that are an error.
        most_bytes: of a line; a longer one counts under `fields`.
    Raises:
        RecordError: a row is dropped for a strict reason ("FILE:LINE: reason"), or gzip data are damaged.
        OSError: a file cannot be read.
    """
    for n, path in enumerate(files):
        faults: dict[str, int] = {}
        kept = number = 0
        for number, line in enumerate(lines(path, most_bytes), 1):
            reason = "fields" if line is None else take(line, n, number) if line.strip() else "blank"
            if reason is None:
                kept += 1
            else:
                faults[reason] = faults.get(reason, 0) + 1
                if reason in strict:
                    raise RecordError(f"{path}:{number}: {reason}")
        report.files += 1
        report.rows += number
        report.kept += kept
        for reason, count in faults.items():
            report.count(reason, count)
        against = {reason: count for reason, count in faults.items() if reason not in skipped}
        if against and not kept:
            report.refused[str(path)] = max(against, key=lambda reason: against[reason])
