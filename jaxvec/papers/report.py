"""`reproduce`: a paper's figures from nothing to files and verdicts.

Per figure `figN.png`, `figN.csv` (what is drawn) and `figN.json` (configurations, every metric, verdicts, times), and over all
figures that were made `verdicts.json`, with `verdicts.md` to read.
"""

import csv
import dataclasses
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from jaxvec.bench import machine
from jaxvec.core import cache
from jaxvec.core.claims import Part, work
from jaxvec.core.files import replacing, write_json
from jaxvec.papers import PAPERS
from jaxvec.papers.data import Data
from jaxvec.papers.paper import Claim, Figure, Paper
from jaxvec.papers.runner import Runner
from jaxvec.papers.series import Budget
from jaxvec.viz import plots

NO_FIGURE = "all"  # stands for the figure of claims that none decides
FIELDS = {"claim", "figure", "words", "outcome", "numbers", "spent"}  # of an entry of verdicts.json

Parts = Sequence[tuple[str, str, Sequence[plots.Line]]]
"""Panels as they are drawn: title, axis, lines."""


class _Plan(NamedTuple):
    """How a paper is reproduced: see `reproduce`."""

    paper: Paper
    budget: Budget
    seeds: int
    quick: bool
    timing: bool
    out: Path
    say: Callable[[str], Any]

    def spent(self, figure: Figure, data: Data) -> str:
        """What was spent on a figure, in words."""
        spent = f"{self.seeds} seeds" if data.has_seeds else f"{self.budget.episodes} episodes"
        trained = any(series.learner for series in figure.series)
        return spent + (f", {self.budget.slots:,} slots each" if trained else "")


def reproduce(
    env_id: str,
    *,
    figure: str | None = None,
    seeds: int | None = None,
    slots: int | None = None,
    quick: bool = False,
    together: bool = False,
    timing: bool = False,
    part: Part | None = None,
    out: Path | None = None,
    progress: bool | TextIO = True,
    say: Callable[[str], Any] = print,
) -> dict[str, Any]:
    """Make a paper's figures and judge its claims; what is in the folder already is not made again.

    Several processes may share a folder, each making what nobody else is at.

    Args:
        env_id: the environment of the paper.
        figure: one of its figures; None: all.
        seeds: independent learners; None: as many as the budget has.
        slots: of training that each learner sees; None: as many as the budget has.
        quick: a look, in a minute or so per figure, on which no verdict should rest.
        together: learners of all numbers of vehicles are one program, whether the paper's budget says so or not.
        timing: make everything anew, and then once more run by run; both times are kept.
        part: which of several workers this is, who ends when others are at all programs that are left, and draws and judges if
            there are none; None: one who waits for them.
        out: the folder; None: `reproductions/ENV`, or `reproductions/ENV-quick`.
        progress: report on stderr, or on the given stream, how far it is.
        say: where results go, a line at a time.
    Returns:
        The folder and, per figure, its files, verdicts and times; of a part also "left", what others are at.
    Raises:
        ValueError: an unknown environment or figure, a bad number of seeds or slots, a folder with files of another version, or
            one that parts cannot share; or a part is to be timed, or no number of vehicles to be put together.
        TrainingError: a learner has gone astray; a part has made everything else.
    """
    if timing and part:
        raise ValueError("--timing measures this machine alone: leave out --part")
    plan = _planned(env_id, seeds, slots, quick, together, timing, out, say)
    cache.disable() if timing else cache.enable()
    paper, budget, out = plan.paper, plan.budget, plan.out
    figures = _figures(paper, figure, together)
    out.mkdir(parents=True, exist_ok=True)
    _known_verdicts(out / "verdicts.json")  # refuses those of another version before anything is made
    runner = Runner(env_id, budget, out, progress, fresh=timing, shared=bool(part), eval_overrides=paper.eval_overrides)
    say(
        f"{paper.title}\n{budget.slots:,} slots of training, {plan.seeds} seeds, {budget.episodes} episodes of evaluation"
    )
    if quick:
        say("a quick look: the learners have hardly begun to learn, and no verdict on them means anything")
    results, left = _make(plan, figures, runner, part)
    if left:
        return {"out": str(out), "figures": {}, "left": left}
    if figure is None:
        verdicts = [_judged(claim, NO_FIGURE, Data((), {})) for claim in paper.other_claims]
        _print(verdicts, say)
        _keep_verdicts(plan, runner, verdicts, "")
    return {"out": str(out), "figures": results} | ({"left": []} if part else {})


