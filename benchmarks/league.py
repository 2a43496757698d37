"""The league of every system: `python benchmarks/league.py --minutes 10`.

Rules, learners and the clairvoyant bound of each system in the same worlds (`jaxvec league`), so many minutes of training each;
then one page with a summary on top, and a picture for each system. Leagues are kept in a folder, and what is finished is never
made again: stop it, and go on later with the same words; or share the folder among workers, each with its `--part`.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

from jaxvec.bench import machine, slug
from jaxvec.core import cache
from jaxvec.core.files import write_text
from jaxvec.core.make import env_ids
from jaxvec.league import Budget, league
from jaxvec.league.table import as_table, cell, duration
from jaxvec.sharing import left_to_others, part_argument

TITLES = (
    *(
        "system",
        "best local rule",
        "best rule",
        "best learner by own rows",
        "ahead of the best local rule",
        "passes it after",
    ),
    *("best learner", "ahead of the best rule", "passes it after", "bound", "best rule, best learner of the way to it"),
)


def best_of(rows: list[dict[str, Any]], **wanted: str) -> dict[str, Any]:
    """The first of the rows, of which the best stands first, with these entries."""
    return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))


def named(row: dict[str, Any]) -> str:
    """A policy and its reward."""
    return f"`{row['policy']}` {cell(row['reward'])}"


def passed(first: dict[str, float] | None) -> str:
    """When a rule was passed."""
    return "never" if first is None else duration(first["seconds"]) if first["slots"] else "from the start"


def summary_row(summary: dict[str, Any]) -> list[str]:
    """A line of the table on top."""
    rows, marks, seeds = summary["rows"], summary["marks"], summary["seeds"]
    local, best = (best_of(rows, policy=marks[which], kind="rule") for which in ("local", "best"))
    alone, learner = best_of(rows, kind="learner", knows="own row"), best_of(rows, kind="learner")
    bound = [row for row in rows if row["kind"] == "bound"]
    cells = [summary["env"], named(local), named(best)]
    for row, which in ((alone, "local"), (learner, "best")):
        ahead = f"{cell(row[f'ahead_of_{which}'])} ({row[f'seeds_ahead_of_{which}']}/{seeds})"
        cells += [named(row), ahead, passed(row[f"passes_{which}"])]
    if not bound:
        return [*cells, "", ""]
    return [
        *cells,
        cell(bound[0]["reward"]),
        f"{100 * best['part_of_way']:.1f} %, {100 * learner['part_of_way']:.1f} %",
    ]


def main(words: list[str] | None = None) -> None:
    """Play, gather and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", default=list(env_ids()))
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, for each system")
    parser.add_argument("--updates", type=int, help="of each learner, in place of minutes")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--worlds", type=int, default=256)
    parser.add_argument("--bounded", type=int, default=64, help="worlds for which the bound is sought; 0 leaves it out")
    parser.add_argument("--learners", nargs="+", default=[], help="as of `jaxvec league`")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="as of `jaxvec league`")
    parser.add_argument("--leagues", type=Path, default=Path("leagues"), help="where the leagues are kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--part", type=part_argument, help="of several workers that share the folder, as 2/8")
    args = parser.parse_args(words)
    cache.disable()  # compiling is measured
    budget = Budget(args.minutes, args.updates, args.seeds, args.worlds, bounded=args.bounded)

    def play(env_id: str) -> dict[str, Any]:
        spent = f"--minutes {args.minutes:g}" if args.updates is None else f"--updates {args.updates}"
        command = f"jaxvec league {env_id} {spent} --seeds {args.seeds} --worlds {args.worlds}"
        how: dict[str, Any] = {"names": args.learners, "pairs": args.set, "budget": budget, "part": args.part}
        return league(env_id, args.leagues / env_id, command=command, **how)

    if args.part:
        for env_id in args.envs:
            play(env_id)
        left = [f"{name} on {env_id}" for env_id in args.envs for name in play(env_id)["left"]]  # of what was left then
        if left:
            print(left_to_others(left))
            return
    stem, rows, pages = f"league-{slug(machine())}", [], []
    for env_id in args.envs:
        summary, folder = play(env_id), args.leagues / env_id
        rows.append(summary_row(summary))
        picture = f"{stem}-{env_id}.png"
        shutil.copyfile(folder / "league.png", args.out / picture)
        pages += [f"## {env_id}", "", (folder / "league.md").read_text(), f"![{env_id}]({picture})", ""]
        text = "\n".join(["# The league of every system", "", *as_table(TITLES, rows), "", *pages])
        write_text(args.out / f"{stem}.md", text)
    print("\n".join(as_table(TITLES, rows)))


if __name__ == "__main__":
    main()
