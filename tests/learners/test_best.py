"""The best policy that was met is kept: never worse than what was judged, the same for seeds side by side, and through a kill."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners.probes import Probe

from jaxvec import learners
from jaxvec.core.evaluation import episode_means
from jaxvec.training import load, train

KEY = jax.random.key(8)
ENV = Probe(kind="target")
PARAMS = ENV.default_params()
SETTINGS = {"n_worlds": 4, "hidden": (4,), "rollout_length": 1, "keep_best": 16}


def drifting(**more):
    """A learner whose rate is so high that the last policy is not the best."""
    return learners.make("apg", ENV, **SETTINGS, **more), {"learning_rate": 0.5, "learning_rate_end": 0.5}


def test_the_policy_is_the_best_that_was_judged():
    learner, hyper = drifting()
    result = train(learner, PARAMS, KEY, 30, hyper=hyper, progress=False)
    best = result.metrics["best/reward"]
    assert (np.diff(best) >= 0).all()
    assert len(np.unique(best)) > 1
    assert result.metrics["best/update"][-1] < 30
    state = result.state
    judged = jnp.mean(episode_means(ENV, result.policy(), state.key, PARAMS, 16)["reward"])
    np.testing.assert_allclose(judged, best[-1], rtol=1e-5)
    last = jnp.mean(
        episode_means(ENV, learner.policy(state.replace(kept=state.learning)), state.key, PARAMS, 16)["reward"]
    )
    assert last < best[-1]


@pytest.mark.slow
def test_seeds_side_by_side_are_seeds_alone():
    learner, hyper = drifting()
    several = train(learner, PARAMS, KEY, 10, num_seeds=2, hyper=hyper, progress=False)
    for i, key in enumerate(jax.random.split(KEY, 2)):
        alone = train(learner, PARAMS, key, 10, hyper=hyper, progress=False)
        np.testing.assert_allclose(several.metrics["best/reward"][:, i], alone.metrics["best/reward"], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["apg", "maddpg"])
def test_it_is_kept_through_a_kill(name, tmp_path):
    more = {"slots_per_update": 2, "batch_size": 4, "capacity": 32} if name == "maddpg" else {"rollout_length": 1}
    learner = learners.make(name, ENV, n_worlds=4, hidden=(4,), keep_best=4, **more)
    whole = train(learner, PARAMS, KEY, 6, chunk=3, hyper=learner.hyper, progress=False)
    train(learner, PARAMS, KEY, 3, chunk=3, hyper=learner.hyper, out=tmp_path / "run", progress=False)
    train(learner, PARAMS, KEY, 6, hyper=learner.hyper, out=tmp_path / "run", resume=True, progress=False)
    run = load(tmp_path / "run", env=ENV)
    jax.tree.map(np.testing.assert_array_equal, run.state.kept.params, whole.state.kept.params)
    assert int(run.state.update) == int(whole.state.update)


def test_a_bad_number_of_worlds_is_refused():
    with pytest.raises(ValueError, match="keep_best must be a whole number of at least 0, not -1"):
        learners.make("mappo", ENV, keep_best=-1)
