"""What the paper and its documented prototype say of fixed rules in `v2x_offload`: the table of means, the sweeps, and claims C2
to C16 as far as no learning is needed.

The prototype's table has means over 300 episodes of 4 slots, its sweeps over fewer. A reward meets its number of the table within
0.004 and of a sweep within 0.008 (0.001 and 0.002 of it are sampling error here); other columns within 5 % and three standard
errors of both samples. All sweeps of one size are one program: its worlds have different numbers.
"""

import jax
import numpy as np
import pytest
from reference.v2x_offload import COLUMNS, DOCUMENTED

import jaxvec
from jaxvec.core.evaluation import evaluate
from jaxvec.core.rollout import rollout
from jaxvec.envs.v2x_offload.observation import see
from jaxvec.policies import fixed

pytestmark = pytest.mark.slow

KEY = jax.random.key(0)
EACH = 512  # worlds per point of a sweep, 4 slots each
NEVER = 1e9
POINTS = {
    "base": {},
    **{f"F{f}": {"es_cpu_hz": f * 1e9} for f in (5, 10, 15, 20, 25)},
    **{f"D{d}": {"task_bits": d * 1e3} for d in (20, 50, 100, 150, 200)},
    **{f"exact D{d}": {"task_bits": d * 1e3, "deadline_s": NEVER, "hard_radius": False} for d in (100, 150)},
    **{f"v{v}": {"speed_mps": v} for v in (5.0, 30.0)},
    **{f"error {e}": {"twin_cpu_err": e, "twin_bw_err": e} for e in (0.1, 0.3, 0.5)},
    **{f"sync {k}": {"twin_sync_every": k} for k in (2, 5, 10)},
    "equal tasks": {"task_spread": 0.0},
    "per hertz": {"noise_psd_w_hz": 10**-14.3, "noise_w": 1e-18},  # -113 dBm/Hz
    "thermal": {"noise_psd_w_hz": 10**-20.4},
    "kappa 1e-28": {"es_kappa": 1e-28},
    "kappa 1e-27": {"es_kappa": 1e-27},
    "no deadline": {"deadline_s": NEVER},
}
BASE = 2048  # worlds with the default numbers


@pytest.fixture(scope="module")
def points():
    """Point of a sweep -> rule -> metric -> mean of each world; all worlds of a point, in every sweep, meet the same chance."""
    env, params = jaxvec.make("v2x_offload", horizon=4)
    sizes = [BASE, *[EACH] * (len(POINTS) - 1)]
    names = sorted({name for point in POINTS.values() for name in point})
    leaves = {}
    for name in names:
        values = [np.asarray(point.get(name, getattr(params, name))) for point in POINTS.values()]
        leaves[name] = np.repeat(np.stack(values), sizes)
    leaves |= {name: leaves[name][None] for name in ("es_cpu_hz", "es_kappa")}
    params = params.replace(**leaves)
    results = evaluate(env, fixed(env, params), KEY, params, sum(sizes))
    ends = np.cumsum(sizes)
    return {
        point: {rule: {m: x[end - n : end] for m, x in metrics.items()} for rule, metrics in results.items()}
        for point, n, end in zip(POINTS, sizes, ends, strict=True)
    }


@pytest.fixture(scope="module")
def means(points):
    """Point -> rule -> metric -> mean."""
    return {p: {r: {m: x.mean() for m, x in ms.items()} for r, ms in rules.items()} for p, rules in points.items()}


def rewards(means, points, rule):
    return np.array([means[point][rule]["reward"] for point in points])


# ------------------------------------------------------------------------------------------------------------------- table


@pytest.mark.parametrize("rule", DOCUMENTED)
def test_rules_meet_the_documented_rewards(points, rule):
    reward, spread = DOCUMENTED[rule][:2]
    assert points["base"][rule]["reward"].mean() == pytest.approx(reward, abs=0.004)
    assert points["base"][rule]["reward"].std() == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize("rule", DOCUMENTED)
@pytest.mark.parametrize("column", COLUMNS)
def test_rules_meet_the_documented_columns(points, rule, column):
    documented, measured = DOCUMENTED[rule][2 + COLUMNS.index(column)], points["base"][rule][column]
    error = 3 * measured.std() * np.sqrt(1 / BASE + 1 / 300)
    last = 0.005 if documented >= 0.01 and column[:4] in ("frac", "cpu_", "jain") else 1e-4
    last = max(last, {"frac_local": 0.005, "timeout_rate": 5e-4}.get(column, 0))
    assert abs(measured.mean() - documented) <= 0.05 * documented + error + last


