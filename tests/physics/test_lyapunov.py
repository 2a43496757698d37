import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import lyapunov, queues

unit = st.floats(0, 30, width=32, allow_subnormal=False)


def test_virtual_queue_by_hand():
    # 3 + 2 = 5; 3 - 5 would be -2, so 0
    np.testing.assert_array_equal(lyapunov.virtual_queue(jnp.array([3.0, 3.0]), jnp.array([2.0, -5.0])), [5.0, 0.0])


def test_drifts_by_hand():
    # q = 4, lam = 1, s = 2: q' = 3. Bound 4 * (1 - 2) = -4; exact (9 - 16)/2 = -3.5; Lemma 1: -3.5 <= -4 + 0.5
    assert lyapunov.drift_bound(jnp.float32(4.0), 1.0, 2.0) == -4.0
    assert lyapunov.drift_exact(jnp.float32(4.0), jnp.float32(3.0)) == -3.5


def test_drift_plus_penalty_by_hand():
    # 5 * 0.4 + (-3.5) = -1.5
    np.testing.assert_allclose(lyapunov.drift_plus_penalty(5.0, jnp.float32(0.4), jnp.float32(-3.5)), -1.5, rtol=1e-6)


def test_exact_drift_of_nearly_equal_queues():
    # ((q + h)^2 - q^2)/2 = h (q + h/2) with q = 4097, h = 2^-11: 2.00049; float32 squares are multiples of 2: 2 or 3
    before, after = jnp.float32(4097.0), jnp.float32(4097.0 + 2.0**-11)
    np.testing.assert_allclose(lyapunov.drift_exact(before, after), 2.0**-11 * (4097 + 2.0**-12), rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(unit, unit, unit)
def test_lemma_1(backlog, arrivals, service):
    after, _ = queues.update(jnp.float32(backlog), arrivals, service)
    exact = lyapunov.drift_exact(jnp.float32(backlog), after)
    bound = lyapunov.drift_bound(jnp.float32(backlog), arrivals, service) + 0.5 * (arrivals - service) ** 2
    assert exact <= bound + 1e-3  # rounding of squares up to 900
    if backlog + arrivals >= service:
        np.testing.assert_allclose(exact, bound, atol=1e-3)  # equality while the queue does not run empty


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(unit, unit), min_size=1, max_size=8), unit)
def test_exact_drift_telescopes(slots, start):
    backlog, total = jnp.float32(start), 0.0
    for arrivals, service in slots:
        after, _ = queues.update(backlog, arrivals, service)
        total += float(lyapunov.drift_exact(backlog, after))
        backlog = after
    np.testing.assert_allclose(total, (float(backlog) ** 2 - float(np.float32(start)) ** 2) / 2, rtol=1e-4, atol=1e-2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-5, 5, width=32, allow_subnormal=False), min_size=1, max_size=8))
def test_virtual_queue_bounds_the_accumulated_excess(excesses):
    # Neely, lemma 2.1: Z(T) - Z(0) >= sum of excesses, so a stable Z keeps the average budget
    queue = jnp.float32(0.0)
    for excess in excesses:
        queue = lyapunov.virtual_queue(queue, excess)
        assert queue >= 0.0
    assert queue >= sum(excesses) - 1e-4


def test_gradients_at_empty_queues():
    assert np.isfinite(jax.grad(lyapunov.virtual_queue, argnums=(0, 1))(0.0, 0.0)).all()
    assert np.isfinite(jax.grad(lyapunov.drift_bound, argnums=(0, 1, 2))(0.0, 0.0, 0.0)).all()
    assert np.isfinite(jax.grad(lyapunov.drift_exact, argnums=(0, 1))(0.0, 0.0)).all()
    assert np.isfinite(jax.grad(lyapunov.drift_plus_penalty, argnums=(0, 1, 2))(0.0, 0.0, 0.0)).all()
