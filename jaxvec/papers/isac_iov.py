"""Ly-DTMAPPO against Ly-MAPPO, Ly-MADDPG, Ly-MATD3 and Ly-MASAC: Figs. 4 to 7 and Table III of the paper behind `isac_iov`.

All are this library's learners at their own settings, on the same environment, with as many slots of training. Ly-DTMAPPO is
MAPPO that sees the twin's view of the RSUs' queues; Ly-MAPPO is the same without. The others have the twin, as in the paper.
Fig. 5 is drawn over training, the mean over vehicles. "Steady" and "converged" are those of `jaxvec.papers.data`; the
coefficient of variation is that of an episode's mean reward after training. Dashed lines are fixed rules. The figure "twin"
is none of the paper's: it asks what the twin is worth where the RSUs have other work to do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxvec.papers.data import (
    Data,
    both,
    converged,
    in_order,
    over_axis,
    over_seeds,
    over_training,
    ranked,
    rises,
    steady,
)
from jaxvec.papers.plan import ALL, Budget, Claim, Figure, Panel, Paper, Place, Series, Verdict, judge, untestable
from jaxvec.viz.plots import Line

REPLAY = {"capacity": 32_768}
DTMAPPO = Series("Ly-DTMAPPO", "mappo")
MAPPO = Series("Ly-MAPPO", "mappo", sizes={"dt_enabled": False})
MADDPG, MASAC = Series("Ly-MADDPG", "maddpg", settings=REPLAY), Series("Ly-MASAC", "masac", settings=REPLAY)
MATD3 = Series("Ly-MATD3", "matd3", settings=REPLAY)
LEARNED = (DTMAPPO, MAPPO, MADDPG, MASAC, MATD3)
OFF_POLICY = (MADDPG, MASAC, MATD3)
RULES = {
    name: Series(f"{name} (rule)", rule=name)
    for name in (
        "random",
        "all_local",
        "split_equal",
        "offload_equal",
        "nearest",
        "capacity",
        "waterfill",
        "waterfill_twin",
    )
}
PRINTED = {  # Table III: steady reward, coefficient of variation, episodes until converged
    "Ly-DTMAPPO": (-2.549, 0.411, 1711),
    "Ly-MAPPO": (-3.555, 0.672, 1398),
    "Ly-MADDPG": (-3.412, 0.530, 185),
    "Ly-MASAC": (-3.031, 0.366, 278),
    "Ly-MATD3": (-4.541, 0.333, 579),
}
COST_BY_V = {5.0: 0.42, 10.0: 0.42, 50.0: 0.552, 100.0: 0.781}  # Fig. 7
LESS_COST = {"Ly-MAPPO": 2.81, "Ly-MASAC": 3.85, "Ly-MATD3": 4.02, "Ly-MADDPG": 10.03}  # Fig. 6a, mean over 2 to 6 [%]

# Table III


def variation(data: Data, series: str) -> np.ndarray:
    """Deviation over |mean| of an episode's mean reward, `(seeds,)`."""
    samples = data.samples(series, data.xs[0])
    return samples.std(1, ddof=1) / np.abs(samples.mean(1))


def column(of: Callable[[Data, str], np.ndarray], index: int) -> Callable[[Data], list[Line]]:
    """Lines of a column of Table III, beside what is printed there."""

    def lines(data: Data) -> list[Line]:
        result = []
        for series in LEARNED:
            it = over_seeds(of(data, series.name))
            result.append(Line(series.name, [series.name], [it.mean], [it.half]))
            result.append(Line(series.name, [series.name], [PRINTED[series.name][index]], [np.nan], "paper"))
        return result

    return lines


def curves_and_printed(data: Data) -> list[Line]:
    """Fig. 4's curves, and the steady rewards that Table III prints."""
    lines = over_training()(data)
    end = max(line.x[-1] for line in lines)
    return lines + [Line(name, [end], [values[0]], [np.nan], "paper") for name, values in PRINTED.items()]


