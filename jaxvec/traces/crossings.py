"""A world's traffic by its places: who is near to which, visits within reach of one, and a `Region` of all of them."""

import math
from typing import Any

import numpy as np

from jaxvec.core.npz import RecordError
from jaxvec.forecast.counts import BINS_PER_DAY
from jaxvec.traces.assemble import Sites, assemble
from jaxvec.traces.earth import Anchor, to_degrees
from jaxvec.traces.region import Region
from jaxvec.traces.trace import Trace
from jaxvec.traces.trips import Samples, Trips, to_trips
from jaxvec.traces.world import World

BIN_S = 300.0
DAYS = 10  # of counts, for which a shorter recording is repeated: seven to train, one to validate, two to test
MIN_SPAN_M = 100.0  # of a trip: a town is smaller than a city of taxis
HORIZONS = (60, 40, 30, 20, 15, 12, 10, 8, 6, 5, 4, 3, 2)  # slots of an episode, tried from the longest on


def samples_of(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the samples that are no padding.

    Args:
        trace: the record.
    Returns:
        int `(sample,)` each, row by row.
    """
    row, column = np.nonzero(np.arange(trace.x_m.shape[1]) < np.asarray(trace.n_samples)[:, None])
    return row, column


def nearest_place(world: World, places: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every sample the place that is nearest to it.

    Args:
        world: of vehicles and places.
        places: those that count; None: all.
    Returns:
        Row, column and number of the place among those that count, int `(sample,)` each.
    """
    row, column = samples_of(world.trace)
    places = np.arange(len(world.place_x_m)) if places is None else places
    x_m, y_m = world.trace.x_m[row, column], world.trace.y_m[row, column]
    best, nearest = np.full(len(row), np.inf), np.zeros(len(row), int)
    for k, place in enumerate(places):
        away = (x_m - world.place_x_m[place]) ** 2 + (y_m - world.place_y_m[place]) ** 2
        nearest[away < best], best = k, np.minimum(best, away)
    return row, column, nearest


def within(trace: Trace, x_m: float, y_m: float, reach_m: float) -> Trace:
    """The visits to a circle: a vehicle that leaves it and comes back has one row a visit.

    Args:
        trace: the record.
        x_m, y_m: the middle of the circle [m].
        reach_m: its radius [m].
    Raises:
        RecordError: nobody is ever inside.
    """
    real = np.arange(trace.x_m.shape[1]) < np.asarray(trace.n_samples)[:, None]
    inside = real & (np.hypot(trace.x_m - x_m, trace.y_m - y_m) <= reach_m)
    edges = np.diff(np.pad(inside, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (row, first), (_, end) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    if not len(row):
        raise RecordError(f"no vehicle is ever within {reach_m:g} m of x = {x_m:g} m, y = {y_m:g} m")
    enter_s = np.asarray(trace.enter_s)[row] + first.astype(np.float32) * np.float32(trace.dt_s)
    order = np.argsort(enter_s, kind="stable")
    row, first, n_samples = row[order], first[order], (end - first)[order].astype(np.int32)
    column = first[:, None] + np.minimum(np.arange(n_samples.max()), n_samples[:, None] - 1)
    tables = {name: getattr(trace, name)[row[:, None], column] for name in ("x_m", "y_m", "vx_mps", "vy_mps")}
    return Trace(**tables, enter_s=enter_s[order], n_samples=n_samples, dt_s=trace.dt_s)


def region_of_world(
    world: World,
    places: np.ndarray | None = None,
    *,
    horizon: int | None = None,
    n_vehicles: int = 5,
    n_uav: int = 10,
    split: str = "train",
    **options: Any,
) -> Region:
    """A world as the region that `twin_migration` drives through.

    Roadside units stand at the world's places, trips are the recorded visits on slots of 30 s, and a unit counts in each bin of
    five minutes the vehicles that were nearest to it. A recording is shorter than the days that forecasters learn from and
    episodes begin in, so its counts are repeated.

    Args:
        world: of vehicles and places.
        places: those that count; None: all.
        horizon: slots of an episode; None: as many as enough trips last, at most 60.
        n_vehicles: trips that an episode needs.
        n_uav: UAVs, which patrol between the units.
        split: days in which episodes begin.
        options: `predictor`, `most_trips`, `rng`; see `assemble`.
    Raises:
        RecordError: there are too few trips of that length.
    """
    known = not np.isnan(world.anchor_deg).any()
    anchor: Anchor = (float(world.anchor_deg[0]), float(world.anchor_deg[1])) if known else (0.0, 0.0)
    places = np.arange(len(world.place_x_m)) if places is None else places
    corners_m = np.asarray(world.corners_m, float)
    middle_m, half_m = corners_m.mean(0), np.max(corners_m[1] - corners_m[0]) / 2
    lat_deg, lon_deg = to_degrees(world.place_x_m[places].astype(float), world.place_y_m[places].astype(float), anchor)
    lat0, lon0 = (float(x) for x in to_degrees(middle_m[0], middle_m[1], anchor))
    sites = Sites(places, lat_deg, lon_deg, _counts(world, places), (lat0, lon0), float(half_m))
    trips = _trips(world.trace, anchor, horizon, n_vehicles)
    return assemble(
        sites, trips, source=anchor, target=anchor, n_uav=n_uav, n_vehicles=n_vehicles, split=split, **options
    )


def _counts(world: World, places: np.ndarray) -> np.ndarray:
    """Vehicles that each place counts in each bin of `DAYS` days, `(place, bin)`: each once a bin, where it was nearest."""
    row, column, nearest = nearest_place(world, places)
    time_s = np.asarray(world.trace.enter_s, float)[row] + column * float(world.trace.dt_s)
    lasts_s = time_s.max() - time_s.min()
    n_bins = max(int(lasts_s // BIN_S), 1)
    bins = ((time_s - time_s.min()) // BIN_S).astype(int)
    seen = np.unique(np.stack([row, nearest, bins])[:, bins < n_bins], axis=1)
    counts = np.zeros((len(places), n_bins))
    np.add.at(counts, (seen[1], seen[2]), 1)
    counts *= max(BIN_S / max(lasts_s, float(world.trace.dt_s)), 1.0)  # of a recording shorter than a bin
    return np.tile(counts, -(-DAYS * BINS_PER_DAY // n_bins))[:, : DAYS * BINS_PER_DAY]


def _trips(trace: Trace, anchor: Anchor, horizon: int | None, n_vehicles: int) -> Trips:
    """Trips of the longest horizon of which there are enough: four for each vehicle, or if never, one."""
    row, column = samples_of(trace)
    time_s = np.asarray(trace.enter_s, float)[row] + column * float(trace.dt_s)
    place_deg = to_degrees(trace.x_m[row, column].astype(float), trace.y_m[row, column].astype(float), anchor)
    samples, found = Samples(row, time_s, *place_deg), {}
    for slots in HORIZONS if horizon is None else (horizon,):
        try:
            trips = to_trips(samples, slots, max_speed_mps=math.inf, min_span_m=MIN_SPAN_M)
        except RecordError:
            continue
        if len(trips.n_slots) >= 4 * n_vehicles:
            return trips
        found[slots] = trips
    for trips in found.values():
        if len(trips.n_slots) >= n_vehicles:
            return trips
    few = max((len(trips.n_slots) for trips in found.values()), default=0)
    raise RecordError(
        f"the recording has {few} trips of {horizon or HORIZONS[-1]} slots of 30 s at most, too few for {n_vehicles} vehicles"
    )
