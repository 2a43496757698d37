"""A world from above: its streets, how much traffic they have, where roadside units stand and how far they reach."""

import os
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from jaxvec.traces import World
from jaxvec.traces.build_world import presence
from jaxvec.traces.places import traffic
from jaxvec.viz.plots.style import new_figure
from jaxvec.viz.theme import INK, LATE, MUTED, PAPER, ROAD, SERIES, VERGE

DENSITY = LinearSegmentedColormap.from_list("traffic", ["#f6e9c8", "#e8935f", "#a82a17"])
CELLS = 110  # of traffic, along the longer side
MOST_TRAFFIC = 0.999  # quantile of traffic at which the colour is full
MOST_NAMES = 40  # of places that are numbered
WIDTH = 6.2  # of the map [inch]


def world_map(world: World, path: str | os.PathLike[str], *, reach_m: float | None = None, title: str = "") -> Path:
    """Draws a world: the map, and below it how many vehicles are there at a time.

    Args:
        world: any.
        path: a `.png` or `.svg`.
        reach_m: of each place, drawn as a circle [m]; None: no circles.
        title: above.
    Returns:
        `path`.
    Raises:
        ValueError: another suffix, or no such folder.
    """
    (x0_m, y0_m), (x1_m, y1_m) = world.corners_m.astype(float).tolist()
    height = WIDTH * float(np.clip((y1_m - y0_m) / (x1_m - x0_m), 0.25, 1.6))
    with new_figure(path, WIDTH + 1.6, height + 2.2) as figure:
        top, below = figure.subplots(2, 1, height_ratios=(height, 1.3))
        _map(figure, top, world, reach_m)
        _present(below, world)
        covered = "" if reach_m is None else f", {_covered(world, reach_m):.0%} of driving within {reach_m:g} m of one"
        counts = f"{len(world.trace.enter_s)} vehicles, {len(world.place_x_m)} roadside units{covered}"
        figure.suptitle(f"{title}: {counts}" if title else counts, x=0.01, ha="left", size=10, color=INK)
    return Path(path)


def _covered(world: World, reach_m: float) -> float:
    """Part of the vehicles' time in reach of a place."""
    xy_m, seconds = traffic(world.trace, world.corners_m)
    near = np.zeros(len(xy_m), bool)
    for x_m, y_m in zip(world.place_x_m, world.place_y_m, strict=True):
        near |= np.hypot(xy_m[:, 0] - x_m, xy_m[:, 1] - y_m) <= reach_m
    return float(seconds[near].sum() / seconds.sum())


def _map(figure: Figure, axes: Axes, world: World, reach_m: float | None) -> None:
    """Streets below, traffic on them, places above."""
    low, high = world.corners_m.astype(float)
    axes.set_facecolor(VERGE)
    axes.grid(False)
    axes.add_collection(LineCollection(world.streets_m.reshape(-1, 2, 2).tolist(), colors=ROAD, linewidths=4, zorder=1))
    cell_m = float(np.max(high - low)) / CELLS
    xy_m, seconds = traffic(world.trace, world.corners_m, cell_m)
    at = np.floor((xy_m - low) / cell_m).astype(int)
    share = np.full(at.max(0)[::-1] + 1, np.nan)
    share[at[:, 1], at[:, 0]] = seconds / float(presence(world.trace)[0].size * world.trace.dt_s) / cell_m**2 * 1e4
    x_m, y_m = (low[k] + cell_m * np.arange(share.shape[1 - k] + 1) for k in (0, 1))
    most = float(np.nanquantile(share, MOST_TRAFFIC))
    dots = axes.pcolormesh(x_m, y_m, share, cmap=DENSITY, vmin=0.0, vmax=most, zorder=2, rasterized=True)
    bar = figure.colorbar(dots, ax=axes, shrink=0.6, pad=0.02, extend="max")
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label("vehicles per hectare, on average")
    places = np.stack([world.place_x_m, world.place_y_m], 1).astype(float)
    if reach_m is not None:
        circles = [Circle((x, y), reach_m) for x, y in places]
        axes.add_collection(PatchCollection(circles, facecolor=SERIES[0], edgecolor="none", alpha=0.08, zorder=0.5))
        axes.add_collection(
            PatchCollection(circles, facecolor="none", edgecolor=SERIES[0], linewidths=0.7, alpha=0.6, zorder=3)
        )
    axes.scatter(places[:, 0], places[:, 1], s=90, c=SERIES[0], edgecolors=PAPER, linewidths=1.2, zorder=4)
    for n, (x, y) in enumerate(places if len(places) <= MOST_NAMES else (), 1):
        axes.text(x, y, str(n), color=PAPER, size=6.5, ha="center", va="center", zorder=5)
    margin = 0.03 * float(np.max(high - low))
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(low[1] - margin, high[1] + margin)
    axes.set_aspect("equal")
    axes.set(xlabel="x, east [m]", ylabel="y, north [m]")


def _present(axes: Axes, world: World) -> None:
    """Vehicles over time."""
    times_s, present = presence(world.trace)
    axes.fill_between(times_s / 60, present, step="post", color=SERIES[0], alpha=0.25, linewidth=0)
    axes.step(times_s / 60, present, where="post", color=SERIES[0], linewidth=1)
    axes.axhline(float(present.mean()), color=LATE, linewidth=0.8)
    axes.text(
        1.005,
        float(present.mean()),
        f"{present.mean():.0f}",
        transform=axes.get_yaxis_transform(),
        size=7.5,
        color=MUTED,
        va="center",
    )
    axes.set(xlabel="time [min]", ylabel="vehicles", xlim=(times_s[0] / 60, times_s[-1] / 60), ylim=(0, None))
