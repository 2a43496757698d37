"""What `isac_iov` tells of a slot: names, units and meanings of `Timestep.info`, and how they are measured."""

import jax.numpy as jnp
from jax import Array

from jaxvec.envs.isac_iov.params import Params, State
from jaxvec.envs.isac_iov.slot import Decision, Links, Outcome, Queues, n_present

INFO = {
    "reward": ("-", "minus the drift plus penalty per vehicle, the team's reward"),
    "r_cost": ("-", "its part from the cost, -V mean cost"),
    "r_drift_loc": ("-", "its part from the vehicles' queues"),
    "r_drift_rsu": ("-", "its part from the RSUs' queues"),
    "r_drift_energy": ("-", "its part from the energy queue"),
    "cost_mean": ("-", "system average cost (24): seconds and kJ, weighted"),
    "latency_mean_s": ("s", "mean latency of a task (21)"),
    "latency_max_s": ("s", "largest latency"),
    "energy_mean_j": ("J", "energy per vehicle (23)"),
    "energy_total_j": ("J", "energy of all vehicles"),
    "energy_local_j": ("J", "of it: the vehicle's CPU"),
    "energy_rsu_j": ("J", "of it: the RSUs, computing and aligning"),
    "energy_tx_j": ("J", "of it: transmission"),
    "q_loc_mean_cycles": ("cycle", "vehicles' backlog after the slot (16)"),
    "q_rsu_mean_cycles": ("cycle", "RSUs' backlog after the slot (17)"),
    "v_energy_j": ("J", "energy queue after the slot (27)"),
    "violation_rate": ("-", "share of tasks later than the deadline (C8)"),
    "instr_fraction": ("-", "share of active links that send the instruction (12)"),
    "local_share_mean": ("-", "part computed locally"),
    "active_links_mean": ("-", "RSUs used per vehicle"),
    "rsu_cpu_use": ("-", "processor speed in use, of what the twin leaves"),
    "upload_mean_s": ("s", "upload phase of an active link (12)"),
    "rsu_compute_mean_s": ("s", "computing at the RSU per active link (13)"),
    "wait_loc_mean_s": ("s", "waiting at the own CPU (18); 0 where unused"),
    "wait_rsu_mean_s": ("s", "waiting at an RSU (18); 0 where unused"),
    "present": ("bool", "(I,) on the road in this slot"),
    "ell_loc": ("-", "(I,) local part"),
    "ell_rsu": ("-", "(I, K) part per RSU"),
    "active": ("bool", "(I, K) link in use"),
    "share": ("-", "(I, K) share of the band"),
    "freq_hz": ("Hz", "(I, K) part of the RSU's processor"),
    "f_rsu_hz": ("Hz", "(K,) speed of the RSU's processor"),
    "rate_bps": ("bit/s", "(I, K) rate (1)"),
    "eta": ("bool", "(I, K) instruction mode"),
    "d_data_s": ("s", "(I, K) upload of the raw data (7)"),
    "d_up_s": ("s", "(I, K) upload phase (12)"),
    "d_comp_s": ("s", "(I, K) computing (13)"),
    "wait_loc_s": ("s", "(I,) waiting at the own CPU"),
    "wait_rsu_s": ("s", "(K,) waiting at the RSU"),
    "latency_s": ("s", "(I,) latency"),
    "energy_j": ("J", "(I,) energy"),
}


def measure(state: State, d: Decision, links: Links, work: Queues, o: Outcome, params: Params) -> dict[str, Array]:
    """The metrics and arrays of `info`; means are over the vehicles on the road, the RSUs, or the active links of the slot.

    Args:
        state: at the start of the slot.
        d: what was done.
        links: what the links took.
        work: what came and went at the queues.
        o: what each task took.
        params: the numbers.
    Returns:
        By name, as `INFO` says.
    """
    n = n_present(state)
    n_links = jnp.sum(d.active, (0, 1))

    def mean(x: Array) -> Array:
        return jnp.sum(state.present * x, 0) / n

    def over_links(x: Array) -> Array:
        return jnp.sum(d.active * x, (0, 1)) / jnp.maximum(n_links, 1)

    return {
        "cost_mean": mean(o.cost),
        "latency_mean_s": mean(o.latency_s),
        "latency_max_s": jnp.max(o.latency_s, 0),
        "energy_mean_j": mean(o.energy_j),
        "energy_total_j": jnp.sum(o.energy_j, 0),
        "energy_local_j": mean(o.e_loc_j),
        "energy_rsu_j": mean(jnp.sum(links.e_rsu_j, 1)),
        "energy_tx_j": mean(jnp.sum(links.e_tx_j, 1)),
        "q_loc_mean_cycles": mean(work.q_loc),
        "q_rsu_mean_cycles": jnp.mean(work.q_rsu, 0),
        "v_energy_j": o.v_energy_j,
        "violation_rate": o.violation_rate,
        "instr_fraction": over_links(links.eta),
        "local_share_mean": mean(d.ell_loc),
        "active_links_mean": n_links / n,
        "rsu_cpu_use": jnp.mean(d.f_rsu_hz / params.rsu_free_hz, 0),
        "upload_mean_s": over_links(links.d_up_s),
        "rsu_compute_mean_s": over_links(links.d_comp_s),
        "wait_loc_mean_s": mean((d.ell_loc > 0) * work.wait_loc_s),
        "wait_rsu_mean_s": jnp.mean(jnp.any(d.active, 0) * work.wait_rsu_s, 0),
        "present": state.present,
        **d._asdict(),
        "rate_bps": links.rate_bps,
        "eta": links.eta,
        "d_data_s": links.d_data_s,
        "d_up_s": links.d_up_s,
        "d_comp_s": links.d_comp_s,
        "wait_loc_s": work.wait_loc_s,
        "wait_rsu_s": work.wait_rsu_s,
        "latency_s": o.latency_s,
        "energy_j": o.energy_j,
    }
