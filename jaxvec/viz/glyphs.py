"""How nodes look, by kind. A glyph draws a node at a pixel. A new kind is a function and a line in `GLYPHS`."""

import dataclasses
from collections.abc import Callable, Sequence
from math import cos, pi, sin
from typing import NamedTuple

from jaxvec.viz.colours import identity
from jaxvec.viz.items import Disc, Item, Path, Text, box, turned
from jaxvec.viz.scene import Node
from jaxvec.viz.theme import INK, LATE, LIGHT, LINKS, PAPER, SLATE, dark, load_colour

TWIN = LINKS["sees"][0]
CAR_LENGTH, CAR_WIDTH, MAST, ARM = 42.0, 18.0, 54.0, 8.5
GAUGE_WIDTH, GAUGE_FULL = 66.0, 1.5  # a full gauge stands for 1.5 times the limit


class Glyph(NamedTuple):
    """`draw(node, x, y) -> items`; `anchor` (dx, dy) where links end; `reach` within which it answers; what is of a higher
    `layer` lies above; `dash` of its trail; `gives_way` where others of that kind would hide it, True, or makes others give way,
    False; None: neither.
    """

    draw: Callable[[Node, float, float], list[Item]]
    anchor: tuple[float, float] = (0.0, 0.0)
    reach: float = 18.0
    centre: tuple[float, float] = (0.0, 0.0)
    layer: int = 2
    dash: tuple[float, ...] = ()
    gives_way: bool | None = None


def scaled(items: Sequence[Item], x: float, y: float, size: float) -> list[Item]:
    """Items larger or smaller around a place; what is written stays large enough to read."""
    if size == 1.0:
        return list(items)
    result: list[Item] = []
    for item in items:
        points = tuple((x + size * (px - x), y + size * (py - y)) for px, py in item.points)
        if isinstance(item, Text):
            result.append(dataclasses.replace(item, points=points, size=max(size * item.size, min(item.size, 8.5))))
        elif isinstance(item, Disc):
            result.append(dataclasses.replace(item, points=points, r=size * item.r, width=size * item.width))
        else:
            result.append(dataclasses.replace(item, points=points, width=size * item.width))
    return result


def _in_steps(angle: float) -> float:
    """An angle in steps of 5 degrees: so that glyphs are of few shapes, and pages small."""
    return round(angle * 36 / pi) * pi / 36


def car(node: Node, x: float, y: float) -> list[Item]:
    """A car from above, in the colour of its trail or of its load; below it how much of its part is its own, above it words."""
    colour, a = load_colour(node.load) if node.trail is None else identity(node.trail), _in_steps(node.heading_rad)
    half_l, half_w = CAR_LENGTH / 2, CAR_WIDTH / 2
    body = box(-half_l, -half_w, CAR_LENGTH, CAR_WIDTH, 7)
    front = ((7.5, -6.5), (12.5, -5.2), (12.5, 5.2), (7.5, 6.5))
    rear = ((-12.5, -6.2), (-15.5, -5), (-15.5, 5), (-12.5, 6.2))
    lamps = [box(half_l - 3.2, s * 5.6 - 1.4, 2.2, 2.8, 1) for s in (-1, 1)]
    items: list[Item] = [
        Path(turned(box(-half_l, -half_w, CAR_LENGTH, CAR_WIDTH, 7), x, y + 1.5, a), fill=INK, alpha=0.18, closed=True),
        Path(turned(body, x, y, a), fill=colour, stroke=INK, width=1.1, closed=True),
        *(Path(turned(glass, x, y, a), fill=INK, alpha=0.72, closed=True) for glass in (front, rear)),
        *(Path(turned(lamp, x, y, a), fill="#fff6cf", closed=True) for lamp in lamps),
    ]
    roof = turned([(-2.5, 0)], x, y, a)
    items.append(Text(roof, node.label, 10.5, PAPER if dark(colour) else INK, "middle", bold=True))
    tall = half_w * abs(cos(a)) + half_l * abs(sin(a))
    if node.part is not None:
        items += bar(x - 15, y + tall + 2.5, 30, 3.6, node.part)
    if node.text:
        items.append(Text(((x, y - tall - 8),), node.text, 10, LATE, "middle", bold=True, halo=True))
    return items


