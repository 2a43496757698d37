"""What there is to see of `urllc_vec`: base stations, UAVs, vehicles, first hops and what is passed on, of a recorded episode."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest
from PIL import Image
from representatives import representatives

import jaxvec
from jaxvec.policies import fixed
from jaxvec.viz import record, render
from jaxvec.viz.draw import storyboard
from jaxvec.viz.glyphs import glyph
from jaxvec.viz.items import Disc, Path, Text
from jaxvec.viz.scene import Node, scenes
from jaxvec.viz.theme import INK

V, U, B, N, J = 3, 2, 2, 4, 2
SIZES = {"n_vehicles": V, "n_uavs": U, "n_bs": B, "n_subtasks": J, "n_antennas": 1, "n_nlos_paths": 1, "horizon": 3}


@pytest.fixture(scope="module")
def network():
    """env, params and slots under play that knows nothing of usable links, with work enough for a backlog."""
    env, params = jaxvec.make("urllc_vec", **SIZES, cycles_per_unit=1500.0)
    play = fixed(env, params)["random"]
    return env, params, record(env, lambda key, obs: play(key, obs.replace(mask={})), jax.random.key(2), params)


def at(slots, t):
    """One slot."""
    return jax.tree.map(lambda x: x[t], slots)


def part_of_task(own):
    """(V, J), from a vehicle's action: half of it even, half as it chose."""
    weight = np.exp(4 * own["split"].astype(float))
    return 0.5 / J + 0.5 * weight / weight.sum(1, keepdims=True)


def first_nodes(slot):
    """(V, J): a target out of reach is replaced by the best link."""
    target, links = slot.action["vehicle"]["target"], slot.state.links
    return np.where(np.take_along_axis(links.reach, target, 1), target, links.gain.argmax(1)[:, None])


def forward_of(slot):
    """(N,)."""
    return np.concatenate([slot.action["bs"]["forward"], slot.action["uav"]["forward"]])


def test_everybody_is_at_its_place(network):
    env, params, slots = network
    for t, frame in enumerate(scenes(env, params, slots)):
        state = at(slots, t).state
        assert [node.kind for node in frame.nodes] == ["rsu"] * B + ["uav"] * U + ["vehicle"] * V
        assert [node.title for node in frame.nodes[1:4]] == ["BS 2", "UAV 1", "UAV 2"]
        places_m = np.concatenate([state.pos_bs, state.pos_u, state.pos_v])
        np.testing.assert_array_equal([(node.x_m, node.y_m) for node in frame.nodes], places_m[:, :2])
        np.testing.assert_allclose(places_m[:B, :2], [[-500, 0], [500, 0]])
        assert [node.text for node in frame.nodes[: B + U]] == ["", "", *(f"{z:.0f} m" for z in state.pos_u[:, 2])]
        for node, place_m, waypoint_m in zip(
            frame.nodes[B:], places_m[B:], np.concatenate([state.wp_u, state.track_v]), strict=True
        ):
            dx, dy, _ = waypoint_m - place_m
            along = np.array([np.cos(node.heading_rad), np.sin(node.heading_rad)])
            np.testing.assert_allclose(along, np.array([dx, dy]) / np.hypot(dx, dy), atol=1e-5)
        x0, y0, x1, y1 = frame.bounds_m
        assert x0 == y0 == -x1 == -y1 == -1750
        assert frame.captions == ()


def test_what_is_beyond_the_mark_of_a_gauge_stays_as_backlog(network):
    env, params, slots = network
    over = 0
    for t, frame in enumerate(scenes(env, params, slots)[:-1]):
        frequency = np.concatenate([slots.action[group]["frequency"][t] for group in ("bs", "uav")])
        free_hz = np.clip(1e10 * (1 - np.sqrt(0.05) * slots.state.cpu_z[t]), 1e9, 1e10)
        slot_cycles = (1e9 + (free_hz - 1e9) * frequency) * 0.02
        for n, node in enumerate(frame.nodes[:N]):
            assert node.load == pytest.approx(slots.state.backlog[t, n] / slot_cycles[n], rel=1e-5)
            after = max(node.load + node.part - 1, 0) * slot_cycles[n]
            np.testing.assert_allclose(after, slots.state.backlog[t + 1, n], rtol=1e-4, atol=1e3)
            over += after > 0
    assert over > 0


