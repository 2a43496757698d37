"""How good policies are: means over episodes in the same worlds, and intervals of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.devices import usable, use_devices
from jaxvec.core.environment import Environment
from jaxvec.core.params import check_params
from jaxvec.core.rollout import Policy, Slot, as_stateful, rollout
from jaxvec.core.types import Observation
from jaxvec.core.weights import counted, weighted_mean


def attendance(obs: Observation) -> Array:
    """The share of all agents that take part in what is seen.

    Args:
        obs: with rows `(n, d, *batch)` per group, and in `active` who takes part, bool `(n, *batch)`, of groups where not all do.
    Returns:
        `(*batch)`, 0 to 1; 1 where all always take part.
    """
    parts = [obs.active.get(group, jnp.ones((len(rows), *rows.shape[2:]), bool)) for group, rows in obs.agents.items()]
    return jnp.mean(jnp.concatenate(parts), 0, dtype=jnp.result_type(float))


def mean_reward(reward: dict[str, Array], obs: Observation) -> Array:
    """The mean reward of the agents that took part.

    Args:
        reward: per group `(n, *batch)`.
        obs: the observation that they acted on.
    Returns:
        `(*batch)`; 0 where nobody took part.
    """
    if not obs.active:
        return jnp.concatenate(list(reward.values())).mean(0)
    earned = [counted(x, obs.active[group]) if group in obs.active else x for group, x in reward.items()]
    n_agents = sum(len(x) for x in earned)
    return jnp.sum(jnp.concatenate(earned), 0) / jnp.maximum(attendance(obs) * n_agents, 1)


def episode_means(env: Environment, policy: Policy, key: Array, params: Any, n_worlds: int) -> dict[str, Array]:
    """Means over an episode's slots: the reward of the agents as `reward`, and every scalar of info; each `(n_worlds,)`.

    Where agents come and go, a slot counts by how many of them take part in it.

    Args:
        env: where.
        policy: who acts.
        key: the worlds and the policy's chance; the same key, the same worlds.
        params: of one world, or with `(n_worlds,)` leaves.
        n_worlds: W, an episode each.
    """

    def select(slot: Slot) -> tuple[Array, dict[str, Array]]:
        scalars = {name: x for name, x in slot.ts.info.items() if x.ndim == 1}
        return attendance(slot.obs), scalars | {"reward": mean_reward(slot.ts.reward, slot.obs)}

    weight, metrics = rollout(env, policy, key, params, n_worlds, select=select)
    return {name: weighted_mean(x, weight, 0, least=1e-6) for name, x in metrics.items()}


class PolicySwitch:
    """Several policies as one, of which one acts, so that a comparison compiles the environment once.

    Args:
        policies: who may act.
        index: int `()`, which of them does.
    """

    def __init__(self, policies: Sequence[Policy], index: Array):
        self._policies, self._index = policies, index

    def memory(self, batch: tuple[int, ...]) -> list[Any]:
        """Everybody's memory at the start of an episode.

        Args:
            batch: shape of the batch of worlds.
        Returns:
            A memory for each policy, `()` of one that has none.
        """
        return [as_stateful(policy, batch).memory for policy in self._policies]

    def __call__(self, key: Array, obs: Observation, memory: list[Any]) -> tuple[Any, list[Any]]:
        """The action of the one that acts, and everybody's memory after it."""

        def branch(i: int) -> Callable[[], tuple[Any, list[Any]]]:
            def act() -> tuple[Any, list[Any]]:
                action, next_memory, _ = as_stateful(self._policies[i], key.shape).act(memory[i], key, obs)
                return action, [*memory[:i], next_memory, *memory[i + 1 :]]

            return act

        return jax.lax.switch(self._index, [branch(i) for i in range(len(self._policies))])


def evaluate(
    env: Environment, policies: Mapping[str, Policy], key: Array, params: Any, n_worlds: int = 256
) -> dict[str, dict[str, np.ndarray]]:
    """Every policy on the same worlds, one episode each, in one compilation.

    Args:
        env: where.
        policies: name -> policy.
        key: the worlds; the same key, the same worlds.
        params: of one world, or with `(n_worlds,)` leaves.
        n_worlds: W.
    Returns:
        Per policy and metric, the mean over each episode, `(n_worlds,)`: pair them by index, and see `interval`.
    Raises:
        ValueError: a parameter is not a finite number, or out of its range.
    """
    several = list(policies.values())

    @jax.jit
    def run(key: Array, params: Any) -> dict[str, Array]:
        def one(index: Array) -> dict[str, Array]:
            return episode_means(env, PolicySwitch(several, index), key, params, n_worlds)

        return jax.lax.map(one, jnp.arange(len(several)))

    with use_devices(usable(n_worlds)):
        results = jax.tree.map(np.asarray, run(key, check_params(params, env)))
    return {name: {metric: x[i] for metric, x in results.items()} for i, name in enumerate(policies)}


class Interval(NamedTuple):
    """A mean and its 95 % confidence interval, `mean - half` to `mean + half`.

    Attributes:
        mean: of the samples, in their unit.
        half: half the interval's width, in the same unit; NaN where there is one sample only.
    """

    mean: float
    half: float

    def __str__(self) -> str:
        """Both to the second digit of the half-width, if that is neither tiny nor huge; of one sample its value alone."""
        if math.isnan(self.half):
            return f"{self.mean:.4g}"
        if not 1e-5 <= self.half < 1e5:
            return f"{self.mean:.4g} ± {self.half:.2g}"
        decimals = max(0, 1 - math.floor(math.log10(self.half)))
        return f"{self.mean:.{decimals}f} ± {self.half:.{decimals}f}"


@cache
def students_t(n: int, confidence: float = 0.95) -> float:
    """Student's t: of n normal samples, the mean lies within so many standard errors of the truth in 95 % of all cases.

    From the distribution in closed form (Abramowitz and Stegun 26.7.3 and 26.7.4), whose angle is found by bisection.

    Args:
        n: how many samples, at least 2.
        confidence: part of all cases, if not 95 %.
    """
    df = n - 1
    odd = df % 2
    steps = np.arange(2 + odd, df - 1 + odd, 2)
    ratios = np.cumprod(np.concatenate([[1.0], (steps - 1) / steps]))[: (df - odd) // 2]
    low, high = 0.0, np.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        series = np.sin(angle) * np.sum(ratios * np.cos(angle) ** (2 * np.arange(len(ratios)) + odd))
        inside = 2 / np.pi * (angle + series) if odd else series
        low, high = (angle, high) if inside < confidence else (low, angle)
    return float(np.sqrt(df) * np.tan(low))


def half_widths(samples: np.ndarray, confidence: float = 0.95) -> np.ndarray:
    """Half-widths of Student's intervals of means.

    Args:
        samples: `(..., n)`, independent of each other along the last axis, in any unit.
        confidence: of the intervals.
    Returns:
        `(...)`, in the same unit; NaN of fewer than two samples.
    """
    samples = np.asarray(samples, float)
    n = samples.shape[-1]
    if n < 2:
        return np.full(samples.shape[:-1], np.nan)
    return students_t(n, confidence) * samples.std(-1, ddof=1) / np.sqrt(n)


def interval(samples: np.ndarray) -> Interval:
    """Mean and Student's 95 % interval: of few seeds as of many worlds, where it is the normal one.

    Args:
        samples: `(n,)`, independent of each other, in any unit.
    Returns:
        The interval, in the same unit; the half-width of fewer than two samples is NaN.
    """
    samples = np.asarray(samples, float)
    return Interval(float(samples.mean()), float(half_widths(samples)))
