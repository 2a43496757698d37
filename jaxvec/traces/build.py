"""Regions of one's own files: T-Drive or SUMO for trips, PeMS for roadside units and counts. What is not given is made up."""

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.traces import synthetic
from jaxvec.traces.assemble import Sites, assemble
from jaxvec.traces.earth import Anchor, to_degrees
from jaxvec.traces.pems import choose_sites, near, read_counts, read_stations
from jaxvec.traces.region import Region
from jaxvec.traces.rows import Report
from jaxvec.traces.sumo import read_fcd
from jaxvec.traces.tdrive import read_tdrive
from jaxvec.traces.trips import SLOT_S, Trips, to_trips, trace_samples


@functools.lru_cache(maxsize=16)
def synthetic_region(
    seed: int = 0,
    area: str = "city",
    *,
    n_rsu: int = 84,
    n_present: int | None = None,
    horizon: int = 60,
    n_days: int = 28,
    **options: Any,
) -> Region:
    """A made-up region; the same arguments give the same arrays, which are shared and read-only.

    Args:
        seed: of all of it.
        area: `city` (10 km wide) or `rural` (30 km wide).
        n_rsu: RSUs of the arrays.
        n_present: those that are present, the rest is padding: all that the area takes (121 or 68) if not given. Fewer are the
            first of the same sites.
        horizon: slots of an episode.
        n_days: of counts, the first a Monday.
        options: `n_uav`, `n_vehicles`, `split`, `predictor`; see `assemble`. All but `start_bins` is the same for each split.
    Raises:
        ValueError: unknown area, split or predictor, or a size out of range.
    """
    n_present = min(n_rsu, synthetic.area_of(area).most_rsus) if n_present is None else n_present
    sites = _made_up_sites(seed, area, n_present, n_rsu, n_days)
    trips = to_trips(synthetic.taxis(seed, area), horizon)
    region = assemble(
        sites, trips, source=synthetic.TAXIS_AT, n_rsu=n_rsu, rng=synthetic.stream(seed, "loops"), **options
    )
    for array in region.arrays().values():
        array.flags.writeable = False
    return region


def _made_up_sites(seed: int, area: str, n_present: int, n_rsu: int, n_days: int) -> Sites:
    """The first of the sites and counts that n_rsu would have."""
    xy_m = synthetic.sites_m(seed, area, n_present)
    lat_deg, lon_deg = to_degrees(xy_m[:, 0], xy_m[:, 1], synthetic.SITES_AT)
    counts = synthetic.flow(seed, n_rsu, n_days).counts[:n_present]
    half_width_m = synthetic.area_of(area).width_m / 2
    return Sites(np.arange(n_present), lat_deg, lon_deg, counts, synthetic.SITES_AT, half_width_m)


def build_region(
    *,
    tdrive: str | Path | None = None,
    fcd: str | Path | None = None,
    pems: str | Path | None = None,
    metadata: str | Path | None = None,
    area: str = "city",
    seed: int = 0,
    n_rsu: int = 84,
    horizon: int = 60,
    n_days: int = 28,
    width_m: float = 10e3,
    source: Anchor | None = None,
    target: Anchor | None = None,
    strict: bool = False,
    cache: str | Path | None = None,
    **options: Any,
) -> tuple[Region, dict[str, Any]]:
    """Puts a region together, with its provenance.

    Args:
        tdrive: T-Drive files, or the folder of them, for the trips.
        fcd: in their place a SUMO recording (floating-car data with x and y in metres) of ten minutes or more.
        pems: PeMS *Station 5-Minute* files, or the folder of them; with `metadata`.
        metadata: PeMS station metadata, a file.
        area: `city` or `rural`: of what is made up.
        seed: of what is made up, of the UAVs' loops, and of the choice among too many trips.
        n_rsu: RSUs of the arrays.
        horizon: slots of an episode.
        n_days: of made-up counts.
        width_m: of the square of stations to begin with [m].
        source, target: see `assemble`; of made-up trips the source is the middle of their roads.
        strict: refuse rows that would be left out; see `read_samples`, `read_fcd` and `read_counts`.
        cache: folder for what was read.
        options: `n_uav`, `n_vehicles`, `split`, `predictor`, `most_trips`; see `assemble`.
    Returns:
        The region, and its provenance for `save_region`.
    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: files are unusable or not given together, or an argument is out of range; the message says which.
    """
    if tdrive is not None and fcd is not None:
        raise ValueError("give T-Drive files or a SUMO recording, not both")
    if (pems is None) != (metadata is None):
        raise ValueError("counts of PeMS need the metadata of its stations, and the other way round")
    trips, of_trips = _trips(tdrive, fcd, area, seed, horizon, strict, cache)
    if pems is not None and metadata is not None:
        sites, of_sites = _pems_sites(pems, metadata, n_rsu, width_m, strict, cache)
    else:
        n_present = min(n_rsu, synthetic.area_of(area).most_rsus)
        sites, of_sites = _made_up_sites(seed, area, n_present, n_rsu, n_days), _made_up(area, seed)
    source, target, rng = source or trips.centre, target or sites.centre, synthetic.stream(seed, "loops")
    region = assemble(sites, trips, source=source, target=target, n_rsu=n_rsu, rng=rng, **options)
    where = {"source": source, "target": target, "half_width_m": sites.half_width_m}
    return region, {"trips": of_trips, "sites": of_sites, **where, "n_trips": len(region.traj_len)}


def _trips(
    tdrive: str | Path | None,
    fcd: str | Path | None,
    area: str,
    seed: int,
    horizon: int,
    strict: bool,
    cache: str | Path | None,
) -> tuple[Trips, dict[str, Any]]:
    """Trips of T-Drive, of SUMO or made up, and their provenance."""
    if tdrive is not None:
        trips, report = read_tdrive(tdrive, horizon, strict=strict, cache=cache)
        return trips, {"from": "T-Drive", "path": str(tdrive), "samples": report.to_json()}
    if fcd is not None:
        report = Report()
        trace = read_fcd(fcd, dt_s=SLOT_S, origin_s=None, strict=strict, report=report)
        trips = to_trips(trace_samples(trace), horizon, max_speed_mps=math.inf)  # the trace is cut at its jumps
        report.left_out |= {f"trips {reason}": n for reason, n in trips.left_out.items()}
        return trips, {"from": "SUMO", "path": str(fcd), "samples": report.to_json()}
    return to_trips(synthetic.taxis(seed, area), horizon)._replace(centre=synthetic.TAXIS_AT), _made_up(area, seed)


def _made_up(area: str, seed: int) -> dict[str, Any]:
    """The provenance of what is made up."""
    return {"from": f"made up, {area}, seed {seed}"}


def _pems_sites(
    pems: str | Path, metadata: str | Path, n_rsu: int, width_m: float, strict: bool, cache: str | Path | None
) -> tuple[Sites, dict[str, Any]]:
    """Sites among the stations of PeMS, and their provenance."""
    stations, places = read_stations(metadata)
    counts, report = read_counts(pems, near(stations), strict=strict, cache=cache)
    counts = counts.whole_days()
    sites = choose_sites(stations, counts, n_rsu, width_m=width_m)
    return sites, {
        "from": "PeMS",
        "path": str(pems),
        "begin": counts.begin.isoformat(),
        "stations": sites.station.tolist(),
        "metadata": places.to_json(),
        "counts": report.to_json(),
    }
