"""How analytic policy gradients act, and what a slot is worth in which something else is done: the part before learning."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.evaluation import mean_reward
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.rollout import Policy
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import ActTrace, Observation, Timestep
from jaxvec.learners.apg_replays import Replays
from jaxvec.learners.blocks import flat, heads
from jaxvec.learners.blocks.actors import Groups, rows_of
from jaxvec.learners.blocks.by_choice import ByChoice
from jaxvec.learners.blocks.schedules import annealed
from jaxvec.learners.on_policy import OnPolicy
from jaxvec.learners.on_policy_types import State

SLOTS_AT_ONCE = 4096  # of replays: as many as a processor's caches hold


class Played(NamedTuple):
    """A slot as it was played, of W worlds.

    Attributes:
        t: which of the piece, int `()`.
        keys: (worlds', policy's), of which slot t uses the fold with t + 1.
        state, ts: before it.
        action: of all agents.
        trace: how it was asked, with the actors' outputs as extras.
    """

    t: Array
    keys: tuple[Array, Array]
    state: Any
    ts: Timestep
    action: Groups
    trace: ActTrace

    @property
    def key(self) -> Array:
        """The policy's, one per world."""
        return rng.fold_in(self.keys[1], self.t + 1)


class Acting(OnPolicy):
    """An on-policy learner whose numbers have no noise, and that replays slots.

    Attributes:
        by_choice: where numbers depend on a choice, the environment in which actors say them for every option; else None.
        replays: which choices of a slot are replayed.
        replay_slots: slots of a replay.
    """

    by_choice: ByChoice | None
    replays: Replays
    replay_slots: int

    def decide(self, actor: Groups, state: State, key: Array, obs: Observation, greedy: bool) -> tuple[Groups, Groups]:
        """Actions of the agents that are asked, `(n, ..., *batch)`, and the outputs behind them `(n, width, *batch)`.

        Args:
            actor: parameters of the actors.
            state: the learner's.
            key: one per world.
            obs: as the environment gives it.
            greedy: the best choices, rather than samples.
        """
        rank = key.ndim
        inputs, mask = self.inputs(state, obs).agents, batch_first(obs.mask, rank)
        outputs, _ = self.actors.outputs(actor, self.actors.memory(key.shape), inputs, obs.ids, rank)
        action = {}
        for group, spaces in self.env.action_space.items():
            parts = flat.split(spaces, outputs[group])
            u = flat.split(spaces, flat.uniforms(rng.stream(key, group), spaces, len(obs.agents[group]))["u"])
            raw = {}
            for name, space in spaces.items():
                if isinstance(space, Discrete):
                    logits = flat.masked(parts[name], mask.get(group, {}).get(name))
                    gumbel = -jnp.log(-jnp.log(u[name]))
                    raw[name] = jnp.argmax(logits if greedy else logits + gumbel, -1).astype(jnp.int32)
                else:
                    raw[name] = flat.clipped(parts[name])
            action[group] = batch_last(heads.to_space(spaces, raw), rank)
        return action, batch_last(outputs, rank)

    def choose(self, state: State, memory: Any, key: Array, obs: Observation, greedy: bool) -> tuple[Groups, Any, Any]:
        """See `OnPolicy.choose`; numbers have no noise."""
        action, outputs = self.decide(state.params["actor"], state, key, obs, greedy)
        return action, memory, outputs

    def policy(self, state: State, greedy: bool = True) -> Policy:
        """See `OnPolicy.policy`; of the numbers for all options those of the chosen one."""
        decide = super().policy(state, greedy)
        if self.by_choice is None:
            return decide
        done = self.by_choice.done

        def policy(key: Array, obs: Observation) -> Groups:
            return done(decide(key, obs))

        return policy

    # Replays

    def asked_again(self, env: Environment, state: State, slot: Played, action: Groups) -> Groups:
        """What all agents do if some do otherwise than they did: these as given, and whoever is asked later by what then is seen.

        Everybody has the same chance as in the slot, so that whoever sees the same does the same.

        Args:
            env: whose agents take turns.
            state: the learner's.
            slot: as it was played.
            action: of all agents.
        """

        def others(group: str) -> Array:
            changed = [x != slot.action[group][name] for name, x in action[group].items()]
            return jnp.any(jnp.stack([jnp.any(x.reshape(len(x), -1, x.shape[-1]), 1) for x in changed]), 0)

        given = {group: others(group) for group in action}

        def act_fn(key: Array, obs: Observation) -> tuple[Any, Any]:
            said, _ = self.decide(state.params["actor"], state, key, obs, False)

            def of_group(group: str, name: str, x: Array) -> Array:
                who = obs.ids[group]
                fixed = rows_of(given[group], who)
                fixed = fixed.reshape(len(fixed), *(1,) * (x.ndim - 2), x.shape[-1])
                return jnp.where(fixed, rows_of(action[group][name], who), x)

            return {g: {name: of_group(g, name, x) for name, x in parts.items()} for g, parts in said.items()}, ()

        return env.act(act_fn, slot.key, slot.state, slot.ts, state.env_params)[0]

    def replay(self, env: Environment, state: State, slot: Played, action: Groups) -> Array:
        """Discounted rewards `(W,)` of a slot with another action, and of those that follow under the policy's best choices.

        Args:
            env: whose episodes may end and begin anew.
            state: the learner's.
            slot: as it was played.
            action: of all agents; where they take turns, those that do as they did are asked again, if the settings say so.
        """
        if env.takes_turns and self.settings.ask_again:
            action = self.asked_again(env, state, slot, action)
        keys, t = slot.keys, slot.t
        now, ts = env.step(rng.fold_in(keys[0], t + 1), slot.state, action, state.env_params)
        total, going, discount = mean_reward(ts.reward, slot.trace.obs), ~ts.done, 1.0

        def follow(carry: Any, h: Array) -> tuple[Any, None]:
            now, ts, total, going, discount = carry
            discount = discount * state.hyper.gamma

            def act_fn(key: Array, obs: Observation) -> tuple[Any, Any]:
                return self.decide(state.params["actor"], state, key, obs, True)[0], ()

            action, trace = env.act(act_fn, rng.fold_in(keys[1], h + 1), now, ts, state.env_params)
            after, next_ts = env.step(rng.fold_in(keys[0], h + 1), now, action, state.env_params)
            total = total + jnp.where(going, discount * mean_reward(next_ts.reward, trace.obs), 0)
            return (after, next_ts.replace(info={}), total, going & ~next_ts.done, discount), None

        if self.replay_slots > 1:
            carry = (now, ts.replace(info={}), total, going, jnp.asarray(discount))
            total = jax.lax.scan(follow, carry, t + 1 + jnp.arange(self.replay_slots - 1))[0][2]
        return total

    def gains(self, env: Environment, state: State, slot: Played) -> tuple[Array, Array]:
        """What replays say of the choices and jumps of a slot, and the entropy of its choices; see `Replays.gains`.

        Args:
            env, state: as for `replay`.
            slot: as it was played.
        """
        key = rng.stream(slot.key, "replay")
        if not self.replays:
            return jnp.zeros(key.shape), jnp.zeros(key.shape)
        outputs, seen = batch_first(slot.trace.extras, 1), slot.trace.obs
        slot = jax.lax.stop_gradient(slot)
        most = SLOTS_AT_ONCE // (self.settings.n_worlds * self.replay_slots)

        def worth(actions: Groups) -> Array:
            actions = jax.lax.stop_gradient(actions)
            n = len(jax.tree.leaves(actions)[0])
            return jax.lax.map(lambda a: self.replay(env, state, slot, a), actions, batch_size=divisor(n, most))

        jump = annealed(state.hyper, state.update).jump
        return self.replays.gains(worth, slot.action, outputs, seen, key, jump)


def divisor(n: int, most: int) -> int:
    """The largest part of n that is no larger than `most`, and at least 1: of n replays so many are made at once.

    What a replay shares with others, such as where everybody drives, is computed once for all that are made at once; and equal
    parts are one program, where a rest would be compiled apart.

    Args:
        n: how many there are.
        most: how many may be in a part.
    """
    return max(k for k in range(1, n + 1) if n % k == 0 and k <= max(most, 1))
