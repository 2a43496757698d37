"""World-steps per second: of environments with random actions, and of training; compile time apart.

A row is a flat dict: what ran, on what, its compile time, and the median of repeated runs with the lowest and the highest.
A ratio of two speeds is only as good as the quiet around both, so whatever is compared runs alternately, a round of everything
after a round of everything, and a ratio is the median over rounds.
"""

import functools
import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec import bench_arguments, bench_program, learners, policies
from jaxvec.core import cache, rng
from jaxvec.core.checkout import commit
from jaxvec.core.devices import said, usable, use_devices
from jaxvec.core.environment import Environment
from jaxvec.core.files import write_text
from jaxvec.core.make import make
from jaxvec.core.params import world_params
from jaxvec.core.rollout import Slot, rollout, world_keys
from jaxvec.core.shards import most_of
from jaxvec.learners.base import Learner

Row = dict[str, Any]
"""What was measured of one program, by name; JSON can hold it."""
ENOUGH_S = 0.5  # a timed run lasts at least about so long


def all_cores() -> None:
    """Make one CPU device per core; call before JAX starts. Worlds are then sharded over them. No effect on GPU or TPU."""
    flags = os.environ.get("XLA_FLAGS", "")
    if "host_platform_device_count" not in flags:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={cores}".strip()


def machine() -> Row:
    """The device, cores, commit and versions that a row is measured with."""
    device = jax.devices()[0]
    kind = device.device_kind if device.platform != "cpu" else platform.processor() or platform.machine()
    return {
        "device": kind,
        "platform": device.platform,
        "devices": jax.device_count(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "commit": commit(),
        **{name: version(name) for name in ("jaxvec", "jax", "jaxlib", "numpy")},
    }


def slug(machine: Row) -> str:
    """The device in a file's name."""
    size = f"{machine['cores']}-cores" if machine["platform"] == "cpu" else f"x{machine['devices']}"
    return re.sub(r"[^a-z0-9]+", "-", f"{machine['device']}-{size}".lower()).strip("-")


def timed(run: Callable[[int], Any], repeats: int) -> dict[str, float]:
    """Time a function: the first call apart (it compiles), then the median and the range.

    Args:
        run: `run(i)` blocks until it is done.
        repeats: calls after the first.
    Returns:
        `first_s`, `median_s`, `low_s` and `high_s` [s].
    """
    seconds = []
    for i in range(repeats + 1):
        start = time.perf_counter()
        run(i)
        seconds.append(time.perf_counter() - start)
    again = sorted(seconds[1:])
    return {"first_s": seconds[0], "median_s": float(np.median(again)), "low_s": again[0], "high_s": again[-1]}


@dataclass(frozen=True)
class Case:
    """One program to be timed.

    Attributes:
        row: what it is: at least `series`, `worlds` and `agents`.
        steps: world-steps of one unit of work.
        call: `call(i, units)` does that much work with the i-th seed, and returns when it is done.
        program: the compiled program, if it is one.
    """

    row: Row
    steps: int
    call: Callable[[int, int], Any]
    program: Any = None


def compiled(row: Row, steps: int, run: Callable[..., Any], *arguments: Any) -> Case:
    """A case of a function of JAX, traced and compiled here and now; how long that took is in the row.

    Args:
        row: what it is.
        steps: world-steps of one unit of work.
        run: `run(key, units, *arguments)` does so many units.
        arguments: for it.
    """
    start = time.perf_counter()
    program = jax.jit(run).lower(jax.random.key(0), jnp.int32(1), *arguments).compile()
    seconds = time.perf_counter() - start

    def call(i: int, units: int) -> None:
        jax.block_until_ready(program(jax.random.key(i), jnp.int32(units), *arguments))

    return Case(row | {"compile_s": seconds}, steps, call, program)


def team_reward(slot: Slot) -> jax.Array:
    """The mean reward over all agents, `(worlds,)`."""
    return jnp.stack([jnp.mean(reward, 0) for reward in slot.ts.reward.values()]).mean(0)


def env_case(
    env: Environment,
    params: Any,
    worlds: int,
    *,
    devices: Sequence[jax.Device] | None = None,
    select: Callable[[Slot], Any] = team_reward,
    label: str = "random actions",
) -> Case:
    """Whole episodes with random actions, resets included; a unit is an episode of every world.

    Args:
        env: the environment.
        params: its parameters.
        worlds: that run side by side.
        devices: over which worlds are spread; None: all, as far as they divide the worlds.
        select: what is used of a slot, so that the compiler leaves it in.
        label: what the row calls it.
    """
    policy = policies.random(env)

    def episodes(key: jax.Array, units: jax.Array, params: Any) -> Any:
        def episode(i: jax.Array) -> Any:
            selected = rollout(env, policy, key, params, worlds, episode=i, select=select)
            return jax.tree.map(lambda x: jnp.mean(x, 0), selected)

        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(episode, jnp.int32(0)))
        return jax.lax.fori_loop(0, units, lambda i, total: jax.tree.map(jnp.add, total, episode(i)), zeros)

    row = {
        "what": "env",
        "series": f"{env.id}, {label}",
        "env": env.id,
        "worlds": worlds,
        "agents": sum(env.n_agents.values()),
        "sharded_over": len(usable(worlds, devices)),
    }
    with use_devices(usable(worlds, devices)):
        return compiled(row, worlds * env.horizon, episodes, params)


