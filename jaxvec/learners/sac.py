"""Soft actor-critic (Haarnoja et al. 2018) for many agents: SAC, or MASAC when the critic sees the whole world.

An actor's boxes are tanh of a normal sample; a discrete choice is a Gumbel sample of its logits, whose gradient passes straight
through. Boxes and choices have a temperature each (Delalleau et al. 2019), which follows its entropy to a target. Temperatures
are in the critics' units. The loop is in `jaxvec.learners.off_policy`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri

from jaxvec.core.environment import Environment
from jaxvec.core.spaces import Discrete
from jaxvec.learners import off_policy_types
from jaxvec.learners.base import Learner
from jaxvec.learners.blocks import flat, heads
from jaxvec.learners.blocks.actors import Groups
from jaxvec.learners.blocks.networks import NetworkLike
from jaxvec.learners.off_policy import OffPolicy
from jaxvec.learners.off_policy_types import ActionHead, Proposal, Role, usual

LOG_STD_RANGE = (-5.0, 1.0)
BOX, CHOICE = "box", "choice"  # kinds of components


@dataclass(frozen=True)
class Settings(off_policy_types.Settings):
    """As `jaxvec.learners.off_policy_types.Settings`, with double critics.

    Attributes:
        double_critics: as there, on unless switched off.
    """

    double_critics: bool = True


class Hyper(off_policy_types.Hyper):
    """What may be swept without recompiling, beside the fields of `jaxvec.learners.off_policy_types.Hyper`.

    Attributes:
        temperature: at the start.
        temperature_rate: step of its logarithm per nat of entropy too much or too little.
        entropy_box: target of the differential entropy per entry of a box from -1 to 1 [nat].
        entropy_choice: target of a choice's entropy, as a part of that of the uniform choice among what is allowed.
    """

    temperature: float = 0.1
    temperature_rate: float = 3e-3
    entropy_box: float = -1.0
    entropy_box_end: float = -2.0
    entropy_choice: float = 0.3
    entropy_choice_end: float = 0.05


class StochasticHead(ActionHead):
    """A sample of the distribution that an actor's outputs say; its entropy is a reward."""

    use_min_q = True
    deviations = True

    def outputs(self, spaces: flat.Spaces) -> tuple[int, tuple[float, ...]]:
        """Means and logarithms of deviations, and logits; see `heads.initial_bias`. Numbers are tanh of outputs."""
        return heads.size(spaces), heads.initial_bias(flat.before_tanh(spaces))

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
        """See `ActionHead.propose`; the penalty is minus the entropy, weighted by the temperatures."""
        spaces = self.flat_spaces[group]
        dists = heads.distributions(spaces, outputs, mask, LOG_STD_RANGE)
        u = flat.split(spaces, flat.uniforms(key, spaces, outputs.shape[-2])["u"])
        components, action_probs, zeros = {}, None, jnp.zeros(outputs.shape[:-1])
        entropy, max_entropy = {BOX: zeros, CHOICE: zeros}, {BOX: zeros, CHOICE: zeros}
        for name, space in spaces.items():
            entries = tuple(range(-len(space.shape), 0))
            if isinstance(space, Discrete):
                logits, gumbel = dists[name].logits, -jnp.log(-jnp.log(u[name]))
                if name == flat.single_choice(spaces):
                    action_probs = dists[name].probs.reshape(*outputs.shape[:-1], -1)
                components[name] = flat.hard(logits if role == "greedy" else logits + gumbel)
                entropy[CHOICE] += jnp.sum(dists[name].entropy(), entries)
                allowed = jnp.broadcast_to(mask.get(name, True), logits.shape)
                max_entropy[CHOICE] += jnp.sum(jnp.log(jnp.sum(allowed, -1)), entries)
            else:
                normal = dists[name].distribution
                z = normal.loc if role == "greedy" else normal.loc + normal.scale * ndtri(u[name])
                components[name] = jnp.tanh(z)
                log_slope = 2 * (math.log(2) - z - jax.nn.softplus(-2 * z))  # log of the derivative of tanh
                entropy[BOX] += jnp.sum(log_slope - normal.log_prob(z), entries)
                max_entropy[BOX] += space.size
        entropy, max_entropy = ({kind: x[kind] for kind in temperature} for x in (entropy, max_entropy))
        penalty = -sum((jnp.exp(log) * entropy[kind] for kind, log in temperature.items()), start=zeros)
        return Proposal(flat.join(spaces, components), penalty, action_probs, entropy, max_entropy)

    def initial_temperature(self, hyper: Hyper) -> Groups:
        """Logarithms of `hyper.temperature`, for the kinds of components that a group has."""
        return {
            group: {kind: jnp.log(hyper.temperature) for kind in _kinds(spaces)}
            for group, spaces in self.flat_spaces.items()
        }

    def tune(self, temperature: Groups, entropy: Groups, max_entropy: Groups, hyper: Hyper) -> Groups:
        """Lower where there is too much entropy, higher where there is too little."""
        target = {BOX: hyper.entropy_box, CHOICE: hyper.entropy_choice}
        return {
            group: {
                kind: log - hyper.temperature_rate * (entropy[group][kind] - target[kind] * max_entropy[group][kind])
                for kind, log in logs.items()
            }
            for group, logs in temperature.items()
        }


def _kinds(spaces: flat.Spaces) -> list[str]:
    """Kinds of components among these."""
    discrete = {isinstance(space, Discrete) for space in spaces.values()}
    return [kind for kind, is_discrete in ((BOX, False), (CHOICE, True)) if is_discrete in discrete]


def sac(
    env: Environment, *, network: NetworkLike | None = None, critic: NetworkLike | None = None, **settings: Any
) -> Learner:
    """SAC, or MASAC with `central_critic=True`.

    Args:
        env: what to learn on.
        network: in place of the actor that `actor` names: a builder `build(outputs, bias=()) -> Network`, or a Flax module, see
            `jaxvec.learners.blocks.networks.as_builder`.
        critic: likewise, in place of the critics' MLP or the network of `pooled_critic`; its input are parts, see
            `jaxvec.learners.blocks.critics.Critics.inputs`.
        settings: fields of `Settings`.
    Returns:
        A learner; its hyper-parameters are `learner.hyper`.
    Raises:
        TypeError: an unknown setting, or `network` or `critic` is neither a builder nor a module.
        ValueError: a bad setting.
    """
    s = usual(env, Settings(**settings))
    head = StochasticHead({group: flat.flat_spaces(x, s.choices) for group, x in env.action_space.items()})
    name = "masac" if s.central_critic else "sac"
    return OffPolicy(name, env, s, Hyper(), head, network, critic).learner()
