"""What a learner is: pure functions of its state."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array

from jaxvec.core.environment import Environment
from jaxvec.core.rollout import Policy
from jaxvec.core.types import Observation

Metrics = dict[str, Array]


def check_counts(name: str, settings: Any, counts: tuple[str, ...]) -> None:
    """Refuse settings that must be whole numbers of at least 1.

    Args:
        name: of the learner, for messages.
        settings: its settings.
        counts: names of those that are counts.
    Raises:
        ValueError: names the first such setting.
    """
    for field in counts:
        value = getattr(settings, field)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}: {field} must be a whole number of at least 1, not {value!r}")


class Learner(NamedTuple):
    """`init`, `update` and `policy`, and what they were made from. jit them, vmap them over seeds, rates and scenarios.

    Attributes:
        name: of the algorithm.
        env: the environment it learns on.
        settings: frozen dataclass of what fixes shapes.
        hyper: struct of default hyper-parameters, to be swept as leaves.
        init: `init(key, params, hyper=...) -> state`.
        update: `update(state) -> state, metrics`, one iteration.
        policy: `policy(state, greedy=True) -> policy(key, obs) -> action`.
        steps_per_update: world-slots that an update simulates.
        custom: which of "network" and "critic" are the user's own; a run folder records how they can be known again.
        networks: `networks(state, obs) -> (parameters, outputs)`, each by these two names: what the actors' and the critics'
            networks say of an observation of `n_worlds` worlds; needed where some are the user's own.
        policy_state: `policy_state(state)`, a state without what only learning needs, of which `policy` can be asked; needed
            where the best policy is kept, see `jaxvec.learners.best`.
    """

    name: str
    env: Environment
    settings: Any
    hyper: Any
    init: Callable[..., Any]
    update: Callable[[Any], tuple[Any, Metrics]]
    policy: Callable[..., Policy]
    steps_per_update: int
    custom: tuple[str, ...] = ()
    networks: Callable[[Any, Observation], tuple[dict[str, Any], dict[str, Any]]] | None = None
    policy_state: Callable[[Any], Any] | None = None

    @property
    def updates_per_episode(self) -> int:
        """How many updates see an episode once; an update that sees less of it tells of the piece where all worlds are."""
        slots = max(1, self.steps_per_update // getattr(self.settings, "n_worlds", self.steps_per_update))
        return -(-self.env.horizon // slots)
