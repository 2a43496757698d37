"""Blocks by hand values, and against rlax."""

from functools import partial

import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rlax
import toy
from representatives import representatives
from scipy import stats

from jaxvec import learners
from jaxvec.core import rng
from jaxvec.core.initialisers import orthogonal
from jaxvec.core.spaces import Box, Discrete
from jaxvec.learners.blocks import heads, losses, normalise
from jaxvec.learners.blocks.gae import gae
from jaxvec.learners.blocks.inputs import OtherAgents
from jaxvec.learners.blocks.networks import apply_sequence, mlp, per_agent
from jaxvec.learners.blocks.schedules import annealed
from jaxvec.learners.ppo_types import Hyper


def test_gae_by_hand():
    # g = 0.5, l = 0.5; rewards 1 2 4, V = 1 each, V' = 1 each.
    # deltas: 1 + 0.5 - 1 = 0.5, 2 + 0.5 - 1 = 1.5, 4 + 0.5 - 1 = 3.5; A2 = 3.5, A1 = 1.5 + 0.25 * 3.5, A0 = 0.5 + 0.25 A1
    never = jnp.zeros(3, bool)
    ones = jnp.ones(3)
    out = gae(jnp.array([1.0, 2, 4]), ones, ones, never, never, 0.5, 0.5)
    np.testing.assert_allclose(out, [1.09375, 2.375, 3.5])
    # truncated after slot 1: A1 = 1.5, bootstrapped; terminated there: delta1 = 2 - 1 = 1
    done = jnp.array([False, True, False])
    np.testing.assert_allclose(gae(jnp.array([1.0, 2, 4]), ones, ones, never, done, 0.5, 0.5), [0.875, 1.5, 3.5])
    np.testing.assert_allclose(gae(jnp.array([1.0, 2, 4]), ones, ones, done, done, 0.5, 0.5), [0.75, 1.0, 3.5])


def test_gae_against_rlax():
    keys = jax.random.split(jax.random.key(0), 3)
    reward, value = jax.random.normal(keys[0], (20,)), jax.random.normal(keys[1], (21,))
    ended = jax.random.bernoulli(keys[2], 0.2, (20,))
    ours = gae(reward, value[:-1], value[1:], ended, ended, 0.97, 0.9)
    theirs = rlax.truncated_generalized_advantage_estimation(reward, 0.97 * (1 - ended), 0.9, value)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_clipped_surrogate_by_hand_and_against_rlax():
    # r = 1.5, A = 2, eps = 0.2: min(3, 2.4) = 2.4; with A = -2: min(-3, -2.4) = -3
    log_ratio = jnp.log(jnp.array([1.5, 1.5, 0.5, 1.0]))
    advantage = jnp.array([2.0, -2.0, 1.0, 3.0])
    ours = losses.clipped_surrogate(log_ratio, advantage, 0.2)
    np.testing.assert_allclose(ours, [-2.4, 3.0, -0.5, -3.0], rtol=1e-6)
    theirs = rlax.clipped_surrogate_pg_loss(jnp.exp(log_ratio), advantage, 0.2)
    np.testing.assert_allclose(ours.mean(), theirs, rtol=1e-6)


def test_an_extreme_ratio_stays_finite():
    value, grad = jax.value_and_grad(lambda x: losses.clipped_surrogate(x, jnp.float32(-1.0), 0.2))(jnp.float32(500.0))
    assert np.isfinite(value)
    assert np.isfinite(grad)


def test_approximate_kl_by_hand_and_in_the_mean():
    # r = 2: 2 - 1 - log 2; never negative
    np.testing.assert_allclose(losses.approximate_kl(jnp.log(2.0)), 1 - np.log(2), rtol=1e-6)
    # old N(0, 1), new N(0.3, 1): KL = 0.3^2 / 2
    x = jax.random.normal(jax.random.key(0), (200_000,))
    log_ratio = -((x - 0.3) ** 2) / 2 + x**2 / 2
    np.testing.assert_allclose(losses.approximate_kl(log_ratio).mean(), 0.045, rtol=0.02)


