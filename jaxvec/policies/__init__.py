"""Policies that do not learn: a random one for any environment, and one module of fixed rules per environment."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from jaxvec.core.environment import Environment
from jaxvec.core.rollout import Policy
from jaxvec.policies.random import random


def fixed(env: Environment, params: Any) -> dict[str, Policy]:
    """The random policy, and the rules of the module `jaxvec.policies.<env.id>` where there is one.

    Args:
        env: an environment.
        params: its parameters, which rules that know the system may use.
    Returns:
        name -> `policy(key, obs) -> action`, for one world or a batch.
    """
    module = f"{__name__}.{env.id}"
    rules = import_module(module).rules(env, params) if find_spec(module) else {}
    return {"random": random(env), **rules}
