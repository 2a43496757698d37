"""Critics of actions: what they see, and what they say of it."""

from collections.abc import Callable, Mapping

import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.learners.blocks.actors import Groups, NetworkInputs
from jaxvec.learners.blocks.inputs import AgentSet, OtherAgents
from jaxvec.learners.blocks.networks import Network, per_agent

Inputs = dict[str, tuple[Array | OtherAgents | AgentSet, ...]]


class Critics:
    """A network per group, shared by its agents or one for each; central ones see the world and everybody's actions, or, if the
    network pools, what everybody sees and does.

    Where an agent's whole action is one choice, its critic does not see it, and says the value of every choice at once.

    Attributes:
        choices: how many there are, per group where it is so.
        pools: see `Network`.
    """

    def __init__(
        self,
        n_agents: Mapping[str, int],
        network: Callable[[int], Network],
        central: bool,
        share: bool,
        choices: Mapping[str, int],
    ):
        self.central, self.choices = central, choices
        own = {group: network(choices.get(group, 1)) for group in n_agents}
        self.pools = any(net.pools for net in own.values())
        if self.pools and not central:
            raise ValueError("a pooled critic is a central one: central_critic=True")
        self.networks = {group: own[group] if share else per_agent(own[group], n) for group, n in n_agents.items()}

    def init(self, key: Array, inputs: Inputs) -> Groups:
        """Parameters per group."""
        return {group: net.init(rng.stream(key, group), inputs[group]) for group, net in self.networks.items()}

    def inputs(self, seen: NetworkInputs, own: Groups, joint: Groups) -> Inputs:
        """What the critics see, per group: an agent's observation and action `(*more, *batch, n, d)`, or its observation alone;
        if central, also the world and the actions of all others, or all rows with their actions to be pooled.

        Args:
            own: flat actions `(*more, *batch, n, width)` of the agents that are judged.
            joint: flat actions of everybody else, and of themselves, which are left out.
        """
        result: Inputs = {}
        for group, x in own.items():
            rows = seen.agents[group]
            if group not in self.choices:
                rows = jnp.concatenate([jnp.broadcast_to(rows, (*x.shape[:-1], rows.shape[-1])), x], -1)
            result[group] = (rows,)
        if not self.central:
            return result
        if self.pools:
            rows = {group: jnp.concatenate([seen.agents[group], x], -1) for group, x in joint.items()}
            return {group: (*parts, AgentSet(rows, group)) for group, parts in result.items()}
        actions = [x.reshape(*x.shape[:-2], -1) for x in joint.values()]
        context = jnp.concatenate([seen.world, *actions], -1)
        start = seen.world.shape[-1]
        for group, x in joint.items():
            n, width = x.shape[-2:]
            result[group] = (*result[group], OtherAgents(context, jnp.arange(n), start, width))
            start += n * width
        return result

    def values(self, params: Groups, inputs: Inputs) -> Groups:
        """Per group `(*more, *batch, n)`, or of every choice `(*batch, n, k)`."""
        said = {group: net.apply(params[group], (), inputs[group])[0] for group, net in self.networks.items()}
        return {group: x if group in self.choices else x[..., 0] for group, x in said.items()}

    def of(self, values: Groups, chance: Groups) -> Groups:
        """Per group `(*batch, n)`: of every choice's values, the mean under `chance` `(*batch, n, k)`, perhaps one-hot."""
        return {group: jnp.sum(x * chance[group], -1) if group in self.choices else x for group, x in values.items()}
