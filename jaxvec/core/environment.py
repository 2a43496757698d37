"""The contract of an environment, in words and as a base class.

An environment is a frozen dataclass of sizes and switches: equal ones hash equal and share a compilation. Its numbers live in
a pytree, its `params_cls`, which may be swept. Chance is drawn apart from the transition, so that the mathematics can be fed
given numbers:

    draw_reset(key, params) -> draws          reset_from(draws, params) -> state, timestep
    draw_step(key, params) -> draws           step_from(state, action, draws, params) -> state, timestep

Every function takes and gives one world's arrays, or those of a batch whose axes come LAST; a key has the batch's shape.
`jax.vmap(env.step)` works too, for whoever prefers worlds first, and runs the same form (`jaxvec.core.batching`). `step` never
resets: rollouts reset between episodes, and `jaxvec.core.wrappers.auto_reset` serves everyone else.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.batching import worlds_last
from jaxvec.core.buffers import owned
from jaxvec.core.contract import check_action, check_timestep
from jaxvec.core.observation import Layout
from jaxvec.core.params import Preset, check_sizes
from jaxvec.core.spaces import ActionSpace, Box
from jaxvec.core.types import ActTrace, Observation, Timestep

ActFn = Callable[[Array, Observation], tuple[Any, Any]]
"""`act_fn(key, obs) -> action, extras`: how `Environment.act` asks for the action of those whose rows `obs` has."""


class Options(NamedTuple):
    """What an agent's observation says of each of the k options of a choice: servers, say.

    Attributes:
        columns: int `(k, c)`, the entry of the observation that holds the j-th property of option i; -1 where it has none, which
            reads 0.
        scale: c numbers, by which properties are multiplied.
        kinds: int `(k,)`, 0 to some number: options of a kind are alike but for their properties.
        totals: properties whose sum over all options matters to each.
        ranks: properties by which options are ranked, the largest first: their place matters, and what they are behind the first.
        items: int `(j, e)`, of a component of j choices the entries that hold the properties of what each is for: subtasks, say.
        context: entries that matter to all of them.
    """

    columns: np.ndarray
    scale: tuple[float, ...]
    kinds: np.ndarray
    totals: tuple[int, ...] = ()
    ranks: tuple[int, ...] = ()
    items: np.ndarray | None = None
    context: tuple[int, ...] = ()


class Environment:
    """Base of all environments; see the module's words for the contract.

    Class attributes:
        id: the name under which `jaxvec.make` finds it.
        params_cls: the environment's struct of numbers, whose fields are `jaxvec.core.params.number` or `data`.
        presets: named configurations, each a `jaxvec.core.params.preset`, for `jaxvec.make(id, preset=...)`.

    What is the same at all sizes, such as `info_fields` and `discount`, may be a class attribute in place of the property.
    """

    id: ClassVar[str]
    params_cls: ClassVar[type]
    presets: ClassVar[Mapping[str, Preset]] = {}
    horizon: int

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def n_agents(self) -> dict[str, int]:
        """Agents per group."""
        raise NotImplementedError

    @property
    def action_space(self) -> ActionSpace:
        """Per group and component, the space of ONE agent."""
        raise NotImplementedError

    @property
    def observation_layout(self) -> dict[str, Layout]:
        """Per group, the blocks of ONE agent's observation; under "world", those of `Observation.world` where they are declared.

        Space, documentation (`jaxvec envs ENV`), and what rules read of an observation follow from it.
        """
        return {}

    @property
    def observation_space(self) -> dict[str, Box]:
        """Per group, the space of ONE agent's observation; by default as wide as its layout, and without bounds."""
        layout = self.observation_layout
        if not layout:
            raise NotImplementedError(f"{type(self).__name__} needs observation_layout or observation_space")
        return {group: Box(-np.inf, np.inf, (layout[group].size,)) for group in self.n_agents}

    @property
    def world_size(self) -> int:
        """Entries of `Observation.world`; by default those of its layout."""
        layout = self.observation_layout
        if "world" not in layout:
            raise NotImplementedError(f'{type(self).__name__} needs observation_layout of "world" or world_size')
        return layout["world"].size

    @property
    def info_fields(self) -> Mapping[str, tuple[str, str]]:
        """Unit and meaning of every entry of `Timestep.info`, by name."""
        return {}

    @property
    def discount(self) -> float:
        """Per slot, where learners start from."""
        return 0.99

    @property
    def team_reward(self) -> bool:
        """Whether all agents of a group learn from one and the same reward, whatever the numbers: learners are built for it."""
        return False

    @property
    def takes_turns(self) -> bool:
        """Whether `act` asks more than once, and reads the state."""
        return False

    @property
    def jumps(self) -> frozenset[str]:
        """Which boxes, as "group/component", act through jumps (an admission, say): rewards have no derivative there."""
        return frozenset()

    @property
    def replay_slots(self) -> int:
        """How many slots a choice matters for: what a replay of it has to look at."""
        return 1

    @property
    def whole_world(self) -> bool:
        """Whether `Observation.world` has whatever agents see; where it has not, central critics see both."""
        return True

    @property
    def forecasts(self) -> bool:
        """Whether agents see a twin and a forecaster may know better, see `add_forecast`.

        Then `Observation.aux["history"]` (H, F) holds the last measurements that have arrived, and `Timestep.info["features"]`
        (F,) the truth one slot later.
        """
        return False

    @property
    def feature_blocks(self) -> dict[str, slice]:
        """What the entries of "features" are, where there are any."""
        return {}

    @property
    def options(self) -> dict[str, dict[str, Options]]:
        """Per group and discrete component whose options are alike: where what is seen of each stands in the observation."""
        return {}

    @property
    def joint_size(self) -> int:
        """Entries of `joint`."""
        return self.world_size

    def default_params(self, **numbers: Any) -> Any:
        """The paper's numbers, some of them replaced by name.

        Args:
            numbers: values of fields of `params_cls`, in the fields' units.
        Returns:
            A `params_cls`.
        Raises:
            TypeError: an unknown name.
        """
        return self.params_cls(**numbers)

    @classmethod
    def settings_of_world(cls, world: Any, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Sizes and numbers that set the system in a world of recorded vehicles and places; here none can.

        Args:
            world: a `jaxvec.traces.World`, a file of one, or several; see `jaxvec.make`.
            chosen: sizes and numbers that were set, by name; they win over what is returned.
        Returns:
            By name, in the system's own coordinates.
        Raises:
            ValueError: the system cannot be set in a world, or not in this one.
        """
        raise ValueError(f"{cls.id} cannot be set in a world: it has no settings_of_world")

    def blank_params(self) -> Any:
        """Numbers of the structure that all of this environment's have, whatever their values; here the default ones."""
        return self.default_params()

    def contradictions(self, params: Any) -> list[str]:
        """Which numbers contradict the sizes and switches, although each is accepted by itself; here none.

        Args:
            params: the numbers, none of them traced, perhaps with a value for each world.
        Returns:
            For each, in words, what it is and what it must be.
        """
        return []

    def shares_reward(self, params: Any) -> bool:
        """Whether with these numbers all agents earn the same, so that each learns from the very reward that is reported.

        For messages and pages; where a number decides, learners cannot know it as they know `team_reward`.

        Args:
            params: the numbers, perhaps with a value for each world.
        """
        return self.team_reward

    def rules(self, params: Any) -> Mapping[str, Callable[..., Any]]:
        """Fixed policies that know this system, by name: what `jaxvec.policies.fixed` gives beside the random one.

        Args:
            params: the numbers, which rules may know; leaves may have the worlds' axis last, as in a sweep.
        Returns:
            name -> `policy(key, obs) -> action`, of one world or of a batch, see `jaxvec.core.rollout.Policy`; here none. A
            `jaxvec.core.rule.Rule` may say that it is local; a plain function counts as central.
        """
        return {}

    def draw_reset(self, key: Array, params: Any) -> dict[str, Array]:
        """Every random number of a reset, by name.

        Args:
            key: one per world, shape `batch`.
            params: the numbers, of one world or as `world_params` makes them fit for a batch.
        Returns:
            Arrays `(*shape, *batch)`.
        """
        raise NotImplementedError

    def draw_step(self, key: Array, params: Any) -> dict[str, Array]:
        """Every random number of a slot, by name.

        Args:
            key: one per world, shape `batch`.
            params: the numbers, as in `draw_reset`.
        Returns:
            Arrays `(*shape, *batch)`.
        """
        raise NotImplementedError

    def reset_from(self, draws: dict[str, Array], params: Any) -> tuple[Any, Timestep]:
        """The first state and timestep, without chance.

        Args:
            draws: as `draw_reset` gives them.
            params: the numbers.
        Returns:
            The state, a pytree of arrays `(*shape, *batch)`, and the timestep before the first slot.
        """
        raise NotImplementedError

    def step_from(self, state: Any, action: Any, draws: dict[str, Array], params: Any) -> tuple[Any, Timestep]:
        """One slot, without chance.

        Args:
            state: at its start.
            action: per group and component `(n, *shape, *batch)`, inside `action_space`.
            draws: as `draw_step` gives them.
            params: the numbers.
        Returns:
            The state at the start of the next slot, and the timestep with rewards `(n, *batch)` per group.
        """
        raise NotImplementedError

    @worlds_last
    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """A fresh episode: `draw_reset`, then `reset_from`. All its arrays may be donated.

        Args:
            key: one per world, shape `batch`.
            params: the numbers.
        Returns:
            As `reset_from`.
        Raises:
            ValueError: the environment returns other shapes than it declares.
        """
        state, ts = self.reset_from(self.draw_reset(key, params), params)
        check_timestep(self, ts, key.shape)
        return owned((state, ts))

    @worlds_last
    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot: `draw_step`, then `step_from`.

        Args:
            key: one per world, shape `batch`, used for this slot only.
            state: at its start.
            action: of all agents, see `step_from`.
            params: the numbers.
        Returns:
            As `step_from`.
        Raises:
            ValueError: the action is not of the action space, or the environment returns other shapes than it declares.
        """
        draws = self.draw_step(key, params)
        check_action(self, action, key.shape)
        after, ts = self.step_from(state, action, draws, params)
        check_timestep(self, ts, key.shape)
        return after, ts

    def act(self, act_fn: ActFn, key: Array, state: Any, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """Ask `act_fn(key, obs) -> action, extras` for the actions of a slot; here once, for all agents together.

        An environment whose agents decide one after the other (`takes_turns`) asks for one agent at a time, with an observation
        that shows what this agent sees now, and `Observation.ids`; it reads the state, and returns what each saw.

        Args:
            act_fn: see `ActFn`.
            key: of the policy, one per world, shape `batch`.
            state: at the start of the slot.
            ts: the timestep that the state came with.
            params: the numbers.
        Returns:
            The action of all agents, and how they were asked.
        """
        action, extras = act_fn(key, ts.obs)
        return action, ActTrace(ts.obs, extras)

    def joint(self, obs: Observation) -> Array:
        """What all agents see together, each thing once.

        Args:
            obs: of all agents.
        Returns:
            `(g, *batch)`.
        """
        return obs.world

    def add_forecast(self, obs: Observation, forecast: Array) -> Observation:
        """The observation of agents who know a forecast: here, in place of the last F entries of every row of `obs`.

        Args:
            obs: with rows `(n, d, *batch)`.
            forecast: `(F, *batch)`.
        Returns:
            The observation, of the same shapes.
        """

        def with_forecast(rows: Array) -> Array:
            last = jnp.broadcast_to(forecast, (len(rows), *forecast.shape))
            return jnp.concatenate([rows[:, : -len(forecast)], last], 1)

        return obs.replace(agents=jax.tree.map(with_forecast, obs.agents))


def first_timestep(env: Environment, obs: Observation, batch: tuple[int, ...]) -> Timestep:
    """The timestep of a reset: nothing earned, nothing over, empty info.

    Args:
        env: whose agents earn nothing yet.
        obs: the first observation.
        batch: shape of the batch of worlds, `()` for one.
    Returns:
        Rewards of 0 `(n, *batch)` per group, flags that are false `batch`, and `obs`.
    """
    never = jnp.zeros(batch, bool)
    reward = {group: jnp.zeros((n, *batch)) for group, n in env.n_agents.items()}
    return Timestep(obs=obs, reward=reward, terminated=never, truncated=never)
