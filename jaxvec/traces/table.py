"""Reading tables of trajectories, a position a row.

`read_table("us101.csv", "ngsim")` knows the columns of a data set that is common, see `DATASETS`; of another table you say
them: `read_table("cars.csv", Columns(id="car", time="t", longitude="lon", latitude="lat"))`. It reads CSV, plain or gzipped,
and Parquet, which needs the extra `geo`. Rows may be in any order. A row may also be a whole trip, its positions a list.

Rows are left out, and counted under: `blank`, without an id; `other`, of other values, times or places than asked for;
`fields`, not as many as there are names; `parse`, a number or a time that is none; `bounds`, not finite, beyond any position, or
faster than `max_speed_mps`; `duplicate`, a second one of a vehicle and time; `speed`, where the vehicle cannot have been, on the
longest way that is possible. Where two parts contradict one another that are long enough for a row each, the row is cut: a
`jump` in the report.
"""

import csv
import json
import math
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.core.npz import RecordError
from jaxvec.traces import clock
from jaxvec.traces.columns import Column, Columns, columns_of
from jaxvec.traces.earth import Projection
from jaxvec.traces.records import (
    LARGEST,
    MAX_RECORDS,
    MAX_SPEED_MPS,
    Box,
    Options,
    origin_s_of,
    remembered_trace,
    tell,
    trace_of,
    window_of,
)
from jaxvec.traces.rows import Report, files_of, read_rows
from jaxvec.traces.trace import Trace
from jaxvec.traces.tracks import table_of

PARQUET = b"PAR1"  # its first bytes
MAX_LINE_BYTES = 1 << 20  # a trip of a day
BATCH_ROWS = 1 << 16
STRICT = ("fields", "parse", "bounds")
SHOWN = 20  # names of columns, in messages


