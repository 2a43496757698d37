"""The arrays of a region: what is refused, by name, and that files hold all of them or are refused too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.traces import RecordError, Region, check_region, load_region, region_provenance, save_region, start_bins
from jaxvec.traces.region import DTYPES, start_range

DAY = 288
T = 30  # slots, three bins


def small_region(**changes):
    """Two RSUs and a padded one, a UAV, three trips, two days."""
    slots = np.minimum(np.arange(T), np.array([[29], [19], [24]]))
    fields = {
        "lat0_deg": np.float32(37.0),
        "lon0_deg": np.float32(-122.0),
        "rsu_dlat_deg": np.array([0.0, 0.01, 0.0]),
        "rsu_dlon_deg": np.array([0.0, 0.0, 0.0]),
        "rsu_present": np.array([True, True, False]),
        "uav_wp_xy_m": np.zeros((1, 4, 2)),
        "traj_dlat_deg": slots * 1e-3,
        "traj_dlon_deg": slots * -1e-3,
        "traj_len": np.array([30, 20, 25]),
        "flow": np.full((3, 2 * DAY), 200.0),
        "flow_pred": np.full((3, 2 * DAY), 190.0),
        "start_bins": start_bins(2 * DAY, "test", T),
    }
    return Region(**{name: np.asarray(value, DTYPES[name]) for name, value in (fields | changes).items()})


def with_entry(name, index, value):
    array = small_region().arrays()[name].copy()
    array[index] = value
    return array


UNSOUND = [
    ({"flow": np.zeros(5)}, r"flow has shape \(5,\), not \(rsu, bin\) with at least one of each"),
    ({"traj_dlat_deg": np.zeros((3, 0))}, r"traj_dlat_deg has shape \(3, 0\), not \(trip, slot\)"),
    ({"uav_wp_xy_m": np.zeros((1, 4, 0))}, r"uav_wp_xy_m has shape \(1, 4, 0\)"),
    ({"uav_wp_xy_m": np.zeros((1, 3, 2))}, r"uav_wp_xy_m has shape \(1, 3, 2\), not \(1, 4, 2\)"),
    ({"rsu_present": np.ones(2, bool)}, r"rsu_present has shape \(2,\), not \(3,\) as 3 RSUs, 576 bins"),
    ({"flow_pred": np.zeros((3, 9))}, r"flow_pred has shape \(3, 9\), not \(3, 576\)"),
    ({"traj_len": np.ones(2)}, r"traj_len has shape \(2,\), not \(3,\)"),
    ({"lat0_deg": np.zeros(1)}, r"lat0_deg has shape \(1,\), not \(\)"),
    ({"start_bins": np.zeros(())}, r"start_bins has shape \(\), not \(1,\)"),
    ({"flow": with_entry("flow", (1, 7), np.nan)}, r"flow\[1, 7\] is nan, not a finite number"),
    ({"uav_wp_xy_m": with_entry("uav_wp_xy_m", (0, 1, 0), np.inf)}, r"uav_wp_xy_m\[0, 1, 0\] is inf"),
    ({"lat0_deg": 89.0}, r"lat0_deg is 89\.0, where east and west are of no use"),
    ({"rsu_dlat_deg": np.full(3, 37.0)}, "rsu_dlat_deg reaches 37 degrees; it must hold differences from the anchor"),
    ({"traj_dlon_deg": np.full((3, T), -122.0)}, "traj_dlon_deg reaches 122 degrees"),
    ({"rsu_present": np.zeros(3)}, "no RSU is present"),
    ({"flow": with_entry("flow", (2, 0), -1)}, "flow has a negative count"),
    ({"flow_pred": with_entry("flow_pred", (2, 0), -1)}, "flow_pred has a negative count"),
    ({"traj_len": [30, 19, 25]}, r"traj_len\[1\] is 19, outside 20 to 30"),
    ({"traj_len": [30, 20, 31]}, r"traj_len\[2\] is 31, outside 20 to 30"),
    (
        {"traj_dlat_deg": with_entry("traj_dlat_deg", (1, 25), 0)},
        r"traj_dlat_deg\[1\] does not repeat its last point, that",
    ),
    ({"traj_dlon_deg": with_entry("traj_dlon_deg", (2, 29), 0)}, r"traj_dlon_deg\[2\] does not repeat its last point"),
    ({"start_bins": []}, "start_bins is empty"),
    ({"start_bins": [100, 100]}, "start_bins does not increase"),
    ({"start_bins": [6, 100]}, "start_bins reaches from 6 to 100, but 576 bins and 30 slots leave 7 to 572"),
    ({"start_bins": [100, 573]}, "start_bins reaches from 100 to 573"),
]


@pytest.mark.parametrize(("changes", "fault"), UNSOUND)
def test_unsound_regions_are_refused_by_name(changes, fault):
    with pytest.raises(RecordError, match=f"^it: {fault}"):
        check_region(small_region(**changes), "it")


def test_a_sound_region_passes():
    region = small_region()
    assert check_region(region) is region
    check_region(region, n_vehicles=3)
    with pytest.raises(RecordError, match="3 trips are too few for 4 vehicles"):
        check_region(region, n_vehicles=4)
    with pytest.raises(RecordError, match="traj_len is int64, not int32"):
        check_region(region.replace(traj_len=np.int64(region.traj_len)))
    check_region(small_region(start_bins=[7, 572]))
    check_region(small_region(uav_wp_xy_m=np.zeros((0, 4, 2))))


def test_room_by_hand():
    # 20 bins, 0 to 19: bins 0 to 5 are lags of bin 6, whose count is known in bin 7; 30 slots from bin 16 on take bins 16, 17 and
    # 18, and the slot after them is of bin 19, the last; a part of a bin counts as one
    assert start_range(20, 30) == (7, 16)
    assert start_range(20, 31) == (7, 15)
    assert start_range(20, 29) == (7, 16)


def test_starts_by_hand():
    # ten days: seven train, one validates, two test; 6:00 to 21:55 are bins 72 to 263 of a day
    train, validation, test = (start_bins(10 * DAY, split, T) for split in ("train", "validation", "test"))
    assert len(train) == 7 * 192
    np.testing.assert_array_equal(train[:192], np.arange(72, 264))
    np.testing.assert_array_equal(validation, 7 * DAY + np.arange(72, 264))
    np.testing.assert_array_equal(test[192:], 9 * DAY + np.arange(72, 264))
    # 26 hours reach beyond the end from 21:55 of the last day but one on, and from all of the last day: 312 bins
    long = start_bins(10 * DAY, "test", 3120)
    assert (long[0], long[-1]) == (8 * DAY + 72, 10 * DAY - 1 - 312)


def test_a_saved_region_comes_back_bit_for_bit(tmp_path):
    region = small_region()
    save_region(region, tmp_path / "a.npz", {"by": "hand"})
    again = load_region(tmp_path / "a.npz")
    for name, dtype in DTYPES.items():
        assert again.arrays()[name].dtype == dtype
        np.testing.assert_array_equal(again.arrays()[name], region.arrays()[name])
    assert region_provenance(tmp_path / "a.npz") == {"by": "hand"}
    before = (tmp_path / "a.npz").read_bytes()
    with pytest.raises(RecordError, match=r"^the region to save: no RSU is present"):
        save_region(small_region(rsu_present=np.zeros(3)), tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_files_that_hold_no_region_are_refused(tmp_path):
    file = tmp_path / "x.npz"
    entries = {"format": np.int32(1), "header": np.str_("{}")} | small_region().arrays()
    for changes, fault in [
        ({"flow": None}, r"x\.npz: no entry 'flow'; is this a region\?"),
        ({"format": np.int32(2)}, r"x\.npz: format is 2, but only 1 can be read"),
        ({"traj_len": np.array([30, 20, 31], np.int32)}, r"x\.npz: traj_len\[2\] is 31"),
        ({"start_bins": np.array([{}], object)}, r"x\.npz: entry 'start_bins' cannot be read"),
    ]:
        np.savez(file, **{name: x for name, x in (entries | changes).items() if x is not None})
        with pytest.raises(RecordError, match=fault):
            load_region(file)
    with pytest.raises(FileNotFoundError):
        load_region(tmp_path / "nowhere.npz")


@settings(max_examples=60)
@given(data=st.data())
def test_damaged_files_are_regions_or_clear_errors(data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    whole = folder / "whole.npz"
    if not whole.exists():
        save_region(small_region(), whole)
    content = bytearray(whole.read_bytes())
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)):
        content[at] = byte
    file = folder / "damaged.npz"
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        check_region(load_region(file))
    except RecordError as error:
        assert "damaged.npz" in str(error)  # noqa: PT017 (either may happen)
