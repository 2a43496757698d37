"""`isac_iov`: chance, settings, feasible decisions, and what holds for the numbers of a slot whatever is decided."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs import side_by_side
from envs.isac_iov_pair import PAIR
from envs.side_by_side import WORLDS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import isac_iov as reference
from scipy import stats

import jaxvec
from jaxvec.core.rollout import world_keys
from jaxvec.envs.isac_iov import IsacIov
from jaxvec.envs.isac_iov.observation import GROUP

ENV, PARAMS = jaxvec.make("isac_iov")
LITERAL = IsacIov(bandwidth_mode="per_vehicle", rsu_cpu_mode="common", drift_form="exact")


# ---------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", ["n_vehicles", "n_rsus", "horizon", "queue_window"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None])
def test_a_bad_size_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a whole number of at least 1, not {value!r}"):
        jaxvec.make("isac_iov", **{name: value})


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("bandwidth_mode", "system, per_vehicle"),
        ("rsu_cpu_mode", "shared, common"),
        ("drift_form", "bound, exact"),
        ("mobility", "road, trace"),
        ("pathloss", "log_distance, free_space, umi_los, umi_nlos, .*"),
    ],
)
def test_a_bad_switch_is_refused_with_what_is_accepted(name, accepted):
    with pytest.raises(ValueError, match=rf"{name} must be one of {accepted}, not 'other'"):
        jaxvec.make("isac_iov", **{name: "other"})


def test_presets_are_the_extensions_and_the_literal_paper():
    assert jaxvec.make("isac_iov", preset="background")[1].rsu_bg_prob == 0.2
    assert not jaxvec.make("isac_iov", preset="no_twin")[0].dt_enabled
    env, params = jaxvec.make("isac_iov", preset="literal")
    assert (env.bandwidth_mode, env.rsu_cpu_mode, env.drift_form) == ("per_vehicle", "common", "bound")
    assert (params.instr_bits_min, params.instr_bits_max) == (0.0, 0.0)


def test_the_default_numbers_are_those_of_the_reference():
    for name, value in vars(reference.Config()).items():
        assert getattr(PARAMS if hasattr(PARAMS, name) else ENV, name) == value, name


# ------------------------------------------------------------------------------------------------------------------ chance

MANY = 4000


@pytest.fixture(scope="module")
def draws():
    keys = world_keys(jax.random.key(2), MANY)
    reset, step = jax.jit(ENV.draw_reset)(keys, PARAMS), jax.jit(ENV.draw_step)(keys, PARAMS)
    return {name: np.asarray(x) for name, x in (reset | step).items()}


UNIFORM = {
    "x_m": (0, 700),
    "speed_mps": (12, 16),
    "veh_cpu_hz": (2e9, 3e9),
    "work_cpb": (1500, 2000),
    "align_cpb": (100, 500),
    "task_bits": (1e6, 3e6),
    "instr_bits": (1e4, 3e4),
    "q_loc_cycles": (0, 2.5e9),
    "q_rsu_cycles": (0, 18e9),
    "twin_err": (-1, 1),
    "bg_u": (0, 1),
    "bg_size": (0, 1),
    "next_task_bits": (1e6, 3e6),
    "next_instr_bits": (1e4, 3e4),
    "next_twin_err": (-1, 1),
}


def test_draws_have_the_documented_names_and_shapes(draws):
    assert set(draws) == {*UNIFORM, "lane", "h_power"}
    shapes = {1: (5, MANY), 0: (3, MANY)}
    of_rsus = {"q_rsu_cycles", "twin_err", "bg_u", "bg_size", "next_twin_err"}
    for name, x in draws.items():
        assert x.shape == ((5, 3, MANY) if name == "h_power" else shapes[name not in of_rsus]), name


@pytest.mark.parametrize("name", UNIFORM)
def test_draws_are_uniform_over_their_ranges(draws, name):
    low, high = UNIFORM[name]
    assert stats.kstest(draws[name].ravel(), stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_lanes_are_equally_likely_and_fading_is_exponential_with_mean_one(draws):
    assert stats.chisquare(np.bincount(draws["lane"].ravel(), minlength=4)).pvalue > 1e-3
    assert draws["lane"].min() == 0
    assert draws["lane"].max() == 3
    assert stats.kstest(draws["h_power"].ravel(), stats.expon().cdf).pvalue > 1e-3


def test_draws_are_uncorrelated(draws):
    reset = ("x_m", "lane", "speed_mps", *[name for name in UNIFORM if name in ENV_RESET])
    for names in (reset, [name for name in draws if name not in reset]):
        rows = np.concatenate([draws[name].reshape(-1, MANY) for name in names])
        correlation = np.corrcoef(rows) - np.eye(len(rows))
        assert np.abs(correlation).max() < 5 / np.sqrt(MANY)


ENV_RESET = {
    "veh_cpu_hz",
    "work_cpb",
    "align_cpb",
    "task_bits",
    "instr_bits",
    "q_loc_cycles",
    "q_rsu_cycles",
    "twin_err",
}


def test_lanes_lie_and_lead_as_on_the_papers_road(draws):
    reset, _ = side_by_side.compiled(ENV)
    names = set(draws) & (ENV_RESET | {"x_m", "lane", "speed_mps"})
    state, _ = reset({name: draws[name][..., :WORLDS] for name in names}, PARAMS)
    lane = draws["lane"][..., :WORLDS]
    np.testing.assert_allclose(state.y_m, np.float32([-5.625, -1.875, 1.875, 5.625])[lane])
    np.testing.assert_array_equal(np.sign(state.velocity_mps), np.where(lane <= 1, 1, -1))
    np.testing.assert_array_equal(np.abs(state.velocity_mps), draws["speed_mps"][..., :WORLDS])


# ------------------------------------------------------------------------------------------- any state, any action, any mode


@cache
def some_states(seed):
    """States of the reference after a few slots of random scenarios, draws of a slot, and the scenarios' parameters."""
    rng = np.random.default_rng(seed)
    configs, params = PAIR.scenarios(ENV, seed)
    states = []
    for config in configs:
        state = reference.reset_from(reference.reset_draws(rng, config), config)
        for _ in range(rng.integers(0, 4)):
            action = {name: a[..., 0] for name, a in PAIR.actions(rng, ENV, 1).items()}
            state = reference.step_from(state, action, reference.step_draws(rng, config), config)[0]
        states.append(state)
    draws = side_by_side.stack([reference.step_draws(rng, config) for config in configs])
    return PAIR.batch(states), draws, params


