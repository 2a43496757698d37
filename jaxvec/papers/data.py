"""The runs of a figure as data, of which claims and pictures are made.

Learners are compared over seeds (Student's t), fixed rules over episodes, or over groups of them (`jaxvec.papers.summary`); every
difference is paired, since all meet the same worlds. An interval covers 95 %; its half-width is NaN where there is one sample
only.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxvec.core.evaluation import Interval, interval
from jaxvec.papers.allowance import MissingRunsError, in_words
from jaxvec.papers.runs import Run
from jaxvec.papers.series import Cell, Named, Series

RulesFn = Callable[[Sequence[str], Sequence[Named], Named], Mapping[str, Sequence[Run]]]
"""`rules(names, worlds, sizes) -> rule -> runs`, one for each world, which is given by its numbers."""


def over_seeds(samples: np.ndarray) -> Interval:
    """Mean and Student's 95 % interval of a few independent samples `(n,)`."""
    return interval(samples)


class Data:
    """The runs of a figure, by series and value of the axis; and, for claims that need more, any rule in any world.

    Args:
        series: who is compared.
        runs: cell -> runs, one per seed of a learner, a single one of a rule.
        rules: evaluates rules in other worlds when asked to; None: it cannot be asked.
        missing: cell -> how many runs were not made for want of time.

    Attributes:
        series, runs, rules, missing: as given.
        xs: the values of the axis, in order.
        used: cell -> what was asked for: "metrics", "curves", "deviations" or "largest", and the metric.
        asked: rules in other worlds that were asked for: name, numbers of the world, sizes, metric, and the run.
    """

    def __init__(
        self,
        series: Sequence[Series],
        runs: Mapping[Cell, Sequence[Run]],
        rules: RulesFn | None = None,
        missing: Mapping[Cell, int] | None = None,
    ):
        self.series, self.runs, self.rules, self.missing = tuple(series), runs, rules, dict(missing or {})
        self.xs = sorted({x for _, x in (*runs, *self.missing)})
        self.used: dict[Cell, set[tuple[str, str]]] = {}
        self.asked: list[tuple[str, Named, Named, str, Run]] = []
        self._over_seeds = {one.name for one in series if one.has_seeds}

    @property
    def has_seeds(self) -> bool:
        """Whether any series has a run per seed."""
        return bool(self._over_seeds)

    def is_whole(self, series: str) -> bool:
        """Whether nothing of a series is missing."""
        return all(name != series for name, _ in self.missing)

    @property
    def lacking(self) -> str:
        """What is missing, in words, with the time that it would take; empty if nothing is."""
        names = {name for name, _ in self.missing}
        of_them = [run for (name, _), runs in self.runs.items() if name in names for run in runs]
        of_any = [run for runs in self.runs.values() for run in runs if "updates" in run.config]
        each = [sum(run.seconds.values()) for run in of_them or of_any]
        return in_words(self.missing, float(np.mean(each)) if each else np.nan)

    def watched(self) -> "Data":
        """The same data, which have not been asked for anything."""
        same = copy.copy(self)
        same.used, same.asked = {}, []
        return same

    def note(self, other: "Data") -> None:
        """Count what the same data were asked for as asked of these.

        Args:
            other: of `watched`.
        """
        for cell, wanted in other.used.items():
            self.used.setdefault(cell, set()).update(wanted)
        self.asked += other.asked

    def at(self, x: float) -> "Data":
        """The same data at one value of the axis; what these are asked for counts as asked of all.

        Args:
            x: the value.
        """
        here = copy.copy(self)
        here.xs = [x]
        return here

    def elsewhere(
        self, rules: Sequence[str], worlds: Sequence[Named], metric: str = "reward", **sizes: Any
    ) -> dict[str, np.ndarray]:
        """Rules in worlds with other numbers and sizes.

        Args:
            rules: names of fixed policies.
            worlds: the numbers of each world.
            metric: which.
            sizes: sizes and switches, the same in all.
        Returns:
            Per rule `(worlds, episodes)`, paired with everything else.
        Raises:
            ValueError: these data cannot evaluate rules.
        """
        if self.rules is None:
            raise ValueError("these data cannot evaluate rules in other worlds")
        runs = self.rules(rules, worlds, sizes)
        for name in rules:
            self.asked += [(name, world, sizes, metric, run) for world, run in zip(worlds, runs[name], strict=True)]
        return {name: np.stack([run.metrics[metric] for run in runs[name]]).astype(float) for name in rules}

    def samples(self, series: str, x: float, metric: str = "reward") -> np.ndarray:
        """A metric of a series at x: `(seeds, episodes)`, or `(1, episodes)` of a rule."""
        return np.stack([run.metrics[metric] for run in self._runs(series, x, "metrics", metric)]).astype(float)

    def deviation(self, series: str, x: float, metric: str = "reward") -> np.ndarray:
        """How far a metric deviates over episodes, `(seeds,)`."""
        return self._over_episodes("deviations", lambda episodes: episodes.std(ddof=1), series, x, metric)

    def largest(self, series: str, x: float, metric: str = "reward") -> float:
        """The largest value of a metric in any episode."""
        return float(self._over_episodes("largest", np.max, series, x, metric).max())

    def paired(self, cells: Sequence[Cell], metric: str = "reward") -> np.ndarray:
        """A metric of several cells, `(cells, seeds)`; of rules alone `(cells, episodes)`."""
        each = [self.samples(*cell, metric) for cell in cells]
        if self._over_seeds & {name for name, _ in cells}:
            each = [samples.mean(1, keepdims=True) for samples in each]
            return np.stack(np.broadcast_arrays(*each))[..., 0]
        return np.stack([samples[0] for samples in each])

    def estimate(self, series: str, x: float, metric: str = "reward") -> Interval:
        """Mean and interval: over seeds of a learner, over episodes of a rule."""
        samples = self.samples(series, x, metric)
        return over_seeds(samples.mean(1)) if series in self._over_seeds else interval(samples[0])

    def mean(self, series: str, x: float, metric: str = "reward") -> float:
        """The mean alone."""
        return self.estimate(series, x, metric).mean

    def gaps(self, a: Cell, b: Cell, metric: str = "reward") -> np.ndarray:
        """By how much a is above b, `(samples,)`, paired by seed, of rules by episode."""
        high, low = self.paired((a, b), metric)
        return high - low

    def ahead(self, a: Cell, b: Cell, metric: str = "reward") -> Interval:
        """How far a is above b, paired by seed and episode."""
        return over_seeds(self.gaps(a, b, metric))

    def curve(self, series: str, x: float, metric: str = "reward") -> np.ndarray:
        """A metric in the course of training, `(points, seeds)`."""
        return np.stack([run.curves[metric] for run in self._runs(series, x, "curves", metric)], 1).astype(float)

    def has(self, series: str, x: float, metric: str = "reward") -> bool:
        """Whether there are runs of a series at x that have a metric."""
        return (series, x) in self.runs and all(metric in run.metrics for run in self.runs[series, x])

    def episodes(self, series: str, x: float) -> np.ndarray:
        """Episodes that a learner has seen at each point of its curve, `(points,)`."""
        run = self._made(series, x)[0]
        slots, n = run.config["slots"], len(run.curves["reward"])
        return (np.arange(n) + 1) / n * slots / run.config["horizon"]

    def worlds(self, series: str, x: float) -> int:
        """In how many worlds a learner was trained at once."""
        return int(self._made(series, x)[0].config["settings"]["n_worlds"])

    def _runs(self, series: str, x: float, part: str, metric: str) -> Sequence[Run]:
        """The runs of a cell, of which it is noted what is asked for."""
        runs = self._made(series, x)
        self.used.setdefault((series, x), set()).add((part, metric))
        return runs

    def _made(self, series: str, x: float) -> Sequence[Run]:
        """The runs of a cell.

        Raises:
            MissingRunsError: they were not made.
        """
        if (series, x) in self.missing:
            raise MissingRunsError((series, x))
        return self.runs[series, x]

    def _over_episodes(
        self, part: str, statistic: Callable[[np.ndarray], Any], series: str, x: float, metric: str
    ) -> np.ndarray:
        """A statistic over episodes, `(seeds,)`: as it was kept, or from the episodes."""
        runs = self._runs(series, x, part, metric)
        return np.array([float(getattr(run, part).get(metric, statistic(run.metrics[metric]))) for run in runs])
