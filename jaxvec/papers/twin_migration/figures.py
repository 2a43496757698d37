"""Table II and Figs. 5 to 12 of the DM-MAPPO paper."""

from collections.abc import Callable

from jaxvec.papers.data import Data
from jaxvec.papers.panels import Lines, over_axis, over_series, over_training
from jaxvec.papers.paper import Claim, Figure, Panel
from jaxvec.papers.series import SweepPoint
from jaxvec.papers.twin_migration import checks, model
from jaxvec.papers.twin_migration.pictures import episode, migrations
from jaxvec.papers.twin_migration.series import (
    AREAS,
    DM_MAPPO,
    FOUR,
    GREEDY,
    LITERAL,
    MARKS,
    MASAC,
    MB,
    MYOPIC,
    OWN_BLIND,
    OWN_FREE,
    RANDOM,
    STICKY,
    UNMASKED,
    UNMASKED_MYOPIC,
    WITHOUT,
    WITHOUT_PREDICTION,
)
from jaxvec.papers.twin_migration.table2 import HERE, TABLE2_FIGURES
from jaxvec.papers.verdicts import ANY, Margin
from jaxvec.viz.plots import Line

REWARD = Margin(0.05, "of reward", "of 3.5 between chance and the best rule")
LATENCY = Margin(0.02)
LOSS = Margin(0.002, "of all data")
VARIANCES = Margin(0.02)
NO_ZERO = "a part of a reward that has no zero: it depends on the constants of its Z-scores, which are not printed"
NO_ZERO_OF_FOUR = f"the fall of rewards is {NO_ZERO}"

# Lines of our own


def by_area(metric: str, scale: float = 1.0) -> Lines:
    """`over_axis` with the names of areas."""

    def lines(data: Data) -> list[Line]:
        return [line._replace(x=[AREAS[int(x)] for x in line.x]) for line in over_axis(metric, scale)(data)]

    return lines


def panels(lines_of: Callable[[str, float], Lines], *more: tuple[str, str, float]) -> tuple[Panel, ...]:
    """Reward, latency, loss, and more.

    Args:
        lines_of: from metric and scale to lines: `over_axis`, `over_series` or `by_area`.
        more: title, metric and scale of each.
    """
    shown = [
        ("reward", "reward", 1.0),
        ("latency [s]", "latency_s", 1.0),
        ("packet loss [%]", "packet_loss", 100.0),
        *more,
    ]
    axis = " " if lines_of is over_series else ""
    return tuple(Panel(title, lines_of(metric, scale), axis) for title, metric, scale in shown)


VARIANCE = ("variance of loads [MB^2]", "load_var_mb2", 1.0)

# Figures

