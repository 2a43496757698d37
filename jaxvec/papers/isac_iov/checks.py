"""What decides the claims of the Ly-DTMAPPO paper."""

import numpy as np

from jaxvec.papers.checks import Check, above, converged, everywhere, in_order, level, ranked, rises, steady
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.isac_iov.series import DTMAPPO, LEARNED, MADDPG, MAPPO, MASAC, MATD3, OFF_POLICY, ON_POLICY, RULES
from jaxvec.papers.series import Series
from jaxvec.papers.verdicts import Finding, both, bound, judge

COST_BY_V = {5.0: 0.42, 10.0: 0.42, 50.0: 0.552, 100.0: 0.781}  # printed in Fig. 7
LESS_COST = {"Ly-MAPPO": 2.81, "Ly-MASAC": 3.85, "Ly-MATD3": 4.02, "Ly-MADDPG": 10.03}  # Fig. 6a, mean over 2 to 6 [%]
PRINTED = {  # Table III: steady reward, coefficient of variation, episodes until converged
    "Ly-DTMAPPO": (-2.549, 0.411, 1711),
    "Ly-MAPPO": (-3.555, 0.672, 1398),
    "Ly-MADDPG": (-3.412, 0.530, 185),
    "Ly-MASAC": (-3.031, 0.366, 278),
    "Ly-MATD3": (-4.541, 0.333, 579),
}
LESS_LATENCY = {"Ly-MAPPO": 2.8, "Ly-MASAC": 3.0, "Ly-MATD3": 3.7, "Ly-MADDPG": 9.8}  # Fig. 6b, likewise
LESS_ENERGY = {"Ly-MAPPO": 2.5, "Ly-MASAC": 46.0, "Ly-MATD3": 36.0, "Ly-MADDPG": 37.0}  # Fig. 6c, likewise
LESS_ENERGY_OF_SIX = {"Ly-MAPPO": 2.6, "Ly-MASAC": 79.4, "Ly-MATD3": 62.5, "Ly-MADDPG": 71.1}  # Fig. 6c, at 6
GAINS = {"Ly-MADDPG": 25.3, "Ly-MATD3": 43.9, "Ly-MASAC": 15.9, "Ly-MAPPO": 28.3}  # of the steady reward, VII-B1

# Table III


def variation(data: Data, series: str) -> np.ndarray:
    """Deviation over |mean| of an episode's mean reward, `(seeds,)`."""
    x = data.xs[0]
    return data.deviation(series, x) / np.abs(data.samples(series, x).mean(1))


def learns(data: Data) -> Finding:
    """L1."""
    here, name = data.xs[0], DTMAPPO.name
    beaten = in_order(data, [(name, here), (RULES["split_equal"].name, here), (RULES["random"].name, here)])
    end = steady(data, name)
    text = f"{over_seeds(end)} at the end of training (printed -2.549)"
    return both(beaten, Finding(text, bound("steady reward", end, least=-2.549)))


def reaches(series: Series) -> Check:
    """A learner ends where the paper prints that it does, or higher."""

    def check(data: Data) -> Finding:
        end, printed = steady(data, series.name), PRINTED[DTMAPPO.name][0]
        return Finding(f"{over_seeds(end)} at the end (printed {printed})", bound("steady reward", end, least=printed))

    return check


def gains(data: Data) -> Finding:
    """L2 by: relative gains of the steady reward, within 5 percentage points."""
    ours = steady(data, DTMAPPO.name)
    percent = {name: 100 * (1 - ours / steady(data, name)) for name in GAINS}
    text = ", ".join(f"{name} {over_seeds(x)} % (printed {GAINS[name]} %)" for name, x in percent.items())
    ends = {name: (printed - 5, printed + 5) for name, printed in GAINS.items()}
    return Finding(f"above {text}", tuple(d for name, x in percent.items() for d in bound(name, x, *ends[name])))


def table_order(data: Data) -> Finding:
    """L2."""
    return ranked({series.name: steady(data, series.name) for series in (DTMAPPO, MASAC, MADDPG, MAPPO, MATD3)})


def slow_on_policy(data: Data) -> Finding:
    """L4."""
    episodes = {series.name: converged(data, series.name) for series in LEARNED}
    on, off = (np.stack([episodes[series.name] for series in group]) for group in (ON_POLICY, OFF_POLICY))
    text = ", ".join(f"{name} {over_seeds(x)} (printed {PRINTED[name][2]})" for name, x in episodes.items())
    return Finding(f"episodes: {text}", (above("the least of these above the most of those", on.min(0), off.max(0)),))


def variations(data: Data) -> Finding:
    """L2 variation: Ly-DTMAPPO varies less than Ly-MAPPO and Ly-MADDPG, more than Ly-MASAC and Ly-MATD3."""
    order = (MAPPO, MADDPG, DTMAPPO, MASAC, MATD3)
    found = ranked({series.name: variation(data, series.name) for series in order})
    return found.also("printed " + ", ".join(f"{PRINTED[series.name][1]:g}" for series in order))


def instructions(data: Data) -> Finding:
    """P3."""
    rule, metric = "offload_equal", "instr_fraction"
    wide, narrow = data.elsewhere([rule], [{}, {"bandwidth_hz": 2e6}], metric)[rule].mean(1)
    alone = data.elsewhere([rule], [{}], metric, bandwidth_mode="per_vehicle")[rule].mean()
    text = f"{wide:.3f} at 20 MHz, {narrow:.3f} at 2 MHz, {alone:.4f} with 20 MHz for each vehicle"
    return judge(bool(alone < 0.01 < wide < 0.95 < narrow), f"part of the links that send instructions: {text}")


