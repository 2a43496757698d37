"""DDPG, MADDPG, TD3, MATD3, SAC and MASAC on probes with known answers, and the arithmetic of their updates."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners.probes import Picks, Probe

import jaxvec
from jaxvec import learners
from jaxvec.core import rng
from jaxvec.core.layout import batch_first
from jaxvec.core.rollout import rollout, world_keys
from jaxvec.learners.blocks import flat, normalise
from jaxvec.learners.blocks.actors import network_inputs, obs_batch_first
from jaxvec.learners.blocks.networks import pooled
from jaxvec.learners.off_policy_types import Entry, Proposal

NAMES = ("ddpg", "maddpg", "maddpg_pooled", "td3", "matd3", "sac", "masac")
SMALL = {"hidden": (32,), "n_worlds": 16, "slots_per_update": 8, "batch_size": 64, "capacity": 4096}


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


def core_of(learner):
    return learner.update.__self__  # the functions' shared object


def earned(env, learner, state):
    select = lambda slot: slot.ts.reward  # noqa: E731
    run = jax.jit(lambda key: rollout(env, learner.policy(state), key, env.default_params(), 256, select=select))
    return {group: float(reward.mean()) for group, reward in run(jax.random.key(3)).items()}


def look(env, n=64, seed=7):
    keys = world_keys(jax.random.key(seed), n)
    return jax.jit(lambda keys: env.reset(keys, env.default_params())[1].obs)(keys)


def judged(env, learner, state, obs):
    """Values of the policy's own actions."""
    core = core_of(learner)

    @jax.jit
    def value(state, obs):
        keys = world_keys(jax.random.key(1), obs.world.shape[-1])
        made = core.answer(state, state.params["actor"], keys, obs, state.hyper, "greedy")[1]
        return core.real_values(state, obs, {g: batch_first(proposal.action, 1) for g, proposal in made.items()})

    return value(state, obs)


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


@pytest.mark.parametrize("choice", CHOICES)
def test_every_setting_learns(choice):
    name, settings = CHOICES[choice]
    env = Probe("chosen", horizon=2, masked=True)
    learner, state, _ = trained(env, name, **settings)
    assert min(earned(env, learner, state).values()) > 0.95


@pytest.mark.parametrize("name", ["ddpg", "masac"])
def test_masked_choices_are_never_taken(name):
    env = Probe("chosen", masked=True)
    learner = learners.make(name, env, **SMALL)
    state = jax.jit(learner.init)(jax.random.key(0), env.default_params())
    for greedy in (False, True):
        action = jax.jit(learner.policy(state, greedy))(world_keys(jax.random.key(1), 2000), look(env, 2000))
        assert set(np.unique(action["a"]["pick"])) <= {0, 1}


def test_constant_reward_with_termination_has_the_value_of_what_is_left():
    # 3 slots of 1, then nothing: Q = 1 + g + g^2 at the start
    env = Probe("constant", horizon=3, terminates=True)
    learner, state, _ = trained(env, "maddpg", hyper=(("gamma", 0.9), ("tau", 0.05)), updates=100)
    np.testing.assert_allclose(judged(env, learner, state, look(env))["a"], 1 + 0.9 + 0.81, rtol=0.05)


def test_constant_reward_with_truncation_is_bootstrapped():
    # truncation is no end: Q = 1 / (1 - g) = 2 for g = 0.5, where a terminal horizon of one slot would give 1
    env = Probe("constant", horizon=1)
    learner, state, _ = trained(env, "ddpg", hyper=(("gamma", 0.5),))
    np.testing.assert_allclose(judged(env, learner, state, look(env))["a"], 2.0, rtol=0.05)


