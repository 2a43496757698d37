"""`isac_iov` with recorded vehicles: who is chosen, where they are, and what absent ones change (nothing)."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs import side_by_side
from envs.isac_iov_pair import PAIR
from reference import isac_iov as reference

import jaxvec
from jaxvec.core.rollout import world_keys
from jaxvec.envs import mobility
from jaxvec.envs.isac_iov import IsacIov
from jaxvec.envs.isac_iov.observation import GROUP
from jaxvec.traces import RecordError, Replay, Trace, eligible_starts_s, save, shipped

ENV, PARAMS = jaxvec.make("isac_iov", preset="traffic")
TRACE, WORLDS, SLOTS = shipped(), 64, 30
MODEL = mobility.MODELS["trace"]
start = jax.jit(lambda draws, params: MODEL.start(draws, ENV, params))
advance = jax.jit(lambda motion, params: MODEL.advance(motion, {}, ENV, params))


def recorded(rows, clock_s, table):
    """The recording at a time, in float64: linear between samples, the ends held."""
    trace, values = jax.tree.map(lambda x: np.asarray(x, np.float64), (TRACE, getattr(TRACE, table)))
    value = np.empty(rows.shape)
    for index, row in np.ndenumerate(rows):
        times = trace.enter_s[row] + np.arange(values.shape[1]) * trace.dt_s
        value[index] = np.interp(clock_s[index[1:]], times, values[row])
    return value


def is_there(rows, clock_s):
    first = np.float64(TRACE.enter_s)[rows]
    return (first <= clock_s) & (clock_s <= first + (TRACE.n_samples[rows] - 1) * np.float64(TRACE.dt_s))


@pytest.fixture(scope="module")
def draws():
    return jax.jit(ENV.draw_reset)(world_keys(jax.random.key(6), WORLDS), PARAMS)


@pytest.fixture(scope="module")
def replay(draws):
    """Every slot of an episode: rows and times, and the motion."""
    motion, slots = start(draws, PARAMS), []
    for t in range(SLOTS + 1):
        slots.append((np.asarray(draws["start_s"], np.float64) + t * PARAMS.slot_s, jax.tree.map(np.asarray, motion)))
        motion = advance(motion, PARAMS)
    return slots


def test_distinct_vehicles_are_chosen_that_are_there_at_the_start(draws):
    rows, start_s = np.asarray(draws["row"]), np.asarray(draws["start_s"])
    assert rows.shape == (ENV.n_vehicles, WORLDS)
    assert start_s.shape == (WORLDS,)
    assert np.isin(start_s, PARAMS.trace.starts_s).all()
    assert all(len(set(rows[:, w])) == ENV.n_vehicles for w in range(WORLDS))
    assert is_there(rows, start_s).all()
    assert start(draws, PARAMS).present.all()
    assert len(set(start_s.tolist())) > WORLDS / 2


def test_every_vehicle_on_the_road_is_as_likely_as_any_other():
    n, choice = 3000, len(PARAMS.trace.starts_s) // 2
    when, params = PARAMS.trace.starts_s[choice], PARAMS.replace(trace_starts=np.int32([choice]))
    rows = jax.jit(ENV.draw_reset)(world_keys(jax.random.key(7), n), params)["row"]
    there = np.flatnonzero(is_there(np.arange(len(TRACE.enter_s)), when))
    counts = np.bincount(np.ravel(rows), minlength=len(TRACE.enter_s))
    expected = n * ENV.n_vehicles / len(there)
    assert len(there) > ENV.n_vehicles
    assert counts[there].sum() == n * ENV.n_vehicles
    np.testing.assert_allclose(counts[there], expected, atol=5 * np.sqrt(expected))


@pytest.mark.parametrize(
    ("field", "table", "tolerance"), [("x_m", "x_m", 5e-3), ("y_m", "y_m", 1e-3), ("velocity_mps", "vx_mps", 1e-3)]
)
def test_vehicles_are_where_the_recording_has_them(replay, field, table, tolerance):
    for clock_s, motion in replay[::5]:
        np.testing.assert_allclose(
            getattr(motion, field), recorded(motion.track[0], clock_s, table), atol=tolerance, rtol=0
        )


def test_between_samples_positions_are_interpolated(draws):
    quarter = PARAMS.replace(slot_s=0.25 * float(TRACE.dt_s))
    motion, clock_s = start(draws, quarter), np.asarray(draws["start_s"], np.float64)
    for _ in range(3):
        motion, clock_s = advance(motion, quarter), clock_s + quarter.slot_s
        expected = recorded(np.asarray(motion.track[0]), clock_s, "x_m")
        np.testing.assert_allclose(motion.x_m, expected, atol=5e-3, rtol=0)


def test_vehicles_are_absent_from_the_end_of_their_recording(replay):
    gone = 0
    for clock_s, motion in replay:
        np.testing.assert_array_equal(motion.present, is_there(motion.track[0], clock_s))
        gone += np.sum(~motion.present)
    assert gone > 100
    for (_, before), (_, after) in pairwise(replay):
        assert (after.present <= before.present).all()  # for good


def someone_absent():
    """A state of the environment in which everywhere someone, but not everyone, is absent; draws and actions of a slot."""
    slots = PAIR.play(ENV, 5, SLOTS // 2, trace=PARAMS.trace)
    configs, state, *_ = list(slots)[-1]
    rng = np.random.default_rng(1)
    present = rng.random((ENV.n_vehicles, side_by_side.WORLDS)) < 0.5
    present[0], present[1] = False, True
    state = state.replace(present=jnp.asarray(present))
    draws = side_by_side.stack([reference.step_draws(rng, c) for c in configs])
    return state, jax.tree.map(np.float32, draws), jax.tree.map(np.float32, PAIR.actions(rng, ENV)), present


@pytest.mark.slow
def test_absent_vehicles_change_nothing_for_the_others():
    state, draws, action, present = someone_absent()
    _, step = side_by_side.compiled(ENV)

    def elsewhere(x):
        """Other numbers for whoever is absent."""
        gone = ~present.reshape((present.shape[0], *(1,) * (np.ndim(x) - 2), present.shape[1]))
        return jnp.where(gone, jnp.asarray(x) * 0.3 + 1, x)

    fields = ("x_m", "y_m", "veh_cpu_hz", "work_cpb", "align_cpb", "task_bits", "instr_bits", "q_loc_cycles")
    other = state.replace(**{name: elsewhere(getattr(state, name)) for name in fields})
    other_draws = draws | {"h_power": elsewhere(draws["h_power"])}
    one = step(state, {GROUP: action}, draws, PARAMS)
    two = step(other, {GROUP: jax.tree.map(elsewhere, action)}, other_draws, PARAMS)
    gone = ~present
    for name, (_, meaning) in ENV.info_fields.items():
        a, b = np.asarray(one[1].info[name]), np.asarray(two[1].info[name])
        if meaning.startswith("(I") and name != "present":
            keep = np.broadcast_to(present.reshape(present.shape[0], *(1,) * (a.ndim - 2), -1), a.shape)
            np.testing.assert_array_equal(a[keep], b[keep], name)
        else:
            np.testing.assert_array_equal(a, b, name)
    np.testing.assert_array_equal(one[1].reward[GROUP], two[1].reward[GROUP])
    for name in ("ell_loc", "latency_s", "energy_j"):  # and they have no task
        assert not np.asarray(one[1].info[name])[gone].any()
    assert not np.asarray(one[1].info["active"]).swapaxes(1, 2)[gone].any()
    np.testing.assert_array_equal(one[0].q_rsu_cycles, two[0].q_rsu_cycles)


def test_the_absent_see_nothing_and_are_marked():
    slots = PAIR.play(ENV, 5, SLOTS // 2, trace=PARAMS.trace)
    absent = 0
    for _, state, ts, _ in slots:
        gone = ~np.asarray(state.present)
        np.testing.assert_array_equal(ts.obs.active[GROUP], ~gone)
        rows = np.asarray(ts.obs.agents[GROUP]).swapaxes(1, 2)
        assert not rows[gone].any()
        assert rows[~gone].any(1).all()
        assert not np.asarray(state.task_bits)[gone].any()
        absent += gone.sum()
    assert absent
    assert jax.jit(IsacIov().reset)(jax.random.key(0), IsacIov().default_params())[1].obs.active == {}


def test_with_everyone_there_a_slot_is_that_of_the_papers_road():
    state, draws, action, _ = someone_absent()
    state = state.replace(present=jnp.ones_like(state.present), task_bits=jnp.full_like(state.task_bits, 2e6))
    _, by_trace = side_by_side.compiled(ENV)
    _, by_road = side_by_side.compiled(IsacIov())
    after, ts = by_trace(state, {GROUP: action}, draws, PARAMS)
    after_road, ts_road = by_road(state.replace(track=None), {GROUP: action}, draws, PARAMS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ts.info, ts_road.info)
    for name in ("q_loc_cycles", "q_rsu_cycles", "v_energy_j", "hist_loc", "hist_rsu"):
        np.testing.assert_allclose(getattr(after, name), getattr(after_road, name), rtol=1e-5, atol=1e4)


def test_a_recording_may_come_from_a_file(tmp_path):
    save(TRACE, tmp_path / "road.npz")
    for trace in (tmp_path / "road.npz", str(tmp_path / "road.npz"), TRACE):
        params = ENV.default_params(trace=trace)
        assert isinstance(params.trace, Replay)
        jax.tree.map(np.testing.assert_array_equal, params.trace, PARAMS.trace)
    assert jaxvec.make("isac_iov")[1].trace is None


def test_a_recording_that_does_not_suffice_is_refused():
    with pytest.raises(RecordError, match="vehicles are present at once, not 1000"):
        jaxvec.make("isac_iov", preset="traffic", n_vehicles=1000)
    with pytest.raises(RecordError, match="less than the horizon of 100000 s"):
        jaxvec.make("isac_iov", preset="traffic", horizon=100_000)


@pytest.mark.slow
def test_whoever_counts_as_there_for_a_start_is_there_after_the_reset():
    # two visits, the second of which ends at 101 s: 100.7 s + 3 * 0.1 s, in float32 a little earlier
    n_samples = np.int32([30, 4])
    x = np.minimum(np.arange(30), n_samples[:, None] - 1).astype(np.float32)
    trace = Trace(x, 0 * x, x, 0 * x, np.float32([100.0, 100.7]), n_samples, np.float32(0.1))
    starts = eligible_starts_s(trace, 2, 0.0)
    env = IsacIov(n_vehicles=2, horizon=1, mobility="trace")
    params = env.default_params(trace=trace)
    assert starts.tolist() == [101.0]
    assert start(env.draw_reset(jax.random.key(0), params), params).present.all()
