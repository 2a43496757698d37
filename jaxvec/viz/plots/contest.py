"""How policies compare in the same worlds."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from jaxvec.core.evaluation import Interval, interval
from jaxvec.viz.colours import colour_of, legible
from jaxvec.viz.plots.style import axis_words, new_figure, with_error
from jaxvec.viz.theme import INK, MUTED

COSTS = re.compile(
    "cost|latency|delay|wait|energy|viol|violation|timeout|loss|late|drop|dropped|penalty|drift|backlog|queue|q|failed|beyond|short"
    "|overload|overloaded|oversubscribed|imbalance|migration|sat|var|objective"
)
"""Words of metrics of which less is better."""
FENCE = 12.0  # how many typical distances from the middle still set the scale


def lower_is_better(metric: str) -> bool:
    """Whether less of a metric is better, by the words of its name."""
    return any(COSTS.fullmatch(word) for word in metric.removeprefix("env/").split("_"))


def comparison(
    results: Mapping[str, Mapping[str, ArrayLike]],
    path: str | os.PathLike[str],
    metric: str = "reward",
    *,
    title: str = "",
    reference: str | None = None,
    lower: bool | None = None,
) -> Path:
    """Policies, the best at the top: at the left how each fares, at the right its paired difference from one of them.

    What lies so far off that the others would have no room is an arrow at the side, beside its number.

    Args:
        results: policy -> metric -> `(n_worlds,)`, from `jaxvec.core.evaluation.evaluate`.
        path: a `.png` or `.svg`.
        metric: which.
        title: above; empty: the metric.
        reference: the policy that is marked, and from which differences are taken; None: the first, in `jaxvec evaluate` the
            learned one.
        lower: whether less is better; None: by the metric's name, see `lower_is_better`.
    Returns:
        `path`.
    Raises:
        ValueError: no policy, no such metric or reference, policies that did not meet the same worlds, another suffix, or no such
            folder.
    """
    samples = _samples(results, metric)
    reference = next(iter(samples)) if reference is None else reference
    if reference not in samples:
        raise ValueError(f"there is no policy {reference!r}; known: {', '.join(samples)}")
    lower = lower_is_better(metric) if lower is None else lower
    order = sorted(samples, key=lambda name: samples[name].mean() * (-1 if lower else 1))
    differences = {name: interval(x - samples[reference]) for name, x in samples.items() if name != reference}
    near = _near(samples, reference)
    with new_figure(path, 9.6, 1.35 + 0.34 * len(order)) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        _means(left, order, samples, near)
        _differences(right, order, differences, near)
        _rows((left, right), order, reference)
        left.set(ylabel="policy", xlabel=f"{axis_words(metric)}, {'lower' if lower else 'higher'} is better")
        right.set_xlabel(f"difference from {reference}, world by world")
        heading = title or f"{axis_words(metric)} of {len(order)} policies in the same {len(samples[reference])} worlds"
        figure.suptitle(heading, x=0.01, ha="left", size=10, color=INK)
        note = "dot: mean and its 95 % interval · bar: nine of ten worlds · arrow: beyond the scale"
        figure.supxlabel(note, size=7.5, color=MUTED)
    return Path(path)


def _rows(both: Sequence[Axes], order: Sequence[str], reference: str) -> None:
    """A row for each policy, that of the reference marked."""
    row = order.index(reference)
    for axes in both:
        axes.set_ylim(-0.6, len(order) - 0.4)
        axes.grid(False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.axhspan(row - 0.45, row + 0.45, color=colour_of(reference), alpha=0.1, linewidth=0, zorder=0)
    both[0].set_yticks(range(len(order)), order)
    both[0].get_yticklabels()[row].set_fontweight("bold")


def _samples(results: Mapping[str, Mapping[str, ArrayLike]], metric: str) -> dict[str, np.ndarray]:
    if not results:
        raise ValueError("nothing to compare: there are no policies")
    for name, metrics in results.items():
        if metric not in metrics:
            raise ValueError(f"{name} has no metric {metric!r}; known: {', '.join(sorted(metrics))}")
    samples = {name: np.asarray(metrics[metric], float) for name, metrics in results.items()}
    sizes = {name: x.shape for name, x in samples.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"policies are compared in the same worlds, one value for each, not {sizes}")
    return samples


def _means(axes: Axes, order: Sequence[str], samples: Mapping[str, np.ndarray], near: Collection[str]) -> None:
    bars = {name: np.quantile(samples[name], (0.05, 0.95)) for name in order}
    means = {name: interval(samples[name]) for name in order}
    low, high = _limits([(*_ends(means[name]), *bars[name]) for name in near])
    for row, name in enumerate(order):
        inside = np.clip(bars[name], low, high)
        if low <= means[name].mean <= high:
            axes.plot(inside, (row, row), color=colour_of(name), alpha=0.3, linewidth=5, solid_capstyle="butt")
        _mark(axes, row, means[name], colour_of(name), low, high)
    axes.set_xlim(low, high)


def _differences(axes: Axes, order: Sequence[str], differences: Mapping[str, Interval], near: Collection[str]) -> None:
    low, high = _limits([(0.0, 0.0), *(_ends(differences[name]) for name in near if name in differences)])
    axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
    for row, name in enumerate(order):
        if name in differences:
            _mark(axes, row, differences[name], colour_of(name), low, high, signed=True)
    axes.set_xlim(low, high)


def _near(samples: Mapping[str, np.ndarray], reference: str) -> list[str]:
    """Who sets the scale: those that are not far off all others, and the reference."""
    means = {name: float(x.mean()) for name, x in samples.items()}
    distances = np.abs(np.array(list(means.values())) - np.median(list(means.values())))
    spreads = [np.ptp(np.quantile(x, (0.05, 0.95))) / 2 for x in samples.values()]
    fence = FENCE * max(float(np.median(distances)), float(np.median(spreads)))
    return [name for name, far in zip(samples, distances, strict=True) if far <= fence or name == reference]


def _ends(it: Interval) -> tuple[float, float]:
    half = float(np.nan_to_num(it.half))
    return it.mean - half, it.mean + half


def _limits(ends: Sequence[tuple[float, ...]]) -> tuple[float, float]:
    """From the least to the largest, and a little more."""
    kept = [x for several in ends for x in several]
    margin = 0.06 * (max(kept) - min(kept)) or 0.1 * abs(max(kept)) or 1.0
    return min(kept) - margin, max(kept) + margin


def _mark(axes: Axes, row: int, it: Interval, colour: str, low: float, high: float, *, signed: bool = False) -> None:
    """A dot with its interval, or an arrow at the side; at the right its number."""
    if low <= it.mean <= high:
        axes.errorbar(it.mean, row, xerr=np.nan_to_num(it.half), fmt="o", ms=5, color=colour, capsize=3)
    else:
        left = it.mean < low
        at = low + (0.02 if left else 0.98) * (high - low)
        axes.plot(at, row, "<" if left else ">", color=colour, ms=7)
    text = with_error(*it)
    text = f"+{text}" if signed and it.mean > 0 else text
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "annotation_clip": False}
    axes.annotate(text, (1.02, row), color=legible(colour) if signed else INK, size=8, **place)
