"""What decides the claims of the quantum paper."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.papers.checks import Check, above, converged, everywhere, in_order, rises
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.series import Series
from jaxvec.papers.urllc_vec.series import (
    FEW,
    MADDPG,
    MANY,
    MAPPO,
    NO_LSTM,
    NO_TWIN,
    QMARL,
    RULES,
    SINGLE,
)
from jaxvec.papers.verdicts import Difference, Finding, both, bound, judge
from jaxvec.physics import pathloss, rate, units

NASH = RULES["nash"].name
QOS_FREQUENCIES_HZ = (5e9, 7.5e9, 1e10)

LESS_LATENCY = {MAPPO.name: 20.72, SINGLE.name: 30.11, NO_LSTM.name: 63.18, MADDPG.name: 72.47}  # of QMARL, in per cent
LESS_ENERGY = {NO_LSTM.name: 10.83, SINGLE.name: 37.30, NO_TWIN.name: 39.82}
MORE_REWARD = {MAPPO.name: 53.17, MADDPG.name: 84.81}

# Table III

SIZES_BITS = (1e5, 1e6, 1e7)
PRINTED_S = {
    "Okumura, V2B": (0.001010, 0.010109, 0.101093),
    "3GPP UMa, V2B": (0.008986, 0.089863, 0.898631),
    "free space, V2U": (0.0018, 0.0184, 0.1841),
    "3GPP UMa, V2U": (0.0018, 0.0180, 0.1805),
}
SNR_DB = dict(zip(PRINTED_S, (30.426, 1.707, 16.917, 17.249), strict=True))  # that the printed numbers need


def latency_s(snr_db: Any, bits: Any) -> Any:
    """Latency of a packet train at 10 MHz, 1000 symbols and 1e-6 errors [s], (23)."""
    return bits / rate.finite_blocklength_bps(1e7, units.db_to_linear(jnp.asarray(snr_db)), 1000.0, 1e-6)


def loss_db(model: str, distance_m: Any, breakpoint_m: float = 100.0) -> Any:
    """Path loss at 33.3 GHz, 25 m over 1.5 m [dB]."""
    radio = SimpleNamespace(
        wavelength_m=0.009, carrier_hz=3e8 / 0.009, pathloss_exponent=2.0, breakpoint_m=breakpoint_m
    )
    distance_m = jnp.asarray(distance_m)
    return pathloss.MODELS[model](pathloss.Link(distance_m, distance_m, 1.5, 25.0), radio)


def linear_in_size(data: Data) -> Finding:
    """1."""
    with jax.enable_x64(True):
        rows = {name: np.asarray(latency_s(snr, np.array(SIZES_BITS))) for name, snr in SNR_DB.items()}
    ratios = [float(x) for row in rows.values() for x in row[1:] / row[:-1]]
    return judge(bool(np.allclose(ratios, 10, rtol=1e-12)), f"from row to row by {min(ratios):g} to {max(ratios):g}")


def printed_latencies(data: Data) -> Finding:
    """2."""
    with jax.enable_x64(True):
        seconds = {name: float(latency_s(snr, 1e6)) for name, snr in SNR_DB.items()}
    off = max(abs(s / PRINTED_S[name][1] - 1) for name, s in seconds.items() if name != "3GPP UMa, V2U")
    text = ", ".join(f"{name} {s * 1e3:.3f} ms at {SNR_DB[name]:.2f} dB" for name, s in seconds.items())
    aerial = abs(seconds["3GPP UMa, V2U"] / PRINTED_S["3GPP UMa, V2U"][2] * 10 - 1)
    return judge(max(off, aerial) < 1e-3, f"{text}; the printed ones within {max(off, aerial):.2%}")


def aerial_models_agree(data: Data) -> Finding:
    """3."""
    distance_m = np.linspace(60, 250, 50)
    free, umi = (120 - loss_db(name, distance_m) for name in ("power_law", "uma_av_los"))
    apart = float(np.abs(latency_s(umi, 1e6) / latency_s(free, 1e6) - 1).max())
    return judge(apart < 0.05, f"latencies differ by at most {apart:.1%} from 60 to 250 m")


def okumura_loses_less(data: Data) -> Finding:
    """4."""
    distance_m = np.geomspace(10, 5000, 200)
    uma = loss_db("uma_los_fixed", distance_m)
    slip, right = (loss_db(f"okumura_hata{unit}", distance_m) for unit in ("_ghz", ""))
    at_km = {name: float(loss_db(f"okumura_hata{unit}", 1000.0)) for name, unit in (("GHz", "_ghz"), ("MHz", ""))}
    text = f"at 1 km {at_km['MHz']:.1f} dB against {float(loss_db('uma_los_fixed', 1000.0)):.1f} dB in sight; with GHz "
    text += f"in the place of MHz {at_km['GHz']:.1f} dB, and less from 10 m to 5 km: {bool((slip < uma).all())}"
    return judge(bool((right < uma).all()), text)


# Learners: Figs. 3 to 5, and the figure "circuit"


def best_team(data: Data) -> Finding:
    """15."""
    return in_order(data, [(series.name, 8.0) for series in (QMARL, MAPPO, MADDPG)], "team_reward")


def gains_of_team(data: Data) -> Finding:
    """15 by: within 10 percentage points, parts of the way from chance, as a reward has no zero."""
    chance = data.mean(RULES["random"].name, 8.0, "team_reward")
    ours = data.samples(QMARL.name, 8.0, "team_reward").mean(1) - chance
    percent = {n: 100 * (ours / (data.samples(n, 8.0, "team_reward").mean(1) - chance) - 1) for n in MORE_REWARD}
    text = ", ".join(f"{name} {over_seeds(x)} % (printed {MORE_REWARD[name]} %)" for name, x in percent.items())
    ends = {name: (printed - 10, printed + 10) for name, printed in MORE_REWARD.items()}
    differences = tuple(d for name, x in percent.items() for d in bound(name, x, *ends[name]))
    return Finding(f"above chance by more than {text}", differences)


def steady_sooner(data: Data) -> Finding:
    """15 episodes."""
    parts = {}
    for series in (QMARL, MAPPO):
        episodes = data.episodes(series.name, data.xs[0])
        parts[series.name] = converged(data, series.name) / episodes[-1]
    text = ", ".join(f"{name} after {over_seeds(x)} of its training" for name, x in parts.items())
    return Finding(text, (above("MAPPO later", parts[MAPPO.name], parts[QMARL.name]),))


def reductions(metric: str, printed: dict[str, float]) -> Check:
    """By how much QMARL is below others at the last value of the axis, within 5 percentage points of what is printed.

    Args:
        metric: of which.
        printed: by series [%].
    """

    def check(data: Data) -> Finding:
        x = data.xs[-1]
        pairs = {name: data.paired([(QMARL.name, x), (name, x)], metric) for name in printed}
        percent = {name: 100 * (1 - ours / theirs) for name, (ours, theirs) in pairs.items()}
        text = ", ".join(f"{name} {over_seeds(part)} % (printed {printed[name]} %)" for name, part in percent.items())
        ends = {name: (printed[name] - 5, printed[name] + 5) for name in printed}
        return Finding(
            f"below {text}", tuple(d for name, part in percent.items() for d in bound(name, part, *ends[name]))
        )

    return check


def nearer_to_equilibrium(data: Data) -> Finding:
    """Nash."""
    x, metric = data.xs[0], "nash_gap"
    there = [series.name for series in data.series if data.has(series.name, x, metric)]
    text = ", ".join(f"{name} {data.estimate(name, x, metric)}" for name in there)
    chance, learned = data.paired([(RULES["random"].name, x), (QMARL.name, x)], metric)
    return Finding(
        f"a vehicle could gain by one change: {text}", (above("chance farther than QMARL", chance, learned),)
    )


def circuit_against(circuit: Series, other: Series) -> Check:
    """15, of one other alone: a circuit is above it."""
    return lambda data: in_order(data, [(series.name, 8.0) for series in (circuit, other)], "team_reward")


def better_than_chance(data: Data) -> Finding:
    """19."""
    chance, rule = RULES["random"].name, RULES["nash_half"].name
    learners = [series for series in data.series if series.learner]
    pairs = {series.name: data.paired([(series.name, 8.0), (chance, 8.0)], "team_reward") for series in learners}
    best = max(learners, key=lambda series: data.mean(series.name, 8.0, "team_reward"))
    top = data.ahead((best.name, 8.0), (rule, 8.0), "team_reward")
    text = ", ".join(f"{name} {over_seeds(x[0] - x[1])}" for name, x in pairs.items())
    text = f"above random: {text}; the best of them, {best.name}, minus nash_half: {top}"
    return Finding(text, tuple(above(name, *x) for name, x in pairs.items()))


def below_others(
    data: Data, x: float, metric: str, own: str, others: Sequence[Series], printed: Sequence[float]
) -> Finding:
    """That QMARL is below all others in a metric.

    Args:
        data: of the figure.
        x: value of the axis.
        metric: which.
        own: what QMARL has, in words.
        others: series.
        printed: by how much QMARL is below each in the paper [%].
    """
    pairs = [data.paired([(series.name, x), (QMARL.name, x)], metric) for series in others]
    below = [1 - ours.mean() / theirs.mean() for theirs, ours in pairs]
    rows = zip(others, below, printed, strict=True)
    text = f"{own}, below " + ", ".join(f"{series.name} {part:+.1%} (printed {p} %)" for series, part, p in rows)
    return Finding(text, tuple(above(series.name, *pair) for series, pair in zip(others, pairs, strict=True)))


def lowest_latency(data: Data) -> Finding:
    """16."""
    metric = "latency_total_v_s"
    own = f"QMARL {data.mean(QMARL.name, 8.0, metric) * 1e3:.1f} ms"
    return below_others(data, 8.0, metric, own, (MAPPO, SINGLE, NO_LSTM, MADDPG), (20.72, 30.11, 63.18, 72.47))


def energy_grows(data: Data) -> Finding:
    """13."""
    return both(
        rises(data, NASH, "energy_vehicle_j", " mJ", 1, 1e3),
        rises(data, NASH, "energy_node_j", " J"),
    )


def least_energy(data: Data) -> Finding:
    """14."""
    x, metric = data.xs[-1], "energy_total_j"
    own = f"at {x:g} kbit QMARL {data.mean(QMARL.name, x, metric):.1f} J a slot"
    return below_others(data, x, metric, own, (NO_LSTM, SINGLE, NO_TWIN), (10.83, 37.30, 39.82))


# The model: Figs. 6 and 7


def qos_falls_with_vehicles(data: Data) -> Finding:
    """6 and 8."""
    falls = rises(data, NASH, "qos_norm", sign=-1)
    worlds = [{"f_max_hz": f} for f in QOS_FREQUENCIES_HZ]
    qos = {v: data.elsewhere(["nash"], worlds, "qos_norm", n_vehicles=v)["nash"].mean(1) for v in (2, 8)}
    return falls.also(f"at 7.5 GHz {qos[2][1]:.1f} with 2 vehicles, {qos[8][1]:.1f} with 8 (printed 86.26, 65.96)")


def qos_is_least_where_crowded(data: Data) -> Finding:
    """8."""
    few = data.elsewhere(["nash"], [{"f_max_hz": 5e9}], "qos_norm", n_vehicles=20, n_uavs=4, n_bs=4)["nash"][0]
    rest = min((data.samples(NASH, x, "qos_norm")[0] for x in data.xs), key=np.mean)
    text = f"5 GHz, 20 vehicles, 4 UAVs, 4 BSs: {few.mean():.1f}; the least of the others {rest.mean():.1f}"
    return Finding(text, (above("the others above it", rest, few),))


def qos_rises(data: Data) -> Finding:
    """7 and 9."""
    return rises(data, NASH, "qos_norm")


def longer_blocks(sign: int) -> Check:
    """11: latency rises with the block length, or falls (`sign` -1)."""
    return lambda data: both(*(rises(data, s.name, "latency_up_s", " ms", sign, 1e3) for s in (FEW, MANY)))


def crowds_wait(data: Data) -> Finding:
    """12."""
    gaps = [data.ahead((MANY.name, x), (FEW.name, x), "latency_mean_s") for x in data.xs]
    text = ", ".join(f"{gap.mean * 1e3:+.2f} ms" for gap in gaps)
    return Finding(f"8 minus 2 vehicles: {text}", everywhere(data, MANY.name, FEW.name, "latency_mean_s"))


# The figure "twin"

BLOCKS = ("cpu", "backlog", "load", "task")


def error_ratios(data: Data, series: str) -> dict[str, np.ndarray]:
    """Root mean squared error of the forecast over that of the last value, last tenth of training, per block `(seeds,)`."""
    result = {}
    for block in BLOCKS:
        forecast, last = (data.curve(series, data.xs[0], f"forecaster/{kind}_{block}") for kind in ("rmse", "hold"))
        end = -max(1, len(forecast) // 10)
        result[block] = forecast[end:].mean(0) / last[end:].mean(0)
    return result


def forecasts_pay(data: Data) -> Finding:
    """17."""
    ratios = error_ratios(data, QMARL.name)
    text = ", ".join(f"{block} {over_seeds(ratio)}" for block, ratio in ratios.items())
    differences = tuple(Difference(f"error of {block}", 1 - ratios[block], 1.0) for block in ("cpu", "task"))
    return Finding(f"error over that of the last value: {text}", differences)
