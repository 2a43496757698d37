"""From the records of one vehicle, at odd times, to rows on a grid of times: what is impossible is cut, headings are found."""

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.core.npz import RecordError
from jaxvec.traces.jumps import plausible
from jaxvec.traces.rows import Report

MAX_GAP_SAMPLES = 3  # records of one vehicle further apart than this many dt_s belong to two rows
GRID_SLACK = 1e-6  # part of a sample by which a record may miss the grid and still count as on it
ACCELERATION_MPS2 = 10.0  # by which a vehicle may be faster between two records than at both
SLACK_M = 10.0  # of a position: lane changes, rounding, where of the vehicle it is
SHORT_S = 2.0  # between records at most, for speeds to say how far a vehicle goes
MANY = 10  # steps that are enough to judge a unit
FARTHEST_DEG = (360.0, 90.0)  # x and y of degrees
LEAST_M = 2.0  # that any recording in metres is wide or long


class Grid(NamedTuple):
    """How records become rows.

    Attributes:
        dt_s: between samples [s].
        min_samples: of a row; shorter ones are left out, and counted.
        max_speed_mps: of any vehicle [m/s].
        max_gap_s: between records that are joined by a straight line; None: `MAX_GAP_SAMPLES` samples [s].
    """

    dt_s: float
    min_samples: int
    max_speed_mps: float
    max_gap_s: float | None = None

    @property
    def gap_s(self) -> float:
        """Longest time between records of one row [s]."""
        return MAX_GAP_SAMPLES * self.dt_s if self.max_gap_s is None else self.max_gap_s


def rows(records: array, first_s: float, grid: Grid, report: Report) -> Iterator[tuple[float, np.ndarray]]:
    """Splits one vehicle's records at gaps and jumps, and puts each part on the grid.

    Args:
        records: t, x, y, speed, angle, t, x, ... in order of time [s, m, m, m/s, degree]; speed and angle are nan where they are
            not told.
        first_s: of the grid [s].
        grid: of the rows.
        report: to which outliers, cuts and short tracks are added.
    Yields:
        Time of the first sample [s], and (4, sample) x, y, vx, vy in float32.
    """
    table, dt_s, max_speed_mps = table_of(records), grid.dt_s, grid.max_speed_mps
    kept = plausible(
        len(table),
        lambda a, b: np.hypot(table[b, 1] - table[a, 1], table[b, 2] - table[a, 2]),
        lambda a, b: _reach_m(table, a, b, max_speed_mps),
        lambda chain: len(chain) >= max(2, grid.min_samples),
    )
    report.count("speed", int(np.sum(~kept)))
    report.kept -= int(np.sum(~kept))
    table = table[kept]
    gaps = np.diff(table[:, 0]) > grid.gap_s + GRID_SLACK * dt_s
    far_m = np.hypot(np.diff(table[:, 1]), np.diff(table[:, 2]))
    before = np.arange(len(table) - 1)
    jumps = far_m > _reach_m(table, before, before + 1, max_speed_mps)
    report.cut("jump", int(np.sum(jumps)))
    for part in np.split(table, np.flatnonzero(gaps | jumps) + 1):
        time = (part[:, 0] - first_s) / dt_s  # in samples
        at = np.arange(math.ceil(time[0] - GRID_SLACK), math.floor(time[-1] + GRID_SLACK) + 1)
        if len(at) >= grid.min_samples:
            row = np.stack([np.interp(at, time, column) for column in (part[:, 1], part[:, 2], *_velocity_mps(part))])
            yield first_s + at[0] * dt_s, row.astype(np.float32)
        else:
            report.left_out["short tracks"] = report.left_out.get("short tracks", 0) + 1


def table_of(records: array) -> np.ndarray:
    """Records of one vehicle as (record, 5) float64, in the same memory.

    Args:
        records: as `rows` takes them.
    """
    return np.frombuffer(records, np.float64).reshape(-1, 5)


def _reach_m(table: np.ndarray, a: np.ndarray, b: np.ndarray, max_speed_mps: float) -> np.ndarray:
    """How far the vehicle can have come between records, by the speeds at both and what it can gain between [m].

    Where speeds are not told, as far as any vehicle can.
    """
    time_s = table[b, 0] - table[a, 0]
    speed_mps = np.maximum(np.abs(table[a, 3]), np.abs(table[b, 3])) + ACCELERATION_MPS2 * time_s
    return np.fmin(speed_mps, max_speed_mps) * time_s + SLACK_M


