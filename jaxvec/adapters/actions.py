"""What an agent chooses, as other libraries want it: one array, or one for each component.

The views of hybrid actions:

- "flat": one box [-1, 1]. A number of the environment takes an entry, scaled to its bounds; a discrete choice takes as many
  entries as there are choices: the largest of those that are allowed is chosen. For SAC, TD3, PPO with normal distributions.
- "discrete": whole numbers, one for each entry. A number of the environment is one of `bins` values, evenly spaced from bound
  to bound. For PPO with categorical distributions.
- "single": one whole number for all entries of the view "discrete" together, the last of which varies fastest. For DQN and
  others that know nothing else; there are as many choices as the entries' choices multiplied.
- "dict": every component by its name, as the environment has it.

What is not allowed, the first view never chooses. In the others the mask is shown, and what is chosen in spite of it does
what the environment says of it, as in `Environment.step`. An agent that takes no part in a slot (`Observation.active`) is
allowed the first choice alone: what it does has no effect.

Throughout:
    group: of the agents.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.environment import Environment
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.spaces import Box, Discrete, Space
from jaxvec.core.types import Observation
from jaxvec.learners.blocks import flat, heads

VIEWS = ("flat", "discrete", "single", "dict")
MOST_CHOICES = 10_000
"""Of one number in the view "single"."""
Masks = Mapping[str, Mapping[str, Array]]
"""`Observation.mask`."""


@dataclass(frozen=True)
class ActionView:
    """How the actions of an environment's agents look from outside.

    Attributes:
        env: whose agents act.
        kind: one of `VIEWS`.
        bins: values that a number may have in the views "discrete" and "single", at least 2.
    """

    env: Environment
    kind: str = "flat"
    bins: int = 11

    def __post_init__(self) -> None:
        if self.kind not in VIEWS:
            raise ValueError(f"actions must be one of {', '.join(VIEWS)}, not {self.kind!r}")
        if isinstance(self.bins, bool) or not isinstance(self.bins, int) or self.bins < 2:
            raise ValueError(f"bins must be a whole number of at least 2, not {self.bins!r}")
        for group in self.env.action_space if self.kind == "single" else ():
            if (n := math.prod(self.choices(group))) > MOST_CHOICES:
                raise ValueError(
                    f"actions='single' would have {n} choices for one agent of the group {group!r} of {self.env.id}, more than "
                    f"{MOST_CHOICES}: take fewer bins, or actions='discrete'"
                )

    def choices(self, group: str) -> tuple[int, ...]:
        """Of each entry of a group's action in the view "discrete", how many choices there are."""
        counts: list[int] = []
        for space in self.env.action_space[group].values():
            counts += [space.n if isinstance(space, Discrete) else self.bins] * space.size
        return tuple(counts)

    def forms(self, group: str) -> Any:
        """Shape, type and number of choices of one agent's action, in the view "dict" by component.

        Returns:
            `(shape, type, n)`; n is None of numbers, and of choices how many there are, one number or one for each entry. A
            single choice in the view "discrete" has the shape `()`.
        """
        spaces = self.env.action_space[group]
        if self.kind == "dict":
            return {name: (space.shape, _type(space), getattr(space, "n", None)) for name, space in spaces.items()}
        if self.kind == "flat":
            return (flat.width(spaces),), np.float32, None
        n = np.asarray(self.choices(group))
        if self.kind == "single":
            return (), np.int32, math.prod(self.choices(group))
        return (() if len(n) == 1 else n.shape), np.int32, (n[0] if len(n) == 1 else n)

    def decode(self, actions: Mapping[str, Any], mask: Masks, rank: int) -> dict[str, dict[str, Array]]:
        """Actions as the environment takes them.

        Args:
            actions: per group of those who act, arrays `(*batch, n, *shape)` of the shapes in `forms`.
            mask: of the observation on which they act, batch-last.
            rank: batch axes.
        Returns:
            Per group and component, batch-last: `(n, *shape, *batch)`.
        """
        decoded = {}
        for group, action in actions.items():
            spaces = self.env.action_space[group]
            if self.kind == "flat":
                allowed = batch_first(mask.get(group, {}), rank)
                parts = {
                    name: jnp.argmax(jnp.where(allowed.get(name, True), x, -jnp.inf), -1)
                    if isinstance(spaces[name], Discrete)
                    else x
                    for name, x in flat.split(spaces, action).items()
                }
                parts = heads.to_space(spaces, parts)
            elif self.kind == "dict":
                parts = action
            else:
                parts = self._of_choices(group, action)
            cast = {name: jnp.asarray(parts[name]).astype(_type(space)) for name, space in spaces.items()}
            decoded[group] = batch_last(cast, rank)
        return decoded

    def _of_choices(self, group: str, action: Array) -> dict[str, Array]:
        parts, start, counts = {}, 0, self.choices(group)
        action = jnp.asarray(action)
        if self.kind == "single":
            action = jnp.stack(jnp.unravel_index(action, counts), -1)
        elif len(counts) == 1:
            action = action[..., None]
        for name, space in self.env.action_space[group].items():
            x = action[..., start : start + space.size].reshape(*action.shape[:-1], *space.shape)
            parts[name] = space.low + x * ((space.high - space.low) / (self.bins - 1)) if isinstance(space, Box) else x
            start += space.size
        return parts

    def joined(self, masks: Mapping[str, Any], group: str, lead: tuple[int, ...]) -> Any:
        """The masks of a group's components one after the other, as the entries of the view "discrete" stand.

        Args:
            masks: of the group, by component `(*lead, *shape, k)`; missing where everything is allowed.
            lead: axes before those of one agent.
        Returns:
            int8 `(*lead, sum of the choices)`, in the view "single" `(*lead, n)`; an array of JAX if the masks are.
        """
        parts, counts = [], self.choices(group)
        xp = jnp if any(isinstance(x, jax.Array) for x in masks.values()) else np
        for name, space in self.env.action_space[group].items():
            width = space.size * (space.n if isinstance(space, Discrete) else self.bins)
            parts.append(masks[name].reshape(*lead, width) if name in masks else np.ones((*lead, width), np.int8))
        entries = xp.concatenate(parts, -1).astype(np.int8)
        if self.kind != "single":
            return entries
        product, *others = xp.split(entries, np.cumsum(counts)[:-1], -1)
        for other in others:
            product = (product[..., :, None] * other[..., None, :]).reshape(*lead, -1)
        return product

    def check(self, group: str, actions: Any, lead: tuple[int, ...]) -> Any:
        """What a caller gave as actions, as NumPy arrays.

        Args:
            actions: of the group.
            lead: axes before those of one agent's action.
        Returns:
            Arrays `(*lead, *shape)`, in the view "dict" by component.
        Raises:
            ValueError: a shape is wrong, a component is missing or unknown, a number is not finite, a choice does not exist.
        """
        forms = self.forms(group)
        if self.kind != "dict":
            return _checked(actions, lead, forms, group)
        if not isinstance(actions, Mapping) or set(actions) != set(forms):
            given = ", ".join(map(str, actions)) if isinstance(actions, Mapping) else type(actions).__name__
            raise ValueError(f"{group}: an action must be a dict of {', '.join(forms)}, not {given}")
        return {name: _checked(actions[name], lead, form, f"{group}/{name}") for name, form in forms.items()}


