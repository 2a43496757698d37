"""Nothing on a picture of an episode touches or hides what it should not: texts of cards, legends, nodes; circles are round."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from jaxvec.viz.draw import storyboard
from jaxvec.viz.ground import _clipped, ground
from jaxvec.viz.items import Path, Text
from jaxvec.viz.layout import TALL, WIDE, Map, Rect, layout
from jaxvec.viz.measure import fitted, text_width, wrapped
from jaxvec.viz.paint import artist
from jaxvec.viz.scene import Key, Meter, Node, Scene
from jaxvec.viz.spread import spread

METERS = tuple(
    Meter(label, value, unit, reference, word)
    for label, value, unit, reference, word in (
        ("Mean latency", 0.0563, "s", 0.1, "deadline"),
        ("Energy of all the vehicles", 123.4, "J", 1000.0, "budget of a vehicle"),
        ("Queue", -1234567.0, "cycle", 1e9, "limit"),
        ("A label that is far too long for any card that there is on this picture", 1.0, "", 0.5, "least"),
        ("Reward", 0.33, "", None, ""),
    )
)
KEYS = tuple(
    Key(sign, f"what {sign} means, in some words")
    for sign in ("load", "part", "gauge", "uav", "pin", "twin", "sees", "way")
)


def boxes(items):
    """Where matplotlib draws texts [pixel]."""
    figure = Figure(figsize=(10.8, 6.0), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 1080), ylim=(600, 0))
    result = []
    for item in items:
        if isinstance(item, Text) and item.text:
            words = axes.add_artist(artist(item))
            result.append((item.text, words.get_window_extent()))
    return result


@pytest.mark.parametrize("canvas", [WIDE, TALL], ids=["wide", "tall"])
@pytest.mark.parametrize("bounds_m", [None, (-500, -20, 500, 40), (0, 0, 100, 100)])
def test_texts_of_cards_legend_and_head_do_not_touch(canvas, bounds_m):
    scene = Scene("A title of many words about what there is to see here", bounds_m, meters=METERS, keys=KEYS)
    board = storyboard([scene] * 3, "a_policy_whose_name_is_as_long_as_they_come_" * 2, canvas)
    found = boxes([*board.backdrop, *board.sheets[1].start])
    touching = [(a, b) for i, (a, p) in enumerate(found) for b, q in found[:i] if p.overlaps(q)]
    assert touching == []
    assert [text for text, box in found if box.x1 > board.size[0]] == []
    assert any(text == "56.3 ms" for text, _ in found)


def test_widths_are_those_of_the_painter():
    for text, bold in (("deadline 0.1 s", False), ("56.3 ms", True), ("Wg|µ±", False)):
        ((_, box),) = boxes([Text(((100, 100),), text, 16, "#000000", bold=bold)])
        assert text_width(text, 16, bold) == pytest.approx(box.width, abs=2.0)
    assert fitted("abc", 10, 100) == "abc"
    assert fitted("a long one", 10, 30).endswith("\N{HORIZONTAL ELLIPSIS}")
    assert wrapped("one two three", 10, 50) == ["one two", "three"]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 14), st.integers(0, 1000), st.booleans())
def test_nodes_are_spread_until_nobody_is_hidden(n, seed, along_x):
    rng = np.random.default_rng(seed)
    at = rng.uniform(100, 400, (n, 2))
    at[1] = at[0]
    boxes = np.tile([-20.0, -12.0, 20.0, 18.0], (n, 1))
    fixed = np.arange(n) == 2
    place = spread(at, boxes, fixed, None, along_x)
    for i in range(n):
        for j in range(i):
            gap = np.abs(place[i] - place[j]) - [40, 30]
            assert gap.max() > -1, (i, j)
    np.testing.assert_array_equal(place[fixed], at[fixed])
    np.testing.assert_array_equal(spread(at[:1], boxes[:1], fixed[:1], None), at[:1])


def test_reaches_are_round_and_of_their_size():
    node = Node(20.0, 50.0, "rsu", "Server", range_m=60.0)
    place = Map(Rect(10, 10, 400, 400), (0, 0, 100, 100), 4.0, 4.0)
    items = ground(Scene("", (0, 0, 100, 100), nodes=(node,)), place)
    arcs = [item for item in items if isinstance(item, Path) and len(item.points) > 20 and item.stroke]
    x, y = place(20, 50)
    for arc in arcs:
        np.testing.assert_allclose(np.hypot(*(np.array(arc.points) - [x, y]).T), 240, atol=0.2)
    assert sum(len(arc.points) for arc in arcs) > 90
    (area,) = (np.array(item.points) for item in items if isinstance(item, Path) and item.alpha == 0.05)
    assert area.min() >= 10
    assert area.max() <= 410


def test_a_square_clipped_by_hand():
    square = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]
    assert set(_clipped(square, Rect(1, 1, 2, 9))) == {(1.0, 1.0), (3.0, 1.0), (3.0, 4.0), (1.0, 4.0)}
    assert _clipped(square, Rect(5, 5, 2, 2)) == []


@pytest.mark.parametrize("canvas", [WIDE, TALL], ids=["wide", "tall"])
def test_what_is_written_at_roadside_units_stays_on_the_map(canvas):
    """Units at the corners and sides of a map: names and gauges are inside of its frame, which nothing touches."""
    corners = [(x, y) for x in (0.0, 500.0, 1000.0) for y in (-500.0, 0.0, 500.0)]
    units = tuple(Node(x, y, "rsu", f"RSU {i + 1}", 1.0, 0.5) for i, (x, y) in enumerate(corners))
    scene = Scene("", (0, -500, 1000, 500), to_scale=True, nodes=units, meters=METERS)
    frame = layout(scene, canvas, ["slot 1"]).place.rect
    board = storyboard([scene], "", canvas)
    names = {text: box for text, box in boxes(board.sheets[0].start) if text.startswith("RSU")}
    assert len(names) == len(units)
    for name, box in names.items():
        assert frame.x + 2 < box.x0 < box.x1 < frame.x + frame.w - 2, name
        assert frame.y + 2 < 600 - box.y1 < 600 - box.y0 < frame.y + frame.h - 2, name
    for item in board.sheets[0].start:
        if isinstance(item, Path) and item.stroke:
            x, y = np.transpose(item.points)
            assert frame.x < x.min() <= x.max() < frame.x + frame.w
            assert frame.y < y.min() <= y.max() < frame.y + frame.h


def test_who_stands_nearer_covers_who_stands_behind():
    """A name is above the foot of the unit farther up, whichever comes first."""
    for order in (1, -1):
        units = (Node(50.0, 80.0, "rsu", "back"), Node(50.0, 40.0, "rsu", "front"))[::order]
        board = storyboard([Scene("", (0, 0, 100, 100), to_scale=True, nodes=units)])
        assert [item.text for item in board.sheets[0].start if isinstance(item, Text)][:2] == ["back", "front"]
