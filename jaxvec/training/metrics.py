"""`metrics.jsonl` of a run: a line for each update, written while it trains, and read back however damaged it is."""

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.core.files import write_text
from jaxvec.training.config import FORMAT, check_format

NAME = "metrics.jsonl"
HEAD = ("format", "update", "steps", "seconds")  # of every line, before the metrics


def lines_of(rows: Mapping[str, np.ndarray], done: int, steps: int, seconds: float) -> str:
    """The lines of some updates: a number per metric, or a list over seeds.

    Args:
        rows: of each metric `(updates,)` or `(updates, seeds)`.
        done: updates before these.
        steps: world-slots of an update.
        seconds: of training until now [s].
    """
    lines = []
    for i in range(len(next(iter(rows.values())))):
        update = done + i + 1
        head = dict(zip(HEAD, (FORMAT, update, update * steps, round(seconds, 3)), strict=True))
        lines.append(json.dumps(head | {name: x[i].tolist() for name, x in rows.items()}) + "\n")
    return "".join(lines)


def read_rows(path: Path, until: int | None = None) -> tuple[list[dict[str, Any]], str]:
    """The lines of a run by update, as far as they can be read, and in words what cannot be or is missing (empty if nothing).

    Args:
        path: the run folder.
        until: the last update that is wanted, and of which it is known that there was one; None: all there are.
    Raises:
        ConfigError: a line was written in another format.
    """
    file = path / NAME
    lines = file.read_bytes().split(b"\n") if file.exists() else [b""]
    parsed = [_parsed(line) for line in lines[:-1]]
    if (last := _parsed(lines[-1])) is not None:  # without its end it is being written, or was when the run was killed
        parsed.append(last)
    for row in parsed:
        if row is not None and "format" in row:
            check_format(file, row["format"])
    kinds = Counter(_kind(row) for row in parsed if row is not None)
    usual = next((kind for kind, _ in kinds.most_common() if kind is not None), None)
    rows: dict[int, dict[str, Any]] = {}
    bad = []
    for number, row in enumerate(parsed, 1):
        if row is None or usual is None or _kind(row) != usual:
            bad.append(number)
        elif until is None or row["update"] <= until:
            rows[row["update"]] = row
    missing = set(range(1, 1 + (max(rows, default=0) if until is None else until))) - set(rows)
    words = [f"line {_ranges(bad)} cannot be read"] if bad else []
    words += [f"update {_ranges(missing)} is missing"] if missing else []
    return [rows[update] for update in sorted(rows)], f"{file}: {'; '.join(words)}" if words else ""


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line as an object of JSON, or None if it is none."""
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _kind(row: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Names of a line's entries, each with how many numbers it lists (None: it is one); None if it is no line of ours."""
    update, seconds = row.get("update"), row.get("seconds")
    if type(update) is not int or update < 1 or not _is_number(seconds) or not set(HEAD) < set(row):
        return None
    kind = []
    for name, x in sorted(row.items()):
        numbers = x if isinstance(x, list) else [x]
        if not all(map(_is_number, numbers)):
            return None
        kind.append((name, len(numbers) if isinstance(x, list) else None))
    return tuple(kind)


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _ranges(numbers: Iterable[int]) -> str:
    """{3, 4, 5, 9} as "3 to 5, 9"."""
    ranges: list[list[int]] = []
    for n in sorted(numbers):
        if ranges and n == ranges[-1][1] + 1:
            ranges[-1][1] = n
        else:
            ranges.append([n, n])
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in ranges)


def keep_until(path: Path, update: int) -> float:
    """Make the file that of a run after so many updates; warns of what of them is missing.

    Args:
        path: the run folder.
        update: of the state with which it goes on.
    Returns:
        Seconds of training that the last line tells, 0 if there is none [s].
    Raises:
        ConfigError: a line was written in another format.
    """
    rows, words = read_rows(path, update)
    if words:
        warnings.warn(words, stacklevel=2)
    write_text(path / NAME, "".join(json.dumps(row) + "\n" for row in rows))
    return rows[-1]["seconds"] if rows else 0.0


def read_metrics(path: str | Path) -> dict[str, np.ndarray]:
    """The metrics of a run: per name `(updates,)`, or `(updates, seeds)` for several seeds; warns of what is missing.

    Args:
        path: the run folder.
    Raises:
        ConfigError: a line was written in another format.
        FileNotFoundError: the run has no metrics.
    """
    if not (Path(path) / NAME).exists():
        raise FileNotFoundError(f"{path}: no {NAME} in it")
    rows, words = read_rows(Path(path))
    if words:
        warnings.warn(words, stacklevel=2)
    names = [name for name in rows[0] if name != "format"] if rows else []
    return {name: np.asarray([row[name] for row in rows]) for name in names}
