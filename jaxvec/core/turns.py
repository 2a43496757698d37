"""Agents of one group who decide one after the other inside a slot: what `Environment.act` does there.

`Environment.act` asks them in a scan. Who cannot be called from inside of one (another library, a person, a server) takes the
slot turn by turn, from `first_turn` on with `next_turn`, and then gives `Turn.action` to `Environment.step`:

    turn = first_turn(env, key, state, ts, params)
    for _ in range(env.n_agents["vehicle"]):
        turn = next_turn(env, key, turn, decide(turn.obs), state, ts, params)
    state, ts = env.step(world_key, state, turn.action, params)

Both are pure: jit them with `env` static, and all turns share a compilation.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import ActFn, Environment
from jaxvec.core.spaces import Box, Space
from jaxvec.core.types import Observation, Timestep

ShowFn = Callable[[Any, Array, Any], tuple[Any, Observation]]
"""`show(now, turn, mine) -> now, obs`: what the agent in its turn sees, rows `(1, d, *batch)`, with its `Observation.ids`."""
ThenFn = Callable[[Any, Any, Any], Any]
"""`then(now, mine, action) -> now`: what its action, leaves `(1, ..., *batch)`, leaves to those who follow."""


def ask_in_turns(
    act_fn: ActFn, key: Array, start: Any, turns: Any, show: ShowFn, then: ThenFn
) -> tuple[Any, dict[str, Any], Any]:
    """Ask one agent after the other, each with what its predecessors left.

    Args:
        act_fn: see `ActFn`.
        key: of the policy, one per world, shape `batch`; turn k uses its fold with k.
        start: what changes from turn to turn, at the first one: a pytree of arrays `(..., *batch)`.
        turns: what each turn has of its own, a pytree of arrays `(n, ...)` with the first turn first.
        show: see `ShowFn`.
        then: see `ThenFn`.
    Returns:
        By turn, leaves `(n, ..., *batch)`: the actions per group; "agents" and "mask" of the observations, as each agent saw
        them; and the extras of the actions.
    """
    (n, *_), *_ = [leaf.shape for leaf in jax.tree.leaves(turns)]

    def turn(now: Any, this: tuple[Array, Any]) -> tuple[Any, Any]:
        k, mine = this
        now, obs = show(now, k, mine)
        action, extras = act_fn(rng.fold_in(key, k), obs)
        return then(now, mine, action), (action, {"agents": obs.agents, "mask": obs.mask}, extras)

    single = _SINGLE.get()
    if single is not None:
        said = single.ask(turn, start, turns, n)
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (n, *x.shape[1:])), said)
    _, by_turn = jax.lax.scan(turn, start, (jnp.arange(n), turns))
    return jax.tree.map(lambda x: x[:, 0], by_turn)


class Turn(struct.PyTreeNode):
    """A slot in which agents decide one after the other, when it is the turn of one of them.

    Attributes:
        k: int32 `()`, how many have decided; the number of agents when all have.
        now: what changes from turn to turn, the environment's own: arrays `(..., *batch)`.
        obs: what the agent sees whose turn it is: rows `(1, d, *batch)`, masks `(1, k, *batch)`, `Observation.ids` who it is.
            When all have decided it is what the last one saw.
        action: of all agents, per group and component `(n, *shape, *batch)`: as decided, 0 of those who have not yet.
    """

    k: Array
    now: Any
    obs: Observation
    action: Any


class _Single:
    """What `ask_in_turns` does while a single turn is taken: the scan's body, once or twice, in place of the scan.

    Args:
        turn: that is taken; None: there is none yet.
        action: of the agent whose turn it is, rows `(1, *shape, *batch)`.
    """

    def __init__(self, turn: Turn | None, action: Any):
        self.turn, self.action = turn, action
        self.now: Any = None
        self.obs: Observation | None = None

    def act(self, key: Array, obs: Observation) -> tuple[Any, Any]:
        """The policy: it sees what any policy would, wrappers of the environment included, and says what it was told to."""
        self.obs = obs
        return self.action, ()

    def ask(self, body: Callable[[Any, Any], Any], start: Any, turns: Any, n: int) -> Any:
        """Take the turn, and see what the next agent sees."""

        def at(now: Any, k: Array) -> tuple[Any, Any]:
            return body(now, (k, jax.tree.map(lambda x: jnp.asarray(x)[k], turns)))

        if self.turn is None:
            self.now, k = start, jnp.zeros((), jnp.int32)
        else:
            self.now, _ = at(self.turn.now, self.turn.k)
            k = jnp.minimum(self.turn.k + 1, n - 1)
        return at(self.now, k)[1]


_SINGLE: ContextVar[_Single | None] = ContextVar("single", default=None)


def first_turn(env: Environment, key: Array, state: Any, ts: Timestep, params: Any) -> Turn:
    """The beginning of a slot: what the agent sees that decides first.

    Args:
        env: whose agents take turns; with wrappers around it, what the agent sees is what they make of it.
        key: of the policy, one per world, as `Environment.act` has it: only wrappers that draw use it (rules, as priors).
        state: at the start of the slot, of one world or of a batch.
        ts: the timestep that the state came with.
        params: the numbers.
    Returns:
        The turn, with k = 0.
    Raises:
        ValueError: the environment's agents decide at the same time, or in turns of a making of its own.
    """
    batch = ts.terminated.shape
    action = {
        group: {name: _nothing(space, n, batch) for name, space in env.action_space[group].items()}
        for group, n in env.n_agents.items()
    }
    now, obs = _take(env, key, None, jax.tree.map(lambda x: x[:1], action), state, ts, params)
    return Turn(jnp.zeros((), jnp.int32), now, obs, action)


def next_turn(env: Environment, key: Array, turn: Turn, action: Any, state: Any, ts: Timestep, params: Any) -> Turn:
    """An agent decides: what the agent sees that follows it. Nothing of the turns before is computed again.

    Args:
        env: whose agents take turns.
        key: of the slot, see `first_turn`.
        turn: of the agent that decides.
        action: its own, per group and component, rows `(1, *shape, *batch)`.
        state: at the start of the slot, see `first_turn`.
        ts: the timestep that the state came with.
        params: the numbers.
    Returns:
        The next turn. After the last one k is the number of agents, and `action` is what `Environment.step` takes.
    Raises:
        ValueError: the environment's agents decide at the same time, or in turns of a making of its own.
    """
    now, obs = _take(env, key, turn, action, state, ts, params)
    decided = {}
    for group, parts in turn.action.items():
        who = turn.obs.ids[group]  # (1,), or another agent in each world
        decided[group] = {name: _with_row(x, who, action[group][name]) for name, x in parts.items()}
    return Turn(turn.k + 1, now, obs, decided)


def _take(
    env: Environment, key: Array, turn: Turn | None, action: Any, state: Any, ts: Timestep, params: Any
) -> tuple[Any, Observation]:
    """What changes from turn to turn after this one, and what the next agent sees."""
    if not env.takes_turns:
        raise ValueError(f"{env.id}: its agents decide at the same time; there are turns where `takes_turns` is true")
    single = _Single(turn, action)
    token = _SINGLE.set(single)
    try:
        env.act(single.act, key, state, ts, params)
    finally:
        _SINGLE.reset(token)
    if single.obs is None or single.now is None:
        raise ValueError(f"{env.id}: `act` must ask its agents by `ask_in_turns` of jaxvec.core.turns for single turns")
    return single.now, single.obs


def _nothing(space: Space, n: int, batch: tuple[int, ...]) -> Array:
    return jnp.zeros((n, *space.shape, *batch), float if isinstance(space, Box) else jnp.int32)


def _with_row(x: Array, who: Array, row: Array) -> Array:
    """Rows `(n, *shape, *batch)`, one of them replaced: `who` `(1,)`, or another one in each world `(1, *batch)`."""
    rows = jnp.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1))
    who = jnp.reshape(who, (1,) * (x.ndim - who.ndim + 1) + who.shape[1:])
    return jnp.where(rows == who, row.astype(x.dtype), x)
