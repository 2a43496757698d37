"""What an environment declares: its numbers, a pytree to be swept; its sizes and switches, which fix shapes; its presets.

What is accepted stands beside what it means, and is checked by `check_params` and `check_sizes`.
"""

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.limits import MOST, accepted, fault, said


def number(
    default: float,
    unit: str,
    doc: str,
    limits: tuple[float | None, float | None] = (None, None),
    *,
    greater_than: float | None = None,
    up_to: str | None = None,
    below: str | None = None,
    flag: bool = False,
    only: Mapping[str, tuple[Any, ...] | Callable[[str, Any, type], bool]] | None = None,
    axes: tuple[str, ...] = (),
) -> Any:
    """A field of an environment's numbers. What it accepts stands beside what it means; `check_params` refuses the rest.

    Args:
        default: of the field; of a whole number whole numbers are accepted.
        unit: in which it is given; "-" if it has none.
        doc: its meaning, with its source.
        limits: the least and the most that it may be, both accepted; None: no limit but being finite.
        greater_than: what it must exceed.
        up_to: name of another number of the class that it may not exceed.
        below: name of another number of the class that it must stay under.
        flag: 0 or 1 is accepted, or a boolean.
        only: switch to the choices with which the number has an effect, or to a function of the number's name, the choice and the
            class that says whether it has; with none of them it has no effect, and whoever sets it is warned.
        axes: names of axes that a leaf may carry first, instead of being a scalar.
    """
    metadata: dict[str, Any] = {"unit": unit, "doc": doc, "limits": limits, "greater_than": greater_than, "flag": flag}
    metadata |= {"up_to": up_to, "below": below, "whole": type(default) is int, "only": only, "axes": axes}
    return struct.field(default=default, metadata=metadata)


def count(of: str, unit: str, doc: str) -> Any:
    """A field of an environment's numbers that says how many of its entities are there: see `jaxvec.core.presence`.

    With None, the default, all of them are, whatever the size is; a whole number from 1 to the size, or one for each world, is
    accepted, and changes no shape.

    Args:
        of: name of the size.
        unit: what is counted.
        doc: its meaning.
    """
    return struct.field(default=None, metadata={"unit": unit, "doc": doc, "axes": (), "count_of": of})


def data(
    doc: str,
    axes: tuple[str, ...] | None = None,
    *,
    only: Mapping[str, tuple[Any, ...] | Callable[[str, Any, type], bool]] | None = None,
) -> Any:
    """A field of an environment's numbers that holds arrays (a recording, say), None by default.

    Args:
        doc: its meaning.
        axes: of an array that may be another one in each world, which then has the worlds' axis last: the names of the others.
            None: all worlds share it.
        only: as of `number`: the choices with which it has an effect.
    """
    return struct.field(default=None, metadata={"unit": "", "doc": doc, "axes": axes, "data": True, "only": only})


def world_params(params: Any, n_worlds: int | None = None) -> Any:
    """The numbers of ONE world made fit for a batch `(W,)`: entity axes first, the worlds last.

    A scalar leaf stays, a leaf `(worlds,)` is a sweep and stays, and a leaf that carries the axes it documents gets a last axis
    of length 1. To sweep a leaf over worlds that may carry axes, give them: `(1, worlds)`.

    Args:
        params: an environment's.
        n_worlds: W, if it is known.
    Returns:
        Parameters of the same kind.
    Raises:
        ValueError: a number is swept over other than W worlds.
    """
    changes = {}
    for field in dataclasses.fields(params):
        axes, value = field.metadata.get("axes"), getattr(params, field.name)
        swept = np.shape(value)[-1] if axes is not None and np.ndim(value) > len(axes) else 1
        if n_worlds is not None and swept not in (1, n_worlds):
            raise ValueError(
                f"{field.name} has numbers of {swept} worlds, but there are {n_worlds}: give one, or one for each"
            )
        if axes and np.ndim(value) == len(axes):
            changes[field.name] = lift(value, 1)
    return params.replace(**changes)


def world_leaf(field: dataclasses.Field[Any], value: Any) -> np.ndarray:
    """One number made fit for worlds, as `world_params` does it of all.

    Args:
        field: the number's.
        value: a scalar or an array, not one that is being traced.
    Returns:
        A NumPy array that broadcasts against other numbers' of one environment.
    """
    x = np.asarray(value, float)
    return x[..., None] if field.metadata["axes"] and x.ndim == len(field.metadata["axes"]) else x


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


