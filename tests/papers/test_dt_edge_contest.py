"""Comparisons in the same worlds: who takes part, that differences are paired, and what a model that failed is called."""

import json

import jax
import numpy as np
import pytest

import jaxvec
from jaxvec.core.evaluation import evaluate
from jaxvec.papers.dt_edge.contest import ALL_ROWS, MARKS, METRICS, OWN_ROW, Contest, bootstrap, contest, table
from jaxvec.policies import fixed
from jaxvec.policies.in_context import dt_edge as in_context
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import Scripted

WORLDS, KEY = 2, jax.random.key(3)
ENV, PARAMS = jaxvec.make("dt_edge", n_vehicles=4, horizon=3)
GOOD = json.dumps([[0.5] * 3 + [0.05] * 3] * 4)


@pytest.fixture(scope="module")
def library():
    teacher = fixed(ENV, PARAMS)["local_threshold"]
    how = {"n_worlds": 4, "every": 1, "drop": 0.0, "capacity": 16}
    return in_context.collect(ENV, PARAMS, teacher, jax.random.key(1), source="a rule", **how)


@pytest.fixture(scope="module")
def held(library):
    models = {name: Asker(Scripted(says)) for name, says in {"good": [GOOD], "bad": ["I cannot."]}.items()}
    others = {"mine": fixed(ENV, PARAMS)["local_threshold"]}
    return contest(ENV, PARAMS, library, KEY, WORLDS, others=others, models=models, sees={"mine": "a row"})


@pytest.mark.slow
def test_everyone_meets_the_same_worlds(held):
    assert set(held.metrics) >= {*MARKS, "mine", "good", "bad", "icl_copy", "icl_kernel_5", "icl_kernel_64"}
    for name, found in held.metrics.items():
        for metric in METRICS:
            assert found[metric].shape == (WORLDS,), (name, metric)
    for metric in METRICS:
        np.testing.assert_array_equal(held.metrics["mine"][metric], held.metrics["local_threshold"][metric])
        np.testing.assert_allclose(held.metrics["bad"][metric], held.metrics["icl_copy"][metric], rtol=1e-5, atol=1e-6)
    alone = evaluate(ENV, {"x": fixed(ENV, PARAMS)["slot_optimum"]}, KEY, PARAMS, WORLDS)["x"]
    np.testing.assert_allclose(held.metrics["slot_optimum"]["reward"], alone["reward"], rtol=1e-5)


@pytest.mark.slow
def test_differences_are_by_world(held):
    gap = held.ahead("local", "energy_sys_j")["slot_optimum"]
    by_world = held.metrics["slot_optimum"]["energy_sys_j"] - held.metrics["local"]["energy_sys_j"]
    np.testing.assert_allclose(
        gap, (by_world.mean(), by_world.min(), by_world.max())
    )  # two worlds are drawn twice alike
    assert held.ahead("local")["local"] == (0, 0, 0)


@pytest.mark.slow
def test_a_page_says_who_sees_what_and_who_fell_back(held):
    assert (held.counters["bad"]["n_decisions"], held.counters["bad"]["n_fallback"]) == (2 * 3, 2 * 3)
    assert (held.label("good"), held.label("bad"), held.label("icl_copy")) == ("good", "fallback of bad", "icl_copy")
    known = {name: held.sees[name] for name in ("good", "mine", "random", "slot_optimum", "icl_copy")}
    assert known == {
        "good": ALL_ROWS,
        "mine": "a row",
        "random": "nothing",
        "slot_optimum": ALL_ROWS,
        "icl_copy": ALL_ROWS,
    }
    assert held.sees["local_threshold"] == OWN_ROW
    assert held.source == "a rule"
    page = table(held).splitlines()
    assert len(page) == 2 + len(held.metrics)
    best = max(held.metrics, key=lambda name: held.metrics[name]["reward"].mean())
    assert page[2].startswith(f"| {best} | {held.sees[best]} |")
    assert any(line.startswith("| fallback of bad | all rows |") for line in page)


def test_a_few_fallbacks_are_in_the_name():
    some = Contest({}, {"llm": {"label": "LLM+fallback"}}, {}, "a rule")
    assert some.label("llm") == "llm+fallback"


def test_names_are_unique(library):
    with pytest.raises(ValueError, match="two of the same name among"):
        contest(ENV, PARAMS, library, KEY, WORLDS, others={"icl_copy": fixed(ENV, PARAMS)["local"]})


def test_bootstrap():
    x = np.random.default_rng(0).normal(3.0, 2.0, 400)
    gap = bootstrap(x)
    assert gap.mean == x.mean()
    half = 1.96 * x.std() / 20  # as normal theory has it
    np.testing.assert_allclose([gap.mean - gap.low, gap.high - gap.mean], half, rtol=0.06)
    assert bootstrap(x) == gap
    assert np.isnan(bootstrap(x[:1])[1:]).all()
