"""Table II and Figs. 5 to 12 of the DM-MAPPO paper."""

from collections.abc import Callable

import numpy as np

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
    MASAC,
    MB,
    MYOPIC,
    NAIVE,
    NETWORKS,
    OURS,
    RANDOM,
    SCORES,
    STICKY,
    TABLE2,
    UNMASKED,
    UNMASKED_MYOPIC,
    WITHOUT,
    WITHOUT_PREDICTION,
)
from jaxvec.viz.plots import Line

HERE = (SweepPoint(0.0),)  # of a figure without an axis

# Lines of our own


def score(metric: str, scale: float = 1.0) -> Lines:
    """A row of Table II, and what is printed there; its RMSE is in a unit of its own and left out."""

    def lines(data: Data) -> list[Line]:
        result = []
        for series in data.series:
            estimate = data.estimate(series.name, data.xs[0], metric)
            kind = "learned" if series in NETWORKS else "rule"
            mark = [estimate.mean * scale], [estimate.half * scale]
            result.append(Line(series.name, [series.name], *mark, kind))
            if series.name in TABLE2 and metric != "rmse":
                printed = TABLE2[series.name][SCORES.index(metric)] * scale
                result.append(Line(series.name, [series.name], [printed], [np.nan], "paper"))
        return result

    return lines


