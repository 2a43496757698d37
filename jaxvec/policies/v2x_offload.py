"""Fixed rules for `v2x_offload`: the paper's AMCS, ROCS and ALCS, the nearest server, and a greedy vehicle that trusts the twin.

A rule sees what the vehicle sees in its turn. With n vehicles still to come, share(x) = 1 / (1 + x n / N) of a residue
leaves as much for each of the later users that are expected at the same server. All offload at full power. With `partition`
a target becomes a split that is all there. All are local, see `jaxvec.core.rule.Rule`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.layout import lift
from jaxvec.core.params import world_params
from jaxvec.core.presence import mean_of_present
from jaxvec.core.rollout import Policy
from jaxvec.core.rule import Rule
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import Observation
from jaxvec.envs.v2x_offload import V2xOffload
from jaxvec.envs.v2x_offload.observation import GROUP, Seen, see
from jaxvec.envs.v2x_offload.params import Params
from jaxvec.envs.v2x_offload.slot import Decision, Grants, asked, by_access, reach, server_places_m, settle, upload

CLOSE = 0.01  # a difference of costs that is told apart: of servers as good as each other it is a few thousandths


def share(x: float, seen: Seen, env: V2xOffload) -> Array:
    """The part of a residue that leaves as much for each of x n / N later users."""
    return 1 / (1 + x * seen.to_come / env.n_servers)


def alcs(u: Array, seen: Seen, env: V2xOffload, params: Params) -> tuple[Array, Array]:
    """Always local."""
    return jnp.zeros_like(seen.task_bits, jnp.int32), jnp.ones_like(seen.task_bits)


def amcs(u: Array, seen: Seen, env: V2xOffload, params: Params) -> tuple[Array, Array]:
    """Always a server: the one with the most free CPU, the nearest of equals."""
    most = jnp.max(seen.free_hz, 1, keepdims=True)
    tied = seen.free_hz >= most * (1 - 1e-6)  # equal up to the rounding of an observation
    return 1 + jnp.argmin(jnp.where(tied, seen.dist_m, jnp.inf), 1), share(1, seen, env)


def amcs_nearest(u: Array, seen: Seen, env: V2xOffload, params: Params) -> tuple[Array, Array]:
    """Always the nearest server."""
    return 1 + jnp.argmin(seen.dist_m, 1), share(1, seen, env)


def rocs(u: Array, seen: Seen, env: V2xOffload, params: Params) -> tuple[Array, Array]:
    """A fair coin: local, or a server drawn uniformly. `u` is uniform on (0, 1)."""
    server = 1 + Discrete(env.n_servers).from_uniform(2 * u - 1)
    return jnp.where(u < 0.5, 0, server), share(0.5, seen, env)


def greedy(u: Array, seen: Seen, env: V2xOffload, params: Params) -> tuple[Array, Array]:
    """The target of the smallest own cost, as far as this vehicle and the twin can tell (of the clocks only their mean)."""
    return jnp.argmin(costs(seen, env, params), 1), share(1, seen, env)


def costs(seen: Seen, env: V2xOffload, params: Params) -> Array:
    """What each target would cost a vehicle that offloads as `greedy` does `(n, 1 + N)` [-]."""
    s, rank = share(1, seen, env), seen.task_bits.ndim - 1
    place = reach(seen.dist_m, server_places_m(env, params, rank), params)
    clock_hz: Any = params.cv_cpu_hz
    if jnp.ndim(clock_hz):
        clocks_hz = jnp.broadcast_to(clock_hz, (env.n_vehicles, *jnp.shape(clock_hz)[1:]))
        clock_hz = mean_of_present(params.present, clocks_hz)
    known = params.replace(cv_cpu_hz=clock_hz)
    shares, power_w = jnp.stack([s, s], 1), jnp.broadcast_to(params.tx_power_max_w, s.shape)
    targets = lift(jnp.arange(1 + env.n_servers), rank)
    all_bits = jnp.broadcast_to(seen.task_bits[:, None], seen.fade.shape)
    band_hz = jnp.where(place.in_range[:, None], s[:, None] * seen.free_band_hz, 0)
    links = upload(env, seen.fade, all_bits, power_w[:, None], place, band_hz, known)

    def cost(target: int) -> Array:
        part = jnp.broadcast_to(targets == target, (len(s), 1 + env.n_servers, *s.shape[1:]))
        d = Decision(part.astype(s.dtype), power_w, shares)
        grants = Grants(asked(d, place)[:, 0] * seen.free_hz, band_hz, jnp.zeros(s.shape, bool))
        used = by_access(part[:, 1:], place) > 0
        return settle(seen, d, place, grants, jax.tree.map(lambda x: used * x, links), known).cost

    return jnp.stack([cost(target) for target in range(1 + env.n_servers)], 1)


def worth(seen: Seen, env: V2xOffload, params: Params) -> Array:
    """What `greedy` thinks each target worth, in units of `CLOSE` `(n, 1 + N)`."""
    return -costs(seen, env, params) / CLOSE


RULES: dict[str, Rule] = {
    "alcs": Rule(alcs, local=True),
    "amcs": Rule(amcs, local=True),
    "amcs_nearest": Rule(amcs_nearest, local=True),
    "rocs": Rule(rocs, local=True),
    "greedy": Rule(greedy, local=True, scores=worth),
}


def rules(env: V2xOffload, params: Params) -> dict[str, Rule]:
    """Every rule of `RULES` as a policy."""

    def policy_of(rule: Rule) -> Policy:
        def policy(key: Array, obs: Observation) -> Any:
            known = world_params(params) if obs.agents[GROUP].ndim > 2 else params
            seen = see(env, obs, known)
            u = rng.uniforms(key, {"coin": (len(seen.task_bits),)})["coin"]
            target, part = rule(u, seen, env, known)
            level = 2 * part - 1
            shares = {"power": jnp.ones_like(level), "cpu": level, "bandwidth": level}
            if not env.partition:
                return {GROUP: {"target": target.astype(jnp.int32), **shares}}
            index = lift(jnp.arange(1 + env.n_servers), target.ndim - 1)
            return {GROUP: {"split": jnp.where(index == target[:, None], 1.0, -1.0).astype(level.dtype), **shares}}

        return policy

    def scores_of(scores: Any) -> Policy:
        def of_all(key: Array, obs: Observation) -> Any:
            known = world_params(params) if obs.agents[GROUP].ndim > 2 else params
            return {} if env.partition else {GROUP: {"target": scores(see(env, obs, known), env, known)}}

        return of_all

    return {
        name: rule.policy(env, policy_of(rule), rule.scores and scores_of(rule.scores)) for name, rule in RULES.items()
    }
