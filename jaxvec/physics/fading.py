"""Small-scale fading from uniform numbers, so that one draw per slot serves every quantity.

`jax.random.uniform` may return 0, which is outside the open interval meant here: whoever draws must keep it away.
"""

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Float


def rayleigh_power(u: Float[Array, "*link"]) -> Float[Array, "*link"]:
    """Power |h|^2 of Rayleigh fading, h ~ CN(0, 1): exponential with mean 1 by inverse CDF, -log(u).

    Args:
        u: uniform on the open interval (0, 1) [-]; 1 - u would do as well.
    Returns:
        Channel power [-].
    """
    return -jnp.log(u)


def standard_normal(u: Float[Array, "*link"]) -> Float[Array, "*link"]:
    """Standard normal number by inverse CDF.

    Args:
        u: uniform on the open interval (0, 1) [-], not subnormal.
    Returns:
        z with P(Z <= z) = u [-], increasing in u; |z| <= 5.3 for float32 multiples of 2^-24.
    """
    return ndtri(u)
