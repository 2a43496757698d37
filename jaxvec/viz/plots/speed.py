"""How fast it runs: steps per second over the number of worlds."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.viz.colours import legible
from jaxvec.viz.plots.style import name_lines, new_figure
from jaxvec.viz.theme import SERIES


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
            ends.append((float(speed_[-1]), name, legible(colour)))
        counts = sorted({worlds for points in series.values() for worlds, *_ in points})
        axes.set_xticks(counts, [f"{count:,.0f}" for count in counts])
        axes.minorticks_off()
        name_lines(axes, ends, 8.5)
        axes.set(xlabel="worlds", ylabel="environment steps per second", title=title)
    return Path(path)
