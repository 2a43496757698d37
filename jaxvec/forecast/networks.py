"""Forecasters by name. Networks that forecast the workload of a server from its last values: LSTM-Transformer of the DM-MAPPO
paper, and its peers.

One network serves all servers. They are without dropout, so that a key changes nothing.

To add a forecaster write it and add a line to `FORECASTERS`; from outside, here a Flax module from `(*batch, H, F)` to
`(*batch, F)`:

    jaxvec.register("mine", jaxvec.forecast.forecaster(MyModule()), kind="forecaster")

`learned(counts, n_train, "mine")` and `predict(counts, "mine")` then train it on counts, and a learner with the setting
`forecaster="mine"` trains it beside the policy.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.initialisers import orthogonal
from jaxvec.core.registry import Registry
from jaxvec.forecast.base import Forecaster, forecaster
from jaxvec.forecast.lstm import peephole_lstm

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
        last = x[..., -1, :]

        def heads(name: str) -> nn.DenseGeneral:
            return nn.DenseGeneral((HEADS, HEAD_WIDTH), name=name)

        query, key, value = heads("query")(last), heads("key")(x), heads("value")(x)
        score = jnp.einsum("...hd,...thd->...ht", query, key) / math.sqrt(HEAD_WIDTH)
        attended = jnp.einsum("...ht,...thd->...hd", jax.nn.softmax(score), value)
        y = nn.LayerNorm()(last + nn.DenseGeneral(MODEL_WIDTH, axis=(-2, -1), name="out")(attended))
        y = nn.LayerNorm()(y + nn.Dense(MODEL_WIDTH)(nn.relu(nn.Dense(FEED_FORWARD)(y))))
        return nn.Dense(features)(y)


FORECASTERS: Registry[Forecaster] = Registry(
    "forecaster",
    {
        "lstm_transformer": forecaster(_Transformer()),
        "lstm": forecaster(_Plain("lstm")),
        "gru": forecaster(_Plain("gru")),
        "cnn_lstm": forecaster(_Plain("lstm", convolution=True)),
        "cnn_gru": forecaster(_Plain("gru", convolution=True)),
        "peephole_lstm": peephole_lstm(),
    },
)
"""By name, with 89 729, 4 385, 3 329, 8 417, 6 369 and 347 521 parameters for one feature.

The loss of the first five is the mean squared error; `peephole_lstm` is the URLLC paper's, with a loss of its own, and the one
that learners take by default.
"""
