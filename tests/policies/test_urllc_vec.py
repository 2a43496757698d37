"""The fixed rules of `urllc_vec` against those of its float64 reference, on states that random play leads to."""

from functools import partial

import jax
import numpy as np
import pytest
from envs.side_by_side import together
from envs.urllc_vec_pair import GROUPS, sizes_of
from reference import urllc_vec as reference
from reference import urllc_vec_policies as theirs

import jaxvec
from jaxvec.core.rollout import policy_keys
from jaxvec.core.types import Observation
from jaxvec.envs.urllc_vec.params import split_nodes, stack_nodes
from jaxvec.policies import fixed

STATES = 16


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


@pytest.mark.parametrize("changes", [{}, {"latency_target_s": 0.002, "f_max_hz": 9e9, "bits_per_data_unit": 3.0}])
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
    assert set(ours) == {"random", *expected}
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
