"""Tables of the channel: made of a formula or of footprints, written and read, looked into, and refused where they do not fit."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvec
from jaxvec.core.npz import RecordError
from jaxvec.physics import pathloss, table
from jaxvec.traces import (
    Places,
    channel_provenance,
    channel_table,
    load_channel,
    read_footprints,
    save_channel,
    tabulate,
)
from jaxvec.traces.footprints import sight

RADIO = SimpleNamespace(carrier_hz=3.5e9)
SITES_M = np.array([[100.0, 150.0, 25.0], [280.0, 60.0, 25.0]])
PLACES = Places(SITES_M, np.array([[0.0, 0.0], [400.0, 300.0]]), 1.5)
BLOCK = np.array([[150.0, 100.0], [220.0, 100.0], [220.0, 200.0], [150.0, 200.0]])


def spots(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return np.float32(rng.uniform(0, 400, n)), np.float32(rng.uniform(0, 300, n))


def link_to(site, x_m, y_m):
    ground_m = np.hypot(x_m - SITES_M[site, 0], y_m - SITES_M[site, 1])
    space_m = np.hypot(ground_m, 23.5)
    return pathloss.Link(jnp.asarray(ground_m), jnp.asarray(space_m), 1.5, 25.0, jnp.int32(site), x_m, y_m)


def float64_bilinear(channel, site, x_m, y_m):
    """Once more, as the mean of the four points weighted by the opposite areas."""
    u = (np.asarray(x_m, float) - channel.corner_m[site, 0]) / channel.step_m[0]
    v = (np.asarray(y_m, float) - channel.corner_m[site, 1]) / channel.step_m[1]
    n_y, n_x = channel.loss_db.shape[1:]
    u, v = np.clip(u, 0, n_x - 1), np.clip(v, 0, n_y - 1)
    i, j = np.minimum(u.astype(int), n_x - 2), np.minimum(v.astype(int), n_y - 2)
    total = np.zeros(len(u))
    for a in (0, 1):
        for b in (0, 1):
            total += (
                np.abs(1 - a - (u - i)) * np.abs(1 - b - (v - j)) * channel.loss_db[site, j + b, i + a].astype(float)
            )
    return total


@pytest.fixture(scope="module")
def town():
    """Two transmitters beside one block of houses, at 4 m."""
    return tabulate("uma", PLACES, RADIO, step_m=4.0, buildings=[BLOCK])


def test_a_table_of_uma_is_the_formula_to_a_tenth_of_a_decibel(town):
    radio, (x_m, y_m) = SimpleNamespace(channel=town, carrier_hz=3.5e9), spots()
    for site in (0, 1):
        link = link_to(site, x_m, y_m)
        shares = table.bilinear(town.in_sight, town.corner_m, town.step_m, link.site, x_m, y_m)
        whole = np.isin(np.asarray(shares), (0, 1))  # all four points alike
        seen = np.asarray(table.in_sight(link, radio)) > 0
        assert 100 < whole.sum() < 400
        assert 0 < seen[whole].sum() < whole.sum()
        formula_db = np.where(seen, pathloss.uma_los(link, RADIO), pathloss.uma_nlos(link, RADIO))
        np.testing.assert_allclose(np.asarray(table.table(link, radio))[whole], formula_db[whole], atol=0.1)
        np.testing.assert_allclose(table.uma_by_sight(link, radio), formula_db, rtol=1e-6)


def test_between_points_as_in_float64_and_beyond_them_the_edge(town):
    x_m, y_m = spots()
    x_m, y_m = 2 * x_m - 200, 2 * y_m - 150
    for site in (0, 1):
        link = link_to(site, x_m, y_m)
        got = table.table(link, SimpleNamespace(channel=town))
        np.testing.assert_allclose(got, float64_bilinear(town, site, x_m, y_m), rtol=2e-5)
        np.testing.assert_array_equal(table.outside(link, town), (x_m < 0) | (x_m > 400) | (y_m < 0) | (y_m > 300))


def test_alike_under_jit_and_vmap_and_with_finite_gradients(town):
    x_m, y_m = spots(32)
    site = jnp.arange(32) % 2
    radio = SimpleNamespace(channel=town)

    def loss(site, x_m, y_m):
        return table.table(link_to(0, x_m, y_m)._replace(site=site), radio)

    def link_to(_, x_m, y_m):
        return pathloss.Link(jnp.ones_like(x_m), jnp.ones_like(x_m), 1.5, 25.0, jnp.int32(0), x_m, y_m)

    at_once = loss(site, x_m, y_m)
    np.testing.assert_allclose(jax.jit(jax.vmap(loss))(site, x_m, y_m), at_once, rtol=1e-6)
    slope = jax.vmap(jax.grad(loss, argnums=1))(site, x_m + 0.5, y_m)
    here = np.float64(loss(site, x_m + 1e-2, y_m) - loss(site, x_m - 1e-2, y_m)) / 2e-2
    assert np.isfinite(slope).all()
    assert np.corrcoef(slope, here)[0, 1] > 0.9
    at_corner = jax.grad(loss, argnums=(1, 2))(jnp.int32(0), jnp.float32(0), jnp.float32(0))
    assert np.isfinite(at_corner).all()


def test_without_a_place_the_mean_over_the_table():
    free = tabulate("free_space", PLACES, RADIO, step_m=20.0)
    far = pathloss.Link(jnp.float32(300), jnp.float32(300), 1.5, 25.0)
    expected_db = pathloss.free_space(far, RADIO)
    np.testing.assert_allclose(table.table(far, SimpleNamespace(channel=free)), expected_db, atol=1e-3)
    np.testing.assert_allclose(free.decade_db[1], 20.0, atol=1e-3)
    with pytest.raises(ValueError, match="channel is None"):
        table.table(far, SimpleNamespace(channel=None))


def test_written_and_read(town, tmp_path):
    path = tmp_path / "town.npz"
    save_channel(town, path, {"from": "uma"})
    again = load_channel(path)
    for name, mine in town._asdict().items():
        np.testing.assert_array_equal(mine, getattr(again, name), err_msg=name)
    assert channel_provenance(path) == {"from": "uma"}
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RecordError, match=r"town\.npz: not an npz file"):
        load_channel(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss_db": np.zeros((2, 1, 3))}, "two points at least either way"),
        ({"in_sight": np.ones((2, 3, 4))}, r"in_sight has shape \(2, 3, 4\), not \(2, 3, 3\)"),
        ({"in_sight": np.full((2, 3, 3), 0.5)}, "in_sight must be 0 or 1"),
        ({"step_m": [1.0, 0.0]}, "not positive"),
        ({"loss_db": np.full((2, 3, 3), np.inf)}, r"loss_db\[0, 0, 0\] is inf, not a finite number"),
        ({"site_m": np.zeros((1, 3))}, "site_m has shape"),
    ],
)
def test_unsound_tables_are_refused(change, message):
    sound = {"loss_db": np.zeros((2, 3, 3)), "in_sight": np.ones((2, 3, 3)), "corner_m": [0.0, 0.0], "step_m": 1.0}
    sound |= {"site_m": np.zeros((2, 3)), "height_m": 1.5}
    assert channel_table(**sound).step_m.tolist() == [1.0, 1.0]
    with pytest.raises(RecordError, match=message):
        channel_table(**(sound | change))


def test_what_a_block_of_houses_hides():
    """From (100, 150): behind the block 150..220 x 100..200 a wedge is dark, by hand: at x = 300 from y = 0 to 350."""
    x_m, y_m = np.array([120.0, 185.0, 300.0]), np.array([-60.0, 10.0, 150.0, 290.0, 360.0])
    expected = [[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]
    np.testing.assert_array_equal(sight(np.array([100.0, 150.0]), x_m, y_m, [BLOCK]), expected)
    on_roof = sight(np.array([180.0, 150.0]), x_m, y_m, [BLOCK])
    assert on_roof.all()


def test_footprints_of_both_kinds(tmp_path):
    ring = [*BLOCK.tolist(), BLOCK[0].tolist()]
    features = [{"type": "Feature", "properties": {}, "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]}}]
    features += [{"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [0, 0]}}]
    geo, sumo = tmp_path / "a.geojson", tmp_path / "a.poly.xml"
    geo.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    shape = " ".join(f"{x},{y}" for x, y in BLOCK)
    sumo.write_text(
        f'<additional><poly id="a" type="building.yes" shape="{shape}"/>'
        '<poly id="b" type="park" shape="0,0 1,0 1,1"/></additional>'
    )
    (of_geo,), (of_sumo,) = read_footprints(geo), read_footprints(sumo)
    np.testing.assert_array_equal(of_geo[:4], BLOCK)
    np.testing.assert_array_equal(of_sumo, BLOCK)
    geo.write_text(json.dumps({"type": "Polygon", "coordinates": [[[10.0, 50.0], [10.001, 50.0], [10.0, 50.001]]]}))
    np.testing.assert_allclose(
        read_footprints(geo, anchor=(50.0, 10.0))[0], [[0, 0], [71.48, 0], [0, 111.2]], atol=0.02
    )
    geo.write_text("{")
    with pytest.raises(RecordError, match="neither GeoJSON nor SUMO's polygons"):
        read_footprints(geo)


def test_environments_take_a_table_of_their_own_places_and_no_other(tmp_path):
    env, params = jaxvec.make("v2x_offload", n_servers=2)
    channel = tabulate("umi_los", env.places(params), params, step_m=50.0)
    assert channel.loss_db.shape == (2, 15, 21)  # 1000 m along x, and 700 m along y: what is in reach
    path = tmp_path / "umi.npz"
    save_channel(channel, path)
    _, params = jaxvec.make("v2x_offload", n_servers=2, pathloss="table", channel=str(path))
    np.testing.assert_array_equal(params.channel.loss_db, channel.loss_db)
    for settings, message in (
        ({"n_servers": 3}, "the channel is of 2 transmitters, the environment has 3"),
        ({"es_pos_m": [[500.0, 800.0], [0.0, 0.0]]}, r"transmitter 1 of the channel stands at \(500, 200\) m, the env"),
        ({"area_m": 1010.0}, "of transmitter 0 spans x from 0 to 1000 m, but vehicles in its reach come to 1005 m"),
    ):
        with pytest.raises(ValueError, match=message):
            jaxvec.make("v2x_offload", **({"n_servers": 2, "pathloss": "table", "channel": str(path)} | settings))
    with pytest.warns(UserWarning, match="channel has no effect while pathloss='log_distance'"):
        jaxvec.make("v2x_offload", n_servers=2, channel=str(path))


def test_in_an_environment_the_table_gives_the_gain_of_each_place():
    """dt_edge: without shadowing and with fading of power 1, gain is minus the loss where the vehicle is."""
    from jaxvec.envs.dt_edge import slot

    env, params = jaxvec.make("dt_edge", n_vehicles=3, pathloss="table")
    x_m, y_m = jnp.array([-300.0, 1.0, 412.0]), jnp.array([20.0, 22.0, 25.0])
    one, none = jnp.ones(3), jnp.zeros(3)
    state = SimpleNamespace(x_m=x_m, y_m=y_m, fading_re=one, fading_im=none, shadow_db=none)
    expected = float64_bilinear(params.channel, 0, x_m, y_m)
    np.testing.assert_allclose(slot.gain_db(env, state, params), -expected, rtol=1e-5)
