"""Tables of the channel in environments: where one comes from, and whether it is of these transmitters and this area.

Throughout:
    params: an environment's numbers, one of each that a place depends on.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxvec.physics import table
from jaxvec.physics.table import ChannelTable
from jaxvec.traces.channel import Places, load_channel, tabulate, windows_m

POINTS = 1 << 18  # of a table of the default formula
SLACK = 1e-3  # part of a step that a place may lie beyond the grid


def with_channel(env: Any, params: Any, choice: str, formula: str) -> Any:
    """The numbers with a table of the channel, if the path loss needs one; by default of a formula with its default numbers.

    Args:
        env: has `id`, and `places(params)`.
        choice: of the path loss.
        formula: that the default table is of, see `jaxvec.traces.tabulate`.
    Returns:
        `params` with a `ChannelTable` as `channel`.
    Raises:
        ValueError: the table is of other transmitters, or leaves out some of where vehicles can be.
        RecordError: the file of a table cannot be used.
        OSError: it cannot be opened.
    """
    channel = params.channel
    if isinstance(channel, str):
        channel = load_channel(channel)
    if choice not in table.MODELS:
        return params.replace(channel=channel)
    places = env.places(params)
    if np.ndim(places.site_m) != 2 or np.ndim(places.corners_m) != 2:
        raise ValueError(
            f"{env.id}: a table of the channel is of one place, but numbers of the area are given for each world"
        )
    if channel is None:
        channel = tabulate(formula, places, type(params)(), step_m=_step_m(places))
    elif not isinstance(channel, ChannelTable):
        raise ValueError(f"{env.id}: channel must be a ChannelTable or the name of a file, not {channel!r}")
    check_places(env.id, channel, places)
    return params.replace(channel=channel)


def blank_channel(params: Any, choice: str) -> Any:
    """The numbers with a table of the right structure, if the path loss needs one.

    Args:
        choice: of the path loss.
    """
    return params.replace(channel=table.stand_in()) if choice in table.MODELS else params


def check_places(env_id: str, channel: ChannelTable, places: Places) -> None:
    """Refuse a table of other transmitters, or one that ends before the area does, or the reach of a transmitter.

    Args:
        env_id: for the message.
        channel: the table.
        places: of the environment.
    Raises:
        ValueError: names what differs.
    """
    site_m, step_m = np.asarray(channel.site_m, float), np.asarray(channel.step_m, float)
    if len(site_m) != len(places.site_m):
        raise ValueError(
            f"{env_id}: the channel is of {len(site_m)} transmitters, the environment has {len(places.site_m)}"
        )
    apart_m = np.hypot(*(site_m - places.site_m)[:, :2].T)
    if np.any(apart_m > max(1.0, float(np.max(step_m)))):
        s = int(np.argmax(apart_m))
        raise ValueError(
            f"{env_id}: transmitter {s} of the channel stands at ({site_m[s, 0]:g}, {site_m[s, 1]:g}) m, "
            f"the environment's at ({places.site_m[s, 0]:g}, {places.site_m[s, 1]:g}) m"
        )
    n_y, n_x = np.shape(channel.loss_db)[1:]
    low_m = np.asarray(channel.corner_m, float)
    high_m = low_m + step_m * (n_x - 1, n_y - 1)
    for which, beyond_m in zip(windows_m(places), (-1.0, 1.0), strict=True):
        short_m = beyond_m * (which - (low_m if beyond_m < 0 else high_m))
        if np.any(short_m > SLACK * step_m):
            s, axis = (int(i) for i in np.argwhere(short_m > SLACK * step_m)[0])
            raise ValueError(
                f"{env_id}: the channel of transmitter {s} spans {'xy'[axis]} from {low_m[s, axis]:g} to {high_m[s, axis]:g} m, "
                f"but vehicles in its reach come to {which[s, axis]:g} m"
            )


def sites_m(x_m: ArrayLike, y_m: ArrayLike, height_m: ArrayLike) -> np.ndarray:
    """Places of transmitters.

    Args:
        x_m, y_m, height_m: one number for all, or one for each [m].
    Returns:
        `(site, 3)` [m]; of numbers for each world something of another rank.
    """
    return np.stack(np.broadcast_arrays(*(np.asarray(x, float) for x in (x_m, y_m, height_m))), -1)


def area_m(params: Any, low_m: tuple[Any, Any], high_m: tuple[Any, Any]) -> np.ndarray:
    """Where vehicles can be: where they are in the recording, if one is replayed.

    Args:
        low_m, high_m: least and largest x and y by the numbers [m].
    Returns:
        `(2, 2)` [m]; of numbers for each world something of another rank.
    """
    trace = getattr(params, "trace", None)
    if trace is not None:
        low_m, high_m = (tuple(end(np.asarray(trace.samples)[:, :2], 0)) for end in (np.min, np.max))
    return (
        np.stack(np.broadcast_arrays(*(np.asarray(x, float) for x in (*low_m, *high_m))), -1)
        .reshape(-1, 2, 2)
        .squeeze(0)
    )


def _step_m(places: Places) -> float:
    """Such that a table has some `POINTS` and no more than 256 along an axis, and is no finer than a metre."""
    low_m, high_m = windows_m(places)
    points = min(256, math.isqrt(POINTS // len(low_m)))
    return max(1.0, float(np.max(high_m - low_m)) / (points - 1))
