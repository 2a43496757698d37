"""How off-policy learners act: from an observation to flat actions, in training, greedily, or as target networks do.

Everything is batch-first; the axes are turned in `Acting.act_fn` alone, through which environments ask.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import ActFn, Environment
from jaxvec.core.layout import batch_last
from jaxvec.core.rollout import Policy
from jaxvec.core.types import Observation
from jaxvec.forecast.online import OnlineForecaster
from jaxvec.learners.blocks import flat
from jaxvec.learners.blocks.actors import Actors, Groups, network_inputs, obs_batch_first
from jaxvec.learners.blocks.networks import Network
from jaxvec.learners.blocks.prior import propose
from jaxvec.learners.blocks.schedules import annealed
from jaxvec.learners.off_policy_types import ActionHead, Proposal, Role, Settings, State

Choose = Callable[[Array, Observation], tuple[Groups, Any]]
"""`choose(key, obs) -> flat actions per group, extras`, of a batch-first observation of the agents that are asked."""


class Acting:
    """The actors of an environment's agents.

    Attributes:
        env: what they act in.
        head: from their networks' outputs to actions.
        actors: their networks.
        forecaster: what tells them a forecast, where the environment `forecasts`.
    """

    def __init__(
        self, name: str, env: Environment, settings: Settings, head: ActionHead, network: Callable[[str], Network]
    ):
        """
        Args:
            name: of the learner, for the message.
            env: see the class.
            settings: the learner's.
            head: see the class.
            network: `network(group)`, the actor of a group.
        Raises:
            ValueError: a network has a memory, which a buffer of single slots does not hold.
        """
        self.env, self.settings, self.head = env, settings, head
        self.forecaster = OnlineForecaster(
            env, settings.forecaster, settings.forecaster_steps, settings.forecaster_batch
        )
        self.actors = Actors(env, network, settings.share_parameters)
        if self.actors.has_memory:
            raise ValueError(f"{name}: its buffer keeps single slots, so its networks have no memory; PPO's may")

    def outputs(self, actor: Groups, agents: Groups, ids: Groups, batch: tuple[int, ...]) -> Groups:
        """Outputs of the actors' networks, per group `(*batch, n, outputs)`.

        Args:
            actor: their parameters.
            agents: `NetworkInputs.agents` of those that are asked.
            ids: which they are, see `Observation.ids`.
            batch: shape of the batch.
        """
        return self.actors.outputs(actor, self.actors.memory(batch), agents, ids, len(batch))[0]

    def propose(
        self, state: State, actor: Groups, key: Array, obs: Observation, hyper: Any, role: Role
    ) -> dict[str, Proposal]:
        """What the actors propose, per group.

        Args:
            state: of the learner, for moments and temperatures.
            actor: the actors' parameters.
            key: typed keys `(*batch)`.
            obs: batch-first, of the agents that are asked.
            hyper: hyper-parameters in force.
            role: what the actions are for.
        """
        agents = network_inputs(obs, state.moments.get("obs", {})).agents
        outputs = self.outputs(actor, agents, obs.ids, key.shape)
        return {
            group: self.head.propose(
                group,
                x,
                obs.mask.get(group, {}),
                rng.stream(key, group),
                state.temperature.get(group, {}),
                hyper,
                role,
            )
            for group, x in outputs.items()
        }

    def uniform_actions(self, key: Array, obs: Observation) -> Groups:
        """Uniform actions of the agents that are asked.

        Args:
            key: typed keys `(*batch)`.
            obs: batch-first, of those agents.
        Returns:
            Flat, per group `(*batch, n, width)`.
        """
        flat_actions = {}
        for group, spaces in self.head.flat_spaces.items():
            u = flat.uniforms(rng.stream(key, f"any/{group}"), spaces, obs.agents[group].shape[-2])["u"]
            flat_actions[group] = flat.uniform(spaces, u, obs.mask.get(group, {}))
        return flat_actions

    def act_fn(self, choose: Choose) -> ActFn:
        """For `Environment.act`: the one place where batch-last becomes batch-first, and is turned back.

        Args:
            choose: from keys and an observation, batch-first, to flat actions and extras.
        """

        def act(key: Array, obs: Observation) -> tuple[Groups, Any]:
            rank = key.ndim
            flat_actions, extras = choose(key, obs_batch_first(obs))
            action = {
                group: flat.to_space(spaces, self.settings.choices, flat_actions[group], obs.mask.get(group, {}), rank)
                for group, spaces in self.env.action_space.items()
            }
            return action, batch_last(extras, rank)

        return act

    def explore(self, state: State, hyper: Any) -> ActFn:
        """For `Environment.act` in training, with the flat actions as extras: uniform until the actors have `started`.

        Args:
            state: of the learner.
            hyper: hyper-parameters in force.
        """

        def propose(key: Array, obs: Observation) -> tuple[Groups, Groups]:
            actions = flat_actions(self.propose(state, state.params["actor"], key, obs, hyper, "act"))
            return actions, actions

        def uniform(key: Array, obs: Observation) -> tuple[Groups, Groups]:
            actions = self.uniform_actions(key, obs)
            return actions, actions

        def act(key: Array, obs: Observation) -> tuple[Groups, Groups]:
            choose = partial(jnp.where, started(state, hyper))
            return jax.tree.map(choose, self.act_fn(propose)(key, obs), self.act_fn(uniform)(key, obs))

        return act

    def policy(self, state: State, greedy: bool = True) -> Policy:
        """The current policy.

        Args:
            state: of the learner.
            greedy: without chance; else exploring as in training, but never uniform.
        """
        hyper = annealed(state.hyper, state.update)
        role: Role = "greedy" if greedy else "act"

        def choose(key: Array, obs: Observation) -> tuple[Groups, tuple[()]]:
            return flat_actions(self.propose(state, state.params["actor"], key, obs, hyper, role)), ()

        act = self.act_fn(choose)

        def policy(key: Array, obs: Observation) -> Groups:
            seen = propose(self.env, key, obs, state.env_params)
            return act(key, self.forecaster.add_forecast(state.forecaster, seen))[0]

        return policy


def flat_actions(proposals: dict[str, Proposal]) -> Groups:
    """The actions of proposals.

    Args:
        proposals: per group.
    Returns:
        Per group `(*batch, n, width)`.
    """
    return {group: proposal.flat_action for group, proposal in proposals.items()}


def started(state: State, hyper: Any) -> Array:
    """Whether the actors act and learn: the first part of training is uniform, and only the critics learn.

    Args:
        state: of the learner.
        hyper: hyper-parameters in force.
    Returns:
        bool `()`.
    """
    return state.update >= hyper.warmup * hyper.anneal_updates
