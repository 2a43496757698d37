"""Storyboards as data for the player, as small as they come: what is there several times is written once.

An item is `[look, shape, x, y]`, and `[look, shape, x, y, x', y']` if it moves by the end of the slot; one that changes its
shape too is `[look, shape, x, y, x', y', shape']`. `look` and `shape` are indices; a shape is points from its first one,
of which `[shape, n]` takes the first n; of a text the shape is what is written. A number in the place of an item is an index of
one of `items`. Items that move together are a group, `[[x, y, x', y'], item, ...]`, each as seen from there.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from jaxvec.viz.items import Disc, Item, Path, Points, Sheet, Spot, Storyboard, Text

USUAL = {
    "a": 1,
    "w": 1,
    "fill": None,
    "stroke": None,
    "dash": (),
    "closed": False,
    "flow": 0,
    "bold": False,
    "halo": False,
}


def encoded(boards: Sequence[Storyboard]) -> dict[str, Any]:
    """Storyboards of one episode, of which the first says what its nodes tell when pointed at.

    Returns:
        `looks`, `shapes`, `items` and `rows`, each once; `spots`, per slot and node its title and the indices of its rows; and
        `boards`, each with its `size`, its `backdrop`, and per slot `items` and `spots` (x, y, x', y' and reach of each).
    """
    encoder = _Encoder()
    drawn = [encoder.board(board) for board in boards]
    times = Counter(item for board in drawn for slot in board["slots"] for group in slot["items"] for item in group[1])
    often = {item: i for i, item in enumerate(item for item, n in times.items() if n > 1)}
    for board in drawn:
        for slot in board["slots"]:
            slot["items"] = [x for group in slot["items"] for x in _written(group, often)]
    rows: dict[tuple[str, str], int] = {}
    spots = [
        [
            [spot.title, *(rows.setdefault((row[0], row[1]), len(rows)) for row in spot.rows)]
            for spot in sheet.spots_start
        ]
        for sheet in boards[0].sheets
    ]
    looks = [dict(look) for look in encoder.looks]
    tables = {"looks": looks, "shapes": encoder.shapes, "items": list(often), "rows": list(rows)}
    return {**tables, "spots": spots, "boards": drawn}


class _Encoder:
    """Looks and shapes of several boards."""

    def __init__(self) -> None:
        self.looks: dict[tuple[Any, ...], int] = {}
        self.shapes: list[tuple[float, ...]] = []
        self._known: dict[tuple[float, ...], int] = {}
        self._alike: dict[tuple[float, ...], list[int]] = {}

    def board(self, board: Storyboard) -> dict[str, Any]:
        """One of them; slots from the last on, so that what grows is seen at its longest first."""
        slots = [self._sheet(sheet) for sheet in reversed(board.sheets)]
        return {"size": board.size, "backdrop": [self._item(x, x) for x in board.backdrop], "slots": slots[::-1]}

    def _sheet(self, sheet: Sheet) -> dict[str, Any]:
        items: list[tuple[Any, list[tuple[Any, ...]]]] = []
        for way, pairs in groupby(zip(sheet.start, sheet.end, strict=True), key=lambda pair: _way(*pair)):
            several = list(pairs)
            if way is None or len(several) < 3:
                items.append((None, [self._item(a, b) for a, b in several]))
            else:
                (x, y), *_ = several[0][0].points
                at = (_tenth(x), _tenth(y), _tenth(x + way[0]), _tenth(y + way[1]))
                items.append((at, [self._item(a, a, (x, y)) for a, _ in several]))
        spots = [
            [*_place(a), *_place(b), round(a.r, 1)] for a, b in zip(sheet.spots_start, sheet.spots_end, strict=True)
        ]
        return {"items": items, "spots": spots}

    def _item(self, a: Item, b: Item, seen_from: tuple[float, float] = (0.0, 0.0)) -> tuple[Any, ...]:
        shape, other = (item.text if isinstance(item, Text) else self._shape(item.points) for item in (a, b))
        start, end = _place(a, seen_from), _place(b, seen_from)
        out = (self.looks.setdefault(_look(a), len(self.looks)), shape, *start)
        if shape != other:
            return (*out, *end, other)
        return (*out, *end) if start != end else out

    def _shape(self, points: Points) -> Any:
        """Its index, or that of one which begins like it, and how much of that."""
        (x0, y0), n = points[0], len(points)
        flat = tuple(_tenth(c) for x, y in points for c in (x - x0, y - y0))
        if flat in self._known:
            return self._known[flat]
        start = flat[:8]
        for known in self._alike.get(start, ()) if n >= 4 else ():
            if self.shapes[known][: len(flat)] == flat:
                return known, n
        index = self._known[flat] = len(self.shapes)
        self.shapes.append(flat)
        self._alike.setdefault(start, []).append(index)
        return index


def _written(group: tuple[Any, list[tuple[Any, ...]]], often: dict[tuple[Any, ...], int]) -> list[Any]:
    at, items = group
    written = [often.get(item, item) for item in items]
    return written if at is None else [[at, *written]]


def _way(a: Item, b: Item) -> tuple[float, float] | None:
    """How far it moves, if it moves and stays as it is."""
    x, y = (b.points[0][i] - a.points[0][i] for i in (0, 1))
    words = [item.text if isinstance(item, Text) else "" for item in (a, b)]
    if max(abs(x), abs(y)) < 1e-6 or len(a.points) != len(b.points) or words[0] != words[1]:
        return None
    rigid = all(
        abs(q - p - d) < 1e-3
        for r, s in zip(a.points, b.points, strict=True)
        for p, q, d in zip(r, s, (x, y), strict=True)
    )
    return (round(x, 2), round(y, 2)) if rigid else None


def _place(item: Item | Spot, seen_from: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    (x, y), *_ = item.points
    return _tenth(x - seen_from[0]), _tenth(y - seen_from[1])


def _tenth(x: float) -> float:
    """A tenth of a pixel is enough; whole numbers without a point."""
    tenth = round(float(x), 1)
    return int(tenth) if tenth.is_integer() else tenth


def _look(a: Item) -> tuple[tuple[str, Any], ...]:
    """How it looks; what is as usual is left out."""
    if isinstance(a, Path):
        out = {"fill": a.fill, "stroke": a.stroke, "w": round(a.width, 2), "a": a.alpha, "dash": a.dash}
        out |= {"closed": a.closed, "flow": round(a.flow, 1)}
    elif isinstance(a, Disc):
        out = {"r": round(a.r, 2), "fill": a.fill, "stroke": a.stroke, "w": round(a.width, 2), "a": a.alpha}
    else:
        out = {"size": a.size, "fill": a.colour, "anchor": a.anchor, "bold": a.bold, "halo": a.halo}
    return tuple((name, value) for name, value in out.items() if name not in USUAL or value != USUAL[name])
