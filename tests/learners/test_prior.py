"""Rules as priors: the first policy is the rule, whatever learner, turns or memory; what cannot be a prior is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvec
from jaxvec import learners, policies
from jaxvec.core.evaluation import evaluate
from jaxvec.learners.blocks.prior import with_prior
from jaxvec.training import load, train

KEY = jax.random.key(3)
SMALL = {
    "isac_iov": {"n_vehicles": 2, "horizon": 3},
    "v2x_offload": {"n_vehicles": 3, "horizon": 3},
    "twin_migration": {"n_vehicles": 2, "n_rsu": 3, "n_uav": 1, "horizon": 4},
}
PRIORS = {"isac_iov": "waterfill_twin", "v2x_offload": "greedy", "twin_migration": "myopic"}
TINY = {
    "apg": {"n_worlds": 4, "hidden": (4,), "rollout_length": 2},
    "mappo": {"n_worlds": 4, "hidden": (4,), "minibatches": 1},
    "masac": {"n_worlds": 4, "hidden": (4,), "slots_per_update": 2, "batch_size": 4, "capacity": 32},
    "maddpg": {"n_worlds": 4, "hidden": (4,), "slots_per_update": 2, "batch_size": 4, "capacity": 32},
}


@pytest.mark.parametrize(
    ("env_id", "name", "more"),
    [
        pytest.param("isac_iov", "apg", {}, marks=pytest.mark.slow),
        pytest.param("isac_iov", "mappo", {"gru": 3}, marks=pytest.mark.slow),
        pytest.param("v2x_offload", "masac", {}, marks=pytest.mark.slow),
        pytest.param("twin_migration", "maddpg", {"actor": "scorer"}, marks=pytest.mark.slow),
        pytest.param("v2x_offload", "apg", {}, marks=pytest.mark.slow),
        pytest.param("v2x_offload", "mappo", {"free_std": True}, marks=pytest.mark.slow),
        pytest.param("twin_migration", "masac", {"actor": "scorer"}, marks=pytest.mark.slow),
    ],
)
def test_the_first_policy_is_the_rule_and_learns(env_id, name, more):
    """Of learners whose numbers are tanh of outputs to 0.3 % of a box, which is where tanh is stopped."""
    env, params = jaxvec.make(env_id, **SMALL[env_id])
    learner = learners.make(name, env, prior=PRIORS[env_id], **TINY[name], **more)
    state = jax.jit(learner.init)(KEY, params)
    rule = policies.fixed(env, params)[PRIORS[env_id]]
    scores = evaluate(env, {"first": learner.policy(state), "rule": rule}, KEY, params, 8)
    close = 2e-2 if name in ("masac", "maddpg") else 2e-5
    np.testing.assert_allclose(scores["first"]["reward"], scores["rule"]["reward"], atol=close)
    after, metrics = jax.jit(learner.update)(state)
    assert all(np.isfinite(x).all() for x in metrics.values())
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), state.params["actor"], after.params["actor"])
    assert name in ("masac", "maddpg") or max(jax.tree.leaves(moved)) > 0  # those look for a while first


@pytest.mark.slow
def test_a_run_with_a_prior_is_read_back(tmp_path):
    env, params = jaxvec.make("isac_iov", **SMALL["isac_iov"])
    learner = learners.make("apg", env, prior="waterfill", **TINY["apg"])
    result = train(learner, params, KEY, 2, out=tmp_path / "run", progress=False)
    run = load(tmp_path / "run")
    assert run.env == env
    assert run.learner.settings.prior == "waterfill"
    obs = env.reset(KEY, params)[1].obs
    jax.tree.map(np.testing.assert_array_equal, run.policy()(KEY, obs), result.policy()(KEY, obs))


def test_a_prior_knows_the_numbers_of_its_world():
    """A sweep: each world's rule has its own numbers."""
    env, params = jaxvec.make("dt_edge", n_vehicles=2, horizon=3)
    swept = params.replace(energy_weight=jnp.array([0.0, 0.1, 1.0, 10.0]))
    learner = learners.make("apg", env, prior="local_threshold", **TINY["apg"])
    state = jax.jit(learner.init)(KEY, swept)
    shown = state.carry[1].obs.agents["vehicle"]
    rule = policies.fixed(env, swept)["local_threshold"](jax.random.split(KEY, 4), bare(env, state.carry[1].obs))
    np.testing.assert_allclose(shown[:, -2 * env.n_types : -env.n_types], 2 * rule["vehicle"]["offload"] - 1, atol=1e-6)


def bare(env, obs):
    width = env.observation_space["vehicle"].shape[0]
    return obs.replace(agents={"vehicle": obs.agents["vehicle"][:, :width]})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("apg", {"prior": "waterfil"}, "unknown prior 'waterfil'. Did you mean 'waterfill'"),
        ("mappo", {"prior": "waterfill", "normalise_observations": True}, "takes observations as they are"),
        ("qmarl", {"prior": "waterfill"}, "does not start at zero"),
        ("maddpg", {"prior": "waterfill", "choices": "bins"}, "a prior needs choices='one_hot'"),
    ],
)
def test_what_cannot_be_a_prior_is_refused(name, settings, message):
    env = jaxvec.make("isac_iov", **SMALL["isac_iov"])[0]
    with pytest.raises(ValueError, match=message):
        learners.make(name, env, **settings)


@pytest.mark.slow
def test_of_a_rule_that_weighs_agents_see_how_far_behind_each_option_is():
    env, params = jaxvec.make("twin_migration", n_vehicles=2, n_rsu=60, n_uav=1, horizon=4, turns=True)
    keys = jax.random.split(KEY, 5)
    _, ts = env.reset(keys, params)
    rule = policies.fixed(env, params)["own_patient"]
    shown = np.asarray(with_prior(env, "own_patient").propose(keys, ts.obs, params).agents["vehicle"])
    behind = shown[:, -env.n_servers :]
    chosen = np.asarray(rule(keys, ts.obs)["vehicle"]["server"])
    np.testing.assert_array_equal(behind.argmax(1), chosen)
    np.testing.assert_array_equal(behind.max(1), 0)
    scores = np.asarray(rule.scores(keys, ts.obs)["vehicle"]["server"])
    allowed = np.broadcast_to(ts.obs.mask["vehicle"]["server"], scores.shape)
    expected = np.maximum(scores - np.where(allowed, scores, -np.inf).max(1, keepdims=True), -10)
    np.testing.assert_allclose(behind[allowed], expected[allowed], rtol=1e-4, atol=1e-5)
    assert (behind[~allowed] == -10).all()
    assert ((behind > -10) & (behind < 0)).any()
