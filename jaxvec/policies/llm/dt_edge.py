"""A language model as a policy of `dt_edge`: worlds in step, slots under jit, questions asked by the host in between.

A model answers in tenths of seconds at best, a slot lasts one: no vehicle could wait for it. It is compared all the same, on the
worlds that `evaluate` gives every other policy under the same key.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.evaluation import mean_reward
from jaxvec.core.params import check_params, world_params
from jaxvec.core.rollout import world_keys
from jaxvec.core.types import Observation
from jaxvec.envs.dt_edge import DtEdge, slot
from jaxvec.envs.dt_edge.params import Params
from jaxvec.policies.in_context.cases import CaseSet, Nearest, Situation, empty_like, grow, nearer, nearest
from jaxvec.policies.in_context.dt_edge import NEAR, check, problem_of
from jaxvec.policies.in_context.store import Library
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import Messages
from jaxvec.policies.llm.prompt import Shown, again, example_text, examples_that_fit, messages
from jaxvec.policies.mapped import over_worlds


class Evaluated(NamedTuple):
    """What came of it.

    Attributes:
        metrics: by name the mean over each episode, `(worlds,)`, as `jaxvec.core.evaluation.evaluate` gives them.
        counters: of the run, see `Tally`; `label` is what to call it in a figure.
        k: examples in each prompt.
        grown: cases that each world has appended, worlds last; None if none may be.
    """

    metrics: dict[str, np.ndarray]
    counters: dict[str, Any]
    k: int
    grown: CaseSet | None


class _Retrieved(NamedTuple):
    """A situation in canonical order, the order, the cases like it; in the vehicles' order, the unit matrix to fall back to."""

    situation: Situation
    order: Array
    near: Nearest
    spare: Array


@partial(jax.jit, static_argnames=("env", "k"))
def _retrieve(
    env: DtEdge, k: int, params: Any, cases: CaseSet, grown: CaseSet | None, keys: Array, obs: Observation
) -> _Retrieved:
    problem = problem_of(env, params)

    def retrieve(params: Any, key: Array, obs: Observation, grown: CaseSet | None) -> _Retrieved:
        seen = problem.situation(obs)
        order = problem.metric.order(seen.rows)
        situation = seen._replace(rows=seen.rows[order])
        near = nearest(cases, situation, k, problem.metric)
        if grown is not None:
            near = nearer(near, nearest(grown, situation, min(k, grown.capacity), problem.metric))
        copied = problem.unit(params, near.action[0])[jnp.argsort(order)]
        spare = jnp.where(near.valid[0], copied, problem.fallback(params, obs))
        return _Retrieved(situation, order, near, spare)

    return over_worlds(retrieve, params)(keys, obs, grown)


@partial(jax.jit, static_argnames="env")
def _step(
    env: DtEdge,
    params: Any,
    keys: Array,
    t: Array,
    state: Any,
    obs: Observation,
    retrieved: _Retrieved,
    answer: tuple[Array, Array],
    grown: CaseSet | None,
) -> tuple[Any, Observation, dict[str, Array], CaseSet | None]:
    """One slot of all worlds with the model's matrices `(N, 2K, W)`, or what they fall back to; and what it was worth."""
    problem = problem_of(env, params)

    def decide(
        params: Any, key: Array, obs: Observation, near: _Retrieved, answer: tuple[Array, Array], grown: CaseSet | None
    ) -> Any:
        matrix, usable = answer
        requested = problem.unit(params, matrix)[jnp.argsort(near.order)]
        unit = jnp.where(usable, requested, near.spare)
        if grown is not None:
            executed, reward, advantage = (x[near.order] for x in problem.judge(params, obs, unit))
            grown = grow(grown, near.situation, executed, reward, advantage, near.near)
        return problem.action(unit), grown

    action, grown = over_worlds(decide, params)(keys, obs, retrieved, answer, grown)
    state, ts = env.step(rng.fold_in(keys, t + 1), state, action, world_params(params))
    scalars = {name: x for name, x in ts.info.items() if x.ndim == 1}
    return state, ts.obs, scalars | {"reward": mean_reward(ts.reward, obs)}, grown


