"""JaxMARL's wrappers and a loop as its baselines have it, around our worlds; and episodes that are those of the native form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy
from adapters.cases import small
from adapters.functional import KEYS, WORLDS, episodes, same, worlds_last_operations

from jaxvec.core.types import Observation

pytest.importorskip("jaxmarl")
from jaxmarl.wrappers.baselines import CTRolloutManager, LogWrapper

from jaxvec.adapters.jaxmarl import MultiAgent, State

ENV, PARAMS = toy.Walkers(), toy.Params()  # hybrid, masked; worlds end in different slots


def by_agent(action, t=None):
    return {f"walker_{i}": jax.tree.map(lambda x, i=i: x[:, i], action["walker"]) for i in range(ENV.n_walkers)}


@pytest.mark.parametrize("resets", [True, False])
def test_episodes_are_those_of_the_native_form_to_the_bit(resets):
    """With resets, and without (`step_env`): observations, masks, rewards, flags, and the true last observation."""
    start, slots = episodes(ENV, PARAMS, resets)
    marl = MultiAgent(ENV, PARAMS, actions="dict", world_state=True, final_obs=True, info="noise")
    obs, state = jax.vmap(marl.reset)(KEYS[0])

    @jax.jit
    @jax.vmap
    def step(key, state, actions):
        out = (marl.step if resets else marl.step_env)(key, state, actions)
        return out, marl.get_avail_actions(out[1]), marl.get_world_state(out[1])

    same(obs["walker_1"], start.obs.agents["walker"][:, 1])
    ended = 0
    for t, (action, ts) in enumerate(slots):
        (obs, state, reward, done, info), available, world = step(KEYS[t + 1], state, by_agent(action))
        same(obs["world_state"], ts.obs.world)
        same(world, ts.obs.world)
        final = ts.next_obs.agents["walker"]
        for i, agent in enumerate(marl.agents):
            same(obs[agent], ts.obs.agents["walker"][:, i])
            same(reward[agent], ts.reward["walker"][:, i])
            same(info["final_obs"][agent], final[:, i])
            same(available[agent]["pick"], ts.obs.mask["walker"]["pick"][:, i])
            same(done[agent], ts.done)
        for flag in ("truncated", "terminated"):
            same(info[flag], np.repeat(getattr(ts, flag)[:, None], 2, 1))
        same(done["__all__"], ts.done)
        same(info["noise"], ts.info["noise"])
        ended += ts.done.sum()
    assert ended > WORLDS


def test_a_step_of_many_worlds_is_one_native_step_behind_whose_condition_resets_are():
    marl = LogWrapper(MultiAgent(ENV, PARAMS))
    _, state = jax.eval_shape(jax.vmap(marl.reset), KEYS[0])
    state = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), state)
    actions = {agent: jnp.zeros((WORLDS, 4)) for agent in marl.agents}
    counts = worlds_last_operations(marl.step, KEYS[1], state, actions)
    assert (counts["worlds_last"], counts["cond"]) == (1, 0)


def test_a_reset_state_of_the_callers_takes_the_place_of_a_drawn_one():
    marl = MultiAgent(toy.Walkers(horizon=1), PARAMS)
    _, state = marl.reset(jax.random.PRNGKey(0))
    obs, other = marl.reset(jax.random.PRNGKey(1))
    seen, after, _, done, _ = marl.step(
        jax.random.PRNGKey(2), state, {agent: jnp.zeros(4) for agent in marl.agents}, other
    )
    assert done["__all__"]
    jax.tree.map(same, seen, obs)
    jax.tree.map(same, after.replace(done=False), other.replace(done=False))


def test_one_number_for_a_hybrid_action_and_what_is_allowed_of_it():
    marl, apart = (MultiAgent(ENV, PARAMS, actions=view, bins=3) for view in ("single", "dict"))
    _, state = apart.reset(KEYS[0, 0])
    assert [marl.action_space(agent).n for agent in marl.agents] == [9, 9]
    allowed, masks = marl.get_avail_actions(state), apart.get_avail_actions(state)
    for choice in range(9):
        move, pick = divmod(choice, 3)
        values = {"move": jnp.float32(move - 1), "pick": jnp.int32(pick)}
        chosen = marl.step(KEYS[1, 0], state, dict.fromkeys(marl.agents, jnp.int32(choice)))
        named = apart.step(KEYS[1, 0], state, dict.fromkeys(marl.agents, values))
        jax.tree.map(same, chosen[2], named[2])
        for agent in marl.agents:
            assert allowed[agent][choice] == masks[agent]["pick"][pick]


def test_groups_are_padded_and_named_by_one_hots():
    env, params = small("urllc_vec")
    rows = {
        group: jnp.arange(n * box.shape[0], dtype=jnp.float32).reshape(n, -1)
        for (group, n), box in zip(env.n_agents.items(), env.observation_space.values(), strict=True)
    }
    state = State(False, 0, None, Observation(rows, jnp.zeros(env.world_size)))
    widths = {group: x.shape[1] for group, x in rows.items()}
    assert len(set(widths.values())) > 1
    for pad in (False, True):
        for one_hot in (False, True):
            marl = MultiAgent(env, params, pad=pad, one_hot=one_hot)
            seen = marl.get_obs(state)
            assert sum(map(len, marl.agent_classes.values())) == marl.num_agents == len(seen)
            for place, (group, agents) in enumerate(marl.agent_classes.items()):
                for i, agent in enumerate(agents):
                    assert seen[agent].shape == marl.observation_space(agent).shape
                    same(seen[agent][: widths[group]], rows[group][i])
                    rest = seen[agent][widths[group] :]
                    zeros = (max(widths.values()) - widths[group]) * pad
                    same(rest, np.append(np.zeros(zeros), np.eye(len(rows))[place] if one_hot else []))


def test_its_log_wrapper_counts_what_was_earned():
    _, slots = episodes(ENV, PARAMS, True)
    marl = LogWrapper(MultiAgent(ENV, PARAMS, actions="dict"))
    _, state = jax.vmap(marl.reset)(KEYS[0])
    step = jax.jit(jax.vmap(marl.step))
    running, length = np.zeros((WORLDS, 2)), np.zeros(WORLDS)
    for t, (action, ts) in enumerate(slots):
        _, state, _, _, info = step(KEYS[t + 1], state, by_agent(action))
        running, length = running + ts.reward["walker"], length + 1
        for w in np.flatnonzero(ts.done):
            np.testing.assert_allclose(info["returned_episode_returns"][w], running[w], rtol=1e-5)
            assert info["returned_episode_lengths"][w, 0] == length[w]
            running[w], length[w] = 0, 0
        same(info["returned_episode"][:, 0], ts.done)


def test_its_manager_of_q_learning_takes_one_number_for_each_agent():
    manager = CTRolloutManager(MultiAgent(ENV, PARAMS, actions="single", bins=3), WORLDS)
    key = jax.random.PRNGKey(0)
    obs, state = manager.batch_reset(key)
    actions = {agent: manager.batch_sample(key, agent) for agent in manager.agents}
    following, state, reward, done, _ = manager.batch_step(key, state, actions)
    assert following["walker_0"].shape == (WORLDS, 2 + 2)
    assert obs["__all__"].shape == following["__all__"].shape == (WORLDS, 4)
    np.testing.assert_allclose(reward["__all__"], reward["walker_0"] + reward["walker_1"], rtol=1e-6)
    assert done["__all__"].shape == (WORLDS,)


def batchify(x, agents):
    return jnp.concatenate([x[agent] for agent in agents])


def ippo(marl, updates, slots=16, worlds=8, rate=1e-2):
    """IPPO as in JaxMARL's baselines (`ippo_ff_mabrax`): batchify, LogWrapper, GAE, clipped steps; one network, linear."""
    agents, n = marl.agents, marl.num_agents * worlds
    width, size = marl.action_space(agents[0]).shape[0], marl.observation_space(agents[0]).shape[0]
    params = {"mean": jnp.zeros((size, width)), "log_std": jnp.full(width, -0.5), "value": jnp.zeros(size)}
    optimiser = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(rate))

    def log_prob(params, obs, action):
        std = jnp.exp(params["log_std"])
        return -0.5 * ((((action - obs @ params["mean"]) / std) ** 2) + 2 * params["log_std"]).sum(-1)

    def env_step(carry, _):
        params, state, obs, key = carry
        key, key_act, key_step = jax.random.split(key, 3)
        seen = batchify(obs, agents)
        action = seen @ params["mean"] + jnp.exp(params["log_std"]) * jax.random.normal(key_act, (n, width))
        named = dict(zip(agents, action.reshape(len(agents), worlds, -1), strict=True))
        obs, state, reward, done, info = jax.vmap(marl.step)(jax.random.split(key_step, worlds), state, named)
        info = jax.tree.map(lambda x: x.reshape(n), info)
        row = (seen, action, log_prob(params, seen, action), seen @ params["value"])
        return (params, state, obs, key), (*row, batchify(reward, agents), batchify(done, agents), info)

    def advantages(value, reward, done, last):
        def back(carry, row):
            gae, following = carry
            value, reward, done = row
            gae = reward + 0.9 * following * (1 - done) - value + 0.9 * 0.9 * (1 - done) * gae
            return (gae, value), gae

        return jax.lax.scan(back, (jnp.zeros(n), last), (value, reward, done), reverse=True)[1]

    @jax.jit
    def update(carry, _):
        (params, moments), state, obs, key = carry
        (_, state, obs, key), (seen, action, old, value, reward, done, info) = jax.lax.scan(
            env_step, (params, state, obs, key), None, slots
        )
        gain = advantages(value, reward, done, batchify(obs, agents) @ params["value"])

        def loss(params):
            ratio, scaled = jnp.exp(log_prob(params, seen, action) - old), (gain - gain.mean()) / (gain.std() + 1e-8)
            surrogate = jnp.minimum(ratio * scaled, jnp.clip(ratio, 0.8, 1.2) * scaled).mean()
            return ((seen @ params["value"] - gain - value) ** 2).mean() - surrogate

        for _ in range(4):
            slope, moments = optimiser.update(jax.grad(loss)(params), moments, params)
            params = optax.apply_updates(params, slope)
        return ((params, moments), state, obs, key), (reward.mean(), info)

    obs, state = jax.vmap(marl.reset)(jax.random.split(jax.random.PRNGKey(0), worlds))
    carry = ((params, optimiser.init(params)), state, obs, jax.random.PRNGKey(1))
    return jax.lax.scan(update, carry, None, updates)[1]


