"""Recorded vehicles to replay and regions to drive through: the records themselves, their readers, and made-up ones.

A `Trace` is vehicles seen for some minutes; `read_fcd` makes one of SUMO's floating-car data, `read_table` of any table of
trajectories. A `World` is a trace with an area, streets and places for roadside units, which every system takes (`world=`);
`build_world` makes one of files, `load_world("town")` is one that comes with the package. A `Region` is what
`twin_migration` needs: roadside units with what they count, patrols of UAVs, and trips. `jaxvec.make("twin_migration")` makes one
up. Of downloads of your own:

    from jaxvec.traces import build_region, save_region

    region, provenance = build_region(
        tdrive="taxis/",              # T-Drive: the folder of 1.txt ... 10357.txt
        pems="station_5min/",         # PeMS Clearinghouse, "Station 5-Minute": two days or more of one district
        metadata="d04_text_meta.txt", # and its "Station Metadata"
        cache="cache/",               # the files are read once
    )
    print(provenance["trips"]["samples"]["reasons"])  # rows left out, by reason
    save_region(region, "mine.npz", provenance)
    env, params = jaxvec.make("twin_migration", region="mine.npz")

or `jaxvec traces mine.npz --tdrive taxis/ --pems station_5min/ --metadata d04_text_meta.txt` and then `--set region=mine.npz`.
Files may be gzipped. A part that is not given is made up; `fcd="fcd.xml"` takes the trips from a SUMO recording. Trips are moved,
not turned or scaled, so that the median of the taxis' samples comes to the middle of the stations, and those that lie elsewhere
are left out; `source` and `target` choose other places. For episodes on the last days, of the same region:

    starts = start_bins(region.flow.shape[1], "test", env.horizon)
    params = params.replace(region=params.region.replace(start_bins=starts))

`calibrate` in `jaxvec.envs.twin_migration` adapts the rewards' scales to a region.
"""

from jaxvec.core.npz import RecordError
from jaxvec.traces.assemble import Sites, assemble, start_bins
from jaxvec.traces.build import build_region, synthetic_region
from jaxvec.traces.build_world import build_world
from jaxvec.traces.channel import Places, channel_provenance, channel_table, load_channel, save_channel, tabulate
from jaxvec.traces.columns import DATASETS, Columns
from jaxvec.traces.crossings import region_of_world, within
from jaxvec.traces.footprints import read_footprints
from jaxvec.traces.net import read_net
from jaxvec.traces.pems import choose_sites, read_counts, read_stations
from jaxvec.traces.ray_tracing import from_deepmimo, from_radio_map, trace_sionna
from jaxvec.traces.region import Region, check_region, load_region, region_provenance, save_region
from jaxvec.traces.replay import Replay, replay_of, successors
from jaxvec.traces.rows import Report
from jaxvec.traces.sumo import read_fcd
from jaxvec.traces.table import read_table
from jaxvec.traces.tdrive import read_tdrive
from jaxvec.traces.trace import Trace, check, eligible_starts_s, load, moved, provenance, save, shipped
from jaxvec.traces.trips import Samples, Trips, to_trips, trace_samples
from jaxvec.traces.world import World, check_world, load_world, save_world, world_provenance

__all__ = [
    "DATASETS",
    "Columns",
    "Places",
    "RecordError",
    "Region",
    "Replay",
    "Report",
    "Samples",
    "Sites",
    "Trace",
    "Trips",
    "World",
    "assemble",
    "build_region",
    "build_world",
    "channel_provenance",
    "channel_table",
    "check",
    "check_region",
    "check_world",
    "choose_sites",
    "eligible_starts_s",
    "from_deepmimo",
    "from_radio_map",
    "load",
    "load_channel",
    "load_region",
    "load_world",
    "moved",
    "provenance",
    "read_counts",
    "read_fcd",
    "read_footprints",
    "read_net",
    "read_stations",
    "read_table",
    "read_tdrive",
    "region_of_world",
    "region_provenance",
    "replay_of",
    "save",
    "save_channel",
    "save_region",
    "save_world",
    "shipped",
    "start_bins",
    "successors",
    "synthetic_region",
    "tabulate",
    "to_trips",
    "trace_samples",
    "trace_sionna",
    "within",
    "world_provenance",
]
