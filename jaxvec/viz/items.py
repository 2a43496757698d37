"""What a painter paints: paths, discs and texts, in pixels from the top left, back to front.

A slot is drawn twice, at its start and at its end, as two lists that differ only in where things are; any moment in between is
their mean. So one description serves the painter of images and the player in a browser.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Points = tuple[tuple[float, float], ...]
CORNERS = tuple(
    tuple((float(np.cos(a)), float(np.sin(a))) for a in np.deg2rad(np.linspace(start, start + 90, 5)))
    for start in (-90, 0, 90, 180)
)
"""Of a box of radius 1, the points of each rounded corner around its centre."""


@dataclass(frozen=True)
class Path:
    """A line through points, or a filled polygon if `closed`. With `flow`, something travels along it during the slot."""

    points: Points
    fill: str | None = None
    stroke: str | None = None
    width: float = 1.0
    dash: tuple[float, ...] = ()
    alpha: float = 1.0
    closed: bool = False
    flow: float = 0.0


@dataclass(frozen=True)
class Disc:
    """A circle."""

    points: Points  # its centre
    r: float
    fill: str | None = None
    stroke: str | None = None
    width: float = 1.0
    alpha: float = 1.0


@dataclass(frozen=True)
class Text:
    """One line of text; `anchor` is `start`, `middle` or `end`, its middle height at the point."""

    points: Points
    text: str
    size: float
    colour: str
    anchor: str = "start"
    bold: bool = False
    halo: bool = False  # readable on anything


Item = Path | Disc | Text


@dataclass(frozen=True)
class Spot:
    """A place that answers when pointed at, and what it says."""

    points: Points
    r: float
    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sheet:
    """One slot: its items at the start and at the end, the places that answer at the start and at the end."""

    start: tuple[Item, ...]
    end: tuple[Item, ...]
    spots_start: tuple[Spot, ...] = ()
    spots_end: tuple[Spot, ...] = ()


@dataclass(frozen=True)
class Storyboard:
    """An episode: what never changes, and one sheet per slot."""

    title: str
    size: tuple[int, int]
    backdrop: tuple[Item, ...]
    sheets: tuple[Sheet, ...]


def at(sheet: Sheet, fraction: float) -> list[Item]:
    """The items of a slot when a fraction of it has passed."""
    items: list[Item] = []
    for a, b in zip(sheet.start, sheet.end, strict=True):
        item = dataclasses.replace(a, points=between(a.points, b.points, fraction)) if fraction else a
        items.append(item)
        if isinstance(item, Path) and item.flow and item.stroke:
            (x0, y0), (x1, y1) = item.points[0], item.points[-1]
            there = (x0 + fraction * (x1 - x0), y0 + fraction * (y1 - y0))
            items.append(Disc((there,), item.flow, fill=item.stroke, stroke="#ffffff", width=1))
    return items


def between(a: Points, b: Points, fraction: float) -> Points:
    """Points on the way from `a` to `b`."""
    moved = (1 - fraction) * np.asarray(a) + fraction * np.asarray(b)
    return tuple((float(x), float(y)) for x, y in moved)


def box(x: float, y: float, w: float, h: float, r: float = 0.0) -> Points:
    """A rectangle with rounded corners; `x`, `y` is its top left."""
    r = min(r, w / 2, h / 2)
    if r <= 0:
        return ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    centres = ((x + w - r, y + r), (x + w - r, y + h - r), (x + r, y + h - r), (x + r, y + r))
    return tuple(
        (round(cx + r * cos, 5), round(cy + r * sin, 5))
        for (cx, cy), corner in zip(centres, CORNERS, strict=True)
        for cos, sin in corner
    )


def turned(points: Sequence[tuple[float, float]], x: float, y: float, angle_rad: float) -> Points:
    """Points around the origin, turned (y is up for the angle, down for pixels) and moved to a place."""
    c, s = float(np.cos(angle_rad)), float(np.sin(angle_rad))
    return tuple((round(x + c * px + s * py, 5), round(y - s * px + c * py, 5)) for px, py in points)
