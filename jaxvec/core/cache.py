"""The compilation cache: programs that were compiled once are read from disk at the next start.

JAX writes, reads and evicts them, and keeps what a GPU's autotuning found beside them. What is read is run, so that a cache is as
trusted as the code itself: it lies in the user's own cache folder, made with mode 700, and a folder that somebody else could
change is not used. `JAXVEC_CACHE` names another folder, or is `off`. Who has set JAX's own cache keeps it as it was set.
"""

import contextlib
import os
import shutil
import stat
import time
import warnings
from pathlib import Path
from typing import Any

import jax
import jaxlib.version

VARIABLE = "JAXVEC_CACHE"
OFF = ("", "off", "0", "false", "no")
SETTINGS = {"jax_compilation_cache_max_size": (-1, 2 * 2**30), "jax_persistent_cache_min_compile_time_secs": (1.0, 0.1)}
"""Of JAX: what each is by default, and here [byte], [s]."""
AUTOTUNING = "xla_gpu_per_fusion_autotune_cache_dir"  # where JAX has XLA keep what autotuning found
AUTOTUNING_BYTES = 100 * 2**20  # of which JAX has no bound
UNUSED_S = 60 * 86400.0  # after which the cache of another release is removed
LOCK = ".lockfile"  # JAX's, while it reads or writes
LOCK_TIMEOUT_S = 10.0
NAMELESS = (0, 11, 2)  # release of JAX from which on users need no name
NOBODY = 65534  # owns what belongs to a user that a container does not know

_settled = False
_folder: Path | None = None


def enable() -> Path | None:
    """Read and keep compiled programs on disk from here on; only the first call of a process decides.

    A folder that cannot be used is named in a warning, and there is no cache then.

    Returns:
        The folder; None where the cache is off, cannot be used, or is the user's own setting of JAX.
    """
    global _settled, _folder
    if not _settled:
        _settled, _folder = True, _prepared()
        if _folder is not None:
            for name, (default, value) in SETTINGS.items():
                if _of_jax(name) == default and name.upper() not in os.environ:
                    jax.config.update(name, value)
            jax.config.update("jax_compilation_cache_dir", str(_folder))
    return _folder


def disable() -> None:
    """Compile anew from here on, whatever `enable` is asked: for what measures how long compiling takes.

    A cache that the user has set in JAX stays.
    """
    global _settled, _folder
    if _folder is not None:
        from jax.experimental.compilation_cache.compilation_cache import reset_cache

        jax.config.update("jax_compilation_cache_dir", None)
        reset_cache()
    _settled, _folder = True, None


def location() -> Path | None:
    """Where the cache of this release of jaxlib is to be, in `JAXVEC_CACHE`, `$XDG_CACHE_HOME/jaxvec` or `~/.cache/jaxvec`.

    Returns:
        The folder; None if `JAXVEC_CACHE` says so.
    Raises:
        RuntimeError: there is no home folder.
    """
    moved = os.environ.get(VARIABLE)
    if moved is not None and moved.strip().lower() in OFF:
        return None
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    root = Path(moved.strip()) if moved else (base if base.is_absolute() else Path("~/.cache")) / "jaxvec"
    return root.expanduser().resolve() / f"xla-{jaxlib.version.__version__}"


def refusal(folder: Path) -> str:
    """Why others could change what is in a folder, or put another in its place.

    Args:
        folder: absolute, without links above it; need not exist.
    Returns:
        The reason; empty if there is none.
    Raises:
        OSError: a folder cannot be looked at.
    """
    if not hasattr(os, "getuid"):
        return "this system does not tell whose a folder is"
    user = os.getuid()
    for path in (folder, *folder.parents):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(status.st_mode):
            return f"{path} is not a folder"
        above = path != folder
        if status.st_uid not in ((user, 0, NOBODY) if above else (user,)):
            return f"{path} belongs to somebody else"
        if above and status.st_mode & stat.S_ISVTX:  # as /tmp: nobody moves there what belongs to others
            continue
        if status.st_mode & stat.S_IWOTH:
            return f"{path} is writable by everybody"
        if status.st_mode & stat.S_IWGRP and not (above and _is_private(status.st_gid)):
            return f"{path} is writable by its group"
    return ""


def _is_private(group: int) -> bool:
    """Whether a group is the user's own, with the user's name and nobody else in it."""
    import grp
    import pwd

    try:
        name, entry = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return entry.gr_name == name and set(entry.gr_mem) <= {name}


def _want_of_a_name() -> str:
    """Why JAX could not write: before 0.11.2 it asks for the user's name, which a container's user may not have."""
    import pwd

    if jax.__version_info__ >= NAMELESS:
        return ""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return f"user {os.getuid()} has no name here, for which JAX asks before 0.11.2"
    return ""


def _of_jax(name: str) -> Any:
    """A setting of JAX, as the environment or the program has set it."""
    return getattr(jax.config, name)


def _prepared() -> Path | None:
    """The folder, made and mended; None where there is to be none, with a warning if that was not the user's will."""
    if _of_jax("jax_compilation_cache_dir") is not None or not _of_jax("jax_enable_compilation_cache"):
        return None
    try:
        folder = location()
        if folder is None:
            return None
        reason = refusal(folder) or _want_of_a_name()
        if not reason:
            for path in (*reversed(folder.parents), folder):
                if not path.exists():
                    path.mkdir(mode=0o700, exist_ok=True)
            reason = refusal(folder)
        if not reason:
            mend(folder)
            return folder
    except ImportError:
        reason = "the package filelock is missing"
    except (OSError, RuntimeError) as error:  # a full or read-only disk, one that has no locks, no home folder
        reason = str(error)
    message = (
        f"compiled programs are not kept: {reason}; {VARIABLE}=FOLDER keeps them elsewhere, {VARIABLE}=off nowhere"
    )
    warnings.warn(message, stacklevel=3)
    return None


def mend(folder: Path) -> None:
    """Remove what a process left half-written when it was killed, results of autotuning beyond their bound, and other releases'
    caches that were not used for long.

    JAX writes an entry in place and its time of use after it, under a lock: under that lock an entry without time is a torso.

    Args:
        folder: of the cache.
    Raises:
        ImportError: the package filelock, without which JAX does not bound a cache, is missing.
        OSError: the folder cannot be read, written or locked.
    """
    import filelock

    with filelock.FileLock(folder / LOCK, timeout=LOCK_TIMEOUT_S):
        for entry in folder.glob("*-cache"):
            used = entry.with_name(f"{entry.name.removesuffix('-cache')}-atime")
            if entry.stat().st_size == 0 or not used.exists():
                entry.unlink(missing_ok=True)
                used.unlink(missing_ok=True)
        _bound(folder / AUTOTUNING, AUTOTUNING_BYTES)
    os.utime(folder)
    for other in folder.parent.glob("xla-*"):
        ours = other != folder and not other.is_symlink() and (other / LOCK).is_file()
        if ours and time.time() - other.stat().st_mtime > UNUSED_S:
            shutil.rmtree(other, ignore_errors=True)


def _bound(folder: Path, most: int) -> None:
    """Remove the oldest files of a folder until no more than so many bytes are left; others may write there meanwhile."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime, status.st_size, path))
    for _, size, path in sorted(found, reverse=True):
        most -= size
        if most < 0:
            path.unlink(missing_ok=True)