SETS = 3
anything = st.floats(-1e9, 1e9, width=32) | st.floats(-1.25, 1.25, width=32) | st.sampled_from([-1.0, 0.0, 1.0])
any_action = st.fixed_dictionaries(
    {
        name: hnp.arrays(np.float32, (ENV.n_vehicles, *box.shape, WORLDS), elements=anything)
        for name, box in ENV.action_space[GROUP].items()
    }
)
TINY = 1e-5  # what float32 may add to a sum of shares


def slot(env, which, action):
    """The slot of one of the sets of states, as NumPy: state before, state after, timestep, parameters."""
    state, draws, params = some_states(which)
    _, step = side_by_side.compiled(env)
    after, ts = step(state, {GROUP: action}, draws, params)
    return jax.tree.map(np.asarray, (state, after, ts, params))


@pytest.mark.parametrize("env", [ENV, LITERAL], ids=["default", "literal"])
@given(which=st.integers(0, SETS - 1), action=any_action)
def test_any_action_becomes_a_feasible_decision(env, which, action):
    state, _, ts, params = slot(env, which, action)
    d = ts.info
    for x in jax.tree.leaves(ts):
        assert np.isfinite(x).all()
    # C5: parts of a task, only to RSUs in range, none below the cut
    np.testing.assert_allclose(d["ell_loc"] + d["ell_rsu"].sum(1), 1, atol=TINY)
    assert (d["ell_loc"] >= 0).all()
    assert (d["ell_rsu"] >= 0).all()
    x_rsu = params.road_length_m / 2 + np.arange(-1, 2)[:, None] * params.rsu_spacing_m
    ground = np.hypot(x_rsu - state.x_m[:, None], (state.y_m - params.rsu_lateral_m)[:, None])
    assert not (d["active"] & (ground > params.rsu_range_m + 1e-3)).any()
    np.testing.assert_array_equal(d["active"], d["ell_rsu"] > 0)
    parts = np.concatenate([d["ell_loc"][:, None], d["ell_rsu"]], 1)
    assert (parts[parts > 0] >= np.broadcast_to(params.split_cut, parts.shape)[parts > 0] - TINY).all()
    # C4: the band, of everyone or of each vehicle
    assert (d["share"] >= 0).all()
    assert (d["share"].sum((0, 1) if env.bandwidth_mode == "system" else 1) <= 1 + TINY).all()
    # C6: the processors, with the twin's part left out; one that nobody uses works off its backlog at full speed
    free = params.rsu_cpu_hz - params.twin_cpu_hz
    assert (d["f_rsu_hz"] <= free * (1 + TINY)).all()
    used = d["active"].any(0)
    np.testing.assert_allclose(d["f_rsu_hz"][~used], free[~used], rtol=1e-6)
    together = d["freq_hz"].sum(0) if env.rsu_cpu_mode == "shared" else d["freq_hz"].max(0)
    np.testing.assert_allclose(d["f_rsu_hz"][used], together[used], rtol=1e-5)
    # an active link has band and cycles, another has neither
    for given_to in (d["share"], d["freq_hz"]):
        np.testing.assert_array_equal(given_to > 0, d["active"])


