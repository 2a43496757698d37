"""Flat actions: there and back, bins as published, gradients that pass straight through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec.core.spaces import Box, Discrete
from jaxvec.learners.blocks import flat

SPACES = {"go": Discrete(4), "x": Box(-2.0, 6.0, (2,)), "p": Box(0.0, 1.0), "many": Discrete(2, (3,))}


def test_widths_and_the_way_back():
    one_hot, bins = flat.flat_spaces(SPACES, "one_hot"), flat.flat_spaces(SPACES, "bins")
    assert flat.width(one_hot) == 4 + 2 + 1 + 6
    assert flat.width(bins) == 1 + 2 + 1 + 3
    for flat_spaces in (one_hot, bins):
        x = jax.random.normal(jax.random.key(0), (5, 2, flat.width(flat_spaces)))
        np.testing.assert_array_equal(flat.join(flat_spaces, flat.split(flat_spaces, x)), x)
    assert flat.split(one_hot, jnp.zeros((5, 2, 13)))["many"].shape == (5, 2, 3, 2)


def test_bins_are_the_published_ones():
    # four targets: [-1, -0.5) [-0.5, 0) [0, 0.5) [0.5, 1]; what lies beyond the box belongs to the last bins
    spaces = {"target": Discrete(4)}
    x = jnp.array([-3.0, -1.0, -0.51, -0.5, -0.01, 0.0, 0.49, 0.5, 0.99, 1.0, 2.0])
    action = flat.to_space(spaces, "bins", x[:, None, None], {}, 1)
    np.testing.assert_array_equal(action["target"], [[0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3]])


def test_bins_are_cut_among_what_is_allowed():
    spaces, mask = {"target": Discrete(4)}, jnp.array([[True, False, True, False]])
    x = jnp.linspace(-1, 1, 9)[:, None, None]
    masks = {"target": jnp.broadcast_to(mask[:, :, None], (1, 4, 9))}
    action = flat.to_space(spaces, "bins", x, masks, 1)
    np.testing.assert_array_equal(action["target"][0], [0, 0, 0, 0, 2, 2, 2, 2, 2])


def test_to_space_scales_boxes_and_takes_the_best_choice():
    vector = jnp.array([0, 0, 1, 0, -1, 0.5, 3.0, 1, 0, 0, 1, 1, 0], float)
    action = flat.to_space(SPACES, "one_hot", vector[None], {}, 0)
    assert action["go"] == jnp.array([2])
    np.testing.assert_allclose(action["x"], [[-2.0, 4.0]])
    np.testing.assert_allclose(action["p"], [1.0])  # clipped
    np.testing.assert_array_equal(action["many"], [[0, 1, 0]])
    assert action["go"].dtype == action["many"].dtype == jnp.int32


def test_a_hard_choice_has_the_gradient_of_the_softmax():
    logits, weight = jnp.array([0.3, -1.0, 1.2]), jnp.array([1.0, 5.0, -2.0])
    np.testing.assert_array_equal(flat.hard(logits), [0, 0, 1])
    hard = jax.grad(lambda x: weight @ flat.hard(x))(logits)
    soft = jax.grad(lambda x: weight @ jax.nn.softmax(x))(logits)
    np.testing.assert_allclose(hard, soft, rtol=1e-6)


def test_uniform_actions_fill_the_space_and_obey_masks():
    flat_spaces = flat.flat_spaces(SPACES, "one_hot")
    u = jax.random.uniform(jax.random.key(1), (4000, 1, flat.width(flat_spaces)))
    mask = {"go": jnp.array([True, True, False, True])}
    action = flat.to_space(SPACES, "one_hot", flat.uniform(flat_spaces, u, mask), {}, 1)
    choices, counts = np.unique(action["go"], return_counts=True)
    assert set(choices) == {0, 1, 3}
    assert counts.min() > 1200
    assert abs(float(action["x"].mean()) - 2.0) < 0.15
    assert float(action["x"].min()) < -1.9
    assert float(action["x"].max()) > 5.9


@pytest.mark.parametrize(
    ("spaces", "name"),
    [
        (SPACES, ""),  # two discrete components
        ({"go": Discrete(4), "x": Box(-1.0, 1.0)}, "go"),
        ({"many": Discrete(2, (3,))}, ""),
        ({"many": Discrete(2, (1,))}, "many"),
        ({"x": Box(-1.0, 1.0)}, ""),
    ],
)
def test_single_choices_are_found_and_replaced(spaces, name):
    flat_spaces = flat.flat_spaces(spaces, "one_hot")
    assert flat.single_choice(flat_spaces) == name
    if name:
        x = jnp.full((2, 3, flat.width(flat_spaces)), 0.25)
        choice = jax.nn.one_hot(1, spaces[name].n)
        other = flat.split(flat_spaces, flat.with_choice(flat_spaces, x, choice))
        np.testing.assert_array_equal(other[name].reshape(2, 3, -1), jnp.broadcast_to(choice, (2, 3, spaces[name].n)))
        if "x" in spaces:
            assert (other["x"] == 0.25).all()
