"""Environments around environments. Rollouts of whole episodes need none of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core import rng
from jaxvec.core.batching import worlds_last
from jaxvec.core.environment import ActFn, Environment
from jaxvec.core.presence import how_many, mean_of_present, present_in
from jaxvec.core.spaces import ActionSpace, Box, Discrete, Space
from jaxvec.core.types import ActTrace, Observation, Timestep


@dataclass(frozen=True)
class Wrapper(Environment):
    """An environment that passes on whatever it does not change.

    A reset or step of its own takes batches whose axes come last, too, and is decorated with
    `jaxvec.core.batching.worlds_last`, so that `jax.vmap` of it runs that form.

    Attributes:
        env: what is wrapped.
    """

    env: Environment

    n_agents = property(lambda self: self.env.n_agents)
    action_space = property(lambda self: self.env.action_space)
    observation_space = property(lambda self: self.env.observation_space)
    observation_layout = property(lambda self: self.env.observation_layout)
    world_size = property(lambda self: self.env.world_size)
    team_reward = property(lambda self: self.env.team_reward)
    takes_turns = property(lambda self: self.env.takes_turns)
    forecasts = property(lambda self: self.env.forecasts)
    whole_world = property(lambda self: self.env.whole_world)
    feature_blocks = property(lambda self: self.env.feature_blocks)
    options = property(lambda self: self.env.options)
    joint_size = property(lambda self: self.env.joint_size)
    jumps = property(lambda self: self.env.jumps)
    replay_slots = property(lambda self: self.env.replay_slots)
    discount = property(lambda self: self.env.discount)
    info_fields = property(lambda self: self.env.info_fields)
    presets = property(lambda self: self.env.presets)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "env"), name)

    def default_params(self, **numbers: Any) -> Any:
        """The environment's."""
        return self.env.default_params(**numbers)

    def contradictions(self, params: Any) -> list[str]:
        """The environment's."""
        return self.env.contradictions(params)

    def shares_reward(self, params: Any) -> bool:
        """The environment's."""
        return self.env.shares_reward(params)

    def rules(self, params: Any) -> Mapping[str, Callable[..., Any]]:
        """The environment's."""
        return self.env.rules(params)

    def act(self, act_fn: ActFn, key: Array, state: Any, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """The environment's."""
        return self.env.act(act_fn, key, state, ts, params)

    def joint(self, obs: Observation) -> Array:
        """The environment's."""
        return self.env.joint(obs)

    def add_forecast(self, obs: Observation, forecast: Array) -> Observation:
        """The environment's."""
        return self.env.add_forecast(obs, forecast)


@dataclass(frozen=True)
class AutoReset(Wrapper):
    """Begins a new episode in each world whose episode ended; see `auto_reset`."""

    @worlds_last
    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """As the environment's, with `final_obs` filled so that the structure never changes."""
        state, ts = self.env.reset(key, params)
        return state, ts.replace(final_obs=ts.obs)

    @worlds_last
    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot; reward, flags and info are the old episode's, `obs` and the state the new one's where it ended."""
        state, ts = self.env.step(key, state, action, params)
        state, next_ts = reset_where_done(self.env, rng.stream(key, "reset"), state, ts, params)
        return state, next_ts.replace(final_obs=ts.obs)


def reset_where_done(env: Environment, key: Array, state: Any, ts: Timestep, params: Any) -> tuple[Any, Timestep]:
    """A new episode in each world whose episode is over; the rest of the timestep stays that of the slot that ended it.

    The reset is computed only if some world needs it: also under `jax.vmap` of `auto_reset(env).step`, but not of this function.

    Args:
        env: whose episode begins.
        key: of the reset, one per world.
        state, ts: after a slot.
        params: the numbers.
    Returns:
        State and timestep, of the new episode where the old one is over.
    """

    def reset(_):
        fresh_state, fresh = env.reset(key, params)

        def choose(new: Array, old: Array) -> Array:
            return jnp.where(ts.done, new, old)

        return jax.tree.map(choose, fresh_state, state), jax.tree.map(choose, fresh.obs, ts.obs)

    state, obs = jax.lax.cond(jnp.any(ts.done), reset, lambda _: (state, ts.obs), None)
    return state, ts.replace(obs=obs)


def auto_reset(env: Environment) -> Environment:
    """Episodes without end: a world that is done begins anew, and `Timestep.final_obs` keeps its last observation.

    A reset is computed only in slots in which some world ends, see `reset_where_done`.

    Args:
        env: whose episodes end.
    Returns:
        The environment around it.
    """
    return AutoReset(env)


class EpisodeState(struct.PyTreeNode):
    """The environment's state and the running sums of the episode.

    Attributes:
        env: the environment's state.
        ret: per group `(n,)`, the rewards so far.
        length: int32 `()`, the slots so far.
    """

    env: Any
    ret: dict[str, Array]
    length: Array


@dataclass(frozen=True)
class EpisodeStatistics(Wrapper):
    """Adds the return and length of the episode so far to info; see `episode_statistics`."""

    info_fields = property(
        lambda self: (
            dict(self.env.info_fields)
            | {"episode_return": ("-", "reward so far, mean over agents"), "episode_length": ("slot", "slots so far")}
        )
    )

    @worlds_last
    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """As the environment's."""
        state, ts = self.env.reset(key, params)
        return EpisodeState(state, ts.reward, jnp.zeros(ts.truncated.shape, jnp.int32)), ts

    def act(self, act_fn: ActFn, key: Array, state: EpisodeState, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """The environment's."""
        return self.env.act(act_fn, key, state.env, ts, params)

    @worlds_last
    def step(self, key: Array, state: EpisodeState, action: Any, params: Any) -> tuple[Any, Timestep]:
        """As the environment's, with `episode_return` (mean over the agents of all groups) and `episode_length` in info."""
        inner, ts = self.env.step(key, state.env, action, params)
        ret = jax.tree.map(jnp.add, state.ret, ts.reward)
        length = state.length + 1
        info = ts.info | {"episode_return": _mean_of_agents(ret, params), "episode_length": length}
        return EpisodeState(inner, ret, length), ts.replace(info=info)


def _mean_of_agents(x: dict[str, Array], params: Any) -> Array:
    """Over the agents of all groups that are there.

    Args:
        x: per group `(n, *batch)`, 0 of who is absent.
    """
    if all(present_in(params, group) is None for group in x):
        return jnp.concatenate(list(x.values())).mean(0)
    return jnp.concatenate(list(x.values())).sum(0) / sum(how_many(present_in(params, g), len(y)) for g, y in x.items())


def episode_statistics(env: Environment) -> Environment:
    """An environment whose info has the return and the length of the episode so far.

    Put it inside `auto_reset`, which restarts the sums together with the episode.

    Args:
        env: what is measured.
    Returns:
        The environment around it.
    """
    return EpisodeStatistics(env)


GROUP_ALL = "all"


@dataclass(frozen=True)
class OneAgent(Wrapper):
    """A single agent for all; see `one_agent`."""

    n_agents = property(lambda self: {GROUP_ALL: 1})
    observation_layout = property(lambda self: {})
    options = property(lambda self: {})
    jumps = property(lambda self: frozenset(f"{GROUP_ALL}/{name}" for name in self.env.jumps))
    team_reward = property(lambda self: True)
    takes_turns = property(lambda self: False)

    @property
    def action_space(self) -> ActionSpace:
        """Everybody's."""
        return {
            GROUP_ALL: {
                f"{group}/{name}": _many(space, self.env.n_agents[group])
                for group, parts in self.env.action_space.items()
                for name, space in parts.items()
            }
        }

    @property
    def observation_space(self) -> dict[str, Box]:
        """What all see together."""
        return {GROUP_ALL: Box(-float("inf"), float("inf"), (self.env.joint_size,))}

    def shares_reward(self, params: Any) -> bool:
        """There is one."""
        return True

    def rules(self, params: Any) -> Mapping[str, Callable[..., Any]]:
        """None: those of the environment decide for its agents one by one."""
        return {}

    def joint(self, obs: Observation) -> Array:
        """What the agent sees."""
        return obs.agents[GROUP_ALL][0]

    def add_forecast(self, obs: Observation, forecast: Array) -> Observation:
        """In place of the last entries of what the agent sees."""
        return Environment.add_forecast(self, obs, forecast)

    @worlds_last
    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's, as one agent sees it."""
        state, ts = self.env.reset(key, params)
        return state, self._as_one(ts, params)

    def act(self, act_fn: ActFn, key: Array, state: Any, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """Asks once."""
        return Environment.act(self, act_fn, key, state, ts, params)

    @worlds_last
    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot, in which the agents do what was decided for them."""
        each = {
            group: {name: action[GROUP_ALL][f"{group}/{name}"][0] for name in parts}
            for group, parts in self.env.action_space.items()
        }
        state, ts = self.env.step(key, state, each, params)
        return state, self._as_one(ts, params)

    def _as_one(self, ts: Timestep, params: Any) -> Timestep:
        obs = ts.obs
        mask = {f"{group}/{name}": x[None] for group, parts in obs.mask.items() for name, x in parts.items()}
        together = self.env.joint(obs)[None]
        seen = Observation(
            agents={GROUP_ALL: together}, world=obs.world, mask={GROUP_ALL: mask} if mask else {}, aux=obs.aux
        )
        means = [mean_of_present(present_in(params, group), x) for group, x in ts.reward.items()]
        reward = jnp.stack(means).mean(0, keepdims=True)
        return ts.replace(obs=seen, reward={GROUP_ALL: reward})


def _many(space: Space, n: int) -> Space:
    shape = (n, *space.shape)
    return Discrete(space.n, shape) if isinstance(space, Discrete) else Box(space.low, space.high, shape, space.start)


def one_agent(env: Environment) -> Environment:
    """One agent that sees what all see together (`Environment.joint`) and decides for all agents at once.

    Its group is "all"; its actions are the agents' components stacked, `group/component` of shape `(n, ...)`; its reward is their
    mean, of groups of agents the mean of their means. It is asked once, also where agents take turns.

    Args:
        env: for whose agents it decides.
    Returns:
        The environment around it.
    """
    return OneAgent(env)
