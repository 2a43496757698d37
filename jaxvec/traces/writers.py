"""Made-up traffic in the formats of T-Drive and PeMS: for tests of what reads those, and as patterns of them."""

import gzip
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from jaxvec.core.files import replacing
from jaxvec.forecast.counts import BINS_PER_DAY
from jaxvec.traces.trips import Samples

MONDAY = datetime(2024, 1, 1)
FIRST_STATION = 400_001
SPEED_MPH = 60
METADATA = (
    "ID", "Fwy", "Dir", "District", "County", "City", "State_PM", "Abs_PM", "Latitude", "Longitude", "Length", "Type", "Lanes",
    "Name", "User_ID_1", "User_ID_2", "User_ID_3", "User_ID_4",
)  # fmt: skip


def write_tdrive(
    samples: Samples, folder: str | Path, *, bad_rows: bool = False, zipped: bool = False
) -> dict[str, int]:
    """Writes samples in the format of T-Drive, a file a taxi.

    Args:
        samples: whose times are whole seconds since 1970, or since anything.
        folder: made if need be.
        bad_rows: put one row of every bad kind into each file.
        zipped: as `.txt.gz`.
    Returns:
        Bad rows by the reason for which a reader must drop them.
    """
    bad: dict[str, int] = {}
    for taxi in np.unique(samples.vehicle).tolist():
        of_taxi = samples.vehicle == taxi
        rows = [
            _sample(taxi, second, lat, lon)
            for second, lat, lon in zip(*(column[of_taxi].tolist() for column in samples[1:]), strict=True)
        ]
        if bad_rows:
            second, lat, lon = (column[of_taxi][0].item() for column in samples[1:])
            worse = {
                "blank": "",
                "fields": rows[0].rsplit(",", 1)[0],
                "parse": rows[0].replace("-", "/"),
                "bounds": _sample(taxi, second, lon, lat),  # swapped
                "duplicate": _sample(taxi, second, lat + 1e-3, lon),
                "speed": _sample(taxi, second + 1, lat + 0.1, lon),  # 11 km in a second
            }
            rows[1:1] = worse.values()
            bad = {reason: bad.get(reason, 0) + 1 for reason in worse}
        _write(Path(folder) / f"{taxi}.txt", rows, zipped)
    return bad


def _sample(taxi: int, second: float, lat_deg: float, lon_deg: float) -> str:
    when = datetime(1970, 1, 1) + timedelta(seconds=second)
    return f"{taxi},{when:%Y-%m-%d %H:%M:%S},{lon_deg:.5f},{lat_deg:.5f}"


def write_pems(
    counts: np.ndarray,
    lanes: np.ndarray,
    lat_deg: np.ndarray,
    lon_deg: np.ndarray,
    folder: str | Path,
    *,
    begin: datetime = MONDAY,
    bad_rows: bool = False,
    zipped: bool = False,
) -> dict[str, int]:
    """Writes counts and metadata in the formats of PeMS: a file a day, and `meta.txt`. Stations have ids from 400001 on.

    Args:
        counts: (station, bin) whole numbers, of whole days.
        lanes: (station,).
        lat_deg, lon_deg: (station,) [degree].
        folder: made if need be; counts go to its folder `5min`.
        begin: the first midnight.
        bad_rows: put one row of every kind that a reader drops into each day.
        zipped: the counts, as `.txt.gz`.
    Returns:
        Bad rows of the counts by the reason for which a reader must drop them.
    """
    folder = Path(folder)
    rows = ["\t".join(METADATA)]
    for n, (lane, lat, lon) in enumerate(zip(lanes, lat_deg, lon_deg, strict=True)):
        place = f"85\t68000\t{n}.0\t{n}.0\t{lat:.5f}\t{lon:.5f}\t0.5\tML\t{lane}\tStation {n}"
        rows.append(f"{FIRST_STATION + n}\t101\tN\t4\t{place}\t\t\t\t")
    _write(folder / "meta.txt", rows, False)
    bad: dict[str, int] = {}
    for day in range(counts.shape[1] // BINS_PER_DAY):
        rows = []
        midnight = begin + timedelta(days=day)
        for k in range(BINS_PER_DAY):
            when = f"{midnight + timedelta(minutes=5 * k):%m/%d/%Y %H:%M:%S}"
            of_bin = counts[:, day * BINS_PER_DAY + k].tolist()
            rows += [_count(when, n, int(lanes[n]), int(count)) for n, count in enumerate(of_bin)]
        if bad_rows:
            worse = {
                "blank": "",
                "header": "Timestamp,Station,District",
                "fields": rows[0].split(",50,")[0],
                "parse": rows[0].replace("/", "-"),
                "grid": rows[0].replace(":00:00,", ":02:00,", 1),
                "type": rows[0].replace(",ML,", ",OR,"),
                "duplicate": rows[0],
            }
            rows[1:1] = worse.values()
            bad = {reason: bad.get(reason, 0) + 1 for reason in worse}
        _write(folder / "5min" / f"d04_text_station_5min_{midnight:%Y_%m_%d}.txt", rows, zipped)
    return bad


def _count(when: str, station: int, lanes: int, count: int) -> str:
    """A row: the total, and as much as possible the same for each lane."""
    of_lanes = [(count + lane) // lanes for lane in range(lanes)]
    occupancy = count * 12 / lanes / SPEED_MPH * 20 / 5280  # density times a car of 20 feet
    total = f"{when},{FIRST_STATION + station},4,101,N,ML,.5,50,100,{count},{occupancy:.4f},{SPEED_MPH}"
    return ",".join([total, *(f"10,{x},{occupancy:.4f},{SPEED_MPH},1" for x in of_lanes)])


def _write(path: Path, rows: Iterable[str], zipped: bool) -> None:
    """Lines of text, all of them or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{row}\n" for row in rows).encode()
    with replacing(path.with_name(path.name + ".gz") if zipped else path) as part:
        part.write_bytes(gzip.compress(text, 1, mtime=0) if zipped else text)
