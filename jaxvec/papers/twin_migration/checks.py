"""What decides the claims of the DM-MAPPO paper from the data of figures; for statements about the model see `model.py`."""

from collections.abc import Sequence

import numpy as np

from jaxvec.papers.checks import SINGLE_SEED, Check, Verdict, both, in_order, judge, rises, untestable, without_interval
from jaxvec.papers.data import Data
from jaxvec.papers.series import Cell, Series
from jaxvec.papers.twin_migration.series import (
    CITY,
    DM_MAPPO,
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
    UNMASKED,
    UNMASKED_MYOPIC,
    WITHOUT_PREDICTION,
)

LEARNED, BASELINES = (DM_MAPPO, MASAC), (GREEDY, RANDOM)


def changes(
    data: Data, pairs: Sequence[tuple[Cell, Cell]], metric: str, sign: int, unit: str = "", scale: float = 1.0
) -> Verdict:
    """Whether in each pair the second is above the first by more than chance.

    Args:
        data: of the figure.
        pairs: of cells.
        metric: what is compared.
        sign: -1 where the second is to be below.
        unit: in which the verdict gives the metric, with a blank before it.
        scale: from the metric to that unit.
    """
    gaps = [data.ahead(b, a, metric) for a, b in pairs]
    if without_interval(gaps):
        return untestable(SINGLE_SEED)
    clear = [sign * gap.mean > gap.half for gap in gaps]
    text = []
    for a, b in pairs:
        before, after = (data.mean(*cell, metric) * scale for cell in (a, b))
        names = a[0] if a[0] == b[0] else f"{a[0]} to {b[0]}"
        text.append(f"{names} {before:.4g} to {after:.4g}{unit}")
    way = "up" if sign > 0 else "down"
    return judge(all(clear), f"{metric}: {', '.join(text)} ({sum(clear)} of {len(clear)} clearly {way})")


def lowest(data: Data, metric: str, others: Sequence[Series], unit: str = "", scale: float = 1.0) -> Verdict:
    """Whether DM-MAPPO is clearly below all others at every value of the axis.

    Args:
        data: of the figure.
        metric: what is compared.
        others: with whom.
        unit: in which the verdict gives the metric, with a blank before it.
        scale: from the metric to that unit.
    """
    clear, text = [], []
    for x in data.xs:
        gaps = [data.ahead((DM_MAPPO.name, x), (series.name, x), metric) for series in others]
        if without_interval(gaps):
            return untestable(SINGLE_SEED)
        clear += [-gap.mean > gap.half for gap in gaps]
        best = min(data.mean(series.name, x, metric) for series in others)
        text.append(f"{data.mean(DM_MAPPO.name, x, metric) * scale:.4g} ({best * scale:.4g})")
    where = f" at {', '.join(f'{x:g}' for x in data.xs)}" if len(data.xs) > 1 else ""
    values = f"{metric} of DM-MAPPO (the best other): {', '.join(text)}{unit}{where}"
    return judge(all(clear), f"{values}; clearly lower in {sum(clear)} of {len(clear)} comparisons")


def from_to(series: Sequence[Series], x: float, other: float) -> list[tuple[Cell, Cell]]:
    """Pairs of cells, each of a series at two values of the axis."""
    return [((one.name, x), (one.name, other)) for one in series]


# Table II


def best_forecast(data: Data) -> Verdict:
    """C1."""
    x, ahead, text = data.xs[0], [], []
    for metric in SCORES:
        sign = 1 if metric == "r2" else -1
        gaps = [data.ahead((OURS.name, x), (series.name, x), metric) for series in OTHERS]
        ahead += [sign * gap.mean > gap.half for gap in gaps]
        if without_interval(gaps):
            return untestable(SINGLE_SEED)
        means = ", ".join(f"{data.mean(series.name, x, metric):.4g}" for series in NETWORKS)
        text.append(f"{metric} {means}")
    names = ", ".join(series.name for series in NETWORKS)
    return judge(
        all(ahead), f"{names}: {'; '.join(text)}; clearly ahead in {sum(ahead)} of {len(ahead)} (made-up counts)"
    )


