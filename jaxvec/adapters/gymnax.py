"""Any environment as one of gymnax (from 1.0 on): one agent that decides for all, numbers as an argument, a step that resets.

    env, params = jaxvec.make("isac_iov")
    single = LogWrapper(SingleAgent(env))
    obs, state = jax.vmap(single.reset, (0, None))(keys, params)
    obs, state, reward, terminated, truncated, info = jax.vmap(single.step, (0, 0, 0, None))(keys, state, action, params)

The joint view is that of `jaxvec.core.wrappers.one_agent`: what all see together, and the mean of their rewards. `params` are the
numbers of jaxvec, which may be swept by `jax.vmap`.

**Truncation.** A horizon truncates, and is told apart from a real end: `terminated` and `truncated` are flags of their own, also
in `info`, where "final_observation" is the true last observation of an episode and "discount" is 0 only where a world really
ended. So a return goes on through a truncation:

    following = info["discount"] * value(info["final_observation"])

As everywhere in gymnax, no gradient flows through a transition unless it is asked for, by
`SingleAgent(env).with_transition_gradients()`.
"""

import math
from collections.abc import Sequence
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
from jaxvec.core.wrappers import GROUP_ALL, one_agent

base: Any = library("gymnax.environments.environment").Environment
spaces: Any = library("gymnax.environments.spaces")


class MultiDiscrete(spaces.Space):
    """Several choices, which gymnax has no space for.

    Args:
        n: of each, how many there are, of any shape.
    """

    def __init__(self, n: np.ndarray):
        self.n, self.shape, self.dtype = n, n.shape, jnp.int32

    def sample(self, key: Array) -> Array:
        """All choices equally likely, int32 `shape`.

        Args:
            key: of either kind.
        """
        return jax.random.randint(key, self.shape, 0, self.n, self.dtype)

    def contains(self, x: Array) -> Array:
        """Whether all are choices, bool `()`.

        Args:
            x: whole numbers `shape`.
        """
        return jnp.all((x >= 0) & (x < self.n))


class State(struct.PyTreeNode):
    """A world between two slots.

    Attributes:
        time: int32 `()`, slots done of the episode.
        env: the environment's state.
        obs: what is seen.
        terminated, truncated: bool `()`, whether the episode is over; false again where the next one has begun.
    """

    time: Array
    env: Any
    obs: Observation
    terminated: Array
    truncated: Array


