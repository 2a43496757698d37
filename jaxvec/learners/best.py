"""The best policy that a learner has met, judged now and then on worlds of its own."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core import rng
from jaxvec.core.buffers import owned
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


class Keeper:
    """The functions of a learner that keeps the best policy it has met."""

    def __init__(self, learner: Learner, n_worlds: int):
        """
        Args:
            learner: that learns.
            n_worlds: that judge.
        """
        self.learner, self.n_worlds = learner, n_worlds
        self.better = jax.custom_batching.custom_vmap(self._better)
        self.better.def_vmap(self._better_of_seeds)

    def policy_state(self, state: Any) -> Any:
        """What the policy needs of a learner's state.

        Args:
            state: the learner's.
        """
        of = self.learner.policy_state
        return state if of is None else of(state)

    def judge(self, kept: Any, key: Array) -> Array:
        """The mean reward `()` of an episode in each of the worlds.

        Args:
            kept: of whose policy.
            key: of the worlds.
        """
        n = self.learner.settings.n_worlds
        params = params_of_worlds(kept.env_params, jnp.arange(self.n_worlds) % n, n)
        means = episode_means(self.learner.env, self.learner.policy(kept), key, params, self.n_worlds)
        return jnp.mean(means["reward"])

    def compare(self, due: Array, kept: Any, best: Best) -> tuple[Any, Array, Array]:
        """What is kept from now on, its reward `()`, and whether it is new.

        Args:
            due: bool `()`, whether it may be.
            kept: of the state at hand.
            best: so far.
        """
        reward = self.judge(kept, best.key)
        new = due & (reward > best.reward)
        chosen = jax.tree.map(partial(jnp.where, new), kept, best.kept)
        return chosen, jnp.where(new, reward, best.reward), new

    def _better(self, due: Array, kept: Any, best: Best) -> tuple[Any, Array, Array]:
        """As `compare`, but judged only where that is due."""
        skip = best.kept, best.reward, jnp.zeros_like(due)
        return jax.lax.cond(due, lambda: self.compare(due, kept, best), lambda: skip)

    def _better_of_seeds(self, size: int, batched: Any, *of_seeds: Any) -> Any:
        """Of several seeds, `compare` where it is due for any: under `jax.vmap`, a condition would be computed always."""

        def all_seeds(x: Any, is_batched: bool) -> Any:
            return x if is_batched else jnp.broadcast_to(x, (size, *x.shape))

        due, kept, best = jax.tree.map(all_seeds, of_seeds, tuple(batched))
        skip = best.kept, best.reward, jnp.zeros_like(due)
        after = jax.lax.cond(jnp.any(due), lambda: jax.vmap(self.compare)(due, kept, best), lambda: skip)
        return after, jax.tree.map(lambda _: True, after)

    def init(self, key: Array, params: Any, hyper: Any = None) -> Best:
        """The learner's, and its first policy, judged; see `Learner.init`.

        Args:
            key: everything random follows from it.
            params: the environment's.
            hyper: hyper-parameters, the defaults if None.
        """
        learning, key = self.learner.init(key, params, hyper), rng.stream(key, "judge")
        kept = self.policy_state(learning)
        return owned(Best(learning, kept, self.judge(kept, key), jnp.int32(0), key))

    def update(self, state: Best) -> tuple[Best, Metrics]:
        """The learner's, after which its policy may be judged; see `Learner.update`.

        Args:
            state: before it.
        """
        learning, metrics = self.learner.update(state.learning)
        spacing = jnp.maximum(learning.hyper.anneal_updates / JUDGEMENTS, 1.0)
        due = jnp.floor(learning.update / spacing) > jnp.floor((learning.update - 1) / spacing)
        kept, reward, new = self.better(due, self.policy_state(learning), state)
        at = jnp.where(new, learning.update, state.update)
        after = state.replace(learning=learning, kept=kept, reward=reward, update=at)
        return after, metrics | {"best/reward": reward, "best/update": at.astype(float)}

    def policy(self, state: Best, greedy: bool = True) -> Policy:
        """The best so far; see `Learner.policy`.

        Args:
            state: of the learner.
            greedy: without chance.
        """
        return self.learner.policy(state.kept, greedy)

    def networks(self, state: Best, obs: Observation) -> Any:
        """The learner's; see `Learner.networks`.

        Args:
            state: of the learner.
            obs: of `n_worlds` worlds.
        """
        return self.learner.networks(state.learning, obs) if self.learner.networks else ({}, {})


def keep_best(learner: Learner, n_worlds: int) -> Learner:
    """A learner whose policy is the best that it has met, the first one included.

    Fifty times in a training its greedy policy is judged by the mean reward of an episode in each of `n_worlds` worlds, always
    the same ones, in which nobody learns.

    Args:
        learner: whose state has `hyper` with `anneal_updates`, `update` and `env_params`.
        n_worlds: that judge; 0 gives the learner as it is.
    Returns:
        A learner with the metrics `best/reward` and `best/update`.
    Raises:
        ValueError: `n_worlds` is not a whole number of at least 0.
    """
    if isinstance(n_worlds, bool) or not isinstance(n_worlds, int) or n_worlds < 0:
        raise ValueError(f"{learner.name}: keep_best must be a whole number of at least 0, not {n_worlds!r}")
    if not n_worlds:
        return learner
    keeper = Keeper(learner, n_worlds)
    return learner._replace(
        init=keeper.init, update=keeper.update, policy=keeper.policy, networks=keeper.networks, policy_state=None
    )
