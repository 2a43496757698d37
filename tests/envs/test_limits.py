"""Every environment at the limits of each of its numbers, and at the smallest and largest sizes: whatever follows is finite."""

import dataclasses
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representatives import representatives

import jaxvec
from jaxvec.core import rng
from jaxvec.core.params import check_params, choices_of, without_effect, world_params
from jaxvec.core.rollout import rollout, world_keys
from jaxvec.envs import limits
from jaxvec.envs.dt_edge.params import Params
from jaxvec.policies.random import random

KEY = jax.random.key(41)
SLOTS = 3
SMALL = {  # where the default sizes take long to compile
    "urllc_vec": {"n_vehicles": 2, "n_uavs": 2, "n_bs": 1, "n_subtasks": 2, "n_antennas": 1, "n_nlos_paths": 1},
    "twin_migration": {"n_vehicles": 3, "horizon": 20},
}
ONE = {  # of everything
    "isac_iov": {"n_vehicles": 1, "n_rsus": 1, "queue_window": 1},
    "v2x_offload": {"n_vehicles": 1, "n_servers": 1},
    "dt_edge": {"n_vehicles": 1, "n_types": 1, "n_lanes": 1},
    "twin_migration": {"n_vehicles": 1},
    "urllc_vec": SMALL["urllc_vec"] | {"n_vehicles": 1, "n_uavs": 1, "n_subtasks": 1},
}
NOWHERE = {  # numbers with which nobody is covered by anything
    "isac_iov": {"rsu_range_m": 0.0},
    "v2x_offload": {"radius_m": 0.0},
    "dt_edge": {"rate_min_bps": 1.0, "tx_power_w": 1e-9},
    "twin_migration": {"rsu_range_m": 0.0, "uav_range_m": 0.0, "use_satellite": 0.0},
    "urllc_vec": {"rate_min_bps": 1e13},
}
env_ids = pytest.mark.parametrize("env_id", jaxvec.env_ids())


def numbers_of(params):
    return {field.name: field for field in dataclasses.fields(params) if "limits" in field.metadata}


def at_limit(env, params, name, value):
    """Parameters with one number at a limit, and as few others changed as its relations ask for."""
    fields, changes = numbers_of(params), {name: value}
    for low, field in fields.items():
        for high, part in ((field.metadata["up_to"], 1.0), (field.metadata["below"], 0.9)):
            if high == name and getattr(params, low) > part * value:
                changes[low] = part * value
            if low == name and high and value > part * getattr(params, high):
                changes[high] = min(value / part, fields[high].metadata["limits"][1])
                changes[low] = min(value, part * changes[high])
    if env.id == "isac_iov" and name in ("road_length_m", "rsu_spacing_m"):  # on the road
        length_m = changes.get("road_length_m", 1e7)
        changes |= {"road_length_m": length_m, "rsu_spacing_m": min(changes.get("rsu_spacing_m", 1e7), length_m / 2)}
    if env.id == "v2x_offload" and name in ("area_m", "slot_s", "speed_mps"):  # between walls
        there = {n: changes.get(n, getattr(params, n)) for n in ("area_m", "slot_s", "speed_mps")}
        if there["area_m"] < there["speed_mps"] * there["slot_s"]:
            free = "slot_s" if name == "speed_mps" else "speed_mps"
            changes[free] = 0.999 * there[free] * there["area_m"] / (there["speed_mps"] * there["slot_s"])
    return check_params(params.replace(**changes), env)


class Limits:
    """An environment in as many worlds as its numbers have limits, each at one of them."""

    def __init__(self, env_id):
        self.env, params = jaxvec.make(env_id, **SMALL.get(env_id, {}))
        self.names = []
        worlds = []
        for name, field in numbers_of(params).items():
            for value in (0.0, 1.0) if field.metadata["flag"] else field.metadata["limits"]:
                assert value is not None, f"{name} has no limit"
                self.names.append(f"{name}={value:g}")
                worlds.append(at_limit(self.env, params, name, value))
        swept = {n: np.stack([np.asarray(getattr(p, n), np.float32) for p in worlds]) for n in numbers_of(params)}
        self.params = params.replace(
            **{n: np.round(x).astype(np.int32) if isinstance(getattr(params, n), int) else x for n, x in swept.items()}
        )
        self.policy, self.step = jax.jit(random(self.env)), jax.jit(self.env.step)

    def play(self):
        """Start and slots with random actions, and the last slot's keys, state and action."""
        keys = world_keys(KEY, len(self.names))
        state, ts = jax.jit(self.env.reset)(keys, self.params)
        after = [(state, ts)]
        for slot in range(SLOTS):
            keys = rng.fold_in(keys, slot)
            before, action = state, self.policy(keys, ts.obs)
            state, ts = self.step(keys, state, action, self.params)
            after.append((state, ts))
        return after, (keys, before, action)

    def infinite(self, tree):
        """Where something is not finite, and in which world."""
        bad = set()
        for path, x in jax.tree.leaves_with_path(tree):
            x = np.asarray(x)
            if x.dtype.kind == "f" and x.shape[-1:] == (len(self.names),):
                for world in np.flatnonzero(~np.isfinite(x.reshape(-1, len(self.names))).all(0)):
                    bad.add(f"{self.names[world]}: {jax.tree_util.keystr(path)}")
        return sorted(bad)


