"""The arithmetic of off-policy updates: units of value, targets by hand, what critics see, the values of choices, turns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners.off_policy_cases import SMALL, core_of, one_entry
from learners.probes import Picks, Probe
from representatives import representatives

import jaxvec
from jaxvec import learners
from jaxvec.core import rng
from jaxvec.core.layout import batch_last
from jaxvec.core.rollout import world_keys
from jaxvec.learners.blocks import flat, normalise
from jaxvec.learners.blocks.actors import network_inputs
from jaxvec.learners.off_policy_acting import flat_actions
from jaxvec.learners.off_policy_types import Proposal

WORLD = jnp.zeros(6, int)  # of each entry


def moments(mean, var):
    return normalise.Moments(jnp.float32(mean), jnp.float32(var), jnp.float32(1e4))


def critic_values(core, state):
    """The first critic's values of own actions among joint ones, of what is seen."""

    def values(seen, own_actions, joint_actions):
        inputs = core.critics.inputs(seen, own_actions, joint_actions)
        return core.critics.values(state.params["critic"][0], inputs)

    return values


def test_targets_by_hand():
    # r + gamma (1 - terminated) min(Q1', Q2')(s', mu'(s')), in the critics' units
    env = Probe("chosen", horizon=3)
    core = core_of(learners.make("matd3", env, **SMALL))
    state, entry = one_entry(env, core)
    target = jax.tree.map(lambda x: x + 0.1, state.target)  # so that it is not the online network
    state = state.replace(target=target, moments={"reward": {"a": moments(3.0, 4.0)}, "end": {"a": moments(0.25, 0.1)}})
    hyper = state.hyper.replace(gamma=0.8, smoothing=0.0)
    targets = jax.jit(core.losses.targets)(state, entry, WORLD, hyper, jax.random.key(2))

    keys = world_keys(jax.random.key(9), 6)
    actions = flat_actions(core.acting.propose(state, target["actor"], keys, entry.next_obs, hyper, "target"))
    inputs = core.critics.inputs(network_inputs(entry.next_obs, {}), actions, actions)
    q = np.minimum(*(core.critics.values(critic, inputs)["a"] for critic in target["critic"]))
    # an end in each fourth slot: 3 / (1 - 0.6), and 4 + 0.64 0.25 0.75 7.5^2
    mean, std = 7.5, np.sqrt(10.75)
    y = np.asarray(entry.reward["a"]) + 0.8 * ~np.asarray(entry.terminated)[:, None] * (std * q + mean)
    np.testing.assert_allclose(targets["a"], (y - mean) / std, rtol=1e-4, atol=1e-4)


def test_units_follow_rewards_and_ends():
    env = Probe("chosen", horizon=3)
    core = core_of(learners.make("maddpg", env, **SMALL))
    state, entry = one_entry(env, core)
    before = {"reward": {"a": moments(3.0, 4.0)}, "end": {"a": moments(0.1, 0.1)}}
    after = core.losses.ema_update(before, entry, state.hyper.replace(unit_rate=0.25))
    r = np.asarray(entry.reward["a"])
    np.testing.assert_allclose(after["reward"]["a"].mean, 3.0 + 0.25 * (r.mean() - 3.0), rtol=1e-5)
    np.testing.assert_allclose(after["reward"]["a"].var, 4.0 + 0.25 * (r.var() - 4.0), rtol=1e-5)
    np.testing.assert_allclose(after["end"]["a"].mean, 0.1 + 0.25 * (0.5 - 0.1), rtol=1e-5)


@pytest.mark.parametrize("team", representatives((False, True), (True,)))
def test_nothing_follows_for_an_agent_who_leaves_unless_its_reward_is_the_teams(team):
    env = Probe("chosen", horizon=3, team=team)
    core = core_of(learners.make("ddpg", env, **SMALL))  # critics see their own agents alone
    state, entry = one_entry(env, core)
    stays = np.array([[True] * 6, [True, False] * 3]).T  # and in worlds 0, 2, 4 the episode ends for all
    leaving = entry._replace(next_obs=entry.next_obs.replace(active={"a": jnp.asarray(stays)}))

    def targets(entry):
        return np.asarray(core.losses.targets(state, entry, WORLD, state.hyper, jax.random.key(2))["a"])

    unit = core.losses.units(state.moments, state.hyper)["a"]
    reward = np.asarray(normalise.to(unit, entry.reward["a"]))
    assert (np.abs(targets(entry) - reward)[1::2] > 1e-3).all()  # something does follow
    np.testing.assert_allclose(targets(leaving)[stays], targets(entry)[stays], rtol=1e-4, atol=1e-5)
    if not team:
        np.testing.assert_allclose(targets(leaving)[~stays], reward[~stays], rtol=1e-4, atol=1e-5)
    end = core.losses.ema_update(state.moments, leaving, state.hyper.replace(unit_rate=1.0))["end"]["a"].mean
    np.testing.assert_allclose(end, 0.5 if team else 0.75, rtol=1e-5)


