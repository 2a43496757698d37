"""Degrees and metres on a sphere; around an anchor, a plane whose x is east and y is north."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

EARTH_RADIUS_M = 6_371_393.0  # the paper's, below (2)

Anchor = tuple[float, float]


def to_metres(lat_deg: ArrayLike, lon_deg: ArrayLike, anchor: Anchor) -> tuple[np.ndarray, np.ndarray]:
    """Places on the plane about an anchor, by the equirectangular projection.

    Args:
        lat_deg, lon_deg: latitude and longitude [degree].
        anchor: latitude and longitude of the origin [degree].
    Returns:
        x and y [m].
    """
    x_m = EARTH_RADIUS_M * np.cos(np.radians(anchor[0])) * np.radians(np.subtract(lon_deg, anchor[1]))
    return x_m, EARTH_RADIUS_M * np.radians(np.subtract(lat_deg, anchor[0]))


def to_degrees(x_m: ArrayLike, y_m: ArrayLike, anchor: Anchor) -> tuple[np.ndarray, np.ndarray]:
    """Places on the sphere: the inverse of `to_metres`.

    Args:
        x_m, y_m: east and north of the anchor [m].
        anchor: latitude and longitude of the origin [degree].
    Returns:
        Latitude and longitude [degree].
    """
    lat_deg = anchor[0] + np.degrees(np.divide(y_m, EARTH_RADIUS_M))
    return lat_deg, anchor[1] + np.degrees(np.divide(x_m, EARTH_RADIUS_M * np.cos(np.radians(anchor[0]))))


def align(lat_deg: ArrayLike, lon_deg: ArrayLike, source: Anchor, target: Anchor) -> tuple[np.ndarray, np.ndarray]:
    """Moves points rigidly: as far east and north of `target`, in metres, as they were of `source`.

    Args:
        lat_deg, lon_deg: the points [degree].
        source, target: latitude and longitude [degree].
    Returns:
        Latitude and longitude [degree].
    """
    return to_degrees(*to_metres(lat_deg, lon_deg, source), target)


def ground_m(lat1_deg: ArrayLike, lon1_deg: ArrayLike, lat2_deg: ArrayLike, lon2_deg: ArrayLike) -> np.ndarray:
    """Great-circle distance by the haversine formula (Sinnott 1984).

    Args:
        lat1_deg, lon1_deg: one point [degree].
        lat2_deg, lon2_deg: the other [degree].
    Returns:
        Distance [m].
    """
    phi1, phi2 = np.radians(lat1_deg), np.radians(lat2_deg)
    dlam = np.radians(np.subtract(lon2_deg, lon1_deg))
    h = np.sin((phi2 - phi1) / 2) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin(dlam / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(h, 0, 1)))


class Projection(NamedTuple):
    """A way between degrees and metres.

    Attributes:
        name: which, for provenance.
        to_metres: of latitudes and longitudes [degree], x and y [m].
        to_degrees: of x and y [m], latitudes and longitudes [degree].
    """

    name: str
    to_metres: Callable[[ArrayLike, ArrayLike], tuple[np.ndarray, np.ndarray]]
    to_degrees: Callable[[ArrayLike, ArrayLike], tuple[np.ndarray, np.ndarray]]


def plane(anchor: Anchor) -> Projection:
    """The plane about an anchor, as `to_metres` has it.

    Args:
        anchor: latitude and longitude of the origin [degree].
    """
    name = f"equirectangular about latitude {anchor[0]:g}, longitude {anchor[1]:g}"
    return Projection(name, partial(to_metres, anchor=anchor), partial(to_degrees, anchor=anchor))
