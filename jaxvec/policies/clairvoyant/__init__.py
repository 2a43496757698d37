"""A planner that knows what will be drawn, and with it a mark that nobody who knows less can expect to pass.

Draws are apart from the transition, so the whole future of a world can be handed to a planner: what a sequence of actions
earns is then a plain function of it, and is maximised. The planner starts from the best rule and improves it, choices by
local search (each to each alternative, judged by the slots that follow), numbers by gradient through all slots at once.

What it finds is a plan that exists, so its worth is at most that of the optimum for known draws. That optimum is the bound that
no policy passes in the mean; the plan is an estimate of it from BELOW, because the search is local. How much it falls short is
seen by looking harder: pass another `Effort`. A true bound from above is cheap where agents only take from each other
and nothing outlasts its slot: plan in `jaxvec.policies.clairvoyant.alone.Alone`.

    bound = episode_bound(env, params, jax.random.key(0), 64)
    interval(bound.reward - evaluate(env, {"mine": policy}, jax.random.key(0), params, 64)["mine"]["reward"])

Rewards are those of the parameters: with `urllc_vec` plan for `reward_mix=1.0`, else agents' own rewards are maximised in
the mean, and not the team's (63).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.evaluation import PolicySwitch, attendance
from jaxvec.core.params import check_params, world_params
from jaxvec.core.rollout import Policy, Slot, rollout, world_keys
from jaxvec.core.types import Timestep
from jaxvec.policies import fixed
from jaxvec.policies.clairvoyant.replay import Action, Entries, World, draws_ahead
from jaxvec.policies.clairvoyant.search import Effort, improve

EFFORT: dict[str, Effort] = {
    # Slots are apart. Shares are of a residue, so that choices hang together: pairs of them, and turns with the gradient.
    "v2x_offload": Effort(starts=("greedy",), rounds=2, passes=3, pairs=True, options=4, steps=100),
    # The rule is the optimum of a slot already, to a millionth; queues hardly ever hold anything.
    "dt_edge": Effort(
        starts=("slot_optimum", "local_threshold"), searched=("vehicle/offload",), options=3, passes=1, steps=100
    ),
    # Numbers alone, and queues: the gradient through the whole episode.
    "isac_iov": Effort(starts=("waterfill_twin", "waterfill"), passes=0, steps=800, rate=0.1),
    # Slots are all but apart. Nearly every number acts by jumps somewhere, where the gradient sees nothing.
    "urllc_vec": Effort(
        starts=("nash_half", "nash"),
        passes=8,
        steps=0,
        searched=(
            *("vehicle/power", "vehicle/split", "vehicle/priority"),
            *("uav/power", "uav/frequency", "bs/power", "bs/frequency"),
        ),
    ),
    # A migration is paid once and lasts: alternatives are held, and judged by what follows.
    "twin_migration": Effort(starts=("patient", "myopic"), passes=3, look_ahead=12, holds=(1, 3, 6, 12)),
}
"""How hard to look by default: for each system the setting that found most in some minutes on one core, 64 worlds."""


class Planned(NamedTuple):
    """What a planner that knows all draws does.

    Attributes:
        action: per group and component `(T, n, *shape, W)`.
        worth: `(W,)`, what that earns, summed over the slots: the mean over all agents, where an absent one counts 0.
        start_worth: `(K, W)`, the same of each of the K sequences that it could start from.
    """

    action: Action
    worth: Array
    start_worth: Array


def clairvoyant(
    env: Environment,
    params: Any,
    start: tuple[Any, Timestep],
    keys: Array,
    actions: Action,
    *,
    first: Array | int = 0,
    effort: Effort | None = None,
) -> Planned:
    """The best sequence of actions that is found for worlds whose draws are known. Pure; jit it with `env` and `effort` static.

    Args:
        env: which system.
        params: its numbers, of one world or with `(W,)` leaves.
        start: state and timestep before slot `first`, of W worlds.
        keys: of the worlds `(W,)`; slot t draws from their fold with t + 1, as a rollout does.
        actions: K sequences to start from, per group and component `(K, T, n, *shape, W)`; T slots are planned.
        first: the slot of the start.
        effort: how hard to look; None: what `EFFORT` has for the system.
    Returns:
        A plan that is nowhere worse than the best of what it started from.
    """
    effort = EFFORT.get(env.id, Effort()) if effort is None else effort
    entries, params = Entries(env), world_params(params)
    plans = entries.flatten(actions, 2)
    world = World(env, params, entries, draws_ahead(env, keys, params, plans.shape[1], first))
    state, ts = start
    now = (state, ts.obs.active)
    values = jax.lax.map(lambda plan: world.worth(now, plan), plans)
    value, plan = improve(world, now, ts.obs, values, plans, rng.stream(keys, "clairvoyant"), effort)
    return Planned(entries.unflatten(plan), value, values)


class Bound(NamedTuple):
    """What is to be had in each world, and what rules get there; all `(W,)`, means over an episode.

    Attributes:
        reward: of the clairvoyant plan.
        starts: of each rule that it could start from, by name.
    """

    reward: np.ndarray
    starts: dict[str, np.ndarray]


def episode_bound(
    env: Environment,
    params: Any,
    key: Array,
    n_worlds: int = 64,
    *,
    starts: Mapping[str, Policy] | None = None,
    effort: Effort | None = None,
) -> Bound:
    """A clairvoyant plan of a whole episode in each world, the worlds of `jaxvec.core.evaluation.evaluate` with the same key.

    Rewards are those that `evaluate` reports as `reward`, so that differences with policies can be paired by world.

    Args:
        env: which system.
        params: its numbers, of one world or with `(W,)` leaves.
        key: of the worlds.
        n_worlds: W.
        starts: policies to start from, by name; None: the rules that `effort` names, or all.
        effort: how hard to look; None: what `EFFORT` has for the system.
    Raises:
        ValueError: a parameter is not a finite number, or out of its range. KeyError: `effort` names a rule that there is not.
    """
    effort = EFFORT.get(env.id, Effort()) if effort is None else effort
    if starts is None:
        rules = fixed(env, params)
        starts = {name: rules[name] for name in effort.starts} if effort.starts else rules

    def select(slot: Slot) -> tuple[Any, Array]:
        return slot.action, attendance(slot.obs)

    @jax.jit
    def run(key: Array, params: Any) -> tuple[Array, Array]:
        keys = world_keys(key, n_worlds)
        start = env.reset(rng.fold_in(keys, 0), world_params(params))

        def play(index: Array) -> tuple[Any, Array]:
            return rollout(env, PolicySwitch(list(starts.values()), index), key, params, n_worlds, select=select)

        actions, present = jax.lax.map(play, jnp.arange(len(starts)))
        planned = clairvoyant(env, params, start, keys, actions, effort=effort)
        total = jnp.maximum(jnp.sum(present[0], 0), 1e-6)
        return planned.worth / total, planned.start_worth / total

    reward, of_starts = run(key, check_params(params, env))
    return Bound(np.asarray(reward), dict(zip(starts, np.asarray(of_starts), strict=True)))