def test_vehicles_are_as_their_subtasks_fare(network):
    env, params, slots = network
    dropped = 0
    for t, frame in enumerate(scenes(env, params, slots)):
        info = at(slots, t).ts.info
        latency_s, placed = info["task_latency_s"].reshape(V, J), info["task_placed"].reshape(V, J)
        for i, car in enumerate(frame.nodes[N:]):
            assert car.load == pytest.approx(latency_s[i].mean() / 0.01, rel=1e-5)
            assert car.part == (latency_s[i] <= params.latency_target_s).mean()
            lost = int((~placed[i]).sum())
            assert car.text == (f"{lost} dropped" if lost else "")
            dropped += lost
    assert dropped > 0


def test_first_hops_are_as_wide_as_their_part_of_the_task(network):
    env, params, slots = network
    replaced = 0
    for t, frame in enumerate(scenes(env, params, slots)):
        slot, expected = at(slots, t), np.zeros((V, N))
        part, to = part_of_task(slot.action["vehicle"]), first_nodes(slot)
        for i, j in np.ndindex(V, J):
            expected[i, to[i, j]] += part[i, j]
        links = {(link.a - N, link.b): link.strength for link in frame.links if link.kind == "data"}
        assert links == pytest.approx({(i, n): expected[i, n] for i, n in np.argwhere(expected > 0).tolist()})
        for i, car in enumerate(frame.nodes[N:]):
            said = {name for name, _ in car.values if name.startswith("to ")}
            assert said == {f"to {frame.nodes[n].label}" for n in np.flatnonzero(expected[i])}
        replaced += (to != slot.action["vehicle"]["target"]).sum()
    assert replaced > 0


def test_a_target_out_of_reach_stays_where_coverage_is_not_enforced(network):
    env, params, slots = network
    frame = scenes(dataclasses.replace(env, enforce_coverage=False), params, slots)[0]
    links = {(link.a - N, link.b) for link in frame.links if link.kind == "data"}
    assert links == {(i, n) for i, to in enumerate(slots.action["vehicle"]["target"][0].tolist()) for n in to}


def test_only_what_was_passed_on_is_shown_and_all_of_it(network):
    env, params, slots = network
    kept = 0
    for t, frame in enumerate(scenes(env, params, slots)):
        slot = at(slots, t)
        bits = part_of_task(slot.action["vehicle"]) * slot.state.tasks.size_bits[:, None]
        expected, hops, forward = {}, 0, forward_of(slot)
        for k, (start, end) in enumerate(zip(first_nodes(slot).flat, slot.ts.info["task_node"], strict=True)):
            way = [start] if start == end else [start, end] if forward[start] == end else [start, forward[start], end]
            for a, b in itertools.pairwise(way):
                assert forward[a] == b
                assert slot.state.links.relays[a, b]
                expected[a, b] = expected.get((a, b), 0) + bits.flat[k]
                hops += 1
            kept += start == end and not slot.state.links.relays[start, forward[start]]
        unit = slot.state.tasks.size_bits.mean()
        links = {(link.a, link.b): link.strength for link in frame.links if link.kind == "relay"}
        assert links == pytest.approx({pair: min(x / unit, 1) for pair, x in expected.items()})
        assert hops == pytest.approx(slot.ts.info["forwards_per_subtask"] * V * J)
        said = {(a, name) for a, node in enumerate(frame.nodes) for name, _ in node.values if "passed on" in name}
        assert said == {(a, f"passed on to {frame.nodes[b].label}") for a, b in expected}
        assert {link.kind for link in frame.links} == {"data", "relay"}
    assert kept > 0


def test_meters_show_the_slot_and_its_limits(network):
    env, params, slots = network
    for t, frame in enumerate(scenes(env, params, slots)):
        info = at(slots, t).ts.info
        meters = {meter.label: (meter.value, meter.reference) for meter in frame.meters}
        assert meters == {
            "Mean latency": (info["latency_mean_s"], 0.01),
            "Team reward": (info["team_reward"], None),
            "Subtasks too late": (pytest.approx(100 * info["violation_rate"]), None),
            "Subtasks dropped": (pytest.approx(100 * info["drop_rate"]), None),
            "Energy / vehicle": (info["energy_vehicle_j"], 0.01),
            "Energy / node": (info["energy_node_j"], 33.2),
            "QoS: a/latency \N{MINUS SIGN} b\N{MIDDLE DOT}energy": (info["qos"], 60.0),
            "Forwards / subtask": (info["forwards_per_subtask"], None),
        }


