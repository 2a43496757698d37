"""The folder of a league: what was planned, and a line of JSON for everything that is finished."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxvec.core.files import replacing, write_json

Record = dict[str, Any]


def told(value: Any) -> str:
    """A value of a plan for a message: of entries their names.

    Args:
        value: as JSON holds it.
    """
    if isinstance(value, list):
        return ", ".join(str(x["name"]) if isinstance(x, dict) else str(x) for x in value) or "nothing"
    return str(value)


class Folder:
    """What a league has planned and finished.

    `plan.json` holds what the league is made from, and under "updates" the training of each entry, which is fixed once it is
    known. `records.jsonl` has a line for the rules, for each entry and for the bound, in the order in which they were finished.

    Args:
        path: made if it is not there.
        plan: what the league is made from, as JSON holds it.
    Raises:
        ValueError: the folder holds a league that is made from something else; the message names what differs.
    """

    def __init__(self, path: Path, plan: Mapping[str, Any]):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        file = path / "plan.json"
        self.plan: Record = json.loads(json.dumps(plan)) | {"updates": {}}
        if file.exists():
            before = json.loads(file.read_text())
            differing = [name for name in self.plan if name != "updates" and before.get(name) != self.plan[name]]
            if differing:
                words = "; ".join(f"{name} {told(before.get(name))}, not {told(self.plan[name])}" for name in differing)
                raise ValueError(f"{path} holds another league ({words}): say the same, or choose another folder")
            self.plan = before
        else:
            write_json(file, self.plan)
        self.records = self._read()

    def _read(self) -> dict[str, Record]:
        """What is finished, by name; a line that was being written when the league was killed is dropped."""
        file, records = self.path / "records.jsonl", dict[str, Record]()
        for line in file.read_text().splitlines() if file.exists() else []:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                break
            records[record["name"]] = record
        self._write(records)
        return records

    def _write(self, records: Mapping[str, Record]) -> None:
        with replacing(self.path / "records.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(record, allow_nan=False) + "\n" for record in records.values()))

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
        self.plan["updates"][name] = updates
        write_json(self.path / "plan.json", self.plan)

    def add(self, record: Record) -> None:
        """Keep what is finished.

        Args:
            record: as JSON holds it, with a "name".
        Raises:
            ValueError: a number is not finite.
        """
        json.dumps(record, allow_nan=False)
        self.records[record["name"]] = record
        self._write(self.records)
