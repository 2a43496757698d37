"""Fixed rules for `isac_iov`: marks from below (all local) and above (water-filling), from what the vehicles observe.

All ask for as much band and processor as they can (+1). A rule is a function of one observation, of one world or of a batch;
all but `capacity` are local, see `jaxvec.core.rule.Rule`.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.presence import how_many
from jaxvec.core.rollout import Policy
from jaxvec.core.rule import Rule
from jaxvec.core.types import Observation
from jaxvec.envs.isac_iov import IsacIov
from jaxvec.envs.isac_iov.observation import GROUP, Seen, see
from jaxvec.envs.isac_iov.params import Params


def all_local(seen: Seen, env: IsacIov, params: Params) -> Array:
    """Everything on the own CPU."""
    return _split(-1.0, jnp.ones_like(seen.veh_cpu_hz), seen)


def offload_equal(seen: Seen, env: IsacIov, params: Params) -> Array:
    """Everything to the RSUs in range, in equal parts."""
    return _split(1.0, -jnp.ones_like(seen.veh_cpu_hz), seen)


def split_equal(seen: Seen, env: IsacIov, params: Params) -> Array:
    """Equal parts for the own CPU and each RSU in range."""
    return _split(0.0, jnp.zeros_like(seen.veh_cpu_hz), seen)


def nearest(seen: Seen, env: IsacIov, params: Params) -> Array:
    """Everything to the nearest RSU."""
    chosen = jnp.argmin(jnp.abs(seen.dx_m), 1, keepdims=True)
    rank = (env.n_rsus,) + (1,) * (seen.dx_m.ndim - 2)
    rsu = jnp.where(jnp.arange(env.n_rsus).reshape(rank) == chosen, 1.0, -1.0)
    return _split(rsu, -jnp.ones_like(seen.veh_cpu_hz), seen)


def capacity(seen: Seen, env: IsacIov, params: Params) -> Array:
    """In proportion to speed, an RSU's divided by the vehicles that it covers (which no single agent sees)."""
    users = jnp.maximum(jnp.sum(seen.covered, 0), 1)
    return _logits(seen.veh_cpu_hz, jnp.where(seen.covered, seen.free_hz / users, 1e-9), params)


def waterfill(seen: Seen, env: IsacIov, params: Params, *, twin: bool = False) -> Array:
    """Parts that finish together, by what one vehicle can work out: half its CPU, an even share of each RSU in range.

    Start delays are its own queue's and, with the twin, those of the RSUs' backlogs. 60 bisections for the common end.
    """
    n = how_many(params.present, env.n_vehicles)
    users = jnp.maximum(1.0, 2 * n * params.rsu_range_m / params.road_length_m)
    if params.rsu_pos_m is not None:  # of a square, not of a road
        users = jnp.maximum(1.0, n * math.pi * (params.rsu_range_m / params.road_length_m) ** 2)
    speed = jnp.concatenate([seen.veh_cpu_hz[:, None] / 2, seen.covered * seen.free_hz / users], 1)
    backlog_s = jnp.where(seen.covered, seen.q_rsu_cycles / jnp.maximum(seen.free_hz, 1.0), 0) * twin
    own_s = (seen.q_loc_cycles / jnp.maximum(seen.veh_cpu_hz, 1.0))[:, None]
    delay_s = jnp.concatenate([own_s, backlog_s], 1)

    def done(end_s: Array) -> Array:
        return jnp.maximum(end_s[:, None] - delay_s, 0) * speed

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        enough = jnp.sum(done(middle), 1) >= seen.work_cycles
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    low = jnp.zeros_like(seen.work_cycles)
    high = own_s[:, 0] + 2 * seen.work_cycles / jnp.maximum(seen.veh_cpu_hz, 1.0)
    part = done(jax.lax.fori_loop(0, 60, halve, (low, high))[1])
    part = part / jnp.maximum(jnp.sum(part, 1, keepdims=True), 1.0)
    part = jnp.maximum(part, 1e-9)
    return _logits(part[:, 0], part[:, 1:], params)


def _split(rsu: Array | float, local: Array, seen: Seen) -> Array:
    return jnp.concatenate([local[:, None], jnp.broadcast_to(rsu, seen.dx_m.shape)], 1)


def _logits(local: Array, rsu: Array, params: Params) -> Array:
    """Split actions whose softmax is proportional to the weights: the largest at 1, clipped to the box."""
    weight = jnp.maximum(jnp.concatenate([local[:, None], rsu], 1), 1e-12)
    logit = jnp.log(weight) / params.split_logit_scale
    return jnp.clip(logit + 1 - jnp.max(logit, 1, keepdims=True), -1, 1)


RULES: dict[str, Rule] = {
    "all_local": Rule(all_local, local=True),
    "offload_equal": Rule(offload_equal, local=True),
    "split_equal": Rule(split_equal, local=True),
    "nearest": Rule(nearest, local=True),
    "capacity": Rule(capacity),
    "waterfill": Rule(waterfill, local=True),
    "waterfill_twin": Rule(
        partial(waterfill, twin=True),
        True,
        meaning="As `waterfill`, after the RSUs' backlogs.",
    ),
}


def rules(env: IsacIov, params: Params) -> dict[str, Rule]:
    """Every rule of `RULES` as a policy."""

    def policy_of(rule: Rule) -> Policy:
        def policy(key: Array, obs: Observation) -> Any:
            seen = see(env, obs, params)
            full = jnp.ones_like(seen.dx_m)
            return {GROUP: {"split": rule(seen, env, params), "bandwidth": full, "rsu_cpu": full}}

        return policy

    return {name: rule.policy(env, policy_of(rule)) for name, rule in RULES.items()}
