"""Runs on disk: what became of one learner or one rule, in a file under the digest of everything that it is made from."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from jaxvec.core.files import replacing
from jaxvec.core.version import __version__
from jaxvec.papers.series import Named

FORMAT = 2
"""Of the files; it is part of every configuration, so that a file of another format has another name."""


class Run(NamedTuple):
    """One learner trained and evaluated, or one rule evaluated.

    Attributes:
        metrics: per metric, the mean of each evaluation episode, `(episodes,)`.
        curves: per metric, the means over equal parts of training, `(points,)`; empty for a rule.
        seconds: its part of what its program took to compile, train and evaluate [s].
        config: everything that it is made from.
        device: where it was made.
        deviations, largest: per metric the deviation over the episodes, and the largest value of any, of a run that has no longer
            all of them, see `jaxvec.papers.summary`.
    """

    metrics: dict[str, np.ndarray]
    curves: dict[str, np.ndarray]
    seconds: dict[str, float]
    config: Named
    device: str = ""
    deviations: Named = MappingProxyType({})
    largest: Named = MappingProxyType({})


def origin() -> dict[str, Any]:
    """What every configuration begins with: the format of the files and the version that makes them."""
    return {"format": FORMAT, "version": __version__}


def file_name(label: str, config: Named) -> str:
    """The name of a run's file: what ran, in letters and digits, and the digest of its configuration.

    Raises:
        TypeError: the configuration holds what JSON does not.
    """
    return f"{re.sub('[^a-z0-9]+', '-', label)}-{digest(config)}.npz"


def digest(config: Named) -> str:
    """What tells runs apart: 16 digits of a hash of all that one is made from.

    Raises:
        TypeError: the configuration holds what JSON does not.
    """
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def write_run(file: Path, run: Run) -> None:
    """Write a run, whole or not at all."""
    arrays: dict[str, Any] = {f"metrics/{name}": x for name, x in run.metrics.items()}
    arrays |= {f"curves/{name}": x for name, x in run.curves.items()}
    about = json.dumps({"seconds": run.seconds, "config": run.config, "device": run.device})
    with replacing(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, about=about, **arrays)


def remove_halves(file: Path) -> None:
    """Remove what is left of a run that was being written when a kill came."""
    for half in file.parent.glob(f".{file.stem}.*{file.suffix}"):
        half.unlink(missing_ok=True)


def read_run(file: Path) -> Run:
    """Read a run.

    Raises:
        ValueError: it is not a run, or of another version; the message says so in one line.
    """
    try:
        with np.load(file) as stored:
            about = _about(stored)
            arrays = {name: stored[name] for name in stored.files}
            if any(x.ndim != 1 or not x.size for name, x in arrays.items() if name.startswith("metrics/")):
                raise ValueError("a metric has no value per episode")
    except Exception as error:  # numpy, zipfile, zlib and json raise a dozen kinds
        raise ValueError(f"{file}: cannot be read as a run; remove it to make it again: {error}") from None
    config = about["config"]
    if not _is_current(config):
        raise ValueError(f"{file}: a run of another version of jaxvec, {config.get('version', 'unknown')}")

    def part(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}

    return Run(part("metrics/"), part("curves/"), about["seconds"], config, about["device"])


class Store:
    """Runs by the names of their files: those of a folder, and others that are known.

    Args:
        folder: in which there is a file for each; it is made if there is none.
        known: `known(digest)` of a run that is not in the folder, or None.
    """

    def __init__(self, folder: Path, known: Callable[[str], Run | None] = lambda digest: None):
        self.folder, self._known = folder, known
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, name: str) -> bool:
        """Whether a run need not be made."""
        return (self.folder / name).exists() or self._known(_digest_in(name)) is not None

    def read(self, name: str) -> Run:
        """A run that there is.

        Raises:
            ValueError: as `read_run`.
        """
        known = None if (self.folder / name).exists() else self._known(_digest_in(name))
        return known or read_run(self.folder / name)

    def write(self, name: str, run: Run) -> None:
        """Keep a run in the folder, whole or not at all."""
        remove_halves(self.folder / name)
        write_run(self.folder / name, run)


def _digest_in(name: str) -> str:
    """The digest in the name of a run's file."""
    return name.removesuffix(".npz").rpartition("-")[2]


def foreign_runs(folder: Path) -> list[str]:
    """Names of the files in a folder that are no runs of this version: nothing reads them."""
    files = [file for file in sorted(folder.glob("*.npz")) if not file.name.startswith(".")]  # which is being written
    return [file.name for file in files if not _is_current(_config_of(file))]


def _about(stored: Any) -> dict[str, Any]:
    """What a file says of its arrays.

    Raises:
        Exception: of whatever kind, if it does not say what `write_run` writes.
    """
    about = json.loads(str(stored["about"]))
    kinds = {"seconds": dict, "config": dict, "device": str}
    if not isinstance(about, dict) or not all(isinstance(about.get(name), kind) for name, kind in kinds.items()):
        raise ValueError("it does not say what it was made from")
    if not all(isinstance(s, int | float) for s in about["seconds"].values()):
        raise ValueError("it does not say how long it took")
    return about


def _config_of(file: Path) -> Named:
    """The configuration in a file, empty where it holds none."""
    try:
        with np.load(file) as stored:
            return _about(stored)["config"]
    except Exception:  # as above
        return {}


def _is_current(config: Named) -> bool:
    return {name: config.get(name) for name in origin()} == origin()
