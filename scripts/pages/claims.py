"""What became of the papers' claims, read from the pages of verdicts in benchmarks/results."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from page_text import code, escaped, table

from jaxvec.papers import PAPERS
from jaxvec.papers.convergence import HAVE_LEARNED
from jaxvec.papers.pages import read
from jaxvec.papers.paper import Claim
from jaxvec.papers.verdicts import CONTRADICTED, OUTCOMES

NO_VERDICT = "no verdict yet"
LENGTH = 160  # of a reason, in characters

Verdict = dict[str, str]


def verdicts(folder: Path, env_id: str) -> dict[str, Verdict]:
    """The verdicts on a paper by claim; none without a page, or if it is of an earlier version.

    Args:
        folder: of results.
        env_id: whose paper.
    """
    page = folder / f"verdicts-{env_id}.md"
    return read(page.read_text()) if page.is_file() else {}


def by_outcome(folder: Path) -> str:
    """How many claims of each paper came out how.

    Args:
        folder: of results.
    """
    rows = []
    for env_id, paper in PAPERS.items():
        known = verdicts(folder, env_id)
        counts = Counter(known[claim.name]["outcome"] if claim.name in known else NO_VERDICT for claim in paper.claims)
        rows.append([code(env_id), *(str(counts[outcome]) for outcome in (*OUTCOMES, NO_VERDICT)), str(counts.total())])
    sums = [str(sum(int(row[i]) for row in rows)) for i in range(1, len(rows[0]))]
    return table(("paper", *OUTCOMES, NO_VERDICT, "claims"), [*rows, ["all", *sums]])


def with_outcome(folder: Path, outcome: str) -> str:
    """The claims of all papers that came out so, each with the reason.

    Args:
        folder: of results.
        outcome: one of `OUTCOMES`.
    """
    rows = [
        (code(env_id), escaped(claim.name), escaped(x["words"]), escaped(_reason(claim, x)))
        for env_id, claim, x in _judged(folder)
        if x["outcome"] == outcome
    ]
    return table(("paper", "claim", "statement", "why"), rows) or "None so far."


def of_circuits(folder: Path) -> str:
    """What became of the claims on quantum circuits.

    Args:
        folder: of results.
    """
    known = verdicts(folder, "urllc_vec")
    rows = []
    for claim in PAPERS["urllc_vec"].claims:
        if claim.name.startswith("15") or claim.name == "18":
            x = known.get(claim.name, {"outcome": NO_VERDICT, "numbers": "", "learners": ""})
            cells = (claim.name, claim.words, x["outcome"], x["numbers"], x["learners"])
            rows.append([escaped(cell) for cell in cells])
    return table(("claim", "statement", "", "numbers", "learners"), rows)


def _judged(folder: Path) -> Iterator[tuple[str, Claim, Verdict]]:
    """Every claim that has a verdict."""
    for env_id, paper in PAPERS.items():
        known = verdicts(folder, env_id)
        yield from ((env_id, claim, known[claim.name]) for claim in paper.claims if claim.name in known)


def _reason(claim: Claim, x: Verdict) -> str:
    """Why it is not said to hold, in a line.

    Of what is not shown, that the claim is open, else who has not learned, else what the data could have shown; of what is
    contradicted, the numbers, and whether those that it rests on have learned.
    """
    if x["outcome"] == CONTRADICTED:
        return _short(x["numbers"], LENGTH) + (f"; learners: {_short(x['learners'], LENGTH)}" if x["learners"] else "")
    if claim.open:
        return claim.open
    failing = x["learners"] if x["learners"] != HAVE_LEARNED else ""
    return _short(failing or x["power"] or x["numbers"], LENGTH)


def _short(text: str, length: int) -> str:
    """So many characters at most, cut between words."""
    if len(text) <= length:
        return text
    return text[:length].rsplit(" ", 1)[0].rstrip(",;:") + " …"
