"""The folder of a league: what was planned, and a line of JSON for everything that is finished."""

import json
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from jaxvec.core.claims import Claims
from jaxvec.core.files import write_json, write_text
from jaxvec.core.limits import MOST
from jaxvec.league.records import Record, parsed


def told(value: Any) -> str:
    """A value of a plan for a message: of entries their names.

    Args:
        value: as JSON holds it.
    """
    if isinstance(value, list):
        return ", ".join(str(x["name"]) if isinstance(x, dict) and "name" in x else str(x) for x in value) or "nothing"
    return str(value)


def _plan(file: Path) -> Record:
    """The plan in a folder.

    Raises:
        ValueError: the file holds none.
    """
    try:
        plan = json.loads(file.read_text())
        updates = plan["updates"]
        if all(type(count) is int and 1 <= count <= MOST for count in updates.values()):
            return plan
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise ValueError(f"{file}: not the plan of a league: remove it with records.jsonl, or choose another folder")


class Folder:
    """What a league has planned and finished.

    `plan.json` holds what the league is made from, and under "updates" the training of each entry, which is fixed once it is
    known. `records.jsonl` has a line for the rules, for each entry and for the bound, in this order, as far as they are
    finished. Several processes may share a folder: each reads what the others have written before it writes.

    Args:
        path: made if it is not there.
        plan: what the league is made from, as JSON holds it.
        shared: whether it must be possible to lock it.

    Attributes:
        path: as given.
        plan, records: as they were when this process last wrote or called `refresh`.
        claims: on what is to be finished.
    Raises:
        ValueError: the folder holds a league that is made from something else, and the message names what differs; its plan
            cannot be read; or it is shared and cannot be locked.
    """

    def __init__(self, path: Path, plan: Mapping[str, Any], shared: bool = False):
        self.path, self.claims = path, Claims(path / "claims", required=shared)
        path.mkdir(parents=True, exist_ok=True)
        with self.writing():
            self._begin(json.loads(json.dumps(plan)) | {"updates": {}})

    def writing(self) -> AbstractContextManager[bool]:
        """A context in which nobody else writes here."""
        return self.claims.of("records", wait=True)

    def _begin(self, plan: Record) -> None:
        """Begin this league, or go on with it if it is there."""
        path, file = self.path, self.path / "plan.json"
        for half in (*path.glob(".plan.*.json"), *path.glob(".records.*.jsonl")):  # written when a kill came
            half.unlink()
        self.plan = plan
        if file.exists():
            before = _plan(file)
            differing = [name for name in self.plan if name != "updates" and before.get(name) != self.plan[name]]
            if differing:
                words = "; ".join(f"{name} {told(before.get(name))}, not {told(self.plan[name])}" for name in differing)
                raise ValueError(f"{path} holds another league ({words}): say the same, or choose another folder")
            self.plan = before
        else:
            write_json(file, self.plan)
        self.records, bad = self._read()
        if bad:
            file = path / "records.jsonl"
            warnings.warn(
                f"{file}: line {', '.join(bad)} cannot be read: what stood there is played again", stacklevel=5
            )
        self._write()

    def _read(self) -> tuple[dict[str, Record], list[str]]:
        """What is finished, by name; and the numbers of lines that cannot be read."""
        file, records, bad = self.path / "records.jsonl", dict[str, Record](), list[str]()
        text = file.read_text(errors="replace") if file.exists() else ""
        for number, line in enumerate(text.splitlines(), 1):
            record = parsed(line, self.plan)
            if record is None:
                bad.append(str(number))
            else:
                records[record["name"]] = record
        return records, bad

    def _write(self) -> None:
        """Write what is finished, in the order of the plan."""
        names = ["rules", *(entry["name"] for entry in self.plan["entries"]), "bound"]
        self.records = {name: self.records[name] for name in names if name in self.records}
        write_text(
            self.path / "records.jsonl",
            "".join(json.dumps(record, allow_nan=False) + "\n" for record in self.records.values()),
        )

    def refresh(self) -> None:
        """Read what others have written."""
        self.plan, self.records = _plan(self.path / "plan.json"), self._read()[0]

    def has(self, name: str) -> bool:
        """Whether something is finished, by whomever.

        Args:
            name: "rules", "bound", or of an entry.
        """
        if name not in self.records:
            self.refresh()
        return name in self.records

    def updates(self, name: str) -> int | None:
        """Of an entry's training, if it is known.

        Args:
            name: of the entry.
        """
        return self.plan["updates"].get(name)

    def fix(self, name: str, updates: int) -> None:
        """Fix the training of an entry.

        Args:
            name: of the entry.
            updates: how many.
        """
        with self.writing():
            self.refresh()
            known = self.plan["updates"] | {name: updates}
            self.plan["updates"] = {x["name"]: known[x["name"]] for x in self.plan["entries"] if x["name"] in known}
            write_json(self.path / "plan.json", self.plan)

    def add(self, record: Record) -> None:
        """Keep what is finished.

        Args:
            record: as JSON holds it, with a "name".
        Raises:
            ValueError: a number is not finite.
        """
        json.dumps(record, allow_nan=False)
        with self.writing():
            self.refresh()
            self.records[record["name"]] = record
            self._write()
