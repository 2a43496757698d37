"""Where figures are made: learners trained side by side in one program, policies evaluated in the same worlds.

The learners of a series that differ in seed, in numbers of the environment or in hyper-parameters are ONE compiled program: all
of these live in a learner's state, so `jax.vmap` of its update trains them together, spread over the devices. Only other sizes
are another program. What is made lies in a folder under the digest of everything that it is made from: it is never made
twice, it serves every figure that needs it, and what was interrupted goes on with what is missing.
"""

import dataclasses
import hashlib
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

import jaxvec
from jaxvec import learners
from jaxvec.bench import machine
from jaxvec.core.environment import Environment
from jaxvec.core.evaluation import episode_means, evaluate
from jaxvec.core.files import replacing
from jaxvec.core.make import make
from jaxvec.learners.base import Learner
from jaxvec.papers.data import Data, Point, Run
from jaxvec.papers.plan import Budget, Figure, Named, Place, Series
from jaxvec.policies import fixed
from jaxvec.training import TrainingError, train
from jaxvec.training.config import leaves, plain
from jaxvec.training.driver import scheduled
from jaxvec.training.progress import Progress

POINTS = 50  # of a learning curve, at most
WORLDS = 12345  # key of the worlds in which everything is evaluated


class Member(NamedTuple):
    """A learner, or a rule, among those of one program: what it is, and all that may differ between them."""

    series: Series
    x: float
    seed: int
    numbers: Named
    hyper: Mapping[str, float]
    config: dict[str, Any]

    @property
    def file(self) -> str:
        """Under which its run is kept."""
        digest = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()
        what = self.series.learner or self.series.rule or self.series.name.lower()
        return f"{re.sub('[^a-z0-9]+', '-', what)}-{digest[:16]}.npz"


