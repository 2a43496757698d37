"""Reading floating-car data, the record of every vehicle at every step that SUMO writes with --fcd-output.

SUMO's angle is in degrees clockwise from north: vx = speed sin(angle), vy = speed cos(angle). Where it is missing, the
vehicle heads from the record before to the one after. Coordinates are metres; a file written with --fcd-output.geo holds
degrees, and is refused, as are others whose speeds and positions disagree throughout. Times are seconds, a time of day or a
date. Persons and containers are passed over.

Records of vehicles are left out, and counted under: `type`, not asked for; `fields`, an attribute is missing; `parse`, a
number that is none; `bounds`, not finite, beyond any position, or faster than `max_speed_mps`; `duplicate`, a second one of a
vehicle in a timestep; `speed`, where the vehicle cannot have been, by its speeds, on the longest way that is possible. Where
two parts contradict one another that are long enough for a row each, the row is cut: a `jump` in the report.
"""

import gzip
import math
import os
import warnings
from array import array
from collections.abc import Sequence
from typing import IO, NoReturn
from xml.parsers import expat

import numpy as np

from jaxvec.traces import clock
from jaxvec.traces.rows import GZIP_ERRORS, Report, damage, opened
from jaxvec.traces.trace import RecordError, Trace, check
from jaxvec.traces.tracks import MAX_GAP_SAMPLES, check_units, rows

MAX_CELLS = 50_000_000  # most entries of one (vehicle, sample) array, 200 MB of float32
MAX_RECORDS = 50_000_000  # of all vehicles, 2 GB while they are read
MAX_SPEED_MPS = 150.0  # faster than any train
LARGEST = 1e9  # largest position [m], heading [degree] and time [s] taken; SUMO writes -2^30 where there is no position
ROUNDING_MPS = 0.1  # what float32 may move the farthest position between two samples, above which there is a warning
CHUNK_BYTES = 1 << 16
MAX_TAG_BYTES = 1 << 20  # a longer tag or comment is no FCD, and makes parsers slow
MAX_DEPTH = 100  # of elements within elements; FCD has 4


def read_fcd(
    path: str | os.PathLike[str],
    *,
    dt_s: float = 1.0,
    origin_m: tuple[float, float] = (0.0, 0.0),
    origin_s: float | str | None = 0.0,
    min_samples: int = 2,
    max_speed_mps: float = MAX_SPEED_MPS,
    vehicle_type: str | None = None,
    strict: bool = False,
    report: Report | None = None,
) -> Trace:
    """Reads SUMO's FCD XML, plain or gzipped, as a stream: memory grows with the vehicles, not with the text.

    Times are put on one grid for all vehicles, file's first timestep + k * dt_s, by straight lines between the
    records before and after (positions and velocity components alike). Two records of a vehicle at most
    MAX_GAP_SAMPLES * dt_s apart are joined so, whatever is missing between; if they are further apart, the vehicle's
    row ends and a new one starts. A file with rarer records therefore needs a larger dt_s. The module says what is left out.

    Args:
        path: the file; gzip is known by its first bytes.
        dt_s: time between samples [s].
        origin_m: point (x, y) of the file that becomes (0, 0) [m].
        origin_s: time of the file that becomes 0 [s], or a text, as the file may have it; None: that of its first timestep.
        min_samples: rows with fewer samples are dropped.
        max_speed_mps: of a vehicle [m/s].
        vehicle_type: keep only vehicles whose attribute `type` is this; None keeps all.
        strict: let `fields`, `parse`, `bounds` and `duplicate` be errors, which name the line.
        report: to which all that is counted is added; without one, records left out and jumps are warned of.
    Returns:
        The trace, rows ordered by enter_s, then by first appearance in the file.
    Raises:
        RecordError: the file is not whole, well-formed FCD XML (the message names file and line), positions are degrees or
            disagree with speeds, no vehicle is left, the arrays would exceed MAX_CELLS, or an argument is out of range.
        OSError: the file cannot be opened or read.
    """
    begin_s = _check_arguments(dt_s, origin_m, origin_s, min_samples, max_speed_mps)
    counted = Report(files=1)
    reader = _Reader(path, dt_s, origin_m, begin_s, max_speed_mps, vehicle_type, strict, counted)
    reader.read()
    check_units(str(path), reader.records.values(), origin_m)
    options = reader.first_s, dt_s, min_samples, max_speed_mps, counted
    table = [row for records in reader.records.values() for row in rows(records, *options)]
    if not table:
        raise RecordError(
            f"{path}, line {reader.last_line}: no vehicle is usable: {reader.met()}, none has {min_samples} samples {dt_s:g} s "
            f"apart, without a gap of more than {MAX_GAP_SAMPLES * dt_s:g} s: {counted}{reader.first_fault}"
        )
    width = max(row.shape[1] for _, row in table)
    if len(table) * width > MAX_CELLS:
        raise RecordError(
            f"{path}, line {reader.last_line}: {len(table)} rows of up to {width} samples are more than {MAX_CELLS} cells; "
            "take a shorter record or a larger dt_s"
        )
    trace = check(_trace(sorted(table, key=lambda row: row[0]), dt_s), str(path))
    _tell(path, trace, counted, report)
    return trace


