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
from jaxvec.policies.in_context.cases import CaseSet, Nearest, Situation, grow, nearer, nearest, room
from jaxvec.policies.in_context.dt_edge import NEAR, check, problem
from jaxvec.policies.in_context.store import Library
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import Messages
from jaxvec.policies.llm.prompt import Shown, again, example_text, examples_that_fit, messages
from jaxvec.policies.mapped import over_worlds


class Played(NamedTuple):
    """What came of it.

    Attributes:
        found: per metric, the mean over each episode, `(worlds,)`, as `evaluate` gives it.
        counters: of the run, see `Tally`; `label` is what to call it in a figure.
        k: examples in each prompt.
        own: cases that each world has appended, worlds last; None if none may be.
    """

    found: dict[str, np.ndarray]
    counters: dict[str, Any]
    k: int
    own: CaseSet | None


class _Looked(NamedTuple):
    """A situation in canonical order, the order, the cases like it; in the vehicles' order, the unit matrix to fall back to."""

    situation: Situation
    order: Array
    near: Nearest
    spare: Array


@partial(jax.jit, static_argnames=("env", "k"))
def _look(
    env: DtEdge, k: int, params: Any, cases: CaseSet, own: CaseSet | None, keys: Array, obs: Observation
) -> _Looked:
    here = problem(env, params)

    def one(params: Any, key: Array, obs: Observation, own: CaseSet | None) -> _Looked:
        seen = here.situation(obs)
        order = here.metric.order(seen.rows)
        situation = seen._replace(rows=seen.rows[order])
        near = nearest(cases, situation, k, here.metric)
        if own is not None:
            near = nearer(near, nearest(own, situation, min(k, own.capacity), here.metric))
        copied = here.unit(params, near.action[0])[jnp.argsort(order)]
        return _Looked(situation, order, near, jnp.where(near.valid[0], copied, here.fallback(params, obs)))

    return over_worlds(one, params)(keys, obs, own)


@partial(jax.jit, static_argnames="env")
def _step(
    env: DtEdge,
    params: Any,
    keys: Array,
    t: Array,
    state: Any,
    obs: Observation,
    looked: _Looked,
    answer: tuple[Array, Array],
    own: CaseSet | None,
) -> tuple[Any, Observation, dict[str, Array], CaseSet | None]:
    """One slot of all worlds with the model's matrices `(N, 2K, W)`, or what they fall back to; and what it was worth."""
    here = problem(env, params)

    def one(params: Any, key: Array, obs: Observation, looked: _Looked, answer: tuple[Array, Array], own: Any) -> Any:
        matrix, usable = answer
        asked = here.unit(params, matrix)[jnp.argsort(looked.order)]
        unit = jnp.where(usable, asked, looked.spare)
        if own is not None:
            done, reward, advantage = (x[looked.order] for x in here.judge(params, obs, unit))
            own = grow(own, looked.situation, done, reward, advantage, looked.near)
        return here.action(unit), own

    action, own = over_worlds(one, params)(keys, obs, looked, answer, own)
    state, ts = env.step(rng.fold_in(keys, t + 1), state, action, world_params(params))
    scalars = {name: x for name, x in ts.info.items() if x.ndim == 1}
    return state, ts.obs, scalars | {"reward": mean_reward(ts.reward, obs)}, own


def play(
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
) -> Played:
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
    cases, numbers = check(env, library), check_params(params)
    keys = world_keys(key, n_worlds)
    state, ts = jax.jit(env.reset)(rng.fold_in(keys, 0), world_params(numbers))
    obs, rows, columns = ts.obs, env.n_vehicles, 2 * env.n_types
    spread = lambda x: jnp.zeros((*x.shape, n_worlds), x.dtype)  # noqa: E731
    own = jax.tree.map(spread, room(cases, grows)) if grows else None
    k = _affordable(cases, asker, min(k, cases.capacity))
    kept: list[dict[str, np.ndarray]] = []
    for t in range(env.horizon):
        looked = _look(env, max(1, k), numbers, cases, own, keys, obs)
        shown = jax.device_get(looked)
        budgets = np.asarray(_budget(env, world_params(numbers), state)) if tell_bias else np.ones(n_worlds)
        questions = [_question(shown, w, k, budgets[w]) for w in range(n_worlds)]
        answers = asker.matrices(questions, rows, columns, again=again(rows, columns))
        usable = np.asarray([matrix is not None for matrix in answers])
        asker.tally.count["n_rule"] += int(np.sum(~usable & ~shown.near.valid[0]))
        blank = np.zeros((rows, columns))
        matrices = jnp.asarray(np.stack([blank if m is None else m for m in answers], -1), shown.spare.dtype)
        answer = (matrices, jnp.asarray(usable))
        state, obs, scalars, own = _step(env, numbers, keys, jnp.int32(t), state, obs, looked, answer, own)
        kept.append(jax.device_get(scalars))
    found = {name: np.stack([scalars[name] for scalars in kept]).mean(0, dtype=float) for name in kept[0]}
    return Played(found, asker.tally.report(), k, own)


def _affordable(cases: CaseSet, asker: Asker, k: int) -> int:
    """How many examples fit into the model's context, by the length of the first case."""
    case = Shown(np.asarray(cases.rows[0]), np.asarray(cases.shared[0]))
    tokens = asker.count_tokens(example_text(case, np.asarray(cases.action[0])))
    return examples_that_fit(asker.backend.context, tokens, k)


def _budget(env: DtEdge, params: Any, state: Any) -> Array:
    """What shares may sum to (17d), `(W,)`."""
    nothing = jnp.zeros_like(state.task_bits)
    return slot.fit(env, nothing, nothing, state, params).budget


def _question(shown: _Looked, world: int, k: int, budget: float) -> Messages:
    """Of one world, from what was looked up for all."""
    situation, near = jax.tree.map(lambda x: x[..., world], (shown.situation, shown.near))
    examples = [(Shown(near.rows[i], near.shared[i]), near.action[i]) for i in range(k) if near.valid[i]]
    return messages(Shown(*situation), examples, float(budget))
