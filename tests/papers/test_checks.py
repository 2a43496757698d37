"""Intervals and verdicts, on numbers worked out by hand."""

import numpy as np
import pytest

from jaxvec.papers.checks import everywhere, in_order, level, ranked, rises
from jaxvec.papers.convergence import in_words, learned
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.runs import Run
from jaxvec.papers.series import Series
from jaxvec.papers.verdicts import ANY, Finding, Margin, Verdict, both, bound, decide, judge, untestable

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


TENTH = Margin(0.1)


def outcome(found, margin=TENTH):
    return decide(found, margin).outcome


def test_a_difference_holds_is_contradicted_or_is_not_shown():
    points = [("a", 1.0), ("b", 1.0)]
    apart = data(a=[[[3.0], [3.1], [2.9]]], b=[[[2.0], [2.1], [1.9]]])
    found = in_order(apart, points)
    assert found.numbers == "a 3.00 ± 0.25 > b 2.00 ± 0.25"
    assert outcome(found) == "holds"
    assert outcome(in_order(apart, points[::-1])) == "contradicted"
    mixed = data(a=[[[3.0], [1.0], [2.0]]], b=[[[2.0], [2.1], [1.8]]])
    assert " ≈ " in in_order(mixed, points).numbers
    assert outcome(in_order(mixed, points)) == "not shown"
    # mean 0.033 +- 2.63 (t = 4.303 for two degrees of freedom), of values of 1.98
    assert decide(in_order(mixed, points), TENTH).power == "3 samples show 2.6 (132.7%) or more; matters: 10 %"
    alone = decide(in_order(data(a=[[[3.0, 3.1]]], b=[[[2.0, 2.1]]]), points), TENTH)
    assert (alone.outcome, alone.power) == ("not shown", "a single seed has no interval; matters: 10 %")


def test_level_within_the_margin_contradicts_a_difference_and_rounding_shows_none():
    level_ones = data(a=[[[2.01], [2.02], [2.03]]], b=[[[2.0], [2.01], [2.02]]])
    found = in_order(level_ones, [("a", 1.0), ("b", 1.0)])
    assert outcome(found) == "contradicted"  # 0.01 is clear, and less than 0.2
    assert outcome(found, ANY) == "holds"
    rounding = data(a=[[[2.0], [2.0], [2.0]]], b=[[[2.0 - 1e-9], [2.0 - 1e-9], [2.0 - 1e-9]]])
    assert outcome(in_order(rounding, [("a", 1.0), ("b", 1.0)]), ANY) == "not shown"
    with pytest.raises(ValueError, match="must state its margin"):
        decide(found, None)


def test_equality_has_three_outcomes_too():
    def equal(*values):
        return Finding("", (level("", np.array([values, (2.0, 2.0, 2.0)])),))

    assert outcome(equal(2.0, 2.01, 1.99)) == "holds"
    assert outcome(equal(3.0, 3.01, 2.99)) == "contradicted"
    assert outcome(equal(2.0, 3.0, 1.0)) == "not shown"


def test_a_bound_has_no_margin():
    loss = np.array([0.040, 0.041, 0.042])
    assert outcome(Finding("", bound("loss", loss, most=0.043)), None) == "not shown"
    assert outcome(Finding("", bound("loss", loss, most=0.05)), None) == "holds"
    assert outcome(Finding("", bound("loss", loss, least=0.05)), None) == "contradicted"


def test_an_order_is_judged_as_a_whole():
    close = {"a": np.array([3.0, 3.1, 2.9]), "b": np.array([2.9, 3.3, 2.6]), "c": np.array([1.0, 1.1, 1.2])}
    assert " ≈ b" in ranked(close).numbers
    assert outcome(ranked(close)) == "holds"  # the line through all falls; nothing is known of the first step
    swapped = close | {"b": np.array([4.0, 4.1, 3.9])}
    assert outcome(ranked(swapped)) == "contradicted"
    alike = close | {"b": close["a"] - 0.01}
    assert outcome(ranked(alike)) == "contradicted"  # the first two are level
    assert outcome(ranked(dict.fromkeys("abc", np.array([1.0, 3.0, 2.0])))) == "contradicted"


