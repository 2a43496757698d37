"""How a plan is improved: choices one at a time, numbers along the gradient. Neither makes it worse."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxvec.core import rng
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import Observation
from jaxvec.policies.clairvoyant.replay import World


@dataclass(frozen=True)
class Effort:
    """How hard a plan is improved.

    Attributes:
        starts: rules to start from, by name, the best in each world; none: all that the system has.
        rounds: how often passes and gradient steps take turns.
        passes: in a round, through all slots: each choice to each alternative in turn.
        look_ahead: slots by which an alternative is judged, from its own on; None: as the environment says (`replay_slots`).
        holds: for how many slots an alternative is held on trial; each is tried.
        pairs: also two choices at a time, all alternatives of both: a choice and a partner, in each pass another one.
        options: alternatives of a choice that are tried at a time, of those that are allowed (all, or as many by lot); and trial
            values of a number that is searched.
        searched: boxes that are searched as choices are, "group/component", beside those that act by jumps.
        steps: of the gradient, in a round, over all slots at once.
        rate: of Adam, in half-widths of the boxes; falls to nothing by a cosine in each round.
    """

    starts: tuple[str, ...] = ()
    rounds: int = 1
    passes: int = 1
    look_ahead: int | None = None
    holds: tuple[int, ...] = (1,)
    pairs: bool = False
    options: int = 8
    searched: tuple[str, ...] = ()
    steps: int = 100
    rate: float = 0.03


def better(value: Array, plan: Array, best_value: Array, best_plan: Array) -> tuple[Array, Array]:
    """World by world the better of two plans `(..., W)` and its value `(W,)`; the second of equals."""
    ahead = value > best_value
    return jnp.where(ahead, value, best_value), jnp.where(ahead, plan, best_plan)


def climb(world: World, now: tuple[Any, Any], value: Array, plan: Array, effort: Effort) -> tuple[Array, Array]:
    """Adam on the numbers of all slots, inside their boxes; the best plan on the way and its value, world by world.

    Args:
        world: where.
        now: at the start of the plan.
        value: `(W,)`, what the plan is worth.
        plan: `(T, E, W)`.
        effort: steps and rate.
    """
    entries = world.entries
    moves = ~entries.discrete() & ~np.isin(entries.names(), sorted(world.env.jumps))
    if not moves.any() or not effort.steps:
        return value, plan
    low, high = (jnp.asarray(x, plan.dtype)[:, None] for x in (entries.low, entries.high))
    scale = jnp.where(jnp.asarray(moves)[:, None], (high - low) / 2, 0)
    optimiser = optax.adam(optax.cosine_decay_schedule(effort.rate, effort.steps))

    def loss(plan: Array) -> tuple[Array, Array]:
        worth = world.worth(now, plan)
        return -jnp.sum(worth), worth

    def step(carry: Any, _: None) -> tuple[Any, None]:
        plan, moments, best = carry
        slope, worth = jax.grad(loss, has_aux=True)(plan)
        best = better(worth, plan, *best)
        change, moments = optimiser.update(jnp.nan_to_num(slope * scale), moments)
        return (jnp.clip(plan + scale * change, low, high), moments, best), None

    start = (plan, optimiser.init(plan), (value, plan))
    return jax.lax.scan(step, start, length=effort.steps)[0][2]


def alternatives(world: World, obs: Observation, x: Array, key: Array, effort: Effort, width: Array) -> Array:
    """What the entries that are searched may be instead, `(S, options, W)`; itself where there are fewer.

    Args:
        world: where.
        obs: of the slot, with its masks.
        x: `(E, W)`, what they are.
        key: one per world, for the lot among too many choices.
        effort: how many.
        width: `()`, how far trial values of numbers are from what they are, in widths of their box.
    """
    entries, index = world.entries, searched_entries(world, effort)
    numbers = jnp.asarray(~entries.discrete()[index])[:, None, None]
    low, high = (jnp.asarray(x[index], jnp.float32)[:, None, None] for x in (entries.low, entries.high))
    n_choices = int(max(entries.high[entries.discrete()], default=0)) + 1
    allowed, now = entries.allowed(obs, n_choices)[index], x[index][:, None]
    lot = rng.uniforms(key, {"lot": (len(index), n_choices)})["lot"]
    score = jnp.moveaxis(jnp.where(allowed, lot, -1.0), 1, -1)
    top, choice = (jnp.moveaxis(y, -1, 1) for y in jax.lax.top_k(score, min(effort.options, n_choices)))
    choice = jnp.where(top >= 0, choice, now).astype(x.dtype)
    missing = ((0, 0), (0, effort.options - choice.shape[1]), (0, 0))
    choice = jnp.where(jnp.pad(jnp.ones(choice.shape, bool), missing), jnp.pad(choice, missing), now)
    grid = jnp.linspace(-1.0, 1.0, effort.options)[:, None]
    return jnp.where(numbers, jnp.clip(now + width * (high - low) * grid, low, high), choice)


def searched_entries(world: World, effort: Effort) -> np.ndarray:
    """int `(S,)`: choices, numbers that act by jumps, and those that `effort` names."""
    entries = world.entries
    by_name = np.isin(entries.names(), [*world.env.jumps, *effort.searched])
    return np.flatnonzero(entries.discrete() | by_name)


def together(world: World, obs: Observation, x: Array, effort: Effort) -> Array:
    """Slots in which all agents make the same choice, where it is allowed them, `(n, E, W)`; of components of few choices.

    Args:
        world: where.
        obs: of the slot, with its masks.
        x: `(E, W)`, what is done otherwise.
        effort: how many choices are few.
    """
    changed = [x[None][:0]]
    for part in world.entries.parts:
        if isinstance(part.space, Discrete) and part.space.n <= effort.options:
            index = jnp.arange(len(x))[:, None]
            mine = (index >= part.first) & (index < part.first + part.size)
            allowed = world.entries.allowed(obs, part.space.n)
            changed += [jnp.where(mine & allowed[:, k], k, x)[None] for k in range(part.space.n)]
    return jnp.concatenate(changed)


def trials(window: Array, one: tuple[Array, Array], two: tuple[Array, Array], effort: Effort) -> Array:
    """Windows with one entry changed, and perhaps with two, for some slots, `(n, R, E, W)`.

    Args:
        window: `(R, E, W)`, what is changed.
        one: an entry `()`, and what it may be instead `(options, W)`.
        two: its partner.
        effort: whether pairs are changed, and for how many slots.
    """
    entries = jnp.arange(window.shape[1])[:, None]
    slots = jnp.arange(len(window))[:, None, None]

    def change(windows: Array, e: Array, others: Array, hold: int) -> Array:
        mine = (slots < hold) & (entries == e)
        changed = jnp.where(mine, others[:, None, None, None], windows[None])
        return changed.reshape(-1, *window.shape)

    changed = [change(window[None], *one, hold) for hold in effort.holds]
    if effort.pairs:
        changed += [change(x, *two, hold) for x, hold in zip(changed, effort.holds, strict=True)]
    return jnp.concatenate(changed)


def sweep(
    world: World,
    now: tuple[Any, Any],
    obs: Observation,
    plan: Array,
    proposals: Array,
    keys: Array,
    effort: Effort,
    i: Array,
) -> tuple[Array, Array]:
    """A pass through all slots: in each, what was proposed for it as a whole, all agents alike, then one entry after the other.

    Args:
        world: where.
        now: at the start of the plan.
        obs: seen there.
        plan: `(T, E, W)`.
        proposals: `(K, T, E, W)`.
        keys: one per world.
        effort: how.
        i: `()`, number of the pass.
    Returns:
        What the plan is worth now `(W,)`, and the plan.
    """
    ahead = world.env.replay_slots if effort.look_ahead is None else effort.look_ahead
    n_slots, index = len(plan), jnp.asarray(searched_entries(world, effort))
    padded = jnp.concatenate([plan, jnp.broadcast_to(plan[-1:], (ahead - 1, *plan.shape[1:]))])
    partners = jnp.roll(jnp.arange(len(index)), -1 - i % max(len(index) - 1, 1))

    def slot(carry: Any, t: Array) -> tuple[Any, Array]:
        now, obs, padded = carry
        window = jax.lax.dynamic_slice_in_dim(padded, t, ahead)

        def best_of(windows: Array, value: Array, window: Array) -> tuple[Array, Array]:
            values = jax.vmap(lambda window: world.worth_of_window(now, window, t))(windows)
            best = jnp.argmax(values, 0)
            chosen = jnp.take_along_axis(windows, best[None, None, None], 0)[0]
            return better(jnp.max(values, 0), chosen, value, window)

        def entry(carry: tuple[Array, Array], item: tuple[Any, Any]) -> tuple[tuple[Array, Array], None]:
            value, window = carry
            return best_of(trials(window, *item, effort), value, window), None

        whole = jnp.concatenate([proposals[:, t], together(world, obs, window[0], effort)])
        first = jax.vmap(lambda x: window.at[0].set(x))(whole)
        value, window = best_of(jnp.concatenate([window[None], first]), jnp.full(window.shape[-1], -jnp.inf), window)
        if len(index):
            others = alternatives(world, obs, window[0], rng.fold_in(keys, t + 1), effort, 0.5 ** (i % 5).astype(float))
            item = (index, others)
            (_, window), _ = jax.lax.scan(entry, (value, window), (item, jax.tree.map(lambda x: x[partners], item)))
        after, earned, ts = world.step(now, window[0], t)
        padded = jax.lax.dynamic_update_slice_in_dim(padded, window, t, 0)
        return (after, ts.obs, padded), earned

    (_, _, padded), earned = jax.lax.scan(slot, (now, obs, padded), jnp.arange(n_slots))
    return jnp.sum(earned, 0), padded[:n_slots]


def improve(
    world: World,
    now: tuple[Any, Any],
    obs: Observation,
    values: Array,
    plans: Array,
    keys: Array,
    effort: Effort,
) -> tuple[Array, Array]:
    """Rounds of passes and gradient steps from the best of several plans, world by world never worse than that.

    Args:
        world: where.
        now: at the start of the plans.
        obs: seen there.
        values: `(K, W)`, what the plans are worth.
        plans: `(K, T, E, W)`; slots may be taken of any.
        keys: one per world.
        effort: how.
    Returns:
        The value `(W,)` and the plan `(T, E, W)`.
    """
    best = jnp.argmax(values, 0)

    def one_pass(carry: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], None]:
        return better(*sweep(world, now, obs, carry[1], plans, rng.fold_in(keys, i), effort, i), *carry), None

    def one_round(carry: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], None]:
        if effort.passes:
            carry, _ = jax.lax.scan(one_pass, carry, i * effort.passes + jnp.arange(effort.passes))
        return climb(world, now, *carry, effort), None

    start = (jnp.max(values, 0), jnp.take_along_axis(plans, best[None, None, None], 0)[0])
    return jax.lax.scan(one_round, start, jnp.arange(effort.rounds))[0]
