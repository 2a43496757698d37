"""The runs of a figure as data, of which claims and pictures are made.

Learners are compared over seeds (Student's t), fixed rules over episodes; every difference is paired, since all meet the same
worlds. An interval covers 95 %; its half-width is NaN where there is one sample only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxvec.core.evaluation import Interval, interval
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

    Attributes:
        series, runs: as given.
        xs: the values of the axis, in order.
    """

    def __init__(self, series: Sequence[Series], runs: Mapping[Cell, Sequence[Run]], rules: RulesFn | None = None):
        self.series, self.runs, self._rules = tuple(series), runs, rules
        self.xs = sorted({x for _, x in runs})
        self._over_seeds = {one.name for one in series if one.has_seeds}

    @property
    def has_seeds(self) -> bool:
        """Whether any series has a run per seed."""
        return bool(self._over_seeds)

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
        if self._rules is None:
            raise ValueError("these data cannot evaluate rules in other worlds")
        runs = self._rules(rules, worlds, sizes)
        return {name: np.stack([run.metrics[metric] for run in runs[name]]).astype(float) for name in rules}

    def samples(self, series: str, x: float, metric: str = "reward") -> np.ndarray:
        """A metric of a series at x: `(seeds, episodes)`, or `(1, episodes)` of a rule."""
        return np.stack([run.metrics[metric] for run in self.runs[series, x]]).astype(float)

    def estimate(self, series: str, x: float, metric: str = "reward") -> Interval:
        """Mean and interval: over seeds of a learner, over episodes of a rule."""
        samples = self.samples(series, x, metric)
        return over_seeds(samples.mean(1)) if series in self._over_seeds else interval(samples[0])

    def mean(self, series: str, x: float, metric: str = "reward") -> float:
        """The mean alone."""
        return self.estimate(series, x, metric).mean

    def ahead(self, a: Cell, b: Cell, metric: str = "reward") -> Interval:
        """How far a is above b, paired by seed and episode."""
        difference = self.samples(*a, metric) - self.samples(*b, metric)
        if self._over_seeds & {a[0], b[0]}:
            return over_seeds(difference.mean(1))
        return interval(difference[0])

    def curve(self, series: str, x: float, metric: str = "reward") -> np.ndarray:
        """A metric in the course of training, `(points, seeds)`."""
        return np.stack([run.curves[metric] for run in self.runs[series, x]], 1).astype(float)

    def episodes(self, series: str, x: float) -> np.ndarray:
        """Episodes that a learner has seen at each point of its curve, `(points,)`."""
        run = self.runs[series, x][0]
        slots, n = run.config["slots"], len(run.curves["reward"])
        return (np.arange(n) + 1) / n * slots / run.config["horizon"]