class SingleAgent(base):
    """One world, in which one agent decides for all.

    Args:
        env: the environment.
        params: its default numbers; None: those of the environment.
        actions: how they look: "flat", "discrete", "single" or "dict", see `jaxvec.adapters.actions`.
        bins: values of a number in the views "discrete" and "single".
        info: names of `env.info_fields` to hand out, of the slot that was stepped.
    Raises:
        ValueError: a setting or a number is not accepted; says which, and what is.
    """

    _supports_transition_gradients = True

    def __init__(
        self, env: Environment, params: Any = None, *, actions: str = "flat", bins: int = 11, info: Sequence[str] = ()
    ):
        joint = one_agent(env)
        self.view = ActionView(joint, actions, bins)
        self.transition = Transition(self.view, params)
        self.info = Program(joint, info=names(info)).info

    @property
    def name(self) -> str:
        """Of the environment."""
        return f"jaxvec_{self.view.env.id}"

    @property
    def default_params(self) -> Any:
        """The numbers where none are given."""
        return self.transition.params

    @property
    def num_actions(self) -> int:
        """Choices, of a single one; else entries of an action."""
        space = self.action_space()
        return space.n if isinstance(space, spaces.Discrete) else math.prod(space.shape)

    @partial(jax.jit, static_argnames="self")
    def reset(self, key: Array, params: Any = None) -> tuple[Array, State]:
        """A fresh episode.

        Args:
            key: of either kind.
            params: the numbers; None: the default ones.
        Returns:
            The observation `(d,)` and the state.
        """
        return self.reset_env(key, self.default_params if params is None else params)

    @partial(jax.jit, static_argnames="self")
    def step(self, key: Array, state: State, action: Any, params: Any = None) -> tuple[Any, ...]:
        """One slot, and where it ends the episode the next one, whose first observation is given.

        Args:
            key: of either kind.
            state: at the start of the slot.
            action: in the space of actions.
            params: the numbers; None: the default ones.
        Returns:
            Observation `(d,)`, state, reward `()`, whether the episode terminated, whether it was truncated, info.
        """
        after, ts = self._stepped(key, state, action, self.default_params if params is None else params, resets=True)
        began = State(jnp.where(ts.done, 0, state.time + 1), after, ts.obs, *self._never())
        obs, began = self._apply_transition_gradient_policy(_row(ts.obs), began)
        final, _ = self._apply_transition_gradient_policy(_row(ts.next_obs), ())
        info = self._told(ts) | {"terminated": ts.terminated, "truncated": ts.truncated, "final_observation": final}
        return obs, began, ts.reward[GROUP_ALL][0], ts.terminated, ts.truncated, info

    def reset_env(self, key: Array, params: Any) -> tuple[Array, State]:
        """A fresh episode, as `reset`.

        Args:
            key: of either kind.
            params: the numbers.
        """
        state, ts = self.transition.reset(key, params)
        return _row(ts.obs), State(jnp.zeros((), jnp.int32), state, ts.obs, *self._never())

    def step_env(self, key: Array, state: State, action: Any, params: Any) -> tuple[Any, ...]:
        """One slot, and no reset; whether it truncated the episode says `is_truncated` of the state.

        Args:
            key: of either kind.
            state: at the start of the slot.
            action: in the space of actions.
            params: the numbers.
        Returns:
            Observation `(d,)`, state, reward `()`, whether the episode terminated, info.
        """
        env, ts = self._stepped(key, state, action, params, resets=False)
        after = State(state.time + 1, env, ts.obs, ts.terminated, ts.truncated)
        obs, after = self._apply_transition_gradient_policy(_row(ts.obs), after)
        return obs, after, ts.reward[GROUP_ALL][0], ts.terminated, self._told(ts)

    def get_obs(self, state: State, params: Any = None, key: Any = None) -> Array:
        """What is seen at the start of a slot, `(d,)`.

        Args:
            state: then.
            params, key: not needed.
        """
        return _row(state.obs)

    def action_mask(self, state: State) -> Any:
        """What is allowed, bool, as many as there are choices: of several choices one after the other, of numbers always true.

        Args:
            state: at the start of the slot.
        """
        return jax.tree.map(lambda x: x[0], self.transition.available(state.obs)[GROUP_ALL])

    def is_truncated(self, state: State, params: Any = None) -> Array:
        """Whether the horizon has ended the episode, of a state that `step_env` gave.

        Args:
            state: after the slot.
            params: not needed.
        """
        return state.truncated

    def is_terminated(self, state: State, params: Any = None) -> Array:
        """Whether the episode has really ended, of a state that `step_env` gave.

        Args:
            state: after the slot.
            params: not needed.
        """
        return state.terminated

    def action_space(self, params: Any = None) -> Any:
        """Of an action.

        Args:
            params: not needed.
        """
        return action_space(self.view, GROUP_ALL, spaces, MultiDiscrete)

    def observation_space(self, params: Any = None) -> Any:
        """Of an observation.

        Args:
            params: not needed.
        """
        box = self.view.env.observation_space[GROUP_ALL]
        return spaces.Box(box.low, box.high, box.shape)

    def _stepped(self, key: Array, state: State, action: Any, params: Any, *, resets: bool) -> tuple[Any, Timestep]:
        given = {GROUP_ALL: jax.tree.map(lambda x: jnp.asarray(x)[None], action)}
        return self.transition.step(key, state.env, state.obs, given, params, resets=resets)

    def _told(self, ts: Timestep) -> dict[str, Any]:
        return {"discount": 1.0 - ts.terminated} | {name: ts.info[name] for name in self.info}

    def _never(self) -> tuple[Array, Array]:
        return jnp.zeros((), bool), jnp.zeros((), bool)


def _row(obs: Observation) -> Array:
    return obs.agents[GROUP_ALL][0]
