"""A JAX-accelerated, vectorised simulator and learners for digital-twin vehicular edge computing."""

from jaxvec.core.registry import env_ids, make

__version__ = "0.1.0"
__all__ = ["__version__", "env_ids", "make"]
