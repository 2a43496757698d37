"""A record of vehicles on a road: one row a vehicle, one column a sample."""

import math
import os
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
from flax import struct
from jaxtyping import Float32, Int32

from jaxvec.core.npz import RecordError, check_arrays, header_of, read_npz, write_npz

FORMAT = 1  # version of the file layout; load() reads no other
MAX_GRID = 10_000_000  # most start times that eligible_starts_s looks at
SLACK = 1e-3  # part of a sample by which float32 times may miss each other


class Trace(struct.PyTreeNode):
    """Recorded vehicles, a pytree of host arrays.

    Row n is one unbroken visit: its sample j was taken at enter_s[n] + j * dt_s, for j < n_samples[n]; the columns
    after that repeat the row's last sample. A vehicle that leaves and comes back has one row a visit. Rows are ordered
    by enter_s.

    Attributes:
        x_m, y_m: (vehicle, sample) float32, position [m].
        vx_mps, vy_mps: (vehicle, sample) float32, velocity [m/s].
        enter_s: (vehicle,) float32, time of the row's sample 0 [s].
        n_samples: (vehicle,) int32, samples recorded, at least 1.
        dt_s: () float32, time from one sample to the next [s].
    """

    x_m: Float32[np.ndarray, "vehicle sample"]
    y_m: Float32[np.ndarray, "vehicle sample"]
    vx_mps: Float32[np.ndarray, "vehicle sample"]
    vy_mps: Float32[np.ndarray, "vehicle sample"]
    enter_s: Float32[np.ndarray, "vehicle"]
    n_samples: Int32[np.ndarray, "vehicle"]
    dt_s: Float32[np.ndarray, ""]


DTYPES = {
    "x_m": np.float32,
    "y_m": np.float32,
    "vx_mps": np.float32,
    "vy_mps": np.float32,
    "enter_s": np.float32,
    "n_samples": np.int32,
    "dt_s": np.float32,
}


def check(trace: Trace, where: str = "trace") -> Trace:
    """Returns the trace if it is whole and sound.

    Args:
        trace: the record.
        where: what to call it in the message, such as a file name.
    Raises:
        RecordError: an array has the wrong dtype or shape, or is empty; a number is not finite; dt_s is not positive;
            an entry of n_samples lies outside 1 to the number of columns; rows are not ordered by enter_s; or the
            columns after a row's last sample do not repeat it.
    """
    arrays = {name: np.asarray(getattr(trace, name)) for name in DTYPES}
    shape = arrays["x_m"].shape
    if len(shape) != 2 or 0 in shape:
        raise RecordError(f"{where}: x_m has shape {shape}, not (vehicle, sample) with at least one of each")
    shapes = dict.fromkeys(DTYPES, shape) | {"enter_s": shape[:1], "n_samples": shape[:1], "dt_s": ()}
    check_arrays(where, arrays, DTYPES, shapes, f" as x_m {shape} asks")
    if arrays["dt_s"] <= 0:
        raise RecordError(f"{where}: dt_s is {arrays['dt_s']} s, not positive")
    n_samples = arrays["n_samples"]
    for n in np.flatnonzero((n_samples < 1) | (n_samples > shape[1])):
        raise RecordError(f"{where}: n_samples[{n}] is {n_samples[n]}, outside 1 to {shape[1]}")
    for n in np.flatnonzero(np.diff(arrays["enter_s"]) < 0):
        raise RecordError(f"{where}: enter_s[{n + 1}] is earlier than enter_s[{n}]")
    last = np.minimum(np.arange(shape[1]), n_samples[:, None] - 1)
    for name in ("x_m", "y_m", "vx_mps", "vy_mps"):
        bad = np.argwhere(arrays[name] != np.take_along_axis(arrays[name], last, axis=1))
        if len(bad):
            row, column = (int(i) for i in bad[0])
            raise RecordError(
                f"{where}: {name}[{row}, {column}] does not repeat the row's last sample, {n_samples[row] - 1}"
            )
    return trace


