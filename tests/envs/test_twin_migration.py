"""`twin_migration`: settings, regions, chance, a worked example by hand, and what holds whatever is decided."""

import dataclasses
from dataclasses import replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.side_by_side import compiled
from envs.twin_migration_pair import begun, region_of
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import twin_migration as reference
from scipy import stats

import jaxvec
from jaxvec.core.rollout import rollout, world_keys
from jaxvec.core.spaces import Discrete
from jaxvec.envs.twin_migration import TwinMigration, calibrate
from jaxvec.envs.twin_migration.observation import GROUP, layout, observe
from jaxvec.envs.twin_migration.params import MB, Params
from jaxvec.envs.twin_migration.slot import load_variance_mb2
from jaxvec.policies import fixed
from jaxvec.policies.random import random
from jaxvec.traces import RecordError, Region, save_region, synthetic_region

SMALL = {
    "n_vehicles": 4,
    "n_rsu": 5,
    "n_uav": 2,
    "horizon": 12,
    "slots_per_bin": 3,
}  # as in the comparison with the reference
ENV = TwinMigration(**SMALL)
PARAMS = Params(region=region_of(ENV))


# ---------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", ["n_vehicles", "n_rsu", "n_uav", "horizon", "slots_per_bin"])
@pytest.mark.parametrize("value", [0, 2.0, True])
def test_a_bad_size_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a whole number of at least 1, not {value!r}"):
        jaxvec.make("twin_migration", **{name: value})


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("haversine", "correct, paper"),
        ("overload_rule", "monotone, paper"),
        ("migration_adds_load", "True, False"),
        ("reward_load_term", "load, variance"),
        ("workload_info", "predicted, last, none, actual"),
        ("obs_prev_server", "True, False"),
        ("obs_vehicle_id", "True, False"),
        ("obs_twins", "True, False"),
        ("use_mask", "True, False"),
        ("turns", "True, False"),
        ("fading", "none, rayleigh"),
        ("pathloss", "free_space, .*, uma_by_sight"),
        ("vehicle_schedule", "static, dynamic"),
        ("uav_schedule", "static, dynamic"),
    ],
)
def test_a_bad_switch_is_refused_with_what_is_accepted(name, accepted):
    with pytest.raises(ValueError, match=rf"{name} must be one of {accepted}, not 'other'"):
        jaxvec.make("twin_migration", **{name: "other"})


def test_uavs_that_come_and_go_must_be_eleven():
    with pytest.raises(ValueError, match="n_uav must be at least 11 for a dynamic uav_schedule, not 10"):
        jaxvec.make("twin_migration", uav_schedule="dynamic")


@pytest.mark.parametrize("name", ["cache_bits", "noise_w", "lat_std_s", "slot_s"])
def test_a_number_that_must_be_positive_is_checked(name):
    with pytest.raises(ValueError, match=rf"{name} = 0.* \(must be "):
        jaxvec.make("twin_migration", **{name: 0})


def test_the_default_numbers_are_those_of_the_twin():
    env, params = jaxvec.make("twin_migration")
    for name, value in (vars(reference.Params()) | vars(reference.Switches())).items():
        assert getattr(params if hasattr(params, name) else env, name) == value, name


def test_sizes_of_spaces_follow_the_counts():
    env = TwinMigration()
    assert env.n_servers == 95
    assert env.observation_space[GROUP].shape == (284,)  # 94 + 95 + 95
    assert TwinMigration(obs_prev_server=False).observation_space[GROUP].shape == (189,)  # (19)
    assert TwinMigration(obs_vehicle_id=True).observation_space[GROUP].shape == (289,)
    assert TwinMigration(obs_twins=True).observation_space[GROUP].shape == (379,)
    assert env.world_size == 1236  # 3 * 95 + 2 * 95 * 5 + 1
    assert env.action_space == {GROUP: {"server": Discrete(95)}}


def test_presets_are_the_settings_of_the_figures():
    made = {name: jaxvec.make("twin_migration", preset=name) for name in TwinMigration.presets}
    env, params = made["city"]
    assert env == TwinMigration()
    assert params.region is synthetic_region(0, "city", split="train", n_rsu=84, n_uav=10, horizon=60)
    assert made["rural"][1].region.rsu_present.sum() == 68
    assert made["no_uav"] == (env, params.replace(use_uav=0.0))
    assert made["no_satellite"] == (env, params.replace(use_satellite=0.0))
    assert made["no_mask"] == (TwinMigration(use_mask=False), params)
    assert made["no_prediction"] == (TwinMigration(workload_info="none"), params)
    assert made["turns"] == (TwinMigration(turns=True), params)
    env, params = made["dynamic"]
    assert (env.n_vehicles, env.n_uav, params.region.uav_wp_xy_m.shape) == (7, 11, (11, 4, 2))
    env, params = made["literal"]
    assert (env.haversine, env.overload_rule, params.failure_delay_s) == ("paper", "paper", 0.0)


