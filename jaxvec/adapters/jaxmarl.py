"""Any environment as one of JaxMARL: its agents by name, a step that resets, its wrappers and baselines around it.

    env, params = jaxvec.make("isac_iov")
    marl = LogWrapper(MultiAgent(env, params))
    obs, state = jax.vmap(marl.reset)(keys)
    obs, state, reward, done, info = jax.vmap(marl.step)(keys, state, actions)

Agents are named by group and number, `vehicle_0`, and stay until the episode is over. They act at once, on the slot as it begins.

**Truncation.** JaxMARL has one flag for the end of an episode, and its baselines let no return go on beyond it. `done` is that
flag, though a horizon ends the episodes of most systems here. Nothing is lost: `info` has "truncated" and "terminated", and with
`final_obs=True` the true last observation, from whose value a truncated return goes on:

    following = jnp.where(info["truncated"], value(info["final_obs"]), jnp.where(done, 0.0, value(obs)))

Without it, a learner believes that the world ends with the horizon; its own discount says how much that matters.

`info` has, of all agents in the order of `agents` as JaxMARL's baselines want it, "truncated", "terminated" and "active" (whether
the agent takes part in the slot that is next: vehicles come and go), bool `(num_agents,)`, and by name what was asked for.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxvec.adapters.actions import ActionView
from jaxvec.adapters.functional import Transition, action_space
from jaxvec.adapters.library import library
from jaxvec.adapters.worlds import Program, names
from jaxvec.core.environment import Environment
from jaxvec.core.types import Observation, Timestep

base: Any = library("jaxmarl.environments.multi_agent_env").MultiAgentEnv
spaces: Any = library("jaxmarl.environments.spaces")


class State(struct.PyTreeNode):
    """A world between two slots.

    Attributes:
        done: bool `()`, whether the slot before ended an episode.
        step: int32 `()`, slots done of the episode.
        env: the environment's state.
        obs: what is seen.
    """

    done: Array
    step: Array
    env: Any
    obs: Observation


class MultiAgent(base):
    """All agents of a world, by name.

    Args:
        env: the environment.
        params: its numbers, of one world; None: the default ones.
        actions: how they look: "flat", "discrete", "single" or "dict", see `jaxvec.adapters.actions`. IPPO and MAPPO take the
            first two; VDN, QMIX and others that want one `Discrete` take "single".
        bins: values of a number in the views "discrete" and "single".
        pad: whether observations of all groups are as wide as the widest, by zeros at the end.
        one_hot: whether each observation ends in a one-hot vector of the agent's group.
        world_state: whether observations have an entry "world_state", `(g,)`, as those of SMAX have for MAPPO.
        final_obs: whether `info` has the true last observation of an episode, see the module's words.
        info: names of `env.info_fields` to hand out, of the slot that was stepped.
    Raises:
        ValueError: a setting or a number is not accepted; says which, and what is.
    """

    def __init__(
        self,
        env: Environment,
        params: Any = None,
        *,
        actions: str = "flat",
        bins: int = 11,
        pad: bool = False,
        one_hot: bool = False,
        world_state: bool = False,
        final_obs: bool = False,
        info: Sequence[str] = (),
    ):
        super().__init__(sum(env.n_agents.values()))
        self.view = ActionView(env, actions, bins)
        self.transition = Transition(self.view, params)
        self.agent_names = {group: [f"{group}_{i}" for i in range(n)] for group, n in env.n_agents.items()}
        self.agents = [agent for of_group in self.agent_names.values() for agent in of_group]
        self.pad, self.one_hot, self.world_state, self.final_obs = pad, one_hot, world_state, final_obs
        self.info = Program(env, info=names(info)).info
        self.observation_spaces = self._by_agent({group: self._seen(group) for group in env.n_agents})
        self.action_spaces = self._by_agent(
            {group: action_space(self.view, group, spaces, _choices) for group in env.n_agents}
        )

    @property
    def name(self) -> str:
        """Of the environment."""
        return f"jaxvec_{self.view.env.id}"

    @property
    def agent_classes(self) -> dict[str, list[str]]:
        """The agents of each group."""
        return self.agent_names

    @partial(jax.jit, static_argnums=0)
    def reset(self, key: Array) -> tuple[dict[str, Array], State]:
        """A fresh episode.

        Args:
            key: of either kind.
        Returns:
            Observations by agent, and the state.
        """
        state, ts = self.transition.reset(key, self.transition.params)
        after = State(jnp.zeros((), bool), jnp.zeros((), jnp.int32), state, ts.obs)
        return self.get_obs(after), after

    @partial(jax.jit, static_argnums=0)
    def step(
        self, key: Array, state: State, actions: Mapping[str, Any], reset_state: State | None = None
    ) -> tuple[Any, ...]:
        """One slot, and where it ends the episode the next one, whose first observation is given.

        Args:
            key: of either kind.
            state: at the start of the slot.
            actions: by agent.
            reset_state: at the start of the next episode, if it is needed; None: drawn, in slots in which some world ends.
        Returns:
            Observations, state, rewards and flags by agent, flags also of "__all__", and info.
        """
        after, ts = self._stepped(key, state, actions, resets=reset_state is None)
        if reset_state is not None:
            ts = ts.replace(final_obs=ts.obs)

            def choose(new: Array, old: Array) -> Array:
                return jax.lax.select(ts.done, new, old)

            after, obs = jax.tree.map(choose, (reset_state.env, reset_state.obs), (after, ts.obs))
            ts = ts.replace(obs=obs)
        return self._told(after, ts, jnp.where(ts.done, 0, state.step + 1))

    @partial(jax.jit, static_argnums=0)
    def step_env(self, key: Array, state: State, actions: Mapping[str, Any]) -> tuple[Any, ...]:
        """One slot, and no reset.

        Args:
            key: of either kind.
            state: at the start of the slot.
            actions: by agent.
        Returns:
            As `step`.
        """
        return self._told(*self._stepped(key, state, actions, resets=False), state.step + 1)

    def get_obs(self, state: State) -> dict[str, Array]:
        """What is seen at the start of a slot.

        Args:
            state: then.
        Returns:
            By agent `(d,)`.
        """
        return self._shown(state.obs)

    @partial(jax.jit, static_argnums=0)
    def get_avail_actions(self, state: State) -> dict[str, Any]:
        """What is allowed.

        Args:
            state: at the start of the slot.
        Returns:
            By agent bool, as many as there are choices: of several choices one after the other, of numbers always true.
        """
        return self._by_agent(self.transition.available(state.obs), rows=True)

    def get_world_state(self, state: State) -> Array:
        """What a central critic sees, `(g,)`.

        Args:
            state: at the start of the slot.
        """
        return state.obs.world

    @property
    def world_state_size(self) -> int:
        """Entries of the world's state."""
        return self.view.env.world_size

    def _stepped(self, key: Array, state: State, actions: Mapping[str, Any], *, resets: bool) -> tuple[Any, Timestep]:
        if missing := [agent for agent in self.agents if agent not in actions]:
            raise ValueError(f"actions are missing of {', '.join(missing)}")
        by_group = {
            group: jax.tree.map(lambda *of_agents: jnp.stack(of_agents), *(actions[agent] for agent in agents))
            for group, agents in self.agent_names.items()
        }
        transition = self.transition
        return transition.step(key, state.env, state.obs, by_group, transition.params, resets=resets)

    def _told(self, state: Any, ts: Timestep, step: Array) -> tuple[Any, ...]:
        after = State(ts.done, step, state, ts.obs)
        rewards = self._by_agent(ts.reward, rows=True)
        dones = dict.fromkeys((*self.agents, "__all__"), ts.done)
        flags = {"truncated": ts.truncated, "terminated": ts.terminated}
        infos: dict[str, Any] = {name: jnp.broadcast_to(flag, (self.num_agents,)) for name, flag in flags.items()}
        taking_part = [
            ts.obs.active.get(group, jnp.ones(len(agents), bool)) for group, agents in self.agent_names.items()
        ]
        infos |= {"active": jnp.concatenate(taking_part)} | {name: ts.info[name] for name in self.info}
        if self.final_obs:
            infos["final_obs"] = self._shown(ts.next_obs)
        return self.get_obs(after), after, rewards, dones, infos

    def _by_agent(self, by_group: Mapping[str, Any], *, rows: bool = False) -> dict[str, Any]:
        """The same for all of a group, or of each its row."""
        return {
            agent: jax.tree.map(lambda x, i=i: x[i], by_group[group]) if rows else by_group[group]
            for group, agents in self.agent_names.items()
            for i, agent in enumerate(agents)
        }

    def _seen(self, group: str) -> Any:
        boxes = self.view.env.observation_space
        box, width = boxes[group], max(x.shape[0] for x in boxes.values()) if self.pad else boxes[group].shape[0]
        more = self.pad or self.one_hot
        low, high = (min(box.low, 0.0), max(box.high, 1.0)) if more else (box.low, box.high)
        return spaces.Box(low, high, (width + self.one_hot * len(boxes),))

    def _shown(self, obs: Observation) -> dict[str, Array]:
        widest = max(rows.shape[1] for rows in obs.agents.values())
        shown = {}
        for place, (group, rows) in enumerate(obs.agents.items()):
            parts = [rows]
            if self.pad:
                parts.append(jnp.zeros((len(rows), widest - rows.shape[1]), rows.dtype))
            if self.one_hot:
                parts.append(jnp.zeros((len(rows), len(obs.agents)), rows.dtype).at[:, place].set(1))
            shown[group] = jnp.concatenate(parts, 1)
        seen = self._by_agent(shown, rows=True)
        return seen | {"world_state": obs.world} if self.world_state else seen


def _choices(n: np.ndarray) -> Any:
    """The space of several choices."""
    if n.ndim > 1:
        raise ValueError(f"JaxMARL has no space for choices of shape {n.shape}: take the view 'discrete'")
    return spaces.MultiDiscrete(n)