def _check_arguments(
    dt_s: float, origin_m: tuple[float, float], origin_s: float | str | None, min_samples: int, max_speed_mps: float
) -> float | None:
    """The origin of time in seconds, or None as given, if all numbers are in their ranges."""
    if not (math.isfinite(dt_s) and 0 < np.float32(dt_s) < np.inf):
        raise RecordError(f"dt_s is {dt_s} s, not positive")
    if not all(math.isfinite(value) and abs(value) <= LARGEST for value in origin_m):
        raise RecordError(f"origin_m {origin_m} is not two finite numbers up to {LARGEST:g}")
    try:
        begin_s = clock.seconds(origin_s) if isinstance(origin_s, str) else origin_s
    except ValueError as error:
        raise RecordError(f"origin_s {error}") from error
    if begin_s is not None and not math.isfinite(begin_s):
        raise RecordError(f"origin_s {origin_s} is not finite")
    if min_samples < 1:
        raise RecordError(f"min_samples is {min_samples}, not at least 1")
    if not max_speed_mps > 0:
        raise RecordError(f"max_speed_mps is {max_speed_mps}, not positive")
    return begin_s


def _tell(path: str | os.PathLike[str], trace: Trace, counted: Report, report: Report | None) -> None:
    """Adds what was counted to the caller's report, or warns of it."""
    if report is not None:
        report.add(counted)
    elif set(counted.reasons) - {"type"} or counted.cuts:
        warnings.warn(f"{path}: {counted}; a `report` takes this instead of a warning", stacklevel=3)
    farthest_m = max(float(np.max(np.abs(x))) for x in (trace.x_m, trace.y_m))
    if (resolution_m := float(np.spacing(np.float32(farthest_m)))) > ROUNDING_MPS * trace.dt_s:
        warnings.warn(
            f"{path}: positions of up to {farthest_m:.3g} m are kept to {resolution_m:g} m; set origin_m near the road",
            stacklevel=3,
        )


def _trace(rows: Sequence[tuple[float, np.ndarray]], dt_s: float) -> Trace:
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


