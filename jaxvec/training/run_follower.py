"""What stands in the place of `RunWriter` in all processes but the first: it writes nothing, and does what the first one does."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvec.core import processes
from jaxvec.training.checkpoints import Checkpoints
from jaxvec.training.config import ConfigError, differences, digest
from jaxvec.training.signals import NOTHING_KEPT, Stopped


def check_alike(config: dict[str, Any]) -> None:
    """Refuse to train with processes that were started otherwise; all call it.

    Args:
        config: of this process's run, as `config_of` makes it.
    Raises:
        ConfigError: names in what this process differs from the first.
        HostLostError: another process has ended.
    """
    if processes.count() == 1:
        return
    mine = json.loads(json.dumps(config))
    first = json.loads(processes.share(json.dumps(config)))
    names = [line.partition(":")[0] for line in differences(mine, first)]
    if mine["train"]["num_updates"] != first["train"]["num_updates"]:
        names.append("train.num_updates")
    if names:
        raise ConfigError(f"one of the processes was started with another {', '.join(names)} than the first")


class RunFollower:
    """The folder of a run that another process writes.

    Args:
        path: of the folder.
        config: the run's.
    """

    def __init__(self, path: Path, config: dict[str, Any]):
        self.path, self.start, self.saved, self._config = path, 0, 0, config
        self._fresh = True  # whether no update of the run is done yet, of which the first process keeps nothing

    def begin(self, fresh: Callable[[], Any], say: Callable[[str], None]) -> Any:
        """The state with which the first process begins, or None if that is a fresh one.

        Args:
            fresh: makes a fresh state.
            say: writes a line; unused.
        Raises:
            ConfigError: the checkpoint that the first process has read is not here.
            HostLostError: another process has ended.
        """
        told = json.loads(processes.share(""))
        self.path = Path(told["path"])
        if told["start"] is None:
            return None
        checkpoints = Checkpoints(self.path, self._config["train"]["impl"], digest(self._config))
        update, state, _ = checkpoints.restore(jax.eval_shape(fresh))
        if update != told["start"]:
            raise ConfigError(
                f"{self.path}: the first process goes on from update {told['start']}, but here is {update}"
            )
        self.start = self.saved = update
        self._fresh = False
        return state

    def log(self, rows: dict[str, np.ndarray], done: int, steps: int, elapsed: float) -> None:
        """Note that there are updates; the first process writes their metrics.

        Args:
            rows, done, steps, elapsed: as `RunWriter.log` takes them.
        """
        self._fresh = False

    def is_due(self, every_s: float) -> bool:
        """Never: the first process asks for checkpoints.

        Args:
            every_s: seconds between two checkpoints [s].
        """
        return False

    def save(self, done: int, state: Any) -> None:
        """Note that the first process writes a checkpoint.

        Args:
            done: updates that the state has seen.
            state: of the learner; unused.
        """
        self.saved = max(done, self.saved)

    def __enter__(self) -> "RunFollower":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        on = NOTHING_KEPT if self._fresh else f"`jaxvec train --resume {self.path}` goes on from what is kept"
        if isinstance(error, Stopped):
            said = f"stopped by {signal.Signals(error.signum).name}; {on}"
            raise Stopped(said, error.signum, error.everywhere) from None
        if isinstance(error, processes.HostLostError):
            raise processes.HostLostError(f"{error}; {on}") from None
