"""The slot of `urllc_vec`, phase by phase, each a pure function: decision, uplink, routing, processing, score.

Shapes are one world's, with `V` vehicles of `J` subtasks, `K = V J` subtasks `k = v J + j`, and `N` nodes, BSs first; batch axes
come last. Equation numbers are those of the paper; what was decided where it is silent stands in `jaxvec.envs.urllc_vec.env`.

Throughout:
    sizes, state, params: sizes and switches; what is at the start of the slot; the numbers.
    draws, action: of the slot, as `draw_step` gives them; per group and component, as `action_space` says.
    d, work, up, way, o: what was decided, and what the phases before made of it.
    of_task, of_vehicle, of_node: `(K,)`, `(V, J)` and `(V, N)`, in any unit.
    node, n: int `(K,)` or `(V, J)`, the node of each subtask; how many nodes there are.
    cycles, bits, rate: `(K,)`, of each subtask: work [cycle], size on the air [bit], rate of its link [bit/s].
    latency_s, energy_j, budget_j, quality: `(n,)`, or `()` of a budget, of the agents of a group [s], [J], [J], [-].
    x: of any shape, as agents give it, from 0 to 1 [-].
"""

from functools import reduce
from operator import add, or_
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.presence import of_present
from jaxvec.envs.urllc_vec.links import node_power_max_w, rate_bps, realised_gain
from jaxvec.envs.urllc_vec.params import Params, Sizes, State, stack_nodes
from jaxvec.physics import computing, tasks


class Decision(NamedTuple):
    """What the agents' actions mean.

    Attributes:
        target, size_bits, power_w: `(V, J)`, of each subtask: int, its first node; size [bit]; power to send it [W].
        coefficients: `(V, 3)`, of complexity, size and urgency in priorities (1) [-].
        node_power_w, cpu_hz, budget: `(N,)`, of each node: power [W], speed [Hz], work that it is willing to take [cycle].
        forward, may_forward: `(N,)`, int, where it sends the rest; bool, whether it may.
    """

    target: Array
    size_bits: Array
    coefficients: Array
    power_w: Array
    node_power_w: Array
    cpu_hz: Array
    budget: Array
    forward: Array
    may_forward: Array


class Work(NamedTuple):
    """The subtasks; `(K,)` each.

    Attributes:
        cycles, bits: work [cycle], and size on the air [bit]; 0 of an absent vehicle.
        priority, weight: priority (1) [-], and weight in the reward, 1 over each vehicle [-].
    """

    cycles: Array
    bits: Array
    priority: Array
    weight: Array


class Uplink(NamedTuple):
    """The first hop; `(K,)` each.

    Attributes:
        rate_bps, delay_s, energy_j: rate (31) [bit/s], latency with coding, at most the cap [s], energy on the air [J].
    """

    rate_bps: Array
    delay_s: Array
    energy_j: Array


class Route(NamedTuple):
    """Where the subtasks went; `(K,)` but for the last two.

    Attributes:
        node, placed: int, where each ended; bool, whether it is processed there: all others are dropped.
        delay_s, energy_j, hops, slowest_bps: of forwarding [s], [J], how often; rate of the slowest link of all [bit/s].
        node_energy_j, stops: `(N,)`, of sending on [J]; per stage, at which node `(K,)`, and whether at any `(K,)`.
    """

    node: Array
    placed: Array
    delay_s: Array
    energy_j: Array
    hops: Array
    slowest_bps: Array
    node_energy_j: Array
    stops: tuple[tuple[Array, Array], ...]


class _Way(NamedTuple):
    """A route as far as it goes; `used` and `node_energy_j` are (N,)."""

    node: Array
    before: Array  # int, the node before this one, -1 at first
    placed: Array
    dropped: Array
    delay_s: Array
    energy_j: Array
    hops: Array
    slowest_bps: Array
    used: Array  # [cycle]
    node_energy_j: Array


