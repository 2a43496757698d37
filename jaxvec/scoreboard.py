"""What `jaxvec evaluate` says of policies that were compared in the same worlds: a table of rewards, and what it means."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.core.environment import Environment
from jaxvec.core.evaluation import interval
from jaxvec.core.rollout import Policy
from jaxvec.core.rule import is_local
from jaxvec.policies import fixed
from jaxvec.training.run_folder import Run, load, on_same

TEAM = "team_reward"  # a metric of systems whose agents may earn something else than what they are compared by


def contestants(run: Run, beside: Iterable[Path], member: int) -> tuple[dict[str, Policy], list[str]]:
    """Who is compared: the policy of a run, the fixed ones of its environment, and those of other runs.

    Args:
        run: a trained run.
        beside: folders of others on the same environment.
        member: which of the runs' seeds.
    Returns:
        name -> policy, and which of them were learned.
    Raises:
        ValueError: two of them have one name.
    """
    name = run.learner.name
    policies, learned = {name: run.policy(member, params=run.params), **fixed(run.env, run.params)}, [name]
    for path in beside:
        other = on_same(load(path), run)
        known_as = other.learner.name if other.learner.name not in policies else path.name
        if known_as in policies:
            raise ValueError(f"--beside {path}: there is a {known_as!r} already")
        policies[known_as] = other.policy(member, params=run.params)
        learned.append(known_as)
    return policies, learned


def rows_of(
    results: Mapping[str, Mapping[str, np.ndarray]], policies: Mapping[str, Policy], learned: Sequence[str]
) -> dict[str, Any]:
    """A row per policy, the best first.

    Args:
        results: per policy and metric the means of episodes `(episodes,)`, as of `jaxvec.core.evaluation.evaluate`.
        policies: name -> policy.
        learned: which of them were; the lead of the first over all others is told.
    Returns:
        Per policy `reward` and `ahead`, by how much the first is, as intervals; `local`, whether its agents could decide by their
        own rows alone, None of those that were learned; and the mean of every other metric.
    """
    name, rows = learned[0], {}
    mine = results[name]["reward"]
    for policy, metrics in sorted(results.items(), key=lambda item: -item[1]["reward"].mean()):
        rows[policy] = {
            "reward": interval(metrics["reward"]),
            "ahead": interval(mine - metrics["reward"]) if policy != name else None,
            "local": is_local(policies[policy]) if policy not in learned else None,
            **{metric: float(x.mean()) for metric, x in metrics.items() if metric != "reward"},
        }
    return rows


def objective(env: Environment, params: Any) -> str:
    """What agents learn from, "team" or "own": see `Environment.shares_reward`."""
    return "team" if env.shares_reward(params) else "own"


def text(rows: Mapping[str, Mapping[str, Any]], name: str, episodes: int, learned_from: str) -> str:
    """The table for readers, and the lines around it; what local and central mean stands in `jaxvec.core.rule.Rule`.

    Args:
        rows: of `rows_of`.
        name: of the learner.
        episodes: of each policy.
        learned_from: of `objective`.
    """
    apart = any(
        TEAM in row and abs(row[TEAM] - row["reward"].mean) > 1e-4 * max(1.0, abs(row[TEAM])) for row in rows.values()
    )
    several = f"{episodes} episodes in the same worlds; reward per slot, mean and 95 % interval"
    lines = [several if episodes > 1 else "1 episode in the same world; reward per slot"]
    if learned_from == "own":
        lines.append(f"Each agent of {name} learned from its own reward; what is printed is the mean over agents")
    if apart:
        lines.append(f"{TEAM} is what policies are compared by, and no agent of {name} learned from it alone")
    head = f"{'policy':18s}{'kind':>10s}{'reward':>20s}{name + ' is ahead by':>26s}"
    lines.append(head + (f"{TEAM:>14s}" if apart else ""))
    kind = {None: "learned", True: "local", False: "central"}
    for policy, row in rows.items():
        ahead = "" if row["ahead"] is None else str(row["ahead"])
        line = f"{policy:18s}{kind[row['local']]:>10s}{row['reward']!s:>20s}{ahead:>26s}"
        lines.append(line + (f"{row[TEAM]:14.4g}" if apart else ""))
    return "\n".join(lines)


def plain(value: Any) -> Any:
    """What JSON can hold: intervals as [mean, half-width], numbers that are not finite as null.

    Args:
        value: of dictionaries, lists, intervals, texts and numbers.
    """
    if isinstance(value, dict):
        return {name: plain(x) for name, x in value.items()}
    if isinstance(value, tuple | list):
        return [plain(x) for x in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
