"""What decides the claims of the paper behind `dt_edge`."""

from typing import Any

import numpy as np

from jaxvec.papers.checks import Check, above, everywhere, in_order, rises
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.dt_edge.deciders import LANGUAGE_MODEL, STAND_IN, TEACHER
from jaxvec.papers.dt_edge.series import BIASES_HZ, LITERAL, LITERAL_RULES, MINUS, PLUS, POOLED, TABLE1, ZERO, named
from jaxvec.papers.verdicts import Finding, both, bound, judge, untestable

CROWDED = ("offload_equal", "greedy_latency", "local_threshold", "slot_optimum")


def by_bias(data: Data, policy: str, x: float, metric: str, scale: float, unit: str) -> str:
    """What a policy has at each bias, in words."""
    means = [data.mean(named(policy, bias), x, metric) * scale for bias in BIASES_HZ]
    return f"{policy} among {x:g}: {', '.join(f'{mean:.4g}' for mean in means)} {unit} at {', '.join(BIASES_HZ)}"


def all_rise(metric: str, unit: str, sign: int, scale: float, rules: tuple[str, ...]) -> Check:
    """A metric rises, or falls, with every vehicle under each of several rules; arguments as those of `rises`."""
    return lambda data: both(*(rises(data, named(rule, PLUS), metric, unit, sign, scale) for rule in rules))


def learners_in_order(metric: str, first: str, second: str, scale: float = 1.0) -> Check:
    """One learner above the other, in the mean over the numbers of vehicles, and at none clearly below it.

    Args:
        metric: in which.
        first, second: the learners.
        scale: from the metric to what the numbers show.
    """

    def check(data: Data) -> Finding:
        names = named(first, PLUS), named(second, PLUS)
        differences = everywhere(data, *names, metric)
        parts = [
            f"{x:g}: {data.mean(names[0], x, metric) * scale:.4g} and {data.mean(names[1], x, metric) * scale:.4g}"
            for x in data.xs
        ]
        gap = over_seeds(scale * differences[0].samples)
        return Finding(f"{first} and {second} among {', '.join(parts)}; in the mean apart by {gap}", differences)

    return check


# Fig. 3


def local_work(data: Data) -> Finding:
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


def bias_in_energy(policy: str) -> Check:
    """L3: among the most vehicles."""
    return lambda data: in_order(data, [(named(policy, bias), data.xs[-1]) for bias in (MINUS, PLUS)], "energy_sys_j")


# Fig. 4


def bias_speeds_up(data: Data) -> Finding:
    """P2: unless the server is full."""
    x = data.xs[-1]
    cells = [(named("starve", bias), x) for bias in (MINUS, ZERO, PLUS)]
    slower = in_order(data, cells, "latency_mean_s")
    spread = np.ptp([data.mean(*cell, "energy_edge_j") for cell in cells])
    text = f"{by_bias(data, 'starve', x, 'latency_mean_s', 1e3, 'ms')}; server's energy apart by {spread:.1g} J"
    return both(slower, judge(bool(spread < 1e-9), text))


def bias_of_a_full_server(data: Data) -> Finding:
    """P3."""
    x = data.xs[-1]
    equal = [data.samples(named("offload_equal", bias), x, "latency_mean_s")[0] for bias in BIASES_HZ]
    apart = max(float(np.abs(a - equal[0]).max()) for a in equal)
    pair = data.paired([(named("local_threshold", bias), x) for bias in (PLUS, MINUS)], "latency_mean_s")
    text = by_bias(data, "local_threshold", x, "latency_mean_s", 1e3, "ms")
    text = f"offload_equal apart by at most {apart * 1e3:.1g} ms anywhere; {text}"
    return Finding(text, (above("+0.5 above -0.5 GHz", *pair),), (apart < 1e-5,))


# Fig. 5


def regimes(data: Data) -> Finding:
    """P9."""
    few, many = data.xs[0], data.xs[-1]
    gaps = [data.gaps((named("offload_equal", PLUS), x), (named("local", PLUS), x)) for x in (few, many)]
    qos = [data.samples(named("offload_equal", PLUS), x, "qos_mean")[0] for x in (few, many)]
    words = [str(over_seeds(gap)) for gap in gaps]
    text = f"offload_equal minus local {words[0]} among {few:g}, {words[1]} among {many:g}; "
    text += f"its QoS {qos[0].mean():.3f}, {qos[1].mean():.3f}"
    differences = bound("few", gaps[0], least=0.0) + bound("many", gaps[1], most=0.0)
    return Finding(text, differences + bound("QoS", qos[0], least=0.4) + bound("QoS", qos[1], most=0.1))


