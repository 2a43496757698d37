"""Recorded vehicles to replay and regions to drive through: the records themselves, their readers, and made-up ones."""

from jaxvec.traces.assemble import assemble, start_bins, synthetic_region
from jaxvec.traces.region import Region, check_region, load_region, region_provenance, save_region
from jaxvec.traces.store import TraceError
from jaxvec.traces.sumo import read_fcd
from jaxvec.traces.trace import Trace, check, eligible_starts_s, load, provenance, save, shipped
from jaxvec.traces.trips import Samples, Trips, to_trips

__all__ = [
    "Region",
    "Samples",
    "Trace",
    "TraceError",
    "Trips",
    "assemble",
    "check",
    "check_region",
    "eligible_starts_s",
    "load",
    "load_region",
    "provenance",
    "read_fcd",
    "region_provenance",
    "save",
    "save_region",
    "shipped",
    "start_bins",
    "synthetic_region",
    "to_trips",
]
