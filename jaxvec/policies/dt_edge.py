"""Fixed rules for `dt_edge`: marks from below (`local`, `starve`) and above (`slot_optimum`), from what the vehicles observe.

All but `slot_optimum`, which sees everybody, are local, see `jaxvec.core.rule.Rule`. None observes the bias: they know
its mean. A rule is a function of one world; a batch is mapped over.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.params import world_params
from jaxvec.core.presence import of_present, of_slot
from jaxvec.core.rollout import Policy
from jaxvec.core.rule import Rule
from jaxvec.core.types import Observation
from jaxvec.envs.dt_edge import DtEdge, slot
from jaxvec.envs.dt_edge.observation import GROUP, Seen, see
from jaxvec.envs.dt_edge.params import Params
from jaxvec.policies.mapped import over_worlds

LEVELS = 7  # of the whole server's use, tried by `slot_optimum`


class Plan(NamedTuple):
    """Ratios of offloading and shares asked for, `(N, K)`."""

    omega: Array
    alpha: Array


def budget(env: DtEdge, params: Params) -> Array:
    """What the shares may sum to (17d), with the mean bias."""
    n = slot.n_streams(env, params)
    taken = n * params.cpu_bias_mean_hz / params.server_cpu_hz
    return jnp.maximum(1.0 - taken, n * slot.share_floor(env, params))


def equal(env: DtEdge, params: Params) -> Array:
    """The same share of the budget for every stream."""
    return jnp.full((env.n_vehicles, env.n_types), budget(env, params) / slot.n_streams(env, params))


def floors(env: DtEdge, params: Params) -> Array:
    """The least shares."""
    return jnp.full((env.n_vehicles, env.n_types), slot.share_floor(env, params))


def softmax_random(seen: Seen, env: DtEdge, params: Params, key: Array) -> Plan:
    """The paper's actor head on noise: a softmax over ratios and doubled shares."""
    k = env.n_types
    y = jax.nn.softmax(jax.random.normal(key, (env.n_vehicles, 2 * k)), 1)
    return Plan(jnp.clip(y[:, :k], 0.01, 0.99), 0.5 * y[:, k:])


def local(seen: Seen, env: DtEdge, params: Params, key: Array) -> Plan:
    """Everything on the vehicles."""
    return Plan(jnp.zeros_like(seen.task_bits), floors(env, params))


def offload_equal(seen: Seen, env: DtEdge, params: Params, key: Array, *, ratio: float = 1.0) -> Plan:
    """The same ratio of everything to the server, in equal shares."""
    return Plan(jnp.full_like(seen.task_bits, ratio), equal(env, params))


def starve(seen: Seen, env: DtEdge, params: Params, key: Array) -> Plan:
    """Everything to a server that hardly works: queues grow."""
    return Plan(jnp.ones_like(seen.task_bits), floors(env, params))


def greedy_latency(seen: Seen, env: DtEdge, params: Params, key: Array) -> Plan:
    """Equal shares, and to the server what is done sooner there."""
    alpha, work = equal(env, params), seen.task_bits * params.cycles_per_bit
    up_s = seen.task_bits / slot.rate_bps(env, seen.gain_db, params)[:, None]
    there_s = up_s + work / (alpha * params.server_cpu_hz + params.cpu_bias_mean_hz)
    return Plan((there_s < work / params.vehicle_cpu_hz).astype(alpha.dtype), alpha)


def worth_s(env: DtEdge, params: Params, work: Array) -> Array:
    """The latency that the energy of computing locally is worth."""
    return params.energy_weight * jnp.mean(jnp.asarray(params.t_max_s)) * work / slot.cycles_ref(params, 0)


def local_threshold(seen: Seen, env: DtEdge, params: Params, key: Array) -> Plan:
    """A stream goes to the server where a fair share of it is worth more than its own CPU; shares by the root of the work."""
    work = seen.task_bits * params.cycles_per_bit
    up_s = seen.task_bits / slot.rate_bps(env, seen.gain_db, params)[:, None]
    fair_s = work * slot.n_streams(env, params) / params.server_cpu_hz
    away = up_s + fair_s < work / params.vehicle_cpu_hz + worth_s(env, params, work)
    share = 0.5 * params.alpha_max * jnp.sqrt(work / slot.cycles_ref(params, 0))
    return Plan(away.astype(work.dtype), jnp.where(away, share, slot.share_floor(env, params)))


