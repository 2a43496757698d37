"""A region that vehicles drive through: roadside units, patrols of UAVs, trips, and the traffic that the units count.

The arrays of `twin_migration`, which its `Params` hold one by one under the same names. They come from
`jaxvec.traces.synthetic_region` (no files needed), or from `jaxvec.traces.assemble`, of one's own T-Drive and PeMS downloads.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import struct
from jaxtyping import Bool, Float32, Int32

from jaxvec.core.npz import RecordError, check_arrays, header_of, read_npz, write_npz
from jaxvec.forecast.counts import N_LAGS

FORMAT = 1  # version of the file layout; load_region() reads no other
MIN_SLOTS = 20  # of a trip, unless the horizon is shorter
SLOTS_PER_BIN = 10  # a slot is 30 s, a bin 5 min
MAX_OFFSET_DEG = 5.0  # from the anchor: larger ones are no region, or no differences


class Region(struct.PyTreeNode):
    """One region, a pytree of host arrays. N roadside units (RSUs), U UAVs, P trips of up to T slots, K bins, B starts.

    Coordinates are differences from the anchor, since float32 degrees resolve metres only. Bin k begins k * 5 min after a
    midnight.

    Attributes:
        lat0_deg, lon0_deg: () float32, the anchor [degree].
        rsu_dlat_deg, rsu_dlon_deg: (N,) float32, RSUs minus the anchor [degree].
        rsu_present: (N,) bool, False for padding.
        uav_wp_xy_m: (U, 4, 2) float32, corners of the closed patrol loops, east and north of the anchor [m]. A loop may have
            length 0.
        traj_dlat_deg, traj_dlon_deg: (P, T) float32, trips on slots, minus the anchor, padded by their last point [degree].
        traj_len: (P,) int32, slots of each trip.
        flow: (N, K) float32, vehicles counted in each bin; 0 for padding.
        flow_pred: (N, K) float32, forecast of `flow[:, k]` from `flow[:, k - 6 : k]` only.
        start_bins: (B,) int32, bins in which an episode may begin, increasing.
    """

    lat0_deg: Float32[np.ndarray, ""]
    lon0_deg: Float32[np.ndarray, ""]
    rsu_dlat_deg: Float32[np.ndarray, "rsu"]
    rsu_dlon_deg: Float32[np.ndarray, "rsu"]
    rsu_present: Bool[np.ndarray, "rsu"]
    uav_wp_xy_m: Float32[np.ndarray, "uav 4 2"]
    traj_dlat_deg: Float32[np.ndarray, "trip slot"]
    traj_dlon_deg: Float32[np.ndarray, "trip slot"]
    traj_len: Int32[np.ndarray, "trip"]
    flow: Float32[np.ndarray, "rsu bin"]
    flow_pred: Float32[np.ndarray, "rsu bin"]
    start_bins: Int32[np.ndarray, "start"]

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name: `jaxvec.make("twin_migration", **region.arrays())`."""
        return {name: np.asarray(getattr(self, name)) for name in DTYPES}


DTYPES: dict[str, Any] = dict.fromkeys(Region.__dataclass_fields__, np.float32) | {
    "rsu_present": np.bool_,
    "traj_len": np.int32,
    "start_bins": np.int32,
}


def check_region(region: Region, where: str = "region", *, n_vehicles: int = 1) -> Region:
    """Returns the region if it is whole and sound.

    Args:
        region: the arrays.
        where: what to call them in the message, such as a file name.
        n_vehicles: trips that an episode needs.
    Raises:
        RecordError: an array has the wrong dtype or shape, or is empty; a number is not finite; coordinates are not
            differences; no RSU is present; a count is negative; a trip is too short, too long or not padded by its last
            point; there are fewer trips than vehicles; or a start leaves no room for the forecast before it or the episode
            after it.
    """
    arrays = region.arrays()
    for name, axes in {"flow": "rsu, bin", "traj_dlat_deg": "trip, slot", "uav_wp_xy_m": "uav, 4, 2"}.items():
        shape = arrays[name].shape
        if len(shape) != len(axes.split(",")) or 0 in shape[-2:]:
            raise RecordError(f"{where}: {name} has shape {shape}, not ({axes}) with at least one of each")
    (n_rsu, n_bins), (n_trips, horizon) = arrays["flow"].shape, arrays["traj_dlat_deg"].shape
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("lat0_deg", "lon0_deg"), ())
    shapes |= dict.fromkeys(("rsu_dlat_deg", "rsu_dlon_deg", "rsu_present"), (n_rsu,))
    shapes |= dict.fromkeys(("traj_dlat_deg", "traj_dlon_deg"), (n_trips, horizon)) | {"traj_len": (n_trips,)}
    shapes |= dict.fromkeys(("flow", "flow_pred"), (n_rsu, n_bins)) | {
        "start_bins": arrays["start_bins"].shape[:1] or (1,)
    }
    shapes |= {"uav_wp_xy_m": (len(arrays["uav_wp_xy_m"]), 4, 2)}
    check_arrays(where, arrays, DTYPES, shapes, f" as {n_rsu} RSUs, {n_bins} bins and {n_trips} trips of {horizon} ask")
    if not abs(arrays["lat0_deg"]) < 85:
        raise RecordError(f"{where}: lat0_deg is {arrays['lat0_deg']}, where east and west are of no use")
    for name in ("rsu_dlat_deg", "rsu_dlon_deg", "traj_dlat_deg", "traj_dlon_deg"):
        far = float(np.max(np.abs(arrays[name])))
        if far > MAX_OFFSET_DEG:
            raise RecordError(f"{where}: {name} reaches {far:g} degrees; it must hold differences from the anchor")
    if not arrays["rsu_present"].any():
        raise RecordError(f"{where}: no RSU is present")
    for name in ("flow", "flow_pred"):
        if np.min(arrays[name]) < 0:
            raise RecordError(f"{where}: {name} has a negative count")
    _check_trips(arrays, where, n_vehicles)
    _check_starts(arrays["start_bins"], n_bins, horizon, where)
    return region


