"""Figs. 3 to 6 of the paper behind `dt_edge`, over the number of vehicles and at both signs of the bias."""

from jaxvec.papers.data import Data
from jaxvec.papers.dt_edge import checks, deciders
from jaxvec.papers.dt_edge.series import GLOBAL, LITERAL, LITERAL_RULES, MINUS, PLUS, POINTS, POOLED, SERIES
from jaxvec.papers.panels import Lines, over_axis, over_series, over_training
from jaxvec.papers.paper import Claim, Figure, Panel
from jaxvec.papers.series import SweepPoint, among
from jaxvec.papers.verdicts import ANY, Margin
from jaxvec.viz.plots import Line

HIDDEN = ("starve", "random")  # which only prove a point, and are measured by
PART = Margin(0.02)  # of an energy, a latency, a sum of shares
QOS = Margin(0.01, "of QoS", "of 0.4 that there are to gain")
WITHOUT_MODEL = "the paper's language model has a figure of its own here, `llm`"

# Lines of our own


def of_bias(metric: str, bias: str, scale: float = 1.0) -> Lines:
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
    return tuple(Panel(f"{title}, bias {bias}", of_bias(metric, bias, scale)) for bias in (PLUS, MINUS))


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
                PART,
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
                PART,
            ),
            Claim(
                "L2 energy pooled",
                "the same of MARL with a pooled critic",
                checks.learners_in_order("energy_sys_j", "SARL", POOLED),
                PART,
            ),
            Claim("L3", "energy is lower at +0.5 GHz (MARL)", checks.bias_in_energy("MARL"), PART),
            Claim("L3 pooled", "the same of MARL with a pooled critic", checks.bias_in_energy(POOLED), PART),
        ),
        less=WITHOUT_MODEL,
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
                PART,
            ),
            Claim(
                "P2",
                "latency is lower where the twin underrates its server, while that is not full",
                checks.bias_speeds_up,
                PART,
            ),
            Claim(
                "P3",
                "a full server is no faster for it, and a rule that keeps some streams at home is slower",
                checks.bias_of_a_full_server,
                ANY,
            ),
            Claim(
                "L2 latency",
                "SARL's latency is above MARL's (learners)",
                checks.learners_in_order("latency_mean_s", "SARL", "MARL", 1e3),
                PART,
            ),
            Claim(
                "L2 latency pooled",
                "the same of MARL with a pooled critic",
                checks.learners_in_order("latency_mean_s", "SARL", POOLED, 1e3),
                PART,
            ),
        ),
        less=WITHOUT_MODEL,
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
                "P8 QoS",
                "QoS falls with vehicles (rules)",
                checks.all_rise("qos_mean", "", -1, 1.0, checks.CROWDED),
                QOS,
            ),
            Claim("P9", "offloading everything is better than nothing among 4, and worse among 10", checks.regimes),
            Claim(
                "L1", "MARL earns more than SARL (learners)", checks.learners_in_order("reward", "MARL", "SARL"), QOS
            ),
            Claim(
                "L1 pooled",
                "the same of MARL with a pooled critic",
                checks.learners_in_order("reward", POOLED, "SARL"),
                QOS,
            ),
            Claim(
                "L1 global",
                "one agent for all earns less than MARL with a pooled critic",
                checks.learners_in_order("reward", POOLED, GLOBAL),
                QOS,
            ),
            Claim(
                "L4", "QoS of SARL is positive among 4 vehicles and negative among 10 (learner)", checks.signs_of_sarl
            ),
            Claim("optimum", "how far learners get", checks.under_the_optimum),
            Claim("P10", "by Table I as printed one constant action is all there is to learn", checks.degenerate),
        ),
        less=WITHOUT_MODEL,
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
                PART,
            ),
            Claim(
                "L5 shares",
                "and more of it (learners)",
                checks.learners_in_order("resource_ratio", "MARL", "SARL"),
                PART,
            ),
        ),
        less=WITHOUT_MODEL,
    ),
    Figure(
        "llm",
        "Who decides from the cases of MARL",
        "vehicles",
        deciders.SERIES,
        among("n_vehicles", (4, 7, 10)),
        (
            *at_both_signs("reward", "reward"),
            *at_both_signs("energy of a slot [J]", "energy_sys_j"),
            Panel(f"QoS, bias {PLUS}", of_bias("qos_mean", PLUS)),
        ),
        (
            Claim(
                "H",
                "the language model is as good as MARL, or better (no worse than by 0.01)",
                checks.as_good_as_marl,
            ),
            Claim("H energy", "it takes less energy than MARL", checks.against_marl("energy_sys_j", -1), PART),
            Claim("H latency", "its latency is lower", checks.against_marl("latency_mean_s", -1), PART),
            Claim("H QoS", "its QoS is higher", checks.against_marl("qos_mean", 1), QOS),
            Claim("H edge", "it uses more energy at the server", checks.against_marl("energy_edge_j", 1), PART),
            Claim("H edge -0.5", "also at -0.5 GHz", checks.against_marl("energy_edge_j", 1, MINUS), PART),
            Claim("H shares", "and more of the server", checks.against_marl("resource_ratio", 1), PART),
            Claim("L3 cases", "its energy is lower at +0.5 than at -0.5 GHz", checks.bias_and_cases, PART),
        ),
        less="where no language model is named, one who blends the nearest cases stands for it",
    ),
    Figure(
        "table1",
        "Table I, the reward (27) and the softmax actor as printed",
        "episodes",
        (LITERAL, *LITERAL_RULES),
        (SweepPoint(10.0, {"n_vehicles": 10}),),
        (Panel("reward in training", over_training()), Panel("reward after training", over_series("reward"), " ")),
        (Claim("L6", "as printed, MARL learns to earn more than chance", checks.nothing_to_learn, QOS),),
    ),
)
