"""Steps per second of each adapter beside the native program of the same worlds, on this machine.

    python benchmarks/adapters.py [ENV] [--worlds 1 64 1024] [--steps 200] [--rounds 5]

Native is a jitted `env.step` of as many worlds, called from Python with the same actions as arrays of NumPy and nothing read back
but the reward: what any loop outside of a scan costs. Rounds of all alternate; medians, with the lowest and the highest, as JSON
lines. A step is one slot of one world. Adapters that are not installed are left out.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxvec
from jaxvec.core.rollout import world_keys
from jaxvec.policies.random import random


def native(env: Any, params: Any, worlds: int) -> Callable[[int], None]:
    """A step of `worlds` worlds at a time, from Python."""
    keys = world_keys(jax.random.key(0), worlds)
    state, ts = jax.jit(env.reset)(keys, params)
    action = jax.tree.map(np.asarray, jax.jit(random(env))(keys, ts.obs))
    step = jax.jit(
        lambda key, state, action: (lambda s, ts: (s, ts.obs, ts.reward))(*env.step(key, state, action, params))
    )

    def run(steps: int) -> None:
        now = state
        for _ in range(steps):
            now, _, reward = step(keys, now, action)
            jax.tree.map(np.asarray, reward)

    return run


def vector(env: Any, params: Any, worlds: int, each: str) -> Callable[[int], None]:
    """`VectorEnv` of worlds, or of their agents."""
    from jaxvec.adapters.gymnasium import VectorEnv

    vec = VectorEnv(env, params, worlds, each=each)
    vec.reset(seed=0)
    action = vec.action_space.sample()

    def run(steps: int) -> None:
        for _ in range(steps):
            vec.step(action)

    return run


def stable(env: Any, params: Any, worlds: int) -> Callable[[int], None]:
    """`VecEnv` of agents."""
    from jaxvec.adapters.stable_baselines3 import VecEnv

    vec = VecEnv(env, params, worlds, each="agent" if len(env.n_agents) == 1 else "world")
    vec.reset()
    action = np.stack([vec.action_space.sample() for _ in range(vec.num_envs)])

    def run(steps: int) -> None:
        for _ in range(steps):
            vec.step(action)

    return run


def single(env: Any, params: Any) -> Callable[[int], None]:
    """`SingleEnv`."""
    from jaxvec.adapters.gymnasium import SingleEnv

    one = SingleEnv(env, params)
    one.reset(seed=0)
    action = one.action_space.sample()

    def run(steps: int) -> None:
        for _ in range(steps):
            _, _, terminated, truncated, _ = one.step(action)
            if terminated or truncated:
                one.reset()

    return run


def parallel(env: Any, params: Any) -> Callable[[int], None]:
    """`Parallel` of PettingZoo."""
    from jaxvec.adapters.pettingzoo import Parallel

    zoo = Parallel(env, params)
    zoo.reset(seed=0)
    actions = {agent: zoo.action_space(agent).sample() for agent in zoo.agents}

    def run(steps: int) -> None:
        for _ in range(steps):
            if not zoo.agents:
                zoo.reset()
            zoo.step(actions)

    return run


def turns(env: Any, params: Any) -> Callable[[int], None]:
    """`TurnBased` of PettingZoo; a step is still a slot, of as many turns as there are agents."""
    from jaxvec.adapters.pettingzoo import TurnBased

    zoo = TurnBased(env, params)
    zoo.reset(seed=0)
    actions = {agent: zoo.action_space(agent).sample() for agent in zoo.agents}

    def run(steps: int) -> None:
        for _ in range(steps):
            for _ in range(len(actions)):
                zoo.last()
                zoo.step(actions[zoo.agent_selection])
            if any(zoo.truncations.values()) or any(zoo.terminations.values()):
                zoo.reset()

    return run


def cases(env: Any, params: Any, worlds: int) -> dict[str, Callable[[], Callable[[int], None]]]:
    """What runs at a number of worlds."""
    found: dict[str, Callable[[], Callable[[int], None]]] = {"native": lambda: native(env, params, worlds)}
    found["gymnasium VectorEnv of worlds"] = lambda: vector(env, params, worlds, "world")
    if len(env.n_agents) == 1:
        found["gymnasium VectorEnv of agents"] = lambda: vector(env, params, worlds, "agent")
    found["stable_baselines3 VecEnv"] = lambda: stable(env, params, worlds)
    if worlds == 1:
        found["gymnasium SingleEnv"] = lambda: single(env, params)
        found["pettingzoo Parallel"] = lambda: parallel(env, params)
        if env.takes_turns:
            found["pettingzoo TurnBased"] = lambda: turns(env, params)
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env", nargs="?", default="v2x_offload")
    parser.add_argument("--worlds", type=int, nargs="+", default=[1, 64, 1024])
    parser.add_argument("--steps", type=int, default=200, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    env, params = jaxvec.make(args.env)
    for worlds in args.worlds:
        running = {}
        for name, make in cases(env, params, worlds).items():
            try:
                running[name] = make()
            except ImportError as error:
                print(json.dumps({"series": name, "left out": str(error)}))
                continue
            running[name](2)
        speeds: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(args.rounds):
            for name, run in running.items():
                start = time.perf_counter()
                run(args.steps)
                speeds[name].append(worlds * args.steps / (time.perf_counter() - start))
        for name, of in speeds.items():
            ratio = statistics.median(x / y for x, y in zip(of, speeds["native"], strict=True))
            row = {"env": args.env, "worlds": worlds, "series": name, "steps_per_s": round(statistics.median(of))}
            print(
                json.dumps(row | {"lowest": round(min(of)), "highest": round(max(of)), "over_native": round(ratio, 2)})
            )


if __name__ == "__main__":
    main()
