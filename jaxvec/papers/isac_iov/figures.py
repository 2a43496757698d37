"""Figs. 4 to 7 and Table III of the Ly-DTMAPPO paper, and what the twin is worth."""

from collections.abc import Callable

import numpy as np

from jaxvec.papers.checks import converged, steady
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.isac_iov import checks
from jaxvec.papers.isac_iov.series import DTMAPPO, LEARNED, LITERAL, MAPPO, MARKS, RULES
from jaxvec.papers.panels import Lines, over_axis, over_training
from jaxvec.papers.paper import Claim, Figure, Panel
from jaxvec.papers.series import SweepPoint, among
from jaxvec.papers.verdicts import Margin
from jaxvec.viz.plots import Line

REWARD = Margin(0.02)  # of a reward, a cost, a latency or an energy
QUEUE = Margin(1e7, "cycles", "a fortieth of a task")
FIVE = (SweepPoint(5.0, {"n_vehicles": 5}),)

# Lines of our own


def column(statistic: Callable[[Data, str], np.ndarray], index: int) -> Lines:
    """Lines of a column of Table III, beside what is printed there.

    Args:
        statistic: of a series, `(seeds,)`.
        index: of the column in `checks.PRINTED`.
    """

    def lines(data: Data) -> list[Line]:
        result = []
        for series in (one for one in LEARNED if data.is_whole(one.name)):
            estimate = over_seeds(statistic(data, series.name))
            result.append(Line(series.name, [series.name], [estimate.mean], [estimate.half]))
            result.append(Line(series.name, [series.name], [checks.PRINTED[series.name][index]], [np.nan], "paper"))
        return result

    return lines


def curves_and_printed(data: Data) -> list[Line]:
    """Fig. 4's curves, and the steady rewards that Table III prints."""
    lines = over_training()(data)
    end = max(float(line.x[-1]) for line in lines)
    return lines + [Line(name, [end], [values[0]], [np.nan], "paper") for name, values in checks.PRINTED.items()]


# Figures