def test_order_and_range_of_the_rules(means):
    """C2, C3: amcs > rocs > alcs; random play between 0.60 and 0.75 and nobody above 0.96, the axis of Fig. 4."""
    reward = {rule: x["reward"] for rule, x in means["base"].items()}
    assert (
        reward["greedy"] > reward["amcs"] > reward["amcs_nearest"] > reward["rocs"] > reward["random"] > reward["alcs"]
    )
    assert 0.60 <= reward["random"] <= 0.75
    assert max(reward.values()) <= 0.96


def test_a_local_task_costs_its_part_of_312_kbit(points):
    """C4: alcs earns 1 - mean task / 312 kbit; its deviation over slots is 0.5 * 100 / (312 sqrt(30)), and 0 for equal tasks."""
    env, params = jaxvec.make("v2x_offload", horizon=4)

    def select(slot):
        return slot.state.task_bits.mean(0), slot.ts.info["reward_mean"]

    tasks, reward = jax.jit(lambda key: rollout(env, fixed(env, params)["alcs"], key, params, 2048, select=select))(KEY)
    np.testing.assert_allclose(reward, 1 - tasks / 312e3, rtol=2e-6)
    assert np.std(reward) == pytest.approx(0.5 * 100 / (312 * np.sqrt(30)), rel=0.03)
    np.testing.assert_allclose(points["equal tasks"]["alcs"]["reward"], 1 - 100 / 312, rtol=1e-6)


# ------------------------------------------------------------------------------------------------------------------ sweeps


def test_rewards_fall_with_the_size_of_tasks(means):
    """C5 and the documented sweep: 20 to 200 kbit."""
    documented = {
        "alcs": (0.937, 0.842, 0.684, 0.525, 0.367),
        "rocs": (0.956, 0.892, 0.784, 0.678, 0.573),
        "amcs": (0.982, 0.957, 0.915, 0.873, 0.831),
        "greedy": (0.984, 0.960, 0.920, 0.879, 0.839),
    }
    sweep = [f"D{d}" for d in (20, 50, 100, 150, 200)]
    for rule in means["base"]:
        assert (np.diff(rewards(means, sweep, rule)) < 0).all(), rule
    for rule, expected in documented.items():
        # alcs and rocs vary with the few tasks that were drawn for the prototype: 0.005 times the size over 100 kbit on top
        np.testing.assert_allclose(rewards(means, sweep, rule), expected, atol=0.012, err_msg=rule)


def test_costs_are_proportional_to_tasks(points, means):
    """C5: cost(150 kbit) / cost(100 kbit) is 1.5 +- 3 %, and exactly 1.5 without deadline and radius."""
    for rule in ("alcs", "amcs", "amcs_nearest", "rocs", "greedy"):
        cost = [means[f"D{d}"][rule]["cost_mean"] for d in (100, 150)]
        # the deadline cuts costs: at the nearest server more often, by 3.1 %
        assert cost[1] / cost[0] == pytest.approx(1.5, rel=0.04 if rule == "amcs_nearest" else 0.03), rule


def test_the_size_of_tasks_does_not_decide_where_they_are_computed():
    """C5: without deadline and radius a cost is exactly proportional; C7: so greedy's targets are the same for tasks of any size.

    The paper's story of small tasks that stay local has no base in its equations. Unequal servers, so that there are no ties.
    """
    numbers = {"es_cpu_hz": [23e9, 25e9, 15e9], "deadline_s": NEVER, "hard_radius": False}
    env, params = jaxvec.make("v2x_offload", horizon=4, **numbers)
    size = np.array([20e3, 100e3, 200e3])

    def select(slot):
        return slot.ts.info["turn_split"], slot.ts.info["turn_cost"]

    @jax.jit
    def run(key, task_bits):
        now = params.replace(task_bits=task_bits)
        return rollout(env, fixed(env, now)["greedy"], key, now, 256, select=select)

    with jax.enable_x64(True):
        split, cost = (np.stack(x) for x in zip(*(run(KEY, bits) for bits in size), strict=True))
    np.testing.assert_array_equal(split, split[:1].repeat(3, 0))
    np.testing.assert_allclose(cost, cost[1] * size[:, None, None, None] / 100e3, rtol=1e-9)
    assert (split[0].mean((0, 1, 3))[1:] > 0.2).all()


