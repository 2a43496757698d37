"""Figs. 3 to 6 of the paper behind `dt_edge`, with those who decide from solved cases: `python benchmarks/cases.py`.

Per number of vehicles MARL and SARL are trained as in `jaxvec.papers.dt_edge`, at no bias, and one of them (`--teacher`) solves
the cases. Then everyone meets the same worlds at each bias: those that copy and blend cases, the control `bc`, the learners,
fixed rules, and the best decision of a slot. Runs are kept and not made twice. Writes `cases-DEVICE.jsonl` (a row per number of
vehicles, bias and policy), `.md` (rewards, and how far each is ahead of the teacher, paired by world) and `.png`.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec import bench, learners, make
from jaxvec.core.files import replacing
from jaxvec.core.rollout import Policy, interval
from jaxvec.papers.dt_edge import BIASES_HZ, LEARNED, named
from jaxvec.papers.in_context import METRICS, Contest, Gap, bootstrap, contest
from jaxvec.policies.in_context import clone
from jaxvec.policies.in_context import dt_edge as in_context
from jaxvec.training import train
from jaxvec.viz import plots

SHOWN = (("reward", "reward", 1.0), ("energy_sys_j", "energy of a slot [J]", 1.0))
SHOWN += (("latency_mean_s", "latency [ms]", 1e3), ("qos_mean", "QoS", 1.0))


def learned(what: str, vehicles: int, slots: int, runs: Path) -> Policy:
    """MARL or SARL among so many vehicles, at no bias; a run that is there is read, one that was interrupted goes on."""
    series = next(series for series in LEARNED if series.name == named(what, "0"))
    out = runs / f"{what.lower()}-{vehicles}-{slots}"
    env, params = make("dt_edge", n_vehicles=vehicles, **series.sizes)
    learner = learners.make(series.learner, env, **series.settings)
    updates, hyper = max(1, slots // learner.steps_per_update), learner.hyper.replace(**series.hyper)
    params = params.replace(**series.numbers)
    return train(learner, params, jax.random.key(0), updates, hyper=hyper, out=out, resume=True).policy()


def compared(vehicles: int, policies: Mapping[str, Policy], teacher: str, args: Any) -> Contest:
    """Everyone in the same worlds: at the first bias, then at the next ..."""
    key, (env, params) = jax.random.key(0), make("dt_edge", n_vehicles=vehicles)
    library = in_context.collect(env, params, policies[teacher], key, source=teacher, n_worlds=args.case_worlds)
    copy = clone.fit(key, in_context.in_unit(env, params, library)).params
    biases_hz = jnp.repeat(jnp.asarray(list(BIASES_HZ.values())), args.episodes)
    swept = params.replace(cpu_bias_mean_hz=biases_hz)
    return contest(env, swept, library, key, len(biases_hz), others=policies, clone_params=copy)


def rows_of(found: Contest, vehicles: int, teacher: str) -> list[bench.Row]:
    """Means and half widths of 95 % intervals per bias and policy, and the reward ahead of the teacher's."""
    rows = []
    parts = {name: {m: np.split(x[m], len(BIASES_HZ)) for m in METRICS} for name, x in found.found.items()}
    for i, bias in enumerate(BIASES_HZ):
        for name, metrics in parts.items():
            row: bench.Row = {"what": "cases", "vehicles": vehicles, "bias": bias, "policy": name, "teacher": teacher}
            for metric in METRICS:
                it = interval(metrics[metric][i])
                row |= {metric: it.mean, f"{metric}_half": it.half}
            gap = bootstrap(metrics["reward"][i] - parts[teacher]["reward"][i])
            rows.append(
                row | {"sees": found.sees[name], "ahead": gap.mean, "ahead_low": gap.low, "ahead_high": gap.high}
            )
    return rows


def page(rows: list[bench.Row]) -> str:
    """As Markdown: a table of rewards per bias, the best first."""
    numbers, policies = sorted({row["vehicles"] for row in rows}), list(dict.fromkeys(row["policy"] for row in rows))
    parts = []
    for bias in BIASES_HZ:
        by = {(row["policy"], row["vehicles"]): row for row in rows if row["bias"] == bias}
        head = " | ".join(f"N = {n}: reward | ahead of {rows[0]['teacher']}" for n in numbers)
        lines = [f"Bias {bias}", "", f"| policy | {head} |", "|" + "---|" * (1 + 2 * len(numbers))]
        for name in sorted(policies, key=lambda name: -np.mean([by[name, n]["reward"] for n in numbers])):
            cells = []
            for r in (by[name, n] for n in numbers):
                gap = Gap(r["ahead"], r["ahead_low"], r["ahead_high"])
                cells.append(f"{r['reward']:.3f} ± {r['reward_half']:.3f} | {gap}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def draw(rows: list[bench.Row], file: Path) -> None:
    """Reward, energy, latency and QoS over the number of vehicles at no bias."""
    policies = list(dict.fromkeys(row["policy"] for row in rows))
    panels = []
    for metric, title, scale in SHOWN:
        lines = []
        for name in policies:
            of = [row for row in rows if row["policy"] == name and row["bias"] == "0"]
            x, y, half = ([row[key] for row in of] for key in ("vehicles", metric, f"{metric}_half"))
            kind = "rule" if name not in ("MARL", "SARL") and not name.startswith(("icl", "bc")) else "learned"
            lines.append(plots.Line(name, x, [scale * v for v in y], [scale * v for v in half], kind))
        panels.append((title, "vehicles", lines))
    plots.panels(
        panels, file, title="Deciding from cases", note=f"cases solved by {rows[0]['teacher']}; no bias; 95 % intervals"
    )


def main(arguments: list[str] | None = None) -> Path:
    """Train, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, nargs="+", default=list(range(4, 11)))
    parser.add_argument("--teacher", choices=("MARL", "SARL"), default="SARL")
    parser.add_argument("--slots", type=int, default=512_000, help="of training")
    parser.add_argument("--case-worlds", type=int, default=64)
    parser.add_argument("--episodes", type=int, default=64, help="at each bias")
    parser.add_argument("--runs", type=Path, default=Path("runs/cases"), help="where the learners are kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    rows = []
    for n in args.vehicles:
        policies = {what: learned(what, n, args.slots, args.runs) for what in ("MARL", "SARL")}
        rows += rows_of(compared(n, policies, args.teacher, args), n, args.teacher)
    device = bench.machine()
    file = args.out / f"cases-{bench.slug(device)}.jsonl"
    bench.write([device | row for row in rows], file)
    text = page(rows)
    with replacing(file.with_suffix(".md")) as temporary:
        temporary.write_text(text)
    draw(rows, file.with_suffix(".png"))
    print(text)
    return file


if __name__ == "__main__":
    main()
