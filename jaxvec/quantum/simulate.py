"""The state vector of a batch of samples, in real arithmetic.

Layout: real parts `(2^n, batch)` above imaginary parts, batch last, so that whatever all samples share is one real matrix
product, and whatever is a sample's own is an elementwise pass over contiguous numbers; no complex type, no gather. `prepare`
makes the matrices once for a set of parameters, whatever the batch. A large batch goes through in chunks that fit a cache, and
the backward pass computes a chunk again rather than keep its states: memory does not grow with the batch.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import Precision

from jaxvec.quantum.circuit import Circuit
from jaxvec.quantum.gates import Angle, Gate
from jaxvec.quantum.plan import Encoding, Family, Move, Plan, Run, Slots, plan

EPS = 1e-12  # added to the squared norm of amplitudes
Params = Mapping[str, Array]
Readout = Callable[[Array], Array]  # (2, 2^n, batch) -> (outputs, batch)
Pair = tuple[Array, Array]  # real and imaginary part


class Prepared(NamedTuple):
    """Parameters as matrices: a family of blocks is `(members, 2 * 2^k, 2 * 2^k)`, an encoding `(members, rows, inputs)`."""

    blocks: tuple[Array, ...]
    encodings: tuple[Array, ...]


def _dot(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=Precision.HIGHEST)


# Parameters to matrices


def prepare(circuit: Circuit, params: Params) -> Prepared:
    """The matrices of a circuit with these parameters, differentiable.

    Args:
        circuit: the circuit.
        params: `theta (n_theta,)` [rad] and `scale (n_scale,)` [-], of one floating type, in which everything is computed.
    Raises:
        ValueError: for other shapes.
    """
    for name, n in (("theta", circuit.n_theta), ("scale", circuit.n_scale)):
        if params[name].shape != (n,):
            raise ValueError(f"{name} has shape {params[name].shape}, the circuit takes ({n},)")
    steps = plan(circuit)
    theta, scale = (jnp.append(params[name], 1.0) for name in ("theta", "scale"))

    def values(slots: Slots) -> Array:
        return jnp.asarray(slots.factor, theta.dtype) * theta[slots.theta] * scale[slots.scale]

    return Prepared(
        tuple(_matrices(family, values(family.slots)) for family in steps.families),
        tuple(_rows(encoding, values(encoding.slots), steps.n_qubits) for encoding in steps.encodings),
    )


def _rows(encoding: Encoding, values: Array, n: int) -> Array:
    """`half @ angles` as a matrix on the inputs, `(members, rows, inputs)`."""
    dtype = values.dtype
    of_inputs = _dot(values, jnp.asarray(encoding.places, dtype)).reshape(len(values), n, -1)  # a qubit's angle
    return _dot(jnp.asarray(encoding.half, dtype), of_inputs)


def _matrices(family: Family, angles: Array) -> Array:
    """A family's blocks as real matrices, `(members, 2 * 2^k, 2 * 2^k)`, from their angles `(members, angles)`."""
    dtype, size = angles.dtype, 2**family.n_qubits
    cos, sin = jnp.cos(angles / 2), jnp.sin(angles / 2)
    columns: Array | None = None  # the first half of the columns: they hold it all
    for rotations, fixed in family.stages:
        matrices = [_kronecker(*rotations, cos, sin)] if rotations else []
        if fixed is not None:
            matrices.append((jnp.asarray(fixed.real, dtype), jnp.asarray(fixed.imag, dtype)))
        for matrix in matrices:
            columns = jnp.concatenate(matrix, -2) if columns is None else _dot(_real(matrix), columns)
    assert columns is not None
    columns = jnp.broadcast_to(columns, (len(angles), 2 * size, size))
    return _real((columns[:, :size], columns[:, size:]))


def _real(matrix: Pair) -> Array:
    """A complex matrix as a real one on (re, im)."""
    re, im = matrix
    return jnp.concatenate([jnp.concatenate([re, -im], -1), jnp.concatenate([im, re], -1)], -2)


