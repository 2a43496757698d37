"""Pages of texts that stand elsewhere in the repository, and the pictures that pages show of it."""

import posixpath
import re
from pathlib import Path

SOURCES = {
    "contributing.md": "CONTRIBUTING.md",
    "changes.md": "CHANGELOG.md",
    "results/benchmarks.md": "benchmarks/README.md",
}
PICTURES = {
    "pictures/episode.gif": "notebooks/pictures/episode.gif",
    "pictures/twins.png": "notebooks/pictures/twins.png",
}


def pages(root: Path) -> dict[str, str]:
    """Address -> Markdown.

    Args:
        root: of the repository.
    """
    return {address: (root / path).read_text() for address, path in SOURCES.items()}


def inside(text: str, address: str) -> str:
    """A page whose links lead to pages: one to another file of the repository becomes its name.

    Args:
        text: Markdown.
        address: of the page.
    """

    def linked(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(address), link[2]))
        outside = target.startswith("../") or address in SOURCES
        return link[1] if outside else link[0]

    return re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)#]+)[^)]*\)", linked, text)


def pictures(root: Path) -> dict[str, Path]:
    """Address -> file.

    Args:
        root: of the repository.
    """
    return {address: root / path for address, path in PICTURES.items()}


def abbreviations(glossary: str) -> str:
    """What a page shows where the pointer rests on an abbreviation: the first sentence of its entry.

    Args:
        glossary: Markdown, a list of definitions; of terms with commas each is one.
    """
    lines = []
    for terms, meaning in re.findall(r"^(\S.*)\n:   ((?:.|\n    )+)$", glossary, re.MULTILINE):
        first = re.split(r"(?<=\.) ", " ".join(meaning.split()))[0]
        lines += [f"*[{term}]: {_plain(first)}" for term in terms.split(", ") if term.isupper()]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Without Markdown's emphasis and links, which a tooltip does not show."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("*", "").replace("`", "")
