"""The chain from question to matrix, by scripts: what is asked when, what is counted, and what a cache gives back."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import FAILED, Completion, Http, Request, Scripted
from jaxvec.policies.llm.cache import Cache, CacheMissError, key_of

GOOD, FENCED, WRONG = "[[0.1, 0.2]]", "```\n[[0.1, 0.2]]\n```", "[[0.1]]"
EITHER = "[[0.1, 0.2]] or [[0.2, 0.1]]"
TIMEOUT = FAILED["timeout"]
QUESTION = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Two numbers?"})


def questions(n):
    return [(QUESTION[0], {"role": "user", "content": f"Two numbers, {i}?"}) for i in range(n)]


def test_a_bad_answer_is_asked_for_once_more():
    model = Scripted([WRONG, FENCED])
    asker = Asker(model)
    (matrix,) = asker.matrices([QUESTION], 1, 2, again="Only the array.")
    assert matrix.tolist() == [[0.1, 0.2]]
    first, second = model.requests
    assert first == Request(QUESTION, 1, 2, 64 + 16, 0)
    assert second.messages == (QUESTION[0], {"role": "user", "content": "Two numbers?\nOnly the array."})
    assert second.seed == 1
    report = asker.tally.report()
    assert [report[x] for x in ("n_calls", "n_bad_shape", "n_repaired", "n_retry", "n_fallback")] == [2, 1, 1, 1, 0]


def test_no_answer_is_not_asked_for_again():
    model = Scripted([TIMEOUT])
    assert Asker(model).matrices([QUESTION], 1, 2, again="") == [None]
    assert len(model.requests) == 1


@given(
    st.lists(
        st.sampled_from([GOOD, FENCED, WRONG, "no", "[[2, 2]]", EITHER, TIMEOUT, FAILED["http_error"]]), min_size=1
    )
)
def test_counters_balance(answers):
    asker = Asker(Scripted(answers))
    matrices = asker.matrices(questions(5), 1, 2, again="!")
    matrices += asker.matrices(questions(5), 1, 2, again="!")  # what was answered is known by now
    r = asker.tally.report()
    assert r["n_decisions"] == len(asker.tally.seconds) == 10
    assert r["n_fallback"] == sum(matrix is None for matrix in matrices)
    assert r["n_ok"] + r["n_repaired"] + r["n_fallback"] == 10
    bad = r["n_bad_json"] + r["n_bad_shape"] + r["n_bad_range"] + r["n_bad_choice"]
    assert r["n_calls"] + r["n_cache_hit"] == 10 + r["n_retry"]
    assert r["n_calls"] + r["n_cache_hit"] == r["n_ok"] + r["n_repaired"] + bad + r["n_timeout"] + r["n_http_error"]


@pytest.mark.parametrize(("bad", "label"), [(1, "LLM"), (2, "LLM+fallback"), (10, "LLM+fallback"), (11, "fallback")])
def test_label(bad, label):  # of 20: 5, 10, 50 and 55 %
    asker = Asker(Scripted([TIMEOUT] * bad + [GOOD] * (20 - bad)))
    asker.matrices(questions(20), 1, 2, again="")
    assert asker.tally.report()["label"] == label


def test_nothing_asked():
    report = Asker(Scripted([])).tally.report()
    assert report["n_decisions"] == 0
    assert report["label"] == "LLM"


def test_a_cache_answers_what_it_knows_and_a_replay_nothing_else(tmp_path):
    file = tmp_path / "answers.jsonl"
    script = [Completion(GOOD, 5, 7, 0.25), TIMEOUT, WRONG, WRONG]
    first = Asker(Scripted(script), Cache(file))
    matrices = first.matrices(questions(3), 1, 2, again="!")
    assert [matrix is None for matrix in matrices] == [False, True, True]
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["status"] for row in rows] == ["ok", "timeout", "bad_shape", "bad_shape"]
    assert all(len(row["key"]) == 64 for row in rows)

    replay = Asker(Scripted([]), Cache(file, "replay"))  # a model that cannot say anything
    again = replay.matrices(questions(3), 1, 2, again="!")
    assert again[0].tolist() == matrices[0].tolist()
    ours, theirs = replay.tally.report(), first.tally.report()
    assert {name for name in ours if ours[name] != theirs[name]} == {"n_calls", "n_cache_hit"}
    with pytest.raises(CacheMissError, match="no answer of scripted"):
        replay.matrices([QUESTION], 1, 2, again="!")

    used = Scripted([GOOD])
    assert all(m is not None for m in Asker(used, Cache(file)).matrices(questions(2), 1, 2, again="!"))
    assert len(used.requests) == 1  # what had failed is asked again
    fresh = Scripted([GOOD])
    Asker(fresh, Cache(file, "refresh")).matrices(questions(3), 1, 2, again="!")
    assert len(fresh.requests) == 3


def test_the_key_of_a_question_depends_on_all_that_the_answer_does():
    request, plain = Request(QUESTION, 1, 2, 80), Scripted([GOOD])
    held = Scripted([GOOD], constrained=True)
    keys = [
        key_of(plain, request),
        key_of(plain, request._replace(seed=1)),
        key_of(plain, request._replace(max_tokens=81)),
        key_of(plain, request._replace(messages=QUESTION[:1])),
        key_of(Scripted([GOOD], model="other"), request),
        key_of(held, request),
        key_of(held, request._replace(n_rows=2)),
        key_of(Http(model="scripted", leave_out=("max_tokens",)), request),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of(Scripted(["else"]), request) == key_of(Http(model="scripted", leave_out=()), request) == keys[0]


def test_two_writers_keep_what_both_have(tmp_path):
    file = tmp_path / "answers.jsonl"
    first, second = Cache(file), Cache(file)
    Asker(Scripted([GOOD]), first).matrices(questions(1), 1, 2, again="")
    Asker(Scripted([GOOD]), second).matrices([QUESTION], 1, 2, again="")
    assert len(file.read_text().splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["answers.jsonl"]  # no temporary is left


def test_bad_caches_are_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown mode 'reuse'"):
        Cache(mode="reuse")
    with pytest.raises(FileNotFoundError, match="nothing to replay"):
        Cache(tmp_path / "none.jsonl", "replay")
    with pytest.raises(ValueError, match="is a folder; name a file"):
        Cache(tmp_path)


WHOLE = {
    "key": "a",
    "text": GOOD,
    "prompt_tokens": 5,
    "completion_tokens": 7,
    "seconds": 0.25,
    "failures": [],
    "error": "",
}
WHOLE |= {"status": "ok"}


def test_a_cache_is_checked_when_it_is_read(tmp_path):
    file = tmp_path / "answers.jsonl"
    for good in ({}, {"seconds": 1}, {"text": None, "failures": ["timeout"], "status": "timeout"}):
        file.write_text(json.dumps(WHOLE | good) + "\n")
        Cache(file)
    bad = [{name: value} for name in WHOLE for value in (None, True, {}, [1], -1, "x" if name != "text" else 1)]
    bad = [fault for fault in bad if fault not in ({"text": None}, {"key": "x"}, {"error": "x"})]
    bad += [{"seconds": math.nan}, {"seconds": math.inf}, {"prompt_tokens": 1.5}, {"failures": ["late"]}, {"more": 1}]
    bad += [{"text": None}]  # which no failure explains
    lines = ["{", "[]", "5", "[" * 10_000, '{"key": "a"}', *(json.dumps(WHOLE | fault) for fault in bad)]
    for line in [*map(str.encode, lines), b"\xff\xfe"]:
        file.write_bytes(json.dumps(WHOLE).encode() + b"\n" + line + b"\n")
        with pytest.raises(ValueError, match=r"answers\.jsonl, line 2: no answer of a language model"):
            Cache(file)