def test_moments_of_parts_are_the_moments_of_the_whole():
    x = 5 + 3 * jax.random.normal(jax.random.key(0), (100, 4))
    weight = (jnp.arange(100) % 3 > 0).astype(jnp.float32)
    moments = normalise.start((4,))
    for part in (slice(0, 17), slice(17, 60), slice(60, 100)):
        moments = normalise.update(moments, x[part], weight[part])
    counted = np.asarray(x)[np.asarray(weight) > 0]
    np.testing.assert_allclose(moments.mean, counted.mean(0), rtol=1e-4)
    np.testing.assert_allclose(moments.var, counted.var(0), rtol=1e-3)
    np.testing.assert_allclose(normalise.undo(moments, normalise.to(moments, x)), x, rtol=1e-4)


def test_following_moments_begin_as_a_plain_mean_of_batches():
    x, moments = 100 * np.random.default_rng(0).normal(5.0, 2.0, (6, 8)).astype(np.float32), normalise.start(())
    for batch in x[:4]:
        moments = normalise.ema_update(moments, batch, jnp.ones(8), 0.25)
    np.testing.assert_allclose(moments.mean, x[:4].mean(), rtol=1e-4)
    np.testing.assert_allclose(moments.var, x[:4].var(1).mean(), rtol=1e-4)
    for batch in x[4:]:
        expected = 0.75 * moments.mean + 0.25 * batch.mean()
        moments = normalise.ema_update(moments, batch, jnp.ones(8), 0.25)
        np.testing.assert_allclose(moments.mean, expected, rtol=1e-5)


@pytest.mark.parametrize(("ends", "gamma"), [(0.0, 0.9), (0.05, 0.9), (0.5, 0.99), (1.0, 0.7), (0.3, 0.0)])
def test_units_are_those_of_targets_of_independent_rewards(ends, gamma):
    rng, n = np.random.default_rng(1), 400_000
    rewards, over = rng.normal(2.0, 1.5, n), rng.uniform(size=n) < ends
    value = 2.0 / (1 - gamma * (1 - ends))  # of a state that is like every other: V = 2 + gamma (1 - ends) V
    targets = rewards + gamma * ~over * value
    moments = normalise.Moments(jnp.float32(2.0), jnp.float32(1.5**2), jnp.float32(1.0))
    unit = normalise.of_targets(moments, jnp.float32(ends), gamma)
    np.testing.assert_allclose(unit.mean, targets.mean(), rtol=0.01)
    np.testing.assert_allclose(unit.mean, value, rtol=1e-4)
    np.testing.assert_allclose(unit.var, targets.var(), rtol=0.02)


SPACES = {"pick": Discrete(3), "x": Box(-2.0, 4.0, (2,)), "y": Box(0.0, 1.0)}


def test_heads_sizes_and_bounds():
    # 3 logits, 2 x (mean, log std), 1 x (mean, log std)
    assert heads.size(SPACES) == 3 + 4 + 2
    assert heads.initial_bias(SPACES) == (0, 0, 0, 0, 0, -0.5, -0.5, 0, -0.5)
    raw = {"pick": jnp.array([2]), "x": jnp.array([[-9.0, 0.5]]), "y": jnp.array([0.0])}
    action = heads.to_space(SPACES, raw)
    np.testing.assert_allclose(action["x"], [[-2.0, 2.5]])
    np.testing.assert_allclose(action["y"], [0.5])


def test_heads_probabilities_against_scipy():
    out = jnp.array([[0.1, 0.2, 0.3, 0.5, -0.5, -1.0, 0.0, 0.2, -0.3]])  # pick | x mean | x log std | y mean, y log std
    dists = heads.distributions(SPACES, out, {})
    raw = {"pick": jnp.array([1]), "x": jnp.array([[0.7, -0.2]]), "y": jnp.array([0.4])}
    logits = np.array([0.1, 0.2, 0.3])
    expected = (
        logits[1]
        - np.log(np.exp(logits).sum())
        + stats.norm(0.5, np.exp(-1.0)).logpdf(0.7)
        + stats.norm(-0.5, 1.0).logpdf(-0.2)
        + stats.norm(0.2, np.exp(-0.3)).logpdf(0.4)
    )
    np.testing.assert_allclose(heads.log_prob(SPACES, dists, raw), [expected], rtol=1e-5)
    p = np.exp(logits) / np.exp(logits).sum()
    entropy = -(p * np.log(p)).sum() + sum(stats.norm(0, np.exp(s)).entropy() for s in (-1.0, 0.0, -0.3))
    np.testing.assert_allclose(heads.entropy(SPACES, dists), [entropy], rtol=1e-5)


