"""From the records of one vehicle, at odd times, to rows on a grid of times: what is impossible is cut, headings are found."""

import math
from array import array
from collections.abc import Iterable, Iterator

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


def rows(
    records: array, first_s: float, dt_s: float, min_samples: int, max_speed_mps: float, report: Report
) -> Iterator[tuple[float, np.ndarray]]:
    """Splits one vehicle's records at gaps and jumps, and puts each part on the grid.

    Args:
        records: t, x, y, speed, angle, t, x, ... in order of time [s, m, m, m/s, degree]; the angle is nan where it is not told.
        first_s: of the grid [s].
        dt_s: of the grid [s].
        min_samples: shorter rows are left out, and counted.
        max_speed_mps: of any vehicle [m/s].
        report: to which outliers, cuts and short rows are added.
    Yields:
        Time of the first sample [s], and (4, sample) x, y, vx, vy in float32.
    """
    table = np.frombuffer(records, np.float64).reshape(-1, 5)
    kept = plausible(
        len(table),
        lambda a, b: np.hypot(table[b, 1] - table[a, 1], table[b, 2] - table[a, 2]),
        lambda a, b: _reach_m(table, a, b, max_speed_mps),
        lambda chain: len(chain) >= max(2, min_samples),
    )
    report.count("speed", int(np.sum(~kept)))
    report.kept -= int(np.sum(~kept))
    table = table[kept]
    gaps = np.diff(table[:, 0]) > (MAX_GAP_SAMPLES + GRID_SLACK) * dt_s
    far_m = np.hypot(np.diff(table[:, 1]), np.diff(table[:, 2]))
    before = np.arange(len(table) - 1)
    jumps = far_m > _reach_m(table, before, before + 1, max_speed_mps)
    report.cut("jump", int(np.sum(jumps)))
    for part in np.split(table, np.flatnonzero(gaps | jumps) + 1):
        time = (part[:, 0] - first_s) / dt_s  # in samples
        grid = np.arange(math.ceil(time[0] - GRID_SLACK), math.floor(time[-1] + GRID_SLACK) + 1)
        if len(grid) >= min_samples:
            row = np.stack([np.interp(grid, time, column) for column in (part[:, 1], part[:, 2], *_velocity_mps(part))])
            yield first_s + grid[0] * dt_s, row.astype(np.float32)
        else:
            report.left_out["short rows"] = report.left_out.get("short rows", 0) + 1


def _reach_m(table: np.ndarray, a: np.ndarray, b: np.ndarray, max_speed_mps: float) -> np.ndarray:
    """How far the vehicle can have come between records, by the speeds at both and what it can gain between [m]."""
    time_s = table[b, 0] - table[a, 0]
    speed_mps = np.maximum(np.abs(table[a, 3]), np.abs(table[b, 3])) + ACCELERATION_MPS2 * time_s
    return np.minimum(speed_mps, max_speed_mps) * time_s + SLACK_M


def _velocity_mps(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """East and north components of the velocity [m/s].

    Where the heading is not told it is the direction from the record before to the one after; where these are at one place, the
    heading before, else the next one; a vehicle that never moves has no velocity.
    """
    angle = np.radians(part[:, 4])
    untold = np.isnan(angle)
    east, north = np.where(untold, 0, np.sin(angle)), np.where(untold, 0, np.cos(angle))
    if untold.any():
        k = np.arange(len(part))
        after, before = np.minimum(k + 1, len(part) - 1), np.maximum(k - 1, 0)
        x_m, y_m = part[after, 1] - part[before, 1], part[after, 2] - part[before, 2]
        far_m = np.hypot(x_m, y_m)
        known = ~untold | (far_m > 0)
        found = untold & known
        east[found], north[found] = x_m[found] / far_m[found], y_m[found] / far_m[found]
        last_known = np.maximum.accumulate(np.where(known, k, -1))
        source = np.where(last_known >= 0, last_known, np.argmax(known))  # where none is known, both are 0
        east, north = east[source], north[source]
    return part[:, 3] * east, part[:, 3] * north


def check_units(where: str, vehicles: Iterable[array], origin_m: tuple[float, float]) -> None:
    """Refuses positions that are no metres, or speeds that are no m/s, by one against the other.

    Args:
        where: what to call the file.
        vehicles: records of each, as `rows` takes them.
        origin_m: what has been taken off positions [m].
    Raises:
        RecordError: positions within -360 to 360 and -90 to 90 move less than a thousandth of what speeds say, as degrees do; or
            in half of the steps they move less than half of it, or more than twice.
    """
    tables = [np.frombuffer(records, np.float64).reshape(-1, 5) for records in vehicles]
    if not tables:
        return
    step_s = np.concatenate([np.diff(table[:, 0]) for table in tables])
    moved_m = np.concatenate([np.hypot(np.diff(table[:, 1]), np.diff(table[:, 2])) for table in tables])
    told_m = np.concatenate([(np.abs(table[1:, 3]) + np.abs(table[:-1, 3])) / 2 for table in tables]) * step_s
    low = np.min([table[:, 1:3].min(0) for table in tables], 0) + origin_m
    high = np.max([table[:, 1:3].max(0) for table in tables], 0) + origin_m
    moving = told_m > 1
    if np.all(low >= np.negative(FARTHEST_DEG)) and np.all(high <= FARTHEST_DEG) and moving.any():
        told, moved = float(told_m[moving].sum()), float(moved_m[moving].sum())
        if moved < 1e-3 * told and (moved > 0 or told > 100):
            raise RecordError(
                f"{where}: x from {low[0]:.6g} to {high[0]:.6g} and y from {low[1]:.6g} to {high[1]:.6g} look like degrees: "
                f"where speeds say {told:.4g} m, they move {moved:.3g}. Metres are needed: write it without --fcd-output.geo, "
                "or convert it"
            )
    judged = (step_s <= SHORT_S) & (np.maximum(told_m, moved_m) > 1)
    ratio = moved_m[judged] / np.maximum(told_m[judged], 1e-9)
    if len(ratio) >= MANY and not 0.5 <= (usual := float(np.median(ratio))) <= 2:
        raise RecordError(
            f"{where}: speeds and positions disagree: in half of {len(ratio)} steps vehicles move "
            f"{'less' if usual < 1 else 'more'} than {usual:.3g} times as far as their speeds say; are positions in metres, "
            "speeds in m/s and times in seconds?"
        )