def test_relative_falls_from_100_to_150_kbit(means):
    """C6: alcs 23.6 +- 0.6 % (the error of 512 x 4 slots is 0.2), and smaller for what is cheaper."""
    fall = {rule: 1 - means["D150"][rule]["reward"] / means["D100"][rule]["reward"] for rule in means["base"]}
    assert fall["alcs"] == pytest.approx(0.236, abs=0.006)
    assert fall["greedy"] < fall["amcs"] < fall["rocs"] < fall["alcs"]
    for rule, documented in {"greedy": 0.044, "amcs": 0.046, "rocs": 0.135, "alcs": 0.23}.items():
        assert fall[rule] == pytest.approx(documented, abs=0.01), rule


def test_faster_servers_save_time_and_cost_energy(means):
    """C11: amcs over 5 to 25 GHz: latency falls, energy and reward rise at every step."""
    sweep = [f"F{f}" for f in (5, 10, 15, 20, 25)]
    latency = np.array([means[point]["amcs"]["latency_mean_s"] for point in sweep])
    energy = np.array([means[point]["amcs"]["energy_mean_j"] for point in sweep])
    reward = rewards(means, sweep, "amcs")
    assert (np.diff(latency) < 0).all()
    assert (np.diff(energy) > 0).all()
    assert (np.diff(reward) > 0).all()
    assert 0.2 <= latency[-1] / latency[0] <= 0.35
    assert energy[-1] - energy[0] < 0.05
    np.testing.assert_allclose(reward, [0.746, 0.860, 0.895, 0.910, 0.915], atol=0.008)
    np.testing.assert_allclose(latency, [39.5e-3, 21.3e-3, 15.2e-3, 12.2e-3, 10.4e-3], rtol=0.05)
    np.testing.assert_allclose(energy, [1.5e-3, 4.2e-3, 8.8e-3, 15.3e-3, 23.6e-3], rtol=0.05)


def test_what_the_twin_is_worth(means):
    """C16: greedy loses by errors of the twin, and more than 0.08 if it is refreshed once a slot."""
    errors = rewards(means, ["base", "error 0.1", "error 0.3", "error 0.5"], "greedy")
    np.testing.assert_allclose(errors, [0.920, 0.918, 0.915, 0.908], atol=0.008)
    assert errors[0] > errors[2] > errors[3]
    sync = ["base", "sync 2", "sync 5", "sync 10"]
    reward = rewards(means, sync, "greedy")
    # documented first, from few episodes: 0.838 and 0.797; 200 episodes of the reference give 0.845, 0.807 +- 0.003
    np.testing.assert_allclose(reward, [0.918, 0.909, 0.845, 0.807], atol=0.008)
    assert reward[0] - reward[-1] > 0.08
    assert (np.diff(reward) < 0).all()
    late = [means[point]["greedy"]["timeout_rate"] for point in sync]
    np.testing.assert_allclose(late, [0, 0, 0.11, 0.18], atol=0.012)
    assert means["sync 10"]["greedy"]["jain_latency"] == pytest.approx(0.36, abs=0.02)
    assert means["sync 10"]["greedy"]["short_grant_rate"] > 0.3
    assert means["base"]["greedy"]["short_grant_rate"] == 0  # nobody gets less than an exact twin promises


def test_what_the_choices_of_numbers_are_about(means):
    """With the numbers that were not chosen, offloading makes no sense: noise per hertz, the vehicles' kappa, no deadline."""
    assert means["per hertz"]["amcs"]["reward"] == pytest.approx(0.335, abs=0.008)
    assert means["per hertz"]["amcs"]["timeout_rate"] == pytest.approx(0.97, abs=0.01)
    assert means["thermal"]["amcs"]["reward"] == pytest.approx(0.912, abs=0.008)
    assert means["kappa 1e-27"]["random"]["reward"] == pytest.approx(-2.3, abs=0.1)
    assert means["kappa 1e-27"]["amcs"]["reward"] == pytest.approx(-0.9, abs=0.1)
    assert means["kappa 1e-28"]["amcs"]["reward"] == pytest.approx(0.749, abs=0.012)
    assert means["kappa 1e-28"]["greedy"]["reward"] == pytest.approx(0.767, abs=0.012)
    assert means["no deadline"]["random"]["reward"] < -1e5  # who is out of reach never gets an answer


