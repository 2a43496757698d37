"""One recording for all systems: who is where, what absent vehicles change (nothing), and worlds as settings."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representatives import representatives

import jaxvec
from jaxvec.core.evaluation import episode_means
from jaxvec.core.params import for_other_worlds, params_of_one
from jaxvec.core.rollout import rollout
from jaxvec.envs import mobility
from jaxvec.envs.world import busiest, joined
from jaxvec.policies.random import random
from jaxvec.traces import RecordError, Trace, World, moved, replay_of, save_world, shipped, successors, within
from jaxvec.training.config import leaves, plain, read_params, write_config

ROAD, WORLDS = shipped(), 8
SMALL = {
    "dt_edge": {"n_vehicles": 4, "horizon": 40, "slot_s": 1.0, "queue_wait": True},
    "v2x_offload": {"n_vehicles": 4, "horizon": 40, "shuffle_order": True},
    "isac_iov": {"n_vehicles": 4, "horizon": 40},
    "urllc_vec": {
        **{
            "n_vehicles": 3,
            "n_uavs": 2,
            "n_subtasks": 2,
            "n_antennas": 1,
            "n_nlos_paths": 1,
            "horizon": 40,
            "slot_s": 1.0,
        },
        **{"max_forwards": 1, "twin_history_len": 2, "twin_delay_slots": 1},
    },
}
MIDDLE_M = {"dt_edge": (350, 0), "v2x_offload": (0, -450), "isac_iov": (0, -100), "urllc_vec": (350, -100)}
"""Where the system's origin lies in the world below."""
PLACES = {"dt_edge": None, "v2x_offload": "es_pos_m", "isac_iov": "rsu_pos_m", "urllc_vec": "bs_pos_m"}


def road(y_m=0.0, mirrored=False):
    """The shipped recording as a world: two places beside it, and one where nobody drives."""
    trace = moved(ROAD, 0.0, y_m)
    if mirrored:
        trace = trace.replace(x_m=np.float32(700) - trace.x_m, vx_mps=-trace.vx_mps)
    return World(
        trace=trace,
        corners_m=np.float32([[0, -450], [700, 250]]),
        place_x_m=np.float32([350, 100, 360]),
        place_y_m=np.float32([0, 20, 249]),
        streets_m=np.zeros((0, 4), np.float32),
        anchor_deg=np.float32([np.nan, np.nan]),
    )


@pytest.fixture(scope="module", params=representatives(sorted(SMALL), ("v2x_offload",)))
def played(request):
    """Episodes with random actions in the world of the road."""
    env_id = request.param
    env, params = jaxvec.make(env_id, world=road(), **SMALL[env_id])
    slots = jax.jit(lambda key, params: rollout(env, random(env), key, params, WORLDS))(jax.random.key(1), params)
    return env, params, jax.tree.map(np.asarray, slots)


def place(state):
    if hasattr(state, "x_m"):
        return state.x_m, state.y_m
    pos_m = state.pos_m if hasattr(state, "pos_m") else state.pos_v
    return pos_m[:, :, 0], pos_m[:, :, 1]


def track(state):
    return state.track_v if hasattr(state, "track_v") else state.track


def test_vehicles_are_where_the_recording_has_them(played):
    env, _, slots = played
    row, clock_s, _ = track(slots.state)
    present, (x_m, y_m) = slots.state.present, place(slots.state)
    visits = within(ROAD, 350, 0, 500.0) if env.id == "dt_edge" else ROAD
    enter_s, last = visits.enter_s[row], visits.n_samples[row] - 1
    sample = np.rint(clock_s[:, None] - enter_s).astype(int)  # the recording has one a second, and so have slots
    inside = (sample >= 0) & (sample <= last)
    np.testing.assert_array_equal(present, inside)
    assert present[0].all()
    assert 0.3 < present.mean() < 1
    assert env.id == "isac_iov" or (present[1:] & ~present[:-1]).any()  # others take places that were left
    of_slot = row, np.clip(sample, 0, last)
    zero_x_m, zero_y_m = MIDDLE_M[env.id]
    np.testing.assert_allclose(x_m[present], (visits.x_m[of_slot] - zero_x_m)[present], atol=2e-3)
    np.testing.assert_allclose(y_m[present], (visits.y_m[of_slot] - zero_y_m)[present], atol=2e-3)
    for w in range(WORLDS):  # nobody is there twice
        for t in range(env.horizon):
            there = row[t, present[t, :, w], w]
            assert len(set(there.tolist())) == len(there)