class Outcome(NamedTuple):
    """What became of it.

    Attributes:
        process_s, process_j, latency_s, energy_j: `(K,)`, of processing, 0 for what was dropped [s], [J]; of everything [s], [J].
        quality, percent: `(K,)`, quality of service (48), and on a scale to 100 (93) [-].
        load, node_energy_j: `(N,)`, of each node: work taken [cycle], energy of processing and of sending on [J].
        vehicle_latency_s, vehicle_energy_j: `(V,)`, weighted latency [s], energy of sending [J].
    """

    load: Array
    process_s: Array
    process_j: Array
    latency_s: Array
    energy_j: Array
    quality: Array
    percent: Array
    vehicle_latency_s: Array
    vehicle_energy_j: Array
    node_energy_j: Array


def available_hz(state: State, params: Params) -> Array:
    """Speeds that the processors have in this slot (N,), (4)."""
    return computing.cpu_available_hz(state.cpu_z, params.f_min_hz, params.f_max_hz, params.cpu_dev_var)


def there(sizes: Sizes, state: State) -> Array | None:
    """Which subtasks there are, bool (K,): those of vehicles on the map; None: all."""
    return None if state.present is None else jnp.repeat(state.present, sizes.n_subtasks, axis=0)


def load_of(cycles: Array, node: Array, n: int) -> Array:
    """Cycles (K,) that each of n nodes gets (n,)."""
    return computing.sum_at_node(cycles, node, n)


def pick(of_node: Array, node: Array) -> Array:
    """`of_node` (V, N) at each vehicle's nodes (V, J)."""
    return reduce(add, (jnp.where(node == n, of_node[:, n, None], 0) for n in range(of_node.shape[1])))


def decode(sizes: Sizes, action: dict[str, dict[str, Array]], state: State, params: Params) -> Decision:
    """(2), of numbers cut to [0, 1], whatever an absent vehicle says; C2, C7, C16 and C17 hold by construction."""
    action = action | {"vehicle": of_present(state.present, action["vehicle"])}
    cut = jax.tree.map(lambda x: jnp.clip(x, 0, 1) if jnp.issubdtype(x.dtype, jnp.floating) else x, action)
    vehicle, node = cut["vehicle"], stack_nodes(cut)
    best = jnp.argmax(state.links.gain, 1)[:, None].astype(vehicle["target"].dtype)
    target = vehicle["target"]
    if sizes.enforce_coverage:
        target = jnp.where(pick(state.links.reach.astype(jnp.int32), target) > 0, target, best)
    part = params.split_floor / sizes.n_subtasks + (1 - params.split_floor) * simplex(vehicle["split"], params)
    sends = [state.links.relays[:, n] & (node["forward"] == n) for n in range(sizes.n_nodes)]
    power_max_w = node_power_max_w(sizes, params, node["power"].ndim - 1)
    return Decision(
        target=target,
        size_bits=state.tasks.size_bits[:, None] * part,
        coefficients=simplex(vehicle["priority"], params),
        power_w=params.p_max_vehicle_w * above_floor(vehicle["power"], params),
        node_power_w=power_max_w * above_floor(node["power"], params),
        cpu_hz=params.f_min_hz + (available_hz(state, params) - params.f_min_hz) * node["frequency"],
        budget=node["admit"] * params.f_max_hz * params.latency_target_s,
        forward=node["forward"],
        may_forward=reduce(or_, sends),
    )


def simplex(x: Array, params: Params) -> Array:
    """Numbers (V, k) in [0, 1] to parts that sum to 1 over the k."""
    return jax.nn.softmax(params.simplex_sharpness * (x - 0.5), axis=1)


def above_floor(x: Array, params: Params) -> Array:
    """Numbers in [0, 1] to parts of the largest power, from the least that is possible."""
    return params.p_floor_frac + (1 - params.p_floor_frac) * x


