"""Programs: what is trained, evaluated or otherwise made together, each member of it a run.

Learners that differ in seed, in numbers of the environment or in hyper-parameters are ONE compiled program: all of these live in
a learner's state, so `jax.vmap` of its update trains them together, spread over the devices.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxvec.bench import machine
from jaxvec.core.environment import Environment
from jaxvec.core.evaluation import episode_means
from jaxvec.learners.base import Learner
from jaxvec.papers.runs import Run, file_name
from jaxvec.papers.series import Here, Named, RunFn, Series
from jaxvec.policies import fixed
from jaxvec.policies.clairvoyant import EFFORT, episode_bound
from jaxvec.policies.clairvoyant.search import Effort
from jaxvec.training import TrainingError
from jaxvec.training.progress import Progress

WORLDS = 12345
"""Key of the worlds in which everything is evaluated."""


class Member(NamedTuple):
    """A learner, or a rule, among those of one program: what it is, and all that may differ between them.

    Attributes:
        series: which.
        x: value of the figure's axis.
        seed: of a learner or function; 0 of a rule.
        numbers: of the environment, that are set.
        hyper: hyper-parameters that are set for this value of the axis.
        config: everything that its run is made from.
    """

    series: Series
    x: float
    seed: int
    numbers: Named
    hyper: Mapping[str, float]
    config: dict[str, Any]

    @property
    def file(self) -> str:
        """The name of its run's file."""
        kind = self.series.learner or self.series.rule or "bound" * self.series.bound
        return file_name(kind or self.series.name.lower(), self.config)


class Length(NamedTuple):
    """How long a learner is trained: updates, of which `chunk` make a point of the learning curve and divide them."""

    updates: int
    chunk: int


def call(run_fn: RunFn, members: Sequence[Member], settings: Named, here: Here) -> list[Run]:
    """The runs of a series that makes them itself.

    Args:
        run_fn: its function.
        members: one per seed.
        settings: for it.
        here: where.
    """
    began = time.perf_counter()
    results = run_fn([member.seed for member in members], settings, here)
    seconds, device = {"train": (time.perf_counter() - began) / len(members)}, machine()["device"]
    return [
        Run(_arrays(metrics), _arrays(curves), seconds, member.config, device)
        for member, (metrics, curves) in zip(members, results, strict=True)
    ]


def train(
    learner: Learner,
    members: Sequence[Member],
    params: Any,
    worlds: tuple[Environment, Any],
    hyper: Any,
    length: Length,
    episodes: int,
    progress: Progress,
) -> list[Run]:
    """Train all members side by side, then evaluate their policies.

    Args:
        learner: of all.
        members: they differ in seed, numbers and hyper-parameters.
        params: of the environment in training, where a member does not set them.
        worlds: the environment of evaluation, and likewise its params.
        hyper: where a member does not set them.
        length: of training.
        episodes: of evaluation, each in a world of its own.
        progress: where to report.
    Returns:
        A run per member.
    Raises:
        TrainingError: a reward is not finite.
    """
    clock = [time.perf_counter()]
    over_devices, padded = _over_devices(members)
    keys = jnp.stack([jax.random.key(member.seed) for member in padded])
    numbers, rates = _stacked(params, [m.numbers for m in padded]), _stacked(hyper, [m.hyper for m in padded])

    start, advance = _start_of(learner, params, hyper), _chunk_of(learner, length.chunk)
    assess = _assessment_of(learner, *worlds, episodes, greedy=not members[0].series.sampled)
    states = jax.jit(over_devices(start))((keys, numbers, rates))
    step = jax.jit(over_devices(advance), donate_argnums=0).lower(states).compile()
    look = jax.jit(over_devices(assess)).lower((states, numbers)).compile()
    clock.append(time.perf_counter())
    states, curves = _trained(learner.name, step, states, length, progress)
    clock.append(time.perf_counter())
    metrics = jax.tree.map(np.asarray, look((states, numbers)))
    clock.append(time.perf_counter())
    seconds = dict(zip(("compile", "train", "evaluate"), np.diff(clock) / len(members), strict=True))
    seconds, device = {name: float(s) for name, s in seconds.items()}, machine()["device"]
    return [
        Run({n: x[i] for n, x in metrics.items()}, {n: x[:, i] for n, x in curves.items()}, seconds, m.config, device)
        for i, m in enumerate(members)
    ]


def _start_of(learner: Learner, params: Any, hyper: Any) -> Callable[[Any], Any]:
    """From keys, numbers and hyper-parameters of all members to their states."""

    def start_one(member: Any) -> Any:
        key, numbers, rates = member
        return learner.init(key, params.replace(**numbers), hyper.replace(**rates))

    return lambda everyone: jax.vmap(start_one)(everyone)


def _chunk_of(learner: Learner, chunk: int) -> Callable[[Any], Any]:
    """From the states of all members to those after so many updates, and the means of metrics over these."""

    def advance(states: Any) -> Any:
        states, metrics = jax.lax.scan(lambda s, _: jax.vmap(learner.update)(s), states, None, length=chunk)
        return states, {name: jnp.mean(x, 0) for name, x in metrics.items() if _is_drawn(name)}

    return advance


def _assessment_of(
    learner: Learner, env: Environment, params: Any, episodes: int, greedy: bool
) -> Callable[[Any], Any]:
    """From states and numbers of all members to the metrics of their policies, `(members, episodes)`."""

    def assess_one(member: Any) -> dict[str, jax.Array]:
        state, numbers = member
        here = params.replace(**numbers)
        return episode_means(env, learner.policy(state, greedy), jax.random.key(WORLDS), here, episodes)

    return lambda everyone: jax.lax.map(assess_one, everyone)


