"""Off-policy learners on probes with known answers, and their updates; the arithmetic is in test_off_policy_losses."""

import itertools
from functools import cache, partial

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners.off_policy_cases import SMALL, core_of, look
from learners.probes import Probe
from representatives import representatives

import jaxvec
from jaxvec import learners
from jaxvec.core.rollout import rollout, world_keys
from jaxvec.learners.blocks import flat
from jaxvec.learners.blocks.actors import obs_batch_first
from jaxvec.learners.blocks.networks import mlp
from jaxvec.learners.off_policy_acting import flat_actions
from jaxvec.learners.off_policy_types import Settings

NAMES = [name for name in learners.LEARNERS if isinstance(learners.make(name, Probe()).settings, Settings)]


@cache
def trained(env, name, updates=60, hyper=(), **settings):
    learner = learners.make(name, env, **{**SMALL, **settings})
    rates = {"critic_learning_rate": 3e-3, "actor_learning_rate": 3e-3, "anneal_updates": float(updates)}
    start = learner.hyper.replace(**rates | dict(hyper))

    @jax.jit
    def run(key):
        state = learner.init(key, env.default_params(), start)
        return jax.lax.scan(lambda s, _: learner.update(s), state, None, length=updates)

    return learner, *run(jax.random.key(0))


def earned(env, learner, state):
    @jax.jit
    def run(key):
        policy = learner.policy(state)
        return rollout(env, policy, key, env.default_params(), 256, select=lambda slot: slot.ts.reward)

    return {group: float(reward.mean()) for group, reward in run(jax.random.key(3)).items()}


def values_of_policy(learner, state, obs):
    """Values of the policy's own actions."""
    core = core_of(learner)

    @jax.jit
    def values(state, obs):
        keys = world_keys(jax.random.key(1), obs.world.shape[0])
        proposals = core.acting.propose(state, state.params["actor"], keys, obs, state.hyper, "greedy")
        return core.losses.real_values(state, obs, flat_actions(proposals))

    return values(state, obs)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_hybrid_action_of_two_groups_follows_the_observation(name):
    # both components right in every slot earn 1; chance earns 0.5
    env = Probe("chosen", horizon=2, groups=2)
    learner, state, metrics = trained(env, name)
    assert float(metrics["reward"][0]) < 0.6
    assert min(earned(env, learner, state).values()) > 0.95


CHOICES = {
    "separate parameters": ("maddpg", {"share_parameters": False}),
    "bins": ("maddpg", {"choices": "bins"}),
    "normalised observations": ("ddpg", {"normalise_observations": True}),
    "learns every other slot, twice": ("sac", {"learn_every": 2, "gradient_steps": 2}),
}


@pytest.mark.parametrize("choice", representatives(CHOICES, ("normalised observations",)))
def test_every_setting_learns(choice):
    name, settings = CHOICES[choice]
    env = Probe("chosen", horizon=2, masked=True)
    learner, state, _ = trained(env, name, **settings)
    assert min(earned(env, learner, state).values()) > 0.95


@pytest.mark.parametrize("name", representatives(("ddpg", "masac"), ("masac",)))
def test_masked_choices_are_never_taken(name):
    env = Probe("chosen", masked=True)
    learner = learners.make(name, env, **SMALL)
    state = jax.jit(learner.init)(jax.random.key(0), env.default_params())
    for greedy in (False, True):
        action = jax.jit(learner.policy(state, greedy))(world_keys(jax.random.key(1), 2000), look(env, 2000))
        assert set(np.unique(action["a"]["pick"])) <= {0, 1}


@pytest.mark.slow
def test_constant_reward_with_termination_has_the_value_of_what_is_left():
    # 3 slots of 1, then nothing: Q = 1 + g + g^2 at the start
    env = Probe("constant", horizon=3, terminates=True)
    learner, state, _ = trained(env, "maddpg", hyper=(("gamma", 0.9), ("tau", 0.05)), updates=100)
    np.testing.assert_allclose(
        values_of_policy(learner, state, obs_batch_first(look(env)))["a"], 1 + 0.9 + 0.81, rtol=0.05
    )


