"""Where roadside units or servers stand: by a list, or by a rule that looks at traffic.

Throughout:
    xy_m: (point, 2) float64, where there was traffic [m].
    seconds: (point,) float64, how long, of all vehicles together [s].
    n: places asked for.
"""

import os
from pathlib import Path

import numpy as np

from jaxvec.core.npz import RecordError
from jaxvec.traces import clock
from jaxvec.traces.earth import Projection
from jaxvec.traces.rows import lines
from jaxvec.traces.trace import Trace

RULES = ("coverage", "kmeans", "grid", "junctions")
CELL_M = 20.0  # of traffic, at least
MOST_CELLS = 500  # of traffic, along a side
MOST_CANDIDATES = 4000
TRIES, ROUNDS = 5, 100  # of k-means
NAMES = (("x", "y"), ("longitude", "latitude"), ("lon", "lat"))


def traffic(trace: Trace, corners_m: np.ndarray, cell_m: float = CELL_M) -> tuple[np.ndarray, np.ndarray]:
    """Where vehicles were, and how long: middles of square cells of the area in which any was.

    Args:
        trace: the vehicles.
        corners_m: (2, 2), of the area [m].
        cell_m: width of a cell; larger where the area has more than `MOST_CELLS` along a side [m].
    Returns:
        xy_m and seconds.
    """
    low, high = np.asarray(corners_m, np.float64)
    cell_m = max(cell_m, float(np.max(high - low)) / MOST_CELLS)
    there = np.arange(trace.x_m.shape[1]) < np.asarray(trace.n_samples)[:, None]
    at_m = np.stack([np.asarray(trace.x_m)[there], np.asarray(trace.y_m)[there]], 1).astype(np.float64)
    at_m = at_m[np.all((at_m >= low) & (at_m <= high), 1)]
    cells, counts = np.unique(np.floor((at_m - low) / cell_m).astype(np.int64), axis=0, return_counts=True)
    return low + (cells + 0.5) * cell_m, counts * float(trace.dt_s)


def grid(corners_m: np.ndarray, n: int) -> np.ndarray:
    """Rows of places, evenly over an area.

    Args:
        corners_m: (2, 2), of the area [m].
    Returns:
        (n, 2), row by row from the south-west [m].
    """
    low, high = np.asarray(corners_m, np.float64)
    width_m, height_m = high - low
    n_rows = int(np.clip(np.round(np.sqrt(n * height_m / width_m)), 1, n))
    of_row = np.diff(np.round(np.linspace(0, n, n_rows + 1))).astype(int)
    rows = []
    for row, count in enumerate(of_row):
        x_m = low[0] + width_m * (np.arange(count) + 0.5) / count
        rows.append(np.stack([x_m, np.full(count, low[1] + height_m * (row + 0.5) / n_rows)], 1))
    return np.concatenate(rows)


