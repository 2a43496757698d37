"""`v2x_offload`: settings, chance, each phase of a slot by hand, and what holds for a slot whatever is decided."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.side_by_side import WORLDS, compiled, single, stack
from envs.v2x_offload_pair import PAIR
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import v2x_offload as reference
from scipy import stats

import jaxvec
from jaxvec.core.rollout import world_keys
from jaxvec.core.spaces import Box
from jaxvec.envs import mobility
from jaxvec.envs.v2x_offload import V2xOffload, next_slot
from jaxvec.envs.v2x_offload import slot as phases
from jaxvec.envs.v2x_offload.observation import GROUP, who_comes_later

ENV, PARAMS = jaxvec.make("v2x_offload")
PARTS = V2xOffload(partition=True, boundary="open", shuffle_order=True, shared_reward=False)


# ---------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", ["n_vehicles", "n_servers", "horizon"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True])
def test_a_bad_size_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a whole number of at least 1, not {value!r}"):
        jaxvec.make("v2x_offload", **{name: value})


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("boundary", "reflect, open"),
        ("partition", "True, False"),
        ("shuffle_order", "True, False"),
        ("obs_later", "True, False"),
        ("shared_reward", "True, False"),
        ("mobility", "heading, trace"),
        ("pathloss", "log_distance, free_space, umi_los, umi_nlos, .*"),
    ],
)
def test_a_bad_switch_is_refused_with_what_is_accepted(name, accepted):
    with pytest.raises(ValueError, match=rf"{name} must be one of {accepted}, not 'other'"):
        jaxvec.make("v2x_offload", **{name: "other"})


@pytest.mark.parametrize("name", ["es_cpu_hz", "twin_sync_every", "deadline_s", "noise_w"])
def test_a_number_that_must_be_positive_is_checked(name):
    with pytest.raises(ValueError, match=rf"{name} = 0.* \(must be "):
        jaxvec.make("v2x_offload", **{name: 0})


def test_presets_are_the_operating_points_of_the_figures():
    assert jaxvec.make("v2x_offload", preset="base") == (ENV, PARAMS)
    env, params = jaxvec.make("v2x_offload", preset="contended")
    assert (env.n_vehicles, params.es_cpu_hz) == (40, 15e9)
    assert jaxvec.make("v2x_offload", preset="fig7") == (V2xOffload(boundary="open"), PARAMS)
    assert jaxvec.make("v2x_offload", preset="partition") == (V2xOffload(partition=True), PARAMS)


def test_the_default_numbers_are_those_of_the_reference():
    for name, value in (vars(reference.Params()) | vars(reference.Sizes())).items():
        assert getattr(PARAMS if hasattr(PARAMS, name) else ENV, name) == value, name


def test_sizes_of_spaces_follow_the_counts():
    env = V2xOffload(n_vehicles=4, n_servers=5)
    assert env.observation_space[GROUP].shape == (22,)  # 2 + 4 * 5
    assert env.world_size == 54  # 4 * (1 + 2 * 5) + 2 * 5
    assert V2xOffload(n_vehicles=4, n_servers=5, shuffle_order=True).world_size == 58
    assert env.action_space[GROUP]["target"].n == 6
    assert V2xOffload(n_servers=5, partition=True).action_space[GROUP]["split"] == Box(-1.0, 1.0, (6,))
    assert env.team_reward
    assert not V2xOffload(shared_reward=False).team_reward


# ------------------------------------------------------------------------------------------------------------------ chance

MANY = 4000


@pytest.fixture(scope="module")
def draws():
    env = V2xOffload(shuffle_order=True)
    keys = world_keys(jax.random.key(2), MANY)
    of_reset, of_step = jax.jit(env.draw_reset)(keys, PARAMS), jax.jit(env.draw_step)(keys, PARAMS)
    return jax.tree.map(np.asarray, (of_reset, of_step))


def test_draws_have_the_documented_names_and_shapes(draws):
    slot = {"u_task": (10,), "e_fade": (10, 3), "n_bg": (3,), "u_twin": (2, 3), "u_order": (10,)}
    expected = ({**slot, "u_pos": (10, 2), "u_heading": (10,)}, {**slot, "n_heading": (10,)})
    for drawn, shapes in zip(draws, expected, strict=True):
        assert {name: x.shape for name, x in drawn.items()} == {name: (*s, MANY) for name, s in shapes.items()}
    assert "u_order" not in jax.eval_shape(ENV.draw_step, jax.random.key(0), PARAMS)


def test_draws_are_distributed_as_documented(draws):
    laws = {"u": stats.uniform(), "e": stats.expon(), "n": stats.norm()}
    for drawn in draws:
        for name, x in drawn.items():
            law = stats.uniform(-1, 2) if name == "u_twin" else laws[name[0]]
            assert stats.kstest(x.ravel(), law.cdf).pvalue > 1e-3, name
        rows = np.concatenate([x.reshape(-1, MANY) for x in drawn.values()])
        assert np.abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 5 / np.sqrt(MANY)


def test_a_reset_and_the_variables_of_a_slot_by_hand():
    env = V2xOffload(n_vehicles=2, n_servers=2, shuffle_order=True)
    given = {
        "u_pos": np.array([[0.25, 0.5], [0.0, 0.999]]),
        "u_heading": np.array([0.25, 0.5]),
        "u_task": np.array([0.0, 0.75]),
        "e_fade": np.array([[0.5, 1.0], [2.0, 3.0]]),
        "n_bg": np.array([1.0, -3.0]),
        "u_twin": np.array([[1.0, -0.5], [0.25, 0.0]]),
        "u_order": np.array([0.9, 0.1]),
    }
    params = PARAMS.replace(bg_load_mean=0.3, bg_load_std=0.2, bg_load_max=0.4, twin_cpu_err=0.1, twin_bw_err=0.2)
    with jax.enable_x64(True):
        state, ts = jax.jit(env.reset_from)(given, params)
    np.testing.assert_allclose(state.pos_m, [[250, 500], [0, 999]])
    np.testing.assert_allclose(state.track, [np.pi / 2, np.pi])
    np.testing.assert_allclose(state.task_bits, [50e3, 125e3])  # 100e3 * (1 + 0.5 * (2u - 1))
    np.testing.assert_allclose(state.bg_load, [0.4, 0.0])  # 0.5 and -0.3, cut to [0, 0.4]
    np.testing.assert_allclose(state.twin_bias, [[0.1, -0.05], [0.05, 0.0]])
    np.testing.assert_array_equal(state.order, [1, 0])
    row = ts.obs.agents[GROUP][0]  # servers of two: at (500, 800) and (500, 200)
    far = np.hypot(250, 300) / 1000
    twin_cpu = [0.6 * 1.1, 1.0 * 0.95]  # of 25 GHz: free times one plus the error
    expected = [
        0.25,
        far,
        far,
        np.log10(0.5),
        0,
        *twin_cpu,
        1.05,
        1.0,
        1.0,
    ]  # the last entry: it acts in turn 1 of 0, 1
    np.testing.assert_allclose(row, expected, rtol=1e-12)
    world = [0.25, 0.625, *np.ravel(ts.obs.agents[GROUP][:, 1:3]), *np.log10(np.ravel(given["e_fade"]))]
    np.testing.assert_allclose(ts.obs.world, [*world, *twin_cpu, 1.05, 1.0, 1.0, 0.0], rtol=1e-12)


# -------------------------------------------------------------------------------------------------- phases of a slot, by hand

# Two servers at (200, 500) and (800, 500) with 20 GHz and 20 MHz each; the reach is 500 m. Vehicle 0 is 100 m from server 0 and
# 608 m from server 1, which it reaches by the wire of 600 m; vehicle 1 is 500 m from both; vehicle 2 is 583 m from both, out of
# reach. Gain 1 / d^2 and noise are such that full power gives an SNR of 3 at 100 m with unit fading: 2 bit/s per Hz.
# A task: 100 kbit, 5e7 cycles. Locally at 2 GHz: 25 ms and 1e-27 * 5e7 * (2e9)^2 = 0.2 J.
HAND = V2xOffload(n_vehicles=3, n_servers=2)
SPLIT = V2xOffload(n_vehicles=3, n_servers=2, partition=True)
NUMBERS = PARAMS.replace(
    es_pos_m=np.array([[200.0, 500.0], [800.0, 500.0]]),
    es_cpu_hz=20e9,
    pathloss_ref=1.0,
    pathloss_exp=2.0,
    noise_w=0.2 * 1e-4 / 3,
)
NUMBERS = jax.tree.map(np.asarray, NUMBERS)  # one type for every value, one compilation
PLACES_M = np.array([[200.0, 400.0], [500.0, 100.0], [500.0, 0.0]])
FADE = np.array(
    [[1.0, 9.0], [25.0, 25.0], [34.0, 99.0]]
)  # 25 / 500^2 and 34 / (300^2 + 500^2) are 1 / 100^2: SNR 3 again


@cache
def all_phases(env):
    """A slot of one world from its phases, each as it is called in `step_from`."""

    def run(state, action, params):
        place, decision = phases.locate(env, state, params), phases.decode(env, action, params)
        grants = phases.take_turns(env, state, decision, place, params)
        links = phases.transmit(env, state, decision, place, grants, params)
        return place, decision, grants, links, phases.settle(state, decision, place, grants, links, params)

    return jax.jit(run)


def hand_state(load=(0.0, 0.0), bias=((0.0, 0.0), (0.0, 0.0)), order=(0, 1, 2), **changes):
    given = {
        "pos_m": PLACES_M,
        "track": np.zeros(3),
        "velocity_mps": None,
        "task_bits": np.full(3, 100e3),
        "fade": FADE,
    } | changes
    return phases.State(
        t=jnp.int32(0), bg_load=np.array(load), twin_bias=np.array(bias), order=np.array(order, np.int32), **given
    )


def hand(target, cpu, bandwidth=None, power=(1, 1, 1), env=HAND, state=None, **numbers):
    """The phases with shares given as parts of what is left."""

    def raw(part):
        return 2 * np.asarray(part, float) - 1

    where = {"split": np.asarray(target, float)} if env.partition else {"target": np.array(target, np.int32)}
    action = where | {"power": raw(power), "cpu": raw(cpu), "bandwidth": raw(cpu if bandwidth is None else bandwidth)}
    numbers = {name: np.asarray(x, np.asarray(getattr(NUMBERS, name)).dtype) for name, x in numbers.items()}
    with jax.enable_x64(True):
        results = all_phases(env)(hand_state() if state is None else state, action, NUMBERS.replace(**numbers))
        return jax.tree.map(np.asarray, results)


def test_geometry_by_hand():
    place, *_ = hand([0, 0, 0], [1, 1, 1])
    far = np.hypot(300, 500)
    np.testing.assert_allclose(place.dist_m, [[100, np.hypot(600, 100)], [500, 500], [far, far]])
    np.testing.assert_array_equal(place.nearest, [[True, False]] * 3)  # of equals, the first
    np.testing.assert_array_equal(place.direct, [[True, False], [True, True], [True, False]])  # 500 m is within 500 m
    np.testing.assert_allclose(place.wire_m, [[0, 600], [0, 0], [0, 600]])
    np.testing.assert_array_equal(place.in_range, [True, True, False])
    soft, *_ = hand([0, 0, 0], [1, 1, 1], hard_radius=False)
    assert soft.in_range.all()
    near, *_ = hand([0, 0, 0], [1, 1, 1], dist_min_m=150.0)
    assert near.dist_m[0, 0] == 150


def test_wires_of_many_worlds_are_those_of_few():
    """As a rule needs them in a turn: one vehicle, 16384 worlds."""
    rng = np.random.default_rng(0)
    places_m = np.float32(rng.uniform(0, 1000, (3, 2, 1)))
    dist_m = np.float32(rng.uniform(10, 900, (1, 3, 1 << 14)))
    place = jax.jit(lambda dist_m: phases.reach(dist_m, places_m, PARAMS))(dist_m)
    nearest, far = dist_m[0].argmin(0), dist_m[0] > 500
    apart_m = np.linalg.norm(places_m - places_m[:, :, 0].T[None], axis=1)
    expected = np.where(far & (np.arange(3)[:, None] != nearest), apart_m[:, nearest], 0)
    np.testing.assert_allclose(place.wire_m[0], expected, rtol=1e-5)


def test_grants_uploads_and_outcomes_by_hand():
    # vehicle 0: server 1, over the wire; vehicle 1: server 0; vehicle 2: locally. All ask for half of what is left
    _, decision, grants, links, out = hand([2, 1, 0], [0.5, 0.5, 0.5])
    np.testing.assert_array_equal(decision.part, [[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    np.testing.assert_allclose(decision.power_w, 0.2)
    np.testing.assert_allclose(grants.cpu_hz, [[0, 10e9], [10e9, 0], [0, 0]])  # at the target
    np.testing.assert_allclose(grants.bw_hz, [[10e6, 0], [5e6, 0], [0, 0]])  # at the access: half of 20, half of 10 MHz
    assert not grants.short.any()
    np.testing.assert_allclose(links.rate_bps, [[20e6, 0], [10e6, 0], [0, 0]])  # 2 bit/s per Hz
    np.testing.assert_allclose(links.t_up_s[:2, 0], [5e-3, 10e-3])
    # wire 1e5 * 600 / 5e10 = 1.2 ms; servers 5e7 / 1e10 = 5 ms
    np.testing.assert_allclose(out.up_s, [5e-3, 10e-3, 0])
    np.testing.assert_allclose(out.wire_s, [1.2e-3, 0, 0])
    np.testing.assert_allclose(out.cpu_s, [5e-3, 5e-3, 25e-3])
    np.testing.assert_allclose(out.latency_s, [11.2e-3, 15e-3, 25e-3])
    assert not out.timeout.any()
    # 0.2 W for 5 and 10 ms; 1e-29 * 5e7 * (1e10)^2 = 0.05 J
    np.testing.assert_allclose(out.e_radio_j, [1e-3, 2e-3, 0])
    np.testing.assert_allclose(out.e_es_j, [0.05, 0.05, 0])
    np.testing.assert_allclose(out.e_loc_j, [0, 0, 0.2])
    np.testing.assert_allclose(out.energy_j, [0.051, 0.052, 0.2])
    # 0.5 T / 78 ms + 0.5 E / 0.624 J
    np.testing.assert_allclose(out.cost, [0.1126602564, 0.1378205128, 0.3205128205])


def test_everybody_at_one_server_with_shares_of_one():
    """The first takes everything, nothing is left for the others: they time out after 0.1 s at full power."""
    _, _, grants, links, out = hand([1, 1, 1], [1, 1, 1], hard_radius=False)
    np.testing.assert_allclose(grants.cpu_hz[:, 0], [20e9, 0, 0])
    np.testing.assert_allclose(grants.bw_hz[:, 0], [20e6, 0, 0])
    assert not grants.short.any()  # they asked for all of nothing
    np.testing.assert_array_equal(out.timeout, [False, True, True])
    np.testing.assert_allclose(out.latency_s, [2.5e-3 + 2.5e-3, 0.1, 0.1])
    np.testing.assert_allclose(out.e_radio_j, [0.2 * 2.5e-3, 0.02, 0.02])
    np.testing.assert_allclose(out.e_es_j, [1e-29 * 5e7 * 4e20, 0, 0])
    np.testing.assert_allclose(links.t_up_s[1:, 0], 1e5)  # at the least rate of 1 bit/s
    last = hand([1, 1, 1], [1, 1, 1], hard_radius=False, deadline_s=1e9)[-1]
    np.testing.assert_allclose(last.latency_s[1], 1e5 + 5e7)  # without a deadline: and 1 cycle/s


def test_out_of_everybodys_reach_an_offloaded_task_gets_nothing():
    _, _, grants, _, out = hand([0, 0, 2], [1, 1, 1])
    assert not grants.cpu_hz.any()
    assert not grants.bw_hz.any()
    np.testing.assert_array_equal(out.timeout, [False, False, True])
    np.testing.assert_allclose(out.energy_j[2], 0.2 * 0.1)  # it sends in vain until the deadline
    # with path loss alone it is served: 600 m of wire, at 5 ms and 2.5 ms for all 20 MHz and 20 GHz
    _, _, grants, _, out = hand([0, 0, 2], [1, 1, 1], hard_radius=False)
    np.testing.assert_allclose((grants.cpu_hz[2], grants.bw_hz[2]), ([0, 20e9], [20e6, 0]))
    np.testing.assert_allclose(out.latency_s[2], 2.5e-3 + 1.2e-3 + 2.5e-3)


@pytest.mark.parametrize("absent", [False, True])
def test_who_comes_later_is_counted_at_the_server_that_hears_it_best(absent):
    """Three vehicles, of which the first decides second; the third, which decides last, may be absent."""
    state = hand_state(task_bits=np.array([10.0, 20.0, 40.0]))
    gain = np.array([[1.0, 2.0], [3.0, 1.0], [1.0, 5.0]], np.float32)
    there = np.array([True, True, False]) if absent else None
    found = who_comes_later(state, np.array([1, 0, 2]), gain, there)
    users = [[0, 0], [0, 1], [0, 0]] if absent else [[0, 1], [0, 2], [0, 0]]
    np.testing.assert_array_equal(found["later_users"], users)
    bits = [[0, 0], [0, 10], [0, 0]] if absent else [[0, 40], [0, 50], [0, 0]]
    np.testing.assert_array_equal(found["later_bits"], bits)


def test_the_order_of_turns_decides_who_finds_the_full_pools():
    shuffled = V2xOffload(n_vehicles=3, n_servers=2, shuffle_order=True)
    _, _, grants, *_ = hand(
        [1, 1, 1], [0.5, 0.5, 0.5], env=shuffled, state=hand_state(order=(2, 0, 1)), hard_radius=False
    )
    np.testing.assert_allclose(grants.cpu_hz[:, 0], [5e9, 2.5e9, 10e9])  # a half, of it a half, of it a half


def test_a_twin_that_is_not_refreshed_promises_too_much():
    _, _, grants, _, _ = hand([1, 1, 1], [0.6, 0.6, 0.6], hard_radius=False, twin_sync_every=3)
    np.testing.assert_allclose(grants.cpu_hz[:, 0], [12e9, 8e9, 0])  # each asks for 12 of 20 GHz
    np.testing.assert_array_equal(grants.short, [False, True, True])
    _, _, grants, _, _ = hand([1, 1, 1], [0.6, 0.6, 0.6], hard_radius=False, twin_sync_every=2)
    np.testing.assert_allclose(grants.cpu_hz[:, 0], [12e9, 8e9, 0])  # refreshed before the third: 0.6 of nothing
    np.testing.assert_array_equal(grants.short, [False, True, False])


def test_a_wrong_twin_promises_too_much_or_hides_a_part():
    state = hand_state(bias=((0.5, -0.5), (0.0, 0.0)))
    _, _, grants, _, _ = hand([1, 2, 0], [1, 1, 1], [0.5, 0.5, 0.5], state=state)
    np.testing.assert_allclose(grants.cpu_hz, [[20e9, 0], [0, 10e9], [0, 0]])  # 30 asked, 20 there; 10 shown of 20
    np.testing.assert_array_equal(grants.short, [True, False, False])


def test_busy_servers_have_less_to_give():
    _, _, grants, _, _ = hand([1, 2, 0], [1, 1, 1], state=hand_state(load=(0.25, 0.9)))
    np.testing.assert_allclose(grants.cpu_hz.sum(0), [15e9, 2e9])
    np.testing.assert_allclose(grants.bw_hz.sum(0), [20e6, 20e6])


def test_shares_and_powers_have_a_least_value():
    _, decision, _, _, _ = hand([1, 1, 1], [0, 0.5, 1], power=[0, 0.005, 0.02])
    np.testing.assert_allclose(decision.share, [[0.01, 0.01], [0.5, 0.5], [1, 1]])
    np.testing.assert_allclose(decision.power_w, [0.002, 0.002, 0.004])


def test_a_slower_own_clock_saves_energy():
    out = hand([0, 0, 0], [0.5, 1, 0.25], local_dvfs=True)[-1]
    np.testing.assert_allclose(out.latency_s, [50e-3, 25e-3, 100e-3])
    np.testing.assert_allclose(out.energy_j, [0.05, 0.2, 0.0125])  # with the square of the clock
    out = hand([0, 0, 0], [0.5, 1, 0.25])[-1]
    np.testing.assert_allclose(out.latency_s, 25e-3)  # otherwise the share is ignored


def test_unequal_processors_by_hand():
    numbers = {"cv_cpu_hz": [1e9, 2e9, 4e9], "es_cpu_hz": [20e9, 40e9], "es_kappa": [1e-29, 1e-30]}
    numbers |= {"es_bandwidth_hz": [20e6, 40e6]}
    np.testing.assert_allclose(hand([0, 0, 0], [1, 1, 1], **numbers)[-1].latency_s, [50e-3, 25e-3, 12.5e-3])
    _, _, grants, _, out = hand([1, 2, 0], [0.5, 0.5, 1], **numbers)
    np.testing.assert_allclose(grants.cpu_hz[:2], [[10e9, 0], [0, 20e9]])
    np.testing.assert_allclose(grants.bw_hz[:2], [[10e6, 0], [0, 20e6]])
    np.testing.assert_allclose(out.e_es_j, [0.05, 1e-30 * 5e7 * 4e20, 0])


def test_thermal_noise_grows_with_the_band():
    # 10 MHz at 1e-12 W/Hz add 1e-5 W to the noise: 2e-5 W over (2/3 + 1) 1e-5 W are 1.2
    links = hand([1, 0, 0], [0.5, 1, 1], noise_psd_w_hz=1e-12)[3]
    np.testing.assert_allclose(links.rate_bps[0, 0], 10e6 * np.log2(1 + 1.2))


def test_other_path_loss_models_by_hand():
    free = V2xOffload(n_vehicles=3, n_servers=2, pathloss="free_space")
    # (4 pi * 100 m * 2e9 Hz / c)^2
    snr = 0.2 / (4 * np.pi * 100 * 2e9 / 299792458) ** 2 / 1e-12
    links = hand([1, 0, 0], [0.5, 1, 1], env=free, noise_w=1e-12)[3]
    np.testing.assert_allclose(links.rate_bps[0, 0], 10e6 * np.log2(1 + snr))


def test_a_divided_task_by_hand():
    # vehicle 0: parts 1/4, 1/2, 1/4; vehicle 1: 3/4 and 1/4 to the servers, its own part is below 5 % and dropped; vehicle 2:
    # 1 % for server 1 is dropped
    split = np.log([[1, 2, 1], [1e-9, 3, 1], [1, 1, 0.02]]) / 5
    _, decision, grants, links, out = hand(split, [0.25, 1, 1], [0.5, 0.5, 0.5], env=SPLIT)
    np.testing.assert_allclose(decision.part, [[0.25, 0.5, 0.25], [0, 0.75, 0.25], [0.5, 0.5, 0]], atol=1e-15)
    # one share at every server in use: a quarter of 20 GHz at both, and all of the rest to the next
    np.testing.assert_allclose(grants.cpu_hz, [[5e9, 5e9], [15e9, 15e9], [0, 0]])
    np.testing.assert_allclose(grants.bw_hz, [[10e6, 0], [5e6, 10e6], [0, 0]])
    # vehicle 0: both remote parts, 75 kbit, go up to server 0 in 3.75 ms; there 2.5e7 cycles at 5 GHz take 5 ms; at server 1
    # 0.3 ms of wire and 2.5 ms; on board 6.25 ms
    np.testing.assert_allclose(links.t_up_s[0, 0], 3.75e-3)
    np.testing.assert_allclose((out.latency_s[0], out.wire_s[0], out.cpu_s[0]), (8.75e-3, 0.3e-3, 6.25e-3))
    # 0.2 W * 3.75 ms; 1e-29 * (2.5e7 + 1.25e7) * 25e18; a quarter of 0.2 J
    np.testing.assert_allclose((out.e_radio_j[0], out.e_es_j[0], out.e_loc_j[0]), (0.75e-3, 9.375e-3, 0.05))
    # vehicle 1: power in proportion to the bits, 0.15 and 0.05 W: SNR 2.25 and 0.75
    rates = [5e6 * np.log2(3.25), 10e6 * np.log2(1.75)]
    np.testing.assert_allclose(links.rate_bps[1], rates)
    up = np.array([75e3, 25e3]) / rates
    np.testing.assert_allclose(out.latency_s[1], max(up + np.array([2.5e-3, 1.25e-3 / 1.5])))
    np.testing.assert_allclose(out.e_radio_j[1], 0.15 * up[0] + 0.05 * up[1])
    # vehicle 2 has no link: the part that it keeps is done, the other never
    assert out.timeout[2]


def test_the_largest_part_is_never_dropped():
    """Three equal parts and a least part of 40 %: somebody has to do the task."""
    decision = hand(np.zeros((3, 3)), [1, 1, 1], env=SPLIT, split_min=0.4)[1]
    np.testing.assert_allclose(decision.part, 1 / 3)
    decision = hand(np.log([[2, 1, 1]] * 3) / 5, [1, 1, 1], env=SPLIT, split_min=0.6)[1]
    np.testing.assert_allclose(decision.part, [[1, 0, 0]] * 3)


@pytest.mark.parametrize(
    ("boundary", "place", "turns"), [("reflect", [990, 990], [0, 0.5]), ("open", [1010, 1010], [0, 0])]
)
def test_vehicles_move_and_are_reflected(boundary, place, turns):
    # at 20 m/s for half a second: from (995, 500) to the east, from (500, 1000) to the north, after a turn to the left
    env = V2xOffload(n_vehicles=3, n_servers=2, boundary=boundary)
    start = {"pos_m": np.array([[1000.0, 500.0], [500.0, 1000.0], [5.0, 3.0]])}
    state = hand_state(track=np.array([0.0, 0.5, np.pi]) * np.pi - 0.2, **start)
    given = {"n_heading": np.full(3, 0.4), "u_task": np.full(3, 0.5), "e_fade": FADE}
    given |= {"n_bg": np.zeros(2), "u_twin": np.zeros((2, 2))}
    with jax.enable_x64(True):
        params = NUMBERS.replace(speed_mps=20.0, slot_s=0.5, heading_sigma_rad=0.5)
        after = jax.jit(lambda *a: next_slot.advance(env, *a))(state, given, params)
    np.testing.assert_allclose(after.pos_m[0], [place[0], 500])
    np.testing.assert_allclose(after.pos_m[1], [500, place[1]], atol=1e-9)
    heading = np.array([np.pi, 1.5 * np.pi]) if boundary == "reflect" else np.array([0, 0.5 * np.pi])
    np.testing.assert_allclose(after.track[:2], heading, atol=1e-9)
    assert after.t == 1
    np.testing.assert_allclose(after.task_bits, 100e3)


class Parade(mobility.Mobility):
    """Vehicles that drive east, each at a speed of its own."""

    numbers = ("n_vehicles", "area_m", "slot_s")
    constant_speed = True

    def reset_shapes(self, sizes, params):
        return dict.fromkeys(("x_m", "speed_mps"), (sizes.n_vehicles,))

    def start(self, draws, sizes, params):
        x_m = params.area_m * draws["x_m"]
        return mobility.Motion(x_m, jnp.full_like(x_m, 7), 20 * draws["speed_mps"], jnp.ones(x_m.shape, bool), None)

    def advance(self, motion, draws, sizes, params):
        return motion._replace(x_m=motion.x_m + motion.velocity_mps * params.slot_s)


@pytest.mark.slow
def test_vehicles_may_move_otherwise(monkeypatch):
    """With a model from outside that knows no headings and draws nothing in a slot, but has speeds."""
    monkeypatch.setattr(mobility.MODELS, "_others", {})
    jaxvec.register("parade", Parade(), kind="mobility")
    env, params = jaxvec.make("v2x_offload", n_vehicles=3, n_servers=2, mobility="parade", slot_s=0.5)
    keys = world_keys(jax.random.key(0), 5)
    assert "n_heading" not in jax.eval_shape(env.draw_step, keys, params)
    first, _ = env.reset(keys, params)
    action = {GROUP: {name: jnp.zeros((3, 5)) for name in ("power", "cpu", "bandwidth")}}
    action[GROUP]["target"] = jnp.zeros((3, 5), jnp.int32)
    after, _ = env.step(keys, first, action, params)
    np.testing.assert_allclose(after.pos_m[:, 0], first.pos_m[:, 0] + 0.5 * first.velocity_mps, rtol=1e-6)
    assert (after.pos_m[:, 1] == 7).all()
    np.testing.assert_array_equal(after.velocity_mps, first.velocity_mps)
    assert len(np.unique(first.velocity_mps)) == 15


def test_the_default_places_of_servers():
    with jax.enable_x64(True):
        three = phases.server_places_m(ENV, PARAMS, 0)
        np.testing.assert_allclose(three, [[500, 800], [240.192, 350], [759.808, 350]], atol=1e-3)
        one = phases.server_places_m(V2xOffload(n_servers=1), PARAMS.replace(area_m=600.0), 0)
        np.testing.assert_allclose(one, [[300, 300]])


def test_a_world_of_one_vehicle_and_one_server():
    """It has all of the server: 100 kbit in 2 ms of computing; its turn is 0 of 0."""
    env = V2xOffload(n_vehicles=1, n_servers=1)
    rng = np.random.default_rng(0)
    config = PAIR.scenarios(env, 0)[0][0]
    draws = PAIR.reset_draws(rng, config) | {"u_pos": np.full((1, 2), 0.6), "u_task": np.full(1, 0.5)}
    with jax.enable_x64(True):
        reset, step = compiled(env)
        many = stack([draws] * WORLDS)
        state, ts = reset(many, PAIR.scenarios(env, 0)[1])
        assert ts.obs.agents[GROUP].shape == (1, 6, WORLDS)
        np.testing.assert_allclose(ts.obs.agents[GROUP][0, :2, 0], [0.5, np.hypot(100, 100) / 1000])
        np.testing.assert_allclose(ts.obs.agents[GROUP][0, 3:, 0], [1, 1, 0])
        full = {name: np.ones((1, WORLDS)) for name in ("power", "cpu", "bandwidth")}
        action = {GROUP: full | {"target": np.ones((1, WORLDS), np.int64)}}
        later = stack([PAIR.step_draws(rng, config)] * WORLDS)
        info = jax.tree.map(np.asarray, step(state, action, later, PAIR.scenarios(env, 0)[1])[1].info)
    np.testing.assert_allclose(info["turn_cpu_hz"][0, 0, 0], 25e9)
    np.testing.assert_allclose(info["latency_cpu_mean_s"][0], 5e7 / 25e9)
    assert (info["cpu_util"][0], info["bw_util"][0], info["jain_latency"][0]) == (1, 1, 1)


# ------------------------------------------------------------------------------------------- any state, any action, any mode


@cache
def some_states(env, seed):
    """Fresh worlds of random scenarios, draws of a slot, and the scenarios' parameters."""
    rng = np.random.default_rng(seed)
    configs, params = PAIR.scenarios(env, seed)
    states = [PAIR.reset_from(PAIR.reset_draws(rng, config), config) for config in configs]
    return PAIR.batch(states), single(stack([PAIR.step_draws(rng, config) for config in configs])), single(params)


