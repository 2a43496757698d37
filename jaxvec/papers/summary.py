"""What a reproduction leaves in one small file, from which its page and figures are made again without training.

A run is condensed to what figures and claims ask for: of a learner the mean of each metric over the episodes and a curve of at
most `POINTS` points, of a rule the means of at most `GROUPS` groups of episodes, so that differences stay paired. Figures and
verdicts are always made from condensed runs, so that those of a reproduction and those of its summary are the same.

The file has a JSON object in each line: `{"run": ...}` for each run, by the digest of all that it was made from, and
`{"figure": ...}` for each figure: how it was made, which runs its series have at which point, and which rules in other worlds its
claims asked for.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.core.files import write_text
from jaxvec.papers.data import Data
from jaxvec.papers.runs import Run, digest
from jaxvec.papers.series import Named, Series

GROUPS, POINTS = 16, 20
DIGITS, CURVE_DIGITS = 7, 4  # of float32 there are 7
FORMAT = 1
KEPT = ("slots", "horizon", "updates", "episodes")  # of a configuration

Line = dict[str, Any]


def condensed(run: Run, has_seeds: bool) -> Run:
    """A run with few numbers.

    Args:
        run: of a learner or a rule.
        has_seeds: of its series.
    """
    if "key" in run.config:
        return run  # of a summary
    metrics = {name: np.asarray(x, float) for name, x in run.metrics.items()}
    few = {name: _rounded(_groups(x, 1 if has_seeds else GROUPS), DIGITS) for name, x in metrics.items()}
    curves = {name: _rounded(_parts(np.asarray(x, float)), CURVE_DIGITS) for name, x in run.curves.items()}
    many = {name: x for name, x in metrics.items() if has_seeds and x.size > 1}
    deviations = {name: float(_rounded(x.std(ddof=1), DIGITS)) for name, x in many.items()}
    largest = {name: float(_rounded(x.max(), DIGITS)) for name, x in metrics.items()}
    return run._replace(metrics=few, curves=curves, deviations=deviations, largest=largest)


def _groups(x: np.ndarray, most: int) -> np.ndarray:
    """Means of so many equal groups at most."""
    n = next(n for n in range(min(most, len(x)), 0, -1) if len(x) % n == 0)
    return x.reshape(n, -1).mean(1)


def _parts(curve: np.ndarray) -> np.ndarray:
    """Means of at most `POINTS` parts of a curve."""
    return np.array([part.mean() for part in np.array_split(curve, min(POINTS, len(curve)))]) if len(curve) else curve


def _rounded(x: Any, digits: int) -> np.ndarray:
    return np.vectorize(lambda value: float(f"{value:.{digits - 1}e}"), otypes=[float])(x)


class Summary:
    """A summary: runs by digest, and figures by number.

    Args:
        path: of the file; without one, or if it is not there, it is empty.
    Raises:
        ValueError: the file is no summary, or of another version; the message says so in one line.

    Attributes:
        runs, figures: lines of the file.
    """

    def __init__(self, path: Path | None = None):
        self.runs: dict[str, Line] = {}
        self.figures: dict[str, Line] = {}
        if path is None or not path.exists():
            return
        try:
            for text in path.read_text().splitlines():
                line = json.loads(text)
                if line["format"] != FORMAT:
                    raise ValueError(f"format {line['format']}")
                if "run" in line:
                    self.runs[line["run"]] = line
                else:
                    self.figures[line["figure"]] = line
            known = self.runs.keys()
            if any(run not in known for line in self.figures.values() for run in _runs_of(line)):
                raise ValueError("runs are missing")
        except Exception as error:  # json and numpy raise a dozen kinds
            raise ValueError(f"{path}: not a summary of this version of jaxvec ({error})") from None

    def add(self, number: str, data: Data, made: Named) -> None:
        """A figure, with what its panels and claims have asked its data for.

        Args:
            number: of the figure.
            data: of condensed runs.
            made: how it was made, for the head of the page.
        """
        cells = []
        for (series, x), runs in data.runs.items():
            wanted = data.used.get((series, x), set())
            cells.append([series, x, [self._keep(run, wanted) for run in runs]])
        asked: dict[str, list[Any]] = {}
        for rule, world, sizes, metric, run in data.asked:
            key = self._keep(run, {("metrics", metric)})
            asked[_question(rule, world, sizes)] = [rule, dict(world), dict(sizes), key]
        line = {"figure": number, "format": FORMAT, "made": dict(made), "cells": cells}
        line |= {"missing": [[*cell, count] for cell, count in data.missing.items()]} if data.missing else {}
        self.figures[number] = line | {"elsewhere": list(asked.values())}
        used = {run for line in self.figures.values() for run in _runs_of(line)}
        self.runs = {key: line for key, line in self.runs.items() if key in used}

    def data(self, number: str, series: Sequence[Series]) -> Data:
        """The data of a figure.

        Args:
            number: of the figure.
            series: who is compared; those that the summary does not have are left out.
        """
        line, names = self.figures[number], {one.name for one in series}
        runs = {(name, x): [self._run(key) for key in keys] for name, x, keys in line["cells"] if name in names}
        found = {_question(rule, world, sizes): key for rule, world, sizes, key in line["elsewhere"]}

        def rules(asked: Sequence[str], worlds: Sequence[Named], sizes: Named) -> Mapping[str, Sequence[Run]]:
            def run(rule: str, world: Named) -> Run:
                key = found.get(_question(rule, world, sizes))
                if key is None:
                    raise KeyError(f"figure {number}: {rule} in other worlds is not in the summary")
                return self._run(key)

            return {rule: [run(rule, world) for world in worlds] for rule in asked}

        missing = {(name, x): count for name, x, count in line.get("missing", ()) if name in names}
        there = tuple(one for one in series if any(name == one.name for name, _ in (*runs, *missing)))
        return Data(there, runs, rules, missing)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Args:
            path: of the file.
        """
        lines = [*(self.runs[key] for key in sorted(self.runs)), *self.figures.values()]
        write_text(path, "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))

    def _keep(self, run: Run, wanted: Iterable[tuple[str, str]]) -> str:
        """Keep of a run what was asked for; its key."""
        key = run.config.get("key") or digest(run.config)
        about = {name: run.config[name] for name in KEPT if name in run.config}
        n_worlds = run.config.get("settings", {}).get("n_worlds")
        about |= {"n_worlds": n_worlds} if n_worlds else {}
        new: Line = {"run": key, "format": FORMAT, "about": about, "device": run.device}
        line = self.runs.setdefault(key, new | {"seconds": round(sum(run.seconds.values()), 1)})
        for part, metric in sorted(wanted):  # a file of the same runs is the same file
            values = getattr(run, part)
            if metric in values:
                line.setdefault(part, {})[metric] = np.asarray(values[metric]).tolist()
        if "reward" in run.curves:  # which says how long the training was
            line.setdefault("curves", {})["reward"] = run.curves["reward"].tolist()
        return key

    def run(self, key: str) -> Run | None:
        """A run as it was kept, or None.

        Args:
            key: its digest.
        """
        return self._run(key) if key in self.runs else None

    def _run(self, key: str) -> Run:
        line = self.runs[key]
        config = {**line["about"], "settings": {"n_worlds": line["about"].get("n_worlds")}, "key": key}
        metrics, curves = (
            {name: np.array(x) for name, x in line.get(part, {}).items()} for part in ("metrics", "curves")
        )
        deviations, largest = (line.get(part, {}) for part in ("deviations", "largest"))
        return Run(metrics, curves, {"all": line["seconds"]}, config, line["device"], deviations, largest)


def condensing(data: Data) -> Data:
    """The same data, of condensed runs.

    Args:
        data: of whole runs.
    """
    has_seeds = {one.name: one.has_seeds for one in data.series}
    runs = {cell: [condensed(run, has_seeds[cell[0]]) for run in of_cell] for cell, of_cell in data.runs.items()}
    return Data(data.series, runs, _condensing_rules(data), data.missing)


def _condensing_rules(data: Data) -> Callable[..., Any] | None:
    inner = data.rules
    if inner is None:
        return None

    def rules(names: Sequence[str], worlds: Sequence[Named], sizes: Named) -> Mapping[str, Sequence[Run]]:
        found = inner(names, worlds, sizes)
        return {name: [condensed(run, False) for run in runs] for name, runs in found.items()}

    return rules


def _question(rule: str, world: Named, sizes: Named) -> str:
    return json.dumps([rule, dict(world), dict(sizes)], sort_keys=True)


def _runs_of(line: Line) -> Iterable[str]:
    """The runs that a figure has."""
    yield from (key for *_, keys in line["cells"] for key in keys)
    yield from (key for *_, key in line["elsewhere"])
