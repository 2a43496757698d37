"""Reading floating-car data, the record of every vehicle at every step that SUMO writes with --fcd-output.

As XML, and as the tables that newer SUMO writes where the name ends in .csv or .parquet, plain or gzipped; of tables with a row
of names. SUMO's angle is in degrees clockwise from north: vx = speed sin(angle), vy = speed cos(angle). Where it is missing, the
vehicle heads from the record before to the one after. Coordinates are metres; those of a file written with --fcd-output.geo are
degrees, which show by what speeds say, and are projected: as the net of the file does it where that is given, else on a plane
about the middle of the recording. Where speeds and positions disagree otherwise the file is refused. Times are seconds, a time of
day or a date. Persons and containers are passed over.

Records of vehicles are left out, and counted under: `type` and `other`, not asked for; `fields`, an attribute is missing;
`parse`, a number that is none; `bounds`, not finite, beyond any position, or faster than `max_speed_mps`; `duplicate`, a second
one of a vehicle in a timestep; `speed`, where the vehicle cannot have been, by its speeds, on the longest way that is possible.
Where two parts contradict one another that are long enough for a row each, the row is cut: a `jump` in the report.
"""

import math
import os
import re
from array import array
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxvec.traces import clock
from jaxvec.traces.columns import Columns
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
from jaxvec.traces.rows import GZIP_ERRORS, Report, opened
from jaxvec.traces.table import PARQUET, table_trace
from jaxvec.traces.trace import Trace
from jaxvec.traces.xml_stream import XmlReader, short

SUMO_TABLE = Columns(
    id=("vehicle_id", "timestep_vehicle_id", "id"),
    time=("timestep_time", "time"),
    x=("vehicle_x", "timestep_vehicle_x", "x"),
    y=("vehicle_y", "timestep_vehicle_y", "y"),
    speed=("vehicle_speed", "timestep_vehicle_speed", "speed"),
    angle=("vehicle_angle", "timestep_vehicle_angle", "angle"),
)
TYPE = ("vehicle_type", "timestep_vehicle_type", "type")


