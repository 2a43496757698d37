"""Any environment as a Gymnasium environment: one world, or a vector of worlds or of agents.

    env, params = jaxvec.make("isac_iov")
    SingleEnv(env, params)                             # one world; one agent sees what all see together, decides for all
    VectorEnv(env, params, 64)                         # 64 such worlds
    VectorEnv(env, params, 64, each="agent")           # every agent of 64 worlds: sees its own row, earns its own reward

The joint view is that of `jaxvec.core.wrappers.one_agent`. All agents are asked at once, also where they could take turns:
they see the slot as it begins. Info has

- "action_mask", in all views but "flat", where there are choices that may be forbidden: of `SingleEnv` as
  `action_space.sample(mask)` takes it; of `VectorEnv` int8 `(num_envs, sum of the choices)`, or by component
  `(num_envs, *shape, k)`;
- "active", of agents: whether the agent takes part in the slot (vehicles come and go; who is away stays in the vector, and
  what it does has no effect);
- what is named by `info`, of the slot that was stepped: with `each="agent"` what belongs to the world, once for each agent.

An episode that is over begins anew in the same step, or in the next one (`autoreset_mode`), or when told to by
`reset(options={"reset_mask": ...})`. In the same step, "final_obs" and "final_info" have the last of the old one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxvec.adapters.actions import ActionView
from jaxvec.adapters.library import library
from jaxvec.adapters.spaces import action_space, observation_space, sample_mask
from jaxvec.adapters.worlds import (
    NEVER,
    NEXT_STEP,
    SAME_STEP,
    Outcome,
    Program,
    Seen,
    Worlds,
    check_options,
    host,
    names,
)
from jaxvec.core.environment import Environment
from jaxvec.core.wrappers import GROUP_ALL, one_agent

gym: Any = library("gymnasium")
batch_space: Any = library("gymnasium.vector.utils").batch_space
MODES = {
    gym.vector.AutoresetMode.NEXT_STEP: NEXT_STEP,
    gym.vector.AutoresetMode.SAME_STEP: SAME_STEP,
    gym.vector.AutoresetMode.DISABLED: NEVER,
}
EACH = ("world", "agent")


class SingleEnv(gym.Env):
    """One world, in which one agent decides for all.

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
        joint = one_agent(env)
        self.metadata = {"render_modes": [], "autoreset_mode": gym.vector.AutoresetMode.DISABLED}
        self.view = ActionView(joint, actions, bins)
        self.worlds = Worlds(Program(joint, info=names(info)), self.view, params)
        self.observation_space = observation_space(joint.observation_space[GROUP_ALL])
        self.action_space = action_space(self.view, GROUP_ALL)
        self._over = True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first episode of a seed; without one, the next episode.

        Args:
            seed: see `jaxvec.adapters`.
            options: none are known.
        Returns:
            The observation `(g,)`, and info.
        Raises:
            ValueError: there are options.
        """
        check_options(options)
        super().reset(seed=seed)
        fresh = seed is not None or self.worlds.carry is not None
        seen = self.worlds.reset(seed, 0 if fresh else int(self.np_random.integers(2**31)))
        self._over = False
        return host(seen.rows[GROUP_ALL])[0, 0], self._info(seen)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One slot.

        Args:
            action: in `action_space`.
        Returns:
            The observation `(g,)`, the agents' mean reward, whether the episode terminated, or was truncated, and info.
        Raises:
            gym.error.ResetNeeded: no episode has begun, or it is over.
        """
        if self._over:
            raise gym.error.ResetNeeded("there is no episode to step: call reset()")
        given = self.view.check(GROUP_ALL, action, ())
        lead = {name: x[None, None] for name, x in given.items()} if isinstance(given, dict) else given[None, None]
        out = self.worlds.step({GROUP_ALL: lead})
        rows, reward, terminated, truncated, info = host(
            (out.seen.rows[GROUP_ALL], out.reward[GROUP_ALL], out.terminated, out.truncated, out.info)
        )
        self._over = bool(terminated[0] | truncated[0])
        info = {name: x[0] for name, x in info.items()} | self._info(out.seen)
        return rows[0, 0], float(reward[0, 0]), bool(terminated[0]), bool(truncated[0]), info

    def _info(self, seen: Seen) -> dict[str, Any]:
        if self.view.kind == "flat" or not seen.mask[GROUP_ALL]:
            return {}
        masks = {name: x[0, 0] for name, x in host(seen.mask[GROUP_ALL]).items()}
        return {"action_mask": sample_mask(self.view, GROUP_ALL, masks)}


