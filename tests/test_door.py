"""The door for outsiders: what one file outside the package registers trains, resumes, loads, is evaluated and drawn, from Python
and from the shell; and what is not what a run was made with is refused."""

import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from outside import mine

import jaxvec
from jaxvec import learners, policies
from jaxvec.core.evaluation import evaluate
from jaxvec.core.registry import KINDS
from jaxvec.core.wrappers import episode_statistics
from jaxvec.training import ConfigError

KEY = jax.random.key(3)
REGISTRIES = [getattr(import_module(module), name) for module, name in (path.split(":") for path in KINDS.values())]
OURS = [
    dict(registry._others) for registry in REGISTRIES
]  # what the import has registered: for this module's tests alone
for registry in REGISTRIES:
    registry._others.clear()
SMALL = {"n_worlds": 4, "hidden": (4,), "epochs": 1, "minibatches": 1}
QUIET = {"chunk": 1, "progress": False}


def trained(learner, params, out, n=2):
    return jaxvec.train(learner, params, KEY, n, out=out, **QUIET)


@pytest.fixture(scope="module", autouse=True)
def _registered():
    for registry, entries in zip(REGISTRIES, OURS, strict=True):
        registry._others.update(entries)
    yield
    for registry in REGISTRIES:
        registry._others.clear()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two updates of the file's learner on the file's environment."""
    env, params = jaxvec.make("relay", price=1.5)
    return trained(learners.make("sine_mappo", env, **SMALL), params, tmp_path_factory.mktemp("runs") / "mine")


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_what_is_registered_is_made_by_name():
    env, params = jaxvec.make("relay")
    assert isinstance(env, mine.Relay)
    assert "relay" in jaxvec.env_ids()
    assert params.price == 2.0
    with pytest.raises(ValueError, match=r"pathloss must be one of .*two_rays"):
        jaxvec.make("relay", pathloss="none_such")


def test_a_run_of_ones_own_is_read_back_whole(run):
    loaded = jaxvec.load(run.out)
    assert isinstance(loaded.env, mine.Relay)
    assert (loaded.learner.name, loaded.learner.custom, loaded.params.price) == ("sine_mappo", ("network",), 1.5)
    same(loaded.state.params, run.state.params)
    obs = jax.jit(loaded.env.reset)(KEY, loaded.params)[1].obs
    same(jax.jit(loaded.policy())(KEY, obs), jax.jit(run.policy())(KEY, obs))
    contestants = {"mine": loaded.policy(), **policies.fixed(loaded.env, loaded.params)}
    assert set(evaluate(loaded.env, contestants, KEY, loaded.params, 4)) == {"mine", "random", "loud"}


@pytest.mark.slow
def test_a_run_of_ones_own_resumes_to_the_same_bits(run, tmp_path):
    env, params = jaxvec.make("relay", price=1.5)
    learner = learners.make("sine_mappo", env, **SMALL)
    settings = {"out": tmp_path / "r", "hyper": learner.hyper.replace(anneal_updates=2.0), **QUIET}
    jaxvec.train(learner, params, KEY, 1, **settings)
    resumed = jaxvec.train(learner, params, KEY, 2, resume=True, **settings)
    same(resumed.state.params, run.state.params)


@pytest.fixture(scope="module")
def with_networks(tmp_path_factory):
    """A run of the package's learner with networks of one's own for actors and critics."""
    env, params = jaxvec.make("isac_iov", n_vehicles=2, n_rsus=2, horizon=3)
    learner = learners.make("ippo", env, network=mine.Torso(), critic=mine.Torso(width=6), **SMALL)
    return trained(learner, params, tmp_path_factory.mktemp("runs") / "networks", 1)


@pytest.mark.slow
def test_networks_of_ones_own_are_given_again(with_networks):
    loaded = jaxvec.load(with_networks.out, network=mine.Torso(), critic=mine.Torso(width=6))
    same(loaded.state.params, with_networks.state.params)
    obs = jax.jit(loaded.env.reset)(KEY, loaded.params)[1].obs
    same(jax.jit(loaded.policy())(KEY, obs), jax.jit(with_networks.policy())(KEY, obs))


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ({}, "has a critic of its own: give it, critic=.*has a network of its own: give it, network="),
        ({"critic": mine.Torso(width=6)}, "has a network of its own"),
        ({"network": mine.Torso()}, "has a critic of its own"),
        ({"network": mine.Torso(width=9), "critic": mine.Torso(width=6)}, "network has other parameters"),
        ({"network": mine.Torso(gain=1.3), "critic": mine.Torso(width=6)}, "network .* says something else"),
        ({"network": mine.Torso(), "critic": mine.Torso(width=6, gain=0.5)}, "critic .* says something else"),
        ({"network": mine.Torso, "critic": mine.Torso(width=6)}, "instance of a Flax module"),
    ],
    ids=["none", "no actor", "no critic", "other width", "other actor", "other critic", "a class"],
)
def test_a_network_that_is_not_the_runs_is_refused(with_networks, networks, message):
    with pytest.raises(ConfigError, match=message):
        jaxvec.load(with_networks.out, **networks)


@pytest.mark.slow
def test_a_network_that_the_run_does_not_have_is_refused(tmp_path):
    env, params = jaxvec.make("relay")
    trained(learners.make("ippo", env, **SMALL), params, tmp_path / "plain", 1)
    with pytest.raises(ConfigError, match=r"has the package's own network: leave out network="):
        jaxvec.load(tmp_path / "plain", network=mine.Torso())


def test_a_run_does_not_go_on_with_another_network(with_networks):
    env, params = jaxvec.make("isac_iov", n_vehicles=2, n_rsus=2, horizon=3)
    other = learners.make("ippo", env, network=mine.Torso(gain=1.3), critic=mine.Torso(width=6), **SMALL)
    with pytest.raises(ConfigError, match=r"says something else"):
        jaxvec.train(other, params, KEY, 2, out=with_networks.out, resume=True, **QUIET)


class Louder(mine.Relay):
    """Another environment of the same name."""

    def step_from(self, state, action, draws, params):
        return super().step_from(state, jax.tree.map(jnp.ones_like, action), draws, params)


def test_an_environment_that_is_not_the_runs_is_refused(run, monkeypatch):
    environments = sys.modules["jaxvec.core.make"].ENVIRONMENTS
    monkeypatch.setattr(environments, "_others", {**environments._others, "relay": Louder})
    with pytest.raises(ConfigError, match=r"relay.* was .*mine:Relay, not .*test_door:Louder; give it, env="):
        jaxvec.load(run.out)
    monkeypatch.setattr(environments, "_others", {})
    with pytest.raises(ConfigError, match=r"environment 'relay' of .*mine:Relay is not registered: .*--register"):
        jaxvec.load(run.out)
    assert jaxvec.load(run.out, env=mine.Relay()).params.price == 1.5
    with pytest.raises(ConfigError, match=r"of other sizes: n_vehicles: 2 here, 3"):
        jaxvec.load(run.out, env=mine.Relay(n_vehicles=2))


def test_a_wrapped_environment_is_given_again(tmp_path):
    env, params = jaxvec.make("relay")
    wrapped = episode_statistics(env)
    trained(learners.make("ippo", wrapped, **SMALL), params, tmp_path / "w", 1)
    with pytest.raises(ConfigError, match=r"EpisodeStatistics, not .*Relay; give it, env="):
        jaxvec.load(tmp_path / "w")
    assert jaxvec.load(tmp_path / "w", env=episode_statistics(mine.Relay())).env == wrapped


def test_a_learner_that_is_not_registered_is_refused_by_name(run, monkeypatch):
    monkeypatch.setattr(learners.LEARNERS, "_others", {})
    with pytest.raises(ConfigError, match=r"learner 'sine_mappo' is not registered: .*--register"):
        jaxvec.load(run.out)


def jaxvec_command(*words, cwd, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "jaxvec.cli", *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.mark.slow
def test_the_whole_circle_from_the_shell(tmp_path):
    shutil.copy(mine.__file__, tmp_path / "mine.py")
    here = {"cwd": tmp_path}
    assert "relay" in jaxvec_command("envs", "--register", "mine", "--json", **here)
    small = ("--set", "n_worlds=4", "epochs=1", "minibatches=1", "hidden=4", "price=1.5", "pathloss=two_rays")
    train = ("train", "relay", "--learner", "sine_mappo", "--updates", "1", "--out", "r", *small, "--json")
    assert "there is no such module" in jaxvec_command(*train, "--register", "nowhere", **here, status=2)
    assert json.loads(jaxvec_command(*train, "--register", "mine.py", **here))["updates"] == 1
    assert "--register mine" in jaxvec_command("evaluate", "r", **here, status=2)
    register = ("--register", "mine", "--json")
    assert json.loads(jaxvec_command("train", "--resume", "r", "--updates", "2", *register, **here))["updates"] == 2
    table = json.loads(jaxvec_command("evaluate", "r", "--episodes", "4", *register, **here))["policies"]
    assert set(table) == {"sine_mappo", "random", "loud"}
    assert json.loads(jaxvec_command("render", "r", *register, **here))["policy"] == "sine_mappo"
    assert (Path(tmp_path) / "r" / "episode.gif").stat().st_size > 1000