def test_the_absent_earn_and_see_nothing_and_everything_is_finite(played):
    env, _, slots = played
    gone = ~slots.state.present
    for x in jax.tree.leaves((slots.obs, slots.ts.reward, slots.ts.info)):
        assert np.isfinite(np.asarray(x, float)).all()
    rows = np.asarray(slots.obs.agents["vehicle"]).swapaxes(2, 3)
    assert not rows[gone].any()
    assert rows[~gone].any(1).all()
    if env.id != "isac_iov":  # there all have the team's
        assert not slots.ts.reward["vehicle"][gone].any()
    if not env.takes_turns:
        np.testing.assert_array_equal(slots.obs.active["vehicle"], ~gone)


def test_what_the_absent_are_and_do_changes_nothing(played):
    env, params, slots = played
    t = next(t for t in range(env.horizon) if 0 < (~slots.state.present[t]).mean() < 0.7)
    state, action = jax.tree.map(lambda x: jnp.asarray(x[t]), (slots.state, slots.action))
    gone = ~slots.state.present[t]

    def elsewhere(x):
        """Other numbers for whoever is absent; nonsense is allowed."""
        there = ~gone.reshape(gone.shape[0], *(1,) * (x.ndim - 2), gone.shape[1])
        other = jnp.where(x > 0, 0, 1) if jnp.issubdtype(x.dtype, jnp.integer) else x * 0.3 + 0.1
        return jnp.where(there, x, other.astype(x.dtype))

    keys = jax.random.split(jax.random.key(2), WORLDS)
    draws = env.draw_step(keys, params)
    step = jax.jit(env.step_from)
    one = step(state, action, draws, params)[1]
    two = step(state, action | {"vehicle": jax.tree.map(elsewhere, action["vehicle"])}, draws, params)[1]
    skipped = {"t_s"}
    for name, x in one.info.items():
        if name not in skipped:
            np.testing.assert_array_equal(x, two.info[name], name)
    jax.tree.map(np.testing.assert_array_equal, one.reward, two.reward)


def test_places_of_the_world_are_the_systems(played):
    env, params, _ = played
    if PLACES[env.id] is not None:
        places_m = np.float32([[350, 0], [100, 20], [360, 249]]) - np.float32(MIDDLE_M[env.id])
        np.testing.assert_allclose(getattr(params, PLACES[env.id]), places_m)
    two = {"v2x_offload": "n_servers", "isac_iov": "n_rsus", "urllc_vec": "n_bs"}.get(env.id)
    if two:
        fewer, numbers = jaxvec.make(env.id, world=road(), **SMALL[env.id], **{two: 2})
        np.testing.assert_allclose(
            getattr(numbers, PLACES[env.id]), places_m[:2]
        )  # where nobody drives, none is needed
        with pytest.raises(RecordError, match="the world has 3 places, not 4"):
            jaxvec.make(env.id, world=road(), **{two: 4})
        assert getattr(fewer, two) == 2


