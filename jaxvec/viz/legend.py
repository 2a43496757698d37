"""The legend of a scene: a sign and its meaning, in as many rows as it takes."""

from collections.abc import Sequence

import numpy as np

from jaxvec.viz import theme
from jaxvec.viz.glyphs import bar, gauge, glyph, scaled
from jaxvec.viz.items import Disc, Item, Path, Text, box
from jaxvec.viz.measure import fitted, text_width
from jaxvec.viz.scene import Key, Node

SIZE, ROW = 11.0, 22.0
SIGNS: dict[str, tuple[str, float]] = {"cell": ("", 1.0), "twin": ("1", 1.0), "uav": ("", 0.62)}
"""Kinds of nodes that stand in a legend as they look on the map: what is written on them there, and their size."""


def legend(keys: Sequence[Key], left: float, right: float, y: float) -> tuple[list[Item], float]:
    """All entries, and where the last row is.

    Args:
        keys: the entries.
        left, right: where rows begin and end [pixel].
        y: the middle of the first row [pixel].
    """
    items: list[Item] = []
    gap, x = 24.0, left
    widths = [_sign(key.sign, 0, 0)[1] + 7 + text_width(key.text, SIZE) for key in keys]
    if sum(widths) + 16 * (len(keys) - 1) <= right - left:
        gap = min(30.0, (right - left - sum(widths)) / max(len(keys) - 1, 1))
    for key, width in zip(keys, widths, strict=True):
        if x > left and x + width > right + 0.5:
            x, y = left, y + ROW
        sign, beside = _sign(key.sign, x, y)
        text = fitted(key.text, SIZE, right - x - beside - 7 + 0.5)
        items += [*sign, Text(((x + beside + 7, y),), text, SIZE, theme.MUTED)]
        x += width + gap
    return items, y


def _sign(sign: str, x: float, y: float) -> tuple[list[Item], float]:
    """What stands for it, and how wide that is."""
    if sign == "load":
        return _ramp(x, y), 83
    if sign == "part":
        return bar(x, y - 2, 30, 4, 0.6), 30
    if sign == "gauge":
        return gauge(x, y - 4, 36, 8, 0.4, 0.35), 36
    if sign == "range":
        return bracket(x, x + 30, y, ""), 30
    if sign == "reach":
        return [Disc(((x + 8, y),), 8, fill=theme.VERGE, stroke=theme.LIGHT, width=1.2)], 16
    if sign == "pin":
        return [*pin((x + 3, y + 4), (x + 22, y - 4))], 24
    if sign in SIGNS:
        label, size = SIGNS[sign]
        node = Node(0.0, 0.0, sign, label, load=0.9 if sign == "cell" else None, trail=0)
        return scaled(glyph(sign).draw(node, x + 9, y), x + 9, y, size), 18
    colour, dash = theme.LINKS.get(sign, (theme.SLATE, ()))
    return [Path(((x, y), (x + 30, y)), stroke=colour, width=3, dash=dash)], 30


def _ramp(x: float, y: float) -> list[Item]:
    loads = np.linspace(0, 2, 61)
    ramp = [
        Path(box(x + 11 + i, y - 5, 61 - i, 10), fill=theme.load_colour(float(load)), closed=True)
        for i, load in enumerate(loads)
    ]
    marks: list[Item] = [
        Text(((x, y),), "0", 10, theme.MUTED),
        Path(((x + 41.5, y - 7), (x + 41.5, y + 7)), stroke=theme.INK, width=1.2),
        Text(((x + 76, y),), "2", 10, theme.MUTED),
    ]
    return [*ramp, *marks]


def bracket(x0: float, x1: float, y: float, label: str) -> list[Item]:
    """From one place to another, with words in its middle."""
    items: list[Item] = [
        Path(((x0, y), (x1, y)), stroke=theme.SLATE, width=1.2, alpha=0.7),
        *(Path(((x, y - 4), (x, y + 4)), stroke=theme.SLATE, width=1.2, alpha=0.7) for x in (x0, x1)),
    ]
    if label:
        w = text_width(label, 10) + 10
        items.append(Path(box((x0 + x1 - w) / 2, y - 7, w, 14), fill=theme.VERGE, closed=True))
        items.append(Text((((x0 + x1) / 2, y),), label, 10, theme.SLATE, "middle"))
    return items


def pin(at: tuple[float, float], drawn: tuple[float, float]) -> tuple[Item, Item]:
    """From where a node is to where it is drawn."""
    return (
        Path((at, drawn), stroke=theme.SLATE, width=1, alpha=0.7),
        Disc((at,), 2.4, fill=theme.SLATE, stroke=theme.PAPER, width=0.8),
    )
