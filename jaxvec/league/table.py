"""What a league's records say: a row for each rule, learner and the bound, as numbers and as a page.

Throughout:
    plan: `plan.json` of the league.
    records: of the league, by name; rewards are per slot, means over agents and over an episode in each world.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvec.bench import machine
from jaxvec.core.checkout import commit
from jaxvec.core.evaluation import Interval, interval
from jaxvec.core.files import write_json, write_text
from jaxvec.core.version import __version__
from jaxvec.league.entries import EXTRAS
from jaxvec.league.folder import Record
from jaxvec.league.training import CHECKPOINTS
from jaxvec.papers.data import over_seeds
from jaxvec.scoreboard import plain
from jaxvec.viz.plots import with_error
from jaxvec.viz.theme import MINUS

Row = dict[str, Any]


class Yardsticks(NamedTuple):
    """What learners are compared with.

    Attributes:
        rules: reward of each rule in each world, name -> `(W,)`.
        local: the best of those that agents could follow alone, of at least one.
        best: the best of all.
        bound: reward of the plan that knows all draws, in the first worlds `(B,)`; None where it is not known.
    """

    rules: dict[str, np.ndarray]
    local: str
    best: str
    bound: np.ndarray | None

    def part_of_way(self, reward: np.ndarray) -> float | None:
        """Which part of the way from the random policy to the bound is gone, in the worlds of the bound.

        Args:
            reward: in each world `(W,)`.
        Returns:
            0 to 1, or beyond; None without a bound.
        """
        if self.bound is None:
            return None
        n = len(self.bound)
        random = self.rules["random"][:n].mean()
        return float((reward[:n].mean() - random) / (self.bound.mean() - random))

    def bound_in(self, n_worlds: int) -> Interval | None:
        """The bound in all worlds: the best rule there, and by how much the bound is ahead of it where both are known.

        Args:
            n_worlds: the first so many of the worlds of evaluation.
        """
        if self.bound is None:
            return None
        best = interval(self.rules[self.best][:n_worlds])
        ahead = interval(self.bound - self.rules[self.best][: len(self.bound)])
        return Interval(best.mean + ahead.mean, float(np.hypot(best.half, ahead.half)))


def yardsticks(records: Mapping[str, Record]) -> Yardsticks:
    """Rules and bound."""
    of = records["rules"]
    rewards = {name: np.asarray(reward) for name, reward in of["reward"].items()}
    ranked = sorted(rewards, key=lambda name: -rewards[name].mean())
    local = next(name for name in ranked if of["local"][name])
    bound = np.asarray(records["bound"]["reward"]) if "bound" in records else None
    return Yardsticks(rewards, local, ranked[0], bound)


def summary(plan: Mapping[str, Any], records: Mapping[str, Record]) -> dict[str, Any]:
    """The league as numbers.

    Returns:
        `env`, `seeds`, `worlds`, `judged`, `bounded`; `marks`, names of the best "local" and the "best" rule; and `rows`, the
        best first, each with the name of the policy, its kind ("rule", "learner", "bound"), what it knows, and of the columns
        of the page those that it has; intervals as `[mean, half]`.
    """
    marks = yardsticks(records)
    rows = [_of_rule(name, marks, records["rules"]) for name in marks.rules]
    rows += [_of_learner(plan, record, marks) for name, record in records.items() if name not in ("rules", "bound")]
    if marks.bound is not None:
        rows.append(_of_bound(marks, records["bound"]))
    head = {name: plan[name] for name in ("env", "seeds", "worlds", "judged", "bounded")}
    rows.sort(key=lambda row: -row["reward"][0])
    return plain({**head, "marks": {"local": marks.local, "best": marks.best}, "rows": rows})


def _ahead(reward: np.ndarray, marks: Yardsticks) -> dict[str, Interval]:
    """By how much one is ahead of both rules, paired by world; `reward` of the first worlds or of all."""
    n = len(reward)
    return {
        f"ahead_of_{which}": interval(reward - marks.rules[getattr(marks, which)][:n]) for which in ("local", "best")
    }


def _of_rule(name: str, marks: Yardsticks, record: Record) -> Row:
    reward = marks.rules[name]
    return {
        "policy": name,
        "kind": "rule",
        "knows": "own row" if record["local"][name] else "everything",
        "reward": interval(reward),
        **_ahead(reward, marks),
        "part_of_way": marks.part_of_way(reward),
        "extras": record["extras"][name],
    }


def _of_bound(marks: Yardsticks, record: Record) -> Row:
    reward = np.asarray(record["reward"])
    return {
        "policy": "bound",
        "kind": "bound",
        "knows": "the draws",
        "reward": marks.bound_in(len(marks.rules[marks.best])),
        **_ahead(reward, marks),
        "part_of_way": 1.0,
        "seconds": record["seconds"],
        "extras": {},
    }


def _of_learner(plan: Mapping[str, Any], record: Record, marks: Yardsticks) -> Row:
    of_seeds = np.asarray(record["reward"])
    reward, seeds, judged = of_seeds.mean(0), len(of_seeds), plan["judged"]
    row = {
        "policy": record["name"],
        "kind": "learner",
        "knows": record["knows"],
        "reward": over_seeds(of_seeds.mean(1)),
        **_ahead(reward, marks),
        "part_of_way": marks.part_of_way(reward),
        "updates": record["updates"],
        "slots": record["slots"],
        "train_s": record["train_s"] / seeds,
        "compile_s": record["compile_s"],
        "device": str(record.get("device", "")),
        "extras": {name: float(np.mean(values)) for name, values in record["extras"].items()},
    }
    for which in ("local", "best"):
        rule = marks.rules[getattr(marks, which)]
        row[f"seeds_ahead_of_{which}"] = int(np.sum(of_seeds.mean(1) > rule.mean()))
        row[f"passes_{which}"] = passes(record, rule[:judged], seeds)
    return row


def passes(record: Record, rule: np.ndarray, seeds: int) -> dict[str, float] | None:
    """The first checkpoint at which the seeds are ahead of a rule by more than the half-width of that lead's interval.

    Args:
        record: of a learner.
        rule: what the rule earns in each of the worlds that judge `(J,)`.
        seeds: S.
    Returns:
        "slots" and "seconds" of training of one seed until then; None if there is none.
    """
    for point in record["checkpoints"]:
        ahead = interval(np.asarray(point["in_worlds"]) - rule)
        if ahead.mean > np.nan_to_num(ahead.half):
            return {"slots": point["slots"], "seconds": point["seconds"] / seeds}
    return None


# The page


def cell(pair: Sequence[float | None] | None) -> str:
    """An interval, to the second digit of its half-width.

    Args:
        pair: mean and half-width, of which the second may be unknown; None: an empty cell.
    """
    if pair is None or pair[0] is None:
        return ""
    return with_error(pair[0], float("nan") if pair[1] is None else pair[1])


def _ahead_cell(row: Row, which: str, summary: Mapping[str, Any]) -> str:
    if row["policy"] == summary["marks"][which]:
        return ""
    text = cell(row[f"ahead_of_{which}"])
    return text + (f" ({row[f'seeds_ahead_of_{which}']}/{summary['seeds']})" if row["kind"] == "learner" else "")


def _passes_cell(row: Row, which: str) -> str:
    if row["kind"] != "learner":
        return ""
    first = row[f"passes_{which}"]
    if first is None:
        return "never"
    return f"{duration(first['seconds'])}, {first['slots']:,} slots" if first["slots"] else "from the start"


def duration(seconds: float) -> str:
    """To two digits, or to a second.

    Args:
        seconds: how long [s].
    """
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def _columns(summary: Mapping[str, Any]) -> list[tuple[str, Callable[[Row], str]]]:
    """Of the table, each with its title and what a row has there."""
    rules = {"local": "best local rule", "best": "best rule"}
    if summary["marks"]["local"] == summary["marks"]["best"]:
        rules = {"best": "best rule, which is local"}
    columns: list[tuple[str, Callable[[Row], str]]] = [
        ("policy", lambda row: row["policy"]),
        ("knows", lambda row: row["knows"]),
        ("reward", lambda row: cell(row["reward"])),
    ]
    for which, words in rules.items():
        columns += [
            (f"ahead of `{summary['marks'][which]}`, the {words}", partial(_ahead_cell, which=which, summary=summary)),
            ("passes it after", partial(_passes_cell, which=which)),
        ]
    return [
        *columns,
        (
            "of the way",
            lambda row: "" if row["part_of_way"] is None else f"{100 * row['part_of_way']:.1f} %".replace("-", MINUS),
        ),
        ("training", lambda row: f"{duration(row['train_s'])}, {row['slots']:,} slots" if "slots" in row else ""),
        ("compiling", lambda row: duration(row["compile_s"]) if "slots" in row else ""),
    ]


def as_table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Lines of Markdown.

    Args:
        titles: of the columns.
        rows: their cells.
    """
    titles = list(titles)
    return [f"| {' | '.join(cells)} |" for cells in (titles, ["---"] * len(titles), *rows)]


