"""Regions of one's own files, and made-up ones: put together, kept, and refused with a reason."""

import numpy as np
import pytest

from jaxvec.traces import (
    RecordError,
    Report,
    Sites,
    Trips,
    assemble,
    build_region,
    load_region,
    region_provenance,
    save_region,
    synthetic,
    synthetic_region,
)
from jaxvec.traces.assemble import patrols
from jaxvec.traces.earth import align, ground_m, to_degrees, to_metres
from jaxvec.traces.writers import write_pems, write_tdrive

CENTRE = (50.0, 10.0)


def test_alignment_by_hand():
    # a degree of longitude is cos(60) = 1/2 as long at 60 degrees north: 0.01 there is 0.005 on the equator
    lat, lon = align(np.array([60.01]), np.array([10.01]), (60.0, 10.0), (0.0, 50.0))
    np.testing.assert_allclose([lat[0], lon[0]], [0.01, 50.005], atol=1e-9)


def sites_at(xy_m, n_days=2):
    """Sites around the middle of nowhere in particular, each with 100 vehicles a bin."""
    lat, lon = to_degrees(*np.transpose(xy_m), CENTRE)
    return Sites(np.arange(len(lat)), lat, lon, np.full((len(lat), 288 * n_days), 100), CENTRE, 1000.0)


def trips_at(*rows_m):
    """Trips east of (0, 0), `(slot,)` metres each."""
    x_m = np.array(rows_m, float)
    lat, lon = to_degrees(x_m, 0 * x_m, (0.0, 0.0))
    return Trips(lat, lon, np.full(len(x_m), x_m.shape[1], np.int32), (0.0, 0.0), {})


def test_trips_that_lie_elsewhere_are_left_out():
    # within 1000 + 1500 m of the centre in 19 of 20 slots, in 18, in 17; then all the time, on either side of the bound

    def far(n):
        return [0.0] * (20 - n) + [2501.0] * n

    trips = trips_at(far(1), far(2), far(3), [2499.0] * 20, [-2501.0] * 20)
    sites = sites_at([[0, 0], [500, 0]])
    region = assemble(sites, trips, n_uav=1)
    assert len(region.traj_len) == 3
    np.testing.assert_allclose(
        region.traj_dlon_deg[:, 0], to_degrees([0, 0, 2499], [0, 0, 0], CENTRE)[1] - CENTRE[1], atol=1e-7
    )
    np.testing.assert_allclose(region.traj_dlat_deg, 0, atol=1e-7)
    # slots of padding do not count: 17 of 20 are not enough, though 21 of 24 would be
    padded = trips_at([2501.0] * 3 + [0.0] * 21, [0.0] * 24)._replace(n_slots=np.array([20, 20], np.int32))
    assert len(assemble(sites, padded, n_uav=1).traj_len) == 1
    # what counts is the distance from the sites, wherever the anchor is: all move 100 m west
    west = tuple(float(x) for x in to_degrees(-100, 0, CENTRE))
    assert len(assemble(sites, trips, n_uav=1, target=west).traj_len) == 4
    assert len(assemble(sites, trips, n_uav=1, most_trips=2).traj_len) == 2
    with pytest.raises(RecordError, match=r"none of 5 trips, moved from \(0\.0, 1\.0\) to .*, lies within 2500 m of"):
        assemble(sites, trips, source=(0.0, 1.0))
    with pytest.raises(RecordError, match="3 trips are too few for 4 vehicles"):
        assemble(sites, trips, n_vehicles=4)


def test_patrols_by_hand():
    # on a line at 0, 1, 3, 6, 10 km, beginning anywhere: the second UAV begins at the farther end, the third farthest from both
    x_m = np.array([0.0, 1000, 3000, 6000, 10000])
    xy_m = np.stack([x_m, 0 * x_m], 1)
    loops = patrols(np.random.default_rng(1), xy_m, 3)[:, :, 0]
    assert loops.shape == (3, 4)
    then = {
        0: [0, 1, 3, 6],
        1: [1, 0, 3, 6],
        3: [3, 1, 0, 6],
        6: [6, 3, 1, 0],
        10: [10, 6, 3, 1],
    }  # to the nearest one left
    for loop in loops:
        np.testing.assert_allclose(loop / 1000, then[round(loop[0] / 1000)])
    begins = loops[:, 0]
    assert begins[1] == (0 if begins[0] > 5000 else 10000)
    apart_m = np.abs(x_m[:, None] - begins[:2]).min(1)
    assert begins[2] == x_m[apart_m.argmax()]
    alone = patrols(np.random.default_rng(0), xy_m[:2], 1)
    assert sorted(alone[0, :2, 0]) == [0, 1000]
    np.testing.assert_array_equal(alone[0, 1:], alone[0, [1, 1, 1]])  # there is no third: it stays