def test_values_count_what_nodes_did_and_passed_on(network):
    env, params, slots = network
    for t, frame in enumerate(scenes(env, params, slots)):
        info, done, on = at(slots, t).ts.info, [], 0
        for node in frame.nodes[:N]:
            values = dict(node.values)
            done.append(int(values["subtasks done"]))
            on += sum(int(text) for name, text in node.values if "passed on" in name)
            assert ("speed" in values) == (node.kind == "uav")
        assert done == [int((info["task_node"][info["task_placed"]] == n).sum()) for n in range(N)]
        assert on == pytest.approx(info["forwards_per_subtask"] * V * J)


def test_values_tell_of_a_vehicle_without_a_usable_link(network):
    env, params, slots = network
    links = slots.state.links.replace(uncovered=np.ones_like(slots.state.links.uncovered))
    alone = slots._replace(state=slots.state.replace(links=links))
    for t, frame in enumerate(scenes(env, params, slots)):
        usable = [dict(node.values)["usable links"] for node in frame.nodes[N:]]
        some = slots.state.links.reach[t].sum(1) * ~slots.state.links.uncovered[t]
        assert usable == [str(n) for n in some]
    assert {dict(node.values)["usable links"] for node in scenes(env, params, alone)[0].nodes[N:]} == {"0"}


def test_a_uav_has_four_rotors_its_number_and_its_words():
    uav, look = Node(0, 0, "uav", "UAV 12", load=0.4, part=0.2, text="62 m"), glyph("uav")
    items = look.draw(uav, 100, 200)
    assert [item.text for item in items if isinstance(item, Text)] == ["U12 \N{MIDDLE DOT} 62 m"]
    rotors = {item.points[0] for item in items if isinstance(item, Disc) and item.r == 5.6}
    away = np.array(sorted(rotors)) - [100, 200]
    np.testing.assert_allclose(away.sum(0), 0, atol=1e-6)
    assert len(away) == 4
    assert all(8 < r < look.reach for r in np.hypot(*away.T))
    plain = look.draw(dataclasses.replace(uav, load=None, text=""), 100, 200)
    assert [item.text for item in plain if isinstance(item, Text)] == ["U12"]
    assert len(plain) < len(items) - 1


def test_the_map_is_to_scale_and_explains_its_signs(network):
    board = storyboard(scenes(*network), "blind")
    said = {item.text for item in board.backdrop if isinstance(item, Text)}
    assert {"passed on", "subtasks in time", "mean latency / target"} <= said
    assert {"UAV: number and height", "drawn beside its place", "500 m"} <= said
    spots = {spot.title: np.array(spot.points[0]) for spot in board.sheets[0].spots_start}
    assert list(spots) == [*(f"vehicle {i + 1}" for i in range(V)), "BS 1", "BS 2", "UAV 1", "UAV 2"]
    assert spots["BS 1"][1] == pytest.approx(spots["BS 2"][1])
    scale = (spots["BS 2"] - spots["BS 1"])[0] / 1000
    bar = next(x for x in board.backdrop if isinstance(x, Path) and x.stroke == INK and len(x.points) == 4)
    assert bar.points[2][0] - bar.points[1][0] == pytest.approx(500 * scale)
    # where anybody is drawn beside its place, a pin is at its place
    pins = [item.points[0] for item in board.sheets[0].start if isinstance(item, Disc) and item.r == 2.4]
    titles = [f"UAV {i + 1}" for i in range(U)] + [f"vehicle {i + 1}" for i in range(V)]
    x_px, y_px = (spots["BS 1"] + spots["BS 2"]) / 2
    x_px -= scale * network[2].state.pos_bs[0, :2, 0].mean()
    y_px += 37 + scale * network[2].state.pos_bs[0, 0, 1]  # a mast answers at its middle
    for pin, title, (x_m, y_m, _) in zip(
        pins, titles, [*network[2].state.pos_u[0], *network[2].state.pos_v[0]], strict=True
    ):
        place = np.array([x_px + scale * x_m, y_px - scale * y_m])
        np.testing.assert_allclose(pin, place, atol=3.1)
        assert np.hypot(*(spots[title] - place)) < 60


@pytest.mark.parametrize("suffix", representatives((".gif", ".html", ".png"), (".html",)))
def test_an_episode_renders(network, tmp_path, suffix):
    file = render(*network, tmp_path / f"network{suffix}", policy_name="blind")
    if suffix == ".html":
        assert all(f"{z:.0f} m" in file.read_text(encoding="utf-8") for z in network[2].state.pos_u[:, :, 2].flat)
    else:
        with Image.open(file) as image:
            assert image.size == ((1080, 600) if suffix == ".gif" else (2160, 1200))
