"""The worlds of a larger environment, for a smaller one: where a figure's axis is a number of vehicles, all meet the same.

Rules are evaluated at all points of such an axis in one program, as an environment of the most vehicles of which only so many
are there (`jaxvec.core.presence`); a learner that was trained in an environment of its own size is evaluated in the same worlds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax import Array

from jaxvec.core.environment import Environment
from jaxvec.core.types import Timestep
from jaxvec.core.wrappers import Wrapper

Draws = dict[str, Array]


@dataclass(frozen=True)
class WorldsOf(Wrapper):
    """An environment whose chance is drawn as that of a larger one; what is drawn for more agents than there are is left out.

    Attributes:
        env: which plays.
        larger: the same environment with more agents.
    """

    larger: Environment

    def draw_reset(self, key: Array, params: Any) -> Draws:
        """The larger one's."""
        return _first_of(self.larger.draw_reset, self.env.draw_reset, key, params)

    def draw_step(self, key: Array, params: Any) -> Draws:
        """The larger one's."""
        return _first_of(self.larger.draw_step, self.env.draw_step, key, params)

    def reset_from(self, draws: Draws, params: Any) -> tuple[Any, Timestep]:
        """The environment's."""
        return self.env.reset_from(draws, params)

    def step_from(self, state: Any, action: Any, draws: Draws, params: Any) -> tuple[Any, Timestep]:
        """The environment's."""
        return self.env.step_from(state, action, draws, params)


def _first_of(draw: Callable[..., Draws], smaller: Callable[..., Draws], key: Array, params: Any) -> Draws:
    """What one of them draws, in the shapes of the other: the first entries along every axis that is longer."""
    shapes, drawn = jax.eval_shape(smaller, key, params), draw(key, params)
    return {name: drawn[name][tuple(map(slice, like.shape))] for name, like in shapes.items()}
