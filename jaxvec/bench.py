"""World-steps per second: of environments with random actions, and of training; compile time apart.

A row is a flat dict: what ran, on what, its compile time, and the median of repeated runs with the lowest and the highest.
"""

import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec import learners, policies
from jaxvec.core import rng
from jaxvec.core.environment import Environment, world_params
from jaxvec.core.registry import make
from jaxvec.core.rollout import rollout, world_keys

Row = dict[str, Any]
ENOUGH_S = 0.5  # a timed run lasts at least about so long


def all_cores() -> None:
    """Make one CPU device per core; call before JAX starts. Worlds are then sharded over them. No effect on GPU or TPU."""
    flags = os.environ.get("XLA_FLAGS", "")
    if "host_platform_device_count" not in flags:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={cores}".strip()


def machine() -> Row:
    """Device, cores and versions."""
    device = jax.devices()[0]
    kind = device.device_kind if device.platform != "cpu" else platform.processor() or platform.machine()
    return {
        "device": kind,
        "platform": device.platform,
        "devices": jax.device_count(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        **{name: version(name) for name in ("jaxvec", "jax", "jaxlib", "numpy")},
    }


def timed(run: Callable[[int], Any], repeats: int) -> dict[str, float]:
    """Seconds of `run(i)`, which blocks until done: the first call apart (it compiles), then the median and the range."""
    seconds = []
    for i in range(repeats + 1):
        start = time.perf_counter()
        run(i)
        seconds.append(time.perf_counter() - start)
    again = sorted(seconds[1:])
    return {"first_s": seconds[0], "median_s": float(np.median(again)), "low_s": again[0], "high_s": again[-1]}


def env_row(env: Environment, params: Any, worlds: int, repeats: int = 5) -> Row:
    """Whole episodes with random actions in so many worlds, resets included, worlds sharded over all devices if they divide."""
    devices = jax.devices() if worlds % jax.device_count() == 0 else jax.devices()[:1]
    mesh = jax.sharding.Mesh(np.asarray(devices), ("worlds",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("worlds"))
    policy = policies.random(env)

    def episodes(key: jax.Array, params: Any, count: jax.Array) -> jax.Array:
        keep = lambda slot: jnp.stack([jnp.mean(r, 0) for r in slot.ts.reward.values()]).mean(0)  # noqa: E731
        one = lambda i, total: (  # noqa: E731
            total + rollout(env, policy, key, params, worlds, episode=i, keep=keep, sharding=spread).mean(0)
        )
        return jax.lax.fori_loop(0, count, one, jnp.zeros(worlds))

    start = time.perf_counter()
    run = jax.jit(episodes).lower(jax.random.key(0), params, jnp.int32(1)).compile()
    compile_s = time.perf_counter() - start
    once = timed(lambda i: jax.block_until_ready(run(jax.random.key(i), params, jnp.int32(1))), 3)["median_s"]
    count = max(1, round(ENOUGH_S / once))
    times = timed(lambda i: jax.block_until_ready(run(jax.random.key(i), params, jnp.int32(count))), repeats)
    steps = worlds * env.horizon * count
    return {
        "what": "env",
        "series": f"{env.id}, random actions",
        "env": env.id,
        "worlds": worlds,
        "agents": sum(env.n_agents.values()),
        **_rates(steps, times, env),
        "compile_s": compile_s,
        "sharded_over": len(devices),
    }


def train_row(env: Environment, params: Any, name: str = "mappo", repeats: int = 5, **settings: Any) -> Row:
    """Updates of a learner at its default settings."""
    learner = learners.make(name, env, **settings)
    state = jax.jit(lambda key: learner.init(key, params))(jax.random.key(0))
    several = jax.jit(lambda state, n: jax.lax.fori_loop(0, n, lambda _, s: learner.update(s)[0], state))
    start = time.perf_counter()
    run = several.lower(state, jnp.int32(1)).compile()
    compile_s = time.perf_counter() - start
    once = timed(lambda i: jax.block_until_ready(run(state, jnp.int32(1))), 3)["median_s"]
    count = max(1, round(2 * ENOUGH_S / once))
    times = timed(lambda i: jax.block_until_ready(run(state, jnp.int32(count))), repeats)
    return {
        "what": "train",
        "series": f"{env.id}, {name}",
        "env": env.id,
        "learner": name,
        "worlds": learner.settings.n_worlds,
        "agents": sum(env.n_agents.values()),
        **_rates(learner.steps_per_update * count, times, env),
        "compile_s": compile_s,
        "settings": str(learner.settings),
    }


def _rates(steps: int, times: dict[str, float], env: Environment) -> Row:
    agents = sum(env.n_agents.values())
    return {
        "steps_per_s": steps / times["median_s"],
        "agent_steps_per_s": agents * steps / times["median_s"],
        "steps_per_s_low": steps / times["high_s"],
        "steps_per_s_high": steps / times["low_s"],
    }


def compiled_step(env: Environment, params: Any, worlds: int) -> Row:
    """What the compiler made of one slot with random actions: kernels, bytes and FLOPs per world-step, and the floor of bytes.

    The floor counts each array that must cross the step's border once: state in and out, observation, reward, flags.
    """
    params = world_params(params)
    policy = policies.random(env)
    keys = world_keys(jax.random.key(0), worlds)
    state, ts = env.reset(keys, params)

    def step(keys: jax.Array, state: Any, ts: Any, t: jax.Array) -> Any:
        now = rng.fold_in(keys, t)
        action, _ = env.act(lambda k, obs: (policy(k, obs), ()), rng.stream(now, "policy"), state, ts, params)
        state, ts = env.step(now, state, action, params)
        return state, ts.replace(info={}), ts.reward

    compiled = jax.jit(step).lower(keys, state, ts, jnp.int32(0)).compile()
    cost = compiled.cost_analysis() or {}
    entry = re.split(r"\n(?=ENTRY )", compiled.as_text() or "")[-1]
    names = re.findall(r"= .*? ([a-z][a-z0-9-]*)\(", entry)
    free = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}
    crossing = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves((state, state, ts)))
    return {
        "kernels_per_step": sum(name not in free for name in names),
        "bytes_per_step": cost.get("bytes accessed", float("nan")) / worlds,
        "flops_per_step": cost.get("flops", float("nan")) / worlds,
        "transcendentals_per_step": cost.get("transcendentals", float("nan")) / worlds,
        "floor_bytes_per_step": crossing / worlds,
    }


