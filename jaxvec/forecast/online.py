"""A forecaster that learns beside the policy: trained on the learner's own rollouts, its forecasts shown to the agents.

Only environments with `forecasts` have one; everywhere else all of this does nothing. Forecasts are constants to the policy: no
gradient goes through them.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from jaxvec.core.environment import Environment
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.rollout import Slot
from jaxvec.core.shards import by_shard, drawn, shards_of, take
from jaxvec.core.types import Observation
from jaxvec.forecast.networks import FORECASTERS
from jaxvec.forecast.wrapper import ForecastWrapper, add_forecast

Metrics = dict[str, Array]


class ForecasterState(struct.PyTreeNode):
    """Parameters of the forecaster, and its optimiser's state."""

    params: Any
    opt: Any


class Windows(NamedTuple):
    """What a rollout holds for a forecaster, with worlds last.

    Attributes:
        history: the last measurements, oldest first, `(..., H, F, W)`.
        forecast: what was shown to the agents, `(..., F, W)`.
        target: what was true, `(..., F, W)`.
    """

    history: Array
    forecast: Array
    target: Array


class OnlineForecaster:
    """A learner's forecaster: made with the learner, its parameters a part of the learner's state.

    Args:
        env: on which the learner learns.
        forecaster: the name of the network, see `jaxvec.forecast.FORECASTERS`.
        steps: of gradient descent per update.
        batch_size: slots in each step.
    Raises:
        ValueError: unknown name.
    """

    def __init__(self, env: Environment, forecaster: str, steps: int, batch_size: int):
        self.env, self.steps, self.batch_size = env, steps, batch_size
        self.model = FORECASTERS[forecaster]

    def init(self, key: Array, params: Any) -> ForecasterState | None:
        """An untrained forecaster; None where there is nothing to forecast.

        Args:
            key: of its parameters.
            params: of the environment.
        """
        if not self.env.forecasts:
            return None

        def history(key: Array) -> Array:
            return batch_first(self.env.reset(key, params)[1].obs.aux["history"], 1)

        shape = jax.eval_shape(history, jax.random.split(jax.random.key(0), 1))
        weights = self.model.init(key, jnp.zeros(shape.shape, shape.dtype))
        return ForecasterState(weights, optax.adam(0.0).init(weights))

    def wrap(self, state: ForecasterState | None) -> Environment:
        """The environment whose agents see forecasts."""
        return self.env if state is None else ForecastWrapper(self.env, lambda history: self._forecast(state, history))

    def add_forecast(self, state: ForecasterState | None, obs: Observation) -> Observation:
        """An observation of the environment itself, with the forecast in it."""
        return obs if state is None else add_forecast(self.env, lambda history: self._forecast(state, history), obs)

    def _forecast(self, state: ForecasterState, history: Array) -> Array:
        rank = history.ndim - 2
        return batch_last(self.model.apply(state.params, batch_first(history, rank)), rank)

    def window(self, slot: Slot) -> Windows | None:
        """What to keep of a slot, to learn from it later; None where there is nothing to forecast."""
        if not self.env.forecasts:
            return None
        aux = slot.obs.aux
        return Windows(aux["history"], aux["forecast"], slot.ts.info["features"])

    def learn(
        self, state: ForecasterState | None, key: Array, windows: Windows | None, rate: Array | float
    ) -> tuple[ForecasterState | None, Metrics]:
        """Adam on the windows `(T, ..., W)` of an update.

        Args:
            state: before.
            key: of the choice of slots, and of the forecaster's chance.
            windows: of the update's slots, see `window`.
            rate: the learning rate.
        Returns:
            The state after `steps` steps; the root mean squared error of what was shown, and of the last value, per block of
            features, as `forecaster/rmse_NAME` and `forecaster/hold_NAME`; and the mean loss, `forecaster/loss`.
        """
        if state is None or windows is None:
            return state, {}
        metrics: Metrics = {}
        for name, entries in self.env.feature_blocks.items():
            metrics[f"forecaster/rmse_{name}"] = _rmse(windows.forecast - windows.target, entries)
            metrics[f"forecaster/hold_{name}"] = _rmse(windows.history[:, -1] - windows.target, entries)
        windows_by_world = [jnp.moveaxis(x, -1, 1) for x in (windows.history, windows.target)]
        time, n_worlds = windows_by_world[0].shape[:2]
        size = min(self.batch_size, time * n_worlds)
        shards = shards_of(n_worlds, size)
        lessons = [by_shard(x, shards) for x in windows_by_world]

        def step(state: ForecasterState, key: Array) -> tuple[ForecasterState, Array]:
            key_batch, key_loss = jax.random.split(key)
            history, target = take(lessons, drawn(key_batch, shards, time * n_worlds // shards, size))
            loss, grad = jax.value_and_grad(self.model.loss)(state.params, key_loss, history, target)
            updates, opt = optax.adam(rate).update(grad, state.opt)
            return ForecasterState(optax.apply_updates(state.params, updates), opt), loss

        after, losses = jax.lax.scan(step, state, jax.random.split(key, self.steps))
        return after, metrics | {"forecaster/loss": jnp.mean(losses)}


def _rmse(error: Array, entries: slice) -> Array:
    """Of some of the features, over slots and worlds: error `(T, F, W)`."""
    return jnp.sqrt(jnp.mean(error[:, entries] ** 2))
