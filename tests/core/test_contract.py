"""What a step is given and what an environment returns, in shapes, refused by name while it is traced."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import pytest
import toy

from jaxvec.core.rollout import world_keys

ENV = toy.Walkers()
PARAMS = ENV.default_params()
KEYS = world_keys(jax.random.key(0), 3)
STILL = {"move": jnp.zeros((2, 3)), "pick": jnp.ones((2, 3), int)}


def step(action, keys=KEYS):
    state, _ = jax.eval_shape(ENV.reset, keys, PARAMS)
    return jax.eval_shape(ENV.step, keys, state, action, PARAMS)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (
            {"walker": STILL | {"move": jnp.zeros((3, 2))}},
            "has shape (3, 2), but must have (2, 3): (2,) in worlds (3,)",
        ),
        ({"walker": STILL | {"move": jnp.zeros(3)}}, "action['walker']['move'] has shape (3,)"),
        ({"walker": STILL | {"pick": jnp.ones((2, 3))}}, "chooses among 3 and must be whole numbers, not float32"),
        ({"walker": STILL | {"move": 0.0}}, "has shape ()"),
        ({"walker": {"pick": STILL["pick"]}}, "component of the action of 'walker' of walkers: 'move' is missing"),
        ({"walker": STILL | {"mvoe": STILL["move"]}}, "unknown component of the action of 'walker' of walkers 'mvoe'"),
        ({"walkers": STILL}, "Did you mean 'walker'?"),
        (STILL["move"], "must be a dict of walker"),
    ],
)
def test_actions_of_another_form_are_refused(action, words):
    step({"walker": STILL})
    with pytest.raises(ValueError, match=re.escape(words)):
        step(action)


def test_one_world_takes_the_action_of_one_world():
    one = jax.tree.map(lambda x: x[..., 0], STILL)
    step({"walker": one}, KEYS[0])
    with pytest.raises(ValueError, match=re.escape("has shape (2, 3), but must have (2,): (2,) in one world")):
        step({"walker": STILL}, KEYS[0])
    jax.eval_shape(jax.vmap(lambda key: step({"walker": one}, key)), KEYS)


def returning(**parts):
    """An environment whose timesteps have other parts than it declares."""

    def changed(ts):
        obs = {name: x for name, x in parts.items() if name in ("agents", "world", "mask")}
        return dataclasses.replace(
            ts, obs=dataclasses.replace(ts.obs, **obs), **{name: x for name, x in parts.items() if name not in obs}
        )

    class Changed(toy.Walkers):
        def reset_from(self, draws, params):
            state, ts = super().reset_from(draws, params)
            return state, changed(ts)

    return Changed()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"agents": {"walker": jnp.zeros((2, 3, 3))}},
            "obs.agents['walker'] has shape (2, 3, 3), but must have (2, 2, 3)",
        ),
        ({"agents": {}}, "group of the observation of walkers: 'walker' is missing"),
        ({"world": jnp.zeros((3, 4))}, "obs.world has shape (3, 4), but must have (4, 3)"),
        ({"mask": {"walker": {"pick": jnp.ones((2, 3))}}}, "obs.mask['walker']['pick'] has shape (2, 3)"),
        ({"reward": {"walker": jnp.zeros(3)}}, "reward['walker'] has shape (3,)"),
        ({"reward": {}}, "group of the reward of walkers: 'walker' is missing"),
        ({"truncated": jnp.zeros((2, 3), bool)}, "truncated has shape (2, 3), but must have (3,)"),
    ],
)
def test_an_environment_that_returns_what_it_does_not_declare_is_refused(parts, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        jax.eval_shape(returning(**parts).reset, KEYS, PARAMS)
