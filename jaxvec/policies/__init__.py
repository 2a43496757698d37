"""Policies that do not learn: a random one for any environment, and fixed rules of those that have some.

Rules of a system of the package are a module here, with a function `rules(env, params) -> {name: policy}`: write the file and add
a line to `RULES`. An environment from outside brings its rules itself, see `Environment.rules`. Which of them an agent could
follow alone is marked: `jaxvec.core.rule.Rule`, `is_local`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jaxvec.core.environment import Environment
from jaxvec.core.registry import Registry
from jaxvec.core.rollout import Policy
from jaxvec.core.rule import is_local
from jaxvec.policies.random import random

__all__ = ["RULES", "fixed", "is_local", "random"]

RULES: Registry[Callable[[Any, Any], Mapping[str, Policy]]] = Registry(
    "rules of an environment",
    {
        "isac_iov": "jaxvec.policies.isac_iov:rules",
        "v2x_offload": "jaxvec.policies.v2x_offload:rules",
        "urllc_vec": "jaxvec.policies.urllc_vec:rules",
        "twin_migration": "jaxvec.policies.twin_migration:rules",
        "dt_edge": "jaxvec.policies.dt_edge:rules",
    },
)


def fixed(env: Environment, params: Any) -> dict[str, Policy]:
    """The random policy, and the rules of an environment: those that the package has for it, and those that it brings.

    Args:
        env: an environment.
        params: its parameters, which rules that know the system may use.
    Returns:
        name -> `policy(key, obs) -> action`, for one world or a batch; `is_local(policy)` says whether its agents could decide by
        themselves, and what an environment brings as a plain function counts as central.
    """
    of_package = RULES[env.id](env, params) if env.id in RULES else {}
    return {"random": random(env), **of_package, **env.rules(params)}
