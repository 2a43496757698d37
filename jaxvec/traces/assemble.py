"""Regions put together: from made-up parts, or from RSUs, counts and trips of anywhere."""

import functools

import numpy as np

from jaxvec.traces import synthetic
from jaxvec.traces.earth import Anchor, align, to_degrees, to_metres
from jaxvec.traces.forecast import BINS_PER_DAY, FIRST_HOUR, LAST_HOUR, Predictor, predict, split_bins
from jaxvec.traces.region import Region, check_region, room
from jaxvec.traces.store import TraceError
from jaxvec.traces.trips import Trips, to_trips

N_WAYPOINTS = 4
MARGIN_M = 1500.0  # around the square of the RSUs, in which trips must be
MIN_INSIDE = 0.9  # of a trip's slots


def start_bins(n_bins: int, split: str, horizon: int = 60) -> np.ndarray:
    """Bins in which an episode may begin, `(start,)` int32: from 6:00 to before 22:00 of a split's days.

    Args:
        n_bins: of the counts, from a midnight on.
        split: `train`, `validation` or `test`.
        horizon: slots of the episode, which must end before the counts do.
    Raises:
        ValueError: unknown split.
        TraceError: there is no such bin.
    """
    first, last = split_bins(n_bins, split)
    earliest, latest = room(n_bins, horizon)
    bins = np.arange(max(first, earliest), min(last, latest + 1), dtype=np.int32)
    hour = bins % BINS_PER_DAY // 12
    bins = bins[(hour >= FIRST_HOUR) & (hour < LAST_HOUR)]
    if not len(bins):
        raise TraceError(
            f"no episode of {horizon} slots can begin in the {split} days of {n_bins / BINS_PER_DAY:g} days of counts"
        )
    return bins


def patrols(rng: np.random.Generator, xy_m: np.ndarray, n_uav: int) -> np.ndarray:
    """Closed loops of UAVs over four RSUs each, `(uav, 4, 2)` [m].

    The first begins at a random RSU, each other as far as possible from where those before it do. A loop goes on to the nearest
    RSU that is not on it, three times; where there is none, it stays.
    """
    apart_m = np.hypot(*(xy_m[:, None] - xy_m[None]).transpose(2, 0, 1))
    begins = [int(rng.integers(len(xy_m)))]
    while len(begins) < n_uav:
        begins.append(int(np.argmax(apart_m[begins].min(0))))
    loops = []
    for begin in begins[:n_uav]:
        loop = [begin]
        while len(loop) < N_WAYPOINTS:
            away_m = apart_m[loop[-1]].copy()
            away_m[loop] = np.inf
            loop.append(int(np.argmin(away_m)) if np.isfinite(away_m).any() else loop[-1])
        loops.append(xy_m[loop])
    return np.reshape(np.array(loops, np.float32), (n_uav, N_WAYPOINTS, 2))


def assemble(
    lat_deg: np.ndarray,
    lon_deg: np.ndarray,
    counts: np.ndarray,
    trips: Trips,
    *,
    target: Anchor,
    half_width_m: float,
    source: Anchor | None = None,
    n_rsu: int | None = None,
    n_uav: int = 10,
    n_vehicles: int = 1,
    split: str = "train",
    predictor: str | Predictor = "ar6",
    rng: np.random.Generator | None = None,
) -> Region:
    """A region of RSUs, what they count, and trips from anywhere, which are moved rigidly from `source` to `target`.

    Trips with less than 90 % of their slots within the square around `target`, plus 1.5 km on each side, are left out.

    Args:
        lat_deg, lon_deg: (rsu,), where the RSUs are [degree].
        counts: (rsu, bin) vehicles per bin, from a midnight on.
        trips: on slots.
        target: anchor of the region (latitude, longitude) [degree].
        half_width_m: half the side of the square that the RSUs are in [m].
        source: what of the trips' area becomes the anchor; the median of their samples if not given [degree].
        n_rsu: RSUs of the arrays: those missing are padding. As many as there are if not given.
        n_uav: UAVs.
        n_vehicles: trips that an episode needs.
        split: days in which episodes begin.
        predictor: forecasts; see `jaxvec.traces.forecast`.
        rng: where the first UAV's loop begins; seed 0 if not given.
    Raises:
        TraceError: there is no trip, no bin to begin in, or another array is not sound; see check_region().
        ValueError: unknown split or predictor, or sizes that do not fit.
    """
    there, n_rsu = len(lat_deg), len(lat_deg) if n_rsu is None else n_rsu
    if not 1 <= there <= n_rsu:
        raise ValueError(f"{there} RSUs, but the arrays are to have 1 to {n_rsu}")
    if n_uav < 0:
        raise ValueError(f"n_uav is {n_uav}, not at least 0")
    lat, lon, n_slots = _moved(trips, trips.centre if source is None else source, target, half_width_m + MARGIN_M)
    padded = lambda x: np.concatenate([x, np.zeros((n_rsu - there, *x.shape[1:]))]).astype(np.float32)  # noqa: E731
    xy_m = np.stack(to_metres(lat_deg, lon_deg, target), -1)
    region = Region(
        lat0_deg=np.array(target[0], np.float32),
        lon0_deg=np.array(target[1], np.float32),
        rsu_dlat_deg=padded(np.subtract(lat_deg, target[0])),
        rsu_dlon_deg=padded(np.subtract(lon_deg, target[1])),
        rsu_present=np.arange(n_rsu) < there,
        uav_wp_xy_m=patrols(np.random.default_rng(0) if rng is None else rng, xy_m, n_uav),
        traj_dlat_deg=np.asarray(lat - target[0], np.float32),
        traj_dlon_deg=np.asarray(lon - target[1], np.float32),
        traj_len=n_slots,
        flow=padded(counts),
        flow_pred=padded(predict(np.asarray(counts, np.float32), predictor)),
        start_bins=start_bins(counts.shape[1], split, lat.shape[1]),
    )
    return check_region(region, n_vehicles=n_vehicles)


