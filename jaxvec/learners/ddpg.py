"""Deterministic actor-critics: DDPG (Lillicrap et al. 2016), MADDPG (Lowe et al. 2017), TD3 (Fujimoto et al. 2018), MATD3.

A central critic makes the MA-, twin critics with smoothed targets and delayed actors the TD3. An actor's boxes are tanh of
its outputs, with Gaussian noise in training; a discrete choice is the best of its logits, with Gumbel noise in training and
for its own gradient, which passes straight through (as in MADDPG), or one more box that is cut into bins
(`choices="bins"`). The loop is in `jaxvec.learners.off_policy`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.layout import batch_first
from jaxvec.core.spaces import Discrete
from jaxvec.learners import off_policy_types
from jaxvec.learners.base import Learner
from jaxvec.learners.blocks import flat
from jaxvec.learners.blocks.actors import Groups
from jaxvec.learners.blocks.networks import Network, mlp
from jaxvec.learners.off_policy import OffPolicy
from jaxvec.learners.off_policy_types import Proposal, Settings, State


class Hyper(off_policy_types.Hyper):
    """What may be swept without recompiling.

    Attributes:
        exploration: deviation of the noise on boxes, and the chance of a uniform choice.
        smoothing: deviation of the noise on boxes in targets, cut at twice that.
        actor_penalty: on squared outputs of the actor before tanh, which keeps them from saturating.
    """

    exploration: float = 0.3
    exploration_end: float = 0.1
    smoothing: float = 0.0
    actor_penalty: float = 1e-3


class _Ddpg(OffPolicy):
    """Deterministic actors with noise."""

    def propose(
        self, group: str, outputs: Array, mask: Groups, key: Array, state: State, hyper: Hyper, role: str
    ) -> Proposal:
        """See `OffPolicy.propose`; the cost is that of large outputs."""
        inner, rank = self.inner[group], key.ndim
        said = flat.split(inner, outputs)
        words = {"noise": outputs.shape[-2:], "any": outputs.shape[-2:], "whether": outputs.shape[-2:]}
        u = {name: flat.split(inner, batch_first(x, rank)) for name, x in rng.uniforms(key, words).items()}
        action, chance, only = {}, None, flat.single_choice(inner)
        for name, space in inner.items():
            noise = u["noise"][name]
            if isinstance(space, Discrete):
                logits = flat.masked(said[name], mask.get(name))
                if name == only:
                    chance = jax.nn.softmax(logits).reshape(*outputs.shape[:-1], -1)
                if role in ("act", "improve"):
                    logits = logits - jnp.log(-jnp.log(noise))  # Gumbel: a sample of the softmax
                if role == "act":
                    anything = flat.masked(u["any"][name], mask.get(name))
                    logits = jnp.where(u["whether"][name][..., :1] < hyper.exploration, anything, logits)
                action[name] = flat.hard(logits)
                if name == only and role == "target":
                    chance = action[name].reshape(chance.shape)  # type: ignore[union-attr]
            else:
                action[name] = jnp.tanh(said[name])
                if role == "act":
                    action[name] += hyper.exploration * ndtri(noise)
                elif role == "target":
                    action[name] += jnp.clip(hyper.smoothing * ndtri(noise), -2 * hyper.smoothing, 2 * hyper.smoothing)
                action[name] = jnp.clip(action[name], -1, 1)
        cost = hyper.actor_penalty * jnp.mean(outputs**2, -1)
        cost = cost if role == "improve" else jnp.zeros_like(cost)
        return Proposal(flat.join(inner, action), cost, chance, {}, {})


NAMES = {(False, False): "ddpg", (True, False): "maddpg", (False, True): "td3", (True, True): "matd3"}


def ddpg(
    env: Environment,
    *,
    actor: Callable[[int], Network] | None = None,
    critic: Callable[..., Network] = mlp,
    **settings: Any,
) -> Learner:
    """DDPG; MADDPG with `central_critic`; TD3 and MATD3 with `double_critics` (smoothing and a policy delay of 2 by default).

    Args:
        env: what to learn on.
        actor: `actor(outputs) -> Network` in place of the MLP.
        critic: `critic(hidden, outputs, activation=...) -> Network` in place of the MLP: `pooled` for agents who are alike, have
            one reward and act at once (not in turns, where those who follow show what those before them did).
        settings: fields of `jaxvec.learners.off_policy_types.Settings`.
    Returns:
        A learner; its hyper-parameters are `learner.hyper`.
    Raises:
        TypeError: an unknown setting. ValueError: a bad one.
    """
    if settings.get("double_critics", False):
        settings = {"policy_delay": 2, **settings}
    s = Settings(**settings)
    layers = partial(mlp, s.hidden, activation=s.activation)
    make_actor = actor or partial(layers, out_gain=0.01)
    hyper = Hyper(smoothing=0.2) if s.double_critics else Hyper()
    name = NAMES[s.central_critic, s.double_critics]
    core = _Ddpg(name, env, s, hyper, lambda _, inner: make_actor(flat.width(inner)), critic)
    return core.learner()
