"""What a digital twin adds: forecasters that tell what is from what was."""

from jaxvec.twin.fit import Fitted, Training, fit, forecasts
from jaxvec.twin.lstm import Forecaster, lstm
from jaxvec.twin.workload import FORECASTERS, workload

__all__ = ["FORECASTERS", "Fitted", "Forecaster", "Training", "fit", "forecasts", "lstm", "workload"]