# ----------------------------------------------------------------------------------------------------------------- regions


def test_a_region_may_be_given_read_or_named(tmp_path):
    sizes = {"n_rsu": 6, "n_uav": 2, "horizon": 20}
    made = synthetic_region(1, n_days=2, **sizes)
    save_region(made, tmp_path / "mine.npz")
    given = jaxvec.make("twin_migration", region=made, **sizes)[1].region
    read = jaxvec.make("twin_migration", region=str(tmp_path / "mine.npz"), **sizes)[1].region
    for name, array in made.arrays().items():
        np.testing.assert_array_equal(getattr(given, name), array)
        np.testing.assert_array_equal(getattr(read, name), array)
    train, test = (
        jaxvec.make("twin_migration", region=f"city:{days}", **sizes)[1].region for days in ("train", "test")
    )
    assert train.start_bins.max() < test.start_bins.min()
    np.testing.assert_array_equal(train.flow, test.flow)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"region": "moon"}, "unknown area 'moon'"),
        ({"region": "city:monday"}, "unknown split 'monday'"),
        ({"n_rsu": 7}, "the region has n_rsu = 6, the environment 7"),
        ({"n_uav": 3}, "the region has n_uav = 2, the environment 3"),
        ({"horizon": 21}, "the region's trips have 20 slots, the environment's horizon is 21"),
        ({"n_vehicles": 5000}, r"\d+ trips are too few for 5000 vehicles"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(settings, fault):
    sizes = {"n_rsu": 6, "n_uav": 2, "horizon": 20}
    if "region" not in settings:
        sizes["region"] = synthetic_region(1, n_days=2, **sizes)
    with pytest.raises(ValueError, match=fault):
        jaxvec.make("twin_migration", **sizes | settings)


def test_shorter_bins_need_more_of_them():
    sizes = {"n_rsu": 6, "n_uav": 2, "horizon": 20}
    region = synthetic_region(1, n_days=2, **sizes)
    n_bins = region.flow.shape[1]
    late = region.replace(start_bins=np.array([n_bins - 1 - 4], np.int32))  # four more bins: five slots each
    jaxvec.make("twin_migration", region=late, slots_per_bin=5, **sizes)
    with pytest.raises(
        ValueError, match=rf"has {n_bins} bins of counts; its last start, 20 slots and slots_per_bin = 4 need"
    ):
        jaxvec.make("twin_migration", region=late, slots_per_bin=4, **sizes)


def test_a_region_that_is_not_sound_is_refused():
    sizes = {"n_rsu": 6, "n_uav": 2, "horizon": 20}
    made = synthetic_region(1, n_days=2, **sizes)
    with pytest.raises(RecordError, match="flow has a negative count"):
        jaxvec.make("twin_migration", region=made.replace(flow=made.flow - 1e4), **sizes)


# ------------------------------------------------------------------------------------------------------------------ chance

MANY = 4000
DYNAMIC = TwinMigration(
    **SMALL | {"n_uav": 11, "vehicle_schedule": "dynamic", "uav_schedule": "dynamic", "fading": "rayleigh"}
)


@pytest.fixture(scope="module")
def draws():
    """Many of both, of an environment in which everything is drawn; its parameters too."""
    params = Params(region=region_of(DYNAMIC))
    keys = world_keys(jax.random.key(2), MANY)
    both = jax.jit(DYNAMIC.draw_reset)(keys, params), jax.jit(DYNAMIC.draw_step)(keys, params)
    return *jax.tree.map(np.asarray, both), params


def test_draws_have_the_documented_names_and_shapes(draws):
    reset, step, _ = draws
    vehicles, uavs = (4, MANY), (11, MANY)
    assert {name: x.shape for name, x in reset.items()} == {
        **{"start_bin": (MANY,), "veh_traj": vehicles, "veh_start": vehicles},
        **{"uav_phase_m": uavs, "uav_on": uavs, "uav_off": uavs},
    }
    assert {name: x.shape for name, x in step.items()} == {
        "bg_normal": (5, MANY),
        "fade_vm": (4, 16, MANY),
        "fade_mig": (4, MANY),
    }
    assert set(jax.eval_shape(ENV.draw_reset, jax.random.key(0), PARAMS)) == {"start_bin", "veh_traj", "uav_phase_m"}
    assert set(jax.eval_shape(ENV.draw_step, jax.random.key(0), PARAMS)) == {"bg_normal"}


def test_draws_are_distributed_as_documented(draws):
    reset, step, params = draws
    assert stats.kstest(step["bg_normal"].ravel(), stats.norm().cdf).pvalue > 1e-3
    assert stats.kstest(step["fade_vm"].ravel(), stats.expon().cdf).pvalue > 1e-3
    corners = params.region.uav_wp_xy_m
    loops_m = np.hypot(*(np.roll(corners, -1, 1) - corners).transpose(2, 0, 1)).sum(1)
    assert stats.kstest((reset["uav_phase_m"] / loops_m[:, None]).ravel(), stats.uniform().cdf).pvalue > 1e-3

    def uniform_over(x, values):
        found, counts = np.unique(x, return_counts=True)
        np.testing.assert_array_equal(found, values)
        assert stats.chisquare(counts).pvalue > 1e-3

    uniform_over(reset["start_bin"], params.region.start_bins)
    uniform_over(reset["veh_traj"], np.arange(30))
    assert all(len(set(reset["veh_traj"][:, w])) == 4 for w in range(100))
    # a horizon of 12: the last two vehicles, and the last five UAVs, begin in slots 5 or 6; the first six leave in 6 or 7
    assert (reset["veh_start"][:-2] == 0).all()
    uniform_over(reset["veh_start"][-2:], [5, 6])
    assert (reset["uav_on"][:-5] == 0).all()
    uniform_over(reset["uav_on"][-5:], [5, 6])
    uniform_over(reset["uav_off"][:6], [6, 7])
    assert (reset["uav_off"][6:] == 13).all()


def test_other_sizes_leave_the_other_draws_as_they_are():
    keys = world_keys(jax.random.key(3), 5)
    more = TwinMigration(**SMALL | {"n_uav": 3})
    one = jax.jit(ENV.draw_reset)(keys, PARAMS)
    other = jax.jit(more.draw_reset)(keys, Params(region=region_of(more)))
    for name in ("start_bin", "veh_traj"):
        np.testing.assert_array_equal(one[name], other[name])


# -------------------------------------------------------------------------------------------------------- a worked example


def street(horizon=6):
    """Two RSUs on a meridian, 1 km apart; a UAV above the southern one; a vehicle that stands 300 m north of it."""
    single = np.float32
    degrees = np.array([0.0, 1000.0]) / (6_371_393.0 * np.pi / 180)
    flow = np.full((2, 20), 200, single)
    return Region(
        lat0_deg=single(39.9),
        lon0_deg=single(116.4),
        rsu_dlat_deg=single(degrees),
        rsu_dlon_deg=np.zeros(2, single),
        rsu_present=np.ones(2, bool),
        uav_wp_xy_m=np.zeros((1, 4, 2), single),
        traj_dlat_deg=np.full((1, horizon), 0.3 * degrees[1], single),
        traj_dlon_deg=np.zeros((1, horizon), single),
        traj_len=np.int32([horizon]),
        flow=flow,
        flow_pred=flow,
        start_bins=np.int32([8]),
    )


LONE = {"n_vehicles": 1, "n_rsu": 2, "n_uav": 1, "horizon": 6}
QUIET = {"start_bin": np.int32(8), "veh_traj": np.int32([0]), "uav_phase_m": np.float32([0.0])}


def lone(**switches):
    """Environment, parameters, and functions that reset and step it in one world."""
    env = TwinMigration(**LONE | switches)
    reset, step = compiled(env)
    move = lambda state, server, params: step(  # noqa: E731
        state, {GROUP: {"server": np.int32([server])}}, {"bg_normal": np.zeros(2, np.float32)}, params
    )
    return env, Params(region=street()), lambda params: reset(QUIET, params), move


def test_four_slots_by_hand():
    _, params, reset, move = lone()
    state, ts = reset(params)
    # 200 vehicles in five minutes are 20 a slot, of 1.5 MB each; the UAV serves half of that
    known = np.array([30, 30, 15, 0]) / 300
    np.testing.assert_allclose(ts.obs.agents[GROUP][0, 3:7], known, rtol=1e-5)
    np.testing.assert_allclose(ts.obs.agents[GROUP][0, :3] * 5000, [300, 700, np.hypot(300, 50)], rtol=1e-5)
    np.testing.assert_array_equal(ts.obs.agents[GROUP][0, 7:], 0)  # no twin yet
    np.testing.assert_array_equal(ts.obs.mask[GROUP]["server"], True)

    state, ts = move(state, 0, params)  # 30 + 60 MB
    info = ts.info
    np.testing.assert_allclose(info["load"] / MB, [90, 30, 15, 0], rtol=1e-5)
    np.testing.assert_allclose(info["t_cul"], 22.5, rtol=1e-5)
    np.testing.assert_allclose(info["t_up"], 0.75795, rtol=1e-4)
    np.testing.assert_allclose(info["t_down"], 0.31398, rtol=1e-4)
    np.testing.assert_allclose(ts.reward[GROUP], 5.5504, rtol=1e-4)
    np.testing.assert_array_equal(state.queue, 0)
    np.testing.assert_array_equal(ts.obs.agents[GROUP][0, 7:], [1, 0, 0, 0])

    state, ts = move(state, 1, params)  # 30 + 60 + 60 MB, of which 120 are worked off
    info = ts.info
    np.testing.assert_allclose(info["load"][1] / MB, 150, rtol=1e-5)
    found = [float(info[name][0]) for name in ("t_cul", "t_up", "t_down", "t_mig")]
    np.testing.assert_allclose(found, [37.5, 2.32952, 0.56591, 0.80177], rtol=1e-4)
    np.testing.assert_allclose(state.queue / MB, [0, 30, 0, 0], rtol=1e-4)

    state, ts = move(state, 3, params)  # 120 MB on 80 GHz, and three times 60 MB over 25 Mbit/s
    np.testing.assert_allclose(ts.info["t_sum"], 12 + 3 * 19.2, rtol=1e-5)
    state, ts = move(state, 3, params)
    np.testing.assert_allclose(ts.info["t_sum"], 44.4, rtol=1e-5)
    np.testing.assert_array_equal(state.migrations, [2])
    np.testing.assert_array_equal(ts.info["episode_migrations"], [2])


def test_an_overload_by_hand():
    # 215 MB wait, 30 + 60 come: 305 MB. The full cache takes 75 s, the data's way over the satellite 19.2 s; a slot is added
    for rule, work_s in (("monotone", 94.2), ("paper", 30.5)):
        _, params, reset, move = lone(overload_rule=rule)
        state, _ = reset(params)
        state = state.replace(prev=np.int32([0]), queue=np.float32([215 * MB, 0, 0, 0]))
        after, ts = move(state, 0, params)
        np.testing.assert_allclose(ts.info["t_cul"], work_s, rtol=1e-5)
        np.testing.assert_allclose(ts.info["dropped"][0] / MB, 5, rtol=1e-4)
        np.testing.assert_allclose(after.queue[0] / MB, 180, rtol=1e-5)
        assert ts.info["overload"][0]
        np.testing.assert_array_equal(after.fails, 1)
        if rule == "monotone":
            np.testing.assert_allclose(ts.info["t_sum"], 125.27, rtol=1e-4)
    # without a satellite the edge server works at it all: 305 MB on 32 GHz
    _, params, reset, move = lone()
    _, ts = move(state, 0, params.replace(use_satellite=0.0))
    np.testing.assert_allclose(ts.info["t_cul"], 76.25, rtol=1e-5)


def test_the_mask_by_hand():
    """A twin that stays brings 60 MB, one that comes 120 MB: with 200 MB there, RSU 1 has room for a twin that is there."""
    env, params, reset, _ = lone()
    params = params.replace(rsu_range_m=600.0)  # beyond which RSU 1 is, 700 m away
    state, _ = reset(params)

    def mask(**changes):
        new = changes.pop("params", params)
        _, ts = compiled(env)[1](
            state.replace(**changes),
            {GROUP: {"server": np.int32([changes.get("prev", np.int32([0]))[0]])}},
            {"bg_normal": np.zeros(2, np.float32)},
            new,
        )
        return np.asarray(ts.obs.mask[GROUP]["server"][0]).tolist()

    full = np.float32([320, 320, 320, 0]) * np.float32(
        MB
    )  # with the twin 380 or more: 180 MB stay, 210 with the background
    half = np.float32([170, 170, 170, 0]) * np.float32(
        MB
    )  # with the twin 260: 140 stay at its server, 170 with the background
    wide = params.replace(rsu_range_m=1200.0)
    assert mask() == [True, False, True, True]
    assert mask(params=wide) == [True, True, True, True]
    assert mask(queue=half, params=wide) == [True, True, True, True]
    assert mask(queue=full, params=wide) == [True, False, False, True]  # 210 + 60 fit, 210 + 120 and 195 + 120 do not
    assert mask(queue=full, params=wide.replace(use_satellite=0.0)) == [True, False, False, False]
    # nothing is feasible: what is in reach; nothing is in reach: what is there
    none = wide.replace(use_satellite=0.0, vt_rate_bps=60e6)
    assert mask(queue=full, params=none) == [True, True, True, False]
    assert mask(queue=full, params=none.replace(rsu_range_m=1.0, uav_range_m=1.0)) == [True, True, True, False]
    assert mask(queue=full, params=none.replace(rsu_range_m=1.0)) == [False, False, True, False]
    assert mask(queue=full, params=none.replace(use_uav=0.0, rsu_range_m=1.0)) == [True, True, False, False]


def two_in_turns(**switches):
    """Two vehicles that stand at the same place in the street, and a function that asks them for given servers in turn."""
    env, region = TwinMigration(**LONE | {"n_vehicles": 2, "turns": True} | switches), street()
    both = {name: np.repeat(getattr(region, name), 2, 0) for name in ("traj_dlat_deg", "traj_dlon_deg", "traj_len")}
    params = Params(region=dataclasses.replace(region, **both))
    state, ts = compiled(env)[0](QUIET | {"veh_traj": np.int32([0, 1])}, params)

    def ask(servers, state=state, ts=ts, params=params):
        shown = []

        def act_fn(key, obs):
            shown.append((obs.ids[GROUP].shape, obs.agents[GROUP].shape, obs.active[GROUP].shape))
            return {GROUP: {"server": jnp.int32(servers)[obs.ids[GROUP]]}}, obs.ids[GROUP]

        action, trace = env.act(act_fn, jax.random.key(0), state, ts, params)
        assert set(shown) == {((1,), (1, env.observation_space[GROUP].shape[0]), (1,))}
        np.testing.assert_array_equal(action[GROUP]["server"], servers)
        np.testing.assert_array_equal(trace.extras, [0, 1])
        return trace.obs

    return env, params, state, ts, ask


def test_the_second_vehicle_sees_the_twin_of_the_first():
    """A first placement brings 60 MB, a migration 120; caches hold 300 MB, 30, 30 and 15 of them full of ordinary traffic."""
    env, params, state, ts, ask = two_in_turns()
    assert env.takes_turns
    assert not TwinMigration().takes_turns
    known = np.array([30, 30, 15, 0])
    obs = ask([0, 1])
    loads = np.asarray(obs.agents[GROUP][:, 3:7]) * 300
    np.testing.assert_allclose(loads, [known, known + np.array([60, 0, 0, 0])], rtol=1e-5)
    others = [0, 1, 2, 7, 8, 9, 10]
    np.testing.assert_array_equal(obs.agents[GROUP][:, others], ts.obs.agents[GROUP][:, others])
    np.testing.assert_array_equal(obs.world, ts.obs.world)  # a critic sees the opening
    np.testing.assert_allclose(
        np.asarray(ask([3, 3]).agents[GROUP][1, 3:7]) * 300, known + np.array([0, 0, 0, 60]), rtol=1e-5
    )

    # the first twin is on RSU 0 and moves to RSU 1, or stays
    there = begun(env, state.replace(prev=np.int32([0, 1])), params)
    seen = lambda servers: np.asarray(ask(servers, state=there).agents[GROUP][1, 3:7]) * 300  # noqa: E731
    np.testing.assert_allclose(seen([1, 1]), known + np.array([0, 120, 0, 0]), rtol=1e-5)
    np.testing.assert_allclose(seen([0, 1]), known + np.array([60, 0, 0, 0]), rtol=1e-5)

    # a vehicle that is not on its way places nothing, and sees nothing
    late = begun(env, state.replace(veh_start=np.int32([2, 0])), params)
    obs = ask([0, 0], state=late)
    np.testing.assert_allclose(np.asarray(obs.agents[GROUP][:, 3:7]) * 300, [np.zeros(4), known], rtol=1e-5)
    np.testing.assert_array_equal(obs.mask[GROUP]["server"], True)

    # nor does a server that is not there take anything
    gone = params.replace(use_satellite=0.0)
    obs = ask([3, 0], state=begun(env, state, gone), params=gone)
    np.testing.assert_allclose(np.asarray(obs.agents[GROUP][1, 3:7]) * 300, [30, 30, 15, 600], rtol=1e-5)
    assert np.asarray(obs.mask[GROUP]["server"]).tolist() == [[True, True, True, False]] * 2


def test_each_vehicle_sees_its_own_number_and_a_scorer_gives_it_to_every_server():
    env, _, _, _, ask = two_in_turns(obs_vehicle_id=True)
    assert np.asarray(ask([0, 1]).agents[GROUP])[:, -2:].tolist() == [[1, 0], [0, 1]]
    assert env.options[GROUP]["server"].context == (11, 12)  # after 3 distances, 4 loads, 4 of the twin
    assert TwinMigration().options[GROUP]["server"].context == ()


@pytest.mark.parametrize("turns", [True, False])
def test_with_obs_twins_vehicles_see_where_the_other_twins_are(turns):
    """60 MB each of those who may still go elsewhere: in turns, of whoever comes later; not one's own, nor of who is late."""
    env, params, state, *_ = two_in_turns(obs_twins=True)
    env = replace(env, turns=turns)

    def staying(**changes):
        obs = observe(env, begun(env, state.replace(**changes), params), params)
        return (np.asarray(obs.agents[GROUP])[:, 7:11] * 300).round(3).tolist()

    nothing = [0.0] * 4
    second = nothing if turns else [60.0, 0.0, 0.0, 0.0]
    assert staying(prev=np.int32([0, 1])) == [[0.0, 60.0, 0.0, 0.0], second]
    assert staying(prev=np.int32([0, -1])) == [nothing, second]
    assert staying(prev=np.int32([0, 1]), veh_start=np.int32([0, 2])) == [nothing, nothing]
    shown = env.options[GROUP]["server"].columns
    assert shown.shape == (4, 4)
    assert shown[:, 2].tolist() == [7, 8, 9, 10]


def test_the_mask_of_the_second_vehicle_counts_the_twin_of_the_first():
    """180 MB wait at RSU 0, 30 come: another 60 fit, and with those of the first vehicle the next 60 do not."""
    env, params, state, _, ask = two_in_turns()
    full = begun(env, state.replace(queue=np.float32([180, 0, 0, 0]) * np.float32(MB)), params)
    mask = lambda servers: np.asarray(ask(servers, state=full).mask[GROUP]["server"]).tolist()  # noqa: E731
    assert mask([0, 0]) == [[True] * 4, [False, True, True, True]]
    assert mask([1, 0]) == [[True] * 4, [True] * 4]
    # where nothing fits, the choice is what is in reach: 300 MB and more are everywhere
    none = params.replace(use_satellite=0.0, cache_bits=80 * MB)
    obs = ask([0, 0], state=begun(env, state, none), params=none)
    assert np.asarray(obs.mask[GROUP]["server"]).tolist() == [[False, False, True, False], [False, False, True, False]]
    obs = ask([2, 0], state=begun(env, state, none), params=none)
    assert np.asarray(obs.mask[GROUP]["server"]).tolist() == [[False, False, True, False], [True, True, True, False]]


def test_who_is_told_nothing_of_ordinary_traffic_still_sees_the_twins_before():
    _, _, _, _, ask = two_in_turns(workload_info="none")
    np.testing.assert_allclose(np.asarray(ask([0, 1]).agents[GROUP][:, 3:7]) * 300, [[0, 0, 0, 0], [60, 0, 0, 0]])


def test_a_server_that_is_not_there_serves_nobody():
    _, params, reset, move = lone()
    params = params.replace(use_uav=0.0)
    state, _ = reset(params)
    state, _ = move(state, 1, params)
    after, ts = move(state, 2, params)
    np.testing.assert_array_equal(after.prev, [1])
    np.testing.assert_allclose(ts.info["t_sum"], 300)
    assert ts.info["out_of_range"][0]
    assert not ts.info["served"][0]
    np.testing.assert_array_equal(ts.info["vt_in"], 0)
    np.testing.assert_allclose(ts.info["own_load"], params.cache_bits)


@pytest.mark.slow
def test_caches_may_differ_between_servers():
    """90 MB for RSU 0: too much where it holds 80, whatever the others do; entries of loads are in units of the own cache."""
    _, params, reset, move = lone()
    unequal = params.replace(cache_bits=np.float32([80, 100, 300, 300]) * np.float32(MB))
    state, ts = reset(unequal)
    np.testing.assert_allclose(ts.obs.agents[GROUP][0, 3:7], [30 / 80, 30 / 100, 15 / 300, 0], rtol=1e-5)
    np.testing.assert_array_equal(ts.obs.mask[GROUP]["server"][0], [False, True, True, True])
    _, full = move(state, 0, unequal)
    _, alone = move(reset(params.replace(cache_bits=80 * MB))[0], 0, params.replace(cache_bits=80 * MB))
    assert full.info["overload"][0]
    for name in ("t_cul", "own_load", "xi", "reward"):
        found, expected = (x.reward[GROUP] if name == "reward" else x.info[name] for x in (full, alone))
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(full.info["dropped"] / MB, [10, 0, 0, 0], atol=1e-4)
    _, there = move(state, 1, unequal)
    assert not there.info["overload"][0]


@pytest.mark.slow
def test_equal_caches_by_server_are_one_cache_for_all():
    per_server = PARAMS.replace(cache_bits=np.full(ENV.n_servers, PARAMS.cache_bits, np.float32))
    one, each = (
        rollout(ENV, fixed(ENV, p)["myopic"], jax.random.key(5), p, n_worlds=2, select=lambda slot: slot.ts.reward)
        for p in (PARAMS, per_server)
    )
    np.testing.assert_allclose(each[GROUP], one[GROUP], rtol=1e-5, atol=1e-5)


def test_the_world_shows_where_vehicles_wait():
    """Section 5: all distances and all twins, also of vehicles that are not on their way, whose rows are zeros."""
    env, params, state, _, _ = two_in_turns()
    late = begun(env, state.replace(veh_start=np.int32([2, 0])), params)
    obs = observe(env, late, params)
    world = layout(env)["world"]
    np.testing.assert_array_equal(obs.agents[GROUP][0], 0)
    dist_m = world.read_world(obs.world, "dist_m", params)
    np.testing.assert_allclose(dist_m, late.scene.dist, rtol=1e-6)
    assert (np.asarray(dist_m) > 0).all()
    assert world.read_world(obs.world, "vehicle_active", params).tolist() == [0, 1]


def test_actions_beyond_the_last_server_are_the_last():
    _, params, reset, move = lone()
    state, _ = reset(params)
    for out, inside in ((99, 3), (-5, 0)):
        np.testing.assert_array_equal(move(state, out, params)[0].prev, [inside])


@pytest.mark.slow
def test_the_standard_path_losses_can_take_the_place_of_the_papers():
    """In the street UMi in line of sight at 28 GHz: 32.4 + 21 log10(d) + 20 log10(28) dB, and 6.1 dB of antenna gain."""
    _, params, reset, move = lone(pathloss="umi_los")
    state, _ = reset(params)
    _, ts = move(state, 0, params)
    loss_db = 32.4 + 21 * np.log10(300) + 20 * np.log10(28)
    snr = 4.11 * 10 ** (-loss_db / 10) / 1e-11
    np.testing.assert_allclose(ts.info["rate_up"], 300e6 * np.log2(1 + snr), rtol=1e-3)
    # free space is what the paper has, but for its round speed of light
    _, params, reset, move = lone(pathloss="free_space")
    _, free = move(reset(params)[0], 0, params)
    _, params, reset, move = lone()
    _, paper = move(reset(params)[0], 0, params)
    np.testing.assert_allclose(free.info["rate_up"], paper.info["rate_up"], rtol=1e-3)


# ------------------------------------------------------------------------------------------------------- whatever is decided


WORLDS = 120


@pytest.fixture(scope="module")
def episode():
    """An episode with random actions, masked or not, in many worlds where all sorts of things happen."""
    env = TwinMigration(
        **SMALL | {"n_uav": 11, "n_vehicles": 3, "vehicle_schedule": "dynamic", "uav_schedule": "dynamic"}
    )
    params = Params(region=region_of(env))
    run = jax.jit(lambda key, params: rollout(env, random(env), key, params, WORLDS))
    return env, params, jax.tree.map(np.asarray, run(jax.random.key(4), params))


@pytest.mark.slow
def test_nothing_is_lost_but_what_is_reported(episode):
    _, _, slots = episode
    info, after = slots.ts.info, np.concatenate([slots.state.queue[1:], np.full_like(slots.state.queue[:1], np.nan)])
    kept = info["processed"] + info["dropped"] + info["lost"] + after
    np.testing.assert_allclose(kept[:-1], info["load"][:-1], rtol=1e-5, atol=300)
    into = slots.state.queue + info["bg"] + info["vt_in"]
    np.testing.assert_allclose(info["load"], into * info["server_active"], rtol=1e-5)
    # 300 MB fit in, 120 MB are worked off
    assert slots.state.queue[:, :-1].max() <= 180 * MB * (1 + 1e-5)
    assert (info["lost"] > 0).any()
    assert (info["dropped"] > 0).any()


def test_servers_that_are_absent_are_never_allowed_nor_served_from(episode):
    env, _, slots = episode
    active, there = slots.obs.active[GROUP], slots.ts.info["server_active"]
    mask = slots.obs.mask[GROUP]["server"]
    assert not (mask & active[:, :, None] & ~there[:, None]).any()
    chosen = np.take_along_axis(there, slots.action[GROUP]["server"], 1)
    assert (slots.ts.info["served"] == (chosen & active)).all()
    uavs = there[:, env.n_rsu : -1]
    assert (~uavs[:, -5:][0]).all()  # the last five come later
    assert uavs[:, -5:][-1].all()
    assert uavs[:, :6][0].all()  # the first six leave
    assert (~uavs[:, :6][-1]).all()
    assert uavs[:, 6:-5].all()


def test_vehicles_act_from_their_start_to_their_arrival(episode):
    env, params, slots = episode
    t = np.arange(env.horizon)[:, None, None]
    length = np.asarray(params.region.traj_len)[slots.state.veh_traj[0]]
    start = slots.state.veh_start[0]
    on_way = (t >= start) & (t < start + length)
    np.testing.assert_array_equal(slots.obs.active[GROUP], on_way)
    np.testing.assert_array_equal(slots.ts.info["agent_done"], t + 1 >= start + length)
    # who was there and is done, is not there any more in what follows: learners see the end of its return
    np.testing.assert_array_equal(slots.ts.obs.active[GROUP] | ~on_way, ~slots.ts.info["agent_done"] | ~on_way)
    for x in (
        slots.ts.reward[GROUP],
        slots.ts.info["t_sum"],
        slots.ts.info["own_load"],
        slots.obs.agents[GROUP].any(2),
    ):
        assert not np.any(x * ~on_way)
    assert slots.obs.mask[GROUP]["server"].transpose(0, 1, 3, 2)[~on_way].all()
    assert (slots.ts.terminated == slots.ts.info["agent_done"].all(1)).all()
    assert (slots.ts.truncated[-1] == ~slots.ts.terminated[-1]).all()
    assert slots.ts.truncated[-1].any()
    assert slots.ts.terminated[-2].any()  # before the horizon


@pytest.mark.slow
def test_a_vehicle_that_is_not_on_its_way_changes_nothing():
    """Whatever it does."""
    env, params = ENV, PARAMS
    step = compiled(env)[1]
    keys = world_keys(jax.random.key(9), 40)
    state, _ = jax.jit(env.reset)(keys, params)
    draws = jax.jit(env.draw_step)(keys, params)
    late = state.replace(t=jnp.full_like(state.t, 9))
    late = begun(env, late, params)
    active = np.asarray(late.scene.veh_active)
    assert 0.2 < active.mean() < 0.8
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, env.n_servers, active.shape).astype(np.int32) for _ in range(2))
    found = [step(late, {GROUP: {"server": np.where(active, one, x)}}, draws, params) for x in (one, other)]
    jax.tree.map(np.testing.assert_array_equal, *found)


