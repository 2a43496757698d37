"""Two devices against one on the same two cores, and what that says of many GPUs: `python benchmarks/devices.py`.

For each learner and environment two processes compile the same update, one for one forced host device and one for two, as the
number of devices is fixed when JAX starts. They run in turns, a round of each after a round of each, every other round backwards;
the ratio is the median over rounds. From the compiled programs come what an update computes and what it moves between devices
(`jaxvec.bench_program`), and from these weak scaling on paper (`scaling.py`). Kernels of a slot are counted for every system.

It goes on where it was stopped: `devices-DEVICE.jsonl` has a row as soon as it is measured, `devices-DEVICE.md` the tables.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scaling
from kept import Kept, Row, markdown

ENVS = ("isac_iov", "v2x_offload")
LEARNERS = ("ippo", "mappo", "apg", "maddpg", "masac", "qmarl")
CORES = 2
STEP_WORLDS = 1024  # at which kernels of a slot are counted
GPU_WORLDS = 4096  # on each GPU, on paper
SCALES = (8, 64)
LESS = 3  # so many times less may C be, where a GPU has fewer kernels
CASES = "2026-11-26-systems-nvidia-h200.jsonl"  # what was measured on a GPU, beside which what is on paper stands
ASSUMED = """On paper, not measured. Each GPU has {worlds} worlds, so that n GPUs have n times as many, and off-policy
learners n times the batch; FLOPs and bytes grow with the worlds of a GPU, kernels and all-reduces stay as many. An update
takes C without all-reduces, the largest of its kernels at {kernel_s:g} s, its FLOPs at {flops_per_s:.3g}/s (float32 without
tensor cores) and its bytes at {memory_bytes_per_s:.3g}/s. An all-reduce of B bytes on n GPUs, m of them in a node (up to
{gpus_per_node}) of k nodes, takes

    R = a + 2 log2(m) b + 2 log2(k) c + 2 (m - 1)/m B/NVLink + 2 (k - 1)/k (B/m)/InfiniBand

with a = {kernel_s:g} s, b = {nvlink_hop_s:g} s and c = {infiniband_hop_s:g} s assumed, NVLink {nvlink_bytes_per_s:.3g} B/s
each way and InfiniBand {infiniband_bytes_per_s:.3g} B/s (400 Gb/s), an adapter per GPU. n GPUs then are n C / (C + sum of R)
times as fast as one: nothing overlaps, and nobody waits for a slower one. Kernels are those of the program for a CPU; a GPU
fuses otherwise, and where an update was measured, C can be compared. The columns with a smaller C say what remains if it is
so much less. A learner that gathers samples of all devices computes them on each, and does not scale so."""


def work(devices: int, env_id: str, name: str) -> None:
    """In a process of its own: compile, tell what was compiled, then so many updates for each line that is read.

    Args:
        devices: forced ones of the host.
        env_id, name: of the environment and the learner.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    from jaxvec import bench_program
    from jaxvec.bench import train_case
    from jaxvec.core import cache
    from jaxvec.core.make import make

    cache.enable()
    case = train_case(*make(env_id), name)
    text, cost = case.program.as_text(), case.program.cost_analysis() or {}
    told = {name: x for name, x in case.row.items() if name != "settings"} | bench_program.count(text)
    moved = [one._asdict() for one in bench_program.collectives(text)]
    xla = {f"xla_{name}": cost.get(word) for name, word in (("flops", "flops"), ("bytes", "bytes accessed"))}
    print(json.dumps(told | xla | {"moved": moved, "steps": case.steps, "jax": jax.__version__}), flush=True)
    for i, line in enumerate(sys.stdin):
        start, cpu = time.perf_counter(), time.process_time()
        case.call(i, int(line))
        print(json.dumps([time.perf_counter() - start, time.process_time() - cpu]), flush=True)


