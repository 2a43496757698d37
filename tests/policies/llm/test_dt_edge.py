"""A language model decides in `dt_edge`: what it is told, that it meets everybody's worlds, and that nothing it does stops it."""

import json
from dataclasses import replace
from itertools import cycle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from policies.llm.stub import chat, serving
from policies.llm.test_backends import drip, http

import jaxvec
from jaxvec.core.evaluation import evaluate
from jaxvec.policies import fixed
from jaxvec.policies.in_context import dt_edge as in_context
from jaxvec.policies.in_context.cases import empty_like
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import FAILED, Scripted
from jaxvec.policies.llm.cache import Cache
from jaxvec.policies.llm.dt_edge import evaluate_model
from jaxvec.policies.llm.embedded import Embedded, missing
from jaxvec.policies.llm.prompt import SYSTEM, Shown, examples_that_fit, messages

WORLDS, N, K, SLOTS = 2, 4, 3, 3
KEY = jax.random.key(5)
ENV, PARAMS = jaxvec.make("dt_edge", n_vehicles=N, horizon=SLOTS)
GOOD = json.dumps([[0.5] * K + [0.05] * K] * N)


@pytest.fixture(scope="module")
def library():
    teacher = fixed(ENV, PARAMS)["local_threshold"]
    return in_context.collect(
        ENV, PARAMS, teacher, jax.random.key(1), source="a rule", n_worlds=4, every=1, drop=0.0, capacity=16
    )


def best_link_only(key, obs):
    """Whoever has the largest gain offloads everything, and gets more of the server."""
    gain = obs.agents["vehicle"][:, K + 2]
    away = jnp.broadcast_to((gain == gain.max(0))[:, None], (N, K, *gain.shape[1:])).astype(float)
    share = jnp.log((0.005 + 0.095 * away) / 0.005) / jnp.log(0.25 / 0.005)
    return {"vehicle": {"offload": away, "share": share}}


@pytest.fixture(scope="module")
def others(library):
    """What others earn in the same worlds."""
    contestants = {
        "best_link_only": best_link_only,
        "icl_copy": in_context.policies(ENV, PARAMS, library)["icl_copy"],
        "greedy_latency": fixed(ENV, PARAMS)["greedy_latency"],
    }
    return evaluate(ENV, contestants, KEY, PARAMS, WORLDS)


@pytest.fixture
def run(library):
    def run(model, cache=None, library=library, **how):
        asker = Asker(model, cache or Cache())
        return evaluate_model(ENV, PARAMS, library, asker, KEY, WORLDS, **how)

    return run


def last_example(request):
    """A model that repeats the example next to the question."""
    return request.messages[1]["content"].split("Action: ")[-1].split("\n")[0]


def test_the_question_word_for_word():
    state = Shown(np.array([[-1.0, 0.0, 1.0, 3.0], [0.5, 1.0, -1.0, 0.0]]), np.log1p([0.25]))
    near = Shown(np.zeros((2, 4)), np.log1p([2.0])), np.array([[1.0, 0.25], [0.0, 0.00504]])
    far = Shown(np.ones((2, 4)), np.zeros(1)), np.array([[0.5, 0.1], [0.5, 0.1]])
    system, user = messages(state, [near, far], 0.985)
    assert system == {"role": "system", "content": SYSTEM}
    assert SYSTEM == "You complete numeric tables. Reply with one JSON array of arrays of numbers and nothing else."
    assert user["content"] == "\n".join(
        [
            "Goal: choose task offloading and server sharing for 2 vehicles with 1 task types each.",
            "A state has one row per vehicle: 1 task sizes, position, speed, channel gain (0..1), then the 1 server queues.",
            "An action has one row per vehicle: 1 offloading ratios (0..1), then 1 server shares (0..1).",
            "The sum of all shares should stay below 0.985.",
            "Solved examples:",
            "State: [[1.000, 1.000, 1.000, 0.667], [1.000, 1.000, 1.000, 0.667]] Queues: [0.000]",
            "Action: [[0.500, 0.1000], [0.500, 0.1000]]",
            "State: [[0.500, 0.500, 0.500, 0.500], [0.500, 0.500, 0.500, 0.500]] Queues: [1.000]",
            "Action: [[1.000, 0.2500], [0.000, 0.0050]]",
            "New state: [[0.000, 0.500, 1.000, 1.000], [0.750, 1.000, 0.000, 0.500]] Queues: [0.250]",
            "Action (2 rows of 2 numbers, JSON only):",
        ]
    )


def test_as_many_examples_as_the_context_holds():
    assert [examples_that_fit(c, 600, 5) for c in (8192, 3700, 3699, 1300, 1299, 100)] == [5, 5, 4, 1, 0, 0]


@pytest.mark.slow
def test_a_model_that_repeats_the_nearest_case_is_icl_copy(run, others):
    model = Scripted(last_example)
    evaluated = run(model)
    assert evaluated.counters["n_ok"] == WORLDS * SLOTS
    assert [r.messages[1]["content"].count("State: ") for r in model.requests] == [5] * WORLDS * SLOTS
    theirs = others["icl_copy"]
    assert evaluated.metrics.keys() == theirs.keys()
    for name in ("reward", "energy_sys_j", "qos_mean", "resource_ratio"):  # four decimals of shares
        np.testing.assert_allclose(evaluated.metrics[name], theirs[name], atol=5e-3, err_msg=name)


