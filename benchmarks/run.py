"""Measures jaxvec and its peers in one run: `python benchmarks/run.py`. The words are in README.md beside this file."""

import argparse
import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
import peers
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxvec import bench
from jaxvec.bench import Case, Row, env_case, ratio, step_row, take_turns, team_reward, train_case
from jaxvec.core.devices import usable
from jaxvec.core.files import write_text
from jaxvec.core.make import ENVIRONMENTS, make
from jaxvec.core.rollout import Slot
from jaxvec.envs.isac_iov import env as isac_iov

WORLDS = (1, 64, 1024, 16384)
ANCHOR = 1024  # ratios are given here, or at the number of worlds next to it
SYSTEM_WORLDS = (1, 64, 1024)  # of the systems that no peer is compared with
TRAINED: dict[str, tuple[str, ...]] = {  # who learns where
    "isac_iov": ("ippo", "mappo", "apg"),
    "v2x_offload": ("mappo", "maddpg", "apg"),
    "urllc_vec": ("mappo", "qmarl", "apg"),
    "twin_migration": ("mappo", "apg"),
    "dt_edge": ("mappo", "maddpg", "apg"),
}
ROUNDS, SECONDS = 5, 0.5
QUICK_ROUNDS, QUICK_SECONDS = 3, 0.05


class Report:
    """What was measured so far: speeds, ratios and proofs, printed as they come.

    Args:
        rounds: of every measurement.
        seconds: of a program in a round.
    """

    def __init__(self, rounds: int, seconds: float):
        self.rounds, self.seconds = rounds, seconds
        self.machine = bench.machine() | {"cpu": _cpu()}
        self.load_at_start = _load()
        self.rows: list[Row] = []
        self.ratios: list[Row] = []
        self.proofs: list[Row] = []

    def measure(self, cases: Sequence[Case]) -> list[Row]:
        """Time cases in turns and keep their rows."""
        rows = []
        for row in take_turns(cases, self.rounds, self.seconds):
            rows.append(self.machine | row | {"load_1min": _load()})
            print(f"{row['series']}, {row['worlds']} worlds: {row['steps_per_s']:.4g} steps/s", flush=True)
        self.rows += rows
        return rows

    def compare(self, what: str, ours: Row, theirs: Row, per: str = "agent-step") -> None:
        """Keep the ratio of two rows of one measurement."""
        row = self.machine | {"compared": what} | ratio(ours, theirs, per)
        self.ratios.append(row)
        words = f"{row['ours']} ({row['our_worlds']}) over {row['theirs']} ({row['their_worlds']})"
        print(f"  {what}: {words}, per {per}: {row['times']:.3g}x", flush=True)


def _cpu() -> str:
    """The processor's name, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.*)", info.read_text()) if info.exists() else []
    return names[0] if names else ""


def _load() -> float:
    """Jobs that wanted a core in the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


def anchor(worlds: Sequence[int]) -> int:
    """Where ratios are given."""
    return min(worlds, key=lambda n: abs(math.log2(n / ANCHOR)))


# Environments


def environments(report: Report, env: Any, params: Any, worlds: Sequence[int], with_peers: bool) -> None:
    """Ours and the peers at every number of worlds, in turns, and the ratios between them."""
    known: dict[tuple[str, int], Case] = {}
    rows: list[Row] = []
    for n in worlds:
        cases = _side_by_side(env, params, n, with_peers, twin=n == anchor(worlds))
        known |= {(case.row["series"], n): case for case in cases}
        here = report.measure(cases)
        here[0].update(step_row(env, params, here[0]))
        rows += here
        if n == anchor(worlds):
            _ratios_here(report, here)
    theirs = [row for row in rows if row["env"] == peers.MPE]
    if theirs:
        mine = [row for row in rows if row["what"] == "env"]
        best = [max(group, key=_speed) for group in (mine, theirs)]
        again = take_turns([known[row["series"], row["worlds"]] for row in best], report.rounds, report.seconds)
        report.compare("each at its best", *again)


def _speed(row: Row) -> float:
    return row["agent_steps_per_s"]


def _side_by_side(env: Any, params: Any, n: int, with_peers: bool, twin: bool) -> list[Case]:
    """Ours first; what is sharded over several devices also on one, ours and JaxMARL's alike."""
    devices = usable(n)
    sharded = len(devices) > 1
    cases = [env_case(env, params, n)]
    if sharded:
        cases.append(env_case(env, params, n, devices=devices[:1], label="random actions, one device"))
    if with_peers and not peers.missing("jaxmarl"):
        everywhere = NamedSharding(Mesh(np.asarray(devices), ("worlds",)), PartitionSpec("worlds"))
        cases += [peers.mpe(n)] + ([peers.mpe(n, everywhere)] if sharded else [])
    if with_peers and not peers.missing("gymnax"):
        cases.append(peers.cartpole(n))
    if twin and with_peers:
        cases.append(peers.numpy_twin())
    return cases


