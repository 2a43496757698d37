"""What is otherwise than in the paper of a system, read from docs/elements.md."""

import re
from pathlib import Path

from page_text import table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "elements.md"


def otherwise(name: str) -> list[tuple[str, str, str]]:
    """Elements that are not as printed: what, whether it is there, and how or why.

    Args:
        name: of a system.
    Raises:
        KeyError: the page has no such system.
    """
    parts = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    rows = re.findall(r"^\| (.+?) \| `[\w.]+` \| (otherwise|not there) \| (.*?) \|$", parts[name], re.MULTILINE)
    return [(what, status, note) for what, status, note in rows]


def listed(name: str) -> str:
    """The same as a table.

    Args:
        name: of a system.
    """
    return table(("element of the paper", "", "here"), otherwise(name))
