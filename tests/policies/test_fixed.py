"""Fixed policies by environment: those of the package, and those that an environment from outside brings."""

from pathlib import Path
from typing import ClassVar

import jax
import numpy as np
import pytest
import toy

import jaxvec
from jaxvec.core.rollout import policy_keys
from jaxvec.core.wrappers import auto_reset, one_agent
from jaxvec.policies import RULES, fixed

WORLDS = 3


def test_every_system_of_the_package_has_rules():
    systems = {path.parent.name for path in Path(jaxvec.__file__).parent.glob("envs/*/env.py")}
    assert set(RULES) == systems
    for env_id in RULES:
        assert len(fixed(*jaxvec.make(env_id))) > 3, env_id


def test_an_environment_brings_its_own_rules():
    env, params = toy.Walkers(), toy.Params(gain=0.25)
    policies = fixed(env, params)
    assert set(policies) == {"random", "still", "greedy"}
    keys = policy_keys(jax.random.key(0), WORLDS)
    obs = env.reset(keys, params)[1].obs
    np.testing.assert_array_equal(policies["greedy"](keys, obs)["walker"]["move"], 0.25)  # the rule knows the numbers
    np.testing.assert_array_equal(policies["still"](keys, obs)["walker"]["move"], 0.0)


def test_wrappers_pass_rules_on_where_they_fit():
    assert set(fixed(auto_reset(toy.Walkers()), toy.Params())) == {"random", "still", "greedy"}
    assert set(fixed(one_agent(toy.Walkers()), toy.Params())) == {"random"}


@pytest.mark.parametrize("name", ["random", "mapped", "in_context", "llm"])
def test_a_module_of_policies_is_not_taken_for_rules(name):
    class Named(toy.Walkers):
        id: ClassVar[str] = name

    assert set(fixed(Named(), toy.Params())) == {"random", "still", "greedy"}
