"""PPO for many agents (Schulman et al. 2017): IPPO, or MAPPO (Yu et al. 2022) when the critic sees the whole world; QMARL when
the actors are quantum circuits.

An update collects whole episodes (or `rollout_length` slots) in `n_worlds` worlds under the current policy, as
`jaxvec.learners.on_policy` does for all such learners, estimates advantages, and takes `epochs` x `minibatches` gradient steps.
All agents of a slot stay together in a minibatch; where actors have memory, so do all slots of a world.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.shards import by_shard, shards_of, shuffled, take
from jaxvec.core.types import Observation
from jaxvec.core.weights import weighted_mean
from jaxvec.learners.base import Learner, Metrics, check_counts
from jaxvec.learners.blocks import losses, normalise
from jaxvec.learners.blocks.actors import Groups, NetworkInputs
from jaxvec.learners.blocks.gae import gae
from jaxvec.learners.blocks.metrics import by_group
from jaxvec.learners.blocks.networks import Network, NetworkLike, as_builder, mlp, per_agent
from jaxvec.learners.on_policy import OnPolicy, next_of
from jaxvec.learners.on_policy_types import Rollout, State
from jaxvec.learners.ppo_types import Batch, Hyper, Settings

LONG, PIECE = 100, 10  # slots of an episode that is learned from in pieces, and of these


class Ppo(OnPolicy):
    """Clipped surrogates, and critics for advantages."""

    def __init__(
        self,
        name: str,
        env: Environment,
        settings: Settings,
        network: NetworkLike | None = None,
        critic: NetworkLike | None = None,
    ):
        """
        Args:
            name: of the learner.
            env: what to learn on.
            settings: static.
            network, critic: of one's own, see `ppo`.
        Raises:
            ValueError: a bad setting.
            TypeError: `network` or `critic` is neither a builder nor a Flax module.
        """
        check_counts(name, settings, ("epochs", "minibatches"))
        super().__init__(name, env, settings, Hyper(), network)
        s = settings
        samples = s.n_worlds if self.actors.has_memory else self.n_steps * s.n_worlds  # memory needs whole worlds
        if samples % s.minibatches:
            what = f"{s.n_worlds} worlds" if self.actors.has_memory else f"{self.n_steps} slots x {s.n_worlds} worlds"
            raise ValueError(f"{name}: {what} cannot be cut into {s.minibatches} equal minibatches")
        # critics judge one agent at a time, or all agents of a group at once
        self.per_agent = not s.central_critic or not env.whole_world
        self.one_value = env.team_reward and not self.per_agent
        if critic is not None:
            self.custom = (*self.custom, "critic")
        build = partial(mlp, s.hidden, activation=s.activation) if critic is None else as_builder(critic)
        self.critics: dict[str, Network] = {}
        for group, n in env.n_agents.items():
            network_of_group = build(1 if self.one_value or self.per_agent else n)
            separate = self.per_agent and not s.share_parameters
            self.critics[group] = per_agent(network_of_group, n) if separate else network_of_group

    # Critics

    def init_params(self, key: Array, inputs: NetworkInputs) -> dict[str, Groups]:
        """Of actors and critics, see `OnPolicy.init_params`."""
        critic_inputs = self.critic_inputs(inputs)
        critics = {
            group: network.init(rng.stream(key, f"critic/{group}"), critic_inputs[group])
            for group, network in self.critics.items()
        }
        return super().init_params(key, inputs) | {"critic": critics}

    def init_moments(self) -> dict[str, Groups]:
        """Of the critics' targets, where they are normalised."""
        if not self.settings.normalise_values:
            return {}
        return {"value": {group: normalise.start(()) for group in self.critics}}

    def critic_inputs(self, inputs: NetworkInputs) -> Groups:
        """What the critic of each group sees.

        Args:
            inputs: what networks may see of a slot.
        Returns:
            Per group `(*batch, n, d)`, or `(*batch, g)` for a central critic, or both.
        """
        if not self.settings.central_critic:
            return inputs.agents
        if not self.per_agent:
            return dict.fromkeys(inputs.agents, inputs.world)
        return {group: (rows, inputs.world[..., None, :]) for group, rows in inputs.agents.items()}

    def values(self, critics: Groups, critic_inputs: Groups) -> Groups:
        """Values per group `(*batch, n)`, in units of the value's moments.

        Args:
            critics: parameters per group.
            critic_inputs: as `critic_inputs` gives them.
        """
        result = {}
        for group, network in self.critics.items():
            value = network.apply(critics[group], (), critic_inputs[group])[0]
            if self.one_value:
                value = jnp.broadcast_to(value, (*value.shape[:-1], self.env.n_agents[group]))
            result[group] = value[..., 0] if self.per_agent else value
        return result

    def real_values(self, state: State, inputs: NetworkInputs) -> Groups:
        """Values in units of the reward, per group `(*batch, n)`, under the parameters and moments of a learner's state.

        Args:
            state: the learner's.
            inputs: what networks see, normalised as in `state`.
        """
        moments = state.moments.get("value", {})
        values = self.values(state.params["critic"], self.critic_inputs(inputs))
        return {group: normalise.undo(moments[group], v) if group in moments else v for group, v in values.items()}

    def networks(self, state: State, obs: Observation) -> tuple[dict[str, Any], dict[str, Any]]:
        """See `OnPolicy.networks`."""
        params, outputs = super().networks(state, obs)
        critics = state.params["critic"]
        values = self.values(critics, self.critic_inputs(self.inputs(state, obs)))
        return params | {"critic": critics}, outputs | {"critic": values}

    # Learning

    def learn(self, state: State, rollout: Rollout, hyper: Hyper, key: Array) -> tuple[State, Metrics]:
        """Advantages, then epochs of minibatches; see `OnPolicy.learn`."""
        batch, moments = self.advantages(state, rollout, hyper)
        params, opt, metrics = self.fit(state, batch, rollout.memory, hyper, rng.stream(key, "minibatches"))
        return state.replace(params=params, opt=opt, moments=moments), metrics

    def advantages(self, state: State, rollout: Rollout, hyper: Hyper) -> tuple[Batch, dict[str, Groups]]:
        """What to learn from a rollout, and the moments after it.

        Args:
            state: as it was while the rollout was collected.
            rollout: what was collected.
            hyper: the values in force.
        """
        value = self.real_values(state, rollout.inputs)
        next_value = next_of(value, self.real_values(state, rollout.next_inputs))
        advantage, target, moments = {}, {}, dict(state.moments)
        for group, v in value.items():
            advantage[group] = gae(
                rollout.reward[group],
                v,
                next_value[group],
                rollout.terminated[group],
                rollout.done[group],
                hyper.gamma,
                hyper.gae_lambda,
            )
            target[group] = v + advantage[group]
            if "value" in moments:
                after = normalise.update(moments["value"][group], target[group], rollout.weight[group])
                moments["value"] = moments["value"] | {group: after}
                target[group] = normalise.to(after, target[group])
        critic = self.critic_inputs(rollout.inputs)
        return Batch(rollout.decisions, critic, rollout.weight, rollout.log_prob, advantage, target), moments

    def fit(self, state: State, batch: Batch, memory: Groups, hyper: Hyper, key: Array) -> tuple[Any, Any, Metrics]:
        """Parameters and the optimiser's state after epochs of minibatches, and means of the metrics.

        Args:
            state: at the start.
            batch: everything that was collected.
            memory: the actors' at the start of the rollout, `(worlds, n, ...)`.
            hyper: the values in force.
            key: which samples meet in a minibatch follows from it.
        """
        s = self.settings
        whole = (
            self.actors.has_memory
        )  # samples are whole pieces of a world, time last; else slots, which are independent
        samples = s.n_worlds * (1 if whole else self.n_steps)
        shards = shards_of(s.n_worlds, samples, s.minibatches)
        if whole:
            batch = jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1)[None], batch)
        batch, memory = jax.tree.map(lambda x: by_shard(x, shards), (batch, jax.tree.map(lambda x: x[None], memory)))

        def step(carry: tuple[Any, Any], chosen: Array) -> tuple[tuple[Any, Any], Metrics]:
            params, opt = carry
            part, part_memory = take((batch, memory), chosen)
            part = jax.tree.map(lambda x: jnp.moveaxis(x, 1, 0) if whole else x[None], part)
            grad, metrics = jax.grad(self.loss, has_aux=True)(params, part, part_memory, hyper)
            return self.descend(params, opt, grad, hyper), metrics | {"ppo/grad_norm": optax.tree.norm(grad)}

        def epoch(carry: tuple[Any, Any], key: Array) -> tuple[tuple[Any, Any], Metrics]:
            return jax.lax.scan(step, carry, shuffled(key, shards, samples // shards, s.minibatches))

        (params, opt), metrics = jax.lax.scan(epoch, (state.params, state.opt), jax.random.split(key, s.epochs))
        return params, opt, jax.tree.map(jnp.mean, metrics)

    def loss(self, params: dict[str, Groups], batch: Batch, memory: Groups, hyper: Hyper) -> tuple[Array, Metrics]:
        """(9) of the PPO paper, negated: clipped surrogate, squared value error and entropy, summed over groups.

        Args:
            params: of actors and critics.
            batch: a minibatch.
            memory: its actors' at the start.
            hyper: the values in force.
        Returns:
            The loss `()`, and metrics `()` by name.
        """
        total, metrics = jnp.zeros(()), {}
        values = self.values(params["critic"], batch.critic)
        decided = self.evaluate(params["actor"], batch.decisions, memory, hyper)
        for group, (log_prob, entropies) in decided.items():
            weight = batch.weight[group]
            mean = partial(weighted_mean, weight=weight)
            log_ratio = log_prob - batch.log_prob[group]
            advantage = losses.standardise(batch.advantage[group], weight)
            policy_loss = mean(losses.clipped_surrogate(log_ratio, advantage, hyper.clip))
            value_loss = mean((values[group] - batch.target[group]) ** 2)
            entropy = mean(entropies)
            total += policy_loss + hyper.value_weight * value_loss - hyper.entropy_weight * entropy
            metrics[group] = {
                "ppo/policy_loss": policy_loss,
                "ppo/value_loss": value_loss,
                "ppo/entropy": entropy,
                "ppo/kl": mean(losses.approximate_kl(log_ratio)),
                "ppo/clip_fraction": mean(jnp.abs(jnp.expm1(log_ratio)) > hyper.clip),
            }
        return total, by_group(metrics)


def ppo(
    env: Environment, *, network: NetworkLike | None = None, critic: NetworkLike | None = None, **settings: Any
) -> Learner:
    """IPPO, or MAPPO with `central_critic=True`; QMARL with `actor="circuit"` too.

    Args:
        env: what to learn on.
        network: in place of the actor that `actor` names: a builder `build(outputs, bias=()) -> Network`, or a Flax module, see
            `jaxvec.learners.blocks.networks.as_builder`.
        critic: in place of the critic, likewise. Its input is the agents' rows `(*batch, n, d)`; of a central one the world
            `(*batch, g)`, or both as parts.
        settings: fields of `jaxvec.learners.ppo_types.Settings`. Where episodes have 100 slots or more, `rollout_length` is 10
            unless given: whole episodes are too few gradient steps (KL 0.002 an update on `dt_edge`).
    Returns:
        A learner; its hyper-parameters are `learner.hyper`, see `jaxvec.learners.ppo_types.Hyper`.
    Raises:
        TypeError: an unknown setting, or `network` or `critic` is neither a builder nor a module.
        ValueError: a bad setting.
    """
    usual = {"rollout_length": PIECE} if env.horizon >= LONG and not settings.get("gru") else {}
    s = Settings(**{**usual, **settings})
    names = {"circuit": "qmarl", "matched": "mappo_matched"}
    name = names.get(s.actor, "mappo" if s.central_critic else "ippo")
    return Ppo(name, env, s, network, critic).learner()