def bar(x: float, y: float, w: float, h: float, part: float) -> list[Item]:
    """A thin bar, filled to a part."""
    part = min(max(part, 0.0), 1.0)
    items: list[Item] = [Path(box(x, y, w, h, h / 2), fill=PAPER, stroke=SLATE, width=0.7, closed=True)]
    if part * w >= 1:
        items.append(Path(box(x, y, max(part * w, h), h, h / 2), fill=INK, closed=True))
    return items


def gauge(x: float, y: float, w: float, h: float, load: float, part: float) -> list[Item]:
    """What waits (dark) and what comes (light) against the limit (the mark)."""
    scale = w / GAUGE_FULL
    first = min(max(load, 0.0) * scale, w)
    both = min((max(load, 0.0) + max(part, 0.0)) * scale, w)
    items: list[Item] = [Path(box(x, y, w, h, 2), fill=PAPER, closed=True)]
    if both - first > 0.5:
        items.append(Path(box(x + first, y, both - first, h), fill=LIGHT, closed=True))
    if first > 0.5:
        items.append(Path(box(x, y, first, h), fill=SLATE, closed=True))
    items.append(Path(box(x, y, w, h, 2), stroke=SLATE, width=1, closed=True))
    items.append(Path(((x + scale, y - 3), (x + scale, y + h + 3)), stroke=LATE, width=1.6))
    return items


def mast(node: Node, x: float, y: float) -> list[Item]:
    """A roadside unit: a lattice mast, and above it its name and gauge."""
    top = y - MAST
    items: list[Item] = [
        Path(((x - 7, y), (x - 1.2, top), (x + 1.2, top), (x + 7, y)), stroke=SLATE, width=1.8),
        *(
            Path(((x - w0, y - h0), (x + w1, y - h1)), stroke=SLATE, width=1)
            for w0, h0, w1, h1 in ((6, 9, 4.6, 22), (-6, 9, -4.6, 22), (4.6, 22, 3.2, 36), (-4.6, 22, -3.2, 36))
        ),
        Path(box(x - 11, y - 5, 22, 10, 2), fill=SLATE, closed=True),
        Disc(((x, top),), 5.5, fill=PAPER, stroke=SLATE, width=2),
        Disc(((x, top),), 2.2, fill=SLATE),
    ]
    left = x - GAUGE_WIDTH / 2
    items.append(Text(((x, top - 33),), node.label, 11.5, INK, "middle", bold=True, halo=True))
    if node.load is not None:
        items += gauge(left, top - 22, GAUGE_WIDTH, 8, node.load, node.part or 0.0)
    return items


def quadcopter(node: Node, x: float, y: float) -> list[Item]:
    """A UAV over its shadow, above it its gauge, below it its name (U and its number) and its words."""
    tips = turned([(ARM, ARM), (-ARM, -ARM), (ARM, -ARM), (-ARM, ARM)], x, y, _in_steps(node.heading_rad))
    items: list[Item] = [
        Disc(((x + 4, y + 8),), 11, fill=INK, alpha=0.12),
        *(Disc((tip,), 5.6, fill=LIGHT, alpha=0.4) for tip in tips),
        *(Disc((tip,), 5.6, stroke=SLATE, width=1.1) for tip in tips),
        *(Path((tips[i], tips[i + 1]), stroke=SLATE, width=3) for i in (0, 2)),
        Disc(((x, y),), 7.5, fill=SLATE, stroke=PAPER, width=1),
    ]
    words = " · ".join(text for text in (f"U{node.label.split()[-1]}" if node.label else "", node.text) if text)
    if node.load is not None:
        items += gauge(x - 17, y - 27, 34, 5.5, node.load, node.part or 0.0)
    if words:
        items.append(Text(((x, y + 21),), words, 9.5, INK, "middle", bold=not node.text, halo=True))
    return items