def copy_bandwidth(n_bytes: int) -> float:
    """Bytes per second, read and written, of an elementwise pass over an array of so many bytes on one device."""
    x = jnp.zeros(max(n_bytes // 4, 1))
    many = jax.jit(lambda x, n: jax.lax.fori_loop(0, n, lambda i, x: x * 0.5 + 1.0, x))
    count = max(1, int(2e8 // n_bytes))
    times = timed(lambda i: jax.block_until_ready(many(x, jnp.int32(count))), 5)
    return 2 * x.nbytes * count / times["median_s"]


def run(
    env_ids: Iterable[str], worlds: Sequence[int], *, train: bool = True, repeats: int = 5, quiet: bool = False
) -> list[Row]:
    """All rows, in order; a line for each as it comes, unless `quiet`."""
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(machine() | row)
        if not quiet:
            print(f"{row['series']}, {row['worlds']} worlds: {row['steps_per_s']:.4g} steps/s", flush=True)

    for env_id in env_ids:
        env, params = make(env_id)
        for n in worlds:
            row = env_row(env, params, n, repeats) | compiled_step(env, params, n)
            row["bandwidth_floor"] = row["floor_bytes_per_step"] / copy_bandwidth(int(row["floor_bytes_per_step"] * n))
            row["times_floor"] = 1 / (row["steps_per_s"] * row["bandwidth_floor"])
            add(row)
        if train:
            for name in ("ippo", "mappo"):
                add(train_row(env, params, name, repeats))
    return rows


def write(rows: Iterable[Row], path: Path) -> None:
    """JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def table(rows: Sequence[Row]) -> str:
    """A Markdown table of the rows."""
    head = ("what", "worlds", "steps/s", "range", "agent-steps/s", "compile s", "kernels", "bytes/step", "x floor")
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for row in rows:
        number = lambda name, form: format(row[name], form) if name in row else ""  # noqa: B023, E731
        spread = f"{row['steps_per_s_low']:.3g} to {row['steps_per_s_high']:.3g}"
        cells = [row["series"], str(row["worlds"]), number("steps_per_s", ".3g"), spread]
        cells += [number("agent_steps_per_s", ".3g"), number("compile_s", ".1f"), number("kernels_per_step", "d")]
        lines.append(" | ".join([*cells, number("bytes_per_step", ".0f"), number("times_floor", ".1f")]))
    return "\n".join(f"| {line} |" for line in lines)
