"""Trips of taxis from T-Drive files (Yuan et al., 2010: taxis of Beijing in a week of 2008).

Text, a sample a line: `taxi_id,YYYY-MM-DD HH:MM:SS,longitude,latitude`, longitude first. The files, of one's own download, may
have any names and may be gzipped; the id in the row counts, not the file's name.
"""

from array import array
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.core.npz import RecordError, check_arrays, remembered
from jaxvec.traces.earth import ground_m
from jaxvec.traces.jumps import plausible
from jaxvec.traces.region import MIN_SLOTS
from jaxvec.traces.rows import Report, files_of, number_in, read_rows
from jaxvec.traces.trips import MAX_GAP_S, MAX_SPEED_MPS, MIN_SPAN_M, SLOT_S, Samples, Trips, to_trips

BEIJING = (115.4, 117.6, 39.4, 41.1)  # west, east, south, north [degree]
MIN_TRACK_S = MIN_SLOTS * SLOT_S  # of samples that contradict a longer track: shorter ones give no trip
MAX_SAMPLES = 100_000_000
STRICT = ("fields", "parse", "bounds", "duplicate")
FORMAT = 2  # of the cache
DTYPES = {"lat_deg": np.float64, "lon_deg": np.float64, "n_slots": np.int32}
EPOCH = datetime(1970, 1, 1)


def read_samples(
    path: str | Path | Iterable[str | Path],
    *,
    bounds: tuple[float, float, float, float] = BEIJING,
    max_speed_mps: float = MAX_SPEED_MPS,
    strict: bool = False,
) -> tuple[Samples, Report]:
    """Reads the samples of all taxis and cleans them.

    Rows are dropped, and counted under: `blank`; `fields`, not four of them; `parse`, an id, time or number that is none;
    `bounds`, outside them, as (0, 0) and swapped columns are; `duplicate`, of a taxi and second of which there is another row;
    `speed`, where the taxi's longest way that is possible does not pass. A part that contradicts it but lasts ten minutes or more
    is kept; the way between is no way, and counted among the report's cuts as `jump`.

    Args:
        path: a folder, a file, or several.
        bounds: west, east, south, north [degree].
        max_speed_mps: between two samples of a taxi at most [m/s].
        strict: let `fields`, `parse`, `bounds` and `duplicate` be errors.
    Raises:
        FileNotFoundError: there is no such file or folder.
        RecordError: no row is usable, gzip data are damaged, an argument is out of range, or what `strict` says.
    """
    west, east, south, north = bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90 and max_speed_mps > 0):
        raise RecordError(
            f"bounds {bounds} are not west < east, south < north, or max_speed_mps {max_speed_mps} is not positive"
        )
    columns: tuple[array, ...] = (array("q"), array("q"), array("d"), array("d"))
    places: tuple[array, ...] = (array("q"), array("q"))  # file and line of each sample, to be named in errors

    def take(line: bytes, file: int, number: int) -> str | None:
        sample = _parse(line)
        if isinstance(sample, str):
            return sample
        if not (west <= sample[2] <= east and south <= sample[3] <= north):
            return "bounds"
        for column, value in zip(columns, sample, strict=True):
            column.append(value)
        if strict:
            places[0].append(file)
            places[1].append(number)
        if len(columns[0]) > MAX_SAMPLES:
            raise RecordError(f"more than {MAX_SAMPLES} samples; read a part of the files")
        return None

    files, report = files_of(path), Report()
    read_rows(files, take, report, strict=STRICT if strict else ())
    if not report.kept:
        raise RecordError(f"{path}: no row is usable: {report}")
    samples, order = _ordered(columns)
    kept, duplicate = _plausible(samples, max_speed_mps)
    if strict and duplicate.any():
        n = order[np.flatnonzero(duplicate)[0]]
        raise RecordError(f"{files[places[0][n]]}:{places[1][n]}: duplicate")
    report.count("duplicate", int(duplicate.sum()))
    report.count("speed", int(np.sum(~kept & ~duplicate)))
    samples, report.kept = Samples(*(column[kept] for column in samples)), int(kept.sum())
    report.cut("jump", _jumps(samples, max_speed_mps))
    return samples, report


def _ordered(columns: tuple[array, ...]) -> tuple[Samples, np.ndarray]:
    """Samples by taxi and time, and which row each was; of taxi, time, longitude and latitude of the rows."""
    taxi, time_s, lon_deg, lat_deg = (np.asarray(column) for column in columns)
    order = np.lexsort((time_s, taxi))  # stable
    return Samples(taxi[order], time_s[order].astype(np.float64), lat_deg[order], lon_deg[order]), order


def _parse(line: bytes) -> tuple[int, int, float, float] | str:
    """Taxi, seconds since 1970, longitude and latitude; or why there are none."""
    fields = line.split(b",")
    if len(fields) != 4:
        return "fields"
    try:
        when = fields[1].decode("ascii").strip()
        if len(when) != 19 or when[4] + when[7] + when[10] + when[13] + when[16] != "-- ::":
            return "parse"
        age = datetime.fromisoformat(when) - EPOCH
        taxi, lon_deg, lat_deg = number_in(int, fields[0]), number_in(float, fields[2]), number_in(float, fields[3])
    except ValueError:  # of which a failed decoding is one
        return "parse"
    if not 0 <= taxi < 2**63:
        return "parse"
    return taxi, age.days * 86400 + age.seconds, lon_deg, lat_deg


