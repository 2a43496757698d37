"""`jax.vmap` of a reset or step: the numbers of the native form, by the native program, and an axis moved once for each array."""

from collections import Counter
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from adapters.cases import COME_AND_GO, SMALL, small
from flax import struct
from hypothesis import given, settings
from hypothesis import strategies as st
from representatives import representatives

from jaxvec.core import rng
from jaxvec.core.layout import batch_first
from jaxvec.core.params import data, number, world_params
from jaxvec.core.rollout import world_keys
from jaxvec.core.wrappers import auto_reset, episode_statistics, one_agent
from jaxvec.policies.random import random

PLAIN, PARAMS = toy.Walkers(), toy.Params()
ENV = auto_reset(episode_statistics(PLAIN))
OUTER, WORLDS = 2, 3
IN_AXES = (0, 0, 0, None)


def slot(env, shape, params=PARAMS):
    """A key, a state and an action of every world of a batch, batch-last; half the worlds are about to end."""
    keys = world_keys(jax.random.key(3), int(np.prod(shape))).reshape(shape)
    state, ts = jax.jit(env.reset)(keys, params)
    return rng.fold_in(keys, 1), state, jax.jit(random(env))(keys, ts.obs)


def words(x):
    return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x


def same(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(words(x), words(y)), a, b)


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-6), a, b)


def equations(jaxpr):
    return Counter(equation.primitive.name for equation in jaxpr.eqns)


def the_program(jaxpr):
    """What is written down as one operation."""
    (equation,) = (equation for equation in jaxpr.eqns if equation.primitive.name == "worlds_last")
    return equation.params["jaxpr"]


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(
    mapped=st.tuples(*[st.tuples(*[st.booleans()] * 4)] * 2).filter(lambda of: any(of[0]) and any(of[1])),
    axis=st.sampled_from([0, -1]),
    of_agents=st.booleans(),
)
def test_whatever_is_mapped_over_the_numbers_are_those_of_each_world_by_itself(mapped, axis, of_agents):
    """Nested: of key, state, action and numbers any may be mapped over by either, the numbers with their agents' axis or not."""
    gain = (jnp.ones(2) if of_agents else 1.0) * jnp.asarray(1.5)
    one = (*slot(ENV, ()), toy.Params(gain, jnp.asarray(0.5)))
    outer, inner = mapped
    arguments, in_outer, in_inner = [], [], []
    for i, (x, by_outer, by_inner) in enumerate(zip(one, outer, inner, strict=True)):
        sizes = (OUTER,) * by_outer + (WORLDS,) * by_inner
        if i == 0:
            x = rng.fold_in(x, jnp.arange(int(np.prod(sizes))).reshape(sizes))
        else:
            x = jax.tree.map(lambda leaf, sizes=sizes: jnp.broadcast_to(leaf, (*sizes, *leaf.shape)), x)
            x = jax.tree.map(lambda leaf, sizes=sizes: vary(leaf, sizes), x)
        arguments.append(x)
        in_outer.append(0 if by_outer else None)
        in_inner.append(0 if by_inner else None)
    run = jax.vmap(jax.vmap(ENV.step, in_inner), in_outer, out_axes=axis)
    found = jax.jit(run)(*arguments)
    for i, j in ((0, 0), (OUTER - 1, WORLDS - 1), (0, WORLDS - 1)):

        def pick(x, by_outer, by_inner, i=i, j=j):
            return jax.tree.map(lambda leaf: leaf[(i,) * by_outer + (j,) * by_inner], x)

        alone = STEP(*(pick(x, *by) for x, by in zip(arguments, zip(outer, inner, strict=True), strict=True)))
        close(jax.tree.map(lambda x, i=i, j=j: jnp.take(x, i, axis)[j], found), alone)


STEP = jax.jit(ENV.step)


def vary(leaf, sizes):
    """Other numbers in other worlds, where they are numbers."""
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    factor = 1 - 0.1 * jnp.arange(int(np.prod(sizes))).reshape(sizes)
    return leaf * factor.reshape(sizes + (1,) * (leaf.ndim - len(sizes)))


