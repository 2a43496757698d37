"""The spaces of an environment's agents as those of Gymnasium, which PettingZoo and Stable-Baselines3 use, too."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxvec.adapters.actions import ActionView
from jaxvec.adapters.library import library
from jaxvec.core.spaces import Box, Discrete, Space

spaces = library("gymnasium.spaces")


def observation_space(box: Box) -> Any:
    """The space of one agent's observation.

    Args:
        box: as the environment has it.
    Returns:
        A `gymnasium.spaces.Box` of float32.
    """
    return spaces.Box(np.float32(box.low), np.float32(box.high), box.shape, np.float32)


def action_space(view: ActionView, group: str) -> Any:
    """The space of one agent's action.

    Args:
        view: how actions look.
        group: the agent's.
    Returns:
        Of `gymnasium.spaces` a `Box` in the view "flat", a `Dict` in the view "dict"; in the view "discrete" a
        `MultiDiscrete`, and for a single choice, as in the view "single", a `Discrete`.
    """
    if view.kind == "dict":
        return spaces.Dict({name: _component(space) for name, space in view.env.action_space[group].items()})
    shape, dtype, n = view.forms(group)
    if view.kind == "flat":
        return spaces.Box(-1.0, 1.0, shape, dtype)
    return spaces.MultiDiscrete(n) if shape else spaces.Discrete(int(n))


def _component(space: Space) -> Any:
    if isinstance(space, Discrete):
        return spaces.MultiDiscrete(np.full(space.shape, space.n)) if space.shape else spaces.Discrete(space.n)
    return spaces.Box(np.float32(space.low), np.float32(space.high), space.shape, np.float32)


def sample_mask(view: ActionView, group: str, masks: Mapping[str, np.ndarray]) -> Any:
    """What is allowed, in the form that `action_space(...).sample(mask)` takes.

    Args:
        view: any but "flat".
        group: the agent's.
        masks: of the agent, by component bool `(*shape, k)`; missing where everything is allowed.
    Returns:
        int8 arrays: one, or a tuple of one for each entry, or of those by component; None for a component without a mask.
    """
    of_agent = view.env.action_space[group]
    if view.kind == "dict":
        return {name: _nested(masks[name], space.shape) if name in masks else None for name, space in of_agent.items()}
    shape, _, n = view.forms(group)
    joined = view.joined(masks, group, ())
    return tuple(np.split(joined, np.cumsum(n)[:-1])) if shape else joined


def _nested(mask: np.ndarray, shape: tuple[int, ...]) -> Any:
    return tuple(_nested(row, shape[1:]) for row in mask) if shape else mask.astype(np.int8)
