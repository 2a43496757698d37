"""The commands that tell what there is: environments, learners, the metrics of a run."""

import csv
import json as jsonlib
import sys
from pathlib import Path
from typing import Any

import tyro

from jaxvec.core.make import ENVIRONMENTS, env_ids
from jaxvec.shell import Flag, Json, Register, import_modules


def envs(env: tyro.conf.Positional[str | None] = None, /, *, register: Register = (), json: Json = False) -> None:
    """List the environments, or describe one: sizes, switches, numbers, observation, actions, presets, info.

    Examples:
        jaxvec envs
        jaxvec envs isac_iov

    Args:
        env: describe this one.
        register: modules of your own, which register environments, models or learners when imported (see jaxvec.register).
        json: print one JSON object instead.
    """
    from jaxvec import describe

    import_modules(register)
    if env is None:
        words = {name: describe.words_of(ENVIRONMENTS[name]).partition("\n")[0] for name in env_ids()}
        print(jsonlib.dumps(words) if json else _listed(words))
        return
    description = describe.describe(ENVIRONMENTS[env]())
    print(jsonlib.dumps(description) if json else describe.text(description))


def learners(
    learner: tyro.conf.Positional[str | None] = None,
    /,
    *,
    env: str = "isac_iov",
    register: Register = (),
    json: Json = False,
) -> None:
    """List the learners, or describe one: its settings and hyper-parameters, and what they mean.

    Examples:
        jaxvec learners
        jaxvec learners mappo --env urllc_vec

    Args:
        learner: describe this one.
        env: for which its defaults are shown.
        register: modules of your own, which register environments, models or learners when imported (see jaxvec.register).
        json: print one JSON object instead.
    """
    import_modules(register)
    from jaxvec import describe_learners
    from jaxvec.learners import LEARNERS

    if learner is None:
        words = {name: describe_learners.words_of(name) for name in LEARNERS}
        print(jsonlib.dumps(words) if json else _listed(words))
        return
    description = describe_learners.describe(learner, env)
    print(jsonlib.dumps(description, default=list) if json else describe_learners.text(description))


def _listed(words: dict[str, str]) -> str:
    """Names, each with its line."""
    return "\n".join(f"{name:16s}{line}".rstrip() for name, line in words.items())


def metrics(
    run: tyro.conf.Positional[Path],
    /,
    *,
    per_seed: Flag = False,
    csv: Flag = False,
    wandb: Path | None = None,
    json: Json = False,
) -> None:
    """What a run has told: its last update as a table, of several seeds mean and 95 % interval; or all of it for other tools.

    Examples:
        jaxvec metrics runs/demo
        jaxvec metrics runs/demo --csv > demo.csv

    Args:
        run: run folder.
        per_seed: in the table, a column for each seed in place of mean and interval.
        csv: print every update as a line of comma-separated values, a column per metric and seed.
        wandb: write them as an offline run of Weights & Biases into this folder, one per seed; needs jaxvec[wandb].
        json: print one JSON object, name to values of every update (of several seeds `name[seed]`), instead of a table.
    """
    from jaxvec import exports

    if csv and json:
        raise ValueError("--csv and --json are two forms of the same: give one of them")
    if per_seed and (csv or json or wandb is not None):
        raise ValueError("--per-seed is of the table: --csv, --json and --wandb tell of each seed by themselves")
    columns = exports.columns_of(run)
    if wandb is not None:
        exports.to_wandb(columns, wandb, run.resolve().name)
    if csv:
        _print_csv(columns)
    elif json:
        print(jsonlib.dumps(columns))
    elif wandb is None:
        print(exports.table(columns, per_seed))
    else:
        print(wandb)


def _print_csv(columns: dict[str, list[Any]]) -> None:
    """A head and a line per update."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
