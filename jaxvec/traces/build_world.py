"""Worlds of one's own files: a recording, the net that it was made on, and places by a list or by a rule."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxvec.core.errors import suggest
from jaxvec.core.npz import RecordError
from jaxvec.traces.columns import Columns, columns_of
from jaxvec.traces.earth import Anchor, Projection, plane
from jaxvec.traces.net import Net, read_net
from jaxvec.traces.places import RULES, coverage, grid, kmeans, read_places, traffic
from jaxvec.traces.records import Box
from jaxvec.traces.rows import Report
from jaxvec.traces.sumo import read_fcd
from jaxvec.traces.table import read_table
from jaxvec.traces.trace import Trace
from jaxvec.traces.world import World, check_world

ROUND_M = 10.0  # of the area's borders
BESIDE_M = (
    50.0  # outside of them, where a junction still counts: one at which vehicles begin or end is not quite reached
)
REACH_M = 250.0
DEFAULT_PLACES = 12
NOWHERE = (math.nan, math.nan)


def build_world(
    *,
    fcd: str | Path | None = None,
    table: str | Path | None = None,
    columns: Columns | str | Sequence[str] | None = None,
    net: str | Path | None = None,
    places: str | Path | None = None,
    n_places: int | None = None,
    rule: str | None = None,
    reach_m: float = REACH_M,
    seed: int = 0,
    dt_s: float = 1.0,
    begin: float | str | None = None,
    end: float | str | None = None,
    area: Box | None = None,
    strict: bool = False,
    cache: str | Path | None = None,
) -> tuple[World, dict[str, Any]]:
    """Puts a world together, with its provenance. Time 0 is the recording's first; its borders are those of all positions.

    Args:
        fcd: a SUMO recording, see `read_fcd`; or
        table: a table of trajectories, see `read_table`, with
        columns: which they are: `Columns`, the name of a data set, or words as `columns_of` takes them.
        net: SUMO's net, for streets, junctions and the projection of degrees.
        places: a CSV of places, see `read_places`.
        n_places: in its place, how many a rule chooses; 12 if not given.
        rule: `coverage`, `kmeans`, `grid` or `junctions`, see `choose`; `coverage` if not given.
        reach_m: of a place, for `coverage` and `junctions` [m].
        seed: of `kmeans`.
        dt_s: time between samples [s].
        begin, end, area: what is asked for of the recording, see `read_fcd` and `read_table`.
        strict: refuse rows that would be left out.
        cache: folder for what was read.
    Returns:
        The world, and its provenance for `save_world`.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: files are unusable, or arguments contradict each other or are out of range; the message says which.
        OSError: a file cannot be read.
    """
    _check_arguments(fcd, table, columns, net, places, n_places, rule, reach_m)
    roads, report = None if net is None else read_net(net), Report()
    how: dict[str, Any] = {"dt_s": dt_s, "begin": begin, "end": end, "area": area, "strict": strict, "cache": cache}
    how |= {"origin_m": None, "origin_s": None, "projection": None if roads is None else _projection(roads)}
    trace = _recorded(fcd, table, columns, how | {"report": report})
    corners_m, anchor_deg = borders(trace), _anchor(report)
    if places is not None:
        place_m = _listed(places, how["projection"], anchor_deg, report.origin_m)
        chosen: dict[str, Any] = {"from": str(places)}
    else:
        chosen = {"rule": rule or "coverage", "reach_m": reach_m, "seed": seed}
        junctions_m = None if roads is None else roads.junctions_m - report.origin_m
        place_m = choose(trace, corners_m, n_places=n_places, junctions_m=junctions_m, **chosen)
    place_x_m, place_y_m = place_m.T.astype(np.float32)
    streets_m = _streets(roads, corners_m, report.origin_m)
    world = World(trace, corners_m, place_x_m, place_y_m, streets_m, np.array(anchor_deg or NOWHERE, np.float32))
    source = {"from": "SUMO" if fcd is not None else "a table", "path": str(fcd or table), "samples": report.to_json()}
    asked = {name: how[name] for name in ("begin", "end", "area") if how[name] is not None}
    return check_world(world), {"recording": source | asked, "net": net and str(net), "places": chosen}


def _recorded(fcd: str | Path | None, table: str | Path | None, columns: Any, how: dict[str, Any]) -> Trace:
    """The vehicles of a recording or a table."""
    if fcd is not None:
        return read_fcd(fcd, **how)
    return read_table(table or "", columns if isinstance(columns, Columns | str) else columns_of(columns), **how)


def _anchor(report: Report) -> Anchor | None:
    """Latitude and longitude of x = y = 0, where they are known; else the report does not tell them either."""
    if report.anchor_deg is None or not np.all(np.isfinite(report.anchor_deg)):
        report.anchor_deg = None
        return None
    latitude_deg, longitude_deg = report.anchor_deg
    return latitude_deg, longitude_deg


def _listed(
    path: str | Path, projection: Projection | None, anchor_deg: Anchor | None, origin_m: Sequence[float]
) -> np.ndarray:
    """Places of a list, in the coordinates of the trace."""
    if projection is None and anchor_deg is not None:
        return read_places(path, plane(anchor_deg))
    return read_places(path, projection) - np.asarray(origin_m)


def _check_arguments(
    fcd: object,
    table: object,
    columns: object,
    net: object,
    places: object,
    n_places: int | None,
    rule: str | None,
    reach_m: float,
) -> None:
    """Refuses what contradicts itself, and what would be ignored."""
    if (fcd is None) == (table is None):
        raise ValueError("give a SUMO recording (fcd) or a table of trajectories (table), one of them")
    if (columns is None or columns == ()) != (table is None):
        raise ValueError("a table needs columns, and only a table: the name of a data set, or id=, time=, x=, y=")
    if places is not None and (n_places is not None or rule is not None):
        raise ValueError("places are given as a list or chosen by a rule, not both")
    if rule is not None and rule not in RULES:
        raise ValueError(suggest("rule", rule, RULES))
    if rule == "junctions" and net is None:
        raise ValueError("junctions are those of a net: give net, too")
    if n_places is not None and n_places < 1:
        raise ValueError(f"n_places is {n_places}, not at least 1")
    if not 0 < reach_m < math.inf:
        raise ValueError(f"reach_m is {reach_m}, not positive")


def _projection(net: Net) -> Projection | None:
    """The net's; where it cannot be had, one that says so when degrees have to be projected."""
    try:
        return net.projection()
    except RecordError as error:
        reason = error

    def refuse(*_: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        raise RecordError(f"positions are in degrees, but {reason}")

    def unknown(*_: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        return np.array(math.nan), np.array(math.nan)

    return Projection("", refuse, unknown)


def borders(trace: Trace) -> np.ndarray:
    """The corners of the area in which vehicles were, on full ten metres.

    Args:
        trace: the vehicles.
    Returns:
        (2, 2) float32, least x and y, largest x and y [m].
    """
    at_m = np.stack([np.asarray(trace.x_m), np.asarray(trace.y_m)], -1).reshape(-1, 2)
    low, high = np.floor(at_m.min(0) / ROUND_M), np.floor(at_m.max(0) / ROUND_M) + 1
    return (ROUND_M * np.stack([low, high])).astype(np.float32)


def choose(
    trace: Trace,
    corners_m: np.ndarray,
    rule: str,
    n_places: int | None = None,
    *,
    reach_m: float = REACH_M,
    seed: int = 0,
    junctions_m: np.ndarray | None = None,
) -> np.ndarray:
    """Places by a rule.

    Args:
        trace: the vehicles.
        corners_m: (2, 2), of the area [m].
        rule: `coverage` (where the most traffic is in reach that no place before reaches; at junctions if there are enough),
            `kmeans` (near all traffic), `grid`, or `junctions` (all if `n_places` is not given, else by coverage).
        n_places: how many; 12 if not given, or all junctions of the rule `junctions`.
        reach_m: of a place [m].
        seed: of `kmeans`.
        junctions_m: (junction, 2), of streets [m].
    Returns:
        (place, 2) [m].
    Raises:
        ValueError: the rule is unknown, or there are not so many places.
    """
    n, low, high = n_places or DEFAULT_PLACES, *np.asarray(corners_m, np.float64)
    if junctions_m is not None:
        junctions_m = junctions_m[np.all((junctions_m >= low - BESIDE_M) & (junctions_m <= high + BESIDE_M), 1)]
        if rule == "junctions" and not len(junctions_m):
            raise RecordError("no junction of the net lies where the vehicles are; is it the net of this recording?")
    if rule == "grid":
        return grid(corners_m, n)
    if rule == "junctions" and n_places is None and junctions_m is not None:
        return junctions_m
    xy_m, seconds = traffic(trace, corners_m)
    if rule == "kmeans":
        return kmeans(xy_m, seconds, n, seed)
    if rule in ("coverage", "junctions"):
        enough = junctions_m is not None and (rule == "junctions" or len(junctions_m) >= n)
        return coverage(xy_m, seconds, n, reach_m, junctions_m if enough else None)
    raise ValueError(suggest("rule", rule, RULES))


def _streets(net: Net | None, corners_m: np.ndarray, origin_m: Sequence[float]) -> np.ndarray:
    """The net's streets that pass the area, each piece once, whatever its directions."""
    if net is None:
        return np.zeros((0, 4), np.float32)
    streets_m = (net.streets_m - np.tile(origin_m, 2)).astype(np.float32)
    ends = streets_m.reshape(-1, 2, 2)
    passing = np.all((ends.min(1) <= corners_m[1]) & (ends.max(1) >= corners_m[0]), 1)
    return streets_m[passing]


def summary(world: World) -> dict[str, float]:
    """What a world holds, in numbers.

    Args:
        world: any.
    Returns:
        `vehicles`: rows of the trace; `seconds` from the first sample to the last; `dt_s`; `width_m` and `height_m` of the area;
        `places`; `streets`: pieces; `present_least`, `present_mean`, `present_most`: vehicles at a time.
    """
    present = presence(world.trace)[1]
    (x0_m, y0_m), (x1_m, y1_m) = world.corners_m.tolist()
    dt_s = float(world.trace.dt_s)
    return {
        "vehicles": len(world.trace.enter_s),
        "seconds": (len(present) - 1) * dt_s,
        "dt_s": dt_s,
        "width_m": x1_m - x0_m,
        "height_m": y1_m - y0_m,
        "places": len(world.place_x_m),
        "streets": len(world.streets_m),
        "present_least": int(present.min()),
        "present_mean": float(present.mean()),
        "present_most": int(present.max()),
    }


def presence(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """How many vehicles are there at each time.

    Args:
        trace: the vehicles.
    Returns:
        (time,) times from the first sample to the last [s], and (time,) int64.
    """
    dt_s, begin_s = float(trace.dt_s), float(np.min(trace.enter_s))
    first = np.round((np.asarray(trace.enter_s, np.float64) - begin_s) / dt_s).astype(int)
    n_times = int(np.max(first + trace.n_samples))
    change = np.bincount(first, minlength=n_times + 1) - np.bincount(first + trace.n_samples, minlength=n_times + 1)
    return begin_s + np.arange(n_times) * dt_s, np.cumsum(change)[:n_times]
