"""What `urllc_vec` tells of a slot: names, units and meanings of `Timestep.info`, and how they are measured.

These are costs, and how often each constraint of the paper is broken.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot.
    d: what was decided.
    work: the subtasks.
    up: their first hop.
    way: where they went.
    o: what became of it.
    share: `(V, N)`, part of a vehicle's subtasks that went to each node first [-].
    params: the numbers.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.presence import how_many, mean_of_present, of_present
from jaxvec.envs.urllc_vec.params import Params, Sizes, State, split_nodes
from jaxvec.envs.urllc_vec.slot import Decision, Outcome, Route, Uplink, Work, there
from jaxvec.physics import computing

INFO = {
    "latency_mean_s": ("s", "latency of a subtask, at most the cap"),
    "latency_weighted_s": ("s", "the same weighted by priority, mean over vehicles"),
    "latency_total_v_s": ("s", "latencies of a vehicle's subtasks together, mean over vehicles"),
    "latency_p95_s": ("s", "latency that 95 % of the subtasks keep"),
    "latency_up_s": ("s", "first hop"),
    "latency_fwd_s": ("s", "forwarding"),
    "latency_proc_s": ("s", "waiting and processing, of what was processed"),
    "violation_rate": ("-", "subtasks later than the target"),
    "drop_rate": ("-", "subtasks dropped on the way"),
    "energy_vehicle_j": ("J", "transmission, mean over vehicles"),
    "energy_node_j": ("J", "processing and forwarding, mean over nodes"),
    "energy_total_j": ("J", "of all subtasks"),
    "qos": ("-", "quality of service (48)"),
    "qos_norm": ("-", "the same on a scale to 100 (93)"),
    "backlog_cycles": ("cycle", "at the start of the slot, mean over nodes"),
    "load_cycles": ("cycle", "taken in the slot, mean over nodes"),
    "load_imbalance": ("-", "deviation of the load over nodes, by its mean"),
    "forwards_per_subtask": ("-", "hops after the first"),
    "share_bs": ("-", "part of the processed subtasks that BSs processed"),
    "rate_up_mean_bps": ("bit/s", "rate of the first hop"),
    "objective": ("-", "(38) per vehicle, in units of targets and budgets"),
    "reward_vehicle": ("-", "own rewards, mean over vehicles"),
    "reward_uav": ("-", "over UAVs"),
    "reward_bs": ("-", "over BSs"),
    "team_reward": ("-", "(63), the sum of the three means"),
    "incentive_vehicle": ("-", "(90) to (92), mean over vehicles"),
    "penalty_vehicle": ("-", "likewise"),
    "viol_c1": ("-", "vehicles without a usable link"),
    "viol_c2": ("-", "0 by construction"),
    "viol_c3": ("-", "BSs to which more is sent than their capacity"),
    "viol_c4": ("-", "UAVs likewise"),
    "viol_c5": ("-", "subtasks sent to BSs that are late"),
    "viol_c6": ("-", "sent to UAVs"),
    "viol_c7": ("-", "0 by construction"),
    "viol_c8": ("-", "subtasks with a link below the least rate"),
    "viol_c9": ("-", "vehicles over their energy budget"),
    "viol_c10": ("-", "subtasks below the least QoS"),
    "viol_c13": ("-", "vehicles and BSs whose share changed too much, 0 in slot 0"),
    "viol_c14a": ("-", "vehicles and UAVs likewise"),
    "viol_c14b": ("-", "BSs whose longest latency is over the target"),
    "viol_c15": ("-", "UAVs likewise"),
    "viol_c16": ("-", "0 by construction"),
    "viol_c17": ("-", "0 by construction"),
    "viol_c18": ("-", "BSs over their energy budget"),
    "viol_c19": ("-", "UAVs likewise"),
    "viol_c20": ("-", "subtasks larger than the largest that is allowed"),
    "features": ("-", "(F,) what a perfect twin would know of the slot"),
    "task_latency_s": ("s", "(K,) latency of each subtask"),
    "task_energy_j": ("J", "(K,) energy"),
    "task_node": ("-", "(K,) where it ended, or was dropped"),
    "task_placed": ("bool", "(K,) whether it was processed"),
    "node_load_cycles": ("cycle", "(N,) taken in the slot"),
    "node_energy_j": ("J", "(N,) processing and forwarding"),
    "vehicle_energy_j": ("J", "(V,) transmission"),
}


def measure(
    sizes: Sizes,
    state: State,
    d: Decision,
    work: Work,
    up: Uplink,
    way: Route,
    o: Outcome,
    share: Array,
    params: Params,
) -> dict[str, Array]:
    """Everything of `INFO` that the slot itself knows."""

    def mean(x: Array) -> Array:
        return jnp.mean(x.astype(o.latency_s.dtype), 0)

    of_tasks, of_vehicles = _means(sizes, state, o.latency_s.dtype)
    n = how_many(state.present, sizes.n_vehicles)
    placed, load = jnp.maximum(jnp.sum(way.placed, 0), 1), mean(o.load)
    cost = jnp.sum(o.vehicle_latency_s, 0) / params.latency_target_s
    cost += params.lambda_e * jnp.sum(o.energy_j, 0) / params.e_max_node_j
    cost -= params.lambda_q * jnp.sum(o.percent, 0) / 100
    return {
        "latency_mean_s": of_tasks(o.latency_s),
        "latency_weighted_s": of_vehicles(o.vehicle_latency_s),
        "latency_total_v_s": jnp.sum(o.latency_s, 0) / n,
        "latency_p95_s": _late(sizes, state, o),
        "latency_up_s": of_tasks(up.delay_s),
        "latency_fwd_s": of_tasks(way.delay_s),
        "latency_proc_s": jnp.sum(o.process_s, 0) / placed,
        "violation_rate": of_tasks(o.latency_s > params.latency_target_s),
        "drop_rate": of_tasks(~way.placed),
        "energy_vehicle_j": of_vehicles(o.vehicle_energy_j),
        "energy_node_j": mean(o.node_energy_j),
        "energy_total_j": jnp.sum(o.energy_j, 0),
        "qos": of_tasks(o.quality),
        "qos_norm": of_tasks(o.percent),
        "backlog_cycles": mean(state.backlog),
        "load_cycles": load,
        "load_imbalance": jnp.std(o.load, 0) / jnp.maximum(load, 1),
        "forwards_per_subtask": of_tasks(way.hops),
        "share_bs": jnp.sum(way.placed & (way.node < sizes.n_bs), 0) / placed,
        "rate_up_mean_bps": of_tasks(up.rate_bps),
        "objective": cost / n,
        "task_latency_s": o.latency_s,
        "task_energy_j": o.energy_j,
        "task_node": way.node,
        "task_placed": way.placed,
        "node_load_cycles": o.load,
        "node_energy_j": o.node_energy_j,
        "vehicle_energy_j": o.vehicle_energy_j,
        **violations(sizes, state, d, work, way, o, share, params),
    }


def _means(sizes: Sizes, state: State, dtype: Any) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Means over the subtasks (K,), and over the vehicles (V,), that are there."""

    def over(who: Array | None) -> Callable[[Array], Array]:
        return lambda x: mean_of_present(who, x.astype(dtype))

    return over(there(sizes, state)), over(state.present)


