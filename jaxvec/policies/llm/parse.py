"""From what a language model writes to a matrix of numbers: strict, and it never raises, whatever the text."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

OK, REPAIRED = "ok", "repaired"
BAD_JSON, BAD_SHAPE, BAD_RANGE = "bad_json", "bad_shape", "bad_range"
STATUSES = (OK, REPAIRED, BAD_JSON, BAD_SHAPE, BAD_RANGE)
SLACK = 0.05  # by how much a number may leave [0, 1] and is clipped rather than refused

_OPENING = re.compile(r"\[\s*\[")
_TRAILING_COMMA = re.compile(r",(\s*\])")
_NOTHING = object()


def parse_action_matrix(text: str, n_rows: int, n_columns: int) -> tuple[str, np.ndarray | None]:
    """Read a matrix of numbers in [0, 1] out of an answer.

    The whole text may be the JSON array; or the array stands somewhere in it (prose, fences, an object around it), possibly with
    trailing commas, which counts as repaired. Nothing is padded or cut off: a guessed row would be a guessed decision.

    Args:
        text: the answer, of any length and content.
        n_rows: rows that it must have.
        n_columns: entries that each of them must have.
    Returns:
        `(status, matrix)`: `ok` and `repaired` with a float64 `(n_rows, n_columns)` in [0, 1]; `bad_json`, `bad_shape` (also for
        entries that are no numbers) and `bad_range` (not finite, or further than 0.05 outside) with None.
    """
    value, repaired = _find(text)
    if value is _NOTHING:
        return BAD_JSON, None
    if not _has_shape(value, n_rows, n_columns):
        return BAD_SHAPE, None
    if not all(math.isfinite(x) if isinstance(x, float) else True for row in value for x in row):
        return BAD_RANGE, None
    if not all(-SLACK <= x <= 1 + SLACK for row in value for x in row):
        return BAD_RANGE, None
    matrix = np.asarray(value, np.float64)
    clipped = np.clip(matrix, 0.0, 1.0)
    return (REPAIRED if repaired or np.any(clipped != matrix) else OK), clipped


def _find(text: str) -> tuple[Any, bool]:
    """The array, or `_NOTHING`; and whether it was not simply the whole text."""
    value = _load(text.strip())
    if isinstance(value, list):
        return value, False
    for block in _first_block(text):
        for attempt in (block, _TRAILING_COMMA.sub(r"\1", block)):
            value = _load(attempt)
            if value is not _NOTHING:
                return value, True
    return _NOTHING, True


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, an integer of thousands of digits, or brackets of as many levels
        return _NOTHING


def _first_block(text: str) -> Iterator[str]:
    """From the first "[[" to the bracket that closes it, brackets in strings apart; nothing if none does."""
    opening = _OPENING.search(text)
    if opening is None:
        return
    depth, quoted, escaped = 0, False, False
    for i in range(opening.start(), len(text)):
        c = text[i]
        if quoted:
            quoted, escaped = escaped or c != '"', c == "\\" and not escaped
        elif c == '"':
            quoted = True
        elif c in "[]":
            depth += 1 if c == "[" else -1
            if depth == 0:
                yield text[opening.start() : i + 1]
                return


def _has_shape(value: Any, n_rows: int, n_columns: int) -> bool:
    return len(value) == n_rows and all(
        isinstance(row, list) and len(row) == n_columns and all(map(_is_number, row)) for row in value
    )


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)