def _check_trips(arrays: dict[str, np.ndarray], where: str, n_vehicles: int) -> None:
    slots, (n_trips, horizon) = arrays["traj_len"], arrays["traj_dlat_deg"].shape
    shortest = min(MIN_SLOTS, horizon)
    for n in np.flatnonzero((slots < shortest) | (slots > horizon)):
        raise RecordError(f"{where}: traj_len[{n}] is {slots[n]}, outside {shortest} to {horizon}")
    last = np.minimum(np.arange(horizon), slots[:, None] - 1)
    for name in ("traj_dlat_deg", "traj_dlon_deg"):
        for n in np.flatnonzero(np.any(arrays[name] != np.take_along_axis(arrays[name], last, 1), 1)):
            raise RecordError(f"{where}: {name}[{n}] does not repeat its last point, that of slot {slots[n] - 1}")
    if n_trips < n_vehicles:
        raise RecordError(f"{where}: {n_trips} trips are too few for {n_vehicles} vehicles")


def _check_starts(starts: np.ndarray, n_bins: int, horizon: int, where: str) -> None:
    first, last = start_range(n_bins, horizon)
    if not len(starts):
        raise RecordError(f"{where}: start_bins is empty: there is no bin in which an episode may begin")
    if np.any(np.diff(starts) <= 0):
        raise RecordError(f"{where}: start_bins does not increase")
    if starts[0] < first or starts[-1] > last:
        raise RecordError(
            f"{where}: start_bins reaches from {starts[0]} to {starts[-1]}, "
            f"but {n_bins} bins and {horizon} slots leave {first} to {last}"
        )


def start_range(n_bins: int, horizon: int) -> tuple[int, int]:
    """First and last bin in which an episode could begin: all that a forecast, and the count before it, look back on lies
    before; all that an episode, and the slot after it, look at comes after.

    Args:
        n_bins: of the counts.
        horizon: slots of an episode.
    """
    return N_LAGS + 1, n_bins - 1 - -(-horizon // SLOTS_PER_BIN)


def save_region(region: Region, path: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
    """Writes a region to a compressed npz file, in one move.

    Args:
        region: the arrays.
        path: the file, named exactly so.
        provenance: where they come from, as JSON can hold it; `region_provenance` reads it back.
    Raises:
        RecordError: the region is not sound, see check_region().
        TypeError: JSON cannot hold the provenance.
        OSError: the file cannot be written.
    """
    check_region(region, "the region to save")
    write_npz(path, FORMAT, provenance, region.arrays())


def load_region(path: str | os.PathLike[str]) -> Region:
    """Reads a region that save_region() wrote.

    Args:
        path: the file.
    Raises:
        RecordError: the file is no npz, lacks an entry, is of another version, or holds an unsound region, see
            check_region(). The message names the file.
        OSError: the file cannot be opened.
    """
    entries = read_npz(path, DTYPES, FORMAT, "a region")
    return check_region(Region(**{name: entries[name] for name in DTYPES}), str(path))


def region_provenance(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads where the region in a file comes from, as given to save_region().

    Args:
        path: the file.
    Raises:
        RecordError: as load_region(), or the header is not a JSON object.
        OSError: the file cannot be opened.
    """
    return header_of(read_npz(path, DTYPES, FORMAT, "a region"), path)
