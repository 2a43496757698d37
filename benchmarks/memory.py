"""Does memory grow where nothing is kept? `python benchmarks/memory.py`.

Two loops as of a notebook: `rounds` makes an environment and a learner, trains it for a moment and evaluates it, again and
again; `updates` is one long training of tiny updates into a folder, with a checkpoint now and then. Now and then garbage is
collected and what is left is noted: the resident set of the process, and the number and bytes of arrays on the device. Writes
`memory-DEVICE.json` with the curves, and `memory-DEVICE.md`.
"""

import argparse
import gc
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import psutil

from jaxvec import learners, make, train
from jaxvec.bench import machine, slug
from jaxvec.core.evaluation import evaluate
from jaxvec.core.files import write_json, write_text

SETTINGS = {"n_worlds": 4, "hidden": (4,), "epochs": 1, "minibatches": 1}
SIZES = {"n_vehicles": 2, "horizon": 3}


def now() -> dict[str, Any]:
    """What is held at this moment."""
    gc.collect()
    arrays = jax.live_arrays()
    mb = psutil.Process().memory_info().rss / 2**20
    return {"rss_mb": round(mb, 1), "arrays": len(arrays), "array_bytes": sum(x.nbytes for x in arrays)}


def rounds(count: int) -> Iterator[dict[str, Any]]:
    """Make, train and evaluate, so many times; what is held after each."""
    for i in range(count):
        env, params = make("isac_iov", **SIZES)
        learner = learners.make("mappo", env, **SETTINGS)
        with tempfile.TemporaryDirectory() as folder:
            result = train(learner, params, jax.random.key(i), 2, out=Path(folder) / "run", progress=False)
        evaluate(env, {"mappo": result.policy()}, jax.random.key(i), params, 4)
        del env, params, learner, result
        yield {"done": i + 1} | now()


class Looks(io.StringIO):
    """A stream for progress that notes what is held now and then.

    Args:
        every: so many lines of progress.
    """

    def __init__(self, every: int):
        super().__init__()
        self.every, self.lines, self.rows = every, 0, list[dict[str, Any]]()

    def isatty(self) -> bool:
        """So that every chunk is told of."""
        return True

    def write(self, text: str) -> int:
        """Notes, and forgets the text."""
        if "update " in text:
            self.lines += 1
            if self.lines % self.every == 0:
                self.rows.append({"done": self.lines} | now())
        return len(text)


def updates(count: int) -> list[dict[str, Any]]:
    """One training of so many chunks of an update; what is held after each hundredth part."""
    env, params = make("isac_iov", **SIZES)
    looks = Looks(max(1, count // 100))
    with tempfile.TemporaryDirectory() as folder:
        options = {"chunk": 1, "checkpoint_every_s": 1.0, "progress": looks}
        train(
            learners.make("mappo", env, **SETTINGS),
            params,
            jax.random.key(0),
            count,
            out=Path(folder) / "run",
            **options,
        )
    return looks.rows


def growth(rows: list[dict[str, Any]]) -> dict[str, float]:
    """What the second half of a curve adds to each of its numbers: medians of its first and last fifth, apart."""
    half = rows[len(rows) // 2 :]
    part = max(1, len(half) // 5)
    middle = lambda some, name: sorted(row[name] for row in some)[len(some) // 2]  # noqa: E731
    return {
        name: middle(half[-part:], name) - middle(half[:part], name) for name in ("rss_mb", "arrays", "array_bytes")
    }


def page(curves: dict[str, list[dict[str, Any]]], where: str) -> str:
    """A table of some points of each curve, and what its second half adds."""
    lines = ["| loop | done | resident MB | arrays | their bytes |", "|---|---|---|---|---|"]
    for name, rows in curves.items():
        for row in rows[:: max(1, len(rows) // 8)] + rows[-1:]:
            lines.append(f"| {name} | {row['done']} | {row['rss_mb']} | {row['arrays']} | {row['array_bytes']} |")
    added = "; ".join(
        f"{name}: {more['rss_mb']:+.1f} MB, {more['arrays']:+d} arrays"
        for name, more in ((name, growth(rows)) for name, rows in curves.items())
    )
    return "\n\n".join(["\n".join(lines), f"What the second half of each loop adds: {added}.", where]) + "\n"


def main(arguments: list[str] | None = None) -> Path:
    """Run both loops; returns the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="of make, train and evaluate")
    parser.add_argument("--updates", type=int, default=2000, help="of the long training")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    args = parser.parse_args(arguments)
    curves: dict[str, list[dict[str, Any]]] = {"updates": updates(args.updates), "rounds": []}
    print(json.dumps(curves["updates"][-1]), flush=True)
    for row in rounds(args.rounds):
        curves["rounds"].append(row)
        if row["done"] % 10 == 0:
            print(json.dumps(row), flush=True)
    here = machine()
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"memory-{slug(here)}.json"
    write_json(
        file, {"machine": here, "curves": curves, "growth": {name: growth(rows) for name, rows in curves.items()}}
    )
    versions = ", ".join(f"{what} {here[what]}" for what in ("jaxvec", "python", "jax", "jaxlib"))
    made = f"{here['device']}, {here['cores']} cores, {here['date']}; {versions}."
    write_text(file.with_suffix(".md"), page(curves, made))
    return file.with_suffix(".md")


if __name__ == "__main__":
    main()
