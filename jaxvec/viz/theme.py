"""What all pictures share: a restrained palette that colour-blind readers can tell apart, and how numbers are written."""

import itertools
import math

PAPER, PANEL, INK, MUTED, LIGHT = "#ffffff", "#f6f7f9", "#1d2731", "#66727f", "#93a5b8"
LATE, ROAD, LANE, VERGE, SLATE = "#c8402a", "#c9cfd6", "#ffffff", "#eff2ee", "#44515e"

SERIES = ("#2c6fb3", "#c8402a", "#1b8a7a", "#c98500", "#8a5aa8", "#6b7785", "#58a6d6", "#7a5230")
"""Colours of series, in order: apart in hue and, for the most part, in lightness."""

LINKS: dict[str, tuple[str, tuple[float, ...]]] = {
    "data": ("#2c6fb3", ()),
    "instruction": ("#c98500", (9.0, 5.0)),
    "relay": ("#8a5aa8", ()),
    "wire": ("#8a5aa8", (9.0, 5.0)),
    "sees": ("#8a5aa8", (3.0, 4.0)),
    "way": ("#44515e", ()),
    "twin way": ("#44515e", (5.0, 3.0)),
}
"""Per kind of link its colour and dashes; other kinds are slate and solid."""

STILL = ("sees",)
"""Kinds of links along which nothing travels."""

RAMP = ((0.0, "#0b6f66"), (0.8, "#62b8a8"), (1.0, "#f6e9c8"), (1.25, "#e8935f"), (2.0, "#a82a17"))
"""Load to colour: teal below the limit, pale at it (1), vermilion above."""

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1e-1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
MINUS, UNKNOWN = "\N{MINUS SIGN}", "\N{EN DASH}"
SUFFIXES = {"s": "s", "j": "J", "hz": "Hz", "cycles": "cycle", "m": "m", "bps": "bit/s", "bits": "bit", "w": "W"}
UNITLESS = ("", "-", "bool")


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of `#rrggbb`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def load_colour(load: float | None) -> str:
    """The colour of a load, where 1 is the limit; slate without one."""
    if load is None or not math.isfinite(load):
        return SLATE
    load = min(max(load, RAMP[0][0]), RAMP[-1][0])
    for (low, a), (high, b) in itertools.pairwise(RAMP):
        if load <= high:
            f = (load - low) / (high - low)
            return "#" + "".join(f"{round(p + f * (q - p)):02x}" for p, q in zip(rgb(a), rgb(b), strict=True))
    return RAMP[-1][1]


def colours() -> list[str]:
    """Every colour of large areas, each once: what an image of few colours must not lose."""
    flat = [
        PAPER,
        PANEL,
        INK,
        MUTED,
        LATE,
        ROAD,
        VERGE,
        SLATE,
        LIGHT,
        *SERIES,
        *(colour for colour, _ in LINKS.values()),
    ]
    return list(dict.fromkeys([*flat, *(load_colour(i / 20) for i in range(41))]))


def dark(colour: str) -> bool:
    """White text reads better on it than black."""
    r, g, b = rgb(colour)
    return 0.299 * r + 0.587 * g + 0.114 * b < 140


def words(name: str) -> tuple[str, str]:
    """What a metric's name says, and the unit that it ends with: "latency mean" and "s" of `latency_mean_s`."""
    head, _, tail = name.rpartition("_")
    known = bool(head) and tail in SUFFIXES
    return (head if known else name).replace("_", " "), SUFFIXES[tail] if known else ""


def quantity(value: float, unit: str = "", like: float | None = None) -> str:
    """A number with its unit, three digits and an SI prefix.

    With `like`, the largest of its kind, it has the prefix and the decimals that `like` needs: numbers that change in place do
    not jump.
    """
    if not math.isfinite(value):
        return UNKNOWN
    size = abs(value if like is None or not math.isfinite(like) else like)
    scale, prefix = 1.0, ""
    if unit not in UNITLESS and value and size:
        scale, prefix = next(((s, p) for s, p in PREFIXES if size >= s), (1.0, ""))
        scale = scale if prefix else 1.0
    number, largest = value / scale, size / scale
    if value == 0 or largest >= 1e4 or largest < 1e-2:
        text = f"{number:.3g}"
    elif like is None:
        text = f"{float(f'{number:.3g}'):g}"
    else:
        text = f"{number:.{0 if largest >= 100 else 1 if largest >= 10 else 2}f}"
    tail = "" if unit in UNITLESS else f" {prefix}{unit}"
    return text.replace("-", MINUS) + tail