def params_of_one(params: Any, world: int = 0) -> Any:
    """The numbers of one world, without an axis of worlds.

    Args:
        params: of one world or of several.
        world: which of several.
    """
    changes = {}
    for field in dataclasses.fields(params):
        axes, value = field.metadata.get("axes"), getattr(params, field.name)
        if axes is not None and np.ndim(value) > len(axes):
            changes[field.name] = value[..., min(world, np.shape(value)[-1] - 1)]
    return params.replace(**changes)


def for_other_worlds(params: Any, n_worlds: int, n: int) -> Any:
    """Numbers of which some have a value for each of `n_worlds` worlds, for n worlds: each value as often as any other.

    Args:
        params: the numbers, of one world or of `n_worlds`.
        n_worlds: W.
        n: how many worlds there are to be.
    Returns:
        Numbers for n worlds; of one world unchanged.
    """
    swept = {f.name: f.metadata["axes"] for f in dataclasses.fields(params) if f.metadata.get("axes") is not None}
    if n_worlds == n or not any(np.ndim(getattr(params, name)) > len(axes) for name, axes in swept.items()):
        return params
    return params_of_worlds(world_params(params), jnp.arange(n) % n_worlds, n_worlds)


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


def check_params(params: Any, env: Any = None, given: Iterable[str] = ()) -> Any:
    """Refuse numbers that cannot be: beyond what their fields accept, or in contradiction to sizes and switches.

    Args:
        params: an environment's, or any struct of finite numbers; leaves that are being traced are not looked at.
        env: whose sizes and switches the numbers are for, if they are known. Numbers away from their defaults that have no
            effect under the switches are warned of.
        given: names of numbers that somebody set, to their defaults perhaps: warned of likewise.
    Returns:
        `params`, unchanged.
    Raises:
        ValueError: names each such number, its value and unit, and what is accepted.
    """
    fields = _numbers(type(params))
    known = {name: x for name in fields if not isinstance(x := getattr(params, name), jax.core.Tracer)}
    bad = _faults(fields, known)
    counts = {f.name: f for f in dataclasses.fields(params) if "count_of" in f.metadata}
    bad += _not_finite({name: value for name, value in vars(params).items() if name not in {*fields, *counts}})
    bad += _miscounted(counts, vars(params), env)
    if not bad and env is not None:
        bad += _misshapen(fields, known, env)
    if not bad:
        bad += _unordered(fields, known)
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(params))
        bad += [] if env is None or traced else env.contradictions(params)
    if bad:
        raise ValueError(f"bad {type(params).__qualname__}{f' of {env.id}' if env else ''}: {', '.join(bad)}")
    idle = {} if env is None else without_effect(env, params)
    for name, switches in idle.items():
        if name in given or (name in known and np.any(np.asarray(known[name]) != fields[name].default)):
            warnings.warn(f"{env.id}: {name} has no effect while {switches}", stacklevel=3)
    return params


def check_numbers(params_cls: type, values: Mapping[str, Any]) -> None:
    """Refuse numbers by themselves, before there are parameters of them.

    Args:
        params_cls: a class of numbers.
        values: some of its numbers and data by name; data are not looked at.
    Raises:
        ValueError: names each number that its field does not accept, its value and unit, and what is accepted.
    """
    if bad := _faults(_numbers(params_cls), values):
        raise ValueError(f"bad {params_cls.__qualname__}: {', '.join(bad)}")


def _numbers(params_cls: type) -> dict[str, Any]:
    """The fields of a class that `number` made, by name."""
    return {field.name: field for field in dataclasses.fields(params_cls) if "limits" in field.metadata}


