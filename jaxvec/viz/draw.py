"""Scenes to storyboards: where everything goes on the picture, and what it is made of."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from jaxvec.viz import theme
from jaxvec.viz.glyphs import bar, gauge, glyph
from jaxvec.viz.items import Disc, Item, Path, Sheet, Spot, Storyboard, Text, box
from jaxvec.viz.paint import FONT
from jaxvec.viz.scene import Key, Meter, Node, Road, Scene, moved

WIDTH, HEIGHT, MARGIN, LEGEND_SIZE = 1080, 600, 24, 11.0
SIGNS = {
    "cell": "",
    "twin": "1",
}  # kinds of nodes that are small enough for a legend, and what is written on them there


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

    sheets, trails = [], _trails(scenes, place) if place else []
    for t, scene in enumerate(scenes):
        end = moved(scene, scenes[t + 1] if t + 1 < len(scenes) else None, scenes[t - 1] if t else None)
        caption = " · ".join(text for text in (policy_name, *scene.captions, f"slot {t + 1} / {len(scenes)}") if text)
        still: list[Item] = [Text(((WIDTH - MARGIN, 30),), caption, 13, theme.MUTED, "end")]
        for meter, rect, values in zip(scene.meters, meters, history.T, strict=True):
            still += _meter_now(meter, rect, values, t)
        still_t = tuple(still)
        moments = [_nodes(s, place) if place else ((), ()) for s in (scene, end)]
        (start_items, start_spots), (end_items, end_spots) = moments
        begun, gone = (tuple(trail(t)[i] for trail in trails) for i in (0, 1))
        sheets.append(Sheet(begun + start_items + still_t, gone + end_items + still_t, start_spots, end_spots))
    return Storyboard(first.title, (WIDTH, HEIGHT), tuple(backdrop), tuple(sheets))


def _layout(scene: Scene) -> tuple[Map | None, list[Rect]]:
    """The map and the meters: below a long map, beside a square one, everywhere without one."""
    top = 84.0 if scene.keys else 58.0
    whole = Rect(MARGIN, top, WIDTH - 2 * MARGIN, HEIGHT - top - MARGIN)
    n, gap = len(scene.meters), 14.0 if scene.meters else 0.0
    if scene.bounds_m is None:
        rows = -(-n // _columns(n))
        return None, _grid(whole._replace(h=min(whole.h, 250.0 * rows)), n, _columns(n))
    x0, y0, x1, y1 = scene.bounds_m
    if not scene.to_scale or (x1 - x0) / (y1 - y0) > 2:
        strip = 124.0 if n else 0.0
        rect = Rect(whole.x, top, whole.w, whole.h - strip - gap)
        meters = _grid(Rect(whole.x, HEIGHT - MARGIN - strip, whole.w, strip), n, max(n, 1))
    else:
        width = min(whole.w - (300.0 if n else 0.0), whole.h * (x1 - x0) / (y1 - y0))
        rect = Rect(whole.x, top, width, whole.h)
        meters = _grid(Rect(rect.x + width + MARGIN, top, whole.w - width - MARGIN, whole.h), n, 1 if n <= 3 else 2)
    sx, sy = rect.w / (x1 - x0), rect.h / (y1 - y0)
    if scene.to_scale:
        sx = sy = min(sx, sy)
        used_w, used_h = sx * (x1 - x0), sy * (y1 - y0)
        rect = Rect(rect.x + (rect.w - used_w) / 2, rect.y + (rect.h - used_h) / 2, used_w, used_h)
    return Map(rect, scene.bounds_m, sx, sy), meters


def _columns(n: int) -> int:
    """Columns of a grid that looks balanced and leaves few places empty."""
    some = int(np.ceil(np.sqrt(n * 1.2)))
    likely = [columns for columns in (some, some + 1) if columns <= n] or [max(n, 1)]
    return min(likely, key=lambda columns: (-n % columns, columns))


def _grid(rect: Rect, n: int, columns: int) -> list[Rect]:
    rows, gap = -(-n // columns) if n else 1, 12.0
    w, h = (rect.w - gap * (columns - 1)) / columns, (rect.h - gap * (rows - 1)) / rows
    return [Rect(rect.x + (i % columns) * (w + gap), rect.y + (i // columns) * (h + gap), w, h) for i in range(n)]


def _legend(keys: Sequence[Key], y: float) -> list[Item]:
    """All entries in one row, evenly spaced."""
    widths = [_sign(key.sign, 0, 0)[1] + 7 + text_width(key.text, LEGEND_SIZE) for key in keys]
    gap = min(30.0, (WIDTH - 2 * MARGIN - sum(widths)) / max(len(keys) - 1, 1))
    items: list[Item] = []
    x = float(MARGIN)
    for key, width in zip(keys, widths, strict=True):
        sign, beside = _sign(key.sign, x, y)
        items += [*sign, Text(((x + beside + 7, y),), key.text, LEGEND_SIZE, theme.MUTED)]
        x += width + gap
    return items


def text_width(text: str, size: float) -> float:
    """The width of a text [pixel]."""
    font = FontProperties(family=FONT, size=size)
    return float(TextToPath().get_text_width_height_descent(text, font, ismath=False)[0])


def _sign(sign: str, x: float, y: float) -> tuple[list[Item], float]:
    if sign == "load":
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
        return [*ramp, *marks], 83
    if sign == "part":
        return bar(x, y - 2, 30, 4, 0.6), 30
    if sign == "gauge":
        return gauge(x, y - 4, 36, 8, 0.4, 0.35), 36
    if sign == "range":
        return _bracket(x, x + 30, y, ""), 30
    if sign == "reach":
        return [Disc(((x + 8, y),), 8, fill=theme.VERGE, stroke=theme.LIGHT, width=1.2)], 16
    if sign in SIGNS:
        return glyph(sign).draw(Node(0.0, 0.0, sign, SIGNS[sign], load=0.9, trail=0), x + 8, y), 16
    colour, dash = theme.LINKS.get(sign, (theme.SLATE, ()))
    return [Path(((x, y), (x + 30, y)), stroke=colour, width=3, dash=dash)], 30


def _bracket(x0: float, x1: float, y: float, label: str) -> list[Item]:
    items: list[Item] = [
        Path(((x0, y), (x1, y)), stroke=theme.SLATE, width=1.2, alpha=0.7),
        *(Path(((x, y - 4), (x, y + 4)), stroke=theme.SLATE, width=1.2, alpha=0.7) for x in (x0, x1)),
    ]
    if label:
        w = text_width(label, 10) + 10
        items.append(Path(box((x0 + x1 - w) / 2, y - 7, w, 14), fill=theme.VERGE, closed=True))
        items.append(Text((((x0 + x1) / 2, y),), label, 10, theme.SLATE, "middle"))
    return items


def _ground(scene: Scene, place: Map) -> list[Item]:
    """What nodes stand on: verge, roads, reaches, and a ruler where the scales differ."""
    rect = place.rect
    items: list[Item] = [Path(box(*rect, 6), fill=theme.VERGE, closed=True)]
    for road in scene.roads:
        items += _road(road, place)
    if scene.to_scale:
        return [*items, Path(box(*rect), stroke=theme.LIGHT, width=1.2, closed=True)]
    bottom = rect.y + rect.h
    rows: list[float] = []  # where the last bracket of each row ends
    for node in (node for node in scene.nodes if node.range_m and node.drawn):
        low, high = (np.clip(node.x_m + s * (node.range_m or 0), place.bounds[0], place.bounds[2]) for s in (-1, 1))
        row = next((i for i, end in enumerate(rows) if end < low), len(rows))
        rows[row : row + 1] = [float(high)]
        items += _bracket(place(low, 0)[0], place(high, 0)[0], bottom - 60 + 15 * row, node.label)
    ratio = f"vertical scale \N{MULTIPLICATION SIGN} {place.sy / place.sx:.2g}"
    note = Text(((rect.x + 8, rect.y + 9),), ratio, 9, theme.MUTED)
    return [*items, note, *_ruler(scene, place, bottom - 10)]


def _ruler(scene: Scene, place: Map, y: float) -> list[Item]:
    x0, _, x1, _ = scene.bounds_m or (0.0, 0.0, 1.0, 1.0)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e9) if (x1 - x0) / s <= 10)
    items: list[Item] = []
    for x_m in np.arange(np.ceil(x0 / step) * step, x1 + 1e-6, step):
        x = place(float(x_m), 0)[0]
        items.append(Text(((x, y),), f"{abs(x_m) and x_m:.0f} m", 9.5, theme.MUTED, "middle"))
    return items


def _road(road: Road, place: Map) -> list[Item]:
    along = np.array([road.x1_m - road.x0_m, road.y1_m - road.y0_m])
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
    ends = np.array([[road.x0_m, road.y0_m], [road.x1_m, road.y1_m]])

    def line(offset_m: float) -> list[tuple[float, float]]:
        return [place(float(x), float(y)) for x, y in ends + offset_m * across]

    half = road.width_m / 2
    items: list[Item] = [Path((*line(half), *reversed(line(-half))), fill=theme.ROAD, closed=True)]
    for i in range(1, road.lanes):
        middle = 2 * i == road.lanes
        offset, dash = -half + i * road.width_m / road.lanes, () if middle else (14.0, 14.0)
        items.append(Path(tuple(line(offset)), stroke=theme.LANE, width=2.4 if middle else 1.6, dash=dash))
    for side in (-1, 1):
        items.append(Path(tuple(line(side * half)), stroke=theme.MUTED, width=1.4))
    return items


def _nodes(scene: Scene, place: Map) -> tuple[tuple[Item, ...], tuple[Spot, ...]]:
    """Links, over them nodes, layer by layer. What leaves the map is covered at its sides."""
    at = [place(node.x_m, node.y_m) if node.drawn else (0.0, 0.0) for node in scene.nodes]
    items: list[Item] = []
    for node in scene.nodes:
        if scene.to_scale and node.drawn and node.range_m:
            items += _reach(node, place)
    for link in sorted(scene.links, key=lambda link: -link.strength):
        a, b = scene.nodes[link.a], scene.nodes[link.b]
        if a.drawn and b.drawn:
            ends = tuple((x + dx, y + dy) for (x, y), (dx, dy) in _ends(link.a, link.b, scene.nodes, at))
            colour, dash = theme.LINKS.get(link.kind, (theme.SLATE, ()))
            width = 1.2 + 5.3 * min(max(link.strength, 0.0), 1.0)
            items.append(Path(ends, stroke=colour, width=width, dash=dash, alpha=0.85, flow=2.2 + width / 2))
    spots = []
    for node, (x, y) in sorted(zip(scene.nodes, at, strict=True), key=lambda pair: glyph(pair[0].kind).layer):
        if node.drawn:
            items += glyph(node.kind).draw(node, x, y)
            dx, dy = glyph(node.kind).centre
            spots.append(Spot(((x + dx, y + dy),), glyph(node.kind).reach, node.title, node.values))
    rect = place.rect
    items += [
        Path(box(x, rect.y, MARGIN, rect.h), fill=theme.PAPER, closed=True) for x in (rect.x - MARGIN, rect.x + rect.w)
    ]
    return tuple(items), tuple(spots)


def _trails(scenes: Sequence[Scene], place: Map) -> list[Callable[[int], tuple[Item, Item]]]:
    """Of each node that leaves a trail, in any slot: its way up to the start of the slot, and to its end."""

    def trail(i: int) -> Callable[[int], tuple[Item, Item]]:
        some = [scene.nodes[i] for scene in scenes]
        at = [place(node.x_m, node.y_m) for node in some if node.drawn]
        seen = np.cumsum([node.drawn for node in some])  # places known at the start of each slot
        colour, dash = theme.SERIES[(some[0].trail or 0) % len(theme.SERIES)], glyph(some[0].kind).dash
        way = partial(Path, stroke=colour, width=2.2, alpha=0.6, dash=dash)

        def items(t: int) -> tuple[Item, Item]:
            known = at[: seen[t]] or [(0.0, 0.0)]
            last = at[seen[t]] if seen[t] < len(at) and some[t].drawn else known[-1]
            return way((*known, known[-1])), way((*known, last))

        return items

    return [trail(i) for i, node in enumerate(scenes[0].nodes) if node.trail is not None]


def _reach(node: Node, place: Map) -> list[Item]:
    """The ground that a node reaches, as far as it is on the map, and its edge."""
    turn = np.linspace(0, 2 * np.pi, 73)[:-1]
    x, y, reach = *place(node.x_m, node.y_m), (node.range_m or 0.0) * place.sx
    rect = place.rect
    xs = np.clip(x + reach * np.cos(turn), rect.x, rect.x + rect.w)
    ys = np.clip(y + reach * np.sin(turn), rect.y, rect.y + rect.h)
    points = tuple((round(float(a), 1), round(float(b), 1)) for a, b in zip(xs, ys, strict=True))
    return [
        Path(points, fill=theme.SLATE, alpha=0.05, closed=True),
        Path(points, stroke=theme.LIGHT, width=1.2, closed=True),
    ]


def _ends(a: int, b: int, nodes: Sequence[Node], at: Sequence[tuple[float, float]]):
    return ((at[i], glyph(nodes[i].kind).anchor) for i in (a, b))


def _curve(meter: Meter, rect: Rect, values: np.ndarray) -> tuple[np.ndarray, float | None, float]:
    """Pixels of the curve, of the reference, and the largest magnitude."""
    known = np.append(values, np.nan if meter.reference is None else meter.reference)
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    size = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    if high - low <= 1e-6 * max(abs(high), abs(low)):
        low, high = low - 1, high + 1
    top, bottom = rect.y + 56, rect.y + rect.h - 14
    y = bottom - (values - low) / (high - low) * (bottom - top)
    x = rect.x + 12 + (rect.w - 24) * (np.arange(len(values)) / max(len(values) - 1, 1))
    reference = None if meter.reference is None else bottom - (meter.reference - low) / (high - low) * (bottom - top)
    return np.stack([x, y], 1), reference, size


def _runs(points: np.ndarray) -> list[tuple[tuple[float, float], ...]]:
    """Stretches of finite points."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if np.isfinite(y):
            runs[-1].append((float(x), float(y)))
        elif runs[-1]:
            runs.append([])
    return [tuple(run) for run in runs if len(run) > 1]


