"""A run folder: `config.json` (everything to repeat it), `params.npz`, `metrics.jsonl`, `checkpoints/`."""

import dataclasses
import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from jaxvec import learners
from jaxvec.core.files import replacing, write_json
from jaxvec.core.make import ENVIRONMENTS
from jaxvec.core.rollout import Policy
from jaxvec.learners.base import Learner

FORMAT = 1
MAY_DIFFER = ("versions", "device", "train.num_updates")  # between a run and its resumption


class ConfigError(ValueError):
    """A run folder that cannot be used, or that was made by another configuration."""


def config_of(learner: Learner, params: Any, hyper: Any, key: jax.Array, **train: Any) -> dict[str, Any]:
    """What `config.json` holds; parameters that are arrays stand there by shape and digest, and in `params.npz`."""
    return {
        "format": FORMAT,
        "env": {
            "id": learner.env.id,
            "sizes": dataclasses.asdict(learner.env),  # type: ignore[call-overload]
            "params": {name: plain(leaf) for name, leaf in leaves(params).items()},
        },
        "learner": {
            "name": learner.name,
            "settings": plain(dataclasses.asdict(learner.settings)),
            "hyper": {name: plain(leaf) for name, leaf in leaves(hyper).items()},
        },
        "train": {"key": np.asarray(jax.random.key_data(key)).tolist(), "impl": str(jax.random.key_impl(key)), **train},
        "versions": {name: version(name) for name in ("jaxvec", "jax", "jaxlib", "flax", "optax", "distrax", "numpy")}
        | {"python": platform.python_version()},
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
    found = []
    for name in sorted({*mine, *theirs}):
        if prefix + name in MAY_DIFFER:
            continue
        a, b = mine.get(name, "absent"), theirs.get(name, "absent")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, f"{prefix}{name}.")
        elif a != b:
            found.append(f"{prefix}{name}: {a} here, {b} in the folder")
    return found


class Run(NamedTuple):
    """A trained run, read back.

    Attributes:
        path: its folder.
        config: its `config.json`.
        learner, params, hyper: what it was made from.
        state: the learner's state of the last checkpoint; with several seeds every leaf has a leading axis.
        update: how many updates that state has seen.
    """

    path: Path
    config: dict[str, Any]
    learner: Learner
    params: Any
    hyper: Any
    state: Any
    update: int

    def policy(self, member: int = 0, greedy: bool = True) -> Policy:
        """The policy of one of the seeds."""
        return self.learner.policy(member_of(self.state, self.config["train"]["num_seeds"], member), greedy)


def member_of(state: Any, num_seeds: int, member: int) -> Any:
    """The state of one seed.

    Raises:
        ValueError: there is no such seed.
    """
    if not 0 <= member < num_seeds:
        raise ValueError(f"member {member} does not exist: the run has {num_seeds} (0 to {num_seeds - 1})")
    return state if num_seeds == 1 else jax.tree.map(lambda x: x[member], state)


def read_config(path: Path) -> dict[str, Any]:
    """`config.json` of a run folder.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    file = path / "config.json"
    try:
        config = json.loads(file.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: not a run folder: no config.json in it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ConfigError(f"{file}: made by another version of jaxvec: its format is not {FORMAT}")
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


def rebuild(path: Path) -> tuple[dict[str, Any], Learner, Any, Any, jax.Array]:
    """Configuration, learner, parameters, hyper-parameters and key of a run folder.

    Raises:
        ConfigError: the folder is not a run, or names what this version does not know.
    """
    config = read_config(path)
    try:
        env_config, settings = config["env"], config["learner"]["settings"]
        env = ENVIRONMENTS[env_config["id"]](**env_config["sizes"])
        settings = {name: tuple(x) if isinstance(x, list) else x for name, x in settings.items()}
        learner = learners.make(config["learner"]["name"], env, **settings)
        hyper = learner.hyper.replace(**config["learner"]["hyper"])
        words = jnp.asarray(config["train"]["key"], jnp.uint32)
        key = jax.random.wrap_key_data(words, impl=config["train"]["impl"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path / 'config.json'}: cannot be rebuilt: {error}") from None
    return config, learner, read_params(path, env.default_params()), hyper, key


class Checkpoints:
    """The last two states of a run, written whole or not at all (Orbax); keys are stored as their words, of generator `impl`."""

    def __init__(self, path: Path, impl: str):
        self._impl = impl
        options = ocp.CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager((path / "checkpoints").absolute(), options=options)

    @property
    def latest(self) -> int | None:
        """The update of the newest state, None if there is none."""
        return self._manager.latest_step()

    def save(self, update: int, state: Any) -> None:
        """Write the state after so many updates."""
        self._manager.save(update, args=ocp.args.StandardSave(_without_keys(state)))

    def restore(self, template: Any) -> Any:
        """The newest state; `template` has its structure, shapes and types.

        Raises:
            ConfigError: there is none, or it has other shapes.
        """
        if self.latest is None:
            raise ConfigError(f"{self._manager.directory}: no checkpoint in it")
        shapes = jax.eval_shape(_without_keys, template)
        try:
            stored = self._manager.restore(self.latest, args=ocp.args.StandardRestore(shapes))
        except (ValueError, KeyError, OSError, FileNotFoundError) as error:
            raise ConfigError(
                f"{self._manager.directory}: checkpoint {self.latest} cannot be restored: {error}"
            ) from None
        with_key = lambda t, x: jax.random.wrap_key_data(x, impl=self._impl) if _is_key(t) else x  # noqa: E731
        return jax.tree.map(with_key, template, stored)

    def close(self) -> None:
        """Release the folder."""
        self._manager.close()


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array | jax.ShapeDtypeStruct) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _without_keys(state: Any) -> Any:
    return jax.tree.map(lambda x: jax.random.key_data(x) if _is_key(x) else x, state)


def load_run(path: str | Path) -> Run:
    """A run folder, with the state of its last checkpoint.

    Raises:
        ConfigError: it is not a run folder, or its files do not fit each other; the message says which and why.
    """
    path = Path(path)
    config, learner, params, hyper, key = rebuild(path)
    template = jax.eval_shape(lambda: init_seeds(learner, params, hyper, key, config["train"]["num_seeds"]))
    checkpoints = Checkpoints(path, config["train"]["impl"])
    try:
        return Run(path, config, learner, params, hyper, checkpoints.restore(template), checkpoints.latest or 0)
    finally:
        checkpoints.close()


def init_seeds(learner: Learner, params: Any, hyper: Any, key: jax.Array, num_seeds: int) -> Any:
    """Fresh states: one, or several with a leading axis of seeds."""
    if num_seeds == 1:
        return learner.init(key, params, hyper)
    return jax.vmap(lambda k: learner.init(k, params, hyper))(jax.random.split(key, num_seeds))


def read_metrics(path: str | Path) -> dict[str, np.ndarray]:
    """`metrics.jsonl` of a run: per name `(updates,)`, or `(updates, seeds)` for several seeds."""
    with (Path(path) / "metrics.jsonl").open() as file:
        rows = [json.loads(line) for line in file]
    names = list(rows[0]) if rows else []
    return {name: np.asarray([row[name] for row in rows]) for name in names}
