"""What environments share: parameters per world, checks of numbers, axes for a batch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from jaxvec.core.errors import suggest
from jaxvec.core.params import world_params


@pytest.mark.parametrize(
    ("gain", "shape"),
    [(1.0, ()), (np.ones(2), (2, 1)), (np.ones((2, 5)), (2, 5)), (np.ones((1, 5)), (1, 5))],
    ids=["scalar", "per walker", "per walker and world", "per world"],
)
def test_parameters_of_entities_get_the_axis_of_the_worlds(gain, shape):
    params = world_params(toy.Params(gain=gain, spread=np.ones(5)))
    assert np.shape(params.gain) == shape
    assert np.shape(params.spread) == (5,)  # documents no axes, so it is a sweep over worlds


def test_an_unknown_name_is_answered_with_the_closest_and_all_known():
    assert (
        suggest("colour", "gren", ["red", "green"]) == "unknown colour 'gren'. Did you mean 'green'? Known: green, red"
    )
    assert suggest("colour", "xyz", ["red", "green"]) == "unknown colour 'xyz'. Known: green, red"
    assert suggest("colour", "xyz", ["red", "red, dark"]).endswith(" Known: red; red, dark")


def test_a_step_is_its_draw_and_its_transition():
    env, params, key = toy.Walkers(), toy.Params(), jax.random.key(1)

    @jax.jit
    def both(key):
        state, ts = env.reset(key, params)
        action = toy.still(key, ts.obs)
        step = env.step(key, state, action, params)
        composed = env.step_from(state, action, env.draw_step(key, params), params)
        return (state, ts, step), (*env.reset_from(env.draw_reset(key, params), params), composed)

    jax.tree.map(np.testing.assert_array_equal, *both(key))


def test_the_first_timestep_has_earned_nothing_and_ended_nothing():
    _, ts = jax.jit(toy.Walkers().reset)(jax.random.split(jax.random.key(1), 3), toy.Params())
    assert ts.reward["walker"].tolist() == [[0.0] * 3] * 2
    assert not bool(jnp.any(ts.done))
    assert (ts.info, ts.final_obs) == ({}, None)
    assert ts.next_obs is ts.obs


def test_a_timestep_is_done_when_it_terminates_or_truncates():
    _, ts = jax.jit(toy.Walkers().reset)(jax.random.split(jax.random.key(1), 3), toy.Params())
    ts = ts.replace(terminated=jnp.array([True, False, False]), truncated=jnp.array([False, True, False]))
    assert ts.done.tolist() == [True, True, False]


def test_equal_environments_hash_equal():
    assert hash(toy.Walkers(n_walkers=3)) == hash(dataclasses.replace(toy.Walkers(), n_walkers=3))
    assert toy.Walkers() == toy.Walkers()
    assert toy.Walkers() != toy.Walkers(horizon=7)
