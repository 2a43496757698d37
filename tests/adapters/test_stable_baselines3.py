"""Stable-Baselines3 trains on our worlds."""

import numpy as np
import pytest
import toy

pytest.importorskip("stable_baselines3", reason="comes with the extra sb3, not with the tests")

import torch
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

import jaxvec
from jaxvec.adapters.gymnasium import SingleEnv
from jaxvec.adapters.stable_baselines3 import VecEnv

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_it_is_what_the_library_makes_of_single_worlds():
    env, params = toy.Walkers(), toy.Params()
    theirs, ours = DummyVecEnv([lambda: SingleEnv(env, params, info="t")]), VecEnv(env, params, 1, info="t")
    for vec in (theirs, ours):
        vec.seed(3)
    np.testing.assert_array_equal(theirs.reset(), ours.reset())
    ours.action_space.seed(0)
    ended = 0
    for _ in range(20):
        action = ours.action_space.sample()[None]
        (*a, infos), (*b, our_infos) = theirs.step(action), ours.step(action)
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
        if b[2][0]:
            ended += 1
            np.testing.assert_array_equal(
                infos[0].pop("terminal_observation"), our_infos[0].pop("terminal_observation")
            )
            assert infos == our_infos
        assert infos[0]["t"] == our_infos[0]["t"]
    assert ended > 2


def test_options_are_refused():
    vec = VecEnv(toy.Walkers(), toy.Params(), 2)
    vec.set_options({"gain": 2.0})
    with pytest.raises(ValueError, match=r"unknown option of reset 'gain'\. There are none"):
        vec.reset()


def reward_per_slot(env, params, model, each):
    """Of the same worlds for everybody, greedy; None acts at random."""
    vec, total, chance = VecEnv(env, params, 16, each=each), 0.0, np.random.default_rng(0)
    vec.seed(123)
    obs = vec.reset()
    for _ in range(env.horizon):
        shape = (vec.num_envs, *vec.action_space.shape)
        action = chance.uniform(-1, 1, shape) if model is None else model.predict(obs, deterministic=True)[0]
        obs, reward, done, _ = vec.step(action.astype(np.float32))
        total += reward.mean() / env.horizon
    assert done.all()
    return total


def test_ppo_and_sac_beat_chance_on_isac_iov():
    """PPO as one network for all agents, SAC as one agent for all; in a minute and a half, compiling included."""
    env, params = jaxvec.make("isac_iov", n_vehicles=3, horizon=50)
    of_ppo = {"n_steps": 50, "batch_size": 600, "n_epochs": 5, "learning_rate": 1e-3, "gamma": 0.9}
    ppo = PPO("MlpPolicy", VecMonitor(VecEnv(env, params, 16, each="agent")), seed=0, device="cpu", **of_ppo)
    ppo.learn(40_000)
    of_sac = {"learning_starts": 500, "batch_size": 128, "learning_rate": 1e-3, "gamma": 0.9, "train_freq": 4}
    sac = SAC("MlpPolicy", VecEnv(env, params, 4), seed=0, device="cpu", gradient_steps=4, **of_sac)
    sac.learn(5_000)
    for model, each in ((ppo, "agent"), (sac, "world")):
        chance, learned = (reward_per_slot(env, params, who, each) for who in (None, model))
        print(type(model).__name__, f"{learned:.3f} against {chance:.3f} of chance")
        assert learned > chance + 1


def test_dqn_takes_masked_choices_and_shows_the_masks():
    env, params = jaxvec.make("twin_migration", horizon=20)
    vec = VecEnv(env, params, 2, each="agent", actions="discrete")
    DQN("MlpPolicy", vec, seed=0, device="cpu", learning_starts=10, buffer_size=1000).learn(100)
    assert vec.has_attr("action_masks")
    assert np.stack(vec.env_method("action_masks")).shape == (vec.num_envs, env.n_servers)
    assert not VecEnv(env, params, 2).has_attr("action_masks")
    with pytest.raises(ValueError, match="no dicts"):
        VecEnv(env, params, actions="dict")