def order_of_rules(data: Data) -> Finding:
    """P11."""
    x = data.xs[0]
    least = min(("capacity", "offload_equal", "nearest"), key=lambda name: data.mean(RULES[name].name, x))
    return in_order(data, [(RULES[name].name, x) for name in (least, "split_equal", "random", "all_local")])


def energy_part(data: Data) -> Finding:
    """P12."""
    cell = RULES["offload_equal"].name, data.xs[0]
    energy_j, cost = (data.paired([cell], metric)[0] for metric in ("energy_mean_j", "cost_mean"))
    part = 0.4 * energy_j / 1e3 / cost
    return Finding(f"{100 * part.mean():.1f} % of the cost of offload_equal", bound("its part", part, 0.01, 0.04))


# Fig. 5


def short_queues(data: Data) -> Finding:
    """L5, first part."""
    x, metric = data.xs[0], "q_loc_mean_cycles"
    names = RULES["random"].name, DTMAPPO.name
    before, after = (data.estimate(name, x, metric) for name in names)
    chance, learned = (data.samples(name, x, metric) for name in names)
    differences = bound("after training", learned.mean(1), most=1e8) + bound("random", chance[0], least=1e8)
    return Finding(f"random {before} cycles, Ly-DTMAPPO {after}", differences)


def lowest(metric: str, unit: str = "") -> Check:
    """Ly-DTMAPPO is below all other learners."""

    def check(data: Data) -> Finding:
        others = [series.name for series in LEARNED if series is not DTMAPPO]
        differences = {name: everywhere(data, name, DTMAPPO.name, metric) for name in others}
        where = f", in the mean over {', '.join(f'{x:g}' for x in data.xs)}" if len(data.xs) > 1 else ""
        text = ", ".join(f"{name} {x[0].interval}" for name, x in differences.items())
        return Finding(f"above Ly-DTMAPPO's by{unit}{where}: {text}", tuple(d for x in differences.values() for d in x))

    return check


# Fig. 6


def rise_with_vehicles(data: Data) -> Finding:
    """L6, first part."""
    metrics = (("cost_mean", ""), ("latency_mean_s", " s"))
    return both(*(rises(data, series.name, metric, unit) for series in LEARNED for metric, unit in metrics))


def reductions(metric: str, printed: dict[str, float], within: float, *, last: bool = False) -> Check:
    """By how much Ly-DTMAPPO is below the others in the mean over the axis, within so many percentage points of what is printed.

    Args:
        metric: of which.
        printed: by series [%].
        within: percentage points.
        last: at the last value of the axis alone.
    """

    def check(data: Data) -> Finding:
        by_series, xs = {}, data.xs[-1:] if last else data.xs
        for name in printed:
            cells = [(who, x) for who in (DTMAPPO.name, name) for x in xs]
            ours, theirs = np.split(data.paired(cells, metric), 2)
            by_series[name] = np.mean(100 * (1 - ours / theirs), 0)
        text = ", ".join(f"{name} {over_seeds(x)} % (printed {printed[name]} %)" for name, x in by_series.items())
        ends = {name: (printed[name] - within, printed[name] + within) for name in printed}
        return Finding(
            f"against {text}", tuple(d for name, x in by_series.items() for d in bound(name, x, *ends[name]))
        )

    return check


def energies(data: Data) -> Finding:
    """L6, energy."""
    return rises(data, DTMAPPO.name, "energy_mean_j", " J", -1)


def offloading_costs(data: Data) -> Finding:
    """P4 and P5."""
    name = RULES["offload_equal"].name
    return both(
        rises(data, name, "cost_mean"),
        rises(data, name, "latency_mean_s", " s"),
        rises(data, name, "energy_mean_j", " J", -1),
    )


def common_processor(data: Data) -> Finding:
    """P6."""
    rule, common = "offload_equal", {"rsu_cpu_mode": "common"}
    few, many = (data.elsewhere([rule], [{}], "latency_mean_s", n_vehicles=n, **common)[rule][0] for n in (2, 6))
    text = f"latency {few.mean():.3f} s with 2 vehicles, {many.mean():.3f} s with 6"
    return Finding(text, (level("2 and 6 vehicles", np.stack([few, many])),))


# Fig. 7


def rises_with_v(data: Data) -> Finding:
    """L7."""
    printed = ", ".join(f"{COST_BY_V[x]:g}" for x in data.xs)
    why = "a minimiser of drift plus V times cost has no higher cost at a larger V"
    return rises(data, DTMAPPO.name, "cost_mean").also(f"printed {printed}; by theory, {why}")


# The figure "twin"


def twin_pays(index: int) -> Check:
    """L3: at one of the values of the axis."""

    def check(data: Data) -> Finding:
        with_twin, without = ((series.name, data.xs[index]) for series in (DTMAPPO, MAPPO))
        return in_order(data, [with_twin, without]).also(f"difference {data.ahead(with_twin, without)}")

    return check


def twin_pays_a_rule(data: Data) -> Finding:
    """P13."""
    pairs = [((RULES["waterfill_twin"].name, x), (RULES["waterfill"].name, x)) for x in data.xs]
    gaps = [data.gaps(*pair) for pair in pairs]
    text = ", ".join(f"{over_seeds(gap)} at {x:g}" for gap, x in zip(gaps, data.xs, strict=True))
    differences = bound("idle RSUs", gaps[0], -0.06, 0.06) + bound("busy RSUs", gaps[-1], least=0.1)
    return Finding(f"water-filling with the twin minus without: {text}", differences)
