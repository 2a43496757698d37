"""Gymnasium's checks, its own vectors of single environments beside ours, and episodes that are those of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from adapters.cases import COME_AND_GO, SYSTEMS, small
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics
from gymnasium.wrappers.vector import DictInfoToList
from gymnasium.wrappers.vector import RecordEpisodeStatistics as RecordVectorStatistics
from hypothesis import given
from hypothesis import strategies as st
from representatives import representatives

from jaxvec.adapters.actions import ActionView
from jaxvec.adapters.gymnasium import SingleEnv, VectorEnv
from jaxvec.adapters.worlds import decode
from jaxvec.core.rollout import rollout
from jaxvec.core.wrappers import one_agent
from jaxvec.policies.random import random

pytestmark = pytest.mark.filterwarnings("ignore")  # check_env warns of observations without bounds, and of no spec
VIEWS = ("flat", "discrete", "dict")
WORLDS, SEEDS = 3, [3, 5, 2**32 - 1]
ENV, PARAMS = toy.Walkers(), toy.Params()  # hybrid, masked; worlds end in different slots


def checked(env, params):
    for view in VIEWS:
        name = next(iter(env.info_fields))
        check_env(SingleEnv(env, params, actions=view, info=name))


def test_gymnasiums_check():
    checked(ENV, PARAMS)


def test_one_number_for_all_is_a_discrete_with_a_mask():
    env = SingleEnv(ENV, PARAMS, actions="single", bins=3)
    check_env(env)
    _, info = env.reset(seed=1)
    _, apart = SingleEnv(ENV, PARAMS, actions="discrete", bins=3).reset(seed=1)
    masks = apart["action_mask"]
    allowed = [all(mask[i] for mask, i in zip(masks, at, strict=True)) for at in np.ndindex(*map(len, masks))]
    np.testing.assert_array_equal(info["action_mask"], allowed)
    assert allowed[env.action_space.sample(info["action_mask"])]
    with pytest.raises(ValueError, match="fewer bins"):
        SingleEnv(ENV, PARAMS, actions="single", bins=50)


@pytest.mark.slow
@pytest.mark.parametrize(("env_id", "settings"), representatives(SYSTEMS + COME_AND_GO, [("dt_edge", {})]))
def test_gymnasiums_check_of_every_system(env_id, settings):
    checked(*small(env_id, **settings))


def same(a, b):
    """Trees of what steps and resets give are equal to the bit."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for name in a:
            same(a[name], b[name])
    elif isinstance(a, tuple) or a.dtype.hasobject:
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert (x is None) == (y is None)
            if x is not None:
                same(x, y)
    else:
        np.testing.assert_array_equal(a, b)