def train_case(env: Environment, params: Any, name: str, **settings: Any) -> Case:
    """Updates of a learner; a unit is an update.

    Args:
        env: the environment.
        params: its parameters.
        name: of the learner.
        settings: of the learner.
    Raises:
        ValueError: an unknown learner, or one that cannot learn on this environment.
    """
    learner = learners.make(name, env, **settings)
    devices = usable(n_worlds := learner.settings.n_worlds, at_most=most_of(n_worlds))
    with use_devices(devices):
        state = jax.jit(lambda key: learner.init(key, params))(jax.random.key(0))

    def updates(key: jax.Array, units: jax.Array, state: Any) -> Any:
        return jax.lax.fori_loop(0, units, lambda _, state: learner.update(state)[0], state)

    row = {
        "what": "train",
        "series": f"{env.id}, {name}",
        "env": env.id,
        "learner": name,
        "worlds": n_worlds,
        "agents": sum(env.n_agents.values()),
        "sharded_over": len(devices),
        **gradient_steps(learner),
        "settings": str(learner.settings),
    }
    with use_devices(devices):
        return compiled(row, learner.steps_per_update, updates, state)


def gradient_steps(learner: Learner) -> Row:
    """Gradient steps of a learner's actors, as `gradient_steps_per_slot`; nothing where its settings do not tell."""
    s = learner.settings
    if hasattr(s, "gradient_steps"):  # off-policy, in phases of learning
        return {"gradient_steps_per_slot": s.gradient_steps / s.learn_every / s.n_worlds}
    if hasattr(s, "epochs"):  # PPO
        return {"gradient_steps_per_slot": s.epochs * s.minibatches / learner.steps_per_update}
    return {"gradient_steps_per_slot": 1 / learner.steps_per_update} if hasattr(s, "replay_slots") else {}  # apg


def take_turns(cases: Sequence[Case], rounds: int, seconds: float) -> list[Row]:
    """Time all cases, one after the other in every round, and every other round backwards.

    Args:
        cases: what is compared.
        rounds: how often.
        seconds: about how long each is to run in a round.
    Returns:
        The cases' rows with their speeds: median, lowest, highest, and `by_round`.
    """
    once = [timed(functools.partial(lambda case, i: case.call(i, 1), case), 3)["median_s"] for case in cases]
    units = [max(1, round(seconds / s)) for s in once]
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
        **{name[:-4] + "s": x * median for name, x in case.row.items() if name.endswith("_per_slot")},
    }


def ratio(ours: Row, theirs: Row, per: str = "agent-step") -> Row:
    """How many times as fast, median over the rounds that both ran in, with the range.

    Args:
        ours, theirs: rows of one call of `take_turns`.
        per: "agent-step" (an environment's step counts once for each agent) or "world-step".
    """

    def speeds(row: Row) -> np.ndarray:
        return np.asarray(row["by_round"]) * (row["agents"] if per == "agent-step" else 1)

    times = speeds(ours) / speeds(theirs)
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


def compiled_step(env: Environment, params: Any, worlds: int) -> Row:
    """What the compiler made of one slot with random actions, per world-step. The floor of bytes are the arrays
    that cross its border. `kernel_runs` and `moved_bytes` count loops as often as they run, the others once.
    """
    params = world_params(params)
    policy = policies.random(env)
    keys = world_keys(jax.random.key(0), worlds)
    state, ts = jax.eval_shape(env.reset, keys, params)

    def step(keys: jax.Array, state: Any, ts: Any, t: jax.Array) -> Any:
        now = rng.fold_in(keys, t)
        action, _ = env.act(lambda k, obs: (policy(k, obs), ()), rng.stream(now, "policy"), state, ts, params)
        state, ts = env.step(now, state, action, params)
        return state, ts.replace(info={}), ts.reward

    compiled = jax.jit(step).lower(keys, state, ts, jnp.int32(0)).compile()
    cost = compiled.cost_analysis() or {}
    runs = bench_program.count(compiled.as_text() or "")
    crossing = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves((state, state, ts)))
    return {
        "kernels_per_step": runs["instructions"],
        "kernel_runs_per_step": runs["kernels"],
        "moved_bytes_per_step": runs["bytes"] / worlds,
        "bytes_per_step": cost.get("bytes accessed", float("nan")) / worlds,
        "flops_per_step": cost.get("flops", float("nan")) / worlds,
        "transcendentals_per_step": cost.get("transcendentals", float("nan")) / worlds,
        "floor_bytes_per_step": crossing / worlds,
    }


