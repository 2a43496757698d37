"""Soft actor-critic (Haarnoja et al. 2018) for many agents: SAC, or MASAC when the critic sees the whole world.

An actor's boxes are tanh of a normal sample; a discrete choice is a Gumbel sample of its logits, whose gradient passes straight
through. Boxes and choices have a temperature each (Delalleau et al. 2019), which follows its entropy to a target. Temperatures
are in the critics' units. The loop is in `jaxvec.learners.off_policy`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
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
from jaxvec.learners.blocks import flat, heads
from jaxvec.learners.blocks.actors import Groups
from jaxvec.learners.blocks.networks import Network, mlp
from jaxvec.learners.blocks.scorer import scorers
from jaxvec.learners.off_policy import OffPolicy
from jaxvec.learners.off_policy_types import Proposal, State

LOG_STD_RANGE = (-5.0, 1.0)


@dataclass(frozen=True)
class Settings(off_policy_types.Settings):
    """As `jaxvec.learners.off_policy_types.Settings`, with twin critics.

    Attributes:
        actor: "mlp", or "server_scorer", one small network that scores each option of a choice, see
            `jaxvec.learners.blocks.scorer`.
        scorer_hidden: its widths; its activation is "tanh".
    """

    double_critics: bool = True
    actor: str = "mlp"
    scorer_hidden: tuple[int, ...] = (32, 32)

    def __post_init__(self) -> None:
        if self.actor not in ("mlp", "server_scorer"):
            raise ValueError(f"sac: unknown actor {self.actor!r}. Known: mlp, server_scorer")
        if self.actor == "server_scorer" and self.choices != "one_hot":
            raise ValueError(f"sac: actor 'server_scorer' needs choices='one_hot', not {self.choices!r}")


class Hyper(off_policy_types.Hyper):
    """What may be swept without recompiling.

    Attributes:
        temperature: at the start.
        temperature_rate: step of its logarithm per nat of entropy too much or too little.
        entropy_box: target of the differential entropy per entry of a box [-1, 1] [nat].
        entropy_choice: target of a choice's entropy, as a part of that of the uniform choice among what is allowed.
    """

    temperature: float = 0.1
    temperature_rate: float = 3e-3
    entropy_box: float = -1.0
    entropy_box_end: float = -2.0
    entropy_choice: float = 0.3
    entropy_choice_end: float = 0.05


class _Sac(OffPolicy):
    """Stochastic actors that are paid for their entropy."""

    use_min_q = True

    def propose(
        self, group: str, outputs: Array, mask: Groups, key: Array, state: State, hyper: Hyper, role: str
    ) -> Proposal:
        """See `OffPolicy.propose`; the cost is minus the entropy, weighted by the temperatures."""
        inner, rank = self.inner[group], key.ndim
        dists = heads.distributions(inner, outputs, mask, LOG_STD_RANGE)
        words = {"u": (outputs.shape[-2], flat.width(inner))}
        u = flat.split(inner, batch_first(rng.uniforms(key, words)["u"], rank))
        action, nothing = {}, jnp.zeros(outputs.shape[:-1])
        entropy, room = {"box": nothing, "choice": nothing}, {"box": nothing, "choice": nothing}
        chance, only = None, flat.single_choice(inner)
        for name, space in inner.items():
            over = tuple(range(-len(space.shape), 0))
            if isinstance(space, Discrete):
                logits, gumbel = dists[name].logits, -jnp.log(-jnp.log(u[name]))
                if name == only:
                    chance = dists[name].probs.reshape(*outputs.shape[:-1], -1)
                action[name] = flat.hard(logits if role == "greedy" else logits + gumbel)
                entropy["choice"] += jnp.sum(dists[name].entropy(), over)
                allowed = jnp.broadcast_to(mask.get(name, True), logits.shape)
                room["choice"] += jnp.sum(jnp.log(jnp.sum(allowed, -1)), over)
            else:
                normal = dists[name].distribution
                z = normal.loc if role == "greedy" else normal.loc + normal.scale * ndtri(u[name])
                action[name] = jnp.tanh(z)
                shrunk = 2 * (math.log(2) - z - jax.nn.softplus(-2 * z))  # log of the derivative of tanh
                entropy["box"] += jnp.sum(shrunk - normal.log_prob(z), over)
                room["box"] += space.size
        temperature = jax.tree.map(jnp.exp, state.temperature[group])
        cost = -sum(temperature[kind] * entropy[kind] for kind in temperature)
        told = lambda kinds: {kind: kinds[kind] for kind in temperature}  # noqa: E731
        return Proposal(flat.join(inner, action), cost, chance, told(entropy), told(room))

    def start_temperature(self, hyper: Hyper) -> Groups:
        """Their logarithms, of the kinds of components that there are."""
        there = lambda group: {isinstance(space, Discrete) for space in self.inner[group].values()}  # noqa: E731
        kinds = {
            group: [kind for kind, it in (("box", False), ("choice", True)) if it in there(group)]
            for group in self.inner
        }
        return {group: {kind: jnp.log(hyper.temperature) for kind in some} for group, some in kinds.items()}

    def tune(self, temperature: Groups, entropy: Groups, room: Groups, hyper: Hyper) -> Groups:
        """Lower where there is too much entropy, higher where there is too little."""
        target = {"box": hyper.entropy_box, "choice": hyper.entropy_choice}
        return {
            group: {
                kind: log - hyper.temperature_rate * (entropy[group][kind] - target[kind] * room[group][kind])
                for kind, log in logs.items()
            }
            for group, logs in temperature.items()
        }


def sac(
    env: Environment,
    *,
    network: Callable[[int, tuple[float, ...]], Network] | None = None,
    critic: Callable[..., Network] = mlp,
    **settings: Any,
) -> Learner:
    """SAC, or MASAC with `central_critic=True`.

    Args:
        env: what to learn on.
        network: `network(outputs, bias) -> Network` in place of the actor that `actor` names.
        critic: `critic(hidden, outputs, activation=...) -> Network` in place of the MLP, see `ddpg`.
        settings: fields of `Settings`.
    Returns:
        A learner; its hyper-parameters are `learner.hyper`.
    Raises:
        TypeError: an unknown setting. ValueError: a bad one.
    """
    s = Settings(**settings)
    layers = partial(mlp, s.hidden, activation=s.activation)
    own = network or (lambda out, bias: layers(out, out_gain=0.01, bias=bias))
    name = "masac" if s.central_critic else "sac"
    score = scorers(env, s, "sac") if s.actor == "server_scorer" and network is None else None

    def actor_of(group: str, inner: flat.Spaces) -> Network:
        return score(group) if score else own(heads.size(inner), heads.initial_bias(inner))

    return _Sac(name, env, s, Hyper(), actor_of, critic).learner()