def a_day(data: Data) -> list[Line]:
    """Fig. 5: counts of the busiest RSU from 6 to 22 hours of the first test day, and forecasts of them."""
    x, kind = data.xs[0], "curve"
    counts = data.curve(OURS.name, x, "counts").mean(1)
    hours = list(6 + 16 * (np.arange(len(counts)) + 0.5) / len(counts))
    lines = [Line("counted", hours, list(counts), [np.nan] * len(counts), kind)]
    for series in NETWORKS:
        forecast = data.curve(series.name, x, "forecast").mean(1)
        lines.append(Line(series.name, hours, list(forecast), [np.nan] * len(forecast), kind))
    return lines


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
    Figure(
        "table2",
        "Table II: forecasts of the next five minutes, test days",
        " ",
        (*NETWORKS, *NAIVE),
        HERE,
        (
            Panel("RMSE [vehicles]", score("rmse")),
            Panel("MAE [vehicles]", score("mae")),
            Panel("error rate [%]", score("error_rate", 100.0)),
            Panel("R^2", score("r2")),
        ),
        (
            Claim("C1", "LSTM-Transformer forecasts best by all four measures", checks.best_forecast),
            Claim(
                "C2",
                "every network's MAE is 3 % or more below the last count's; RMSE is at least MAE (model)",
                checks.better_than_the_last,
            ),
        ),
    ),
    Figure("5", "Forecasts of a day", "hour", NETWORKS, HERE, (Panel("vehicles in five minutes", a_day),)),
    Figure(
        "6",
        "With and without prediction",
        "episodes",
        (*FOUR, *WITHOUT_PREDICTION, MYOPIC, STICKY),
        HERE,
        (Panel("reward in training", over_training()), *panels(over_series, VARIANCE)),
        (
            Claim(
                "C4",
                "DM-MAPPO and MASAC earn more with prediction; DM-MAPPO, MASAC, greedy, random in order",
                checks.prediction_pays,
            ),
            Claim(
                "C5",
                "prediction halves the losses of greedy and random, at least (model)",
                checks.prediction_spares_losses,
            ),
            Claim("C7", "DM-MAPPO loses less than 5 %", checks.few_losses),
        ),
    ),
    Figure(
        "7",
        "Size of a migration",
        "data of a migration [MB]",
        (*FOUR, MYOPIC),
        tuple(SweepPoint(float(mb), numbers={"mig_bits": mb * MB}) for mb in (40, 60, 80, 100, 120)),
        panels(over_axis),
        (
            Claim(
                "C8",
                "whatever is done, more data, noise or frequency and slower processors take longer (model)",
                model.more_work_takes_longer,
            ),
            Claim(
                "C9", "reward falls with the size of a migration: greedy, random (model)", checks.falls(GREEDY, RANDOM)
            ),
            Claim("C9 learned", "the same of DM-MAPPO and MASAC", checks.falls(DM_MAPPO, MASAC)),
            Claim(
                "C10",
                "DM-MAPPO has the lowest latency and loss at every size; below 10 % up to 100 MB",
                checks.best_at_every_size,
            ),
        ),
    ),
    Figure(
        "7d",
        "Data of vehicles",
        "data of a vehicle [MB/s]",
        (*FOUR, MYOPIC),
        tuple(SweepPoint(rate, numbers={"vt_rate_bps": rate * MB}) for rate in (1.0, 1.5, 2.0, 2.5, 3.0)),
        panels(over_axis, VARIANCE),
        (
            Claim("C11", "the variance of loads falls with the vehicles' data", checks.variance_falls),
            Claim(
                "C11 why",
                "one more twin lowers the variance only on a server far below the mean (model)",
                model.variance_of_one_more,
            ),
            Claim("C10 data", "DM-MAPPO has the lowest latency and loss at every rate", checks.best_of_all),
        ),
    ),
    Figure(
        "8",
        "Without UAVs, without satellite, in city and country",
        " ",
        (*FOUR, MYOPIC),
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
            ),
            Claim(
                "C12 learned",
                "without UAVs latency and loss are higher: DM-MAPPO, MASAC (37.88 %, 29.78 %)",
                checks.without_uavs_learned,
            ),
            Claim(
                "C13",
                "with the satellite latency rises: random (model)",
                checks.satellite("latency_s", 1, (RANDOM,), " s"),
            ),
            Claim("C13 greedy", "the same of greedy", checks.satellite("latency_s", 1, (GREEDY,), " s")),
            Claim(
                "C14",
                "with the satellite losses rise: greedy, random",
                checks.satellite("packet_loss", 1, (GREEDY, RANDOM), " %", 100.0),
            ),
            Claim("C15", "with the satellite DM-MAPPO's latency and losses fall", checks.satellite_helps),
            Claim(
                "C16",
                "in the country only the satellite reaches everybody, and halves random's latency (model)",
                checks.out_of_reach,
            ),
            Claim(
                "C17",
                "rewards are lower in the country: greedy, random, myopic (model)",
                checks.country_is_worse(GREEDY, RANDOM, MYOPIC),
            ),
            Claim("C17 learned", "the same of DM-MAPPO and MASAC", checks.country_is_worse(DM_MAPPO, MASAC)),
        ),
        quick=(0, 1, 2, 3, 4, 5),
    ),
    Figure(
        "9",
        "What the mask is worth",
        " ",
        (*FOUR, *UNMASKED, MYOPIC, UNMASKED_MYOPIC),
        HERE,
        panels(over_series, VARIANCE),
        (
            Claim(
                "C18",
                "under the mask nobody is out of reach; random's latency halves, its losses fall to a tenth (model)",
                checks.mask_pays,
            ),
            Claim(
                "C19", "one vehicle that is told the truth never fails under the mask (model)", checks.alone_and_told
            ),
            Claim(
                "C20", "under the mask DM-MAPPO overtakes MASAC without it, and itself (73.41 %)", checks.mask_decides
            ),
        ),
    ),
    Figure(
        "10",
        "Vehicles and UAVs that come and go",
        "UAVs",
        (*FOUR, MYOPIC),
        tuple(
            SweepPoint(
                float(u), {"n_vehicles": 7, "n_uav": u, "vehicle_schedule": "dynamic", "uav_schedule": "dynamic"}
            )
            for u in (11, 15, 19)
        ),
        panels(over_axis),
        (
            Claim("C21", "servers that are absent are not offered (model)", model.absent_ones_serve_nobody),
            Claim("C21 learned", "DM-MAPPO has the lowest latency and loss while UAVs come and go", checks.best_of_all),
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
        (*FOUR, MYOPIC),
        HERE,
        (
            Panel("overloads after two arrivals or more [%]", over_series("loss_meeting", 100.0)),
            Panel("all overloads [%]", over_series("loss_overload", 100.0)),
        ),
        (Claim("C22", "DM-MAPPO's twins avoid meeting where it overloads, against random", checks.meetings),),
        pictures=episode,
    ),
    Figure(
        "12",
        "Twins on the satellite",
        " ",
        (*FOUR, MYOPIC),
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