def _kronecker(parts: np.ndarray, number: np.ndarray, cos: Array, sin: Array) -> Pair:
    """The Kronecker product over qubits of the `rotations` of a `Stage`, complex `(members, 2^k, 2^k)`."""
    product: Pair | None = None
    for (still, even, odd), angle in zip(parts.swapaxes(0, 1), number, strict=True):
        c, s = cos[:, angle, None, None], sin[:, angle, None, None]
        re, im = (f(still) + c * f(even) + s * f(odd) for f in (_as_real(cos.dtype), _as_imaginary(cos.dtype)))
        product = (re, im) if product is None else _multiply((re, im), product)
    assert product is not None
    factors = [(product[0][:, q], product[1][:, q]) for q in range(parts.shape[2])]
    while len(factors) > 1:
        factors = [
            _outer(*factors[i : i + 2]) if i + 1 < len(factors) else factors[i] for i in range(0, len(factors), 2)
        ]
    return factors[0]


def _as_real(dtype: np.dtype) -> Callable[[np.ndarray], Array]:
    return lambda matrix: jnp.asarray(matrix.real, dtype)


def _as_imaginary(dtype: np.dtype) -> Callable[[np.ndarray], Array]:
    return lambda matrix: jnp.asarray(matrix.imag, dtype)


def _multiply(a: Pair, b: Pair) -> Pair:
    """a @ b, small and elementwise."""

    def product(x: Array, y: Array) -> Array:
        return (x[..., :, :, None] * y[..., None, :, :]).sum(-2)

    return product(a[0], b[0]) - product(a[1], b[1]), product(a[0], b[1]) + product(a[1], b[0])


def _outer(a: Pair, b: Pair) -> Pair:
    """The Kronecker product of matrices `(members, i, j)` and `(members, k, l)`."""

    def product(x: Array, y: Array) -> Array:
        whole = x[:, :, None, :, None] * y[:, None, :, None, :]
        return whole.reshape(len(x), x.shape[1] * y.shape[1], -1)

    return product(a[0], b[0]) - product(a[1], b[1]), product(a[0], b[1]) + product(a[1], b[0])


# Matrices to states