class Worker:
    """`work` in another process.

    Args:
        devices, env_id, name: as `work` takes them.
        log: where its errors go.
    """

    def __init__(self, devices: int, env_id: str, name: str, log: Path):
        command = [sys.executable, __file__, "--work", str(devices), env_id, name]
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def heard(self) -> Any:
        """The next that it tells.

        Raises:
            RuntimeError: it ended instead.
        """
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the worker ended: {self._log.read_text()[-500:]}")
        return json.loads(line)

    def seconds(self, updates: int) -> list[float]:
        """How long so many updates take it, by the clock and of its cores' time."""
        if self._process.stdin:
            print(updates, file=self._process.stdin, flush=True)
        return self.heard()

    def end(self) -> None:
        """Lets it end."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()


def measured(env_id: str, name: str, rounds: int, seconds: float, folder: Path) -> Row:
    """Updates on one device and on two, in turns.

    Args:
        env_id, name: of the environment and the learner.
        rounds, seconds: of each, and about how long a round of one lasts.
        folder: for errors.
    """
    workers = [Worker(n, env_id, name, folder / f"{env_id}-{name}-{n}.err") for n in (1, 2)]
    try:
        one, two = (worker.heard() for worker in workers)
        units = [max(1, round(seconds / min(worker.seconds(1)[0] for _ in range(3)))) for worker in workers]
        took = np.zeros((2, rounds, 2))
        for i in range(rounds):
            for j in (0, 1) if i % 2 == 0 else (1, 0):
                took[j, i] = np.asarray(workers[j].seconds(units[j])) / units[j]
    finally:
        for worker in workers:
            worker.end()
    if (one["sharded_over"], two["sharded_over"]) != (1, 2):
        raise RuntimeError(f"{name} on {env_id} shared its worlds over {two['sharded_over']} devices, not two")
    by_clock, of_cores = took[..., 0], took[..., 1]
    ratios = by_clock[0] / by_clock[1]
    counts = ("kernels", "flops", "transcendentals", "bytes", "xla_flops", "xla_bytes")
    return {
        "what": "devices",
        **{name: one[name] for name in ("env", "learner", "worlds", "agents", "steps", "jax", *counts)},
        "moved": two["moved"],
        "one_s": float(np.median(by_clock[0])),
        "two_s": float(np.median(by_clock[1])),
        "times": float(np.median(ratios)),
        "cores_times": float(np.median(of_cores[1] / of_cores[0])),
        "fastest_times": float(by_clock[0].min() / by_clock[1].min()),
        "times_low": float(ratios.min()),
        "times_high": float(ratios.max()),
        "by_round_s": by_clock.tolist(),
        "by_round_cores_s": of_cores.tolist(),
        "load_1min": load(),
    }


def load() -> float:
    """Jobs that wanted a core in the last minute, these processes among them."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


def step_kernels() -> list[Row]:
    """Kernels, bytes and FLOPs of a compiled slot of every system."""
    from jaxvec.bench import compiled_step
    from jaxvec.core.make import env_ids, make

    return [
        {"what": "step", "env": name, "worlds": STEP_WORLDS, **compiled_step(*make(name), STEP_WORLDS)}
        for name in sorted(env_ids())
    ]


# The page


def reduces(row: Row) -> list[tuple[float, float]]:
    """Bytes and times of what is reduced in an update."""
    return [(x["n_bytes"], x["times"]) for x in row["moved"]]


def measured_table(rows: Sequence[Row]) -> str:
    """Two devices against one."""
    head = "environment | learner | worlds | one device, slots/s | two devices, slots/s | two over one | range | fastest rounds"
    lines = [f"{head} | cores' time, two over one | load"]
    for x in rows:
        speeds = " | ".join(f"{x['steps'] / x[f'{n}_s']:.3g}" for n in ("one", "two"))
        between = f"{x['times_low']:.2f} to {x['times_high']:.2f}"
        ratios = (f"{x['times']:.2f}", between, f"{x['fastest_times']:.2f}", f"{x['cores_times']:.2f}")
        cells = (x["env"], x["learner"], x["worlds"], speeds, *ratios, x["load_1min"])
        lines.append(" | ".join(map(str, cells)))
    return markdown(lines)


