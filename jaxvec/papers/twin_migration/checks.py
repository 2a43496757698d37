"""What decides the claims of the DM-MAPPO paper from the data of figures; for statements about the model see `model.py`."""

from collections.abc import Sequence

import numpy as np

from jaxvec.papers.checks import Check, above, everywhere, in_order, level, rises, whole
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.series import Cell, Series
from jaxvec.papers.twin_migration.series import (
    CITY,
    DM_MAPPO,
    GREEDY,
    LITERAL,
    MASAC,
    MYOPIC,
    NO_SATELLITE,
    NO_UAV,
    RANDOM,
    RURAL,
    RURAL_NO_SATELLITE,
    UNMASKED,
    UNMASKED_MYOPIC,
    WITHOUT_PREDICTION,
)
from jaxvec.papers.verdicts import Difference, Finding, both, bound, judge

LEARNED, BASELINES = (DM_MAPPO, MASAC), (GREEDY, RANDOM)
MORE_REWARD = {DM_MAPPO.name: 35.99, MASAC.name: 17.08}  # with prediction, in per cent
LESS_LATENCY = {DM_MAPPO.name: 100 * (1 - 8.42 / 12.40)}


def changes(
    data: Data, pairs: Sequence[tuple[Cell, Cell]], metric: str, sign: int, unit: str = "", scale: float = 1.0
) -> Finding:
    """That in each pair the second is above the first.

    Args:
        data: of the figure.
        pairs: of cells.
        metric: what is compared.
        sign: -1 where the second is to be below.
        unit: in which the verdict gives the metric, with a blank before it.
        scale: from the metric to that unit.
    """
    text, differences = list[str](), list[Difference]()
    for a, b in pairs:
        before, after = data.paired((a, b), metric)
        name = a[0] if a[0] == b[0] else f"{a[0]} to {b[0]}"
        differences += whole(np.stack([before, after]), [f"{a[0]} at {a[1]:g}", f"{b[0]} at {b[1]:g}"], sign)
        part = f"{after.mean() / before.mean() - 1:+.1%}" if before.mean() else ""
        text.append(f"{name} {before.mean() * scale:.4g} to {after.mean() * scale:.4g}{unit} {part}".rstrip())
    return Finding(f"{metric}: {', '.join(text)}", tuple(differences))


def lowest(data: Data, metric: str, others: Sequence[Series], unit: str = "", scale: float = 1.0) -> Finding:
    """That DM-MAPPO is below all others, in the mean over the axis, and nowhere clearly above one.

    Args:
        data: of the figure.
        metric: what is compared.
        others: with whom.
        unit: in which the verdict gives the metric, with a blank before it.
        scale: from the metric to that unit.
    """
    differences = [everywhere(data, series.name, DM_MAPPO.name, metric) for series in others]
    text = []
    for x in data.xs:
        best = min(data.mean(series.name, x, metric) for series in others)
        text.append(f"{data.mean(DM_MAPPO.name, x, metric) * scale:.4g} ({best * scale:.4g})")
    where = f" at {', '.join(f'{x:g}' for x in data.xs)}" if len(data.xs) > 1 else ""
    gaps = ", ".join(
        f"{series.name} {over_seeds(scale * d[0].samples)}" for series, d in zip(others, differences, strict=True)
    )
    values = f"{metric} of DM-MAPPO (the best other): {', '.join(text)}{unit}{where}"
    return Finding(f"{values}; above it in the mean: {gaps}", tuple(d for each in differences for d in each))


def from_to(series: Sequence[Series], x: float, other: float) -> list[tuple[Cell, Cell]]:
    """Pairs of cells, each of a series at two values of the axis."""
    return [((one.name, x), (one.name, other)) for one in series]


# Fig. 6


def prediction_pays(data: Data) -> Finding:
    """C4."""
    x = data.xs[0]
    pairs = zip(LEARNED, WITHOUT_PREDICTION[:2], strict=True)
    parts = [in_order(data, [(series.name, x), (blind.name, x)]) for series, blind in pairs]
    rules = ["random", "greedy", "myopic"]
    last = data.elsewhere(rules, [{}], workload_info="last")
    text = ", ".join(f"{name} {rewards.mean():.3f}" for name, rewards in last.items())
    now = ", ".join(f"{series.name} {data.mean(series.name, x):.3f}" for series in (RANDOM, GREEDY, MYOPIC))
    return both(*parts).also(f"rules told the last count: {text}, told forecasts: {now}")


