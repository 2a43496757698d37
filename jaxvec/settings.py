"""`name=value` settings from a command line: found by name among an environment's and a learner's fields."""

import ast
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jaxvec import learners
from jaxvec.core.environment import Environment
from jaxvec.core.errors import suggest
from jaxvec.core.make import ENVIRONMENTS, make
from jaxvec.core.params import check_params, for_other_worlds
from jaxvec.learners.base import Learner
from jaxvec.training.driver import scheduled

PARTS = ("env", "params", "learner", "hyper")


class Setup(NamedTuple):
    """An environment, its parameters, a learner on it and its hyper-parameters."""

    env: Environment
    params: Any
    learner: Learner
    hyper: Any


def fields_of(struct: Any) -> dict[str, Any]:
    """Field name -> default, of those that can be set."""
    return {field.name: field.default for field in dataclasses.fields(struct)}


def known(env_id: str, learner: str) -> dict[str, dict[str, Any]]:
    """All names that can be set, per part, with their defaults."""
    probe = learners.make(learner, ENVIRONMENTS[env_id]())
    return {
        "env": {"world": None, **fields_of(ENVIRONMENTS[env_id])},
        "params": fields_of(ENVIRONMENTS[env_id].params_cls),
        "learner": fields_of(type(probe.settings)),
        "hyper": fields_of(type(probe.hyper)),
    }


def parse(pairs: Iterable[str], names: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """`name=value` pairs, sorted into parts. A name that several parts have is written `part.name`.

    Raises:
        ValueError: not a pair, an unknown or ambiguous name (with the candidates), one that is there twice, or a value of the
            wrong kind.
    """
    found: dict[str, dict[str, Any]] = {part: {} for part in names}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"--set takes name=value, not {pair!r}")
        part, dot, short = name.partition(".")
        candidates = [part] if dot and part in names and short in names[part] else []
        if not candidates:
            short, candidates = name, [part for part, fields in names.items() if name in fields]
        if not candidates:
            raise ValueError(suggest("setting", name, {field for fields in names.values() for field in fields}))
        if len(candidates) > 1:
            raise ValueError(f"setting {name!r} is ambiguous: {', '.join(f'{part}.{name}' for part in candidates)}")
        if short in found[candidates[0]]:
            raise ValueError(f"setting {name!r} is given twice; give it once")
        found[candidates[0]][short] = _value(name, text, names[candidates[0]][short])
    return found


def _value(name: str, text: str, default: Any) -> Any:
    """The text as a value of the default's kind."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # {[]: 1}, say, or too deep a nest
        value = {"true": True, "false": False, "none": None}.get(text.lower(), text)
    if isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(default, bool) and isinstance(value, bool)
    elif isinstance(default, float):
        fits = isinstance(value, int | float | tuple | list)
        value = float(value) if isinstance(value, int) else value
    elif isinstance(default, int):
        fits = isinstance(value, int)
    elif isinstance(default, tuple):
        value = tuple(value) if isinstance(value, tuple | list) else (value,)
        fits = all(isinstance(x, type(default[0])) for x in value) if default else True
    elif isinstance(default, str):
        value, fits = text, True
    else:
        fits = True
    if not fits:
        raise ValueError(f"setting {name}: {text!r} is not of the kind of its default, {default!r}")
    return value


def params_of_batch(params: Any, world: Any, learner: Learner) -> Any:
    """Numbers of several worlds as those of all worlds in which a learner learns, each as often as any other.

    Args:
        params: as `make` gives them.
        world: as it was given to `make`; of a single one the numbers are those of all.
        learner: with `n_worlds` among its settings.
    """
    n = 1 if world is None else str(world).count(",") + 1
    n_worlds = getattr(learner.settings, "n_worlds", n)
    return for_other_worlds(params, n, n_worlds)


def setup(
    env_id: str, learner: str, pairs: Iterable[str], preset: str | None = None, *, num_updates: int, **settings: Any
) -> Setup:
    """Everything that a run is made from, from names and `name=value` pairs; `settings` are the learner's.

    Schedules last for `num_updates` unless a pair says otherwise.

    Raises:
        ValueError: an unknown environment, preset, learner or setting, or a bad value.
    """
    ENVIRONMENTS[env_id]
    found = parse(pairs, known(env_id, learner))
    for name in sorted(settings.keys() & found["learner"].keys()):
        raise ValueError(f"setting {name!r} is given twice, by --set and as {settings[name]!r} by an option of its own")
    env, params = make(env_id, preset=preset, **found["env"], **found["params"])
    made = learners.make(learner, env, **{**settings, **found["learner"]})
    params = params_of_batch(params, found["env"].get("world"), made)
    return Setup(env, params, made, check_params(scheduled(made.hyper, num_updates).replace(**found["hyper"])))
