"""`reproduce`: a paper's figures from nothing to files and verdicts.

Per figure `figN.png`, `figN.csv` (what is drawn) and `figN.json` (configurations, every metric, verdicts, times), and over all
figures that were made `verdicts.json`, with `verdicts.md` to read; and `reproduce.jsonl`, the summary from which all of it is
made again without training (`jaxvec.papers.summary`).
"""

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from jaxvec.bench import machine
from jaxvec.core import cache
from jaxvec.core.checkout import commit
from jaxvec.core.claims import Part, work
from jaxvec.core.errors import suggest
from jaxvec.core.files import write_json, write_text
from jaxvec.papers import PAPERS, pages, records
from jaxvec.papers.allowance import Allowance
from jaxvec.papers.data import Data
from jaxvec.papers.pages import verdict_of
from jaxvec.papers.paper import Figure, Paper
from jaxvec.papers.runner import Runner
from jaxvec.papers.runs import Run
from jaxvec.papers.series import Budget
from jaxvec.papers.shipping import ship as ship_to
from jaxvec.papers.summary import Summary, condensing
from jaxvec.viz import plots

SUMMARY = "reproduce.jsonl"


class _Plan(NamedTuple):
    """How a paper is reproduced: see `reproduce`; `command` is what does it again."""

    paper: Paper
    budget: Budget
    seeds: int
    quick: bool
    timing: bool
    out: Path
    say: Callable[[str], Any]
    command: str

    def begin(self) -> None:
        """Say what is made, and refuse a folder with verdicts of another version."""
        commit()  # of the code that is about to run
        self.out.mkdir(parents=True, exist_ok=True)
        records.known_verdicts(self.out / "verdicts.json")
        slots, episodes = self.budget.slots, self.budget.episodes
        self.say(
            f"{self.paper.title}\n{slots:,} slots of training, {_seeds(self.seeds)}, {episodes} episodes of evaluation"
        )
        if self.quick:
            self.say("a quick look: the learners have hardly begun to learn, and no verdict on them means anything")

    def spent(self, figure: Figure, data: Data) -> str:
        """What was spent on a figure, in words."""
        made = [series for series in figure.series if any(name == series.name for name, _ in data.runs)]
        seeded = any(series.has_seeds for series in made)
        spent = _seeds(self.seeds) if seeded else f"{self.budget.episodes} episodes"
        trained = any(series.learner for series in made)
        return spent + (f", {self.budget.slots:,} slots each" if trained else "")


def _seeds(n: int) -> str:
    """A number of seeds, in words."""
    return f"{n} seed" if n == 1 else f"{n} seeds"


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
    minutes: float | None = None,
    series: Sequence[str] | None = None,
    out: Path | None = None,
    source: Path | None = None,
    known: Path | None = None,
    ship: Path | None = None,
    progress: bool | TextIO = True,
    say: Callable[[str], Any] = print,
) -> dict[str, Any]:
    """Make a paper's figures and judge its claims; what is in the folder is not made again, and processes may share it.

    Args:
        env_id: the environment of the paper.
        figure: one of its figures; None: all.
        seeds: independent learners; None: as many as the budget has.
        slots: of training that each learner sees; None: as many as the budget has.
        quick: a look, in a minute or so per figure, on which no verdict should rest.
        together: learners of all numbers of vehicles are one program, whether the paper's budget says so or not.
        timing: make everything anew, and then once more run by run; both times are kept.
        part: which of several workers this is, who ends when others are at all that is left; None: one who waits for them.
        minutes: of training; what would not end in time is left out, and claims that need it are not shown; None: all is made.
        series: learners and bounds by their names in the figures, which alone are trained; None: all.
        out: the folder; None: `reproductions/ENV`, or `reproductions/ENV-quick`.
        source: a summary from which everything is drawn and judged again; nothing is trained.
        known: a summary of another reproduction, whose runs need not be made again; None: there is none.
        ship: a folder for what is published: the page with small pictures, and the summary.
        progress: report on stderr, or on the given stream, how far it is.
        say: where results go, a line at a time.
    Returns:
        The folder and, per figure, its files, verdicts and times; of a part also "left", what others are at.
    Raises:
        ValueError: an unknown environment, figure or series, a bad number of seeds or slots, a folder with files of another
            version, or one that parts cannot share; or what does not go together.
        TrainingError: a learner has gone astray; a part has made everything else.
    """
    _check_words(part, timing, source, (quick, together, seeds, slots), (minutes, series, known))
    words = {"figure": figure, "seeds": seeds, "slots": slots, "quick": quick, "together": together}
    plan = _planned(env_id, seeds, slots, quick, together, timing, out, say)._replace(command=_command(env_id, words))
    if source:
        return _again(plan, _figures(plan.paper, figure, False), figure is None, source, ship)
    cache.disable() if timing else cache.enable()
    figures = _figures(plan.paper, figure, together)
    how = _summary(known).run, Allowance(minutes, _known_series(figures, series))
    plan.begin()
    runner = _runner(plan, progress, bool(part), *how)
    results, left = _make(plan, figures, runner, part)
    if left:
        return {"out": str(plan.out), "figures": {}, "left": left}
    _of_no_figure(plan, runner)
    return {"out": str(plan.out), "figures": results, **_shipped(plan, ship)} | ({"left": []} if part else {})


