"""What a language model is told of a slot of `dt_edge`: solved examples, the nearest last, and the state to solve.

A state is what vehicles observe, scaled to 0..1 and rounded to three decimals; shares of the server have four.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.policies.llm.backends import Messages

SYSTEM = "You complete numeric tables. Reply with one JSON array of arrays of numbers and nothing else."
USER = """Goal: choose task offloading and server sharing for {n} vehicles with {k} task types each.
A state has one row per vehicle: {k} task sizes, position, speed, channel gain (0..1), then the {k} server queues.
An action has one row per vehicle: {k} offloading ratios (0..1), then {k} server shares (0..1).
The sum of all shares should stay below {budget:.3f}.
Solved examples:
{examples}New state: {state}
Action ({n} rows of {columns} numbers, JSON only):"""
AGAIN = "Only the JSON array: {n} rows, {columns} numbers each."
BASE_TOKENS = 700  # set aside for everything in a prompt but its examples, and for the answer


class Shown(NamedTuple):
    """A state as observed: rows `(N, K + 3)`, sizes of tasks, place, speed, gain; queues `(K,)`, log(1 + queue)."""

    rows: np.ndarray
    queues: np.ndarray


def _list(numbers: Iterable[float], decimals: int = 3) -> str:
    return f"[{', '.join(f'{x:.{decimals}f}' for x in numbers)}]"


def _rows(rows: Iterable[str]) -> str:
    return f"[{', '.join(rows)}]"


def state_text(state: Shown) -> str:
    """`[[...], ...] Queues: [...]`: sizes, place and speed from [-1, 1], the gain from [-3, 3], queues up to a slot's tasks."""
    rows = np.concatenate([(state.rows[:, :-1] + 1) / 2, (state.rows[:, -1:] + 3) / 6], 1)
    return f"{_rows(map(_list, rows))} Queues: {_list(np.minimum(np.expm1(state.queues), 1))}"


def action_text(matrix: np.ndarray) -> str:
    """`[[...], ...]` of ratios and shares `(N, 2K)`."""
    k = matrix.shape[1] // 2
    return _rows(f"{_list(row[:k])[:-1]}, {_list(row[k:], 4)[1:]}" for row in matrix)


def example_text(state: Shown, matrix: np.ndarray) -> str:
    """A solved case, two lines."""
    return f"State: {state_text(state)}\nAction: {action_text(matrix)}\n"


def messages(state: Shown, examples: Sequence[tuple[Shown, np.ndarray]], budget: float = 1.0) -> Messages:
    """The question.

    Args:
        state: to be solved.
        examples: solved ones, the nearest first, as they are found; they are shown the other way round.
        budget: what shares may sum to, as far as the asker knows.
    """
    n, k = len(state.rows), len(state.queues)
    shown = "".join(example_text(*example) for example in reversed(examples))
    text = USER.format(n=n, k=k, columns=2 * k, budget=budget, examples=shown, state=state_text(state))
    return {"role": "system", "content": SYSTEM}, {"role": "user", "content": text}


def again(n_rows: int, n_columns: int) -> str:
    """What is added to a question whose answer could not be used."""
    return AGAIN.format(n=n_rows, columns=n_columns)


def examples_that_fit(context: int, tokens_per_example: int, most: int) -> int:
    """How many examples a prompt has room for, at most `most`."""
    return max(0, min(most, (context - BASE_TOKENS) // max(1, tokens_per_example)))
