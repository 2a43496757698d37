"""The scorer of servers: what it reads, that it knows no order and no number of them, and that it learns what it sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners.probes import Picks

import jaxvec
from jaxvec import learners
from jaxvec.core.environment import Options
from jaxvec.core.rollout import world_keys
from jaxvec.learners.apg import Apg
from jaxvec.learners.apg_types import settings_of
from jaxvec.learners.blocks.scorer import parts, properties, scorer

KEY = jax.random.key(5)
SIZES = {"n_vehicles": 2, "n_rsu": 3, "n_uav": 1, "horizon": 4}
# three servers: distances of the first two, loads, and where the own twin is
THREE = Options(np.array([[0, 2, 5], [1, 3, 6], [-1, 4, 7]]), (4.0, 2.0, 1.0), np.array([0, 0, 1]), (2,))


def test_properties_by_hand():
    seen = jnp.array([0.1, 0.2, 0.5, 0.6, 0.7, 0.0, 1.0, 0.0])
    scaled = [[0.4, 1.0, 0.0], [0.8, 1.2, 1.0], [0.0, 1.4, 0.0]]
    more = [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]  # it is somewhere; and the kinds
    np.testing.assert_allclose(properties(THREE, seen), np.concatenate([scaled, more], 1), rtol=1e-6)


def test_what_the_environment_says_of_its_servers():
    env, params = jaxvec.make("twin_migration", **SIZES)
    state, _ = jax.jit(env.reset)(KEY, params)
    _, ts = jax.jit(env.step)(KEY, state, {"vehicle": {"server": jnp.array([4, 1])}}, params)
    seen = properties(env.options["vehicle"]["server"], ts.obs.agents["vehicle"])
    assert seen.shape == (2, 5, 7)
    known = ts.obs.world[:5]  # loads
    np.testing.assert_allclose(seen[..., 1], 2 * np.broadcast_to(known, (2, 5)), rtol=1e-6)
    np.testing.assert_array_equal(seen[..., 2], np.eye(5)[[4, 1]])
    np.testing.assert_array_equal(seen[..., 3], 1)
    np.testing.assert_array_equal(seen[..., 4:], np.broadcast_to(np.eye(3)[[0, 0, 0, 1, 2]], (2, 5, 3)))
    dist = np.clip(ts.info["dist"] / 5000, 0, 2) * 4
    assert (np.abs(seen[:, :4, 0] - dist) < 1.0).all()  # of the slot before, in which it moved less than 1250 m
    assert (seen[:, 4, 0] == 0).all()


def test_another_order_of_servers_is_the_same_order_of_scores():
    net = scorer(THREE)
    seen = jax.random.normal(KEY, (6, 8))
    params = net.init(KEY, seen)
    assert sum(x.size for x in jax.tree.leaves(params)) == 6 * 32 + 32 + 32 * 32 + 32 + 33
    score = net.apply(params, (), seen)[0]
    swapped = seen[:, jnp.array([1, 0, 3, 2, 4, 6, 5, 7])]
    np.testing.assert_allclose(net.apply(params, (), swapped)[0], score[:, jnp.array([1, 0, 2])], rtol=1e-5)
    assert len(np.unique(np.round(score, 6))) > 6
    # the same weights serve any number of servers
    more = Options(np.array([[0, 2, 5]] * 7), THREE.scale, np.array([0] * 6 + [1]), THREE.totals)
    assert scorer(more).apply(params, (), seen)[0].shape == (6, 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mappo", "masac"])
def test_it_learns_to_pick_the_best(name):
    small = {"n_worlds": 32, "epochs": 4, "minibatches": 4, "hidden": (16,)}
    if name == "masac":
        small = {"n_worlds": 8, "slots_per_update": 8, "batch_size": 32, "capacity": 1024, "hidden": (16,)}
    env = Picks("chosen", horizon=2)
    learner = learners.make(name, env, actor="scorer", **small)
    assert learner.name == name
    rates = {"learning_rate": 1e-2} if name == "mappo" else {"actor_learning_rate": 1e-2, "critic_learning_rate": 1e-2}
    hyper = learner.hyper.replace(anneal_updates=60.0, **rates)

    @jax.jit
    def run(key):
        state = learner.init(key, env.default_params(), hyper)
        state, metrics = jax.lax.scan(lambda s, _: learner.update(s), state, None, length=60)
        keys = world_keys(key, 32)
        obs = env.reset(keys, env.default_params())[1].obs
        return metrics, learner.policy(state)(keys, obs)["a"]["pick"], obs

    metrics, pick, obs = run(KEY)
    np.testing.assert_array_equal(pick, jnp.argmax(obs.agents["a"], 1))
    if name == "masac":  # a choice between two of three: the target is a part of log 2, not of log 3
        entropy = metrics["off_policy/entropy_choice"]
        assert 0 <= float(entropy.max()) <= np.log(2) + 1e-5


def test_what_it_cannot_serve_is_said():
    for name in ("mappo", "masac"):
        with pytest.raises(ValueError, match=r"'scorer' is for agents .* isac_iov does not say so of 'vehicle'"):
            learners.make(name, jaxvec.make("isac_iov", n_vehicles=2)[0], actor="scorer")
    env = jaxvec.make("twin_migration", **SIZES)[0]
    with pytest.raises(ValueError, match=r"unknown actor 'circuit'\. Known: mlp, scorer, pooled"):
        learners.make("masac", env, actor="circuit")
    with pytest.raises(ValueError, match=r"ppo: .* takes observations as they are"):
        learners.make("mappo", env, actor="scorer", normalise_observations=True)
    with pytest.raises(ValueError, match="needs choices='one_hot', not 'bins'"):
        learners.make("masac", env, actor="scorer", choices="bins")


URLLC = {"n_vehicles": 2, "n_uavs": 2, "n_bs": 1, "n_subtasks": 2, "horizon": 3}


@pytest.mark.parametrize("name", [pytest.param(x, marks=pytest.mark.slow) for x in ("apg", "mappo", "masac", "maddpg")])
def test_several_choices_and_numbers_beside_them(name):
    """urllc_vec: each subtask's targets and each node's forwards are scored, powers and the rest come from the row."""
    env, params = jaxvec.make("urllc_vec", **URLLC)
    small = {"n_worlds": 4, "hidden": (4,), "scorer_hidden": (3,)}
    if name in ("masac", "maddpg"):
        small |= {"slots_per_update": 2, "batch_size": 4, "capacity": 32}
    learner = learners.make(name, env, actor="scorer", **small, **({"minibatches": 1} if name == "mappo" else {}))
    state = jax.jit(learner.init)(KEY, params)
    sizes = {group: set(x) for group, x in state.params["actor"].items()}
    assert sizes == {"vehicle": {"target", ""}, "uav": {"forward", ""}, "bs": {"forward", ""}}
    state, metrics = jax.jit(learner.update)(state)
    assert all(np.isfinite(x).all() for x in metrics.values())


def test_numbers_of_every_option_are_seen_as_the_choice_is():
    """v2x_offload: servers in another order are targets, and shares of each, in that order; the own CPU stays the first."""
    env = jaxvec.make("v2x_offload", n_vehicles=2)[0]
    settings = settings_of(env, n_worlds=2)
    assert (settings.actor, settings.numbers_by_choice) == ("scorer", True)
    network = Apg(env, settings).actors.networks["vehicle"]
    row = env.observation_layout["vehicle"]
    seen = jax.random.uniform(KEY, (5, env.observation_space["vehicle"].shape[0]))
    columns, order = np.arange(seen.shape[1]), np.array([2, 0, 1])
    for name in ("dist_m", "fade", "free_hz"):
        at = row.columns(name)
        columns[at] = at[..., order]
    parameters = network.init(KEY, seen)
    said, moved = (np.asarray(network.apply(parameters, (), x)[0]).reshape(5, -1, 4) for x in (seen, seen[:, columns]))
    assert said.shape == (5, 4, 4)  # target, power, cpu, bandwidth
    assert (np.ptp(said[..., 1:], -1) > 0).all()
    np.testing.assert_allclose(moved, said[..., [0, *(1 + order)]], atol=1e-6)
    assert jaxvec.make("v2x_offload", n_vehicles=2, partition=True)[0].options == {}  # where nothing is chosen


@pytest.mark.slow
def test_subtasks_are_told_apart_and_alike():
    """The same two subtasks in another order are the same scores in another order, but for which is which."""
    env = jaxvec.make("urllc_vec", **URLLC)[0]
    options = env.options["vehicle"]["target"]
    seen = jax.random.normal(KEY, (3, env.observation_space["vehicle"].shape[0]))
    each, work, context = parts(options, seen)
    assert each.shape[:3] == (3, 1, env.n_nodes)
    assert work.shape == (3, env.n_subtasks, 1, 3 + env.n_subtasks)
    assert context.shape == (3, 1, 1, 1)
    row = env.observation_layout["vehicle"]
    np.testing.assert_array_equal(work[:, :, 0, 0], seen[:, row.columns("cycles_per_bit")])
    snr = seen[:, row.columns("snr_db")]
    np.testing.assert_array_equal(each[:, 0, :, 7] == 1, snr == snr.max(1, keepdims=True))  # who is first


@pytest.mark.slow
@pytest.mark.parametrize("name", ["apg", "sac", "ippo", "maddpg"])
def test_a_pooled_actor_knows_no_order_of_the_others(name):
    env, params = jaxvec.make("isac_iov", n_vehicles=3, horizon=3)
    small = {"n_worlds": 4, "hidden": (4,), "rollout_length": 2}
    if name in ("sac", "maddpg"):
        small = {"n_worlds": 4, "hidden": (4,), "slots_per_update": 2, "batch_size": 4, "capacity": 32}
    learner = learners.make(name, env, actor="pooled", **small, **({"minibatches": 1} if name == "ippo" else {}))
    state = jax.jit(learner.init)(KEY, params)
    state, _ = jax.jit(learner.update)(state)
    obs = env.reset(KEY, params)[1].obs
    policy, order = learner.policy(state), jnp.array([0, 2, 1])
    action = policy(KEY, obs)["vehicle"]["split"]
    swapped = policy(KEY, obs.replace(agents={"vehicle": obs.agents["vehicle"][order]}))["vehicle"]["split"]
    np.testing.assert_allclose(swapped, action[order], atol=1e-6)
    moved = obs.replace(agents={"vehicle": obs.agents["vehicle"].at[1].add(3.0)})
    assert np.abs(policy(KEY, moved)["vehicle"]["split"][0] - action[0]).max() > 0 or name == "maddpg"
    with pytest.raises(ValueError, match="sees all agents at once"):
        learners.make(name, jaxvec.make("v2x_offload", n_vehicles=2)[0], actor="pooled")
