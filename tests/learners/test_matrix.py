"""Every learner on every environment, at the smallest size, and what is registered from outside likewise."""

import pytest
from learners.checks import CHECKS, check_networks, check_settings, check_switches, check_update
from learners.probes import Probe
from learners.reinforce import reinforce

import jaxvec
from jaxvec import learners
from jaxvec.core.make import ENVIRONMENTS

FOR_ALL_LEARNERS = ("isac_iov",)
FOR_ALL_ENVIRONMENTS = ("mappo", "masac")  # on-policy, and off-policy
SIMPLER = ("ippo", "ddpg", "td3", "sac", "mappo_matched")  # than another that is quick
QUICK = {("apg", "v2x_offload"), ("maddpg", "v2x_offload")}  # in turns
SLOW = {(name, "isac_iov") for name in (*SIMPLER, "matd3", "masac", "qmarl")}
SLOW |= {("mappo", env_id) for env_id in ("urllc_vec", "twin_migration")}
SLOW |= {("masac", env_id) for env_id in ("urllc_vec", "twin_migration", "dt_edge", "v2x_offload")}


def pairs():
    """All pairs of a learner and an environment; those that say little new are marked slow."""
    for env_id in jaxvec.env_ids():
        for name in learners.LEARNERS:
            pair = name, env_id
            quick = env_id in FOR_ALL_LEARNERS or name in FOR_ALL_ENVIRONMENTS or pair in QUICK
            yield pytest.param(*pair, marks=[] if quick and pair not in SLOW else pytest.mark.slow)


@pytest.mark.parametrize(("name", "env_id"), list(pairs()))
def test_an_update_learns_something_finite(name, env_id):
    check_update(name, env_id)


def switched():
    """Every learner on every environment and preset with its own parameters for each agent; some are quick."""
    cases = [(name, env_id, None) for env_id in jaxvec.env_ids() for name in learners.LEARNERS]
    cases += [("mappo", env_id, preset) for env_id in jaxvec.env_ids() for preset in ENVIRONMENTS[env_id].presets]
    quick = {("mappo", "urllc_vec", None), ("maddpg", "v2x_offload", None)}
    return [pytest.param(*case, marks=[] if case in quick else pytest.mark.slow) for case in cases]


@pytest.mark.parametrize(("name", "env_id", "preset"), switched())
def test_switches_change_no_shape(name, env_id, preset):
    check_switches(name, env_id, preset)


@pytest.mark.parametrize("name", learners.LEARNERS)
def test_settings_make_the_learner_again(name):
    check_settings(name, "isac_iov")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SIMPLER else ()) for name in learners.LEARNERS]
)
def test_networks_of_ones_own(name):
    check_networks(name, "isac_iov")


@pytest.fixture
def registered(monkeypatch):
    """A learner and an environment from outside, for a while."""
    for registry in (learners.LEARNERS, ENVIRONMENTS):
        monkeypatch.setattr(registry, "_others", dict(registry._others))
    jaxvec.register("reinforce", reinforce, kind="learner")
    jaxvec.register("probe", Probe)


@pytest.mark.parametrize("check", CHECKS)
def test_a_learner_from_outside_owes_the_same(registered, check):
    CHECKS[check]("reinforce", "isac_iov")


@pytest.mark.parametrize("name", FOR_ALL_ENVIRONMENTS)
def test_an_environment_from_outside_gets_the_same(registered, name):
    check_update(name, "probe")


def test_what_makes_no_learner_is_refused(registered):
    jaxvec.register("nothing", lambda env: None, kind="learner")
    with pytest.raises(TypeError, match=r"learner 'nothing' must make a .*Learner"):
        learners.make("nothing", Probe())
