"""How the programs that train are compiled on a CPU: in about half the time.

XLA spends most of a learner's compilation in LLVM, on code that runs for milliseconds. At LLVM's first level of optimisation,
and with fusions written by XLA's older emitter where it still has that, an update compiles in about half the time. PPO and APG
run as fast; an update of MADDPG takes about a fifth longer, by the older emitter (`benchmarks/compile.py --compare`). On other
devices, and for options that `XLA_FLAGS` names, nothing changes.
"""

import functools
import os
import re
from typing import Any

import jax
from jax.errors import JaxRuntimeError

ON_CPU: dict[str, Any] = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}


def compile_quickly(lowered: Any) -> Any:
    """The program of what `jax.jit(...).lower(...)` gives, compiled with the options of `quick_options`.

    Args:
        lowered: what JAX lowered, for the default device.
    """
    return lowered.compile(compiler_options=quick_options())


def quick_options() -> dict[str, Any]:
    """Options of XLA for a long program on the default device, by name; empty on anything but a CPU."""
    if jax.default_backend() != "cpu":
        return {}
    set_by_user = set(re.findall(r"--(xla_\w+)", os.environ.get("XLA_FLAGS", "")))
    return {name: value for name, value in ON_CPU.items() if name not in set_by_user and _knows(name, value)}


@functools.cache
def _knows(name: str, value: Any) -> bool:
    """Whether this release of XLA has an option."""
    try:
        jax.jit(lambda x: x).lower(0.0).compile(compiler_options={name: value})
    except JaxRuntimeError:
        return False
    return True