def test_a_rise_is_judged_by_the_line_through_all():
    found = data(r=[[[1.0, 1.1]], [[2.0, 2.1]], [[1.98, 2.08]], [[3.0, 3.1]]])
    up = rises(found, "r", "reward")
    values = np.array([1.0, 2.0, 1.98, 3.0])
    assert up.differences[0].interval.mean == pytest.approx(3 * np.polyfit(range(4), values, 1)[0])
    assert outcome(up) == "holds"  # a step down of 0.02 does not matter
    assert outcome(rises(found, "r", "reward", sign=-1)) == "contradicted"
    dent = data(r=[[[1.0, 1.1]], [[3.0, 3.1]], [[2.0, 2.1]], [[4.0, 4.1]]])
    assert outcome(rises(dent, "r", "reward")) == "contradicted"  # a step down of 1 does


def test_above_everywhere_is_above_in_the_mean_and_nowhere_clearly_below():
    found = data(a=[[[3.0], [3.2]], [[2.0], [2.1]]], b=[[[2.0], [3.0]], [[1.9], [2.9]]])
    assert outcome(Finding("", everywhere(found, "a", "b"))) == "not shown"
    clear = data(a=[[[3.0], [3.01]], [[3.0], [3.01]]], b=[[[2.0], [2.01]], [[2.0], [2.01]]])
    assert outcome(Finding("", everywhere(clear, "a", "b"))) == "holds"


def test_several_statements_are_as_good_as_the_worst():
    good, unknown, bad = judge(True, "1"), untestable("2"), judge(False, "3")
    assert decide(both(good, good), None) == Verdict("holds", "1; 1")
    assert outcome(both(good, unknown)) == "not testable"
    assert outcome(both(good, bad)) == "contradicted"


def trained(curve, reward=(1.0, 1.1), stuck=None, mark=1.0):
    """A learner `a` whose curve each seed has, beside a rule `r` that knows as much and chance `z`."""
    t = np.linspace(0, 1, 20)
    noise = np.random.default_rng(0).normal(0, 1e-3, (len(reward), 20))
    curves = [{"reward": curve(t) + x} | ({} if stuck is None else {"off_policy/stuck": t * 0 + stuck}) for x in noise]
    runs = {("a", 1.0): [Run({"reward": np.array([r])}, c, {}, {}) for r, c in zip(reward, curves, strict=True)]}
    runs |= {("r", 1.0): [Run({"reward": np.array([mark])}, {}, {}, {})]}
    runs |= {("z", 1.0): [Run({"reward": np.array([0.0])}, {}, {}, {})]}
    series = (Series("a", "mappo", marks=("r",)), Series("r", rule="r"), Series("z", rule="random"))
    return learned(Data(series, runs), [("a", 1.0), ("r", 1.0)])


def test_a_learner_has_learned_if_it_is_flat_not_stuck_and_level_with_what_knows_as_much():
    def saturating(t):
        return 1 - np.exp(-20 * t)

    assert [one.cell for one in trained(saturating)] == [("a", 1.0)]
    assert in_words(trained(saturating)) == "flat, not stuck, level with rules that know as much"
    assert "not flat, rises by 17%" in in_words(trained(lambda t: t))
    assert "not flat, falls by" in in_words(trained(lambda t: saturating(t) - 4 * np.maximum(0, t - 0.8)))
    assert "stuck, 80% of the actors" in in_words(trained(saturating, stuck=0.8))
    assert in_words(trained(saturating, stuck=0.2)).startswith("flat")
    assert in_words(trained(saturating, (0.5, 0.51))) == "a at 1: behind r, 50% of the way from chance to it"
    assert in_words(trained(saturating, (0.5, 1.5))).startswith("flat")  # it may be level: its interval is wide
    assert in_words(trained(saturating, (0.5, 0.51), mark=-1.0)).startswith("flat")  # the rule is no better than chance
