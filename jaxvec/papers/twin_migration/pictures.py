"""Figs. 11 and 12 of the DM-MAPPO paper as pictures of an episode."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvec.papers.runner import Runner
from jaxvec.papers.series import SweepPoint
from jaxvec.papers.twin_migration.series import DM_MAPPO
from jaxvec.training import train
from jaxvec.viz import record, render


def trained(runner: Runner) -> tuple[Any, Any, Any]:
    """Environment, parameters of evaluation and policy of a DM-MAPPO like those of the figures; kept in the folder of runs."""
    point = SweepPoint(0.0)
    setup = runner.setup(DM_MAPPO, point)
    if setup.learner is None:
        raise TypeError("DM-MAPPO is a learner")
    folder = runner.store.folder / runner.member(DM_MAPPO, point, 0, setup).file.removesuffix(".npz")
    updates = runner.length(setup.learner, DM_MAPPO).updates
    options: dict[str, Any] = {"hyper": setup.hyper, "out": folder, "resume": True, "progress": False}
    result = train(setup.learner, setup.params, jax.random.key(0), updates, **options)
    return setup.env, runner.eval_params(DM_MAPPO, point, setup), result.policy()


def episode(runner: Runner, out: Path) -> Sequence[Path]:
    """Fig. 11: an episode of five vehicles, to be played, and the ways of vehicles and twins at its end."""
    env, params, policy = trained(runner)
    slots = record(env, policy, jax.random.key(0), params)
    draw = partial(render, env, params, slots, policy_name=DM_MAPPO.name)
    return [draw(out / "fig11-episode.html"), draw(out / "fig11-routes.png", at=env.horizon - 1)]


def migrations(runner: Runner, out: Path) -> Sequence[Path]:
    """Fig. 12: the slots in which the first vehicle's twin moves to another kind of server, at most four."""
    env, params, policy = trained(runner)
    slots = record(env, policy, jax.random.key(0), params)
    server = slots.action["vehicle"]["server"][:, 0]
    kind = (server >= env.n_rsu).astype(int) + (server == env.n_servers - 1)
    moved = np.flatnonzero(slots.ts.info["migrate"][:, 0])
    to_other_kind = [int(t) for t in moved if kind[t] != kind[t - 1]] or [int(t) for t in moved] or [0]
    file = out / "fig12-moments.png"
    return [render(env, params, slots, file, policy_name=DM_MAPPO.name, at=to_other_kind[:4])]
