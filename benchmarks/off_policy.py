"""Training speed of the off-policy learners, at a published setting and at the library's own: `python benchmarks/off_policy.py`.

The published setting is that of a PyTorch MADDPG for a sister system: 8 agents with an actor and a critic each (300, 100 wide),
one world, batches of 64, every agent updated in each slot; its authors' code makes 14 to 18 slots a second on a core like
these. The same in PyTorch, without an environment, runs in turns with ours where PyTorch is installed. The library's own setting
is many worlds, shared networks, one gradient step per slot of all worlds. To see what bounds each, the same programs run with
batches of 4 (no matrix products to speak of: what is left is acting, optimiser and dispatch). Then seeds side by side in one
program, where a GPU is filled by them. At last both settings train until their reward, exploration included, has been `--goal` on
average over the last 2048 slots: the seconds to the same reward. Writes `off_policy-DEVICE.jsonl`.
"""

import argparse
import itertools
import json
import time
from collections import deque
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import peers

from jaxvec import learners
from jaxvec.bench import Case, Row, compiled, gradient_steps, machine, ratio, slug, take_turns, write
from jaxvec.core.make import make

PUBLISHED_SLOTS_PER_S = (14.0, 18.0)
PUBLISHED = {
    "hidden": (300, 100),
    "batch_size": 64,
    "n_worlds": 1,
    "share_parameters": False,
    "choices": "bins",
    "slots_per_update": 32,
    "capacity": 10_000,
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "published setting": ("maddpg", PUBLISHED),
    "published setting, batches of 4": ("maddpg", PUBLISHED | {"batch_size": 4}),
    "published setting, shared networks": ("maddpg", PUBLISHED | {"share_parameters": True}),
    "maddpg": ("maddpg", {}),
    "maddpg, batches of 4": ("maddpg", {"batch_size": 4}),
    "ddpg": ("ddpg", {}),
    "matd3": ("matd3", {}),
    "sac": ("sac", {}),
    "masac": ("masac", {}),
}


SEEDS = {"cpu": (1, 4, 16), "gpu": (1, 4, 16, 64)}


def until(label: str, name: str, settings: dict[str, Any], goal: float, limit_s: float, window: int = 2048) -> Row:
    """Training from the start, until the reward of the last `window` slots is `goal`, or for so many seconds.

    Args:
        label: what the row calls it.
        name: of the learner.
        settings: of the learner.
        goal: the mean reward that is asked for, exploration included.
        limit_s: seconds after which it is given up [s].
        window: slots over which the reward is the mean.
    """
    env, params = make("v2x_offload", n_vehicles=8)
    learner = learners.make(name, env, **settings)
    state = jax.jit(lambda key: learner.init(key, params, learner.hyper.replace(warmup=0.0)))(jax.random.key(0))
    chunk = max(1, window // 4 // learner.steps_per_update)  # updates between two looks

    @jax.jit
    def advance(state: Any) -> Any:
        state, metrics = jax.lax.scan(lambda s, _: learner.update(s), state, None, length=chunk)
        return state, jnp.mean(metrics["reward"])

    program, slots, seconds = advance.lower(state).compile(), chunk * learner.steps_per_update, 0.0
    last: deque[float] = deque(maxlen=max(1, window // slots))
    done = 0
    while seconds < limit_s and not (len(last) == last.maxlen and np.mean(last) >= goal):
        start = time.perf_counter()
        state, reward = jax.block_until_ready(program(state))
        seconds, done = seconds + time.perf_counter() - start, done + slots
        last.append(float(reward))
    row = {"what": "until", "series": label, "goal": goal, "reward": float(np.mean(last)), "slots": done}
    return row | {"seconds": seconds, "reached": bool(np.mean(last) >= goal)}


def case(label: str, name: str, settings: dict[str, Any], seeds: int = 1) -> Case:
    """Updates of a learner with actors that learn from the first slot, looking ahead (gamma = 0.7).

    Args:
        label: what the row calls it.
        name: of the learner.
        settings: of the learner.
        seeds: learners side by side.
    """
    env, params = make("v2x_offload", n_vehicles=8)
    learner = learners.make(name, env, **settings)
    hyper = learner.hyper.replace(warmup=0.0, gamma=0.7)
    keys = jnp.stack([jax.random.key(seed) for seed in range(seeds)])
    state = jax.jit(jax.vmap(lambda key: learner.init(key, params, hyper)))(keys)

    def updates(key: jax.Array, units: jax.Array, state: Any) -> Any:
        return jax.lax.fori_loop(0, units, lambda _, state: jax.vmap(learner.update)(state)[0], state)

    s = learner.settings
    row = {
        "what": "train",
        "series": label,
        "env": env.id,
        "learner": name,
        "worlds": s.n_worlds,
        "seeds": seeds,
        "agents": sum(env.n_agents.values()),
        **gradient_steps(learner),
        "settings": str(s),
    }
    return compiled(row, seeds * learner.steps_per_update, updates, state)


def peer() -> Case:
    """The published setting in PyTorch, with networks of the same sizes as ours."""
    env, _ = make("v2x_offload", n_vehicles=8)
    (spaces,), (box,) = env.action_space.values(), env.observation_space.values()
    row = {"what": "peer", "series": "published setting, PyTorch", "env": "none", "worlds": 1, "seeds": 1, "agents": 8}
    row["gradient_steps_per_slot"] = 1
    return peers.torch_maddpg(
        row, box.shape[0], env.joint_size, len(spaces), PUBLISHED["hidden"], PUBLISHED["batch_size"]
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", nargs="*", type=int, help="numbers of seeds side by side")
    parser.add_argument("--goal", type=float, default=0.85, help="a reward to train for; 0: do not")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that this may take, each")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    seeds = SEEDS.get(jax.default_backend(), SEEDS["gpu"]) if args.seeds is None else args.seeds
    cases = [case(label, *CASES[label]) for label in args.cases]
    cases += [case(f"{name}, {n} seeds", name, {}, n) for name in ("maddpg", "sac") for n in seeds]
    if why := peers.missing("torch"):
        print(f"skipped: {why}; it comes with `pip install 'jaxvec[bench]'`", flush=True)
    else:
        cases.append(peer())
    rows: list[Row] = []
    for row in take_turns(cases, args.rounds, args.seconds):
        if row["series"] == "published setting":
            row["times_published"] = [row["steps_per_s"] / speed for speed in PUBLISHED_SLOTS_PER_S]
        rows.append(machine() | row)
        print(
            f"{row['series']:36s}{row['steps_per_s']:10.1f} slots/s {row['gradient_steps_per_s']:8.1f} gradient steps/s, "
            f"compiled in {row['compile_s']:.0f} s",
            flush=True,
        )
    ours = [row for row in rows if row["series"] == "published setting"]
    theirs = [row for row in rows if row["what"] == "peer"]
    for a, b in itertools.product(ours, theirs):
        rows.append(machine() | ratio(a, b, "world-step"))
        print(json.dumps({name: rows[-1][name] for name in ("ours", "theirs", "times", "times_low", "times_high")}))
    for label in ("published setting", "maddpg") if args.goal else ():
        rows.append(machine() | until(label, *CASES[label], args.goal, args.limit))
        print(
            {name: rows[-1][name] for name in ("series", "goal", "reward", "slots", "seconds", "reached")}, flush=True
        )
    write(rows, args.out / f"off_policy-{slug(machine())}.jsonl")


if __name__ == "__main__":
    main()
