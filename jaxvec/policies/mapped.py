"""From a decision about one world to a policy."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import jax
import numpy as np
from jax import Array


def over_worlds(decide: Callable[..., Any], params: Any) -> Callable[..., Any]:
    """`decide(params, key, obs, *more)` of one world as a function of `(key, obs, *more)` of one world or of a batch.

    Args:
        decide: takes and gives one world's arrays.
        params: the environment's numbers. Leaves may have the worlds' axis last, as in a sweep: each world is then decided with
            its own.
    """

    def policy(key: Array, *arguments: Any) -> Any:
        own = params.replace(**_without_worlds(params))
        params_axes, mapped = own.replace(**_world_axes(own)), decide
        for level in range(key.ndim):  # the worlds' axis is the last: the outermost map
            outermost = level == key.ndim - 1
            in_axes = (params_axes if outermost else None, *[-1] * (1 + len(arguments)))
            mapped = jax.vmap(mapped, in_axes=in_axes, out_axes=-1)
        return mapped(own, key, *arguments)

    return policy


def _without_worlds(params: Any) -> dict[str, Any]:
    """Data whose axis of worlds has length 1, as `jaxvec.core.params.world_params` makes them, without it."""
    documented = {field.name: field.metadata["axes"] for field in fields(params)}
    return {
        name: getattr(params, name)[..., 0]
        for name, axes in documented.items()
        if axes and np.ndim(getattr(params, name)) > len(axes) and np.shape(getattr(params, name))[-1] == 1
    }


def _world_axes(params: Any) -> dict[str, int | None]:
    """Of each number, where its axis of worlds is: the last, or None where all worlds share it, as they share data."""
    documented = {field.name: field.metadata["axes"] for field in fields(params)}
    return {
        name: -1 if axes is not None and np.ndim(getattr(params, name)) > len(axes) else None
        for name, axes in documented.items()
    }
