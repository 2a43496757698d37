"""What it takes to compile every learner's update on every environment: `python benchmarks/compile.py`.

Equations, kernels, and seconds of tracing, lowering and compiling, see `jaxvec.bench_compile`; nothing is read from the
compilation cache. On a busy machine the seconds are worth little.
"""

import argparse
from pathlib import Path

from jaxvec import bench_compile, learners
from jaxvec.bench import Row, machine, slug, write
from jaxvec.core import cache
from jaxvec.core.files import write_text
from jaxvec.core.make import env_ids, make

EXPLAINED = (
    "Learners at their defaults, without the compilation cache. Kernels are those that an update runs, of loops as often as "
    "they run; seconds are of this machine."
)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", default=sorted(env_ids()))
    parser.add_argument("--learners", nargs="+", default=sorted(learners.LEARNERS))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    cache.disable()
    rows: list[Row] = []
    for env_id in args.envs:
        for name in args.learners:
            rows.append(machine() | bench_compile.compile_row(*make(env_id), name))
            print(bench_compile.table(rows[-1:]).splitlines()[-1], flush=True)
    path = args.out / f"compile-{slug(machine())}.jsonl"
    write(rows, path)
    page = f"# Compiling an update, {rows[-1]['date']}\n\n{EXPLAINED}\n\n{bench_compile.table(rows)}\n"
    write_text(path.with_suffix(".md"), page)


if __name__ == "__main__":
    main()
