"""`reproduce`: a paper's figures from nothing to files and verdicts.

Per figure `figN.png`, `figN.csv` (what is drawn) and `figN.json` (configurations, every metric, verdicts, times), and over all
figures that were made `verdicts.json`.
"""

import csv
import dataclasses
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from jaxvec.bench import machine
from jaxvec.core.files import replacing, write_json
from jaxvec.papers import paper as paper_of
from jaxvec.papers.data import Data
from jaxvec.papers.lab import Lab
from jaxvec.papers.plan import ALL, Budget, Claim, Figure, Paper
from jaxvec.viz import plots


def reproduce(
    env_id: str,
    *,
    figure: str | None = None,
    seeds: int | None = None,
    slots: int | None = None,
    quick: bool = False,
    timing: bool = False,
    out: Path | None = None,
    progress: bool | TextIO = True,
    say: Any = print,
) -> dict[str, Any]:
    """Make a paper's figures and judge its claims; what is in the folder already is not made again.

    Args:
        env_id: the environment of the paper.
        figure: one of its figures; None: all.
        seeds: independent learners; None: as many as the budget has.
        slots: of training that each learner sees; None: as many as the budget has.
        quick: a look, in a minute or so per figure, on which no verdict should rest.
        timing: make everything anew, and then once more run by run; both times are kept.
        out: the folder; None: `reproductions/ENV`, or `reproductions/ENV-quick`.
        progress: say on stderr, or on the given stream, what is going on.
        say: where results go, a line at a time.
    Returns:
        The folder and, per figure, its files, verdicts and times.
    Raises:
        ValueError: an unknown environment or figure, or a bad number of seeds or slots.
    """
    paper = paper_of(env_id)
    figures = paper.figures if figure is None else (paper.figure(figure),)
    budget = paper.quick if quick else paper.full
    seeds = budget.seeds if seeds is None else seeds
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}")
    if slots is not None and slots < 1:
        raise ValueError(f"--slots must be at least 1, not {slots}")
    budget = budget if slots is None else dataclasses.replace(budget, slots=slots)
    out = out or Path("reproductions") / (f"{env_id}-quick" if quick else env_id)
    out.mkdir(parents=True, exist_ok=True)
    lab = Lab(env_id, budget, out, progress, fresh=timing, tested=paper.tested)
    say(f"{paper.title}\n{budget.slots:,} slots of training, {seeds} seeds, {budget.episodes} episodes of evaluation")
    if quick:
        say("a quick look: the learners have hardly begun to learn, and no verdict on them means anything")
    made = {}
    for one in figures:
        try:
            made[one.number] = _make(paper, one, lab, budget, seeds, quick, timing, out, say)
        finally:
            lab.progress.close()
    if figure is None:
        verdicts = [_judged(claim, None) for claim in paper.claims if claim.figure == ALL]
        _print(verdicts, say)
        _keep(out / "verdicts.json", paper, verdicts, "")
    return {"out": str(out), "figures": made}


def _make(
    paper: Paper,
    figure: Figure,
    lab: Lab,
    budget: Budget,
    seeds: int,
    quick: bool,
    timing: bool,
    out: Path,
    say: Any,
) -> dict[str, Any]:
    """One figure."""
    started, places = time.perf_counter(), figure.at(quick)
    data = lab.data(figure, places, seeds)
    made_s = time.perf_counter() - started
    shares = [sum(run.seconds.values()) for runs in data.runs.values() for run in runs]
    times: dict[str, Any] = {"side_by_side_s": made_s if timing else sum(shares), "runs": len(shares)}
    if timing:
        single = lab.one_by_one(figure, places, seeds)
        times |= {"run_by_run_s": single["seconds"], "run_by_run_runs": single["runs"], "load_1min": os.getloadavg()[0]}
    verdicts = [_judged(claim, data) for claim in paper.claims if claim.figure == figure.number]
    lab.progress.close()
    stem = figure.number if figure.number.isalpha() or figure.number.startswith("table") else f"fig{figure.number}"
    parts = [(panel.title, panel.axis or figure.axis, panel.lines(data)) for panel in figure.panels]
    spent = f"{seeds} seeds" if data.learned else f"{budget.episodes} episodes"
    spent += f", {budget.slots:,} slots each" if any(series.learner for series in figure.series) else ""
    note = f"{spent}, 95 % intervals" + (" (quick look)" if quick else "") if figure.series else ""
    name = f"Fig. {figure.number}: " if figure.number.isdigit() else ""
    plots.panels(parts, out / f"{stem}.png", title=f"{name}{figure.title}", note=note)
    _write_csv(out / f"{stem}.csv", parts)
    files = [str(out / f"{stem}{suffix}") for suffix in (".png", ".csv", ".json")]
    files += [str(file) for file in figure.pictures(lab, out)] if figure.pictures else []
    result = {
        "paper": paper.title,
        "figure": figure.number,
        "title": figure.title,
        "quick": quick,
        "seeds": seeds,
        "budget": {"slots": budget.slots, "episodes": budget.episodes},
        "machine": machine(),
        "times": times,
        "verdicts": verdicts,
        "results": _results(data),
    }
    write_json(out / f"{stem}.json", result)
    _keep(out / "verdicts.json", paper, verdicts, spent + (" (quick look)" if quick else ""))
    say(f"\nFig. {figure.number}: {figure.title}" if figure.number.isdigit() else f"\n{figure.title}")
    _print(verdicts, say)
    say(_of_time(times))
    say(f"  {', '.join(files[:1] + files[3:])}")
    return {"files": files, "verdicts": {v["claim"]: v["outcome"] for v in verdicts}, "times": times}