def _moved(trips: Trips, source: Anchor, target: Anchor, reach_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trips around `target`, without those that are mostly farther east, west, north or south than `reach_m`."""
    x_m, y_m = to_metres(trips.lat_deg, trips.lon_deg, source)
    inside = (np.abs(x_m) <= reach_m) & (np.abs(y_m) <= reach_m)
    real = np.arange(x_m.shape[1]) < trips.n_slots[:, None]
    kept = np.sum(inside & real, 1) >= MIN_INSIDE * trips.n_slots
    if not kept.any():
        raise TraceError(
            f"none of {len(kept)} trips lies within {reach_m:g} m of {source}, north, south, east and west"
        )
    lat, lon = align(trips.lat_deg[kept], trips.lon_deg[kept], source, target)
    return lat, lon, trips.n_slots[kept]


@functools.lru_cache(maxsize=16)
def synthetic_region(
    seed: int = 0,
    area: str = "city",
    *,
    n_rsu: int = 84,
    n_present: int | None = None,
    n_uav: int = 10,
    horizon: int = 60,
    n_vehicles: int = 1,
    n_days: int = 28,
    split: str = "train",
    predictor: str | Predictor = "ar6",
) -> Region:
    """A made-up region; the same arguments give the same arrays, which are shared and read-only.

    Args:
        seed: of all of it.
        area: `city` (10 km wide) or `rural` (30 km wide).
        n_rsu: RSUs of the arrays.
        n_present: those that are there, the rest is padding: all that the area takes (121 or 68) if not given. Fewer are the
            first of the same sites.
        n_uav: UAVs.
        horizon: slots of an episode.
        n_vehicles: trips that an episode needs.
        n_days: of counts, the first a Monday.
        split: `train`, `validation` or `test`: days in which episodes begin. All else is the same for each.
        predictor: `ar6`, `persistence`, or a function; see `jaxvec.traces.forecast`.
    Raises:
        ValueError: unknown area, split or predictor, or a size out of range.
    """
    kind = synthetic.area_of(area)
    there = min(n_rsu, kind.most_rsus) if n_present is None else n_present
    xy_m = synthetic.sites_m(seed, area, there)
    lat_deg, lon_deg = to_degrees(xy_m[:, 0], xy_m[:, 1], synthetic.SITES_AT)
    region = assemble(
        lat_deg,
        lon_deg,
        synthetic.flow(seed, n_rsu, n_days).counts[:there],
        to_trips(synthetic.taxis(seed, area), horizon),
        target=synthetic.SITES_AT,
        source=synthetic.TAXIS_AT,
        half_width_m=kind.width_m / 2,
        n_rsu=n_rsu,
        n_uav=n_uav,
        n_vehicles=n_vehicles,
        split=split,
        predictor=predictor,
        rng=synthetic.stream(seed, "loops"),
    )
    for array in region.arrays().values():
        array.flags.writeable = False
    return region
