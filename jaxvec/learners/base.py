"""What a learner is: pure functions of its state."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array

from jaxvec.core.environment import Environment
from jaxvec.core.rollout import Policy

Metrics = dict[str, Array]


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
    """

    name: str
    env: Environment
    settings: Any
    hyper: Any
    init: Callable[..., Any]
    update: Callable[[Any], tuple[Any, Metrics]]
    policy: Callable[..., Policy]
    steps_per_update: int