def bare(out):
    """Without masks, which stand one after the other in the vector, and as `sample` takes them elsewhere."""
    infos = out[-1]
    for part in (infos, infos.get("final_info", {})):
        part.pop("action_mask", None), part.pop("_action_mask", None)
    return out


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("view", representatives(VIEWS, ("dict",)))
def test_worlds_are_what_gymnasium_makes_of_single_ones(view, mode):
    """Observations, rewards, flags, infos, `final_obs`, `final_info`, in worlds that end in different slots, to the bit."""
    settings = {"actions": view, "info": ("noise", "t")}
    theirs = SyncVectorEnv([lambda: SingleEnv(ENV, PARAMS, **settings)] * WORLDS, autoreset_mode=mode)
    ours = VectorEnv(ENV, PARAMS, WORLDS, autoreset_mode=mode, **settings)
    assert ours.metadata["autoreset_mode"] == mode
    for name in ("observation_space", "action_space", "single_observation_space", "single_action_space", "num_envs"):
        assert getattr(ours, name) == getattr(theirs, name)
    same(bare(theirs.reset(seed=SEEDS)), bare(ours.reset(seed=SEEDS)))
    ours.action_space.seed(0)
    ended, apart = np.zeros(WORLDS, int), False
    for _ in range(16):
        action = ours.action_space.sample()
        out = bare(ours.step(action))
        same(bare(theirs.step(action)), out)
        assert ours.observation_space.contains(out[0])
        over = out[2] | out[3]
        ended, apart = ended + over, apart or (over.any() and not over.all())
        if mode is AutoresetMode.DISABLED and over.any():
            same(bare(theirs.reset(options={"reset_mask": over})), bare(ours.reset(options={"reset_mask": over})))
    assert ended.min() > 1
    assert apart


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("each", representatives(("world", "agent"), ("agent",)))
def test_returns_are_those_of_rollout_of_the_same_actions(each, mode):
    env = one_agent(ENV) if each == "world" else ENV
    ((group, n),) = env.n_agents.items()
    policy = random(env)
    slots = jax.jit(lambda key: rollout(env, policy, key, PARAMS, WORLDS))(jax.random.key(4))
    slots = jax.tree.map(lambda x: np.moveaxis(np.asarray(x), -1, 1), slots)  # (time, world, ...)
    ours = RecordVectorStatistics(VectorEnv(ENV, PARAMS, WORLDS, each=each, autoreset_mode=mode, actions="dict"))
    obs, infos = ours.reset(seed=4)
    assert ("active" in infos) == (each == "agent")
    done = slots.ts.terminated | slots.ts.truncated
    last = np.repeat(done.argmax(0), n)
    rewards = slots.ts.reward[group].reshape(ENV.horizon, -1)
    for t in range(ENV.horizon):
        going = t <= last
        np.testing.assert_array_equal(obs[going], slots.obs.agents[group][t].reshape(len(last), -1)[going])
        action = {name: x[t].reshape(len(last), *x.shape[3:]) for name, x in slots.action[group].items()}
        obs, reward, _, _, infos = ours.step(action)
        np.testing.assert_array_equal(reward[going], rewards[t][going])
        for i in np.flatnonzero(t == last):
            np.testing.assert_allclose(infos["episode"]["r"][i], rewards[: t + 1, i].sum(), 1e-6)
            assert infos["episode"]["l"][i] == t + 1
            if mode is AutoresetMode.SAME_STEP:
                followed = slots.ts.obs.agents[group][t].reshape(len(last), -1)[i]
                np.testing.assert_array_equal(infos["final_obs"][i], followed)
                assert not np.array_equal(obs[i], followed)
        if mode is AutoresetMode.NEXT_STEP:
            np.testing.assert_array_equal(reward[t == last + 1], 0)


def test_statistics_of_a_single_world():
    env = RecordEpisodeStatistics(SingleEnv(ENV, PARAMS))
    env.reset(seed=1)
    total, over = 0.0, False
    while not over:
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        total, over = total + reward, terminated or truncated
    np.testing.assert_allclose(info["episode"]["r"], total, 1e-6)
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())
    infos = DictInfoToList(VectorEnv(ENV, PARAMS, 2, info="t", each="agent")).reset(seed=0)[1]
    assert len(infos) == 4


def test_what_is_forbidden_is_never_chosen_by_the_largest_entry():
    """In the flat view the largest entry stands for the choice that the slot forbids, whichever it is."""
    env = VectorEnv(ENV, PARAMS, WORLDS, each="agent")
    env.reset(seed=0)
    for _ in range(3):
        obs = env.worlds.carry.obs
        mask = np.asarray(obs.mask["walker"]["pick"])  # (n, 3, W)
        entries = np.where(mask, -1.0, 1.0)
        move = np.full((ENV.n_walkers, 1, WORLDS), 0.25)
        flat = np.concatenate([move, entries], 1).transpose(2, 0, 1)
        action = env.view.decode({"walker": jnp.asarray(flat, jnp.float32)}, obs.mask, 1)["walker"]
        np.testing.assert_array_equal(action["move"], 0.25)
        assert np.take_along_axis(mask, np.asarray(action["pick"])[:, None], 1).all()
        env.step(flat.reshape(-1, 4))


@given(st.data())
def test_whatever_the_entries_and_the_masks_a_choice_is_allowed(data):
    """Also of entries far beyond the box; among what is allowed it is the largest."""
    shape = (2, ENV.n_walkers, 3)
    numbers = st.floats(-(2.0**100), 2.0**100, width=32)
    entries = np.array(data.draw(st.lists(numbers, min_size=12, max_size=12)), np.float32).reshape(shape)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=12, max_size=12))).reshape(shape)
    mask[..., data.draw(st.integers(0, 2))] = True
    actions = {"walker": np.concatenate([entries[..., :1], entries], -1)}
    view, masks = ActionView(ENV), {"walker": {"pick": np.moveaxis(mask, 0, -1)}}
    action = jax.tree.map(np.asarray, decode(view, actions, masks)["walker"])
    best = np.where(mask, entries, -np.inf).argmax(-1)
    np.testing.assert_array_equal(action["pick"], best.T)
    assert np.take_along_axis(mask, best[..., None], -1).all()
    assert (np.abs(action["move"]) <= 1).all()


