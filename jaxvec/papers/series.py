"""What a figure compares and where: series, points of a sweep, and what is spent; plain data, run by `jaxvec.papers.runner`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from jaxvec.core.environment import Environment

Named = Mapping[str, Any]
"""Values by name: sizes and switches, numbers, settings, metrics."""


EvalOverrides = Callable[[Named], Named]
"""From the settings of an environment in training to those that differ in evaluation: other days of a recording, say."""


def as_in_training(settings: Named) -> Named:
    """No overrides: evaluation has the settings of training.

    Args:
        settings: of training.
    """
    return {}


class Here(NamedTuple):
    """Where a series that makes its runs itself does so.

    Attributes:
        sizes, numbers: of the environment, as series and point set them.
        slots: of training, at most.
        episodes: of evaluation.
        folder: of runs, in which it may keep what it makes.
    """

    sizes: Named
    numbers: Named
    slots: int
    episodes: int
    folder: Path


RunFn = Callable[[Sequence[int], Named, Here], Sequence[tuple[Named, Named]]]
"""`run_fn(seeds, settings, here) -> per seed (metrics, curves)`, as in `jaxvec.papers.runs.Run`; settings are the budget's."""
Cell = tuple[str, float]
"""The name of a series and a value of the axis, to which runs belong."""


@dataclass(frozen=True)
class Series:
    """One of those that a figure compares, under the paper's name for it: a learner, a rule, or a function.

    Attributes:
        name: in the paper's words.
        learner: name of a learner, or empty.
        rule: name of a fixed policy, or empty.
        bound: it is a plan that knows all random numbers, `jaxvec.policies.clairvoyant`, of which only the reward is known.
        run_fn: what makes the runs of what is neither.
        settings: of the learner.
        hyper: hyper-parameters that the paper fixes; the rest is the learner's own.
        sizes: sizes and switches of the environment.
        numbers: of the environment; learners that differ in nothing else are one program.
        wrap: from the environment to the one that it acts in.
        watch: likewise, in evaluation alone: an environment that tells more.
        sampled: its actions are drawn in evaluation too, as in training: where all who see the same had better not do the same.
        slots: world-slots of its training where it has a length of its own; never more than the budget's.
        marks: names of series that are rules which know no more than it does, see `jaxvec.papers.convergence`.
        judged_by: the metric in which it is compared with them.
    Raises:
        ValueError: it is not exactly one of learner, rule, bound and function.
    """

    name: str
    learner: str = ""
    rule: str = ""
    bound: bool = False
    run_fn: RunFn | None = None
    settings: Named = field(default_factory=dict)
    hyper: Mapping[str, float] = field(default_factory=dict)
    sizes: Named = field(default_factory=dict)
    numbers: Named = field(default_factory=dict)
    wrap: Callable[[Any], Environment] | None = None
    watch: Callable[[Any], Environment] | None = None
    sampled: bool = False
    slots: int = 0
    marks: tuple[str, ...] = ()
    judged_by: str = "reward"

    def __post_init__(self) -> None:
        if bool(self.learner) + bool(self.rule) + self.bound + (self.run_fn is not None) != 1:
            raise ValueError(f"series {self.name!r} must have exactly one of learner, rule, bound and run_fn")

    @property
    def has_seeds(self) -> bool:
        """Whether there is a run per seed; of a rule and of a bound there is one run."""
        return not (self.rule or self.bound)

    @property
    def program(self) -> str:
        """The same for series that may be one program: rules of the same sizes, and learners that differ in numbers only."""
        apart: tuple[Any, ...] = (self.name,) if self.run_fn else ("bound",) * self.bound
        if self.learner:
            apart = (self.learner, self.settings, self.hyper, self.wrap, self.sampled, self.slots)
        return repr((sorted(self.sizes.items()), self.watch, apart))


@dataclass(frozen=True)
class SweepPoint:
    """A value of a figure's axis, and what is set there.

    Attributes:
        x: the value that the axis shows.
        sizes: sizes and switches of the environment; each other choice is a compilation of its own.
        numbers: of the environment; points that differ in nothing else are one program.
        factors: on hyper-parameters, likewise.
        count: one of the sizes, by which the points of an axis differ and of which fewer may be there than it says
            (`jaxvec.core.presence`): such points may be one program, too, see `at_largest`.
        worlds_of: sizes of the environment whose worlds are met in evaluation, see `jaxvec.papers.worlds`.
    """

    x: float
    sizes: Named = field(default_factory=dict)
    numbers: Named = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    count: str = ""
    worlds_of: Named = field(default_factory=dict)


def among(count: str, values: Sequence[int]) -> tuple[SweepPoint, ...]:
    """The points of an axis that is a number of vehicles, say.

    Args:
        count: the size that it is.
        values: of the axis.
    """
    return tuple(SweepPoint(float(n), {count: n}, count=count) for n in values)


def at_largest(points: Sequence[SweepPoint], *, alone: bool) -> list[SweepPoint]:
    """Points that differ in a `count`, in the worlds of the largest of them.

    Args:
        points: of an axis; those without a `count` stay as they are.
        alone: each keeps its size, and only meets the worlds of the largest in evaluation; or all have the size of the largest,
            of which as many as their own says are there.
    """

    def moved(point: SweepPoint) -> SweepPoint:
        most = max(other.sizes[point.count] for other in points if other.count == point.count)
        largest = {point.count: most}
        if alone:
            return replace(point, worlds_of=largest) if point.sizes[point.count] < most else point
        return replace(
            point, sizes={**point.sizes, **largest}, numbers={**point.numbers, "present": point.sizes[point.count]}
        )

    return [moved(point) if point.count else point for point in points]


@dataclass(frozen=True)
class Budget:
    """How much is spent.

    Attributes:
        slots: world-slots that each learner sees, the same for all.
        episodes: on which policies are evaluated, the same worlds for all.
        seeds: independent learners.
        settings: of all learners that have them, and of the functions of series.
        together: learners of all points that differ in a `count` are one program, at the size of the largest, and see as many
            there as their point says; else they are a program for each. It saves compilations, and takes longer to train.
    """

    slots: int
    episodes: int
    seeds: int
    settings: Named = field(default_factory=dict)
    together: bool = False


def _alike(things: Iterable[Any], key: Callable[[Any], Any]) -> Iterator[list[Any]]:
    """Those of the same key together, in order."""
    groups: dict[str, list[Any]] = {}
    for thing in things:
        groups.setdefault(repr(key(thing)), []).append(thing)
    yield from groups.values()


def of_one_program(series: Iterable[Series]) -> Iterator[list[Series]]:
    """Those together that may be one program.

    Args:
        series: in order.
    """
    return _alike(series, lambda one: one.program)


def run_apart(program: Sequence[Series]) -> Iterator[list[Series]]:
    """Of a program, what is run by itself when nothing is side by side: each learner, and rules in the same world.

    Args:
        program: series of one.
    """
    return _alike(program, lambda one: one.name if one.has_seeds or one.bound else sorted(one.numbers.items()))


def of_one_size(points: Iterable[SweepPoint]) -> Iterator[list[SweepPoint]]:
    """Points of the same sizes together.

    Args:
        points: in order.
    """
    return _alike(points, lambda point: sorted(point.sizes.items()))