@pytest.mark.parametrize("env", [ENV, LITERAL], ids=["default", "literal"])
@given(which=st.integers(0, SETS - 1), action=any_action)
def test_work_is_conserved_and_energies_add_up(env, which, action):
    state, after, ts, params = slot(env, which, action)
    d = ts.info
    for hist, before, q, service in (
        (after.hist_loc, state.q_loc_cycles, after.q_loc_cycles, state.veh_cpu_hz * params.slot_s),
        (after.hist_rsu, state.q_rsu_cycles, after.q_rsu_cycles, d["f_rsu_hz"] * params.slot_s),
    ):
        backlog, came, went = hist[-1]
        np.testing.assert_array_equal(backlog, before)
        room = 1e-6 * (before + came + service)
        assert (np.abs(before + came - q - went) <= room).all()  # nothing is lost, nothing comes from nowhere
        assert (went <= service + room).all()
        assert ((q <= room) | (went >= service - room)).all()  # a processor does not idle while work waits
    tasks = state.task_bits * state.work_cpb
    np.testing.assert_allclose(after.hist_loc[-1, 1], d["ell_loc"] * tasks, rtol=1e-5)
    sent = d["ell_rsu"] * (tasks[:, None] + d["eta"] * (state.task_bits * state.align_cpb)[:, None])
    assert (after.hist_rsu[-1, 1] >= sent.sum(0) * (1 - 1e-5)).all()  # and background work on top
    parts = d["energy_local_j"] + d["energy_rsu_j"] + d["energy_tx_j"]
    np.testing.assert_allclose(parts, d["energy_mean_j"], rtol=1e-5)
    np.testing.assert_allclose(d["energy_j"].sum(0), d["energy_total_j"], rtol=1e-5)
    np.testing.assert_allclose(d["energy_total_j"], d["energy_mean_j"] * env.n_vehicles, rtol=1e-5)
    excess = d["energy_total_j"] - params.energy_budget_j * env.n_vehicles
    np.testing.assert_allclose(after.v_energy_j, np.maximum(state.v_energy_j + excess, 0), rtol=1e-4, atol=0.05)
    parts = sum(d[name] for name in ("r_cost", "r_drift_loc", "r_drift_rsu", "r_drift_energy"))
    np.testing.assert_allclose(
        parts - params.violation_penalty * d["violation_rate"], d["reward"], rtol=1e-4, atol=1e-3
    )
    np.testing.assert_array_equal(ts.reward[GROUP], np.broadcast_to(d["reward"], ts.reward[GROUP].shape))


@given(which=st.integers(0, SETS - 1), action=any_action)
def test_the_upload_takes_the_shorter_of_two_ways(which, action):
    """P2: `d_up <= d_data` on every link; at fixed decisions, allowing the instruction never lengthens an upload."""
    state, draws, params = some_states(which)
    _, step = side_by_side.compiled(ENV)
    never = state.replace(align_cpb=np.full(state.align_cpb.shape, 1e9, np.float32))
    both, data_only = (
        jax.tree.map(np.asarray, step(s, {GROUP: action}, draws, params)[1].info) for s in (state, never)
    )
    assert not data_only["eta"].any()
    np.testing.assert_array_equal(data_only["d_up_s"], data_only["d_data_s"])
    np.testing.assert_allclose(both["d_data_s"], data_only["d_data_s"], rtol=1e-6)
    assert (both["d_up_s"] <= both["d_data_s"]).all()
    assert (both["d_up_s"] <= data_only["d_up_s"] * (1 + 1e-6)).all()
    assert (both["d_up_s"] < both["d_data_s"])[both["eta"]].all()