def order_of_four(data: Data) -> Finding:
    """C4 order."""
    return in_order(data, [(series.name, data.xs[0]) for series in (DM_MAPPO, MASAC, GREEDY, RANDOM)])


def better_by(metric: str, printed: dict[str, float], within: float, sign: int = 1) -> Check:
    """By how much a learner is better with prediction than without, within so many percentage points of what is printed.

    Args:
        metric: in which.
        printed: by learner [%].
        within: percentage points.
        sign: -1 where less is better.
    """

    def check(data: Data) -> Finding:
        x, text, differences = data.xs[0], list[str](), list[Difference]()
        for series, blind in zip(LEARNED, WITHOUT_PREDICTION, strict=False):
            if series.name in printed:
                told, not_told = data.paired([(series.name, x), (blind.name, x)], metric)
                percent = 100 * sign * (told / not_told - 1)
                ours, theirs = over_seeds(percent), printed[series.name]
                text.append(f"{series.name} {ours} % (printed {theirs} %)")
                differences += bound(series.name, percent, theirs - within, theirs + within)
        return Finding(f"{metric}: {', '.join(text)}", tuple(differences))

    return check


def prediction_evens(data: Data) -> Finding:
    """C6 variance."""
    return changes(
        data, [((WITHOUT_PREDICTION[0].name, data.xs[0]), (DM_MAPPO.name, data.xs[0]))], "load_var_mb2", -1, " MB^2"
    )


def less_than_masac(metric: str, printed: float, within: float = 5.0) -> Check:
    """C23: by how much DM-MAPPO is below MASAC, the one other learner of the paper.

    Args:
        metric: in which.
        printed: in the abstract [%].
        within: percentage points.
    """

    def check(data: Data) -> Finding:
        ours, theirs = data.paired([(series.name, data.xs[0]) for series in LEARNED], metric)
        percent = 100 * (1 - ours / np.maximum(theirs, 1e-9))
        text = f"{metric} {over_seeds(ours)} against {over_seeds(theirs)}, {over_seeds(percent)} % less (printed {printed} %)"
        return Finding(text, bound("less by", percent, printed - within, printed + within))

    return check


def literal_is_level(data: Data) -> Finding:
    """C4 literal."""
    x = data.xs[0]
    pair = data.paired([(DM_MAPPO.name, x), (LITERAL.name, x)])
    text = f"{DM_MAPPO.name} {over_seeds(pair[0])}, {LITERAL.name} {over_seeds(pair[1])}"
    return Finding(text, (level("central and own critics", pair),))


def prediction_spares_losses(data: Data) -> Finding:
    """C5."""
    x, text, differences = data.xs[0], list[str](), list[Difference]()
    for series, blind in ((RANDOM, WITHOUT_PREDICTION[3]), (GREEDY, WITHOUT_PREDICTION[2])):
        with_it, without = data.paired([(series.name, x), (blind.name, x)], "packet_loss")
        differences.append(above(f"half of {blind.name}", 0.5 * without, with_it))
        text.append(f"{series.name} {with_it.mean():.2%} against {without.mean():.2%}")
    return Finding(f"packet loss: {', '.join(text)}", tuple(differences))


def few_losses(data: Data) -> Finding:
    """C7."""
    loss = data.samples(DM_MAPPO.name, data.xs[0], "packet_loss").mean(1)
    return Finding(f"{over_seeds(100 * loss)} % (printed 4.494 %)", bound("loss", loss, most=0.05))


# Fig. 7


def falls(*series: Series) -> Check:
    """C9: the reward of each falls along the axis."""
    return lambda data: both(*(rises(data, one.name, "reward", sign=-1) for one in series))


def best_at_every_size(data: Data) -> Finding:
    """C10."""
    losses = {x: data.samples(DM_MAPPO.name, x, "packet_loss").mean(1) for x in data.xs if x <= 100}
    small = tuple(d for x, loss in losses.items() for d in bound(f"loss at {x:g} MB", loss, most=0.1))
    most = max(loss.mean() for loss in losses.values())
    return both(best_of_all(data), Finding(f"loss up to 100 MB at most {most:.2%}", small))


