"""What an environment says to an agent: observations and timesteps.

Shapes are those of one world. A batch of worlds adds its axes at the END of every array, so an observation of 5 vehicles
with 26 entries in 1024 worlds is `(5, 26, 1024)`: XLA vectorises over the innermost axis, and 5 is too short for it.
"""

from typing import Any, NamedTuple

from flax import struct
from jax import Array


class Observation(struct.PyTreeNode):
    """What the agents, and a central critic, may see at the start of a slot.

    Attributes:
        agents: per group, `(n, d)`, scaled to O(1) by constants that the environment documents.
        world: `(g,)`, the view of a critic in centralised training.
        mask: per group and discrete component, bool `(n, k)`, which choices are allowed. Empty where all are.
        active: per group, bool `(n,)`, which agents take part in this slot (recorded vehicles come and go). A group whose
            agents always act is left out. Learners learn from those who take part, and unless the reward is the team's
            (`Environment.team_reward`), an agent that takes part no more has ended: its return does not go on.
        ids: per group, int32 `(n,)` or the same in all worlds, which agents the rows are, where only some are asked (agents that
            take turns inside a slot). A group of all agents in order is left out.
        aux: what only a special learner wants (a twin's history, a critic's own view of each agent).
    """

    agents: dict[str, Array]
    world: Array
    mask: dict[str, dict[str, Array]] = struct.field(default_factory=dict)
    active: dict[str, Array] = struct.field(default_factory=dict)
    ids: dict[str, Array] = struct.field(default_factory=dict)
    aux: dict[str, Array] = struct.field(default_factory=dict)


class Timestep(struct.PyTreeNode):
    """The outcome of a slot, and what is seen at the start of the next one.

    Attributes:
        obs: the observation to act on next.
        reward: per group, `(n,)`: what each agent learns from (a team's value is broadcast).
        terminated: bool `()`: the episode really ended, nothing follows.
        truncated: bool `()`: we stop looking, the world would go on; learners bootstrap through it.
        info: every intermediate quantity of the slot by name; empty after `reset`.
        final_obs: under `auto_reset`, the last observation of the episode that a slot belongs to; None elsewhere.
    """

    obs: Observation
    reward: dict[str, Array]
    terminated: Array
    truncated: Array
    info: dict[str, Array] = struct.field(default_factory=dict)
    final_obs: Observation | None = None

    @property
    def done(self) -> Array:
        """bool `()`: terminated or truncated."""
        return self.terminated | self.truncated

    @property
    def next_obs(self) -> Observation:
        """The observation that truly followed the action: what a value is bootstrapped from."""
        return self.obs if self.final_obs is None else self.final_obs


class ActTrace(NamedTuple):
    """How the agents of a slot were asked.

    Attributes:
        obs: as each of them saw it.
        extras: what came with their actions.
    """

    obs: Observation
    extras: Any
