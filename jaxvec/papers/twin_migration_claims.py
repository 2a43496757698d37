"""What the DM-MAPPO paper claims, and what follows from its model, each as a check of a figure's data."""

from collections.abc import Callable, Sequence

import numpy as np

from jaxvec.papers.data import Data, Point, both, in_order, rises
from jaxvec.papers.plan import Series, Verdict, judge, untestable
from jaxvec.papers.twin_migration_series import (
    BLIND_ONES,
    CITY,
    DM_MAPPO,
    FREE_MYOPIC,
    FREE_ONES,
    GREEDY,
    MASAC,
    MYOPIC,
    NAIVE,
    NETWORKS,
    NO_SATELLITE,
    NO_UAV,
    OTHERS,
    OURS,
    RANDOM,
    RURAL,
    RURAL_NO_SATELLITE,
    SCORES,
)

LEARNED, BASELINES = (DM_MAPPO, MASAC), (GREEDY, RANDOM)


def changes(
    data: Data, pairs: Sequence[tuple[Point, Point]], metric: str, sign: int, unit: str = "", scale: float = 1.0
) -> Verdict:
    """Whether in each pair the second is above (`sign` -1: below) the first by more than chance."""
    clear, text = [], []
    for a, b in pairs:
        gap = data.ahead(b, a, metric)
        if np.isnan(gap.half):
            return untestable("a single seed has no interval")
        clear.append(sign * gap.mean > gap.half)
        before, after = (data.estimate(*point, metric).mean * scale for point in (a, b))
        names = a[0] if a[0] == b[0] else f"{a[0]} to {b[0]}"
        text.append(f"{names} {before:.4g} to {after:.4g}{unit}")
    return judge(
        all(clear), f"{metric}: {', '.join(text)} ({sum(clear)} of {len(clear)} clearly {'up' if sign > 0 else 'down'})"
    )


def lowest(data: Data, metric: str, others: Sequence[Series], unit: str = "", scale: float = 1.0) -> Verdict:
    """Whether DM-MAPPO is clearly below all others at every place."""
    clear, text = [], []
    for x in data.xs:
        gaps = [data.ahead((DM_MAPPO.name, x), (series.name, x), metric) for series in others]
        if any(np.isnan(gap.half) for gap in gaps):
            return untestable("a single seed has no interval")
        clear += [-gap.mean > gap.half for gap in gaps]
        best = min(data.estimate(series.name, x, metric).mean for series in others)
        text.append(f"{data.estimate(DM_MAPPO.name, x, metric).mean * scale:.4g} ({best * scale:.4g})")
    where = f" at {', '.join(f'{x:g}' for x in data.xs)}" if len(data.xs) > 1 else ""
    text_of = f"{metric} of DM-MAPPO (the best other): {', '.join(text)}{unit}{where}"
    return judge(all(clear), f"{text_of}; clearly lower in {sum(clear)} of {len(clear)} comparisons")


def everywhere(series: Sequence[Series], x: float, other: float) -> list[tuple[Point, Point]]:
    """Pairs of places, of each series."""
    return [((one.name, x), (one.name, other)) for one in series]


# Table II


def best_forecast(data: Data) -> Verdict:
    """C1."""
    x, ahead, text = data.xs[0], [], []
    for metric in SCORES:
        sign = 1 if metric == "r2" else -1
        gaps = [data.ahead((OURS.name, x), (series.name, x), metric) for series in OTHERS]
        ahead += [sign * gap.mean > gap.half for gap in gaps]
        if any(np.isnan(gap.half) for gap in gaps):
            return untestable("a single seed has no interval")
        means = ", ".join(f"{data.estimate(s.name, x, metric).mean:.4g}" for s in NETWORKS)
        text.append(f"{metric} {means}")
    names = ", ".join(series.name for series in NETWORKS)
    return judge(
        all(ahead), f"{names}: {'; '.join(text)}; clearly ahead in {sum(ahead)} of {len(ahead)} (made-up counts)"
    )


def better_than_the_last(data: Data) -> Verdict:
    """C2."""
    x = data.xs[0]
    mean = lambda series, metric: data.estimate(series.name, x, metric).mean  # noqa: E731
    gains = {series.name: 1 - mean(series, "mae") / mean(NAIVE[0], "mae") for series in NETWORKS}
    possible = all(mean(series, "rmse") >= mean(series, "mae") for series in NETWORKS)
    text = ", ".join(f"{name} {gain:.1%}" for name, gain in gains.items())
    text = f"MAE below the last count's: {text}; RMSE at least MAE: {possible} (printed: 0.671 against 20.417)"
    return judge(min(gains.values()) >= 0.03 and possible, text)


