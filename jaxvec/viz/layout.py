"""Where everything goes on a picture: on a wide one, and on a tall one for phones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.viz import theme
from jaxvec.viz.glyphs import glyph, scaled
from jaxvec.viz.items import Item, Path, Text, box
from jaxvec.viz.legend import legend
from jaxvec.viz.measure import fitted, text_width, wrapped
from jaxvec.viz.scene import Scene
from jaxvec.viz.spread import extent

AIR, ROUNDS = 4.0, 12  # between what is written on a map and its frame [pixel]; in which room for it is found


class Canvas(NamedTuple):
    """A kind of picture.

    Attributes:
        width, height: [pixel]; height 0: as much as need be.
        margin: around it [pixel].
        title_size, caption_size: of texts at the top [pixel].
        glyph: the size of nodes, 1 as they are.
    """

    width: float
    height: float
    margin: float
    title_size: float
    caption_size: float
    glyph: float

    @property
    def tall(self) -> bool:
        """One thing below the other."""
        return not self.height


WIDE = Canvas(1080, 600, 24, 18, 13, 1.0)
TALL = Canvas(430, 0, 12, 15, 11, 0.8)


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


class Layout(NamedTuple):
    """Of all slots of an episode: the picture's height, the map, places of meters, what never changes at the top, and where
    the caption of a slot ends (x, y) with how much room it has.
    """

    height: float
    place: Map | None
    meters: list[Rect]
    head: list[Item]
    caption: tuple[float, float, float]


def layout(scene: Scene, canvas: Canvas, captions: Sequence[str]) -> Layout:
    """Where everything goes.

    Args:
        scene: one of the episode.
        canvas: what kind of picture.
        captions: of all slots.
    """
    left, right = canvas.margin, canvas.width - canvas.margin
    size, longest = canvas.title_size, max(text_width(text, canvas.caption_size) for text in captions)
    beside = not canvas.tall
    room = right - left - (min(longest, 0.5 * canvas.width) + 24 if beside else 0.0)
    lines = wrapped(scene.title, size, room, bold=True) if canvas.tall else [fitted(scene.title, size, room, bold=True)]
    y = 30.0 if beside else 22.0
    head: list[Item] = [
        Text(((left, y + i * 1.25 * size),), line, size, theme.INK, bold=True) for i, line in enumerate(lines)
    ]
    taken = text_width(lines[0], size, bold=True) + 24 if beside else 0.0
    if not beside:
        y += 1.25 * size * (len(lines) - 1) + 20
    caption = (right if beside else left, y, right - left - taken)
    top = y + (28.0 if beside else 18.0)
    if scene.keys:
        signs, bottom = legend(scene.keys, left, right, y + (32.0 if beside else 22.0))
        head, top = [*head, *signs], bottom + (22.0 if beside else 14.0)
    place, meters, height = (_tall if canvas.tall else _wide)(scene, canvas, top)
    backdrop: list[Item] = [Path(box(0, 0, canvas.width, height), fill=theme.PAPER, closed=True)]
    return Layout(height, place, meters, backdrop + head, caption)


def _wide(scene: Scene, canvas: Canvas, top: float) -> tuple[Map | None, list[Rect], float]:
    """The map and the meters: below a long map, beside a square one, everywhere without one."""
    margin, height = canvas.margin, canvas.height
    whole = Rect(margin, top, canvas.width - 2 * margin, height - top - margin)
    n, gap = len(scene.meters), 14.0 if scene.meters else 0.0
    if scene.bounds_m is None:
        rows = -(-n // _columns(n))
        return None, _grid(whole._replace(h=min(whole.h, 250.0 * rows)), n, _columns(n)), height
    x0, y0, x1, y1 = scene.bounds_m
    if not scene.to_scale or (x1 - x0) / (y1 - y0) > 2:
        strip = 124.0 if n else 0.0
        rect = Rect(whole.x, top, whole.w, whole.h - strip - gap)
        meters = _grid(Rect(whole.x, height - margin - strip, whole.w, strip), n, max(n, 1))
    else:
        width = min(whole.w - (300.0 if n else 0.0), whole.h * (x1 - x0) / (y1 - y0))
        rect = Rect(whole.x, top, width, whole.h)
        meters = _grid(Rect(rect.x + width + margin, top, whole.w - width - margin, whole.h), n, 1 if n <= 3 else 2)
    return _map(scene, rect, canvas), meters, height


def _tall(scene: Scene, canvas: Canvas, top: float) -> tuple[Map | None, list[Rect], float]:
    """The map, and below it the meters, two side by side."""
    margin, place = canvas.margin, None
    width, n = canvas.width - 2 * margin, len(scene.meters)
    if scene.bounds_m is not None:
        x0, y0, x1, y1 = scene.bounds_m
        tall = min(1.3 * width, width * (y1 - y0) / (x1 - x0)) if scene.to_scale else 320.0
        place = _map(scene, Rect(margin, top, width, tall), canvas)
        top += tall + margin
    rows = -(-n // 2)
    meters = _grid(Rect(margin, top, width, 108.0 * rows - 12.0), n, 2)
    return place, meters, top + 108.0 * rows


def _map(scene: Scene, rect: Rect, canvas: Canvas) -> Map:
    """The map in a place; one to scale is wider than its bounds by what nodes that do not give way need at its sides."""
    bounds = scene.bounds_m or (0.0, 0.0, 1.0, 1.0)
    if not scene.to_scale:
        return Map(rect, bounds, rect.w / (bounds[2] - bounds[0]), rect.h / (bounds[3] - bounds[1]))
    place = _to_scale(bounds, rect)
    for _ in range(ROUNDS):
        if (lacking := _lacking(scene, place, canvas)) <= 0:
            break
        x0, y0, x1, y1 = place.bounds
        more_m = (lacking + 1) / place.sx
        place = _to_scale((x0 - more_m, y0 - more_m, x1 + more_m, y1 + more_m), rect)
    return place


def _to_scale(bounds: tuple[float, float, float, float], rect: Rect) -> Map:
    """A map in the middle of a place, on which a metre is as long across as along."""
    x0, y0, x1, y1 = bounds
    scale = min(rect.w / (x1 - x0), rect.h / (y1 - y0))
    w, h = scale * (x1 - x0), scale * (y1 - y0)
    return Map(Rect(rect.x + (rect.w - w) / 2, rect.y + (rect.h - h) / 2, w, h), bounds, scale, scale)


def _lacking(scene: Scene, place: Map, canvas: Canvas) -> float:
    """How far what is drawn and written at nodes that do not give way reaches beyond the map [pixel]."""
    lacking, (left, top, w, h) = 0.0, place.rect
    for node in scene.nodes:
        look = glyph(node.kind)
        if node.drawn and look.gives_way is False:
            x, y = place(node.x_m, node.y_m)
            x0, y0, x1, y1 = extent(scaled(look.draw(node, x, y), x, y, canvas.glyph))
            beyond = max(left - x0, top - y0, x1 - left - w, y1 - top - h)
            lacking = max(lacking, beyond + AIR)
    return lacking


def _columns(n: int) -> int:
    """Columns of a grid that looks balanced and leaves few places empty."""
    some = int(np.ceil(np.sqrt(n * 1.2)))
    likely = [columns for columns in (some, some + 1) if columns <= n] or [max(n, 1)]
    return min(likely, key=lambda columns: (-n % columns, columns))


def _grid(rect: Rect, n: int, columns: int) -> list[Rect]:
    rows, gap = -(-n // columns) if n else 1, 12.0
    w, h = (rect.w - gap * (columns - 1)) / columns, (rect.h - gap * (rows - 1)) / rows
    return [Rect(rect.x + (i % columns) * (w + gap), rect.y + (i // columns) * (h + gap), w, h) for i in range(n)]
