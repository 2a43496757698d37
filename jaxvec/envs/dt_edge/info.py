"""What `dt_edge` tells of a slot: names, units and meanings of `Timestep.info`, and how they are measured."""

import jax.numpy as jnp
from jax import Array

from jaxvec.core.presence import mean_of_present, of_present
from jaxvec.envs.dt_edge.params import Params
from jaxvec.envs.dt_edge.slot import Decision, Energy, Latency, Queues, Score, at_least_some

INFO = {
    "team_reward": ("-", "mean over vehicles of their own rewards"),
    "qos_mean": ("-", "quality of service (13), 1 - latency / deadline"),
    "latency_mean_s": ("s", "latency of a task, at most the cap"),
    "latency_max_s": ("s", "largest latency"),
    "tx_latency_mean_s": ("s", "of it: upload"),
    "deadline_violation_rate": ("-", "tasks later than their deadline"),
    "timeout_rate": ("-", "tasks given up"),
    "energy_local_j": ("J", "of all vehicles"),
    "energy_edge_j": ("J", "of the server"),
    "energy_sys_j": ("J", "of both (16)"),
    "resource_ratio": ("-", "sum of the shares"),
    "capacity_used_frac": ("-", "part of the server's frequency in use, bias included"),
    "request_ratio": ("-", "sum of the shares asked for"),
    "oversubscribed": ("bool", "more was asked for than there is"),
    "offload_ratio": ("-", "mean ratio of offloading"),
    "queue_total_bits": ("bit", "queues after the slot"),
    "queue_load": ("-", "arrivals by service, mean over types"),
    "drift_exact": ("-", "change of half the squared queues, mean over types"),
    "drift_bound": ("-", "its bound (24a)"),
    "p1_cost": ("J", "-QoS + energy (17a)"),
    "rate_mean_bps": ("bit/s", "mean rate"),
    "reward_n": ("-", "(N,) own rewards"),
    "qos_n": ("-", "(N,) quality of service (12)"),
    "energy_local_n_j": ("J", "(N,) local energy (14)"),
    "rate_bps": ("bit/s", "(N,) rate (2)"),
    "omega": ("-", "(N, K) ratio of offloading"),
    "alpha": ("-", "(N, K) share of the server after (17d)"),
    "t_local_s": ("s", "(N, K) local computing (7)"),
    "t_tx_s": ("s", "(N, K) upload (9)"),
    "t_comp_s": ("s", "(N, K) computing at the server (9)"),
    "t_s": ("s", "(N, K) latency (10), at most the cap"),
    "wait_s": ("s", "(K,) wait for the queue"),
    "arrivals_bits": ("bit", "(K,) offloaded"),
    "service_bits": ("bit", "(K,) what the slot can serve (6)"),
    "served_bits": ("bit", "(K,) what it served"),
}


def measure(
    d: Decision, rates_bps: Array, late: Latency, energy: Energy, q: Queues, score: Score, params: Params
) -> dict[str, Array]:
    """The metrics and arrays of `info`; means are over the streams of the vehicles that are there.

    Args:
        d: what was done.
        rates_bps: `(N,)` [bit/s].
        late: what each task took.
        energy: what the slot took.
        q: the server's queues.
        score: what the slot was worth.
        params: the numbers.
    Returns:
        By name, as `INFO` says.
    """

    def mean(x: Array) -> Array:
        return mean_of_present(params.present, x, (0, 1), score.reward_n.dtype)

    qos = mean_of_present(params.present, score.qos)
    local_j = jnp.sum(energy.local_j, 0)
    return {
        "team_reward": score.team,
        "qos_mean": qos,
        "latency_mean_s": mean(late.total_s),
        "latency_max_s": jnp.max(late.total_s, (0, 1)),
        "tx_latency_mean_s": mean(late.tx_s),
        "deadline_violation_rate": mean(late.raw_s > params.t_max_s),
        "timeout_rate": mean(late.raw_s > params.latency_cap_s),
        "energy_local_j": local_j,
        "energy_edge_j": energy.edge_j,
        "energy_sys_j": local_j + energy.edge_j,
        "resource_ratio": jnp.sum(d.alpha, (0, 1)),
        "capacity_used_frac": score.used,
        "request_ratio": d.request,
        "oversubscribed": d.request > d.budget,
        "offload_ratio": mean(d.omega),
        "queue_total_bits": jnp.sum(q.after_bits, 0),
        "queue_load": jnp.mean(q.arrivals_bits / at_least_some(late.service_bits, params), 0),
        "drift_exact": score.drift_exact,
        "drift_bound": score.drift_bound,
        "p1_cost": -qos + local_j + energy.edge_j,
        "rate_mean_bps": mean_of_present(params.present, rates_bps),
        "reward_n": score.reward_n,
        "qos_n": score.qos,
        "energy_local_n_j": energy.local_j,
        "rate_bps": of_present(params.present, rates_bps),
        "omega": d.omega,
        "alpha": d.alpha,
        "t_local_s": late.local_s,
        "t_tx_s": late.tx_s,
        "t_comp_s": late.comp_s,
        "t_s": late.total_s,
        "wait_s": late.wait_s,
        "arrivals_bits": q.arrivals_bits,
        "service_bits": late.service_bits,
        "served_bits": q.served_bits,
    }
