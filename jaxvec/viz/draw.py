"""Scenes to storyboards: where everything goes on the picture, and what it is made of."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from jaxvec.viz import theme
from jaxvec.viz.colours import identity
from jaxvec.viz.glyphs import Glyph, glyph, scaled
from jaxvec.viz.ground import ground
from jaxvec.viz.items import Item, Path, Sheet, Spot, Storyboard, Text, box
from jaxvec.viz.layout import WIDE, Canvas, Map, layout
from jaxvec.viz.legend import pin
from jaxvec.viz.measure import fitted
from jaxvec.viz.meters import Card
from jaxvec.viz.scene import Node, Scene, moved
from jaxvec.viz.spread import Extent, extent, spread

FAR = 3.0  # a node that is drawn farther from its place than this is pinned to it [pixel]


def storyboard(scenes: Sequence[Scene], policy_name: str = "", canvas: Canvas = WIDE) -> Storyboard:
    """An episode's scenes as pictures.

    Args:
        scenes: one per slot, of the same meters.
        policy_name: shown at the top.
        canvas: how wide, and what stands where.
    """
    first, n = scenes[0], len(scenes)
    captions = [
        " · ".join(text for text in (policy_name, *scene.captions, f"slot {t + 1} / {n}") if text)
        for t, scene in enumerate(scenes)
    ]
    height, place, rects, backdrop, (caption_x, caption_y, room) = layout(first, canvas, captions)
    history = np.array([[meter.value for meter in scene.meters] for scene in scenes], float).reshape(n, -1)
    cards = [Card(*of_it) for of_it in zip(first.meters, rects, history.T, strict=True)]
    if place:
        backdrop += ground(first, place)
    for card in cards:
        backdrop += card.backdrop()

    sheets, trails = [], _trails(scenes, place) if place else []
    for t, scene in enumerate(scenes):
        end = moved(scene, scenes[t + 1] if t + 1 < n else None, scenes[t - 1] if t else None)
        caption = fitted(captions[t], canvas.caption_size, room)
        anchor = "start" if canvas.tall else "end"
        still: list[Item] = [Text(((caption_x, caption_y),), caption, canvas.caption_size, theme.MUTED, anchor)]
        for card in cards:
            still += card.now(t)
        still_t = tuple(still)
        moments = [_nodes(s, place, canvas) if place else ((), ()) for s in (scene, end)]
        (start_items, start_spots), (end_items, end_spots) = moments
        begun, gone = (tuple(item for trail in trails for item in trail(t)[i]) for i in (0, 1))
        sheets.append(Sheet(begun + start_items + still_t, gone + end_items + still_t, start_spots, end_spots))
    return Storyboard(first.title, (round(canvas.width), round(height)), tuple(backdrop), tuple(sheets))


def _nodes(scene: Scene, place: Map, canvas: Canvas) -> tuple[tuple[Item, ...], tuple[Spot, ...]]:
    """Links, over them nodes, layer by layer. What leaves the map is covered at its sides."""
    there, items = _apart(scene, place, canvas), list[Item]()
    for link in sorted(scene.links, key=lambda link: -link.strength):
        a, b = scene.nodes[link.a], scene.nodes[link.b]
        if a.drawn and b.drawn:
            ends = tuple(_offset(there[i], glyph(node.kind).anchor, canvas) for i, node in ((link.a, a), (link.b, b)))
            colour, dash = theme.LINKS.get(link.kind, (theme.SLATE, ()))
            width = canvas.glyph * (1.2 + 5.3 * min(max(link.strength, 0.0), 1.0))
            flow = 0.0 if link.kind in theme.STILL else 2.2 + width / 2
            items.append(Path(ends, stroke=colour, width=width, dash=dash, alpha=0.85, flow=flow))
    for node, to in zip(scene.nodes, there, strict=True):
        if node.drawn and _moves(node):
            at = place(node.x_m, node.y_m)
            items += pin(at if np.hypot(at[0] - to[0], at[1] - to[1]) > FAR else to, to)
    spots = []
    for i in _order(scene.nodes, there):
        node, (x, y) = scene.nodes[i], there[i]
        if node.drawn:
            look = glyph(node.kind)
            items += scaled(look.draw(node, x, y), x, y, canvas.glyph)
            spots.append(
                Spot((_offset((x, y), look.centre, canvas),), look.reach * canvas.glyph, node.title, node.values)
            )
    rect = place.rect
    items += [
        Path(box(x, rect.y, canvas.margin, rect.h), fill=theme.PAPER, closed=True)
        for x in (rect.x - canvas.margin, rect.x + rect.w)
    ]
    return tuple(items), tuple(spots)


def _order(nodes: Sequence[Node], there: Sequence[tuple[float, float]]) -> list[int]:
    """Who is drawn after whom: layer by layer, and of those that do not give way who stands farther down is above the others."""
    order = sorted(range(len(nodes)), key=lambda i: glyph(nodes[i].kind).layer)
    turns = [turn for turn, i in enumerate(order) if glyph(nodes[i].kind).gives_way is False]
    standing = sorted((order[turn] for turn in turns), key=lambda i: (glyph(nodes[i].kind).layer, there[i][1]))
    for turn, i in zip(turns, standing, strict=True):
        order[turn] = i
    return order


def _offset(at: tuple[float, float], by: tuple[float, float], canvas: Canvas) -> tuple[float, float]:
    return at[0] + canvas.glyph * by[0], at[1] + canvas.glyph * by[1]


def _moves(node: Node) -> bool:
    """Whether a node gives way to others."""
    return glyph(node.kind).gives_way is True


def _apart(scene: Scene, place: Map, canvas: Canvas) -> list[tuple[float, float]]:
    """Where nodes are drawn [pixel]: where they are, or beside it where they would hide each other."""
    there = [place(node.x_m, node.y_m) if node.drawn else (0.0, 0.0) for node in scene.nodes]
    chosen = [i for i, node in enumerate(scene.nodes) if node.drawn and glyph(node.kind).gives_way is not None]
    if not any(_moves(scene.nodes[i]) for i in chosen):
        return there
    looks: list[Glyph] = [glyph(scene.nodes[i].kind) for i in chosen]
    boxes = [
        extent(scaled(look.draw(scene.nodes[i], 0.0, 0.0), 0.0, 0.0, canvas.glyph))
        for i, look in zip(chosen, looks, strict=True)
    ]
    x, y, w, h = place.rect
    within = None if scene.ring_m else Extent(x, y, x + w, y + h)
    fixed = np.array([not look.gives_way for look in looks])
    at = np.array([there[i] for i in chosen])
    for i, (new_x, new_y) in zip(chosen, spread(at, np.array(boxes), fixed, within, bool(scene.roads)), strict=True):
        there[i] = (float(new_x), float(new_y))
    return there


def _trails(scenes: Sequence[Scene], place: Map) -> list[Callable[[int], tuple[tuple[Item, Item], tuple[Item, Item]]]]:
    """Of each node that leaves a trail, in any slot: its way up to the start of the slot, and what it goes in the slot; both at
    the start and at the end of the slot.
    """

    def trail(i: int) -> Callable[[int], tuple[tuple[Item, Item], tuple[Item, Item]]]:
        some = [scene.nodes[i] for scene in scenes]
        at = [place(node.x_m, node.y_m) for node in some if node.drawn]
        seen = np.cumsum([node.drawn for node in some])  # places known at the start of each slot
        colour, dash = identity(some[0].trail or 0), glyph(some[0].kind).dash
        way = partial(Path, stroke=colour, width=2.2, alpha=0.6, dash=dash)

        def items(t: int) -> tuple[tuple[Item, Item], tuple[Item, Item]]:
            known = at[: seen[t]] or [(0.0, 0.0)]
            last = at[seen[t]] if seen[t] < len(at) and some[t].drawn else known[-1]
            before = way(tuple(known))
            return (before, way((known[-1], known[-1]))), (before, way((known[-1], last)))

        return items

    return [trail(i) for i, node in enumerate(scenes[0].nodes) if node.trail is not None]
