"""Results as plots: how learning went, how policies compare, how fast it runs. The suffix of the file decides: .png or .svg."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import ArrayLike

from jaxvec.core.evaluation import interval
from jaxvec.core.files import replacing, target
from jaxvec.viz.theme import INK, LIGHT, MINUS, MUTED, PAPER, SERIES, quantity, words

SUFFIXES = (".png", ".svg")
AXES = ("update", "steps", "seconds")
TELLING = ("latency", "delay", "energy", "violation", "success", "drop", "local", "cost")
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT,
    "axes.labelcolor": MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e7ebef",
    "xtick.color": LIGHT,
    "ytick.color": LIGHT,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
    "svg.hashsalt": "jaxvec",
    "svg.fonttype": "none",
}


@contextmanager
def new_figure(path: str | os.PathLike[str], width: float, height: float) -> Iterator[Figure]:
    """An empty figure in our style [inch], written to `path` if the block succeeds."""
    path = target(path, SUFFIXES)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        undated = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=160, metadata=undated)


def learning_curve(
    metrics: Mapping[str, ArrayLike],
    path: str | os.PathLike[str],
    *,
    baselines: Mapping[str, float] | None = None,
    x: str = "update",
    title: str = "",
    panels: Sequence[str] | None = None,
) -> Path:
    """The reward over training, and a few other metrics in small panels.

    Args:
        metrics: name -> `(updates,)`, or `(updates, seeds)`: then the mean over seeds with its 95 % interval, and a thin line
            per seed. `reward` must be among them.
        path: a `.png` or `.svg`.
        baselines: name -> reward, lines to compare with.
        x: the metric of the horizontal axis, such as `update`, `steps` or `seconds`; updates are counted where it is missing.
        panels: the other metrics; by default up to four that tell most.
    Returns:
        `path`.
    Raises:
        ValueError: no such metric, nothing to show, another suffix, or no such folder.
    """
    curves = {name: _by_seed(name, values) for name, values in metrics.items()}
    panels = _telling(curves) if panels is None else list(panels)
    for name in ("reward", *panels, *([] if x == "update" else [x])):
        if name not in curves:
            raise ValueError(f"there is no metric {name!r}; known: {', '.join(sorted(curves))}")
    n = len(curves["reward"])
    if n == 0:
        raise ValueError("nothing to show: there are no updates yet")
    over = curves[x].mean(1) if x in curves else np.arange(1, n + 1)
    with new_figure(path, 8.6 if panels else 6.4, 4.2) as figure:
        grid = figure.add_gridspec(2, 4 if len(panels) > 2 else 3) if panels else figure.add_gridspec(1, 1)
        main = figure.add_subplot(grid[:, :2])
        _curve(main, over, curves["reward"], SERIES[0], seeds=True)
        _lines(main, baselines or {})
        main.set(title=title or "reward per slot", xlabel=_words(x))
        main.xaxis.set_major_formatter(EngFormatter(sep=""))
        if title:
            main.set_ylabel("reward per slot")
        places = [grid[i % 2, 2 + i // 2] for i in range(len(panels))]
        if len(panels) == 1:
            places = [grid[:, 2]]
        for name, place in zip(panels, places, strict=True):
            axes = figure.add_subplot(place)
            _curve(axes, over, curves[name], SERIES[5], seeds=False)
            axes.set_title(_words(name.removeprefix("env/")), fontsize=8.5)
            axes.tick_params(labelsize=7.5)
            axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.yaxis.set_major_locator(MaxNLocator(4))
    return Path(path)


def _by_seed(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, float)
    if array.ndim not in (1, 2):
        raise ValueError(f"metric {name!r}: (updates,) or (updates, seeds), not {array.shape}")
    return array if array.ndim == 2 else array[:, None]


def _telling(curves: Mapping[str, np.ndarray]) -> list[str]:
    """At most four metrics of the environment: of each matter one, a mean if there is one; what never changes says nothing."""
    ours = [
        name
        for name, x in curves.items()
        if name not in ("reward", *AXES) and "/" not in name.removeprefix("env/") and np.ptp(x) > 0
    ]
    chosen = []
    for word in TELLING:
        of_it = [name for name in ours if word in name and name not in chosen]
        chosen += sorted(of_it, key=lambda name: ("mean" not in name, name))[:1]
    chosen += [name for name in ours if name not in chosen]
    return chosen[:4]


def _curve(axes: Axes, x: np.ndarray, values: np.ndarray, colour: str, *, seeds: bool) -> None:
    """Mean and 95 % interval over seeds."""
    n = values.shape[1]
    mean = values.mean(1)
    if n > 1:
        half = 1.96 * values.std(1, ddof=1) / np.sqrt(n)
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.22, linewidth=0)
        if seeds:
            axes.plot(x, values, color=colour, alpha=0.3, linewidth=0.6)
    marker = "o" if len(x) == 1 else None
    axes.plot(x, mean, color=colour, linewidth=1.8, marker=marker)
    if n > 1 and seeds:
        axes.text(
            0.99, 0.02, f"mean of {n} seeds, 95 % interval", transform=axes.transAxes, ha="right", size=7.5, color=MUTED
        )


def _lines(axes: Axes, baselines: Mapping[str, float]) -> None:
    """A labelled line per baseline; names that would overlap are pushed apart."""
    if not baselines:
        return
    order = sorted(baselines.items(), key=lambda item: item[1])
    for _, value in order:
        axes.axhline(value, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    at = apart(np.array([value for _, value in order]), 0.045 * (high - low), low, high)
    for (name, value), y in zip(order, at, strict=True):
        axes.annotate(
            f"{name} {quantity(value)}",
            (1, y),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            size=7.5,
            color=MUTED,
        )


def apart(y: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Ascending places at least `gap` apart, between `low` and `high` if there is room; crowds spread around their middle."""
    crowds: list[list[float]] = []
    for value in y:
        crowds.append([float(value)])
        while (
            len(crowds) > 1 and _spread(crowds[-2], gap, low, high)[-1] + gap > _spread(crowds[-1], gap, low, high)[0]
        ):
            crowds[-2:] = [crowds[-2] + crowds[-1]]
    return np.concatenate([_spread(crowd, gap, low, high) for crowd in crowds]) if crowds else y


