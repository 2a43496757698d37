"""Sizes that do not recompile: an environment of which some agents are absent is the environment of those who are there.

A new environment with a `count` among its numbers is tested by being registered.
"""

import dataclasses
import itertools
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from representatives import representatives

import jaxvec
from jaxvec.core.rollout import world_keys
from jaxvec.core.wrappers import episode_statistics, one_agent
from jaxvec.policies import fixed
from jaxvec.policies.in_context.dt_edge import problem_of
from jaxvec.policies.random import random
from jaxvec.training.config import leaves, plain, read_params, write_config

MOST, WORLDS, SLOTS, RTOL = 5, 3, 2, 1e-4
GROUP = "vehicle"
NUMBERS = {  # away from the defaults: what is drawn in every world, and what only some of the absent would change
    "dt_edge": {"cpu_bias_halfwidth_hz": 0.4e9, "alpha_min": 0.012},
    "isac_iov": {"rsu_bg_prob": 0.5, "twin_queue_err": 0.3, "violation_penalty": 0.1},
    "v2x_offload": {
        "twin_cpu_err": 0.2,
        "twin_bw_err": 0.2,
        "bg_load_mean": 0.3,
        "es_cpu_hz": 5e9,
        "twin_sync_every": 2,
    },
    "urllc_vec": {"twin_cpu_error_hz": 1e8, "reward_mix": 0.5},
}
SIZES = {
    "urllc_vec": {"n_uavs": 2, "n_bs": 1, "n_subtasks": 2, "n_antennas": 2, "n_nlos_paths": 1, "twin_delay_slots": 1}
}
LOTS = {"random", "softmax_random", "rocs", "nash_half", "spread_half", "local_spread_half"}  # rules that toss coins
OTHERS = {  # switches whose code is another
    "dt_edge": {"reward_mode": "eq27", "queue_wait": True, "shared_reward": False, "latency_combine": "max"},
    "isac_iov": {"bandwidth_mode": "per_vehicle", "rsu_cpu_mode": "common", "drift_form": "exact"},
    "v2x_offload": {"partition": True, "shuffle_order": True, "shared_reward": False},
    "urllc_vec": {"cpu_share": "none", "v2b_rayleigh": True},
}


def known():
    """The environments whose vehicles may be absent."""
    for env_id in jaxvec.env_ids():
        cls = jaxvec.core.make.ENVIRONMENTS[env_id].params_cls
        if any("count_of" in field.metadata for field in dataclasses.fields(cls)):
            yield env_id


KNOWN = tuple(known())
CASES = itertools.product(KNOWN, (False, True))
every = pytest.mark.parametrize(("env_id", "others"), representatives(CASES, [("dt_edge", False)]))


def cut(tree, like):
    """The part of a tree that has the shapes of another: of every axis that is longer, the first entries."""

    def part(x, small):
        small = np.shape(small)
        assert len(small) == x.ndim
        return x[tuple(slice(n) for n in small)]

    return jax.tree.map(part, tree, like)


@cache
def made(env_id, others, n, present=False):
    """An environment of n vehicles, and its parameters; `present` ones may be absent."""
    switches = OTHERS[env_id] if others else {}
    counted = {"present": n} if present else {}
    return jaxvec.make(
        env_id, n_vehicles=n, horizon=10, **SIZES.get(env_id, {}), **NUMBERS[env_id], **switches, **counted
    )


def episode(env, params, draws, actions):
    """From a reset, with given draws and actions: states and timesteps of every slot."""
    after = [env.reset_from(draws[0], params)]
    for now, action in zip(draws[1:], actions, strict=True):
        after.append(env.step_from(after[-1][0], action, now, params))
    return after


def judged(env, params, key, state, ts):
    """What every rule does, asked as the environment asks."""

    def asking(rule):
        def act_fn(key, obs):
            assert all(len(active) == len(obs.agents[group]) for group, active in obs.active.items())
            return rule(key, obs), ()

        return act_fn

    return {name: env.act(asking(rule), key, state, ts, params)[0] for name, rule in fixed(env, params).items()}


