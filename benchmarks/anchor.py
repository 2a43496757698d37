"""What a user would do today against ours, `isac_iov`: `python benchmarks/anchor.py`.

Stable-Baselines3's PPO runs as its users run it: a `gymnasium.Env` around one jitted world, eight of them in a `DummyVecEnv`, all
vehicles' observations as one vector, all their actions as one box, the team's reward, `MlpPolicy` and the default of every
hyper-parameter, on the CPU. PyTorch gets one thread, in its favour: its networks are small, and where cores are shared with other
programs, several threads wait for each other. `mappo` and `apg` run as `jaxvec.train` runs them by default: 1000 updates at their
own settings.

All contestants of a seed train in turns in one process: whoever has trained least goes on, until its `--minutes` are over or its
updates done. After each of SB3's iterations, and each hundredth of ours, the greedy policy meets the same worlds, which does not
count as training. Asked is when it is first ahead of `waterfill_twin`, the best rule that decides from what a vehicle sees. What
compiles is timed apart. Prints a table and writes `anchor-DEVICE.json` and `.md`.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec import learners
from jaxvec.bench import Row, machine, slug
from jaxvec.core import rng
from jaxvec.core.evaluation import episode_means, interval, mean_reward
from jaxvec.core.files import write_json, write_text
from jaxvec.core.make import make
from jaxvec.core.rollout import world_keys
from jaxvec.core.types import Observation
from jaxvec.policies import fixed
from jaxvec.training.driver import scheduled

try:
    import gymnasium
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv
except ImportError as error:
    raise SystemExit(f"{error}: it comes with `pip install 'jaxvec[bench]'`") from error

ENV, RULE = "isac_iov", "waterfill_twin"
SB3 = "SB3 PPO"
OURS = ("mappo", "apg")
WORLDS = 8  # of SB3's
UPDATES, LOOKS = 1000, 100  # of ours: what `jaxvec.train` does by default, and how often the policy is judged meanwhile
JUDGES = jax.random.key(12345)  # the worlds of evaluation


def actions(env: Any, joint: jax.Array) -> dict[str, dict[str, jax.Array]]:
    """A flat action of all agents, as the environment takes it.

    Args:
        env: of boxes alone, all from -1 to 1.
        joint: per group, agent and component, one after the other, `(entries, *batch)`.
    """
    result: dict[str, dict[str, jax.Array]] = {}
    for group, spaces in env.action_space.items():
        n = env.n_agents[group]
        size = n * sum(space.size for space in spaces.values())
        rows, joint = joint[:size].reshape(n, -1, *joint.shape[1:]), joint[size:]
        result[group] = {}
        for name, space in spaces.items():
            part, rows = rows[:, : space.size], rows[:, space.size :]
            result[group][name] = part.reshape(n, *space.shape, *part.shape[2:])
    return result


# Judging


def host_loop(act: Callable[[Observation], Any], worlds: int) -> np.ndarray:
    """An episode of each of the worlds in which `jaxvec.core.evaluation.evaluate` judges, step by step from Python.

    Args:
        act: from an observation of all worlds, worlds last, to their actions.
        worlds: how many.
    Returns:
        Mean reward per slot, `(worlds,)`.
    """
    env, params = make(ENV)
    keys = world_keys(JUDGES, worlds)
    state, ts = _jitted()[0](rng.fold_in(keys, 0), params)
    total = np.zeros(worlds)
    for t in range(env.horizon):
        action, seen = act(ts.obs), ts.obs
        state, ts = _jitted()[1](rng.fold_in(keys, t + 1), state, action, params)
        total += np.asarray(mean_reward(ts.reward, seen))
    return total / env.horizon


@cache
def _jitted() -> tuple[Callable[..., Any], Callable[..., Any]]:
    env, _ = make(ENV)
    return jax.jit(env.reset), jax.jit(env.step)


# Stable-Baselines3


@cache
def _one_world() -> tuple[Any, Callable[..., Any], Callable[..., Any]]:
    """The environment, and its reset and step as one program each for all worlds of a process."""
    env, params = make(ENV)

    @jax.jit
    def reset(key: jax.Array) -> Any:
        state, ts = env.reset(rng.fold_in(key, 0), params)
        return state, ts.obs.world

    @jax.jit
    def step(key: jax.Array, state: Any, joint: jax.Array) -> Any:
        seen = env.step(rng.fold_in(key, state.t + 1), state, actions(env, joint), params)
        return seen[0], (
            seen[1].obs.world,
            mean_reward(seen[1].reward, seen[1].obs),
            seen[1].terminated,
            seen[1].truncated,
        )

    return env, reset, step


class OneWorld(gymnasium.Env):
    """One world as Gymnasium has it: whoever decides sees all vehicles, and decides for all."""

    def __init__(self) -> None:
        env, self._start, self._advance = _one_world()
        joint = sum(env.n_agents[group] * space.size for group, x in env.action_space.items() for space in x.values())
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (env.world_size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (joint,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """See `gymnasium.Env.reset`."""
        super().reset(seed=seed)
        self._key = jax.random.key(int(self.np_random.integers(2**31)))
        self._state, obs = self._start(self._key)
        return np.asarray(obs), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """See `gymnasium.Env.step`."""
        self._state, seen = self._advance(self._key, self._state, action)
        obs, reward, terminated, truncated = jax.device_get(seen)
        return obs, float(reward), bool(terminated), bool(truncated), {}


class Contestant:
    """Somebody who trains a piece at a time, and what came of it.

    Attributes:
        name: of the contestant.
        seconds, cpu_s, slots: of training so far; on the clock, and of all cores together, which others' work hardly changes.
        compile_s: before it [s].
        done: there is nothing more to do.
        curve: after each piece `(seconds, cpu_s, slots, reward)`, the last the greedy policy's per slot in each world.
    """

    name: str
    compile_s: float

    def __init__(self) -> None:
        self.seconds, self.cpu_s, self.slots, self.done = 0.0, 0.0, 0, False
        self.curve: list[tuple[float, float, int, np.ndarray]] = []

    def piece(self) -> int:
        """Train for a while; the slots that it took."""
        raise NotImplementedError

    def judged(self) -> np.ndarray:
        """The greedy policy's reward per slot, `(worlds,)`."""
        raise NotImplementedError

    def go_on(self) -> None:
        """A piece, timed, and a look at the policy, which is not."""
        start, cpu = time.perf_counter(), time.process_time()
        self.slots += self.piece()
        self.seconds += time.perf_counter() - start
        self.cpu_s += time.process_time() - cpu
        self.curve.append((self.seconds, self.cpu_s, self.slots, self.judged()))