class Lab:
    """Trains and evaluates for the figures of one paper.

    Args:
        env_id: the environment.
        budget: what is spent.
        out: the folder; the runs go to `runs` in it.
        progress: where to say what is going on; True: stderr, False: nowhere.
        fresh: make everything again, whatever the folder holds.
        tested: see `Paper`.
    """

    def __init__(
        self,
        env_id: str,
        budget: Budget,
        out: Path,
        progress: bool | TextIO = False,
        *,
        fresh: bool = False,
        tested: Callable[[Named], Named] = dict,
    ):
        self.env_id, self.budget, self.store, self.fresh, self.tested = env_id, budget, out / "runs", fresh, tested
        self.progress = Progress(progress)
        self.store.mkdir(parents=True, exist_ok=True)

    # What is asked for

    def data(self, figure: Figure, places: Sequence[Place], seeds: int) -> Data:
        """All that a figure shows, made where it is missing."""
        runs: dict[Point, list[Run]] = {}
        for several in _programs(figure.series):
            for alike in _of_one_size(places):
                for member, run in self.runs(several, alike, seeds):
                    runs.setdefault((member.series.name, member.x), []).append(run)
        return Data(figure, runs, self.rules)

    def rules(self, names: Sequence[str], worlds: Sequence[Named], sizes: Named) -> dict[str, list[Run]]:
        """Fixed policies in other worlds: per rule, a run for each."""
        series = tuple(Series(name, rule=name) for name in names)
        places = [Place(float(i), sizes, numbers) for i, numbers in enumerate(worlds)]
        found: dict[str, list[Run]] = {}
        for member, run in self.runs(series, places, 1):
            found.setdefault(member.series.name, []).append(run)
        return found

    def runs(self, several: Sequence[Series], places: Sequence[Place], seeds: int) -> list[tuple[Member, Run]]:
        """One program's: of a single learner, or of rules, at places of one size. What is on disk is read."""
        env, params, learner, hyper = self.setup(several[0], places[0])
        by = several[0].by
        members = [
            self.member(series, place, seed, env, params, learner, hyper)
            for series in several
            for place in places
            for seed in range(seeds if learner or by else 1)
        ]
        missing = list({m.file: m for m in members if self.fresh or not (self.store / m.file).exists()}.values())
        if missing:
            self.progress.start(f"{', '.join(s.name for s in several)}: {len(missing)} in one program")
            if learner:
                tested = self.setup_tested(several[0], places[0], env, params)
                made = self.train(learner, params, tested, hyper, missing)
            else:
                made = self.make(by, missing) if by else self.evaluate(env, params, missing)
            for member, run in zip(missing, made, strict=True):
                _write(self.store / member.file, run)
        return [(m, _read(self.store / m.file)) for m in members]

    def one_by_one(self, figure: Figure, places: Sequence[Place], seeds: int) -> dict[str, float]:
        """The same figure as a loop of single runs, each compiled for itself, through `jaxvec.train` and `evaluate`.

        Returns:
            How many `runs`, and the `seconds` that they took.
        """
        started, count, worlds = time.perf_counter(), 0, jax.random.key(WORLDS)
        for several in _programs(figure.series):
            for some, place in itertools.product(_run_apart(several), places):
                series = some[0]
                if series.by:
                    self.make(series.by, [m for m, _ in self.runs(some, [place], seeds)])
                    count += seeds
                    continue
                env, params, learner, hyper = self.setup(series, place)
                params = params.replace(**series.numbers, **place.numbers)
                hyper = hyper and hyper.replace(**_scaled(hyper, place.factors))
                for seed in range(seeds if learner else 1):
                    self.progress.write(f"run by run: {series.name} at {place.x:g}, seed {seed}")
                    if learner:
                        n = self.updates(learner)[0]
                        result = train(learner, params, jax.random.key(seed), n, hyper=hyper, progress=False)
                        contestants = {learner.name: result.policy(greedy=not series.sampled)}
                    else:
                        contestants = {s.rule: fixed(env, params)[s.rule] for s in some}
                    tested = self.setup_tested(series, place, env, params).replace(**series.numbers, **place.numbers)
                    evaluate(env, contestants, worlds, tested, self.budget.episodes)
                    count += len(contestants)
        return {"runs": count, "seconds": time.perf_counter() - started}

    # What it takes

    def setup(self, series: Series, place: Place) -> tuple[Environment, Any, Learner | None, Any]:
        """Environment, parameters, and the learner with its hyper-parameters, if there is one; a rule has those of evaluation."""
        sizes = {**series.sizes, **place.sizes}
        env, params = make(self.env_id, **(sizes if series.learner else self.tested(sizes)))
        env = series.wrap(env) if series.wrap else env
        if not series.learner:
            return env, params, None, None
        learner = learners.make(series.learner, env, **series.settings)
        known = {field.name for field in dataclasses.fields(learner.settings)}
        ours = {name: value for name, value in self.budget.settings.items() if name in known}
        if ours:
            learner = learners.make(series.learner, env, **{**series.settings, **ours})
        hyper = scheduled(learner.hyper.replace(**series.hyper), self.updates(learner)[0])
        return env, params, learner, hyper

    def setup_tested(self, series: Series, place: Place, env: Environment, params: Any) -> Any:
        """The parameters of evaluation: `params` themselves, unless the paper says otherwise.

        Raises:
            ValueError: evaluation is to be in another environment.
        """
        sizes = {**series.sizes, **place.sizes}
        if self.tested(sizes) == sizes:
            return params
        other, tested = make(self.env_id, **self.tested(sizes))
        if (series.wrap(other) if series.wrap else other) != env:
            raise ValueError(f"{env.id}: evaluation may have other numbers than training, but not other sizes")
        return tested

    def updates(self, learner: Learner) -> tuple[int, int]:
        """Updates for the budget, and how many of them make a point of the learning curve."""
        wanted = max(1, round(self.budget.slots / learner.steps_per_update))
        chunk = -(-wanted // POINTS)
        return wanted - wanted % chunk, chunk

    def member(
        self,
        series: Series,
        place: Place,
        seed: int,
        env: Environment,
        params: Any,
        learner: Learner | None,
        hyper: Any,
    ) -> Member:
        """A member of a program, with the configuration that its run is kept under."""
        numbers = {**series.numbers, **place.numbers}
        config: dict[str, Any] = {
            "version": jaxvec.__version__,
            "env": env.id,
            "as": type(env).__name__,
            "sizes": dataclasses.asdict(env),  # type: ignore[call-overload]
            "params": _plain(params.replace(**numbers)),
            "episodes": self.budget.episodes,
            "worlds": WORLDS,
            "horizon": env.horizon,
        }
        if series.by:
            config = {
                "version": config["version"],
                "by": series.name,
                "settings": dict(self.budget.settings),
                "seed": seed,
            }
            return Member(series, place.x, seed, numbers, {}, config)
        if learner is None:
            return Member(series, place.x, seed, numbers, {}, config | {"rule": series.rule})
        scaled = _scaled(hyper, place.factors)
        n = self.updates(learner)[0]
        config |= {
            "learner": learner.name,
            "settings": dataclasses.asdict(learner.settings),
            "hyper": _plain(hyper.replace(**scaled)),
            "updates": n,
            "slots": n * learner.steps_per_update,
            "seed": seed,
            **({"sampled": True} if series.sampled else {}),
        }
        sizes = {**series.sizes, **place.sizes}
        config |= {} if self.tested(sizes) == sizes else {"tested": repr(self.tested(sizes))}
        return Member(series, place.x, seed, numbers, scaled, config)

    def make(self, by: Callable[..., Any], members: Sequence[Member]) -> list[Run]:
        """What a series makes by itself."""
        began = time.perf_counter()
        found = by([m.seed for m in members], self.budget.settings)
        share, here = {"train": (time.perf_counter() - began) / len(members)}, machine()["device"]
        arrays = lambda named: {name: np.asarray(x) for name, x in named.items()}  # noqa: E731
        return [Run(arrays(a), arrays(b), share, m.config, here) for m, (a, b) in zip(members, found, strict=True)]

    def train(self, learner: Learner, params: Any, tested: Any, hyper: Any, members: Sequence[Member]) -> list[Run]:
        """All members side by side, then their greedy policies, in worlds of parameters `tested`."""
        env, (updates, chunk) = learner.env, self.updates(learner)
        began = time.perf_counter()
        spread, several = _over_devices(members)
        keys = jnp.stack([jax.random.key(m.seed) for m in several])
        numbers, rates = _stacked(params, [m.numbers for m in several]), _stacked(hyper, [m.hyper for m in several])

        def start(everyone: Any) -> Any:
            one = lambda m: learner.init(m[0], params.replace(**m[1]), hyper.replace(**m[2]))  # noqa: E731
            return jax.vmap(one)(everyone)

        def advance(states: Any) -> Any:
            states, metrics = jax.lax.scan(lambda s, _: jax.vmap(learner.update)(s), states, None, length=chunk)
            kept = {
                name: x for name, x in metrics.items() if name == "reward" or name.startswith(("env/", "forecaster/"))
            }
            return states, {name: jnp.mean(x, 0) for name, x in kept.items()}

        def assess(everyone: Any) -> Any:
            worlds, n, greedy = jax.random.key(WORLDS), self.budget.episodes, not members[0].series.sampled
            one = lambda m: episode_means(env, learner.policy(m[0], greedy), worlds, tested.replace(**m[1]), n)  # noqa: E731
            return jax.lax.map(one, everyone)

        states = jax.jit(spread(start))((keys, numbers, rates))
        step = jax.jit(spread(advance), donate_argnums=0).lower(states).compile()
        look = jax.jit(spread(assess)).lower((states, numbers)).compile()
        compiled = time.perf_counter()
        curves: list[dict[str, np.ndarray]] = []
        for done in range(chunk, updates + 1, chunk):
            states, metrics = step(states)
            curves.append({name: np.asarray(x) for name, x in metrics.items()})
            if not np.all(np.isfinite(curves[-1]["reward"])):
                raise TrainingError(f"{learner.name}: a reward is not finite after {done} updates")
            self.progress.update(done, updates, float(curves[-1]["reward"].mean()), time.perf_counter() - compiled)
        trained = time.perf_counter()
        found = jax.tree.map(np.asarray, look((states, numbers)))
        seconds = {"compile": compiled - began, "train": trained - compiled, "evaluate": time.perf_counter() - trained}
        share = {name: s / len(members) for name, s in seconds.items()}
        by_name, here = {name: np.stack([row[name] for row in curves]) for name in curves[0]}, machine()["device"]
        return [
            Run({n: x[i] for n, x in found.items()}, {n: x[:, i] for n, x in by_name.items()}, share, m.config, here)
            for i, m in enumerate(members)
        ]

    def evaluate(self, env: Environment, params: Any, members: Sequence[Member]) -> list[Run]:
        """All members, which are rules, with a switch between them: the environment is compiled once."""
        began = time.perf_counter()
        names = sorted({m.series.rule for m in members})
        which = jnp.asarray([names.index(m.series.rule) for m in members])

        def one(member: Any) -> dict[str, jax.Array]:
            here = params.replace(**member[1])
            known = fixed(env, here)
            branches = [lambda key, obs, name=name: known[name](key, obs) for name in names]
            policy = lambda key, obs: jax.lax.switch(member[0], branches, key, obs)  # noqa: E731
            return episode_means(env, policy, jax.random.key(WORLDS), here, self.budget.episodes)

        numbers = _stacked(params, [m.numbers for m in members])
        found = jax.tree.map(np.asarray, jax.jit(lambda all_: jax.lax.map(one, all_))((which, numbers)))
        share = {"evaluate": (time.perf_counter() - began) / len(members)}
        here = machine()["device"]
        return [Run({n: x[i] for n, x in found.items()}, {}, share, m.config, here) for i, m in enumerate(members)]


def _alike(things: Iterable[Any], key: Callable[[Any], Any]) -> list[list[Any]]:
    """Those of the same key together, in order."""
    groups: dict[str, list[Any]] = {}
    for thing in things:
        groups.setdefault(repr(key(thing)), []).append(thing)
    return list(groups.values())


def _programs(several: Iterable[Series]) -> list[list[Series]]:
    """Those together that may be one program."""
    return _alike(several, lambda series: series.program)


def _run_apart(several: Sequence[Series]) -> list[list[Series]]:
    """Of a program, what is run by itself when nothing is side by side: each learner, and rules in the same world."""
    return (
        [[s] for s in several] if several[0].learner else _alike(several, lambda series: sorted(series.numbers.items()))
    )


def _of_one_size(places: Iterable[Place]) -> list[list[Place]]:
    """Places of the same sizes together."""
    return _alike(places, lambda place: sorted(place.sizes.items()))


def _scaled(hyper: Any, factors: Mapping[str, float]) -> dict[str, float]:
    """The hyper-parameters that have a factor, times it."""
    return {name: getattr(hyper, name) * factor for name, factor in factors.items()}


def _stacked(base: Any, changes: Sequence[Named]) -> dict[str, jax.Array]:
    """Per name that anybody changes, everybody's value, `(members, ...)`."""
    names = sorted({name for change in changes for name in change})
    return {n: jnp.asarray(np.stack([np.asarray(c.get(n, getattr(base, n))) for c in changes])) for n in names}


def _plain(struct: Any) -> dict[str, Any]:
    return {name: plain(leaf) for name, leaf in leaves(struct).items()}


def _over_devices(members: Sequence[Member]) -> tuple[Callable[[Any], Any], list[Member]]:
    """How a function of all members is spread over the devices, and the members, repeated until they divide evenly."""
    n = min(jax.device_count(), len(members))
    several = [*members, *members[: -len(members) % n]]
    if n == 1:
        return lambda f: f, several
    mesh, spec = Mesh(np.array(jax.devices()[:n]), ("member",)), PartitionSpec("member")
    return lambda f: jax.shard_map(f, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False), several


def _write(file: Path, run: Run) -> None:
    parts = {"found": run.found, "curves": run.curves}
    arrays: dict[str, Any] = {f"{part}/{name}": x for part, named in parts.items() for name, x in named.items()}
    about = json.dumps({"seconds": run.seconds, "config": run.config, "device": run.device})
    with replacing(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, about=about, **arrays)


def _read(file: Path) -> Run:
    with np.load(file) as stored:
        about = json.loads(str(stored["about"]))
        part = lambda name: {n.removeprefix(name): stored[n] for n in stored.files if n.startswith(name)}  # noqa: E731
        return Run(part("found/"), part("curves/"), about["seconds"], about["config"], about.get("device", ""))