def read_table(
    path: str | Path | Iterable[str | Path],
    columns: Columns | str,
    *,
    dt_s: float = 1.0,
    max_gap_s: float | None = None,
    begin: float | str | None = None,
    end: float | str | None = None,
    area: Box | None = None,
    origin_m: tuple[float, float] | None = None,
    origin_s: float | str | None = None,
    min_samples: int = 2,
    max_speed_mps: float = MAX_SPEED_MPS,
    projection: Projection | None = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> Trace:
    """Reads a table of positions, row by row: memory grows with the rows that are asked for. The module says what is left out.

    Args:
        path: a file, several, or a folder of them.
        columns: which they are, or the name of one of `DATASETS`.
        dt_s: time between samples [s]; see `read_fcd`.
        max_gap_s: between positions that are joined by a straight line [s]; None: three samples.
        begin, end: from and to which time rows are asked for, in seconds or as the table may have it; None: all.
        area: in which rows are asked for, least x and y, largest x and y, in the table's units: west, south, east, north.
        origin_m: point (x, y) that becomes (0, 0) [m]; None: (0, 0), or a point near the positions where these are far from it.
        origin_s: time that becomes 0; None: the first.
        min_samples: rows of the trace with fewer samples are dropped.
        max_speed_mps: of a vehicle [m/s].
        projection: of degrees; None: on a plane about the middle of the positions.
        strict: let `fields`, `parse`, `bounds` and `duplicate` be errors, which name the line.
        cache: folder for the trace, so that the same files need not be read again; None for none.
        report: to which all that is counted is added; without one, rows left out and jumps are warned of.
    Returns:
        The trace, rows ordered by enter_s.
    Raises:
        FileNotFoundError: there is no such file or folder.
        RecordError: a column is missing, no row is usable, a file is damaged, Parquet cannot be read here, positions disagree
            with speeds, or an argument is out of range.
        OSError: a file cannot be read.
    """
    options = Options(
        dt_s, origin_m, origin_s, min_samples, max_speed_mps, max_gap_s, projection, strict, window_of(begin, end), area
    )
    origin_s_of(options)
    if isinstance(columns, str):
        columns = columns_of([columns])
    columns.check()
    files = files_of(path)
    named = asdict(columns) | {"only": [[str(column), value] for column, value in columns.only.items()]}
    arguments = options.to_json() | {"columns": named}
    trace, counted = remembered_trace(cache, "table", files, arguments, lambda: table_trace(files, columns, options))
    return tell(path, trace, counted, report)


def table_trace(files: Sequence[Path], columns: Columns, options: Options) -> tuple[Trace, Report]:
    """The trace of tables, and what was counted.

    Args:
        files: the tables, of the same columns.
        columns: which they are.
        options: of the reader.
    Raises:
        RecordError: see `read_table`.
        OSError: a file cannot be read.
    """
    counted = Report()
    table = _Table(columns, options)
    for file in files:
        table.read(file, counted)
    where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    origin_s = origin_s_of(options)
    origin_s = table.first_s if origin_s is None else origin_s
    _order(where, table.records, options, counted)
    last_s = max((records[-5] for records in table.records.values()), default=0.0) - origin_s
    if np.spacing(np.float32(abs(last_s))) > 0.1 * options.dt_s:
        raise RecordError(f"{where}: times up to {last_s:g} s are too large for float32 at dt_s = {options.dt_s:g} s")
    for records in table.records.values():
        table_of(records)[:, 0] -= origin_s
    degrees = None if columns.x is not None else True
    met = f"of {len(table.records)} vehicles, "
    trace = trace_of(where, table.records, table.first_s - origin_s, options, counted, degrees=degrees, met=met)
    return trace, counted


def _order(where: str, vehicles: Mapping[str, array], options: Options, report: Report) -> None:
    """Records of each in order of time, the first of those of one time."""
    for name, records in vehicles.items():
        table = table_of(records)
        if np.all(np.diff(table[:, 0]) > 0):
            continue
        table = table[np.argsort(table[:, 0], kind="stable")]
        first = np.append(True, np.diff(table[:, 0]) > 0)
        if options.strict and not first.all():
            raise RecordError(f"{where}: vehicle {name!r} has two rows of time {table[~first][0, 0]:g} s: duplicate")
        report.count("duplicate", int(np.sum(~first)))
        report.kept -= int(np.sum(~first))
        vehicles[name] = array("d", table[first].ravel())  # type: ignore[index]


class _Table:
    """Takes rows of tables.

    Attributes:
        records: by vehicle id; times as the table has them, in seconds, lengths in metres or degrees.
        first_s: the first time met, of those asked for.
    """

    def __init__(self, columns: Columns, options: Options):
        self.columns, self.options = columns, options
        self.roles = [role for role in ("speed", "angle") if getattr(columns, role) is not None]
        self.at: dict[str, int] = {}  # of roles, the number of the column
        self.only: list[tuple[int, str]] = []
        self.n_fields = 0
        self.n_records = 0
        self.records: dict[str, array] = {}
        self.first_s = math.inf

    def names(self, where: str, names: Sequence[str] | None) -> list[int]:
        """Finds the columns, and says which these are; None of a table without names."""
        columns = self.columns
        self.n_fields = len(names) if names is not None else 0

        def find(column: Column) -> int:
            if isinstance(column, int):
                if names is not None and column >= len(names):
                    raise RecordError(f"{where}: no column {column}; there are {len(names)}")
                return column
            wanted = (column,) if isinstance(column, str) else column
            at = next((n for name in wanted for n in [_index(names or (), name)] if n is not None), None)
            if at is None:
                shown = ", ".join((names or ())[:SHOWN]) or "none"
                raise RecordError(f"{where}: no column {' or '.join(wanted)}; there are {shown}")
            return at

        needed = ("id", "time", *columns.place)
        self.at = {role: find(getattr(columns, role)) for role in needed}
        for role in self.roles:
            try:
                self.at[role] = find(getattr(columns, role))
            except RecordError:
                if not isinstance(getattr(columns, role), tuple):  # of several names, of which one may be there
                    raise
        self.only = [(find(column), value) for column, value in columns.only.items()]
        return sorted({*self.at.values(), *(n for n, _ in self.only)})

    def read(self, file: Path, report: Report) -> None:
        """Takes all rows of a file."""
        with file.open("rb") as begin:
            parquet = begin.read(4) == PARQUET
        if parquet:
            self._read_parquet(file, report)
            return
        named = not isinstance(self.columns.id, int)
        if not named:
            self.names(str(file), None)

        def take(line: bytes, _: int, number: int) -> str | None:
            try:
                fields = self._split(line.decode())
            except (UnicodeDecodeError, csv.Error):
                return "parse"
            if named and number == 1:
                self.names(f"{file}:1", [name.strip() for name in fields])
                return "names"
            return self.take(fields)

        strict = STRICT if self.options.strict else ()
        counted = Report()
        read_rows([file], take, counted, skipped=("blank", "names", "other"), strict=strict, most_bytes=MAX_LINE_BYTES)
        counted.rows -= counted.reasons.pop("names", 0)
        report.add(counted)

    def _split(self, text: str) -> list[str]:
        delimiter = self.columns.delimiter
        return next(csv.reader([text], delimiter=delimiter)) if '"' in text else text.split(delimiter)

    def _read_parquet(self, file: Path, report: Report) -> None:
        counted = Report(files=1)
        for values in _parquet_rows(file, self):
            counted.rows += 1
            reason = self.take(values)
            if reason is None:
                counted.kept += 1
            elif self.options.strict and reason in STRICT:
                raise RecordError(f"{file}, row {counted.rows}: {reason}")
            else:
                counted.count(reason)
        report.add(counted)

    def take(self, values: Sequence[Any]) -> str | None:
        """Takes a row, or says why it is left out."""
        if len(values) != self.n_fields if self.n_fields else len(values) <= max(self.at.values()):
            return "fields"
        if any(str(values[n]).strip() != wanted for n, wanted in self.only):
            return "other"
        try:
            time_s = _seconds(values[self.at["time"]], self.columns.time_unit_s)
        except ValueError:
            return "parse"
        if not math.isfinite(time_s):
            return "bounds"
        if not self.options.window_s[0] <= time_s <= self.options.window_s[1]:
            return "other"
        name = values[self.at["id"]]
        if name is None or name == "":
            self.first_s = min(self.first_s, time_s)
            return "blank"
        try:
            speed, angle = (
                _number(values[self.at[role]]) if role in self.at else math.nan for role in ("speed", "angle")
            )
            places = self._places(values)
        except (ValueError, TypeError):
            return "parse"
        speed *= self.columns.length_unit_m
        if math.isinf(angle) or abs(speed) > self.options.max_speed_mps:
            return "bounds"
        return self._keep(str(name).strip(), time_s, places, speed, angle)

    def _places(self, values: Sequence[Any]) -> list[tuple[float, float]]:
        """The positions of a row."""
        if self.columns.polyline is not None:
            points = values[self.at["polyline"]]
            points = json.loads(points) if isinstance(points, str) else points
            return [(_number(x), _number(y)) for x, y in points]
        x, y = (_number(values[self.at[role]]) for role in self.columns.place)
        return [(x, y)]

    def _keep(
        self, name: str, time_s: float, places: list[tuple[float, float]], speed: float, angle: float
    ) -> str | None:
        """Appends positions of a vehicle; of none that can be, says why."""
        columns, degrees = self.columns, self.columns.x is None
        unit_x, unit_y = (1.0, 1.0) if degrees else (columns.length_unit_m, columns.length_unit_m)
        unit_y = -unit_y if columns.flip_y else unit_y
        most_x, most_y = (360.0, 90.0) if degrees else (LARGEST, LARGEST)
        reason: str | None = "blank"
        taken = False
        for k, (x, y) in enumerate(places):
            at_s = time_s + k * (columns.interval_s or 0.0)
            if not (abs(x * unit_x) <= most_x and abs(y * unit_y) <= most_y):
                reason = "bounds"
            elif at_s > self.options.window_s[1] or not self.options.within(x, y):
                reason = "other"
            else:
                taken = True
                self.first_s = min(self.first_s, at_s)
                self.records.setdefault(name, array("d")).extend((at_s, x * unit_x, y * unit_y, speed, angle))
                self.n_records += 1
        if self.n_records > MAX_RECORDS:
            raise RecordError(f"more than {MAX_RECORDS} records; take a part of them, by times or an area")
        return None if taken else reason


def _index(names: Sequence[str], name: str) -> int | None:
    return names.index(name) if name in names else None


def _number(value: Any) -> float:
    """A number of a field; one that is missing is none."""
    if isinstance(value, str):
        return clock.number(value)
    if value is None or isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _seconds(value: Any, unit_s: float) -> float:
    """A time of a field [s]."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        raise ValueError(value)
    if isinstance(value, str) and unit_s == 1.0:
        return clock.seconds(value)
    return _number(value) * unit_s


def _parquet_rows(file: Path, table: _Table) -> Iterator[Sequence[Any]]:
    """The rows of a Parquet file; columns that nobody asks for are None."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise RecordError(f"{file} is Parquet, which needs pyarrow: pip install 'jaxvec[geo]'") from error
    try:
        with pyarrow.parquet.ParquetFile(file) as parquet:
            names = parquet.schema_arrow.names
            wanted = table.names(str(file), names)
            for batch in parquet.iter_batches(BATCH_ROWS, columns=[names[n] for n in wanted]):
                columns: list[Any] = [[None] * batch.num_rows] * len(names)
                for n in wanted:
                    columns[n] = batch.column(names[n]).to_pylist()
                yield from zip(*columns, strict=True)
    except pyarrow.ArrowException as error:
        raise RecordError(f"{file}: not whole Parquet: {error}") from error
