"""Statements about the model of `twin_migration`, tried slot by slot."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.evaluation import episode_means
from jaxvec.core.make import make
from jaxvec.core.rollout import Slot, rollout, world_keys
from jaxvec.envs.twin_migration import TwinMigration
from jaxvec.papers.data import Data
from jaxvec.papers.twin_migration.wrappers import GROUP
from jaxvec.papers.verdicts import Finding, judge
from jaxvec.policies import fixed
from jaxvec.traces import Region, synthetic_region

# what is halved and doubled, and whether more of it is more work
DOUBLED = {"mig_bits": 1, "vt_rate_bps": 1, "bg_bits_per_vehicle": 1, "noise_w": 1, "carrier_hz": 1, "cpu_edge_hz": -1}


def on_test_days(**sizes: Any) -> tuple[TwinMigration, Any]:
    """The environment on the test days of made-up traffic, and its parameters."""
    env, params = make("twin_migration", region="city:test", **sizes)
    assert isinstance(env, TwinMigration)
    return env, params


def more_work_takes_longer(data: Data, **sizes: Any) -> Finding:
    """C8: actions and draws fixed, one number halved and doubled."""
    env, params = on_test_days(use_mask=False, **sizes)
    base = {name: float(getattr(params, name)) for name in DOUBLED}
    rows = [{**base, name: base[name] * factor} for name in DOUBLED for factor in (0.5, 1.0, 2.0)]
    stacked = {name: jnp.asarray([row[name] for row in rows]) for name in base}
    policy = fixed(env, params)["random"]

    def select(slot: Slot) -> tuple[Array, Array]:
        return slot.ts.info["t_sum"], slot.state.queue

    def one(numbers: dict[str, Array]) -> tuple[Array, Array]:
        return rollout(env, policy, jax.random.key(0), params.replace(**numbers), 4, select=select)

    latency_and_queue = jax.jit(lambda everything: jax.lax.map(one, everything))(stacked)
    worst, text = [], []
    for i, (name, sign) in enumerate(DOUBLED.items()):
        three = slice(3 * i, 3 * i + 3)
        steps = [sign * np.diff(np.asarray(x[three], float), axis=0) / np.abs(x).max() for x in latency_and_queue]
        worst.append(min(float(step.min()) for step in steps))
        text.append(f"{name} {'up' if sign > 0 else 'down'}: {float(np.mean(steps[0] > 0)):.0%} of latencies longer")
    return judge(
        min(worst) > -1e-5, f"{'; '.join(text)}; the largest step the other way {-min(worst):.1g} of the whole"
    )


def variance_of_one_more(data: Data) -> Finding:
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


def absent_ones_serve_nobody(data: Data) -> Finding:
    """C21, by chance alone."""
    sizes: dict[str, Any] = {"n_vehicles": 7, "n_uav": 11, "vehicle_schedule": "dynamic", "uav_schedule": "dynamic"}
    env, params = on_test_days(**sizes)

    def select(slot: Slot) -> tuple[Array, ...]:
        info, mask = slot.ts.info, slot.obs.mask[GROUP]["server"]
        active, present = info["vehicle_active"], info["server_active"]
        chosen = jnp.take_along_axis(present, slot.action[GROUP]["server"], 0)
        uav = present[env.n_rsu : -1]
        return active[:, None] & mask & ~present[None], active & ~chosen, jnp.sum(uav, 0), jnp.sum(active, 0)

    run = jax.jit(lambda key: rollout(env, fixed(env, params)["random"], key, params, 16, select=select))
    offered, chosen, uavs, vehicles = (np.asarray(x) for x in run(jax.random.key(0)))
    text = f"{uavs.min()} to {uavs.max()} UAVs and up to {vehicles.max()} vehicles at once in 16 episodes: "
    text += f"absent servers offered {int(offered.sum())} times, chosen {int(chosen.sum())} times"
    return judge(not offered.any() and not chosen.any() and uavs.min() < uavs.max() <= 11, text)


def more_rsus_more_choice(data: Data) -> Finding:
    """C24: the first 68, 76 and 84 of the same sites."""
    env, params = on_test_days()
    policy, key = fixed(env, params)["random"], jax.random.key(0)

    @jax.jit
    def look(region: Region) -> tuple[Array, Array]:
        here = params.replace(region=region)
        reached = env.reset(world_keys(key, 256), here)[0].scene.in_range[:, : env.n_rsu]
        return reached, jnp.mean(episode_means(env, policy, key, here, 64)["feasible_mean"])

    by_number = [look(synthetic_region(0, "city", n_present=n, split="test")) for n in (68, 76, 84)]
    reached, feasible = ([np.asarray(x) for x in arrays] for arrays in zip(*by_number, strict=True))
    nested = all(bool((few <= many).all()) for few, many in pairwise(reached))
    text = f"RSUs in reach {', '.join(f'{x.sum(1).mean():.2f}' for x in reached)}, each a part of the next: {nested}; "
    text += f"feasible servers of masked random {', '.join(f'{x:.2f}' for x in feasible)} with 68, 76, 84 RSUs"
    return judge(nested and bool(np.all(np.diff(feasible) > 0)), text)
