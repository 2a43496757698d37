"""Forecasters trained on series: all servers at once, in one compiled function; seeds by `jax.vmap`.

Series are `(server, time)`, in units in which each has about mean 0 and deviation 1; a window is the `lags` values before its
target.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float

from jaxvec.forecast.base import Forecaster, squared_error


@dataclass(frozen=True)
class Training:
    """How a forecaster is trained on series (section V of the DM-MAPPO paper, which leaves all but `lags` open).

    Attributes:
        lags: values in a window (Algorithm 1, T = 6).
        epochs: passes over all windows.
        batch_size: windows in a step of Adam; all, if there are fewer. What is left over of an epoch is left out.
        learning_rate: at the start; it falls to 0 as a cosine.
    """

    lags: int = 6
    epochs: int = 20
    batch_size: int = 2048
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("lags", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    def windows(self, n_series: int, n_train: int) -> tuple[int, int]:
        """Windows in a step, and steps in an epoch.

        Args:
            n_series: how many series are learned.
            n_train: values of each, whose first `lags` are no target.
        """
        n = n_series * (n_train - self.lags)
        size = min(self.batch_size, n)
        return size, n // size


class Fitted(NamedTuple):
    """A trained forecaster.

    Attributes:
        params: after the best epoch.
        train_loss, valid_loss: per epoch, `(epochs,)`; without validation the latter is the former.
        best: () int32, the epoch that is kept.
    """

    params: Any
    train_loss: Array
    valid_loss: Array
    best: Array


@partial(jax.jit, static_argnames=("model", "n_train", "n_valid", "how"))
def fit(
    model: Forecaster,
    key: Array,
    series: Float[Array, "server time"],
    n_train: int,
    n_valid: int = 0,
    how: Training = Training(),
) -> Fitted:
    """Trains on the first `n_train` values of all series, and keeps the epoch that is best on the `n_valid` after them.

    Args:
        model: what is trained, on histories `(batch, lags, 1)`.
        key: of weights and order.
        series: what is learned, in units of order 1.
        n_train: values whose windows are learned, more than `how.lags`.
        n_valid: values after them that are forecast to choose the epoch, from all that is before each; 0: training errors choose.
        how: epochs, batches, rate.
    """
    size, steps = how.windows(len(series), n_train)
    per_series = n_train - how.lags
    optimiser = optax.adam(optax.cosine_decay_schedule(how.learning_rate, how.epochs * steps))
    key_init, key_order = jax.random.split(key)
    params = model.init(key_init, series[:, : how.lags, None])
    valid = series[:, n_train - how.lags : n_train + n_valid]

    def step(carry: tuple[Any, Any], window: Array) -> tuple[tuple[Any, Any], Array]:
        params, opt = carry
        server, first = window // per_series, window % per_series
        rows = series[server[:, None], first[:, None] + jnp.arange(how.lags + 1)]
        loss, grad = jax.value_and_grad(model.loss)(params, key, rows[:, :-1, None], rows[:, -1:])
        updates, opt = optimiser.update(grad, opt, params)
        return (optax.apply_updates(params, updates), opt), loss

    def epoch(
        carry: tuple[Any, Any, Any, Array], key: Array
    ) -> tuple[tuple[Any, Any, Any, Array], tuple[Array, Array]]:
        params, opt, best, lowest = carry
        order = jax.random.permutation(key, len(series) * per_series)[: steps * size].reshape(steps, size)
        (params, opt), losses = jax.lax.scan(step, (params, opt), order)
        train_loss = valid_loss = jnp.mean(losses)
        if n_valid:
            valid_loss = squared_error(forecasts(model, params, valid, how.lags), valid[:, how.lags :])
        better = valid_loss < lowest
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), params, best)
        return (params, opt, best, jnp.minimum(valid_loss, lowest)), (train_loss, valid_loss)

    start = (params, optimiser.init(params), params, jnp.full((), jnp.inf))
    (_, _, best, _), losses = jax.lax.scan(epoch, start, jax.random.split(key_order, how.epochs))
    train_loss, valid_loss = losses
    return Fitted(best, train_loss, valid_loss, jnp.argmin(valid_loss).astype(jnp.int32))


def forecasts(
    model: Forecaster, params: Any, series: Float[Array, "server time"], lags: int = 6
) -> Float[Array, "server forecast"]:
    """Of each value from the `lags`-th on, from those just before it; one series after another.

    Args:
        model: whose forecasts.
        params: of it.
        series: values, in the units of its training.
        lags: values that it looks back on.
    Returns:
        `(server, time - lags)`.
    """
    n = series.shape[1] - lags
    windows = jnp.arange(n)[:, None] + jnp.arange(lags)
    return jax.lax.map(lambda row: model.apply(params, row[windows][..., None])[..., 0], series)
