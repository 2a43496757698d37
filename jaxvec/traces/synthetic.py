"""Made-up regions: roadside units on a grid of roads, taxis that drive on it, and counts with the rhythms of day and week.

The city is 10 km wide with a road every kilometre, the rural area 30 km with a road every 5 km. Counts have the statistics of
five-minute counts on Californian motorways (mean near 300 vehicles, autocorrelation .98 after a bin and .95 after a week), trips
those of taxis.
"""

from typing import NamedTuple

import numpy as np

from jaxvec.core.errors import suggest
from jaxvec.forecast.counts import BINS_PER_DAY
from jaxvec.traces.earth import Anchor, to_degrees
from jaxvec.traces.trips import SLOT_S, Samples

TAXIS_AT: Anchor = (39.92, 116.40)
SITES_AT: Anchor = (37.35, -121.93)
JITTER_M = 50.0
STREAMS = ("sites", "flow", "trips", "loops")
HEADINGS = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]])  # north, east, south, west: the next one is to the right


class Area(NamedTuple):
    """A kind of region: its width and the distance of its roads [m], most RSUs, and the speed of its taxis [m/s]."""

    width_m: float
    road_m: float
    most_rsus: int
    speed_mps: float


AREAS = {"city": Area(10e3, 1e3, 121, 10.0), "rural": Area(30e3, 5e3, 68, 20.0)}