def _spread(crowd: list[float], gap: float, low: float, high: float) -> np.ndarray:
    places = np.mean(crowd) + gap * (np.arange(len(crowd)) - (len(crowd) - 1) / 2)
    return places + max(0.0, low - places[0]) - max(0.0, places[-1] - high)


def comparison(
    results: Mapping[str, Mapping[str, ArrayLike]],
    path: str | os.PathLike[str],
    metric: str = "reward",
    *,
    title: str = "",
) -> Path:
    """Policies in order, each with its mean, the 95 % interval of the mean, and how single episodes spread.

    Args:
        results: policy -> metric -> `(n_worlds,)`, from `jaxvec.core.evaluation.evaluate`.
        path: a `.png` or `.svg`.
    Returns:
        `path`.
    Raises:
        ValueError: no policy, no such metric, another suffix, or no such folder.
    """
    if not results:
        raise ValueError("nothing to compare: there are no policies")
    for name, metrics in results.items():
        if metric not in metrics:
            raise ValueError(f"{name} has no metric {metric!r}; known: {', '.join(sorted(metrics))}")
    samples = {name: np.asarray(metrics[metric], float) for name, metrics in results.items()}
    order = sorted(samples, key=lambda name: samples[name].mean())
    with new_figure(path, 7.4, 1.0 + 0.36 * len(order)) as figure:
        axes = figure.add_subplot()
        for row, name in enumerate(order):
            it, middle = interval(samples[name]), np.quantile(samples[name], (0.05, 0.95))
            colour = SERIES[0] if metric == "reward" and row == len(order) - 1 else "#5a6673"
            axes.plot(middle, (row, row), color=colour, alpha=0.25, linewidth=5, solid_capstyle="round")
            half = None if np.isnan(it.half) else it.half
            axes.errorbar(it.mean, row, xerr=half, fmt="o", ms=5.5, color=colour, capsize=3)
            place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "annotation_clip": False}
            axes.annotate(with_error(*it), (1.01, row), color=INK, **place)
        axes.set_yticks(range(len(order)), order)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(False, axis="y")
        axes.set_ylim(-0.6, len(order) - 0.4)
        chance = samples["random"].mean() if "random" in order[:-1] else -np.inf
        low = (
            2.2 * chance - 1.2 * samples[order[-1]].mean()
        )  # who is far worse than chance would leave the others no room
        axes.set_xlim(left=max(axes.get_xlim()[0], low))
        axes.spines["left"].set_visible(False)
        axes.set_title(title or _words(metric))
        n = min(map(len, samples.values()))
        axes.set_xlabel(f"dot: mean of {n} episodes and its 95 % interval · bar: nine of ten episodes", size=8)
    return Path(path)


