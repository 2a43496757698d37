"""Programs to be timed, and the timing of several of them in turns.

A ratio of two speeds is only as good as the quiet around both. So whatever is compared runs alternately, a round of everything
after a round of everything, and a ratio is the median over rounds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxvec import learners, policies
from jaxvec.bench import Row, timed
from jaxvec.core.environment import Environment
from jaxvec.core.rollout import Slot, rollout


@dataclass(frozen=True)
class Case:
    """One program.

    Attributes:
        row: what it is, in the words of `jaxvec.bench`.
        steps: world-steps of one unit of work.
        call: `call(i, units)` does that much work with the i-th seed, and returns when it is done.
        program: the compiled program, if it is one.
    """

    row: Row
    steps: int
    call: Callable[[int, int], Any]
    program: Any = None


def compiled(row: Row, steps: int, run: Callable[..., Any], *arguments: Any) -> Case:
    """A case of `run(key, units, *arguments)`, traced and compiled here and now; how long that took is in the row."""
    start = time.perf_counter()
    program = jax.jit(run).lower(jax.random.key(0), jnp.int32(1), *arguments).compile()
    seconds = time.perf_counter() - start

    def call(i: int, units: int) -> None:
        jax.block_until_ready(program(jax.random.key(i), jnp.int32(units), *arguments))

    return Case(row | {"compile_s": seconds}, steps, call, program)


def spread(worlds: int) -> NamedSharding:
    """The axis of worlds over all devices, if they divide it; else on the first."""
    devices = jax.devices() if worlds % jax.device_count() == 0 else jax.devices()[:1]
    return NamedSharding(Mesh(np.asarray(devices), ("worlds",)), PartitionSpec("worlds"))


def team_reward(slot: Slot) -> jax.Array:
    """The mean reward over all agents, `(worlds,)`."""
    return jnp.stack([jnp.mean(reward, 0) for reward in slot.ts.reward.values()]).mean(0)


def ours(
    env: Environment,
    params: Any,
    worlds: int,
    *,
    sharding: NamedSharding | None = None,
    keep: Callable[[Slot], Any] = team_reward,
    label: str = "random actions",
) -> Case:
    """Whole episodes with random actions, resets included: the program of `jaxvec.bench.env_row`."""
    policy = policies.random(env)

    def episodes(key: jax.Array, units: jax.Array, params: Any) -> Any:
        def one(i: jax.Array) -> Any:
            kept = rollout(env, policy, key, params, worlds, episode=i, keep=keep, sharding=sharding)
            return jax.tree.map(lambda x: jnp.mean(x, 0), kept)

        shape = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(one, jnp.int32(0)))
        return jax.lax.fori_loop(0, units, lambda i, total: jax.tree.map(jnp.add, total, one(i)), shape)

    row = {
        "what": "env",
        "series": f"{env.id}, {label}",
        "env": env.id,
        "worlds": worlds,
        "agents": sum(env.n_agents.values()),
        "sharded_over": 1 if sharding is None else sharding.num_devices,
    }
    return compiled(row, worlds * env.horizon, episodes, params)


def our_training(env: Environment, params: Any, name: str, **settings: Any) -> Case:
    """Updates of a learner: the program of `jaxvec.bench.train_row`."""
    learner = learners.make(name, env, **settings)
    state = jax.jit(lambda key: learner.init(key, params))(jax.random.key(0))

    def updates(key: jax.Array, units: jax.Array, state: Any) -> Any:
        return jax.lax.fori_loop(0, units, lambda _, state: learner.update(state)[0], state)

    row = {
        "what": "train",
        "series": f"{env.id}, {name}",
        "env": env.id,
        "learner": name,
        "worlds": learner.settings.n_worlds,
        "agents": sum(env.n_agents.values()),
        "settings": str(learner.settings),
    }
    return compiled(row, learner.steps_per_update, updates, state)


def take_turns(cases: Sequence[Case], rounds: int, seconds: float) -> list[Row]:
    """Time all cases, one after the other in every round, and every other round backwards.

    Args:
        seconds: about how long each is to run in a round.
    Returns:
        The cases' rows with their speeds: median, lowest, highest, and `by_round`.
    """
    units = [max(1, round(seconds / timed(lambda i, case=case: case.call(i, 1), 3)["median_s"])) for case in cases]
    took = np.zeros((len(cases), rounds))
    for case, n in zip(cases, units, strict=True):
        case.call(0, n)
    for i in range(rounds):
        for j in range(len(cases))[:: 1 if i % 2 == 0 else -1]:
            start = time.perf_counter()
            cases[j].call(i + 1, units[j])
            took[j, i] = time.perf_counter() - start
    return [_speeds(case, case.steps * n / s) for case, n, s in zip(cases, units, took, strict=True)]


def _speeds(case: Case, by_round: np.ndarray) -> Row:
    median = float(np.median(by_round))
    return case.row | {
        "steps_per_s": median,
        "agent_steps_per_s": case.row["agents"] * median,
        "steps_per_s_low": float(by_round.min()),
        "steps_per_s_high": float(by_round.max()),
        "by_round": [float(x) for x in by_round],
    }


def ratio(ours: Row, theirs: Row, per: str = "agent-step") -> Row:
    """How many times as fast, median over the rounds that both ran in, with the range.

    Args:
        per: "agent-step" (an environment's step counts once for each agent) or "world-step".
    """
    each = lambda row: np.asarray(row["by_round"]) * (row["agents"] if per == "agent-step" else 1)  # noqa: E731
    times = each(ours) / each(theirs)
    return {
        "what": "ratio",
        "ours": ours["series"],
        "our_worlds": ours["worlds"],
        "theirs": theirs["series"],
        "their_worlds": theirs["worlds"],
        "per": per,
        "times": float(np.median(times)),
        "times_low": float(times.min()),
        "times_high": float(times.max()),
        "rounds": len(times),
    }
