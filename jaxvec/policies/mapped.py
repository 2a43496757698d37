"""From a decision about one world to a policy."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import jax
import numpy as np
from jax import Array


def over_worlds(one: Callable[..., Any], params: Any) -> Callable[..., Any]:
    """`one(params, key, obs, *more)` of one world as a function of `(key, obs, *more)` of one world or of a batch.

    Args:
        params: whose leaves may have the worlds' axis last, as in a sweep: each world is then decided with its own.
    """

    def policy(key: Array, *seen: Any) -> Any:
        swept = {
            f.name: -1 if np.ndim(getattr(params, f.name)) > len(f.metadata["axes"]) else None for f in fields(params)
        }
        axes, mapped = params.replace(**swept), one
        for level in range(key.ndim):  # the worlds' axis is the last: the outermost map
            outermost = level == key.ndim - 1
            mapped = jax.vmap(mapped, in_axes=(axes if outermost else None, *[-1] * (1 + len(seen))), out_axes=-1)
        return mapped(params, key, *seen)

    return policy
