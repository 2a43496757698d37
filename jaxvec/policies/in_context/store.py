"""Sets of cases, and trained weights, as files: npz, written in one move, with a JSON header that says where they are from.

Arrays of a set are those of `CaseSet`. The header is a `Library`'s `about`: whatever whoever collected the cases found worth
saying; `env` and `source` are always there. Weights are nested dicts of arrays, each named by its path ("params/Dense_0/bias").
"""

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxvec.core.npz import RecordError, check_arrays, header_of, read_npz, write_npz
from jaxvec.policies.in_context.cases import GROWN, TEACHER, CaseSet

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
    except RecordError as error:
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
    except RecordError as error:
        raise CasesError(str(error)) from error
    valid, tag, stamp = (arrays[name] for name in ("valid", "tag", "stamp"))
    if not set(np.unique(tag)) <= {TEACHER, GROWN}:
        raise CasesError(f"{where}: tags must be {TEACHER} or {GROWN}, not {np.unique(tag).tolist()}")
    if len(np.unique(stamp[valid])) < valid.sum() or np.any(stamp[valid] < 0):
        raise CasesError(f"{where}: the stamps of cases must differ, and be at least 0")
    low, high = (float(bound(arrays["action"])) for bound in (np.min, np.max))
    if low < 0 or high > 1:
        raise CasesError(f"{where}: actions must be in [0, 1], but go from {low:g} to {high:g}")


def write_weights(path: str | os.PathLike[str], weights: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write trained weights: the path holds the old file or the whole new one.

    Args:
        weights: nested dicts of arrays, as networks have them.
        about: what they are of, as JSON can hold it.
    """
    flat = {name: np.asarray(x) for name, x in flatten_dict(dict(weights), sep="/").items()}
    write_npz(path, FORMAT, {**about, "weights": sorted(flat)}, flat)


def read_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights and what they are of.

    Raises:
        CasesError: it is no such file, or damaged; the message names what is wrong.
        OSError: the file cannot be opened.
    """
    try:
        about = header_of(read_npz(path, (), FORMAT, "trained weights"), path)
        names = about.pop("weights", None)
        if not isinstance(names, list):
            raise CasesError(f"{path}: the header does not name weights; is this a file of them?")
        flat = {name: x for name, x in read_npz(path, names, FORMAT, "trained weights").items() if name in names}
        check_arrays(str(path), flat, dict.fromkeys(names, np.float32), {n: x.shape for n, x in flat.items()}, "")
    except RecordError as error:
        raise CasesError(str(error)) from error
    return unflatten_dict({name: jnp.asarray(x) for name, x in flat.items()}, sep="/"), about
