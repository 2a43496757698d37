"""What decides the claims of the paper behind `dt_edge`."""

from typing import Any

import numpy as np

from jaxvec.papers.checks import SINGLE_SEED, Check, Verdict, both, in_order, judge, rises, untestable, without_interval
from jaxvec.papers.data import Data
from jaxvec.papers.dt_edge.series import BIASES_HZ, MINUS, PLUS, ZERO, named

CROWDED = ("offload_equal", "greedy_latency", "local_threshold", "slot_optimum")


def by_bias(data: Data, policy: str, x: float, metric: str, scale: float, unit: str) -> str:
    """What a policy has at each bias, in words."""
    means = [data.mean(named(policy, bias), x, metric) * scale for bias in BIASES_HZ]
    return f"{policy} among {x:g}: {', '.join(f'{mean:.4g}' for mean in means)} {unit} at {', '.join(BIASES_HZ)}"


def all_rise(metric: str, unit: str, sign: int, scale: float, rules: tuple[str, ...]) -> Check:
    """A metric rises, or falls, with every vehicle under each of several rules; arguments as those of `rises`."""
    return lambda data: both(*(rises(data, named(rule, PLUS), metric, unit, sign, scale) for rule in rules))


def learners_in_order(metric: str, first: str, second: str) -> Check:
    """One learner above the other at every number of vehicles."""

    def check(data: Data) -> Verdict:
        verdicts = []
        for x in data.xs:
            pair = [(named(first, PLUS), x), (named(second, PLUS), x)]
            verdicts.append(in_order(data, pair, metric, [f"{first} {x:g}", f"{second} {x:g}"]))
        return both(*verdicts)

    return check


# Fig. 3


def local_work(data: Data) -> Verdict:
    """P5."""
    energy_j = np.array([data.mean(named("local", PLUS), x, "energy_local_j") for x in data.xs])
    ratio = energy_j / energy_j[0] / (np.array(data.xs) / data.xs[0])
    late, quality = (
        [data.mean(named("local", bias), x, metric) for bias in BIASES_HZ for x in data.xs]
        for metric in ("latency_mean_s", "qos_mean")
    )
    off = float(np.abs(ratio - 1).max())
    text = f"latency {min(late) * 1e3:.2f} to {max(late) * 1e3:.2f} ms, QoS {min(quality):.4f} to {max(quality):.4f}"
    fits = off < 0.01 and np.allclose(late, 62.5e-3, rtol=0.01) and np.allclose(quality, 0.375, rtol=0.02)
    return judge(bool(fits), f"{text}; energy by N off a line by {off:.1%}")


def bias_in_energy(data: Data) -> Verdict:
    """L3."""
    x = data.xs[-1]
    return in_order(data, [(named("MARL", MINUS), x), (named("MARL", PLUS), x)], "energy_sys_j")


# Fig. 4


def bias_speeds_up(data: Data) -> Verdict:
    """P2: unless the server is full."""
    x = data.xs[-1]
    cells = [(named("starve", bias), x) for bias in (MINUS, ZERO, PLUS)]
    slower = in_order(data, cells, "latency_mean_s")
    spread = np.ptp([data.mean(*cell, "energy_edge_j") for cell in cells])
    text = f"{by_bias(data, 'starve', x, 'latency_mean_s', 1e3, 'ms')}; server's energy apart by {spread:.1g} J"
    return both(slower, judge(bool(spread < 1e-9), text))


def bias_of_a_full_server(data: Data) -> Verdict:
    """P3."""
    x = data.xs[-1]
    equal = [data.samples(named("offload_equal", bias), x, "latency_mean_s")[0] for bias in BIASES_HZ]
    apart = max(float(np.abs(a - equal[0]).max()) for a in equal)
    gap = data.ahead((named("local_threshold", PLUS), x), (named("local_threshold", MINUS), x), "latency_mean_s")
    text = by_bias(data, "local_threshold", x, "latency_mean_s", 1e3, "ms")
    text = f"offload_equal apart by at most {apart * 1e3:.1g} ms in any world; {text}"
    return judge(apart < 1e-5 and gap.mean > gap.half, text)


# Fig. 5


def regimes(data: Data) -> Verdict:
    """P9."""
    few, many = data.xs[0], data.xs[-1]
    gaps = [data.ahead((named("offload_equal", PLUS), x), (named("local", PLUS), x)) for x in (few, many)]
    qos = [data.mean(named("offload_equal", PLUS), x, "qos_mean") for x in (few, many)]
    text = f"offload_equal minus local {gaps[0]} among {few:g}, {gaps[1]} among {many:g}; its QoS {qos[0]:.3f}, {qos[1]:.3f}"
    return judge(gaps[0].mean > gaps[0].half and -gaps[1].mean > gaps[1].half and qos[1] < 0.1 < 0.4 < qos[0], text)


def signs_of_sarl(data: Data) -> Verdict:
    """L4."""
    few, many = (data.estimate(named("SARL", PLUS), x, "qos_mean") for x in (data.xs[0], data.xs[-1]))
    if without_interval([few]):
        return untestable(SINGLE_SEED)
    text = f"{few} among {data.xs[0]:g}, {many} among {data.xs[-1]:g}"
    return judge(few.mean > few.half and -many.mean > many.half, text)


def under_the_optimum(data: Data) -> Verdict:
    """How much of the way from local computing to the optimum of a slot is learned."""
    parts = []
    for policy in ("MARL", "SARL"):
        for x in (data.xs[0], data.xs[-1]):
            low, high = (data.mean(named(rule, PLUS), x) for rule in ("local", "slot_optimum"))
            reward = data.estimate(named(policy, PLUS), x)
            parts.append(f"{policy} {reward} among {x:g}, {(reward.mean - low) / (high - low):.0%} of the way")
    return untestable("; ".join(parts))


TABLE1 = {
    **{"task_bits_min": 8e3, "task_bits_max": 12e3, "cycles_per_bit": 31250.0, "kappa_server": 1.5625e-35},
}


def degenerate(data: Data) -> Verdict:
    """P10."""
    best, equal = "slot_optimum", "offload_equal"
    sizes: dict[str, Any] = {"n_vehicles": int(data.xs[-1])}
    printed = data.elsewhere([best, equal], [TABLE1], **sizes, bandwidth_shared=False)
    ours = data.elsewhere([best, equal], [{}], **sizes)
    gaps = [float((rewards[best] - rewards[equal]).mean()) for rewards in (printed, ours)]
    text = f"slot_optimum minus offload_equal: {gaps[0]:.4f} by Table I, {gaps[1]:.3f} here"
    return judge(gaps[0] < 0.01 and gaps[1] > 0.25, text)


# Fig. 6


def energy_of_a_full_server(data: Data) -> Verdict:
    """P4: (1 - NK bias / f_E)^3."""
    ratios, expected = [], []
    for x in data.xs:
        plus, minus = (data.mean(named("offload_equal", bias), x, "energy_edge_j") for bias in (PLUS, MINUS))
        taken = x * 3 * 0.5e9 / 400e9
        ratios.append(plus / minus)
        expected.append(((1 - taken) / (1 + taken)) ** 3)
    off = float(np.abs(np.array(ratios) - expected).max())
    text = ", ".join(f"{r:.4f} among {x:g}" for r, x in zip(ratios, data.xs, strict=True))
    return judge(off < 1e-3, f"energy at {PLUS} over that at {MINUS}: {text}; off the formula by at most {off:.1g}")