@pytest.mark.slow
def test_constant_reward_with_truncation_is_bootstrapped():
    # truncation is no end: Q = 1 / (1 - g) = 2 for g = 0.5, where a terminal horizon of one slot would give 1
    env = Probe("constant", horizon=1)
    learner, state, _ = trained(env, "ddpg", hyper=(("gamma", 0.5),))
    np.testing.assert_allclose(values_of_policy(learner, state, obs_batch_first(look(env)))["a"], 2.0, rtol=0.05)


@pytest.mark.slow
def test_delayed_reward_is_discounted():
    # the sign of slot 0 is paid in slot 2: Q = 0.9^2 sign at the start
    env = Probe("delayed", horizon=3, terminates=True)
    learner, state, _ = trained(env, "ddpg", hyper=(("gamma", 0.9), ("tau", 0.05)), updates=100)
    obs = obs_batch_first(look(env))
    expected = 0.81 * obs.agents["a"][..., 0]
    np.testing.assert_allclose(values_of_policy(learner, state, obs)["a"], expected, atol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["td3", "sac"])
def test_continuous_action_finds_the_target(name):
    env = Probe("target", terminates=True)
    learner, state, _ = trained(env, name, updates=100)
    action = jax.jit(learner.policy(state))(world_keys(jax.random.key(0), 4), look(env, 4))
    np.testing.assert_allclose(action["a"]["x"], 0.3, atol=0.1)


@pytest.mark.slow
def test_targets_follow_by_tau_and_actors_by_their_delay():
    env = Probe("chosen", horizon=2)
    settings = {**SMALL, "slots_per_update": 2, "policy_delay": 2}
    learner = learners.make("maddpg", env, **settings)
    hyper = learner.hyper.replace(warmup=0.0, tau=0.25)
    start = jax.jit(learner.init)(jax.random.key(0), env.default_params(), hyper)
    after, _ = jax.jit(learner.update)(start)
    # two steps, the second of which moves actors and targets: the targets are a quarter of the way to the final networks
    quarter = jax.tree.map(lambda old, new: old + 0.25 * (new - old), start.target, after.params)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), after.target, quarter)
    assert [int(after.opt[part][1][0].count) for part in ("critic", "actor")] == [2, 1]
    none, _ = jax.jit(learner.update)(start.replace(hyper=hyper.replace(warmup=1.0)))
    jax.tree.map(np.testing.assert_array_equal, none.params["actor"], start.params["actor"])  # critics alone, at first


@pytest.mark.slow
def test_the_first_part_of_training_acts_uniformly():
    env = Probe("chosen", horizon=2)
    learner = learners.make("ddpg", env, **{**SMALL, "slots_per_update": 64, "capacity": 2048})
    core = core_of(learner)
    spread = []
    for warmup in (0.5, 0.0):
        hyper = learner.hyper.replace(warmup=warmup, exploration=0.0, actor_learning_rate=0.0)
        state, _ = jax.jit(learner.update)(jax.jit(learner.init)(jax.random.key(0), env.default_params(), hyper))
        entry = core.packing(state).unpack(state.replay.rows[:64])
        spread.append(float(jnp.std(flat.split(core.acting.head.flat_spaces["a"], entry.flat_action["a"])["x"])))
    assert abs(spread[0] - 1 / np.sqrt(3)) < 0.02  # uniform on [-1, 1]
    assert spread[1] < 0.1  # a fresh actor says about 0


