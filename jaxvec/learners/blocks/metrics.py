"""What learners report: means over worlds, agents and slots."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.evaluation import attendance
from jaxvec.core.rollout import Slot
from jaxvec.core.types import Timestep
from jaxvec.learners.blocks.losses import weighted_mean


def scalars(ts: Timestep) -> Timestep:
    """A timestep of a batch `(W,)` with the scalar entries of its info alone."""
    return ts.replace(info={name: x for name, x in ts.info.items() if x.ndim == 1})


def summary(slots: Slot) -> dict[str, Array]:
    """The mean reward of the agents as `reward`, and the mean of each entry of info as `env/NAME`, over slots `(time, ..., W)`.

    Where agents come and go, a slot counts by how many of them take part in it.
    """
    weight = jax.vmap(attendance)(slots.obs)
    mean = lambda x: jnp.sum(weight * x) / jnp.maximum(jnp.sum(weight), 1e-6)  # noqa: E731
    found = {f"env/{name}": mean(x) for name, x in slots.ts.info.items()}
    active = slots.obs.active
    earned = [weighted_mean(x, active.get(group, jnp.ones_like(x))) for group, x in slots.ts.reward.items()]
    return found | {"reward": jnp.mean(jnp.stack(earned))}


def by_group(found: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """Metrics per group in one dict; with several groups, the group's name follows the metric's."""
    return {name if len(found) == 1 else f"{name}/{group}": x for group, m in found.items() for name, x in m.items()}
