"""`metrics.jsonl`, read back however damaged: what is whole is kept, what is missing is named, and nothing else is made of it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxvec.training import ConfigError
from jaxvec.training.metrics import keep_until, lines_of, read_metrics, read_rows

REWARDS = np.arange(1.0, 10.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("metrics")


def write(folder, lines):
    (folder / "metrics.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def whole(seeds=None):
    rewards = REWARDS if seeds is None else REWARDS[:, None] + np.arange(seeds)
    return lines_of({"reward": rewards, "loss": -rewards}, 0, 7, 1.5).encode().splitlines()


def test_a_line_says_update_format_steps_seconds_and_metrics():
    assert json.loads(whole(2)[3]) == {
        "format": 3, "update": 4, "steps": 28, "seconds": 1.5, "reward": [4.0, 5.0], "loss": [-4.0, -5.0],
    }  # fmt: skip


BROKEN = [b"", b"5", b"{}", b"[]", b"null", b'{"update": 3}', b"\xff\xfe", b"{" * 9999, b'"', b'{"update": true}']
BROKEN += [
    whole()[2].replace(*pair)
    for pair in ((b"3.0", b'"a"'), (b'"loss"', b'"los"'), (b"-3.0", b"[3.0]"), (b'"update": 3,', b'"update": 0,'))
]


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_line_keeps_what_follows_and_says_what_is_missing(folder, broken):
    write(folder, [*whole()[:4], broken, *whole()[5:]])
    with pytest.warns(UserWarning, match=r"metrics\.jsonl: line 5 cannot be read; update 5 is missing$"):
        metrics = read_metrics(folder)
    assert metrics["update"].tolist() == [1, 2, 3, 4, 6, 7, 8, 9]
    np.testing.assert_array_equal(metrics["reward"], np.delete(REWARDS, 4))
    with pytest.warns(UserWarning, match="line 5 cannot be read; update 5 is missing$"):
        assert keep_until(folder, 6) == 1.5
    assert (folder / "metrics.jsonl").read_bytes().splitlines() == [*whole()[:4], whole()[5]]


def test_a_line_that_was_being_written_is_no_damage(folder, recwarn):
    (folder / "metrics.jsonl").write_bytes(b"\n".join(whole())[:-9])
    assert read_metrics(folder)["update"].tolist() == list(range(1, 9))
    (folder / "metrics.jsonl").write_bytes(b"\n".join(whole()))
    assert read_metrics(folder)["update"].tolist() == list(range(1, 10))
    assert not recwarn.list


def test_what_a_checkpoint_has_seen_but_the_file_lacks_is_named(folder):
    write(folder, whole()[:3])
    with pytest.warns(UserWarning, match="update 4 to 8 is missing$"):
        keep_until(folder, 8)
    (folder / "metrics.jsonl").unlink()
    with pytest.warns(UserWarning, match="update 1 to 2 is missing$"):
        assert keep_until(folder, 2) == 0
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"no metrics\.jsonl in it"):
        read_metrics(folder)


def test_another_format_is_refused_by_name(folder):
    write(folder, [line.replace(b'"format": 3', b'"format": 4') for line in whole()])
    with pytest.raises(ConfigError, match=r"metrics\.jsonl: written by another version of jaxvec in format 4"):
        read_metrics(folder)


@given(data=st.data(), seeds=st.sampled_from([None, 1, 3]))
def test_whatever_happens_to_some_bytes_rows_are_those_written_or_named(folder, data, seeds):
    lines, spoilt = whole(seeds), set()
    for number in data.draw(
        st.sets(st.integers(0, 8), max_size=4)
    ):  # fewer than half, so that it is clear what is usual
        kind = data.draw(st.sampled_from(["cut", "noise", "gone"]))
        cut = data.draw(st.integers(0, len(lines[number]) - 1))
        junk = data.draw(st.binary(max_size=9)).replace(b"\n", b"")
        lines[number] = {"cut": lines[number][:cut], "noise": b"x" + junk + lines[number], "gone": None}[kind]
        spoilt.add(number + 1)
    write(folder, [line for line in lines if line is not None])
    rows, words = read_rows(folder, 9)
    assert [row["update"] for row in rows] == [n for n in range(1, 10) if n not in spoilt]
    assert all(json.dumps(row).encode() == whole(seeds)[row["update"] - 1] for row in rows)
    assert ("missing" in words) == bool(spoilt)
