"""`v2x_offload`: the square to scale, its servers and vehicles, who computes where, and over which wire."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxvec.core.presence import how_many
from jaxvec.envs.v2x_offload import V2xOffload
from jaxvec.envs.v2x_offload.params import Params, State
from jaxvec.envs.v2x_offload.slot import server_places_m
from jaxvec.viz.scene import Key, Link, Meter, Node, Scene, percentage
from jaxvec.viz.theme import quantity

KEYS = (
    Key("load", "latency / deadline"),
    Key("part", "computed on board"),
    Key("data", "upload to the server"),
    Key("relay", "upload to be passed on"),
    Key("wire", "wire"),
    Key("gauge", "CPU granted (mark: all)"),
    Key("reach", "radio reach"),
    Key("pin", "drawn beside its place"),
)
LATE = 2.0  # the colour of a task that was not done in time, whose latency counts as the deadline


def scene(
    env: V2xOffload, params: Params, state: State, action: Any, info: Mapping[str, Any], reward: Any, t: int
) -> Scene:
    """One slot: places at its start, what was granted in its turns, what became of the tasks."""
    area_m, places_m = float(params.area_m), np.asarray(server_places_m(env, params, 0))
    around_m = area_m * (0.25 if env.boundary == "open" else 0.06)
    bounds_m = (-around_m, -around_m, area_m + around_m, area_m + around_m)
    servers, vehicles = _servers(env, params, state, info, places_m), _vehicles(env, params, state, info, bounds_m)
    gone = sum(not node.present for node in vehicles)
    return Scene(
        title="Task offloading to edge servers through a digital twin",
        bounds_m=bounds_m,
        nodes=servers + vehicles,
        links=_links(env, params, state, info, places_m),
        meters=_meters(params, info),
        keys=KEYS,
        captions=(f"{gone} of {len(vehicles)} vehicles beyond the map",) if gone else (),
    )


def _servers(
    env: V2xOffload, params: Params, state: State, info: Mapping[str, Any], places_m: np.ndarray
) -> tuple[Node, ...]:
    pools: dict[str, tuple[Any, str]] = {
        "CPU": (params.es_cpu_hz * (1 - state.bg_load), "cpu"),
        "band": (params.es_bandwidth_hz, "bw"),
    }
    nodes = []
    for j, (x_m, y_m) in enumerate(places_m):
        values, part = [], {}
        for word, (pool, name) in pools.items():
            free, granted = float(np.broadcast_to(pool, env.n_servers)[j]), float(info[f"turn_{name}_hz"][:, j].sum())
            part[word] = granted / free
            values.append((f"{word} granted", f"{quantity(granted, 'Hz')} of {quantity(free, 'Hz')}"))
        tasks = int(np.sum(info["turn_split"][:, 1 + j] > 0))
        nodes.append(
            Node(
                x_m=float(x_m),
                y_m=float(y_m),
                kind="rsu",
                label=f"Server {j + 1}",
                load=part["CPU"],
                range_m=float(params.radius_m),
                values=(("tasks", str(tasks)), *values),
            )
        )
    return tuple(nodes)


def _vehicles(
    env: V2xOffload,
    params: Params,
    state: State,
    info: Mapping[str, Any],
    bounds_m: tuple[float, float, float, float],
) -> tuple[Node, ...]:
    n_there, nodes = how_many(params.present, env.n_vehicles), []
    turn, there = (
        np.argsort(state.order),
        np.arange(env.n_vehicles) < n_there if state.present is None else state.present,
    )
    for i in range(env.n_vehicles):
        x_m, y_m = (float(c) for c in state.pos_m[i])
        late = bool(info["turn_timeout"][i])
        where = [("on board", info["turn_split"][i, 0])]
        where += [(f"server {j + 1}", info["turn_split"][i, 1 + j]) for j in range(env.n_servers)]
        nodes.append(
            Node(
                x_m=x_m,
                y_m=y_m,
                kind="vehicle",
                label=str(i + 1),
                load=LATE if late else float(info["turn_latency_s"][i] / params.deadline_s),
                part=float(info["turn_split"][i, 0]),
                text="too late" if late else "",
                heading_rad=float(state.track[i]) if env.mobility == "heading" else 0.0,
                present=bool(there[i]) and bounds_m[0] <= x_m <= bounds_m[2] and bounds_m[1] <= y_m <= bounds_m[3],
                values=(
                    ("turn", str(int(turn[i]) + 1)),
                    ("latency", "too late" if late else quantity(float(info["turn_latency_s"][i]), "s")),
                    ("energy", quantity(float(info["turn_energy_j"][i]), "J")),
                    ("task", quantity(float(state.task_bits[i]), "bit")),
                    *((name, f"{100 * part:.0f} %") for name, part in where if part > 0),
                    ("CPU granted", quantity(float(info["turn_cpu_hz"][i].sum()), "Hz")),
                    ("band granted", quantity(float(info["turn_bw_hz"][i].sum()), "Hz")),
                ),
            )
        )
    return tuple(nodes)


def _links(
    env: V2xOffload, params: Params, state: State, info: Mapping[str, Any], places_m: np.ndarray
) -> tuple[Link, ...]:
    """An upload is as wide as its part of the server's band, a wire as the part of all tasks that it carries."""
    dist_m = np.hypot(*(state.pos_m[:, None] - places_m[None]).transpose(2, 0, 1))
    nearest, part, band_hz = dist_m.argmin(1), info["turn_split"][:, 1:], info["turn_bw_hz"]
    pool_hz = np.broadcast_to(params.es_bandwidth_hz, env.n_servers)
    links, wires = [], np.zeros((env.n_servers, env.n_servers))
    for i, a in np.argwhere(band_hz > 0):
        kind = "data" if part[i, a] > 0 else "relay"
        links.append(Link(env.n_servers + int(i), int(a), kind, float(band_hz[i, a] / pool_hz[a])))
    for i, j in np.argwhere((part > 0) & (dist_m > params.radius_m)):
        if j != nearest[i] and band_hz[i, nearest[i]] > 0:
            wires[nearest[i], j] += part[i, j] / env.n_vehicles
    links += [Link(int(a), int(j), "wire", float(wires[a, j])) for a, j in np.argwhere(wires > 0)]
    return tuple(links)


def _meters(params: Params, info: Mapping[str, Any]) -> tuple[Meter, ...]:
    return (
        Meter("Mean latency", float(info["latency_mean_s"]), "s", float(params.deadline_s), "deadline"),
        Meter("Energy / vehicle", float(info["energy_mean_j"]), "J"),
        Meter("Reward", float(info["reward_mean"])),
        percentage("Tasks too late", info["timeout_rate"]),
        percentage("Free CPU in use", info["cpu_util"]),
        percentage("Computed on board", info["frac_local"]),
        percentage("Computed where uploaded", info["frac_near"]),
        percentage("Computed over the wire", info["frac_remote"]),
    )
