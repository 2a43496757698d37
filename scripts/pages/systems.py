"""One page per system, made from its code: everything that `jaxvec.describe` knows, with a picture of an episode."""

from collections.abc import Iterator, Mapping
from typing import Any

import elements
from page_text import code, escaped, prose, table

import jaxvec
from jaxvec.describe import describe, plain

HOW = {True: "The agents decide one after the other within a slot.", False: "All agents decide at the same time."}
EARNS = {
    True: "All of them earn the same reward, the team's.",
    False: "Each of them earns a reward of its own, so that the agents are not a team by the default numbers.",
}
DEPARTS = "Where the paper is silent or contradicts itself:"


def page(name: str, picture: str) -> str:
    """The page of a system.

    Args:
        name: its id.
        picture: address of the picture, as seen from the page.
    """
    env, _ = jaxvec.make(name)
    told = describe(env)
    summary, *paragraphs = told["words"].split("\n\n")
    start = next((i for i, paragraph in enumerate(paragraphs) if DEPARTS in paragraph), len(paragraphs))
    parts = [
        f"# {name}",
        prose(summary[:1].upper() + summary[1:]),
        f"![An episode of {name} under one of its rules]({picture})",
        "This is a slot of an episode under the rule that is named at the top right. "
        f"`jaxvec render {name} --policy RULE --out episode.gif` draws a whole episode under any rule.",
        *map(prose, paragraphs[:start]),
        *_process(told),
        *_observation(told),
        *_settings(name, told),
        *_rules_and_info(name, told),
        *_departures(paragraphs[start:]),
        "Element by element, also of learners, baselines and figures ([all elements](../elements.md)):",
        elements.listed(name),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _process(told: Mapping[str, Any]) -> Iterator[str]:
    """Who decides what for which reward."""
    yield "## The decision process"
    agents = ", ".join(f"{n} of the group `{group}`" for group, n in told["agents"].items())
    horizon = told["sizes"]["horizon"]["value"]
    yield (
        f"Agents: {agents}. {HOW[told['takes_turns']]} {EARNS[told['team_reward']]} An episode has {horizon} slots, and a reward "
        f"counts {plain(told['discount'])} times as much for each slot that it comes later (the discount). "
        "All of this is at the default sizes."
    )
    yield "What each agent decides in a slot:"
    heads = ("group", "component", "values")
    rows = [
        (code(group), code(component), _values(space))
        for group, components in told["actions"].items()
        for component, space in components.items()
    ]
    yield table(heads, rows)
    yield (
        "The system decodes actions so that whatever an agent asks for is feasible: shares are brought to a sum of one at "
        "most, and powers into their range. A whole number is a choice among options; where not all of them are allowed in a "
        "slot, a mask in "
        "the observation says which are."
    )


def _values(space: Mapping[str, Any]) -> str:
    many = " x ".join(map(str, space["shape"]))
    if space["space"] == "box":
        interval = f"from {plain(space['low'])} to {plain(space['high'])}"
        return f"{many} numbers, each {interval}" if many else f"a number {interval}"
    choices = f"from 0 to {space['n'] - 1}"
    return f"{many} whole numbers, each {choices}" if many else f"a whole number {choices}"


def _observation(told: Mapping[str, Any]) -> Iterator[str]:
    """The layout of each group's row, of the world's vector, and of what a forecaster tells."""
    yield "## What an agent observes"
    yield (
        "Each agent sees one row of numbers. They are scaled to a size of about one: *entry* says how a number of the row "
        "follows "
        "from the quantity in its unit."
    )
    heads = ("column", "quantity", "unit", "entry", "meaning")
    for group, observation in told["observation"].items():
        world = group == "world"
        yield "### The world" if world else f"### A {group}"
        yield f"{observation['size']} numbers." + (
            " They are for critics that see everything in training." if world else ""
        )
        rows = [
            (
                _columns(x["first"], x["last"]),
                code(x["name"]),
                escaped(x["unit"]),
                code(x["entry"]),
                escaped(x["meaning"]),
            )
            for x in observation["blocks"]
        ]
        yield table(heads, rows)
    if told["features"]:
        yield "### What a forecaster learns to tell"
        yield table(("column", "quantity"), [(_columns(*span), code(name)) for name, span in told["features"].items()])


def _columns(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _settings(name: str, told: Mapping[str, Any]) -> Iterator[str]:
    """Sizes, switches, numbers and presets."""
    yield "## What you can set"
    yield f'In Python you set a value by `jaxvec.make("{name}", NAME=VALUE)`, on the command line by `--set NAME=VALUE`.'
    yield "### Sizes"
    yield "Sizes fix the shapes of arrays. Another value compiles the program anew."
    rows = [
        (code(size), plain(x["value"]), plain(x["at_least"]), escaped(x["meaning"]))
        for size, x in told["sizes"].items()
    ]
    yield table(("name", "default", "at least", "meaning"), rows)
    yield "### Switches"
    yield "Switches choose between models. Another value compiles the program anew."
    rows = [
        (code(switch), code(plain(x["value"])), escaped(x["meaning"]), ", ".join(code(plain(y)) for y in x["choices"]))
        for switch, x in told["switches"].items()
    ]
    yield table(("name", "default", "meaning", "choices"), rows)
    yield "### Numbers"
    yield (
        "Another value of a number compiles nothing, and an array with one value per world is a [sweep](../sweeps.md). "
        "A value out "
        "of range is refused by an error that names the value, the unit and the range."
    )
    rows = [
        (code(number), plain(x["default"]), escaped(x["unit"]), escaped(x["range"]), escaped(_meaning(x)))
        for number, x in told["params"].items()
    ]
    yield table(("name", "default", "unit", "range", "meaning"), rows)
    yield "### Presets"
    yield f'A preset is a set of such values with a name: `jaxvec.make("{name}", preset="NAME")`, or `--preset NAME`.'
    rows = [
        (code(preset), escaped(x["meaning"]), ", ".join(code(f"{k}={plain(y)}") for k, y in x["settings"].items()))
        for preset, x in told["presets"].items()
    ]
    yield table(("name", "meaning", "settings"), rows)


def _meaning(number: Mapping[str, Any]) -> str:
    return number["meaning"] + (f"; one, or one per {' and '.join(number['axes'])}" if number["axes"] else "")


def _rules_and_info(name: str, told: Mapping[str, Any]) -> Iterator[str]:
    """Policies that do not learn, and what a slot tells beside its reward."""
    yield "## Rules"
    yield (
        "Rules are policies that do not learn, with which learners are compared. A *local* rule follows from what one agent "
        "observes, "
        "so that the agents could follow it by themselves; a *central* rule needs more than that. How well rules and learners do "
        f"here stands in the [league](../results/league.md#{name})."
    )
    rows = [
        (code(rule), "local" if x["local"] else "central", escaped(x["meaning"])) for rule, x in told["rules"].items()
    ]
    yield table(("name", "kind", "what it does"), rows)
    yield "## What a slot tells"
    yield (
        "`Timestep.info` holds what the model computed on its way to the reward. What you do not use costs nothing, because the "
        "compiler removes it."
    )
    rows = [(code(entry), escaped(x["unit"]), escaped(x["meaning"])) for entry, x in told["info"].items()]
    yield table(("name", "unit", "meaning"), rows)


def _departures(paragraphs: list[str]) -> Iterator[str]:
    """What was decided where the paper does not say, and what is ours."""
    if paragraphs:
        yield "## Where it departs from the paper"
        yield from map(prose, paragraphs)
