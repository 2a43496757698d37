"""`urllc_vec`: the area to scale, its base stations, UAVs and vehicles, who sends to whom, and what is passed on."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.envs import mobility
from jaxvec.envs.urllc_vec import UrllcVec
from jaxvec.envs.urllc_vec.next_slot import vehicles
from jaxvec.envs.urllc_vec.params import Params, State, split_nodes, stack_nodes
from jaxvec.envs.urllc_vec.slot import Decision, decode
from jaxvec.viz.scene import Key, Link, Meter, Node, Scene, percentage
from jaxvec.viz.theme import quantity

KEYS = (
    Key("load", "mean latency / target"),
    Key("part", "subtasks in time"),
    Key("data", "sent (width: part of the task)"),
    Key("relay", "passed on"),
    Key("gauge", "backlog + new work (mark: one slot)"),
    Key("uav", "UAV: number and height"),
    Key("pin", "drawn beside its place"),
)


_decide = jax.jit(decode, static_argnums=0)


class _Slot(NamedTuple):
    """What was decided, and what became of each subtask, by vehicle (V, J)."""

    decision: Decision
    latency_s: np.ndarray
    node: np.ndarray  # where it ended
    placed: np.ndarray  # bool, processed there; otherwise dropped
    hops: tuple[tuple[int, int, float], ...]  # of all subtasks: from node to node, and bits


def scene(
    env: UrllcVec, params: Params, state: State, action: Any, info: Mapping[str, Any], reward: Any, t: int
) -> Scene:
    """One slot: places and backlogs at its start, what was decided in it, what became of it."""
    slot = _slot(env, params, state, action, info)
    half_m = max(float(xy_m) for xy_m in (params.bs_xy_m, params.uav_xy_m, params.veh_xy_m))
    edge_m = 7 / 6 * half_m
    return Scene(
        title="Subtasks in short packets to base stations and UAVs",
        bounds_m=(-edge_m, -edge_m, edge_m, edge_m),
        nodes=_nodes(env, params, state, slot, info) + _vehicles(env, params, state, slot, info),
        links=_links(env, state, slot),
        meters=_meters(params, info),
        keys=KEYS,
    )


def _slot(env: UrllcVec, params: Params, state: State, action: Any, info: Mapping[str, Any]) -> _Slot:
    """A node passes on to one node only, so the ends of a subtask's way tell the way; a circle of three or more is not seen."""
    d = jax.tree.map(np.asarray, _decide(env, action, state, params))
    latency_s, node, placed = (
        np.reshape(info[f"task_{name}"], d.target.shape) for name in ("latency_s", "node", "placed")
    )
    hops = []
    for at, end, bits in zip(d.target.flat, node.flat, d.size_bits.flat, strict=True):
        for _ in range(env.max_forwards):
            if at == end:
                break
            hops.append((int(at), int(d.forward[at]), float(bits)))
            at = d.forward[at]
    return _Slot(d, latency_s, node, placed, tuple(hops))


def _names(env: UrllcVec) -> list[str]:
    """Of the nodes, in their order."""
    return [f"BS {i + 1}" for i in range(env.n_bs)] + [f"UAV {i + 1}" for i in range(env.n_uavs)]


@partial(jax.jit, static_argnums=0)
def _driving_rad(env: UrllcVec, params: Params, state: State) -> jax.Array:
    """Headings of the vehicles (V,)."""
    course = mobility.MODELS[env.mobility].course(vehicles(state), env, params)
    return jnp.arctan2(course.sin_heading, course.cos_heading)


def _flying_rad(state: State) -> np.ndarray:
    """Headings of the UAVs (U,)."""
    x_m, y_m, _ = np.asarray(state.wp_u - state.pos_u).T
    return np.arctan2(y_m, x_m)


