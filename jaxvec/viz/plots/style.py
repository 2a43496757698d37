"""What all plots share: their style and files, names beside lines that do not touch, numbers with their errors."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxvec.core.files import replacing, target
from jaxvec.viz.theme import INK, LIGHT, MINUS, MUTED, PAPER, quantity, words

SUFFIXES = (".png", ".svg")
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT,
    "axes.labelcolor": MUTED,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
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


def name_lines(axes: Axes, ends: Sequence[tuple[float, str, str]], size: float = 8.0) -> None:
    """Names at the right of lines, pushed apart where they would touch, each joined to where its line ends.

    Args:
        axes: whose limits are final.
        ends: value, name and colour of each.
        size: of the names [pt].
    """
    if not ends:
        return
    to_axes = axes.transScale + axes.transLimits
    at = sorted((float(to_axes.transform((1.0, value))[1]), name, colour) for value, name, colour in ends)
    height_pt = 0.93 * 72 * axes.bbox.height / axes.figure.dpi  # what titles and labels leave of it, about
    places = apart(np.array([end[0] for end in at]), 1.45 * size / height_pt, 0.0, 1.0)
    for (y, name, colour), to in zip(at, places, strict=True):
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)}
        axes.annotate(
            name, (1.0, min(max(y, 0.0), 1.0)), (1.03, to), xycoords="axes fraction", va="center", color=colour, size=size,
            annotation_clip=False, arrowprops=line,
        )  # fmt: skip


def axis_words(name: str) -> str:
    """ "latency mean [s]" of "latency_mean_s"."""
    text, unit = words("reward_per_slot" if name == "reward" else name)
    return f"{text} [{unit}]" if unit else text


def with_error(mean: float, half: float) -> str:
    """Both to the second digit of the error."""
    if not half > 1e-9 * abs(mean):
        return quantity(mean)
    decimals = max(0, 1 - int(np.floor(np.log10(half))))
    return f"{mean:.{decimals}f} ± {half:.{decimals}f}".replace("-", MINUS)
