import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.physics import units


def test_levels_by_hand():
    # 3 dB is 10^0.3 = 1.995262; -100 dB is 1e-10; 0 dB is 1
    np.testing.assert_allclose(
        units.db_to_linear(jnp.array([0.0, 3.0, 20.0, -100.0])), [1, 1.995262, 100, 1e-10], rtol=2e-6
    )
    np.testing.assert_allclose(units.linear_to_db(jnp.array([1.0, 2.0, 1e-13])), [0, 3.0103, -130], rtol=1e-6)


def test_milliwatts_by_hand():
    # 30 dBm = 1000 mW = 1 W; 23 dBm = 10^2.3 mW = 199.53 mW; -100 dBm = 1e-10 mW = 1e-13 W
    np.testing.assert_allclose(units.dbm_to_w(jnp.array([30.0, 23.0, -100.0])), [1.0, 0.199526, 1e-13], rtol=3e-6)
    np.testing.assert_allclose(units.w_to_dbm(jnp.array([1.0, 0.001, 1e-13])), [30, 0, -100], atol=2e-5)


def test_no_power_is_minus_infinity_with_a_finite_gradient():
    assert units.linear_to_db(0.0) == -jnp.inf
    assert units.db_to_linear(-jnp.inf) == 0.0
    assert jax.grad(units.linear_to_db)(0.0) == 0.0
    assert jax.grad(units.db_to_linear)(-jnp.inf) == 0.0
    assert jnp.isnan(units.linear_to_db(jnp.nan))
    assert jnp.isnan(units.linear_to_db(-1.0))


def test_gradient_by_hand():
    # d/dx 10 log10(x) = 10 / (x ln 10) = 4.342945 / x
    np.testing.assert_allclose(jax.grad(units.linear_to_db)(2.0), 4.342945 / 2, rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(-300, 300, width=32, allow_subnormal=False))
def test_there_and_back(db):
    # float32 keeps a level of 300 dB to about 1e-5 of itself: 69 e-folds, each with a relative error of 6e-8
    np.testing.assert_allclose(units.linear_to_db(units.db_to_linear(db)), db, atol=2e-4)
    np.testing.assert_allclose(units.w_to_dbm(units.dbm_to_w(db)), db, atol=2e-4)


def test_float64_agrees_with_numpy():
    with jax.enable_x64(True):
        db = jnp.linspace(-200.0, 100.0, 31)
        assert db.dtype == jnp.float64
        np.testing.assert_allclose(units.db_to_linear(db), np.power(10.0, np.asarray(db) / 10), rtol=1e-13)
        np.testing.assert_allclose(units.linear_to_db(units.db_to_linear(db)), db, atol=1e-12)
