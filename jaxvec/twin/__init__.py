"""What a digital twin adds: forecasters that tell what is from what was."""

from jaxvec.twin.lstm import Forecaster, lstm

__all__ = ["Forecaster", "lstm"]
