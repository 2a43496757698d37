"""Panels of lines that share their series: the papers' figures, and benchmarks."""

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from jaxvec.viz.colours import colours_of
from jaxvec.viz.plots.style import new_figure
from jaxvec.viz.theme import INK, MUTED

DECADES = 100.0  # what spans more than this, all above zero, has a logarithmic axis
HANDLE_IN, LETTER_IN, LINE_IN = 0.55, 0.064, 0.17  # of a legend: what stands before a name, a letter, a line [inch]
LABEL_LETTERS = 36  # of an axis, in a line
MOST_COLUMNS, MOST_BESIDE = 5, 2  # of a legend; panels beside each other, so that a page's width leaves them readable
DASH = (4.0, 2.5)  # of rules, in widths of the line
PRINTED = "printed in the paper"


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


Parts = Sequence[tuple[str, str, Sequence[Line]]]
"""Of each panel what it shows (its vertical axis), the name of its horizontal axis, and its lines."""


def panels(parts: Parts, path: str | os.PathLike[str], *, title: str = "", note: str = "") -> Path:
    """Panels, two in a row, that share their series: lines with 95 % intervals, and the values of others to compare with.

    The legend stands below all, or in the place that an odd panel leaves beside it.

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
    columns = min(len(parts), MOST_BESIDE)
    rows = -(-len(parts) // columns)
    width, height = _size(parts, rows, columns)
    with new_figure(path, width, height) as figure:
        handles: dict[str, Any] = {}
        for i, (name, axis, lines) in enumerate(parts):
            axes = figure.add_subplot(rows, columns, _place(parts, i, columns))
            for line, phase in zip(lines, _phases(lines), strict=True):
                drawn = _line(axes, line, colours[line.name], phase)
                if line.kind != "paper":
                    handles.setdefault(line.name, drawn if not phase else _in_legend(axes, drawn))
            axes.set(xlabel=axis.strip() or "who is compared", ylabel=textwrap.fill(name, LABEL_LETTERS))
            _limits(axes, lines)
        handles |= _printed(axes, parts, colours, handles)
        if len(handles) > 1:
            _legend(figure, handles, (rows, columns) if len(parts) < rows * columns else None)
        figure.suptitle(title, x=0.01, ha="left", size=10.5, color=INK)
        if note:
            figure.text(0.99, 1 - 0.09 / height, note, ha="right", va="top", size=7.5, color=MUTED)
    return Path(path)


def _size(parts: Parts, rows: int, columns: int) -> tuple[float, float]:
    """Width and height of a figure [inch]: what is written below panels, and a long legend, take nothing from them."""
    width = 3.4 + 3.4 * columns
    words = max((len(x) for _, _, lines in parts for line in lines for x in line.x if isinstance(x, str)), default=0)
    names = list({line.name: None for _, _, lines in parts for line in lines})
    legend = 0 if len(parts) < rows * columns else -(-len(names) // _legend_columns(names, width))
    return width, 0.6 + (3.2 + 0.5 * LETTER_IN * words) * rows + LINE_IN * legend


def _place(parts: Parts, i: int, columns: int) -> int | tuple[int, int]:
    """Where a panel stands; an odd one has its row for itself where a legend has nothing to say beside it."""
    alone = i == len(parts) - 1 and i % columns == 0 and columns > 1
    names = {line.name for _, _, lines in parts for line in lines}
    return (1 + i, columns + i) if alone and len(names) == 1 else 1 + i


def _legend(figure: Figure, handles: dict[str, Any], left: tuple[int, int] | None) -> None:
    """Names below all panels, or in the last of so many rows and columns of panels, which none has taken."""
    if left is None:
        beside = {"ncols": _legend_columns(list(handles), figure.get_figwidth()), "fontsize": 8}
        figure.legend(handles.values(), handles, loc="outside lower center", **beside)
        return
    rows, columns = left
    axes = figure.add_subplot(rows, columns, rows * columns)
    axes.set_axis_off()
    lines = 3.2 / LINE_IN - 4  # that fit into the height of a panel
    axes.legend(handles.values(), handles, loc="center", fontsize=9, ncols=1 + int(len(handles) / lines))


def _legend_columns(names: Sequence[str], width: float) -> int:
    """How many columns of names stand beside each other."""
    fit = int(width / (HANDLE_IN + LETTER_IN * max(map(len, names))))
    return max(1, min(fit, MOST_COLUMNS))


def _in_legend(axes: Axes, drawn: Any) -> Any:
    """A line as it stands in the legend, where its dashes begin at the beginning."""
    style: dict[str, Any] = {"color": drawn.get_color(), "lw": drawn.get_linewidth(), "ls": (0.0, DASH)}
    return axes.plot([], [], marker=drawn.get_marker(), ms=4, **style)[0]


def _printed(axes: Axes, parts: Parts, colours: dict[str, str], named: dict[str, Any]) -> dict[str, Any]:
    """What stands in the legend for values of the paper: one diamond for all, and of who is shown by it alone, that one."""
    who = {line.name for _, _, lines in parts for line in lines if line.kind == "paper"}
    marks = {PRINTED: MUTED} if who & set(named) else {}
    marks |= {f"{name}, {PRINTED}": colours[name] for name in sorted(who - set(named))}
    style: dict[str, Any] = {"ms": 6.5, "mfc": "none", "mew": 1.3}
    return {name: axes.plot([], [], "D", mec=colour, **style)[0] for name, colour in marks.items()}


def _phases(lines: Sequence[Line]) -> list[float]:
    """Where the dashes of each line begin: of rules that coincide one in the gaps of the other, so that both are seen."""
    rules = [i for i, line in enumerate(lines) if line.kind == "rule"]
    span = float(np.ptp(np.concatenate([np.asarray(lines[i].mean, float) for i in rules]))) if rules else 0.0
    phases = [0.0] * len(lines)
    for n, i in enumerate(rules):
        same = [j for j in rules[:n] if _coincide(lines[i], lines[j], span / 100)]
        phases[i] = sum(DASH) * (len(same) % 2) / 2
    return phases


def _coincide(line: Line, other: Line, tolerance: float) -> bool:
    """Whether two lines lie on each other."""
    return list(line.x) == list(other.x) and bool(np.allclose(line.mean, other.mean, rtol=0.0, atol=tolerance))


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
    elif np.all(numbers == np.round(numbers)) and np.ptp(numbers) > 1:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if all(_is_level(line) for line in lines):
        axes.set(xticks=[], xlabel=f"{axes.get_xlabel()} (no learner was trained)")
    values = np.concatenate([np.asarray(line.mean, float) for line in lines])
    low, high = np.nanmin(values), np.nanmax(values)
    if low > 0 and high > DECADES * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.6, high * 1.6)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        return
    margin = 0.4 * (high - low) or abs(high) or 1.0
    axes.set_ylim(max(axes.get_ylim()[0], low - margin), min(axes.get_ylim()[1], high + margin))


def _is_level(line: Line) -> bool:
    """Whether it is a rule beside trainings, of which there are none."""
    return line.kind == "rule" and list(line.x) == [0.0, 1.0] and bool(np.all(np.isnan(line.half)))


def _geometric(x: np.ndarray) -> bool:
    """Ascending numbers in equal ratios, over decades."""
    if len(x) < 3 or x[0] <= 0 or x[-1] < DECADES * x[0]:
        return False
    return bool(np.allclose(np.diff(np.log(x)), np.log(x[-1] / x[0]) / (len(x) - 1), rtol=0.05))


def _line(axes: Axes, line: Line, colour: str, phase: float) -> Any:
    """A line in its kind's style, of a rule with dashes that begin at a phase; returns what stands for it in a legend."""
    x: Any = list(line.x)
    mean, half = np.asarray(line.mean, float), np.asarray(line.half, float)
    if line.kind == "paper":
        return axes.plot(x, mean, "D", ms=6.5, mfc="none", mec=colour, mew=1.3, zorder=4)[0]
    style: dict[str, Any] = {"color": colour, "lw": 1.7, "ls": (phase, DASH) if line.kind == "rule" else "-"}
    if isinstance(x[0], str):
        style["ls"] = ""
    if line.kind == "curve":
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)
        return axes.plot(x, mean, **style)[0]
    unknown = bool(np.all(np.isnan(half)))
    marker = "" if line.kind == "rule" and unknown and style["ls"] else "o"
    bars = None if unknown else np.where(np.isnan(half), 0, half)
    return axes.errorbar(x, mean, bars, marker=marker, ms=4, capsize=2.5, elinewidth=1, **style)[0]