@pytest.mark.parametrize("env_id", representatives(jaxvec.env_ids(), ("v2x_offload",)))
def test_everything_is_finite_at_every_limit_with_its_gradients(env_id):
    limits = Limits(env_id)
    after, (keys, state, action) = limits.play()
    assert limits.infinite(after) == []

    def earned(numbers, boxes):
        whole = {g: {n: boxes.get((g, n), x) for n, x in parts.items()} for g, parts in action.items()}
        _, ts = limits.env.step(keys, state, whole, limits.params.replace(**numbers))
        return sum(map(jnp.sum, ts.reward.values()))

    boxes = {(g, n): x for g, parts in action.items() for n, x in parts.items() if x.dtype.kind == "f"}
    numbers = {n: x for n in numbers_of(limits.params) if (x := getattr(limits.params, n)).dtype.kind == "f"}
    assert limits.infinite(jax.jit(jax.grad(earned, (0, 1)))(numbers, boxes)) == []


@pytest.mark.slow
@env_ids
def test_everything_is_finite_at_every_limit_in_float64_and_under_debug_nans(env_id):
    with jax.enable_x64(True), jax.debug_nans(True):
        limits = Limits(env_id)
        assert limits.infinite(limits.play()[0]) == []


def played(env, params, n_worlds=3):
    slots = jax.jit(partial(rollout, env, random(env), n_worlds=n_worlds))(KEY, params)
    chex.assert_tree_all_finite(slots)
    return slots


@pytest.mark.slow
@env_ids
@pytest.mark.parametrize("sizes", ["one", "nowhere", "many", "short"])
def test_the_smallest_and_largest_sizes(env_id, sizes):
    small = SMALL.get(env_id, {}) | {"horizon": 3}
    chosen = {
        "one": ONE[env_id] | {"horizon": 3},
        "nowhere": small | NOWHERE[env_id],
        "many": small | {"n_vehicles": 200},
        "short": small | {"horizon": 1},
    }
    env, params = jaxvec.make(env_id, **chosen[sizes])
    slots = played(env, params)
    assert np.asarray(slots.ts.truncated | slots.ts.terminated).shape == (env.horizon, 3)
    assert np.asarray(slots.ts.truncated | slots.ts.terminated)[-1].all()


@pytest.mark.parametrize("env_id", representatives(jaxvec.env_ids(), ("v2x_offload",)))
def test_a_horizon_of_one_slot(env_id):
    env, params = jaxvec.make(env_id, **(SMALL.get(env_id, {}) | {"horizon": 1}))
    slots = jax.eval_shape(partial(rollout, env, random(env), n_worlds=2), KEY, params)
    assert slots.ts.truncated.shape == (1, 2)


def effects(env, params):
    """Names of the numbers that something depends on that an environment gives away."""
    names = sorted(numbers_of(params))

    def run(numbers, key):
        now = world_params(params.replace(**numbers))  # as for a batch, whose equations are all there to be seen
        state, ts = env.reset(key, now)
        return ts, env.step(key, state, random(env)(key, ts.obs), now)

    values = {name: jnp.asarray(getattr(params, name)) for name in names}
    jaxpr = jax.make_jaxpr(run)(values, KEY[None]).jaxpr
    used = jax.interpreters.partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))[1]
    return {name for name, matters in zip(names, used, strict=False) if matters}