def signs_of_sarl(data: Data) -> Finding:
    """L4."""
    ends = data.xs[0], data.xs[-1]
    few, many = (data.samples(named("SARL", PLUS), x, "qos_mean").mean(1) for x in ends)
    text = f"{over_seeds(few)} among {ends[0]:g}, {over_seeds(many)} among {ends[1]:g}"
    return Finding(text, bound("QoS", few, least=0.0) + bound("QoS", many, most=0.0))


def under_the_optimum(data: Data) -> Finding:
    """How much of the way from local computing to the optimum of a slot is learned."""
    parts = []
    for policy in ("MARL", POOLED, "SARL", "apg"):
        for x in (data.xs[0], data.xs[-1]):
            low, high = (data.mean(named(rule, PLUS), x) for rule in ("local", "slot_optimum"))
            reward = data.estimate(named(policy, PLUS), x)
            parts.append(f"{policy} {reward} among {x:g}, {(reward.mean - low) / (high - low):.0%} of the way")
    return untestable("; ".join(parts))


def degenerate(data: Data) -> Finding:
    """P10."""
    best, equal = "slot_optimum", "offload_equal"
    sizes: dict[str, Any] = {"n_vehicles": int(data.xs[-1])}
    printed = data.elsewhere([best, equal], [TABLE1], **sizes, bandwidth_shared=False)
    ours = data.elsewhere([best, equal], [{}], **sizes)
    gaps = [rewards[best][0] - rewards[equal][0] for rewards in (printed, ours)]
    text = f"slot_optimum minus offload_equal: {gaps[0].mean():.4f} by Table I, {gaps[1].mean():.3f} here"
    return Finding(text, bound("by Table I", gaps[0], most=0.01) + bound("here", gaps[1], least=0.25))


# Those who decide from the cases of MARL


def spokesman(data: Data, bias: str) -> str:
    """The series that the paper's language model is judged by: itself, or who stands for it."""
    names = {series.name for series in data.series}
    own = named(LANGUAGE_MODEL, bias)
    return own if own in names else named(STAND_IN, bias)


def as_good_as_marl(data: Data) -> Finding:
    """H: not worse than MARL by more than 0.01, in the mean over the numbers of vehicles."""
    name = spokesman(data, PLUS)
    gaps = data.paired([(name, x) for x in data.xs], "ahead_of_marl")
    text = ", ".join(f"{gap.mean():+.4f} among {x:g}" for gap, x in zip(gaps, data.xs, strict=True))
    mean = gaps.mean(0)
    return Finding(f"{name} minus MARL: {text}; in the mean {over_seeds(mean)}", bound("the gap", mean, least=-0.01))


def against_marl(metric: str, sign: int, bias: str = PLUS) -> Check:
    """That the language model, or who stands for it, is above MARL in a metric, or below it.

    Args:
        metric: in which.
        sign: -1 where it is to be below.
        bias: at which.
    """

    def check(data: Data) -> Finding:
        pair = spokesman(data, bias), named(TEACHER, bias)
        means = [f"{name} {data.paired([(name, x) for x in data.xs], metric).mean():.4g}" for name in pair]
        high, low = pair if sign > 0 else pair[::-1]
        differences = everywhere(data, high, low, metric)
        return Finding(f"{metric}: {', '.join(means)}, apart by {over_seeds(differences[0].samples)}", differences)

    return check


def bias_and_cases(data: Data) -> Finding:
    """L3 cases: the system's energy is lower at +0.5 than at -0.5 GHz."""
    plus, minus = (spokesman(data, bias) for bias in (PLUS, MINUS))
    means = [
        f"{name} {data.paired([(name, x) for x in data.xs], 'energy_sys_j').mean():.4g} J" for name in (plus, minus)
    ]
    return Finding(", ".join(means), everywhere(data, minus, plus, "energy_sys_j"))


# Table I as printed


def nothing_to_learn(data: Data) -> Finding:
    """L6."""
    x, (chance, equal) = data.xs[0], LITERAL_RULES
    learned, top, low = (data.estimate(series.name, x) for series in (LITERAL, equal, chance))
    text = f"{LITERAL.name} {learned}, {equal.name} {top}, {chance.name} {low}"
    return Finding(text, (above("learned above chance", *data.paired([(LITERAL.name, x), (chance.name, x)])),))


# Fig. 6


def energy_of_a_full_server(data: Data) -> Finding:
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
