"""`urllc_vec`: settings, chance, and what holds for a slot whatever is decided.

States are those that random play leads to in worlds with random numbers, every number another in every world. Actions are random,
at the edges of their boxes, and beyond. Of each set of switches, one program gives a slot together with its phases.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.side_by_side import WORLDS, compiled, single, stack, world
from envs.urllc_vec_pair import GROUPS, PAIR
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from representatives import representatives
from scipy import stats

import jaxvec
from jaxvec.core.rollout import world_keys
from jaxvec.core.spaces import Box
from jaxvec.envs import mobility
from jaxvec.envs.urllc_vec import UrllcVec, links
from jaxvec.envs.urllc_vec import slot as phases
from jaxvec.envs.urllc_vec.env import NORMAL
from jaxvec.envs.urllc_vec.params import split_nodes, stack_nodes
from jaxvec.physics import pathloss
from jaxvec.policies.random import random

SIZES = {"n_vehicles": 3, "n_uavs": 2, "n_bs": 2, "n_subtasks": 2, "n_antennas": 2, "n_nlos_paths": 2, "horizon": 4}
ENV = UrllcVec(**SIZES)
FREE = UrllcVec(**SIZES, enforce_coverage=False, carry_backlog=False, cpu_share="equal", max_forwards=3)
V, J, N, B = 3, 2, 4, 2

# ---------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", [*SIZES, "max_forwards", "twin_history_len", "twin_delay_slots"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True])
def test_a_bad_size_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a whole number of at least 1, not {value!r}"):
        jaxvec.make("urllc_vec", **{name: value})


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("pathloss_v2b", "uma, okumura_hata, umi, uma_av, free_space, umi_los, .*, okumura_hata_ghz, table, .*"),
        ("pathloss_air", "uma_av, free_space, umi, uma, umi_los, .*, okumura_hata, okumura_hata_ghz"),
        ("mobility", "waypoint, trace"),
        ("los_air", "tr36777, paper"),
        ("v2b_rayleigh", "True, False"),
        ("cpu_share", "priority, equal, none"),
        ("enforce_coverage", "True, False"),
        ("carry_backlog", "True, False"),
        ("twin_mode", "hold, lstm, none"),
    ],
)
def test_a_bad_switch_is_refused_with_what_is_accepted(name, accepted):
    with pytest.raises(ValueError, match=rf"{name} must be one of {accepted}, not 'other'"):
        jaxvec.make("urllc_vec", **{name: "other"})


@pytest.mark.parametrize("name", ["slot_s", "noise_w", "f_min_hz", "latency_cap_s", "e_max_node_j", "q_min"])
def test_a_number_that_must_be_positive_is_checked(name):
    with pytest.raises(ValueError, match=rf"{name} = 0.* \(must be "):
        jaxvec.make("urllc_vec", **{name: 0})


def test_all_learn_from_the_teams_reward_or_by_a_preset_from_their_own():
    env, params = jaxvec.make("urllc_vec")
    assert params.reward_mix == 1
    assert jaxvec.make("urllc_vec", preset="own_rewards") == (env, params.replace(reward_mix=0.0))


def test_sizes_of_spaces_follow_the_counts():
    env, _ = jaxvec.make("urllc_vec")
    assert {group: box.shape for group, box in env.observation_space.items()} == {
        "vehicle": (98,),
        "uav": (82,),
        "bs": (82,),
    }
    assert (env.n_features, env.world_size) == (50, 50 + 8 * 14)
    assert env.joint_size == 48 * 8 + 32 * 14 + 50
    assert {group: box.shape for group, box in ENV.observation_space.items()} == {
        "vehicle": (8 + 5 * N + 3 * J + V,),
        "uav": (10 + 2 * V + 4 * N,),
        "bs": (10 + 2 * V + 4 * N,),
    }
    assert ENV.action_space["vehicle"]["target"].n == ENV.action_space["bs"]["forward"].n == N
    assert jaxvec.make("urllc_vec", preset="dense")[0].n_vehicles == 20
    assert jaxvec.make("urllc_vec", preset="literal_gains")[1].antenna_gain_bs_db == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_nodes_are_base_stations_first_then_uavs(axis):
    bs, uav = np.ones((3, 3)), np.zeros((3, 3))
    of_group = {"bs": {"x": np.take(bs, [0, 1], axis)}, "uav": {"x": np.take(uav, [0, 1], axis)}, "vehicle": {}}
    stacked = stack_nodes(of_group, axis)
    np.testing.assert_array_equal(stacked["x"].sum(1 - axis), [3, 3, 0, 0])
    apart = split_nodes(ENV, stacked, axis)
    assert list(apart) == ["uav", "bs"]
    for group in apart:
        np.testing.assert_array_equal(apart[group]["x"], of_group[group]["x"])


# ------------------------------------------------------------------------------------------------------------------ chance

MANY = 2000


def test_draws_are_distributed_as_documented():
    env = UrllcVec(**SIZES, v2b_rayleigh=True)
    keys, params = world_keys(jax.random.key(2), MANY), env.default_params()
    of_reset, of_step = jax.jit(lambda keys: (env.draw_reset(keys, params), env.draw_step(keys, params)))(keys)
    slot = {"vu_los": (3, 2), "vu_nlos": (3, 2, 2), "uu_los": (1,), "uu_nlos": (1, 2), "ub_los": (2, 2)}
    slot |= {"ub_nlos": (2, 2, 2, 2), "z_vb": (3, 2, 2), "z_cpu": (4,), "z_task": (3,)}
    slot |= dict.fromkeys(("c", "chi", "w_c", "w_d"), (3, 2))
    slot |= {
        f"los_{what}_{name}": shape
        for what in ("new", "flip")
        for name, shape in zip(("vb", "vu", "ub"), [(3, 2), (3, 2), (2, 2)], strict=True)
    }
    places = {"uav_wp": (2, 3), "veh_wp": (3, 3), "uav_speed": (2,)}
    reset = {
        "bs_z": (2,),
        "uav_pos": (2, 3),
        "veh_pos": (3, 3),
        "alpha_vu": (3, 2),
        "alpha_ub": (2, 2),
        "alpha_uu": (1,),
    }
    step = {"eps_vb_r": (3, 2, 2), "eps_vb_ph": (3, 2, 2), "eps_vu_r": (3, 2), "eps_vu_ph": (3, 2), "twin_cpu": (4,)}
    for found, shapes in ((of_reset, slot | places | reset), (of_step, slot | places | step)):
        assert {name: x.shape for name, x in found.items()} == {name: (*s, MANY) for name, s in shapes.items()}
        for name, x in found.items():
            law = stats.norm() if name in NORMAL else stats.uniform()
            assert stats.kstest(np.ravel(x), law.cdf).pvalue > 1e-4, name
        rows = np.concatenate([np.reshape(x, (-1, MANY)) for x in found.values()])
        assert np.abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 6 / np.sqrt(MANY)
    assert "z_vb" not in jax.eval_shape(ENV.draw_step, jax.random.key(0), params)


# ------------------------------------------------------------------------------------------- any state, any action, any mode

SETS = 6  # of states
TINY = 1e-5  # what float32 may add to a sum


@cache
def slot_of(env):
    """A slot and its phases, each as it is called in `step_from`."""

    def run(state, action, draws, params):
        d = phases.decode(env, action, state, params)
        work = phases.prepare(d, state, params)
        up = phases.upload(env, d, work, state, draws, params)
        way = phases.route(env, d, work, up, state, params)
        out = phases.process(env, d, work, up, way, state, params)
        return *env.step_from(state, action, draws, params), d, work, up, way, out

    return jax.jit(run)


@cache
def some_states(env, seed):
    """States after 0 to 3 slots of random play, draws of a slot, and the numbers of the worlds: half have four times the load."""
    rng = np.random.default_rng(seed)
    configs, params = PAIR.scenarios(env, seed)
    load = np.where(np.arange(WORLDS) < WORLDS // 2, 1, 4)
    params = single(
        params.replace(task_min_bits=params.task_min_bits * load, task_max_bits=params.task_max_bits * load)
    )
    state, _ = compiled(env)[0](single(stack([PAIR.to_env(PAIR.reset_draws(rng, c)) for c in configs])), params)
    draw = lambda: single(stack([PAIR.to_env(PAIR.step_draws(rng, c)) for c in configs]))  # noqa: E731
    for _ in range(seed % 4):
        state = slot_of(env)(state, single(PAIR.actions(rng, env)), draw(), params)[0]
    return jax.tree.map(np.asarray, state), draw(), params


def slot(env, which, action, **changes):
    """State before, state after, timestep and phases of a slot in one of the sets of states, and the numbers, as NumPy."""
    state, draws, params = some_states(env, which)
    params = params.replace(**changes)
    found = slot_of(env)(state, action, draws, params)
    return jax.tree.map(np.asarray, (state, *found, params))


anything = st.floats(-1e9, 1e9, width=32) | st.floats(-0.25, 1.25, width=32) | st.sampled_from([0.0, 0.5, 1.0])


def arrays(env, elements):
    """Whatever numbers come to mind, many of them the same."""

    def one(group, space):
        shape = (env.n_agents[group], *space.shape, WORLDS)
        if isinstance(space, Box):
            return hnp.arrays(np.float32, shape, elements=elements)
        return hnp.arrays(np.int32, shape, elements=st.integers(0, space.n - 1), fill=st.nothing())

    parts = {g: {name: one(g, space) for name, space in env.action_space[g].items()} for g in GROUPS}
    return st.fixed_dictionaries({group: st.fixed_dictionaries(of) for group, of in parts.items()})


def scattered(env, seed, edges):
    """All numbers different, but for a part of them at the edges."""
    rng = np.random.default_rng(seed)
    edge = lambda x: np.where(rng.random(x.shape) < edges, np.round(x), x)  # noqa: E731
    return single(jax.tree.map(lambda x: edge(x) if x.dtype.kind == "f" else x, PAIR.actions(rng, env)))


def any_action(env, elements=anything):
    seeds = st.integers(0, 2**32 - 1)
    return arrays(env, elements) | st.builds(scattered, st.just(env), seeds, st.sampled_from([0.0, 0.2, 1.0]))


both = pytest.mark.parametrize("env", representatives([ENV, FREE], [ENV]), ids=["default", "free"])
sets = st.integers(0, SETS - 1)


def of_nodes(action, name):
    return np.asarray(stack_nodes(action)[name])


def at(of_node, node):
    """What (N, W) is at the nodes (K, W)."""
    return np.take_along_axis(of_node, node, 0)


def total(of_task, node):
    """Sums (N, W) of (K, W) at its nodes."""
    return np.stack([np.where(node == n, of_task, 0).sum(0, dtype=float) for n in range(N)])


def close(a, b, scale=None, rtol=TINY):
    """Equal up to rounding of the largest of a world."""
    scale = np.abs(b).max(0) if scale is None else scale
    assert (np.abs(a - b) <= rtol * scale + 1e-30).all()


@both
@given(data=st.data(), which=sets)
def test_any_action_becomes_a_feasible_decision(env, data, which):
    action = data.draw(any_action(env))
    state, after, ts, d, work, *_, p = slot(env, which, action)
    for x in jax.tree.leaves((after, ts)):
        assert np.isfinite(x).all()
    # C2, C7: powers and speeds; budgets
    for power_w, most in (
        (d.power_w, p.p_max_vehicle_w),
        (d.node_power_w[:B], p.p_max_bs_w),
        (d.node_power_w[B:], p.p_max_uav_w),
    ):
        assert (power_w >= p.p_floor_frac * most * (1 - TINY)).all()
        assert (power_w <= most * (1 + TINY)).all()
    assert (d.cpu_hz >= p.f_min_hz * (1 - TINY)).all()
    assert (d.cpu_hz <= p.f_max_hz * (1 + TINY)).all()
    assert (d.budget >= 0).all()
    assert (d.budget <= p.f_max_hz * p.latency_target_s * (1 + TINY)).all()
    # C16, C17, C20: parts of a task, coefficients, weights
    task = state.tasks.size_bits
    np.testing.assert_allclose(d.size_bits.sum(1), task, rtol=TINY)
    assert (d.size_bits >= (p.split_floor / J * task)[:, None] * (1 - TINY)).all()
    assert (d.coefficients >= 0).all()
    np.testing.assert_allclose(d.coefficients.sum(1), 1, rtol=TINY)
    np.testing.assert_allclose(work.weight.reshape(V, J, -1).sum(1), 1, rtol=TINY)
    assert (work.weight > 0).all()
    # targets outside the mask are served by the best link
    asked = action["vehicle"]["target"]
    usable = np.take_along_axis(state.links.reach, asked, 1)
    best = state.links.gain.argmax(1)[:, None]
    np.testing.assert_array_equal(d.target, np.where(usable, asked, best) if env.enforce_coverage else asked)
    # and nodes send over usable links only
    forward = of_nodes(action, "forward")
    np.testing.assert_array_equal(d.may_forward, np.take_along_axis(state.links.relays, forward[:, None], 1)[:, 0])


@both
@given(data=st.data(), which=sets)
def test_every_subtask_is_processed_at_one_node_or_dropped(env, data, which):
    _, _, ts, d, work, up, way, _, p = slot(env, which, data.draw(any_action(env)))
    cap = np.broadcast_to(p.latency_cap_s, way.delay_s.shape)
    dropped = (up.delay_s >= cap) | (up.delay_s + way.delay_s >= cap)
    # whoever comes too late with the last forward is dropped, all others are placed
    np.testing.assert_array_equal(way.placed, ~dropped)
    assert ((way.node >= 0) & (way.node < N)).all()
    np.testing.assert_array_equal(total(way.placed, way.node).sum(0), way.placed.sum(0))
    np.testing.assert_allclose(ts.info["drop_rate"], dropped.mean(0), atol=TINY)
    np.testing.assert_array_equal(ts.info["task_node"], way.node)
    np.testing.assert_array_equal(ts.info["task_placed"], way.placed)
    # its way: from the target on, over usable links to whom each node sends, never back, never too often
    assert (way.hops <= env.max_forwards).all()
    (nodes, live) = (np.stack(x) for x in zip(*way.stops, strict=True))
    assert len(nodes) == env.max_forwards + 1
    np.testing.assert_array_equal(nodes[0], d.target.reshape(nodes[0].shape))
    np.testing.assert_array_equal(live[0], up.delay_s < cap)
    np.testing.assert_array_equal(nodes[-1], way.node)
    went = np.arange(1, len(nodes))[:, None, None] <= way.hops
    for h in range(env.max_forwards):
        here, there = nodes[h], nodes[h + 1]
        np.testing.assert_array_equal(there, np.where(went[h], at(d.forward, here), here))
        assert at(d.may_forward, here)[went[h]].all()
        assert not (went[h] & (here < B) & (there < B)).any()
        if h:
            assert (there != nodes[h - 1])[went[h]].all()
    np.testing.assert_array_equal(way.hops == 0, way.delay_s == 0)
    # nodes take what comes from vehicles by priority, within their budget, and nothing is forwarded by whom it may not be
    stays = live[0] & (way.hops == 0)
    sends = at(d.may_forward, nodes[0])
    assert stays[live[0] & ~sends].all()
    taken = total(np.where(stays & sends, work.cycles, 0), nodes[0])
    assert (taken <= d.budget * (1 + TINY)).all()
    lowest = np.stack([np.where(stays & (nodes[0] == n), work.priority, np.inf).min(0) for n in range(N)])
    assert (work.priority <= at(lowest, nodes[0]))[live[0] & ~stays].all()


@both
@given(data=st.data(), which=sets)
def test_cycles_and_energies_add_up(env, data, which):
    state, after, ts, d, work, up, way, out, p = slot(env, which, data.draw(any_action(env)))
    load = total(np.where(way.placed, work.cycles, 0), way.node)
    close(out.load, load)
    close(out.load.sum(0), np.where(way.placed, work.cycles, 0).sum(0))
    np.testing.assert_array_equal(ts.info["node_load_cycles"], out.load)
    # what was there and what came is processed or left
    there = state.backlog + out.load
    processed = np.minimum(there, d.cpu_hz * p.slot_s)
    if env.carry_backlog:
        close(after.backlog + processed, there)
        assert (after.backlog >= 0).all()
    else:
        assert not after.backlog.any()
    # vehicles and nodes spend what the subtasks cost
    close(out.energy_j, up.energy_j + way.energy_j + out.process_j)
    close(out.vehicle_energy_j.sum(0), up.energy_j.sum(0))
    close(way.node_energy_j.sum(0), way.energy_j.sum(0))
    close(out.node_energy_j.sum(0), (way.energy_j + out.process_j).sum(0))
    close(ts.info["energy_total_j"], (out.vehicle_energy_j.sum(0) + out.node_energy_j.sum(0)))
    # and shares of a processor are shares: what waits for nothing takes as long as all of its node's work, or less
    per_cycle_j = p.energy_per_cycle_j * (d.cpu_hz / p.f_ref_hz) ** p.cpu_energy_exponent
    close(out.process_j, np.where(way.placed, at(per_cycle_j, way.node) * work.cycles, 0))
    wait_s = at(state.backlog / d.cpu_hz, way.node)
    own_s = np.where(way.placed, work.cycles / np.where(way.placed, out.process_s - wait_s, 1), 0)
    shares = total(own_s / at(d.cpu_hz, way.node), way.node)
    np.testing.assert_allclose(shares, total(way.placed, way.node) > 0, rtol=2e-3)


@both
@given(data=st.data(), which=sets)
def test_outcomes_are_in_their_ranges(env, data, which):
    _, _, ts, _, _, up, way, out, p = slot(env, which, data.draw(any_action(env)))
    for x in (up.rate_bps, up.delay_s, up.energy_j, way.delay_s, way.energy_j, way.node_energy_j, out.process_s):
        assert (np.isfinite(x) & (x >= 0)).all()
    for x in (out.process_j, out.energy_j, out.vehicle_energy_j, out.node_energy_j):
        assert (np.isfinite(x) & (x >= 0)).all()
    assert (out.latency_s > 0).all()
    assert (out.latency_s <= p.latency_cap_s).all()
    assert (up.delay_s <= p.latency_cap_s).all()
    sum_s = np.minimum(up.delay_s + way.delay_s + out.process_s, p.latency_cap_s)
    np.testing.assert_allclose(out.latency_s, np.where(way.placed, sum_s, p.latency_cap_s), rtol=TINY)
    assert (out.percent >= 0).all()
    assert (out.percent <= 100).all()
    least, most = (f(out.latency_s.reshape(V, J, -1), 1) for f in (np.min, np.max))
    assert (out.vehicle_latency_s >= least * (1 - TINY)).all()
    assert (out.vehicle_latency_s <= most * (1 + TINY)).all()
    info = ts.info
    for name, x in info.items():
        if name.startswith("viol_") or name in ("violation_rate", "drop_rate", "share_bs"):
            assert (x >= 0).all(), name
            assert (x <= 1 + TINY).all(), name
    assert not any(info[f"viol_{name}"].any() for name in ("c2", "c7", "c16", "c17"))
    np.testing.assert_allclose(info["violation_rate"], (out.latency_s > p.latency_target_s).mean(0), atol=TINY)
    np.testing.assert_allclose(info["latency_mean_s"], out.latency_s.mean(0), rtol=TINY)
    assert (info["latency_p95_s"] <= out.latency_s.max(0) * (1 + TINY)).all()
    assert (info["rate_up_mean_bps"] >= 0).all()


@both
@given(data=st.data(), which=sets)
def test_what_is_remembered(env, data, which):
    """By the twin: the newest measurement last, true but for an error of speeds within its bound. By C13 to C15: parts of 1."""
    state, after, ts, d, *_, out, p = slot(env, which, data.draw(any_action(env)))
    np.testing.assert_array_equal(after.measured[:-1], state.measured[1:])
    told, true = after.measured[-1], ts.info["features"]
    speeds = env.feature_blocks["cpu"]
    np.testing.assert_allclose(told[speeds.stop :], true[speeds.stop :], rtol=TINY)
    error = np.abs(told - true)[speeds]
    assert (error <= p.twin_cpu_error_hz / p.f_max_hz * (1 + TINY) + TINY).all()
    assert error.any()
    slot_cycles = p.f_max_hz * p.slot_s
    np.testing.assert_allclose(true[env.feature_blocks["load"]], out.load / slot_cycles, rtol=TINY)
    np.testing.assert_allclose(true[env.feature_blocks["backlog"]], after.backlog / slot_cycles, rtol=TINY)
    np.testing.assert_allclose(true[env.feature_blocks["task"]], state.tasks.size_bits / p.task_max_bits, rtol=TINY)
    assert (true[speeds] * p.f_max_hz >= d.cpu_hz * (1 - TINY)).all()
    np.testing.assert_allclose(after.prev_share.sum(1), 1, rtol=TINY)
    sent = np.stack([(d.target == n).mean(1) for n in range(N)], 1)
    np.testing.assert_allclose(after.prev_share, sent, rtol=TINY)


@pytest.mark.slow
def test_shares_cannot_change_before_the_first_slot_and_large_subtasks_are_counted():
    """C13, C14a: nothing changes in slot 0, whoever sends all to one node; later it does. C20: above the largest subtask."""
    params = jaxvec.make("urllc_vec", **SIZES)[1].replace(d_max_units=5e4, delta_s_max=0.3)
    reset, step = compiled(ENV)
    draws = jax.tree.map(np.asarray, jax.jit(ENV.draw_step)(world_keys(jax.random.key(3), WORLDS), params))
    state, ts = reset(jax.jit(ENV.draw_reset)(world_keys(jax.random.key(3), WORLDS), params), params)
    action = jax.jit(random(ENV))(world_keys(jax.random.key(3), WORLDS), ts.obs)
    action["vehicle"]["target"] = jnp.zeros_like(action["vehicle"]["target"])  # all to one node
    first, ts = step(state, action, draws, params)
    assert not ts.info["viol_c13"].any()
    assert not ts.info["viol_c14a"].any()
    assert (ts.info["viol_c20"] > 0).any()
    sizes = jax.jit(phases.decode, static_argnums=0)(ENV, action, state, params).size_bits
    np.testing.assert_allclose(ts.info["viol_c20"], np.mean(sizes > 5e4, (0, 1)), rtol=1e-6)
    swung = first.replace(prev_share=jnp.zeros_like(first.prev_share))  # all of it is new now
    _, ts = step(swung, action, draws, params)
    assert (ts.info["viol_c13"] + ts.info["viol_c14a"] > 0).all()


@both
@given(which=sets)
def test_everybody_stays_in_its_box(env, which):
    _, after, *_, p = slot(env, which, scattered(env, 0, 0))
    for places_m, xy_m, low_m, high_m in (
        (after.pos_u, p.uav_xy_m, p.uav_z_min_m, p.uav_z_max_m),
        (after.wp_u, p.uav_xy_m, p.uav_z_min_m, p.uav_z_max_m),
        (after.pos_v, p.veh_xy_m, p.veh_z_min_m, p.veh_z_max_m),
        (after.track_v, p.veh_xy_m, p.veh_z_min_m, p.veh_z_max_m),
    ):
        assert (np.abs(places_m[:, :2]) <= xy_m * (1 + TINY)).all()
        assert (places_m[:, 2] >= low_m * (1 - TINY)).all()
        assert (places_m[:, 2] <= high_m * (1 + TINY)).all()
    assert ((after.spd_u >= p.uav_speed_min_mps * (1 - TINY)) & (after.spd_u <= p.uav_speed_max_mps * (1 + TINY))).all()
    assert ((after.tasks.size_bits >= p.task_min_bits) & (after.tasks.size_bits <= p.task_max_bits)).all()


@both
@given(data=st.data(), which=sets)
def test_rewards_are_own_ones_and_the_teams(env, data, which):
    """(63), and what stands in info of it; a node that nobody asked for anything earns nothing."""
    _, _, ts, _, _, _, way, _, p = slot(env, which, data.draw(any_action(env)))
    info, mix = ts.info, p.reward_mix
    team = sum(info[f"reward_{group}"] for group in GROUPS)
    np.testing.assert_allclose(info["team_reward"], team, rtol=TINY, atol=1e-4 * (1 + np.abs(team).max()))
    for group in GROUPS:
        mean = (1 - mix) * info[f"reward_{group}"] + mix * info["team_reward"]
        close(ts.reward[group].mean(0), mean, 1 + np.abs(mean) + np.abs(team), 1e-4)
    seen = np.zeros((N, WORLDS), bool)
    for node, live in way.stops:
        seen |= total(live, node) > 0
    own = np.concatenate([ts.reward["bs"], ts.reward["uav"]]) - mix * info["team_reward"]
    assert (np.abs(own)[~seen] <= 1e-4 * (1 + np.abs(info["team_reward"])[None].repeat(N, 0))[~seen]).all()


def test_the_states_and_actions_went_through_every_branch():
    counts = {}
    for which in range(SETS):
        for env in (ENV, FREE):
            for seed in range(4):
                state, after, _, d, _, up, way, out, p = slot(env, which, scattered(env, seed, 0.2))
                seen = {
                    "dropped on the way up": up.delay_s >= p.latency_cap_s,
                    "dropped later": (up.delay_s < p.latency_cap_s) & ~way.placed,
                    "cut by the cap": way.placed & (out.latency_s >= p.latency_cap_s),
                    "in time": out.latency_s <= p.latency_target_s,
                    "forwarded twice": way.hops > 1,
                    "out of reach": ~state.links.reach,
                    "uncovered": state.links.uncovered,
                    "backlog before": state.backlog > 0,
                    "backlog after": after.backlog > 0,
                    "nobody to send to": ~d.may_forward,
                }
                for name, x in seen.items():
                    counts[name] = counts.get(name, 0) + int(np.sum(x))
    assert min(counts.values()) > 10, counts


@pytest.mark.slow
def test_a_world_of_one_of_each():
    """One subtask, one UAV, one BS, nobody to send to but the other."""
    env = UrllcVec(**dict.fromkeys(SIZES, 1), max_forwards=1, twin_history_len=1, twin_delay_slots=1)
    keys, params = world_keys(jax.random.key(0), 64), env.default_params()
    policy = random(env)

    @jax.jit
    def two(keys):
        state, ts = env.reset(keys, params)
        action = policy(keys, ts.obs)
        return state, ts, action, *env.step(keys, state, action, params)

    before, first, action, after, ts = jax.tree.map(np.asarray, two(keys))
    for x in jax.tree.leaves((first, after, ts)):
        assert np.isfinite(x).all()
    assert first.obs.agents["vehicle"].shape == (1, 8 + 5 * 2 + 3 + 1, 64)
    relays = before.links.relays
    assert relays[0, 1][relays[1, 0]].all()  # a BS has more power
    assert not (relays[0, 0] | relays[1, 1]).any()
    moved = ts.info["forwards_per_subtask"] > 0
    target = action["vehicle"]["target"][0, 0]
    np.testing.assert_array_equal(ts.info["task_node"][0], np.where(moved, 1 - target, target))
    assert moved.any()
    assert ts.truncated.all()


# ------------------------------------------------------------------------------------------------- more of this, less of that


@both
@given(data=st.data(), which=sets, factor=st.floats(1.01, 10))
def test_a_longer_message_or_a_worse_link_never_arrives_earlier(env, data, which, factor):
    action, p = data.draw(any_action(env)), some_states(env, which)[2]
    before = slot(env, which, action)[5].delay_s
    for name in ("bits_per_data_unit", "noise_w", "codec_s_per_symbol"):
        more = getattr(p, name) * np.float32(factor) + np.float32(1e-9 * (name == "codec_s_per_symbol"))
        assert (slot(env, which, action, **{name: more})[5].delay_s >= before * (1 - TINY)).all(), name
    for name in ("bandwidth_hz", "p_max_vehicle_w"):
        more = slot(env, which, action, **{name: getattr(p, name) * np.float32(factor)})[5].delay_s
        assert (more <= before * (1 + TINY)).all(), name


def keeping(env, action):
    """The same action, but nodes send to themselves, that is, keep everything: budgets decide nothing."""
    rows = {"bs": np.arange(B, dtype=np.int32), "uav": np.arange(B, N, dtype=np.int32)}
    whole = {g: np.broadcast_to(x[:, None], action[g]["forward"].shape) for g, x in rows.items()}
    return action | {g: action[g] | {"forward": x} for g, x in whole.items()}


@both
@given(data=st.data(), which=sets, factor=st.floats(1.01, 10))
def test_a_faster_processor_never_works_longer(env, data, which, factor):
    """With the same decision, where nobody forwards; by numbers and by the chosen frequency, which costs energy."""
    action, p = keeping(env, data.draw(any_action(env))), some_states(env, which)[2]
    *_, slow, _ = slot(env, which, action)
    *_, fast, _ = slot(env, which, action, f_max_hz=p.f_max_hz * np.float32(factor))
    assert (fast.process_s <= slow.process_s * (1 + TINY)).all()
    assert (fast.latency_s <= slow.latency_s * (1 + TINY)).all()
    full = {g: action[g] | {"frequency": np.ones_like(action[g]["frequency"])} for g in ("bs", "uav")}
    *_, fast, _ = slot(env, which, action | full)
    assert (fast.process_s <= slow.process_s * (1 + TINY)).all()
    assert (fast.process_j >= slow.process_j * (1 - TINY)).all()


def test_a_faster_processor_does_work_faster():
    action, p = keeping(ENV, scattered(ENV, 0, 0.2)), some_states(ENV, 1)[2]
    *_, slow, _ = slot(ENV, 1, action)
    *_, fast, _ = slot(ENV, 1, action, f_max_hz=p.f_max_hz * np.float32(2))
    assert (fast.process_s < 0.99 * slow.process_s).sum() > 20


# ------------------------------------------------------------------------------------------------------- the same otherwise


def test_clipping_makes_what_lies_beyond_the_box_equal_to_its_edge():
    action = scattered(ENV, 4, 0)

    def at_edges(low, high):
        side = np.random.default_rng(5)
        pick = lambda x: np.where(side.random(x.shape) < 0.5, np.float32(low), np.float32(high))  # noqa: E731
        boxes = {g: [n for n, s in ENV.action_space[g].items() if isinstance(s, Box)] for g in GROUPS}
        return {g: action[g] | {n: pick(action[g][n]) for n in boxes[g]} for g in GROUPS}

    inside, outside = (slot(ENV, 2, at_edges(*edges)) for edges in ((0, 1), (-1e3, 1e6)))
    jax.tree.map(np.testing.assert_array_equal, inside[1:3], outside[1:3])


def test_names_do_not_matter():
    """Vehicles, subtasks of a vehicle, BSs and UAVs are renamed: all results are the same under the new names."""
    state, draws, params = some_states(ENV, 3)
    action = scattered(ENV, 8, 0)
    ts = slot(ENV, 3, action)[2]
    vehicle, task, bs, uav = np.array([2, 0, 1]), np.array([1, 0]), np.array([1, 0]), np.array([1, 0])
    node = np.concatenate([bs, B + uav])
    called = np.argsort(node).astype(np.int32)  # new name of each
    links = state.links.replace(
        **{n: getattr(state.links, n)[vehicle][:, node] for n in ("loss_db", "beta", "gain", "reach")},
        **{n: getattr(state.links, n)[node][:, node] for n in ("relay", "relays")},
        fade=tuple(x[vehicle][:, uav] for x in state.links.fade),
        uncovered=state.links.uncovered[vehicle],
    )
    asked = jax.tree.map(lambda x: x[vehicle][:, task] if x.ndim == 3 else x[vehicle], state.tasks)
    own = {n: getattr(state, n)[node] for n in ("backlog", "cpu_z")}
    places = {"pos_v": state.pos_v[vehicle], "pos_bs": state.pos_bs[bs], "pos_u": state.pos_u[uav]}
    shares = {"prev_share": state.prev_share[vehicle][:, node]}
    renamed = state.replace(links=links, tasks=asked, **own, **places, **shares)
    errors = {n: draws[n][vehicle][:, bs if "vb" in n else uav] for n in draws if n.startswith("eps_")}
    mine = {n: x[vehicle][:, task] for n, x in action["vehicle"].items() if n != "priority"}
    mine |= {"target": called[mine["target"]], "priority": action["vehicle"]["priority"][vehicle]}
    otherwise = {"vehicle": mine}
    for group, order in (("bs", bs), ("uav", uav)):
        otherwise[group] = {n: x[order] for n, x in action[group].items()}
        otherwise[group]["forward"] = called[otherwise[group]["forward"]]
    again = jax.tree.map(np.asarray, slot_of(ENV)(renamed, otherwise, draws | errors, params)[1])
    of_task = lambda x: x.reshape(V, J, WORLDS)[vehicle][:, task].reshape(V * J, WORLDS)  # noqa: E731
    np.testing.assert_array_equal(again.info["task_placed"], of_task(ts.info["task_placed"]))
    np.testing.assert_array_equal(again.info["task_node"], called[of_task(ts.info["task_node"])])
    for name, x in ts.info.items():
        if name in ("task_node", "task_placed", "features"):
            continue
        x = of_task(x) if name.startswith("task_") else x[node] if name.startswith("node_") else x
        x = x[vehicle] if name == "vehicle_energy_j" else x
        close(again.info[name], x, np.abs(x).max(0) + 1e-3 * np.abs(x).max(), 1e-4)
    for group, order in (("vehicle", vehicle), ("bs", bs), ("uav", uav)):
        close(again.reward[group], ts.reward[group][order], 1 + np.abs(ts.reward[group]).max(0), 1e-4)


@pytest.mark.slow
def test_one_world_is_that_world_of_many():
    """With numbers of its own."""
    state, draws, params = some_states(ENV, 2)
    action = scattered(ENV, 2, 0.2)
    many = slot(ENV, 2, action)[1:-1]
    for w in range(WORLDS):
        alone = slot_of(ENV)(*(world(x, w) for x in (state, action, draws, params)))
        for (path, x), y in zip(jax.tree.leaves_with_path(alone), jax.tree.leaves(world(many, w)), strict=True):
            name = jax.tree_util.keystr(path)
            assert x.shape == y.shape, name
            if np.asarray(x).dtype.kind == "f":
                np.testing.assert_allclose(x, y, 1e-5, 1e-5 * np.abs(y).max(initial=1e-30), err_msg=name)
            else:
                np.testing.assert_array_equal(x, y, name)


def exactly(tree):
    """Floats in float64."""
    return jax.tree.map(lambda x: np.float64(x) if np.asarray(x).dtype.kind == "f" else x, tree)


@pytest.mark.slow
def test_float32_agrees_with_float64():
    """To 1e-4 of the largest, from the same numbers, in all worlds where rounding decided nothing: 9 of 10 or more."""
    same = 0
    for which in range(SETS):
        action = scattered(ENV, which, 0.2)
        rough = slot(ENV, which, action)[1:-1]
        state, draws, params = some_states(ENV, which)
        with jax.enable_x64(True):
            fine = jax.tree.map(np.asarray, slot_of(ENV)(*map(exactly, (state, action, draws, params))))
        leaves = list(zip(jax.tree.leaves_with_path(rough), jax.tree.leaves(fine), strict=True))
        chosen = [(x == y).reshape(-1, WORLDS).all(0) for (_, x), y in leaves if x.dtype.kind != "f"]
        agree = np.all(chosen, 0)
        same += agree.sum()
        for (path, x), y in leaves:
            if x.dtype.kind == "f":
                assert y.dtype == np.float64
                atol = 1e-4 * np.abs(y).max(initial=1e-30)
                name = jax.tree_util.keystr(path)
                np.testing.assert_allclose(x[..., agree], y[..., agree], 1e-4, atol, err_msg=name)
    assert same >= 0.9 * SETS * WORLDS


@pytest.mark.slow
def test_gradients_of_rewards_are_finite_at_any_action():
    boxes = {g: [n for n, s in ENV.action_space[g].items() if isinstance(s, Box)] for g in GROUPS}

    @jax.jit
    def gradient(chosen, action, state, draws, params):
        def earned(chosen):
            _, ts = ENV.step_from(state, {g: action[g] | chosen[g] for g in GROUPS}, draws, params)
            return sum(jnp.sum(x) for x in ts.reward.values())

        return jax.grad(earned)(chosen)

    @given(action=any_action(ENV, st.floats(-0.25, 1.25, width=32) | st.sampled_from([0.0, 0.5, 1.0])), which=sets)
    def finite(action, which):
        chosen = {g: {n: action[g][n] for n in names} for g, names in boxes.items()}
        for path, x in jax.tree.leaves_with_path(gradient(chosen, action, *some_states(ENV, which))):
            assert np.isfinite(x).all(), jax.tree_util.keystr(path)

    finite()


# ------------------------------------------------------------------------------------------------ path losses and mobilities


def losses(name, air):
    """Loss [dB] of links from vehicles as a function of their latents; the links, their chance of sight, and the numbers."""
    env = UrllcVec(**SIZES, **{"pathloss_air" if air else "pathloss_v2b": name})
    params, keys = env.default_params(), world_keys(jax.random.key(3), 40)
    state, _ = jax.jit(env.reset)(keys, params)
    ground_m, distance_m = links.distances_m(state.pos_v, state.pos_u if air else state.pos_bs, params)
    height_m = state.pos_u[None, :, 2] if air else params.bs_antenna_height_m
    between = links.AirLinks(ground_m, distance_m, height_m, params.ut_antenna_height_m, None, state.alpha_vu)

    def loss_db(latent):
        if not air:
            return links.ground_loss_db(env, state.replace(los_vb=latent), params)
        return links.air_loss_db(env, between._replace(latent=latent), params)

    d1_m, p1_m = pathloss.uma_av_los_d1_p1(height_m) if air else (params.los_v2b_d1_m, params.los_v2b_p1_m)
    chance = pathloss.los_probability(ground_m, d1_m, p1_m)
    return loss_db, pathloss.Link(ground_m, distance_m, height_m, params.ut_antenna_height_m), chance, params


@pytest.mark.slow
@pytest.mark.parametrize("air", [False, True], ids=["ground", "air"])
@pytest.mark.parametrize("name", ["free_space", "umi_los", "uma_nlos", "okumura_hata", "okumura_hata_ghz"])
def test_a_single_path_loss_is_the_registered_one_whatever_is_in_sight(name, air):
    if air and name == "free_space":
        pytest.skip("of the air's links it is (26), with an exponent of each")
    loss_db, link, chance, params = losses(name, air)
    expected = np.broadcast_to(pathloss.MODELS[name](link, params), chance.shape)
    for latent in (0, 1):
        np.testing.assert_allclose(loss_db(jnp.full_like(chance, latent)), expected, rtol=1e-6)


MIXTURES = [
    ("uma", False, "uma_los_fixed", "uma_nlos_fixed"),
    ("umi", False, "umi_los", "umi_nlos"),
    ("uma_av", True, "uma_av_los", "uma_av_nlos"),
    ("umi", True, "umi_los", "umi_nlos"),
]


@pytest.mark.parametrize(("name", "air", "of_sight", "of_blocked"), representatives(MIXTURES, MIXTURES[1:3]))
def test_a_mixture_is_of_two_models_by_line_of_sight(name, air, of_sight, of_blocked):
    """A link is in sight while its latent is below its chance."""
    loss_db, link, chance, params = losses(name, air)
    if name == "uma_av":
        link = link._replace(rx_height_m=link.tx_height_m)
    los_db, nlos_db = (np.broadcast_to(pathloss.MODELS[x](link, params), chance.shape) for x in (of_sight, of_blocked))
    np.testing.assert_allclose(loss_db(0.999 * chance), los_db, rtol=1e-6)
    np.testing.assert_allclose(loss_db(1.001 * chance), nlos_db, rtol=1e-6)
    assert (nlos_db - los_db > 1).mean() > 0.9  # the two are told apart


@pytest.mark.slow
def test_a_path_loss_from_outside_serves_both_kinds_of_links(monkeypatch):
    monkeypatch.setattr(pathloss.MODELS, "_others", {})
    jaxvec.register("flat", lambda link, radio: jnp.full(jnp.shape(link.distance_3d_m), 90.0), kind="pathloss")
    jaxvec.register("far_los", lambda link, radio: 0 * link.distance_3d_m + 80.0, kind="pathloss")
    jaxvec.register("far_nlos", lambda link, radio: 0 * link.distance_3d_m + 120.0, kind="pathloss")
    env, params = jaxvec.make("urllc_vec", **SIZES, pathloss_v2b="far", pathloss_air="flat")
    loss_db = split_nodes(env, env.reset(world_keys(jax.random.key(1), 50), params)[0].links.loss_db, axis=1)
    np.testing.assert_array_equal(np.unique(loss_db["bs"]), [80.0, 120.0])
    np.testing.assert_array_equal(np.unique(loss_db["uav"]), [90.0])


class Parade(mobility.Mobility):
    """Vehicles that drive west, each at a speed of its own, and know no heights."""

    numbers = ("n_vehicles", "veh_xy_m", "slot_s")
    constant_speed = True

    def reset_shapes(self, sizes, params):
        return dict.fromkeys(("x_m", "speed_mps"), (sizes.n_vehicles,))

    def start(self, draws, sizes, params):
        x_m = params.veh_xy_m * draws["x_m"]
        return mobility.Motion(x_m, jnp.full_like(x_m, 7), -20 * draws["speed_mps"], jnp.ones(x_m.shape, bool), None)

    def advance(self, motion, draws, sizes, params):
        return motion._replace(x_m=motion.x_m + motion.velocity_mps * params.slot_s)


@pytest.mark.slow
def test_vehicles_may_move_otherwise(monkeypatch):
    monkeypatch.setattr(mobility.MODELS, "_others", {})
    jaxvec.register("parade", Parade(), kind="mobility")
    env, params = jaxvec.make("urllc_vec", **SIZES, mobility="parade", veh_z_min_m=3.0)
    keys = world_keys(jax.random.key(0), 5)
    assert "veh_wp" not in jax.eval_shape(env.draw_step, keys, params)
    first, ts = env.reset(keys, params)
    action = random(env)(keys, ts.obs)
    second, ts = env.step(keys, first, action, params)
    np.testing.assert_array_equal(second.velocity_v, first.velocity_v)
    np.testing.assert_allclose(second.pos_v[:, 0], first.pos_v[:, 0] + 0.02 * first.velocity_v, rtol=1e-6)
    np.testing.assert_array_equal(second.pos_v[:, 1:], np.broadcast_to([[[7], [3]]], (3, 2, 5)))
    row = env.observation_layout["vehicle"]
    seen = {
        name: row.read(ts.obs.agents["vehicle"], name, params) for name in ("speed_mps", "cos_heading", "climb_rad")
    }
    np.testing.assert_allclose(seen["speed_mps"], -first.velocity_v, rtol=1e-6)
    assert (seen["cos_heading"] == -1).all()
    assert (seen["climb_rad"] == 0).all()


@pytest.mark.slow
def test_vehicles_drive_from_waypoint_to_waypoint():
    """Straight on to where they are headed, at their speed; and whoever arrives gets another waypoint."""
    params, keys = ENV.default_params(veh_speed_mps=5e3), world_keys(jax.random.key(6), 50)
    before, ts = ENV.reset(keys, params)
    after, _ = ENV.step(keys, before, random(ENV)(keys, ts.obs), params)
    ahead_m, moved_m = before.track_v - before.pos_v, np.asarray(after.pos_v - before.pos_v)
    arrived = np.hypot(ahead_m[:, 0], ahead_m[:, 1]) <= 100
    assert 0 < arrived.mean() < 0.5
    same = (after.track_v == before.track_v).all(1)
    np.testing.assert_array_equal(same, ~arrived)
    away_m = np.hypot(moved_m[:, 0], moved_m[:, 1])
    inside = (np.abs(after.pos_v[:, :2]) < params.veh_xy_m).all(1)
    assert (away_m[inside] <= 100 + 1e-3).all()
    assert (away_m[inside] >= 100 * np.cos(params.phi_max_rad) - 1e-3).all()
