"""Where roadside units, servers and base stations stand, in systems that can have them anywhere."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.layout import lift


def places_of(places_m: Any, rank: int) -> Array:
    """Places for a batch of worlds.

    Args:
        places_m: `(place, 2)`, x and y, or with the worlds' axis last [m].
        rank: batch axes.
    Returns:
        `(place, 2, *batch)`, or with axes of length 1 for it [m].
    """
    places = jnp.asarray(places_m, jnp.result_type(float))
    return places if places.ndim > 2 else lift(places, rank)


def misplaced(name: str, places_m: Any, n: int, what: str) -> list[str]:
    """Places of another number than there are of what stands there.

    Args:
        name: of the number.
        places_m: its value; None is no mistake.
        n: how many there are.
        what: stands there.
    Returns:
        What is wrong, in words; nothing if it is right.
    """
    shape = np.shape(places_m)
    if places_m is None or (shape[:2] == (n, 2) and len(shape) <= 3):
        return []
    return [f"{name} has the shape {shape} (must be ({n}, 2): x and y per {what})"]
