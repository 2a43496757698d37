"""What the digital twin's view of the RSU queues is worth to a learner: Ly-DTMAPPO against Ly-MAPPO on `isac_iov`.

    python benchmarks/twin.py [--updates 400] [--seeds 3] [--episodes 1024] [--out benchmarks/results/twin.json]

Both learners are MAPPO at its default settings; the second does not see the backlogs (`dt_enabled=False`). Scenarios: the default
load, and background load at the RSUs (`rsu_bg_prob=0.2`), where the queues live. Every policy meets the same worlds; the
difference is paired per episode, and the interval is over the seeds' mean differences (Student's t) as well as over episodes.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy import stats

import jaxvec
from jaxvec.bench import machine
from jaxvec.core.environment import Environment
from jaxvec.core.evaluation import evaluate, interval
from jaxvec.core.files import write_json
from jaxvec.core.rollout import Policy
from jaxvec.policies import fixed


def trained(settings: dict[str, Any], seed: int, updates: int) -> tuple[Environment, Any, Policy]:
    """The environment that MAPPO learned on with one seed, its parameters, and the greedy policy."""
    env, params = jaxvec.make("isac_iov", **settings)
    learner = jaxvec.learners.make("mappo", env)
    result = jaxvec.train(learner, params, jax.random.key(seed), updates, progress=False)
    return env, params, result.policy()


def scenario(load: dict[str, Any], seeds: int, updates: int, episodes: int) -> dict[str, Any]:
    """Rewards with and without the twin per seed, their paired difference, and those of rules.

    Args:
        load: settings of the environment.
        seeds: of training.
        updates: of training.
        episodes: of evaluation, the same for all.
    """
    rewards: dict[str, list[np.ndarray]] = {"with twin": [], "without twin": []}
    for seed in range(seeds):
        for name, twin in (("with twin", True), ("without twin", False)):
            env, params, policy = trained({**load, "dt_enabled": twin}, seed, updates)
            metrics = evaluate(env, {name: policy}, jax.random.key(12345), params, episodes)
            rewards[name].append(metrics[name]["reward"])
    env, params = jaxvec.make("isac_iov", **load)
    rules = {name: p for name, p in fixed(env, params).items() if name in ("waterfill", "waterfill_twin", "capacity")}
    marks = evaluate(env, rules, jax.random.key(12345), params, episodes)
    difference = np.stack(rewards["with twin"]) - np.stack(rewards["without twin"])  # (seeds, episodes)
    per_seed = difference.mean(1)
    spread = stats.t.ppf(0.975, seeds - 1) * per_seed.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else float("nan")
    return {
        **{name: [float(reward.mean()) for reward in by_seed] for name, by_seed in rewards.items()},
        "difference_per_seed": per_seed.tolist(),
        "difference": [float(per_seed.mean()), float(spread)],
        "difference_over_episodes": list(interval(difference.mean(0))),
        "rules": {name: list(interval(m["reward"])) for name, m in marks.items()},
    }


def main() -> None:
    """Run both scenarios and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=1024)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/twin.json"))
    args = parser.parse_args()
    loads = {"default": {}, "background": {"rsu_bg_prob": 0.2}}
    result = {"machine": machine(), "updates": args.updates, "seeds": args.seeds, "episodes": args.episodes}
    for name, load in loads.items():
        result[name] = scenario(load, args.seeds, args.updates, args.episodes)
        print(name, json.dumps(result[name], indent=1), flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(args.out, result)


if __name__ == "__main__":
    main()
