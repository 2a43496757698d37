"""The slot of `v2x_offload`, phase by phase, each a pure function: geometry, decision, turns, radio, paths, score, movement.

Shapes are one world's, with `M` vehicles and `N` edge servers; batch axes come last. Equation numbers are those of the DT-MADDPG
paper; what was decided where the paper is silent stands in `jaxvec.envs.v2x_offload.env`.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot.
    draws: as `draw_reset` or `draw_step` of `V2xOffload` gives them.
    params: the numbers.
    rank: batch axes.
    place: where the vehicles are, and which servers are in reach.
    d: what is done.
    pools: what the servers have.
    grants: what each vehicle got.
    links: its uploads.
    order: int32 `(M,)`, who acts in which turn.
    tree: of arrays `(M, ...)`, a row per vehicle or turn.
"""

import math
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.presence import of_present
from jaxvec.envs.places import places_of
from jaxvec.envs.v2x_offload.params import Params, Sizes, State
from jaxvec.physics import computing, geometry, pathloss, rate, table, units


class Geometry(NamedTuple):
    """(6): frozen during the slot. The access server of a target is the target itself, or the nearest server if out of reach.

    Attributes:
        dist_m: `(M, N)`, from vehicle to server on the ground, at least `dist_min_m` [m].
        direct: bool `(M, N)`, the target is its own access server.
        nearest: bool `(M, N)`, one-hot: the nearest server.
        wire_m: `(M, N)`, from the access server to the target [m].
        in_range: bool `(M,)`, the vehicle is there, and some server reaches it, or need not, without `hard_radius`.
        pos_m: `(M, 2)`, of the vehicles; None where distances alone are known [m].
    """

    dist_m: Array
    direct: Array
    nearest: Array
    wire_m: Array
    in_range: Array
    pos_m: Array | None = None


class Decision(NamedTuple):
    """A feasible action (C1, C4).

    Attributes:
        part: `(M, 1 + N)`, of the task, first for the own CPU; sums to 1 [-].
        power_w: `(M,)`, of the radio [W].
        share: `(M, 2)`, of what is left of the pools: of CPU, of bandwidth [-].
    """

    part: Array
    power_w: Array
    share: Array


class Pools(NamedTuple):
    """What the servers have; `(2, N)`: CPU [Hz], bandwidth [Hz].

    Attributes:
        left: what is left.
        twin: what the twin shows of it.
    """

    left: Array
    twin: Array


class Grants(NamedTuple):
    """What each vehicle got (25), (26).

    Attributes:
        cpu_hz: `(M, N)`, of each target's CPU [Hz].
        bw_hz: `(M, N)`, of each access server's bandwidth [Hz].
        short: bool `(M,)`, less than it asked for.
    """

    cpu_hz: Array
    bw_hz: Array
    short: Array


class Links(NamedTuple):
    """(5), (7), (14): upload to each access server; `(M, N)` each.

    Attributes:
        used: bool, something is uploaded.
        rate_bps: rate (5) [bit/s].
        t_up_s: how long it takes (7) [s].
        energy_j: of the radio, up to the deadline (14) [J].
    """

    used: Array
    rate_bps: Array
    t_up_s: Array
    energy_j: Array


class Outcome(NamedTuple):
    """(3), (4), (8) to (17), (23): what each task took; `(M,)` each.

    Attributes:
        latency_s: of the slowest part, at most the deadline [s].
        timeout: bool, later than the deadline.
        up_s: of it: the slowest upload, at most the deadline [s].
        wire_s: the slowest transfer between servers [s].
        cpu_s: the slowest computing, at most the deadline [s].
        e_radio_j: energy of the radio (14) [J].
        e_loc_j: of the own CPU (12) [J].
        e_es_j: of the servers' CPUs (13) [J].
        energy_j: of all (15) to (17) [J].
        cost: latency and energy, weighted (23) [-].
    """

    latency_s: Array
    timeout: Array
    up_s: Array
    wire_s: Array
    cpu_s: Array
    e_radio_j: Array
    e_loc_j: Array
    e_es_j: Array
    energy_j: Array
    cost: Array


