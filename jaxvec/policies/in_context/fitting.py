"""Adam under one jit: how the networks of this package are trained, offline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import optax
from jax import Array


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Attributes:
        steps: of Adam.
        batch_size: examples in each, drawn with replacement.
        learning_rate: constant.
    """

    steps: int
    batch_size: int = 256
    learning_rate: float = 3e-4

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


class Fitted(NamedTuple):
    """Weights, and the loss of each step `(steps,)`."""

    params: Any
    loss: Array


def descend(loss: Callable[[Any, Array], Array], params: Any, key: Array, how: Training) -> Fitted:
    """Minimise `loss(params, key)`, whose key chooses the batch.

    Args:
        loss: a number.
        params: to begin with.
        key: of all batches.
    """
    optimiser = optax.adam(how.learning_rate)

    def step(carry: tuple[Any, Any], key: Array) -> tuple[tuple[Any, Any], Array]:
        params, opt = carry
        value, grad = jax.value_and_grad(loss)(params, key)
        updates, opt = optimiser.update(grad, opt, params)
        return (optax.apply_updates(params, updates), opt), value

    (params, _), losses = jax.lax.scan(step, (params, optimiser.init(params)), jax.random.split(key, how.steps))
    return Fitted(params, losses)
