"""`jaxvec.make`: by name, with presets, and with an answer to what it does not know. `jaxvec.register`: things of one's own."""

from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from representatives import representatives

import jaxvec
from jaxvec import learners, policies
from jaxvec.core.make import ENVIRONMENTS
from jaxvec.core.registry import KINDS
from jaxvec.envs import mobility
from jaxvec.envs.mobility import Mobility, Motion
from jaxvec.forecast import FORECASTERS, peephole_lstm
from jaxvec.physics import pathloss


def registry(kind):
    module, name = KINDS[kind].split(":")
    return getattr(import_module(module), name)


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    """What a test registers is forgotten after it."""
    for kind in KINDS:
        monkeypatch.setattr(registry(kind), "_others", {})


@pytest.fixture
def walkers():
    """The toy environment, registered."""
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
        (("walkers",), {"gain": np.array([1.0, np.inf])}, r"gain\[1\] = inf"),
        (("walkers",), {"spread": "wide"}, r"spread = 'wide' \(must be a number, finite\)"),
    ],
)
def test_what_it_does_not_know_is_refused_with_the_closest_match(walkers, arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        jaxvec.make(*arguments, **settings)


def test_every_registered_environment_is_found_under_its_own_name():
    for env_id in jaxvec.env_ids():
        assert ENVIRONMENTS[env_id].id == env_id


# Things of one's own


def flat_loss(link, radio):
    """90 dB on every link."""
    return jnp.full(jnp.shape(link.distance_3d_m), 90.0)


class Parked(Mobility):
    """All vehicles in a row, ten metres apart, for ever."""

    numbers = ("n_vehicles",)
    constant_speed = True

    def reset_shapes(self, sizes, params):
        return {"jitter_m": (sizes.n_vehicles,)}

    def start(self, draws, sizes, params):
        x_m = jnp.cumsum(jnp.full_like(draws["jitter_m"], 10.0), 0) + draws["jitter_m"]
        return Motion(x_m, jnp.full_like(x_m, 5.0), jnp.zeros_like(x_m), jnp.ones(x_m.shape, bool), None)

    def advance(self, motion, draws, sizes, params):
        return motion


def mine(env, **settings):
    """A learner."""
    return learners.make("ippo", env, **settings)


THINGS = {
    "environment": (toy.Walkers, "toy:Walkers"),
    "pathloss": (flat_loss, "jaxvec.physics.pathloss:macro"),
    "mobility": (Parked(), "jaxvec.envs.mobility:MODELS"),
    "learner": (mine, "jaxvec.learners:ppo"),
    "forecaster": (peephole_lstm(width=4), "jaxvec.forecast:peephole_lstm"),
}
assert THINGS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", THINGS)
def test_things_of_every_kind_are_registered_themselves_or_by_where_they_are(kind):
    thing, where = THINGS[kind]
    name = "walkers" if kind == "environment" else "mine"
    jaxvec.register(name, thing, kind)
    known = registry(kind)
    assert known[name] is thing
    assert name in known
    assert list(known)[-1] == name  # those of the package come first
    assert dict(known.items())[name] is thing
    module, attribute = where.split(":")
    jaxvec.register(name, where, kind)  # one may think better of it
    assert known[name] is getattr(import_module(module), attribute)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mine", flat_loss, "pathlos"), r"unknown kind 'pathlos'\. Did you mean 'pathloss'\? Known: environment, "),
        (("macro", flat_loss, "pathloss"), "path-loss model 'macro' belongs to the package; choose another name"),
        (("road", Parked(), "mobility"), "mobility model 'road' belongs to the package"),
        (("ippo", mine, "learner"), "learner 'ippo' belongs to the package"),
        (("gru", peephole_lstm(), "forecaster"), "forecaster 'gru' belongs to the package"),
        (("dt_edge", "toy:Walkers"), "environment 'dt_edge' belongs to the package"),
        (("my loss", flat_loss, "pathloss"), "the name of path-loss model must be a Python identifier, not 'my loss'"),
        (
            ("mine", "toy.flat_loss", "pathloss"),
            "'mine' must be the thing itself or \"module:name\", not 'toy.flat_loss'",
        ),
        (("mine", ":flat_loss", "pathloss"), "not ':flat_loss'"),
        (("mine", "toy:", "pathloss"), "not 'toy:'"),
        (("strollers", toy.Walkers), "the environment's id is 'walkers', so it cannot be registered as 'strollers'"),
    ],
)
def test_what_cannot_be_registered_is_refused(arguments, message):
    before = {kind: list(registry(kind)) for kind in KINDS}
    with pytest.raises(ValueError, match=message):
        jaxvec.register(*arguments)
    assert before == {kind: list(registry(kind)) for kind in KINDS}


def test_a_learner_and_a_forecaster_of_ones_own_are_made_by_name(walkers):
    jaxvec.register("mine", mine, kind="learner")
    jaxvec.register("small", peephole_lstm(width=4), kind="forecaster")
    env, _ = jaxvec.make("walkers")
    learner = learners.make("mine", env, forecaster="small")
    assert (learner.env, learner.settings.forecaster) == (env, "small")
    assert FORECASTERS["small"].init(jax.random.key(0), jnp.zeros((1, 2, 3)))["head"][1]["weight"].shape == (4, 3)


