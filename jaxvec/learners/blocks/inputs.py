"""Inputs of networks that are more than one array: what agents have in common, and agents who are alike, as a set."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import struct
from jax import Array


class OtherAgents(struct.PyTreeNode):
    """An input that all agents have in common, but that each sees without the entries that are its own.

    Attributes:
        context: `(*batch, c)`, for all agents.
        who: which of them see it, 0 to n - 1: `(n,)` all, or `()` a single one.
        start: where entries that belong to agents begin in `context`.
        width: how many each of them has.
    """

    context: Array
    who: Array
    start: int = struct.field(pytree_node=False)
    width: int = struct.field(pytree_node=False)

    def own_entries(self) -> Array:
        """Which entries are an agent's own, bool `(*who, c)`."""
        entry = jnp.arange(self.context.shape[-1]) - self.start
        return entry // self.width == self.who[..., None]

    def array(self) -> Array:
        """With zeros for the own entries, `(*batch, *who, c)`: for networks that know arrays only."""
        context = self.context[..., None, :] if self.who.ndim else self.context
        return jnp.where(self.own_entries(), 0, context)

    def matmul(self, kernel: Array) -> Array:
        """`array() @ kernel`, without a product for each agent where all have the kernel in common.

        Args:
            kernel: `(c, h)`.
        Returns:
            `(*batch, *who, h)`.
        """
        if not self.who.ndim:
            return self.context @ jnp.where(self.own_entries()[:, None], 0, kernel)
        n, end = len(self.who), self.start + len(self.who) * self.width
        own_context = self.context[..., self.start : end].reshape(*self.context.shape[:-1], n, self.width)
        own_kernel = kernel[self.start : end].reshape(n, self.width, -1)
        return (self.context @ kernel)[..., None, :] - jnp.einsum("...nw,nwh->...nh", own_context, own_kernel)


class AgentSet(struct.PyTreeNode):
    """What all agents show, as a set: each agent sees the mean over the others, so that their order does not matter.

    Attributes:
        rows: per group `(*batch, n, d)`.
        group: of those who look.
    """

    rows: dict[str, Array]
    group: str = struct.field(pytree_node=False)

    def means(self, encode: Callable[[Array], Array]) -> list[Array]:
        """The mean of an encoding over the other agents, 0 where there are none.

        Args:
            encode: from rows `(*batch, n, d)` to their encodings `(*batch, n, h)`.
        Returns:
            Per group `(*batch, n, h)`, and of a group that is not the own one, where all are others, `(*batch, 1, h)`.
        """
        result = []
        for group, rows in sorted(self.rows.items()):  # layers are named as they come, and transformations sort dicts
            encoded, n = encode(rows), rows.shape[-2]
            total = jnp.sum(encoded, -2, keepdims=True)
            if group == self.group:
                total, n = total - encoded, n - 1
            result.append(total / max(n, 1))
        return result

    def array(self) -> Array:
        """The means of the rows themselves, beside each other, `(*batch, n, c)`: for networks that know arrays only."""
        return as_array(tuple(self.means(lambda rows: rows)))


def as_array(x: Any) -> Array:
    """What a network sees as one array `(*batch, d)`: parts side by side, batch axes broadcast.

    Args:
        x: an array, `OtherAgents` or an `AgentSet`, or a tuple of these.
    """
    parts = [
        part.array() if isinstance(part, OtherAgents | AgentSet) else jnp.asarray(part)
        for part in (x if isinstance(x, tuple) else (x,))
    ]
    batch = jnp.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return jnp.concatenate([jnp.broadcast_to(part, (*batch, part.shape[-1])) for part in parts], -1)
