"""What a processor takes to do its work, in time and energy, and how requests share it.

Tasks at nodes are arrays `(task, ...)` of values beside an integer array of the same shape, the node of each. Look-ups
are sums over comparisons: they write no array over pairs to memory as a masked sum over an axis does on a CPU, and their
gradients are free of the scatters of a gather. Sums over tasks are loops of a few terms at a time, whose inputs and results
are written to memory: as one expression, XLA would compute it anew in each of its readers, and sums of sums without end.
"""

from functools import reduce
from operator import add

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxvec.physics._safe import root
from jaxvec.physics._sums import sum_over_tasks


def time_s(
    cycles: Float[Array | float, "*#link"], frequency_hz: Float[Array | float, "*#link"]
) -> Float[Array, "*link"]:
    """Time that work takes: cycles / f. Source: (5), (13) of the ISAC-IoV paper.

    Args:
        cycles: work [cycle], at least 0.
        frequency_hz: speed f given to it [Hz], at least 0.
    Returns:
        Time [s]. Where f is 0: 0 without work and inf with it, both with gradient 0.
    """
    stands = jnp.asarray(frequency_hz) == 0.0
    waits_s = jnp.where(jnp.asarray(cycles) <= 0.0, 0.0, jnp.inf)
    return jnp.where(stands, waits_s, cycles / jnp.where(stands, 1.0, frequency_hz))


def energy_j(
    kappa: Float[Array | float, "*#link"],
    frequency_hz: Float[Array | float, "*#link"],
    cycles: Float[Array | float, "*#link"],
) -> Float[Array, "*link"]:
    """Energy that work takes on a CMOS processor: kappa f^2 cycles. Source: (6), (11), (14) of the ISAC-IoV paper.

    Args:
        kappa: effective switched capacitance [W s^3], 1e-28 to 1e-26.
        frequency_hz: speed f [Hz].
        cycles: work [cycle].
    Returns:
        Energy [J].
    """
    return jnp.asarray(
        kappa * frequency_hz * frequency_hz * cycles
    )  # in this order float32 neither over- nor underflows


def fit_to_budget(request: Float[Array, "*link"], axis: int | tuple[int, ...]) -> Float[Array, "*link"]:
    """Shares of one resource: requests as they are while they sum to 1 or less, scaled down in proportion above it.

    Args:
        request: part of the resource asked for [-], at least 0.
        axis: entity axes that compete, counted from the front: batch axes follow.
    Returns:
        Part granted [-], summing to 1 at most over `axis`.
    Raises:
        ValueError: an axis is negative, counted from the back.
    """
    if any(a < 0 for a in ((axis,) if isinstance(axis, int) else axis)):
        raise ValueError(f"axis counts from the front, because worlds come last; got {axis}")
    return request / jnp.maximum(1.0, jnp.sum(request, axis=axis, keepdims=True))


def cpu_available_hz(
    z: Float[Array, "*#node"],
    f_min_hz: Float[Array | float, "*#node"],
    f_max_hz: Float[Array | float, "*#node"],
    deviation_var: Float[Array | float, "*#node"],
) -> Float[Array, "*node"]:
    """Speed that load and heat leave a processor: f_max (1 - sqrt(deviation_var / 2) z), between f_min and f_max.

    Source: (4) of the URLLC-VEC paper, erratum 10: of the complex normal deviation the real part, half its variance.

    Args:
        z: standard normal number [-].
        f_min_hz: slowest speed [Hz].
        f_max_hz: fastest speed [Hz].
        deviation_var: variance of the complex deviation, as a part of f_max [-].
    Returns:
        Speed [Hz].
    """
    return jnp.clip(f_max_hz * (1.0 - root(0.5 * jnp.asarray(deviation_var)) * z), f_min_hz, f_max_hz)


def at_node(of_node: Float[Array, "node *batch"], node: Int[Array, "task *batch"]) -> Float[Array, "task *batch"]:
    """What each task finds at its node: of_node[node].

    Args:
        of_node: one number per node [unit].
        node: the node of each task [-]; one that does not exist has 0.
    Returns:
        Number of each task's node [unit].
    """
    return reduce(add, (jnp.where(node == n, of_node[n], 0.0) for n in range(of_node.shape[0])))


def sum_at_node(
    of_task: Float[Array, "task *batch"], node: Int[Array, "task *batch"], n: int
) -> Float[Array, "n *batch"]:
    """What the tasks of each node sum up to.

    Args:
        of_task: one number per task [unit], 0 for a task that does not count.
        node: the node of each task [-].
        n: number of nodes.
    Returns:
        Sum at each node [unit].
    """
    index = _index(n, of_task)
    return sum_over_tasks(lambda x, at: jnp.where(at == index, x, 0.0), of_task, node)


def weighted_share(
    weight: Float[Array, "task *batch"], node: Int[Array, "task *batch"], placed: Bool[Array, "task *batch"]
) -> Float[Array, "task *batch"]:
    """Share of its node that a task gets where all tasks placed there share it by weight.

    Source: (5) of the URLLC-VEC paper, erratum 11. Equal weights share equally.

    Args:
        weight: how much a task counts [-], at least 0.
        node: the node of each task [-].
        placed: whether the task is processed there at all.
    Returns:
        Part of the node [-], summing to 1 over its placed tasks; 0 for tasks that are not placed or weigh nothing.
    """
    mine = jnp.where(placed, weight, 0.0)
    total = sum_over_tasks(lambda x, at: jnp.where(at == node, x, 0.0), mine, node)
    return mine / jnp.where(mine == 0.0, 1.0, total)


def admit_prefix(
    priority: Float[Array, "task *batch"],
    cycles: Float[Array, "task *batch"],
    node: Int[Array, "task *batch"],
    live: Bool[Array, "task *batch"],
    used: Float[Array, "node *batch"],
    budget: Float[Array, "node *batch"],
) -> Bool[Array, "task *batch"]:
    """Which tasks a node takes, from the highest priority down, as long as their work fits into its budget.

    A task is admitted if it fits together with all live tasks at its node that come before it, admitted or not: so a
    small task never overtakes a large one. Equal priorities go by index.
    Source: kappa of (5) to (7) of the URLLC-VEC paper, erratum 22.

    Args:
        priority: larger comes first [-].
        cycles: work of each task [cycle].
        node: where each task asks [-].
        live: whether it asks at all.
        used: what the node has taken before [cycle].
        budget: the most it takes [cycle].
    Returns:
        True where admitted, False where not live.
    """
    index, asked = _index(priority.shape[0], priority), jnp.where(live, cycles, 0.0)

    def before(k: Array, rank: Array, at: Array, work: Array) -> Array:
        # task k comes first, or is the task itself: by its index, since a compiler may round a priority in two ways
        first = (k == index) | (rank > priority) | ((rank == priority) & (k < index))
        return jnp.where(first & (at == node), work, 0.0)

    order = jnp.arange(priority.shape[0])
    taken = at_node(used, node) + sum_over_tasks(before, order, priority, node, asked)
    return live & (taken <= at_node(budget, node))


def _index(n: int, like: Float[Array, "task *batch"]) -> Int[Array, "n *ones"]:
    """0 to n - 1 on a first axis, to broadcast against the batch axes of an array."""
    return jnp.arange(n).reshape((n,) + (1,) * (like.ndim - 1))
