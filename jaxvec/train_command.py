"""`jaxvec train`: from the words of a command line to a run folder with a learning curve."""

import json as jsonlib
import time
from pathlib import Path
from typing import Any, NamedTuple

import tyro

from jaxvec.core import hosts
from jaxvec.core.processes import is_first, together
from jaxvec.options import Count, CountFromZero, Seed, refuse_beside
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
    distributed: Json = False,
    coordinator: str | None = None,
    processes: Count | None = None,
    rank: CountFromZero | None = None,
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
        distributed: train together with the other tasks of a SLURM step, or with the processes that the next options tell of.
        coordinator: HOST:PORT, where process 0 listens, as the others reach it.
        processes: how many there are.
        rank: of this process, from 0.
        out: run folder; runs/ENV-LEARNER-TIME if not given.
        set: env sizes, env numbers, learner settings and hyper-parameters by name, as often as needed.
        resume: go on with this run folder, as it was; beside it only --updates, --devices and --distributed with its own.
        register: modules of your own, which register environments, models or learners when imported.
        json: print one JSON object instead of text.
    """
    _join_others(distributed, coordinator, processes, rank)
    with together():
        import_modules(register)
        if resume is not None:
            others = {"env": env, "learner": learner, "preset": preset, "worlds": worlds, "seeds": seeds, "seed": seed}
            words = "--resume goes on with a run as it was: give --updates, --devices or --distributed"
            refuse_beside(words, **others, out=out, set=set)
            setup = _again(resume, updates)
        else:
            setup = _new(env, learner or "apg", preset, worlds, updates or 1000, seeds or 1, seed or 0, set)
        out = resume or out or Path("runs") / f"{env}-{learner or 'apg'}-{time.strftime('%Y%m%d-%H%M%S')}"
        _run(setup, out, resume is not None, devices, json)


def _join_others(distributed: bool, coordinator: str | None, processes: int | None, rank: int | None) -> None:
    """Join other processes, if that is wanted: before anything is computed."""
    if not distributed:
        of_it = {"coordinator": coordinator, "processes": processes, "rank": rank}
        refuse_beside("without --distributed this process trains alone: give it", **of_it)
        return
    try:
        hosts.start(coordinator, processes, rank)
    except ValueError as error:
        raise ValueError(f"--distributed: {error}") from None
    hosts.set_output_apart()


class _Setup(NamedTuple):
    """What a run is made from: the learner, the environment's parameters, hyper-parameters, key, updates and seeds."""

    learner: Any
    params: Any
    hyper: Any
    key: Any
    updates: int
    seeds: int


def _again(run: Path, updates: int | None) -> _Setup:
    """What a run was made from, with as many updates in total as are wanted now."""
    from jaxvec.training.run_folder import rebuild

    config, built, params, hyper, key = rebuild(run)
    planned = config["train"]["num_updates"] if updates is None else updates
    return _Setup(built, params, hyper, key, planned, config["train"]["num_seeds"])


def _new(
    env: str | None,
    learner: str,
    preset: str | None,
    worlds: int | None,
    updates: int,
    seeds: int,
    seed: int,
    pairs: tuple[str, ...],
) -> _Setup:
    """What a new run is made from; refuses to make one without an environment."""
    import jax

    from jaxvec.settings import setup

    if env is None:
        raise ValueError("name an environment to train on (see `jaxvec envs`), or a folder with --resume")
    sizes = {} if worlds is None else {"n_worlds": worlds}
    _, params, built, hyper = setup(env, learner, pairs, preset, num_updates=updates, **sizes)
    return _Setup(built, params, hyper, jax.random.key(seed), updates, seeds)


def _run(setup: _Setup, out: Path, resume: bool, devices: int | None, json: bool) -> None:
    """Train, and report on it."""
    from jaxvec.training import train as run_training

    how: dict[str, Any] = {"hyper": setup.hyper, "out": out, "resume": resume, "devices": devices}
    result = run_training(setup.learner, setup.params, setup.key, setup.updates, num_seeds=setup.seeds, **how)
    if is_first():
        _report_training(result, setup, json)


def _report_training(result: Any, setup: _Setup, json: bool) -> None:
    """Draw the learning curve of a run, and print what became of it."""
    from jaxvec.training.driver import titled
    from jaxvec.training.metrics import read_metrics
    from jaxvec.viz import plots

    updates, title = setup.updates, titled(setup.learner, setup.params)

    out, picture = result.out, result.out / "learning_curve.png"
    plots.learning_curve(
        read_metrics(out), picture, title=f"{out.name}: {title}", episode=setup.learner.updates_per_episode
    )
    if not json:
        print(f"{out}: {updates} updates in {result.run_s:.0f} s, and {result.compile_s:.0f} s to compile; {picture}")
        return
    summary = {"out": str(out), "updates": updates, "compile_s": result.compile_s, "run_s": result.run_s}
    last = {"reward": float(result.metrics["reward"][-max(1, updates // 20) :].mean())} if result.metrics else {}
    print(jsonlib.dumps(summary | last | {"learning_curve": str(picture)}))