FIGURES = (
    Figure(
        "4",
        "Training, 5 vehicles",
        "episodes",
        (*LEARNED, LITERAL, *MARKS),
        FIVE,
        (Panel("reward in training", curves_and_printed),),
        (
            Claim(
                "L1 literal",
                "with the paper's own training numbers Ly-DTMAPPO reaches the printed -2.549",
                checks.reaches(LITERAL),
                despite="the paper's training ends there",
            ),
        ),
    ),
    Figure(
        "table3",
        "Table III: steady reward, variation, convergence",
        " ",
        (
            *LEARNED,
            *MARKS,
            *(RULES[name] for name in ("all_local", "split_equal", "offload_equal", "nearest", "capacity")),
        ),
        FIVE,
        (
            Panel("steady reward", column(steady, 0)),
            Panel("coefficient of variation", column(checks.variation, 1)),
            Panel("episodes until converged", column(converged, 2)),
        ),
        (
            Claim(
                "L1", "Ly-DTMAPPO learns: beyond fixed splitting, and past the printed -2.549", checks.learns, REWARD
            ),
            Claim("L2", "steady rewards: DTMAPPO > MASAC > MADDPG > MAPPO > MATD3", checks.table_order, REWARD),
            Claim(
                "L2 by",
                "its steady reward is higher by 25.3, 43.9, 15.9 and 28.3 % (within 5 percentage points)",
                checks.gains,
            ),
            Claim(
                "L2 variation",
                "it varies less (0.411) than MAPPO (0.672) and MADDPG (0.530), more than MASAC (0.366) and MATD3 (0.333)",
                checks.variations,
                Margin(0.1),
            ),
            Claim(
                "L4",
                "the on-policy learners need more episodes than the off-policy ones",
                checks.slow_on_policy,
                Margin(0.1),
            ),
            Claim("P3", "instructions pay where the band is short (offload_equal)", checks.instructions),
            Claim(
                "P11",
                "offloading beats equal splitting, which beats chance, which beats computing locally",
                checks.order_of_rules,
                REWARD,
            ),
            Claim("P12", "energy is 1 to 4 % of the cost, as the printed reductions imply", checks.energy_part),
        ),
    ),
    Figure(
        "5",
        "Queues over training, 5 vehicles",
        "episodes",
        (*LEARNED, *MARKS, RULES["offload_equal"]),
        FIVE,
        (
            Panel("queue of a vehicle [Mcycle]", over_training("env/q_loc_mean_cycles", 1e-6)),
            Panel("queue of an RSU [Mcycle]", over_training("env/q_rsu_mean_cycles", 1e-6)),
        ),
        (
            Claim("L5", "training empties the vehicles' queues: below 1e8 cycles, 5e8 at random", checks.short_queues),
            Claim(
                "L5 lowest",
                "Ly-DTMAPPO's queues are the shortest",
                checks.lowest("q_loc_mean_cycles", " [cycle]"),
                QUEUE,
            ),
        ),
        less="Fig. 5a shows the queue of each of five vehicles; here it is their mean, as they are alike",
    ),
    Figure(
        "6",
        "Costs and the number of vehicles",
        "vehicles",
        (*LEARNED, *MARKS, RULES["offload_equal"]),
        among("n_vehicles", (2, 3, 4, 5, 6)),
        (
            Panel("cost", over_axis("cost_mean")),
            Panel("latency [s]", over_axis("latency_mean_s")),
            Panel("energy [J]", over_axis("energy_mean_j")),
        ),
        (
            Claim(
                "L6",
                "cost and latency rise with the number of vehicles, for every learner",
                checks.rise_with_vehicles,
                REWARD,
            ),
            Claim(
                "L6 lowest",
                "Ly-DTMAPPO's cost is the lowest at every number of vehicles",
                checks.lowest("cost_mean"),
                REWARD,
            ),
            Claim(
                "L6 by",
                "it is lower by 2.81, 3.85, 4.02 and 10.03 % on average (within 2 percentage points)",
                checks.reductions("cost_mean", checks.LESS_COST, 2.0),
            ),
            Claim(
                "L6 latency",
                "and its latency by 2.8, 3.0, 3.7 and 9.8 % (within 2 percentage points)",
                checks.reductions("latency_mean_s", checks.LESS_LATENCY, 2.0),
            ),
            Claim(
                "L6 energy by",
                "and its energy by 2 to 3, 46, 36 and 37 % (within 5 percentage points)",
                checks.reductions("energy_mean_j", checks.LESS_ENERGY, 5.0),
            ),
            Claim(
                "L6 energy six",
                "among six vehicles by 2.6, 62.5, 71.1 and 79.4 % (within 5 percentage points)",
                checks.reductions("energy_mean_j", checks.LESS_ENERGY_OF_SIX, 5.0, last=True),
            ),
            Claim("L6 energy", "Ly-DTMAPPO's energy falls with the number of vehicles", checks.energies, REWARD),
            Claim(
                "P4, P5",
                "offloading alone: cost and latency rise, energy falls with the vehicles (rule)",
                checks.offloading_costs,
                REWARD,
            ),
            Claim(
                "P6",
                "were a processor not shared, more vehicles would not wait longer (rule)",
                checks.common_processor,
                Margin(0.1),
            ),
        ),
        quick=(0, 3),
    ),
    Figure(
        "7",
        "Cost and the Lyapunov weight V, Ly-DTMAPPO with 5 vehicles",
        "V",
        (DTMAPPO, *MARKS),
        tuple(SweepPoint(v, {"n_vehicles": 5}, {"lyapunov_v": v}) for v in checks.COST_BY_V),
        (
            Panel("cost in training", over_training("env/cost_mean", name="{series}, V = {x}"), "episodes"),
            Panel("cost after training", over_axis("cost_mean", printed={"Ly-DTMAPPO": checks.COST_BY_V})),
        ),
        (
            Claim(
                "L7", "the cost rises with V: 0.42, 0.42, 0.552, 0.781 at 5, 10, 50, 100", checks.rises_with_v, REWARD
            ),
        ),
    ),
    Figure(
        "twin",
        "What the twin is worth, by the other work of the RSUs",
        "chance of other work at an RSU per slot",
        (DTMAPPO, MAPPO, *MARKS),
        tuple(SweepPoint(p, {"n_vehicles": 5}, {"rsu_bg_prob": p}) for p in (0.0, 0.2)),
        (Panel("reward after training", over_axis("reward")),),
        (
            Claim("L3", "the twin pays: Ly-DTMAPPO above Ly-MAPPO (Table III, Fig. 6)", checks.twin_pays(0), REWARD),
            Claim(
                "L3 load", "the same where RSUs have other work, and their queues live", checks.twin_pays(-1), REWARD
            ),
            Claim(
                "P13",
                "the twin pays for a rule where the RSUs have other work, hardly elsewhere",
                checks.twin_pays_a_rule,
            ),
        ),
    ),
)
