"""Uniform choice, of whatever an environment lets its agents choose."""

from typing import Any

from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.rule import Rule
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import Observation


def random(env: Environment) -> Rule:
    """Every component uniform on its space, over the allowed choices where there is a mask; local."""
    spaces = {(group, name): space for group, parts in env.action_space.items() for name, space in parts.items()}

    def policy(key: Array, obs: Observation) -> Any:
        shown = {group: len(rows) for group, rows in obs.agents.items()}
        shapes = {f"{group}/{name}": (shown[group], *space.shape) for (group, name), space in spaces.items()}
        u = rng.uniforms(key, shapes)
        action: dict[str, dict[str, Array]] = {group: {} for group in env.action_space}
        for (group, name), space in spaces.items():
            draw = u[f"{group}/{name}"]
            if isinstance(space, Discrete):
                action[group][name] = space.from_uniform(draw, obs.mask.get(group, {}).get(name))
            else:
                action[group][name] = space.from_uniform(draw)
        return action

    return Rule(policy, local=True, meaning="Every number and every choice at random.")
