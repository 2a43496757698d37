"""Sums over tasks, for functions that would otherwise hold arrays over pairs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array


def sum_over_tasks(term: Callable[..., Array], *of_task: Array) -> Array:
    """The sum of `term(*values)` over tasks, from the values `(task, ...)` of each.

    Args:
        term: from one task's values to an array.
        of_task: arrays with the tasks on the first axis.
    Returns:
        An array like the terms.
    """
    shape = jax.eval_shape(term, *(jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for x in of_task))

    def add(total: Array, values: tuple[Array, ...]) -> tuple[Array, None]:
        return total + term(*values), None

    return jax.lax.scan(add, jnp.zeros(shape.shape, shape.dtype), of_task, unroll=min(16, len(of_task[0])))[0]
