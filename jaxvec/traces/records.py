"""What readers do alike once they have met all records of vehicles: to metres, onto a grid of times, one row a visit.

Records of a vehicle are an array t, x, y, speed, angle, t, x, ... in the file's seconds and coordinates, in m/s and degrees;
speed and angle are nan where the file does not tell them.
"""

import math
import os
import warnings
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvec.core.npz import RecordError, remembered
from jaxvec.traces import clock
from jaxvec.traces.earth import Projection, plane
from jaxvec.traces.rows import Report
from jaxvec.traces.trace import DTYPES, Trace, check
from jaxvec.traces.tracks import Grid, box, check_units, in_degrees, rows, table_of

MAX_CELLS = 50_000_000  # most entries of one (vehicle, sample) array, 200 MB of float32
MAX_RECORDS = 50_000_000  # of all vehicles, 2 GB while they are read
MAX_SPEED_MPS = 150.0  # faster than any train
LARGEST = 1e9  # largest position [m], heading [degree] and time [s] taken; SUMO writes -2^30 where there is no position
ROUNDING_MPS = 0.1  # what float32 may move the farthest position between two samples, above which there is a warning
FAR_M = 1e5  # from which on an origin is chosen near the positions, if that is left open
ROUND_M = 1e3  # of an origin that is chosen
DEGREES_DIGITS = 5  # of an anchor that is chosen
EXPECTED = {"type", "other", "blank"}  # reasons that nobody is warned of
FORMAT = 1  # of the cache

Box = tuple[float, float, float, float]
"""Least x and y, largest x and y; of degrees west, south, east, north."""


class Options(NamedTuple):
    """What the readers of recordings take alike.

    Attributes:
        dt_s: time between samples [s].
        origin_m: point (x, y) that becomes (0, 0) [m]; None: (0, 0), or near the positions where these are far from it.
        origin_s: time of the file that becomes 0 [s], or a text, as the file may have it; None: that of the first record.
        min_samples: rows with fewer samples are dropped.
        max_speed_mps: of a vehicle [m/s].
        max_gap_s: between records that are joined by a straight line [s]; None: three samples.
        projection: of degrees; None: on a plane about the middle of the recording.
        strict: let faults of rows be errors, which name the line.
        window_s: first and last time that is asked for, of the file [s].
        area: in which positions are asked for, in the file's units; None: everywhere.
    """

    dt_s: float = 1.0
    origin_m: tuple[float, float] | None = (0.0, 0.0)
    origin_s: float | str | None = None
    min_samples: int = 2
    max_speed_mps: float = MAX_SPEED_MPS
    max_gap_s: float | None = None
    projection: Projection | None = None
    strict: bool = False
    window_s: tuple[float, float] = (-math.inf, math.inf)
    area: Box | None = None

    def within(self, x: float, y: float) -> bool:
        """Whether a position is asked for.

        Args:
            x, y: as the file has them.
        """
        return self.area is None or (self.area[0] <= x <= self.area[2] and self.area[1] <= y <= self.area[3])

    @property
    def grid(self) -> Grid:
        """Of the rows."""
        return Grid(self.dt_s, self.min_samples, self.max_speed_mps, self.max_gap_s)

    def to_json(self) -> dict[str, Any]:
        """By name, as JSON can hold them."""
        projection = None if self.projection is None else self.projection.name
        return self._asdict() | {"projection": projection, "window_s": [str(x) for x in self.window_s]}


