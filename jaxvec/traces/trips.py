"""From positions at odd times to trips on slots."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxvec.core.npz import RecordError
from jaxvec.traces.earth import Anchor, ground_m, to_degrees, to_metres
from jaxvec.traces.region import MIN_SLOTS
from jaxvec.traces.trace import Trace

SLOT_S = 30.0
MAX_GAP_S = 600.0
MIN_SPAN_M = 500.0
MAX_SPEED_MPS = 50.0
MAX_SLOTS = 50_000_000  # of all pieces together


class Samples(NamedTuple):
    """Positions of vehicles, ordered by vehicle, then by time.

    Attributes:
        vehicle: (sample,) int64, whose.
        time_s: (sample,) float64, when; of T-Drive, since 1970 [s].
        lat_deg, lon_deg: (sample,) float64 [degree].
    """

    vehicle: np.ndarray
    time_s: np.ndarray
    lat_deg: np.ndarray
    lon_deg: np.ndarray


class Trips(NamedTuple):
    """Trips on slots, by vehicle and time.

    Attributes:
        lat_deg, lon_deg: (trip, slot) float64, padded by the last point [degree].
        n_slots: (trip,) int32.
        centre: median latitude and longitude of all samples [degree].
        left_out: windows that are no trip, by reason: `short`, `parked`.
        jumps: places where samples were cut because no vehicle could have gone so far.
    """

    lat_deg: np.ndarray
    lon_deg: np.ndarray
    n_slots: np.ndarray
    centre: Anchor
    left_out: dict[str, int]
    jumps: int = 0


def to_trips(
    samples: Samples,
    horizon: int = 60,
    *,
    slot_s: float = SLOT_S,
    max_gap_s: float = MAX_GAP_S,
    max_speed_mps: float = MAX_SPEED_MPS,
    min_slots: int = MIN_SLOTS,
    min_span_m: float = MIN_SPAN_M,
) -> Trips:
    """Cuts samples at gaps and jumps, puts each piece on slots by straight lines, and cuts it into trips.

    A piece of two samples or more has a slot every `slot_s` from its first sample to its last at most. It is cut into
    consecutive windows of `horizon` slots, the last one shorter.

    Args:
        samples: of all vehicles.
        horizon: slots of a trip at most.
        slot_s: from one slot to the next [s].
        max_gap_s: between two samples of a piece at most [s].
        max_speed_mps: between two samples of a piece at most [m/s].
        min_slots: shorter windows are left out (`short`); but a whole horizon is enough.
        min_span_m: windows that stay in a box of a shorter diagonal are left out (`parked`) [m].
    Raises:
        RecordError: no trip is left, there would be more than `MAX_SLOTS` slots, or an argument is out of range.
    """
    if horizon < 1 or not (slot_s > 0 and max_gap_s > 0 and max_speed_mps > 0):
        raise RecordError(
            f"horizon {horizon}, slot_s {slot_s}, max_gap_s {max_gap_s} or max_speed_mps {max_speed_mps} is not positive"
        )
    if not len(samples.vehicle):
        raise RecordError("there are no samples to make trips of")
    lat, lon, n_slots = [], [], []
    left_out = {"short": 0, "parked": 0}
    edges, jumps = _edges(samples, max_gap_s, max_speed_mps)
    for piece_lat, piece_lon in _pieces(samples, edges, slot_s):
        for first in range(0, len(piece_lat), horizon):
            window = slice(first, first + horizon)
            trip_lat, trip_lon = piece_lat[window], piece_lon[window]
            length = len(trip_lat)
            if length < min(min_slots, horizon):
                left_out["short"] += 1
            elif _span_m(trip_lat, trip_lon) < min_span_m:
                left_out["parked"] += 1
            else:
                lat.append(np.pad(trip_lat, (0, horizon - length), mode="edge"))
                lon.append(np.pad(trip_lon, (0, horizon - length), mode="edge"))
                n_slots.append(length)
    if not lat:
        raise RecordError(
            f"no trip is left: {left_out['short']} windows are too short, {left_out['parked']} stay in place"
        )
    centre = float(np.median(samples.lat_deg)), float(np.median(samples.lon_deg))
    return Trips(np.stack(lat), np.stack(lon), np.array(n_slots, np.int32), centre, left_out, jumps)


def trace_samples(trace: Trace) -> Samples:
    """The vehicles of a recording with x and y in metres, as samples around latitude and longitude 0, where metres are degrees
    times the same number everywhere. Each row is a vehicle.

    Args:
        trace: the recording.
    """
    real = np.arange(trace.x_m.shape[1]) < np.asarray(trace.n_samples)[:, None]
    row, column = np.nonzero(real)
    time_s = np.float64(trace.enter_s[row]) + column * np.float64(trace.dt_s)
    return Samples(row, time_s, *to_degrees(np.float64(trace.x_m[real]), np.float64(trace.y_m[real]), (0.0, 0.0)))


def _edges(samples: Samples, max_gap_s: float, max_speed_mps: float) -> tuple[np.ndarray, int]:
    """Where pieces begin, and the end of the last; and how many of these places are jumps."""
    vehicle, time_s, lat, lon = samples
    gap_s = np.diff(time_s)
    apart = (np.diff(vehicle) != 0) | (gap_s > max_gap_s)
    within = np.flatnonzero(~apart)
    far_m = ground_m(lat[within], lon[within], lat[within + 1], lon[within + 1])
    jumps = np.zeros(len(apart), bool)
    jumps[within] = far_m > max_speed_mps * np.maximum(gap_s[within], np.finfo(float).tiny)
    return np.concatenate([[0], np.flatnonzero(apart | jumps) + 1, [len(time_s)]]), int(jumps.sum())


def _pieces(samples: Samples, edges: np.ndarray, slot_s: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Latitudes and longitudes on slots, piece by piece."""
    lasting_s = samples.time_s[edges[1:] - 1] - samples.time_s[edges[:-1]]
    if np.sum(lasting_s // slot_s + 1) > MAX_SLOTS:
        raise RecordError(
            f"slots of {slot_s:g} s would be more than {MAX_SLOTS}; is a time wrong, or max_gap_s too long?"
        )
    for first, last in itertools.pairwise(edges):
        if last - first >= 2:
            time_s = samples.time_s[first:last] - samples.time_s[first]
            slots_s = np.arange(int(time_s[-1] // slot_s) + 1) * slot_s
            lat_deg, lon_deg = (np.interp(slots_s, time_s, x[first:last]) for x in samples[2:])
            yield lat_deg, lon_deg


def _span_m(lat_deg: np.ndarray, lon_deg: np.ndarray) -> float:
    """Diagonal of the box around points [m]."""
    low, high = (lat_deg.min(), lon_deg.min()), (lat_deg.max(), lon_deg.max())
    x_m, y_m = to_metres(*high, ((low[0] + high[0]) / 2, low[1]))
    return float(np.hypot(x_m, 2 * y_m))  # y_m is from the middle
