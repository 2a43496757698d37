"""Files that are whole or absent: written to a temporary file in the same folder, which then takes the name."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffix; renamed onto it if the block succeeds, removed if not.

    Args:
        path: where the file shall be, in a folder that exists.
    Raises:
        OSError: the folder cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def target(path: str | os.PathLike[str], suffixes: Sequence[str], what: str = "picture") -> Path:
    """`path`, if a file of that kind can be written there.

    Args:
        path: of the file.
        suffixes: those allowed, in lower case with their dot.
        what: the kind of file, for the message.
    Raises:
        ValueError: the suffix is none of `suffixes`, or the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{path}: a {what}'s name must end in {', '.join(suffixes)}, not {path.suffix!r}")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")
    return path


def check_writable(path: Path) -> None:
    """Refuse a path at which no file can be, before anything is spent on what shall stand in it.

    Args:
        path: of the file; folders above it may be missing.
    Raises:
        ValueError: it is a folder, or something above it is none.
    """
    if path.is_dir():
        raise ValueError(f"{path}: is a folder, not a file")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise ValueError(f"{path}: {above} is no folder")


def write_text(path: Path, text: str) -> None:
    """Writes a text, in one move.

    Args:
        path: of the file.
        text: all of it.
    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON, in one move.

    Args:
        path: of the file.
        value: what JSON can hold.
    Raises:
        TypeError: JSON cannot hold it.
        ValueError: a number in it is not finite.
        OSError: the file cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
