"""What DDPG and SAC share: the replay buffer, double critics, target networks, and the loop around them.

An update is `slots_per_update` slots in each of `n_worlds` worlds; after every `learn_every` of them `gradient_steps` steps on
batches from the buffer. A central critic of agent i sees its observation and action, the world, and the actions of all others;
a pooled one its observation and action, and the mean of an encoding of everybody else's.

To add a learner: say what is its own by an `ActionHead`, and hand that to `OffPolicy`. How it acts is in
`jaxvec.learners.off_policy_acting`, what it learns in `jaxvec.learners.off_policy_losses`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxvec.core import rng
from jaxvec.core.buffers import owned, settled
from jaxvec.core.devices import spread
from jaxvec.core.environment import Environment
from jaxvec.core.layout import batch_first
from jaxvec.core.params import check_params, world_params
from jaxvec.core.rollout import Actor, Slot, policy_keys, unroll, world_keys
from jaxvec.core.types import Observation
from jaxvec.core.wrappers import reset_where_done
from jaxvec.forecast.online import Windows
from jaxvec.learners.base import Learner, Metrics
from jaxvec.learners.best import keep_best
from jaxvec.learners.blocks import flat, normalise, replay
from jaxvec.learners.blocks.actor_networks import actor_networks
from jaxvec.learners.blocks.actors import (
    Groups,
    agent_mask,
    network_inputs,
    obs_batch_first,
    of_present,
    start_moments,
    update_moments,
)
from jaxvec.learners.blocks.critics import Critics
from jaxvec.learners.blocks.metrics import scalars, summary
from jaxvec.learners.blocks.networks import Builder, NetworkLike, as_builder, mlp, pooled
from jaxvec.learners.blocks.prior import check_prior, propose, with_prior
from jaxvec.learners.blocks.schedules import annealed
from jaxvec.learners.off_policy_acting import Acting, started
from jaxvec.learners.off_policy_losses import Losses
from jaxvec.learners.off_policy_types import ActionHead, Entry, Settings, State, check_settings


class OffPolicy:
    """A learner's functions, closed over the environment and its static settings.

    Attributes:
        env, settings, hyper: what it learns on, its settings and default hyper-parameters.
        acting, critics, losses: its parts.
    """

    def __init__(
        self,
        name: str,
        env: Environment,
        settings: Settings,
        hyper: Any,
        head: ActionHead,
        network: NetworkLike | None = None,
        critic: NetworkLike | None = None,
    ):
        """
        Args:
            name: of the learner.
            env: what to learn on.
            settings: `jaxvec.learners.off_policy_types.Settings`, or a dataclass derived from it.
            hyper: default hyper-parameters, but for the discount, which is the environment's.
            head: what is the learner's own.
            network: in place of the actors that `settings.actor` names: a builder or a Flax module, see
                `jaxvec.learners.blocks.networks.as_builder`.
            critic: likewise, in place of the MLP of critics, or of the network of `pooled_critic`.
        Raises:
            ValueError: a bad setting.
            TypeError: `network` or `critic` is neither a builder nor a module.
        """
        check_settings(name, settings)
        check_prior(name, env, settings)
        s, self.bare_env, env = settings, env, with_prior(env, settings.prior)
        build_critic: Builder = partial(pooled if s.pooled_critic else mlp, s.hidden, activation=s.activation)
        if critic is not None:
            build_critic = as_builder(critic)
        actors = actor_networks(
            name, env, head.flat_spaces, s, network, head.outputs, squashed=True, deviations=head.deviations
        )
        choices = {group: n for group, spaces in head.flat_spaces.items() if (n := flat.whole_choice(spaces))}
        self.name, self.env, self.settings, self.hyper = name, env, s, hyper.replace(gamma=env.discount)
        self.acting = Acting(name, env, s, head, actors)
        self.critics = Critics(env.n_agents, build_critic, s.central_critic, s.share_parameters, choices)
        self.losses = Losses(self.acting, self.critics)
        self.forecaster = self.acting.forecaster
        self.custom = tuple(part for part, x in (("network", network), ("critic", critic)) if x is not None)

    def learner(self) -> Learner:
        """As pure functions."""
        learner = Learner(
            name=self.name,
            env=self.bare_env,
            settings=self.settings,
            hyper=self.hyper,
            init=self.init,
            update=self.update,
            policy=self.acting.policy,
            steps_per_update=self.settings.slots_per_update * self.settings.n_worlds,
            custom=self.custom,
            networks=self.networks,
            policy_state=lambda state: state.replace(target={}, opt={}, replay=(), carry=()),
        )
        return keep_best(learner, self.settings.keep_best)

    def init(self, key: Array, params: Any, hyper: Any = None) -> State:
        """A fresh learner with an empty buffer.

        Args:
            key: everything random follows from it.
            params: the environment's, of one world or with `(n_worlds,)` leaves.
            hyper: hyper-parameters, the defaults if None.
        Raises:
            ValueError: a parameter is not a finite number, or out of its range.
        """
        s, n = self.settings, self.settings.n_worlds
        params = jax.tree.map(jnp.asarray, world_params(check_params(params, self.bare_env), self.settings.n_worlds))
        hyper = settled(self.hyper if hyper is None else hyper)
        key_net, key_run = rng.stream(key, "networks"), rng.stream(key, "run")
        forecaster = self.forecaster.init(rng.stream(key_net, "twin"), params)
        carry = self.forecaster.wrap(forecaster).reset(world_keys(key_run, n), params)
        obs = obs_batch_first(carry[1].obs)
        nets = self.init_networks(key_net, obs)
        moments: dict[str, Groups] = {
            name: {group: normalise.start(()) for group in self.env.n_agents} for name in ("reward", "end")
        }
        if s.normalise_observations:
            moments["obs"] = start_moments(obs)
        state = State(
            params=nets,
            target=nets,
            opt={part: _optimiser(hyper, part).init(nets[part]) for part in nets},
            temperature=self.acting.head.initial_temperature(hyper),
            moments=moments,
            replay=replay.start(0, n, 0),  # its width follows from the rest
            forecaster=forecaster,
            hyper=hyper,
            env_params=params,
            key=key_run,
            update=jnp.int32(0),
            carry=spread(carry),
        )
        return owned(state.replace(replay=replay.start(s.capacity // n, n, self.packing(state).width)))

    def init_networks(self, key: Array, obs: Observation) -> dict[str, Any]:
        """Parameters of actors and critics.

        Args:
            key: for all of them.
            obs: observations like these, batch-first.
        Returns:
            As `State.params`.
        """
        seen = jax.tree.map(lambda x: x[:1], network_inputs(obs, {}))
        spaces = self.acting.head.flat_spaces
        actions = {group: jnp.zeros((1, n, flat.width(spaces[group]))) for group, n in self.env.n_agents.items()}
        inputs = self.critics.inputs(seen, actions, actions)
        n_critics = 2 if self.settings.double_critics else 1
        critics = tuple(self.critics.init(rng.stream(key, f"critic {i}"), inputs) for i in range(n_critics))
        return {"actor": self.acting.actors.init(rng.stream(key, "actor"), seen.agents), "critic": critics}

    def networks(self, state: State, obs: Observation) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters and outputs of the networks, see `Learner.networks`; critics judge actions from one end of the boxes to the
        other.

        Args:
            state: of the learner.
            obs: the environment's, batch-last.
        """
        key = world_keys(jax.random.key(0), self.settings.n_worlds)
        seen = self.losses.seen(state, obs_batch_first(propose(self.env, key, obs, state.env_params)))
        actions = {}
        for group, spaces in self.acting.head.flat_spaces.items():
            ramp = jnp.linspace(-1.0, 1.0, flat.width(spaces))
            actions[group] = jnp.broadcast_to(ramp, (*seen.agents[group].shape[:-1], len(ramp)))
        inputs = self.critics.inputs(seen, actions, actions)
        outputs = {
            "network": self.acting.outputs(state.params["actor"], seen.agents, {}, seen.world.shape[:-1]),
            "critic": [self.critics.values(critic, inputs) for critic in state.params["critic"]],
        }
        return {"network": state.params["actor"], "critic": state.params["critic"]}, outputs

    # Acting

    def packing(self, state: State) -> replay.Packing:
        """How an entry of one world lies in the buffer.

        Args:
            state: of the learner; its buffer is not looked at.
        """
        entry = jax.eval_shape(lambda state: self.collect_slot(state, state.hyper, jnp.int32(0))[1], state)
        return replay.packing(jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), entry))

    def collect_slot(self, state: State, hyper: Any, t: Array) -> tuple[Any, Entry, Windows | None, Metrics]:
        """The t-th slot in all worlds.

        Args:
            state: of the learner.
            hyper: hyper-parameters in force.
            t: int32 `()`, from 1, over all updates.
        Returns:
            Where the worlds stand after it; the entry to be remembered `(n_worlds, ...)`; what a forecaster learns from; metrics.
        """
        n, env = self.settings.n_worlds, self.forecaster.wrap(state.forecaster)
        keys = world_keys(state.key, n, t), policy_keys(state.key, n, t)

        act_fn = self.acting.explore(state, hyper)

        def act(memory: Any, key: Array, obs: Observation) -> tuple[Groups, Any, Groups]:
            action, flat_actions = act_fn(key, obs)
            return action, memory, flat_actions

        def select(slot: Slot) -> tuple[Slot, Windows | None]:
            return slot._replace(state=(), ts=scalars(slot.ts)), self.forecaster.window(slot)

        end, slots = unroll(env, Actor((), act, ()), keys, state.env_params, state.carry, 1, select)
        next_state, ts, _ = end
        slot: Slot
        metrics, (slot, windows) = summary(slots[0]), jax.tree.map(lambda x: x[0], slots)
        entry = Entry(
            obs=slot.obs.replace(aux={}),
            flat_action=slot.extras,
            reward=slot.ts.reward,
            terminated=slot.ts.terminated,
            next_obs=ts.obs.replace(aux={}),
            next_state=next_state if self.env.takes_turns else (),
        )
        carry = reset_where_done(env, rng.stream(keys[0], "reset"), next_state, ts, state.env_params)
        entry = batch_first(entry, 1)
        actions, reward = (of_present(x, entry.obs) for x in (entry.flat_action, entry.reward))
        return carry, entry._replace(flat_action=actions, reward=reward), windows, metrics

    # Learning

    def update(self, state: State) -> tuple[State, Metrics]:
        """Acting and learning by turns.

        Args:
            state: of the learner.
        Returns:
            The state after an update, and metrics: means over the update.
        """
        s, hyper, packing = self.settings, annealed(state.hyper, state.update), self.packing(state)

        def act(state: State, i: Array) -> tuple[State, tuple[Windows | None, Metrics]]:
            t = 1 + state.update * s.slots_per_update + i
            carry, entry, windows, metrics = self.collect_slot(state, hyper, t)
            moments = dict(state.moments)
            if "obs" in moments:
                moments["obs"] = update_moments(moments["obs"], entry.obs, agent_mask(entry.obs))
            buffer = replay.add(state.replay, packing.pack(entry))
            return state.replace(carry=carry, moments=moments, replay=buffer), (windows, metrics)

        def learn(state: State, i: Array) -> tuple[State, Metrics]:
            key = rng.fold_in(rng.fold_in(rng.stream(state.key, "learn"), state.update), i)
            return self.gradient_step(state, packing, hyper, key, i)

        def act_then_learn(state: State, i: Array) -> tuple[State, tuple[Windows | None, Metrics]]:
            state, (windows, acting) = jax.lax.scan(act, state, i * s.learn_every + jnp.arange(s.learn_every))
            state, learning = jax.lax.scan(learn, state, i * s.gradient_steps + jnp.arange(s.gradient_steps))
            return state, (windows, jax.tree.map(jnp.mean, acting | learning))

        phases = jnp.arange(s.slots_per_update // s.learn_every)
        state, (windows, metrics) = jax.lax.scan(act_then_learn, state, phases)
        # phases and their slots are one axis of time
        windows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), windows)
        key = rng.fold_in(rng.stream(state.key, "twin"), state.update)
        forecaster, forecasting = self.forecaster.learn(state.forecaster, key, windows, hyper.forecaster_learning_rate)
        after = state.replace(update=state.update + 1, forecaster=forecaster)
        return after, jax.tree.map(jnp.mean, metrics) | forecasting

    def gradient_step(
        self, state: State, packing: replay.Packing, hyper: Any, key: Array, i: Array
    ) -> tuple[State, Metrics]:
        """The i-th gradient step of an update: of the critics, and every `policy_delay`-th time of actors and targets.

        Args:
            state: before it.
            packing: of the buffer's entries.
            hyper: hyper-parameters in force.
            key: one typed key, of this step alone.
            i: int32 `()`.
        Returns:
            The state after it, and metrics.
        """
        key_sample, key_next, key_own = (rng.stream(key, name) for name in ("sample", "next", "own"))
        rows, world = replay.sample(state.replay, key_sample, self.settings.batch_size)
        entry: Entry = packing.unpack(rows)
        state = state.replace(moments=self.losses.ema_update(state.moments, entry, hyper))
        targets = self.losses.targets(state, entry, world, hyper, key_next)
        grad, metrics = jax.grad(self.losses.critic_loss, has_aux=True)(state.params["critic"], state, entry, targets)
        critic, opt = _descend(state, "critic", grad, hyper)
        state = state.replace(params=state.params | {"critic": critic}, opt=state.opt | {"critic": opt})
        metrics["off_policy/critic_grad_norm"] = optax.tree.norm(grad)

        def improve() -> tuple[_ActorSide, Metrics]:
            return self.actor_step(state, entry, hyper, key_own)

        delay = self.settings.policy_delay
        if delay == 1:
            actor_side, actor_metrics = improve()
        else:
            zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(improve)[1])
            unchanged = _ActorSide.of(state), zeros
            actor_side, actor_metrics = jax.lax.cond((i + 1) % delay == 0, improve, lambda: unchanged)
            actor_metrics = jax.tree.map(lambda x: x * delay, actor_metrics)  # a mean over those steps that improved
        return actor_side.put_into(state), metrics | actor_metrics

    def actor_step(self, state: State, entry: Entry, hyper: Any, key: Array) -> tuple["_ActorSide", Metrics]:
        """A step of the actors and temperatures, once they have started, and of the target networks.

        Args:
            state: before it, with critics that learned already.
            entry: a batch of the buffer.
            hyper: hyper-parameters in force.
            key: one typed key, of the actors' chance.
        Returns:
            What it changes, and metrics.
        """
        grad, (metrics, (entropy, max_entropy)) = jax.grad(self.losses.actor_loss, has_aux=True)(
            state.params["actor"], state, entry, hyper, key
        )
        temperature = self.acting.head.tune(state.temperature, entropy, max_entropy, hyper)
        before = state.params["actor"], state.opt["actor"], state.temperature
        after = *_descend(state, "actor", grad, hyper), temperature
        begun = started(state, hyper)
        actor, opt, temperature = jax.tree.map(lambda x, old: jnp.where(begun, x.astype(old.dtype), old), after, before)
        target = optax.incremental_update(state.params | {"actor": actor}, state.target, hyper.tau)
        metrics["off_policy/actor_grad_norm"] = optax.tree.norm(grad)
        return _ActorSide(actor, opt, temperature, target), metrics


class _ActorSide(NamedTuple):
    """What a step of the actors changes: their parameters and optimiser, temperatures, and all target networks."""

    params: Groups
    opt: Any
    temperature: Groups
    target: dict[str, Any]

    @classmethod
    def of(cls, state: State) -> "_ActorSide":
        """Of a state."""
        return cls(state.params["actor"], state.opt["actor"], state.temperature, state.target)

    def put_into(self, state: State) -> State:
        """The state with it."""
        return state.replace(
            params=state.params | {"actor": self.params},
            opt=state.opt | {"actor": self.opt},
            temperature=self.temperature,
            target=self.target,
        )


def _optimiser(hyper: Any, part: str) -> optax.GradientTransformation:
    """Adam with clipped gradients, for the "actor" or the "critic"."""
    return optax.chain(
        optax.clip_by_global_norm(hyper.max_grad_norm), optax.adam(getattr(hyper, f"{part}_learning_rate"))
    )


def _descend(state: State, part: str, grad: Any, hyper: Any) -> tuple[Any, Any]:
    """Parameters and optimiser of the "actor" or the "critic" after a gradient step."""
    updates, opt = _optimiser(hyper, part).update(grad, state.opt[part])
    return optax.apply_updates(state.params[part], updates), opt
