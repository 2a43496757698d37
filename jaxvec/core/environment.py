"""The contract of an environment, in words and as a base class.

An environment is a frozen dataclass of sizes and switches: equal ones hash equal and share a compilation. Its numbers live in
a `Params` pytree, which may be swept. Chance is drawn apart from the transition, so the mathematics can be fed given numbers:

    draw_reset(key, params) -> draws          reset_from(draws, params) -> state, timestep
    draw_step(key, params) -> draws           step_from(state, action, draws, params) -> state, timestep

Every function takes and gives one world's arrays, or those of a batch whose axes come LAST; a key has the batch's shape.
`jax.vmap(env.step)` works too, for whoever prefers worlds first. `step` never resets: rollouts reset between episodes, and
`jaxvec.core.wrappers.auto_reset` serves everyone else.
"""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.spaces import ActionSpace, Box
from jaxvec.core.types import Observation, Timestep, Turn

Ask = Callable[[Array, Observation], tuple[Any, Any]]


def number(default: float, unit: str, doc: str, *, axes: tuple[str, ...] = (), positive: bool = False) -> Any:
    """A field of a `Params`: its default, unit and meaning.

    With `axes`, a leaf may be a scalar or carry those axes first; `positive` lets `check_params` refuse 0 and less.
    """
    return struct.field(default=default, metadata={"unit": unit, "doc": doc, "axes": axes, "positive": positive})


def data(doc: str) -> Any:
    """A field of a `Params` that holds arrays which all worlds share (a recorded trace), None by default."""
    return struct.field(default=None, metadata={"unit": "", "doc": doc, "axes": None})


class Options(NamedTuple):
    """What an agent's observation says of each of the k options that it chooses among: servers, say.

    Attributes:
        columns: int `(k, c)`, the entry of the observation that holds the j-th property of option i; -1 where it has none, which
            reads 0.
        scale: c numbers, by which properties are multiplied.
        totals: properties whose sum over all options matters to each.
        kinds: int `(k,)`, 0 to some number: options of a kind are alike but for their properties.
    """

    columns: np.ndarray
    scale: tuple[float, ...]
    totals: tuple[int, ...]
    kinds: np.ndarray