def test_a_sumo_recording_gives_trips(tmp_path):
    # two cars drive east at 10 m/s for 1200 s, the second 100 m north; records every 15 s; trips of 40 slots and one left over
    steps = [
        f'<timestep time="{t}">'
        + "".join(f'<vehicle id="{n}" x="{10 * t}" y="{100 * n}" angle="90" speed="10"/>' for n in range(2))
        + "</timestep>"
        for t in range(0, 1201, 15)
    ]
    (tmp_path / "fcd.xml").write_text("<fcd-export>" + "".join(steps) + "</fcd-export>")
    region, provenance = build_region(fcd=tmp_path / "fcd.xml", n_rsu=3, n_uav=1, horizon=40, n_days=2)
    assert provenance["trips"] == {
        "from": "SUMO",
        "path": str(tmp_path / "fcd.xml"),
        "samples": Report(files=1, rows=162, kept=162, left_out={"trips short": 2, "trips parked": 0}).to_json(),
    }
    assert region.traj_len.tolist() == [40, 40]
    x_m, y_m = to_metres(
        synthetic.SITES_AT[0] + np.float64(region.traj_dlat_deg),
        synthetic.SITES_AT[1] + np.float64(region.traj_dlon_deg),
        synthetic.SITES_AT,
    )
    np.testing.assert_allclose(
        x_m, [300 * np.arange(40) - 6000] * 2, atol=0.05
    )  # the median sample comes to the middle
    np.testing.assert_allclose(y_m, [[-50] * 40, [50] * 40], atol=0.05)
    epoch = [step.replace(f'time="{15 * k}"', f'time="{1_700_000_000 + 15 * k}"') for k, step in enumerate(steps)]
    (tmp_path / "fcd.xml").write_text("<fcd-export>" + "".join(epoch) + "</fcd-export>")
    same, _ = build_region(fcd=tmp_path / "fcd.xml", n_rsu=3, n_uav=1, horizon=40, n_days=2)
    np.testing.assert_array_equal(same.traj_dlon_deg, region.traj_dlon_deg)
    bad = steps[40].replace('x="6000"', 'x="-1073741824"', 1)
    text = "<fcd-export>" + "".join([*steps[:40], bad, *steps[41:]]) + "</fcd-export>"
    (tmp_path / "fcd.xml").write_text(text)
    same, provenance = build_region(fcd=tmp_path / "fcd.xml", n_rsu=3, n_uav=1, horizon=40, n_days=2)
    assert provenance["trips"]["samples"]["reasons"] == {"bounds": 1}
    np.testing.assert_allclose(same.traj_dlon_deg, region.traj_dlon_deg, atol=1e-6)
    with pytest.raises(RecordError, match=r"line 1: vehicle '0' has x='-1073741824'"):
        build_region(fcd=tmp_path / "fcd.xml", strict=True)
    (tmp_path / "fcd.xml").write_text("<fcd-export>" + "".join(steps[:30]) + "</fcd-export>")
    with pytest.raises(RecordError, match="no trip is left: 2 windows are too short"):
        build_region(fcd=tmp_path / "fcd.xml")


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
    files = {"tdrive": folder / "taxis", "pems": folder / "pems" / "5min", "metadata": folder / "pems" / "meta.txt"}
    region, provenance = build_region(**files, n_rsu=15, horizon=30, n_uav=2, cache=tmp_path / "cache")
    assert region.rsu_present.tolist() == [True] * 12 + [False] * 3
    np.testing.assert_array_equal(region.flow[:12], counts)
    assert not region.flow[12:].any()
    at = region.lat0_deg + region.rsu_dlat_deg[:12], region.lon0_deg + region.rsu_dlon_deg[:12]
    assert ground_m(*(np.float64(x) for x in at), lat, lon).max() < 2  # five decimals, and float32
    # the trips have been moved from Beijing to where the stations are
    x_m, y_m = to_metres(
        region.lat0_deg + np.float64(region.traj_dlat_deg),
        region.lon0_deg + np.float64(region.traj_dlon_deg),
        provenance["target"],
    )
    inside = (np.abs(x_m) <= provenance["half_width_m"] + 1500) & (np.abs(y_m) <= provenance["half_width_m"] + 1500)
    assert inside.mean() > 0.9
    assert provenance["trips"]["samples"]["reasons"]["speed"] == 150  # a bad row of each kind in each taxi's file
    assert provenance["sites"]["stations"] == list(range(400_001, 400_013))
    save_region(region, tmp_path / "own.npz", provenance)
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
    train = synthetic_region(2, n_rsu=8, horizon=30, n_days=10, n_uav=2)
    assert synthetic_region(2, n_rsu=8, horizon=30, n_days=10, n_uav=2) is train
    with pytest.raises(ValueError, match="read-only"):
        train.flow[0, 0] = 1
    test = synthetic_region(2, n_rsu=8, horizon=30, n_days=10, n_uav=2, split="test")
    np.testing.assert_array_equal(train.flow, test.flow)
    assert not set(train.start_bins.tolist()) & set(test.start_bins.tolist())
