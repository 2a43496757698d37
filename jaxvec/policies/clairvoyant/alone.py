"""A relaxation: every agent as if it were alone, and so a bound from above where agents only take from each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.types import Timestep
from jaxvec.core.wrappers import Wrapper


@dataclass(frozen=True)
class Alone(Wrapper):
    """A system in which each agent earns what it would if all others idled; the state goes on as if all did idle.

    Where nobody's own reward grows by what others do, and no state by what is done, the optimum here is nowhere below that of the
    system: a true upper bound of the mean reward. It falls apart into a problem for each agent, which a search over one entry
    at a time solves but for the numbers' grid. The system must have one group and pay each agent its own reward.

    Attributes:
        env: the system.
        idle: component -> the number or choice that takes nothing from anybody, as (name, value).
    """

    id: ClassVar[str] = "alone"
    idle: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        if len(self.env.n_agents) != 1:
            raise ValueError(f"alone: {self.env.id} must have one group of agents, not {len(self.env.n_agents)}")

    def rules(self, params: Any) -> Mapping[str, Any]:
        """None: a rule of the system divides what here is not divided."""
        return {}

    def draw_reset(self, key: Array, params: Any) -> dict[str, Array]:
        """Of the system."""
        return self.env.draw_reset(key, params)

    def draw_step(self, key: Array, params: Any) -> dict[str, Array]:
        """Of the system."""
        return self.env.draw_step(key, params)

    def reset_from(self, draws: dict[str, Array], params: Any) -> tuple[Any, Timestep]:
        """Of the system."""
        return self.env.reset_from(draws, params)

    def step_from(self, state: Any, action: Any, draws: dict[str, Array], params: Any) -> tuple[Any, Timestep]:
        """A slot for each agent, in which the others idle."""
        ((group, n),) = self.n_agents.items()
        idle = dict(self.idle)

        def slot(who: Array) -> tuple[Any, Timestep]:
            def only(name: str, x: Array) -> Array:
                mine = (jnp.arange(n) == who).reshape(n, *(1,) * (x.ndim - 1))
                return jnp.where(mine, x, jnp.asarray(idle[name], x.dtype))

            mixed = {group: {name: only(name, x) for name, x in action[group].items()}}
            return self.env.step_from(state, mixed, draws, params)

        after, ts = slot(jnp.asarray(-1))
        own = jax.vmap(lambda i: slot(i)[1].reward[group][i])(jnp.arange(n))
        return after, ts.replace(reward={group: own})
