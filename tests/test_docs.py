"""README and documentation: what they print runs, what they point at is there, and the site is built."""

import ast
import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path

import numpy as np
import pytest
import snippets

import jaxvec
from jaxvec.learners import LEARNERS
from jaxvec.traces import synthetic
from jaxvec.traces.writers import write_pems, write_tdrive

ROOT = snippets.ROOT
OTHERS = [ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]  # pages of the site, too, but no stories
PAGES = [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in (*snippets.PAGES, *OTHERS)]
NOT_OURS = {".", "export", "mkdocs", "netconvert", "netgenerate", "sbatch", "srun", "sumo", "tensorboard"}
QUICK = {"docs/own-environment.md", "docs/own-models.md"}  # whose programs, apart from their commands, take a moment
STORIES = {page.relative_to(ROOT).as_posix(): page for page in snippets.PAGES if snippets.blocks(page)}
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b|\.\.\.")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one_that_the_program_takes(page):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    of_blocks = [
        words for block in snippets.blocks(page) if block.language == "sh" for words in snippets.commands(block.text)
    ]
    inline = [shlex.split(text) for text in snippets.INLINE.findall(page.read_text()) if not PLACEHOLDER.search(text)]
    for words in of_blocks + [words for words in inline if len(words) > 2]:  # the name of a command alone is a name
        if words[0] == "jaxvec":
            snippets.parsed(words[1:])
        elif words[0].startswith("./"):
            assert os.access(ROOT / words[0], os.X_OK), words
        elif words[:2] == ["pip", "install"]:
            wanted = re.findall(r"\[([\w,]+)\]", " ".join(words))
            assert {extra for group in wanted for extra in group.split(",")} <= set(extras), words
        elif words[:2] == ["python", "-c"]:
            compile(words[2], "-c", "exec")
        elif words[0] == "python":
            assert (ROOT / words[1]).is_file(), words
        else:
            assert words[0] in NOT_OURS, words


@pytest.mark.parametrize("page", PAGES)
def test_every_program_compiles_and_imports_what_there_is(page):
    files = {Path(block.title).stem for block in snippets.blocks(page) if block.title.endswith(".py")}
    for block in snippets.blocks(page):
        if block.language != "python":
            continue
        tree = ast.parse(block.text)
        for node in ast.walk(tree) if block.runs else ():
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "jaxvec":
                module = importlib.import_module(node.module)
                for alias in node.names:
                    found = hasattr(module, alias.name) or importlib.util.find_spec(f"{node.module}.{alias.name}")
                    assert found, (block.line, alias.name)
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names if alias.name not in files]
                assert all(importlib.util.find_spec(name) for name in names), block.line


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_to_one(page):
    docs = ROOT / "docs"
    made_by_hook = re.compile(
        r"(api|learners|notebooks|systems)/[\w.-]+\.md|(command|contributing|changes|learners|benchmarks)\.md"
    )
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        here = (page.parent / target).resolve()
        name = here.relative_to(docs).as_posix() if here.is_relative_to(docs) else ""
        assert here.exists() or made_by_hook.search(name) or name.startswith(("pictures/", "results/")), target


def test_the_readme_is_short_and_its_numbers_are_those_of_the_results():
    text = (ROOT / "README.md").read_text()
    assert text.count("\n") <= 150
    results = snippets.maker("results")
    assert results.league() in text, (
        "python -c 'import results; print(results.league())' in scripts/pages gives the table"
    )
    assert results.speed() in text
    assert "./scripts/test" in text


def test_results_are_read_as_they_stand(tmp_path, monkeypatch):
    results = snippets.maker("results")
    (tmp_path / "some.md").write_text("# A title\n\n## A part\n")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert results.fill("before\n\n<!-- results: some.md -->\n") == "before\n\n**A title**\n\n### A part\n\n"
    with pytest.raises(KeyError, match="no such table"):
        results.fill("<!-- results: none.md -->")
    assert [results.short(x) for x in (279.4e6, 3.01e6, 62_700, 161_000, 51.14)] == [
        "279 M",
        "3.0 M",
        "63 k",
        "161 k",
        "51.1",
    ]


