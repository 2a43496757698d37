"""The commit that pages name."""

import re
import subprocess

from jaxvec.core.checkout import commit


def test_a_commit_is_looked_up_once(monkeypatch):
    commit.cache_clear()
    found = commit()
    assert re.fullmatch(r"([0-9a-f]{12}\+?)?", found)
    monkeypatch.setattr(subprocess, "run", None)  # what is committed while a program runs is not its code
    assert commit() == found


def test_outside_of_a_checkout_there_is_none(monkeypatch):
    def run(*_, **__):
        raise FileNotFoundError("git")

    commit.cache_clear()
    monkeypatch.setattr(subprocess, "run", run)
    assert commit() == ""
    commit.cache_clear()
