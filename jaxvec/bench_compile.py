"""What it takes to compile a learner's update: equations, kernels that run, and seconds of tracing, lowering and compiling.

Equations are those of the update's jaxpr with all that it calls: the body of a scan or of a loop counts once, as it is compiled
once, and a function that is called twice counts twice, as XLA inlines it. Seconds depend on the machine and on who else is at
work there; equations depend on the code alone, so tests hold these.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import jax
from jax.extend import core as jax_core

from jaxvec import learners
from jaxvec.bench_program import count as count_runs
from jaxvec.core.environment import Environment

Row = dict[str, Any]
"""What was measured of one update, by name; JSON can hold it."""


def equations(jaxpr: Any) -> Iterator[Any]:
    """All equations of a jaxpr and of those inside of it, apart from those that only call others.

    Args:
        jaxpr: closed or not.
    """
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    for equation in jaxpr.eqns:
        inside = list(_jaxprs(equation.params.values()))
        if not inside or equation.primitive.name in ("scan", "while", "cond"):
            yield equation
        for each in inside:
            yield from equations(each)


def _jaxprs(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (jax_core.Jaxpr, jax_core.ClosedJaxpr)):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _jaxprs(value)


def traced_update(env: Environment, params: Any, name: str, **settings: Any) -> Any:
    """A learner's update, traced and no more: no array is made.

    Args:
        env: the environment.
        params: its parameters.
        name: of the learner.
        settings: of the learner.
    Raises:
        ValueError: an unknown learner, or one that cannot learn on this environment.
    """
    learner = learners.make(name, env, **settings)
    state = jax.eval_shape(lambda key: learner.init(key, params), jax.random.key(0))
    return jax.jit(learner.update).trace(state)


def count(env: Environment, params: Any, name: str, **settings: Any) -> int:
    """Equations of a learner's update, see the module.

    Args:
        env, params, name, settings: as for `traced_update`.
    Raises:
        ValueError: as `traced_update`.
    """
    return sum(1 for _ in equations(traced_update(env, params, name, **settings).jaxpr))


def commonest(env: Environment, params: Any, name: str, **settings: Any) -> Counter[str]:
    """Equations of a learner's update by the line of jaxvec that they come from, `file:line (function)`.

    Args:
        env, params, name, settings: as for `traced_update`.
    Raises:
        ValueError: as `traced_update`.
    """
    lines: Counter[str] = Counter()
    for equation in equations(traced_update(env, params, name, **settings).jaxpr):
        frames = equation.source_info.traceback.frames if equation.source_info.traceback else ()
        ours = [f for f in frames if "/jaxvec/" in f.file_name and "bench_compile" not in f.file_name]
        where = ours[0] if ours else None
        lines[
            f"{where.file_name.split('/jaxvec/')[-1]}:{where.line_num} ({where.function_name})" if where else "-"
        ] += 1
    return lines


def compile_row(env: Environment, params: Any, name: str, **settings: Any) -> Row:
    """Equations, kernels and seconds of a learner's update; whatever JAX had traced or compiled before is forgotten.

    Args:
        env, params, name, settings: as for `traced_update`.
    Raises:
        ValueError: as `traced_update`.
    """
    jax.clear_caches()
    start = time.perf_counter()
    traced = traced_update(env, params, name, **settings)
    at_traced = time.perf_counter()
    lowered = traced.lower()
    at_lowered = time.perf_counter()
    program = lowered.compile()
    at_compiled = time.perf_counter()
    return {
        "what": "compile",
        "env": env.id,
        "learner": name,
        "equations": sum(1 for _ in equations(traced.jaxpr)),
        "kernels": count_runs(program.as_text() or "")["kernels"],
        "trace_s": at_traced - start,
        "lower_s": at_lowered - at_traced,
        "compile_s": at_compiled - at_lowered,
        "total_s": at_compiled - start,
    }


def table(rows: Sequence[Row]) -> str:
    """A Markdown table of the rows."""
    head = "environment | learner | equations | kernels | trace s | lower s | compile s | together s"
    lines = [head, " | ".join(["---"] * len(head.split("|")))]
    for row in rows:
        seconds = (format(row[f"{part}_s"], ".1f") for part in ("trace", "lower", "compile", "total"))
        lines.append(" | ".join([row["env"], row["learner"], str(row["equations"]), str(row["kernels"]), *seconds]))
    return "\n".join(f"| {line} |" for line in lines)
