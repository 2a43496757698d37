"""Forecasts of counts: exact where they should be, from the past alone, and measured as by hand."""

import warnings

import numpy as np
import pytest

from jaxvec.forecast import FORECASTERS, Training, accuracy, learned, predict
from jaxvec.forecast.counts import NAIVE, SPLITS, predictors, split_bins

DAY = 288


@pytest.fixture(scope="module")
def counts():
    """Ten days at three stations, of different sizes: an autoregression of order 2, whose last value is a bad forecast."""
    rng = np.random.default_rng(2)
    x = np.zeros((3, 10 * DAY))
    for t in range(2, x.shape[1]):
        x[:, t] = 0.2 * x[:, t - 1] + 0.6 * x[:, t - 2] + rng.normal(size=3)
    return np.maximum(np.array([[100.0], [300.0], [50.0]]) + np.array([[10.0], [30.0], [5.0]]) * x, 0)


def test_days_are_split_whole():
    assert [split_bins(28 * DAY, split) for split in SPLITS] == [
        (0, 19 * DAY),
        (19 * DAY, 21 * DAY),
        (21 * DAY, 28 * DAY),
    ]


def test_the_last_bin_again():
    forecast = predict(np.array([[1.0, 5.0, 2.0, 7.0] * DAY]), "persistence")
    np.testing.assert_array_equal(forecast[0, 1:], np.tile([1, 5, 2, 7], DAY)[:-1])


def test_a_week_earlier_is_exact_where_weeks_repeat():
    week = np.random.default_rng(0).integers(0, 500, (2, 7 * DAY)).astype(float)
    forecast = predict(np.tile(week, 2), "weekly")
    np.testing.assert_array_equal(forecast[:, 7 * DAY :], week.astype(np.float32))
    mean = np.tile(week, 2)[:, : 9 * DAY].mean(1)  # of 14 days, floor(9.8) train
    np.testing.assert_allclose(forecast[:, : 7 * DAY], np.broadcast_to(mean[:, None], week.shape), rtol=1e-6)


def test_ar6_finds_a_recursion():
    # a sine goes on as 2 cos(w) x[t-1] - x[t-2] about its mean: the same recursion at each station, whatever its size
    t = np.arange(4 * DAY)
    counts = np.array([[100.0], [400.0]]) + np.array([[50.0], [90.0]]) * np.sin(0.3 * t + np.array([[0.0], [1.0]]))
    forecast = predict(counts, "ar6")
    np.testing.assert_allclose(forecast[:, 6:], counts[:, 6:], rtol=1e-4)


@pytest.mark.parametrize("name", NAIVE)
def test_naive_forecasts_follow_from_what_was_alone(name, counts):
    k = 9 * DAY + 20  # of a test day
    other = counts.copy()
    other[0, k] += 50
    changed = np.argwhere(predict(counts, name) != predict(other, name))
    last = {"persistence": 1, "ar6": 6, "weekly": 7 * DAY}[name]
    assert all(station == 0 and k < at <= k + last for station, at in changed)
    assert len(changed) == {"persistence": 1, "ar6": 6, "weekly": 0}[name]  # there is no bin a week later


@pytest.mark.slow
def test_learned_forecasts_beat_the_last_bin_and_follow_from_what_was_alone(counts):
    how = Training(epochs=3, batch_size=128, learning_rate=3e-3)

    def network(counts, n_train):
        return learned(counts, n_train, "gru", how=how)

    forecast, test = predict(counts, network), slice(*split_bins(10 * DAY, "test"))
    assert (forecast.shape, forecast.dtype) == (counts.shape, np.float32)
    ahead = accuracy(counts[:, test], forecast[:, test])
    naive = accuracy(counts[:, test], predict(counts, "persistence")[:, test])
    # in squares, persistence has 2 (1 - rho_1) = 1 of the variance, as rho_1 = 0.2 / (1 - 0.6); the best forecast 0.48
    assert max(ahead.rmse / naive.rmse, ahead.mae / naive.mae) < 0.8
    assert ahead.r2 > naive.r2 + 0.3
    other = counts.copy()
    k = 9 * DAY + 20
    other[1, k] += 30
    changed = np.argwhere(np.abs(predict(other, network) - forecast) > 1e-3)
    np.testing.assert_array_equal(changed, [[1, k + lag] for lag in range(1, 7)])
    several = learned(counts, 7 * DAY, "gru", (0, 1), how)
    assert several.shape == (2, *counts.shape)
    np.testing.assert_allclose(several[0], forecast, rtol=1e-3)
    assert accuracy(counts[:, test], several[:, :, test]).rmse.shape == (2,)


@pytest.mark.slow
def test_networks_of_their_own_learn_from_their_station_alone(counts):
    how = Training(epochs=2, batch_size=256, learning_rate=1e-2)
    other = counts.copy()
    other[1, : 7 * DAY : 2] += 40
    forecast, after = (learned(x, 7 * DAY, "gru", how=how, shared=False) for x in (counts, other))
    changed = np.any(np.abs(after - forecast) > 1e-3, 1)
    np.testing.assert_array_equal(changed, [False, True, False])
    test = slice(*split_bins(10 * DAY, "test"))
    naive = accuracy(counts[:, test], predict(counts, "persistence")[:, test])
    assert accuracy(counts[:, test], forecast[:, test]).rmse < 0.9 * naive.rmse


def test_accuracy_by_hand():
    counts = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 10.0]])
    by_hand = accuracy(counts, np.array([[2.0, 2.0, 1.0], [4.0, 7.0, 6.0]]))
    # errors 1, 0, -2, 0, 3, -4: squares add up to 30, sizes to 10, counts to 24
    assert by_hand.rmse == pytest.approx(np.sqrt(5))
    assert by_hand.mae == pytest.approx(10 / 6)
    assert by_hand.error_rate == pytest.approx(10 / 24)
    # squares about the means 2 and 6: 2 and 24
    assert by_hand.r2 == pytest.approx(((1 - 5 / 2) + (1 - 25 / 24)) / 2)
    same = np.concatenate([counts, [[5.0, 5.0, 5.0]]])
    assert accuracy(same, same) == (0, 0, 0, 1)  # a station that never changes has no share


def test_counts_with_gaps_are_refused_before_they_are_learned(counts):
    for value in (np.nan, np.inf, -1.0):
        bad = counts.copy()
        bad[1, 5] = value
        for name in ("ar6", "persistence", "lstm_transformer"):
            with pytest.raises(
                ValueError, match=r"counts of shape \(3, 2880\) are not \(station, bin\), finite and 0 or more"
            ):
                predict(bad, name)
    for shape in ((0, 2880), (3, 0), (2880,)):
        with pytest.raises(ValueError, match="counts of shape"):
            predict(np.zeros(shape), "ar6")


def test_accuracy_where_nothing_was_counted_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measures = accuracy(np.zeros((2, 5)), np.zeros((3, 2, 5)))
    assert np.isnan(measures.error_rate).all()
    assert np.isnan(measures.r2).tolist() == [True] * 3


def test_networks_are_predictors_by_name(counts):
    assert predictors() == ("ar6", "persistence", "weekly", *FORECASTERS)
    with pytest.raises(ValueError, match="0 bins are too few to learn from 6 of them before each"):
        predict(counts[:, :DAY], "lstm_transformer")
