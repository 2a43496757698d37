"""Figs. 3 to 6 of the paper behind `dt_edge`, with those who decide from solved cases: `python benchmarks/cases.py`.

Per number of vehicles MARL and SARL are trained as in `jaxvec.papers.dt_edge`, at no bias, and MARL with a pooled critic too; one
of them, or a fixed rule (`--teacher`), solves the cases. Then everyone meets the same worlds at each bias: those that copy and
blend cases, a transformer that reads them (`--steps`), the control `bc`, the learners, fixed rules, and the best decision of a
slot. Language models (`--llm embedded http`, each also held to the form of an answer) play fewer and shorter episodes, with
everyone else once more on these. What was trained or answered is kept in `--runs` and not made twice. Writes, after each number
of vehicles, `cases-DEVICE.jsonl` (a row per number of vehicles, bias and policy, and per model), `.md` (rewards, how far each is
ahead of the teacher, paired by world, and what models took for a decision) and `.png`.
"""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import serialization

from jaxvec import bench, learners, make
from jaxvec.core import rng
from jaxvec.core.errors import suggest
from jaxvec.core.evaluation import interval
from jaxvec.core.files import replacing, write_text
from jaxvec.core.rollout import Policy
from jaxvec.envs.dt_edge import DtEdge
from jaxvec.learners.base import Learner
from jaxvec.papers.dt_edge.contest import METRICS, Contest, Gap, bootstrap, contest, table
from jaxvec.papers.dt_edge.series import BIASES_HZ, LEARNED, named
from jaxvec.papers.series import Series
from jaxvec.policies import fixed
from jaxvec.policies.in_context import clone, transformer
from jaxvec.policies.in_context import dt_edge as in_context
from jaxvec.policies.in_context.fitting import Training
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import Http
from jaxvec.policies.llm.cache import Cache
from jaxvec.policies.llm.embedded import Embedded
from jaxvec.training import train
from jaxvec.viz import plots

# whose settings, which learner, and what is set otherwise
LEARNERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "MARL": ("MARL", "maddpg", {}),
    "SARL": ("SARL", "ddpg", {}),
    "MARL, pooled critic": ("MARL", "maddpg_pooled", {"pooled_critic": True}),
}
CLAIMS = (  # metric, and the sign of its difference to MARL
    ("less energy", "energy_sys_j", -1),
    ("lower latency", "latency_mean_s", -1),
    ("higher QoS", "qos_mean", 1),
    ("more energy at the server", "energy_edge_j", 1),
    ("more of the server", "resource_ratio", 1),
)
SIZES = (4, 6, 8, 10)  # vehicles in a transformer's lessons
LESSON = "local_threshold"  # what it learns to do
SPOILT = (1.5, 1.0, 0.5, 0.0)  # how much of the teacher's decisions there chance decides, as in the course of training
# more lines would cover each other
DRAWN = (*LEARNERS, "icl_copy", "icl_kernel_64", "icl_transformer", "bc", "local", "slot_optimum")
SHOWN = (("reward", "reward", 1.0), ("energy_sys_j", "energy of a slot [J]", 1.0))
SHOWN += (("latency_mean_s", "latency [ms]", 1e3), ("qos_mean", "QoS", 1.0))
COUNTS = ("n_decisions", "n_ok", "n_repaired", "n_bad_json", "n_bad_shape", "n_bad_range", "n_bad_choice", "n_timeout")
COUNTS += (
    "n_http_error",
    "n_retry",
    "n_fallback",
    "prompt_tokens_per_decision",
    "completion_tokens_per_decision",
    "ms_per_decision",
)

# Who is compared


def contestant(what: str, vehicles: int) -> tuple[Learner, Any, Series]:
    """A learner among so many vehicles, the environment's numbers, and the paper's series that it follows."""
    papers, name, settings = LEARNERS[what]
    series = next(series for series in LEARNED if series.name == named(papers, "0"))
    env, params = make("dt_edge", n_vehicles=vehicles, **series.sizes)
    return learners.make(name, env, **{**series.settings, **settings}), params, series


