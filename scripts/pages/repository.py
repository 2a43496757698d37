"""Pages of texts that stand elsewhere in the repository, and the pictures that pages show of it."""

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
    """Address -> Markdown; links to files that are no pages become their names.

    Args:
        root: of the repository.
    """
    return {address: _unlinked((root / path).read_text()) for address, path in SOURCES.items()}


def _unlinked(text: str) -> str:
    return re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)[^)]*\)", r"\1", text)


def pictures(root: Path) -> dict[str, Path]:
    """Address -> file.

    Args:
        root: of the repository.
    """
    return {address: root / path for address, path in PICTURES.items()}
