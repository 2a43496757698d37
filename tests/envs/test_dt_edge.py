"""`dt_edge`: settings, chance, slots worked by hand, and what holds for a slot whatever is decided."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.dt_edge_pair import DRAWN, PAIR
from envs.side_by_side import WORLDS, compiled, single, stack
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import dt_edge as reference
from scipy import special, stats

import jaxvec
from jaxvec.core.rollout import world_keys
from jaxvec.core.spaces import Box
from jaxvec.envs import mobility
from jaxvec.envs.dt_edge import DtEdge
from jaxvec.envs.dt_edge import slot as phases
from jaxvec.envs.dt_edge.observation import GROUP
from jaxvec.envs.dt_edge.params import Params

ENV, PARAMS = jaxvec.make("dt_edge")
DENSE = DtEdge(bandwidth_shared=False, queue_wait=True)
N, K = 10, 3


# ---------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", ["n_vehicles", "n_types", "horizon", "n_lanes"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True])
def test_a_bad_size_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a whole number of at least 1, not {value!r}"):
        jaxvec.make("dt_edge", **{name: value})


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("latency_combine", "sum, max"),
        ("reward_mode", "p2, eq27"),
        ("drift_mode", "exact, bound"),
        *((name, "True, False") for name in ("bandwidth_shared", "queue_wait", "shared_reward")),
        ("pathloss", ".*macro, free_space.*"),
        ("mobility", "passing.*"),
    ],
)
def test_a_bad_switch_is_refused_with_what_is_accepted(name, accepted):
    with pytest.raises(ValueError, match=rf"{name} must be one of {accepted}, not 'other'"):
        jaxvec.make("dt_edge", **{name: "other"})


@pytest.mark.parametrize("name", ["server_cpu_hz", "t_max_s", "alpha_min", "rate_min_bps"])
def test_a_number_that_must_be_positive_is_checked(name):
    with pytest.raises(ValueError, match=rf"{name} = 0.* \(must be "):
        jaxvec.make("dt_edge", **{name: 0})


@pytest.mark.parametrize("preset", reference.PRESETS)
def test_presets_are_those_of_the_reference(preset):
    env, params = jaxvec.make("dt_edge", preset=preset)
    numbers, sizes = reference.preset(preset)
    for name, value in (vars(numbers) | vars(sizes)).items():
        assert getattr(params if hasattr(params, name) else env, name) == value, name
    assert env.discount == 0.0
    assert set(env.presets) == set(reference.PRESETS)


def test_numbers_that_follow_from_others():
    assert PARAMS.task_bits_mean == 1e6
    assert PARAMS.edge_full_power_w == pytest.approx(10)
    assert jaxvec.make("dt_edge", preset="table1")[1].edge_full_power_w == pytest.approx(0.01)
    assert jaxvec.make("dt_edge", preset="dense")[1].edge_full_power_w == pytest.approx(10)
    assert reference.reference_energy(reference.Params(), reference.Sizes()) == pytest.approx(23.4375)


def test_sizes_of_spaces_follow_the_counts():
    env = DtEdge(n_vehicles=4, n_types=2)
    assert env.observation_space[GROUP].shape == (7,)  # 2 * 2 + 3
    assert env.world_size == 22  # 4 * (2 + 3) + 2
    assert env.action_space[GROUP] == dict.fromkeys(("offload", "share"), Box(0.0, 1.0, (2,)))
    assert (ENV.observation_space[GROUP].shape, ENV.world_size) == ((9,), 63)
    assert env.team_reward
    assert not DtEdge(shared_reward=False).team_reward


# ------------------------------------------------------------------------------------------------------------------ chance

MANY = 4000


@pytest.fixture(scope="module")
def draws():
    keys = world_keys(jax.random.key(2), MANY)
    params = PARAMS.replace(cpu_bias_halfwidth_hz=0.3e9)
    return jax.tree.map(np.asarray, (jax.jit(ENV.draw_reset)(keys, params), jax.jit(ENV.draw_step)(keys, params)))


def test_draws_are_distributed_as_documented(draws):
    first = {
        "x_m": ((N,), stats.uniform(-500, 1000)),
        "speed_mps": ((N,), stats.uniform(10, 5)),
        "shadow_db": ((N,), stats.norm(0, 8)),
        "fading_re": ((N,), stats.norm(0, 0.5**0.5)),
        "fading_im": ((N,), stats.norm(0, 0.5**0.5)),
        "task_bits": ((N, K), stats.uniform(0.8e6, 0.4e6)),
        "u_bias": ((N, K), stats.uniform(-1, 2)),
    }
    later = {
        "z_shadow": ((N,), stats.norm()),
        "z_fading": ((N, 2), stats.norm()),
        "u_task": ((N, K), stats.uniform()),
    }
    for drawn, expected in zip(draws, (first, later), strict=True):
        assert set(drawn) == set(expected)
        for name, (shape, law) in expected.items():
            assert drawn[name].shape == (*shape, MANY), name
            assert stats.kstest(drawn[name].ravel(), law.cdf).pvalue > 1e-3, name
        rows = np.concatenate([x.reshape(-1, MANY) for x in drawn.values()])
        assert np.abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 5.5 / np.sqrt(MANY)


def test_fading_and_shadowing_keep_their_laws_and_are_correlated_as_documented(draws):
    """E|s|^2 = 1 and correlation J0(2 pi v f tau / c) with the slot before; shadows of 8 dB, exp(-v tau / 50 m)."""
    reset, step = draws
    slot_s = np.where(np.arange(MANY) % 2, 0.1, 0.002).astype(np.float32)  # nearly forgotten, and hardly
    params = PARAMS.replace(speed_min_mps=12.0, speed_max_mps=12.0, slot_s=slot_s, shadow_decorr_m=2.0)
    start = reset | {"speed_mps": np.full((N, MANY), 12, np.float32)}
    action = {GROUP: {name: np.full((N, K, MANY), 0.5, np.float32) for name in ("offload", "share")}}
    state, ts = jax.jit(ENV.reset_from)(start, params)
    after, _ = jax.jit(ENV.step_from)(state, action, step, params)
    assert np.isfinite(ts.obs.agents[GROUP]).all()  # also where all have one speed
    np.testing.assert_allclose(ts.obs.agents[GROUP][:, K + 1], 0)
    for half, tau in ((slice(1, None, 2), 0.1), (slice(0, None, 2), 0.002)):
        old, new = (np.asarray(s.fading_re + 1j * s.fading_im)[:, half] for s in (state, after))
        error = 4 / np.sqrt(old.size)
        rho = special.j0(2 * np.pi * 12 * 2e9 / 3e8 * tau)
        np.testing.assert_allclose(np.asarray(state.fading_corr)[:, half], rho, atol=1e-5)
        assert np.mean(np.abs(new) ** 2) == pytest.approx(1, abs=error)
        correlation = np.mean(new * old.conj())
        assert correlation.real == pytest.approx(rho, abs=error)
        assert correlation.imag == pytest.approx(0, abs=error)
        old, new = (np.asarray(s.shadow_db)[:, half] for s in (state, after))
        assert new.std() == pytest.approx(8, rel=3 / np.sqrt(2 * new.size))
        assert np.mean(new * old) / 64 == pytest.approx(np.exp(-12 * tau / 2), abs=error)


# ------------------------------------------------------------------------------------------------------------ slots by hand

FLOOR, TOP = 0.005, 0.25


def action_for(omega, alpha):
    """The action that asks for a ratio and a share."""
    share = np.log(max(alpha, FLOOR) / FLOOR) / np.log(TOP / FLOOR)
    return {GROUP: {name: np.full((N, K, WORLDS), x, np.float32) for name, x in (("offload", omega), ("share", share))}}


def worked(env, action, queue_bits=0.0, **numbers):
    """A slot of ten vehicles 250 m from the mast, with mean tasks, at 12.5 m/s, without shadowing and fading."""
    first = {
        **{"x_m": 249.7274, "speed_mps": 12.5, "shadow_db": 0.0, "fading_re": 1.0, "fading_im": 0.0},
        **{"task_bits": 1e6, "u_bias": 0.0},
    }
    wide = {"task_bits", "u_bias"}
    draws = {n: np.full((N, K, WORLDS) if n in wide else (N, WORLDS), x, np.float32) for n, x in first.items()}
    later = {"z_shadow": (N,), "z_fading": (N, 2)}
    later = {n: np.zeros((*shape, WORLDS), np.float32) for n, shape in later.items()}
    later["u_task"] = np.full((N, K, WORLDS), 0.5, np.float32)
    known = {name: x for name, x in vars(PARAMS.replace(**numbers)).items() if x is not None}
    leaves = {name: np.full(WORLDS, x, np.float32) for name, x in known.items()}
    leaves |= {name: leaves[name][None].repeat(K, 0) for name in ("cycles_per_bit", "t_max_s")}
    params = Params(**leaves)
    reset, step = compiled(env)
    state, _ = reset(draws, params)
    first_lane = jnp.broadcast_to(params.lane_offset_m, state.y_m.shape)
    state = state.replace(y_m=first_lane, queue_bits=state.queue_bits + queue_bits)
    after, ts = step(state, action, later, params)
    return jax.tree.map(np.asarray, (after, ts))


CASES = {  # in ms, J and -: upload, computing, local, latency, local energy, edge energy, in use, reward
    "offloaded": (ENV, action_for(1, 0.032), {}, (54.6227, 23.4962, 0, 78.1190, 0, 0.884736, 0.9975, 0.209373)),
    "too much asked for": (
        *(ENV, action_for(0.4, 0.2), {}),
        (21.8491, 9.3750, 37.5, 68.7241, 14.0625, 0.891666, 1, 0.153248),
    ),
    "starved": (ENV, action_for(1, 0), {}, (54.6227, 125.0, 0, 179.6227, 0, 0.003375, 0.1875, -0.861063)),
    "waiting": (
        *(DENSE, action_for(0.5, 0.02), {"queue_bits": 5e6, "server_cpu_hz": 100e9, "kappa_server": 1e-30}),
        (2.731137, 62.5, 31.25, 135.5436, 11.71875, 0.216, 0.75, -0.422540),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_slots_worked_by_hand(name):
    """128.1 + 37.6 log10(1/4) = 105.46 dB of loss: 20e6 / N log2(1 + 0.2 * 10^-10.546 / 1e-14) bit/s."""
    env, action, numbers, expected = CASES[name]
    after, ts = worked(env, action, **numbers)
    info = ts.info
    rate = 183.0740e6 if env is DENSE else 18.30740e6
    np.testing.assert_allclose(info["rate_bps"], rate, rtol=1e-5)
    times = [1e3 * info[f"{part}_s"] for part in ("t_tx", "t_comp", "t_local", "t")]
    others = [info[part] for part in ("energy_local_j", "energy_edge_j", "capacity_used_frac")]
    for measured, value in zip([*times, *others, ts.reward[GROUP]], expected, strict=True):
        np.testing.assert_allclose(measured, value, rtol=1e-5, atol=1e-6)
    alpha = {"offloaded": 0.032, "too much asked for": 0.9625 / 30, "starved": 0.005, "waiting": 0.02}[name]
    np.testing.assert_allclose(info["alpha"], alpha, rtol=1e-5)
    assert (info["oversubscribed"] == (name == "too much asked for")).all()
    # what follows: 12.5 m/s for 0.1 s; J0(52.4)
    np.testing.assert_allclose(after.x_m, 250.9774, rtol=1e-6)
    np.testing.assert_allclose(after.shadow_db, 0, atol=1e-6)
    np.testing.assert_allclose(after.fading_re, 0.0287924, atol=2e-6)
    np.testing.assert_allclose(after.task_bits, 1e6)
    assert (after.t == 1).all()


def test_queues_of_the_worked_slots():
    # ten tasks of a megabit a type; 0.05 of 400 GHz serve 6.4 Mbit: 3.6 are left, 0.36 of what arrives in a slot
    env, action, numbers, _ = CASES["starved"]
    after, ts = worked(env, action, **numbers)
    np.testing.assert_allclose(ts.info["service_bits"], 6.4e6, rtol=1e-5)
    np.testing.assert_allclose(after.queue_bits, 3.6e6, rtol=1e-5)
    np.testing.assert_allclose(ts.info["drift_exact"], 0.5 * 0.36**2, rtol=1e-5)
    np.testing.assert_allclose(ts.info["drift_bound"], 0, atol=1e-7)
    np.testing.assert_allclose(ts.info["queue_load"], 10 / 6.4, rtol=1e-5)
    np.testing.assert_allclose(ts.info["queue_total_bits"], 3 * 3.6e6, rtol=1e-5)
    # 0.2 of 100 GHz serve 6.4 Mbit; 5 wait for 78.125 ms, 5 arrive
    env, action, numbers, _ = CASES["waiting"]
    after, ts = worked(env, action, **numbers)
    np.testing.assert_allclose(ts.info["wait_s"], 78.125e-3, rtol=1e-5)
    np.testing.assert_allclose(after.queue_bits, 3.6e6, rtol=1e-5)
    np.testing.assert_allclose(ts.info["drift_exact"], 0.5 * (0.36**2 - 0.5**2), rtol=1e-5)
    np.testing.assert_allclose(ts.info["drift_bound"], 0.5 * (0.5 - 0.64), rtol=1e-5)


@pytest.mark.slow
def test_parked_vehicles_are_worlds_too():
    env, params = jaxvec.make("dt_edge", n_vehicles=2, speed_min_mps=0, speed_max_mps=0)
    with jax.disable_jit():  # what a debugger sees
        state, ts = env.reset(jax.random.key(0), params)
        action = {GROUP: dict.fromkeys(("offload", "share"), jnp.full((2, K), 0.5))}
        after, then = env.step(jax.random.key(1), state, action, params)
    for obs in (ts.obs, then.obs):
        assert np.isfinite(np.asarray(obs.agents[GROUP])).all()
        np.testing.assert_array_equal(obs.agents[GROUP][:, K + 1], 0)  # speed
    np.testing.assert_array_equal(after.x_m, state.x_m)
    np.testing.assert_array_equal(state.fading_corr, 1)
    assert np.isfinite(np.asarray(then.reward[GROUP])).all()


def test_a_task_is_given_up_after_the_cap():
    # 125 + 54.6 ms against a cap of 150: QoS of 1 - 1.5
    _, ts = worked(ENV, action_for(1, 0), latency_cap_s=0.15)
    np.testing.assert_allclose(ts.info["t_s"], 0.15)
    np.testing.assert_allclose(ts.info["qos_mean"], -0.5, rtol=1e-5)
    assert (ts.info["timeout_rate"] == 1).all()
    assert (ts.info["deadline_violation_rate"] == 1).all()


class Braking(mobility.PassingRoad):
    """Vehicles that drive the other way and lose half of their speed in every slot."""

    constant_speed = False

    def start(self, draws, sizes, params):
        motion = super().start(draws, sizes, params)
        return motion._replace(velocity_mps=-motion.velocity_mps)

    def speed_mps(self, velocity_mps, track):
        return mobility.Mobility.speed_mps(self, velocity_mps, track)

    def advance(self, motion, draws, sizes, params):
        return super().advance(motion, draws, sizes, params)._replace(velocity_mps=0.5 * motion.velocity_mps)


def test_what_depends_on_speeds_follows_them(monkeypatch):
    """12.5 m/s to the west, then half of it: the way and the speed observed, and how long a channel is remembered."""
    monkeypatch.setitem(mobility.MODELS._others, "braking", Braking())
    after, ts = worked(DtEdge(mobility="braking"), action_for(0.5, 0.02), slot_s=0.01)
    np.testing.assert_allclose(after.velocity_mps, -6.25)
    np.testing.assert_allclose(after.x_m, 249.7274 - 0.125, rtol=1e-6)
    np.testing.assert_allclose(after.fading_corr, special.j0(2 * np.pi * 6.25 * 2e9 / 3e8 * 0.01), atol=1e-5)
    np.testing.assert_allclose(after.shadow_corr, np.exp(-0.0625 / 50), rtol=1e-6)
    np.testing.assert_allclose(after.fading_re, special.j0(2 * np.pi * 12.5 * 2e9 / 3e8 * 0.01), atol=1e-5)
    np.testing.assert_allclose(ts.obs.agents[GROUP][:, K + 1], (6.25 - 12.5) / 2.5, rtol=1e-6)


# ------------------------------------------------------------------------------------------- any state, any action, any mode


@cache
def some_states(env, seed):
    """Worlds of random scenarios, with backlogs; draws of a slot; the scenarios' parameters."""
    rng = np.random.default_rng(seed)
    configs, params = PAIR.scenarios(env, seed)
    draws = [{n: x for n, x in PAIR.reset_draws(rng, c).items() if n not in DRAWN} for c in configs]
    states = PAIR.batch([reference.reset_with_draws(d, *c) for d, c in zip(draws, configs, strict=True)], configs)
    queue_bits = rng.choice([0.0, 1e6, 1e7, 1e9], states.queue_bits.shape)
    states = states.replace(queue_bits=jnp.asarray(queue_bits, jnp.float32))
    return states, single(stack([PAIR.step_draws(rng, config) for config in configs])), single(params)