@pytest.mark.parametrize("env_id", representatives(jaxvec.env_ids(), ("v2x_offload", "isac_iov")))
def test_what_has_no_effect_is_said(env_id):
    """Under the default switches, and under some of the others; the rest is slow."""
    env, params = jaxvec.make(env_id, **SMALL.get(env_id, {}))
    assert set(numbers_of(params)) - effects(env, params) == set(without_effect(env, params)) - {"channel"}


def test_heights_have_no_effect_on_what_a_table_of_places_says():
    read = {name: limits.losses_by_distance("bs_height_m", name, Params) for name in ("macro", "umi_by_sight", "table")}
    assert read == {"macro": True, "umi_by_sight": True, "table": False}


@pytest.mark.slow
@env_ids
def test_what_has_no_effect_is_said_under_every_switch(env_id):
    default, _ = jaxvec.make(env_id, **(SMALL.get(env_id, {}) | ({"n_uav": 11} if env_id == "twin_migration" else {})))
    for field in dataclasses.fields(default):
        for choice in choices_of(field):
            env = dataclasses.replace(default, **{field.name: choice})
            params = env.default_params()
            idle = set(without_effect(env, params))
            # numbers of which a product is taken with a switch that is off are said, though the trace has them
            assert set(numbers_of(params)) - effects(env, params) == idle - {"twin_queue_err", "channel"}, (
                field.name,
                choice,
            )


LONG = 10**6


def long_episode(env, params):
    """The first state and the last, what came and went in each slot where that is told, and how it ended."""
    first, ts = env.reset(KEY, params)

    def slot(carry, now):
        state, ts = carry
        key = rng.fold_in(KEY, now)
        after, ts = env.step(key, state, random(env)(key, ts.obs), params)
        come = [ts.info[name][0] for name in ("arrivals_bits", "service_bits") if name in ts.info]
        return (after, ts.replace(info={})), (come, ts.truncated)

    (last, ts), (come, truncated) = jax.jit(partial(jax.lax.scan, slot))((first, ts), jnp.arange(LONG))
    assert int(last.t) == LONG
    assert np.flatnonzero(truncated).tolist() == [LONG - 1]
    chex.assert_tree_all_finite((last, ts))
    return first, last, come


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["isac_iov", "dt_edge"])
def test_an_episode_of_a_million_slots_keeps_its_precision(env_id):
    """The clock is exact; places are off by less than a hundred-thousandth of the way; a queue that only grows is the sum of what
    came, to a thousandth."""
    slow = {"server_cpu_hz": 1e8} if env_id == "dt_edge" else {"rsu_cpu_hz": 3e9, "twin_cpu_hz": 2.9e9}
    env, params = jaxvec.make(env_id, **(ONE[env_id] | {"horizon": LONG} | slow))
    first, last, come = long_episode(env, params)

    way_m = np.asarray(first.velocity_mps, float) * float(params.slot_s) * LONG
    length_m = float(params.road_length_m if env_id == "isac_iov" else 2 * params.road_half_length_m)
    off_m = np.asarray(last.x_m, float) - np.asarray(first.x_m, float) - way_m
    off_m -= length_m * np.round(off_m / length_m)
    assert (np.abs(off_m) < 1e-5 * np.abs(way_m)).all()
    if env_id == "dt_edge":
        grown = np.sum(np.asarray(come[0], float) - np.asarray(come[1], float))
        assert grown > 1e11
        np.testing.assert_allclose(last.queue_bits, grown, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["v2x_offload", "urllc_vec"])
def test_an_episode_of_a_million_slots_stays_where_it_is(env_id):
    """Where motion is drawn anew in every slot there is no sum to compare with: places stay in their area, chances between 0 and
    1, backlogs are not negative. `twin_migration` has no such episode: its vehicles'
    trips end."""
    env, params = jaxvec.make(env_id, **(ONE[env_id] | {"horizon": LONG}))
    _, last, _ = long_episode(env, params)
    if env_id == "v2x_offload":
        assert ((np.asarray(last.pos_m) >= 0) & (np.asarray(last.pos_m) <= float(params.area_m))).all()
        assert (np.asarray(last.task_bits) > 0).all()
        return
    assert (np.abs(np.asarray(last.pos_v)[:, :2]) <= float(params.veh_xy_m) * (1 + 1e-6)).all()
    for latent in (last.los_vb, last.los_vu, last.los_ub):
        assert ((np.asarray(latent) >= 0) & (np.asarray(latent) <= 1)).all()
    assert (np.asarray(last.backlog) >= 0).all()
