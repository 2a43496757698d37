"""What a reproduction is made of: series, places on an axis, figures, claims. Plain data; `jaxvec.papers.lab` runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxvec.core.environment import Environment
from jaxvec.core.errors import suggest
from jaxvec.viz.plots import Line

if TYPE_CHECKING:
    from jaxvec.papers.data import Data
    from jaxvec.papers.lab import Lab

Named = Mapping[str, Any]
ALL = "all"  # of a claim that belongs to no figure


@dataclass(frozen=True)
class Series:
    """One of those that a figure compares, under the paper's name for it.

    Attributes:
        name: in the paper's words.
        learner: name of a learner, or empty.
        rule: name of a fixed policy, or empty.
        by: of what is neither, `by(seeds, settings) -> seed by seed what it found, and curves`, as in `jaxvec.papers.data.Run`;
            settings are the budget's.
        settings: of the learner.
        hyper: hyper-parameters that the paper fixes; the rest is the learner's own.
        sizes: sizes and switches of the environment.
        numbers: of the environment; learners that differ in nothing else are one program.
        wrap: from the environment to the one that it acts in.
        sampled: its actions are drawn in evaluation too, as in training: where all who see the same had better not do the same.
    """

    name: str
    learner: str = ""
    rule: str = ""
    by: Callable[[Sequence[int], Named], Sequence[tuple[Named, Named]]] | None = None
    settings: Named = field(default_factory=dict)
    hyper: Mapping[str, float] = field(default_factory=dict)
    sizes: Named = field(default_factory=dict)
    numbers: Named = field(default_factory=dict)
    wrap: Callable[[Environment], Environment] | None = None
    sampled: bool = False

    @property
    def program(self) -> str:
        """The same for series that may be one program: rules of the same sizes, and learners that differ in numbers only."""
        apart: tuple[Any, ...] = (self.name,) if self.by else ()
        if self.learner:
            apart = (self.learner, self.settings, self.hyper, self.wrap, self.sampled)
        return repr((sorted(self.sizes.items()), apart))


@dataclass(frozen=True)
class Place:
    """A place on the axis of a figure, and what is set there.

    Attributes:
        x: the value that the axis shows.
        sizes: sizes and switches of the environment; each other choice is a compilation of its own.
        numbers: of the environment; all places that differ in nothing else are one program.
        factors: on hyper-parameters, likewise.
    """

    x: float
    sizes: Named = field(default_factory=dict)
    numbers: Named = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """A part of a figure: its title, the lines to draw from the data, and its axis if it is not the figure's."""

    title: str
    lines: Callable[[Data], list[Line]]
    axis: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure or table of a paper.

    Attributes:
        number: as on the command line, "4" or "table3".
        title: what it shows.
        axis: its horizontal axis.
        series: who is compared.
        places: where.
        panels: what is drawn.
        quick: indices of the places that a quick look keeps.
        pictures: what else to draw, `pictures(lab, out) -> files`.
    """

    number: str
    title: str
    axis: str
    series: tuple[Series, ...]
    places: tuple[Place, ...]
    panels: tuple[Panel, ...]
    quick: tuple[int, ...] = (0, -1)
    pictures: Callable[[Lab, Path], Sequence[Path]] | None = None

    def at(self, quick: bool) -> tuple[Place, ...]:
        """Its places, all or those of a quick look."""
        kept = {i % len(self.places) for i in self.quick} if quick else range(len(self.places))
        return tuple(self.places[i] for i in sorted(kept))


class Verdict(NamedTuple):
    """What became of a claim, and the numbers behind it."""

    outcome: str
    numbers: str


HOLDS, FAILS, OPEN = "holds", "does not hold", "not testable"


def judge(holds: bool, numbers: str) -> Verdict:
    """A verdict from data."""
    return Verdict(HOLDS if holds else FAILS, numbers)


def untestable(reason: str) -> Verdict:
    """No verdict, and why not."""
    return Verdict(OPEN, reason)


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, or one that follows from its model.

    Attributes:
        name: short, for tables.
        figure: whose data decide; `ALL`: none.
        words: the statement.
        check: from that data to a verdict.
        open: why no verdict follows from such data as long as they are made as they are; empty where one does.
    """

    name: str
    figure: str
    words: str
    check: Callable[[Data], Verdict]
    open: str = ""

    def judged(self, data: Data | None) -> Verdict:
        """The verdict from a figure's data; "open", with the reason before the numbers, where none follows from them."""
        verdict = self.check(data)  # type: ignore[arg-type]
        return Verdict("open", f"{self.open}; {verdict.numbers}") if self.open else verdict


@dataclass(frozen=True)
class Budget:
    """How much is spent.

    Attributes:
        slots: world-slots that each learner sees, the same for all.
        episodes: on which policies are evaluated, the same worlds for all.
        seeds: independent learners.
        settings: of all learners that have them, and of whatever else reads them.
    """

    slots: int
    episodes: int
    seeds: int
    settings: Named = field(default_factory=dict)


@dataclass(frozen=True)
class Paper:
    """A paper: its environment, what its figures show, what it claims, and what is spent on it.

    `tested` maps sizes and numbers of training to those of evaluation, where they differ: other days of a recording, say.
    """

    env_id: str
    title: str
    figures: tuple[Figure, ...]
    claims: tuple[Claim, ...]
    full: Budget
    quick: Budget
    tested: Callable[[Named], Named] = dict

    def figure(self, number: str) -> Figure:
        """One of its figures.

        Raises:
            ValueError: there is none of this number; the message lists those there are.
        """
        known = {figure.number: figure for figure in self.figures}
        if number not in known:
            raise ValueError(suggest(f"figure of {self.env_id}", number, known))
        return known[number]