# Fig. 6


def prediction_pays(data: Data) -> Verdict:
    """C4."""
    x = data.xs[0]
    blind = [series.name for series in BLIND_ONES]
    verdicts = [in_order(data, [(series.name, x), (name, x)]) for series, name in zip(LEARNED, blind, strict=False)]
    verdicts.append(in_order(data, [(series.name, x) for series in (MASAC, GREEDY, RANDOM)]))
    gap = data.ahead((DM_MAPPO.name, x), (MASAC.name, x))
    if not np.isnan(gap.half):
        verdicts.append(judge(gap.mean + gap.half >= 0, f"DM-MAPPO minus MASAC {gap}"))
    rules = ["random", "greedy", "myopic"]
    last = data.elsewhere(rules, [{}], workload_info="last")
    text = ", ".join(f"{name} {found.mean():.3f}" for name, found in last.items())
    now = ", ".join(f"{series.name} {data.estimate(series.name, x).mean:.3f}" for series in (RANDOM, GREEDY, MYOPIC))
    found = both(*verdicts)
    return Verdict(found.outcome, f"{found.numbers}; rules told the last count: {text}, told forecasts: {now}")


def prediction_spares_losses(data: Data) -> Verdict:
    """C5."""
    x, text, fits = data.xs[0], [], []
    for series, blind in ((RANDOM, BLIND_ONES[3]), (GREEDY, BLIND_ONES[2])):
        told, not_told = (data.estimate(one.name, x, "packet_loss").mean for one in (series, blind))
        fits.append(told <= 0.5 * not_told)
        text.append(f"{series.name} {told:.2%} against {not_told:.2%}")
    return judge(all(fits), f"packet loss: {', '.join(text)}")


def few_losses(data: Data) -> Verdict:
    """C7."""
    it = data.estimate(DM_MAPPO.name, data.xs[0], "packet_loss")
    return judge(it.mean < 0.05, f"{it.mean:.2%} ± {it.half:.2%} (printed 4.494 %)")


# Fig. 7


def falls(*several: Series) -> Callable[[Data], Verdict]:
    """C9."""
    return lambda data: both(*(rises(data, series.name, "reward", sign=-1) for series in several))


def best_at_every_size(data: Data) -> Verdict:
    """C10."""
    losses = [data.estimate(DM_MAPPO.name, x, "packet_loss").mean for x in data.xs if x <= 100]
    small = judge(max(losses) < 0.1, f"loss up to 100 MB at most {max(losses):.2%}")
    return both(best_of_all(data), small)


def best_of_all(data: Data) -> Verdict:
    """Latency and loss against MASAC, greedy and random."""
    others = (MASAC, GREEDY, RANDOM)
    return both(lowest(data, "latency_s", others, " s"), lowest(data, "packet_loss", others, " %", 100.0))


def variance_falls(data: Data) -> Verdict:
    """C11."""
    return both(*(rises(data, series.name, "load_var_mb2", " MB^2", -1) for series in (*LEARNED, *BASELINES)))


# Fig. 8


def without_uavs(data: Data) -> Verdict:
    """C12, rules."""
    pairs = everywhere(BASELINES, CITY, NO_UAV)
    return both(changes(data, pairs, "feasible_mean", -1), changes(data, pairs, "latency_s", 1, " s"))


def without_uavs_learned(data: Data) -> Verdict:
    """C12, learners."""
    pairs = everywhere(LEARNED, CITY, NO_UAV)
    return both(changes(data, pairs, "latency_s", 1, " s"), changes(data, pairs, "packet_loss", 1, " %", 100.0))


def satellite(
    metric: str, sign: int, series: Sequence[Series], unit: str, scale: float = 1.0
) -> Callable[[Data], Verdict]:
    """C13 to C15: from the city without satellite to that with it."""
    return lambda data: changes(data, everywhere(series, NO_SATELLITE, CITY), metric, sign, unit, scale)


