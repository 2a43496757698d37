"""Figs. 3 to 7 and Table III of the quantum paper, and whether circuit and forecasts are worth something."""

import jax
import numpy as np

from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.panels import over_axis, over_series, over_training
from jaxvec.papers.paper import Claim, Figure, Panel
from jaxvec.papers.series import SweepPoint
from jaxvec.papers.urllc_vec import checks
from jaxvec.papers.urllc_vec.series import (
    APG,
    ASIDE,
    FEW,
    LEARNED,
    MANY,
    MAPPO,
    MAPPO_LAST,
    MAPPO_OWN,
    MARKS,
    MATCHED,
    MATCHED_LAST,
    MATCHED_OWN,
    NO_LSTM,
    NO_TWIN,
    OWN_RULES,
    QMARL,
    QMARL_FAR,
    QMARL_OWN,
    RULES,
    SINGLE,
)
from jaxvec.papers.verdicts import ANY, Margin
from jaxvec.viz.plots import Line

TEAM = Margin(0.05, "of team reward", "of 3 between chance and the best rule")
LATENCY = ENERGY = Margin(0.02)
QOS = Margin(1.0, "of QoS")
SYMBOLS = (100.0, 200.0, 300.0, 400.0, 500.0)
CODEC_S = 3.275e-6
SUBTASKS = 4
EIGHT = (SweepPoint(8.0),)  # vehicles, as by default

# Lines of our own


def table3(data: Data) -> list[Line]:
    """Latencies at the SNRs that the printed ones need, and those."""
    lines, sizes = [], np.array(checks.SIZES_BITS)
    with jax.enable_x64(True):
        for name, printed in checks.PRINTED_S.items():
            ms = np.asarray(checks.latency_s(checks.SNR_DB[name], sizes)) * 1e3
            names = [f"{bits / 1e6:g} Mbit" for bits in checks.SIZES_BITS]
            lines.append(Line(name, names, list(ms), [np.nan] * len(sizes), "rule"))
            lines.append(Line(name, names, [1e3 * x for x in printed], [np.nan] * len(sizes), "paper"))
    return lines


def losses(data: Data) -> list[Line]:
    """Path losses over distance."""
    distance_m = np.geomspace(10, 5000, 30)
    models = {
        "Okumura, GHz for MHz": "okumura_hata_ghz",
        "Okumura": "okumura_hata",
        "3GPP UMa, in sight": "uma_los_fixed",
        "3GPP UMa, not in sight": "uma_nlos_fixed",
    }
    return [
        Line(name, list(distance_m), list(np.asarray(checks.loss_db(model, distance_m))), [np.nan] * 30, "curve")
        for name, model in models.items()
    ]


def normalised(data: Data) -> list[Line]:
    """Team rewards after training, 0 for random and 1 for best responses."""
    chance, best = (data.samples(RULES[name].name, data.xs[0], "team_reward")[0] for name in ("random", "nash"))
    lines = []
    for series in data.series:
        if series.learner and data.is_whole(series.name):
            samples = data.samples(series.name, data.xs[0], "team_reward")
            part = over_seeds((samples.mean(1) - chance.mean()) / (best.mean() - chance.mean()))
            lines.append(Line(series.name, [series.name], [part.mean], [part.half], "learned"))
    return lines


def forecasts(data: Data) -> list[Line]:
    """Errors over those of the last value."""
    lines = []
    for series in (one for one in (QMARL, MAPPO) if data.is_whole(one.name)):
        ratios = {block: over_seeds(x) for block, x in checks.error_ratios(data, series.name).items()}
        means, halves = [it.mean for it in ratios.values()], [it.half for it in ratios.values()]
        lines.append(Line(series.name, list(ratios), means, halves, "learned"))
    return lines


# Figures


def qos_figure(number: str, what: str, axis: str, points: tuple[SweepPoint, ...], *claims: Claim) -> Figure:
    """A part of Fig. 6."""
    rules, panel = (RULES["nash"], RULES["spread"], RULES["greedy"]), Panel("QoS, 60 to 100", over_axis("qos_norm"))
    less = "Fig. 6 varies several things at once; here it is one axis at a time, under best responses"
    return Figure(number, f"QoS and {what}", axis, rules, points, (panel,), claims, less=less)


