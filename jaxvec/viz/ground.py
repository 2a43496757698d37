"""What nodes stand on: verge, roads, reaches, and how long a metre is."""

import numpy as np

from jaxvec.viz import theme
from jaxvec.viz.items import Item, Path, Text, box
from jaxvec.viz.layout import Map, Rect
from jaxvec.viz.legend import bracket
from jaxvec.viz.measure import text_width
from jaxvec.viz.scene import Node, Road, Scene
from jaxvec.viz.ways import clipped

Point = tuple[float, float]
STREET_M = 9.0  # wide
LENGTHS_M = [m * 10**e for e in range(7) for m in (1, 2, 5)]


def ground(scene: Scene, place: Map) -> list[Item]:
    """Verge, roads, reaches, and a scale, or a ruler where the axes differ.

    Args:
        scene: the first of an episode; who reaches how far does not change.
        place: the map.
    """
    rect = place.rect
    items: list[Item] = [Path(box(*rect, 6), fill=theme.VERGE, closed=True)]
    items += _ways(scene, place)
    for road in scene.roads:
        items += _road(road, place)
    if scene.to_scale:
        for node in (node for node in scene.nodes if node.range_m and node.drawn):
            items += _reach(node, place)
        return [*items, Path(box(*rect), stroke=theme.LIGHT, width=1.2, closed=True), *_scale(place)]
    bottom = rect.y + rect.h
    rows: list[float] = []  # where the last bracket of each row ends
    for node in (node for node in scene.nodes if node.range_m and node.drawn):
        low, high = (np.clip(node.x_m + s * (node.range_m or 0), place.bounds[0], place.bounds[2]) for s in (-1, 1))
        row = next((i for i, end in enumerate(rows) if end < low), len(rows))
        rows[row : row + 1] = [float(high)]
        items += bracket(place(low, 0)[0], place(high, 0)[0], bottom - 60 + 15 * row, node.label)
    ratio = f"across the road {place.sy / place.sx:.2g} times as large"
    note = Text(((rect.x + 8, rect.y + 9),), ratio, 9, theme.MUTED)
    return [*items, note, *_ruler(scene, place, bottom - 10)]


def _ways(scene: Scene, place: Map) -> list[Item]:
    """Streets as lines that join; of those beyond the map what lies on it."""
    rect, width = place.rect, max(STREET_M * place.sx, 3.0)
    low, high = (rect.x + width / 2, rect.y + width / 2), (rect.x + rect.w - width / 2, rect.y + rect.h - width / 2)
    items: list[Item] = []
    for x0_m, y0_m, x1_m, y1_m in scene.ways:
        if piece := clipped((*place(x0_m, y0_m), *place(x1_m, y1_m)), low, high):
            x0, y0, x1, y1 = (round(x, 1) for x in piece)
            items.append(Path(((x0, y0), (x1, y1)), stroke=theme.ROAD, width=width))
    return items


def _scale(place: Map) -> list[Item]:
    """A bar of a round length, about a fifth of the map."""
    x0, _, x1, _ = place.bounds
    length_m = max((m for m in LENGTHS_M if m <= (x1 - x0) / 4), default=1)
    x, y, w = place.rect.x + 12, place.rect.y + place.rect.h - 12, length_m * place.sx
    text = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    back = box(x - 6, y - 9, w + 18 + text_width(text, 10), 18, 4)
    return [
        Path(back, fill=theme.PAPER, alpha=0.85, closed=True),
        Path(((x, y - 4), (x, y), (x + w, y), (x + w, y - 4)), stroke=theme.INK, width=1.6),
        Text(((x + w + 6, y),), text, 10, theme.INK),
    ]


def _ruler(scene: Scene, place: Map, y: float) -> list[Item]:
    x0, _, x1, _ = scene.bounds_m or (0.0, 0.0, 1.0, 1.0)
    step = next((m for m in LENGTHS_M if (x1 - x0) / m <= min(10, place.rect.w / 60)), LENGTHS_M[-1])
    items: list[Item] = []
    for x_m in np.arange(np.ceil(x0 / step) * step, x1 + 1e-6, step):
        x, text = place(float(x_m), 0)[0], f"{abs(x_m) and x_m:.0f} m".replace("-", theme.MINUS)
        half = text_width(text, 9.5) / 2 + 3
        x = min(max(x, place.rect.x + half), place.rect.x + place.rect.w - half)
        items.append(Text(((x, y),), text, 9.5, theme.MUTED, "middle"))
    return items


def _road(road: Road, place: Map) -> list[Item]:
    along = np.array([road.x1_m - road.x0_m, road.y1_m - road.y0_m])
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
    ends = np.array([[road.x0_m, road.y0_m], [road.x1_m, road.y1_m]])

    def line(offset_m: float) -> list[Point]:
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


def _reach(node: Node, place: Map) -> list[Item]:
    """The ground that a node reaches, as far as it is on the map, and its edge: of a circle nothing but arcs."""
    turn = np.deg2rad(np.arange(0, 361))
    (x, y), reach, rect = place(node.x_m, node.y_m), (node.range_m or 0.0) * place.sx, place.rect
    circle = [(float(x + reach * np.cos(a)), float(y + reach * np.sin(a))) for a in turn]
    area = tuple((round(px, 1), round(py, 1)) for px, py in _clipped(circle[:-1], rect))
    inside = [rect.x <= px <= rect.x + rect.w and rect.y <= py <= rect.y + rect.h for px, py in circle]
    arcs: list[list[Point]] = [[]]
    for point, ok in zip(circle, inside, strict=True):
        if ok:
            arcs[-1].append((round(point[0], 1), round(point[1], 1)))
        elif arcs[-1]:
            arcs.append([])
    edges = [Path(tuple(arc), stroke=theme.LIGHT, width=1.2) for arc in arcs if len(arc) > 1]
    return [*([Path(area, fill=theme.SLATE, alpha=0.05, closed=True)] if area else []), *edges]


def _clipped(polygon: list[Point], rect: Rect) -> list[Point]:
    """What of a convex polygon is in a rectangle, edge by edge (Sutherland and Hodgman)."""
    for axis, sign, limit in ((0, 1, rect.x), (0, -1, -rect.x - rect.w), (1, 1, rect.y), (1, -1, -rect.y - rect.h)):
        kept: list[Point] = []
        for a, b in zip(polygon[-1:] + polygon[:-1], polygon, strict=True):
            far_a, far_b = sign * a[axis] - limit, sign * b[axis] - limit
            if (far_a >= 0) != (far_b >= 0):
                part = far_a / (far_a - far_b)
                kept.append((a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])))
            if far_b >= 0:
                kept.append(b)
        polygon = kept
    return polygon
