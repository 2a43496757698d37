"""Any environment as a vector environment of Stable-Baselines3: its PPO, SAC and the like train on worlds, or on agents.

    env, params = jaxvec.make("isac_iov")
    PPO("MlpPolicy", VecEnv(env, params, 16, each="agent"))      # one network for all agents, each with its row and reward
    SAC("MlpPolicy", VecEnv(env, params, 16))                    # one agent decides for all of a world

It is `jaxvec.adapters.gymnasium.VectorEnv` in the form of that library. `action_masks()` is what `MaskablePPO` of sb3-contrib
asks for, in the views "discrete" and "single".

Throughout:
    indices: of the sub-environments that are asked; None: all.
    attr_name, value, method_name, method_args, method_kwargs, wrapper_class: see the library's own `VecEnv`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxvec.adapters.gymnasium import VectorEnv
from jaxvec.adapters.library import library
from jaxvec.adapters.worlds import check_options
from jaxvec.core.environment import Environment

gym: Any = library("gymnasium")
base: Any = library("stable_baselines3.common.vec_env.base_vec_env").VecEnv


class VecEnv(base):
    """Many worlds, or the agents of many worlds; an episode that is over begins anew in the same step.

    Args:
        env: the environment; for `each="agent"` its agents must be of one group.
        params: its numbers, of one world or swept over worlds; None: the default ones.
        num_worlds: W; `num_envs` is W, or W times the number of agents.
        each: what a sub-environment is, "world" or "agent".
        actions: how they look: "flat", "discrete" or "single", see `jaxvec.adapters.actions`; dicts are not known there.
        bins: values of a number in the views "discrete" and "single".
        info: names of `env.info_fields` to hand out, in the info of every sub-environment.
    Raises:
        ValueError: a setting or a number is not accepted; says which, and what is.
    """

    render_mode = None

    def __init__(
        self,
        env: Environment,
        params: Any = None,
        num_worlds: int = 1,
        *,
        each: str = "world",
        actions: str = "flat",
        bins: int = 11,
        info: Sequence[str] = (),
    ):
        if actions == "dict":
            raise ValueError(
                "actions must be one of flat, discrete, single, not 'dict': Stable-Baselines3 has no dicts of actions"
            )
        same_step = gym.vector.AutoresetMode.SAME_STEP
        self.vector = VectorEnv(
            env, params, num_worlds, each=each, autoreset_mode=same_step, actions=actions, bins=bins, info=info
        )
        self._masks: np.ndarray | None = None
        self._actions: Any = None
        super().__init__(self.vector.num_envs, self.vector.single_observation_space, self.vector.single_action_space)

    def reset(self) -> np.ndarray:
        """The first episodes of the seed that `seed` has set, else the next ones.

        Raises:
            ValueError: `set_options` has set some: there are none.
        """
        for options in self._options:
            check_options(options)
        obs, infos = self.vector.reset(seed=self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        self._masks = infos.get("action_mask")
        self.reset_infos = self._each(infos)
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        """Takes the actions of `step_wait`.

        Args:
            actions: `(num_envs, *shape)`, in the space.
        """
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """One slot in all worlds; of those that ended, "terminal_observation" and "TimeLimit.truncated" are in infos."""
        obs, reward, terminated, truncated, infos = self.vector.step(self._actions)
        self._masks, done = infos.get("action_mask"), terminated | truncated
        each = self._each(infos)
        for i in np.flatnonzero(done):
            each[i] |= {name: x[i] for name, x in infos["final_info"].items() if not name.startswith("_")}
            each[i]["terminal_observation"] = infos["final_obs"][i]
            each[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
        return obs, reward, done, each

    def _each(self, infos: dict[str, Any]) -> list[dict[str, Any]]:
        """Infos of all as a list of those of each."""
        skip = ("final_obs", "final_info")
        told = {name: x for name, x in infos.items() if not name.startswith("_") and name not in skip}
        return [{name: x[i] for name, x in told.items()} for i in range(self.num_envs)]

    def action_masks(self) -> np.ndarray:
        """What is allowed, bool `(num_envs, sum of the choices)`; in the view "discrete"."""
        masks = self._masks
        if masks is None:  # the environment forbids nothing
            masks = self.vector.view.joined({}, self.vector.group, (self.num_envs,))
        return masks.astype(bool)

    def close(self) -> None:
        """There is nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute, the same of all that are asked.

        Raises:
            AttributeError: there is none of this name.
        """
        if attr_name == "action_masks" and self.vector.view.kind == "flat":
            raise AttributeError(attr_name)
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: one program steps all.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"{attr_name} cannot be set of some: one program steps all; make another VecEnv")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """`action_masks` of each.

        Raises:
            AttributeError: another method.
        """
        if method_name != "action_masks":
            raise AttributeError(f"one program steps all: there is no {method_name} of each, but action_masks")
        masks = self.action_masks()
        return [masks[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """None is."""
        return [False for _ in self._get_indices(indices)]