def _late(sizes: Sizes, state: State, o: Outcome) -> Array:
    """Latency that 95 % of the subtasks keep."""
    who = there(sizes, state)
    if who is None:
        return jnp.percentile(o.latency_s, 95, axis=0)
    late_s = jnp.nanpercentile(jnp.where(who, o.latency_s, jnp.nan), 95, axis=0)
    return jnp.where(jnp.any(state.present, 0), late_s, 0)


def violations(
    sizes: Sizes, state: State, d: Decision, work: Work, way: Route, o: Outcome, share: Array, params: Params
) -> dict[str, Array]:
    """How often each constraint is broken; 0 where there is no case."""
    n, dtype = sizes.n_nodes, o.latency_s.dtype
    of_tasks, of_vehicles = _means(sizes, state, dtype)

    def mean(x: Array) -> Array:
        return jnp.mean(x.astype(dtype), 0)

    def of_bs_and_uav(x: Array) -> tuple[Array, Array]:
        parts = split_nodes(sizes, x)
        return mean(parts["bs"]), mean(parts["uav"])

    first = d.target.reshape(work.bits.shape)
    late, to_bs = o.latency_s > params.latency_target_s, first < sizes.n_bs
    to_uav = of_present(there(sizes, state), ~to_bs)
    to_bs = of_present(there(sizes, state), to_bs)

    def part_late(of: Array) -> Array:
        return jnp.sum(late & of, 0) / jnp.maximum(jnp.sum(of, 0), 1)

    over = of_bs_and_uav(computing.sum_at_node(work.cycles, first, n) > params.capacity_cycles)
    change = jnp.abs(share - state.prev_share) - params.delta_s_max
    swings = jax.nn.sigmoid(params.variability_slope * change) > params.delta_s_max  # (49), (50)
    changes = (state.t > 0).astype(dtype)  # before the first slot there is nothing to change from
    swings_to = split_nodes(sizes, swings, axis=1)
    tardy = of_bs_and_uav(computing.sum_at_node((late & way.placed).astype(dtype), way.node, n) > 0)  # (51), (52)
    spent = of_bs_and_uav(o.node_energy_j > params.e_max_node_j)
    return {
        "viol_c1": of_vehicles(state.links.uncovered),
        "viol_c3": over[0],
        "viol_c4": over[1],
        "viol_c5": part_late(to_bs),
        "viol_c6": part_late(to_uav),
        "viol_c8": of_tasks(way.slowest_bps < params.rate_min_bps),
        "viol_c9": of_vehicles(o.vehicle_energy_j > params.e_max_vehicle_slot_j),
        "viol_c10": of_tasks(o.quality < params.q_min),
        "viol_c13": changes * jnp.mean(of_vehicles(swings_to["bs"]), 0),
        "viol_c14a": changes * jnp.mean(of_vehicles(swings_to["uav"]), 0),
        "viol_c14b": tardy[0],
        "viol_c15": tardy[1],
        "viol_c18": spent[0],
        "viol_c19": spent[1],
        "viol_c20": of_tasks(work.bits > params.d_max_units * params.bits_per_data_unit),
        **{f"viol_{name}": jnp.zeros_like(o.latency_s[0]) for name in ("c2", "c7", "c16", "c17")},
    }
