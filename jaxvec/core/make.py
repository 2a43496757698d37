"""Environments by name, with their parameters."""

import dataclasses
from typing import Any

import numpy as np

from jaxvec.core.environment import Environment
from jaxvec.core.errors import suggest
from jaxvec.core.params import check_numbers, check_params
from jaxvec.core.registry import Registry

ENVIRONMENTS: Registry[type[Environment]] = Registry(
    "environment",
    {
        "isac_iov": "jaxvec.envs.isac_iov:IsacIov",
        "v2x_offload": "jaxvec.envs.v2x_offload:V2xOffload",
        "urllc_vec": "jaxvec.envs.urllc_vec:UrllcVec",
        "twin_migration": "jaxvec.envs.twin_migration:TwinMigration",
        "dt_edge": "jaxvec.envs.dt_edge:DtEdge",
    },
)


def env_ids() -> tuple[str, ...]:
    """The ids that `make` knows."""
    return tuple(ENVIRONMENTS)


def make(env_id: str, *, preset: str | None = None, world: Any = None, **settings: Any) -> tuple[Environment, Any]:
    """An environment and its parameters.

    Args:
        env_id: one of `env_ids()`.
        preset: a named configuration of the environment's; `settings` go on top of it.
        world: recorded vehicles and places to set it in, a `jaxvec.traces.World` or a file of one; of several, a list or paths
            with commas between, the numbers are a batch of as many worlds. `settings` go on top of it, too.
        settings: sizes and switches (static: a change recompiles) and numbers (never recompile), by name.
    Returns:
        `env, params`; for a number use `params.replace(name=value)` as well.
    Raises:
        ValueError: unknown id, preset or setting (the closest known one is named), or a bad size, switch or number: it is
            named with its value, its unit and what is accepted. A number in `settings` that has no effect under the switches is
            warned of.
    """
    cls: Any = ENVIRONMENTS[env_id]
    explicit = set(settings)
    if preset is not None:
        if preset not in cls.presets:
            raise ValueError(suggest(f"preset of {env_id}", preset, cls.presets))
        settings = {**cls.presets[preset].settings, **settings}
    if world is not None:
        settings = {**cls.settings_of_world(world, settings), **settings}
    sizes = {field.name for field in dataclasses.fields(cls)}
    numbers = {field.name for field in dataclasses.fields(cls.params_cls)}
    for name in settings:
        if name not in sizes | numbers:
            raise ValueError(suggest(f"setting of {env_id}", name, sizes | numbers))
    env = cls(**{name: value for name, value in settings.items() if name in sizes})

    given = {name: _array(value) for name, value in settings.items() if name in numbers}
    check_numbers(cls.params_cls, given)
    return env, check_params(env.default_params(**given), env, explicit)


def _array(x: Any) -> Any:
    if not isinstance(x, list | tuple):
        return x
    try:
        return np.asarray(x, float)
    except (TypeError, ValueError):
        return x  # refused by name
