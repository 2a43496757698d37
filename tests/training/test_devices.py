"""Worlds over several devices: the result is that of one, nothing but what is as small as a gradient is moved, runs move."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxvec.core.devices import said, usable
from jaxvec.core.shards import by_shard, drawn, most_of, shards_of, shuffled, take

KEY = jax.random.key(0)
TESTS = Path(__file__).parents[1]
LOGGED = 512  # bytes of the numbers that are logged, which the compiler reduces together with a gradient


def on_four_devices(folder, env_id, *names):
    """What `on_devices` finds in a process of its own."""
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    environ = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": f"{TESTS}:{TESTS.parent}", "JAX_PLATFORMS": "cpu"}
    run = [sys.executable, str(TESTS / "training" / "on_devices.py"), str(folder), env_id, *names]
    done = subprocess.run(run, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(found):
    for name, x in found.items():
        assert x["devices"] == 4, name
        for difference in (*x["apart"], x["resumed_apart"]):
            # sums over worlds are rounded in another order, which Adam's first steps blow up where a gradient is all but 0:
            # of off-policy learners single entries may be apart, by no more than such a step
            most, share = (1e-5, 0) if "ppo" in name else (1e-3, 0.01)
            assert difference["most"] < most, (name, difference)
            assert difference["share"] <= share, (name, difference)
        assert set(x["counts"]) <= {"all-reduce", "all-gather"}, (name, x["counts"])
        assert x["counts"]["all-reduce"] >= 1, name
        assert name != "qmarl" or "all-gather" not in x["counts"], "circuits' samples stay where they are"
        assert max(x["most"].values()) <= x["parameter_bytes"] + LOGGED, (name, x["most"], "more than a gradient")
        assert x["most"]["all-reduce"] > x["parameter_bytes"] / 4, (name, x["most"], "no gradient")
        assert x["resumed_same"], name


@pytest.mark.slow
def test_training_on_four_devices_is_that_on_one(tmp_path):
    check(on_four_devices(tmp_path, "isac_iov", "ippo"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env_id", "names"),
    [
        ("isac_iov", ("apg", "mappo", "maddpg", "masac", "maddpg_pooled", "qmarl")),
        ("v2x_offload", ("apg", "mappo", "matd3")),
        ("urllc_vec", ("mappo",)),
    ],
)
def test_every_family_of_learners_on_four_devices(tmp_path, env_id, names):
    check(on_four_devices(tmp_path, env_id, *names))


@pytest.mark.parametrize(
    ("worlds", "there", "used"), [(64, 8, 8), (64, 6, 4), (6, 4, 2), (7, 4, 1), (1, 4, 1), (8, 1, 1)]
)
def test_as_many_devices_as_share_the_worlds_equally(worlds, there, used):
    assert len(usable(worlds, jax.devices() * there)) == used


def test_training_takes_no_more_devices_than_there_are_shards():
    assert len(usable(64, jax.devices() * 16, at_most=8)) == 8


def test_words_say_how_many_devices_and_why_not_all(monkeypatch):
    device = jax.devices()[0]
    monkeypatch.setattr(jax, "devices", lambda platform=None: [device] * 4)
    assert said(8, [device] * 4) == f"4 x {device.device_kind}, 2 worlds on each"
    assert said(6, [device] * 2).endswith("(2 of 4 devices: 6 worlds cannot be shared equally by 4)")
    assert said(8, [device]).endswith("(1 of 4 devices)")


@pytest.mark.parametrize(
    ("worlds", "samples", "parts", "shards"),
    [
        (64, 640, 8, 8),
        (64, 64, 16, 4),
        (12, 12, 1, 4),
        (5, 20, 2, 1),
        (16, 24, 3, 8),
        (4096, 8192, 4, 16),
        (4096, 4096, 512, 8),
    ],
)
def test_shards_depend_on_sizes_alone(worlds, samples, parts, shards):
    assert shards_of(worlds, samples, parts) == shards


@pytest.mark.parametrize(("worlds", "most"), [(8, 8), (4095, 8), (4096, 16), (16384, 64), (20000, 64)])
def test_many_worlds_have_more_shards(worlds, most):
    assert most_of(worlds) == most


def test_each_shard_is_mixed_by_itself_and_every_sample_comes_once():
    time, worlds, shards, parts = 3, 8, 4, 2
    world = np.broadcast_to(np.arange(worlds), (time, worlds))
    samples = by_shard(np.stack([world, np.arange(time * worlds).reshape(time, worlds)], -1), shards)
    order = shuffled(KEY, shards, time * worlds // shards, parts)
    assert order.shape == (parts, shards, time * worlds // shards // parts)
    seen = [np.asarray(take(samples, chosen)).reshape(shards, -1, 2) for chosen in order]
    for part in seen:
        np.testing.assert_array_equal(
            part[..., 0] // (worlds // shards), np.arange(shards)[:, None].repeat(part.shape[1], 1)
        )
    everything = np.concatenate([part[..., 1].ravel() for part in seen])
    np.testing.assert_array_equal(np.sort(everything), np.arange(time * worlds))
    chosen = np.asarray(drawn(KEY, shards, 5, 40))
    assert chosen.shape == (4, 10)
    assert set(np.unique(chosen)) == set(range(5))
    assert len({tuple(row) for row in chosen}) == shards  # each draws for itself
