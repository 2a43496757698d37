"""What all tests share."""

import os
import tempfile
from importlib.metadata import version

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

# compilation makes first examples slow, and a failure must be there again in the next run
settings.register_profile("jaxvec", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("jaxvec")