class Sb3(Contestant):
    """Stable-Baselines3's PPO.

    Args:
        seed: of everything.
        worlds: of evaluation.
        settings: of PPO, instead of its defaults.
    """

    name = SB3

    def __init__(self, seed: int, worlds: int, **settings: Any) -> None:
        super().__init__()
        self.worlds = worlds
        start = time.perf_counter()
        envs = DummyVecEnv([OneWorld] * WORLDS)
        self.model = PPO("MlpPolicy", envs, device="cpu", seed=seed, **settings)
        envs.reset(), envs.step(np.zeros((WORLDS, *envs.action_space.shape), np.float32))
        self.compile_s = time.perf_counter() - start
        self.env, _ = make(ENV)

    def piece(self) -> int:
        """An iteration: `n_steps` of every world, and the epochs on them."""
        before = self.model.num_timesteps
        self.model.learn(self.model.n_steps * WORLDS, reset_num_timesteps=False)
        return self.model.num_timesteps - before

    def judged(self) -> np.ndarray:
        """See `Contestant.judged`."""

        def act(obs: Observation) -> Any:
            joint, _ = self.model.predict(np.asarray(obs.world).T, deterministic=True)
            return actions(self.env, jnp.asarray(joint.T))

        return host_loop(act, self.worlds)


class Ours(Contestant):
    """A learner of ours at its defaults.

    Args:
        name: of the learner.
        seed: of everything.
        worlds: of evaluation.
    """

    def __init__(self, name: str, seed: int, worlds: int) -> None:
        super().__init__()
        self.name = name
        self.compile_s, init, self._train, self._judge, self._slots = _programs(name, worlds)
        self.state = init(jax.random.key(seed))

    def piece(self) -> int:
        """A hundredth of all updates."""
        self.state = jax.block_until_ready(self._train(self.state))
        self.done = len(self.curve) + 1 >= LOOKS
        return self._slots

    def judged(self) -> np.ndarray:
        """See `Contestant.judged`."""
        return np.asarray(self._judge(self.state))