FIGURES = (
    *TABLE2_FIGURES,
    Figure(
        "6",
        "With and without prediction",
        "episodes",
        (*FOUR, LITERAL, *WITHOUT_PREDICTION, *MARKS, OWN_BLIND, STICKY),
        HERE,
        (Panel("reward in training", over_training()), *panels(over_series, VARIANCE)),
        (
            Claim(
                "C4",
                "DM-MAPPO and MASAC earn more with prediction",
                checks.prediction_pays,
                REWARD,
            ),
            Claim(
                "C4 order", "DM-MAPPO, MASAC, greedy and random earn less in this order", checks.order_of_four, REWARD
            ),
            Claim(
                "C6",
                "with prediction the reward is higher by 35.99 % (MAPPO) and 17.08 % (MASAC), within 10 percentage points",
                checks.better_by("reward", checks.MORE_REWARD, 10.0),
                open=NO_ZERO,
            ),
            Claim(
                "C6 latency",
                "and latency falls by 32 %, from 12.40 to 8.42 ms (within 10 percentage points)",
                checks.better_by("latency_s", checks.LESS_LATENCY, 10.0, -1),
            ),
            Claim(
                "C6 variance",
                "and the variance of loads falls, from 24.53 to 24.38",
                checks.prediction_evens,
                VARIANCES,
            ),
            Claim(
                "C23",
                "DM-MAPPO has 20.82 % less latency than other learners (MASAC), within 5 percentage points",
                checks.less_than_masac("latency_s", 20.82),
            ),
            Claim(
                "C23 losses",
                "and 75.07 % fewer losses, within 10 percentage points",
                checks.less_than_masac("packet_loss", 75.07, 10.0),
            ),
            Claim(
                "C4 literal",
                "critics of a vehicle's own observation, as Algorithm 2 has them, do as well as a central one",
                checks.literal_is_level,
                REWARD,
            ),
            Claim(
                "C5",
                "prediction halves the losses of greedy and random, at least (model)",
                checks.prediction_spares_losses,
                LOSS,
            ),
            Claim("C7", "DM-MAPPO loses less than 5 %", checks.few_losses),
        ),
    ),
    Figure(
        "7",
        "Size of a migration",
        "data of a migration [MB]",
        (*FOUR, *MARKS),
        tuple(SweepPoint(float(mb), numbers={"mig_bits": mb * MB}) for mb in (40, 60, 80, 100, 120)),
        panels(over_axis),
        (
            Claim(
                "C8",
                "whatever is done, more data, noise or frequency and slower processors take longer (model)",
                model.more_work_takes_longer,
            ),
            Claim(
                "C9",
                "reward falls with the size of a migration: greedy, random (model)",
                checks.falls(GREEDY, RANDOM),
                REWARD,
            ),
            Claim("C9 learned", "the same of DM-MAPPO and MASAC", checks.falls(DM_MAPPO, MASAC), REWARD),
            Claim(
                "C10",
                "DM-MAPPO has the lowest latency and loss at every size; below 10 % up to 100 MB",
                checks.best_at_every_size,
                LATENCY,
            ),
        ),
    ),
    Figure(
        "7d",
        "Data of vehicles",
        "data of a vehicle [MB/s]",
        (*FOUR, *MARKS),
        tuple(SweepPoint(rate, numbers={"vt_rate_bps": rate * MB}) for rate in (1.0, 1.5, 2.0, 2.5, 3.0)),
        panels(over_axis, VARIANCE),
        (
            Claim("C11", "the variance of loads falls with the vehicles' data", checks.variance_falls, VARIANCES),
            Claim(
                "C11 why",
                "one more twin lowers the variance only on a server far below the mean (model)",
                model.variance_of_one_more,
            ),
            Claim("C10 data", "DM-MAPPO has the lowest latency and loss at every rate", checks.best_of_all, LATENCY),
        ),
    ),
    Figure(
        "8",
        "Without UAVs, without satellite, in city and country",
        "area, and what is missing in it",
        (*FOUR, *MARKS),
        tuple(
            SweepPoint(float(3 * i + j), {"region": region}, numbers)
            for i, region in enumerate(("city", "rural"))
            for j, numbers in enumerate(WITHOUT)
        ),
        panels(by_area),
        (
            Claim(
                "C12",
                "without UAVs fewer servers are feasible, and latency is higher: greedy, random (model)",
                checks.without_uavs,
                ANY,
            ),
            Claim(
                "C12 learned",
                "without UAVs latency and loss are higher: DM-MAPPO, MASAC (37.88 %, 29.78 %)",
                checks.without_uavs_learned,
                LATENCY,
            ),
            Claim(
                "C12 by",
                "without UAVs rewards fall by 6.90 %, latency and loss rise by 37.88 and 29.78 % (mean of the four; within 10)",
                checks.without_uavs_by,
                open=NO_ZERO_OF_FOUR,
            ),
            Claim(
                "C13",
                "with the satellite latency rises: random (model)",
                checks.satellite("latency_s", 1, (RANDOM,), " s"),
                LATENCY,
            ),
            Claim("C13 greedy", "the same of greedy", checks.satellite("latency_s", 1, (GREEDY,), " s"), LATENCY),
            Claim(
                "C14",
                "with the satellite losses rise: greedy, random",
                checks.satellite("packet_loss", 1, (GREEDY, RANDOM), " %", 100.0),
                LOSS,
            ),
            Claim("C15", "with the satellite DM-MAPPO's latency and losses fall", checks.satellite_helps, LATENCY),
            Claim(
                "C16",
                "in the country only the satellite reaches everybody, and halves random's latency (model)",
                checks.out_of_reach,
            ),
            Claim(
                "C17",
                "rewards are lower in the country: greedy, random, myopic (model)",
                checks.country_is_worse(GREEDY, RANDOM, MYOPIC),
                REWARD,
            ),
            Claim("C17 learned", "the same of DM-MAPPO and MASAC", checks.country_is_worse(DM_MAPPO, MASAC), REWARD),
        ),
        quick=(0, 1, 2, 3, 4, 5),
    ),
    Figure(
        "9",
        "What the mask is worth",
        " ",
        (*FOUR, *UNMASKED, *MARKS, OWN_FREE, UNMASKED_MYOPIC),
        HERE,
        panels(over_series, VARIANCE),
        (
            Claim(
                "C18",
                "under the mask nobody is out of reach; random's latency halves, its losses fall to a tenth (model)",
                checks.mask_pays,
                rests_on=(),
            ),
            Claim(
                "C19", "one vehicle that is told the truth never fails under the mask (model)", checks.alone_and_told
            ),
            Claim(
                "C20",
                "under the mask DM-MAPPO overtakes MASAC without it, and itself (73.41 %)",
                checks.mask_decides,
                REWARD,
            ),
            Claim(
                "C18 by",
                "the mask lowers latency by 72.05 % and losses by 44.60 % (mean of the four, within 10 percentage points)",
                checks.mask_lowers,
            ),
            Claim(
                "C20 by",
                "and raises MAPPO's reward by 73.41 % (within 10 percentage points)",
                checks.mask_raises,
                open=NO_ZERO,
            ),
        ),
    ),
    Figure(
        "10",
        "Vehicles and UAVs that come and go",
        "UAVs",
        (*FOUR, *MARKS),
        tuple(
            SweepPoint(
                float(u), {"n_vehicles": 7, "n_uav": u, "vehicle_schedule": "dynamic", "uav_schedule": "dynamic"}
            )
            for u in (11, 15, 19)
        ),
        panels(over_axis),
        (
            Claim("C21", "servers that are absent are not offered (model)", model.absent_ones_serve_nobody),
            Claim(
                "C21 learned",
                "DM-MAPPO has the lowest latency and loss while UAVs come and go",
                checks.best_of_all,
                LATENCY,
            ),
            Claim(
                "C24",
                "with more RSUs each vehicle has more in reach and more feasible (model)",
                model.more_rsus_more_choice,
            ),
        ),
        quick=(0,),
    ),
    Figure(
        "11",
        "Twins that meet",
        " ",
        (*FOUR, *MARKS),
        HERE,
        (
            Panel("overloads after two arrivals or more [%]", over_series("loss_meeting", 100.0)),
            Panel("all overloads [%]", over_series("loss_overload", 100.0)),
        ),
        (Claim("C22", "DM-MAPPO's twins avoid meeting where it overloads, against random", checks.meetings, LOSS),),
        pictures=episode,
    ),
    Figure(
        "12",
        "Twins on the satellite",
        " ",
        (*FOUR, *MARKS),
        HERE,
        (
            Panel("on the satellite [%]", over_series("sat_share", 100.0)),
            Panel("of all: though another was feasible [%]", over_series("sat_needless", 100.0)),
            Panel("migrations [% of slots]", over_series("migration_rate", 100.0)),
        ),
        (
            Claim(
                "C22 satellite",
                "DM-MAPPO takes the satellite where nothing else is feasible (9 in 10)",
                checks.satellite_last,
            ),
        ),
        pictures=migrations,
    ),
)
