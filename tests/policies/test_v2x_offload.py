"""The fixed rules of `v2x_offload` against those of its float64 reference in NumPy, in the same turns, and by hand."""

import jax
import numpy as np
import pytest
from envs.side_by_side import WORLDS, compiled, together
from envs.v2x_offload_pair import PAIR, sizes_of
from reference import v2x_offload as reference

import jaxvec
from jaxvec.core.params import world_params
from jaxvec.core.rollout import policy_keys
from jaxvec.core.types import Observation
from jaxvec.envs.v2x_offload import V2xOffload, slot
from jaxvec.envs.v2x_offload.observation import GROUP, see
from jaxvec.policies import fixed
from jaxvec.policies.v2x_offload import costs, share

ENV, PARAMS = jaxvec.make("v2x_offload")
RULES = ("alcs", "amcs", "amcs_nearest", "greedy", "rocs")
UNEQUAL = {  # vectors as a user gives them, of one world
    "es_cpu_hz": np.array([10e9, 25e9, 15e9]),
    "es_kappa": np.array([1e-29, 3e-28, 1e-30]),
    "cv_cpu_hz": np.linspace(0.4e9, 1.6e9, 10),
}


def turns(env, params, worlds=WORLDS):
    """What vehicles see in their turns `(M, O, worlds)` while random actions empty the pools; and the turns `(M, worlds)`."""
    rng, sizes, rows, order = np.random.default_rng(4), sizes_of(env), [], []
    for _ in range(worlds):
        state = reference.reset_with_draws(reference.sample_reset_draws(rng, sizes), params, sizes)
        rows.append(reference.play_slot(state, reference.random(params, sizes, rng), params, sizes)[1])
        order.append(np.argsort(state.order))
    return together(rows), together(order)


def asked(env, params, rows):
    """Every rule's action in float64, of all vehicles in all worlds at once."""
    with jax.enable_x64(True):
        keys = policy_keys(jax.random.key(0), rows.shape[-1])
        obs = Observation(agents={GROUP: rows}, world=np.zeros((env.world_size, rows.shape[-1])))
        run = jax.jit(lambda keys, obs: {name: policy(keys, obs) for name, policy in fixed(env, params).items()})
        return {name: jax.tree.map(np.asarray, action[GROUP]) for name, action in run(keys, obs).items()}


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({}, {"deadline_s": 0.02}),
        ({"partition": True, "shuffle_order": True, "boundary": "open"}, UNEQUAL | {"radius_m": 300.0}),
    ],
    ids=["targets", "parts of unequal servers"],
)
def test_rules_agree_with_the_references(settings, numbers):
    env, params = V2xOffload(**settings), reference.Params(**numbers)
    rows, order = turns(env, params)
    ours = asked(env, PARAMS.replace(**numbers), rows)
    assert set(ours) == {"random", *RULES}
    assert set(RULES) | {"random"} == set(reference.POLICIES)
    for name in RULES:
        rule, mine = reference.POLICIES[name](params, sizes_of(env), np.random.default_rng(0)), ours[name]
        for w in range(WORLDS):
            for i in range(env.n_vehicles):
                expected = rule(rows[i, :, w], i, order[i, w])
                for part, value in expected.items():
                    if name != "rocs" or part not in ("target", "split"):  # whose chance is its own
                        np.testing.assert_allclose(mine[part][i, ..., w], value, atol=1e-9, err_msg=f"{name} {part}")
    where = "split" if env.partition else "target"
    for name, least in {"amcs": 3, "amcs_nearest": 3, "greedy": 3, "alcs": 1}.items():
        assert len({str(x) for x in np.moveaxis(ours[name][where], -1, 1).reshape(120, -1)}) >= least