@pytest.mark.slow
def test_with_everyone_there_a_slot_is_as_without_a_recording():
    """A mask that is true everywhere against no mask at all, from one state."""
    for env_id, numbers in (("dt_edge", {"queue_wait": True}), ("v2x_offload", {})):
        env, params = jaxvec.make(env_id, mobility="trace", n_vehicles=3, horizon=5, **numbers)
        other, own = jaxvec.make(env_id, n_vehicles=3, horizon=5, **numbers)
        keys = jax.random.split(jax.random.key(3), 4)
        state, ts = env.reset(keys, params)
        assert state.present.all()
        action, draws = random(env)(keys, ts.obs), env.draw_step(keys, params)
        if env_id == "v2x_offload":
            draws |= {"n_heading": jnp.zeros((3, 4))}
            alone = state.replace(present=None, track=jnp.zeros((3, 4)), velocity_mps=None)
        else:
            alone = state.replace(present=None, track=None)
        one, two = env.step_from(state, action, draws, params)[1], other.step_from(alone, action, draws, own)[1]
        for name in one.info:
            np.testing.assert_allclose(one.info[name], two.info[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_place_that_was_left_is_taken_by_one_vehicle_that_enters_later():
    after = successors(ROAD)
    leave_s = ROAD.enter_s + (ROAD.n_samples - 1) * ROAD.dt_s
    follows = np.flatnonzero(after >= 0)
    assert (ROAD.enter_s[after[follows]] > leave_s[follows]).all()
    assert len(set(after[follows].tolist())) == len(follows)
    times_s = np.arange(0, 600, 0.5)
    at_once = ((ROAD.enter_s <= times_s[:, None]) & (times_s[:, None] <= leave_s)).sum(1).max()
    assert len(after) - len(follows) == at_once  # as many chains as vehicles at once


def test_visits_are_cut_where_vehicles_leave_a_circle():
    x_m = np.float32([[0, 10, 20, 30, 20, 10], [10, 10, 10, 10, 10, 10]])
    trace = Trace(x_m, 0 * x_m, x_m, 0 * x_m, np.float32([5, 6]), np.int32([6, 1]), np.float32(2))
    visits = within(trace, 0.0, 0.0, 20.0)
    np.testing.assert_array_equal(visits.enter_s, [5, 6, 13])
    np.testing.assert_array_equal(visits.n_samples, [3, 1, 2])
    np.testing.assert_array_equal(visits.x_m, [[0, 10, 20], [10, 10, 10], [20, 10, 10]])
    with pytest.raises(RecordError, match="no vehicle is ever within 1 m"):
        within(trace, 500.0, 0.0, 1.0)


def test_recordings_of_several_worlds_are_one_of_which_each_replays_its_part():
    one, two = replay_of(ROAD, 4, 40.0), replay_of(moved(ROAD, 0.0, 1000.0), 12, 40.0)
    whole, starts = joined([one, two])
    assert starts.shape == (max(len(one.starts_s), len(two.starts_s)), 2)
    env, params = jaxvec.make("isac_iov", n_vehicles=4, horizon=40, mobility="trace", trace=whole, trace_starts=starts)
    model, u = mobility.MODELS["trace"], jnp.asarray(np.random.default_rng(0).random((5, 2), np.float32))
    first = model.start(model.reset_draws({"start_s": u[0], "row": u[1:]}, env, params), env, params)
    assert first.present.all()
    assert (np.abs(first.y_m[:, 0]) < 10).all()
    assert (np.abs(first.y_m[:, 1] - 1000) < 10).all()
    with pytest.raises(RecordError, match="one dt_s, not"):
        joined([one, dataclasses.replace(two, dt_s=np.float32(2))])


def test_recordings_that_are_too_many_together_are_refused(monkeypatch):
    one = replay_of(ROAD, 4, 40.0)
    monkeypatch.setattr("jaxvec.envs.world.MOST_SAMPLES", 2 * len(one.samples))
    joined([one])
    with pytest.raises(
        RecordError, match=f"have {2 * len(one.samples)} samples together, more than {2 * len(one.samples)}"
    ):
        joined([one, one])


@pytest.mark.slow
def test_a_batch_of_worlds_is_each_of_them(tmp_path):
    """Two worlds side by side, from files: places, area and vehicles of each are its own."""
    other = road(100.0, mirrored=True)
    other = other.replace(place_x_m=np.float32([10, 600, 300]), corners_m=np.float32([[-50, -450], [750, 250]]))
    paths = [str(tmp_path / f"{name}.npz") for name in "ab"]
    for world, path in zip((road(), other), paths, strict=True):
        save_world(world, path)
    sizes = {"n_vehicles": 4, "horizon": 10}
    env, params = jaxvec.make("v2x_offload", world=",".join(paths), **sizes)
    assert params.es_pos_m.shape == (3, 2, 2)
    np.testing.assert_allclose(params.area_m, [700, 800])
    policy = random(env)
    run = jax.jit(lambda key, params: episode_means(env, policy, key, params, 2)["reward"])
    both = np.asarray(run(jax.random.key(0), params))
    np.testing.assert_array_equal(for_other_worlds(params, 2, 5).area_m, np.float32([700, 800, 700, 800, 700]))
    np.testing.assert_array_equal(params_of_one(params, 1).es_pos_m, params.es_pos_m[..., 1])
    assert params_of_one(params).area_m == 700
    assert np.isfinite(both).all()
    for w, path in enumerate(paths):
        alone = jaxvec.make("v2x_offload", world=path, **sizes)[1]
        np.testing.assert_allclose(np.asarray(run(jax.random.key(0), alone))[w], both[w], rtol=1e-5)


def test_twin_migration_drives_on_the_same_recording():
    env, params = jaxvec.make("twin_migration", world=road(), n_uav=2)
    region = params.region
    assert env.n_rsu == 3
    assert env.horizon == region.traj_dlat_deg.shape[1] == 2  # who crosses 700 m is there for less than a minute
    np.testing.assert_allclose(region.rsu_dlon_deg * 111.2e3, [350, 100, 360], rtol=1e-3)
    hours = region.flow.reshape(3, -1, 2)  # the recording has two bins of five minutes, again and again
    assert (hours == hours[:, :1]).all()
    assert busiest(road(), 2).tolist() == [0, 1]
    assert region.flow[0, 0] > 50  # of 214 vehicles in ten minutes
    assert region.flow[2].sum() == 0
    state, _ = jax.jit(env.reset)(jax.random.key(0), params)
    assert len(set(state.veh_traj.tolist())) == env.n_vehicles
    with pytest.raises(RecordError, match="takes one world, not 2"):
        jaxvec.make("twin_migration", world=[road(), road()])


def test_the_recording_of_a_run_is_read_again_whatever_is_shipped(tmp_path):
    """Of more vehicles than the shipped recording ever has at once."""
    twice = Trace(*(np.concatenate([x, x]) for x in jax.tree.leaves(ROAD)[:-1]), dt_s=ROAD.dt_s)
    order = np.argsort(twice.enter_s, kind="stable")
    twice = jax.tree.map(lambda x: x[order] if np.ndim(x) else x, twice)
    env, params = jaxvec.make("v2x_offload", world=road().replace(trace=twice), n_vehicles=30, horizon=20)
    write_config(tmp_path, {}, params)
    recorded = {name: plain(leaf) for name, leaf in leaves(params).items()}
    jax.tree.map(np.testing.assert_array_equal, read_params(tmp_path, env.blank_params(), recorded), params)
    with pytest.raises(RecordError, match="not 30 "):
        env.default_params()


def test_a_system_that_knows_no_worlds_says_so(tmp_path):
    from toy import Walkers

    with pytest.raises(ValueError, match="cannot be set in a world"):
        Walkers.settings_of_world(road(), {})
    with pytest.raises(RecordError, match="no world is given"):
        jaxvec.make("dt_edge", world="")
    with pytest.raises(RecordError, match="at most 24 vehicles are present at once, not 30"):
        jaxvec.make("v2x_offload", world=road(), n_vehicles=30)