def kmeans(xy_m: np.ndarray, seconds: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Places with the least mean squared distance to traffic, of several tries (Lloyd 1982; begun as by Arthur and Vassilvitskii
    2007).

    Args:
        seed: of the tries.
    Returns:
        (n, 2), from west to east [m].
    Raises:
        RecordError: there was traffic at fewer than n points.
    """
    from scipy.spatial import cKDTree

    if len(xy_m) < n:
        raise RecordError(f"{n} places asked for, but there was traffic in {len(xy_m)} cells only")
    rng, best = np.random.default_rng(seed), (np.inf, xy_m[:n])
    for _ in range(TRIES):
        places = _spread(xy_m, seconds, n, rng)
        for _ in range(ROUNDS):
            far_m, of = cKDTree(places).query(xy_m)
            total = np.maximum(np.bincount(of, seconds, n), np.finfo(float).tiny)
            moved = np.stack([np.bincount(of, seconds * x, n) / total for x in xy_m.T], 1)
            moved = np.where(np.bincount(of, minlength=n)[:, None] > 0, moved, places)
            if np.allclose(moved, places, atol=1e-3):
                break
            places = moved
        best = min(best, (float(np.sum(seconds * far_m**2)), places), key=lambda pair: pair[0])
    return best[1][np.lexsort(best[1].T[::-1])]


def _spread(xy_m: np.ndarray, seconds: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Points to begin with, each drawn in proportion to traffic and squared distance from those before."""
    chosen = [int(rng.choice(len(xy_m), p=seconds / seconds.sum()))]
    near2_m2 = np.sum((xy_m - xy_m[chosen[0]]) ** 2, 1)
    for _ in range(n - 1):
        share = seconds * near2_m2
        chosen.append(int(rng.choice(len(xy_m), p=share / share.sum())))
        near2_m2 = np.minimum(near2_m2, np.sum((xy_m - xy_m[chosen[-1]]) ** 2, 1))
    return xy_m[chosen].copy()


def coverage(
    xy_m: np.ndarray, seconds: np.ndarray, n: int, reach_m: float, candidates_m: np.ndarray | None = None
) -> np.ndarray:
    """Places one after the other, each where the most traffic is within reach that no place before reaches.

    Where all traffic is reached that can be, it is reached once more.

    Args:
        reach_m: of a place [m].
        candidates_m: (candidate, 2), where places may be [m]; None: where there was traffic.
    Returns:
        (n, 2), in the order in which they were chosen [m].
    Raises:
        RecordError: there are fewer than n candidates, or none reaches any traffic.
    """
    from scipy import sparse
    from scipy.spatial import cKDTree

    if candidates_m is None:
        candidates_m = _thinned(xy_m, reach_m)
    if len(candidates_m) < n:
        raise RecordError(f"{n} places asked for, but there are {len(candidates_m)} where one may be")
    near = cKDTree(candidates_m).query_ball_tree(cKDTree(xy_m), reach_m)
    counts = [len(points) for points in near]
    columns = np.concatenate([np.asarray(points, np.int64) for points in near])
    reaches = sparse.csr_array(
        (np.ones(len(columns)), columns, np.concatenate([[0], np.cumsum(counts)])), (len(candidates_m), len(xy_m))
    )
    if not len(columns):
        raise RecordError(f"no place that may be chosen has traffic within {reach_m:g} m")
    left, free, chosen = seconds.copy(), np.ones(len(candidates_m), bool), list[int]()
    while len(chosen) < n:
        gain = np.where(free, reaches @ left, -1.0)
        if gain.max() <= 0 and not np.array_equal(left, seconds):
            left = seconds.copy()
            continue
        best = int(np.argmax(gain))
        chosen.append(best)
        free[best] = False
        left[near[best]] = 0.0
    return candidates_m[chosen]


def _thinned(xy_m: np.ndarray, reach_m: float) -> np.ndarray:
    """Of points, one in each cell of a few, so that there are not too many."""
    cell_m = reach_m / 16
    while True:
        _, first = np.unique(np.floor(xy_m / cell_m), axis=0, return_index=True)
        if len(first) <= MOST_CANDIDATES:
            return xy_m[np.sort(first)]
        cell_m *= 1.5


def read_places(path: str | os.PathLike[str], projection: Projection | None = None) -> np.ndarray:
    """Reads a list of places: CSV with a row of names, among them x and y, or longitude and latitude.

    Args:
        path: the file, plain or gzipped.
        projection: of degrees.
    Returns:
        (place, 2), in the order of the file [m].
    Raises:
        RecordError: the columns are not there, a row is no place, there is no row, or degrees come without a projection; the
            message names file and line.
        OSError: the file cannot be read.
    """
    texts = [(n, (line or b"").decode("utf-8", "replace")) for n, line in enumerate(lines(Path(path)), 1)]
    rows = [(n, text.replace(";", ",").split(",")) for n, text in texts if text.strip()]
    names = [name.strip().strip('"').lower() for name in rows[0][1]] if rows else []
    pair = next((pair for pair in NAMES if set(pair) <= set(names)), None)
    if pair is None:
        raise RecordError(
            f"{path}: the first line names no x and y, or longitude and latitude: {', '.join(names) or 'empty'}"
        )
    at, places = [names.index(name) for name in pair], []
    for n, fields in rows[1:]:
        try:
            place = [clock.number(fields[k].strip().strip('"')) for k in at]
        except (ValueError, IndexError):
            place = [np.nan, np.nan]
        if not np.all(np.isfinite(place)):
            raise RecordError(f"{path}:{n}: no place: {','.join(fields)[: clock.LONGEST]}")
        places.append(place)
    if not places:
        raise RecordError(f"{path}: there is no place in it")
    first, second = np.array(places, np.float64).T
    if pair == NAMES[0]:
        return np.stack([first, second], 1)
    if projection is None:
        raise RecordError(f"{path}: places are in degrees, but it is not known where on Earth the vehicles are")
    return np.stack(projection.to_metres(second, first), 1)
