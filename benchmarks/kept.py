"""Rows that are on disk as soon as they are there, so that a killed script keeps them and goes on; and tables of them."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Kept:
    """The rows of a file of JSON lines, those of earlier calls first; of several of one key the last counts.

    Args:
        path: of the file, which need not exist. A line that a kill has cut short is left out.
    """

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows: dict[str, Row] = {}
        self._torn = False
        for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
            self._torn = not line.endswith("\n")
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            self._rows[row["key"]] = row

    @property
    def rows(self) -> list[Row]:
        """In the order in which they were measured first."""
        return list(self._rows.values())

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def get(self, key: str) -> Row:
        """The row of a key; empty if there is none."""
        return self._rows.get(key, {})

    def add(self, key: str, row: Row) -> Row:
        """Writes a row, and gives it with its key.

        Args:
            key: what was measured.
            row: what JSON can hold.
        """
        row = {"key": key} | row
        with self.path.open("a") as log:
            log.write("\n" * self._torn + json.dumps(row) + "\n")
            log.flush()
            os.fsync(log.fileno())
        self._torn = False
        self._rows[key] = row
        return row


def markdown(lines: Sequence[str]) -> str:
    """A table, of lines whose cells are apart by " | "."""
    rule = " | ".join(["---"] * len(lines[0].split(" | ")))
    return "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))


def made(rows: Sequence[Row]) -> str:
    """How rows were made: commands and commits as far as they are kept, versions, devices, dates; where they differ, all.

    Args:
        rows: each with what `jaxvec.bench.machine` gives, and perhaps `command` and `commit`.
    """

    def said(of: str) -> str:
        return " and ".join(dict.fromkeys(of.format_map(row) for row in rows))

    commands = [f"`{x}`" for x in dict.fromkeys(row["command"] for row in rows if "command" in row)]
    commits = dict.fromkeys(row["commit"] for row in rows if "commit" in row)
    parts = [" and ".join(commands), f"commit {' and '.join(commits)}" if commits else ""]
    parts += [said("jaxvec {jaxvec}, jax {jax}, python {python}"), said("{device}, {cores} cores"), said("{date}")]
    return " · ".join(part for part in parts if part)
