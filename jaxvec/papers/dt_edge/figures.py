"""Figs. 3 to 6 of the paper behind `dt_edge`, over the number of vehicles and at both signs of the bias."""

from jaxvec.papers.data import Data
from jaxvec.papers.dt_edge import checks
from jaxvec.papers.dt_edge.series import MINUS, PLUS, POINTS, SERIES
from jaxvec.papers.panels import Lines, over_axis
from jaxvec.papers.paper import Claim, Figure, Panel
from jaxvec.viz.plots import Line

HIDDEN = ("starve",)  # which only proves a point

# Lines of our own


def at_bias(metric: str, bias: str, scale: float = 1.0) -> Lines:
    """A metric over the number of vehicles, of everybody at one bias.

    Args:
        metric: which.
        bias: one of `BIASES_HZ`.
        scale: from the metric to what the panel shows.
    """

    def lines(data: Data) -> list[Line]:
        end = f" ({bias})"
        chosen = [line for line in over_axis(metric, scale)(data) if line.name.endswith(end)]
        shown = [line._replace(name=line.name.removesuffix(end)) for line in chosen]
        return [line for line in shown if line.name not in HIDDEN]

    return lines


def at_both_signs(title: str, metric: str, scale: float = 1.0) -> tuple[Panel, ...]:
    """A panel at each sign of the bias."""
    return tuple(Panel(f"{title}, bias {bias}", at_bias(metric, bias, scale)) for bias in (PLUS, MINUS))


# Figures

FIGURES = (
    Figure(
        "3",
        "Energy of the system",
        "vehicles",
        SERIES,
        POINTS,
        at_both_signs("energy of a slot [J]", "energy_sys_j"),
        (
            Claim(
                "P6",
                "energy rises with vehicles (rules that compute locally too)",
                checks.all_rise("energy_sys_j", " J", 1, 1.0, checks.CROWDED[1:]),
            ),
            Claim(
                "P5",
                "local computing: 62.5 ms, QoS 0.375 everywhere, energy in proportion to vehicles",
                checks.local_work,
            ),
            Claim(
                "L2 energy",
                "SARL takes more energy than MARL (learners)",
                checks.learners_in_order("energy_sys_j", "SARL", "MARL"),
            ),
            Claim("L3", "energy is lower at +0.5 GHz (MARL)", checks.bias_in_energy),
        ),
    ),
    Figure(
        "4",
        "Latency of a task",
        "vehicles",
        SERIES,
        POINTS,
        at_both_signs("latency [ms]", "latency_mean_s", 1e3),
        (
            Claim(
                "P8",
                "latency rises with vehicles (rules)",
                checks.all_rise("latency_mean_s", " ms", 1, 1e3, checks.CROWDED),
            ),
            Claim(
                "P2",
                "latency is lower where the twin underrates its server, while that is not full",
                checks.bias_speeds_up,
            ),
            Claim(
                "P3",
                "a full server is no faster for it, and a rule that keeps some streams at home is slower",
                checks.bias_of_a_full_server,
            ),
            Claim(
                "L2 latency",
                "SARL's latency is above MARL's (learners)",
                checks.learners_in_order("latency_mean_s", "SARL", "MARL"),
            ),
        ),
    ),
    Figure(
        "5",
        "Quality of service",
        "vehicles",
        SERIES,
        POINTS,
        at_both_signs("QoS", "qos_mean"),
        (
            Claim(
                "P8 QoS", "QoS falls with vehicles (rules)", checks.all_rise("qos_mean", "", -1, 1.0, checks.CROWDED)
            ),
            Claim("P9", "offloading everything is better than nothing among 4, and worse among 10", checks.regimes),
            Claim("L1", "MARL earns more than SARL (learners)", checks.learners_in_order("reward", "MARL", "SARL")),
            Claim(
                "L4", "QoS of SARL is positive among 4 vehicles and negative among 10 (learner)", checks.signs_of_sarl
            ),
            Claim("optimum", "how far learners get", checks.under_the_optimum),
            Claim("P10", "by Table I as printed one constant action is all there is to learn", checks.degenerate),
        ),
    ),
    Figure(
        "6",
        "Energy and use of the server",
        "vehicles",
        SERIES,
        POINTS,
        (
            *at_both_signs("server's energy [J]", "energy_edge_j"),
            *at_both_signs("sum of shares", "resource_ratio"),
        ),
        (
            Claim(
                "P4",
                "a full server's energy: 0.798 times as much at +0.5 as at -0.5 GHz among 10",
                checks.energy_of_a_full_server,
            ),
            Claim(
                "L5 energy",
                "MARL uses more energy at the server than SARL (learners)",
                checks.learners_in_order("energy_edge_j", "MARL", "SARL"),
            ),
            Claim("L5 shares", "and more of it (learners)", checks.learners_in_order("resource_ratio", "MARL", "SARL")),
        ),
    ),
)