class Tasks(Protocol):
    """What radio and paths need to know of a state, or of what was seen of one."""

    @property
    def task_bits(self) -> Array:
        """Sizes of the tasks (M,) [bit]."""

    @property
    def fade(self) -> Array:
        """Power gain of fading (M, N) [-]."""


def server_places_m(sizes: Sizes, params: Params, rank: int) -> Array:
    """`(N, 2)`: where the servers are [m], by default a regular polygon round the centre of the square."""
    if params.es_pos_m is not None:
        return places_of(params.es_pos_m, rank)
    n = sizes.n_servers
    angle = lift(math.pi / 2 + 2 * math.pi / n * jnp.arange(n), rank)
    spread = 0.3 * (n > 1)
    return params.area_m * jnp.stack([0.5 + spread * jnp.cos(angle), 0.5 + spread * jnp.sin(angle)], 1)


def locate(sizes: Sizes, state: State, params: Params) -> Geometry:
    """(6): distances on the ground, and what follows from them."""
    at_m = server_places_m(sizes, params, state.t.ndim)
    place = reach(jnp.maximum(_apart_m(state.pos_m, at_m), params.dist_min_m), at_m, params)
    return place._replace(in_range=of_present(params.present, place.in_range), pos_m=state.pos_m)


def reach(dist_m: Array, places_m: Array, params: Params) -> Geometry:
    """Which server is the nearest, and over which wires targets out of reach are served.

    Args:
        dist_m: `(M, N)`, from vehicle to server [m].
        places_m: `(N, 2)`, of the servers [m].
    """
    index = lift(jnp.arange(dist_m.shape[1]), dist_m.ndim - 2)
    nearest = index == jnp.argmin(dist_m, 1)[:, None]
    reached = geometry.within(dist_m, params.radius_m)
    direct = reached | nearest
    # a choice, not a product: of that, XLA (jax 0.10.2) makes wrong numbers on a CPU for one vehicle in 16384 worlds
    from_nearest_m = jnp.where(nearest[:, :, None], _apart_m(places_m, places_m)[None], 0)
    wire_m = jnp.where(direct, 0, jnp.sum(from_nearest_m, 1))
    in_range = jnp.any(reached, 1) | ~jnp.asarray(params.hard_radius).astype(bool)
    return Geometry(dist_m, direct, nearest, wire_m, in_range)


def _apart_m(a: Array, b: Array) -> Array:
    return geometry.norm_m(*(geometry.offsets(a[:, c], b[:, c]) for c in (0, 1)))


def at_access(x: Array, place: Geometry) -> Array:
    """`(M, N)`: per access server to per target, x[access(target)], in its unit.

    Args:
        x: `(M, N)`, of access servers.
    """
    return jnp.where(place.direct, x, jnp.sum(place.nearest * x, 1, keepdims=True))


def by_access(x: Array, place: Geometry) -> Array:
    """`(M, N)`: per target to per access server, summed over the targets that each serves, in its unit.

    Args:
        x: `(M, N)`, of targets.
    """
    return place.direct * x + place.nearest * jnp.sum(~place.direct * x, 1, keepdims=True)


def decode(sizes: Sizes, action: dict[str, Array], params: Params) -> Decision:
    """Any numbers to a feasible decision, of however many vehicles.

    Args:
        action: "power", "cpu" and "bandwidth" `(M,)`, cut to -1 to 1; and "target" int `(M,)`, 0 for the own CPU, or, with
            `partition`, "split" `(M, 1 + N)`.
    """

    def level(name: str) -> Array:
        return jnp.maximum((jnp.clip(action[name], -1, 1) + 1) / 2, params.share_min)

    if sizes.partition:
        weight = jnp.exp(params.split_temp * (jnp.clip(action["split"], -1, 1) - 1))
        part = weight / jnp.sum(weight, 1, keepdims=True)
        least = jnp.minimum(params.split_min, jnp.max(part, 1, keepdims=True))  # the largest part is never dropped
        part = jnp.where(part >= least, part, 0)
        part = part / jnp.sum(part, 1, keepdims=True)
    else:
        target = action["target"][:, None]
        part = (lift(jnp.arange(1 + sizes.n_servers), target.ndim - 2) == target).astype(action["cpu"].dtype)
    return Decision(part, params.tx_power_max_w * level("power"), jnp.stack([level("cpu"), level("bandwidth")], 1))


