"""What there is to see of `v2x_offload`: servers, vehicles, uploads and wires of a recorded episode, drawn on a square."""

import dataclasses

import jax
import numpy as np
import pytest
from PIL import Image
from reference import v2x_offload as reference
from representatives import representatives

import jaxvec
from jaxvec.policies import fixed
from jaxvec.viz import record, render
from jaxvec.viz.draw import storyboard
from jaxvec.viz.items import Path, Text
from jaxvec.viz.scene import scenes
from jaxvec.viz.theme import LINKS, load_colour


@pytest.fixture(scope="module")
def offload():
    """env, params and slots under random play, with a short reach: wires and time-outs."""
    env, params = jaxvec.make("v2x_offload", n_vehicles=12, horizon=4, radius_m=350.0, bg_load_mean=0.2)
    return env, params, record(env, fixed(env, params)["random"], jax.random.key(0), params)


def test_servers_and_vehicles_are_where_they_are_and_as_they_fare(offload):
    env, params, slots = offload
    info, late = slots.ts.info, 0
    for t, frame in enumerate(scenes(env, params, slots)):
        servers, cars = frame.nodes[:3], frame.nodes[3:]
        assert [node.kind for node in frame.nodes] == ["rsu"] * 3 + ["vehicle"] * 12
        np.testing.assert_allclose(
            [(s.x_m, s.y_m) for s in servers], reference.es_positions(reference.Params(), reference.Sizes()), 1e-5
        )
        assert {s.range_m for s in servers} == {350.0}
        granted = info["turn_cpu_hz"][t].sum(0) / (25e9 * 0.8)  # of what is free
        np.testing.assert_allclose([s.load for s in servers], granted, rtol=1e-5)
        np.testing.assert_array_equal([(c.x_m, c.y_m) for c in cars], slots.state.pos_m[t])
        for i, car in enumerate(cars):
            out = bool(info["turn_timeout"][t, i])
            assert (car.text, load_colour(car.load) == load_colour(2.0)) == (("too late", True) if out else ("", False))
            if not out:
                assert car.load == pytest.approx(info["turn_latency_s"][t, i] / 0.1)
            assert car.part == info["turn_split"][t, i, 0]
            late += out
        meters = {meter.label: meter for meter in frame.meters}
        assert meters["Mean latency"].value == pytest.approx(info["latency_mean_s"][t])
        assert meters["Mean latency"].reference == 0.1
        parts = [meters[f"Computed {where}"].value for where in ("on board", "where uploaded", "over the wire")]
        assert sum(parts) == pytest.approx(100, rel=1e-5)
    assert late > 0


def test_uploads_go_to_the_access_server_and_wires_from_there_to_the_target(offload):
    env, params, slots = offload
    numbers, seen = reference.Params(radius_m=350.0), set()
    for t, frame in enumerate(scenes(env, params, slots)):
        wires = np.zeros((3, 3))
        expected = set()
        for i in range(12):
            target = slots.action["vehicle"]["target"][t, i] - 1
            dist = np.hypot(*(slots.state.pos_m[t, i] - reference.es_positions(numbers, reference.Sizes())).T)
            access, in_range = reference.reach(dist, numbers)
            if target >= 0 and in_range and slots.ts.info["turn_bw_hz"][t, i, access[target]] > 0:
                kind = "data" if access[target] == target else "relay"
                expected.add((3 + i, access[target], kind))
                wires[access[target], target] += (kind == "relay") / 12
        links = {(link.a, link.b, link.kind): link.strength for link in frame.links}
        wired = {(a, b): strength for (a, b, kind), strength in links.items() if kind == "wire"}
        assert {link for link in links if link[2] != "wire"} == expected
        assert wired == pytest.approx({(a, b): wires[a, b] for a, b in np.argwhere(wires > 0).tolist()})
        for (a, b, kind), strength in links.items():
            if kind != "wire":
                assert strength == pytest.approx(slots.ts.info["turn_bw_hz"][t, a - 3, b] / 20e6)
        seen |= {kind for _, _, kind in links}
    assert seen == {"data", "relay", "wire"}


def test_vehicles_beyond_the_map_are_counted_not_drawn(offload):
    env, params, slots = offload
    pos_m = slots.state.pos_m.copy()
    pos_m[1, :2] = [[1300.0, 500.0], [500.0, -251.0]]
    gone = slots._replace(state=slots.state.replace(pos_m=pos_m))
    frames = scenes(dataclasses.replace(env, boundary="open"), params, gone)
    drawn = [[node.drawn for node in frame.nodes[3:]] for frame in frames]
    assert drawn[1] == [False, False] + [True] * 10
    assert [frame.captions for frame in frames] == [(), ("2 of 12 vehicles beyond the map",), (), ()]


def test_the_map_is_square_and_shows_reaches_wires_and_words(offload):
    board = storyboard(scenes(*offload))
    strokes = {item.stroke for sheet in board.sheets for item in sheet.start if isinstance(item, Path) and item.dash}
    assert LINKS["wire"][0] in strokes
    words = [item.text for sheet in board.sheets for item in sheet.start if isinstance(item, Text)]
    assert words.count("too late") == int(offload[2].ts.info["turn_timeout"].sum())
    assert {"radio reach", "wire", "upload to be passed on"} <= {i.text for i in board.backdrop if isinstance(i, Text)}
    spots = {spot.title: spot.points[0] for spot in board.sheets[0].spots_start}
    (x1, y1), (x2, y2), (x3, y3) = (spots[f"Server {j}"] for j in (1, 2, 3))
    assert y2 == pytest.approx(y3)
    assert np.hypot(x1 - x2, y1 - y2) == pytest.approx(x3 - x2, rel=1e-3)  # an equilateral triangle


@pytest.mark.parametrize("suffix", representatives((".gif", ".html", ".png"), (".html",)))
def test_an_episode_renders(offload, tmp_path, suffix):
    file = render(*offload, tmp_path / f"offload{suffix}", policy_name="random")
    if suffix == ".html":
        assert "too late" in file.read_text(encoding="utf-8")
    else:
        with Image.open(file) as image:
            assert image.size == ((1080, 600) if suffix == ".gif" else (2160, 1200))


def test_no_wire_leads_from_a_server_to_itself(offload):
    """Not even where links may be longer than the reach."""
    env, params, slots = offload
    links = [link for frame in scenes(env, params.replace(radius_m=50.0), slots) for link in frame.links]
    assert {link.kind for link in links} == {"data", "relay", "wire"}
    assert all(link.a != link.b for link in links)


def test_who_is_absent_is_not_drawn(offload):
    env, params, slots = offload
    for frame in scenes(env, params.replace(present=2), slots):
        assert not any(node.drawn for node in frame.nodes if node.kind == "vehicle" and int(node.label) > 2)
        assert any(node.drawn for node in frame.nodes if node.kind == "vehicle")
