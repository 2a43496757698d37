"""Checkpoints of a learner's state, by Orbax: they depend on no device, know their configuration, and are checked when read."""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from jaxvec.training.config import FORMAT, ConfigError, check_format

KEPT = 2  # checkpoints, so that there is another where the newest is damaged


class Restored(NamedTuple):
    """A state that was kept.

    Attributes:
        update: how many updates it has seen.
        state: arrays on the device of here.
        damaged: in words, the newer checkpoints that cannot be read; empty if it is the newest.
    """

    update: int
    state: Any
    damaged: str


class _DamagedError(Exception):
    """A checkpoint that cannot be read, or that holds something else than was written."""


class Checkpoints:
    """The last states of a run, each a folder that is written whole or not at all.

    A state is kept as the bytes of its leaves in a row, keys as their words: one array, as with each array that Orbax writes
    TensorStore loses a little memory for ever, 30 kB with each checkpoint of a hundred. Beside it stands a record with the
    format, the digest of the run's configuration, kind and shape of every leaf, and the digests of all of it, by which damage
    is seen.

    Args:
        path: the run folder.
        impl: generator of the keys.
        config_digest: of the run's configuration, see `jaxvec.training.config.digest`.
    """

    def __init__(self, path: Path, impl: str, config_digest: str):
        self.path = (path / "checkpoints").absolute()
        self._impl, self._config = impl, config_digest
        alone = ocp.options.MultiprocessingOptions(
            primary_host=jax.process_index(), active_processes={jax.process_index()}
        )  # of several processes one writes, and each reads for itself
        options = ocp.CompositeOptions(multiprocessing_options=alone)
        handler = ocp.CompositeCheckpointHandler(composite_options=options)
        self._orbax = ocp.Checkpointer(handler, multiprocessing_options=alone)

    def updates(self) -> list[int]:
        """After how many updates there are checkpoints, damaged ones too; the newest first."""
        names = [p.name for p in self.path.iterdir()] if self.path.is_dir() else []
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def save(self, update: int, state: Any) -> None:
        """Write the state after so many updates; only it and the one before are kept.

        Args:
            update: how many updates it has seen.
            state: of the learner.
        """
        arrays = {name: np.asarray(leaf) for name, leaf in _named(_without_keys(state)).items()}
        content = b"".join(arrays[name].tobytes() for name in sorted(arrays))
        record = {"format": FORMAT, "config": self._config, "update": update, "leaves": _kinds(arrays)}
        record |= {"state": hashlib.sha256(content).hexdigest()}
        record |= {"digest": _digest(record)}
        parts = {
            "state": ocp.args.PyTreeSave({"bytes": np.frombuffer(content, np.uint8)}),
            "record": ocp.args.JsonSave(record),
        }
        self.path.mkdir(exist_ok=True)
        self._orbax.save(self.path / str(update), args=ocp.args.Composite(**parts), force=True)
        before = [u for u in self.updates() if u < update]
        for old in set(self.updates()) - {update, *before[: KEPT - 1]}:  # those above are damaged, or of a time undone
            shutil.rmtree(self.path / str(old), ignore_errors=True)

    def clean(self) -> None:
        """Remove what a kill left half written; only for who holds the lock of the folder."""
        for part in self.path.glob("*orbax-checkpoint-tmp*"):
            shutil.rmtree(part, ignore_errors=True)

    def restore(self, template: Any) -> Restored:
        """The newest state that can be read, on the device where fresh arrays are made here, whichever it was saved on.

        Args:
            template: of its structure, shapes and types.
        Raises:
            ConfigError: there is none, none can be read, or it is of another format, configuration, or of other shapes or types.
        """
        damaged: list[str] = []
        for update in self.updates():
            try:
                state = self._read(update, template)
            except _DamagedError as error:
                damaged.append(f"checkpoint {update} is damaged ({error})")
                continue
            words = f"{self.path}: {'; '.join(damaged)}; checkpoint {update} is used" if damaged else ""
            return Restored(update, state, words)
        raise ConfigError(f"{self.path}: {'; '.join(damaged) or 'no checkpoint in it'}")

    def _read(self, update: int, template: Any) -> Any:
        """The state of one checkpoint.

        Raises:
            _DamagedError: it cannot be read.
            ConfigError: it is whole, but not of this run.
        """
        folder, record = self.path / str(update), self._record(update)
        check_format(folder, record["format"])
        if record["config"] != self._config:
            raise ConfigError(f"{folder}: it is of another configuration than config.json")
        expected = _kinds(_named(jax.eval_shape(_without_keys, template)))
        for name in sorted({*expected, *record["leaves"]}):
            here, there = expected.get(name, "absent"), record["leaves"].get(name, "absent")
            if here != there:
                why = "; was it saved under another JAX_ENABLE_X64?" if "64[" in here + there else ""
                raise ConfigError(f"{folder}: {name} is {there}, but {here} here{why}")
        content = self._bytes(update)
        if hashlib.sha256(content.tobytes()).hexdigest() != record["state"]:
            raise _DamagedError("its numbers are not those that were written")
        arrays, start = {}, 0
        for name in sorted(expected):
            dtype, shape = _parsed(expected[name])
            end = start + dtype.itemsize * math.prod(shape)
            arrays[name] = jnp.array(content[start:end].view(dtype).reshape(shape))
            start = end

        def with_keys(path: Any, like: Any) -> jax.Array:
            array = arrays[jax.tree_util.keystr(path)]
            return jax.random.wrap_key_data(array, impl=self._impl) if _is_key(like) else array

        return jax.tree_util.tree_map_with_path(with_keys, template)

    def _record(self, update: int) -> dict[str, Any]:
        """What a checkpoint says of itself, with its own digest checked."""
        try:
            wanted = ocp.args.Composite(record=ocp.args.JsonRestore())
            record = dict(self._orbax.restore(self.path / str(update), args=wanted)["record"])
            told = record.pop("digest")
        except Exception as error:  # Orbax raises many kinds for files that are missing, cut or changed
            raise _DamagedError(f"its record cannot be read: {type(error).__name__}") from error
        kinds = {"format": int, "config": str, "update": int, "leaves": dict, "state": str}
        whole = record.keys() == kinds.keys() and all(type(record[name]) is kind for name, kind in kinds.items())
        whole = whole and all(isinstance(x, str) for x in record["leaves"].values())
        if not whole or told != _digest(record) or record["update"] != update:
            raise _DamagedError("its record is not the one that was written")
        return record

    def _bytes(self, update: int) -> np.ndarray:
        """All leaves of a checkpoint, one after the other, sorted by name."""
        args = ocp.args.PyTreeRestore(
            item={"bytes": 0}, restore_args={"bytes": ocp.RestoreArgs(restore_type=np.ndarray)}
        )
        try:
            found = self._orbax.restore(self.path / str(update), args=ocp.args.Composite(state=args))["state"]["bytes"]
        except Exception as error:  # as above
            raise _DamagedError(f"its arrays cannot be read: {type(error).__name__}") from error
        return np.ascontiguousarray(found)


def _named(state: Any) -> dict[str, Any]:
    """Leaves by their paths, which are as different as they are."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state)}


def _parsed(kind: str) -> tuple[np.dtype, tuple[int, ...]]:
    """ "float32[2,3]" as (float32, (2, 3))."""
    dtype, _, shape = kind.rstrip("]").partition("[")
    return jnp.dtype(dtype), tuple(int(n) for n in shape.split(",") if n)


def _kinds(arrays: Mapping[str, Any]) -> dict[str, str]:
    """Type and shape of each, as "float32[2,3]"."""
    return {name: f"{x.dtype}[{','.join(map(str, x.shape))}]" for name, x in arrays.items()}


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array | jax.ShapeDtypeStruct) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _without_keys(state: Any) -> Any:
    return jax.tree.map(lambda x: jax.random.key_data(x) if _is_key(x) else x, state)
