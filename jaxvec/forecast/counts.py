"""What traffic counts will be, one bin ahead; which days are for training; and how good forecasts are.

A predictor maps counts `(station, bin)` and the number of bins that it may learn from, the first ones, to forecasts of the same
shape: that of bin k follows from the bins before it alone, `counts[:, k - N_LAGS : k]` (`weekly`: from the one a week before). A
trained network also chooses its epoch on the validation days.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.errors import suggest
from jaxvec.forecast.fit import Training, fit, forecasts
from jaxvec.forecast.networks import FORECASTERS

N_LAGS = 6  # bins that a forecast looks back on: Algorithm 1, T = 6
BINS_PER_DAY = 288
SPLITS = ("train", "validation", "test")
FIRST_HOUR, LAST_HOUR = 6, 22  # of the day, between which episodes begin

Predictor = Callable[[np.ndarray, int], np.ndarray]
"""`predictor(counts, n_train) -> forecasts`; see the module's words."""


def split_bins(n_bins: int, split: str) -> tuple[int, int]:
    """First bin of a split's days, and the one after its last: of D whole days, floor(0.7 D) train, floor(0.1 D) validate.

    Args:
        n_bins: of all days, from a midnight on.
        split: `train`, `validation` or `test`.
    Raises:
        ValueError: unknown split.
    """
    if split not in SPLITS:
        raise ValueError(suggest("split", split, SPLITS))
    days = n_bins // BINS_PER_DAY
    first = [0, days * 7 // 10, days * 7 // 10 + days // 10, days]
    n = SPLITS.index(split)
    return first[n] * BINS_PER_DAY, first[n + 1] * BINS_PER_DAY


def standardisation(counts: np.ndarray, n_train: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each station over its first bins, `(station, 1)` [vehicles]; a constant station has 1.

    Args:
        counts: (station, bin) vehicles.
        n_train: the first bins that count.
    """
    train = np.asarray(counts[:, :n_train], np.float64)
    std = train.std(1, keepdims=True)
    return train.mean(1, keepdims=True), np.where(std > 0, std, 1.0)


def ar6(counts: np.ndarray, n_train: int) -> np.ndarray:
    """One autoregression of order 6 with an intercept for all stations, standardised one by one, by least squares.

    Args:
        counts: (station, bin) vehicles.
        n_train: the first bins, which are fitted.
    Returns:
        (station, bin), at least 0; the bins before the first count as the station's mean.
    Raises:
        ValueError: there is nothing to fit.
    """
    if n_train <= N_LAGS:
        raise ValueError(
            f"{n_train} bins are too few to fit {N_LAGS} of them before each; two whole days of counts are needed"
        )
    mean, std = standardisation(counts, n_train)
    z = (counts - mean) / std
    moments, products = np.zeros((N_LAGS + 1, N_LAGS + 1)), np.zeros(N_LAGS + 1)
    for station in z:
        x = _lags(station)[N_LAGS:n_train]
        moments += x.T @ x
        products += x.T @ station[N_LAGS:n_train]
    weights = np.linalg.lstsq(moments, products, rcond=None)[0]
    return np.maximum(mean + std * np.stack([_lags(station) @ weights for station in z]), 0)


def _lags(z: np.ndarray) -> np.ndarray:
    """For each bin the ones before it, oldest first, and a one, `(bin, N_LAGS + 1)`; before the first bin there is 0."""
    before = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(N_LAGS), z])[:-1], N_LAGS)
    return np.concatenate([before, np.ones((len(z), 1))], 1)


def persistence(counts: np.ndarray, n_train: int) -> np.ndarray:
    """The last bin again; the mean of the training bins for the first one. Arguments and result as of `ar6`."""
    mean, _ = standardisation(counts, n_train)
    return np.concatenate([np.maximum(mean, 0), counts[:, :-1]], 1)


def weekly(counts: np.ndarray, n_train: int) -> np.ndarray:
    """The same bin a week earlier; in the first week the mean of the training bins. Arguments and result as of `ar6`."""
    mean, _ = standardisation(counts, n_train)
    week = 7 * BINS_PER_DAY
    first = np.broadcast_to(np.maximum(mean, 0), (len(counts), min(week, counts.shape[1])))
    return np.concatenate([first, counts[:, :-week]], 1)


def learned(
    counts: np.ndarray,
    n_train: int,
    name: str = "lstm_transformer",
    seeds: tuple[int, ...] = (0,),
    how: Training = Training(lags=N_LAGS),  # noqa: B008, it is frozen
    shared: bool = True,
) -> np.ndarray:
    """Forecasts by one network for all stations, standardised one by one; seeds are trained side by side.

    Args:
        counts: (station, bin) vehicles.
        n_train: the first bins, which are learned; the epoch is chosen on the validation days.
        name: of the forecaster, see `jaxvec.forecast.FORECASTERS`.
        seeds: of weights and order of training.
        how: epochs, batches, rate.
        shared: or else a network for each station, all side by side (Model_m of Algorithm 1).
    Returns:
        (station, bin), or (seed, station, bin) of several seeds.
    Raises:
        ValueError: unknown name, or there is nothing to learn.
    """
    model = FORECASTERS[name]
    if n_train <= how.lags:
        raise ValueError(f"{n_train} bins are too few to learn from {how.lags} of them before each")
    mean, std = standardisation(counts, n_train)
    z = jnp.asarray((counts - mean) / std, jnp.float32)
    first, last = split_bins(counts.shape[1], "validation")
    n_valid = last - first
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    padded = jnp.concatenate([jnp.zeros((len(z), how.lags)), z], 1)

    def train(key: Array) -> Any:
        if shared:
            return fit(model, key, z, n_train, n_valid, how).params
        stations = jax.random.split(key, len(z)), z
        return jax.vmap(lambda key, row: fit(model, key, row[None], n_train, n_valid, how).params)(*stations)

    def forecast(params: Any) -> Array:
        if shared:
            return forecasts(model, params, padded, how.lags)
        stations = params, padded
        return jax.lax.map(lambda station: forecasts(model, station[0], station[1][None], how.lags)[0], stations)

    standardised = jax.lax.map(forecast, jax.vmap(train)(keys))
    result = np.maximum(mean + std * np.asarray(standardised, np.float64), 0)
    return result if len(seeds) > 1 else result[0]


class Accuracy(NamedTuple):
    """How good forecasts are (Table II): numbers, or arrays with the leading axes of the forecasts.

    Attributes:
        rmse, mae: over all stations and bins [vehicles per bin].
        error_rate: sum of absolute errors over sum of counts; nan or inf where nothing was counted.
        r2: of each station, mean over those whose counts vary; nan where none does.
    """

    rmse: np.ndarray
    mae: np.ndarray
    error_rate: np.ndarray
    r2: np.ndarray


def accuracy(counts: np.ndarray, forecast: np.ndarray) -> Accuracy:
    """How good forecasts of counts are, by the measures of Table II of the DM-MAPPO paper.

    Args:
        counts: (station, bin) vehicles.
        forecast: (..., station, bin), leading axes for several of them.
    """
    counts = np.asarray(counts, np.float64)
    error = np.asarray(forecast, np.float64) - counts
    station_and_bin = (-2, -1)
    variation = np.sum((counts - counts.mean(1, keepdims=True)) ** 2, 1)
    varies = variation > 0
    with np.errstate(invalid="ignore", divide="ignore"):  # nothing was counted, or nothing varies: nan, as is said
        error_rate = np.sum(np.abs(error), station_and_bin) / np.sum(counts)
    r2 = 1 - np.sum(error[..., varies, :] ** 2, -1) / variation[varies]
    return Accuracy(
        np.sqrt(np.mean(error**2, station_and_bin)),
        np.mean(np.abs(error), station_and_bin),
        error_rate,
        np.mean(r2, -1) if varies.any() else np.full(error.shape[:-2], np.nan),
    )


NAIVE: dict[str, Predictor] = {"ar6": ar6, "persistence": persistence, "weekly": weekly}
"""By name, those that take no time; networks train for minutes."""


def predictors() -> tuple[str, ...]:
    """Names of all predictors: `NAIVE`, and every forecaster there is, `jaxvec.register`ed ones too."""
    return (*NAIVE, *FORECASTERS)


def predict(counts: np.ndarray, predictor: str | Predictor) -> np.ndarray:
    """Forecasts of every bin, by a predictor that learns from the train days.

    Args:
        counts: (station, bin) vehicles.
        predictor: the name of one, see `predictors`, or a function.
    Returns:
        (station, bin) float32.
    Raises:
        ValueError: unknown name, or counts, or what a predictor returns, are not (station, bin), finite and 0 or more.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or 0 in counts.shape or not (np.all(np.isfinite(counts)) and np.all(counts >= 0)):
        raise ValueError(
            f"counts of shape {counts.shape} are not (station, bin), finite and 0 or more; fill their gaps first"
        )
    if isinstance(predictor, str):
        if predictor not in predictors():
            raise ValueError(f"{suggest('predictor', predictor, predictors())}; or give a function")
        predictor = NAIVE[predictor] if predictor in NAIVE else partial(learned, name=predictor)
    forecast = np.asarray(predictor(counts, split_bins(counts.shape[1], "train")[1]), np.float32)
    if forecast.shape != counts.shape:
        raise ValueError(f"the predictor returns shape {forecast.shape}, not {counts.shape}, that of the counts")
    if not (np.all(np.isfinite(forecast)) and np.all(forecast >= 0)):
        raise ValueError("the predictor returns numbers that are negative or not finite")
    return forecast
