"""From a world file to a system's settings: the pattern, and what the systems share.

`jaxvec.make(env_id, world="town.npz")` asks the environment's class for `settings_of_world(world, chosen)`: its sizes and
numbers in its own coordinates, with `mobility="trace"`, places of its servers, and the area. What the user set comes after and
wins; a number of servers that is set takes the busiest places. Several worlds are a batch: their recordings become one, of which
each world replays its part, and numbers that differ have the worlds' axis last. So all worlds have as many places.

Throughout:
    world: of recorded vehicles and places.
    chosen: sizes and numbers that were set, by name.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxvec.core.npz import RecordError
from jaxvec.traces import Replay, Trace, World, check_world, load_world, replay_of
from jaxvec.traces.crossings import nearest_place
from jaxvec.traces.replay import MOST_SAMPLES

Settings = dict[str, Any]


def read_worlds(worlds: Any) -> list[World]:
    """Worlds, or files of them, in memory.

    Args:
        worlds: a `World`, the path of a file, paths with commas between, or a list of these.
    Returns:
        At least one.
    Raises:
        RecordError: there is none, or a file cannot be used.
        OSError: a file cannot be opened.
    """
    if isinstance(worlds, str):
        worlds = [path.strip() for path in worlds.split(",") if path.strip()]
    each = [worlds] if isinstance(worlds, World | os.PathLike) else list(worlds)
    if not each:
        raise RecordError("no world is given: name a file of one, or several with commas between")
    return [check_world(x) if isinstance(x, World) else load_world(x) for x in each]


def busiest(world: World, n: int | None = None) -> np.ndarray:
    """Places where most of the traffic is: of the samples of all vehicles each counts for the place nearest to it.

    Args:
        n: how many; None: all.
    Returns:
        int `(n,)`, in the order of the world.
    Raises:
        RecordError: the world has fewer places.
    """
    n_places = len(world.place_x_m)
    if n is not None and n > n_places:
        raise RecordError(f"the world has {n_places} places, not {n}")
    counts = np.bincount(nearest_place(world)[2], minlength=n_places)
    return np.sort(np.argsort(-counts, kind="stable")[: n_places if n is None else n])


def places_m(world: World, n: int | None = None) -> np.ndarray:
    """Where the busiest places are.

    Args:
        n: how many; None: all.
    Returns:
        `(n, 2)` float64, x and y in the world [m].
    """
    chosen = busiest(world, n)
    return np.stack([world.place_x_m[chosen], world.place_y_m[chosen]], 1).astype(float)


def most_at_once(trace: Trace, horizon_s: float) -> int:
    """How many vehicles at most are there at a time at which an episode may begin.

    Args:
        trace: the record.
        horizon_s: of the episode [s].
    Raises:
        RecordError: the recording is shorter.
    """
    return int(replay_of(trace, 1, horizon_s).n_there.max())


def settings_in(
    cls: Any, worlds: Sequence[World], chosen: Mapping[str, Any], size: str | None, of_one: Callable[..., Settings]
) -> Settings:
    """The settings of a system in one world, or of a batch of them.

    Args:
        cls: the environment's class.
        worlds: one or more.
        size: name of its number of servers; None: it has one.
        of_one: `of_one(world, n)` gives the numbers of one world with n places, with `trace` in the system's coordinates.
    Raises:
        RecordError: a world has too few places or vehicles, or lasts too short.
    """
    n = chosen.get(size) if size else None
    n = min(len(world.place_x_m) for world in worlds) if n is None else n
    each = [of_one(world, n) for world in worlds]
    horizon = chosen.get("horizon", cls.horizon)
    horizon_s = float(horizon * np.max(chosen.get("slot_s", cls.params_cls.slot_s)))
    most = min(most_at_once(x["trace"], horizon_s) for x in each)
    n_vehicles = chosen.get("n_vehicles", min(cls.n_vehicles, most))
    settings: Settings = {"mobility": "trace", "n_vehicles": n_vehicles} | ({size: n} if size else {})
    if len(each) == 1:
        return settings | each[0]
    takeover = getattr(cls, "takeover", True)
    replays = [replay_of(x["trace"], n_vehicles, horizon_s, takeover=takeover) for x in each]
    trace, starts = joined(replays)
    numbers = {name: np.stack([np.asarray(x[name], float) for x in each], -1) for name in each[0] if name != "trace"}
    return settings | numbers | {"trace": trace, "trace_starts": starts}


def joined(replays: Sequence[Replay]) -> tuple[Replay, np.ndarray]:
    """Recordings as one, and which of its start times belong to each.

    Args:
        replays: of the same dt_s.
    Returns:
        The recording, and int `(choice, world)`; of a world that has fewer start times some are there twice.
    Raises:
        RecordError: they differ in dt_s, or have too many samples together.
    """
    if len({float(x.dt_s) for x in replays}) > 1:
        raise RecordError(f"worlds of one batch must have one dt_s, not {[float(x.dt_s) for x in replays]}")
    if (n_together := sum(len(x.samples) for x in replays)) >= MOST_SAMPLES:
        raise RecordError(
            f"worlds of one batch have {n_together} samples together, more than {MOST_SAMPLES}; take fewer"
        )
    vehicles: list[np.ndarray] = []
    there: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    width, most = max(x.there.shape[1] for x in replays), max(len(x.starts_s) for x in replays)
    n_vehicles, n_samples, n_starts = 0, 0, 0
    for x in replays:
        shift = np.array([0, n_samples, 0, n_vehicles, 0, n_samples, 0], np.float32)
        vehicles.append(x.vehicles + shift)
        there.append(np.pad(x.there + np.int32(n_vehicles), ((0, 0), (0, width - x.there.shape[1]))))
        starts.append(n_starts + np.arange(most) % len(x.starts_s))
        n_vehicles, n_samples, n_starts = (
            n_vehicles + len(x.vehicles),
            n_samples + len(x.samples),
            n_starts + len(x.starts_s),
        )
    whole = Replay(
        samples=np.concatenate([x.samples for x in replays]),
        vehicles=np.concatenate(vehicles),
        dt_s=replays[0].dt_s,
        starts_s=np.concatenate([x.starts_s for x in replays]),
        there=np.concatenate(there),
        n_there=np.concatenate([x.n_there for x in replays]),
    )
    return whole, np.stack(starts, -1).astype(np.int32)
