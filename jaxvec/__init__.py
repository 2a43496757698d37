"""A JAX-accelerated, vectorised simulator and learners for digital-twin vehicular edge computing."""

from typing import TYPE_CHECKING, Any

from jaxvec.core.make import env_ids, make
from jaxvec.core.registry import register
from jaxvec.core.version import __version__

if TYPE_CHECKING:
    from jaxvec import learners, policies
    from jaxvec.training import load, train

__all__ = ["__version__", "env_ids", "learners", "load", "make", "policies", "register", "train"]


if not TYPE_CHECKING:  # a type checker would take any name for one of these

    def __getattr__(name: str) -> Any:
        """What brings distrax and Orbax, whose import takes seconds, is imported when first used."""
        from importlib import import_module

        if name in ("train", "load"):
            return getattr(import_module("jaxvec.training"), name)
        if name in ("learners", "policies"):
            return import_module(f"jaxvec.{name}")
        raise AttributeError(f"module 'jaxvec' has no attribute {name!r}")
