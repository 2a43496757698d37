"""Keys without a type are refused by one error that says how to have one, wherever one is asked for."""

import jax
import jax.numpy as jnp
import pytest
from learners.checks import KEY, small_env, small_learner

import jaxvec
from jaxvec import policies
from jaxvec.core.rollout import rollout
from jaxvec.core.spaces import Discrete

RAW = jax.random.PRNGKey(0)


def shapes(f, *arguments):
    """Trace alone: what is refused is refused then."""
    return jax.eval_shape(f, *arguments)


@pytest.mark.parametrize("env_id", jaxvec.env_ids())
def test_the_world_and_its_rules_want_typed_keys(env_id):
    env, params = small_env(env_id)
    state, ts = shapes(env.reset, KEY, params)
    action = {
        g: {
            n: jnp.zeros((env.n_agents[g], *s.shape), int if isinstance(s, Discrete) else float)
            for n, s in spaces.items()
        }
        for g, spaces in env.action_space.items()
    }
    rules = policies.fixed(env, params)
    calls = {
        "reset": lambda ts: env.reset(RAW, params),
        "step": lambda ts: env.step(RAW, state, action, params),
        "rollout": lambda ts: rollout(env, rules["random"], RAW, params, 2),
        **{name: lambda ts, rule=rule: rule(RAW, ts.obs) for name, rule in rules.items()},
    }
    for call in calls.values():
        with pytest.raises(TypeError, match=r"jax.random.key\(0\)"):
            shapes(call, ts)


@pytest.mark.parametrize("name", ["ippo", "masac", "apg"])
def test_learners_want_typed_keys(name):
    env, params = small_env("isac_iov")
    learner = small_learner(name, env)
    state, ts = shapes(learner.init, KEY, params), shapes(env.reset, KEY, params)[1]
    with pytest.raises(TypeError, match="wrap_key_data"):
        shapes(lambda: learner.init(RAW, params))
    with pytest.raises(TypeError, match="wrap_key_data"):
        shapes(lambda state, ts: learner.policy(state)(RAW, ts.obs), state, ts)


@pytest.mark.parametrize("wrong", [0, None, "key"])
def test_what_is_no_key_at_all_is_refused_alike(wrong):
    env, params = small_env("isac_iov")
    with pytest.raises(TypeError, match="a key must be typed"):
        env.reset(wrong, params)