def _is_drawn(metric: str) -> bool:
    """Whether the course of a metric in training is kept."""
    return metric == "reward" or "/stuck" in metric or metric.startswith(("env/", "forecaster/"))


def _trained(
    name: str, step: Callable[[Any], Any], states: Any, length: Length, progress: Progress
) -> tuple[Any, dict[str, np.ndarray]]:
    """The states of all members after training, and the course of their metrics, `(points, members)`."""
    started = time.perf_counter()
    rows: list[dict[str, np.ndarray]] = []
    for done in range(length.chunk, length.updates + 1, length.chunk):
        states, metrics = step(states)
        rows.append({name: np.asarray(x) for name, x in metrics.items()})
        if not np.all(np.isfinite(rows[-1]["reward"])):
            raise TrainingError(f"{name}: a reward is not finite after {done} updates")
        reward = float(rows[-1]["reward"].mean())
        progress.update(done, length.updates, reward, time.perf_counter() - started)
    return states, {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def evaluate(env: Environment, params: Any, members: Sequence[Member], episodes: int) -> list[Run]:
    """Evaluate members that are rules, with a switch between them: the environment is compiled once.

    Args:
        env: of all.
        params: of evaluation, where a member does not set them.
        members: they differ in rule and numbers.
        episodes: each in a world of its own.
    Returns:
        A run per member.
    """
    began = time.perf_counter()
    names = sorted({member.series.rule for member in members})
    which = jnp.asarray([names.index(member.series.rule) for member in members])

    def one(member: Any) -> dict[str, jax.Array]:
        here = params.replace(**member[1])
        rules = fixed(env, here)

        def policy(key: jax.Array, obs: Any) -> Any:
            return jax.lax.switch(member[0], [rules[name] for name in names], key, obs)

        return episode_means(env, policy, jax.random.key(WORLDS), here, episodes)

    numbers = _stacked(params, [member.numbers for member in members])
    metrics = jax.tree.map(np.asarray, jax.jit(lambda everyone: jax.lax.map(one, everyone))((which, numbers)))
    seconds, device = {"evaluate": (time.perf_counter() - began) / len(members)}, machine()["device"]
    return [Run({n: x[i] for n, x in metrics.items()}, {}, seconds, m.config, device) for i, m in enumerate(members)]


BOUND_WORLDS = 64
"""In how many of the worlds a bound is looked for, at most: the first ones."""


def effort_of(env: Environment) -> Effort:
    """How hard a bound is looked for.

    Args:
        env: in which environment.
    """
    return EFFORT.get(env.id, Effort())


def bound(env: Environment, params: Any, members: Sequence[Member], episodes: int) -> list[Run]:
    """Plans that know all random numbers, for each member in turn; of them only the reward is known.

    Args:
        env: of all.
        params: of evaluation, where a member does not set them.
        members: they differ in numbers.
        episodes: each in a world of its own, of which the first `BOUND_WORLDS` count.
    Returns:
        A run per member.
    """
    runs = []
    for member in members:
        began = time.perf_counter()
        here = params.replace(**{name: jnp.asarray(x) for name, x in member.numbers.items()})
        found = episode_bound(env, here, jax.random.key(WORLDS), min(episodes, BOUND_WORLDS), effort=effort_of(env))
        seconds = {"evaluate": time.perf_counter() - began}
        runs.append(Run({"reward": np.asarray(found.reward)}, {}, seconds, member.config, machine()["device"]))
    return runs


def _arrays(values: Named) -> dict[str, np.ndarray]:
    return {name: np.asarray(x) for name, x in values.items()}


def _stacked(base: Any, changes: Sequence[Named]) -> dict[str, jax.Array]:
    """Per name that any member changes, the values of all, `(members, ...)`."""
    names = sorted({name for change in changes for name in change})
    return {n: jnp.asarray(np.stack([np.asarray(c.get(n, getattr(base, n))) for c in changes])) for n in names}


def placed(members: Sequence[Member], learner: Learner | None, episodes: int) -> str:
    """In words, on what devices the members of a program are, and in how many worlds.

    Args:
        members: at least one.
        learner: of all; None: they do not learn.
        episodes: of evaluation.
    """
    kind = jax.devices()[0].device_kind
    if learner is None:
        return kind if members[0].series.run_fn else f"{episodes} worlds, {kind}"
    there = jax.device_count()
    n, most = min(there, len(members)), -(-len(members) // there)
    words = (
        kind if n == 1 else f"{n} x {kind}, {'a learner on each' if most == 1 else f'at most {most} learners on one'}"
    )
    return f"{learner.settings.n_worlds} worlds each, {words}{'' if n == there else f' ({n} of {there} devices)'}"


def _over_devices(members: Sequence[Member]) -> tuple[Callable[[Any], Any], list[Member]]:
    """How a function of all members is spread over the devices, and the members, repeated until they divide evenly."""
    n = min(jax.device_count(), len(members))
    padded = [*members, *members[: -len(members) % n]]
    if n == 1:
        return lambda f: f, padded
    mesh, spec = Mesh(np.array(jax.devices()[:n]), ("member",)), PartitionSpec("member")
    return lambda f: jax.shard_map(f, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False), padded
