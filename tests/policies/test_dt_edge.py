"""The fixed rules of `dt_edge` against those of its float64 reference in NumPy, and by hand."""

from functools import cache

import jax
import numpy as np
import pytest
from envs.dt_edge_pair import PAIR, Config, sizes_of
from envs.side_by_side import WORLDS, together
from reference import dt_edge as reference
from representatives import representatives

from jaxvec.core.params import world_params
from jaxvec.core.rollout import policy_keys
from jaxvec.envs.dt_edge import DtEdge
from jaxvec.envs.dt_edge.observation import GROUP, observe
from jaxvec.envs.dt_edge.params import Params
from jaxvec.envs.dt_edge.slot import decode
from jaxvec.policies import fixed
from jaxvec.policies.dt_edge import Plan

RULES = [name for name in reference.POLICIES if name not in ("random", "softmax_random")]  # those without chance
UNEQUAL = {"cycles_per_bit": np.array([150.0, 300.0, 500.0]), "t_max_s": np.array([0.05, 0.1, 0.2])}
SETTINGS = {
    "balanced": ({"n_vehicles": 4}, {}),
    "dense": ({"n_vehicles": 4, "bandwidth_shared": False, "queue_wait": True}, {"server_cpu_hz": 65e9}),
    "unequal": ({"n_vehicles": 4, "reward_mode": "eq27"}, UNEQUAL | {"cpu_bias_mean_hz": -1e9, "alpha_max": 0.5}),
}


def worlds(params, sizes, many=WORLDS, slots=3):
    """States after a few slots of starving: queues are not empty, in half of the worlds."""
    rng, states = np.random.default_rng(4), []
    for w in range(many):
        state = reference.reset_with_draws(reference.sample_reset_draws(rng, sizes), params, sizes)
        for _ in range(slots * (w % 2)):
            action = reference.starve(state, params, sizes, rng)
            state, *_ = reference.step_with_draws(state, action, reference.sample_step_draws(rng, sizes), params, sizes)
        states.append(state)
    return states


@cache
def asker(env):
    """All rules' requests of given parameters, in one program for all numbers."""

    def plans_of(keys, batch, params):
        whole = world_params(params)
        obs = observe(env, batch, whole)
        actions = {name: policy(keys, obs) for name, policy in fixed(env, params).items()}
        return {name: Plan(*decode(env, action[GROUP], whole)) for name, action in actions.items()}

    return jax.jit(plans_of)


def requests(env, params, states):
    """Every rule's requests `(N, K, worlds)` in float64."""
    configs = [Config(reference.Params(), sizes_of(env))] * len(states)  # all roads are alike
    with jax.enable_x64(True):
        plans = asker(env)(policy_keys(jax.random.key(0), len(states)), PAIR.batch(states, configs), params)
        return jax.tree.map(np.asarray, plans)


@pytest.mark.parametrize("name", representatives(SETTINGS, ("balanced",)))
def test_rules_agree_with_those_of_the_reference(name):
    settings, numbers = SETTINGS[name]
    env, params = DtEdge(**settings), reference.Params(**numbers)
    sizes = sizes_of(env)
    states, rng, divided = worlds(params, sizes, 2 * WORLDS), np.random.default_rng(0), set()
    ours = requests(env, Params(**vars(params)), states)
    assert set(ours) == set(reference.POLICIES)
    for rule in RULES:
        expected = [reference.POLICIES[rule](state, params, sizes, rng) for state in states]
        np.testing.assert_array_equal(ours[rule].omega, together(x["omega"] for x in expected), rule)
        shares = np.minimum(together(x["alpha"] for x in expected), params.alpha_max)
        np.testing.assert_allclose(ours[rule].alpha, shares, 1e-9, err_msg=rule)
        divided |= {rule} if 0.05 < ours[rule].omega.mean() < 0.95 else set()
    # not the same for everybody, but where uploads take no time
    threshold = set() if name == "dense" else {"local_threshold"}
    assert divided == {"half_equal", "greedy_latency", "slot_optimum"} | threshold


def test_worlds_may_have_numbers_of_their_own():
    """A sweep over worlds, of a number and of one per type: as each world alone."""
    env, sizes = DtEdge(n_vehicles=4), sizes_of(DtEdge(n_vehicles=4))
    states = worlds(reference.Params(), sizes)
    bias, cycles = np.linspace(-2e9, 2e9, WORLDS), np.linspace(200.0, 600.0, WORLDS)
    together = requests(env, Params(cpu_bias_mean_hz=bias, cycles_per_bit=cycles[None]), states)
    for w in (1, 10):
        params = Params(cpu_bias_mean_hz=bias[w], cycles_per_bit=np.full(3, cycles[w]))
        alone = requests(env, params, states)
        for rule in RULES:
            for ours, theirs in zip(together[rule], alone[rule], strict=True):
                np.testing.assert_allclose(ours[..., w], theirs[..., w], 1e-12, err_msg=rule)
    assert len(np.unique(together["offload_equal"].alpha.round(12))) == WORLDS


