"""Backlogs of work in slotted time, in whatever unit the caller counts (cycle, bit)."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def update(
    backlog: Float[Array | float, "*#node"],
    arrivals: Float[Array | float, "*#node"],
    service: Float[Array | float, "*#node"],
) -> tuple[Float[Array, "*node"], Float[Array, "*node"]]:
    """One slot of a queue that also serves what arrives in the slot; nothing is lost: q + lam = q' + departures.

    Source: (16), (17) of the ISAC-IoV paper: q' = max(q - s + lam, 0), departures = min(q + lam, s).

    Args:
        backlog: q at the start of the slot [unit].
        arrivals: lam, during the slot [unit].
        service: s, the most that the slot can serve [unit].
    Returns:
        Backlog at the end of the slot and departures during it [unit].
    """
    return jnp.maximum(backlog - service + arrivals, 0.0), jnp.minimum(backlog + arrivals, service)


def serve_bounded(
    load: Float[Array | float, "*#node"],
    capacity: Float[Array | float, "*#node"],
    service: Float[Array | float, "*#node"],
) -> tuple[Float[Array, "*node"], Float[Array, "*node"], Float[Array, "*node"]]:
    """One slot of a queue with a limit: what exceeds it is lost, what is kept is served; load = q' + departures + drops.

    Source: the cache of the twin-migration paper, III-B (data that a full cache cannot take are dropped).

    Args:
        load: what waits and what arrives in the slot [unit].
        capacity: the most that is kept [unit]; infinite for a queue without a limit.
        service: the most that the slot can serve [unit].
    Returns:
        Backlog at the end of the slot, departures during it, and drops [unit].
    """
    admitted = jnp.minimum(load, capacity)
    departures = jnp.minimum(admitted, service)
    return admitted - departures, departures, load - admitted


def little_wait_s(
    backlog_sum: Float[Array, "*#node"],
    arrival_sum: Float[Array | float, "*#node"],
    departure_sum: Float[Array | float, "*#node"],
    slot_s: Float[Array | float, "*#node"],
) -> Float[Array, "*node"]:
    """Mean wait over a window of slots by Little's law, L / throughput.

    Source: (18) of the ISAC-IoV paper with errata E11: the throughput is the larger of arrivals and departures, so the
    wait stays finite while a queue drains without arrivals. It never divides by less than one unit of work.

    Args:
        backlog_sum: backlogs at the start of each slot, summed over the window [unit], at least 0.
        arrival_sum: arrivals of the window [unit].
        departure_sum: departures of the window [unit].
        slot_s: duration of a slot [s].
    Returns:
        Wait [s], 0 where nothing waits.
    """
    throughput = jnp.maximum(jnp.maximum(arrival_sum, departure_sum), 1.0)
    return slot_s * (backlog_sum / throughput)
