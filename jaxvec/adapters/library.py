"""Libraries that an adapter is for, and that jaxvec does not need otherwise."""

from importlib import import_module
from types import ModuleType

EXTRAS = {
    "gymnasium": "adapters",
    "pettingzoo": "adapters",
    "stable_baselines3": "sb3",
    "jaxmarl": "jaxmarl",
    "gymnax": "gymnax",
}
"""By the name under which a library is imported, the extra of jaxvec that brings it."""


def library(name: str) -> ModuleType:
    """A library that an adapter is for.

    Args:
        name: of it or of a module in it, such as "gymnasium.spaces".
    Raises:
        ImportError: it is not installed; says which extra brings it.
    """
    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        words = f"this adapter needs {package}, which is not installed: pip install 'jaxvec[{EXTRAS[package]}]'"
        raise ImportError(words, name=package) from None
