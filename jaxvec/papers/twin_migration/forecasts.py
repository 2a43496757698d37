"""Table II: forecasts of workload, scored on the test days."""

from collections.abc import Sequence

import numpy as np

from jaxvec.forecast import Training
from jaxvec.forecast.counts import BINS_PER_DAY, FIRST_HOUR, LAST_HOUR, NAIVE, accuracy, learned, split_bins
from jaxvec.papers.series import Here, Named, RunFn
from jaxvec.traces.synthetic import flow

N_RSU, N_DAYS = 84, 28


def forecaster(name: str) -> RunFn:
    """What makes the runs of a predictor: `scored` on made-up counts.

    Args:
        name: of `jaxvec.forecast.counts.predictors()`. A setting `forecast_rsus` says of how many RSUs the counts are.
    """

    def run(seeds: Sequence[int], settings: Named, here: Here) -> list[tuple[Named, Named]]:
        counts = flow(0, N_RSU, N_DAYS).counts[: settings.get("forecast_rsus", N_RSU)]
        return scored(name, counts, seeds, settings)

    return run


def scored(name: str, counts: np.ndarray, seeds: Sequence[int], settings: Named) -> list[tuple[Named, Named]]:
    """A predictor's accuracy on the test days of counts, made up or one's own, and its forecasts of the first of them.

    Args:
        name: of `jaxvec.forecast.counts.predictors()`.
        counts: (station, bin), from a midnight on, ten whole days or more.
        seeds: of training; a predictor that needs none is the same for all.
        settings: `forecast_epochs` of training.
    Returns:
        Per seed the fields of `jaxvec.forecast.counts.Accuracy`, `(1,)` each; and `counts` and `forecast` of that day from 6:00
        to 22:00 at the busiest station.
    """
    (_, n_train), (first, last) = (split_bins(counts.shape[1], split) for split in ("train", "test"))
    if name in NAIVE:
        by_seed = [NAIVE[name](counts, n_train)] * len(seeds)
    else:
        training = Training(epochs=settings.get("forecast_epochs", Training.epochs))
        by_seed = list(learned(counts, n_train, name, tuple(seeds), training).reshape(len(seeds), *counts.shape))
    busiest = int(np.argmax(counts[:, :n_train].mean(1)))
    hour = BINS_PER_DAY // 24
    day, test = slice(first + FIRST_HOUR * hour, first + LAST_HOUR * hour), slice(first, last)
    return [
        (
            {metric: x[None] for metric, x in accuracy(counts[:, test], forecast[:, test])._asdict().items()},
            {"counts": counts[busiest, day], "forecast": forecast[busiest, day]},
        )
        for forecast in by_seed
    ]
