"""Which samples of a vehicle are its way, and which are not: a vehicle cannot be where it could not have driven to.

What came first is not taken for true. Of a vehicle's samples the longest chain is kept in which each can be reached from the
one before, and every other chain that is long enough to be a track of its own; the rest are outliers. Between the tracks that are
kept there are jumps, at which a reader cuts.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

LOOK_BACK = 1024  # samples over which a chain may go on
MOST_LEVELS = 8  # of tracks between tracks; what lies deeper is dropped
NEAR = 16  # samples that are looked at first

Pairs = Callable[[Any, Any], np.ndarray]
"""Of two arrays of samples' numbers, or an array and a number, something for each pair of an earlier and a later one."""


def plausible(
    n: int, distance_m: Pairs, reach_m: Pairs, is_track: Callable[[np.ndarray], bool], later: np.ndarray | None = None
) -> np.ndarray:
    """Samples of one vehicle, in order of time, that are kept.

    Args:
        n: how many there are.
        distance_m: between samples [m].
        reach_m: how far the vehicle can have come from one to the other [m]; negative where it cannot have been at both.
        is_track: whether a chain, by its samples' numbers, is a track of its own though another is longer.
        later: (n,) bool, samples that are taken only where it makes a chain longer; of equal chains the shorter way is taken.
    Returns:
        (n,) bool.
    """
    kept = np.zeros(n, bool)
    later = np.zeros(n, bool) if later is None else later
    blocks = [(np.arange(n), 0)]
    while blocks:
        block, level = blocks.pop()
        chain = _longest(block, distance_m, reach_m, later)
        if level and not is_track(block[chain]):
            continue
        kept[block[chain]] = True
        rest = np.setdiff1d(np.arange(len(block)), chain)
        if len(rest) and level < MOST_LEVELS:
            parts = np.split(rest, np.flatnonzero(np.diff(rest) > 1) + 1)
            blocks += [(block[part], level + 1) for part in parts]
    return kept


def _longest(samples: np.ndarray, distance_m: Pairs, reach_m: Pairs, later: np.ndarray) -> np.ndarray:
    """Places in `samples` of the longest chain; of several the shortest way.

    `count[k]` and `way[k]` are samples and metres of the best chain that ends at k, `most[k]` the largest count up to there.
    Where k alone has the largest count, it goes on from there for as long as steps are possible.
    """
    n = len(samples)
    step_m = distance_m(samples[:-1], samples[1:])
    possible = step_m <= reach_m(samples[:-1], samples[1:])
    if possible.all():
        return np.arange(n)
    bad = np.append(np.flatnonzero(~possible), n - 1)
    penalty_m = np.where(later[samples], 1e12, 0.0)  # more than any way
    count, way, most, before = np.ones(n, int), penalty_m.copy(), np.ones(n, int), np.full(n, -1)
    k = 1
    while k < n:
        if possible[k - 1] and count[k - 1] > (most[k - 2] if k > 1 else 0):
            end = bad[np.searchsorted(bad, k)] + 1
            count[k:end] = most[k:end] = count[k - 1] + np.arange(1, end - k + 1)
            way[k:end] = way[k - 1] + np.cumsum(step_m[k - 1 : end - 1] + penalty_m[k:end])
            before[k:end] = np.arange(k - 1, end - 1)
            k = end
            continue
        first, best = k, 0
        while first > max(0, k - LOOK_BACK) and most[first - 1] >= best:  # what is farther back has no more samples
            first = max(0, k - LOOK_BACK, min(first - NEAR, k - 2 * (k - first)))
            far_m = distance_m(samples[first:k], samples[k])
            counts = np.where(far_m <= reach_m(samples[first:k], samples[k]), count[first:k], 0)
            best = counts.max()
        if best:
            ways = np.where(counts == best, way[first:k] + far_m, np.inf)
            before[k] = first + np.argmin(ways)
            count[k], way[k] = best + 1, ways.min() + penalty_m[k]
        most[k] = max(most[k - 1], count[k])
        k += 1
    ends = np.flatnonzero(count == count.max())
    chain = [int(ends[np.argmin(way[ends])])]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return np.array(chain[::-1])