def _make(
    plan: _Plan, figures: Sequence[Figure], runner: Runner, part: Part | None
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What became of each figure, and what a part leaves to other workers, in which case there are no figures."""
    wanted = [] if plan.timing else [(each.series, each.points_of(plan.quick)) for each in figures]
    results = dict[str, dict[str, Any]]()
    try:
        units = runner.units(wanted, plan.seeds)
        if part and (left := work([unit for of_figure in units for unit in of_figure], part, runner.progress.write)):
            return results, left
        for i, figure in enumerate(figures):
            work(units[i] if units else (), say=runner.progress.write)
            with runner.claims.of(figure.stem, wait=True):
                results[figure.number] = _reproduce_figure(plan, figure, runner)
        return results, []
    finally:
        runner.progress.close()


def _figures(paper: Paper, figure: str | None, together: bool) -> tuple[Figure, ...]:
    """One of a paper's figures, or all."""
    figures = paper.figures if figure is None else (paper.figure(figure),)
    if together and not any(point.count for each in figures for point in each.points):
        raise ValueError("--together is for figures over numbers of vehicles; this is none: leave it out")
    return figures


def folder_of(env_id: str, quick: bool) -> Path:
    """Where a paper's figures go if nothing else is said."""
    return Path("reproductions") / (f"{env_id}-quick" if quick else env_id)


def _planned(
    env_id: str,
    seeds: int | None,
    slots: int | None,
    quick: bool,
    together: bool,
    timing: bool,
    out: Path | None,
    say: Any,
) -> _Plan:
    """The plan of `reproduce` from its arguments."""
    paper = PAPERS[env_id]
    budget = paper.quick if quick else paper.full
    seeds = budget.seeds if seeds is None else seeds
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}")
    if slots is not None and slots < 1:
        raise ValueError(f"--slots must be at least 1, not {slots}")
    budget = budget if slots is None else dataclasses.replace(budget, slots=slots)
    budget = dataclasses.replace(budget, together=True) if together else budget
    out = out or folder_of(env_id, quick)
    return _Plan(paper, budget, seeds, quick, timing, out, say)


def _reproduce_figure(plan: _Plan, figure: Figure, runner: Runner) -> dict[str, Any]:
    """Make, judge, draw and write one figure; its files, verdicts and times."""
    points, out, say = figure.points_of(plan.quick), plan.out, plan.say
    started = time.perf_counter()
    data = runner.data(figure.series, points, plan.seeds)
    wall_s = time.perf_counter() - started
    shares = [sum(run.seconds.values()) for runs in data.runs.values() for run in runs]
    times: dict[str, Any] = {"side_by_side_s": wall_s if plan.timing else sum(shares), "runs": len(shares)}
    if plan.timing:
        single = runner.one_by_one(figure.series, points, plan.seeds)
        times |= {"run_by_run_s": single["seconds"], "run_by_run_runs": single["runs"], "load_1min": os.getloadavg()[0]}
    verdicts = [_judged(claim, figure.number, data) for claim in figure.claims]
    runner.progress.close()
    files = _draw(plan, figure, data)
    files += [str(file) for file in figure.pictures(runner, out)] if figure.pictures else []
    write_json(out / f"{figure.stem}.json", _record(plan, figure, data, verdicts, times))
    spent = plan.spent(figure, data) + (" (quick look)" if plan.quick else "")
    _keep_verdicts(plan, runner, verdicts, spent)
    say(f"\n{figure.heading}")
    _print(verdicts, say)
    say(_of_time(times))
    say(f"  {', '.join(files[:1] + files[3:])}")
    return {"files": files, "verdicts": {v["claim"]: v["outcome"] for v in verdicts}, "times": times}