@pytest.mark.slow
def test_the_temperature_moves_entropy_to_its_target():
    # the reward pulls entropy down, temperature holds it where it should be
    env = Probe("chosen", horizon=2)
    learner = learners.make("sac", env, **SMALL)

    def late_entropy(box, choice):
        targets = {"entropy_box": box, "entropy_box_end": box, "entropy_choice": choice, "entropy_choice_end": choice}
        hyper = learner.hyper.replace(temperature_rate=0.03, actor_learning_rate=3e-3, **targets)
        state = learner.init(jax.random.key(0), env.default_params(), hyper)
        metrics = jax.lax.scan(lambda s, _: learner.update(s), state, None, length=200)[1]
        return [metrics[f"off_policy/entropy_{kind}"][-100:].mean() for kind in ("box", "choice")]

    box, choice = jax.jit(jax.vmap(late_entropy))(jnp.array([0.2, -1.0]), jnp.array([0.5, 0.9]))
    np.testing.assert_allclose(box, [0.2, -1.0], atol=0.3)
    np.testing.assert_allclose(choice, np.log(2) * np.array([0.5, 0.9]), atol=0.1)


@pytest.mark.slow
def test_seeds_and_rates_and_scenarios_are_one_vmap_and_one_compilation():
    env = Probe("chosen", horizon=2)
    learner = learners.make("ddpg", env, **SMALL)
    traces = []

    def run(key, rate, scale):
        traces.append(1)
        rates = {"critic_learning_rate": 3e-3, "actor_learning_rate": rate, "actor_learning_rate_end": rate}
        hyper = learner.hyper.replace(anneal_updates=100.0, **rates)
        state = learner.init(key, env.default_params(scale=scale), hyper)
        return jax.lax.scan(lambda s, _: learner.update(s), state, None, length=100)[1]["reward"]

    keys, rates, scales = jax.random.split(jax.random.key(0), 2), jnp.array([0.0, 3e-3]), jnp.array([1.0, 3.0])
    over = jax.vmap(jax.vmap(jax.vmap(run, (None, None, 0)), (None, 0, None)), (0, None, None))
    curves = jax.jit(over)(keys, rates, scales)
    assert curves.shape == (2, 2, 2, 100)
    assert len(traces) == 1
    late = curves[..., 0, -5:].mean(-1)
    assert (late[:, 1] > 0.8).all(), "learning"
    assert (late[:, 0] < 0.7).all(), "a rate of 0 learns nothing"
    assert len(np.unique(curves[:, 1, 0], axis=0)) == 2, "seeds differ"
    # in units of what it judges, a critic learns a larger reward alike
    np.testing.assert_allclose(curves[:, 1, 1] / 3, curves[:, 1, 0], atol=0.05)


def test_an_update_is_pure_and_does_not_copy_its_buffer():
    env = Probe("chosen", horizon=2)
    learner = learners.make("maddpg", env, **{**SMALL, "capacity": 16 * 40_000})
    update = jax.jit(chex.assert_max_traces(learner.update, n=1), donate_argnums=0)
    init = jax.jit(learner.init)

    def start(**changes):
        return init(jax.random.key(0), env.default_params(), learner.hyper.replace(**changes))

    once, again = update(start()), update(start())
    chex.assert_trees_all_equal(once[0].params, again[0].params)
    update(start(gamma=0.3, exploration=0.1))
    buffer = once[0].replay.rows.nbytes
    assert buffer > 3e7
    assert update.lower(start()).compile().memory_analysis().temp_size_in_bytes < 0.1 * buffer


TURNS = {"n_vehicles": 3, "n_servers": 2, "horizon": 4}


@pytest.mark.slow
def test_a_shuffled_order_is_learned_with_shared_parameters():
    env, params = jaxvec.make("v2x_offload", shuffle_order=True, **TURNS)
    shared = learners.make("sac", env, **{**SMALL, "n_worlds": 8, "capacity": 64, "slots_per_update": 1})
    _, metrics = jax.jit(lambda key: shared.update(shared.init(key, params)))(jax.random.key(0))
    assert np.isfinite(metrics["reward"])


def test_a_shuffled_order_needs_shared_parameters():
    env, params = jaxvec.make("v2x_offload", shuffle_order=True, **TURNS)
    shared = learners.make("sac", env, **{**SMALL, "n_worlds": 8, "capacity": 64, "slots_per_update": 1})
    jax.eval_shape(lambda key: shared.update(shared.init(key, params)), jax.random.key(0))
    separate = learners.make("sac", env, **{**SMALL, "n_worlds": 8, "capacity": 64, "share_parameters": False})
    with pytest.raises(ValueError, match="parameters of their own must take their turns in the same order"):
        jax.eval_shape(lambda key: separate.update(separate.init(key, params)), jax.random.key(0))


