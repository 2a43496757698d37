"""A small environment for tests of the core: every number of it can be worked out by hand.

Each of `n_walkers` agents adds `move` to its total and earns `gain * move + pick + noise`. A world terminates after `limit`
slots, drawn from 1 to `longest`, and is truncated at `horizon`. Of its three picks, an agent may not take the one that the
slot forbids.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.layout import lift
from jaxvec.core.params import number, preset
from jaxvec.core.spaces import Box, Discrete
from jaxvec.core.types import Observation, Timestep


class Params(struct.PyTreeNode):
    gain: float = number(1.0, "-", "earned per unit of move", axes=("walker",))
    spread: float = number(0.5, "-", "width of the noise")


class State(struct.PyTreeNode):
    t: Array  # () int32
    limit: Array  # () int32
    total: Array  # (walker,)


@dataclass(frozen=True)
class Walkers(Environment):
    id: ClassVar[str] = "walkers"
    params_cls: ClassVar[type] = Params
    presets: ClassVar = {"crowd": preset("many walkers, much noise", n_walkers=5, spread=2.0)}
    info_fields: ClassVar = {"t": ("slot", "slots done"), "noise": ("-", "(walker,) noise"), "limit": ("slot", "last")}

    n_walkers: int = 2
    horizon: int = 6
    longest: int = 9

    @property
    def n_agents(self):
        return {"walker": self.n_walkers}

    @property
    def action_space(self):
        return {"walker": {"move": Box(-1.0, 1.0), "pick": Discrete(3)}}

    @property
    def observation_space(self):
        return {"walker": Box(-jnp.inf, jnp.inf, (2,))}

    @property
    def world_size(self):
        return 2 * self.n_walkers

    def rules(self, params):
        return {"still": still, "greedy": partial(greedy, params=params)}

    def draw_reset(self, key, params):
        u = rng.uniforms(key, {"limit": (), "total": (self.n_walkers,)})
        return {"limit": 1 + jnp.floor(u["limit"] * self.longest).astype(jnp.int32), "total": u["total"]}

    def draw_step(self, key, params):
        return {"noise": params.spread * (rng.uniforms(key, {"noise": (self.n_walkers,)})["noise"] - 0.5)}

    def reset_from(self, draws, params):
        state = State(jnp.zeros_like(draws["limit"]), draws["limit"], draws["total"])
        return state, first_timestep(self, self.observe(state), state.t.shape)

    def step_from(self, state, action, draws, params):
        move, pick = action["walker"]["move"], action["walker"]["pick"]
        after = State(state.t + 1, state.limit, state.total + move)
        return after, Timestep(
            obs=self.observe(after),
            reward={"walker": params.gain * move + pick + draws["noise"]},
            terminated=after.t >= after.limit,
            truncated=after.t >= self.horizon,
            info={"t": after.t, "noise": draws["noise"], "limit": after.limit},
        )

    def observe(self, state):
        seen = jnp.stack([state.total, jnp.broadcast_to(state.t / self.horizon, state.total.shape)], 1)
        walker, pick = jnp.arange(self.n_walkers)[:, None], jnp.arange(3)[None]
        allowed = (lift(walker + pick, state.t.ndim) + state.t) % 3 != 0
        world = seen.reshape((-1, *state.t.shape))
        return Observation(agents={"walker": seen}, world=world, mask={"walker": {"pick": allowed}})


def still(key, obs):
    """A policy that never moves and takes the first pick that is allowed."""
    total = obs.agents["walker"][:, 0]
    return {"walker": {"move": jnp.zeros_like(total), "pick": jnp.argmax(obs.mask["walker"]["pick"], 1)}}


def greedy(key, obs, params):
    """Moves by the gain, and takes the last pick that is allowed."""
    total = obs.agents["walker"][:, 0]
    last = 2 - jnp.argmax(obs.mask["walker"]["pick"][:, ::-1], 1)
    return {"walker": {"move": jnp.full_like(total, jnp.minimum(params.gain, 1.0)), "pick": last}}
