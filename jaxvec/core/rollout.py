"""A policy through many worlds.

The worlds' randomness is a stream of its own, addressed by (world, episode, slot): two policies under one key meet the very
same vehicles, tasks and fading, at any number of worlds. Whole episodes are scanned, and worlds reset between scans.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.devices import spread
from jaxvec.core.environment import Environment
from jaxvec.core.params import check_params, world_params
from jaxvec.core.types import Observation, Timestep

Policy = Callable[..., Any]
"""`policy(key, obs) -> action`: of one world, or of a batch whose axes come last. A policy with memory also has `memory`, the
memory at the start of an episode for a batch, `policy.memory(batch)`, and is `policy(key, obs, memory) -> action, memory`."""


class Slot(NamedTuple):
    """One slot as a rollout saw it.

    Attributes:
        state: at its start.
        obs: what was seen of it, as each agent saw it.
        action: of all agents.
        extras: what the policy added.
        ts: what followed.
    """

    state: Any
    obs: Observation
    action: Any
    extras: Any
    ts: Timestep


def world_keys(key: Array, n_worlds: int, episode: Array | int = 0) -> Array:
    """Keys of the worlds' chance.

    Args:
        key: one for everything.
        n_worlds: W; world w's key does not depend on it.
        episode: which episode of these worlds, int `()` or `(n_worlds,)`.
    Returns:
        `(n_worlds,)`.
    """
    return spread(rng.fold_in(rng.fold_in(rng.stream(key, "world"), jnp.arange(n_worlds)), episode))


def policy_keys(key: Array, n_worlds: int, episode: Array | int = 0) -> Array:
    """Keys of a policy's chance, apart from the worlds'.

    Args:
        key: one for everything, the same as the worlds'.
        n_worlds: W; world w's key does not depend on it.
        episode: which episode of these worlds, int `()` or `(n_worlds,)`.
    Returns:
        `(n_worlds,)`.
    """
    return spread(rng.fold_in(rng.fold_in(rng.stream(key, "policy"), jnp.arange(n_worlds)), episode))


class Actor(NamedTuple):
    """Who acts in a rollout.

    Attributes:
        memory: to go on from.
        act: `act(memory, key, obs) -> action, memory, extras`.
        initial: the memory at the start of an episode, to which an automatic reset returns.
    """

    memory: Any
    act: Callable[[Any, Array, Observation], tuple[Any, Any, Any]]
    initial: Any


def as_stateful(policy: Policy, batch: tuple[int, ...]) -> Actor:
    """A policy of either form, without memory or with it, as an actor.

    Args:
        policy: see `Policy`.
        batch: shape of the batch of worlds that it acts in.
    Returns:
        The actor, at the start of an episode.
    """
    if hasattr(policy, "memory"):
        initial = policy.memory(batch)
        return Actor(initial, lambda memory, key, obs: (*policy(key, obs, memory), ()), initial)
    return Actor((), lambda memory, key, obs: (policy(key, obs), memory, ()), ())


def unroll(
    env: Environment,
    actor: Actor,
    keys: tuple[Array, Array],
    params: Any,
    start: tuple[Any, Timestep],
    n_steps: int,
    select: Callable[[Slot], Any],
) -> tuple[tuple[Any, Timestep, Any], Any]:
    """Scan `n_steps` slots from a given start.

    Args:
        env: where.
        actor: who acts.
        keys: (worlds', policy's) keys of the batch's shape; slot t uses their fold with t + 1.
        params: of the batch, as `world_params` gives them.
        start: state and timestep to act on.
        n_steps: slots.
        select: what to keep of each slot, `select(slot)`.
    Returns:
        `(state, timestep, memory)` at the end, and what was selected, stacked: `(n_steps, ...)`.
    """
    world_key, policy_key = keys

    def slot(carry: tuple[Any, Timestep, Any], t: Array) -> tuple[tuple[Any, Timestep, Any], Any]:
        state, ts, memory = carry

        def act_fn(key: Array, obs: Observation) -> tuple[Any, Any]:
            action, next_memory, extras = actor.act(memory, key, obs)
            return action, (next_memory, extras)

        action, trace = env.act(act_fn, rng.fold_in(policy_key, t + 1), state, ts, params)
        next_memory, extras = trace.extras
        next_state, next_ts = env.step(rng.fold_in(world_key, t + 1), state, action, params)
        if next_ts.final_obs is not None:

            def forget(initial: Array, now: Array) -> Array:
                return jnp.where(next_ts.done, initial, now)

            next_memory = jax.tree.map(forget, actor.initial, next_memory)
        selected = select(Slot(state, trace.obs, action, extras, next_ts))
        return (next_state, next_ts.replace(info={}), next_memory), selected

    state, ts = start
    return jax.lax.scan(slot, (state, ts.replace(info={}), actor.memory), jnp.arange(n_steps))


def rollout(
    env: Environment,
    policy: Policy,
    key: Array,
    params: Any,
    n_worlds: int,
    *,
    episode: Array | int = 0,
    select: Callable[[Slot], Any] = lambda slot: slot,
) -> Any:
    """One whole episode in each of `n_worlds` worlds. Pure; jit it with `env`, `policy` and `n_worlds` static.

    Args:
        env: where.
        policy: who acts, see `Policy`.
        key: one key for everything; the same key gives every policy the same worlds.
        params: of one world, or with `(n_worlds,)` leaves for a sweep over worlds.
        n_worlds: W, the last axis of everything.
        episode: which episode of these worlds.
        select: what to keep of each slot; XLA removes what is dropped.
    Returns:
        What was selected, time first and worlds last: `(horizon, ..., n_worlds)`.
    Raises:
        ValueError: a parameter is not a finite number, or out of its range.
    """
    params = world_params(check_params(params, env), n_worlds)
    keys = world_keys(key, n_worlds, episode), policy_keys(key, n_worlds, episode)
    start = env.reset(rng.fold_in(keys[0], 0), params)
    return unroll(env, as_stateful(policy, (n_worlds,)), keys, params, start, env.horizon, select)[1]
