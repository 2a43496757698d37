import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxvec.physics import computing

requests = hnp.arrays(np.float32, (4, 3), elements=st.floats(0, 4, width=32, allow_subnormal=False))


def test_time_by_hand():
    # 3e6 bit * 2000 cycle/bit = 6e9 cycle at 2 GHz = 3 s
    np.testing.assert_allclose(computing.time_s(jnp.array([6e9, 0.0]), 2e9), [3.0, 0.0])


def test_time_on_a_stopped_processor():
    # nothing to do takes no time, something to do never ends; neither spoils a gradient
    cycles, frequency_hz = jnp.array([0.0, 1e9, 1e9]), jnp.array([0.0, 0.0, 1e9])
    np.testing.assert_array_equal(computing.time_s(cycles, frequency_hz), [0.0, np.inf, 1.0])
    by_cycles, by_frequency = jax.vmap(jax.grad(computing.time_s, argnums=(0, 1)))(cycles, frequency_hz)
    np.testing.assert_allclose(by_cycles, [0.0, 0.0, 1e-9], rtol=1e-6)  # 1/f
    np.testing.assert_allclose(by_frequency, [0.0, 0.0, -1e-9], rtol=1e-6)  # -cycles/f^2


def test_a_masked_link_leaves_gradients_finite():
    def slowest_s(frequency_hz):
        time_s = computing.time_s(jnp.array([0.0, 2e9, 1e9]), frequency_hz)
        return jnp.max(jnp.where(jnp.array([False, True, False]), time_s, 0.0))

    # only the second link counts: d(2e9 / f)/df at 1 GHz = -2e-9; the third has work but no processor
    np.testing.assert_allclose(jax.grad(slowest_s)(jnp.array([0.0, 1e9, 0.0])), [0.0, -2e-9, 0.0], rtol=1e-6)


def test_time_keeps_a_nan():
    assert jnp.isnan(computing.time_s(1.0, jnp.nan))
    assert jnp.isnan(computing.time_s(jnp.nan, 1.0))


def test_energy_by_hand():
    # vehicle: 1e-26 * (2e9)^2 * 6e9 = 240 J; RSU: 1e-28 * (18e9)^2 * 6e9 = 194.4 J
    np.testing.assert_allclose(
        computing.energy_j(jnp.array([1e-26, 1e-28]), jnp.array([2e9, 18e9]), 6e9), [240.0, 194.4], rtol=1e-6
    )


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-29, 1e-25), st.floats(1e6, 1e11), st.floats(1.0, 1e12))
def test_energy_neither_over_nor_underflows_in_float32(kappa, frequency_hz, cycles):
    energy_j = jax.jit(computing.energy_j)(jnp.float32(kappa), jnp.float32(frequency_hz), jnp.float32(cycles))
    np.testing.assert_allclose(energy_j, kappa * frequency_hz**2 * cycles, rtol=1e-6)


def test_energy_gradients_at_rest():
    assert np.isfinite(jax.grad(computing.energy_j, argnums=(0, 1, 2))(1e-26, 0.0, 0.0)).all()


def test_budget_by_hand():
    # columns: 0.5 + 0.25 fits; 1 + 3 = 4 is scaled by 1/4. All together: 4.75
    request = jnp.array([[0.5, 1.0], [0.25, 3.0]])
    np.testing.assert_allclose(computing.fit_to_budget(request, 0), [[0.5, 0.25], [0.25, 0.75]])
    np.testing.assert_allclose(computing.fit_to_budget(request, (0, 1)), np.asarray(request) / 4.75, rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, (0, -1)])
def test_budget_refuses_an_axis_counted_from_the_back(axis):
    with pytest.raises(ValueError, match="from the front"):
        computing.fit_to_budget(jnp.ones((2, 3)), axis)


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
@settings(max_examples=30, deadline=None)
@given(requests)
def test_budget_is_kept_and_small_requests_are_untouched(axis, request_):
    share = np.asarray(computing.fit_to_budget(jnp.asarray(request_), axis))
    asked = request_.sum(axis, keepdims=True)
    assert (share >= 0).all()
    assert (share <= request_).all()
    assert (share.sum(axis) <= 1 + 1e-6).all()
    fits = np.broadcast_to(asked < 1 - 1e-6, request_.shape)
    np.testing.assert_array_equal(share[fits], request_[fits])
    np.testing.assert_allclose(share.sum(axis, keepdims=True)[asked > 1], 1.0, rtol=1e-6)  # nothing is left idle
    np.testing.assert_allclose(share * np.maximum(asked, 1), request_, rtol=1e-6, atol=1e-36)  # in proportion


def test_budget_gradients_at_zero_and_at_the_edge():
    for request in (jnp.zeros(3), jnp.array([0.5, 0.5, 0.0])):
        assert np.isfinite(jax.jacobian(lambda r: computing.fit_to_budget(r, 0))(request)).all()
