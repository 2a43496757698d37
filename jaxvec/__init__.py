"""A JAX-accelerated, vectorised simulator and learners for digital-twin vehicular edge computing."""

from typing import TYPE_CHECKING, Any

from jaxvec.core.make import env_ids, make
from jaxvec.core.registry import register

if TYPE_CHECKING:
    from jaxvec import learners, policies
    from jaxvec.training import train

__version__ = "0.1.0"
__all__ = ["__version__", "env_ids", "learners", "make", "policies", "register", "train"]


def __getattr__(name: str) -> Any:
    """`train`, `learners` and `policies` are imported when first used: they bring distrax and Orbax, which take seconds."""
    from importlib import import_module

    if name == "train":
        return import_module("jaxvec.training").train
    if name in ("learners", "policies"):
        return import_module(f"jaxvec.{name}")
    raise AttributeError(f"module 'jaxvec' has no attribute {name!r}")
