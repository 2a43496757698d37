"""Tables of the channel from ray tracing: radio maps of Sionna RT, and datasets of DeepMIMO.

    import deepmimo, sionna.rt

    channel = trace_sionna(scene, env.places(params), step_m=5.0)     # a scene of sionna.rt.load_scene
    channel = from_deepmimo(deepmimo.load("asu_campus_3p5"))

Gains are of power and are summed over paths without their phases: what interference does from one wavelength to the next is the
fading of the system that reads the table. Antennas are the scene's: take isotropic ones if the system has gains of its own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxvec.core.npz import RecordError
from jaxvec.physics.table import ChannelTable
from jaxvec.traces.channel import Places, channel_table

NO_PATH_DB = 200.0  # where no path was found


def trace_sionna(
    scene: Any, places: Places, *, step_m: float = 5.0, samples: int = 10**6, max_depth: int = 3
) -> ChannelTable:
    """A table by Sionna RT (the package `sionna-rt`): one radio map of all paths, one of direct ones alone for the line of sight.

    Args:
        scene: of `sionna.rt.load_scene`, with its carrier and antenna arrays, in the system's coordinates. Its transmitters are
            replaced by those of `places`.
        places: of a system, see its `places`.
        step_m: from point to point; a point's gain is the mean over its cell.
        samples: rays of each transmitter.
        max_depth: most reflections of a path.
    Returns:
        The table, of the whole area for every transmitter.
    Raises:
        ImportError: Sionna RT is not installed.
    """
    try:
        from sionna.rt import RadioMapSolver, Transmitter
    except ImportError as error:
        raise ImportError("trace_sionna needs Sionna RT: pip install sionna-rt") from error
    for name in list(scene.transmitters):
        scene.remove(name)
    for s, at_m in enumerate(np.asarray(places.site_m, float)):
        scene.add(Transmitter(f"site_{s}", position=at_m.tolist()))
    low_m, high_m = np.asarray(places.corners_m, float)
    n = np.maximum(np.ceil((high_m - low_m) / step_m - 1e-9).astype(int) + 1, 2)
    centre_m = low_m + (n - 1) * step_m / 2
    plane = {
        "center": [*centre_m.tolist(), float(places.height_m)],
        "orientation": [0.0, 0.0, 0.0],
        "size": (n * step_m).tolist(),
        "cell_size": [step_m, step_m],
        "samples_per_tx": samples,
    }
    all_paths, direct = (RadioMapSolver()(scene, max_depth=depth, **plane) for depth in (max_depth, 0))
    return from_radio_map(all_paths, direct, places.site_m)


def from_radio_map(radio_map: Any, direct: Any, site_m: ArrayLike, *, move_m: ArrayLike = (0.0, 0.0)) -> ChannelTable:
    """A table of radio maps that Sionna RT has solved.

    Args:
        radio_map: a `sionna.rt.PlanarRadioMap` on a level plane, its sides along x and y: `path_gain` (site, y, x) and
            `cell_centers` (y, x, 3).
        direct: the same with `max_depth=0`: what gets power there is in sight.
        site_m: `(site, 3)`, where its transmitters stand [m].
        move_m: what to add to x and y of the scene to have the system's [m].
    Raises:
        RecordError: the plane is turned or tilted, or the maps do not fit.
    """
    gain, seen = (np.asarray(x.path_gain, float) for x in (radio_map, direct))
    at_m = np.asarray(radio_map.cell_centers, float)
    x_m, y_m, height_m = at_m[0, :, 0], at_m[:, 0, 1], at_m[0, 0, 2]
    level = np.stack(np.broadcast_arrays(x_m[None, :], y_m[:, None], height_m), -1)
    if not np.allclose(at_m, level, atol=1e-3):
        raise RecordError("radio map: its plane must be level, with sides along x and y")
    if seen.shape != gain.shape:
        raise RecordError(f"radio map: that of direct paths has shape {seen.shape}, not {gain.shape}")
    return _table(gain, seen > 0, x_m, y_m, height_m, np.asarray(site_m, float), move_m, "radio map")


def from_deepmimo(dataset: Any, *, move_m: ArrayLike = (0.0, 0.0)) -> ChannelTable:
    """A table of a DeepMIMO dataset (the package `DeepMIMO`), whose receivers stand on a grid along x and y.

    Args:
        dataset: what `deepmimo.load` returns: one dataset, or several, one for each transmitter. Each has `rx_pos` (user, 3) and
            `tx_pos` (1, 3) [m], `power` (user, path) in dBW for 1 W sent, NaN where there is no path, and `los` (user,): 1 in
            sight, 0 blocked, -1 no path.
        move_m: what to add to x and y of the dataset to have the system's [m].
    Raises:
        RecordError: the receivers are no full grid, or not the same for all transmitters.
    """
    of_sites: Sequence[Any] = (
        [dataset] if hasattr(dataset, "keys") or not hasattr(dataset, "__iter__") else list(dataset)
    )
    rx_m = np.asarray(of_sites[0].rx_pos, float)
    (x_m, i), (y_m, j) = (np.unique(np.round(rx_m[:, c], 3), return_inverse=True) for c in (0, 1))
    if len(rx_m) != len(x_m) * len(y_m) or len(np.unique(j * len(x_m) + i)) != len(rx_m):
        raise RecordError(f"dataset: {len(rx_m)} receivers are no full grid of {len(x_m)} columns and {len(y_m)} rows")
    gain, seen = np.zeros((2, len(of_sites), len(y_m), len(x_m)))
    for s, one in enumerate(of_sites):
        if not np.array_equal(np.asarray(one.rx_pos, float), rx_m):
            raise RecordError(f"dataset: the receivers of transmitter {s} are not those of transmitter 0")
        gain[s, j, i] = np.nansum(10 ** (np.asarray(one.power, float) / 10), 1)
        seen[s, j, i] = np.asarray(one.los) == 1
    site_m = np.concatenate([np.asarray(one.tx_pos, float).reshape(1, 3) for one in of_sites])
    return _table(gain, seen, x_m, y_m, rx_m[0, 2], site_m, move_m, "dataset")


def _table(
    gain: np.ndarray,
    seen: np.ndarray,
    x_m: np.ndarray,
    y_m: np.ndarray,
    height_m: float,
    site_m: np.ndarray,
    move_m: ArrayLike,
    what: str,
) -> ChannelTable:
    """A table of gains on evenly spaced columns and rows."""
    steps_m = [np.diff(x) for x in (x_m, y_m)]
    if any(len(x) < 1 or not np.allclose(x, x[0], rtol=1e-3, atol=2e-3) for x in steps_m):
        raise RecordError(f"{what}: its columns and rows must be evenly spaced, two at least of each")
    move_m = np.asarray(move_m, float)
    loss_db = np.full(gain.shape, NO_PATH_DB)
    np.log10(gain, out=loss_db, where=gain > 0)
    loss_db = np.where(gain > 0, np.minimum(-10 * loss_db, NO_PATH_DB), NO_PATH_DB)
    corner_m = np.array([x_m[0], y_m[0]]) + move_m
    step_m = [float(np.mean(x)) for x in steps_m]
    return channel_table(loss_db, seen, corner_m, step_m, site_m + np.append(move_m, 0.0), height_m, what)
