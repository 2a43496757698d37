"""Any environment as a PettingZoo environment: `Parallel` of all, `TurnBased` (AEC) of those whose agents take turns.

    env, params = jaxvec.make("v2x_offload")
    Parallel(env, params)        # all agents act at once, on the slot as it begins
    TurnBased(env, params)       # one after the other, each seeing what its predecessors left, as in `Environment.act`

Agents are named by group and number, `vehicle_0`. They stay alive until the episode is over: one that takes no part in a slot
(vehicles come and go) has "active" False in its info, and its mask allows one choice. Infos have

- "active": whether the agent takes part in the slot that is next;
- "action_mask", in all views but "flat", where there are choices that may be forbidden: as
  `action_space(agent).sample(mask)` takes it;
- what is named by `info`, of the slot that was stepped: the world's, the same for all.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxvec.adapters.actions import ActionView
from jaxvec.adapters.library import library
from jaxvec.adapters.spaces import action_space, observation_space, sample_mask
from jaxvec.adapters.worlds import Carry, Program, Seen, Worlds, host, names, show
from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.rollout import policy_keys
from jaxvec.core.turns import Turn, first_turn, next_turn
from jaxvec.core.types import Timestep

pettingzoo: Any = library("pettingzoo")


class Agents:
    """Names, spaces and worlds of both kinds.

    Args:
        env: the environment.
        params: its numbers; None: the default ones.
        actions: how they look: "flat", "discrete", "single" or "dict", see `jaxvec.adapters.actions`.
        bins: values of a number in the views "discrete" and "single".
        info: names of `env.info_fields` to hand out.
    Raises:
        ValueError: a setting or a number is not accepted; says which, and what is.
    """

    def __init__(
        self, env: Environment, params: Any = None, *, actions: str = "flat", bins: int = 11, info: Sequence[str] = ()
    ):
        self.metadata = {"name": f"jaxvec_{env.id}", "render_modes": [], "is_parallelizable": True}
        self.render_mode = None
        self.view = ActionView(env, actions, bins)
        self.worlds = Worlds(Program(env, info=names(info)), self.view, params)
        self.places = {f"{group}_{i}": (group, i) for group, n in env.n_agents.items() for i in range(n)}
        self.possible_agents = list(self.places)
        self.agents: list[str] = []
        seen = env.observation_space
        self._observation_spaces = {name: observation_space(seen[group]) for name, (group, _) in self.places.items()}
        self._action_spaces = {name: action_space(self.view, group) for name, (group, _) in self.places.items()}
        self._rng = np.random.default_rng()
        self._seen: Seen | None = None

    def observation_space(self, agent: str) -> Any:
        """Of an agent; always the same object.

        Args:
            agent: its name.
        """
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        """Of an agent; always the same object.

        Args:
            agent: its name.
        """
        return self._action_spaces[agent]

    @property
    def state_space(self) -> Any:
        """Of `state`."""
        spaces = library("gymnasium.spaces")
        return spaces.Box(-np.inf, np.inf, (self.worlds.env.world_size,), np.float32)

    def _begin(self, seed: int | None) -> Seen:
        self._seen = self.worlds.reset(seed, int(self._rng.integers(2**31)))
        self.agents = list(self.possible_agents)
        return self._seen

    def state(self) -> np.ndarray:
        """What a central critic sees at the beginning of the slot, `(g,)`.

        Raises:
            ValueError: no episode has begun.
        """
        return host(self._now.world)[0]

    @property
    def _now(self) -> Seen:
        if self._seen is None:
            raise ValueError("no episode has begun: call reset()")
        return self._seen

    def _mask(self, agent: str, masks: dict[str, dict[str, np.ndarray]], row: int) -> dict[str, Any]:
        """The entry of info, of masks `(W, n, ...)` by group."""
        group = self.places[agent][0]
        if self.view.kind == "flat" or not masks[group]:
            return {}
        return {"action_mask": sample_mask(self.view, group, {name: x[0, row] for name, x in masks[group].items()})}

    def _infos(self, seen: Seen, info: dict[str, Any]) -> dict[str, dict[str, Any]]:
        active, masks, told = host((seen.active, seen.mask, info))
        infos = {}
        for agent, (group, i) in self.places.items():
            own = {name: x[0].copy() if x[0].ndim else x[0] for name, x in told.items()}
            infos[agent] = {"active": bool(active[group][0, i])} | self._mask(agent, masks, i) | own
        return infos

    def _lead(self, agent: str, action: Any) -> Any:
        """An agent's action, checked, with the axes of worlds and agents."""
        try:
            given = self.view.check(self.places[agent][0], action, ())
        except ValueError as error:
            raise ValueError(f"{agent}, {error}") from None
        return jax.tree.map(lambda x: x[None, None], given)


class Parallel(Agents, pettingzoo.ParallelEnv):
    """All agents act at once, on the slot as it begins; made as `Agents`."""

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """The first episode of a seed; without one, the next episode.

        Args:
            seed: see `jaxvec.adapters`.
            options: none are known, and any are accepted without effect: PettingZoo's own tests give every environment some.
        Returns:
            Observations `(d,)` and infos by agent.
        """
        seen = self._begin(seed)
        return self._rows(), self._infos(seen, {})

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """One slot.

        Args:
            actions: of every agent.
        Returns:
            By agent: observations `(d,)`, rewards, whether the episode terminated, whether it was truncated, infos.
        Raises:
            ValueError: there is no episode, or actions are missing.
        """
        if not self.agents:
            raise ValueError("there is no episode to step: call reset()")
        if missing := [agent for agent in self.agents if agent not in actions]:
            raise ValueError(f"actions are missing of {', '.join(missing)}")
        lead = {agent: self._lead(agent, actions[agent]) for agent in self.agents}
        by_group = {}
        for group in self.worlds.env.n_agents:
            of_group = [lead[agent] for agent in self.agents if self.places[agent][0] == group]
            by_group[group] = jax.tree.map(lambda *x: np.concatenate(x, 1), *of_group)
        out = self.worlds.step(by_group)
        self._seen = out.seen
        reward, (terminated,), (truncated,) = host((out.reward, out.terminated, out.truncated))
        agents = self.agents
        self.agents = [] if terminated | truncated else agents
        rewards = {agent: float(reward[group][0, i]) for agent, (group, i) in self.places.items()}
        ends = [dict.fromkeys(agents, bool(flag)) for flag in (terminated, truncated)]
        return self._rows(), rewards, *ends, self._infos(out.seen, out.info)

    def _rows(self) -> dict[str, Any]:
        rows = host(self._now.rows)
        return {agent: rows[group][0, i].copy() for agent, (group, i) in self.places.items()}