GROWS = ("mig_bits", "vt_rate_bps", "bg_bits_per_vehicle", "noise_w", "carrier_hz")


@pytest.fixture(scope="module")
def play():
    """Latencies (T, V, W) and queues of an episode of fixed actions and draws, compiled once."""
    env = TwinMigration(**SMALL | {"use_mask": False})
    params, keys = Params(region=region_of(env)), world_keys(jax.random.key(12), 12)
    actions = np.random.default_rng(3).integers(0, env.n_servers, (env.horizon, 4, 12)).astype(np.int32)

    @jax.jit
    def run(params):
        def slot(state, now):
            action, t = now
            state, ts = env.step(
                jax.vmap(jax.random.fold_in, (0, None))(keys, t), state, {GROUP: {"server": action}}, params
            )
            return state, (ts.info["t_sum"], state.queue)

        return jax.lax.scan(slot, env.reset(keys, params)[0], (actions, jnp.arange(env.horizon)))[1]

    return params, run


@pytest.mark.parametrize("name", [*GROWS, "cpu_edge_hz"])
def test_latencies_and_queues_follow_their_causes(play, name):
    """C8: with the same actions and draws, nothing gets better where more is to do, or worse where it is done faster."""
    params, run = play
    default = getattr(params, name)
    sign = -1 if name == "cpu_edge_hz" else 1
    found = [run(params.replace(**{name: default * factor})) for factor in (0.3, 0.7, 1.0, 1.5, 2.5)]
    changed = False
    for less, more in pairwise(found):
        for a, b in zip(less, more, strict=True):
            difference = sign * (np.asarray(b) - np.asarray(a))
            assert (difference >= -3e-6 * np.abs(a) - 300 * (np.abs(a) > 1e4)).all()
            changed |= (difference > 1e-3 * np.abs(a)).any()
    assert changed


