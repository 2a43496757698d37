"""Streets that nobody has told of: where recorded vehicles drove, in as few straight pieces as show it."""

import itertools
from typing import Any

import numpy as np

from jaxvec.traces import Replay
from jaxvec.traces.replay import NEVER_S

Way = tuple[float, float, float, float]
TOLERANCE_M = 5.0  # by which a piece may miss where a vehicle was
CELL_M = 14.0  # ground that a piece covers on either side
MOST_TRACKS = 400  # looked at, of all evenly


def ways_of(params: Any) -> tuple[Way, ...]:
    """Where the vehicles drove that an environment replays, from x0, y0 to x1, y1 [m]; none of made-up traffic.

    Args:
        params: the numbers of the environment, of one world.
    """
    replay = getattr(params, "trace", None)
    if not isinstance(replay, Replay):
        return ()
    samples, visits = np.asarray(replay.samples)[:, :2].astype(float), np.asarray(replay.vehicles)[:, 1:3].astype(int)
    if (starts := getattr(params, "trace_starts", None)) is not None:
        visits = visits[_met(replay, np.unique(starts))]
    covered, kept = set[tuple[int, int]](), list[Way]()
    for n in np.unique(np.linspace(0, len(visits) - 1, MOST_TRACKS).astype(int)):
        first, last = visits[n]
        track = samples[first : first + last + 1]
        for a, b in itertools.pairwise(track[_corners(track)]):
            points = a + (b - a) * np.linspace(0, 1, 2 + int(np.hypot(*(b - a)) / CELL_M))[:, None]
            cells = list(map(tuple, np.floor(points / CELL_M).astype(int).tolist()))
            new = [cell not in covered for cell in cells]
            for begin, end in _runs(new):
                (x0, y0), (x1, y1) = points[max(begin - 2, 0)].tolist(), points[min(end + 1, len(points) - 1)].tolist()
                kept.append((x0, y0, x1, y1))
            covered |= {
                (x + i, y + j) for x, y in itertools.compress(cells, new) for i in (-1, 0, 1) for j in (-1, 0, 1)
            }
    return tuple(kept)


def _met(replay: Replay, starts: np.ndarray) -> np.ndarray:
    """Who is there in episodes that begin at some of the recording's start times, at first or later: bool `(vehicle,)`."""
    vehicles, met = np.asarray(replay.vehicles), np.zeros(len(replay.vehicles), bool)
    new = np.concatenate([replay.there[start, : replay.n_there[start]] for start in starts])
    while new.size:
        met[new] = True
        new = new[vehicles[new, 4] < NEVER_S]
        new = vehicles[new, 3].astype(int)
        new = np.unique(new[~met[new]])
    return met


def _runs(flags: list[bool]) -> list[tuple[int, int]]:
    """First and past-the-last of each run of what is true."""
    edges = np.flatnonzero(np.diff([False, *flags, False]))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _corners(track: np.ndarray) -> np.ndarray:
    """Points of a track between which straight lines miss no other by more than `TOLERANCE_M` (Douglas and Peucker 1973)."""
    keep, todo = {0, len(track) - 1}, [(0, len(track) - 1)]
    while todo:
        i, j = todo.pop()
        if j - i < 2:
            continue
        along = track[j] - track[i]
        offset = track[i + 1 : j] - track[i]
        part = np.clip(offset @ along / max(float(along @ along), 1e-9), 0, 1)
        miss_m = np.hypot(*(offset - part[:, None] * along).T)
        k = i + 1 + int(np.argmax(miss_m))
        if miss_m[k - i - 1] > TOLERANCE_M:
            keep.add(k)
            todo += [(i, k), (k, j)]
    return np.array(sorted(keep))


def clipped(way: Way, low: tuple[float, float], high: tuple[float, float]) -> Way | None:
    """What of a piece lies in a box (Liang and Barsky 1984); None of one that does not.

    Args:
        way: the piece.
        low, high: corners of the box, in the same units.
    """
    x0, y0, x1, y1 = way
    first, last = 0.0, 1.0
    for start, change, least, most in ((x0, x1 - x0, low[0], high[0]), (y0, y1 - y0, low[1], high[1])):
        if change == 0:
            if not least <= start <= most:
                return None
            continue
        ends = sorted(((least - start) / change, (most - start) / change))
        first, last = max(first, ends[0]), min(last, ends[1])
    if first >= last:
        return None
    return x0 + first * (x1 - x0), y0 + first * (y1 - y0), x0 + last * (x1 - x0), y0 + last * (y1 - y0)
