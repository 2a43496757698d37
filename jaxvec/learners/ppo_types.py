"""What PPO is set by, and what it learns from."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxvec.learners import on_policy_types
from jaxvec.learners.blocks.actors import Groups
from jaxvec.learners.on_policy_types import Decisions


@dataclass(frozen=True)
class Settings(on_policy_types.Settings):
    """As `jaxvec.learners.on_policy_types.Settings`, with a critic.

    Attributes:
        central_critic: the critic sees `Observation.world` (MAPPO) rather than each agent's own observation (IPPO), or both
            where there is more in the observation (`Environment.whole_world`).
        epochs, minibatches: passes over the collected data, and parts of each pass.
        normalise_values: the critic counts in deviations of its targets, by running mean and variance.
    """

    central_critic: bool = False
    epochs: int = 2
    minibatches: int = 8
    normalise_values: bool = True


class Hyper(on_policy_types.Hyper):
    """As `jaxvec.learners.on_policy_types.Hyper`, with what PPO has besides.

    Attributes:
        gae_lambda: of advantages, 0 for one-step errors and 1 for whole returns.
        clip: how far a probability ratio may go from 1.
        value_weight: of the critic's squared error, in the loss.
    """

    gae_lambda: float = 0.95
    clip: float = 0.2
    clip_end: float = 0.2
    value_weight: float = 0.5


class Batch(NamedTuple):
    """What a gradient step learns from, batch-first: per group `(time, worlds, n, ...)`.

    Attributes:
        decisions: what actors saw and did.
        critic: inputs of the critics.
        weight: 1 where an agent took part.
        log_prob: of what it did, when it did it.
        advantage: in units of the reward.
        target: of the critic, in its units.
    """

    decisions: Decisions
    critic: Groups
    weight: Groups
    log_prob: Groups
    advantage: Groups
    target: Groups