FIVE = (Place(5.0, {"n_vehicles": 5}),)
PANELS_6 = (
    Panel("cost", over_axis("cost_mean")),
    Panel("latency [s]", over_axis("latency_mean_s")),
    Panel("energy [J]", over_axis("energy_mean_j")),
)
FIGURES = (
    Figure(
        "4",
        "Training, 5 vehicles",
        "episodes",
        (*LEARNED, RULES["random"], RULES["waterfill_twin"]),
        FIVE,
        (Panel("reward in training", curves_and_printed),),
    ),
    Figure(
        "table3",
        "Table III: steady reward, variation, convergence",
        " ",
        (
            *LEARNED,
            *(RULES[name] for name in ("random", "all_local", "split_equal", "offload_equal", "nearest", "capacity")),
        ),
        FIVE,
        (
            Panel("steady reward", column(steady, 0)),
            Panel("coefficient of variation", column(variation, 1)),
            Panel("episodes until converged", column(converged, 2)),
        ),
    ),
    Figure(
        "5",
        "Queues over training, 5 vehicles",
        "episodes",
        (*LEARNED, RULES["random"], RULES["offload_equal"]),
        FIVE,
        (
            Panel("queue of a vehicle [Mcycle]", over_training("env/q_loc_mean_cycles", 1e-6)),
            Panel("queue of an RSU [Mcycle]", over_training("env/q_rsu_mean_cycles", 1e-6)),
        ),
    ),
    Figure(
        "6",
        "Costs and the number of vehicles",
        "vehicles",
        (*LEARNED, RULES["offload_equal"]),
        tuple(Place(float(i), {"n_vehicles": i}) for i in (2, 3, 4, 5, 6)),
        PANELS_6,
        quick=(0, 3),
    ),
    Figure(
        "7",
        "Cost and the Lyapunov weight V, Ly-DTMAPPO with 5 vehicles",
        "V",
        (DTMAPPO,),
        tuple(Place(v, {"n_vehicles": 5}, {"lyapunov_v": v}) for v in COST_BY_V),
        (
            Panel("cost in training", over_training("env/cost_mean", name="V = {x}"), "episodes"),
            Panel("cost after training", over_axis("cost_mean", paper={"Ly-DTMAPPO": COST_BY_V})),
        ),
    ),
    Figure(
        "twin",
        "What the twin is worth, by the other work of the RSUs",
        "chance of other work at an RSU per slot",
        (DTMAPPO, MAPPO, RULES["waterfill_twin"], RULES["waterfill"]),
        tuple(Place(p, {"n_vehicles": 5}, {"rsu_bg_prob": p}) for p in (0.0, 0.2)),
        (Panel("reward after training", over_axis("reward")),),
    ),
)

# Claims


def learns(data: Data) -> Verdict:
    """L1."""
    here, name = data.xs[0], DTMAPPO.name
    beaten = in_order(data, [(name, here), (RULES["split_equal"].name, here), (RULES["random"].name, here)])
    reward, best = data.estimate(name, here), data.curve(name, here).max(0).mean()
    text = f"{reward} after training (at least -1.75 asked), {best:.3f} at best in training (printed -2.549)"
    return both(beaten, judge(reward.mean >= -1.75 and best > -2.549, text))


def table_order(data: Data) -> Verdict:
    """L2."""
    return ranked({series.name: steady(data, series.name) for series in (DTMAPPO, MASAC, MADDPG, MAPPO, MATD3)})


def twin_pays(place: int) -> Callable[[Data], Verdict]:
    """L3: at one of the places."""

    def check(data: Data) -> Verdict:
        x = data.xs[place]
        order = in_order(data, [(DTMAPPO.name, x), (MAPPO.name, x)])
        return Verdict(order.outcome, f"{order.numbers}; difference {data.ahead((DTMAPPO.name, x), (MAPPO.name, x))}")

    return check


def twin_pays_a_rule(data: Data) -> Verdict:
    """P13."""
    gaps = [data.ahead((RULES["waterfill_twin"].name, x), (RULES["waterfill"].name, x)) for x in data.xs]
    text = ", ".join(f"{gap} at {x:g}" for gap, x in zip(gaps, data.xs, strict=True))
    return judge(
        abs(gaps[0].mean) < 0.06 and gaps[-1].mean >= 0.1, f"water-filling with the twin minus without: {text}"
    )