def test_numbers_as_choices_are_evenly_spaced_from_bound_to_bound():
    env = VectorEnv(ENV, PARAMS, 1, each="agent", actions="discrete", bins=5)
    assert env.single_action_space.nvec.tolist() == [5, 3]
    env.reset(seed=0)
    for level, move in enumerate((-1, -0.5, 0, 0.5, 1)):
        chosen = jnp.array([[[level, 1], [4 - level, 2]]])
        action = env.view.decode({"walker": chosen}, env.worlds.carry.obs.mask, 1)["walker"]
        np.testing.assert_array_equal(action["move"], [[move], [-move]])
        np.testing.assert_array_equal(action["pick"], [[1], [2]])


def test_arrays_are_the_callers_own():
    env = VectorEnv(ENV, PARAMS, WORLDS, actions="discrete", info="noise", autoreset_mode=AutoresetMode.SAME_STEP)
    first, infos = env.reset(seed=0)
    kept = first.copy()
    first[:], infos["action_mask"][:] = np.nan, 0
    env.action_space.seed(0)
    for _ in range(ENV.horizon):
        obs, reward, terminated, truncated, infos = env.step(env.action_space.sample())
        for x in (obs, reward, terminated, truncated, *(x for x in infos.values() if isinstance(x, np.ndarray))):
            assert x.flags.writeable
            assert x.flags.owndata or x.base.flags.writeable
            x[...] = 0
    np.testing.assert_array_equal(env.reset(seed=0)[0], kept)


def test_numbers_may_be_swept_over_worlds():
    env = VectorEnv(ENV, toy.Params(gain=np.array([[0.0, 1.0, 3.0]]), spread=0.0), WORLDS, actions="dict")
    env.reset(seed=0)
    chosen = {"walker/move": np.full((WORLDS, 2), 0.5), "walker/pick": np.ones((WORLDS, 2), int)}
    np.testing.assert_allclose(env.step(chosen)[1], [1.0, 1.5, 2.5])


def test_vehicles_that_are_away_are_told_of():
    env_id, settings = COME_AND_GO[0]
    env, params = small(env_id, **settings)
    vector = VectorEnv(env, params, 1, each="agent", autoreset_mode=AutoresetMode.DISABLED)
    vector.reset(seed=2)
    active = [vector.step(vector.action_space.sample())[4]["active"] for _ in range(env.horizon)]
    assert set(np.unique(active)) == {False, True}


def test_what_cannot_be_is_said():
    urllc, numbers = small("urllc_vec")
    with pytest.raises(ValueError, match=r'groups.*each="world"'):
        VectorEnv(urllc, numbers, 2, each="agent")
    with pytest.raises(ValueError, match="world, agent"):
        VectorEnv(ENV, PARAMS, 2, each="group")
    with pytest.raises(ValueError, match="at least 1"):
        VectorEnv(ENV, PARAMS, 0)
    with pytest.raises(ValueError, match="at least 2"):
        SingleEnv(ENV, PARAMS, actions="discrete", bins=1)
    with pytest.raises(ValueError, match="must be finite"):
        SingleEnv(ENV, toy.Params(gain=float("nan")))
    with pytest.raises(ResetNeeded):
        SingleEnv(ENV, PARAMS).step(0)
    env = VectorEnv(ENV, PARAMS, 2, each="agent", actions="dict")
    with pytest.raises(ResetNeeded):
        env.step({})
    with pytest.raises(ValueError, match="one for each of 2 worlds, not 3"):
        env.reset(seed=[1, 2, 3])
    env.reset(seed=0)
    action = env.action_space.sample()
    with pytest.raises(ValueError, match="dict of move, pick, not move"):
        env.step({"move": action["move"]})
    with pytest.raises(ValueError, match=r"pick: choices .* 0 to 2"):
        env.step(action | {"pick": action["pick"] + 3})
    with pytest.raises(ValueError, match=r"move: .*shape \(4,\), not \(3,\)"):
        env.step(action | {"move": action["move"][:3]})
    with pytest.raises(ValueError, match="all agents of a world"):
        env.reset(options={"reset_mask": np.array([True, False, False, False])})
    with pytest.raises(ValueError, match=r"unknown option of reset 'mask'\. Known: reset_mask"):
        env.reset(options={"mask": np.ones(4, bool)})
    with pytest.raises(ValueError, match=r"unknown option of reset 'gain'\. There are none"):
        SingleEnv(ENV, PARAMS).reset(options={"gain": 2.0})
