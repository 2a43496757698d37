"""A paper: its figures, each with who is compared, where, what is drawn and what is claimed, and what is spent on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxvec.core.errors import suggest
from jaxvec.papers.checks import OPEN, Check, Verdict
from jaxvec.papers.data import Data
from jaxvec.papers.panels import Lines
from jaxvec.papers.runner import EvalOverrides, Runner, as_in_training
from jaxvec.papers.series import Budget, Series, SweepPoint


@dataclass(frozen=True)
class Panel:
    """A part of a figure: its title, the lines to draw from the data, and its axis if it is not the figure's."""

    title: str
    lines: Lines
    axis: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, or one that follows from its model.

    Attributes:
        name: short, for tables; no other claim of the paper has it.
        words: the statement.
        check: from the figure's data to a verdict.
        open: why no verdict follows from such data as long as they are made as they are; empty where one does.
    """

    name: str
    words: str
    check: Check
    open: str = ""

    def judged(self, data: Data) -> Verdict:
        """The verdict from a figure's data; "open", with the reason before the numbers, where none follows from them."""
        verdict = self.check(data)
        return Verdict(OPEN, f"{self.open}; {verdict.numbers}") if self.open else verdict


@dataclass(frozen=True)
class Figure:
    """A figure or table of a paper.

    Attributes:
        number: as on the command line, "4" or "table3"; or a word, of what is none of the paper's.
        title: what it shows.
        axis: its horizontal axis.
        series: who is compared.
        points: where.
        panels: what is drawn.
        claims: what is claimed of it.
        quick: indices of the points that a quick look keeps.
        pictures: what else to draw, `pictures(runner, out) -> files`.
    """

    number: str
    title: str
    axis: str
    series: tuple[Series, ...]
    points: tuple[SweepPoint, ...]
    panels: tuple[Panel, ...]
    claims: tuple[Claim, ...] = ()
    quick: tuple[int, ...] = (0, -1)
    pictures: Callable[[Runner, Path], Sequence[Path]] | None = None

    def points_of(self, quick: bool) -> tuple[SweepPoint, ...]:
        """Its points, all or those of a quick look."""
        indices = {i % len(self.points) for i in self.quick} if quick else range(len(self.points))
        return tuple(self.points[i] for i in sorted(indices))

    @property
    def heading(self) -> str:
        """Its title, after its number where it has one."""
        return f"Fig. {self.number}: {self.title}" if self.number.isdigit() else self.title

    @property
    def stem(self) -> str:
        """The name of its files."""
        is_word = self.number.isalpha() or self.number.startswith("table")
        return self.number if is_word else f"fig{self.number}"


@dataclass(frozen=True)
class Paper:
    """A paper.

    Attributes:
        env_id: the environment that comes from it.
        title: what it is about.
        figures: of the paper, and of our own questions.
        full, quick: what is spent on its figures, and on a look at them.
        other_claims: those that no figure decides.
        eval_overrides: from the settings of an environment in training to those that differ in evaluation.
    """

    env_id: str
    title: str
    figures: tuple[Figure, ...]
    full: Budget
    quick: Budget
    other_claims: tuple[Claim, ...] = ()
    eval_overrides: EvalOverrides = as_in_training

    @property
    def claims(self) -> tuple[Claim, ...]:
        """All claims, figure by figure; those that no figure decides are the last."""
        return (*(claim for figure in self.figures for claim in figure.claims), *self.other_claims)

    def figure(self, number: str) -> Figure:
        """One of its figures.

        Raises:
            ValueError: there is none of this number; the message lists those there are.
        """
        known = {figure.number: figure for figure in self.figures}
        if number not in known:
            raise ValueError(suggest(f"figure of {self.env_id}", number, known))
        return known[number]
