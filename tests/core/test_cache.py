"""Compiled programs on disk: read at the next start, in a folder that nobody else can change, off and elsewhere on request."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest
from representatives import representatives

from jaxvec.core import cache

PROBE = """
import json, sys, warnings
import jax, jax.monitoring, jax.numpy as jnp
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name.rpartition("/")[2]))
jax.jit(lambda x: x + 1)(1.0)  # who has compiled before can still have a cache
exec(sys.argv[1])
before = jax.config.jax_compilation_cache_dir
import jaxvec
from jaxvec.core import cache
assert jax.config.jax_compilation_cache_dir == before, "an import changes nothing"

def program(x):
    return jax.lax.fori_loop(0, 3, lambda i, x: jnp.tanh(x @ x) + jax.random.normal(jax.random.key(i), x.shape), x).sum()

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    folder = cache.enable()
    value = jax.jit(program)(jnp.ones((8, 8)))
    assert cache.enable() == folder
names = ("compilation_cache_dir", "compilation_cache_max_size", "persistent_cache_min_compile_time_secs",
         "persistent_cache_enable_xla_caches")
told = {"folder": str(folder), "value": float(value).hex(), "warnings": [str(w.message) for w in caught],
        "settings": [getattr(jax.config, f"jax_{name}") for name in names],
        "hits": events.count("cache_hits"), "misses": events.count("cache_misses")}
cache.disable()
jax.jit(lambda x: program(x) + 1)(jnp.ones((8, 8)))
assert cache.enable() is None
if before is None:
    assert (events.count("cache_hits"), events.count("cache_misses")) == (told["hits"], told["misses"])
print(json.dumps(told))
"""
ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}  # programs are kept, also those that compile in no time
TRAINING = """
import json
import jax, jax.monitoring
import jaxvec, jaxvec.bench
from jaxvec.core import cache
from toy import Walkers

events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name.rpartition("/")[2]))
env = Walkers()
learner = jaxvec.learners.make("ippo", env, n_worlds=2, hidden=(4,), epochs=1, minibatches=1)
result = jaxvec.train(learner, env.params_cls(), jax.random.key(0), 2, progress=False)
assert cache.enable() is not None
jaxvec.bench.bench_arguments.check = lambda *_: None  # lets nothing be measured
jaxvec.bench.run((), ())
assert cache.enable() is None, "compiling is measured"
state = [x.tolist() for x in jax.tree.leaves(result.state.params)]
print(json.dumps({"misses": events.count("cache_misses"), "state": state}))
"""


def start(home, *words, **variables):
    """Another process with a home folder of its own, and no settings of JAX's cache but those given."""
    mine = {name: x for name, x in os.environ.items() if "_CACHE" not in name and name != "XDG_CACHE_HOME"}
    paths = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(cache.__file__).parents[2]), *sys.path])
    mine |= {"HOME": str(home), "PYTHONPATH": paths, **variables}
    return subprocess.run([sys.executable, *words], env=mine, cwd=home, capture_output=True, text=True, timeout=120)


