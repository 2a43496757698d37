"""Nodes of a map kept apart, so that nobody is hidden: what would overlap is pushed aside as little as need be."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.viz.items import Disc, Item, Text
from jaxvec.viz.measure import text_width

ROUNDS, GAP = 120, 1.5


class Extent(NamedTuple):
    """A rectangle [pixel]."""

    x0: float
    y0: float
    x1: float
    y1: float


def extent(items: Sequence[Item]) -> Extent:
    """The rectangle around what is drawn."""
    boxes = [_box(item) for item in items]
    return Extent(*(f(edge) for f, edge in zip((min, min, max, max), zip(*boxes, strict=True), strict=True)))


def _box(item: Item) -> tuple[float, float, float, float]:
    x, y = (list(axis) for axis in zip(*item.points, strict=True))
    if isinstance(item, Text):
        w, h = text_width(item.text, item.size, item.bold), 1.0 * item.size
        left = x[0] - w * {"start": 0.0, "middle": 0.5, "end": 1.0}[item.anchor]
        return left, y[0] - h / 2, left + w, y[0] + h / 2
    edge = item.r if isinstance(item, Disc) else (item.width / 2 if item.stroke else 0.0)
    return min(x) - edge, min(y) - edge, max(x) + edge, max(y) + edge


def spread(
    at: np.ndarray, boxes: np.ndarray, fixed: np.ndarray, within: Extent | None, along_x: bool = False
) -> np.ndarray:
    """Places at which rectangles do not overlap, as far as there is room.

    Args:
        at: where each wants to be `(n, 2)`.
        boxes: around each, from its place `(n, 4)`, as `Extent`.
        fixed: who does not give way, bool `(n,)`.
        within: where all should stay; None: wherever.
        along_x: give way along x rather than across, as on a road.
    Returns:
        `(n, 2)`.
    """
    place, n = at.astype(float).copy(), len(at)
    half, middle = (boxes[:, 2:] - boxes[:, :2]) / 2 + GAP / 2, (boxes[:, 2:] + boxes[:, :2]) / 2
    order = np.sign(np.arange(n)[:, None] - np.arange(n)) + 0.0
    for _ in range(ROUNDS):
        apart = (place + middle)[:, None] - (place + middle)[None]
        over = half[:, None] + half[None] - np.abs(apart)
        meets = (over > 0.01).all(-1) & ~np.eye(n, dtype=bool)
        if not (meets & ~(fixed[:, None] & fixed[None])).any():
            break
        across = over[..., 1] < over[..., 0] * (0.3 if along_x else 1.0)
        push = np.where(np.stack([~across, across], -1), over, 0.0) * meets[..., None]
        push *= np.where(np.abs(apart) > 1e-9, np.sign(apart), order[..., None])
        push *= np.where(fixed[None, :, None], 1.0, 0.5) * ~fixed[:, None, None]
        place += 0.7 * push.sum(1)
        if within:
            low, high = np.array(within[:2]) - boxes[:, :2], np.array(within[2:]) - boxes[:, 2:]
            place = np.where(fixed[:, None], place, np.clip(place, np.minimum(low, at), np.maximum(high, at)))
    return place
