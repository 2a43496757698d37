"""The package as others get it: a wheel in an environment of its own, its types, its command, and an sdist that is whole."""

import ast
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvec
from jaxvec.core import rng
from jaxvec.core.spaces import Box, Discrete
from jaxvec.learners.blocks import families, heads

ROOT = Path(__file__).parent.parent


def run(*words: str | Path, cwd: Path, status: int = 0) -> str:
    """What a program prints, which ends with some status."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the sources, and of these a wheel and an sdist."""
    place = tmp_path_factory.mktemp("built")
    kept = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in kept:
        if (ROOT / name).is_file():
            (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "source" / name).write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place, place / "source", cwd=place)
    return place


@pytest.fixture(scope="module")
def fresh(built):
    """Python of a fresh environment with the wheel; what it depends on is read from where it is installed already."""
    venv.create(built / "fresh", with_pip=False, symlinks=True)
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", built / "fresh"]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=built)
    (site,) = (built / "fresh").glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return built / "fresh" / "bin" / "python"


def test_the_wheel_has_all_of_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    suffixes = {".py", ".npz", ".typed"}
    expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / "jaxvec").rglob("*") if path.suffix in suffixes}
    assert names == expected
    assert "jaxvec/py.typed" in names


def test_the_sdist_has_every_file_of_the_project(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    left_out = {".gitignore", ".ci/run"}
    source = built / "source"
    here = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert {name for name in here - names if "egg-info" not in name} <= left_out


def test_the_quickstart_runs_from_the_wheel_without_distrax(fresh, tmp_path):
    code = """
import sys
sys.modules["distrax"] = None  # as where it is not installed
import jaxvec
assert "fresh" in jaxvec.__file__, jaxvec.__file__
from jaxvec.cli import main
main(["train", "isac_iov", "--learner", "ippo", "--worlds", "2", "--updates", "2", "--out", "run",
      "--set", "n_vehicles=3", "horizon=4", "hidden=(8,)"])
"""
    assert "run: 2 updates" in run(fresh, "-c", code, cwd=tmp_path)
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count("\n") == 2


def test_module_and_command_tell_the_version(fresh, tmp_path):
    command = fresh.parent / "jaxvec"
    assert run(command, "--version", cwd=tmp_path) == f"jaxvec {jaxvec.__version__}\n"
    assert run(fresh, "-m", "jaxvec", "--version", cwd=tmp_path) == f"jaxvec {jaxvec.__version__}\n"
    assert "train" in run(command, cwd=tmp_path), "without words the command shows its help"
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {jaxvec.__version__}\n" in citation


@pytest.mark.slow
def test_a_users_type_checker_knows_the_package(fresh, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import jaxvec\n\nenv, params = jaxvec.make('isac_iov')\nenv.horizon\nenv.horizont\njaxvec.trian\n"
    )
    words = ["--python-executable", fresh, "--cache-dir", ROOT / ".mypy_cache" / "of_users", "--follow-imports=silent"]
    told = run(sys.executable, "-m", "mypy", *words, "mine.py", cwd=tmp_path, status=1)
    assert '"Environment" has no attribute "horizont"' in told
    assert 'Module has no attribute "trian"' in told
    assert "Found 2 errors" in told


def test_versions_and_dependencies_are_what_the_code_imports():
    """Nothing is required that the package does not import."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {word.split(">")[0].split("[")[0] for word in wanted}
    modules = {"orbax-checkpoint": "orbax", "pillow": "PIL"}
    imported = set()
    for path in (ROOT / "jaxvec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    assert {modules.get(name, name) for name in names} <= imported


SPACES = {"x": Box(-1.0, 3.0, (2,)), "pick": Discrete(3), "each": Discrete(4, (2,)), "y": Box(0.0, 1.0, ())}


@pytest.mark.slow
def test_heads_without_distrax_say_the_same(monkeypatch):
    outputs = 3 * jax.random.normal(jax.random.key(0), (5, 2, heads.size(SPACES)))
    mask = {"pick": jnp.array([[True, False, True], [False, True, False]])[None].repeat(5, 0)}
    keys = rng.fold_in(jax.random.key(1), jnp.arange(5))

    def told(outputs):
        dists = heads.distributions(SPACES, outputs, mask)
        raw = jax.lax.stop_gradient(heads.sample(keys, SPACES, dists, 2))
        return heads.log_prob(SPACES, dists, raw), heads.entropy(SPACES, dists), heads.mode(SPACES, dists), raw

    def slope(outputs):
        log_prob, entropy, *_ = told(outputs)
        return jnp.sum(log_prob * jnp.arange(2)) + jnp.sum(entropy)

    of_distrax = told(outputs), jax.grad(slope)(outputs)
    monkeypatch.setattr(heads, "distrax", families)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5),
        of_distrax,
        (told(outputs), jax.grad(slope)(outputs)),
    )
