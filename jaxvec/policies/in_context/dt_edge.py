"""In-context policies of `dt_edge`: what makes slots alike, cases from a policy, and all contestants by name.

A row of a matrix is a vehicle's [omega_1..omega_K, alpha_1..alpha_K]: ratios of offloading, and shares of the server, which unit
numbers have log-spaced as the environment's actions. The canonical order is by falling channel gain. With equal weights sizes,
places and speeds, which matter little, would drown the gain. What a decision was worth is reckoned as the fixed rules do, with
the mean bias.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.params import world_params
from jaxvec.core.rollout import Policy, Slot, rollout
from jaxvec.core.types import Observation
from jaxvec.envs.dt_edge import DtEdge, slot
from jaxvec.envs.dt_edge.observation import GROUP, see
from jaxvec.envs.dt_edge.params import Params
from jaxvec.policies import dt_edge as fixed
from jaxvec.policies.in_context import clone, rules, transformer
from jaxvec.policies.in_context.cases import CaseSet, Metric, Situation, select
from jaxvec.policies.in_context.policy import Judged, Problem, policy, policy_without_cases
from jaxvec.policies.in_context.store import Library
from jaxvec.policies.mapped import over_worlds

NEAR, MANY = 5, 64  # cases retrieved: as many as a prompt has, and what a kernel is best with
MODEL = transformer.Transformer()


def metric(env: DtEdge) -> Metric:
    """Sizes count a little, the gain much, queues as they are; place and speed, which the gain already tells, not at all."""
    k = env.n_types
    return Metric(rows=(0.15,) * k + (0.0, 0.0, 3.0), shared=(1.0,) * k, sort_by=k + 2)


def situation(env: DtEdge, obs: Observation) -> Situation:
    """Rows of K + 3 features; the K queues are shared. Any batch axes last."""
    rows, n_features = obs.agents[GROUP], env.n_types + 3
    return Situation(rows[:, :n_features], rows[0, n_features:])


def greedy(env: DtEdge, params: Params, obs: Observation) -> fixed.Plan:
    """The simple rule, `greedy_latency`, which draws nothing."""
    return fixed.greedy_latency(see(env, obs, params), env, params, jax.random.key(0))


def problem_of(env: DtEdge, params: Params) -> Problem:
    """`dt_edge` for in-context policies; where there is no case, `greedy_latency` decides.

    Raises:
        ValueError: some vehicles are absent: cases are of all that there are.
    """
    if params.present is not None:
        raise ValueError("cases are of all vehicles: set n_vehicles in the place of present")
    if params.trace is not None:
        raise ValueError(f"cases are of all vehicles, and of mobility={env.mobility!r} they come and go: take another")
    k = env.n_types

    def unit(params: Params, plain: Array) -> Array:
        action = fixed.encode(fixed.Plan(plain[..., :k], plain[..., k:]), env, params)[GROUP]
        return jnp.concatenate([action["offload"], action["share"]], -1)

    def action(matrix: Array) -> Any:
        return {GROUP: {"offload": matrix[:, :k], "share": matrix[:, k:]}}

    def fallback(params: Params, obs: Observation) -> Array:
        return unit(params, jnp.concatenate(greedy(env, params, obs), 1))

    def judge(params: Params, obs: Observation, matrix: Array) -> Judged:
        plans = fixed.Plan(*slot.decode(env, action(matrix)[GROUP], params)), greedy(env, params, obs)
        both = fixed.Plan(*(jnp.stack(x, -1) for x in zip(*plans, strict=True)))
        decision, score = fixed.outcomes(both, see(env, obs, params), env, params)
        executed = jnp.concatenate([decision.omega, decision.alpha], 1)[..., 0]
        return Judged(executed, score.reward_n[:, 0], score.reward_n[:, 0] - score.reward_n[:, 1])

    return Problem(metric(env), params, lambda obs: situation(env, obs), unit, action, fallback, judge)


def collect(
    env: DtEdge,
    params: Params,
    policy: Policy,
    key: Array,
    *,
    source: str,
    n_worlds: int = 64,
    every: int = 5,
    drop: float = 0.2,
    capacity: int = 2048,
) -> Library:
    """Cases of a policy: one episode in each world, every so many slots, without the worst of them.

    Args:
        policy: who decides; a converged learner's, greedy.
        key: of the worlds, which are apart from those that the same key gives to `evaluate`.
        source: who that is, in words: for the library.
        n_worlds, every: cases are `n_worlds * ceil(horizon / every)`, before some are dropped.
        drop, capacity: see `cases.select`.
    """
    seen, done = _decisions(env, params, policy, {"": policy}, key, n_worlds, every)
    cases = select(seen, *done[""], metric(env), drop=drop, capacity=capacity)
    numbers = {name: np.asarray(x).tolist() for name, x in vars(params).items() if x is not None}
    about = {"env": env.id, "source": source, "sizes": asdict(env), "params": numbers}
    return Library(cases, about | {"worlds": n_worlds, "every": every, "drop": drop})


def solved(
    env: DtEdge,
    params: Params,
    policy: Policy,
    teacher: Policy,
    key: Array,
    *,
    n_worlds: int = 64,
    every: int = 5,
    drop: float = 0.2,
    capacity: int = 2048,
) -> transformer.Solved:
    """Cases of a policy as `collect` makes them, in unit numbers, and what a better one would have done in each: lessons.

    Args:
        policy: who decides: the teacher at an earlier point of its training, for example.
        teacher: who is to be followed.
    """
    seen, done = _decisions(env, params, policy, {"policy": policy, "teacher": teacher}, key, n_worlds, every)
    action, reward, advantage = done["policy"]
    cases = select(seen, action, reward, advantage, metric(env), drop=drop, capacity=capacity)
    # the same cases in the same order, since the same ones are the worst
    target, _, worth = done["teacher"]
    taught = select(seen, target, worth, advantage, metric(env), drop=drop, capacity=capacity)
    unit = problem_of(env, params).unit
    return transformer.Solved(
        cases.replace(action=unit(params, cases.action)),
        unit(params, taught.action),
        taught.reward,
    )


def _decisions(
    env: DtEdge,
    params: Params,
    policy: Policy,
    deciders: Mapping[str, Policy],
    key: Array,
    n_worlds: int,
    every: int,
) -> tuple[Situation, dict[str, Judged]]:
    """Situations that a policy meets, and by decider what it would do there: `(case, ...)` each, world by world."""

    def simple_plan(params: Params, key: Array, obs: Observation) -> tuple[Array, ...]:
        return tuple(greedy(env, params, obs))

    def select(s: Slot) -> tuple[Situation, dict[str, Judged]]:
        numbers, keys = world_params(params), jax.random.split(key, n_worlds)

        def execute(omega: Array, alpha: Array) -> tuple[Array, Array]:
            decision = slot.fit(env, omega, alpha, s.state, numbers)
            rate_bps = slot.rate_bps(env, slot.gain_db(env, s.state, numbers), numbers)
            late = slot.delay(env, decision, rate_bps, s.state, numbers)
            energy, queues = slot.spend(decision, late, numbers), slot.enqueue(decision, late, s.state)
            score = slot.score(env, decision, late, energy, queues, s.state, numbers)
            return jnp.concatenate([decision.omega, decision.alpha], 1), score.reward_n

        simple = execute(*over_worlds(simple_plan, params)(keys, s.obs))[1]
        done = {}
        for name, decider in deciders.items():
            action = s.action if decider is policy else decider(keys, s.obs)
            executed, reward = execute(*slot.decode(env, action[GROUP], numbers))
            done[name] = Judged(executed, reward, reward - simple)
        return situation(env, s.obs), done

    def by_case(x: Array) -> Array:
        return jnp.moveaxis(x[::every], -1, 0).reshape(-1, *x.shape[1:-1])

    def run(key: Array) -> Any:
        slots = rollout(env, policy, rng.stream(key, "cases"), params, n_worlds, select=select)
        return jax.tree.map(by_case, slots)

    decisions: tuple[Situation, dict[str, Judged]] = jax.jit(run)(key)
    return decisions


def spoilt(policy: Policy, width: Array | float) -> Policy:
    """A policy whose numbers chance changes by up to half of `width`: an unfinished learner, for lessons and tests."""

    def noisy(key: Array, obs: Observation) -> Any:
        action = policy(key, obs)[GROUP]
        u = rng.uniforms(rng.stream(key, "spoilt"), {name: x.shape[: x.ndim - key.ndim] for name, x in action.items()})
        return {GROUP: {name: jnp.clip(x + width * (u[name] - 0.5), 0.0, 1.0) for name, x in action.items()}}

    return noisy


def check(env: DtEdge, library: Library) -> CaseSet:
    """The cases, if they are of this environment's sizes.

    Raises:
        ValueError: they are not; says what they are of.
    """
    n, k = env.n_vehicles, env.n_types
    shapes = {name: getattr(library.cases, name).shape[1:] for name in ("rows", "shared", "action")}
    needed = {"rows": (n, k + 3), "shared": (k,), "action": (n, 2 * k)}
    if library.about["env"] != env.id or shapes != needed:
        raise ValueError(
            f"the cases are of {library.about['env']} with shapes {shapes}; "
            f"{env.id} with {n} vehicles of {k} types needs {needed}"
        )
    return library.cases


def policies(
    env: DtEdge,
    params: Params,
    library: Library,
    *,
    model: transformer.Transformer = MODEL,
    transformer_params: Any = None,
    clone_params: Any = None,
    grows: int = 0,
) -> Mapping[str, Policy]:
    """Everyone who decides from these cases, under the names of figures; `evaluate` and rollouts run them.

    `icl_copy`; `icl_kernel` and `icl_kernel_soft` from 5 cases (`_5`) and from 64 (`_64`); `icl_transformer` and the control
    `bc` where their parameters are given.

    Args:
        library: cases of these sizes, of any bias: nobody is told.
        model, transformer_params: a trained transformer, `transformer.fit(...).params`.
        clone_params: a trained control, `clone.fit(...).params`.
        grows: each world appends up to so many of its own decisions, see `policy`.
    Raises:
        ValueError: the cases are of other sizes.
    """
    cases, problem = check(env, library), problem_of(env, params)
    by_rule: dict[str, tuple[rules.Rule, int]] = {"icl_copy": (rules.copy, 1)}
    for k in (NEAR, MANY):
        by_rule[f"icl_kernel_{k}"] = rules.kernel(problem.metric), min(k, cases.capacity)
        by_rule[f"icl_kernel_soft_{k}"] = rules.kernel(problem.metric, hard=False), min(k, cases.capacity)
    if transformer_params is not None:
        by_rule["icl_transformer"] = transformer.rule(model, transformer_params, cases), model.k
    by_name = {name: policy(problem, cases, rule, k, grows=grows) for name, (rule, k) in by_rule.items()}
    if clone_params is not None:
        by_name["bc"] = policy_without_cases(problem, clone.decide(clone_params, 2 * env.n_types))
    return by_name


def in_unit(env: DtEdge, params: Params, library: Library) -> CaseSet:
    """The cases as networks learn them, actions in unit numbers."""
    cases = check(env, library)
    return cases.replace(action=problem_of(env, params).unit(params, cases.action))