def area_of(name: str) -> Area:
    """An area by name.

    Args:
        name: one of `AREAS`.
    Raises:
        ValueError: unknown name.
    """
    if name not in AREAS:
        raise ValueError(suggest("area", name, AREAS))
    return AREAS[name]


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator of one part of a region, so that a change of one leaves the others as they are.

    Args:
        seed: of the region.
        name: one of `STREAMS`.
    """
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(len(STREAMS))[STREAMS.index(name)])


def sites_m(seed: int, area: str, n_rsu: int) -> np.ndarray:
    """Where RSUs stand, `(rsu, 2)` [m], x east and y north of the centre; the first n are the sites for n.

    In the city they are on junctions, the likelier the nearer to the centre, `exp(-r / 4 km)`, without replacement (the order of
    exponential clocks, Efraimidis and Spirakis 2006); in the rural area anywhere along roads.

    Args:
        seed: of the region.
        area: `city` or `rural`.
        n_rsu: how many.
    Raises:
        ValueError: unknown area, or more RSUs than it takes.
    """
    rng, kind = stream(seed, "sites"), area_of(area)
    if not 1 <= n_rsu <= kind.most_rsus:
        raise ValueError(f"n_rsu is {n_rsu}, outside 1 to {kind.most_rsus} in the area {area!r}")
    roads_m = np.arange(-kind.width_m / 2, kind.width_m / 2 + 1, kind.road_m)
    if area == "city":
        junctions = np.stack(np.meshgrid(roads_m, roads_m), -1).reshape(-1, 2)
        rings = rng.exponential(size=len(junctions)) * np.exp(np.hypot(*junctions.T) / 4e3)
        xy = junctions[np.argsort(rings)]
    else:
        across = rng.choice(roads_m, kind.most_rsus)
        along = rng.uniform(-kind.width_m / 2, kind.width_m / 2, kind.most_rsus)
        xy = np.stack([across, along], 1)
        crosswise = rng.random(kind.most_rsus) < 0.5
        xy[crosswise] = xy[crosswise, ::-1]
    return (xy + rng.uniform(-JITTER_M, JITTER_M, xy.shape))[:n_rsu]


class Flow(NamedTuple):
    """Counts `(station, bin)` of whole numbers, and lanes `(station,)` of each station. The first bin begins on a Monday."""

    counts: np.ndarray
    lanes: np.ndarray


def flow(seed: int, n_stations: int, n_days: int = 28) -> Flow:
    """Vehicles per five minutes at stations with morning and evening peaks, weekends, noise and incidents.

    Args:
        seed: of the region.
        n_stations: how many stations.
        n_days: days, the first a Monday.
    Raises:
        ValueError: a number is not positive.
    """
    if n_stations < 1 or n_days < 1:
        raise ValueError(f"{n_stations} stations and {n_days} days: both must be at least 1")
    rng, n_bins = stream(seed, "flow"), n_days * BINS_PER_DAY
    lanes = rng.choice([2, 3, 4, 5], n_stations, p=[0.15, 0.25, 0.35, 0.25])
    level = 80 * lanes * rng.lognormal(-(0.35**2) / 2, 0.35, n_stations)
    direction = rng.integers(3, size=n_stations)
    shift_h = rng.normal(0, 10 / 60, n_days)
    daily = rng.lognormal(0, 0.03, n_days)
    day = np.arange(n_bins) // BINS_PER_DAY
    hour = (np.arange(n_bins) % BINS_PER_DAY + 0.5) / 12
    shape = np.stack([_profile(hour - shift_h[day], day % 7 >= 5, *peaks) for peaks in PEAKS])
    week = np.arange(7 * BINS_PER_DAY)
    week_hour, weekend = (week % BINS_PER_DAY + 0.5) / 12, week // BINS_PER_DAY >= 5
    shape /= np.stack([_profile(week_hour, weekend, *peaks).mean(keepdims=True) for peaks in PEAKS])
    noise = _autoregression(rng, 1, n_bins, 0.95, 0.03) + _autoregression(rng, n_stations, n_bins, 0.70, 0.07)
    mean = level[:, None] * shape[direction] * daily[day] * np.exp(noise)
    for station, incidents in enumerate(rng.poisson(0.1 * n_days, n_stations)):
        for _ in range(incidents):
            first = rng.integers(n_bins)
            mean[station, first : first + rng.integers(4, 13)] *= rng.uniform(0.3, 0.7)
    return Flow(np.minimum(rng.poisson(mean), 180 * lanes[:, None]), lanes)


PEAKS = ((0.45, 0.15), (0.15, 0.45), (0.30, 0.30))  # morning and evening, of inbound, outbound and two-way stations


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _profile(hour: np.ndarray, weekend: np.ndarray, morning: float, evening: float) -> np.ndarray:
    """Traffic at an hour of the day, in units of its own."""

    def bell(centre_h: float, width_h: float) -> np.ndarray:
        return np.exp(-(((hour - centre_h) / width_h) ** 2) / 2)

    def rise_fall(up_h: float, up_width_h: float, down_h: float, down_width_h: float) -> np.ndarray:
        return _sigmoid((hour - up_h) / up_width_h) * _sigmoid((down_h - hour) / down_width_h)

    work = 0.12 + 0.70 * rise_fall(5.5, 0.6, 21.5, 1.2) + morning * bell(7.75, 1.1) + evening * bell(17.25, 1.5)
    rest = 0.12 + 0.55 * rise_fall(8.5, 1.2, 22, 1.5) + 0.25 * bell(14, 3)
    return np.where(weekend, rest, work)


def _autoregression(rng: np.random.Generator, n: int, n_bins: int, phi: float, std: float) -> np.ndarray:
    """Stationary first-order autoregressions, `(n, bin)`, of standard deviation `std`."""
    x = rng.normal(0, std, (n_bins, n))
    x[1:] *= np.sqrt(1 - phi**2)
    for k in range(1, n_bins):
        x[k] += phi * x[k - 1]
    return x.T


def taxis(seed: int, area: str, n_taxis: int = 150, n_trips: int = 6) -> Samples:
    """Taxis that drive on the grid of roads around `TAXIS_AT`, sampled every 30 s of each trip; between trips they are silent.

    Args:
        seed: of the region.
        area: `city` or `rural`.
        n_taxis: how many taxis.
        n_trips: trips of each.
    Raises:
        ValueError: unknown area, or a number is not positive.
    """
    rng, kind = stream(seed, "trips"), area_of(area)
    if n_taxis < 1 or n_trips < 1:
        raise ValueError(f"{n_taxis} taxis with {n_trips} trips: both must be at least 1")
    drive_s = rng.uniform(900, 2400, (n_taxis, n_trips))
    pause_s = np.floor(rng.uniform(900, 3600, (n_taxis, n_trips)))
    driven_s = np.concatenate([np.zeros((n_taxis, 1)), np.cumsum(drive_s, 1)], 1)  # of driving, when each trip begins
    begin_s = np.floor(driven_s[:, :-1]) + np.cumsum(pause_s, 1)  # on the clock: whole seconds
    path_s, path_m = _drive(rng, kind, n_taxis, driven_s[:, -1].max())
    parts = []
    for taxi in range(n_taxis):
        for trip in range(n_trips):
            slots_s = np.arange(int(drive_s[taxi, trip] // SLOT_S) + 1) * SLOT_S
            at_s = driven_s[taxi, trip] + slots_s
            x_m, y_m = (np.interp(at_s, path_s[:, taxi], path_m[:, taxi, axis]) for axis in (0, 1))
            parts.append((np.full(len(at_s), taxi + 1), begin_s[taxi, trip] + slots_s, x_m, y_m))
    vehicle, time_s, x_m, y_m = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Samples(vehicle, time_s, *to_degrees(x_m, y_m, TAXIS_AT))


def _drive(rng: np.random.Generator, kind: Area, n: int, until_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the ways of n taxis: times of driving `(corner, taxi)` [s] and places `(corner, taxi, 2)` [m].

    At a junction straight on in 60 % of cases, left or right in 20 % each; where that leaves the region, the first that does not
    of left, right and back. With 40 % a light is red, for an exponential 20 s.
    """
    last = round(kind.width_m / kind.road_m)
    at, heading = rng.integers(last + 1, size=(n, 2)), rng.integers(4, size=n)
    speed_mps = kind.speed_mps * rng.lognormal(0, 0.2, n)
    time_s = np.zeros(n)
    times_s, places = [time_s], [at]
    while time_s.min() <= until_s:
        wish = heading + rng.choice([0, -1, 1], n, p=[0.6, 0.2, 0.2])
        options = [wish, heading - 1, heading + 1, heading + 2]
        after = [at + HEADINGS[option % 4] for option in options]
        heading = np.select([np.all((place >= 0) & (place <= last), 1) for place in after], options) % 4
        red_s = np.where(rng.random(n) < 0.4, rng.exponential(20, n), 0)
        arrive_s = time_s + red_s + kind.road_m / (speed_mps * rng.lognormal(0, 0.2, n))
        times_s += [time_s + red_s, arrive_s]
        places += [at, at + HEADINGS[heading]]
        time_s, at = arrive_s, places[-1]
    return np.array(times_s), np.array(places) * kind.road_m - kind.width_m / 2