class Padded:
    """An environment of `MOST` vehicles in one program, and those of fewer, each compiled for itself."""

    def __init__(self, env_id, others):
        self.env, self.params = made(env_id, others, MOST, present=True)
        self.of_size = partial(made, env_id, others)
        self.traces = 0
        self.chance = jax.jit(self._chance)
        self.run = jax.jit(self._run)
        self.small = {}

    def _chance(self, seed):
        keys = jax.vmap(lambda key: world_keys(key, WORLDS))(jax.random.split(jax.random.key(seed), SLOTS + 1))
        draws = [self.env.draw_reset(keys[0], self.params), *(self.env.draw_step(k, self.params) for k in keys[1:])]
        _, ts = self.env.reset_from(draws[0], self.params)
        return keys[0], draws, [random(self.env)(key, ts.obs) for key in keys[1:]]

    def _run(self, keys, draws, actions, params):
        self.traces += 1
        after = episode(self.env, params, draws, actions)
        return after, judged(self.env, params, keys, *after[-1])

    def alone(self, k, keys, draws, actions):
        """The environment of k vehicles with the same draws and actions."""
        env, params = self.of_size(k)
        if k not in self.small:
            shapes = jax.eval_shape(lambda key: (env.draw_reset(key, params), env.draw_step(key, params)), keys)
            first = jax.eval_shape(lambda draws: env.reset_from(draws, params), shapes[0])[1]
            action = jax.eval_shape(random(env), keys, first.obs)

            def run(draws, actions):
                after = episode(env, params, draws, actions)
                return after, judged(env, params, keys, *after[-1])

            self.small[k] = [shapes[0], *[shapes[1]] * SLOTS], [action] * SLOTS, jax.jit(run)
        shapes, action, run = self.small[k]
        return run(cut(draws, shapes), cut(actions, action))


padded = cache(Padded)


def spoilt(actions, there):
    """The same, with actions of absent vehicles that are no numbers, and no choices."""

    def spoil(x):
        bad = jnp.nan if jnp.issubdtype(x.dtype, jnp.floating) else 10**6
        return jnp.where(there.reshape(-1, *(1,) * (x.ndim - 1)), x, bad)

    return [action | {GROUP: jax.tree.map(spoil, action[GROUP])} for action in actions]


def close(ours, theirs, name):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.dtype.kind == "f":
        scale = np.abs(theirs).max(initial=1e-30)
        np.testing.assert_allclose(ours, theirs, RTOL, 2e-5 * scale, err_msg=name)
    else:
        np.testing.assert_array_equal(ours, theirs, name)


def all_close(ours, theirs, name):
    for (path, x), y in zip(jax.tree.leaves_with_path(cut(ours, theirs)), jax.tree.leaves(theirs), strict=True):
        close(x, y, f"{name} {jax.tree_util.keystr(path)}")


@every
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_the_first_k_are_an_environment_of_their_own(env_id, others, seed, data):
    k = data.draw(st.sampled_from([1, 2, 4] if others else [3]))  # each a compilation
    both, there = padded(env_id, others), jnp.arange(MOST) < k
    keys, draws, actions = both.chance(seed)
    ours, decided = both.run(keys, draws, spoilt(actions, there), both.params.replace(present=k))
    theirs, wanted = both.alone(k, keys, draws, actions)
    for (state, ts), (small, of_small) in zip(ours, theirs, strict=True):
        all_close(state.replace(present=None) if small.present is None else state, small, "state")
        all_close((ts.reward, ts.info, ts.terminated, ts.truncated), of_small_parts(of_small), "timestep")
        all_close(ts.obs.agents[GROUP], of_small.obs.agents[GROUP], "observation")
        assert not np.any(ts.obs.agents[GROUP][k:])
        assert not np.any(ts.reward[GROUP][k:])
        np.testing.assert_array_equal(ts.obs.active[GROUP], np.broadcast_to(there[:, None], (MOST, WORLDS)))
        same_but_zeros(ts.obs.world, of_small.obs.world, "world")
        for group in ts.obs.agents.keys() - {GROUP}:
            for row, small_row in zip(ts.obs.agents[group], of_small.obs.agents[group], strict=True):
                same_but_zeros(row, small_row, group)
    for path, x in jax.tree.leaves_with_path(ours):
        assert np.isfinite(np.asarray(x, float)).all(), jax.tree_util.keystr(path)
    for name in wanted.keys() - LOTS:
        all_close(decided[name], wanted[name], f"rule {name}")


def same_but_zeros(ours, theirs, name):
    """Entries `(d, W)`, in any order: nothing is added for the absent but zeros."""
    for w in range(WORLDS):
        of_world = (np.sort(np.asarray(x)[:, w]) for x in (ours, theirs))
        close(*(x[np.flatnonzero(x)] for x in of_world), name)