def test_a_coin_decides_for_rocs():
    env = V2xOffload()
    rows, _ = turns(env, reference.Params())
    target = asked(env, PARAMS, np.tile(rows, 100))["rocs"]["target"].ravel()
    assert set(target) == {0, 1, 2, 3}
    n = target.size
    assert np.mean(target == 0) == pytest.approx(1 / 2, abs=4 * np.sqrt(1 / 4 / n))
    for j in (1, 2, 3):
        assert np.mean(target == j) == pytest.approx(1 / 6, abs=4 * np.sqrt(5 / 36 / n))


def row(task=0.5, dist=(0.2, 0.3, 0.4), fade=(0.0, 0.0, 0.0), cpu=(1.0, 1.0, 1.0), band=(1.0, 1.0, 1.0), turn=0.0):
    return [task, *dist, *fade, *cpu, *band, turn]


def test_rules_by_hand():
    rows = [
        row(),  # equal servers: the nearest
        row(cpu=(0.5, 0.9, 0.9), turn=1.0),  # most CPU: the nearer of the two; the last takes all
        row(dist=(0.4, 0.3, 0.2), cpu=(0.9, 0.9, 1.0), turn=4 / 9),
        row(dist=(0.6, 0.7, 0.8)),  # out of reach
        row(cpu=(0.0, 0.0, 0.0), turn=1.0),  # nothing left
        row(dist=(0.1, 0.12, 0.6), cpu=(0.05, 0.6, 0.6), turn=1.0),
        *(row(turn=k / 9) for k in (0, 3, 6, 9)),
    ]
    actions = asked(ENV, PARAMS, np.array(rows)[..., None])
    targets = {name: action["target"][:6, 0].tolist() for name, action in actions.items()}
    assert targets["alcs"] == [0] * 6
    assert targets["amcs"] == [1, 2, 3, 1, 1, 2]
    assert targets["amcs_nearest"] == [1, 1, 3, 1, 1, 1]
    # energy grows with the square of what a server gives: 12.5 GHz (4 ms, 0.08 J) are cheaper than 22.5 GHz (2.2 ms, 0.25 J),
    # and 8.4 GHz at 300 m than 9.4 GHz at 200 m; but not 1.25 GHz (40 ms). Out of reach or without CPU: locally
    assert targets["greedy"] == [1, 1, 2, 0, 0, 2]
    # 1 / (1 + 9 / 3) is 1/4, raw -1/2; the last asks for everything; in turn 4 five are to come: 1 / (1 + 5 / 3) is 3/8
    for name in ("amcs", "amcs_nearest", "greedy"):
        np.testing.assert_allclose(actions[name]["cpu"][:4, 0], [-0.5, 1, -0.25, -0.5])
        np.testing.assert_array_equal(actions[name]["cpu"], actions[name]["bandwidth"])
    # with three users left at a server, then two, then one: 1/4, 1/3 of the rest, 1/2 of the rest, the rest are equal
    part = (1 + actions["amcs"]["cpu"][6:, 0]) / 2
    np.testing.assert_allclose(part * np.cumprod([1, *(1 - part[:-1])]), 1 / 4)
    # half as many users: 1 / (1 + 9 / 6) is 0.4; 1 / (1 + 5 / 6) is 6/11
    np.testing.assert_allclose(actions["rocs"]["cpu"][:3, 0], [-0.2, 1, 1 / 11])
    for name in RULES:
        assert (actions[name]["power"] == 1).all()


