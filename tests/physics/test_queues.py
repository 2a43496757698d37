import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import queues

work = st.floats(0, 1e10, width=32, allow_subnormal=False)


def test_update_by_hand():
    # 5 wait, 1 arrives, 8 could go: all 6 leave. 5 wait, 4 arrive, 2 can go: 7 remain. Empty and idle stays so.
    after, departures = queues.update(
        jnp.array([5.0, 5.0, 0.0]), jnp.array([1.0, 4.0, 0.0]), jnp.array([8.0, 2.0, 3.0])
    )
    np.testing.assert_array_equal(after, [0.0, 7.0, 0.0])
    np.testing.assert_array_equal(departures, [6.0, 2.0, 0.0])


@settings(max_examples=100, deadline=None)
@given(work, work, work)
def test_work_is_conserved_and_never_negative(backlog, arrivals, service):
    after, departures = queues.update(jnp.float32(backlog), jnp.float32(arrivals), jnp.float32(service))
    assert after >= 0.0
    assert 0.0 <= departures <= service
    largest = max(backlog, arrivals, service)
    np.testing.assert_allclose(float(after) + float(departures), backlog + arrivals, rtol=0, atol=4e-7 * largest)


@settings(max_examples=50, deadline=None)
@given(work, work, work, work)
def test_more_service_never_leaves_more(backlog, arrivals, a, b):
    slow, fast = sorted((a, b))
    assert queues.update(backlog, arrivals, fast)[0] <= queues.update(backlog, arrivals, slow)[0]
    assert queues.update(backlog, arrivals, fast)[1] >= queues.update(backlog, arrivals, slow)[1]


def test_gradients_at_empty_queues():
    jacobian = jax.jacobian(queues.update, argnums=(0, 1, 2))(0.0, 0.0, 0.0)
    assert all(np.isfinite(x) for x in jax.tree.leaves(jacobian))
    wait = jax.grad(queues.little_wait_s, argnums=(0, 1, 2, 3))
    assert np.isfinite(wait(0.0, 0.0, 0.0, 1.0)).all()
    assert np.isfinite(wait(5.0, 0.0, 0.0, 1.0)).all()


def test_little_by_hand():
    # backlogs 3, 2, 1 of three 0.5 s slots: sum 6. Arrivals 1 + 1 + 1 = 3 against departures 6: 0.5 * 6 / 6 = 0.5 s.
    # Growing: arrivals 12, departures 6: 0.25 s. Draining without arrivals nor departures: per unit of work, 3 s.
    wait_s = queues.little_wait_s(
        jnp.array([6.0, 6.0, 6.0, 0.0]), jnp.array([3.0, 12.0, 0.0, 5.0]), jnp.array([6.0, 6.0, 0.0, 5.0]), 0.5
    )
    np.testing.assert_allclose(wait_s, [0.5, 0.25, 3.0, 0.0])


def fifo_time_in_system_s(initial, arrivals, service, slots, slot_s):
    """Seconds that each unit job spends in a first-in-first-out system within a window; a discrete-event simulation.

    `initial` jobs stand there at time 0; then one arrives every slot_s/arrivals seconds; each takes slot_s/service.
    """
    arrival_s = np.concatenate([np.zeros(initial), np.arange(1, arrivals * slots + 1) * slot_s / arrivals])
    end_s, time_s, free_s = slots * slot_s, np.empty(arrival_s.size), 0.0
    for job, arrived_s in enumerate(arrival_s):
        free_s = max(arrived_s, free_s) + slot_s / service
        time_s[job] = min(free_s, end_s) - arrived_s
    return time_s


@pytest.mark.parametrize(
    ("initial", "arrivals", "service", "jobs"),
    [
        (1200, 60, 60, "arriving"),  # steady: whoever comes waits for 1200 others, 20 slots
        (0, 60, 48, "arriving"),  # growing
        (2400, 48, 60, "leaving"),  # draining: all 2400 + 48 * 200 jobs leave within the window of 200 slots
    ],
)
def test_little_against_a_discrete_event_simulation(initial, arrivals, service, jobs):
    slots, slot_s = 200, 0.5
    backlog, sums = jnp.float32(initial), np.zeros(3)
    for _ in range(slots):
        after, departures = queues.update(backlog, float(arrivals), float(service))
        sums += float(backlog), arrivals, float(departures)
        backlog = after
    wait_s = queues.little_wait_s(*jnp.asarray(sums, jnp.float32), slot_s)

    time_s = fifo_time_in_system_s(initial, arrivals, service, slots, slot_s)
    count = arrivals * slots if jobs == "arriving" else time_s.size
    expected_s = time_s.sum() / count
    if initial == 1200:
        # with a standing queue the mean wait of the arriving jobs themselves: those served by the end of the window
        served = time_s[initial : initial + (slots - 21) * arrivals]
        np.testing.assert_allclose(served.mean(), expected_s, rtol=0.01)
    np.testing.assert_allclose(wait_s, expected_s, rtol=0.02)


def test_a_bounded_queue_by_hand():
    # of 7 with room for 5 and 3 served: 2 are lost, 2 stay; of 4, 1 stays; of 2, none; without a limit 4 of 7 stay
    load, capacity, service = jnp.array([7.0, 4.0, 2.0, 7.0]), jnp.array([5.0, 5.0, 5.0, jnp.inf]), 3.0
    rest, served, lost = queues.serve_bounded(load, capacity, service)
    np.testing.assert_array_equal(rest, [2, 1, 0, 4])
    np.testing.assert_array_equal(served, [3, 3, 2, 3])
    np.testing.assert_array_equal(lost, [2, 0, 0, 0])


def test_a_bounded_queue_loses_nothing_but_drops():
    rng = np.random.default_rng(0)
    load, capacity, service = rng.uniform(0, 10, (3, 100)).astype(np.float32)
    rest, served, lost = queues.serve_bounded(load, capacity, service)
    np.testing.assert_allclose(rest + served + lost, load, rtol=1e-6)
    assert (np.minimum(np.minimum(rest, served), lost) >= 0).all()
    assert (rest <= np.maximum(capacity - service, 0) + 1e-6).all()
