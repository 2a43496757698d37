"""What decides the claims of the DT-MADDPG paper."""

from functools import partial
from typing import Any

import jax
import numpy as np

from jaxvec.core.evaluation import Interval
from jaxvec.core.make import make
from jaxvec.core.rollout import Slot, rollout
from jaxvec.papers.checks import (
    HOLDS,
    SINGLE_SEED,
    Check,
    Verdict,
    both,
    in_order,
    judge,
    rises,
    untestable,
    without_interval,
)
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.series import Series
from jaxvec.papers.v2x_offload.series import ALCS, AMCS_RULE, DT_MADDPG, GREEDY, RANDOM, ROCS_RULE, RULES, TRAINED
from jaxvec.policies import fixed

PRINTED_FALLS = {"DT-MADDPG": 3.72, "AMCS": 9.48, "ROCS": 19.14, "DDPG": 20.26, "ALCS": 23.60}  # in per cent


def order(*series: Series) -> Check:
    """These are in order at the first value of the axis, from the highest reward."""
    return lambda data: in_order(data, [(one.name, data.xs[0]) for one in series])


# Fig. 4


def rates_in_order(data: Data) -> Verdict:
    """C1."""
    cells = [(DT_MADDPG.name, rate) for rate in data.xs]
    ordered = in_order(data, cells, names=[f"rate {rate:g}:" for _, rate in cells])
    best = data.estimate(DT_MADDPG.name, 0.001)
    return both(ordered, judge(best.mean >= 0.85, f"at rate 0.001 {best} (at least 0.85 asked)"))


def range_of_rewards(data: Data) -> Verdict:
    """C2."""
    chance = data.estimate(RANDOM.name, data.xs[0])
    most = max(data.mean(*cell) for cell in data.runs)
    return judge(0.60 <= chance.mean <= 0.75 and most <= 0.96, f"random {chance}, the best of all {most:.4g}")


# Fig. 5


def local_slots(data: Data) -> Verdict:
    """C4: slot by slot."""
    env, params = make("v2x_offload")
    n = env.n_agents["vehicle"]

    def select(slot: Slot) -> Any:
        return slot.state.task_bits.mean(0), slot.ts.info["reward_mean"]

    slots = jax.jit(partial(rollout, env, fixed(env, params)["alcs"], n_worlds=64, select=select))
    bits, reward = (np.asarray(x, float) for x in slots(jax.random.key(0), params))
    off = np.abs(reward - (1 - bits / 312e3)).max()
    deviation = params.task_spread * params.task_bits / (312e3 * np.sqrt(3 * n))
    text = f"largest difference {off:.1g}; deviation over slots {reward.std():.4f}, by the formula {deviation:.4f}"
    return judge(bool(off < 1e-5 and abs(reward.std() / deviation - 1) < 0.05), text)


def twin_refresh(data: Data) -> Verdict:
    """C16."""
    worlds: list[dict[str, Any]] = [{}, {"twin_sync_every": 10}, {"twin_cpu_err": 0.5, "twin_bw_err": 0.5}]
    exact, once, wrong = data.elsewhere(["greedy"], worlds)["greedy"].mean(1)
    text = f"greedy {exact:.3f}, {once:.3f} if refreshed once a slot, {wrong:.3f} with errors up to 50 %"
    return judge(exact - once > 0.08 and wrong < exact, text)


# Fig. 6


def fall(data: Data, series: str) -> Interval:
    """How far the reward falls from 100 to 150 kbit [%]; of a rule without interval."""
    small, large = (data.samples(series, x).mean(1) for x in (100.0, 150.0))
    return over_seeds(100 * (small - large) / small)


def falls_with_size(data: Data) -> Verdict:
    """C5."""
    names = [series.name for series in RULES]
    falling = [in_order(data, [(n, x) for x in data.xs], names=[f"{n} {x:g} kbit" for x in data.xs]) for n in names]

    def cost(name: str, x: float) -> float:
        return 1 - data.samples(name, x).mean()

    ratios = {name: cost(name, 150.0) / cost(name, 100.0) for name in names}
    free: dict[str, Any] = {"deadline_s": 1e9, "hard_radius": False}
    rules = [series.rule for series in RULES]
    rewards = data.elsewhere(rules, [{"task_bits": bits, **free} for bits in (100e3, 150e3)])
    exact = {rule: (1 - x[1].mean()) / (1 - x[0].mean()) for rule, x in rewards.items()}
    text = "cost at 150 over cost at 100 kbit: " + ", ".join(f"{name} {r:.3f}" for name, r in ratios.items())
    text += "; without deadline and radius: " + ", ".join(f"{rule} {r:.4f}" for rule, r in exact.items())
    fits = all(abs(r / 1.5 - 1) < 0.03 for r in ratios.values()) and all(abs(r - 1.5) < 2e-3 for r in exact.values())
    return judge(both(*falling).outcome == HOLDS and fits, text)


def falls_of_rules(data: Data) -> Verdict:
    """C6, rules."""
    falls = {series.name: fall(data, series.name).mean for series in (GREEDY, AMCS_RULE, ROCS_RULE, ALCS)}
    ordered = list(falls.values()) == sorted(falls.values())
    text = ", ".join(f"{name} {x:.1f} %" for name, x in falls.items())
    return judge(ordered and abs(falls["ALCS"] - 23.6) <= 0.6, f"{text}; the paper prints 23.60 % for ALCS")