def markdown(summary: Mapping[str, Any], command: str) -> str:
    """The page: a head line, the table, what it means, and where there is one the table of extras.

    Args:
        summary: of `summary`.
        command: that made it.
    """
    columns = _columns(summary)
    titles = [title for title, _ in columns]
    lines = [head(summary, command), "", *as_table(titles, ([of(row) for _, of in columns] for row in summary["rows"]))]
    lines += ["", legend(summary)]
    words = EXTRAS.get(summary["env"])
    if words:
        rows = [
            [row["policy"], cell(row["reward"]), *(f"{row['extras'][name]:.4g}".replace("-", MINUS) for name in words)]
            for row in summary["rows"]
            if row["extras"]
        ]
        lines += ["", *as_table(["policy", "reward", *words.values()], rows)]
    return "\n".join([*lines, ""])


def legend(summary: Mapping[str, Any]) -> str:
    """What the columns mean.

    Args:
        summary: of `summary`.
    """
    text = (
        "Rewards are per slot, with 95 % intervals: of learners over seeds (Student's t), of rules over worlds. Differences are "
        "paired by world, of learners the mean of their seeds; in brackets, how many seeds are ahead. Seconds and slots are of "
        "one seed: the seconds of all seeds side by side, divided by their number, without judging and without compiling, which "
        f"is once for all. A rule is passed at the first of {CHECKPOINTS + 1} checkpoints, evenly spread on a logarithmic axis, "
        f"at which the mean of the seeds is ahead of it, beyond the interval, in the first {summary['judged']} worlds."
    )
    if any(row["kind"] == "bound" for row in summary["rows"]):
        text += (
            " The bound is a plan that knows all draws, found by local search: an estimate from below. It is sought in the first "
            f"{summary['bounded']} worlds, where the way begins at the random policy and ends at it; its reward is that of the "
            "best rule and its lead there."
        )
    return text


def device() -> str:
    """The device here, in words."""
    here = machine()
    return f"{here['device']}, {here['cores']} cores" if here["platform"] == "cpu" else here["device"]


def head(summary: Mapping[str, Any], command: str) -> str:
    """Command, commit, versions, devices that learners were trained on, date, worlds and seeds.

    Args:
        summary: of `summary`.
        command: that made it.
    """
    here, devices = machine(), sorted({row["device"] for row in summary["rows"] if row.get("device")})
    return (
        f"`{command or 'jaxvec.league'}` · commit {commit() or 'unknown'} · jaxvec {__version__}, jax {here['jax']}, "
        f"python {here['python']} · {' and '.join(devices) or device()} · {here['date']} · "
        f"{summary['worlds']} worlds that all share · {summary['seeds']} seeds"
    )


def write(summary: dict[str, Any], folder: Path, command: str) -> None:
    """`league.md` and `league.json`.

    Args:
        summary: of `summary`.
        folder: where.
        command: that made it.
    """
    write_json(folder / "league.json", summary)
    write_text(folder / "league.md", markdown(summary, command))
