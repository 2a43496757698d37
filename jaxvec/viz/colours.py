"""Colours of names: a rule or learner has the same in every plot. Those that are known and meet in one are apart; any other name
has a colour by its letters."""

from collections.abc import Collection
from zlib import crc32

from jaxvec.viz.theme import rgb

NAMES = {
    "#2c6fb3": "apg | greedy w.o. prediction | icl-copy | mappo, no mask | random, as printed | single agent",
    "#c8402a": "cnn-lstm | dt-maddpg | ly-matd3 | mappo | marl | masac w.o. prediction | random, no mask",
    "#1b8a7a": "greedy | gru | icl-kernel-64 | marl, pooled critic | qmarl | waterfill-twin",
    "#c98500": "ly-mappo | maddpg | mappo, no lstm | myopic, no mask | persistence | random w.o. prediction | sarl",
    "#8a5aa8": "dm-mappo | ippo | lstm | ly-dtmappo, the paper's numbers | no lstm | sarl, one agent for all",
    "#6b7785": "marl as printed | nash, 8 vehicles | random | week before",
    "#58a6d6": "cnn-gru | dt-maddpg, the paper's numbers | ly-masac | masac | no twin | offload-equal, as printed",
    "#7a5230": "ar(6) | masac, no mask | nash | rocs | slot-optimum | split-equal | sticky | td3",
    "#d1679f": "alcs | apg from waterfill-twin | half-equal | matched, own rewards | matd3 | patient | spread-half",
    "#8a9a1c": "capacity | ddpg | local | myopic | nash, 2 vehicles | nash-half",
    "#3b3f8f": "apg from local-threshold | greedy-half | least-load | local-spread, own rewards | ly-dtmappo | "
    "maddpg-pooled | own-patient w.o. prediction",
    "#12b0c0": "algorithm 2 as printed | apg from local-spread | apg from own-patient | own-patient, no mask | starve",
    "#e8804a": "amcs-nearest | apg, in turns | local-spread | own-myopic | softmax-random | waterfill",
    "#4d7a2a": "apg from greedy | local-spread-half | lstm-transformer | mappo-matched | offload-equal | "
    "own-patient | qmarl, discount 0.99",
    "#8f1d4f": "amcs | dm-mappo w.o. prediction | greedy, no mask | local-threshold | matched | nearest | sac | "
    "satellite | spread",
    "#a58fd6": "all-local | apg from nash | apg from nash-half | apg, all at once | apg, told who comes later | "
    "greedy-latency | mappo, own rewards",
    "#15181c": "bound",
    "#2340f0": "apg, with a value | matched, no lstm | qmarl, own rewards",
    "#2fae3a": "ly-maddpg | random, own rewards",
}
"""Colour to the names that have it, in small letters: learners, rules, entries of leagues, and series of the papers' figures."""

COLOUR_OF = {name: colour for colour, names in NAMES.items() for name in names.split(" | ")}

IDENTITY = ("#2458b0", "#c2379b", "#8a9a1c", "#6f3fb5", "#3fa3dd", "#1d2731", "#e58fc4", "#a99be0")
"""Colours of individuals in a scene, by number: none of them is near one of a load (`jaxvec.viz.theme.load_colour`)."""


def colour_of(name: str) -> str:
    """The colour of a rule or learner; capitals, `_` for `-`, and what stands in brackets at its end make no difference."""
    known_as = _known_as(name)
    return COLOUR_OF.get(known_as) or list(NAMES)[crc32(known_as.encode()) % len(NAMES)]


def _known_as(name: str) -> str:
    return name.split(" (")[0].casefold().replace("_", "-")


def colours_of(names: Collection[str]) -> dict[str, str]:
    """Colours of all that stand in one figure: known names have theirs, and others one that is still free, if any is."""
    keys = list(dict.fromkeys(_known_as(name) for name in names))
    chosen = {key: COLOUR_OF[key] for key in keys if key in COLOUR_OF}
    for key in keys:
        if key not in chosen:
            first = list(NAMES).index(colour_of(key))
            turn = [*list(NAMES)[first:], *list(NAMES)[:first]]
            chosen[key] = next((colour for colour in turn if colour not in chosen.values()), turn[0])
    return {name: chosen[_known_as(name)] for name in names}


def identity(number: int) -> str:
    """The colour of an individual."""
    return IDENTITY[number % len(IDENTITY)]


def legible(colour: str) -> str:
    """A colour for text on white: darker, if it is a pale one."""
    r, g, b = rgb(colour)
    light = 0.299 * r + 0.587 * g + 0.114 * b
    part = min(1.0, 125 / max(light, 1.0))
    return "#" + "".join(f"{round(part * x):02x}" for x in (r, g, b))
