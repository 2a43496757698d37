"""The driver: what it writes, how it stops, and that a killed run ends where an uninterrupted one does."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from learners.probes import Probe

import jaxvec
from jaxvec import learners
from jaxvec.core.npz import write_npz
from jaxvec.training import ConfigError, TrainingError, load, train
from jaxvec.training.config import differences, leaves, write_config
from jaxvec.training.driver import titled
from jaxvec.training.metrics import read_metrics

TINY = {"n_worlds": 4, "hidden": (4,), "epochs": 1, "minibatches": 1}
KEY = jax.random.key(0)
OLD = json.dumps({"format": 1, "versions": {"jaxvec": "0.1.0"}})


@pytest.fixture(scope="module")
def isac():
    env, params = jaxvec.make("isac_iov", n_vehicles=2, horizon=3)
    return learners.make("mappo", env, **TINY), params


@pytest.fixture(scope="module")
def probing():
    """A learner on the least environment, for what does not depend on the system."""
    env = Probe("chosen", horizon=2)
    return learners.make("ippo", env, **TINY), env.default_params()


@pytest.fixture(scope="module")
def finished(isac, tmp_path_factory):
    """A run of 7 updates in chunks of 3, and its folder."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    return train(*isac, KEY, 7, hyper=isac[0].hyper, chunk=3, out=out, checkpoint_every_s=0.0, progress=False)


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_run_folder_holds_everything(isac, finished):
    config = json.loads((finished.out / "config.json").read_text())
    assert config["env"] == {
        "id": "isac_iov",
        "class": "jaxvec.envs.isac_iov.env:IsacIov",
        "sizes": config["env"]["sizes"] | {"n_vehicles": 2, "horizon": 3},
        "params": config["env"]["params"] | {"lyapunov_v": 5.0},
    }
    assert config["learner"]["settings"]["n_worlds"] == 4
    assert {"jax", "jaxvec", "python"} <= set(config["versions"])
    rows = [json.loads(line) for line in (finished.out / "metrics.jsonl").read_text().splitlines()]
    assert [row["update"] for row in rows] == list(range(1, 8))
    assert rows[-1]["steps"] == 7 * 4 * 3
    np.testing.assert_array_equal([row["reward"] for row in rows], finished.metrics["reward"])
    assert sorted(p.name for p in (finished.out / "checkpoints").iterdir()) == ["6", "7"]


def test_a_run_is_read_back_whole(finished):
    run = load(finished.out)
    assert run.update == 7
    same(run.state.params, finished.state.params)
    same(jax.random.key_data(run.state.key), jax.random.key_data(finished.state.key))
    obs = jax.jit(run.learner.env.reset)(KEY, run.params)[1].obs
    same(jax.jit(run.policy())(KEY, obs), jax.jit(finished.policy())(KEY, obs))


def test_an_interrupted_run_resumes_to_the_same_bits(isac, finished, tmp_path):
    same_schedule = {"hyper": isac[0].hyper, "out": tmp_path / "r", "progress": False}
    train(*isac, KEY, 3, chunk=3, **same_schedule)
    last = (tmp_path / "r" / "metrics.jsonl").read_text().splitlines(keepends=True)[-1]
    with (tmp_path / "r" / "metrics.jsonl").open("a") as log:  # as if killed while writing the next lines
        log.write(last.replace('"update": 3', '"update": 4') + '{"format": 3, "update": 5, "rew')
    with pytest.raises(ConfigError, match="holds a run already"):
        train(*isac, KEY, 7, **same_schedule)
    resumed = train(*isac, KEY, 7, resume=True, **same_schedule)
    same(resumed.state.params, finished.state.params)
    same(resumed.state.opt, finished.state.opt)
    np.testing.assert_array_equal(read_metrics(tmp_path / "r")["reward"], finished.metrics["reward"])


