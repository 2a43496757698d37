"""What traffic counts will be, one bin ahead, by means that need no training; and which days are for training.

A predictor maps counts `(station, bin)` and the number of bins that it may learn from, the first ones, to forecasts of the same
shape: that of bin k follows from the bins before it alone, `counts[:, k - N_LAGS : k]`.
"""

from collections.abc import Callable

import numpy as np

N_LAGS = 6  # bins that a forecast looks back on: Algorithm 1, T = 6
BINS_PER_DAY = 288
SPLITS = ("train", "validation", "test")
FIRST_HOUR, LAST_HOUR = 6, 22  # of the day, between which episodes begin

Predictor = Callable[[np.ndarray, int], np.ndarray]


def split_bins(n_bins: int, split: str) -> tuple[int, int]:
    """First bin of a split's days, and the one after its last: of D whole days, floor(0.7 D) train, floor(0.1 D) validate.

    Raises:
        ValueError: unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    days = n_bins // BINS_PER_DAY
    first = [0, days * 7 // 10, days * 7 // 10 + days // 10, days]
    n = SPLITS.index(split)
    return first[n] * BINS_PER_DAY, first[n + 1] * BINS_PER_DAY


def standardisation(counts: np.ndarray, n_train: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each station over its first bins, `(station, 1)`; a constant station has 1."""
    train = np.asarray(counts[:, :n_train], np.float64)
    std = train.std(1, keepdims=True)
    return train.mean(1, keepdims=True), np.where(std > 0, std, 1.0)


def lags(z: np.ndarray, n_lags: int = N_LAGS) -> np.ndarray:
    """For each bin the ones before it, `(lag, station, bin)`, oldest first; before the first bin there is 0."""
    padded = np.concatenate([np.zeros((len(z), n_lags)), z], 1)
    return np.stack([padded[:, lag : lag + z.shape[1]] for lag in range(n_lags)])


def ar6(counts: np.ndarray, n_train: int) -> np.ndarray:
    """One autoregression of order 6 with an intercept for all stations, standardised one by one, by least squares.

    Args:
        counts: (station, bin) vehicles.
        n_train: bins that are fitted.
    Raises:
        ValueError: there is nothing to fit.
    """
    if n_train <= N_LAGS:
        raise ValueError(
            f"{n_train} bins are too few to fit {N_LAGS} of them before each; two whole days of counts are needed"
        )
    mean, std = standardisation(counts, n_train)
    z = (counts - mean) / std
    x = np.concatenate([lags(z), np.ones((1, *z.shape))])
    fitted = slice(N_LAGS, n_train)
    rows = x[:, :, fitted].reshape(len(x), -1)
    weights = np.linalg.lstsq(rows @ rows.T, rows @ z[:, fitted].ravel(), rcond=None)[0]
    return np.maximum(mean + std * np.tensordot(weights, x, 1), 0)


def persistence(counts: np.ndarray, n_train: int) -> np.ndarray:
    """The last bin again; the mean of the training bins for the first one."""
    mean, _ = standardisation(counts, n_train)
    return np.concatenate([np.maximum(mean, 0), counts[:, :-1]], 1)


PREDICTORS: dict[str, Predictor] = {"ar6": ar6, "persistence": persistence}


def predict(counts: np.ndarray, predictor: str | Predictor) -> np.ndarray:
    """Forecasts of every bin, `(station, bin)` float32, by a predictor or the name of one, which learns from the train days.

    Raises:
        ValueError: unknown name, or what a predictor returns is not of the shape of the counts, finite and 0 or more.
    """
    if isinstance(predictor, str):
        if predictor not in PREDICTORS:
            raise ValueError(f"unknown predictor {predictor!r}; known: {', '.join(PREDICTORS)}, or give a function")
        predictor = PREDICTORS[predictor]
    found = np.asarray(predictor(counts, split_bins(counts.shape[1], "train")[1]), np.float32)
    if found.shape != counts.shape:
        raise ValueError(f"the predictor returns shape {found.shape}, not {counts.shape}, that of the counts")
    if not (np.all(np.isfinite(found)) and np.all(found >= 0)):
        raise ValueError("the predictor returns numbers that are negative or not finite")
    return found
