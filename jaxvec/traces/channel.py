"""Tables of the channel over places: made of a formula, written, read and checked.

    from jaxvec.traces import save_channel, tabulate

    env, params = jaxvec.make("v2x_offload", carrier_hz=3.5e9)
    channel = tabulate("uma", env.places(params), params, step_m=4.0, buildings=read_footprints("town.geojson"))
    save_channel(channel, "town.npz")
    env, params = jaxvec.make("v2x_offload", pathloss="table", channel="town.npz")

`jaxvec.traces.read_sionna` and `read_deepmimo` make one of ray tracing.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvec.core.npz import RecordError, check_arrays, header_of, read_npz, write_npz
from jaxvec.physics import pathloss
from jaxvec.physics.table import ChannelTable
from jaxvec.traces.footprints import sight

FORMAT = 1  # version of the file layout; load_channel() reads no other
WRITTEN = ("loss_db", "in_sight", "corner_m", "step_m", "site_m", "height_m")  # the rest follows from these
MOST_POINTS = 1 << 28  # of a table: 1 GiB of losses


class Places(NamedTuple):
    """Where the links of a system begin and end.

    Attributes:
        site_m: `(site, 3)`, places of the fixed transmitters and the heights of their antennas [m].
        corners_m: `(2, 2)`, least and largest x and y that vehicles come to [m].
        height_m: antenna of a vehicle above ground [m].
        reach_m: longest link on the ground; infinite where all links are used [m].
    """

    site_m: Float[np.ndarray, "site 3"]
    corners_m: Float[np.ndarray, "2 2"]
    height_m: float
    reach_m: float = float("inf")


def windows_m(places: Places) -> tuple[np.ndarray, np.ndarray]:
    """What a table has to hold of each transmitter: of the area what is in its reach, along each axis.

    Args:
        places: of a system.
    Returns:
        `(site, 2)` each: least and largest x and y [m].
    """
    low_m, high_m = np.asarray(places.corners_m, float)
    at_m = np.asarray(places.site_m, float)[:, :2]
    return np.clip(at_m - places.reach_m, low_m, high_m), np.clip(at_m + places.reach_m, low_m, high_m)


def channel_table(
    loss_db: Any, in_sight: Any, corner_m: Any, step_m: Any, site_m: Any, height_m: Any, where: str = "channel"
) -> ChannelTable:
    """A table of arrays, checked, with what follows from them.

    Args:
        loss_db, in_sight, corner_m, step_m, site_m, height_m: fields of a `ChannelTable`; one corner may stand for all
            transmitters, and one step for both axes.
        where: what to call it in the message, such as a file name.
    Raises:
        RecordError: a shape does not fit the others; there are fewer than two points along an axis; a number is not finite; a
            step is not positive; sight is neither 0 nor 1.
    """
    loss_db = np.asarray(loss_db, np.float32)
    if loss_db.ndim != 3 or len(loss_db) < 1 or min(loss_db.shape[1:]) < 2:
        raise RecordError(
            f"{where}: loss_db has shape {loss_db.shape}, not (site, y, x) with two points at least either way"
        )
    n = len(loss_db)
    arrays = {"loss_db": loss_db} | {
        name: np.asarray(x, np.float32)
        for name, x in {"in_sight": in_sight, "site_m": site_m, "height_m": height_m}.items()
    }
    arrays["corner_m"], arrays["step_m"] = np.asarray(corner_m, np.float32), np.asarray(step_m, np.float32)
    if arrays["corner_m"].shape == (2,):
        arrays["corner_m"] = np.tile(arrays["corner_m"], (n, 1))
    if arrays["step_m"].shape == ():
        arrays["step_m"] = np.tile(arrays["step_m"], 2)
    shapes: dict[str, tuple[int, ...]] = {"loss_db": loss_db.shape, "in_sight": loss_db.shape}
    shapes |= {"corner_m": (n, 2), "step_m": (2,), "site_m": (n, 3), "height_m": ()}
    check_arrays(where, arrays, dict.fromkeys(arrays, np.float32), shapes, f" as loss_db {loss_db.shape} asks")
    if np.any(arrays["step_m"] <= 0):
        raise RecordError(f"{where}: step_m is {arrays['step_m'].tolist()} m, not positive")
    if np.any((arrays["in_sight"] != 0) & (arrays["in_sight"] != 1)):
        raise RecordError(f"{where}: in_sight must be 0 or 1")
    share = np.mean(arrays["in_sight"], dtype=float)
    return ChannelTable(**arrays, decade_db=_per_decade(arrays), share_in_sight=np.float32(share))


def _per_decade(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Least squares of the loss over the logarithm of the distance: at one metre, and per decade."""
    decades = np.log10(np.maximum(_distances_m(arrays, np.s_[:])[1], 1.0)).ravel()
    loss_db = arrays["loss_db"].ravel().astype(float)
    about, mean_db = decades - decades.mean(), loss_db.mean()
    spread = float(about @ about)
    slope_db = float(about @ (loss_db - mean_db)) / spread if spread > 0 else 0.0
    return np.asarray([mean_db - slope_db * decades.mean(), slope_db], np.float32)


