"""Where worlds live: one axis of a mesh of devices, of one process or several, along which everything that has worlds is spread.

Learners are written for all worlds at once. Under `use_devices` the keys of worlds are spread over the devices, and what follows
from them, states, observations, batches, is where its world is; parameters are the same everywhere, and the compiler adds up
gradients over devices. Without it, or on one device, nothing changes. What is drawn and mixed depends on shards of worlds
(`jaxvec.core.shards`) and not on devices, so that results do not depend on how many there are.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

WORLDS = "worlds"


def usable(
    n_worlds: int, devices: int | Sequence[jax.Device] | None = None, at_most: int | None = None
) -> list[jax.Device]:
    """Of some devices of this process the first, as many as can share some worlds equally: a power of two.

    Args:
        n_worlds: W.
        devices: of a kind, or the first so many that there are; None: all, or that which `jax.default_device` names.
        at_most: no more than so many; None: no limit. Training takes those of `jaxvec.core.shards`, a shard each.
    Raises:
        ValueError: there are not so many.
    """
    default = getattr(jax.config, "jax_default_device", None)
    if devices is None and isinstance(default, jax.Device):
        devices = [default]
    there = jax.local_devices() if devices is None or isinstance(devices, int) else list(devices)
    many = _number(devices, len(there))
    most = 1
    while 2 * most <= min(many, at_most or many) and n_worlds % (2 * most) == 0:
        most *= 2
    return there[:most]


def usable_by_all(
    n_worlds: int, devices: int | Sequence[jax.Device] | None = None, at_most: int | None = None
) -> list[jax.Device]:
    """As `usable`, of the devices of all processes, of each as many: for what all processes compute together.

    Args:
        n_worlds: W.
        devices: as `usable` takes them, of all processes together.
        at_most: no more than so many.
    Raises:
        ValueError: there are not so many, or the processes cannot share the worlds equally.
    """
    processes = jax.process_count()
    if processes == 1:
        return usable(n_worlds, devices, at_most)
    there = jax.devices() if devices is None or isinstance(devices, int) else list(devices)
    many = min(_number(devices, len(there)), at_most or len(there))
    of_each = [[device for device in there if device.process_index == i] for i in range(processes)]
    most = 1
    while 2 * most <= min(many // processes, *map(len, of_each)) and n_worlds % (2 * most * processes) == 0:
        most *= 2
    if processes & (processes - 1) or n_worlds % processes or processes > many or not all(of_each):
        raise ValueError(
            f"{n_worlds} worlds on {many} devices cannot be shared equally by {processes} processes, of which each must have "
            "one at least: take a power of two, which divides the worlds"
        )
    return [device for own in of_each for device in own[:most]]


def _number(devices: Any, there: int) -> int:
    """How many devices are asked for, of those there are.

    Raises:
        ValueError: there are not so many.
    """
    many = there if devices is None else devices if isinstance(devices, int) else len(devices)
    if isinstance(devices, bool) or not 1 <= many <= there:
        raise ValueError(f"devices must be from 1 to {there}, the number of those here, not {devices!r}")
    return many


def said(n_worlds: int, used: Sequence[jax.Device]) -> str:
    """In words, on what worlds are, and why not on all that there is.

    Args:
        n_worlds: W.
        used: by `usable`.
    """
    many, there = len(used), len(jax.devices(used[0].platform))
    kind = used[0].device_kind
    processes = len({device.process_index for device in used})
    where = f" in {processes} processes" if processes > 1 else ""
    words = kind if many == 1 else f"{many} x {kind}{where}, {n_worlds // many} worlds on each"
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


def placed(tree: Any, shardings: Any) -> Any:
    """Arrays that are whole in each process, spread over the devices of all.

    Args:
        tree: of arrays and keys.
        shardings: of each, a tree of the same structure.
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, shardings)

    def place(x: Array, sharding: NamedSharding) -> Array:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            words, axes = jax.random.key_data(x), [*sharding.spec, *[None] * (x.ndim - len(sharding.spec))]
            of_words = NamedSharding(sharding.mesh, PartitionSpec(*axes, None))
            return jax.random.wrap_key_data(place(words, of_words), impl=jax.random.key_impl(x))
        whole = np.asarray(x)
        return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])

    return jax.tree.map(place, tree, shardings)


def fetched(tree: Any) -> Any:
    """Arrays of all processes on the host of process 0, keys as their words; all processes call it at once.

    Args:
        tree: of arrays and keys, as a computation of all processes gives them.
    Returns:
        The tree, of NumPy's arrays; in other processes None in place of each.
    """
    from jax.experimental.multihost_utils import process_allgather

    def fetch(x: Array) -> np.ndarray | None:
        words = jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
        whole = words if words.is_fully_replicated else process_allgather(words, tiled=True)
        return np.asarray(whole) if jax.process_index() == 0 else None

    return jax.tree.map(fetch, tree)  # one after the other: on each device there is room for more than one


def own(tree: Any) -> Any:
    """Arrays that all processes have whole, as this one has them, to compute with them alone; others as they are.

    Args:
        tree: of arrays and keys.
    """

    def alone(x: Any) -> Any:
        apart = isinstance(x, Array) and not x.is_fully_addressable and x.is_fully_replicated
        return x.addressable_data(0) if apart else x

    return jax.tree.map(alone, tree)
