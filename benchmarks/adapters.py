"""Steps per second of each adapter beside the native program of the same worlds, on this machine.

    python benchmarks/adapters.py [ENV] [--worlds 1 64 1024] [--steps 200] [--rounds 5]
    python benchmarks/adapters.py [ENV] --scan [--worlds 256]

Native is a jitted `env.step` of as many worlds, called from Python with the same actions as arrays of NumPy and nothing read back
but the reward: what any loop outside of a scan costs. Rounds of all alternate; medians, with the lowest and the highest, as JSON
lines. A step is one slot of one world. Adapters that are not installed are left out.

`--scan` measures what is stepped inside of a compiled scan, under random policies: `jax.vmap` of a step, with resets
(`auto_reset`) and without, JaxMARL's and gymnax's form, and what `jax.vmap` does without the rule of `jaxvec.core.batching`.
What resets is measured beside the native form that does.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxvec
from jaxvec.core import rng
from jaxvec.core.rollout import world_keys
from jaxvec.core.wrappers import auto_reset
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


Scan = tuple[Callable[..., Any], tuple[Any, ...]]
"""A compiled function of many slots, and what it takes."""


def scanned(step: Callable[[Any, Any], tuple[Any, Any]], start: Any, key: Any, slots: int) -> Scan:
    """Slots of `step(carry, key) -> carry, reward`, from a start."""

    def slot(carry: Any, t: Any) -> tuple[Any, Any]:
        return step(carry, rng.fold_in(key, t))  # here, as rollouts do: keys drawn before the scan are read slowly

    def run(start: Any) -> Any:
        return jax.lax.scan(slot, start, jnp.arange(slots))

    return jax.jit(run), (start,)


def native_scan(env: Any, params: Any, worlds: int, slots: int) -> Scan:
    """Worlds last."""
    keys, policy = world_keys(jax.random.key(0), worlds), random(env)
    state, ts = jax.jit(env.reset)(keys, params)

    def step(carry: Any, key: Any) -> tuple[Any, Any]:
        state, obs = carry
        state, ts = env.step(key, state, policy(rng.stream(key, "policy"), obs), params)
        return (state, ts.obs), ts.reward

    return scanned(step, (state, ts.obs), keys, slots)


def mapped(step: Callable[..., Any], env: Any, params: Any, worlds: int, slots: int) -> Scan:
    """Worlds first: `jax.vmap` of a policy and a step."""
    keys, policy = world_keys(jax.random.key(0), worlds), random(env)
    state, ts = jax.jit(jax.vmap(env.reset, (0, None)))(keys, params)

    def one(key: Any, state: Any, obs: Any) -> Any:
        state, ts = step(key, state, policy(rng.stream(key, "policy"), obs), params)
        return (state, ts.obs), ts.reward

    return scanned(lambda carry, key: jax.vmap(one)(key, *carry), (state, ts.obs), keys, slots)


def without_rule(env: Any, resets: bool) -> Callable[..., Any]:
    """A step that `jax.vmap` makes many of by itself; with a reset drawn in every slot, as libraries of pure functions do."""

    def step(key: Any, state: Any, action: Any, params: Any) -> Any:
        state, ts = env.step_from(state, action, env.draw_step(key, params), params)
        if not resets:
            return state, ts
        fresh, first = env.reset_from(env.draw_reset(rng.stream(key, "reset"), params), params)
        state, obs = jax.tree.map(lambda x, y: jnp.where(ts.done, x, y), (fresh, first.obs), (state, ts.obs))
        return state, ts.replace(obs=obs)

    return step


def marl(env: Any, params: Any, worlds: int, slots: int) -> Scan:
    """`MultiAgent` of JaxMARL, of flat actions, in its `LogWrapper`."""
    from jaxmarl.wrappers.baselines import LogWrapper

    from jaxvec.adapters.jaxmarl import MultiAgent

    multi = LogWrapper(MultiAgent(env, params))
    keys = world_keys(jax.random.key(0), worlds)
    _, start = jax.vmap(multi.reset)(keys)

    def step(state: Any, key: Any) -> tuple[Any, Any]:
        shapes = {agent: multi.action_space(agent).shape for agent in multi.agents}
        u = rng.uniforms(rng.stream(key, "policy"), shapes)
        actions = {name: 2 * jnp.moveaxis(x, -1, 0) - 1 for name, x in u.items()}
        obs, state, reward, _, _ = jax.vmap(multi.step)(key, state, actions)
        return state, (reward, {name: x.sum() for name, x in obs.items()})

    return scanned(step, start, keys, slots)


def gymnax_scan(env: Any, params: Any, worlds: int, slots: int) -> Scan:
    """`SingleAgent` of gymnax, of flat actions, in its `LogWrapper`."""
    from gymnax.wrappers import LogWrapper

    from jaxvec.adapters.gymnax import SingleAgent

    single = LogWrapper(SingleAgent(env, params))
    keys = world_keys(jax.random.key(0), worlds)
    _, start = jax.vmap(single.reset, (0, None))(keys, params)

    def step(state: Any, key: Any) -> tuple[Any, Any]:
        u = rng.uniforms(rng.stream(key, "policy"), {"action": single.action_space(params).shape})["action"]
        action = 2 * jnp.moveaxis(u, -1, 0) - 1
        obs, state, reward, *_ = jax.vmap(single.step, (0, 0, 0, None))(key, state, action, params)
        return state, (reward, obs.sum())

    return scanned(step, start, keys, slots)


def scans(env: Any, params: Any, worlds: int, slots: int) -> dict[str, tuple[str, Callable[[], Scan]]]:
    """What runs inside of a scan, each with what it is measured beside."""
    sizes, resetting = (params, worlds, slots), auto_reset(env)
    bare, drawn = without_rule(env, resets=False), without_rule(env, resets=True)
    plain, resets = "native", "native, auto_reset"
    return {
        plain: (plain, lambda: native_scan(env, *sizes)),
        "vmap": (plain, lambda: mapped(env.step, env, *sizes)),
        "vmap without the rule": (plain, lambda: mapped(bare, env, *sizes)),
        resets: (resets, lambda: native_scan(resetting, *sizes)),
        "vmap, auto_reset": (resets, lambda: mapped(resetting.step, resetting, *sizes)),
        "vmap without the rule, a reset drawn": (resets, lambda: mapped(drawn, env, *sizes)),
        "jaxmarl MultiAgent": (resets, lambda: marl(env, *sizes)),
        "gymnax SingleAgent": (resets, lambda: gymnax_scan(env, *sizes)),
    }


def runners(
    env: Any, params: Any, worlds: int, args: Any
) -> dict[str, tuple[str, Callable[[], Callable[[int], None]]]]:
    """What is measured, each with what it is measured beside."""
    if not args.scan:
        return {name: ("native", make) for name, make in cases(env, params, worlds).items()}

    def repeated(make: Callable[[], Scan]) -> Callable[[int], None]:
        function, start = make()
        return lambda steps: jax.block_until_ready(function(*start))

    return {
        name: (beside, lambda make=make: repeated(make))
        for name, (beside, make) in scans(env, params, worlds, args.steps).items()
    }


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
    parser.add_argument("--scan", action="store_true", help="what is stepped inside of a compiled scan")
    args = parser.parse_args()
    env, params = jaxvec.make(args.env)
    for worlds in args.worlds:
        running, beside = {}, {}
        for name, (other, make) in runners(env, params, worlds, args).items():
            beside[name] = other
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
            ratio = statistics.median(x / y for x, y in zip(of, speeds[beside[name]], strict=True))
            row = {"env": args.env, "worlds": worlds, "series": name, "steps_per_s": round(statistics.median(of))}
            print(
                json.dumps(row | {"lowest": round(min(of)), "highest": round(max(of)), "over_native": round(ratio, 2)})
            )


if __name__ == "__main__":
    main()
