"""What PPO is set by, and what it keeps."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from flax import struct
from jax import Array

from jaxvec.forecast.online import ForecasterState
from jaxvec.learners.base import check_counts
from jaxvec.learners.blocks.actors import Groups

NAMES = {
    "mlp": ("ippo", "mappo"),
    "server_scorer": ("ippo", "mappo"),
    "circuit": ("qmarl", "qmarl"),
    "matched": ("mappo_matched", "mappo_matched"),
}
"""Of a learner, per actor, without and with a central critic."""


@dataclass(frozen=True)
class Settings:
    """What fixes shapes and code paths: a change recompiles.

    Attributes:
        actor: "mlp"; "server_scorer", one small network that scores each option of a choice, see `jaxvec.learners.blocks.scorer`;
            "circuit", the quantum policy network; or "matched", that with a dense layer in the circuit's place.
        central_critic: the critic sees `Observation.world` (MAPPO) rather than each agent's own observation (IPPO), or both
            where there is more in the observation (`Environment.whole_world`).
        share_parameters: the agents of a group share one network; else each has its own.
        n_worlds: parallel worlds.
        rollout_length: slots per update, with automatic resets; None: whole episodes, for environments that end at their
            horizon only, reset between updates.
        epochs, minibatches: passes over the collected data, and parts of each pass.
        hidden: widths of actor and critic.
        activation: "tanh", "relu" or "silu".
        scorer_hidden: widths of a scorer, whose activation is "tanh".
        gru: width of a recurrent layer in the actor, 0 for none.
        free_std: log standard deviations are parameters of their own, rather than outputs of the actor.
        n_qubits, n_circuit_layers, encoding, readout: of circuits, see `jaxvec.quantum.qpn`.
        forecaster: the name of the network that forecasts in an environment with `forecasts`, see `jaxvec.forecast.FORECASTERS`.
        forecaster_steps, forecaster_batch: its gradient steps per update, and slots in each.
        normalise_observations, normalise_values: by running mean and variance.
    """

    actor: str = "mlp"
    central_critic: bool = False
    share_parameters: bool = True
    n_worlds: int = 128
    rollout_length: int | None = None
    epochs: int = 2
    minibatches: int = 8
    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    scorer_hidden: tuple[int, ...] = (32, 32)
    gru: int = 0
    free_std: bool = False
    n_qubits: int = 6
    n_circuit_layers: int = 4
    encoding: str = "angle"
    readout: str = "expval"
    forecaster: str = "peephole_lstm"
    forecaster_steps: int = 8
    forecaster_batch: int = 3200
    normalise_observations: bool = False
    normalise_values: bool = True

    def __post_init__(self) -> None:
        counts = (
            "n_worlds",
            "epochs",
            "minibatches",
            "n_qubits",
            "n_circuit_layers",
            "forecaster_steps",
            "forecaster_batch",
        )
        check_counts("ppo", self, counts)
        if self.actor not in NAMES:
            raise ValueError(f"ppo: unknown actor {self.actor!r}. Known: {', '.join(NAMES)}")
        if self.gru and self.actor != "mlp":
            raise ValueError(f"ppo: actor {self.actor!r} has no memory: gru must be 0")


class Hyper(struct.PyTreeNode):
    """What may be swept without recompiling.

    A quantity with an `_end` goes there linearly over `anneal_updates`; `jaxvec.train` sets that to its number of updates.

    Attributes:
        epsilon: the chance of a uniform choice, part of the policy that is learned; it ends after `epsilon_part` of training.
        circuit_rate: learning rate of a circuit's angles and scales, relative to that of all else.
        forecaster_learning_rate: of a forecaster.
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
    gae_lambda: float = 0.95
    clip: float = 0.2
    clip_end: float = 0.2
    entropy_weight: float = 5e-4
    entropy_weight_end: float = 5e-4
    value_weight: float = 0.5
    max_grad_norm: float = 0.5


class State(struct.PyTreeNode):
    """Everything that an update reads and writes; environment parameters and hyper-parameters live here too, to be swept."""

    params: dict[str, Groups]  # {"actor", "critic"} per group
    opt: Any
    moments: dict[str, Groups]  # {"obs", "value"} per group, where normalised
    forecaster: ForecasterState | None  # where the environment has one to be told
    hyper: Hyper
    env_params: Any
    key: Array
    update: Array  # () int32
    carry: Any  # where the worlds stand, for rollouts that are not whole episodes


class Batch(NamedTuple):
    """Collected data, batch-first: leaves `(time, worlds, n, ...)` per group."""

    features: Groups  # what the actor sees
    critic: Groups  # what the critic sees
    mask: dict[str, dict[str, Array]]
    weight: Groups  # 1 where the agent took part
    raw: Groups
    log_prob: Groups
    advantage: Groups
    target: Groups
    first: Array  # (time, worlds) bool