@cache
def _programs(name: str, worlds: int) -> tuple[float, Any, Any, Any, int]:
    """Seconds of compilation, the programs that start, train and judge, and slots of a piece."""
    env, params = make(ENV)
    learner = learners.make(name, env)
    count = UPDATES // LOOKS
    start = time.perf_counter()
    init = jax.jit(lambda key: learner.init(key, params, scheduled(learner.hyper, UPDATES)))
    state = init(jax.random.key(0))
    train = jax.jit(lambda state: jax.lax.fori_loop(0, count, lambda _, s: learner.update(s)[0], state))
    train = train.lower(state).compile()
    compile_s = time.perf_counter() - start  # judging is nobody's training
    judge = jax.jit(lambda state: episode_means(env, learner.policy(state), JUDGES, params, worlds)["reward"])
    return compile_s, init, train, judge, count * learner.steps_per_update


# The race


def race(contestants: Sequence[Contestant], minutes: float) -> None:
    """Everybody trains for so many minutes, in turns: whoever has trained least goes on."""
    while racing := [c for c in contestants if not c.done and c.seconds < 60 * minutes]:
        least = min(racing, key=lambda c: c.seconds)
        least.go_on()
        seconds, _, slots, reward = least.curve[-1]
        print(f"{least.name:8s} {seconds:6.1f} s {slots:9,} slots: {interval(reward)}", flush=True)


def row_of(contestant: Contestant, seed: int, rule: np.ndarray) -> Row:
    """What came of a contestant.

    Args:
        contestant: after its race.
        seed: that it had.
        rule: the rule's reward in each world.
    """
    passed = next((point for point in contestant.curve if point[3].mean() > rule.mean()), (None,) * 3)
    last = contestant.curve[-1][3]
    return {
        "contestant": contestant.name,
        "seed": seed,
        "seconds_to_pass": passed[0],
        "cpu_s_to_pass": passed[1],
        "slots_to_pass": passed[2],
        "seconds": contestant.seconds,
        "cpu_s": contestant.cpu_s,
        "slots": contestant.slots,
        "slots_per_s": contestant.slots / contestant.seconds,
        "slots_per_cpu_s": contestant.slots / contestant.cpu_s,
        "compile_s": contestant.compile_s,
        "reward": float(last.mean()),
        "ahead": list(interval(last - rule)),
        "curve": [(*point[:3], float(point[3].mean())) for point in contestant.curve],
    }


def medians(rows: Sequence[Row]) -> dict[str, Row]:
    """Per contestant, medians over seeds of what is a number; who never passed the rule took for ever."""
    result: dict[str, Row] = {}
    for name in dict.fromkeys(row["contestant"] for row in rows):
        mine = [row for row in rows if row["contestant"] == name]
        keys = [key for key, x in mine[0].items() if x is None or isinstance(x, (int, float))]
        result[name] = {k: float(np.median([np.inf if row[k] is None else row[k] for row in mine])) for k in keys}
        result[name]["passed"] = f"{sum(row['slots_to_pass'] is not None for row in mine)} of {len(mine)} seeds"
        result[name]["ahead"] = ", ".join(f"{row['ahead'][0]:+.3f} ± {row['ahead'][1]:.3f}" for row in mine)
    return result


