"""Critics of actions: what they see of observations and actions, and the values they give."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.learners.blocks.actors import Groups, NetworkInputs
from jaxvec.learners.blocks.inputs import AgentSet, OtherAgents
from jaxvec.learners.blocks.networks import Builder, per_agent

Inputs = dict[str, tuple[Array | OtherAgents | AgentSet, ...]]


class Critics:
    """A network per group, shared by its agents or one for each; central ones see the world and everybody's actions, or, if the
    network pools, what everybody sees and does.

    Where an agent's whole action is one choice, its critic does not see it, and gives the values of all choices at once.

    Attributes:
        choices: how many there are, per group where it is so.
        networks: per group.
        pools: see `Network`.
    """

    def __init__(
        self, n_agents: Mapping[str, int], build: Builder, central: bool, share: bool, choices: Mapping[str, int]
    ):
        """Networks without parameters yet.

        Args:
            n_agents: per group.
            build: `build(outputs) -> Network`, see `jaxvec.learners.blocks.networks.Builder`.
            central: see the class.
            share: one network for all agents of a group.
            choices: see the class.
        Raises:
            ValueError: networks that pool are not central, or not shared.
        """
        self.central, self.choices = central, choices
        networks = {group: build(choices.get(group, 1)) for group in n_agents}
        self.pools = any(network.pools for network in networks.values())
        if self.pools and not central:
            raise ValueError("a pooled critic is a central one: central_critic=True")
        self.networks = {g: network if share else per_agent(network, n_agents[g]) for g, network in networks.items()}

    def init(self, key: Array, inputs: Inputs) -> Groups:
        """Parameters per group.

        Args:
            key: for all of them.
            inputs: of one world, rows `(1, n, d)`, as `inputs` gives them.
        """
        return {group: net.init(rng.stream(key, group), inputs[group]) for group, net in self.networks.items()}

    def inputs(self, seen: NetworkInputs, own_actions: Groups, joint_actions: Groups) -> Inputs:
        """What the critics see, per group: an agent's observation and action `(*more, *batch, n, d)`, or its observation alone;
        if central, also the world and the actions of all others, or all rows with their actions to be pooled.

        Args:
            seen: observations, batch-first.
            own_actions: flat actions `(*more, *batch, n, width)` of the agents whose values are asked for.
            joint_actions: flat actions `(*batch, n, width)` of everybody else, and of themselves, which are left out.
        """
        result: Inputs = {}
        for group, flat_action in own_actions.items():
            rows = seen.agents[group]
            if group not in self.choices:
                rows = jnp.broadcast_to(rows, (*flat_action.shape[:-1], rows.shape[-1]))
                rows = jnp.concatenate([rows, flat_action], -1)
            result[group] = (rows,)
        if not self.central:
            return result
        if self.pools:
            all_rows = {group: jnp.concatenate([seen.agents[group], x], -1) for group, x in joint_actions.items()}
            return {group: (*parts, AgentSet(all_rows, group)) for group, parts in result.items()}
        in_order = sorted(joint_actions.items())  # that of groups in a dict is not kept by what transforms programs
        context = jnp.concatenate([seen.world, *(x.reshape(*x.shape[:-2], -1) for _, x in in_order)], -1)
        start = seen.world.shape[-1]
        for group, x in in_order:
            n, width = x.shape[-2:]
            result[group] = (*result[group], OtherAgents(context, jnp.arange(n), start, width))
            start += n * width
        return result

    def values(self, params: Groups, inputs: Inputs) -> Groups:
        """Values by one critic.

        Args:
            params: of its networks, per group.
            inputs: as `inputs` gives them.
        Returns:
            Per group `(*more, *batch, n)`, or of every choice `(*batch, n, k)`, in the critics' units.
        """
        outputs = {group: net.apply(params[group], (), inputs[group])[0] for group, net in self.networks.items()}
        return {group: x if group in self.choices else x[..., 0] for group, x in outputs.items()}

    def min_values(self, params: tuple[Groups, ...], inputs: Inputs) -> Groups:
        """The smallest of several critics' values (Fujimoto et al. 2018).

        Args:
            params: of each critic's networks, per group.
            inputs: as `inputs` gives them.
        Returns:
            As `values` gives them.
        """
        values = [self.values(critic, inputs) for critic in params]
        return {group: jnp.stack([x[group] for x in values]).min(0) for group in values[0]}

    def expected(self, values: Groups, action_probs: Groups) -> Groups:
        """Values per group `(*batch, n)`: where there is one for every choice, their mean.

        Args:
            values: as `values` gives them.
            action_probs: of the choices, `(*batch, n, k)`, perhaps one-hot; of other groups, anything.
        """
        return {g: jnp.sum(x * action_probs[g], -1) if g in self.choices else x for g, x in values.items()}
