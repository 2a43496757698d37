"""How learning went: the reward over training, and what else tells."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import ArrayLike

from jaxvec.core.evaluation import half_widths
from jaxvec.viz.colours import colour_of, legible
from jaxvec.viz.plots.style import axis_words, name_lines, new_figure
from jaxvec.viz.theme import INK, SERIES, quantity

AXES = ("update", "steps", "seconds", "format")
TELLING = ("team_reward", "cost", "latency", "delay", "energy", "violation", "timeout", "loss", "success", "drop")
WHOLE = (
    "",
    "mean",
    "sys",
    "total",
    "rate",
    "per",
    "slot",
)  # in a metric's name, these do not make it a part of another


def learning_curve(
    metrics: Mapping[str, ArrayLike],
    path: str | os.PathLike[str],
    *,
    baselines: Mapping[str, float] | None = None,
    x: str = "update",
    title: str = "",
    learner: str = "",
    panels: Sequence[str] | None = None,
    episode: int = 1,
) -> Path:
    """The reward over training, and a few other metrics in small panels.

    Args:
        metrics: name -> `(updates,)`, or `(updates, seeds)`: then the mean over seeds with Student's 95 % interval, and a thin
            line per seed. `reward` must be among them.
        path: a `.png` or `.svg`.
        baselines: name -> reward, lines to compare with.
        x: the metric of the horizontal axis, such as `update`, `steps` or `seconds`; updates are counted where it is missing.
        title: which run, of what, where.
        learner: its name, which decides the colour; empty: what precedes " on " in the title.
        panels: the other metrics; by default up to four that tell most, totals before their parts.
        episode: updates that see an episode once (`learner.updates_per_episode`); each point is the mean of the last so many.
    Returns:
        `path`.
    Raises:
        ValueError: no such metric, nothing to show, another suffix, or no such folder.
    """
    curves = {name: _running(_by_seed(name, x), 1 if name in AXES else episode) for name, x in metrics.items()}
    panels = _telling(curves) if panels is None else list(panels)
    for name in ("reward", *panels, *([] if x == "update" else [x])):
        if name not in curves:
            raise ValueError(f"there is no metric {name!r}; known: {', '.join(sorted(curves))}")
    n, seeds = curves["reward"].shape
    if n == 0:
        raise ValueError("nothing to show: there are no updates yet")
    over = curves[x].mean(1) if x in curves else np.arange(1, n + 1)
    learner = learner or re.sub(r".*: | on .*", "", title) if " on " in title else learner
    colour = colour_of(learner) if learner else SERIES[0]
    with new_figure(path, 9.2 if panels else 6.4, 4.4) as figure:
        grid = figure.add_gridspec(2, 4 if len(panels) > 2 else 3) if panels else figure.add_gridspec(1, 1)
        main = figure.add_subplot(grid[:, :2])
        _curve(main, over, curves["reward"], colour, seeds=True)
        _baselines(main, baselines or {})
        main.set(xlabel=_below(x, seeds, episode), ylabel="reward per slot")
        _ticks(main, x, 8)
        places = [grid[i % 2, 2 + i // 2] for i in range(len(panels))]
        if len(panels) == 1:
            places = [grid[:, 2]]
        for name, place in zip(panels, places, strict=True):
            axes = figure.add_subplot(place)
            _curve(axes, over, curves[name], SERIES[5], seeds=False)
            axes.set_xlabel(axis_words(x), fontsize=7.5)
            axes.set_ylabel(axis_words(name.removeprefix("env/")), fontsize=8)
            axes.tick_params(labelsize=7.5)
            _ticks(axes, x, 3)
            axes.yaxis.set_major_locator(MaxNLocator(4))
        figure.suptitle(title or "training", x=0.01, ha="left", size=10, color=INK)
    return Path(path)


def _below(x: str, seeds: int, episode: int) -> str:
    """Words below the curve: along what, and what each point is the mean of."""
    said = f" · mean of {seeds} seeds, 95 % interval" if seeds > 1 else ""
    return axis_words(x) + said + (f" · each point the last {episode}, an episode" if episode > 1 else "")


def _ticks(axes: Axes, x: str, most: int) -> None:
    """Along what is counted, ticks at whole numbers only."""
    axes.xaxis.set_major_locator(MaxNLocator(most, integer=x != "seconds", min_n_ticks=1))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _by_seed(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, float)
    if array.ndim not in (1, 2):
        raise ValueError(f"metric {name!r}: (updates,) or (updates, seeds), not {array.shape}")
    return array if array.ndim == 2 else array[:, None]


def _running(values: np.ndarray, window: int) -> np.ndarray:
    """Means of the last so many rows up to each, of fewer at the beginning: `(updates, seeds)`. A piece of an episode tells
    more of where in it the worlds are than of learning.
    """
    if window == 1 or not len(values):
        return values
    return np.stack([values[max(0, end - window) : end].mean(0) for end in range(1, len(values) + 1)])


def _telling(curves: Mapping[str, np.ndarray]) -> list[str]:
    """At most four metrics of the environment: the total of each matter, and only then parts; what never changes, or is
    the reward again, says nothing.
    """
    reward = curves.get("reward")
    ours = [
        name
        for name, x in curves.items()
        if name not in ("reward", *AXES)
        and "/" not in name.removeprefix("env/")
        and np.ptp(x) > 0
        and not (reward is not None and x.shape == reward.shape and np.allclose(x, reward, rtol=1e-4))
    ]
    chosen = []
    for word in TELLING:
        of_it = [name for name in ours if word in name and name not in chosen]
        chosen += sorted(of_it, key=lambda name: _partial(name, word))[:1]
    words = [word for word in TELLING if any(word in name for name in ours)]
    chosen += sorted(
        (n for n in ours if n not in chosen), key=lambda n: _partial(n, next((w for w in words if w in n), ""))
    )
    return chosen[:4]


def _partial(name: str, word: str) -> tuple[int, int]:
    """How many words of a name say of which part it is; then, the plainer aggregate first."""
    text = axis_words(name.removeprefix("env/")).split(" [")[0]
    others = text.replace(word.replace("_", " "), " ").split()
    ranks = [WHOLE.index(other) for other in others if other in WHOLE]
    return len(others) - len(ranks), min(ranks, default=0)


def _curve(axes: Axes, x: np.ndarray, values: np.ndarray, colour: str, *, seeds: bool) -> None:
    """Mean and 95 % interval over seeds; the interval of few seeds is cut where it would leave the curves no room."""
    n = values.shape[1]
    mean = values.mean(1)
    marker = "o" if len(x) == 1 else None
    if n > 1 and seeds:
        axes.plot(x, values, color=colour, alpha=0.4, linewidth=0.7)
    axes.plot(x, mean, color=colour, linewidth=1.8, marker=marker)
    if n > 1:
        half = half_widths(values)
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
        low, high = np.nanmin(values), np.nanmax(values)
        room = 0.5 * (high - low) or abs(high) or 1.0
        axes.set_ylim(max(low - room, axes.get_ylim()[0]), min(high + room, axes.get_ylim()[1]))


def _baselines(axes: Axes, baselines: Mapping[str, float]) -> None:
    """A labelled line per baseline, in its colour."""
    for name, value in baselines.items():
        axes.axhline(value, color=colour_of(name), linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if baselines:
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, *baselines.values()), max(high, *baselines.values()))
    name_lines(
        axes, [(value, f"{name} {quantity(value)}", legible(colour_of(name))) for name, value in baselines.items()], 7.5
    )
