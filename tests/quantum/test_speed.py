"""What the compiler counts: arithmetic, memory, types. No clock."""

import re

import jax
import jax.numpy as jnp
import pytest

from jaxvec.quantum import evaluate, layered, network, paulis, strings

READOUT = paulis(strings(6, "Z"))


def compiled(encoding, batch, chunk=None, gradient=False):
    """6 qubits, 4 layers, all <Z_q>."""
    circuit = layered(6, 4, encoding=encoding)
    params = {"theta": jax.ShapeDtypeStruct((circuit.n_theta,), jnp.float32), "scale": jnp.zeros(0)}
    x = jax.ShapeDtypeStruct((batch, circuit.n_inputs), jnp.float32)

    def forward(params, x):
        return evaluate(circuit, params, x, READOUT, chunk=chunk)

    def loss(params, x):
        return jnp.sum(forward(params, x) ** 2)

    return jax.jit(jax.value_and_grad(loss, (0, 1)) if gradient else forward).lower(params, x).compile()


@pytest.mark.parametrize(("encoding", "most"), [("angle", 25e3), ("reupload", 140e3)])
def test_arithmetic_of_a_sample(encoding, most):
    """All 4096 samples at once: of a loop over chunks one round would be counted."""
    program = compiled(encoding, 4096, chunk=4096)
    assert program.cost_analysis()["flops"] / 4096 <= most
    assert " while(" not in program.as_text()


@pytest.fixture(scope="module")
def gradient():
    """Value and gradient of 4096 samples."""
    return compiled("reupload", 4096, gradient=True)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_batch(gradient):
    programs = gradient, compiled("reupload", 65536, gradient=True)
    small, large = (program.memory_analysis().temp_size_in_bytes for program in programs)
    assert large <= 32e6
    assert large <= 1.25 * small


def test_nothing_is_complex(gradient):
    assert re.search(r"\bc(64|128)\[", gradient.as_text()) is None


def test_no_sample_is_gathered_or_scattered(gradient):
    moved = re.findall(r"= \S+ (?:gather|scatter)\(.*\)", gradient.as_text())
    assert moved  # of parameters
    assert [line for line in moved if "2048" in line] == []  # a chunk


def test_a_program_does_not_grow_with_its_layers():
    def lines(n_layers):
        circuit = layered(6, n_layers, scaled=True)
        net = network(circuit, strings(6, "Z"))
        x = jax.ShapeDtypeStruct((3, 6), jnp.float32)
        params = jax.eval_shape(net.init, jax.random.key(0), x)
        return len(jax.jit(net.apply).lower(params, x).as_text().splitlines())

    assert lines(34) == lines(18)  # runs of 32 and of 16 equal layers, eight written out
