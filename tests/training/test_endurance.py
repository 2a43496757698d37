"""benchmarks/kills.py and benchmarks/memory.py: that they say what they see, and, slowly, that what they see is right."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import a module of benchmarks/ as its script does."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield import_module
    for name in ("kills", "memory"):
        sys.modules.pop(name, None)


def test_growth_is_what_the_second_half_adds(load):
    rows = [{"rss_mb": 100.0 + min(i, 50) + (i == 99), "arrays": 7, "array_bytes": i} for i in range(100)]
    assert load("memory").growth(rows) == {"rss_mb": 0, "arrays": 0, "array_bytes": 40}
    assert "rounds: +0.0 MB, +0 arrays" in load("memory").page({"rounds": [{"done": 1} | row for row in rows]}, "here")


def test_the_page_of_kills_counts_them(load):
    kill = {"moment": "checkpoint", "after_s": 1.0, "update": 6}
    rows = [
        {"case": "apg", "kills": [kill, kill | {"moment": "start"}], "equal": True},
        {"case": "apg", "kills": [kill], "equal": False},
    ]
    text = load("kills").page(rows, "here")
    assert "| apg | `isac_iov` | 2 | 3 | 1 | 0 | 2 | 0 | 1 of 2 |" in text
    assert "3 SIGKILLs" in text


@pytest.mark.slow
def test_trainings_that_are_killed_end_to_the_bit(load, tmp_path):
    page = load("kills").main(["--minutes", "3", "--kills", "6", "--cases", "mappo", "maddpg", "--out", str(tmp_path)])
    rows = [json.loads(line) for line in page.with_suffix(".jsonl").read_text().splitlines()]
    assert rows
    assert all(row["equal"] for row in rows), rows


@pytest.mark.slow
def test_memory_does_not_grow(tmp_path):
    words = ["--rounds", "20", "--updates", "1000", "--out", str(tmp_path)]  # in a process that holds nothing else
    subprocess.run([sys.executable, str(FOLDER / "memory.py"), *words], check=True)
    (file,) = tmp_path.glob("memory-*.json")
    for name, grown in json.loads(file.read_text())["growth"].items():
        assert grown["arrays"] == grown["array_bytes"] == 0, name
        assert grown["rss_mb"] < 5, name