def test_delayed_reward_is_discounted():
    # the sign of slot 0 is paid in slot 2: Q = 0.9^2 sign at the start
    env = Probe("delayed", horizon=3, terminates=True)
    learner, state, _ = trained(env, "ddpg", hyper=(("gamma", 0.9), ("tau", 0.05)), updates=100)
    obs = look(env)
    expected = 0.81 * jnp.moveaxis(obs.agents["a"][:, 0], -1, 0)
    np.testing.assert_allclose(judged(env, learner, state, obs)["a"], expected, atol=0.15)


@pytest.mark.parametrize("name", ["td3", "sac"])
def test_continuous_action_finds_the_target(name):
    env = Probe("target", terminates=True)
    learner, state, _ = trained(env, name, updates=100)
    action = jax.jit(learner.policy(state))(world_keys(jax.random.key(0), 4), look(env, 4))
    np.testing.assert_allclose(action["a"]["x"], 0.3, atol=0.1)


def one_entry(env, core, batch=6):
    """A made-up batch, and a state to judge it with."""
    state = jax.jit(lambda key: core.init(key, env.default_params()))(jax.random.key(0))
    obs, keys = look(env, batch), jax.random.split(jax.random.key(5), 4)
    wide = {g: (n, flat.width(core.inner[g]), batch) for g, n in env.n_agents.items()}
    action = {g: jax.random.uniform(keys[0], shape, minval=-1) for g, shape in wide.items()}
    reward = {g: jax.random.normal(keys[1], (n, batch)) for g, n in env.n_agents.items()}
    return state, Entry(obs, action, reward, jnp.arange(batch) % 2 == 0, look(env, batch, seed=8), ())


def test_targets_by_hand():
    # r + gamma (1 - terminated) min(Q1', Q2')(s', mu'(s')), in the critics' units
    env = Probe("chosen", horizon=3)
    core = core_of(learners.make("matd3", env, **SMALL))
    state, entry = one_entry(env, core)
    target = jax.tree.map(lambda x: x + 0.1, state.target)  # so that it is not the online network
    reward = normalise.Moments(jnp.float32(3.0), jnp.float32(4.0), jnp.float32(1e4))
    end = normalise.Moments(jnp.float32(0.25), jnp.float32(0.1), jnp.float32(1e4))
    state = state.replace(target=target, moments={"reward": {"a": reward}, "end": {"a": end}})
    hyper = state.hyper.replace(gamma=0.8, smoothing=0.0)
    found = core.targets(state, entry, jnp.zeros(6, int), hyper, jax.random.key(2))

    made = core.answer(state, target["actor"], world_keys(jax.random.key(9), 6), entry.next_obs, hyper, "target")[1]
    action = {"a": batch_first(made["a"].action, 1)}
    inputs = core.critics.inputs(network_inputs(obs_batch_first(entry.next_obs), {}), action, action)
    q = np.minimum(*(core.critics.values(critic, inputs)["a"] for critic in target["critic"]))
    # an end in each fourth slot: 3 / (1 - 0.6), and 4 + 0.64 0.25 0.75 7.5^2
    mean, std = 7.5, np.sqrt(10.75)
    y = np.asarray(entry.reward["a"]).T + 0.8 * ~np.asarray(entry.terminated)[:, None] * (std * q + mean)
    np.testing.assert_allclose(found["a"], (y - mean) / std, rtol=1e-4, atol=1e-4)


def test_units_follow_rewards_and_ends():
    env = Probe("chosen", horizon=3)
    core = core_of(learners.make("maddpg", env, **SMALL))
    state, entry = one_entry(env, core)
    reward = normalise.Moments(jnp.float32(3.0), jnp.float32(4.0), jnp.float32(1e4))
    moments = {
        "reward": {"a": reward},
        "end": {"a": normalise.Moments(jnp.float32(0.1), jnp.float32(0.1), jnp.float32(1e4))},
    }
    after = core.follow(moments, entry, state.hyper.replace(unit_rate=0.25))
    r = np.asarray(entry.reward["a"])
    np.testing.assert_allclose(after["reward"]["a"].mean, 3.0 + 0.25 * (r.mean() - 3.0), rtol=1e-5)
    np.testing.assert_allclose(after["reward"]["a"].var, 4.0 + 0.25 * (r.var() - 4.0), rtol=1e-5)
    np.testing.assert_allclose(after["end"]["a"].mean, 0.1 + 0.25 * (0.5 - 0.1), rtol=1e-5)


