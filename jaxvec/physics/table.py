"""Losses and line of sight from a table over places, one grid for each fixed transmitter, instead of from a formula.

The models here are found by name among `jaxvec.physics.pathloss.MODELS`. Each reads `radio.channel`, a `ChannelTable`, where the
link says which transmitter it leads to and where its other end is (`Link.site`, `x_m`, `y_m`). Beyond a grid its nearest edge
counts. A link without a place (a rule that is told distances alone; a link between two transmitters) gets what the table is on
average at that distance.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxvec.physics.pathloss import Link, uma_los, uma_nlos, umi_los, umi_nlos


class ChannelTable(NamedTuple):
    """What is known of the links to fixed transmitters over a grid of places: of each transmitter a grid of its own, all alike.

    Point (j, i) of transmitter s lies at `corner_m[s] + (i, j) * step_m`.

    Attributes:
        loss_db: `(site, y, x)`, loss of the link, finite, positive where power is lost [dB].
        in_sight: `(site, y, x)`, 1 in line of sight, 0 where it is blocked [-].
        corner_m: `(site, 2)`, x and y of the first point [m].
        step_m: `(2,)`, from one point to the next, along x and along y [m].
        site_m: `(site, 3)`, where the transmitters stand, and how high [m].
        height_m: `()`, antenna of the other end above ground [m].
        decade_db: `(2,)`, least squares of all points: loss at one metre in space [dB], and its growth [dB/decade].
        share_in_sight: `()`, of all points [-].
    """

    loss_db: Any
    in_sight: Any
    corner_m: Any
    step_m: Any
    site_m: Any
    height_m: Any
    decade_db: Any
    share_in_sight: Any


def stand_in() -> ChannelTable:
    """A table of one transmitter, alike everywhere: for whoever asks what else a model reads, before there is a table.

    Returns:
        The table, of NumPy arrays.
    """
    grid, flat = np.zeros((1, 2, 2), np.float32), np.zeros((1, 2), np.float32)
    site_m = np.zeros((1, 3), np.float32)
    return ChannelTable(grid, grid, flat, flat[0] + 1, site_m, np.float32(1.5), flat[0], np.float32(1.0))


def table(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Loss of a table, bilinear between its points.

    Args:
        link: uses `site`, `x_m`, `y_m`; where it has none, `distance_3d_m`.
        radio: uses `channel`.
    Returns:
        Loss [dB].
    Raises:
        ValueError: there is no table.
    """
    channel = _channel(radio)
    if link.site is None or link.x_m is None or link.y_m is None:
        at_1m_db, slope_db = (jnp.asarray(x) for x in channel.decade_db)
        return at_1m_db + slope_db * jnp.log10(jnp.maximum(link.distance_3d_m, 1.0))
    return bilinear(channel.loss_db, channel.corner_m, channel.step_m, link.site, link.x_m, link.y_m)


