"""Traffic counts and the places of their stations, from files of the Caltrans Performance Measurement System (PeMS).

Of its Clearinghouse, by one's own download: *Station 5-Minute* (`dDD_text_station_5min_YYYY_MM_DD.txt.gz`, comma-separated,
without a header) and *Station Metadata* (`dDD_text_meta_YYYY_MM_DD.txt`, tab-separated, with one). The tables of single stations
that its web pages export have another format, and are not read.
"""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvec.core.npz import RecordError, check_arrays, remembered
from jaxvec.forecast.counts import BINS_PER_DAY
from jaxvec.traces.assemble import Sites
from jaxvec.traces.earth import Anchor, to_metres
from jaxvec.traces.gaps import fill
from jaxvec.traces.rows import Report, files_of, number_in, read_rows
from jaxvec.traces.station_days import UNSEEN, Days, check_size, table, unseen_day

MAINLINE = ("ML",)
MOST_VEHICLES = 2000.0  # of a bin: larger counts are faults
MOST_MISSING = 0.2  # of a station's bins
MAX_STATIONS = 1_000_000
MOST_WIDTH_M = 40e3  # of the square that RSUs are in
STRICT = ("fields", "parse", "grid")
FORMAT = 2  # of the cache
COLUMNS = ("ID", "Latitude", "Longitude", "Type", "Lanes", "Fwy", "Dir")
DTYPES = {"station": np.int64, "counts": np.float32, "missing": np.float32}


class Stations(NamedTuple):
    """Where stations are, in the order of the file.

    Attributes:
        station: (station,) int64, ids.
        lat_deg, lon_deg: (station,) float64 [degree].
        lanes: (station,) int32.
        road: (station,) str, freeway and direction.
    """

    station: np.ndarray
    lat_deg: np.ndarray
    lon_deg: np.ndarray
    lanes: np.ndarray
    road: np.ndarray


class Counts(NamedTuple):
    """What stations counted, by increasing id, without gaps.

    Attributes:
        station: (station,) int64, ids.
        counts: (station, bin) float32, vehicles per 5 min.
        missing: (station,) float32, part of the bins that are filled in.
        begin: when the first bin begins, local time.
    """

    station: np.ndarray
    counts: np.ndarray
    missing: np.ndarray
    begin: datetime

    def whole_days(self) -> "Counts":
        """From the first midnight to the last.

        Raises:
            RecordError: there is no whole day.
        """
        late = self.begin.hour * 12 + self.begin.minute // 5
        first = -late % BINS_PER_DAY
        n_days = (self.counts.shape[1] - first) // BINS_PER_DAY
        if n_days < 1:
            raise RecordError(f"counts of {self.counts.shape[1]} bins from {self.begin} on have no whole day")
        counts = self.counts[:, first : first + n_days * BINS_PER_DAY]
        return self._replace(counts=counts, begin=self.begin + timedelta(minutes=5 * first))


def read_stations(path: str | Path, types: tuple[str, ...] = MAINLINE) -> tuple[Stations, Report]:
    """Reads station metadata; columns are found by their names, whatever their case and order.

    Rows are dropped, and counted under: `blank`; `fields`, fewer than the columns need; `parse`, an id or number of lanes that
    is none; `coordinates`, of which PeMS has none for some stations; `bounds`, none on Earth, or (0, 0); `type`, not asked for;
    `duplicate`, an id met before.

    Args:
        path: the file.
        types: of lanes, to keep.
    Raises:
        FileNotFoundError: there is no such file.
        RecordError: a column is missing (the message names it), no station is left, or gzip data are damaged.
    """
    (path,), report = files_of([path]), Report()
    column: dict[str, int] = {}
    rows: dict[int, tuple] = {}

    def take(line: bytes, _: int, number: int) -> str | None:
        fields = [field.strip() for field in line.split(b"\t")]
        if not column:
            place = {_text(name).casefold(): n for n, name in reversed(list(enumerate(fields)))}
            for name in COLUMNS:
                if name.casefold() not in place:
                    raise RecordError(f"{path}:{number}: there is no column {name!r} in the header of station metadata")
                column[name] = place[name.casefold()]
            return "header"
        if len(fields) <= max(column.values()):
            return "fields"
        row = {name: fields[n] for name, n in column.items()}
        try:
            station, lanes = number_in(int, row["ID"]), number_in(int, row["Lanes"])
            if not (0 <= station < 2**63 and 0 <= lanes < 100):
                return "parse"
        except ValueError:
            return "parse"
        try:
            lat_deg, lon_deg = number_in(float, row["Latitude"]), number_in(float, row["Longitude"])
        except ValueError:
            return "coordinates"
        if not (abs(lat_deg) < 85 and abs(lon_deg) <= 180 and (lat_deg or lon_deg)):
            return "bounds"
        if _text(row["Type"]) not in types:
            return "type"
        if station in rows:
            return "duplicate"
        if len(rows) >= MAX_STATIONS:
            raise RecordError(f"{path}:{number}: more than {MAX_STATIONS} stations")
        rows[station] = (lat_deg, lon_deg, lanes, f"{_text(row['Fwy'])} {_text(row['Dir'])}".strip())
        return None

    read_rows([path], take, report, skipped=("blank", "header"))
    if not rows:
        raise RecordError(f"{path}: no station is usable: {report}")
    lat, lon, lanes, road = (np.array(x) for x in zip(*rows.values(), strict=True))
    return Stations(np.array(list(rows), np.int64), lat, lon, lanes.astype(np.int32), road), report


