"""What a forecaster is: from the last measurements of a sequence to what holds now."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


class Forecaster(NamedTuple):
    """Three pure functions. A history is `(*batch, H, F)`: H lags, oldest first, of F features. A forecast is `(*batch, F)`.

    Attributes:
        init: `init(key, history) -> params`, from an example of a history: parameters may depend on H and F.
        apply: `apply(params, history, key=None) -> forecast`. Chance, such as dropout, comes with a key alone.
        loss: `loss(params, key, history, target) -> ()`, what training makes small, for a target of the forecast's shape.
    """

    init: Callable[[Array, Array], Any]
    apply: Callable[..., Array]
    loss: Callable[[Any, Array, Array, Array], Array]


def squared_error(forecast: Float[Array, "*batch F"], target: Float[Array, "*batch F"]) -> Float[Array, ""]:
    """The mean over everything of the squared error [unit^2 of the measurements]."""
    return jnp.mean((forecast - target) ** 2)


def forecaster(module: nn.Module, loss: Callable[[Array, Array], Array] = squared_error) -> Forecaster:
    """A Flax module as a forecaster.

    Args:
        module: maps a history `(*batch, H, F)` to a forecast `(*batch, F)`. In training it has a random stream "dropout", so that
            it may say `nn.Dropout(0.1, deterministic=not self.has_rng("dropout"))`.
        loss: `loss(forecast, target) -> ()`.
    """

    def apply(params: Any, history: Float[Array, "*batch H F"], key: Array | None = None) -> Array:
        forecast: Any = module.apply(params, history, rngs=None if key is None else {"dropout": key})
        return forecast

    def loss_of(params: Any, key: Array, history: Array, target: Array) -> Array:
        return loss(apply(params, history, key), target)

    return Forecaster(module.init, apply, loss_of)