def test_rules_by_hand():
    """Ten vehicles 250 m from the mast, mean tasks: 54.6 ms of upload and 23.5 ms of computing against 62.5 ms on board."""
    env = DtEdge()
    plans = requests(env, Params(), [state_by_hand(n=10)] * WORLDS)
    budget = 1 - 30 * 0.5e9 / 400e9  # 0.9625
    expected = {  # ratio, share
        "local": (0, 0.005),
        "starve": (1, 0.005),
        "offload_equal": (1, budget / 30),
        "half_equal": (0.5, budget / 30),
        "greedy_latency": (0, budget / 30),
        "local_threshold": (1, 0.125),  # the energy is worth 25 ms: 78.1 < 87.5; half of the largest share
    }
    for rule, (ratio, share) in expected.items():
        np.testing.assert_allclose(plans[rule].omega, ratio, err_msg=rule)
        np.testing.assert_allclose(plans[rule].alpha, share, err_msg=rule)
    near = requests(env, Params(), [state_by_hand(n=10, x_m=100.0)] * WORLDS)  # 34 ms of upload
    assert (near["greedy_latency"].omega == 1).all()
    far = requests(env, Params(), [state_by_hand(n=10, x_m=400.0)] * WORLDS)  # 88 ms
    assert (far["local_threshold"].omega == 0).all()
    np.testing.assert_allclose(far["local_threshold"].alpha, 0.005)


def state_by_hand(n, x_m=249.7274):
    """All vehicles in the first lane, mean tasks, no shadowing and no fading."""
    still = dict.fromkeys(("fading_im", "shadow_db", "fading_corr", "shadow_corr"), np.zeros(n))
    place = {"x_m": np.full(n, x_m), "lane": np.zeros(n, int), "speed_mps": np.full(n, 12.5), "fading_re": np.ones(n)}
    load = {"task_bits": np.full((n, 3), 1e6), "queue_bits": np.zeros(3), "cpu_bias_hz": np.full((n, 3), 0.5e9)}
    return reference.State(t=0, **still, **place, **load)


def test_chance_of_the_random_rules():
    """Ratios uniform, or of a softmax over six: a sixth each on average, as are doubled shares."""
    env = DtEdge()
    many = 40
    plans = requests(env, Params(), [state_by_hand(n=10)] * (many * WORLDS))
    n = plans["random"].omega.size
    assert n == 30 * many * WORLDS
    assert plans["random"].omega.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * n))
    u = np.log(plans["random"].alpha / 0.005) / np.log(50)
    assert u.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * n))
    soft = plans["softmax_random"]
    inside = (soft.omega > 0.01) & (soft.omega < 0.99)
    assert soft.omega.mean() == pytest.approx(1 / 6, abs=4 * soft.omega.std() / np.sqrt(n))
    assert soft.alpha.mean() == pytest.approx(1 / 12, abs=4 * soft.alpha.std() / np.sqrt(n))
    both = inside.all(1) & (soft.alpha > 0.005 * 1.001).all(1) & (soft.alpha < 0.249).all(1)
    whole = (soft.omega.sum(1) + 2 * soft.alpha.sum(1))[both]
    assert whole.size > n / 10
    np.testing.assert_allclose(whole, 1, 1e-9)  # one softmax over both


def test_the_optimum_is_not_improved_by_changes():
    """Random changes of one stream's ratio and of the shares, 300 in each of some worlds, gain at most 0.003."""
    sizes, params = reference.Sizes(n_vehicles=4), reference.Params()
    rng, gains = np.random.default_rng(1), []
    for state in worlds(params, sizes)[:4]:
        best = reference.slot_optimum(state, params, sizes, rng)

        def value(plan, state=state):
            return reference.play_slot(state, plan, params, sizes)["team_reward"]

        start = top = value(best)
        for _ in range(300):
            other = {name: x.copy() for name, x in best.items()}
            stream = tuple(rng.integers(0, best["omega"].shape))
            other["omega"][stream] = rng.random()
            other["alpha"] *= rng.uniform(0.8, 1.25, best["alpha"].shape)
            if value(other) > top:
                best, top = other, value(other)
        gains.append(top - start)
    assert max(gains) < 0.003