def test_heads_samples_follow_their_distribution():
    n_worlds = 20_000
    out = jnp.broadcast_to(jnp.array([0.0, 1.0, 2.0, 0.5, -0.5, -1.0, 0.0, 0.2, -0.3]), (n_worlds, 1, 9))
    dists = heads.distributions(SPACES, out, {"pick": jnp.ones((n_worlds, 1, 3), bool).at[..., 2].set(False)})
    raw = heads.sample(rng.fold_in(jax.random.key(0), jnp.arange(n_worlds)), SPACES, dists, 1)
    share = np.bincount(np.asarray(raw["pick"]).ravel(), minlength=3) / n_worlds
    np.testing.assert_allclose(share, [1 / (1 + np.e), np.e / (1 + np.e), 0], atol=0.015)
    np.testing.assert_allclose(raw["x"].mean((0, 1)), [0.5, -0.5], atol=0.03)
    np.testing.assert_allclose(raw["x"].std((0, 1)), [np.exp(-1), 1.0], rtol=0.03)
    assert isinstance(dists["y"], distrax.Independent)


def test_unrolled_gru_equals_stepping_and_forgets_at_the_start_of_an_episode():
    net = mlp((8,), 2, gru=4)
    x = jax.random.normal(jax.random.key(1), (5, 3, 2, 6))
    params = net.init(jax.random.key(0), x[0])
    memory = start = net.memory((3, 2))
    first = jnp.zeros((5, 3), bool).at[3, 1].set(True)
    together = apply_sequence(net, params, memory, x, first)
    for t in range(5):
        memory = jnp.where(first[t][:, None, None], start, memory)
        y, memory = net.apply(params, memory, x[t])
        np.testing.assert_allclose(together[t], y, rtol=1e-5, atol=1e-6)
    assert not np.allclose(apply_sequence(net, params, start, x, jnp.zeros((5, 3), bool))[4, 1], together[4, 1])


