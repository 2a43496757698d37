"""`dt_edge`: the road past the mast, who offloads how much, the server's queues and what the twin makes of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from jaxvec.core.presence import how_many
from jaxvec.envs.dt_edge import DtEdge
from jaxvec.envs.dt_edge.params import Params, State
from jaxvec.viz.scene import Key, Link, Meter, Node, Road, Scene, percentage
from jaxvec.viz.theme import quantity

KEYS = (
    Key("load", "latency / deadline"),
    Key("part", "computed on board"),
    Key("data", "tasks to the server"),
    Key("gauge", "queue + new work (mark: what a slot serves)"),
    Key("sees", "what the digital twin is told of"),
    Key("pin", "drawn beside its place"),
)


def scene(
    env: DtEdge, params: Params, state: State, action: Any, info: Mapping[str, Any], reward: Any, t: int
) -> Scene:
    """One slot: places and queues at its start, what was decided in it, what became of it. Across the road not to scale."""
    half_m, width_m = float(params.road_half_length_m), float(params.lane_width_m)
    if _in_the_plane(env, params):
        return _around_the_mast(env, params, state, info)
    road_m, middle_m = env.n_lanes * width_m, float(params.lane_offset_m) + (env.n_lanes - 1) / 2 * width_m
    margin_m = half_m / 25
    vehicles = _vehicles(env, params, state, info, middle_m)
    return Scene(
        title="Tasks of several types through a twin of the edge server",
        bounds_m=(-half_m - margin_m, -1.3 * middle_m, half_m + margin_m, 2.2 * middle_m),
        to_scale=False,
        ring_m=(-half_m, half_m),
        roads=(Road(-half_m - margin_m, 0.0, half_m + margin_m, 0.0, road_m, env.n_lanes),),
        nodes=(_server(env, params, state, info, middle_m), *vehicles, _twin(params, state, middle_m)),
        links=(*_uplinks(info), Link(0, 1 + env.n_vehicles, "sees", 0.15)),
        meters=_meters(params, info),
        keys=KEYS,
    )


def _in_the_plane(env: DtEdge, params: Params) -> bool:
    """Whether vehicles drive anywhere around the mast, and not along a road."""
    if env.mobility != "trace" or params.trace is None:
        return False
    return bool(np.ptp(np.asarray(params.trace.samples)[:, 1]) > 0.1 * float(params.road_half_length_m))


def _around_the_mast(env: DtEdge, params: Params, state: State, info: Mapping[str, Any]) -> Scene:
    """One slot of vehicles in the plane, to scale."""
    half_m = 1.04 * float(params.road_half_length_m)
    return Scene(
        title="Tasks of several types through a twin of the edge server",
        bounds_m=(-half_m, -half_m, half_m, half_m),
        nodes=(
            replace(_server(env, params, state, info, 0.0), range_m=float(params.road_half_length_m)),
            *_vehicles(env, params, state, info, 0.0, up=1.0),
            replace(_twin(params, state, 0.0), x_m=0.4 * half_m, y_m=0.85 * half_m),
        ),
        links=(*_uplinks(info), Link(0, 1 + env.n_vehicles, "sees", 0.15)),
        meters=_meters(params, info),
        keys=KEYS,
    )


def _uplinks(info: Mapping[str, Any]) -> list[Link]:
    """From the vehicles that send anything."""
    sending = np.flatnonzero(np.any(info["omega"] > 0, 1)).tolist()
    return [Link(1 + i, 0, "data", float(np.mean(info["omega"][i]))) for i in sending]


def _server(env: DtEdge, params: Params, state: State, info: Mapping[str, Any], middle_m: float) -> Node:
    """The mast, at the side of the road; its gauge is that of the type that is worst off."""
    load = (state.queue_bits + info["arrivals_bits"]) / info["service_bits"]
    worst = int(np.argmax(load))
    queues = [(f"queue {k + 1}", quantity(float(state.queue_bits[k]), "bit")) for k in range(env.n_types)]
    arrivals = [(f"new of type {k + 1}", quantity(float(info["arrivals_bits"][k]), "bit")) for k in range(env.n_types)]
    bias_hz = float(np.mean(state.cpu_bias_hz))
    return Node(
        x_m=0.0,
        y_m=middle_m,
        kind="rsu",
        label="Edge server",
        load=float(state.queue_bits[worst] / info["service_bits"][worst]),
        part=float(info["arrivals_bits"][worst] / info["service_bits"][worst]),
        values=(
            ("shares given", f"{100 * float(info['resource_ratio']):.0f} %"),
            ("shares asked for", f"{100 * float(info['request_ratio']):.0f} %"),
            ("in use, bias included", f"{100 * float(info['capacity_used_frac']):.0f} %"),
            ("a stream's bias", quantity(bias_hz, "Hz")),
            *queues,
            *arrivals,
        ),
    )


def _twin(params: Params, state: State, middle_m: float) -> Node:
    """What policies are told of the server, whose speed it misjudges."""
    bias_hz = float(np.mean(state.cpu_bias_hz))
    off = f"believes that streams run {quantity(abs(bias_hz), 'Hz')} {'slower' if bias_hz > 0 else 'faster'}"
    return Node(
        x_m=0.55 * float(params.road_half_length_m),
        y_m=1.55 * middle_m,
        kind="mirror",
        label="Digital twin",
        text=off if bias_hz else "knows how fast streams run",
        values=(
            ("server", quantity(float(params.server_cpu_hz), "Hz")),
            ("underrates a stream by, mean", quantity(bias_hz, "Hz")),
        ),
    )


def _vehicles(
    env: DtEdge, params: Params, state: State, info: Mapping[str, Any], middle_m: float, up: float = -1.0
) -> tuple[Node, ...]:
    nodes = []
    for i in range(env.n_vehicles):
        late_s, omega = info["t_s"][i], info["omega"][i]
        lost = int(np.sum(late_s >= params.latency_cap_s))
        streams = [
            (f"task {k + 1}", f"{quantity(float(late_s[k]), 's')}, {100 * omega[k]:.0f} % offloaded")
            for k in range(env.n_types)
        ]
        nodes.append(
            Node(
                x_m=float(state.x_m[i]),
                y_m=float(middle_m + up * state.y_m[i]),
                kind="vehicle",
                label=str(i + 1),
                load=float(np.mean(late_s / params.t_max_s)),
                part=float(1 - np.mean(omega)),
                text=f"{lost} given up" if lost else "",
                present=bool(
                    i < how_many(params.present, env.n_vehicles) if state.present is None else state.present[i]
                ),
                values=(
                    ("QoS", f"{float(info['qos_n'][i]):.2f}"),
                    *streams,
                    ("rate", quantity(float(info["rate_bps"][i]), "bit/s")),
                    ("share of the server", f"{100 * float(np.sum(info['alpha'][i])):.1f} %"),
                    ("local energy", quantity(float(info["energy_local_n_j"][i]), "J")),
                    ("speed", quantity(float(abs(state.velocity_mps[i])), "m/s")),
                ),
            )
        )
    return tuple(nodes)


def _meters(params: Params, info: Mapping[str, Any]) -> tuple[Meter, ...]:
    return (
        Meter("Mean latency", float(info["latency_mean_s"]), "s", float(np.mean(params.t_max_s)), "deadline"),
        Meter("Vehicles' energy", float(info["energy_local_j"]), "J"),
        Meter("Server's energy", float(info["energy_edge_j"]), "J"),
        Meter("Reward", float(info["team_reward"])),
        Meter("Queues", float(info["queue_total_bits"]), "bit"),
        percentage("Offloaded", info["offload_ratio"]),
    )
