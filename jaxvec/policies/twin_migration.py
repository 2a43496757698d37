"""Fixed rules for `twin_migration`: the paper's greedy rule, and yardsticks from staying where one is to a planner of one slot.

All choose among what the mask allows, where there is one. A rule that looks at loads sees what agents are told; without a
forecast (`workload_info="none"`) it sees the caches. `myopic` has all there is to know before a slot, for all vehicles at once,
or in turns (`turns`) for one after the other; `patient` likewise, but it counts only a part of a migration, which is paid once
and lasts. What a vehicle cannot read in its own row are the places of UAVs, and so how long a migration from or to one takes:
"own_" rules guess it, and know of the others only what the row says.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.layout import lift
from jaxvec.core.params import world_params
from jaxvec.core.rollout import Policy
from jaxvec.core.rule import Rule
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import Observation
from jaxvec.envs.twin_migration import TwinMigration
from jaxvec.envs.twin_migration.gain import gain_of
from jaxvec.envs.twin_migration.observation import GROUP, Seen, see
from jaxvec.envs.twin_migration.params import Params
from jaxvec.envs.twin_migration.scene import arrivals, brings, edge, haversines, of_kind, rsu_places, would_move
from jaxvec.envs.twin_migration.slot import below_m, capped_s, computing_s, in_space_m, rate_bps, transfer_s
from jaxvec.physics.geometry import arc_m, norm_m

EXPLORE = 0.1  # how often the greedy rule chooses by lot (VII-B)
PATIENT = 0.6  # of a migration counts for the patient: the best of 0.4, 0.5 to 1 in the training days of the city


def nearest(seen: Seen, env: TwinMigration, params: Params) -> Array:
    """The nearest RSU or UAV; the satellite where there is none."""
    return _least(seen.dist, seen.allowed)


def least_load(seen: Seen, env: TwinMigration, params: Params) -> Array:
    """The RSU or UAV of the least known load; the satellite where there is none."""
    return _least(seen.known_load[:, :-1], seen.allowed)


def _least(x: Array, allowed: Array) -> Array:
    best = jnp.argmin(jnp.where(allowed[:, :-1], x, jnp.inf), 1)
    return jnp.where(jnp.any(allowed[:, :-1], 1), best, x.shape[1])


def sticky(seen: Seen, env: TwinMigration, params: Params) -> Array:
    """Stays while it may, else goes where the least is to do."""
    here = jnp.take_along_axis(seen.allowed, jnp.maximum(seen.prev, 0)[:, None], 1)[:, 0] & (seen.prev >= 0)
    return jnp.where(here, seen.prev, least_load(seen, env, params))


def satellite(seen: Seen, env: TwinMigration, params: Params) -> Array:
    """Always the satellite."""
    return jnp.full_like(seen.prev, env.n_servers - 1)


class Prospect(NamedTuple):
    """What each vehicle expects at each server, whatever the others do; all (n, M)."""

    link_s: Array  # upload, download, and what counts of a migration
    beyond: Array  # bool, out of reach
    brings: Array  # its own data [bit]
    counted: Array  # of these, what counts [bit]


def prospects(seen: Seen, env: TwinMigration, params: Params, migration: float = 1.0, own: bool = False) -> Prospect:
    """What can be said before anybody is placed.

    Args:
        seen: of n vehicles.
        env: the sizes.
        params: the numbers.
        migration: the part of what a migration takes, its time and the work of its data, that counts: with 1 the slot is all that
            matters, but it is paid once, and what it is good for lasts.
        own: from the vehicles' own rows alone, see `between_m`.
    """
    dist_m = jnp.concatenate([seen.dist, jnp.ones_like(seen.dist[:, :1])], 1)
    beyond = dist_m > of_kind(env, params.rsu_range_m, params.uav_range_m, seen.prev.ndim - 1, sat=jnp.inf)
    link_s = link_times_s(dist_m, env, params) + migration * migration_s(seen, dist_m, env, params, own)
    data_bits, stay_bits = brings(env, seen.prev, params), arrivals(env, params)[0]
    return Prospect(link_s, beyond, data_bits, stay_bits + migration * (data_bits - stay_bits))


def slot_cost(load: Array, prospect: Prospect, rank: int, env: TwinMigration, params: Params) -> Array:
    """(22): what a slot at each server would cost, in units of the reward and but for a constant.

    Args:
        load: what servers would have to do without this twin `(..., M, *batch)` [bit].
        prospect: of the same shape.
        rank: batch axes.
        env: the sizes.
        params: the numbers.
    """
    p, on_edge, counted = params, edge(env, rank), load + prospect.counted
    xi = (prospect.beyond | (on_edge & (load + prospect.brings > p.cache_bits))).astype(counted.dtype)
    work_s = capped_s(computing_s(env, counted, p.cache_bits, on_edge, params), params)
    latency_s = capped_s(prospect.link_s + work_s + p.failure_delay_s * xi, params)
    return p.w_latency * latency_s / p.lat_std_s + p.w_load * counted / p.load_std_bits + p.w_loss * xi


def myopic(seen: Seen, env: TwinMigration, params: Params, migration: float = 1.0) -> Array:
    """Vehicle after vehicle the cheapest server for this slot by (22), given the twins that were placed before.

    `migration` is the part of a migration that counts, see `prospects`.
    """
    rank = seen.prev.ndim - 1

    def place(placed: Array, vehicle: Any) -> tuple[Array, Array]:
        prospect, known_load, allowed, active = vehicle
        cost = slot_cost(known_load + placed, prospect, rank, env, params)
        best = jnp.argmin(jnp.where(allowed, cost, jnp.inf), 0)
        chosen = (lift(jnp.arange(env.n_servers), rank) == best) & active
        return placed + jnp.where(chosen, prospect.brings, 0), best

    vehicles = prospects(seen, env, params, migration), seen.known_load, seen.allowed, seen.active
    return jax.lax.scan(place, jnp.zeros_like(seen.known_load[0]), vehicles)[1]


def own_myopic(seen: Seen, env: TwinMigration, params: Params, migration: float = 1.0) -> Array:
    """`myopic` of each vehicle by itself, with the loads of its own row: in turns those of the twins before it among them, and
    with `obs_twins` those that other twins bring where they are."""
    return jnp.argmax(own_scores(seen, env, params, migration), 1)


def own_scores(seen: Seen, env: TwinMigration, params: Params, migration: float = 1.0) -> Array:
    """What `own_myopic` thinks each server worth: minus what the slot would cost there, -inf where it is not allowed (n, M)."""
    expected = prospects(seen, env, params, migration, own=True)
    load = seen.known_load + seen.staying
    cost = slot_cost(load, expected, seen.prev.ndim - 1, env, params)
    return jnp.where(seen.allowed, -cost, -jnp.inf)


def link_times_s(dist_m: Array, env: TwinMigration, params: Params) -> Array:
    """(6), (7): what each vehicle's upload and download would take at each server together, without fading (n, M).

    For all M servers, the satellite with them; what it has instead is chosen at the end. Compilers for CPUs do eight numbers at
    once, but one by one what is joined from parts (`jnp.concatenate`) or taken by index.

    Args:
        dist_m: how far each server is (n, M), of the satellite something finite [m].
        env: the sizes.
        params: the numbers.
    """
    p, rank = params, dist_m.ndim - 2
    power_w, flies = (
        of_kind(env, p.rsu_power_w, p.uav_power_w, rank, sat=1.0),
        of_kind(env, False, True, rank, sat=False),
    )
    gain = gain_of(env, below_m(dist_m, flies, params), dist_m, p.vehicle_height_m, flies, params)
    up = rate_bps(p.bandwidth_up_hz, p.vehicle_power_w, gain, 1.0, params)
    down = rate_bps(p.bandwidth_down_hz, power_w, gain, 1.0, params)
    on_edge = edge(env, rank)
    up_s, down_s = (transfer_s(p.vt_bits, jnp.where(on_edge, rate, p.sat_rate_bps), params) for rate in (up, down))
    return up_s + down_s


def migration_s(seen: Seen, dist_m: Array, env: TwinMigration, params: Params, own: bool = False) -> Array:
    """(12): what each vehicle's migration would take to each server, without fading; 0 where there is none (n, M).

    `dist_m` is that of `link_times_s`, `own` that of `between_m`.
    """
    p, rank, sat = params, seen.prev.ndim - 1, env.n_servers - 1
    origin, flies = jnp.clip(seen.prev, 0, sat - 1), of_kind(env, False, True, rank, sat=False)
    from_air = (origin >= env.n_rsu)[:, None]
    ground_m = between_m(seen, dist_m, origin, env, params, own)
    ground_m, space_m, height_m = in_space_m(ground_m, from_air, flies, params)
    gain = gain_of(env, ground_m, space_m, height_m, flies, params)
    rate = rate_bps(p.bandwidth_mig_hz, jnp.where(from_air, p.uav_power_w, p.rsu_power_w), gain, 1.0, params)
    by_sat = ~edge(env, rank) | (seen.prev == sat)[:, None]
    rate = jnp.where(by_sat, p.sat_rate_bps, rate)
    return jnp.where(would_move(env, seen.prev), transfer_s(p.mig_bits, rate, params), 0)


def between_m(seen: Seen, dist_m: Array, origin: Array, env: TwinMigration, params: Params, own: bool) -> Array:
    """On the ground from each vehicle's `origin` (n,), an RSU or a UAV, to all servers (n, M), to the satellite anything [m].

    With `own`, from the row of the vehicle alone: RSUs stand where they stand, but of a UAV it only knows how far away it is
    itself, and takes the way from or to one as if it saw both ends at a right angle. `dist_m` is that of `link_times_s`.
    """
    rank, beyond = seen.prev.ndim - 1, env.n_servers - env.n_rsu
    is_origin = lift(jnp.arange(env.n_servers), rank) == origin[:, None]
    if not own:
        rsu_deg = jnp.broadcast_to(rsu_places(rank, params), (env.n_rsu, 2, *seen.prev.shape[1:]))
        places_deg = jnp.concatenate([rsu_deg, seen.uav_deg, jnp.zeros_like(rsu_deg[:1])])
        hav = haversines(env, jnp.take_along_axis(places_deg, origin[:, None], 0), places_deg, params)
        return arc_m(hav, params.earth_radius_m)
    rsu_deg, flies = rsu_places(0, params), of_kind(env, False, True, rank, sat=False)
    table = jnp.pad(haversines(env, rsu_deg, rsu_deg, params), ((0, beyond), (0, beyond)))
    its_row = is_origin.astype(table.dtype)  # a product rather than a look-up, see `link_times_s`
    hav = jnp.einsum("ji,nj...->ni...", table, its_row, precision="highest")
    here_m = below_m(dist_m, flies, params)
    there_m = jnp.sum(jnp.where(is_origin, here_m, 0), 1, keepdims=True)
    guessed = flies | (origin >= env.n_rsu)[:, None]
    return jnp.where(guessed, norm_m(here_m, there_m), arc_m(hav, params.earth_radius_m))


def loads_told(env: TwinMigration) -> bool:
    """Whether a vehicle's row has the known loads, and not only the world."""
    return env.workload_info != "none"


