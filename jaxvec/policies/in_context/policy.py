"""From a way to decide from cases to a policy that rollouts and learners' evaluations run."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.rollout import Policy
from jaxvec.core.types import Observation
from jaxvec.policies.in_context.cases import CaseSet, Metric, Nearest, Situation, empty_like, grow, nearer, nearest
from jaxvec.policies.in_context.rules import Rule
from jaxvec.policies.mapped import over_worlds


class Judged(NamedTuple):
    """What became of a decision: the matrix that was executed, what each row earned, and by how much that is more than what a
    simple rule would have earned."""

    action: Array
    reward: Array
    advantage: Array


class Problem(NamedTuple):
    """What in-context policies need to know of an environment; every function is of one world.

    A matrix has a row for each row of the situation. In plain numbers it is what the environment executes, as in cases; in unit
    numbers, all in [0, 1], it is what a policy asks for, equally fine everywhere.

    Attributes:
        metric: what makes situations alike.
        params: the environment's numbers, which the functions are given; may be a sweep over worlds.
        situation: from an observation, rows in the environment's order.
        unit: `unit(params, plain) -> unit`.
        action: from a unit matrix, rows in the environment's order, to the environment's action.
        fallback: `fallback(params, obs) -> unit`, the rule that decides where there is no case.
        judge: `judge(params, obs, unit) -> Judged`, before chance moves on.
    """

    metric: Metric
    params: Any
    situation: Callable[[Observation], Situation]
    unit: Callable[[Any, Array], Array]
    action: Callable[[Array], Any]
    fallback: Callable[[Any, Observation], Array]
    judge: Callable[[Any, Observation, Array], Judged]


def policy(problem: Problem, cases: CaseSet, rule: Rule, k: int, *, grows: int = 0) -> Policy:
    """A policy that looks up the k nearest cases and follows a rule; where there is no case at all, the problem's fallback.

    Args:
        rule: is given cases in unit numbers, and answers in them.
        grows: each world appends up to so many of its own decisions, see `cases.grow`; in a full set they replace one another.
            They are the policy's memory, which ends with the episode; `cases` stay as they are.
    """
    if grows:
        return _Growing(problem, cases, rule, k, grows)

    def decide(params: Any, key: Array, obs: Observation) -> Any:
        return problem.action(_decide(problem, cases, None, rule, k, params, obs).matrix)

    return over_worlds(decide, problem.params)


def policy_without_cases(problem: Problem, decide: Callable[[Situation], Array]) -> Policy:
    """A policy that looks nothing up: `decide` goes from a situation, rows in any order, to a unit matrix."""

    def act(params: Any, key: Array, obs: Observation) -> Any:
        return problem.action(decide(problem.situation(obs)))

    return over_worlds(act, problem.params)


class _Decided(NamedTuple):
    """A unit matrix in the environment's order, and what it came from: the canonical order, the situation in it, the cases."""

    matrix: Array
    order: Array
    situation: Situation
    near: Nearest


def _decide(
    problem: Problem, cases: CaseSet, grown: CaseSet | None, rule: Rule, k: int, params: Any, obs: Observation
) -> _Decided:
    seen = problem.situation(obs)
    order = problem.metric.order(seen.rows)
    situation = seen._replace(rows=seen.rows[order])
    near = nearest(cases, situation, k, problem.metric)
    if grown is not None:
        near = nearer(near, nearest(grown, situation, min(k, grown.capacity), problem.metric))
    ruled = rule(situation, near._replace(action=problem.unit(params, near.action)))[jnp.argsort(order)]
    return _Decided(jnp.where(near.valid[0], ruled, problem.fallback(params, obs)), order, situation, near)


class _Growing:
    """A policy whose memory is the cases that it has appended."""

    def __init__(self, problem: Problem, cases: CaseSet, rule: Rule, k: int, capacity: int):
        def decide(params: Any, key: Array, obs: Observation, grown: CaseSet) -> Any:
            decided = _decide(problem, cases, grown, rule, k, params, obs)
            judged = Judged(*(x[decided.order] for x in problem.judge(params, obs, decided.matrix)))
            return problem.action(decided.matrix), grow(grown, decided.situation, *judged, decided.near)

        self._decide, self._empty = over_worlds(decide, problem.params), empty_like(cases, capacity)

    def memory(self, batch: tuple[int, ...]) -> CaseSet:
        """Nothing appended yet, in each world."""
        return jax.tree.map(lambda x: jnp.zeros((*x.shape, *batch), x.dtype), self._empty)

    def __call__(self, key: Array, obs: Observation, memory: CaseSet) -> Any:
        return self._decide(key, obs, memory)
