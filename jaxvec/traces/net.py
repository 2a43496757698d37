"""Reading a road network of SUMO (.net.xml): its streets and junctions in metres, and its projection."""

import itertools
import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxvec.core.npz import RecordError
from jaxvec.traces import clock
from jaxvec.traces.earth import Projection
from jaxvec.traces.xml_stream import XmlReader, short

MAX_SEGMENTS = 2_000_000  # of streets
NO_STREETS = ("internal", "crossing", "walkingarea", "connector")  # functions of edges that lie inside junctions
NO_JUNCTIONS = ("internal", "dead_end")
CARS = {"passenger", "taxi", "private", "all"}
NONE = ("", "!")  # netconvert's word for no projection


class Net(NamedTuple):
    """A road network.

    Attributes:
        streets_m: (segment, 4) float64, straight pieces of the streets that cars may use, x0 y0 x1 y1; of streets with two
            directions each [m].
        junctions_m: (junction, 2) float64, where streets meet, x and y [m].
        corners_m: (2, 2) float64, least and largest x and y of streets [m].
        offset_m: added to projected coordinates [m].
        projection_text: in the words of PROJ; empty where the net has none.
    """

    streets_m: np.ndarray
    junctions_m: np.ndarray
    corners_m: np.ndarray
    offset_m: tuple[float, float]
    projection_text: str

    def projection(self) -> Projection | None:
        """Between degrees and the net's metres; None of a net that has none.

        Raises:
            RecordError: pyproj is not installed, or knows no such projection.
        """
        if self.projection_text in NONE:
            return None
        try:
            import pyproj
            from pyproj.exceptions import ProjError
        except ImportError as error:
            raise RecordError("the projection of a net needs pyproj: pip install 'jaxvec[geo]'") from error
        try:
            proj = pyproj.Proj(self.projection_text)
        except ProjError as error:
            raise RecordError(f"the net's projection {self.projection_text!r} is unknown: {error}") from error
        x0_m, y0_m = self.offset_m

        def to_metres(lat_deg: ArrayLike, lon_deg: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
            x_m, y_m = proj(np.asarray(lon_deg), np.asarray(lat_deg))
            return np.asarray(x_m) + x0_m, np.asarray(y_m) + y0_m

        def to_degrees(x_m: ArrayLike, y_m: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
            lon_deg, lat_deg = proj(np.asarray(x_m) - x0_m, np.asarray(y_m) - y0_m, inverse=True)
            return np.asarray(lat_deg), np.asarray(lon_deg)

        return Projection(f"{self.projection_text} {x0_m:+.2f} {y0_m:+.2f}", to_metres, to_degrees)


def read_net(path: str | os.PathLike[str]) -> Net:
    """Reads a network that netconvert or netgenerate wrote, plain or gzipped.

    Args:
        path: the file.
    Raises:
        RecordError: the file is not whole, well-formed XML of a net (the message names file and line), or has no street.
        OSError: the file cannot be opened or read.
    """
    reader = _NetReader(path)
    reader.read()
    if not reader.segments:
        reader.fail("no edge has a lane that cars may use")
    streets_m = np.array(reader.segments, np.float64)
    ends = streets_m.reshape(-1, 2)
    junctions = np.array(reader.junctions, np.float64).reshape(-1, 2)
    corners_m = np.stack([ends.min(0), ends.max(0)])
    return Net(streets_m, junctions, corners_m, reader.offset_m, reader.projection)


class _NetReader(XmlReader):
    """One pass over a net."""

    root = "net"
    what = "a net"

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        self.segments: list[tuple[float, float, float, float]] = []
        self.junctions: list[tuple[float, float]] = []
        self.offset_m = 0.0, 0.0
        self.projection = ""
        self.in_street = False

    def element(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "location":
            self.location(attributes)
        elif tag == "edge":
            self.in_street = attributes.get("function", "normal") not in NO_STREETS
        elif tag == "lane" and self.in_street and _for_cars(attributes):
            self.in_street = False  # of an edge's lanes the first that cars may use
            points = self.points(attributes.get("shape", ""))
            self.segments += [(*a, *b) for a, b in itertools.pairwise(points)]
            if len(self.segments) > MAX_SEGMENTS:
                self.fail(f"more than {MAX_SEGMENTS} pieces of street; take a part of the net")
        elif tag == "junction" and attributes.get("type") not in NO_JUNCTIONS:
            ((x_m, y_m),) = self.points(f"{attributes.get('x', '')},{attributes.get('y', '')}")
            self.junctions.append((x_m, y_m))

    def location(self, attributes: Mapping[str, str]) -> None:
        """Takes offset and projection."""
        ((x_m, y_m),) = self.points(attributes.get("netOffset", "0,0"))
        self.offset_m, self.projection = (x_m, y_m), attributes.get("projParameter", "")

    def points(self, text: str) -> list[tuple[float, float]]:
        """Points of a shape: x,y or x,y,z of each, with blanks between."""
        try:
            points = [tuple(clock.number(part) for part in point.split(",")) for point in text.split()]
            if not points or not all(len(point) in (2, 3) and np.all(np.isfinite(point)) for point in points):
                raise ValueError
        except ValueError:
            self.fail(f"{short(text)!r} is no list of points")
        return [(point[0], point[1]) for point in points]


def _for_cars(lane: Mapping[str, str]) -> bool:
    """Whether cars may use a lane."""
    if "allow" in lane:
        return not CARS.isdisjoint(lane["allow"].split())
    return {"passenger", "all"}.isdisjoint(lane.get("disallow", "").split())
