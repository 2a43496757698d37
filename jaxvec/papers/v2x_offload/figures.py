"""Figs. 4 to 9 of the DT-MADDPG paper."""

import numpy as np

from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.panels import kind_of, over_axis, over_series, over_training
from jaxvec.papers.paper import Claim, Figure, Panel
from jaxvec.papers.series import SweepPoint, among
from jaxvec.papers.v2x_offload import checks
from jaxvec.papers.v2x_offload.series import (
    ALCS,
    AMCS,
    AMCS_RULE,
    DDPG,
    DT_MADDPG,
    LIBRARY,
    LITERAL,
    MARKS,
    RATES,
    ROCS,
    ROCS_RULE,
    TRAINED,
)
from jaxvec.papers.verdicts import Margin
from jaxvec.viz.plots import Line

REWARD = Margin(0.01)  # of a reward between 0 and 1; from ALCS to the best it is 0.24
COST = Margin(0.02)
PART = Margin(0.05, "of all tasks")
# Lines of our own


def final_rewards(data: Data) -> list[Line]:
    """Fig. 4's curves, and the final rewards that it prints."""
    lines = over_training(name="learning rate {x}")(data)
    end = max(float(line.x[-1]) for line in lines)
    printed = {x: y for x, y in checks.PRINTED_REWARDS.items() if x in data.xs}
    marks = [Line(f"learning rate {x:g}", [end], [y], [np.nan], "paper") for x, y in printed.items()]
    return lines + marks


def relative_falls(data: Data) -> list[Line]:
    """How far a reward falls from 100 to 150 kbit [%], and what the paper prints of it."""
    lines = []
    for series in data.series:
        if series.bound or not data.is_whole(series.name):
            continue
        fall = over_seeds(checks.fall(data, series.name))
        lines.append(Line(series.name, [series.name], [fall.mean], [fall.half], kind_of(series)))
        if series.name in checks.PRINTED_FALLS:
            lines.append(Line(series.name, [series.name], [checks.PRINTED_FALLS[series.name]], [np.nan], "paper"))
    return lines


COSTS = (
    Panel("T-cost: latency [ms]", over_axis("latency_mean_s", 1e3)),
    Panel("E-cost: energy [mJ]", over_axis("energy_mean_j", 1e3)),
    Panel("reward", over_axis("reward")),
)

# Figures

