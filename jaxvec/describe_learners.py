"""What there is to know of a learner, as one object and as text: `jaxvec learners [NAME]` prints them.

Meanings are read where they stand: in the "Attributes:" of the docstrings of the learner's `Settings` and `Hyper`.
"""

import dataclasses
import inspect
import re
from collections.abc import Mapping
from typing import Any

from jaxvec import learners
from jaxvec.core.make import make
from jaxvec.describe import plain, table


def words_of(name: str) -> str:
    """What a learner is, in one line; empty if its entry says nothing.

    Args:
        name: of `jaxvec.learners.LEARNERS`.
    """
    return (inspect.getdoc(learners.LEARNERS[name]) or "").partition("\n")[0]


def describe(name: str, env_id: str) -> dict[str, Any]:
    """A learner in words and numbers that JSON can hold.

    Args:
        name: of `jaxvec.learners.LEARNERS`.
        env_id: the environment for which its defaults are shown.
    Returns:
        `name`, `words`, `env`, and `settings` and `hyper`, each by name its value and meaning.
    Raises:
        ValueError: an unknown name, or a learner that cannot learn there.
    """
    env, _ = make(env_id)
    learner = learners.make(name, env)
    return {
        "name": name,
        "words": words_of(name),
        "env": env_id,
        "settings": _fields(learner.settings),
        "hyper": _fields(learner.hyper),
    }


def _fields(struct: Any) -> dict[str, dict[str, Any]]:
    """Value and meaning of each field."""
    meanings = meanings_of(type(struct))
    rows = {}
    for field in dataclasses.fields(struct):
        name, start = field.name, field.name.removesuffix("_end")
        meaning = meanings.get(name) or (f"where {start} ends" if start != name else "")
        rows[name] = {"value": getattr(struct, name), "meaning": meaning}
    return rows


def meanings_of(cls: type) -> dict[str, str]:
    """Field -> what the docstrings of a class and of its bases say of it, the nearest first.

    Args:
        cls: a class whose docstring has "Attributes:".
    """
    meanings: dict[str, str] = {}
    for base in cls.__mro__:
        _, _, section = (inspect.cleandoc(base.__dict__.get("__doc__") or "")).partition("Attributes:\n")
        names: list[str] = []
        texts: dict[str, str] = {}
        for line in section.splitlines():
            if not line.startswith("    "):
                break
            if entry := re.fullmatch(r"    ([\w, ]+): (.*)", line):
                names = [name.strip() for name in entry[1].split(",")]
                texts |= dict.fromkeys(names, entry[2])
            else:
                texts |= {name: f"{texts[name]} {line.strip()}" for name in names}
        for name, words in texts.items():
            if not words.startswith("as there"):  # the base says it
                meanings.setdefault(name, words)
    return meanings


def text(description: Mapping[str, Any]) -> str:
    """A description for readers.

    Args:
        description: as `describe` gives it.
    """
    name, env_id = description["name"], description["env"]
    parts = [
        f"{name}: {description['words']}" if description["words"] else name,
        f"What can be set on the command line by --set NAME=VALUE; values are the defaults on {env_id} (--env for another).",
    ]
    titles = {
        "settings": f'Settings (a change compiles anew): jaxvec.learners.make("{name}", env, NAME=VALUE)',
        "hyper": "Hyper-parameters (a change compiles nothing; a value per seed is a sweep): "
        "jaxvec.train(learner, params, key, num_updates, hyper={NAME: VALUE})",
    }
    for part, title in titles.items():
        rows = [(field, _value(x["value"]), x["meaning"]) for field, x in description[part].items()]
        parts.append(table(title, ("name", "value", "meaning"), rows))
    return "\n\n".join(part for part in parts if part)


def _value(value: Any) -> str:
    """As it is written on a command line."""
    return str(value) if isinstance(value, tuple) else plain(value)
