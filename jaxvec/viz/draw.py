"""Scenes to storyboards: where everything goes on the picture, and what it is made of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.viz import theme
from jaxvec.viz.glyphs import bar, gauge, glyph
from jaxvec.viz.items import Disc, Item, Path, Sheet, Spot, Storyboard, Text, box
from jaxvec.viz.scene import Key, Meter, Node, Scene, moved

WIDTH, HEIGHT, MARGIN = 1080, 600, 24


class Rect(NamedTuple):
    """A place on the picture [pixel]."""

    x: float
    y: float
    w: float
    h: float


class Map(NamedTuple):
    """Metres to pixels."""

    rect: Rect
    bounds: tuple[float, float, float, float]
    sx: float
    sy: float

    def __call__(self, x_m: float, y_m: float) -> tuple[float, float]:
        return self.rect.x + (x_m - self.bounds[0]) * self.sx, self.rect.y + (self.bounds[3] - y_m) * self.sy


def storyboard(scenes: Sequence[Scene], policy_name: str = "") -> Storyboard:
    """An episode's scenes as pictures.

    Args:
        scenes: one per slot, of the same meters.
        policy_name: shown at the top right.
    """
    first = scenes[0]
    place, meters = _layout(first)
    history = np.array([[meter.value for meter in scene.meters] for scene in scenes], float).reshape(len(scenes), -1)
    backdrop: list[Item] = [
        Path(box(0, 0, WIDTH, HEIGHT), fill=theme.PAPER, closed=True),
        Text(((MARGIN, 30),), first.title, 18, theme.INK, bold=True),
        *_legend(first.keys, 62),
    ]
    if place:
        backdrop += _ground(first, place)
    for meter, rect, values in zip(first.meters, meters, history.T, strict=True):
        backdrop += _meter_back(meter, rect, values)

    sheets = []
    for t, scene in enumerate(scenes):
        end = moved(scene, scenes[t + 1] if t + 1 < len(scenes) else None, scenes[t - 1] if t else None)
        said = " · ".join(text for text in (policy_name, *scene.captions, f"slot {t + 1} / {len(scenes)}") if text)
        still: list[Item] = [Text(((WIDTH - MARGIN, 30),), said, 13, theme.MUTED, "end")]
        for meter, rect, values in zip(scene.meters, meters, history.T, strict=True):
            still += _meter_now(meter, rect, values, t)
        still_t = tuple(still)
        moments = [_nodes(s, place) if place else ((), ()) for s in (scene, end)]
        (start_items, start_spots), (end_items, end_spots) = moments
        sheets.append(Sheet(start_items + still_t, end_items + still_t, start_spots, end_spots))
    return Storyboard(first.title, (WIDTH, HEIGHT), tuple(backdrop), tuple(sheets))


def _layout(scene: Scene) -> tuple[Map | None, list[Rect]]:
    """The map and the meters: below a long map, beside a square one, everywhere without one."""
    top = 84.0 if scene.keys else 58.0
    whole = Rect(MARGIN, top, WIDTH - 2 * MARGIN, HEIGHT - top - MARGIN)
    n = len(scene.meters)
    if scene.bounds_m is None:
        columns = max(1, int(np.ceil(np.sqrt(n * 1.2))))
        return None, _grid(whole, n, columns)
    x0, y0, x1, y1 = scene.bounds_m
    wide = not scene.to_scale or (x1 - x0) / (y1 - y0) > 2
    if wide:
        strip = 124.0 if n else 0.0
        rect = Rect(whole.x, top, whole.w, whole.h - strip - (14 if n else 0))
        meters = _grid(Rect(whole.x, HEIGHT - MARGIN - strip, whole.w, strip), n, max(n, 1))
    else:
        side = 300.0 if n else 0.0
        rect = Rect(whole.x, top, whole.w - side - 14, whole.h)
        columns = 1 if n <= 5 else 2
        meters = _grid(Rect(WIDTH - MARGIN - side, top, side, whole.h), n, columns)
    sx, sy = rect.w / (x1 - x0), rect.h / (y1 - y0)
    if scene.to_scale:
        sx = sy = min(sx, sy)
        used = Rect(0, 0, sx * (x1 - x0), sy * (y1 - y0))
        rect = Rect(rect.x + (rect.w - used.w) / 2, rect.y + (rect.h - used.h) / 2, used.w, used.h)
    return Map(rect, scene.bounds_m, sx, sy), meters


def _grid(rect: Rect, n: int, columns: int) -> list[Rect]:
    rows, gap = -(-n // columns) if n else 1, 12.0
    w, h = (rect.w - gap * (columns - 1)) / columns, (rect.h - gap * (rows - 1)) / rows
    return [Rect(rect.x + (i % columns) * (w + gap), rect.y + (i // columns) * (h + gap), w, h) for i in range(n)]


def _legend(keys: Sequence[Key], y: float) -> list[Item]:
    items: list[Item] = []
    x = float(MARGIN)
    for key in keys:
        sign, width = _sign(key.sign, x, y)
        items += [*sign, Text(((x + width + 7, y),), key.text, 11, theme.MUTED)]
        x += width + 7 + 6.35 * len(key.text) + 20
    return items


def _sign(sign: str, x: float, y: float) -> tuple[list[Item], float]:
    if sign == "load":
        steps = np.linspace(0, 2, 25)
        w = 60 / len(steps)
        ramp = [
            Path(box(x + 8 + i * w, y - 5, w + 0.4, 10), fill=theme.load_colour(float(load)), closed=True)
            for i, load in enumerate(steps)
        ]
        marks = [
            Text(((x, y),), "0", 10, theme.MUTED),
            Path(((x + 38, y - 7), (x + 38, y + 7)), stroke=theme.INK, width=1.2),
            Text(((x + 72, y),), "2", 10, theme.MUTED),
        ]
        return [*ramp, *marks], 80
    if sign == "part":
        return bar(x, y - 2, 30, 4, 0.6), 30
    if sign == "gauge":
        return gauge(x, y - 4, 36, 8, 0.4, 0.35), 36
    if sign == "range":
        return _bracket(x, x + 30, y, ""), 30
    colour, dash = theme.LINKS.get(sign, (theme.SLATE, ()))
    return [Path(((x, y), (x + 30, y)), stroke=colour, width=3, dash=dash)], 30


def _bracket(x0: float, x1: float, y: float, label: str) -> list[Item]:
    items: list[Item] = [
        Path(((x0, y), (x1, y)), stroke=theme.SLATE, width=1.2, alpha=0.7),
        *(Path(((x, y - 4), (x, y + 4)), stroke=theme.SLATE, width=1.2, alpha=0.7) for x in (x0, x1)),
    ]
    if label:
        w = 6.4 * len(label) + 8
        items.append(Path(box((x0 + x1 - w) / 2, y - 7, w, 14), fill=theme.VERGE, closed=True))
        items.append(Text((((x0 + x1) / 2, y),), label, 10, theme.SLATE, "middle"))
    return items
