"""What there is to know of an environment, as one object (`describe`) and as text (`text`): `jaxvec envs ENV` prints them.

Everything is read where it is declared: fields by `size`, `switch` and `number`, layouts, spaces, `presets`, `info_fields`.
"""

import dataclasses
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxvec.core.environment import Environment
from jaxvec.core.limits import accepted
from jaxvec.core.observation import Layout
from jaxvec.core.params import choices_of
from jaxvec.core.rule import is_local, meaning_of
from jaxvec.core.spaces import Box, Space
from jaxvec.policies import fixed

LINE = 120  # characters, where text is wrapped


def words_of(cls: type[Environment]) -> str:
    """What an environment's module says of it, or where that says nothing its class; without the id at its beginning."""
    words = sys.modules[cls.__module__].__doc__ or cls.__doc__ or ""
    return words.strip().removeprefix(f"`{cls.id}`: ")


def describe(env: Environment) -> dict[str, Any]:
    """An environment in words and numbers that JSON can hold.

    Args:
        env: with the sizes for which layout and spaces are described.
    Returns:
        `id` and `words`;
        `agents`, how many per group, `takes_turns`, `team_reward`, whether all earn the same by the default numbers, `discount`;
        `sizes`, each with value, meaning and at_least; `switches`, each with value, meaning and choices;
        `params`, each with default, unit, meaning, range, what is accepted in words, and axes;
        `observation`, per group and of "world" its size and, where they are declared, its blocks, each with first and last
        column, name, unit, meaning, and entry, how it follows from the quantity;
        `features`, of systems where a forecaster may help, name to first and last column;
        `actions`, per group and component the space, shape, and low and high or n;
        `presets`, each with meaning and settings; `rules`, each with `local`, whether agents could follow it by their own
        rows, and meaning;
        `info`, each with unit and meaning.
    """
    fields = dataclasses.fields(env)  # type: ignore[arg-type]
    layout = env.observation_layout
    params = env.default_params()
    space = {group: box.shape[0] for group, box in env.observation_space.items()} | {"world": env.world_size}
    return {
        "id": env.id,
        "words": words_of(type(env)),
        "agents": env.n_agents,
        "team_reward": bool(env.shares_reward(params)),
        "takes_turns": bool(env.takes_turns),
        "discount": env.discount,
        "sizes": {field.name: _size(env, field) for field in fields if not choices_of(field)},
        "switches": {field.name: _switch(env, field) for field in fields if choices_of(field)},
        "params": {field.name: _number(field) for field in dataclasses.fields(env.params_cls)},
        "observation": {group: {"size": n, "blocks": _blocks(layout.get(group))} for group, n in space.items()},
        "features": {name: [block.start, block.stop - 1] for name, block in env.feature_blocks.items()},
        "actions": {
            group: {name: _space(space) for name, space in components.items()}
            for group, components in env.action_space.items()
        },
        "presets": {
            name: {"meaning": preset.doc, "settings": dict(preset.settings)} for name, preset in env.presets.items()
        },
        "rules": {
            name: {"local": is_local(rule), "meaning": meaning_of(rule)} for name, rule in fixed(env, params).items()
        },
        "info": {name: {"unit": unit, "meaning": meaning} for name, (unit, meaning) in env.info_fields.items()},
    }


def _size(env: Environment, field: dataclasses.Field[Any]) -> dict[str, Any]:
    return {
        "value": getattr(env, field.name),
        "meaning": field.metadata.get("doc", ""),
        "at_least": field.metadata.get("at_least"),
    }


def _switch(env: Environment, field: dataclasses.Field[Any]) -> dict[str, Any]:
    return {
        "value": getattr(env, field.name),
        "meaning": field.metadata["doc"],
        "choices": list(choices_of(field)),
    }


def _number(field: dataclasses.Field[Any]) -> dict[str, Any]:
    axes = None if field.metadata.get("data") else field.metadata.get("axes")
    return {
        "default": field.default,
        "unit": field.metadata.get("unit", ""),
        "meaning": field.metadata.get("doc", ""),
        "range": "" if axes is None else accepted(field),
        "axes": None if axes is None else list(axes),
    }


def _blocks(layout: Layout | None) -> list[dict[str, Any]]:
    """The blocks of a layout, from the first column to the last; none of a layout that is not declared."""
    rows: list[dict[str, Any]] = []
    for block in () if layout is None else layout.blocks:
        first = rows[-1]["last"] + 1 if rows else 0
        rows.append(
            {
                "first": first,
                "last": first + block.size - 1,
                "name": block.name,
                "unit": block.unit,
                "meaning": block.doc,
                "entry": block.describe(),
            }
        )
    return rows


def _space(space: Space) -> dict[str, Any]:
    shape = list(space.shape)
    if isinstance(space, Box):
        return {"space": "box", "shape": shape, "low": space.low, "high": space.high}
    return {"space": "discrete", "shape": shape, "n": space.n}