def _of_time(times: dict[str, Any]) -> str:
    text = f"  {times['runs']} runs took {times['side_by_side_s']:.0f} s side by side"
    if "run_by_run_s" in times:
        ratio = times["run_by_run_s"] / times["side_by_side_s"]
        text += f", {times['run_by_run_s']:.0f} s run by run ({ratio:.1f} times as long)"
    return text


def _judged(claim: Claim, data: Data | None) -> dict[str, str]:
    """A claim with its verdict."""
    return {"claim": claim.name, "figure": claim.figure, "words": claim.words, **claim.judged(data)._asdict()}


def _print(verdicts: Sequence[dict[str, str]], say: Any) -> None:
    for verdict in verdicts:
        say(f"  {verdict['claim']:14s}{verdict['outcome']:15s}{verdict['words']}")
        say(f"  {'':29s}{verdict['numbers']}")


def _keep(file: Path, paper: Paper, verdicts: Sequence[dict[str, str]], spent: str) -> None:
    """Among those that are there; and all of them as a page to read, `.md`."""
    known = json.loads(file.read_text()) if file.exists() else {}
    known |= {verdict["claim"]: {**verdict, "spent": spent} for verdict in verdicts}
    write_json(file, known)
    with replacing(file.with_suffix(".md")) as temporary:
        temporary.write_text(_page(paper, known))


def _page(paper: Paper, known: dict[str, dict[str, str]]) -> str:
    """Verdicts as Markdown, figure by figure, in the paper's order."""
    titles = {figure.number: figure.title for figure in paper.figures} | {ALL: "Of no figure"}
    parts = [f"# {paper.title}", "± are 95 % intervals, over seeds of learners and over episodes of rules."]
    for number, title in titles.items():
        some = [known[c.name] for c in paper.claims if c.figure == number and c.name in known]
        if some:
            parts.append(f"## {f'Fig. {number}: ' if number.isdigit() else ''}{title}")
            parts += [some[0]["spent"]] if some[0].get("spent") else []
            rows = ["| | statement | | numbers |", "|---|---|---|---|"]
            rows += [f"| {v['claim']} | {v['words']} | {v['outcome']} | {v['numbers']} |" for v in some]
            parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _results(data: Data) -> list[dict[str, Any]]:
    """Every metric of every point, and what the runs were made from."""
    rows = []
    for (series, x), runs in data.runs.items():
        metrics = {}
        for metric in sorted(runs[0].found):
            it = data.estimate(series, x, metric)
            per_seed = data.samples(series, x, metric).mean(1).tolist()
            metrics[metric] = {"mean": it.mean, "half_width": _number(it.half), "by_seed": per_seed}
        rows.append({"series": series, "x": x, "metrics": metrics, "config": runs[0].config, "device": runs[0].device})
    return rows


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _write_csv(file: Path, parts: Sequence[tuple[str, str, Sequence[plots.Line]]]) -> None:
    """What is drawn, a row per mark."""
    with replacing(file) as temporary, temporary.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["panel", "series", "kind", "x", "mean", "half_width"])
        for panel, _, lines in parts:
            for line in lines:
                for x, mean, half in zip(line.x, line.mean, line.half, strict=True):
                    rows.writerow(
                        [panel, line.name, line.kind, x, f"{mean:.6g}", f"{half:.3g}" if half == half else ""]
                    )