def slot(env, which, action, **changes):
    """The slot of one of the sets of states, as NumPy: state before, state after, timestep, parameters."""
    state, draws, params = some_states(env, which)
    after, ts = compiled(env)[1](state, {GROUP: action}, draws, params.replace(**changes))
    return jax.tree.map(np.asarray, (state, after, ts, params.replace(**changes)))


SETS = 3
TINY = 2e-5  # what float32 may add to a sum of shares
anything = st.floats(-1e9, 1e9, width=32) | st.floats(-0.25, 1.25, width=32) | st.sampled_from([0.0, 0.5, 1.0])
any_action = st.fixed_dictionaries(
    {name: hnp.arrays(np.float32, (N, K, WORLDS), elements=anything) for name in ("offload", "share")}
)
both = pytest.mark.parametrize("env", [ENV, DENSE], ids=["balanced", "dense"])


@both
@given(action=any_action, which=st.integers(0, SETS - 1))
def test_any_action_becomes_a_feasible_decision(env, action, which):
    state, after, ts, params = slot(env, which, action)
    info = ts.info
    for x in jax.tree.leaves((after, ts)):
        assert np.isfinite(x).all()
    assert ((info["omega"] >= 0) & (info["omega"] <= 1)).all()
    # (17d): nobody gets more than asked for, nor less than the floor, and the server runs at its speed at most
    low = np.minimum(params.alpha_min, 0.15 / (N * K))
    request = low * (params.alpha_max / low) ** np.clip(action["share"].astype(float), 0, 1)
    alpha, bias = info["alpha"].astype(float), state.cpu_bias_hz / params.server_cpu_hz
    assert (alpha <= request * (1 + TINY)).all()
    assert (alpha >= low * (1 - TINY)).all()
    budget = np.maximum(1 - bias.sum((0, 1)), N * K * low)
    assert (alpha.sum((0, 1)) <= np.maximum(budget, N * K * low) * (1 + TINY)).all()
    np.testing.assert_allclose(info["capacity_used_frac"], (alpha + bias).sum((0, 1)), rtol=1e-4, atol=1e-4)
    fits = request.sum((0, 1)) < budget * (1 - TINY)
    np.testing.assert_allclose(alpha[..., fits], request[..., fits], rtol=TINY)
    over = request.sum((0, 1)) > budget * (1 + TINY)
    np.testing.assert_allclose(alpha[..., over].sum((0, 1)), budget[over], rtol=TINY)
    assert info["oversubscribed"][over].all()
    assert not info["oversubscribed"][fits].any()