@pytest.mark.parametrize(
    "env", representatives([PLAIN, ENV, one_agent(PLAIN)], [ENV]), ids=["plain", "auto_reset", "one_agent"]
)
def test_it_is_the_native_program_and_a_move_for_each_array(env):
    """So a reset is behind a condition, as there; and to the bit what the native form gives."""
    key, state, action = slot(env, (WORLDS,))
    native = jax.make_jaxpr(env.step)(key, state, action, PARAMS)
    leading = (key, *batch_first((state, action), 1), PARAMS)
    step = jax.vmap(env.step, IN_AXES)
    for of_worlds in (step, jax.jit(step), jax.vmap(jax.jit(env.step), IN_AXES)):
        same(of_worlds(*leading), batch_first(env.step(key, state, action, PARAMS), 1))
    jaxpr = jax.make_jaxpr(lambda *arguments: step(*arguments, PARAMS))(*leading[:-1]).jaxpr
    assert str(the_program(jaxpr)) == str(jax.make_jaxpr(lambda *x: env.step(*x, PARAMS))(key, state, action))
    wide = [x for x in (*jax.tree.leaves((state, action)), *native.out_avals) if x.ndim > 1]
    assert equations(jaxpr) == {"worlds_last": 1, "transpose": len(wide)}


@pytest.mark.slow
@pytest.mark.parametrize(("env_id", "settings"), [*((env_id, {}) for env_id in SMALL), *COME_AND_GO])
def test_of_every_system_it_is_the_native_program_also_nested(env_id, settings):
    """The first of two axes at the end is that of the inner `jax.vmap`."""
    env, params = small(env_id, **settings)
    env = auto_reset(one_agent(env))

    def step(*arguments):
        return env.step(*arguments, params)

    for shape in ((WORLDS,), (WORLDS, OUTER)):
        key = world_keys(jax.random.key(3), int(np.prod(shape))).reshape(shape)
        state, ts = jax.eval_shape(env.reset, key, params)
        given = key, state, jax.eval_shape(random(env), key, ts.obs)
        leading = jax.eval_shape(partial(turned, rank=len(shape)), given)
        mapped = step
        for _ in shape:
            mapped = jax.vmap(mapped)
        assert str(the_program(jax.make_jaxpr(mapped)(*leading).jaxpr)) == str(jax.make_jaxpr(step)(*given))


def turned(tree, rank):
    """The last axes first, in reverse order."""
    return jax.tree.map(lambda x: jnp.moveaxis(x, tuple(range(-rank, 0)), tuple(reversed(range(rank)))), tree)


def test_arguments_may_be_named():
    key, state, action = slot(PLAIN, (WORLDS,))
    named = jax.vmap(lambda key, state, action: PLAIN.step(key, state=state, params=PARAMS, action=action))
    jaxpr = jax.make_jaxpr(named)(key, *batch_first((state, action), 1)).jaxpr
    assert equations(jaxpr)["worlds_last"] == 1


def test_between_two_slots_under_one_vmap_nothing_is_moved():
    def two(key, state, action):
        state, _ = ENV.step(key, state, action, PARAMS)
        return ENV.step(key, state, action, PARAMS)

    def counted(function):
        jaxpr = jax.make_jaxpr(jax.vmap(function))(key, *batch_first((state, action), 1)).jaxpr
        return equations(jaxpr)

    key, state, action = slot(ENV, (WORLDS,))
    assert counted(two)["worlds_last"] == 2
    of_one = counted(lambda *x: ENV.step(*x, PARAMS))["transpose"]
    assert counted(two)["transpose"] == of_one + len(
        jax.tree.leaves(action)
    )  # which comes with the worlds first, to each


def test_one_world_and_the_native_form_are_the_programs_that_they_were():
    bare = lambda *x: type(PLAIN).step.__wrapped__(PLAIN, *x)  # noqa: E731
    for shape in ((), (WORLDS,)):
        arguments = (*slot(PLAIN, shape), PARAMS)
        texts = [jax.jit(lambda *x, f=f: f(*x)).lower(*arguments).as_text() for f in (PLAIN.step, bare)]
        assert texts[0] == texts[1]


