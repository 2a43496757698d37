"""Panels of lines that share their series: the papers' figures, and benchmarks."""

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, FuncFormatter

from jaxvec.viz.colours import colours_of
from jaxvec.viz.plots.style import new_figure
from jaxvec.viz.theme import INK, MUTED

DECADES = 100.0  # what spans more than this, all above zero, has a logarithmic axis
HANDLE_IN, LETTER_IN = 0.55, 0.064  # of a legend: what stands before a name, with the gaps, and a letter of it [inch]
MOST_COLUMNS = 5  # of a legend


class Line(NamedTuple):
    """A line of a panel.

    Attributes:
        name: in the legend, once for all panels; it decides the colour, see `jaxvec.viz.colours`.
        x: numbers, or words for places without order.
        mean, half: values, and the half-widths of their intervals (NaN where unknown).
        kind: "curve" is a line with a band, "learned" has marks with bars, "rule" is dashed with them (without where there is
            no interval), "paper" (values that somebody else printed) is hollow marks.
    """

    name: str
    x: Sequence[float] | Sequence[str]
    mean: Sequence[float]
    half: Sequence[float]
    kind: str = "learned"


def panels(
    parts: Sequence[tuple[str, str, Sequence[Line]]], path: str | os.PathLike[str], *, title: str = "", note: str = ""
) -> Path:
    """Panels side by side that share their series: lines with 95 % intervals, and the values of others to compare with.

    Args:
        parts: per panel what it shows (its vertical axis), the name of its horizontal axis, and its lines.
        path: a `.png` or `.svg`.
        title: above all.
        note: beside it, small.
    Returns:
        `path`.
    Raises:
        ValueError: nothing to show, another suffix, or no such folder.
    """
    if not any(len(line.x) for _, _, lines in parts for line in lines):
        raise ValueError("nothing to show: there are no lines")
    colours = colours_of([line.name for _, _, lines in parts for line in lines])
    width = 3.4 + 3.4 * len(parts)
    with new_figure(path, width, 4.3) as figure:
        handles: dict[str, Any] = {}
        for i, (name, axis, lines) in enumerate(parts):
            axes = figure.add_subplot(1, len(parts), 1 + i)
            for line in lines:
                drawn = _line(axes, line, colours[line.name])
                if line.kind == "paper":
                    drawn = axes.plot([], [], "D", ms=6.5, mfc="none", mec=MUTED, mew=1.3)[0]
                handles.setdefault("printed in the paper" if line.kind == "paper" else line.name, drawn)
            axes.set(xlabel=axis.strip() or "who is compared", ylabel=textwrap.fill(name, 44))
            _limits(axes, lines)
        if len(handles) > 1:
            fit = int(width / (HANDLE_IN + LETTER_IN * max(map(len, handles))))
            columns = {"ncols": max(1, min(fit, MOST_COLUMNS)), "fontsize": 8}
            figure.legend(handles.values(), handles, loc="outside lower center", **columns)
        figure.suptitle(title, x=0.01, ha="left", size=10.5, color=INK)
        if note:
            figure.text(0.99, 0.98, note, ha="right", va="top", size=7.5, color=MUTED)
    return Path(path)


def _limits(axes: Axes, lines: Sequence[Line]) -> None:
    """Ticks for words or numbers, scales by what they span; a wide band, as of few seeds, does not set the scale."""
    numbers = np.unique([x for line in lines for x in line.x if not isinstance(x, str)])
    if not numbers.size:
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    elif _geometric(numbers):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    elif max(numbers) >= 1000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    values = np.concatenate([np.asarray(line.mean, float) for line in lines])
    low, high = np.nanmin(values), np.nanmax(values)
    if low > 0 and high > DECADES * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.6, high * 1.6)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        return
    margin = 0.4 * (high - low) or abs(high) or 1.0
    axes.set_ylim(max(axes.get_ylim()[0], low - margin), min(axes.get_ylim()[1], high + margin))


def _geometric(x: np.ndarray) -> bool:
    """Ascending numbers in equal ratios, over decades."""
    if len(x) < 3 or x[0] <= 0 or x[-1] < DECADES * x[0]:
        return False
    return bool(np.allclose(np.diff(np.log(x)), np.log(x[-1] / x[0]) / (len(x) - 1), rtol=0.05))


def _line(axes: Axes, line: Line, colour: str) -> Any:
    """A line in its kind's style; returns what stands for it in a legend."""
    x: Any = list(line.x)
    mean, half = np.asarray(line.mean, float), np.asarray(line.half, float)
    if line.kind == "paper":
        return axes.plot(x, mean, "D", ms=6.5, mfc="none", mec=colour, mew=1.3, zorder=4)[0]
    style: dict[str, Any] = {"color": colour, "lw": 1.7, "ls": (0, (4, 2.5)) if line.kind == "rule" else "-"}
    if isinstance(x[0], str):
        style["ls"] = ""
    if line.kind == "curve":
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)
        return axes.plot(x, mean, **style)[0]
    marker = "" if line.kind == "rule" and np.all(np.isnan(half)) and style["ls"] else "o"
    return axes.errorbar(
        x, mean, np.where(np.isnan(half), 0, half), marker=marker, ms=4, capsize=2.5, elinewidth=1, **style
    )[0]
