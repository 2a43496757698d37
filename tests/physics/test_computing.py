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


def test_available_speed_by_hand():
    # variance 0.02: deviation sqrt(0.01) = 0.1. 10 GHz * (1 - 0.1 z): 8 GHz at z = 2, kept to 10 at -1 and to 1 at 9.5
    speed_hz = computing.cpu_available_hz(jnp.array([2.0, 0.0, -1.0, 9.5]), 1e9, 1e10, 0.02)
    np.testing.assert_allclose(speed_hz, [8e9, 1e10, 1e10, 1e9], rtol=1e-6)
    np.testing.assert_array_equal(computing.cpu_available_hz(jnp.array([2.0]), 1e9, 1e10, 0.0), [1e10])
    assert np.isfinite(jax.grad(computing.cpu_available_hz, argnums=3)(2.0, 1e9, 1e10, 0.0))


def test_nodes_by_hand():
    node = jnp.array([2, 0, 2, 1])
    np.testing.assert_array_equal(computing.at_node(jnp.array([5.0, 6.0, jnp.inf]), node), [np.inf, 5.0, np.inf, 6.0])
    np.testing.assert_array_equal(computing.sum_at_node(jnp.array([1.0, 2.0, 4.0, 0.0]), node, 4), [2, 0, 5, 0])


def test_shares_by_hand():
    # node 0: weights 1 and 3, and one that is not placed; node 1: one alone; node 2: nobody placed
    share = computing.weighted_share(
        jnp.array([1.0, 3.0, 9.0, 0.5, 2.0]),
        jnp.array([0, 0, 0, 1, 2]),
        jnp.array([True, True, False, True, False]),
    )
    np.testing.assert_allclose(share, [0.25, 0.75, 0.0, 1.0, 0.0], rtol=1e-6)


def test_shares_of_nothing_are_finite():
    weight, node = jnp.zeros(3), jnp.zeros(3, int)
    for placed in (jnp.ones(3, bool), jnp.zeros(3, bool)):
        assert (computing.weighted_share(weight, node, placed) == 0).all()
        assert np.isfinite(jax.jacobian(computing.weighted_share)(weight, node, placed)).all()


def test_admission_by_hand():
    # node 0 has room for 10 - 2 = 8: priorities 0.9 (5 cycles) and 0.5 (3) fit exactly; 0.4 (1) does not, and 0.95 (90)
    # is no longer asking. Node 1 has room for 4: the first of two equals (4) fits, the second (1) not, 0.1 (0) neither
    admitted = computing.admit_prefix(
        jnp.array([0.5, 0.9, 0.4, 0.95, 0.7, 0.7, 0.1]),
        jnp.array([3.0, 5.0, 1.0, 90.0, 4.0, 1.0, 0.0]),
        jnp.array([0, 0, 0, 0, 1, 1, 1]),
        jnp.array([True, True, True, False, True, True, True]),
        jnp.array([2.0, 0.0]),
        jnp.array([10.0, 4.0]),
    )
    np.testing.assert_array_equal(admitted, [True, True, False, False, True, False, False])


def test_a_large_task_is_not_overtaken_and_no_budget_admits_nobody():
    priority, cycles, node = jnp.array([2.0, 1.0]), jnp.array([9.0, 1.0]), jnp.zeros(2, int)
    live, nothing = jnp.ones(2, bool), jnp.zeros(1)
    for budget in (0.0, 5.0):
        assert not computing.admit_prefix(priority, cycles, node, live, nothing, jnp.array([budget])).any()
    assert computing.admit_prefix(priority, cycles, node, live, nothing, jnp.array([10.0])).all()


ADMIT, SHARE = jax.jit(computing.admit_prefix), jax.jit(computing.weighted_share)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_admission_and_shares_against_a_loop(seed):
    rng = np.random.default_rng(seed)
    priority = rng.integers(1, 4, 9) / 4.0  # many ties
    cycles, node, live = rng.integers(0, 5, 9) * 1.0, rng.integers(0, 3, 9), rng.random(9) < 0.7
    used, budget = rng.integers(0, 3, 3) * 1.0, rng.integers(0, 15, 3) * 1.0
    expected, share = np.zeros(9, bool), np.zeros(9)
    for z in range(3):
        at_z = [k for k in range(9) if live[k] and node[k] == z]
        taken = used[z]
        for k in sorted(at_z, key=lambda k: (-priority[k], k)):
            taken += cycles[k]
            expected[k] = taken <= budget[z]
            share[k] = priority[k] / sum(priority[m] for m in at_z)
    arrays = (jnp.asarray(x) for x in (priority, cycles, node, live, used, budget))
    np.testing.assert_array_equal(ADMIT(*arrays), expected)
    result = SHARE(jnp.asarray(priority), jnp.asarray(node), jnp.asarray(live))
    np.testing.assert_allclose(result, share, rtol=1e-6)
