"""How every system grows with its vehicles, up to the size of a city: `python benchmarks/scale.py`.

10 to 500 vehicles and 100 servers where the model has servers (100 RSUs; 100 edge servers; 84 RSUs, 15 UAVs and a satellite;
20 base stations and 80 UAVs; `dt_edge` has one mast by its model), in one world, random actions, episodes of ten slots: time per
vehicle and slot, bytes of a world's state, and what the program needs beside its arguments. Rows that `scale-DEVICE.jsonl` holds
already are not measured again. What grows with the square of the vehicles is read from the program itself (`--where SYSTEM`):
operations whose results have it as a factor of their size, with their functions.
"""

import argparse
import gc
from collections import Counter
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import Any

import jax
from kept import Kept, markdown

from jaxvec import make, policies
from jaxvec.bench import Row, env_case, machine, slug, take_turns
from jaxvec.core.files import write_text

PRIME = 127  # vehicles, a number that no other size has as a factor
SYSTEMS: dict[str, dict[str, Any]] = {
    "isac_iov": {"n_rsus": 100, "road_length_m": 15_000.0, "horizon": 10},
    "v2x_offload": {"n_servers": 100, "horizon": 10},
    "dt_edge": {"horizon": 10},
    "urllc_vec": {"n_bs": 20, "n_uavs": 80, "horizon": 10},
    "twin_migration": {"n_rsu": 84, "n_uav": 15, "horizon": 10},
}


def measure(env_id: str, vehicles: int, rounds: int, seconds: float) -> Row:
    """One system at one size."""
    env, params = make(env_id, n_vehicles=vehicles, **SYSTEMS[env_id])
    case = env_case(env, params, 1)
    state = jax.eval_shape(env.reset, jax.random.key(0), params)[0]
    memory = case.program.memory_analysis()
    (row,) = take_turns([case], rounds, seconds)
    return row | {
        "vehicles": vehicles,
        "state_bytes": sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state)),
        "temp_bytes": memory.temp_size_in_bytes,
        "vehicle_slot_s": 1 / (vehicles * row["steps_per_s"]),
    }


def equations(jaxpr: Any) -> Iterator[Any]:
    """Every operation of a program, those inside of loops and branches too."""
    for equation in jaxpr.eqns:
        yield equation
        for part in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
            if hasattr(part, "eqns") or hasattr(part, "jaxpr"):
                yield from equations(getattr(part, "jaxpr", part))


def quadratic(env_id: str) -> Counter[str]:
    """What of a slot has the square of the vehicles as a factor of its size: functions, operations and shapes, how often."""
    env, params = make(env_id, n_vehicles=PRIME, **SYSTEMS[env_id])
    policy = policies.random(env)

    def slot(key: jax.Array) -> Any:
        state, ts = env.reset(key, params)
        action, _ = env.act(lambda key, obs: (policy(key, obs), ()), key, state, ts, params)
        return env.step(key, state, action, params)

    lines: Counter[str] = Counter()
    for equation in equations(jax.make_jaxpr(slot)(jax.random.key(0)).jaxpr):
        frames = equation.source_info.traceback.frames if equation.source_info.traceback else ()
        ours = [f for f in frames if "/jaxvec/" in f.file_name]
        where = f"{'/'.join(Path(ours[0].file_name).parts[-2:])}:{ours[0].function_name}" if ours else "elsewhere"
        for x in equation.outvars:
            if x.aval.size and x.aval.size % PRIME**2 == 0:
                lines[f"{where} {equation.primitive.name} {x.aval.shape}"] += 1
    return lines


def page(rows: list[Row]) -> str:
    """As Markdown; growth is that of the time of a slot since the row above, as a power of the vehicles: 1 is in proportion."""
    lines = ["system | vehicles | us per vehicle and slot | growth | state of a world | memory of a world | compile s"]
    for row in rows:
        before = [r for r in rows if r["env"] == row["env"] and r["vehicles"] < row["vehicles"]]
        growth = "-"
        if before:
            last = max(before, key=lambda r: r["vehicles"])
            more = row["vehicles"] / last["vehicles"]
            growth = f"{1 + log(row['vehicle_slot_s'] / last['vehicle_slot_s']) / log(more):.2f}"
        memory = f"{row['state_bytes'] / 1e3:.0f} kB | {row['temp_bytes'] / 1e6:.2f} MB"
        each_us = f"{1e6 * row['vehicle_slot_s']:.3g}"
        lines.append(f"{row['env']} | {row['vehicles']} | {each_us} | {growth} | {memory} | {row['compile_s']:.1f}")
    return markdown(lines) + "\n"


def main(arguments: list[str] | None = None) -> Path | None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--vehicles", type=int, nargs="+", default=[10, 50, 100, 500])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--where", nargs="+", default=[], choices=list(SYSTEMS), help="say what is quadratic, and end")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    for env_id in args.where:
        print(f"{env_id}:", *(f"  {n} x {line}" for line, n in quadratic(env_id).most_common()), sep="\n")
    if args.where:
        return None
    here = machine()
    kept = Kept(args.out / f"scale-{slug(here)}.jsonl")
    for vehicles, env_id in ((v, s) for v in args.vehicles for s in args.systems):
        if f"{env_id} {vehicles}" not in kept:
            kept.add(f"{env_id} {vehicles}", here | measure(env_id, vehicles, args.rounds, args.seconds))
            jax.clear_caches()
            gc.collect()
    rows = sorted(kept.rows, key=lambda row: (list(SYSTEMS).index(row["env"]), row["vehicles"]))
    write_text(kept.path.with_suffix(".md"), page(rows))
    print(page(rows))
    return kept.path


if __name__ == "__main__":
    main()
