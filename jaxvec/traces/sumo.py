"""Reading floating-car data, the record of every vehicle at every step that SUMO writes with --fcd-output."""

import gzip
import math
import os
from array import array
from collections.abc import Iterator, Sequence
from typing import IO, NoReturn
from xml.parsers import expat

import numpy as np

from jaxvec.traces.rows import GZIP_ERRORS, damage, opened
from jaxvec.traces.trace import RecordError, Trace, check

MAX_GAP_SAMPLES = 3  # records of one vehicle further apart than this many dt_s belong to two rows
MAX_CELLS = 50_000_000  # most entries of one (vehicle, sample) array, 200 MB of float32
LARGEST = 1e9  # largest number taken: beyond every position on Earth [m], speed [m/s] and heading [degree]
CHUNK_BYTES = 1 << 16
MAX_TAG_BYTES = 1 << 20  # a longer tag or comment is no FCD, and makes parsers slow
MAX_DEPTH = 100  # of elements within elements; FCD has 4
GRID_SLACK = 1e-6  # part of a sample by which a record may miss the grid and still count as on it
SHOWN = 60  # characters of a value shown in a message


def read_fcd(
    path: str | os.PathLike[str],
    *,
    dt_s: float = 1.0,
    origin_m: tuple[float, float] = (0.0, 0.0),
    origin_s: float = 0.0,
    min_samples: int = 2,
    vehicle_type: str | None = None,
) -> Trace:
    """Reads SUMO's FCD XML, plain or gzipped, as a stream: memory grows with the vehicles, not with the text.

    Times are put on one grid for all vehicles, file's first timestep + k * dt_s, by straight lines between the
    records before and after (positions and velocity components alike). Two records of a vehicle at most
    MAX_GAP_SAMPLES * dt_s apart are joined so, whatever is missing between; if they are further apart, the vehicle's
    row ends and a new one starts. A file with rarer records therefore needs a larger dt_s.

    SUMO's angle is in degrees clockwise from north: vx = speed sin(angle), vy = speed cos(angle). Coordinates are
    taken as metres; a file written with --fcd-output.geo holds degrees and is no use here. Persons and containers
    are passed over.

    Args:
        path: the file; gzip is known by its first bytes.
        dt_s: time between samples [s].
        origin_m: point (x, y) of the file that becomes (0, 0) [m].
        origin_s: time of the file that becomes 0 [s].
        min_samples: rows with fewer samples are dropped.
        vehicle_type: keep only vehicles whose attribute `type` is this; None keeps all.
    Returns:
        The trace, rows ordered by enter_s, then by first appearance in the file.
    Raises:
        RecordError: the file is not whole, well-formed FCD XML (the message names file and line), no vehicle is
            left, the arrays would exceed MAX_CELLS, or an argument is out of range.
        OSError: the file cannot be opened or read.
    """
    if not (math.isfinite(dt_s) and 0 < np.float32(dt_s) < np.inf):
        raise RecordError(f"dt_s is {dt_s} s, not positive")
    if not all(math.isfinite(value) and abs(value) <= LARGEST for value in (*origin_m, origin_s)):
        raise RecordError(f"origin_m {origin_m} or origin_s {origin_s} is not a finite number up to {LARGEST:g}")
    if min_samples < 1:
        raise RecordError(f"min_samples is {min_samples}, not at least 1")
    reader = _Reader(path, dt_s, origin_m, origin_s, vehicle_type)
    reader.read()
    rows = [row for records in reader.records.values() for row in _rows(records, reader.first_s, dt_s, min_samples)]
    if not rows:
        vehicles = "vehicles" if vehicle_type is None else f"vehicles of type {vehicle_type!r}"
        raise RecordError(
            f"{path}, line {reader.last_line}: no vehicle is usable: of {len(reader.records)} {vehicles} in "
            f"{reader.n_steps} timesteps, none has {min_samples} samples {dt_s:g} s apart, "
            f"without a gap of more than {MAX_GAP_SAMPLES * dt_s:g} s"
        )
    width = max(row.shape[1] for _, row in rows)
    if len(rows) * width > MAX_CELLS:
        raise RecordError(
            f"{path}, line {reader.last_line}: {len(rows)} rows of up to {width} samples are more than {MAX_CELLS} cells; "
            "take a shorter record or a larger dt_s"
        )
    return check(_trace(sorted(rows, key=lambda row: row[0]), dt_s), str(path))


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


