"""Of agents that take no part nothing is learned, whatever they show, earn or may not do."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners.checks import KEY, small_learner
from learners.probes import Params, Probe
from representatives import representatives

from jaxvec import learners
from jaxvec.core.params import number


class Spoilt(Params):
    """The probe's, and what absent agents show and earn."""

    garbage: float = number(0.0, "-", "of absent agents")


@dataclass(frozen=True)
class Leaving(Probe):
    """Agents leave, and show and earn garbage from then on; they may choose nothing."""

    params_cls: ClassVar[type] = Spoilt
    leaving: bool = True
    masked: bool = True
    horizon: int = 3

    def _spoil(self, state, x, group, garbage):
        here = jnp.broadcast_to(self._here(state, group), state.sign[group].shape)
        return jnp.where(here.reshape(here.shape[:1] + (1,) * (x.ndim - here.ndim) + here.shape[1:]), x, garbage)

    def _spoilt(self, state, ts, params):
        obs = ts.obs
        agents = {g: self._spoil(state, x, g, params.garbage) for g, x in obs.agents.items()}
        mask = {g: {"pick": self._spoil(state, m["pick"], g, params.garbage == 0)} for g, m in obs.mask.items()}
        return ts.replace(obs=obs.replace(agents=agents, mask=mask))

    def reset_from(self, draws, params):
        state, ts = super().reset_from(draws, params)
        return state, self._spoilt(state, ts, params)

    def step_from(self, state, action, draws, params):
        after, ts = super().step_from(state, action, draws, params)
        reward = {g: self._spoil(state, x, g, params.garbage) for g, x in ts.reward.items()}
        return after, self._spoilt(after, ts.replace(reward=reward), params)


@pytest.mark.parametrize("name", representatives(learners.LEARNERS, ("mappo",)))
def test_absent_agents_teach_nothing(name):
    env = Leaving("chosen")
    learner = small_learner(name, env)
    hyper = learner.hyper.replace(warmup=0.0) if hasattr(learner.hyper, "warmup") else learner.hyper

    @jax.jit
    def run(params):
        state, metrics = learner.update(learner.init(KEY, params, hyper))
        return state.params, state.moments, metrics

    clean, spoilt = (run(Spoilt(1.0, garbage)) for garbage in (0.0, jnp.nan))
    jax.tree.map(np.testing.assert_array_equal, clean, spoilt)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(spoilt))