def test_a_bandit_does_not_look_ahead():
    env = Probe("chosen", horizon=3)
    core = core_of(learners.make("maddpg", env, **SMALL))
    state, entry = one_entry(env, core)
    state = state.replace(target=jax.tree.map(lambda x: x + jnp.nan, state.target))
    hyper = state.hyper.replace(gamma=0.0)
    targets = core.losses.targets(state, entry, WORLD, hyper, jax.random.key(2))
    real = normalise.undo(core.losses.units(state.moments, hyper)["a"], targets["a"])
    np.testing.assert_allclose(real, entry.reward["a"], rtol=1e-4, atol=1e-5)


def assert_each_action_is_seen_once(env, slopes):
    """Values depend on the own action where it stands beside the observation, and on the joint ones of all others."""
    for group, n in env.n_agents.items():
        by_own, by_joint = slopes[group]
        for i in range(n):
            assert np.abs(by_own[group][0, i, 0, i]).max() > 0
            assert np.abs(by_joint[group][0, i, 0, i]).max() == 0
            for other, n_others in env.n_agents.items():
                for j in range(n_others):
                    assert (other, j) == (group, i) or np.abs(by_joint[other][0, i, 0, j]).max() > 0


def test_a_central_critic_sees_each_action_once():
    # Q of agent i depends on everybody's action; its own enters beside its observation, and is cut out of the joint action
    env = Probe("chosen", horizon=3, groups=2)
    core = core_of(learners.make("maddpg", env, **SMALL))
    state, entry = one_entry(env, core)
    seen, actions = network_inputs(entry.obs, {}), entry.flat_action
    assert_each_action_is_seen_once(
        env, jax.jit(jax.jacobian(critic_values(core, state), (1, 2)))(seen, actions, actions)
    )
    alone = core_of(learners.make("ddpg", env, **SMALL))
    assert [x.shape[-1] for x in alone.critics.inputs(seen, actions, actions)["a"]] == [2 + 3]


def test_a_pooled_critic_sees_its_own_row_and_the_others_in_any_order():
    env = Probe("chosen", horizon=3, groups=2)
    core = core_of(learners.make("maddpg_pooled", env, **SMALL))
    state, entry = one_entry(env, core)
    seen, actions = network_inputs(entry.obs, {}), entry.flat_action
    values = jax.jit(critic_values(core, state))
    assert_each_action_is_seen_once(env, jax.jit(jax.jacobian(values, (1, 2)))(seen, actions, actions))

    def reversed_agents(tree):
        return jax.tree.map(lambda x: x[:, ::-1], tree)

    other_order = seen._replace(agents=reversed_agents(seen.agents)), *[reversed_agents(actions)] * 2
    expected = values(seen, actions, actions)
    for group, x in reversed_agents(values(*other_order)).items():
        np.testing.assert_allclose(x, expected[group], rtol=1e-5, atol=1e-6)


def test_the_value_of_a_single_choice_is_its_expectation():
    env = Probe("chosen", horizon=3)
    core = core_of(learners.make("ddpg", env, **SMALL))
    _, entry = one_entry(env, core)
    action, spaces = entry.flat_action["a"], core.acting.head.flat_spaces["a"]
    probs = jax.nn.softmax(jax.random.normal(jax.random.key(4), (6, 2, 2)))
    every = core.losses.every_choice("a", Proposal(action, jnp.zeros((6, 2)), probs, {}, {}))
    assert every.shape == (2, 6, 2, 3)
    for choice in range(2):
        components = flat.split(spaces, every[choice])
        one_hot = jnp.broadcast_to(jax.nn.one_hot(choice, 2), (6, 2, 2))
        np.testing.assert_array_equal(components["pick"], one_hot)
        np.testing.assert_array_equal(components["x"], flat.split(spaces, action)["x"])


@pytest.mark.parametrize("name", representatives(("maddpg", "masac"), ("maddpg",)))
def test_a_critic_gives_the_values_of_all_choices_at_once(name):
    # r + gamma (min(Q1', Q2')(s', .) averaged over the actor's choices, plus alpha H) in SAC; at the best choice in DDPG
    env = Picks("chosen", horizon=3)
    core = core_of(learners.make(name, env, **SMALL))
    state, entry = one_entry(env, core)
    state = state.replace(target=jax.tree.map(lambda x: x + 0.1, state.target))  # so that it is not the online network
    hyper = state.hyper.replace(gamma=0.8)
    targets_of = jax.jit(lambda key: core.losses.targets(state, entry, WORLD, hyper, key)["a"])
    targets = targets_of(jax.random.key(2))
    assert np.array_equal(targets, targets_of(jax.random.key(3))) == (name == "maddpg")  # SAC's others choose by chance
    seen = network_inputs(entry.next_obs, {})
    logits = core.acting.outputs(state.target["actor"], seen.agents, {}, (6,))["a"]
    logits = np.where(np.arange(3) == 1, -np.inf, np.asarray(logits, float))
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    entropy = np.zeros((6, 2))
    if name == "masac":
        entropy = -(probs * np.log(np.where(probs > 0, probs, 1))).sum(-1) * 0.1
    else:
        probs = np.eye(3)[logits.argmax(-1)]
    keys = rng.fold_in(jax.random.key(2), jnp.arange(6))
    proposals = core.acting.propose(state, state.target["actor"], keys, entry.next_obs, hyper, "target")
    actions = flat_actions(proposals)
    inputs = core.critics.inputs(seen, actions, actions)
    q = [np.asarray(core.critics.values(critic, inputs)["a"], float) for critic in state.target["critic"]]
    assert q[0].shape == (6, 2, 3)
    value = (np.min(q, 0) * probs).sum(-1) + entropy
    unit = core.losses.units(state.moments, hyper)["a"]
    goes_on = ~np.asarray(entry.terminated)[:, None]
    y = np.asarray(entry.reward["a"]) + 0.8 * goes_on * normalise.undo(unit, value)
    np.testing.assert_allclose(targets, normalise.to(unit, y), rtol=1e-4, atol=1e-4)