def learned(what: str, vehicles: int, slots: int, runs: Path) -> Policy:
    """A learner, trained at no bias; a run that is there is read, one that was interrupted goes on."""
    learner, params, series = contestant(what, vehicles)
    out = runs / f"{learner.name}-{vehicles}-{slots}"
    updates, params = max(1, slots // learner.steps_per_update), params.replace(**series.numbers)
    return train(learner, params, jax.random.key(0), updates, hyper=series.hyper, out=out, resume=True).policy()


def lessons(key: jax.Array, n_worlds: int) -> transformer.Lessons:
    """Cases of a rule among few and many vehicles, spoilt by chance more or less, at biases up to 0.5 GHz; to learn: the rule."""
    sets = []
    for n in SIZES:
        env, params = make("dt_edge", n_vehicles=n)

        @jax.jit
        def solved(key: jax.Array, width: jax.Array, env: Any = env, params: Any = params) -> Any:
            bias_hz = jax.random.uniform(rng.stream(key, "bias"), minval=-0.5e9, maxval=0.5e9)
            here = params.replace(cpu_bias_mean_hz=bias_hz)
            rule = fixed(env, here)[LESSON]
            return in_context.solved(env, here, in_context.spoilt(rule, width), rule, key, n_worlds=n_worlds)

        sets += [solved(rng.fold_in(rng.fold_in(key, n), i), jnp.float32(w)) for i, w in enumerate(SPOILT)]
    return transformer.lessons(sets, in_context.MODEL.k, in_context.metric(env))


def reader(how: Training, case_worlds: int, runs: Path) -> Any:
    """Parameters of a transformer, trained once."""
    file, key = runs / f"transformer-{case_worlds}-{how.steps}-{how.batch_size}.msgpack", jax.random.key(0)
    if not file.exists():
        print(f"a transformer: {how.steps} steps of {how.batch_size} lessons", flush=True)
        params = transformer.fit(in_context.MODEL, key, lessons(key, case_worlds), how).params
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_bytes(serialization.msgpack_serialize(jax.device_get(params)))
    return serialization.msgpack_restore(file.read_bytes())


def models(names: Sequence[str], cache: Path, timeout_s: float, threads: int | None) -> dict[str, Asker]:
    """Language models, as they are and held to the form of an answer."""
    askers = {}
    for name in names:
        plain = Http(timeout_s=timeout_s) if name == "http" else Embedded.load(timeout_s=timeout_s, cpu_threads=threads)
        held = dataclasses.replace(plain, constrain="gbnf" if name == "embedded" else "schema")
        for model in (plain, held):
            label = f"llm {model.model}{', constrained' if model.constrained else ''}"
            askers[label] = Asker(model, Cache(cache))
    return askers


# In the same worlds


class Party:
    """Everyone among so many vehicles: cases of the teacher, what is fitted to them, and who else there is.

    Args:
        vehicles: how many.
        policies: learners by name.
        args: the command line.
    """

    def __init__(self, vehicles: int, policies: Mapping[str, Policy], args: Any):
        key, (env, self.params) = jax.random.key(0), make("dt_edge", n_vehicles=vehicles)
        assert isinstance(env, DtEdge)
        self.env = env
        teacher = policies.get(args.teacher) or fixed(self.env, self.params)[args.teacher]
        collect = partial(in_context.collect, self.env, self.params, teacher, key)
        self.library = collect(source=args.teacher, n_worlds=args.case_worlds)
        self.how: dict[str, Any] = {"others": policies}
        self.how["clone_params"] = clone.fit(key, in_context.in_unit(self.env, self.params, self.library)).params
        if args.steps:
            self.how["transformer_params"] = reader(Training(args.steps, args.batch), args.case_worlds, args.runs)

    def meet(self, bias_hz: float, worlds: int, slots: int = 0, models: Mapping[str, Asker] | None = None) -> Contest:
        """Everyone in so many worlds of so many slots, the same at each bias; 0 slots are an episode."""
        env = dataclasses.replace(self.env, horizon=slots) if slots else self.env
        here = self.params.replace(cpu_bias_mean_hz=jnp.float32(bias_hz))
        return contest(env, here, self.library, jax.random.key(0), worlds, models=models, **self.how)


# What is written


def rows_of(results: Contest, vehicles: int, bias: str, teacher: str) -> list[bench.Row]:
    """Per policy: means, half widths of 95 % intervals, and paired differences to the teacher and to MARL."""
    rows = []
    for name, metrics in results.metrics.items():
        row: bench.Row = {"what": "cases", "vehicles": vehicles, "bias": bias, "policy": name, "teacher": teacher}
        for metric in METRICS:
            it = interval(metrics[metric])
            row |= {metric: it.mean, f"{metric}_half": it.half}
            row[f"{metric}_over_marl"] = bootstrap(metrics[metric] - results.metrics["MARL"][metric])
        gap = bootstrap(metrics["reward"] - results.metrics[teacher]["reward"])
        rows.append(row | {"sees": results.sees[name], "ahead": gap.mean, "ahead_low": gap.low, "ahead_high": gap.high})
    return rows


def asked(results: Contest, vehicles: int, bias: str, slot_s: float) -> list[bench.Row]:
    """What each language model earned in its few worlds, and took for a decision."""
    rows = []
    for name, counters in results.counters.items():
        n, median_s = counters["n_decisions"], counters["latency_p50_s"]
        row: bench.Row = {"what": "llm", "vehicles": vehicles, "bias": bias, "policy": name, **counters}
        row |= {f"{kind}_per_decision": counters[kind] / max(1, n) for kind in ("prompt_tokens", "completion_tokens")}
        row |= {"ms_per_decision": 1e3 * median_s, "slots_per_decision": median_s / slot_s}
        rows.append(row | {metric: float(results.metrics[name][metric].mean()) for metric in METRICS})
    return rows


def page(rows: list[bench.Row]) -> str:
    """As Markdown: a table of rewards per bias, the best first."""
    rows = [row for row in rows if row["what"] == "cases"]
    numbers, policies = sorted({row["vehicles"] for row in rows}), list(dict.fromkeys(row["policy"] for row in rows))
    parts = []
    for bias in BIASES_HZ:
        by = {(row["policy"], row["vehicles"]): row for row in rows if row["bias"] == bias}
        head = " | ".join(f"N = {n}: reward | ahead of {rows[0]['teacher']}" for n in numbers)
        lines = [f"Bias {bias}", "", f"| policy | {head} |", "|" + "---|" * (1 + 2 * len(numbers))]
        for name in sorted(policies, key=lambda name: -np.mean([by[name, n]["reward"] for n in numbers])):
            cells = []
            for r in (by[name, n] for n in numbers):
                gap = Gap(r["ahead"], r["ahead_low"], r["ahead_high"])
                cells.append(f"{r['reward']:.3f} ± {r['reward_half']:.3f} | {gap}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def claims(rows: list[bench.Row]) -> str:
    """What the paper says of its language model, asked of those who decide from cases, as Markdown.

    A cell says among how many vehicles the paired difference to MARL has the sign that the paper gives it beyond its 95 %
    interval, and among how many the other sign.
    """
    rows = [row for row in rows if row["what"] == "cases"]
    claimed = {"+0.5 GHz": CLAIMS, "-0.5 GHz": CLAIMS[-2:]}
    deciders = [name for name in dict.fromkeys(row["policy"] for row in rows) if name.startswith(("icl", "bc"))]
    lines = [f"| against MARL, bias | {' | '.join(deciders)} |", "|" + "---|" * (len(deciders) + 1)]
    for bias, statements in claimed.items():
        for words, metric, sign in statements:
            cells = []
            for name in deciders:
                of = sorted(
                    (r["vehicles"], r[f"{metric}_over_marl"]) for r in rows if (r["policy"], r["bias"]) == (name, bias)
                )
                ends = [(n, sorted((sign * low, sign * high))) for n, (_, low, high) in of]
                holds, fails = ([n for n, e in ends if e[0] > 0], [n for n, e in ends if e[1] < 0])
                cells.append(f"{len(holds)} of {len(of)}, not {len(fails)}")
            lines.append(f"| {words}, {bias} | {' | '.join(cells)} |")
    return "\n".join(lines)


def answers(rows: list[bench.Row]) -> str:
    """What language models took for a decision, as Markdown."""
    lines = [f"| model | vehicles | bias | {' | '.join(COUNTS)} |", "|" + "---|" * (len(COUNTS) + 3)]
    for row in (row for row in rows if row["what"] == "llm"):
        cells = " | ".join(f"{row[name]:.5g}" if name in row else "" for name in COUNTS)  # older rows lack some
        lines.append(f"| {row['policy']} ({row['label']}) | {row['vehicles']} | {row['bias']} | {cells} |")
    return "\n".join(lines)


def draw(rows: list[bench.Row], file: Path) -> None:
    """Reward, energy, latency and QoS over the number of vehicles at no bias."""
    rows = [row for row in rows if row["what"] == "cases" and row["bias"] == "0"]
    panels = []
    for metric, title, scale in SHOWN:
        lines = []
        for name in (name for name in DRAWN if any(row["policy"] == name for row in rows)):
            of = sorted((row for row in rows if row["policy"] == name), key=lambda row: row["vehicles"])
            x, y, half = ([row[key] for row in of] for key in ("vehicles", metric, f"{metric}_half"))
            kind = "learned" if name in LEARNERS or name.startswith(("icl", "bc")) else "rule"
            lines.append(plots.Line(name, x, [scale * v for v in y], [scale * v for v in half], kind))
        panels.append((title, "vehicles", lines))
    note = f"cases solved by {rows[0]['teacher']}; no bias; 95 % intervals"
    plots.panels(panels, file, title="Deciding from cases", note=note)


# Running


def options(arguments: list[str] | None) -> Any:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, nargs="+", default=list(range(4, 11)))
    parser.add_argument("--teacher", default="SARL", help="a learner or a fixed rule")
    parser.add_argument("--slots", type=int, default=512_000, help="of training")
    parser.add_argument("--case-worlds", type=int, default=64)
    parser.add_argument("--episodes", type=int, default=64, help="at each bias")
    parser.add_argument(
        "--steps", type=int, default=0, help=f"of training a transformer (full: {transformer.TRAINING.steps})"
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=transformer.TRAINING.batch_size,
        help="lessons in each; 256 take a core two seconds",
    )
    parser.add_argument("--llm", nargs="*", choices=("embedded", "http"), default=[])
    parser.add_argument("--llm-vehicles", type=int, nargs="+", help="among how many they are asked; all if not given")
    parser.add_argument("--llm-worlds", type=int, default=2, help="at each bias")
    parser.add_argument("--llm-slots", type=int, default=25)
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for an answer")
    parser.add_argument("--cpu-threads", type=int, help="of an embedded model; 1 on a busy machine")
    parser.add_argument("--runs", type=Path, default=Path("runs/cases"), help="where learners and answers are kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    if args.teacher not in (teachers := {*LEARNERS, *fixed(*make("dt_edge"))}):
        parser.error(suggest("teacher", args.teacher, teachers))
    return args


def main(arguments: list[str] | None = None) -> Path:
    """Train, compare, print and write."""
    args = options(arguments)
    askers = models(args.llm, args.runs / "answers.jsonl", args.timeout, args.cpu_threads)
    device = bench.machine()
    file = args.out / f"cases-{bench.slug(device)}.jsonl"
    rows, few = [], []
    for n in args.vehicles:
        party = Party(n, {what: learned(what, n, args.slots, args.runs) for what in LEARNERS}, args)
        for bias, bias_hz in BIASES_HZ.items():
            rows += rows_of(party.meet(bias_hz, args.episodes), n, bias, args.teacher)
            if askers and n in (args.llm_vehicles or args.vehicles):
                fresh = {name: Asker(asker.backend, asker.cache) for name, asker in askers.items()}
                short = party.meet(bias_hz, args.llm_worlds, args.llm_slots, fresh)
                rows += asked(short, n, bias, float(party.params.slot_s))
                what = f"{args.llm_worlds} episodes of {args.llm_slots} slots"
                few += [f"N = {n}, bias {bias}, {what}:", table(short)]
            print(f"{n} vehicles, bias {bias}: compared", flush=True)
        bench.write([device | row for row in rows], file)
        text = "\n\n".join([page(rows), claims(rows), *few, *([answers(rows)] if few else [])]) + "\n"
        write_text(file.with_suffix(".md"), text)
        draw(rows, file.with_suffix(".png"))
    print(text)
    return file


if __name__ == "__main__":
    main()
