"""The record of vehicles: its files, its start times, and the one that comes with the package."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxvec.traces import RecordError, Trace, check, eligible_starts_s, load, provenance, save, shipped
from jaxvec.traces.trace import DTYPES


def small_trace(**changes):
    """Three rows of up to four samples, 0.5 s apart."""
    fields = {
        "x_m": np.array([[0, 5, 10, 15], [100, 90, 90, 90], [7, 7, 7, 7]], np.float32),
        "y_m": np.array([[-2, -2, -2, -2], [2, 2, 2, 2], [0, 0, 0, 0]], np.float32),
        "vx_mps": np.array([[10, 10, 10, 10], [-20, -20, -20, -20], [0, 0, 0, 0]], np.float32),
        "vy_mps": np.zeros((3, 4), np.float32),
        "enter_s": np.array([0.0, 0.5, 3.0], np.float32),
        "n_samples": np.array([4, 2, 1], np.int32),
        "dt_s": np.array(0.5, np.float32),
    }
    return Trace(**(fields | changes))


def present(enter_s, leave_s):
    """A trace of vehicles there from and to whole seconds, both included."""
    n_samples = np.array(leave_s, np.int32) - np.array(enter_s, np.int32) + 1
    still = np.zeros((len(enter_s), n_samples.max()), np.float32)
    return Trace(still, still, still, still, np.array(enter_s, np.float32), n_samples, np.array(1, np.float32))


def test_a_saved_trace_comes_back_bit_for_bit(tmp_path):
    trace = small_trace()
    save(trace, tmp_path / "a.npz", {"source": "by hand", "seed": 3})
    again = load(tmp_path / "a.npz")
    for name, dtype in DTYPES.items():
        assert getattr(again, name).dtype == dtype
        np.testing.assert_array_equal(getattr(again, name), getattr(trace, name))
    assert provenance(tmp_path / "a.npz") == {"source": "by hand", "seed": 3}
    assert os.listdir(tmp_path) == ["a.npz"]  # nothing left over


def test_the_same_trace_makes_the_same_bytes(tmp_path):
    save(small_trace(), tmp_path / "a.npz")
    save(small_trace(), tmp_path / "b")  # the name is taken as it is
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_save_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    save(small_trace(), path)
    before = path.read_bytes()
    with pytest.raises(RecordError, match=r"^the trace to save: dt_s is 0\.0 s, not positive$"):
        save(small_trace(dt_s=np.array(0, np.float32)), path)
    with pytest.raises(TypeError):
        save(small_trace(), path, {"not JSON": object()})

    def full_disk(file, **arrays):
        file.write(b"PK")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save(small_trace(), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.npz"]


def test_a_trace_is_a_pytree():
    assert len(jax.tree.leaves(small_trace())) == 7
    late = jax.jit(lambda trace: trace.enter_s + (trace.n_samples - 1) * trace.dt_s)(small_trace())
    np.testing.assert_allclose(late, [1.5, 1.0, 3.0])  # 0 + 3 * 0.5, 0.5 + 1 * 0.5, 3 + 0


NAN_Y = np.zeros((3, 4), np.float32)
NAN_Y[1, 2] = np.nan
NOT_PADDED = np.zeros((3, 4), np.float32)
NOT_PADDED[1, 3] = 1.0

UNSOUND = [
    ({"x_m": np.zeros(4, np.float32)}, r"x_m has shape \(4,\), not \(vehicle, sample\) with at least one of each"),
    ({"x_m": np.zeros((0, 4), np.float32)}, r"x_m has shape \(0, 4\), not \(vehicle, sample\)"),
    ({"y_m": np.zeros((3, 5), np.float32)}, r"y_m has shape \(3, 5\), not \(3, 4\) as x_m \(3, 4\) asks"),
    ({"enter_s": np.zeros(2, np.float32)}, r"enter_s has shape \(2,\), not \(3,\)"),
    ({"dt_s": np.ones(1, np.float32)}, r"dt_s has shape \(1,\), not \(\)"),
    ({"vx_mps": np.zeros((3, 4))}, "vx_mps is float64, not float32"),
    ({"n_samples": np.ones(3, np.int64)}, "n_samples is int64, not int32"),
    ({"y_m": NAN_Y}, r"y_m\[1, 2\] is nan, not a finite number"),
    ({"dt_s": np.array(np.inf, np.float32)}, "dt_s is inf, not a finite number"),
    ({"dt_s": np.array(-1, np.float32)}, r"dt_s is -1\.0 s, not positive"),
    ({"n_samples": np.array([4, 0, 1], np.int32)}, r"n_samples\[1\] is 0, outside 1 to 4"),
    ({"n_samples": np.array([4, 2, 5], np.int32)}, r"n_samples\[2\] is 5, outside 1 to 4"),
    ({"enter_s": np.array([0, 3, 2], np.float32)}, r"enter_s\[2\] is earlier than enter_s\[1\]"),
    ({"vy_mps": NOT_PADDED}, r"vy_mps\[1, 3\] does not repeat the row's last sample, 1"),
]


@pytest.mark.parametrize(("changes", "fault"), UNSOUND)
def test_unsound_traces_are_refused_by_name(tmp_path, changes, fault):
    trace = small_trace(**changes)
    with pytest.raises(RecordError, match=f"^it: {fault}"):
        check(trace, "it")
    path = tmp_path / "bad.npz"
    arrays = {name: getattr(trace, name) for name in DTYPES}
    np.savez_compressed(path, format=np.int32(1), header=np.str_("{}"), **arrays)
    with pytest.raises(RecordError, match=rf"bad\.npz: {fault}"):
        load(path)


def write_entries(path, drop=(), **changes):
    arrays = {name: getattr(small_trace(), name) for name in DTYPES}
    arrays = {"format": np.int32(1), "header": np.str_("{}")} | arrays | changes
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if name not in drop})


@pytest.mark.parametrize("missing", ["format", "header", "y_m", "n_samples"])
def test_a_missing_entry_is_named(tmp_path, missing):
    write_entries(tmp_path / "bad.npz", drop=[missing])
    with pytest.raises(RecordError, match=rf"bad\.npz: no entry '{missing}'; is this a trace\?"):
        load(tmp_path / "bad.npz")


@pytest.mark.parametrize("version", [np.int32(2), np.float64(1), np.array([1, 1])])
def test_another_format_is_refused(tmp_path, version):
    write_entries(tmp_path / "bad.npz", format=version)
    with pytest.raises(RecordError, match=r"bad\.npz: format is .*, but only 1 can be read"):
        load(tmp_path / "bad.npz")


@pytest.mark.parametrize("header", ["{", "[1]", "[" * 100_000])
def test_a_header_that_is_no_json_object_is_refused(tmp_path, header):
    write_entries(tmp_path / "bad.npz", header=np.str_(header))
    with pytest.raises(RecordError, match=r"bad\.npz: the header is not"):
        provenance(tmp_path / "bad.npz")


def test_pickled_entries_are_refused(tmp_path):
    write_entries(tmp_path / "bad.npz", x_m=np.array([{}], object))
    with pytest.raises(RecordError, match=r"bad\.npz: entry 'x_m' cannot be read"):
        load(tmp_path / "bad.npz")


def test_files_that_are_no_npz_are_refused(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    save(small_trace(), tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    cases = [b"", b"hello", b"PK\x03\x04", (tmp_path / "array.npy").read_bytes(), whole[:-30], whole[: len(whole) // 2]]
    for data in cases:
        (tmp_path / "bad.npz").write_bytes(data)
        with pytest.raises(RecordError, match=r"bad\.npz: not an npz file$"):
            load(tmp_path / "bad.npz")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")


def test_damaged_bytes_never_raise_anything_else(tmp_path):
    save(small_trace(), tmp_path / "whole.npz", {"source": "by hand"})
    whole = (tmp_path / "whole.npz").read_bytes()
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
        (tmp_path / "bad.npz").write_bytes(damaged)
        try:
            check(load(tmp_path / "bad.npz"))
        except RecordError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert all("bad.npz: " in message for message in messages)


def test_eligible_starts_by_hand():
    # second:   0 1 2 3 4 5 6 7 8 9 10
    # a 0..4    x x x x x
    # b 2..6        x x x x x
    # c 3..10         x x x x x x x  x
    # present   1 1 2 3 3 2 2 1 1 1  1     the recording lasts from 0 to 10
    trace = present([0, 2, 3], [4, 6, 10])
    np.testing.assert_array_equal(eligible_starts_s(trace, 3, 5), [3, 4])
    np.testing.assert_array_equal(eligible_starts_s(trace, 2, 5), [2, 3, 4, 5])  # 5 + 5 = 10 still fits
    np.testing.assert_array_equal(eligible_starts_s(trace, 2, 4), [2, 3, 4, 5, 6])
    np.testing.assert_array_equal(eligible_starts_s(trace, 1, 10), [0])
    np.testing.assert_array_equal(eligible_starts_s(trace, 1, 0), np.arange(11))
    np.testing.assert_array_equal(eligible_starts_s(trace, 2, 3, step_s=2), [2, 4, 6])
    np.testing.assert_array_equal(eligible_starts_s(trace, 3, 3, step_s=0.5), [3, 3.5, 4])
    assert eligible_starts_s(trace, 3, 5).dtype == np.float32


def test_the_grid_of_starts_begins_with_the_recording():
    # b 5..9 and a 7..8: both are there at 7 and 8; two seconds apart from 5, only 7 is tried
    trace = present([5, 7], [9, 8])
    np.testing.assert_array_equal(eligible_starts_s(trace, 2, 0), [7, 8])
    np.testing.assert_array_equal(eligible_starts_s(trace, 2, 0, step_s=2), [7])


def test_float32_times_do_not_lose_the_first_or_last_sample():
    # in float32, 0.3 is a little more than 0.3, and 0.7 a little less than 0.7
    still = np.zeros((2, 31), np.float32)
    times = {"n_samples": np.array([31, 31], np.int32), "dt_s": np.array(0.7, np.float32)}
    a_and_b = Trace(still, still, still, still, enter_s=np.array([0, 0.3], np.float32), **times)
    starts_s = eligible_starts_s(a_and_b, 2, 0.0, step_s=0.1)  # b comes at 0.3, a leaves at 30 * 0.7 = 21
    np.testing.assert_allclose(starts_s, np.arange(3, 211) / 10, atol=1e-5)
    a_twice = Trace(still, still, still, still, enter_s=np.zeros(2, np.float32), **times)
    starts_s = eligible_starts_s(a_twice, 2, 14.0, step_s=0.7)  # 7 + 14 = 21
    np.testing.assert_allclose(starts_s, np.arange(11) * 0.7, atol=1e-5)


def test_no_eligible_start_says_why():
    trace = present([0, 2, 3], [4, 6, 10])
    with pytest.raises(RecordError, match="at most 3 vehicles are present at once, not 4"):
        eligible_starts_s(trace, 4, 5)
    with pytest.raises(RecordError, match="at most 1 vehicles are present at once, not 2"):
        eligible_starts_s(trace, 2, 9)  # only 0 and 1 leave room for 9 s
    with pytest.raises(RecordError, match="the recording lasts 10 s, less than the horizon of 11 s"):
        eligible_starts_s(trace, 1, 11)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ((0, 5, 1), "n_vehicles is 0, not at least 1"),
        ((1, -1, 1), "horizon_s is -1 s"),
        ((1, np.nan, 1), "horizon_s is nan s"),
        ((1, 5, 0), "step_s is 0 s, not positive"),
        ((1, 5, 1e-9), "more than 10000000 start times"),
    ],
)
def test_start_arguments_out_of_range(arguments, fault):
    with pytest.raises(RecordError, match=fault):
        eligible_starts_s(present([0, 2, 3], [4, 6, 10]), *arguments)


@pytest.mark.slow
def test_importing_starts_no_device():
    code = (
        "import sys, jaxvec.traces\n"
        "jaxvec.traces.shipped()\n"
        "bridge = sys.modules.get('jax._src.xla_bridge')\n"
        "assert bridge is None or not bridge._backends\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_shipped_trace_is_traffic():
    trace = check(shipped())
    n_vehicles, width = trace.x_m.shape
    column = np.arange(width)
    real = column < trace.n_samples[:, None]
    x_m, y_m, vx_mps, vy_mps = (a[real] for a in (trace.x_m, trace.y_m, trace.vx_mps, trace.vy_mps))
    assert trace.dt_s == 1.0
    assert n_vehicles > 100
    assert 0 <= x_m.min() < 10
    assert 690 < x_m.max() <= 700
    speed_mps = np.hypot(vx_mps, vy_mps)
    assert 5 < speed_mps.min() < 12.5
    assert 15 < speed_mps.max() < 17
    assert 12 < np.median(speed_mps) < 15
    # both directions, each on its right-hand side of the road: lanes 0, 1 (y < 0) drive towards +x
    assert 0.4 < np.mean(vx_mps > 0) < 0.6
    assert np.all((vx_mps > 0) == (y_m < 0))
    # mostly on the four lane centres, all of them in use, now and then between two
    centres_m = (np.arange(4) - 1.5) * 3.75
    off_m = np.abs(y_m[:, None] - centres_m)
    assert 0.95 < np.mean(off_m.min(axis=1) < 0.1) < 1.0
    assert np.bincount(off_m.argmin(axis=1), minlength=4).min() > 0.05 * y_m.size
    # positions move as velocities say: trapezoids, second by second
    steps = real[:, 1:]
    moved_m = np.diff(trace.x_m, axis=1)[steps]
    expected_m = ((trace.vx_mps[:, 1:] + trace.vx_mps[:, :-1]) / 2)[steps]
    assert np.max(np.abs(moved_m - expected_m)) < 1.5
    # ten minutes with company
    leave_s = trace.enter_s + (trace.n_samples - 1) * trace.dt_s
    assert (trace.enter_s.min(), leave_s.max()) == (0, 600)
    seconds = np.arange(601)[:, None]
    present = np.sum((trace.enter_s <= seconds) & (seconds <= leave_s), axis=1)
    assert 10 <= np.median(present) <= 25
    assert len(eligible_starts_s(trace, 8, 100.0)) > 300


def test_the_shipped_file_is_small_and_says_where_it_is_from():
    from importlib import resources

    with resources.as_file(resources.files("jaxvec.traces") / "data" / "road_700m.npz") as path:
        assert path.stat().st_size < 300_000
        source = provenance(path)
    assert source["sumo"].startswith("Eclipse SUMO")
    assert json.dumps(source["seed"]).isdigit()
    assert source["road_m"] == 700
