"""Learners by name. To add one: write its file, add a line here; from outside, `jaxvec.register(name, make, kind="learner")`.

An entry is a function `make(env, **settings) -> Learner`, whose settings are the fields of `Learner.settings`, and `network` and
`critic` where it takes networks of one's own.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from jaxvec.core.environment import Environment
from jaxvec.core.errors import suggest
from jaxvec.core.registry import Registry
from jaxvec.learners.apg import apg
from jaxvec.learners.base import Learner
from jaxvec.learners.ddpg import ddpg
from jaxvec.learners.ppo import ppo
from jaxvec.learners.sac import sac


def _entry(words: str, make: Callable[..., Learner], **settings: Any) -> Callable[..., Learner]:
    """An entry of the table: a learner of some settings, and what it is in one line."""
    entry = partial(make, **settings)
    entry.__doc__ = words
    return entry


LEARNERS: Registry[Callable[..., Learner]] = Registry(
    "learner",
    {
        "apg": _entry("analytic policy gradients through the world, and exact counterfactuals of choices", apg),
        "ippo": _entry("PPO, each agent with a critic of its own observation", ppo, central_critic=False),
        "mappo": _entry("PPO with a central critic, which sees the whole world", ppo, central_critic=True),
        "mappo_matched": _entry(
            "mappo whose actor has a small dense layer in the place of qmarl's circuit",
            ppo,
            central_critic=True,
            actor="matched",
        ),
        "qmarl": _entry(
            "mappo whose actor is a parametrised quantum circuit", ppo, central_critic=True, actor="circuit"
        ),
        "ddpg": _entry(
            "deep deterministic policy gradients, each agent by itself",
            ddpg,
            central_critic=False,
            double_critics=False,
        ),
        "maddpg": _entry("DDPG with central critics", ddpg, central_critic=True, double_critics=False),
        "maddpg_pooled": _entry(
            "maddpg whose critic sees the other agents as a set",
            ddpg,
            central_critic=True,
            double_critics=False,
            pooled_critic=True,
        ),
        "td3": _entry(
            "DDPG with two critics, of which the smaller counts", ddpg, central_critic=False, double_critics=True
        ),
        "matd3": _entry("td3 with central critics", ddpg, central_critic=True, double_critics=True),
        "sac": _entry("soft actor-critic, each agent by itself", sac, central_critic=False),
        "masac": _entry("soft actor-critic with central critics", sac, central_critic=True),
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
        TypeError: an unknown setting, with where it belongs if it is a hyper-parameter; or what is registered under this name
            makes no `Learner`.
    """
    try:
        learner = LEARNERS[name](env, **settings)
    except TypeError:
        _check_settings(name, env, settings)
        raise
    if not isinstance(learner, Learner):
        raise TypeError(f"learner {name!r} must make a jaxvec.learners.base.Learner, not {learner!r}")
    return learner._replace(name=name)


def _check_settings(name: str, env: Environment, settings: dict[str, Any]) -> None:
    """Refuse names that are no settings of a learner."""
    usual = LEARNERS[name](env)
    if not isinstance(usual, Learner):
        return
    known = {field.name for field in dataclasses.fields(usual.settings)} | {"network", "critic"}
    hyper = {field.name for field in dataclasses.fields(usual.hyper)}
    for setting in settings:
        if setting in hyper:
            raise TypeError(
                f"{setting} is a hyper-parameter of {name}, which may change without compiling: give it when training, as "
                f"jaxvec.train(learner, ..., hyper={{{setting!r}: {settings[setting]!r}}})"
            ) from None
        if setting not in known:
            raise TypeError(suggest(f"setting of {name}", setting, known)) from None
