"""Fixed rules for `urllc_vec`: greedy, spread, and best responses (Algorithm 3 of the paper), each also with half the budget.

Tasks in equal parts, full power and speed. A node that takes less than it is sent ("_half": half of what its processor could do
within the target) forwards the rest to whoever it expects to be least busy. Rules decide for everybody at once, from what
vehicles and nodes see together; "local_" ones are followed by each vehicle and each node from its own row alone.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.layout import lift
from jaxvec.core.params import world_params
from jaxvec.core.rollout import Policy
from jaxvec.core.rule import Rule, meaning_of
from jaxvec.core.types import Observation
from jaxvec.envs.urllc_vec import UrllcVec
from jaxvec.envs.urllc_vec.links import node_power_max_w, rate_bps
from jaxvec.envs.urllc_vec.observation import Seen, see
from jaxvec.envs.urllc_vec.params import Params, split_nodes
from jaxvec.envs.urllc_vec.slot import load_of

SWEEPS = 3
DRAWN_S = 6e-3  # times what nodes do not take: by so much later, e times less likely to be forwarded to by themselves


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


def own_done_s(seen: Seen, env: UrllcVec, params: Params) -> Array:
    """When each node expects a mean subtask to be done that it forwards to each of the others (N, N) [s], by its own row; without
    end out of reach.

    That is the time on the air, and what the twin says of the other's processor, backlog and load some slots ago.
    """
    power_w = node_power_max_w(env, params, seen.bits.ndim - 1)[:, None]
    rate = jnp.maximum(rate_bps(seen.relay_gain, power_w, params), 1.0)
    air_s = seen.task_bits / env.n_subtasks * params.bits_per_data_unit / rate
    busy_s = (seen.told_backlog + seen.told_load) / jnp.maximum(seen.told_hz, params.f_min_hz)
    return jnp.where(seen.relays, air_s + busy_s, jnp.inf)


def own_forwarding(key: Array, admit: float, seen: Seen, env: UrllcVec, params: Params) -> Array:
    """To whom each node forwards (N,): a lot among the reachable, in favour of who would be done early, see `DRAWN_S`.

    Those who are told the same would else forward to the same node, and again when they hear of it. The lot is the wider, the
    less nodes take and so the more they send on; who takes the whole budget chooses the best.
    """
    u = rng.uniforms(key, {"forward": (env.n_nodes, env.n_nodes)})["forward"]
    drawn = own_done_s(seen, env, params) + DRAWN_S * (1 - admit) * jnp.log(-jnp.log(u))
    itself = lift(jnp.arange(env.n_nodes), seen.bits.ndim - 1)
    return jnp.where(jnp.any(seen.relays, 1), jnp.argmin(drawn, 1), itself)


class Plan(NamedTuple):
    """Where every subtask is sent (K,), and to whom every node forwards (N,)."""

    target: Array
    forward: Array


def plan(
    targets: Callable[[Seen, UrllcVec, Params], Array],
    key: Array,
    admit: float,
    seen: Seen,
    env: UrllcVec,
    params: Params,
) -> Plan:
    """Some `targets`, and `forwarding` by those who see them all and take `admit` of a budget."""
    target = targets(seen, env, params)
    return Plan(target, forwarding(target, admit, seen, env, params))


def local_spread(key: Array, admit: float, seen: Seen, env: UrllcVec, params: Params) -> Plan:
    """`spread` and `own_forwarding`: what every vehicle and every node can do by itself, whatever nodes take."""
    return Plan(spread(seen, env, params), own_forwarding(key, admit, seen, env, params))


RELAYED = "; a node sends on what it cannot do in time, to the least busy in reach."
ALONE = "As `spread`; a node sends on what it cannot do in time, by its own row and partly by lot."
RULES: dict[str, Rule] = {
    "greedy": Rule(partial(plan, greedy), meaning=f"{meaning_of(greedy)[:-1]}{RELAYED}"),
    "spread": Rule(partial(plan, spread), meaning=f"{meaning_of(spread)[:-1]}{RELAYED}"),
    "nash": Rule(partial(plan, nash), meaning=f"{meaning_of(nash)[:-1]}{RELAYED}"),
    "local_spread": Rule(local_spread, local=True, meaning=ALONE),
}


def encode(plan: Plan, admit: float, env: UrllcVec) -> dict[str, dict[str, Array]]:
    """The action that follows a plan, by group; nodes take `admit` of a budget."""
    batch = plan.target.shape[1:]
    subtasks, full = (env.n_vehicles, env.n_subtasks, *batch), jnp.ones((env.n_nodes, *batch))
    vehicle = {
        "target": plan.target.reshape(subtasks).astype(jnp.int32),
        "power": jnp.ones(subtasks),
        "split": 0.5 * jnp.ones(subtasks),
        "priority": 0.5 * jnp.ones((env.n_vehicles, 3, *batch)),
    }
    node = {"forward": plan.forward.astype(jnp.int32), "power": full, "frequency": full, "admit": admit * full}
    return {"vehicle": vehicle, **split_nodes(env, node)}


def rules(env: UrllcVec, params: Params) -> dict[str, Rule]:
    """Every rule of `RULES` as a policy, with the whole budget and with half of it."""

    def policy_of(rule: Rule, admit: float) -> Policy:
        def policy(key: Array, obs: Observation) -> Any:
            known = world_params(params) if key.ndim else params
            return encode(rule(key, admit, see(env, obs, known), env, known), admit, env)

        return policy

    return {
        f"{name}{suffix}": replace(rule, meaning=f"{meaning_of(rule)}{more}").policy(env, policy_of(rule, admit))
        for name, rule in RULES.items()
        for suffix, admit, more in (("", 1.0, ""), ("_half", 0.5, " Nodes keep half of what they could do in time."))
    }
