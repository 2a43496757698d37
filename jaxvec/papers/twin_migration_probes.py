"""What the DM-MAPPO paper's figures and claims need beside learners and rules: forecasts that are scored, an environment that
tells more of itself, and statements about the model that are tried slot by slot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.evaluation import episode_means
from jaxvec.core.make import make
from jaxvec.core.rollout import rollout, world_keys
from jaxvec.core.types import Timestep
from jaxvec.core.wrappers import Wrapper
from jaxvec.forecast import Training
from jaxvec.forecast.counts import BINS_PER_DAY, FIRST_HOUR, LAST_HOUR, NAIVE, accuracy, learned, split_bins
from jaxvec.papers.data import Data
from jaxvec.papers.plan import Named, Verdict, judge
from jaxvec.policies import fixed
from jaxvec.traces import Region, synthetic_region
from jaxvec.traces.synthetic import flow

GROUP = "vehicle"
N_RSU, N_DAYS = 84, 28

# Table II


def forecaster(name: str) -> Callable[[Sequence[int], Named], Sequence[tuple[Named, Named]]]:
    """What makes the runs of a predictor: `scored` on made-up counts; a setting `forecast_rsus` says of how many RSUs."""
    return lambda seeds, settings: scored(
        name, flow(0, N_RSU, N_DAYS).counts[: settings.get("forecast_rsus", N_RSU)], seeds, settings
    )


def scored(name: str, counts: np.ndarray, seeds: Sequence[int], settings: Named) -> list[tuple[Named, Named]]:
    """A predictor's accuracy on the test days of counts, made up or one's own, and its forecasts of the first of them.

    Args:
        name: of `jaxvec.forecast.counts.predictors()`.
        counts: (station, bin), from a midnight on, ten whole days or more.
        seeds: of training; a predictor that needs none is the same for all.
        settings: `forecast_epochs` of training.
    Returns:
        Per seed the fields of `jaxvec.forecast.counts.Accuracy`, `(1,)` each; and `counts` and `forecast` of that day from 6:00
        to 22:00 at the busiest station.
    """
    (_, n_train), (first, last) = (split_bins(counts.shape[1], split) for split in ("train", "test"))
    if name in NAIVE:
        several = [NAIVE[name](counts, n_train)] * len(seeds)
    else:
        how = Training(epochs=settings.get("forecast_epochs", Training.epochs))
        several = list(learned(counts, n_train, name, tuple(seeds), how).reshape(len(seeds), *counts.shape))
    busiest = int(np.argmax(counts[:, :n_train].mean(1)))
    hour = BINS_PER_DAY // 24
    day, test = slice(first + FIRST_HOUR * hour, first + LAST_HOUR * hour), slice(first, last)
    return [
        (
            {metric: x[None] for metric, x in accuracy(counts[:, test], found[:, test])._asdict().items()},
            {"counts": counts[busiest, day], "forecast": found[busiest, day]},
        )
        for found in several
    ]


# More to tell

WATCHED = {
    "unreachable": ("-", "share of vehicles without any RSU or UAV in reach"),
    "loss_meeting": ("-", "share whose server is overloaded after two twins or more arrived there in this slot"),
    "sat_needless": ("-", "share of twins on the satellite although an RSU or UAV was feasible"),
}


@dataclass(frozen=True)
class Watched(Wrapper):
    """`twin_migration` with more metrics: means over the vehicles on their way, as its own."""

    info_fields = property(lambda self: {**self.env.info_fields, **WATCHED})  # type: ignore[assignment]

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's."""
        return self.env.reset(key, params)

    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """The environment's, watched."""
        after, ts = self.env.step(key, state, action, params)
        scene, info, server = state.scene, ts.info, action[GROUP]["server"]
        arrives = info["served"] & (info["migrate"] | (state.prev < 0))
        company = jnp.sum(arrives[None] & (server[None] == server[:, None]), 1)
        elsewhere = jnp.any(scene.feasible[:, :-1], 1)
        told = {
            "unreachable": ~jnp.any(scene.in_range[:, :-1], 1),
            "loss_meeting": info["overload"] & (company >= 2),
            "sat_needless": info["served"] & (server == len(scene.server_active) - 1) & elsewhere,
        }
        active = scene.veh_active
        mean = lambda x: jnp.sum(active & x, 0) / jnp.maximum(jnp.sum(active, 0), 1)  # noqa: E731
        return after, ts.replace(info=info | {name: mean(x) for name, x in told.items()})


# Statements about the model

DOUBLED = {"mig_bits": 1, "vt_rate_bps": 1, "bg_bits_per_vehicle": 1, "noise_w": 1, "carrier_hz": 1, "cpu_edge_hz": -1}


