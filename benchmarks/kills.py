"""Trainings that are killed at random moments: do they end to the bit as if they had not been? `python benchmarks/kills.py`.

Small trainings of several learners and environments run in processes of their own, with a checkpoint after every chunk. Each
is killed (SIGKILL) up to six times: while it starts, at a random moment of training, while a checkpoint is written, while one is
read back; then it may end. Its last state and all its metrics are compared with those of a training that nobody disturbed. It
spends the minutes that it is given, goes on from what `kills-DEVICE.jsonl` holds, and writes `kills-DEVICE.md`.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

UPDATES, CHUNK = 120, 6
MOST = 6  # kills of one training
MOMENTS = ("start", "training", "checkpoint", "resumption")


class Case(NamedTuple):
    """A training: of which learner, where, and how small."""

    learner: str
    env: str
    settings: dict[str, Any]
    sizes: dict[str, Any]


ON_POLICY = {"n_worlds": 4, "hidden": (4,), "epochs": 1, "minibatches": 1}
OFF_POLICY = {"n_worlds": 4, "hidden": (4,), "batch_size": 16, "capacity": 256}
CASES = {
    "mappo": Case("mappo", "isac_iov", ON_POLICY, {"n_vehicles": 2, "horizon": 3}),
    "ippo with a GRU": Case("ippo", "dt_edge", ON_POLICY | {"gru": 4}, {"n_vehicles": 2, "horizon": 3}),
    "maddpg": Case("maddpg", "v2x_offload", OFF_POLICY, {"n_vehicles": 2, "horizon": 3}),
    "masac": Case("masac", "twin_migration", OFF_POLICY, {"n_vehicles": 2, "horizon": 3}),
    "qmarl": Case(
        "qmarl", "dt_edge", ON_POLICY | {"n_qubits": 2, "n_circuit_layers": 1}, {"n_vehicles": 2, "horizon": 3}
    ),
    "apg": Case(
        "apg", "isac_iov", {"n_worlds": 4, "hidden": (4,), "rollout_length": 3}, {"n_vehicles": 2, "horizon": 3}
    ),
    "mappo, several seeds": Case("mappo", "urllc_vec", ON_POLICY, {"horizon": 3}),
}


def work(name: str, folder: Path) -> None:
    """A training in a process of its own, which tells what it is about, and at the end a digest of all that came of it.

    Args:
        name: of the case.
        folder: of the run, in which it begins or goes on.
    """
    import jax

    from jaxvec import learners, make
    from jaxvec.training import checkpoints, metrics, signals, train

    def telling(cls: Any, method: str, word: str) -> None:
        real = getattr(cls, method)

        def told(*args: Any, **kwargs: Any) -> Any:
            print(word, flush=True)
            return real(*args, **kwargs)

        setattr(cls, method, told)

    telling(checkpoints.Checkpoints, "restore", "resumption")
    telling(checkpoints.Checkpoints, "save", "checkpoint")
    telling(signals.Signals, "heard", "training")
    case = CASES[name]
    env, params = make(case.env, **case.sizes)
    learner, seeds = learners.make(case.learner, env, **case.settings), 2 if "seeds" in name else 1
    options = {"num_seeds": seeds, "chunk": CHUNK, "resume": True, "checkpoint_every_s": 0.0, "progress": False}
    state = train(learner, params, jax.random.key(0), UPDATES, out=folder, **options).state
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(state):
        key = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        digest.update(np.asarray(jax.random.key_data(leaf) if key else leaf).tobytes())
    for metric, x in metrics.read_metrics(folder).items():
        if metric != "seconds":
            digest.update(metric.encode() + x.tobytes())
    print(f"done {digest.hexdigest()}", flush=True)


class Worker:
    """A training in another process.

    Args:
        name: of the case.
        folder: of the run.
    """

    def __init__(self, name: str, folder: Path):
        command = [sys.executable, __file__, "--work", name, str(folder)]
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._errors = folder.with_name(f"{folder.name}.err")
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self._started = time.perf_counter()
        self.told: list[tuple[str, float]] = []  # words, and seconds since the start

    def hear(self, words: tuple[str, ...] = ("done",)) -> str:
        """The next of these words that it tells, or "" if it ends before; "done" comes with a digest."""
        for line in self._process.stdout or ():
            self.told.append((line.strip(), time.perf_counter() - self._started))
            if line.split()[0] in (*words, "done"):
                return line.strip()
        return ""

    def kill(self) -> float:
        """End it now; returns its age [s]."""
        self._process.kill()
        self._process.wait()
        return time.perf_counter() - self._started

    def failure(self) -> str:
        """What it wrote last before it ended by itself."""
        self._process.wait()
        return f"status {self._process.returncode}: {self._errors.read_text()[-300:]}"


def undisturbed(name: str, folder: Path) -> tuple[str, dict[str, float]]:
    """The digest of a training that nobody kills, and how long its parts last, by moment [s].

    Args:
        name: of the case.
        folder: of the run.
    Raises:
        RuntimeError: it failed.
    """
    Worker(name, folder.with_name("compiling")).hear()  # so that both kinds of training read the program from the cache
    worker = Worker(name, folder)
    done = worker.hear()
    if not done:
        raise RuntimeError(f"{name}: {worker.failure()}")
    begun = next(at for word, at in worker.told if word == "training")
    saves = [b[1] - a[1] for a, b in zip(worker.told, worker.told[1:], strict=False) if a[0] == "checkpoint"]
    lasts = {"start": begun, "training": worker.told[-1][1] - begun, "checkpoint": float(np.median(saves))}
    return done, lasts | {"resumption": 2 * lasts["checkpoint"]}


def disturbed(name: str, folder: Path, whole: str, lasts: dict[str, float], rng: np.random.Generator) -> dict[str, Any]:
    """A training that is killed up to `MOST` times before it may end.

    Args:
        name: of the case.
        folder: of the run.
        whole: digest of the undisturbed one.
        lasts: how long its parts last [s].
        rng: of moments.
    Returns:
        The case, its kills (each with its moment, age of the process [s] and newest checkpoint), whether it ended in the same
        bits, and what it said if it failed.
    """
    kills: list[dict[str, Any]] = []
    done = ""
    while not done:
        worker = Worker(name, folder)
        moment = str(rng.choice(MOMENTS)) if len(kills) < MOST else ""
        if moment != "start":
            for _ in range(rng.integers(1, 5) if moment == "checkpoint" else 1):
                heard = worker.hear((moment, *(("training",) if moment == "resumption" else ())) if moment else ())
                if not heard.startswith(MOMENTS):  # it has ended meanwhile
                    break
            if not heard.startswith(MOMENTS):
                done = heard or worker.failure()
                break
            moment = heard
        time.sleep(rng.uniform(0, lasts[moment]))
        after_s = worker.kill()
        there = folder / "checkpoints"
        updates = [int(p.name) for p in there.iterdir() if p.name.isdecimal()] if there.exists() else []
        kills.append({"moment": moment, "after_s": round(after_s, 3), "update": max(updates, default=0)})
    failed = {} if done.startswith("done") else {"failure": done}
    return {"case": name, "kills": kills, "equal": done == whole, **failed}


def page(rows: list[dict[str, Any]], where: str) -> str:
    """A line per case, and what was done.

    Args:
        rows: of `disturbed`.
        where: machine and versions.
    """
    lines = [f"| training | system | trainings killed | kills | {' | '.join(MOMENTS)} | ended to the bit |"]
    lines.append("|---" * (5 + len(MOMENTS)) + "|")
    for name, case in CASES.items():
        mine = [row for row in rows if row["case"] == name and row["kills"]]
        at = Counter(kill["moment"] for row in mine for kill in row["kills"])
        counts = " | ".join(str(at[moment]) for moment in MOMENTS)
        equal = f"{sum(row['equal'] for row in mine)} of {len(mine)}"
        lines.append(f"| {name} | `{case.env}` | {len(mine)} | {sum(at.values())} | {counts} | {equal} |")
    total = sum(len(row["kills"]) for row in rows)
    how = (
        f"{total} SIGKILLs at random moments: while a process starts or compiles, anywhere in training, while a checkpoint is "
        f"written, while one is read. Trainings of {UPDATES} updates with a checkpoint every {CHUNK}; the last state, keys and "
        "optimizers included, and every metric are compared bit by bit with a training that nobody disturbed."
    )
    return "\n\n".join(["\n".join(lines), how, where]) + "\n"


def main(arguments: list[str] | None = None) -> Path:
    """Kill trainings for some minutes; returns the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="to spend now")
    parser.add_argument("--kills", type=int, default=100, help="in all, those of earlier calls included")
    parser.add_argument(
        "--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE", help=", ".join(CASES)
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    parser.add_argument("--work", nargs=2, metavar=("CASE", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    cache = str(Path(tempfile.gettempdir()) / f"jaxvec-kills-{os.getuid()}")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    if args.work:
        work(args.work[0], Path(args.work[1]))
        return Path(args.work[1])
    from jaxvec.bench import machine, slug
    from jaxvec.core.files import write_text

    here = machine()
    file = args.out / f"kills-{slug(here)}.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    until, rng, wholes = time.monotonic() + 60 * args.minutes, np.random.default_rng(), {}
    with tempfile.TemporaryDirectory() as folder:
        while sum(len(row["kills"]) for row in rows) < args.kills and time.monotonic() < until:
            name = min(args.cases, key=lambda case: sum(len(row["kills"]) for row in rows if row["case"] == case))
            if name not in wholes:
                wholes[name] = undisturbed(name, Path(folder) / name / "whole")
            rows.append(disturbed(name, Path(folder) / name / str(len(rows)), *wholes[name], rng))
            print(rows[-1], flush=True)
            with file.open("a") as log:
                log.write(json.dumps(rows[-1]) + "\n")
    versions = ", ".join(f"{what} {here[what]}" for what in ("jaxvec", "python", "jax", "jaxlib"))
    made = f"{here['device']}, {here['cores']} cores, {here['date']}; {versions}."
    write_text(file.with_suffix(".md"), page(rows, made))
    if bad := [row for row in rows if not row["equal"]]:
        raise SystemExit(f"{len(bad)} of {len(rows)} trainings did not end to the bit: {bad[0]}")
    return file.with_suffix(".md")


if __name__ == "__main__":
    main()