def run(circuit: Circuit, prepared: Prepared, x: Array, readout: Readout, *, chunk: int | None = None) -> Array:
    """What a readout makes of the states of all samples.

    Args:
        circuit: the circuit.
        prepared: its parameters, of `prepare`.
        x: inputs `(..., n_inputs)`.
        readout: from states `(2, 2^n, batch)` to `(outputs, batch)`, such as those in `measure`.
        chunk: samples that go through at once; by default as many as a cache holds.
    Returns:
        `(..., outputs)`.
    Raises:
        ValueError: for another number of inputs.
    """
    if x.shape[-1:] != (circuit.n_inputs,):
        raise ValueError(f"x has shape {x.shape}, the circuit takes (..., {circuit.n_inputs})")
    steps = plan(circuit)
    batch, n = x.shape[:-1], math.prod(x.shape[:-1])
    chunks = -(-n // (chunk or _chunk(circuit.n_qubits)))

    def read(x: Array) -> Array:
        return readout(_evolve(steps, prepared, x)).T

    if chunks <= 1:
        y = read(x.reshape(n, x.shape[-1]))
        return y.reshape(*batch, y.shape[-1])
    size = -(-n // (16 * chunks)) * 16
    # every chunk has samples of all parts of the batch, which may lie on several devices: each then computes its own
    x = jnp.pad(x.reshape(n, -1), ((0, chunks * size - n), (0, 0))).reshape(size, chunks, -1).swapaxes(0, 1)
    y = jax.lax.map(jax.checkpoint(read, prevent_cse=False), x).swapaxes(0, 1)
    return y.reshape(chunks * size, -1)[:n].reshape(*batch, y.shape[-1])


def evaluate(circuit: Circuit, params: Params, x: Array, readout: Readout, *, chunk: int | None = None) -> Array:
    """`run` with `prepare`, or with parameters of each sample's own; as they, to be called under `jax.jit`.

    Args:
        circuit: the circuit.
        params: `theta (n_theta,)` and `scale (n_scale,)` for all samples, or both with the leading axes of x, one set a sample.
        x: inputs `(..., n_inputs)`.
        readout: as in `run`.
        chunk: as in `run`.
    Returns:
        `(..., outputs)`.
    Raises:
        ValueError: for shapes that fit neither way.
    """
    if params["theta"].ndim == params["scale"].ndim == 1:
        return run(circuit, prepare(circuit, params), x, readout, chunk=chunk)
    for name, n in (("theta", circuit.n_theta), ("scale", circuit.n_scale)):
        if params[name].shape != (*x.shape[:-1], n):
            raise ValueError(f"{name} has shape {params[name].shape}, accepted are ({n},) and {(*x.shape[:-1], n)}")
    by_inputs, factors = _all_as_inputs(circuit)
    ones = jnp.ones((*x.shape[:-1], 1), x.dtype)
    amplitudes, x = jnp.split(x, [2**circuit.n_qubits if circuit.amplitude else 0], -1)
    padded = [jnp.concatenate([values, ones], -1) for values in (params["theta"], params["scale"], x)]
    theta, scale, x = (values[..., index] for values, index in zip(padded, factors.T, strict=True))
    x = theta * scale * x
    none = jnp.zeros(0, x.dtype)
    prepared = prepare(by_inputs, {"theta": none, "scale": none})
    return run(by_inputs, prepared, jnp.concatenate([amplitudes, x], -1), readout, chunk=chunk)


def _all_as_inputs(circuit: Circuit) -> tuple[Circuit, np.ndarray]:
    """The circuit with everything that varies as an input, and which theta, scale and x each is the product of (-1: none)."""
    products: dict[tuple[int | None, ...], int] = {}
    gates = []
    for gate in circuit.gates:
        angle = gate.angle
        if angle is not None and not angle.constant:
            number = products.setdefault((angle.theta, angle.scale, angle.input), len(products))
            angle = Angle(angle.factor, input=number)
        gates.append(Gate(gate.name, gate.qubits, angle, gate.matrix))
    factors = np.array([[-1 if index is None else index for index in indices] for indices in products], int)
    return Circuit(circuit.n_qubits, tuple(gates), circuit.amplitude), factors.reshape(-1, 3)


def _chunk(n_qubits: int) -> int:
    """A state of about 1 MB on a CPU, 16 MB elsewhere."""
    numbers = 2**18 if jax.default_backend() == "cpu" else 2**22
    return max(32, numbers >> (n_qubits + 1))


def _evolve(steps: Plan, prepared: Prepared, x: Array) -> Array:
    """States `(2, 2^n, batch)` of samples `(batch, inputs)`.

    The norm is divided out at the end: for amplitudes it has to be, and elsewhere the rounding of many layers goes with it.
    """
    n, dtype = steps.n_qubits, jnp.result_type(x, *prepared.blocks)
    amplitudes, x = (x[:, : 2**n], x[:, 2**n :]) if steps.start == "amplitude" else (x, x)
    psi = jnp.zeros((2**n, 1), dtype).at[0].set(1.0)
    first = steps.runs[0]
    if steps.start == "amplitude":
        psi = amplitudes.T
    elif first.encoding:
        family, member, _ = first.encoding
        psi = _product(steps.encodings[family], prepared.encodings[family][member], x, n)
    for family, member, move in first.blocks:
        psi = _pass(psi, prepared.blocks[family][member], move)
    psi = jnp.broadcast_to(psi, (2, 2**n, len(x)))
    for segments in steps.runs[1:]:
        psi = _layers(segments, steps, prepared, psi, x)
    psi = psi if steps.restore is None else _moved(psi, steps.restore)
    return psi * jax.lax.rsqrt(jnp.sum(psi**2, (0, 1)) + (EPS if steps.start == "amplitude" else 0.0))


def _layers(segments: Run, steps: Plan, prepared: Prepared, psi: Array, x: Array) -> Array:
    """The segments of a run, one after the other."""
    assert segments.encoding is not None
    n = steps.n_qubits
    family, first, step = segments.encoding
    encoding, rows = steps.encodings[family], prepared.encodings[family]
    # phases that all layers share are made once
    fixed = None if step else _phases(encoding, rows[first], x, n)
    varying = rows[first : first + segments.length] if step else None
    blocks = [prepared.blocks[number][at : at + segments.length] for number, at, _ in segments.blocks]

    def layer(psi: Array, segment: Any) -> tuple[Array, None]:
        rows, blocks = segment
        psi = _times_phases(psi, fixed or _phases(encoding, rows, x, n))
        for (_, _, move), block in zip(segments.blocks, blocks, strict=True):
            psi = _pass(psi, block, move)
        return psi, None

    return jax.lax.scan(layer, psi, (varying, blocks), segments.length, unroll=min(8, segments.length))[0]


def _trigonometry(encoding: Encoding, rows: Array, x: Array) -> Array:
    """One cosine for all cosines and sines: what feeds the tables below is then computed once, and in vector code."""
    angles = jnp.einsum("ri,bi->rb", rows, x[:, encoding.first : encoding.last], precision=Precision.HIGHEST)
    return jnp.cos(angles + jnp.asarray(encoding.shift, angles.dtype)[:, None])


def _halves(matrix: np.ndarray, trigonometry: Array, n: int) -> Pair:
    """A table of the first half of the qubits, which has one more of them if n is odd, and one of the second."""
    table = _dot(jnp.asarray(matrix, trigonometry.dtype), trigonometry)
    at = len(table) // len(trigonometry) * 2 ** ((n + 1) // 2)
    return table[:at], table[at:]


def _product(encoding: Encoding, rows: Array, x: Array, n: int) -> Array:
    """The real product state `(2^n, batch)`."""
    high, low = _halves(encoding.product, _trigonometry(encoding, rows, x), n)
    return (high[:, None] * low[None]).reshape(2**n, -1)


def _phases(encoding: Encoding, rows: Array, x: Array, n: int) -> Pair:
    """Real and imaginary part of the phases, `(2^high, 2^low, batch)`."""
    high, low = _halves(encoding.phases, _trigonometry(encoding, rows, x), n)
    (a, b), (c, d) = (half.reshape(2, len(half) // 2, -1) for half in (high, low))
    a, b = a[:, None], b[:, None]
    return a * c - b * d, a * d + b * c


def _times_phases(psi: Array, phases: Pair) -> Array:
    """States after rotations by inputs."""
    re, im = phases
    a, b = psi.reshape(2, *re.shape)
    return jnp.stack([a * re - b * im, a * im + b * re]).reshape(psi.shape)


def _pass(psi: Array, block: Array, move: Move | None) -> Array:
    """A block on the leading qubits after a move; states that are still real, `(2^n, batch)`, become complex."""
    psi = psi if move is None else _moved(psi, move)
    inner = len(block) if psi.ndim == 3 else len(block) // 2
    return _dot(block[:, :inner], psi.reshape(inner, -1)).reshape(2, *psi.shape[-2:])


def _moved(psi: Array, move: Move) -> Array:
    """States with their qubits in another order."""
    front = psi.ndim - 2
    axes = (*range(front), *(front + axis for axis in move.permutation), front + len(move.shape))
    return psi.reshape(*psi.shape[:front], *move.shape, psi.shape[-1]).transpose(axes).reshape(psi.shape)
