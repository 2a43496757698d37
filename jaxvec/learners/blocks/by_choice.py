"""Numbers that depend on a choice of the same agent: an actor says them for every option, and those of the chosen one are done.

How much of a server's pool is asked for hangs on which server that is. An actor that says the share once cannot tell what another
choice would be worth: it would be tried with the share of the old one. With numbers for every option, a choice and its numbers
change together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxvec.core.environment import ActFn, Options
from jaxvec.core.rollout import Policy
from jaxvec.core.rule import Rule, is_local, meaning_of
from jaxvec.core.spaces import ActionSpace, Box, Discrete
from jaxvec.core.types import ActTrace, Observation, Timestep
from jaxvec.core.wrappers import Wrapper
from jaxvec.learners.blocks import flat
from jaxvec.policies import fixed

Actions = dict[str, dict[str, Array]]


@dataclass(frozen=True)
class ByChoice(Wrapper):
    """Of groups whose agents make a single choice, numbers have an axis of its options: `(n, k, *shape, *batch)`."""

    @property
    def action_space(self) -> ActionSpace:  # type: ignore[override]
        """Wider in every number of a group with a single choice."""
        return {
            group: {
                name: replace(x, shape=(k, *x.shape)) if k and isinstance(x, Box) else x for name, x in spaces.items()
            }
            for group, spaces in self.env.action_space.items()
            for k in [self._options(group)]
        }

    @property
    def options(self) -> dict[str, dict[str, Options]]:  # type: ignore[override]
        """The environment's; numbers that are said for every option are seen as the choice is."""
        seen = {group: dict(of) for group, of in self.env.options.items()}
        for group, of in seen.items():
            spaces = self.env.action_space[group]
            choice = flat.single_choice(spaces)
            if choice in of and self._options(group):
                of |= {name: of[choice] for name, x in spaces.items() if isinstance(x, Box) and not x.shape}
        return seen

    def _options(self, group: str) -> int:
        """How many options the single choice of a group has; 0 where there is none."""
        spaces = self.env.action_space[group]
        space = spaces.get(flat.single_choice(spaces))
        return space.n if isinstance(space, Discrete) and not space.shape else 0

    @property
    def wider(self) -> bool:
        """Whether any numbers depend on a choice."""
        return self.action_space != self.env.action_space

    def done(self, action: Actions) -> Actions:
        """What the environment is told: of the numbers those of the options that were chosen.

        Args:
            action: of all agents, or of those that are asked.
        """
        return {group: self._done(group, parts) for group, parts in action.items()}

    def _done(self, group: str, parts: dict[str, Array]) -> dict[str, Array]:
        if not self._options(group):
            return parts
        spaces = self.env.action_space[group]
        choice = parts[flat.single_choice(spaces)]

        def of_chosen(space: Box, x: Array) -> Array:
            index = choice.reshape(len(choice), *(1,) * (1 + len(space.shape)), *choice.shape[1:])
            return jnp.take_along_axis(x, index, 1)[:, 0]

        return {
            name: of_chosen(space, parts[name]) if isinstance(space, Box) else parts[name]
            for name, space in spaces.items()
        }

    def for_every_option(self, action: Actions) -> Actions:
        """The same numbers for all options.

        Args:
            action: as the environment takes it.
        """
        wide: Actions = {}
        for group, spaces in self.action_space.items():
            k = self._options(group)
            wide[group] = {
                name: jnp.broadcast_to(x[:, None], (len(x), k, *x.shape[1:])) if k and isinstance(space, Box) else x
                for name, space in spaces.items()
                for x in [action[group][name]]
            }
        return wide

    def rules(self, params: Any) -> Mapping[str, Policy]:
        """All fixed policies, with the same numbers for every option."""

        def wide(rule: Any) -> Rule:
            def decide(key: Array, obs: Observation) -> Actions:
                return self.for_every_option(rule(key, obs))

            return Rule(decide, is_local(rule), getattr(rule, "scores", None), meaning_of(rule))

        return {name: wide(rule) for name, rule in fixed(self.env, params).items()}

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's."""
        return self.env.reset(key, params)

    def step(self, key: Array, state: Any, action: Actions, params: Any) -> tuple[Any, Timestep]:
        """One slot, with the numbers of what is chosen."""
        return self.env.step(key, state, self.done(action), params)

    def act(self, act_fn: ActFn, key: Array, state: Any, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """The environment's, and the numbers of all options."""

        def ask(key: Array, obs: Observation) -> tuple[Any, Any]:
            action, extras = act_fn(key, obs)
            return self.done(action), (action, extras)

        _, trace = self.env.act(ask, key, state, ts, params)
        action, extras = trace.extras
        return action, ActTrace(trace.obs, extras)
