"""The page of a paper's verdicts, as Markdown: how it was made, and for each figure its picture and its claims.

The page is the data, too: `read` gives its verdicts back.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxvec.bench import machine
from jaxvec.core.checkout import commit
from jaxvec.papers.data import Data
from jaxvec.papers.paper import Claim, Figure, Paper
from jaxvec.papers.series import Named
from jaxvec.papers.verdicts import OUTCOMES

NO_FIGURE = "all"  # stands for the figure of claims that none decides
COMMON = ("command", "commit", "versions", "device", "date")
SPENT = ("seeds", "slots", "updates", "episodes", "runs", "seconds")
CELLS = ("claim", "words", "outcome", "numbers", "power", "learners")  # of a verdict, in a row of its page
HEADS = "| | statement | | numbers | shows, matters | learners |"
EXPLAINED = """A claim *holds*, or is *contradicted*, or is *not shown*: these data cannot tell. ± are 95 % intervals
(Student's t), over seeds of learners and over groups of episodes of rules, paired, as all meet the same worlds. *Shows* is the
least difference that so many samples could have shown, *matters* the least that matters. A claim is never decided by a learner
that has not learned; whether it has stands in the last column. `jaxvec.papers.verdicts` and `jaxvec.papers.convergence` say how
it is judged."""


def made(command: str, seeds: int, slots: int, episodes: int, data: Data) -> dict[str, Any]:
    """How a figure was made, for the head of the page.

    Args:
        command: that makes it.
        seeds, slots, episodes: of its budget.
        data: its runs.
    """
    here = machine()
    runs = [run for of_cell in data.runs.values() for run in of_cell]
    updates = sorted({run.config["updates"] for run in runs if "updates" in run.config})
    devices = sorted({run.device for run in runs if run.device}) or [here["device"]]
    kind = f", {here['cores']} cores" if here["platform"] == "cpu" else ""
    trains = any(series.learner for series in data.series)
    return {
        "command": command,
        "commit": commit(),
        "versions": ", ".join(f"{name} {here[name]}" for name in ("jaxvec", "jax", "jaxlib", "numpy", "python")),
        "device": f"{', '.join(devices)}{kind}",
        "date": here["date"],
        "seeds": seeds if data.has_seeds else "",
        "slots": slots if trains else "",
        "updates": f"{updates[0]:,}" + f" to {updates[-1]:,}" * (len(updates) > 1) if updates else "",
        "episodes": episodes,
        "runs": len(runs),
        **({"lacking": data.lacking} if data.missing else {}),
        "seconds": round(sum(sum(run.seconds.values()) for run in runs)),
    }


def page(
    paper: Paper, known: Mapping[str, Named], of_figures: Mapping[str, Named], pictures: Mapping[str, Sequence[str]]
) -> str:
    """The page.

    Args:
        paper: whose.
        known: by claim, its verdict.
        of_figures: by figure, how it was made.
        pictures: by figure, addresses of its pictures as seen from the page.
    """
    parts = [f"# {paper.title}", *_head(paper, known, of_figures), EXPLAINED]
    for figure in paper.figures:
        if figure.number in of_figures:
            parts += [f"## {figure.heading}"]
            parts += [f"![{figure.heading}]({address})" for address in pictures.get(figure.number, ())]
            parts += [f"It shows less than the paper's, or otherwise: {figure.less}."] if figure.less else []
            lacking = of_figures[figure.number].get("lacking", "")
            parts += [f"Not everything was trained: {lacking}."] if lacking else []
            parts += _table(figure.claims, known)
    missing = [figure.number for figure in paper.figures if figure.number not in of_figures]
    parts += ["## Of no figure", *_table(paper.other_claims, known)]
    parts += [f"Not made: {', '.join(missing)}."] if missing else []
    return "\n\n".join(parts) + "\n"


def _head(paper: Paper, known: Mapping[str, Named], of_figures: Mapping[str, Named]) -> Iterable[str]:
    """How the page is made again, and how many claims came out how."""
    counts = Counter(verdict["outcome"] for verdict in known.values())
    yield ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome]) + "."
    values = {name: list(dict.fromkeys(str(x.get(name, "")) for x in of_figures.values())) for name in COMMON}
    alike = [name for name in COMMON if len(values[name]) == 1]
    yield "\n".join(f"- {name}: {_quoted(name, values[name][0])}" for name in alike if values[name][0])
    again = f"jaxvec reproduce {paper.env_id} --from benchmarks/results/reproduce-{paper.env_id}.jsonl"
    yield f"`{again}` makes this page again without training."
    columns = ["figure", *SPENT, *(name for name in COMMON if name not in alike)]
    rows = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for figure in (figure for figure in paper.figures if figure.number in of_figures):
        facts = of_figures[figure.number]
        cells = [figure.number, *(_quoted(name, _number(facts.get(name, ""))) for name in columns[1:])]
        rows.append(f"| {' | '.join(cells)} |")
    if len(rows) > 2:
        yield "\n".join(rows)


def _quoted(name: str, text: str) -> str:
    return f"`{text}`" if name == "command" and text else text


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(claims: Sequence[Claim], known: Mapping[str, Named]) -> list[str]:
    """Claims with their verdicts."""
    verdicts = [known[claim.name] for claim in claims if claim.name in known]
    if not verdicts:
        return []
    rows = [HEADS, "|---|---|---|---|---|---|"]
    rows += [f"| {' | '.join(x[name].replace('|', '/') for name in CELLS)} |" for x in verdicts]
    return ["\n".join(rows)]


def read(text: str) -> dict[str, dict[str, str]]:
    """The verdicts on a page by claim, each with `CELLS`; none if it is of an earlier version, which had other outcomes.

    Args:
        text: of the page.
    """
    tables = re.findall(rf"^{re.escape(HEADS)}\n\|[-|]+\n((?:\|.*\n?)+)", text, re.MULTILINE)
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for table in tables for row in table.splitlines()]
    return {row[0]: dict(zip(CELLS, row, strict=True)) for row in rows}


def verdict_of(claim: Claim, figure: Figure | None, data: Data) -> dict[str, str]:
    """A claim with its verdict.

    Args:
        claim: of a figure, or of none.
        figure: which; None: none decides it.
        data: of the figure.
    """
    number = figure.number if figure else NO_FIGURE
    return {"claim": claim.name, "figure": number, "words": claim.words, **claim.judged(data)._asdict()}