def of_small_parts(ts):
    return ts.reward, ts.info, ts.terminated, ts.truncated


@every
def test_one_program_serves_every_number_of_vehicles(env_id, others):
    both = padded(env_id, others)
    keys, draws, actions = both.chance(0)
    both.run(keys, draws, actions, both.params.replace(present=1))
    known = both.traces
    means = [
        np.asarray(both.run(keys, draws, actions, both.params.replace(present=k))[0][-1][1].reward[GROUP][0])
        for k in range(1, MOST + 1)
    ]
    assert both.traces == known
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(means))
    # each world with a number of its own: the same as all with that one
    swept = both.run(keys, draws, actions, both.params.replace(present=jnp.asarray([1, 3, 5])))[0][-1][1].reward[GROUP]
    for w, k in enumerate((1, 3, 5)):
        close(swept[0, w], means[k - 1][w], f"world of {k}")


@pytest.mark.parametrize("env_id", representatives(KNOWN, ("dt_edge",)))
def test_gradients_are_finite_whatever_the_absent_do(env_id):
    both, there = padded(env_id, False), jnp.arange(MOST) < 3
    _, draws, actions = both.chance(1)
    bad = spoilt(actions, there)
    floats = {n: x for n, x in vars(both.params).items() if isinstance(x, float)}
    boxes = [{n: x for n, x in a[GROUP].items() if jnp.issubdtype(x.dtype, jnp.floating)} for a in bad]

    def earned(boxes, numbers):
        full = [a | {GROUP: a[GROUP] | box} for a, box in zip(bad, boxes, strict=True)]
        after = episode(both.env, both.params.replace(present=3, **numbers), draws, full)
        return sum(jnp.sum(ts.reward[GROUP]) for _, ts in after)

    for by in jax.jit(jax.grad(earned, (0, 1)))(boxes, floats):
        for path, x in jax.tree.leaves_with_path(by):
            assert np.isfinite(np.asarray(x)).all(), jax.tree_util.keystr(path)
            if x.ndim:
                assert not np.any(x[3:]), jax.tree_util.keystr(path)


@pytest.mark.parametrize("env_id", KNOWN)
def test_a_count_that_cannot_be_is_refused(env_id):
    for value in (0, -1, 2.5, 6, float("nan"), "3", True, [2, 7]):
        with pytest.raises(ValueError, match=r"present(\[1\])? = .*\(must be whole, 1 to n_vehicles"):
            jaxvec.make(env_id, n_vehicles=5, present=value)
    for value in (1, 5, 3.0, [1, 5]):
        jaxvec.make(env_id, n_vehicles=5, present=value)


@pytest.mark.slow
def test_wrappers_take_means_over_those_who_are_there():
    env, params = made("dt_edge", True, MOST, present=True)
    params = params.replace(present=2)
    key = world_keys(jax.random.key(0), WORLDS)
    alone, counted = one_agent(env), episode_statistics(env)
    state, ts = jax.jit(env.reset)(key, params)
    action = jax.jit(random(env))(key, ts.obs)
    expected = jax.jit(env.step)(key, state, action, params)[1].reward[GROUP][:2].mean(0)
    together = {"all": {f"{GROUP}/{name}": x[None] for name, x in action[GROUP].items()}}
    close(jax.jit(alone.step)(key, state, together, params)[1].reward["all"][0], expected, "one agent")
    start = jax.jit(counted.reset)(key, params)[0]
    close(jax.jit(counted.step)(key, start, action, params)[1].info["episode_return"], expected, "statistics")


def test_what_is_nothing_by_default_is_read_from_a_run_again(tmp_path):
    env, params = jaxvec.make("v2x_offload", n_servers=2, present=[3, 5], es_pos_m=[[1.0, 2.0], [3.0, 4.0]])
    write_config(tmp_path, {}, params)
    recorded = {name: plain(leaf) for name, leaf in leaves(params).items()}
    again = read_params(tmp_path, env.default_params(), recorded)
    jax.tree.map(np.testing.assert_array_equal, again, params)
    write_config(tmp_path, {}, env.default_params())
    recorded = {name: plain(leaf) for name, leaf in leaves(env.default_params()).items()}
    assert read_params(tmp_path, env.default_params(), recorded).present is None


def test_cases_are_of_all_vehicles():
    env, params = made("dt_edge", False, MOST, present=True)
    with pytest.raises(ValueError, match="set n_vehicles in the place of present"):
        problem_of(env, params)
