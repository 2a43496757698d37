"""gymnax's wrappers around our worlds, Gymnasium's through them, and a loop as those of PureJaxRL."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy
from adapters.functional import KEYS, WORLDS, episodes, same, worlds_last_operations

from jaxvec.core.wrappers import one_agent

pytest.importorskip("gymnax")
from gymnasium.wrappers import RecordEpisodeStatistics
from gymnax.wrappers import FlattenObservationWrapper, GymnaxToGymWrapper, LogWrapper
from gymnax.wrappers.compat import LegacyStepAPIWrapper
from gymnax.wrappers.purerl import StickyActionWrapper

from jaxvec.adapters.gymnax import SingleAgent

ENV, PARAMS = toy.Walkers(), toy.Params()  # hybrid, masked; worlds end in different slots


@pytest.mark.parametrize("resets", [True, False])
def test_episodes_are_those_of_the_native_form_to_the_bit(resets):
    """With resets, and without (`step_env`): observations, masks, rewards, both flags, and the true last observation."""
    start, slots = episodes(one_agent(ENV), PARAMS, resets)
    single = SingleAgent(ENV, actions="dict", info="noise")
    obs, state = jax.vmap(single.reset, (0, None))(KEYS[0], PARAMS)

    @jax.jit
    @jax.vmap
    def step(key, state, action):
        out = (single.step if resets else single.step_env)(key, state, action, PARAMS)
        flags = single.is_terminated(out[1]), single.is_truncated(out[1])
        return out, single.action_mask(out[1])["walker/pick"], flags

    same(obs, start.obs.agents["all"][:, 0])
    ended = np.zeros(2, int)
    for t, (action, ts) in enumerate(slots):
        joint = {name: x[:, 0] for name, x in action["all"].items()}
        out, mask, flags = step(KEYS[t + 1], state, joint)
        obs, state, reward, terminated, info = out[0], out[1], out[2], out[3], out[-1]
        same(obs, ts.obs.agents["all"][:, 0])
        same(reward, ts.reward["all"][:, 0])
        same(terminated, ts.terminated)
        same(info["discount"], 1 - ts.terminated)
        same(info["noise"], ts.info["noise"])
        same(mask, ts.obs.mask["all"]["walker/pick"][:, 0])
        if resets:
            same(out[4], ts.truncated)
            same(info["truncated"], ts.truncated)
            same(info["final_observation"], ts.final_obs.agents["all"][:, 0])
            same(state.time == 0, ts.done)
        else:
            jax.tree.map(same, flags, (ts.terminated, ts.truncated))
        ended += ts.terminated.sum(), (ts.truncated & ~ts.terminated).sum()
    assert ended.all()


def test_numbers_may_be_swept_and_many_worlds_are_one_native_step():
    single = LogWrapper(SingleAgent(ENV))
    gains = jnp.arange(1.0, 1 + WORLDS)
    _, state = jax.vmap(single.reset, (0, None))(KEYS[0], PARAMS)
    action = jnp.ones((WORLDS, single.action_space().shape[0]))

    def step(key, state, action, gain):
        return single.step(key, state, action, PARAMS.replace(gain=gain))

    counts = worlds_last_operations(step, KEYS[1], state, action, gains)
    assert (counts["worlds_last"], counts["cond"]) == (1, 0)
    reward, one = jax.jit(jax.vmap(step))(KEYS[1], state, action, gains)[2], jax.jit(step)
    for w in range(WORLDS):
        alone = one(KEYS[1, w], jax.tree.map(lambda x, w=w: x[w], state), action[w], gains[w])
        np.testing.assert_allclose(reward[w], alone[2], rtol=1e-6)


def test_its_wrapper_for_gymnasium():
    """An episode, counted by Gymnasium, of one world."""
    env = RecordEpisodeStatistics(GymnaxToGymWrapper(SingleAgent(ENV), PARAMS))
    obs, _ = env.reset(seed=1)
    env.action_space.seed(0)
    total, over = 0.0, False
    while not over:
        assert env.observation_space.contains(np.asarray(obs))
        obs, reward, terminated, truncated, info = env.step(env.action_space.sample())
        total, over = total + reward, terminated or truncated
    assert info["episode"]["r"] == pytest.approx(float(total), rel=1e-5)
    assert 0 < info["episode"]["l"] <= ENV.horizon


def test_its_other_wrappers():
    key = jax.random.PRNGKey(0)
    single = SingleAgent(ENV, actions="single", bins=3)
    assert single.num_actions == 81
    sticky = LegacyStepAPIWrapper(StickyActionWrapper(FlattenObservationWrapper(single), 1.0))
    _, state = sticky.reset(key, PARAMS)
    _, state, first, _, _ = sticky.step(key, state, jnp.int32(80), PARAMS)
    obs, _, _, done, info = sticky.step(key, state, jnp.int32(0), PARAMS)
    assert obs.shape == info["final_observation"].shape == (4,)
    assert done.shape == first.shape == ()


def test_gradients_flow_where_they_are_asked_for():
    detached = SingleAgent(ENV)
    _, state = detached.reset(KEYS[0, 0])

    def seen(action, single):
        return single.step(KEYS[1, 0], state, action)[0].sum()

    action = jnp.zeros(8)
    slope = jax.jit(jax.grad(seen), static_argnums=1)
    assert not slope(action, detached).any()
    assert slope(action, detached.with_transition_gradients()).any()


def test_a_loop_as_of_purejaxrl_learns_through_truncation():
    """Advantage actor-critic: `jax.vmap` in `jax.lax.scan`, LogWrapper, returns that go on where the horizon truncates."""
    single, worlds, slots = LogWrapper(SingleAgent(toy.Walkers(horizon=6, longest=6))), 16, 12
    width, size = single.action_space().shape[0], single.observation_space().shape[0]
    params = {"mean": jnp.zeros((size + 1, width)), "value": jnp.zeros(size + 1)}
    optimiser, numbers = optax.adam(3e-2), PARAMS.replace(gain=2.0)

    def features(obs):
        return jnp.concatenate([obs, jnp.ones((*obs.shape[:-1], 1))], -1)

    def slot(carry, _):
        params, state, obs, key = carry
        key, key_act, key_step = jax.random.split(key, 3)
        seen = features(obs)
        action = seen @ params["mean"] + 0.5 * jax.random.normal(key_act, (worlds, width))
        step = jax.vmap(single.step, (0, 0, 0, None))
        obs, state, reward, terminated, truncated, info = step(
            jax.random.split(key_step, worlds), state, action, numbers
        )
        following = info["discount"] * (features(info["final_observation"]) @ params["value"])
        return (params, state, obs, key), (seen, action, reward, following, terminated | truncated)

    @jax.jit
    def update(carry, _):
        (params, moments), *rest = carry
        (_, *rest), (seen, action, reward, following, done) = jax.lax.scan(slot, (params, *rest), None, slots)

        def loss(params):
            value = seen @ params["value"]
            gain = jax.lax.stop_gradient(reward + 0.9 * following - value)
            log_prob = -(((action - seen @ params["mean"]) / 0.5) ** 2).sum(-1) / 2
            return ((jax.lax.stop_gradient(gain + value) - value) ** 2 - log_prob * gain).mean()

        slope, moments = optimiser.update(jax.grad(loss)(params), moments, params)
        return ((optax.apply_updates(params, slope), moments), *rest), (reward.mean(), done.mean())

    obs, state = jax.vmap(single.reset, (0, None))(jax.random.split(jax.random.PRNGKey(0), worlds), numbers)
    carry = ((params, optimiser.init(params)), state, obs, jax.random.PRNGKey(1))
    reward, done = jax.lax.scan(update, carry, None, 60)[1]
    assert np.isfinite(reward).all()
    assert done.any()
    assert reward[-10:].mean() > reward[:10].mean() + 0.3
