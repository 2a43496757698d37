"""What `v2x_offload` tells of a slot: names, units and meanings of `Timestep.info`, and how they are measured.

Throughout:
    state: at the start of the slot.
    d: what was done.
    place: where the vehicles were.
    grants: what each vehicle got.
    links: the uploads.
    o: what each task took.
    worth: `(M,)`, each vehicle's own reward (23) [-].
    params: the numbers.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxvec.core.presence import mean_of_present, of_present
from jaxvec.envs.v2x_offload.params import Params, State
from jaxvec.envs.v2x_offload.slot import Decision, Geometry, Grants, Links, Outcome

INFO = {
    "reward_mean": ("-", "mean over vehicles of 1 - cost"),
    "reward_min": ("-", "the same of the worst"),
    "cost_mean": ("-", "cost (23), in units of a 312 kbit task computed locally"),
    "latency_mean_s": ("s", "latency, at most the deadline"),
    "latency_max_s": ("s", "largest latency"),
    "latency_up_mean_s": ("s", "upload, at most the deadline"),
    "latency_wire_mean_s": ("s", "wire"),
    "latency_cpu_mean_s": ("s", "computing, at most the deadline"),
    "energy_mean_j": ("J", "energy per vehicle, its own and the servers'"),
    "energy_radio_mean_j": ("J", "of it: transmission"),
    "energy_cpu_local_mean_j": ("J", "of it: own CPUs"),
    "energy_cpu_es_mean_j": ("J", "of it: servers"),
    "timeout_rate": ("-", "tasks later than the deadline"),
    "frac_local": ("-", "part of the tasks computed locally"),
    "frac_near": ("-", "part computed at the server that the upload goes to"),
    "frac_remote": ("-", "part computed behind the wire"),
    "beyond_radius_rate": ("-", "offloaders that use a link longer than the radius"),
    "short_grant_rate": ("-", "offloaders that got less than they asked for"),
    "cpu_util": ("-", "granted part of the servers' free CPU"),
    "bw_util": ("-", "granted part of the servers' bandwidth"),
    "jain_latency": ("-", "Jain's index of the latencies, 1 = equal"),
    "turn_latency_s": ("s", "(M,) latency"),
    "turn_energy_j": ("J", "(M,) energy"),
    "turn_cost": ("-", "(M,) cost"),
    "turn_cpu_hz": ("Hz", "(M, N) granted CPU"),
    "turn_bw_hz": ("Hz", "(M, N) granted bandwidth"),
    "turn_rate_bps": ("bit/s", "(M, N) rate (5)"),
    "turn_split": ("-", "(M, 1 + N) part of the task, first the own CPU"),
    "turn_timeout": ("bool", "(M,) later than the deadline"),
}


def measure(
    state: State,
    d: Decision,
    place: Geometry,
    grants: Grants,
    links: Links,
    o: Outcome,
    worth: Array,
    params: Params,
) -> dict[str, Array]:
    """The metrics and arrays of `info`; means are over the vehicles that are there, rates over offloaders, at least 1."""
    away = jnp.any(d.part[:, 1:] > 0, 1)  # a part of 1 may be a rounding less
    near = jnp.sum(place.direct * d.part[:, 1:], 1)

    def mean(x: Array) -> Array:
        return mean_of_present(params.present, x)

    def over_away(x: Array) -> Array:
        return jnp.sum(away & x, 0) / jnp.maximum(jnp.sum(away, 0), 1)

    least, squares = jnp.min(of_present(params.present, worth, jnp.inf), 0), mean(o.latency_s**2)
    if state.present is not None:  # there may be nobody
        least, squares = jnp.where(jnp.any(state.present, 0), least, 0), jnp.where(squares > 0, squares, 1)

    def util(granted: Array, pool: Any) -> Array:
        return jnp.mean(jnp.sum(granted, 0) / pool, 0)

    return {
        "reward_mean": mean(worth),
        "reward_min": least,
        "cost_mean": mean(o.cost),
        "latency_mean_s": mean(o.latency_s),
        "latency_max_s": jnp.max(o.latency_s, 0),
        "latency_up_mean_s": mean(o.up_s),
        "latency_wire_mean_s": mean(o.wire_s),
        "latency_cpu_mean_s": mean(o.cpu_s),
        "energy_mean_j": mean(o.energy_j),
        "energy_radio_mean_j": mean(o.e_radio_j),
        "energy_cpu_local_mean_j": mean(o.e_loc_j),
        "energy_cpu_es_mean_j": mean(o.e_es_j),
        "timeout_rate": mean(o.timeout.astype(worth.dtype)),
        "frac_local": mean(d.part[:, 0]),
        "frac_near": mean(near),
        "frac_remote": mean(1 - d.part[:, 0] - near),
        "beyond_radius_rate": over_away(jnp.any(links.used & (place.dist_m > params.radius_m), 1)),
        "short_grant_rate": over_away(grants.short),
        "cpu_util": util(grants.cpu_hz, params.es_cpu_hz * (1 - state.bg_load)),
        "bw_util": util(grants.bw_hz, params.es_bandwidth_hz),
        "jain_latency": mean(o.latency_s) ** 2 / squares,
        "turn_latency_s": o.latency_s,
        "turn_energy_j": o.energy_j,
        "turn_cost": o.cost,
        "turn_cpu_hz": grants.cpu_hz,
        "turn_bw_hz": grants.bw_hz,
        "turn_rate_bps": links.rate_bps,
        "turn_split": d.part,
        "turn_timeout": o.timeout,
    }