def more_work_takes_longer(data: Data, **sizes: Any) -> Verdict:
    """C8: actions and draws fixed, one number halved and doubled."""
    env, params = make("twin_migration", use_mask=False, region="city:test", **sizes)
    base = {name: float(getattr(params, name)) for name in DOUBLED}
    rows = [{**base, name: base[name] * factor} for name in DOUBLED for factor in (0.5, 1.0, 2.0)]
    stacked = {name: jnp.asarray([row[name] for row in rows]) for name in base}
    select = lambda slot: (slot.ts.info["t_sum"], slot.state.queue)  # noqa: E731
    play = partial(rollout, env, fixed(env, params)["random"], jax.random.key(0), n_worlds=4, select=select)
    found = jax.jit(lambda all_: jax.lax.map(lambda numbers: play(params.replace(**numbers)), all_))(stacked)
    worst, text = [], []
    for i, (name, sign) in enumerate(DOUBLED.items()):
        steps = [sign * np.diff(np.asarray(x[3 * i : 3 * i + 3], float), axis=0) / np.abs(x).max() for x in found]
        worst.append(min(float(step.min()) for step in steps))
        text.append(f"{name} {'up' if sign > 0 else 'down'}: {float(np.mean(steps[0] > 0)):.0%} of latencies longer")
    return judge(
        min(worst) > -1e-5, f"{'; '.join(text)}; the largest step the other way {-min(worst):.1g} of the whole"
    )


def variance_of_one_more(data: Data) -> Verdict:
    """C11: the identity, and where it changes its sign."""
    rng = np.random.default_rng(0)
    loads, off, right = rng.gamma(2.0, 40.0, 95), 0.0, True
    m, mean = len(loads), loads.mean()
    for s in (1.0, 20.0, 60.0, 120.0):
        for i in range(m):
            after = loads.copy()
            after[i] += s
            change = after.var() - loads.var()
            off = max(off, abs(change - ((1 - 1 / m) * s**2 + 2 * s * (loads[i] - mean)) / m))
            right &= (change < 0) == (s < 2 * (mean - loads[i]) / (1 - 1 / m))
    return judge(
        bool(off < 1e-9 and right), f"off by at most {off:.1g} MB^2; falls only where s < 2 (mean - x) / (1 - 1/M)"
    )


def absent_ones_serve_nobody(data: Data) -> Verdict:
    """C21, by chance alone."""
    sizes: dict[str, Any] = {"n_vehicles": 7, "n_uav": 11, "vehicle_schedule": "dynamic", "uav_schedule": "dynamic"}
    env, params = make("twin_migration", region="city:test", **sizes)

    def select(slot: Any) -> tuple[Array, ...]:
        info, mask = slot.ts.info, slot.obs.mask[GROUP]["server"]
        active, there = info["vehicle_active"], info["server_active"]
        chosen = jnp.take_along_axis(there, slot.action[GROUP]["server"], 0)
        uav = there[len(params.region.rsu_present) : -1]
        return active[:, None] & mask & ~there[None], active & ~chosen, jnp.sum(uav, 0), jnp.sum(active, 0)

    run = jax.jit(lambda key: rollout(env, fixed(env, params)["random"], key, params, 16, select=select))
    offered, chosen, uavs, vehicles = (np.asarray(x) for x in run(jax.random.key(0)))
    text = f"{uavs.min()} to {uavs.max()} UAVs and up to {vehicles.max()} vehicles at once in 16 episodes: "
    text += f"absent servers offered {int(offered.sum())} times, chosen {int(chosen.sum())} times"
    return judge(not offered.any() and not chosen.any() and uavs.min() < uavs.max() <= 11, text)


def more_rsus_more_choice(data: Data) -> Verdict:
    """C24: the first 68, 76 and 84 of the same sites."""
    env, params = make("twin_migration", region="city:test")
    policy, key = fixed(env, params)["random"], jax.random.key(0)

    @jax.jit
    def look(region: Region) -> tuple[Array, Array]:
        here = params.replace(region=region)
        reached = env.reset(world_keys(key, 256), here)[0].scene.in_range[:, : len(region.rsu_present)]
        return reached, jnp.mean(episode_means(env, policy, key, here, 64)["feasible_mean"])

    found = [look(synthetic_region(0, "city", n_present=n, split="test")) for n in (68, 76, 84)]
    reached, feasible = ([np.asarray(x) for x in several] for several in zip(*found, strict=True))
    nested = all(bool((few <= many).all()) for few, many in pairwise(reached))
    text = f"RSUs in reach {', '.join(f'{x.sum(1).mean():.2f}' for x in reached)}, each a part of the next: {nested}; "
    text += f"feasible servers of masked random {', '.join(f'{x:.2f}' for x in feasible)} with 68, 76, 84 RSUs"
    return judge(nested and bool(np.all(np.diff(feasible) > 0)), text)