class _Reader:
    """One pass over a file, through expat's events.

    Attributes:
        records: by vehicle id, its t, x, y, speed, angle, t, x, ... in the order of the file, shifted to the origin; nan where
            the angle is missing.
        first_s: time of the first timestep, shifted.
        n_steps: timesteps met.
        line: the line reached.
        last_line: where the root element ended.
        first_fault: of a record that was left out, in words.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        dt_s: float,
        origin_m: tuple[float, float],
        origin_s: float | None,
        max_speed_mps: float,
        vehicle_type: str | None,
        strict: bool,
        report: Report,
    ):
        self.path = path
        self.dt_s = dt_s
        self.origin_m = origin_m
        self.origin_s = origin_s
        self.max_speed_mps = max_speed_mps
        self.vehicle_type = vehicle_type
        self.strict = strict
        self.report = report
        self.records: dict[str, array] = {}
        self.first_s = self.time_s = -math.inf
        self.n_steps = 0
        self.last_line = 1
        self.first_fault = ""
        self.depth = 0
        self.in_step = False
        self.seen: set[str] = set()  # vehicles of this timestep
        # The document's own idea of its encoding is overruled: SUMO writes UTF-8 only.
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.doctype

    @property
    def line(self) -> int:
        return max(self.parser.CurrentLineNumber, 1)

    def fail(self, fault: str) -> NoReturn:
        raise RecordError(f"{self.path}, line {self.line}: {fault}")

    def read(self) -> None:
        try:
            with opened(self.path) as text:
                self.parse(text)
        except expat.ExpatError as error:
            fault = expat.ErrorString(error.code)
            raise RecordError(f"{self.path}, line {error.lineno}: not whole XML: {fault}") from error

    def met(self) -> str:
        """How many vehicles and timesteps were met, in words."""
        vehicles = "vehicles" if self.vehicle_type is None else f"vehicles of type {self.vehicle_type!r}"
        return f"of {len(self.records)} {vehicles} in {self.n_steps} timesteps"

    def parse(self, text: IO[bytes] | gzip.GzipFile) -> None:
        fed = 0
        while chunk := self.chunk(text):
            self.parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - max(self.parser.CurrentByteIndex, 0) > MAX_TAG_BYTES:
                self.fail(f"a tag or comment of more than {MAX_TAG_BYTES} bytes")
        if not fed:
            self.fail("the file is empty")
        self.parser.Parse(b"", True)

    def chunk(self, text: IO[bytes] | gzip.GzipFile) -> bytes:
        try:
            return text.read(CHUNK_BYTES)
        except GZIP_ERRORS as error:
            self.fail(damage(error))

    def doctype(self, *_: object) -> NoReturn:
        self.fail("a document type declaration (DTD), which FCD does not have; refused")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} elements within one another")
        if self.depth == 1:
            if tag != "fcd-export":
                self.fail(f"the root element is <{_short(tag)}>, not <fcd-export>")
        elif tag == "timestep":
            if self.depth != 2:
                self.fail("a timestep inside another element")
            self.in_step = True
            self.timestep(attributes)
        elif tag == "vehicle":
            if self.depth != 3 or not self.in_step:
                self.fail("a vehicle outside a timestep")
            self.vehicle(attributes)

    def end(self, tag: str) -> None:
        self.depth -= 1
        if self.depth == 1:
            self.in_step = False
        elif self.depth == 0:
            self.last_line = self.line

    def timestep(self, attributes: dict[str, str]) -> None:
        raw = attributes.get("time")
        if raw is None:
            self.fail("a timestep has no attribute 'time'")
        try:
            file_s = clock.seconds(raw)
        except ValueError:
            self.fail(f"a timestep has time={_short(raw)!r}, which is not a time: {clock.ACCEPTED}")
        if not math.isfinite(file_s):
            self.fail(f"a timestep has time={_short(raw)!r}, which is not finite")
        self.origin_s = file_s if self.origin_s is None else self.origin_s
        time_s = file_s - self.origin_s
        if time_s <= self.time_s:
            how = "is repeated" if time_s == self.time_s else "comes after a later one"
            self.fail(f"timestep time={_short(raw)!r} {how}; times must increase")
        if abs(time_s) > LARGEST or np.spacing(np.float32(abs(time_s))) > 0.1 * self.dt_s:
            self.fail(f"time={_short(raw)!r} is too large for float32 at dt_s = {self.dt_s:g} s; set origin_s")
        if np.spacing(abs(file_s)) > 0.1 * self.dt_s:
            self.fail(f"time={_short(raw)!r} is too large for steps of {self.dt_s:g} s, whatever the origin")
        if self.n_steps == 0:
            self.first_s = time_s
        self.time_s = time_s
        self.n_steps += 1
        self.seen.clear()

    def vehicle(self, attributes: dict[str, str]) -> None:
        self.report.rows += 1
        fault = self.record(attributes)
        if fault is None:
            self.report.kept += 1
            if self.report.kept > MAX_RECORDS:
                self.fail(f"more than {MAX_RECORDS} records; take a shorter recording")
        elif self.strict and fault[0] != "type":
            self.fail(fault[1])
        else:
            self.report.count(fault[0])
            self.first_fault = self.first_fault or f"; the first, in line {self.line}: {fault[1]}"

    def record(self, attributes: dict[str, str]) -> tuple[str, str] | None:
        """Takes a vehicle's record, or says why it is left out: the reason that it counts under, and all of it in words."""
        name = attributes.get("id")
        if name is None:
            return "fields", "a vehicle has no attribute 'id'"
        who = f"vehicle {_short(name)!r}"
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
            has = f"{who} has {attribute}={_short(raw)!r}, which is"
            try:
                numbers[attribute] = value = clock.number(raw)
            except ValueError:
                return "parse", f"{has} not a number"
            largest = self.max_speed_mps if attribute == "speed" else LARGEST
            if not math.isfinite(value):
                return "bounds", f"{has} not finite"
            if abs(value) > largest:
                return "bounds", f"{has} larger than {largest:g}"
        if name in self.seen:
            return "duplicate", f"{who} occurs twice in one timestep"
        self.seen.add(name)
        x_m, y_m = numbers["x"] - self.origin_m[0], numbers["y"] - self.origin_m[1]
        self.records.setdefault(name, array("d")).extend((self.time_s, x_m, y_m, numbers["speed"], numbers["angle"]))
        return None


def _short(text: str) -> str:
    return text if len(text) <= clock.LONGEST else text[: clock.LONGEST] + "..."
