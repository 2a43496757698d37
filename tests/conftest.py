"""What all tests share."""

import os
import tempfile

from hypothesis import settings

# A program compiled once serves every test and subprocess that needs it again.
cache = os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", os.path.join(tempfile.gettempdir(), f"jaxvec-tests-{os.getuid()}")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# compilation makes first examples slow, and a failure must be there again in the next run
settings.register_profile("jaxvec", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("jaxvec")