def falls_of_learners(data: Data) -> Verdict:
    """C6, learners."""
    falls = {series.name: fall(data, series.name) for series in TRAINED}
    text = ", ".join(f"{name} {it} % (printed {PRINTED_FALLS[name]} %)" for name, it in falls.items())
    return judge(3 <= falls[DT_MADDPG.name].mean <= 6, text)


def small_tasks_stay(data: Data) -> Verdict:
    """C7."""
    text = []
    for series in (DT_MADDPG, GREEDY):
        parts = [f"{data.mean(series.name, x, 'frac_local'):.3f}" for x in data.xs]
        text.append(f"{series.name} {', '.join(parts)}")
    gap = data.ahead((DT_MADDPG.name, data.xs[0]), (DT_MADDPG.name, data.xs[-1]), "frac_local")
    where = ", ".join(f"{x:g}" for x in data.xs)
    why = "by the model it cannot: all costs are proportional to the size of a task, (3) to (17)"
    return judge(gap.mean > max(gap.half, 0.1), f"part computed locally at {where} kbit: {'; '.join(text)}; {why}")


# Fig. 7


def crossings(data: Data) -> Verdict:
    """C8."""
    level = data.samples("ALCS", data.xs[0])[0]
    same = all(np.allclose(data.samples("ALCS", x)[0], level, atol=1e-4) for x in data.xs)
    falling, text = True, [f"ALCS {level.mean():.3f} at every speed" if same else "ALCS changes with speed"]
    crossed = []
    for series in (AMCS_RULE, ROCS_RULE):
        ahead = np.array([data.ahead((series.name, x), ("ALCS", x)).mean for x in data.xs])
        falling &= bool(np.all(np.diff(ahead) < 0))
        at = float(np.interp(0, ahead[::-1], np.array(data.xs)[::-1])) if ahead[0] > 0 > ahead[-1] else np.nan
        crossed.append(at)
        text.append(f"{series.name} falls under it at {at:.1f} m/s")
    return judge(same and falling and all(17.5 <= at <= 27.5 for at in crossed), "; ".join(text) + " (paper: 20 to 25)")


def below_local(data: Data) -> Verdict:
    """C9."""
    fast = [x for x in data.xs if x >= 25]
    gaps = {x: data.ahead((DT_MADDPG.name, x), ("ALCS", x)) for x in fast}
    if without_interval(gaps.values()):
        return untestable(SINGLE_SEED)
    rule = {x: data.ahead((GREEDY.name, x), ("ALCS", x)).mean for x in fast}
    text = ", ".join(f"{gap} at {x:g} m/s (greedy {rule[x]:+.3f})" for x, gap in gaps.items())
    return judge(all(gap.mean + gap.half < 0 for gap in gaps.values()), f"DT-MADDPG minus ALCS: {text}")


def speed_within_borders(data: Data) -> Verdict:
    """C10."""
    rules = [series.rule for series in RULES]
    rewards = data.elsewhere(rules, [{"speed_mps": v} for v in (5.0, 15.0, 30.0)], boundary="reflect")
    spread = {rule: float(np.ptp(x.mean(1))) for rule, x in rewards.items()}
    text = ", ".join(f"{rule} {x:.4f}" for rule, x in spread.items())
    return judge(max(spread.values()) < 0.01, f"largest difference between 5, 15 and 30 m/s: {text}")


# Fig. 8


def faster_servers(data: Data) -> Verdict:
    """C11."""
    name, slow, fast = AMCS_RULE.name, data.xs[0], data.xs[-1]
    steps = (
        rises(data, name, "latency_mean_s", " ms", -1, 1e3),
        rises(data, name, "energy_mean_j", " mJ", 1, 1e3),
        rises(data, name, "reward"),
    )
    ratio = data.mean(name, fast, "latency_mean_s") / data.mean(name, slow, "latency_mean_s")
    extra = data.mean(name, fast, "energy_mean_j") - data.mean(name, slow, "energy_mean_j")
    text = f"latency at {fast:g} over {slow:g} GHz {ratio:.2f}, energy up by {extra * 1e3:.1f} mJ"
    return both(*steps, judge(0.2 <= ratio <= 0.35 and extra < 0.05, text))


def faster_servers_learned(data: Data) -> Verdict:
    """C12."""
    name = DT_MADDPG.name
    return both(rises(data, name, "reward"), rises(data, name, "latency_mean_s", " ms", -1, 1e3))


# Fig. 9


def more_vehicles(data: Data) -> Verdict:
    """C13."""
    name, most = AMCS_RULE.name, data.xs[-1]
    steps = both(rises(data, name, "latency_mean_s", " ms", 1, 1e3), rises(data, name, "reward", sign=-1))
    if most < 60:
        return both(steps, untestable(f"this look ends at {most:g} vehicles"))
    gap = data.ahead((name, most), ("ALCS", most))
    return both(steps, judge(gap.mean + gap.half < 0, f"AMCS minus ALCS among {most:g}: {gap}"))


def more_energy(data: Data) -> Verdict:
    """C14."""
    learned = rises(data, DT_MADDPG.name, "energy_mean_j", " mJ", 1, 1e3)
    rule = rises(data, AMCS_RULE.name, "energy_mean_j", " mJ", 1, 1e3)
    return Verdict(learned.outcome, f"{learned.numbers}; {rule.numbers}: smaller shares cost less, (13)")
