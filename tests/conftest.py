"""What all tests share."""

import ctypes
import gc
import os
import sys
import tempfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import settings

# A program compiled once serves every test and subprocess that needs it again.
cache = os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", os.path.join(tempfile.gettempdir(), f"jaxvec-tests-{os.getuid()}")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Most of the time goes to compiling programs that then run for a moment: compile fast rather than well.
flags = ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
if version("jaxlib").startswith("0.10."):  # an unknown flag ends the process, and later releases do not know this one
    flags.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(flags))

# Each thread that compiles would else keep memory of its own: two areas for all are enough, and much smaller.
M_ARENA_MAX = -8
if hasattr(ctypes.CDLL(None), "mallopt"):
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)

# compilation makes first examples slow, and a failure must be there again in the next run
settings.register_profile("jaxvec", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("jaxvec")


@pytest.fixture(scope="module", autouse=True)
def _programs_of_a_module_end_with_it():
    """Compiled programs would be kept for ever, several GB of them: they are dropped after each module, and what they took is
    given back to the system. What another module needs again is read from the compilation cache. What is left is there to stay:
    the collector does not look at it again."""
    import jax

    yield
    jax.clear_caches()
    gc.collect()
    gc.freeze()
    if hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture
def load(monkeypatch):
    """Import a module of benchmarks/ as its scripts do."""
    folder = Path(__file__).parents[1] / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    for path in folder.glob("*.py"):  # tests have folders of the same names, which may have been imported before
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    yield import_module
    for name in {path.stem for path in folder.glob("*.py")} - before:
        sys.modules.pop(name, None)