def test_a_greedy_vehicle_would_not_be_cheaper_elsewhere():
    """With an exact twin what it predicts is what it gets: another target of one vehicle never lowers that vehicle's cost."""
    rng, sizes = np.random.default_rng(6), sizes_of(ENV)
    state = reference.reset_with_draws(reference.sample_reset_draws(rng, sizes), reference.Params(), sizes)
    action, _ = reference.play_slot(state, reference.greedy(reference.Params(), sizes, rng), reference.Params(), sizes)
    tried = []
    for i in range(4):
        for other in {0, 1, 2, 3} - {int(action["target"][i])}:
            tried.append((i, other))
    assert len(tried) == WORLDS
    many = {name: np.repeat(x[:, None], WORLDS, 1) for name, x in action.items()}
    changed = many["target"].copy()
    for w, (i, other) in enumerate(tried):
        changed[i, w] = other
    draws = PAIR.step_draws(rng, PAIR.scenarios(ENV, 0)[0][0])
    draws = {name: np.repeat(x[..., None], WORLDS, -1) for name, x in draws.items()}
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: np.full(WORLDS, x), PARAMS)
        before, step = PAIR.batch([state] * WORLDS), compiled(ENV)[1]

        def run(target):
            _, ts = step(before, {GROUP: many | {"target": target}}, draws, params)
            return np.asarray(ts.info["turn_cost"])

        chosen, others = run(many["target"]), run(changed)
    for w, (i, _) in enumerate(tried):
        assert others[i, w] > chosen[i, w]


@pytest.mark.slow
def test_a_rule_serves_one_world_as_well_as_many():
    env, params = ENV, PARAMS.replace(**UNEQUAL)
    rows, _ = turns(env, reference.Params())
    rows = np.float32(rows)
    keys = policy_keys(jax.random.key(0), WORLDS)

    def run(keys, rows):
        obs = Observation(agents={GROUP: rows}, world=rows[0])
        return {name: fixed(env, params)[name](keys, obs) for name in ("rocs", "greedy")}

    together = jax.tree.map(lambda x: x[..., 3], jax.jit(run)(keys, rows))
    alone = jax.jit(run)(keys[3], rows[..., 3])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), alone, together)


def test_greedy_goes_where_it_thinks_most_is_to_be_had():
    """What it thinks of each target, of which learners that begin as it are told, and where it goes."""
    keys = jax.random.split(jax.random.key(4), 64)
    obs = ENV.reset(keys, PARAMS)[1].obs
    rule = fixed(ENV, PARAMS)["greedy"]
    worth = np.asarray(rule.scores(keys, obs)[GROUP]["target"])
    assert worth.shape == (ENV.n_vehicles, 1 + ENV.n_servers, 64)
    np.testing.assert_array_equal(worth.argmax(1), rule(keys, obs)[GROUP]["target"])
    assert (np.ptp(worth, 1) > 0).all()
    split = jaxvec.make("v2x_offload", partition=True)[0]
    assert fixed(split, PARAMS)["greedy"].scores(keys, split.reset(keys, PARAMS)[1].obs) == {}


@pytest.mark.parametrize("radius_m", [5000.0, 200.0])  # all in reach, and some out of reach of all servers
def test_a_target_costs_what_the_slot_would_charge(radius_m):
    """What `greedy` thinks of a target is the cost of the slot in which the vehicle takes it, with what the twin shows."""
    params = PARAMS.replace(radius_m=radius_m, hard_radius=1.0)
    obs = ENV.reset(jax.random.split(jax.random.key(5), 64), params)[1].obs
    known = world_params(params)
    seen = see(ENV, obs, known)
    place = slot.reach(seen.dist_m, slot.server_places_m(ENV, known, 1), known)
    assert np.asarray(place.in_range).all() == (radius_m == 5000.0)
    part_of = share(1, seen, ENV)
    shares = {"power": np.ones_like(part_of), "cpu": 2 * part_of - 1, "bandwidth": 2 * part_of - 1}
    found = np.asarray(costs(seen, ENV, known))
    for target in range(1 + ENV.n_servers):
        d = slot.decode(ENV, {"target": np.full(part_of.shape, target), **shares}, known)
        asked_for = slot.asked(d, place)
        short = np.zeros(part_of.shape, bool)
        grants = slot.Grants(asked_for[:, 0] * seen.free_hz, asked_for[:, 1] * seen.free_band_hz, short)
        links = slot.transmit(ENV, seen, d, place, grants, known)
        charged = slot.settle(seen, d, place, grants, links, known).cost
        np.testing.assert_allclose(found[:, target], charged, rtol=1e-5)
