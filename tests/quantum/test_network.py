"""Circuits as networks: the policy network of the URLLC paper, its sizes and its learning; shots."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxvec.quantum import layered, network, probabilities, qpn, sample, strings
from jaxvec.quantum.circuit import ENCODINGS
from jaxvec.quantum.network import QPN_ENCODINGS


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("observed", "outputs", "encoding", "sizes"),
    [  # dense 98-32-6, 72 angles and 24 scales, 18 expectations to 67 outputs; and so on
        (98, 67, "reupload", (98 * 32 + 32 + 32 * 6 + 6, 72 + 24, 18 * 67 + 67)),
        (82, 17, "reupload", (2854, 96, 323)),
        (98, 67, "amplitude", (6336, 72, 1273)),
    ],
)
def test_sizes_of_the_policies(observed, outputs, encoding, sizes):
    net = qpn(outputs, encoding=encoding)
    params = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((2, observed)))
    assert tuple(count(params[part]) for part in ("before", "circuit", "after")) == sizes
    assert jax.eval_shape(net.apply, params, jnp.zeros((2, 3, observed))).shape == (2, 3, outputs)


def test_the_classical_match_differs_in_the_circuit_alone():
    net, x = qpn(67, classical=True), jax.random.normal(jax.random.key(0), (5, 98))
    params = net.init(jax.random.key(1), x)
    assert tuple(count(params[part]) for part in ("before", "circuit", "after")) == (3366, 6 * 18 + 18, 1273)
    first, second = params["before"]

    def affine(layer, x):
        return x @ layer["weight"] + layer["bias"]

    inner = jnp.pi * jnp.tanh(affine(second, jnp.tanh(affine(first, x))))
    expected = affine(params["after"], jnp.tanh(affine(params["circuit"], inner)))
    np.testing.assert_allclose(net.apply(params, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("readout", ["expval", "probs"])
def test_what_enters_and_leaves_the_circuit(readout):
    net = qpn(1, n_qubits=2, n_layers=1, readout=readout, hidden=3)
    x = jnp.zeros((1, 4))
    params = net.init(jax.random.key(1), x)
    params["circuit"]["theta"] = jnp.zeros(6)
    params["before"][1]["bias"] = jnp.array([jnp.arctanh(0.25), 0.0])  # angles pi/4 and 0
    # H then RY(pi/4): <Z> = -sin(pi/4), <X> = cos(pi/4); the other qubit <Z> = 0, <X> = 1; the CNOT makes Z1 the product
    # of both Z, X0 the product of both X, Z0 Z1 the old Z1, and leaves Z0 and X1
    s = 2**-0.5
    expected = [-s, 0, 0, 0, s, 1]
    if readout == "probs":  # 4 P(b) = (1 - s, 1 - s, 1 + s, 1 + s)
        expected = [1 - s, 1 - s, 1 + s, 1 + s]
    for i, value in enumerate(expected):
        params["after"]["weight"] = jnp.zeros((len(expected), 1)).at[i].set(1.0)
        np.testing.assert_allclose(net.apply(params, x), [[value]], atol=2e-6)


def test_amplitudes_from_affine_functions():
    # W = 0 and b = (3, 0, 0, 4): amplitudes 0.6 and 0.8; RX, RY, RZ by 0, then CNOT: |10> and |11> change places
    net = qpn(4, n_qubits=2, n_layers=1, encoding="amplitude", readout="probs")
    x = jnp.ones((1, 3))
    params = net.init(jax.random.key(1), x)
    np.testing.assert_array_equal(params["before"][0]["bias"], 1)
    params["circuit"]["theta"] = jnp.zeros(6)
    params["before"][0] = {"weight": jnp.zeros((3, 4)), "bias": jnp.array([3.0, 0, 0, 4])}
    params["after"] = {"weight": jnp.eye(4), "bias": jnp.zeros(4)}
    np.testing.assert_allclose(net.apply(params, x), [[4 * 0.36, 0, 4 * 0.64, 0]], atol=2e-6)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"encoding": "x"}, r"encoding 'x'\. Known: amplitude, reupload"),
        (
            {"encoding": "angle"},
            "encoding 'angle'",
        ),  # of `layered` that is the first layer alone, which no policy takes
        ({"readout": "y"}, r"readout 'y'\. Known: expval, probs"),
    ],
)
def test_unknown_names_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        qpn(3, **wrong)


def test_one_vocabulary_of_encodings():
    assert set(QPN_ENCODINGS) <= set(ENCODINGS)
    for encoding in QPN_ENCODINGS:  # the policy's circuit has its inputs where the layers of that name have them
        net = qpn(3, n_qubits=2, n_layers=3, encoding=encoding)
        params = net.init(jax.random.key(0), jnp.zeros((1, 5)))
        circuit = layered(2, 3, encoding=encoding, scaled=True)
        assert params["circuit"]["scale"].shape == (circuit.n_scale,)
        assert params["before"][-1]["bias"].shape == (circuit.n_inputs,)


def test_first_parameters():
    init, _ = network(layered(6, 40, scaled=True), strings(6, "Z"))
    params = init(jax.random.key(0), jnp.zeros((1, 6)))
    assert np.all(params["scale"] == 1)
    assert np.std(params["theta"]) == pytest.approx(0.1, rel=0.1)
    assert np.mean(params["theta"]) == pytest.approx(0, abs=0.02)


def test_it_learns():
    # one qubit, one layer can turn by any angle: fit y = cos(x + 0.7)
    init, apply = network(layered(1, 1, rotations="Y"), ["Z"])
    x = jnp.linspace(-2, 2, 16)[:, None]

    def loss(params):
        return jnp.mean((apply(params, x) - jnp.cos(x + 0.7)) ** 2)

    def descend(params, _):
        return jax.tree.map(lambda p, g: p - 0.5 * g, params, jax.grad(loss)(params)), None

    params = jax.jit(lambda params: jax.lax.scan(descend, params, None, 100)[0])(init(jax.random.key(0), x))
    np.testing.assert_allclose(params["theta"], [0.7], atol=1e-4)


def test_shots_follow_the_probabilities():
    p = jnp.array([[0.1, 0.0, 0.6, 0.3], [1.0, 0.0, 0.0, 0.0]])
    shots = np.asarray(sample(jax.random.key(3), p, 20_000))
    assert shots.shape == (2, 20_000)
    assert set(shots[1]) == {0}
    counts = np.bincount(shots[0], minlength=4)
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]], 20_000 * np.array([0.1, 0.6, 0.3])).pvalue > 1e-3
    np.testing.assert_array_equal(shots, sample(jax.random.key(3), p, 20_000))
    assert not np.array_equal(shots, sample(jax.random.key(4), p, 20_000))


def test_probabilities_are_those_of_the_expectations():
    circuit = layered(3, 2)
    x = jax.random.normal(jax.random.key(0), (4, 3))
    params = network(circuit).init(jax.random.key(1), x)
    p = network(circuit).apply(params, x)
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-6)
    bits = (np.arange(8)[:, None] >> np.arange(3)[::-1]) & 1
    np.testing.assert_allclose(p @ (1 - 2 * bits), network(circuit, strings(3, "Z")).apply(params, x), atol=1e-6)
    assert probabilities(jnp.ones((2, 8, 5))).shape == (8, 5)
