"""Networks of one's own in the form that learners take, and inputs of several parts."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners.probes import Probe

from jaxvec import learners
from jaxvec.learners.blocks.inputs import AgentSet, OtherAgents, as_array
from jaxvec.learners.blocks.networks import as_builder, mlp, per_agent

KEY = jax.random.key(3)


class Torso(nn.Module):
    """Features of an array."""

    width: int = 5

    @nn.compact
    def __call__(self, x):
        return jnp.sin(nn.Dense(self.width)(x))


def test_a_module_gets_a_last_layer_with_a_bias():
    x = jax.random.normal(KEY, (7, 2, 3))
    net = as_builder(Torso(), out_gain=0.01)(4, bias=(1.0, 2.0, 3.0, 4.0))
    params = net.init(KEY, x)
    y, memory = net.apply(params, (), x)
    assert (y.shape, memory) == ((7, 2, 4), ())
    np.testing.assert_allclose(y, np.broadcast_to([1.0, 2, 3, 4], y.shape), atol=0.05)  # the gain is small
    shapes = sorted(leaf.shape for leaf in jax.tree.leaves(params))
    assert shapes == [(3, 5), (4,), (5,), (5, 4)]
    plain = as_builder(Torso())(1)
    assert not plain.pools
    assert np.std(plain.apply(plain.init(KEY, x), (), x)[0]) > 0.1  # an orthogonal layer of gain 1


def test_a_module_sees_parts_as_one_array():
    rows, context = jax.random.normal(KEY, (6, 3, 2)), jax.random.normal(jax.random.key(1), (6, 9))
    parts = rows, OtherAgents(context, jnp.arange(3), start=3, width=2)
    net = as_builder(Torso())(1)
    params = net.init(KEY, parts)
    np.testing.assert_array_equal(net.apply(params, (), parts)[0], net.apply(params, (), as_array(parts))[0])
    separate = per_agent(net, 3)  # each sees the same of the others, with parameters of its own
    params = separate.init(KEY, parts)
    y = separate.apply(params, (), parts)[0]
    for i in range(3):
        params_of_agent = jax.tree.map(lambda p, i=i: p[i], params)
        np.testing.assert_allclose(
            y[:, i], net.apply(params_of_agent, (), as_array(parts)[:, i])[0], rtol=1e-5, atol=1e-6
        )


def test_parts_side_by_side_by_hand():
    rows, world = jnp.array([[1.0, 2], [3, 4]]), jnp.array([[9.0]])
    np.testing.assert_array_equal(as_array((rows, world)), [[1, 2, 9], [3, 4, 9]])
    np.testing.assert_array_equal(as_array(rows), rows)
    # entries 1 and 2 belong to agents 0 and 1
    others = OtherAgents(jnp.array([5.0, 6, 7]), jnp.arange(2), start=1, width=1)
    np.testing.assert_array_equal(as_array((rows, others)), [[1, 2, 5, 0, 7], [3, 4, 5, 6, 0]])


def test_a_set_of_agents_by_hand():
    # of one's own group the mean over the others, of another group that over all; alone in the world, nothing
    rows = {"a": jnp.array([[1.0], [3.0], [8.0]]), "b": jnp.array([[10.0], [20.0]])}
    np.testing.assert_allclose(AgentSet(rows, "a").array(), [[5.5, 15], [4.5, 15], [2, 15]])
    np.testing.assert_allclose(AgentSet({"a": rows["a"][:1]}, "a").array(), [[0.0]])


def test_what_agents_have_in_common_is_no_axis_of_theirs():
    rows, world = jax.random.normal(KEY, (6, 3, 2)), jax.random.normal(jax.random.key(1), (6, 1, 4))
    net, separate = mlp((8,), 1), per_agent(mlp((8,), 1), 3)
    params = separate.init(KEY, (rows, world))
    y = separate.apply(params, (), (rows, world))[0]
    for i in range(3):
        params_of_agent = jax.tree.map(lambda p, i=i: p[i], params)
        np.testing.assert_allclose(
            y[:, i], net.apply(params_of_agent, (), (rows[:, i], world[:, 0]))[0], rtol=1e-5, atol=1e-6
        )


def test_a_builder_is_taken_as_it_is():
    x = jnp.ones((2, 3))
    ours, theirs = mlp((8,), 2, bias=(1.0, 2.0)), as_builder(partial(mlp, (8,)))(2, bias=(1.0, 2.0))
    jax.tree.map(np.testing.assert_array_equal, ours.init(KEY, x), theirs.init(KEY, x))
    assert as_builder(lambda outputs, bias=(): mlp((8,), outputs))(2).memory((1,)) == ()


class WithState(nn.Module):
    """A module that keeps more than parameters."""

    @nn.compact
    def __call__(self, x):
        return nn.BatchNorm(use_running_average=False)(x)


class OfOneVector(nn.Module):
    """A module that loses the axes before the last."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(4)(x.reshape(-1))


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (Torso, TypeError, r"instance of a Flax module: Torso\(\.\.\.\), not the class"),
        ("mlp", TypeError, "a network must be a builder .* or an instance .*, not 'mlp'"),
        (lambda outputs: mlp((8,), outputs), TypeError, "cannot be called so: .*'bias'"),
        (lambda outputs, bias: 3, TypeError, "must build a .*Network, not 3"),
        (WithState(), ValueError, "WithState keeps batch_stats beside its parameters"),
        (OfOneVector(), ValueError, r"OfOneVector maps \(2, 3\) to \(4,\)"),
    ],
    ids=["class", "text", "signature", "result", "state", "axes"],
)
def test_anything_else_is_refused_in_words(wrong, error, words):
    with pytest.raises(error, match=words):
        as_builder(wrong)(2, bias=()).init(KEY, jnp.ones((2, 3)))


def test_a_network_with_memory_of_ones_own_makes_a_policy_with_memory():
    # no setting says so: the learner asks the network
    env = Probe("chosen", horizon=2)
    small = {"n_worlds": 4, "minibatches": 2}
    learner = learners.make("ippo", env, network=partial(mlp, (8,), gru=4), **small)
    state = jax.eval_shape(learner.init, KEY, env.default_params())
    assert learner.policy(state).memory((3,))["a"].shape == (2, 4, 3)
    assert not hasattr(learners.make("ippo", env, network=Torso(), **small).policy(state), "memory")
    with pytest.raises(ValueError, match="gru is a layer of actor 'mlp': with a network of your own it must be 0"):
        learners.make("ippo", env, network=Torso(), gru=4)
    with pytest.raises(ValueError, match="gru is a layer of actor 'mlp': with actor 'circuit' it must be 0"):
        learners.make("qmarl", env, gru=4)
