"""What there is to see of `twin_migration`: servers with their loads, vehicles on their trips, twins that move."""

import jax
import numpy as np
import pytest
from PIL import Image

import jaxvec
from jaxvec.policies import fixed
from jaxvec.viz import record, render
from jaxvec.viz.draw import storyboard
from jaxvec.viz.items import Text
from jaxvec.viz.scene import scenes

DEGREE_M = np.radians(6_371_393.0)


@pytest.fixture(scope="module")
def region():
    """env, params and slots of a small region, under a rule that meets and fails."""
    env, params = jaxvec.make("twin_migration", n_rsu=6, n_uav=2, n_vehicles=3, horizon=4, use_mask=False)
    return env, params, record(env, fixed(env, params)["random"], jax.random.key(0), params)


def test_everybody_is_where_it_is(region):
    env, params, slots = region
    info, found = slots.ts.info, params.region
    for t, frame in enumerate(scenes(env, params, slots)):
        kinds = ["cell"] * 6 + ["uav"] * 2 + ["satellite"] + ["vehicle"] * 3 + ["twin"] * 3
        assert [node.kind for node in frame.nodes] == kinds
        rsus, uavs, cars = frame.nodes[:6], frame.nodes[6:8], frame.nodes[9:12]
        np.testing.assert_allclose([r.y_m for r in rsus], DEGREE_M * found.rsu_dlat_deg, rtol=1e-6)
        np.testing.assert_allclose([r.load for r in rsus], info["load"][t, :6] / 2.4e9, rtol=1e-6)
        east_m = DEGREE_M * np.cos(np.radians(found.lat0_deg))
        trip = slots.state.veh_traj[t]
        np.testing.assert_allclose([c.x_m for c in cars], east_m * found.traj_dlon_deg[trip, t], rtol=1e-5)
        # what the drawing takes for metres is what the environment takes for a distance
        for i, car in enumerate(cars):
            if info["vehicle_active"][t, i]:
                ground_m = [np.hypot(s.x_m - car.x_m, s.y_m - car.y_m) for s in (*rsus, *uavs)]
                dist_m = np.sqrt(np.square(ground_m) + np.repeat([0, 50.0**2], [6, 2]))
                np.testing.assert_allclose(dist_m, info["dist"][t, i], rtol=2e-3, atol=2)
        x0, y0, x1, y1 = frame.bounds_m
        assert all(x0 <= node.x_m <= x1 and y0 <= node.y_m <= y1 for node in frame.nodes)


def test_twins_are_beside_their_servers_and_linked_to_their_vehicles(region):
    env, params, slots = region
    info, failed = slots.ts.info, 0
    for t, frame in enumerate(scenes(env, params, slots)):
        server = slots.action["vehicle"]["server"][t]
        for i, twin in enumerate(frame.nodes[12:]):
            here, car = frame.nodes[server[i]], frame.nodes[9 + i]
            size_m = frame.bounds_m[2] - frame.bounds_m[0]
            assert 0 < np.hypot(twin.x_m - here.x_m, twin.y_m - here.y_m) < size_m / 40
            assert (twin.label, twin.trail, car.trail) == (f"twin {i + 1}", i, i)
            bad = info["out_of_range"][t, i] | info["overload"][t, i]
            assert bool(car.text) == bool(bad)
            failed += bad
        joined = {(link.a - 9, link.b) for link in frame.links}
        assert joined == {(i, server[i]) for i in np.flatnonzero(info["vehicle_active"][t] & info["served"][t])}
        meters = {meter.label: meter.value for meter in frame.meters}
        assert meters["Latency"] == pytest.approx(info["latency_s"][t])
    assert failed > 0


def test_trails_go_from_server_to_server(region):
    env, params, slots = region
    frames = scenes(env, params, slots)
    sheets = storyboard(frames).sheets
    first_twin = 2 * 3  # trails, the way so far and the way of the slot: of three vehicles, then of three twins
    for t, sheet in enumerate(sheets):
        so_far, start = sheet.start[first_twin : first_twin + 2]
        assert so_far == sheet.end[first_twin]
        assert len(so_far.points) == t + 1
        end = sheet.end[first_twin + 1]
        assert so_far.points[-1] == start.points[0] == start.points[1] == end.points[0]
        if t + 1 < len(sheets):
            assert end.points[1] == sheets[t + 1].start[first_twin].points[-1]
    places = {(frame.nodes[12].x_m, frame.nodes[12].y_m) for frame in frames}
    assert len(set(sheets[-1].start[first_twin].points)) == len(places) > 1


def test_the_legend_names_uavs_and_dashed_ways(region):
    said = {item.text for item in storyboard(scenes(*region)).backdrop if isinstance(item, Text)}
    assert {"UAV", "its twin", "servers that the twin lived on", "way of a vehicle, in its colour"} <= said


@pytest.mark.slow
def test_an_episode_renders(region, tmp_path):
    with Image.open(render(*region, tmp_path / "region.png", policy_name="random")) as image:
        assert image.size == (2160, 1200)
