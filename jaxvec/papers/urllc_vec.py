"""Quantum policies against MAPPO and MADDPG in an edge network with short packets: Figs. 3 to 7 and Table III of the paper behind
`urllc_vec`, and the question that it leaves open: is a circuit better than a classical layer of its size?

QMARL is PPO whose actors are quantum policy networks, "matched" the same with a dense layer in the circuit's place (126
parameters for 96), MAPPO with an MLP of 64-64. All have central critics, own rewards, an LSTM twin that learns beside them,
uniform choices mixed in for the first 40 % of training, and as many slots of it. "No LSTM" is QMARL that is told the last
measurement, "no twin" QMARL that is told nothing, "single agent" one circuit that decides for all. After training they draw
their actions as in it: vehicles that all choose the best link get in each other's way. Rates, batches and discount
are not the paper's, which trains on 40 times as many slots: they are what lets MAPPO learn within this budget, the same for all.

Fig. 3 is drawn over episodes seen by all worlds together. Fig. 4 is the mean over an episode rather than its tenth slot. The
claims on Figs. 6 and 7 are about the model: fixed rules decide them.

Open: no verdict is taken from a comparison of learners. They learn from their own rewards, all but "single agent", which learns
from the team's, and are compared by the team's (`TWO_REWARDS`); and where two are level within their intervals, neither a
difference nor its absence is shown (`NOT_SHOWN`).
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.core.wrappers import one_agent
from jaxvec.papers.data import Data, both, in_order, over_axis, over_seeds, over_series, over_training, rises
from jaxvec.papers.plan import ALL, Budget, Claim, Figure, Panel, Paper, Place, Series, Verdict, judge, untestable
from jaxvec.physics import pathloss, rate, units
from jaxvec.viz.plots import Line

SETTINGS = {"epochs": 4, "minibatches": 4, "hidden": (64, 64), "free_std": True, "activation": "tanh"}
HYPER = {"gamma": 0.5, "learning_rate": 1e-3, "epsilon": 0.2, "entropy_weight": 0.01, "entropy_weight_end": 0.0}
TOLD, LAST, NOTHING = ({"twin_mode": mode} for mode in ("lstm", "hold", "none"))

QMARL = Series("QMARL", "qmarl", settings=SETTINGS, hyper=HYPER, sizes=TOLD, sampled=True)
MATCHED = Series("matched", "mappo_matched", settings=SETTINGS, hyper=HYPER, sizes=TOLD, sampled=True)
MAPPO = Series("MAPPO", "mappo", settings=SETTINGS, hyper=HYPER, sizes=TOLD, sampled=True)
MADDPG = Series("MADDPG", "maddpg", settings={"capacity": 8192}, hyper={"gamma": 0.5}, sizes=TOLD)
NO_LSTM = Series("no LSTM", "qmarl", settings=SETTINGS, hyper=HYPER, sizes=LAST, sampled=True)
MATCHED_LAST = Series("matched, no LSTM", "mappo_matched", settings=SETTINGS, hyper=HYPER, sizes=LAST, sampled=True)
MAPPO_LAST = Series("MAPPO, no LSTM", "mappo", settings=SETTINGS, hyper=HYPER, sizes=LAST, sampled=True)
NO_TWIN = Series("no twin", "qmarl", settings=SETTINGS, hyper=HYPER, sizes=NOTHING, sampled=True)
SINGLE = Series("single agent", "qmarl", settings=SETTINGS, hyper=HYPER, sizes=TOLD, wrap=one_agent, sampled=True)
LEARNED = (QMARL, MATCHED, MAPPO, MADDPG, NO_LSTM, NO_TWIN, SINGLE)
RULES = {name: Series(f"{name} (rule)", rule=name) for name in ("random", "greedy", "spread", "nash", "nash_half")}
NASH = RULES["nash"].name

TWO_REWARDS = "learned from each agent's own reward (single agent: from the team's), compared by the team's"
NOT_SHOWN = f"{TWO_REWARDS}; no difference is shown, nor that there is none"

SIZES_BITS = (1e5, 1e6, 1e7)
PRINTED_S = {  # Table III
    "Okumura, V2B": (0.001010, 0.010109, 0.101093),
    "3GPP UMa, V2B": (0.008986, 0.089863, 0.898631),
    "free space, V2U": (0.0018, 0.0184, 0.1841),
    "3GPP UMa, V2U": (0.0018, 0.0180, 0.1805),
}
SNR_DB = dict(zip(PRINTED_S, (30.426, 1.707, 16.917, 17.249), strict=True))  # that the printed numbers need
QOS_FREQUENCIES = (5e9, 7.5e9, 1e10)
SYMBOLS = (100.0, 200.0, 300.0, 400.0, 500.0)
CODEC_S = 3.275e-6

# Table III


def latency_s(snr_db: Any, bits: Any) -> Any:
    """Of a packet train at 10 MHz, 1000 symbols and 1e-6 errors (23)."""
    return bits / rate.finite_blocklength_bps(1e7, units.db_to_linear(jnp.asarray(snr_db)), 1000.0, 1e-6)


def loss_db(model: str, distance_m: Any, breakpoint_m: float = 100.0) -> Any:
    """Path loss at 33.3 GHz, 25 m over 1.5 m."""
    radio = SimpleNamespace(
        wavelength_m=0.009, carrier_hz=3e8 / 0.009, pathloss_exponent=2.0, breakpoint_m=breakpoint_m
    )
    distance_m = jnp.asarray(distance_m)
    return pathloss.MODELS[model](pathloss.Link(distance_m, distance_m, 1.5, 25.0), radio)


def table3(data: Data) -> list[Line]:
    """Latencies at the SNRs that the printed ones need, and those."""
    lines, sizes = [], np.array(SIZES_BITS)
    with jax.enable_x64(True):
        for name, printed in PRINTED_S.items():
            found = np.asarray(latency_s(SNR_DB[name], sizes)) * 1e3
            names = [f"{bits / 1e6:g} Mbit" for bits in SIZES_BITS]
            lines.append(Line(name, names, list(found), [np.nan] * len(sizes), "rule"))
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
        Line(name, list(distance_m), list(np.asarray(loss_db(model, distance_m))), [np.nan] * 30, "curve")
        for name, model in models.items()
    ]


def linear_in_size(data: Data) -> Verdict:
    """1."""
    with jax.enable_x64(True):
        rows = {name: np.asarray(latency_s(snr, np.array(SIZES_BITS))) for name, snr in SNR_DB.items()}
    ratios = [float(x) for row in rows.values() for x in row[1:] / row[:-1]]
    return judge(bool(np.allclose(ratios, 10, rtol=1e-12)), f"from row to row by {min(ratios):g} to {max(ratios):g}")


def printed_latencies(data: Data) -> Verdict:
    """2."""
    with jax.enable_x64(True):
        found = {name: float(latency_s(snr, 1e6)) for name, snr in SNR_DB.items()}
    off = max(abs(s / PRINTED_S[name][1] - 1) for name, s in found.items() if name != "3GPP UMa, V2U")
    text = ", ".join(f"{name} {s * 1e3:.3f} ms at {SNR_DB[name]:.2f} dB" for name, s in found.items())
    aerial = abs(found["3GPP UMa, V2U"] / PRINTED_S["3GPP UMa, V2U"][2] * 10 - 1)
    return judge(max(off, aerial) < 1e-3, f"{text}; the printed ones within {max(off, aerial):.2%}")


def aerial_models_agree(data: Data) -> Verdict:
    """3."""
    distance_m = np.linspace(60, 250, 50)
    free, umi = (120 - loss_db(name, distance_m) for name in ("power_law", "uma_av_los"))
    apart = float(np.abs(latency_s(umi, 1e6) / latency_s(free, 1e6) - 1).max())
    return judge(apart < 0.05, f"latencies differ by at most {apart:.1%} from 60 to 250 m")


def okumura_loses_less(data: Data) -> Verdict:
    """4."""
    distance_m = np.geomspace(10, 5000, 200)
    uma = loss_db("uma_los_fixed", distance_m)
    slip, right = (loss_db(f"okumura_hata{unit}", distance_m) for unit in ("_ghz", ""))
    at = {name: float(loss_db(f"okumura_hata{unit}", 1000.0)) for name, unit in (("GHz", "_ghz"), ("MHz", ""))}
    text = f"at 1 km {at['MHz']:.1f} dB against {float(loss_db('uma_los_fixed', 1000.0)):.1f} dB in sight; with GHz "
    text += f"in the place of MHz {at['GHz']:.1f} dB, and less from 10 m to 5 km: {bool((slip < uma).all())}"
    return judge(bool((right < uma).all()), text)


# Figures


def qos_figure(number: str, what: str, axis: str, places: tuple[Place, ...]) -> Figure:
    """A part of Fig. 6."""
    rules = (RULES["nash"], RULES["spread"], RULES["greedy"])
    return Figure(number, f"QoS and {what}", axis, rules, places, (Panel("QoS, 60 to 100", over_axis("qos_norm")),))


def latency_figure(number: str, what: str, codec_s: float) -> Figure:
    """A version of Fig. 7."""
    series = tuple(Series(f"nash, {v} vehicles", rule="nash", sizes={"n_vehicles": v}) for v in (2, 8))
    places = tuple(Place(n, numbers={"blocklength_symbols": n, "codec_s_per_symbol": codec_s}) for n in SYMBOLS)
    panels = (
        Panel("network latency: uplink [ms]", over_axis("latency_up_s", 1e3)),
        Panel("latency of a subtask [ms]", over_axis("latency_mean_s", 1e3)),
    )
    return Figure(number, f"Latency and block length{what}", "symbols", series, places, panels)


def normalised(data: Data) -> list[Line]:
    """Team rewards after training, 0 for random and 1 for best responses."""
    chance, best = (data.samples(RULES[name].name, data.xs[0], "team_reward")[0] for name in ("random", "nash"))
    lines = []
    for series in data.figure.series:
        if series.learner:
            samples = data.samples(series.name, data.xs[0], "team_reward")
            it = over_seeds((samples.mean(1) - chance.mean()) / (best.mean() - chance.mean()))
            lines.append(Line(series.name, [series.name], [it.mean], [it.half], "learned"))
    return lines


BLOCKS = ("cpu", "backlog", "load", "task")


def error_ratios(data: Data, series: str) -> dict[str, np.ndarray]:
    """Root mean squared error of the forecast over that of the last value, last tenth of training, per block `(seeds,)`."""
    result = {}
    for block in BLOCKS:
        told, last = (data.curve(series, data.xs[0], f"forecaster/{kind}_{block}") for kind in ("rmse", "hold"))
        end = -max(1, len(told) // 10)
        result[block] = told[end:].mean(0) / last[end:].mean(0)
    return result


def forecasts(data: Data) -> list[Line]:
    """Errors over those of the last value."""
    lines = []
    for series in (QMARL, MAPPO):
        found = {block: over_seeds(x) for block, x in error_ratios(data, series.name).items()}
        means, halves = [it.mean for it in found.values()], [it.half for it in found.values()]
        lines.append(Line(series.name, list(found), means, halves, "learned"))
    return lines


SUBTASKS = 4
ENERGY_PLACES = tuple(
    Place(float(kbit), numbers={f"task_{end}_bits": SUBTASKS * kbit * 1e3 for end in ("min", "max")})
    for kbit in (25, 50, 75, 100)
)
FIGURES = (
    Figure(
        "table3",
        "Table III: path losses and latencies",
        "distance [m]",
        (),
        (Place(0.0),),
        (Panel("latency [ms]", table3, " "), Panel("path loss [dB]", losses)),
    ),
    Figure(
        "3",
        "Training",
        "episodes",
        (*LEARNED, *(RULES[name] for name in ("random", "nash", "nash_half"))),
        (Place(8.0),),
        (
            Panel("team reward in training", over_training("env/team_reward")),
            Panel("team reward, 0 random, 1 best responses", normalised, " "),
        ),
    ),
    Figure(
        "circuit",
        "A circuit, a dense layer of its size, and an MLP, all without LSTM",
        "episodes",
        (NO_LSTM, MATCHED_LAST, MAPPO_LAST, *(RULES[name] for name in ("random", "nash", "nash_half"))),
        (Place(8.0),),
        (
            Panel("team reward in training", over_training("env/team_reward")),
            Panel("team reward after training", over_series("team_reward"), " "),
        ),
    ),
    Figure(
        "4",
        "Latency of a task",
        "episodes",
        (*LEARNED, *(RULES[name] for name in ("random", "nash", "nash_half"))),
        (Place(8.0),),
        (
            Panel("latency of all subtasks [ms], after training", over_series("latency_total_v_s", 1e3), " "),
            Panel("energy of a node [J], after training", over_series("energy_node_j"), " "),
        ),
    ),
    Figure(
        "5",
        "Energy and the size of subtasks",
        "size of a subtask [kbit]",
        (QMARL, NO_LSTM, NO_TWIN, SINGLE, RULES["nash"], RULES["spread"]),
        ENERGY_PLACES,
        (
            Panel("energy of a node [J]", over_axis("energy_node_j")),
            Panel("energy of a vehicle [mJ]", over_axis("energy_vehicle_j", 1e3)),
        ),
    ),
    qos_figure("6v", "vehicles", "vehicles", tuple(Place(float(v), {"n_vehicles": v}) for v in (2, 8, 20))),
    qos_figure(
        "6f",
        "processors",
        "CPU of a node [GHz]",
        tuple(Place(f / 1e9, numbers={"f_max_hz": f}) for f in QOS_FREQUENCIES),
    ),
    qos_figure("6u", "UAVs", "UAVs", tuple(Place(float(u), {"n_uavs": u}) for u in (4, 10))),
    qos_figure("6b", "base stations", "BSs", tuple(Place(float(b), {"n_bs": b}) for b in (4, 10))),
    latency_figure("7", "", 0.0),
    latency_figure("7codec", ", with coding and decoding", CODEC_S),
    Figure(
        "twin",
        "What a forecast is worth",
        " ",
        (QMARL, MAPPO),
        (Place(8.0),),
        (Panel("error of the forecast over that of the last value", forecasts),),
    ),
)

# Claims


def best_team(data: Data) -> Verdict:
    """15."""
    return in_order(data, [(s.name, 8.0) for s in (QMARL, MAPPO, MADDPG)], "team_reward")


def circuit_against(circuit: Series, other: Series) -> Callable[[Data], Verdict]:
    """15, the honest one."""
    return lambda data: in_order(data, [(s.name, 8.0) for s in (circuit, other)], "team_reward")


def better_than_chance(data: Data) -> Verdict:
    """19."""
    chance, rule = RULES["random"].name, RULES["nash_half"].name
    gaps = {s.name: data.ahead((s.name, 8.0), (chance, 8.0), "team_reward") for s in LEARNED}
    best = max(LEARNED, key=lambda s: data.estimate(s.name, 8.0, "team_reward").mean)
    top = data.ahead((best.name, 8.0), (rule, 8.0), "team_reward")
    text = ", ".join(f"{name} {gap}" for name, gap in gaps.items())
    text = f"above random: {text}; the best of them, {best.name}, minus nash_half: {top}"
    if any(np.isnan(gap.half) for gap in gaps.values()):
        return untestable(f"a single seed has no interval: {text}")
    return judge(all(gap.mean > gap.half for gap in gaps.values()), text)


def lowest_latency(data: Data) -> Verdict:
    """16."""
    others = (MAPPO, SINGLE, NO_LSTM, MADDPG)
    gaps = {s.name: data.ahead((QMARL.name, 8.0), (s.name, 8.0), "latency_total_v_s") for s in others}
    mean = lambda s: data.estimate(s.name, 8.0, "latency_total_v_s").mean  # noqa: E731
    printed = (20.72, 30.11, 63.18, 72.47)
    parts = [f"{s.name} {1 - mean(QMARL) / mean(s):+.1%} (printed {p} %)" for s, p in zip(others, printed, strict=True)]
    text = f"QMARL {mean(QMARL) * 1e3:.1f} ms, below " + ", ".join(parts)
    if any(np.isnan(gap.half) for gap in gaps.values()):
        return untestable(f"a single seed has no interval: {text}")
    return judge(all(gap.mean + gap.half < 0 for gap in gaps.values()), text)


def least_energy(data: Data) -> Verdict:
    """14."""
    x, others, printed = data.xs[-1], (NO_LSTM, SINGLE, NO_TWIN), (10.83, 37.30, 39.82)
    mean = lambda s: data.estimate(s.name, x, "energy_total_j").mean  # noqa: E731
    gaps = [data.ahead((QMARL.name, x), (s.name, x), "energy_total_j") for s in others]
    parts = [f"{s.name} {1 - mean(QMARL) / mean(s):+.1%} (printed {p} %)" for s, p in zip(others, printed, strict=True)]
    text = f"at {x:g} kbit QMARL {mean(QMARL):.1f} J a slot, below " + ", ".join(parts)
    if any(np.isnan(gap.half) for gap in gaps):
        return untestable(f"a single seed has no interval: {text}")
    return judge(all(gap.mean + gap.half < 0 for gap in gaps), text)


def energy_grows(data: Data) -> Verdict:
    """13."""
    return both(
        rises(data, NASH, "energy_vehicle_j", " mJ", 1, 1e3),
        rises(data, NASH, "energy_node_j", " J"),
    )


def qos_falls_with_vehicles(data: Data) -> Verdict:
    """6 and 8."""
    falls = rises(data, NASH, "qos_norm", sign=-1)
    worlds = [{"f_max_hz": f} for f in QOS_FREQUENCIES]
    slow = {v: data.elsewhere(["nash"], worlds, "qos_norm", n_vehicles=v)["nash"].mean(1) for v in (2, 8)}
    text = f"at 7.5 GHz {slow[2][1]:.1f} with 2 vehicles, {slow[8][1]:.1f} with 8 (printed 86.26, 65.96)"
    return both(falls, judge(True, text))


def qos_is_least_where_crowded(data: Data) -> Verdict:
    """8."""
    few = data.elsewhere(["nash"], [{"f_max_hz": 5e9}], "qos_norm", n_vehicles=20, n_uavs=4, n_bs=4)["nash"].mean()
    rest = min(data.estimate(NASH, x, "qos_norm").mean for x in data.xs)
    return judge(bool(few < rest), f"5 GHz, 20 vehicles, 4 UAVs, 4 BSs: {few:.1f}; the least of the others {rest:.1f}")


def qos_rises(data: Data) -> Verdict:
    """7 and 9."""
    return rises(data, NASH, "qos_norm")


def few_name(v: int) -> str:
    """Of a series of Fig. 7."""
    return f"nash, {v} vehicles"


def longer_blocks(sign: int) -> Callable[[Data], Verdict]:
    """11."""
    return lambda data: both(*(rises(data, few_name(v), "latency_up_s", " ms", sign, 1e3) for v in (2, 8)))


def crowds_wait(data: Data) -> Verdict:
    """12."""
    gaps = [data.ahead((few_name(8), x), (few_name(2), x), "latency_mean_s") for x in data.xs]
    text = ", ".join(f"{gap.mean * 1e3:+.2f} ms" for gap in gaps)
    return judge(all(gap.mean > 0 for gap in gaps), f"8 minus 2 vehicles: {text}")


def forecasts_pay(data: Data) -> Verdict:
    """17."""
    ratios = {block: over_seeds(x) for block, x in error_ratios(data, QMARL.name).items()}
    text = ", ".join(f"{block} {it}" for block, it in ratios.items())
    return judge(ratios["cpu"].mean < 1 and ratios["task"].mean < 1, f"error over that of the last value: {text}")


CLAIMS = (
    Claim("1", "table3", "latency is linear in the size of the task", linear_in_size),
    Claim("2", "table3", "the printed latencies, read in bits, are those of (23) at four SNRs", printed_latencies),
    Claim("3", "table3", "free space and 3GPP hardly differ for links to UAVs", aerial_models_agree),
    Claim("4", "table3", "Okumura loses less than 3GPP UMa on links to BSs", okumura_loses_less),
    Claim("15", "3", "team reward: QMARL above MAPPO above MADDPG (+53 %, +85 %)", best_team, TWO_REWARDS),
    Claim(
        "15 match",
        "3",
        "the circuit is better than a classical layer of its size",
        circuit_against(QMARL, MATCHED),
        NOT_SHOWN,
    ),
    Claim("15 alone", "circuit", "the same without LSTM", circuit_against(NO_LSTM, MATCHED_LAST), NOT_SHOWN),
    Claim(
        "15 MLP",
        "circuit",
        "the circuit is better than an MLP, without LSTM",
        circuit_against(NO_LSTM, MAPPO_LAST),
        NOT_SHOWN,
    ),
    Claim("19", "3", "every learner beats random; whether any beats the best rule", better_than_chance, TWO_REWARDS),
    Claim("16", "4", "QMARL's tasks take least time (20.72 % below MAPPO)", lowest_latency, TWO_REWARDS),
    Claim("13", "5", "energy grows with the size of subtasks (best responses)", energy_grows),
    Claim("14", "5", "QMARL needs least energy at 100 kbit", least_energy, TWO_REWARDS),
    Claim("6", "6v", "QoS falls with the number of vehicles: 86.26 with 2, 65.96 with 8", qos_falls_with_vehicles),
    Claim("8", "6v", "it is least at 5 GHz among 20 vehicles with 4 UAVs and 4 BSs", qos_is_least_where_crowded),
    Claim("7", "6f", "QoS rises with the processors' frequency", qos_rises),
    Claim("9 UAVs", "6u", "QoS rises with UAVs (its text; its numbers fall: 87.27 to 77.12)", qos_rises),
    Claim("9 BSs", "6b", "QoS rises with BSs (81.18 to 97.42)", qos_rises),
    Claim("11", "7", "network latency grows with the block length: 1.63 to 2.94 ms", longer_blocks(1)),
    Claim("11 model", "7", "by (23) it falls", longer_blocks(-1)),
    Claim("12", "7", "latency is higher among 8 vehicles than among 2", crowds_wait),
    Claim("11 codec", "7codec", "with coding and decoding it grows: 1.95 to 3.13 ms", longer_blocks(1)),
    Claim("17", "twin", "the LSTM's forecasts of processors and tasks beat the last value", forecasts_pay),
    Claim("10", ALL, "100 against 85.25: +17.30 %", lambda _: untestable("of which scenario is not said")),
    Claim(
        "18",
        ALL,
        "quantum computing saves training time",
        lambda _: untestable("a simulated circuit only costs time; wall times are with the runs"),
    ),
)

PAPER = Paper(
    env_id="urllc_vec",
    title="Quantum DRL: task offloading with short packets, a digital twin and an LSTM",
    figures=FIGURES,
    claims=CLAIMS,
    full=Budget(
        slots=320_000,
        episodes=64,
        seeds=3,
        settings={"n_worlds": 8, "forecaster_steps": 1, "forecaster_batch": 512},
    ),
    quick=Budget(
        slots=4_000,
        episodes=8,
        seeds=2,
        settings={
            **{"n_worlds": 8, "n_qubits": 3, "n_circuit_layers": 1, "forecaster_steps": 1, "forecaster_batch": 64},
            **{"slots_per_update": 50, "batch_size": 32, "capacity": 1024},
        },
    ),
)
