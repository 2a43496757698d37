"""A policy through many worlds: the same worlds for every policy, whatever their number."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from scipy.special import stdtrit

from jaxvec.core import rng
from jaxvec.core.evaluation import Interval, evaluate, interval, students_t
from jaxvec.core.rollout import as_stateful, policy_keys, rollout, unroll, world_keys
from jaxvec.core.types import ActTrace
from jaxvec.core.wrappers import auto_reset
from jaxvec.policies.random import random

ENV, PARAMS, WORLDS = toy.Walkers(), toy.Params(), 5
KEY = jax.random.key(8)
run = jax.jit(rollout, static_argnums=(0, 1, 4))
WALK = random(ENV)


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def assert_close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-6, atol=2e-6), a, b)


@pytest.fixture(scope="module")
def walked():
    return run(ENV, WALK, KEY, PARAMS, WORLDS)


def test_a_rollout_is_resets_and_steps_with_keys_of_world_and_slot(walked):
    step, ask = jax.jit(ENV.step), jax.jit(WALK)
    world, policy = world_keys(KEY, WORLDS), policy_keys(KEY, WORLDS)
    state, ts = jax.jit(ENV.reset)(rng.fold_in(world, 0), PARAMS)
    for t in range(ENV.horizon):
        action = ask(rng.fold_in(policy, t + 1), ts.obs)
        slot = jax.tree.map(lambda x, t=t: x[t], walked)
        assert_close((slot.state, slot.obs), (state, ts.obs))
        assert_close(slot.action, action)
        state, ts = step(rng.fold_in(world, t + 1), state, action, PARAMS)
        assert_close(slot.ts, ts)
    assert slot.ts.truncated.all()
    assert walked.ts.reward["walker"].shape == (ENV.horizon, 2, WORLDS)


def test_the_keys_of_worlds_episodes_and_policies_are_all_different():
    keys = [make(KEY, 4, episode) for make in (world_keys, policy_keys) for episode in (0, 1)]
    words = np.concatenate([jax.random.key_data(k) for k in keys])
    assert len(np.unique(words, axis=0)) == 16
    assert_equal(jax.random.key_data(world_keys(KEY, 4)), jax.random.key_data(world_keys(KEY, 9))[:4])


def test_the_same_key_gives_the_same_rollout_and_another_key_another(walked):
    assert_equal(run(ENV, WALK, KEY, PARAMS, WORLDS), walked)
    other = run(ENV, WALK, jax.random.key(9), PARAMS, WORLDS)
    assert not np.array_equal(other.ts.info["noise"], walked.ts.info["noise"])
    assert not np.array_equal(other.action["walker"]["move"], walked.action["walker"]["move"])


def test_two_policies_meet_the_same_worlds(walked):
    stood = run(ENV, toy.still, KEY, PARAMS, WORLDS)
    for name in ("noise", "limit"):
        assert_equal(stood.ts.info[name], walked.ts.info[name])
    assert_equal(stood.obs.agents["walker"][0], walked.obs.agents["walker"][0])
    assert not np.array_equal(stood.ts.reward["walker"], walked.ts.reward["walker"])


def test_a_world_does_not_know_how_many_there_are(walked):
    assert_close(run(ENV, WALK, KEY, PARAMS, 2), jax.tree.map(lambda x: x[..., :2], walked))
    assert not np.array_equal(walked.ts.info["noise"][..., 0], walked.ts.info["noise"][..., 1])


def test_another_episode_is_in_other_worlds(walked):
    again = jax.jit(lambda key, episode: rollout(ENV, WALK, key, PARAMS, WORLDS, episode=episode))
    assert_close(again(KEY, 0), walked)
    first, second = again(KEY, 1), again(KEY, 2)
    for rolled in (first, second):
        assert not np.intersect1d(rolled.ts.info["noise"], walked.ts.info["noise"]).size
    assert not np.intersect1d(first.ts.info["noise"], second.ts.info["noise"]).size


def test_worlds_last_equals_vmap_over_worlds():
    first = lambda tree: jax.tree.map(lambda x: np.moveaxis(x, -1, 0), tree)  # noqa: E731
    keys = world_keys(KEY, WORLDS)
    start = jax.jit(ENV.reset)(keys, PARAMS)
    assert_close(jax.jit(jax.vmap(ENV.reset, (0, None)))(keys, PARAMS), first(start))
    action = jax.jit(WALK)(policy_keys(KEY, WORLDS), start[1].obs)
    apart = jax.jit(jax.vmap(ENV.step, (0, 0, 0, None)))(keys, first(start[0]), first(action), PARAMS)
    assert_close(apart, first(jax.jit(ENV.step)(keys, start[0], action, PARAMS)))


def test_what_is_kept_is_the_callers_choice(walked):
    select = lambda slot: slot.ts.reward["walker"]  # noqa: E731
    reward = jax.jit(lambda key: rollout(ENV, WALK, key, PARAMS, WORLDS, select=select))(KEY)
    assert_close(reward, walked.ts.reward["walker"])


def test_a_scenario_per_world_equals_separate_runs(walked):
    spread = np.float32([0.0, PARAMS.spread, 1.0, 2.0, 4.0])
    swept = run(ENV, WALK, KEY, PARAMS.replace(spread=spread), WORLDS)
    assert_close(*(jax.tree.map(lambda x: x[..., 1], tree) for tree in (swept, walked)))
    alone = run(ENV, WALK, KEY, PARAMS.replace(spread=float(spread[3])), WORLDS)
    assert_close(*(jax.tree.map(lambda x: x[..., 3], tree) for tree in (swept, alone)))
    assert_close(swept.ts.info["noise"], walked.ts.info["noise"] * (spread / PARAMS.spread))


@pytest.mark.parametrize(
    "gain",
    [np.float32([1, 3]), np.float32([[1, 1, 1, 1, 5], [3, 3, 3, 3, 7]]), np.float32([[1, 2, 3, 4, 5]])],
    ids=["per walker", "per walker and world", "per world"],
)
def test_a_number_may_be_one_per_entity_or_per_entity_and_world(walked, gain):
    rolled = run(ENV, WALK, KEY, PARAMS.replace(gain=gain), WORLDS)
    more = (gain[:, None] if gain.ndim == 1 else gain) - 1
    assert_close(rolled.ts.reward["walker"], walked.ts.reward["walker"] + more * walked.action["walker"]["move"])


def test_a_sweep_over_another_number_of_worlds_is_refused():
    swept = toy.Params(spread=np.ones(WORLDS + 1, np.float32))
    with pytest.raises(ValueError, match=f"spread has numbers of {WORLDS + 1} worlds, but there are {WORLDS}"):
        rollout(ENV, WALK, KEY, swept, WORLDS)


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="spread"):
        rollout(ENV, WALK, KEY, toy.Params(spread=float("nan")), WORLDS)


class Counting:
    """A policy with memory: it moves by the number of slots that it has seen in this episode, in percent."""

    def memory(self, batch):
        return jnp.zeros(batch)

    def __call__(self, key, obs, memory):
        action = toy.still(key, obs)
        action["walker"]["move"] = jnp.broadcast_to(memory / 100, action["walker"]["move"].shape)
        return action, memory + 1


def test_a_policy_keeps_its_memory_through_the_episode_and_no_longer():
    expected = np.arange(6)[:, None, None] / 100 * np.ones((1, 2, WORLDS))
    count = Counting()
    for key in (KEY, jax.random.key(9)):
        rolled = run(ENV, count, key, PARAMS, WORLDS)
        np.testing.assert_allclose(rolled.action["walker"]["move"], expected, rtol=1e-6)


def test_a_memory_begins_anew_with_every_episode_of_its_world():
    env, slots = auto_reset(ENV), 15
    keys = world_keys(KEY, WORLDS), policy_keys(KEY, WORLDS)
    ask, begin = as_stateful(Counting(), (WORLDS,)), jax.jit(env.reset)(keys[0], PARAMS)
    select = lambda slot: (slot.action["walker"]["move"][0], slot.ts.done)  # noqa: E731
    _, (move, done) = unroll(env, ask, keys, PARAMS, begin, slots, select)
    expected = np.zeros(WORLDS)
    for t in range(slots):
        np.testing.assert_allclose(move[t], expected / 100, rtol=1e-6)
        expected = np.where(done[t], 0, expected + 1)
    assert done.sum() > WORLDS


@dataclass(frozen=True)
class Blindfolded(toy.Walkers):
    """Shows its agents nothing, whatever the state."""

    def act(self, ask, key, state, ts, params):
        blind = jax.tree.map(jnp.zeros_like, ts.obs)
        action, extras = ask(key, blind)
        return action, ActTrace(blind, extras)


def test_the_environment_decides_how_its_agents_are_asked(walked):
    rolled = run(Blindfolded(), toy.still, KEY, PARAMS, WORLDS)
    assert not rolled.obs.agents["walker"].any()  # what the agents saw, not what there was to see
    assert not rolled.action["walker"]["pick"].any()
    assert rolled.ts.obs.agents["walker"].any()


def test_play_goes_on_from_any_state():
    keys = world_keys(KEY, WORLDS), policy_keys(KEY, WORLDS)

    ask, start = as_stateful(toy.still, (WORLDS,)), jax.jit(ENV.reset)(keys[0], PARAMS)
    (state, ts, _), t = unroll(ENV, ask, keys, PARAMS, start, 4, lambda slot: slot.ts.info["t"])
    np.testing.assert_array_equal(t[-1], 4)
    (state, ts, _), t = unroll(ENV, ask, keys, PARAMS, (state, ts), 2, lambda slot: slot.ts.info["t"])
    np.testing.assert_array_equal(t, [[5] * WORLDS, [6] * WORLDS])
    np.testing.assert_array_equal(state.t, 6)
    assert ts.truncated.all()


def test_evaluation_gives_each_worlds_mean_over_its_episode(walked):
    results = evaluate(ENV, {"walk": WALK, "still": toy.still}, KEY, PARAMS, WORLDS)
    assert set(results) == {"walk", "still"}
    assert set(results["walk"]) == {"reward", "t", "limit"}  # what has one value per world
    np.testing.assert_allclose(results["walk"]["reward"], walked.ts.reward["walker"].mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(results["walk"]["t"], np.full(WORLDS, 3.5))
    np.testing.assert_array_equal(results["walk"]["limit"], results["still"]["limit"])  # the same worlds


def test_where_agents_leave_means_are_over_those_who_take_part(walked):
    @dataclass(frozen=True)
    class Leaving(toy.Walkers):
        """The first walker takes part in the first two slots only."""

        def observe(self, state):
            obs = super().observe(state)
            here = (jnp.arange(2) > 0).reshape((2,) + (1,) * state.t.ndim) | (state.t < 2)
            return obs.replace(active={"walker": here})

    found = evaluate(Leaving(), {"walk": WALK}, KEY, PARAMS, WORLDS)["walk"]
    reward = np.asarray(walked.ts.reward["walker"])  # six slots, of which the first two count twice
    expected = (reward[:2, 0].sum(0) + reward[:, 1].sum(0)) / 8
    np.testing.assert_allclose(found["reward"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["t"], np.full(WORLDS, (2 * 1 + 2 * 2 + 3 + 4 + 5 + 6) / 8))


def test_evaluation_takes_a_scenario_per_world_and_refuses_bad_numbers():
    results = evaluate(ENV, {"still": toy.still}, KEY, PARAMS.replace(spread=np.zeros(3, np.float32)), 3)
    assert results["still"]["reward"].shape == (3,)
    with pytest.raises(ValueError, match="spread"):
        evaluate(ENV, {"still": toy.still}, KEY, toy.Params(spread=float("inf")), 3)


def test_an_interval_by_hand():
    # mean 2.5; deviations 1.5, 0.5, 0.5, 1.5: variance 5/3 with n - 1; t = 3.182446 for three degrees of freedom
    mean, half = interval(np.array([1.0, 2.0, 3.0, 4.0]))
    assert mean == 2.5
    assert half == pytest.approx(3.182446 * np.sqrt(5 / 3) / 2)
    assert str(interval(np.array([1.0, 2.0, 3.0, 4.0]))) == "2.5 ± 2.1"
    pairs = {(30.0, 0.4219): "30.00 ± 0.42", (0.042512, 0.0053): "0.0425 ± 0.0053", (-1234.5, 17.3): "-1234 ± 17"}
    pairs |= {(2.5, float("nan")): "2.5", (1e-9, 2e-9): "1e-09 ± 2e-09", (4.5e8, 1e6): "4.5e+08 ± 1e+06"}
    assert {str(Interval(*pair)): text for pair, text in pairs.items()} == {text: text for text in pairs.values()}
    assert interval(np.float32([7.0])).mean == 7.0
    assert np.isnan(interval(np.float32([7.0])).half)  # one sample has no spread


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10, 11, 64, 512, 4095])
def test_students_t_is_that_of_others(n):
    assert students_t(n) == pytest.approx(stdtrit(n - 1, 0.975), rel=1e-9)


def test_students_t_of_the_tables():
    assert [round(students_t(n), 3) for n in (2, 3, 5, 31)] == [12.706, 4.303, 2.776, 2.042]