@pytest.mark.parametrize("team", [False, True])
def test_nothing_follows_for_an_agent_who_leaves_unless_its_reward_is_the_teams(team):
    env = Probe("chosen", horizon=3, team=team)
    core = core_of(learners.make("maddpg", env, **SMALL))
    state, entry = one_entry(env, core)
    stays = np.array([[True] * 6, [True, False] * 3])  # and in worlds 0, 2, 4 the episode ends for all
    leaving = entry._replace(next_obs=entry.next_obs.replace(active={"a": jnp.asarray(stays)}))
    find = lambda entry: np.asarray(core.targets(state, entry, jnp.zeros(6, int), state.hyper, jax.random.key(2))["a"])  # noqa: E731
    unit = core.unit(state.moments, state.hyper)["a"]
    reward = np.asarray(normalise.to(unit, entry.reward["a"].T))
    expected = np.where(team | stays.T, find(entry), reward)
    assert (np.abs(expected - reward)[1::2, 0] > 1e-3).all()  # something does follow for the others
    np.testing.assert_allclose(find(leaving), expected, rtol=1e-4, atol=1e-5)
    end = core.follow(state.moments, leaving, state.hyper.replace(unit_rate=1.0))["end"]["a"].mean
    np.testing.assert_allclose(end, 0.5 if team else 0.75, rtol=1e-5)


def test_a_bandit_does_not_look_ahead():
    env = Probe("chosen", horizon=3)
    core = core_of(learners.make("maddpg", env, **SMALL))
    state, entry = one_entry(env, core)
    state = state.replace(target=jax.tree.map(lambda x: x + jnp.nan, state.target))
    hyper = state.hyper.replace(gamma=0.0)
    found = core.targets(state, entry, jnp.zeros(6, int), hyper, jax.random.key(2))
    y = np.asarray(entry.reward["a"]).T
    np.testing.assert_allclose(
        normalise.undo(core.unit(state.moments, hyper)["a"], found["a"]), y, rtol=1e-4, atol=1e-5
    )


def test_a_central_critic_sees_each_action_once():
    # Q of agent i depends on everybody's action; its own enters beside its observation, and is cut out of the joint action
    env = Probe("chosen", horizon=3, groups=2)
    core = core_of(learners.make("maddpg", env, **SMALL))
    state, entry = one_entry(env, core)
    seen, joint = network_inputs(obs_batch_first(entry.obs), {}), batch_first(entry.action, 1)
    value = lambda own, joint: core.critics.values(state.params["critic"][0], core.critics.inputs(seen, own, joint))  # noqa: E731
    slopes = jax.jacobian(value, (0, 1))(joint, joint)
    for group in ("a", "b"):
        by_own, by_joint = slopes[group]
        for i in range(env.n_agents[group]):
            assert np.abs(by_own[group][0, i, 0, i]).max() > 0
            assert np.abs(by_joint[group][0, i, 0, i]).max() == 0
            for other, n in env.n_agents.items():
                for j in range(n):
                    assert (other, j) == (group, i) or np.abs(by_joint[other][0, i, 0, j]).max() > 0
    alone = core_of(learners.make("ddpg", env, **SMALL))
    assert [x.shape[-1] for x in alone.critics.inputs(seen, joint, joint)["a"]] == [2 + 3]


