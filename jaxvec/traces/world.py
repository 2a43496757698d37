"""A piece of the world to simulate: recorded vehicles, the area they drive in, its streets, and places for roadside units."""

import os
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
from flax import struct
from jaxtyping import Float32

from jaxvec.core.npz import RecordError, check_arrays, header_of, read_npz, write_npz
from jaxvec.traces import trace as traces
from jaxvec.traces.trace import Trace

FORMAT = 1  # version of the file layout; load_world() reads no other
SHIPPED = {"town": "town_1km.npz"}  # names that load_world() takes in place of a path
LATITUDES_DEG = (-85.0, 85.0)  # nearer to a pole east and west are of no use


class World(struct.PyTreeNode):
    """Vehicles and places on one plane, a pytree of host arrays. x is east and y is north of one origin.

    Vehicles may leave the area's corners and places may lie outside of them: the corners say what is looked at.

    Attributes:
        trace: the vehicles, recorded.
        corners_m: (2, 2) float32, of the area, the rows x_min, y_min and x_max, y_max [m].
        place_x_m, place_y_m: (place,) float32, where roadside units or servers stand, one at least [m].
        streets_m: (segment, 4) float32, straight pieces of street from x0, y0 to x1, y1, to be drawn [m]; may have no row.
        anchor_deg: (2,) float32, latitude and longitude of x = y = 0 [degree]; both NaN where that is not known.
    """

    trace: Trace
    corners_m: Float32[np.ndarray, "2 2"]
    place_x_m: Float32[np.ndarray, "place"]
    place_y_m: Float32[np.ndarray, "place"]
    streets_m: Float32[np.ndarray, "segment 4"]
    anchor_deg: Float32[np.ndarray, "2"]


OWN = tuple(name for name in World.__dataclass_fields__ if name != "trace")  # all float32
NAMES = (*traces.DTYPES, *OWN)  # entries of a file


def check_world(world: World, where: str = "world") -> World:
    """Returns the world if it is whole and sound.

    Args:
        world: the arrays.
        where: what to call them in the message, such as a file name.
    Raises:
        RecordError: the trace is not sound, see check(); an array has the wrong dtype or shape; a number is not finite, but
            for an anchor that is not known; there is no place; or the corners enclose no area.
    """
    traces.check(world.trace, where)
    arrays = {name: np.asarray(getattr(world, name)) for name in OWN}
    n_places, n_segments = arrays["place_x_m"].shape[:1], arrays["streets_m"].shape[:1]
    if n_places in ((), (0,)):
        raise RecordError(f"{where}: place_x_m has shape {arrays['place_x_m'].shape}, not (place,) with at least one")
    shapes = {"corners_m": (2, 2), "place_x_m": n_places, "place_y_m": n_places, "streets_m": (*n_segments, 4)}
    shapes["anchor_deg"] = (2,)
    anchor_deg = arrays["anchor_deg"]
    if np.isnan(anchor_deg).all():
        arrays["anchor_deg"] = np.zeros_like(anchor_deg)
    dtypes = dict.fromkeys(OWN, np.float32)
    check_arrays(where, arrays, dtypes, shapes, f" as a world of {n_places[0]} places asks")
    low, high = arrays["corners_m"]
    for name, x0, x1 in zip("xy", low, high, strict=True):
        if not x0 < x1:
            raise RecordError(f"{where}: corners_m reaches from {x0} to {x1} in {name}, which is no area")
    south, north = LATITUDES_DEG
    latitude_deg, longitude_deg = arrays["anchor_deg"]
    if not (south < latitude_deg < north and abs(longitude_deg) <= 180):
        raise RecordError(
            f"{where}: anchor_deg is {anchor_deg.tolist()}, not a latitude of {south:g} to {north:g} "
            "and a longitude of -180 to 180"
        )
    return world


def save_world(world: World, path: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
    """Writes a world to a compressed npz file, in one move: the path holds the old file or the whole new one.

    Args:
        world: the arrays.
        path: the file, named exactly so.
        provenance: where they come from, as JSON can hold it; `world_provenance` reads it back.
    Raises:
        RecordError: the world is not sound, see check_world().
        TypeError: JSON cannot hold the provenance.
        OSError: the file cannot be written.
    """
    check_world(world, "the world to save")
    arrays = {name: getattr(world.trace, name) for name in traces.DTYPES} | {name: getattr(world, name) for name in OWN}
    write_npz(path, FORMAT, provenance, {name: np.asarray(array) for name, array in arrays.items()})


def load_world(path: str | os.PathLike[str]) -> World:
    """Reads a world that save_world() wrote, or one that comes with the package.

    The shipped `town` is 70 minutes of a made-up town of about a square kilometre with traffic lights, simulated in SUMO: 60
    cars at a time that run errands, and 12 roadside units at junctions. scripts/make_town.py wrote it.

    Args:
        path: the file; or "town", if there is no file of that name.
    Returns:
        The world, its arrays in host memory.
    Raises:
        RecordError: the file is no npz, lacks an entry, is of another version, or holds an unsound world, see
            check_world(). The message names the file.
        OSError: the file cannot be opened.
    """
    if str(path) in SHIPPED and not os.path.exists(path):
        with resources.as_file(resources.files("jaxvec.traces") / "data" / SHIPPED[str(path)]) as shipped:
            return load_world(shipped)
    entries = read_npz(path, NAMES, FORMAT, "a world")
    trace = Trace(**{name: entries[name] for name in traces.DTYPES})
    return check_world(World(trace=trace, **{name: entries[name] for name in OWN}), str(path))


def world_provenance(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads where the world in a file comes from, as given to save_world().

    Args:
        path: the file.
    Raises:
        RecordError: as load_world(), or the header is not a JSON object.
        OSError: the file cannot be opened.
    """
    return header_of(read_npz(path, NAMES, FORMAT, "a world"), path)
