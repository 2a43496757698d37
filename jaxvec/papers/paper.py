"""A paper: its figures, each with who is compared, where, what is drawn and what is claimed, and what is spent on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxvec.core.errors import suggest
from jaxvec.papers.allowance import MissingRunsError
from jaxvec.papers.checks import Check
from jaxvec.papers.convergence import in_words, learned
from jaxvec.papers.data import Data
from jaxvec.papers.panels import Lines
from jaxvec.papers.runner import Runner
from jaxvec.papers.series import Budget, EvalOverrides, Series, SweepPoint, as_in_training
from jaxvec.papers.verdicts import NOT_SHOWN, UNTESTABLE, Margin, Verdict, decide


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
        check: from the figure's data to what is found.
        margin: the least difference that matters; None of what has no chance in it.
        open: why no verdict follows from such data as long as they are made as they are; empty where one does.
        rests_on: names of the learners that decide it; None: all that the check looks at.
        despite: why it is decided even if these have not learned, as where more training can only strengthen what is found.
    """

    name: str
    words: str
    check: Check
    margin: Margin | None = None
    open: str = ""
    rests_on: tuple[str, ...] | None = None
    despite: str = ""

    def judged(self, data: Data) -> Verdict:
        """The verdict from a figure's data; not shown, with the reason, where these or their learners decide nothing."""
        watched = data.watched()
        try:
            verdict = decide(self.check(watched), self.margin)
        except MissingRunsError as error:
            data.note(watched)
            return Verdict(NOT_SHOWN, str(error))
        cells = [cell for cell in watched.used if self.rests_on is None or cell[0] in self.rests_on]
        found = learned(watched, cells)
        data.note(watched)
        verdict = verdict._replace(learners=in_words(found))
        if verdict.outcome == UNTESTABLE:
            return verdict._replace(learners="")
        if self.open:
            return verdict._replace(outcome=NOT_SHOWN, numbers=f"{self.open}; {verdict.numbers}")
        failed = any(one.fails for one in found)
        if failed and self.despite:
            return verdict._replace(learners=f"{verdict.learners}; decided all the same: {self.despite}")
        return verdict._replace(outcome=NOT_SHOWN) if failed else verdict


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
        less: what it shows less of than the paper's, or otherwise; empty if nothing.
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
    less: str = ""

    def points_of(self, quick: bool) -> tuple[SweepPoint, ...]:
        """Its points, all or those of a quick look."""
        indices = {i % len(self.points) for i in self.quick} if quick else range(len(self.points))
        return tuple(self.points[i] for i in sorted(indices))

    def series_of(self, quick: bool) -> tuple[Series, ...]:
        """Who is compared, in a quick look without bounds, which take minutes."""
        return tuple(series for series in self.series if not (quick and series.bound))

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
