"""What a figure's runs found, and the statistics that claims and pictures are made of.

Learners are compared over seeds (Student's t), fixed rules over episodes; every difference is paired, since all meet the same
worlds. An interval covers 95 %; it is NaN where there is one sample only.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from jaxvec.core.evaluation import Interval, interval
from jaxvec.papers.plan import Figure, Named, Verdict, judge, untestable
from jaxvec.viz.plots import Line

Point = tuple[str, float]
"""A series and a place on the axis."""


class Run(NamedTuple):
    """One learner trained and evaluated, or one rule evaluated.

    Attributes:
        found: per metric, the mean of each evaluation episode, `(episodes,)`.
        curves: per metric, the means over equal parts of training, `(points,)`; empty for a rule.
        seconds: its part of what its program took to compile, train and evaluate.
        config: everything that it is made from.
        device: where it was made.
    """

    found: dict[str, np.ndarray]
    curves: dict[str, np.ndarray]
    seconds: dict[str, float]
    config: Named
    device: str = ""


def over_seeds(samples: np.ndarray) -> Interval:
    """Mean and Student's 95 % interval of a few independent samples `(n,)`."""
    n = len(samples)
    half = stdtrit(n - 1, 0.975) * np.std(samples, ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return Interval(float(np.mean(samples)), float(half))


class Data:
    """The runs of a figure, by point; and, for claims that need more, any rule in any world.

    Args:
        figure: whose runs.
        runs: point -> runs, one per seed of a learner, a single one of a rule.
        rules: `rules(names, worlds, sizes) -> rule -> runs`, evaluated when asked for.
    """

    def __init__(
        self,
        figure: Figure,
        runs: Mapping[Point, Sequence[Run]],
        rules: Callable[[Sequence[str], Sequence[Named], Named], Mapping[str, Sequence[Run]]] | None = None,
    ):
        self.figure, self.runs, self._rules = figure, runs, rules
        self.learned = {series.name for series in figure.series if series.learner or series.by}
        self.xs = sorted({x for _, x in runs})

    def elsewhere(
        self, rules: Sequence[str], worlds: Sequence[Named], metric: str = "reward", **sizes: Any
    ) -> dict[str, np.ndarray]:
        """Rules in worlds with other numbers and sizes: per rule `(worlds, episodes)`, paired with everything else."""
        if self._rules is None:
            raise ValueError("there is nobody to ask about other worlds")
        found = self._rules(rules, worlds, sizes)
        return {name: np.stack([run.found[metric] for run in found[name]]).astype(float) for name in rules}

    def samples(self, series: str, x: float, metric: str = "reward") -> np.ndarray:
        """`(seeds, episodes)`, or `(1, episodes)` of a rule."""
        return np.stack([run.found[metric] for run in self.runs[series, x]]).astype(float)

    def estimate(self, series: str, x: float, metric: str = "reward") -> Interval:
        """Mean and interval: over seeds of a learner, over episodes of a rule."""
        samples = self.samples(series, x, metric)
        return over_seeds(samples.mean(1)) if series in self.learned else interval(samples[0])

    def ahead(self, a: Point, b: Point, metric: str = "reward") -> Interval:
        """How far a is above b, paired by seed and episode."""
        difference = self.samples(*a, metric) - self.samples(*b, metric)
        if self.learned & {a[0], b[0]}:
            return over_seeds(difference.mean(1))
        return interval(difference[0])

    def curve(self, series: str, x: float, metric: str = "reward") -> np.ndarray:
        """Of training, `(points, seeds)`."""
        return np.stack([run.curves[metric] for run in self.runs[series, x]], 1).astype(float)

    def episodes(self, series: str, x: float) -> np.ndarray:
        """Episodes that a learner has seen at each point of its curve, `(points,)`."""
        run = self.runs[series, x][0]
        slots, n = run.config["slots"], len(run.curves["reward"])
        return (np.arange(n) + 1) / n * slots / run.config["horizon"]


def steady(data: Data, series: str) -> np.ndarray:
    """Reward over the last twentieth of training, `(seeds,)`."""
    curve = data.curve(series, data.xs[0])
    return curve[-max(1, len(curve) // 20) :].mean(0)


def converged(data: Data, series: str) -> np.ndarray:
    """Episodes until 95 % of the way from the first reward to the steady one are done, `(seeds,)`."""
    curve, end = data.curve(series, data.xs[0]), steady(data, series)
    smooth = np.stack([curve[max(0, i - 1) : i + 2].mean(0) for i in range(len(curve))])
    there = smooth >= curve[0] + 0.95 * (end - curve[0])
    return data.episodes(series, data.xs[0])[there.argmax(0)]


def in_order(data: Data, points: Sequence[Point], metric: str = "reward", say: Sequence[str] | None = None) -> Verdict:
    """Whether each point is above the next one by more than chance: the interval of their paired difference is above zero.

    Args:
        points: from the highest to the lowest, as claimed.
        say: what to call them; by default their series.
    """
    names = say or [series for series, _ in points]
    gaps = [data.ahead(a, b, metric) for a, b in pairwise(points)]
    return _chain(names, [data.estimate(*point, metric) for point in points], gaps)


def ranked(samples: Mapping[str, np.ndarray]) -> Verdict:
    """`in_order` for samples per seed `(seeds,)`, from the highest to the lowest."""
    gaps = [over_seeds(a - b) for a, b in pairwise(samples.values())]
    return _chain(list(samples), [over_seeds(x) for x in samples.values()], gaps)


def _chain(names: Sequence[str], found: Sequence[Interval], gaps: Sequence[Interval]) -> Verdict:
    """From a > b > c, the verdict on both signs; "≈" where the interval of a difference has zero in it."""
    signs = [">" if gap.mean > gap.half else "<" if -gap.mean > gap.half else "≈" for gap in gaps]
    text = f"{names[0]} {found[0]}"
    for sign, name, it in zip(signs, names[1:], found[1:], strict=True):
        text += f" {sign} {name} {it}"
    if any(np.isnan(gap.half) for gap in gaps):
        return untestable(f"a single seed has no interval: {text}")
    return judge(all(sign == ">" for sign in signs), text)


def rises(data: Data, series: str, metric: str, unit: str = "", sign: int = 1, scale: float = 1.0) -> Verdict:
    """Whether a metric rises (`sign` -1: falls) at every step along the axis, by more than chance."""
    steps, text = [], []
    for x in data.xs:
        text.append(f"{data.estimate(series, x, metric).mean * scale:.4g}")
    for low, high in pairwise(data.xs):
        gap = data.ahead((series, high), (series, low), metric)
        if np.isnan(gap.half):
            return untestable("a single seed has no interval")
        steps.append(sign * gap.mean > gap.half)
    where = ", ".join(f"{x:g}" for x in data.xs)
    kept = f"{sum(steps)} of {len(steps)} steps clearly {'up' if sign > 0 else 'down'}"
    return judge(all(steps), f"{series}: {', '.join(text)}{unit} at {where} ({kept})")


def both(*verdicts: Verdict) -> Verdict:
    """Several statements as one: it holds if all do, and is open if one is and none fails."""
    outcomes = [verdict.outcome for verdict in verdicts]
    numbers = "; ".join(verdict.numbers for verdict in verdicts)
    worst = max(outcomes, key=("holds", "not testable", "does not hold").index)
    return Verdict(worst, numbers)


def over_axis(metric: str, scale: float = 1.0, paper: Mapping[str, Mapping[float, float]] | None = None) -> Any:
    """Lines for a panel: a metric over the axis, and what the paper prints of it, by series and place."""

    def lines(data: Data) -> list[Line]:
        result = []
        for series in data.figure.series:
            xs = [x for x in data.xs if (series.name, x) in data.runs]
            found = [data.estimate(series.name, x, metric) for x in xs]
            kind = "learned" if series.learner else "rule"
            means, halves = [it.mean * scale for it in found], [it.half * scale for it in found]
            result.append(Line(series.name, xs, means, halves, kind))
            printed = (paper or {}).get(series.name, {})
            if printed:
                result.append(
                    Line(series.name, list(printed), list(printed.values()), [np.nan] * len(printed), "paper")
                )
        return result

    return lines


def over_training(metric: str = "reward", scale: float = 1.0, name: str = "{series}") -> Any:
    """Lines for a panel: a metric of training over the episodes seen; rules are level lines.

    Args:
        name: of a line, with `{series}` and `{x}`.
    """

    def lines(data: Data) -> list[Line]:
        result, longest = [], 1.0
        for series in data.figure.series:
            for x in data.xs:
                if not series.learner or (series.name, x) not in data.runs:
                    continue
                found = [over_seeds(row) for row in data.curve(series.name, x, metric) * scale]
                episodes = data.episodes(series.name, x)
                longest = max(longest, episodes[-1])
                means, halves = zip(*found, strict=True)
                label = name.format(series=series.name, x=f"{x:g}")
                result.append(Line(label, list(episodes), means, halves, "curve"))
        for series in data.figure.series:
            if series.rule:
                level = data.estimate(series.name, data.xs[0], metric.removeprefix("env/")).mean * scale
                result.append(Line(series.name, [0.0, longest], [level] * 2, [np.nan] * 2, "rule"))
        return result

    return lines


def over_series(metric: str, scale: float = 1.0) -> Any:
    """Lines for a panel: a metric after training, a mark for each series, at the first place."""

    def lines(data: Data) -> list[Line]:
        found = [(s, data.estimate(s.name, data.xs[0], metric)) for s in data.figure.series]
        return [
            Line(s.name, [s.name], [it.mean * scale], [it.half * scale], "learned" if s.learner else "rule")
            for s, it in found
        ]

    return lines
