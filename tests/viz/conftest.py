"""One short recorded episode for all tests of pictures."""

import jax
import pytest
import toy

import jaxvec
from jaxvec.policies import fixed
from jaxvec.viz import record


@pytest.fixture(scope="session")
def episode():
    """env, params and slots of `isac_iov` under equal splits."""
    env, params = jaxvec.make("isac_iov", n_vehicles=3, n_rsus=2, horizon=4)
    return env, params, record(env, fixed(env, params)["split_equal"], jax.random.key(0), params)


@pytest.fixture(scope="session")
def unknown():
    """env, params and slots of an environment that has no scene of its own."""
    env = toy.Walkers()
    params = env.default_params()
    return env, params, record(env, toy.still, jax.random.key(0), params)
