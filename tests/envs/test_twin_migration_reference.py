"""`twin_migration` against its float64 reference, number by number: states, rewards, observations, masks, and every metric.

Each world has random numbers of its own for every parameter, random actions and the same draws on both sides. In float64
whole trajectories agree to 1e-9. In float32 single slots are compared, from states, actions, draws and numbers that both sides
get rounded to float32, away from ties: loads near the cache, and distances near the reach.
"""

from collections import Counter

import jax
import numpy as np
import pytest
from envs.side_by_side import WORLDS, assert_agree, compiled, named, rounded, rounded_fields, single, stack, world
from envs.twin_migration_pair import PAIR, region_of
from reference import twin_migration as reference
from representatives import representatives

from jaxvec.core.rollout import policy_keys
from jaxvec.envs.twin_migration import TwinMigration
from jaxvec.envs.twin_migration.info import INFO
from jaxvec.envs.twin_migration.observation import GROUP

SLOTS = 12
SMALL = {"n_vehicles": 4, "n_rsu": 5, "n_uav": 2, "horizon": SLOTS, "slots_per_bin": 3}
PLAIN = {}
PAPER = {
    "haversine": "paper",
    "overload_rule": "paper",
    "migration_adds_load": False,
    "reward_load_term": "variance",
    "workload_info": "last",
    "obs_prev_server": False,
    "use_mask": False,
    "fading": "rayleigh",
}
COMING_AND_GOING = {
    "n_uav": 11,
    "n_vehicles": 3,
    "vehicle_schedule": "dynamic",
    "uav_schedule": "dynamic",
    "workload_info": "actual",
    "obs_vehicle_id": True,
    "obs_twins": True,
}
ALL = [PLAIN, PAPER, COMING_AND_GOING, {"workload_info": "none", "n_vehicles": 1, "n_rsu": 1, "n_uav": 1}]
IN_TURNS = [PLAIN, PAPER, COMING_AND_GOING, {"workload_info": "none"}]


def env_of(settings):
    return TwinMigration(**SMALL | settings)


@pytest.mark.parametrize("settings", representatives(ALL, [PLAIN, COMING_AND_GOING]), ids=named)
def test_trajectories_agree_in_float64(settings):
    env, seen = env_of(settings), Counter()
    with jax.enable_x64(True):
        for configs, state, ts, theirs in PAIR.play(env, seed=7, slots=SLOTS):
            assert_agree(PAIR.differences(env, configs, state, ts, theirs), 1e-9, lambda name: 1e-9)
            assert state.queue.dtype == np.float64
            if ts.info:
                seen += happened(configs, theirs)
                np.testing.assert_array_equal(ts.terminated, ts.info["agent_done"].all(0))
                np.testing.assert_array_equal(ts.truncated, (state.t >= SLOTS) & ~ts.terminated)
        assert (ts.terminated | ts.truncated).all()
    if settings in ALL[:3]:  # the trajectories went through every branch of the model
        assert min(seen.values()) > 5, seen
        assert len(seen) == (22 if settings == COMING_AND_GOING else 19), seen


@pytest.mark.parametrize(
    "settings",
    representatives(IN_TURNS, [COMING_AND_GOING]),
    ids=named,
)
def test_each_vehicle_in_its_turn_sees_what_the_reference_says(settings):
    """Rows and masks, given what all who came before brought to servers that are there, whatever they chose."""
    env, choices, taken = env_of(settings | {"turns": True}), np.random.default_rng(5), 0
    with jax.enable_x64(True):
        params = PAIR.scenarios(env, seed=13)[1].replace(region=region_of(env))

        @jax.jit
        def ask(server, state, ts):
            def act_fn(key, obs):
                return {GROUP: {"server": server[obs.ids[GROUP]]}}, ()

            return env.act(act_fn, policy_keys(jax.random.key(0), WORLDS), state, ts, params)

        for configs, state, ts, theirs in PAIR.play(env, seed=13, slots=5):
            first = np.argmax(np.asarray(ts.obs.mask[GROUP]["server"]), 1)  # that is allowed: there, vehicles meet
            lot = choices.integers(0, env.n_servers, first.shape)
            server = np.where(choices.random(first.shape) < 0.8, first, lot)
            action, trace = ask(server, state, ts)
            np.testing.assert_array_equal(action[GROUP]["server"], server)
            rows, mask = np.asarray(trace.obs.agents[GROUP]), np.asarray(trace.obs.mask[GROUP]["server"])
            for w, (config, (before, _, _)) in enumerate(zip(configs, theirs, strict=True)):
                sight, placed = reference.see(before, config), np.zeros(env.n_servers)
                for v in range(env.n_vehicles):
                    row, _, allowed, _ = reference.observe(before, config, placed, in_turns=True)
                    np.testing.assert_allclose(rows[v, :, w], row[v], rtol=1e-9, atol=1e-9)
                    np.testing.assert_array_equal(mask[v, :, w], allowed[v])
                    taken += int((allowed[v] != sight.mask[v]).any())
                    here, moves = server[v, w], before.prev[v] not in (-1, server[v, w])
                    if sight.veh_active[v] and sight.server_active[here]:
                        brought = config.params.mig_bits * (moves and env.migration_adds_load)
                        placed[here] += config.params.vt_rate_bps * config.params.slot_s + brought
    assert (taken > 2) == env.use_mask, taken


