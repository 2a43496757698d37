"""What learners report: means over worlds, agents and slots."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array

from jaxvec.core.types import Timestep


def scalars(ts: Timestep) -> Timestep:
    """A timestep of a batch `(W,)` with the scalar entries of its info alone."""
    return ts.replace(info={name: x for name, x in ts.info.items() if x.ndim == 1})  # type: ignore[attr-defined]


def summary(ts: Timestep) -> dict[str, Array]:
    """The mean reward of all agents as `reward`, and the mean of each entry of info as `env/NAME`."""
    found = {f"env/{name}": jnp.mean(x) for name, x in ts.info.items()}
    return found | {"reward": jnp.mean(jnp.stack([jnp.mean(r) for r in ts.reward.values()]))}


def by_group(found: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """Metrics per group in one dict; with several groups, the group's name follows the metric's."""
    return {name if len(found) == 1 else f"{name}/{group}": x for group, m in found.items() for name, x in m.items()}
