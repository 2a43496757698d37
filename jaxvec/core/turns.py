"""Agents of one group who decide one after the other inside a slot: what `Environment.act` does there."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import ActFn
from jaxvec.core.types import Observation

ShowFn = Callable[[Any, Array, Any], tuple[Any, Observation]]
"""`show(now, turn, mine) -> now, obs`: what the agent in its turn sees, rows `(1, d, *batch)`, with its `Observation.ids`."""
ThenFn = Callable[[Any, Any, Any], Any]
"""`then(now, mine, action) -> now`: what its action, leaves `(1, ..., *batch)`, leaves to those who follow."""


def ask_in_turns(
    act_fn: ActFn, key: Array, start: Any, turns: Any, show: ShowFn, then: ThenFn
) -> tuple[Any, dict[str, Any], Any]:
    """Ask one agent after the other, each with what its predecessors left.

    Args:
        act_fn: see `ActFn`.
        key: of the policy, one per world, shape `batch`; turn k uses its fold with k.
        start: what changes from turn to turn, at the first one: a pytree of arrays `(..., *batch)`.
        turns: what each turn has of its own, a pytree of arrays `(n, ...)` with the first turn first.
        show: see `ShowFn`.
        then: see `ThenFn`.
    Returns:
        By turn, leaves `(n, ..., *batch)`: the actions per group; "agents" and "mask" of the observations, as each agent saw
        them; and the extras of the actions.
    """
    (n, *_), *_ = [leaf.shape for leaf in jax.tree.leaves(turns)]

    def turn(now: Any, this: tuple[Array, Any]) -> tuple[Any, Any]:
        k, mine = this
        now, obs = show(now, k, mine)
        action, extras = act_fn(rng.fold_in(key, k), obs)
        return then(now, mine, action), (action, {"agents": obs.agents, "mask": obs.mask}, extras)

    _, by_turn = jax.lax.scan(turn, start, (jnp.arange(n), turns))
    return jax.tree.map(lambda x: x[:, 0], by_turn)