def _possible(samples: Samples, max_speed_mps: float) -> np.ndarray:
    """Whether each sample can be reached from the one before it, of whichever taxi; a second that has two cannot."""
    _, time_s, lat, lon = samples
    gap_s = np.diff(time_s)
    return (gap_s > 0) & (ground_m(lat[:-1], lon[:-1], lat[1:], lon[1:]) <= max_speed_mps * gap_s)


def _jumps(samples: Samples, max_speed_mps: float) -> int:
    """How many samples cannot be reached from the one of the same taxi before."""
    return int(np.sum((np.diff(samples.vehicle) == 0) & ~_possible(samples, max_speed_mps)))


def _plausible(samples: Samples, max_speed_mps: float) -> tuple[np.ndarray, np.ndarray]:
    """Which samples are kept, and which are not because there is another of their second."""
    vehicle, time_s, lat, lon = samples
    same = vehicle[1:] == vehicle[:-1]
    first = np.append(True, ~same | (np.diff(time_s) > 0))
    repeats = np.append(False, ~first[1:] & (np.diff(lat) == 0) & (np.diff(lon) == 0))
    kept = ~repeats
    rows = np.flatnonzero(kept)
    fault = ~_possible(Samples(*(column[rows] for column in samples)), max_speed_mps)
    for taxi in np.unique(vehicle[rows[1:]][fault & (vehicle[rows[1:]] == vehicle[rows[:-1]])]).tolist():
        begin, end = (int(np.searchsorted(vehicle, taxi, side)) for side in ("left", "right"))
        own = begin + np.flatnonzero(kept[begin:end])

        def distance_m(a: np.ndarray, b: np.ndarray, own: np.ndarray = own) -> np.ndarray:
            return ground_m(lat[own[a]], lon[own[a]], lat[own[b]], lon[own[b]])

        def reach_m(a: np.ndarray, b: np.ndarray, own: np.ndarray = own) -> np.ndarray:
            gap_s = time_s[own[b]] - time_s[own[a]]
            return np.where(gap_s > 0, max_speed_mps * gap_s, -1.0)

        def is_track(chain: np.ndarray, own: np.ndarray = own) -> bool:
            return bool(time_s[own[chain[-1]]] - time_s[own[chain[0]]] >= MIN_TRACK_S)

        kept[own] = plausible(len(own), distance_m, reach_m, is_track, ~first[own])
    return kept, ~kept & ~(first & ~_second_kept(samples, kept))


def _second_kept(samples: Samples, kept: np.ndarray) -> np.ndarray:
    """Whether a sample of the same taxi and second is kept."""
    new = np.append(True, (np.diff(samples.vehicle) != 0) | (np.diff(samples.time_s) != 0))
    second = np.cumsum(new) - 1
    return np.bincount(second, kept).astype(bool)[second]


def read_tdrive(
    path: str | Path | Iterable[str | Path],
    horizon: int = 60,
    *,
    bounds: tuple[float, float, float, float] = BEIJING,
    max_speed_mps: float = MAX_SPEED_MPS,
    slot_s: float = SLOT_S,
    max_gap_s: float = MAX_GAP_S,
    min_span_m: float = MIN_SPAN_M,
    strict: bool = False,
    cache: str | Path | None = None,
) -> tuple[Trips, Report]:
    """Reads T-Drive files into trips on slots: see `read_samples` for the cleaning, and `to_trips` for the rest.

    Args:
        path: a folder, a file, or several.
        horizon: slots of a trip at most.
        bounds, max_speed_mps, strict: see `read_samples`.
        slot_s, max_gap_s, min_span_m: see `to_trips`.
        cache: folder for the trips, so that the same files need not be read again; None for none.
    Raises:
        FileNotFoundError: there is no such file or folder.
        RecordError: no row or trip is usable, gzip data are damaged, an argument is out of range, or what `strict` says.
    """
    files = files_of(path)
    arguments = {
        "horizon": horizon, "bounds": list(bounds), "max_speed_mps": max_speed_mps, "slot_s": slot_s,
        "max_gap_s": max_gap_s, "min_span_m": min_span_m, "strict": strict,
    }  # fmt: skip

    def make() -> tuple[dict[str, np.ndarray], dict]:
        samples, report = read_samples(files, bounds=bounds, max_speed_mps=max_speed_mps, strict=strict)
        trips = to_trips(
            samples, horizon, slot_s=slot_s, max_gap_s=max_gap_s, max_speed_mps=max_speed_mps, min_span_m=min_span_m
        )
        report.left_out = {f"trips {reason}": n for reason, n in trips.left_out.items()}
        arrays = {"lat_deg": trips.lat_deg, "lon_deg": trips.lon_deg, "n_slots": trips.n_slots}
        rest = {"centre": trips.centre, "left_out": trips.left_out, "jumps": trips.jumps}
        return arrays, rest | {"report": report.to_json()}

    arrays, header = remembered(cache, "tdrive", FORMAT, files, arguments, tuple(DTYPES), make, _check_cache)
    return _trips(arrays, header), Report(**header["report"])


def _trips(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Trips:
    lat_deg, lon_deg = header["centre"]
    return Trips(**arrays, centre=(lat_deg, lon_deg), left_out=header["left_out"], jumps=header["jumps"])


def _check_cache(where: str, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    """Refuse what is no trips; raises what `remembered` asks for."""
    shape = arrays["lat_deg"].shape
    if len(shape) != 2:
        raise RecordError(f"{where}: lat_deg has shape {shape}, not (trip, slot)")
    shapes = {"lat_deg": shape, "lon_deg": shape, "n_slots": shape[:1]}
    check_arrays(where, arrays, DTYPES, shapes, "")
    _trips(arrays, header)
    Report(**header["report"])
