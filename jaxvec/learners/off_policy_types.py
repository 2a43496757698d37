"""What off-policy learners are set by, what they keep, and what each of them says for itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from flax import struct
from jax import Array

from jaxvec.core.environment import Environment
from jaxvec.core.types import Observation
from jaxvec.forecast.online import ForecasterState
from jaxvec.learners.base import check_counts
from jaxvec.learners.blocks.actors import Groups
from jaxvec.learners.blocks.flat import Spaces
from jaxvec.learners.blocks.replay import Replay

COUNTS = (
    "n_worlds",
    "slots_per_update",
    "learn_every",
    "gradient_steps",
    "batch_size",
    "capacity",
    "policy_delay",
    "forecaster_steps",
    "forecaster_batch",
)

Role = Literal["act", "greedy", "target", "improve"]
"""What an action is for: "act" in training, "greedy" without chance, "target" for the value of the slot that follows, "improve"
for the actor's own gradient."""


@dataclass(frozen=True)
class Settings:
    """What fixes shapes and code paths: a change recompiles.

    Attributes:
        central_critic: the critic sees the world and everybody's actions, rather than an agent's own observation and action.
        pooled_critic: it sees an agent's own observation and action and the mean of an encoding of all others', see
            `jaxvec.learners.blocks.networks.pooled`: for agents who are alike, have one reward and act at once (not in turns,
            where those who follow show what those before them did). Needs `central_critic` and `share_parameters`. None: where
            that fits, see `usual`.
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
        actor: "mlp", "scorer" or "pooled", see `jaxvec.learners.blocks.actor_networks.MAIN`.
        scorer_hidden: widths of a scorer, whose activation is "tanh".
        hidden: widths of actor and critic.
        activation: "tanh", "relu" or "silu".
        prior: the name of a rule, see `jaxvec.policies.fixed`, on which actors are residuals: the first policy is the rule.
        prior_logit: what the rule's choice has ahead of the others; of options that it weighs, for each unit of that.
        forecaster: the name of the network that forecasts in an environment with `forecasts`, see `jaxvec.forecast.FORECASTERS`.
        forecaster_steps, forecaster_batch: its gradient steps per update, and slots in each.
        normalise_observations: by running mean and variance.
        keep_best: worlds that judge, now and then, whether the policy is the best so far; the learner's policy is then that one,
            see `jaxvec.learners.best`. 0: the last one.
    """

    central_critic: bool = False
    pooled_critic: bool | None = None
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
    actor: str = "mlp"
    scorer_hidden: tuple[int, ...] = (32, 32)
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    prior: str | None = None
    prior_logit: float = 3.0
    forecaster: str = "peephole_lstm"
    forecaster_steps: int = 1
    forecaster_batch: int = 1024
    normalise_observations: bool = False
    keep_best: int = 0


def usual(env: Environment, settings: Any) -> Any:
    """Settings in which what was left open is decided: a central critic pools where an environment's agents are alike, share
    their parameters and a reward, and act at once. One that has everybody's rows and actions side by side explains the team's
    reward by all the others: ten vehicles of `dt_edge` never left local computing under it.

    Args:
        env: what is learned on.
        settings: the learner's.
    """
    if settings.pooled_critic is not None:
        return settings
    alike = len(env.n_agents) == 1 and next(iter(env.n_agents.values())) > 1 and env.team_reward and not env.takes_turns
    return replace(settings, pooled_critic=alike and settings.central_critic and settings.share_parameters)


def check_settings(name: str, settings: Settings) -> None:
    """Refuse settings that do not fit each other.

    Args:
        name: of the learner, for the message.
        settings: to be checked.
    Raises:
        ValueError: a count is no whole number of at least 1, one is no multiple of another, or a prior has no one-hot choices.
    """
    s = settings
    check_counts(name, s, COUNTS)
    if s.slots_per_update % s.learn_every:
        raise ValueError(f"slots_per_update = {s.slots_per_update} is no multiple of learn_every = {s.learn_every}")
    if s.prior is not None and s.choices != "one_hot":
        raise ValueError(f"{name}: a prior needs choices='one_hot', not {s.choices!r}")
    if s.actor == "scorer" and s.choices != "one_hot":
        raise ValueError(f"{name}: actor 'scorer' needs choices='one_hot', not {s.choices!r}")
    if s.capacity % s.n_worlds:
        raise ValueError(f"capacity = {s.capacity} is no multiple of n_worlds = {s.n_worlds}")
    steps = s.slots_per_update // s.learn_every * s.gradient_steps
    if steps % s.policy_delay:
        raise ValueError(f"{steps} gradient steps an update are no multiple of policy_delay = {s.policy_delay}")


