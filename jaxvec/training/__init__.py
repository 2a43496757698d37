"""The driver: chunks of updates under one jit, with progress, logs, checkpoints and resumption; and runs read back."""

from jaxvec.training.config import ConfigError
from jaxvec.training.driver import Result, TrainingError, train
from jaxvec.training.run_folder import Run, load
from jaxvec.training.signals import Stopped

__all__ = ["ConfigError", "Result", "Run", "Stopped", "TrainingError", "load", "train"]
