"""From data to findings: statistics of training, and statements about orders and changes."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from jaxvec.core.evaluation import Interval
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.series import Cell
from jaxvec.papers.verdicts import EQUAL, RANK, STEP, Difference, Finding, untestable

Check = Callable[[Data], Finding]
"""From the data of a figure to what it finds."""


def undecidable(reason: str) -> Check:
    """A check of what no data can decide, and why not."""
    return lambda data: untestable(reason)


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


def above(what: str, high: np.ndarray, low: np.ndarray) -> Difference:
    """That samples are above others, paired.

    Args:
        what: in words.
        high, low: `(n,)` each.
    """
    return Difference(what, high - low, float(np.mean(np.abs([high, low]))))


def whole(values: np.ndarray, names: Sequence[str], sign: int = 1, kind: str = STEP) -> tuple[Difference, ...]:
    """That values rise from the first to the last: judged by the line through all, whose steps can only contradict it.

    Args:
        values: `(k, n)`, paired.
        names: of the k.
        sign: -1 where they fall.
        kind: of a step, see `Difference`.
    """
    size = float(np.mean(np.abs(values)))
    rank = np.arange(len(values)) - (len(values) - 1) / 2
    rise = sign * (len(values) - 1) * np.tensordot(rank, values, 1) / np.sum(rank**2)
    line = Difference(f"{names[0]} to {names[-1]}", rise, size)
    if len(values) == 2:
        return (line,)
    pairs = zip(pairwise(names), np.diff(values, axis=0), strict=True)
    return (line, *(Difference(f"{a} to {b}", sign * x, size, kind) for (a, b), x in pairs))


def in_order(data: Data, cells: Sequence[Cell], metric: str = "reward", names: Sequence[str] | None = None) -> Finding:
    """That each cell is above the next.

    Args:
        data: of the figure.
        cells: from the highest to the lowest, as claimed.
        metric: what is compared.
        names: what to call them; by default their series.
    """
    names = names or [series for series, _ in cells]
    gaps = [data.ahead(a, b, metric) for a, b in pairwise(cells)]
    text = _chain(names, [data.estimate(*cell, metric) for cell in cells], gaps)
    return Finding(text, whole(data.paired(cells, metric), names, -1, RANK))


def ranked(samples: Mapping[str, np.ndarray]) -> Finding:
    """`in_order` for samples per seed `(seeds,)`, from the highest to the lowest."""
    gaps = [over_seeds(a - b) for a, b in pairwise(samples.values())]
    text = _chain(list(samples), [over_seeds(x) for x in samples.values()], gaps)
    return Finding(text, whole(np.stack(list(samples.values())), list(samples), -1, RANK))


def _chain(names: Sequence[str], estimates: Sequence[Interval], gaps: Sequence[Interval]) -> str:
    """A chain with the sign of each step; "≈" where the interval of a difference has zero in it, or there is none."""
    signs = [">" if gap.mean > gap.half else "<" if -gap.mean > gap.half else "≈" for gap in gaps]
    text = f"{names[0]} {estimates[0]}"
    for sign, name, estimate in zip(signs, names[1:], estimates[1:], strict=True):
        text += f" {sign} {name} {estimate}"
    return text


def rises(data: Data, series: str, metric: str, unit: str = "", sign: int = 1, scale: float = 1.0) -> Finding:
    """That a metric rises along the axis.

    Args:
        data: of the figure.
        series: whose.
        metric: which.
        unit: in which the numbers are given, with a blank before it.
        sign: -1 where it is to fall.
        scale: from the metric to that unit.
    """
    values = data.paired([(series, x) for x in data.xs], metric)
    text = ", ".join(f"{mean * scale:.4g}" for mean in values.mean(1))
    where = ", ".join(f"{x:g}" for x in data.xs)
    found = whole(values, [f"{x:g}" for x in data.xs], sign)
    change = over_seeds(sign * scale * found[0].samples)
    line = "" if len(values) == 2 else " by the line"
    return Finding(f"{series}: {text}{unit} at {where} (in all {change}{unit}{line})", found)


def everywhere(
    data: Data, high: str, low: str, metric: str = "reward", xs: Sequence[float] | None = None
) -> tuple[Difference, ...]:
    """That a series is above another in the mean over the axis, and nowhere clearly below it.

    Args:
        data: of the figure.
        high, low: series.
        metric: what is compared.
        xs: where; by default at all values of the axis.
    """
    xs = data.xs if xs is None else xs
    a, b = np.split(data.paired([(name, x) for name in (high, low) for x in xs], metric), 2)
    size = float(np.mean(np.abs([a, b])))
    mean = Difference(f"{high} above {low}", (a - b).mean(0), size)
    if len(xs) == 1:
        return (mean,)
    there = zip(xs, a - b, strict=True)
    return (mean, *(Difference(f"{high} above {low} at {x:g}", gap, size, STEP) for x, gap in there))


def level(what: str, values: np.ndarray) -> Difference:
    """That two are equal.

    Args:
        what: in words.
        values: `(2, n)`, paired.
    """
    return Difference(what, values[0] - values[1], float(np.mean(np.abs(values))), EQUAL)