def _velocity_mps(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """East and north components of the velocity [m/s].

    Where the heading is not told it is the direction from the record before to the one after; where these are at one place, the
    heading before, else the next one; a vehicle that never moves has no velocity. Where the speed is not told, the velocity is
    that from the record before to the one after.
    """
    k = np.arange(len(part))
    after, before = np.minimum(k + 1, len(part) - 1), np.maximum(k - 1, 0)
    x_m, y_m = part[after, 1] - part[before, 1], part[after, 2] - part[before, 2]
    time_s = np.maximum(part[after, 0] - part[before, 0], np.finfo(float).tiny)  # no time: no way either
    angle = np.radians(part[:, 4])
    untold = np.isnan(angle)
    east, north = np.where(untold, 0, np.sin(angle)), np.where(untold, 0, np.cos(angle))
    if untold.any():
        far_m = np.hypot(x_m, y_m)
        known = ~untold | (far_m > 0)
        found = untold & known
        east[found], north[found] = x_m[found] / far_m[found], y_m[found] / far_m[found]
        last_known = np.maximum.accumulate(np.where(known, k, -1))
        source = np.where(last_known >= 0, last_known, np.argmax(known))  # where none is known, both are 0
        east, north = east[source], north[source]
    told = ~np.isnan(part[:, 3])
    return np.where(told, part[:, 3] * east, x_m / time_s), np.where(told, part[:, 3] * north, y_m / time_s)


def in_degrees(vehicles: Iterable[array]) -> bool:
    """Whether positions look like degrees: within -360 to 360 and -90 to 90, and a thousandth as fast as speeds say, or less.

    Args:
        vehicles: records of each, as `rows` takes them, but with x and y as a file has them.
    """
    tables = [table_of(records) for records in vehicles]
    if not tables:
        return False
    low, high = box(tables)
    if np.any(low < np.negative(FARTHEST_DEG)) or np.any(high > FARTHEST_DEG):
        return False
    _, moved, told = _steps(tables)
    moved_sum, told_sum = float(moved[told > 1].sum()), float(told[told > 1].sum())
    return moved_sum < 1e-3 * told_sum and (moved_sum > 0 or told_sum > 100)


def box(tables: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest x and y.

    Args:
        tables: records of each vehicle, one at least, see `table_of`.
    """
    return np.min([table[:, 1:3].min(0) for table in tables], 0), np.max([table[:, 1:3].max(0) for table in tables], 0)


def _steps(tables: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all steps from a record to the next of which speeds are told: time [s], how far positions move, how far speeds say."""
    step_s = np.concatenate([np.diff(table[:, 0]) for table in tables])
    moved = np.concatenate([np.hypot(np.diff(table[:, 1]), np.diff(table[:, 2])) for table in tables])
    told = np.concatenate([(np.abs(table[1:, 3]) + np.abs(table[:-1, 3])) / 2 for table in tables]) * step_s
    known = ~np.isnan(told)
    return step_s[known], moved[known], told[known]


def check_units(where: str, vehicles: Iterable[array]) -> None:
    """Refuses positions that are no metres, or speeds that are no m/s, by one against the other.

    Args:
        where: what to call the file.
        vehicles: records of each, as `rows` takes them.
    Raises:
        RecordError: in half of the steps positions move less than half of what speeds say, or more than twice; or speeds are not
            told and all positions lie within `LEAST_M`.
    """
    tables = [table_of(records) for records in vehicles]
    if not tables:
        return
    step_s, moved_m, told_m = _steps(tables)
    low, high = box(tables)
    if not len(told_m) and len(tables) > 1 and np.all(high - low < LEAST_M):
        raise RecordError(
            f"{where}: all positions lie within {high[0] - low[0]:.3g} m of x and {high[1] - low[1]:.3g} m of y; if they are "
            "degrees, name them as longitude and latitude"
        )
    judged = (step_s <= SHORT_S) & (np.maximum(told_m, moved_m) > 1)
    ratio = moved_m[judged] / np.maximum(told_m[judged], 1e-9)
    if len(ratio) >= MANY and not 0.5 <= (usual := float(np.median(ratio))) <= 2:
        raise RecordError(
            f"{where}: speeds and positions disagree: in half of {len(ratio)} steps vehicles move "
            f"{'less' if usual < 1 else 'more'} than {usual:.3g} times as far as their speeds say; are positions in metres, "
            "speeds in m/s and times in seconds?"
        )
