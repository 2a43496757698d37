"""Plans, and what they are worth: whole sequences of actions, replayed with the draws that will come.

A plan is one array `(T, E, W)`: T slots, E entries (all numbers and choices of all agents, see `Entries`), W worlds. Choices are
whole numbers in it. Because draws are apart from the transition, a plan's worth is a plain function of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.spaces import Box, Discrete, Space
from jaxvec.core.types import Observation, Timestep
from jaxvec.core.weights import counted

Action = dict[str, dict[str, Array]]


class Part(NamedTuple):
    """Where a component of a group's action stands among the entries."""

    group: str
    name: str
    space: Space
    n_agents: int
    first: int

    @property
    def size(self) -> int:
        """Entries of all agents together."""
        return self.n_agents * self.space.size


class Entries:
    """The action of all agents as one axis.

    Attributes:
        parts: the components.
        size: E.
        low, high: `(E,)`, of numbers their box, of choices 0 and the last.
    """

    def __init__(self, env: Environment):
        self.parts: list[Part] = []
        self.size = 0
        for group, spaces in env.action_space.items():
            for name, space in spaces.items():
                part = Part(group, name, space, env.n_agents[group], self.size)
                self.parts.append(part)
                self.size += part.size
        self.low = self._per_entry(lambda space: space.low if isinstance(space, Box) else 0.0)
        self.high = self._per_entry(lambda space: space.high if isinstance(space, Box) else space.n - 1.0)

    def _per_entry(self, of_space: Callable[[Any], Any]) -> np.ndarray:
        return np.concatenate([np.full(part.size, of_space(part.space)) for part in self.parts])

    def names(self) -> np.ndarray:
        """`(E,)`, "group/component" of each entry."""
        return np.concatenate([np.full(part.size, f"{part.group}/{part.name}") for part in self.parts])

    def discrete(self) -> np.ndarray:
        """bool `(E,)`, which are choices."""
        return self._per_entry(lambda space: isinstance(space, Discrete))

    def flatten(self, action: Action, lead: int = 0) -> Array:
        """Actions `(*lead, n, *shape, W)` as `(*lead, E, W)`; `lead` axes come first."""
        rows = [action[part.group][part.name] for part in self.parts]
        return jnp.concatenate([x.reshape(*x.shape[:lead], -1, x.shape[-1]).astype(float) for x in rows], lead)

    def unflatten(self, x: Array) -> Action:
        """Of `(*lead, E, W)` the actions `(*lead, n, *shape, W)`."""
        action: Action = {part.group: {} for part in self.parts}
        lead = x.shape[:-2]
        for part in self.parts:
            rows = x[..., part.first : part.first + part.size, :]
            if isinstance(part.space, Discrete):
                rows = jnp.round(rows).astype(jnp.int32)
            action[part.group][part.name] = rows.reshape(*lead, part.n_agents, *part.space.shape, x.shape[-1])
        return action

    def allowed(self, obs: Observation, n_choices: int) -> Array:
        """bool `(E, n_choices, W)`: what masks allow each choice; of numbers, everything."""
        rows = []
        for part in self.parts:
            batch = obs.agents[part.group].shape[2:]
            n = part.space.n if isinstance(part.space, Discrete) else n_choices
            mask = obs.mask.get(part.group, {}).get(part.name, jnp.ones((part.size, n, *batch), bool))
            mask = mask.reshape(part.size, n, *batch)
            rows.append(jnp.pad(mask[:, :n_choices], ((0, 0), (0, max(n_choices - n, 0)), *((0, 0) for _ in batch))))
        return jnp.concatenate(rows)


class World(NamedTuple):
    """Where replays take place.

    Attributes:
        env: which system.
        params: its numbers, as `jaxvec.core.params.world_params` gives them.
        entries: of its actions.
        draws: what will be drawn, `(T, *shape, W)` by name.
    """

    env: Environment
    params: Any
    entries: Entries
    draws: dict[str, Array]

    def step(self, now: tuple[Any, Any], x: Array, t: Array | int) -> tuple[tuple[Any, Any], Array, Timestep]:
        """A slot.

        Args:
            now: the state, and who takes part (`Observation.active`).
            x: `(E, W)`, what is done.
            t: which slot's draws.
        Returns:
            The same a slot later; what was earned, the mean over all agents where an absent one counts 0, `(W,)`; the timestep.
        """
        state, active = now
        draws = jax.tree.map(lambda d: jax.lax.dynamic_index_in_dim(d, t, 0, False), self.draws)
        after, ts = self.env.step_from(state, self.entries.unflatten(x), draws, self.params)
        earned = jnp.concatenate([counted(r, active.get(group, jnp.array(True))) for group, r in ts.reward.items()])
        return (after, ts.obs.active), jnp.mean(earned, 0), ts

    def worth(self, now: tuple[Any, Any], plan: Array) -> Array:
        """`(W,)`: what a whole plan earns, summed over its slots; it can be differentiated."""

        @jax.checkpoint
        def slot(carry: Any, item: tuple[Array, Array]) -> tuple[Any, Array]:
            carry, earned, _ = self.step(carry, *item)
            return carry, earned

        return jnp.sum(jax.lax.scan(slot, now, (plan, jnp.arange(len(plan))))[1], 0)

    def worth_of_window(self, now: tuple[Any, Any], window: Array, t: Array) -> Array:
        """`(W,)`: what the next slots earn.

        Args:
            now: at the start of slot t.
            window: `(R, E, W)`, what is done in slots t to t + R - 1; those after the last slot do not count.
            t: which slot's draws come first.
        """
        if len(window) == 1:
            return self.step(now, window[0], t)[1]

        def slot(h: Array, carry: tuple[Any, Array]) -> tuple[Any, Array]:
            now, total = carry
            now, earned, _ = self.step(now, jax.lax.dynamic_index_in_dim(window, h, 0, False), t + h)
            return now, total + earned

        n_slots = len(jax.tree.leaves(self.draws)[0])
        nothing = jnp.zeros(window.shape[-1])
        return jax.lax.fori_loop(0, jnp.minimum(len(window), n_slots - t), slot, (now, nothing))[1]


def draws_ahead(env: Environment, keys: Array, params: Any, n_slots: int, first: Array | int = 0) -> dict[str, Array]:
    """What slots `first` to `first + n_slots - 1` will draw, `(n_slots, *shape, W)` by name.

    Args:
        env: which system.
        keys: of the worlds `(W,)`; slot t uses their fold with t + 1, as a rollout does.
        params: fit for a batch.
        n_slots: how many.
        first: slot.
    """
    return jax.lax.map(lambda t: env.draw_step(rng.fold_in(keys, t + 1), params), first + jnp.arange(n_slots))