def test_agents_with_parameters_of_their_own_do_not_mix():
    one, n = mlp((8,), 2), 3
    net = per_agent(one, n)
    x = jax.random.normal(jax.random.key(1), (7, n, 6))
    params = net.init(jax.random.key(0), x)
    y = net.apply(params, (), x)[0]
    for i in range(n):
        mine = jax.tree.map(lambda p, i=i: p[i], params)
        np.testing.assert_allclose(y[:, i], one.apply(mine, (), x[:, i])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("who", [jnp.arange(3), jnp.array(1)], ids=["all", "one"])
def test_a_context_without_ones_own_entries_times_a_kernel(who):
    context, kernel = jax.random.normal(jax.random.key(0), (5, 9)), jax.random.normal(jax.random.key(1), (9, 4))
    x = OtherAgents(
        context, who, start=2, width=2
    )  # entries 2 and 3 are agent 0's, 4 and 5 agent 1's, 6 and 7 agent 2's
    np.testing.assert_allclose(x.matmul(kernel), x.array() @ kernel, rtol=1e-5, atol=1e-5)
    row = x.array()[:, 1] if who.ndim else x.array()
    np.testing.assert_array_equal(row == 0, jnp.broadcast_to(jnp.isin(jnp.arange(9), jnp.array([4, 5])), (5, 9)))


def test_initial_weights_are_orthogonal_and_need_no_lapack():
    keys = jax.random.split(jax.random.key(0), 20)
    for shape in ((26, 128), (128, 128), (128, 3), (5, 1), (1, 1)):
        draw = jax.jit(jax.vmap(lambda key, shape=shape: orthogonal(2.0)(key, shape)))
        weights = np.asarray(draw(keys))
        assert weights.shape == (20, *shape)
        for w in weights:
            gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
            np.testing.assert_allclose(gram, 4 * np.eye(min(shape)), atol=2e-4)
        assert abs(weights.mean()) < 4 * weights.std() / np.sqrt(weights.size)
        assert 'custom_call_target="lapack' not in draw.lower(keys).compile().as_text()


def test_a_mixture_with_uniform_choices_by_hand():
    spaces = {"pick": Discrete(4)}
    logits, mask = jnp.log(jnp.array([[[0.5, 0.3, 0.1, 0.1]]])), {"pick": jnp.array([[[True, True, False, True]]])}
    plain = heads.distributions(spaces, logits, mask)["pick"].probs[0, 0]
    np.testing.assert_allclose(plain, np.array([5, 3, 0, 1]) / 9, rtol=1e-5)
    mixed = heads.distributions(spaces, logits, mask, epsilon=jnp.float32(0.3))["pick"]
    np.testing.assert_allclose(mixed.probs[0, 0], 0.7 * plain + 0.3 * np.array([1, 1, 0, 1]) / 3, rtol=1e-5)
    none = heads.distributions(spaces, logits, mask, epsilon=jnp.float32(0.0))["pick"].probs[0, 0]
    np.testing.assert_allclose(none, plain, rtol=1e-5)

    def log_prob(x, epsilon):
        return heads.distributions(spaces, x, mask, epsilon=epsilon)["pick"].log_prob(jnp.array([[3]])).sum()

    for epsilon in (0.0, 0.3):
        assert np.isfinite(jax.grad(log_prob)(logits, jnp.float32(epsilon))).all()


def test_deviations_of_their_own():
    spaces = {"x": Box(-1.0, 1.0, (2,)), "pick": Discrete(3), "y": Box(0.0, 1.0)}
    net = heads.free_std(partial(mlp, (8,)), spaces, log_std=-0.7)
    x = jax.random.normal(jax.random.key(1), (5, 4, 6))
    params = net.init(jax.random.key(0), x)
    assert params["log_std"].shape == (3,)
    params["log_std"] = jnp.array([-0.1, -0.2, -0.3])
    dists = heads.distributions(spaces, net.apply(params, (), x)[0], {})
    means = mlp((8,), 6).apply(params["network"], (), x)[0]
    np.testing.assert_array_equal(dists["x"].distribution.loc, means[..., :2])
    np.testing.assert_allclose(dists["pick"].probs, jax.nn.softmax(means[..., 2:5]), rtol=1e-5)
    np.testing.assert_array_equal(dists["y"].distribution.loc, means[..., 5])
    np.testing.assert_allclose(
        dists["x"].distribution.scale, np.broadcast_to(np.exp([-0.1, -0.2]), (5, 4, 2)), rtol=1e-6
    )
    np.testing.assert_allclose(dists["y"].distribution.scale, np.full((5, 4), np.exp(-0.3)), rtol=1e-6)


@pytest.mark.parametrize(
    ("update", "epsilon", "rate"), [(0, 0.2, 1.0), (20, 0.1, 0.9), (40, 0.0, 0.8), (100, 0.0, 0.5)]
)
def test_schedules_last_for_their_part_of_training(update, epsilon, rate):
    hyper = Hyper(epsilon=0.2, epsilon_part=0.4, learning_rate=1.0, learning_rate_end=0.5, anneal_updates=100.0)
    now = annealed(hyper, jnp.int32(update))
    np.testing.assert_allclose([now.epsilon, now.learning_rate], [epsilon, rate], atol=1e-6)


@pytest.mark.parametrize("hidden", [8, (0,), (8, -1), (8.0,), ("8",), (True,), None, "64"])
@pytest.mark.parametrize("name", ["mappo", "sac"])
def test_widths_that_cannot_be_are_refused(name, hidden):
    with pytest.raises(ValueError, match="widths of layers are whole numbers of at least 1"):
        learners.make(name, toy.Walkers(), hidden=hidden)


@pytest.mark.parametrize(
    "name", representatives(("ippo", "mappo", "apg", "maddpg", "sac", "masac"), ("ippo", "apg", "maddpg"))
)
def test_networks_may_be_linear(name):
    env = toy.Walkers()
    learner = learners.make(name, env, hidden=())
    state = jax.eval_shape(learner.init, jax.random.key(0), env.default_params())
    jax.eval_shape(learner.update, state)