def test_derivatives_in_both_orders_forward_and_of_second_order():
    key, state, action = slot(ENV, (WORLDS,))
    move, gain = action["walker"]["move"], jnp.asarray(2.0)

    def earned(move, gain, key, state, action):
        action = {"walker": action["walker"] | {"move": move}}
        return (ENV.step(key, state, action, PARAMS.replace(gain=gain))[1].reward["walker"] ** 2).sum(0)

    rest = key, state, action
    leading = batch_first((move, *rest), 1)
    apart = jax.vmap(earned, (0, None, 0, 0, 0))

    def together(move, gain):
        return earned(move, gain, *rest).sum()

    def moved(move, gain):
        return apart(move, gain, *leading[1:]).sum()

    expected = jax.jit(jax.grad(together, (0, 1)))(move, gain)
    by_move, by_gain = jax.jit(jax.grad(moved, (0, 1)))(move.T, gain)
    close((by_move.T, by_gain), expected)
    by_move, by_gain = jax.jit(jax.vmap(jax.grad(earned, (0, 1)), (0, None, 0, 0, 0)))(leading[0], gain, *leading[1:])
    close((by_move.T, by_gain.sum()), expected)
    directions = jnp.ones_like(move), jnp.ones_like(gain)
    _, forward = jax.jit(lambda *x: jax.jvp(moved, (move.T, gain), x))(directions[0].T, directions[1])
    close(forward, sum(jnp.sum(x) for x in expected))
    close(jax.jit(jax.hessian(moved, 1))(move.T, gain), jax.jit(jax.hessian(together, 1))(move, gain))


def test_what_does_not_depend_on_the_inputs_that_vary_has_no_derivative_to_compute():
    """The clock of a state: its derivative stays a symbolic zero, so that a scan over slots does not carry it."""
    key, state, action = slot(PLAIN, ())

    def after(move):
        return PLAIN.step(key, state, {"walker": action["walker"] | {"move": move}}, PARAMS)[0]

    def bare(move):
        action_ = {"walker": action["walker"] | {"move": move}}
        return type(PLAIN).step.__wrapped__(PLAIN, key, state, action_, PARAMS)[0]

    move = action["walker"]["move"]
    texts = [str(jax.make_jaxpr(lambda x, f=f: jax.jvp(f, (x,), (x,)))(move)) for f in (after, bare)]
    assert len(texts[0].splitlines()) <= len(texts[1].splitlines())


class TableParams(struct.PyTreeNode):
    gain: float = number(1.0, "-", "earned per unit of move", axes=("walker",))
    spread: float = number(0.5, "-", "width of the noise")
    table: jax.Array = data("what is added to the gain in each slot")


class Tabled(toy.Walkers):
    """Numbers with data that all worlds of a batch share."""

    id: ClassVar[str] = "tabled"
    params_cls: ClassVar[type] = TableParams

    def step_from(self, state, action, draws, params):
        gain = params.gain + params.table[state.t]
        return super().step_from(state, action, draws, params.replace(gain=gain))


@pytest.mark.parametrize("mapped", [False, True])
def test_data_are_shared_by_a_batch_and_mapped_over_as_jax_does_it(mapped):
    env, table = Tabled(), jnp.arange(24.0).reshape(WORLDS, 8)
    params = TableParams(table=table if mapped else table[0])
    key, state, action = slot(env, (WORLDS,), world_params(params.replace(table=table[0])))
    axes = TableParams(gain=None, spread=None, table=0 if mapped else None)
    leading = key, *batch_first((state, action), 1)
    _, ts = jax.jit(jax.vmap(env.step, (0, 0, 0, axes)))(*leading, params)
    for w in range(WORLDS):
        one = params.replace(table=table[w]) if mapped else params
        alone = env.step(*jax.tree.map(lambda x, w=w: x[w], leading), one)[1]
        close(jax.tree.map(lambda x, w=w: x[w], ts.reward), alone.reward)


def test_a_wrong_action_is_refused_in_the_words_of_one_world():
    key, state, _ = slot(PLAIN, (WORLDS,))
    action = {"walker": {"move": jnp.zeros((WORLDS, 4)), "pick": jnp.zeros((WORLDS, 2), int)}}
    with pytest.raises(ValueError, match=r"has shape \(4,\), but must have \(2,\): \(2,\) in one world"):
        jax.vmap(PLAIN.step, IN_AXES)(key, batch_first(state, 1), action, PARAMS)