def slot(env, which, action, **changes):
    """The slot of one of the sets of states, as NumPy: state before, state after, timestep, parameters."""
    state, draws, params = some_states(env, which)
    after, ts = compiled(env)[1](state, {GROUP: action}, draws, params.replace(**changes))
    return jax.tree.map(np.asarray, (state, after, ts, params))


SETS = 3
anything = st.floats(-1e9, 1e9, width=32) | st.floats(-1.25, 1.25, width=32) | st.sampled_from([-1.0, 0.0, 1.0])


def any_action(env):
    def one(space):
        shape = (env.n_vehicles, *space.shape, WORLDS)
        if isinstance(space, Box):
            return hnp.arrays(np.float32, shape, elements=anything)
        return hnp.arrays(np.int32, shape, elements=st.integers(0, space.n - 1))

    return st.fixed_dictionaries({name: one(space) for name, space in env.action_space[GROUP].items()})


both = pytest.mark.parametrize("env", [ENV, PARTS], ids=["targets", "parts"])
TINY = 1e-5  # what float32 may add to a sum of shares


@both
@given(data=st.data(), which=st.integers(0, SETS - 1))
def test_any_action_becomes_a_feasible_decision(env, data, which):
    state, after, ts, params = slot(env, which, data.draw(any_action(env)))
    d = ts.info
    for x in jax.tree.leaves((after, ts)):
        assert np.isfinite(x).all()
    # C1: parts of a task
    parts = d["turn_split"]
    np.testing.assert_allclose(parts.sum(1), 1, atol=TINY)
    assert (parts >= 0).all()
    if env.partition:
        assert (parts[parts > 0] >= np.broadcast_to(params.split_min, parts.shape)[parts > 0] - TINY).all()
    # C2, C3: no server gives more than it has
    free = params.es_cpu_hz * (1 - state.bg_load)
    assert (d["turn_cpu_hz"] >= 0).all()
    assert (d["turn_bw_hz"] >= 0).all()
    assert (d["turn_cpu_hz"].sum(0) <= free * (1 + TINY)).all()
    assert (d["turn_bw_hz"].sum(0) <= params.es_bandwidth_hz * (1 + TINY)).all()
    assert (d["turn_cpu_hz"] <= (parts[:, 1:] > 0) * free).all()  # only where there is work
    # rates where there is a band, and nothing lasts longer than the deadline
    assert (d["turn_rate_bps"][d["turn_bw_hz"] == 0] == 0).all()
    assert (d["turn_latency_s"] <= params.deadline_s).all()
    np.testing.assert_array_equal(d["turn_latency_s"] == params.deadline_s, d["turn_timeout"])