def better_than_the_last(data: Data) -> Verdict:
    """C2."""
    x = data.xs[0]
    mae = {series.name: data.mean(series.name, x, "mae") for series in (*NETWORKS, NAIVE[0])}
    gains = {series.name: 1 - mae[series.name] / mae[NAIVE[0].name] for series in NETWORKS}
    possible = all(data.mean(series.name, x, "rmse") >= mae[series.name] for series in NETWORKS)
    text = ", ".join(f"{name} {gain:.1%}" for name, gain in gains.items())
    text = f"MAE below the last count's: {text}; RMSE at least MAE: {possible} (printed: 0.671 against 20.417)"
    return judge(min(gains.values()) >= 0.03 and possible, text)


# Fig. 6


def prediction_pays(data: Data) -> Verdict:
    """C4."""
    x = data.xs[0]
    pairs = zip(LEARNED, WITHOUT_PREDICTION[:2], strict=True)
    verdicts = [in_order(data, [(series.name, x), (blind.name, x)]) for series, blind in pairs]
    verdicts.append(in_order(data, [(series.name, x) for series in (MASAC, GREEDY, RANDOM)]))
    gap = data.ahead((DM_MAPPO.name, x), (MASAC.name, x))
    if not without_interval([gap]):
        verdicts.append(judge(gap.mean + gap.half >= 0, f"DM-MAPPO minus MASAC {gap}"))
    rules = ["random", "greedy", "myopic"]
    last = data.elsewhere(rules, [{}], workload_info="last")
    text = ", ".join(f"{name} {rewards.mean():.3f}" for name, rewards in last.items())
    now = ", ".join(f"{series.name} {data.mean(series.name, x):.3f}" for series in (RANDOM, GREEDY, MYOPIC))
    verdict = both(*verdicts)
    return Verdict(verdict.outcome, f"{verdict.numbers}; rules told the last count: {text}, told forecasts: {now}")


def prediction_spares_losses(data: Data) -> Verdict:
    """C5."""
    x, text, fits = data.xs[0], [], []
    for series, blind in ((RANDOM, WITHOUT_PREDICTION[3]), (GREEDY, WITHOUT_PREDICTION[2])):
        with_it, without = (data.mean(name, x, "packet_loss") for name in (series.name, blind.name))
        fits.append(with_it <= 0.5 * without)
        text.append(f"{series.name} {with_it:.2%} against {without:.2%}")
    return judge(all(fits), f"packet loss: {', '.join(text)}")


def few_losses(data: Data) -> Verdict:
    """C7."""
    loss = data.estimate(DM_MAPPO.name, data.xs[0], "packet_loss")
    return judge(loss.mean < 0.05, f"{loss.mean:.2%} ± {loss.half:.2%} (printed 4.494 %)")


# Fig. 7


def falls(*series: Series) -> Check:
    """C9: the reward of each falls along the axis."""
    return lambda data: both(*(rises(data, one.name, "reward", sign=-1) for one in series))


def best_at_every_size(data: Data) -> Verdict:
    """C10."""
    losses = [data.mean(DM_MAPPO.name, x, "packet_loss") for x in data.xs if x <= 100]
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
    pairs = from_to(BASELINES, CITY, NO_UAV)
    return both(changes(data, pairs, "feasible_mean", -1), changes(data, pairs, "latency_s", 1, " s"))


def without_uavs_learned(data: Data) -> Verdict:
    """C12, learners."""
    pairs = from_to(LEARNED, CITY, NO_UAV)
    return both(changes(data, pairs, "latency_s", 1, " s"), changes(data, pairs, "packet_loss", 1, " %", 100.0))