def moved_table(rows: Sequence[Row]) -> str:
    """What an update computes, and what it moves between devices."""
    head = "environment | learner | slots an update | GFLOP | MB read and written | kernels | all-reduces | of these above 1 kB"
    lines = [f"{head} | kB reduced | largest, kB | others"]
    for x in rows:
        ours = [(one["n_bytes"], one["times"]) for one in x["moved"] if one["kind"] == "all-reduce"]
        others = sorted({one["kind"] for one in x["moved"]} - {"all-reduce"})
        cells = (
            x["env"],
            x["learner"],
            x["steps"],
            f"{x['flops'] / 1e9:.3g}",
            f"{x['bytes'] / 1e6:.0f}",
            x["kernels"],
            sum(times for _, times in ours),
            sum(times for size, times in ours if size > 1000),
            f"{sum(size * times for size, times in ours) / 1e3:.0f}",
            f"{max((size for size, _ in ours), default=0) / 1e3:.0f}",
            ", ".join(others) or "none",
        )
        lines.append(" | ".join(map(str, cells)))
    return markdown(lines)


def scaling_table(rows: Sequence[Row], measured_s: dict[tuple[str, str], float]) -> str:
    """Weak scaling on paper.

    Args:
        rows: of `measured`.
        measured_s: seconds of an update on one GPU, by environment and learner, where they are known.
    """
    head = "environment | learner | C is of | C, ms | measured on an H200, ms"
    for n in SCALES:
        head += f" | all-reduces of {n} GPUs, ms | {n} GPUs, times one | with C / {LESS}"
    lines = [head]
    for x in rows:
        bounds = scaling.bounds_s(x, GPU_WORLDS / x["worlds"])
        by = max(bounds, key=lambda name: bounds[name])
        known = measured_s.get((x["env"], x["learner"]))
        cells = [x["env"], x["learner"], by, f"{1e3 * bounds[by]:.2f}", f"{1e3 * known:.1f}" if known else ""]
        gathers = any(one["kind"] != "all-reduce" for one in x["moved"])
        for n in SCALES:
            moved_s = scaling.reduces_s(reduces(x), n)
            if gathers:
                cells += ["gathers", "", ""]
                continue
            speeds = (n * scaling.efficiency(s, moved_s) for s in (bounds[by], bounds[by] / LESS))
            cells += [f"{1e3 * moved_s:.2f}", *(f"{speed:.1f}" for speed in speeds)]
        lines.append(" | ".join(map(str, cells)))
    return markdown(lines)


def kernels_table(rows: Sequence[Row], slots_s: dict[str, float]) -> str:
    """Kernels of a slot, and the time that they take a GPU.

    Args:
        rows: of `step_kernels`.
        slots_s: seconds of a slot in so many worlds on a GPU, by environment, where they are known.
    """
    head = "environment | kernels a slot | at 4 us each, ms | slots/s then, 1024 worlds | 65536 worlds | bytes a world"
    lines = [f"{head} | measured on an H200, ms | us a kernel"]
    for x in rows:
        slot_s = x["kernel_runs_per_step"] * scaling.H200.kernel_s
        most = " | ".join(f"{worlds / slot_s:.3g}" for worlds in (1024, 65536))
        known = slots_s.get(x["env"])
        cells = [x["env"], x["kernel_runs_per_step"], f"{1e3 * slot_s:.2f}", most, f"{x['moved_bytes_per_step']:.0f}"]
        cells += [f"{1e3 * known:.2f}", f"{1e6 * known / x['kernel_runs_per_step']:.1f}"] if known else ["", ""]
        lines.append(" | ".join(map(str, cells)))
    return markdown(lines)