def _meter_back(meter: Meter, rect: Rect, values: np.ndarray) -> list[Item]:
    points, reference, _ = _curve(meter, rect, values)
    items: list[Item] = [
        Path(box(*rect, 6), fill=theme.PANEL, closed=True),
        Text(((rect.x + 12, rect.y + 16),), meter.label, 11, theme.MUTED),
    ]
    items += [Path(run, stroke="#b9c2cc", width=1.3) for run in _runs(points)]
    if reference is not None and meter.reference is not None:
        ends = ((rect.x + 12, reference), (rect.x + rect.w - 12, reference))
        items.append(Path(ends, stroke=theme.LATE, width=1, dash=(3, 3)))
        label = f"{meter.reference_label} {theme.quantity(meter.reference, meter.unit)}".strip()
        items.append(Text(((rect.x + rect.w - 12, rect.y + 38),), label, 9.5, theme.LATE, "end"))
    return items


def _meter_now(meter: Meter, rect: Rect, values: np.ndarray, t: int) -> list[Item]:
    points, _, size = _curve(meter, rect, values)
    whole = size < 1e3 and np.array_equal(values, np.round(values))
    quantity = theme.quantity(meter.value, meter.unit, None if whole else size)
    items: list[Item] = [Text(((rect.x + 12, rect.y + 37),), quantity, 16, theme.INK, bold=True)]
    items += [Path(run, stroke=theme.SERIES[0], width=2) for run in _runs(points[: t + 1])]
    if np.isfinite(points[t, 1]):
        items.append(Disc(((float(points[t, 0]), float(points[t, 1])),), 3.6, theme.SERIES[0], theme.PANEL, 1.2))
    return items
