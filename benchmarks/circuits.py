"""What quantum policies cost on `urllc_vec`: `python benchmarks/circuits.py`.

Slots per second of the environment alone, and of training with an MLP, with a circuit, and with the dense layer that stands in
the circuit's place in `mappo_matched`; all in turns. The time of a slot with a circuit less that of a slot without is the
circuit's share. With a forecaster beside the policy the same again. Memory: the state of a world, and what a program needs
beside its arguments.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import jax

from jaxvec.bench import Case, Row, env_case, machine, slug, take_turns, train_case, write
from jaxvec.core.make import make

SETTINGS = {"n_worlds": 32, "epochs": 4, "minibatches": 4, "hidden": (64, 64), "free_std": True}
TRAINED = (  # learner, `twin_mode`
    ("mappo", "hold"),
    ("mappo_matched", "hold"),
    ("qmarl", "hold"),
    ("qmarl", "lstm"),
)


def state_bytes(env: Any, params: Any) -> int:
    """Of one world, observations aside."""
    state = jax.eval_shape(env.reset, jax.random.key(0), params)[0]
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))


def cases(worlds: list[int]) -> list[Case]:
    """The environment at several numbers of worlds, then the learners."""
    env, params = make("urllc_vec")
    several = [env_case(env, params, w) for w in worlds]
    for name, twin_mode in TRAINED:
        case = train_case(*make("urllc_vec", twin_mode=twin_mode), name, **SETTINGS)
        several.append(dataclasses.replace(case, row=case.row | {"series": f"{name}, twin {twin_mode}"}))
    size = state_bytes(env, params)

    def with_memory(case: Case) -> Case:
        temporary = case.program.memory_analysis().temp_size_in_bytes
        return dataclasses.replace(case, row=case.row | {"state_bytes_per_world": size, "temp_bytes": temporary})

    return [with_memory(case) for case in several]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, nargs="+", default=[1, 64, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    rows: list[Row] = []
    for row in take_turns(cases(args.worlds), args.rounds, args.seconds):
        rows.append(machine() | row)
        print(
            f"{row['series']:28s}{row['worlds']:6d} worlds {row['steps_per_s']:10.0f} slots/s, compiled in "
            f"{row['compile_s']:.0f} s, {row['temp_bytes'] / row['worlds'] / 1e3:.0f} kB a world",
            flush=True,
        )
    speed = {row["series"]: row["steps_per_s"] for row in rows if row["what"] == "train"}
    without, with_it = (speed[f"{name}, twin hold"] for name in ("mappo_matched", "qmarl"))
    print(f"share of a slot's time in the circuit: {1 - with_it / without:.0%}")
    write(rows, args.out / f"circuits-{slug(machine())}.jsonl")


if __name__ == "__main__":
    main()
