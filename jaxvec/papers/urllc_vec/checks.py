"""What decides the claims of the quantum paper."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.papers.checks import SINGLE_SEED, Check, Verdict, both, in_order, judge, rises, untestable, without_interval
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.series import Series
from jaxvec.papers.urllc_vec.series import (
    FEW,
    LEARNED,
    MADDPG,
    MANY,
    MAPPO,
    NO_LSTM,
    NO_TWIN,
    QMARL,
    RULES,
    SINGLE,
)
from jaxvec.physics import pathloss, rate, units

NASH = RULES["nash"].name
QOS_FREQUENCIES_HZ = (5e9, 7.5e9, 1e10)

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


def linear_in_size(data: Data) -> Verdict:
    """1."""
    with jax.enable_x64(True):
        rows = {name: np.asarray(latency_s(snr, np.array(SIZES_BITS))) for name, snr in SNR_DB.items()}
    ratios = [float(x) for row in rows.values() for x in row[1:] / row[:-1]]
    return judge(bool(np.allclose(ratios, 10, rtol=1e-12)), f"from row to row by {min(ratios):g} to {max(ratios):g}")


def printed_latencies(data: Data) -> Verdict:
    """2."""
    with jax.enable_x64(True):
        seconds = {name: float(latency_s(snr, 1e6)) for name, snr in SNR_DB.items()}
    off = max(abs(s / PRINTED_S[name][1] - 1) for name, s in seconds.items() if name != "3GPP UMa, V2U")
    text = ", ".join(f"{name} {s * 1e3:.3f} ms at {SNR_DB[name]:.2f} dB" for name, s in seconds.items())
    aerial = abs(seconds["3GPP UMa, V2U"] / PRINTED_S["3GPP UMa, V2U"][2] * 10 - 1)
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
    at_km = {name: float(loss_db(f"okumura_hata{unit}", 1000.0)) for name, unit in (("GHz", "_ghz"), ("MHz", ""))}
    text = f"at 1 km {at_km['MHz']:.1f} dB against {float(loss_db('uma_los_fixed', 1000.0)):.1f} dB in sight; with GHz "
    text += f"in the place of MHz {at_km['GHz']:.1f} dB, and less from 10 m to 5 km: {bool((slip < uma).all())}"
    return judge(bool((right < uma).all()), text)


# Learners: Figs. 3 to 5, and the figure "circuit"


def best_team(data: Data) -> Verdict:
    """15."""
    return in_order(data, [(series.name, 8.0) for series in (QMARL, MAPPO, MADDPG)], "team_reward")


def circuit_against(circuit: Series, other: Series) -> Check:
    """15, of one other alone: a circuit is above it."""
    return lambda data: in_order(data, [(series.name, 8.0) for series in (circuit, other)], "team_reward")


def better_than_chance(data: Data) -> Verdict:
    """19."""
    chance, rule = RULES["random"].name, RULES["nash_half"].name
    gaps = {series.name: data.ahead((series.name, 8.0), (chance, 8.0), "team_reward") for series in LEARNED}
    best = max(LEARNED, key=lambda series: data.mean(series.name, 8.0, "team_reward"))
    top = data.ahead((best.name, 8.0), (rule, 8.0), "team_reward")
    text = ", ".join(f"{name} {gap}" for name, gap in gaps.items())
    text = f"above random: {text}; the best of them, {best.name}, minus nash_half: {top}"
    if without_interval(gaps.values()):
        return untestable(f"{SINGLE_SEED}: {text}")
    return judge(all(gap.mean > gap.half for gap in gaps.values()), text)


def below_others(
    data: Data, x: float, metric: str, own: str, others: Sequence[Series], printed: Sequence[float]
) -> Verdict:
    """Whether QMARL is below all others in a metric.

    Args:
        data: of the figure.
        x: value of the axis.
        metric: which.
        own: what QMARL has, in words.
        others: series.
        printed: by how much QMARL is below each in the paper [%].
    """
    gaps = [data.ahead((QMARL.name, x), (series.name, x), metric) for series in others]
    mean = data.mean(QMARL.name, x, metric)
    below = [1 - mean / data.mean(series.name, x, metric) for series in others]
    rows = zip(others, below, printed, strict=True)
    text = f"{own}, below " + ", ".join(f"{series.name} {part:+.1%} (printed {p} %)" for series, part, p in rows)
    if without_interval(gaps):
        return untestable(f"{SINGLE_SEED}: {text}")
    return judge(all(gap.mean + gap.half < 0 for gap in gaps), text)


def lowest_latency(data: Data) -> Verdict:
    """16."""
    metric = "latency_total_v_s"
    own = f"QMARL {data.mean(QMARL.name, 8.0, metric) * 1e3:.1f} ms"
    return below_others(data, 8.0, metric, own, (MAPPO, SINGLE, NO_LSTM, MADDPG), (20.72, 30.11, 63.18, 72.47))


def energy_grows(data: Data) -> Verdict:
    """13."""
    return both(
        rises(data, NASH, "energy_vehicle_j", " mJ", 1, 1e3),
        rises(data, NASH, "energy_node_j", " J"),
    )


def least_energy(data: Data) -> Verdict:
    """14."""
    x, metric = data.xs[-1], "energy_total_j"
    own = f"at {x:g} kbit QMARL {data.mean(QMARL.name, x, metric):.1f} J a slot"
    return below_others(data, x, metric, own, (NO_LSTM, SINGLE, NO_TWIN), (10.83, 37.30, 39.82))


# The model: Figs. 6 and 7


def qos_falls_with_vehicles(data: Data) -> Verdict:
    """6 and 8."""
    falls = rises(data, NASH, "qos_norm", sign=-1)
    worlds = [{"f_max_hz": f} for f in QOS_FREQUENCIES_HZ]
    qos = {v: data.elsewhere(["nash"], worlds, "qos_norm", n_vehicles=v)["nash"].mean(1) for v in (2, 8)}
    text = f"at 7.5 GHz {qos[2][1]:.1f} with 2 vehicles, {qos[8][1]:.1f} with 8 (printed 86.26, 65.96)"
    return both(falls, judge(True, text))


def qos_is_least_where_crowded(data: Data) -> Verdict:
    """8."""
    few = data.elsewhere(["nash"], [{"f_max_hz": 5e9}], "qos_norm", n_vehicles=20, n_uavs=4, n_bs=4)["nash"].mean()
    rest = min(data.mean(NASH, x, "qos_norm") for x in data.xs)
    return judge(bool(few < rest), f"5 GHz, 20 vehicles, 4 UAVs, 4 BSs: {few:.1f}; the least of the others {rest:.1f}")


def qos_rises(data: Data) -> Verdict:
    """7 and 9."""
    return rises(data, NASH, "qos_norm")


def longer_blocks(sign: int) -> Check:
    """11: latency rises with the block length, or falls (`sign` -1)."""
    return lambda data: both(*(rises(data, s.name, "latency_up_s", " ms", sign, 1e3) for s in (FEW, MANY)))


def crowds_wait(data: Data) -> Verdict:
    """12."""
    gaps = [data.ahead((MANY.name, x), (FEW.name, x), "latency_mean_s") for x in data.xs]
    text = ", ".join(f"{gap.mean * 1e3:+.2f} ms" for gap in gaps)
    return judge(all(gap.mean > 0 for gap in gaps), f"8 minus 2 vehicles: {text}")


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


def forecasts_pay(data: Data) -> Verdict:
    """17."""
    ratios = {block: over_seeds(x) for block, x in error_ratios(data, QMARL.name).items()}
    text = ", ".join(f"{block} {ratio}" for block, ratio in ratios.items())
    return judge(ratios["cpu"].mean < 1 and ratios["task"].mean < 1, f"error over that of the last value: {text}")
