"""Arrays of one's own, so that they may be donated."""

from typing import Any

import jax
import jax.numpy as jnp


def owned(tree: Any) -> Any:
    """A copy of every leaf, of a fixed type: no two share a buffer and none is the caller's, so that all may be donated.

    Compiled, it costs nothing. A weak type, as that of a Python number, becomes the strong type of the same name: what is
    written to a file and read again then is what it was.

    Args:
        tree: of arrays, typed keys and numbers.
    """

    def own(x: Any) -> jax.Array:
        if jnp.issubdtype(jnp.result_type(x), jax.dtypes.prng_key):
            return jax.random.wrap_key_data(owned(jax.random.key_data(x)), impl=jax.random.key_impl(x))
        return jnp.array(x, dtype=jnp.result_type(x), copy=True)

    return jax.tree.map(own, tree)


def settled(tree: Any) -> Any:
    """Numbers of Python as arrays of a type for good, float32 or int32, which networks have also where 64 bits are enabled.

    A state that is kept and read back must be of the very types that it had; a weak type would come back strong, of 64 bits.

    Args:
        tree: of numbers and arrays; arrays whose type is strong keep it.
    """

    def settle(x: Any) -> jax.Array:
        x = jnp.asarray(x)
        if not jax.typeof(x).weak_type:
            return x
        return x.astype(jnp.float32 if jnp.issubdtype(x.dtype, jnp.floating) else jnp.int32)

    return jax.tree.map(settle, tree)