def origin_s_of(options: Options) -> float | None:
    """The origin of time in seconds, or None where that is left open, if all options are in their ranges.

    Args:
        options: as a caller gave them.
    Raises:
        RecordError: names the first that is not.
    """
    if not (math.isfinite(options.dt_s) and 0 < np.float32(options.dt_s) < np.inf):
        raise RecordError(f"dt_s is {options.dt_s} s, not positive")
    origin_m = options.origin_m
    if origin_m is not None and not all(math.isfinite(value) and abs(value) <= LARGEST for value in origin_m):
        raise RecordError(f"origin_m {origin_m} is not two finite numbers up to {LARGEST:g}")
    origin_s = options.origin_s
    try:
        begin_s = clock.seconds(origin_s) if isinstance(origin_s, str) else origin_s
    except ValueError as error:
        raise RecordError(f"origin_s {error}") from error
    if begin_s is not None and not math.isfinite(begin_s):
        raise RecordError(f"origin_s {origin_s} is not finite")
    if options.min_samples < 1:
        raise RecordError(f"min_samples is {options.min_samples}, not at least 1")
    if not options.max_speed_mps > 0:
        raise RecordError(f"max_speed_mps is {options.max_speed_mps}, not positive")
    area = options.area
    if area is not None and not (area[0] < area[2] and area[1] < area[3]):
        raise RecordError(f"area {area} is not least x and y, then largest x and y")
    if options.max_gap_s is not None and not options.max_gap_s >= 0:
        raise RecordError(f"max_gap_s is {options.max_gap_s}, not a length of time")
    return begin_s


def window_of(begin: float | str | None, end: float | str | None) -> tuple[float, float]:
    """The first and last time asked for [s].

    Args:
        begin, end: in seconds, or as a file may have them; None: all.
    Raises:
        RecordError: one is no time, or the end comes first.
    """
    times = []
    for name, value, default in (("begin", begin, -math.inf), ("end", end, math.inf)):
        try:
            times.append(default if value is None else clock.seconds(value) if isinstance(value, str) else float(value))
        except ValueError as error:
            raise RecordError(f"{name} {error}") from error
    if not times[0] <= times[1]:
        raise RecordError(f"begin {begin} is not before end {end}")
    return times[0], times[1]


def trace_of(
    where: str,
    vehicles: Mapping[str, array],
    first_s: float,
    options: Options,
    report: Report,
    *,
    degrees: bool | None = None,
    met: str = "",
    first_fault: str = "",
) -> Trace:
    """The trace of records in order of time; positions are changed to metres in place.

    Args:
        where: what to call the file.
        vehicles: records by name.
        first_s: of the grid, in the time of the records, which is the trace's [s].
        options: of the reader.
        report: to which outliers, cuts, short tracks, origin and anchor are added.
        degrees: whether x and y are longitude and latitude; None: by what speeds say.
        met: what was met, in words that a comma follows, for the message if no row is left.
        first_fault: of a record that was left out, for the end of that message.
    Raises:
        RecordError: positions disagree with speeds, no vehicle is left, or the arrays would exceed MAX_CELLS.
    """
    to_plane(vehicles.values(), options, report, in_degrees(vehicles.values()) if degrees is None else degrees)
    check_units(where, vehicles.values())
    grid = options.grid
    table = [row for records in vehicles.values() for row in rows(records, first_s, grid, report)]
    if not table:
        raise RecordError(
            f"{where}: no vehicle is usable: {met}none has {grid.min_samples} samples {grid.dt_s:g} s "
            f"apart, without a gap of more than {grid.gap_s:g} s: {report}{first_fault}"
        )
    width = max(row.shape[1] for _, row in table)
    if len(table) * width > MAX_CELLS:
        raise RecordError(
            f"{where}: {len(table)} rows of up to {width} samples are more than {MAX_CELLS} cells; "
            "take a shorter record or a larger dt_s"
        )
    return check(_packed(sorted(table, key=lambda row: row[0]), grid.dt_s), where)


