"""Data of a figure without any run: what each series has at each point is given."""

import numpy as np

from jaxvec.papers.data import Data
from jaxvec.papers.runs import Run
from jaxvec.papers.verdicts import decide

METRICS = (
    "reward",
    "cost_mean",
    "latency_mean_s",
    "energy_mean_j",
    "frac_local",
    "instr_fraction",
    "q_loc_mean_cycles",
    "q_rsu_mean_cycles",
    "team_reward",
    "latency_total_v_s",
    "latency_up_s",
    "energy_vehicle_j",
    "energy_node_j",
    "energy_total_j",
    "qos_norm",
    "qos_mean",
    "energy_sys_j",
    "energy_edge_j",
    "energy_local_j",
    "resource_ratio",
    *("latency_s", "packet_loss", "loss_range", "loss_overload", "loss_meeting", "unreachable"),
    *("sat_share", "sat_needless", "migration_rate", "feasible_mean", "load_var_mb2"),
    *("rmse", "mae", "error_rate", "r2", "ahead_of_marl", "nash_gap"),
)
MADE = ("counts", "forecast")
TWIN = tuple(f"forecaster/{kind}_{block}" for kind in ("rmse", "hold") for block in ("cpu", "backlog", "load", "task"))
POINTS = 40


def synthetic(figure, mean=lambda series, x, metric: 0.8, *, curve=None, rule=None, seeds=3, noise=1e-4, quick=False):
    """Runs whose metrics are `mean(series, x, metric)` up to noise.

    Args:
        curve: `curve(series, x, metric) -> (POINTS,)`; by default the mean throughout.
        rule: `rule(name, numbers, sizes, metric)` of a rule in another world.
    """
    rng = np.random.default_rng(0)

    def level(series, x, metric):
        return np.full(POINTS, mean(series, x, metric))

    def noisy(value, shape):
        return value * (1 + noise * rng.normal(size=shape))

    runs = {}
    for series in figure.series:
        for point in figure.points_of(quick):
            at = series.name, point.x
            runs[at] = [
                Run(
                    {metric: noisy(mean(*at, metric), 16) for metric in (("reward",) if series.bound else METRICS)},
                    {
                        _in_training(m): noisy((curve or level)(*at, m), POINTS)
                        for m in (METRICS + TWIN if series.learner else (*MADE, "reward") if series.run_fn else ())
                    },
                    {"evaluate": 1.0},
                    {"slots": 4000, "horizon": 10, "settings": {"n_worlds": 2}},
                )
                for _ in range(seeds if series.has_seeds else 1)
            ]

    def rules(names, worlds, sizes):
        def metrics(name, numbers):
            return {m: noisy(0.8 if rule is None else rule(name, numbers, sizes, m), 16) for m in METRICS}

        return {name: [Run(metrics(name, numbers), {}, {}, {}) for numbers in worlds] for name in names}

    return Data(figure.series, runs, rules)


def _in_training(metric):
    return metric if metric == "reward" or metric in TWIN + MADE else f"env/{metric}"


def by(table, default=0.8):
    """Means from a table by series, constant or as a function of the axis."""

    def mean(series, x, metric):
        value = table.get(series, default)
        value = value.get(metric, default) if isinstance(value, dict) else value
        return value(x) if callable(value) else value

    return mean


def claim_of(paper, name):
    """A claim, and its figure."""
    return next((claim, figure) for figure in paper.figures for claim in figure.claims if claim.name == name)


def judged(of, name, mean, **more):
    """The verdict on a claim from made-up data, whatever its learners have learned."""
    claim, figure = claim_of(of, name)
    return decide(claim.check(synthetic(figure, mean, **more)), claim.margin)
