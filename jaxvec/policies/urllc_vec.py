"""Fixed rules for `urllc_vec`: greedy, spread, and best responses (Algorithm 3 of the paper), each also with half the budget.

All decide for everybody at once, from what vehicles and nodes see together: tasks in equal parts, full power and speed. A node
that takes less than it is sent ("_half": half of what its processor could do within the target) forwards the rest to
whoever it expects to be least busy.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.params import world_params
from jaxvec.core.rollout import Policy
from jaxvec.core.types import Observation
from jaxvec.envs.urllc_vec.env import CYCLES_SCALE, SNR_SCALE_DB, UrllcVec
from jaxvec.envs.urllc_vec.links import rate_bps
from jaxvec.envs.urllc_vec.params import Params
from jaxvec.envs.urllc_vec.slot import load_of

SWEEPS = 3


class Seen(NamedTuple):
    """Observations in SI units, of everybody; V vehicles, J subtasks, K = V J, N nodes."""

    gain: Array  # (V, N)
    reach: Array  # (V, N) bool
    relays: Array  # (N, N) bool
    bits: Array  # (V,) of each subtask
    cycles: Array  # (K,)
    cpu_hz: Array  # (N,)
    backlog: Array  # (N,) [cycle]


def see(obs: Observation, env: UrllcVec, params: Params) -> Seen:
    """Undo the scaling of the observations."""
    v, n, j = env.n_vehicles, env.n_nodes, env.n_subtasks
    rows, nodes = obs.agents["vehicle"], jnp.concatenate([obs.agents["bs"], obs.agents["uav"]])
    snr = 10.0 ** (rows[:, 7 : 7 + n] * (SNR_SCALE_DB / 10))
    size = rows[:, 7 + 2 * n + 3 * j] * params.task_max_bits / j
    cycles = rows[:, 7 + 2 * n : 7 + 2 * n + j] * CYCLES_SCALE * size[:, None]
    forward = jnp.concatenate([obs.mask["bs"]["forward"], obs.mask["uav"]["forward"]])
    return Seen(
        gain=snr * params.noise_w / params.p_max_vehicle_w,
        reach=obs.mask["vehicle"]["target"][:, 0],
        relays=forward & ~lift(jnp.eye(n, dtype=bool), forward.ndim - 2),
        bits=size,
        cycles=cycles.reshape(-1, *cycles.shape[2:]),
        cpu_hz=nodes[:, 7 + v + n] * params.f_max_hz,
        backlog=nodes[:, 8 + v + n] * params.slot_cycles,
    )


def greedy(seen: Seen, env: UrllcVec, params: Params) -> Array:
    """Every subtask over the best link."""
    best = jnp.argmax(seen.gain, 1)
    return jnp.repeat(best, env.n_subtasks, axis=0)


def spread(seen: Seen, env: UrllcVec, params: Params) -> Array:
    """The j-th subtask over the j-th best usable link, from the best again after the last."""
    best_first = jnp.argsort(-jnp.where(seen.reach, seen.gain, -1), 1)
    usable = jnp.sum(seen.reach, 1)
    turn = lift(jnp.arange(env.n_subtasks), usable.ndim - 1)[None] % usable[:, None]
    target = jnp.take_along_axis(best_first, turn, 1)
    return target.reshape(-1, *target.shape[2:])


def nash(seen: Seen, env: UrllcVec, params: Params) -> Array:
    """Best responses in turn: each subtask goes where it would be done first, given all the others."""
    n, index = env.n_nodes, lift(jnp.arange(env.n_nodes), seen.bits.ndim - 1)
    rate = jnp.maximum(rate_bps(seen.gain, params.p_max_vehicle_w, params), 1.0)
    fly_s = jnp.where(seen.reach, seen.bits[:, None] * params.bits_per_data_unit / rate, jnp.inf)
    start = greedy(seen, env, params)

    def respond(now: tuple[Array, Array], k: Array) -> tuple[tuple[Array, Array], None]:
        target, load = now
        work = seen.cycles[k]
        load = load - jnp.where(index == target[k], work, 0)
        done_s = fly_s[k // env.n_subtasks] + (seen.backlog + load + work) / seen.cpu_hz
        to = jnp.argmin(done_s, 0)
        return (target.at[k].set(to), load + jnp.where(index == to, work, 0)), None

    order = jnp.tile(jnp.arange(len(seen.cycles)), SWEEPS)
    load = load_of(seen.cycles, start, n)
    return jax.lax.scan(respond, (start, load), order)[0][0]


def forwarding(target: Array, admit: float, seen: Seen, env: UrllcVec, params: Params) -> Array:
    """To whom each node forwards (N,): from the busiest on, to the reachable one that is expected to be least busy."""
    n, index = env.n_nodes, lift(jnp.arange(env.n_nodes), seen.bits.ndim - 1)
    load = load_of(seen.cycles, target, n)
    overflow = jnp.maximum(load - admit * params.f_max_hz * params.latency_target_s, 0)

    def choose(now: tuple[Array, Array], node: Array) -> tuple[tuple[Array, Array], None]:
        load, forward = now
        mine = index == node
        reachable = jnp.any(mine[:, None] & seen.relays, 0)
        to, some = jnp.argmin(jnp.where(reachable, load, jnp.inf), 0), jnp.any(reachable, 0)
        more = jnp.sum(jnp.where(mine, overflow, 0), 0)
        forward = jnp.where(mine & some, to, forward)
        return (load + jnp.where((index == to) & some, more, 0), forward), None

    own = jnp.broadcast_to(index, load.shape)
    return jax.lax.scan(choose, (load, own), jnp.argsort(-load, 0))[0][1]


RULES: dict[str, Callable[[Seen, UrllcVec, Params], Array]] = {"greedy": greedy, "spread": spread, "nash": nash}


def rules(env: UrllcVec, params: Params) -> dict[str, Policy]:
    """Every rule of `RULES` as a policy, with the whole budget and with half of it."""

    def policy_of(rule: Callable[[Seen, UrllcVec, Params], Array], admit: float) -> Policy:
        def policy(key: Array, obs: Observation) -> Any:
            known = world_params(params) if key.ndim else params
            seen = see(obs, env, known)
            target = rule(seen, env, known)
            forward = forwarding(target, admit, seen, env, known).astype(jnp.int32)
            batch, b = seen.bits.shape[1:], env.n_bs
            each = (env.n_vehicles, env.n_subtasks, *batch)
            full = lambda *shape: jnp.ones((*shape, *batch))  # noqa: E731

            def node(rows: slice, n: int) -> dict[str, Array]:
                numbers = {"power": full(n), "frequency": full(n), "admit": admit * full(n)}
                return {"forward": forward[rows], **numbers}

            vehicle = {
                "target": target.reshape(each).astype(jnp.int32),
                "power": jnp.ones(each),
                "split": 0.5 * jnp.ones(each),
                "priority": 0.5 * full(env.n_vehicles, 3),
            }
            return {"vehicle": vehicle, "bs": node(slice(b), b), "uav": node(slice(b, None), env.n_uavs)}

        return policy

    return {
        f"{name}{suffix}": policy_of(rule, admit)
        for name, rule in RULES.items()
        for suffix, admit in (("", 1.0), ("_half", 0.5))
    }