def evaluate_model(
    env: DtEdge,
    params: Params,
    library: Library,
    asker: Asker,
    key: Array,
    n_worlds: int = 4,
    *,
    k: int = NEAR,
    grows: int = 0,
    tell_bias: bool = False,
) -> Evaluated:
    """One episode in each world, decided by a language model from the cases most like each slot.

    A slot's questions are asked together. Where the model does not answer, or twice not in the form asked for, the nearest
    case's decision is taken, or `greedy_latency`'s if there is no case; all of that is counted. An episode always ends.

    Args:
        env: its `horizon` is the number of slots, `dataclasses.replace(env, horizon=25)`.
        params: one world's, or a sweep over worlds.
        library: cases of these sizes.
        asker: whom to ask, and what is known; its tally goes on counting.
        key: the worlds, the same as in `evaluate` under this key.
        k: examples in a prompt, fewer where the model's context does not hold them.
        grows: each world appends up to so many of its own decisions to the cases, see `cases.grow`.
        tell_bias: tell the model what the shares may really sum to. Nobody else knows.
    Raises:
        ValueError: the cases are of other sizes.
        CacheMissError: a replay misses an answer.
    """
    cases, numbers = check(env, library), check_params(params, env)
    keys = world_keys(key, n_worlds)
    state, ts = jax.jit(env.reset)(rng.fold_in(keys, 0), world_params(numbers))
    obs, rows, columns = ts.obs, env.n_vehicles, 2 * env.n_types
    grown = _empty_in_worlds(cases, grows, n_worlds) if grows else None
    k = _affordable(cases, asker, min(k, cases.capacity))
    slots: list[dict[str, np.ndarray]] = []
    for t in range(env.horizon):
        retrieved = _retrieve(env, max(1, k), numbers, cases, grown, keys, obs)
        shown = jax.device_get(retrieved)
        budgets = np.asarray(_budget(env, world_params(numbers), state)) if tell_bias else np.ones(n_worlds)
        questions = [_question(shown, w, k, budgets[w]) for w in range(n_worlds)]
        answers = asker.matrices(questions, rows, columns, again=again(rows, columns))
        usable = np.asarray([matrix is not None for matrix in answers])
        asker.tally.count["n_rule"] += int(np.sum(~usable & ~shown.near.valid[0]))
        blank = np.zeros((rows, columns))
        matrices = jnp.asarray(np.stack([blank if m is None else m for m in answers], -1), shown.spare.dtype)
        answer = (matrices, jnp.asarray(usable))
        state, obs, scalars, grown = _step(env, numbers, keys, jnp.int32(t), state, obs, retrieved, answer, grown)
        slots.append(jax.device_get(scalars))
    means = {name: np.stack([scalars[name] for scalars in slots]).mean(0, dtype=float) for name in slots[0]}
    return Evaluated(means, asker.tally.report(), k, grown)


def _empty_in_worlds(cases: CaseSet, capacity: int, n_worlds: int) -> CaseSet:
    """Nothing appended yet, in each world."""
    return jax.tree.map(lambda x: jnp.zeros((*x.shape, n_worlds), x.dtype), empty_like(cases, capacity))


def _affordable(cases: CaseSet, asker: Asker, k: int) -> int:
    """How many examples fit into the model's context, by the length of the first case."""
    case = Shown(np.asarray(cases.rows[0]), np.asarray(cases.shared[0]))
    tokens = asker.count_tokens(example_text(case, np.asarray(cases.action[0])))
    return examples_that_fit(asker.backend.context, tokens, k)


def _budget(env: DtEdge, params: Any, state: Any) -> Array:
    """What shares may sum to (17d), `(W,)`."""
    nothing = jnp.zeros_like(state.task_bits)
    return slot.fit(env, nothing, nothing, state, params).budget


def _question(shown: _Retrieved, world: int, k: int, budget: float) -> Messages:
    """Of one world, from what was looked up for all."""
    situation, near = jax.tree.map(lambda x: x[..., world], (shown.situation, shown.near))
    examples = [(Shown(near.rows[i], near.shared[i]), near.action[i]) for i in range(k) if near.valid[i]]
    return messages(Shown(*situation), examples, float(budget))
