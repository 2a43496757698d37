"""What is read from states: expectations of Pauli strings, probabilities, amplitudes, shots.

A readout maps states `(2, 2^n, batch)`, real above imaginary parts, to outputs `(outputs, batch)`.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.quantum.circuit import Circuit
from jaxvec.quantum.simulate import Params, Readout, evaluate


def strings(n_qubits: int, word: str) -> tuple[str, ...]:
    """The Pauli strings that have some letters from qubit q on, for every q, around the ring: of 3 and "Z", ZII, IZI and IIZ.

    Args:
        n_qubits: letters of each string.
        word: the letters that are not I, or some of them, such as "ZZ".
    Raises:
        ValueError: for a word that is longer than the ring.
    """
    if len(word) > n_qubits:
        raise ValueError(f"{word!r} does not fit on {n_qubits} qubit(s)")
    padded = word + "I" * (n_qubits - len(word))
    return tuple(padded[n_qubits - q :] + padded[: n_qubits - q] for q in range(n_qubits))


def paulis(observables: Sequence[str]) -> Readout:
    """The readout of expectations: one output for each Pauli string, in order.

    Args:
        observables: strings of I, X, Y and Z, one letter a qubit, qubit 0 first.
    Raises:
        ValueError: for none, for another letter, or for strings of unequal length.
    """
    n = len(observables[0]) if observables else 0
    for string in observables:
        if len(string) != n or not set(string) <= set("IXYZ"):
            raise ValueError(f"{string!r} is not a string of {n} letters I, X, Y or Z, as the first is")
    if n == 0:
        raise ValueError("no Pauli string: accepted are strings such as 'ZZI'")
    # strings that flip the same qubits share one product of amplitudes, whose real or imaginary part they sum with signs
    groups: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for i, string in enumerate(observables):
        flips = tuple(q for q, letter in enumerate(string) if letter in "XY")
        groups.setdefault((flips, string.count("Y") % 2), []).append(i)

    def read(psi: Array) -> Array:
        if psi.shape[1] != 2**n:
            raise ValueError(f"Pauli strings of {n} letters for states of {psi.shape[1]} amplitudes")
        expectations: dict[int, Array] = {}
        for (flips, odd), members in groups.items():
            rest = [q for q in range(n) if q not in flips[:1]]
            signs = {i: tuple(observables[i][q] in "YZ" for q in rest) for i in members}
            for i, total in _signed(_products(psi, flips, odd), signs).items():
                n_y = observables[i].count("Y")
                expectations[i] = total * (-1.0) ** ((n_y + 1) // 2)
        return jnp.stack([expectations[i] for i in range(len(observables))])

    return read


def _products(psi: Array, flips: tuple[int, ...], odd: int) -> Array:
    """`conj(psi[b + flips]) psi[b]`, `(2^m, batch)`: its imaginary part if odd, twice for the b whose first flipped bit is 0."""
    if not flips:
        return psi[0] ** 2 + psi[1] ** 2
    n = psi.shape[1].bit_length() - 1
    lead = flips[0]
    halves = psi.reshape(2, 2**lead, 2, 2 ** (n - 1 - lead), psi.shape[-1])
    here, there = halves[:, :, 0], halves[:, :, 1]
    if flips[1:]:
        bits = (2,) * (n - 1)
        there = jnp.flip(there.reshape(2, *bits, -1), flips[1:])  # axis q, as re and im come first and the lead is gone
    (a, b), (c, d) = here.reshape(2, 2 ** (n - 1), -1), there.reshape(2, 2 ** (n - 1), -1)
    return 2 * (c * b - d * a) if odd else 2 * (c * a + d * b)


def _signed(terms: Array, signs: dict[int, tuple[bool, ...]]) -> dict[int, Array]:
    """Sums over `(2^m, batch)`, each with its own signs: True where the terms with that bit set count negative.

    By halving, so that sums share what they have in common.
    """
    sums = {i: terms.sum(0) for i, negatives in signs.items() if not any(negatives)}
    further = {i: negatives for i, negatives in signs.items() if i not in sums}
    if further:
        low, high = jnp.split(terms, 2)
        for first in (True, False):
            rest = {i: negatives[1:] for i, negatives in further.items() if negatives[0] == first}
            if rest:
                sums |= _signed(low - high if first else low + high, rest)
    return sums


def probabilities(psi: Array) -> Array:
    """The readout of the probabilities of all basis states: from states `(2, 2^n, batch)` to `(2^n, batch)`."""
    return psi[0] ** 2 + psi[1] ** 2


def amplitudes(psi: Array) -> Array:
    """The readout of all amplitudes: from states `(2, 2^n, batch)` to 2^n real parts, then 2^n imaginary parts."""
    return psi.reshape(-1, psi.shape[-1])


def expectation(circuit: Circuit, params: Params, x: Array, observables: Sequence[str]) -> Array:
    """Expectations of Pauli strings.

    Args:
        circuit, params, x: as in `evaluate`.
        observables: as in `paulis`.
    Returns:
        `(..., len(observables))`, from -1 to 1.
    Raises:
        ValueError: for shapes or strings that do not fit.
    """
    return _expectation(circuit, params, x, tuple(observables))


@partial(jax.jit, static_argnums=(0, 3))
def _expectation(circuit: Circuit, params: Params, x: Array, observables: tuple[str, ...]) -> Array:
    return evaluate(circuit, params, x, paulis(observables))


@partial(jax.jit, static_argnums=0)
def state(circuit: Circuit, params: Params, x: Array) -> Array:
    """The state itself.

    Args:
        circuit, params, x: as in `evaluate`.
    Returns:
        Complex amplitudes `(..., 2^n)`, qubit 0 the most significant bit.
    Raises:
        ValueError: for shapes that do not fit.
    """
    re, im = jnp.split(evaluate(circuit, params, x, amplitudes), 2, -1)
    return jax.lax.complex(re, im)


def sample(key: Array, probability: Array, shots: int) -> Array:
    """Outcomes of measuring all qubits.

    Args:
        key: of chance.
        probability: of basis states, `(..., 2^n)`.
        shots: measurements of each sample.
    Returns:
        Indices of basis states, int32 `(..., shots)`.
    """
    total = jnp.cumsum(probability, -1)
    u = jax.random.uniform(key, (*probability.shape[:-1], shots), probability.dtype) * total[..., -1:]
    find = jnp.vectorize(lambda total, u: jnp.searchsorted(total, u, side="right"), signature="(m),(s)->(s)")
    return jnp.minimum(find(total, u), probability.shape[-1] - 1).astype(jnp.int32)