def copy_bandwidth(n_bytes: int) -> float:
    """Bytes per second, read and written, of an elementwise pass over an array of `n_bytes` on one device."""
    x = jnp.zeros(max(n_bytes // 4, 1))
    many = jax.jit(lambda x, n: jax.lax.fori_loop(0, n, lambda i, x: x * 0.5 + 1.0, x))
    count = max(1, int(2e8 // n_bytes))
    times = timed(lambda i: jax.block_until_ready(many(x, jnp.int32(count))), 5)
    return 2 * x.nbytes * count / times["median_s"]


def step_row(env: Environment, params: Any, row: Row) -> Row:
    """What the compiler made of a slot, and how far a measured row is from the time that its unavoidable bytes take."""
    step = compiled_step(env, params, row["worlds"])
    floor_s = step["floor_bytes_per_step"] / copy_bandwidth(int(step["floor_bytes_per_step"] * row["worlds"]))
    return step | {"bandwidth_floor_s": floor_s, "times_floor": 1 / (row["steps_per_s"] * floor_s)}


def run(
    env_ids: Iterable[str],
    worlds: Sequence[int],
    *,
    train: Sequence[str] | None = None,
    repeats: int = 5,
    quiet: bool = False,
) -> list[Row]:
    """Measure environments at each number of worlds, and training on them; nothing is read from the compilation cache.

    Args:
        env_ids: names of environments.
        worlds: numbers of worlds side by side.
        train: names of learners whose training is measured, at their own settings and numbers of worlds; empty: of all that are
            known, of which those that cannot learn on an environment are left out there; None: no training.
        repeats: rounds, of which the median is taken.
        quiet: print no line for each row as it comes.
    Returns:
        All rows, in order.
    Raises:
        ValueError: see `jaxvec.bench_arguments.check`; or a learner that is named cannot learn on an environment.
    """
    cache.disable()
    env_ids = tuple(env_ids)
    bench_arguments.check(env_ids, worlds, train, repeats)
    rows: list[Row] = []

    def measure(cases: Sequence[Case], seconds: float) -> list[Row]:
        measured = [machine() | row for row in take_turns(cases, repeats, seconds)]
        for row in () if quiet else measured:
            on = said(row["worlds"], jax.devices()[: row["sharded_over"]])
            print(f"{row['series']}, {row['worlds']} worlds, {on}: {row['steps_per_s']:.4g} steps/s", flush=True)
        return measured

    for env_id in env_ids:
        env, params = make(env_id)
        for n in worlds:
            (row,) = measure([env_case(env, params, n)], ENOUGH_S)
            rows.append(row | step_row(env, params, row))
        rows += [] if train is None else measure(_train_cases(env, params, train), 2 * ENOUGH_S)
    return rows


def _train_cases(env: Environment, params: Any, names: Sequence[str]) -> list[Case]:
    """Training by each of several learners, or if none is named by every one that can learn on this environment."""
    cases = []
    for name in names or learners.LEARNERS:
        try:
            cases.append(train_case(env, params, name))
        except ValueError:
            if names:
                raise
    return cases


def write(rows: Iterable[Row], path: Path) -> None:
    """Write rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def table(rows: Sequence[Row]) -> str:
    """A Markdown table of the rows."""
    titles = ["what", "worlds", "devices", "steps/s", "range", "agent-steps/s", "gradient steps/s", "compile s"]
    titles += ["kernels", "bytes/step", "x floor"]
    lines = [" | ".join(titles), " | ".join(["---"] * len(titles))]
    for row in rows:
        spread = f"{row['steps_per_s_low']:.3g} to {row['steps_per_s_high']:.3g}"
        devices = f"{row['sharded_over']} of {row['devices']}" if {"sharded_over", "devices"} <= row.keys() else ""
        cells = [row["series"], str(row["worlds"]), devices, _cell(row, "steps_per_s", ".3g"), spread]
        cells += [_cell(row, f"{what}_steps_per_s", ".3g") for what in ("agent", "gradient")]
        cells += [_cell(row, "compile_s", ".1f"), _cell(row, "kernels_per_step", "d")]
        lines.append(" | ".join([*cells, _cell(row, "bytes_per_step", ".0f"), _cell(row, "times_floor", ".1f")]))
    return "\n".join(f"| {line} |" for line in lines)


def _cell(row: Row, name: str, form: str) -> str:
    """A number of a row, or nothing where the row has none of this name."""
    return format(row[name], form) if name in row else ""
