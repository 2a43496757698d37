"""How `twin_migration` grows with its vehicles: `python benchmarks/city.py`.

A city of 100 servers (84 RSUs, 15 UAVs, a satellite) with 5 to 500 vehicles, random choices under the mask: slots per second in
one world and in many, the bytes of a world's state, and what the program needs beside its arguments. All in turns. Writes
`city-DEVICE.jsonl` and `.md`.
"""

import argparse
import dataclasses
from pathlib import Path

import jax

from jaxvec import make
from jaxvec.bench import Case, Row, compiled_step, env_case, machine, slug, take_turns, write
from jaxvec.core.files import write_text

SERVERS = {"n_rsu": 84, "n_uav": 15}


def case(vehicles: int, worlds: int) -> Case:
    """Random actions, with the memory that they take."""
    env, params = make("twin_migration", n_vehicles=vehicles, **SERVERS)
    timed = env_case(env, params, worlds)
    state = jax.eval_shape(env.reset, jax.random.key(0), params)[0]
    size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))
    row = {"state_bytes": size, "temp_bytes": timed.program.memory_analysis().temp_size_in_bytes}
    row |= compiled_step(env, params, worlds)
    return dataclasses.replace(timed, row=timed.row | row)


def page(rows: list[Row]) -> str:
    """As Markdown."""
    lines = [
        "| vehicles | worlds | slots/s | range | µs per vehicle and slot | state of a world | memory of a world | compile s |",
        "|" + "---|" * 8,
    ]
    for row in rows:
        each_us = 1e6 / row["agent_steps_per_s"]
        memory = f"{row['state_bytes'] / 1e3:.0f} kB | {row['temp_bytes'] / row['worlds'] / 1e3:.0f} kB"
        spread = f"{row['steps_per_s_low']:.3g} to {row['steps_per_s_high']:.3g}"
        cells = (row["agents"], row["worlds"], f"{row['steps_per_s']:.3g}", spread, f"{each_us:.3g}", memory)
        lines.append(f"| {' | '.join(map(str, cells))} | {row['compile_s']:.1f} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> Path:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, nargs="+", default=[5, 20, 50, 100, 200, 500])
    parser.add_argument("--worlds", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    cases = [case(v, w) for w in args.worlds for v in args.vehicles]
    here = machine()
    rows = [here | row for row in take_turns(cases, args.rounds, args.seconds)]
    file = args.out / f"city-{slug(here)}.jsonl"
    write(rows, file)
    write_text(file.with_suffix(".md"), page(rows))
    print(page(rows))
    return file


if __name__ == "__main__":
    main()