@given(requests=hnp.arrays(np.float32, (N, K, WORLDS), elements=anything), which=st.integers(0, SETS - 1))
def test_any_request_is_projected_as_by_the_reference(requests, which):
    """Shares as a central policy may give them, not through the box."""
    state, _, params = some_states(ENV, which)
    decision = projected(requests, requests, state, params)
    for w, config in enumerate(PAIR.scenarios(ENV, which)[0]):
        budget = reference.share_budget(PAIR.unbatch(state, w, config), *config)
        alpha, request = reference.project(requests[..., w], budget, *config)
        np.testing.assert_allclose(decision.budget[w], budget, rtol=TINY, atol=1e-5)
        np.testing.assert_allclose(decision.request[w], request, rtol=TINY)
        np.testing.assert_allclose(decision.alpha[..., w], alpha, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(decision.omega[..., w], np.clip(requests[..., w], 0, 1), atol=1e-37)


projected = jax.jit(lambda *request: phases.fit(ENV, *request))


@both
@given(action=any_action, which=st.integers(0, SETS - 1))
def test_queues_keep_what_is_not_served(env, action, which):
    state, after, ts, _ = slot(env, which, action)
    info = ts.info
    arrived, service, served = (info[f"{name}_bits"].astype(float) for name in ("arrivals", "service", "served"))
    before, left = state.queue_bits.astype(float), after.queue_bits.astype(float)
    np.testing.assert_allclose(arrived, (info["omega"] * state.task_bits).sum(0), rtol=1e-5)
    np.testing.assert_allclose(left, before + arrived - served, rtol=1e-5, atol=1e-5 * (before + arrived).max())
    assert (left >= 0).all()
    assert (served <= service * (1 + 1e-5)).all()
    enough = service >= arrived
    assert (left[enough] <= before[enough]).all()
    np.testing.assert_allclose(left, np.maximum(before + arrived - service, 0), 1e-5, 1e-5 * (before + arrived).max())


@both
@given(action=any_action, which=st.integers(0, SETS - 1))
def test_rewards_and_means_add_up(env, action, which):
    state, after, ts, p = slot(env, which, action)
    info = ts.info
    late = info["t_local_s"] + info["t_tx_s"] + info["t_comp_s"] + info["omega"] * info["wait_s"]
    np.testing.assert_allclose(info["t_s"], np.minimum(late, p.latency_cap_s), rtol=1e-5)
    np.testing.assert_allclose(info["qos_n"], (1 - info["t_s"] / p.t_max_s).mean(1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(info["energy_sys_j"], info["energy_local_j"] + info["energy_edge_j"], rtol=1e-5)
    np.testing.assert_allclose(info["p1_cost"], info["energy_sys_j"] - info["qos_mean"], rtol=1e-5, atol=1e-5)
    cycles = (p.task_bits_min + p.task_bits_max) / 2 * p.cycles_per_bit.mean(0)
    most_j = N * K * p.kappa_vehicle * p.vehicle_cpu_hz**2 * cycles
    reference = N * (p.task_bits_min + p.task_bits_max) / 2
    drift = 0.5 * ((after.queue_bits / reference) ** 2 - (state.queue_bits / reference) ** 2).mean(0)
    scale = (state.queue_bits / reference).max() ** 2 + 1
    np.testing.assert_allclose(info["drift_exact"], drift, rtol=1e-4, atol=1e-6 * scale)
    expected = info["qos_mean"] - p.energy_weight * info["energy_sys_j"] / most_j - p.beta * info["drift_exact"]
    np.testing.assert_allclose(info["team_reward"], expected, rtol=1e-4, atol=1e-6 * scale + 1e-4)
    np.testing.assert_allclose(info["reward_n"].mean(0), info["team_reward"], rtol=1e-4, atol=1e-6 * scale + 1e-4)
    assert (ts.reward[GROUP] == info["team_reward"]).all()


@both
@given(action=any_action, which=st.integers(0, SETS - 1), factor=st.floats(1.01, 10))
def test_more_band_or_faster_cpus_never_make_a_task_later(env, action, which, factor):
    first = slot(env, which, action)
    for name in ("bandwidth_hz", "vehicle_cpu_hz"):
        more = slot(env, which, action, **{name: getattr(first[3], name) * np.float32(factor)})
        assert (more[2].info["t_s"] <= first[2].info["t_s"] * (1 + TINY)).all()


def test_more_band_and_faster_cpus_do_make_tasks_earlier():
    action = single(PAIR.actions(np.random.default_rng(0), ENV))
    first = slot(ENV, 0, action)
    for name in ("bandwidth_hz", "vehicle_cpu_hz"):
        more = slot(ENV, 0, action, **{name: getattr(first[3], name) * np.float32(2)})[2].info["t_s"]
        assert (more < 0.99 * first[2].info["t_s"]).mean() > 0.1


@both
def test_names_of_vehicles_and_of_types_do_not_matter(env):
    rng = np.random.default_rng(8)
    state, draws, params = some_states(env, 2)
    action = single(PAIR.actions(rng, env))
    info = slot(env, 2, action)[2].info
    vehicles, types = rng.permutation(N), rng.permutation(K)
    of_vehicles = ("x_m", "y_m", "velocity_mps", "shadow_db", "fading_re", "fading_im", "fading_corr", "shadow_corr")
    moved = {name: getattr(state, name)[vehicles] for name in of_vehicles}
    moved |= {name: getattr(state, name)[vehicles][:, types] for name in ("task_bits", "cpu_bias_hz")}
    renamed = state.replace(**moved, queue_bits=state.queue_bits[types])
    renamed_action = {name: x[vehicles][:, types] for name, x in action.items()}
    other = params.replace(cycles_per_bit=params.cycles_per_bit[types], t_max_s=params.t_max_s[types])
    again = compiled(env)[1](renamed, {GROUP: renamed_action}, draws, other)[1].info
    for name in ("t_s", "alpha", "t_comp_s"):
        np.testing.assert_allclose(again[name], info[name][vehicles][:, types], rtol=1e-4, err_msg=name)
    for name in ("qos_mean", "energy_sys_j", "drift_exact", "queue_total_bits"):
        np.testing.assert_allclose(again[name], info[name], rtol=1e-4, atol=1e-5, err_msg=name)


@both
def test_the_drift_telescopes_and_may_not_be_farmed(env):
    """The drifts of an episode add up to half the squared queues at its end: starving and serving in turn gains nothing."""
    rng, step = np.random.default_rng(5), compiled(env)[1]
    state, _, params = some_states(env, 1)
    state = state.replace(queue_bits=jnp.zeros_like(state.queue_bits))
    reference = N * (params.task_bits_min + params.task_bits_max) / 2
    total, most = np.zeros(WORLDS), np.zeros(WORLDS)
    for t in range(12):
        action = single(PAIR.actions(rng, env))
        if t % 3:  # starve
            action = {name: np.full_like(x, name == "offload") for name, x in action.items()}
        draws = single(stack([PAIR.step_draws(rng, c) for c in PAIR.scenarios(env, 1)[0]]))
        state, ts = step(state, {GROUP: action}, draws, params)
        total += np.asarray(ts.info["drift_exact"])
        most = np.maximum(most, np.asarray(0.5 * (state.queue_bits / reference) ** 2).mean(0))
    np.testing.assert_allclose(
        total, 0.5 * (np.asarray(state.queue_bits / reference) ** 2).mean(0), 1e-4, 1e-5 * most.max()
    )
    assert (most > 0.1).mean() > 0.5  # queues there were
