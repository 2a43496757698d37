"""What a GPU is to be asked in ten minutes: `python benchmarks/gpu.py --minutes 10`; again, to go on where it was.

In the order of what is most wanted: the bandwidth of the device; kernels and bytes of a slot of every system, and its speed in
1024 to 65536 worlds; training of every learner on every system, at twice as many worlds again and again until agent-steps per
second grow by less than 15 %; circuits; and seconds from the start of a process to the end of its first update, with an empty
compilation cache and with a full one. Programs are compiled in threads, as many as `--threads`, while others are timed, one at
a time; on a CPU one after the other, or what is timed would wait for what is compiled. A row is written as soon as it is there,
also one that says why something failed (not enough memory, say): `gpu-DEVICE.jsonl` holds them, `gpu-DEVICE.md` the tables. When
the minutes are over it ends, whatever is compiled then; killed, it has lost only that.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_page import page
from kept import Kept, Row

WORLDS = (1024, 4096, 16384, 65536)
GROWTH = 1.15  # of agent-steps per second, below which twice the worlds are not worth it
FIRST = ("mappo", "apg", "maddpg", "qmarl", "masac", "ippo")  # learners, the others follow
ROUNDS, SECONDS = 5, 0.5
COPY_BYTES = {"cpu": 2**27}  # of the array by which bandwidth is measured; elsewhere 2**30
QUBITS, BATCHES = 6, (256, 65536)


@dataclass(frozen=True)
class Job:
    """Something to be measured.

    Attributes:
        key: of its row.
        prepare: what may be done beside others: compiling.
        measure: of what was prepared, a row.
        is_due: with the rows so far, whether it is to be done: True, False (never), or None (not yet).
    """

    key: str
    prepare: Callable[[], Any]
    measure: Callable[[Any], Row]
    is_due: Callable[[Kept], bool | None] = lambda kept: True


# What is asked


def plan(env_ids: Sequence[str], names: Sequence[str], worlds: Sequence[int], until: float) -> list[Job]:
    """All jobs, the most wanted first.

    Args:
        env_ids, names: of environments and learners.
        worlds: numbers of them, for environments; training begins at the least and ends at the most.
        until: of `time.monotonic()`, when processes are to have ended.
    """
    few, most = min(worlds), max(worlds)
    jobs = [Job("bandwidth", lambda: None, lambda _: bandwidth())]
    jobs += [step(env_id, few) for env_id in env_ids]
    jobs += [acting(env_id, n) for n in dict.fromkeys((most, few)) for env_id in env_ids]
    jobs += [job for env_id in env_ids for job in search(env_id, names[0], few, most)]
    jobs += [start(env_id, names[0], until) for env_id in env_ids]
    jobs += [circuit(batch, gradient) for batch in BATCHES for gradient in (False, True)]
    jobs += [job for name in names[1:] for env_id in env_ids for job in search(env_id, name, few, most)]
    jobs += [acting(env_id, n) for n in worlds if n not in (few, most) for env_id in env_ids]
    return jobs + [start(env_id, name, until) for name in names[1:] for env_id in env_ids]


def bandwidth() -> Row:
    """Bytes per second of a copy."""
    import jax

    from jaxvec.bench import copy_bandwidth

    size = COPY_BYTES.get(jax.default_backend(), 2**30)
    return {"what": "bandwidth", "bytes": size, "bytes_per_s": copy_bandwidth(size)}


def step(env_id: str, worlds: int) -> Job:
    """Kernels, bytes and FLOPs of a slot."""

    def prepare() -> Row:
        from jaxvec.bench import compiled_step
        from jaxvec.core.make import make

        return {"what": "step", "env": env_id, "worlds": worlds, **compiled_step(*make(env_id), worlds)}

    return Job(f"step {env_id}", prepare, lambda row: row)


def acting(env_id: str, worlds: int) -> Job:
    """The speed of an environment under random actions."""

    def prepare() -> Any:
        from jaxvec.bench import env_case
        from jaxvec.core.make import make

        return env_case(*make(env_id), worlds)

    return Job(f"env {env_id} {worlds}", prepare, timed)


def search(env_id: str, name: str, few: int, most: int) -> Iterator[Job]:
    """Training at twice as many worlds again and again, each due once the one before has shown that it is worth it."""

    def prepare(worlds: int) -> Any:
        from jaxvec import bench_program
        from jaxvec.bench import train_case
        from jaxvec.core.make import make

        case = train_case(*make(env_id), name, n_worlds=worlds)
        case.row.update(bench_program.count(case.program.as_text()), slots_per_update=case.steps)
        return case

    worlds, before = few, list[str]()
    while worlds <= most:
        key = f"train {env_id} {name} {worlds}"
        yield Job(key, lambda n=worlds: prepare(n), timed, lambda kept, keys=tuple(before[-2:]): grows(kept, keys))
        before.append(key)
        worlds *= 2


def grows(kept: Kept, keys: Sequence[str]) -> bool | None:
    """Whether more worlds are to be tried.

    Args:
        kept: the rows so far.
        keys: of the last two tries, as far as there were.
    Returns:
        None if the last of them is not there yet; False if it failed or grew by less than `GROWTH`, or was not tried for that.
    """
    if not keys:
        return True
    speeds = [kept.get(key).get("agent_steps_per_s") for key in keys]
    if keys[-1] not in kept:
        return None
    if speeds[-1] is None:
        return False
    return len(speeds) < 2 or speeds[-1] >= GROWTH * speeds[0]


def timed(case: Any) -> Row:
    """The median speed of a case, and its range."""
    from jaxvec.bench import take_turns

    (row,) = take_turns([case], ROUNDS, SECONDS)
    return row


def circuit(batch: int, gradient: bool) -> Job:
    """The quantum layer: forward, or value and gradient."""

    def prepare() -> Any:
        import quantum

        return quantum.case("jaxvec", QUBITS, "reupload", batch, gradient)

    return Job(f"circuit {batch} {'gradient' if gradient else 'forward'}", prepare, timed)


def start(env_id: str, name: str, until: float) -> Job:
    """Seconds from the start of a process to its first update, with an empty cache and with what that left."""

    def measure(_: Any) -> Row:
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o700)
            environ = {**os.environ, "JAXVEC_CACHE": str(Path(folder) / "cache")}
            took = []
            for _ in range(2):
                begun = time.perf_counter()
                command = [sys.executable, __file__, "--start", env_id, name]
                left_s = max(0.0, until - time.monotonic())
                done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=left_s)
                took.append(time.perf_counter() - begun)
                if done.returncode:
                    raise RuntimeError(done.stderr[-300:])
        return {"what": "start", "env": env_id, "learner": name, "cold_s": took[0], "warm_s": took[1]}

    return Job(f"start {env_id} {name}", lambda: None, measure)


def started(env_id: str, name: str) -> None:
    """One update, in a process of its own."""
    import jax

    from jaxvec import learners, make, train

    env, params = make(env_id)
    train(learners.make(name, env), params, jax.random.key(0), 1, progress=False)


# Doing it


def do(jobs: Sequence[Job], kept: Kept, here: Row, until: float, threads: int) -> bool:
    """Measure what is not there yet, as long as there is time.

    Args:
        jobs: the most wanted first.
        kept: rows, which it adds to.
        here: what every row says of the machine.
        until: of `time.monotonic()`, when to end.
        threads: that compile beside what is measured; 0: compile in turn.
    Returns:
        Whether all is done that is due.
    """
    pool, doing = ThreadPoolExecutor(max(threads, 1)), dict[Future[Any], Job]()
    try:
        while time.monotonic() < until:
            begun = {job.key for job in doing.values()}
            open_jobs = [job for job in jobs if job.key not in kept and job.key not in begun]
            due = [job for job in open_jobs if job.is_due(kept)]
            for job in due[: max(threads, 1) - len(doing)]:
                doing[pool.submit(job.prepare)] = job
            if not doing:
                return not due
            ready, _ = wait(doing, max(0.0, until - time.monotonic()), FIRST_COMPLETED)
            for future in sorted(ready, key=lambda future: jobs.index(doing[future])):
                if time.monotonic() < until:
                    finish(doing.pop(future), future, kept, here)
        return False
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def finish(job: Job, prepared: Future[Any], kept: Kept, here: Row) -> None:
    """Measure what was prepared and keep the row, of a failure too: what does not fit does not fit at the next try."""
    try:
        row = job.measure(prepared.result())
    except subprocess.TimeoutExpired:  # the minutes are over: it begins anew at the next call
        return
    except Exception as error:  # of any kind: out of memory, a learner that does not suit, a process that ended
        row = {"what": "failure", "why": f"{type(error).__name__}: {error}"[:300]}
    kept.add(job.key, here | row | {"at": time.strftime("%Y-%m-%d %H:%M:%S")})
    print(f"{job.key}: {said(row)}", flush=True)


def said(row: Row) -> str:
    """A row in a few words."""
    for name, words in (("agent_steps_per_s", "agent-steps/s"), ("bytes_per_s", "bytes/s"), ("warm_s", "s, warm")):
        if name in row:
            return f"{row[name]:.4g} {words}"
    return row.get("why") or f"{row['kernel_runs_per_step']} kernels"


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="to spend now")
    parser.add_argument(
        "--worlds", type=int, nargs="+", default=WORLDS, help="of environments; least and most in training"
    )
    parser.add_argument("--envs", nargs="+", help="all, if not given")
    parser.add_argument("--learners", nargs="+", help="all, if not given; the first is the most wanted")
    parser.add_argument(
        "--threads", type=int, help="that compile; 0 on a CPU, elsewhere half of the cores if not given"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    parser.add_argument("--start", nargs=2, metavar=("ENV", "LEARNER"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Measure for some minutes; gives the path of the page."""
    until = time.monotonic()
    args = options(arguments)
    until += 60 * args.minutes
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # other processes start on the same device
    if args.start:
        started(*args.start)
        return args.out
    from jaxvec import learners
    from jaxvec.bench import machine, slug
    from jaxvec.core import cache
    from jaxvec.core.files import write_text
    from jaxvec.core.make import env_ids

    cache.disable()
    here = machine()
    kept = Kept(args.out / f"gpu-{slug(here)}.jsonl")
    names = args.learners or list(dict.fromkeys((*FIRST, *sorted(learners.LEARNERS))))
    threads = (
        args.threads if args.threads is not None else 0 if here["platform"] == "cpu" else (here["cores"] or 2) // 2
    )
    jobs = plan(args.envs or sorted(env_ids()), names, sorted(set(args.worlds)), until)
    do(jobs, kept, here, until, threads)
    left = sum(job.key not in kept and job.is_due(kept) is not False for job in jobs)
    write_text(kept.path.with_suffix(".md"), page(kept.rows, left, f"{ROUNDS} rounds of about {SECONDS} s"))
    print(kept.path.with_suffix(".md").read_text())
    return kept.path.with_suffix(".md")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # threads that still compile are not waited for
