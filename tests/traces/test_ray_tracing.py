"""Tables from ray tracing, of what scripts/record_ray_tracing.py recorded of Sionna RT and DeepMIMO; and by Sionna RT."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from jaxvec.core.npz import RecordError
from jaxvec.physics import pathloss
from jaxvec.traces import Places, from_deepmimo, from_radio_map, trace_sionna

HERE = Path(__file__).parent
SITES_M = np.array([[-30.0, 0.0, 10.0], [30.0, 2.0, 10.0]])


@pytest.fixture
def maps():
    with np.load(HERE / "sionna_radio_map.npz") as file:
        entries = dict(file)
    of = {"cell_centers": entries["cell_centers"]}
    return SimpleNamespace(path_gain=entries["path_gain"], **of), SimpleNamespace(
        path_gain=entries["direct_gain"], **of
    )


@pytest.fixture
def datasets():
    with np.load(HERE / "deepmimo_dataset.npz") as file:
        entries = dict(file)
    names = ("rx_pos", "tx_pos", "power", "los")
    return [SimpleNamespace(**{name: entries[name][s] for name in names}) for s in (0, 1)], entries["pathloss_db"]


def test_a_radio_map_of_sionna(maps):
    channel = from_radio_map(*maps, SITES_M, move_m=(100.0, 50.0))
    assert channel.loss_db.shape == (2, 8, 14)
    np.testing.assert_array_equal(channel.corner_m, [[35.0, 15.0]] * 2)  # the first cell's centre, (-65, -35) m
    np.testing.assert_array_equal(channel.step_m, [10.0, 10.0])
    np.testing.assert_array_equal(channel.site_m[:, :2], SITES_M[:, :2] + [100, 50])
    assert float(channel.height_m) == 1.5
    np.testing.assert_allclose(channel.loss_db[0, 3, 4], -10 * np.log10(maps[0].path_gain[0, 3, 4]), rtol=1e-6)
    # in sight, a canyon adds reflections to free space, some decibels at most
    x_m = channel.corner_m[0, 0] + 10 * np.arange(14) - channel.site_m[0, 0]
    y_m = channel.corner_m[0, 1] + 10 * np.arange(8) - channel.site_m[0, 1]
    space_m = np.sqrt(x_m[None] ** 2 + y_m[:, None] ** 2 + 8.5**2)
    free_db = pathloss.free_space(pathloss.Link(space_m, space_m, 1.5, 10.0), SimpleNamespace(carrier_hz=3.5e9))
    seen = channel.in_sight[0] > 0
    assert 0.2 < seen.mean() < 0.6
    assert np.abs(channel.loss_db[0] - free_db)[3:5].max() < 9  # along the street
    assert (channel.loss_db[0] - free_db)[~seen].mean() > (channel.loss_db[0] - free_db)[seen].mean() + 5


def test_turned_maps_and_maps_that_do_not_fit_are_refused(maps):
    whole, direct = maps
    turned = SimpleNamespace(path_gain=whole.path_gain, cell_centers=whole.cell_centers[..., [1, 0, 2]])
    with pytest.raises(RecordError, match="level, with sides along x and y"):
        from_radio_map(turned, direct, SITES_M)
    with pytest.raises(RecordError, match=r"direct paths has shape \(1, 8, 14\)"):
        from_radio_map(whole, SimpleNamespace(path_gain=direct.path_gain[:1]), SITES_M)


def test_a_dataset_of_deepmimo(datasets):
    of_sites, pathloss_db = datasets
    channel = from_deepmimo(of_sites)
    assert channel.loss_db.shape == (2, 7, 7)
    np.testing.assert_array_equal(channel.corner_m, [[-60.0, -30.0]] * 2)
    np.testing.assert_array_equal(channel.step_m, [20.0, 10.0])
    np.testing.assert_array_equal(channel.site_m, SITES_M)
    no_path, of_points = np.isnan(pathloss_db).reshape(2, 7, 7), channel.loss_db
    assert no_path.any()
    np.testing.assert_array_equal(of_points[no_path], 200.0)
    # DeepMIMO sums amplitudes, here powers are summed: equal where there is one path, and less lost by no more than n paths can
    paths = np.sum(~np.isnan([one.power for one in of_sites]), 2).reshape(2, 7, 7)
    theirs_db = pathloss_db.reshape(2, 7, 7)
    np.testing.assert_allclose(of_points[paths == 1], theirs_db[paths == 1], atol=1e-3)
    several = paths > 1
    excess_db = of_points[several] - theirs_db[several]
    assert ((excess_db > -1e-3) & (excess_db <= 10 * np.log10(paths[several]) + 1e-3)).all()
    np.testing.assert_array_equal(channel.in_sight.ravel(), np.concatenate([one.los == 1 for one in of_sites]))
    np.testing.assert_array_equal(from_deepmimo(of_sites[1]).loss_db[0], channel.loss_db[1])


def test_receivers_that_are_no_grid_are_refused(datasets):
    (one, other), _ = datasets
    with pytest.raises(RecordError, match="48 receivers are no full grid of 7 columns and 7 rows"):
        from_deepmimo(
            SimpleNamespace(**{n: getattr(one, n)[:-1] for n in ("rx_pos", "power", "los")}, tx_pos=one.tx_pos)
        )
    moved = SimpleNamespace(**(vars(other) | {"rx_pos": other.rx_pos + 1}))
    with pytest.raises(RecordError, match="receivers of transmitter 1 are not those of transmitter 0"):
        from_deepmimo([one, moved])


@pytest.mark.slow
def test_with_sionna_itself():
    rt = pytest.importorskip("sionna.rt", reason="needs sionna-rt", exc_type=ImportError)
    scene = rt.load_scene(rt.scene.simple_street_canyon)
    scene.frequency = 3.5e9
    isotropic = {"vertical_spacing": 0.5, "horizontal_spacing": 0.5, "pattern": "iso", "polarization": "V"}
    scene.tx_array = scene.rx_array = rt.PlanarArray(num_rows=1, num_cols=1, **isotropic)
    places = Places(SITES_M, np.array([[-65.0, -35.0], [65.0, 35.0]]), 1.5)
    channel = trace_sionna(scene, places, step_m=10.0, samples=200_000)
    with np.load(HERE / "sionna_radio_map.npz") as file:
        recorded_db = -10 * np.log10(file["path_gain"])
    assert channel.loss_db.shape == (2, 8, 14)
    assert np.median(np.abs(channel.loss_db - recorded_db)) < 0.5
