"""Programs are the same in every process, whatever the order of its sets, so that a cache of compiled ones on disk serves all."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import jaxvec

NAMES = ("apg", "ippo", "maddpg_pooled", "masac", "qmarl")


def programs():
    """Digests of the lowered step of every environment, and update of learners, by name."""
    from learners.checks import KEY, small_env, small_learner
    from learners.probes import Probe

    lowered = {}
    for env_id in jaxvec.env_ids():
        env, params = small_env(env_id)
        lowered[env_id] = jax.jit(env.reset).lower(KEY, params)
    probe = Probe("chosen", horizon=3, groups=2)
    for name in NAMES:
        learner = small_learner(name, probe)
        state = jax.eval_shape(lambda learner=learner: learner.init(KEY, probe.default_params()))
        lowered[name] = jax.jit(learner.update).lower(state)
    return {name: hashlib.sha256(x.as_text().encode()).hexdigest() for name, x in lowered.items()}


@pytest.mark.slow
def test_programs_do_not_depend_on_the_process():
    def of_process(seed):
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])}
        run = [sys.executable, "-c", "from learners.test_processes import programs; print(programs())"]
        return subprocess.run(run, env=environ, capture_output=True, text=True, check=True).stdout

    one, other = of_process("1"), of_process("2")
    assert one == other
    assert all(name in one for name in (*NAMES, *jaxvec.env_ids()))