def decide(sizes: Sizes, action: dict[str, Array], params: Params) -> Decision:
    """What all vehicles do; absent ones nothing at all.

    Args:
        action: of all vehicles, see `decode`.
    """
    return of_present(params.present, decode(sizes, of_present(params.present, action), params))


def open_pools(state: State, params: Params) -> Pools:
    """The pools at the start of a slot, and the twin's view of them."""
    band_hz = jnp.broadcast_to(params.es_bandwidth_hz, state.bg_load.shape)
    left = jnp.stack([params.es_cpu_hz * (1 - state.bg_load), band_hz])
    return Pools(left, left * (1 + state.twin_bias))


def sync(pools: Pools, turn: Array, state: State, params: Params) -> Pools:
    """The twin is refreshed, if this is a turn for it.

    Args:
        turn: int `()`, from 0.
    """
    now = turn % params.twin_sync_every == 0
    return pools._replace(twin=jnp.where(now, pools.left * (1 + state.twin_bias), pools.twin))


def asked(d: Decision, place: Geometry) -> Array:
    """`(M, 2, N)`: shares that are asked for [-]: CPU of targets, bandwidth of access servers; none out of all servers' reach."""
    used = d.part[:, 1:] > 0
    where = jnp.stack([used, by_access(used, place) > 0], 1)
    return d.share[:, :, None] * where * place.in_range[:, None, None]


def grant(pools: Pools, asked: Array) -> tuple[Pools, Array]:
    """(25), (26): what one vehicle gets of what the twin shows, as far as it is there.

    Args:
        asked: `(2, N)`, its shares [-].
    Returns:
        The pools after it, and what it got `(2, N)` [Hz].
    """
    granted = jnp.minimum(asked * pools.twin, pools.left)
    return pools._replace(left=jnp.maximum(pools.left - granted, 0)), granted


def by_turn(sizes: Sizes, tree: Any, order: Array) -> Any:
    """Rows by vehicle to rows by turn."""
    if not sizes.shuffle_order:
        return tree

    def sort(x: Array) -> Array:
        who = order.reshape(len(order), *(1,) * (x.ndim - order.ndim), *order.shape[1:])
        return jnp.take_along_axis(x, who, 0)

    return jax.tree.map(sort, tree)


def by_vehicle(sizes: Sizes, tree: Any, order: Array) -> Any:
    """Rows by turn to rows by vehicle."""
    return by_turn(sizes, tree, jnp.argsort(order, 0)) if sizes.shuffle_order else tree


def take_turns(sizes: Sizes, state: State, d: Decision, place: Geometry, params: Params) -> Grants:
    """(25), (26): the vehicles draw on the pools one after the other."""
    shares = by_turn(sizes, asked(d, place), state.order)

    def turn(pools: Pools, now: tuple[Array, Array]) -> tuple[Pools, tuple[Array, Array]]:
        k, share = now
        pools = sync(pools, k, state, params)
        wanted = share * pools.twin
        pools, granted = grant(pools, share)
        return pools, (granted, jnp.any(granted < wanted, (0, 1)))

    _, by_turns = jax.lax.scan(turn, open_pools(state, params), (jnp.arange(sizes.n_vehicles), shares))
    granted, short = by_vehicle(sizes, by_turns, state.order)
    return Grants(granted[:, 0], granted[:, 1], short)


