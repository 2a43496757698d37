"""Those who decide from the cases of MARL, in the worlds in which MARL decides: the language model's part of Figs. 3 to 6.

MARL is that with a pooled critic, as the paper's does not learn here; it is trained for each seed, solves the cases, and then
everyone meets the same worlds. A language model takes part where `JAXVEC_LLM_MODEL` names one (at `JAXVEC_LLM_BASE_URL`), in
fewer and shorter episodes; its answers are kept beside the runs, and asked for once. Where there is none, `STAND_IN`, which
blends the nearest cases, stands for it.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvec import learners, make
from jaxvec.envs.dt_edge import DtEdge
from jaxvec.papers.dt_edge.contest import contest
from jaxvec.papers.dt_edge.series import BIASES_HZ, HYPER, MINUS, PLUS, SETTINGS, named
from jaxvec.papers.programs import WORLDS
from jaxvec.papers.series import Here, Named, RunFn, Series
from jaxvec.policies.in_context import dt_edge as in_context
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import MODEL, Http
from jaxvec.policies.llm.cache import Cache
from jaxvec.training import train

TEACHER, STAND_IN, LANGUAGE_MODEL = "MARL", "icl_kernel_64", "language model"
RULES = ("random", "local_threshold", "slot_optimum")
FEW_WORLDS, FEW_SLOTS = 2, 25  # in which a language model is asked


def decider(name: str) -> RunFn:
    """What makes the runs of one of them: its metrics, `ahead_of_marl` beside them, and the curve of its teacher.

    Args:
        name: `TEACHER`, one of `RULES`, one of `jaxvec.policies.in_context.dt_edge.policies`, or `LANGUAGE_MODEL`.
    """

    def run(seeds: Sequence[int], settings: Named, here: Here) -> list[tuple[Named, Named]]:
        known = tuple(sorted((k, v) for k, v in settings.items()))
        where = (here.sizes["n_vehicles"], here.numbers["cpu_bias_mean_hz"], here.slots, here.episodes, here.folder)
        held = [met(seed, known, *where, asks=name == LANGUAGE_MODEL) for seed in seeds]
        return [(metrics[name], curve if name not in RULES else {}) for metrics, curve in held]

    return run


@cache
def met(
    seed: int,
    settings: tuple[tuple[str, Any], ...],
    n_vehicles: int,
    bias_hz: float,
    slots: int,
    episodes: int,
    folder: Path,
    asks: bool,
) -> tuple[dict[str, Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """Everyone in the same worlds.

    Args:
        seed: of the teacher's training.
        settings: of the budget, of which the learner takes those that it has.
        n_vehicles, bias_hz: the environment's.
        slots: of training.
        episodes: of evaluation.
        folder: of runs, where trainings and answers are kept.
        asks: whether a language model takes part, in fewer and shorter episodes.
    Returns:
        By name the metrics, `(episodes,)` each; and the teacher's curve.
    """
    env, params = make("dt_edge", n_vehicles=n_vehicles)
    assert isinstance(env, DtEdge)
    params = params.replace(cpu_bias_mean_hz=bias_hz)
    fields = {field.name for field in dataclasses.fields(learners.make("maddpg", env).settings)}
    ours = {name: value for name, value in settings if name in fields}
    learner = learners.make("maddpg", env, **{**SETTINGS, "pooled_critic": True, **ours})
    updates, out = (
        max(1, slots // learner.steps_per_update),
        folder / f"teacher-{n_vehicles}-{bias_hz:g}-{slots}-{seed}",
    )
    how: dict[str, Any] = {"hyper": HYPER, "out": out, "resume": True, "progress": False}
    result = train(learner, params, jax.random.key(seed), updates, **how)
    library = in_context.collect(env, params, result.policy(), jax.random.key(seed), source=TEACHER)
    meet = partial(contest, others={TEACHER: result.policy()})
    if asks:
        short = dataclasses.replace(env, horizon=FEW_SLOTS)
        models = {LANGUAGE_MODEL: Asker(Http(), Cache(folder / "answers.jsonl"))}
        held = meet(short, params, library, jax.random.key(WORLDS), FEW_WORLDS, models=models)
    else:
        held = meet(env, params, library, jax.random.key(WORLDS), episodes)
    ahead = {name: x["reward"] - held.metrics[TEACHER]["reward"] for name, x in held.metrics.items()}
    metrics: dict[str, Mapping[str, np.ndarray]] = {
        name: {**x, "ahead_of_marl": ahead[name]} for name, x in held.metrics.items()
    }
    return metrics, {"reward": np.asarray(result.metrics["reward"], float)}


def at(name: str, bias: str) -> Series:
    """A series of one of them at a bias; those who decide from cases are measured as their teacher is."""
    marks = () if name in RULES else (named("local_threshold", bias),)
    numbers = {"cpu_bias_mean_hz": BIASES_HZ[bias]}
    return Series(named(name, bias), run_fn=decider(name), numbers=numbers, marks=marks)


ASKED = (LANGUAGE_MODEL,) if os.environ.get(MODEL) else ()
DECIDERS = (TEACHER, "icl_copy", STAND_IN, *ASKED)
SERIES = tuple(at(name, bias) for bias in (PLUS, MINUS) for name in (*DECIDERS, *RULES))
