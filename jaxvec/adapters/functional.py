"""What the adapters to libraries of pure functions share: a state that remembers what was seen, and keys of either kind.

There, one world is stepped, `jax.vmap` makes many of it, and a step resets by itself. The numbers are those of the native form,
which runs underneath (`jaxvec.core.batching`), and a reset is computed only in slots in which some world ends: take
`jax.vmap` of `step`, rather than of something of your own around `step_env` and `reset`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.adapters.actions import ActionView, masks
from jaxvec.core.environment import Environment
from jaxvec.core.params import check_params
from jaxvec.core.spaces import Box
from jaxvec.core.types import Observation, Timestep
from jaxvec.core.wrappers import auto_reset


def typed(key: Array) -> Array:
    """A typed key, as jaxvec wants it, also of the old kind.

    Args:
        key: as `jax.random.key` gives it, or `jax.random.PRNGKey`.
    """
    return key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)


def action_space(view: ActionView, group: str, spaces: Any, choices: Callable[[np.ndarray], Any]) -> Any:
    """The space of one agent's action, in the classes of a library.

    Args:
        view: how actions look.
        group: the agent's.
        spaces: the library's module, with `Box`, `Discrete` and `Dict`.
        choices: makes a space of several choices, of how many each has.
    """

    def space(shape: tuple[int, ...], n: Any, bounds: tuple[float, float]) -> Any:
        if n is None:
            return spaces.Box(*bounds, shape)
        return choices(np.broadcast_to(n, shape)) if shape else spaces.Discrete(int(n))

    if view.kind != "dict":
        shape, _, n = view.forms(group)
        return space(shape, n, (-1.0, 1.0))
    parts = view.env.action_space[group]
    bounds = {name: (part.low, part.high) if isinstance(part, Box) else (0.0, 0.0) for name, part in parts.items()}
    return spaces.Dict({name: space(shape, n, bounds[name]) for name, (shape, _, n) in view.forms(group).items()})


class Transition:
    """Resets and steps of one world, with and without a reset where the episode is over.

    Args:
        view: of the actions, and with it the environment.
        params: the numbers; None: the environment's own.
    """

    def __init__(self, view: ActionView, params: Any = None):
        self.view, self.env = view, view.env
        self.params = check_params(self.env.default_params() if params is None else params, self.env)

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """A fresh episode, as `Environment.reset`.

        Args:
            key: of either kind.
            params: the numbers.
        """
        return self.env.reset(typed(key), params)

    def step(
        self, key: Array, state: Any, obs: Observation, actions: Mapping[str, Any], params: Any, *, resets: bool
    ) -> tuple[Any, Timestep]:
        """One slot.

        Args:
            key: of either kind.
            state: the environment's.
            obs: on which the agents act.
            actions: per group `(n, *shape)`, as the view has them.
            params: the numbers.
            resets: whether the next episode begins where one is over, as `jaxvec.core.wrappers.auto_reset` does it.
        """
        env: Environment = auto_reset(self.env) if resets else self.env
        return env.step(typed(key), state, self.view.decode(actions, obs.mask, 0), params)

    def available(self, obs: Observation) -> dict[str, Any]:
        """What is allowed, by group.

        Args:
            obs: on which the agents act.
        Returns:
            bool `(n, choices)`, one after the other for several choices; of numbers, which are always allowed, `(n, width)`; in
            the view "dict" by component.
        """
        allowed: dict[str, Any] = {}
        shown = masks(self.env, obs, 0)
        for group, rows in obs.agents.items():
            if self.view.kind == "flat":
                allowed[group] = jnp.ones((len(rows), *self.view.forms(group)[0]), bool)
            elif self.view.kind == "dict":
                allowed[group] = self._by_component(group, shown[group], len(rows))
            else:
                allowed[group] = jnp.asarray(self.view.joined(shown[group], group, (len(rows),)), bool)
        return allowed

    def _by_component(self, group: str, shown: Mapping[str, Any], n: int) -> dict[str, Any]:
        forms = self.view.forms(group)
        everything = {
            name: jnp.ones((n, *shape, *(() if k is None else (k,))), bool) for name, (shape, _, k) in forms.items()
        }
        return everything | dict(shown)