def _runner(
    plan: _Plan, progress: bool | TextIO, shared: bool, known: Callable[[str], Run | None], allowance: Allowance
) -> Runner:
    """Who makes the runs of a plan."""
    others: dict[str, Any] = {"eval_overrides": plan.paper.eval_overrides, "known": known, "allowance": allowance}
    return Runner(plan.paper.env_id, plan.budget, plan.out, progress, fresh=plan.timing, shared=shared, **others)


def _known_series(figures: Sequence[Figure], names: Sequence[str] | None) -> Sequence[str] | None:
    """The names of series, of which each must be trained, or searched for, in one of the figures."""
    there = {one.name for figure in figures for one in figure.series if not one.rule}
    for name in names or ():
        if name not in there:
            raise ValueError(suggest("series", name, there))
    return names


def _check_words(
    part: Part | None, timing: bool, source: Path | None, others: tuple[Any, ...], spares: tuple[Any, ...]
) -> None:
    """Refuse what does not go together; `spares` are those that spare some of the work."""
    if timing and any(word is not None for word in spares):
        raise ValueError("--timing makes everything anew: leave out --minutes, --series and --known")
    if timing and part:
        raise ValueError("--timing measures this machine alone: leave out --part")
    if source and (part or timing or any(word not in (None, False) for word in (*others, *spares))):
        raise ValueError("--from draws again what was made: it takes --figure, --out and --ship alone")


def _command(env_id: str, words: dict[str, Any]) -> str:
    """The words that make the same again."""
    parts = [
        f"--{name}" if value is True else f"--{name} {value}"
        for name, value in words.items()
        if value not in (None, False)
    ]
    return " ".join(["jaxvec reproduce", env_id, *parts])


def _of_no_figure(plan: _Plan, runner: Runner | None) -> None:
    """Judge the claims that no figure decides; they are on every page."""
    verdicts = [verdict_of(claim, None, Data((), {})) for claim in plan.paper.other_claims]
    _print(verdicts, plan.say)
    _keep_verdicts(plan, runner, verdicts, "")


def _summary(path: Path | None) -> Summary:
    """A summary, empty if none is named.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if path and not path.is_file():
        raise FileNotFoundError(f"{path}: no such summary of a reproduction")
    return Summary(path)


def _again(plan: _Plan, figures: Sequence[Figure], every: bool, source: Path, ship: Path | None) -> dict[str, Any]:
    """Draw and judge again what a summary has."""
    summary, results = _summary(source), dict[str, dict[str, Any]]()
    there = [figure for figure in figures if figure.number in summary.figures or not figure.series]
    if not there or (not every and len(there) < len(figures)):
        raise ValueError(f"{source}: it has no such figure. It has: {', '.join(summary.figures) or 'none'}")
    plan.out.mkdir(parents=True, exist_ok=True)
    for figure in there:
        known = figure.number in summary.figures
        data = summary.data(figure.number, figure.series) if known else Data((), {})
        about = summary.figures[figure.number]["made"] if known else {}
        results[figure.number] = _drawn_and_judged(plan, figure, data, about, None, {})
    _of_no_figure(plan, None)
    return {"out": str(plan.out), "figures": results, **_shipped(plan, ship)}


def _shipped(plan: _Plan, folder: Path | None) -> dict[str, Any]:
    """What was written for others, if anything."""
    return {"shipped": ship_to(plan.paper, plan.out, folder)} if folder else {}


def _make(
    plan: _Plan, figures: Sequence[Figure], runner: Runner, part: Part | None
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What became of each figure, and what a part leaves to other workers, in which case there are no figures."""
    wanted = [] if plan.timing else [(each.series_of(plan.quick), each.points_of(plan.quick)) for each in figures]
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
    return _Plan(paper, budget, seeds, quick, timing, out, say, "")


