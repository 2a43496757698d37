"""Tiny environments with known answers: a learner that misses one tells which of its parts is wrong."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxvec.core import rng
from jaxvec.core.environment import Environment, Options, first_timestep
from jaxvec.core.params import number
from jaxvec.core.spaces import Box, Discrete
from jaxvec.core.types import Observation, Timestep


class Params(struct.PyTreeNode):
    """One number to sweep."""

    scale: float = number(1.0, "-", "multiplies every reward")


class State(struct.PyTreeNode):
    """Slot, and the sign that each agent sees, `(n,)` per group."""

    t: Any
    sign: Any


@dataclass(frozen=True)
class Probe(Environment):
    """Rewards by `kind`; two groups if `groups` is 2. Truncates at `horizon`, or terminates there.

    constant: 1 in every slot. observed: the sign seen. delayed: the first slot's sign, paid in the last slot. chosen: 1 for
    picking the action (and the side of the box) that the sign asks for. target: minus the squared distance of `x` from 0.3.

    If `leaving`, agent i takes part in slots 0 to i only, and earns nothing afterwards.
    """

    id: ClassVar[str] = "probe"
    params_cls: ClassVar[type] = Params
    info_fields: ClassVar = {"sign": ("-", "(n,) of the first group")}
    kind: str = "constant"
    horizon: int = 1
    groups: int = 1
    n: int = 2
    terminates: bool = False
    masked: bool = False
    leaving: bool = False
    team: bool = False
    team_reward = property(lambda self: self.team)

    @property
    def _names(self):
        return ("a", "b")[: self.groups]

    @property
    def n_agents(self):
        return dict(zip(self._names, (self.n, self.n + 1), strict=False))

    @property
    def action_space(self):
        return {g: {"pick": Discrete(3 if self.masked else 2), "x": Box(-2.0, 2.0, (1,))} for g in self._names}

    @property
    def observation_space(self):
        return {g: Box(-np.inf, np.inf, (2,)) for g in self._names}

    @property
    def world_size(self):
        return 1 + sum(self.n_agents.values())

    def _draw(self, key):
        u = rng.uniforms(key, {g: (n,) for g, n in self.n_agents.items()})
        return {g: jnp.where(x < 0.5, -1.0, 1.0) for g, x in u.items()}

    def draw_reset(self, key, params):
        return self._draw(key)

    def draw_step(self, key, params):
        return self._draw(key)

    def _observe(self, state):
        clock = state.t / self.horizon
        agents = {g: jnp.stack([s, jnp.broadcast_to(clock, s.shape)], 1) for g, s in state.sign.items()}
        mask = {}
        if self.masked:
            allowed = jnp.asarray([True, True, False]).reshape((1, 3) + (1,) * state.t.ndim)
            mask = {
                g: {"pick": jnp.broadcast_to(allowed, (s.shape[0], 3, *s.shape[1:]))} for g, s in state.sign.items()
            }
        world = jnp.concatenate([clock[None], *state.sign.values()])
        return Observation(agents, world, mask, {g: self._here(state, g) for g in self._names if self.leaving})

    def _here(self, state, group):
        return jnp.arange(self.n_agents[group]).reshape((-1,) + (1,) * state.t.ndim) >= state.t

    def reset_from(self, draws, params):
        batch = draws["a"].shape[1:]
        state = State(jnp.zeros(batch, jnp.int32), draws)
        return state, first_timestep(self, self._observe(state), batch)

    def _reward(self, state, action, group, params):
        sign, last = state.sign[group], state.t == self.horizon - 1
        act = action[group]
        if self.kind == "constant":
            reward = jnp.ones_like(sign)
        elif self.kind == "observed":
            reward = sign
        elif self.kind == "delayed":
            reward = jnp.where(last, sign, 0)
        elif self.kind == "chosen":
            reward = ((act["pick"] == (sign > 0)) * 0.5 + (jnp.sign(act["x"][:, 0]) == sign) * 0.5).astype(sign.dtype)
        else:
            reward = -((act["x"][:, 0] - 0.3) ** 2)
        return params.scale * reward * (self._here(state, group) if self.leaving else 1)

    def step_from(self, state, action, draws, params):
        reward = {g: self._reward(state, action, g, params) for g in self._names}
        sign = state.sign if self.kind == "delayed" else draws
        after = State(state.t + 1, sign)
        over = after.t >= self.horizon
        ends, stops = (over, jnp.zeros_like(over)) if self.terminates else (jnp.zeros_like(over), over)
        return after, Timestep(self._observe(after), reward, ends, stops, {"sign": state.sign["a"]})


@dataclass(frozen=True)
class Picks(Probe):
    """The probe, of which one choice among three is left: 1 for that of the largest property, else 0. The second is forbidden."""

    @property
    def action_space(self):
        return {"a": {"pick": Discrete(3)}}

    @property
    def observation_space(self):
        return {"a": Box(-np.inf, np.inf, (3,))}

    @property
    def options(self):
        return {"a": {"pick": Options(np.arange(3)[:, None], (1.0,), np.zeros(3, int))}}

    def reset_from(self, draws, params):
        state, ts = super().reset_from(draws, params)
        return state, ts.replace(obs=self._seen(state, ts.obs))

    def step_from(self, state, action, draws, params):
        pick = action["a"]["pick"]
        whole = {"a": {"pick": jnp.minimum(pick, 1), "x": jnp.zeros((*pick.shape[:1], 1, *pick.shape[1:]))}}
        after, ts = super().step_from(state, whole, draws, params)
        reward = (pick == self._best(state)).astype(float)
        return after, ts.replace(obs=self._seen(after, ts.obs), reward={"a": reward})

    def _best(self, state):
        return jnp.where(state.sign["a"] > 0, 2, 0)

    def _seen(self, state, obs):
        sign = state.sign["a"][:, None]
        rows = jnp.concatenate([-sign, jnp.zeros_like(sign), sign], 1)
        allowed = jnp.broadcast_to(jnp.array([True, False, True]).reshape(1, 3, *(1,) * (rows.ndim - 2)), rows.shape)
        return obs.replace(agents={"a": rows}, mask={"a": {"pick": allowed}})
