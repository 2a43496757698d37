"""From what a check finds to a verdict: holds, contradicted, or not shown.

A check finds differences, one sample for each seed of learners or for each episode of rules, and facts that no chance is
in. A claim states its margin: the least difference that matters. With the 95 % interval of a difference, Student's t, a claim
that it is positive

- *holds* where the interval lies above zero, and not wholly within the margin;
- is *contradicted* where the interval ends below the margin: a difference that matters is excluded;
- is *not shown* else: these data cannot tell. The half-width says what they could have told: no smaller difference than it.

Orders and changes along an axis are judged as a whole, by the line through all of it. A step along an axis can only contradict,
where it goes the other way by more than the margin; so can two neighbours of an order, where a difference that matters is
excluded. Where a claim makes several statements, all must hold; one that is contradicted
contradicts it, with intervals that are wider as there are more chances to err (Bonferroni). What differs by rounding alone is
equal.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxvec.core.evaluation import Interval, half_widths

HOLDS, CONTRADICTED, NOT_SHOWN, UNTESTABLE = "holds", "contradicted", "not shown", "not testable"
OUTCOMES = (HOLDS, CONTRADICTED, NOT_SHOWN, UNTESTABLE)
SINGLE = "a single seed has no interval"
ROUNDING = 1e-6
"""Part of what is compared by which float32 may be off."""

ABOVE, EQUAL, BOUND, STEP, RANK = "above", "equal", "bound", "step", "rank"


class Margin(NamedTuple):
    """The least difference that matters.

    Attributes:
        amount: a part of what is compared, or in the metric's unit.
        unit: the metric's; empty of a part.
        why: why less does not matter.
    """

    amount: float
    unit: str = ""
    why: str = ""

    def of(self, size: float) -> float:
        """In the metric's unit.

        Args:
            size: of what is compared.
        """
        return self.amount if self.unit else self.amount * size

    def __str__(self) -> str:
        text = f"{self.amount:.2g} {self.unit}" if self.unit else f"{100 * self.amount:.2g} %"
        return f"{text} ({self.why})" if self.why else text


ANY = Margin(0.0, why="any difference, as the model has no chance in it")


class Difference(NamedTuple):
    """A statement about a difference.

    Attributes:
        what: in words, short.
        samples: `(n,)`, paired, positive as claimed.
        size: of what is compared, in the same unit.
        kind: `ABOVE`, it is positive; `EQUAL`, it is zero; `BOUND`, a value is beyond a given one, of which there is no margin;
            `STEP`, a step along an axis that is judged beside it as a whole; `RANK`, two neighbours of an order that is.
    """

    what: str
    samples: np.ndarray
    size: float
    kind: str = ABOVE

    @property
    def interval(self) -> Interval:
        """Its mean and 95 % interval, of which the half-width is at least the rounding."""
        return Interval(float(np.mean(self.samples)), self.half())

    def half(self, confidence: float = 0.95) -> float:
        """Half the width of its interval.

        Args:
            confidence: of the interval.
        """
        return float(np.maximum(half_widths(self.samples, confidence), ROUNDING * self.size))


class Finding(NamedTuple):
    """What a check finds.

    Attributes:
        numbers: those behind it, in words.
        differences: which decide.
        facts: what is so or not, without chance.
        undecided: why nothing can decide; empty where something can.
    """

    numbers: str
    differences: tuple[Difference, ...] = ()
    facts: tuple[bool, ...] = ()
    undecided: str = ""

    def also(self, text: str) -> "Finding":
        """With more numbers, which decide nothing.

        Args:
            text: of them.
        """
        return self._replace(numbers=f"{self.numbers}; {text}")


class Verdict(NamedTuple):
    """What became of a claim.

    Attributes:
        outcome: one of `OUTCOMES`.
        numbers: those behind it, in words.
        power: what matters, and what the data could have shown, in words; empty where no chance is in it.
        learners: whether those that it rests on have learned, in words; empty where it rests on none.
    """

    outcome: str
    numbers: str
    power: str = ""
    learners: str = ""


def judge(holds: Any, numbers: str) -> Finding:
    """A fact.

    Args:
        holds: whether it is so.
        numbers: in words.
    """
    return Finding(numbers, facts=(bool(holds),))


def untestable(reason: str) -> Finding:
    """Nothing that decides, and why not.

    Args:
        reason: why.
    """
    return Finding(reason, undecided=reason)


def both(*findings: Finding) -> Finding:
    """Several as one.

    Args:
        findings: in order.
    """
    return Finding(
        "; ".join(one.numbers for one in findings),
        tuple(difference for one in findings for difference in one.differences),
        tuple(fact for one in findings for fact in one.facts),
        "; ".join(one.undecided for one in findings if one.undecided),
    )


def bound(what: str, samples: np.ndarray, least: float = -np.inf, most: float = np.inf) -> tuple[Difference, ...]:
    """That a mean lies between given values.

    Args:
        what: in words.
        samples: `(n,)`.
        least, most: the values.
    """
    x, ends = np.asarray(samples, float), ((least, 1), (most, -1))
    return tuple(
        Difference(f"{what} {'above' if sign > 0 else 'below'} {end:.4g}", sign * (x - end), abs(end), BOUND)
        for end, sign in ends
        if np.isfinite(end)
    )


def decide(finding: Finding, margin: Margin | None) -> Verdict:
    """The verdict from what a check found.

    Args:
        finding: of the check.
        margin: of the claim; None: nothing in it needs one.
    Raises:
        ValueError: a difference is to be judged, and no margin is stated.
    """
    if finding.undecided:
        return Verdict(UNTESTABLE, finding.numbers)
    if margin is None and any(x.kind != BOUND for x in finding.differences):
        raise ValueError("a claim about differences must state its margin")
    outcomes = [HOLDS if fact else CONTRADICTED for fact in finding.facts]
    outcomes += [_outcome(x, margin or ANY, len(finding.differences)) for x in finding.differences]
    return Verdict(worst(outcomes), finding.numbers, _power(finding.differences, margin))


def worst(outcomes: Iterable[str]) -> str:
    """Of several statements that are all made: what becomes of the whole.

    Args:
        outcomes: of each.
    """
    return max(outcomes, key=(HOLDS, NOT_SHOWN, CONTRADICTED).index, default=NOT_SHOWN)


def _outcome(x: Difference, margin: Margin, chances: int) -> str:
    """Of one difference among so many that could contradict."""
    (mean, half), wide = x.interval, x.half(1 - 0.05 / chances)
    if np.isnan(half):
        return HOLDS if x.kind in (STEP, RANK) else NOT_SHOWN
    matters = 0.0 if x.kind == BOUND else margin.of(x.size)
    if x.kind == EQUAL:
        inside = abs(mean) + half <= max(matters, ROUNDING * x.size)
        return HOLDS if inside else CONTRADICTED if abs(mean) - wide > matters else NOT_SHOWN
    if x.kind == STEP:
        return CONTRADICTED if mean + wide < -matters else HOLDS
    if mean + wide < matters or (matters == 0 and mean + wide <= 0):
        return CONTRADICTED
    if x.kind == RANK:
        return HOLDS
    return HOLDS if mean - half > 0 and mean + half >= matters else NOT_SHOWN


def _power(differences: Sequence[Difference], margin: Margin | None) -> str:
    """What matters, and the smallest difference that the data could have shown, of the statement that they show least of."""
    whole = [x for x in differences if x.kind not in (STEP, RANK)]
    if not whole:
        return ""
    n = min(len(x.samples) for x in whole)
    if n < 2:
        return f"{SINGLE}; matters: {margin}" if margin else SINGLE
    least = max(whole, key=lambda x: x.half() / (x.size or 1.0))
    could = f"{least.half():.2g}" + (f" ({least.half() / least.size:.1%})" if least.size and not _unit(margin) else "")
    text = f"{n} samples show {could} or more"
    return f"{text}; matters: {margin}" if margin and any(x.kind != BOUND for x in whole) else text


def _unit(margin: Margin | None) -> str:
    return margin.unit if margin else ""