def _faults(fields: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """What is wrong with numbers, each in itself."""
    return [words for name, x in values.items() if name in fields and (words := fault(fields[name], x))]


def _not_finite(others: Mapping[str, Any]) -> list[str]:
    """What is not finite, or no number at all, of fields that declare no limits: data, and what is no environment's."""
    bad = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(others):
        if isinstance(leaf, jax.core.Tracer):
            continue
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        try:
            if not np.all(np.isfinite(np.asarray(leaf, float))):
                bad.append(f"{name} = {leaf} (must be finite)")
        except (TypeError, ValueError):
            bad.append(f"{name} = {leaf!r} (must be a number)")
    return bad


def _misshapen(fields: Mapping[str, Any], values: Mapping[str, Any], env: Any) -> list[str]:
    """Numbers given for another count of entities than the environment has."""
    bad = []
    for name, value in values.items():
        axes = fields[name].metadata["axes"]
        counts = tuple(getattr(env, f"n_{axis}s", getattr(env, f"n_{axis}", None)) for axis in axes)
        shape = np.shape(value)
        entities = shape[: len(axes)] if len(shape) >= len(axes) else ()
        fits = all(n in (1, count) or count is None for n, count in zip(entities, counts, strict=bool(entities)))
        if len(shape) > len(axes) + 1 or not fits:
            each = "".join(f", one per {axis} ({n})" for axis, n in zip(axes, counts, strict=True))
            sweep = ", ".join([*("1" for _ in axes), "worlds"])
            bad.append(f"{name} has the shape {shape} (must be one number{each}, or over worlds ({sweep}))")
    return bad


def _miscounted(fields: Mapping[str, Any], values: Mapping[str, Any], env: Any) -> list[str]:
    """Counts of fewer entities than one, of more than there are in an environment if it is known, or of parts of them."""
    bad = []
    for field in fields.values():
        value, most = values[field.name], getattr(env, field.metadata["count_of"], MOST)
        if value is None or isinstance(value, jax.core.Tracer):
            continue
        numbers = np.asarray(value)
        if numbers.dtype.kind not in "iufV" or numbers.ndim > 1:
            bad.append(f"{field.name} = {value!r} (must be {accepted(field)}, or one for each world)")
            continue
        wrong = ~((numbers >= 1) & (numbers <= most) & (numbers == np.round(numbers)))
        if np.any(wrong):
            bad.append(
                f"{said(field, numbers, wrong)} (must be {accepted(field)}{'' if env is None else f' = {most}'})"
            )
    return bad


def _unordered(fields: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Numbers that exceed another one which they may not."""
    bad = []
    for name, field in fields.items():
        for kind, words in (("up_to", "at most"), ("below", "below")):
            other = field.metadata[kind]
            if other is None or name not in values or other not in values:
                continue
            low, high = (world_leaf(fields[n], values[n]) for n in (name, other))
            wrong = low > high if kind == "up_to" else low >= high
            if np.any(wrong):
                low, high, wrong = np.broadcast_arrays(low, high, wrong)
                if wrong.ndim and wrong.shape[-1] == 1:  # all worlds alike
                    low, high, wrong = low[..., 0], high[..., 0], wrong[..., 0]
                limit = said(fields[other], high, wrong)
                bad.append(f"{said(field, low, wrong)} (must be {words} {limit})")
    return bad


def check_sizes(env: Any) -> None:
    """Refuse bad sizes and switches of an environment, as its `size` and `switch` fields declare them.

    Args:
        env: a frozen dataclass with an `id`.
    Raises:
        ValueError: names the first such field, and what is accepted.
    """
    for field in dataclasses.fields(env):
        value, choices, least = getattr(env, field.name), choices_of(field), field.metadata.get("at_least")
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if least is not None and not (whole and least <= value <= MOST):
            limit = f"most {MOST}" if whole and value > MOST else f"least {least}"
            raise ValueError(f"{env.id}: {field.name} must be a whole number of at {limit}, not {value!r}")
        if choices and not any(
            value is choice or (type(value) is type(choice) and value == choice) for choice in choices
        ):
            raise ValueError(f"{env.id}: {field.name} must be one of {', '.join(map(str, choices))}, not {value!r}")


def without_effect(env: Any, params: Any) -> dict[str, str]:
    """Numbers that matter only under other switches than an environment's.

    Args:
        env: with its sizes and switches.
        params: its numbers.
    Returns:
        Name to the switches as they are, in words.
    """
    idle = {}
    for field in dataclasses.fields(params):
        only = field.metadata.get("only") or {}
        now = {switch: getattr(env, switch) for switch in only if hasattr(env, switch)}
        if now and not any(_matters(field.name, choice, type(params), only[switch]) for switch, choice in now.items()):
            idle[field.name] = ", ".join(f"{switch}={choice!r}" for switch, choice in now.items())
    return idle


def _matters(name: str, choice: Any, params_cls: type, when: Any) -> bool:
    return bool(when(name, choice, params_cls)) if callable(when) else choice in when
