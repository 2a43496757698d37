"""A world's file: it comes back bit for bit, and what is unsound is refused by name."""

import os

import jax
import numpy as np
import pytest

from jaxvec.traces import RecordError, Trace, World, check_world, load_world, save_world, world_provenance
from jaxvec.traces.world import NAMES, OWN


def small_world(**changes):
    """Two vehicles of up to three samples, two places, one street."""
    still = np.zeros((2, 3), np.float32)
    x_m = np.array([[0, 10, 20], [90, 90, 90]], np.float32)
    enter_s, n_samples = np.array([0.0, 1.0], np.float32), np.array([3, 1], np.int32)
    fields = {
        "trace": Trace(x_m, still, still, still, enter_s, n_samples, np.array(1, np.float32)),
        "corners_m": np.array([[-5, -5], [100, 50]], np.float32),
        "place_x_m": np.array([20, 70], np.float32),
        "place_y_m": np.array([0, 30], np.float32),
        "streets_m": np.array([[0, 0, 100, 0]], np.float32),
        "anchor_deg": np.array([52.5, 13.4], np.float32),
    }
    return World(**(fields | changes))


def test_a_saved_world_comes_back_bit_for_bit(tmp_path):
    save_world(small_world(), tmp_path / "a.npz", {"source": "by hand"})
    again = load_world(tmp_path / "a.npz")
    for ours, theirs in zip(jax.tree.leaves(small_world()), jax.tree.leaves(again), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert world_provenance(tmp_path / "a.npz") == {"source": "by hand"}
    assert os.listdir(tmp_path) == ["a.npz"]


def test_streets_and_anchor_may_be_unknown(tmp_path):
    world = small_world(streets_m=np.zeros((0, 4), np.float32), anchor_deg=np.full(2, np.nan, np.float32))
    save_world(world, tmp_path / "a.npz")
    assert load_world(tmp_path / "a.npz").streets_m.shape == (0, 4)
    assert np.isnan(load_world(tmp_path / "a.npz").anchor_deg).all()


NAN_PLACE = np.array([0, np.nan], np.float32)
UNSOUND = [
    ({"corners_m": np.zeros(4, np.float32)}, r"corners_m has shape \(4,\), not \(2, 2\) as a world of 2 places asks"),
    (
        {"corners_m": np.array([[0, 5], [9, 5]], np.float32)},
        r"corners_m reaches from 5\.0 to 5\.0 in y, which is no area",
    ),
    ({"place_x_m": np.zeros(0, np.float32)}, r"place_x_m has shape \(0,\), not \(place,\) with at least one"),
    ({"place_x_m": np.float32(3)}, r"place_x_m has shape \(\), not \(place,\)"),
    ({"place_y_m": np.zeros(3, np.float32)}, r"place_y_m has shape \(3,\), not \(2,\)"),
    ({"place_y_m": np.zeros(2)}, "place_y_m is float64, not float32"),
    ({"place_y_m": NAN_PLACE}, r"place_y_m\[1\] is nan, not a finite number"),
    ({"streets_m": np.zeros((3, 2), np.float32)}, r"streets_m has shape \(3, 2\), not \(3, 4\)"),
    ({"streets_m": np.float32(0)}, r"streets_m has shape \(\), not \(4,\)"),
    ({"anchor_deg": np.array([np.nan, 1], np.float32)}, r"anchor_deg\[0\] is nan, not a finite number"),
    ({"anchor_deg": np.array([90, 0], np.float32)}, r"anchor_deg is \[90\.0, 0\.0\], not a latitude of -85 to 85"),
    ({"trace": small_world().trace.replace(dt_s=np.array(0, np.float32))}, r"dt_s is 0\.0 s, not positive"),
]


@pytest.mark.parametrize(("changes", "fault"), UNSOUND)
def test_unsound_worlds_are_refused_by_name(tmp_path, changes, fault):
    world = small_world(**changes)
    with pytest.raises(RecordError, match=f"^it: {fault}"):
        check_world(world, "it")
    with pytest.raises(RecordError, match=f"^the world to save: {fault}"):
        save_world(world, tmp_path / "a.npz")
    assert not os.listdir(tmp_path)


def test_other_files_are_refused_by_name(tmp_path):
    world, path = small_world(), tmp_path / "a.npz"
    entries = {name: getattr(world if name in OWN else world.trace, name) for name in NAMES}
    np.savez_compressed(path, format=np.int32(2), header=np.str_("{}"), **entries)
    with pytest.raises(RecordError, match=r"a\.npz: format is 2, but only 1 can be read"):
        load_world(path)
    entries.pop("corners_m")
    np.savez_compressed(path, format=np.int32(1), header=np.str_("{}"), **entries)
    with pytest.raises(RecordError, match=r"a\.npz: no entry 'corners_m'; is this a world\?"):
        load_world(path)