def transmit(sizes: Sizes, state: Tasks, d: Decision, place: Geometry, grants: Grants, params: Params) -> Links:
    """(5), (7), (14): the uploads, all at once; power is divided over the links by their bits."""
    bits = by_access(d.part[:, 1:], place) * state.task_bits[:, None]
    total = jnp.sum(bits, 1, keepdims=True)
    power_w = d.power_w[:, None] * bits / jnp.where(total > 0, total, 1)
    return upload(sizes, state.fade, bits, power_w, place, grants.bw_hz, params)


def path_gain(sizes: Sizes, place: Geometry, params: Params) -> Array:
    """What of a power sent by a vehicle comes to a server, but for fading `(M, N)` [-]."""
    link = pathloss.Link(place.dist_m, place.dist_m, params.cv_height_m, params.es_height_m)
    link = link if place.pos_m is None else table.placed(link, place.pos_m[:, 0], place.pos_m[:, 1])
    return units.db_to_linear(-pathloss.MODELS[sizes.pathloss](link, params))


def upload(
    sizes: Sizes, fade: Array, bits: Array, power_w: Array, place: Geometry, bw_hz: Array, params: Params
) -> Links:
    """(5), (7), (14): what each link would take by itself.

    Args:
        fade: power gain of fading `(M, N)` [-].
        bits: to be sent over it `(M, N)` [bit].
        power_w: of the radio in it `(M, N)` [W].
        bw_hz: its bandwidth `(M, N)` [Hz].
    """
    noise_w = params.noise_w + params.noise_psd_w_hz * jnp.maximum(bw_hz, 1.0)
    rate_bps = rate.shannon_bps(bw_hz, rate.snr(power_w, fade, path_gain(sizes, place, params), noise_w))
    t_up_s = computing.time_s(bits, jnp.maximum(rate_bps, params.rate_floor_bps))
    return Links(bits > 0, rate_bps, t_up_s, power_w * jnp.minimum(t_up_s, params.deadline_s))


def settle(state: Tasks, d: Decision, place: Geometry, grants: Grants, links: Links, params: Params) -> Outcome:
    """(3), (4), (8) to (17), (23): the parts of a task run side by side, the slowest sets its latency."""
    local, remote = d.part[:, 0], d.part[:, 1:]
    bits = remote * state.task_bits[:, None]
    work_loc, work_es = params.cycles_per_bit * local * state.task_bits, params.cycles_per_bit * bits
    f_loc_hz = params.cv_cpu_hz * jnp.where(params.local_dvfs, d.share[:, 0], 1.0)
    t_loc_s = computing.time_s(work_loc, f_loc_hz)  # (3)
    t_cpu_s = computing.time_s(work_es, jnp.maximum(grants.cpu_hz, params.cpu_floor_hz))  # (4)
    t_wire_s = bits * place.wire_m / params.wired_factor_bit_m_s  # (9), (10)
    path_s = (remote > 0) * (at_access(links.t_up_s, place) + t_wire_s + t_cpu_s)  # (8), (11)
    raw_s = jnp.maximum(t_loc_s, jnp.max(path_s, 1))
    latency_s = jnp.minimum(raw_s, params.deadline_s)
    e_radio_j = jnp.sum(links.energy_j, 1)
    e_es_j = jnp.sum(computing.energy_j(params.es_kappa, grants.cpu_hz, work_es), 1)  # (13)
    e_loc_j = computing.energy_j(params.cv_kappa, f_loc_hz, work_loc)  # (12)
    energy_j = e_radio_j + e_es_j + e_loc_j  # (15) to (17); the wire is free
    w = params.weight_latency
    cost = w * latency_s / params.latency_ref_s + (1 - w) * energy_j / params.energy_ref_j  # (23), in references
    return Outcome(
        latency_s,
        raw_s > params.deadline_s,
        jnp.minimum(jnp.max(links.used * links.t_up_s, 1), params.deadline_s),
        jnp.max(t_wire_s, 1),
        jnp.minimum(jnp.maximum(t_loc_s, jnp.max(t_cpu_s, 1)), params.deadline_s),
        e_radio_j,
        e_loc_j,
        e_es_j,
        energy_j,
        cost,
    )
