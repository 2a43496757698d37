"""Forecasters of one's own, written and registered as from outside the package: parameters that depend on the number of lags."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from forecast.flips import Flips
from representatives import representatives

import jaxvec
from jaxvec import learners
from jaxvec.forecast import FORECASTERS, Forecaster, Training, accuracy, fit, forecaster, forecasts, learned, predict
from jaxvec.forecast.counts import predictors, split_bins

KEY, DAY = jax.random.key(3), 288


class Linear(nn.Module):
    """A weighted sum of the lags."""

    @nn.compact
    def __call__(self, history):
        return nn.DenseGeneral(history.shape[-1], axis=(-2, -1))(history)


def init(key, history):
    n_lags, n_features = history.shape[-2:]
    n_inputs = n_lags * n_features
    return [jax.random.normal(key, (n_inputs, 16)) / n_inputs**0.5, jax.random.normal(key, (16, n_features)) / 4]


def apply(params, history, key=None):
    inner, outer = params
    return jnp.tanh(history.reshape(*history.shape[:-2], -1) @ inner) @ outer


def loss(params, key, history, target):
    return jnp.mean((apply(params, history) - target) ** 2)


OWN = {"linear": forecaster(Linear()), "mlp": Forecaster(init, apply, loss)}
each = pytest.mark.parametrize("name", OWN)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Known by name until the test is over."""
    monkeypatch.setattr(FORECASTERS, "_others", {})
    for name, model in OWN.items():
        jaxvec.register(name, model, kind="forecaster")


@pytest.fixture(scope="module")
def counts():
    """28 days at twelve stations: an autoregression of order 2, whose last value is a bad forecast."""
    rng = np.random.default_rng(2)
    x = np.zeros((12, 28 * DAY))
    for t in range(2, x.shape[1]):
        x[:, t] = 0.2 * x[:, t - 1] + 0.6 * x[:, t - 2] + rng.normal(size=12)
    return np.maximum(100.0 + 10.0 * x, 0)


def over_the_last_value(counts, forecast):
    """Error on the test days, in errors of the last value; the best possible is sqrt(0.48), see tests/forecast/test_counts.py."""
    test = slice(*split_bins(counts.shape[1], "test"))
    last = predict(counts, "persistence")
    return accuracy(counts[:, test], forecast[:, test]).rmse / accuracy(counts[:, test], last[:, test]).rmse


@each
@pytest.mark.parametrize("lags", representatives((2, 7), (2,)))
def test_they_train_on_series(name, lags, counts):
    series = jnp.asarray((counts[:, :1200] - 100) / 15, jnp.float32)
    how = Training(lags=lags, epochs=3, batch_size=64, learning_rate=1e-2)
    fitted = fit(FORECASTERS[name], KEY, series, 800, 100, how)
    forecast, truth = forecasts(FORECASTERS[name], fitted.params, series[:, 900:], lags), series[:, 900 + lags :]
    error = jnp.mean((forecast - truth) ** 2) / jnp.mean((series[:, 899 + lags : -1] - truth) ** 2)
    assert 0.45 < error < 0.6  # 0.48 of the best


@each
def test_they_are_predictors_of_counts(name, counts):
    assert name in predictors()
    how = Training(epochs=3, batch_size=512, learning_rate=1e-2)
    several = learned(counts, 19 * DAY, name, (0, 1), how)
    assert several.shape == (2, *counts.shape)
    for forecast in several:
        assert over_the_last_value(counts, forecast) < 0.75


def test_one_is_a_predictor_by_its_name_alone(counts):
    assert over_the_last_value(counts, predict(counts, "mlp")) < 0.75


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "name"), [("mappo", "linear"), ("maddpg", "mlp")])
def test_they_learn_beside_a_policy(learner, name):
    env, updates = Flips(), 40
    settings = {"forecaster": name, "forecaster_steps": 16, "forecaster_batch": 64, "n_worlds": 16, "hidden": (8,)}
    if learner == "maddpg":
        settings |= {"slots_per_update": 8, "batch_size": 16, "capacity": 256}
    learner = learners.make(learner, env, **settings)
    hyper = learner.hyper.replace(forecaster_learning_rate=1e-2)
    start = jax.jit(lambda key: learner.init(key, env.default_params(), hyper))(KEY)
    lags = {"linear": lambda params: params["params"]["DenseGeneral_0"]["kernel"], "mlp": lambda params: params[0]}
    assert lags[name](start.forecaster.params).shape[0] == 2  # the lags of Flips
    metrics = jax.jit(lambda state: jax.lax.scan(lambda s, _: learner.update(s), state, None, updates)[1])(start)
    assert metrics["forecaster/hold_sign"][-1] == pytest.approx(2.0, rel=1e-6)
    assert metrics["forecaster/rmse_sign"][-1] < 0.3


class Careless(nn.Module):
    """The last value, dropped out in training."""

    @nn.compact
    def __call__(self, history):
        bias = self.param("bias", nn.initializers.zeros, history.shape[-1:])
        return bias + nn.Dropout(0.5, deterministic=not self.has_rng("dropout"))(history[..., -1, :])


def test_a_module_has_dropout_in_training_alone_and_a_loss_of_its_own():
    model = forecaster(Careless(), loss=lambda forecast, target: jnp.max(jnp.abs(forecast - target)))
    history = jnp.ones((50, 3, 2))
    params = model.init(KEY, history)
    np.testing.assert_array_equal(model.apply(params, history), 1.0)
    assert set(np.unique(model.apply(params, history, KEY))) == {0.0, 2.0}  # what is left counts twice
    assert model.loss(params, KEY, history, jnp.full((50, 2), 0.5)) == 1.5
