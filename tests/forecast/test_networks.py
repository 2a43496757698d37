"""Forecasters of workload: their sizes, a Transformer written out in NumPy, and training against what can be forecast."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec.forecast import FORECASTERS, Training, fit, forecasts

KEY = jax.random.key(7)
SIZES = {"lstm_transformer": 89_729, "lstm": 4_385, "gru": 3_329, "cnn_lstm": 8_417, "cnn_gru": 6_369}
ALL_SIZES = SIZES | {"peephole_lstm": 347_521}  # which tests/forecast/test_lstm.py trains, smaller
HISTORY = jnp.zeros((1, 6, 1))
RHO, SERIES, TRAIN, VALID = 0.5, 6, 500, 100


@pytest.fixture(scope="module")
def noise():
    """AR(1), whose last value is a bad forecast: 2 (1 - rho) of the variance is its error, 1 - rho^2 the best one's."""
    rng = np.random.default_rng(1)
    x = np.zeros((SERIES, 1200))
    for t in range(1, x.shape[1]):
        x[:, t] = RHO * x[:, t - 1] + np.sqrt(1 - RHO**2) * rng.normal(size=SERIES)
    return jnp.asarray(x, jnp.float32)


def rmse(forecast, truth):
    return float(jnp.sqrt(jnp.mean((forecast - truth) ** 2)))


def test_sizes_of_the_paper():
    assert set(FORECASTERS) == ALL_SIZES.keys()
    for name, size in ALL_SIZES.items():
        params = jax.eval_shape(FORECASTERS[name].init, KEY, HISTORY)
        assert sum(x.size for x in jax.tree.leaves(params)) == size


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent(p, x):
    """(17a)-(17d), (17f), and C = f C + i C~."""
    c, h, rows = np.zeros(32), np.zeros(32), []
    for row in x:
        i, f, g, o = (row @ p[f"i{k}"]["kernel"] + h @ p[f"h{k}"]["kernel"] + p[f"h{k}"]["bias"] for k in "ifgo")
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        rows.append(h)
    return np.array(rows)


def layer_norm(p, x):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return x * p["scale"] + p["bias"]


def by_hand(p, x):
    """(17), (18), all rows of everything, one head after another."""

    def dense(p, x):
        return x @ p["kernel"] + p["bias"]

    x = dense(p["Dense_0"], recurrent(p["_Recurrent_0"]["OptimizedLSTMCell_0"], x))
    heads = []
    for head in range(4):
        q, k, v = (x @ p[n]["kernel"][:, head] + p[n]["bias"][head] for n in ("query", "key", "value"))
        score = np.exp(q @ k.T / np.sqrt(64))
        heads.append(score / score.sum(-1, keepdims=True) @ v)
    x = layer_norm(
        p["LayerNorm_0"], x + np.concatenate(heads, -1) @ p["out"]["kernel"].reshape(256, 64) + p["out"]["bias"]
    )
    x = layer_norm(p["LayerNorm_1"], x + dense(p["Dense_1"], np.maximum(dense(p["Dense_2"], x), 0)))
    return dense(p["Dense_3"], x)[-1]


def test_lstm_transformer_by_hand():
    model = FORECASTERS["lstm_transformer"]

    @jax.jit
    def begin():
        """Parameters, biases and scales away from where they start."""
        flat, structure = jax.tree.flatten(model.init(KEY, HISTORY))
        keys = jax.random.split(KEY, len(flat))
        moved = [x + 0.1 * jax.random.normal(k, x.shape) for x, k in zip(flat, keys, strict=True)]
        return jax.tree.unflatten(structure, moved)

    params = begin()
    history = jax.random.normal(KEY, (3, 6, 1))
    plain = jax.tree.map(lambda x: np.asarray(x, float), params["params"])
    forecast = jax.jit(model.apply)(params, history)
    for row, past in zip(forecast, np.asarray(history, float), strict=True):
        np.testing.assert_allclose(row, by_hand(plain, past), rtol=2e-4, atol=1e-5)
    # in far larger units than it is made for, gradients stay finite
    grad = jax.jit(jax.grad(model.loss))(params, KEY, 1e4 * history, jnp.zeros((3, 1)))
    assert all(np.isfinite(x).all() and x.any() for x in jax.tree.leaves(grad))


def test_forecasts_follow_from_what_was_alone():
    model, lags, k = FORECASTERS["lstm"], 3, 6
    params = model.init(KEY, HISTORY)
    series = jax.random.normal(KEY, (2, 12))
    forecast = jax.jit(lambda series: forecasts(model, params, series, lags))
    before, after = forecast(series), forecast(series.at[0, k].add(1.0))
    assert before.shape == (2, 12 - lags)
    changed = np.zeros((2, 12 - lags), bool)
    changed[0, k + 1 - lags : k + 1] = True  # the forecasts of the values k + 1 to k + lags
    np.testing.assert_array_equal(before != after, changed)
    np.testing.assert_allclose(before[1, 4], model.apply(params, series[1, 4:7, None])[0], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_trained_networks_beat_the_last_value(name, noise):
    how = Training(lags=6, epochs=4, batch_size=64, learning_rate=3e-3)
    several = jax.vmap(lambda key: fit(FORECASTERS[name], key, noise, TRAIN, VALID, how))(jax.random.split(KEY, 2))
    assert several.train_loss.shape == several.valid_loss.shape == (2, 4)
    np.testing.assert_array_equal(several.best, np.argmin(several.valid_loss, 1))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(several.params))
    test = noise[:, TRAIN + VALID - 6 :]
    of_seeds = jax.jit(jax.vmap(lambda params: forecasts(FORECASTERS[name], params, test)))(several.params)
    best = np.sqrt((1 - RHO**2) / (2 * (1 - RHO)))  # of the ratio: 0.866
    for forecast in of_seeds:
        assert best - 0.02 < rmse(forecast, test[:, 6:]) / rmse(test[:, 5:-1], test[:, 6:]) < 0.93
    assert not np.allclose(*of_seeds)


def test_the_best_epoch_is_kept(noise):
    # the values after the training ones are those of a forecast that gets worse: the other sign
    series = noise.at[:, TRAIN:].multiply(jnp.where(jnp.arange(1200 - TRAIN) % 2, -1.0, 1.0))
    how = Training(lags=6, epochs=4, batch_size=64, learning_rate=3e-3)
    fitted = fit(FORECASTERS["lstm"], KEY, series, TRAIN, VALID, how)
    assert int(fitted.best) == int(np.argmin(fitted.valid_loss)) < 3 < int(np.argmin(fitted.train_loss)) + 1
    valid = series[:, TRAIN - 6 : TRAIN + VALID]
    error = jnp.mean((forecasts(FORECASTERS["lstm"], fitted.params, valid) - valid[:, 6:]) ** 2)
    np.testing.assert_allclose(error, fitted.valid_loss.min(), rtol=1e-4)


def test_windows_fill_whole_batches():
    assert Training(batch_size=2048).windows(84, 19 * 288) == (2048, 224)  # of 459 144
    assert Training(batch_size=2048).windows(2, 100) == (188, 1)


def test_what_is_wrong_is_said():
    known = "cnn_gru, cnn_lstm, gru, lstm, lstm_transformer, peephole_lstm"
    with pytest.raises(ValueError, match=f"unknown forecaster 'rnn'. Known: {known}"):
        FORECASTERS["rnn"]
    with pytest.raises(ValueError, match="epochs must be at least 1, not 0"):
        Training(epochs=0)
