"""What off-policy critics and actors learn from a batch of the buffer: units of value, targets, losses. All is batch-first.

Critics work in units that follow from the rewards' running mean and deviation, so that rewards of any size and offset learn
alike.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import first_timestep
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.params import params_of_worlds
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import Observation
from jaxvec.core.weights import weighted_mean
from jaxvec.learners.base import Metrics
from jaxvec.learners.blocks import flat, normalise
from jaxvec.learners.blocks.actors import (
    Groups,
    NetworkInputs,
    agent_mask,
    network_inputs,
    obs_batch_first,
    of_present,
    terminated_per_agent,
)
from jaxvec.learners.blocks.critics import Critics
from jaxvec.learners.blocks.metrics import by_group
from jaxvec.learners.off_policy_acting import Acting, flat_actions
from jaxvec.learners.off_policy_types import Entry, Proposal, State

SATURATED = 0.98  # of a number in [-1, 1]
STUCK_PART = 0.95  # of a batch, in which it is


class Losses:
    """Losses of critics and actors.

    Attributes:
        acting: the actors.
        critics: what gives values.
    """

    def __init__(self, acting: Acting, critics: Critics):
        self.acting, self.critics = acting, critics
        self.env, self.head = acting.env, acting.head

    # Units of value

    def units(self, moments: dict[str, Groups], hyper: Any) -> dict[str, normalise.Moments]:
        """Mean and variance that are 0 and 1 to the critics.

        Args:
            moments: as of `State`.
            hyper: hyper-parameters in force.
        Returns:
            Per group, in units of the reward.
        """
        ends = moments["end"]
        return {g: normalise.of_targets(m, ends[g].mean, hyper.gamma) for g, m in moments["reward"].items()}

    def ema_update(self, moments: dict[str, Groups], entry: Entry, hyper: Any) -> dict[str, Groups]:
        """Moments after the rewards and ends of a batch, towards which they move by `hyper.unit_rate`.

        Args:
            moments: as of `State`.
            entry: a batch of the buffer, `(batch, ...)`.
            hyper: hyper-parameters in force.
        Returns:
            As of `State`.
        """
        weight, rate = agent_mask(entry.obs), hyper.unit_rate
        reward = {
            group: normalise.ema_update(old, entry.reward[group], weight[group], rate)
            for group, old in moments["reward"].items()
        }
        ended = self.terminated_per_agent(entry)
        end = {
            group: normalise.ema_update(old, ended[group].astype(float), weight[group], rate)
            for group, old in moments["end"].items()
        }
        return moments | {"reward": reward, "end": end}

    def terminated_per_agent(self, entry: Entry) -> Groups:
        """Whether nothing follows.

        Args:
            entry: a batch of the buffer, `(batch, ...)`.
        Returns:
            Per group, bool `(batch, n)`.
        """
        return terminated_per_agent(self.env, entry.terminated, agent_mask(entry.next_obs))

    # Values

    def seen(self, state: State, obs: Observation) -> NetworkInputs:
        """What networks see, normalised where the learner does so.

        Args:
            state: of the learner, for its moments.
            obs: batch-first.
        """
        return network_inputs(obs, state.moments.get("obs", {}))

    def real_values(self, state: State, obs: Observation, actions: Groups) -> Groups:
        """The first critic's values in units of the reward, per group `(*batch, n)`.

        Args:
            state: of the learner.
            obs: batch-first.
            actions: flat, per group `(*batch, n, width)`.
        """
        inputs = self.critics.inputs(self.seen(state, obs), actions, actions)
        values = self.critics.expected(self.critics.values(state.params["critic"][0], inputs), actions)
        units = self.units(state.moments, state.hyper)
        return {group: normalise.undo(units[group], v) for group, v in values.items()}

    def targets(self, state: State, entry: Entry, world: Array, hyper: Any, key: Array) -> Groups:
        """What critics learn: r + gamma (1 - ended) (min Q'(s', a') - penalty), with a' of the target actors.

        Args:
            state: of the learner.
            entry: a batch of the buffer, `(batch, ...)`.
            world: in which world each entry was made, int32 `(batch,)`.
            hyper: hyper-parameters in force.
            key: one typed key, of the target actors' chance.
        Returns:
            Per group `(batch, n)`, in the critics' units.
        """
        next_obs, next_state = batch_last((entry.next_obs, entry.next_state), 1)
        next_values = partial(self.next_values, state, next_obs, next_state, world, hyper, key)
        zeros = {group: jnp.zeros((len(world), n)) for group, n in self.env.n_agents.items()}
        value = jax.lax.cond(hyper.gamma > 0, next_values, lambda: zeros)  # a bandit needs no look ahead
        result, ended = {}, self.terminated_per_agent(entry)
        for group, unit in self.units(state.moments, hyper).items():
            ahead = hyper.gamma * ~ended[group] * normalise.undo(unit, value[group])
            result[group] = jax.lax.stop_gradient(normalise.to(unit, entry.reward[group] + ahead))
        return result

    def next_values(
        self, state: State, next_obs: Observation, next_state: Any, world: Array, hyper: Any, key: Array
    ) -> Groups:
        """min Q'(s', a') - penalty, per group `(batch, n)`, in the critics' units.

        The environment asks the target actors, who so take their turns anew where agents take turns.

        Args:
            next_obs, next_state: of entries of the buffer, but as the environment has them, batch-last.
            state, world, hyper, key: as for `targets`.
        """
        size = len(world)

        def choose(key: Array, obs: Observation) -> tuple[Groups, Any]:
            proposals = self.acting.propose(state, state.target["actor"], key, obs, hyper, "target")
            return flat_actions(proposals), proposals

        keys = rng.fold_in(key, jnp.arange(size))
        params = params_of_worlds(state.env_params, world, self.acting.settings.n_worlds)
        ts = first_timestep(self.env, next_obs, (size,))
        _, trace = self.env.act(self.acting.act_fn(choose), keys, next_state, ts, params)
        proposals: dict[str, Proposal] = batch_first(trace.extras, 1)
        obs = obs_batch_first(trace.obs)
        actions = of_present(flat_actions(proposals), obs)
        inputs = self.critics.inputs(self.seen(state, obs), actions, actions)
        values = self.critics.min_values(state.target["critic"], inputs)
        values = self.critics.expected(values, {g: proposal.action_probs for g, proposal in proposals.items()})
        return {group: values[group] - proposal.penalty for group, proposal in proposals.items()}

    # Losses

    def critic_loss(
        self, critics: tuple[Groups, ...], state: State, entry: Entry, targets: Groups
    ) -> tuple[Array, Metrics]:
        """Mean squared error, summed over critics and groups.

        Args:
            critics: parameters of each.
            state: of the learner.
            entry: a batch of the buffer.
            targets: see `targets`.
        Returns:
            The loss `()`, and metrics.
        """
        actions, weight = entry.flat_action, agent_mask(entry.obs)
        inputs = self.critics.inputs(self.seen(state, entry.obs), actions, actions)
        values = [self.critics.expected(self.critics.values(critic, inputs), actions) for critic in critics]
        loss, metrics, units = jnp.zeros(()), {}, self.units(state.moments, state.hyper)
        for group, target in targets.items():
            errors = [weighted_mean((x[group] - target) ** 2, weight[group]) for x in values]
            loss += sum(errors)
            real = normalise.undo(units[group], values[0][group])
            metrics[group] = {
                "off_policy/critic_loss": jnp.mean(jnp.stack(errors)),
                "off_policy/value": weighted_mean(real, weight[group]),
            }
        return loss, by_group(metrics)

    def actor_loss(self, actor: Groups, state: State, entry: Entry, hyper: Any, key: Array) -> tuple[Array, Any]:
        """Minus the value of each agent's own new action among the others' old ones, plus its penalty; summed over groups.

        A pooled critic sees the others' new ones, through which every agent climbs the values of all: those of a team.

        Args:
            actor: parameters.
            state: of the learner.
            entry: a batch of the buffer.
            hyper: hyper-parameters in force.
            key: one typed key, of the actors' chance.
        Returns:
            The loss `()`; metrics, and the mean entropies and what they are parts of, per group and kind of component.
        """
        weight, keys = agent_mask(entry.obs), rng.fold_in(key, jnp.arange(len(entry.terminated)))
        proposals = self.acting.propose(state, actor, keys, entry.obs, hyper, "improve")
        own_actions = {group: self.every_choice(group, proposal) for group, proposal in proposals.items()}
        joint_actions = entry.flat_action
        if self.critics.pools:
            joint_actions = of_present(flat_actions(proposals), entry.obs)
        inputs = self.critics.inputs(self.seen(state, entry.obs), own_actions, joint_actions)
        critics = state.params["critic"] if self.head.use_min_q else state.params["critic"][:1]
        values = self.critics.min_values(critics, inputs)
        values = self.critics.expected(values, {g: proposal.action_probs for g, proposal in proposals.items()})
        loss, metrics, entropy, max_entropy = jnp.zeros(()), {}, {}, {}
        for group, proposal in proposals.items():
            mean, value = partial(weighted_mean, weight=weight[group]), values[group]
            if group not in self.critics.choices and proposal.action_probs is not None:  # see `every_choice`
                value = jnp.sum(jnp.moveaxis(proposal.action_probs, -1, 0) * value, 0)
            group_loss = mean(proposal.penalty - value)
            loss += group_loss
            entropy[group] = jax.tree.map(mean, proposal.entropy)
            max_entropy[group] = jax.tree.map(mean, proposal.max_entropy)
            metrics[group] = {"off_policy/actor_loss": group_loss, "off_policy/penalty": mean(proposal.penalty)}
            metrics[group] |= {f"off_policy/entropy_{kind}": x for kind, x in entropy[group].items()}
            metrics[group] |= self.stuck(group, proposal.flat_action)
        return loss, (by_group(metrics), (entropy, max_entropy))

    def stuck(self, group: str, flat_action: Array) -> Metrics:
        """The part of agents whose binned choices lie at one end of their box whatever they see: tanh has no slope there, and an
        actor that got there does not come back. Of choices that are not binned, nothing.

        Args:
            group: of the agents.
            flat_action: proposed `(batch, n, width)`.
        """
        choices = [name for name, space in self.env.action_space[group].items() if isinstance(space, Discrete)]
        if self.acting.settings.choices != "bins" or not choices:
            return {}
        x = flat.split(self.head.flat_spaces[group], flat_action)[choices[0]]
        ends = [jnp.mean(side > SATURATED, 0) > STUCK_PART for side in (x, -x)]
        return {"off_policy/stuck": jnp.mean(ends[0] | ends[1])}

    def every_choice(self, group: str, proposal: Proposal) -> Array:
        """The proposed action; of an agent with boxes and a single discrete choice, with each choice in turn: its value is then
        an expectation and not a sample.

        Args:
            group: whose it is.
            proposal: of its actors.
        Returns:
            `(*batch, n, width)`, or `(k, *batch, n, width)` of k choices in turn.
        """
        if proposal.action_probs is None or group in self.critics.choices:
            return proposal.flat_action
        one_hots = jnp.eye(proposal.action_probs.shape[-1])
        spaces = self.head.flat_spaces[group]
        return jnp.stack([flat.with_choice(spaces, proposal.flat_action, choice) for choice in one_hots])
