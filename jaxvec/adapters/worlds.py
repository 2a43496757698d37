"""Worlds that are stepped from outside: what the adapters share of it.

Throughout:
    program: what is compiled, see `Program`.
    carry: of the worlds, see `Carry`.
    params: the numbers, as `world_params` gives them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxvec.adapters.actions import ActionView, Masks, masks
from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.errors import suggest
from jaxvec.core.layout import batch_first
from jaxvec.core.params import check_params, world_params
from jaxvec.core.rollout import world_keys
from jaxvec.core.types import Observation

NEVER, SAME_STEP, NEXT_STEP = "never", "same_step", "next_step"
"""When a world whose episode is over begins the next one: when it is told to; in the step that ends it; in the step after
that, which does nothing else."""


@dataclass(frozen=True)
class Program:
    """What is compiled, and how: equal programs share a compilation.

    Attributes:
        env: the environment.
        n_worlds: W.
        autoreset: one of `NEVER`, `SAME_STEP`, `NEXT_STEP`.
        info: names of `Environment.info_fields` that are handed out.
    """

    env: Environment
    n_worlds: int = 1
    autoreset: str = NEVER
    info: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.n_worlds, bool) or not isinstance(self.n_worlds, int | np.integer) or self.n_worlds < 1:
            raise ValueError(f"the number of worlds must be a whole number of at least 1, not {self.n_worlds!r}")
        for name in self.info:
            if name not in self.env.info_fields:
                raise ValueError(suggest(f"info of {self.env.id}", name, self.env.info_fields))


def names(info: str | Sequence[str]) -> tuple[str, ...]:
    """Names of infos as a program has them.

    Args:
        info: names, or a single one.
    """
    return (info,) if isinstance(info, str) else tuple(info)


def check_options(options: Mapping[str, Any] | None, *known: str) -> None:
    """Refuse options of a reset that would have no effect.

    Args:
        options: by name; None: none.
        known: names of those that have one.
    Raises:
        ValueError: there is another one; says which, and what is known.
    """
    for name in options or ():
        if name not in known:
            accepted = f"Known: {', '.join(known)}" if known else "There are none"
            raise ValueError(f"unknown option of reset {name!r}. {accepted}; numbers are set by jaxvec.make")


class Carry(struct.PyTreeNode):
    """Worlds between two steps.

    Attributes:
        key: of all their chance, `()`, or one for each world `(W,)`.
        episode: int32 `(W,)`, which of the world's episodes it is.
        world: key `(W,)` of the episode.
        t: int32 `(W,)`, slots done of the episode.
        state: the environment's, batch-last.
        obs: to act on.
        over: bool `(W,)`, whether the episode is over, and waits for the next step.
    """

    key: Array
    episode: Array
    world: Array
    t: Array
    state: Any
    obs: Observation
    over: Array


class Seen(struct.PyTreeNode):
    """An observation as it goes out, worlds first.

    Attributes:
        rows: per group `(W, n, d)`.
        world: `(W, g)`.
        active: per group bool `(W, n)`.
        mask: per group and discrete component bool `(W, n, *shape, k)`, see `jaxvec.adapters.actions.masks`.
    """

    rows: dict[str, Any]
    world: Any
    active: dict[str, Any]
    mask: dict[str, dict[str, Any]]


class Outcome(struct.PyTreeNode):
    """What a step says, worlds first.

    Attributes:
        seen: to act on next.
        reward: per group `(W, n)`.
        terminated, truncated: bool `(W,)`.
        begins: bool `(W,)`, in which worlds `seen` is the first of an episode.
        info: by name `(W, ...)`, of the slot that was stepped.
        final: under `SAME_STEP` what was seen before resets, the last of an episode where `begins`; else None.
    """

    seen: Seen
    reward: dict[str, Any]
    terminated: Any
    truncated: Any
    begins: Any
    info: dict[str, Any]
    final: Seen | None


def _episode_keys(key: Array, episode: Array) -> Array:
    if key.ndim == 0:
        return world_keys(key, len(episode), episode)
    return jax.vmap(lambda key, episode: world_keys(key, 1, episode)[0])(key, episode)


def show(program: Program, obs: Observation) -> Seen:
    """An observation as it goes out.

    Args:
        obs: batch-last, of all agents, or of the one whose turn it is.
    """
    rows = batch_first(obs.agents, 1)
    active = {
        group: batch_first(obs.active[group], 1) if group in obs.active else jnp.ones(x.shape[:2], bool)
        for group, x in rows.items()
    }
    return Seen(rows, batch_first(obs.world, 1), active, masks(program.env, obs, 1))


def _begin(program: Program, key: Array, episode: Array, params: Any) -> Carry:
    world = _episode_keys(key, episode)
    state, ts = program.env.reset(rng.fold_in(world, 0), params)
    never = jnp.zeros(episode.shape, bool)
    return Carry(key, episode, world, jnp.zeros_like(episode), state, ts.obs, never)


@partial(jax.jit, static_argnums=0)
def begin(program: Program, key: Array, episode: Array, params: Any) -> tuple[Carry, Seen]:
    """The first slot of an episode in all worlds.

    Args:
        key: of all chance, see `Carry`.
        episode: int32 `(W,)`.
    """
    carry = _begin(program, key, episode, params)
    return carry, show(program, carry.obs)


def _begin_where(program: Program, where: Array, carry: Carry, params: Any) -> Carry:
    """The next episode in some worlds; nothing is drawn when there are none."""

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(where, new, old)

    def restart(_: Any) -> Carry:
        fresh = _begin(program, carry.key, carry.episode + 1, params)
        return jax.tree.map(choose, fresh.replace(key=()), carry.replace(key=())).replace(key=carry.key)

    return jax.lax.cond(jnp.any(where), restart, lambda _: carry, None)


@partial(jax.jit, static_argnums=0)
def begin_some(program: Program, carry: Carry, where: Array, params: Any) -> tuple[Carry, Seen]:
    """The next episode in some worlds.

    Args:
        where: bool `(W,)`, in which.
    """
    after = _begin_where(program, where, carry, params)
    return after, show(program, after.obs)


@partial(jax.jit, static_argnums=0)
def decode(view: ActionView, actions: Mapping[str, Any], mask: Masks) -> dict[str, dict[str, Array]]:
    """Actions as the environment takes them, by a small program of its own: views share what is large.

    Args:
        view: how actions look.
        actions: per group of those who act, `(W, n, *shape)`.
        mask: of the observation on which they act.
    """
    return view.decode(actions, mask, 1)


@partial(jax.jit, static_argnums=0)
def advance(program: Program, carry: Carry, action: Any, params: Any) -> tuple[Carry, Outcome]:
    """One slot in every world, and resets as the program has them.

    Args:
        action: as the environment takes it, batch-last.
    """
    state, ts = program.env.step(rng.fold_in(carry.world, carry.t + 1), carry.state, action, params)
    reward, terminated, truncated = batch_first(ts.reward, 1), ts.terminated, ts.truncated
    begins = jnp.zeros_like(terminated)
    if program.autoreset == SAME_STEP:
        begins = ts.done
    elif program.autoreset == NEXT_STEP:
        begins = carry.over
        reward = jax.tree.map(lambda x: jnp.where(begins[:, None], 0, x), reward)
        terminated, truncated = terminated & ~begins, truncated & ~begins
    after = carry.replace(state=state, obs=ts.obs, t=carry.t + 1, over=terminated | truncated)
    final = show(program, after.obs) if program.autoreset == SAME_STEP else None
    if program.autoreset != NEVER:
        after = _begin_where(program, begins, after, params)
    info = batch_first({name: ts.info[name] for name in program.info}, 1)
    return after, Outcome(show(program, after.obs), reward, terminated, truncated, begins, info, final)


def host(tree: Any) -> Any:
    """Arrays of a device as NumPy arrays of the caller's own, which may be written into.

    Args:
        tree: of arrays.
    """
    return jax.tree.map(np.array, jax.device_get(tree))


class Worlds:
    """Worlds that are stepped from outside.

    Args:
        program: what is compiled.
        view: how actions look.
        params: the numbers, of one world or swept over worlds; None: the environment's own.
    """

    def __init__(self, program: Program, view: ActionView, params: Any = None):
        self.program, self.view, self.env = program, view, program.env
        params = self.env.default_params() if params is None else params
        self.params = jax.tree.map(jnp.asarray, world_params(check_params(params, self.env)))
        self.carry: Carry | None = None

    def reset(self, seed: int | list[int] | None, fallback: int) -> Seen:
        """An episode in all worlds.

        Args:
            seed: the first episode of this seed, as `rollout` under `jax.random.key(seed)`; of a list, world w is the first
                of its own; None: the next episode of these worlds.
            fallback: the seed, where there was none yet.
        Returns:
            What is seen, on the device.
        Raises:
            ValueError: another number of seeds than of worlds.
        """
        n = self.program.n_worlds
        if isinstance(seed, list | tuple | np.ndarray):
            if len(seed) != n:
                raise ValueError(f"seed must be one number, or one for each of {n} worlds, not {len(seed)}")
            key, episode = jnp.stack([jax.random.key(int(of_world)) for of_world in seed]), jnp.zeros(n, jnp.int32)
        elif seed is None and self.carry is not None:
            key, episode = self.carry.key, self.carry.episode + 1
        else:
            key, episode = jax.random.key(fallback if seed is None else seed), jnp.zeros(n, jnp.int32)
        self.carry, seen = begin(self.program, key, episode, self.params)
        return seen

    def step(self, actions: Mapping[str, Any]) -> Outcome:
        """One slot in every world.

        Args:
            actions: per group as the view has them, `(W, n, *shape)`.
        Returns:
            The outcome, on the device.
        Raises:
            ValueError: no episode has begun.
        """
        if self.carry is None:
            raise ValueError("no episode has begun: call reset()")
        return self.slot(decode(self.view, actions, self.carry.obs.mask))

    def slot(self, action: Any) -> Outcome:
        """One slot in every world, as `step`.

        Args:
            action: as the environment takes it, batch-last.
        Returns:
            The outcome, on the device.
        """
        self.carry, outcome = advance(self.program, self.carry, action, self.params)
        return outcome

    def reset_some(self, where: np.ndarray) -> Seen:
        """The next episode in some worlds.

        Args:
            where: bool `(W,)`.
        Returns:
            What is seen, on the device.
        """
        self.carry, seen = begin_some(self.program, self.carry, where, self.params)
        return seen
