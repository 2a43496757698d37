"""Who decides from solved cases of `dt_edge`: how well, and how long a decision takes: `python benchmarks/in_context.py`.

Cases are a fixed rule's (`--teacher local_threshold`) or a learner's (`--teacher RUN`, a folder of `jaxvec train dt_edge`).
Every policy then meets the same worlds: copying, kernels, the control `bc`, a transformer (`--steps`, slow without a GPU), the
rules and the learner. Language models (`--llm embedded http`, each also held to the form of an answer) play fewer and shorter
episodes, with everyone else once more on these. Speeds are of policies alone, compile time apart; a decision is a world's matrix.
Writes `in_context-DEVICE.jsonl`, and `.md` with the tables. Answers of models are kept in `--cache` and not asked for again.
"""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxvec import bench, make
from jaxvec.core import rng
from jaxvec.core.files import replacing
from jaxvec.core.rollout import Policy, world_keys
from jaxvec.envs.dt_edge import GROUP, DtEdge
from jaxvec.papers.in_context import contest, table
from jaxvec.policies import fixed
from jaxvec.policies.in_context import clone, transformer
from jaxvec.policies.in_context import dt_edge as in_context
from jaxvec.policies.in_context.fitting import Training
from jaxvec.policies.in_context.store import Library
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import Http
from jaxvec.policies.llm.cache import Cache
from jaxvec.policies.llm.embedded import Embedded
from jaxvec.training import load_run

SIZES = (4, 6, 8, 10)  # vehicles in a transformer's lessons
SPOILT = (1.5, 1.0, 0.5, 0.0)  # how much of the teacher's decisions there chance decides, as in the course of training
RULES = ("greedy_latency", "local_threshold", "slot_optimum")  # timed beside the others
ROUNDS, SECONDS = 5, 0.5


# Speed


def deciding(name: str, policy: Policy, env: DtEdge, params: Any, worlds: int) -> bench.Case:
    """Decisions, each time about slightly other worlds, so that none is left out."""
    keys = world_keys(jax.random.key(0), worlds)
    obs = jax.jit(env.reset)(keys, params)[1].obs

    def decide(key: jax.Array, units: jax.Array, obs: Any) -> jax.Array:
        def one(i: jax.Array, total: jax.Array) -> jax.Array:
            seen = obs.replace(agents={GROUP: obs.agents[GROUP] + 1e-6 * total})
            action = policy(rng.fold_in(jnp.broadcast_to(key, worlds), i), seen)[GROUP]
            return sum(jnp.mean(x) for x in action.values()) / 2

        return jax.lax.fori_loop(0, units, one, jnp.zeros(()))

    row = {"what": "decisions", "series": name, "worlds": worlds, "agents": env.n_vehicles}
    return bench.compiled(row, worlds, decide, obs)


def speeds(policies: Mapping[str, Policy], env: DtEdge, params: Any, worlds: list[int], args: Any) -> list[bench.Row]:
    """All policies in turns, at each number of worlds."""
    rows = []
    for n in worlds:
        cases = [deciding(name, policy, env, params, n) for name, policy in policies.items()]
        for row in bench.take_turns(cases, args.rounds, args.seconds):
            row |= {"ms_per_decision": 1e3 / row["steps_per_s"]}
            rows.append(row)
            print(f"{row['series']:24s}{n:6d} worlds {row['ms_per_decision']:10.4f} ms per decision", flush=True)
    return rows


# Who is compared


def lessons(teacher: str, key: jax.Array, n_worlds: int) -> transformer.Lessons:
    """Cases of a rule among few and many vehicles, spoilt by chance more or less, at biases up to 0.5 GHz; to learn: the rule."""
    sets = []
    for n in SIZES:
        env, params = make("dt_edge", n_vehicles=n)

        @jax.jit
        def solved(key: jax.Array, width: jax.Array, env: DtEdge = env, params: Any = params) -> Any:
            bias_hz = jax.random.uniform(rng.stream(key, "bias"), minval=-0.5e9, maxval=0.5e9)
            here = params.replace(cpu_bias_mean_hz=bias_hz)
            rule = fixed(env, here)[teacher]
            return in_context.solved(env, here, in_context.spoilt(rule, width), rule, key, n_worlds=n_worlds)

        sets += [solved(rng.fold_in(rng.fold_in(key, n), i), jnp.float32(w)) for i, w in enumerate(SPOILT)]
    return transformer.lessons(sets, in_context.MODEL.k, in_context.metric(env))


