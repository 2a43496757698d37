"""What a user may write outside the package, in one file: an environment, a path loss, a mobility, a forecaster, a learner.

Importing it registers them all, so `jaxvec train relay --register mine` finds them as it finds the package's own.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from flax import struct
from jax import Array

import jaxvec
from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.observation import Block, Layout
from jaxvec.core.params import number, size, switch
from jaxvec.core.spaces import Box
from jaxvec.core.types import Observation, Timestep
from jaxvec.envs import mobility
from jaxvec.forecast import Forecaster
from jaxvec.learners.ppo import ppo
from jaxvec.physics import pathloss

# A path loss: any function of a link and of numbers, to a loss in dB.


def two_rays(link, radio):
    """Far away over flat ground: 40 log10 d - 20 log10(h_tx h_rx)."""
    return 40 * jnp.log10(jnp.maximum(link.distance_3d_m, 1.0)) - 20 * jnp.log10(link.tx_height_m * link.rx_height_m)


jaxvec.register("two_rays", two_rays, kind="pathloss")

# A mobility: where vehicles start, and where they are a slot later.


class Convoy(mobility.Mobility):
    """Vehicles ten metres apart that all drive at 10 m/s."""

    numbers = ("n_vehicles", "slot_s")
    constant_speed = True

    def reset_shapes(self, sizes, params):
        return {"first_m": ()}

    def start(self, draws, sizes, params):
        behind_m = 10.0 * jnp.arange(sizes.n_vehicles).reshape(-1, *(1,) * draws["first_m"].ndim)
        x_m = draws["first_m"] - behind_m
        return mobility.Motion(x_m, jnp.full_like(x_m, 5.0), jnp.full_like(x_m, 10.0), jnp.ones(x_m.shape, bool), None)

    def advance(self, motion, draws, sizes, params):
        return motion._replace(x_m=motion.x_m + 10.0 * params.slot_s)


jaxvec.register("convoy", Convoy(), kind="mobility")

# An environment: sizes, numbers, state, and how a slot goes.


@dataclass(frozen=True)
class Sizes:
    n_vehicles: int = size(3, "vehicles")
    horizon: int = size(4, "slots of an episode")
    pathloss: str = switch("two_rays", lambda: pathloss.usable(Params), "path-loss model of the links to the mast")
    mobility: str = switch("convoy", lambda: mobility.usable(Sizes, Params), "how vehicles move")


class Params(struct.PyTreeNode):
    slot_s: float = number(1.0, "s", "length of a slot", greater_than=0)
    price: float = number(2.0, "-", "of full power, in units of the reward")
    noise_w: float = number(1e-10, "W", "noise power", greater_than=0)


class State(struct.PyTreeNode):
    t: Array  # () int32
    motion: mobility.Motion


@dataclass(frozen=True)
class Relay(Sizes, Environment):
    """Vehicles choose how loud they speak to a mast at x = 0: the reward is log2(1 + SNR), less the price of power."""

    id: ClassVar[str] = "relay"
    params_cls: ClassVar[type] = Params
    info_fields: ClassVar = {"snr": ("-", "mean over vehicles of the signal-to-noise ratio")}

    n_agents = property(lambda self: {"vehicle": self.n_vehicles})
    action_space = property(lambda self: {"vehicle": {"power": Box(0.0, 1.0)}})
    world_size = property(lambda self: self.n_vehicles)

    @property
    def observation_layout(self):
        return {"vehicle": Layout((Block("x_m", None, "m", "place along the road, from the mast", 100.0),))}

    def rules(self, params):
        def loud(key, obs):
            return {"vehicle": {"power": jnp.ones_like(obs.agents["vehicle"][:, 0])}}

        return {"loud": loud}

    def draw_reset(self, key, params):
        return rng.uniforms(key, mobility.MODELS[self.mobility].reset_shapes(self, params))

    def draw_step(self, key, params):
        return rng.uniforms(key, mobility.MODELS[self.mobility].step_shapes(self, params))

    def reset_from(self, draws, params):
        motion = mobility.MODELS[self.mobility].start(draws, self, params)
        state = State(jnp.zeros(motion.x_m.shape[1:], jnp.int32), motion)
        return state, first_timestep(self, self.observe(state, params), state.t.shape)

    def step_from(self, state, action, draws, params):
        power_w = action["vehicle"]["power"]
        distance_m = jnp.hypot(state.motion.x_m, state.motion.y_m)
        loss_db = pathloss.MODELS[self.pathloss](pathloss.Link(distance_m, distance_m, 1.5, 10.0), params)
        snr = power_w * 10 ** (-loss_db / 10) / params.noise_w
        after = State(state.t + 1, mobility.MODELS[self.mobility].advance(state.motion, draws, self, params))
        return after, Timestep(
            obs=self.observe(after, params),
            reward={"vehicle": jnp.log2(1 + snr) - params.price * power_w},
            terminated=jnp.zeros(state.t.shape, bool),
            truncated=after.t >= self.horizon,
            info={"snr": jnp.mean(snr, 0)},
        )

    def observe(self, state, params):
        rows = self.observation_layout["vehicle"].write({"x_m": state.motion.x_m}, params, state.motion.x_m.shape)
        return Observation(agents={"vehicle": rows}, world=rows[:, 0])


jaxvec.register("relay", Relay)

# A forecaster: here the mean of what was.

jaxvec.register(
    "mean_of_lags",
    Forecaster(
        init=lambda key, history: {"shift": jnp.zeros(history.shape[-1])},
        apply=lambda params, history, key=None: history.mean(-2) + params["shift"],
        loss=lambda params, key, history, target: jnp.mean((history.mean(-2) + params["shift"] - target) ** 2),
    ),
    kind="forecaster",
)

# A learner: MAPPO whose actors are a network of one's own, a bare Flax module.


class Torso(nn.Module):
    """Features of an observation."""

    width: int = 8
    gain: float = 1.0

    @nn.compact
    def __call__(self, x):
        return jnp.sin(self.gain * nn.Dense(self.width)(x))


jaxvec.register("sine_mappo", partial(ppo, central_critic=True, network=Torso()), kind="learner")
