"""What a run is made from, as `config.json` and `params.npz` of its folder hold it."""

import dataclasses
import hashlib
import json
import platform
import types
import typing
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvec.core import rng
from jaxvec.core.errors import suggest
from jaxvec.core.files import write_json
from jaxvec.core.limits import MOST
from jaxvec.core.npz import RecordError, read_npz, write_npz
from jaxvec.core.version import __version__
from jaxvec.learners.base import Learner
from jaxvec.training.custom import class_path, networks_record

FORMAT = 3  # of every file of a run folder: config.json, params.npz, each line of metrics.jsonl, each checkpoint
MAY_DIFFER = ("versions", "device", "train.num_updates", "learner.custom")  # between a run and its resumption

CONTENTS: dict[str, dict[str, type]] = {  # what a configuration must have, and its kinds
    "env": {"id": str, "class": str, "sizes": dict, "params": dict},
    "learner": {"name": str, "settings": dict, "hyper": dict, "custom": dict},
    "train": {"key": list, "impl": str, "num_updates": int, "num_seeds": int, "chunk": int},
}
WORDS: dict[type, str] = {str: "a text", dict: "an object", list: "a list", int: f"a whole number from 1 to {MOST}"}


class ConfigError(ValueError):
    """A run folder that cannot be used, or that was made by another configuration."""


def config_of(learner: Learner, params: Any, hyper: Any, key: jax.Array, **train: Any) -> dict[str, Any]:
    """What `config.json` holds; parameters that are arrays stand there by shape and digest, and in `params.npz`.

    Args:
        learner: what is trained.
        params: the environment's.
        hyper: the learner's hyper-parameters.
        key: of the training.
        train: of the driver: updates, seeds, chunk.
    """
    env: Any = learner.env
    rng.check_key(key)
    return {
        "format": FORMAT,
        "env": {
            "id": learner.env.id,
            "class": class_path(learner.env),
            "sizes": plain(dataclasses.asdict(env)),
            "params": {name: plain(leaf) for name, leaf in leaves(params).items()},
        },
        "learner": {
            "name": learner.name,
            "settings": plain(dataclasses.asdict(learner.settings)),
            "hyper": {name: plain(leaf) for name, leaf in leaves(hyper).items()},
            "custom": networks_record(learner, params),
        },
        "train": {"key": np.asarray(jax.random.key_data(key)).tolist(), "impl": str(jax.random.key_impl(key)), **train},
        "versions": _versions() | {"jaxvec": __version__, "python": platform.python_version()},
        "device": {
            "kind": jax.devices()[0].device_kind,
            "platform": jax.default_backend(),
            "count": jax.device_count(),
        },
    }


def _versions() -> dict[str, str | None]:
    """Of what numbers depend on; None: not installed, as distrax need not be."""
    versions: dict[str, str | None] = {}
    for name in ("jax", "jaxlib", "flax", "optax", "distrax", "numpy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def leaves(tree: Any) -> dict[str, Any]:
    """Leaves by dotted path."""
    flat = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in flat}