def prepare(d: Decision, state: State, params: Params) -> Work:
    """Sizes and priorities (1). Weights are priorities at equal coefficients, so that these cannot game the reward."""
    asked = state.tasks
    what = (asked.cycles, d.size_bits, asked.urgency, asked.cycles_weight, asked.size_weight)
    equal = jnp.full((1, 3, *(1,) * (d.size_bits.ndim - 2)), 1 / 3)
    reference = tasks.subtask_priority(*what, equal)
    total = jnp.sum(reference, 1, keepdims=True)
    total = of_present(state.present, total, 1)
    return Work(
        cycles=by_task(d.size_bits * asked.cycles),
        bits=by_task(d.size_bits * params.bits_per_data_unit),
        priority=by_task(tasks.subtask_priority(*what, d.coefficients)),
        weight=by_task(reference / total),
    )


def by_task(of_vehicle: Array) -> Array:
    """(V, J) as (K,)."""
    return of_vehicle.reshape(-1, *of_vehicle.shape[2:])


def by_vehicle(sizes: Sizes, of_task: Array) -> Array:
    """(K,) as (V, J)."""
    return of_task.reshape(sizes.n_vehicles, sizes.n_subtasks, *of_task.shape[1:])


def transfer(bits: Array, rate: Array, params: Params) -> tuple[Array, Array]:
    """Time on the air [s], and with coding and decoding, both at most the cap."""
    air_s = jnp.minimum(bits / jnp.maximum(rate, 1.0), params.latency_cap_s)
    codec_s = params.codec_s_per_symbol * params.blocklength_symbols
    return air_s, jnp.minimum(air_s + codec_s, params.latency_cap_s)


def upload(sizes: Sizes, d: Decision, work: Work, state: State, draws: dict[str, Array], params: Params) -> Uplink:
    """(5), (23), (31)."""
    gain = pick(realised_gain(sizes, state, draws, params), d.target)
    rate = rate_bps(gain, d.power_w, params).reshape(work.bits.shape)
    air_s, delay_s = transfer(work.bits, rate, params)
    return Uplink(rate, delay_s, d.power_w.reshape(air_s.shape) * air_s)


def route(sizes: Sizes, d: Decision, work: Work, up: Uplink, state: State, params: Params) -> Route:
    """(5) to (7): each node takes what its budget allows, by priority, and sends the rest on, at most `max_forwards` times."""
    n, cap_s = sizes.n_nodes, params.latency_cap_s
    onward = [jnp.where(d.forward == m, state.links.relay[:, m], 0) for m in range(n)]
    link_bps = rate_bps(reduce(add, onward), d.node_power_w, params)
    at = computing.at_node

    def stage(now: _Way, _: None) -> tuple[_Way, tuple[Array, Array]]:
        node, live = now.node, ~(now.placed | now.dropped)
        to = at(d.forward.astype(link_bps.dtype), node).astype(node.dtype)
        may_go = at(d.may_forward.astype(link_bps.dtype), node).astype(node.dtype)
        admitted = computing.admit_prefix(work.priority, work.cycles, node, live, now.used, d.budget)
        stays = admitted | (may_go == 0) | (to == now.before)
        goes, rate = live & ~stays, at(link_bps, node)
        air_s, hop_s = transfer(work.bits, rate, params)
        delay_s = now.delay_s + jnp.where(goes, hop_s, 0)
        hop_j = jnp.where(goes, at(d.node_power_w, node) * air_s, 0)
        after = _Way(
            node=jnp.where(goes, to, node),
            before=jnp.where(goes, node, now.before),
            placed=now.placed | (live & stays),
            dropped=now.dropped | (goes & (up.delay_s + delay_s >= cap_s)),
            delay_s=delay_s,
            energy_j=now.energy_j + hop_j,
            hops=now.hops + goes,
            slowest_bps=jnp.where(goes, jnp.minimum(now.slowest_bps, rate), now.slowest_bps),
            used=now.used + computing.sum_at_node(jnp.where(live & stays, work.cycles, 0), node, n),
            node_energy_j=now.node_energy_j + computing.sum_at_node(hop_j, node, n),
        )
        return after, (node, live)

    node = d.target.reshape(work.bits.shape).astype(jnp.int32)
    nothing, idle = jnp.zeros_like(work.bits), jnp.zeros_like(link_bps)
    start = _Way(
        node=node,
        before=jnp.full_like(node, -1),
        placed=jnp.zeros(node.shape, bool),
        dropped=(up.delay_s >= cap_s) | ~of_present(there(sizes, state), jnp.ones(node.shape, bool)),
        delay_s=nothing,
        energy_j=nothing,
        hops=nothing,
        slowest_bps=up.rate_bps,
        used=idle,
        node_energy_j=idle,
    )
    end, (nodes, asking) = jax.lax.scan(stage, start, length=sizes.max_forwards)
    last = ~(end.placed | end.dropped)
    return Route(
        node=end.node,
        placed=end.placed | last,
        delay_s=end.delay_s,
        energy_j=end.energy_j,
        hops=end.hops,
        slowest_bps=end.slowest_bps,
        node_energy_j=end.node_energy_j,
        stops=(*zip(nodes, asking, strict=True), (end.node, last)),
    )