def read_counts(
    path: str | Path | Iterable[str | Path],
    stations: Iterable[int] | None = None,
    *,
    types: tuple[str, ...] = MAINLINE,
    min_observed_pct: float = 0.0,
    strict: bool = False,
    cache: str | Path | None = None,
) -> tuple[Counts, Report]:
    """Reads five-minute counts, from the first bin of any station to the last.

    Rows are skipped or dropped, and counted under: `blank`; `header`; `fields`, fewer than twelve; `parse`, a timestamp, id or
    number that is none; `grid`, not on a mark of five minutes; `station` and `type`, not asked for; `duplicate`, of a station
    and bin met before; `stray`, an hour or less on a day between two without rows, as a wrong date gives. Counts are taken as
    missing, and counted under: `missing`, empty; `range`, below 0 or above 2000; `unobserved`, with fewer than
    `min_observed_pct` of the samples observed.

    Missing bins are filled in, see `jaxvec.traces.gaps.fill`. Stations that miss more than 20 % are left out; days of which no
    station has a row, as of weekdays alone, are nobody's fault, and the report names them (`absent`).

    Args:
        path: a folder, a file, or several.
        stations: ids to keep; None for all.
        types: of lanes, to keep.
        min_observed_pct: see above [%].
        strict: let `fields`, `parse` and `grid` be errors.
        cache: folder for the counts, so that the same files need not be read again; None for none.
    Raises:
        FileNotFoundError: there is no such file or folder.
        RecordError: no row or station is usable, gzip data are damaged, days are more than 31 apart or too many, or what `strict`
            says.
    """
    files = files_of(path)
    wanted = None if stations is None else sorted({int(station) for station in stations})
    arguments = {"stations": wanted, "types": list(types), "min_observed_pct": min_observed_pct, "strict": strict}

    def make() -> tuple[dict[str, np.ndarray], dict]:
        reader = _Reader(str(path), wanted, types, min_observed_pct)
        report = Report()
        read_rows(files, reader.take, report, skipped=_Reader.harmless, strict=STRICT if strict else ())
        if not reader.days:
            raise RecordError(f"{path}: no row is usable: {report}")
        for reason, n in reader.missing.items():
            report.count(reason, n)
        station, raw, begin, present = table(reader.days, str(path), report)
        missing = np.isnan(raw[:, present]).mean(1)
        good = missing <= MOST_MISSING
        report.left_out = {"stations incomplete": int(np.sum(~good))}
        if not good.any():
            raise RecordError(
                f"{path}: each of {len(raw)} stations misses more than {MOST_MISSING:.0%} of its bins: {report}"
            )
        counts = np.stack([fill(row) for row in raw[good]]).astype(np.float32)
        arrays = {"station": station[good], "counts": counts, "missing": missing[good].astype(np.float32)}
        return arrays, {"begin": begin.isoformat(), "report": report.to_json()}

    arrays, header = remembered(cache, "pems", FORMAT, files, arguments, tuple(DTYPES), make, _check_cache)
    return Counts(**arrays, begin=datetime.fromisoformat(header["begin"])), Report(**header["report"])


