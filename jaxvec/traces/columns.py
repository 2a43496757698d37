"""Which column of a table of trajectories says what, and in which units; those of common data sets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxvec.core.errors import suggest
from jaxvec.core.npz import RecordError
from jaxvec.traces import clock

Column = str | int | tuple[str, ...]
"""A column by its name, by its number from 0 on in a table without names, or by several names of which one is there."""


@dataclass(frozen=True)
class Columns:
    """Which column of a table says what, and in which units.

    Attributes:
        id: of the vehicle.
        time: seconds, a time of day or a date; of a trip, its begin.
        x, y: position, in `length_unit_m`; or
        longitude, latitude: in degrees; or
        polyline: of a whole trip, a list of [longitude, latitude], one each `interval_s`.
        speed: in `length_unit_m` a second; None: by positions.
        angle: heading, degrees clockwise from north; None: by positions.
        interval_s: between positions of a polyline [s].
        delimiter: between fields of CSV.
        time_unit_s: what a time of 1 means [s].
        length_unit_m: what a length of 1 means [m].
        flip_y: y grows to the south, as in pictures.
        only: values of other columns by their names; rows that have others are not asked for.
    """

    id: Column
    time: Column
    x: Column | None = None
    y: Column | None = None
    longitude: Column | None = None
    latitude: Column | None = None
    polyline: Column | None = None
    speed: Column | None = None
    angle: Column | None = None
    interval_s: float | None = None
    delimiter: str = ","
    time_unit_s: float = 1.0
    length_unit_m: float = 1.0
    flip_y: bool = False
    only: Mapping[Any, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, ...]:
        """The roles of the columns that say where."""
        return (
            ("polyline",)
            if self.polyline is not None
            else ("x", "y")
            if self.x is not None
            else ("longitude", "latitude")
        )

    def check(self) -> "Columns":
        """Itself, if it says all that is needed and nothing twice.

        Raises:
            RecordError: it does not; the message says what is missing or wrong.
        """
        ways: dict[str, tuple[Any, Any]] = {
            "x and y": (self.x, self.y),
            "longitude and latitude": (self.longitude, self.latitude),
        }
        ways["polyline and interval_s"] = self.polyline, self.interval_s
        given = [name for name, way in ways.items() if any(part is not None for part in way)]
        if len(given) != 1 or None in ways[given[0]]:
            raise RecordError(
                f"columns must name one of {'; '.join(ways)}, not {' and '.join(given) or 'none of them'}"
            )
        for name in ("time_unit_s", "length_unit_m", "interval_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise RecordError(f"{name} is {value}, not positive")
        if len(self.delimiter) != 1:
            raise RecordError(f"the delimiter is {self.delimiter!r}, not one character")
        roles = (self.id, self.time, *(getattr(self, role) for role in self.place), self.speed, self.angle, *self.only)
        if len({isinstance(column, int) for column in roles if column is not None}) > 1:
            raise RecordError("columns are all named, or all numbered")
        return self


FOOT_M = 0.3048
DATASETS: dict[str, Columns] = {
    "porto": Columns(id="TRIP_ID", time="TIMESTAMP", polyline="POLYLINE", interval_s=15.0),
    "ngsim": Columns(
        id="Vehicle_ID",
        time="Global_Time",
        x="Global_X",
        y="Global_Y",
        speed="v_Vel",
        time_unit_s=1e-3,
        length_unit_m=FOOT_M,
    ),
    "highd": Columns(id="id", time="frame", x="x", y="y", time_unit_s=1 / 25, flip_y=True),
    "tdrive": Columns(id=0, time=1, longitude=2, latitude=3),
}
"""Columns of common data sets, by name: taxis of Porto (ECML/PKDD 2015), NGSIM, highD's tracks, T-Drive."""


def columns_of(words: Sequence[str]) -> Columns:
    """Columns as a command line says them: the name of a data set, and roles as NAME=VALUE.

    Args:
        words: as "ngsim", "only=Location:us-101" or "id=car", "time=t", "x=x", "y=y"; a whole number is a column's number.
    Raises:
        RecordError: there is no such data set or role, or a value is none.
    """
    names = list(Columns.__dataclass_fields__)
    chosen: dict[str, Any] = {}
    for n, word in enumerate(words):
        name, equals, value = word.partition("=")
        if not equals and n == 0:
            if name not in DATASETS:
                raise RecordError(suggest("data set", name, DATASETS))
            chosen |= {role: getattr(DATASETS[name], role) for role in names}
        elif not equals:
            raise RecordError(f"columns are NAME=VALUE, not {word!r}")
        elif name not in names:
            raise RecordError(suggest("column", name, names))
        else:
            chosen[name] = _of_words(name, value)
    missing = [name for name in ("id", "time") if name not in chosen]
    if missing:
        raise RecordError(f"columns do not say {' and '.join(missing)}, as {missing[0]}=NAME or by a data set")
    return Columns(**chosen).check()


def _of_words(name: str, value: str) -> Any:
    """What stands behind a role."""
    if name == "only":
        pairs = [pair.partition(":") for pair in value.split(",")]
        if not all(colon for _, colon, _ in pairs):
            raise RecordError(f"only takes COLUMN:VALUE, not {value!r}")
        return {column: wanted for column, _, wanted in pairs}
    if name == "flip_y":
        if value not in ("true", "false"):
            raise RecordError(f"flip_y is true or false, not {value!r}")
        return value == "true"
    if name in ("interval_s", "time_unit_s", "length_unit_m"):
        try:
            return clock.number(value)
        except ValueError as error:
            raise RecordError(f"{name}: {error}") from error
    if name == "delimiter":
        return "\t" if value in ("tab", "\\t") else value
    return int(value) if value.isdecimal() else value
