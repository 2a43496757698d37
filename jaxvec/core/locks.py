"""Files that one process at a time has locked: the system gives them free when it ends, however it ends."""

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none: there, a folder is one process's
    fcntl = None  # type: ignore[assignment]


def there_are_locks() -> bool:
    """Whether this system has any."""
    return fcntl is not None


def locked(path: Path) -> tuple[int, str]:
    """A file, open and locked.

    Args:
        path: of the file, which is made if need be.
    Returns:
        The open file, and in words why it could not be locked, empty where it was.
    Raises:
        BlockingIOError: another process has it.
        FileNotFoundError: there is no folder for it.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            reason = _lock(file)
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file, reason
        except FileNotFoundError:  # whoever had it has just removed it
            pass
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _lock(file: int) -> str:
    """Lock an open file, or say why there is no lock."""
    if fcntl is None:
        return "this system has no file locks"
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        return str(error)
    return ""