def test_the_rows_of_an_answer_are_those_of_the_question(run, others):
    first = [1.0] * K + [0.1] * K  # the row of the largest gain
    evaluated = run(Scripted([json.dumps([first] + [[0.0] * K + [0.005] * K] * (N - 1))]))
    for name, theirs in others["best_link_only"].items():
        np.testing.assert_allclose(evaluated.metrics[name], theirs, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_model_that_does_not_answer_is_icl_copy_and_says_so(run, others):
    evaluated = run(Scripted([FAILED["timeout"]]))
    for name, theirs in others["icl_copy"].items():
        np.testing.assert_allclose(evaluated.metrics[name], theirs, rtol=2e-5, atol=1e-6, err_msg=name)
    assert evaluated.counters["label"] == "fallback"
    assert evaluated.counters["n_fallback"] == evaluated.counters["n_timeout"] == WORLDS * SLOTS
    assert evaluated.counters["n_rule"] == 0


def test_without_a_case_a_rule_decides(run, library, others):
    model = Scripted(["no"])
    evaluated = run(model, library=library._replace(cases=empty_like(library.cases, 8)))
    for name, theirs in others["greedy_latency"].items():
        if name == "oversubscribed":  # it asks for all that there is, and rounding says whether that is too much
            continue
        np.testing.assert_allclose(evaluated.metrics[name], theirs, rtol=2e-5, atol=1e-6, err_msg=name)
    assert evaluated.counters["n_rule"] == evaluated.counters["n_fallback"] == WORLDS * SLOTS
    assert "State: " not in model.requests[0].messages[1]["content"].replace("New state: ", "")


def test_shares_are_those_of_the_answer(run):
    evaluated = run(Scripted([GOOD]))
    np.testing.assert_allclose(evaluated.metrics["request_ratio"], N * K * 0.05, rtol=1e-5)
    np.testing.assert_allclose(evaluated.metrics["offload_ratio"], 0.5, rtol=1e-6)
    np.testing.assert_array_equal(evaluated.metrics["oversubscribed"], 0)


def test_the_bias_is_told_to_who_is_to_know_it(run):
    budgets = []
    for knows in (False, True):
        run(model := Scripted([GOOD]), tell_bias=knows)
        budgets.append(model.requests[0].messages[1]["content"].split("stay below ")[1].split("\n")[0])
    assert budgets == ["1.000.", "0.985."]  # 12 streams of 0.5 GHz, of 400 GHz


@pytest.mark.parametrize(("worth", "grown"), [(-9.0, SLOTS), (9.0, 0)])
def test_worlds_grow_cases_of_their_own_where_they_do_better(run, library, worth, grown):
    valued = library._replace(cases=library.cases.replace(advantage=library.cases.advantage * 0 + worth))
    cases = run(Scripted([GOOD]), library=valued, grows=SLOTS).grown
    assert np.asarray(cases.valid).sum(0).tolist() == [grown] * WORLDS  # the second time, against its own cases too
    assert run(Scripted([GOOD])).grown is None


class Wordy(Scripted):
    """A model of many tokens: few examples fit."""

    def count_tokens(self, text):
        return 8 * super().count_tokens(text)


def test_an_episode_is_reevaluated_without_a_model(run, tmp_path):
    file = tmp_path / "answers.jsonl"
    answers = cycle([GOOD, "no", FAILED["timeout"], GOOD])
    first = run(Wordy(lambda request: next(answers)), Cache(file))
    again = run(Scripted([]), Cache(file, "replay"))  # nor its tokenizer
    assert first.k == again.k < 5
    for name, x in first.metrics.items():
        np.testing.assert_array_equal(again.metrics[name], x, err_msg=name)
    same = set(first.counters) - {"n_calls", "n_cache_hit"}
    assert {name: first.counters[name] for name in same} == {name: again.counters[name] for name in same}


WAYS = {
    "fine": lambda h, b, i: h.reply(chat(GOOD)),
    "garbage": lambda h, b, i: h.reply(b"\xff\x00 no JSON"),
    "shape": lambda h, b, i: h.reply(chat("[[0.5]]")),
    "nan": lambda h, b, i: h.reply(chat(GOOD.replace("0.5", "NaN"))),
    "huge": lambda h, b, i: h.reply(chat("[[" * 200_000)),
    "busy": lambda h, b, i: h.reply(b"", 429),
    "broken": lambda h, b, i: h.reply(b"", 500),
    "late": drip,
}


def test_an_episode_ends_whatever_the_server_does(run):
    ways = list(WAYS.values())
    with serving(lambda h, b, i: ways[i % len(ways)](h, b, i)) as (url, seen):
        evaluated = run(http(url, threads=2))
    c = evaluated.counters
    assert np.all(np.isfinite(evaluated.metrics["reward"]))
    assert c["n_decisions"] == WORLDS * SLOTS == c["n_ok"] + c["n_repaired"] + c["n_fallback"]
    bad = sum(c[name] for name in ("n_bad_json", "n_bad_shape", "n_bad_range"))
    assert c["n_calls"] == len([body for _, body in seen if "messages" in body])
    assert c["n_calls"] == c["n_ok"] + c["n_repaired"] + bad + c["n_timeout"] + c["n_http_error"]
    assert c["n_calls"] == c["n_decisions"] + c["n_retry"]
    assert c["label"] != "LLM"


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.parametrize("constrained", [True, False])
def test_a_real_model_answers(library, constrained):
    model = Embedded.load(constrained=constrained, context=4096, cpu_threads=1, timeout_s=120)
    evaluated = evaluate_model(replace(ENV, horizon=1), PARAMS, library, Asker(model), KEY, 1, k=1)
    c = evaluated.counters
    assert c["n_timeout"] == c["n_http_error"] == 0
    assert c["prompt_tokens"] > 300
    assert c["completion_tokens"] > 0
    assert evaluated.k == 1
    if constrained:
        assert c["n_ok"] == 1  # by construction
