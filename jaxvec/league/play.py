"""A league is played: rules, then every entry, then the bound, each kept as soon as it is finished."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jax
import numpy as np

from jaxvec.core import cache
from jaxvec.core.checkout import commit
from jaxvec.core.claims import Part, Unit, work
from jaxvec.core.devices import said, usable
from jaxvec.core.evaluation import evaluate
from jaxvec.core.rule import is_local
from jaxvec.core.version import __version__
from jaxvec.league import table, training
from jaxvec.league.entries import EXTRAS, Contest, Entry, contest
from jaxvec.league.folder import Folder, Record
from jaxvec.league.picture import draw
from jaxvec.papers.programs import WORLDS
from jaxvec.policies import fixed
from jaxvec.policies.clairvoyant import episode_bound
from jaxvec.training.progress import Progress


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a league may spend.

    Attributes:
        minutes: of training, of all entries and seeds together; compiling, judging and the bound come on top.
        updates: of each entry's training, in place of minutes.
        seeds: S, of each learner, trained side by side.
        worlds: W, in which everybody is evaluated, an episode each.
        judged: of these the first that judge in training.
        bounded: of these the first for which the bound is sought; 0: it is not.
        seed: of the training.
    """

    minutes: float = 10.0
    updates: int | None = None
    seeds: int = 5
    worlds: int = 256
    judged: int = 64
    bounded: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.minutes < math.inf:
            raise ValueError(f"minutes must be above 0 and finite, not {self.minutes}")
        for name in ("updates", "seeds", "worlds", "judged", "bounded"):
            value, least = getattr(self, name), int(name != "bounded")
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")

    def within(self) -> "Budget":
        """The same, where no more worlds judge or are bounded than there are."""
        return dataclasses.replace(self, judged=min(self.judged, self.worlds), bounded=min(self.bounded, self.worlds))


class League(NamedTuple):
    """What is played.

    Attributes:
        contest: what is compared where.
        budget: what is spent.
        folder: where it is kept.
        line: where progress is shown.
    """

    contest: Contest
    budget: Budget
    folder: Folder
    line: Progress


def league(
    env_id: str,
    out: Path,
    *,
    names: Sequence[str] = (),
    pairs: Iterable[str] = (),
    budget: Budget | None = None,
    part: Part | None = None,
    command: str = "",
    progress: bool | TextIO = True,
) -> dict[str, Any]:
    """Rules, learners and the bound of a system in the same worlds, with a page and a picture; called again, it goes on.

    Several processes may play one league in one folder, each what nobody else is at.

    Args:
        env_id: the system.
        out: the folder.
        names: of the entries that take part, see `jaxvec.league.entries.entries_of`.
        pairs: `name=value`, see `jaxvec.league.entries.contest`.
        budget: what is spent; None: the default.
        part: which of several workers this is, who ends when others are at all that is left; None: one who waits for them.
        command: for the head of the page.
        progress: where to report; True: stderr, False: nowhere.
    Returns:
        See `jaxvec.league.table.summary`; the same is in `league.json`. Of a part also "left", what others are at, and without
        "rows" where these are the rules.
    Raises:
        ValueError: an unknown name, a bad value, a folder that holds another league, or one that parts cannot share.
        TrainingError: an entry has gone astray; everything else is played, and kept.
    """
    cache.enable()
    commit()  # of the code that is about to run
    budget, pairs = (budget or Budget()).within(), tuple(pairs)
    played = contest(env_id, names, pairs)
    for entry in played.entries:
        played.learner(entry)  # what cannot be made is refused before anything is spent
    entries = [
        {"name": e.name, "learner": e.learner, "settings": dict(e.settings), "env": dict(e.env)} for e in played.entries
    ]
    plan = {"version": __version__, "env": env_id, "set": sorted(pairs), "entries": entries}
    folder = Folder(out, {**plan, **dataclasses.asdict(budget)}, shared=part is not None)
    game = League(played, budget, folder, Progress(progress))
    try:
        left = work(units(game, command), part, game.line.write)
        summary = write(game, command)
        return summary if part is None else summary | {"left": left}
    finally:
        game.line.close()


