"""The fixed rules of `twin_migration` against those of its float64 reference, with and without mask, by hand, and in turns."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.side_by_side import WORLDS, together
from envs.twin_migration_pair import PAIR, region_of
from reference import twin_migration as reference
from representatives import representatives

from jaxvec.core import rng
from jaxvec.core.params import world_params
from jaxvec.core.rollout import policy_keys, world_keys
from jaxvec.envs.twin_migration import TwinMigration
from jaxvec.envs.twin_migration.observation import GROUP, Seen
from jaxvec.policies import fixed
from jaxvec.policies.twin_migration import EXPLORE, RULES, between_m, least_load, nearest, sticky

OWN = {"own_myopic", "own_patient"}  # which the reference lacks: in turns they are compared with the others
SMALL = {"n_vehicles": 4, "n_rsu": 5, "n_uav": 2, "horizon": 12, "slots_per_bin": 3}
MASKED = {}
FREE = {
    "use_mask": False,
    "haversine": "paper",
    "overload_rule": "paper",
    "workload_info": "none",
    "obs_prev_server": False,
}


@partial(jax.jit, static_argnums=0)
def choose(env, keys, obs, params):
    return {name: policy(keys, obs)[GROUP]["server"] for name, policy in fixed(env, params).items()}


def decided(env, params, obs):
    """Every rule's choices, (V, W), of all worlds at once; of the greedy one where it does not choose by lot."""
    tries = [choose(env, policy_keys(jax.random.key(seed), WORLDS), obs, params) for seed in range(9)]
    found = {name: np.asarray(x) for name, x in tries[0].items()}
    several = np.stack([x["greedy"] for x in tries])
    found["greedy"] = np.apply_along_axis(lambda x: np.bincount(x).argmax(), 0, several)  # what it mostly does
    return found


@pytest.mark.parametrize("settings", representatives([MASKED, FREE], [MASKED]), ids=["masked", "free"])
def test_rules_agree_with_the_reference(settings):
    env, seen = TwinMigration(**SMALL | settings), {name: set() for name in RULES if name not in OWN}
    with jax.enable_x64(True):
        params = PAIR.scenarios(env, 5)[1].replace(region=region_of(env))
        for t, (configs, _, ts, theirs) in enumerate(PAIR.play(env, seed=5, slots=6)):
            if t % 2:
                continue
            found = decided(env, params, ts.obs)
            assert set(found) == {"random", *RULES}
            active = np.asarray(ts.obs.active[GROUP])
            for name in seen:
                pairs = zip(theirs, configs, strict=True)
                expected = together(reference.decide(name, state, config) for (state, _, _), config in pairs)
                np.testing.assert_array_equal(found[name][active], expected[active], f"{name}, slot {t}")
                seen[name] |= set(found[name][active].tolist())
            allowed = np.asarray(ts.obs.mask[GROUP]["server"])
            there = np.take_along_axis(allowed, found["random"][:, None], 1)
            assert there.all()
    assert all(len(servers) >= 4 for name, servers in seen.items() if name != "satellite"), seen


def hand(prev=(-1,), allowed=((1, 1, 1, 1),), dist=((300.0, 200.0, 100.0),), load=(1.0, 2.0, 3.0, 0.0)):
    staying = [[0.0] * len(load)]
    return Seen(
        *(np.array(x) for x in (dist, [load], staying, np.array(allowed, bool), prev, [True], np.zeros((1, 2))))
    )


def test_rules_by_hand():
    # two RSUs, a UAV and the satellite, which is the last resort
    ask = lambda rule, **seen: int(rule(hand(**seen), None, None)[0])  # noqa: E731
    assert ask(nearest) == 2
    assert ask(nearest, allowed=((1, 1, 0, 1),)) == 1
    assert ask(nearest, allowed=((0, 0, 0, 1),)) == 3
    assert ask(least_load) == 0
    assert ask(least_load, allowed=((0, 1, 1, 1),)) == 1
    assert ask(least_load, allowed=((0, 0, 0, 1),)) == 3
    assert ask(sticky) == 0  # nowhere yet
    assert ask(sticky, prev=(2,)) == 2
    assert ask(sticky, prev=(3,)) == 3
    assert ask(sticky, prev=(2,), allowed=((1, 1, 0, 1),)) == 0


