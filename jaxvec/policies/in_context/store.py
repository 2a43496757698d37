"""Sets of cases as files: npz, written in one move, with a JSON header that says where the cases are from.

Arrays are those of `CaseSet`, of one set. The header is a `Library`'s `about`: whatever whoever collected the cases found worth
saying; `env` and `source` are always there.
"""

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxvec.policies.in_context.cases import GROWN, TEACHER, CaseSet
from jaxvec.traces.store import TraceError, check_arrays, header_of, read_npz, write_npz

FORMAT = 1
NAMES = tuple(field.name for field in fields(CaseSet))
DTYPES = dict.fromkeys(NAMES, np.float32) | {"tag": np.int32, "stamp": np.int32, "valid": np.bool_}
ALWAYS = ("env", "source")


class CasesError(ValueError):
    """A file of cases is unusable; the message says where and why."""


class Library(NamedTuple):
    """Cases, and where they are from.

    Attributes:
        about: `env`, the environment's id; `source`, who decided, in words; and more, as JSON can hold it.
    """

    cases: CaseSet
    about: Mapping[str, Any]


def write(path: str | os.PathLike[str], library: Library) -> None:
    """Write a library: the path holds the old file or the whole new one. Floats are kept as float32.

    Raises:
        CasesError: it would not be read again.
        TypeError: JSON cannot hold what it is about.
        OSError: the file cannot be written.
    """
    arrays = {name: np.asarray(getattr(library.cases, name)).astype(DTYPES[name]) for name in NAMES}
    _check(str(path), arrays, library.about)
    write_npz(path, FORMAT, library.about, arrays)


def read(path: str | os.PathLike[str]) -> Library:
    """Read a library.

    Raises:
        CasesError: it is no such file, or damaged; the message names what is wrong.
        OSError: the file cannot be opened.
    """
    try:
        entries = read_npz(path, NAMES, FORMAT, "a set of cases")
        about = header_of(entries, path)
    except TraceError as error:
        raise CasesError(str(error)) from error
    arrays = {name: entries[name] for name in NAMES}
    _check(str(path), arrays, about)
    return Library(CaseSet(**{name: jnp.asarray(x) for name, x in arrays.items()}), about)


def _check(where: str, arrays: dict[str, np.ndarray], about: Mapping[str, Any]) -> None:
    for name in ALWAYS:
        if not isinstance(about.get(name), str):
            raise CasesError(f"{where}: the header has no text {name!r}")
    rows, shared, action = (arrays[name].shape for name in ("rows", "shared", "action"))
    if (len(rows), len(shared), len(action)) != (3, 2, 3) or 0 in rows + action:
        raise CasesError(f"{where}: rows, shared and action have shapes {rows}, {shared} and {action}, of no cases")
    p, n, _ = rows
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(NAMES, (p,)) | dict.fromkeys(("reward", "advantage"), (p, n))
    shapes |= {"rows": rows, "shared": (p, shared[1]), "action": (p, n, action[2])}
    try:
        check_arrays(where, arrays, DTYPES, shapes, f", as {p} cases of {n} rows need")
    except TraceError as error:
        raise CasesError(str(error)) from error
    valid, tag, stamp = (arrays[name] for name in ("valid", "tag", "stamp"))
    if not set(np.unique(tag)) <= {TEACHER, GROWN}:
        raise CasesError(f"{where}: tags must be {TEACHER} or {GROWN}, not {np.unique(tag).tolist()}")
    if len(np.unique(stamp[valid])) < valid.sum() or np.any(stamp[valid] < 0):
        raise CasesError(f"{where}: the stamps of cases must differ, and be at least 0")
    low, high = (float(bound(arrays["action"])) for bound in (np.min, np.max))
    if low < 0 or high > 1:
        raise CasesError(f"{where}: actions must be in [0, 1], but go from {low:g} to {high:g}")