def units(game: League, command: str) -> list[Unit]:
    """What there is to play: the rules, each entry, and the bound if it is sought.

    Args:
        game: which.
        command: for the head of the page, which is written after each entry.
    """
    folder = game.folder

    def unit(name: str, make: Callable[[], Record]) -> Unit:
        def finish() -> None:
            folder.add(make())
            if name not in ("rules", "bound"):
                write(game, command)

        return Unit(name, partial(folder.claims.of, name), partial(folder.has, name), finish)

    of_entries = [unit(entry.name, partial(compete, game, entry)) for entry in game.contest.entries]
    of_bound = [unit("bound", partial(bound, game))] if game.budget.bounded else []
    return [unit("rules", partial(rules, game)), *of_entries, *of_bound]


def write(game: League, command: str) -> dict[str, Any]:
    """The page, the picture and the summary of what is finished, if the rules are, with which everybody is compared.

    Args:
        game: which.
        command: for the head of the page.
    Returns:
        The summary; without the rules what league it is.
    """
    folder = game.folder
    with folder.writing():
        folder.refresh()
        if "rules" not in folder.records:
            return {"env": folder.plan["env"]}
        summary = table.summary(folder.plan, folder.records)
        table.write(summary, folder.path, command)
        draw(folder.plan, folder.records, folder.path / "league.png")
    return summary


def rules(game: League) -> Record:
    """All fixed policies in the worlds of evaluation: per rule its reward in each world, whether it is local, and its extras.

    Args:
        game: which.
    """
    worlds, budget = game.contest.worlds(), game.budget
    policies = fixed(worlds.env, worlds.judged)
    on = said(budget.worlds, usable(budget.worlds))
    game.line.start(f"{len(policies)} rules on {worlds.env.id}, {budget.worlds} worlds, {on}")
    results = evaluate(worlds.env, policies, jax.random.key(WORLDS), worlds.judged, budget.worlds)
    extras = EXTRAS.get(worlds.env.id, {})
    return {
        "name": "rules",
        "reward": {name: metrics["reward"].tolist() for name, metrics in results.items()},
        "local": {name: is_local(policy) for name, policy in policies.items()},
        "extras": {name: {x: float(metrics[x].mean()) for x in extras} for name, metrics in results.items()},
    }


def bound(game: League) -> Record:
    """The clairvoyant plan in the first worlds of evaluation.

    Args:
        game: which.
    """
    worlds, started = game.contest.worlds(), time.perf_counter()
    game.line.start(f"the bound of {worlds.env.id}")
    found = episode_bound(worlds.env, worlds.judged, jax.random.key(WORLDS), game.budget.bounded)
    return {"name": "bound", "reward": found.reward.tolist(), "seconds": time.perf_counter() - started}


def compete(game: League, entry: Entry) -> Record:
    """An entry's training and its evaluation.

    Args:
        game: which.
        entry: who.
    """
    played, budget = game.contest, game.budget
    worlds, learner = played.worlds(entry), played.learner(entry)
    on = f"{learner.settings.n_worlds} worlds, {said(learner.settings.n_worlds, training.devices_of(learner))}"
    game.line.start(f"{entry.name} on {worlds.env.id}, {budget.seeds} seeds, {on}")
    hyper, key = played.hyper(learner, budget.updates or 1000), jax.random.key(budget.seed)
    programs = training.compiled(learner, worlds.params, hyper, key, budget.seeds)
    updates = game.folder.updates(entry.name)
    if updates is None:
        seconds = 60 * budget.minutes / len(played.entries)
        updates = budget.updates or training.updates_in(programs, hyper, seconds)
        game.folder.fix(entry.name, updates)
    judge, eval_key = training.judge_of(learner), jax.random.key(WORLDS)

    def rewards(states: Any) -> np.ndarray:
        return np.asarray(judge(states, eval_key, worlds.judged, budget.judged)["reward"])

    slots = learner.steps_per_update
    trained = training.run(programs, played.hyper(learner, updates), updates, rewards, game.line, slots * budget.seeds)
    results = judge(trained.states, eval_key, worlds.judged, budget.worlds)
    return {
        "name": entry.name,
        "knows": played.knows(entry),
        "updates": updates,
        "slots": updates * slots,
        "compile_s": programs.compile_s,
        "train_s": trained.train_s,
        "checkpoints": [point | {"slots": point["updates"] * slots} for point in trained.checkpoints],
        "reward": np.asarray(results["reward"]).tolist(),
        "extras": {name: np.asarray(results[name]).mean(1).tolist() for name in EXTRAS.get(worlds.env.id, {})},
        "device": table.device(),
    }
