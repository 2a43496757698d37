"""`v2x_offload` as the paper's baselines that do not choose their targets see it."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import ActFn
from jaxvec.core.spaces import ActionSpace, Discrete
from jaxvec.core.types import ActTrace, Observation, Timestep
from jaxvec.core.wrappers import Wrapper
from jaxvec.envs.v2x_offload.env import GROUP


class Directed(struct.PyTreeNode):
    """The environment's state, and the targets that chance has set for the slot `(M,)`."""

    env: Any
    target: Array


@dataclass(frozen=True)
class ServersOnly(Wrapper):
    """`v2x_offload` for vehicles that always offload: a target is one of the servers (AMCS, trained)."""

    @property
    def action_space(self) -> ActionSpace:
        """Without the own CPU."""
        parts = dict(self.env.action_space[GROUP])
        return {GROUP: parts | {"target": Discrete(parts["target"].n - 1)}}  # type: ignore[union-attr]

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's."""
        return self.env.reset(key, params)

    def act(self, ask: ActFn, key: Array, state: Any, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """The environment's turns, with the servers' own numbers."""
        _, turn = self.env.act(_telling(ask, lambda a, obs: self._whole(a)), key, state, ts, params)
        return turn.extras[0], ActTrace(turn.obs, turn.extras[1])

    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot."""
        return self.env.step(key, state, self._whole(action), params)

    def _whole(self, action: Any) -> Any:
        return {GROUP: action[GROUP] | {"target": action[GROUP]["target"] + 1}}


@dataclass(frozen=True)
class RandomTarget(Wrapper):
    """`v2x_offload` where a coin decides between the own CPU and a server, any of them: only shares are left (ROCS, trained)."""

    @property
    def action_space(self) -> ActionSpace:
        """Without the target."""
        parts = self.env.action_space[GROUP]
        return {GROUP: {name: space for name, space in parts.items() if name != "target"}}

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's, and the first targets."""
        state, ts = self.env.reset(key, params)
        return Directed(state, self._targets(key)), ts

    def act(self, ask: ActFn, key: Array, state: Directed, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """The environment's turns, each with its target."""
        whole = lambda action, obs: self._whole(action, _rows(state.target, obs.ids.get(GROUP)))  # noqa: E731
        _, turn = self.env.act(_telling(ask, whole), key, state.env, ts, params)
        return turn.extras[0], ActTrace(turn.obs, turn.extras[1])

    def step(self, key: Array, state: Directed, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot, and the next targets."""
        inner, ts = self.env.step(key, state.env, self._whole(action, state.target), params)
        return Directed(inner, self._targets(key)), ts

    def _targets(self, key: Array) -> Array:
        u = rng.uniforms(rng.stream(key, "target"), {"u": (self.env.n_agents[GROUP],)})["u"]
        servers = self.env.action_space[GROUP]["target"].n - 1  # type: ignore[union-attr]
        return jnp.where(u < 0.5, 0, 1 + Discrete(servers).from_uniform(2 * u - 1))

    def _whole(self, action: Any, target: Array) -> Any:
        return {GROUP: action[GROUP] | {"target": target}}


def _telling(ask: ActFn, whole: Any) -> ActFn:
    """Asks, tells the environment the whole action, and keeps the one that was given."""

    def asked(key: Array, obs: Observation) -> tuple[Any, Any]:
        action, extras = ask(key, obs)
        return whole(action, obs), (action, extras)

    return asked


def _rows(x: Array, who: Array | None) -> Array:
    """Rows of those who are asked, `(m,)` or another choice in each world."""
    if who is None:
        return x
    return x[who] if who.ndim == 1 else jnp.take_along_axis(x, who, 0)