def slow_on_policy(data: Data) -> Verdict:
    """L4."""
    found = {series.name: converged(data, series.name) for series in LEARNED}
    on, off = (np.stack([found[s.name] for s in some]) for some in ((DTMAPPO, MAPPO), OFF_POLICY))
    gap = over_seeds(on.min(0) - off.max(0))
    text = ", ".join(f"{name} {over_seeds(x)}" for name, x in found.items())
    if np.isnan(gap.half):
        return untestable("a single seed has no interval")
    return judge(gap.mean > gap.half, f"episodes: {text}")


def short_queues(data: Data) -> Verdict:
    """L5, first part."""
    x, metric = data.xs[0], "q_loc_mean_cycles"
    before, after = (data.estimate(name, x, metric) for name in (RULES["random"].name, DTMAPPO.name))
    return judge(after.mean < 1e8 < before.mean, f"random {before} cycles, Ly-DTMAPPO {after}")


def lowest(metric: str, unit: str = "") -> Callable[[Data], Verdict]:
    """A check: Ly-DTMAPPO is below all other learners everywhere."""

    def check(data: Data) -> Verdict:
        parts, clear = [], []
        for x in data.xs:
            gaps = {s.name: data.ahead((s.name, x), (DTMAPPO.name, x), metric) for s in LEARNED if s is not DTMAPPO}
            if any(np.isnan(gap.half) for gap in gaps.values()):
                return untestable("a single seed has no interval")
            clear += [gap.mean > gap.half for gap in gaps.values()]
            parts.append(f"at {x:g}: " + ", ".join(f"{name} {gap}" for name, gap in gaps.items()))
        return judge(all(clear), f"above Ly-DTMAPPO's by{unit}, {'; '.join(parts)}")

    return check


def rise_with_vehicles(data: Data) -> Verdict:
    """L6, first part."""
    metrics = (("cost_mean", ""), ("latency_mean_s", " s"))
    return both(*(rises(data, s.name, metric, unit) for s in LEARNED for metric, unit in metrics))


def reductions(data: Data) -> Verdict:
    """L6: the mean reductions of the cost, within half of what is printed."""
    found = {}
    for series in LEARNED[1:]:
        per_place = [
            100
            * (
                1
                - data.samples(DTMAPPO.name, x, "cost_mean").mean(1) / data.samples(series.name, x, "cost_mean").mean(1)
            )
            for x in data.xs
        ]
        found[series.name] = over_seeds(np.mean(per_place, 0))
    text = ", ".join(f"{name} {it} % (printed {LESS_COST[name]} %)" for name, it in found.items())
    return judge(all(abs(it.mean / LESS_COST[name] - 1) < 0.5 for name, it in found.items()), f"against {text}")


def energies(data: Data) -> Verdict:
    """L6, energy."""
    return rises(data, DTMAPPO.name, "energy_mean_j", " J", -1)


def offloading_costs(data: Data) -> Verdict:
    """P4 and P5."""
    name = RULES["offload_equal"].name
    steps = [
        rises(data, name, metric, unit, sign)
        for metric, unit, sign in (("cost_mean", "", 1), ("latency_mean_s", " s", 1), ("energy_mean_j", " J", -1))
    ]
    return both(*steps)


def common_processor(data: Data) -> Verdict:
    """P6."""
    found = [
        data.elsewhere(["offload_equal"], [{}], "latency_mean_s", n_vehicles=n, rsu_cpu_mode="common")[
            "offload_equal"
        ].mean()
        for n in (2, 6)
    ]
    return judge(
        abs(found[1] / found[0] - 1) < 0.1, f"latency {found[0]:.3f} s with 2 vehicles, {found[1]:.3f} s with 6"
    )


def rises_with_v(data: Data) -> Verdict:
    """L7."""
    printed = ", ".join(f"{COST_BY_V[x]:g}" for x in data.xs)
    found = rises(data, DTMAPPO.name, "cost_mean")
    why = "a minimiser of drift plus V times cost has no higher cost at a larger V"
    return Verdict(found.outcome, f"{found.numbers}; printed {printed}; by theory, {why}")


def order_of_rules(data: Data) -> Verdict:
    """P11."""
    x = data.xs[0]
    least = min(("capacity", "offload_equal", "nearest"), key=lambda name: data.estimate(RULES[name].name, x).mean)
    return in_order(data, [(RULES[name].name, x) for name in (least, "split_equal", "random", "all_local")])