def test_a_pooled_critic_sees_its_own_row_and_the_others_in_any_order():
    env = Probe("chosen", horizon=3, groups=2)
    core = core_of(learners.make("maddpg_pooled", env, **SMALL))
    state, entry = one_entry(env, core)
    seen, joint = network_inputs(obs_batch_first(entry.obs), {}), batch_first(entry.action, 1)

    def value(own, joint, seen=seen):
        return core.critics.values(state.params["critic"][0], core.critics.inputs(seen, own, joint))

    n, found = env.n_agents, value(joint, joint)
    slopes = jax.jacobian(value, (0, 1))(joint, joint)
    for group in n:
        by_own, by_joint = slopes[group]
        for i in range(n[group]):
            assert np.abs(by_own[group][0, i, 0, i]).max() > 0
            assert np.abs(by_joint[group][0, i, 0, i]).max() == 0
            for other in n:
                for j in range(n[other]):
                    assert (other, j) == (group, i) or np.abs(by_joint[other][0, i, 0, j]).max() > 0
    back = lambda rows: jax.tree.map(lambda x: x[:, ::-1], rows)  # noqa: E731
    turned = value(back(joint), back(joint), seen._replace(agents=back(seen.agents)))
    for group, x in back(turned).items():
        np.testing.assert_allclose(x, found[group], rtol=1e-5, atol=1e-6)


def test_a_pooled_critic_needs_everybody():
    env = Probe("chosen", horizon=3)
    with pytest.raises(ValueError, match="needs shared parameters"):
        learners.make("maddpg_pooled", env, share_parameters=False)
    with pytest.raises(ValueError, match="is a central one"):
        learners.make("ddpg", env, critic=pooled)


def test_the_value_of_a_single_choice_is_its_expectation():
    env = Probe("chosen", horizon=3)
    core = core_of(learners.make("ddpg", env, **SMALL))
    _, entry = one_entry(env, core)
    action = batch_first(entry.action, 1)["a"]
    chance = jax.nn.softmax(jax.random.normal(jax.random.key(4), (6, 2, 2)))
    each = core.every_choice("a", Proposal(action, jnp.zeros((6, 2)), chance, {}, {}))
    assert each.shape == (2, 6, 2, 3)
    for c in range(2):
        parts = flat.split(core.inner["a"], each[c])
        np.testing.assert_array_equal(parts["pick"], jnp.broadcast_to(jax.nn.one_hot(c, 2), (6, 2, 2)))
        np.testing.assert_array_equal(parts["x"], flat.split(core.inner["a"], action)["x"])


@pytest.mark.parametrize("name", ["maddpg", "masac"])
def test_a_critic_says_the_values_of_all_choices_at_once(name):
    # r + gamma (min(Q1', Q2')(s', .) averaged over the actor's chances, plus alpha H) in SAC; at the best choice in DDPG
    env = Picks("chosen", horizon=3)
    core = core_of(learners.make(name, env, **SMALL))
    state, entry = one_entry(env, core)
    state = state.replace(target=jax.tree.map(lambda x: x + 0.1, state.target))  # so that it is not the online network
    hyper = state.hyper.replace(gamma=0.8)
    find = jax.jit(lambda key: core.targets(state, entry, jnp.zeros(6, int), hyper, key)["a"])
    found = find(jax.random.key(2))
    assert np.array_equal(found, find(jax.random.key(3))) == (name == "maddpg")  # SAC's others choose by chance
    seen = network_inputs(obs_batch_first(entry.next_obs), {})
    logits = core.actors.outputs(state.target["actor"], core.actors.memory((6,)), seen.agents, {}, 1)[0]["a"]
    logits = np.where(np.arange(3) == 1, -np.inf, np.asarray(logits, float))
    chance = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    entropy = np.zeros((6, 2))
    if name == "masac":
        entropy = -(chance * np.log(np.where(chance > 0, chance, 1))).sum(-1) * 0.1
    else:
        chance = np.eye(3)[logits.argmax(-1)]
    keys = rng.fold_in(jax.random.key(2), jnp.arange(6))
    made = core.answer(state, state.target["actor"], keys, entry.next_obs, hyper, "target")[1]
    action = {"a": batch_first(made["a"].action, 1)}
    inputs = core.critics.inputs(seen, action, action)
    q = [np.asarray(core.critics.values(critic, inputs)["a"], float) for critic in state.target["critic"]]
    assert q[0].shape == (6, 2, 3)
    own = (np.min(q, 0) * chance).sum(-1) + entropy
    unit = core.unit(state.moments, hyper)["a"]
    y = np.asarray(entry.reward["a"]).T + 0.8 * ~np.asarray(entry.terminated)[:, None] * normalise.undo(unit, own)
    np.testing.assert_allclose(found, normalise.to(unit, y), rtol=1e-4, atol=1e-4)