def test_another_configuration_is_refused_by_name(isac, finished):
    learner, params = isac
    with pytest.raises(ConfigError, match=r"env\.params\.lyapunov_v: 9\.0 here, 5\.0 in the folder"):
        train(learner, params.replace(lyapunov_v=9.0), KEY, 7, out=finished.out, resume=True, progress=False)
    wider = learners.make("mappo", learner.env, **{**TINY, "hidden": (8,)})
    with pytest.raises(ConfigError, match=r"learner\.settings\.hidden"):
        train(wider, params, KEY, 7, out=finished.out, resume=True, progress=False)
    with pytest.raises(ConfigError, match=r"train\.key"):
        train(learner, params, jax.random.key(1), 7, out=finished.out, resume=True, progress=False)


def test_differences_are_named():
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}) == ["a.c: 2 here, 3 in the folder"]
    assert differences({"versions": {"jax": "1"}}, {"versions": {"jax": "2"}}) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", "{", "not valid JSON"),
        ("config.json", "{}", "not the configuration of a run"),
        ("config.json", OLD, "written by jaxvec 0.1.0 in format 1"),
        ("params.npz", "junk", "params.npz"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(finished, tmp_path, name, content, words):
    for file in ("config.json", "params.npz"):
        (tmp_path / file).write_bytes((finished.out / file).read_bytes())
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=words):
        load(tmp_path)
    with pytest.raises(ConfigError, match="not a run folder"):
        load(tmp_path / "nowhere")


def test_schedules_last_as_long_as_the_run_was_planned_to(probing, tmp_path):
    learner, params = probing
    train(learner, params, KEY, 2, out=tmp_path / "p", progress=False)
    assert float(load(tmp_path / "p", env=learner.env).state.hyper.anneal_updates) == 2
    longer = train(learner, params, KEY, 3, out=tmp_path / "p", resume=True, progress=False)
    assert float(longer.state.hyper.anneal_updates) == 2


@pytest.mark.slow
def test_changed_hyper_parameters_keep_the_schedule_and_given_ones_are_taken_as_they_are(probing):
    learner, params = probing
    changed = train(learner, params, KEY, 2, hyper={"gamma": 0.5}, progress=False).state.hyper
    assert (float(changed.gamma), float(changed.anneal_updates)) == (0.5, 2.0)
    given = train(learner, params, KEY, 2, hyper=learner.hyper.replace(gamma=0.5), progress=False).state.hyper
    assert (float(given.gamma), given.anneal_updates) == (0.5, learner.hyper.anneal_updates)


def test_several_seeds_are_one_program_and_differ(probing, tmp_path):
    result = train(*probing, KEY, 2, num_seeds=3, out=tmp_path / "s", progress=False)
    assert result.metrics["reward"].shape == (2, 3)
    assert len(np.unique(result.metrics["reward"][-1])) == 3
    run = load(tmp_path / "s", env=probing[0].env)
    obs = jax.jit(run.learner.env.reset)(KEY, run.params)[1].obs
    a, b = (jax.jit(run.policy(member))(KEY, obs) for member in (0, 2))
    assert not np.array_equal(a["a"]["x"], b["a"]["x"])
    with pytest.raises(ValueError, match="member 3 does not exist"):
        run.policy(3)


def test_a_number_that_is_not_finite_stops_the_run_and_keeps_the_last_good_state(tmp_path):
    class Breaks(Probe):
        """Pays NaN once the policy's third update is due: the reward follows a clock of the world's keys."""

    env = Breaks("constant", horizon=1)
    learner = learners.make("ippo", env, **TINY)
    update = learner.update

    def poisoned(state):
        after, metrics = update(state)
        return after, metrics | {"reward": jnp.where(state.update == 4, jnp.nan, metrics["reward"])}

    broken = learner._replace(update=poisoned)
    with pytest.raises(TrainingError, match=r"update 5: reward is nan; the last good checkpoint"):
        train(broken, env.default_params(), KEY, 8, chunk=2, out=tmp_path / "n", checkpoint_every_s=0.0, progress=False)
    assert sorted(p.name for p in (tmp_path / "n" / "checkpoints").iterdir()) == ["2", "4"]


@pytest.mark.slow
def test_parameters_that_are_not_finite_stop_the_run():
    env = Probe("constant", horizon=1)
    learner = learners.make("ippo", env, **TINY)
    hyper = learner.hyper.replace(learning_rate=1e38, learning_rate_end=1e38)
    with pytest.raises(TrainingError, match="update"):
        train(learner, env.default_params(), KEY, 6, chunk=2, hyper=hyper, progress=False)


def test_progress_tells_what_a_user_wants_to_know(probing):
    said = io.StringIO()
    train(*probing, KEY, 2, progress=said)
    assert re.search(r"^ippo on probe, .*: compiling \.\.\.$", said.getvalue(), re.M)
    assert "update 2/2" in said.getvalue()
    for word in ("reward", "steps/s", "left"):
        assert word in said.getvalue()


@pytest.mark.slow
def test_progress_shows_the_reward_of_an_episode_not_of_a_piece_of_it():
    env, said = Probe("observed", horizon=3), io.StringIO()
    whole, learner = (learners.make("ippo", env, **TINY, rollout_length=n) for n in (3, 1))
    assert (whole.updates_per_episode, learner.updates_per_episode) == (1, 3)
    result = train(learner, env.default_params(), KEY, 5, progress=said)
    shown = float(re.findall(r"reward (-?[\d.]+)", said.getvalue())[-1])
    assert shown == pytest.approx(result.metrics["reward"][-3:].mean(), abs=6e-4)
    assert shown != pytest.approx(result.metrics["reward"][-1], abs=6e-4)


def test_bad_arguments_are_named(isac):
    learner, params = isac
    with pytest.raises(ValueError, match="num_updates must be at least 1"):
        train(learner, params, KEY, 0)
    with pytest.raises(ValueError, match="lyapunov_v = nan"):
        train(learner, params.replace(lyapunov_v=float("nan")), KEY, 1)
    with pytest.raises(ValueError, match="learning_rate = inf"):
        train(learner, params, KEY, 1, hyper=learner.hyper.replace(learning_rate=float("inf")))
    with pytest.raises(
        ValueError, match=r"unknown hyper-parameter 'gama'\. Did you mean 'gamma'\? Known: .*gae_lambda"
    ):
        train(learner, params, KEY, 1, hyper={"gama": 0.5})
    with pytest.raises(TypeError, match=r"a key must be typed, as jax.random.key\(0\) gives it, not 0;"):
        train(learner, params, 0, 1, progress=False)
    with pytest.raises(TypeError, match="not a Params;"):
        train(learner, params, params, 1, progress=False)
    with pytest.raises(
        ValueError, match="lyapunov_v has numbers of 3 worlds, but there are 4: give one, or one for each"
    ):
        train(learner, params.replace(lyapunov_v=np.float32([1, 2, 3])), KEY, 1, progress=False)


SCRIPT = """
import sys, jax, jaxvec
from jaxvec import learners
from jaxvec.training import train
env, params = jaxvec.make("isac_iov", n_vehicles=2, horizon=3)
learner = learners.make("mappo", env, n_worlds=4, hidden=(4,), epochs=1, minibatches=1)
train(learner, params, jax.random.key(0), 600, chunk=20, out=sys.argv[1], resume=True, checkpoint_every_s=0.0, progress=False)
"""


@pytest.mark.slow
def test_a_run_killed_at_a_random_moment_resumes_to_the_same_bits(tmp_path):
    def start(out: Path) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(out)], env=os.environ | {"JAX_PLATFORMS": "cpu"})

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait(timeout=300) == 0
    process = start(killed)
    checkpoints = killed / "checkpoints"
    deadline = time.monotonic() + 120
    while not (checkpoints.exists() and any(p.name.isdigit() for p in checkpoints.iterdir())):
        assert process.poll() is None, "ended before its first checkpoint"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(np.random.default_rng().uniform(0, 0.3))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    seen = max(int(p.name) for p in checkpoints.iterdir() if p.name.isdigit())
    assert seen < 600
    assert start(killed).wait(timeout=300) == 0
    same(load(killed).state.params, load(whole).state.params)
    np.testing.assert_array_equal(read_metrics(killed)["reward"], read_metrics(whole)["reward"])