def environment(**others):
    """Variables of a process that imports what this one does."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        "JAX_PLATFORMS": "cpu",
        **others,
    }


def run_story(text, folder, name):
    """Runs a program in an empty folder that is its home, too."""
    (folder / "story.py").write_text(text)
    env = environment(HOME=str(folder), PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(
        [sys.executable, "story.py"], cwd=folder, env=env, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{name}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.parametrize("name", sorted(QUICK))
def test_programs_of_some_pages_run(name, tmp_path):
    kept = [block for block in snippets.blocks(ROOT / name) if block.title or block.language == "python"]
    text = "import sys\nsys.path.insert(0, '')\n" + "\n".join(
        f"open({block.title!r}, 'w').write({block.text!r})" if block.title else block.text for block in kept
    )
    run_story(text, tmp_path, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STORIES))
def test_a_page_runs_as_printed_from_an_empty_home(name, tmp_path):
    text = snippets.story(STORIES[name])
    if "netconvert" in text or "netgenerate" in text:
        pytest.importorskip("sumo")
    if "given: taxis/" in STORIES[name].read_text():
        downloads(tmp_path)
    run_story(text, tmp_path, name)


def downloads(folder):
    """What the page of scenarios asks the reader to have: taxis, counts and stations, made up here."""
    write_tdrive(synthetic.taxis(5, "city", 40), folder / "taxis")
    xy_m = synthetic.sites_m(5, "city", 12)
    lat_deg = synthetic.SITES_AT[0] + np.rad2deg(xy_m[:, 1] / 6_371_393)
    lon_deg = synthetic.SITES_AT[1] + np.rad2deg(xy_m[:, 0] / 6_371_393 / np.cos(np.deg2rad(synthetic.SITES_AT[0])))
    write_pems(synthetic.flow(5, 12, 3).counts, np.full(12, 3), lat_deg, lon_deg, folder / "pems")
    (folder / "pems" / "meta.txt").rename(folder / "d04_text_meta.txt")
    (folder / "pems" / "5min").rename(folder / "station_5min")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built without a network."""
    for module in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(module)
    out = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    env = environment(**nowhere, NO_MKDOCS_2_WARNING="1")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_site_is_built_without_warnings_and_asks_nobody_for_anything(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(
            r"<(?:script|img|iframe)[^>]*\bsrc=[\"']?(https?://[^\"' >]+)|<link[^>]*href=[\"']?(https?://[^\"' >]+)",
            text,
        )
        assert not loaded, (page, loaded)
    names = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {f"systems/{name}.html" for name in jaxvec.env_ids()} | {
        f"learners/{name}.html" for name in LEARNERS
    } <= names


def test_the_site_has_every_public_name(site):
    data = (site / "objects.inv").read_bytes()
    told = {line.split(" ")[0] for line in zlib.decompress(data.split(b"\n", 4)[4]).decode().splitlines()}
    api = snippets.maker("api")
    modules = [name for package in api.packages() for name in api.modules(package)]
    missing = {f"{module}.{name}" for module in modules for name in api.public(module)} - told
    assert not missing
    assert len(told) > 500


def test_a_link_that_leaves_the_site_becomes_a_name():
    repository = snippets.maker("repository")
    text = "[a](../scripts/x.sh), [b](install.md#here), [c](https://x.org) and ![d](../d.png)"
    assert repository.inside(text, "workers.md") == "a, [b](install.md#here), [c](https://x.org) and ![d](../d.png)"
    assert repository.inside("[b](../install.md)", "results/index.md") == "[b](../install.md)"


def test_abbreviations_are_explained_by_the_glossary():
    repository = snippets.maker("repository")
    text = "RSU, UAV\n:   A *mast* at the road. It computes,\n    too.\n\nword\n:   No abbreviation.\n"
    assert repository.abbreviations(text) == "*[RSU]: A mast at the road.\n*[UAV]: A mast at the road."
    assert "*[RSU]: Roadside unit" in repository.abbreviations((ROOT / "docs" / "glossary.md").read_text())
