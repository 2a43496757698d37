"""The metrics of a run for other tools: columns of numbers, and Weights & Biases (TensorBoard is written to while training)."""

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.core.evaluation import interval
from jaxvec.training.config import read_config
from jaxvec.training.metrics import HEAD, read_rows

Columns = dict[str, list[Any]]
"""Name -> a value per update. A metric of several seeds has a column for each, named `metric[seed]`."""


def columns_of(run: Path) -> Columns:
    """What a run has told of each update; warns of what of it cannot be read.

    Args:
        run: the run folder.
    Raises:
        ConfigError: it is no run folder, or one of another format.
        ValueError: it has told nothing yet.
    """
    read_config(run)
    rows, words = read_rows(run)
    if words:
        warnings.warn(words, stacklevel=2)
    if not rows:
        raise ValueError(f"{run}: there are no metrics yet")
    columns: Columns = {}
    for row in rows:
        for name, x in row.items():
            if name == "format":
                continue
            several = {f"{name}[{seed}]": value for seed, value in enumerate(x)} if isinstance(x, list) else {name: x}
            for column, value in several.items():
                columns.setdefault(column, []).append(value)
    return columns


def by_seed(columns: Columns) -> dict[str, Columns]:
    """The metrics of each seed under "seed0" and so on, or of the only one under ""; without the heads of lines.

    Args:
        columns: as `columns_of` gives them.
    """
    seeds: dict[str, Columns] = {}
    for column, values in columns.items():
        name, bracket, seed = column.partition("[")
        if name not in HEAD:
            seeds.setdefault(f"seed{seed.removesuffix(']')}" if bracket else "", {})[name] = values
    return seeds


def table(columns: Columns, per_seed: bool = False) -> str:
    """The last update, a line per metric: its value, or of several seeds mean and Student's 95 % interval.

    Args:
        columns: as `columns_of` gives them.
        per_seed: of several seeds a value for each, side by side, instead of mean and interval.
    """
    last: dict[str, list[float]] = {}
    for column, values in columns.items():
        last.setdefault(column.partition("[")[0], []).append(values[-1])
    wide, n_seeds = max(map(len, last)) + 2, max(map(len, last.values()))
    if n_seeds == 1:
        return "\n".join(f"{name:{wide}s}{x:.6g}" for name, (x,) in last.items())
    heads = [f"seed {i}" for i in range(n_seeds)] if per_seed else [f"mean of {n_seeds} seeds and 95 % interval"]
    lines = [" " * wide + "".join(f"{head:14s}" for head in heads).rstrip()]
    for name, x in last.items():
        several = [f"{value:.6g}" for value in x] if per_seed or len(x) == 1 else [_mean(x)]
        lines.append(f"{name:{wide}s}" + "".join(f"{value:14s}" for value in several).rstrip())
    return "\n".join(lines)


def _mean(x: list[float]) -> str:
    """Mean and interval of seeds; where all are the same, that number."""
    return f"{x[0]:.6g}" if min(x) == max(x) else str(interval(np.asarray(x)))


def to_wandb(columns: Columns, folder: Path, name: str) -> None:
    """Write offline runs of Weights & Biases, one per seed in one group; `wandb sync` sends them when you want.

    Args:
        columns: as `columns_of` gives them.
        folder: which must not be there yet, or be empty.
        name: of the run.
    Raises:
        ValueError: the folder is in use, or `wandb` is not installed.
    """
    try:
        wandb: Any = import_module("wandb")
    except ModuleNotFoundError as error:
        if error.name != "wandb":
            raise
        raise ValueError("wandb is not installed: pip install 'jaxvec[wandb]'") from None
    _check_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for seed, metrics in by_seed(columns).items():
        run = wandb.init(
            project="jaxvec",
            name=f"{name} {seed}".strip(),
            group=name,
            dir=str(folder),
            mode="offline",
            settings=wandb.Settings(silent=True),
        )
        for i, step in enumerate(columns["steps"]):
            run.log({metric: values[i] for metric, values in metrics.items()}, step=step)
        run.finish()


def _check_empty(folder: Path) -> None:
    """Refuse to write beside what is there already."""
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder}: is not empty")
