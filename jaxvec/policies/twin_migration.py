"""Fixed rules for `twin_migration`: the paper's greedy rule, and yardsticks from staying where one is to a planner of one slot.

All choose among what the mask allows, where there is one. A rule that looks at loads sees what agents are told; without a
forecast (`workload_info="none"`) it sees the caches. `myopic` has all there is to know before a slot, for all vehicles at once.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.layout import lift
from jaxvec.core.params import world_params
from jaxvec.core.rollout import Policy
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import Observation
from jaxvec.envs.twin_migration import TwinMigration
from jaxvec.envs.twin_migration.observation import GROUP, Seen, see
from jaxvec.envs.twin_migration.params import Params
from jaxvec.envs.twin_migration.scene import arrivals, edge, haversines, of_kind, rsu_places
from jaxvec.envs.twin_migration.slot import below_m, capped_s, computing_s, gain_of, in_space_m, rate_bps, transfer_s

EXPLORE = 0.1  # how often the greedy rule chooses by lot (VII-B)


def nearest(seen: Seen, env: TwinMigration, params: Params) -> Array:
    """The nearest RSU or UAV; the satellite where there is none."""
    return _least(seen.dist, seen.allowed)


def least_load(seen: Seen, env: TwinMigration, params: Params) -> Array:
    """The RSU or UAV of the least known load; the satellite where there is none."""
    return _least(jnp.broadcast_to(seen.known_load[:-1], seen.dist.shape), seen.allowed)


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


def myopic(seen: Seen, env: TwinMigration, params: Params) -> Array:
    """Vehicle after vehicle the cheapest server for this slot by (22), given the twins that were placed before."""
    p, rank = params, seen.prev.ndim - 1
    links_s, on_edge = link_times_s(seen, env, params), edge(env, rank)
    range_m = of_kind(env, p.rsu_range_m, p.uav_range_m, rank)
    beyond = jnp.concatenate([seen.dist > range_m, jnp.zeros_like(seen.active)[:, None]], 1)
    moves = _moves(seen, env)
    stay_bits, move_bits = arrivals(env, params)

    def place(load: Array, vehicle: Any) -> tuple[Array, Array]:
        link_s, beyond, moves, allowed, active = vehicle
        adds = jnp.where(moves, move_bits, stay_bits)
        full = load + adds
        xi = (beyond | (on_edge & (full > p.cache_bits))).astype(full.dtype)
        work_s = capped_s(computing_s(env, full, on_edge, params), params)
        latency_s = capped_s(link_s + work_s + p.failure_delay_s * xi, params)
        cost = p.w_latency * latency_s / p.lat_std_s + p.w_load * full / p.load_std_bits + p.w_loss * xi
        best = jnp.argmin(jnp.where(allowed, cost, jnp.inf), 0)
        chosen = (lift(jnp.arange(env.n_servers), rank) == best) & active
        return load + jnp.where(chosen, adds, 0), best

    return jax.lax.scan(place, seen.known_load, (links_s, beyond, moves, seen.allowed, seen.active))[1]


def link_times_s(seen: Seen, env: TwinMigration, params: Params) -> Array:
    """(6), (7), (12): what each vehicle's upload, download and migration would take at each server, without fading (V, M)."""
    p, rank, sat = params, seen.prev.ndim - 1, env.n_servers - 1
    power_w = of_kind(env, p.rsu_power_w, p.uav_power_w, rank)
    flies = of_kind(env, False, True, rank)
    gain = gain_of(env, below_m(seen.dist, flies, params), seen.dist, p.vehicle_height_m, flies, params)
    up = rate_bps(p.bandwidth_up_hz, p.vehicle_power_w, gain, 1.0, params)
    down = rate_bps(p.bandwidth_down_hz, power_w, gain, 1.0, params)
    origin, rsu_deg = jnp.clip(seen.prev, 0, sat - 1), rsu_places(rank, params)
    rsu_deg = jnp.broadcast_to(rsu_deg, (env.n_rsu, 2, *seen.prev.shape[1:]))
    places_deg = jnp.concatenate([rsu_deg, seen.uav_deg])
    hav = haversines(env, jnp.take_along_axis(places_deg, origin[:, None], 0), places_deg, params)
    ground_m, dist_m, height_m = in_space_m(hav, (origin >= env.n_rsu)[:, None], flies, params)
    origin_power_w = jnp.where(origin < env.n_rsu, p.rsu_power_w, p.uav_power_w)[:, None]
    gain = gain_of(env, ground_m, dist_m, height_m, flies, params)
    mig = rate_bps(p.bandwidth_mig_hz, origin_power_w, gain, 1.0, params)
    mig = jnp.where((seen.prev == sat)[:, None], p.sat_rate_bps, mig)

    def with_sat(rate: Array) -> Array:
        return jnp.concatenate([rate, jnp.broadcast_to(p.sat_rate_bps, rate[:, :1].shape)], 1)

    up_s, down_s = (transfer_s(p.vt_bits, with_sat(rate), params) for rate in (up, down))
    return up_s + down_s + jnp.where(_moves(seen, env), transfer_s(p.mig_bits, with_sat(mig), params), 0)


def _moves(seen: Seen, env: TwinMigration) -> Array:
    """(V, M): a twin that is somewhere would migrate."""
    return (seen.prev >= 0)[:, None] & (lift(jnp.arange(env.n_servers), seen.prev.ndim - 1) != seen.prev[:, None])


RULES: dict[str, Callable[[Seen, TwinMigration, Params], Array]] = {
    "greedy": nearest,
    "sticky": sticky,
    "least_load": least_load,
    "satellite": satellite,
    "myopic": myopic,
}


def rules(env: TwinMigration, params: Params) -> dict[str, Policy]:
    """Every rule of `RULES` as a policy; the greedy one chooses by lot now and then."""

    def policy_of(name: str, rule: Callable[[Seen, TwinMigration, Params], Array]) -> Policy:
        def policy(key: Array, obs: Observation) -> Any:
            known = world_params(params) if key.ndim else params
            server = rule(see(env, obs, known), env, known).astype(jnp.int32)
            if name == "greedy":
                u = rng.uniforms(key, {"explore": server.shape[:1], "lot": server.shape[:1]})
                lot = Discrete(env.n_servers).from_uniform(u["lot"], obs.mask[GROUP]["server"])
                server = jnp.where(u["explore"] < EXPLORE, lot, server)
            return {GROUP: {"server": server}}

        return policy

    return {name: policy_of(name, rule) for name, rule in RULES.items()}
