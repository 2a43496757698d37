"""What the actors of all learners share: what they see, whose parameters they use, and where their memory is kept."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.types import Observation
from jaxvec.learners.blocks import normalise
from jaxvec.learners.blocks.networks import Network, per_agent

Groups = dict[str, Any]


class NetworkInputs(NamedTuple):
    """An observation as networks see it, batch-first: per group `(*batch, n, d)`, and the world `(*batch, g)`."""

    agents: Groups
    world: Array


def obs_batch_first(obs: Observation) -> Observation:
    """An environment's observation, `(n, d, *batch)`, as learners have it, `(*batch, n, d)`.

    `ids` stay as they are: which agents the rows are may be the same in all worlds.
    """
    turned = batch_first(obs.replace(ids={}), obs.world.ndim - 1)
    return turned.replace(ids=obs.ids)


def network_inputs(obs: Observation, moments: Groups) -> NetworkInputs:
    """What networks see of an observation, normalised where there are moments.

    Args:
        obs: batch-first, see `obs_batch_first`.
        moments: running mean and variance by name ("world", or a group's name); empty for the observation as it is.
    """

    def normalised(name: str, x: Array) -> Array:
        return normalise.apply(moments[name], x) if name in moments else x

    agents = {group: normalised(group, x) for group, x in obs.agents.items()}
    return NetworkInputs(agents, normalised("world", obs.world))


def start_moments(obs: Observation) -> Groups:
    """Moments of everything in a batch-first observation that `network_inputs` can normalise."""
    seen = network_inputs(obs, {})
    return {name: normalise.start(x.shape[-1:]) for name, x in [*seen.agents.items(), ("world", seen.world)]}


def update_moments(moments: Groups, seen: NetworkInputs, weight: Groups) -> Groups:
    """Moments after unnormalised network_inputs; `weight` per group `(*batch, n)`, of those agents that take part."""
    after = {group: normalise.update(moments[group], x, weight[group]) for group, x in seen.agents.items()}
    return after | {"world": normalise.update(moments["world"], seen.world)}


def agent_mask(obs: Observation) -> Groups:
    """Per group, 1 for an agent that takes part in the slot and 0 for one that does not, `(*batch, n)`; `obs` is batch-first."""
    return {
        group: obs.active[group].astype(rows.dtype) if group in obs.active else jnp.ones(rows.shape[:-1], rows.dtype)
        for group, rows in obs.agents.items()
    }


def terminated_per_agent(env: Environment, terminated: Array, following: Groups) -> Groups:
    """Per group, bool `(*batch, n)`: nothing follows for an agent, because its episode ended, or it takes part no more.

    Of a team's reward the latter is no end.

    Args:
        terminated: `(*batch)`.
        following: `agent_mask` of the observation that followed.
    """
    return {g: terminated[..., None] | ((x == 0) & (not env.team_reward)) for g, x in following.items()}


class Actors:
    """A network per group: one that all its agents share, or one for each."""

    def __init__(self, env: Environment, network: Callable[[str], Network], share: bool):
        self.n_agents = env.n_agents
        self.networks = {
            group: network(group) if share else per_agent(network(group), n) for group, n in env.n_agents.items()
        }

    def init(self, key: Array, seen: Groups) -> Groups:
        """Parameters per group, from one observation per agent."""
        return {group: net.init(rng.stream(key, group), seen[group]) for group, net in self.networks.items()}

    def memory(self, batch: tuple[int, ...]) -> Groups:
        """Memory at the start of an episode, batch-last."""
        fresh = {group: net.memory((*batch, self.n_agents[group])) for group, net in self.networks.items()}
        return batch_last(fresh, len(batch))

    def outputs(self, params: Groups, memory: Groups, seen: Groups, ids: Groups, rank: int) -> tuple[Groups, Groups]:
        """What the networks say, batch-first, and the memory after it, batch-last, of the agents that are asked.

        Args:
            memory: of all agents, batch-last.
            seen: network_inputs of those that are asked.
            ids: per group who is asked, as `Observation.ids`; all, where a group is missing.
            rank: batch axes.
        """
        outputs, after = {}, {}
        for group, network in self.networks.items():
            own, kept = params[group], memory[group]
            if group in ids:
                own = network.rows(own, ids[group])
                kept = jax.tree.map(lambda x, who=ids[group]: _rows(x, who), kept)
            outputs[group], kept = network.apply(own, batch_first(kept, rank), seen[group])
            after[group] = batch_last(kept, rank)
        return outputs, after


def _rows(x: Array, who: Array) -> Array:
    """Rows `who` of x, `(m,)` or another choice in each world, `(m, *batch)`."""
    if who.ndim == 1:
        return x[who]
    return jnp.take_along_axis(x, who.reshape(len(who), *(1,) * (x.ndim - who.ndim), *who.shape[1:]), 0)