PATHLOSS = [
    *((env_id, "pathloss") for env_id in ("isac_iov", "v2x_offload", "twin_migration", "dt_edge")),
    ("urllc_vec", "pathloss_v2b"),
    ("urllc_vec", "pathloss_air"),
]
MOBILITY = ("isac_iov", "v2x_offload", "urllc_vec", "dt_edge")  # trips of twin_migration are those of its region
SMALL = {
    "isac_iov": {"n_vehicles": 2, "n_rsus": 2},
    "v2x_offload": {"n_vehicles": 2, "n_servers": 2},
    "twin_migration": {"n_vehicles": 2, "n_rsu": 60, "n_uav": 1},
    "urllc_vec": {"n_vehicles": 2, "n_uavs": 1, "n_bs": 1, "n_subtasks": 1, "n_antennas": 1, "n_nlos_paths": 1},
    "dt_edge": {"n_vehicles": 2, "n_types": 1},
}


def two_slots(env, params):
    """States before, between and after, under random actions."""

    def run(key):
        policy = policies.random(env)
        first, ts = env.reset(key, params)
        states = [first]
        for _ in range(2):
            action, _ = env.act(lambda key, obs: (policy(key, obs), ()), key, states[-1], ts, params)
            after, ts = env.step(key, states[-1], action, params)
            states.append(after)
        return states

    return run


@pytest.mark.parametrize(("env_id", "setting"), representatives(PATHLOSS, [PATHLOSS[1], PATHLOSS[4]]))
def test_a_path_loss_of_ones_own_reaches(env_id, setting):
    links = []

    def noted(link, radio):
        links.append(link)
        return flat_loss(link, radio)

    jaxvec.register("mine", noted, kind="pathloss")
    env, params = jaxvec.make(env_id, **{setting: "mine"}, **SMALL[env_id])
    links.clear()  # `make` asks it for its numbers
    jax.eval_shape(two_slots(env, params), jax.random.key(0))
    assert links
    assert jaxvec.make(env_id, **{setting: "mine"}, **SMALL[env_id])[0] == env


def parked(state):
    """Where along x the two vehicles of `Parked` are: of all leaves `(2,)` or `(2, ...)`, the column with these numbers."""
    leaves = [x for x in jax.tree.leaves(state) if np.shape(x)[:1] == (2,) and np.ndim(x) <= 2]
    columns = [np.reshape(x, (2, -1))[:, 0] for x in leaves]
    return next(column for column in columns if np.array_equal(np.floor(column), [10.0, 20.0]))


@pytest.mark.parametrize("env_id", representatives(MOBILITY, ("v2x_offload",)))
def test_a_mobility_of_ones_own_reaches(env_id):
    jaxvec.register("mine", Parked(), kind="mobility")
    env, params = jaxvec.make(env_id, mobility="mine", **SMALL[env_id])
    assert "jitter_m" in jax.eval_shape(lambda key: env.draw_reset(key, params), jax.random.key(0))
    first, *later = (parked(state) for state in jax.jit(two_slots(env, params))(jax.random.key(0)))
    for x_m in later:
        np.testing.assert_array_equal(x_m, first)


def test_a_path_loss_of_ones_own_by_its_number():
    # 90 dB less power at any distance; without shadowing, and with fading of power 1, both vehicles have the same rate
    jaxvec.register("mine", flat_loss, kind="pathloss")
    env, params = jaxvec.make("dt_edge", pathloss="mine", shadow_std_db=0.0, n_vehicles=2, n_types=1)

    @jax.jit
    def rates(key):
        draws = env.draw_reset(key, params) | {"fading_re": jnp.ones(2), "fading_im": jnp.zeros(2)}
        state, ts = env.reset_from(draws, params)
        return env.step(key, state, policies.random(env)(key, ts.obs), params)[1].info["rate_bps"]

    hz = params.bandwidth_hz / 2  # the band is shared
    by_hand = hz * np.log2(1 + params.tx_power_w * 1e-9 / params.noise_w)
    np.testing.assert_allclose(rates(jax.random.key(0)), [by_hand] * 2, rtol=1e-5)


def test_models_that_do_not_find_their_numbers_are_no_choice():
    class Tidal(Parked):
        numbers = ("n_vehicles", "tide_m")

    def of_the_tide(link, radio):
        return flat_loss(link, radio) + radio.tide_m

    jaxvec.register("tidal", Tidal(), kind="mobility")
    jaxvec.register("tidal", of_the_tide, kind="pathloss")
    assert "tidal" in pathloss.MODELS
    assert "tidal" in mobility.MODELS
    for setting in ("pathloss", "mobility"):
        with pytest.raises(ValueError, match=f"dt_edge: {setting} must be one of .*, not 'tidal'"):
            jaxvec.make("dt_edge", **{setting: "tidal"})
