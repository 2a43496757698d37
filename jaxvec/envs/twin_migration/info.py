"""What `twin_migration` tells of a slot: names, units and meanings of `Timestep.info`, and how they are measured.

Throughout:
    sizes: sizes and switches.
    state, after: at the start of the slot, and of the next one.
    d: where each twin was.
    loads: what the servers were asked to do.
    links: of the vehicles.
    o: what became of each vehicle's slot.
    caches: what became of the loads.
    params: the numbers.
"""

import jax.numpy as jnp
from jax import Array

from jaxvec.envs.twin_migration.params import MB, Params, Sizes, State
from jaxvec.envs.twin_migration.scene import arrived, edge
from jaxvec.envs.twin_migration.slot import Caches, Decision, Links, Loads, Outcome, load_variance_mb2

INFO = {
    "latency_s": ("s", "latency (13), mean over vehicles on their way, as what follows up to `feasible_mean`"),
    "latency_up_s": ("s", "of it: upload (6)"),
    "latency_down_s": ("s", "of it: download (7)"),
    "latency_compute_s": ("s", "of it: computing (9)"),
    "latency_mig_s": ("s", "of it: migration (12)"),
    "tx_per_packet_s": ("s", "up and down per second of data, the paper's latency per transmission"),
    "packet_loss": ("-", "share of failed services (14)"),
    "loss_range": ("-", "of it: out of reach, or no server"),
    "loss_overload": ("-", "of it: the server's cache is full"),
    "migration_rate": ("-", "share of twins that migrate (10)"),
    "sat_share": ("-", "share of twins on the satellite"),
    "uav_share": ("-", "share of twins on UAVs"),
    "own_load_mb": ("MB", "load of the own server"),
    "feasible_mean": ("-", "servers that the mask leaves, before its fallback"),
    "n_active": ("-", "vehicles on their way"),
    "load_var_mb2": ("MB^2", "variance of loads over servers (16b)"),
    "load_mean_mb": ("MB", "mean load of the servers"),
    "queue_mean_mb": ("MB", "what is left in the caches, mean over the servers of the next slot"),
    "dropped_mb": ("MB", "what full caches dropped, of all servers"),
    "overloaded_servers": ("-", "RSUs and UAVs with more than their cache holds"),
    "vehicle_active": ("bool", "(V,) on its way in this slot"),
    "agent_done": ("bool", "(V,) has arrived by the end of this slot"),
    "served": ("bool", "(V,) its server exists"),
    "migrate": ("bool", "(V,) its twin migrates (10)"),
    "rate_up": ("bit/s", "(V,) rate (4), 0 where not served"),
    "rate_down": ("bit/s", "(V,) rate (5), 0 where not served"),
    "rate_mig": ("bit/s", "(V,) rate (11), 0 without migration"),
    "t_up": ("s", "(V,) upload (6)"),
    "t_down": ("s", "(V,) download (7)"),
    "t_cul": ("s", "(V,) computing (9)"),
    "t_mig": ("s", "(V,) migration (12)"),
    "t_sum": ("s", "(V,) latency (13)"),
    "out_of_range": ("bool", "(V,) the server is out of reach, or does not exist"),
    "overload": ("bool", "(V,) the server's cache is full"),
    "xi": ("-", "(V,) failure (14)"),
    "own_load": ("bit", "(V,) load of the own server"),
    "z_lat": ("-", "(V,) Z-score of latency (22)"),
    "z_load": ("-", "(V,) Z-score of the own load (22), or of the variance (21)"),
    "episode_loss": ("-", "(V,) share of failed slots of the episode so far (15)"),
    "episode_migrations": ("slot", "(V,) migrations of the episode so far"),
    "bg": ("bit", "(M,) background work (8)"),
    "vt_in": ("bit", "(M,) data of twins (8)"),
    "load": ("bit", "(M,) load (8)"),
    "processed": ("bit", "(M,) of it: worked off"),
    "dropped": ("bit", "(M,) of it: dropped"),
    "lost": ("bit", "(M,) of it: gone with servers that leave"),
    "server_active": ("bool", "(M,) exists in this slot"),
    "dist": ("m", "(V, M - 1) distance (2) to RSUs and UAVs"),
}


def measure(
    sizes: Sizes,
    state: State,
    after: State,
    d: Decision,
    loads: Loads,
    links: Links,
    o: Outcome,
    caches: Caches,
    params: Params,
) -> dict[str, Array]:
    """The metrics and arrays of `info`; means are over the vehicles on their way."""
    scene, sat = state.scene, sizes.n_servers - 1
    active, real = scene.veh_active, o.t_sum.dtype
    n = jnp.sum(active, 0).astype(real)
    on_edge = edge(sizes, state.t.ndim)

    def mean(x: Array) -> Array:
        return jnp.sum(active * x, 0) / jnp.maximum(n, 1)

    def mean_mb(bits: Array, there: Array) -> Array:
        return jnp.sum(there * bits / MB, 0) / jnp.maximum(jnp.sum(there, 0), 1)

    return {
        "latency_s": mean(o.t_sum),
        "latency_up_s": mean(links.t_up),
        "latency_down_s": mean(links.t_down),
        "latency_compute_s": mean(o.t_cul),
        "latency_mig_s": mean(links.t_mig),
        "tx_per_packet_s": mean(links.t_up + links.t_down) / params.slot_s,
        "packet_loss": mean(o.xi),
        "loss_range": mean(o.out_of_range),
        "loss_overload": mean(o.overload),
        "migration_rate": mean(d.migrate),
        "sat_share": mean(d.served & (d.server == sat)),
        "uav_share": mean(d.served & (d.server >= sizes.n_rsu) & (d.server != sat)),
        "own_load_mb": mean(o.own_load) / MB,
        "feasible_mean": mean(jnp.sum(scene.feasible, 1)),
        "n_active": n,
        "load_var_mb2": load_variance_mb2(loads.load, scene.server_active),
        "load_mean_mb": mean_mb(loads.load, scene.server_active),
        "queue_mean_mb": mean_mb(caches.queue, after.scene.server_active),
        "dropped_mb": jnp.sum(caches.dropped, 0) / MB,
        "overloaded_servers": jnp.sum(on_edge & (loads.load > params.cache_bits), 0).astype(real),
        "vehicle_active": active,
        "agent_done": arrived(after, params),
        "served": d.served,
        "migrate": d.migrate,
        **links._asdict(),
        **{name: x for name, x in o._asdict().items() if name != "reward"},
        "episode_loss": after.fails.astype(real) / jnp.maximum(after.active_slots, 1).astype(real),
        "episode_migrations": after.migrations,
        **loads._asdict(),
        **{name: x for name, x in caches._asdict().items() if name != "queue"},
        "server_active": scene.server_active,
        "dist": scene.dist,
    }
