"""What the makers of pages share: tables, code, and prose of docstrings as Markdown."""

import re
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; an empty text without rows.

    Args:
        heads: of the columns.
        rows: their cells, in which bars are escaped.
    """
    lines = ["| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads), *lines]) if lines else ""


def code(text: str) -> str:
    """Text as code; an empty text stays empty."""
    return f"`{text}`" if text else ""


def escaped(text: str) -> str:
    """Text that means what it says: outside of code, characters of Markdown and HTML are escaped."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*<>_\[\]])", r"\\\1", part) for part in parts)


def prose(paragraph: str) -> str:
    """A paragraph or a list of a docstring; what is indented by four is code, as it is."""
    if all(line.startswith("    ") for line in paragraph.splitlines()):
        return paragraph
    before, dash, items = paragraph.partition("\n- ")
    return escaped(before) + (f"\n{dash}{escaped(items)}" if dash else "")