def save(trace: Trace, path: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
    """Writes a trace to a compressed npz file, in one move: the path holds the old file or the whole new one.

    Args:
        trace: the record.
        path: the file, named exactly so.
        provenance: where the record comes from, as JSON can hold it; provenance(path) reads it back.
    Raises:
        RecordError: the trace is not sound, see check().
        TypeError: JSON cannot hold the provenance.
        OSError: the file cannot be written.
    """
    check(trace, "the trace to save")
    write_npz(path, FORMAT, provenance, {name: np.asarray(getattr(trace, name)) for name in DTYPES})


def load(path: str | os.PathLike[str]) -> Trace:
    """Reads a trace that save() wrote.

    Args:
        path: the file.
    Returns:
        The trace, its arrays in host memory.
    Raises:
        RecordError: the file is no npz, lacks an entry, is of another format version, or holds an unsound trace, see
            check(). The message names the file.
        OSError: the file cannot be opened.
    """
    entries = read_npz(path, DTYPES, FORMAT, "a trace")
    return check(Trace(**{name: entries[name] for name in DTYPES}), str(path))


def provenance(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads where the record in a file comes from, as given to save().

    Args:
        path: the file.
    Raises:
        RecordError: as load(), or the header is not a JSON object.
        OSError: the file cannot be opened.
    """
    return header_of(read_npz(path, DTYPES, FORMAT, "a trace"), path)


def shipped() -> Trace:
    """The trace that comes with the package: ten minutes of a 700 m, two-way, four-lane road, simulated in SUMO.

    x_m runs from 0 to 700 and y_m = 0 is the road's centre line. Lanes are 3.75 m wide: the two with y_m < 0 drive
    towards +x, the two with y_m > 0 towards -x. scripts/make_sumo_trace.py wrote it.
    """
    with resources.as_file(resources.files("jaxvec.traces") / "data" / "road_700m.npz") as path:
        return load(path)


def moved(trace: Trace, x_m: float, y_m: float) -> Trace:
    """The same vehicles elsewhere.

    Args:
        trace: the record.
        x_m, y_m: by how much, along either axis [m].
    """
    return trace.replace(x_m=trace.x_m + np.float32(x_m), y_m=trace.y_m + np.float32(y_m))


def eligible_starts_s(trace: Trace, n_vehicles: int, horizon_s: float, step_s: float = 1.0) -> np.ndarray:
    """Times at which an episode of so many vehicles and such a length can start.

    A vehicle is present at t if enter_s <= t <= enter_s + (n_samples - 1) * dt_s. The recording lasts from the first
    sample of any vehicle to the last of any.

    Args:
        trace: the record.
        n_vehicles: vehicles to be present at the start, at least 1.
        horizon_s: length of the episode [s]; it must end within the recording.
        step_s: distance of the times tried, counted from the start of the recording [s].
    Returns:
        (start,) float32, increasing, at least one time [s].
    Raises:
        RecordError: there is no such time (the message says how many vehicles at most are present at once, or how long
            the recording is), or an argument is out of range.
    """
    if n_vehicles < 1:
        raise RecordError(f"n_vehicles is {n_vehicles}, not at least 1")
    if not (math.isfinite(horizon_s) and horizon_s >= 0):
        raise RecordError(f"horizon_s is {horizon_s} s, not a length of time")
    if not (math.isfinite(step_s) and step_s > 0):
        raise RecordError(f"step_s is {step_s} s, not positive")
    dt_s = float(trace.dt_s)
    enter_s = np.asarray(trace.enter_s, np.float64)
    leave_s = enter_s + (np.asarray(trace.n_samples) - 1) * dt_s
    begin_s, end_s = enter_s.min(), leave_s.max()
    slack_s = SLACK * dt_s
    n_steps = (end_s - begin_s - horizon_s + slack_s) / step_s  # from the first start to the last
    if n_steps < 0:
        raise RecordError(f"the recording lasts {end_s - begin_s:g} s, less than the horizon of {horizon_s:g} s")
    if n_steps >= MAX_GRID:
        raise RecordError(f"step_s = {step_s:g} s gives more than {MAX_GRID} start times to try")
    start_s = begin_s + np.arange(int(n_steps) + 1) * step_s
    entered = np.searchsorted(np.sort(enter_s), start_s + slack_s, side="right")
    left = np.searchsorted(np.sort(leave_s), start_s - slack_s, side="left")
    present = entered - left
    if present.max() < n_vehicles:
        raise RecordError(
            f"at most {present.max()} vehicles are present at once, not {n_vehicles} "
            f"(times tried: every {step_s:g} s, up to {horizon_s:g} s before the recording ends)"
        )
    return start_s[present >= n_vehicles].astype(np.float32)
