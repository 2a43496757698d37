"""Boxes and finite sets: samples stay inside, are uniform, and never take what a mask forbids."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxvec.core.spaces import Box, Discrete

LOWEST, HIGHEST = np.float32(2.0**-24), np.float32(1 - 2.0**-24)  # the extremes of `rng.uniforms`


def grid(n):
    """Evenly spread uniforms."""
    return jnp.float32((np.arange(n) + 0.5) / n)


def test_a_box_maps_uniforms_onto_its_range():
    box = Box(-1.0, 3.0, (2, 3))
    np.testing.assert_allclose(box.from_uniform(jnp.array([0.0, 0.25, 1.0])), [-1.0, 0.0, 3.0])
    assert box.size == 6
    assert Box(0.0, 1.0).size == 1


@pytest.mark.parametrize("space", [Box(-1.0, 3.0), Discrete(5)], ids=["box", "discrete"])
def test_a_space_contains_its_samples_and_nothing_outside(space):
    samples = space.from_uniform(jnp.array([LOWEST, 0.5, HIGHEST]))
    assert bool(space.contains(samples))
    assert not bool(space.contains(samples.at[1].set(-2)))
    assert not bool(space.contains(samples.at[1].set(5)))


def test_equal_spaces_are_equal_and_hash_equal():
    assert hash(Box(0.0, 1.0, (2,))) == hash(Box(0.0, 1.0, (2,)))
    assert len({Discrete(3), Discrete(3), Discrete(4), Discrete(3, (2,)), Box(0.0, 3.0)}) == 4


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 64, 1000])
def test_choices_are_uniform_and_reach_both_ends(n):
    choice = Discrete(n).from_uniform(grid(20 * n))
    assert choice.dtype == jnp.int32
    np.testing.assert_array_equal(np.bincount(choice, minlength=n), 20)
    assert Discrete(n).from_uniform(jnp.array([LOWEST, HIGHEST])).tolist() == [0, n - 1]
    mask = jnp.ones((2, n), bool)  # a mask that allows everything changes nothing
    assert Discrete(n).from_uniform(jnp.array([LOWEST, HIGHEST]), mask).tolist() == [0, n - 1]


def test_choices_under_a_mask_are_uniform_over_what_it_allows():
    mask = jnp.array([False, True, False, True, True])
    choice = Discrete(5).from_uniform(grid(300), jnp.broadcast_to(mask, (300, 5)))
    np.testing.assert_array_equal(np.bincount(choice, minlength=5), [0, 100, 0, 100, 100])


@given(
    hnp.arrays(bool, (2, 3, 4, 5)),  # agents, choices of each, k, worlds
    hnp.arrays(np.float32, (2, 3, 5), elements=st.floats(float(LOWEST), float(HIGHEST), width=32)),
    st.integers(0, 3),
)
def test_a_forbidden_entry_is_never_chosen(mask, u, allowed):
    mask[:, :, allowed] |= ~mask.any(2)  # some entry is allowed
    chosen = np.asarray(choose(jnp.asarray(u), jnp.asarray(mask)))
    assert chosen.shape == u.shape
    assert np.take_along_axis(mask, chosen[:, :, None], 2).all()


choose = jax.jit(Discrete(4, (3,)).from_uniform)
