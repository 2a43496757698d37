"""Where worlds live: one axis of a mesh of devices, along which everything that has worlds is spread.

Learners are written for all worlds at once. Under `use_devices` the keys of worlds are spread over the devices, and what follows
from them, states, observations, batches, is where its world is; parameters are the same everywhere, and the compiler adds up
gradients over devices. Without it, or on one device, nothing changes. What is drawn and mixed depends on shards of worlds
(`jaxvec.core.shards`) and not on devices, so that results do not depend on how many there are.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.sharding import AxisType, Mesh, PartitionSpec

WORLDS = "worlds"


def usable(
    n_worlds: int, devices: int | Sequence[jax.Device] | None = None, at_most: int | None = None
) -> list[jax.Device]:
    """Of some devices the first, as many as can share some worlds equally: a power of two.

    Args:
        n_worlds: W.
        devices: of a kind, or the first so many that there are; None: all, or that which `jax.default_device` names.
        at_most: no more than so many; None: no limit. Training takes `jaxvec.core.shards.MOST`, of which each holds a shard.
    Raises:
        ValueError: there are not so many.
    """
    default = getattr(jax.config, "jax_default_device", None)
    if devices is None and isinstance(default, jax.Device):
        devices = [default]
    there = jax.devices() if devices is None or isinstance(devices, int) else list(devices)
    many = devices if isinstance(devices, int) else len(there)
    if isinstance(devices, bool) or not 1 <= many <= len(there):
        raise ValueError(f"devices must be from 1 to {len(there)}, the number of those here, not {devices!r}")
    most = 1
    while 2 * most <= min(many, at_most or many) and n_worlds % (2 * most) == 0:
        most *= 2
    return there[:most]


def said(n_worlds: int, used: Sequence[jax.Device]) -> str:
    """In words, on what worlds are, and why not on all that there is.

    Args:
        n_worlds: W.
        used: by `usable`.
    """
    many, there = len(used), len(jax.devices(used[0].platform))
    kind = used[0].device_kind
    words = kind if many == 1 else f"{many} x {kind}, {n_worlds // many} worlds on each"
    if many == there:
        return words
    why = "" if n_worlds % (2 * many) == 0 else f": {n_worlds} worlds cannot be shared equally by {2 * many}"
    return f"{words} ({many} of {there} devices{why})"


@contextmanager
def use_devices(devices: Sequence[jax.Device]) -> Iterator[None]:
    """Inside, worlds are spread over these devices.

    Args:
        devices: one, or several of a kind.
    """
    if len(devices) == 1:
        with jax.default_device(devices[0]):
            yield
        return
    mesh = Mesh(np.asarray(devices), (WORLDS,), axis_types=(AxisType.Auto,))
    with jax.set_mesh(mesh):
        yield


def spread(tree: Any, axis: int = -1) -> Any:
    """What has worlds, each on the device of its world.

    Args:
        tree: of arrays or keys with W entries along an axis.
        axis: which.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or WORLDS not in mesh.axis_names:
        return tree

    def place(x: Array) -> Array:
        if x.shape[axis] % mesh.shape[WORLDS]:
            return x
        names: list[str | None] = [None] * x.ndim
        names[axis] = WORLDS
        return jax.lax.with_sharding_constraint(x, PartitionSpec(*names))

    return jax.tree.map(place, tree)
