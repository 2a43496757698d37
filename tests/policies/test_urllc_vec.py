"""The fixed rules of `urllc_vec` against its float64 reference, on states that random play leads to; local ones by hand."""

from functools import partial

import jax
import numpy as np
import pytest
from envs.side_by_side import together
from envs.urllc_vec_pair import GROUPS, sizes_of
from reference import urllc_vec as reference
from reference import urllc_vec_policies as theirs
from representatives import representatives

import jaxvec
from jaxvec.core.rollout import policy_keys
from jaxvec.core.types import Observation
from jaxvec.envs.urllc_vec import UrllcVec
from jaxvec.envs.urllc_vec.observation import Seen
from jaxvec.envs.urllc_vec.params import split_nodes, stack_nodes
from jaxvec.policies import fixed
from jaxvec.policies.urllc_vec import own_forwarding

STATES = 16
LOCAL = ("local_spread", "local_spread_half")


def states_of(config):
    """States after 1 to 4 slots of random play."""
    rng, states = np.random.default_rng(7), []
    for _ in range(STATES // 4):
        state = reference.reset_from(reference.reset_draws(rng, config), config)
        for _ in range(4):
            action = theirs.random(rng, state, config)
            state = reference.step_from(state, action, reference.step_draws(rng, config), config)[0]
            states.append(state)
    return states


def observation(env, config, states):
    """What everybody sees in each state, of all states at once."""
    seen = [reference.observe(state, config) for state in states]
    target = together(s["mask_target"] for s in seen)
    forward = together(s["mask_fwd"] for s in seen)
    vehicles = {"target": np.repeat(target[:, None], env.n_subtasks, 1)}
    mask = {"vehicle": vehicles, **split_nodes(env, {"forward": forward})}
    agents = {group: together(s[group] for s in seen) for group in GROUPS}
    return Observation(agents=agents, world=np.zeros((env.world_size, len(states))), mask=mask)


CHANGES = [{}, {"latency_target_s": 0.002, "f_max_hz": 9e9, "bits_per_data_unit": 3.0}]


@pytest.mark.parametrize("changes", representatives(CHANGES, CHANGES[1:]))
def test_rules_agree_with_the_reference(changes):
    env, params = jaxvec.make("urllc_vec")
    params, config = params.replace(**changes), reference.Config(**sizes_of(env) | changes)
    states = states_of(config)
    with jax.enable_x64(True):
        obs, keys = observation(env, config, states), policy_keys(jax.random.key(0), STATES)
        run = jax.jit(lambda keys, obs: {name: policy(keys, obs) for name, policy in fixed(env, params).items()})
        ours = jax.tree.map(np.asarray, run(keys, obs))
    expected = {
        f"{name}{suffix}": partial(getattr(theirs, name), admit=admit)
        for name in ("greedy", "spread", "nash")
        for suffix, admit in (("", 1.0), ("_half", 0.5))
    }
    assert set(ours) == {"random", *expected, *LOCAL}
    for name, rule in expected.items():
        told, mine = [rule(state, config) for state in states], ours[name]
        for part, theirs_part in {
            "target": "v_target",
            "power": "v_power",
            "split": "v_split",
            "priority": "v_prio",
        }.items():
            np.testing.assert_array_equal(mine["vehicle"][part], together(a[theirs_part] for a in told), err_msg=name)
        for part, short in {"forward": "fwd", "power": "power", "frequency": "freq", "admit": "admit"}.items():
            nodes = stack_nodes(mine)[part]
            np.testing.assert_array_equal(nodes, together(a[f"z_{short}"] for a in told), err_msg=f"{name} {part}")
    kinds = {name: ours[name]["vehicle"]["target"] for name in ("greedy", "spread", "nash")}
    assert all((kinds[a] != kinds[b]).any() for a, b in (("greedy", "spread"), ("spread", "nash"), ("greedy", "nash")))
    forward = stack_nodes(ours["nash_half"])["forward"]
    assert (forward != np.arange(env.n_nodes)[:, None]).any()


def test_local_vehicles_spread_and_local_nodes_take_and_send_on():
    """Vehicles do what `spread` does; nodes differ by their budget and in whom they forward to, of those whom they reach."""
    env, params = jaxvec.make("urllc_vec")
    states = states_of(reference.Config(**sizes_of(env)))
    obs, keys = observation(env, reference.Config(**sizes_of(env)), states), policy_keys(jax.random.key(0), STATES)
    found = jax.jit(lambda keys, obs: {name: fixed(env, params)[name](keys, obs) for name in (*LOCAL, "spread")})(
        keys, obs
    )
    for name, admit in zip(LOCAL, (1.0, 0.5), strict=True):
        np.testing.assert_array_equal(found[name]["vehicle"]["target"], found["spread"]["vehicle"]["target"])
        nodes = stack_nodes({group: found[name][group] for group in ("bs", "uav")})
        np.testing.assert_array_equal(nodes["admit"], admit)
        mask = stack_nodes(obs.mask)["forward"]
        assert np.take_along_axis(mask, np.asarray(nodes["forward"])[:, None], 1).all()


def own_seen(busy, snr=1e4, reached=((0, 1, 1), (1, 0, 1), (0, 0, 0))):
    """What three nodes see of each other; all are told the same backlogs `busy` (N,) [cycle], nothing of loads."""
    n, zeros = 3, np.zeros((3, 3))
    told = np.broadcast_to(np.asarray(busy, float), (n, n))
    gain = np.broadcast_to(snr, (n, n)) * PARAMS.noise_w
    return Seen(
        *(np.zeros((1, n)), np.ones((1, n), bool), np.array(reached, bool), np.array([1e5]), np.zeros(4)),
        *(np.full(n, 1e10), np.zeros(n), gain, np.full((n, 1), 1e5), np.full((n, n), 1e10), told, zeros),
    )


TRIO = UrllcVec(n_vehicles=1, n_uavs=2, n_bs=1)
PARAMS = TRIO.default_params(p_max_bs_w=1.0)


def test_nodes_forward_to_whom_their_own_row_shows_free_and_near():
    key = jax.random.key(0)
    whole = lambda seen: np.asarray(own_forwarding(key, 1.0, seen, TRIO, PARAMS)).tolist()  # noqa: E731
    assert whole(own_seen([1e8, 1e7, 2e7])) == [1, 2, 2]  # the last reaches nobody
    assert whole(own_seen([1e8, 3e7, 2e7])) == [2, 2, 2]
    assert whole(own_seen([0, 3e7, 2e7])) == [2, 0, 2]
    near = np.array([[1.0, 1e4, 1.0], [1.0, 1.0, 1e4], [1.0, 1.0, 1.0]])
    assert whole(own_seen([0, 0, 0], snr=near)) == [1, 2, 2]
    # the work of a tenth of a millisecond there is less than the longer way takes
    assert whole(own_seen([0, 1e6, 0], snr=near)) == [1, 2, 2]


@pytest.mark.slow
def test_who_takes_half_draws_lots_in_favour_of_the_free():
    """2 ms and 5 ms of work: with half the budget the lot is 3 ms wide, so that the second is e times rarer."""
    keys = jax.random.split(jax.random.key(1), 4000)
    seen = own_seen([1e8, 2e7, 5e7])
    found = np.asarray(jax.vmap(lambda key: own_forwarding(key, 0.5, seen, TRIO, PARAMS))(keys))
    ratio = (found[:, 0] == 1).sum() / (found[:, 0] == 2).sum()
    np.testing.assert_allclose(ratio, np.e, rtol=0.1)
    assert set(found[:, 2].tolist()) == {2}
