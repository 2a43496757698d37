"""Recorded vehicles to replay: the record itself, and a reader of SUMO's floating-car data."""

from jaxvec.traces.sumo import read_fcd
from jaxvec.traces.trace import Trace, TraceError, check, eligible_starts_s, load, provenance, save, shipped

__all__ = ["Trace", "TraceError", "check", "eligible_starts_s", "load", "provenance", "read_fcd", "save", "shipped"]
