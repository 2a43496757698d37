"""The notebooks as pages, with the outputs that they were committed with: nothing is run."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def pages(root: Path) -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """Address, Markdown and pictures (address to bytes) of each notebook.

    Args:
        root: of the repository.
    """
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        pictures: dict[str, bytes] = {}
        parts: list[str] = []
        for cell in json.loads(path.read_text())["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                parts.append(source)
            elif cell["cell_type"] == "code":
                parts.append(f"```python\n{source}\n```")
                parts += [_output(output, path.stem, pictures) for output in cell["outputs"]]
        parts.insert(
            1, f"*This page is the notebook `notebooks/{path.name}`, with what it printed when it was last run.*"
        )
        yield f"notebooks/{path.stem}.md", "\n\n".join(part for part in parts if part) + "\n", pictures


def _output(output: Mapping[str, Any], stem: str, pictures: dict[str, bytes]) -> str:
    """An output as Markdown; a picture is put to the others, and linked."""
    data = output.get("data", {})
    if "image/png" in data:
        name = f"{stem}-{len(pictures) + 1}.png"
        pictures[f"notebooks/{name}"] = base64.b64decode("".join(data["image/png"]))
        return f"![]({name})"
    text = "".join(output.get("text", data.get("text/plain", []))) if output.get("name") != "stderr" else ""
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""
