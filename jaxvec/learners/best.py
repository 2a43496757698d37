"""The best policy that a learner has met, judged now and then on worlds of its own."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core import rng
from jaxvec.core.evaluation import episode_means
from jaxvec.core.params import params_of_worlds
from jaxvec.core.rollout import Policy
from jaxvec.core.types import Observation
from jaxvec.learners.base import Learner, Metrics

JUDGEMENTS = 50  # in a training, evenly spread


class Best(struct.PyTreeNode):
    """A learner's state, and the best it has met.

    Attributes:
        learning: the learner's state.
        kept: of the state of the best policy, what the policy needs.
        reward: of that one, in the worlds that judge.
        update: after how many updates it was met, int32 `()`.
        key: of these worlds.
    """

    learning: Any
    kept: Any
    reward: Array
    update: Array
    key: Array


def keep_best(learner: Learner, n_worlds: int) -> Learner:
    """A learner whose policy is the best that it has met, the first one included.

    Fifty times in a training its greedy policy is judged by the mean reward of an episode in each of `n_worlds` worlds, always
    the same ones, in which nobody learns.

    Args:
        learner: with `policy_state`, and `anneal_updates` among its hyper-parameters.
        n_worlds: that judge; 0 gives the learner as it is.
    Returns:
        A learner with the metrics `best/reward` and `best/update`.
    Raises:
        ValueError: the learner does not say what its policy needs of its state.
    """
    if not n_worlds:
        return learner
    policy_state = learner.policy_state
    if policy_state is None:
        raise ValueError(f"{learner.name} does not say what its policy needs of its state: policy_state")

    def judge(kept: Any, key: Array) -> Array:
        env_params = params_of_worlds(
            kept.env_params, jnp.arange(n_worlds) % learner.settings.n_worlds, learner.settings.n_worlds
        )
        policy = learner.policy(kept)
        return jnp.mean(episode_means(learner.env, policy, key, env_params, n_worlds)["reward"])

    @jax.custom_batching.custom_vmap
    def better(due: Array, kept: Any, best: Best) -> tuple[Any, Array, Array]:
        """What is kept, its reward, and whether it is new; judged only where that is due."""

        def compare() -> tuple[Any, Array, Array]:
            reward = judge(kept, best.key)
            new = reward > best.reward
            chosen = jax.tree.map(lambda a, b: _where(new, a, b), kept, best.kept)
            return chosen, jnp.where(new, reward, best.reward), new

        return jax.lax.cond(due, compare, lambda: (best.kept, best.reward, jnp.zeros_like(due)))

    @better.def_vmap
    def _(size: int, batched: Any, due: Array, kept: Any, best: Best) -> Any:
        """Seeds side by side: all are judged in the same updates, or none is."""

        def everyone(x: Any, is_batched: bool) -> Any:
            return x if is_batched else jnp.broadcast_to(x, (size, *x.shape))

        due, kept, best = jax.tree.map(everyone, (due, kept, best), tuple(batched))

        def compare() -> tuple[Any, Array, Array]:
            reward = jax.vmap(judge)(kept, best.key)
            new = due & (reward > best.reward)
            chosen = jax.tree.map(lambda a, b: jax.vmap(_where)(new, a, b), kept, best.kept)
            return chosen, jnp.where(new, reward, best.reward), new

        after = jax.lax.cond(jnp.any(due), compare, lambda: (best.kept, best.reward, jnp.zeros_like(due)))
        return after, jax.tree.map(lambda _: True, after)

    def init(key: Array, params: Any, hyper: Any = None) -> Best:
        learning, key = learner.init(key, params, hyper), rng.stream(key, "judge")
        kept = policy_state(learning)
        return Best(learning, kept, judge(kept, key), jnp.int32(0), key)

    def update(state: Best) -> tuple[Best, Metrics]:
        learning, metrics = learner.update(state.learning)
        spacing = jnp.maximum(learning.hyper.anneal_updates / JUDGEMENTS, 1.0)
        due = jnp.floor(learning.update / spacing) > jnp.floor((learning.update - 1) / spacing)
        kept, reward, new = better(due, policy_state(learning), state)
        at = jnp.where(new, learning.update, state.update)
        after = state.replace(learning=learning, kept=kept, reward=reward, update=at)
        return after, metrics | {"best/reward": reward, "best/update": at.astype(float)}

    def policy(state: Best, greedy: bool = True) -> Policy:
        return learner.policy(state.kept, greedy)

    def networks(state: Best, obs: Observation) -> Any:
        return learner.networks(state.learning, obs) if learner.networks else ({}, {})

    return learner._replace(init=init, update=update, policy=policy, networks=networks, policy_state=None)


def _where(new: Array, a: Array, b: Array) -> Array:
    """One of two leaves of the same shape."""
    return jnp.where(new, a, b)
