"""From data to verdicts: statistics of training, statements about orders and changes, and what a verdict is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from jaxvec.core.evaluation import Interval
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.series import Cell

HOLDS, FAILS, UNTESTABLE, OPEN = "holds", "does not hold", "not testable", "open"
SINGLE_SEED = "a single seed has no interval"


class Verdict(NamedTuple):
    """What became of a claim.

    Attributes:
        outcome: one of `HOLDS`, `FAILS`, `UNTESTABLE` and `OPEN`.
        numbers: those behind it, in words.
    """

    outcome: str
    numbers: str


Check = Callable[[Data], Verdict]
"""From the data of a figure to a verdict."""


def judge(holds: bool, numbers: str) -> Verdict:
    """A verdict from data."""
    return Verdict(HOLDS if holds else FAILS, numbers)


def untestable(reason: str) -> Verdict:
    """No verdict, and why not."""
    return Verdict(UNTESTABLE, reason)


def undecidable(reason: str) -> Check:
    """A check of what no data can decide, and why not."""
    return lambda data: untestable(reason)


def without_interval(gaps: Iterable[Interval]) -> bool:
    """Whether any of several differences has no interval, as of a single seed."""
    return any(np.isnan(gap.half) for gap in gaps)


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


def in_order(data: Data, cells: Sequence[Cell], metric: str = "reward", names: Sequence[str] | None = None) -> Verdict:
    """Whether each cell is above the next one by more than chance: the interval of their paired difference is above zero.

    Args:
        data: of the figure.
        cells: from the highest to the lowest, as claimed.
        metric: what is compared.
        names: what to call them; by default their series.
    """
    gaps = [data.ahead(a, b, metric) for a, b in pairwise(cells)]
    return _chain(names or [series for series, _ in cells], [data.estimate(*cell, metric) for cell in cells], gaps)


def ranked(samples: Mapping[str, np.ndarray]) -> Verdict:
    """`in_order` for samples per seed `(seeds,)`, from the highest to the lowest."""
    gaps = [over_seeds(a - b) for a, b in pairwise(samples.values())]
    return _chain(list(samples), [over_seeds(x) for x in samples.values()], gaps)


def _chain(names: Sequence[str], estimates: Sequence[Interval], gaps: Sequence[Interval]) -> Verdict:
    """From a > b > c, the verdict on both signs; "≈" where the interval of a difference has zero in it."""
    signs = [">" if gap.mean > gap.half else "<" if -gap.mean > gap.half else "≈" for gap in gaps]
    text = f"{names[0]} {estimates[0]}"
    for sign, name, estimate in zip(signs, names[1:], estimates[1:], strict=True):
        text += f" {sign} {name} {estimate}"
    if without_interval(gaps):
        return untestable(f"{SINGLE_SEED}: {text}")
    return judge(all(sign == ">" for sign in signs), text)


def rises(data: Data, series: str, metric: str, unit: str = "", sign: int = 1, scale: float = 1.0) -> Verdict:
    """Whether a metric rises at every step along the axis, by more than chance.

    Args:
        data: of the figure.
        series: whose.
        metric: which.
        unit: in which the verdict gives it, with a blank before it.
        sign: -1 where it is to fall.
        scale: from the metric to that unit.
    """
    text = [f"{data.mean(series, x, metric) * scale:.4g}" for x in data.xs]
    gaps = [data.ahead((series, high), (series, low), metric) for low, high in pairwise(data.xs)]
    if without_interval(gaps):
        return untestable(SINGLE_SEED)
    steps = [sign * gap.mean > gap.half for gap in gaps]
    where = ", ".join(f"{x:g}" for x in data.xs)
    clear = f"{sum(steps)} of {len(steps)} steps clearly {'up' if sign > 0 else 'down'}"
    return judge(all(steps), f"{series}: {', '.join(text)}{unit} at {where} ({clear})")


def both(*verdicts: Verdict) -> Verdict:
    """Several statements as one: it holds if all do, and is not testable if one is not and none fails."""
    outcomes = [verdict.outcome for verdict in verdicts]
    numbers = "; ".join(verdict.numbers for verdict in verdicts)
    worst = max(outcomes, key=(HOLDS, UNTESTABLE, FAILS).index)
    return Verdict(worst, numbers)