def models(names: list[str], cache: Path | None, timeout_s: float, threads: int | None) -> dict[str, Asker]:
    """Language models, as they are and held to the form of an answer."""
    found = {}
    for name in names:
        plain = Http(timeout_s=timeout_s) if name == "http" else Embedded.load(timeout_s=timeout_s, cpu_threads=threads)
        held = dataclasses.replace(plain, constrain="gbnf" if name == "embedded" else "schema")
        for model in (plain, held):
            label = f"llm {model.model}{', constrained' if model.constrained else ''}"
            found[label] = Asker(model, Cache(cache))
    return found


def asked(name: str, counters: Mapping[str, Any], env: DtEdge, slot_s: float) -> bench.Row:
    """What a language model took for a decision."""
    n, median_s = counters["n_decisions"], counters["latency_p50_s"]
    row = {"what": "llm", "series": name, "agents": env.n_vehicles, **counters}
    per = {f"{kind}_per_decision": counters[kind] / max(1, n) for kind in ("prompt_tokens", "completion_tokens")}
    return row | per | {"ms_per_decision": 1e3 * median_s, "slots_per_decision": median_s / slot_s}


# Running


def options(arguments: list[str] | None) -> Any:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=10, help="of a rule's cases; a run has its own")
    parser.add_argument("--teacher", default="local_threshold", help="a rule, or a folder of `jaxvec train dt_edge`")
    parser.add_argument("--others", nargs="*", default=[], metavar="NAME=RUN", help="more learners to compare with")
    parser.add_argument("--case-worlds", type=int, default=64)
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument(
        "--worlds", nargs="*", type=int, default=[1, 64], help="numbers of worlds at which speed is measured"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a policy in a round")
    parser.add_argument("--clone-steps", type=int, default=clone.TRAINING.steps)
    parser.add_argument(
        "--steps", type=int, default=0, help=f"of training a transformer (full: {transformer.TRAINING.steps})"
    )
    parser.add_argument("--llm", nargs="*", choices=("embedded", "http"), default=[])
    parser.add_argument("--llm-worlds", type=int, default=4)
    parser.add_argument("--llm-slots", type=int, default=25)
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for an answer")
    parser.add_argument("--cpu-threads", type=int, help="of an embedded model; 1 on a busy machine")
    parser.add_argument("--cache", type=Path, help="a file for the models' answers")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> Path:
    """Compare, measure, print and write."""
    args, key = options(arguments), jax.random.key(0)
    learned: dict[str, Policy] = {}
    if Path(args.teacher).is_dir():
        run = load_run(args.teacher)
        env, params, source = run.learner.env, run.params, f"{run.learner.name}, trained"
        learned[run.learner.name] = teacher = run.policy()
    else:
        env, params = make("dt_edge", n_vehicles=args.vehicles)
        teacher, source = fixed(env, params)[args.teacher], f"the rule {args.teacher}"
    for name, _, folder in (text.partition("=") for text in args.others):
        learned[name] = load_run(folder).policy()
    library = in_context.collect(env, params, teacher, key, source=source, n_worlds=args.case_worlds)
    unit = in_context.in_unit(env, params, library)
    copy = clone.fit(key, unit, dataclasses.replace(clone.TRAINING, steps=args.clone_steps)).params
    trained = None
    if args.steps:
        taught = lessons("local_threshold" if Path(args.teacher).is_dir() else args.teacher, key, args.case_worlds)
        trained = transformer.fit(in_context.MODEL, key, taught, Training(args.steps)).params
    how: dict[str, Any] = {"transformer_params": trained, "clone_params": copy, "others": learned}

    rows, pages = [], [f"Cases: {int(library.cases.valid.sum())} of {source}, {env.n_vehicles} vehicles."]
    if args.episodes:
        found = contest(env, params, library, key, args.episodes, **how)
        pages += [f"{args.episodes} episodes of {env.horizon} slots:", table(found)]
        rows += [
            {"what": "contest", "series": name, "reward": float(x["reward"].mean())} for name, x in found.found.items()
        ]
    if args.llm:
        short = dataclasses.replace(env, horizon=args.llm_slots)
        several = models(args.llm, args.cache, args.timeout, args.cpu_threads)
        played = contest(short, params, library, key, args.llm_worlds, models=several, **how)
        pages += [f"{args.llm_worlds} episodes of {args.llm_slots} slots:", table(played)]
        rows += [asked(name, counters, env, float(params.slot_s)) for name, counters in played.counters.items()]
        pages += [answers(rows)]
    print("\n\n".join(pages), flush=True)

    if args.worlds:
        rows += speeds(timed(env, params, library, unit, trained, copy), env, params, args.worlds, args)
        pages += [page_of_speeds(rows, float(params.slot_s))]
    device = bench.machine()
    file = args.out / f"in_context-{bench.slug(device)}.jsonl"
    bench.write([device | {"teacher": source, "vehicles": env.n_vehicles} | row for row in rows], file)
    with replacing(file.with_suffix(".md")) as temporary:
        temporary.write_text("\n\n".join(pages) + "\n")
    return file


def timed(env: DtEdge, params: Any, library: Library, unit: Any, trained: Any, copy: Any) -> dict[str, Policy]:
    """Who is timed: a transformer takes as long before it is trained."""
    if trained is None:
        one = jax.tree.map(lambda x: x[0], unit)
        near = transformer.Nearest(
            *(jnp.stack([x] * in_context.MODEL.k) for x in (one.rows, one.shared, one.action, one.advantage)),
            jnp.zeros(in_context.MODEL.k),
            jnp.ones(in_context.MODEL.k, bool),
        )
        trained = in_context.MODEL.init(jax.random.key(0), one.situation, near)
    rules = fixed(env, params)
    several = in_context.policies(env, params, library, transformer_params=trained, clone_params=copy)
    return {**several, **{name: rules[name] for name in RULES}}


def answers(rows: list[bench.Row]) -> str:
    """Language models as Markdown."""
    names = (
        "n_decisions",
        "n_ok",
        "n_repaired",
        "n_bad_json",
        "n_bad_shape",
        "n_bad_range",
        "n_timeout",
        "n_http_error",
    )
    names += (
        "n_retry",
        "n_fallback",
        "prompt_tokens_per_decision",
        "completion_tokens_per_decision",
        "ms_per_decision",
    )
    lines = [f"| model | {' | '.join(names)} |", "|" + "---|" * (len(names) + 1)]
    for row in rows:
        if row["what"] == "llm":
            lines.append(f"| {row['series']} ({row['label']}) | {' | '.join(f'{row[name]:.5g}' for name in names)} |")
    return "\n".join(lines)


def page_of_speeds(rows: list[bench.Row], slot_s: float) -> str:
    """Speeds as Markdown."""
    lines = ["| policy | worlds | decisions/s | range | ms per decision | of a slot | compile s |", "|" + "---|" * 7]
    for row in rows:
        if row["what"] == "decisions":
            spread = f"{row['steps_per_s_low']:.3g} to {row['steps_per_s_high']:.3g}"
            part = f"{1 / row['steps_per_s'] / slot_s:.2g}"
            cells = (row["series"], str(row["worlds"]), f"{row['steps_per_s']:.3g}", spread)
            lines.append(f"| {' | '.join(cells)} | {row['ms_per_decision']:.3g} | {part} | {row['compile_s']:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
