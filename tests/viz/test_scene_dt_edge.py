"""What there is to see of `dt_edge`: the server with its queues, vehicles on their lanes, and who sends it anything."""

import jax
import numpy as np
import pytest
from PIL import Image

import jaxvec
from jaxvec.policies import fixed
from jaxvec.viz import record, render
from jaxvec.viz.scene import scenes


@pytest.fixture(scope="module")
def edge():
    """env, params and slots of a server that is starved: queues grow, and tasks are given up."""
    env, params = jaxvec.make("dt_edge", preset="dense", n_vehicles=5, horizon=3)
    return env, params, record(env, fixed(env, params)["starve"], jax.random.key(0), params)


def test_everybody_is_where_it_is_and_fares_as_it_does(edge):
    env, params, slots = edge
    info, lost = slots.ts.info, 0
    for t, frame in enumerate(scenes(env, params, slots)):
        server, *cars, twin = frame.nodes
        assert [node.kind for node in frame.nodes] == ["rsu"] + ["vehicle"] * 5 + ["mirror"]
        bias_hz = float(slots.state.cpu_bias_hz[t].mean())
        assert twin.text == f"believes that streams run {bias_hz / 1e6:.0f} MHz slower"
        assert [(link.a, link.b) for link in frame.links if link.kind == "sees"] == [(0, 6)]
        assert (frame.ring_m, server.x_m) == ((-500.0, 500.0), 0.0)
        np.testing.assert_array_equal([car.x_m for car in cars], slots.state.x_m[t])
        # the three lanes in turn
        np.testing.assert_allclose([server.y_m - car.y_m for car in cars], [8, 11.75, 15.5, 8, 11.75], rtol=1e-6)
        assert all(abs(car.y_m) < frame.roads[0].width_m / 2 for car in cars)
        for i, car in enumerate(cars):
            assert car.load == pytest.approx(info["t_s"][t, i].mean() / 0.1, rel=1e-5)
            assert car.part == 0
            given_up = int(np.sum(info["t_s"][t, i] >= params.latency_cap_s))
            assert car.text == (f"{given_up} given up" if given_up else "")
            lost += given_up
        meters = {meter.label: meter for meter in frame.meters}
        assert meters["Mean latency"].value == pytest.approx(info["latency_mean_s"][t])
        assert meters["Queues"].value == pytest.approx(info["queue_total_bits"][t])
    assert lost > 0


def test_the_gauge_is_the_worst_queue_in_slots_of_service(edge):
    env, params, slots = edge
    state, info = slots.state, slots.ts.info
    for t, frame in enumerate(scenes(env, params, slots)):
        server = frame.nodes[0]
        sums = (state.queue_bits[t] + info["arrivals_bits"][t]) / info["service_bits"][t]
        assert server.load + server.part == pytest.approx(sums.max(), rel=1e-5)
        assert (server.load > 0) == (t > 0)


def test_links_are_the_ratios_of_offloading(edge):
    env, params, _ = edge
    slots = record(env, fixed(env, params)["local_threshold"], jax.random.key(1), params)
    seen = set()
    for t, frame in enumerate(scenes(env, params, slots)):
        mean = slots.ts.info["omega"][t].mean(1)
        assert {link.a - 1: link.strength for link in frame.links if link.kind == "data"} == pytest.approx(
            {i: m for i, m in enumerate(mean) if m > 0}
        )
        assert {(link.b, link.kind) for link in frame.links} <= {(0, "data"), (6, "sees")}
        seen |= {link.a for link in frame.links if link.kind == "data"}
    assert seen


def test_an_episode_renders(edge, tmp_path):
    with Image.open(render(*edge, tmp_path / "edge.png", policy_name="starve")) as image:
        assert image.size == (2160, 1200)


def test_who_is_absent_is_not_drawn(edge):
    env, params, slots = edge
    for frame in scenes(env, params.replace(present=3), slots):
        assert [node.drawn for node in frame.nodes] == [
            True,
            True,
            True,
            True,
            False,
            False,
            True,
        ]  # the twin is the last