def _reproduce_figure(plan: _Plan, figure: Figure, runner: Runner) -> dict[str, Any]:
    """Make, judge, draw and write one figure; its files, verdicts and times."""
    series, points = figure.series_of(plan.quick), figure.points_of(plan.quick)
    started = time.perf_counter()
    data = runner.data(series, points, plan.seeds)
    wall_s = time.perf_counter() - started
    shares = [sum(run.seconds.values()) for runs in data.runs.values() for run in runs]
    times: dict[str, Any] = {"side_by_side_s": wall_s if plan.timing else sum(shares), "runs": len(shares)}
    if plan.timing:
        single = runner.one_by_one(series, points, plan.seeds)
        times |= {"run_by_run_s": single["seconds"], "run_by_run_runs": single["runs"], "load_1min": os.getloadavg()[0]}
    about = pages.made(plan.command, plan.seeds, plan.budget.slots, plan.budget.episodes, data)
    about |= {"spent": plan.spent(figure, data) + (" (quick look)" if plan.quick else "")}
    result = _drawn_and_judged(plan, figure, condensing(data), about, runner, times)
    pictures = [str(x) for x in figure.pictures(runner, plan.out)] if figure.pictures and not data.missing else []
    plan.say(_of_time(times))
    return result | {"files": result["files"] + pictures}


def _drawn_and_judged(
    plan: _Plan, figure: Figure, data: Data, about: dict[str, Any], runner: Runner | None, times: dict[str, Any]
) -> dict[str, Any]:
    """Judge, draw and write one figure from its data."""
    verdicts = [verdict_of(claim, figure, data) for claim in figure.claims]
    if runner:
        runner.progress.close()
    spent = about.get("spent", "")
    files = _draw(plan, figure, data, spent)
    write_json(plan.out / f"{figure.stem}.json", _record(plan, figure, data, verdicts, times))
    with runner.claims.of(SUMMARY, wait=True) if runner else nullcontext():
        summary = Summary(plan.out / SUMMARY)
        summary.add(figure.number, data, about)
        summary.write(plan.out / SUMMARY)
    _keep_verdicts(plan, runner, verdicts, spent)
    plan.say(f"\n{figure.heading}")
    _print(verdicts, plan.say)
    plan.say(f"  {', '.join(files[:1])}")
    return {"files": files, "verdicts": {v["claim"]: v["outcome"] for v in verdicts}, "times": times}


def _draw(plan: _Plan, figure: Figure, data: Data, spent: str) -> list[str]:
    """Draw a figure and write what is drawn; the names of its files."""
    parts = [(panel.title, panel.axis or figure.axis, panel.lines(data)) for panel in figure.panels]
    stem = plan.out / figure.stem
    picture, table, record = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".csv", ".json"))
    note = f"{spent}, 95 % intervals" if figure.series else ""
    picture.unlink(missing_ok=True)
    if shown := [part for part in parts if part[2]]:  # of what is not made for want of time there is nothing to show
        plots.panels(shown, picture, title=figure.heading, note=note)
    records.write_csv(table, parts)
    return [str(file) for file in (picture, table, record) if shown or file != picture]


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
        "results": records.results(data),
    }


def _of_time(times: dict[str, Any]) -> str:
    text = f"  {times['runs']} runs took {times['side_by_side_s']:.0f} s side by side"
    if "run_by_run_s" in times:
        ratio = times["run_by_run_s"] / times["side_by_side_s"]
        text += f", {times['run_by_run_s']:.0f} s run by run ({ratio:.1f} times as long)"
    return text


def _print(verdicts: Sequence[dict[str, str]], say: Callable[[str], Any]) -> None:
    for verdict in verdicts:
        say(f"  {verdict['claim']:14s}{verdict['outcome']:15s}{verdict['words']}")
        for name in ("numbers", "power", "learners"):
            if verdict[name]:
                say(f"  {'':29s}{verdict[name]}")


def _keep_verdicts(plan: _Plan, runner: Runner | None, verdicts: Sequence[dict[str, str]], spent: str) -> None:
    """Add verdicts to those that are there; and write all of them as a page to read, `.md`."""
    file = plan.out / "verdicts.json"
    with runner.claims.of(file.name, wait=True) if runner else nullcontext():
        known = records.known_verdicts(file) | {verdict["claim"]: {**verdict, "spent": spent} for verdict in verdicts}
        known = {claim.name: known[claim.name] for claim in plan.paper.claims if claim.name in known}
        write_json(file, known)
        of_figures = {number: line["made"] for number, line in Summary(plan.out / SUMMARY).figures.items()}
        there = [figure for figure in plan.paper.figures if (plan.out / f"{figure.stem}.png").exists()]
        pictures = {figure.number: [f"{figure.stem}.png"] for figure in there}
        write_text(file.with_suffix(".md"), pages.page(plan.paper, known, of_figures, pictures))