class VectorEnv(gym.vector.VectorEnv):
    """Many worlds, each in which one agent decides for all; or the agents of many worlds.

    With `each="agent"` sub-environment `w * n + i` is agent i of world w, and all agents of a world begin and end together.

    Args:
        env: the environment; for `each="agent"` its agents must be of one group.
        params: its numbers, of one world or swept over worlds; None: the default ones.
        num_worlds: W; `num_envs` is W, or W times the number of agents.
        each: what a sub-environment is, "world" or "agent".
        autoreset_mode: a `gymnasium.vector.AutoresetMode`.
        actions: how they look: "flat", "discrete", "single" or "dict", see `jaxvec.adapters.actions`.
        bins: values of a number in the views "discrete" and "single".
        info: names of `env.info_fields` to hand out.
    Raises:
        ValueError: a setting or a number is not accepted; says which, and what is.
    """

    def __init__(
        self,
        env: Environment,
        params: Any = None,
        num_worlds: int = 1,
        *,
        each: str = "world",
        autoreset_mode: Any = gym.vector.AutoresetMode.NEXT_STEP,
        actions: str = "flat",
        bins: int = 11,
        info: Sequence[str] = (),
    ):
        if each not in EACH:
            raise ValueError(f"each must be one of {', '.join(EACH)}, not {each!r}")
        if each == "agent" and len(env.n_agents) > 1:
            groups = ", ".join(env.n_agents)
            raise ValueError(
                f'{env.id}: agents of several groups ({groups}) have different spaces; each="world" is for it'
            )
        mode = gym.vector.AutoresetMode(autoreset_mode)
        env = one_agent(env) if each == "world" else env
        self.each, self.view = each, ActionView(env, actions, bins)
        self.worlds = Worlds(Program(env, num_worlds, MODES[mode], names(info)), self.view, params)
        ((self.group, self.agents),) = env.n_agents.items()
        self.num_envs = num_worlds * self.agents
        self.metadata = {"render_modes": [], "autoreset_mode": mode}
        self.single_observation_space = observation_space(env.observation_space[self.group])
        self.single_action_space = action_space(self.view, self.group)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._over = np.ones(num_worlds, bool)

    def reset(
        self, *, seed: int | list[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """The first episodes of a seed; without one, the next episodes.

        Args:
            seed: see `jaxvec.adapters`; or a list of one for each world.
            options: "reset_mask", bool `(num_envs,)`: the next episode in these worlds alone.
        Returns:
            The observations `(num_envs, d)`, and infos.
        Raises:
            ValueError: there is another option; or the mask has another shape or type, resets an agent without those of its
                world, or comes with a seed.
        """
        check_options(options, "reset_mask")
        super().reset(seed=seed if isinstance(seed, int) else None)
        if options and "reset_mask" in options:
            where = self._reset_mask(options["reset_mask"], seed)
            seen = self.worlds.reset_some(where)
        else:
            where = np.ones(len(self._over), bool)
            fresh = seed is not None or self.worlds.carry is not None
            seen = self.worlds.reset(seed, 0 if fresh else int(self.np_random.integers(2**31)))
        self._over = self._over & ~where
        return self._obs(seen), self._told(seen, where)

    def _reset_mask(self, mask: Any, seed: Any) -> np.ndarray:
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != bool:
            raise ValueError(f"reset_mask must be bool of shape ({self.num_envs},), not {mask.dtype}{list(mask.shape)}")
        by_world = mask.reshape(-1, self.agents)
        if np.any(by_world != by_world[:, :1]):
            raise ValueError("reset_mask must take all agents of a world, or none")
        if seed is not None or self.worlds.carry is None:
            raise ValueError("reset_mask is for worlds that have begun, and goes without a seed")
        return by_world[:, 0]

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One slot in all worlds; in those that wait for a reset, the reset.

        Args:
            actions: in `action_space`.
        Returns:
            Observations `(num_envs, d)`, rewards, whether episodes terminated, or were truncated, and infos.
        Raises:
            gym.error.ResetNeeded: no episode has begun, or one is over and nobody resets it.
        """
        if self.worlds.carry is None or (self.worlds.program.autoreset == NEVER and np.any(self._over)):
            raise gym.error.ResetNeeded("there is no episode to step in some worlds: call reset()")
        out = self.worlds.step({self.group: self._by_world(actions)})
        reward, terminated, truncated, begins = host(
            (out.reward[self.group], out.terminated, out.truncated, out.begins)
        )
        self._over = terminated | truncated
        each = (self._repeated(x) for x in (terminated, truncated))
        return self._obs(out.seen), reward.reshape(-1), *each, self._infos(out, begins)

    def _by_world(self, actions: Any) -> Any:
        """Actions `(num_envs, *shape)` as the worlds take them, `(W, n, *shape)`."""
        given = self.view.check(self.group, actions, (self.num_envs,))

        def split(x: np.ndarray) -> np.ndarray:
            return x.reshape(-1, self.agents, *x.shape[1:])

        return {name: split(x) for name, x in given.items()} if isinstance(given, dict) else split(given)

    def _obs(self, seen: Seen) -> np.ndarray:
        rows = host(seen.rows[self.group])
        return rows.reshape(self.num_envs, -1)

    def _repeated(self, x: np.ndarray) -> np.ndarray:
        """What belongs to a world, for each of its sub-environments."""
        return np.repeat(x, self.agents, 0)

    def _infos(self, out: Outcome, begins: np.ndarray) -> dict[str, Any]:
        info = host(out.info)
        everywhere = np.ones_like(begins)
        infos = self._told(out.seen, everywhere) | self._slot(info, ~begins)
        if out.final is not None and begins.any():
            last, where = self._obs(out.final), self._repeated(begins)
            final_obs = np.full(self.num_envs, None, object)
            for i in np.flatnonzero(where):
                final_obs[i] = last[i]
            final_info = self._told(out.final, begins) | self._slot(info, begins)
            infos |= {
                "final_obs": final_obs,
                "_final_obs": where,
                "final_info": final_info,
                "_final_info": where.copy(),
            }
        return infos

    def _slot(self, info: dict[str, np.ndarray], where: np.ndarray) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for name, x in info.items() if where.any() else ():
            kept = np.where(where.reshape(-1, *(1,) * (x.ndim - 1)), x, np.zeros((), x.dtype))
            told |= {name: self._repeated(kept), f"_{name}": self._repeated(where)}
        return told

    def _told(self, seen: Seen, where: np.ndarray) -> dict[str, Any]:
        """Of an observation what is no entry of it: the mask, and who takes part."""
        told: dict[str, Any] = {}
        if self.view.kind != "flat" and seen.mask[self.group]:
            masks = {
                name: x.reshape(self.num_envs, *x.shape[2:]).astype(np.int8)
                for name, x in host(seen.mask[self.group]).items()
            }
            by_name = self.view.kind == "dict"
            told["action_mask"] = masks if by_name else self.view.joined(masks, self.group, (self.num_envs,))
        if self.each == "agent":
            told["active"] = host(seen.active[self.group]).reshape(-1)
        return told | {f"_{name}": self._repeated(where) for name in list(told)}