def plain(value: Any) -> Any:
    """What JSON can hold of a value: a large array by shape and digest."""
    if isinstance(value, dict):
        return {name: plain(x) for name, x in value.items()}
    if isinstance(value, tuple | list):
        return [plain(x) for x in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    array = np.asarray(value)
    if array.ndim == 0:
        return array.item()
    if array.size <= 64:
        return array.tolist()
    return {"shape": list(array.shape), "sha256": hashlib.sha256(array.tobytes()).hexdigest()}


def differences(mine: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the fields in which two configurations differ, with both values; those of `MAY_DIFFER` aside."""
    lines = []
    for name in sorted({*mine, *theirs}):
        if prefix + name in MAY_DIFFER:
            continue
        a, b = mine.get(name, "absent"), theirs.get(name, "absent")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            lines += differences(a, b, f"{prefix}{name}.")
        elif a != b:
            lines.append(f"{prefix}{name}: {a} here, {b} in the folder")
    return lines


def digest(config: Mapping[str, Any]) -> str:
    """Of what must not differ between a run and its resumption; each checkpoint carries it.

    Args:
        config: as `config_of` makes it, or as it is read.
    """
    kept = {}
    for section in ("env", "learner", "train"):
        kept[section] = {name: x for name, x in config[section].items() if f"{section}.{name}" not in MAY_DIFFER}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def check_format(where: Path, found: Any, writer: str = "another version of jaxvec") -> None:
    """Refuse what was written in another format.

    Args:
        where: file or folder, for the message.
        found: the format that it says it has.
        writer: who wrote it, as far as is known.
    Raises:
        ConfigError: it is not the one that is read here.
    """
    if found != FORMAT or isinstance(found, bool):
        raise ConfigError(
            f"{where}: written by {writer} in format {found!r}; jaxvec {__version__} reads format {FORMAT}"
        )


def read_config(path: Path) -> dict[str, Any]:
    """`config.json` of a run folder.

    Raises:
        ConfigError: there is none, it cannot be read, it lacks something, or another version of jaxvec wrote it in another
            format.
    """
    file = path / "config.json"
    try:
        config = json.loads(file.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{path}: not a run folder: no config.json in it") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("versions"), dict):
        raise ConfigError(f"{file}: not the configuration of a run")
    check_format(file, config.get("format"), f"jaxvec {config['versions'].get('jaxvec', 'unknown')}")
    for section, kinds in CONTENTS.items():
        found = config.get(section)
        for name, kind in kinds.items():
            value = found.get(name) if isinstance(found, dict) else None
            countable = not isinstance(value, int) or 1 <= value <= MOST
            if not isinstance(value, kind) or isinstance(value, bool) or not countable:
                raise ConfigError(f"{file}: {section}.{name} must be {WORDS[kind]}, not {value!r}")
    return config


def check_fields(part: str, recorded: Mapping[str, Any], struct: Any) -> None:
    """Refuse what is recorded of a struct if the struct has no such field, or has it of another kind.

    Args:
        part: of the configuration, for the message.
        recorded: as JSON holds it, by name.
        struct: a dataclass, or one of its objects.
    Raises:
        ConfigError: names the first such field, its value and what is accepted.
    """
    fields = {field.name: field for field in dataclasses.fields(struct)}
    for name, value in recorded.items():
        if name not in fields:
            raise ConfigError(suggest(f"field of {part}", name, fields))
        kinds = _kinds_of(fields[name].type)
        if kinds and not any(_is_of(kind, value) for kind in kinds):
            words = " or ".join(KINDS[typing.get_origin(kind) or kind] for kind in kinds)
            raise ConfigError(f"{part}.{name} must be {words}, not {value!r}")


KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number of 32 bits",
    float: "a number",
    str: "a text",
    tuple: "a list of what it holds by default",
    type(None): "null",
}


def _kinds_of(annotation: Any) -> tuple[Any, ...]:
    """The kinds of which an annotation is a choice; none of one that says something else, or is not evaluated."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    kinds = typing.get_args(annotation) if union else (annotation,)
    return kinds if all((typing.get_origin(kind) or kind) in KINDS for kind in kinds) else ()


def _is_of(kind: Any, value: Any) -> bool:
    """Whether a value, as JSON holds it, is of a kind."""
    if isinstance(value, list):
        inside = [kind for kind in typing.get_args(kind) if kind is not ...]
        return (typing.get_origin(kind) or kind) is tuple and all(
            not inside or any(_is_of(each, x) for each in inside) for x in value
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return kind is float or (kind is int and abs(value) <= MOST)
    return type(value) is kind


def write_config(path: Path, config: Mapping[str, Any], params: Any) -> None:
    """`config.json`, and the parameters' leaves in full in `params.npz`, into a folder that exists."""
    arrays = {f"params.{name}": np.asarray(leaf) for name, leaf in leaves(params).items()}
    write_npz(path / "params.npz", FORMAT, None, arrays)
    write_json(path / "config.json", config)


def read_params(path: Path, template: Any, recorded: Mapping[str, Any]) -> Any:
    """The parameters of a run, in the structure of the environment's own.

    Args:
        path: the run folder.
        template: parameters of the same environment.
        recorded: what `config.json` says of them.
    Raises:
        ConfigError: the file is missing, damaged, of another format, or not the one of which `config.json` speaks.
    """
    file = path / "params.npz"
    given = {name: 0 for name, x in vars(template).items() if x is None and name in recorded}  # nothing by default
    template = template.replace(**given)
    names = [f"params.{name}" for name in leaves(template)]
    try:
        entries = read_npz(file, names, FORMAT, "the parameters of a run")
    except (OSError, RecordError) as error:
        raise ConfigError(f"{file}: cannot be read as the run's parameters: {error}") from None
    values = [v if v.ndim else v.item() for v in map(entries.__getitem__, names)]
    params = jax.tree.unflatten(jax.tree.structure(template), values)
    if lines := differences({name: plain(leaf) for name, leaf in leaves(params).items()}, recorded):
        raise ConfigError(f"{file}: not the parameters of config.json: {'; '.join(lines)}")
    return params
