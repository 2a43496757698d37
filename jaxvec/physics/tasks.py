"""How large tasks are, from uniform numbers."""

from jax import Array
from jaxtyping import Float


def uniform(
    u: Float[Array, "*#task"], low: Float[Array | float, "*#task"], high: Float[Array | float, "*#task"]
) -> Float[Array, "*task"]:
    """Number between two bounds: low + u (high - low).

    Args:
        u: uniform on [0, 1) [-].
        low: value at 0 [unit].
        high: value at 1 [unit].
    Returns:
        Value [unit].
    """
    return low + u * (high - low)