def energy_part(data: Data) -> Verdict:
    """P12."""
    mean = lambda metric: data.estimate(RULES["offload_equal"].name, data.xs[0], metric).mean  # noqa: E731
    part = 0.4 * mean("energy_mean_j") / 1e3 / mean("cost_mean")
    return judge(0.01 <= part <= 0.04, f"{100 * part:.1f} % of the cost of offload_equal")


def instructions(data: Data) -> Verdict:
    """P3."""
    one: Any = ["offload_equal"]
    wide, narrow = data.elsewhere(one, [{}, {"bandwidth_hz": 2e6}], "instr_fraction")["offload_equal"].mean(1)
    own = data.elsewhere(one, [{}], "instr_fraction", bandwidth_mode="per_vehicle")["offload_equal"].mean()
    text = f"{wide:.3f} at 20 MHz, {narrow:.3f} at 2 MHz, {own:.4f} with 20 MHz for each vehicle"
    return judge(bool(own < 0.01 < wide < 0.95 < narrow), f"part of the links that send instructions: {text}")


CLAIMS = (
    Claim("L1", "table3", "Ly-DTMAPPO learns: beyond fixed splitting, and past the printed -2.549", learns),
    Claim("L2", "table3", "steady rewards: DTMAPPO > MASAC > MADDPG > MAPPO > MATD3", table_order),
    Claim("L3", "twin", "the twin pays: Ly-DTMAPPO above Ly-MAPPO (Table III, Fig. 6)", twin_pays(0)),
    Claim("L3 load", "twin", "the same where RSUs have other work, and their queues live", twin_pays(-1)),
    Claim("L4", "table3", "the on-policy learners need more episodes than the off-policy ones", slow_on_policy),
    Claim("L5", "5", "training empties the vehicles' queues: below 1e8 cycles, 5e8 at random", short_queues),
    Claim("L5 lowest", "5", "Ly-DTMAPPO's queues are the shortest", lowest("q_loc_mean_cycles", " [cycle]")),
    Claim("L6", "6", "cost and latency rise with the number of vehicles, for every learner", rise_with_vehicles),
    Claim("L6 lowest", "6", "Ly-DTMAPPO's cost is the lowest at every number of vehicles", lowest("cost_mean")),
    Claim("L6 by", "6", "it is lower by 2.81, 3.85, 4.02 and 10.03 % on average", reductions),
    Claim("L6 energy", "6", "Ly-DTMAPPO's energy falls with the number of vehicles", energies),
    Claim("L7", "7", "the cost rises with V: 0.42, 0.42, 0.552, 0.781 at 5, 10, 50, 100", rises_with_v),
    Claim("P3", "table3", "instructions pay where the band is short (offload_equal)", instructions),
    Claim(
        "P4, P5",
        "6",
        "offloading alone: cost and latency rise, energy falls with the vehicles (rule)",
        offloading_costs,
    ),
    Claim("P6", "6", "were a processor not shared, more vehicles would not wait longer (rule)", common_processor),
    Claim(
        "P11",
        "table3",
        "offloading beats equal splitting, which beats chance, which beats computing locally",
        order_of_rules,
    ),
    Claim("P12", "table3", "energy is 1 to 4 % of the cost, as the printed reductions imply", energy_part),
    Claim("P13", "twin", "the twin pays for a rule where the RSUs have other work, hardly elsewhere", twin_pays_a_rule),
    Claim(
        "N1",
        ALL,
        "the absolute values of the curves, and their percentages",
        lambda _: untestable("constants are missing in the paper, and it shows a single seed"),
    ),
)

PAPER = Paper(
    env_id="isac_iov",
    title="Ly-DTMAPPO: task offloading in an ISAC-enabled Internet of vehicles with a digital twin",
    figures=FIGURES,
    claims=CLAIMS,
    full=Budget(slots=768_000, episodes=256, seeds=5),
    quick=Budget(
        slots=11_520,
        episodes=32,
        seeds=2,
        settings={"n_worlds": 32, "slots_per_update": 8, "batch_size": 64, "capacity": 4096, "epochs": 1},
    ),
)
