"""Checkpoints: on whichever device they were written, whole or seen to be damaged, of this run and format or refused by name."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training.counter import counting

from jaxvec.training import ConfigError, load, train
from jaxvec.training.checkpoints import Checkpoints, _digest

KEY = jax.random.key(0)
IMPL = "threefry2x32"


def state_after(update):
    return {
        "key": jax.random.fold_in(KEY, update),
        "a.b": {"c": update + jnp.arange(2000.0)},
        "a": {"b.c": jnp.ones((3, 2), jnp.bfloat16), "flag": jnp.array(True), "none": jnp.zeros((0, 4))},
    }


def same(a, b):
    def equal(x, y):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        assert (x.dtype, x.weak_type) == (y.dtype, y.weak_type)
        np.testing.assert_array_equal(x, y)

    jax.tree.map(equal, a, b)


@pytest.fixture
def kept(tmp_path):
    """Checkpoints after 3 and 5 updates."""
    checkpoints = Checkpoints(tmp_path, IMPL, "this")
    for update in (1, 3, 5):
        checkpoints.save(update, state_after(update))
    return checkpoints


TEMPLATE = jax.eval_shape(lambda: state_after(0))


def test_the_newest_of_two_is_read(kept):
    assert kept.updates() == [5, 3]
    update, state, damaged = kept.restore(TEMPLATE)
    assert (update, damaged) == (5, "")
    same(state, state_after(5))


def damages(file):
    """Ways to spoil a file."""
    content = file.read_bytes()
    yield "removed", file.unlink
    yield "emptied", lambda: file.write_bytes(b"")
    yield "cut", lambda: file.write_bytes(content[: len(content) // 2])
    for at in np.random.default_rng(len(content)).integers(0, max(1, len(content)), 3) if content else ():
        flipped = bytearray(content)
        flipped[at] ^= 1 << (at % 8)
        yield f"bit {at}", lambda flipped=bytes(flipped): file.write_bytes(flipped)


def test_whatever_happens_to_the_newest_is_seen_and_the_one_before_is_used(kept, tmp_path):
    newest = kept.path / "5"
    shutil.copytree(newest, tmp_path / "whole")
    files = [p.relative_to(newest) for p in newest.rglob("*") if p.is_file()]
    used = []
    for name in files:
        for what, spoil in damages(newest / name):
            spoil()
            update, state, damaged = kept.restore(TEMPLATE)
            same(state, state_after(update))
            assert (update, bool(damaged)) in ((5, False), (3, True)), (name, what)
            if damaged:
                assert re.search(r"checkpoints: checkpoint 5 is damaged \(.*\); checkpoint 3 is used$", damaged)
            used.append((str(name), what, update))
            shutil.rmtree(newest)
            shutil.copytree(tmp_path / "whole", newest)
    assert (
        sum(update == 3 for *_, update in used) >= len(used) / 3
    )  # many files of Orbax are not needed to read a state


def test_where_all_are_damaged_each_is_named(kept):
    for update in (3, 5):
        shutil.rmtree(kept.path / str(update) / "state")
    with pytest.raises(ConfigError, match=r"checkpoint 5 is damaged .*; checkpoint 3 is damaged"):
        kept.restore(TEMPLATE)
    shutil.rmtree(kept.path)
    with pytest.raises(ConfigError, match="no checkpoint in it"):
        kept.restore(TEMPLATE)


def test_a_checkpoint_under_the_name_of_another_is_damaged(kept):
    (kept.path / "5").rename(kept.path / "9")
    assert kept.restore(TEMPLATE).update == 3
    kept.save(4, state_after(4))
    assert kept.updates() == [4, 3], "what is newer than the state that was gone on with is removed"


def rewrite(folder, **changes):
    file = folder / "record" / "metadata"
    record = json.loads(file.read_text()) | changes
    record.pop("digest")
    file.write_text(json.dumps(record | {"digest": _digest(record)}))


def test_another_format_configuration_shape_or_type_is_refused_by_name(kept, tmp_path):
    with pytest.raises(ConfigError, match=r"5: it is of another configuration than config\.json"):
        Checkpoints(tmp_path, IMPL, "other").restore(TEMPLATE)
    with pytest.raises(ConfigError, match=r"5: \['a'\]\['flag'\] is bool\[\], but absent here"):
        kept.restore(TEMPLATE | {"a": {name: x for name, x in TEMPLATE["a"].items() if name != "flag"}})
    kept.save(7, state_after(7) | {"a.b": {"c": np.arange(2000.0)}})
    with pytest.raises(
        ConfigError, match=r"7: .* is float64\[2000\], but float32\[2000\] here; was it .* JAX_ENABLE_X64"
    ):
        kept.restore(TEMPLATE)
    rewrite(kept.path / "7", format=4)
    with pytest.raises(
        ConfigError, match=r"7: written by another version of jaxvec in format 4; jaxvec .* reads format 3"
    ):
        kept.restore(TEMPLATE)


def test_a_training_goes_on_from_the_one_before_and_says_so(tmp_path, capsys):
    options = {"chunk": 2, "checkpoint_every_s": 0.0}
    whole = train(counting(), Params, KEY, 8, progress=False)
    train(counting(), Params, KEY, 6, out=tmp_path / "r", progress=False, **options)
    os.truncate(tmp_path / "r" / "checkpoints" / "6" / "record" / "metadata", 3)
    resumed = train(counting(), Params, KEY, 8, out=tmp_path / "r", resume=True, checkpoint_every_s=0.0)
    assert (
        "checkpoint 6 is damaged (its record cannot be read: JSONDecodeError); checkpoint 4 is used"
        in capsys.readouterr().err
    )
    same(resumed.state, whole.state)
    assert sorted(os.listdir(tmp_path / "r" / "checkpoints")) == ["6", "8"]


Params = counting().env.default_params()
ELSEWHERE = """
import sys, pathlib, jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from training.counter import counting
from jaxvec.training import train
from jaxvec.training.checkpoints import Checkpoints
from training.test_checkpoints import state_after
here, other = jax.devices()
out = pathlib.Path(sys.argv[1])
with jax.default_device(other):
    learner = counting()
    state = train(learner, learner.env.default_params(), jax.random.key(0), 4, out=out / "run", progress=False).state
