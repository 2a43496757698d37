"""What resets and learners begin with is their own: no two arrays share a buffer, none is the caller's, all may be donated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners.checks import KEY, small_env, small_learner
from learners.probes import Probe
from representatives import representatives

import jaxvec
from jaxvec import learners
from jaxvec.core.buffers import owned


def addresses(tree):
    """Where every array of a tree lies that has entries."""
    leaves = [
        jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in jax.tree.leaves(tree)
    ]
    return [x.unsafe_buffer_pointer() for x in leaves if x.size]


def check_own(tree, callers):
    where = addresses(tree)
    assert len(set(where)) == len(where)
    assert not {*where} & {*addresses(callers)}
    assert not any(x.weak_type for x in jax.tree.leaves(tree) if not jnp.issubdtype(x.dtype, jax.dtypes.prng_key))


def test_owned_copies_everything_once():
    x = jnp.arange(3.0)
    tree = {"twice": (x, x), "key": (KEY, KEY), "number": 0.5, "host": np.arange(2)}
    check_own(owned(tree), [x, KEY])
    np.testing.assert_array_equal(owned(tree)["twice"][1], x)
    np.testing.assert_array_equal(jax.random.key_data(owned(tree)["key"][0]), jax.random.key_data(KEY))


# uncompiled, every operation is compiled by itself: few of these are quick


@pytest.mark.parametrize("env_id", representatives(jaxvec.env_ids(), ("v2x_offload",)))
def test_a_reset_owns_its_arrays(env_id):
    env, params = small_env(env_id)
    params = jax.tree.map(jnp.asarray, params)
    check_own(env.reset(KEY, params), (KEY, params))


@pytest.mark.parametrize("name", representatives(learners.LEARNERS, ("masac",)))
def test_a_learner_owns_its_state(name):
    env, params = small_env("isac_iov")
    params = jax.tree.map(jnp.asarray, params)
    learner = small_learner(name, env)
    hyper = jax.tree.map(jnp.asarray, learner.hyper)
    check_own(learner.init(KEY, params, hyper), (KEY, params, hyper))


@pytest.mark.parametrize("name", representatives(("ippo", "maddpg", "masac", "apg"), ("ippo", "apg")))
def test_types_stay_what_they_were_with_64_bits(name):
    with jax.enable_x64(True):
        env, params = small_env("isac_iov")
        learner = small_learner(name, env)
        state = jax.eval_shape(learner.init, KEY, params)
        after = jax.eval_shape(learner.update, state)[0]
        assert jax.tree.map(lambda x: x.dtype, after) == jax.tree.map(lambda x: x.dtype, state)
        assert not any(x.weak_type for x in jax.tree.leaves((state, after)))


def test_a_state_can_be_donated_and_the_numbers_stay_the_callers():
    env = Probe("chosen", horizon=4)
    params = jax.tree.map(jnp.asarray, env.default_params())
    learner = small_learner("ippo", env, rollout_length=4)
    state, _ = jax.jit(learner.update, donate_argnums=0)(learner.init(KEY, params))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((state.params, params)))
