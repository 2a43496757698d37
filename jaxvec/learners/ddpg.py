"""Deterministic actor-critics: DDPG (Lillicrap et al. 2016), MADDPG (Lowe et al. 2017), TD3 (Fujimoto et al. 2018), MATD3.

A central critic makes the MA-, double critics with smoothed targets and delayed actors the TD3. An actor's boxes are tanh of
its outputs, with Gaussian noise in training; a discrete choice is the best of its logits, with Gumbel noise in training and
for its own gradient, which passes straight through (as in MADDPG), or one more box that is cut into bins
(`choices="bins"`). The loop is in `jaxvec.learners.off_policy`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri

from jaxvec.core.environment import Environment
from jaxvec.core.spaces import Discrete
from jaxvec.learners import off_policy_types
from jaxvec.learners.base import Learner
from jaxvec.learners.blocks import flat
from jaxvec.learners.blocks.networks import NetworkLike
from jaxvec.learners.off_policy import OffPolicy
from jaxvec.learners.off_policy_types import ActionHead, Proposal, Role, Settings, usual


class Hyper(off_policy_types.Hyper):
    """What may be swept without recompiling, beside the fields of `jaxvec.learners.off_policy_types.Hyper`.

    Attributes:
        exploration: deviation of the noise on boxes (in units where they are [-1, 1]), and the chance of a uniform choice.
        smoothing: deviation of the noise on boxes in targets, cut at twice that (Fujimoto et al. 2018).
        actor_penalty: on squared outputs of the actor before tanh, which keeps them from saturating.
    """

    exploration: float = 0.3
    exploration_end: float = 0.1
    smoothing: float = 0.0
    actor_penalty: float = 1e-3


class DeterministicHead(ActionHead):
    """The action that an actor's outputs say, with noise where it explores; large outputs are penalised."""

    def outputs(self, spaces: flat.Spaces) -> tuple[int, tuple[float, ...]]:
        """One for each entry of the flat action; numbers start, before tanh, where boxes say."""
        return flat.width(spaces), flat.initial_bias(flat.before_tanh(spaces))

    def propose(
        self,
        group: str,
        outputs: Array,
        mask: Mapping[str, Array],
        key: Array,
        temperature: Mapping[str, Array],
        hyper: Hyper,
        role: Role,
    ) -> Proposal:
        """See `ActionHead.propose`; the penalty is that of large outputs, and there are no entropies."""
        spaces = self.flat_spaces[group]
        names = ("noise", "any", "whether")
        u = flat.uniforms(key, spaces, outputs.shape[-2], names)
        noise, uniform, whether = (flat.split(spaces, u[name]) for name in names)
        components, action_probs = {}, None
        for name, x in flat.split(spaces, outputs).items():
            if isinstance(spaces[name], Discrete):
                logits, uniform_logits = (flat.masked(y, mask.get(name)) for y in (x, uniform[name]))
                probs, is_uniform = jax.nn.softmax(logits), whether[name][..., :1] < hyper.exploration
                components[name] = flat.hard(_with_gumbel(logits, noise[name], is_uniform, uniform_logits, role))
                if name == flat.single_choice(spaces):
                    action_probs = components[name] if role == "target" else probs
                    action_probs = action_probs.reshape(*outputs.shape[:-1], -1)
            else:
                components[name] = jnp.clip(_with_gaussian(jnp.tanh(x), noise[name], hyper, role), -1, 1)
        penalty = hyper.actor_penalty * jnp.mean(outputs**2, -1)
        penalty = penalty if role == "improve" else jnp.zeros_like(penalty)
        return Proposal(flat.join(spaces, components), penalty, action_probs, {}, {})


def _with_gumbel(logits: Array, u: Array, is_uniform: Array, uniform_logits: Array, role: Role) -> Array:
    """Logits `(..., k)` whose best is a sample of their softmax where the actor explores, or is uniform."""
    if role in ("act", "improve"):
        logits = logits - jnp.log(-jnp.log(u))
    if role == "act":
        logits = jnp.where(is_uniform, uniform_logits, logits)
    return logits


def _with_gaussian(x: Array, u: Array, hyper: Hyper, role: Role) -> Array:
    """Entries of boxes with the noise of exploration, or with the smaller one that smooths targets."""
    if role == "act":
        x += hyper.exploration * ndtri(u)
    elif role == "target":
        x += jnp.clip(hyper.smoothing * ndtri(u), -2 * hyper.smoothing, 2 * hyper.smoothing)
    return x


NAMES = {(False, False): "ddpg", (True, False): "maddpg", (False, True): "td3", (True, True): "matd3"}
"""Of a learner, by `central_critic` and `double_critics`."""


def ddpg(
    env: Environment, *, network: NetworkLike | None = None, critic: NetworkLike | None = None, **settings: Any
) -> Learner:
    """DDPG; MADDPG with `central_critic`; TD3 and MATD3 with `double_critics` (smoothing and a policy delay of 2 by default).

    Args:
        env: what to learn on.
        network: in place of the actors' MLP: a builder `build(outputs, bias=()) -> Network`, or a Flax module, see
            `jaxvec.learners.blocks.networks.as_builder`.
        critic: likewise, in place of the critics' MLP or the network of `pooled_critic`; its input are parts, see
            `jaxvec.learners.blocks.critics.Critics.inputs`.
        settings: fields of `jaxvec.learners.off_policy_types.Settings`.
    Returns:
        A learner; its hyper-parameters are `learner.hyper`.
    Raises:
        TypeError: an unknown setting, or `network` or `critic` is neither a builder nor a module.
        ValueError: a bad setting.
    """
    if settings.get("double_critics", False):
        settings = {"policy_delay": 2, **settings}
    s = usual(env, Settings(**settings))
    name = NAMES[s.central_critic, s.double_critics]
    head = DeterministicHead({group: flat.flat_spaces(x, s.choices) for group, x in env.action_space.items()})
    hyper = Hyper(smoothing=0.2) if s.double_critics else Hyper()
    return OffPolicy(name, env, s, hyper, head, network, critic).learner()
