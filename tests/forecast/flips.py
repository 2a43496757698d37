"""A world whose last measurement is always wrong, and its opposite always right."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from learners.probes import Params, State

from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.spaces import Box, Discrete
from jaxvec.core.types import Observation, Timestep

PAST = 2


@dataclass(frozen=True)
class Flips(Environment):
    """A sign changes in every slot; two agents see the last one, and earn 1 for naming the present one. Two groups of them."""

    id: ClassVar[str] = "flips"
    params_cls: ClassVar[type] = Params
    forecasts: ClassVar[bool] = True
    whole_world: ClassVar[bool] = False
    info_fields: ClassVar = {"features": ("-", "(1,) the present sign")}
    horizon: int = 8

    n_agents = property(lambda self: {"a": 2, "b": 1})
    action_space = property(lambda self: {group: {"pick": Discrete(2)} for group in self.n_agents})
    observation_space = property(lambda self: dict.fromkeys(self.n_agents, Box(-np.inf, np.inf, (2,))))
    world_size = property(lambda self: 1)
    joint_size = property(lambda self: 4)
    feature_blocks = property(lambda self: {"sign": slice(0, 1)})

    def joint(self, obs):
        return jnp.concatenate([obs.agents["a"][:, 0], obs.agents["b"][0]])

    def draw_reset(self, key, params):
        return {"u": rng.uniforms(key, {"u": ()})["u"]}

    def draw_step(self, key, params):
        return {}

    def _observe(self, state):
        clock, last = state.t / self.horizon, -state.sign
        row = jnp.stack([clock, last])
        agents = {group: jnp.broadcast_to(row, (n, *row.shape)) for group, n in self.n_agents.items()}
        history = jnp.stack([last * (-1) ** k for k in reversed(range(PAST))])[:, None]
        return Observation(agents, clock[None], aux={"history": history})

    def reset_from(self, draws, params):
        state = State(jnp.zeros(draws["u"].shape, jnp.int32), jnp.where(draws["u"] < 0.5, -1.0, 1.0))
        return state, first_timestep(self, self._observe(state), draws["u"].shape)

    def step_from(self, state, action, draws, params):
        right = {group: params.scale * (action[group]["pick"] == (state.sign > 0)) for group in self.n_agents}
        after = State(state.t + 1, -state.sign)
        never = jnp.zeros(after.t.shape, bool)
        return after, Timestep(
            self._observe(after), right, never, after.t >= self.horizon, {"features": state.sign[None]}
        )