@settings(max_examples=25)
@given(st.lists(st.floats(0, 400), min_size=2, max_size=6), st.floats(0, 200), st.integers(0, 5))
def test_adding_to_one_server_changes_the_variance_as_expected(loads_mb, added_mb, which):
    """C11: by ((1 - 1/M) s^2 + 2 s (x - mean)) / M; it falls only for an s below 2 (mean - x) / (1 - 1/M)."""
    x = np.array(loads_mb)
    m, which = len(x), which % len(x)
    more = x + added_mb * (np.arange(m) == which)
    change = ((1 - 1 / m) * added_mb**2 + 2 * added_mb * (x[which] - x.mean())) / m
    found = variance_mb2(np.float32(more * MB)) - variance_mb2(np.float32(x * MB))
    np.testing.assert_allclose(found, change, rtol=1e-3, atol=1e-4 * (1 + x.max() + added_mb) ** 2)


def variance_mb2(load):
    return float(load_variance_mb2(load, np.ones(len(load), bool)))


# -------------------------------------------------------------------------------------------------------------- calibration


@pytest.mark.slow
def test_calibration_finds_means_and_deviations_over_vehicles_on_their_way(episode):
    env, params, slots = episode  # the same worlds and choices
    free = dataclasses.replace(env, use_mask=False)
    found = jax.jit(calibrate, static_argnums=(0, 3))(free, params, jax.random.key(4), WORLDS)
    info = slots.ts.info
    active = info["vehicle_active"]
    variance = np.broadcast_to(info["load_var_mb2"][:, None], active.shape)
    quantities = {"lat_{}_s": info["t_sum"], "load_{}_bits": info["own_load"], "var_{}_mb2": variance}
    expected = {}
    for name, x in quantities.items():
        chosen = np.float64(x[active])
        expected |= {name.format("mean"): chosen.mean(), name.format("std"): chosen.std()}
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)
    params.replace(**found)  # they are names of numbers