def process(sizes: Sizes, d: Decision, work: Work, up: Uplink, way: Route, state: State, params: Params) -> Outcome:
    """Sharing of the processors (5), energy (54), (55), latency, quality of service (48), (93)."""
    n, cap_s = sizes.n_nodes, params.latency_cap_s

    def done(x: Array) -> Array:
        return jnp.where(way.placed, x, 0)

    load = load_of(done(work.cycles), way.node, n)
    share = jnp.ones_like(work.cycles)
    if sizes.cpu_share != "none":
        weight = work.priority if sizes.cpu_share == "priority" else share
        share = jnp.where(way.placed, computing.weighted_share(weight, way.node, way.placed), 1)
    cpu_hz = computing.at_node(d.cpu_hz, way.node)
    wait_s = computing.at_node(state.backlog / d.cpu_hz, way.node)
    process_s = done(wait_s + work.cycles / (cpu_hz * share))
    per_cycle_j = params.energy_per_cycle_j * (d.cpu_hz / params.f_ref_hz) ** params.cpu_energy_exponent
    process_j = done(computing.at_node(per_cycle_j, way.node) * work.cycles)
    latency_s = jnp.where(way.placed, jnp.minimum(up.delay_s + way.delay_s + process_s, cap_s), cap_s)
    energy_j = up.energy_j + way.energy_j + process_j
    quality = tasks.qos(latency_s, energy_j, params.w_l, params.w_e)
    percent = tasks.qos_percent(quality, params.q_min, params.q_max)
    latency_s, quality, percent = of_present(there(sizes, state), (latency_s, quality, percent))
    return Outcome(
        load=load,
        process_s=process_s,
        process_j=process_j,
        latency_s=latency_s,
        energy_j=energy_j,
        quality=quality,
        percent=percent,
        vehicle_latency_s=jnp.sum(by_vehicle(sizes, work.weight * latency_s), 1),
        vehicle_energy_j=jnp.sum(by_vehicle(sizes, up.energy_j), 1),
        node_energy_j=computing.sum_at_node(process_j, way.node, n) + way.node_energy_j,
    )


def sent(sizes: Sizes, d: Decision, state: State) -> Array:
    """Part of a vehicle's subtasks that go to each node first (V, N)."""
    part = jnp.mean((d.target[:, None] == lift(jnp.arange(sizes.n_nodes), d.target.ndim - 1)).astype(float), 2)
    return of_present(state.present, part)


def remaining(sizes: Sizes, d: Decision, o: Outcome, state: State, params: Params) -> Array:
    """Cycles that are left after the slot (N,)."""
    if not sizes.carry_backlog:
        return jnp.zeros_like(state.backlog)
    return jnp.maximum(0, state.backlog + o.load - d.cpu_hz * params.slot_s)