class Hyper(struct.PyTreeNode):
    """What may be swept without recompiling.

    A quantity with an `_end` goes there linearly over `anneal_updates`; `jaxvec.train` sets that to its number of updates.

    Attributes:
        critic_learning_rate, critic_learning_rate_end: of Adam, for critics.
        actor_learning_rate, actor_learning_rate_end: of Adam, for actors.
        anneal_updates: see above [updates].
        gamma: discount per slot.
        tau: by which part target networks move to the networks at each step of the actors.
        unit_rate: by which part the units of critics move to those of a batch at each step.
        warmup: the part of `anneal_updates` in which actions are uniform and only critics learn.
        forecaster_learning_rate: of a forecaster.
        max_grad_norm: gradients are shortened to it, those of all actors or of all critics together.
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
    """Everything that an update reads and writes; environment parameters and hyper-parameters live here too, to be swept.

    Attributes:
        params: {"actor": per group, "critic": tuple of per group}.
        target: the same, slower.
        opt: the optimiser's, {"actor", "critic"}.
        temperature: logarithms of SAC's, per group and kind of component; empty elsewhere.
        moments: {"obs" (where observations are normalised), "reward", "end"}, each per group.
        replay: the buffer.
        forecaster: where the environment `forecasts`, else None.
        hyper: hyper-parameters.
        env_params: the environment's numbers, of one world or with a last axis of worlds.
        key: of all randomness.
        update: int32 `()`, updates so far.
        carry: the worlds' (state, timestep), batch-last.
    """

    params: dict[str, Any]
    target: dict[str, Any]
    opt: dict[str, Any]
    temperature: Groups
    moments: dict[str, Groups]
    replay: Replay
    forecaster: ForecasterState | None
    hyper: Any
    env_params: Any
    key: Array
    update: Array
    carry: Any


class Entry(NamedTuple):
    """What the buffer keeps of a slot in one world; everything is batch-first, `(*batch, ...)`.

    Attributes:
        obs: as each agent saw it when it was asked.
        flat_action: per group `(*batch, n, width)`.
        reward: per group `(*batch, n)`.
        terminated: bool `(*batch)`.
        next_obs: at the start of the slot that followed.
        next_state: the environment's, only where agents take turns, because `Environment.act` reads it; else ().
    """

    obs: Observation
    flat_action: Groups
    reward: Groups
    terminated: Array
    next_obs: Observation
    next_state: Any


class Proposal(NamedTuple):
    """The action that an actor's outputs propose.

    Attributes:
        flat_action: `(*batch, n, width)`.
        penalty: what is taken off its value, `(*batch, n)`, in the critics' units.
        action_probs: of each choice `(*batch, n, k)`, of an agent with a single discrete choice, under which its value is a mean;
            None elsewhere.
        entropy: per kind of component `(*batch, n)` [nat], of a learner that steers it.
        max_entropy: what its target is a part of, likewise: the number of entries of boxes, and the entropy of uniform choices
            among what is allowed [nat].
    """

    flat_action: Array
    penalty: Array
    action_probs: Array | None
    entropy: dict[str, Array]
    max_entropy: dict[str, Array]


class ActionHead:
    """What an off-policy learner says for itself: how an actor's outputs become an action, and what that costs beside its value.

    Attributes:
        use_min_q: actors climb the smallest of the critics' values, else the first's.
        deviations: outputs have logarithms of deviations behind a component's means, as `heads` have them.
        flat_spaces: per group, the spaces that networks act in, see `jaxvec.learners.blocks.flat`.
    """

    use_min_q = False
    deviations = False

    def __init__(self, flat_spaces: Mapping[str, Spaces]):
        self.flat_spaces = flat_spaces

    def outputs(self, spaces: Spaces) -> tuple[int, tuple[float, ...]]:
        """How many outputs an actor needs, and where those start; empty for 0.

        Args:
            spaces: flat ones, of some of a group's components.
        """
        raise NotImplementedError

    def propose(
        self,
        group: str,
        outputs: Array,
        mask: Mapping[str, Array],
        key: Array,
        temperature: Mapping[str, Array],
        hyper: Any,
        role: Role,
    ) -> Proposal:
        """From an actor's outputs to its action.

        Args:
            group: whose actor it is.
            outputs: `(*batch, n, outputs)`.
            mask: per discrete component, bool `(*batch, n, *shape, k)`; missing where everything is allowed.
            key: typed keys `(*batch)`.
            temperature: the group's, see `State`.
            hyper: hyper-parameters in force.
            role: what the action is for.
        """
        raise NotImplementedError

    def initial_temperature(self, hyper: Any) -> Groups:
        """Temperatures at the start; here none.

        Args:
            hyper: hyper-parameters.
        Returns:
            Their logarithms, per group and kind of component.
        """
        return {}

    def tune(self, temperature: Groups, entropy: Groups, max_entropy: Groups, hyper: Any) -> Groups:
        """Temperatures after an actor's step; here as they were.

        Args:
            temperature: logarithms, per group and kind of component.
            entropy: of the proposals, their means `()` likewise [nat].
            max_entropy: of what these are parts of, see `Proposal` [nat].
            hyper: hyper-parameters in force.
        Returns:
            Logarithms, likewise.
        """
        return temperature