def all_told(env: TwinMigration) -> bool:
    """Whether a vehicle's row has the known loads, and where its twin is."""
    return loads_told(env) and env.obs_prev_server


RULES: dict[str, Rule] = {
    "greedy": Rule(nearest, local=True),
    "sticky": Rule(sticky, local=all_told),
    "least_load": Rule(least_load, local=loads_told),
    "satellite": Rule(satellite, local=True),
    "myopic": Rule(myopic),
    "patient": Rule(
        partial(myopic, migration=PATIENT), meaning=f"As `myopic`, with migrations at {PATIENT} of their cost."
    ),
    "own_myopic": Rule(own_myopic, all_told, own_scores),
    "own_patient": Rule(
        partial(own_myopic, migration=PATIENT),
        all_told,
        partial(own_scores, migration=PATIENT),
        f"As `own_myopic`, with migrations at {PATIENT} of their cost.",
    ),
}


def rules(env: TwinMigration, params: Params) -> dict[str, Rule]:
    """Every rule of `RULES` as a policy; the greedy one chooses by lot now and then."""

    def policy_of(name: str, rule: Rule) -> Policy:
        def policy(key: Array, obs: Observation) -> Any:
            known = world_params(params) if key.ndim else params
            server = rule(see(env, obs, known), env, known).astype(jnp.int32)
            if name == "greedy":
                u = rng.uniforms(key, {"explore": server.shape[:1], "lot": server.shape[:1]})
                lot = Discrete(env.n_servers).from_uniform(u["lot"], obs.mask[GROUP]["server"])
                server = jnp.where(u["explore"] < EXPLORE, lot, server)
            return {GROUP: {"server": server}}

        return policy

    def scores_of(scores: Any) -> Policy:
        def of_all(key: Array, obs: Observation) -> Any:
            known = world_params(params) if key.ndim else params
            return {GROUP: {"server": scores(see(env, obs, known), env, known)}}

        return of_all

    return {
        name: rule.policy(env, policy_of(name, rule), rule.scores and scores_of(rule.scores))
        for name, rule in RULES.items()
    }