def test_the_largest_part_stays_whatever_the_cut():
    """Four equal parts and a cut of 30 %: somebody has to do the task."""
    state, draws, params = some_states(0)
    state = state.replace(x_m=jnp.full_like(state.x_m, 350.0))  # between all three RSUs
    nothing = {name: np.zeros((5, *box.shape, WORLDS), np.float32) for name, box in ENV.action_space[GROUP].items()}
    _, step = side_by_side.compiled(ENV)
    cut = params.replace(split_cut=np.full(WORLDS, 0.3))
    d = step(state, {GROUP: nothing}, draws, cut)[1].info
    np.testing.assert_allclose(d["ell_loc"] + d["ell_rsu"].sum(1), 1, rtol=1e-5)


def test_clipping_makes_what_lies_beyond_the_box_equal_to_its_edge():
    rng = np.random.default_rng(4)
    inside = {name: rng.choice([-1.0, 1.0], (5, *box.shape, WORLDS)) for name, box in ENV.action_space[GROUP].items()}
    outside = {name: x * rng.uniform(1, 1e6, x.shape) for name, x in inside.items()}
    for which in range(SETS):
        a, b = (slot(ENV, which, jax.tree.map(np.float32, action)) for action in (inside, outside))
        jax.tree.map(np.testing.assert_array_equal, a[1:3], b[1:3])


# ---------------------------------------------------------------------------------------------------------- the radio by hand


def at_distance(distance_m, model="log_distance", **numbers):
    """One slot in float64: five vehicles side by side so far from the middle RSU, which alone they use; unit fading.

    Returns:
        Their rates and shares on that link, (vehicle, world).
    """
    env = IsacIov(pathloss=model)
    far = np.broadcast_to(np.asarray(distance_m, float), WORLDS)
    x_m = 350 - np.sqrt(far**2 - (1.875 - 9.375) ** 2 - 10**2)  # lane 2, RSUs at 9.375 m and 10 m high
    config = reference.Config()
    draws = reference.reset_draws(np.random.default_rng(1), config) | {"lane": np.full(5, 2)}
    states = [reference.reset_from(draws | {"x_m": np.full(5, x)}, config) for x in x_m]
    slot_draws = reference.step_draws(np.random.default_rng(2), config) | {"h_power": np.ones((5, 3))}
    params = jax.tree.map(lambda x: np.full(WORLDS, x), PARAMS).replace(**numbers)
    split = np.full((5, 4, WORLDS), -1.0)
    split[:, 2] = 1.0
    action = {"split": split, "bandwidth": np.ones((5, 3, WORLDS)), "rsu_cpu": np.ones((5, 3, WORLDS))}
    with jax.enable_x64(True):
        drawn = side_by_side.stack([slot_draws] * WORLDS)
        info = radio(env)(PAIR.batch(states), {GROUP: action}, drawn, params)
        return tuple(np.asarray(x)[:, 1] for x in info)


@cache
def radio(env):
    """The part of a slot that gives the rates and shares."""

    def rates(*arguments):
        info = env.step_from(*arguments)[1].info
        return info["rate_bps"], info["share"]

    return jax.jit(rates)


def test_the_rate_by_hand():
    """P1: at 100 m, unit fading and a share of 0.2 the rate is 98.86 Mbit/s; it is proportional to sensing gain and band."""
    # gain -38.4 - 42 = -80.4 dB, SNR 1 W / 1e-13 W * 10^-8.04 = 91201; 1.5 * 0.2 * 20e6 * log2(91202) = 98.86e6
    rate, share = at_distance(100.0)
    np.testing.assert_allclose(share, 0.2)
    np.testing.assert_allclose(rate, 98.86e6, rtol=5e-5)
    factor = np.linspace(0.1, 3, WORLDS)
    for name, value in (("sensing_gain", 1.5), ("bandwidth_hz", 20e6)):
        scaled, _ = at_distance(100.0, **{name: value * factor})
        np.testing.assert_allclose(scaled, rate * factor, rtol=1e-12)


