"""What all pictures share: a restrained palette that colour-blind readers can tell apart, and how numbers are written."""

import math

PAPER, PANEL, INK, MUTED, HAIR = "#ffffff", "#f6f7f9", "#1d2731", "#66727f", "#d3d9e0"
LATE, ROAD, LANE, VERGE, SLATE = "#c8402a", "#c9cfd6", "#ffffff", "#eff2ee", "#44515e"

SERIES = ("#2c6fb3", "#c8402a", "#1b8a7a", "#c98500", "#8a5aa8", "#6b7785", "#58a6d6", "#7a5230")
"""Colours of series, in order: apart in hue and, for the most part, in lightness."""

LINKS: dict[str, tuple[str, tuple[float, ...]]] = {"data": ("#2c6fb3", ()), "instruction": ("#c98500", (7.0, 4.0))}
"""Per kind of link its colour and dashes; other kinds are slate and solid."""

RAMP = ((0.0, "#0b6f66"), (0.55, "#5fb5a6"), (1.0, "#f4ead0"), (1.4, "#e0865a"), (2.0, "#b2301a"))
"""Load to colour: teal below the limit, pale at it (1), vermilion above."""

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1e-1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
UNITLESS = ("", "-", "bool")


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def load_colour(load: float | None) -> str:
    """The colour of a load, where 1 is the limit; slate without one."""
    if load is None or not math.isfinite(load):
        return SLATE
    load = min(max(load, RAMP[0][0]), RAMP[-1][0])
    for (low, a), (high, b) in zip(RAMP, RAMP[1:], strict=False):
        if load <= high:
            f = (load - low) / (high - low)
            return "#" + "".join(f"{round(p + f * (q - p)):02x}" for p, q in zip(_rgb(a), _rgb(b), strict=True))
    return RAMP[-1][1]


def dark(colour: str) -> bool:
    """White text reads better on it than black."""
    r, g, b = _rgb(colour)
    return 0.299 * r + 0.587 * g + 0.114 * b < 140


def quantity(value: float, unit: str = "", like: float | None = None) -> str:
    """A number with its unit, three digits and an SI prefix; written as one would write `like`, the largest of its kind."""
    if not math.isfinite(value):
        return "–"
    size = abs(value if like is None or not math.isfinite(like) else like)
    if unit in UNITLESS:
        text, tail = (f"{value:.3g}", "") if size >= 1e5 or 0 < size < 1e-3 else (_digits(value, size), "")
    else:
        scale, prefix = next(((s, p) for s, p in PREFIXES if size >= s), (1.0, ""))
        scale = 1.0 if prefix == "" else scale
        text, tail = _digits(value / scale, size / scale), f" {prefix}{unit}"
    return text.replace("-", "−") + tail


def _digits(value: float, size: float) -> str:
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if not float(text) else text
