"""Fixed rules for `urllc_vec`: greedy, spread, and best responses (Algorithm 3 of the paper), each also with half the budget.

All decide for everybody at once, from what vehicles and nodes see together: tasks in equal parts, full power and speed. A node
that takes less than it is sent ("_half": half of what its processor could do within the target) forwards the rest to
whoever it expects to be least busy.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.params import world_params
from jaxvec.core.rollout import Policy
from jaxvec.core.types import Observation
from jaxvec.envs.urllc_vec import UrllcVec
from jaxvec.envs.urllc_vec.links import rate_bps
from jaxvec.envs.urllc_vec.observation import Seen, see
from jaxvec.envs.urllc_vec.params import Params, split_nodes
from jaxvec.envs.urllc_vec.slot import load_of

SWEEPS = 3


def greedy(seen: Seen, env: UrllcVec, params: Params) -> Array:
    """Every subtask over the best link."""
    best = jnp.argmax(seen.gain, 1)
    return jnp.repeat(best, env.n_subtasks, axis=0)


def spread(seen: Seen, env: UrllcVec, params: Params) -> Array:
    """The j-th subtask over the j-th best usable link, from the best again after the last."""
    best_first = jnp.argsort(-jnp.where(seen.reach, seen.gain, -1), 1)
    usable = jnp.sum(seen.reach, 1)
    turn = lift(jnp.arange(env.n_subtasks), usable.ndim - 1)[None] % usable[:, None]
    target = jnp.take_along_axis(best_first, turn, 1)
    return target.reshape(-1, *target.shape[2:])


def nash(seen: Seen, env: UrllcVec, params: Params) -> Array:
    """Best responses in turn: each subtask goes where it would be done first, given all the others."""
    n, index = env.n_nodes, lift(jnp.arange(env.n_nodes), seen.bits.ndim - 1)
    rate = jnp.maximum(rate_bps(seen.gain, params.p_max_vehicle_w, params), 1.0)
    fly_s = jnp.where(seen.reach, seen.bits[:, None] * params.bits_per_data_unit / rate, jnp.inf)
    start = greedy(seen, env, params)

    def respond(now: tuple[Array, Array], k: Array) -> tuple[tuple[Array, Array], None]:
        target, load = now
        work = seen.cycles[k]
        load = load - jnp.where(index == target[k], work, 0)
        done_s = fly_s[k // env.n_subtasks] + (seen.backlog + load + work) / seen.cpu_hz
        to = jnp.argmin(done_s, 0)
        return (target.at[k].set(to), load + jnp.where(index == to, work, 0)), None

    order = jnp.tile(jnp.arange(len(seen.cycles)), SWEEPS)
    load = load_of(seen.cycles, start, n)
    return jax.lax.scan(respond, (start, load), order)[0][0]


def forwarding(target: Array, admit: float, seen: Seen, env: UrllcVec, params: Params) -> Array:
    """To whom each node forwards (N,): from the busiest on, to the reachable one that is expected to be least busy."""
    n, index = env.n_nodes, lift(jnp.arange(env.n_nodes), seen.bits.ndim - 1)
    load = load_of(seen.cycles, target, n)
    overflow = jnp.maximum(load - admit * params.f_max_hz * params.latency_target_s, 0)

    def choose(now: tuple[Array, Array], node: Array) -> tuple[tuple[Array, Array], None]:
        load, forward = now
        mine = index == node
        reachable = jnp.any(mine[:, None] & seen.relays, 0)
        to, some = jnp.argmin(jnp.where(reachable, load, jnp.inf), 0), jnp.any(reachable, 0)
        more = jnp.sum(jnp.where(mine, overflow, 0), 0)
        forward = jnp.where(mine & some, to, forward)
        return (load + jnp.where((index == to) & some, more, 0), forward), None

    itself = jnp.broadcast_to(index, load.shape)
    return jax.lax.scan(choose, (load, itself), jnp.argsort(-load, 0))[0][1]


Rule = Callable[[Seen, UrllcVec, Params], Array]
RULES: dict[str, Rule] = {"greedy": greedy, "spread": spread, "nash": nash}


def encode(target: Array, forward: Array, admit: float, env: UrllcVec) -> dict[str, dict[str, Array]]:
    """The action that sends subtasks to `target` (K,) and forwards to `forward` (N,), by group."""
    batch = target.shape[1:]
    subtasks, full = (env.n_vehicles, env.n_subtasks, *batch), jnp.ones((env.n_nodes, *batch))
    vehicle = {
        "target": target.reshape(subtasks).astype(jnp.int32),
        "power": jnp.ones(subtasks),
        "split": 0.5 * jnp.ones(subtasks),
        "priority": 0.5 * jnp.ones((env.n_vehicles, 3, *batch)),
    }
    node = {"forward": forward.astype(jnp.int32), "power": full, "frequency": full, "admit": admit * full}
    return {"vehicle": vehicle, **split_nodes(env, node)}


def rules(env: UrllcVec, params: Params) -> dict[str, Policy]:
    """Every rule of `RULES` as a policy, with the whole budget and with half of it."""

    def policy_of(rule: Rule, admit: float) -> Policy:
        def policy(key: Array, obs: Observation) -> Any:
            known = world_params(params) if key.ndim else params
            seen = see(env, obs, known)
            target = rule(seen, env, known)
            return encode(target, forwarding(target, admit, seen, env, known), admit, env)

        return policy

    return {
        f"{name}{suffix}": policy_of(rule, admit)
        for name, rule in RULES.items()
        for suffix, admit in (("", 1.0), ("_half", 0.5))
    }
