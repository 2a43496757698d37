"""The numbers of an environment, a pytree to be swept; its sizes and switches, which fix shapes; and its presets."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import struct
from jax import Array

from jaxvec.core.layout import lift


def number(default: float, unit: str, doc: str, *, axes: tuple[str, ...] = (), positive: bool = False) -> Any:
    """A field of an environment's numbers.

    Args:
        default: of the field.
        unit: in which it is given; "-" if it has none.
        doc: its meaning, with its source.
        axes: names of axes that a leaf may carry first, instead of being a scalar.
        positive: `check_params` refuses 0 and less.
    """
    return struct.field(default=default, metadata={"unit": unit, "doc": doc, "axes": axes, "positive": positive})


def data(doc: str) -> Any:
    """A field of an environment's numbers that holds arrays which all worlds share (a recording, say), None by default.

    Args:
        doc: its meaning.
    """
    return struct.field(default=None, metadata={"unit": "", "doc": doc, "axes": None})


def world_params(params: Any) -> Any:
    """The numbers of ONE world made fit for a batch `(W,)`: entity axes first, the worlds last.

    A scalar leaf stays, a leaf `(worlds,)` is a sweep and stays, and a leaf that carries the axes it documents gets a last axis
    of length 1. To sweep a leaf over worlds that may carry axes, give them: `(1, worlds)`.

    Args:
        params: an environment's.
    Returns:
        Parameters of the same kind.
    """
    changes = {}
    for field in dataclasses.fields(params):
        axes, value = field.metadata.get("axes"), getattr(params, field.name)
        if axes and np.ndim(value) == len(axes):
            changes[field.name] = lift(value, 1)
    return params.replace(**changes)


def params_of_worlds(params: Any, world: Array, n_worlds: int) -> Any:
    """Of parameters for `n_worlds` worlds those of some worlds, for as large a batch.

    Args:
        params: as `world_params` gives them.
        world: int `(batch,)`, which.
        n_worlds: W.
    Returns:
        Parameters whose swept leaves end in the axis `batch`; other leaves stay.
    """
    changes = {}
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        if field.metadata.get("axes") is not None and np.ndim(value) and np.shape(value)[-1] == n_worlds:
            changes[field.name] = value[..., world]
    return params.replace(**changes)


def check_params(params: Any) -> Any:
    """Refuse numbers that cannot be: not finite, not a number at all, or 0 or less where it must be positive.

    Args:
        params: an environment's; leaves that are being traced are not looked at.
    Returns:
        `params`, unchanged.
    Raises:
        ValueError: names each such leaf.
    """
    bad = []
    positive = {field.name for field in dataclasses.fields(params) if field.metadata.get("positive")}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if isinstance(leaf, jax.core.Tracer):
            continue
        name = jax.tree_util.keystr(path).lstrip(".")
        try:
            value = np.asarray(leaf, float)
            if not np.all(np.isfinite(value)):
                bad.append(f"{name} = {leaf} (must be finite)")
            elif name in positive and not np.all(value > 0):
                bad.append(f"{name} = {leaf} (must be positive)")
        except (TypeError, ValueError):
            bad.append(f"{name} = {leaf!r} (must be a number)")
    if bad:
        raise ValueError(f"bad {type(params).__qualname__}: {', '.join(bad)}")
    return params


ON_OFF = (True, False)


def size(default: int, doc: str, *, at_least: int = 1) -> Any:
    """A field of an environment's sizes: a whole number that fixes shapes, so that another one recompiles.

    Args:
        default: of the field.
        doc: its meaning, in the words of `jaxvec envs ENV`.
        at_least: what `check_sizes` accepts.
    """
    return dataclasses.field(default=default, metadata={"doc": doc, "at_least": at_least})


def switch(default: Any, choices: tuple[Any, ...] | Callable[[], tuple[Any, ...]], doc: str) -> Any:
    """A field of an environment's sizes: one of several choices, each of which is a program of its own.

    Args:
        default: of the field.
        choices: what `check_sizes` accepts, `ON_OFF` for true or false; a function where more may be registered later.
        doc: its meaning, in the words of `jaxvec envs ENV`.
    """
    return dataclasses.field(default=default, metadata={"doc": doc, "choices": choices})


class Preset(NamedTuple):
    """A named configuration of an environment.

    Attributes:
        doc: its meaning, in the words of `jaxvec envs ENV`.
        settings: by name, the sizes, switches and numbers that differ from the defaults.
    """

    doc: str
    settings: Mapping[str, Any]


def preset(doc: str, **settings: Any) -> Preset:
    """An entry of an environment's `presets`.

    Args:
        doc: its meaning, in the words of `jaxvec envs ENV`.
        settings: by name, the sizes, switches and numbers that differ from the defaults.
    Returns:
        The preset.
    """
    return Preset(doc, settings)


def choices_of(field: dataclasses.Field[Any]) -> tuple[Any, ...]:
    """What a switch accepts.

    Args:
        field: of an environment's sizes.
    Returns:
        The choices of a field that `switch` made, as they are registered now; none of one that `size` made.
    """
    choices = field.metadata.get("choices", ())
    return tuple(choices() if callable(choices) else choices)


def check_sizes(env: Any) -> None:
    """Refuse bad sizes and switches of an environment, as its `size` and `switch` fields declare them.

    Args:
        env: a frozen dataclass with an `id`.
    Raises:
        ValueError: names the first such field, and what is accepted.
    """
    for field in dataclasses.fields(env):
        value, choices, least = getattr(env, field.name), choices_of(field), field.metadata.get("at_least")
        if least is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least):
            raise ValueError(f"{env.id}: {field.name} must be a whole number of at least {least}, not {value!r}")
        if choices and not any(
            value is choice or (type(value) is type(choice) and value == choice) for choice in choices
        ):
            raise ValueError(f"{env.id}: {field.name} must be one of {', '.join(map(str, choices))}, not {value!r}")
