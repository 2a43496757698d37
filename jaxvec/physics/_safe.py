"""Functions whose derivative is infinite somewhere, with a finite one there."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def root(x: Float[Array | float, "*link"]) -> Float[Array, "*link"]:
    """Square root, whose gradient at 0 is 0.

    Args:
        x: number, at least 0 [unit].
    Returns:
        Its root [the root of the unit].
    """
    x = jnp.asarray(x)
    zero = x == 0.0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, x)))