def _ratios_here(report: Report, rows: Sequence[Row]) -> None:
    """Ours over the NumPy twin, over JaxMARL's environment as its users run it, and device for device."""
    mine = {row["sharded_over"]: row for row in rows if row["what"] == "env"}
    for row in rows:
        if row["series"].startswith("NumPy"):
            report.compare("NumPy twin", rows[0], row, "world-step")
        elif row["env"] == peers.MPE:
            if row["sharded_over"] == 1:
                report.compare("as each is run", rows[0], row)
            if len(mine) > 1:
                report.compare(f"on {row['sharded_over']} device(s) each", mine[row["sharded_over"]], row)


# Training


def training(report: Report, env: Any, params: Any, worlds: Sequence[int], with_peers: bool) -> None:
    """Our learners, and JaxMARL's IPPO at its own number of worlds and at ours, over which ours of its kind are compared."""
    cases = [train_case(env, params, name, n_worlds=n) for n in worlds for name in TRAINED[env.id]]
    if with_peers and not peers.missing("jaxmarl"):
        cases += [peers.mpe_ippo(n) for n in sorted({peers.Settings().n_envs, *worlds})]
    rows = report.measure(cases)
    theirs = [row for row in rows if row["what"] == "peer"]
    for name in ("ippo", "mappo") if theirs else ():
        mine = [row for row in rows if row["what"] == "train" and row["learner"] == name]
        report.compare(f"training, {name}", max(mine, key=_speed), max(theirs, key=_speed))


# The other systems


def systems(
    report: Report, env_ids: Sequence[str], worlds: Sequence[int], train: bool, train_worlds: int | None
) -> None:
    """Environments with random actions at every number of worlds, and training, in so many or as many as a learner's own."""
    more = {} if train_worlds is None else {"n_worlds": train_worlds}
    for env_id in env_ids:
        env, params = make(env_id)
        for n in worlds:
            (row,) = report.measure([env_case(env, params, n)])
            row.update(step_row(env, params, row))
        if train:
            report.measure([train_case(env, params, name, **more) for name in TRAINED.get(env_id, ("mappo", "apg"))])


# Unused info


def unused_info(report: Report, env: Any, params: Any, worlds: int) -> None:
    """The rollout that keeps only rewards, as it is and with the code that computes info taken out; and one that keeps info."""

    def with_info(slot: Slot) -> Any:
        return team_reward(slot), {name: x for name, x in slot.ts.info.items() if x.ndim == 1}

    dropped = env_case(env, params, worlds, label="info dropped")
    with mock.patch.object(isac_iov, "measure", return_value={}):
        without = env_case(env, params, worlds, label="no info computed")
    cases = [dropped, without, env_case(env, params, worlds, label="scalar info kept", select=with_info)]
    rows = report.measure(cases)
    programs = [_program(case, worlds) for case in cases]
    for row, program in zip(rows, programs, strict=True):
        row.update(program, what="info")
    report.proofs.append(
        report.machine | {"what": "proof", "claim": "unused info costs nothing", "holds": programs[0] == programs[1]}
    )
    report.compare("info dropped", rows[0], rows[1], "world-step")
    report.compare("info kept", rows[2], rows[1], "world-step")


def _program(case: Case, worlds: int) -> Row:
    """The compiler's own count of a program, a loop's body counted once."""
    cost = case.program.cost_analysis() or {}
    kinds = Counter(re.findall(r"= .*? ([a-z][a-z0-9-]*)\(", case.program.as_text()))
    return {
        "flops": cost.get("flops", float("nan")) / worlds,
        "transcendentals": cost.get("transcendentals", float("nan")) / worlds,
        "bytes": cost.get("bytes accessed", float("nan")) / worlds,
        "instructions": sum(kinds.values()),
        "by_kind": dict(sorted(kinds.items())),
    }


# Results


def write(report: Report, folder: Path) -> Path:
    """The JSON lines, the table and the plot, under a name of the day and the device. Gives the path of the table."""
    path = folder / f"{report.machine['date']}-{bench.slug(report.machine)}.jsonl"
    rows = [*report.rows, *report.ratios, *report.proofs]
    bench.write(rows, path)
    write_text(path.with_suffix(".md"), page(report))
    curves = [row for row in report.rows if row["what"] in ("env", "peer") and "learner" not in row]
    try:
        from jaxvec.viz.plots import throughput
    except ImportError:
        print("no plot: jaxvec.viz.plots.throughput is not there")
    else:
        throughput(curves, path.with_suffix(".png"))
    return path.with_suffix(".md")


