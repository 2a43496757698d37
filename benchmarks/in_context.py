"""How long it takes to decide from solved cases of `dt_edge`: `python benchmarks/in_context.py`.

Policies alone, on 1024 cases of a fixed rule, with rules beside them; compile time apart. A decision is a matrix. How good
the decisions are, and what language models take for them: `benchmarks/cases.py`. Writes `in_context-DEVICE.jsonl` and `.md`.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxvec import bench, make
from jaxvec.core import rng
from jaxvec.core.files import write_text
from jaxvec.core.rollout import Policy, world_keys
from jaxvec.envs.dt_edge import DtEdge
from jaxvec.envs.dt_edge.observation import GROUP
from jaxvec.policies import fixed
from jaxvec.policies.in_context import clone, transformer
from jaxvec.policies.in_context import dt_edge as in_context

TEACHER = "local_threshold"
RULES = ("greedy_latency", "local_threshold", "slot_optimum")  # timed beside the others
ROUNDS, SECONDS = 5, 0.5


def deciding(name: str, policy: Policy, env: DtEdge, params: Any, worlds: int) -> bench.Case:
    """Decisions, each time about slightly other worlds, so that none is left out."""
    keys = world_keys(jax.random.key(0), worlds)
    obs = jax.jit(env.reset)(keys, params)[1].obs

    def decide(key: jax.Array, units: jax.Array, obs: Any) -> jax.Array:
        def decision(i: jax.Array, total: jax.Array) -> jax.Array:
            seen = obs.replace(agents={GROUP: obs.agents[GROUP] + 1e-6 * total})
            action = policy(rng.fold_in(jnp.broadcast_to(key, worlds), i), seen)[GROUP]
            return sum(jnp.mean(x) for x in action.values()) / 2

        return jax.lax.fori_loop(0, units, decision, jnp.zeros(()))

    row = {"what": "decisions", "series": name, "worlds": worlds, "agents": env.n_vehicles}
    return bench.compiled(row, worlds, decide, obs)


def timed(env: DtEdge, params: Any, case_worlds: int) -> dict[str, Policy]:
    """Who is timed; the networks are not trained, as that takes them no time in deciding."""
    key = jax.random.key(0)
    rules = fixed(env, params)
    library = in_context.collect(env, params, rules[TEACHER], key, source=TEACHER, n_worlds=case_worlds)
    unit = in_context.in_unit(env, params, library)
    first = jax.tree.map(lambda x: x[0], unit)
    near = transformer.Nearest(
        *(jnp.stack([x] * in_context.MODEL.k) for x in (first.rows, first.shared, first.action, first.advantage)),
        jnp.zeros(in_context.MODEL.k),
        jnp.ones(in_context.MODEL.k, bool),
    )
    deciders = in_context.policies(
        env,
        params,
        library,
        transformer_params=in_context.MODEL.init(key, first.situation, near),
        clone_params=clone.fit(key, unit, clone.Training(1)).params,
    )
    return {**deciders, **{name: rules[name] for name in RULES}}


def page(rows: list[bench.Row], slot_s: float) -> str:
    """Speeds as Markdown."""
    lines = ["| policy | worlds | decisions/s | range | ms per decision | of a slot | compile s |", "|" + "---|" * 7]
    for row in rows:
        spread = f"{row['steps_per_s_low']:.3g} to {row['steps_per_s_high']:.3g}"
        part = f"{1 / row['steps_per_s'] / slot_s:.2g}"
        cells = (row["series"], str(row["worlds"]), f"{row['steps_per_s']:.3g}", spread)
        lines.append(f"| {' | '.join(cells)} | {row['ms_per_decision']:.3g} | {part} | {row['compile_s']:.1f} |")
    return "\n".join(lines) + "\n"


def measure(policies: Mapping[str, Policy], env: DtEdge, params: Any, args: Any) -> list[bench.Row]:
    """All policies in turns, at each number of worlds."""
    rows = []
    for n in args.worlds:
        cases = [deciding(name, policy, env, params, n) for name, policy in policies.items()]
        for row in bench.take_turns(cases, args.rounds, args.seconds):
            rows.append(row | {"ms_per_decision": 1e3 / row["steps_per_s"]})
            print(f"{row['series']:24s}{n:6d} worlds {rows[-1]['ms_per_decision']:10.4f} ms per decision", flush=True)
    return rows


def main(arguments: list[str] | None = None) -> Path:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=10)
    parser.add_argument("--case-worlds", type=int, default=64)
    parser.add_argument("--worlds", nargs="+", type=int, default=[1, 64], help="that decide at once")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a policy in a round")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    env, params = make("dt_edge", n_vehicles=args.vehicles)
    rows = measure(timed(env, params, args.case_worlds), env, params, args)
    device = bench.machine()
    file = args.out / f"in_context-{bench.slug(device)}.jsonl"
    bench.write([device | row for row in rows], file)
    write_text(file.with_suffix(".md"), page(rows, float(params.slot_s)))
    return file


if __name__ == "__main__":
    main()
