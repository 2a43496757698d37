"""Arrays in npz files: whole or absent, of a known version, with a header in JSON, and refused with a reason when damaged."""

import hashlib
import json
import math
import os
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxvec.core.files import replacing

MOST_BYTES = 1 << 32  # of a file's entries together: several times the largest of ours
MOST_INFLATED = 1032  # bytes that one of deflate gives at most


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

    What the entries declare of their sizes is read before memory is spent on any of them.

    Args:
        path: the file.
        names: of the entries.
        version: the only one that can be read.
        what: what the file should hold, for the message.
    Raises:
        RecordError: the file is no npz, lacks an entry, declares other sizes than it has or more than `MOST_BYTES`, or is of
            another version; the message names it.
        OSError: the file cannot be opened.
    """
    wanted = ["format", "header", *names]
    with Path(path).open("rb") as file:
        try:
            npz = zipfile.ZipFile(file)
            present = set(npz.namelist())
        except Exception as error:  # zipfile raises half a dozen kinds for bytes that are no zip
            raise RecordError(f"{path}: not an npz file") from error
        missing = [name for name in wanted if f"{name}.npy" not in present]
        if missing:
            raise RecordError(f"{path}: no entry {missing[0]!r}; is this {what}?")
        with npz:
            n_bytes = sum(_of_entry(path, npz, name, _declared_bytes) for name in wanted)
            if n_bytes > MOST_BYTES:
                raise RecordError(f"{path}: entries of {n_bytes:,} bytes, more than {MOST_BYTES:,}; is this {what}?")
            entries = {name: _of_entry(path, npz, name, _array) for name in wanted}
    written = entries["format"]
    if written.shape != () or written.dtype.kind not in "iu" or written != version:
        raise RecordError(f"{path}: format is {written}, but only {version} can be read")
    return entries


def _of_entry(path: str | os.PathLike[str], npz: zipfile.ZipFile, name: str, read: Callable[..., Any]) -> Any:
    """What `read` makes of an entry, or an error that names it."""
    try:
        info = npz.getinfo(f"{name}.npy")
        with npz.open(info) as entry:
            return read(info, entry)
    except Exception as error:  # numpy, zipfile and zlib raise a dozen kinds
        raise RecordError(f"{path}: entry {name!r} cannot be read: {error}") from error


def _declared_bytes(info: zipfile.ZipInfo, entry: IO[bytes]) -> int:
    """Bytes of an entry's array by its header, if that agrees with the size of the entry, and that with what is stored of it.

    Raises:
        ValueError: they disagree, or the header is none.
    """
    version = np.lib.format.read_magic(entry)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"its layout is of version {version}")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(entry)
    if dtype.hasobject:
        raise ValueError(f"{dtype} holds objects")
    n_bytes, stored = dtype.itemsize * math.prod(shape), info.file_size - entry.tell()
    if min(shape, default=0) < 0 or n_bytes != stored:
        raise ValueError(f"{shape} of {dtype} take {n_bytes:,} bytes, but {stored:,} are there")
    if info.file_size > MOST_INFLATED * (info.compress_size + 1):
        raise ValueError(f"{info.compress_size:,} bytes cannot hold {info.file_size:,}")
    return n_bytes


def _array(_: zipfile.ZipInfo, entry: IO[bytes]) -> np.ndarray:
    return np.asarray(np.lib.format.read_array(entry, allow_pickle=False))


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
    check: Callable[[str, dict[str, np.ndarray], dict[str, Any]], None],
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
        check: of the file's name, arrays and header from it: raises a RecordError, KeyError, TypeError or ValueError where they
            are not such as `make` returns.
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
            arrays = {name: entries[name] for name in names}
            try:
                check(str(path), arrays, header)
            except (KeyError, TypeError) as error:
                raise RecordError(f"{path}: the header is not that of a cache of {kind}: {error!r}") from error
            return arrays, header
        except ValueError as error:  # of which a RecordError is one
            warnings.warn(f"{error}; it is made again", stacklevel=3)
    arrays, header = make()
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_npz(path, version, header | {"key": digest}, arrays)
    return arrays, json.loads(json.dumps(header))
