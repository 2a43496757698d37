"""MkDocs' hook: adds the pages that are made from the code, from the notebooks and from benchmarks/results."""

from pathlib import Path
from typing import Any

import api
import commands
import learner_pages
import notebook_pages
import repository
import results
import systems
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import jaxvec
from jaxvec.learners import LEARNERS

ROOT = Path(__file__).resolve().parents[2]


def made() -> dict[str, str]:
    """Address -> Markdown of every page that is made."""
    pages = {f"systems/{name}.md": systems.page(name, f"../pictures/{name}.png") for name in jaxvec.env_ids()}
    pages["learners.md"] = learner_pages.overview()
    pages |= {f"learners/{name}.md": learner_pages.page(name) for name in LEARNERS}
    return pages | commands.pages() | repository.pages(ROOT) | api.pages()


def on_config(config: MkDocsConfig, **_: Any) -> MkDocsConfig:
    """Lists what is made where mkdocs.yml has no place for it."""
    for entry in config.nav or ():
        if "Learners" in entry:
            entry["Learners"] = ["learners.md", *({name: f"learners/{name}.md"} for name in LEARNERS)]
    config.nav = [*(config.nav or ()), {"API": api.navigation()}]
    return config


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Adds the pages, and the pictures that stand elsewhere in the repository."""
    for address, text in made().items():
        files.append(File.generated(config, address, content=text))
    for address, text, pictures in notebook_pages.pages(ROOT):
        files.append(File.generated(config, address, content=text))
        for picture, data in pictures.items():
            files.append(File.generated(config, picture, content=data))
    for address, path in (results.pictures() | repository.pictures(ROOT)).items():
        files.append(File.generated(config, address, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Puts results to where a page asks for them; a link to a file of the repository that is no page becomes its name."""
    text = _joined(repository.inside(results.fill(markdown), page.file.src_uri))
    if page.file.src_uri == "glossary.md":
        return text
    return f"{text}\n\n{repository.abbreviations((ROOT / 'docs' / 'glossary.md').read_text())}\n"


def _joined(markdown: str) -> str:
    """With numbers of tables and their intervals in one line."""
    lines = markdown.split("\n")
    return "\n".join(line.replace(" ± ", "\u00a0±\u00a0") if line.startswith("|") else line for line in lines)
