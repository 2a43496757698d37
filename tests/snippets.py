"""The commands and programs that README.md and the documentation print, and how they are run: a page from top to bottom.

A block with a title is a file; one of Python goes on from the ones above it on its page; one of the shell is commands. A line
`<!-- not run: WHY -->` above a block leaves it out.
"""

import importlib
import math
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from jaxvec import cli, shell

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(<!-- not run: .* -->\n\n)?```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
INLINE = re.compile(r"`(jaxvec [^`]+)`")


def maker(name: str) -> ModuleType:
    """A module that makes pages of the site.

    Args:
        name: of a file in scripts/pages.
    """
    sys.path.insert(0, str(ROOT / "scripts" / "pages"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


class Block(NamedTuple):
    """What stands between fences.

    Attributes:
        language: as "sh" or "python".
        title: name of the file that it is; else empty.
        text: its lines.
        line: of the page, of its first line.
        runs: whether it can be run anywhere.
    """

    language: str
    title: str
    text: str
    line: int
    runs: bool


def blocks(page: Path) -> list[Block]:
    """What a page prints, in its order."""
    text = page.read_text()
    return [
        Block(m[2], m[3] or "", m[4], text.count("\n", 0, m.start(2)) + 2, m[1] is None) for m in FENCE.finditer(text)
    ]


def commands(text: str) -> list[list[str]]:
    """The words of each command of the shell, without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def parsed(words: list[str]) -> None:
    """Whether the command line takes what stands behind `jaxvec`, redirections apart; raises what is wrong."""
    if words != ["--version"]:
        shell._parse(cli.COMMANDS, "", shell._gather(plain(words)))


def plain(words: list[str]) -> list[str]:
    """Without a redirection."""
    return words[: words.index(">")] if ">" in words else words


def small(words: list[str]) -> list[str]:
    """A command as printed but for its size: few updates, worlds, seeds."""
    command = words[0]
    for option, most in {"--episodes": 16, "--seeds": 3}.items():
        if option in words:
            words = replaced(words, option, min(most, int(words[words.index(option) + 1])))
    if "--updates" in words:
        updates = int(words[words.index("--updates") + 1])
        words = replaced(words, "--updates", min(5, math.ceil(updates / 10)))
    elif command in ("train", "league") and "--resume" not in words:
        words = [*words, "--updates", "2"]
    if "--resume" in words and "--updates" not in words:
        words = [*words, "--updates", "3"]
    if command == "train" and "--worlds" not in words and "--resume" not in words:
        words = [*words, "--worlds", "16"]
    if command == "league":
        words = without(without(words, "--minutes"), "--bounded")
        words = [*without(words, "--seeds"), "--worlds", "8", "--bounded", "0", "--seeds", "1"]
    if command == "reproduce":  # the figure with the fewest learners
        words = ["reproduce", "v2x_offload", "--figure", "4", "--quick", "--slots", "2000", "--seeds", "1"]
    if command == "bench":
        words = ["bench", "isac_iov", "--worlds", "8", "--train", "ippo", "--repeats", "1"]
    return words


def replaced(words: list[str], option: str, value: int) -> list[str]:
    """With another value of an option."""
    at = words.index(option) + 1
    return [*words[:at], str(value), *words[at + 1 :]]


def without(words: list[str], option: str, width: int = 2) -> list[str]:
    """Without an option and its value."""
    at = words.index(option) if option in words else len(words)
    return words[:at] + words[at + width :]


def small_program(text: str) -> str:
    """A program as printed but for its size."""
    text = re.sub(r"num_updates=\d+", "num_updates=2", text)
    return re.sub(r"n_worlds=(\d+)", lambda m: f"n_worlds={min(16, int(m[1]))}", text)


STORY = """\
import contextlib, os, subprocess, sys
sys.path.insert(0, "")
import matplotlib
matplotlib.use("Agg")
from jaxvec import cli
"""


def story(page: Path) -> str:
    """A program that does what a page says, at small sizes, in the folder where it is run."""
    lines = [STORY]
    for block in blocks(page):
        if not block.runs:
            continue
        if block.title:
            lines.append(f"open({block.title!r}, 'w').write({block.text!r})")
        elif block.language == "python":
            lines += [f"print('line {block.line}', flush=True)", small_program(block.text)]
        elif block.language == "sh":
            lines += [_command(words) for words in commands(block.text)]
    return "\n".join(lines)


def _command(words: list[str]) -> str:
    """What runs a command of the shell in a story; what installs, prepares the machine or names a folder of it is left out."""
    if any(re.match(r"(\w+=)?/", word) for word in words):
        return ""
    if words[0] == "jaxvec" and words[1] != "--version":
        out = f"open({words[-1]!r}, 'w')" if ">" in words else "contextlib.nullcontext()"
        call = f"cli.main({small(plain(words[1:]))!r})"
        return (
            f"print({words!r}, flush=True)\nwith {out} as f, contextlib.redirect_stdout(f or sys.stdout):\n    {call}"
        )
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        return f"os.environ[{name!r}] = {value!r}"
    if words[0] in ("netconvert", "netgenerate", "sumo"):
        return f"subprocess.run({words!r}, check=True)"
    return ""
