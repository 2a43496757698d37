"""Whether a learner has learned: a claim is never decided by one that has not.

A learner has learned at a point where

- the end of its curve is flat: over the last fifth the reward changes by no more than `FLAT` of what training gained, or by no
  more than noise;
- not more than `STUCK` of its actors choose the same whatever they see, where the learner says so (off-policy ones do);
- it is not behind the best rule that knows no more than it does, the `marks` of its series: it has made `NEAR` of the way from
  chance to that rule, or its interval reaches so far.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from jaxvec.papers.data import Data
from jaxvec.papers.series import Cell, Series

FLAT, STUCK, NEAR = 0.05, 0.5, 0.95
LEAST_POINTS = 10  # of a curve whose end is looked at
HAVE_LEARNED = "flat, not stuck, level with rules that know as much"


class Learned(NamedTuple):
    """What became of a learner at a point.

    Attributes:
        cell: series and value of the axis.
        fails: why it has not learned, in words; empty if it has.
    """

    cell: Cell
    fails: tuple[str, ...]


def learned(data: Data, cells: Iterable[Cell]) -> list[Learned]:
    """What became of those of several cells that are learners.

    Args:
        data: of the figure.
        cells: series and values of the axis.
    """
    by_name = {series.name: series for series in data.series}
    of_cells = [(by_name[name], x) for name, x in cells if name in by_name]
    trained = [(one, x) for one, x in of_cells if one.learner or (one.run_fn and one.marks)]
    return [Learned((series.name, x), tuple(_fails(data, series, x))) for series, x in trained]


def in_words(all_of_them: Iterable[Learned]) -> str:
    """What became of several, with the reason of each that failed.

    Args:
        all_of_them: in order.
    """
    by_fails: dict[str, list[str]] = {}
    for one in all_of_them:
        name, x = one.cell
        by_fails.setdefault(", ".join(one.fails), []).append(f"{name} at {x:g}")
    failed = [f"{', '.join(names)}: {why}" for why, names in by_fails.items() if why]
    good = by_fails.get("", [])
    if not failed:
        return HAVE_LEARNED if good else ""
    return "; ".join(failed)


def _fails(data: Data, series: Series, x: float) -> list[str]:
    """Why a learner has not learned."""
    fails = [_slope(data.curve(series.name, x)), _stuck(data, series.name, x), _behind(data, series, x)]
    return [why for why in fails if why]


def _slope(curve: np.ndarray) -> str:
    """Of a curve `(points, seeds)`: that its end is not flat."""
    n = len(curve)
    if n < LEAST_POINTS:
        return f"a curve of {n} points does not show whether it is flat"
    end = curve[-max(3, round(n / 5)) :]
    time = np.linspace(-0.5, 0.5, len(end))[:, None]
    rise = np.sum(time * end, 0) / np.sum(time**2)  # of the line through the end, `(seeds,)`
    rest = end - end.mean(0) - time * rise
    noise = 2 * np.sqrt(np.mean(np.sum(rest**2, 0)) / (len(end) - 2) / np.sum(time**2) / curve.shape[1])
    gained = abs(float(np.mean(end.mean(0) - curve[: max(1, n // 20)].mean(0))))
    change = float(rise.mean())
    if abs(change) <= max(FLAT * gained, noise, 1e-6 * np.abs(end).mean()):
        return ""
    part = f"{abs(change) / gained:.0%} of what it gained" if gained > 0 else f"{change:.2g}"
    return f"not flat, {'rises' if change > 0 else 'falls'} by {part} over the last fifth"


def _stuck(data: Data, name: str, x: float) -> str:
    """That actors are stuck."""
    runs = data.runs[name, x]
    metrics = [metric for metric in runs[0].curves if "/stuck" in metric]
    curves = [data.curve(name, x, metric) for metric in metrics]
    parts = [float(curve[-max(1, len(curve) // 5) :].mean()) for curve in curves]
    part = max(parts, default=0.0)
    return f"stuck, {part:.0%} of the actors choose the same whatever they see" if part > STUCK else ""


def _behind(data: Data, series: Series, x: float) -> str:
    """That it is behind a rule that knows no more."""
    chance = _chance(data, series, x)
    there = [name for name in series.marks if (name, x) in data.runs]
    if not there:
        return ""
    best = max(there, key=lambda name: data.mean(name, x, series.judged_by))
    top = data.mean(best, x, series.judged_by)
    floor = data.mean(chance, x, series.judged_by) if chance else 0.0
    if top <= floor:
        return ""
    reward = data.estimate(series.name, x, series.judged_by)
    part = (reward.mean - floor) / (top - floor)
    reaches = (reward.mean + np.nan_to_num(reward.half) - floor) / (top - floor)
    if reaches >= NEAR:
        return ""
    return f"behind {best}, {part:.0%} of the way from chance to it"


def _chance(data: Data, series: Series, x: float) -> str:
    """The series that acts at random in the same world, or at least in one of the figure's; empty if there is none."""
    names = [
        one for one in data.series if "random" in (one.rule, one.name.split(" (")[0]) and (one.name, x) in data.runs
    ]
    alike = [one for one in names if (one.sizes, one.numbers) == (series.sizes, series.numbers)]
    return next((one.name for one in [*alike, *names]), "")