DAMAGE = st.sampled_from([None, True, 0, -1, 2.5, "x", [], {}, [1, "x"], {"x": 1}, 10**30])


@given(data=st.data())
def test_a_configuration_that_was_changed_is_refused_and_never_a_traceback(finished, tmp_path_factory, data):
    out = tmp_path_factory.mktemp("changed")
    for name in ("config.json", "params.npz", "metrics.jsonl"):
        (out / name).write_bytes((finished.out / name).read_bytes())
    shutil.copytree(finished.out / "checkpoints", out / "checkpoints")
    config = json.loads((out / "config.json").read_text())
    where = config
    while True:
        name = data.draw(st.sampled_from(sorted(where)))
        if not (isinstance(where[name], dict) and where[name] and data.draw(st.booleans())):
            break
        where = where[name]
    if name in ("versions", "device"):
        return
    value = data.draw(DAMAGE)
    if where is config.get("versions") or where is config.get("device") or where[name] == value:
        return
    if data.draw(st.booleans()):
        where[name] = value
    else:
        del where[name]
    (out / "config.json").write_text(json.dumps(config))
    try:
        run = load(out)
    except ConfigError:
        return
    assert name in ("num_updates",), f"{name} = {value} was taken, {run.config}"


def test_parameters_that_are_not_those_of_the_configuration_are_refused(isac, finished, tmp_path):
    shutil.copytree(finished.out, tmp_path / "r")
    whole = (tmp_path / "r" / "params.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[60] ^= 4  # inside of an array, whose CRC it no longer fits
    (tmp_path / "r" / "params.npz").write_bytes(flipped)
    with pytest.raises(ConfigError, match=r"params\.npz: cannot be read as the run's parameters"):
        load(tmp_path / "r")
    write_config(tmp_path / "r", {}, isac[1].replace(lyapunov_v=6.0))
    (tmp_path / "r" / "config.json").write_bytes((finished.out / "config.json").read_bytes())
    with pytest.raises(
        ConfigError, match=r"not the parameters of config\.json: lyapunov_v: 6\.0 here, 5\.0 in the folder"
    ):
        load(tmp_path / "r")
    write_npz(tmp_path / "r" / "params.npz", 2, None, {f"params.{name}": x for name, x in leaves(isac[1]).items()})
    with pytest.raises(ConfigError, match="format is 2, but only 3 can be read"):
        load(tmp_path / "r")


@pytest.mark.slow
def test_a_run_of_64_bits_resumes_to_the_same_bits(isac, tmp_path):
    with jax.enable_x64(True):
        key = jax.random.key(0)
        options = {"chunk": 1, "progress": False}
        train(*isac, key, 2, out=tmp_path / "r", **options)
        resumed = train(*isac, key, 4, out=tmp_path / "r", resume=True, **options)
        whole = train(*isac, key, 4, hyper={"anneal_updates": 2.0}, **options)
        same(resumed.state.params, whole.state.params)
        same(resumed.state.opt, whole.state.opt)
        assert load(tmp_path / "r").update == 4


@pytest.mark.parametrize(("preset", "own"), [(None, False), ("own_rewards", True)])
def test_a_title_says_whose_reward_is_shown(preset, own):
    env, params = jaxvec.make("urllc_vec", preset=preset)
    title = titled(learners.make("ippo", env), params)
    assert title.startswith("ippo on urllc_vec")
    assert ("own rewards" in title) == own
