"""What decides the claims of the Ly-DTMAPPO paper."""

import numpy as np

from jaxvec.papers.checks import (
    SINGLE_SEED,
    Check,
    Verdict,
    both,
    converged,
    in_order,
    judge,
    ranked,
    rises,
    steady,
    untestable,
    without_interval,
)
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.isac_iov.series import DTMAPPO, LEARNED, MADDPG, MAPPO, MASAC, MATD3, OFF_POLICY, ON_POLICY, RULES

COST_BY_V = {5.0: 0.42, 10.0: 0.42, 50.0: 0.552, 100.0: 0.781}  # printed in Fig. 7
LESS_COST = {"Ly-MAPPO": 2.81, "Ly-MASAC": 3.85, "Ly-MATD3": 4.02, "Ly-MADDPG": 10.03}  # Fig. 6a, mean over 2 to 6 [%]

# Table III


def variation(data: Data, series: str) -> np.ndarray:
    """Deviation over |mean| of an episode's mean reward, `(seeds,)`."""
    samples = data.samples(series, data.xs[0])
    return samples.std(1, ddof=1) / np.abs(samples.mean(1))


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


def slow_on_policy(data: Data) -> Verdict:
    """L4."""
    episodes = {series.name: converged(data, series.name) for series in LEARNED}
    on, off = (np.stack([episodes[series.name] for series in group]) for group in (ON_POLICY, OFF_POLICY))
    gap = over_seeds(on.min(0) - off.max(0))
    if without_interval([gap]):
        return untestable(SINGLE_SEED)
    text = ", ".join(f"{name} {over_seeds(x)}" for name, x in episodes.items())
    return judge(gap.mean > gap.half, f"episodes: {text}")


def instructions(data: Data) -> Verdict:
    """P3."""
    rule, metric = "offload_equal", "instr_fraction"
    wide, narrow = data.elsewhere([rule], [{}, {"bandwidth_hz": 2e6}], metric)[rule].mean(1)
    alone = data.elsewhere([rule], [{}], metric, bandwidth_mode="per_vehicle")[rule].mean()
    text = f"{wide:.3f} at 20 MHz, {narrow:.3f} at 2 MHz, {alone:.4f} with 20 MHz for each vehicle"
    return judge(bool(alone < 0.01 < wide < 0.95 < narrow), f"part of the links that send instructions: {text}")


def order_of_rules(data: Data) -> Verdict:
    """P11."""
    x = data.xs[0]
    least = min(("capacity", "offload_equal", "nearest"), key=lambda name: data.mean(RULES[name].name, x))
    return in_order(data, [(RULES[name].name, x) for name in (least, "split_equal", "random", "all_local")])


def energy_part(data: Data) -> Verdict:
    """P12."""
    energy_j, cost = (data.mean(RULES["offload_equal"].name, data.xs[0], m) for m in ("energy_mean_j", "cost_mean"))
    part = 0.4 * energy_j / 1e3 / cost
    return judge(0.01 <= part <= 0.04, f"{100 * part:.1f} % of the cost of offload_equal")


# Fig. 5


def short_queues(data: Data) -> Verdict:
    """L5, first part."""
    x, metric = data.xs[0], "q_loc_mean_cycles"
    before, after = (data.estimate(name, x, metric) for name in (RULES["random"].name, DTMAPPO.name))
    return judge(after.mean < 1e8 < before.mean, f"random {before} cycles, Ly-DTMAPPO {after}")


def lowest(metric: str, unit: str = "") -> Check:
    """Ly-DTMAPPO is below all other learners everywhere."""

    def check(data: Data) -> Verdict:
        parts, clear = [], []
        for x in data.xs:
            gaps = {s.name: data.ahead((s.name, x), (DTMAPPO.name, x), metric) for s in LEARNED if s is not DTMAPPO}
            if without_interval(gaps.values()):
                return untestable(SINGLE_SEED)
            clear += [gap.mean > gap.half for gap in gaps.values()]
            parts.append(f"at {x:g}: " + ", ".join(f"{name} {gap}" for name, gap in gaps.items()))
        return judge(all(clear), f"above Ly-DTMAPPO's by{unit}, {'; '.join(parts)}")

    return check


# Fig. 6


def rise_with_vehicles(data: Data) -> Verdict:
    """L6, first part."""
    metrics = (("cost_mean", ""), ("latency_mean_s", " s"))
    return both(*(rises(data, series.name, metric, unit) for series in LEARNED for metric, unit in metrics))


def reductions(data: Data) -> Verdict:
    """L6: the mean reductions of the cost, within half of what is printed."""

    def cost(name: str, x: float) -> np.ndarray:
        return data.samples(name, x, "cost_mean").mean(1)

    by_series = {}
    for series in LEARNED[1:]:
        percent = [100 * (1 - cost(DTMAPPO.name, x) / cost(series.name, x)) for x in data.xs]
        by_series[series.name] = over_seeds(np.mean(percent, 0))
    text = ", ".join(f"{name} {it} % (printed {LESS_COST[name]} %)" for name, it in by_series.items())
    near = [abs(it.mean / LESS_COST[name] - 1) < 0.5 for name, it in by_series.items()]
    return judge(all(near), f"against {text}")


def energies(data: Data) -> Verdict:
    """L6, energy."""
    return rises(data, DTMAPPO.name, "energy_mean_j", " J", -1)


def offloading_costs(data: Data) -> Verdict:
    """P4 and P5."""
    name = RULES["offload_equal"].name
    return both(
        rises(data, name, "cost_mean"),
        rises(data, name, "latency_mean_s", " s"),
        rises(data, name, "energy_mean_j", " J", -1),
    )


def common_processor(data: Data) -> Verdict:
    """P6."""
    rule, common = "offload_equal", {"rsu_cpu_mode": "common"}
    few, many = (data.elsewhere([rule], [{}], "latency_mean_s", n_vehicles=n, **common)[rule].mean() for n in (2, 6))
    return judge(abs(many / few - 1) < 0.1, f"latency {few:.3f} s with 2 vehicles, {many:.3f} s with 6")


# Fig. 7


def rises_with_v(data: Data) -> Verdict:
    """L7."""
    printed = ", ".join(f"{COST_BY_V[x]:g}" for x in data.xs)
    verdict = rises(data, DTMAPPO.name, "cost_mean")
    why = "a minimiser of drift plus V times cost has no higher cost at a larger V"
    return Verdict(verdict.outcome, f"{verdict.numbers}; printed {printed}; by theory, {why}")


# The figure "twin"


def twin_pays(index: int) -> Check:
    """L3: at one of the values of the axis."""

    def check(data: Data) -> Verdict:
        with_twin, without = ((series.name, data.xs[index]) for series in (DTMAPPO, MAPPO))
        order = in_order(data, [with_twin, without])
        return Verdict(order.outcome, f"{order.numbers}; difference {data.ahead(with_twin, without)}")

    return check


def twin_pays_a_rule(data: Data) -> Verdict:
    """P13."""
    gaps = [data.ahead((RULES["waterfill_twin"].name, x), (RULES["waterfill"].name, x)) for x in data.xs]
    text = ", ".join(f"{gap} at {x:g}" for gap, x in zip(gaps, data.xs, strict=True))
    pays = abs(gaps[0].mean) < 0.06 and gaps[-1].mean >= 0.1
    return judge(pays, f"water-filling with the twin minus without: {text}")
