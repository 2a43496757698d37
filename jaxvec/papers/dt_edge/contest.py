"""Policies that decide from cases, and others, in the same worlds of `dt_edge`: how good each is, and by how much.

The worlds' chance does not depend on what is done in them, so every difference is paired, world by world. What the policies see
differs, and belongs beside every figure: `SEES`. A language model is asked as often as there are worlds and slots, so its
comparison is one of few: `contest(replace(env, horizon=25), params, library, key, 4, models={...})`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from jaxvec.core.evaluation import evaluate, interval
from jaxvec.core.rollout import Policy
from jaxvec.envs.dt_edge import DtEdge
from jaxvec.envs.dt_edge.params import Params
from jaxvec.policies import fixed
from jaxvec.policies.in_context import dt_edge as in_context
from jaxvec.policies.in_context.store import Library
from jaxvec.policies.in_context.transformer import Transformer
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.dt_edge import evaluate_model

MARKS = ("random", "local", "greedy_latency", "local_threshold", "slot_optimum")  # from the floors to the ceiling
OWN_ROW, ALL_ROWS = "its own row", "all rows"
# of everyone else: `ALL_ROWS`
SEES = {"random": "nothing", "local": "nothing", "local_threshold": OWN_ROW, "bc": OWN_ROW}
METRICS = (
    "reward",
    "energy_sys_j",
    "latency_mean_s",
    "qos_mean",
    "energy_edge_j",
    "resource_ratio",
    "deadline_violation_rate",
)


class Gap(NamedTuple):
    """A mean difference and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f})"


class Contest(NamedTuple):
    """What everyone did in the same worlds.

    Attributes:
        metrics: per policy and metric, the mean over each episode, `(worlds,)`.
        counters: of each language model, see `jaxvec.policies.llm.ask.Tally`.
        sees: what each policy knows of a slot, in words.
        source: whose decisions the cases are.
    """

    metrics: Mapping[str, Mapping[str, np.ndarray]]
    counters: Mapping[str, Mapping[str, Any]]
    sees: Mapping[str, str]
    source: str

    def ahead(self, reference: str, metric: str = "reward") -> dict[str, Gap]:
        """By how much each policy is above one of them, paired by world."""
        return {name: bootstrap(x[metric] - self.metrics[reference][metric]) for name, x in self.metrics.items()}

    def label(self, name: str) -> str:
        """What a figure calls a policy: a language model that often fell back on other decisions is named after that."""
        label = self.counters[name]["label"] if name in self.counters else "LLM"
        return {"LLM": name, "LLM+fallback": f"{name}+fallback"}.get(label, f"fallback of {name}")


def bootstrap(samples: np.ndarray, draws: int = 10_000, seed: int = 0) -> Gap:
    """Mean of independent samples `(n,)` and its percentile interval, by drawing n of them with replacement again and again.

    Of a single sample the interval is NaN.
    """
    samples, n = np.asarray(samples, float), len(samples)
    if n < 2:
        return Gap(float(samples.mean()), float("nan"), float("nan"))
    drawn = np.random.default_rng(seed).integers(0, n, (draws, n))
    low, high = np.quantile(samples[drawn].mean(1), (0.025, 0.975))
    return Gap(float(samples.mean()), float(low), float(high))


def contest(
    env: DtEdge,
    params: Params,
    library: Library,
    key: Array,
    n_worlds: int = 64,
    *,
    others: Mapping[str, Policy] | None = None,
    sees: Mapping[str, str] | None = None,
    models: Mapping[str, Asker] | None = None,
    model: Transformer = in_context.MODEL,
    transformer_params: Any = None,
    clone_params: Any = None,
    k: int = in_context.NEAR,
    grows: int = 0,
) -> Contest:
    """Everyone in the same worlds, one episode each: `MARKS`, all in-context policies, and whoever else is given.

    Args:
        env: its `horizon` is the number of slots.
        params: one world's, or a sweep over worlds. Its bias is what is acted in; the cases' may be another.
        library: the cases that everyone gets, see `in_context.dt_edge.collect`.
        key: the worlds, the same as in `evaluate` under this key.
        others: name -> `policy(key, obs)`, learners' for example: {"MARL": result.policy(), "SARL": other.policy()}.
        sees: what they see, `OWN_ROW` or `ALL_ROWS`; by default their own row, as learners do.
        models: name -> language model, asked by `policies.llm.dt_edge.evaluate_model`; constrained ones are series of their own.
        model, transformer_params: a trained transformer; without parameters it does not take part.
        clone_params: of the control `bc`; without, it does not take part.
        k: examples that language models are shown.
        grows: how many of its own decisions each world may append to the cases; 0 in a fair comparison.
    Raises:
        ValueError: the cases are of other sizes, or two have the same name.
    """
    rules, others, models = fixed(env, params), dict(others or {}), dict(models or {})
    ours = in_context.policies(
        env,
        params,
        library,
        model=model,
        transformer_params=transformer_params,
        clone_params=clone_params,
        grows=grows,
    )
    parties = ({name: rules[name] for name in MARKS}, ours, others, models)
    names = [name for party in parties for name in party]
    if len(set(names)) < len(names):
        raise ValueError(f"two of the same name among {', '.join(names)}")
    metrics: dict[str, Mapping[str, np.ndarray]] = {}
    metrics |= evaluate(env, {**parties[0], **ours, **others}, key, params, n_worlds)
    counters: dict[str, Mapping[str, Any]] = {}
    for name, asker in models.items():
        evaluated = evaluate_model(env, params, library, asker, key, n_worlds, k=k, grows=grows)
        metrics[name], counters[name] = evaluated.metrics, evaluated.counters
    rows = dict.fromkeys(names, ALL_ROWS) | dict.fromkeys(others, OWN_ROW) | dict(sees or {})
    rows |= {name: text for name, text in SEES.items() if name in names}
    return Contest(metrics, counters, rows, library.about["source"])


def table(contest: Contest, reference: str = "icl_copy") -> str:
    """As Markdown, the best first: every metric's mean, and by how much the reward is ahead of one of them."""
    ahead = contest.ahead(reference)
    lines = [
        f"| policy | sees | {' | '.join(METRICS)} | reward ahead of `{reference}` |",
        "|" + "---|" * (len(METRICS) + 3),
    ]
    for name in sorted(contest.metrics, key=lambda name: -contest.metrics[name]["reward"].mean()):
        x = contest.metrics[name]
        means = [str(interval(x["reward"])), *(f"{x[metric].mean():.4g}" for metric in METRICS[1:])]
        cells = (contest.label(name), contest.sees[name], *means, str(ahead[name]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