def _distances_m(arrays: Mapping[str, Any], which: Any) -> tuple[np.ndarray, np.ndarray]:
    """`(site, y, x)` each: of some transmitters' points, the distances on the ground and in space [m]."""
    n_y, n_x = arrays["loss_db"].shape[1:]
    corner_m, step_m, site_m = (np.asarray(arrays[name], float) for name in ("corner_m", "step_m", "site_m"))
    x_m = corner_m[which, 0, None] + step_m[0] * np.arange(n_x) - site_m[which, 0, None]
    y_m = corner_m[which, 1, None] + step_m[1] * np.arange(n_y) - site_m[which, 1, None]
    ground_m = np.hypot(x_m[:, None, :], y_m[:, :, None])
    return ground_m, np.hypot(ground_m, (site_m[which, 2] - float(arrays["height_m"]))[:, None, None])


def tabulate(
    model: str, places: Places, radio: Any, *, step_m: float = 5.0, buildings: Sequence[np.ndarray] = ()
) -> ChannelTable:
    """A table of a formula.

    Args:
        model: name of a path loss (`jaxvec.physics.pathloss.MODELS`), or NAME for NAME_los where the transmitter is in sight and
            NAME_nlos where it is not.
        places: of a system, see its `places`; or made by hand.
        radio: has the numbers that the formula reads: a system's parameters, say.
        step_m: from point to point. Between them the table is off by some `step_m`^2 / 8 times the formula's curvature: where
            antennas differ by h in height, by 2.4 (step_m / h)^2 dB for 22 dB per decade, right below the transmitter.
        buildings: footprints `(corner, 2)` [m], see `jaxvec.traces.read_footprints`: what a line over them meets is out of sight.
    Returns:
        The table, which holds of each transmitter what `windows_m` asks for.
    Raises:
        ValueError: no such path loss; a step that is not positive, or so small that the table has more than `MOST_POINTS`.
        RecordError: the loss is not finite somewhere.
    """
    pair = pathloss.los_pairs(pathloss.MODELS)
    in_sight_db, blocked_db = (
        pathloss.MODELS[f"{model}_{end}" if model in pair and model not in pathloss.MODELS else model]
        for end in ("los", "nlos")
    )
    if not step_m > 0:
        raise ValueError(f"step_m is {step_m} m, not positive")
    low_m, high_m = windows_m(places)
    n_x, n_y = (int(np.ceil(np.max(high_m - low_m, 0)[c] / step_m - 1e-9)) + 1 for c in (0, 1))
    n, n_x, n_y = len(low_m), max(n_x, 2), max(n_y, 2)
    if n * n_x * n_y > MOST_POINTS:
        raise ValueError(f"step_m = {step_m:g} m makes a table of {n} x {n_y} x {n_x} points, more than {MOST_POINTS}")
    arrays: dict[str, Any] = {
        "loss_db": np.empty((n, n_y, n_x), np.float32),
        "in_sight": np.ones((n, n_y, n_x), np.float32),
    }
    arrays |= {"corner_m": low_m, "step_m": np.full(2, step_m), "site_m": places.site_m, "height_m": places.height_m}
    for s in range(n):
        if len(buildings):
            x_m, y_m = low_m[s, 0] + step_m * np.arange(n_x), low_m[s, 1] + step_m * np.arange(n_y)
            arrays["in_sight"][s] = sight(places.site_m[s, :2], x_m, y_m, buildings)
        ground_m, space_m = (jnp.asarray(d[0], jnp.float32) for d in _distances_m(arrays, np.s_[s : s + 1]))
        link = pathloss.Link(ground_m, space_m, float(places.height_m), float(places.site_m[s, 2]))
        seen_db, hidden_db = (np.broadcast_to(f(link, radio), ground_m.shape) for f in (in_sight_db, blocked_db))
        arrays["loss_db"][s] = np.where(arrays["in_sight"][s] > 0, seen_db, hidden_db)
    return channel_table(**arrays, where=f"a table of {model}")


def save_channel(
    channel: ChannelTable, path: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None
) -> None:
    """Writes a table to a compressed npz file, in one move: the path holds the old file or the whole new one.

    Args:
        channel: the table.
        path: the file, named exactly so.
        provenance: where it comes from, as JSON can hold it; `channel_provenance` reads it back.
    Raises:
        RecordError: the table is not sound, see `channel_table`.
        TypeError: JSON cannot hold the provenance.
        OSError: the file cannot be written.
    """
    arrays = {name: np.asarray(getattr(channel, name)) for name in WRITTEN}
    channel_table(**arrays, where="the table to save")
    write_npz(path, FORMAT, provenance, arrays)


def load_channel(path: str | os.PathLike[str]) -> ChannelTable:
    """Reads a table that `save_channel` wrote.

    Args:
        path: the file.
    Returns:
        The table, its arrays in host memory.
    Raises:
        RecordError: the file is no npz, lacks an entry, is of another format version, or holds an unsound table; the message
            names the file.
        OSError: the file cannot be opened.
    """
    entries = read_npz(path, WRITTEN, FORMAT, "a table of the channel")
    for name in WRITTEN:
        if entries[name].dtype.kind != "f":
            raise RecordError(f"{path}: {name} is {entries[name].dtype}, not float32")
    return channel_table(**{name: entries[name] for name in WRITTEN}, where=str(path))


def channel_provenance(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads where the table in a file comes from, as given to `save_channel`.

    Args:
        path: the file.
    Raises:
        RecordError: as `load_channel`, or the header is not a JSON object.
        OSError: the file cannot be opened.
    """
    return header_of(read_npz(path, WRITTEN, FORMAT, "a table of the channel"), path)
