"""Trips of taxis from T-Drive files (Yuan et al., 2010: taxis of Beijing in a week of 2008).

Text, a sample a line: `taxi_id,YYYY-MM-DD HH:MM:SS,longitude,latitude`, longitude first. The files, of one's own download, may
have any names and may be gzipped; the id in the row counts, not the file's name.
"""

from array import array
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import numpy as np

from jaxvec.core.npz import RecordError, remembered
from jaxvec.traces.earth import ground_m
from jaxvec.traces.rows import Report, files_of, number_in, read_rows
from jaxvec.traces.trips import MAX_GAP_S, MIN_SPAN_M, SLOT_S, Samples, Trips, to_trips

BEIJING = (115.4, 117.6, 39.4, 41.1)  # west, east, south, north [degree]
MAX_SPEED_MPS = 50.0
MAX_SAMPLES = 100_000_000
STRICT = ("fields", "parse", "bounds", "duplicate")
FORMAT = 1  # of the cache
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
    `bounds`, outside them, as (0, 0) and swapped columns are; `duplicate`, of a taxi and second of which there is a row
    already; `speed`, too far from the taxi's last kept row.

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
    duplicate, fast = _implausible(samples, max_speed_mps)
    if strict and duplicate.any():
        n = order[np.flatnonzero(duplicate)[0]]
        raise RecordError(f"{files[places[0][n]]}:{places[1][n]}: duplicate")
    report.count("duplicate", int(duplicate.sum()))
    report.count("speed", int(fast.sum()))
    samples = Samples(*(column[~(duplicate | fast)] for column in samples))
    report.kept = len(samples.vehicle)
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


def _implausible(samples: Samples, max_speed_mps: float) -> tuple[np.ndarray, np.ndarray]:
    """Which samples are of a second that has one already, and which cannot be reached from the last kept one."""
    duplicate, fast = np.zeros((2, len(samples.vehicle)), bool)
    vehicle, time_s, lat, lon = samples
    gap_s = np.diff(time_s)
    far = ground_m(lat[:-1], lon[:-1], lat[1:], lon[1:]) > max_speed_mps * gap_s
    kept = -1
    for before in np.flatnonzero((vehicle[1:] == vehicle[:-1]) & ((gap_s == 0) | far)).tolist():
        if before < kept:  # all up to there are dealt with
            continue
        kept, n = before, before + 1
        while n < len(vehicle) and vehicle[n] == vehicle[kept]:
            if time_s[n] == time_s[kept]:
                duplicate[n] = True
            elif ground_m(lat[kept], lon[kept], lat[n], lon[n]) > max_speed_mps * (time_s[n] - time_s[kept]):
                fast[n] = True
            else:
                break
            n += 1
        kept = n
    return duplicate, fast


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
        trips = to_trips(samples, horizon, slot_s=slot_s, max_gap_s=max_gap_s, min_span_m=min_span_m)
        report.left_out = {f"trips {reason}": n for reason, n in trips.left_out.items()}
        arrays = {"lat_deg": trips.lat_deg, "lon_deg": trips.lon_deg, "n_slots": trips.n_slots}
        return arrays, {"centre": trips.centre, "left_out": trips.left_out, "report": report.to_json()}

    arrays, header = remembered(cache, "tdrive", FORMAT, files, arguments, ("lat_deg", "lon_deg", "n_slots"), make)
    return Trips(**arrays, centre=tuple(header["centre"]), left_out=header["left_out"]), Report(**header["report"])
