"""Which commit of jaxvec runs, for the heads of pages."""

import subprocess
from functools import cache
from pathlib import Path


@cache
def commit() -> str:
    """The commit of the package's checkout, with "+" if its files differ from it; empty if it is none.

    It is looked up once in a process: long programs ask as they begin, so that pages name the code that ran, whatever was
    committed meanwhile.
    """
    folder = Path(__file__).parents[1]

    def git(*words: str) -> str:
        try:
            return subprocess.run(
                ["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return ""

    found = git("rev-parse", "--short=12", "HEAD")
    return found + "+" * bool(found and git("status", "--porcelain", "--untracked-files=no", "--", "."))
