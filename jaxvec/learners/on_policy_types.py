"""What on-policy learners are set by, and what they keep."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from flax import struct
from jax import Array

from jaxvec.forecast.online import ForecasterState
from jaxvec.learners.blocks.actors import Groups, NetworkInputs


@dataclass(frozen=True)
class Settings:
    """What fixes shapes and code paths: a change recompiles.

    Attributes:
        actor: "mlp"; "scorer", one small network that scores each option of a choice, see `jaxvec.learners.blocks.scorer`;
            "pooled", which sees its own row and the mean of an encoding of all others' (of agents who are alike and act at once);
            "circuit", the quantum policy network; or "matched", that with a dense layer in the circuit's place, see
            `jaxvec.learners.blocks.circuits`.
        share_parameters: the agents of a group share one network; else each has its own.
        n_worlds: parallel worlds.
        rollout_length: slots per update, with automatic resets; None: whole episodes, for environments that end at their
            horizon only, reset between updates.
        hidden: widths of networks.
        activation: "tanh", "relu" or "silu".
        scorer_hidden: widths of a scorer, whose activation is "tanh".
        gru: width of a recurrent layer in the actor "mlp", 0 for none.
        free_std: log standard deviations are parameters of their own, rather than outputs of the actor.
        n_qubits, n_circuit_layers, encoding, readout: of circuits, see `jaxvec.quantum.qpn`.
        prior: the name of a rule, see `jaxvec.policies.fixed`, on which actors are residuals: the first policy is the rule.
        prior_logit: what the rule's choice has ahead of the others; of options that it weighs, for each unit of that.
        forecaster: the name of the network that forecasts in an environment with `forecasts`, see `jaxvec.forecast.FORECASTERS`.
        forecaster_steps, forecaster_batch: its gradient steps per update, and slots in each.
        normalise_observations: by running mean and variance.
        keep_best: worlds that judge, now and then, whether the policy is the best so far; the learner's policy is then that one,
            see `jaxvec.learners.best`. 0: the last one.
    """

    actor: str = "mlp"
    share_parameters: bool = True
    n_worlds: int = 128
    rollout_length: int | None = None
    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    scorer_hidden: tuple[int, ...] = (32, 32)
    gru: int = 0
    free_std: bool = False
    n_qubits: int = 6
    n_circuit_layers: int = 4
    encoding: str = "reupload"
    readout: str = "expval"
    prior: str | None = None
    prior_logit: float = 3.0
    forecaster: str = "peephole_lstm"
    forecaster_steps: int = 8
    forecaster_batch: int = 3200
    normalise_observations: bool = False
    keep_best: int = 0


class Hyper(struct.PyTreeNode):
    """What may be swept without recompiling.

    A quantity with an `_end` goes there linearly over `anneal_updates`; `jaxvec.train` sets that to its number of updates.

    Attributes:
        learning_rate, learning_rate_end: of Adam.
        circuit_rate: learning rate of a circuit's angles and scales, relative to that of all else.
        forecaster_learning_rate: of a forecaster.
        epsilon, epsilon_end: the probability of a uniform choice, part of the policy that is learned.
        epsilon_part: the part of training after which it has ended.
        anneal_updates: updates.
        gamma: discount per slot; a learner starts from the environment's.
        entropy_weight, entropy_weight_end: of the policy's entropy [per nat] in the objective.
        max_grad_norm: gradients are scaled down to this norm.
    """

    learning_rate: float = 1e-3
    learning_rate_end: float = 5e-5
    circuit_rate: float = 10.0
    forecaster_learning_rate: float = 1e-3
    epsilon: float = 0.0
    epsilon_end: float = 0.0
    epsilon_part: float = 0.4
    anneal_updates: float = 1000.0
    gamma: float = 0.99
    entropy_weight: float = 5e-4
    entropy_weight_end: float = 5e-4
    max_grad_norm: float = 0.5


class State(struct.PyTreeNode):
    """Everything that an update reads and writes; environment parameters and hyper-parameters live here too, to be swept.

    Attributes:
        params: of networks, by name and group: {"actor": ...}, and what a learner adds.
        opt: the optimiser's state.
        moments: running means and variances, by what they are of and group: {"obs": ...} where observations are normalised, and
            what a learner adds.
        forecaster: where the environment has forecasts.
        hyper: hyper-parameters.
        env_params: of the worlds.
        key: of everything random.
        update: how many there were, int32 `()`.
        carry: where the worlds stand, `(state, timestep, memory of the actors)`, batch-last; () between whole episodes.
    """

    params: dict[str, Groups]
    opt: Any
    moments: dict[str, Groups]
    forecaster: ForecasterState | None
    hyper: Any
    env_params: Any
    key: Array
    update: Array
    carry: Any


class Sampled(NamedTuple):
    """What comes with an action.

    Attributes:
        raw: the sample behind it, per component, see `jaxvec.learners.blocks.heads`.
        log_prob: its log-probability, `(n, *batch)` [nat].
    """

    raw: Any
    log_prob: Array


class Decisions(NamedTuple):
    """What actors saw and did, as far as probabilities follow from it: per group `(time, worlds, n, ...)`.

    Attributes:
        inputs: of the actors' networks.
        mask: per discrete component, which choices were allowed.
        raw: actions as sampled, see `jaxvec.learners.blocks.heads`.
        first: bool `(time, worlds)`: a new episode begins, and memory with it.
    """

    inputs: Groups
    mask: dict[str, dict[str, Array]]
    raw: Groups
    first: Array


class Rollout(NamedTuple):
    """What an update learns from, batch-first: per group `(time, worlds, n, ...)`.

    Attributes:
        decisions: what actors saw and did.
        memory: the actors' at the start, `(worlds, n, ...)`.
        log_prob: of what they did.
        weight: 1 where an agent took part in the slot, 0 where it did not.
        inputs: everything that networks may see of a slot.
        next_inputs: likewise of what truly followed, where that is not the next slot's: of whole episodes the last slot alone
            `(1, worlds, ...)`, else every slot. See `next_of`.
        reward: what each agent earned.
        terminated: bool, nothing follows for an agent: its episode ended, or it takes part no more.
        done: bool, terminated, or the episode was cut here: returns do not go on across.
    """

    decisions: Decisions
    memory: Groups
    log_prob: Groups
    weight: Groups
    inputs: NetworkInputs
    next_inputs: NetworkInputs
    reward: Groups
    terminated: Groups
    done: Groups