def slot_optimum(seen: Seen, env: DtEdge, params: Params, key: Array) -> Plan:
    """The best of a family that holds the optimum of a slot or nearly: the streams that gain most by it offloaded, with shares by
    the root of their work; every number of streams and several uses of the server are tried. For `latency_combine="sum"`,
    whose cost is linear in the ratios.
    """
    n, floor = seen.task_bits.size, slot.share_floor(env, params)
    work = seen.task_bits * params.cycles_per_bit
    up_s = seen.task_bits / slot.rate_bps(env, seen.gain_db, params)[:, None]
    loss_s = of_present(params.present, up_s - work / params.vehicle_cpu_hz - worth_s(env, params, work), jnp.inf)
    place = jnp.argsort(jnp.argsort(loss_s.ravel())).reshape(loss_s.shape)
    many, use = jnp.meshgrid(jnp.arange(n + 1), jnp.linspace(0.0, 1.0, LEVELS), indexing="ij")
    away = place[..., None] < many.ravel()  # (N, K, candidates)
    extra = use.ravel() * (budget(env, params) - slot.n_streams(env, params) * floor)
    weight = away * jnp.sqrt(work)[..., None]
    part = weight / jnp.maximum(jnp.sum(weight, (0, 1)), jnp.finfo(weight.dtype).tiny)
    plan = Plan(away.astype(work.dtype), jnp.minimum(floor + extra * part, params.alpha_max))
    best = jnp.argmax(outcomes(plan, seen, env, params)[1].team)
    return Plan(*(x[..., best] for x in plan))


def outcomes(plan: Plan, seen: Seen, env: DtEdge, params: Params) -> tuple[slot.Decision, slot.Score]:
    """What is done, and what one slot is then worth, for plans `(N, K, candidates)`: the candidates come last."""
    params = world_params(params)
    gain_db, tasks, queue = (lift(x, 1) for x in (seen.gain_db, seen.task_bits, seen.queue_bits))
    bias_hz = of_present(params.present, jnp.full_like(tasks, params.cpu_bias_mean_hz))
    state: Any = _Slot(jnp.zeros(1, jnp.int32), tasks, queue, bias_hz)
    d = slot.fit(env, *plan, state, params)
    late = slot.delay(env, d, slot.rate_bps(env, gain_db, params), state, params)
    energy, q = slot.spend(d, late, params), slot.enqueue(d, late, state)
    return d, slot.score(env, d, late, energy, q, state, params)


class _Slot(NamedTuple):
    """What the phases of a slot read of a state."""

    t: Array
    task_bits: Array
    queue_bits: Array
    cpu_bias_hz: Array


def encode(plan: Plan, env: DtEdge, params: Params) -> dict[str, dict[str, Array]]:
    """The action that asks for a plan; shares are log-spaced there."""
    floor = slot.share_floor(env, params)
    u = jnp.log(jnp.maximum(plan.alpha, floor) / floor) / jnp.log(params.alpha_max / floor)
    return {GROUP: {"offload": plan.omega, "share": jnp.clip(u, 0.0, 1.0)}}


RULES: dict[str, Rule] = {
    "softmax_random": Rule(softmax_random, local=True),
    "local": Rule(local, local=True),
    "offload_equal": Rule(offload_equal, True, meaning="Everything to the server, in equal shares."),
    "half_equal": Rule(
        partial(offload_equal, ratio=0.5), True, meaning="Half of everything to the server, in equal shares."
    ),
    "greedy_latency": Rule(greedy_latency, local=True),
    "local_threshold": Rule(local_threshold, local=True),
    "starve": Rule(starve, local=True),
    "slot_optimum": Rule(slot_optimum),
}


def as_policy(env: DtEdge, params: Params, rule: Callable[..., Plan]) -> Policy:
    """A rule of one world as a policy of one world or of a batch, whose worlds may have numbers of their own."""

    def decide(params: Params, key: Array, obs: Observation) -> Any:
        here = of_slot(params, obs.active.get(GROUP))
        return encode(rule(see(env, obs, here), env, here, key), env, here)

    return over_worlds(decide, params)


def rules(env: DtEdge, params: Params) -> dict[str, Rule]:
    """Every rule of `RULES` as a policy."""
    return {name: rule.policy(env, as_policy(env, params, rule)) for name, rule in RULES.items()}
