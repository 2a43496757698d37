"""An environment whose agents see a forecast."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jax import Array

from jaxvec.core.environment import Environment
from jaxvec.core.types import Observation, Timestep
from jaxvec.core.wrappers import Wrapper


@dataclass(frozen=True)
class ForecastWrapper(Wrapper):
    """Adds a forecast to what agents see, by `add_forecast`.

    Attributes:
        env: with `forecasts`, see `jaxvec.core.environment.Environment`.
        forecast: from the last measurements `(H, F, *batch)`, oldest first, to what holds now `(F, *batch)`.
    """

    forecast: Callable[[Array], Array]

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """As the environment's, with the forecast."""
        state, ts = self.env.reset(key, params)
        return state, self._with_forecast(ts)

    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot, with the forecast of the next."""
        state, ts = self.env.step(key, state, action, params)
        return state, self._with_forecast(ts)

    def _with_forecast(self, ts: Timestep) -> Timestep:
        return ts.replace(obs=add_forecast(self.env, self.forecast, ts.obs))


def add_forecast(env: Environment, forecast: Callable[[Array], Array], obs: Observation) -> Observation:
    """An observation with a forecast, and the forecast `(F, *batch)` in `aux["forecast"]`.

    Args:
        env: whose observation it is, see `Environment.add_forecast`.
        forecast: from the last measurements `(H, F, *batch)` to what holds now `(F, *batch)`.
        obs: with `aux["history"]`.
    """
    now = forecast(obs.aux["history"])
    return env.add_forecast(obs, now).replace(aux=obs.aux | {"forecast": now})
