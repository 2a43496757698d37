"""The control: a network that has learned the cases by heart, row by row, and looks nothing up (behaviour cloning)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.policies.in_context.cases import CaseSet, Situation
from jaxvec.policies.in_context.fitting import Fitted, Training, descend

HIDDEN = (256, 128, 64)  # as the actor of the cases' teacher: two layers of ReLU and one of tanh
TRAINING = Training(5000, learning_rate=1e-3)


class _Net(nn.Module):
    out: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for width, activation in zip(HIDDEN, (nn.relu, nn.relu, nn.tanh), strict=True):
            x = activation(nn.Dense(width)(x))
        return nn.sigmoid(nn.Dense(self.out)(x))


def _inputs(situation: Situation) -> Array:
    rows, shared = situation
    return jnp.concatenate([rows, jnp.broadcast_to(shared[..., None, :], (*rows.shape[:-1], shared.shape[-1]))], -1)


@partial(jax.jit, static_argnames="how")
def fit(key: Array, cases: CaseSet, how: Training = TRAINING) -> Fitted:
    """Regression of the rows' decisions on their own and the shared features.

    Args:
        cases: in unit numbers.
    """
    key_init, key_fit = jax.random.split(key)
    inputs, net = _inputs(cases.situation), _Net(cases.action.shape[-1])
    valid_first, n = jnp.argsort(~cases.valid, stable=True), jnp.sum(cases.valid)

    def loss(params: Any, key: Array) -> Array:
        key_case, key_row = jax.random.split(key)
        case = valid_first[jax.random.randint(key_case, (how.batch_size,), 0, n)]
        row = jax.random.randint(key_row, (how.batch_size,), 0, inputs.shape[1])
        return jnp.mean((jnp.asarray(net.apply(params, inputs[case, row])) - cases.action[case, row]) ** 2)

    return descend(loss, net.init(key_init, inputs[0]), key_fit, how)


def decide(params: Any, n_numbers: int) -> Callable[[Situation], Array]:
    """From a situation to the unit matrix of a trained network."""
    return lambda situation: jnp.asarray(_Net(n_numbers).apply(params, _inputs(situation)))