def _context(program: Program, carry: Carry) -> tuple[Array, Any, Timestep]:
    """The key of the policy, the state and the timestep of a slot."""
    keys = policy_keys(carry.key, program.n_worlds, carry.episode)
    return rng.fold_in(keys, carry.t + 1), carry.state, first_timestep(program.env, carry.obs, carry.t.shape)


def _show_turn(program: Program, turn: Turn) -> tuple[Any, Seen]:
    """Who it is, and what it sees; of the one world that there is."""
    (who,) = turn.obs.ids.values()
    who = who.reshape(-1)[:1]
    active = {name: x[who] for name, x in turn.obs.active.items()}
    return who[0], show(program, turn.obs.replace(active=active))


@partial(jax.jit, static_argnums=0)
def _open(program: Program, carry: Carry, params: Any) -> tuple[Turn, Any]:
    """The first turn of a slot."""
    key, state, ts = _context(program, carry)
    turn = first_turn(program.env, key, state, ts, params)
    return turn, _show_turn(program, turn)


@partial(jax.jit, static_argnums=(0, 1))
def _take(program: Program, view: ActionView, carry: Carry, turn: Turn, actions: Any, params: Any) -> tuple[Turn, Any]:
    """An agent decides, and another one follows."""
    action = view.decode(actions, turn.obs.mask, 1)
    key, state, ts = _context(program, carry)
    turn = next_turn(program.env, key, turn, action, state, ts, params)
    return turn, _show_turn(program, turn)


class TurnBased(Agents, pettingzoo.AECEnv):
    """Agents act one after the other, each on what its predecessors left of the slot.

    Rewards come when the last of a slot has acted. `observe` of an agent whose turn it is not gives the slot as it began.
    Made as `Agents`, of an environment whose agents take turns.
    """

    def __init__(self, env: Environment, params: Any = None, **settings: Any):
        """As `Agents`.

        Args:
            env: the environment, whose agents take turns.
            params: its numbers; None: the default ones.
            settings: `actions`, `bins`, `info`.
        """
        if not env.takes_turns:
            raise ValueError(f"{env.id}: its agents decide at the same time, as in jaxvec.adapters.pettingzoo.Parallel")
        super().__init__(env, params, **settings)
        self.metadata["is_parallelizable"] = False

    def reset(self, seed: int | None = None, options: Any = None) -> None:
        """The first episode of a seed; without one, the next episode.

        Args:
            seed: see `jaxvec.adapters`.
            options: none are known, and any are accepted without effect: PettingZoo's own tests give every environment some.
        """
        seen, self._skip_agent_selection = self._begin(seed), None
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations, self.truncations = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, False)
        self.infos = self._infos(seen, {})
        self._open_slot()

    def step(self, action: Any) -> None:
        """The agent whose turn it is acts; of an agent that is done the action is None.

        Args:
            action: in its space.
        Raises:
            ValueError: there is no episode; or the action is not accepted.
        """
        if not self.agents:
            raise ValueError("there is no episode to step: call reset()")
        agent, worlds = self.agent_selection, self.worlds
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        given = {self.places[agent][0]: self._lead(agent, action)}
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        turn, shown = _take(worlds.program, self.view, worlds.carry, self._turn, given, worlds.params)
        if self._k + 1 < len(self.agents):
            self._select(self._k + 1, turn, shown)
            return
        out = worlds.slot(turn.action)
        self._seen = out.seen
        reward, (terminated,), (truncated,) = host((out.reward, out.terminated, out.truncated))
        self.rewards = {agent: float(reward[group][0, i]) for agent, (group, i) in self.places.items()}
        self.terminations = dict.fromkeys(self.agents, bool(terminated))
        self.truncations = dict.fromkeys(self.agents, bool(truncated))
        self.infos = self._infos(out.seen, out.info)
        self._accumulate_rewards()
        self._open_slot()

    def _open_slot(self) -> None:
        turn, shown = _open(self.worlds.program, self.worlds.carry, self.worlds.params)
        self._select(0, turn, shown)

    def _select(self, k: int, turn: Turn, shown: Any) -> None:
        """It is the turn of another agent, the k-th of the slot."""
        who, seen = shown
        who, rows, masks = host((who, seen.rows, seen.mask))
        ((group, row),) = rows.items()
        self._k, self._turn, self._row = k, turn, row[0, 0]
        self.agent_selection = f"{group}_{int(who)}"
        self.infos[self.agent_selection] |= self._mask(self.agent_selection, masks, 0)

    def observe(self, agent: str) -> np.ndarray:
        """What an agent sees: in its turn what its predecessors left, else the slot as it began.

        Args:
            agent: its name.
        """
        if agent == self.agent_selection and not (self.terminations[agent] or self.truncations[agent]):
            return self._row.copy()
        group, i = self.places[agent]
        return host(self._now.rows[group])[0, i].copy()
