"""Runs what figures need: learners trained side by side, policies evaluated in the same worlds, each run made once.

Series and points that differ in numbers only are one program (`jaxvec.papers.programs`); only other sizes are another, and
numbers of vehicles need be none (`jaxvec.papers.series.at_largest`). What is
made lies in a folder under the digest of everything that it is made from (`jaxvec.papers.runs`): it is never made twice, it
serves every figure that needs it, and what was interrupted goes on with what is missing. Processes that share the folder claim
programs (`jaxvec.core.claims`).
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jax

from jaxvec import learners
from jaxvec.core.claims import Claims, Unit, work
from jaxvec.core.environment import Environment
from jaxvec.core.evaluation import evaluate
from jaxvec.core.make import make
from jaxvec.learners.base import Learner
from jaxvec.papers import programs
from jaxvec.papers.allowance import Allowance
from jaxvec.papers.data import Data
from jaxvec.papers.programs import WORLDS, Length, Member
from jaxvec.papers.runs import Run, Store, foreign_runs, origin
from jaxvec.papers.series import (
    Budget,
    Cell,
    EvalOverrides,
    Here,
    Named,
    Series,
    SweepPoint,
    as_in_training,
    at_largest,
    of_one_program,
    of_one_size,
    run_apart,
)
from jaxvec.papers.worlds import WorldsOf
from jaxvec.policies import fixed
from jaxvec.training import train
from jaxvec.training.config import leaves, plain
from jaxvec.training.driver import scheduled
from jaxvec.training.progress import Progress

POINTS = 50  # of a learning curve, at most


class Setup(NamedTuple):
    """What a series is run with at a point.

    Attributes:
        env: the environment, wrapped if the series says so.
        params: its parameters in training, of a rule those in evaluation; without the numbers of series and point.
        learner: None of what has none.
        hyper: its hyper-parameters, without the point's factors.
    """

    env: Environment
    params: Any
    learner: Learner | None
    hyper: Any


class Program(NamedTuple):
    """What is made side by side.

    Attributes:
        names: of its series.
        members: of which all have one setup.
        point: the first of its points, which differ in numbers only.
        setup: see there.
    """

    names: str
    members: list[Member]
    point: SweepPoint
    setup: Setup

    @property
    def takes(self) -> str:
        """What takes its time: a learner, a bound or a function by name; empty of rules, which take none to speak of."""
        first = self.members[0].series
        return self.setup.learner.name if self.setup.learner else "" if first.rule else first.name


class Runner:
    """Trains and evaluates for the figures of one paper.

    Args:
        env_id: the environment.
        budget: what is spent.
        out: the folder; the runs go to `runs` in it.
        progress: where to report; True: stderr, False: nowhere.
        fresh: make everything again, whatever the folder holds.
        shared: whether it must be possible to lock the folder.
        eval_overrides: see `EvalOverrides`.
        allowance: what may be trained, and for how long; None: everything, as long as it takes.
        known: `known(digest)` of a run made elsewhere, as `jaxvec.papers.summary.Summary.run`; None if it was not.
    """

    def __init__(
        self,
        env_id: str,
        budget: Budget,
        out: Path,
        progress: bool | TextIO = False,
        *,
        fresh: bool = False,
        shared: bool = False,
        eval_overrides: EvalOverrides = as_in_training,
        allowance: Allowance | None = None,
        known: Callable[[str], Run | None] = lambda digest: None,
    ):
        self.env_id, self.budget, self.fresh = env_id, budget, fresh
        self.store = Store(out / "runs", known)
        self.eval_overrides, self.progress = eval_overrides, Progress(progress)
        self.allowance = allowance or Allowance()
        self.claims = Claims(out / "claims", required=shared)
        if foreign := foreign_runs(self.store.folder):
            self.progress.write(f"{self.store.folder}: {len(foreign)} runs of another version of jaxvec are ignored")

    # What is asked for

    def data(self, series: Sequence[Series], points: Sequence[SweepPoint], seeds: int) -> Data:
        """The runs of several series at several points, made where they are missing.

        Args:
            series: who is compared.
            points: where.
            seeds: runs of each series that has seeds, at each point.
        """
        runs: dict[Cell, list[Run]] = {}
        missing: dict[Cell, int] = {}
        for member in self._made(series, points, seeds):
            cell = member.series.name, member.x
            if self.store.has(member.file):
                runs.setdefault(cell, []).append(self.store.read(member.file))
            else:
                missing[cell] = missing.get(cell, 0) + 1
        return Data(series, {cell: of for cell, of in runs.items() if cell not in missing}, self.rules, missing)

    def rules(self, names: Sequence[str], worlds: Sequence[Named], sizes: Named) -> dict[str, list[Run]]:
        """Fixed policies in other worlds: per rule, a run for each.

        Args:
            names: of the rules.
            worlds: the numbers of each.
            sizes: sizes and switches, the same in all.
        """
        series = tuple(Series(name, rule=name) for name in names)
        points = [SweepPoint(float(i), sizes, numbers) for i, numbers in enumerate(worlds)]
        runs: dict[str, list[Run]] = {}
        for member in self._made(series, points, 1):
            runs.setdefault(member.series.name, []).append(self.store.read(member.file))
        return runs

    def units(self, wanted: Iterable[tuple[Sequence[Series], Sequence[SweepPoint]]], seeds: int) -> list[list[Unit]]:
        """What there is to make, the same for all who share the folder, whatever of it is made already.

        Args:
            wanted: of each figure the series and points.
            seeds: as of `data`.
        Returns:
            Of each figure its programs, without the members that an earlier one has.
        """
        seen = set[str]()
        return [self._units(self._programs(series, points, seeds), seen) for series, points in wanted]

    def _made(self, series: Sequence[Series], points: Sequence[SweepPoint], seeds: int) -> list[Member]:
        """The members of all programs, whose runs are made where they are missing."""
        wanted = list(self._programs(series, points, seeds))
        work(self._units(wanted, set()), say=self.progress.write)
        return [member for program in wanted for member in program.members]

    def _programs(self, series: Sequence[Series], points: Sequence[SweepPoint], seeds: int) -> Iterator[Program]:
        for together in of_one_program(series):
            first = together[0]
            alone = not first.rule and not (first.learner and self.budget.together)
            for alike in of_one_size(at_largest(points, alone=alone)):
                setup = self.setup(first, alike[0])
                members = self.members(together, alike, seeds, setup)
                yield Program(", ".join(one.name for one in together), members, alike[0], setup)

    def _units(self, wanted: Iterable[Program], seen: set[str]) -> list[Unit]:
        """Units of what is not of another unit already, which `seen` has by its file."""
        units = list[Unit]()
        for program in wanted:
            new = list({m.file: m for m in program.members if m.file not in seen}.values())
            seen |= {m.file for m in new}
            units += [self._unit(program._replace(members=new))] if new else []
        return units

    def _unit(self, program: Program) -> Unit:
        """A program as a unit of work, of which only what is missing is made."""
        members = [m for m in program.members if not program.takes or self.allowance.covers(m.series.name)]
        old = {member.file for member in members} if self.fresh else set()

        def missing() -> list[Member]:
            return [m for m in members if m.file in old or not self.store.has(m.file)]

        def done() -> bool:
            lacks = missing()
            return not lacks or (bool(program.takes) and not self.allowance.lasts(program.takes, len(lacks)))

        def make() -> None:
            lacks = missing()
            on = programs.placed(lacks, program.setup.learner, self.budget.episodes)
            self.progress.start(f"{program.names}: {len(lacks)} in one program, {on}")
            runs = self._make(lacks, program.point, program.setup)
            self.allowance.note(program.takes, runs)
            for member, run in zip(lacks, runs, strict=True):
                self.store.write(member.file, run)
                old.discard(member.file)

        files = [member.file.removesuffix(".npz") for member in program.members]
        claim = partial(self.claims.of, " ".join(files))
        return Unit(f"{program.names} ({files[0]})", claim, done, make)

    def one_by_one(self, series: Sequence[Series], points: Sequence[SweepPoint], seeds: int) -> dict[str, float]:
        """The same as a loop of single runs, each compiled for itself, through `jaxvec.train` and `evaluate`.

        Returns:
            How many `runs`, and the `seconds` that they took.
        """
        started, count = time.perf_counter(), 0
        for program in of_one_program(series):
            for group in run_apart(program):
                for point in points:
                    for seed in range(seeds if group[0].has_seeds else 1):
                        self.progress.write(f"run by run: {group[0].name} at {point.x:g}, seed {seed}")
                        count += self._single(group, point, seed)
        return {"runs": count, "seconds": time.perf_counter() - started}

    # What it takes

    def setup(self, series: Series, point: SweepPoint) -> Setup:
        """Environment, parameters, and the learner with its hyper-parameters, if there is one."""
        settings = {**series.sizes, **point.sizes}
        env, params = make(self.env_id, **(settings if series.learner else self._in_evaluation(settings)))
        env = series.wrap(env) if series.wrap else env
        if not series.learner:
            return Setup(env, params, None, None)
        learner = learners.make(series.learner, env, **series.settings)
        known = {field.name for field in dataclasses.fields(learner.settings)}
        ours = {name: value for name, value in self.budget.settings.items() if name in known}
        if ours:
            learner = learners.make(series.learner, env, **{**series.settings, **ours})
        hyper = scheduled(learner.hyper.replace(**series.hyper), self.length(learner, series).updates)
        return Setup(env, params, learner, hyper)

    def eval_params(self, series: Series, point: SweepPoint, setup: Setup) -> Any:
        """The parameters of evaluation: those of training, unless the paper overrides some.

        Raises:
            ValueError: evaluation is to be in another environment.
        """
        settings = {**series.sizes, **point.sizes}
        if self._in_evaluation(settings) == settings:
            return setup.params
        other, params = make(self.env_id, **self._in_evaluation(settings))
        if (series.wrap(other) if series.wrap else other) != setup.env:
            raise ValueError(f"{setup.env.id}: evaluation may have other numbers than training, but not other sizes")
        return params

    def eval_env(self, series: Series, point: SweepPoint, setup: Setup) -> Environment:
        """The environment of evaluation: that of training, perhaps in the worlds of a larger one, or one that tells more."""
        env = setup.env
        if point.worlds_of:
            settings = {**series.sizes, **point.sizes}
            own, larger = (make(self.env_id, **changed)[0] for changed in (settings, {**settings, **point.worlds_of}))
            env = series.wrap(WorldsOf(own, larger)) if series.wrap else WorldsOf(own, larger)
        return series.watch(env) if series.watch else env

    def here(self, series: Series, point: SweepPoint) -> Here:
        """Where a series makes its runs itself."""
        numbers = {**series.numbers, **point.numbers}
        return Here(
            {**series.sizes, **point.sizes}, numbers, self.budget.slots, self.budget.episodes, self.store.folder
        )

    def length(self, learner: Learner, series: Series) -> Length:
        """Updates for the budget, and how many of them make a point of the learning curve."""
        slots = min(series.slots or self.budget.slots, self.budget.slots)
        wanted = max(1, round(slots / learner.steps_per_update))
        chunk = -(-wanted // POINTS)
        return Length(wanted - wanted % chunk, chunk)

    def members(
        self, program: Sequence[Series], points: Sequence[SweepPoint], seeds: int, setup: Setup
    ) -> list[Member]:
        """The members of a program, of which all have one setup: per series, point and seed."""
        return [
            self.member(series, point, seed, setup)
            for series in program
            for point in points
            for seed in range(seeds if series.has_seeds else 1)
        ]

    def member(self, series: Series, point: SweepPoint, seed: int, setup: Setup) -> Member:
        """A member of a program, with the configuration that its run is kept under."""
        numbers = {**series.numbers, **point.numbers}
        hyper = _scaled(setup.hyper, point.factors) if setup.learner else {}
        if series.run_fn:
            config = {"run_fn": series.name, "settings": dict(self.budget.settings), "seed": seed}
            if series.sizes or point.sizes or numbers:
                config |= {**self.here(series, point)._asdict(), "folder": "", "horizon": setup.env.horizon}
        else:
            config = self._in_words(setup.env, setup.params.replace(**numbers))
            config |= {"watch": series.watch.__name__} if series.watch else {}
            if setup.learner:
                config |= self._learner_in_words(series, point, setup.learner, setup.hyper.replace(**hyper))
                config |= {"seed": seed}
            elif series.bound:
                config |= {"bound": repr(programs.effort_of(setup.env))}
            else:
                config |= {"rule": series.rule}
        return Member(series, point.x, seed, numbers, hyper, origin() | config)

    def _in_words(self, env: Any, params: Any) -> dict[str, Any]:
        """An environment and its evaluation, as part of a configuration."""
        return {
            "env": env.id,
            "as": type(env).__name__,
            "sizes": dataclasses.asdict(env),
            "params": _leaves_in_words(params),
            "episodes": self.budget.episodes,
            "worlds": WORLDS,
            "horizon": env.horizon,
        }

    def _learner_in_words(self, series: Series, point: SweepPoint, learner: Learner, hyper: Any) -> dict[str, Any]:
        """A learner, its training and what its evaluation overrides, as part of a configuration."""
        updates = self.length(learner, series).updates
        overrides = self.eval_overrides({**series.sizes, **point.sizes})
        return {
            "learner": learner.name,
            "settings": dataclasses.asdict(learner.settings),
            "hyper": _leaves_in_words(hyper),
            "updates": updates,
            "slots": updates * learner.steps_per_update,
            **({"sampled": True} if series.sampled else {}),
            **({"eval_overrides": repr(overrides)} if overrides else {}),
            **({"worlds_of": dict(point.worlds_of)} if point.worlds_of else {}),
        }

    def _in_evaluation(self, settings: Named) -> Named:
        """The settings of an environment in evaluation."""
        return {**settings, **self.eval_overrides(settings)}

    def _make(self, members: Sequence[Member], point: SweepPoint, setup: Setup) -> list[Run]:
        """The runs of the members of one program, side by side."""
        series, episodes = members[0].series, self.budget.episodes
        if series.run_fn:
            return programs.call(series.run_fn, members, self.budget.settings, self.here(series, point))
        if series.bound:
            return programs.bound(setup.env, setup.params, members, episodes)
        if setup.learner is None:
            return programs.evaluate(self.eval_env(series, point, setup), setup.params, members, episodes)
        worlds = self.eval_env(series, point, setup), self.eval_params(series, point, setup)
        length = self.length(setup.learner, series)
        return programs.train(
            setup.learner, members, setup.params, worlds, setup.hyper, length, episodes, self.progress
        )

    def _single(self, group: Sequence[Series], point: SweepPoint, seed: int) -> int:
        """A run by itself, of a learner or function, or of rules in the same world; how many policies it evaluates."""
        series, setup = group[0], self.setup(group[0], point)
        if series.run_fn:
            series.run_fn([seed], self.budget.settings, self.here(series, point))
            return 1
        if series.bound:
            programs.bound(setup.env, setup.params, self.members(group, [point], 1, setup), self.budget.episodes)
            return 1
        numbers = {**series.numbers, **point.numbers}
        params = setup.params.replace(**numbers)
        if setup.learner:
            hyper = setup.hyper.replace(**_scaled(setup.hyper, point.factors))
            updates = self.length(setup.learner, series).updates
            result = train(setup.learner, params, jax.random.key(seed), updates, hyper=hyper, progress=False)
            policies = {setup.learner.name: result.policy(greedy=not series.sampled)}
        else:
            policies = {one.rule: fixed(setup.env, params)[one.rule] for one in group}
        eval_params = self.eval_params(series, point, setup).replace(**numbers)
        evaluate(setup.env, policies, jax.random.key(WORLDS), eval_params, self.budget.episodes)
        return len(policies)


def _scaled(hyper: Any, factors: Mapping[str, float]) -> dict[str, float]:
    """The hyper-parameters that have a factor, times it."""
    return {name: getattr(hyper, name) * factor for name, factor in factors.items()}


def _leaves_in_words(struct: Any) -> dict[str, Any]:
    return {name: plain(leaf) for name, leaf in leaves(struct).items()}