def test_a_policy_serves_one_world_and_a_batch_alike():
    env, params = jaxvec.make("v2x_offload", **TURNS)
    learner = learners.make("sac", env, **{**SMALL, "n_worlds": 8, "capacity": 64})
    state = jax.jit(learner.init)(jax.random.key(0), params)
    policy = jax.jit(learner.policy(state, greedy=False))
    keys, obs = world_keys(jax.random.key(5), 3), look(env, 3)
    together = policy(keys, obs)
    for w in range(3):
        alone = policy(keys[w], jax.tree.map(lambda x, w=w: x[..., w], obs))
        jax.tree.map(lambda a, b, w=w: np.testing.assert_allclose(a[..., w], b, rtol=1e-4, atol=1e-5), together, alone)


class Hidden(nn.Module):
    """A bare Flax module, as a user has it."""

    @nn.compact
    def __call__(self, x):
        return nn.relu(nn.Dense(16)(x))


NETWORKS = {"builder": partial(mlp, (16,)), "module": Hidden()}


@pytest.mark.slow
@pytest.mark.parametrize(("network", "name"), list(itertools.product(NETWORKS, ("maddpg", "masac"))))
def test_networks_of_ones_own(name, network):
    network = NETWORKS[network]
    env = Probe("chosen", horizon=2)
    learner = learners.make(name, env, network=network, critic=network, **SMALL)
    assert (learner.name, learner.custom) == (name, ("network", "critic"))
    state = jax.jit(learner.init)(jax.random.key(0), env.default_params(), learner.hyper.replace(warmup=0.0))
    after, metrics = jax.jit(learner.update)(state)
    assert all(np.isfinite(x) for x in metrics.values())
    obs = look(env, SMALL["n_worlds"])
    params, outputs = jax.jit(learner.networks)(after, obs)
    for part, key in (("network", "actor"), ("critic", "critic")):
        widths = {x.shape[-1] for x in jax.tree.leaves(params[part]) if x.ndim == 1}
        assert 16 in widths, "the user's layer"
        jax.tree.map(np.testing.assert_array_equal, params[part], after.params[key])
        assert all(x.shape[:2] == (SMALL["n_worlds"], 2) for x in jax.tree.leaves(outputs[part]))
    moved = jax.tree.map(lambda old, new: (old != new).any(), state.params, after.params)
    assert all(jax.tree.leaves(moved))


def test_a_pooled_critic_is_a_setting_of_every_learner_and_needs_everybody():
    env = Probe("chosen", horizon=3)
    learner = learners.make("maddpg", env, pooled_critic=True)
    assert learner.settings == learners.make("maddpg_pooled", env).settings
    assert core_of(learners.make("masac", env, pooled_critic=True)).critics.pools
    with pytest.raises(ValueError, match="needs shared parameters"):
        learners.make("maddpg_pooled", env, share_parameters=False)
    with pytest.raises(ValueError, match="is a central one"):
        learners.make("ddpg", env, pooled_critic=True)


def test_a_network_with_memory_is_refused():
    with pytest.raises(ValueError, match="networks have no memory"):
        learners.make("ddpg", Probe(), network=partial(mlp, (8,), gru=4))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "maddpg: batch_size must be a whole number of at least 1, not 0"),
        ({"capacity": 1000}, "capacity = 1000 is no multiple of n_worlds = 16"),
        ({"slots_per_update": 5, "learn_every": 2}, "slots_per_update = 5 is no multiple of learn_every = 2"),
        ({"slots_per_update": 5, "policy_delay": 2}, "5 gradient steps an update are no multiple of policy_delay = 2"),
        ({"choices": "words"}, "choices must be one of one_hot, bins, not 'words'"),
    ],
)
def test_bad_settings_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        learners.make("maddpg", Probe(), **{**SMALL, **settings})
