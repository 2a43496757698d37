"""What the actors of all learners share: what they see, whose parameters they use, and where their memory is kept."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.types import Observation
from jaxvec.core.weights import counted
from jaxvec.learners.blocks import normalise
from jaxvec.learners.blocks.inputs import AgentSet
from jaxvec.learners.blocks.networks import Network, per_agent

Groups = dict[str, Any]
"""Something of each group of agents, by the group's name."""


class NetworkInputs(NamedTuple):
    """An observation as networks see it, batch-first.

    Attributes:
        agents: per group `(*batch, n, d)`.
        world: `(*batch, g)`.
    """

    agents: Groups
    world: Array


def obs_batch_first(obs: Observation) -> Observation:
    """An environment's observation as learners have it.

    `ids` stay as they are: which agents the rows are may be the same in all worlds.

    Args:
        obs: batch-last, with rows `(n, d, *batch)`.
    Returns:
        Batch-first, with rows `(*batch, n, d)`.
    """
    turned = batch_first(obs.replace(ids={}), obs.world.ndim - 1)
    return turned.replace(ids=obs.ids)


def network_inputs(obs: Observation, moments: Groups) -> NetworkInputs:
    """What networks see of an observation, normalised where there are moments; of agents that take no part, zeros.

    Args:
        obs: batch-first, see `obs_batch_first`.
        moments: running mean and variance by name ("world", or a group's name); empty for the observation as it is.
    """

    def normalised(name: str, x: Array) -> Array:
        return normalise.apply(moments[name], x) if name in moments else x

    agents = {group: normalised(group, x) for group, x in obs.agents.items()}
    return NetworkInputs(of_present(agents, obs), normalised("world", obs.world))


def start_moments(obs: Observation) -> Groups:
    """Moments of everything that `network_inputs` can normalise.

    Args:
        obs: batch-first.
    Returns:
        By name ("world", or a group's name), of shape `(g,)` or `(d,)`.
    """
    return {name: normalise.start(x.shape[-1:]) for name, x in [*obs.agents.items(), ("world", obs.world)]}


def update_moments(moments: Groups, obs: Observation | NetworkInputs, weight: Groups) -> Groups:
    """Moments after more observations.

    Args:
        moments: by name, as of `start_moments`.
        obs: batch-first, not normalised.
        weight: per group `(*batch, n)`, 1 for an agent that takes part and 0 for one that does not.
    """
    after = {group: normalise.update(moments[group], x, weight[group]) for group, x in obs.agents.items()}
    return after | {"world": normalise.update(moments["world"], obs.world)}


def agent_mask(obs: Observation) -> Groups:
    """Which agents take part in a slot.

    Args:
        obs: batch-first.
    Returns:
        Per group `(*batch, n)`, 1 for an agent that takes part and 0 for one that does not.
    """
    return {
        group: obs.active[group].astype(rows.dtype) if group in obs.active else jnp.ones(rows.shape[:-1], rows.dtype)
        for group, rows in obs.agents.items()
    }


def of_present(groups: Groups, obs: Observation) -> Groups:
    """Something of each agent, with zeros for those that take no part: whatever they show or do, nothing is learned from it.

    Args:
        groups: per group a tree of arrays `(*batch, n, ...)`.
        obs: of the slot, batch-first.
    """

    def present(here: Array, x: Array) -> Array:
        return counted(x, here.reshape(*here.shape, *(1,) * (x.ndim - here.ndim)))

    return {g: jax.tree.map(partial(present, obs.active[g]), x) if g in obs.active else x for g, x in groups.items()}


def terminated_per_agent(env: Environment, terminated: Array, next_mask: Groups) -> Groups:
    """Per group, bool `(*batch, n)`: nothing follows for an agent, because its episode ended, or it takes part no more.

    Of a team's reward the latter is no end.

    Args:
        env: whose `team_reward` decides.
        terminated: bool `(*batch)`, of the slot.
        next_mask: `agent_mask` of the observation that followed.
    """
    return {group: terminated[..., None] | ((x == 0) & (not env.team_reward)) for group, x in next_mask.items()}


class Actors:
    """A network per group: one that all its agents share, or one for each.

    Attributes:
        networks: per group.
    """

    def __init__(self, env: Environment, network: Callable[[str], Network], share: bool):
        """
        Args:
            env: whose groups they are.
            network: `network(group)`, of one agent.
            share: the agents of a group share parameters.
        """
        self.n_agents = env.n_agents
        self.networks = {
            group: network(group) if share else per_agent(network(group), n) for group, n in env.n_agents.items()
        }

    def init(self, key: Array, inputs: Groups) -> Groups:
        """Parameters per group.

        Args:
            key: for all of them.
            inputs: what the agents of one world see, per group `(1, n, d)`.
        """
        seen = self.seen(inputs)
        return {group: net.init(rng.stream(key, group), seen[group]) for group, net in self.networks.items()}

    def seen(self, inputs: Groups) -> Groups:
        """What each group's network takes: the agents' rows, and everybody's where it pools.

        Args:
            inputs: what agents see, per group `(*batch, n, d)`.
        """
        return {
            group: (inputs[group], AgentSet(inputs, group)) if network.pools else inputs[group]
            for group, network in self.networks.items()
        }

    @property
    def has_memory(self) -> bool:
        """Whether some network carries something from slot to slot."""
        return bool(jax.tree.leaves(jax.eval_shape(lambda: self.memory((1,)))))

    def memory(self, batch: tuple[int, ...]) -> Groups:
        """Memory at the start of an episode.

        Args:
            batch: shape of the batch of worlds.
        Returns:
            Per group, batch-last; trees without leaves where networks have none.
        """
        initial = {group: net.memory((*batch, self.n_agents[group])) for group, net in self.networks.items()}
        return batch_last(initial, len(batch))

    def outputs(self, params: Groups, memory: Groups, inputs: Groups, ids: Groups, rank: int) -> tuple[Groups, Groups]:
        """Outputs of the networks, batch-first, and the memory after them, batch-last, of the agents that are asked.

        Args:
            params: per group.
            memory: of all agents, batch-last.
            inputs: of those that are asked, per group `(*batch, m, d)`.
            ids: per group who is asked, as `Observation.ids`; all, where a group is missing.
            rank: batch axes.
        """
        outputs, next_memory, seen = {}, {}, self.seen(inputs)
        for group, network in self.networks.items():
            of_asked, before = params[group], memory[group]
            if group in ids:
                of_asked = network.rows(of_asked, ids[group])
                before = jax.tree.map(lambda x, who=ids[group]: rows_of(x, who), before)
            outputs[group], after = network.apply(of_asked, batch_first(before, rank), seen[group])
            next_memory[group] = batch_last(after, rank)
        return outputs, next_memory


def rows_of(x: Array, who: Array) -> Array:
    """Rows of some agents `(m, ..., *batch)`.

    Args:
        x: of all agents `(n, ..., *batch)`.
        who: which agents, int `(m,)`, or others in each world, `(m, *batch)`.
    """
    if who.ndim == 1:
        return x[who]
    return jnp.take_along_axis(x, who.reshape(len(who), *(1,) * (x.ndim - who.ndim), *who.shape[1:]), 0)
