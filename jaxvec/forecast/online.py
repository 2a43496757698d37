"""A twin that learns beside the policy: a forecaster trained on the learner's own rollouts, and told to its agents.

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
from jaxvec.core.types import Observation
from jaxvec.forecast import lstm
from jaxvec.forecast.wrapper import ForecastWrapper, add_forecast

Metrics = dict[str, Array]


class ForecasterState(struct.PyTreeNode):
    """Parameters of the forecaster, and its optimiser's state."""

    params: Any
    opt: Any


class Windows(NamedTuple):
    """What a rollout holds for a forecaster, of a batch: `(..., H, F, W)`, and `(..., F, W)` twice."""

    history: Array
    forecast: Array
    target: Array


class OnlineForecaster:
    """A learner's forecaster."""

    def __init__(self, env: Environment, steps: int, batch_size: int):
        self.env, self.steps, self.batch_size = env, steps, batch_size
        self.model = lstm()

    def init(self, key: Array, params: Any) -> ForecasterState | None:
        """An untrained forecaster, which says the last value; None where there is nothing to forecast."""
        if not self.env.forecasts:
            return None
        reset = lambda key: self.env.reset(key, params)[1].obs.aux["history"]  # noqa: E731
        n_features = jax.eval_shape(reset, jax.random.split(jax.random.key(0), 1)).shape[1]
        weights = self.model.init(key, n_features)
        return ForecasterState(weights, optax.adam(0.0).init(weights))

    def wrap(self, state: ForecasterState | None) -> Environment:
        """The environment whose agents are told forecasts."""
        return self.env if state is None else ForecastWrapper(self.env, lambda history: self._forecast(state, history))

    def add_forecast(self, state: ForecasterState | None, obs: Observation) -> Observation:
        """An observation of the environment itself, with the forecast told."""
        return obs if state is None else add_forecast(self.env, lambda history: self._forecast(state, history), obs)

    def _forecast(self, state: ForecasterState, history: Array) -> Array:
        rank = history.ndim - 2
        return batch_last(self.model.apply(state.params, batch_first(history, rank)), rank)

    def window(self, slot: Slot) -> Windows | None:
        """What to keep of a slot."""
        if not self.env.forecasts:
            return None
        aux = slot.obs.aux
        return Windows(aux["history"], aux["forecast"], slot.ts.info["features"])

    def learn(
        self, state: ForecasterState | None, key: Array, windows: Windows | None, rate: Array | float
    ) -> tuple[ForecasterState | None, Metrics]:
        """Adam on the windows `(T, ..., W)` of an update.

        Returns:
            The state after `steps` steps; the root mean squared error of what was told, and of the last value, per block of
            features, as `forecaster/rmse_NAME` and `forecaster/hold_NAME`.
        """
        if state is None or windows is None:
            return state, {}
        found: Metrics = {}
        for name, entries in self.env.feature_blocks.items():
            rmse = lambda x, entries=entries: jnp.sqrt(jnp.mean((x - windows.target)[:, entries] ** 2))  # noqa: E731
            found |= {
                f"forecaster/rmse_{name}": rmse(windows.forecast),
                f"forecaster/hold_{name}": rmse(windows.history[:, -1]),
            }
        # (T, ..., W) -> (T W, ...)
        history, target = (jnp.moveaxis(x, -1, 1) for x in (windows.history, windows.target))
        history, target = (x.reshape(-1, *x.shape[2:]) for x in (history, target))
        size = min(self.batch_size, len(target))

        def step(state: ForecasterState, key: Array) -> tuple[ForecasterState, Array]:
            key_batch, key_loss = jax.random.split(key)
            chosen = jax.random.randint(key_batch, (size,), 0, len(target))
            loss, grad = jax.value_and_grad(self.model.loss)(state.params, key_loss, history[chosen], target[chosen])
            updates, opt = optax.adam(rate).update(grad, state.opt)
            return ForecasterState(optax.apply_updates(state.params, updates), opt), loss

        after, losses = jax.lax.scan(step, state, jax.random.split(key, self.steps))
        return after, found | {"forecaster/loss": jnp.mean(losses)}
