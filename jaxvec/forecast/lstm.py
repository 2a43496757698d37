"""The forecaster of the URLLC paper, (69)-(74): an LSTM with peepholes and dropout."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvec.forecast.base import Forecaster


def peephole_lstm(width: int = 128, layers: int = 3, dropout: float = 0.3, variance_weight: float = 0.01) -> Forecaster:
    """A peephole LSTM (Gers and Schmidhuber 2000), and a head whose output is added to the last value.

    Untrained it forecasts the last value again, since its last layer starts at 0. Peepholes are diagonal and start at 0, weights
    are from N(0, 1 / inputs), forget gates start open (bias 1). Dropout is between layers and before the head, with one mask
    for all slots of a sequence (Gal and Ghahramani 2016).

    Args:
        width: of each layer, and of the head's.
        layers: how many.
        dropout: the part of a layer's outputs that is left out in training.
        variance_weight: eta_w of (74), which penalises how far two passes with different dropout are apart.
    """

    def init(key: Array, history: Float[Array, "*batch H F"]) -> dict[str, Any]:
        n_features = history.shape[-1]
        keys = jax.random.split(key, layers + 1)
        widths = (n_features, *[width] * (layers - 1))
        cells = [_init_cell(k, inputs, width) for k, inputs in zip(keys[1:], widths, strict=True)]
        head = [
            {"weight": _weights(keys[0], width, width), "bias": jnp.zeros(width)},
            {"weight": jnp.zeros((width, n_features)), "bias": jnp.zeros(n_features)},
        ]
        return {"cells": cells, "head": head}

    def apply(params: dict[str, Any], history: Float[Array, "*batch H F"], key: Array | None = None) -> Array:
        x = jnp.moveaxis(history, -2, 0)
        for i, cell in enumerate(params["cells"]):
            x = _layer(cell, x)
            if key is not None:
                x = x * _mask(jax.random.fold_in(key, i), x.shape[1:], dropout)
        first, last = params["head"]
        y = jax.nn.relu(x[-1] @ first["weight"] + first["bias"])
        return history[..., -1, :] + y @ last["weight"] + last["bias"]

    def loss(params: dict[str, Any], key: Array, history: Array, target: Array) -> Array:
        """(74), mean over sequences: squared error summed over features, plus the variance over dropout."""
        a, b = (apply(params, history, k) for k in jax.random.split(key))
        error = ((a - target) ** 2 + (b - target) ** 2) / 2
        return jnp.mean(jnp.sum(error + variance_weight * (a - b) ** 2 / 2, -1))

    return Forecaster(init, apply, loss)


def _weights(key: Array, inputs: int, outputs: int) -> Array:
    return jax.random.normal(key, (inputs, outputs)) / math.sqrt(inputs)


def _init_cell(key: Array, inputs: int, width: int) -> dict[str, Array]:
    """Gates in the order input, forget, candidate, output."""
    from_input, from_output = jax.random.split(key)
    return {
        "input": _weights(from_input, inputs, 4 * width),
        "recurrent": _weights(from_output, width, 4 * width),
        "bias": jnp.zeros((4, width)).at[1].set(1.0).reshape(-1),
        "peephole": jnp.zeros((3, width)),  # of input, forget and output gates
    }


def _layer(cell: dict[str, Array], x: Float[Array, "H *batch d"]) -> Float[Array, "H *batch h"]:
    """(69)-(73): outputs of all slots. The inputs' products are one for all slots."""
    width = cell["recurrent"].shape[0]
    see_i, see_f, see_o = cell["peephole"]

    def slot(carry: tuple[Array, Array], wx: Array) -> tuple[tuple[Array, Array], Array]:
        c, h = carry
        i, f, g, o = jnp.split(wx + h @ cell["recurrent"], 4, -1)
        c = jax.nn.sigmoid(f + see_f * c) * c + jax.nn.sigmoid(i + see_i * c) * jnp.tanh(g)  # (69), (70), (71)
        h = jax.nn.sigmoid(o + see_o * c) * jnp.tanh(c)  # (72), (73)
        return (c, h), h

    nothing = jnp.zeros((*x.shape[1:-1], width), x.dtype)
    return jax.lax.scan(slot, (nothing, nothing), x @ cell["input"] + cell["bias"])[1]


def _mask(key: Array, shape: tuple[int, ...], dropout: float) -> Array:
    return jax.random.bernoulli(key, 1 - dropout, shape) / (1 - dropout)
