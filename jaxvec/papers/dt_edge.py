"""MARL against one agent for all and fixed rules, with a twin that misjudges its server: Figs. 3 to 6 of the paper behind
`dt_edge`.

MARL is MADDPG, SARL a single DDPG agent that every vehicle uses by itself, with its own reward and view; actor and critic of
256-128-64. The bias is +0.5, 0 or -0.5 GHz (the figures say +-0.5), and each policy is trained for one value of it, which no
policy sees. `slot_optimum` is the best decision of a slot to within 0.001 and knows everything but the slot's future.
The paper prints no values, nor what is on the axes' ticks: claims are about orders. Most of them follow from the model, so fixed
rules decide them; those about learners are marked. Its language model is compared in `benchmarks/cases.py`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxvec.papers.data import Data, both, in_order, over_axis, rises
from jaxvec.papers.plan import ALL, Budget, Claim, Figure, Panel, Paper, Place, Series, Verdict, judge, untestable
from jaxvec.viz.plots import Line

BIASES_HZ = {"+0.5 GHz": 0.5e9, "0": 0.0, "-0.5 GHz": -0.5e9}
SETTINGS = {
    **{"hidden": (256, 128, 64), "n_worlds": 256, "slots_per_update": 20, "gradient_steps": 4},
    **{"batch_size": 256, "capacity": 204_800},
}
HYPER = {
    **{"gamma": 0.95, "tau": 0.01, "critic_learning_rate": 1e-3, "actor_learning_rate": 2e-4},
    **{"max_grad_norm": 1.0, "exploration_end": 0.05},
}
RULES = ("local", "offload_equal", "greedy_latency", "local_threshold", "slot_optimum", "starve")


def named(what: str, bias: str) -> str:
    """A series at a bias."""
    return f"{what} ({bias})"


def at_every_bias(what: str, **fields: Any) -> tuple[Series, ...]:
    """A policy at each bias."""
    return tuple(Series(named(what, b), numbers={"cpu_bias_mean_hz": hz}, **fields) for b, hz in BIASES_HZ.items())


LEARNED = (
    *at_every_bias("MARL", learner="maddpg", settings=SETTINGS, hyper=HYPER),
    *at_every_bias("SARL", learner="ddpg", settings=SETTINGS, hyper=HYPER, sizes={"shared_reward": False}),
)
SERIES = (*LEARNED, *(series for rule in RULES for series in at_every_bias(rule, rule=rule)))
PLACES = tuple(Place(float(n), {"n_vehicles": n}) for n in range(4, 11))


def lines(
    metric: str, bias: str, scale: float = 1.0, hidden: tuple[str, ...] = ("starve",)
) -> Callable[[Data], list[Line]]:
    """A metric over the number of vehicles, of everybody at one bias; `starve` only proves a point."""

    def shown(data: Data) -> list[Line]:
        end = f" ({bias})"
        found = [line for line in over_axis(metric, scale)(data) if line.name.endswith(end)]
        found = [line._replace(name=line.name.removesuffix(end)) for line in found]
        return [line for line in found if line.name not in hidden]

    return shown


def figure(number: str, title: str, *panels: tuple[str, str, float]) -> Figure:
    """Panels (title, metric, scale), each at both signs of the bias."""
    shown = [
        Panel(f"{name}, bias {bias}", lines(metric, bias, scale))
        for name, metric, scale in panels
        for bias in BIASES_HZ
        if bias != "0"
    ]
    return Figure(number, title, "vehicles", SERIES, PLACES, tuple(shown))


FIGURES = (
    figure("3", "Energy of the system", ("energy of a slot [J]", "energy_sys_j", 1.0)),
    figure("4", "Latency of a task", ("latency [ms]", "latency_mean_s", 1e3)),
    figure("5", "Quality of service", ("QoS", "qos_mean", 1.0)),
    figure(
        "6",
        "Energy and use of the server",
        ("server's energy [J]", "energy_edge_j", 1.0),
        ("sum of shares", "resource_ratio", 1.0),
    ),
)

PLUS, ZERO, MINUS = BIASES_HZ

# Claims


def means(data: Data, what: str, bias: str, metric: str) -> np.ndarray:
    """Over the places."""
    return np.array([data.estimate(named(what, bias), x, metric).mean for x in data.xs])


def by_bias(data: Data, what: str, x: float, metric: str, scale: float, unit: str) -> str:
    """What a policy has at each bias, in words."""
    found = [data.estimate(named(what, bias), x, metric).mean * scale for bias in BIASES_HZ]
    return f"{what} among {x:g}: {', '.join(f'{mean:.4g}' for mean in found)} {unit} at {', '.join(BIASES_HZ)}"


def grows(what: str, metric: str, unit: str, sign: int = 1, scale: float = 1.0) -> Callable[[Data], Verdict]:
    """A metric rises, or falls, with every vehicle."""
    return lambda data: rises(data, named(what, PLUS), metric, unit, sign, scale)


def all_rise(metric: str, unit: str, sign: int, scale: float, rules: tuple[str, ...]) -> Callable[[Data], Verdict]:
    """The same of several."""
    return lambda data: both(*(grows(rule, metric, unit, sign, scale)(data) for rule in rules))


def bias_speeds_up(data: Data) -> Verdict:
    """P2: unless the server is full."""
    x = data.xs[-1]
    points = [(named("starve", bias), x) for bias in (MINUS, ZERO, PLUS)]
    slower = in_order(data, points, "latency_mean_s")
    spread = np.ptp([data.estimate(*point, "energy_edge_j").mean for point in points])
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


def energy_of_a_full_server(data: Data) -> Verdict:
    """P4: (1 - NK bias / f_E)^3."""
    ratios, expected = [], []
    for x in data.xs:
        plus, minus = (data.estimate(named("offload_equal", bias), x, "energy_edge_j").mean for bias in (PLUS, MINUS))
        taken = x * 3 * 0.5e9 / 400e9
        ratios.append(plus / minus)
        expected.append(((1 - taken) / (1 + taken)) ** 3)
    off = float(np.abs(np.array(ratios) - expected).max())
    text = ", ".join(f"{r:.4f} among {x:g}" for r, x in zip(ratios, data.xs, strict=True))
    return judge(off < 1e-3, f"energy at {PLUS} over that at {MINUS}: {text}; off the formula by at most {off:.1g}")


def local_work(data: Data) -> Verdict:
    """P5."""
    found = {bias: means(data, "local", bias, "energy_local_j") for bias in BIASES_HZ}
    ratio = found[PLUS] / found[PLUS][0] / (np.array(data.xs) / data.xs[0])
    late = [data.estimate(named("local", bias), x, "latency_mean_s").mean for bias in BIASES_HZ for x in data.xs]
    quality = [data.estimate(named("local", bias), x, "qos_mean").mean for bias in BIASES_HZ for x in data.xs]
    off = float(np.abs(ratio - 1).max())
    text = f"latency {min(late) * 1e3:.2f} to {max(late) * 1e3:.2f} ms, QoS {min(quality):.4f} to {max(quality):.4f}"
    fits = off < 0.01 and np.allclose(late, 62.5e-3, rtol=0.01) and np.allclose(quality, 0.375, rtol=0.02)
    return judge(bool(fits), f"{text}; energy by N off a line by {off:.1%}")


def regimes(data: Data) -> Verdict:
    """P9."""
    few, many = data.xs[0], data.xs[-1]
    gaps = [data.ahead((named("offload_equal", PLUS), x), (named("local", PLUS), x)) for x in (few, many)]
    qos = [data.estimate(named("offload_equal", PLUS), x, "qos_mean").mean for x in (few, many)]
    text = f"offload_equal minus local {gaps[0]} among {few:g}, {gaps[1]} among {many:g}; its QoS {qos[0]:.3f}, {qos[1]:.3f}"
    return judge(gaps[0].mean > gaps[0].half and -gaps[1].mean > gaps[1].half and qos[1] < 0.1 < 0.4 < qos[0], text)


TABLE1 = {
    **{"task_bits_min": 8e3, "task_bits_max": 12e3, "cycles_per_bit": 31250.0, "kappa_server": 1.5625e-35},
}


def degenerate(data: Data) -> Verdict:
    """P10."""
    rules = ["slot_optimum", "offload_equal"]
    sizes: dict[str, Any] = {"n_vehicles": int(data.xs[-1])}
    printed = data.elsewhere(rules, [TABLE1], **sizes, bandwidth_shared=False)
    ours = data.elsewhere(rules, [{}], **sizes)
    gaps = [float((found[rules[0]] - found[rules[1]]).mean()) for found in (printed, ours)]
    return judge(
        gaps[0] < 0.01 and gaps[1] > 0.25,
        f"slot_optimum minus offload_equal: {gaps[0]:.4f} by Table I, {gaps[1]:.3f} here",
    )


def learners_in_order(metric: str, first: str, second: str) -> Callable[[Data], Verdict]:
    """One learner above the other at every number of vehicles."""

    def check(data: Data) -> Verdict:
        points = [[(named(first, PLUS), x), (named(second, PLUS), x)] for x in data.xs]
        say = [[f"{first} {x:g}", f"{second} {x:g}"] for x in data.xs]
        return both(*(in_order(data, pair, metric, words) for pair, words in zip(points, say, strict=True)))

    return check


def under_the_optimum(data: Data) -> Verdict:
    """How much of the way from local computing to the optimum of a slot is learned."""
    parts = []
    for what in ("MARL", "SARL"):
        for x in (data.xs[0], data.xs[-1]):
            low, high = (data.estimate(named(rule, PLUS), x).mean for rule in ("local", "slot_optimum"))
            it = data.estimate(named(what, PLUS), x)
            parts.append(f"{what} {it} among {x:g}, {(it.mean - low) / (high - low):.0%} of the way")
    return untestable("; ".join(parts))


def bias_in_energy(data: Data) -> Verdict:
    """L3."""
    x = data.xs[-1]
    return in_order(data, [(named("MARL", MINUS), x), (named("MARL", PLUS), x)], "energy_sys_j")


def signs_of_sarl(data: Data) -> Verdict:
    """L4."""
    few, many = (data.estimate(named("SARL", PLUS), x, "qos_mean") for x in (data.xs[0], data.xs[-1]))
    if np.isnan(few.half):
        return untestable("a single seed has no interval")
    text = f"{few} among {data.xs[0]:g}, {many} among {data.xs[-1]:g}"
    return judge(few.mean > few.half and -many.mean > many.half, text)


CROWDED = ("offload_equal", "greedy_latency", "local_threshold", "slot_optimum")
CLAIMS = (
    Claim(
        "P6",
        "3",
        "energy rises with vehicles (rules that compute locally too)",
        all_rise("energy_sys_j", " J", 1, 1.0, CROWDED[1:]),
    ),
    Claim("P5", "3", "local computing: 62.5 ms, QoS 0.375 everywhere, energy in proportion to vehicles", local_work),
    Claim(
        "L2 energy",
        "3",
        "SARL takes more energy than MARL (learners)",
        learners_in_order("energy_sys_j", "SARL", "MARL"),
    ),
    Claim("L3", "3", "energy is lower at +0.5 GHz (MARL)", bias_in_energy),
    Claim("P8", "4", "latency rises with vehicles (rules)", all_rise("latency_mean_s", " ms", 1, 1e3, CROWDED)),
    Claim("P2", "4", "latency is lower where the twin underrates its server, while that is not full", bias_speeds_up),
    Claim(
        "P3",
        "4",
        "a full server is no faster for it, and a rule that keeps some streams at home is slower",
        bias_of_a_full_server,
    ),
    Claim(
        "L2 latency",
        "4",
        "SARL's latency is above MARL's (learners)",
        learners_in_order("latency_mean_s", "SARL", "MARL"),
    ),
    Claim("P8 QoS", "5", "QoS falls with vehicles (rules)", all_rise("qos_mean", "", -1, 1.0, CROWDED)),
    Claim("P9", "5", "offloading everything is better than nothing among 4, and worse among 10", regimes),
    Claim("L1", "5", "MARL earns more than SARL (learners)", learners_in_order("reward", "MARL", "SARL")),
    Claim("L4", "5", "QoS of SARL is positive among 4 vehicles and negative among 10 (learner)", signs_of_sarl),
    Claim("optimum", "5", "how far learners get", under_the_optimum),
    Claim("P10", "5", "by Table I as printed one constant action is all there is to learn", degenerate),
    Claim(
        "P4",
        "6",
        "a full server's energy: 0.798 times as much at +0.5 as at -0.5 GHz among 10",
        energy_of_a_full_server,
    ),
    Claim(
        "L5 energy",
        "6",
        "MARL uses more energy at the server than SARL (learners)",
        learners_in_order("energy_edge_j", "MARL", "SARL"),
    ),
    Claim("L5 shares", "6", "and more of it (learners)", learners_in_order("resource_ratio", "MARL", "SARL")),
    Claim("values", ALL, "absolute values of Figs. 3 to 6", lambda _: untestable("the paper prints none, nor ticks")),
    Claim(
        "reasoning",
        ALL,
        "the language model reasons about the cases",
        lambda _: untestable("no figure separates that from copying the nearest case"),
    ),
)

PAPER = Paper(
    env_id="dt_edge",
    title="Task offloading and resource allocation in digital-twin edge computing",
    figures=FIGURES,
    claims=CLAIMS,
    full=Budget(slots=512_000, episodes=128, seeds=5),
    quick=Budget(
        slots=9_600,
        episodes=16,
        seeds=2,
        settings={
            **{"n_worlds": 16, "slots_per_update": 20, "gradient_steps": 1, "batch_size": 64, "capacity": 4096},
            **{"hidden": (64, 64)},
        },
    ),
)