# ----------------------------------------------------------------------------------------------------------------- movement

SPEEDS = (5.0, 10.0, 15.0, 17.5, 20.0, 25.0, 27.5, 30.0)
DRIFTING = 96  # worlds per speed, 100 slots each


@pytest.fixture(scope="module")
def drifting():
    """`fig7`: rule -> metric -> (speed, world), the same chance at all speeds but for what drifts differently."""
    env, params = jaxvec.make("v2x_offload", preset="fig7")
    speed = np.repeat(np.float32(SPEEDS), DRIFTING)
    params = params.replace(speed_mps=speed)
    rules = {name: fixed(env, params)[name] for name in ("alcs", "amcs", "rocs", "greedy")}
    results = evaluate(env, rules, KEY, params, len(speed))
    return {rule: {m: x.reshape(len(SPEEDS), DRIFTING) for m, x in ms.items()} for rule, ms in results.items()}


def test_without_borders_offloading_fades_with_speed(drifting):
    """C8, Fig. 7: amcs and rocs fall with speed and cross alcs between 17.5 and 27.5 m/s (paper: 20 to 25).

    The numbers are those of 400 episodes of the reference; the first ones that were documented, from few episodes, are up to
    0.025 lower for amcs (0.784 at 15 m/s). With 96 episodes the error of a mean is below 0.008.
    """
    reward = {rule: metrics["reward"].mean(1) for rule, metrics in drifting.items()}
    expected = {
        "amcs": (0.898, 0.856, 0.800, 0.739, 0.680, 0.632),
        "rocs": (0.775, 0.755, 0.729, 0.700, 0.672, 0.650),
        "greedy": (0.911, 0.893, 0.871, 0.846, 0.821, 0.801),
    }
    even = [SPEEDS.index(v) for v in (5, 10, 15, 20, 25, 30)]
    for rule, numbers in expected.items():
        np.testing.assert_allclose(reward[rule][even], numbers, atol=0.02, err_msg=rule)
        assert (np.diff(reward[rule]) < 0).all(), rule
    np.testing.assert_allclose(reward["alcs"], 1 - 100 / 312, atol=0.003)
    before, after = SPEEDS.index(17.5), SPEEDS.index(27.5)
    for rule in ("amcs", "rocs"):
        assert reward[rule][before] > reward["alcs"][before], rule
        assert reward[rule][after] < reward["alcs"][after], rule
    assert (reward["greedy"] > reward["alcs"]).all()  # C9: who may compute locally need not fall below


def test_the_part_that_drifts_out_of_reach(drifting):
    """An offloader times out where no server reaches it: 3 to 48 % of them at 5 to 30 m/s (400 episodes of the reference)."""
    late = drifting["amcs"]["timeout_rate"].mean(1)
    even = [SPEEDS.index(v) for v in (5, 10, 15, 20, 25, 30)]
    np.testing.assert_allclose(late[even], [0.03, 0.10, 0.20, 0.30, 0.395, 0.48], atol=0.035)


def test_with_borders_speed_does_not_matter(means):
    """C10: within 0.01 for every rule."""
    for rule in means["base"]:
        if rule != "random":
            assert means["v5.0"][rule]["reward"] == pytest.approx(means["v30.0"][rule]["reward"], abs=0.01), rule


# -------------------------------------------------------------------------------------------------------- numbers of vehicles


def crowd(n_vehicles, rules, worlds=256, **numbers):
    env, params = jaxvec.make("v2x_offload", n_vehicles=n_vehicles, horizon=4)
    params = params.replace(**numbers)
    results = evaluate(env, {rule: fixed(env, params)[rule] for rule in rules}, KEY, params, worlds)
    halves = [{rule: {m: x[s].mean() for m, x in ms.items()} for rule, ms in results.items()} for s in halved(worlds)]
    return halves if numbers else {rule: {m: x.mean() for m, x in ms.items()} for rule, ms in results.items()}