def latency_figure(number: str, what: str, codec_s: float, *claims: Claim) -> Figure:
    """A version of Fig. 7."""
    points = tuple(SweepPoint(n, numbers={"blocklength_symbols": n, "codec_s_per_symbol": codec_s}) for n in SYMBOLS)
    panels = (
        Panel("network latency: uplink [ms]", over_axis("latency_up_s", 1e3)),
        Panel("latency of a subtask [ms]", over_axis("latency_mean_s", 1e3)),
    )
    less = "Fig. 7 has more numbers of vehicles, UAVs and base stations; here there are 2 and 8 vehicles"
    return Figure(number, f"Latency and block length{what}", "symbols", (FEW, MANY), points, panels, claims, less=less)


LEARNING_FIGURES = (
    Figure(
        "3",
        "Training",
        "episodes",
        (*LEARNED, *ASIDE, *MARKS, *OWN_RULES),
        EIGHT,
        (
            Panel("team reward in training", over_training("env/team_reward", but=(*ASIDE, APG))),
            Panel("team reward in training, learners of ours", over_training("env/team_reward", of=(*ASIDE, APG))),
            Panel("team reward, 0 random, 1 best responses", normalised, " "),
        ),
        (
            Claim(
                "15",
                "team reward: QMARL above MAPPO above MADDPG (+53 %, +85 %)",
                checks.best_team,
                TEAM,
            ),
            Claim(
                "15 by",
                "its reward is higher by 53.17 % than MAPPO's and by 84.81 % than MADDPG's (within 10 percentage points)",
                checks.gains_of_team,
            ),
            Claim(
                "15 episodes",
                "QMARL's reward is steady from episode 600 of 1000, MAPPO's from 800",
                checks.steady_sooner,
                Margin(0.1),
            ),
            Claim(
                "15 discount",
                "a discount of 0.99 is no worse than 0.5",
                checks.circuit_against(QMARL_FAR, QMARL),
                TEAM,
            ),
            Claim(
                "15 own",
                "learning from the team's reward (63) is better for the team than from own rewards",
                checks.circuit_against(QMARL, QMARL_OWN),
                TEAM,
            ),
            Claim(
                "15 match",
                "the circuit is better than a classical layer of its size",
                checks.circuit_against(QMARL, MATCHED),
                TEAM,
            ),
            Claim(
                "15 match own",
                "the same of learners from own rewards",
                checks.circuit_against(QMARL_OWN, MATCHED_OWN),
                TEAM,
            ),
            Claim(
                "15 MAPPO own",
                "QMARL above MAPPO, from own rewards",
                checks.circuit_against(QMARL_OWN, MAPPO_OWN),
                TEAM,
            ),
            Claim(
                "Nash",
                "what is learned is nearer to an equilibrium of the vehicles (Algorithm 3) than chance is",
                checks.nearer_to_equilibrium,
                Margin(0.1),
                rests_on=(QMARL.name,),
            ),
            Claim(
                "19",
                "every learner beats random; whether any beats the best rule",
                checks.better_than_chance,
                TEAM,
            ),
        ),
    ),
    Figure(
        "circuit",
        "A circuit, a dense layer of its size, and an MLP, all without LSTM",
        "episodes",
        (NO_LSTM, MATCHED_LAST, MAPPO_LAST, *MARKS),
        EIGHT,
        (
            Panel("team reward in training", over_training("env/team_reward")),
            Panel("team reward after training", over_series("team_reward"), " "),
        ),
        (
            Claim(
                "15 alone",
                "the same without LSTM",
                checks.circuit_against(NO_LSTM, MATCHED_LAST),
                TEAM,
            ),
            Claim(
                "15 MLP",
                "the circuit is better than an MLP, without LSTM",
                checks.circuit_against(NO_LSTM, MAPPO_LAST),
                TEAM,
            ),
        ),
    ),
    Figure(
        "4",
        "Latency of a task",
        "episodes",
        (*LEARNED, *MARKS),
        EIGHT,
        (
            Panel("latency of all subtasks [ms], after training", over_series("latency_total_v_s", 1e3), " "),
            Panel("energy of a node [J], after training", over_series("energy_node_j"), " "),
        ),
        (
            Claim(
                "16",
                "QMARL's tasks take least time (20.72 % below MAPPO)",
                checks.lowest_latency,
                LATENCY,
            ),
            Claim(
                "16 by",
                "by 20.72, 30.11, 63.18 and 72.47 % below MAPPO, single agent, no LSTM and MADDPG (within 5 percentage points)",
                checks.reductions("latency_total_v_s", checks.LESS_LATENCY),
            ),
            Claim(
                "16 conclusion",
                "and, as the conclusion says, by 30.11 % below no LSTM (within 5 percentage points; its text: single agent)",
                checks.reductions("latency_total_v_s", {"no LSTM": 30.11}),
            ),
        ),
        less="Fig. 4 shows every time step of an episode, of tasks of 1 MB; here it is an episode's mean, of 0.1 to 0.3 Mbit",
    ),
    Figure(
        "5",
        "Energy and the size of subtasks",
        "size of a subtask [kbit]",
        (QMARL, NO_LSTM, NO_TWIN, SINGLE, *MARKS, RULES["spread"]),
        tuple(
            SweepPoint(float(kbit), numbers={f"task_{end}_bits": SUBTASKS * kbit * 1e3 for end in ("min", "max")})
            for kbit in (25, 50, 75, 100)
        ),
        (
            Panel("energy of a node [J]", over_axis("energy_node_j")),
            Panel("energy of a vehicle [mJ]", over_axis("energy_vehicle_j", 1e3)),
        ),
        (
            Claim("13", "energy grows with the size of subtasks (best responses)", checks.energy_grows, ENERGY),
            Claim("14", "QMARL needs least energy at 100 kbit", checks.least_energy, ENERGY),
            Claim(
                "14 by",
                "by 10.83, 37.30 and 39.82 % less than no LSTM, single agent and no twin (within 5 percentage points)",
                checks.reductions("energy_total_j", checks.LESS_ENERGY),
            ),
        ),
    ),
)
MODEL_FIGURES = (
    qos_figure(
        "6v",
        "vehicles",
        "vehicles",
        tuple(SweepPoint(float(v), {"n_vehicles": v}) for v in (2, 8, 20)),
        Claim(
            "6",
            "QoS falls with the number of vehicles: 86.26 with 2, 65.96 with 8",
            checks.qos_falls_with_vehicles,
            QOS,
        ),
        Claim(
            "8", "it is least at 5 GHz among 20 vehicles with 4 UAVs and 4 BSs", checks.qos_is_least_where_crowded, QOS
        ),
    ),
    qos_figure(
        "6f",
        "processors",
        "CPU of a node [GHz]",
        tuple(SweepPoint(f / 1e9, numbers={"f_max_hz": f}) for f in checks.QOS_FREQUENCIES_HZ),
        Claim("7", "QoS rises with the processors' frequency", checks.qos_rises, QOS),
    ),
    qos_figure(
        "6u",
        "UAVs",
        "UAVs",
        tuple(SweepPoint(float(u), {"n_uavs": u}) for u in (4, 10)),
        Claim("9 UAVs", "QoS rises with UAVs (its text; its numbers fall: 87.27 to 77.12)", checks.qos_rises, QOS),
    ),
    qos_figure(
        "6b",
        "base stations",
        "BSs",
        tuple(SweepPoint(float(b), {"n_bs": b}) for b in (4, 10)),
        Claim("9 BSs", "QoS rises with BSs (81.18 to 97.42)", checks.qos_rises, QOS),
    ),
    latency_figure(
        "7",
        "",
        0.0,
        Claim("11", "network latency grows with the block length: 1.63 to 2.94 ms", checks.longer_blocks(1), ANY),
        Claim("11 model", "by (23) it falls", checks.longer_blocks(-1), ANY),
        Claim("12", "latency is higher among 8 vehicles than among 2", checks.crowds_wait, LATENCY),
    ),
    latency_figure(
        "7codec",
        ", with coding and decoding",
        CODEC_S,
        Claim("11 codec", "with coding and decoding it grows: 1.95 to 3.13 ms", checks.longer_blocks(1), ANY),
    ),
)
FIGURES = (
    Figure(
        "table3",
        "Table III: path losses and latencies",
        "distance [m]",
        (),
        (SweepPoint(0.0),),
        (Panel("latency [ms]", table3, "size of the task"), Panel("path loss [dB]", losses)),
        (
            Claim("1", "latency is linear in the size of the task", checks.linear_in_size),
            Claim("2", "the printed latencies, read in bits, are those of (23) at four SNRs", checks.printed_latencies),
            Claim("3", "free space and 3GPP hardly differ for links to UAVs", checks.aerial_models_agree),
            Claim("4", "Okumura loses less than 3GPP UMa on links to BSs", checks.okumura_loses_less),
        ),
    ),
    *LEARNING_FIGURES,
    *MODEL_FIGURES,
    Figure(
        "twin",
        "What a forecast is worth",
        " ",
        (QMARL, MAPPO, RULES["random"], RULES["local_spread"]),
        EIGHT,
        (Panel("error of the forecast over that of the last value", forecasts),),
        (
            Claim(
                "17",
                "the LSTM's forecasts of processors and tasks beat the last value",
                checks.forecasts_pay,
                Margin(0.05),
            ),
        ),
    ),
)
