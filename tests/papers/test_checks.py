"""Intervals and verdicts, on numbers worked out by hand."""

import numpy as np
import pytest

from jaxvec.papers.checks import Verdict, both, in_order, judge, ranked, rises, untestable
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.runs import Run
from jaxvec.papers.series import Series

SERIES = (Series("a", "mappo"), Series("b", "mappo"), Series("r", rule="r"))


def data(**rewards):
    """`a=[[seeds x episodes] at x = 1, ... at x = 2]`."""
    runs = {}
    for name, by_x in rewards.items():
        for x, seeds in enumerate(by_x, 1):
            runs[name, float(x)] = [Run({"reward": np.array(episodes)}, {}, {}, {}) for episodes in seeds]
    return Data(SERIES, runs)


def test_other_worlds_need_somebody_who_evaluates_rules():
    with pytest.raises(ValueError, match="cannot evaluate rules"):
        data(r=[[[1.0]]]).elsewhere(["greedy"], [{}])


def test_an_interval_over_seeds_is_students():
    # three samples 1, 2, 3: deviation 1, t = 4.3027 for two degrees of freedom
    it = over_seeds(np.array([1.0, 2.0, 3.0]))
    assert it == pytest.approx((2.0, 4.302653 / np.sqrt(3)), rel=1e-6)
    assert np.isnan(over_seeds(np.array([1.0])).half)


def test_differences_are_paired():
    # the seeds differ by 10, a is above b by 1 in each: the interval of the difference is zero
    found = data(a=[[[1, 3], [11, 13]]], b=[[[0, 2], [10, 12]]])
    assert found.ahead(("a", 1.0), ("b", 1.0)) == (1.0, 0.0)
    assert found.estimate("a", 1.0).half > 10
    # against a rule, which has one run: by seed
    found = data(a=[[[1, 3], [2, 4]]], r=[[[0, 2]]])
    assert found.ahead(("a", 1.0), ("r", 1.0)).mean == pytest.approx(1.5)
    # of rules: by episode
    found = data(r=[[[0, 2, 4]], [[1, 3, 5]]])
    assert found.ahead(("r", 2.0), ("r", 1.0)) == (1.0, 0.0)


def test_order_asks_for_clear_differences():
    apart = data(a=[[[3.0], [3.1], [2.9]]], b=[[[2.0], [2.1], [1.9]]])
    points = [("a", 1.0), ("b", 1.0)]
    assert in_order(apart, points).outcome == "holds"
    assert in_order(apart, points).numbers == "a 3 ± 0.25 > b 2 ± 0.25"
    assert in_order(apart, points[::-1]).outcome == "does not hold"
    assert " < " in in_order(apart, points[::-1]).numbers
    mixed = data(a=[[[3.0], [1.0], [2.0]]], b=[[[2.0], [2.1], [1.8]]])
    assert in_order(mixed, points).outcome == "does not hold"
    assert " ≈ " in in_order(mixed, points).numbers
    alone = data(a=[[[3.0, 3.1]]], b=[[[2.0, 2.1]]])
    assert in_order(alone, points).outcome == "not testable"
    assert ranked({"a": np.array([3.0, 3.1]), "b": np.array([2.0, 2.1])}).outcome == "holds"


def test_a_rise_is_one_at_every_step():
    found = data(r=[[[1.0, 1.1]], [[2.0, 2.1]]])
    assert rises(found, "r", "reward").outcome == "holds"
    down = rises(found, "r", "reward", sign=-1)
    assert down.outcome == "does not hold"
    assert "0 of 1 steps clearly down" in down.numbers


def test_several_statements_are_as_good_as_the_worst():
    good, open_, bad = judge(True, "1"), untestable("2"), judge(False, "3")
    assert both(good, good) == Verdict("holds", "1; 1")
    assert both(good, open_).outcome == "not testable"
    assert both(bad, open_, good).outcome == "does not hold"