@pytest.mark.slow
def test_updates_as_its_ippo_has_them_learn():
    """Walkers earn by walking: what they earn rises."""
    reward, info = ippo(LogWrapper(MultiAgent(toy.Walkers(horizon=8), toy.Params(gain=2.0), one_hot=True)), 30)
    assert np.isfinite(reward).all()
    assert reward[-5:].mean() > reward[:5].mean() + 0.3
    assert info["returned_episode"].any()


@pytest.mark.slow
def test_its_ippo_on_a_system():
    reward, info = ippo(LogWrapper(MultiAgent(*small("isac_iov"))), 3)
    assert np.isfinite(reward).all()
    assert info["truncated"].any()


def test_what_is_missing_or_unknown_is_said():
    marl = MultiAgent(ENV, PARAMS)
    _, state = marl.reset(KEYS[0, 0])
    with pytest.raises(ValueError, match="actions are missing of walker_1"):
        marl.step(KEYS[1, 0], state, {"walker_0": jnp.zeros(4)})
    with pytest.raises(ValueError, match="noise"):
        MultiAgent(ENV, PARAMS, info="noiss")
    with pytest.raises(ValueError, match=r"'single' would have 25937424601 choices .* fewer bins"):
        MultiAgent(*small("isac_iov"), actions="single")