def _rows(records: array, first_s: float, dt_s: float, min_samples: int) -> Iterator[tuple[float, np.ndarray]]:
    """Splits one vehicle's records (t, x, y, vx, vy), in turn, at gaps, and puts each part on the grid.

    Yields:
        Time of the first sample [s], and (4, sample) x, y, vx, vy in float32.
    """
    table = np.frombuffer(records, np.float64).reshape(-1, 5)
    gaps = np.flatnonzero(np.diff(table[:, 0]) > (MAX_GAP_SAMPLES + GRID_SLACK) * dt_s) + 1
    for part in np.split(table, gaps):
        time = (part[:, 0] - first_s) / dt_s  # in samples
        grid = np.arange(math.ceil(time[0] - GRID_SLACK), math.floor(time[-1] + GRID_SLACK) + 1)
        if len(grid) >= min_samples:
            row = np.stack([np.interp(grid, time, column) for column in part[:, 1:].T])
            yield first_s + grid[0] * dt_s, row.astype(np.float32)


class _Reader:
    """One pass over a file, through expat's events.

    Attributes:
        records: by vehicle id, its t, x, y, vx, vy, t, x, ... in the order of the file, shifted to the origin.
        first_s: time of the first timestep, shifted.
        n_steps: timesteps met.
        line: the line reached.
        last_line: where the root element ended.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        dt_s: float,
        origin_m: tuple[float, float],
        origin_s: float,
        vehicle_type: str | None,
    ):
        self.path = path
        self.dt_s = dt_s
        self.origin_m = origin_m
        self.origin_s = origin_s
        self.vehicle_type = vehicle_type
        self.records: dict[str, array] = {}
        self.first_s = self.time_s = -math.inf
        self.n_steps = 0
        self.last_line = 1
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
        time_s = self.number("time", raw, "a timestep") - self.origin_s
        if time_s <= self.time_s:
            how = "is repeated" if time_s == self.time_s else "comes after a later one"
            self.fail(f"timestep time={_short(raw)!r} {how}; times must increase")
        if np.spacing(np.float32(abs(time_s))) > 0.1 * self.dt_s:
            self.fail(f"time={_short(raw)!r} is too large for float32 at dt_s = {self.dt_s:g} s; set origin_s")
        if self.n_steps == 0:
            self.first_s = time_s
        self.time_s = time_s
        self.n_steps += 1
        self.seen.clear()

    def vehicle(self, attributes: dict[str, str]) -> None:
        name = attributes.get("id")
        if name is None:
            self.fail("a vehicle has no attribute 'id'")
        who = f"vehicle {_short(name)!r}"
        if name in self.seen:
            self.fail(f"{who} occurs twice in one timestep")
        self.seen.add(name)
        wanted = ("x", "y", "speed", "angle") if self.vehicle_type is None else ("type", "x", "y", "speed", "angle")
        for attribute in wanted:
            if attribute not in attributes:
                self.fail(f"{who} has no attribute {attribute!r}")
            if attribute == "type" and attributes["type"] != self.vehicle_type:
                return
        x_m, y_m, speed_mps, angle_deg = (self.number(key, attributes[key], who) for key in wanted[-4:])
        angle = math.radians(angle_deg)
        self.records.setdefault(name, array("d")).extend(
            (
                self.time_s,
                x_m - self.origin_m[0],
                y_m - self.origin_m[1],
                speed_mps * math.sin(angle),
                speed_mps * math.cos(angle),
            )
        )

    def number(self, attribute: str, raw: str, who: str) -> float:
        try:
            if len(raw) > SHOWN or "_" in raw:  # float() would take 1_000
                raise ValueError
            value = float(raw)
        except ValueError:
            self.fail(f"{who} has {attribute}={_short(raw)!r}, which is not a number")
        if not math.isfinite(value):
            self.fail(f"{who} has {attribute}={_short(raw)!r}, which is not finite")
        if abs(value) > LARGEST:
            self.fail(f"{who} has {attribute}={_short(raw)!r}, which is larger than {LARGEST:g}")
        return value


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
