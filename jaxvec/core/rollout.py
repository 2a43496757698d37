"""A policy through many worlds.

The worlds' randomness is a stream of its own, addressed by (world, episode, slot): two policies under one key meet the very
same vehicles, tasks and fading, at any number of worlds. Whole episodes are scanned, and worlds reset between scans.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, check_params, world_params
from jaxvec.core.types import Observation, Timestep

Policy = Callable[..., Any]
"""`policy(key, obs) -> action`: of one world, or of a batch whose axes come last. A policy with memory also has `memory`, the
memory at the start of an episode for a batch, `policy.memory(batch)`, and is `policy(key, obs, memory) -> action, memory`."""


class Slot(NamedTuple):
    """One slot as a rollout saw it: the state and what was seen of it, the action, what the policy added, and what followed."""

    state: Any
    obs: Observation
    action: Any
    extras: Any
    ts: Timestep


def world_keys(key: Array, n_worlds: int, episode: Array | int = 0) -> Array:
    """`(n_worlds,)` keys of the worlds' chance in an episode; world w's do not depend on how many there are."""
    return rng.fold_in(rng.fold_in(rng.stream(key, "world"), jnp.arange(n_worlds)), episode)


def policy_keys(key: Array, n_worlds: int, episode: Array | int = 0) -> Array:
    """`(n_worlds,)` keys of a policy's chance, apart from the worlds'."""
    return rng.fold_in(rng.fold_in(rng.stream(key, "policy"), jnp.arange(n_worlds)), episode)


class Ask(NamedTuple):
    """How a rollout asks: the `memory` to go on from, `ask(memory, key, obs) -> action, memory, extras`, and the memory at the
    start of an episode, which an automatic reset returns to."""

    memory: Any
    ask: Callable[[Any, Array, Observation], tuple[Any, Any, Any]]
    fresh: Any


def asking(policy: Policy, batch: tuple[int, ...]) -> Ask:
    """A policy of either form as a rollout asks it."""
    if hasattr(policy, "memory"):
        fresh = policy.memory(batch)
        return Ask(fresh, lambda memory, key, obs: (*policy(key, obs, memory), ()), fresh)
    return Ask((), lambda memory, key, obs: (policy(key, obs), memory, ()), ())


def play(
    env: Environment,
    ask: Ask,
    keys: tuple[Array, Array],
    params: Any,
    start: tuple[Any, Timestep],
    n_steps: int,
    keep: Callable[[Slot], Any],
) -> tuple[tuple[Any, Timestep, Any], Any]:
    """Scan `n_steps` slots from a given start.

    Args:
        keys: (worlds', policy's) keys of the batch's shape; slot t uses their fold with t + 1.
        start: state and timestep to act on.
        keep: what to keep of each slot, `keep(slot)`.
    Returns:
        `(state, timestep, memory)` at the end, and what was kept, stacked: `(n_steps, ...)`.
    """
    world_key, policy_key = keys

    def slot(carry, t):
        state, ts, memory = carry

        def once(key, obs):
            action, after, extras = ask.ask(memory, key, obs)
            return action, (after, extras)

        action, turn = env.act(once, rng.fold_in(policy_key, t + 1), state, ts, params)
        memory_after, extras = turn.extras
        following, after = env.step(rng.fold_in(world_key, t + 1), state, action, params)
        if after.final_obs is not None:
            forget = lambda fresh, old: jnp.where(after.done, fresh, old)  # noqa: E731
            memory_after = jax.tree.map(forget, ask.fresh, memory_after)
        kept = keep(Slot(state, turn.obs, action, extras, after))
        return (following, after.replace(info={}), memory_after), kept

    state, ts = start
    return jax.lax.scan(slot, (state, ts.replace(info={}), ask.memory), jnp.arange(n_steps))  # type: ignore[attr-defined]


def rollout(
    env: Environment,
    policy: Policy,
    key: Array,
    params: Any,
    n_worlds: int,
    *,
    episode: Array | int = 0,
    keep: Callable[[Slot], Any] = lambda slot: slot,
    sharding: jax.sharding.Sharding | None = None,
) -> Any:
    """One whole episode in each of `n_worlds` worlds. Pure; jit it with `env`, `policy` and `n_worlds` static.

    Args:
        key: one key for everything; the same key gives every policy the same worlds.
        params: of one world, or with `(n_worlds,)` leaves for a sweep over worlds.
        episode: which episode of these worlds.
        keep: what to keep of each slot; XLA removes what is dropped.
        sharding: how the axis of worlds lies on devices; everything follows its keys. None: on one device.
    Returns:
        What was kept, time first and worlds last: `(horizon, ..., n_worlds)`.
    """
    params = world_params(check_params(params))
    keys = world_keys(key, n_worlds, episode), policy_keys(key, n_worlds, episode)
    if sharding is not None:
        keys = jax.lax.with_sharding_constraint(keys, sharding)
    start = env.reset(rng.fold_in(keys[0], 0), params)
    return play(env, asking(policy, (n_worlds,)), keys, params, start, env.horizon, keep)[1]


def attendance(obs: Observation) -> Array:
    """`(*batch)`: the share of all agents that take part, 1 where all always do."""
    parts = [obs.active.get(group, jnp.ones((len(rows), *rows.shape[2:]), bool)) for group, rows in obs.agents.items()]
    return jnp.mean(jnp.concatenate(parts), 0, dtype=jnp.result_type(float))


def mean_reward(reward: dict[str, Array], obs: Observation) -> Array:
    """`(*batch)`: the mean reward of the agents that took part, given the observation that they acted on."""
    if not obs.active:
        return jnp.concatenate(list(reward.values())).mean(0)
    earned = [obs.active.get(group, True) * x for group, x in reward.items()]
    n_agents = sum(len(x) for x in earned)
    return jnp.sum(jnp.concatenate(earned), 0) / jnp.maximum(attendance(obs) * n_agents, 1)


def episode_means(env: Environment, policy: Policy, key: Array, params: Any, n_worlds: int) -> dict[str, Array]:
    """Means over an episode's slots: the reward of the agents as `reward`, and every scalar of info; each `(n_worlds,)`.

    Where agents come and go, a slot counts by how many of them take part in it.
    """

    def keep(slot: Slot) -> tuple[Array, dict[str, Array]]:
        scalars = {name: x for name, x in slot.ts.info.items() if x.ndim == 1}
        return attendance(slot.obs), scalars | {"reward": mean_reward(slot.ts.reward, slot.obs)}

    weight, kept = rollout(env, policy, key, params, n_worlds, keep=keep)
    total = jnp.maximum(jnp.sum(weight, 0), 1e-6)
    return {name: jnp.sum(weight * x, 0, dtype=jnp.result_type(float)) / total for name, x in kept.items()}


class _OneOf:
    """Several policies as one with a switch, so that a comparison compiles the environment once."""

    def __init__(self, policies: list[Policy], index: Array):
        self._policies, self._index = policies, index

    def memory(self, batch: tuple[int, ...]) -> list[Any]:
        return [asking(policy, batch).memory for policy in self._policies]

    def __call__(self, key: Array, obs: Observation, memory: list[Any]) -> tuple[Any, list[Any]]:
        def branch(i: int) -> Callable[[], tuple[Any, list[Any]]]:
            def ask():
                action, after, _ = asking(self._policies[i], key.shape).ask(memory[i], key, obs)
                return action, [*memory[:i], after, *memory[i + 1 :]]

            return ask

        return jax.lax.switch(self._index, [branch(i) for i in range(len(self._policies))])


def evaluate(
    env: Environment, policies: Mapping[str, Policy], key: Array, params: Any, n_worlds: int = 256
) -> dict[str, dict[str, np.ndarray]]:
    """Every policy on the same worlds, one episode each, in one compilation.

    Args:
        policies: name -> policy.
        key: the worlds; the same key, the same worlds.
    Returns:
        Per policy and metric, the mean over each episode, `(n_worlds,)`: pair them by index, and see `interval`.
    """
    several = list(policies.values())

    @jax.jit
    def run(key: Array, params: Any) -> dict[str, Array]:
        one = lambda i: episode_means(env, _OneOf(several, i), key, params, n_worlds)  # noqa: E731
        return jax.lax.map(one, jnp.arange(len(several)))

    results = jax.tree.map(np.asarray, run(key, check_params(params)))
    return {name: {metric: x[i] for metric, x in results.items()} for i, name in enumerate(policies)}


class Interval(NamedTuple):
    """A mean and the half-width of its 95 % confidence interval."""

    mean: float
    half: float

    def __str__(self) -> str:
        return f"{self.mean:.4g} ± {self.half:.2g}"


def interval(samples: np.ndarray) -> Interval:
    """Mean and normal 95 % interval of independent samples `(n,)`; the half-width of fewer than two is NaN."""
    samples = np.asarray(samples, float)
    half = 1.96 * samples.std(ddof=1) / np.sqrt(len(samples)) if len(samples) > 1 else float("nan")
    return Interval(float(samples.mean()), float(half))
