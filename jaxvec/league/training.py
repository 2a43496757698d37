"""An entry's training: in pieces, between which its greedy policies are judged while no clock runs."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.devices import usable, use_devices
from jaxvec.core.evaluation import episode_means
from jaxvec.core.shards import MOST
from jaxvec.learners.base import Learner
from jaxvec.training.driver import TrainingError
from jaxvec.training.progress import Progress
from jaxvec.training.run_folder import init_seeds

CHECKPOINTS = 12  # at which policies are judged, evenly spread on a logarithmic axis
PIECES = 50  # of a training at least, after each of which progress is shown
TRIAL_S = 2.0  # of the trial that says how long an update takes, or less where there is less to spend
TRIAL_PART = 0.05  # of what there is to spend


class Programs(NamedTuple):
    """What an entry runs, compiled.

    Attributes:
        fresh: `fresh(hyper) -> states`, with a leading axis of seeds.
        advance: `advance(states, count) -> states`.
        compile_s: seconds that compiling took.
    """

    fresh: Callable[[Any], Any]
    advance: Callable[[Any, Array], Any]
    compile_s: float


def devices_of(learner: Learner) -> list[jax.Device]:
    """On which the worlds of a training are.

    Args:
        learner: what learns.
    """
    return usable(learner.settings.n_worlds, at_most=MOST)


def compiled(learner: Learner, params: Any, hyper: Any, key: Array, num_seeds: int) -> Programs:
    """The training of several seeds side by side, as `jaxvec.train` does it; how long it lasts is left open.

    Args:
        learner: what learns.
        params: the environment's, in training.
        hyper: of this structure.
        key: everything random follows from it.
        num_seeds: S.
    """

    def init(hyper: Any) -> Any:
        states = init_seeds(learner, params, hyper, key, num_seeds)
        return states if num_seeds > 1 else jax.tree.map(lambda x: jnp.asarray(x)[None], states)

    update = jax.vmap(learner.update) if num_seeds > 1 else _of_one(learner)

    def advance(states: Any, count: Array) -> Any:
        return jax.lax.fori_loop(0, count, lambda _, states: update(states)[0], states)

    started = time.perf_counter()
    with use_devices(devices_of(learner)):
        fresh = jax.jit(init).lower(hyper).compile()
        states = fresh(hyper)
        lying = jax.tree.map(lambda x: x.sharding, states)
        run = jax.jit(advance, donate_argnums=0, out_shardings=lying).lower(states, jnp.int32(0)).compile()
    return Programs(fresh, run, time.perf_counter() - started)


def _of_one(learner: Learner) -> Callable[[Any], Any]:
    """The update of a single seed that has an axis all the same."""

    def update(states: Any) -> Any:
        return jax.tree.map(lambda x: x[None], learner.update(jax.tree.map(lambda x: x[0], states)))

    return update


def timed(programs: Programs, states: Any, count: int) -> tuple[Any, float]:
    """Some updates, and the seconds that they took.

    Args:
        programs: of the entry.
        states: before; they are used up.
        count: updates.
    """
    jax.block_until_ready(states)
    started = time.perf_counter()
    states = jax.block_until_ready(programs.advance(states, jnp.int32(count)))
    return states, time.perf_counter() - started


def updates_in(programs: Programs, hyper: Any, seconds: float) -> int:
    """How many updates of all seeds fit into some seconds, by a trial of which nothing is kept.

    Args:
        programs: of the entry.
        hyper: of the trial.
        seconds: to be spent [s].
    Returns:
        At least 1.
    """
    states, count = programs.fresh(hyper), 1
    states, _ = timed(programs, states, count)
    while True:
        states, took_s = timed(programs, states, count)
        if took_s >= min(TRIAL_S, TRIAL_PART * seconds) / 2:
            return max(1, round(seconds * count / max(took_s, 1e-9)))
        count *= 2


def checkpoints(updates: int) -> list[int]:
    """After how many updates policies are judged: before the first, and from then on evenly on a logarithmic axis.

    Args:
        updates: of the training.
    """
    return [0, *sorted({round(x) for x in np.geomspace(1, updates, min(CHECKPOINTS, updates))})]


def judge_of(learner: Learner) -> Callable[..., dict[str, Array]]:
    """`judge(states, key, params, n_worlds)`: means over an episode of each seed's greedy policy, per metric `(S, W)`.

    Args:
        learner: whose policies.
    """

    def judge(states: Any, key: Array, params: Any, n_worlds: int) -> dict[str, Array]:
        def of_seed(state: Any) -> dict[str, Array]:
            return episode_means(learner.env, learner.policy(state), key, params, n_worlds)

        return jax.lax.map(of_seed, states)

    return jax.jit(judge, static_argnums=3)


class Trained(NamedTuple):
    """What became of an entry.

    Attributes:
        states: of all seeds.
        checkpoints: each with "updates", "seconds" of training of all seeds together until then [s], "reward" of each seed
            `(S,)`, and "in_worlds", that of all seeds together in each world `(J,)`.
        train_s: seconds of training [s].
    """

    states: Any
    checkpoints: list[dict[str, Any]]
    train_s: float


def run(
    programs: Programs, hyper: Any, updates: int, judge: Callable[[Any], np.ndarray], line: Progress, slots: int
) -> Trained:
    """Train, and judge at `checkpoints`; the clock of training stands still meanwhile.

    Args:
        programs: of the entry.
        hyper: its hyper-parameters.
        updates: of the training.
        judge: from states to the reward of each seed in each world `(S, J)`.
        line: where progress is shown.
        slots: that an update of all seeds simulates.
    Raises:
        TrainingError: a reward is not finite.
    """
    states, train_s, done = programs.fresh(hyper), 0.0, 0
    points: list[dict[str, Any]] = []
    piece = max(1, updates // PIECES)
    for until in checkpoints(updates):
        while done < until:
            count = min(piece, until - done)
            states, took_s = timed(programs, states, count)
            done, train_s = done + count, train_s + took_s
            if points:
                line.update(done, updates, float(np.mean(points[-1]["reward"])), train_s, steps=slots)
        reward = np.asarray(judge(states), float)
        if not np.all(np.isfinite(reward)):
            raise TrainingError(
                f"after {done} updates the policies earn {reward.mean(1).tolist()}: training has gone astray"
            )
        of_seeds, in_worlds = reward.mean(1).tolist(), reward.mean(0).tolist()
        points.append({"updates": done, "seconds": train_s, "reward": of_seeds, "in_worlds": in_worlds})
    return Trained(states, points, train_s)
