"""What off-policy learners are set by, and what they keep."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from flax import struct
from jax import Array

from jaxvec.core.types import Observation
from jaxvec.forecast.online import ForecasterState
from jaxvec.learners.blocks.actors import Groups
from jaxvec.learners.blocks.replay import Replay


@dataclass(frozen=True)
class Settings:
    """What fixes shapes and code paths: a change recompiles.

    Attributes:
        central_critic: the critic sees the world and everybody's actions, rather than an agent's own observation and action.
        double_critics: two critics, of which targets take the smaller value.
        share_parameters: the agents of a group share their networks; else each has its own.
        choices: discrete components as "one_hot" vectors, or as "bins" of a number.
        n_worlds: parallel worlds.
        slots_per_update: slots in each world per update; worlds reset when they are done.
        learn_every: slots between two phases of learning.
        gradient_steps: steps in each of them.
        batch_size: entries (of all agents) per step.
        capacity: of the buffer, in entries.
        policy_delay: critic steps per step of actors and targets.
        hidden: widths of actor and critic.
        activation: "tanh", "relu" or "silu".
        forecaster: the name of the network that forecasts in an environment with `forecasts`, see `jaxvec.forecast.FORECASTERS`.
        forecaster_steps, forecaster_batch: its gradient steps per update, and slots in each.
        normalise_observations: by running mean and variance.
    """

    central_critic: bool = False
    double_critics: bool = False
    share_parameters: bool = True
    choices: str = "one_hot"
    n_worlds: int = 64
    slots_per_update: int = 16
    learn_every: int = 1
    gradient_steps: int = 1
    batch_size: int = 128
    capacity: int = 65_536
    policy_delay: int = 1
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    forecaster: str = "peephole_lstm"
    forecaster_steps: int = 1
    forecaster_batch: int = 1024
    normalise_observations: bool = False


class Hyper(struct.PyTreeNode):
    """What may be swept without recompiling.

    A quantity with an `_end` goes there linearly over `anneal_updates`; `jaxvec.train` sets that to its number of updates.

    Attributes:
        tau: by which part targets follow at each step.
        unit_rate: by which part the units of critics follow at each step.
        forecaster_learning_rate: of a forecaster.
        warmup: the part of `anneal_updates` in which actions are uniform and only critics learn.
    """

    critic_learning_rate: float = 1e-3
    critic_learning_rate_end: float = 1e-4
    actor_learning_rate: float = 1e-3
    actor_learning_rate_end: float = 5e-5
    anneal_updates: float = 1000.0
    gamma: float = 0.99
    tau: float = 0.01
    unit_rate: float = 0.01
    warmup: float = 0.03
    forecaster_learning_rate: float = 1e-3
    max_grad_norm: float = 10.0


class State(struct.PyTreeNode):
    """Everything that an update reads and writes; environment parameters and hyper-parameters live here too, to be swept."""

    params: dict[str, Any]  # {"actor": per group, "critic": tuple of per group}
    target: dict[str, Any]  # the same, slower
    opt: dict[str, Any]
    temperature: Groups  # of SAC, per group; empty elsewhere
    moments: dict[str, Groups]  # {"obs", "reward", "end"} per group
    replay: Replay
    forecaster: ForecasterState | None  # where the environment has one to be told
    hyper: Any
    env_params: Any
    key: Array
    update: Array  # () int32
    carry: Any  # where the worlds stand


class Entry(NamedTuple):
    """What the buffer keeps of a slot in one world."""

    obs: Observation  # as each agent saw it when it was asked
    action: Groups  # flat
    reward: Groups
    terminated: Array
    next_obs: Observation
    next_state: Any  # only where agents take turns: `act` reads it


class Proposal(NamedTuple):
    """An actor's answer.

    Attributes:
        action: flat, `(*batch, n, width)`.
        cost: what is taken off its value, `(*batch, n)`, in the critics' units.
        chance: of each choice `(*batch, n, k)`, of an agent with a single discrete choice, under which its value is a mean; None
            elsewhere.
        entropy: per kind of component `(*batch, n)`, of a learner that steers it.
        room: what its target is a part of: entries of boxes, and the entropy of uniform choices among what is allowed.
    """

    action: Array
    cost: Array
    chance: Array | None
    entropy: dict[str, Array]
    room: dict[str, Array]
