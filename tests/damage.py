"""What can happen to a run folder: fields, lines, arrays, bytes and files that are lost, changed or replaced."""

import contextlib
import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.training.config import digest

VALUES = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    3,
    1.5,
    1e300,
    float("nan"),
    float("inf"),
    10**30,
    "",
    "x",
    "é",
    "ippo",
    "walkers",
    [],
    [1],
    {},
    {"a": 1},
    [[[]]],
)
NAMES = ("x", "0", "-1", "7", "007", "٣", "9" * 30, "²", "1e3", "2.orbax-checkpoint-tmp-0")


def damage(draw: random.Random, folder: Path) -> str:
    """Change something in a run folder; what."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    known = [file for file in files if file.parent == folder]
    file = draw.choice(known if known and draw.random() < 0.7 else files)
    record = file.name == "metadata" and file.parent.name == "record"
    if (file.suffix == ".json" or record) and draw.random() < 0.75:
        return _json(draw, file, folder)
    if file.suffix == ".jsonl" and draw.random() < 0.75:
        return _lines(draw, file)
    if file.suffix == ".npz" and draw.random() < 0.6:
        return _arrays(draw, file)
    return draw.choice((_bytes, _bytes, _bytes, _place))(draw, file, folder)


def changed_json(draw: random.Random, value: Any) -> Any:
    """A value with one of its fields, however deep, removed, replaced or added."""
    places, todo = [], [value]
    while todo:
        here = todo.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        places += [(here, key) for key in keys]
        todo += [here[key] for key in keys]
    if not places or draw.random() < 0.03:
        return draw.choice(VALUES)
    here, key = draw.choice(places)
    match draw.randrange(5):
        case 0:
            del here[key]
        case 1:
            here[key] = [here[key]]
        case 2 if isinstance(here, dict):
            here[draw.choice(("x", "é", "n_worlds", "0"))] = draw.choice(VALUES)
        case 3 if isinstance(here[key], int | float):
            here[key] = draw.choice((-here[key], here[key] + 1, here[key] * 1.5, str(here[key])))
        case _:
            here[key] = draw.choice(VALUES)
    return value


def _json(draw: random.Random, file: Path, folder: Path) -> str:
    try:
        value = changed_json(draw, json.loads(file.read_text()))
    except (ValueError, RecursionError):  # it is damaged already
        return _bytes(draw, file, folder)
    if file.parent.name == "record" and isinstance(value, dict) and draw.random() < 0.7:
        _sign(value)
    text = json.dumps(value)
    if draw.random() < 0.05:
        text = draw.choice(
            (text * 2, "[" * 100000, text[: draw.randrange(len(text) + 1)], "\ufeff" + text, '{"format": 3}')
        )
    file.write_text(text)
    if file.name == "config.json" and draw.random() < 0.5:
        _agree(folder, value)
    return f"{file.relative_to(folder)} is {text[:2000]}"


def _sign(record: dict[str, Any]) -> None:
    """Give a checkpoint's record the digest of what stands in it."""
    record.pop("digest", None)
    record["digest"] = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _agree(folder: Path, config: Any) -> None:
    """Have the checkpoints say that they are of this configuration."""
    for file in folder.glob("checkpoints/*/record/metadata"):
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, OSError):
            record = json.loads(file.read_text())
            record["config"] = digest(config)
            _sign(record)
            file.write_text(json.dumps(record))


def _lines(draw: random.Random, file: Path) -> str:
    lines = file.read_text(errors="replace").splitlines() or [""]
    i = draw.randrange(len(lines))
    match draw.randrange(5):
        case 0:
            del lines[i]
        case 1:
            lines.insert(
                i,
                draw.choice(
                    ("", "5", "{}", "null", "\ud800".encode("utf-8", "replace").decode(), lines[i], "[" * 100000)
                ),
            )
        case 2:
            lines[i] = lines[i][: draw.randrange(len(lines[i]) + 1)]
        case _:
            with contextlib.suppress(ValueError, RecursionError):
                lines[i] = json.dumps(changed_json(draw, json.loads(lines[i])))
    file.write_text("\n".join(lines) + draw.choice(("\n", "\n", "", "\x00")))
    return f"{file.name}, line {i + 1}: {lines[min(i, len(lines) - 1)][:200] if lines else ''}"


def _arrays(draw: random.Random, file: Path) -> str:
    try:
        with np.load(file, allow_pickle=True) as stored:
            arrays = dict(stored)
    except Exception:  # it is damaged already
        return "nothing"
    if not arrays:
        return "nothing"
    name = draw.choice(list(arrays))
    others = (
        np.float32(np.nan),
        np.zeros(3),
        np.array("x"),
        np.array([None, 1]),
        np.int32(7),
        np.zeros((0, 2)),
        np.ones(100),
        np.complex64(1j),
    )
    if draw.random() < 0.3:
        del arrays[name]
    else:
        arrays[name] = draw.choice(others)
    np.savez(file, **arrays)
    return f"{file.name}: {name} is {arrays.get(name, 'absent')!r}"


def _bytes(draw: random.Random, file: Path, folder: Path) -> str:
    content = bytearray(file.read_bytes())
    i = draw.randrange(len(content) + 1)
    match draw.randrange(4):
        case 0:
            content = content[:i]
        case 1:
            content[i : i + 1] = bytes([draw.randrange(256)])
        case 2:
            content[i:i] = bytes(draw.randrange(256) for _ in range(draw.choice((1, 4, 1000))))
        case _:
            content = bytearray()
    file.write_bytes(content)
    return f"{file.relative_to(folder)}: bytes changed at {i}, {len(content)} now"


def _place(draw: random.Random, file: Path, folder: Path) -> str:
    """A file or folder is lost, is something else, or is called otherwise."""
    thing = draw.choice([file, *[p for p in file.parents if folder in p.parents]])
    kind = draw.choice(("gone", "folder", "file", "loop", "dangling", "renamed", "copied", "locked", "evaluation"))
    other = thing.with_name(draw.choice(NAMES))
    if kind == "locked":
        (folder / "lock").unlink(missing_ok=True)
        (folder / "lock").mkdir()
    elif kind == "evaluation":
        (folder / draw.choice(("evaluation.json", "episode.gif", "comparison.png"))).mkdir(exist_ok=True)
    elif kind == "copied" and not other.exists():
        shutil.copytree(thing, other) if thing.is_dir() else shutil.copy(thing, other)
    elif kind == "renamed" and not other.exists():
        thing.rename(other)
    else:
        shutil.rmtree(thing) if thing.is_dir() else thing.unlink()
        match kind:
            case "folder":
                thing.mkdir()
            case "file":
                thing.write_text("x")
            case "loop":
                thing.symlink_to(thing)
            case "dangling":
                thing.symlink_to(folder / "nowhere")
    return f"{thing.relative_to(folder)}: {kind} ({other.name})"