def test_the_value_of_every_choice_depends_on_those_of_others_alone():
    env = Picks("chosen", horizon=3)
    core = core_of(learners.make("masac", env, **SMALL))
    state, entry = one_entry(env, core)
    seen = network_inputs(entry.obs, {})

    def values(actions):
        return critic_values(core, state)(seen, actions, actions)["a"]

    slopes = jax.jit(jax.jacobian(values))(entry.flat_action)["a"][0, :, :, 0]  # (agent, choice, agent, its choice)
    for i in range(2):
        of_others = np.abs(slopes[i, :, 1 - i]).min()
        assert of_others > 0
        # its own one-hot is taken off a sum that holds it, which leaves rounding
        assert np.abs(slopes[i, :, i]).max() < 1e-5 * of_others
    third = {"a": jnp.broadcast_to(jnp.eye(3)[2], (6, 2, 3))}
    every = jax.jit(values)(entry.flat_action)
    np.testing.assert_allclose(core.critics.expected({"a": every}, third)["a"], every[..., 2], rtol=1e-6)


def next_values(core, state, entry):
    """Of an entry of each of 8 worlds."""
    next_obs, next_state = batch_last((entry.next_obs, entry.next_state), 1)
    return core.losses.next_values(state, next_obs, next_state, jnp.arange(8), state.hyper, jax.random.key(1))


TURNS = {"n_vehicles": 3, "n_servers": 2, "horizon": 4}


@pytest.mark.slow
def test_agents_who_take_turns_are_judged_on_what_they_saw(monkeypatch):
    # the buffer holds each agent's view in its turn, and the target actors play the next slot's turns anew
    env, params = jaxvec.make("v2x_offload", **TURNS)
    core = core_of(learners.make("maddpg", env, **{**SMALL, "n_worlds": 8, "capacity": 64}))
    state = jax.jit(lambda key: core.init(key, params))(jax.random.key(0))
    _, entry, *_ = jax.jit(core.collect_slot)(state, state.hyper, jnp.int32(1))
    opening = state.carry[1].obs.agents["vehicle"]
    seen = jnp.moveaxis(entry.obs.agents["vehicle"], 0, -1)
    np.testing.assert_array_equal(seen[0], opening[0])  # the first sees full pools
    assert (seen[2, 5:9] <= opening[2, 5:9] + 1e-6).all()
    assert (seen[2, 5:9] < opening[2, 5:9] - 1e-6).any()  # the last, what was left
    asked, propose = [], core.acting.propose

    def noted(state, actor, key, obs, hyper, role):
        asked.append((role, obs.ids["vehicle"].shape, obs.agents["vehicle"].shape))
        return propose(state, actor, key, obs, hyper, role)

    monkeypatch.setattr(core.acting, "propose", noted)
    value = next_values(core, state, entry)
    assert value["vehicle"].shape == (8, 3)
    assert set(asked) == {("target", (1,), (8, 1, 10))}


@pytest.mark.slow
def test_each_world_is_judged_under_its_own_numbers():
    env, params = jaxvec.make("v2x_offload", **TURNS)
    core = core_of(learners.make("maddpg", env, **{**SMALL, "n_worlds": 8, "capacity": 64}))
    swept = params.replace(es_cpu_hz=jnp.linspace(5e9, 25e9, 8)[None])
    state = jax.jit(lambda key: core.init(key, swept))(jax.random.key(0))
    _, entry, *_ = core.collect_slot(state, state.hyper, jnp.int32(1))
    values = jax.jit(lambda state: next_values(core, state, entry)["vehicle"])
    together = values(state)
    for w in (0, 5):
        alone = state.replace(env_params=params.replace(es_cpu_hz=swept.es_cpu_hz[:, w : w + 1]))
        rows = values(alone)
        np.testing.assert_allclose(rows[w], together[w], rtol=1e-5, atol=1e-6)
        assert not np.allclose(rows[7 - w], together[7 - w], rtol=1e-5, atol=1e-6)
