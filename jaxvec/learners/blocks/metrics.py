"""What learners report: means over worlds, agents and slots."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.evaluation import attendance
from jaxvec.core.rollout import Slot
from jaxvec.core.types import Timestep
from jaxvec.core.weights import weighted_mean


def scalars(ts: Timestep) -> Timestep:
    """A timestep with those entries of its info alone that are scalars of a world.

    Args:
        ts: of a batch `(W,)`.
    Returns:
        The timestep, whose info is `(W,)` each.
    """
    return ts.replace(info={name: x for name, x in ts.info.items() if x.ndim == 1})


def summary(slots: Slot) -> dict[str, Array]:
    """What an update reports of its slots. Where agents come and go, a slot counts by how many of them take part in it.

    Args:
        slots: `(time, ..., W)`, whose info has scalars of a world alone, see `scalars`.
    Returns:
        `()` each: the mean of each entry of info as `env/NAME`, in its unit, and the mean reward of the agents as `reward`, of
        several groups the mean of their means.
    """
    weight = jax.vmap(attendance)(slots.obs)
    active = slots.obs.active
    rewards = [weighted_mean(x, active.get(group, jnp.ones_like(x))) for group, x in slots.ts.reward.items()]
    means = {f"env/{name}": weighted_mean(x, weight, least=1e-6) for name, x in slots.ts.info.items()}
    return means | {"reward": jnp.mean(jnp.stack(rewards))}


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