def best_of_all(data: Data) -> Finding:
    """Latency and loss against MASAC, greedy and random."""
    others = (MASAC, GREEDY, RANDOM)
    return both(lowest(data, "latency_s", others, " s"), lowest(data, "packet_loss", others, " %", 100.0))


def variance_falls(data: Data) -> Finding:
    """C11."""
    return both(*(rises(data, series.name, "load_var_mb2", " MB^2", -1) for series in (*LEARNED, *BASELINES)))


# Fig. 8


def without_uavs(data: Data) -> Finding:
    """C12, rules."""
    pairs = from_to(BASELINES, CITY, NO_UAV)
    return both(changes(data, pairs, "feasible_mean", -1), changes(data, pairs, "latency_s", 1, " s"))


def without_uavs_learned(data: Data) -> Finding:
    """C12, learners."""
    pairs = from_to(LEARNED, CITY, NO_UAV)
    return both(changes(data, pairs, "latency_s", 1, " s"), changes(data, pairs, "packet_loss", 1, " %", 100.0))


def mean_change(data: Data, pairs: Sequence[tuple[Cell, Cell]], metric: str) -> np.ndarray:
    """The change of a metric [%], the mean over pairs, per seed `(seeds,)`; a rule has the same in all.

    Args:
        data: of the figure.
        pairs: before and after.
        metric: which.
    """
    values = [[data.samples(*cell, metric).mean(1) for cell in pair] for pair in pairs]
    changes = [100 * (after / np.where(before == 0, 1e-9, before) - 1) for before, after in values]
    return np.mean(np.stack(np.broadcast_arrays(*changes)), 0)


def without_uavs_by(data: Data) -> Finding:
    """C12 by: the mean change over the four."""
    pairs, text, differences = from_to((*LEARNED, *BASELINES), CITY, NO_UAV), list[str](), list[Difference]()
    for metric, printed in (("reward", -6.90), ("latency_s", 37.88), ("packet_loss", 29.78)):
        percent = mean_change(data, pairs, metric)
        text.append(f"{metric} {over_seeds(percent)} % (printed {printed:+} %)")
        if metric != "reward":
            differences += bound(metric, percent, printed - 10, printed + 10)
    return Finding(", ".join(text), tuple(differences))


def satellite(metric: str, sign: int, series: Sequence[Series], unit: str, scale: float = 1.0) -> Check:
    """C13 to C15: from the city without satellite to that with it; arguments as those of `changes`."""
    return lambda data: changes(data, from_to(series, NO_SATELLITE, CITY), metric, sign, unit, scale)


def satellite_helps(data: Data) -> Finding:
    """C15."""
    return both(
        satellite("latency_s", -1, (DM_MAPPO,), " s")(data),
        satellite("packet_loss", -1, (DM_MAPPO,), " %", 100.0)(data),
    )


def out_of_reach(data: Data) -> Finding:
    """C16."""
    off, lost, with_it = 0.0, [], []
    for series in (RANDOM, GREEDY, MYOPIC):
        loss, share = (data.samples(series.name, RURAL_NO_SATELLITE, m)[0] for m in ("loss_range", "unreachable"))
        off = max(off, float(np.abs(loss - share).max()))
        lost.append(float(loss.mean()))
        with_it.append(data.largest(series.name, RURAL, "loss_range"))
    before, after = (data.mean(RANDOM.name, x, "latency_s") for x in (RURAL_NO_SATELLITE, RURAL))
    text = f"lost out of reach {lost[0]:.1%}, with nothing in reach as many (off by at most {off:.1g}); with satellite "
    text += f"{max(with_it):.1%}; latency of random {before:.1f} s without, {after:.1f} s with"
    return judge(off < 1e-5 and max(with_it) == 0 and after < 0.5 * before, text)


def country_is_worse(*series: Series) -> Check:
    """C17: the reward of each is lower in the country."""
    return lambda data: changes(data, from_to(series, CITY, RURAL), "reward", -1)


# Fig. 9