def told(home, before="", program=PROBE, **variables):
    done = start(home, "-c", program, before, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def files(folder):
    return {path.name: path.stat().st_size for path in folder.glob("*-cache")}


def mode(path):
    return path.stat().st_mode & 0o7777


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A home whose cache a process has filled, and what that told."""
    home = tmp_path_factory.mktemp("home")
    return home, told(home, **ALL)


def test_a_second_start_reads_what_the_first_compiled(kept):
    home, first = kept
    folder = Path(first["folder"])
    assert folder.parent == home / ".cache" / "jaxvec"
    assert [mode(path) for path in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3
    assert first["settings"][:3] == [str(folder), 2 * 2**30, 0.0]
    assert cache.AUTOTUNING in first["settings"][3]
    assert (first["hits"], first["misses"], first["warnings"]) == (0, len(files(folder)), [])
    again = told(home, **ALL)
    assert (again["hits"], again["misses"], again["warnings"]) == (first["misses"], 0, [])
    assert again["value"] == first["value"]


@pytest.mark.parametrize("stamped", representatives([True, False], [True]), ids=["damaged", "killed while writing"])
def test_half_an_entry_is_compiled_again(kept, stamped):
    home, first = kept
    (entry,) = Path(first["folder"]).glob("jit_program-*-cache")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])
    if not stamped:
        entry.with_name(entry.name.replace("-cache", "-atime")).unlink()
    again = told(home, **ALL)
    assert (again["value"], again["hits"]) == (first["value"], first["misses"] - 1)
    if stamped:  # JAX warns, and does not write again
        assert ["Error reading" in words for words in again["warnings"]] == [True]
        entry.write_bytes(whole)
    else:
        assert again["warnings"] == []
        assert again["misses"] == 1
        assert entry.stat().st_size == pytest.approx(len(whole), rel=0.01)


def test_what_compiles_in_no_time_is_not_kept(tmp_path):
    moved = told(tmp_path, JAXVEC_CACHE="~/moved/here")
    assert Path(moved["folder"]).parent == tmp_path / "moved" / "here"
    assert moved["settings"][2] == 0.1
    assert moved["misses"] <= 1
    assert not (tmp_path / ".cache").exists()


@pytest.mark.parametrize("off", representatives(["off", ""], ["off"]))
def test_off_writes_nothing(tmp_path, off):
    nothing = told(tmp_path, JAXVEC_CACHE=off)
    assert (nothing["folder"], nothing["settings"][0], nothing["hits"], nothing["misses"]) == ("None", None, 0, 0)
    assert nothing["warnings"] == list(tmp_path.iterdir()) == []


THEIRS = [
    ("jax.config.update('jax_compilation_cache_dir', 'theirs')", {}),
    ("", {"JAX_COMPILATION_CACHE_DIR": "theirs"}),
]


@pytest.mark.parametrize(("before", "variables"), representatives(THEIRS, THEIRS[1:]), ids=["program", "environment"])
def test_the_users_own_setting_of_jax_wins(tmp_path, before, variables):
    own = told(tmp_path, before, **variables)
    assert (own["folder"], own["settings"][:3], own["warnings"]) == ("None", ["theirs", -1, 1.0], [])
    assert not (tmp_path / ".cache").exists()


@pytest.mark.slow
def test_a_bound_of_the_users_own_stays(kept):
    home, _ = kept
    assert told(home, JAX_COMPILATION_CACHE_MAX_SIZE="123456")["settings"][1] == 123456


def test_a_folder_that_others_may_change_is_named_and_not_used(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    refused = told(tmp_path, JAXVEC_CACHE="open", **ALL)
    (words,) = refused["warnings"]
    assert words.startswith(
        f"compiled programs are not kept: {tmp_path / 'open'} is writable by everybody; JAXVEC_CACHE="
    )
    assert (refused["folder"], refused["misses"], list((tmp_path / "open").iterdir())) == ("None", 0, [])


@pytest.mark.slow
def test_a_training_reads_its_program_and_ends_with_the_same_bits(tmp_path):
    first, again = (told(tmp_path, program=TRAINING) for _ in range(2))
    assert first["misses"] > again["misses"] == 0
    assert first["state"] == again["state"]


def test_the_command_line_has_the_cache_and_no_command_fails_for_want_of_it(tmp_path):
    done = start(tmp_path, "-m", "jaxvec.cli", "envs", JAXVEC_CACHE="here")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in (tmp_path / "here").iterdir()] == [cache.location().name]
    (tmp_path / "file").touch()
    done = start(tmp_path, "-m", "jaxvec.cli", "envs", JAXVEC_CACHE="file")
    assert done.returncode == 0
    assert "compiled programs are not kept" in done.stderr


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("JAXVEC_CACHE", raising=False)
    for variables, parent in (
        ({"XDG_CACHE_HOME": ""}, tmp_path / ".cache" / "jaxvec"),
        ({"XDG_CACHE_HOME": "relative"}, tmp_path / ".cache" / "jaxvec"),  # not to be heeded, says the specification
        ({"XDG_CACHE_HOME": str(tmp_path / "x")}, tmp_path / "x" / "jaxvec"),
        ({"JAXVEC_CACHE": "~/y"}, tmp_path / "y"),
        ({"JAXVEC_CACHE": str(tmp_path / "z")}, tmp_path / "z"),
    ):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert cache.location().parent == parent
    for word in ("off", "OFF ", "", "0", "false", "no"):
        monkeypatch.setenv("JAXVEC_CACHE", word)
        assert cache.location() is None


def test_whose_folder_is_trusted(tmp_path, monkeypatch):
    folder = tmp_path / "above" / "xla-1"
    assert cache.refusal(folder) == ""  # there is none yet
    folder.mkdir(parents=True)
    for path, bits, reason in (
        (folder, 0o700, ""),
        (folder, 0o755, ""),
        (folder, 0o770, f"{folder} is writable by its group"),
        (folder, 0o702, f"{folder} is writable by everybody"),
        (folder, 0o1777, f"{folder} is writable by everybody"),
        (folder.parent, 0o777, f"{folder.parent} is writable by everybody"),
        (folder.parent, 0o1777, ""),
    ):
        path.chmod(bits)
        assert cache.refusal(folder) == reason, oct(bits)
        path.chmod(0o700)
    folder.parent.chmod(0o775)
    for private, reason in ((True, ""), (False, f"{folder.parent} is writable by its group")):
        monkeypatch.setattr(cache, "_is_private", lambda group, private=private: private)
        assert cache.refusal(folder) == reason
    folder.parent.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    assert cache.refusal(folder) == f"{folder} belongs to somebody else"


def test_a_link_or_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        assert cache.refusal(tmp_path / name) == f"{tmp_path / name} is not a folder"


def nameless(uid):
    raise KeyError(f"uid not found: {uid}")


def no_locks(lock, **_):
    raise TimeoutError(f"The file lock '{lock.lock_file}' could not be acquired.")


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("the package filelock is missing", lambda patch: patch.setitem(sys.modules, "filelock", None)),
        ("home directory", lambda patch: patch.setenv("JAXVEC_CACHE", "~nobody_of_this_name/x")),
        ("has no name here", lambda patch: patch.setattr("pwd.getpwuid", nameless)),
        ("could not be acquired", lambda patch: patch.setattr("filelock.FileLock.acquire", no_locks)),
    ],
)
def test_what_is_missing_is_named(tmp_path, monkeypatch, reason, spoil):
    monkeypatch.setattr(cache, "_of_jax", lambda name: None if name.endswith("_dir") else True)
    monkeypatch.setattr(cache, "NAMELESS", (9, 9))
    monkeypatch.setenv("JAXVEC_CACHE", str(tmp_path))
    assert cache._prepared() == cache.location()
    spoil(monkeypatch)
    with pytest.warns(
        UserWarning, match=f"compiled programs are not kept: .*{reason}.*; JAXVEC_CACHE=.* JAXVEC_CACHE=off nowhere"
    ):
        assert cache._prepared() is None


def test_what_was_left_half_done_and_what_is_too_much_goes(tmp_path, monkeypatch):
    folder, old, young, others = (tmp_path / name for name in ("xla-3", "xla-1", "xla-2", "xla-source"))
    for path in (folder / cache.AUTOTUNING / "tmp", old, young, others):
        path.mkdir(parents=True)
    for name in ("whole-cache", "whole-atime", "torso-cache", "empty-cache", "empty-atime"):
        (folder / name).write_bytes(b"" if name == "empty-cache" else b"12345678")
    for i in range(4):
        file = folder / cache.AUTOTUNING / f"{i}"
        file.write_bytes(b"x" * 10)
        os.utime(file, (i, i))
    monkeypatch.setattr(cache, "AUTOTUNING_BYTES", 25)
    for path in (old, young):
        (path / ".lockfile").touch()
    for path in (old, others):
        os.utime(path, (time.time() - 2 * cache.UNUSED_S,) * 2)
    cache.mend(folder)
    assert {path.name for path in folder.iterdir() if path.is_file()} == {"whole-cache", "whole-atime", ".lockfile"}
    assert {path.name for path in (folder / cache.AUTOTUNING).iterdir() if path.is_file()} == {"2", "3"}
    assert {path.name for path in tmp_path.iterdir()} == {"xla-3", "xla-2", "xla-source"}


def test_the_tests_own_setting_is_left_alone():
    before = jax.config.jax_compilation_cache_dir
    assert before is not None
    assert cache.enable() is None
    cache.disable()
    assert jax.config.jax_compilation_cache_dir == before