def satellite_helps(data: Data) -> Verdict:
    """C15."""
    return both(
        satellite("latency_s", -1, (DM_MAPPO,), " s")(data),
        satellite("packet_loss", -1, (DM_MAPPO,), " %", 100.0)(data),
    )


def out_of_reach(data: Data) -> Verdict:
    """C16."""
    off, lost, with_it = 0.0, [], []
    for series in (RANDOM, GREEDY, MYOPIC):
        loss, share = (data.samples(series.name, RURAL_NO_SATELLITE, m)[0] for m in ("loss_range", "unreachable"))
        off = max(off, float(np.abs(loss - share).max()))
        lost.append(float(loss.mean()))
        with_it.append(float(data.samples(series.name, RURAL, "loss_range").max()))
    before, after = (data.estimate(RANDOM.name, x, "latency_s").mean for x in (RURAL_NO_SATELLITE, RURAL))
    text = f"lost out of reach {lost[0]:.1%}, with nothing in reach as many (off by at most {off:.1g}); with satellite "
    text += f"{max(with_it):.1%}; latency of random {before:.1f} s without, {after:.1f} s with"
    return judge(off < 1e-5 and max(with_it) == 0 and after < 0.5 * before, text)


def country_is_worse(*several: Series) -> Callable[[Data], Verdict]:
    """C17."""
    return lambda data: changes(data, everywhere(several, CITY, RURAL), "reward", -1)


# Fig. 9


def mask_pays(data: Data) -> Verdict:
    """C18."""
    x = data.xs[0]
    worst = max(data.samples(series.name, x, "loss_range").max() for series in (*LEARNED, *BASELINES, MYOPIC))
    free = FREE_ONES[3].name
    mean = lambda name, metric: data.estimate(name, x, metric).mean  # noqa: E731
    latency, loss = (mean(RANDOM.name, metric) / mean(free, metric) for metric in ("latency_s", "packet_loss"))
    parts = []
    for series, other in zip((DM_MAPPO, MASAC, GREEDY, RANDOM), FREE_ONES, strict=True):
        fewer = [
            1 - mean(series.name, metric) / max(mean(other.name, metric), 1e-9)
            for metric in ("latency_s", "packet_loss")
        ]
        parts.append(f"{series.name} {fewer[0]:.0%} and {fewer[1]:.0%}")
    text = f"under the mask {worst:.1%} out of reach; latency and loss fall: {', '.join(parts)} (printed means 72.05 %, 44.60 %)"
    return judge(worst == 0 and latency <= 0.5 and loss <= 0.1, text)


def alone_and_told(data: Data) -> Verdict:
    """C19."""
    rules = ["random", "greedy", "sticky", "least_load", "myopic"]
    found = data.elsewhere(rules, [{"bg_jitter_std": 0.0}], "packet_loss", n_vehicles=1, workload_info="actual")
    most = max(float(x.max()) for x in found.values())
    return judge(most == 0, f"largest loss of any episode of {', '.join(rules)}: {most:.1%}")


def mask_decides(data: Data) -> Verdict:
    """C20."""
    x = data.xs[0]
    names = (
        [(series.name, x) for series in (DM_MAPPO, FREE_ONES[1])],
        [(series.name, x) for series in (DM_MAPPO, FREE_ONES[0])],
    )
    known = [f"{one.name} {data.estimate(one.name, x)}" for one in (MYOPIC, FREE_MYOPIC)]
    found = both(*(in_order(data, pair) for pair in names))
    return Verdict(found.outcome, f"{found.numbers}; {', '.join(known)}")


# Figs. 11 and 12


def meetings(data: Data) -> Verdict:
    """C22, cooperation."""
    x = data.xs[0]
    return changes(data, [((RANDOM.name, x), (DM_MAPPO.name, x))], "loss_meeting", -1, " %", 100.0)


def satellite_last(data: Data) -> Verdict:
    """C22, the satellite."""
    x, text, shares = data.xs[0], [], {}
    for series in (DM_MAPPO, MASAC, GREEDY, MYOPIC):
        on, needless = (data.estimate(series.name, x, metric).mean for metric in ("sat_share", "sat_needless"))
        shares[series.name] = needless / max(on, 1e-9)
        text.append(f"{series.name} {on:.1%} of slots, {shares[series.name]:.0%} of them")
    return judge(shares[DM_MAPPO.name] <= 0.1, f"on the satellite, and though another was feasible: {', '.join(text)}")