def test_the_greedy_rule_chooses_by_lot_now_and_then():
    env = TwinMigration(**SMALL, use_mask=False)
    params = world_params(PAIR.Params(region=region_of(env)))
    keys = policy_keys(jax.random.key(1), 4000)
    obs = jax.jit(env.reset)(keys[:1], params)[1].obs
    many = jax.tree.map(lambda x: np.broadcast_to(x, (*x.shape[:-1], len(keys))), obs)
    server = np.asarray(jax.jit(fixed(env, params)["greedy"])(keys, many)[GROUP]["server"])
    n_there = int(obs.mask[GROUP]["server"][0].sum())
    for row in server:
        share = np.bincount(row, minlength=env.n_servers) / len(keys)
        expected = EXPLORE / n_there
        others = np.delete(share, [share.argmax(), *np.flatnonzero(~np.asarray(obs.mask[GROUP]["server"])[0, :, 0])])
        np.testing.assert_allclose(others, expected, atol=4 * np.sqrt(expected / len(keys)))
        assert share.sum() == pytest.approx(1)


@pytest.mark.slow
def test_a_rule_serves_one_world_as_well_as_many():
    env = TwinMigration(**SMALL)
    params = PAIR.Params(region=region_of(env))
    keys = policy_keys(jax.random.key(2), 3)

    def run(keys):
        obs = env.reset(keys, params)[1].obs
        return {name: policy(keys, obs)[GROUP]["server"] for name, policy in fixed(env, params).items()}

    together, alone = jax.jit(run)(keys), jax.jit(run)(keys[1])
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[..., 1]), alone, together)


TURNS = TwinMigration(**SMALL, turns=True, use_mask=False)
"""Without a mask, which would take what overflows from those who come later."""


@pytest.fixture(scope="module")
def turns():
    """Rule -> its choices over an episode asked all at once, and one by one, `(slots, V, W)`, and who was on its way."""
    params, keys = PAIR.Params(region=region_of(TURNS)), world_keys(jax.random.key(4), 16)

    @jax.jit
    def run(keys):
        known, slots = world_params(params), []
        state, ts = TURNS.reset(keys, known)
        for t in range(8):
            now = rng.fold_in(keys, t + 1)
            chosen = {}
            for name, rule in fixed(TURNS, params).items():
                together = rule(now, ts.obs)[GROUP]["server"]
                one_by_one, _ = TURNS.act(lambda key, obs, rule=rule: (rule(key, obs), ()), now, state, ts, known)
                chosen[name] = together, one_by_one[GROUP]["server"]
            slots.append((chosen, ts.obs.active[GROUP]))
            state, ts = TURNS.step(now, state, {GROUP: {"server": chosen["sticky"][1]}}, known)
        return jax.tree.map(lambda *x: jnp.stack(x), *slots)

    return run(keys)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["myopic", "patient"])
def test_asked_one_by_one_a_planner_decides_as_for_all_at_once(turns, name):
    """Of all vehicles it counts who is placed before; of one in its turn the row says so."""
    (together, one_by_one), active = turns[0][name], np.asarray(turns[1])
    np.testing.assert_array_equal(np.asarray(together)[active], np.asarray(one_by_one)[active])
    assert len(np.unique(np.asarray(together)[active])) > 3


@pytest.mark.slow
@pytest.mark.parametrize(("own", "name"), [("own_myopic", "myopic"), ("own_patient", "patient")])
def test_a_vehicle_by_itself_needs_its_turn_to_plan(turns, own, name):
    """In its turn its row lacks only the places of UAVs, which hardly matter; all at once it cannot know who else comes."""
    (together, one_by_one), active = turns[0][own], np.asarray(turns[1])
    planned = np.asarray(turns[0][name][0])[active]
    alike = [(np.asarray(x)[active] == planned).mean() for x in (one_by_one, together)]
    assert alike[0] > 0.9
    assert alike[1] < alike[0] - 0.05, alike


@pytest.mark.slow
def test_only_migrations_from_or_to_uavs_are_guessed():
    """RSUs 1 km apart and a UAV; the vehicle sees it at a right angle to its RSU where it guesses: 300 m and 400 m are 500 m."""
    env = TwinMigration(n_vehicles=1, n_rsu=2, n_uav=1, horizon=6)
    single = jnp.float32
    degree_m = np.pi / 180 * 6_371_393.0
    region = region_of(TwinMigration(**SMALL)).replace(
        rsu_dlat_deg=single([0.0, 1000.0 / degree_m]), rsu_dlon_deg=single([0.0, 0.0]), lat0_deg=single(39.9)
    )
    seen = hand(dist=((300.0, 700.0, np.hypot(400.0, 50.0)),), prev=(0,))
    params = PAIR.Params(region=region)
    dist_m = jnp.concatenate([seen.dist, jnp.ones((1, 1))], 1)
    away = {own: np.asarray(between_m(seen, dist_m, jnp.array([0]), env, params, own))[:, :3] for own in (False, True)}
    np.testing.assert_allclose(away[True], [[0, 1000, 500]], rtol=1e-3, atol=0.1)
    np.testing.assert_allclose(away[False], [[0, 1000, 0]], rtol=1e-3, atol=0.1)  # the UAV stands above the first RSU
