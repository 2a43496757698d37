"""The peephole LSTM against a cell written out in NumPy, and against what forecasts can reach."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from representatives import representatives

from jaxvec.forecast import peephole_lstm

KEY = jax.random.key(3)


def moved(params, key=KEY):
    """Every weight away from where it starts."""
    flat, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(flat))
    return jax.tree.unflatten(
        structure, [x + 0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, flat, strict=True)]
    )


def by_hand(params, history):
    """(69)-(73) gate by gate, for one sequence."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    x = np.asarray(history, float)
    for cell in params["cells"]:
        w, u, b, p = (np.asarray(cell[name], float) for name in ("input", "recurrent", "bias", "peephole"))
        n = len(u)
        c, h, rows = np.zeros(n), np.zeros(n), []
        for row in x:
            i, f, g, o = (row @ w[:, k : k + n] + h @ u[:, k : k + n] + b[k : k + n] for k in range(0, 4 * n, n))
            c = sigmoid(f + p[1] * c) * c + sigmoid(i + p[0] * c) * np.tanh(g)
            h = sigmoid(o + p[2] * c) * np.tanh(c)
            rows.append(h)
        x = np.array(rows)
    first, last = params["head"]
    y = np.maximum(x[-1] @ first["weight"] + first["bias"], 0)
    return np.asarray(history)[-1] + y @ last["weight"] + last["bias"]


def test_sizes_of_the_paper():
    params = peephole_lstm().init(KEY, jnp.zeros((1, 8, 50)))
    sizes = [sum(x.size for x in jax.tree.leaves(part)) for part in [*params["cells"], params["head"]]]
    assert sizes == [92_032, 131_968, 131_968, 22_962]  # 378 930


def test_untrained_it_forecasts_the_last_value():
    history = jax.random.normal(KEY, (4, 3, 8, 5))
    model = peephole_lstm()
    params = model.init(KEY, history)
    np.testing.assert_array_equal(model.apply(params, history), history[..., -1, :])
    np.testing.assert_array_equal(model.apply(params, history, KEY), history[..., -1, :])


def test_cells_by_hand():
    model, history = peephole_lstm(width=6, layers=2), jax.random.normal(KEY, (4, 7, 3))
    params = moved(model.init(KEY, history))
    forecast = model.apply(params, history)
    for row, past in zip(forecast, history, strict=True):
        np.testing.assert_allclose(row, by_hand(params, past), rtol=1e-4, atol=1e-5)


def test_loss_by_hand():
    # the squared error of either pass in halves, and eta_w times half the squared difference
    model = peephole_lstm(width=6, layers=2, dropout=0.5, variance_weight=0.1)
    history = jax.random.normal(KEY, (5, 4, 3))
    params, target = moved(model.init(KEY, history)), history[:, 0]
    a, b = (np.asarray(model.apply(params, history, k)) for k in jax.random.split(KEY))
    assert (a != b).any()
    error = ((a - target) ** 2 + (b - target) ** 2) / 2 + 0.1 * (a - b) ** 2 / 2
    np.testing.assert_allclose(model.loss(params, KEY, history, target), error.sum(-1).mean(), rtol=1e-5)


@pytest.mark.parametrize("part", representatives((0.3, 0.0), (0.3,)))
def test_dropout_leaves_the_mean_and_a_part_of_the_outputs(part):
    model = peephole_lstm(width=400, layers=1, dropout=part)
    history = jnp.zeros((1, 3, 2)).at[..., 0].set(1.0)
    params = model.init(KEY, history)
    head = [{"weight": jnp.eye(400), "bias": jnp.full(400, 5.0)}, {"weight": jnp.ones((400, 2)), "bias": jnp.zeros(2)}]

    def outputs(key):
        """Of the layer, summed."""
        return model.apply(params | {"head": head}, history, key)[0, 1]

    several = jax.vmap(outputs)(jax.random.split(KEY, 400))
    np.testing.assert_allclose(several.mean(), outputs(None), rtol=2e-3)
    assert (np.ptp(np.asarray(several)) > 0) == (part > 0)


@pytest.mark.slow
def test_it_beats_the_last_value_on_a_process_that_can_be_forecast():
    # AR(1) at lag 3 with correlation 0.9: the best forecast has 0.9^3 of the last value, and 1 - 0.9^6 of the variance against
    # 2 (1 - 0.9^3) of the last value: a ratio of errors of 0.93
    rng, n, rho, lag = np.random.default_rng(0), 4096, 0.9, 3
    x = np.zeros((n, 12))
    x[:, 0] = rng.normal(size=n)
    for t in range(1, 12):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * rng.normal(size=n)
    history, target = jnp.asarray(x[:, : 12 - lag, None]), jnp.asarray(x[:, -1:])
    model, optimiser = peephole_lstm(width=16, layers=1, dropout=0.1), optax.adam(3e-3)

    @jax.jit
    def train(key):
        params = model.init(key, history)

        def step(carry, key):
            params, opt = carry
            chosen = jax.random.randint(key, (256,), 0, n // 2)
            grad = jax.grad(model.loss)(params, key, history[chosen], target[chosen])
            updates, opt = optimiser.update(grad, opt)
            return (optax.apply_updates(params, updates), opt), None

        (params, _), _ = jax.lax.scan(step, (params, optimiser.init(params)), jax.random.split(key, 300))
        return model.apply(params, history[n // 2 :])

    def error(forecast):
        return float(jnp.sqrt(jnp.mean((forecast - target[n // 2 :]) ** 2)))

    assert 0.9 < error(train(KEY)) / error(history[n // 2 :, -1]) < 0.97