def masks(env: Environment, obs: Observation, rank: int) -> dict[str, dict[str, Array]]:
    """What is allowed of discrete components: where the environment masks them, and where agents come and go.

    Args:
        env: whose agents act.
        obs: batch-last, with rows of all agents, or of those who are asked.
        rank: batch axes.
    Returns:
        Per group and component bool `(*batch, n, *shape, k)`; missing where everything is always allowed.
    """
    shown = {}
    for group, rows in obs.agents.items():
        batch, parts = rows.shape[rows.ndim - rank :], {}
        for name, space in env.action_space[group].items():
            mask = obs.mask.get(group, {}).get(name)
            if not isinstance(space, Discrete) or (mask is None and group not in obs.active):
                continue
            shape = (len(rows), *space.shape, space.n, *batch)
            mask = batch_first(jnp.ones(shape, bool) if mask is None else jnp.broadcast_to(mask, shape), rank)
            if group in obs.active:
                active = batch_first(obs.active[group], rank).reshape(
                    *mask.shape[: rank + 1], *(1,) * (1 + len(space.shape))
                )
                mask = mask & (active | (jnp.cumsum(mask, -1) == 1))
            parts[name] = mask
        shown[group] = parts
    return shown


def _type(space: Space) -> Any:
    return np.float32 if isinstance(space, Box) else np.int32


def _checked(x: Any, lead: tuple[int, ...], form: Any, of: str) -> np.ndarray:
    shape, dtype, n = form
    x = np.asarray(x)
    if x.shape != (*lead, *shape):
        raise ValueError(f"{of}: an action must have the shape {(*lead, *shape)}, not {x.shape}")
    if x.dtype.kind not in "fiub" or not np.all(np.isfinite(x)):
        raise ValueError(f"{of}: an action must be of finite numbers, not {x}")
    if n is not None and (np.any(x < 0) or np.any(x >= n) or np.any(x != np.floor(x))):
        raise ValueError(f"{of}: choices are whole numbers from 0 to {np.asarray(n) - 1}, not {x}")
    return x.astype(dtype)