def _check_cache(where: str, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    """Refuse what is no counts; raises what `remembered` asks for."""
    shape = arrays["counts"].shape
    if len(shape) != 2:
        raise RecordError(f"{where}: counts has shape {shape}, not (station, bin)")
    check_arrays(where, arrays, DTYPES, {"station": shape[:1], "counts": shape, "missing": shape[:1]}, "")
    datetime.fromisoformat(header["begin"])
    Report(**header["report"])


class _Reader:
    """Counts of stations, a day at a time.

    Attributes:
        days: see `jaxvec.traces.station_days`.
        missing: rows taken as missing, by reason.
    """

    harmless = ("blank", "header", "station", "type", "duplicate")

    def __init__(self, where: str, stations: list[int] | None, types: tuple[str, ...], min_observed_pct: float):
        self.where = where
        self.stations = None if stations is None else frozenset(stations)
        self.types = types
        self.min_observed_pct = min_observed_pct
        self.days: Days = {}
        self.missing: dict[str, int] = {}
        self.n_days = 0

    def take(self, line: bytes, file: int, number: int) -> str | None:
        if line[:9] == b"Timestamp":
            return "header"
        fields = line.split(b",")
        if len(fields) < 12:
            return "fields"
        try:
            when = _when(fields[0])
            station = number_in(int, fields[1])
            observed_pct, count = (number_in(float, x) if x.strip() else None for x in (fields[8], fields[9]))
        except ValueError:
            return "parse"
        if not 0 <= station < 2**63:
            return "parse"
        if when.second or when.minute % 5:
            return "grid"
        if self.stations is not None and station not in self.stations:
            return "station"
        if _text(fields[5].strip()) not in self.types:
            return "type"
        days = self.days.setdefault(station, {})
        bins = days.get(day := when.toordinal())
        if bins is None:
            self.n_days += 1
            check_size(
                self.n_days, f"{self.where}: {len(self.days)} stations on {self.n_days / len(self.days):.0f} days each"
            )
            bins = days[day] = unseen_day()
        n = when.hour * 12 + when.minute // 5
        if bins[n] != UNSEEN:
            return "duplicate"
        bins[n] = self.value(observed_pct, count)
        return None

    def value(self, observed_pct: float | None, count: float | None) -> float:
        """The count, or nan if it is missing, for a reason that is counted."""
        if count is None:
            reason = "missing"
        elif not 0 <= count <= MOST_VEHICLES:
            reason = "range"
        elif (observed_pct or 0.0) < self.min_observed_pct:
            reason = "unobserved"
        else:
            return count
        self.missing[reason] = self.missing.get(reason, 0) + 1
        return math.nan


def _text(field: bytes) -> str:
    return field.decode("utf-8", "replace")


def _when(field: bytes) -> datetime:
    """Of `MM/DD/YYYY HH24:MI:SS`.

    Raises:
        ValueError: it is none.
    """
    text = field.strip().decode("ascii")
    if len(text) != 19 or text[2] + text[5] + text[10] + text[13] + text[16] != "// ::":
        raise ValueError
    return datetime.fromisoformat(f"{text[6:10]}-{text[:2]}-{text[3:5]}{text[10:]}")


def near(stations: Stations, width_m: float = MOST_WIDTH_M) -> np.ndarray:
    """Ids of the stations in a square around the median of all.

    Args:
        stations: where they are.
        width_m: of the square [m].
    """
    return stations.station[_away_m(stations) <= width_m / 2]


def _away_m(stations: Stations) -> np.ndarray:
    """How far stations are from the median of all, east, west, north or south [m]."""
    x_m, y_m = to_metres(stations.lat_deg, stations.lon_deg, _middle(stations))
    return np.maximum(np.abs(x_m), np.abs(y_m))


def _middle(stations: Stations) -> Anchor:
    return float(np.median(stations.lat_deg)), float(np.median(stations.lon_deg))


def choose_sites(
    stations: Stations, counts: Counts, n_rsu: int = 84, *, width_m: float = 10e3, most_width_m: float = MOST_WIDTH_M
) -> Sites:
    """Chooses stations for roadside units: those in a square around the median of all stations.

    The square grows by 10 % until `n_rsu` stations with counts are inside, or it is `most_width_m` wide. Of more than that, the
    most complete are taken, of equals those of smaller ids.

    Args:
        stations: where they are.
        counts: what they counted.
        n_rsu: stations to choose.
        width_m: of the square to begin with [m].
        most_width_m: of the square at most [m].
    Raises:
        RecordError: there is none.
        ValueError: an argument is out of range.
    """
    if n_rsu < 1 or not 0 < width_m <= most_width_m:
        raise ValueError(
            f"n_rsu {n_rsu} is not at least 1, or width_m {width_m:g} not above 0 and up to {most_width_m:g}"
        )
    _, place, row = np.intersect1d(stations.station, counts.station, return_indices=True)
    away_m = _away_m(stations)[place]
    half_m = width_m / 2
    while np.sum(away_m <= half_m) < n_rsu and half_m < most_width_m / 2:
        half_m = min(1.1 * half_m, most_width_m / 2)
    inside = np.flatnonzero(away_m <= half_m)
    if not len(inside):
        raise RecordError(
            f"no station with counts lies in a square of {2 * half_m:g} m around {_middle(stations)}, the median of all; "
            f"{len(place)} of {len(counts.station)} with counts are among {len(stations.station)} with a place"
        )
    best = np.sort(
        inside[np.argsort(counts.missing[row[inside]], kind="stable")][:n_rsu]
    )  # by id, as place and row are
    place, row = place[best], row[best]
    lat_deg, lon_deg = stations.lat_deg[place], stations.lon_deg[place]
    return Sites(counts.station[row], lat_deg, lon_deg, counts.counts[row], _middle(stations), half_m)