def test_the_value_of_every_choice_depends_on_those_of_others_alone():
    env = Picks("chosen", horizon=3)
    core = core_of(learners.make("masac", env, **SMALL))
    state, entry = one_entry(env, core)
    seen, joint = network_inputs(obs_batch_first(entry.obs), {}), batch_first(entry.action, 1)
    value = lambda x: core.critics.values(state.params["critic"][0], core.critics.inputs(seen, x, x))["a"]  # noqa: E731
    slopes = jax.jacobian(value)(joint)["a"][0, :, :, 0]  # (agent, choice, agent, its choice)
    for i in range(2):
        assert np.abs(slopes[i, :, i]).max() == 0
        assert np.abs(slopes[i, :, 1 - i]).min() > 0
    picked = core.critics.of({"a": value(joint)}, {"a": jnp.broadcast_to(jnp.eye(3)[2], (6, 2, 3))})["a"]
    np.testing.assert_allclose(picked, value(joint)[..., 2], rtol=1e-6)


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


def test_the_first_part_of_training_acts_uniformly():
    env = Probe("chosen", horizon=2)
    learner = learners.make("ddpg", env, **{**SMALL, "slots_per_update": 64, "capacity": 2048})
    core = core_of(learner)
    packed = []
    for warmup in (0.5, 0.0):
        hyper = learner.hyper.replace(warmup=warmup, exploration=0.0, actor_learning_rate=0.0)
        state, _ = jax.jit(learner.update)(jax.jit(learner.init)(jax.random.key(0), env.default_params(), hyper))
        entry = core.packing(state).unpack(state.replay.rows[:64])
        packed.append(flat.split(core.inner["a"], entry.action["a"])["x"])
    spread = [float(jnp.std(x)) for x in packed]
    assert abs(spread[0] - 1 / np.sqrt(3)) < 0.02  # uniform on [-1, 1]
    assert spread[1] < 0.1  # a fresh actor says about 0


def test_the_temperature_moves_entropy_to_its_target():
    # the reward pulls entropy down, temperature holds it where it should be
    env = Probe("chosen", horizon=2)
    learner = learners.make("sac", env, **SMALL)

    def late_entropy(box, choice):
        targets = {"entropy_box": box, "entropy_box_end": box, "entropy_choice": choice, "entropy_choice_end": choice}
        hyper = learner.hyper.replace(temperature_rate=0.03, actor_learning_rate=3e-3, **targets)
        state = learner.init(jax.random.key(0), env.default_params(), hyper)
        found = jax.lax.scan(lambda s, _: learner.update(s), state, None, length=200)[1]
        return [found[f"off_policy/entropy_{kind}"][-100:].mean() for kind in ("box", "choice")]

    box, choice = jax.jit(jax.vmap(late_entropy))(jnp.array([0.2, -1.0]), jnp.array([0.5, 0.9]))
    np.testing.assert_allclose(box, [0.2, -1.0], atol=0.3)
    np.testing.assert_allclose(choice, np.log(2) * np.array([0.5, 0.9]), atol=0.1)


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
    shapes = jax.eval_shape(learner.init, jax.random.key(0), env.default_params())
    compiled = jax.jit(learner.update, donate_argnums=0).lower(shapes).compile()
    buffer = shapes.replay.rows.size * 4
    assert buffer > 3e7
    assert compiled.memory_analysis().temp_size_in_bytes < 0.1 * buffer
    learner = learners.make("maddpg", env, **SMALL)
    update, init = jax.jit(learner.update), jax.jit(learner.init)
    start = init(jax.random.key(0), env.default_params(), learner.hyper)
    once, again = update(start), update(start)
    jax.tree.map(np.testing.assert_array_equal, once[0].params, again[0].params)
    update(init(jax.random.key(0), env.default_params(), learner.hyper.replace(gamma=0.3, exploration=0.1)))
    assert update._cache_size() == 1