def read_fcd(
    path: str | os.PathLike[str],
    *,
    dt_s: float = 1.0,
    origin_m: tuple[float, float] | None = (0.0, 0.0),
    origin_s: float | str | None = 0.0,
    min_samples: int = 2,
    max_speed_mps: float = MAX_SPEED_MPS,
    begin: float | str | None = None,
    end: float | str | None = None,
    area: Box | None = None,
    projection: Projection | None = None,
    vehicle_type: str | None = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> Trace:
    """Reads SUMO's FCD as a stream: memory grows with the vehicles, not with the text.

    Times are put on one grid for all vehicles, file's first timestep + k * dt_s, by straight lines between the
    records before and after (positions and velocity components alike). Two records of a vehicle at most
    MAX_GAP_SAMPLES * dt_s apart are joined so, whatever is missing between; if they are further apart, the vehicle's
    row ends and a new one starts. A file with rarer records therefore needs a larger dt_s. The module says what is left out.

    Args:
        path: the file; gzip and Parquet are known by their first bytes.
        dt_s: time between samples [s].
        origin_m: point (x, y) of the file, or of the plane of its degrees, that becomes (0, 0) [m]; None: (0, 0), or a point
            near the positions where these are far from it, which the report tells.
        origin_s: time of the file that becomes 0 [s], or a text, as the file may have it; None: that of its first timestep.
        min_samples: rows with fewer samples are dropped.
        max_speed_mps: of a vehicle [m/s].
        begin, end: from and to which time records are asked for, in seconds or as the file may have it; None: all.
        area: in which records are asked for, least x and y, largest x and y, in the file's units.
        projection: of the net, see `read_net`: of positions in degrees; None: on a plane about the middle of the recording.
        vehicle_type: keep only vehicles whose attribute `type` is this; None keeps all.
        strict: let `fields`, `parse`, `bounds` and `duplicate` be errors, which name the line.
        cache: folder for the trace, so that the same file need not be read again; None for none.
        report: to which all that is counted is added; without one, records left out and jumps are warned of.
    Returns:
        The trace, rows ordered by enter_s, then by first appearance in the file.
    Raises:
        RecordError: the file is not whole, well-formed FCD (the message names file and line), positions disagree with speeds, no
            vehicle is left, the arrays would exceed MAX_CELLS, or an argument is out of range.
        OSError: the file cannot be opened or read.
    """
    window_s = window_of(begin, end)
    options = Options(dt_s, origin_m, origin_s, min_samples, max_speed_mps, None, projection, strict, window_s, area)
    origin_s_of(options)
    delimiter = _delimiter(path)

    def make() -> tuple[Trace, Report]:
        if delimiter is None:
            return _of_xml(path, options, vehicle_type)
        return _of_table(path, delimiter, options, vehicle_type)

    arguments = options.to_json() | {"vehicle_type": vehicle_type}
    trace, counted = remembered_trace(cache, "fcd", [Path(path)], arguments, make)
    return tell(path, trace, counted, report)


def _delimiter(path: str | os.PathLike[str]) -> str | None:
    """What stands between the fields of a table, which begins with the name of the time, or as Parquet does; None of XML."""
    with opened(path) as file:
        try:
            begin = file.read(64).removeprefix(b"\xef\xbb\xbf")
        except GZIP_ERRORS:
            return None  # the reader of XML says what is wrong
    if begin.startswith(PARQUET):
        return ";"
    name = re.match(rb"(?:timestep_time|time)([^\w\s])", begin)
    return name[1].decode("latin-1") if name else None


def _of_table(
    path: str | os.PathLike[str], delimiter: str, options: Options, vehicle_type: str | None
) -> tuple[Trace, Report]:
    """The trace of a CSV or Parquet file, and what was counted."""
    only = {} if vehicle_type is None else {TYPE: vehicle_type}
    return table_trace([Path(path)], replace(SUMO_TABLE, delimiter=delimiter, only=only), options)


def _of_xml(path: str | os.PathLike[str], options: Options, vehicle_type: str | None) -> tuple[Trace, Report]:
    """The trace of an XML file, and what was counted."""
    counted = Report(files=1)
    reader = _Reader(path, options, vehicle_type, counted)
    reader.read()
    where = f"{path}, line {reader.last_line}"
    met, fault = f"{reader.met()}, ", reader.first_fault
    return trace_of(where, reader.records, reader.first_s, options, counted, met=met, first_fault=fault), counted


class _Reader(XmlReader):
    """One pass over a file.

    Attributes:
        records: by vehicle id, in the order of the file, times shifted to the origin.
        first_s: time of the first timestep, shifted.
        n_steps: timesteps met.
        first_fault: of a record that was left out, in words.
    """

    root = "fcd-export"
    what = "FCD"

    def __init__(self, path: str | os.PathLike[str], options: Options, vehicle_type: str | None, report: Report):
        super().__init__(path)
        self.options = options
        self.origin_s = origin_s_of(options)
        self.vehicle_type = vehicle_type
        self.report = report
        self.records: dict[str, array] = {}
        self.first_s = self.time_s = -math.inf
        self.n_steps = 0
        self.first_fault = ""
        self.in_step = self.in_window = False
        self.seen: set[str] = set()  # vehicles of this timestep

    def met(self) -> str:
        """How many vehicles and timesteps were met, in words."""
        vehicles = "vehicles" if self.vehicle_type is None else f"vehicles of type {self.vehicle_type!r}"
        return f"of {len(self.records)} {vehicles} in {self.n_steps} timesteps"

    def element(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "timestep":
            if self.depth != 2:
                self.fail("a timestep inside another element")
            self.in_step = True
            self.in_window = self.timestep(attributes)
        elif tag == "vehicle":
            if self.depth != 3 or not self.in_step:
                self.fail("a vehicle outside a timestep")
            self.vehicle(attributes)

    def ended(self) -> None:
        if self.depth == 1:
            self.in_step = False

    def timestep(self, attributes: dict[str, str]) -> bool:
        """Takes a time; whether it is asked for."""
        raw = attributes.get("time")
        if raw is None:
            self.fail("a timestep has no attribute 'time'")
        try:
            file_s = clock.seconds(raw)
        except ValueError:
            self.fail(f"a timestep has time={short(raw)!r}, which is not a time: {clock.ACCEPTED}")
        if not math.isfinite(file_s):
            self.fail(f"a timestep has time={short(raw)!r}, which is not finite")
        begin_s, end_s = self.options.window_s
        if not begin_s <= file_s <= end_s:
            return False
        self.origin_s = file_s if self.origin_s is None else self.origin_s
        time_s = file_s - self.origin_s
        if time_s <= self.time_s:
            how = "is repeated" if time_s == self.time_s else "comes after a later one"
            self.fail(f"timestep time={short(raw)!r} {how}; times must increase")
        if abs(time_s) > LARGEST or np.spacing(np.float32(abs(time_s))) > 0.1 * self.options.dt_s:
            self.fail(f"time={short(raw)!r} is too large for float32 at dt_s = {self.options.dt_s:g} s; set origin_s")
        if np.spacing(abs(file_s)) > 0.1 * self.options.dt_s:
            self.fail(f"time={short(raw)!r} is too large for steps of {self.options.dt_s:g} s, whatever the origin")
        if self.n_steps == 0:
            self.first_s = time_s
        self.time_s = time_s
        self.n_steps += 1
        self.seen.clear()
        return True

    def vehicle(self, attributes: dict[str, str]) -> None:
        self.report.rows += 1
        fault = self.record(attributes)
        if fault is None:
            self.report.kept += 1
            if self.report.kept > MAX_RECORDS:
                self.fail(f"more than {MAX_RECORDS} records; take a shorter recording")
        elif self.options.strict and fault[0] not in ("type", "other"):
            self.fail(fault[1])
        else:
            self.report.count(fault[0])
            self.first_fault = self.first_fault or f"; the first, in line {self.line}: {fault[1]}"

    def record(self, attributes: dict[str, str]) -> tuple[str, str] | None:
        """Takes a vehicle's record, or says why it is left out: the reason that it counts under, and all of it in words."""
        name = attributes.get("id")
        if name is None:
            return "fields", "a vehicle has no attribute 'id'"
        who = f"vehicle {short(name)!r}"
        if not self.in_window:
            return "other", f"{who} is there at another time"
        if self.vehicle_type is not None and attributes.get("type") != self.vehicle_type:
            missing = "type" not in attributes
            return ("fields", f"{who} has no attribute 'type'") if missing else ("type", f"{who} is of another type")
        numbers = {"angle": math.nan}
        for attribute in ("x", "y", "speed", "angle"):
            raw = attributes.get(attribute)
            if raw is None and attribute != "angle":
                return "fields", f"{who} has no attribute {attribute!r}"
            if raw is None:
                continue
            has = f"{who} has {attribute}={short(raw)!r}, which is"
            try:
                numbers[attribute] = value = clock.number(raw)
            except ValueError:
                return "parse", f"{has} not a number"
            largest = self.options.max_speed_mps if attribute == "speed" else LARGEST
            if not math.isfinite(value):
                return "bounds", f"{has} not finite"
            if abs(value) > largest:
                return "bounds", f"{has} larger than {largest:g}"
        if name in self.seen:
            return "duplicate", f"{who} occurs twice in one timestep"
        if not self.options.within(numbers["x"], numbers["y"]):
            return "other", f"{who} is elsewhere"
        self.seen.add(name)
        place = numbers["x"], numbers["y"]
        self.records.setdefault(name, array("d")).extend((self.time_s, *place, numbers["speed"], numbers["angle"]))
        return None
