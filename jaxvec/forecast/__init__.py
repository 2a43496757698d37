"""What a digital twin adds: forecasters, which map what was to what is.

A `Forecaster` is three pure functions, `init(key, history)`, `apply` and `loss`; `forecaster(module)` makes one of a Flax module.
Those of the package, and those that you `jaxvec.register`, are `FORECASTERS` by name. They are trained

- on series, by `fit`;
- on traffic counts, by `learned` and `predict`, whose forecasts `accuracy` measures;
- beside a policy, on its learner's rollouts, by `OnlineForecaster`: the learner's setting `forecaster`.

`ForecastWrapper` and `add_forecast` show forecasts to the agents of an environment.
"""

from jaxvec.forecast.base import Forecaster, forecaster, squared_error
from jaxvec.forecast.counts import Accuracy, accuracy, learned, predict
from jaxvec.forecast.fit import Fitted, Training, fit, forecasts
from jaxvec.forecast.lstm import peephole_lstm
from jaxvec.forecast.networks import FORECASTERS
from jaxvec.forecast.online import OnlineForecaster
from jaxvec.forecast.wrapper import ForecastWrapper, add_forecast

__all__ = [
    "FORECASTERS",
    "Accuracy",
    "Fitted",
    "ForecastWrapper",
    "Forecaster",
    "OnlineForecaster",
    "Training",
    "accuracy",
    "add_forecast",
    "fit",
    "forecaster",
    "forecasts",
    "learned",
    "peephole_lstm",
    "predict",
    "squared_error",
]