TURNS = {"n_vehicles": 3, "n_servers": 2, "horizon": 4}


def test_agents_who_take_turns_are_judged_on_what_they_saw():
    # the buffer holds each agent's view in its turn, and the target actors play the next slot's turns anew
    env, params = jaxvec.make("v2x_offload", **TURNS)
    core = core_of(learners.make("maddpg", env, **{**SMALL, "n_worlds": 8, "capacity": 64}))
    state = jax.jit(lambda key: core.init(key, params))(jax.random.key(0))
    _, entry, *_ = jax.jit(core.slot)(state, state.hyper, jnp.int32(1))
    opening = state.carry[1].obs.agents["vehicle"]
    seen = entry.obs.agents["vehicle"]
    np.testing.assert_array_equal(seen[0], opening[0])  # the first sees full pools
    assert (seen[2, 5:9] <= opening[2, 5:9] + 1e-6).all()
    assert (seen[2, 5:9] < opening[2, 5:9] - 1e-6).any()  # the last, what was left
    asked = []

    def answer(state, actor, key, obs, hyper, role, ask=core.answer):
        asked.append((role, obs.ids["vehicle"].shape, obs.agents["vehicle"].shape))
        return ask(state, actor, key, obs, hyper, role)

    core.answer = answer
    value = core.following(state, entry, jnp.arange(8), state.hyper, jax.random.key(1))
    assert value["vehicle"].shape == (8, 3)
    assert set(asked) == {("target", (1,), (1, 10, 8))}


def test_each_world_is_judged_under_its_own_numbers():
    env, params = jaxvec.make("v2x_offload", **TURNS)
    core = core_of(learners.make("maddpg", env, **{**SMALL, "n_worlds": 8, "capacity": 64}))
    swept = params.replace(es_cpu_hz=jnp.linspace(5e9, 25e9, 8)[None])
    state = jax.jit(lambda key: core.init(key, swept))(jax.random.key(0))
    _, entry, *_ = core.slot(state, state.hyper, jnp.int32(1))
    value = jax.jit(core.following)
    together = value(state, entry, jnp.arange(8), state.hyper, jax.random.key(1))["vehicle"]
    for w in (0, 5):
        alone = state.replace(env_params=params.replace(es_cpu_hz=swept.es_cpu_hz[:, w : w + 1]))
        rows = value(alone, entry, jnp.arange(8), state.hyper, jax.random.key(1))["vehicle"]
        np.testing.assert_allclose(rows[w], together[w], rtol=1e-5, atol=1e-6)
        assert not np.allclose(rows[7 - w], together[7 - w], rtol=1e-5, atol=1e-6)


def test_a_shuffled_order_needs_shared_parameters():
    env, params = jaxvec.make("v2x_offload", shuffle_order=True, **TURNS)
    shared = learners.make("sac", env, **{**SMALL, "n_worlds": 8, "capacity": 64, "slots_per_update": 1})
    _, metrics = jax.jit(lambda key: shared.update(shared.init(key, params)))(jax.random.key(0))
    assert np.isfinite(metrics["reward"])
    own = learners.make("sac", env, **{**SMALL, "n_worlds": 8, "capacity": 64, "share_parameters": False})
    with pytest.raises(ValueError, match="parameters of their own must take their turns in the same order"):
        jax.eval_shape(lambda key: own.update(own.init(key, params)), jax.random.key(0))


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
