"""Learners by name. To add one: write its file, add a line here."""

from collections.abc import Callable
from functools import partial
from typing import Any

from jaxvec.core.environment import Environment, suggest
from jaxvec.learners.base import Learner
from jaxvec.learners.ppo import ppo

LEARNERS: dict[str, Callable[..., Learner]] = {
    "ippo": partial(ppo, central_critic=False),
    "mappo": partial(ppo, central_critic=True),
}


def make(name: str, env: Environment, **settings: Any) -> Learner:
    """A learner by name.

    Raises:
        ValueError: unknown name (the closest known one is named), or a bad setting. TypeError: an unknown setting.
    """
    if name not in LEARNERS:
        raise ValueError(suggest("learner", name, LEARNERS))
    return LEARNERS[name](env, **settings)