def page(report: Report) -> str:
    """Everything as Markdown."""
    m = report.machine
    versions = ", ".join(f"{name} {m[name]}" for name in ("commit", "python", "jaxvec", "jax", "jaxlib", "numpy"))
    used = {name: row[name] for row in report.rows for name in ("jaxmarl", "gymnax") if name in row}
    versions += "".join(f", {name} {version}" for name, version in used.items())
    speeds = [row for row in report.rows if row["what"] != "info"]
    parts = [
        f"# {m['date']}, {m['device']}",
        f"{m['cpu'] or m['device']}, {m['cores']} cores, {m['devices']} {m['platform']} device(s); {versions}.",
        f"{report.rounds} rounds of about {report.seconds:g} s a program, in turns; load {report.load_at_start} before and "
        f"{_load()} after.",
        "## Speeds",
        bench.table(speeds),
    ]
    if report.ratios:
        parts += ["## Ratios", _ratios(report.ratios)]
    info = [row for row in report.rows if row["what"] == "info"]
    if info:
        says = f"With info dropped and with none computed, the counts are{'' if report.proofs[0]['holds'] else ' NOT'} the same."
        parts += ["## Unused info", _programs(info), says]
    return "\n\n".join(parts) + "\n"


def _ratios(rows: Sequence[Row]) -> str:
    lines = ["| compared | ours | worlds | over | worlds | per | times | range |", "|" + " --- |" * 8]
    for r in rows:
        between = f"{r['times_low']:.3g} to {r['times_high']:.3g}"
        cells = (
            r["compared"],
            r["ours"],
            r["our_worlds"],
            r["theirs"],
            r["their_worlds"],
            r["per"],
            f"{r['times']:.3g}",
        )
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} | {between} |")
    return "\n".join(lines)


def _programs(rows: Sequence[Row]) -> str:
    head = ("program", "worlds", "flops", "transcendentals", "bytes", "instructions", "steps/s")
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for r in rows:
        counts = f"{r['flops']:.6g} | {r['transcendentals']:.6g} | {r['bytes']:.6g} | {r['instructions']}"
        lines.append(f"| {r['series']} | {r['worlds']} | {counts} | {r['steps_per_s']:.3g} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Measure and write; gives the path of the table."""
    parser = argparse.ArgumentParser(description="Measure jaxvec and its peers in one run.")
    parser.add_argument("--worlds", type=int, nargs="+", default=WORLDS, help="numbers of parallel worlds")
    parser.add_argument("--train-worlds", type=int, nargs="+", default=[64], help="numbers of worlds in training")
    parser.add_argument(
        "--systems", nargs="*", default=[name for name in ENVIRONMENTS if name != "isac_iov"], help="others"
    )
    parser.add_argument(
        "--system-worlds", type=int, nargs="+", default=SYSTEM_WORLDS, help="numbers of worlds of these"
    )
    parser.add_argument("--system-train-worlds", type=int, help="in training on these; a learner's own if not given")
    parser.add_argument("--quick", action="store_true", help="a few short rounds: to see that it works, not to measure")
    parser.add_argument("--no-train", action="store_true", help="leave training out")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    args = parser.parse_args(arguments)

    bench.all_cores()
    start = time.perf_counter()
    report = Report(*((QUICK_ROUNDS, QUICK_SECONDS) if args.quick else (ROUNDS, SECONDS)))
    for name in () if args.no_peers else ("jaxmarl", "gymnax"):
        if why := peers.missing(name):
            print(f"skipped: {why}; it comes with `pip install 'jaxvec[bench]'`", flush=True)
    env, params = make("isac_iov")
    worlds = sorted(set(args.worlds))
    environments(report, env, params, worlds, not args.no_peers)
    unused_info(report, env, params, anchor(worlds))
    if not args.no_train:
        training(report, env, params, args.train_worlds, not args.no_peers)
    systems(report, args.systems, sorted(set(args.system_worlds)), not args.no_train, args.system_train_worlds)
    table = write(report, args.out)
    print(table.read_text())
    print(f"{jax.default_backend()}: {time.perf_counter() - start:.0f} s; written to {table.parent}", flush=True)
    return table


if __name__ == "__main__":
    main(sys.argv[1:])