def _nodes(env: UrllcVec, params: Params, state: State, slot: _Slot, info: Mapping[str, Any]) -> tuple[Node, ...]:
    """What a gauge shows beyond its mark stays as a backlog: the mark is what the chosen speed does in the slot."""
    d, names, nodes = slot.decision, _names(env), []
    places_m = stack_nodes({"bs": state.pos_bs, "uav": state.pos_u})
    headings_rad = stack_nodes({"bs": np.zeros(env.n_bs), "uav": _flying_rad(state)}).tolist()
    uav = {node: i for i, node in enumerate(split_nodes(env, np.arange(env.n_nodes))["uav"].tolist())}
    passed_on = Counter(a for a, _, _ in slot.hops)
    for n, (x_m, y_m, z_m) in enumerate(places_m.tolist()):
        slot_cycles, flies = float(d.cpu_hz[n] * params.slot_s), n in uav
        backlog, new = float(state.backlog[n]), float(info["node_load_cycles"][n])
        speed = [("speed", quantity(float(state.spd_u[uav[n]]), "m/s"))] if flies else []
        to = [(f"passed on to {names[d.forward[n]]}", str(passed_on[n]))] if passed_on[n] else []
        nodes.append(
            Node(
                x_m=x_m,
                y_m=y_m,
                kind="uav" if flies else "rsu",
                label=names[n],
                load=backlog / slot_cycles,
                part=new / slot_cycles,
                text=f"{z_m:.0f} m" if flies else "",
                heading_rad=headings_rad[n],
                values=(
                    ("height", f"{z_m:.0f} m"),
                    *speed,
                    ("subtasks done", str(int(np.sum(slot.placed & (slot.node == n))))),
                    *to,
                    ("backlog", quantity(backlog, "cycle")),
                    ("new work", quantity(new, "cycle")),
                    ("would take", quantity(float(d.budget[n]), "cycle")),
                    ("processor", quantity(float(d.cpu_hz[n]), "Hz")),
                    ("energy", quantity(float(info["node_energy_j"][n]), "J")),
                ),
            )
        )
    return tuple(nodes)


def _vehicles(env: UrllcVec, params: Params, state: State, slot: _Slot, info: Mapping[str, Any]) -> tuple[Node, ...]:
    names, share, nodes = _names(env), _share(env, slot), []
    for i, heading_rad in enumerate(_driving_rad(env, params, state).tolist()):
        latency_s, dropped = slot.latency_s[i], int(np.sum(~slot.placed[i]))
        in_time = latency_s <= params.latency_target_s
        nodes.append(
            Node(
                x_m=float(state.pos_v[i, 0]),
                y_m=float(state.pos_v[i, 1]),
                kind="vehicle",
                label=str(i + 1),
                load=float(latency_s.mean() / params.latency_target_s),
                part=float(in_time.mean()),
                text=f"{dropped} dropped" if dropped else "",
                heading_rad=heading_rad,
                present=state.present is None or bool(state.present[i]),
                values=(
                    ("mean latency", quantity(float(latency_s.mean()), "s")),
                    ("longest", quantity(float(latency_s.max()), "s")),
                    ("in time", f"{int(in_time.sum())} of {env.n_subtasks}"),
                    ("task", quantity(float(state.tasks.size_bits[i]), "bit")),
                    *((f"to {names[n]}", f"{100 * share[i, n]:.0f} %") for n in np.flatnonzero(share[i])),
                    ("energy", quantity(float(info["vehicle_energy_j"][i]), "J")),
                    ("usable links", "0" if state.links.uncovered[i] else str(int(state.links.reach[i].sum()))),
                ),
            )
        )
    return tuple(nodes)


def _share(env: UrllcVec, slot: _Slot) -> np.ndarray:
    """Part of a vehicle's task that it sends to each node (V, N)."""
    bits = slot.decision.size_bits
    to = slot.decision.target[:, :, None] == np.arange(env.n_nodes)
    return np.sum(bits[:, :, None] * to, 1) / np.maximum(bits.sum(1, keepdims=True), 1e-30)


def _links(env: UrllcVec, state: State, slot: _Slot) -> tuple[Link, ...]:
    """First hops, as wide as their part of the task; what is passed on, in units of the slot's mean task, at most 1."""
    share, mean_bits = _share(env, slot), float(state.tasks.size_bits.mean())
    links = [Link(env.n_nodes + int(i), int(n), "data", float(share[i, n])) for i, n in np.argwhere(share > 0)]
    passed_on: defaultdict[tuple[int, int], float] = defaultdict(float)
    for a, b, bits in slot.hops:
        passed_on[a, b] += bits / mean_bits
    links += [Link(a, b, "relay", min(part, 1.0)) for (a, b), part in passed_on.items()]
    return tuple(links)


def _meters(params: Params, info: Mapping[str, Any]) -> tuple[Meter, ...]:
    return (
        Meter("Mean latency", float(info["latency_mean_s"]), "s", float(params.latency_target_s), "target"),
        Meter("Team reward", float(info["team_reward"])),
        percentage("Subtasks too late", info["violation_rate"]),
        percentage("Subtasks dropped", info["drop_rate"]),
        Meter("Energy / vehicle", float(info["energy_vehicle_j"]), "J", float(params.e_max_vehicle_slot_j), "budget"),
        Meter("Energy / node", float(info["energy_node_j"]), "J", float(params.e_max_node_j), "budget"),
        Meter(
            "QoS: a/latency \N{MINUS SIGN} b\N{MIDDLE DOT}energy", float(info["qos"]), "", float(params.q_min), "least"
        ),
        Meter("Forwards / subtask", float(info["forwards_per_subtask"])),
    )
