"""The page of elements: what it points at is there, and pages of systems list what is otherwise."""

import importlib
import re

import pytest
import snippets

import jaxvec

TEXT = (snippets.ROOT / "docs" / "elements.md").read_text()
ROWS = re.findall(r"^\| (.+?) \| `(jaxvec[\w.]+)` \| (.+?) \| (.*?) ?\|$", TEXT, re.MULTILINE)


def found(name):
    """A module, or what a module has."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            here = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            here = getattr(here, part)
        return here
    raise ModuleNotFoundError(name)


def test_every_row_points_at_what_is_there():
    lines = [
        line for line in TEXT.splitlines() if line.startswith("| ") and "---" not in line and "| where |" not in line
    ]
    assert len(ROWS) == len(lines) > 200
    for _, name, _, _ in ROWS:
        assert found(name) is not None, name


def test_what_is_otherwise_or_not_there_says_how_or_why():
    for element, _, status, note in ROWS:
        assert status in {"as printed", "otherwise", "not there"}, element
        assert status == "as printed" or len(note) > 15 or note == "likewise", element


def test_every_system_has_a_part_and_its_page_lists_what_is_otherwise():
    elements = snippets.maker("elements")
    names = re.findall(r"^## (\w+)$", TEXT, re.MULTILINE)
    assert set(names) == set(jaxvec.env_ids())
    listed = [row for name in names for row in elements.otherwise(name)]
    assert len(listed) == sum(status != "as printed" for _, _, status, _ in ROWS)
    with pytest.raises(KeyError):
        elements.otherwise("elsewhere")