class Environment:
    """Base of all environments; see the module's words for the contract.

    Class attributes:
        id: the name under which `jaxvec.make` finds it.
        Params: the environment's struct of numbers.
        presets: named settings (sizes and numbers together) for `jaxvec.make(id, preset=...)`.
        team_reward: all agents of a group learn from one and the same number.
        takes_turns: `act` asks more than once, and reads the state.
        forecasts: agents see a twin, and a learner may tell them better: `Observation.aux["history"]` (H, F) holds the last
            measurements that have arrived, `Timestep.info["features"]` (F,) the truth one slot later; see `informed`.
        whole_world: `Observation.world` has whatever agents see; where it has not, central critics see both.
        discount: per slot, where learners start from.
        info_fields: name -> (unit, meaning) of every entry of `Timestep.info`.
    """

    id: ClassVar[str]
    Params: ClassVar[type]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    team_reward: ClassVar[bool] = False
    takes_turns: ClassVar[bool] = False
    forecasts: ClassVar[bool] = False
    whole_world: ClassVar[bool] = True
    discount: ClassVar[float] = 0.99
    info_fields: ClassVar[Mapping[str, tuple[str, str]]] = {}
    horizon: int

    @property
    def n_agents(self) -> dict[str, int]:
        """Agents per group."""
        raise NotImplementedError

    @property
    def action_space(self) -> ActionSpace:
        """Per group and component, the space of ONE agent."""
        raise NotImplementedError

    @property
    def observation_space(self) -> dict[str, Box]:
        """Per group, the space of ONE agent's observation."""
        raise NotImplementedError

    @property
    def world_size(self) -> int:
        """Entries of `Observation.world`."""
        raise NotImplementedError

    @property
    def feature_blocks(self) -> dict[str, slice]:
        """What the entries of "features" are, where there are any."""
        return {}

    @property
    def options(self) -> dict[str, Options]:
        """Of groups whose whole action is one choice: where what is seen of each option stands in the observation."""
        return {}

    @property
    def joint_size(self) -> int:
        """Entries of `joint`."""
        return self.world_size

    def default_params(self, **numbers: Any) -> Any:
        """The paper's numbers, some of them replaced."""
        return self.Params(**numbers)

    def draw_reset(self, key: Array, params: Any) -> dict[str, Array]:
        """Every random number of a reset, by name."""
        raise NotImplementedError

    def draw_step(self, key: Array, params: Any) -> dict[str, Array]:
        """Every random number of a slot, by name."""
        raise NotImplementedError

    def reset_from(self, draws: dict[str, Array], params: Any) -> tuple[Any, Timestep]:
        """The first state and timestep, without chance."""
        raise NotImplementedError

    def step_from(self, state: Any, action: Any, draws: dict[str, Array], params: Any) -> tuple[Any, Timestep]:
        """One slot, without chance."""
        raise NotImplementedError

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """A fresh episode. `key`: one per world, shape `batch`."""
        return self.reset_from(self.draw_reset(key, params), params)

    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot. `key`: one per world, shape `batch`, used for this slot only."""
        return self.step_from(state, action, self.draw_step(key, params), params)

    def act(self, ask: Ask, key: Array, state: Any, ts: Timestep, params: Any) -> tuple[Any, Turn]:
        """Ask `ask(key, obs) -> action, extras` for the actions of a slot; here once, for all agents together.

        An environment whose agents decide one after the other (`takes_turns`) asks for one agent at a time, with an observation
        that shows what this agent sees now, and `Observation.ids`; it reads the state, and returns what each saw and said.
        """
        action, extras = ask(key, ts.obs)
        return action, Turn(ts.obs, extras)

    def joint(self, obs: Observation) -> Array:
        """What all agents see together, each thing once, `(g,)`."""
        return obs.world

    def informed(self, obs: Observation, forecast: Array) -> Observation:
        """The observation of agents who are told a forecast `(F,)`: here, in place of the last F entries of every row."""
        tell = lambda row: jnp.concatenate([row[:, : -len(forecast)], _to_all(forecast, len(row))], 1)  # noqa: E731
        return obs.replace(agents=jax.tree.map(tell, obs.agents))  # type: ignore[attr-defined]


def _to_all(x: Array, n: int) -> Array:
    return jnp.broadcast_to(x, (n, *x.shape))


def first_timestep(env: Environment, obs: Observation, batch: tuple[int, ...]) -> Timestep:
    """The timestep of a reset: nothing earned, nothing over, empty info."""
    never = jnp.zeros(batch, bool)
    reward = {group: jnp.zeros((n, *batch)) for group, n in env.n_agents.items()}
    return Timestep(obs=obs, reward=reward, terminated=never, truncated=never)


def world_params(params: Any) -> Any:
    """Parameters of ONE world made fit for a batch `(W,)`: entity axes first, the worlds last.

    A scalar leaf stays, a leaf `(worlds,)` is a sweep and stays, and a leaf that carries the axes it documents gets a last axis
    of length 1. To sweep a leaf over worlds that may carry axes, give them: `(1, worlds)`.
    """
    changes = {}
    for field in dataclasses.fields(params):
        axes, value = field.metadata.get("axes"), getattr(params, field.name)
        if axes and np.ndim(value) == len(axes):
            changes[field.name] = lift(value, 1)
    return params.replace(**changes)


def params_of_worlds(params: Any, world: Array, n_worlds: int) -> Any:
    """Of `world_params` for `n_worlds` worlds, those of the given worlds `(batch,)`, for as large a batch."""
    changes = {}
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        if field.metadata.get("axes") is not None and np.ndim(value) and np.shape(value)[-1] == n_worlds:
            changes[field.name] = value[..., world]
    return params.replace(**changes)


def check_params(params: Any) -> Any:
    """Return `params` unless a leaf is not finite, not a number, or 0 or less where it must be positive.

    Raises:
        ValueError: names each such leaf.
    """
    bad = []
    positive = {field.name for field in dataclasses.fields(params) if field.metadata.get("positive")}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if isinstance(leaf, jax.core.Tracer):
            continue
        name = jax.tree_util.keystr(path).lstrip(".")
        try:
            value = np.asarray(leaf, float)
            if not np.all(np.isfinite(value)):
                bad.append(f"{name} = {leaf} (must be finite)")
            elif name in positive and not np.all(value > 0):
                bad.append(f"{name} = {leaf} (must be positive)")
        except (TypeError, ValueError):
            bad.append(f"{name} = {leaf!r} (must be a number)")
    if bad:
        raise ValueError(f"bad {type(params).__qualname__}: {', '.join(bad)}")
    return params


def check_sizes(env: Any, counts: tuple[str, ...], choices: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse bad sizes and switches of an environment.

    Args:
        counts: fields that must be whole numbers of at least 1.
        choices: fields that must have one of the given values.
    Raises:
        ValueError: names the first such field.
    """
    for name in counts:
        size = getattr(env, name)
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"{env.id}: {name} must be a whole number of at least 1, not {size!r}")
    for name, allowed in choices.items():
        if getattr(env, name) not in allowed:
            raise ValueError(
                f"{env.id}: {name} must be one of {', '.join(map(str, allowed))}, not {getattr(env, name)!r}"
            )


def suggest(kind: str, name: str, known: Any) -> str:
    """The words of an error about an unknown name: what was asked, the closest match, what is known."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}"
