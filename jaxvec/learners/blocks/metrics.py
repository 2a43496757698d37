"""What learners report: means over worlds, agents and slots."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core.evaluation import attendance
from jaxvec.core.rollout import Slot
from jaxvec.core.types import Timestep
from jaxvec.core.weights import weighted_mean


class Scalars(struct.PyTreeNode):
    """The entries of an info that are scalars of a world, as one array: each on its own would be kernels of its own.

    Attributes:
        names: of the entries.
        values: `(n, W)`, or of many slots `(time, n, W)`, each in its own unit.
    """

    names: tuple[str, ...] = struct.field(pytree_node=False)
    values: Array


def scalars(ts: Timestep) -> Timestep:
    """A timestep whose info is its `Scalars` alone.

    Args:
        ts: of a batch `(W,)`.
    """
    info = {name: x for name, x in ts.info.items() if x.ndim == 1}
    values = jnp.stack([x.astype(float) for x in info.values()]) if info else jnp.zeros((0, *ts.truncated.shape))
    return ts.replace(info=Scalars(tuple(info), values))


def summary(slots: Slot) -> dict[str, Array]:
    """What an update reports of its slots. Where agents come and go, a slot counts by how many of them take part in it.

    Args:
        slots: `(time, ..., W)`, whose info is `Scalars`, see `scalars`.
    Returns:
        `()` each: the mean of each entry of info as `env/NAME`, in its unit, and the mean reward of the agents as `reward`, of
        several groups the mean of their means.
    """
    weight, active = jax.vmap(attendance)(slots.obs), slots.obs.active
    info: Any = slots.ts.info
    rewards = [weighted_mean(x, active.get(group, jnp.ones_like(x))) for group, x in slots.ts.reward.items()]
    means = weighted_mean(info.values, weight[:, None], (0, 2), least=1e-6)
    named = {f"env/{name}": means[i] for i, name in enumerate(info.names)}
    return named | {"reward": jnp.mean(jnp.stack(rewards))}


def by_group(metrics: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """Metrics per group in one dict; with several groups, the group's name follows the metric's.

    Args:
        metrics: per group, by name.
    Returns:
        By `name`, or `name/group`.
    """
    several = len(metrics) > 1
    return {
        f"{name}/{group}" if several else name: x for group, of_group in metrics.items() for name, x in of_group.items()
    }
