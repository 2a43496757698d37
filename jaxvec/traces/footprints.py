"""Buildings by their footprints, and what is in line of sight between them.

A simple model: buildings are higher than every antenna, and walls are opaque. A line from a transmitter to a place is blocked if
its way on the ground crosses a wall, or if the place lies inside a building; a transmitter inside a footprint stands on that
building's roof, which then blocks nothing.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from jaxvec.core.npz import RecordError
from jaxvec.traces.earth import Anchor, to_metres

MOST_AT_ONCE = 1 << 22  # pairs of a place and a wall


def read_footprints(path: str | os.PathLike[str], *, anchor: Anchor | None = None) -> list[np.ndarray]:
    """Footprints of a file: GeoJSON (Polygon, MultiPolygon: outer rings), or shapes of SUMO (`.poly.xml`).

    Of a SUMO file the polygons whose type begins with "building" are taken, or all of them if none does.

    Args:
        path: the file.
        anchor: latitude and longitude of x = y = 0, for coordinates in degrees, as GeoJSON has them by its standard (RFC 7946).
            None: coordinates are metres.
    Returns:
        Of each building its corners, `(corner, 2)` x and y [m].
    Raises:
        RecordError: the file is neither, or holds no polygon, or one of fewer than three corners; the message names it.
        OSError: the file cannot be opened.
    """
    text = Path(path).read_text()
    rings = list(_of_sumo(text, path) if text.lstrip().startswith("<") else _of_geojson(text, path))
    if not rings:
        raise RecordError(f"{path}: no polygon in it")
    for n, ring in enumerate(rings):
        if ring.ndim != 2 or ring.shape[1] < 2 or len(ring) < 3 or not np.all(np.isfinite(ring)):
            raise RecordError(f"{path}: polygon {n} has not three corners of two finite coordinates")
    if anchor is None:
        return [ring[:, :2] for ring in rings]
    return [np.stack(to_metres(ring[:, 1], ring[:, 0], anchor), 1) for ring in rings]


def _of_geojson(text: str, path: str | os.PathLike[str]) -> Iterator[np.ndarray]:
    try:
        whole = json.loads(text)
        features = whole["features"] if whole["type"] == "FeatureCollection" else [whole]
        for feature in features:
            shape = feature["geometry"] if feature["type"] == "Feature" else feature
            kind = shape["type"] if shape else None
            if kind in ("Polygon", "MultiPolygon"):
                for polygon in [shape["coordinates"]] if kind == "Polygon" else shape["coordinates"]:
                    yield np.asarray(polygon[0], float)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise RecordError(f"{path}: neither GeoJSON nor SUMO's polygons: {error!r}") from error


def _of_sumo(text: str, path: str | os.PathLike[str]) -> Iterator[np.ndarray]:
    try:
        polygons = ElementTree.fromstring(text).findall(".//poly")
        buildings = [poly for poly in polygons if poly.get("type", "").startswith("building")]
        for poly in buildings or polygons:
            yield np.asarray([[float(x) for x in at.split(",")[:2]] for at in poly.attrib["shape"].split()])
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise RecordError(f"{path}: neither GeoJSON nor SUMO's polygons: {error!r}") from error


def sight(site_m: np.ndarray, x_m: np.ndarray, y_m: np.ndarray, buildings: Sequence[np.ndarray]) -> np.ndarray:
    """What of a grid a transmitter sees.

    Args:
        site_m: `(2,)`, where it stands [m].
        x_m: `(x,)`, columns of the grid [m].
        y_m: `(y,)`, its rows [m].
        buildings: corners of each, `(corner, 2)` [m].
    Returns:
        float32 `(y, x)`, 1 in sight, 0 blocked.
    """
    at_m = np.stack(np.broadcast_arrays(x_m[None, :], y_m[:, None]), -1).reshape(-1, 2)
    seen, site_m = np.ones(len(at_m), bool), np.asarray(site_m, float)
    for ring in buildings:
        if _inside(site_m[None], ring)[0]:
            continue
        near = np.flatnonzero(seen & _box_meets(site_m, at_m, ring))
        for part in np.array_split(near, max(1, -(-len(near) * len(ring) // MOST_AT_ONCE))):
            seen[part] = ~(_crosses(site_m, at_m[part], ring) | _inside(at_m[part], ring))
    return seen.reshape(len(y_m), len(x_m)).astype(np.float32)


def _box_meets(site_m: np.ndarray, at_m: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Whether the box of each line meets the box of a building: lines for which it is worth looking at walls."""
    low, high = np.minimum(site_m, at_m), np.maximum(site_m, at_m)
    return np.all((low <= ring.max(0)) & (high >= ring.min(0)), 1)


def _crosses(site_m: np.ndarray, at_m: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Whether the line from a transmitter to each place crosses a wall: both ends of either lie on two sides of the other."""
    a, b = ring, np.roll(ring, -1, 0)
    way, wall = at_m - site_m, b - a
    side_a, side_b = _cross(way[:, None], (a - site_m)[None]), _cross(way[:, None], (b - site_m)[None])
    side_site, side_at = _cross(wall, site_m - a)[None], _cross(wall[None], at_m[:, None] - a[None])
    return np.any((side_a * side_b <= 0) & (side_site * side_at < 0), 1)


def _inside(at_m: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Whether a ray towards +x leaves a polygon once more than it enters."""
    (x, y), (x2, y2) = ring.T, np.roll(ring, -1, 0).T
    px, py = at_m[:, :1], at_m[:, 1:]
    spans = (y > py) != (y2 > py)
    along = x + (py - y) * (x2 - x) / np.where(y2 == y, 1.0, y2 - y)
    return np.sum(spans & (px < along), 1) % 2 == 1


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
