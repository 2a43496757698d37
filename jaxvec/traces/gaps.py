"""Counts of every five minutes with gaps in them, filled in."""

import numpy as np

from jaxvec.forecast.counts import BINS_PER_DAY

SHORT_GAP = 6  # bins that a straight line may bridge


def fill(counts: np.ndarray) -> np.ndarray:
    """One station's counts with nan filled in.

    Up to six missing bins in a row are bridged by a straight line; more, or those at the ends, are the median of the same bin of
    the week, else of the day, else of all.

    Args:
        counts: (bin,), at least one of them a number.
    """
    x = np.asarray(counts, np.float64)
    gone = np.isnan(x)
    if not gone.any():
        return x
    known = np.flatnonzero(~gone)
    filled = np.interp(np.arange(len(x)), known, x[known])
    edges = np.concatenate([[-1], known, [len(x)]])
    long = np.zeros(len(x), bool)
    for gap in np.flatnonzero(np.diff(edges) > 1):
        before, after = edges[gap], edges[gap + 1]
        if after - before > SHORT_GAP + 1 or before < 0 or after == len(x):
            long[before + 1 : after] = True
    if long.any():
        filled[long] = _usual(x)[long]
    return filled


def _usual(x: np.ndarray) -> np.ndarray:
    """Of each bin the median of the same bin of all weeks, else of all days, else of all bins."""
    usual = np.full(len(x), np.nan)
    for period in (7 * BINS_PER_DAY, BINS_PER_DAY, 1):
        whole = np.concatenate([x, np.full(-len(x) % period, np.nan)]).reshape(-1, period)
        some = ~np.isnan(whole).all(0)
        medians = np.full(period, np.nan)
        medians[some] = np.nanmedian(whole[:, some], 0)
        usual = np.where(np.isnan(usual), medians[np.arange(len(x)) % period], usual)
    return usual