def throughput(rows: Iterable[Mapping[str, Any]], path: str | os.PathLike[str], *, title: str = "") -> Path:
    """Steps per second over the number of worlds, both logarithmic, a line per series.

    Args:
        rows: each with `series`, `worlds`, `steps_per_s`, and `steps_per_s_low` and `steps_per_s_high` where known.
        path: a `.png` or `.svg`.
    Returns:
        `path`.
    Raises:
        ValueError: no rows, a row without one of these or not above zero, another suffix, or no such folder.
    """
    series: dict[str, list[tuple[float, float, float, float]]] = {}
    for row in rows:
        missing = [name for name in ("series", "worlds", "steps_per_s") if name not in row]
        if missing:
            raise ValueError(f"a row lacks {', '.join(missing)}: {dict(row)}")
        worlds, speed = float(row["worlds"]), float(row["steps_per_s"])
        if not (worlds > 0 and speed > 0):
            raise ValueError(f"worlds and steps_per_s must be above zero: {dict(row)}")
        low, high = float(row.get("steps_per_s_low", speed)), float(row.get("steps_per_s_high", speed))
        series.setdefault(str(row["series"]), []).append((worlds, speed, low, high))
    if not series:
        raise ValueError("nothing to show: there are no rows")
    with new_figure(path, 7.4, 4.2) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        ends = []
        for i, (name, points) in enumerate(series.items()):
            worlds_, speed_, low_, high_ = np.array(sorted(points)).T
            colour = SERIES[i % len(SERIES)]
            axes.fill_between(worlds_, low_, high_, color=colour, alpha=0.15, linewidth=0)
            axes.plot(worlds_, speed_, color=colour, marker="o", ms=4, lw=1.8, ls=("-", "--")[i // len(SERIES) % 2])
            ends.append((float(np.log10(speed_[-1])), worlds_[-1], name, colour))
        counts = sorted({worlds for points in series.values() for worlds, *_ in points})
        axes.set_xticks(counts, [f"{count:,.0f}" for count in counts])
        axes.minorticks_off()
        _name_ends(axes, sorted(ends))
        axes.set(xlabel="worlds", title=title or "environment steps per second")
    return Path(path)


def _name_ends(axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """The name of each line at its right, pushed apart where they would overlap."""
    low, high = np.log10(axes.get_ylim())
    at = apart(np.array([end[0] for end in ends]), 0.055 * (high - low), low, high)
    for (_, _, name, colour), y in zip(ends, at, strict=True):
        axes.annotate(name, (1.01, 10**y), xycoords=("axes fraction", "data"), va="center", color=colour, size=8.5)


class Line(NamedTuple):
    """A line of a panel.

    Attributes:
        name: in the legend, once for all panels; what precedes a bracket in it decides the colour.
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
        parts: per panel its title, the name of its axis, and its lines.
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
    keys = list(dict.fromkeys(line.name.split(" (")[0] for _, _, lines in parts for line in lines))
    colours = {key: SERIES[i % len(SERIES)] for i, key in enumerate(keys)}
    with new_figure(path, 3.4 + 3.4 * len(parts), 4.3) as figure:
        handles: dict[str, Any] = {}
        for i, (name, axis, lines) in enumerate(parts):
            axes = figure.add_subplot(1, len(parts), 1 + i)
            for line in lines:
                drawn = _line(axes, line, colours[line.name.split(" (")[0]])
                if line.kind == "paper":
                    drawn = axes.plot([], [], "D", ms=6.5, mfc="none", mec=MUTED, mew=1.3)[0]
                handles.setdefault("printed in the paper" if line.kind == "paper" else line.name, drawn)
            axes.set(title=name, xlabel=axis)
            _limits(axes, lines)
        if len(handles) > 1:
            figure.legend(
                handles.values(), handles, loc="outside lower center", ncols=5 if len(parts) > 1 else 4, fontsize=8
            )
        figure.suptitle(title, x=0.01, ha="left", size=10.5, color=INK)
        if note:
            figure.text(0.99, 0.98, note, ha="right", va="top", size=7.5, color=MUTED)
    return Path(path)


def _limits(axes: Axes, lines: Sequence[Line]) -> None:
    """Ticks for words or numbers; a wide band, as of few seeds, does not set the scale."""
    numbers = [x for line in lines for x in line.x if not isinstance(x, str)]
    if not numbers:
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    elif max(numbers) >= 1000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    values = np.concatenate([np.asarray(line.mean, float) for line in lines])
    low, high = values.min(), values.max()
    margin = 0.4 * (high - low) or abs(high) or 1.0
    axes.set_ylim(max(axes.get_ylim()[0], low - margin), min(axes.get_ylim()[1], high + margin))


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


def _words(name: str) -> str:
    """ "latency mean [s]" of "latency_mean_s"."""
    text, unit = words("reward_per_slot" if name == "reward" else name)
    return f"{text} [{unit}]" if unit else text


def with_error(mean: float, half: float) -> str:
    """Both to the second digit of the error."""
    if not half > 0:
        return quantity(mean)
    decimals = max(0, 1 - int(np.floor(np.log10(half))))
    return f"{mean:.{decimals}f} ± {half:.{decimals}f}".replace("-", MINUS)
