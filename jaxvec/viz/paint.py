"""Storyboards to pixels, with matplotlib's Agg: no display, no global state, the same bytes every time."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch
from matplotlib.path import Path as Curve
from matplotlib.patheffects import withStroke
from matplotlib.text import Text as Words

from jaxvec.viz.items import Disc, Item, Storyboard, Text, at
from jaxvec.viz.measure import DPI, FONT, POINT
from jaxvec.viz.theme import PAPER


def frames(board: Storyboard, moments: Sequence[tuple[int, float]], scale: float = 1.0) -> Iterator[np.ndarray]:
    """The picture at each moment `(slot, fraction)`, as uint8 `(height, width, 3)`; `scale` pixels per pixel of the board."""
    width, height = board.size
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI * scale)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    for item in board.backdrop:
        axes.add_artist(artist(item))
    canvas.draw()
    backdrop = canvas.copy_from_bbox(figure.bbox)
    for slot, fraction in moments:
        canvas.restore_region(backdrop)
        for item in at(board.sheets[slot], fraction):
            _draw(axes, canvas, artist(item))
        yield np.array(canvas.buffer_rgba())[..., :3]


def _draw(axes: Axes, canvas: FigureCanvasAgg, it: Artist) -> None:
    axes.add_artist(it)
    it.draw(canvas.get_renderer())
    it.remove()


def artist(item: Item) -> Artist:
    """An item as matplotlib draws it."""
    if isinstance(item, Text):
        x, y = item.points[0]
        ha = {"start": "left", "middle": "center", "end": "right"}[item.anchor]
        weight = "bold" if item.bold else "normal"
        return Words(
            x,
            y,
            item.text,
            ha=ha,
            va="center_baseline",
            size=item.size * POINT,
            color=item.colour,
            weight=weight,
            family=FONT,
            parse_math=False,
            path_effects=[withStroke(linewidth=2.6 * POINT, foreground=PAPER)] if item.halo else None,
        )
    look = {
        "facecolor": item.fill or "none",
        "edgecolor": item.stroke or "none",
        "linewidth": item.width * POINT if item.stroke else 0,
        "alpha": item.alpha,
    }
    if isinstance(item, Disc):
        return Circle(item.points[0], item.r, **look)
    curve = Curve([*item.points, item.points[0]] if item.closed else item.points, closed=item.closed)
    # matplotlib multiplies dashes by the width of the line
    style: Any = (0, tuple(d / item.width for d in item.dash)) if item.dash else "solid"
    cap = "butt" if item.dash else "round"
    return PathPatch(curve, linestyle=style, capstyle=cap, joinstyle="round", **look)
