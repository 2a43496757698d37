"""`jaxvec train`: from the words of a command line to a run folder with a learning curve."""

import json as jsonlib
import time
from pathlib import Path
from typing import Any

import tyro

from jaxvec.options import Count, Seed, refuse_beside
from jaxvec.shell import Json, Register, Settings, import_modules


def train(
    env: tyro.conf.Positional[str | None] = None,
    /,
    *,
    learner: str | None = None,
    preset: str | None = None,
    worlds: Count | None = None,
    updates: Count | None = None,
    seeds: Count | None = None,
    seed: Seed | None = None,
    devices: Count | None = None,
    out: Path | None = None,
    set: Settings = (),
    resume: Path | None = None,
    register: Register = (),
    json: Json = False,
) -> None:
    """Train a learner on an environment, into a run folder with metrics, checkpoints and a learning curve.

    Examples:
        jaxvec train isac_iov
        jaxvec train v2x_offload --learner mappo --seeds 3 --set n_vehicles=20 learning_rate=3e-4 --out runs/mappo
        jaxvec train --resume runs/mappo --updates 2000

    Args:
        env: the environment (see `jaxvec envs`).
        learner: apg if not given; of those that `jaxvec learners` lists, or your own.
        preset: a named configuration of the environment.
        worlds: parallel worlds; the learner's default if not given.
        updates: updates in total; 1000 if not given.
        seeds: independent learners, trained side by side; 1 if not given.
        seed: of all randomness; 0 if not given.
        devices: over how many worlds are spread, where they divide the worlds; all if not given.
        out: run folder; runs/ENV-LEARNER-TIME if not given.
        set: env sizes, env numbers, learner settings and hyper-parameters by name, as often as needed.
        resume: go on with this run folder, as it was; of the options above only --updates and --devices may be
            given with it.
        register: modules of your own, which register environments, models or learners when imported (see jaxvec.register).
        json: print one JSON object instead of text.
    """
    import_modules(register)
    from jaxvec.training import train as run_training
    from jaxvec.training.driver import titled
    from jaxvec.training.run_folder import rebuild

    if resume is not None:
        others = {"env": env, "learner": learner, "preset": preset, "worlds": worlds, "seeds": seeds, "seed": seed}
        refuse_beside("--resume goes on with a run as it was: give --updates or --devices", **others, out=out, set=set)
        config, built, params, hyper, key = rebuild(resume)
        out, seeds = resume, config["train"]["num_seeds"]
        updates = config["train"]["num_updates"] if updates is None else updates
    elif env is None:
        raise ValueError("name an environment to train on (see `jaxvec envs`), or a folder with --resume")
    else:
        updates, learner = 1000 if updates is None else updates, learner or "apg"
        built, params, hyper, key = _new(env, learner, preset, worlds, updates, seed or 0, set)
        out = out or Path("runs") / f"{env}-{learner}-{time.strftime('%Y%m%d-%H%M%S')}"
    how: dict[str, Any] = {"hyper": hyper, "out": out, "resume": resume is not None, "devices": devices}
    result = run_training(built, params, key, updates, num_seeds=1 if seeds is None else seeds, **how)
    _report_training(result, titled(built, params), updates, json)


def _new(
    env: str, learner: str, preset: str | None, worlds: int | None, updates: int, seed: int, pairs: tuple[str, ...]
) -> tuple[Any, Any, Any, Any]:
    """What a new run is made from: the learner, the environment's parameters, the hyper-parameters, the key."""
    import jax

    from jaxvec.settings import setup

    sizes = {} if worlds is None else {"n_worlds": worlds}
    _, params, built, hyper = setup(env, learner, pairs, preset, num_updates=updates, **sizes)
    return built, params, hyper, jax.random.key(seed)


def _report_training(result: Any, title: str, updates: int, json: bool) -> None:
    """Draw the learning curve of a run, and print what became of it."""
    from jaxvec.training.metrics import read_metrics
    from jaxvec.viz import plots

    out, picture = result.out, result.out / "learning_curve.png"
    plots.learning_curve(read_metrics(out), picture, title=title)
    if not json:
        print(f"{out}: {updates} updates in {result.run_s:.0f} s, and {result.compile_s:.0f} s to compile; {picture}")
        return
    summary = {"out": str(out), "updates": updates, "compile_s": result.compile_s, "run_s": result.run_s}
    last = {"reward": float(result.metrics["reward"][-max(1, updates // 20) :].mean())} if result.metrics else {}
    print(jsonlib.dumps(summary | last | {"learning_curve": str(picture)}))