def umi_by_sight(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Street canyon: `umi_los` where the table is in sight, `umi_nlos` where it is blocked. Source and limits: as of these.

    Args:
        link: uses every field; without a place the two are mixed, in dB, by the table's share in sight.
        radio: uses `channel`; `carrier_hz` [Hz].
    Returns:
        Loss [dB].
    Raises:
        ValueError: there is no table.
    """
    return _mixed(in_sight(link, radio), umi_los(link, radio), umi_nlos(link, radio))


def uma_by_sight(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Urban macro cell: `uma_los` where the table is in sight, `uma_nlos` where it is blocked. Source and limits: as of these.

    Args:
        link: uses every field; without a place the two are mixed, in dB, by the table's share in sight.
        radio: uses `channel`; `carrier_hz` [Hz].
    Returns:
        Loss [dB].
    Raises:
        ValueError: there is no table.
    """
    return _mixed(in_sight(link, radio), uma_los(link, radio), uma_nlos(link, radio))


MODELS = ("table", "umi_by_sight", "uma_by_sight")
"""Those that read `radio.channel`."""


def in_sight(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Line of sight of a table at its nearest point.

    Args:
        link: uses `site`, `x_m`, `y_m`.
        radio: uses `channel`.
    Returns:
        1 in sight, 0 blocked; of a link without a place the share of the table that is in sight [-].
    Raises:
        ValueError: there is no table.
    """
    channel = _channel(radio)
    if link.site is None:
        return jnp.broadcast_to(jnp.asarray(channel.share_in_sight), jnp.shape(link.distance_3d_m))
    (i, j), _, (n_y, n_x) = _in_grid(
        channel.in_sight, channel.corner_m, channel.step_m, link.site, link.x_m, link.y_m, 0.5
    )
    i, j = jnp.minimum(i, n_x - 1), jnp.minimum(j, n_y - 1)
    return _at(channel.in_sight, (link.site * n_y + j) * n_x + i)


def bilinear(
    grid: Float[Array, "site y x"],
    corner_m: Float[Array, "site 2"],
    step_m: Float[Array, "2"],
    site: Int[Array, "*#link"],
    x_m: Float[Array, "*#link"],
    y_m: Float[Array, "*#link"],
) -> Float[Array, "*link"]:
    """Value of one of several grids between its four nearest points.

    Args:
        grid: at least two points either way, in any unit; no batch axis, finite throughout.
        corner_m: x and y of the first point of each [m].
        step_m: from point to point along x and along y, above 0 [m].
        site: which grid, in [0, site).
        x_m: where [m]; beyond the grid its edge counts.
        y_m: likewise [m].
    Returns:
        Interpolated value in the unit of the grid; its gradient is that of the cell, and 0 beyond the grid.
    """
    (i, j), (u, v), (n_y, n_x) = _in_grid(grid, corner_m, step_m, site, x_m, y_m)
    i, j = jnp.minimum(i, n_x - 2), jnp.minimum(j, n_y - 2)
    right, up = u - i, v - j
    first = (site * n_y + j) * n_x + i
    low, low_right, high, high_right = (_at(grid, first + ahead) for ahead in (0, 1, n_x, n_x + 1))
    low, high = low + right * (low_right - low), high + right * (high_right - high)
    return low + up * (high - low)


def outside(link: Link, channel: ChannelTable) -> Array:
    """Whether a link ends beyond its transmitter's grid, where the edge counts.

    Args:
        link: uses `site`, `x_m`, `y_m`.
        channel: the table.
    Returns:
        bool, of the links' shape.
    """
    n_y, n_x = channel.loss_db.shape[1:]
    u, v = _steps(channel.corner_m, channel.step_m, link.site, link.x_m, link.y_m)
    return (u < 0) | (u > n_x - 1) | (v < 0) | (v > n_y - 1)


def placed(link: Link, x_m: Float[Array, "vehicle *#batch"], y_m: Float[Array, "vehicle *#batch"]) -> Link:
    """Links of every vehicle to every fixed transmitter, with what a table needs of them.

    Args:
        link: of shape `(vehicle, site, *batch)`.
        x_m: where the vehicles are, along x [m].
        y_m: along y [m].
    Returns:
        The link with its `site`, `x_m` and `y_m`.
    """
    shape = jnp.shape(link.distance_3d_m)
    site = jnp.arange(shape[1], dtype=jnp.int32).reshape(1, -1, *(1,) * (len(shape) - 2))
    return link._replace(site=site, x_m=x_m[:, None], y_m=y_m[:, None])


def _channel(radio: Any) -> Any:
    if radio.channel is None:
        raise ValueError("this path loss needs a table of the channel, and channel is None; jaxvec.make gives one")
    return radio.channel


def _steps(corner_m: Any, step_m: Any, site: Any, x_m: Any, y_m: Any) -> tuple[Array, Array]:
    """Places in steps from the first point of their grid."""
    corner_m, step_m = jnp.asarray(corner_m), jnp.asarray(step_m)
    return (x_m - corner_m[:, 0][site]) / step_m[0], (y_m - corner_m[:, 1][site]) / step_m[1]


def _in_grid(
    grid: Any, corner_m: Any, step_m: Any, site: Any, x_m: Any, y_m: Any, ahead: float = 0.0
) -> tuple[tuple[Array, Array], tuple[Array, Array], tuple[int, int]]:
    """Column and row of the point below each place (`ahead` of 0.5: nearest to it), the place in steps, rows and columns."""
    n_y, n_x = grid.shape[1:]
    u, v = _steps(corner_m, step_m, site, x_m, y_m)
    u, v = jnp.clip(u, 0, n_x - 1), jnp.clip(v, 0, n_y - 1)
    i, j = (jnp.floor(x + ahead).astype(jnp.int32) for x in (u, v))
    return (i, j), (u, v), (n_y, n_x)


def _at(grid: Any, index: Array) -> Array:
    """Points of a grid by their number, which is known to be one of its own: nothing is spent on checking that."""
    return jnp.asarray(grid).reshape(-1).at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _mixed(share: Array, in_sight_db: Array, blocked_db: Array) -> Array:
    return share * in_sight_db + (1.0 - share) * blocked_db
