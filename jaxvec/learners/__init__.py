"""Learners by name. To add one: write its file, add a line here; from outside, `jaxvec.register(name, make, kind="learner")`.

An entry is a function `make(env, **settings) -> Learner`, whose settings are the fields of `Learner.settings`, and `network` and
`critic` where it takes networks of one's own.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from jaxvec.core.environment import Environment
from jaxvec.core.registry import Registry
from jaxvec.learners.apg import apg
from jaxvec.learners.base import Learner
from jaxvec.learners.ddpg import ddpg
from jaxvec.learners.ppo import ppo
from jaxvec.learners.sac import sac

LEARNERS: Registry[Callable[..., Learner]] = Registry(
    "learner",
    {
        "apg": apg,
        "ippo": partial(ppo, central_critic=False),
        "mappo": partial(ppo, central_critic=True),
        "mappo_matched": partial(ppo, central_critic=True, actor="matched"),
        "qmarl": partial(ppo, central_critic=True, actor="circuit"),
        "ddpg": partial(ddpg, central_critic=False, double_critics=False),
        "maddpg": partial(ddpg, central_critic=True, double_critics=False),
        "maddpg_pooled": partial(ddpg, central_critic=True, double_critics=False, pooled_critic=True),
        "td3": partial(ddpg, central_critic=False, double_critics=True),
        "matd3": partial(ddpg, central_critic=True, double_critics=True),
        "sac": partial(sac, central_critic=False),
        "masac": partial(sac, central_critic=True),
    },
)


def make(name: str, env: Environment, **settings: Any) -> Learner:
    """A learner by name, which it bears whatever it was built of.

    Args:
        name: one of `LEARNERS`.
        env: what to learn on.
        settings: fields of the learner's settings, which fix shapes; and `network` and `critic`, networks of one's own, see
            `jaxvec.learners.blocks.networks.as_builder`.
    Raises:
        ValueError: unknown name (the closest known one is named), or a bad setting.
        TypeError: an unknown setting, or what is registered under this name makes no `Learner`.
    """
    learner = LEARNERS[name](env, **settings)
    if not isinstance(learner, Learner):
        raise TypeError(f"learner {name!r} must make a jaxvec.learners.base.Learner, not {learner!r}")
    return learner._replace(name=name)
