"""The random policy: uniform over whatever an environment lets its agents choose."""

import jax
import numpy as np
import toy
from scipy import stats

from jaxvec.core.rollout import policy_keys
from jaxvec.policies.random import random

ENV, PARAMS, WORLDS = toy.Walkers(), toy.Params(), 4000


ACT, RESET = jax.jit(random(ENV)), jax.jit(ENV.reset)
KEYS = policy_keys(jax.random.key(3), WORLDS)


def acted():
    _, ts = RESET(KEYS, PARAMS)
    return ts.obs, jax.tree.map(np.asarray, ACT(KEYS, ts.obs))["walker"]


def test_actions_are_uniform_over_boxes_and_over_what_masks_allow():
    obs, action = acted()
    assert action["move"].shape == action["pick"].shape == (2, WORLDS)
    assert stats.kstest(action["move"].ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    mask = np.asarray(obs.mask["walker"]["pick"])
    assert np.take_along_axis(mask, action["pick"][:, None], 1).all()
    for walker in range(2):
        counts = np.bincount(action["pick"][walker], minlength=3)
        allowed = mask[walker, :, 0]
        assert (counts[~allowed] == 0).all()
        assert stats.chisquare(counts[allowed]).pvalue > 1e-3


def test_components_and_agents_are_independent():
    _, action = acted()
    rows = np.stack([*action["move"], *action["pick"]])
    correlation = np.corrcoef(rows) - np.eye(len(rows))
    assert np.abs(correlation).max() < 5 / np.sqrt(WORLDS)


def test_a_world_acts_the_same_in_any_batch():
    obs, action = acted()
    alone = ACT(KEYS[1], jax.tree.map(lambda x: x[..., 1], obs))["walker"]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[..., 1], b, rtol=1e-6), action, alone)


def test_without_a_mask_everything_is_allowed():
    obs, _ = acted()
    pick = ACT(KEYS, obs.replace(mask={}))["walker"]["pick"]
    assert stats.chisquare(np.bincount(pick.ravel(), minlength=3)).pvalue > 1e-3
