"""What decides the claims of the DT-MADDPG paper."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxvec.core.make import make
from jaxvec.core.rollout import Slot, rollout
from jaxvec.papers.checks import Check, above, converged, everywhere, in_order, level, rises, whole
from jaxvec.papers.data import Data, over_seeds
from jaxvec.papers.series import Series
from jaxvec.papers.v2x_offload.series import ALCS, AMCS_RULE, DT_MADDPG, GREEDY, RANDOM, ROCS_RULE, RULES
from jaxvec.papers.verdicts import Difference, Finding, both, bound, judge, untestable
from jaxvec.policies import fixed

PRINTED_FALLS = {"DT-MADDPG": 3.72, "AMCS": 9.48, "ROCS": 19.14, "DDPG": 20.26, "ALCS": 23.60}  # in per cent
PRINTED_REWARDS = {0.001: 0.9501, 0.005: 0.9447, 0.01: 0.8893}  # by learning rate
PRINTED_EPISODES = {0.001: 8, 0.005: 10, 0.01: 18}


def order(*series: Series) -> Check:
    """These are in order at the first value of the axis, from the highest reward."""
    return lambda data: in_order(data, [(one.name, data.xs[0]) for one in series])


# Fig. 4


def rates_in_order(data: Data) -> Finding:
    """C1."""
    cells = [(DT_MADDPG.name, rate) for rate in data.xs]
    printed = ", ".join(f"{PRINTED_REWARDS[rate]:g}" for rate in data.xs)
    return in_order(data, cells, names=[f"rate {rate:g}:" for _, rate in cells]).also(f"printed {printed}")


def episodes_by_rate(data: Data) -> Finding:
    """C1 episodes: the smaller the rate, the sooner."""
    values = np.stack(
        [converged(data.at(rate), DT_MADDPG.name) / data.worlds(DT_MADDPG.name, rate) for rate in data.xs]
    )
    text = ", ".join(
        f"rate {rate:g} {over_seeds(x)} (printed {PRINTED_EPISODES[rate]})"
        for rate, x in zip(data.xs, values, strict=True)
    )
    return Finding(f"episodes of each world: {text}", whole(values, [f"{rate:g}" for rate in data.xs]))


def range_of_rewards(data: Data) -> Finding:
    """C2."""
    x = data.xs[0]
    chance = data.estimate(RANDOM.name, x)
    learners = {rate: data.samples(DT_MADDPG.name, rate).mean(1) for rate in data.xs}
    best = max(learners, key=lambda rate: learners[rate].mean())
    differences = bound("random", data.paired([(RANDOM.name, x)])[0], 0.60, 0.75)
    differences += bound("the best", learners[best], most=0.96)
    return Finding(f"random {chance}, the best of all {over_seeds(learners[best])}", differences)


# Fig. 5


def local_slots(data: Data) -> Finding:
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


def twin_refresh(data: Data) -> Finding:
    """C16."""
    worlds: list[dict[str, Any]] = [{}, {"twin_sync_every": 10}, {"twin_cpu_err": 0.5, "twin_bw_err": 0.5}]
    exact, once, wrong = data.elsewhere(["greedy"], worlds)["greedy"]
    text = f"greedy {exact.mean():.3f}, {once.mean():.3f} if refreshed once a slot, {wrong.mean():.3f} with errors up to 50 %"
    return Finding(text, (above("exact above once a slot", exact, once),))


# Fig. 6


def fall(data: Data, series: str) -> np.ndarray:
    """How far the reward falls from 100 to 150 kbit [%], `(samples,)`."""
    small, large = data.paired([(series, 100.0), (series, 150.0)])
    return 100 * (small - large) / small


def falls_with_size(data: Data) -> Finding:
    """C5."""
    names = [series.name for series in RULES]
    falling = [whole(data.paired([(n, x) for x in data.xs]), [f"{n} {x:g} kbit" for x in data.xs], -1) for n in names]

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
    return Finding(text, tuple(difference for each in falling for difference in each), (fits,))


def falls_of_rules(data: Data) -> Finding:
    """C6, rules."""
    falls = {series.name: fall(data, series.name) for series in (GREEDY, AMCS_RULE, ROCS_RULE, ALCS)}
    text = ", ".join(f"{name} {x.mean():.1f} %" for name, x in falls.items())
    differences = whole(np.stack(list(falls.values())), list(falls))
    differences += bound("the fall of ALCS", falls["ALCS"], 23.0, 24.2)
    return Finding(f"{text}; the paper prints 23.60 % for ALCS", differences)


def falls_of(*series: Series) -> Check:
    """C6: the falls of these lie within 1.5 percentage points of what is printed."""

    def check(data: Data) -> Finding:
        falls = {one.name: fall(data, one.name) for one in series}
        text = ", ".join(f"{name} {over_seeds(x)} % (printed {PRINTED_FALLS[name]} %)" for name, x in falls.items())
        ends = {name: (PRINTED_FALLS[name] - 1.5, PRINTED_FALLS[name] + 1.5) for name in falls}
        return Finding(text, tuple(d for name, x in falls.items() for d in bound(name, x, *ends[name])))

    return check


def best_of_all(*others: Series) -> Check:
    """DT-MADDPG is above these, in the mean over the axis, and nowhere clearly below."""

    def check(data: Data, xs: Sequence[float] | None = None) -> Finding:
        differences = [everywhere(data, DT_MADDPG.name, one.name, xs=xs) for one in others]
        text = ", ".join(f"{one.name} by {d[0].interval}" for one, d in zip(others, differences, strict=True))
        return Finding(
            f"DT-MADDPG in the mean over the axis above {text}", tuple(d for each in differences for d in each)
        )

    return check


def part_local(data: Data, name: str) -> np.ndarray:
    """The part of tasks that a series computes locally, `(points, samples)`."""
    return data.paired([(name, x) for x in data.xs], "frac_local")


def small_tasks_stay(data: Data) -> Finding:
    """C7."""
    parts = part_local(data, DT_MADDPG.name)
    where = ", ".join(f"{x:g}" for x in data.xs)
    text = f"part computed locally at {where} kbit: {', '.join(f'{x:.3f}' for x in parts.mean(1))}"
    return Finding(text, whole(parts, [f"{x:g} kbit" for x in data.xs], -1))


def size_decides_nothing(data: Data) -> Finding:
    """C7 model."""
    parts = part_local(data, GREEDY.name)
    text = f"greedy computes {', '.join(f'{x:.3f}' for x in parts.mean(1))} locally"
    why = "all costs are proportional to the size of a task, (3) to (17), so that it decides nothing"
    return Finding(f"{text}; {why}", (level("first and last", parts[[0, -1]]),))


# Fig. 7


def crossings(data: Data) -> Finding:
    """C8."""
    rules = (AMCS_RULE, ROCS_RULE)
    levels = data.paired([(ALCS.name, x) for x in data.xs])
    same = bool(np.allclose(levels, levels[0], atol=1e-4))
    text = [f"ALCS {levels[0].mean():.3f} at every speed" if same else "ALCS changes with speed"]
    crossed: list[float] = []
    differences: list[Difference] = []
    for series in rules:
        gaps = data.paired([(series.name, x) for x in data.xs]) - levels
        ahead = gaps.mean(1)
        differences += whole(gaps, [f"{series.name} at {x:g} m/s" for x in data.xs], -1)
        at = float(np.interp(0, ahead[::-1], np.array(data.xs)[::-1])) if ahead[0] > 0 > ahead[-1] else np.nan
        crossed.append(at)
        text.append(f"{series.name} falls under it at {at:.1f} m/s")
    fits = same and all(17.5 <= at <= 27.5 for at in crossed)
    return Finding("; ".join(text) + " (paper: 20 to 25)", tuple(differences), (fits,))


def below_local(data: Data) -> Finding:
    """C9."""
    fast = [x for x in data.xs if x >= 25]
    gaps = {x: data.ahead((DT_MADDPG.name, x), ("ALCS", x)) for x in fast}
    text = ", ".join(f"{gap} at {x:g} m/s" for x, gap in gaps.items())
    return Finding(f"DT-MADDPG minus ALCS: {text}", everywhere(data, "ALCS", DT_MADDPG.name, xs=fast))


def greedy_above_local(data: Data) -> Finding:
    """C9 rule."""
    fast = [x for x in data.xs if x >= 25]
    text = ", ".join(f"{data.ahead((GREEDY.name, x), ('ALCS', x))} at {x:g} m/s" for x in fast)
    return Finding(f"greedy minus ALCS: {text}", everywhere(data, GREEDY.name, "ALCS", xs=fast))


def above_local(data: Data) -> Finding:
    """C8 slow."""
    return Finding(
        ", ".join(f"{data.ahead((DT_MADDPG.name, x), ('ALCS', x))} at {x:g} m/s" for x in data.xs if x < 20),
        everywhere(data, DT_MADDPG.name, "ALCS", xs=[x for x in data.xs if x < 20]),
    )


def speed_within_borders(data: Data) -> Finding:
    """C10."""
    rules = [series.rule for series in RULES]
    rewards = data.elsewhere(rules, [{"speed_mps": v} for v in (5.0, 15.0, 30.0)], boundary="reflect")
    text = ", ".join(f"{rule} {float(np.ptp(x.mean(1))):.4f}" for rule, x in rewards.items())
    pairs = [(rule, x[[i, j]]) for rule, x in rewards.items() for i, j in ((0, 1), (0, 2))]
    differences = tuple(level(rule, x) for rule, x in pairs)
    return Finding(f"largest difference between 5, 15 and 30 m/s: {text}", differences)


# Fig. 8


def faster_servers(data: Data) -> Finding:
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


def faster_servers_learned(data: Data) -> Finding:
    """C12."""
    name = DT_MADDPG.name
    return both(rises(data, name, "reward"), rises(data, name, "latency_mean_s", " ms", -1, 1e3))


# Fig. 9


def more_vehicles(data: Data) -> Finding:
    """C13."""
    name, most = AMCS_RULE.name, data.xs[-1]
    steps = both(rises(data, name, "latency_mean_s", " ms", 1, 1e3), rises(data, name, "reward", sign=-1))
    if most < 60:
        return both(steps, untestable(f"this look ends at {most:g} vehicles"))
    local, amcs = data.paired([("ALCS", most), (name, most)])
    under = Finding(
        f"AMCS minus ALCS among {most:g}: {over_seeds(amcs - local)}", (above("ALCS above AMCS", local, amcs),)
    )
    return both(steps, under)


def more_energy(data: Data) -> Finding:
    """C14."""
    rule = rises(data, AMCS_RULE.name, "energy_mean_j", " mJ", 1, 1e3)
    learned = rises(data, DT_MADDPG.name, "energy_mean_j", " mJ", 1, 1e3)
    return learned.also(f"{rule.numbers}: smaller shares cost less, (13)")
