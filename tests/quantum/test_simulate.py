"""The simulator: against dense matrices, by hand, and one way of computing against the other."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quantum.circuits import circuits, numbers
from reference import quantum as reference

from jaxvec.quantum import (
    Angle,
    Circuit,
    Gate,
    amplitudes,
    evaluate,
    expectation,
    layered,
    paulis,
    prepare,
    probabilities,
    run,
    state,
    strings,
)
from jaxvec.quantum import plan as planning

NOTHING = {"theta": jnp.zeros(0), "scale": jnp.zeros(0)}
STRINGS = [word for short in ("Z", "ZZ", "X") for word in strings(6, short)]
# 6 qubits, 4 layers, theta = 0, 0.1, ..., 7.1, scales 1, x_q = 0.3 q - 0.5, from H on every qubit; by another program in float64
EXPECTED = [
    *(0.02716, 0.051844, -0.073699, 0.048817, -0.109261, -0.005744),
    *(-0.258324, -0.004745, 0.236282, -0.080427, -0.069499, -0.044945),
    *(-0.03889, -0.220857, -0.210093, -0.147295, 0.07527, -0.055716),
]
POLICY = layered(6, 4, scaled=True, plus=True)
SMALL, WORDS = layered(2, 2), ("ZI", "IZ", "XY")


def use_blocks(patch, qubits):
    """Every circuit in blocks of so many qubits, as circuits on many qubits are."""
    patch.setattr(planning, "DENSE_QUBITS", 1)
    patch.setattr(planning, "BLOCK_QUBITS", qubits)
    planning.plan.cache_clear()


def at(*gates, n, amplitude=False, x=()):
    """The state of a circuit without parameters."""
    return np.asarray(state(Circuit(n, gates, amplitude), NOTHING, jnp.asarray(x, float)))


def dense(circuit, params, x):
    """States of the reference, one row a sample."""
    theta, scale = (np.asarray(params[name], float) for name in ("theta", "scale"))
    return np.array([reference.evolve(*reference.plain(circuit, theta, scale, row)) for row in np.asarray(x, float)])


# Against dense matrices


@settings(max_examples=8)
@given(circuits(fewest=8), st.integers(0, 999))
def test_random_circuits_are_the_dense_product(circuit, seed):
    with jax.enable_x64(True):
        params, x = numbers(circuit, seed, (2,), np.float64)
        psi = dense(circuit, params, x)
        np.testing.assert_allclose(state(circuit, params, x), psi, atol=1e-12)
        of_samples = jax.tree.map(lambda values: jnp.broadcast_to(values, (2, *values.shape)), params)
        np.testing.assert_allclose(state(circuit, of_samples, x), psi, atol=1e-12)


@settings(max_examples=5)
@given(circuits(least=3, fewest=8), st.integers(0, 999))
def test_random_circuits_in_small_blocks_are_too(circuit, seed):
    params, x = numbers(circuit, seed, (2,))
    with pytest.MonkeyPatch.context() as patch:
        use_blocks(patch, 2)
        parts = jax.jit(lambda params, x: evaluate(circuit, params, x, amplitudes))(params, x)
    planning.plan.cache_clear()
    psi = dense(circuit, params, x)
    np.testing.assert_allclose(parts, np.concatenate([psi.real, psi.imag], -1), atol=2e-6)


@pytest.mark.parametrize(
    ("encoding", "axis"),
    [("reupload", "X"), ("reupload", "Y"), ("reupload", "Z"), ("angle", "X"), ("amplitude", "Y"), ("none", "Y")],
)
def test_layers_in_float32(encoding, axis):
    circuit = layered(4, 3, encoding=encoding, axis=axis, scaled=True, plus=axis == "Z")
    params, x = numbers(circuit, 3, (5,))
    psi = state(circuit, params, x)
    assert psi.dtype == np.complex64
    np.testing.assert_allclose(psi, dense(circuit, params, x), atol=1e-6)


@pytest.mark.parametrize("n", [1, 3])
def test_all_pauli_strings(n):
    words = ["".join(letters) for letters in itertools.product("IXYZ", repeat=n)]
    rng = np.random.default_rng(n)
    psi = rng.normal(size=(2, 2**n, 3))
    with jax.enable_x64(True):
        values = jax.jit(paulis(words))(psi)
    states = (psi[0] + 1j * psi[1]).T
    expected = [[reference.expectation(row, word) for row in states] for word in words]
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


def test_the_policy_circuit_of_the_paper():
    params = {"theta": 0.1 * jnp.arange(72.0), "scale": jnp.ones(24)}
    x = jnp.broadcast_to(0.3 * jnp.arange(6.0) - 0.5, (3, 6))
    np.testing.assert_allclose(expectation(POLICY, params, x, STRINGS), np.broadcast_to(EXPECTED, (3, 18)), atol=2e-6)


def test_the_policy_circuit_at_zero():
    # every qubit stays in (|0> + |1>) / sqrt 2, which CNOTs leave alone: <Z> = <ZZ> = 0, <X> = 1
    y = expectation(POLICY, {"theta": jnp.zeros(72), "scale": jnp.zeros(24)}, jnp.ones((3, 6)), STRINGS)
    np.testing.assert_allclose(y, np.broadcast_to([0] * 12 + [1] * 6, (3, 18)), atol=1e-6)


@pytest.mark.slow
def test_many_qubits_are_the_dense_product():
    circuit = layered(8, 4)  # in blocks, the two layers in the middle as a run
    params, x = numbers(circuit, 5, (2,))
    np.testing.assert_allclose(state(circuit, params, x), dense(circuit, params, x), atol=2e-6)


# By hand


def test_qubit_0_is_the_most_significant_bit():
    assert np.argmax(np.abs(at(Gate("X", 0), n=3))) == 4
    assert np.argmax(np.abs(at(Gate("X", 0), Gate("CNOT", (0, 2)), n=3))) == 5
    assert np.argmax(np.abs(at(Gate("X", 0), Gate("SWAP", (0, 1)), n=3))) == 2


def test_bell_and_ghz():
    h = 2**-0.5
    np.testing.assert_allclose(at(Gate("H", 0), Gate("CNOT", (0, 1)), n=2), [h, 0, 0, h], atol=1e-7)
    ghz = (Gate("H", 0), *(Gate("CNOT", (q, q + 1)) for q in range(13)))
    psi = at(*ghz, n=14)
    np.testing.assert_allclose(psi[[0, -1]], h, atol=1e-6)
    assert np.abs(psi[1:-1]).max() < 1e-7
    values = expectation(Circuit(14, ghz), NOTHING, jnp.zeros(0), ["Z" * 14, "X" * 14, "Z" + "I" * 13, "Y" * 14])
    np.testing.assert_allclose(values, [1, 1, 0, -1], atol=1e-6)  # Y^14 = (-1)^7 X^14 on GHZ, as Y = iXZ


def test_phases_by_hand():
    # H S T |0> = (1, e^{i 3 pi/4}) / sqrt 2, so <X> = cos(3 pi/4), <Y> = sin(3 pi/4)
    circuit = Circuit(1, (Gate("H", 0), Gate("S", 0), Gate("T", 0)))
    np.testing.assert_allclose(
        expectation(circuit, NOTHING, jnp.zeros(0), ["X", "Y"]), [-(2**-0.5), 2**-0.5], atol=1e-6
    )


@pytest.mark.parametrize("n", [1, 3, 10])
def test_one_turn_a_qubit_is_a_cosine(n):
    # RY(x) |0> has <Z> = cos x, <X> = sin x; a chain of CNOTs makes Z_q the product of the cosines up to q
    _, x = numbers(layered(n, 1), 1, (3,))
    turns = tuple(Gate("RY", q, Angle(input=q)) for q in range(n))
    chain = tuple(Gate("CNOT", (q, q + 1)) for q in range(n - 1))
    both = expectation(Circuit(n, turns), NOTHING, x, strings(n, "Z") + strings(n, "X"))
    np.testing.assert_allclose(both, np.concatenate([np.cos(x), np.sin(x)], -1), atol=2e-6)
    products = expectation(Circuit(n, turns + chain), NOTHING, x, strings(n, "Z"))
    np.testing.assert_allclose(products, np.cumprod(np.cos(x), -1), atol=2e-6)


@pytest.mark.parametrize("axes", ["XXX", "XYX", "ZZY"])
def test_turns_of_one_qubit_by_several_inputs(axes):
    # about one axis the inputs add up, about several each acts in its turn
    gates = (Gate("H", 0), Gate("T", 0), *(Gate(f"R{axis}", 0, Angle(input=i)) for i, axis in enumerate(axes)))
    circuit, x = Circuit(1, gates), jnp.array([[0.3, -0.5, 0.9]])
    np.testing.assert_allclose(state(circuit, NOTHING, x), dense(circuit, NOTHING, x), atol=1e-6)


def test_an_input_waits_for_what_acts_before_it():
    # the second input of qubit 0 comes after the CNOT, that of qubit 1 before it
    gates = [
        Gate("RX", 0, Angle(input=0)),
        Gate("RY", 1, Angle(input=1)),
        Gate("CNOT", (0, 1)),
        Gate("RX", 0, Angle(input=2)),
    ]
    x = jnp.array([[0.3, -0.5, 0.9]])
    for some in (gates, gates[::-1], [gates[3], gates[2], *gates[:2]]):
        circuit = Circuit(2, tuple(some))
        np.testing.assert_allclose(state(circuit, NOTHING, x), dense(circuit, NOTHING, x), atol=1e-6)


@pytest.mark.slow
def test_the_norm_holds_over_100_layers():
    circuit = layered(6, 100)  # 1.5e-5 without the division at the end
    params, x = numbers(circuit, 9, (16,))
    psi = np.asarray(jax.jit(lambda params, x: evaluate(circuit, params, x, amplitudes))(params, x), float)
    assert np.abs(np.sqrt((psi**2).sum(-1)) - 1).max() < 1e-6


# Gradients


def test_gradients_are_parameter_shifts():
    # dy/dt = (y(t + pi/2) - y(t - pi/2)) / 2; a scaled input rotates once a layer, so its gradient is that of its rotations
    with jax.enable_x64(True):
        circuit = layered(3, 2, scaled=True, plus=True)
        params, x = numbers(circuit, 4, (), np.float64)
        weights = np.array([0.3, -1.0, 0.5, 0.2])
        words = ("ZII", "IZZ", "XIY", "IYI")

        def loss(params, x):
            return expectation(circuit, params, x, words) @ weights

        gradient, of_x = jax.jit(jax.grad(loss, (0, 1)))(params, x)

        def shifted(i, by):
            n, gates, start = reference.plain(circuit, params["theta"], params["scale"], x)
            name, qubits, value = gates[i]
            psi = reference.evolve(n, [*gates[:i], (name, qubits, value + by), *gates[i + 1 :]], start)
            return sum(w * reference.expectation(psi, word) for w, word in zip(weights, words, strict=True))

        expected = {"theta": np.zeros(circuit.n_theta), "scale": np.zeros(circuit.n_scale), "x": np.zeros(3)}
        for i, gate in enumerate(circuit.gates):
            if gate.angle is None:
                continue
            slope = (shifted(i, np.pi / 2) - shifted(i, -np.pi / 2)) / 2
            if gate.angle.theta is not None:
                expected["theta"][gate.angle.theta] += slope
            else:
                expected["scale"][gate.angle.scale] += slope * x[gate.angle.input]
                expected["x"][gate.angle.input] += slope * params["scale"][gate.angle.scale]
        for name, of_name in {**gradient, "x": of_x}.items():
            np.testing.assert_allclose(of_name, expected[name], atol=1e-12)


@pytest.mark.slow
def test_gradients_in_float32_and_by_differences():
    with jax.enable_x64(True):
        circuit = layered(3, 2, encoding="amplitude")
        params, x = numbers(circuit, 4, (2,), np.float64)
        loss = jax.jit(lambda params, x: jnp.sum(expectation(circuit, params, x, ("ZII", "IXZ")) ** 2))
        of_x = jax.jit(jax.grad(loss, 1))
        gradient = of_x(params, x)
        h = 1e-6
        differences = [
            (loss(params, x.at[index].add(h)) - loss(params, x.at[index].add(-h))) / (2 * h)
            for index in np.ndindex(x.shape)
        ]
        np.testing.assert_allclose(gradient.ravel(), differences, atol=1e-8)
        single = jax.tree.map(lambda a: a.astype(jnp.float32), (params, x))
        np.testing.assert_allclose(of_x(*single), gradient, atol=1e-5)


@pytest.mark.slow
def test_the_policy_circuit_in_float32_is_that_in_float64():
    with jax.enable_x64(True):
        params, x = numbers(POLICY, 1, (64,), np.float64)

        def f(params, x):
            return expectation(POLICY, params, x, STRINGS)

        both = jax.jit(lambda params, x: (f(params, x), jax.grad(lambda *of: jnp.sum(f(*of)), (0, 1))(params, x)))
        double = both(params, x)
        single = both(*jax.tree.map(lambda a: a.astype(jnp.float32), (params, x)))
    np.testing.assert_allclose(single[0], double[0], atol=2e-6)
    # gradients of parameters are sums over 64 samples
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5), single[1], double[1])


def test_an_amplitude_vector_of_zeros_is_harmless():
    circuit = layered(3, 1, encoding="amplitude")
    params, x = numbers(circuit, 0, (2,))
    x = x.at[0].set(0.0)

    def loss(params, x):
        return expectation(circuit, params, x, strings(3, "Z")).sum()

    assert loss(params, x[:1]) == 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.jit(jax.grad(loss, (0, 1)))(params, x)))


# One way of computing against the other


def test_chunks_change_nothing():
    params, x = numbers(SMALL, 6, (33,))  # 3 chunks of 16, the last of which holds one sample

    def loss(params, x, chunk):
        y = evaluate(SMALL, params, x, paulis(WORDS), chunk=chunk)
        return jnp.sum(y**3), y

    both = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True), static_argnums=2)
    whole, cut = both(params, x, 33), both(params, x, 16)
    assert "while" in both.lower(params, x, 16).as_text()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6), whole, cut)


@pytest.mark.parametrize("batch", [1, 32])
def test_a_chunk_or_two(batch):
    params, x = numbers(SMALL, 6, (batch,))
    chunked = jax.jit(lambda x: evaluate(SMALL, params, x, paulis(WORDS), chunk=16))(x)
    np.testing.assert_allclose(chunked[-1:], expectation(SMALL, params, x[-1:], WORDS), atol=1e-6)


def test_any_leading_axes():
    params, x = numbers(SMALL, 8, (2, 1, 3))
    y = expectation(SMALL, params, x, WORDS)
    assert y.shape == (2, 1, 3, 3)
    np.testing.assert_allclose(y[1, 0, 2], expectation(SMALL, params, x[1, 0, 2], WORDS), atol=1e-6)
    assert expectation(SMALL, params, x[:0], WORDS).shape == (0, 1, 3, 3)


def test_prepared_once_for_a_scan():
    params, x = numbers(SMALL, 8, (4, 3))
    prepared = jax.jit(lambda params: prepare(SMALL, params))(params)
    scanned = jax.jit(lambda x: jax.lax.scan(lambda c, x: (c, run(SMALL, prepared, x, paulis(WORDS))), 0, x)[1])(x)
    np.testing.assert_allclose(scanned, expectation(SMALL, params, x, WORDS), atol=1e-6)


@pytest.mark.slow
def test_a_population_of_parameters():
    circuit = layered(3, 2)
    each = [numbers(circuit, seed, (4,)) for seed in (1, 2)]
    params, x = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)

    def f(params, x):
        return expectation(circuit, params, x, strings(3, "Z"))

    together = jax.jit(jax.vmap(f))(params, x)
    for i, alone in enumerate(each):
        np.testing.assert_allclose(together[i], f(*alone), atol=1e-6)


@pytest.mark.slow
def test_own_parameters_have_own_gradients():
    circuit = layered(2, 1, scaled=True)
    sets = [numbers(circuit, seed) for seed in (1, 2)]
    stacked, x = jax.tree.map(lambda *leaves: jnp.stack(leaves), *sets)
    of_params = jax.jit(jax.grad(lambda params, x: jnp.sum(expectation(circuit, params, x, ("ZI", "XY")))))
    gradient = of_params(stacked, x)
    for i, (params, x) in enumerate(sets):
        expected = of_params(params, x)
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, atol=2e-6), gradient, expected)


@pytest.mark.parametrize(
    ("theta", "scale", "x", "says"),
    [
        ((5,), (6,), (4, 3), r"theta has shape \(5,\), the circuit takes \(18,\)"),
        ((18,), (5,), (4, 3), r"scale has shape \(5,\)"),
        ((18,), (6,), (4, 2), r"x has shape \(4, 2\), the circuit takes \(..., 3\)"),
        ((18,), (4, 6), (4, 3), r"theta has shape \(18,\), accepted are \(18,\) and \(4, 18\)"),
        ((5, 18), (5, 6), (4, 3), r"theta has shape \(5, 18\), accepted are \(18,\) and \(4, 18\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(theta, scale, x, says):
    params = {"theta": jnp.zeros(theta), "scale": jnp.zeros(scale)}
    with pytest.raises(ValueError, match=says):
        evaluate(layered(3, 2, scaled=True), params, jnp.zeros(x), probabilities)


def test_equal_circuits_are_compiled_once():
    traced = []

    def f(circuit, params, x):
        traced.append(circuit)
        return state(circuit, params, x)

    f = jax.jit(f, static_argnums=0)
    params, x = numbers(layered(2, 1), 0, (3,))
    for _ in range(2):
        f(layered(2, 1), params, x)
    assert len(traced) == 1
