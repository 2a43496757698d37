"""A league as a picture: reward against seconds of training, and the rules and the bound beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from jaxvec.league.folder import Record
from jaxvec.league.table import Yardsticks, yardsticks
from jaxvec.viz.colours import colour_of, legible
from jaxvec.viz.plots import name_lines, new_figure
from jaxvec.viz.theme import INK

SHOWN = 0.1  # of the way from chance to the best, at least


def draw(plan: Mapping[str, Any], records: Mapping[str, Record], path: Path) -> None:
    """A line for each learner, the mean of its seeds, with a band from the lowest to the highest; dashed lines for yardsticks.

    Args:
        plan: `plan.json` of the league.
        records: of the league, by name.
        path: of the picture.
    """
    marks, judged = yardsticks(records), plan["judged"]
    learners = [record for name, record in records.items() if name not in ("rules", "bound")]
    with new_figure(path, 8.0, 4.4) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
        ends = [_curve(axes, record, colour_of(record["name"])) for record in learners]
        levels = _levels(marks, judged)
        last = [reward for record in learners for reward in record["checkpoints"][-1]["reward"]]
        _limits(axes, last, levels, marks.rules["random"][:judged].mean())
        for value, _, colour in levels:
            axes.axhline(value, color=colour, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        name_lines(axes, [*ends, *levels], 8.5)
        axes.set_title(f"{plan['env']}: reward per slot of greedy policies, in {judged} worlds")
        axes.set_ylabel("reward per slot")
        axes.set_xlabel(
            f"seconds of training of one seed · mean of {plan['seeds']} seeds, and from the lowest to the highest"
        )


def _curve(axes: Axes, record: Record, colour: str) -> tuple[float, str, str]:
    """A learner's line; where it ends, its name and its colour."""
    points = record["checkpoints"][1:]  # the logarithm has no place for the start
    rewards = np.asarray([point["reward"] for point in points])
    seconds = np.asarray([point["seconds"] for point in points]) / rewards.shape[1]
    axes.fill_between(seconds, rewards.min(1), rewards.max(1), color=colour, alpha=0.18, linewidth=0)
    axes.plot(seconds, rewards.mean(1), color=colour, linewidth=1.8, marker="o", ms=3)
    return float(rewards[-1].mean()), record["name"], legible(colour)


def _levels(marks: Yardsticks, judged: int) -> list[tuple[float, str, str]]:
    """Rewards, names and colours of the yardsticks, in the worlds that judge."""
    words = "best rule, local" if marks.best == marks.local else "best local rule"
    named = {f"{marks.local} ({words})": marks.rules[marks.local][:judged].mean()}
    if marks.best != marks.local:
        named[f"{marks.best} (best rule)"] = marks.rules[marks.best][:judged].mean()
    bound = marks.bound_in(judged)
    if bound is not None:
        named["bound"] = bound.mean
    colours = [INK if name == "bound" else legible(colour_of(name)) for name in named]
    return [(float(value), name, colour) for (name, value), colour in zip(named.items(), colours, strict=True)]


def _limits(axes: Axes, ends: list[float], levels: list[tuple[float, str, str]], random: float) -> None:
    """So that what learners end with, and the yardsticks, can be told apart: how learners began, or went astray, does
    not set the scale."""
    values = [value for value in ends if value >= random] + [value for value, *_ in levels]
    low, high = min(values), max(values)
    low = max(min(random, low), low - max(1.5 * (high - low), SHOWN * (high - random)))
    margin = 0.04 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)
