"""What a run is made from, as `config.json` and `params.npz` of its folder hold it."""

import dataclasses
import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvec.core.files import replacing, write_json
from jaxvec.core.version import __version__
from jaxvec.learners.base import Learner
from jaxvec.training.custom import class_path, networks_record

FORMAT = 2
MAY_DIFFER = ("versions", "device", "train.num_updates", "learner.custom")  # between a run and its resumption


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
        "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "distrax", "numpy")}
        | {"jaxvec": __version__, "python": platform.python_version()},
        "device": {
            "kind": jax.devices()[0].device_kind,
            "platform": jax.default_backend(),
            "count": jax.device_count(),
        },
    }


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


def read_config(path: Path) -> dict[str, Any]:
    """`config.json` of a run folder.

    Raises:
        ConfigError: there is none, it cannot be read, or another version of jaxvec wrote it in another format.
    """
    file = path / "config.json"
    try:
        config = json.loads(file.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: not a run folder: no config.json in it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("versions"), dict):
        raise ConfigError(f"{file}: not the configuration of a run")
    if config.get("format") != FORMAT:
        writer = config["versions"].get("jaxvec", "unknown")
        raise ConfigError(
            f"{file}: written by jaxvec {writer} in format {config.get('format')}; "
            f"jaxvec {__version__} reads format {FORMAT}"
        )
    return config


def write_config(path: Path, config: Mapping[str, Any], params: Any) -> None:
    """`config.json`, and the parameters' leaves in full in `params.npz`."""
    path.mkdir(parents=True, exist_ok=True)
    with replacing(path / "params.npz") as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = {name: np.asarray(leaf) for name, leaf in leaves(params).items()}
        np.savez_compressed(file, **arrays)
    write_json(path / "config.json", config)


def read_params(path: Path, template: Any) -> Any:
    """The parameters of a run, in the structure of the environment's own."""
    file = path / "params.npz"
    try:
        with np.load(file) as stored:
            values = dict(stored)
        flat, structure = jax.tree_util.tree_flatten_with_path(template)
        names = [jax.tree_util.keystr(at, simple=True, separator=".") for at, _ in flat]
        return jax.tree.unflatten(structure, [v if v.ndim else v.item() for v in map(values.__getitem__, names)])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{file}: cannot be read as the run's parameters: {error}") from None
