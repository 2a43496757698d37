"""Recorded vehicles to replay and regions to drive through: the records themselves, their readers, and made-up ones."""

from jaxvec.traces.assemble import Sites, assemble, start_bins
from jaxvec.traces.build import build_region, synthetic_region
from jaxvec.traces.pems import choose_sites, read_counts, read_stations
from jaxvec.traces.region import Region, check_region, load_region, region_provenance, save_region
from jaxvec.traces.rows import Report
from jaxvec.traces.store import TraceError
from jaxvec.traces.sumo import read_fcd
from jaxvec.traces.tdrive import read_tdrive
from jaxvec.traces.trace import Trace, check, eligible_starts_s, load, provenance, save, shipped
from jaxvec.traces.trips import Samples, Trips, to_trips, trace_samples

__all__ = [
    "Region",
    "Report",
    "Samples",
    "Sites",
    "Trace",
    "TraceError",
    "Trips",
    "assemble",
    "build_region",
    "check",
    "check_region",
    "choose_sites",
    "eligible_starts_s",
    "load",
    "load_region",
    "provenance",
    "read_counts",
    "read_fcd",
    "read_stations",
    "read_tdrive",
    "region_provenance",
    "save",
    "save_region",
    "shipped",
    "start_bins",
    "synthetic_region",
    "to_trips",
    "trace_samples",
]
