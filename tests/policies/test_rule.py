"""Rules marked local follow from an agent's own row and mask alone, all others do not; what says nothing is not called local."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from representatives import representatives

import jaxvec
from jaxvec.core import rng
from jaxvec.core.rollout import world_keys
from jaxvec.core.rule import Rule, is_local
from jaxvec.policies import fixed

PAIRS = 16  # of worlds, in which the second lends its other agents to the first
SLOTS = 3  # of random play before rules are asked again
SMALL = {
    "urllc_vec": {"n_vehicles": 4, "n_uavs": 3, "n_bs": 2, "n_subtasks": 2, "n_antennas": 1, "n_nlos_paths": 1},
    "twin_migration": {"n_rsu": 12, "n_uav": 4, "horizon": 20},
}
CASES = [
    *((env_id, {}) for env_id in jaxvec.env_ids()),
    ("v2x_offload", {"partition": True}),
    ("dt_edge", {"n_vehicles": 3, "latency_combine": "max"}),
    ("twin_migration", {"turns": True, "use_mask": False}),
    ("twin_migration", {"workload_info": "none"}),
    ("twin_migration", {"obs_prev_server": False}),
]


def worlds(env, params):
    """What is seen at the beginning and after some random play, in twice as many worlds as there are pairs."""
    keys, policy = world_keys(jax.random.key(3), 2 * PAIRS), fixed(env, params)["random"]
    state, ts = env.reset(keys, params)
    start = ts.obs
    for t in range(SLOTS):
        now = rng.fold_in(keys, t + 1)
        state, ts = env.step(now, state, policy(now, ts.obs), params)
    return jax.tree.map(lambda *x: jnp.concatenate(x, -1), start, ts.obs)


def mixed(obs, other, group, agent):
    """What an agent of a group sees of its world, among what everybody else, and a critic, sees of another."""

    def keep(mine, theirs):
        own = jnp.arange(len(mine)) == agent
        return jnp.where(own.reshape(-1, *(1,) * (mine.ndim - 1)), mine, theirs)

    def among_others(part):
        mine, theirs = getattr(obs, part), getattr(other, part)
        return theirs | ({group: jax.tree.map(keep, mine[group], theirs[group])} if group in mine else {})

    return other.replace(**{part: among_others(part) for part in ("agents", "mask", "active")})


def changes(env, policy, obs):
    """Of each group and component, whether what an agent does changes with everybody else `(pairs, n)`."""
    first, second = (jax.tree.map(lambda x, of=of: x[..., of::2], obs) for of in (0, 1))
    key = jax.random.key(0)  # the same chance

    def of_pair(first, second):
        alone = policy(key, first)
        changed = {}
        for group, n in env.n_agents.items():
            among = jax.vmap(lambda i, group=group: policy(key, mixed(first, second, group, i)))(jnp.arange(n))[group]
            for name, x in among.items():
                mine = jnp.stack([x[i, i] for i in range(n)])
                apart = jnp.abs(mine - alone[group][name]) > 1e-5 * (1 + jnp.abs(mine))
                changed[f"{group}/{name}"] = jnp.any(apart.reshape(n, -1), 1)
        return changed

    return jax.vmap(of_pair, -1)(first, second)


@pytest.mark.parametrize(
    ("env_id", "settings"),
    representatives(CASES, [("v2x_offload", {})]),
    ids=lambda x: x if isinstance(x, str) else "-".join(x),
)
def test_a_local_rule_follows_from_an_agents_own_row_and_a_central_one_does_not(env_id, settings):
    env, params = jaxvec.make(env_id, **SMALL.get(env_id, {}) | settings)
    obs = jax.jit(partial(worlds, env))(params)
    policies = fixed(env, params)
    assert is_local(policies["random"])
    everything = jax.jit(lambda obs: {name: changes(env, policy, obs) for name, policy in policies.items()})(obs)
    for name, parts in everything.items():
        changed = {part for part, x in parts.items() if np.any(x)}
        assert bool(changed) != is_local(policies[name]), f"{name}: {changed}"


def test_what_says_nothing_of_itself_is_central():
    env, params = toy.Walkers(), toy.Params()
    assert {name: is_local(policy) for name, policy in fixed(env, params).items()} == {
        "random": True,
        "still": False,  # a plain function
        "greedy": False,
    }
    assert not is_local(lambda key, obs: None)
    assert not is_local(None)


def test_a_rule_is_the_policy_that_it_holds():
    rule = Rule(lambda key, obs: (key, obs), local=True)
    assert rule(1, 2) == (1, 2)
    key = jax.random.key(0)
    assert rule.policy(None, rule.decide)(key, 2) == (key, 2)
    assert rule.policy(None, rule.decide).local
    assert not Rule(rule.decide).policy(None, rule.decide).local


def test_whether_a_rule_is_local_may_be_the_environments_affair():
    rule = Rule(len, local=lambda env: env > 1)
    assert [is_local(rule.policy(env, len)) for env in (1, 2)] == [False, True]
    assert not is_local(rule)  # of a table: nobody has said where