FIGURES = (
    Figure(
        "4",
        "DT-MADDPG at three learning rates",
        "episodes",
        (DT_MADDPG, *MARKS[1:]),  # whose rates say nothing of apg
        tuple(SweepPoint(rate, factors=dict.fromkeys(RATES, rate / 1e-3)) for rate in (0.001, 0.005, 0.01)),
        (
            Panel("reward in training", final_rewards),
            Panel("reward after training", over_axis("reward"), "learning rate"),
        ),
        (
            Claim(
                "C1",
                "the final reward falls with the learning rate: 0.9501, 0.9447, 0.8893",
                checks.rates_in_order,
                REWARD,
                rests_on=(DT_MADDPG.name,),
            ),
            Claim(
                "C1 episodes",
                "the smaller the rate, the sooner it converges: after 8, 10 and 18 episodes",
                checks.episodes_by_rate,
                Margin(1.0, "episodes of each world"),
            ),
            Claim(
                "C2",
                "rewards lie between 0.65 and 1 (random 0.60 to 0.75, nothing above 0.96)",
                checks.range_of_rewards,
                rests_on=(DT_MADDPG.name,),
            ),
        ),
    ),
    Figure(
        "5",
        "Training of the strategies",
        "episodes",
        (*TRAINED, LITERAL, LIBRARY, *MARKS),
        (SweepPoint(100.0),),
        (Panel("reward in training", over_training()), Panel("reward after training", over_series("reward"), " ")),
        (
            Claim(
                "C3",
                "after training, DT-MADDPG, AMCS, DDPG, ROCS and ALCS decrease in this order",
                checks.order(*TRAINED, ALCS),
                REWARD,
            ),
            Claim(
                "C3 literal",
                "the same of DT-MADDPG at the paper's own numbers (one world, 5,000 slots) against ALCS",
                checks.order(LITERAL, ALCS),
                REWARD,
            ),
            Claim(
                "C3 rules",
                "AMCS, ROCS and ALCS as fixed rules decrease in this order",
                checks.order(AMCS_RULE, ROCS_RULE, ALCS),
                REWARD,
            ),
            Claim("C4", "ALCS is steady: its reward depends on the sizes of the tasks alone", checks.local_slots),
            Claim(
                "C16", "the twin's refreshing within a slot is worth something (greedy)", checks.twin_refresh, REWARD
            ),
        ),
    ),
    Figure(
        "6",
        "Reward and the size of tasks",
        "size of a task [kbit]",
        (*TRAINED, *MARKS),
        tuple(SweepPoint(float(d), numbers={"task_bits": d * 1e3}) for d in (20, 50, 100, 150, 200)),
        (Panel("reward", over_axis("reward")), Panel("fall from 100 to 150 kbit [%]", relative_falls, " ")),
        (
            Claim(
                "C5",
                "rewards fall with the size of tasks (costs are proportional to it)",
                checks.falls_with_size,
                REWARD,
            ),
            Claim(
                "C6 rules",
                "from 100 to 150 kbit ALCS falls by 23.60 %, cheaper rules by less",
                checks.falls_of_rules,
                Margin(1.0, "percentage points"),
            ),
            Claim(
                "C6",
                "from 100 to 150 kbit DT-MADDPG falls by 3.72 % (within 1.5 percentage points)",
                checks.falls_of(DT_MADDPG),
            ),
            Claim(
                "C6 others",
                "and AMCS, ROCS and DDPG by 9.48, 19.14 and 20.26 % (within 1.5 percentage points)",
                checks.falls_of(AMCS, ROCS, DDPG),
            ),
            Claim(
                "C6 best",
                "DT-MADDPG is above all others at every size",
                checks.best_of_all(AMCS, ROCS, DDPG, ALCS),
                REWARD,
            ),
            Claim("C7", "small tasks are computed locally, large ones at servers", checks.small_tasks_stay, PART),
            Claim("C7 model", "the size of a task decides nothing for a good rule", checks.size_decides_nothing, PART),
        ),
        quick=(0, 2, 3),
    ),
    Figure(
        "7",
        "Reward and the speed of vehicles, on an open plane",
        "speed [m/s]",
        (*TRAINED, *MARKS),
        tuple(SweepPoint(float(v), {"boundary": "open"}, {"speed_mps": float(v)}) for v in (5, 10, 15, 20, 25, 30)),
        (Panel("reward", over_axis("reward")), Panel("part computed locally", over_axis("frac_local"))),
        (
            Claim(
                "C8",
                "ALCS does not depend on speed; AMCS and ROCS fall under it at 20 to 25 m/s (rules)",
                checks.crossings,
                REWARD,
            ),
            Claim("C8 slow", "below 20 m/s DT-MADDPG is better than ALCS", checks.above_local, REWARD),
            Claim("C9", "beyond 20 to 25 m/s ALCS is better than DT-MADDPG too", checks.below_local, REWARD),
            Claim("C9 rule", "a rule that sees as much is better than ALCS there", checks.greedy_above_local, REWARD),
            Claim(
                "C10",
                "what falls is the part out of reach: within borders, speed does not matter (rules)",
                checks.speed_within_borders,
                REWARD,
            ),
        ),
        quick=(0, 2, -1),
    ),
    Figure(
        "8",
        "Costs and the servers' frequency",
        "CPU of a server [GHz]",
        (*TRAINED, *MARKS),
        tuple(SweepPoint(float(f), numbers={"es_cpu_hz": f * 1e9}) for f in (5, 10, 15, 20, 25)),
        COSTS,
        (
            Claim(
                "C11",
                "faster servers: latency falls, energy rises slightly, reward rises (AMCS, rule)",
                checks.faster_servers,
                COST,
            ),
            Claim("C12", "the same of DT-MADDPG: reward rises, latency falls", checks.faster_servers_learned, COST),
            Claim(
                "C12 best",
                "DT-MADDPG is above all others at every frequency",
                checks.best_of_all(AMCS, ROCS, DDPG, ALCS),
                REWARD,
            ),
        ),
        quick=(0, 2, -1),
    ),
    Figure(
        "9",
        "Costs and the number of vehicles",
        "vehicles",
        (*TRAINED, *MARKS),
        among("n_vehicles", (10, 20, 40, 60)),
        COSTS,
        (
            Claim(
                "C13",
                "more vehicles: latency rises and reward falls; AMCS under ALCS among 60 (rule)",
                checks.more_vehicles,
                REWARD,
            ),
            Claim(
                "C14",
                "more vehicles: energy rises (DT-MADDPG)",
                checks.more_energy,
                COST,
                rests_on=(DT_MADDPG.name,),
            ),
            Claim(
                "C14 best",
                "DT-MADDPG is above all others at every number of vehicles",
                checks.best_of_all(AMCS, ROCS, DDPG, ALCS),
                REWARD,
            ),
        ),
        quick=(0, 1),
    ),
    Figure(
        "contended",
        "Forty vehicles at slower servers: not enough for all",
        "episodes",
        (*TRAINED, LIBRARY, *MARKS),
        (SweepPoint(40.0, {"n_vehicles": 40}, {"es_cpu_hz": 15e9}),),
        (
            Panel("reward in training", over_training()),
            Panel("reward after training", over_series("reward"), " "),
            Panel("part computed locally", over_series("frac_local"), " "),
        ),
        (
            Claim(
                "C3 contended",
                "after training, DT-MADDPG, AMCS, DDPG, ROCS and ALCS decrease in this order",
                checks.order(*TRAINED, ALCS),
                REWARD,
            ),
            Claim(
                "C3 mixed",
                "where there is not enough for all, DT-MADDPG is better than sending everything (AMCS)",
                checks.order(DT_MADDPG, AMCS),
                REWARD,
            ),
        ),
    ),
)
