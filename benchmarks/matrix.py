"""Every learner on every environment: `python benchmarks/matrix.py`.

Each learner at its own settings (but for `REPLAY`), all with the same number of slots of training, seeds side by side in one
program; then the greedy policies and the fixed rules in the same worlds. Per environment a table (`matrix-ENV.md`), the
learning curves (`matrix-ENV.png`) and all numbers (`matrix-ENV.json`). Runs are kept in a folder and never made twice: stop it,
and go on later; or share the folder among workers, each with the same words and its `--part`.
"""

import argparse
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.bench import all_cores, machine
from jaxvec.core.claims import work
from jaxvec.core.files import write_json, write_text
from jaxvec.core.make import ENVIRONMENTS, make
from jaxvec.papers.checks import converged
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.panels import over_series, over_training
from jaxvec.papers.paper import Figure, Panel
from jaxvec.papers.runner import Runner
from jaxvec.papers.series import Budget, Series, SweepPoint
from jaxvec.policies import fixed
from jaxvec.sharing import left_to_others, part_argument
from jaxvec.viz import plots

EPISODES = 1024  # of evaluation
COMPARED = ("ippo", "mappo", "ddpg", "maddpg", "matd3", "sac", "masac")
REPLAY = {  # where the future counts, critics that forget what exploration found at first come to believe in what it never tried
    "isac_iov": {"capacity": 262_144},
}


def figure(env_id: str, names: tuple[str, ...]) -> Figure:
    """Learners and rules of an environment, in training and after it."""
    rules = fixed(*make(env_id))
    return Figure(
        "matrix",
        f"Every learner on {env_id}",
        "episodes",
        (*(Series(name, learner=name) for name in names), *(Series(name, rule=name) for name in rules)),
        (SweepPoint(0.0),),
        (Panel("reward in training", over_training()), Panel("reward after training", over_series("reward"), " ")),
    )


def rows(data: Data) -> list[dict[str, Any]]:
    """Per policy, from the best: reward, distance to the best rule, and what a learner took to get there."""
    reward = {series.name: data.estimate(series.name, 0.0) for series in data.series}
    best = max((s.name for s in data.series if s.rule), key=lambda name: reward[name].mean)
    result = []
    for series in sorted(data.series, key=lambda s: -reward[s.name].mean):
        row: dict[str, Any] = {"policy": series.name, "reward": reward[series.name], "best_rule": best}
        row["ahead"], row["ahead_of_random"] = (data.ahead((series.name, 0.0), (o, 0.0)) for o in (best, "random"))
        if series.learner:
            runs = data.runs[series.name, 0.0]
            slots = runs[0].config["horizon"] * converged(data, series.name)
            train_s = sum(run.seconds["train"] for run in runs)
            row["slots_to_95"] = over_seeds(slots)
            row["seconds_to_95"] = train_s * float(np.mean(slots)) / runs[0].config["slots"]
            row["train_s"], row["compile_s"] = train_s, sum(run.seconds["compile"] for run in runs)
            row["slots_per_s"] = len(runs) * runs[0].config["slots"] / train_s
        result.append(row)
    return result


def table(policies: list[dict[str, Any]], note: str) -> str:
    """As Markdown, with a note under it."""
    best = policies[0]["best_rule"]
    lines = [
        f"| policy | reward | ahead of `{best}` | slots to 95 % | seconds to 95 %, all seeds | slots/s, all seeds |",
        "|---|---|---|---|---|---|",
    ]
    for row in policies:
        took = ["", "", ""]
        if "train_s" in row:
            took = [f"{row['slots_to_95'].mean:,.0f}", f"{row['seconds_to_95']:.0f}", f"{row['slots_per_s']:,.0f}"]
        lines.append(f"| {row['policy']} | {row['reward']} | {row['ahead']} | {' | '.join(took)} |")
    return "\n".join([*lines, "", note, ""])


def write(env_id: str, plan: Figure, data: Data, args: argparse.Namespace) -> None:
    """Print the table of an environment, and write it with the picture and all numbers."""
    policies = rows(data)
    where = " and ".join(sorted({run.device for runs in data.runs.values() for run in runs if run.curves}))
    note = (
        f"{args.slots:,} slots of training, {args.seeds} seeds in one program, greedy on {EPISODES} episodes that all "
        f"share, 95 % intervals (learners: over seeds; rules: over episodes). Trained on {where}, {date.today()}."
    )
    text = table(policies, note)
    print(f"\n{env_id}\n\n{text}")
    stem = args.out / f"matrix-{env_id}"
    write_text(stem.with_suffix(".md"), text)
    names = [row["policy"] for row in policies]
    drawn = set(names[: 1 + names.index("random")])
    parts = [
        (panel.title, panel.axis or plan.axis, [line for line in panel.lines(data) if line.name in drawn])
        for panel in plan.panels
    ]  # of what is no worse than chance
    short = f"{args.seeds} seeds, {args.slots:,} slots each, 95 % intervals"
    plots.panels(parts, stem.with_suffix(".png"), title=plan.title, note=short)
    write_json(
        stem.with_suffix(".json"),
        {"machine": machine(), "trained_on": where, "date": str(date.today()), "rows": policies},
    )


def main(words: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", default=list(ENVIRONMENTS))
    parser.add_argument("--learners", nargs="+", default=list(COMPARED), help="any of jaxvec.learners.LEARNERS")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--slots", type=int, default=1_024_000)
    parser.add_argument("--runs", type=Path, default=Path("reproductions"), help="where the runs are kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--part", type=part_argument, help="of several workers that share the folder, as 2/8")
    args = parser.parse_args(words)
    all_cores()
    plans = {env_id: figure(env_id, tuple(args.learners)) for env_id in args.envs}
    runners = {
        env_id: Runner(
            env_id,
            Budget(args.slots, EPISODES, args.seeds, REPLAY.get(env_id, {})),
            args.runs / f"{env_id}-matrix",
            progress=True,
            shared=args.part is not None,
        )
        for env_id in plans
    }
    units = [u for name, x in plans.items() for u in runners[name].units([(x.series, x.points)], args.seeds)[0]]
    if args.part and (left := work(units, args.part, print)):
        print(left_to_others(left))
        return
    for env_id, plan in plans.items():
        data = runners[env_id].data(plan.series, plan.points, args.seeds)
        runners[env_id].progress.close()
        with runners[env_id].claims.of("page", wait=True):
            write(env_id, plan, data, args)


if __name__ == "__main__":
    main()