def page(rows: Sequence[Row], measured_s: dict[tuple[str, str], float], slots_s: dict[str, float], where: str) -> str:
    """Everything as Markdown.

    Args:
        rows: that were kept.
        measured_s: as `scaling_table` takes it.
        slots_s: as `kernels_table` takes it.
        where: machine and versions.
    """
    pairs, steps = ([row for row in rows if row["what"] == what] for what in ("devices", "step"))
    parts = [
        "# Two devices, and many on paper",
        where,
        f"## Two host devices against one, both on {CORES} cores",
        "Medians of rounds in turns. One device, too, uses all cores inside of large kernels. A load well above 2 means that "
        "others were at work: two devices then wait for each other at every sum, and ratios by the clock say little. The time "
        "of the cores says what two devices do in all; above 1 is what being two costs.",
        measured_table(pairs),
        "## What an update computes and moves",
        "From the compiled programs, loops as often as they run: FLOPs, bytes and kernels of one device, all-reduces of two.",
        moved_table(pairs),
        "## Weak scaling on paper",
        scaling_table(pairs, measured_s),
        ASSUMED.format(**dataclasses.asdict(scaling.H200), worlds=GPU_WORLDS),
        "## Kernels of a slot",
        f"Of the compiled slot in {STEP_WORLDS} worlds under random actions, as a CPU has it, loops as often as they run. What "
        "was measured on an H200 had the kernels of its day, which a GPU fuses otherwise: what a kernel takes there is a guide.",
        kernels_table(steps, slots_s),
    ]
    return "\n\n".join(parts) + "\n"


def on_gpu(path: Path) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """Seconds on a GPU of an update in `GPU_WORLDS` worlds, by environment and learner, and of a slot in `STEP_WORLDS`.

    Args:
        path: of rows of `jaxvec.bench`; need not exist.
    """
    from jaxvec import learners
    from jaxvec.core.make import make

    updates, slots = {}, {}
    for row in map(json.loads, path.read_text().splitlines()) if path.exists() else ():
        if row["what"] == "train" and row["worlds"] == GPU_WORLDS and "env" in row:
            learner = learners.make(row["learner"], make(row["env"])[0], n_worlds=GPU_WORLDS)
            updates[row["env"], row["learner"]] = learner.steps_per_update / row["steps_per_s"]
        elif row["what"] == "env" and row["worlds"] == STEP_WORLDS:
            slots[row["env"]] = STEP_WORLDS / row["steps_per_s"]
    return updates, slots


def main(arguments: Sequence[str] | None = None) -> Path:
    """Measure what is missing and write; gives the path of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", default=ENVS)
    parser.add_argument("--learners", nargs="+", default=LEARNERS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each in a round")
    parser.add_argument("--again", action="store_true", help="measure also what is there")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    parser.add_argument("--work", nargs=3, metavar=("DEVICES", "ENV", "LEARNER"), help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.work:
        work(int(args.work[0]), *args.work[1:])
        return args.out
    import tempfile

    from jaxvec.bench import machine, slug
    from jaxvec.core.files import write_text

    here = machine()
    kept = Kept(args.out / f"devices-{slug(here)}.jsonl")
    if args.again or not any(row["what"] == "step" for row in kept.rows):
        for row in step_kernels():
            kept.add(f"step {row['env']}", here | row)
    with tempfile.TemporaryDirectory() as folder:
        for env_id in args.envs:
            for name in args.learners:
                key = f"{env_id} {name}"
                if args.again or key not in kept:
                    row = measured(env_id, name, args.rounds, args.seconds, Path(folder))
                    kept.add(key, here | row)
                    print(f"{key}: two devices {row['times']:.2f} x one, load {row['load_1min']}", flush=True)
    dates = sorted({row["date"] for row in kept.rows})
    versions = ", ".join(f"{what} {here[what]}" for what in ("jaxvec", "python", "jax", "jaxlib"))
    where = f"{here['device']}, {here['cores']} cores, {' to '.join(dict.fromkeys((dates[0], dates[-1])))}; {versions}."
    write_text(kept.path.with_suffix(".md"), page(kept.rows, *on_gpu(args.out / CASES), where))
    return kept.path.with_suffix(".md")


if __name__ == "__main__":
    print(main().read_text())
