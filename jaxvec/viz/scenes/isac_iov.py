"""`isac_iov`: the road, its RSUs and vehicles, and who computes what where."""

import math
from collections.abc import Mapping
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
    margin_m = length_m / 50
    return Scene(
        title="Task offloading on an ISAC-enabled road",
        bounds_m=(-margin_m, -1.95 * half_m, length_m + margin_m, 2.65 * half_m),
        to_scale=False,
        ring_m=(0.0, length_m) if env.mobility == "road" else None,
        roads=(Road(-margin_m, 0.0, length_m + margin_m, 0.0, 2 * half_m, 4),),
        nodes=rsus + vehicles,
        links=links,
        meters=_meters(params, info),
        keys=KEYS,
    )


def _rsus(env: IsacIov, params: Params, state: State, info: Mapping[str, Any]) -> tuple[Node, ...]:
    slot_cycles = np.broadcast_to(params.rsu_free_hz, (env.n_rsus,)) * float(params.slot_s)
    cycles_per_bit = state.work_cpb[:, None] + info["eta"] * state.align_cpb[:, None]
    arriving = np.sum(info["ell_rsu"] * state.task_bits[:, None] * cycles_per_bit, 0)
    nodes = []
    for k in range(env.n_rsus):
        users = int(np.sum(info["active"][:, k]))
        nodes.append(
            Node(
                x_m=float(params.road_length_m / 2 + (k - (env.n_rsus - 1) / 2) * params.rsu_spacing_m),
                y_m=float(params.rsu_lateral_m),
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