def happened(configs, theirs):
    """How often the branches of the model were taken in a slot."""
    counts = Counter()
    for config, (state, _, info) in zip(configs, theirs, strict=True):
        p, sat = config.params, config.switches.n_servers - 1
        served, active, there = info["served"], info["vehicle_active"], info["server_active"]
        on_sat = served & (state.prev == sat)
        counts += {
            "served by an edge server": np.sum(served & ~on_sat),
            "served by the satellite": np.sum(on_sat),
            "nobody there": np.sum(active & ~served),
            "arrived": np.sum(info["agent_done"]),
            "out of reach": np.sum(info["out_of_range"] & served),
            "within reach": np.sum(served & ~info["out_of_range"]),
            "overload": np.sum(info["overload"]),
            "overload without a satellite": np.sum(info["overload"]) * (p.use_satellite == 0),
            "both": np.sum(info["overload"] & info["out_of_range"]),
            "stays": np.sum(served & ~info["migrate"]),
            "migrates over the air": np.sum(info["migrate"] & (info["rate_mig"] != p.sat_rate_bps)),
            "migrates over the satellite": np.sum(info["migrate"] & (info["rate_mig"] == p.sat_rate_bps)),
            "capped": np.sum(served & (info["t_sum"] == p.latency_cap_s)),
            "dropped": np.sum(info["dropped"] > 0),
            "waiting": np.sum(state.queue > 0),
            "all done": np.sum((state.queue == 0) & there),
            "the satellite's queue": np.sum(state.queue[sat] > 0),
            "no UAV": np.sum(~there[config.switches.n_rsu : sat]),
            "jitter cut off": np.sum(info["bg"][: config.switches.n_rsu][there[: config.switches.n_rsu]] == 0),
        }
        if config.switches.uav_schedule == "dynamic":
            gone = state.uav_off <= state.t
            counts += {
                "not here yet": np.sum(~active & (state.active_slots == 0)),
                "a UAV not here yet": np.sum(state.uav_on > state.t),
                "lost with a UAV": np.sum(info["lost"][config.switches.n_rsu : sat][gone] > 0),
            }
    return Counter({name: int(x) for name, x in counts.items()})


def test_every_metric_is_compared():
    env = env_of(PLAIN)
    with jax.enable_x64(True):
        for configs, state, ts, theirs in PAIR.play(env, seed=1, slots=1):
            names = set(PAIR.differences(env, configs, state, ts, theirs))
    assert names == {f"info.{name}" for name in INFO} | {"reward", "obs", "obs.world", "obs.mask", "obs.active"} | {
        f"state.{name}" for name in reference.State.__dataclass_fields__
    }


# What is left of 1e9 bits, and a Z-score near 0, carry the rounding of larger numbers. Largest differences measured over 48 slots
# of each, beyond FLOAT32_RTOL of the value, in brackets.
FLOAT32_RTOL = 3e-5
FLOAT32_ATOL = {
    "state.queue": 500.0,  # 120 bits
    "info.dropped": 500.0,  # 77
    "info.lost": 500.0,
    "obs.world": 2e-7,  # 4.7e-8
    "reward": 2e-5,  # 2.6e-6
    "info.z_lat": 1.5e-5,  # 4e-6
    "info.z_load": 5e-7,  # 6e-8
}


@pytest.mark.parametrize("settings", representatives(ALL[:3], [PLAIN]), ids=named)
def test_slots_agree_in_float32_within_documented_tolerances(settings):
    env, rng = env_of(settings), np.random.default_rng(11)
    params = PAIR.scenarios(env, seed=12)[1].replace(region=region_of(env))
    configs = PAIR.scenarios(env, seed=12)[0]
    configs = [reference.World(rounded_fields(c.params), c.switches, c.region) for c in configs]
    states = [rounded_fields(PAIR.reset_from(PAIR.reset_draws(rng, c), c)) for c in configs]
    left_out, params, (_, step) = 0, single(params), compiled(env)
    for _ in range(SLOTS):
        action = PAIR.actions(rng, env)
        draws = [rounded(PAIR.step_draws(rng, c)) for c in configs]
        before = PAIR.batch(states, env, params)
        state, ts = step(before, PAIR.whole(action), single(stack(draws)), params)
        theirs = [PAIR.step_from(states[w], world(action, w), draws[w], c) for w, c in enumerate(configs)]
        decided = np.array([clear_cut(states[w], theirs[w], c) for w, c in enumerate(configs)])
        left_out += np.sum(~decided)
        pairs = PAIR.differences(env, configs, state, ts, theirs)
        assert all(ours.dtype != np.float64 for ours, _ in pairs.values())
        assert_agree(pairs, FLOAT32_RTOL, lambda name: FLOAT32_ATOL.get(name, 1e-12), decided)
        states = [rounded_fields(after) for after, _, _ in theirs]
    assert left_out < 0.1 * SLOTS * WORLDS


def clear_cut(state, theirs, config):
    """Whether no discrete choice of the slot, or of what is seen after it, is so close to a tie that rounding may turn it."""
    after, _, info = theirs
    p, sw, gaps = config.params, config.switches, []
    ranges = np.array([p.rsu_range_m] * sw.n_rsu + [p.uav_range_m] * sw.n_uav)
    for seen in (reference.see(state, config), reference.see(after, config)):
        gaps.append(np.abs(seen.dist - ranges).min() > 0.5)
        for adds in (0, p.mig_bits):
            gaps.append(
                np.abs(seen.known_load + p.vt_rate_bps * p.slot_s + adds - p.cache_bits).min() > 1e-4 * p.cache_bits
            )
    gaps.append(np.abs(info["load"] - p.cache_bits).min() > 1e-4 * p.cache_bits)
    return all(gaps)
