"""Counts of stations, a day at a time while they are read, and then all of them in one table of no more days than there are."""

from array import array
from datetime import date, datetime, timedelta

import numpy as np

from jaxvec.core.npz import RecordError
from jaxvec.forecast.counts import BINS_PER_DAY
from jaxvec.traces.rows import Report

MOST_ABSENT_DAYS = 31  # in a row
STRAY_BINS = 12  # of an isolated day at most, for its rows to be taken as misdated
MAX_CELLS = 200_000_000  # most entries of a (station, bin) array
UNSEEN = -1.0

Days = dict[int, dict[int, array]]
"""By station and day, its bins: a count, nan where it is missing, UNSEEN where there was no row."""


def unseen_day() -> array:
    """The bins of a day without a row."""
    return array("f", [UNSEEN]) * BINS_PER_DAY


def check_size(n_days: int, what: str) -> None:
    """Refuses more than can be held.

    Args:
        n_days: days of all stations together.
        what: they are, in words.
    Raises:
        RecordError: they are too many.
    """
    if n_days * BINS_PER_DAY > MAX_CELLS:
        raise RecordError(f"{what} are more than {MAX_CELLS} bins; read fewer stations or files")


def table(days: Days, where: str, report: Report) -> tuple[np.ndarray, np.ndarray, datetime, np.ndarray]:
    """All stations on all days from the first to the last; strays are left out, and days without a row named.

    Args:
        days: what was read; strays are taken out of it.
        where: what to call it in messages.
        report: to which strays and absent days are added.
    Returns:
        Ids; counts (station, bin) from the first bin of any to the last, nan where there is none; when the first begins; (bin,)
        bool, bins of days on which somebody has a row.
    Raises:
        RecordError: days are too far apart, or too many.
    """
    _drop_strays(days, report)
    present = sorted({day for bins in days.values() for day in bins})
    gaps = np.diff(present)
    if len(gaps) and gaps.max() > MOST_ABSENT_DAYS + 1:
        n = int(np.argmax(gaps))
        raise RecordError(
            f"{where}: there is no row between {_date(present[n])} and {_date(present[n + 1])}, more than {MOST_ABSENT_DAYS} "
            "days; is a date wrong? Otherwise read the files before and after one by one"
        )
    begin, n_days = present[0], present[-1] - present[0] + 1
    check_size(len(days) * n_days, f"{where}: {len(days)} stations on {n_days} days")
    absent = sorted({*range(begin, begin + n_days)} - set(present))
    report.absent = [_date(day) for day in absent]
    ids = sorted(days)
    counts = np.full((len(ids), n_days, BINS_PER_DAY), np.nan, np.float32)
    seen = np.zeros((n_days, BINS_PER_DAY), bool)  # of any station
    for n, station in enumerate(ids):
        for day, bins in days[station].items():
            met = np.frombuffer(bins, np.float32) != UNSEEN
            counts[n, day - begin, met] = np.frombuffer(bins, np.float32)[met]
            seen[day - begin] |= met
    (first, last) = np.flatnonzero(seen.ravel())[[0, -1]]
    bin_present = np.repeat(seen.any(1), BINS_PER_DAY)
    span = slice(int(first), int(last) + 1)
    begins = datetime.fromordinal(begin) + timedelta(minutes=5 * int(first))
    return np.array(ids, np.int64), counts.reshape(len(ids), -1)[:, span], begins, bin_present[span]


def _drop_strays(days: Days, report: Report) -> None:
    """Takes out rows of an hour or less on a day without a neighbour, but for the day that has most."""
    n_met: dict[int, np.ndarray] = {}
    for of_station in days.values():
        for day, bins in of_station.items():
            n_met[day] = n_met.get(day, np.zeros(BINS_PER_DAY, int)) + (np.frombuffer(bins, np.float32) != UNSEEN)
    most = max(n_met, key=lambda day: int(n_met[day].sum()))
    for day, met in n_met.items():
        if day == most or day - 1 in n_met or day + 1 in n_met or np.sum(met > 0) > STRAY_BINS:
            continue
        for station in [station for station, of_station in days.items() if day in of_station]:
            del days[station][day]
            if not days[station]:
                del days[station]
        report.count("stray", int(met.sum()))
        report.kept -= int(met.sum())


def _date(day: int) -> str:
    return date.fromordinal(day).isoformat()
