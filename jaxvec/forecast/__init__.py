"""What a digital twin adds: forecasters that tell what is from what was."""

from jaxvec.forecast.fit import Fitted, Training, fit, forecasts
from jaxvec.forecast.lstm import Forecaster, lstm
from jaxvec.forecast.networks import FORECASTERS

__all__ = ["FORECASTERS", "Fitted", "Forecaster", "Training", "fit", "forecasts", "lstm"]
