"""How many of a group's agents are there, as a number: sizes that do not recompile.

The shapes of an environment are those of the most agents; who is there are the first of them, as many as a number of its
parameters says (`jaxvec.core.params.count`), the same for all worlds or one for each. So a sweep over the number of vehicles is
one program. Whoever is absent does nothing, is in no sum, mean or queue, and nobody sees it: its row and its reward are 0, and
`Observation.active` says so to learners. What the absent are asked to do never matters, not even if it is NaN.

Where agents come and go, their mobility says in each slot who is there: `of_slot` puts that in the number's place.

The phases of a slot call the functions below. Without the number (None) all are there, and nothing is added to the program.

Throughout:
    present: how many are there, `()` or `batch`; or who is there, bool `(n, *batch)`; None: all.
    x: of each agent, `(n, ..., *batch)`, the first axis theirs.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.types import Observation

Present = Any


def of_slot(params: Any, present: Array | None) -> Any:
    """An environment's numbers in a slot.

    Args:
        params: the numbers, which have a `count` called `present`.
        present: who is there, bool `(n, *batch)`; None: as many as the numbers say.
    Returns:
        The numbers, with `present` in place of how many are there.
    """
    return params if present is None else params.replace(present=present)


def _by_name(present: Present) -> bool:
    return jnp.asarray(present).dtype == bool


def how_many(present: Present, n: int) -> Any:
    """The number of agents that are there, at least 1, so that it may divide.

    Args:
        n: of all agents.
    Returns:
        n itself, or a float `()` or `batch`.
    """
    if present is None:
        return n
    if _by_name(present):
        return jnp.maximum(jnp.sum(present, 0, dtype=jnp.result_type(float)), 1)
    return jnp.asarray(present, jnp.result_type(float))


def is_there(present: Present, x: Array) -> Array:
    """Who is there, for a `present` that is not None.

    Returns:
        bool, of as many axes as x, to be broadcast against it.
    """
    if _by_name(present):
        who = jnp.asarray(present)
        return who.reshape(len(who), *(1,) * (x.ndim - who.ndim), *who.shape[1:])
    return lift(jnp.arange(len(x)), x.ndim - 1) < jnp.asarray(present)


def of_present(present: Present, tree: Any, absent: float = 0) -> Any:
    """Something of each agent, with another value for whoever is absent.

    Args:
        tree: of arrays like x.
        absent: the value.
    Returns:
        The tree.
    """
    if present is None:
        return tree
    return jax.tree.map(lambda x: jnp.where(is_there(present, x), x, jnp.asarray(absent, x.dtype)), tree)


def mean_of_present(present: Present, x: Array, axes: int | tuple[int, ...] = 0, dtype: Any = None) -> Array:
    """A mean over those who are there.

    Args:
        axes: over which to take it, that of the agents among them, none of the batch.
        dtype: of the mean; None: as `jnp.mean` has it.
    """
    if present is None:
        return jnp.mean(x, axes, dtype=dtype)
    each = math.prod(x.shape[axis] for axis in (axes if isinstance(axes, tuple) else (axes,)) if axis)
    dtype = dtype or (x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.result_type(float))
    total = jnp.sum(of_present(present, x).astype(dtype), axes)
    return total / (how_many(present, len(x)) * each).astype(dtype)


def present_in(params: Any, group: str) -> Present:
    """How many agents of a group are there by an environment's numbers.

    Args:
        params: the numbers.
        group: of agents, which is what a `count` among the numbers counts; if none does, all are there.
    """
    counts = (f for f in dataclasses.fields(params) if "count_of" in f.metadata and f.metadata["unit"] == group)
    return next((getattr(params, field.name) for field in counts), None)


def show_present(present: Present, obs: Observation, group: str) -> Observation:
    """An observation whose rows are 0 of whoever is absent, and that says who is there.

    Args:
        obs: with rows of all agents, whatever they are.
        group: of the agents.
    """
    if present is None:
        return obs
    rows = of_present(present, obs.agents[group])
    there = jnp.broadcast_to(is_there(present, rows[:, 0]), rows[:, 0].shape)
    return obs.replace(agents=obs.agents | {group: rows}, active=obs.active | {group: there})
