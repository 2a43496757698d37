"""The parser of answers: the cases of its contract, and that no text brings it down."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jaxvec.policies.llm.parse import STATUSES, parse_action_matrix

GOOD = "[[0.1, 0.2], [0.3, 0.4]]"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (GOOD, "ok"),
        (f"  {GOOD}\n", "ok"),
        ("[[0, 1], [1, 0]]", "ok"),
        (f"```json\n{GOOD}\n```", "repaired"),
        (f"Here: {GOOD} Done.", "repaired"),
        (f'{{"action": {GOOD}}}', "repaired"),
        ("[ [0.1, 0.2,], [0.3, 0.4]]", "repaired"),
        ("[[0.1, 1.02], [0.3, 0.4]]", "repaired"),
        ("[[0.1, -0.04], [0.3, 0.4]]", "repaired"),
        ("[[0.1, 1.2], [0.3, 0.4]]", "bad_range"),
        ("[[0.1, -0.06], [0.3, 0.4]]", "bad_range"),
        ("[[0.1, NaN], [0.3, 0.4]]", "bad_range"),
        ("[[0.1, -Infinity], [0.3, 0.4]]", "bad_range"),
        ("[[0.1, 1e999], [0.3, 0.4]]", "bad_range"),
        (f"[[0.1, {10**400}], [0.3, 0.4]]", "bad_range"),
        ("[[0.1, 0.2]]", "bad_shape"),
        ("[[0.1, 0.2], [0.3]]", "bad_shape"),
        ('[[0.1, "0.2"], [0.3, 0.4]]', "bad_shape"),
        ('[[0.1, "]]"], [0.3, 0.4]] or so', "bad_json"),
        ("[[0.1, true], [0.3, 0.4]]", "bad_shape"),
        ("[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]", "bad_shape"),
        ("[]", "bad_shape"),
        ("[[0.1, 0.2], [0.3, 0.4", "bad_json"),
        ("[[zero, one], [two, three]]", "bad_json"),
        ("I cannot.", "bad_json"),
        ("", "bad_json"),
        ("[" * 100_000, "bad_json"),
        ("[" * 100_000 + "]" * 100_000, "bad_json"),
        ("[[" + " " * 100_000 + "1]" + " " * 100_000 + "x", "bad_json"),
        ("[[1]," * 50_000, "bad_json"),
        ("[[1, " * 50_000, "bad_json"),
        ("[[1" + ", " * 100_000 + "]]", "bad_json"),
        ("<think>" * 50_000 + "[[1]]", "bad_json"),
        ("[[0.1, " + "9" * 10_000 + "], [0.3, 0.4]]", "bad_json"),  # more digits than an integer may have
    ],
)
def test_statuses(text, status):
    outcome, matrix = parse_action_matrix(text, 2, 2)
    assert outcome == status
    assert (matrix is None) == status.startswith("bad")


OTHER = "[[0.9, 0.9], [0.9, 0.9]]"
THOUGHT = f"<think>\nStart from {OTHER} but that overloads the server.\n</think>\n"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"{THOUGHT}{GOOD}", "ok"),
        (f"{THOUGHT}Done: {GOOD}", "repaired"),
        (f"{OTHER} overloads it.</think>{GOOD}", "ok"),  # a template that has the first tag in the prompt
        (f"{THOUGHT}{OTHER}{THOUGHT.upper()}{GOOD}", "ok"),
        (f"{GOOD}<think>or {OTHER}", "ok"),
        (f"<think>{OTHER}</think>", "bad_json"),
        (f"<think>it is {OTHER}, I", "bad_json"),  # cut off while it thought
        (f"<think>[[0.9, 0.9, 0.9]]</think>{GOOD}", "ok"),
        (f"<think>The format is [[a, b], [c, d]].</think>\n{GOOD}", "ok"),
        (f"The format is [[a, b], [c, d]], the first example [[0.9, 0.9, 0.9]], and the answer {GOOD}", "repaired"),
        (f"{GOOD}, unlike [[0.9, 0.9, 0.9]]", "repaired"),
        (f"{GOOD}, to say it again: ```json\n{GOOD.replace(' ', '')}\n```", "repaired"),
        (f"{GOOD}, not [[7, 8], [9, 10]], which are speeds", "repaired"),
        (f'{{"state": [[1, 2, 3]], "action": {GOOD}}}', "repaired"),
        (f"[{GOOD}]", "repaired"),
        (f"Either {GOOD} or {OTHER}.", "bad_choice"),
        (f"[{GOOD}, {OTHER}]", "bad_choice"),
        (f"Draft:\n```\n{OTHER}\n```\nFinal:\n```json\n{GOOD}\n```\nNot [[1, 2, 3]].", "repaired"),
        (f"Not {OTHER}, but\n```\n{GOOD}", "repaired"),  # cut off after the answer
        (f"```\n{OTHER}\n```\nNo, {GOOD}", "bad_choice"),
        (f"```\n{OTHER}\n{GOOD}\n```", "bad_choice"),
        ("`" * 100_000 + GOOD + "```", "repaired"),
    ],
)
def test_only_what_was_answered_is_read(text, status):
    outcome, matrix = parse_action_matrix(text, 2, 2)
    assert outcome == status
    if not status.startswith("bad"):
        np.testing.assert_array_equal(matrix, [[0.1, 0.2], [0.3, 0.4]])


def test_values_survive_and_what_is_a_little_outside_is_clipped():
    np.testing.assert_array_equal(parse_action_matrix(GOOD, 2, 2)[1], [[0.1, 0.2], [0.3, 0.4]])
    np.testing.assert_array_equal(parse_action_matrix("[[1.02, -0.04]]", 1, 2)[1], [[1.0, 0.0]])


anything = st.one_of(
    st.text(),
    st.text(alphabet='[]{}", 01.eE-\\NaInfity'),
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats(), st.lists).map(json.dumps),
)


@given(anything, st.integers(1, 3), st.integers(1, 3))
@example('[[{"a": 1}, 2]]', 1, 2)
def test_any_text_gives_a_status(text, n_rows, n_columns):
    status, matrix = parse_action_matrix(text, n_rows, n_columns)
    assert status in STATUSES
    if matrix is not None:
        assert matrix.shape == (n_rows, n_columns)
        assert np.all((matrix >= 0) & (matrix <= 1))


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=2), st.text())
def test_a_good_matrix_is_read_alone_and_out_of_prose(rows, words):
    text = json.dumps(rows)
    assert parse_action_matrix(text, 2, 3)[0] == "ok"
    status, matrix = parse_action_matrix(f"So: {words.replace('[', '(')} {text} {words}", 2, 3)
    assert status == "repaired"
    np.testing.assert_array_equal(matrix, rows)
