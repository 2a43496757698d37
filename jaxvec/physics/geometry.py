"""Where things are relative to each other: links are arrays `(tx, rx)`, one coordinate at a time."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from jaxvec.physics._safe import root


def offsets(a: Float[Array, "tx *#batch"], b: Float[Array, "rx *#batch"]) -> Float[Array, "tx rx *batch"]:
    """Every b seen from every a: result[i, j] = b[j] - a[i].

    Args:
        a: one coordinate of the transmitters [m].
        b: the same coordinate of the receivers [m]; it may lack batch axes that `a` has, and the other way round.
    Returns:
        Signed offset of each link [m].
    """
    rank = max(jnp.ndim(a), jnp.ndim(b))
    a, b = (jnp.expand_dims(x, tuple(range(1, 1 + rank - jnp.ndim(x)))) for x in (a, b))
    return b[None] - a[:, None]


def norm_m(*components_m: Float[Array | float, "*#link"]) -> Float[Array, "*link"]:
    """Euclidean length: the square root of the sum of squares.

    Args:
        components_m: coordinates of the vector [m], broadcast together; below 1e-19 m a float32 square is 0.
    Returns:
        Length [m]; its gradient at the zero vector is 0, a subgradient.
    """
    return root(sum(c * c for c in components_m))


def within(distance_m: Float[Array, "*#link"], range_m: Float[Array | float, "*#link"]) -> Bool[Array, "*link"]:
    """Whether a link is no longer than its range.

    Args:
        distance_m: length of the link [m].
        range_m: longest usable link [m], itself included.
    Returns:
        True where usable.
    """
    return distance_m <= range_m