def test_the_rate_is_proportional_to_the_share():
    """P1, for links at any place: rate / share is the same whatever the requests."""
    rng = np.random.default_rng(3)
    split = PAIR.actions(rng, ENV)["split"]
    per_share = []
    for _ in range(2):
        action = {**PAIR.actions(rng, ENV), "split": split}
        d = slot(ENV, 0, jax.tree.map(np.float32, action))[2].info
        per_share.append(d["rate_bps"][d["active"]] / d["share"][d["active"]])
    np.testing.assert_allclose(*per_share, rtol=1e-5)


def test_the_rate_falls_with_the_distance():
    """P1: `rate` falls with `dist`."""
    rate, _ = at_distance(np.linspace(20, 190, WORLDS))
    assert (np.diff(rate, axis=-1) < 0).all()


def test_other_path_loss_models_change_the_rate_as_they_should():
    # the paper's formula is that of a street canyon in line of sight at 2 GHz to 0.02 dB, up to the breakpoint at
    # 4 * 0.5 m * 9 m * 2e9 / 3e8 = 120 m; beyond it, and behind corners, less arrives
    distance_m = np.linspace(20, 190, WORLDS)
    rate = {model: at_distance(distance_m, model)[0][0] for model in ("log_distance", "umi_los", "umi_nlos")}
    near = distance_m < 115
    np.testing.assert_allclose(rate["umi_los"][near], rate["log_distance"][near], rtol=1e-3)
    assert (rate["umi_los"][~near] < rate["log_distance"][~near]).all()
    assert (rate["umi_nlos"] < 0.99 * rate["umi_los"]).all()


# ------------------------------------------------------------------------------------------------------------- the objective


def test_the_minimiser_trades_cost_for_drift_as_v_grows():
    """P10: among fixed joint actions in one state, the minimiser of V C + D has C non-increasing and D non-decreasing in V."""
    n, rng, config = 60, np.random.default_rng(6), reference.Config()
    state = reference.reset_from(reference.reset_draws(rng, config), config)
    for _ in range(3):
        state = reference.step_from(
            state, reference.all_local(state, config), reference.step_draws(rng, config), config
        )[0]
    in_one_state = PAIR.batch([state] * n)
    draws = side_by_side.stack([reference.step_draws(rng, config)] * n)
    candidates = jax.tree.map(lambda x: x * rng.choice([0.3, 1.0, 2.0], n), PAIR.actions(rng, ENV, n))
    _, step = side_by_side.compiled(ENV)
    best = []
    for v in (0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 1000.0):
        d = step(in_one_state, {GROUP: candidates}, draws, PARAMS.replace(lyapunov_v=v))[1].info
        drift = -(d["r_drift_loc"] + d["r_drift_rsu"] + d["r_drift_energy"])
        chosen = int(np.argmax(d["reward"]))
        best.append((d["cost_mean"][chosen], drift[chosen]))
    cost, drift = np.array(best).T
    assert (np.diff(cost) <= 1e-6).all()
    assert (np.diff(drift) >= -1e-6).all()
    assert cost[-1] < cost[0] - 0.01  # and V does matter
    assert drift[-1] > drift[0] + 0.01


def test_the_exact_drift_telescopes():
    """Summed over slots it is the change of the Lyapunov function, so that oscillation earns nothing (36)."""
    env = IsacIov(drift_form="exact")
    total = 0.0
    with jax.enable_x64(True):
        for configs, state, ts, _ in PAIR.play(env, seed=7, slots=10):
            queues = [
                state.q_loc_cycles / np.array([c.q_loc_ref_cycles for c in configs]),
                state.q_rsu_cycles / np.array([c.q_rsu_ref_cycles for c in configs]),
                state.v_energy_j[None] / np.array([c.energy_ref_j for c in configs]) * env.n_vehicles**0.5,
            ]
            level = sum(np.sum(np.square(q), 0) / 2 for q in queues)
            if ts.info:
                drift = ts.info["r_drift_loc"] + ts.info["r_drift_rsu"] + ts.info["r_drift_energy"]
                total = total - np.asarray(drift) * env.n_vehicles
            else:
                start = level
    np.testing.assert_allclose(total, level - start, rtol=1e-9)
