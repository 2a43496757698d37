"""The fixed rules of `isac_iov` against those of its float64 reference in NumPy, in the same states, and by hand."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from envs import side_by_side
from envs.isac_iov_pair import PAIR
from reference import isac_iov as reference

from jaxvec.core.rollout import policy_keys
from jaxvec.envs.isac_iov import IsacIov
from jaxvec.envs.isac_iov.observation import GROUP, observe
from jaxvec.policies import fixed

ENV = IsacIov()
WORLDS = 24
KEYS = policy_keys(jax.random.key(0), WORLDS)


def some_states(config, absent):
    """States of the reference after 0 to 5 slots, in which up to four of five vehicles may be absent."""
    rng, states = np.random.default_rng(9), []
    for w in range(WORLDS):
        state = reference.reset_from(reference.reset_draws(rng, config), config)
        for _ in range(w % 6):
            rules = [reference.all_local, reference.offload_equal, reference.capacity]
            state = reference.step_from(state, rules[w % 3](state, config), reference.step_draws(rng, config), config)[
                0
            ]
        present = np.arange(5) >= rng.integers(0, 5) if absent else state.present
        states.append(replace(state, present=present))
    return states


def actions(env, config, states):
    """Every rule's action in float64."""
    with jax.enable_x64(True):
        params = env.params_cls(rsu_cpu_hz=config.rsu_cpu_hz[:, None], rsu_bg_prob=config.rsu_bg_prob)
        obs = observe(env, PAIR.batch(states), params)
        run = jax.jit(lambda keys, obs: {name: p(keys, obs) for name, p in fixed(env, params).items()})
        return jax.tree.map(np.asarray, run(KEYS, obs))


@pytest.mark.parametrize("absent", [False, True], ids=["all present", "some absent"])
def test_rules_agree_with_the_references(absent):
    config = reference.Config(rsu_cpu_hz=np.array([8e9, 20e9, 14e9]), rsu_bg_prob=0.5)
    states = some_states(config, absent)
    ours = actions(IsacIov(mobility="trace" if absent else "road"), config, states)
    assert set(ours) == {"random", *reference.POLICIES}
    present = np.stack([s.present for s in states], -1)
    assert present.all() != absent
    for name, rule in reference.POLICIES.items():
        theirs = side_by_side.stack([rule(s, config) for s in states])
        for component, expected in theirs.items():
            mine = ours[name][GROUP][component]
            assert mine.shape == expected.shape
            keep = np.broadcast_to(present[:, None], expected.shape)  # who is absent may say anything
            np.testing.assert_allclose(mine[keep], expected[keep], rtol=1e-9, atol=1e-9, err_msg=f"{name} {component}")
    assert len({str(np.round(a[GROUP]["split"], 6)) for a in ours.values()}) == len(ours)  # all of them differ


def test_without_the_twin_a_rule_cannot_tell_the_queues():
    config = reference.Config(rsu_cpu_hz=np.full(3, 20e9), rsu_bg_prob=0.5)
    states = some_states(config, absent=False)
    blind, seeing = (actions(IsacIov(dt_enabled=twinned), config, states) for twinned in (False, True))
    assert np.array_equal(blind["waterfill_twin"][GROUP]["split"], blind["waterfill"][GROUP]["split"])
    assert np.array_equal(blind["waterfill"][GROUP]["split"], seeing["waterfill"][GROUP]["split"])
    assert not np.array_equal(seeing["waterfill_twin"][GROUP]["split"], seeing["waterfill"][GROUP]["split"])


def test_water_filled_parts_finish_together():
    """Where no logit meets the box, parts are those of nodes that end at one time: delay + part * work / speed."""
    config = reference.Config(rsu_cpu_hz=np.full(3, 20e9))
    states = some_states(config, absent=False)
    split = actions(ENV, config, states)["waterfill_twin"][GROUP]["split"]
    inside = 0
    for w, state in enumerate(states):
        _, _, covered = reference.geometry(state, config)
        speed = np.hstack([state.veh_cpu_hz[:, None] / 2, covered * 18e9 / (2 * 5 * 200 / 700)])
        delay = np.hstack([(state.q_loc_cycles / state.veh_cpu_hz)[:, None], covered * (state.q_rsu_cycles / 18e9)])
        part = np.exp(3 * split[..., w]) * (split[..., w] > -1)
        part /= part.sum(1, keepdims=True)
        end = delay + part * (state.task_bits * state.work_cpb)[:, None] / np.where(speed > 0, speed, 1)
        for i in range(5):
            used = (split[i, :, w] > -1) & (speed[i] > 0)
            clipped = (split[i, :, w] == -1) & (speed[i] > 0) & (delay[i] < end[i, used].max())
            if used.sum() > 1 and not clipped.any():
                np.testing.assert_allclose(end[i, used], end[i, used][0], rtol=1e-6)
                inside += 1
    assert inside > 20


def test_rules_ask_for_all_they_can_get_and_stay_in_the_box():
    config = reference.Config(rsu_cpu_hz=np.full(3, 20e9))
    for name, action in actions(ENV, config, some_states(config, absent=False)).items():
        for component, box in ENV.action_space[GROUP].items():
            assert bool(box.contains(action[GROUP][component])), name
        if name != "random":
            assert (action[GROUP]["bandwidth"] == 1).all()
            assert (action[GROUP]["rsu_cpu"] == 1).all()


def test_a_rule_serves_one_world_as_well_as_many():
    params = ENV.default_params()
    _, ts = jax.jit(ENV.reset)(KEYS, params)
    run = jax.jit(lambda keys, obs: {name: policy(keys, obs) for name, policy in fixed(ENV, params).items()})
    alone = run(KEYS[3], jax.tree.map(lambda x: x[..., 3], ts.obs))
    together = jax.tree.map(lambda x: x[..., 3], run(KEYS, ts.obs))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), alone, together)