def mask_pays(data: Data) -> Finding:
    """C18, of whoever is made: the model decides it."""
    x = data.xs[0]
    made = [series for series in (*LEARNED, *BASELINES, MYOPIC) if data.is_whole(series.name)]
    worst = max(data.largest(series.name, x, "loss_range") for series in made)

    def fewer(series: Series, free: Series, metric: str) -> float:
        """By which part a metric is lower under the mask."""
        return 1 - data.mean(series.name, x, metric) / max(data.mean(free.name, x, metric), 1e-9)

    latency, loss = (
        data.mean(RANDOM.name, x, metric) / data.mean(UNMASKED[3].name, x, metric)
        for metric in ("latency_s", "packet_loss")
    )
    pairs = zip((DM_MAPPO, MASAC, GREEDY, RANDOM), UNMASKED, strict=True)
    both = [(a, b) for a, b in pairs if data.is_whole(a.name) and data.is_whole(b.name)]
    parts = [f"{a.name} {fewer(a, b, 'latency_s'):.0%} and {fewer(a, b, 'packet_loss'):.0%}" for a, b in both]
    text = f"under the mask {worst:.1%} out of reach; latency and loss fall: {', '.join(parts)} (printed means 72.05 %, 44.60 %)"
    return judge(worst == 0 and latency <= 0.5 and loss <= 0.1, text)


def mask_lowers(data: Data) -> Finding:
    """C18 by: the mean over the four."""
    x, text, differences = data.xs[0], list[str](), list[Difference]()
    series = zip(UNMASKED, (*LEARNED, *BASELINES), strict=True)
    pairs = [((free.name, x), (masked.name, x)) for free, masked in series]
    for metric, printed in (("latency_s", 72.05), ("packet_loss", 44.60)):
        percent = -mean_change(data, pairs, metric)
        text.append(f"{metric} {over_seeds(percent)} % lower (printed {printed} %)")
        differences += bound(metric, percent, printed - 10, printed + 10)
    return Finding(", ".join(text), tuple(differences))


def mask_raises(data: Data) -> Finding:
    """C20 by."""
    with_it, without = data.paired([(DM_MAPPO.name, data.xs[0]), (UNMASKED[0].name, data.xs[0])])
    percent = 100 * (with_it / without - 1)
    return Finding(f"by {over_seeds(percent)} % (printed 73.41 %)", bound("more by", percent, 63.41, 83.41))


def alone_and_told(data: Data) -> Finding:
    """C19."""
    rules = ["random", "greedy", "sticky", "least_load", "myopic"]
    losses = data.elsewhere(rules, [{"bg_jitter_std": 0.0}], "packet_loss", n_vehicles=1, workload_info="actual")
    most = max(float(x.max()) for x in losses.values())
    return judge(most == 0, f"largest loss of any episode of {', '.join(rules)}: {most:.1%}")


def mask_decides(data: Data) -> Finding:
    """C20."""
    x = data.xs[0]
    found = both(*(in_order(data, [(DM_MAPPO.name, x), (free.name, x)]) for free in (UNMASKED[1], UNMASKED[0])))
    rules = ", ".join(f"{series.name} {data.estimate(series.name, x)}" for series in (MYOPIC, UNMASKED_MYOPIC))
    return found.also(rules)


# Figs. 11 and 12


def meetings(data: Data) -> Finding:
    """C22, cooperation."""
    x = data.xs[0]
    return changes(data, [((RANDOM.name, x), (DM_MAPPO.name, x))], "loss_meeting", -1, " %", 100.0)


def satellite_last(data: Data) -> Finding:
    """C22, the satellite."""
    x, text, shares = data.xs[0], [], {}
    for series in (DM_MAPPO, MASAC, GREEDY, MYOPIC):
        on, needless = (data.paired([(series.name, x)], metric)[0] for metric in ("sat_share", "sat_needless"))
        shares[series.name] = needless / np.maximum(on, 1e-9)
        text.append(f"{series.name} {on.mean():.1%} of slots, {shares[series.name].mean():.0%} of them")
    found = bound("its needless part", shares[DM_MAPPO.name], most=0.1)
    return Finding(f"on the satellite, and though another was feasible: {', '.join(text)}", found)
