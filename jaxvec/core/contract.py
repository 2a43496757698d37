"""Shapes that an environment and its callers owe each other, checked while a program is traced: they cost nothing when it runs.

A wrong shape would else be broadcast without a word, or fail somewhere inside: actions with the worlds first, say, where the axes
of a batch come last.
"""

from collections.abc import Mapping
from typing import Any

import chex
import jax.numpy as jnp

from jaxvec.core.errors import suggest
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import Timestep

Shape = tuple[int, ...]


def check_action(env: Any, action: Any, batch: Shape) -> None:
    """Refuse actions that are not of the environment's space.

    Args:
        env: a `jaxvec.core.environment.Environment`.
        action: per group and component `(n, *shape, *batch)`.
        batch: of worlds, as the keys have it.
    Raises:
        ValueError: a group or component is missing or unknown; a shape is wrong, or a choice is no whole number.
    """
    _check_names(f"group of the action of {env.id}", action, env.action_space)
    for group, spaces in env.action_space.items():
        _check_names(f"component of the action of {group!r} of {env.id}", action[group], spaces)
        for name, space in spaces.items():
            where, x = f"{env.id}: action[{group!r}][{name!r}]", action[group][name]
            _check_shape(where, x, (env.n_agents[group], *space.shape), batch)
            if isinstance(space, Discrete) and not jnp.issubdtype(jnp.result_type(x), jnp.integer):
                raise ValueError(f"{where} chooses among {space.n} and must be whole numbers, not {jnp.result_type(x)}")


def check_timestep(env: Any, ts: Timestep, batch: Shape) -> None:
    """Refuse what an environment returns, if it is not what it declares.

    Args:
        env: a `jaxvec.core.environment.Environment`.
        ts: of a reset or a step.
        batch: of worlds, as the keys have it.
    Raises:
        ValueError: a group of agents is missing or unknown, or a shape of observation, mask, reward or flag is wrong.
    """
    for what, groups in (("observation", ts.obs.agents), ("reward", ts.reward)):
        _check_names(f"group of the {what} of {env.id}", groups, env.n_agents)
    _check_shape(f"{env.id}: obs.world", ts.obs.world, (env.world_size,), batch)
    for group, n in env.n_agents.items():
        rows = (n, *env.observation_space[group].shape)
        _check_shape(f"{env.id}: obs.agents[{group!r}]", ts.obs.agents[group], rows, batch)
        _check_shape(f"{env.id}: reward[{group!r}]", ts.reward[group], (n,), batch)
        for name, mask in ts.obs.mask.get(group, {}).items():
            space = env.action_space[group][name]
            _check_shape(f"{env.id}: obs.mask[{group!r}][{name!r}]", mask, (n, *space.shape, space.n), batch)
    for flag in ("terminated", "truncated"):
        _check_shape(f"{env.id}: {flag}", getattr(ts, flag), (), batch)


def _check_names(what: str, given: Any, expected: Mapping[str, Any]) -> None:
    """Refuse other names than those expected."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{what}: must be a dict of {', '.join(expected)}, not {type(given).__name__}")
    for name in given:
        if name not in expected:
            raise ValueError(suggest(what, name, expected))
    for name in expected:
        if name not in given:
            raise ValueError(f"{what}: {name!r} is missing")


def _check_shape(what: str, x: Any, shape: Shape, batch: Shape) -> None:
    """Refuse another shape than that of one world with the axes of the batch behind it."""
    try:
        chex.assert_shape(x, (*shape, *batch))
    except AssertionError:
        worlds = f"in worlds {batch}, whose axes come last" if batch else "in one world"
        raise ValueError(
            f"{what} has shape {jnp.shape(x)}, but must have {(*shape, *batch)}: {shape} {worlds}"
        ) from None
