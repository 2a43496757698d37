"""Figs. 4 to 7 and Table III of the Ly-DTMAPPO paper, and what the twin is worth."""

from collections.abc import Callable

import numpy as np

from jaxvec.papers.checks import converged, steady
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.isac_iov import checks
from jaxvec.papers.isac_iov.series import DTMAPPO, LEARNED, MAPPO, RULES
from jaxvec.papers.panels import Lines, over_axis, over_training
from jaxvec.papers.paper import Claim, Figure, Panel
from jaxvec.papers.series import SweepPoint, among
from jaxvec.viz.plots import Line

PRINTED = {  # Table III: steady reward, coefficient of variation, episodes until converged
    "Ly-DTMAPPO": (-2.549, 0.411, 1711),
    "Ly-MAPPO": (-3.555, 0.672, 1398),
    "Ly-MADDPG": (-3.412, 0.530, 185),
    "Ly-MASAC": (-3.031, 0.366, 278),
    "Ly-MATD3": (-4.541, 0.333, 579),
}
FIVE = (SweepPoint(5.0, {"n_vehicles": 5}),)

# Lines of our own


def column(statistic: Callable[[Data, str], np.ndarray], index: int) -> Lines:
    """Lines of a column of Table III, beside what is printed there.

    Args:
        statistic: of a series, `(seeds,)`.
        index: of the column in `PRINTED`.
    """

    def lines(data: Data) -> list[Line]:
        result = []
        for series in LEARNED:
            estimate = over_seeds(statistic(data, series.name))
            result.append(Line(series.name, [series.name], [estimate.mean], [estimate.half]))
            result.append(Line(series.name, [series.name], [PRINTED[series.name][index]], [np.nan], "paper"))
        return result

    return lines


def curves_and_printed(data: Data) -> list[Line]:
    """Fig. 4's curves, and the steady rewards that Table III prints."""
    lines = over_training()(data)
    end = max(float(line.x[-1]) for line in lines)
    return lines + [Line(name, [end], [values[0]], [np.nan], "paper") for name, values in PRINTED.items()]


# Figures

FIGURES = (
    Figure(
        "4",
        "Training, 5 vehicles",
        "episodes",
        (*LEARNED, RULES["random"], RULES["waterfill_twin"]),
        FIVE,
        (Panel("reward in training", curves_and_printed),),
    ),
    Figure(
        "table3",
        "Table III: steady reward, variation, convergence",
        " ",
        (
            *LEARNED,
            *(RULES[name] for name in ("random", "all_local", "split_equal", "offload_equal", "nearest", "capacity")),
        ),
        FIVE,
        (
            Panel("steady reward", column(steady, 0)),
            Panel("coefficient of variation", column(checks.variation, 1)),
            Panel("episodes until converged", column(converged, 2)),
        ),
        (
            Claim("L1", "Ly-DTMAPPO learns: beyond fixed splitting, and past the printed -2.549", checks.learns),
            Claim("L2", "steady rewards: DTMAPPO > MASAC > MADDPG > MAPPO > MATD3", checks.table_order),
            Claim("L4", "the on-policy learners need more episodes than the off-policy ones", checks.slow_on_policy),
            Claim("P3", "instructions pay where the band is short (offload_equal)", checks.instructions),
            Claim(
                "P11",
                "offloading beats equal splitting, which beats chance, which beats computing locally",
                checks.order_of_rules,
            ),
            Claim("P12", "energy is 1 to 4 % of the cost, as the printed reductions imply", checks.energy_part),
        ),
    ),
    Figure(
        "5",
        "Queues over training, 5 vehicles",
        "episodes",
        (*LEARNED, RULES["random"], RULES["offload_equal"]),
        FIVE,
        (
            Panel("queue of a vehicle [Mcycle]", over_training("env/q_loc_mean_cycles", 1e-6)),
            Panel("queue of an RSU [Mcycle]", over_training("env/q_rsu_mean_cycles", 1e-6)),
        ),
        (
            Claim("L5", "training empties the vehicles' queues: below 1e8 cycles, 5e8 at random", checks.short_queues),
            Claim("L5 lowest", "Ly-DTMAPPO's queues are the shortest", checks.lowest("q_loc_mean_cycles", " [cycle]")),
        ),
    ),
    Figure(
        "6",
        "Costs and the number of vehicles",
        "vehicles",
        (*LEARNED, RULES["offload_equal"]),
        among("n_vehicles", (2, 3, 4, 5, 6)),
        (
            Panel("cost", over_axis("cost_mean")),
            Panel("latency [s]", over_axis("latency_mean_s")),
            Panel("energy [J]", over_axis("energy_mean_j")),
        ),
        (
            Claim(
                "L6", "cost and latency rise with the number of vehicles, for every learner", checks.rise_with_vehicles
            ),
            Claim(
                "L6 lowest",
                "Ly-DTMAPPO's cost is the lowest at every number of vehicles",
                checks.lowest("cost_mean"),
            ),
            Claim("L6 by", "it is lower by 2.81, 3.85, 4.02 and 10.03 % on average", checks.reductions),
            Claim("L6 energy", "Ly-DTMAPPO's energy falls with the number of vehicles", checks.energies),
            Claim(
                "P4, P5",
                "offloading alone: cost and latency rise, energy falls with the vehicles (rule)",
                checks.offloading_costs,
            ),
            Claim(
                "P6",
                "were a processor not shared, more vehicles would not wait longer (rule)",
                checks.common_processor,
            ),
        ),
        quick=(0, 3),
    ),
    Figure(
        "7",
        "Cost and the Lyapunov weight V, Ly-DTMAPPO with 5 vehicles",
        "V",
        (DTMAPPO,),
        tuple(SweepPoint(v, {"n_vehicles": 5}, {"lyapunov_v": v}) for v in checks.COST_BY_V),
        (
            Panel("cost in training", over_training("env/cost_mean", name="V = {x}"), "episodes"),
            Panel("cost after training", over_axis("cost_mean", printed={"Ly-DTMAPPO": checks.COST_BY_V})),
        ),
        (Claim("L7", "the cost rises with V: 0.42, 0.42, 0.552, 0.781 at 5, 10, 50, 100", checks.rises_with_v),),
    ),
    Figure(
        "twin",
        "What the twin is worth, by the other work of the RSUs",
        "chance of other work at an RSU per slot",
        (DTMAPPO, MAPPO, RULES["waterfill_twin"], RULES["waterfill"]),
        tuple(SweepPoint(p, {"n_vehicles": 5}, {"rsu_bg_prob": p}) for p in (0.0, 0.2)),
        (Panel("reward after training", over_axis("reward")),),
        (
            Claim("L3", "the twin pays: Ly-DTMAPPO above Ly-MAPPO (Table III, Fig. 6)", checks.twin_pays(0)),
            Claim("L3 load", "the same where RSUs have other work, and their queues live", checks.twin_pays(-1)),
            Claim(
                "P13",
                "the twin pays for a rule where the RSUs have other work, hardly elsewhere",
                checks.twin_pays_a_rule,
            ),
        ),
    ),
)
