"""Weak scaling on paper: what an update costs on many GPUs, from what its compiled program does and moves on two devices.

Each GPU has W worlds, whatever their number n is. An update then takes, without any overlap of the two,

    T(n) = C + sum over all-reduces of R(B, n),    efficiency = C / T(n),

with C the time in which a GPU computes its part: no less than that of its kernels, FLOPs and bytes, of which the largest counts
(the less it is, the more weighs what is moved, so that the efficiency is a lower bound where C is one). R is the time of one
all-reduce of B bytes that n GPUs have in full: within a node of m = min(n, 8) a reduce-scatter and an all-gather over NVLink,
between k = n / m nodes a ring of what each GPU is left with, B / m, over its own InfiniBand adapter:

    R(B, n) = a + 2 log2(m) b + 2 log2(k) c + 2 (m - 1) / m B / NVLink + 2 (k - 1) / k (B / m) / InfiniBand
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cluster:
    """Nodes of GPUs; the bandwidths and FLOPs are those that are sold, the latencies are assumed.

    Attributes:
        gpus_per_node: that NVLink connects, each with every other.
        nvlink_bytes_per_s: each way, per GPU.
        infiniband_bytes_per_s: each way, per GPU, which has an adapter of its own of 400 Gb/s.
        kernel_s: that a kernel takes at least, one of a collective among them (a).
        nvlink_hop_s: of a step between GPUs of a node (b).
        infiniband_hop_s: of a step between nodes (c).
        flops_per_s: of a GPU in float32, without tensor cores.
        memory_bytes_per_s: of a GPU.
    """

    gpus_per_node: int = 8
    nvlink_bytes_per_s: float = 450e9
    infiniband_bytes_per_s: float = 50e9
    kernel_s: float = 4e-6
    nvlink_hop_s: float = 2e-6
    infiniband_hop_s: float = 5e-6
    flops_per_s: float = 67e12
    memory_bytes_per_s: float = 4.8e12


H200 = Cluster()


def reduce_s(n_bytes: float, gpus: int, cluster: Cluster = H200) -> float:
    """Seconds of one all-reduce, see the module.

    Args:
        n_bytes: B, that each GPU has and gets.
        gpus: n, a power of two.
        cluster: of which they are.
    """
    if gpus == 1:
        return 0.0
    m = min(gpus, cluster.gpus_per_node)
    k = gpus // m
    latency = cluster.kernel_s + 2 * math.log2(m) * cluster.nvlink_hop_s + 2 * math.log2(k) * cluster.infiniband_hop_s
    within = 2 * (m - 1) / m * n_bytes / cluster.nvlink_bytes_per_s
    between = 2 * (k - 1) / k * n_bytes / m / cluster.infiniband_bytes_per_s
    return latency + within + between


def reduces_s(reduces: Iterable[tuple[float, float]], gpus: int, cluster: Cluster = H200) -> float:
    """Seconds that an update spends in all-reduces.

    Args:
        reduces: bytes of each, and how often it runs in an update.
        gpus, cluster: as `reduce_s` takes them.
    """
    return sum(times * reduce_s(n_bytes, gpus, cluster) for n_bytes, times in reduces)


def bounds_s(work: dict[str, Any], growth: float = 1.0, cluster: Cluster = H200) -> dict[str, float]:
    """Seconds that the kernels, the FLOPs and the bytes of an update take on one GPU at least.

    Args:
        work: `kernels`, `flops` and `bytes` of an update at a learner's own number of worlds.
        growth: how many times as many worlds; FLOPs and bytes grow with them, kernels do not.
        cluster: whose GPU.
    """
    return {
        "kernels": work["kernels"] * cluster.kernel_s,
        "flops": growth * work["flops"] / cluster.flops_per_s,
        "bytes": growth * work["bytes"] / cluster.memory_bytes_per_s,
    }


def efficiency(compute_s: float, moved_s: float) -> float:
    """Speed of n GPUs over n times that of one.

    Args:
        compute_s: of an update, on each.
        moved_s: of an update, in all-reduces.
    """
    return compute_s / (compute_s + moved_s)
