"""Lines that panels of a figure show: a metric over the axis, over training, or by series."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.series import Series
from jaxvec.viz.plots import Line

Lines = Callable[[Data], list[Line]]
"""From the data of a figure to what a panel shows of them."""


def kind_of(series: Series) -> str:
    """How a series is drawn: as one that learned, or as a rule."""
    return "learned" if series.learner else "rule"


def over_axis(metric: str, scale: float = 1.0, printed: Mapping[str, Mapping[float, float]] | None = None) -> Lines:
    """A metric over the axis.

    Args:
        metric: which.
        scale: from it to what the panel shows.
        printed: what the paper prints of it, by series and value of the axis.
    """

    def lines(data: Data) -> list[Line]:
        result = []
        for series in data.series:
            xs = [x for x in data.xs if data.has(series.name, x, metric)]
            if not xs:
                continue
            estimates = [data.estimate(series.name, x, metric) for x in xs]
            means, halves = [it.mean * scale for it in estimates], [it.half * scale for it in estimates]
            result.append(Line(series.name, xs, means, halves, kind_of(series)))
            values = (printed or {}).get(series.name, {})
            if values:
                ys = list(values.values())
                result.append(Line(series.name, list(values), ys, [np.nan] * len(ys), "paper"))
        return result

    return lines


def over_training(
    metric: str = "reward",
    scale: float = 1.0,
    name: str = "{series}",
    *,
    of: Sequence[Series] = (),
    but: Sequence[Series] = (),
) -> Lines:
    """A metric of training over the episodes seen; rules are level lines.

    Args:
        metric: which.
        scale: from it to what the panel shows.
        name: of a line, with `{series}` and `{x}`.
        of: these learners alone, where there are too many for one panel; if none of them was trained it shows nothing.
        but: all learners but these.
    """
    some, others = {series.name for series in of}, {series.name for series in but}

    def lines(data: Data) -> list[Line]:
        result, longest = [], 1.0
        for series in data.series:
            for x in data.xs:
                if not series.learner or (series.name, x) not in data.runs or series.name in others:
                    continue
                if some and series.name not in some:
                    continue
                estimates = [over_seeds(row) for row in data.curve(series.name, x, metric) * scale]
                episodes = data.episodes(series.name, x)
                longest = max(longest, episodes[-1])
                means, halves = zip(*estimates, strict=True)
                label = name.format(series=series.name, x=f"{x:g}")
                result.append(Line(label, list(episodes), means, halves, "curve"))
        for series in data.series if result or not some else ():
            if (series.rule or series.bound) and data.has(series.name, data.xs[0], metric.removeprefix("env/")):
                level = data.mean(series.name, data.xs[0], metric.removeprefix("env/")) * scale
                result.append(Line(series.name, [0.0, longest], [level] * 2, [np.nan] * 2, "rule"))
        return result

    return lines


def over_series(metric: str, scale: float = 1.0) -> Lines:
    """A metric after training, a mark for each series, at the first value of the axis.

    Args:
        metric: which.
        scale: from it to what the panel shows.
    """

    def lines(data: Data) -> list[Line]:
        result = []
        for series in data.series:
            if not data.has(series.name, data.xs[0], metric):
                continue
            estimate = data.estimate(series.name, data.xs[0], metric)
            mark = [estimate.mean * scale], [estimate.half * scale]
            result.append(Line(series.name, [series.name], *mark, kind_of(series)))
        return result

    return lines