def _draw(plan: _Plan, figure: Figure, data: Data) -> list[str]:
    """Draw a figure and write what is drawn; the names of its files."""
    parts = [(panel.title, panel.axis or figure.axis, panel.lines(data)) for panel in figure.panels]
    note = f"{plan.spent(figure, data)}, 95 % intervals" + (" (quick look)" if plan.quick else "")
    stem = plan.out / figure.stem
    picture, table, record = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".csv", ".json"))
    plots.panels(parts, picture, title=figure.heading, note=note if figure.series else "")
    _write_csv(table, parts)
    return [str(picture), str(table), str(record)]


def _record(plan: _Plan, figure: Figure, data: Data, verdicts: list[dict[str, str]], times: Any) -> dict[str, Any]:
    """What `figN.json` holds."""
    return {
        "paper": plan.paper.title,
        "figure": figure.number,
        "title": figure.title,
        "quick": plan.quick,
        "seeds": plan.seeds,
        "budget": {"slots": plan.budget.slots, "episodes": plan.budget.episodes},
        "machine": machine(),
        "times": times,
        "verdicts": verdicts,
        "results": _results(data),
    }


def _of_time(times: dict[str, Any]) -> str:
    text = f"  {times['runs']} runs took {times['side_by_side_s']:.0f} s side by side"
    if "run_by_run_s" in times:
        ratio = times["run_by_run_s"] / times["side_by_side_s"]
        text += f", {times['run_by_run_s']:.0f} s run by run ({ratio:.1f} times as long)"
    return text


def _judged(claim: Claim, figure: str, data: Data) -> dict[str, str]:
    """A claim with its verdict."""
    return {"claim": claim.name, "figure": figure, "words": claim.words, **claim.judged(data)._asdict()}


def _print(verdicts: Sequence[dict[str, str]], say: Callable[[str], Any]) -> None:
    for verdict in verdicts:
        say(f"  {verdict['claim']:14s}{verdict['outcome']:15s}{verdict['words']}")
        say(f"  {'':29s}{verdict['numbers']}")


def _known_verdicts(file: Path) -> dict[str, dict[str, str]]:
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


def _keep_verdicts(plan: _Plan, runner: Runner, verdicts: Sequence[dict[str, str]], spent: str) -> None:
    """Add verdicts to those that are there; and write all of them as a page to read, `.md`."""
    file = plan.out / "verdicts.json"
    with runner.claims.of(file.name, wait=True):
        known = _known_verdicts(file) | {verdict["claim"]: {**verdict, "spent": spent} for verdict in verdicts}
        write_json(file, known)
        with replacing(file.with_suffix(".md")) as temporary:
            temporary.write_text(_page(plan.paper, known))


def _page(paper: Paper, known: dict[str, dict[str, str]]) -> str:
    """Verdicts as Markdown, figure by figure, in the paper's order."""
    parts = [f"# {paper.title}", "± are 95 % intervals, over seeds of learners and over episodes of rules."]
    groups = [(figure.heading, figure.claims) for figure in paper.figures] + [("Of no figure", paper.other_claims)]
    for heading, claims in groups:
        verdicts = [known[claim.name] for claim in claims if claim.name in known]
        if verdicts:
            parts.append(f"## {heading}")
            parts += [verdicts[0]["spent"]] if verdicts[0]["spent"] else []
            rows = ["| | statement | | numbers |", "|---|---|---|---|"]
            rows += [f"| {v['claim']} | {v['words']} | {v['outcome']} | {v['numbers']} |" for v in verdicts]
            parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _results(data: Data) -> list[dict[str, Any]]:
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


def _write_csv(file: Path, parts: Parts) -> None:
    """What is drawn, a row per mark."""
    with replacing(file) as temporary, temporary.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["panel", "series", "kind", "x", "mean", "half_width"])
        for panel, _, lines in parts:
            for line in lines:
                for x, mean, half in zip(line.x, line.mean, line.half, strict=True):
                    half_width = "" if np.isnan(half) else f"{half:.3g}"
                    rows.writerow([panel, line.name, line.kind, x, f"{mean:.6g}", half_width])
