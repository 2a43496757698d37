"""`jaxvec.make`: by name, with presets, and with an answer to what it does not know."""

import numpy as np
import pytest
import toy

import jaxvec
from jaxvec.core.make import ENVIRONMENTS


@pytest.fixture
def walkers(monkeypatch):
    """The toy environment, registered."""
    monkeypatch.setattr(ENVIRONMENTS, "_others", {})
    jaxvec.register("walkers", "toy:Walkers")


def test_make_tells_sizes_from_numbers(walkers):
    env, params = jaxvec.make("walkers", n_walkers=4, gain=2.5)
    assert env == toy.Walkers(n_walkers=4)
    assert (params.gain, params.spread) == (2.5, 0.5)


def test_a_preset_sets_both_and_settings_go_on_top(walkers):
    env, params = jaxvec.make("walkers", preset="crowd")
    assert (env.n_walkers, params.spread) == (5, 2.0)
    env, params = jaxvec.make("walkers", preset="crowd", n_walkers=3, gain=0.0)
    assert (env.n_walkers, params.spread, params.gain) == (3, 2.0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("walker",), {}, r"unknown environment 'walker'\. Did you mean 'walkers'\? Known: .*isac_iov"),
        (("xyz",), {}, r"unknown environment 'xyz'\. Known: "),
        (("walkers",), {"preset": "crowds"}, r"unknown preset of walkers 'crowds'\. Did you mean 'crowd'\?"),
        (("walkers",), {"n_walker": 3}, r"unknown setting of walkers 'n_walker'\. Did you mean 'n_walkers'\?"),
        (("walkers",), {"spreed": 3.0}, r"Did you mean 'spread'\? Known: gain, horizon, longest, n_walkers, spread"),
        (("walkers",), {"gain": float("nan")}, r"gain = nan \(must be finite\)"),
        (("walkers",), {"gain": np.array([1.0, np.inf])}, r"gain = "),
        (("walkers",), {"spread": "wide"}, r"spread = 'wide' \(must be a number\)"),
    ],
)
def test_what_it_does_not_know_is_refused_with_the_closest_match(walkers, arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        jaxvec.make(*arguments, **settings)


def test_every_registered_environment_is_found_under_its_own_name():
    for env_id in jaxvec.env_ids():
        assert ENVIRONMENTS[env_id].id == env_id
