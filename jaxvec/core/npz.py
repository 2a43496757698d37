"""Arrays in npz files: whole or absent, of a known version, with a header in JSON, and refused with a reason when damaged."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.core.files import replacing


class RecordError(ValueError):
    """A record, or a file that should hold one, is unusable; the message says where and why."""


def write_npz(
    path: str | os.PathLike[str], version: int, header: Mapping[str, Any] | None, arrays: Mapping[str, Any]
) -> None:
    """Writes arrays to a compressed npz file, in one move: the path holds the old file or the whole new one.

    Args:
        path: the file, named exactly so.
        version: of the layout.
        header: what JSON can hold.
        arrays: by name.
    Raises:
        TypeError: JSON cannot hold the header.
        OSError: the file cannot be written.
    """
    text = json.dumps(dict(header or {}), sort_keys=True)
    with replacing(Path(path)) as part, part.open("wb") as file:
        entries: dict[str, Any] = {"format": np.int32(version), "header": np.str_(text), **arrays}
        np.savez_compressed(file, **entries)


def read_npz(path: str | os.PathLike[str], names: Iterable[str], version: int, what: str) -> dict[str, np.ndarray]:
    """Entries of a file that `write_npz` wrote, by name, unchecked but for the version.

    Args:
        path: the file.
        names: of the entries.
        version: the only one that can be read.
        what: what the file should hold, for the message.
    Raises:
        RecordError: the file is no npz, lacks an entry, or is of another version; the message names it.
        OSError: the file cannot be opened.
    """
    with Path(path).open("rb") as file:
        try:
            npz = np.load(file, allow_pickle=False)
            present = set(npz.files)
        except Exception as error:  # numpy and zipfile raise a dozen kinds for bytes that are no npz
            raise RecordError(f"{path}: not an npz file") from error
        wanted = ["format", "header", *names]
        missing = [name for name in wanted if name not in present]
        if missing:
            raise RecordError(f"{path}: no entry {missing[0]!r}; is this {what}?")
        entries = {}
        for name in wanted:
            try:
                entries[name] = np.asarray(npz[name])
            except Exception as error:  # as above, for one entry
                raise RecordError(f"{path}: entry {name!r} cannot be read: {error}") from error
    written = entries["format"]
    if written.shape != () or written.dtype.kind not in "iu" or written != version:
        raise RecordError(f"{path}: format is {written}, but only {version} can be read")
    return entries


def header_of(entries: Mapping[str, np.ndarray], path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header among the entries of a file.

    Args:
        entries: as `read_npz` returns them.
        path: of the file, for the message.
    Raises:
        RecordError: it is not a JSON object.
    """
    try:
        header = json.loads(str(entries["header"]))
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: the header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise RecordError(f"{path}: the header is not a JSON object")
    return header


def check_arrays(
    where: str, arrays: Mapping[str, np.ndarray], dtypes: Mapping[str, Any], shapes: Mapping[str, Any], because: str
) -> None:
    """Refuses arrays of a wrong dtype or shape, or with numbers that are not finite.

    Args:
        where: what to call the record, such as a file name.
        arrays: by name.
        dtypes: by name, those they must have.
        shapes: by name, those they must have.
        because: what asks for these shapes, to end a message with.
    Raises:
        RecordError: names the first such array, and the entry that is not finite.
    """
    for name, array in arrays.items():
        if array.dtype != dtypes[name]:
            raise RecordError(f"{where}: {name} is {array.dtype}, not {np.dtype(dtypes[name])}")
        if array.shape != shapes[name]:
            raise RecordError(f"{where}: {name} has shape {array.shape}, not {shapes[name]}{because}")
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            index = tuple(int(i) for i in bad[0])
            raise RecordError(f"{where}: {name}{list(index) or ''} is {array[index]}, not a finite number")


def remembered(
    folder: str | os.PathLike[str] | None,
    kind: str,
    version: int,
    files: Sequence[Path],
    arguments: Mapping[str, Any],
    names: Iterable[str],
    make: Callable[[], tuple[dict[str, np.ndarray], dict[str, Any]]],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and header that `make` returned before for the same files and arguments, or now.

    A file is the same if its path, size and time of change are. What is in the folder but damaged is made again, with a warning.

    Args:
        folder: where to keep them; made if need be. None to make them anew.
        kind: begins the name of the file, whose rest says files and arguments.
        version: of the layout.
        files: that `make` reads.
        arguments: on which its result depends, as JSON can hold them.
        names: of the arrays.
        make: arrays by name, and a header that JSON can hold.
    Returns:
        What `make` returns.
    Raises:
        OSError: the folder or a file cannot be read or written.
    """
    if folder is None:
        return make()
    stats = [(str(file.resolve()), file.stat()) for file in files]
    key = [kind, version, [(name, s.st_size, s.st_mtime_ns) for name, s in stats], dict(arguments)]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    path = Path(folder) / f"{kind}-{digest[:16]}.npz"
    if path.exists():
        try:
            names = tuple(names)
            entries = read_npz(path, names, version, f"a cache of {kind}")
            header = header_of(entries, path)
            if header.pop("key", None) != digest:
                raise RecordError(f"{path}: it is of other files or arguments")
            return {name: entries[name] for name in names}, header
        except RecordError as error:
            warnings.warn(f"{error}; it is made again", stacklevel=3)
    arrays, header = make()
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_npz(path, version, header | {"key": digest}, arrays)
    return arrays, json.loads(json.dumps(header))