def to_plane(vehicles: Any, options: Options, report: Report, degrees: bool) -> None:
    """Changes positions to metres from the origin, in place, and tells origin, anchor and projection.

    Args:
        vehicles: records of each.
        options: of the reader.
        report: told.
        degrees: whether x and y are longitude and latitude.
    """
    tables = [table_of(records) for records in vehicles]
    if not tables:
        return
    projection = options.projection
    if degrees and projection is None:
        low, high = box(tables)
        lon_deg, lat_deg = np.round((low + high) / 2, DEGREES_DIGITS)
        projection = plane((float(lat_deg), float(lon_deg)))
    if degrees and projection is not None:
        for table in tables:
            table[:, 1], table[:, 2] = projection.to_metres(table[:, 2], table[:, 1])
    origin_m = options.origin_m
    if origin_m is None:
        low, high = box(tables)
        far = max(np.max(np.abs(low)), np.max(np.abs(high))) > FAR_M
        x_m, y_m = np.round((low + high) / 2 / ROUND_M) * ROUND_M if far else (0.0, 0.0)
        origin_m = float(x_m), float(y_m)
    for table in tables:
        table[:, 1:3] -= origin_m
    report.origin_m = list(origin_m)
    if projection is not None:
        lat_deg, lon_deg = projection.to_degrees(*origin_m)
        report.anchor_deg, report.projection = [float(lat_deg), float(lon_deg)], projection.name


def _packed(rows: Sequence[tuple[float, np.ndarray]], dt_s: float) -> Trace:
    """Of rows in order, each its first time and `(4, sample)`; short ones are padded by their last sample."""
    n_samples = np.array([row.shape[1] for _, row in rows], np.int32)
    table = np.empty((4, len(rows), n_samples.max()), np.float32)
    for n, (_, row) in enumerate(rows):
        table[:, n, : row.shape[1]] = row
        table[:, n, row.shape[1] :] = table[:, n, row.shape[1] - 1, None]
    return Trace(
        x_m=table[0],
        y_m=table[1],
        vx_mps=table[2],
        vy_mps=table[3],
        enter_s=np.array([enter_s for enter_s, _ in rows], np.float32),
        n_samples=n_samples,
        dt_s=np.array(dt_s, np.float32),
    )


def remembered_trace(
    cache: str | os.PathLike[str] | None,
    kind: str,
    files: Sequence[Path],
    arguments: Mapping[str, Any],
    make: Callable[[], tuple[Trace, Report]],
) -> tuple[Trace, Report]:
    """What `make` returned before for the same files and arguments, or now; see `jaxvec.core.npz.remembered`.

    Args:
        cache: folder, or None to read anew.
        kind: of the reader.
        files: that it reads.
        arguments: on which its result depends, as JSON can hold them.
        make: reads.
    Raises:
        RecordError: as `make`.
        OSError: as `make`, or the folder cannot be read or written.
    """

    def made() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        trace, report = make()
        return {name: np.asarray(getattr(trace, name)) for name in DTYPES}, {"report": report.to_json()}

    def check_kept(where: str, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        check(Trace(**arrays), where)
        Report(**header["report"])

    arrays, header = remembered(cache, kind, FORMAT, files, arguments, tuple(DTYPES), made, check_kept)
    return Trace(**arrays), Report(**header["report"])


def tell(path: object, trace: Trace, counted: Report, report: Report | None) -> Trace:
    """Adds what was counted to the caller's report, or warns of it; and warns of positions that float32 cannot hold well.

    Args:
        path: what was read, for the message.
        trace: that was made.
        counted: while reading.
        report: the caller's.
    Returns:
        The trace.
    """
    if report is not None:
        report.add(counted)
    elif set(counted.reasons) - EXPECTED or counted.cuts:
        warnings.warn(f"{path}: {counted}; a `report` takes this instead of a warning", stacklevel=3)
    farthest_m = max(float(np.max(np.abs(x))) for x in (trace.x_m, trace.y_m))
    if (resolution_m := float(np.spacing(np.float32(farthest_m)))) > ROUNDING_MPS * trace.dt_s:
        warnings.warn(
            f"{path}: positions of up to {farthest_m:.3g} m are kept to {resolution_m:g} m; set origin_m near the road",
            stacklevel=3,
        )
    return trace
