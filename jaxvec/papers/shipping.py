"""What of a reproduction is published: its page with small pictures beside it, and its summary."""

import json
from pathlib import Path

from PIL import Image

from jaxvec.core.files import replacing, write_text
from jaxvec.papers import pages
from jaxvec.papers.paper import Paper
from jaxvec.papers.summary import Summary

WIDTH, COLOURS = 1100, 128  # of a picture [pixel], which is some 30 kB then


def ship(paper: Paper, out: Path, folder: Path) -> list[str]:
    """Write `verdicts-ENV.md`, its pictures `verdicts-ENV-FIGURE.png`, and `reproduce-ENV.jsonl`.

    Args:
        paper: whose.
        out: the folder of its reproduction.
        folder: where to, which is made if it is not there.
    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"verdicts-{paper.env_id}"
    summary, known = Summary(out / "reproduce.jsonl"), json.loads((out / "verdicts.json").read_text())
    pictures, files = dict[str, list[str]](), list[Path]()
    for figure in paper.figures:
        picture = out / f"{figure.stem}.png"
        if figure.number in summary.figures and picture.exists():
            files.append(folder / f"{stem}-{figure.stem}.png")
            _small(picture, files[-1])
            pictures[figure.number] = [files[-1].name]
    of_figures = {number: line["made"] for number, line in summary.figures.items()}
    files += [folder / f"{stem}.md", folder / f"reproduce-{paper.env_id}.jsonl"]
    write_text(files[-2], pages.page(paper, known, of_figures, pictures))
    summary.write(files[-1])
    return [str(file) for file in files]


def _small(picture: Path, file: Path) -> None:
    """A picture with fewer pixels and colours."""
    with Image.open(picture) as image:
        size = (WIDTH, round(image.height * WIDTH / image.width)) if image.width > WIDTH else image.size
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        # the median cut, which is the default, changes hues
        few = small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        with replacing(file) as temporary:
            few.save(temporary, format="PNG", optimize=True)
