"""From what a language model writes to a matrix of numbers: strict, and it never raises, whatever the text."""

import json
import re
from typing import Any

import numpy as np

OK, REPAIRED = "ok", "repaired"
BAD_JSON, BAD_SHAPE, BAD_RANGE, BAD_CHOICE = "bad_json", "bad_shape", "bad_range", "bad_choice"
STATUSES = (OK, REPAIRED, BAD_JSON, BAD_SHAPE, BAD_RANGE, BAD_CHOICE)
SLACK = 0.05  # by how much a number may leave [0, 1] and is clipped rather than refused

_REASONING = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_BLOCK = re.compile(
    r"\[\s*+\[[^\[\]]++\](?:\s*+,\s*+\[[^\[\]]++\])*+\s*+,?\s*+\]"
)  # a list of flat lists; each pass is linear
_FENCE = re.compile(r"```[^`]*+(?:```|$)")
_TRAILING_COMMA = re.compile(r",(\s*+\])")
_NOTHING = object()


def parse_action_matrix(text: str, n_rows: int, n_columns: int) -> tuple[str, np.ndarray | None]:
    """Read a matrix of numbers in [0, 1] out of an answer.

    What a model thinks aloud, up to the last `</think>`, is no part of its answer. The rest may be the JSON array; or the array
    stands somewhere in it (prose, fences, an object around it), possibly with trailing commas, which counts as repaired. Blocks
    of another shape do not matter then. If the last block of the right shape is fenced, those outside its fence do not either;
    those that are left must agree. Nothing is padded, cut off or chosen among several: a guessed row would be a guessed decision.

    Args:
        text: the answer, of any length and content.
        n_rows: rows that it must have.
        n_columns: entries that each of them must have.
    Returns:
        `(status, matrix)`: `ok` and `repaired` with a float64 `(n_rows, n_columns)` in [0, 1]; `bad_json`, `bad_shape` (also for
        entries that are no numbers), `bad_range` (not finite, or further than 0.05 outside) and `bad_choice` (several matrices
        that would do) with None.
    """
    answer = _after_reasoning(text)
    whole = _load(answer)
    if _has_shape(whole, n_rows, n_columns):
        values, repaired = [whole], False
    else:
        blocks = [(found.start(), _repaired(found[0])) for found in _BLOCK.finditer(answer)]
        fitting = [block for block in blocks if _has_shape(block[1], n_rows, n_columns)]
        if not fitting:
            any_list = any(isinstance(value, list) for value in (whole, *(value for _, value in blocks)))
            return (BAD_SHAPE if any_list else BAD_JSON), None
        first, last = _fence_around(answer, fitting[-1][0])
        values, repaired = [value for at, value in fitting if first <= at < last], True
    matrices = [np.asarray(value, np.float64) for value in values if _in_range(value)]
    if not matrices:
        return BAD_RANGE, None
    if any(np.any(matrix != matrices[-1]) for matrix in matrices):
        return BAD_CHOICE, None
    clipped = np.clip(matrices[-1], 0.0, 1.0)
    return (REPAIRED if repaired or np.any(clipped != matrices[-1]) else OK), clipped


def _after_reasoning(text: str) -> str:
    """What stands after the last end of reasoning, and before another beginning of it, which then never ends."""
    answer_from, answer_to = 0, len(text)
    for tag in _REASONING.finditer(text):
        if tag[1]:
            answer_from, answer_to = tag.end(), len(text)
        else:
            answer_to = min(answer_to, tag.start())
    return text[answer_from:answer_to].strip()


def _fence_around(text: str, at: int) -> tuple[int, int]:
    """Where the fence begins and ends in which a place is; the whole text if there is none."""
    return next((fence.span() for fence in _FENCE.finditer(text) if fence.start() <= at < fence.end()), (0, len(text)))


def _repaired(block: str) -> Any:
    """A block's value, if need be without trailing commas, or `_NOTHING`."""
    value = _load(block)
    return _load(_TRAILING_COMMA.sub(r"\1", block)) if value is _NOTHING else value


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, an integer of thousands of digits, or brackets of as many levels
        return _NOTHING


def _has_shape(value: Any, n_rows: int, n_columns: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == n_rows
        and all(isinstance(row, list) and len(row) == n_columns and all(map(_is_number, row)) for row in value)
    )


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _in_range(value: list[list[float]]) -> bool:
    return all(-SLACK <= x <= 1 + SLACK for row in value for x in row)  # false for nan, and for integers of any length