def table(rows: Sequence[Row]) -> str:
    """As Markdown: what each took, and under it what SB3 took over what each of ours did; medians over seeds."""
    middle = medians(rows)
    first = [("contestant", "passed the rule", "after s", "after CPU s", "after slots", "slots/s", "slots per CPU s")]
    first[0] += ("compile s", "at the end, ahead of the rule by", "s in all", "slots in all")
    for name, m in middle.items():
        passing = (_or_never(m["seconds_to_pass"], ".1f"), _or_never(m["cpu_s_to_pass"], ".1f"))
        speeds = (f"{m['slots_per_s']:,.0f}", f"{m['slots_per_cpu_s']:,.0f}", f"{m['compile_s']:.1f}")
        row = (name, m["passed"], *passing, _or_never(m["slots_to_pass"], ",.0f"), *speeds)
        first.append((*row, m["ahead"], f"{m['seconds']:.0f}", f"{m['slots']:,.0f}"))
    second = [("SB3 takes, times as much as", *(f"{what} to pass the rule" for what in ("s", "CPU s", "slots")))]
    second[0] += ("s per slot", "CPU s per slot")
    theirs = middle[SB3]
    for name in [name for name in middle if name != SB3]:
        m = middle[name]
        passing = (_times(theirs[f"{k}_to_pass"], m[f"{k}_to_pass"], theirs[k]) for k in ("seconds", "cpu_s", "slots"))
        per_slot = (f"{m[k] / theirs[k]:.1f}" for k in ("slots_per_s", "slots_per_cpu_s"))
        second.append((name, *passing, *per_slot))
    return "\n\n".join(_markdown(cells) for cells in (first, second))


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (rows[0], ["---"] * len(rows[0]), *rows[1:]))


def _or_never(x: float, form: str) -> str:
    return format(x, form) if np.isfinite(x) else "not passed"


def _times(theirs: float, ours: float, budget: float) -> str:
    """What they took over what ours did; who did not get there took more than all there was."""
    if not np.isfinite(ours):
        return ""
    return f"{theirs / ours:.1f}" if np.isfinite(theirs) else f"above {budget / ours:.1f}"


def main(arguments: Sequence[str] | None = None) -> Path:
    """Measure, print and write; gives the path of the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, each contestant and seed at most")
    parser.add_argument("--repeats", type=int, default=3, help="seeds")
    parser.add_argument("--worlds", type=int, default=256, help="of evaluation")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("--note", default="", help="what else should be known of the machine: a sentence for the page")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    args = parser.parse_args(arguments)
    env, params = make(ENV)
    load = os.getloadavg()[0]
    torch.set_num_threads(args.threads)
    rule = jax.jit(lambda: episode_means(env, fixed(env, params)[RULE], JUDGES, params, args.worlds)["reward"])()
    rule = np.asarray(rule)
    print(f"{RULE}: {interval(rule)}", flush=True)
    rows: list[Row] = []
    for seed in range(args.repeats):
        contestants = [Sb3(seed, args.worlds), *(Ours(name, seed, args.worlds) for name in OURS)]
        race(contestants, args.minutes)
        rows += [row_of(contestant, seed, rule) for contestant in contestants]
    versions = {name: version(name) for name in ("stable-baselines3", "gymnasium", "torch")}
    loads = [round(x, 1) for x in (load, os.getloadavg()[0])]
    result = {
        "machine": machine() | versions,
        "env": ENV,
        "rule": RULE,
        "rule_reward": list(interval(rule)),
        **{name: x for name, x in vars(args).items() if name != "out"},
        "load_before_and_after": loads,
        "rows": rows,
    }
    text = page(result)
    print(text)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"anchor-{slug(result['machine'])}.json"
    write_json(path, result)
    write_text(path.with_suffix(".md"), text)
    return path


def page(result: Row) -> str:
    """The table, and under it what was measured how and where."""
    r, m = result, result["machine"]
    mean, half = r["rule_reward"]
    how = (
        f"Training on `{r['env']}`: {r['repeats']} seed(s), medians over them, at most {r['minutes']:g} minutes each, in turns, "
        f"and {UPDATES} updates of ours. Greedy reward against `{r['rule']}` ({mean:.4g} ± {half:.2g}) on {r['worlds']} "
        "episodes that all share, paired, 95 % intervals; judging is not timed, compiling apart. CPU s are those of all cores "
        'together; "above": SB3 did not pass, and all that it took is counted. '
        f"SB3: {WORLDS} worlds, {r['threads']} thread(s), all else its default. It learns one policy for all vehicles together, "
        "ours one that all share: the table compares what is usually done, not two programs of one algorithm."
    )
    versions = ", ".join(f"{name} {m[name]}" for name in ("python", "jax", "stable-baselines3", "gymnasium", "torch"))
    before, after = r["load_before_and_after"]
    where = f"{m['device']}, {m['cores']} cores, {m['date']}, load {before} before and {after} after; {versions}. {r['note']}"
    return "\n\n".join([table(r["rows"]), how, where.rstrip()]) + "\n"


if __name__ == "__main__":
    main()