@both
@given(data=st.data(), which=st.integers(0, SETS - 1))
def test_sums_and_means_add_up(env, data, which):
    _, _, ts, params = slot(env, which, data.draw(any_action(env)))
    d = ts.info
    parts = d["energy_radio_mean_j"] + d["energy_cpu_local_mean_j"] + d["energy_cpu_es_mean_j"]
    np.testing.assert_allclose(parts, d["energy_mean_j"], rtol=1e-5)
    np.testing.assert_allclose(d["frac_local"] + d["frac_near"] + d["frac_remote"], 1, atol=TINY)
    w = params.weight_latency
    cost = w * d["turn_latency_s"] / params.latency_ref_s + (1 - w) * d["turn_energy_j"] / params.energy_ref_j
    np.testing.assert_allclose(d["turn_cost"], cost, rtol=1e-5)
    worth = params.reward_offset - cost
    np.testing.assert_allclose(d["reward_mean"], worth.mean(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(d["reward_min"], worth.min(0), rtol=1e-5, atol=1e-5)
    team = 1.0 if env.shared_reward else params.team_weight
    expected = team * worth.mean(0) + (1 - team) * worth
    np.testing.assert_allclose(ts.reward[GROUP], expected, rtol=2e-5, atol=2e-5 * np.abs(worth).max())
    slowest = np.maximum(d["latency_up_mean_s"], d["latency_cpu_mean_s"])
    assert (slowest <= d["latency_mean_s"] * (1 + TINY)).all()
    assert (d["latency_mean_s"] <= d["latency_max_s"] * (1 + TINY)).all()
    assert ((d["jain_latency"] > 0.09) & (d["jain_latency"] <= 1 + TINY)).all()


@both
@given(data=st.data(), which=st.integers(0, SETS - 1), factor=st.floats(1.01, 10))
def test_more_of_a_pool_never_makes_a_task_later(env, data, which, factor):
    action, params = data.draw(any_action(env)), some_states(env, which)[2]
    latency = slot(env, which, action)[2].info["turn_latency_s"]
    for name in ("es_cpu_hz", "es_bandwidth_hz"):
        more = slot(env, which, action, **{name: getattr(params, name) * np.float32(factor)})
        assert (more[2].info["turn_latency_s"] <= latency * (1 + TINY)).all()


def test_more_of_a_pool_does_make_tasks_earlier():
    rng, params = np.random.default_rng(0), some_states(ENV, 0)[2]
    action = single(PAIR.actions(rng, ENV))
    latency = slot(ENV, 0, action)[2].info["turn_latency_s"]
    for name in ("es_cpu_hz", "es_bandwidth_hz"):
        more = slot(ENV, 0, action, **{name: getattr(params, name) * np.float32(2)})[2].info["turn_latency_s"]
        assert (more < 0.99 * latency).sum() > 20


@both
def test_clipping_makes_what_lies_beyond_the_box_equal_to_its_edge(env):
    rng = np.random.default_rng(4)
    inside = single(PAIR.actions(rng, env))
    boxes = [name for name, space in env.action_space[GROUP].items() if isinstance(space, Box)]
    inside |= {name: rng.choice([-1.0, 1.0], inside[name].shape) for name in boxes}
    outside = inside | {name: inside[name] * rng.uniform(1, 1e6, inside[name].shape) for name in boxes}
    a, b = (slot(env, 1, single(action)) for action in (inside, outside))
    jax.tree.map(np.testing.assert_array_equal, a[1:3], b[1:3])


def test_names_of_servers_and_of_vehicles_do_not_matter():
    """Servers, or vehicles together with the order of turns, are renamed: all results are the same under the new names."""
    rng = np.random.default_rng(8)
    state, draws, params = some_states(PARTS, 2)
    action = single(PAIR.actions(rng, PARTS))
    _, _, ts, _ = slot(PARTS, 2, action)
    new = rng.permutation(3)
    vectors = ("es_pos_m", "es_cpu_hz", "es_bandwidth_hz", "es_kappa")
    renamed = state.replace(fade=state.fade[:, new], bg_load=state.bg_load[new], twin_bias=state.twin_bias[:, new])
    elsewhere = action | {"split": action["split"][:, np.array([0, *(1 + new)])]}
    other = params.replace(**{name: getattr(params, name)[new] for name in vectors})
    again = compiled(PARTS)[1](renamed, {GROUP: elsewhere}, draws, other)[1].info
    for name in ("turn_latency_s", "turn_energy_j", "cost_mean", "short_grant_rate", "frac_remote", "cpu_util"):
        np.testing.assert_allclose(again[name], ts.info[name], rtol=2e-5, atol=1e-6, err_msg=name)
    for name in ("turn_cpu_hz", "turn_bw_hz", "turn_rate_bps"):
        np.testing.assert_allclose(again[name], ts.info[name][:, new], rtol=1e-4, atol=40, err_msg=name)

    new = rng.permutation(10)
    back = np.argsort(new)
    of_vehicles = {name: getattr(state, name)[new] for name in ("pos_m", "track", "task_bits", "fade")}
    renamed = state.replace(**of_vehicles, order=jnp.asarray(back, jnp.int32)[state.order])
    other = params.replace(cv_cpu_hz=params.cv_cpu_hz[new])
    again = compiled(PARTS)[1](renamed, {GROUP: {n: x[new] for n, x in action.items()}}, draws, other)[1].info
    for name in ("turn_latency_s", "turn_energy_j", "turn_split"):
        np.testing.assert_allclose(again[name], ts.info[name][new], rtol=2e-5, atol=1e-6, err_msg=name)


def test_a_task_in_one_part_is_a_task_with_a_target():
    """A saturated split gives every number of the mode without partition."""
    whole = V2xOffload(partition=True)
    rng = np.random.default_rng(3)
    action = single(PAIR.actions(rng, ENV))
    state, draws, params = some_states(ENV, 1)
    params = params.replace(split_temp=np.full(WORLDS, 5, np.float32), split_min=np.full(WORLDS, 0.05, np.float32))
    chosen = np.arange(4)[:, None] == action.pop("target")[:, None]
    divided = action | {"split": np.where(chosen, np.float32(1), np.float32(-1))}
    action["target"] = chosen.argmax(1)
    one = compiled(ENV)[1](state, {GROUP: action}, draws, params)
    other = compiled(whole)[1](state, {GROUP: divided}, draws, params)
    for path, x in jax.tree.leaves_with_path(one):
        y = dict(jax.tree.leaves_with_path(other))[path]
        np.testing.assert_allclose(y, x, rtol=2e-5, atol=1e-6, err_msg=jax.tree_util.keystr(path))


def test_servers_may_stand_elsewhere_in_every_world():
    """Places `(N, 2)` for all worlds, `(N, 2, worlds)` for a sweep."""
    _, params = jaxvec.make("v2x_offload", n_servers=2, es_pos_m=[[200, 500], [100, 900]])
    locate = jax.jit(lambda state, params: phases.locate(HAND, state, params).dist_m)
    state = hand_state()
    both = jax.tree.map(lambda x: np.stack([x, x], -1), state)
    swept = np.stack([params.es_pos_m, params.es_pos_m[::-1]], -1)
    first = [[100, np.hypot(100, 500)], [500, np.hypot(400, 800)], [np.hypot(300, 500), np.hypot(400, 900)]]
    np.testing.assert_allclose(locate(state, params), first, rtol=1e-6)
    np.testing.assert_allclose(locate(both, params), np.stack([first, first], -1), rtol=1e-6)
    one, other = np.moveaxis(locate(both, params.replace(es_pos_m=swept)), -1, 0)
    np.testing.assert_allclose(one, first, rtol=1e-6)
    np.testing.assert_allclose(other, np.flip(first, 1), rtol=1e-6)