def satellite(metric: str, sign: int, series: Sequence[Series], unit: str, scale: float = 1.0) -> Check:
    """C13 to C15: from the city without satellite to that with it; arguments as those of `changes`."""
    return lambda data: changes(data, from_to(series, NO_SATELLITE, CITY), metric, sign, unit, scale)


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
    before, after = (data.mean(RANDOM.name, x, "latency_s") for x in (RURAL_NO_SATELLITE, RURAL))
    text = f"lost out of reach {lost[0]:.1%}, with nothing in reach as many (off by at most {off:.1g}); with satellite "
    text += f"{max(with_it):.1%}; latency of random {before:.1f} s without, {after:.1f} s with"
    return judge(off < 1e-5 and max(with_it) == 0 and after < 0.5 * before, text)


def country_is_worse(*series: Series) -> Check:
    """C17: the reward of each is lower in the country."""
    return lambda data: changes(data, from_to(series, CITY, RURAL), "reward", -1)


# Fig. 9


def mask_pays(data: Data) -> Verdict:
    """C18."""
    x = data.xs[0]
    worst = max(data.samples(series.name, x, "loss_range").max() for series in (*LEARNED, *BASELINES, MYOPIC))

    def fewer(series: Series, free: Series, metric: str) -> float:
        """By which part a metric is lower under the mask."""
        return 1 - data.mean(series.name, x, metric) / max(data.mean(free.name, x, metric), 1e-9)

    latency, loss = (
        data.mean(RANDOM.name, x, metric) / data.mean(UNMASKED[3].name, x, metric)
        for metric in ("latency_s", "packet_loss")
    )
    pairs = zip((DM_MAPPO, MASAC, GREEDY, RANDOM), UNMASKED, strict=True)
    parts = [f"{a.name} {fewer(a, b, 'latency_s'):.0%} and {fewer(a, b, 'packet_loss'):.0%}" for a, b in pairs]
    text = f"under the mask {worst:.1%} out of reach; latency and loss fall: {', '.join(parts)} (printed means 72.05 %, 44.60 %)"
    return judge(worst == 0 and latency <= 0.5 and loss <= 0.1, text)


def alone_and_told(data: Data) -> Verdict:
    """C19."""
    rules = ["random", "greedy", "sticky", "least_load", "myopic"]
    losses = data.elsewhere(rules, [{"bg_jitter_std": 0.0}], "packet_loss", n_vehicles=1, workload_info="actual")
    most = max(float(x.max()) for x in losses.values())
    return judge(most == 0, f"largest loss of any episode of {', '.join(rules)}: {most:.1%}")


def mask_decides(data: Data) -> Verdict:
    """C20."""
    x = data.xs[0]
    verdict = both(*(in_order(data, [(DM_MAPPO.name, x), (free.name, x)]) for free in (UNMASKED[1], UNMASKED[0])))
    rules = ", ".join(f"{series.name} {data.estimate(series.name, x)}" for series in (MYOPIC, UNMASKED_MYOPIC))
    return Verdict(verdict.outcome, f"{verdict.numbers}; {rules}")


# Figs. 11 and 12


def meetings(data: Data) -> Verdict:
    """C22, cooperation."""
    x = data.xs[0]
    return changes(data, [((RANDOM.name, x), (DM_MAPPO.name, x))], "loss_meeting", -1, " %", 100.0)


def satellite_last(data: Data) -> Verdict:
    """C22, the satellite."""
    x, text, shares = data.xs[0], [], {}
    for series in (DM_MAPPO, MASAC, GREEDY, MYOPIC):
        on, needless = (data.mean(series.name, x, metric) for metric in ("sat_share", "sat_needless"))
        shares[series.name] = needless / max(on, 1e-9)
        text.append(f"{series.name} {on:.1%} of slots, {shares[series.name]:.0%} of them")
    return judge(shares[DM_MAPPO.name] <= 0.1, f"on the satellite, and though another was feasible: {', '.join(text)}")
