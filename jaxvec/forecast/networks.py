"""Networks that forecast the workload of a server from its last values: LSTM-Transformer of the DM-MAPPO paper, and its peers.

Each maps `(*batch, H, F)`, oldest first, to `(*batch, F)`, as every `Forecaster`; one network serves all servers. Without
dropout, so that a key changes nothing.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.initialisers import orthogonal
from jaxvec.core.registry import Registry
from jaxvec.forecast.lstm import Forecaster

WIDTH = 32  # of recurrent layers and convolutions
MODEL_WIDTH, HEADS, HEAD_WIDTH, FEED_FORWARD = 64, 4, 64, 128  # of the Transformer; d_k = 64 is of each head

_CELLS = {"lstm": nn.OptimizedLSTMCell, "gru": nn.GRUCell}


class _Recurrent(nn.Module):
    """A recurrent layer over all steps, perhaps after a convolution of kernel 1; (17), whose cell's update takes no sigmoid."""

    cell: str
    convolution: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Any:
        if self.convolution:
            x = nn.relu(nn.Dense(WIDTH, name="convolution")(x))  # a kernel of one step sees each step alone
        cell = _CELLS[self.cell](WIDTH, recurrent_kernel_init=orthogonal(1.0))
        return nn.RNN(cell, unroll=x.shape[-2])(x)


class _Plain(nn.Module):
    """Its last step, and a dense layer."""

    cell: str
    convolution: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return nn.Dense(x.shape[-1])(_Recurrent(self.cell, self.convolution)(x)[..., -1, :])


class _Transformer(nn.Module):
    """An LSTM, which tells the order of the steps, and a Transformer's encoder layer (18).

    Only the last step is read, so that only its query, and only its row of all that follows, is computed.
    """

    @nn.compact
    def __call__(self, x: Array) -> Array:
        features = x.shape[-1]
        x = nn.Dense(MODEL_WIDTH)(_Recurrent("lstm")(x))
        heads = lambda name: nn.DenseGeneral((HEADS, HEAD_WIDTH), name=name)  # noqa: E731
        last = x[..., -1, :]
        query, key, value = heads("query")(last), heads("key")(x), heads("value")(x)
        score = jnp.einsum("...hd,...thd->...ht", query, key) / math.sqrt(HEAD_WIDTH)
        seen = jnp.einsum("...ht,...thd->...hd", jax.nn.softmax(score), value)
        y = nn.LayerNorm()(last + nn.DenseGeneral(MODEL_WIDTH, axis=(-2, -1), name="out")(seen))
        y = nn.LayerNorm()(y + nn.Dense(MODEL_WIDTH)(nn.relu(nn.Dense(FEED_FORWARD)(y))))
        return nn.Dense(features)(y)


def _forecaster(module: nn.Module) -> Forecaster:
    def init(key: Array, n_features: int) -> Any:
        return module.init(key, jnp.zeros((1, 1, n_features)))

    def apply(params: Any, history: Array, key: Array | None = None) -> Array:
        return module.apply(params, history)  # type: ignore[return-value]

    def loss(params: Any, key: Array, history: Array, target: Array) -> Array:
        return jnp.mean((apply(params, history) - target) ** 2)

    return Forecaster(init, apply, loss)


FORECASTERS: Registry[Forecaster] = Registry(
    "forecaster",
    {
        "lstm_transformer": _forecaster(_Transformer()),
        "lstm": _forecaster(_Plain("lstm")),
        "gru": _forecaster(_Plain("gru")),
        "cnn_lstm": _forecaster(_Plain("lstm", convolution=True)),
        "cnn_gru": _forecaster(_Plain("gru", convolution=True)),
    },
)
"""By name, with 89 729, 4 385, 3 329, 8 417 and 6 369 parameters for one feature. Their loss is the mean squared error."""
