"""Every learner on every environment, at the smallest size, and what is registered from outside likewise."""

import pytest
from learners.checks import CHECKS, check_networks, check_settings, check_switches, check_update
from learners.probes import Probe
from learners.reinforce import reinforce
from representatives import representatives

import jaxvec
from jaxvec import learners
from jaxvec.core.make import ENVIRONMENTS

PAIRS = [(name, env_id) for env_id in jaxvec.env_ids() for name in learners.LEARNERS]


@pytest.mark.parametrize(
    ("name", "env_id"),
    representatives(PAIRS, [("maddpg", "v2x_offload"), ("apg", "v2x_offload")]),  # in turns
)
def test_an_update_learns_something_finite(name, env_id):
    check_update(name, env_id)


def switched():
    """Every learner on every environment and preset with its own parameters for each agent."""
    cases = [(*pair, None) for pair in PAIRS]
    cases += [("mappo", env_id, preset) for env_id in jaxvec.env_ids() for preset in ENVIRONMENTS[env_id].presets]
    return representatives(cases, [("mappo", "dt_edge", None), ("maddpg", "v2x_offload", None)])


@pytest.mark.parametrize(("name", "env_id", "preset"), switched())
def test_switches_change_no_shape(name, env_id, preset):
    check_switches(name, env_id, preset)


@pytest.mark.parametrize("name", learners.LEARNERS)
def test_settings_make_the_learner_again(name):
    check_settings(name, "isac_iov")


@pytest.mark.parametrize("name", representatives(learners.LEARNERS, ("mappo", "maddpg")))
def test_networks_of_ones_own(name):
    check_networks(name, "isac_iov")


@pytest.fixture
def registered(monkeypatch):
    """A learner and an environment from outside, for a while."""
    for registry in (learners.LEARNERS, ENVIRONMENTS):
        monkeypatch.setattr(registry, "_others", dict(registry._others))
    jaxvec.register("reinforce", reinforce, kind="learner")
    jaxvec.register("probe", Probe)


@pytest.mark.parametrize("check", representatives(CHECKS, ("settings", "networks")))
def test_a_learner_from_outside_owes_the_same(registered, check):
    CHECKS[check]("reinforce", "isac_iov")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mappo", "masac"])
def test_an_environment_from_outside_gets_the_same(registered, name):
    check_update(name, "probe")


def test_what_makes_no_learner_is_refused(registered):
    jaxvec.register("nothing", lambda env: None, kind="learner")
    with pytest.raises(TypeError, match=r"learner 'nothing' must make a .*Learner"):
        learners.make("nothing", Probe())
