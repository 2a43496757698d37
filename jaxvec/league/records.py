"""What a league has finished, a line of JSON each, and whether a line is one."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

Record = dict[str, Any]
NUMBER = (int, float)
KINDS: dict[str, dict[str, Any]] = {
    "rules": {"reward": dict, "local": dict, "extras": dict},
    "bound": {"reward": list, "seconds": NUMBER},
}
OF_ENTRY = {
    "knows": str, "updates": int, "slots": int, "compile_s": NUMBER, "train_s": NUMBER,
    "checkpoints": list, "reward": list, "extras": dict,
}  # fmt: skip
OF_CHECKPOINT = {"updates": int, "slots": int, "seconds": NUMBER, "reward": list, "in_worlds": list}


def parsed(line: str, plan: Mapping[str, Any]) -> Record | None:
    """A line of a league as what it holds; None if it cannot have been written in such a league.

    Args:
        line: of `records.jsonl`.
        plan: of the league: "entries", and how many "seeds", "worlds", "judged" and "bounded" there are.
    """
    try:
        record = json.loads(line)
        whole = isinstance(record, dict) and _is_whole(record, plan)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    return record if whole else None


def _is_whole(record: Record, plan: Mapping[str, Any]) -> bool:
    name = record["name"]
    if not (name in KINDS or name in [entry["name"] for entry in plan["entries"]]):
        return False
    if not _has(record, KINDS.get(name, OF_ENTRY)):
        return False
    if name == "rules":
        rules = record["reward"].keys()
        same = (
            rules == record["local"].keys() == record["extras"].keys()
            and "random" in rules
            and any(record["local"].values())
        )
        each = all(_is_array(x, (plan["worlds"],)) for x in record["reward"].values())
        extras = all(_are_numbers(x) for x in record["extras"].values())
        return same and each and extras and all(isinstance(x, bool) for x in record["local"].values())
    if name == "bound":
        return _is_array(record["reward"], (plan["bounded"],))
    points = all(
        _has(point, OF_CHECKPOINT)
        and _is_array(point["reward"], (plan["seeds"],))
        and _is_array(point["in_worlds"], (plan["judged"],))
        for point in record["checkpoints"]
    )
    extras = all(_is_array(x, (plan["seeds"],)) for x in record["extras"].values())
    rewards = _is_array(record["reward"], (plan["seeds"], plan["worlds"]))
    return bool(record["checkpoints"]) and points and extras and rewards


def _has(record: Any, kinds: Mapping[str, Any]) -> bool:
    """Whether it has all of these, of these kinds."""
    if not isinstance(record, dict):
        return False
    fits = (isinstance(record[name], kind) and not isinstance(record[name], bool) for name, kind in kinds.items())
    return all(fits) and _are_numbers({name: record[name] for name, kind in kinds.items() if kind in (NUMBER, int)})


def _are_numbers(values: Any) -> bool:
    return isinstance(values, dict) and all(_is_array(x, ()) for x in values.values())


def _is_array(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether lists of numbers, or a number, are of a shape and finite."""
    array = np.asarray(value)
    return array.shape == shape and array.dtype.kind in "iuf" and bool(np.all(np.isfinite(array)))