def cell(node: Node, x: float, y: float) -> list[Item]:
    """One of many servers: a small square in the colour of its load, its words below."""
    items: list[Item] = [
        Path(box(x - 5, y - 5, 10, 10, 2), fill=load_colour(node.load), stroke=INK, width=0.8, closed=True)
    ]
    if node.text:
        items.append(Text(((x, y + 13),), node.text, 9, INK, "middle", halo=True))
    return items


def satellite(node: Node, x: float, y: float) -> list[Item]:
    """A satellite between its panels, its name below."""
    items: list[Item] = [Path(((x - 26, y), (x + 26, y)), stroke=SLATE, width=2)]
    items += [Path(box(x + s - 9, y - 6, 18, 12), fill=LIGHT, stroke=INK, width=0.8, closed=True) for s in (-18, 18)]
    items += [Path(((x + s, y - 6), (x + s, y + 6)), stroke=PAPER, width=0.8) for s in (-21, -15, 15, 21)]
    items.append(Path(box(x - 7, y - 8, 14, 16, 3), fill=SLATE, stroke=PAPER, width=1, closed=True))
    items.append(Text(((x, y + 18),), node.label, 10, INK, "middle", bold=True, halo=True))
    return items


def badge(node: Node, x: float, y: float) -> list[Item]:
    """A twin: a disc in the colour of its trail, with the number of whom it mirrors, above its server."""
    colour = identity(node.trail or 0)
    return [
        Disc(((x, y),), 8, fill=PAPER, stroke=colour, width=2.4),
        Text(((x, y),), node.label.split()[-1], 9, INK, "middle", bold=True),
    ]


def mirror(node: Node, x: float, y: float) -> list[Item]:
    """A digital twin: a dashed likeness of a server, its name above, below it what it takes the server for."""
    return [
        Path(box(x - 19, y - 14, 38, 28, 4), fill=PAPER, stroke=TWIN, width=1.8, dash=(5, 3), closed=True),
        *(Path(((x - 12, y + dy), (x + 12, y + dy)), stroke=TWIN, width=1.4, alpha=0.7) for dy in (-6, 0, 6)),
        *(Disc(((x + 9, y + dy),), 1.8, fill=TWIN) for dy in (-6, 0, 6)),
        Text(((x, y - 24),), node.label, 10.5, INK, "middle", bold=True, halo=True),
        Text(((x, y + 24),), node.text, 9.5, INK, "middle", halo=True),
    ]


def disc(node: Node, x: float, y: float) -> list[Item]:
    """Any other node: a disc in the colour of its load, its name and words below."""
    items: list[Item] = [
        Disc(((x, y),), 9, fill=load_colour(node.load), stroke=INK, width=1.1),
        Text(((x, y + 18),), node.label, 10, INK, "middle", bold=True, halo=True),
    ]
    if node.part is not None:
        items += bar(x - 15, y + 26, 30, 3.6, node.part)
    if node.text:
        items.append(Text(((x, y + (36 if node.part is not None else 31)),), node.text, 9.5, INK, "middle", halo=True))
    return items


GLYPHS = {
    "vehicle": Glyph(car, layer=1, gives_way=True),
    "rsu": Glyph(mast, (0.0, -MAST), 34.0, (0.0, -MAST / 2 - 10), gives_way=False),
    "uav": Glyph(quadcopter, gives_way=True),
    "satellite": Glyph(satellite, layer=0, gives_way=False),
    "mirror": Glyph(mirror, reach=22.0, layer=0, gives_way=False),
    "cell": Glyph(cell, reach=8.0, layer=0),
    "twin": Glyph(badge, reach=9.0, layer=3, dash=(5.0, 3.0), gives_way=True),
}
OTHER = Glyph(disc)


def glyph(kind: str) -> Glyph:
    """The glyph of a kind."""
    return GLYPHS.get(kind, OTHER)
