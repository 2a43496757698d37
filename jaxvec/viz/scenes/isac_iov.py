"""`isac_iov`: the road, its RSUs and vehicles, and who computes what where."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxvec.envs.isac_iov import IsacIov
from jaxvec.envs.isac_iov.params import Params, State
from jaxvec.viz.scene import Key, Link, Meter, Node, Road, Scene
from jaxvec.viz.theme import quantity

KEYS = (
    Key("load", "latency / deadline"),
    Key("part", "computed on board"),
    Key("data", "raw data"),
    Key("instruction", "instruction (ISAC)"),
    Key("gauge", "RSU backlog + new work (mark: one slot)"),
    Key("range", "coverage"),
)


def scene(
    env: IsacIov, params: Params, state: State, action: Any, info: Mapping[str, Any], reward: Any, t: int
) -> Scene:
    """One slot: positions and backlogs at its start, what was decided in it, what became of it."""
    length_m, half_m = float(params.road_length_m), 2 * float(params.lane_width_m)
    rsus, vehicles = _rsus(env, params, state, info), _vehicles(env, params, state, info)
    links = tuple(
        Link(env.n_rsus + i, k, "instruction" if info["eta"][i, k] else "data", float(info["ell_rsu"][i, k]))
        for i, k in np.argwhere(np.asarray(info["active"]))
    )
    road = params.rsu_pos_m is None
    margin_m = length_m / 50 if road else _margin_m(length_m, rsus)
    low_m, high_m = (-1.95 * half_m, 2.65 * half_m) if road else (-length_m / 2 - margin_m, length_m / 2 + margin_m)
    return Scene(
        title="Task offloading on an ISAC-enabled road" if road else "Task offloading to RSUs that sense",
        bounds_m=(-margin_m, low_m, length_m + margin_m, high_m),
        to_scale=not road,
        ring_m=(0.0, length_m) if env.mobility == "road" else None,
        roads=(Road(-margin_m, 0.0, length_m + margin_m, 0.0, 2 * half_m, 4),) if road else (),
        nodes=rsus + vehicles,
        links=links,
        meters=_meters(params, info),
        keys=KEYS,
    )


def _margin_m(length_m: float, rsus: Sequence[Node]) -> float:
    """Around a square map so much that every RSU stands on it."""
    off_m = max(max(abs(node.y_m), abs(node.x_m - length_m / 2)) for node in rsus) - length_m / 2
    return max(0.0, off_m) + length_m / 50


def rsu_places_m(env: IsacIov, params: Params) -> np.ndarray:
    """Where the RSUs stand, `(K, 2)` [m]."""
    if params.rsu_pos_m is not None:
        return np.asarray(params.rsu_pos_m).reshape(env.n_rsus, 2)
    along = np.arange(env.n_rsus) - (env.n_rsus - 1) / 2
    x_m = float(params.road_length_m) / 2 + along * float(params.rsu_spacing_m)
    return np.stack([x_m, np.full_like(x_m, float(params.rsu_lateral_m))], 1)


def _rsus(env: IsacIov, params: Params, state: State, info: Mapping[str, Any]) -> tuple[Node, ...]:
    slot_cycles = np.broadcast_to(params.rsu_free_hz, (env.n_rsus,)) * float(params.slot_s)
    cycles_per_bit = state.work_cpb[:, None] + info["eta"] * state.align_cpb[:, None]
    arriving = np.sum(info["ell_rsu"] * state.task_bits[:, None] * cycles_per_bit, 0)
    nodes, places_m = [], rsu_places_m(env, params)
    for k in range(env.n_rsus):
        users = int(np.sum(info["active"][:, k]))
        nodes.append(
            Node(
                x_m=float(places_m[k, 0]),
                y_m=float(places_m[k, 1]),
                kind="rsu",
                label=f"RSU {k + 1}",
                load=float(state.q_rsu_cycles[k] / slot_cycles[k]),
                part=float(arriving[k] / slot_cycles[k]),
                range_m=float(params.rsu_range_m),
                values=(
                    ("backlog", quantity(float(state.q_rsu_cycles[k]), "cycle")),
                    ("new work", quantity(float(arriving[k]), "cycle")),
                    ("processor in use", quantity(float(info["f_rsu_hz"][k]) if users else 0.0, "Hz")),
                    ("wait", quantity(float(info["wait_rsu_s"][k]), "s")),
                    ("vehicles served", str(users)),
                ),
            )
        )
    return tuple(nodes)


def _vehicles(env: IsacIov, params: Params, state: State, info: Mapping[str, Any]) -> tuple[Node, ...]:
    nodes = []
    for i in range(env.n_vehicles):
        on_board = [("on board", f"{100 * info['ell_loc'][i]:.0f} %")] if info["ell_loc"][i] > 0 else []
        remote = [
            (f"RSU {k + 1}", f"{100 * info['ell_rsu'][i, k]:.0f} % as {'instruction' if info['eta'][i, k] else 'data'}")
            for k in np.flatnonzero(info["active"][i])
        ]
        nodes.append(
            Node(
                x_m=float(state.x_m[i]),
                y_m=float(state.y_m[i]),
                kind="vehicle",
                label=str(i + 1),
                load=float(info["latency_s"][i] / params.t_max_s),
                part=float(info["ell_loc"][i]),
                heading_rad=0.0 if state.velocity_mps[i] >= 0 else math.pi,
                present=bool(state.present[i]),
                values=(
                    ("latency", quantity(float(info["latency_s"][i]), "s")),
                    ("energy", quantity(float(info["energy_j"][i]), "J")),
                    ("task", quantity(float(state.task_bits[i]), "bit")),
                    *on_board,
                    *remote,
                    ("backlog", quantity(float(state.q_loc_cycles[i]), "cycle")),
                    ("speed", quantity(abs(float(state.velocity_mps[i])), "m/s")),
                ),
            )
        )
    return tuple(nodes)


def _meters(params: Params, info: Mapping[str, Any]) -> tuple[Meter, ...]:
    return (
        Meter("Mean latency", float(info["latency_mean_s"]), "s", float(params.t_max_s), "deadline"),
        Meter("Energy / vehicle", float(info["energy_mean_j"]), "J", float(params.energy_budget_j), "budget"),
        Meter("Reward", float(info["reward"])),
        Meter("Energy queue", float(info["v_energy_j"]), "J"),
        Meter("Vehicle queues", float(info["q_loc_mean_cycles"]), "cycle"),
        Meter("RSU queues", float(info["q_rsu_mean_cycles"]), "cycle"),
    )
