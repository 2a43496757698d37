"""`v2x_offload` as the paper's baselines that do not choose their targets see it."""

from collections.abc import Callable
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
from jaxvec.envs.v2x_offload import V2xOffload
from jaxvec.envs.v2x_offload.observation import GROUP


@dataclass(frozen=True)
class ServersOnly(Wrapper):
    """`v2x_offload` for vehicles that always offload: a target is one of the servers (AMCS, trained)."""

    env: V2xOffload

    @property
    def action_space(self) -> ActionSpace:
        """Without the own CPU."""
        return {GROUP: {**self.env.action_space[GROUP], "target": Discrete(self.env.n_servers)}}

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's."""
        return self.env.reset(key, params)

    def act(self, act_fn: ActFn, key: Array, state: Any, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """The environment's turns, with the servers' own numbers."""

        def complete(action: Any, obs: Observation) -> Any:
            return self._complete(action)

        _, trace = self.env.act(_completing(act_fn, complete), key, state, ts, params)
        return _given(trace)

    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot."""
        return self.env.step(key, state, self._complete(action), params)

    def _complete(self, action: Any) -> Any:
        """An action of this environment as one of the environment that it wraps."""
        return {GROUP: action[GROUP] | {"target": action[GROUP]["target"] + 1}}


class Directed(struct.PyTreeNode):
    """The state of `RandomTarget`.

    Attributes:
        env: the environment's.
        target: of every vehicle in the slot, as chance has set it, `(M,)`.
    """

    env: Any
    target: Array


@dataclass(frozen=True)
class RandomTarget(Wrapper):
    """`v2x_offload` where a coin decides between the own CPU and a server, any of them: only shares are left (ROCS, trained)."""

    env: V2xOffload

    @property
    def action_space(self) -> ActionSpace:
        """Without the target."""
        parts = self.env.action_space[GROUP]
        return {GROUP: {name: space for name, space in parts.items() if name != "target"}}

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's, and the first targets."""
        state, ts = self.env.reset(key, params)
        return Directed(state, self._targets(key)), ts

    def act(self, act_fn: ActFn, key: Array, state: Directed, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """The environment's turns, each with its target."""

        def complete(action: Any, obs: Observation) -> Any:
            return _with_target(action, _rows(state.target, obs.ids.get(GROUP)))

        _, trace = self.env.act(_completing(act_fn, complete), key, state.env, ts, params)
        return _given(trace)

    def step(self, key: Array, state: Directed, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot, and the next targets."""
        inner, ts = self.env.step(key, state.env, _with_target(action, state.target), params)
        return Directed(inner, self._targets(key)), ts

    def _targets(self, key: Array) -> Array:
        u = rng.uniforms(rng.stream(key, "target"), {"u": (self.env.n_agents[GROUP],)})["u"]
        return jnp.where(u < 0.5, 0, 1 + Discrete(self.env.n_servers).from_uniform(2 * u - 1))


def _completing(act_fn: ActFn, complete: Callable[[Any, Observation], Any]) -> ActFn:
    """Asks, gives the environment the complete action, and keeps the one that was given among the extras."""

    def act(key: Array, obs: Observation) -> tuple[Any, Any]:
        action, extras = act_fn(key, obs)
        return complete(action, obs), (action, extras)

    return act


def _given(trace: ActTrace) -> tuple[Any, ActTrace]:
    """The actions that were given, and the trace without them."""
    action, extras = trace.extras
    return action, ActTrace(trace.obs, extras)


def _with_target(action: Any, target: Array) -> Any:
    return {GROUP: action[GROUP] | {"target": target}}


def _rows(x: Array, who: Array | None) -> Array:
    """Rows of those who are asked, `(m,)` or another choice in each world."""
    if who is None:
        return x
    return x[who] if who.ndim == 1 else jnp.take_along_axis(x, who, 0)