assert state.total.devices() == {other}
(out / "sharded").mkdir()
state = state_after(5)
state["a.b"]["c"] = jax.device_put(state["a.b"]["c"], NamedSharding(jax.make_mesh((2,), ("i",)), PartitionSpec("i")))
Checkpoints(out / "sharded", "threefry2x32", "this").save(5, state)
"""


@pytest.mark.slow
def test_what_was_saved_on_the_second_of_two_devices_goes_on_where_there_is_one(tmp_path):
    root = Path(__file__).parents[2]
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2"
    paths = os.pathsep.join((str(root), str(root / "tests")))
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path)],
        check=True,
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": paths},
    )
    assert jax.device_count() == 1
    resumed = train(counting(), Params, KEY, 6, chunk=1, out=tmp_path / "run", resume=True, progress=False)
    same(resumed.state, train(counting(), Params, KEY, 6, progress=False).state)
    same(Checkpoints(tmp_path / "sharded", IMPL, "this").restore(TEMPLATE).state, state_after(5))


def test_no_two_leaves_of_a_state_that_was_read_share_a_buffer(kept):
    state = kept.restore(TEMPLATE).state
    pointers = [x.unsafe_buffer_pointer() for x in [*jax.tree.leaves(state["a.b"]), state["a"]["flag"]]]
    assert len(set(pointers)) == len(pointers)
    jax.block_until_ready(jax.jit(lambda s: jax.tree.map(lambda x: x, s), donate_argnums=0)(state))


@pytest.mark.slow
def test_a_folder_of_which_the_newest_is_damaged_is_loaded_with_a_warning(tmp_path):
    import jaxvec
    from jaxvec import learners

    env, params = jaxvec.make("isac_iov", n_vehicles=2, horizon=3)
    learner = learners.make("mappo", env, n_worlds=4, hidden=(4,), epochs=1, minibatches=1)
    out = tmp_path / "r"
    train(learner, params, KEY, 2, chunk=1, out=out, checkpoint_every_s=0.0, progress=False)
    shutil.rmtree(out / "checkpoints" / "2" / "record")
    with pytest.warns(UserWarning, match=r"checkpoint 2 is damaged .*; checkpoint 1 is used"):
        assert load(out).update == 1
