"""What `reproduce` writes beside the pictures: verdicts as they are kept, what is drawn as a table, every metric of every run."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.core.files import replacing
from jaxvec.papers.data import Data
from jaxvec.viz import plots

FIELDS = {
    "claim",
    "figure",
    "words",
    "outcome",
    "numbers",
    "power",
    "learners",
    "spent",
}  # of an entry of verdicts.json

Parts = Sequence[tuple[str, str, Sequence[plots.Line]]]
"""Panels as they are drawn: title, axis, lines."""


def known_verdicts(file: Path) -> dict[str, dict[str, str]]:
    """The verdicts that a folder holds, by claim.

    Raises:
        ValueError: the file is not one of verdicts, or of another version.
    """
    try:
        known = json.loads(file.read_text()) if file.exists() else {}
        if all({name for name, x in verdict.items() if isinstance(x, str)} >= FIELDS for verdict in known.values()):
            return known
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass
    raise ValueError(f"{file}: not the verdicts of this version of jaxvec; move it away, or choose another folder")


def results(data: Data) -> list[dict[str, Any]]:
    """Every metric of every series and point, and what the runs were made from."""
    rows = []
    for (series, x), runs in data.runs.items():
        metrics = {}
        for metric in sorted(runs[0].metrics):
            estimate = data.estimate(series, x, metric)
            half = float(estimate.half) if np.isfinite(estimate.half) else None
            per_seed = data.samples(series, x, metric).mean(1).tolist()
            metrics[metric] = {"mean": estimate.mean, "half_width": half, "by_seed": per_seed}
        rows.append({"series": series, "x": x, "metrics": metrics, "config": runs[0].config, "device": runs[0].device})
    return rows


def write_csv(file: Path, parts: Parts) -> None:
    """What is drawn, a row per mark."""
    with replacing(file) as temporary, temporary.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["panel", "series", "kind", "x", "mean", "half_width"])
        for panel, _, lines in parts:
            for line in lines:
                for x, mean, half in zip(line.x, line.mean, line.half, strict=True):
                    half_width = "" if np.isnan(half) else f"{half:.3g}"
                    rows.writerow([panel, line.name, line.kind, x, f"{mean:.6g}", half_width])