def text(description: Mapping[str, Any]) -> str:
    """A description for readers: aligned tables, in lines of `LINE` characters."""
    name = description["id"]
    parts = [f"{name}: {description['words']}", _agents(description)]
    parts += [_observation(group, observation) for group, observation in description["observation"].items()]
    if description["features"]:
        rows = [(f"{first}-{last}", name) for name, (first, last) in description["features"].items()]
        parts.append(table("Features, which a forecaster learns to tell ahead", ("column", "quantity"), rows))
    for group, components in description["actions"].items():
        rows = [(component, _values(space)) for component, space in components.items()]
        parts.append(table(f"Actions of a {group}", ("component", "values"), rows))
    parts += [
        f'What can be set, by jaxvec.make("{name}", NAME=VALUE) or on the command line by --set NAME=VALUE:',
        table("Sizes (a change compiles anew)", ("name", "value", "meaning"), _sizes(description)),
        table("Switches (likewise)", ("name", "value", "meaning [choices]"), _switches(description)),
        table(
            "Numbers (a change compiles nothing; an array of one per world is a sweep)",
            ("name", "default", "unit", "range", "meaning"),
            [
                (number, plain(x["default"]), x["unit"] or "-", x["range"], _meaning(x))
                for number, x in description["params"].items()
            ],
        ),
        table("Presets (preset=NAME, or --preset NAME)", ("name", "meaning [settings]"), _presets(description)),
        table(
            "Rules (jaxvec.policies.fixed; local: by an agent's own row and mask)",
            ("name", "kind", "what it does"),
            _rules(description),
        ),
        table(
            "Told of every slot, in Timestep.info",
            ("name", "unit", "meaning"),
            [(entry, x["unit"], x["meaning"]) for entry, x in description["info"].items()],
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _agents(description: Mapping[str, Any]) -> str:
    agents = ", ".join(f"{n} of group {group!r}" for group, n in description["agents"].items())
    turns = "they decide one after the other" if description["takes_turns"] else "they decide at the same time"
    reward = "all earn the team's reward" if description["team_reward"] else "each earns a reward of its own"
    return f"Agents: {agents}; {turns}, {reward}; discount {plain(description['discount'])} per slot."


def _observation(group: str, observation: Mapping[str, Any]) -> str:
    title = "World, what a central critic sees" if group == "world" else f"Observation of a {group}"
    title = f"{title}: {observation['size']} entries"
    rows = []
    for block in observation["blocks"]:
        columns = str(block["first"]) if block["first"] == block["last"] else f"{block['first']}-{block['last']}"
        rows.append((columns, block["name"], block["unit"], block["entry"], block["meaning"]))
    return table(title, ("column", "quantity", "unit", "entry", "meaning"), rows) or title


def _values(space: Mapping[str, Any]) -> str:
    many = " x ".join(map(str, space["shape"]))
    if space["space"] == "box":
        interval = f"[{plain(space['low'])}, {plain(space['high'])}]"
        return f"{many} numbers in {interval}" if many else f"a number in {interval}"
    choices = f"0 to {space['n'] - 1}"
    return f"{many} whole numbers from {choices}" if many else f"a whole number from {choices}"


def _sizes(description: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(name, plain(x["value"]), x["meaning"]) for name, x in description["sizes"].items()]


def _switches(description: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (name, plain(x["value"]), f"{x['meaning']} [{', '.join(map(plain, x['choices']))}]")
        for name, x in description["switches"].items()
    ]


def _presets(description: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, preset in description["presets"].items():
        settings = ", ".join(f"{setting}={plain(value)}" for setting, value in preset["settings"].items())
        rows.append((name, f"{preset['meaning']} [{settings or 'the defaults'}]"))
    return rows


def _rules(description: Mapping[str, Any]) -> list[tuple[str, ...]]:
    kind = {True: "local", False: "central"}
    return [(name, kind[rule["local"]], rule["meaning"]) for name, rule in description["rules"].items()]


def _meaning(number: Mapping[str, Any]) -> str:
    return number["meaning"] + (f"; one, or one per {' and '.join(number['axes'])}" if number["axes"] else "")


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the last one wrapped; an empty text without rows."""
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)][:-1]
    lines = [title]
    for *cells, last in ([head.upper() for head in heads], *rows):
        start = "  " + "".join(f"{cell:{width}}  " for cell, width in zip(cells, widths, strict=True))
        lines += textwrap.wrap(last, LINE, initial_indent=start, subsequent_indent=" " * len(start)) or [start.rstrip()]
    return "\n".join(lines)


def plain(value: Any) -> str:
    """A value as one would write it: 20e6 is 2e7, and 0.25 itself; of several, each."""
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return str(value)
    if isinstance(value, Iterable):
        return f"[{', '.join(map(plain, value))}]"
    mantissa, _, exponent = f"{value:.9e}".partition("e")
    if value == 0 or -4 < int(exponent) < 5:
        return f"{value:.10g}"
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
