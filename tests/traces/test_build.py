"""Regions of one's own files, and made-up ones: put together, kept, and refused with a reason."""

import numpy as np
import pytest

from jaxvec.traces import build_region, load_region, region_provenance, save_region, synthetic, synthetic_region
from jaxvec.traces.earth import align, ground_m, to_metres
from jaxvec.traces.writers import write_pems, write_tdrive


def test_alignment_by_hand():
    # a degree of longitude is cos(60) = 1/2 as long at 60 degrees north: 0.01 there is 0.005 on the equator
    lat, lon = align(np.array([60.01]), np.array([10.01]), (60.0, 10.0), (0.0, 50.0))
    np.testing.assert_allclose([lat[0], lon[0]], [0.01, 50.005], atol=1e-9)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Taxis of Beijing and ten days of counts of California, made up, in their own formats."""
    folder = tmp_path_factory.mktemp("own")
    write_tdrive(synthetic.taxis(5, "city"), folder / "taxis", bad_rows=True)
    xy_m = synthetic.sites_m(5, "city", 12)
    made = synthetic.flow(5, 12, 10)
    lat = synthetic.SITES_AT[0] + np.rad2deg(xy_m[:, 1] / 6_371_393)
    lon = synthetic.SITES_AT[1] + np.rad2deg(xy_m[:, 0] / 6_371_393 / np.cos(np.deg2rad(synthetic.SITES_AT[0])))
    write_pems(made.counts, np.full(12, 3), lat, lon, folder / "pems", zipped=True)
    return folder, made.counts, lat, lon


def test_a_region_of_ones_own_files(files, tmp_path):
    folder, counts, lat, lon = files
    own = {"tdrive": folder / "taxis", "pems": folder / "pems" / "5min", "metadata": folder / "pems" / "meta.txt"}
    region, said = build_region(**own, n_rsu=15, horizon=30, n_uav=2, cache=tmp_path / "cache")
    assert region.rsu_present.tolist() == [True] * 12 + [False] * 3
    np.testing.assert_array_equal(region.flow[:12], counts)
    assert not region.flow[12:].any()
    at = region.lat0_deg + region.rsu_dlat_deg[:12], region.lon0_deg + region.rsu_dlon_deg[:12]
    assert ground_m(*(np.float64(x) for x in at), lat, lon).max() < 2  # five decimals, and float32
    # the trips have been moved from Beijing to where the stations are
    x_m, y_m = to_metres(
        region.lat0_deg + np.float64(region.traj_dlat_deg),
        region.lon0_deg + np.float64(region.traj_dlon_deg),
        said["target"],
    )
    inside = (np.abs(x_m) <= said["half_width_m"] + 1500) & (np.abs(y_m) <= said["half_width_m"] + 1500)
    assert inside.mean() > 0.9
    assert said["trips"]["samples"]["reasons"]["speed"] == 150  # a bad row of each kind in each taxi's file
    assert said["sites"]["stations"] == list(range(400_001, 400_013))
    save_region(region, tmp_path / "own.npz", said)
    again = load_region(tmp_path / "own.npz")
    for name, array in region.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array, name)
    assert region_provenance(tmp_path / "own.npz")["sites"]["from"] == "PeMS"


def test_what_does_not_fit_together_is_refused(files):
    folder, *_ = files
    with pytest.raises(ValueError, match="not both"):
        build_region(tdrive=folder / "taxis", fcd=folder)
    with pytest.raises(ValueError, match="need the metadata"):
        build_region(pems=folder / "pems" / "5min")
    with pytest.raises(ValueError, match="area"):
        build_region(area="suburb")


def test_made_up_regions_are_the_same_for_the_same_arguments():
    one = synthetic_region(2, n_rsu=8, horizon=30, n_days=10, n_uav=2)
    assert synthetic_region(2, n_rsu=8, horizon=30, n_days=10, n_uav=2) is one
    with pytest.raises(ValueError, match="read-only"):
        one.flow[0, 0] = 1
    test = synthetic_region(2, n_rsu=8, horizon=30, n_days=10, n_uav=2, split="test")
    np.testing.assert_array_equal(one.flow, test.flow)
    assert not set(one.start_bins.tolist()) & set(test.start_bins.tolist())
