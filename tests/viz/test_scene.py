"""What there is to see: recorded episodes as scenes, and scenes on their way to the next."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxvec.core.rollout import rollout
from jaxvec.policies import fixed
from jaxvec.viz import scene as viz_scene
from jaxvec.viz.scene import Link, Node, Scene, moved, scenes
from jaxvec.viz.theme import load_colour, quantity, words


def test_a_recording_is_world_0_of_a_rollout(episode):
    env, params, slots = episode
    policy = fixed(env, params)["split_equal"]
    both = jax.jit(lambda key: rollout(env, policy, key, params, 2).ts.info["latency_s"])(jax.random.key(0))
    assert isinstance(slots.state.x_m, np.ndarray)
    assert slots.state.x_m.shape == (env.horizon, env.n_vehicles)
    assert slots.ts.info["eta"].shape == (env.horizon, env.n_vehicles, env.n_rsus)
    np.testing.assert_allclose(slots.ts.info["latency_s"], both[..., 0], rtol=1e-5)


def test_isac_iov_shows_its_nodes_links_and_numbers(episode):
    env, params, slots = episode
    frames = scenes(env, params, slots)
    assert len(frames) == env.horizon
    info = slots.ts.info
    for t, frame in enumerate(frames):
        rsus, cars = frame.nodes[: env.n_rsus], frame.nodes[env.n_rsus :]
        assert [node.kind for node in (*rsus, *cars)] == ["rsu"] * env.n_rsus + ["vehicle"] * env.n_vehicles
        assert [car.x_m for car in cars] == slots.state.x_m[t].tolist()
        assert [car.part for car in cars] == info["ell_loc"][t].tolist()
        np.testing.assert_allclose([car.load for car in cars], info["latency_s"][t] / params.t_max_s, rtol=1e-6)
        np.testing.assert_allclose([rsu.x_m for rsu in rsus], [275, 425])
        assert len(frame.links) == info["active"][t].sum()
        for link in frame.links:
            i, k = link.a - env.n_rsus, link.b
            assert link == Link(link.a, k, "instruction" if info["eta"][t, i, k] else "data", info["ell_rsu"][t, i, k])
        meters = {meter.label: meter for meter in frame.meters}
        assert meters["Mean latency"].value == pytest.approx(info["latency_mean_s"][t])
        assert meters["Mean latency"].reference == params.t_max_s


def test_new_work_at_an_rsu_is_what_its_queue_gains(episode):
    env, params, slots = episode
    state, info = slots.state, slots.ts.info
    frames = scenes(env, params, slots)
    for t in range(env.horizon - 1):
        for k in range(env.n_rsus):
            rsu = frames[t].nodes[k]
            done = info["f_rsu_hz"][t, k] * params.slot_s / params.rsu_free_hz
            after = max(rsu.load + rsu.part - done, 0)
            np.testing.assert_allclose(after * params.rsu_free_hz, state.q_rsu_cycles[t + 1, k], rtol=1e-4, atol=1e5)


def test_an_absent_vehicle_is_not_drawn(episode):
    env, params, slots = episode
    present = slots.state.present.copy()
    present[1, 2] = False
    gone = slots._replace(state=slots.state.replace(present=present))
    drawn = [[node.drawn for node in frame.nodes] for frame in scenes(env, params, gone)]
    assert drawn[1] == [True, True, True, True, False]
    assert all(all(frame) for t, frame in enumerate(drawn) if t != 1)


def test_an_environment_without_a_scene_shows_its_scalars(unknown):
    env, params, slots = unknown
    frames = scenes(env, params, slots)
    assert len(frames) == env.horizon
    assert [meter.label for meter in frames[2].meters] == ["reward", "t", "limit"]
    assert frames[2].meters[0].value == pytest.approx(slots.ts.reward["walker"][2].mean())
    assert (frames[2].meters[1].value, frames[2].meters[1].unit) == (3, "slot")
    assert frames[2].bounds_m is None


def test_too_many_scalars_are_counted(unknown):
    env, params, slots = unknown
    many = {f"x{i}_s": np.zeros(env.horizon) for i in range(40)}
    slots = slots._replace(ts=slots.ts.replace(info=many))
    frame = scenes(env, params, slots)[0]
    assert len(frame.meters) == viz_scene.MOST_METERS
    assert (frame.meters[1].label, frame.meters[1].unit) == ("x0", "s")
    assert frame.captions == ("20 of 41 metrics",)


def at(*xs, ring=None, **changes):
    nodes = tuple(Node(x, 0.0, "vehicle", str(i), **changes) for i, x in enumerate(xs))
    return Scene("", bounds_m=(0, -10, 100, 10), ring_m=ring, nodes=nodes)


@pytest.mark.parametrize(
    ("ring", "now", "then", "expected"),
    [
        (None, 10, 18, 18),
        (None, 95, 3, 95),  # a jump: it stays
        ((0.0, 100.0), 95, 3, 103),  # the short way round
        ((0.0, 100.0), 2, 98, -2),
    ],
)
def test_nodes_move_to_where_the_next_slot_finds_them(ring, now, then, expected):
    assert moved(at(now, ring=ring), at(then, ring=ring)).nodes[0].x_m == pytest.approx(expected)


def test_after_the_last_slot_nodes_go_on():
    assert moved(at(20), None, at(14)).nodes[0].x_m == pytest.approx(26)
    assert moved(at(20), None, None) == at(20)


def test_another_node_in_the_same_place_of_the_list_is_not_followed():
    then = at(15)
    then = dataclasses.replace(then, nodes=(dataclasses.replace(then.nodes[0], label="other"),))
    assert moved(at(10), then).nodes[0].x_m == 10


@pytest.mark.parametrize(
    ("value", "unit", "like", "text"),
    [
        (1.0, "s", None, "1 s"),
        (0.74132, "s", None, "0.741 s"),
        (0.0042, "s", None, "4.2 ms"),
        (2.5e9, "cycle", None, "2.5 Gcycle"),
        (1e6, "cycle", 4e8, "1 Mcycle"),
        (1e7, "cycle", 4e9, "0.01 Gcycle"),
        (-3.2, "-", 4.0, "\N{MINUS SIGN}3.20"),
        (0.0, "J", 1e4, "0 J"),
        (float("nan"), "J", None, "\N{EN DASH}"),
    ],
)
def test_numbers_are_written_for_people(value, unit, like, text):
    assert quantity(value, unit, like) == text


def test_names_end_with_units():
    assert words("latency_mean_s") == ("latency mean", "s")
    assert words("violation_rate") == ("violation rate", "")
    assert words("s") == ("s", "")


def test_the_ramp_changes_sides_at_the_limit():
    assert load_colour(0.0) == load_colour(-1.0) == "#0b6f66"
    assert load_colour(2.0) == load_colour(99.0) == "#a82a17"
    assert load_colour(1.0) == "#f6e9c8"
    assert load_colour(None) == load_colour(float("nan"))