def halved(worlds):
    return slice(None, worlds // 2), slice(worlds // 2, None)


@pytest.fixture(scope="module")
def forty():
    """40 vehicles with servers of 25 and of 15 GHz (`contended`)."""
    cpu_hz = np.repeat([25e9, 15e9], 256)[None]
    return crowd(40, ("random", "alcs", "rocs", "amcs_nearest", "amcs", "greedy"), 512, es_cpu_hz=cpu_hz)


def test_more_vehicles_wait_longer(means, forty):
    """C13: amcs over 10 to 60 vehicles: latency rises and reward falls at every step, below alcs at 60.

    C14 the other way round: by (13) energy falls, because each gets less.
    """
    crowds = [means["base"], crowd(20, ("amcs",)), forty[0], crowd(60, ("amcs",))]

    def of(metric):
        return np.array([rules["amcs"][metric] for rules in crowds])

    np.testing.assert_allclose(of("reward"), [0.914, 0.869, 0.771, 0.669], atol=0.008)
    np.testing.assert_allclose(of("latency_mean_s"), [10.4e-3, 19.5e-3, 35.3e-3, 51.3e-3], rtol=0.05)
    np.testing.assert_allclose(of("energy_mean_j"), [23.7e-3, 7.5e-3, 3.2e-3, 2.9e-3], rtol=0.06)
    assert (np.diff(of("latency_mean_s")) > 0).all()
    assert (np.diff(of("reward")) < 0).all()
    assert of("reward")[-1] < means["base"]["alcs"]["reward"]
    assert forty[0]["greedy"]["reward"] == pytest.approx(0.779, abs=0.008)
    assert forty[0]["rocs"]["reward"] == pytest.approx(0.759, abs=0.008)


@pytest.mark.parametrize(("n", "rewards"), [(20, (0.879, 0.780)), (60, (0.709, 0.737))])
def test_other_rules_among_more_vehicles(n, rewards):
    means = crowd(n, ("greedy", "rocs"))
    for rule, reward in zip(("greedy", "rocs"), rewards, strict=True):
        assert means[rule]["reward"] == pytest.approx(reward, abs=0.008)


def test_in_a_contended_place_selfish_offloading_does_not_pay(forty):
    documented = {"random": 0.515, "alcs": 0.680, "rocs": 0.726, "amcs_nearest": 0.638, "amcs": 0.656, "greedy": 0.704}
    for rule, reward in documented.items():
        assert forty[1][rule]["reward"] == pytest.approx(reward, abs=0.008), rule
    env, params = jaxvec.make("v2x_offload", preset="contended")
    assert (env.n_vehicles, params.es_cpu_hz) == (40, 15e9)


# ------------------------------------------------------------------------------------------------------------------ partition


def test_divided_tasks_do_better_than_any_single_target():
    """Spread over the servers by what is left of them, in equal shares: 0.933, with 3 instead of 23 mJ; at random 0.610."""
    env, params = jaxvec.make("v2x_offload", preset="partition", horizon=4)
    rules = fixed(env, params)

    def spread(key, obs):
        action = rules["amcs_nearest"](key, obs)["vehicle"]
        seen = see(env, obs, params)
        share = 1 / (1 + seen.to_come)  # everybody uses every server
        logit = jax.numpy.log(jax.numpy.maximum(seen.free_hz / params.es_cpu_hz, 1e-6)) / 5
        split = jax.numpy.concatenate([-jax.numpy.ones_like(logit[:, :1]), logit], 1)
        return {"vehicle": action | {"split": split, "cpu": 2 * share - 1, "bandwidth": 2 * share - 1}}

    results = evaluate(env, {"spread": spread, "random": rules["random"], "amcs": rules["amcs"]}, KEY, params, 512)
    mean = {rule: {m: x.mean() for m, x in metrics.items()} for rule, metrics in results.items()}
    assert mean["spread"]["reward"] == pytest.approx(0.933, abs=0.004)
    assert mean["spread"]["energy_cpu_es_mean_j"] == pytest.approx(3e-3, rel=0.2)
    assert mean["random"]["reward"] == pytest.approx(0.610, abs=0.012)
    assert mean["amcs"]["reward"] == pytest.approx(0.914, abs=0.004)  # one part: one target
