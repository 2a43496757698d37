"""A region put together of roadside units with what they count, and trips from anywhere."""

from typing import NamedTuple

import numpy as np

from jaxvec.core.npz import RecordError
from jaxvec.forecast.counts import BINS_PER_DAY, FIRST_HOUR, LAST_HOUR, Predictor, predict, split_bins
from jaxvec.traces.earth import Anchor, align, to_metres
from jaxvec.traces.region import Region, check_region, start_range
from jaxvec.traces.trips import Trips

N_WAYPOINTS = 4
MARGIN_M = 1500.0  # around the square of the RSUs, in which trips must be
MIN_INSIDE = 0.9  # of a trip's slots


class Sites(NamedTuple):
    """Roadside units of a region, and what they count.

    Attributes:
        station: (rsu,) int64, ids.
        lat_deg, lon_deg: (rsu,) float64 [degree].
        counts: (rsu, bin) vehicles per bin, from a midnight on.
        centre: latitude and longitude of the middle of the square that they are in [degree].
        half_width_m: half its side [m].
    """

    station: np.ndarray
    lat_deg: np.ndarray
    lon_deg: np.ndarray
    counts: np.ndarray
    centre: Anchor
    half_width_m: float


def start_bins(n_bins: int, split: str, horizon: int = 60) -> np.ndarray:
    """Bins in which an episode may begin, `(start,)` int32: from 6:00 to before 22:00 of a split's days.

    Args:
        n_bins: of the counts, from a midnight on.
        split: `train`, `validation` or `test`.
        horizon: slots of the episode, which must end before the counts do.
    Raises:
        ValueError: unknown split.
        RecordError: there is no such bin.
    """
    first, last = split_bins(n_bins, split)
    earliest, latest = start_range(n_bins, horizon)
    bins = np.arange(max(first, earliest), min(last, latest + 1), dtype=np.int32)
    hour = bins % BINS_PER_DAY // 12
    bins = bins[(hour >= FIRST_HOUR) & (hour < LAST_HOUR)]
    if not len(bins):
        raise RecordError(
            f"no episode of {horizon} slots can begin in the {split} days of {n_bins / BINS_PER_DAY:g} days of counts"
        )
    return bins


def patrols(rng: np.random.Generator, xy_m: np.ndarray, n_uav: int) -> np.ndarray:
    """Closed loops of UAVs over four RSUs each.

    The first begins at a random RSU, each other as far as possible from where those before it do. A loop goes on to the nearest
    RSU that is not on it, three times; where there is none, it stays.

    Args:
        rng: of the first beginning.
        xy_m: (rsu, 2), where RSUs stand [m].
        n_uav: loops.
    Returns:
        (uav, 4, 2) float32, their corners [m].
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
    sites: Sites,
    trips: Trips,
    *,
    source: Anchor | None = None,
    target: Anchor | None = None,
    n_rsu: int | None = None,
    n_uav: int = 10,
    n_vehicles: int = 1,
    most_trips: int = 20_000,
    split: str = "train",
    predictor: str | Predictor = "ar6",
    rng: np.random.Generator | None = None,
) -> Region:
    """A region of RSUs, what they count, and trips from anywhere, which are moved rigidly from `source` to `target`.

    Trips with less than 90 % of their slots within the square of the sites, plus 1.5 km on each side, are then left out.

    Args:
        sites: RSUs and counts.
        trips: on slots.
        source: place in the trips' area that becomes `target`; the median of their samples if not given [degree].
        target: anchor of the region; the middle of the sites' square if not given [degree].
        n_rsu: RSUs of the arrays: those missing are padding. As many as there are if not given.
        n_uav: UAVs.
        n_vehicles: trips that an episode needs.
        most_trips: a random choice of so many, if there are more.
        split: days in which episodes begin.
        predictor: forecasts; see `jaxvec.forecast.counts`.
        rng: where the first UAV's loop begins, and the choice of trips; seed 0 if not given.
    Raises:
        RecordError: there is no trip, no bin to begin in, or another array is not sound; see check_region().
        ValueError: unknown split or predictor, or sizes that do not fit.
    """
    n_present, n_rsu = len(sites.lat_deg), len(sites.lat_deg) if n_rsu is None else n_rsu
    if not 1 <= n_present <= n_rsu:
        raise ValueError(f"{n_present} RSUs, but the arrays are to have 1 to {n_rsu}")
    if n_uav < 0:
        raise ValueError(f"n_uav is {n_uav}, not at least 0")
    source, target = source or trips.centre, target or sites.centre
    rng = np.random.default_rng(0) if rng is None else rng
    xy_m = np.stack(to_metres(sites.lat_deg, sites.lon_deg, target), -1)
    loops = patrols(rng, xy_m, n_uav)
    lat, lon, n_slots = _moved(trips, source, target, sites)
    chosen = np.sort(rng.permutation(len(n_slots))[:most_trips])
    region = Region(
        lat0_deg=np.array(target[0], np.float32),
        lon0_deg=np.array(target[1], np.float32),
        rsu_dlat_deg=_padded(sites.lat_deg - target[0], n_rsu),
        rsu_dlon_deg=_padded(sites.lon_deg - target[1], n_rsu),
        rsu_present=np.arange(n_rsu) < n_present,
        uav_wp_xy_m=loops,
        traj_dlat_deg=np.asarray(lat[chosen] - target[0], np.float32),
        traj_dlon_deg=np.asarray(lon[chosen] - target[1], np.float32),
        traj_len=n_slots[chosen],
        flow=_padded(sites.counts, n_rsu),
        flow_pred=_padded(predict(np.asarray(sites.counts, np.float32), predictor), n_rsu),
        start_bins=start_bins(sites.counts.shape[1], split, lat.shape[1]),
    )
    return check_region(region, n_vehicles=n_vehicles)


def _padded(x: np.ndarray, n: int) -> np.ndarray:
    """Rows of zeros after those there are, n in all, float32."""
    return np.concatenate([x, np.zeros((n - len(x), *x.shape[1:]))]).astype(np.float32)


def _moved(trips: Trips, source: Anchor, target: Anchor, sites: Sites) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latitudes, longitudes and slots of the trips, moved, that are near the sites."""
    lat, lon = align(trips.lat_deg, trips.lon_deg, source, target)
    x_m, y_m = to_metres(lat, lon, sites.centre)
    reach_m = sites.half_width_m + MARGIN_M
    inside = (np.abs(x_m) <= reach_m) & (np.abs(y_m) <= reach_m)
    real = np.arange(x_m.shape[1]) < trips.n_slots[:, None]
    near = np.sum(inside & real, 1) >= MIN_INSIDE * trips.n_slots
    if not near.any():
        raise RecordError(
            f"none of {len(near)} trips, moved from {source} to {target}, lies within {reach_m:g} m of {sites.centre}, "
            "north, south, east and west"
        )
    return lat[near], lon[near], trips.n_slots[near]
