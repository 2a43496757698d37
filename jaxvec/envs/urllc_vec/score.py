"""What a slot of `urllc_vec` was worth to its agents, (64) to (68) and (90) to (92); shapes as in `jaxvec.envs.urllc_vec.slot`.

Throughout:
    sizes, state, params: sizes and switches; what is at the start of the slot; the numbers.
    d, way, o: what was decided, where subtasks went, what became of them.
    of_task: `(K,)`, in any unit.
    latency_s, energy_j, budget_j, quality: `(n,)`, or `()` of a budget, of the agents of a group [s], [J], [J], [-].
"""

from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.presence import of_present
from jaxvec.envs.urllc_vec.params import Params, Sizes, State
from jaxvec.envs.urllc_vec.slot import Decision, Outcome, Route, by_vehicle
from jaxvec.physics._sums import sum_over_tasks


class Score(NamedTuple):
    """What the agents of a group get, `(n,)` each.

    Attributes:
        reward, incentive, penalty: (64) or (65) to (68); (90) to (92); what is taken off [-].
    """

    reward: Array
    incentive: Array
    penalty: Array

    @property
    def own(self) -> Array:
        """What an agent gets (Algorithm 3)."""
        return self.reward + self.incentive - self.penalty


def over_seen(sizes: Sizes, of_task: Array, way: Route) -> Array:
    """Sum (N,) over the subtasks that each node had before it, processed there or sent on."""
    index = lift(jnp.arange(sizes.n_nodes), of_task.ndim - 1)
    stops = [stop for stage in way.stops for stop in stage]

    def term(x: Array, *stops: Array) -> Array:
        return jnp.where(
            reduce(or_, (live & (at == index) for at, live in zip(stops[::2], stops[1::2], strict=True))), x, 0
        )

    return sum_over_tasks(term, of_task, *stops)


def judge(latency_s: Array, energy_j: Array, budget_j: Any, quality: Array, params: Params) -> tuple[Array, Array]:
    """Incentive (90) to (92) and penalty."""
    in_targets, in_budgets = latency_s / params.latency_target_s, energy_j / budget_j
    good = jnp.clip((quality - params.q_min) / (params.q_max - params.q_min), 0, 1)
    bad = jnp.clip(1 - quality / params.q_min, 0, 2)
    early, late = jnp.maximum(0, 1 - in_targets), jnp.maximum(0, in_targets - 1)
    thrifty, wasteful = jnp.maximum(0, 1 - in_budgets), jnp.maximum(0, in_budgets - 1)
    incentive = params.om_lat * early + params.om_ene * thrifty + params.om_qos * good
    penalty = params.la_lat * late + params.la_ene * wasteful + params.la_qos * bad
    return incentive, penalty


def score_vehicles(sizes: Sizes, o: Outcome, state: State, params: Params) -> Score:
    """(64); nothing for a vehicle that is absent."""
    latency_s, energy_j, budget_j = o.vehicle_latency_s, o.vehicle_energy_j, params.e_max_vehicle_slot_j
    percent, quality = (jnp.mean(by_vehicle(sizes, x), 1) for x in (o.percent, o.quality))
    reward = (
        -params.om_l * latency_s / params.latency_target_s
        - params.om_e * energy_j / budget_j
        + params.om_q * percent / 100
    )
    judged = judge(latency_s, energy_j, budget_j, quality, params)
    return of_present(state.present, Score(reward, *judged))


def score_nodes(sizes: Sizes, d: Decision, way: Route, o: Outcome, state: State, params: Params) -> Score:
    """(65) to (68), BSs first; nothing for a node that saw no subtask."""
    count = over_seen(sizes, jnp.ones_like(o.latency_s), way)
    acts = count > 0

    def mean(of_task: Array) -> Array:
        return over_seen(sizes, of_task, way) / jnp.maximum(count, 1)

    in_time = mean((o.latency_s <= params.latency_target_s).astype(o.latency_s.dtype))
    latency_s, quality, even = mean(o.latency_s), mean(o.quality), jnp.mean(o.load, 0)
    deviation = 1 - jnp.minimum(1, jnp.abs(o.load - even) / jnp.maximum(even, 1))
    busy = jnp.minimum(1, (state.backlog + o.load) / (d.cpu_hz * params.slot_s))
    queue = jnp.minimum(1, state.backlog / params.slot_cycles)
    balance = params.be_td * deviation + params.be_ru * busy - params.be_ql * queue
    late = latency_s / params.latency_target_s
    service = params.al_eta * in_time - params.al_l * late + params.al_lb * balance
    reward = params.zeta_tf * service - params.zeta_e * o.node_energy_j / params.e_max_node_j
    incentive, penalty = judge(latency_s, o.node_energy_j, params.e_max_node_j, quality, params)
    return Score(*(jnp.where(acts, x, 0) for x in (reward, incentive, penalty)))
