import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import geometry

metres = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)


def test_offsets_by_hand():
    # vehicles at 10 and 300 m see RSUs at 200, 350, 500 m
    np.testing.assert_array_equal(
        geometry.offsets(jnp.array([10.0, 300.0]), jnp.array([200.0, 350.0, 500.0])),
        [[190, 340, 490], [-100, 50, 200]],
    )


def test_offsets_align_worlds_with_worlds():
    # three RSUs and three worlds: a careless broadcast would pair them
    a = jnp.arange(6.0).reshape(2, 3)
    b = jnp.array([10.0, 20.0, 30.0])
    expected = np.stack([np.asarray(b)[None, :] - np.asarray(a)[:, w, None] for w in range(3)], -1)
    np.testing.assert_array_equal(geometry.offsets(a, b), expected)
    np.testing.assert_array_equal(geometry.offsets(b, a), -np.swapaxes(expected, 0, 1))


def test_offsets_of_worlds_broadcast_over_earlier_batch_axes():
    a, b = jnp.ones((2, 4, 5)), jnp.arange(15.0).reshape(3, 5)
    result = geometry.offsets(a, b)
    assert result.shape == (2, 3, 4, 5)
    np.testing.assert_array_equal(result[1, 2, 3], b[2] - 1)


def test_norm_by_hand():
    # 3-4-12-13; and the RSU's mast: 100 m along, 11.25 m across, 10 m up -> sqrt(10000 + 126.5625 + 100) = 101.12652
    assert geometry.norm_m(3.0, 4.0, 12.0) == 13.0
    np.testing.assert_allclose(geometry.norm_m(jnp.array([100.0]), 11.25, 10.0), [101.12652], rtol=1e-6)


@pytest.mark.parametrize("tiny", [0.0, -0.0, 1e-30, 1e-23, 1e-20, 3e-19, 1e-10])
def test_norm_has_a_bounded_gradient_down_to_the_zero_vector(tiny):
    # a unit vector is the gradient everywhere else; where the square is 0 in float32 it is 0
    gradient = np.array(jax.grad(geometry.norm_m, argnums=(0, 1))(tiny, tiny))
    assert np.isfinite(gradient).all()
    assert np.linalg.norm(gradient) <= 1.0 + 1e-2
    assert np.isfinite(jax.jit(jax.grad(geometry.norm_m))(tiny, tiny))


def test_norm_keeps_a_nan():
    assert jnp.isnan(geometry.norm_m(jnp.nan, 1.0))


def test_within_includes_the_range_itself():
    np.testing.assert_array_equal(geometry.within(jnp.array([0.0, 200.0, 200.001]), 200.0), [True, True, False])


@settings(max_examples=50, deadline=None)
@given(metres, metres, metres)
def test_norm_is_a_norm(x, y, scale):
    length = float(geometry.norm_m(x, y))
    np.testing.assert_allclose(length, np.hypot(np.float64(x), np.float64(y)), rtol=1e-6, atol=1e-18)
    assert length <= (abs(x) + abs(y)) * (1 + 1e-6)
    if abs(scale) > 1e-3 and length > 1e-3:
        np.testing.assert_allclose(geometry.norm_m(scale * x, scale * y), abs(scale) * length, rtol=1e-5)
