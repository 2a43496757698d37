"""The driver: chunks of updates under one jit, with progress, logs, checkpoints and resumption."""

from jaxvec.training.driver import Result, TrainingError, train
from jaxvec.training.run_folder import ConfigError, Run, load_run

__all__ = ["ConfigError", "Result", "Run", "TrainingError", "load_run", "train"]
